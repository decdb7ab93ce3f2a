// SPDX-License-Identifier: MIT
/*
 * /proc/PID/numa_maps (fs/proc/task_mmu.c, show_numa_map()): one line a mapping,
 *
 *	7f2c58000000 bind:0-1 anon=6 dirty=6 active=0 N0=3 N1=3 kernelpagesize_kB=4
 *
 * which has the start of the mapping but not its end. The end stands in /proc/PID/maps, whose
 * lines come in the same order.
 */
#include "numa_maps.h"
#include "sys.h"
#include "util.h"

#include <errno.h>
#include <stdlib.h>

static const char *line_end(const char *p)
{
	return strchrnul(p, '\n');
}

static const char *next_line(const char *p)
{
	p = line_end(p);
	return *p ? p + 1 : p;
}

/* mpol_to_str() in mm/mempolicy.c: mode, =flags, :nodes; only a mode may hold a space. */
static const char *parse_policy(const char *p, enum numaperf_policy *policy,
				struct numaperf_nodemask *nodes)
{
	static const struct {
		const char *text;
		enum numaperf_policy policy;
	} modes[] = {
		{ "prefer (many)", NUMAPERF_POLICY_PREFERRED },
		{ "prefer", NUMAPERF_POLICY_PREFERRED },
		{ "bind", NUMAPERF_POLICY_BIND },
		{ "interleave", NUMAPERF_POLICY_INTERLEAVE },
		{ "local", NUMAPERF_POLICY_LOCAL },
		{ "default", NUMAPERF_POLICY_DEFAULT },
		{ "weighted interleave", NUMAPERF_POLICY_WEIGHTED_INTERLEAVE },
	};
	const char *end, *list;
	char text[512];

	*policy = NUMAPERF_POLICY_OTHER;
	numaperf_nodemask_zero(nodes);
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		size_t len = strlen(modes[i].text);

		if (!strncmp(p, modes[i].text, len)) {
			*policy = modes[i].policy;
			p += len;
			break;
		}
	}
	end = p + strcspn(p, " \n");
	list = memchr(p, ':', (size_t)(end - p));
	if (list && (size_t)(end - list) < sizeof(text)) {
		memcpy(text, list + 1, (size_t)(end - list - 1));
		text[end - list - 1] = '\0';
		/* the kernel cuts a long list short: then the nodes stay unknown */
		if (numaperf_nodemask_parse(nodes, text))
			numaperf_nodemask_zero(nodes);
	}
	return end;
}

/* The number behind `key` at the start of a word of the line, or `missing`. */
static uint64_t word_value(const char *line, const char *key, uint64_t missing)
{
	const char *end = line_end(line);
	size_t len = strlen(key);

	for (const char *p = line; p < end; p += strcspn(p, " \n")) {
		p += strspn(p, " ");
		if (!strncmp(p, key, len))
			return strtoull(p + len, NULL, 10);
	}
	return missing;
}

static int add_pages(const char *p, size_t page_size, struct np_numa_maps *out)
{
	const char *end = line_end(p);
	uint64_t kb = word_value(p, "kernelpagesize_kB=", page_size / 1024);
	size_t scale = (size_t)(kb * 1024 / page_size);

	if (!scale)
		scale = 1;
	for (; p < end; p += strcspn(p, " \n")) {
		unsigned long node, pages;
		char *after;

		p += strspn(p, " ");
		if (p[0] != 'N' || p[1] < '0' || p[1] > '9')
			continue;
		node = strtoul(p + 1, &after, 10);
		if (*after != '=')
			continue;
		if (node >= NUMAPERF_NODES_MAX)
			return -EIO;
		pages = strtoul(after + 1, NULL, 10);
		out->pages_on_node[node] += pages * scale;
		out->pages += pages * scale;
	}
	return 0;
}

int np_numa_maps_parse(const char *maps, const char *numa_maps, uint64_t start, uint64_t end,
		       size_t page_size, struct np_numa_maps *out)
{
	uint64_t covered = start;
	bool first = true;

	memset(out, 0, sizeof(*out));
	for (; *maps; maps = next_line(maps)) {
		struct numaperf_nodemask nodes;
		enum numaperf_policy policy;
		uint64_t from, to;
		const char *rest;
		char *p;
		int err;

		from = strtoull(maps, &p, 16);
		if (*p != '-')
			return -EIO;
		to = strtoull(p + 1, &p, 16);
		if (to <= start)
			continue;
		if (from >= end)
			break;
		if (from < start || to > end)
			return -EOPNOTSUPP;
		if (from != covered)
			return -EFAULT;
		for (; *numa_maps; numa_maps = next_line(numa_maps))
			if (strtoull(numa_maps, &p, 16) >= from)
				break;
		if (!*numa_maps || strtoull(numa_maps, &p, 16) != from || *p != ' ')
			return -EIO;
		rest = parse_policy(p + 1, &policy, &nodes);
		if (first) {
			out->policy = policy;
			out->nodes = nodes;
			first = false;
		}
		err = add_pages(rest, page_size, out);
		if (err)
			return err;
		covered = to;
	}
	return covered == end ? 0 : -EFAULT;
}

int np_numa_maps_read(uint64_t start, uint64_t end, struct np_numa_maps *out)
{
	char *maps = NULL, *numa_maps = NULL;
	int root = np_sys->open_root(NULL), err;

	if (root < 0)
		return root;
	err = np_read_file(root, "proc/self/maps", &maps, NULL);
	if (!err)
		err = np_read_file(root, "proc/self/numa_maps", &numa_maps, NULL);
	if (!err)
		err = np_numa_maps_parse(maps, numa_maps, start, end, np_page_size(), out);
	np_free(maps);
	np_free(numa_maps);
	np_sys->close(root);
	return err;
}

/* /proc/PID/smaps: a line "start-end perms ..." a mapping, then "Key:  value kB" lines. */
int np_smaps_parse_swapped(const char *smaps, uint64_t start, uint64_t end, uint64_t *bytes)
{
	bool inside = false;

	for (; *smaps; smaps = next_line(smaps)) {
		uint64_t from, to;
		char *p;

		from = strtoull(smaps, &p, 16);
		if (p > smaps && *p == '-') {
			if (inside)
				return -EIO; /* the mapping had no such line */
			to = strtoull(p + 1, &p, 16);
			inside = from == start && to == end;
		} else if (inside && !strncmp(smaps, "Swap:", strlen("Swap:"))) {
			*bytes = strtoull(smaps + strlen("Swap:"), NULL, 10) * 1024;
			return 0;
		}
	}
	return -EIO;
}

int np_smaps_swapped(uint64_t start, uint64_t end, uint64_t *bytes)
{
	int root = np_sys->open_root(NULL), err;
	char *text;

	if (root < 0)
		return root;
	err = np_read_file(root, "proc/self/smaps", &text, NULL);
	np_sys->close(root);
	if (err)
		return err;
	err = np_smaps_parse_swapped(text, start, end, bytes);
	np_free(text);
	return err;
}

/* SPDX-License-Identifier: MIT */
#include "promise.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- lists ---- */

static int make_room(void **list, size_t *room, size_t count, size_t size)
{
	size_t more = *room ? *room * 2 : 16;
	void *grown;

	if (count < *room)
		return 0;
	grown = reallocarray(*list, more, size);
	if (!grown)
		return -ENOMEM;
	*list = grown;
	*room = more;
	return 0;
}

int promises_add_thread(struct promises *to, const struct promise_thread *thread)
{
	void *list = to->thread;
	int err = make_room(&list, &to->thread_room, to->threads, sizeof(*to->thread));

	to->thread = list;
	if (!err)
		to->thread[to->threads++] = *thread;
	return err;
}

int promises_add_range(struct promises *to, const struct promise_range *range)
{
	void *list = to->range;
	int err = make_room(&list, &to->range_room, to->ranges, sizeof(*to->range));

	to->range = list;
	if (!err)
		to->range[to->ranges++] = *range;
	return err;
}

void promises_free(struct promises *p)
{
	free(p->thread);
	free(p->range);
	*p = (struct promises){ 0 };
}

static int by_start(const void *a, const void *b)
{
	const struct promise_range *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

void promises_sort(struct promises *p)
{
	if (p->ranges)
		qsort(p->range, p->ranges, sizeof(*p->range), by_start);
}

bool promises_gap(const struct promises *in, uint64_t *start, uint64_t *end)
{
	for (size_t i = 0; i < in->ranges && *start < *end; i++) {
		const struct promise_range *range = &in->range[i];

		if (range->end <= *start)
			continue;
		if (range->start > *start) {
			if (range->start < *end)
				*end = range->start;
			return true;
		}
		*start = range->end;
	}
	return *start < *end;
}

bool promises_cover(const struct promises *in, uint64_t start, uint64_t end)
{
	return !promises_gap(in, &start, &end);
}

static const struct promise_thread *find_thread(const struct promises *in, int tid)
{
	for (size_t i = 0; i < in->threads; i++)
		if (in->thread[i].tid == tid)
			return &in->thread[i];
	return NULL;
}

static int common_threads(struct promises *out, const struct promises *a,
			  const struct promises *b)
{
	int err = 0;

	for (size_t i = 0; !err && i < a->threads; i++) {
		const struct promise_thread *other = find_thread(b, a->thread[i].tid);

		if (other && numaperf_cpuset_equal(&other->cpus, &a->thread[i].cpus))
			err = promises_add_thread(out, &a->thread[i]);
	}
	return err;
}

/* Both ascend: whichever range ends first has met all that it can meet. */
static int common_ranges(struct promises *out, const struct promises *a,
			 const struct promises *b)
{
	int err = 0;

	for (size_t i = 0, j = 0; !err && i < a->ranges && j < b->ranges;) {
		const struct promise_range *x = &a->range[i], *y = &b->range[j];
		struct promise_range both = *x;

		both.start = x->start > y->start ? x->start : y->start;
		both.end = x->end < y->end ? x->end : y->end;
		if (both.start < both.end && numaperf_nodemask_equal(&x->nodes, &y->nodes))
			err = promises_add_range(out, &both);
		if (x->end < y->end)
			i++;
		else
			j++;
	}
	return err;
}

int promises_common(struct promises *out, const struct promises *a, const struct promises *b)
{
	int err;

	*out = (struct promises){ 0 };
	err = common_threads(out, a, b);
	if (!err)
		err = common_ranges(out, a, b);
	if (err)
		promises_free(out);
	return err;
}

/* ---- memory ---- */

/* One line of /proc/PID/maps. `name` ends at the end of the line. */
struct mapping {
	uint64_t start, end;
	const char *name;
};

static bool parse_mapping(const char *line, struct mapping *out)
{
	int name = 0;

	/* start-end perms offset dev inode, then blanks and the name: proc_pid_maps(5) */
	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %*s %*s %*s%n", &out->start, &out->end,
		   &name) != 2 ||
	    !name)
		return false;
	out->name = line + name;
	while (*out->name == ' ')
		out->name++;
	return true;
}

static bool starts(const char *text, const char *with)
{
	return !strncmp(text, with, strlen(with));
}

/*
 * Memory that goes by its policy: anonymous, or shared without a disk behind it. Pages of files
 * lie where the page cache has them, and the pages of [vdso] and its like are the kernel's.
 */
static bool obeys(const struct mapping *m, bool huge)
{
	static const char *const names[] = {
		"[heap]", "[stack", "[anon", "/memfd:", "/dev/shm/", "/SYSV", "/dev/zero",
	};

	if (huge || *m->name == '\n' || !*m->name)
		return true;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (starts(m->name, names[i]))
			return true;
	return false;
}

static const char *next_line(const char *line)
{
	const char *end = strchr(line, '\n');

	return end ? end + 1 : line + strlen(line);
}

/* The word `huge` in a line of numa_maps: numa(7). */
static bool is_huge(const char *line)
{
	const char *end = next_line(line), *at = strstr(line, " huge");

	return at && at < end && (isspace((unsigned char)at[5]) || !at[5]);
}

/*
 * The nodes of "ADDRESS bind:0-1 ..." or "ADDRESS bind=static:0 ..." (mpol_to_str() in
 * mm/mempolicy.c); false: another policy, which promises nothing.
 */
static bool bound_to(const char *line, struct numaperf_nodemask *nodes)
{
	const char *policy = strchr(line, ' ');
	char list[1024];
	size_t mode, len;

	if (!policy++ || !starts(policy, "bind") || (policy[4] != ':' && policy[4] != '='))
		return false;
	mode = strcspn(policy, ": \n");
	if (policy[mode] != ':')
		return false;
	policy += mode + 1;
	len = strcspn(policy, " \n");
	if (len >= sizeof(list))
		return false;
	memcpy(list, policy, len);
	list[len] = '\0';
	return !numaperf_nodemask_parse(nodes, list) && !numaperf_nodemask_empty(nodes);
}

/* Neighbours on the same nodes are one range. */
static int add_joined(struct promises *out, const struct promise_range *range)
{
	struct promise_range *last = out->ranges ? &out->range[out->ranges - 1] : NULL;

	if (!last || last->end != range->start ||
	    !numaperf_nodemask_equal(&last->nodes, &range->nodes))
		return promises_add_range(out, range);
	last->end = range->end;
	return 0;
}

int promises_parse(struct promises *out, const char *maps, const char *numa_maps,
		   const struct promise_rules *rules)
{
	const char *policy = numa_maps ? numa_maps : "";
	struct mapping m;
	int err = 0;

	for (const char *line = maps; !err && *line; line = next_line(line)) {
		struct promise_range range = { 0 };
		bool known, held;

		if (!parse_mapping(line, &m))
			continue;
		/* both ascend; what is in one only came or went between the two readings */
		while (*policy && strtoull(policy, NULL, 16) < m.start)
			policy = next_line(policy);
		known = *policy && strtoull(policy, NULL, 16) == m.start;
		if (!obeys(&m, known && is_huge(policy)))
			continue;
		range.start = m.start;
		range.end = m.end;
		range.nodes = rules->nodes;
		held = rules->said ? !numaperf_nodemask_empty(&rules->nodes)
				   : known && bound_to(policy, &range.nodes);
		if (held)
			err = add_joined(out, &range);
	}
	return err;
}

char *promise_slurp(const char *fmt, ...)
{
	size_t used = 0, room = 0;
	char *text = NULL, path[256];
	ssize_t got = 1;
	va_list args;
	int fd, err;

	va_start(args, fmt);
	vsnprintf(path, sizeof(path), fmt, args);
	va_end(args);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	while (got > 0) {
		if (used + 1 >= room) {
			char *more = realloc(text, room = room ? room * 2 : 16384);

			if (!more) {
				got = -1;
				break;
			}
			text = more;
		}
		got = read(fd, text + used, room - used - 1);
		if (got > 0)
			used += (size_t)got;
		else if (got < 0 && errno == EINTR)
			got = 1;
	}
	err = errno;
	close(fd);
	if (got < 0) {
		free(text);
		errno = err;
		return NULL;
	}
	text[used] = '\0';
	return text;
}

static int read_memory(struct promises *out, int pid, const struct promise_rules *rules)
{
	char *maps = promise_slurp("/proc/%d/maps", pid), *numa_maps;
	int err;

	if (!maps)
		return errno == ENOENT ? -ESRCH : -errno;
	numa_maps = promise_slurp("/proc/%d/numa_maps", pid);
	/* ENOENT: a kernel without CONFIG_NUMA, unless the process is gone: the caller looks */
	if (!numa_maps && errno != ENOENT)
		err = -errno;
	else
		err = promises_parse(out, maps, numa_maps, rules);
	free(maps);
	free(numa_maps);
	return err;
}

/* ---- threads ---- */

bool promise_pinned(const struct numaperf_topology *topo, const struct numaperf_cpuset *cpus)
{
	struct numaperf_cpuset online, node;

	numaperf_topology_online_cpus(topo, &online);
	if (numaperf_cpuset_empty(cpus) || numaperf_cpuset_subset(&online, cpus))
		return false;
	for (unsigned int i = 0; i < numaperf_topology_node_count(topo); i++)
		if (!numaperf_topology_node_cpus(topo, numaperf_topology_node_id(topo, i),
						 &node) &&
		    numaperf_cpuset_subset(cpus, &node))
			return true;
	return false;
}

static int add_if_held(struct promises *out, int tid, const struct promise_rules *rules)
{
	struct promise_thread thread = { .tid = tid, .cpus = rules->cpus };

	if (rules->said)
		return promises_add_thread(out, &thread);
	/* the set has the kernel's layout: bit n of an array of words is CPU n */
	if (sched_getaffinity(tid, sizeof(thread.cpus.bits), (cpu_set_t *)thread.cpus.bits))
		return errno == ESRCH ? 0 : -errno;
	return promise_pinned(rules->topo, &thread.cpus) ? promises_add_thread(out, &thread)
							 : 0;
}

static int read_threads(struct promises *out, int pid, const struct promise_rules *rules)
{
	const struct dirent *entry;
	char path[64];
	int err = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	if (!dir)
		return errno == ENOENT ? -ESRCH : -errno;
	while (!err && (entry = readdir(dir)))
		if (isdigit((unsigned char)entry->d_name[0]))
			err = add_if_held(out, atoi(entry->d_name), rules);
	closedir(dir);
	return err;
}

int promises_read(struct promises *out, int pid, const struct promise_rules *rules)
{
	int err = 0;

	*out = (struct promises){ 0 };
	if (!rules->said || !numaperf_cpuset_empty(&rules->cpus))
		err = read_threads(out, pid, rules);
	if (!err && (!rules->said || !numaperf_nodemask_empty(&rules->nodes)))
		err = read_memory(out, pid, rules);
	if (err)
		promises_free(out);
	return err;
}

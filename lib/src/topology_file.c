// SPDX-License-Identifier: MIT
/*
 * One file of /sys or /proc at a time. What a file says is never trusted: it may be absent,
 * empty, cut, a folder, or nonsense, and then the caller goes on without it, with a warning
 * noted. Only what says nothing about the tree (no memory, no descriptors, input/output) ends
 * the reading.
 */
#include "base.h"
#include "sys.h"
#include "topology.h"
#include "util.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

int np_tree_warn(struct np_tree *tree, const char *fmt, ...)
{
	struct numaperf_topology *t = tree->topo;
	char *line;
	va_list ap;

	if (t->warning_count == NP_WARNINGS_MAX)
		return 0;
	if (t->warning_count == t->warning_room) {
		unsigned int room = t->warning_room ? t->warning_room * 2 : 4;
		void *larger;

		if (np_sys->alloc(&larger, room * sizeof(*t->warnings), 0))
			return np_fail_memory(NP_TOPOLOGY_OPERATION);
		if (t->warning_count)
			memcpy(larger, t->warnings, t->warning_count * sizeof(*t->warnings));
		np_free(t->warnings);
		t->warnings = larger;
		t->warning_room = room;
	}
	line = t->warnings[t->warning_count++];
	if (t->warning_count == NP_WARNINGS_MAX) {
		snprintf(line, NP_WARNING_SIZE, "more is wrong with this tree; left out here");
		return 0;
	}
	va_start(ap, fmt);
	vsnprintf(line, NP_WARNING_SIZE, fmt, ap);
	va_end(ap);
	return 0;
}

/* After a file could not be read. */
static int unreadable(struct np_tree *tree, const struct np_folder *in, const char *path,
		      int err)
{
	switch (-err) {
	case ENOENT:
	case ENOTDIR:
	case ENODEV:
	case ENXIO:
	case ENODATA:
		return 0; /* the kernel's ways to say that there is no such thing */
	case ENOMEM:
	case ENFILE:
	case EMFILE:
	case EINTR:
	case EIO:
		return np_fail(
			err,
			err == -ENOMEM ? NUMAPERF_REASON_NO_MEMORY : NUMAPERF_REASON_SYSTEM,
			NP_TOPOLOGY_OPERATION, NULL, "%s%s cannot be read", in->name, path);
	case EOVERFLOW:
		return np_tree_warn(tree, "%s%s is too large to be what it should be; left out",
				    in->name, path);
	default:
		return np_tree_warn(tree, "%s%s cannot be read (error %d); left out", in->name,
				    path, -err);
	}
}

/* Saved trees have NUL bytes in front of a text or behind it; between is no text any more. */
static bool strip_nuls(char *text, int len)
{
	int begin = 0, end;

	while (begin < len && !text[begin])
		begin++;
	memmove(text, text + begin, (size_t)(len - begin) + 1);
	end = (int)strlen(text);
	for (int i = end; i < len - begin; i++)
		if (text[i] && text[i] != '\n')
			return false;
	return true;
}

int np_tree_text(struct np_tree *tree, const struct np_folder *in, const char *path)
{
	int n;

	if (in->fd < 0)
		return 0;
	n = np_read_small(in->fd, path, tree->text, sizeof(tree->text));
	if (n < 0)
		return unreadable(tree, in, path, n);
	if (!strip_nuls(tree->text, n)) {
		n = np_tree_warn(tree, "%s%s is no text; left out", in->name, path);
		return n;
	}
	return 1;
}

int np_tree_number(struct np_tree *tree, const struct np_folder *in, const char *path,
		   long *value)
{
	int r = np_tree_text(tree, in, path);
	char *end;
	long v;

	if (r <= 0)
		return r;
	errno = 0;
	v = strtol(tree->text, &end, 10);
	if (end == tree->text || errno || (*end && *end != '\n'))
		return np_tree_warn(tree, "%s%s is no number; left out", in->name, path);
	*value = v;
	return 1;
}

/* After mask.c has filled this thread's record with what it did not like. */
static int bad_set(struct np_tree *tree, const struct np_folder *in, const char *path)
{
	return np_tree_warn(tree, "%s%s: %s; left out", in->name, path,
			    numaperf_last_error()->reason);
}

#define READ_SET(function, type, parser)                                          \
 int function(struct np_tree *tree, const struct np_folder *in, const char *path, \
	      struct numaperf_##type *set)                                        \
 {                                                                                \
  int r = np_tree_text(tree, in, path);                                           \
                                                                                  \
  if (r <= 0)                                                                     \
   return r;                                                                      \
  return parser(set, tree->text) ? bad_set(tree, in, path) : 1;                   \
 }

READ_SET(np_tree_cpus, cpuset, numaperf_cpuset_parse)
READ_SET(np_tree_cpu_map, cpuset, numaperf_cpuset_parse_map)
READ_SET(np_tree_nodes, nodemask, numaperf_nodemask_parse)

struct name_scan {
	const char *prefix, *suffix;
	np_tree_name_fn fn;
	void *ctx;
};

static int one_name(void *ctx, const char *name)
{
	const struct name_scan *scan = ctx;
	size_t len = strlen(scan->prefix);
	unsigned long number;
	char *end;

	if (strncmp(name, scan->prefix, len) || name[len] < '0' || name[len] > '9')
		return 0;
	number = strtoul(name + len, &end, 10);
	if (!strcmp(end, scan->suffix))
		scan->fn(scan->ctx, number);
	return 0;
}

int np_tree_names(struct np_tree *tree, const struct np_folder *in, const char *path,
		  const char *prefix, const char *suffix, np_tree_name_fn fn, void *ctx)
{
	struct name_scan scan = { prefix, suffix, fn, ctx };
	int r;

	if (in->fd < 0)
		return 0;
	r = np_sys->scan_at(in->fd, path, one_name, &scan);
	return r < 0 ? unreadable(tree, in, path, r) : 1;
}

bool np_text_kilobytes(const char *text, const char *key, uint64_t *bytes)
{
	const char *at = strstr(text, key);
	unsigned long long v;
	char *end;

	if (!at)
		return false;
	at += strlen(key);
	while (*at == ' ' || *at == '\t')
		at++;
	if (*at < '0' || *at > '9')
		return false;
	errno = 0;
	v = strtoull(at, &end, 10);
	if (errno || v > UINT64_MAX / 1024 || (*end && *end != ' ' && *end != '\n'))
		return false;
	*bytes = v * 1024;
	return true;
}

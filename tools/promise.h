/* SPDX-License-Identifier: MIT */
/*
 * What a process promises about its threads and its memory, as the kernel shows it: a thread
 * whose affinity lies inside one node, memory with the policy `bind`. Nothing here watches.
 */
#ifndef PROMISE_H
#define PROMISE_H

#include <numaperf.h>

/* A thread that stays on its CPUs. `id` is for who watches it. */
struct promise_thread {
	int tid;
	uint64_t id;
	struct numaperf_cpuset cpus;
};

/* Memory, [start, end), that stays on its nodes. */
struct promise_range {
	uint64_t start, end;
	uint64_t id;
	struct numaperf_nodemask nodes;
};

/* Of one process, at one moment. Ranges ascend and do not overlap. */
struct promises {
	struct promise_thread *thread;
	size_t threads, thread_room;
	struct promise_range *range;
	size_t ranges, range_room;
};

/* What counts as a promise. */
struct promise_rules {
	const struct numaperf_topology *topo;
	bool said; /* the user says it: every thread on `cpus`, all memory on `nodes` */
	struct numaperf_cpuset cpus;	/* with `said`; empty: nothing of threads */
	struct numaperf_nodemask nodes; /* with `said`; empty: nothing of memory */
};

/*
 * Reads /proc/PID. 0, or -errno with *out empty: -ESRCH, it has ended; -EACCES, its memory
 * maps may not be read; -ENOMEM.
 */
int promises_read(struct promises *out, int pid, const struct promise_rules *rules);

/* Adds to *out the ranges that the texts of /proc/PID/maps and numa_maps hold; without
 * numa_maps (NULL) no mapping has a policy. 0 or -ENOMEM. */
int promises_parse(struct promises *out, const char *maps, const char *numa_maps,
		   const struct promise_rules *rules);

/* Whether a thread with this affinity is pinned, as far as nodes go. */
bool promise_pinned(const struct numaperf_topology *topo, const struct numaperf_cpuset *cpus);

/* What is in both, into *out: the same threads on the same CPUs, the same memory on the same
 * nodes. 0, or -ENOMEM with *out empty. */
int promises_common(struct promises *out, const struct promises *a, const struct promises *b);

/* Whether all of [start, end) lies in ranges of `in`, whatever their nodes. */
bool promises_cover(const struct promises *in, uint64_t start, uint64_t end);

/* The first part of [*start, *end) that no range of `in` has, into *start and *end. */
bool promises_gap(const struct promises *in, uint64_t *start, uint64_t *end);

/* Adding: 0 or -ENOMEM. The caller keeps ranges in order with promises_sort(). */
int promises_add_thread(struct promises *to, const struct promise_thread *thread);
int promises_add_range(struct promises *to, const struct promise_range *range);
void promises_sort(struct promises *p);

/* Frees what it holds and empties it. */
void promises_free(struct promises *p);

/* The text of a file of /proc, its path by a format; NULL: errno says why. The caller frees. */
char *promise_slurp(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Rank 7: the programs in the kernel: probing, loading, attaching, and the memory they count
 * in. hook.c is the only file that knows libbpf; built with BPF=0, hook_none.c stands in for it
 * and says that there is none. It knows no guarantee objects: indices and ids only.
 */
#ifndef NP_HOOK_H
#define NP_HOOK_H

#include <linux/types.h>

#include "../../bpf/events.h"
#include <numaperf/mask.h>
#include <numaperf/monitor.h>

struct np_hooks; /* programs that are loaded */

struct np_hooks_opts {
	enum numaperf_rung rung_max; /* ABSENT: no limit */
	uint32_t scope;		     /* NP_WATCH_* */
	bool follow, stacks;
	bool at_once;	 /* attach everything now: the privilege will be dropped */
	uint64_t cgroup; /* id: inode number of its folder */
	uint32_t cgroup_level;
	unsigned int nodes, cpus;	       /* possible ids: largest + 1 */
	unsigned int threads, ranges, watches; /* room; threads is rounded up */
};

/* The memory that is shared with the programs; all of it may be read at any time. */
struct np_counters {
	unsigned int nodes, cpus, threads, watches;
	struct np_thread *thread;
	struct np_thread_node *thread_node; /* [slot * nodes + node] */
	struct np_cell *cell;		    /* [cpu * nodes + memory node] */
	struct np_flow *flow;		    /* [from * nodes + to] */
	struct np_watch *watch;
	struct np_totals *totals;
	const struct np_on_cpu *on_cpu; /* [cpu]: run time that is not in thread_node yet */
};

/* Whether libbpf and the programs are compiled in. */
extern const bool np_hooks_built;

/*
 * What could be had: probes each candidate by loading and attaching, once a process (the result
 * is remembered for an unlimited rung_max; a limit is applied to it). `table` has
 * NUMAPERF_METRIC_COUNT entries: rung (POLLING where the monitor can poll, ABSENT where not),
 * error, hook, reason, remedy. Never fails: what cannot be probed is absent, and says why.
 */
void np_hooks_probe(enum numaperf_rung rung_max, struct numaperf_hook *table);

/*
 * Loads and attaches what the probe allows and corrects `table` by what really attached.
 * -errno with a record when no program at all could be attached (the caller then samples).
 */
int np_hooks_open(struct np_hooks **hooks, const struct np_hooks_opts *opts,
		  struct numaperf_hook *table);
void np_hooks_close(struct np_hooks *hooks);

const struct np_counters *np_hooks_counters(const struct np_hooks *hooks);

/* WATCH_TGIDS: one process more or less. 0 or -errno (-ENOSPC). */
int np_hooks_watch_process(struct np_hooks *hooks, int tgid, bool on);

/*
 * Guarantee `watch` (an index below opts.watches; its id is already in the counters): thread
 * `tid` has to stay on `cpus`. 0 or -errno.
 */
int np_hooks_pin(struct np_hooks *hooks, int tid, unsigned int watch,
		 const struct numaperf_cpuset *cpus);
void np_hooks_unpin(struct np_hooks *hooks, int tid);

/* Replaces all ranges at once; sorted as struct np_range says. 0 or -errno. */
int np_hooks_set_ranges(struct np_hooks *hooks, const struct np_range *range, size_t count);

/* Frees the slot of a thread that has exited, for the next one. */
void np_hooks_free_thread(struct np_hooks *hooks, unsigned int slot);

/*
 * Waits at most timeout_ms for events and hands each to fn, in order a CPU; the number of
 * events or -errno. np_hooks_fd() polls readable when there are some.
 */
typedef void (*np_event_fn)(void *ctx, const struct np_event *event);
int np_hooks_poll(struct np_hooks *hooks, int timeout_ms, np_event_fn fn, void *ctx);
int np_hooks_fd(const struct np_hooks *hooks);

/* The user stacks of remote faults; as numaperf_monitor_stacks(). */
int np_hooks_stacks(struct np_hooks *hooks,
		    int (*fn)(void *ctx, const struct numaperf_stack *stack), void *ctx);

#endif

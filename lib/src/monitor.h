/* SPDX-License-Identifier: MIT */
/*
 * Rank 8: the inside of a monitor.
 *
 *	monitor.c          its life: options, creation, fork, end
 *	monitor_watch.c    what is watched: guarantees, executors, regions, processes
 *	monitor_range.c    the ranges of all guarantees as one table without overlaps
 *	monitor_thread.c   its thread: events, looks, threads that have exited
 *	monitor_event.c    what happened, as violations: told, listed, called back
 *	monitor_suspect.c  what tp_btf only suspects, held against where the pages are
 *	monitor_sample.c   looks from outside: pages, affinities, settings
 *	monitor_threads.c  the sampler's threads: /proc in the place of the programs' counters
 *	monitor_stats.c    statistics out of the counters
 *	monitor_snapshot.c everything, for a report
 *
 * One lock, `lock`, is over all that changes. It is taken under the registry's lock (guarantees
 * begin and end there), so nobody may call the registry with it held. It is never held while
 *the user's callback runs. Only the monitor's thread tells of violations; other threads leave
 *what they found in the guarantee and wake it.
 */
#ifndef NP_MONITOR_H
#define NP_MONITOR_H

#include "guarantee.h"
#include "hook.h"
#include "snapshot.h"

#include <numaperf/monitor.h>

#include <pthread.h>

#define NP_NO_WATCH UINT32_MAX
/* Ids of watches that are in no registry. JSON's readers may know doubles only. */
#define NP_OWN_ID	 (1ull << 52)
#define NP_LOOK_PAGES	 65536u /* looked at in an interval */
#define NP_LOOK_WINDOW	 8192u	/* looked at with the lock held */
#define NP_LOOK_INTERVAL 4u	/* every so many intervals guarantees are looked at */

/* Going over the pages of a range, window by window. */
struct np_sweep {
	size_t at;  /* bytes that are done */
	bool whole; /* the range was gone over once at least */
	uint64_t stray, absent, unknown;
	int error;
	const void *first; /* stray one */
	int node;
	uint64_t *on_node;  /* by position of the node, of this sweep */
	uint64_t *resident; /* of the last whole one */
};

/* One guarantee, or a soft region (`quiet`), whose pages are only counted. */
struct np_guard {
	struct np_seen seen; /* `violations` is what was told; see np_guard_violations() */
	const void *owner;
	bool quiet;
	bool shadowed;	    /* a newer pin of the same thread is in force */
	unsigned int waits; /* looks since that one ended */
	int unwatched;	    /* -errno: the programs could not be told of it */

	uint32_t watch;		/* index in the counters, or NP_NO_WATCH */
	uint64_t key;		/* its id there; of this use of the index */
	uint64_t counted;	/* of the exact counter: what has been told */
	uint64_t lag, lag_ns;	/* counter without events, since when */
	uint64_t suspected;	/* pages, by events */
	uint64_t wait, wait_ns; /* suspicions that events have not told yet, since when */

	/* looks */
	struct np_sweep sweep;
	uint64_t strays; /* told of by looks (sampler) */
	int look;	 /* the newest, not yet settled; -EINPROGRESS: none */
	bool off;	 /* it does not hold now, and that has been told */
	bool off_by_look;
	bool baseline; /* the first look is still to be settled */
};

/* A violation with its texts. */
struct np_told {
	struct numaperf_violation v;
	char label[64];
	char message[384];
	const void *end; /* behind the pages so far */
	bool from_look, lost;
};

struct np_watched_executor {
	struct numaperf_executor *exec;
	struct np_watched_executor *next;
	struct numaperf_node_stats *before; /* by position, when watching began */
};

/* A region that is referred to. */
struct np_watched_region {
	struct numaperf_region *region;
	struct np_watched_region *next;
	uint64_t id;
};

/* Sums of what is gone: threads whose slot was freed. By node id. */
struct np_retired {
	uint64_t run_ns, highest;
};

struct np_sampler; /* monitor_threads.c */

struct numaperf_monitor {
	struct numaperf_topology *topo;
	enum numaperf_scope scope;
	void (*on_violation)(void *ctx, const struct numaperf_violation *v);
	void *ctx;
	uint64_t interval_ns;
	bool all, drop_capabilities, keep_ptrace, stacks;
	unsigned int ranges_max, list_max, nodes; /* nodes: online, of the topology */
	char cgroup[1024];			  /* its folder, without the leading slash */
	int self, pid;				  /* this process; whom opts named */
	uint32_t forks;
	uint64_t since_ns;

	struct np_hooks *hooks; /* NULL: a sampler */
	const struct np_counters *counters;
	struct np_counters own; /* the sampler's */
	struct np_sampler *sampler;
	struct numaperf_hook hook[NUMAPERF_METRIC_COUNT];

	pthread_mutex_t lock;
	pthread_cond_t changed; /* flush_done, started */

	/* what is watched */
	struct np_guarantee_subscriber subscriber;
	struct np_guard **guard;
	size_t guards, guard_room;
	struct np_guard *balancing; /* the implicit one */
	struct np_guard **by_watch;
	uint32_t watch_next, generation;
	uint64_t own_id;
	struct np_range *range; /* room for the table */
	struct np_watched_executor *executors;
	struct np_watched_region *regions;
	bool executor_seen;
	struct np_node_seen *tasks; /* of executors that are gone, by position */
	int *process;		    /* SCOPE_PID */
	size_t processes, process_room;

	/* violations */
	struct np_told *list; /* a ring */
	size_t list_head, list_count;
	uint64_t list_dropped, told_total;
	int list_fd;
	struct np_told pending; /* v.count 0: none */

	/* the thread */
	pthread_t thread;
	int tid; /* 0: not started */
	int start_error;
	int wake_fd;
	bool stop, started;
	uint64_t flush_wanted, look_wanted, flush_done, rounds;
	size_t look_next;      /* the guarantee that the next interval's looks begin with */
	uint64_t *exited_ns;   /* by slot */
	uint32_t freeing;      /* odd while slots are freed */
	uint64_t notices_lost; /* of which everything was looked at anew */
	struct np_retired *retired;

	/* settings */
	struct numaperf_cpuset online, leaving;
	struct numaperf_nodemask online_nodes;
	uint64_t leaving_ns;
	int balancing_now; /* -1: cannot be read */
	int64_t pte_updates;

	uint64_t confirmed, refuted;
};

/* ---- monitor.c ---- */

/* -EOWNERDEAD with its record in a forked child. */
int np_monitor_alive(const struct numaperf_monitor *mon, const char *operation);
void np_monitor_wake(struct numaperf_monitor *mon);

/* ---- monitor_watch.c ---- */

void np_monitor_hear(void *ctx, const struct np_guarantee *g, bool gone);
void np_monitor_owner_gone(void *ctx, const void *owner);

/* With the lock: what watched executors did, by position of the node. */
void np_monitor_add_tasks(const struct numaperf_monitor *mon, struct np_node_seen *sum);

/* Frees all records, and lets go of regions. */
void np_monitor_forget(struct numaperf_monitor *mon);

/* The newest live guarantee of a thread but `but`: pins nest, the newest is in force. */
struct np_guard *np_guard_in_force(const struct numaperf_monitor *mon, int tid,
				   const struct np_guard *but);
/* A shadowed one is in force again. */
void np_guard_resume(struct numaperf_monitor *mon, struct np_guard *g);

/* With the lock: ends a guarantee; `gone`: its object is. */
void np_guard_end(struct numaperf_monitor *mon, struct np_guard *g, bool gone);

/* Its exact counter; NULL: none. */
static inline struct np_watch *np_guard_counter(const struct numaperf_monitor *mon,
						const struct np_guard *g)
{
	return mon->hooks && g->watch != NP_NO_WATCH ? &mon->counters->watch[g->watch] : NULL;
}

/* What the programs have counted and nobody has told yet. */
uint64_t np_guard_untold(const struct numaperf_monitor *mon, const struct np_guard *g);
/* Of what it only suspects: pages that no event has told yet. */
uint64_t np_guard_unweighed(const struct numaperf_monitor *mon, const struct np_guard *g);
uint64_t np_guard_violations(const struct numaperf_monitor *mon, const struct np_guard *g);

static inline bool np_guard_owner_is(const struct numaperf_monitor *mon,
				     const struct np_guard *g, uint32_t tgid)
{
	return (uint32_t)(g->seen.pid ? g->seen.pid : mon->self) == tgid;
}

static inline bool np_guard_live(const struct np_guard *g)
{
	return !g->seen.until_ns;
}

/* ---- monitor_range.c ---- */

/* With the lock: gives the programs the ranges of all live guarantees. 0 or -errno. */
int np_monitor_set_ranges(struct numaperf_monitor *mon);

/* ---- monitor_thread.c ---- */

void *np_monitor_main(void *mon);

/* Waits until the thread has taken everything in, and looked at everything where `look` says
 * so. 0 or -errno with its record. */
int np_monitor_flush(struct numaperf_monitor *mon, int timeout_ms, bool look);

/* ---- monitor_event.c ---- */

/* With the lock, on the monitor's thread; lets the lock go while it calls back. */
void np_monitor_event(struct numaperf_monitor *mon, const struct np_event *e);
void np_monitor_tell(struct numaperf_monitor *mon, struct np_guard *g,
		     enum numaperf_violation_kind kind, enum numaperf_rung rung,
		     const struct np_event *e);
void np_monitor_deliver(struct numaperf_monitor *mon);
/* A CPU is going or gone; a node. */
void np_monitor_unplugged(struct numaperf_monitor *mon, const struct np_event *e,
			  enum numaperf_rung rung);

/* ---- monitor_suspect.c ---- */

/* With the lock, on the monitor's thread. */
void np_monitor_suspect(struct numaperf_monitor *mon, struct np_guard *g,
			const struct np_event *e);
void np_monitor_collapse(struct numaperf_monitor *mon, const struct np_event *e);

/* ---- monitor_event.c ---- */

/* What an event that nobody sent looks like. */
struct np_event np_event_of(uint32_t kind, uint32_t cause, uint64_t count);

/* Text of other processes, cleaned. */
void np_clean_comm(char out[16], const char comm[16]);

/* ---- monitor_sample.c ---- */

/* With the lock: looks at one guarantee, at most `pages` of its pages. Sets g->look. */
void np_guard_look(struct numaperf_monitor *mon, struct np_guard *g, size_t pages);
/* Tells what the look found, once the events are drained. On the monitor's thread. */
void np_guard_settle(struct numaperf_monitor *mon, struct np_guard *g,
		     const struct np_event *e);
/* The lock is taken inside. Everything once, or what an interval may cost. */
void np_monitor_look(struct numaperf_monitor *mon, bool all);
/* A look found more pages astray than anything has told of so far. */
bool np_monitor_puzzled(struct numaperf_monitor *mon);
void np_monitor_settle(struct numaperf_monitor *mon);
/* Settings as they are now. */
void np_monitor_look_settings(struct numaperf_monitor *mon);
int np_read_setting(const char *path);
int64_t np_read_vmstat(const char *key);

/* ---- monitor_threads.c ---- */

int np_sampler_create(struct numaperf_monitor *mon, const struct np_hooks_opts *opts);
void np_sampler_destroy(struct numaperf_monitor *mon);
/* The lock is taken inside. */
void np_sampler_round(struct numaperf_monitor *mon);
/* Its place is free again. */
void np_sampler_free(struct numaperf_monitor *mon, unsigned int slot);

/* ---- monitor_stats.c ---- */

void np_monitor_read_cell(const struct numaperf_monitor *mon, int cpu_node, int memory_node,
			  struct numaperf_cell *cell);
void np_monitor_read_flow(const struct numaperf_monitor *mon, int from, int to,
			  struct numaperf_flow *flow);
void np_monitor_read_node(struct numaperf_monitor *mon, int node,
			  struct numaperf_node_activity *activity);
void np_monitor_read_totals(struct numaperf_monitor *mon,
			    struct numaperf_monitor_totals *totals);

/* Frees the slot of a thread that has exited; its sums stay. */
void np_monitor_retire(struct numaperf_monitor *mon, unsigned int slot);

static inline uint64_t np_get(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

#endif

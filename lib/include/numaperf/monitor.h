/* SPDX-License-Identifier: MIT */
/*
 * The witness: what the kernel did with threads and pages, counted by eBPF programs while it
 * happened, and held against what was promised. A monitor watches one scope (this process, some
 * processes, a cgroup, the whole machine), counts, and tells of violations through a callback,
 * a descriptor to poll, and a list. <numaperf/report.h> turns what it saw into ratios and
 * verdicts.
 *
 * Every metric stands on a rung, the best that this kernel and these privileges allow, found by
 * loading and attaching: fentry (exact, with address and culprit), tp_btf (exact for threads;
 * page moves are suspected and then confirmed), polling (asked every interval), absent. With no
 * BPF at all (no privilege, no kernel support, or built with BPF=0) the monitor is a sampler:
 * placement queries and /proc. A sampler sees violations that last; it never answers `held`.
 *
 * A monitor has one thread of its own, with all signals blocked; callbacks come on it.
 * Statistics are read from mapped memory without a system call, by any thread. After fork() the
 * child's copy is dead: every call but _destroy is -EOWNERDEAD there.
 */
#ifndef NUMAPERF_MONITOR_H
#define NUMAPERF_MONITOR_H

#include <numaperf/base.h>
#include <numaperf/executor.h>
#include <numaperf/mask.h>
#include <numaperf/region.h>
#include <numaperf/topology.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- rungs ---- */

enum numaperf_rung {
	NUMAPERF_RUNG_ABSENT = 0,  /* cannot be had: see the error */
	NUMAPERF_RUNG_POLLING = 1, /* asked of /proc, /sys or move_pages every interval */
	NUMAPERF_RUNG_TP_BTF = 2,  /* BPF on a tracepoint */
	NUMAPERF_RUNG_FENTRY = 3,  /* BPF on the kernel function itself */
};

/* "absent", "polling", "tp_btf", "fentry"; "unknown" otherwise. Static storage. */
NUMAPERF_API const char *numaperf_rung_name(enum numaperf_rung rung);

enum numaperf_metric {
	NUMAPERF_METRIC_RUN_TIME = 0,	/* on which node a thread runs, and how long */
	NUMAPERF_METRIC_THREAD_MOVES,	/* a thread's moves between CPUs, with cause */
	NUMAPERF_METRIC_AFFINITY,	/* changes of a thread's affinity */
	NUMAPERF_METRIC_FAULTS,		/* where anonymous and huge pages land */
	NUMAPERF_METRIC_FILE_FAULTS,	/* where mapped file pages and program text lie */
	NUMAPERF_METRIC_HINTING_FAULTS, /* NUMA hinting faults, local and remote */
	NUMAPERF_METRIC_PAGE_MOVES,	/* pages that leave a node, with address */
	NUMAPERF_METRIC_PAGE_CAUSES,	/* why they moved, and who asked */
	NUMAPERF_METRIC_COLLAPSE,	/* huge pages made out of small ones */
	NUMAPERF_METRIC_KSM,		/* pages merged across nodes */
	NUMAPERF_METRIC_BALANCING,	/* kernel.numa_balancing switched on */
	NUMAPERF_METRIC_HOTPLUG,	/* CPUs and nodes that go offline */
	NUMAPERF_METRIC_COUNT,
	NUMAPERF_METRIC_MAX = 32, /* room */
};

/* "run_time", "thread_moves", ... (the lower-case name); NULL when out of range. Static. */
NUMAPERF_API const char *numaperf_metric_name(enum numaperf_metric metric);

/*
 * Whether what is counted by this metric (moves, faults, pages of nodes and threads) is counted
 * on that rung. Where it is not, the counters stay 0 and mean nothing: show n/a. Page moves are
 * counted by the exact rung alone; the others of theirs only find what violates.
 */
NUMAPERF_API bool numaperf_rung_counts(enum numaperf_metric metric, enum numaperf_rung rung);

struct numaperf_hook {
	size_t sz;
	enum numaperf_metric metric;
	enum numaperf_rung rung; /* where the metric stands */
	int error; /* errno of the best rung that was refused; 0: it stands on it */
	int reserved;
	char hook[64];	  /* what it hangs on: "fentry/task_numa_fault"; "" when absent */
	char reason[192]; /* why not higher; "" when it stands on the best */
	char remedy[192]; /* what to do about it; may be "" */
};

/*
 * What this process could have on this kernel: loads and attaches one tiny program for each
 * candidate and drops it again; some milliseconds. Fills at most `max` of the table (each with
 * hooks[0].sz as its size, min(sz, known) bytes), in the order of enum numaperf_metric; returns
 * how many there are (NUMAPERF_METRIC_COUNT), or -EINVAL when sz is too small, -ENOMEM.
 */
NUMAPERF_API int numaperf_probe_hooks(struct numaperf_hook *hooks, size_t max);

/* ---- what happened ---- */

/* Why a thread came to another CPU. */
enum numaperf_move_cause {
	NUMAPERF_MOVE_UNKNOWN = 0,
	NUMAPERF_MOVE_WAKEUP,	      /* placed elsewhere when it was woken */
	NUMAPERF_MOVE_LOAD_BALANCE,   /* pulled or pushed by the scheduler */
	NUMAPERF_MOVE_AFFINITY,	      /* sched_setaffinity(2) */
	NUMAPERF_MOVE_CPUSET,	      /* its cgroup's cpuset, or a move to another cgroup */
	NUMAPERF_MOVE_HOTPLUG,	      /* its CPU went offline */
	NUMAPERF_MOVE_NUMA_BALANCING, /* the kernel moved it to its memory */
	NUMAPERF_MOVE_CAUSES,
};

/* "unknown", "wake-up", "load balance", "affinity", "cpuset", "hot-unplug", "NUMA balancing".
 */
NUMAPERF_API const char *numaperf_move_cause_name(enum numaperf_move_cause cause);

/* Why a page came to another node: those of enum migrate_reason (include/linux/migrate_mode.h,
 * 6.12) and what we tell apart beyond it. */
enum numaperf_page_cause {
	NUMAPERF_PAGE_UNKNOWN = 0,
	NUMAPERF_PAGE_COMPACTION,
	NUMAPERF_PAGE_MEMORY_FAILURE,
	NUMAPERF_PAGE_MEMORY_HOTPLUG,
	NUMAPERF_PAGE_MOVE_PAGES,    /* move_pages(2); also migrate_pages where the rung cannot
					tell */
	NUMAPERF_PAGE_MIGRATE_PAGES, /* migrate_pages(2), migratepages(8) */
	NUMAPERF_PAGE_CPUSET,	     /* cpuset.mems was changed */
	NUMAPERF_PAGE_MBIND,	     /* mbind(2) with MPOL_MF_MOVE */
	NUMAPERF_PAGE_NUMA_BALANCING,
	NUMAPERF_PAGE_CONTIG_RANGE, /* for CMA and huge page pools */
	NUMAPERF_PAGE_LONGTERM_PIN,
	NUMAPERF_PAGE_DEMOTION, /* to a slower tier under pressure */
	NUMAPERF_PAGE_DAMON,
	NUMAPERF_PAGE_COLLAPSE, /* khugepaged or MADV_COLLAPSE made a huge page elsewhere */
	NUMAPERF_PAGE_KSM,	/* merged with an equal page elsewhere */
	NUMAPERF_PAGE_FAULT,	/* not moved: faulted in on the wrong node */
	NUMAPERF_PAGE_CAUSES,
};

/* "unknown", "compaction", "memory failure", "memory hot-unplug", "move_pages",
 * "migrate_pages", "cpuset", "mbind", "NUMA balancing", "contiguous range", "long-term pin",
 * "demotion", "DAMON", "collapse", "KSM", "fault". */
NUMAPERF_API const char *numaperf_page_cause_name(enum numaperf_page_cause cause);

enum numaperf_violation_kind {
	NUMAPERF_VIOLATION_CPU = 1,   /* a thread was put on or ran on a CPU outside its set */
	NUMAPERF_VIOLATION_AFFINITY,  /* its affinity is no longer what was granted */
	NUMAPERF_VIOLATION_PAGE,      /* pages of a range are on another node than promised */
	NUMAPERF_VIOLATION_BALANCING, /* kernel.numa_balancing was switched on */
	NUMAPERF_VIOLATION_HOTPLUG,   /* a CPU or node that was promised went offline */
};

/* "cpu", "affinity", "page", "balancing", "hotplug". */
NUMAPERF_API const char *numaperf_violation_kind_name(enum numaperf_violation_kind kind);

/* One violation, or several equal ones in a row (adjacent pages, the same cause): `count`. */
struct numaperf_violation {
	size_t sz;
	enum numaperf_violation_kind kind;
	enum numaperf_rung rung;	     /* how it became known */
	enum numaperf_move_cause move_cause; /* of CPU and AFFINITY */
	enum numaperf_page_cause page_cause; /* of PAGE */
	uint64_t time_ns;		     /* CLOCK_MONOTONIC, of the first */
	uint64_t guarantee;   /* which: as in numaperf_report_guarantee(); 0: of none */
	uint64_t count;	      /* moves, or base pages */
	const void *address;  /* of the first page; NULL: none, or not known */
	int pid, tid;	      /* whose; tid 0: of no thread in particular */
	int from_cpu, to_cpu; /* -1: does not apply or not known */
	int from_node, to_node;
	int actor_pid, actor_tid; /* who did it; 0: the kernel itself, or not known */
	char actor[16];		  /* its name (comm), cleaned of control bytes; "" not known */
	const char *label;	  /* of the guarantee: "worker 3 (node 1)" */
	const char *message;	  /* one line that says all of it */
};

/* ---- a monitor ---- */

enum numaperf_scope {
	NUMAPERF_SCOPE_SELF = 0,
	NUMAPERF_SCOPE_PID = 1,	   /* opts.pid; more by numaperf_monitor_watch_process() */
	NUMAPERF_SCOPE_CGROUP = 2, /* opts.cgroup and all below it */
	NUMAPERF_SCOPE_SYSTEM = 3,
};

/* "self", "pid", "cgroup", "system". */
NUMAPERF_API const char *numaperf_scope_name(enum numaperf_scope scope);

struct numaperf_monitor_opts {
	size_t sz;
	enum numaperf_scope scope;
	int pid; /* SCOPE_PID: a process id of the caller's pid namespace; its children
		    are watched with it */
	const char *cgroup; /* SCOPE_CGROUP: a path below the cgroup-v2 mount ("/a/b"), or a
			       folder */
	/*
	 * Called on the monitor's thread for each violation; `v` and its texts live as long as
	 * the call. It may call the monitor, but _destroy is -EDEADLK there.
	 */
	void (*on_violation)(void *ctx, const struct numaperf_violation *v);
	void *ctx;
	unsigned int interval_ms; /* of what is polled; 0: 250; at least 10 */
	enum numaperf_rung
		rung_max;	/* do not climb higher; ABSENT (0): no limit. POLLING: no BPF */
	bool all_guarantees;	/* SELF: whatever is in the registry, now and later */
	bool drop_capabilities; /* of the calling thread and of the monitor's, once attached */
	bool stacks;		/* user stacks of remote faults: numaperf_monitor_stacks() */
	bool keep_ptrace; /* drop_capabilities leaves CAP_SYS_PTRACE (others' numa_maps) */
	unsigned int threads_max; /* 0: 1024, SYSTEM 16384; more are counted as lost */
	unsigned int ranges_max;  /* ranges of pages that may be watched at once; 0: 1024 */
	unsigned int list_max; /* violations kept for numaperf_monitor_violations(); 0: 256 */
	int reserved;
};

struct numaperf_monitor;

/*
 * Opens on the best rung; NULL options: SELF. Without privilege or BPF it opens as a sampler
 * (numaperf_monitor_hook() tells why) unless rung_max is forced above: rung_max never fails a
 * creation. Takes its own reference to the topology. -EINVAL: options; -ESRCH: no such process;
 * -ENOENT: no such cgroup, or no cgroup v2; -EACCES; -ENOMEM; -EMFILE.
 */
NUMAPERF_API NUMAPERF_MUST_CHECK int
numaperf_monitor_create(struct numaperf_monitor **mon, struct numaperf_topology *topo,
			const struct numaperf_monitor_opts *opts);

/* Detaches, stops the thread, frees. NULL: 0. -EDEADLK inside its own callback: nothing was
 * freed. Reports made from it stay. */
NUMAPERF_API int numaperf_monitor_destroy(struct numaperf_monitor *mon);

/* What the metric stands on. Fills min(hook->sz, known). -ENOENT: no such metric. */
NUMAPERF_API NUMAPERF_MUST_CHECK int numaperf_monitor_hook(const struct numaperf_monitor *mon,
							   enum numaperf_metric metric,
							   struct numaperf_hook *hook);

/* True: no BPF program is attached. */
NUMAPERF_API bool numaperf_monitor_sampler(const struct numaperf_monitor *mon);

/* ---- what to watch ----
 *
 * Each returns 0; -EEXIST is no error of these (watching twice is watching once). What holds
 * when watching begins is the baseline: a guarantee that is broken by then is violated at once.
 * A watched object may be destroyed at any time; its verdict stays in the monitor.
 */

/* Its workers (strict ones with their guarantees) and its task counters. The executor must be
 * shut down or unwatched before it is destroyed for its last counters to be in the report. */
NUMAPERF_API NUMAPERF_MUST_CHECK int
numaperf_monitor_watch_executor(struct numaperf_monitor *mon, struct numaperf_executor *exec);

/* Its pages: strict ones as a guarantee, soft ones for their residency. Takes a reference. */
NUMAPERF_API NUMAPERF_MUST_CHECK int
numaperf_monitor_watch_region(struct numaperf_monitor *mon, struct numaperf_region *region);

/* A strict pin as a guarantee. -EINVAL: a soft one (use _watch_thread) or a released one. */
struct numaperf_pin;
NUMAPERF_API NUMAPERF_MUST_CHECK int numaperf_monitor_watch_pin(struct numaperf_monitor *mon,
								const struct numaperf_pin *pin);

/* That the thread stays on `cpus`, whoever made it; of this or a watched process. Returns in
 * *id (may be NULL) the guarantee. -ESRCH; -EINVAL: empty set; -ENOSPC. */
NUMAPERF_API NUMAPERF_MUST_CHECK int
numaperf_monitor_watch_thread(struct numaperf_monitor *mon, int tid,
			      const struct numaperf_cpuset *cpus, uint64_t *id);

/* That every page of the range stays on (and lands on) `nodes`. Rounded out to whole pages. */
NUMAPERF_API NUMAPERF_MUST_CHECK int
numaperf_monitor_watch_range(struct numaperf_monitor *mon, const void *addr, size_t length,
			     const struct numaperf_nodemask *nodes, uint64_t *id);

/* The same in another process (pid 0: this one). Needs CAP_SYS_PTRACE, or its owner, to be
 * confirmed. */
NUMAPERF_API NUMAPERF_MUST_CHECK int
numaperf_monitor_watch_process_range(struct numaperf_monitor *mon, int pid, const void *addr,
				     size_t length, const struct numaperf_nodemask *nodes,
				     uint64_t *id);

/* SCOPE_PID: one process more, with its children. */
NUMAPERF_API NUMAPERF_MUST_CHECK int
numaperf_monitor_watch_process(struct numaperf_monitor *mon, int pid);

/* Ends a watch by its id; what was seen stays. -ENOENT. */
NUMAPERF_API int numaperf_monitor_unwatch(struct numaperf_monitor *mon, uint64_t id);

/* ---- violations ---- */

/* A descriptor that polls readable while violations wait in the list; owned by the monitor. */
NUMAPERF_API int numaperf_monitor_fd(const struct numaperf_monitor *mon);

/*
 * Takes the oldest violation off the list: 1 and fills min(v->sz, known), or 0: none waits. Its
 * texts live until this thread's next call here. The list keeps the newest opts.list_max; what
 * fell off is counted in numaperf_monitor_totals.
 */
NUMAPERF_API int numaperf_monitor_next_violation(struct numaperf_monitor *mon,
						 struct numaperf_violation *v);

/* Waits until everything that happened before the call has been taken in: events drained,
 * suspects confirmed, what is polled polled once more. -ETIMEDOUT after timeout_ms. */
NUMAPERF_API int numaperf_monitor_flush(struct numaperf_monitor *mon, int timeout_ms);

/* ---- statistics: from mapped memory, no system call; each counter only grows ---- */

enum numaperf_page_kind {
	NUMAPERF_PAGE_ANON = 0, /* base pages */
	NUMAPERF_PAGE_HUGE = 1, /* transparent and hugetlb, in base pages */
	NUMAPERF_PAGE_FILE = 2, /* mapped file data */
	NUMAPERF_PAGE_TEXT = 3, /* mapped executable file pages: program and shared libraries */
	NUMAPERF_PAGE_KINDS = 4,
};

/* What threads on the CPUs of one node did to the memory of another. Pages are base pages. */
struct numaperf_cell {
	size_t sz;
	uint64_t pages[NUMAPERF_PAGE_KINDS]; /* that landed there, by kind */
	uint64_t hinting_faults;	     /* whose page is there in the end */
	uint64_t hinting_moved; /* of them: those whose page was remote and came to the CPU's
				   node */
};
NUMAPERF_API NUMAPERF_MUST_CHECK int numaperf_monitor_cell(const struct numaperf_monitor *mon,
							   int cpu_node, int memory_node,
							   struct numaperf_cell *cell);

/* From one node to another; from == to: inside it. */
struct numaperf_flow {
	size_t sz;
	uint64_t threads[NUMAPERF_MOVE_CAUSES]; /* moves, by cause */
	uint64_t pages[NUMAPERF_PAGE_CAUSES];	/* base pages moved, by cause */
};
NUMAPERF_API NUMAPERF_MUST_CHECK int numaperf_monitor_flow(const struct numaperf_monitor *mon,
							   int from, int to,
							   struct numaperf_flow *flow);

struct numaperf_node_activity {
	size_t sz;
	int node;
	int reserved;
	uint64_t run_time_ns; /* of watched threads on its CPUs */
	uint64_t faults_local,
		faults_remote; /* anonymous and huge pages, by CPUs of this node */
	uint64_t hinting_local, hinting_remote;
	uint64_t thread_moves_in, thread_moves_out; /* from and to other nodes */
	uint64_t pages_in, pages_out;
};
NUMAPERF_API NUMAPERF_MUST_CHECK int
numaperf_monitor_node(const struct numaperf_monitor *mon, int node,
		      struct numaperf_node_activity *activity);

struct numaperf_thread_activity {
	size_t sz;
	int pid, tid;
	char comm[16];
	bool exited;
	uint8_t reserved[7];
	uint64_t moves[NUMAPERF_MOVE_CAUSES]; /* between CPUs, by cause */
	uint64_t node_moves;		      /* of them: to another node */
	uint64_t run_time_ns;		      /* in all */
	uint64_t faults_local, faults_remote;
	uint64_t hinting_local, hinting_remote;
};
/*
 * The `nth` thread that was seen (0 .. until -ENOENT); holes (-EAGAIN) are threads whose place
 * is free. A thread that has exited is shown for at least one interval. Whole without an
 * interval between calls; a thread's counters are not one instant's picture.
 */
NUMAPERF_API NUMAPERF_MUST_CHECK int
numaperf_monitor_thread(const struct numaperf_monitor *mon, size_t nth,
			struct numaperf_thread_activity *activity);

/* Of that thread, its part on one node. */
struct numaperf_thread_node {
	size_t sz;
	uint64_t run_time_ns;		      /* on its CPUs */
	uint64_t faults_local, faults_remote; /* by its CPUs */
	uint64_t pages_landed;		      /* on its memory */
};
NUMAPERF_API NUMAPERF_MUST_CHECK int
numaperf_monitor_thread_node(const struct numaperf_monitor *mon, size_t nth, int node,
			     struct numaperf_thread_node *part);

struct numaperf_monitor_totals {
	size_t sz;
	uint64_t since_ns, now_ns; /* CLOCK_MONOTONIC */
	uint64_t violations;	   /* each page and each move counts */
	uint64_t events_lost;  /* violations whose evidence was dropped (ring full, rate limit);
				  they are in `violations` all the same */
	uint64_t list_dropped; /* told to the callback, fell off the list */
	uint64_t threads_lost; /* threads beyond threads_max: not counted at all */
	uint64_t suspects, suspects_confirmed, suspects_refuted;
	uint64_t threads_seen, threads_live;
	uint64_t notices_lost; /* ends of processes, collapses, hot-unplugs that did not arrive:
				  everything was looked at anew, and nothing is `held` */
};
NUMAPERF_API NUMAPERF_MUST_CHECK int
numaperf_monitor_totals(const struct numaperf_monitor *mon,
			struct numaperf_monitor_totals *totals);

/* opts.stacks: each distinct user stack of remote faults, unordered: `frames` return addresses,
 * innermost first. Returns 0, what `fn` returned to end it, -EOPNOTSUPP: not had here. */
struct numaperf_stack {
	size_t sz;
	int pid;
	unsigned int depth;
	uint64_t pages;
	const uint64_t *frames;
};
NUMAPERF_API int
numaperf_monitor_stacks(const struct numaperf_monitor *mon,
			int (*fn)(void *ctx, const struct numaperf_stack *stack), void *ctx);

#ifdef __cplusplus
}
#endif

#endif

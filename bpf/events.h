/* SPDX-License-Identifier: MIT */
/*
 * What the BPF programs and user space share: records, counters, the places of both.
 * Fixed-width types (the includer defines them), no padding that is not named, includes
 * nothing.
 *
 * Process and thread ids here are those of the monitor's pid namespace (struct
 * np_config.pidns), except for the system scope, where they are the machine's.
 */
#ifndef NP_EVENTS_H
#define NP_EVENTS_H

/* ---- settings: read-only data of the programs, written before they are loaded ---- */

enum {
	NP_WATCH_TGIDS = 0, /* those in the table `tgids`, and their children with follow */
	NP_WATCH_CGROUP = 1,
	NP_WATCH_ALL = 2,
};

struct np_config {
	__u32 nodes;	       /* node ids 0 .. nodes-1 */
	__u32 cpus;	       /* CPU ids 0 .. cpus-1 */
	__u32 threads;	       /* slots; a power of two */
	__u32 ranges;	       /* of each of the two range tables */
	__u32 watches;	       /* guarantees */
	__u32 scope;	       /* NP_WATCH_* */
	__u32 follow;	       /* children of a watched process are watched */
	__u32 page_node_shift; /* a page's node: flags >> shift & mask */
	__u32 page_node_mask;
	__u32 stacks; /* keep user stacks of remote faults */
	__u32 pidns;  /* inode number of the monitor's pid namespace; 0: the initial one */
	__u32 cgroup_level;
	__u64 cgroup;	      /* id of the cgroup */
	__u32 burst;	      /* events a CPU may send a window of 100 ms */
	__u32 fault_exact;    /* the fentry programs count faults: mm_page_alloc must not */
	__u32 affinity_exact; /* every change of an affinity is seen when it is made */
	__u32 reserved;
};

/* ---- causes: the values of the public enums ---- */

enum {
	NP_MOVE_UNKNOWN,
	NP_MOVE_WAKEUP,
	NP_MOVE_LOAD_BALANCE,
	NP_MOVE_AFFINITY,
	NP_MOVE_CPUSET,
	NP_MOVE_HOTPLUG,
	NP_MOVE_NUMA_BALANCING,
	NP_MOVE_CAUSES,
};

enum {
	NP_PAGE_UNKNOWN,
	NP_PAGE_COMPACTION,
	NP_PAGE_MEMORY_FAILURE,
	NP_PAGE_MEMORY_HOTPLUG,
	NP_PAGE_MOVE_PAGES,
	NP_PAGE_MIGRATE_PAGES,
	NP_PAGE_CPUSET,
	NP_PAGE_MBIND,
	NP_PAGE_NUMA_BALANCING,
	NP_PAGE_CONTIG_RANGE,
	NP_PAGE_LONGTERM_PIN,
	NP_PAGE_DEMOTION,
	NP_PAGE_DAMON,
	NP_PAGE_COLLAPSE,
	NP_PAGE_KSM,
	NP_PAGE_FAULT,
	NP_PAGE_CAUSES,
};

enum {
	NP_KIND_ANON,
	NP_KIND_HUGE,
	NP_KIND_FILE,
	NP_KIND_TEXT,
	NP_KINDS,
};

/* ---- counters: mapped arrays ---- */

enum {
	NP_SLOT_FREE = 0,
	NP_SLOT_LIVE = 1,
	NP_SLOT_EXITED = 2, /* user space frees it after a while */
};

/* One watched thread. Written by the programs; user space writes `pin` and frees it. */
struct np_thread {
	__u32 state; /* NP_SLOT_* */
	__u32 tid;
	__u32 tgid;
	__u32 pin;   /* index of its guarantee + 1; 0: none */
	__u32 cause; /* pending NP_MOVE_*: why its next move will happen; 0: none */
	__u32 actor_tgid, actor_tid;
	__u32 mask_bad; /* its affinity was found different and has been told */
	__u64 cause_ns; /* when the cause was noted */
	char actor[16];
	char comm[16];
	__u64 moves[NP_MOVE_CAUSES];
	__u64 node_moves;
	__u64 migrating; /* it moves pages itself now: NP_BUSY_* */
	__u64 reserved;
};

enum {
	NP_BUSY_MIGRATING = 1,
	NP_BUSY_COLLAPSING = 2,
};

/* One thread's part on one node: thread_nodes[slot * nodes + node]. One cache line. */
struct np_thread_node {
	__u64 run_ns;			     /* on its CPUs */
	__u64 faults_local, faults_remote;   /* by its CPUs, base pages, anonymous and huge */
	__u64 hinting_local, hinting_remote; /* by its CPUs */
	__u64 pages_landed;		     /* on its memory */
	__u64 reserved[2];
};

/* cells[cpu * nodes + memory node]: written by that CPU only. One cache line. */
struct np_cell {
	__u64 pages[NP_KINDS];
	__u64 hinting;	     /* hinting faults whose page is on that node in the end */
	__u64 hinting_moved; /* of them: it was on another, and has been moved to this CPU's */
	__u64 reserved[2];
};

/* flows[from node * nodes + to node] */
struct np_flow {
	__u64 threads[NP_MOVE_CAUSES + 1];
	__u64 pages[NP_PAGE_CAUSES];
};

/* One guarantee: watches[index]. Exact whatever becomes of the events. */
struct np_watch {
	__u64 id; /* written by user space before anything points here */
	__u64 violations;
	__u64 suspects;
	__u64 first_ns, last_ns;
	__u64 reserved[3];
};

/* Sums over all CPUs: totals[0]. */
struct np_totals {
	__u64 events_lost;    /* did not fit into the ring */
	__u64 events_limited; /* the rate limit held them back */
	__u64 notices_lost;   /* did not fit into the ring, and nothing else knows of them */
	__u64 threads_lost;   /* no free slot */
	__u64 threads_seen;
	__u64 ranges_version; /* which of the two range tables is in force: bit 0 */
	__u64 ranges_count[2];
	__u64 migrated[NP_PAGE_CAUSES]; /* base pages of watched processes or asked for by them
					 */
	__u64 machine_migrated; /* all migrations of the machine: /proc/vmstat pgmigrate_success
				 */
	__u64 collapses;	/* of watched processes */
	__u64 balancing_on;	/* times the sysctl was written with a value that is not 0 */
};

#define NP_NODE_UNKNOWN 0xffffffffu

/* What runs on a CPU now: on_cpus[cpu]. One cache line. */
struct np_on_cpu {
	__u32 slot;    /* of the watched thread, + 1; 0: none is */
	__u32 leaving; /* the CPU is going, or is, offline */
	__u64 since;   /* when it came on; its run time so far is not in its counters yet */
	__u32 waker_tgid, waker_tid; /* who last woke its migration thread */
	char waker[16];
	__u32 node; /* NP_NODE_UNKNOWN: it was offline when user space looked */
	__u32 spare;
	__u64 reserved[2];
};

/* What user space changes while the programs run. */
struct np_state {
	__u32 only;	     /* the one process that is watched; 0: look into `tgids` */
	__u32 cursor;	     /* where a free slot is looked for */
	__u32 range_tgid[8]; /* the processes that have ranges; 0 ends the list */
	/* who takes a CPU offline; written by the programs */
	__u32 unplug_tgid, unplug_tid, unplug_noted;
	char unplug[16];
};

#define NP_TID_PROBES 8
#define NP_TID_GONE   0xffffffffu /* in the place of a slot; with tid 0 */

#define NP_STACK_DEPTH 64
struct np_stack_key {
	__u32 tgid;
	__s32 stack;
};

/* One range of pages, sorted by (tgid, start); no two of a process overlap in one table. */
#define NP_NODE_WORDS 16
struct np_range {
	__u32 tgid;
	__u32 watch; /* index of its guarantee */
	__u64 start, end;
	__u64 nodes[NP_NODE_WORDS];
};

/* ---- events: ring buffer ---- */

enum {
	NP_EVENT_CPU = 1,  /* a pinned thread was put on a CPU outside its set */
	NP_EVENT_AFFINITY, /* its affinity was changed to something else */
	NP_EVENT_PAGE,	   /* pages of a range came to a node outside its set */
	NP_EVENT_SUSPECT,  /* pages at this address of some process were moved */
	/* Notices: from here on no counter knows of what an event says, so no rate limit
	 * holds it back. */
	NP_EVENT_COLLAPSE,  /* a process got a huge page somewhere: look at its ranges */
	NP_EVENT_BALANCING, /* the sysctl was written: `pages` is the value */
	NP_EVENT_HOTPLUG,   /* CPU to_cpu goes offline */
	NP_EVENT_EXIT,	    /* process `tgid` has ended */
	NP_EVENT_EXEC,	    /* process `tgid` is another program now: its ranges are gone */
};

struct np_event {
	__u32 kind;
	__u32 cause; /* NP_MOVE_* or NP_PAGE_* by kind */
	__u64 time_ns;
	__u64 id; /* of the guarantee; 0: none */
	__u64 address;
	__u64 pages; /* base pages */
	__u32 tgid, tid;
	__s32 from_cpu, to_cpu;
	__s32 from_node, to_node;
	__u32 actor_tgid, actor_tid;
	char actor[16];
};

#endif

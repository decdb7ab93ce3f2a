/* SPDX-License-Identifier: MIT */
/*
 * Rank 7: what a monitor hands to a report: plain data, taken at one moment. The monitor fills
 * it (monitor_snapshot.c), the report judges it, and a test can make one by hand.
 */
#ifndef NP_SNAPSHOT_H
#define NP_SNAPSHOT_H

#include <numaperf/monitor.h>
#include <numaperf/report.h>

/* One guarantee and all that was seen of it. */
struct np_seen {
	uint64_t id;
	enum numaperf_guarantee_kind kind;
	enum numaperf_mode mode;
	char label[64];
	int pid, tid; /* pid 0: this process */
	struct numaperf_cpuset cpus;
	struct numaperf_nodemask nodes;
	uint64_t address, length;

	uint64_t since_ns, until_ns; /* until 0: still watched */
	bool ended;		     /* the object, thread or process is gone */
	bool baseline_broken;	     /* it did not hold when watching began */

	uint64_t violations; /* moves or base pages, all causes */
	uint64_t first_ns;   /* of the first violation */
	char evidence[384];  /* the message of the first violation; "": none */
	uint64_t moves_by_cause[NUMAPERF_MOVE_CAUSES]; /* of CPUS */
	uint64_t pages_by_cause[NUMAPERF_PAGE_CAUSES]; /* of PAGES */
	int actor_pid; /* of the first violation; 0: not known */
	char actor[16];
	int to_node, to_cpu;   /* of the first violation; -1 */
	bool affinity_changed; /* a violation of kind AFFINITY was among them */

	/* suspicion without proof (tp_btf): moved by somebody, and back before we could look */
	uint64_t suspects_open;
	/*
	 * The last look from outside the hooks: placement query (PAGES), affinity (CPUS), the
	 * sysctl (BALANCING). 0: it holds; -EXDEV: it does not (then violations > 0, too);
	 * another -errno: it could not be asked. -EAGAIN: not asked yet.
	 */
	int last_look;
	uint64_t looks;			/* how often */
	uint64_t pages_absent;		/* PAGES: not present at the last look */
	struct numaperf_nodemask found; /* PAGES: nodes that have some */
};

struct np_node_seen {
	int id;
	bool has_cpus, has_memory;
	struct numaperf_node_activity activity;
	uint64_t local_executions, steals_from, steals_to, redirected;
	uint64_t resident_pages; /* of watched regions and ranges */
};

struct np_snapshot {
	uint64_t since_ns, now_ns;
	enum numaperf_scope scope;
	int pid;
	bool sampler;  /* no BPF at all */
	bool flushed;  /* everything that happened before was taken in */
	bool executor; /* an executor is or was watched: task figures are real */
	struct numaperf_hook hook[NUMAPERF_METRIC_COUNT];
	struct numaperf_monitor_totals totals;

	size_t node_count; /* online nodes, ascending */
	struct np_node_seen *node;
	struct numaperf_cell
		*cell; /* [cpu node position * node_count + memory node position] */
	struct numaperf_flow *flow; /* likewise, from and to */

	size_t guarantee_count; /* BALANCING last, if there is a strict one */
	struct np_seen *guarantee;

	/* settings as they are now, for advice; -1: cannot be read */
	int balancing;		   /* kernel.numa_balancing */
	int ksm_run, ksm_across;   /* /sys/kernel/mm/ksm/{run,merge_across_nodes} */
	int thp_defrag_khugepaged; /* khugepaged may collapse: enabled is not "never" */
	bool balancing_acted;	   /* vmstat numa_pte_updates grew while we watched */
	struct numaperf_cpuset offline_cpus; /* promised CPUs that are offline now */
};

/* Frees what a snapshot owns; the struct itself is the caller's. */
void np_snapshot_free(struct np_snapshot *s);

/* What is waited for first: events that are under way, or looks at everything, too. */
enum np_flush {
	NP_FLUSH_NONE,
	NP_FLUSH_EVENTS,
	NP_FLUSH_ALL,
};

/* monitor_snapshot.c: takes it. 0 or an error with its record. */
int np_monitor_snapshot(struct numaperf_monitor *mon, enum np_flush flush,
			struct np_snapshot *out);

#endif

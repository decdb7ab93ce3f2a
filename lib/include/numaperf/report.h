/* SPDX-License-Identifier: MIT */
/*
 * What a monitor saw, as of one moment: ratios, health, a verdict for each guarantee, and what
 * to do about what was found. A report is a plain snapshot: it stays when the monitor is
 * destroyed, never changes, and may be read by any number of threads.
 */
#ifndef NUMAPERF_REPORT_H
#define NUMAPERF_REPORT_H

#include <numaperf/base.h>
#include <numaperf/mask.h>
#include <numaperf/monitor.h>

#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Three ratios, never mixed; each 0.0 .. 1.0. */
enum numaperf_locality {
	NUMAPERF_LOCALITY_TASK = 0, /* tasks run at home / all tasks of the watched executors */
	NUMAPERF_LOCALITY_FAULT = 1, /* anonymous and huge pages that landed on the node of the
					CPU that touched them / all */
	NUMAPERF_LOCALITY_EXPOSURE =
		2, /* run time a node x resident pages a node: an estimate of
		      accesses, since prefaulted memory faults no more */
	NUMAPERF_LOCALITY_COUNT = 3,
};

/* "task", "fault", "exposure"; "unknown" otherwise. Static storage. */
NUMAPERF_API const char *numaperf_locality_name(enum numaperf_locality locality);

enum numaperf_health {
	NUMAPERF_HEALTH_UNKNOWN = 0, /* nothing was observed */
	NUMAPERF_HEALTH_POOR = 1,
	NUMAPERF_HEALTH_FAIR = 2,
	NUMAPERF_HEALTH_GOOD = 3,
	NUMAPERF_HEALTH_EXCELLENT = 4,
};

/* "Unknown", "Poor", "Fair", "Good", "Excellent". */
NUMAPERF_API const char *numaperf_health_name(enum numaperf_health health);

enum numaperf_verdict {
	NUMAPERF_VERDICT_NONE = 0,     /* nothing was promised */
	NUMAPERF_VERDICT_HELD = 1,     /* watched without a gap, and it held */
	NUMAPERF_VERDICT_VIOLATED = 2, /* with evidence; stays for the epoch */
	NUMAPERF_VERDICT_UNVERIFIED =
		3, /* nothing seen against it, and why that does not suffice */
};

/* "none", "held", "violated", "unverified". */
NUMAPERF_API const char *numaperf_verdict_name(enum numaperf_verdict verdict);

struct numaperf_report_opts {
	size_t sz;
	/* Thresholds of health in percent; 0: 95, 85 and 70. Must not ascend. */
	unsigned int excellent, good, fair;
	bool no_flush;	  /* do not wait for what is under way (numaperf_monitor_flush) */
	bool events_only; /* wait for what the programs saw, and look at nothing anew: cheap,
			     for a report a second */
	uint8_t reserved[2];
};

struct numaperf_report;

/*
 * Flushes the monitor (at most two seconds; if that is not enough the verdicts say so) and
 * takes everything down. NULL options are the defaults. -ENOMEM; -EINVAL: thresholds;
 * -EOWNERDEAD.
 */
NUMAPERF_API NUMAPERF_MUST_CHECK int numaperf_report_create(struct numaperf_report **report,
							    struct numaperf_monitor *mon);
NUMAPERF_API NUMAPERF_MUST_CHECK int
numaperf_report_create_opts(struct numaperf_report **report, struct numaperf_monitor *mon,
			    const struct numaperf_report_opts *opts);

/* NULL does nothing. */
NUMAPERF_API void numaperf_report_destroy(struct numaperf_report *report);

/* ---- ratios and health ---- */

/* Over all nodes. -ENODATA, *ratio untouched: nothing was observed. No error record then. */
NUMAPERF_API NUMAPERF_MUST_CHECK int
numaperf_report_locality(const struct numaperf_report *report, enum numaperf_locality locality,
			 double *ratio);
/* Of one node: tasks whose home it is, faults and run time by its CPUs. -ENOENT: no such node.
 */
NUMAPERF_API NUMAPERF_MUST_CHECK int
numaperf_report_node_locality(const struct numaperf_report *report, int node,
			      enum numaperf_locality locality, double *ratio);

NUMAPERF_API enum numaperf_health numaperf_report_health(const struct numaperf_report *report);
/* The ratio that health stands on: fault if faults were observed, else task, else exposure; -1:
 * on none. */
NUMAPERF_API int numaperf_report_health_basis(const struct numaperf_report *report);

/* One node's share, for the watched scope; task figures over all watched executors. */
struct numaperf_report_node {
	size_t sz;
	int node;
	int reserved;
	/* tasks: the statistics collector */
	uint64_t local_executions; /* run here, home is here */
	uint64_t steals_from;	   /* home is here, run elsewhere */
	uint64_t steals_to;	   /* run here, home is elsewhere */
	/* kernel */
	uint64_t run_time_ns;
	uint64_t faults_local, faults_remote; /* by its CPUs */
	uint64_t remote_accesses; /* pages that CPUs of this node had to fetch from another:
				     remote faults and remote hinting faults */
	uint64_t hinting_local, hinting_remote;
	uint64_t thread_moves_in, thread_moves_out;
	uint64_t pages_in, pages_out;
	uint64_t resident_pages; /* of watched regions and ranges; of the process where asked */
};
NUMAPERF_API size_t numaperf_report_node_count(const struct numaperf_report *report);
/* By position, ascending node ids. -ENOENT beyond the last. */
NUMAPERF_API NUMAPERF_MUST_CHECK int numaperf_report_node(const struct numaperf_report *report,
							  size_t nth,
							  struct numaperf_report_node *node);
/* The matrix: as numaperf_monitor_cell(), of the report's moment. -ENOENT: no such node. */
NUMAPERF_API NUMAPERF_MUST_CHECK int numaperf_report_cell(const struct numaperf_report *report,
							  int cpu_node, int memory_node,
							  struct numaperf_cell *cell);

/* ---- guarantees ---- */

/* Violated if one is, else unverified if one is, else held; none without any. */
NUMAPERF_API enum numaperf_verdict
numaperf_report_verdict(const struct numaperf_report *report);

enum numaperf_guarantee_kind {
	NUMAPERF_GUARANTEE_CPUS = 1,  /* a thread stays on its CPUs */
	NUMAPERF_GUARANTEE_PAGES = 2, /* pages stay on their nodes */
	NUMAPERF_GUARANTEE_BALANCING =
		3, /* kernel.numa_balancing stays off (with any strict one) */
};

/* "cpus", "pages", "balancing". */
NUMAPERF_API const char *numaperf_guarantee_kind_name(enum numaperf_guarantee_kind kind);

struct numaperf_guarantee {
	size_t sz;
	uint64_t id;
	enum numaperf_guarantee_kind kind;
	enum numaperf_verdict verdict;
	bool ended; /* the object is gone; the verdict is of its time */
	uint8_t reserved[7];
	uint64_t since_ns, until_ns; /* watched from, to; CLOCK_MONOTONIC */
	uint64_t violations;	     /* moves or pages against it */
	const char *label;	     /* "worker 3 (node 1)" */
	const char *reason; /* violated: the first evidence; unverified: why; held: on what */
};
NUMAPERF_API size_t numaperf_report_guarantee_count(const struct numaperf_report *report);
/* Texts live as long as the report. -ENOENT beyond the last. */
NUMAPERF_API NUMAPERF_MUST_CHECK int
numaperf_report_guarantee(const struct numaperf_report *report, size_t nth,
			  struct numaperf_guarantee *guarantee);

/* ---- what to do ---- */

/* One line a finding: the cause, then the command or option that ends it. NULL beyond the last.
 */
NUMAPERF_API size_t numaperf_report_recommendation_count(const struct numaperf_report *report);
NUMAPERF_API const char *numaperf_report_recommendation(const struct numaperf_report *report,
							size_t nth);

struct numaperf_finding {
	size_t sz;
	const char
		*id; /* stable: "balancing-on", "ksm-across-nodes", "affinity-changed", ... */
	const char *cause;   /* what was found */
	const char *command; /* a shell command that ends it as it stands; "" where it is no
				command */
	const char *advice;  /* what else to do; "" when the command is all */
};
NUMAPERF_API NUMAPERF_MUST_CHECK int
numaperf_report_finding(const struct numaperf_report *report, size_t nth,
			struct numaperf_finding *finding);

/* ---- how it was watched ---- */

NUMAPERF_API uint64_t numaperf_report_duration_ns(const struct numaperf_report *report);
NUMAPERF_API NUMAPERF_MUST_CHECK int
numaperf_report_totals(const struct numaperf_report *report,
		       struct numaperf_monitor_totals *totals);
NUMAPERF_API NUMAPERF_MUST_CHECK int numaperf_report_hook(const struct numaperf_report *report,
							  enum numaperf_metric metric,
							  struct numaperf_hook *hook);

/* ---- as text ---- */

enum numaperf_format {
	NUMAPERF_FORMAT_TEXT = 0,
	NUMAPERF_FORMAT_JSON = 1, /* one object; absent values are null */
};

/* As snprintf: writes at most `size` bytes, always terminated when size > 0, and returns the
 * length of the whole text, or -ENOMEM, -EINVAL. */
NUMAPERF_API NUMAPERF_MUST_CHECK int
numaperf_report_format(const struct numaperf_report *report, enum numaperf_format format,
		       char *buf, size_t size);

/* The text to a stream. 0, -ENOMEM, or -EIO with the stream's error. */
NUMAPERF_API NUMAPERF_MUST_CHECK int numaperf_report_print(const struct numaperf_report *report,
							   FILE *to);

#ifdef __cplusplus
}
#endif

#endif

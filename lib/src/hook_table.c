// SPDX-License-Identifier: MIT
/* The metrics, and what each is worth without BPF. */
#include "hook_table.h"
#include "util.h"

#include <stdio.h>

static const struct {
	const char *name;
	const char *polled; /* NULL: cannot be */
} metrics[] = {
	[NUMAPERF_METRIC_RUN_TIME] = { "run_time", "/proc/PID/task/TID/stat" },
	[NUMAPERF_METRIC_THREAD_MOVES] = { "thread_moves", "/proc/PID/task/TID/stat" },
	[NUMAPERF_METRIC_AFFINITY] = { "affinity", "sched_getaffinity" },
	[NUMAPERF_METRIC_FAULTS] = { "faults", NULL },
	[NUMAPERF_METRIC_FILE_FAULTS] = { "file_faults", NULL },
	[NUMAPERF_METRIC_HINTING_FAULTS] = { "hinting_faults", "/proc/vmstat" },
	[NUMAPERF_METRIC_PAGE_MOVES] = { "page_moves", "move_pages" },
	[NUMAPERF_METRIC_PAGE_CAUSES] = { "page_causes", NULL },
	[NUMAPERF_METRIC_COLLAPSE] = { "collapse", "move_pages" },
	[NUMAPERF_METRIC_KSM] = { "ksm", "/sys/kernel/mm/ksm and move_pages" },
	[NUMAPERF_METRIC_BALANCING] = { "balancing", "/proc/sys/kernel/numa_balancing" },
	[NUMAPERF_METRIC_HOTPLUG] = { "hotplug", "/sys/devices/system/cpu/online" },
};

const char *numaperf_metric_name(enum numaperf_metric metric)
{
	return (size_t)metric < ARRAY_SIZE(metrics) ? metrics[metric].name : NULL;
}

const char *numaperf_rung_name(enum numaperf_rung rung)
{
	static const char *const names[] = {
		[NUMAPERF_RUNG_ABSENT] = "absent",
		[NUMAPERF_RUNG_POLLING] = "polling",
		[NUMAPERF_RUNG_TP_BTF] = "tp_btf",
		[NUMAPERF_RUNG_FENTRY] = "fentry",
	};

	return (size_t)rung < ARRAY_SIZE(names) ? names[rung] : "unknown";
}

bool numaperf_rung_counts(enum numaperf_metric metric, enum numaperf_rung rung)
{
	switch (metric) {
	case NUMAPERF_METRIC_FAULTS:
	case NUMAPERF_METRIC_FILE_FAULTS:
	case NUMAPERF_METRIC_HINTING_FAULTS:
		return rung >= NUMAPERF_RUNG_TP_BTF;
	case NUMAPERF_METRIC_PAGE_MOVES:
	case NUMAPERF_METRIC_PAGE_CAUSES:
		return rung == NUMAPERF_RUNG_FENTRY;
	default:
		return rung != NUMAPERF_RUNG_ABSENT;
	}
}

const char *np_hook_polled(enum numaperf_metric metric)
{
	return (size_t)metric < ARRAY_SIZE(metrics) ? metrics[metric].polled : NULL;
}

void np_hook_fallback(struct numaperf_hook *hook, enum numaperf_metric metric, int error,
		      const char *reason, const char *remedy)
{
	const char *polled = np_hook_polled(metric);

	*hook = (struct numaperf_hook){
		.sz = sizeof(*hook),
		.metric = metric,
		.rung = polled ? NUMAPERF_RUNG_POLLING : NUMAPERF_RUNG_ABSENT,
		.error = error,
	};
	snprintf(hook->hook, sizeof(hook->hook), "%s", polled ? polled : "");
	snprintf(hook->reason, sizeof(hook->reason), "%s", reason);
	snprintf(hook->remedy, sizeof(hook->remedy), "%s", remedy ? remedy : "");
}

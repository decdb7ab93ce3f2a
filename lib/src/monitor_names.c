// SPDX-License-Identifier: MIT
/* What people read in place of the monitor's numbers. */
#include "util.h"

#include <numaperf/monitor.h>

const char *numaperf_move_cause_name(enum numaperf_move_cause cause)
{
	static const char *const names[] = {
		[NUMAPERF_MOVE_UNKNOWN] = "unknown",
		[NUMAPERF_MOVE_WAKEUP] = "wake-up",
		[NUMAPERF_MOVE_LOAD_BALANCE] = "load balance",
		[NUMAPERF_MOVE_AFFINITY] = "affinity",
		[NUMAPERF_MOVE_CPUSET] = "cpuset",
		[NUMAPERF_MOVE_HOTPLUG] = "hot-unplug",
		[NUMAPERF_MOVE_NUMA_BALANCING] = "NUMA balancing",
	};

	return (size_t)cause < ARRAY_SIZE(names) ? names[cause] : "unknown";
}

const char *numaperf_page_cause_name(enum numaperf_page_cause cause)
{
	static const char *const names[] = {
		[NUMAPERF_PAGE_UNKNOWN] = "unknown",
		[NUMAPERF_PAGE_COMPACTION] = "compaction",
		[NUMAPERF_PAGE_MEMORY_FAILURE] = "memory failure",
		[NUMAPERF_PAGE_MEMORY_HOTPLUG] = "memory hot-unplug",
		[NUMAPERF_PAGE_MOVE_PAGES] = "move_pages",
		[NUMAPERF_PAGE_MIGRATE_PAGES] = "migrate_pages",
		[NUMAPERF_PAGE_CPUSET] = "cpuset",
		[NUMAPERF_PAGE_MBIND] = "mbind",
		[NUMAPERF_PAGE_NUMA_BALANCING] = "NUMA balancing",
		[NUMAPERF_PAGE_CONTIG_RANGE] = "contiguous range",
		[NUMAPERF_PAGE_LONGTERM_PIN] = "long-term pin",
		[NUMAPERF_PAGE_DEMOTION] = "demotion",
		[NUMAPERF_PAGE_DAMON] = "DAMON",
		[NUMAPERF_PAGE_COLLAPSE] = "collapse",
		[NUMAPERF_PAGE_KSM] = "KSM",
		[NUMAPERF_PAGE_FAULT] = "fault",
	};

	return (size_t)cause < ARRAY_SIZE(names) ? names[cause] : "unknown";
}

const char *numaperf_violation_kind_name(enum numaperf_violation_kind kind)
{
	static const char *const names[] = {
		[0] = "unknown",
		[NUMAPERF_VIOLATION_CPU] = "cpu",
		[NUMAPERF_VIOLATION_AFFINITY] = "affinity",
		[NUMAPERF_VIOLATION_PAGE] = "page",
		[NUMAPERF_VIOLATION_BALANCING] = "balancing",
		[NUMAPERF_VIOLATION_HOTPLUG] = "hotplug",
	};

	return (size_t)kind < ARRAY_SIZE(names) ? names[kind] : "unknown";
}

const char *numaperf_scope_name(enum numaperf_scope scope)
{
	static const char *const names[] = {
		[NUMAPERF_SCOPE_SELF] = "self",
		[NUMAPERF_SCOPE_PID] = "pid",
		[NUMAPERF_SCOPE_CGROUP] = "cgroup",
		[NUMAPERF_SCOPE_SYSTEM] = "system",
	};

	return (size_t)scope < ARRAY_SIZE(names) ? names[scope] : "unknown";
}

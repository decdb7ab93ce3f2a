/* SPDX-License-Identifier: MIT */
/* Regions for tests: the options that most begin with, and what a failure must leave behind. */
#ifndef NP_TEST_REGIONS_H
#define NP_TEST_REGIONS_H

#include "fault.h"
#include "guarantee.h"
#include "util.h"

#include <errno.h>
#include <numaperf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <cmocka.h>

#define KIB 1024

static const int region_errors[] = { -ENOMEM, -EPERM, -ENOSYS, -EINVAL, -EIO };

static inline struct numaperf_region_opts bind_opts(enum numaperf_mode mode)
{
	struct numaperf_region_opts opts = {
		.sz = sizeof(opts),
		.policy = NUMAPERF_POLICY_BIND,
		.mode = mode,
		.nodes = numaperf_nodemask_single(0),
	};

	return opts;
}

/* The number that a line of /proc/self/smaps has for the mapping that begins at `at`; -1: none.
 */
static inline long smaps_kib(const void *at, const char *key)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	bool there = false;
	char line[512];
	long kib = -1;

	assert_non_null(f);
	while (kib < 0 && fgets(line, sizeof(line), f)) {
		unsigned long start, end;

		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			there = start == (uintptr_t)at;
		else if (there && !strncmp(line, key, strlen(key)))
			kib = atol(line + strlen(key) + 1);
	}
	fclose(f);
	return kib;
}

/* Whether that mapping has the flag, two letters of VmFlags. */
static inline bool smaps_flag(const void *at, const char *flag)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	bool there = false, set = false;
	char line[512];

	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		unsigned long start, end;

		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			there = start == (uintptr_t)at;
		else if (there && !strncmp(line, "VmFlags:", 8))
			set = strstr(line + 8, flag);
	}
	fclose(f);
	return set;
}

#endif

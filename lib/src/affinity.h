/* SPDX-License-Identifier: MIT */
/* Rank 3: the parts of a pin, for threads that the library makes itself. */
#ifndef NP_AFFINITY_H
#define NP_AFFINITY_H

#include <numaperf/affinity.h>

/*
 * Pins the calling thread to `cpus` for good and proves it; *granted is what the kernel gave,
 * also after a refusal. Refusals and their texts are those of numaperf_pin_thread(), in the
 * name of `operation`, but hard mode's requirements are the caller's to check (once for all its
 * threads), and after a refusal the affinity may have been changed: it is for threads that then
 * end. Soft with `quiet`: less than asked is no warning.
 */
int np_affinity_pin(const char *operation, const struct numaperf_cpuset *cpus,
		    enum numaperf_mode mode, bool quiet, struct numaperf_cpuset *granted);

/*
 * Whether thread `tid` (0: the calling one) is still on exactly `granted`; returns and texts of
 * numaperf_pin_check(), in the name of `operation`.
 */
int np_affinity_recheck(const char *operation, int tid, const struct numaperf_cpuset *granted,
			enum numaperf_mode mode);

/*
 * SCHED_FIFO at `priority` for the calling thread, read back; 0: the ordinary class, also where
 * a real-time creator handed down his own. By doing: RLIMIT_RTPRIO may allow it without
 * CAP_SYS_NICE. Refused: -NUMAPERF_EHARDMODE, reason PERMISSION or SECCOMP.
 */
int np_realtime_set(const char *operation, int priority);

#endif

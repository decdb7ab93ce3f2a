/* SPDX-License-Identifier: MIT */
/* Rank 2: whether hard mode may be had, asked afresh each time; and a thread's affinity. */
#ifndef NP_CAPABILITY_H
#define NP_CAPABILITY_H

#include <numaperf/capability.h>

/*
 * The gate of every strict creation. 0 for NUMAPERF_SOFT and NUMAPERF_STRICT_UNWITNESSED; for
 * NUMAPERF_STRICT 0 when its three requirements are met now (capabilities can be dropped and
 * the sysctl switched at any time: nothing is remembered), else -NUMAPERF_EHARDMODE through
 * np_fail with reason PERMISSION or BALANCING. -EINVAL: no such mode. Three short system calls
 * and one small file.
 */
int np_hard_mode_require(enum numaperf_mode mode, const char *operation);

/*
 * Whether `capability` (CAP_SYS_NICE, ...) is effective on the calling thread and counts: in a
 * user namespace none does. Cannot be found out: false.
 */
bool np_capable(int capability);

/*
 * The affinity of a thread (0: the calling one), of any number of CPUs, as the kernel tells it:
 * without the CPUs that are offline. 0 or -errno.
 */
int np_affinity_get(int tid, struct numaperf_cpuset *cpus);

/* Asks for it; the kernel grants what the cpuset leaves: read it back. 0 or -errno. */
int np_affinity_set(int tid, const struct numaperf_cpuset *cpus);

/* A list of CPUs or nodes from a file of /sys. 0 or -errno, without a record; the set is then
 * empty. */
int np_cpus_from_file(int dir, const char *path, struct numaperf_cpuset *cpus);
int np_nodes_from_file(int dir, const char *path, struct numaperf_nodemask *nodes);

#endif

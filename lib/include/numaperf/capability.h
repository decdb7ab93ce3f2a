/* SPDX-License-Identifier: MIT */
/* What this process, on this kernel, may guarantee, and why not. */
#ifndef NUMAPERF_CAPABILITY_H
#define NUMAPERF_CAPABILITY_H

#include <numaperf/base.h>
#include <numaperf/mask.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Whether a thing can be used here: found by trying it once, without lasting effect. */
enum numaperf_usable {
	NUMAPERF_USABLE_UNKNOWN = 0, /* not tried: a lower thing it needs is missing */
	NUMAPERF_USABLE_OK = 1,
	NUMAPERF_USABLE_SECCOMP = 2, /* a seccomp filter refuses it */
	NUMAPERF_USABLE_TOO_OLD = 3, /* this kernel does not know it, or was built without */
	NUMAPERF_USABLE_NO_PRIVILEGE = 4, /* a capability is missing */
	NUMAPERF_USABLE_FAILED = 5, /* it failed for another reason: see the errno beside */
};

/* "ok", "seccomp", "kernel too old", "no privilege", "failed", "unknown"; static storage. */
NUMAPERF_API const char *numaperf_usable_name(enum numaperf_usable usable);

/* The calls and features that are tried, in the order of numaperf_capabilities.feature[]. */
enum numaperf_feature {
	NUMAPERF_FEATURE_SCHED_SETAFFINITY = 0,
	NUMAPERF_FEATURE_MBIND,
	NUMAPERF_FEATURE_SET_MEMPOLICY,
	NUMAPERF_FEATURE_GET_MEMPOLICY,
	NUMAPERF_FEATURE_MOVE_PAGES,
	NUMAPERF_FEATURE_MIGRATE_PAGES,
	NUMAPERF_FEATURE_PREFERRED_MANY,      /* MPOL_PREFERRED_MANY, Linux 5.15 */
	NUMAPERF_FEATURE_WEIGHTED_INTERLEAVE, /* MPOL_WEIGHTED_INTERLEAVE, Linux 6.9 */
	NUMAPERF_FEATURE_HOME_NODE,	      /* set_mempolicy_home_node(), Linux 5.17 */
	NUMAPERF_FEATURE_BIND_BALANCING, /* mbind(MPOL_BIND | MPOL_F_NUMA_BALANCING), 5.15 */
	NUMAPERF_FEATURE_POPULATE_WRITE, /* MADV_POPULATE_WRITE, Linux 5.14 */
	NUMAPERF_FEATURE_MLOCK,
	NUMAPERF_FEATURE_SCHED_FIFO,
	NUMAPERF_FEATURE_BTF, /* /sys/kernel/btf/vmlinux can be read */
	NUMAPERF_FEATURE_BPF, /* a tracing program passes the verifier */
	NUMAPERF_FEATURE_COUNT,
	NUMAPERF_FEATURE_MAX = 32, /* room in the struct */
};

/* "sched_setaffinity", "mbind", ...; NULL when out of range. Static storage. */
NUMAPERF_API const char *numaperf_feature_name(enum numaperf_feature feature);

struct numaperf_feature_state {
	enum numaperf_usable usable;
	int error; /* the errno that the attempt gave; 0 when it worked or was not made */
};

struct numaperf_capabilities {
	size_t sz;

	unsigned int node_count; /* online nodes; 1 on a kernel without NUMA */

	/* The three requirements of hard mode ... */
	bool strict_memory_binding;   /* CAP_SYS_ADMIN, or CAP_BPF with CAP_PERFMON */
	bool strict_cpu_affinity;     /* CAP_SYS_NICE */
	bool numa_balancing_disabled; /* kernel.numa_balancing is 0, or does not exist */
	/* ... and one that only helps. */
	bool memory_locking; /* CAP_IPC_LOCK, or RLIMIT_MEMLOCK above 64 KiB */

	/* Effective capabilities of the calling thread, in the initial user namespace only. */
	bool cap_sys_admin, cap_sys_nice, cap_bpf, cap_perfmon, cap_ipc_lock, cap_sys_ptrace;
	bool user_namespace; /* not the initial one, or (no /proc) not known to be: capabilities
				do not count outside it */
	bool seccomp;	     /* a seccomp filter is installed on this thread */

	struct numaperf_feature_state feature[NUMAPERF_FEATURE_MAX];

	struct numaperf_cpuset cpus_allowed; /* by the cpuset: what an affinity may be set to */
	struct numaperf_cpuset cpus_isolated;	/* isolcpus= and isolated cpuset partitions */
	struct numaperf_nodemask nodes_allowed; /* by the cpuset: where memory may come from */
};

/*
 * Fills min(caps->sz, known) bytes. Returns 0, or -EINVAL when sz is smaller than what the
 * first release had. What cannot be found out is reported as absent, never as an error. Tries
 * every feature by doing (a few dozen system calls, under a millisecond); nothing it does
 * outlasts the call: it is done on a thread made for it, and the policy, affinity and
 * scheduling class of the calling thread are never touched. Under a seccomp filter whose action
 * is to kill, the calls that are tried kill, too; bpf(2) is then tried only with the privilege.
 */
NUMAPERF_API int numaperf_capabilities_detect(struct numaperf_capabilities *caps);

/* Whether NUMAPERF_STRICT can be had: the three requirements. */
NUMAPERF_API bool numaperf_capabilities_hard_mode(const struct numaperf_capabilities *caps);

#define NUMAPERF_MISSING_MAX 8

/*
 * What hard mode lacks, each as one line of text with its remedy, in static storage: writes at
 * most `max` pointers to `missing`, returns how many there are (0: hard mode can be had; never
 * more than NUMAPERF_MISSING_MAX).
 */
NUMAPERF_API size_t numaperf_capabilities_missing(const struct numaperf_capabilities *caps,
						  const char **missing, size_t max);

#ifdef __cplusplus
}
#endif

#endif

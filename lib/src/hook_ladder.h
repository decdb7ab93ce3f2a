/* SPDX-License-Identifier: MIT */
/*
 * Rank 5: the programs of bpf/, and the ladder of each metric: which of them put it on which
 * rung. Data only, but for the choice.
 */
#ifndef NP_HOOK_LADDER_H
#define NP_HOOK_LADDER_H

#include <numaperf/monitor.h>

/* One program, and what this kernel says to it. */
struct np_program {
	const char *name;    /* in the skeleton */
	const char *section; /* "fentry/FUNCTION", "fexit/FUNCTION", "tp_btf/TRACEPOINT" */
	const char *has;     /* a kernel type that must exist; NULL: none */
	const char *lacks;   /* one that must not */
	bool reads_pages;    /* it needs to know where in page.flags the node is */
};

/* Who says no: without the capabilities it is for want of them; with them it is a seccomp
 * filter, when not even a tracepoint is granted, or else the kernel. */
enum np_refuser {
	NP_REFUSER_PRIVILEGE,
	NP_REFUSER_SECCOMP,
	NP_REFUSER_KERNEL,
};

/* By index; the index is the name everywhere else. */
enum np_program_id {
	NP_PROG_SCHED_SWITCH,
	NP_PROG_SCHED_MIGRATE_TASK,
	NP_PROG_SCHED_MOVE_NUMA,
	NP_PROG_SCHED_SWAP_NUMA,
	NP_PROG_SCHED_WAKING,
	NP_PROG_FORK,
	NP_PROG_EXEC,
	NP_PROG_EXIT,
	NP_PROG_RENAME,
	NP_PROG_NEW_ANON,
	NP_PROG_NEW_ANON_61,
	NP_PROG_NEW_HUGETLB,
	NP_PROG_NEW_HUGETLB_61,
	NP_PROG_FILE_PTES,
	NP_PROG_FILE_PMD,
	NP_PROG_FILE_61,
	NP_PROG_PAGE_ALLOC,
	NP_PROG_NUMA_FAULT,
	NP_PROG_MIGRATE_START,
	NP_PROG_MIGRATE_END,
	NP_PROG_DO_MIGRATE,
	NP_PROG_DID_MIGRATE,
	NP_PROG_PAGE_ARRIVES,
	NP_PROG_PTE_ARRIVES,
	NP_PROG_PMD_ARRIVES,
	NP_PROG_COLLAPSE_BEGIN,
	NP_PROG_COLLAPSE_END,
	NP_PROG_MERGED,
	NP_PROG_MERGED_61,
	NP_PROG_KSM_ONE,
	NP_PROG_KSM_WITH,
	NP_PROG_CPUS_ALLOWED,
	NP_PROG_CPUS_ALLOWED_61,
	NP_PROG_CGROUP_ATTACH,
	NP_PROG_BALANCING,
	NP_PROG_CPUHP,
	NP_PROG_CPU_DOWN,
	NP_PROG_COUNT,
};

extern const struct np_program np_programs[NP_PROG_COUNT];

/*
 * Chooses for each metric the highest rung, not above rung_max (ABSENT: no limit), all of whose
 * programs are accepted: error[program] is 0. Fills the table (what is not had falls back to
 * polling or absent, with the error of the best program that was refused) and says in
 * use[program] which ones are needed; programs that only help (threads come and go, huge pages)
 * are used where accepted.
 */
void np_ladder_choose(const int *error, enum numaperf_rung rung_max, enum np_refuser refuser,
		      struct numaperf_hook *table, bool *use);

#endif

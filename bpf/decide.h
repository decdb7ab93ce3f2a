/* SPDX-License-Identifier: MIT */
/*
 * The decisions of the programs as functions of numbers alone, so that a test can run them in
 * the kernel with numbers of its choice (tests/bpf): causes, sets of nodes, flags.
 */
#ifndef NP_DECIDE_H
#define NP_DECIDE_H

#include "events.h"

#define NP_INLINE static inline __attribute__((always_inline))

/* task_struct.on_rq and .__state (kernel/sched/sched.h, include/linux/sched.h; 5.14 to 6.18) */
enum {
	NP_ON_RQ_MIGRATING = 2,
	NP_TASK_WAKING = 0x200,
};

/* affinity_context.flags (kernel/sched/sched.h; 5.14 to 6.18) */
enum {
	NP_SCA_MIGRATE_DISABLE = 2,
	NP_SCA_MIGRATE_ENABLE = 4,
	NP_SCA_USER = 8,
};

/*
 * Why a thread goes to another CPU. `pending`: what was noted of it before (affinity, cpuset,
 * NUMA balancing), `allowed`: its affinity still has the CPU it leaves, `leaving`: that CPU is
 * going offline. Being put elsewhere although it was allowed to stay is the scheduler's doing,
 * whatever is pending.
 */
NP_INLINE __u32 np_move_cause(__u32 pending, bool allowed, bool leaving, __u32 on_rq,
			      __u32 state)
{
	if (pending == NP_MOVE_NUMA_BALANCING)
		return NP_MOVE_NUMA_BALANCING;
	if (leaving)
		return NP_MOVE_HOTPLUG;
	if (!allowed)
		return pending ? pending : NP_MOVE_AFFINITY;
	if (on_rq == NP_ON_RQ_MIGRATING)
		return NP_MOVE_LOAD_BALANCE;
	if (!on_rq && state & NP_TASK_WAKING)
		return NP_MOVE_WAKEUP;
	return NP_MOVE_UNKNOWN;
}

/*
 * Who changes an affinity, by what set_cpus_allowed_common() is given. sched_setaffinity(2)
 * sets SCA_USER and, since 6.2, has a mask of the user's to remember; the fallback for a thread
 * without a CPU sets SCA_USER without such a mask since 6.2 and nothing before; a cpuset sets
 * nothing. `remembers`: 6.2 or later.
 */
NP_INLINE __u32 np_affinity_cause(bool remembers, bool user_mask, __u32 flags, bool leaving)
{
	if (leaving)
		return NP_MOVE_HOTPLUG;
	if (remembers ? user_mask : (flags & NP_SCA_USER) != 0)
		return NP_MOVE_AFFINITY;
	return flags & NP_SCA_USER ? NP_MOVE_HOTPLUG : NP_MOVE_CPUSET;
}

/* enum migrate_reason (include/linux/migrate_mode.h; 5.16 to 6.18) */
NP_INLINE __u32 np_page_cause(int reason, __u32 asked, bool kthread)
{
	switch (reason) {
	case 0:
		return NP_PAGE_COMPACTION;
	case 1:
		return NP_PAGE_MEMORY_FAILURE;
	case 2:
		return NP_PAGE_MEMORY_HOTPLUG;
	case 3: /* a system call, or a worker that moves a process's memory after its cpuset */
		return asked ? asked : kthread ? NP_PAGE_CPUSET : NP_PAGE_MOVE_PAGES;
	case 4:
		return NP_PAGE_MBIND;
	case 5:
		return NP_PAGE_NUMA_BALANCING;
	case 6:
		return NP_PAGE_CONTIG_RANGE;
	case 7:
		return NP_PAGE_LONGTERM_PIN;
	case 8:
		return NP_PAGE_DEMOTION;
	case 9:
		return NP_PAGE_DAMON;
	}
	return NP_PAGE_UNKNOWN;
}

/* Which kind of memory a page is counted as. VM_EXEC: include/linux/mm.h. */
NP_INLINE __u32 np_file_kind(__u64 vm_flags)
{
	return vm_flags & 4 ? NP_KIND_TEXT : NP_KIND_FILE;
}

NP_INLINE __u32 np_anon_kind(__u64 pages)
{
	return pages >= 512 ? NP_KIND_HUGE : NP_KIND_ANON;
}

/*
 * An allocation that becomes a page of a process: __GFP_MOVABLE (include/linux/gfp_types.h);
 * pages of 2 MiB and up and zeroed ones are anonymous, others are taken for files.
 */
NP_INLINE bool np_alloc_counts(__u32 gfp)
{
	return (gfp & 0x8) != 0;
}

NP_INLINE __u32 np_alloc_kind(__u32 gfp, __u32 order)
{
	if (order >= 9)
		return NP_KIND_HUGE;
	return gfp & 0x100 ? NP_KIND_ANON : NP_KIND_FILE;
}

/* A CPU on its way down: the steps from CPUHP_AP_ACTIVE on, with a target below ONLINE. */
NP_INLINE bool np_cpu_leaves(__u32 target, __u32 step, __u32 active, __u32 online)
{
	return target < online && step >= active;
}

/* Where a thread's slot is looked for first: Fibonacci hashing. */
NP_INLINE __u32 np_hash(__u32 tid)
{
	return (tid * 0x9E3779B1u) >> 8;
}

#endif

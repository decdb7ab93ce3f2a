/* SPDX-License-Identifier: MIT */
/*
 * Rank 2: which CPU the caller runs on, for the price of a load. The kernel keeps it up to date
 * in each thread's rseq area (Linux 4.18), which the C library registers (glibc 2.35). Where it
 * has not, its field says so, with a negative number; then getcpu() is asked.
 */
#ifndef NP_HERE_H
#define NP_HERE_H

#include "sys.h"
#include "util.h"

#if defined(__has_include)
# if __has_include(<sys/rseq.h>) && (defined(__x86_64__) || defined(__aarch64__))
#  include <sys/rseq.h>
#  ifdef RSEQ_SIG
#   define NP_RSEQ 1
#  endif
# endif
#endif

/* It changes under our hands whenever the thread is moved. UINT32_MAX or little less: not known
 * in this way. */
static inline uint32_t np_rseq_cpu(void)
{
	uint32_t cpu = UINT32_MAX;

#if defined(NP_RSEQ) && defined(__x86_64__)
	__asm__ volatile("movl %%fs:%c2(%1), %0"
			 : "=r"(cpu)
			 : "r"(__rseq_offset), "i"(offsetof(struct rseq, cpu_id)));
#elif defined(NP_RSEQ)
	const struct rseq *area;

	__asm__("mrs %0, tpidr_el0" : "=r"(area));
	area = (const struct rseq *)((const char *)area + __rseq_offset);
	cpu = __atomic_load_n(&area->cpu_id, __ATOMIC_RELAXED);
#endif
	return cpu;
}

/* The same by asking: one that is not below `cpus` is 0. Apart, so that who has it at hand
 * needs no stack for this. */
static __attribute__((noinline, cold, unused)) uint32_t np_cpu_asked(uint32_t cpus)
{
	unsigned int cpu, node;

	return np_sys->getcpu(&cpu, &node) >= 0 && cpu < cpus ? cpu : 0;
}

/* Its index in an array of `cpus`. */
static inline uint32_t np_cpu_below(uint32_t cpus)
{
	uint32_t cpu = np_rseq_cpu();

	return np_likely(cpu < cpus) ? cpu : np_cpu_asked(cpus);
}

#endif

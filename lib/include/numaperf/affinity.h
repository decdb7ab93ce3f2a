/* SPDX-License-Identifier: MIT */
/*
 * Threads on CPUs: pins that are proved by reading them back and that restore, and threads
 * that are born pinned. Linux keeps one affinity a thread; sched_setaffinity(2) intersects it
 * with the cpuset silently, so a strict pin compares what was granted with what was asked.
 */
#ifndef NUMAPERF_AFFINITY_H
#define NUMAPERF_AFFINITY_H

#include <numaperf/base.h>
#include <numaperf/mask.h>
#include <numaperf/topology.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Where the calling thread runs at this moment; stale as soon as it is returned unless pinned.
 * Cheap (vDSO). A kernel without NUMA: node 0. -errno when a filter refuses getcpu(2). */
NUMAPERF_API int numaperf_current_cpu(void);
NUMAPERF_API int numaperf_current_node(void);

/*
 * One pin of the calling thread. Lives where the caller likes (usually the stack), must not
 * move while in force; its fields belong to the library.
 */
struct numaperf_pin {
	uint64_t guarantee; /* entry in the registry; 0: none */
	int tid;	    /* the thread it holds; 0: released */
	enum numaperf_mode mode;
	uint32_t flags;
	uint32_t reserved;
	struct numaperf_cpuset cpus;	/* what was asked for */
	struct numaperf_cpuset granted; /* what the kernel gave */
	struct numaperf_cpuset before;	/* what _release goes back to */
};

/*
 * Pins the calling thread to `cpus`. Soft: what the kernel grants is taken, and less than asked
 * is logged as a warning; only an empty result is an error (-EINVAL, reason CPUSET or
 * AFFINITY), and a seccomp filter that refuses the call (-EPERM or what it says, reason
 * SECCOMP). Strict: -NUMAPERF_EHARDMODE unless hard mode can be had and exactly `cpus` was
 * granted and read back; the refusal names requested and granted CPUs and, for each missing
 * one, whether it is offline, isolated or outside the cpuset; the affinity is then as before.
 * Pins nest: release them in reverse order. A thread that is in no pin is widened to all CPUs
 * for a moment, to learn what its cpuset allows.
 */
NUMAPERF_API NUMAPERF_MUST_CHECK int numaperf_pin_thread(struct numaperf_pin *pin,
							 const struct numaperf_cpuset *cpus,
							 enum numaperf_mode mode);

/*
 * The same to all CPUs of a node: soft, those of them that are allowed, without isolated ones
 * unless it has no others; strict, all its online ones or a refusal. -ENOENT: no such online
 * node; -ENODEV: a node without CPUs (soft), in strict -NUMAPERF_EHARDMODE.
 */
NUMAPERF_API NUMAPERF_MUST_CHECK int
numaperf_pin_thread_to_node(struct numaperf_pin *pin, const struct numaperf_topology *topo,
			    int node, enum numaperf_mode mode);

/*
 * Whether the pin still holds: reads the thread's affinity from the kernel and compares it with
 * what was granted; any thread may ask. 0: it does. -NUMAPERF_EHARDMODE (strict) or -ESTALE
 * (soft), reason AFFINITY: it was changed from outside (sched_setaffinity, cpuset, a CPU taken
 * offline); the error names both sets. -ESRCH: the thread is gone. -EINVAL: it is released.
 */
NUMAPERF_API NUMAPERF_MUST_CHECK int numaperf_pin_check(const struct numaperf_pin *pin);

/*
 * Ends the pin and gives the thread back what it had: a thread that was free before (all CPUs
 * its cpuset allows) is free again, also of CPUs that the cpuset has gained since. Returns what
 * numaperf_pin_check() would have said just before, so that a lost pin is not lost silently;
 * the affinity is restored all the same. On the pinned thread only: -EPERM elsewhere. A pin
 * that is released already, or zeroed: 0.
 */
NUMAPERF_API int numaperf_pin_release(struct numaperf_pin *pin);

/* ---- threads born pinned ---- */

struct numaperf_thread;

struct numaperf_thread_opts {
	size_t sz;
	int node; /* used when `cpus` is NULL; or NUMAPERF_ANY_NODE: the creator's */
	enum numaperf_mode mode;
	const struct numaperf_cpuset *cpus; /* NULL: the CPUs of `node` */
	const char *name;      /* at most 15 bytes are kept (PR_SET_NAME); NULL: none */
	size_t stack_size;     /* bytes; 0: the process's default */
	int realtime_priority; /* SCHED_FIFO 1 .. 99; 0: the ordinary class */
	int reserved;
};

/*
 * Starts a thread that is pinned before `fn` runs; returns when its pin is proved (strict) or
 * granted (soft). `topo` is needed for `node` only. All signals are blocked in it, so that the
 * program's handlers stay on its own threads. Refusals as numaperf_pin_thread(), and for
 * realtime_priority without CAP_SYS_NICE (or an RLIMIT_RTPRIO that allows it)
 * -NUMAPERF_EHARDMODE with reason PERMISSION in any mode (a priority is never dropped
 * silently); nothing is left behind then. -EINVAL also: a stack that is too small; -EAGAIN: no
 * more threads.
 */
NUMAPERF_API NUMAPERF_MUST_CHECK int
numaperf_thread_create(struct numaperf_thread **thread, const struct numaperf_topology *topo,
		       const struct numaperf_thread_opts *opts, void (*fn)(void *arg),
		       void *arg);

/* Its kernel thread id. */
NUMAPERF_API int numaperf_thread_tid(const struct numaperf_thread *thread);

/* Whether its pin still holds; as numaperf_pin_check(). */
NUMAPERF_API NUMAPERF_MUST_CHECK int
numaperf_thread_check(const struct numaperf_thread *thread);

/*
 * Waits for the thread to end and frees it. Returns what numaperf_thread_check() said when `fn`
 * returned. -EDEADLK: called by the thread itself; it is then not freed. -ESRCH: it belongs to
 * the process that this one was forked off; freed. NULL: 0.
 */
NUMAPERF_API int numaperf_thread_join(struct numaperf_thread *thread);

#ifdef __cplusplus
}
#endif

#endif

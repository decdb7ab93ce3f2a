/* SPDX-License-Identifier: MIT */
/*
 * Fork and join: a task spawned by a worker of an executor, which idle workers may steal, and
 * its join.
 *
 * Spawning and joining are inline: a worker that spawns a task and joins it unstolen executes
 * no atomic read-modify-write and no call into the library but that of the task. The exported
 * functions of the same names do the same and more; what is inline hands everything unusual to
 * them. A program that looks functions up by name, or that defines NUMAPERF_NO_INLINE, uses
 * them for all.
 *
 * What is inline knows the layout of struct numaperf_deque. The name of the variable below
 * bears that layout's version: a library with another layout keeps the old name as a variable
 * that is always NULL, and a program compiled for it goes through the functions.
 */
#ifndef NUMAPERF_TASK_H
#define NUMAPERF_TASK_H

#include <numaperf/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef void (*numaperf_task_fn)(void *arg);

/* One spawned task; lives on the spawner's stack until joined. Fields belong to the library. */
struct numaperf_task {
	numaperf_task_fn fn;
	void *arg;
	void *owner;
	uint32_t state;
	uint32_t reserved;
};

/*
 * Makes `fn(arg)` available to thieves while the caller goes on. On a thread that is no worker,
 * or when the worker's deque is full (NUMAPERF_DEQUE_SIZE tasks that have been spawned and not
 * joined), it runs at once. Never fails, never allocates. Every spawned task must be joined by
 * its spawner, in reverse order, before the task that spawned it returns.
 *
 * Recursion is bounded by the worker's stack alone (numaperf_executor_opts.stack_size): one
 * level costs the frames of the task and of numaperf_join(). A worker that waits for a stolen
 * task runs others on top of its stack until three quarters of it are used, and then sleeps.
 */
NUMAPERF_API void numaperf_spawn(struct numaperf_task *task, numaperf_task_fn fn, void *arg);

/* As numaperf_spawn(); no worker of another node ever steals it. */
NUMAPERF_API void numaperf_spawn_home(struct numaperf_task *task, numaperf_task_fn fn,
				      void *arg);

/* Waits until the task has run, helping with other tasks meanwhile. -ECANCELED: an immediate
 * shutdown dropped it before it ran; -EINVAL: the caller has not spawned it. */
NUMAPERF_API NUMAPERF_MUST_CHECK int numaperf_join(struct numaperf_task *task);

/*
 * For long tasks, now and then: shows thieves what the calling worker has spawned and not yet
 * joined, if one is looking for work. False: an immediate shutdown waits for this task to end.
 * True on any other thread. Costs a load.
 */
NUMAPERF_API bool numaperf_checkpoint(void);

/* ---- what is inline ---- */

/* The library's own tests go round a smaller ring. */
#ifdef NP_DEQUE_SIZE
# define NUMAPERF_DEQUE_SIZE NP_DEQUE_SIZE
#else
# define NUMAPERF_DEQUE_SIZE 8192u
#endif

/* The owner's side of a worker's deque; see the library's deque.h. Fields belong to the
 * library. */
struct numaperf_deque {
	uint32_t attention; /* not 0: others want something of the owner */
	uint8_t others[124];
	uint32_t head;	/* where the next task goes */
	uint32_t split; /* from here on only the owner knows of tasks */
	uint32_t limit; /* head must not pass it: the ring is full */
	uint32_t reserved;
	uint64_t spawned;
	uint64_t run; /* of them, by the owner when it joined them */
	uint8_t owners[96];
	struct numaperf_task *slot[NUMAPERF_DEQUE_SIZE];
} __attribute__((aligned(128)));

/* The calling thread's deque; NULL: it is no worker. Eight bytes of static TLS: the library is
 * linked, or loaded before it has run out. */
extern NUMAPERF_API __thread struct numaperf_deque *numaperf_deque_1
	__attribute__((tls_model("initial-exec")));

/* False: full. */
static inline bool numaperf_deque_push(struct numaperf_deque *d, struct numaperf_task *task)
{
	if (__builtin_expect(d->head == d->limit, 0))
		return false;
	/* atomic because a thief that will lose its CAS may be reading this slot */
	__atomic_store_n(&d->slot[d->head % NUMAPERF_DEQUE_SIZE], task, __ATOMIC_RELAXED);
	d->head++;
	/* atomic because it is shown as a statistic */
	__atomic_store_n(&d->spawned, d->spawned + 1, __ATOMIC_RELAXED);
	return true;
}

static inline void numaperf_spawn_inline(struct numaperf_task *task, numaperf_task_fn fn,
					 void *arg)
{
	struct numaperf_deque *d = numaperf_deque_1;

	if (__builtin_expect(d != NULL, 1)) {
		task->fn = fn;
		task->arg = arg;
		task->owner = d;
		/* relaxed: publishing a part of the deque is what shows it to others */
		__atomic_store_n(&task->state, 1, __ATOMIC_RELAXED);
		if (__builtin_expect(!__atomic_load_n(&d->attention, __ATOMIC_RELAXED), 1) &&
		    numaperf_deque_push(d, task))
			return;
	}
	numaperf_spawn(task, fn, arg); /* the function */
}

static inline NUMAPERF_MUST_CHECK int numaperf_join_inline(struct numaperf_task *task)
{
	struct numaperf_deque *d = numaperf_deque_1;

	if (__builtin_expect(d != NULL, 1) && __builtin_expect(d->head != d->split, 1) &&
	    __builtin_expect(d->slot[(d->head - 1) % NUMAPERF_DEQUE_SIZE] == task, 1) &&
	    __builtin_expect(!__atomic_load_n(&d->attention, __ATOMIC_RELAXED), 1)) {
		d->head--;
		__atomic_store_n(&d->run, d->run + 1, __ATOMIC_RELAXED);
		task->fn(task->arg);
		__atomic_store_n(&task->state, 3, __ATOMIC_RELAXED); /* done */
		return 0;
	}
	return numaperf_join(task);
}

#ifndef NUMAPERF_NO_INLINE
# define numaperf_spawn(task, fn, arg) numaperf_spawn_inline(task, fn, arg)
# define numaperf_join(task)	       numaperf_join_inline(task)
#endif

#ifdef __cplusplus
}
#endif

#endif

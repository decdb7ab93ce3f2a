// SPDX-License-Identifier: MIT
/* A worker's thread: whose it is, its set-up and proofs, and its death. */
#include "affinity.h"
#include "base.h"
#include "guarantee.h"
#include "sys.h"
#include "worker.h"

#include <stdio.h>

__thread struct numaperf_deque *numaperf_deque_1;

uint32_t np_forks;

/*
 * A task has called pthread_exit(), or its worker was cancelled. The frames of the tasks are
 * gone as far as the C library is concerned, but they are still whole: this handler runs on the
 * stack above them, and the gap that below_gap() has left is all it may use. Others may still
 * work on tasks that live there (spawned and stolen, or waited for in lanes): the thread must
 * not end, and so give the stack to others, before they have come back.
 */
static void died(void *worker)
{
	struct np_worker *w = worker;
	struct numaperf_executor *exec;
	uint64_t lane_tasks = 0;

	if (np_self() != w) /* in a forked child */
		return;
	exec = w->exec;
	np_set_self(NULL);
	np_log(NUMAPERF_LOG_WARNING,
	       "executor: worker %u (node %d) was ended by a task: the executor has failed",
	       w->index, w->node->id);
	__atomic_fetch_or(&exec->life, NP_LIFE_NOW | NP_LIFE_FAILED, __ATOMIC_SEQ_CST);
	__atomic_store_n(&w->dying, true, __ATOMIC_SEQ_CST);
	__atomic_store_n(&w->waits_for, NULL, __ATOMIC_SEQ_CST);
	while (np_deque_pop(&w->deque)) {
		/* nobody will join these */
	}
	/* the others' parts of what they may have to wait for end, too */
	np_stop_spawned(exec);
	for (struct np_running *r = w->running; r; r = r->up) {
		lane_tasks += r->lane;
		if (r->task)
			np_resolve(exec, r->task, NP_TASK_DEAD);
	}
	if (w->searching)
		np_search_end(&w->node->idle);
	np_announce(exec);
	while (__atomic_load_n(&w->returned, __ATOMIC_SEQ_CST) !=
	       np_deque_stolen(&w->deque) + w->sent)
		np_park(&w->parker);
	np_guarantee_leave(w->guarantee);
	__atomic_store_n(&w->count.finished, w->count.finished + lane_tasks, __ATOMIC_RELEASE);
	np_tell_quiet(exec);
}

#define GAP 16384

static __attribute__((noinline)) void below_gap(struct np_worker *w)
{
	char gap[GAP];

	__asm__ volatile("" ::"r"(gap) : "memory"); /* it must really be there */
	np_work(w);
	__asm__ volatile("" ::"r"(gap) : "memory"); /* and no tail call drop it */
}

/* The node's CPUs, proved. Soft: as many of them as are to be had, or none; it is logged. */
static int pin(struct np_worker *w, const char *operation)
{
	struct numaperf_cpuset got;
	int err = np_affinity_pin(operation, &w->node->cpus, w->exec->mode, false, &got);

	if (!err || w->exec->mode != NUMAPERF_SOFT)
		return err;
	np_log(NUMAPERF_LOG_WARNING, "%s; it runs unpinned", numaperf_last_error()->message);
	return 0;
}

static int set_up(struct np_worker *w)
{
	struct numaperf_executor *exec = w->exec;
	char name[64], operation[64];
	int err;

	w->tid = np_gettid();
	w->stack_limit = (uintptr_t)__builtin_frame_address(0) - exec->stack_size / 4 * 3;
	/* cut to 15 bytes by the kernel; a thread without its name is no failure */
	snprintf(name, sizeof(name), "%s/%d.%u", exec->name, w->node->id, w->nth);
	np_sys->set_thread_name(name);
	snprintf(operation, sizeof(operation), "executor creation, worker %u (node %d)",
		 w->index, w->node->id);
	err = pin(w, operation);
	return err ? err : np_realtime_set(operation, exec->realtime_priority);
}

void *np_worker_main(void *worker)
{
	struct np_worker *w = worker;
	struct numaperf_executor *exec = w->exec;
	int status;

	np_set_self(w);
	status = set_up(w);
	w->status = status;
	if (status)
		np_error_save(&w->error);
	__atomic_store_n(&w->reported, true, __ATOMIC_SEQ_CST);
	np_event_signal(&exec->quiet);
	if (!status) {
		pthread_cleanup_push(died, w);
		below_gap(w);
		pthread_cleanup_pop(0);
		if (np_self() == w) /* not in a forked child, where `w` may be freed */
			np_guarantee_leave(w->guarantee);
	}
	np_set_self(NULL);
	return NULL;
}

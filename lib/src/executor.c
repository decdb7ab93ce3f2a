// SPDX-License-Identifier: MIT
/* An executor's end: waiting, shutdown in its two ways, freeing. */
#include "base.h"
#include "guarantee.h"
#include "worker.h"

#include <errno.h>

void np_join_workers(struct numaperf_executor *exec)
{
	for (unsigned int i = 0; exec->worker && i < exec->workers; i++) {
		struct np_worker *w = exec->worker[i];

		if (w && w->started)
			np_sys->thread_join(w->thread);
		if (w)
			w->started = false;
	}
}

static int fail_forked(const char *what)
{
	return np_fail(-EOWNERDEAD, NUMAPERF_REASON_STATE, what,
		       "create an executor after fork()",
		       "this is a forked child, which has no workers");
}

static int fail_died(const char *what)
{
	return np_fail(-EOWNERDEAD, NUMAPERF_REASON_STATE, what,
		       "tasks must return and not call pthread_exit()",
		       "a worker was ended by a task");
}

/*
 * Waits until nothing is under way, then for the workers' end. `drop`: this thread empties the
 * lanes; so it does in any case when a worker has died.
 */
static size_t end(struct numaperf_executor *exec, bool drop)
{
	size_t dropped = 0;
	uint32_t key;
	uint64_t life;

	np_event_enter(&exec->quiet);
	for (;;) {
		key = np_event_key(&exec->quiet);
		life = __atomic_load_n(&exec->life, __ATOMIC_SEQ_CST);
		/* A submit that was let in before the end may still push: it then sees the
		 * end and signals, or its task is seen here (np_fence() on both sides). */
		np_fence();
		if (drop || (life & NP_LIFE_FAILED)) {
			dropped += np_drain(exec);
			life = __atomic_load_n(&exec->life, __ATOMIC_SEQ_CST);
		}
		if (!(life & NP_LIFE_COUNT))
			break;
		np_event_wait(&exec->quiet, key);
	}
	np_event_leave(&exec->quiet);

	pthread_mutex_lock(&exec->join_lock);
	if (!exec->joined)
		np_join_workers(exec);
	__atomic_store_n(&exec->joined, true, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&exec->join_lock);
	return dropped;
}

static int may_end(struct numaperf_executor *exec, const char *what)
{
	struct np_worker *w = np_self();

	if (np_forked(exec))
		return fail_forked(what);
	if (w && w->exec == exec)
		return np_fail(-EDEADLK, NUMAPERF_REASON_STATE, what, NULL,
			       "a worker cannot wait for itself");
	return 0;
}

static int ended(struct numaperf_executor *exec, const char *what)
{
	return __atomic_load_n(&exec->life, __ATOMIC_SEQ_CST) & NP_LIFE_FAILED ? fail_died(what)
									       : 0;
}

int numaperf_executor_shutdown(struct numaperf_executor *exec)
{
	int err = may_end(exec, "executor shutdown");

	if (err)
		return err;
	if (!(__atomic_fetch_or(&exec->life, NP_LIFE_DRAIN, __ATOMIC_SEQ_CST) & NP_LIFE_COUNT))
		np_wake_all(exec);
	end(exec, false);
	return ended(exec, "executor shutdown");
}

int numaperf_executor_shutdown_now(struct numaperf_executor *exec, size_t *dropped)
{
	int err = may_end(exec, "immediate executor shutdown");
	size_t n;

	if (dropped)
		*dropped = 0;
	if (err)
		return err;
	__atomic_fetch_or(&exec->life, NP_LIFE_NOW, __ATOMIC_SEQ_CST);
	np_announce(exec);
	n = end(exec, true);
	if (dropped)
		*dropped = n;
	return ended(exec, "immediate executor shutdown");
}

int numaperf_executor_wait(struct numaperf_executor *exec)
{
	const char *what = "waiting for an executor";
	int err = may_end(exec, what);
	uint64_t life;
	uint32_t key;

	if (err)
		return err;
	np_event_enter(&exec->quiet);
	while (key = np_event_key(&exec->quiet),
	       life = __atomic_load_n(&exec->life, __ATOMIC_SEQ_CST),
	       (life & NP_LIFE_COUNT) && !(life & NP_LIFE_FAILED))
		np_event_wait(&exec->quiet, key);
	np_event_leave(&exec->quiet);
	if (life & NP_LIFE_FAILED)
		return fail_died(what);
	if (__atomic_load_n(&exec->dropped, __ATOMIC_SEQ_CST))
		return np_fail(-ECANCELED, NUMAPERF_REASON_STATE, what, NULL,
			       "an immediate shutdown has dropped tasks");
	return 0;
}

void numaperf_executor_destroy(struct numaperf_executor *exec)
{
	if (!exec)
		return;
	if (!np_forked(exec)) {
		struct np_worker *w = np_self();

		if (w && w->exec == exec) {
			np_log(NUMAPERF_LOG_WARNING,
			       "executor: not destroyed: a task of its own tried to, on worker "
			       "%u",
			       w->index);
			return;
		}
		/* a worker that died is no reason to keep the rest: its tasks are dropped */
		if (!__atomic_load_n(&exec->joined, __ATOMIC_ACQUIRE) &&
		    numaperf_executor_shutdown(exec))
			np_log(NUMAPERF_LOG_WARNING,
			       "executor: destroyed after one of its workers had died");
	}
	np_guarantee_owner_gone(exec);
	np_free_executor(exec);
}

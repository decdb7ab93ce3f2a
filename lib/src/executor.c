// SPDX-License-Identifier: MIT
/* An executor's end: waiting, shutdown in its two ways, freeing. */
#include "base.h"
#include "guarantee.h"
#include "worker.h"

#include <errno.h>

void np_join_workers(struct numaperf_executor *exec)
{
	for (unsigned int i = 0; i < np_crew(&exec->workers); i++) {
		struct np_worker *w = exec->worker[i];

		if (w->started)
			np_sys->thread_join(w->thread);
		if (w)
			w->started = false;
	}
}

int np_fail_forked(const char *what)
{
	return np_fail(-EOWNERDEAD, NUMAPERF_REASON_STATE, what,
		       "create an executor after fork()",
		       "this is a forked child, which has no workers");
}

int np_fail_died(const char *what)
{
	return np_fail(-EOWNERDEAD, NUMAPERF_REASON_STATE, what,
		       "tasks must return and not call pthread_exit()",
		       "a worker was ended by a task");
}

static void seal(struct numaperf_executor *exec, bool yes)
{
	for (unsigned int i = 0; i < exec->nodes; i++) {
		struct np_node *node = exec->node[i];

		if (!node->slots)
			continue;
		np_queue_seal(&node->open, yes, &exec->producers.used, exec->lanes);
		np_queue_seal(&node->home, yes, &exec->producers.used, exec->lanes);
	}
}

/*
 * Whether all is over. A submit from outside that was let in before the end may push even now;
 * it then sees the end and takes its task back, if no worker has taken it, for that one may
 * submit more. So nobody may take any more when it is looked for the last time.
 */
static bool over(struct numaperf_executor *exec)
{
	if (!np_quiet(exec))
		return false;
	seal(exec, true);
	if (np_quiet(exec))
		return true;
	seal(exec, false);
	return false;
}

/*
 * Waits until nothing is under way, then for the workers' end. `drop`: this thread empties
 * lanes and trays; so it does in any case when a worker has died.
 */
static size_t end(struct numaperf_executor *exec, bool drop)
{
	size_t dropped = 0;
	uint32_t key;

	np_event_enter(&exec->quiet);
	for (;;) {
		key = np_event_key(&exec->quiet);
		/* a submit that was let in before may still push: it then sees the end, takes
		 * its tasks back and signals, or they are seen here */
		np_fence();
		if (drop || (np_life(exec) & NP_LIFE_FAILED))
			dropped += np_drain(exec);
		if (over(exec))
			break;
		np_event_wait(&exec->quiet, key);
	}
	np_event_leave(&exec->quiet);
	__atomic_fetch_or(&exec->life, NP_LIFE_OVER, __ATOMIC_SEQ_CST);
	np_wake_all(exec);

	pthread_mutex_lock(&exec->crew_lock);
	if (!exec->joined)
		np_join_workers(exec);
	__atomic_store_n(&exec->joined, true, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&exec->crew_lock);
	return dropped;
}

static int may_end(struct numaperf_executor *exec, const char *what)
{
	struct np_worker *w = np_self();

	if (np_forked(exec))
		return np_fail_forked(what);
	if (w && w->exec == exec)
		return np_fail(-EDEADLK, NUMAPERF_REASON_STATE, what, NULL,
			       "a worker cannot wait for itself");
	return 0;
}

static int ended(struct numaperf_executor *exec, const char *what)
{
	return np_life(exec) & NP_LIFE_FAILED ? np_fail_died(what) : 0;
}

int numaperf_executor_shutdown(struct numaperf_executor *exec)
{
	int err = may_end(exec, "executor shutdown");

	if (err)
		return err;
	__atomic_fetch_or(&exec->life, NP_LIFE_DRAIN, __ATOMIC_SEQ_CST);
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
	np_stop_spawned(exec);
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
	uint32_t key;

	if (err)
		return err;
	np_event_enter(&exec->quiet);
	while (key = np_event_key(&exec->quiet),
	       !np_quiet(exec) && !(np_life(exec) & NP_LIFE_FAILED))
		np_event_wait(&exec->quiet, key);
	np_event_leave(&exec->quiet);
	if (np_life(exec) & NP_LIFE_FAILED)
		return np_fail_died(what);
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

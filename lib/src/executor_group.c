// SPDX-License-Identifier: MIT
/* Groups, counts of tasks that somebody waits for. */
#include "base.h"
#include "worker.h"

#include <errno.h>

static const char operation[] = "waiting for a group";

void numaperf_group_init(struct numaperf_group *g, struct numaperf_executor *exec)
{
	g->exec = exec;
	__atomic_store_n(&g->word, 0, __ATOMIC_RELAXED);
}

void numaperf_group_add(struct numaperf_group *g, uint32_t n)
{
	/* relaxed: submitting the tasks is what shows it to others */
	__atomic_fetch_add(&g->word, n, __ATOMIC_RELAXED);
}

void numaperf_group_done(struct numaperf_group *g)
{
	struct numaperf_executor *exec = g->exec;
	uint64_t before;

	/* Release: what the task did. From the last one on the group's memory is the waiter's:
	 * below it is an address and nothing more. */
	before = __atomic_fetch_sub(&g->word, 1, __ATOMIC_SEQ_CST);
	if ((uint32_t)before != 1 || !(before & NP_GROUP_WAITED))
		return;
	np_event_signal(np_done_event(exec, g));
	np_unpark_waiting(exec, g);
}

static void wait_outside(struct numaperf_executor *exec, struct numaperf_group *g)
{
	struct np_event *event = np_done_event(exec, g);
	uint32_t key;

	__atomic_fetch_or(&g->word, NP_GROUP_WAITED, __ATOMIC_SEQ_CST);
	np_event_enter(event);
	while (key = np_event_key(event), np_group_count(g) && !(np_life(exec) & NP_LIFE_NOW))
		np_event_wait(event, key);
	np_event_leave(event);
}

int numaperf_group_wait(struct numaperf_group *g)
{
	struct numaperf_executor *exec = g->exec;
	struct np_worker *w = np_self();

	if (np_forked(exec))
		return np_fail_forked(operation);
	if (w && w->exec == exec)
		np_wait_group(w, g);
	else if (np_group_count(g))
		wait_outside(exec, g);
	if (np_likely(!np_group_count(g)))
		return 0;
	if (np_life(exec) & NP_LIFE_FAILED)
		return np_fail_died(operation);
	return np_fail(-ECANCELED, NUMAPERF_REASON_STATE, operation, NULL,
		       "the executor was stopped before all of them had run");
}

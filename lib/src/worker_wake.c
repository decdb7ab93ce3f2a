// SPDX-License-Identifier: MIT
/* Telling others: there is work, there is room, a task is finished, all has ended. */
#include "sys.h"
#include "worker.h"

/*
 * Every caller has just made something visible: a lane's or a deque's task. The fence puts that
 * before the looks at who is idle; np_idle_enter() has its counterpart.
 */
void np_wake(struct numaperf_executor *exec, struct np_node *node, bool hard)
{
	int i;

	np_fence();
	if (!__atomic_load_n(&exec->idle_total, __ATOMIC_SEQ_CST))
		return;
	i = np_idle_wake(&node->idle);
	if (i >= 0)
		np_unpark(&node->worker[i]->parker);
	if (i != NP_WAKE_NONE || hard || exec->policy == NUMAPERF_STEAL_LOCAL_ONLY)
		return;
	/* all at home are busy: the nearest one elsewhere that may come and take it */
	for (size_t k = 0; k < node->nears; k++) {
		struct np_node *other = exec->node[node->near[k]];

		if (other == node)
			continue;
		i = np_idle_wake(&other->idle);
		if (i >= 0)
			np_unpark(&other->worker[i]->parker);
		if (i != NP_WAKE_NONE)
			return;
	}
}

void np_wake_all(struct numaperf_executor *exec)
{
	for (unsigned int i = 0; i < exec->workers; i++)
		np_unpark(&exec->worker[i]->parker);
}

void np_announce(struct numaperf_executor *exec)
{
	np_event_signal(&exec->quiet);
	for (int i = 0; i < NP_EVENTS; i++)
		np_event_signal(&exec->done[i]);
	for (unsigned int i = 0; i < exec->nodes; i++) {
		np_event_signal(&exec->node[i]->open.room);
		np_event_signal(&exec->node[i]->home.room);
	}
	np_wake_all(exec);
}

void np_finish(struct numaperf_executor *exec, uint64_t n)
{
	/* release: what the tasks did is seen by who sees the count gone */
	uint64_t life = __atomic_sub_fetch(&exec->life, n, __ATOMIC_SEQ_CST);

	if (life & NP_LIFE_COUNT)
		return;
	/* the executor is still there: this is a worker, which is joined before it is freed, or
	 * a caller, who must not race with _destroy */
	np_event_signal(&exec->quiet);
	if (life & NP_LIFE_CLOSED)
		np_wake_all(exec);
}

void np_resolve(struct numaperf_executor *exec, struct numaperf_task *task, uint32_t state)
{
	struct np_worker *owner = task->owner;
	struct np_event *event = np_done_event(exec, task);
	uint32_t before;

	/* From here the task's memory is its owner's again. The owner's record, and the
	 * executor with its events, outlive us: workers are joined before they are freed. */
	before = __atomic_exchange_n(&task->state, state, __ATOMIC_SEQ_CST);
	if (!owner) {
		np_event_signal(event);
		return;
	}
	if (before == NP_TASK_WAITED)
		np_unpark(&owner->parker);
	/* a dying owner waits until nobody works on its stack any more; either it sees the
	 * count, or we see that it is dying */
	__atomic_fetch_add(&owner->returned, 1, __ATOMIC_SEQ_CST);
	if (np_unlikely(__atomic_load_n(&owner->dying, __ATOMIC_SEQ_CST)))
		np_unpark(&owner->parker);
}

bool np_queue_pop(struct numaperf_executor *exec, struct np_queue *q, numaperf_task_fn *fn,
		  void **arg)
{
	if (!np_lane_pop(&q->lane, fn, arg))
		return false;
	np_fence();
	if (np_likely(!__atomic_load_n(&q->room.waiters, __ATOMIC_SEQ_CST)))
		return true;
	np_event_signal(&q->room);
	/* workers that wait for room sleep on their own parkers, to be able to help */
	for (unsigned int i = 0; i < exec->workers; i++) {
		struct np_worker *w = exec->worker[i];

		if (__atomic_load_n(&w->waits_for_room, __ATOMIC_SEQ_CST) == q)
			np_unpark(&w->parker);
	}
	return true;
}

static size_t drain_queue(struct numaperf_executor *exec, struct np_node *node,
			  struct np_queue *q)
{
	numaperf_task_fn fn;
	void *arg;
	size_t n = 0;

	while (np_queue_pop(exec, q, &fn, &arg)) {
		n++;
		__atomic_fetch_add(&node->dropped, 1, __ATOMIC_RELAXED);
		__atomic_fetch_add(&exec->dropped, 1, __ATOMIC_SEQ_CST);
		if (!fn)
			np_resolve(exec, arg, NP_TASK_CANCELED);
		else if (exec->on_dropped)
			exec->on_dropped(exec->on_dropped_ctx, fn, arg);
		np_finish(exec, 1);
	}
	return n;
}

size_t np_drain(struct numaperf_executor *exec)
{
	size_t n = 0;

	for (unsigned int i = 0; i < exec->nodes; i++) {
		if (!exec->node[i]->workers)
			continue;
		n += drain_queue(exec, exec->node[i], &exec->node[i]->open);
		n += drain_queue(exec, exec->node[i], &exec->node[i]->home);
	}
	return n;
}

// SPDX-License-Identifier: MIT
/* Telling others: there is work, there is room, a task is finished, all has ended. */
#include "sys.h"
#include "worker.h"

void np_wake_idle(struct numaperf_executor *exec, struct np_node *node, bool hard)
{
	int i;

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

void np_stop_spawned(struct numaperf_executor *exec)
{
	for (unsigned int i = 0; i < np_crew(&exec->workers); i++)
		__atomic_fetch_or(&exec->worker[i]->deque.own.attention, NP_ATTEND_STOP,
				  __ATOMIC_SEQ_CST);
}

void np_wake_all(struct numaperf_executor *exec)
{
	for (unsigned int i = 0; i < np_crew(&exec->workers); i++)
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

/*
 * What has been finished is read before what has been pushed. The first sum is no more than
 * what was finished at the moment between them, the second no less than what was pushed then:
 * if they are equal, so were these. (Tasks that their producer takes back in between have not
 * begun.)
 */
bool np_quiet(const struct numaperf_executor *exec)
{
	uint64_t finished = __atomic_load_n(&exec->dropped, __ATOMIC_SEQ_CST), pushed = 0;
	unsigned int lanes;

	for (unsigned int i = 0; i < np_crew(&exec->workers); i++)
		finished += __atomic_load_n(&exec->worker[i]->count.finished, __ATOMIC_ACQUIRE);
	np_fence();
	/* not before: a task may have been the first to push into a lane, and have finished */
	lanes = MIN(__atomic_load_n(&exec->producers.used, __ATOMIC_ACQUIRE), exec->lanes);
	for (unsigned int i = 0; i < exec->nodes; i++) {
		const struct np_node *node = exec->node[i];

		if (node->slots)
			pushed += np_queue_pushed(&node->open, lanes) +
				  np_queue_pushed(&node->home, lanes);
	}
	return finished == pushed;
}

/* Two that finish the last two tasks at once: with the fence between each one's count and look
 * at least one sees both. */
void np_tell_quiet(struct numaperf_executor *exec)
{
	np_fence();
	if (__atomic_load_n(&exec->quiet.waiters, __ATOMIC_SEQ_CST) && np_quiet(exec))
		np_event_signal(&exec->quiet);
}

void np_resolve(struct numaperf_executor *exec, struct numaperf_task *task, uint32_t state)
{
	struct np_worker *owner = np_worker_of(task->owner);
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

/* Workers that wait sleep on their own parkers, to be able to help. */
void np_unpark_waiting(struct numaperf_executor *exec, const void *what)
{
	for (unsigned int i = 0; i < np_crew(&exec->workers); i++) {
		struct np_worker *w = exec->worker[i];

		if (__atomic_load_n(&w->waits_for, __ATOMIC_SEQ_CST) == what)
			np_unpark(&w->parker);
	}
}

/* Some have been taken out of a lane: those who wait for room there shall know. */
static void tell_room(struct numaperf_executor *exec, struct np_queue *q, unsigned int lane)
{
	np_fence();
	if (np_likely(!np_queue_room_wanted(q, lane)))
		return;
	np_event_signal(&q->room);
	np_unpark_waiting(exec, q);
}

size_t np_take(struct numaperf_executor *exec, struct np_queue *q, struct numaperf_work *work,
	       size_t max, unsigned int *lane)
{
	size_t n = np_queue_take(q, work, max, lane);

	if (n)
		tell_room(exec, q, *lane);
	return n;
}

/* ---- what an end leaves ---- */

static void drop(struct numaperf_executor *exec, struct np_node *home,
		 const struct numaperf_work *work, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!work[i].fn)
			np_resolve(exec, work[i].arg, NP_TASK_CANCELED);
		else if (exec->on_dropped)
			exec->on_dropped(exec->on_dropped_ctx, work[i].fn, work[i].arg);
	}
	__atomic_fetch_add(&home->dropped, n, __ATOMIC_RELAXED);
	__atomic_fetch_add(&exec->dropped, n, __ATOMIC_SEQ_CST);
}

static size_t drain_queue(struct numaperf_executor *exec, struct np_node *node,
			  struct np_queue *q)
{
	struct numaperf_work work[NP_TRAY];
	unsigned int lane;
	size_t n, all = 0;

	while ((n = np_queue_drain(q, work, NP_TRAY, &lane))) {
		tell_room(exec, q, lane);
		drop(exec, node, work, n);
		all += n;
	}
	return all;
}

static size_t drain_tray(struct numaperf_executor *exec, struct np_tray *tray)
{
	struct numaperf_work work[NP_TRAY];
	uint32_t n, from;
	size_t all = 0;

	while ((n = np_tray_take(tray, work, NP_TRAY, &from))) {
		drop(exec, exec->node[from], work, n);
		all += n;
	}
	return all;
}

size_t np_drain(struct numaperf_executor *exec)
{
	size_t n = 0;

	for (unsigned int i = 0; i < exec->nodes; i++) {
		struct np_node *node = exec->node[i];

		if (!node->slots)
			continue;
		n += drain_queue(exec, node, &node->open) +
		     drain_queue(exec, node, &node->home);
	}
	for (unsigned int i = 0; i < np_crew(&exec->workers); i++)
		for (int hard = 0; hard < 2; hard++)
			n += drain_tray(exec, &exec->worker[i]->tray[hard]);
	if (n)
		np_tell_quiet(exec);
	return n;
}

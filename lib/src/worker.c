// SPDX-License-Identifier: MIT
/* What runs on the workers: tasks, and waiting for tasks, room and groups. */
#include "worker.h"
#include "probe.h"
#include "sys.h"

/* ---- running ---- */

static void run(struct np_worker *w, const struct np_item *it)
{
	struct np_running running = { .up = w->running, .task = it->task, .lane = it->lane };
	struct np_node *home;

	/* before it runs, so that who waits for it finds it counted */
	if (np_likely(it->from == (unsigned int)w->node->index)) {
		np_count(&w->count.home);
		if (it->stolen)
			np_count(&w->count.local);
	} else {
		home = w->exec->node[it->from];
		np_count(w->node->tier[it->from] == NP_TIER_SOCKET ? &w->count.socket
								   : &w->count.remote);
		__atomic_fetch_add(&home->stolen_from, 1, __ATOMIC_RELAXED);
	}
	w->running = &running;
	if (it->stolen)
		NP_PROBE4(steal, it->fn, it->arg, w->exec->node[it->from]->id, it->taken);
	if (it->task) {
		NP_PROBE3(start, it->task->fn, it->task->arg, w->exec->node[it->from]->id);
		it->task->fn(it->task->arg);
		NP_PROBE2(end, it->task->fn, it->task->arg);
	} else {
		NP_PROBE3(start, it->fn, it->arg, w->exec->node[it->from]->id);
		it->fn(it->arg);
		NP_PROBE2(end, it->fn, it->arg);
	}
	if (np_unlikely(np_self() != w))
		return; /* a child process now: nobody is there to be told, `w` may be freed */
	w->running = running.up;
	if (it->task)
		np_resolve(w->exec, it->task, NP_TASK_DONE);
	/* release: who finds that nothing is left (np_quiet) sees what the task did */
	if (it->lane)
		__atomic_store_n(&w->count.finished, w->count.finished + 1, __ATOMIC_RELEASE);
	w->ran = true;
}

static bool work_once(struct np_worker *w)
{
	struct np_item it;

	if (!np_find(w, &it, false))
		return false;
	np_stop_searching(w);
	run(w, &it);
	return true;
}

/* A worker that has nothing to do any more may have done the last that there was. */
static void tell(struct np_worker *w)
{
	if (!w->ran)
		return;
	w->ran = false;
	np_tell_quiet(w->exec);
}

/* The executor has ended, or there are to be fewer workers; not before what it has taken is
 * done, though others may take that as well. */
static bool leaves(struct np_worker *w, const void *arg)
{
	(void)arg;
	if (np_unlikely(w->nth >= np_wanted(w->node)))
		return !np_tray_length(&w->tray[false]) && !np_tray_length(&w->tray[true]);
	return np_life(w->exec) & (NP_LIFE_NOW | NP_LIFE_OVER);
}

void np_work(struct np_worker *w)
{
	while (np_self() == w && !leaves(w, NULL)) {
		if (work_once(w))
			continue;
		tell(w);
		if (np_looks_on(w))
			np_search(w);
		else
			np_sleep_idle(w, leaves, NULL);
	}
	if (np_self() != w)
		return;
	np_stop_searching(w);
	tell(w);
}

void np_share(struct np_worker *w)
{
	if (np_deque_public(&w->deque) || !np_deque_publish(&w->deque))
		return;
	np_forget_asking(w->node);
	np_fence();
	np_show(w->exec, w->node);
	np_wake(w->exec, w->node, false);
}

/* ---- waiting ---- */

/* Tasks that are waited for nest on the stack. When it runs low a waiting worker only sleeps:
 * what it waits for is run by others. */
static bool may_help(const struct np_worker *w)
{
	return (uintptr_t)__builtin_frame_address(0) > w->stack_limit;
}

/* What a worker waits for inside a task. */
struct wish {
	bool (*enough)(struct np_worker *w, const void *arg);
	/* Says what it waits for, so that who makes it true leaves a token. Before it sleeps;
	 * it then looks once more. */
	void (*name)(struct np_worker *w, const void *arg);
	bool parts; /* others may have parts of it: their deques first */
};

/* It runs other tasks meanwhile, which may wait in their turn, and for other things. */
static void help_until(struct np_worker *w, const struct wish *wish, const void *arg)
{
	struct np_item it;

	while (!wish->enough(w, arg)) {
		bool helps = may_help(w);

		if (np_unlikely(np_life(w->exec) & NP_LIFE_FAILED))
			np_drain(w->exec); /* it may be where nobody comes by any more */
		if (helps && np_find(w, &it, wish->parts)) {
			np_stop_searching(w);
			run(w, &it);
			continue;
		}
		if (helps && np_looks_on(w)) {
			np_search(w);
			continue;
		}
		wish->name(w, arg);
		np_fence();
		if (helps)
			np_sleep_idle(w, wish->enough, arg);
		else if (!wish->enough(w, arg))
			np_park(&w->parker);
	}
	np_stop_searching(w);
}

/* ---- for a task ---- */

static bool task_finished(struct np_worker *w, const void *task)
{
	return np_finished(task) || np_forked(w->exec);
}

static void name_task(struct np_worker *w, const void *task)
{
	struct numaperf_task *t = (struct numaperf_task *)task;
	uint32_t pending = NP_TASK_PENDING;

	(void)w;
	/* release: our record is complete */
	__atomic_compare_exchange_n(&t->state, &pending, NP_TASK_WAITED, false,
				    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

static const struct wish wish_task = { task_finished, name_task, true };

void np_wait_task(struct numaperf_executor *exec, struct np_worker *w,
		  struct numaperf_task *task)
{
	struct np_event *event = np_done_event(exec, task);
	uint32_t key;

	if (w) {
		help_until(w, &wish_task, task);
		return;
	}
	np_event_enter(event);
	while (key = np_event_key(event), !np_finished(task)) {
		if (np_unlikely(np_life(exec) & NP_LIFE_FAILED) && np_drain(exec))
			continue;
		np_event_wait(event, key);
	}
	np_event_leave(event);
}

/* ---- for room in a lane ---- */

#define ROOM_SPIN     200     /* looks before an outsider sleeps: consumers are fast, or not */
#define ROOM_NAP_NS   1000000 /* its first sleep at most */
#define ROOM_SLEEP_NS 128000000 /* any */

struct full {
	struct np_queue *queue;
	unsigned int lane;
};

static bool room_in(const struct numaperf_executor *exec, const struct full *f)
{
	return (np_life(exec) & NP_LIFE_NOW) ||
	       (f->lane < exec->lanes ? np_lane_room(&f->queue->lane[f->lane], 1)
				      : np_mpmc_has_room(&f->queue->crowd));
}

static bool has_room(struct np_worker *w, const void *full)
{
	return room_in(w->exec, full);
}

static void name_room(struct np_worker *w, const void *full)
{
	const struct full *f = full;

	if (f->lane < w->exec->lanes)
		__atomic_fetch_or(&f->queue->blocked, (uint64_t)1 << f->lane, __ATOMIC_SEQ_CST);
	__atomic_store_n(&w->waits_for, f->queue, __ATOMIC_SEQ_CST);
}

static const struct wish wish_room = { has_room, name_room, false };

/* It is woken when half of the lane is free. Should that never come, since those who ought to
 * take from it wait for what this thread does next, it looks now and then. */
static void wait_room_outside(struct numaperf_executor *exec, const struct full *f)
{
	struct np_event *room = &f->queue->room;
	int64_t sleep = ROOM_NAP_NS;
	uint32_t key;

	while (key = np_event_key(room), !room_in(exec, f)) {
		np_event_wait_for(room, key, sleep);
		sleep = MIN(2 * sleep, ROOM_SLEEP_NS);
	}
}

bool np_wait_room(struct numaperf_executor *exec, struct np_worker *w, struct np_queue *q,
		  unsigned int lane)
{
	uint64_t bit = lane < exec->lanes ? (uint64_t)1 << lane : 0;
	struct full f = { q, lane };

	for (int i = 0; !w && i < ROOM_SPIN && !room_in(exec, &f); i++)
		np_relax();
	if (!w)
		__atomic_fetch_or(&q->full, bit, __ATOMIC_SEQ_CST);
	np_event_enter(&q->room);
	if (w)
		help_until(w, &wish_room, &f);
	else
		wait_room_outside(exec, &f);
	np_event_leave(&q->room);
	if (w)
		__atomic_store_n(&w->waits_for, NULL, __ATOMIC_SEQ_CST);
	__atomic_fetch_and(w ? &q->blocked : &q->full, ~bit, __ATOMIC_SEQ_CST);
	return !(np_life(exec) & NP_LIFE_NOW);
}

/* ---- for a group ---- */

static bool group_done(struct np_worker *w, const void *group)
{
	const struct numaperf_group *g = group;

	return !np_group_count(g) || (np_life(w->exec) & NP_LIFE_NOW) || np_forked(w->exec);
}

static void name_group(struct np_worker *w, const void *group)
{
	struct numaperf_group *g = (struct numaperf_group *)group;

	__atomic_store_n(&w->waits_for, g, __ATOMIC_SEQ_CST);
	__atomic_fetch_or(&g->word, NP_GROUP_WAITED, __ATOMIC_SEQ_CST);
}

static const struct wish wish_group = { group_done, name_group, false };

void np_wait_group(struct np_worker *w, struct numaperf_group *g)
{
	help_until(w, &wish_group, g);
	__atomic_store_n(&w->waits_for, NULL, __ATOMIC_SEQ_CST);
}

// SPDX-License-Identifier: MIT
/* What runs on the workers: finding tasks, sleeping when there are none, running, waiting. */
#include "worker.h"
#include "sys.h"

/* Fruitless sweeps before a worker sleeps. More than the two after which it looks at remote
 * nodes; so few that a worker with nothing to do is asleep within microseconds. */
#define SWEEPS	   8
#define SWEEP_SPIN 16

/* ---- finding ---- */

struct item {
	numaperf_task_fn fn; /* NULL: `task` is waited for */
	void *arg;
	struct numaperf_task *task;
	struct np_node *from;
	bool lane;
};

static bool take_lane(struct np_worker *w, struct np_node *node, struct np_queue *q,
		      struct item *it)
{
	if (!np_queue_pop(w->exec, q, &it->fn, &it->arg))
		return false;
	it->task = it->fn ? NULL : it->arg;
	it->from = node;
	it->lane = true;
	return true;
}

/* The node's own two queues, in turn, so that neither can starve the other. */
static bool take_home(struct np_worker *w, struct item *it)
{
	struct np_node *node = w->node;
	struct np_queue *first = w->odd ? &node->open : &node->home;
	struct np_queue *second = w->odd ? &node->home : &node->open;

	w->odd = !w->odd;
	return take_lane(w, node, first, it) || take_lane(w, node, second, it);
}

static bool steal_from(struct np_worker *w, struct np_worker *victim, struct item *it)
{
	struct numaperf_task *task = np_deque_steal(&victim->deque);

	if (!task)
		return false;
	it->fn = NULL;
	it->arg = NULL;
	it->task = task;
	it->from = victim->node;
	it->lane = false;
	/* The last one that was public: whoever still sleeps would like another, but has asked
	 * before this one was published, so we ask in its name. */
	if (!np_deque_public(&victim->deque) &&
	    __atomic_load_n(&w->exec->idle_total, __ATOMIC_RELAXED))
		np_deque_ask(&victim->deque);
	return true;
}

static uint32_t dice(struct np_worker *w)
{
	/* xorshift32 (Marsaglia); the seed is never 0 */
	w->seed ^= w->seed << 13;
	w->seed ^= w->seed >> 17;
	w->seed ^= w->seed << 5;
	return w->seed;
}

/* The last-level cache this worker is behind just now: it may run on all CPUs of its node. */
static int look_up_llc(struct np_worker *w)
{
	const struct numaperf_executor *exec = w->exec;
	unsigned int cpu, node;
	int llc = -1;

	if (np_sys->getcpu(&cpu, &node) >= 0 && cpu < (unsigned int)exec->cpu_llcs)
		llc = exec->cpu_llc[cpu];
	__atomic_store_n(&w->llc, llc, __ATOMIC_RELAXED);
	return llc;
}

/* From the deques of a node's workers, beginning anywhere; at home those behind the same cache
 * come first. */
static bool steal_deques(struct np_worker *w, struct np_node *node, struct item *it)
{
	bool near_first = node == w->node && node->several_llcs;
	int llc = near_first ? look_up_llc(w) : -1;
	unsigned int start = dice(w) % node->workers;

	for (int round = near_first ? 0 : 1; round < 2; round++) {
		for (unsigned int i = 0; i < node->workers; i++) {
			struct np_worker *victim = node->worker[(start + i) % node->workers];

			if (victim == w)
				continue;
			if (near_first && (__atomic_load_n(&victim->llc, __ATOMIC_RELAXED) ==
					   llc) != (round == 0))
				continue;
			if (steal_from(w, victim, it))
				return true;
		}
	}
	return false;
}

/*
 * One sweep. A worker that waits for a task looks at deques first: there are the parts of what
 * it waits for. Other nodes only as far as the policy goes; never at their hard-home queues.
 */
static bool find(struct np_worker *w, struct item *it, bool waiting)
{
	struct numaperf_executor *exec = w->exec;
	struct np_node *node = w->node;

	if (np_life(exec) & NP_LIFE_NOW) {
		w->fruitless++;
		return false;
	}
	if (waiting) {
		if (steal_deques(w, node, it) || take_home(w, it))
			return true;
	} else if (take_home(w, it) || steal_deques(w, node, it)) {
		return true;
	}
	for (size_t i = 0; i < node->victims; i++) {
		struct np_node *other = exec->node[node->victim[i].node];

		if (exec->policy == NUMAPERF_STEAL_LOCAL_THEN_SOCKET_THEN_REMOTE &&
		    node->victim[i].tier == NP_TIER_REMOTE && w->fruitless < 2)
			break; /* the rest is remote, too */
		if (take_lane(w, other, &other->open, it) || steal_deques(w, other, it))
			return true;
	}
	w->fruitless++;
	return false;
}

/* Whether anything can be seen on `node` that `w` may take, hard-home tasks apart. */
static bool visible(struct np_worker *w, struct np_node *node)
{
	if (np_lane_ready(&node->open.lane))
		return true;
	for (unsigned int i = 0; i < node->workers; i++)
		if (node->worker[i] != w && np_deque_public(&node->worker[i]->deque))
			return true;
	return false;
}

/* The same wherever `find` may look, once it has been fruitless often enough. */
static bool anything(struct np_worker *w)
{
	struct np_node *node = w->node;

	if (np_life(w->exec) & NP_LIFE_NOW)
		return false;
	if (np_lane_ready(&node->home.lane) || visible(w, node))
		return true;
	for (size_t i = 0; i < node->victims; i++)
		if (visible(w, w->exec->node[node->victim[i].node]))
			return true;
	return false;
}

/* ---- searching and sleeping ---- */

/*
 * Ends this worker's search, successful or not. As long as somebody of the node searches,
 * nobody else is woken for its work; so the last one that stops looks for what has come in
 * meanwhile. (Who sleeps after it looks himself.)
 */
static void stop_searching(struct np_worker *w)
{
	struct numaperf_executor *exec = w->exec;
	struct np_node *node = w->node;

	w->fruitless = 0;
	if (!w->searching)
		return;
	w->searching = false;
	if (!np_search_end(&node->idle))
		return;
	np_fence();
	if (!__atomic_load_n(&exec->idle_total, __ATOMIC_SEQ_CST))
		return;
	if (np_lane_ready(&node->home.lane))
		np_wake(exec, node, true);
	if (visible(w, node))
		np_wake(exec, node, false);
	for (size_t i = 0; i < node->victims; i++) {
		struct np_node *other = exec->node[node->victim[i].node];

		if (visible(w, other))
			np_wake(exec, other, false);
	}
}

static void search(struct np_worker *w)
{
	if (!w->searching) {
		w->searching = true;
		np_search_begin(&w->node->idle);
	}
	for (int i = 0; i < SWEEP_SPIN; i++)
		np_relax();
}

/*
 * Sleeps until somebody claims this worker for work, or leaves a token for another reason; not
 * at all if there is work or `enough` says that waiting is over.
 */
static void sleep_idle(struct np_worker *w, bool (*enough)(struct np_worker *, const void *),
		       const void *arg)
{
	struct np_idle *idle = &w->node->idle;

	if (!w->searching)
		np_search_begin(idle);
	w->searching = false;
	w->fruitless = 0;
	np_idle_enter(idle, w->nth);
	if ((enough(w, arg) || anything(w)) && np_idle_cancel(idle, w->nth)) {
		np_search_begin(idle);
		w->searching = true;
		return;
	}
	/* Nothing to do; or somebody has just claimed us, and the token is on its way. */
	np_count(&w->count.parks);
	np_park(&w->parker);
	np_count(&w->count.wakes);
	/*
	 * Woken by a claim, or by somebody who knows us (the task that we wait for is finished,
	 * the executor ends)? If we were claimed we count as searching, whoever was first; the
	 * claimer's token may then still be to come, and only makes the next sleep short.
	 */
	if (!np_idle_cancel(idle, w->nth))
		w->searching = true;
}

/* ---- running ---- */

static void run(struct np_worker *w, struct item *it)
{
	struct numaperf_executor *exec = w->exec;
	struct np_running running = {
		.up = w->running,
		.task = it->task,
		.counted = it->lane,
	};

	/* before it runs, so that who waits for it finds it counted */
	if (it->from == w->node) {
		np_count(&w->count.home);
		if (!it->lane)
			np_count(&w->count.local);
	} else {
		np_count(w->node->tier[it->from->index] == NP_TIER_SOCKET ? &w->count.socket
									  : &w->count.remote);
		__atomic_fetch_add(&it->from->stolen_from, 1, __ATOMIC_RELAXED);
	}
	w->running = &running;
	if (it->task)
		it->task->fn(it->task->arg);
	else
		it->fn(it->arg);
	if (np_unlikely(np_self() != w))
		return; /* a child process now: nobody is there to be told, `w` may be freed */
	w->running = running.up;
	if (it->task)
		np_resolve(exec, it->task, NP_TASK_DONE);
	if (it->lane)
		np_finish(exec, 1);
}

static bool work_once(struct np_worker *w)
{
	struct item it;

	if (!find(w, &it, false))
		return false;
	stop_searching(w);
	run(w, &it);
	return true;
}

static bool leaves(struct np_worker *w, const void *arg)
{
	(void)arg;
	return np_life_over(np_life(w->exec));
}

void np_work(struct np_worker *w)
{
	while (np_self() == w && !leaves(w, NULL)) {
		if (work_once(w))
			continue;
		if (w->fruitless < SWEEPS)
			search(w);
		else
			sleep_idle(w, leaves, NULL);
	}
	if (np_self() == w && w->searching)
		np_search_end(&w->node->idle);
}

void np_share(struct np_worker *w)
{
	if (np_deque_public(&w->deque) || !np_deque_publish(&w->deque))
		return;
	np_wake(w->exec, w->node, false);
}

/* ---- waiting ---- */

/* Tasks that are waited for nest on the stack. When it runs low a waiting worker only sleeps:
 * what it waits for is run by others. */
static bool may_help(const struct np_worker *w)
{
	return (uintptr_t)__builtin_frame_address(0) > w->stack_limit;
}

static bool task_finished(struct np_worker *w, const void *task)
{
	(void)w;
	return np_finished(task);
}

static void wait_as_worker(struct np_worker *w, struct numaperf_task *task)
{
	struct numaperf_executor *exec = w->exec;
	struct item it;

	while (!np_finished(task) && !np_forked(exec)) {
		uint32_t pending = NP_TASK_PENDING;
		bool helps = may_help(w);

		if (np_unlikely(np_life(exec) & NP_LIFE_FAILED))
			np_drain(exec); /* it may be in a lane that nobody empties any more */
		if (helps && find(w, &it, true)) {
			stop_searching(w);
			run(w, &it);
			continue;
		}
		if (helps && w->fruitless < SWEEPS) {
			search(w);
			continue;
		}
		/* whoever finishes it now leaves us a token; release: our record is complete */
		if (!__atomic_compare_exchange_n(&task->state, &pending, NP_TASK_WAITED, false,
						 __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST) &&
		    pending != NP_TASK_WAITED)
			break;
		if (helps)
			sleep_idle(w, task_finished, task);
		else
			np_park(&w->parker);
	}
	stop_searching(w);
}

void np_wait_task(struct numaperf_executor *exec, struct np_worker *w,
		  struct numaperf_task *task)
{
	struct np_event *event = np_done_event(exec, task);
	uint32_t key;

	if (w) {
		wait_as_worker(w, task);
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

static bool has_room(struct np_worker *w, const void *queue)
{
	const struct np_queue *q = queue;

	return (np_life(w->exec) & NP_LIFE_NOW) || np_lane_has_room(&q->lane);
}

bool np_wait_room(struct numaperf_executor *exec, struct np_worker *w, struct np_queue *q)
{
	struct item it;
	uint32_t key;

	np_event_enter(&q->room);
	if (!w) {
		while (key = np_event_key(&q->room),
		       !(np_life(exec) & NP_LIFE_NOW) && !np_lane_has_room(&q->lane))
			np_event_wait(&q->room, key);
	} else {
		__atomic_store_n(&w->waits_for_room, q, __ATOMIC_SEQ_CST);
		np_fence();
		while (!has_room(w, q)) {
			bool helps = may_help(w);

			/* what it runs may itself wait for room elsewhere */
			if (helps && find(w, &it, false)) {
				stop_searching(w);
				run(w, &it);
				__atomic_store_n(&w->waits_for_room, q, __ATOMIC_SEQ_CST);
			} else if (helps && w->fruitless < SWEEPS) {
				search(w);
			} else if (helps) {
				sleep_idle(w, has_room, q);
			} else {
				np_park(&w->parker);
			}
			/* between naming the queue and looking at it, as in np_queue_pop() */
			np_fence();
		}
		__atomic_store_n(&w->waits_for_room, NULL, __ATOMIC_SEQ_CST);
		stop_searching(w);
	}
	np_event_leave(&q->room);
	return !(np_life(exec) & NP_LIFE_NOW);
}

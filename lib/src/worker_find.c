// SPDX-License-Identifier: MIT
/*
 * Where a worker finds tasks, nearest first: on its own trays, in its node's lanes, on other
 * workers of its node, and, as far as the steal policy goes, on other nodes.
 */
#include "sys.h"
#include "worker.h"

/* Who found few tasks in a lane is as fast as their producer. Each look takes the line that he
 * is about to write away from him: so it lets a few come together. Some 0.2 µs. */
#define FEW   8
#define PAUSE 7

/* ---- one task ---- */

static bool got_work(struct np_item *it, const struct numaperf_work *work, unsigned int from,
		     bool stolen)
{
	it->fn = work->fn;
	it->arg = work->arg;
	it->task = work->fn ? NULL : work->arg;
	it->from = from;
	it->lane = true;
	it->stolen = stolen;
	return true;
}

/*
 * The oldest of several, and the others onto the tray, which is empty. For a moment they were
 * nowhere to be seen, and who looked then may have gone to sleep, or have dropped all that he
 * saw: so they are announced anew.
 */
static bool got_several(struct np_worker *w, struct np_item *it, bool hard,
			const struct numaperf_work *work, size_t n, unsigned int from,
			bool stolen)
{
	if (n > 1) {
		np_tray_fill(&w->tray[hard], from, work + 1, (uint32_t)n - 1);
		np_fence();
		if (!hard)
			np_show(w->exec, w->node);
		np_wake(w->exec, w->node, hard);
		if (np_unlikely(np_life(w->exec) & NP_LIFE_NOW))
			np_announce(w->exec);
	}
	it->taken = (unsigned int)n;
	return got_work(it, work, from, stolen);
}

/* ---- at home ---- */

static bool take_own(struct np_worker *w, struct np_item *it, bool hard)
{
	struct numaperf_work work;
	uint32_t from;

	return np_tray_take(&w->tray[hard], &work, 1, &from) &&
	       got_work(it, &work, from, false);
}

static bool take_lane(struct np_worker *w, struct np_item *it, bool hard)
{
	struct np_node *node = w->node;
	struct numaperf_work work[NP_TRAY];
	size_t n = np_take(w->exec, hard ? &node->home : &node->open, work, NP_TRAY, &w->lane);

	if (!n)
		return false;
	w->hard_first = !hard; /* so neither can starve the other */
	if (n < FEW)
		w->pause = PAUSE;
	else
		w->pause = 0;
	return got_several(w, it, hard, work, n, (unsigned int)node->index, false);
}

static bool take_home(struct np_worker *w, struct np_item *it)
{
	bool hard = w->hard_first;

	if (take_own(w, it, hard) || take_own(w, it, !hard))
		return true;
	for (unsigned int i = 0; i < w->pause; i++)
		np_relax();
	return take_lane(w, it, hard) || take_lane(w, it, !hard);
}

/* ---- from other workers ---- */

static bool steal_task(struct np_worker *w, struct np_worker *victim, struct np_item *it)
{
	struct numaperf_task *task = np_deque_steal(&victim->deque, victim->node != w->node);

	if (!task)
		return false;
	it->fn = NULL;
	it->arg = NULL;
	it->task = task;
	it->from = (unsigned int)victim->node->index;
	it->taken = 1;
	it->lane = false;
	it->stolen = true;
	/* The last one that was public: whoever still sleeps would like another, but has asked
	 * before this one was published, so we ask in its name. */
	if (!np_deque_public(&victim->deque) &&
	    __atomic_load_n(&w->exec->idle_total, __ATOMIC_RELAXED))
		np_deque_ask(&victim->deque);
	return true;
}

/* Half of what is on it, onto the own one if that is empty. */
static bool steal_tray(struct np_worker *w, struct np_worker *victim, bool hard, uint32_t max,
		       struct np_item *it)
{
	struct numaperf_work work[NP_TRAY];
	uint32_t from, n;

	if (!np_tray_length(&victim->tray[hard]))
		return false;
	if (np_tray_length(&w->tray[hard]))
		max = 1; /* it waits for something, and helps meanwhile */
	n = np_tray_take(&victim->tray[hard], work, max, &from);
	return n && got_several(w, it, hard, work, n, from, true);
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

/* From a node's workers, beginning anywhere; at home those behind the same cache come first. */
static bool steal_from_workers(struct np_worker *w, struct np_node *node, uint32_t max,
			       struct np_item *it)
{
	bool at_home = node == w->node, near_first = at_home && node->several_llcs;
	int llc = near_first ? look_up_llc(w) : -1;
	unsigned int n = np_crew(&node->workers), start = dice(w) % n;

	for (int round = near_first ? 0 : 1; round < 2; round++) {
		for (unsigned int i = 0; i < n; i++) {
			struct np_worker *victim = node->worker[(start + i) % n];

			if (victim == w)
				continue;
			if (near_first && (__atomic_load_n(&victim->llc, __ATOMIC_RELAXED) ==
					   llc) != (round == 0))
				continue;
			if (steal_task(w, victim, it) ||
			    steal_tray(w, victim, false, max, it) ||
			    (at_home && steal_tray(w, victim, true, max, it)))
				return true;
		}
	}
	return false;
}

/* ---- from other nodes ---- */

static bool has_work(const struct numaperf_executor *exec, unsigned int node)
{
	return __atomic_load_n(&exec->work[node / 64], __ATOMIC_RELAXED) >> node % 64 & 1;
}

/* Up to half of a lane's tasks. */
static bool take_abroad(struct np_worker *w, struct np_node *node, uint32_t max,
			struct np_item *it)
{
	struct numaperf_work work[NP_TRAY];
	uint64_t length;
	size_t n;

	if (np_tray_length(&w->tray[false])) {
		max = 1;
	} else {
		length = np_queue_length(&node->open, w->exec->lanes);
		max = (uint32_t)MIN((uint64_t)max, (length + 1) / 2);
	}
	n = max ? np_take(w->exec, &node->open, work, max, &w->lane) : 0;
	return n && got_several(w, it, false, work, n, (unsigned int)node->index, true);
}

static bool steal_abroad(struct np_worker *w, const struct np_victim *v, uint32_t max,
			 struct np_item *it)
{
	struct np_node *node = w->exec->node[v->node];

	return has_work(w->exec, (unsigned int)v->node) &&
	       (take_abroad(w, node, max, it) || steal_from_workers(w, node, max, it));
}

/* What this node may still take from remote ones, of a budget of so many a second; a tenth of
 * it may come at once. */
static int64_t credit(const struct np_node *node, uint64_t now)
{
	uint64_t budget = node->exec->remote_budget;
	uint64_t elapsed = now - __atomic_load_n(&node->credit_ns, __ATOMIC_RELAXED);
	int64_t most = (int64_t)MAX(budget / 10, 1);
	unsigned __int128 grown = (unsigned __int128)elapsed * budget / 1000000000u;

	if (grown > (uint64_t)most)
		return most;
	return MIN(__atomic_load_n(&node->credit, __ATOMIC_RELAXED) + (int64_t)grown, most);
}

/* By one scout a node, which also keeps its account. */
static bool steal_remote(struct np_worker *w, const struct np_victim *v, size_t n,
			 struct np_item *it)
{
	struct np_node *node = w->node;
	bool budget = w->exec->remote_budget, found = false;
	int64_t have = NP_TRAY;
	uint64_t now = 0;
	uint32_t max;

	if (__atomic_load_n(&node->scout, __ATOMIC_RELAXED) ||
	    __atomic_exchange_n(&node->scout, 1, __ATOMIC_ACQUIRE))
		return false;
	if (budget) {
		now = np_clock_ns();
		have = credit(node, now);
	}
	max = (uint32_t)MIN(have, (int64_t)NP_TRAY);
	for (size_t i = 0; i < n && max && !found; i++)
		found = steal_abroad(w, &v[i], max, it);
	if (budget && found) {
		__atomic_store_n(&node->credit, have - it->taken, __ATOMIC_RELAXED);
		__atomic_store_n(&node->credit_ns, now, __ATOMIC_RELAXED);
	}
	__atomic_store_n(&node->scout, 0, __ATOMIC_RELEASE);
	return found;
}

/* The first victim of the list that only a scout looks at. */
static size_t first_remote(const struct np_node *node)
{
	size_t i = 0;

	while (i < node->victims && node->victim[i].tier != NP_TIER_REMOTE)
		i++;
	return i;
}

static bool steal_from_nodes(struct np_worker *w, struct np_item *it)
{
	const struct np_node *node = w->node;
	size_t remote = first_remote(node);

	for (size_t i = 0; i < remote; i++)
		if (steal_abroad(w, &node->victim[i], NP_TRAY, it))
			return true;
	if (remote == node->victims)
		return false;
	if (w->exec->policy == NUMAPERF_STEAL_LOCAL_THEN_SOCKET_THEN_REMOTE && w->fruitless < 2)
		return false;
	return steal_remote(w, node->victim + remote, node->victims - remote, it);
}

/* ---- all of it ---- */

bool np_find(struct np_worker *w, struct np_item *it, bool waiting)
{
	struct np_node *node = w->node;

	if (np_life(w->exec) & NP_LIFE_NOW) {
		w->fruitless++;
		return false;
	}
	if (waiting ? steal_from_workers(w, node, NP_TRAY, it) || take_home(w, it)
		    : take_home(w, it) || steal_from_workers(w, node, NP_TRAY, it))
		return true;
	if (node->victims && steal_from_nodes(w, it))
		return true;
	w->fruitless++;
	return false;
}

/* Whether anything can be seen on `node` that `w` may take (NULL: that anybody may), hard-home
 * tasks apart: from its own deque nobody steals. */
static bool visible(const struct np_node *node, const struct np_worker *w)
{
	if (np_queue_ready(&node->open))
		return true;
	for (unsigned int i = 0; i < np_crew(&node->workers); i++) {
		const struct np_worker *other = node->worker[i];

		if (np_tray_length(&other->tray[false]) ||
		    (other != w && np_deque_public(&other->deque)))
			return true;
	}
	return false;
}

static bool visible_hard(const struct np_node *node)
{
	if (np_queue_ready(&node->home))
		return true;
	for (unsigned int i = 0; i < np_crew(&node->workers); i++)
		if (np_tray_length(&node->worker[i]->tray[true]))
			return true;
	return false;
}

/* Node `v` has something that a worker of `node` may go and get. */
static bool visible_abroad(const struct np_node *node, const struct np_victim *v)
{
	return has_work(node->exec, (unsigned int)v->node) &&
	       visible(node->exec->node[v->node], NULL);
}

static bool may_go_remote(const struct np_node *node)
{
	return !node->exec->remote_budget || credit(node, np_clock_ns()) > 0;
}

bool np_anything(struct np_worker *w)
{
	struct np_node *node = w->node;
	size_t remote = first_remote(node);

	if (np_life(w->exec) & NP_LIFE_NOW)
		return false;
	if (visible_hard(node) || visible(node, w))
		return true;
	for (size_t i = 0; i < node->victims; i++)
		if (visible_abroad(node, &node->victim[i]) &&
		    (i < remote || may_go_remote(node)))
			return true;
	return false;
}

void np_pass_on(struct np_worker *w)
{
	struct numaperf_executor *exec = w->exec;
	struct np_node *node = w->node;

	if (visible_hard(node))
		np_wake(exec, node, true);
	if (visible(node, NULL))
		np_wake(exec, node, false);
	for (size_t i = 0; i < node->victims; i++)
		if (visible_abroad(node, &node->victim[i]))
			np_wake(exec, exec->node[node->victim[i].node], false);
}

/* ---- before sleeping ---- */

void np_forget_asking(struct np_node *node)
{
	uint64_t *word = &node->exec->asked[node->index / 64];
	uint64_t bit = (uint64_t)1 << node->index % 64;

	if (__atomic_load_n(word, __ATOMIC_RELAXED) & bit)
		__atomic_fetch_and(word, ~bit, __ATOMIC_RELAXED);
}

/* Sweeps ask the workers of this node; those of others, where sweeps do not look as long as
 * there is nothing to be seen, are asked here. */
static void ask_abroad(const struct np_node *node)
{
	struct numaperf_executor *exec = node->exec;

	for (size_t i = 0; i < node->victims; i++) {
		const struct np_node *other = exec->node[node->victim[i].node];
		uint64_t *word = &exec->asked[other->index / 64];
		uint64_t bit = (uint64_t)1 << other->index % 64;

		if (__atomic_load_n(word, __ATOMIC_RELAXED) & bit)
			continue;
		/* acquire and release: before the asking, which else may come to nothing */
		__atomic_fetch_or(word, bit, __ATOMIC_ACQ_REL);
		for (unsigned int k = 0; k < np_crew(&other->workers); k++)
			np_deque_ask(&other->worker[k]->deque);
	}
}

static void tidy(struct np_worker *w)
{
	struct np_node *node = w->node;
	uint64_t *word = &w->exec->work[node->index / 64],
		 bit = (uint64_t)1 << node->index % 64;

	np_queue_tidy(&node->open);
	np_queue_tidy(&node->home);
	if (!has_work(w->exec, (unsigned int)node->index) || visible(node, NULL))
		return;
	__atomic_fetch_and(word, ~bit, __ATOMIC_SEQ_CST);
	np_fence();
	if (visible(node, NULL))
		__atomic_fetch_or(word, bit, __ATOMIC_SEQ_CST);
}

void np_retire(struct np_worker *w)
{
	tidy(w);
	ask_abroad(w->node);
}

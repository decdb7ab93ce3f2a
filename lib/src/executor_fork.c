// SPDX-License-Identifier: MIT
/* Fork and join: spawn, join, run, parallel_for. */
#include "base.h"
#include "worker.h"

#include <errno.h>

/* Parts a worker's share of a loop is cut into when the caller gives no grain: enough to even
 * out skewed bodies. */
#define CHUNKS 8

/* ---- spawn and join ---- */

static void spawn(struct numaperf_task *task, numaperf_task_fn fn, void *arg, bool home)
{
	struct np_worker *w = np_self();

	task->fn = fn;
	task->arg = arg;
	task->owner = numaperf_deque_1;
	task->reserved = 0;
	/* relaxed: publishing the deque's part is what shows it to others */
	__atomic_store_n(&task->state, NP_TASK_PENDING, __ATOMIC_RELAXED);
	if (np_likely(w)) {
		if (np_likely(
			    np_deque_push(&w->deque, home ? np_deque_home_only(task) : task))) {
			if (np_unlikely(np_deque_wanted(&w->deque)))
				np_share(w);
			return;
		}
		np_count(&w->deque.own.spawned);
		np_count(&w->count.inlined);
		np_count(&w->count.home);
	}
	fn(arg);
	__atomic_store_n(&task->state, NP_TASK_DONE, __ATOMIC_RELAXED);
}

void(numaperf_spawn)(struct numaperf_task *task, numaperf_task_fn fn, void *arg)
{
	spawn(task, fn, arg, false);
}

void numaperf_spawn_home(struct numaperf_task *task, numaperf_task_fn fn, void *arg)
{
	spawn(task, fn, arg, true);
}

bool numaperf_checkpoint(void)
{
	struct np_worker *w = np_self();

	if (!w || np_likely(!__atomic_load_n(&w->deque.own.attention, __ATOMIC_RELAXED)))
		return true;
	if (np_deque_wanted(&w->deque))
		np_share(w);
	return !(np_life(w->exec) & NP_LIFE_NOW);
}

/* Why a task that was waited for did not run to its end, by its state. */
static int fail_waited(const char *what, uint32_t state)
{
	if (state == NP_TASK_CANCELED)
		return np_fail(-ECANCELED, NUMAPERF_REASON_STATE, what, NULL,
			       "the executor was stopped before the task had begun");
	return np_fail(-EOWNERDEAD, NUMAPERF_REASON_STATE, what, NULL,
		       state == NP_TASK_DEAD ? "the worker that ran the task was ended by it"
					     : "this is a forked child, which has no workers");
}

static int fail_join(const struct numaperf_task *task, uint32_t state)
{
	const struct np_worker *owner = np_worker_of(task->owner);

	if (state < NP_TASK_DONE && owner && !np_forked(owner->exec))
		return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, "task join", NULL,
			       "only the thread that spawned a task may join it");
	return fail_waited("task join", state);
}

/* Runs a task of the own deque, or drops it when the executor has been stopped. */
static void run_own(struct np_worker *w, struct numaperf_task *task)
{
	if (np_unlikely(__atomic_load_n(&w->exec->life, __ATOMIC_RELAXED) & NP_LIFE_NOW)) {
		__atomic_store_n(&task->state, NP_TASK_CANCELED, __ATOMIC_RELAXED);
		return;
	}
	np_count(&w->deque.own.run);
	task->fn(task->arg);
	__atomic_store_n(&task->state, NP_TASK_DONE, __ATOMIC_RELAXED);
}

int(numaperf_join)(struct numaperf_task *task)
{
	struct np_worker *w = np_self();
	uint32_t state = __atomic_load_n(&task->state, __ATOMIC_ACQUIRE);

	if (state < NP_TASK_DONE && w && task->owner == &w->deque.own) {
		struct numaperf_task *newest;

		/* What is newer than the task is, in good order, nothing; if the caller has
		 * left something unjoined it is run now. The task itself is in the deque
		 * unless a thief has taken it, and then all that is older, too. */
		while ((newest = np_deque_task(np_deque_pop(&w->deque)))) {
			/* another one hidden here, and somebody hungry? */
			if (np_unlikely(np_deque_wanted(&w->deque)) &&
			    np_deque_private(&w->deque) > 1)
				np_share(w);
			run_own(w, newest);
			if (newest == task)
				break;
		}
		state = __atomic_load_n(&task->state, __ATOMIC_ACQUIRE);
		if (state < NP_TASK_DONE && np_self() == w) {
			np_wait_task(w->exec, w, task);
			state = __atomic_load_n(&task->state, __ATOMIC_ACQUIRE);
		}
	}
	if (np_likely(state == NP_TASK_DONE))
		return 0;
	return fail_join(task, state);
}

/* ---- run ---- */

/* Puts a task that the caller will wait for into a lane. */
static int send(struct numaperf_executor *exec, struct np_worker *w, int node,
		unsigned int flags, struct numaperf_task *task, numaperf_task_fn fn, void *arg)
{
	const struct numaperf_work work = { NULL, task };
	size_t queued;
	int err;

	*task = (struct numaperf_task){
		.fn = fn,
		.arg = arg,
		.owner = w ? &w->deque.own : NULL,
		.state = NP_TASK_PENDING,
	};
	err = np_submit(exec, node, flags, &work, 1, &queued);
	if (!err && w)
		w->sent++;
	return err;
}

/* The worker of this executor that the caller is, or NULL. */
static struct np_worker *self_in(const struct numaperf_executor *exec)
{
	struct np_worker *w = np_self();

	return w && w->exec == exec ? w : NULL;
}

/* A worker that does a thing itself must notice, too, that all is to stop. */
static int stopped(struct np_worker *w, const char *what)
{
	if (__atomic_load_n(&w->exec->life, __ATOMIC_RELAXED) & NP_LIFE_NOW)
		return fail_waited(what, NP_TASK_CANCELED);
	return 0;
}

int numaperf_executor_run(struct numaperf_executor *exec, int node, numaperf_task_fn fn,
			  void *arg)
{
	struct np_worker *w = self_in(exec);
	struct numaperf_task task;
	int err;

	if (!fn)
		return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, "running a task", NULL,
			       "the task has no function");
	if (w && (node == NUMAPERF_ANY_NODE || node == w->node->id)) {
		err = stopped(w, "running a task");
		if (!err)
			fn(arg);
		return err;
	}
	err = send(exec, w, node, 0, &task, fn, arg);
	if (err)
		return err;
	np_wait_task(exec, w, &task);
	if (np_likely(__atomic_load_n(&task.state, __ATOMIC_ACQUIRE) == NP_TASK_DONE))
		return 0;
	return fail_waited("running a task", task.state);
}

/* ---- parallel_for ---- */

struct loop {
	struct numaperf_executor *exec;
	numaperf_range_fn body;
	void *ctx;
	size_t begin, length, grain;
	unsigned int workers; /* whose shares it is cut into: all there are when it begins */
	int last;	      /* the index of the last node that has some */
	bool stopped;	      /* a part was dropped: set by any, read when all is over */
};

struct range {
	struct loop *loop;
	size_t begin, end, grain;
};

/* Halves the range until it is a grain; each half left behind can be stolen, the largest
 * first. */
static void run_range(void *arg)
{
	const struct range *r = arg;
	size_t middle = r->begin + (r->end - r->begin) / 2;

	if (r->end - r->begin <= r->grain) {
		r->loop->body(r->loop->ctx, r->begin, r->end);
		return;
	}
	struct range left = { r->loop, r->begin, middle, r->grain };
	struct range right = { r->loop, middle, r->end, r->grain };
	struct numaperf_task task;

	numaperf_spawn(&task, run_range, &right);
	run_range(&left);
	if (numaperf_join(&task))
		__atomic_store_n(&r->loop->stopped, true, __ATOMIC_RELAXED);
}

/* Where the block behind `before` workers begins: in proportion, and the same for the same
 * range. */
static size_t cut(const struct loop *loop, unsigned int before)
{
	unsigned __int128 part = (unsigned __int128)loop->length * MIN(before, loop->workers);

	return loop->begin + (size_t)(part / loop->workers);
}

/*
 * The block of a node before which there are `*before` workers, to which its own are added.
 * False: it has none. Somebody may be changing the number of workers; so the last one takes all
 * that is left, and each index is in exactly one block all the same.
 */
static bool block_of(struct loop *loop, const struct np_node *node, unsigned int *before,
		     struct range *block)
{
	unsigned int own = np_wanted(node);
	size_t share;

	if (!own)
		return false;
	block->loop = loop;
	block->begin = cut(loop, *before);
	*before += own;
	block->end =
		node->index == loop->last ? loop->begin + loop->length : cut(loop, *before);
	share = (block->end - block->begin) / own / CHUNKS;
	block->grain = loop->grain ? loop->grain : MAX(share, 1);
	return block->begin < block->end;
}

/*
 * Sends the blocks of node `index` and those after it, runs the caller's own (NULL: none so
 * far) when all are under way, and waits. One frame on the stack for each node that has
 * workers: nothing is allocated, and the number of nodes is not bounded.
 */
static int run_blocks(struct loop *loop, struct np_worker *w, unsigned int index,
		      unsigned int before, struct range *own)
{
	struct numaperf_executor *exec = loop->exec;
	struct numaperf_task task;
	struct range block;
	uint32_t state;
	int err, rest;

	while (index < exec->nodes && !block_of(loop, exec->node[index], &before, &block))
		index++;
	if (index == exec->nodes) {
		if (own)
			run_range(own);
		return 0;
	}
	if (w && exec->node[index] == w->node)
		return run_blocks(loop, w, index + 1, before, &block);
	/* hard-home: the block begins where its data is; its halves go by the steal policy */
	err = send(exec, w, exec->node[index]->id, NUMAPERF_SUBMIT_HOME, &task, run_range,
		   &block);
	if (err)
		return err;
	rest = run_blocks(loop, w, index + 1, before, own);
	np_wait_task(exec, w, &task);
	state = __atomic_load_n(&task.state, __ATOMIC_ACQUIRE);
	if (rest || state == NP_TASK_DONE)
		return rest;
	return fail_waited("parallel loop", state);
}

int numaperf_executor_parallel_for(struct numaperf_executor *exec, size_t begin, size_t end,
				   size_t grain, numaperf_range_fn body, void *ctx)
{
	struct loop loop = {
		.exec = exec,
		.body = body,
		.ctx = ctx,
		.begin = begin,
		.length = end - begin,
		.grain = grain,
	};
	struct np_worker *w = self_in(exec);
	int err;

	if (!body || begin > end)
		return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, "parallel loop", NULL, "%s",
			       body ? "the range ends before it begins"
				    : "the loop has no body");
	if (begin == end)
		return 0;
	for (unsigned int i = 0; i < exec->nodes; i++) {
		loop.workers += np_wanted(exec->node[i]);
		if (exec->node[i]->slots)
			loop.last = (int)i;
	}
	err = w ? stopped(w, "parallel loop") : 0;
	if (!err)
		err = run_blocks(&loop, w, 0, 0, NULL);
	if (!err && __atomic_load_n(&loop.stopped, __ATOMIC_RELAXED))
		err = fail_waited("parallel loop", NP_TASK_CANCELED);
	return err;
}

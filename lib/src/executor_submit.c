// SPDX-License-Identifier: MIT
/* Submitting: to a node, to any, hard-home, in batches. */
#include "base.h"
#include "sys.h"
#include "worker.h"

#include <errno.h>

static const char operation[] = "task submission";

static int fail_closed(uint64_t life)
{
	if (life & NP_LIFE_FAILED)
		return np_fail(-EOWNERDEAD, NUMAPERF_REASON_STATE, operation,
			       "tasks must return and not call pthread_exit()",
			       "a worker was ended by a task");
	return np_fail(-ECANCELED, NUMAPERF_REASON_STATE, operation, NULL,
		       "the executor is shut down");
}

/* Whether a submit may still be let in, by what the life word said. */
static bool closed(uint64_t life, bool inside)
{
	/* a running task keeps the count above zero, so no worker has left yet */
	return life & (inside ? NP_LIFE_NOW : NP_LIFE_CLOSED);
}

/* As many of the tasks as there is room for. */
static size_t push(struct np_queue *q, const struct numaperf_work *work, size_t count)
{
	size_t n = 0;

	while (n < count && np_lane_push(&q->lane, work[n].fn, work[n].arg))
		n++;
	return n;
}

/*
 * The tasks are visible: somebody must learn of it. Also the one who ends the executor: he has
 * perhaps emptied the lanes just before. He sets the life word, fences and looks at the lanes;
 * we have pushed, np_wake() fences, and look at the life word.
 */
static void announce(struct numaperf_executor *exec, struct np_node *node, bool hard)
{
	np_wake(exec, node, hard);
	if (np_unlikely(__atomic_load_n(&exec->life, __ATOMIC_SEQ_CST) & NP_LIFE_NOW))
		np_event_signal(&exec->quiet);
}

/* The node index that ANY_NODE begins with: the caller's, or one that is near. */
static const struct np_node *start_node(struct numaperf_executor *exec, struct np_worker *self)
{
	unsigned int cpu, id;
	int index = -1;

	if (self)
		return self->node;
	if (np_sys->getcpu(&cpu, &id) >= 0)
		index = numaperf_topology_node_index(exec->topo, (int)id);
	return exec->node[index < 0 ? 0 : index];
}

/*
 * Where tasks for `node` (an id, or ANY_NODE) go: *first is tried first, and with ANY_NODE all
 * of (*first)->near in turn. *asked: the node that was asked for and has no workers, or NULL.
 */
static int choose(struct numaperf_executor *exec, struct np_worker *self, int node,
		  unsigned int flags, const struct np_node **first, struct np_node **asked)
{
	struct np_node *n;
	int index;

	*asked = NULL;
	if (node == NUMAPERF_ANY_NODE) {
		if (flags & NUMAPERF_SUBMIT_HOME)
			return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, operation,
				       "name the node",
				       "a hard-home task has no home with ANY_NODE");
		*first = start_node(exec, self);
		return 0;
	}
	index = node < 0 ? -1 : numaperf_topology_node_index(exec->topo, node);
	if (index < 0)
		return np_fail(-ENOENT, NUMAPERF_REASON_INVALID, operation, NULL,
			       "node %d is not online", node);
	n = exec->node[index];
	*first = n;
	if (n->workers)
		return 0;
	if (exec->mode != NUMAPERF_SOFT || (flags & NUMAPERF_SUBMIT_HOME))
		return np_fail(
			-NUMAPERF_EHARDMODE, NUMAPERF_REASON_NO_WORKERS, operation,
			"submit to a node with workers (numaperf_executor_nodes), or use "
			"soft mode without hard-home",
			"node %d has no workers", node);
	*asked = n;
	*first = exec->node[n->near[0]];
	return 0;
}

int np_submit(struct numaperf_executor *exec, int node, unsigned int flags,
	      const struct numaperf_work *work, size_t count, size_t *queued)
{
	struct np_worker *self = np_self();
	bool hard = flags & NUMAPERF_SUBMIT_HOME, any = node == NUMAPERF_ANY_NODE;
	const struct np_node *first = NULL;
	struct np_node *asked;
	bool waits, inside;
	size_t done = 0;
	uint64_t life;
	int err;

	*queued = 0;
	if (np_forked(exec))
		return np_fail(-EOWNERDEAD, NUMAPERF_REASON_STATE, operation,
			       "create an executor after fork()",
			       "this is a forked child, which has no workers");
	if (self && self->exec != exec)
		self = NULL;
	inside = self;
	err = choose(exec, self, node, flags, &first, &asked);
	if (err || !count)
		return err;
	waits = !(flags & NUMAPERF_SUBMIT_NOWAIT) &&
		(inside || exec->on_full == NUMAPERF_ON_FULL_BLOCK);

	life = __atomic_load_n(&exec->life, __ATOMIC_RELAXED);
	if (closed(life, inside))
		return fail_closed(life);
	life = __atomic_fetch_add(&exec->life, count, __ATOMIC_SEQ_CST);
	if (closed(life, inside)) {
		np_finish(exec, count);
		return fail_closed(life);
	}

	for (;;) {
		/* without ANY_NODE only the first round of this loop */
		for (size_t i = 0; i < first->nears && done < count; i++) {
			struct np_node *to =
				any ? exec->node[first->near[i]] : exec->node[first->index];
			size_t n =
				push(hard ? &to->home : &to->open, work + done, count - done);

			done += n;
			if (n)
				announce(exec, to, hard);
			if (!any)
				break;
		}
		if (done == count)
			break;
		if (!waits) {
			err = np_fail(-EAGAIN, NUMAPERF_REASON_FULL, operation,
				      "raise queue_capacity, or let the submitter wait",
				      "the queue is full");
			break;
		}
		struct np_node *full = exec->node[any ? first->near[0] : first->index];

		if (!np_wait_room(exec, self, hard ? &full->home : &full->open)) {
			err = fail_closed(__atomic_load_n(&exec->life, __ATOMIC_SEQ_CST));
			break;
		}
	}
	if (asked)
		__atomic_fetch_add(&asked->redirected, done, __ATOMIC_RELAXED);
	if (done < count)
		np_finish(exec, count - done);
	*queued = done;
	return err;
}

int numaperf_executor_submit_batch(struct numaperf_executor *exec, int node, unsigned int flags,
				   const struct numaperf_work *work, size_t count,
				   size_t *queued)
{
	size_t none;

	if (!queued)
		queued = &none;
	*queued = 0;
	if (flags & ~(unsigned int)(NUMAPERF_SUBMIT_HOME | NUMAPERF_SUBMIT_NOWAIT))
		return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, operation, NULL,
			       "unknown flags %#x", flags);
	for (size_t i = 0; i < count; i++)
		if (!work[i].fn)
			return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, operation, NULL,
				       "task %zu has no function", i);
	return np_submit(exec, node, flags, work, count, queued);
}

static int submit_one(struct numaperf_executor *exec, int node, unsigned int flags,
		      numaperf_task_fn fn, void *arg)
{
	const struct numaperf_work work = { fn, arg };
	size_t queued;

	if (!fn)
		return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, operation, NULL,
			       "the task has no function");
	return np_submit(exec, node, flags, &work, 1, &queued);
}

int numaperf_executor_submit_to_node(struct numaperf_executor *exec, int node,
				     numaperf_task_fn fn, void *arg)
{
	return submit_one(exec, node, 0, fn, arg);
}

int numaperf_executor_submit(struct numaperf_executor *exec, numaperf_task_fn fn, void *arg)
{
	return submit_one(exec, NUMAPERF_ANY_NODE, 0, fn, arg);
}

int numaperf_executor_submit_home(struct numaperf_executor *exec, int node, numaperf_task_fn fn,
				  void *arg)
{
	return submit_one(exec, node, NUMAPERF_SUBMIT_HOME, fn, arg);
}

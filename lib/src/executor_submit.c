// SPDX-License-Identifier: MIT
/* Submitting: to a node, to any, hard-home, in batches. */
#include "base.h"
#include "probe.h"
#include "sys.h"
#include "worker.h"

#include <errno.h>

static const char operation[] = "task submission";

static int fail_closed(uint32_t life)
{
	if (life & NP_LIFE_FAILED)
		return np_fail_died(operation);
	return np_fail(-ECANCELED, NUMAPERF_REASON_STATE, operation, NULL,
		       "the executor is shut down");
}

/* Who submits, and how. */
struct submit {
	struct numaperf_executor *exec;
	struct np_worker *self; /* a worker of this executor, or NULL */
	unsigned int lane;
	bool hard;
};

/* While a task of its own runs, an executor that drains takes more. */
static bool closed(const struct submit *s)
{
	return np_life(s->exec) & (s->self ? NP_LIFE_NOW : NP_LIFE_CLOSED);
}

static bool open_still(const void *submit)
{
	return !closed(submit);
}

/*
 * Pushes as many of the tasks as there is room for and tells of them; how many. *refused: some
 * could not be let in any more.
 *
 * Who ends the executor changes the life word, fences, and then looks at what there is. We make
 * our tasks visible, fence, and then look at the life word. So either he has seen them, or we
 * see that it has ended; then we take back what is still there, and he is told to look again.
 */
static size_t push(const struct submit *s, struct np_node *node,
		   const struct numaperf_work *work, size_t count, bool *refused)
{
	struct np_queue *q = s->hard ? &node->home : &node->open;
	size_t n, back;

	if (np_unlikely(s->lane >= s->exec->lanes)) {
		n = np_queue_push_crowd(q, work, count, open_still, s, refused);
		back = *refused;
	} else {
		n = np_lane_push(&q->lane[s->lane], work, count);
		np_queue_pushed_into(q, s->lane);
		back = np_unlikely(closed(s)) ? np_lane_retract(&q->lane[s->lane], n) : 0;
		*refused = back;
		n -= back;
	}
	if (np_unlikely(back))
		np_tell_quiet(s->exec);
	if (np_likely(n)) {
		NP_PROBE3(submit, node->id, n, s->hard);
		if (!s->hard)
			np_show(s->exec, node);
		np_wake(s->exec, node, s->hard);
	}
	return n;
}

/* The node index that ANY_NODE begins with: the caller's, or one that is near. */
static struct np_node *start_node(struct numaperf_executor *exec, struct np_worker *self)
{
	unsigned int cpu, id;
	struct np_node *n = NULL;

	if (self)
		return self->node;
	if (exec->nodes > 1 && np_sys->getcpu(&cpu, &id) >= 0)
		n = np_node_of(exec, (int)id);
	return n ? n : exec->node[0];
}

/*
 * Where tasks for `node` (an id, or ANY_NODE) go: *first is tried first, and with ANY_NODE all
 * of (*first)->near in turn. *asked: the node that was asked for and has no workers, or NULL.
 */
static int choose(struct numaperf_executor *exec, struct np_worker *self, int node,
		  unsigned int flags, struct np_node **first, struct np_node **asked)
{
	struct np_node *n;

	*asked = NULL;
	if (node == NUMAPERF_ANY_NODE) {
		if (flags & NUMAPERF_SUBMIT_HOME)
			return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, operation,
				       "name the node",
				       "a hard-home task has no home with ANY_NODE");
		*first = start_node(exec, self);
		return 0;
	}
	n = np_node_of(exec, node);
	if (np_unlikely(!n))
		return np_fail(-ENOENT, NUMAPERF_REASON_INVALID, operation, NULL,
			       "node %d is not online", node);
	*first = n;
	if (n->slots)
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

/* As many as go in now; with ANY_NODE to the nodes near `first`, nearest first. */
static size_t push_around(const struct submit *s, struct np_node *first, bool any,
			  const struct numaperf_work *work, size_t count, bool *refused)
{
	size_t done = 0;

	if (np_likely(!any || (first->slots && first->nears == 1)))
		return push(s, first, work, count, refused);
	for (size_t i = 0; i < first->nears && done < count && !*refused; i++)
		done += push(s, s->exec->node[first->near[i]], work + done, count - done,
			     refused);
	return done;
}

static int fail_full(void)
{
	return np_fail(-EAGAIN, NUMAPERF_REASON_FULL, operation,
		       "raise queue_capacity, or let the submitter wait", "the queue is full");
}

/* There was no room for some. Waits, fails, or runs them here, as was asked for. */
static int push_rest(const struct submit *s, struct np_node *first, bool any,
		     unsigned int flags, const struct numaperf_work *work, size_t count,
		     size_t *done)
{
	struct numaperf_executor *exec = s->exec;
	struct np_node *full = any ? exec->node[first->near[0]] : first;
	bool here = any && !s->self && exec->on_full == NUMAPERF_ON_FULL_INLINE;
	bool refused = false;

	if ((flags & NUMAPERF_SUBMIT_NOWAIT) ||
	    (!s->self && exec->on_full == NUMAPERF_ON_FULL_FAIL))
		return fail_full();
	while (*done < count) {
		if (here && work[*done].fn) {
			work[*done].fn(work[*done].arg);
			++*done;
		} else if (!np_wait_room(exec, s->self, s->hard ? &full->home : &full->open,
					 s->lane)) {
			return fail_closed(np_life(exec));
		}
		*done += push_around(s, first, any, work + *done, count - *done, &refused);
		if (refused)
			return fail_closed(np_life(exec));
	}
	return 0;
}

int np_submit(struct numaperf_executor *exec, int node, unsigned int flags,
	      const struct numaperf_work *work, size_t count, size_t *queued)
{
	struct submit s = {
		.exec = exec,
		.self = np_self(),
		.hard = flags & NUMAPERF_SUBMIT_HOME,
	};
	bool any = node == NUMAPERF_ANY_NODE, refused = false;
	struct np_node *first = NULL, *asked;
	size_t done;
	int err;

	*queued = 0;
	if (np_unlikely(np_forked(exec)))
		return np_fail_forked(operation);
	if (s.self && s.self->exec != exec)
		s.self = NULL;
	err = choose(exec, s.self, node, flags, &first, &asked);
	if (np_unlikely(err || !count))
		return err;
	if (np_unlikely(closed(&s)))
		return fail_closed(np_life(exec));
	s.lane = np_producer(exec);

	done = push_around(&s, first, any, work, count, &refused);
	if (np_unlikely(refused))
		err = fail_closed(np_life(exec));
	else if (np_unlikely(done < count))
		err = push_rest(&s, first, any, flags, work, count, &done);
	if (np_unlikely(asked))
		__atomic_fetch_add(&asked->redirected, done, __ATOMIC_RELAXED);
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

/*
 * The usual case of np_submit(), step by step the same: one task, a node with workers, room in
 * the caller's own lane, nothing has ended. False: it is not, and nothing has happened.
 */
static inline bool submit_usual(struct numaperf_executor *exec, int node, bool hard,
				struct numaperf_work work)
{
	const struct np_worker *self = np_self();
	struct np_queue *q;
	struct np_node *n;
	unsigned int lane;

	if (np_likely(node == NUMAPERF_ANY_NODE)) {
		if (self && self->exec == exec)
			n = self->node;
		else if (exec->nodes == 1)
			n = exec->node[0];
		else
			return false;
	} else {
		n = np_node_of(exec, node);
	}
	if (np_unlikely(!n || !n->slots || np_forked(exec) || np_life(exec)))
		return false;
	lane = np_producer(exec);
	q = hard ? &n->home : &n->open;
	if (np_unlikely(lane >= exec->lanes) || !np_lane_push_one(&q->lane[lane], work))
		return false;
	np_queue_pushed_into(q, lane);
	if (np_unlikely(np_life(exec)) && np_lane_retract(&q->lane[lane], 1)) {
		np_tell_quiet(exec);
		return false;
	}
	NP_PROBE3(submit, n->id, 1, hard);
	if (!hard)
		np_show(exec, n);
	np_wake(exec, n, hard);
	return true;
}

static int submit_one(struct numaperf_executor *exec, int node, unsigned int flags,
		      numaperf_task_fn fn, void *arg)
{
	const struct numaperf_work work = { fn, arg };
	size_t queued;

	if (np_unlikely(!fn))
		return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, operation, NULL,
			       "the task has no function");
	if (np_likely((node != NUMAPERF_ANY_NODE || !flags) &&
		      submit_usual(exec, node, flags & NUMAPERF_SUBMIT_HOME, work)))
		return 0;
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

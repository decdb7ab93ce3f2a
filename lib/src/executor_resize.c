// SPDX-License-Identifier: MIT
/* More workers on a node, or fewer, while it works. */
#include "base.h"
#include "worker.h"

#include <errno.h>

static const char operation[] = "executor resizing";

/* Those beyond `wanted` finish what they have begun, and leave. */
static void shrink(struct np_node *node, unsigned int wanted)
{
	__atomic_store_n(&node->wanted, wanted, __ATOMIC_SEQ_CST);
	for (unsigned int i = wanted; i < node->workers; i++)
		np_unpark(&node->worker[i]->parker);
	for (unsigned int i = wanted; i < node->workers; i++) {
		struct np_worker *w = node->worker[i];

		if (w->started)
			np_sys->thread_join(w->thread);
		w->started = false;
	}
}

static int grow(struct np_node *node, unsigned int wanted)
{
	unsigned int before = node->wanted;
	int err = 0;

	while (!err && node->workers < wanted)
		err = np_create_worker(node, operation);
	if (err)
		return err; /* what records there are wait for the next time */
	__atomic_store_n(&node->wanted, wanted, __ATOMIC_SEQ_CST);
	err = np_start_workers(node->worker + before, wanted - before, operation);
	if (err) {
		/* the record of the failure must survive the clearing up */
		struct numaperf_error why;

		np_error_save(&why);
		shrink(node, before);
		np_error_restore(&why);
	}
	return err;
}

static int resize(struct np_node *node, unsigned int workers)
{
	if (np_life(node->exec) & NP_LIFE_FAILED)
		return np_fail_died(operation);
	if (np_life(node->exec))
		return np_fail(-ECANCELED, NUMAPERF_REASON_STATE, operation, NULL,
			       "the executor is shut down");
	if (workers > node->wanted)
		return grow(node, workers);
	if (workers < node->wanted)
		shrink(node, workers);
	return 0;
}

int numaperf_executor_resize(struct numaperf_executor *exec, int node, unsigned int workers)
{
	struct np_worker *self = np_self();
	struct np_node *n;
	int err;

	if (np_forked(exec))
		return np_fail_forked(operation);
	if (self && self->exec == exec)
		return np_fail(-EDEADLK, NUMAPERF_REASON_STATE, operation, NULL,
			       "a worker cannot wait for itself");
	n = np_node_of(exec, node);
	if (!n)
		return np_fail(-ENOENT, NUMAPERF_REASON_INVALID, operation, NULL,
			       "node %d is not online", node);
	if (!n->slots)
		return np_fail(-NUMAPERF_EHARDMODE, NUMAPERF_REASON_NO_WORKERS, operation,
			       "create an executor for other nodes",
			       "node %d has no workers, and no queues for them", node);
	if (!workers || workers > n->slots)
		return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, operation, NULL,
			       "%u workers for node %d; 1 to %u", workers, node, n->slots);
	pthread_mutex_lock(&exec->crew_lock);
	err = resize(n, workers);
	pthread_mutex_unlock(&exec->crew_lock);
	return err;
}

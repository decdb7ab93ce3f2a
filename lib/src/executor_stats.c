// SPDX-License-Identifier: MIT
/* What the executor is, and what it did. */
#include "base.h"
#include "capability.h"
#include "worker.h"

#include <errno.h>

const char *numaperf_steal_policy_name(enum numaperf_steal_policy policy)
{
	static const char *const names[] = {
		[NUMAPERF_STEAL_LOCAL_THEN_SOCKET_THEN_REMOTE] = "LocalThenSocketThenRemote",
		[NUMAPERF_STEAL_LOCAL_ONLY] = "LocalOnly",
		[NUMAPERF_STEAL_ANY] = "Any",
	};

	return (size_t)policy < ARRAY_SIZE(names) ? names[policy] : "unknown";
}

unsigned int numaperf_executor_worker_count(const struct numaperf_executor *exec)
{
	return np_crew(&exec->workers);
}

enum numaperf_steal_policy numaperf_executor_steal_policy(const struct numaperf_executor *exec)
{
	return exec->policy;
}

enum numaperf_mode numaperf_executor_mode(const struct numaperf_executor *exec)
{
	return exec->mode;
}

void numaperf_executor_nodes(const struct numaperf_executor *exec,
			     struct numaperf_nodemask *nodes)
{
	numaperf_nodemask_zero(nodes);
	for (unsigned int i = 0; i < exec->nodes; i++)
		if (exec->node[i]->slots)
			numaperf_nodemask_set(nodes, exec->node[i]->id);
}

struct numaperf_executor *numaperf_executor_current(void)
{
	struct np_worker *w = np_self();

	return w ? w->exec : NULL;
}

int numaperf_executor_current_worker(void)
{
	const struct np_worker *w = np_self();

	return w ? (int)w->index : -1;
}

static int no_worker(const struct numaperf_executor *exec, unsigned int worker,
		     const char *operation)
{
	if (worker < np_crew(&exec->workers))
		return 0;
	return np_fail(-ENOENT, NUMAPERF_REASON_INVALID, operation, NULL,
		       "worker %u of %u does not exist", worker, np_crew(&exec->workers));
}

static int no_size(size_t sz, const char *operation)
{
	if (sz >= sizeof(size_t))
		return 0;
	return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, operation,
		       "set sz to the struct's size", "sz is %zu", sz);
}

int numaperf_executor_worker_info(const struct numaperf_executor *exec, unsigned int worker,
				  struct numaperf_worker_info *info)
{
	static const char operation[] = "worker information";
	struct numaperf_worker_info ours = { 0 };
	const struct np_worker *w;
	struct numaperf_cpuset now;
	int err = no_worker(exec, worker, operation);

	if (!err)
		err = no_size(info->sz, operation);
	if (err)
		return err;
	w = exec->worker[worker];
	/* its thread id may be another thread's by now */
	if (np_forked(exec) || __atomic_load_n(&exec->joined, __ATOMIC_ACQUIRE))
		return np_fail(-ESRCH, NUMAPERF_REASON_STATE, operation, NULL,
			       "worker %u has ended", worker);
	err = np_affinity_get(w->tid, &now);
	if (err)
		return np_fail(err, NUMAPERF_REASON_SYSTEM, operation, NULL,
			       "the affinity of worker %u (thread %d) cannot be read", worker,
			       w->tid);
	ours.node = w->node->id;
	ours.tid = w->tid;
	ours.cpus = w->node->cpus;
	ours.pinned = numaperf_cpuset_equal(&now, &ours.cpus);
	np_snapshot_write(info, info->sz, &ours, sizeof(ours));
	return 0;
}

static uint64_t get(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

static void read_worker(const struct np_worker *w, struct numaperf_worker_stats *s)
{
	s->tasks_home = get(&w->count.home) + get(&w->deque.own.run);
	s->stolen_local = get(&w->count.local);
	s->stolen_socket = get(&w->count.socket);
	s->stolen_remote = get(&w->count.remote);
	/* a sum, not a counter: so the identity holds at every moment */
	s->tasks_run = s->tasks_home + s->stolen_socket + s->stolen_remote;
	s->spawned = get(&w->deque.own.spawned);
	s->inlined = get(&w->count.inlined);
	s->parks = get(&w->count.parks);
	s->wakes = get(&w->count.wakes);
}

int numaperf_executor_worker_stats(const struct numaperf_executor *exec, unsigned int worker,
				   struct numaperf_worker_stats *stats)
{
	struct numaperf_worker_stats ours = { 0 };
	int err = no_worker(exec, worker, "worker statistics");

	if (!err)
		err = no_size(stats->sz, "worker statistics");
	if (err)
		return err;
	read_worker(exec->worker[worker], &ours);
	np_snapshot_write(stats, stats->sz, &ours, sizeof(ours));
	return 0;
}

/* The node's tasks that workers have taken and not begun. */
static uint64_t on_trays(const struct numaperf_executor *exec, const struct np_node *node)
{
	uint64_t n = 0;

	for (unsigned int i = 0; i < np_crew(&exec->workers); i++) {
		for (int hard = 0; hard < 2; hard++) {
			const struct np_tray *tray = &exec->worker[i]->tray[hard];

			if (__atomic_load_n(&tray->from, __ATOMIC_RELAXED) ==
			    (uint32_t)node->index)
				n += np_tray_length(tray);
		}
	}
	return n;
}

int numaperf_executor_node_stats(const struct numaperf_executor *exec, int node,
				 struct numaperf_node_stats *stats)
{
	struct numaperf_node_stats ours = { 0 };
	const struct np_node *n = np_node_of(exec, node);
	int err;

	if (!n)
		return np_fail(-ENOENT, NUMAPERF_REASON_INVALID, "node statistics", NULL,
			       "node %d is not online", node);
	err = no_size(stats->sz, "node statistics");
	if (err)
		return err;
	ours.node = node;
	ours.workers = np_wanted(n);
	ours.redirected = get(&n->redirected);
	if (n->slots) {
		ours.hard_home = np_queue_pushed(&n->home, exec->lanes);
		ours.submitted = np_queue_pushed(&n->open, exec->lanes) + ours.hard_home;
		ours.queued = np_queue_length(&n->open, exec->lanes) +
			      np_queue_length(&n->home, exec->lanes) + on_trays(exec, n);
	}
	for (unsigned int i = 0; i < np_crew(&n->workers); i++) {
		struct numaperf_worker_stats w;

		read_worker(n->worker[i], &w);
		ours.tasks_run += w.tasks_run;
		ours.tasks_home += w.tasks_home;
		ours.stolen_to += w.stolen_socket + w.stolen_remote;
	}
	ours.stolen_from = get(&n->stolen_from);
	ours.dropped = get(&n->dropped);
	np_snapshot_write(stats, stats->sz, &ours, sizeof(ours));
	return 0;
}

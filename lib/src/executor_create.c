// SPDX-License-Identifier: MIT
/* An executor's creation, with its proofs; what fails leaves nothing behind. */
#include "base.h"
#include "capability.h"
#include "guarantee.h"
#include "sys.h"
#include "worker.h"

#include <errno.h>
#include <linux/mempolicy.h>
#include <stdio.h>

#define CAPACITY_DEFAULT 4096u
#define CAPACITY_MAX	 (1u << 24)
#define NODE_SLOTS	 (1u << 18) /* in the lanes of one queue of a node, together: 4 MiB */
#define CREW_MIN	 64u	    /* workers of a node that there is room for, at least */
#define STACK_MIN	 65536u	    /* the gap below the thread's own frames, and some room */

static const char operation[] = "executor creation";

/* ---- fork ---- */

static int fork_hook_error;

static void after_fork_child(void)
{
	/* one thread is left, and it is nobody's worker here */
	__atomic_fetch_add(&np_forks, 1, __ATOMIC_RELAXED);
	np_set_self(NULL);
}

/* On first use: a program without executors pays nothing. */
static void hook_fork(void)
{
	fork_hook_error = pthread_atfork(NULL, NULL, after_fork_child);
}

/* ---- creation ---- */

static int check_opts(const struct numaperf_executor_opts *o)
{
	if ((unsigned int)o->steal_policy > NUMAPERF_STEAL_ANY)
		return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, operation, NULL,
			       "no such steal policy: %d", (int)o->steal_policy);
	if ((unsigned int)o->mode > NUMAPERF_STRICT_UNWITNESSED)
		return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, operation, NULL,
			       "no such mode: %d", (int)o->mode);
	if ((unsigned int)o->on_full > NUMAPERF_ON_FULL_INLINE)
		return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, operation, NULL,
			       "no such answer to a full queue: %d", (int)o->on_full);
	if (o->workers_per_node > NP_IDLE_MAX)
		return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, operation, NULL,
			       "%u workers per node; at most %d", o->workers_per_node,
			       NP_IDLE_MAX);
	if (o->queue_capacity > CAPACITY_MAX)
		return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, operation, NULL,
			       "queue capacity %u; at most %u", o->queue_capacity,
			       CAPACITY_MAX);
	if (o->realtime_priority < 0 || o->realtime_priority > 99)
		return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, operation, NULL,
			       "real-time priority %d; 1 to 99, or 0 for none",
			       o->realtime_priority);
	if (o->stack_size && o->stack_size < STACK_MIN)
		return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, operation, NULL,
			       "stack size %zu; at least %u, or 0 for the default",
			       o->stack_size, STACK_MIN);
	return 0;
}

/* Zeroed memory, on the node if the kernel lets us; its length goes to *length. */
static int map_on_node(void **out, size_t size, int node, size_t *length, const char *what)
{
	struct numaperf_nodemask mask = numaperf_nodemask_single(node);

	*length = ROUND_UP(size, np_page_size());
	if (np_sys->map(out, *length) < 0)
		return np_fail_memory(what);
	/* a wish: seccomp may refuse it, the node may have no memory */
	np_sys->mbind(*out, *length, MPOL_PREFERRED, mask.bits, ARRAY_SIZE(mask.bits), 0);
	return 0;
}

static int alloc_array(void *out, size_t count, size_t size)
{
	void *p;

	if (np_sys->alloc(&p, MAX(count, 1) * size, 0) < 0)
		return np_fail_memory(operation);
	memcpy(out, &p, sizeof(p));
	return 0;
}

static void free_node(struct np_node *node)
{
	if (!node)
		return;
	np_free(node->victim);
	np_free(node->tier);
	np_free(node->near);
	np_free(node->worker);
	np_sys->unmap(node, node->map_length);
}

void np_free_executor(struct numaperf_executor *exec)
{
	for (unsigned int i = 0; i < exec->workers; i++)
		np_sys->unmap(exec->worker[i], exec->worker[i]->map_length);
	for (unsigned int i = 0; exec->node && i < exec->nodes; i++)
		free_node(exec->node[i]);
	np_free(exec->worker);
	np_free(exec->node);
	np_free(exec->cpu_llc);
	np_free(exec->index_of);
	numaperf_topology_unref(exec->topo);
	pthread_mutex_destroy(&exec->crew_lock);
	np_free(exec);
}

/* The CPUs that this node's workers are to run on; empty: it gets none. */
static int node_cpus(const struct numaperf_executor *exec, int id,
		     const struct numaperf_nodemask *asked, struct numaperf_cpuset *cpus)
{
	bool strict = exec->mode != NUMAPERF_SOFT;
	bool all = numaperf_nodemask_empty(asked);
	int err;

	numaperf_cpuset_zero(cpus);
	if (!all && !numaperf_nodemask_test(asked, id))
		return 0;
	/* strict: what is online must be granted, so it is what the workers ask for */
	err = strict ? numaperf_topology_node_cpus(exec->topo, id, cpus)
		     : numaperf_topology_node_allowed_cpus(exec->topo, id, cpus);
	if (err || all || !numaperf_cpuset_empty(cpus))
		return err;
	if (strict)
		return np_fail(-NUMAPERF_EHARDMODE, NUMAPERF_REASON_NO_WORKERS, operation,
			       "leave the node out of the options' nodes",
			       "node %d was asked for and has no CPUs", id);
	np_log(NUMAPERF_LOG_WARNING,
	       "executor: node %d was asked for and has no CPUs that may be used: no workers",
	       id);
	return 0;
}

/* Bytes of a queue's lanes, their rings and the crowd's. */
static size_t queue_size(const struct numaperf_executor *exec)
{
	return exec->lanes * (sizeof(struct np_lane) +
			      exec->capacity * sizeof(struct numaperf_work)) +
	       exec->capacity * sizeof(struct np_mpmc_slot);
}

/* `p` is zeroed memory of that size. Rings that nobody uses cost address space only. */
static void init_queue(const struct numaperf_executor *exec, struct np_queue *q, char *p)
{
	size_t ring = exec->capacity * sizeof(struct numaperf_work);

	q->lane = (void *)p;
	p += exec->lanes * sizeof(*q->lane);
	for (unsigned int i = 0; i < exec->lanes; i++, p += ring)
		np_lane_init(&q->lane[i], (void *)p, exec->capacity);
	np_mpmc_init(&q->crowd, (void *)p, (unsigned int)__builtin_ctz(exec->capacity));
}

static int create_node(struct numaperf_executor *exec, unsigned int index,
		       const struct numaperf_executor_opts *o)
{
	int id = numaperf_topology_node_id(exec->topo, index), err;
	size_t head = ROUND_UP(sizeof(struct np_node), NP_CACHE_LINE);
	size_t queue = ROUND_UP(queue_size(exec), NP_CACHE_LINE), length;
	struct numaperf_cpuset cpus;
	unsigned int workers;
	struct np_node *node;
	void *p;

	err = node_cpus(exec, id, &o->nodes, &cpus);
	if (err)
		return err;
	workers = numaperf_cpuset_count(&cpus);
	if (workers)
		workers = o->workers_per_node ? o->workers_per_node : MIN(workers, NP_IDLE_MAX);
	err = map_on_node(&p, workers ? head + 2 * queue : head, id, &length, operation);
	if (err)
		return err;
	node = exec->node[index] = p;
	node->map_length = length;
	node->exec = exec;
	node->id = id;
	node->index = (int)index;
	node->wanted = workers;
	node->slots =
		workers ? MIN(NP_IDLE_MAX, MAX(MAX(workers, CREW_MIN),
					       4 * (unsigned int)numaperf_cpuset_count(&cpus)))
			: 0;
	node->cpus = cpus;
	node->idle.total = &exec->idle_total;
	if (workers) {
		init_queue(exec, &node->open, (char *)p + head);
		init_queue(exec, &node->home, (char *)p + head + queue);
	}
	exec->slots += node->slots;
	return 0;
}

/* Who steals from whom, and where tasks go that cannot go where they should. */
static int order_node(struct numaperf_executor *exec, struct np_node *node)
{
	struct numaperf_nodemask with_workers;
	size_t n;
	int err;

	numaperf_executor_nodes(exec, &with_workers);
	err = alloc_array(&node->victim, exec->nodes, sizeof(*node->victim));
	if (!err)
		err = alloc_array(&node->tier, exec->nodes, sizeof(*node->tier));
	if (!err)
		err = alloc_array(&node->near, exec->nodes, sizeof(*node->near));
	if (err)
		return err;
	if (node->wanted && exec->policy != NUMAPERF_STEAL_LOCAL_ONLY)
		node->victims =
			np_victim_order(exec->topo, node->id, &with_workers, node->victim);
	for (size_t i = 0; i < node->victims; i++) {
		struct np_victim *v = &node->victim[i];

		v->node = numaperf_topology_node_index(exec->topo, v->node);
		node->tier[v->node] = (uint8_t)v->tier;
		exec->abroad = true;
	}
	n = numaperf_topology_nearest(exec->topo, node->id, node->near, exec->nodes);
	for (size_t i = 0; i < MIN(n, exec->nodes); i++) {
		int index = numaperf_topology_node_index(exec->topo, node->near[i]);

		if (exec->node[index]->wanted)
			node->near[node->nears++] = index;
	}
	return 0;
}

int np_create_worker(struct np_node *node, const char *what)
{
	struct numaperf_executor *exec = node->exec;
	struct np_worker *w;
	size_t length;
	void *p;
	int err = map_on_node(&p, sizeof(*w), node->id, &length, what);

	if (err)
		return err;
	w = p;
	w->map_length = length;
	w->exec = exec;
	w->node = node;
	w->nth = node->workers;
	w->index = exec->workers;
	w->seed = (w->index + 1) * 2654435769u | 1;
	w->llc = -1;
	np_deque_init(&w->deque, 0);
	node->worker[w->nth] = exec->worker[w->index] = w;
	__atomic_store_n(&node->idle.words, w->nth / 64 + 1, __ATOMIC_RELAXED);
	/* release: the record; first of all where np_quiet() looks for what it has finished */
	__atomic_store_n(&exec->workers, w->index + 1, __ATOMIC_RELEASE);
	__atomic_store_n(&node->workers, w->nth + 1, __ATOMIC_RELEASE);
	return 0;
}

/* Which cache each CPU is behind, if that makes a difference inside any node. */
static int look_at_caches(struct numaperf_executor *exec)
{
	struct numaperf_cpuset online;
	bool several = false;

	numaperf_topology_online_cpus(exec->topo, &online);
	exec->cpu_llcs = numaperf_cpuset_last(&online) + 1;
	for (unsigned int i = 0; i < exec->nodes; i++) {
		struct np_node *node = exec->node[i];
		struct numaperf_cpu_info info = { .sz = sizeof(info) };
		int first = -1;

		NUMAPERF_CPUSET_FOR_EACH (cpu, &node->cpus) {
			if (numaperf_topology_cpu_info(exec->topo, cpu, &info))
				continue;
			if (first < 0)
				first = info.llc;
			node->several_llcs |= info.llc != first;
		}
		several |= node->several_llcs;
	}
	if (!several)
		return 0;
	if (alloc_array(&exec->cpu_llc, (size_t)exec->cpu_llcs, sizeof(*exec->cpu_llc)))
		return -ENOMEM;
	for (int cpu = 0; cpu < exec->cpu_llcs; cpu++) {
		struct numaperf_cpu_info info = { .sz = sizeof(info) };

		exec->cpu_llc[cpu] =
			numaperf_topology_cpu_info(exec->topo, cpu, &info) ? -1 : info.llc;
	}
	return 0;
}

static int index_nodes(struct numaperf_executor *exec)
{
	for (unsigned int i = 0; i < exec->nodes; i++)
		exec->ids = MAX(exec->ids, numaperf_topology_node_id(exec->topo, i) + 1);
	if (alloc_array(&exec->index_of, (size_t)exec->ids, sizeof(*exec->index_of)))
		return -ENOMEM;
	for (int id = 0; id < exec->ids; id++)
		exec->index_of[id] = (int16_t)numaperf_topology_node_index(exec->topo, id);
	return 0;
}

static int build(struct numaperf_executor *exec, const struct numaperf_executor_opts *o)
{
	int err;

	exec->capacity = 1;
	while (exec->capacity < (o->queue_capacity ? o->queue_capacity : CAPACITY_DEFAULT))
		exec->capacity *= 2;
	exec->lanes = MIN(NODE_SLOTS / exec->capacity, NP_LANES);
	NUMAPERF_NODEMASK_FOR_EACH (id, &o->nodes) {
		if (numaperf_topology_node_index(exec->topo, id) < 0)
			return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, operation, NULL,
				       "node %d was asked for and is not online", id);
	}
	exec->nodes = numaperf_topology_node_count(exec->topo);
	err = alloc_array(&exec->node, exec->nodes, sizeof(*exec->node));
	if (!err)
		err = index_nodes(exec);
	for (unsigned int i = 0; !err && i < exec->nodes; i++)
		err = create_node(exec, i, o);
	if (err)
		return err;
	if (!exec->slots)
		return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, operation,
			       "name other nodes, or widen the cpuset of the process",
			       "no node has CPUs that this process may use");
	err = alloc_array(&exec->worker, exec->slots, sizeof(*exec->worker));
	for (unsigned int i = 0; !err && i < exec->nodes; i++) {
		struct np_node *node = exec->node[i];

		if (node->slots)
			err = alloc_array(&node->worker, node->slots, sizeof(*node->worker));
		while (!err && node->workers < node->wanted)
			err = np_create_worker(node, operation);
		if (!err)
			err = order_node(exec, node);
	}
	return err ? err : look_at_caches(exec);
}

/* ---- starting ---- */

/* The worker's pin goes into the registry; who cannot be watched is not promised. */
static int promise(struct np_worker *w)
{
	struct np_guarantee g = {
		.kind = NP_GUARANTEE_CPUS,
		.mode = w->exec->mode,
		.owner = w->exec,
		.tid = w->tid,
		.cpus = w->node->cpus,
	};

	snprintf(g.label, sizeof(g.label), "worker %u (node %d)", w->index, w->node->id);
	return np_guarantee_enter(&g, &w->guarantee);
}

static void await_report(struct np_worker *w)
{
	struct np_event *event = &w->exec->quiet;
	uint32_t key;

	np_event_enter(event);
	while (key = np_event_key(event), !__atomic_load_n(&w->reported, __ATOMIC_ACQUIRE))
		np_event_wait(event, key);
	np_event_leave(event);
}

int np_start_workers(struct np_worker **worker, unsigned int n, const char *what)
{
	unsigned int started = 0;
	int err = 0;

	for (; started < n; started++) {
		struct np_worker *w = worker[started];

		w->reported = false;
		err = np_sys->thread_create(&w->thread, w->exec->thread_stack, np_worker_main,
					    w);
		if (err < 0) {
			err = np_fail(err, NUMAPERF_REASON_SYSTEM, what,
				      "raise ulimit -u or the cgroup's pids.max, or use fewer "
				      "workers",
				      "worker %u of %u could not be started", started, n);
			break;
		}
		w->started = true;
	}
	for (unsigned int i = 0; i < started; i++)
		await_report(worker[i]);
	for (unsigned int i = 0; !err && i < started; i++)
		if (worker[i]->status)
			err = np_error_restore(&worker[i]->error);
	for (unsigned int i = 0; !err && i < n && worker[i]->exec->mode != NUMAPERF_SOFT; i++)
		err = promise(worker[i]);
	return err;
}

static size_t default_stack_size(void)
{
	size_t size = 0;
	pthread_attr_t attr;

	if (!pthread_getattr_default_np(&attr)) {
		pthread_attr_getstacksize(&attr, &size);
		pthread_attr_destroy(&attr);
	}
	return size ? size : 2u << 20;
}

int numaperf_executor_create(struct numaperf_executor **out, struct numaperf_topology *topo,
			     const struct numaperf_executor_opts *opts)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	static uint32_t serial;
	struct numaperf_executor_opts o = { 0 };
	struct numaperf_executor *exec;
	void *p;
	int err;

	if (!out || !topo)
		return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, operation, NULL, "%s is NULL",
			       out ? "topo" : "exec");
	*out = NULL;
	err = np_opts_take(&o, sizeof(o), opts, operation);
	if (!err)
		err = check_opts(&o);
	if (!err)
		err = np_hard_mode_require(o.mode, operation);
	if (err)
		return err;
	pthread_once(&once, hook_fork);
	if (fork_hook_error || np_sys->alloc(&p, sizeof(*exec), NP_CACHE_LINE) < 0)
		return np_fail_memory(operation);
	exec = p;
	exec->topo = numaperf_topology_ref(topo);
	exec->policy = o.steal_policy;
	exec->mode = o.mode;
	exec->on_full = o.on_full;
	exec->realtime_priority = o.realtime_priority;
	exec->thread_stack = o.stack_size;
	exec->stack_size = o.stack_size ? o.stack_size : default_stack_size();
	exec->on_dropped = o.on_dropped;
	exec->on_dropped_ctx = o.on_dropped_ctx;
	exec->remote_budget = o.remote_steals_per_second;
	do {
		exec->serial = __atomic_add_fetch(&serial, 1, __ATOMIC_RELAXED);
	} while (!exec->serial); /* 0 is nobody's */
	exec->forks = __atomic_load_n(&np_forks, __ATOMIC_RELAXED);
	snprintf(exec->name, sizeof(exec->name), "%s", o.name ? o.name : "numaperf");
	pthread_mutex_init(&exec->crew_lock, NULL);

	err = build(exec, &o);
	if (!err)
		err = np_start_workers(exec->worker, exec->workers, operation);
	if (err) {
		/* the record of the failure must survive the clearing up */
		struct numaperf_error why;

		np_error_save(&why);
		__atomic_fetch_or(&exec->life, NP_LIFE_NOW, __ATOMIC_SEQ_CST);
		np_wake_all(exec);
		np_join_workers(exec);
		np_free_executor(exec);
		return np_error_restore(&why);
	}
	*out = exec;
	return 0;
}

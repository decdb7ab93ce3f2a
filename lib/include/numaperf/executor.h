/* SPDX-License-Identifier: MIT */
/*
 * Worker pools, one a node: tasks are submitted to a node, run by workers that are pinned
 * there, and may be stolen by other nodes only as far as the steal policy allows.
 *
 * Words: a task's *home* is the node it was submitted to (ANY_NODE: the node the library chose;
 * spawned: the node of the worker that spawned it). A *hard-home* task never runs elsewhere,
 * whatever the policy.
 *
 * Tasks run with all signals blocked, may submit, spawn and join, and must return: a task that
 * calls pthread_exit() fails its executor (waits then return -EOWNERDEAD). A C++ exception that
 * leaves a task ends in std::terminate.
 *
 * fork(): the child has no workers; every call on the executor there except _destroy returns
 * -EOWNERDEAD, and _destroy frees what the child can free without waiting.
 */
#ifndef NUMAPERF_EXECUTOR_H
#define NUMAPERF_EXECUTOR_H

#include <numaperf/base.h>
#include <numaperf/mask.h>
#include <numaperf/task.h>
#include <numaperf/topology.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Whose tasks an idle worker may take. Nearest first always means by the topology: same
 * last-level cache, same node, then by package and distance; never by node id. */
enum numaperf_steal_policy {
	/* own node, then nodes of the same package, then the others by distance, these only
	   after two fruitless rounds nearer by */
	NUMAPERF_STEAL_LOCAL_THEN_SOCKET_THEN_REMOTE = 0,
	/* own node only: a task runs at home or not at all */
	NUMAPERF_STEAL_LOCAL_ONLY = 1,
	/* any node at once, still nearest first: throughput before locality */
	NUMAPERF_STEAL_ANY = 2,
};

/* "LocalThenSocketThenRemote", "LocalOnly", "Any"; "unknown" otherwise. Static storage. */
NUMAPERF_API const char *numaperf_steal_policy_name(enum numaperf_steal_policy policy);

/* What a submit does when there is no room and the caller is no worker (a worker helps: it runs
 * queued tasks until there is room). */
enum numaperf_on_full {
	NUMAPERF_ON_FULL_BLOCK = 0,  /* waits; ANY_NODE tries the other nodes first */
	NUMAPERF_ON_FULL_FAIL = 1,   /* -EAGAIN, reason FULL */
	NUMAPERF_ON_FULL_INLINE = 2, /* ANY_NODE: the caller runs the task itself; else waits */
};

struct numaperf_executor_opts {
	size_t sz;
	enum numaperf_steal_policy steal_policy;
	enum numaperf_mode mode;
	unsigned int
		workers_per_node; /* 0: one for each CPU the process may use; at most 4096 */
	/*
	 * Tasks that may wait a node and submitting thread; 0: 4096; rounded up to a power of
	 * two; at most 2^24. Up to 64 threads have room of their own, so many that a node keeps
	 * 2^18 tasks in it; all others share room for as many again.
	 */
	unsigned int queue_capacity;
	enum numaperf_on_full on_full;
	int realtime_priority; /* SCHED_FIFO 1 .. 99 for the workers; 0: ordinary. Without
				  CAP_SYS_NICE: -NUMAPERF_EHARDMODE in any mode */
	size_t stack_size;     /* of each worker, bytes; 0: the process's default */
	const char *name;      /* prefix of the threads' names "<name>/<node>.<n>", cut to 15
				  bytes; NULL: "numaperf" */
	/* Tasks that the workers of a node together may take from nodes of other packages in a
	 * second, a tenth of them at once; 0: any number. */
	unsigned int remote_steals_per_second;
	uint32_t reserved;
	struct numaperf_nodemask nodes; /* nodes to run workers on; empty: all that have CPUs */
	/*
	 * Called once for each queued task that an immediate shutdown drops, so that its
	 * argument can be freed; on the thread that shuts down. NULL: dropped tasks are
	 * forgotten.
	 */
	void (*on_dropped)(void *ctx, numaperf_task_fn fn, void *arg);
	void *on_dropped_ctx;
};

struct numaperf_executor;

/*
 * Starts the workers and returns when every one of them has reported its own pin. Takes its
 * own reference to the topology. A node without usable CPUs (memory-only, or its CPUs outside
 * the cpuset) gets no workers in soft mode; workers run on all allowed CPUs of their node.
 * Strict asks for all online CPUs of every node (or of opts.nodes) and is refused when the
 * cpuset takes one away.
 *
 * Strict: every worker proves its own pin by reading it back, the node's online CPUs in full;
 * if one fails, or hard mode is not to be had, -NUMAPERF_EHARDMODE and nothing is left behind.
 * Soft: a pin that falls short is logged and shows in numaperf_executor_worker_info().
 *
 * -EINVAL: an option out of range or no node with usable CPUs; -E2BIG; -ENOMEM; -EAGAIN: the
 * system's limit of threads (ulimit -u, cgroup pids.max) was reached.
 */
NUMAPERF_API NUMAPERF_MUST_CHECK int
numaperf_executor_create(struct numaperf_executor **exec, struct numaperf_topology *topo,
			 const struct numaperf_executor_opts *opts);

/* Shuts down gracefully if that has not happened, and frees. NULL does nothing. No other thread
 * may be using it. From one of its own workers it does nothing but log an error. */
NUMAPERF_API void numaperf_executor_destroy(struct numaperf_executor *exec);

/*
 * From now on `workers` workers on the node. More: returns when they have reported their pins;
 * strict and not to be had: -NUMAPERF_EHARDMODE, and it stays as it was. Fewer: those that are
 * too many finish the task they run, what is queued stays for the others, and it returns when
 * they have ended. At least 1; at most 64 or four times the node's CPUs or workers_per_node,
 * whatever is most. Numbers of workers are not given anew: numaperf_executor_worker_count()
 * counts those that have left, too, whose statistics stay.
 *
 * -EDEADLK from a worker; -ECANCELED: shut down; -ENOENT, -EINVAL; -ENOMEM; -EAGAIN as
 * creation; -NUMAPERF_EHARDMODE with reason NO_WORKERS: the node has had none from the
 * beginning.
 */
NUMAPERF_API NUMAPERF_MUST_CHECK int numaperf_executor_resize(struct numaperf_executor *exec,
							      int node, unsigned int workers);

/* ---- submitting ---- */

/*
 * Queues `fn(arg)` on a node, from any thread. NUMAPERF_ANY_NODE: the caller's node if it has
 * workers and room, else the nearest that has. A node without workers: the nearest that has
 * some, counted as redirected (soft), or -NUMAPERF_EHARDMODE with reason NO_WORKERS (strict).
 * -ENOENT: no such online node; -ECANCELED: shut down; -EAGAIN: full (see numaperf_on_full);
 * -EOWNERDEAD: failed or forked. On failure the task is not queued and never runs.
 */
NUMAPERF_API NUMAPERF_MUST_CHECK int
numaperf_executor_submit_to_node(struct numaperf_executor *exec, int node, numaperf_task_fn fn,
				 void *arg);

/* To any node: numaperf_executor_submit_to_node() with NUMAPERF_ANY_NODE. */
NUMAPERF_API NUMAPERF_MUST_CHECK int numaperf_executor_submit(struct numaperf_executor *exec,
							      numaperf_task_fn fn, void *arg);

/* Hard-home: only workers of `node` ever run it, under any steal policy. ANY_NODE is -EINVAL;
 * a node without workers is -NUMAPERF_EHARDMODE in any mode. */
NUMAPERF_API NUMAPERF_MUST_CHECK int
numaperf_executor_submit_home(struct numaperf_executor *exec, int node, numaperf_task_fn fn,
			      void *arg);

struct numaperf_work {
	numaperf_task_fn fn;
	void *arg;
};

enum {
	NUMAPERF_SUBMIT_HOME = 1 << 0, /* hard-home */
	NUMAPERF_SUBMIT_NOWAIT = 1
				 << 1, /* full is -EAGAIN whatever the executor's option says */
};

/*
 * Queues `count` tasks at the cost of one wake-up decision. `queued` (may be NULL) tells how
 * many were: always a prefix of `work`, all of it on success. Errors as above.
 */
NUMAPERF_API NUMAPERF_MUST_CHECK int
numaperf_executor_submit_batch(struct numaperf_executor *exec, int node, unsigned int flags,
			       const struct numaperf_work *work, size_t count, size_t *queued);

/* ---- fork and join ---- */

/* Runs `fn(arg)` on a worker of `node` (or ANY_NODE) and waits for it and all that it spawned.
 * From a worker of this executor: at once on this worker when `node` is its own or ANY_NODE,
 * else it helps with other tasks while it waits. Errors as submitting; -ECANCELED also when an
 * immediate shutdown dropped it. */
NUMAPERF_API NUMAPERF_MUST_CHECK int
numaperf_executor_run(struct numaperf_executor *exec, int node, numaperf_task_fn fn, void *arg);

/* [begin, end) of an index range that one call of the body works on; never empty */
typedef void (*numaperf_range_fn)(void *ctx, size_t begin, size_t end);

/*
 * Covers [begin, end) with calls of `body` of at most `grain` indices (0: the library picks),
 * each index exactly once, and returns when all have returned. The range is cut into one block
 * a node in proportion to its workers, the same for the same range each time, so that a second
 * pass finds its data where the first pass touched it. Empty range: 0. From a worker or from
 * outside. Errors as numaperf_executor_run(); part of the range may then not have run.
 */
NUMAPERF_API NUMAPERF_MUST_CHECK int
numaperf_executor_parallel_for(struct numaperf_executor *exec, size_t begin, size_t end,
			       size_t grain, numaperf_range_fn body, void *ctx);

/* ---- groups ---- */

/*
 * Counts tasks that belong together, of one executor, however they are submitted; lives in the
 * caller's memory. Fields belong to the library.
 *
 *	numaperf_group_add(&g, n);	before they are submitted
 *	numaperf_group_done(&g);	by each as the last that it does with g (also for one
 *that could not be submitted, and in on_dropped) numaperf_group_wait(&g);
 *
 * When the last one is done, its memory is the waiter's again: it may be freed as soon as
 * numaperf_group_wait() has returned 0. It may be used again after that.
 */
struct numaperf_group {
	struct numaperf_executor *exec;
	uint64_t word;
};

NUMAPERF_API void numaperf_group_init(struct numaperf_group *group,
				      struct numaperf_executor *exec);

/* Any thread. The count must stay below 2^32, and not become negative. */
NUMAPERF_API void numaperf_group_add(struct numaperf_group *group, uint32_t n);
NUMAPERF_API void numaperf_group_done(struct numaperf_group *group);

/*
 * Waits until the count is 0; a worker of the executor helps with other tasks meanwhile.
 * -ECANCELED: an immediate shutdown has begun before; some of its tasks may still be running,
 * so its memory must stay until that shutdown has returned. -EOWNERDEAD: a worker died, or this
 * is a forked child.
 */
NUMAPERF_API NUMAPERF_MUST_CHECK int numaperf_group_wait(struct numaperf_group *group);

/* ---- waiting and ending ---- */

/* Waits until everything submitted before the call (and all that it submits) has run: until
 * nothing is queued or running at one moment, so others that submit all the time hold it up.
 * -EDEADLK from a worker of this executor; -ECANCELED after an immediate shutdown that dropped
 * tasks; -EOWNERDEAD: a worker died. */
NUMAPERF_API NUMAPERF_MUST_CHECK int numaperf_executor_wait(struct numaperf_executor *exec);

/*
 * Graceful: accepts nothing more from outside (-ECANCELED), runs all that is queued, including
 * what running tasks still submit, stops and joins the workers. A second call waits for the
 * first and returns 0. -EDEADLK from a worker; -EOWNERDEAD: a worker died.
 */
NUMAPERF_API NUMAPERF_MUST_CHECK int numaperf_executor_shutdown(struct numaperf_executor *exec);

/*
 * Immediate: running tasks finish, queued ones are dropped and handed to on_dropped, spawned
 * ones that have not begun make their join return -ECANCELED. `dropped` (may be NULL): how
 * many. During a graceful shutdown in another thread it cuts that one short.
 */
NUMAPERF_API NUMAPERF_MUST_CHECK int
numaperf_executor_shutdown_now(struct numaperf_executor *exec, size_t *dropped);

/* ---- what it is and what it did ---- */

/* All that there are, and those that have left after a resize: the numbers below it are
 * workers' numbers. */
NUMAPERF_API unsigned int numaperf_executor_worker_count(const struct numaperf_executor *exec);
NUMAPERF_API enum numaperf_steal_policy
numaperf_executor_steal_policy(const struct numaperf_executor *exec);
NUMAPERF_API enum numaperf_mode numaperf_executor_mode(const struct numaperf_executor *exec);

/* The nodes that have workers. */
NUMAPERF_API void numaperf_executor_nodes(const struct numaperf_executor *exec,
					  struct numaperf_nodemask *nodes);

/* The executor that the calling thread is a worker of, and which one (0 .. worker_count - 1);
 * NULL and -1 on any other thread. */
NUMAPERF_API struct numaperf_executor *numaperf_executor_current(void);
NUMAPERF_API int numaperf_executor_current_worker(void);

enum numaperf_executor_life {
	NUMAPERF_EXECUTOR_OPEN = 0,
	NUMAPERF_EXECUTOR_DRAINING = 1, /* a shutdown is under way */
	NUMAPERF_EXECUTOR_STOPPED = 2,
	NUMAPERF_EXECUTOR_FAILED = 3, /* a worker was ended by a task */
};

/* "open", "draining", "stopped", "failed"; "unknown" otherwise. Static storage. */
NUMAPERF_API const char *numaperf_executor_life_name(enum numaperf_executor_life life);

/*
 * How it is now. Workers are pinned to all CPUs of their node: one of these that goes offline
 * leaves them the others, and their pin is still held. When the last one goes the kernel lets
 * them run anywhere (cpuset_cpus_allowed_fallback(), kernel/cgroup/cpuset.c, 6.12): the pin is
 * lost, and does not come back with the CPU. Somebody may also change their affinity.
 */
struct numaperf_executor_state {
	size_t sz;
	enum numaperf_executor_life life;
	unsigned int workers;	    /* that there are */
	unsigned int pins_held;	    /* may run on all online CPUs of their node and no other */
	unsigned int pins_narrowed; /* only on some of them */
	unsigned int pins_lost;	    /* on CPUs of other nodes, too; or it cannot be read */
	unsigned int reserved;
	struct numaperf_nodemask nodes_lost; /* homes of those */
};

/* Asks the kernel for each worker's affinity. Fills min(state->sz, known) bytes. -EOWNERDEAD: a
 * forked child. */
NUMAPERF_API NUMAPERF_MUST_CHECK int
numaperf_executor_state(struct numaperf_executor *exec, struct numaperf_executor_state *state);

struct numaperf_worker_info {
	size_t sz;
	int node;
	int tid;
	bool pinned; /* exactly on `cpus` at this moment: read from the kernel */
	uint8_t reserved[7];
	struct numaperf_cpuset cpus; /* the CPUs it was pinned to */
};

/* -ENOENT: no such worker; -ESRCH: it has ended. */
NUMAPERF_API NUMAPERF_MUST_CHECK int
numaperf_executor_worker_info(const struct numaperf_executor *exec, unsigned int worker,
			      struct numaperf_worker_info *info);

/*
 * Counters since creation, also after shutdown. Each is exact; a set read while tasks run is
 * not one instant's picture. tasks_run = tasks_home + stolen_socket + stolen_remote.
 */
struct numaperf_worker_stats {
	size_t sz;
	uint64_t tasks_run;	/* by this worker, spawned ones included */
	uint64_t tasks_home;	/* of them: home is this worker's node */
	uint64_t stolen_local;	/* of these: taken from another worker of the node */
	uint64_t stolen_socket; /* home is another node of the same package */
	uint64_t stolen_remote; /* home is a node of another package */
	uint64_t spawned;	/* tasks that this worker spawned */
	uint64_t inlined;	/* of them: run at once because the deque was full */
	uint64_t parks;		/* times it went to sleep */
	uint64_t wakes;		/* times somebody woke it */
};

struct numaperf_node_stats {
	size_t sz;
	int node;
	unsigned int workers;
	uint64_t submitted;   /* queued with this home */
	uint64_t hard_home;   /* of them: hard-home */
	uint64_t redirected;  /* asked for this node, which has no workers, and queued elsewhere
			       */
	uint64_t tasks_run;   /* by this node's workers */
	uint64_t tasks_home;  /* of them: home is here */
	uint64_t stolen_from; /* home is here, run by another node */
	uint64_t stolen_to;   /* home is elsewhere, run here */
	uint64_t queued;      /* waiting now */
	uint64_t dropped;     /* by an immediate shutdown */
};

/* Fill min(stats->sz, known) bytes. -ENOENT: no such worker / no such online node. */
NUMAPERF_API NUMAPERF_MUST_CHECK int
numaperf_executor_worker_stats(const struct numaperf_executor *exec, unsigned int worker,
			       struct numaperf_worker_stats *stats);
NUMAPERF_API NUMAPERF_MUST_CHECK int
numaperf_executor_node_stats(const struct numaperf_executor *exec, int node,
			     struct numaperf_node_stats *stats);

#ifdef __cplusplus
}
#endif

#endif

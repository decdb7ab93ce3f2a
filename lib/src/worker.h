/* SPDX-License-Identifier: MIT */
/*
 * Rank 6: the executor's inside. worker.c runs on the workers: looking for tasks, running them,
 * sleeping. worker_thread.c is their beginning and end, worker_wake.c what others are told.
 * executor*.c are called by users: life cycle, submitting, fork and join, statistics.
 *
 * One executor has a node record for each online node of its topology (also for those without
 * workers: they count what was redirected) and a worker record for each worker, each in memory
 * of its own that is asked for on its node.
 */
#ifndef NP_WORKER_H
#define NP_WORKER_H

#include "deque.h"
#include "lane.h"
#include "park.h"
#include "util.h"
#include "victim.h"

#include <numaperf/executor.h>
#include <pthread.h>

struct np_worker;
struct np_node;

/* ---- life ---- */

/*
 * One word says whether the executor takes tasks and how many it has: submitted and not yet
 * finished, and submits that are under way. A submit adds first and looks at the state in what
 * it got back, so the state cannot change behind its back.
 *
 *	open		nothing set
 *	draining	graceful: from outside nothing more; workers leave when the count is 0
 *	now		immediate: nobody takes a task any more, workers leave at once
 *	failed		with now: a worker died
 */
#define NP_LIFE_COUNT  (((uint64_t)1 << 60) - 1)
#define NP_LIFE_DRAIN  ((uint64_t)1 << 60)
#define NP_LIFE_NOW    ((uint64_t)1 << 61)
#define NP_LIFE_FAILED ((uint64_t)1 << 62)
#define NP_LIFE_CLOSED (NP_LIFE_DRAIN | NP_LIFE_NOW)

/* States of a struct numaperf_task. Whoever finishes one exchanges the state and touches it no
 * more: from then on its memory is the waiter's again. */
enum {
	NP_TASK_PENDING = 1,
	NP_TASK_WAITED, /* its owner sleeps until it is finished */
	NP_TASK_DONE,
	NP_TASK_CANCELED, /* an immediate shutdown dropped it */
	NP_TASK_DEAD,	  /* the worker that ran it died */
};

/* A lane with those who wait for room in it. */
struct np_queue {
	struct np_lane lane;
	struct np_event room;
};

struct np_node {
	struct numaperf_executor *exec;
	int id, index; /* the kernel's id; place in exec->node[] */
	unsigned int workers;
	struct np_worker **worker; /* its part of exec->worker[] */
	struct np_victim *victim;  /* whom its workers may steal from, nearest first; `node` is
				      an index */
	size_t victims;
	uint8_t *tier; /* by node index: how far away that home is */
	int *near;     /* indices of nodes with workers, nearest first; itself too */
	size_t nears;
	struct numaperf_cpuset cpus; /* what its workers are pinned to */
	bool several_llcs;

	struct np_queue open; /* any node may take from it, as far as the policy goes */
	struct np_queue home; /* hard-home: only this node's workers look here */

	uint64_t redirected np_aligned; /* counters: atomic, relaxed */
	uint64_t stolen_from;
	uint64_t dropped;

	struct np_idle idle np_aligned;
	size_t map_length; /* of the block that this record stands at the start of */
};

/* Written by its worker with relaxed stores, read by anybody. */
struct np_counters {
	uint64_t home, local, socket, remote; /* tasks run; local is part of home */
	uint64_t spawned, inlined, parks, wakes;
};

/* A task that is being run, on the worker's stack; they nest when a waiting task helps. */
struct np_running {
	struct np_running *up;
	struct numaperf_task *task; /* NULL: nobody waits for it */
	bool counted;		    /* it came from a lane and is in the life word's count */
};

struct np_worker {
	/* set before its thread starts, or by its thread before it reports */
	struct numaperf_executor *exec;
	struct np_node *node;
	unsigned int index, nth; /* in the executor; in its node */
	pthread_t thread;
	bool started;
	int tid;
	int status; /* what it reported: 0 or its error */
	uint64_t guarantee;
	uintptr_t stack_limit; /* below this it helps no more */

	/* the worker's own */
	struct np_counters count np_aligned;
	struct np_running *running;
	uint32_t sent; /* tasks in lanes that it is waiting for, or has been */
	uint32_t seed;
	unsigned int fruitless; /* sweeps since it last found something */
	bool searching;
	bool odd; /* which of the node's two queues comes first: in turn */

	/* others' */
	struct np_parker parker np_aligned;
	uint32_t returned; /* tasks of its own that others have finished */
	bool dying;
	int llc; /* where it last looked for work; -1: not known */
	const struct np_queue *waits_for_room; /* or NULL */

	struct np_deque deque;
	struct numaperf_error error;
	size_t map_length;
};

#define NP_EVENTS 16 /* waiters for single tasks share these by address */

struct numaperf_executor {
	struct numaperf_topology *topo;
	enum numaperf_steal_policy policy;
	enum numaperf_mode mode;
	enum numaperf_on_full on_full;
	int realtime_priority;
	size_t stack_size;
	char name[16];
	void (*on_dropped)(void *ctx, numaperf_task_fn fn, void *arg);
	void *on_dropped_ctx;

	unsigned int nodes, workers;
	struct np_node **node;	   /* by numaperf_topology_node_index() */
	struct np_worker **worker; /* node by node */
	int *cpu_llc;		   /* by CPU id; NULL: no node has several caches */
	int cpu_llcs;

	uint32_t forks; /* np_forks at creation: another number now means a child process */

	uint64_t life np_aligned;
	struct np_event quiet; /* the count is 0, or the state has changed */
	struct np_event
		done[NP_EVENTS]; /* a task that somebody outside waits for is finished */
	uint32_t idle_total np_aligned;
	uint64_t dropped;  /* by immediate shutdowns, ever */
	uint32_t reported; /* workers that have, at creation */
	pthread_mutex_t join_lock;
	bool joined;
};

static inline uint64_t np_life(const struct numaperf_executor *exec)
{
	return __atomic_load_n(&exec->life, __ATOMIC_SEQ_CST);
}

/* Nothing is left for workers to do. */
static inline bool np_life_over(uint64_t life)
{
	return (life & NP_LIFE_NOW) || ((life & NP_LIFE_DRAIN) && !(life & NP_LIFE_COUNT));
}

static inline bool np_finished(const struct numaperf_task *task)
{
	return __atomic_load_n(&task->state, __ATOMIC_ACQUIRE) >= NP_TASK_DONE;
}

/* Where threads that are no workers wait for this task. */
static inline struct np_event *np_done_event(struct numaperf_executor *exec,
					     const struct numaperf_task *task)
{
	return &exec->done[((uintptr_t)task >> 6) % NP_EVENTS];
}

/* ---- worker_thread.c ---- */

extern uint32_t
	np_forks; /* how often this process is a child: see numaperf_executor_create() */

/* The library is linked, not loaded late by surprise: eight bytes of static TLS spare a call of
 * __tls_get_addr() on every spawn. */
extern __thread struct np_worker *np_self_worker
	__attribute__((tls_model("initial-exec"), visibility("hidden")));

/* The calling thread's worker, or NULL; also NULL in a forked child. */
static inline struct np_worker *np_self(void)
{
	return np_self_worker;
}

static inline bool np_forked(const struct numaperf_executor *exec)
{
	return exec->forks != __atomic_load_n(&np_forks, __ATOMIC_RELAXED);
}

/* The thread's function: sets up, reports, works until the executor ends. */
void *np_worker_main(void *worker);

/* ---- worker.c ---- */

/* Runs tasks until the executor ends. */
void np_work(struct np_worker *w);

/* Waits for a task that somebody else will finish: as a worker, helping, or from outside. */
void np_wait_task(struct numaperf_executor *exec, struct np_worker *w,
		  struct numaperf_task *task);

/* Waits until there is room in `q` or the executor has ended (false). */
bool np_wait_room(struct numaperf_executor *exec, struct np_worker *w, struct np_queue *q);

/* The deque's owner has been asked: publishes, and wakes somebody. */
void np_share(struct np_worker *w);

/* ---- worker_wake.c ---- */

/* Something can be taken from `node`; `hard`: only by its own workers. Fences itself. */
void np_wake(struct numaperf_executor *exec, struct np_node *node, bool hard);
void np_wake_all(struct numaperf_executor *exec);

/* `n` tasks (or submits that came to nothing) less. */
void np_finish(struct numaperf_executor *exec, uint64_t n);

/* Puts a finished task into its final state and wakes who waits for it. */
void np_resolve(struct numaperf_executor *exec, struct numaperf_task *task, uint32_t state);

/* Takes one task out of the queue and tells those who wait for room. */
bool np_queue_pop(struct numaperf_executor *exec, struct np_queue *q, numaperf_task_fn *fn,
		  void **arg);

/* The executor has ended: takes all tasks out of all lanes, resolves those that somebody waits
 * for and hands the others to on_dropped; how many there were. Any thread, several at once. */
size_t np_drain(struct numaperf_executor *exec);

/* Whatever anybody waits for: the life word has changed, they shall look again. */
void np_announce(struct numaperf_executor *exec);

/* ---- executor_create.c ---- */

void np_free_executor(struct numaperf_executor *exec);

/* ---- executor.c ---- */

/* Those that were started; they have been told to leave. */
void np_join_workers(struct numaperf_executor *exec);

/* ---- executor_submit.c ---- */

/* numaperf_executor_submit_batch() without its checks of the arguments. A work item without
 * `fn` is a struct numaperf_task in `arg` that somebody waits for. */
int np_submit(struct numaperf_executor *exec, int node, unsigned int flags,
	      const struct numaperf_work *work, size_t count, size_t *queued);

/* Single-writer counter. */
static inline void np_count(uint64_t *counter)
{
	__atomic_store_n(counter, *counter + 1, __ATOMIC_RELAXED);
}

#endif

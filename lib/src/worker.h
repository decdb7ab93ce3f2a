/* SPDX-License-Identifier: MIT */
/*
 * Rank 7: the executor's inside. worker.c runs on the workers: looking for tasks, running them,
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
#include "park.h"
#include "queue.h"
#include "tray.h"
#include "util.h"
#include "victim.h"

#include <numaperf/executor.h>
#include <pthread.h>

struct np_worker;
struct np_node;

/* ---- life ---- */

/*
 * Whether the executor takes tasks. Who submits looks before and, since somebody may have ended
 * it in between, after it has made its tasks visible; if so it takes back those that nobody has
 * taken yet (executor_submit.c).
 *
 *	open		nothing set
 *	draining	graceful: from outside nothing more
 *	over		and nothing is left: workers leave
 *	now		immediate: nobody takes a task any more, workers leave at once
 *	failed		with now: a worker died
 */
#define NP_LIFE_DRAIN  1u
#define NP_LIFE_OVER   2u
#define NP_LIFE_NOW    4u
#define NP_LIFE_FAILED 8u
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

struct np_node {
	struct numaperf_executor *exec;
	int id, index;	      /* the kernel's id; place in exec->node[] */
	unsigned int workers; /* records in worker[]; grows only, see np_crew() */
	unsigned int wanted;  /* workers beyond these shall leave */
	unsigned int slots;   /* room in worker[] */
	struct np_worker **worker;
	struct np_victim *victim; /* whom its workers may steal from, nearest first; `node` is
				     an index */
	size_t victims;
	uint8_t *tier; /* by node index: how far away that home is */
	int *near;     /* indices of nodes with workers, nearest first; itself too */
	size_t nears;
	struct numaperf_cpuset cpus; /* what its workers are pinned to */
	bool several_llcs;

	struct np_queue open; /* any node may take from it, as far as the policy goes */
	struct np_queue home; /* hard-home: only this node's workers look here */

	/* One of its workers at a time looks at remote nodes, and keeps the account of what it
	 * may take from them. */
	uint32_t scout np_aligned;
	int64_t credit;	    /* tasks */
	uint64_t credit_ns; /* as of then */

	uint64_t redirected np_aligned; /* counters: atomic, relaxed */
	uint64_t stolen_from;
	uint64_t dropped;

	struct np_idle idle np_aligned;
	size_t map_length; /* of the block that this record stands at the start of */
};

/* Written by its worker with relaxed stores, read by anybody. */
struct np_counters {
	uint64_t home, local, socket, remote; /* tasks run but for its own spawned ones; local
						 is part of home */
	uint64_t inlined, parks, wakes;
	uint64_t finished; /* of lanes' tasks; see np_quiet() */
};

/* A task that is being run, on the worker's stack; they nest when a waiting task helps. */
struct np_running {
	struct np_running *up;
	struct numaperf_task *task; /* NULL: nobody waits for it */
	bool lane; /* it came from a lane, and counts as one when it is finished */
};

struct np_worker {
	/* set before its thread starts, or by its thread before it reports */
	struct numaperf_executor *exec;
	struct np_node *node;
	unsigned int index, nth; /* in the executor; in its node */
	pthread_t thread;
	bool started;
	bool reported; /* it has set itself up, or failed to */
	int tid;
	int status; /* what it reported: 0 or its error */
	uint64_t guarantee;
	uintptr_t stack_limit; /* below this it helps no more */

	/* the worker's own */
	struct np_counters count np_aligned;
	struct np_running *running;
	uint32_t sent; /* tasks in lanes that it is waiting for, or has been */
	uint32_t seed;
	unsigned int fruitless;		  /* sweeps since it last found something */
	unsigned int short_sleeps, doubt; /* see worker_sleep.c */
	uint64_t looks_until;		  /* 0: it does not look on */
	bool patient;
	bool searching;
	bool hard_first;    /* which of the node's two queues comes first: in turn */
	bool ran;	    /* something since it last told who waits for quiet */
	unsigned int pause; /* before it looks at lanes again */
	unsigned int lane;  /* that it took from last */

	/* others' */
	struct np_parker parker np_aligned;
	uint32_t returned; /* tasks of its own that others have finished */
	bool dying;
	int llc;	       /* where it last looked for work; -1: not known */
	const void *waits_for; /* a queue's room, or a group; NULL */

	struct np_tray tray[2]; /* of open tasks, and of hard-home ones, at which only its own
				   node ever looks */
	struct np_deque deque;
	struct numaperf_error error;
	size_t map_length;
};

#define NP_NODE_WORDS ((NUMAPERF_NODES_MAX + 63) / 64)
#define NP_EVENTS     16 /* waiters for single tasks share these by address */

struct numaperf_executor {
	struct numaperf_topology *topo;
	enum numaperf_steal_policy policy;
	enum numaperf_mode mode;
	enum numaperf_on_full on_full;
	int realtime_priority;
	size_t thread_stack; /* as asked for; 0: the process's default */
	size_t stack_size;   /* in bytes */
	char name[16];
	void (*on_dropped)(void *ctx, numaperf_task_fn fn, void *arg);
	void *on_dropped_ctx;

	unsigned int nodes;
	unsigned int workers, slots; /* as in struct np_node */
	struct np_node **node;	     /* by numaperf_topology_node_index() */
	struct np_worker **worker;   /* in the order of creation */
	int *cpu_llc;		     /* by CPU id; NULL: no node has several caches */
	int cpu_llcs;

	int16_t *index_of; /* a node's index by its id, -1: not online; `ids` of them */
	int ids;
	unsigned int lanes;	    /* a queue's: producers beyond these are the crowd */
	unsigned int capacity;	    /* of a lane */
	unsigned int remote_budget; /* tasks a second and node; 0: any number */
	bool abroad;		    /* tasks may be stolen by other nodes */

	uint32_t forks;	 /* np_forks at creation: another number now means a child process */
	uint32_t serial; /* no other executor of this process has had it */
	uint32_t life;	 /* changes seldom, and every submit reads it */
	struct np_producers producers;

	/* Bit i: on node i there may be something that others can take. Set by who makes it
	 * visible, cleared by the node's own workers before they sleep: so that nobody has to
	 * look at 63 nodes that have nothing. */
	uint64_t work[NP_NODE_WORDS] np_aligned;

	/* Bit i: all workers of node i have been asked for what only they know of. Set before
	 * they are asked, cleared when one has published. */
	uint64_t asked[NP_NODE_WORDS] np_aligned;

	struct np_event quiet; /* nothing is under way any more, or the life has changed */
	struct np_event
		done[NP_EVENTS]; /* a task that somebody outside waits for is finished */
	uint32_t idle_total np_aligned;
	uint64_t dropped;	   /* by immediate shutdowns, ever */
	pthread_mutex_t crew_lock; /* of starting and joining workers */
	bool joined;
};

static inline uint32_t np_life(const struct numaperf_executor *exec)
{
	NP_STEP();
	return __atomic_load_n(&exec->life, __ATOMIC_SEQ_CST);
}

/* The node with this id; NULL: it is not online. */
static inline struct np_node *np_node_of(const struct numaperf_executor *exec, int id)
{
	int index = id >= 0 && id < exec->ids ? exec->index_of[id] : -1;

	return np_likely(index >= 0) ? exec->node[index] : NULL;
}

static inline bool np_finished(const struct numaperf_task *task)
{
	NP_STEP();
	return __atomic_load_n(&task->state, __ATOMIC_ACQUIRE) >= NP_TASK_DONE;
}

/* How many workers a node, or the executor, has ever had at once: their records stay, and may
 * be looked at, when they have left. Acquire: a record is complete before it is counted. */
static inline unsigned int np_crew(const unsigned int *workers)
{
	return __atomic_load_n(workers, __ATOMIC_ACQUIRE);
}

/* How many of them are to work. */
static inline unsigned int np_wanted(const struct np_node *node)
{
	return __atomic_load_n(&node->wanted, __ATOMIC_RELAXED);
}

/* Where threads that are no workers wait for this task or group. */
static inline struct np_event *np_done_event(struct numaperf_executor *exec,
					     const void *task_or_group)
{
	return &exec->done[((uintptr_t)task_or_group >> 6) % NP_EVENTS];
}

/* ---- worker_thread.c ---- */

extern uint32_t
	np_forks; /* how often this process is a child: see numaperf_executor_create() */

/* Whose deque it is; NULL: nobody's. */
static inline struct np_worker *np_worker_of(void *own)
{
	return own ? (void *)((char *)own - offsetof(struct np_worker, deque.own)) : NULL;
}

/* The calling thread's worker, or NULL; also NULL in a forked child. */
static inline struct np_worker *np_self(void)
{
	return np_worker_of(numaperf_deque_1);
}

static inline void np_set_self(struct np_worker *w)
{
	numaperf_deque_1 = w ? &w->deque.own : NULL;
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

/* ---- worker_find.c ---- */

struct np_item {
	numaperf_task_fn fn; /* NULL: `task` is waited for */
	void *arg;
	struct numaperf_task *task;
	unsigned int from;  /* the index of its home */
	bool lane;	    /* out of a lane, not out of a deque */
	bool stolen;	    /* from another worker */
	unsigned int taken; /* how many tasks were taken together, this one with them */
};

/*
 * One sweep. A worker that waits for a task looks at deques first: there are the parts of what
 * it waits for. Other nodes only as far as the policy goes; never at their hard-home tasks.
 */
bool np_find(struct np_worker *w, struct np_item *it, bool waiting);

/* ---- worker_sleep.c ---- */

/* After a sweep that has found nothing: whether to make another (np_search), or to sleep. */
bool np_looks_on(struct np_worker *w);

/* Says that this worker searches, and lets a moment pass. */
void np_search(struct np_worker *w);

/*
 * Ends this worker's search, successful or not. As long as somebody of the node searches,
 * nobody else is woken for its work; so the last one that stops looks for what has come in
 * meanwhile. (Who sleeps after it looks himself.)
 */
void np_stop_searching(struct np_worker *w);

/*
 * Sleeps until somebody claims this worker for work, or leaves a token for another reason; not
 * at all if there is work or `enough` says that waiting is over.
 */
void np_sleep_idle(struct np_worker *w, bool (*enough)(struct np_worker *, const void *),
		   const void *arg);

/* Whether a sweep could find something, once it has been fruitless often enough. */
bool np_anything(struct np_worker *w);

/* Wakes others for what is still there to be taken, in the name of one who searched. */
void np_pass_on(struct np_worker *w);

/* Before sleeping: this node is not said to have work if it has none, and whoever could give
 * some away has been asked for it. */
void np_retire(struct np_worker *w);

/* A worker of the node has published something: it can be asked anew. */
void np_forget_asking(struct np_node *node);

/* Waits for a task that somebody else will finish: as a worker, helping, or from outside. */
void np_wait_task(struct numaperf_executor *exec, struct np_worker *w,
		  struct numaperf_task *task);

/* Waits until there is room in `q` or the executor has ended (false). */
bool np_wait_room(struct numaperf_executor *exec, struct np_worker *w, struct np_queue *q,
		  unsigned int producer);

/* As worker `w`, until the group's count is 0 or an immediate shutdown has begun. */
#define NP_GROUP_WAITED ((uint64_t)1 << 32)
static inline uint32_t np_group_count(const struct numaperf_group *g)
{
	NP_STEP();
	return (uint32_t)__atomic_load_n(&g->word, __ATOMIC_SEQ_CST);
}
void np_wait_group(struct np_worker *w, struct numaperf_group *g);

/* The deque's owner has been asked: publishes, and wakes somebody. */
void np_share(struct np_worker *w);

/* ---- worker_wake.c ---- */

void np_wake_idle(struct numaperf_executor *exec, struct np_node *node, bool hard);

/*
 * Something has become visible on `node`, and then the caller has fenced: wakes somebody who
 * can take it. `hard`: only one of its own workers. The caller's fence lies between what it
 * made visible and the looks at who is idle; np_idle_enter() has its counterpart.
 */
static inline void np_wake(struct numaperf_executor *exec, struct np_node *node, bool hard)
{
	if (np_unlikely(__atomic_load_n(&exec->idle_total, __ATOMIC_SEQ_CST)))
		np_wake_idle(exec, node, hard);
}

/* Before that: other nodes shall look there. */
static inline void np_show(struct numaperf_executor *exec, const struct np_node *node)
{
	uint64_t *word = &exec->work[node->index / 64], bit = (uint64_t)1 << node->index % 64;

	if (!exec->abroad || np_likely(__atomic_load_n(word, __ATOMIC_RELAXED) & bit))
		return;
	__atomic_fetch_or(word, bit, __ATOMIC_SEQ_CST);
	np_fence();
}

void np_wake_all(struct numaperf_executor *exec);

/* The workers that have named this as what they wait for. */
void np_unpark_waiting(struct numaperf_executor *exec, const void *what);

/* The life word says `now`: tasks that are spawned and not begun shall not begin. */
void np_stop_spawned(struct numaperf_executor *exec);

/*
 * Whether no task out of a lane is waiting or running: this was so at one moment between call
 * and return. Who has finished a task, or taken one back, and wants somebody who waits for it
 * to know, must call np_tell_quiet().
 */
bool np_quiet(const struct numaperf_executor *exec);
void np_tell_quiet(struct numaperf_executor *exec);

/* Puts a finished task into its final state and wakes who waits for it. */
void np_resolve(struct numaperf_executor *exec, struct numaperf_task *task, uint32_t state);

/* Takes up to `max` tasks out of a lane of the queue, the next in turn, and tells those who
 * wait for room there. */
size_t np_take(struct numaperf_executor *exec, struct np_queue *q, struct numaperf_work *work,
	       size_t max, unsigned int *lane);

/* The executor has ended: takes all tasks out of all lanes, resolves those that somebody waits
 * for and hands the others to on_dropped; how many there were. Any thread, several at once. */
size_t np_drain(struct numaperf_executor *exec);

/* Whatever anybody waits for: the life word has changed, they shall look again. */
void np_announce(struct numaperf_executor *exec);

/* ---- executor_producer.c ---- */

/* What this thread found last, by the executor's serial, which no other executor has ever had.
 */
#define NP_FOUND 4
extern __thread struct np_found {
	uint32_t serial, number, left;
} np_found[NP_FOUND] __attribute__((tls_model("initial-exec"), visibility("hidden")));

unsigned int np_producer_find(struct numaperf_executor *exec);

/* The calling thread's number among those that submit to this executor; at least exec->lanes:
 * it has no lane of its own. */
static inline unsigned int np_producer(struct numaperf_executor *exec)
{
	const struct np_found *f = &np_found[exec->serial % NP_FOUND];

	if (np_likely(f->serial == exec->serial && f->number < exec->lanes))
		return f->number;
	return np_producer_find(exec);
}

/* ---- executor_create.c ---- */

void np_free_executor(struct numaperf_executor *exec);

/* One more worker of the node: its record. */
int np_create_worker(struct np_node *node, const char *operation);

/* Starts these workers' threads, hears all their reports, and promises their pins. On failure
 * those that have started are still to be joined. */
int np_start_workers(struct np_worker **worker, unsigned int n, const char *operation);

/* ---- executor.c ---- */

/* The two ends that no call survives: -EOWNERDEAD, with its record. */
int np_fail_forked(const char *operation);
int np_fail_died(const char *operation);

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

// SPDX-License-Identifier: MIT
/*
 * Threads on CPUs. sched_setaffinity(2) takes what the cpuset and the online CPUs leave of the
 * mask and says nothing: what was granted is known by reading it back. What is missing needs no
 * guessing either: a CPU that exists and is online, and was not granted, is outside the cpuset.
 */
#include "affinity.h"
#include "base.h"
#include "capability.h"
#include "guarantee.h"
#include "sys.h"
#include "util.h"

#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>

#ifndef SCHED_RESET_ON_FORK
# define SCHED_RESET_ON_FORK 0x40000000
#endif

/*
 * How many pins are in force on this thread. Within a pin the thread is not free, even when the
 * pin happens to allow all that the cpuset does, and it must not be widened for a look.
 */
static _Thread_local unsigned int held;

int numaperf_current_cpu(void)
{
	unsigned int cpu, node;
	int r = np_sys->getcpu(&cpu, &node);

	return r < 0 ? r : (int)cpu;
}

int numaperf_current_node(void)
{
	unsigned int cpu, node;
	int r = np_sys->getcpu(&cpu, &node);

	return r < 0 ? r : (int)node;
}

/* ---- saying why ---- */

/* Appends, and is content with what fits. */
static void add(char *text, size_t size, const char *fmt, ...) NUMAPERF_PRINTF(3, 4);

static void add(char *text, size_t size, const char *fmt, ...)
{
	size_t len = strlen(text);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text + len, size - len, fmt, ap);
	va_end(ap);
}

#define LIST_SIZE 72 /* six of them and the words between fit into numaperf_error.reason */

static const char *list(const struct numaperf_cpuset *cpus, char *buf)
{
	if (numaperf_cpuset_empty(cpus))
		return "none";
	if (numaperf_cpuset_format(cpus, buf, LIST_SIZE) >= LIST_SIZE)
		strcpy(buf + LIST_SIZE - 4, "...");
	return buf;
}

struct shortfall {
	char why[4 * (LIST_SIZE + 32)];
	char remedy[384];
	bool cpuset_alone; /* every missing CPU is outside the cpuset */
};

/* Takes those of `missing` that are in `kind` and says of them what they are. */
static void take(struct shortfall *s, struct numaperf_cpuset *missing,
		 const struct numaperf_cpuset *kind, const char *one, const char *many,
		 const char *remedy)
{
	struct numaperf_cpuset these;
	char buf[LIST_SIZE];

	numaperf_cpuset_and(&these, missing, kind);
	if (numaperf_cpuset_empty(&these))
		return;
	numaperf_cpuset_andnot(missing, missing, &these);
	add(s->why, sizeof(s->why), "; %s %s", list(&these, buf),
	    numaperf_cpuset_count(&these) == 1 ? one : many);
	add(s->remedy, sizeof(s->remedy), "%s%s", s->remedy[0] ? "; " : "", remedy);
}

static void explain(struct shortfall *s, const struct numaperf_cpuset *asked,
		    const struct numaperf_cpuset *granted)
{
	struct numaperf_cpuset missing, known, kind;
	int root = np_sys->open_root(NULL), r;

	memset(s, 0, sizeof(*s));
	numaperf_cpuset_andnot(&missing, asked, granted);

	r = np_cpus_from_file(root, "sys/devices/system/cpu/possible", &known);
	if (!r && !numaperf_cpuset_empty(&known)) {
		numaperf_cpuset_andnot(&kind, &missing, &known);
		take(s, &missing, &kind, "does not exist", "do not exist",
		     "ask for CPUs that exist (see `numaperf topology`)");
	}
	r = np_cpus_from_file(root, "sys/devices/system/cpu/online", &known);
	if (!r && !numaperf_cpuset_empty(&known)) {
		numaperf_cpuset_andnot(&kind, &missing, &known);
		take(s, &missing, &kind, "is offline", "are offline",
		     "bring them online (echo 1 > /sys/devices/system/cpu/cpuN/online)");
		np_cpus_from_file(root, "sys/devices/system/cpu/isolated", &kind);
		take(s, &missing, &kind, "is isolated", "are isolated",
		     "free them of isolation (isolcpus=, isolated cpuset partitions)");
		s->cpuset_alone = !s->why[0] && !numaperf_cpuset_empty(&missing);
		kind = missing;
		take(s, &missing, &kind, "is outside the cpuset", "are outside the cpuset",
		     "ask for CPUs that the cpuset allows, or widen it (cpuset.cpus of the "
		     "cgroup)");
	}
	if (root >= 0)
		np_sys->close(root);
}

static int refuse(const char *operation, enum numaperf_mode mode,
		  const struct numaperf_cpuset *asked, const struct numaperf_cpuset *granted)
{
	char a[LIST_SIZE], g[LIST_SIZE];
	struct shortfall s;

	explain(&s, asked, granted);
	return np_fail(mode == NUMAPERF_SOFT ? -EINVAL : -NUMAPERF_EHARDMODE,
		       s.cpuset_alone ? NUMAPERF_REASON_CPUSET : NUMAPERF_REASON_AFFINITY,
		       operation, s.remedy,
		       "affinity not fully applied (asked for %s, granted %s%s)",
		       list(asked, a), list(granted, g), s.why);
}

/* The call itself was refused. For an own thread the kernel never does so for privilege. */
static int refused_call(const char *operation, enum numaperf_mode mode, int err,
			const char *call)
{
	bool filter = (err == -EPERM || err == -ENOSYS || err == -EACCES) &&
		      np_sys->seccomp_mode() == 2;

	if (filter)
		return np_fail(mode == NUMAPERF_SOFT ? err : -NUMAPERF_EHARDMODE,
			       NUMAPERF_REASON_SECCOMP, operation,
			       "allow sched_setaffinity and sched_getaffinity in the filter",
			       "affinity not fully applied (%s is refused by a seccomp filter)",
			       call);
	return np_fail(err, err == -ENOMEM ? NUMAPERF_REASON_NO_MEMORY : NUMAPERF_REASON_SYSTEM,
		       operation, NULL, "affinity not fully applied (%s failed)", call);
}

/* ---- setting and proving ---- */

static int apply(const char *operation, const struct numaperf_cpuset *cpus,
		 enum numaperf_mode mode, bool quiet, struct numaperf_cpuset *granted)
{
	int r = np_affinity_set(0, cpus);

	numaperf_cpuset_zero(granted);
	if (r == -EINVAL) /* nothing is left of it */
		return refuse(operation, mode, cpus, granted);
	if (r < 0)
		return refused_call(operation, mode, r, "sched_setaffinity");
	r = np_affinity_get(0, granted);
	if (r < 0)
		return refused_call(operation, mode, r, "sched_getaffinity");
	if (numaperf_cpuset_equal(granted, cpus))
		return 0;
	if (mode != NUMAPERF_SOFT || numaperf_cpuset_empty(granted))
		return refuse(operation, mode, cpus, granted);
	if (!quiet) {
		char a[LIST_SIZE], g[LIST_SIZE];
		struct shortfall s;

		explain(&s, cpus, granted);
		np_log(NUMAPERF_LOG_WARNING,
		       "%s: affinity not fully applied (asked for %s, granted %s%s)", operation,
		       list(cpus, a), list(granted, g), s.why);
	}
	return 0;
}

int np_affinity_pin(const char *operation, const struct numaperf_cpuset *cpus,
		    enum numaperf_mode mode, bool quiet, struct numaperf_cpuset *granted)
{
	int err = apply(operation, cpus, mode, quiet, granted);

	if (!err)
		held++;
	return err;
}

int np_affinity_recheck(const char *operation, int tid, const struct numaperf_cpuset *granted,
			enum numaperf_mode mode)
{
	struct numaperf_cpuset now;
	char g[LIST_SIZE], n[LIST_SIZE];
	struct shortfall s;
	int r = np_affinity_get(tid, &now);

	if (r == -ESRCH)
		return np_fail(-ESRCH, NUMAPERF_REASON_STATE, operation, NULL,
			       "thread %d is gone", tid);
	if (r < 0)
		return refused_call(operation, mode, r, "sched_getaffinity");
	if (numaperf_cpuset_equal(&now, granted))
		return 0;
	explain(&s, granted, &now);
	return np_fail(mode == NUMAPERF_SOFT ? -ESTALE : -NUMAPERF_EHARDMODE,
		       NUMAPERF_REASON_AFFINITY, operation, s.remedy,
		       "affinity not fully applied any more (granted %s, now %s%s)",
		       list(granted, g), list(&now, n), s.why);
}

int np_realtime_set(const char *operation, int priority)
{
	int now = 0, policy, r;

	if (!priority) {
		policy = np_sys->get_scheduler(0, &now);
		if (policy < 0)
			return np_fail(policy, NUMAPERF_REASON_SYSTEM, operation, NULL,
				       "the scheduling class cannot be read");
		policy &= ~SCHED_RESET_ON_FORK;
		if (policy != SCHED_FIFO && policy != SCHED_RR)
			return 0;
		r = np_sys->set_scheduler(0, SCHED_OTHER, 0);
		return r < 0 ? np_fail(r, NUMAPERF_REASON_SYSTEM, operation, NULL,
				       "the real-time priority inherited cannot be put down")
			     : 0;
	}
	r = np_sys->set_scheduler(0, SCHED_FIFO, priority);
	if (r == -EPERM && !np_capable(CAP_SYS_NICE))
		return np_fail(-NUMAPERF_EHARDMODE, NUMAPERF_REASON_PERMISSION, operation,
			       "run as root, or: setcap cap_sys_nice+ep PROGRAM, or raise "
			       "RLIMIT_RTPRIO",
			       "permission denied (CAP_SYS_NICE is missing)");
	if ((r == -EPERM || r == -ENOSYS || r == -EACCES) && np_sys->seccomp_mode() == 2)
		return np_fail(-NUMAPERF_EHARDMODE, NUMAPERF_REASON_SECCOMP, operation,
			       "allow sched_setscheduler in the filter",
			       "SCHED_FIFO is refused by a seccomp filter");
	if (r == -EPERM) /* sched_setscheduler() with CONFIG_RT_GROUP_SCHED */
		return np_fail(-NUMAPERF_EHARDMODE, NUMAPERF_REASON_PERMISSION, operation,
			       "give the cgroup a real-time budget (cpu.rt_runtime_us)",
			       "permission denied (SCHED_FIFO is refused in this cgroup)");
	if (r < 0)
		return np_fail(r, NUMAPERF_REASON_SYSTEM, operation, NULL,
			       "SCHED_FIFO priority %d cannot be set", priority);
	r = np_sys->get_scheduler(0, &now);
	if (r < 0 || (r & ~SCHED_RESET_ON_FORK) != SCHED_FIFO || now != priority)
		return np_fail(r < 0 ? r : -NUMAPERF_EHARDMODE, NUMAPERF_REASON_SYSTEM,
			       operation, NULL, "SCHED_FIFO priority %d was not taken on",
			       priority);
	return 0;
}

/* ---- pins ---- */

/*
 * What a thread is to go back to. A thread that may use all that its cpuset allows was never
 * pinned: going back to that very mask would pin it (since Linux 6.2 the kernel remembers what
 * was asked for, so CPUs that the cpuset gains later would not count). It goes back to asking
 * for everything. With isolcpus= a thread is born on all CPUs but the isolated ones: the same.
 *
 * The only way to know is to ask for everything and to look. That is done where the affinity is
 * about to be changed anyway, and never within a pin. Fails without a change.
 */
static int find_way_back(const char *operation, enum numaperf_mode mode,
			 struct numaperf_cpuset *before)
{
	struct numaperf_cpuset all, isolated, allowed, free_ones;
	int root, r = np_affinity_get(0, before);

	if (r < 0)
		return refused_call(operation, mode, r, "sched_getaffinity");
	if (held)
		return 0;
	numaperf_cpuset_fill_below(&all, NUMAPERF_CPUS_MAX);
	r = np_affinity_set(0, &all);
	if (r < 0)
		return refused_call(operation, mode, r, "sched_setaffinity");
	r = np_affinity_get(0, &allowed);
	if (r < 0) {
		np_affinity_set(0, before);
		return refused_call(operation, mode, r, "sched_getaffinity");
	}
	if (numaperf_cpuset_equal(before, &allowed)) {
		*before = all;
		return 0;
	}
	root = np_sys->open_root(NULL);
	np_cpus_from_file(root, "sys/devices/system/cpu/isolated", &isolated);
	if (root >= 0)
		np_sys->close(root);
	numaperf_cpuset_andnot(&free_ones, &allowed, &isolated);
	if (numaperf_cpuset_equal(before, &free_ones))
		numaperf_cpuset_andnot(before, &all, &isolated);
	return 0;
}

/* If nothing of it is allowed any more, everything that is. */
static int go_back(const struct numaperf_cpuset *before)
{
	struct numaperf_cpuset all;
	int r = np_affinity_set(0, before);

	if (r != -EINVAL)
		return r;
	numaperf_cpuset_fill_below(&all, NUMAPERF_CPUS_MAX);
	return np_affinity_set(0, &all);
}

static int promise(const void *owner, const char *label, enum numaperf_mode mode, int tid,
		   const struct numaperf_cpuset *cpus, uint64_t *id)
{
	struct np_guarantee g = {
		.kind = NP_GUARANTEE_CPUS,
		.mode = mode,
		.owner = owner,
		.tid = tid,
		.cpus = *cpus,
	};

	if (mode == NUMAPERF_SOFT)
		return 0;
	snprintf(g.label, sizeof(g.label), "%s", label);
	return np_guarantee_enter(&g, id);
}

static int pin(const char *operation, struct numaperf_pin *pin_,
	       const struct numaperf_cpuset *cpus, enum numaperf_mode mode, bool quiet)
{
	struct numaperf_pin p = { .mode = mode };
	char label[32];
	int err;

	p.cpus = *cpus;
	p.tid = np_gettid();
	err = find_way_back(operation, mode, &p.before);
	if (err)
		return err;
	err = apply(operation, cpus, mode, quiet, &p.granted);
	if (!err) {
		snprintf(label, sizeof(label), "pin of thread %d", p.tid);
		err = promise(pin_, label, mode, p.tid, &p.granted, &p.guarantee);
	}
	if (err) {
		go_back(&p.before);
		return err;
	}
	held++;
	*pin_ = p;
	return 0;
}

static int check_arguments(const char *operation, struct numaperf_pin *pin_,
			   enum numaperf_mode mode)
{
	if (!pin_)
		return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, operation, NULL,
			       "there is no pin to fill");
	memset(pin_, 0, sizeof(*pin_));
	return np_hard_mode_require(mode, operation);
}

static int no_cpus(const char *operation)
{
	return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, operation, NULL,
		       "the set of CPUs is empty");
}

int numaperf_pin_thread(struct numaperf_pin *pin_, const struct numaperf_cpuset *cpus,
			enum numaperf_mode mode)
{
	static const char operation[] = "thread pin";
	int err = check_arguments(operation, pin_, mode);

	if (err)
		return err;
	if (!cpus || numaperf_cpuset_empty(cpus))
		return no_cpus(operation);
	return pin(operation, pin_, cpus, mode, false);
}

/*
 * All online CPUs of the node. Soft, isolated ones are left out unless there are no others: the
 * scheduler balances nothing onto or off them, so a thread that lands on one stays there.
 */
static int node_cpus(const char *operation, const struct numaperf_topology *topo, int node,
		     enum numaperf_mode mode, struct numaperf_cpuset *cpus)
{
	struct numaperf_cpuset isolated, ordinary;

	if (!topo)
		return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, operation, NULL,
			       "there is no topology to find node %d in", node);
	if (numaperf_topology_node_cpus(topo, node, cpus))
		return np_fail(-ENOENT, NUMAPERF_REASON_INVALID, operation,
			       "see `numaperf topology`", "node %d is not online", node);
	if (numaperf_cpuset_empty(cpus))
		return np_fail(mode == NUMAPERF_SOFT ? -ENODEV : -NUMAPERF_EHARDMODE,
			       NUMAPERF_REASON_AFFINITY, operation,
			       "choose a node with CPUs (see `numaperf topology`)",
			       "affinity not fully applied (node %d has no online CPU)", node);
	numaperf_topology_isolated_cpus(topo, &isolated);
	numaperf_cpuset_andnot(&ordinary, cpus, &isolated);
	if (mode == NUMAPERF_SOFT && !numaperf_cpuset_empty(&ordinary))
		*cpus = ordinary;
	return 0;
}

int numaperf_pin_thread_to_node(struct numaperf_pin *pin_, const struct numaperf_topology *topo,
				int node, enum numaperf_mode mode)
{
	static const char operation[] = "thread pin to a node";
	struct numaperf_cpuset cpus;
	int err = check_arguments(operation, pin_, mode);

	if (err)
		return err;
	err = node_cpus(operation, topo, node, mode, &cpus);
	if (err)
		return err;
	/* not against the snapshot's allowed CPUs: the cpuset may have changed since */
	return pin(operation, pin_, &cpus, mode, true);
}

int numaperf_pin_check(const struct numaperf_pin *pin_)
{
	static const char operation[] = "pin check";

	if (!pin_ || !pin_->tid)
		return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, operation, NULL,
			       "the pin is not in force");
	return np_affinity_recheck(operation, pin_->tid, &pin_->granted, pin_->mode);
}

int numaperf_pin_release(struct numaperf_pin *pin_)
{
	static const char operation[] = "pin release";
	int err, r;

	if (!pin_ || !pin_->tid)
		return 0;
	if (pin_->tid != np_gettid())
		return np_fail(-EPERM, NUMAPERF_REASON_STATE, operation,
			       "release it where it was made", "the pin holds thread %d",
			       pin_->tid);
	err = np_affinity_recheck(operation, pin_->tid, &pin_->granted, pin_->mode);
	/* the promise ends first: what follows is no violation of it */
	np_guarantee_leave(pin_->guarantee);
	r = go_back(&pin_->before);
	memset(pin_, 0, sizeof(*pin_));
	if (held)
		held--;
	if (r < 0 && !err)
		err = refused_call(operation, NUMAPERF_SOFT, r, "sched_setaffinity");
	return err;
}

/* ---- threads born pinned ---- */

enum thread_state {
	STARTING = 0,
	RUNNING, /* pinned, proved, promised */
	FAILED,	 /* `error` says why; `fn` was never called */
	DONE,	 /* `fn` has returned, `result` and `error` say whether the pin held */
};

struct numaperf_thread {
	uint32_t state; /* a futex word; what is written before it is read after it */
	int tid, pid;
	pthread_t thread;
	void (*fn)(void *arg);
	void *arg;
	enum numaperf_mode mode;
	int realtime_priority;
	bool quiet;
	char name[16];
	struct numaperf_cpuset cpus, granted;
	uint64_t guarantee;
	int result;
	struct numaperf_error error;
};

static const char thread_operation[] = "pinned thread";

static void set_state(struct numaperf_thread *t, enum thread_state state)
{
	__atomic_store_n(&t->state, state, __ATOMIC_RELEASE);
	np_sys->futex_wake(&t->state, 1);
}

static enum thread_state get_state(const struct numaperf_thread *t)
{
	return __atomic_load_n(&t->state, __ATOMIC_ACQUIRE);
}

static int settle(struct numaperf_thread *t)
{
	int err;

	t->tid = np_gettid();
	if (t->name[0])
		np_sys->set_thread_name(t->name); /* for people only: worth no failure */
	err = np_affinity_pin(thread_operation, &t->cpus, t->mode, t->quiet, &t->granted);
	if (!err)
		err = np_realtime_set(thread_operation, t->realtime_priority);
	if (!err)
		err = promise(t, t->name[0] ? t->name : thread_operation, t->mode, t->tid,
			      &t->granted, &t->guarantee);
	return err;
}

/* Also after pthread_exit() or a cancellation in `fn`. */
static void finish(void *arg)
{
	struct numaperf_thread *t = arg;

	t->result = np_affinity_recheck(thread_operation, t->tid, &t->granted, t->mode);
	if (t->result)
		np_error_save(&t->error);
	np_guarantee_leave(t->guarantee);
	/* nobody sleeps on it any more, and the joiner must not be raced for the memory: it
	 * waits for the thread itself */
	__atomic_store_n(&t->state, DONE, __ATOMIC_RELEASE);
}

static void *run(void *arg)
{
	struct numaperf_thread *t = arg;

	if (settle(t)) {
		np_error_save(&t->error);
		set_state(t, FAILED);
		return NULL;
	}
	pthread_cleanup_push(finish, t);
	set_state(t, RUNNING);
	t->fn(t->arg);
	pthread_cleanup_pop(1);
	return NULL;
}

static int start(struct numaperf_thread *t, size_t stack_size)
{
	int r = np_sys->thread_create(&t->thread, stack_size, run, t);

	if (r == -EINVAL && stack_size)
		return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, thread_operation,
			       "ask for at least 64 KiB", "a stack of %zu bytes is too small",
			       stack_size);
	if (r < 0)
		return np_fail(r, NUMAPERF_REASON_SYSTEM, thread_operation,
			       r == -EAGAIN ? "raise the limit on threads (ulimit -u, "
					      "pids.max of the cgroup)"
					    : NULL,
			       "the thread cannot be started");
	while (get_state(t) == STARTING)
		np_sys->futex_wait(&t->state, STARTING, -1);
	if (get_state(t) != FAILED)
		return 0;
	np_sys->thread_join(t->thread);
	return np_error_restore(&t->error);
}

/* Which CPUs the options mean. */
static int choose_cpus(struct numaperf_thread *t, const struct numaperf_topology *topo,
		       const struct numaperf_thread_opts *o)
{
	int node = o->node;

	if (o->cpus) {
		t->cpus = *o->cpus;
		return numaperf_cpuset_empty(&t->cpus) ? no_cpus(thread_operation) : 0;
	}
	t->quiet = true;
	if (node == NUMAPERF_ANY_NODE) /* where its creator is: it has what he touched */
		node = numaperf_current_node();
	return node_cpus(thread_operation, topo, node, t->mode, &t->cpus);
}

_Static_assert(sizeof(struct numaperf_thread_opts) == 2 * sizeof(size_t) + 2 * sizeof(void *) +
							      sizeof(enum numaperf_mode) +
							      3 * sizeof(int),
	       "no padding");

int numaperf_thread_create(struct numaperf_thread **thread,
			   const struct numaperf_topology *topo,
			   const struct numaperf_thread_opts *opts, void (*fn)(void *arg),
			   void *arg)
{
	struct numaperf_thread_opts o = { 0 };
	struct numaperf_thread *t;
	void *p = NULL;
	int err;

	if (!thread || !fn)
		return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, thread_operation, NULL,
			       "there is no %s", thread ? "function to run" : "thread to fill");
	*thread = NULL;
	if (opts && !np_opts_read(&o, sizeof(o), opts, opts->sz))
		return np_fail(-E2BIG, NUMAPERF_REASON_INVALID, thread_operation, NULL,
			       "the options have fields that this library does not know");
	if (o.realtime_priority < 0 || o.realtime_priority > 99 || o.reserved)
		return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, thread_operation, NULL,
			       "the real-time priority is 1 to 99, or 0; `reserved` is 0");
	err = np_hard_mode_require(o.mode, thread_operation);
	if (err)
		return err;
	if (np_sys->alloc(&p, sizeof(*t), 0) < 0)
		return np_fail_memory(thread_operation);
	t = p;
	t->pid = np_getpid();
	t->fn = fn;
	t->arg = arg;
	t->mode = o.mode;
	t->realtime_priority = o.realtime_priority;
	if (o.name)
		snprintf(t->name, sizeof(t->name), "%s", o.name);
	err = choose_cpus(t, topo, &o);
	if (!err)
		err = start(t, o.stack_size);
	if (err) {
		np_free(t);
		return err;
	}
	*thread = t;
	return 0;
}

int numaperf_thread_tid(const struct numaperf_thread *thread)
{
	return thread->tid;
}

int numaperf_thread_check(const struct numaperf_thread *thread)
{
	static const char operation[] = "pinned thread check";
	struct numaperf_error before;
	int r;

	/* A thread that ends writes its last word before the kernel forgets its id, so "no such
	 * thread" sends back to that. */
	if (get_state(thread) != DONE) {
		np_error_save(&before);
		r = np_affinity_recheck(operation, thread->tid, &thread->granted, thread->mode);
		if (r != -ESRCH || get_state(thread) != DONE) /* never: in a forked process */
			return r;
		np_error_restore(&before);
	}
	return thread->result ? np_error_restore(&thread->error) : 0;
}

int numaperf_thread_join(struct numaperf_thread *thread)
{
	static const char operation[] = "pinned thread join";
	int err;

	if (!thread)
		return 0;
	if (thread->pid != np_getpid()) {
		np_free(thread);
		return np_fail(
			-ESRCH, NUMAPERF_REASON_STATE, operation, NULL,
			"the thread belongs to the process that this one was forked off");
	}
	if (thread->tid == np_gettid())
		return np_fail(-EDEADLK, NUMAPERF_REASON_STATE, operation, NULL,
			       "a thread cannot wait for itself");
	np_sys->thread_join(thread->thread);
	err = thread->result ? np_error_restore(&thread->error) : 0;
	np_free(thread);
	return err;
}

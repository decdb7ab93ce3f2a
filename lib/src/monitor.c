// SPDX-License-Identifier: MIT
/* A monitor's life: options, creation, fork, end. */
#include "monitor.h"
#include "base.h"
#include "cgroup.h"
#include "hook_table.h"
#include "sys.h"
#include "util.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <time.h>

static const char operation[] = "monitor creation";

enum {
	INTERVAL_MS = 250,
	INTERVAL_MIN_MS = 10,
	THREADS = 1024,
	THREADS_SYSTEM = 16384,
	THREADS_MAX = 1 << 20,
	RANGES = 1024,
	RANGES_MAX = 1 << 18,
	LIST = 256,
	LIST_MAX = 1 << 20,
	THREAD_GUARDS = 4096, /* room for guarantees of threads, beside those of ranges */
};

/* ---- fork ---- */

static uint32_t forks;
static int fork_hook_error;

static void after_fork_child(void)
{
	__atomic_fetch_add(&forks, 1, __ATOMIC_RELAXED);
}

/* On first use: a program without monitors pays nothing. */
static void hook_fork(void)
{
	fork_hook_error = pthread_atfork(NULL, NULL, after_fork_child);
}

static bool forked(const struct numaperf_monitor *mon)
{
	return mon->forks != __atomic_load_n(&forks, __ATOMIC_RELAXED);
}

int np_monitor_alive(const struct numaperf_monitor *mon, const char *what)
{
	if (!forked(mon))
		return 0;
	return np_fail(-EOWNERDEAD, NUMAPERF_REASON_STATE, what,
		       "create a monitor after fork()",
		       "this is a forked child, whose copy of the monitor is dead");
}

/* ---- options ---- */

static int fail_opts(const char *reason, unsigned int value)
{
	return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, operation, NULL, "%s: %u", reason,
		       value);
}

static int check_opts(const struct numaperf_monitor_opts *o)
{
	if ((unsigned int)o->scope > NUMAPERF_SCOPE_SYSTEM)
		return fail_opts("no such scope", (unsigned int)o->scope);
	if ((unsigned int)o->rung_max > NUMAPERF_RUNG_FENTRY)
		return fail_opts("no such rung", (unsigned int)o->rung_max);
	if (o->interval_ms && (o->interval_ms < INTERVAL_MIN_MS || o->interval_ms > INT32_MAX))
		return fail_opts("the interval must be at least 10 ms", o->interval_ms);
	if (o->threads_max > THREADS_MAX)
		return fail_opts("threads_max is beyond 2^20", o->threads_max);
	if (o->ranges_max > RANGES_MAX)
		return fail_opts("ranges_max is beyond 2^18", o->ranges_max);
	if (o->list_max > LIST_MAX)
		return fail_opts("list_max is beyond 2^20", o->list_max);
	if (o->scope == NUMAPERF_SCOPE_PID && o->pid <= 0)
		return fail_opts("the scope needs a process", 0);
	if (o->scope == NUMAPERF_SCOPE_CGROUP && (!o->cgroup || !o->cgroup[0]))
		return fail_opts("the scope needs a cgroup", 0);
	return 0;
}

/* The first cgroup2 line of /proc/mounts: where, without the leading slash. */
static bool find_cgroup2(const char *mounts, char *where, size_t size)
{
	for (const char *line = mounts; *line;) {
		const char *end = strchrnul(line, '\n');
		char at[512], type[32];

		if (sscanf(line, "%*s /%511s %31s", at, type) == 2 &&
		    !strcmp(type, "cgroup2") && strlen(at) < size) {
			strcpy(where, at);
			return true;
		}
		line = *end ? end + 1 : end;
	}
	return false;
}

/* The folder of the cgroup, which may be named by its path below the mount or as a folder, how
 * deep it is, and its id. */
static int find_cgroup(struct numaperf_monitor *mon, const char *name, struct np_hooks_opts *h)
{
	int root = np_sys->open_root(NULL), err;
	char *mounts, where[512];
	const char *below = name;
	size_t length;
	bool found;

	if (root < 0)
		return np_fail(root, NUMAPERF_REASON_SYSTEM, operation, NULL,
			       "/ cannot be opened");
	err = np_read_file(root, "proc/mounts", &mounts, NULL);
	found = !err && find_cgroup2(mounts, where, sizeof(where));
	if (!err)
		np_free(mounts);
	if (!found) {
		np_sys->close(root);
		return np_fail(-ENOENT, NUMAPERF_REASON_UNSUPPORTED, operation,
			       "mount it: mount -t cgroup2 none /sys/fs/cgroup",
			       "cgroup v2 is not mounted");
	}
	length = strlen(where);
	if (name[0] == '/' && !strncmp(name + 1, where, length) &&
	    (!name[1 + length] || name[1 + length] == '/'))
		below = name + 1 + length;
	below += strspn(below, "/");
	snprintf(mon->cgroup, sizeof(mon->cgroup), "%s%s%s", where, *below ? "/" : "", below);
	for (length = strlen(mon->cgroup); mon->cgroup[length - 1] == '/'; length--)
		mon->cgroup[length - 1] = '\0';
	for (const char *p = below; *p; h->cgroup_level++) {
		p += strcspn(p, "/");
		p += strspn(p, "/");
	}
	err = np_sys->inode_at(root, mon->cgroup, &h->cgroup);
	np_sys->close(root);
	if (!err)
		return 0;
	if (err == -ENOTDIR)
		err = -ENOENT;
	return np_fail(err,
		       err == -EACCES ? NUMAPERF_REASON_PERMISSION : NUMAPERF_REASON_INVALID,
		       operation, NULL, "the cgroup /%s cannot be found", mon->cgroup);
}

static int find_process(int pid)
{
	int root = np_sys->open_root(NULL), err;
	uint64_t inode;
	char path[32];

	if (root < 0)
		return np_fail(root, NUMAPERF_REASON_SYSTEM, operation, NULL,
			       "/ cannot be opened");
	snprintf(path, sizeof(path), "proc/%d", pid);
	err = np_sys->inode_at(root, path, &inode);
	np_sys->close(root);
	if (!err)
		return 0;
	return np_fail(err == -ENOENT ? -ESRCH : err, NUMAPERF_REASON_INVALID, operation, NULL,
		       "there is no process %d", pid);
}

/* ---- creation ---- */

static int alloc_array(void *out, size_t count, size_t size)
{
	void *p;

	if (np_sys->alloc(&p, MAX(count, 1) * size, 0) < 0)
		return np_fail_memory(operation);
	memcpy(out, &p, sizeof(p));
	return 0;
}

/* Whether any metric could stand higher than a sampler's. */
static bool worth_loading(const struct numaperf_hook *table)
{
	for (int i = 0; i < NUMAPERF_METRIC_COUNT; i++)
		if (table[i].rung > NUMAPERF_RUNG_POLLING)
			return true;
	return false;
}

/* The programs, or, without them, the sampler: which is no error, the table says why. */
static int open_hooks(struct numaperf_monitor *mon, struct np_hooks_opts *h)
{
	int err = 0;

	if (h->rung_max == NUMAPERF_RUNG_POLLING) {
		for (int i = 0; i < NUMAPERF_METRIC_COUNT; i++)
			np_hook_fallback(&mon->hook[i], i, 0, "limited to polling (rung_max)",
					 "raise rung_max");
	} else {
		np_hooks_probe(h->rung_max, mon->hook);
		if (worth_loading(mon->hook))
			err = np_hooks_open(&mon->hooks, h, mon->hook);
		if (err == -ENOMEM)
			return err;
		if (err)
			mon->hooks = NULL;
	}
	if (!mon->hooks)
		return np_sampler_create(mon, h);
	mon->counters = np_hooks_counters(mon->hooks);
	if (h->scope != NP_WATCH_TGIDS)
		return 0;
	err = np_hooks_watch_process(mon->hooks, mon->pid, true);
	return err ? np_fail(err, NUMAPERF_REASON_SYSTEM, operation, NULL,
			     "process %d cannot be watched", mon->pid)
		   : 0;
}

static int build(struct numaperf_monitor *mon, const struct numaperf_monitor_opts *o)
{
	static const uint32_t scopes[] = {
		[NUMAPERF_SCOPE_SELF] = NP_WATCH_TGIDS,
		[NUMAPERF_SCOPE_PID] = NP_WATCH_TGIDS,
		[NUMAPERF_SCOPE_CGROUP] = NP_WATCH_CGROUP,
		[NUMAPERF_SCOPE_SYSTEM] = NP_WATCH_ALL,
	};
	struct numaperf_nodemask nodes;
	struct numaperf_cpuset cpus;
	struct np_hooks_opts h = {
		.rung_max = o->rung_max,
		.scope = scopes[o->scope],
		.follow = o->scope == NUMAPERF_SCOPE_PID,
		.stacks = o->stacks,
		.at_once = o->drop_capabilities,
		.threads = o->threads_max,
		.ranges = 2 * mon->ranges_max, /* overlapping ones are cut into pieces */
		.watches = mon->ranges_max + THREAD_GUARDS,
	};
	int err = 0;

	if (!h.threads)
		h.threads = o->scope == NUMAPERF_SCOPE_SYSTEM ? THREADS_SYSTEM : THREADS;
	numaperf_topology_possible_nodes(mon->topo, &nodes);
	numaperf_topology_possible_cpus(mon->topo, &cpus);
	h.nodes = (unsigned int)numaperf_nodemask_last(&nodes) + 1;
	h.cpus = (unsigned int)numaperf_cpuset_last(&cpus) + 1;

	if (o->scope == NUMAPERF_SCOPE_CGROUP)
		err = find_cgroup(mon, o->cgroup, &h);
	else if (o->scope == NUMAPERF_SCOPE_PID)
		err = find_process(o->pid);
	if (!err)
		err = alloc_array(&mon->list, mon->list_max, sizeof(*mon->list));
	if (!err)
		err = alloc_array(&mon->by_watch, h.watches, sizeof(*mon->by_watch));
	if (!err)
		err = alloc_array(&mon->tasks, mon->nodes, sizeof(*mon->tasks));
	if (!err)
		err = alloc_array(&mon->retired, h.nodes, sizeof(*mon->retired));
	if (!err)
		err = alloc_array(&mon->range, h.ranges, sizeof(*mon->range));
	if (!err)
		err = open_hooks(mon, &h);
	if (!err)
		err = alloc_array(&mon->exited_ns, mon->counters->threads,
				  sizeof(*mon->exited_ns));
	if (err)
		return err;
	mon->wake_fd = np_sys->eventfd();
	if (mon->wake_fd >= 0)
		mon->list_fd = np_sys->eventfd();
	if (mon->wake_fd < 0 || mon->list_fd < 0)
		return np_fail(mon->wake_fd < 0 ? mon->wake_fd : mon->list_fd,
			       NUMAPERF_REASON_SYSTEM, operation, "raise ulimit -n",
			       "no descriptor for waiting");
	return 0;
}

static uint64_t kept(const struct numaperf_monitor *mon)
{
	return mon->keep_ptrace ? 1ull << CAP_SYS_PTRACE : 0;
}

/* Starts the thread and hears whether it could set itself up. */
static int start(struct numaperf_monitor *mon)
{
	int err = np_sys->thread_create(&mon->thread, 0, np_monitor_main, mon);

	if (err < 0)
		return np_fail(err, NUMAPERF_REASON_SYSTEM, operation,
			       "raise ulimit -u or the cgroup's pids.max",
			       "the monitor's thread could not be started");
	mon->started = true;
	pthread_mutex_lock(&mon->lock);
	while (!mon->tid)
		pthread_cond_wait(&mon->changed, &mon->lock);
	err = mon->start_error;
	pthread_mutex_unlock(&mon->lock);
	/* the caller's last, so that a failure leaves him as he was */
	if (!err && mon->drop_capabilities)
		err = np_sys->drop_capabilities(kept(mon));
	return err ? np_fail(err, NUMAPERF_REASON_SYSTEM, operation, NULL,
			     "capabilities cannot be dropped")
		   : 0;
}

static int init_lock(struct numaperf_monitor *mon)
{
	pthread_condattr_t attr;
	int err = pthread_condattr_init(&attr);

	if (err)
		return np_fail_memory(operation);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&mon->lock, NULL);
	pthread_cond_init(&mon->changed, &attr);
	pthread_condattr_destroy(&attr);
	return 0;
}

static void stop(struct numaperf_monitor *mon)
{
	if (!mon->started)
		return;
	pthread_mutex_lock(&mon->lock);
	mon->stop = true;
	pthread_mutex_unlock(&mon->lock);
	np_monitor_wake(mon);
	np_sys->thread_join(mon->thread);
	mon->started = false;
}

/* What is there of it; the thread is gone, or never was in this process. */
static void discard(struct numaperf_monitor *mon)
{
	np_monitor_forget(mon);
	np_sampler_destroy(mon);
	np_hooks_close(mon->hooks);
	if (mon->wake_fd >= 0)
		np_sys->close(mon->wake_fd);
	if (mon->list_fd >= 0)
		np_sys->close(mon->list_fd);
	np_free(mon->guard);
	np_free(mon->by_watch);
	np_free(mon->range);
	np_free(mon->list);
	np_free(mon->tasks);
	np_free(mon->retired);
	np_free(mon->exited_ns);
	np_free(mon->process);
	numaperf_topology_unref(mon->topo);
	np_free(mon);
}

static void destroy(struct numaperf_monitor *mon)
{
	np_guarantee_unsubscribe(&mon->subscriber); /* the registry may call until here */
	stop(mon);
	pthread_cond_destroy(&mon->changed);
	pthread_mutex_destroy(&mon->lock);
	discard(mon);
}

int numaperf_monitor_create(struct numaperf_monitor **out, struct numaperf_topology *topo,
			    const struct numaperf_monitor_opts *opts)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct numaperf_monitor_opts o = { 0 };
	struct numaperf_monitor *mon;
	void *p;
	int err;

	if (!out || !topo)
		return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, operation, NULL, "%s is NULL",
			       out ? "topo" : "mon");
	*out = NULL;
	err = np_opts_take(&o, sizeof(o), opts, operation);
	if (!err)
		err = check_opts(&o);
	if (err)
		return err;
	pthread_once(&once, hook_fork);
	if (fork_hook_error || np_sys->alloc(&p, sizeof(*mon), 0) < 0)
		return np_fail_memory(operation);
	mon = p;
	mon->wake_fd = mon->list_fd = -1;
	mon->forks = __atomic_load_n(&forks, __ATOMIC_RELAXED);
	if (init_lock(mon)) {
		np_free(mon);
		return -ENOMEM;
	}
	mon->topo = numaperf_topology_ref(topo);
	mon->nodes = numaperf_topology_node_count(topo);
	mon->scope = o.scope;
	mon->self = np_getpid();
	mon->pid = o.scope == NUMAPERF_SCOPE_PID ? o.pid : mon->self;
	mon->on_violation = o.on_violation;
	mon->ctx = o.ctx;
	mon->interval_ns = (o.interval_ms ? o.interval_ms : INTERVAL_MS) * 1000000ull;
	mon->all = o.scope == NUMAPERF_SCOPE_SELF && o.all_guarantees;
	mon->drop_capabilities = o.drop_capabilities;
	mon->keep_ptrace = o.keep_ptrace;
	mon->stacks = o.stacks;
	mon->ranges_max = o.ranges_max ? o.ranges_max : RANGES;
	mon->list_max = o.list_max ? o.list_max : LIST;
	mon->since_ns = np_clock_ns();
	mon->subscriber = (struct np_guarantee_subscriber){
		.fn = np_monitor_hear,
		.owner_gone = np_monitor_owner_gone,
		.ctx = mon,
	};
	err = build(mon, &o);
	if (!err) {
		mon->pte_updates = np_read_vmstat("numa_pte_updates");
		np_monitor_look_settings(mon);
		err = start(mon);
	}
	if (err) {
		struct numaperf_error why;

		np_error_save(&why);
		destroy(mon);
		return np_error_restore(&why);
	}
	np_guarantee_subscribe(&mon->subscriber);
	*out = mon;
	return 0;
}

int numaperf_monitor_destroy(struct numaperf_monitor *mon)
{
	if (!mon)
		return 0;
	if (forked(mon)) {
		/* the lock may be anybody's, and nobody else is left here */
		discard(mon);
		return 0;
	}
	if (np_gettid() == mon->tid)
		return np_fail(-EDEADLK, NUMAPERF_REASON_STATE, "monitor destruction",
			       "destroy it on another thread",
			       "the monitor cannot be destroyed in its own callback");
	destroy(mon);
	return 0;
}

void np_monitor_wake(struct numaperf_monitor *mon)
{
	const uint64_t one = 1;

	np_sys->write(mon->wake_fd, &one, sizeof(one));
}

/* ---- what it stands on ---- */

int numaperf_monitor_hook(const struct numaperf_monitor *mon, enum numaperf_metric metric,
			  struct numaperf_hook *hook)
{
	static const char what[] = "asking for a hook";
	int err = np_monitor_alive(mon, what);

	if (err)
		return err;
	if ((unsigned int)metric >= NUMAPERF_METRIC_COUNT)
		return np_fail(-ENOENT, NUMAPERF_REASON_INVALID, what, NULL,
			       "there is no metric %d", (int)metric);
	if (!hook || hook->sz < sizeof(size_t))
		return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, what,
			       "set sz to the struct's size", "sz is not set");
	np_snapshot_write(hook, hook->sz, &mon->hook[metric], sizeof(*hook));
	return 0;
}

bool numaperf_monitor_sampler(const struct numaperf_monitor *mon)
{
	return !mon->hooks;
}

int numaperf_probe_hooks(struct numaperf_hook *hooks, size_t max)
{
	struct numaperf_hook table[NUMAPERF_METRIC_COUNT];
	size_t sz = max ? hooks[0].sz : sizeof(*hooks);

	if (sz < sizeof(size_t))
		return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, "hook probe",
			       "set sz to the struct's size", "sz is %zu", sz);
	np_hooks_probe(NUMAPERF_RUNG_ABSENT, table);
	for (size_t i = 0; i < MIN(max, (size_t)NUMAPERF_METRIC_COUNT); i++)
		np_snapshot_write((char *)hooks + i * sz, sz, &table[i], sizeof(*table));
	return NUMAPERF_METRIC_COUNT;
}

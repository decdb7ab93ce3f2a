// SPDX-License-Identifier: MIT
/*
 * What is watched. A guarantee comes from the registry or from a call here, gets a place in the
 * programs' counters, is handed to the programs, and is then looked at once: in this order, so
 * that nothing falls in between. Its record outlives it.
 */
#include "base.h"
#include "capability.h"
#include "monitor.h"
#include "region.h"
#include "sys.h"
#include "util.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <numaperf/affinity.h>

static const char operation[] = "watching";

/* ---- counting ---- */

uint64_t np_guard_untold(const struct numaperf_monitor *mon, const struct np_guard *g)
{
	const struct np_watch *counter = np_guard_counter(mon, g);
	uint64_t exact = counter ? np_get((const uint64_t *)&counter->violations) : 0;

	return exact > g->counted ? exact - g->counted : 0;
}

uint64_t np_guard_unweighed(const struct numaperf_monitor *mon, const struct np_guard *g)
{
	const struct np_watch *counter = np_guard_counter(mon, g);
	uint64_t suspects = counter ? np_get((const uint64_t *)&counter->suspects) : 0;

	return suspects > g->suspected ? suspects - g->suspected : 0;
}

uint64_t np_guard_violations(const struct numaperf_monitor *mon, const struct np_guard *g)
{
	return g->seen.violations + np_guard_untold(mon, g);
}

/* ---- records ---- */

/* An index that nobody uses, or one whose guarantee has ended and had held. */
static uint32_t take_watch(struct numaperf_monitor *mon)
{
	uint32_t oldest = NP_NO_WATCH;

	if (mon->watch_next < mon->counters->watches)
		return mon->watch_next++;
	for (uint32_t i = 0; i < mon->counters->watches; i++) {
		const struct np_guard *g = mon->by_watch[i];

		if (!g)
			return i;
		if (np_guard_live(g) || np_guard_violations(mon, g))
			continue;
		if (oldest == NP_NO_WATCH ||
		    g->seen.until_ns < mon->by_watch[oldest]->seen.until_ns)
			oldest = i;
	}
	if (oldest != NP_NO_WATCH)
		mon->by_watch[oldest]->watch = NP_NO_WATCH;
	return oldest;
}

/* Gives it a place among the counters; in hooked monitors only they count. */
static void enter_counters(struct numaperf_monitor *mon, struct np_guard *g)
{
	struct np_watch *w;

	g->watch = take_watch(mon);
	if (g->watch == NP_NO_WATCH) {
		g->unwatched = -ENOSPC;
		return;
	}
	mon->by_watch[g->watch] = g;
	w = &mon->counters->watch[g->watch];
	__atomic_store_n(&w->id, 0, __ATOMIC_RELEASE);
	memset((char *)w + sizeof(w->id), 0, sizeof(*w) - sizeof(w->id));
	/* another use of the index is another id: a late event finds nobody */
	g->key = (uint64_t)++mon->generation << 32 | (g->watch + 1);
	__atomic_store_n(&w->id, g->key, __ATOMIC_RELEASE);
}

static int append(struct numaperf_monitor *mon, struct np_guard *g)
{
	if (mon->guards == mon->guard_room) {
		size_t room = mon->guard_room ? 2 * mon->guard_room : 64;
		void *p;

		if (np_sys->alloc(&p, room * sizeof(*mon->guard), 0) < 0)
			return np_fail_memory(operation);
		if (mon->guards)
			memcpy(p, mon->guard, mon->guards * sizeof(*mon->guard));
		np_free(mon->guard);
		mon->guard = p;
		mon->guard_room = room;
	}
	mon->guard[mon->guards++] = g;
	return 0;
}

/*
 * An old record that has ended, had held, and has no place among the counters any more is used
 * again: a program that pins and releases for ever must not grow. Registry entries only: the
 * ids of others are in the user's hands.
 */
static struct np_guard *reuse(struct numaperf_monitor *mon)
{
	if (mon->guards < mon->counters->watches)
		return NULL;
	for (size_t i = 0; i < mon->guards; i++) {
		struct np_guard *g = mon->guard[i];

		if (!np_guard_live(g) && g->seen.kind == NUMAPERF_GUARANTEE_CPUS &&
		    !np_guard_violations(mon, g) && !g->baseline) {
			if (g->watch != NP_NO_WATCH)
				mon->by_watch[g->watch] = NULL;
			memset(g, 0, sizeof(*g));
			return g;
		}
	}
	return NULL;
}

/* A record, entered; `pages`: with room for a sweep's sums. */
static struct np_guard *new_guard(struct numaperf_monitor *mon, bool pages)
{
	size_t sums = pages ? 2 * (size_t)mon->nodes * sizeof(uint64_t) : 0;
	struct np_guard *g = pages ? NULL : reuse(mon);
	void *p;

	if (!g) {
		if (np_sys->alloc(&p, sizeof(*g) + sums, 0) < 0) {
			np_fail_memory(operation);
			return NULL;
		}
		g = p;
		if (append(mon, g)) {
			np_free(g);
			return NULL;
		}
	}
	if (pages) {
		g->sweep.on_node = (uint64_t *)(g + 1);
		g->sweep.resident = g->sweep.on_node + mon->nodes;
	}
	g->watch = NP_NO_WATCH;
	g->look = -EINPROGRESS;
	g->seen.last_look = -EAGAIN;
	g->seen.to_node = g->seen.to_cpu = -1;
	g->seen.since_ns = np_clock_ns();
	return g;
}

static struct np_guard *find(const struct numaperf_monitor *mon, uint64_t id)
{
	for (size_t i = mon->guards; i-- > 0;)
		if (mon->guard[i]->seen.id == id)
			return mon->guard[i];
	return NULL;
}

struct np_guard *np_guard_in_force(const struct numaperf_monitor *mon, int tid,
				   const struct np_guard *but)
{
	for (size_t i = mon->guards; i-- > 0;) {
		struct np_guard *g = mon->guard[i];

		if (g != but && g->seen.kind == NUMAPERF_GUARANTEE_CPUS && g->seen.tid == tid &&
		    np_guard_live(g))
			return g;
	}
	return NULL;
}

/* ---- into force, and out of it ---- */

/* The implicit one, with the first that rests on it. */
static int need_balancing(struct numaperf_monitor *mon)
{
	struct np_guard *g;

	if (mon->balancing)
		return 0;
	g = new_guard(mon, false);
	if (!g)
		return -ENOMEM;
	g->seen.kind = NUMAPERF_GUARANTEE_BALANCING;
	g->seen.mode = NUMAPERF_STRICT;
	g->seen.id = NP_OWN_ID | ++mon->own_id;
	snprintf(g->seen.label, sizeof(g->seen.label), "kernel.numa_balancing=0");
	g->baseline = true;
	np_guard_look(mon, g, 0);
	mon->balancing = g;
	return 0;
}

static void begin_cpus(struct numaperf_monitor *mon, struct np_guard *g)
{
	struct np_guard *older = np_guard_in_force(mon, g->seen.tid, g);

	if (older)
		older->shadowed = true;
	if (mon->hooks && !g->unwatched)
		g->unwatched = np_hooks_pin(mon->hooks, g->seen.tid, g->watch, &g->seen.cpus);
}

void np_guard_resume(struct numaperf_monitor *mon, struct np_guard *g)
{
	g->shadowed = false;
	g->waits = 0;
	if (mon->hooks && g->watch != NP_NO_WATCH)
		g->unwatched = np_hooks_pin(mon->hooks, g->seen.tid, g->watch, &g->seen.cpus);
}

/* Into force: the programs first, then the first look. */
static void begin(struct numaperf_monitor *mon, struct np_guard *g, size_t pages)
{
	if (!g->quiet) {
		enter_counters(mon, g);
		if (g->seen.kind == NUMAPERF_GUARANTEE_CPUS)
			begin_cpus(mon, g);
		else if (!g->unwatched)
			g->unwatched = np_monitor_set_ranges(mon);
	}
	g->baseline = true;
	np_guard_look(mon, g, pages);
	/* the verdict does not wait for the monitor's thread; the telling does */
	if (g->look == -EXDEV)
		g->seen.baseline_broken = true;
	np_monitor_wake(mon);
}

void np_guard_end(struct numaperf_monitor *mon, struct np_guard *g, bool gone)
{
	if (!np_guard_live(g))
		return;
	g->seen.until_ns = np_clock_ns();
	g->seen.ended = gone;
	if (g->quiet)
		return;
	if (g->seen.kind == NUMAPERF_GUARANTEE_PAGES) {
		np_monitor_set_ranges(mon);
		return;
	}
	if (g->seen.kind != NUMAPERF_GUARANTEE_CPUS || g->shadowed)
		return;
	/* an older pin of the thread stays shadowed until the affinity is its own again: a look
	 * will tell */
	if (mon->hooks)
		np_hooks_unpin(mon->hooks, g->seen.tid);
}

/* With the lock. */
static int adopt(struct numaperf_monitor *mon, const struct np_guarantee *from)
{
	bool pages = from->kind == NP_GUARANTEE_PAGES;
	struct np_guard *g;

	if (find(mon, from->id))
		return 0;
	g = new_guard(mon, pages);
	if (!g)
		return -ENOMEM;
	g->seen.id = from->id;
	g->seen.kind = pages ? NUMAPERF_GUARANTEE_PAGES : NUMAPERF_GUARANTEE_CPUS;
	g->seen.mode = from->mode;
	g->owner = from->owner;
	memcpy(g->seen.label, from->label, sizeof(from->label));
	g->seen.tid = from->tid;
	g->seen.cpus = from->cpus;
	g->seen.nodes = from->nodes;
	g->seen.address = (uintptr_t)from->addr;
	g->seen.length = from->length;
	begin(mon, g, NP_LOOK_PAGES);
	return from->mode == NUMAPERF_STRICT ? need_balancing(mon) : 0;
}

/* The registry tells; its lock is held. */
void np_monitor_hear(void *ctx, const struct np_guarantee *from, bool gone)
{
	struct numaperf_monitor *mon = ctx;
	struct np_guard *g;

	pthread_mutex_lock(&mon->lock);
	if (!gone && mon->all) {
		if (adopt(mon, from))
			np_log(NUMAPERF_LOG_WARNING, "monitor: %s is not watched: no memory",
			       from->label);
	} else if (gone && (g = find(mon, from->id)) && np_guard_live(g)) {
		/* pages are still mapped: one look more, as far as it is cheap */
		if (g->seen.kind == NUMAPERF_GUARANTEE_PAGES)
			np_guard_look(mon, g, NP_LOOK_PAGES);
		np_guard_end(mon, g, true);
		np_monitor_wake(mon);
	}
	pthread_mutex_unlock(&mon->lock);
}

/* All of one owner that are in the registry, or the one of an id. */
struct wanted {
	struct numaperf_monitor *mon;
	const void *owner;
	uint64_t id;
	int err, found;
};

static void pick(void *ctx, const struct np_guarantee *from, bool gone)
{
	struct wanted *w = ctx;

	if (gone || (w->owner && from->owner != w->owner) || (w->id && from->id != w->id))
		return;
	pthread_mutex_lock(&w->mon->lock);
	w->found++;
	if (!w->err)
		w->err = adopt(w->mon, from);
	pthread_mutex_unlock(&w->mon->lock);
}

static int adopt_wanted(struct wanted *w)
{
	struct np_guarantee_subscriber once = { .fn = pick, .ctx = w };

	np_guarantee_subscribe(&once);
	np_guarantee_unsubscribe(&once);
	return w->err;
}

static int fail_argument(const char *reason)
{
	return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, operation, NULL, "%s", reason);
}

/* ---- executors ---- */

/* What it did since watching began, added to sums by node. */
static void add_tasks(const struct numaperf_monitor *mon, const struct np_watched_executor *w,
		      struct np_node_seen *sum)
{
	for (unsigned int i = 0; i < mon->nodes; i++) {
		struct numaperf_node_stats now = { .sz = sizeof(now) };
		const struct numaperf_node_stats *before = &w->before[i];

		if (numaperf_executor_node_stats(w->exec,
						 numaperf_topology_node_id(mon->topo, i), &now))
			continue; /* it does not know the node */
		sum[i].local_executions += now.tasks_home - before->tasks_home;
		sum[i].steals_from += now.stolen_from - before->stolen_from;
		sum[i].steals_to += now.stolen_to - before->stolen_to;
		sum[i].redirected += now.redirected - before->redirected;
	}
}

void np_monitor_add_tasks(const struct numaperf_monitor *mon, struct np_node_seen *sum)
{
	for (unsigned int i = 0; i < mon->nodes; i++) {
		sum[i].local_executions = mon->tasks[i].local_executions;
		sum[i].steals_from = mon->tasks[i].steals_from;
		sum[i].steals_to = mon->tasks[i].steals_to;
		sum[i].redirected = mon->tasks[i].redirected;
	}
	for (const struct np_watched_executor *w = mon->executors; w; w = w->next)
		add_tasks(mon, w, sum);
}

/* It is about to be freed: what it did is taken over. The registry's lock is held. */
void np_monitor_owner_gone(void *ctx, const void *owner)
{
	struct np_watched_executor **link, *w;
	struct numaperf_monitor *mon = ctx;

	pthread_mutex_lock(&mon->lock);
	for (link = &mon->executors; (w = *link);) {
		if (w->exec != owner) {
			link = &w->next;
			continue;
		}
		*link = w->next;
		add_tasks(mon, w, mon->tasks);
		np_free(w);
	}
	pthread_mutex_unlock(&mon->lock);
}

static bool executor_watched(const struct numaperf_monitor *mon,
			     const struct numaperf_executor *exec)
{
	for (const struct np_watched_executor *w = mon->executors; w; w = w->next)
		if (w->exec == exec)
			return true;
	return false;
}

int numaperf_monitor_watch_executor(struct numaperf_monitor *mon,
				    struct numaperf_executor *exec)
{
	struct wanted wanted = { .mon = mon, .owner = exec };
	struct np_watched_executor *w;
	int err = np_monitor_alive(mon, operation);
	void *p;

	if (err)
		return err;
	if (!exec)
		return fail_argument("there is no executor");
	if (np_sys->alloc(&p, sizeof(*w) + mon->nodes * sizeof(*w->before), 0) < 0)
		return np_fail_memory(operation);
	w = p;
	w->exec = exec;
	w->before = (struct numaperf_node_stats *)(w + 1);
	for (unsigned int i = 0; i < mon->nodes; i++) {
		w->before[i].sz = sizeof(w->before[i]);
		if (numaperf_executor_node_stats(exec, numaperf_topology_node_id(mon->topo, i),
						 &w->before[i]))
			memset(&w->before[i], 0, sizeof(w->before[i]));
	}
	pthread_mutex_lock(&mon->lock);
	if (executor_watched(mon, exec)) {
		np_free(w);
	} else {
		w->next = mon->executors;
		mon->executors = w;
		mon->executor_seen = true;
	}
	pthread_mutex_unlock(&mon->lock);
	return adopt_wanted(&wanted);
}

/* ---- regions ---- */

static int watch_soft(struct numaperf_monitor *mon, const struct numaperf_region *region,
		      uint64_t *id)
{
	struct np_guard *g = new_guard(mon, true);

	if (!g)
		return -ENOMEM;
	g->quiet = true;
	g->owner = region;
	*id = g->seen.id = NP_OWN_ID | ++mon->own_id;
	g->seen.kind = NUMAPERF_GUARANTEE_PAGES;
	numaperf_nodemask_fill_below(&g->seen.nodes, NUMAPERF_NODES_MAX);
	g->seen.address = (uintptr_t)numaperf_region_data(region);
	g->seen.length = numaperf_region_size(region);
	snprintf(g->seen.label, sizeof(g->seen.label), "region %zuK",
		 numaperf_region_size(region) >> 10);
	begin(mon, g, NP_LOOK_PAGES);
	return 0;
}

static bool region_watched(const struct numaperf_monitor *mon,
			   const struct numaperf_region *region)
{
	for (const struct np_watched_region *w = mon->regions; w; w = w->next)
		if (w->region == region)
			return true;
	return false;
}

int numaperf_monitor_watch_region(struct numaperf_monitor *mon, struct numaperf_region *region)
{
	struct wanted wanted = { .mon = mon, .owner = region };
	struct np_watched_region *w;
	int err = np_monitor_alive(mon, operation);
	bool again;
	void *p;

	if (err)
		return err;
	if (!region)
		return fail_argument("there is no region");
	if (np_sys->alloc(&p, sizeof(*w), 0) < 0)
		return np_fail_memory(operation);
	w = p;
	w->id = region->guarantee;
	pthread_mutex_lock(&mon->lock);
	again = region_watched(mon, region);
	if (!again && !np_region_strict(region))
		err = watch_soft(mon, region, &w->id);
	if (!again && !err) {
		w->region = numaperf_region_ref(region);
		w->next = mon->regions;
		mon->regions = w;
	}
	pthread_mutex_unlock(&mon->lock);
	if (again || err) {
		np_free(w);
		return err;
	}
	return np_region_strict(region) ? adopt_wanted(&wanted) : 0;
}

/* ---- pins, threads, ranges, processes ---- */

int numaperf_monitor_watch_pin(struct numaperf_monitor *mon, const struct numaperf_pin *pin)
{
	struct wanted wanted = { .mon = mon };
	int err = np_monitor_alive(mon, operation);

	if (err)
		return err;
	if (!pin || !pin->tid || !pin->guarantee)
		return fail_argument("the pin is released, or a soft one: watch its thread");
	wanted.id = pin->guarantee;
	err = adopt_wanted(&wanted);
	if (!err && !wanted.found)
		return fail_argument("the pin is not in force");
	return err;
}

/* A line "key:\tN" of /proc/PID/status. -ESRCH: there is no such process. */
static int status_number(int pid, const char *key, int *value)
{
	int root = np_sys->open_root(NULL), err;
	char path[48], *text, *at;

	if (root < 0)
		return root;
	snprintf(path, sizeof(path), "proc/%d/status", pid);
	err = np_read_file(root, path, &text, NULL);
	np_sys->close(root);
	if (err)
		return err == -ENOENT ? -ESRCH : err;
	at = strstr(text, key);
	if (at)
		*value = atoi(at + strlen(key));
	np_free(text);
	return at ? 0 : -EIO;
}

static int fail_gone(int err, const char *what, int id)
{
	if (err == -ESRCH)
		return np_fail(err, NUMAPERF_REASON_INVALID, operation, NULL,
			       "there is no %s %d", what, id);
	return np_fail(err, NUMAPERF_REASON_SYSTEM, operation, NULL,
		       "%s %d cannot be looked up", what, id);
}

/* Whether a process is in the monitor's scope, itself or by one of its parents. */
static bool in_scope(struct numaperf_monitor *mon, int pid)
{
	if (mon->scope == NUMAPERF_SCOPE_SYSTEM || mon->scope == NUMAPERF_SCOPE_CGROUP)
		return true;
	for (int depth = 0; pid > 1 && depth < 64; depth++) {
		bool listed = pid == mon->pid;

		pthread_mutex_lock(&mon->lock);
		for (size_t i = 0; i < mon->processes; i++)
			listed |= mon->process[i] == pid;
		pthread_mutex_unlock(&mon->lock);
		if (listed)
			return true;
		if (mon->scope == NUMAPERF_SCOPE_SELF || status_number(pid, "\nPPid:\t", &pid))
			return false;
	}
	return false;
}

int numaperf_monitor_watch_thread(struct numaperf_monitor *mon, int tid,
				  const struct numaperf_cpuset *cpus, uint64_t *id)
{
	int err = np_monitor_alive(mon, operation), pid = 0;
	struct np_guard *g;

	if (err)
		return err;
	if (!cpus || numaperf_cpuset_empty(cpus))
		return fail_argument("the set of CPUs is empty");
	if (tid <= 0)
		return fail_gone(-ESRCH, "thread", tid);
	err = status_number(tid, "\nTgid:\t", &pid);
	if (err)
		return fail_gone(err, "thread", tid);
	if (!in_scope(mon, pid))
		return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, operation,
			       "open a monitor of that process",
			       "thread %d is of process %d, which is not watched", tid, pid);
	pthread_mutex_lock(&mon->lock);
	g = new_guard(mon, false);
	if (g) {
		g->seen.kind = NUMAPERF_GUARANTEE_CPUS;
		g->seen.mode = NUMAPERF_STRICT;
		g->seen.id = NP_OWN_ID | ++mon->own_id;
		g->seen.pid = pid == mon->self ? 0 : pid;
		g->seen.tid = tid;
		g->seen.cpus = *cpus;
		snprintf(g->seen.label, sizeof(g->seen.label), "thread %d", tid);
		begin(mon, g, 0);
		if (id)
			*id = g->seen.id;
	}
	if (g && g->unwatched == -ENOSPC) {
		np_guard_end(mon, g, false);
		err = np_fail(-ENOSPC, NUMAPERF_REASON_FULL, operation,
			      "unwatch what has ended", "no room for another guarantee");
	}
	pthread_mutex_unlock(&mon->lock);
	return g ? err : -ENOMEM;
}

int numaperf_monitor_watch_range(struct numaperf_monitor *mon, const void *addr, size_t length,
				 const struct numaperf_nodemask *nodes, uint64_t *id)
{
	return numaperf_monitor_watch_process_range(mon, 0, addr, length, nodes, id);
}

int numaperf_monitor_watch_process_range(struct numaperf_monitor *mon, int pid,
					 const void *addr, size_t length,
					 const struct numaperf_nodemask *nodes, uint64_t *id)
{
	size_t page = np_page_size();
	uintptr_t start = (uintptr_t)addr / page * page;
	int err = np_monitor_alive(mon, operation), tgid;
	struct np_guard *g;
	char list[24];

	if (err)
		return err;
	if (!nodes || numaperf_nodemask_empty(nodes))
		return fail_argument("the set of nodes is empty");
	if (!length || length > UINTPTR_MAX - (uintptr_t)addr - page)
		return fail_argument("the range is empty or reaches beyond the address space");
	if (pid < 0)
		return fail_gone(-ESRCH, "process", pid);
	if (pid == mon->self)
		pid = 0;
	if (pid && (err = status_number(pid, "\nTgid:\t", &tgid)))
		return fail_gone(err, "process", pid);
	pthread_mutex_lock(&mon->lock);
	g = new_guard(mon, true);
	if (g) {
		g->seen.kind = NUMAPERF_GUARANTEE_PAGES;
		g->seen.mode = NUMAPERF_STRICT;
		g->seen.id = NP_OWN_ID | ++mon->own_id;
		g->seen.pid = pid;
		g->seen.nodes = *nodes;
		g->seen.address = start;
		g->seen.length = ROUND_UP((uintptr_t)addr + length, page) - start;
		numaperf_nodemask_format(nodes, list, sizeof(list));
		snprintf(g->seen.label, sizeof(g->seen.label), "range %lluK (%s)",
			 (unsigned long long)g->seen.length >> 10, list);
		begin(mon, g, NP_LOOK_PAGES);
		if (id)
			*id = g->seen.id;
	}
	if (g && g->unwatched == -ENOSPC) {
		np_guard_end(mon, g, false);
		err = np_fail(-ENOSPC, NUMAPERF_REASON_FULL, operation,
			      "raise the monitor's ranges_max", "no room for another range");
	}
	pthread_mutex_unlock(&mon->lock);
	return g ? err : -ENOMEM;
}

static int list_process(struct numaperf_monitor *mon, int pid)
{
	for (size_t i = 0; i < mon->processes; i++)
		if (mon->process[i] == pid)
			return 0;
	if (mon->processes == mon->process_room) {
		size_t room = mon->process_room ? 2 * mon->process_room : 16;
		void *p;

		if (np_sys->alloc(&p, room * sizeof(*mon->process), 0) < 0)
			return np_fail_memory(operation);
		if (mon->processes)
			memcpy(p, mon->process, mon->processes * sizeof(*mon->process));
		np_free(mon->process);
		mon->process = p;
		mon->process_room = room;
	}
	mon->process[mon->processes++] = pid;
	return 0;
}

int numaperf_monitor_watch_process(struct numaperf_monitor *mon, int pid)
{
	int err = np_monitor_alive(mon, operation), tgid = 0;

	if (err)
		return err;
	if (mon->scope != NUMAPERF_SCOPE_PID)
		return fail_argument("the monitor's scope is not that of processes");
	err = pid > 0 ? status_number(pid, "\nTgid:\t", &tgid) : -ESRCH;
	if (!err && tgid != pid)
		err = -ESRCH; /* a thread */
	if (err)
		return fail_gone(err, "process", pid);
	pthread_mutex_lock(&mon->lock);
	if (pid != mon->pid)
		err = list_process(mon, pid);
	if (!err && mon->hooks && pid != mon->pid) {
		err = np_hooks_watch_process(mon->hooks, pid, true);
		if (err)
			err = np_fail(err,
				      err == -ENOSPC ? NUMAPERF_REASON_FULL
						     : NUMAPERF_REASON_SYSTEM,
				      operation, NULL, "process %d cannot be watched", pid);
	}
	pthread_mutex_unlock(&mon->lock);
	return err;
}

/* A region is let go of outside the lock: its end calls the registry. */
static void let_go(struct numaperf_monitor *mon, uint64_t id)
{
	struct np_watched_region **link, *w = NULL;

	pthread_mutex_lock(&mon->lock);
	for (link = &mon->regions; *link; link = &(*link)->next) {
		if ((*link)->id != id)
			continue;
		w = *link;
		*link = w->next;
		break;
	}
	pthread_mutex_unlock(&mon->lock);
	if (w)
		numaperf_region_unref(w->region);
	np_free(w);
}

int numaperf_monitor_unwatch(struct numaperf_monitor *mon, uint64_t id)
{
	int err = np_monitor_alive(mon, operation);
	struct np_guard *g;
	bool live;

	if (err)
		return err;
	pthread_mutex_lock(&mon->lock);
	g = id ? find(mon, id) : NULL;
	live = g && np_guard_live(g);
	if (live)
		np_guard_end(mon, g, false);
	pthread_mutex_unlock(&mon->lock);
	if (!live)
		return np_fail(-ENOENT, NUMAPERF_REASON_INVALID, operation, NULL,
			       "nothing is watched under the id %llu", (unsigned long long)id);
	let_go(mon, id);
	return 0;
}

void np_monitor_forget(struct numaperf_monitor *mon)
{
	struct np_watched_executor *e;
	struct np_watched_region *r;

	while ((e = mon->executors)) {
		mon->executors = e->next;
		np_free(e);
	}
	while ((r = mon->regions)) {
		mon->regions = r->next;
		numaperf_region_unref(r->region);
		np_free(r);
	}
	for (size_t i = 0; i < mon->guards; i++)
		np_free(mon->guard[i]);
	mon->guards = 0;
}

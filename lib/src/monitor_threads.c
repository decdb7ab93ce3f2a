// SPDX-License-Identifier: MIT
/*
 * The sampler's threads: what /proc/PID/task/TID/stat says every interval, put into the same
 * counters that the programs would write, so that all readers have one source. A thread's time
 * goes to the node it was last seen on; a move is seen when its CPU is another than before.
 */
#include "base.h"
#include "monitor.h"
#include "sys.h"
#include "util.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define TICK_NS 10000000u /* USER_HZ is 100 (include/asm-generic/param.h) */
#define DEPTH	16	  /* of children of children, and of cgroups below cgroups */

struct sampled {
	uint64_t start, ticks; /* when it began: tells it from another of the same id */
	int cpu, next;	       /* next: with the same hash; -1: none */
	uint32_t round;	       /* when it was last seen */
};

struct np_sampler {
	struct sampled *slot;
	int *head; /* by hash of the thread id */
	unsigned int mask, cursor;
	uint32_t round;
};

/* What one line of stat says. */
struct stat_line {
	int tid, cpu;
	char comm[16];
	uint64_t ticks, start;
};

/* ---- one writer, many readers ---- */

static void bump(__u64 *counter, uint64_t n)
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

/* ---- parsing ---- */

/* proc_pid_stat(5): pid (comm) state ...; comm may hold anything, so from its last bracket. */
static bool parse_stat(const char *text, struct stat_line *out)
{
	const char *open = strchr(text, '('), *close = strrchr(text, ')'), *p;
	size_t length;

	if (!open || !close || close < open)
		return false;
	memset(out, 0, sizeof(*out));
	out->tid = atoi(text);
	length = MIN((size_t)(close - open - 1), sizeof(out->comm) - 1);
	memcpy(out->comm, open + 1, length);
	p = close + 1;
	/* field 3 is the state; 14, 15: utime, stime; 22: starttime; 39: processor */
	for (int field = 3; field <= 39; field++) {
		p += strspn(p, " ");
		if (!*p)
			return false;
		if (field == 14 || field == 15)
			out->ticks += strtoull(p, NULL, 10);
		else if (field == 22)
			out->start = strtoull(p, NULL, 10);
		else if (field == 39)
			out->cpu = atoi(p);
		p += strcspn(p, " ");
	}
	return out->cpu >= 0;
}

/* ---- slots ---- */

static int *bucket(struct np_sampler *s, int tid)
{
	return &s->head[((uint32_t)tid * 0x9E3779B1u) >> 8 & s->mask];
}

static int find(struct np_sampler *s, const struct np_counters *c, int tid)
{
	for (int i = *bucket(s, tid); i >= 0; i = s->slot[i].next)
		if (c->thread[i].tid == (uint32_t)tid && c->thread[i].state == NP_SLOT_LIVE)
			return i;
	return -1;
}

static int enter(struct numaperf_monitor *mon, int tgid, const struct stat_line *line)
{
	struct np_counters *c = &mon->own;
	struct np_sampler *s = mon->sampler;
	unsigned int slot = s->cursor, tries = 0;
	struct np_thread *t;
	int *head;

	while (tries < c->threads && c->thread[slot].state != NP_SLOT_FREE) {
		slot = (slot + 1) % c->threads;
		tries++;
	}
	if (tries == c->threads) {
		bump(&c->totals->threads_lost, 1);
		return -1;
	}
	s->cursor = (slot + 1) % c->threads;
	t = &c->thread[slot];
	__atomic_store_n(&t->tid, (uint32_t)line->tid, __ATOMIC_RELAXED);
	__atomic_store_n(&t->tgid, (uint32_t)tgid, __ATOMIC_RELAXED);
	head = bucket(s, line->tid);
	/* what ran before watching began is not ours; a thread that is new since then is */
	s->slot[slot] = (struct sampled){
		.start = line->start,
		.ticks = s->round > 1 ? 0 : line->ticks,
		.cpu = line->cpu,
		.next = *head,
	};
	*head = (int)slot;
	bump(&c->totals->threads_seen, 1);
	__atomic_store_n(&t->state, NP_SLOT_LIVE, __ATOMIC_RELEASE);
	return (int)slot;
}

void np_sampler_free(struct numaperf_monitor *mon, unsigned int slot)
{
	struct np_counters *c = &mon->own;
	struct np_thread *t = &c->thread[slot];
	struct np_sampler *s = mon->sampler;

	for (int *link = bucket(s, (int)t->tid); *link >= 0; link = &s->slot[*link].next) {
		if (*link == (int)slot) {
			*link = s->slot[slot].next;
			break;
		}
	}
	for (unsigned int node = 0; node < c->nodes; node++)
		__atomic_store_n(&c->thread_node[(size_t)slot * c->nodes + node].run_ns, 0,
				 __ATOMIC_RELAXED);
	for (int i = 0; i < NP_MOVE_CAUSES; i++)
		__atomic_store_n(&t->moves[i], 0, __ATOMIC_RELAXED);
	__atomic_store_n(&t->node_moves, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&t->state, NP_SLOT_FREE, __ATOMIC_RELEASE);
}

/* ---- what a line means ---- */

static void tell_move(struct numaperf_monitor *mon, int tid, int from, int to)
{
	struct np_event e = np_event_of(NP_EVENT_CPU, NP_MOVE_UNKNOWN, 1);
	struct np_guard *g;

	pthread_mutex_lock(&mon->lock);
	g = np_guard_in_force(mon, tid, NULL);
	if (g && !g->shadowed && !numaperf_cpuset_test(&g->seen.cpus, to)) {
		e.tid = (uint32_t)tid;
		e.from_cpu = from;
		e.to_cpu = to;
		e.from_node = numaperf_topology_cpu_node(mon->topo, from);
		e.to_node = numaperf_topology_cpu_node(mon->topo, to);
		np_monitor_tell(mon, g, NUMAPERF_VIOLATION_CPU, NUMAPERF_RUNG_POLLING, &e);
	}
	pthread_mutex_unlock(&mon->lock);
}

static void moved(struct numaperf_monitor *mon, struct np_thread *t, int from, int to)
{
	int from_node = numaperf_topology_cpu_node(mon->topo, from);
	int to_node = numaperf_topology_cpu_node(mon->topo, to);
	struct np_counters *c = &mon->own;

	bump(&t->moves[NP_MOVE_UNKNOWN], 1);
	if (from_node != to_node)
		bump(&t->node_moves, 1);
	if (from_node >= 0 && to_node >= 0)
		bump(&c->flow[(size_t)from_node * c->nodes + (unsigned)to_node]
			      .threads[NP_MOVE_UNKNOWN],
		     1);
	tell_move(mon, (int)t->tid, from, to);
}

static void take(struct numaperf_monitor *mon, int tgid, const struct stat_line *line)
{
	struct np_sampler *s = mon->sampler;
	struct np_counters *c = &mon->own;
	int node = numaperf_topology_cpu_node(mon->topo, line->cpu);
	int slot = find(s, c, line->tid);
	struct np_thread *t;
	struct sampled *was;

	if (slot >= 0 && s->slot[slot].start != line->start) {
		/* the id is another thread's by now */
		__atomic_store_n(&c->thread[slot].state, NP_SLOT_EXITED, __ATOMIC_RELEASE);
		slot = -1;
	}
	if (slot < 0)
		slot = enter(mon, tgid, line);
	if (slot < 0)
		return;
	t = &c->thread[slot];
	was = &s->slot[slot];
	was->round = s->round;
	for (size_t i = 0; i < sizeof(t->comm); i++)
		__atomic_store_n(&t->comm[i], line->comm[i], __ATOMIC_RELAXED);
	if (node >= 0 && line->ticks > was->ticks)
		bump(&c->thread_node[(size_t)slot * c->nodes + (unsigned)node].run_ns,
		     (line->ticks - was->ticks) * TICK_NS);
	was->ticks = MAX(was->ticks, line->ticks);
	if (was->cpu != line->cpu)
		moved(mon, t, was->cpu, line->cpu);
	was->cpu = line->cpu;
}

/* ---- who there is ---- */

struct walk {
	struct numaperf_monitor *mon;
	int root, pid, depth;
	const char *folder; /* of a cgroup */
};

static void walk_process(struct numaperf_monitor *mon, int root, int pid, int depth);

static bool is_number(const char *name)
{
	return name[0] && name[strspn(name, "0123456789")] == '\0';
}

static void walk_children(struct walk *w, const char *tid)
{
	char path[96], *text, *p, *end;

	snprintf(path, sizeof(path), "proc/%d/task/%s/children", w->pid, tid);
	if (np_read_file(w->root, path, &text, NULL))
		return; /* built without CONFIG_PROC_CHILDREN */
	for (p = text;; p = end) {
		long child = strtol(p, &end, 10);

		if (end == p)
			break;
		walk_process(w->mon, w->root, (int)child, w->depth + 1);
	}
	np_free(text);
}

static int walk_thread(void *ctx, const char *tid)
{
	struct walk *w = ctx;
	struct stat_line line;
	char path[96], text[1024];

	if (!is_number(tid))
		return 0;
	snprintf(path, sizeof(path), "proc/%d/task/%s/stat", w->pid, tid);
	if (np_read_small(w->root, path, text, sizeof(text)) > 0 && parse_stat(text, &line))
		take(w->mon, w->pid, &line);
	if (w->mon->scope == NUMAPERF_SCOPE_PID && w->depth < DEPTH)
		walk_children(w, tid);
	return 0;
}

static void walk_process(struct numaperf_monitor *mon, int root, int pid, int depth)
{
	struct walk w = { .mon = mon, .root = root, .pid = pid, .depth = depth };
	char path[32];

	snprintf(path, sizeof(path), "proc/%d/task", pid);
	np_sys->scan_at(root, path, walk_thread, &w);
}

static int walk_name(void *ctx, const char *name)
{
	struct walk *w = ctx;

	if (is_number(name))
		walk_process(w->mon, w->root, atoi(name), 0);
	return 0;
}

static void walk_cgroup(struct numaperf_monitor *mon, int root, const char *folder, int depth);

static int walk_below(void *ctx, const char *name)
{
	struct walk *w = ctx;
	char path[1280];

	/* every file of a cgroup has a dot in its name; folders may, too, but these are
	 * no folders: the scan of them fails at once */
	if ((size_t)snprintf(path, sizeof(path), "%s/%s", w->folder, name) < sizeof(path) &&
	    w->depth < DEPTH)
		walk_cgroup(w->mon, w->root, path, w->depth + 1);
	return 0;
}

static void walk_cgroup(struct numaperf_monitor *mon, int root, const char *folder, int depth)
{
	struct walk w = { .mon = mon, .root = root, .folder = folder, .depth = depth };
	char path[1280], *text, *p, *end;

	if ((size_t)snprintf(path, sizeof(path), "%s/cgroup.procs", folder) >= sizeof(path) ||
	    np_read_file(root, path, &text, NULL))
		return;
	for (p = text;; p = end) {
		long pid = strtol(p, &end, 10);

		if (end == p)
			break;
		walk_process(mon, root, (int)pid, 0);
	}
	np_free(text);
	np_sys->scan_at(root, folder, walk_below, &w);
}

static void walk_listed(struct numaperf_monitor *mon, int root)
{
	for (size_t i = 0;; i++) {
		int pid = 0;

		pthread_mutex_lock(&mon->lock);
		if (i < mon->processes)
			pid = mon->process[i];
		pthread_mutex_unlock(&mon->lock);
		if (!pid)
			return;
		walk_process(mon, root, pid, 0);
	}
}

/* Whoever was not seen this time is gone. */
static void mark_exited(struct numaperf_monitor *mon)
{
	struct np_sampler *s = mon->sampler;
	struct np_counters *c = &mon->own;

	for (unsigned int slot = 0; slot < c->threads; slot++)
		if (c->thread[slot].state == NP_SLOT_LIVE && s->slot[slot].round != s->round)
			__atomic_store_n(&c->thread[slot].state, NP_SLOT_EXITED,
					 __ATOMIC_RELEASE);
}

void np_sampler_round(struct numaperf_monitor *mon)
{
	struct walk all = { .mon = mon, .root = np_sys->open_root(NULL) };

	if (all.root < 0)
		return;
	mon->sampler->round++;
	switch (mon->scope) {
	case NUMAPERF_SCOPE_SELF:
	case NUMAPERF_SCOPE_PID:
		walk_process(mon, all.root, mon->pid, 0);
		walk_listed(mon, all.root);
		break;
	case NUMAPERF_SCOPE_CGROUP:
		walk_cgroup(mon, all.root, mon->cgroup, 0);
		break;
	case NUMAPERF_SCOPE_SYSTEM:
		np_sys->scan_at(all.root, "proc", walk_name, &all);
		break;
	}
	np_sys->close(all.root);
	mark_exited(mon);
}

/* ---- life ---- */

static int alloc_array(void *out, size_t count, size_t size)
{
	void *p;

	if (np_sys->alloc(&p, MAX(count, 1) * size, 0) < 0)
		return np_fail_memory("monitor creation");
	memcpy(out, &p, sizeof(p));
	return 0;
}

int np_sampler_create(struct numaperf_monitor *mon, const struct np_hooks_opts *opts)
{
	struct np_counters *c = &mon->own;
	struct np_sampler *s;
	void *p;
	int err;

	if (np_sys->alloc(&p, sizeof(*s), 0) < 0)
		return np_fail_memory("monitor creation");
	mon->sampler = s = p;
	c->nodes = opts->nodes;
	c->cpus = opts->cpus;
	c->threads = opts->threads;
	c->watches = opts->watches;
	s->mask = 1;
	while (s->mask < c->threads)
		s->mask <<= 1;
	s->mask--;
	mon->counters = c;
	err = alloc_array(&s->slot, c->threads, sizeof(*s->slot));
	if (!err)
		err = alloc_array(&s->head, s->mask + 1, sizeof(*s->head));
	if (!err)
		err = alloc_array(&c->thread, c->threads, sizeof(*c->thread));
	if (!err)
		err = alloc_array(&c->thread_node, (size_t)c->threads * c->nodes,
				  sizeof(*c->thread_node));
	if (!err)
		err = alloc_array(&c->cell, (size_t)c->cpus * c->nodes, sizeof(*c->cell));
	if (!err)
		err = alloc_array(&c->flow, (size_t)c->nodes * c->nodes, sizeof(*c->flow));
	if (!err)
		err = alloc_array(&c->watch, c->watches, sizeof(*c->watch));
	if (!err)
		err = alloc_array(&c->totals, 1, sizeof(*c->totals));
	if (!err)
		memset(s->head, 0xff, (s->mask + 1) * sizeof(*s->head)); /* -1: empty */
	return err;
}

void np_sampler_destroy(struct numaperf_monitor *mon)
{
	struct np_counters *c = &mon->own;

	if (!mon->sampler)
		return;
	np_free(mon->sampler->slot);
	np_free(mon->sampler->head);
	np_free(mon->sampler);
	np_free(c->thread);
	np_free(c->thread_node);
	np_free(c->cell);
	np_free(c->flow);
	np_free(c->watch);
	np_free(c->totals);
}

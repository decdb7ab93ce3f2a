/* SPDX-License-Identifier: MIT */
#include "top_collect.h"
#include "hold.h"
#include "top_clean.h"
#include "top_proc.h"
#include "top_symbol.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000ull

enum {
	MEMORY_SHARE = 200, /* of the interval, for memory maps: half a per cent */
	HOLD_SHARE = 100,   /* of the time, for reading what processes promise */
	AFFINITIES = 1000,  /* looked at in an interval */
	STACKS = 256,	    /* shown: those with the most pages */
	EVENTS = 1000,	    /* in a frame */
};

/* What was last known of a thread: added to its process when it is not there any more. */
struct known {
	int pid, tid;
	struct top_counts counts;
	uint64_t *run_ns_on;
};

struct collect {
	struct top_source source;
	struct top_collect_opts opts;
	struct numaperf_topology *topo;
	struct numaperf_monitor *mon;
	size_t nodes;
	int *node_id;
	struct top_procs procs;
	struct top_symbols *symbols;
	int look_into;

	struct known *known; /* of the last frame, ascending */
	size_t knowns;

	struct promise_rules rules;
	struct hold hold;
	uint64_t hold_due_ns;
	size_t affinity_next; /* the thread that the next looks begin with */

	char host[65], kernel[65];
	char *scope;
};

static uint64_t clock_of(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

/* ---- threads ---- */

static void take_counts(struct top_counts *to, const struct numaperf_thread_activity *from)
{
	to->run_ns = from->run_time_ns;
	memcpy(to->moves, from->moves, sizeof(to->moves));
	to->node_moves = from->node_moves;
	to->faults_local = from->faults_local;
	to->faults_remote = from->faults_remote;
	to->hinting_local = from->hinting_local;
	to->hinting_remote = from->hinting_remote;
}

static void add_counts(struct top_counts *to, const struct top_counts *from)
{
	to->run_ns += from->run_ns;
	for (int i = 0; i < NUMAPERF_MOVE_CAUSES; i++)
		to->moves[i] += from->moves[i];
	to->node_moves += from->node_moves;
	to->faults_local += from->faults_local;
	to->faults_remote += from->faults_remote;
	to->hinting_local += from->hinting_local;
	to->hinting_remote += from->hinting_remote;
}

static void add_vector(uint64_t *to, const uint64_t *from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] += from[i];
}

static int by_thread(const void *a, const void *b)
{
	const struct top_thread *x = a, *y = b;

	return x->pid != y->pid ? (x->pid > y->pid) - (x->pid < y->pid)
				: (x->tid > y->tid) - (x->tid < y->tid);
}

static int take_threads(struct collect *c, struct top_frame *f)
{
	struct numaperf_thread_activity a = { .sz = sizeof(a) };
	struct numaperf_thread_node part = { .sz = sizeof(part) };
	int err;

	for (size_t i = 0; (err = numaperf_monitor_thread(c->mon, i, &a)) != -ENOENT; i++) {
		struct top_thread *t;

		if (err || !a.tid)
			continue;
		t = top_frame_add_thread(f);
		if (!t)
			return -ENOMEM;
		t->pid = a.pid;
		t->tid = a.tid;
		t->exited = a.exited;
		memcpy(t->comm, a.comm, sizeof(t->comm));
		t->comm[sizeof(t->comm) - 1] = '\0';
		top_clean(t->comm);
		take_counts(&t->counts, &a);
		/* a sum that is the sum of its parts, whatever runs meanwhile */
		t->counts.run_ns = 0;
		for (size_t n = 0; n < c->nodes; n++)
			if (!numaperf_monitor_thread_node(c->mon, i, c->node_id[n], &part))
				t->counts.run_ns += t->run_ns_on[n] = part.run_time_ns;
	}
	if (f->threads)
		qsort(f->thread, f->threads, sizeof(*f->thread), by_thread);
	return 0;
}

/* What threads counted that are not there any more stays with their process. */
static void keep_ended(struct collect *c, const struct top_frame *f)
{
	for (size_t i = 0; i < c->knowns; i++) {
		const struct known *k = &c->known[i];
		const struct top_thread *t = top_frame_thread(f, k->pid, k->tid);
		struct top_proc *p;

		/* or another thread has its number by now */
		if (t && t->counts.run_ns >= k->counts.run_ns)
			continue;
		p = top_procs_find(&c->procs, k->pid);
		if (!p)
			continue;
		add_counts(&p->ended, &k->counts);
		add_vector(p->ended_ns_on, k->run_ns_on, c->nodes);
	}
}

static void forget_known(struct collect *c)
{
	for (size_t i = 0; i < c->knowns; i++)
		free(c->known[i].run_ns_on);
	free(c->known);
	c->known = NULL;
	c->knowns = 0;
}

static int remember(struct collect *c, const struct top_frame *f)
{
	forget_known(c);
	c->known = calloc(f->threads ? f->threads : 1, sizeof(*c->known));
	if (!c->known)
		return -ENOMEM;
	for (size_t i = 0; i < f->threads; i++) {
		struct known *k = &c->known[i];

		k->run_ns_on = malloc((c->nodes ? c->nodes : 1) * sizeof(*k->run_ns_on));
		if (!k->run_ns_on)
			return -ENOMEM;
		k->pid = f->thread[i].pid;
		k->tid = f->thread[i].tid;
		k->counts = f->thread[i].counts;
		memcpy(k->run_ns_on, f->thread[i].run_ns_on, c->nodes * sizeof(*k->run_ns_on));
		c->knowns++;
	}
	return 0;
}

/* ---- processes ---- */

static int by_pid(const void *a, const void *b)
{
	const struct top_process *x = a, *y = b;

	return (x->pid > y->pid) - (x->pid < y->pid);
}

/* The place of its path among the frame's cgroups. */
static int cgroup_of(struct top_frame *f, const char *path)
{
	struct top_cgroup *g;

	if (!path)
		return -1;
	for (size_t i = f->cgroups; i-- > 0;)
		if (!strcmp(f->cgroup[i].path, path))
			return (int)i;
	g = top_frame_add_cgroup(f);
	if (!g)
		return -1;
	g->path = strdup(path);
	g->container = top_container_of(path);
	if (g->path)
		return (int)f->cgroups - 1;
	f->cgroups--;
	free(g->container);
	return -1;
}

static int add_process(struct collect *c, struct top_frame *f, struct top_proc *from,
		       uint64_t now_ns)
{
	struct top_process *p = top_frame_add_process(f, from->resident != NULL);

	if (!p)
		return -ENOMEM;
	p->pid = from->pid;
	p->ppid = from->ppid;
	p->uid = from->uid;
	p->exited = from->gone;
	p->kernel = from->kernel;
	memcpy(p->comm, from->comm, sizeof(p->comm));
	p->command = from->command ? strdup(from->command) : NULL;
	p->cgroup = cgroup_of(f, from->cgroup);
	p->counts = from->ended;
	memcpy(p->run_ns_on, from->ended_ns_on, c->nodes * sizeof(*p->run_ns_on));
	if (p->resident) {
		memcpy(p->resident, from->resident, c->nodes * sizeof(*p->resident));
		p->resident_age_ns = now_ns - from->resident_ns;
	}
	p->violations = from->violations;
	p->threads = from->gone ? 0 : from->threads;
	return 0;
}

/* Threads follow their process in the order of both. Those that have not run are not known one
 * by one: how many there are, /proc said when it was read last. */
static void sum_threads(struct top_frame *f)
{
	size_t at = 0;

	for (size_t i = 0; i < f->processes; i++) {
		struct top_process *p = &f->process[i];
		unsigned int live = 0;

		while (at < f->threads && f->thread[at].pid < p->pid)
			at++;
		for (; at < f->threads && f->thread[at].pid == p->pid; at++) {
			add_counts(&p->counts, &f->thread[at].counts);
			add_vector(p->run_ns_on, f->thread[at].run_ns_on, f->nodes);
			live += !f->thread[at].exited;
			if (f->thread[at].tid == p->pid)
				memcpy(p->comm, f->thread[at].comm, sizeof(p->comm));
		}
		if (p->threads < live)
			p->threads = live;
	}
}

static int take_processes(struct collect *c, struct top_frame *f, uint64_t now_ns)
{
	int err = 0;

	if (!c->opts.pid && !c->opts.cgroup)
		top_procs_see_all(&c->procs, now_ns);
	for (size_t i = 0; i < f->threads; i++) {
		if (i && f->thread[i].pid == f->thread[i - 1].pid)
			continue;
		/* an id of 0: of another pid namespace */
		if (f->thread[i].pid > 0 && !top_procs_see(&c->procs, f->thread[i].pid, now_ns))
			top_procs_see_ended(&c->procs, f->thread[i].pid, f->thread[i].comm);
	}
	if (c->opts.pid)
		top_procs_see(&c->procs, c->opts.pid, now_ns);
	keep_ended(c, f);
	top_procs_read_memory(&c->procs, c->look_into, now_ns,
			      (uint64_t)(c->opts.interval * (double)SECOND) / MEMORY_SHARE);
	for (size_t b = 0; b < 1024 && !err; b++)
		for (struct top_proc *p = c->procs.hash[b]; p && !err; p = p->next)
			if (p->seen)
				err = add_process(c, f, p, now_ns);
	if (err)
		return err;
	if (f->processes)
		qsort(f->process, f->processes, sizeof(*f->process), by_pid);
	sum_threads(f);
	return 0;
}

/* ---- promises ---- */

/* A thread that is pinned inside a node makes its process one that is held to its promises. */
static void look_at_affinities(struct collect *c, struct top_frame *f)
{
	size_t n = f->threads < AFFINITIES ? f->threads : AFFINITIES;

	for (size_t i = 0; i < n; i++) {
		struct top_thread *t = &f->thread[(c->affinity_next + i) % f->threads];
		struct top_proc *p = top_procs_find(&c->procs, t->pid);
		unsigned long bits[NUMAPERF_CPUS_MAX / 64];
		struct numaperf_cpuset cpus;
		char text[512];

		if (t->exited || !p || p->kernel || (p->candidate && t->pid != c->look_into))
			continue;
		memset(bits, 0, sizeof(bits));
		if (sched_getaffinity(t->tid, sizeof(bits), (cpu_set_t *)bits))
			continue;
		numaperf_cpuset_zero(&cpus);
		for (size_t w = 0; w < NUMAPERF_CPUS_MAX / 64; w++)
			cpus.bits[w] = bits[w];
		p->candidate |= promise_pinned(c->topo, &cpus);
		if (t->pid == c->look_into) {
			numaperf_cpuset_format(&cpus, text, sizeof(text));
			t->cpus = strdup(text);
		}
	}
	c->affinity_next = f->threads ? (c->affinity_next + n) % f->threads : 0;
}

/* Promises are read again, for a hundredth of the time at most. */
static void hold_promises(struct collect *c, uint64_t now_ns)
{
	uint64_t began;

	for (size_t b = 0; b < 1024; b++)
		for (struct top_proc *p = c->procs.hash[b]; p; p = p->next)
			if (p->candidate && !p->gone && p->pid != getpid())
				hold_add(&c->hold, p->pid);
	if (now_ns < c->hold_due_ns || !c->hold.processes)
		return;
	began = clock_of(CLOCK_MONOTONIC);
	hold_refresh(&c->hold);
	c->hold_due_ns = now_ns + (clock_of(CLOCK_MONOTONIC) - began) * HOLD_SHARE;
}

static void count_promises(struct collect *c, struct top_frame *f)
{
	for (size_t i = 0; i < c->hold.processes; i++) {
		const struct hold_process *h = &c->hold.process[i];
		struct top_process *p;

		if (h->gone)
			continue;
		p = (struct top_process *)top_frame_process(f, h->pid);
		if (p)
			p->promised = (unsigned int)(h->held.threads + h->held.ranges);
	}
}

static int take_events(struct collect *c, struct top_frame *f)
{
	uint64_t real = clock_of(CLOCK_REALTIME), mono = clock_of(CLOCK_MONOTONIC);
	struct numaperf_violation v = { .sz = sizeof(v) };

	while (f->events < EVENTS && numaperf_monitor_next_violation(c->mon, &v) == 1) {
		struct top_proc *p = top_procs_find(&c->procs, v.pid);
		struct top_event *e = top_frame_add_event(f);

		if (!e)
			return -ENOMEM;
		if (p)
			p->violations += v.count;
		*e = (struct top_event){
			.time_ns = real - (mono - v.time_ns),
			.kind = v.kind,
			.rung = v.rung,
			.move_cause = v.move_cause,
			.page_cause = v.page_cause,
			.count = v.count,
			.address = (uintptr_t)v.address,
			.pid = v.pid,
			.tid = v.tid,
			.from_cpu = v.from_cpu,
			.to_cpu = v.to_cpu,
			.from_node = v.from_node,
			.to_node = v.to_node,
			.actor_pid = v.actor_pid,
			.actor_tid = v.actor_tid,
			.label = top_clean_copy(v.label, 256),
			.message = top_clean_copy(v.message, 512),
		};
		memcpy(e->actor, v.actor, sizeof(e->actor));
		top_clean(e->actor);
		if (!e->label || !e->message)
			return -ENOMEM;
	}
	return 0;
}

static int take_verdict(struct collect *c, struct top_frame *f)
{
	struct numaperf_report_opts opts = { .sz = sizeof(opts), .events_only = true };
	struct numaperf_guarantee g = { .sz = sizeof(g) };
	struct numaperf_report *r;
	int err = numaperf_report_create_opts(&r, c->mon, &opts);

	if (err)
		return err;
	for (size_t i = 0; i < numaperf_report_guarantee_count(r); i++) {
		if (numaperf_report_guarantee(r, i, &g) || g.ended)
			continue;
		f->held += g.verdict == NUMAPERF_VERDICT_HELD;
		f->violated += g.verdict == NUMAPERF_VERDICT_VIOLATED;
		f->unverified += g.verdict == NUMAPERF_VERDICT_UNVERIFIED;
	}
	f->verdict = f->violated     ? NUMAPERF_VERDICT_VIOLATED
		     : f->unverified ? NUMAPERF_VERDICT_UNVERIFIED
		     : f->held	     ? NUMAPERF_VERDICT_HELD
				     : NUMAPERF_VERDICT_NONE;
	numaperf_report_destroy(r);
	return 0;
}

/* ---- nodes ---- */

static int take_nodes(struct collect *c, struct top_frame *f)
{
	struct numaperf_node_activity a = { .sz = sizeof(a) };
	struct numaperf_cell cell = { .sz = sizeof(cell) };
	struct numaperf_flow flow = { .sz = sizeof(flow) };

	for (size_t i = 0; i < c->nodes; i++)
		f->node[i].id = c->node_id[i];
	top_read_nodes(&c->procs, c->topo, f);
	for (size_t i = 0; i < c->nodes; i++) {
		struct top_node *n = &f->node[i];

		if (!numaperf_monitor_node(c->mon, n->id, &a)) {
			n->run_ns = a.run_time_ns;
			n->faults_local = a.faults_local;
			n->faults_remote = a.faults_remote;
			n->hinting_local = a.hinting_local;
			n->hinting_remote = a.hinting_remote;
			n->moves_in = a.thread_moves_in;
			n->moves_out = a.thread_moves_out;
			n->pages_in = a.pages_in;
			n->pages_out = a.pages_out;
		}
		for (size_t k = 0; k < c->nodes; k++) {
			int distance =
				numaperf_topology_distance(c->topo, n->id, c->node_id[k]);
			size_t at = i * c->nodes + k;

			f->distance[at] = distance > 0 ? (unsigned int)distance : 0;
			if (!numaperf_monitor_cell(c->mon, n->id, c->node_id[k], &cell)) {
				memcpy(f->cell[at].pages, cell.pages, sizeof(cell.pages));
				f->cell[at].hinting = cell.hinting_faults;
			}
			if (!numaperf_monitor_flow(c->mon, n->id, c->node_id[k], &flow)) {
				memcpy(f->flow[at].threads, flow.threads, sizeof(flow.threads));
				memcpy(f->flow[at].pages, flow.pages, sizeof(flow.pages));
			}
		}
	}
	return 0;
}

/* ---- stacks ---- */

struct found {
	struct numaperf_stack stack;
	uint64_t frames[64];
};

struct stacks {
	struct found *found; /* the largest, unordered once full but for the least at 0 */
	size_t count;
};

static int by_pages(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	return (x->stack.pages < y->stack.pages) - (x->stack.pages > y->stack.pages);
}

static int on_stack(void *ctx, const struct numaperf_stack *stack)
{
	struct stacks *s = ctx;
	struct found *to;

	if (s->count == 2 * STACKS) {
		qsort(s->found, s->count, sizeof(*s->found), by_pages);
		s->count = STACKS;
	}
	to = &s->found[s->count++];
	to->stack = *stack;
	to->stack.depth = stack->depth < 64 ? stack->depth : 64;
	memcpy(to->frames, stack->frames, to->stack.depth * sizeof(*to->frames));
	return 0;
}

static int name_stack(struct collect *c, struct top_frame *f, const struct found *from)
{
	const struct top_proc *p = top_procs_find(&c->procs, from->stack.pid);
	uint64_t life = p ? p->life : 0;
	unsigned int depth = from->stack.depth ? 1 : 0;
	struct top_stack *to;

	while (depth < from->stack.depth &&
	       top_symbol_is_code(c->symbols, from->stack.pid, life, from->frames[depth]))
		depth++;
	to = top_frame_add_stack(f, depth);
	if (!to)
		return -ENOMEM;
	to->pid = from->stack.pid;
	to->pages = from->stack.pages;
	if (p)
		memcpy(to->comm, p->comm, sizeof(to->comm));
	for (unsigned int i = 0; i < depth; i++) {
		to->symbol[i] = top_symbol(c->symbols, to->pid, life, from->frames[i], i > 0);
		if (!to->symbol[i])
			return -ENOMEM;
	}
	return 0;
}

static int take_stacks(struct collect *c, struct top_frame *f)
{
	struct stacks s = { .found = malloc(2 * STACKS * sizeof(*s.found)) };
	int err;

	if (!s.found)
		return -ENOMEM;
	err = numaperf_monitor_stacks(c->mon, on_stack, &s);
	if (err) {
		f->stacks_error = strdup(c->opts.stacks ? numaperf_last_error()->message
							: "not asked for (--no-stacks)");
		free(s.found);
		return 0;
	}
	qsort(s.found, s.count, sizeof(*s.found), by_pages);
	for (size_t i = 0; i < s.count && i < STACKS && !err; i++)
		err = name_stack(c, f, &s.found[i]);
	free(s.found);
	return err;
}

/* ---- what is missing ---- */

static void take_hooks(struct collect *c, struct top_frame *f)
{
	struct numaperf_hook h = { .sz = sizeof(h) };

	for (int m = 0; m < NUMAPERF_METRIC_COUNT; m++) {
		struct top_hook *to = &f->hook[m];

		if (numaperf_monitor_hook(c->mon, (enum numaperf_metric)m, &h))
			continue;
		to->rung = h.rung;
		to->error = h.error;
		memcpy(to->hook, h.hook, sizeof(to->hook));
		memcpy(to->reason, h.reason, sizeof(to->reason));
		memcpy(to->remedy, h.remedy, sizeof(to->remedy));
	}
}

static int note(struct top_frame *f, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static int note(struct top_frame *f, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return top_frame_add_note(f, top_clean(text));
}

static int take_notes(struct collect *c, struct top_frame *f)
{
	const struct top_hook *run = &f->hook[NUMAPERF_METRIC_RUN_TIME];
	int err = 0;

	if (f->sampler)
		err = note(f, "no program watches in the kernel, everything is sampled: %s%s%s",
			   run->reason[0] ? run->reason : "not supported",
			   run->remedy[0] ? "; " : "", run->remedy);
	if (!err && c->procs.denied)
		err = note(f,
			   "memory maps of %zu process%s may not be read (CAP_SYS_PTRACE, or "
			   "their owner)",
			   c->procs.denied, c->procs.denied == 1 ? "" : "es");
	if (!err && f->threads_lost)
		err = note(f,
			   "%" PRIu64 " threads were not counted: more than there is room for",
			   f->threads_lost);
	if (!err && c->hold.missed)
		err = note(f, "%zu promises are not watched: %s", c->hold.missed,
			   c->hold.missed_why);
	return err;
}

static int take_totals(struct collect *c, struct top_frame *f)
{
	struct numaperf_monitor_totals t = { .sz = sizeof(t) };

	if (numaperf_monitor_totals(c->mon, &t))
		return 0;
	f->events_lost = t.events_lost;
	f->notices_lost = t.notices_lost;
	f->threads_lost = t.threads_lost;
	f->violations = t.violations;
	return 0;
}

/* ---- a frame ---- */

static int fill_frame(struct collect *c, struct top_frame *f)
{
	uint64_t now_ns;
	int err;

	f->time_ns = clock_of(CLOCK_REALTIME);
	f->mono_ns = now_ns = clock_of(CLOCK_MONOTONIC);
	memcpy(f->host, c->host, sizeof(f->host));
	memcpy(f->kernel, c->kernel, sizeof(f->kernel));
	f->scope = strdup(c->scope);
	f->sampler = numaperf_monitor_sampler(c->mon);
	take_hooks(c, f);
	err = take_nodes(c, f);
	if (!err)
		err = take_threads(c, f);
	if (!err)
		err = take_processes(c, f, now_ns);
	if (!err)
		err = remember(c, f);
	if (err)
		return err;
	look_at_affinities(c, f);
	hold_promises(c, now_ns);
	count_promises(c, f);
	err = take_events(c, f);
	if (!err)
		err = take_verdict(c, f);
	if (!err)
		err = take_totals(c, f);
	if (!err)
		err = take_stacks(c, f);
	if (!err && c->look_into)
		err = top_proc_regions(&c->procs, c->look_into, f);
	if (!err)
		err = take_notes(c, f);
	top_procs_forget(&c->procs);
	return err;
}

static int next(struct top_source *source, struct top_frame **frame)
{
	struct collect *c = (struct collect *)source;
	struct top_frame *f = top_frame_new(c->nodes);
	int err = f ? fill_frame(c, f) : -ENOMEM;

	if (!err) {
		*frame = f;
		return 0;
	}
	top_frame_free(f);
	snprintf(source->error, sizeof(source->error), "collecting: %.480s",
		 err == -ENOMEM ? "no memory" : numaperf_last_error()->message);
	return err;
}

static void look_into(struct top_source *source, int pid)
{
	struct collect *c = (struct collect *)source;

	c->look_into = pid;
}

static void close_collect(struct top_source *source)
{
	struct collect *c = (struct collect *)source;

	hold_free(&c->hold);
	numaperf_monitor_destroy(c->mon);
	numaperf_topology_unref(c->topo);
	top_procs_free(&c->procs);
	top_symbols_free(c->symbols);
	forget_known(c);
	free(c->node_id);
	free(c->scope);
	free(c);
}

/* ---- opening ---- */

static int read_topology(struct collect *c)
{
	int err = numaperf_topology_discover(&c->topo);

	if (err)
		return err;
	c->nodes = numaperf_topology_node_count(c->topo);
	c->node_id = calloc(c->nodes ? c->nodes : 1, sizeof(*c->node_id));
	if (!c->node_id)
		return -ENOMEM;
	for (size_t i = 0; i < c->nodes; i++)
		c->node_id[i] = numaperf_topology_node_id(c->topo, (unsigned int)i);
	c->procs = (struct top_procs){ .root = c->opts.root ? c->opts.root : "",
				       .nodes = c->nodes,
				       .node_id = c->node_id };
	c->rules.topo = c->topo;
	return 0;
}

static int open_monitor(struct collect *c)
{
	struct numaperf_monitor_opts opts = {
		.sz = sizeof(opts),
		.scope = c->opts.pid	  ? NUMAPERF_SCOPE_PID
			 : c->opts.cgroup ? NUMAPERF_SCOPE_CGROUP
					  : NUMAPERF_SCOPE_SYSTEM,
		.pid = c->opts.pid,
		.cgroup = c->opts.cgroup,
		/* a thread that ends is shown for an interval: longer than ours */
		.interval_ms = (unsigned int)(c->opts.interval * 1500),
		.rung_max = c->opts.rung_max,
		.drop_capabilities = true,
		.keep_ptrace = !c->opts.drop_all,
		.stacks = c->opts.stacks,
		.ranges_max = 4096,
		.list_max = EVENTS,
	};

	return numaperf_monitor_create(&c->mon, c->topo, &opts);
}

static int name_scope(struct collect *c)
{
	struct utsname u;

	if (!uname(&u)) {
		snprintf(c->host, sizeof(c->host), "%s", u.nodename);
		snprintf(c->kernel, sizeof(c->kernel), "%s", u.release);
		top_clean(c->host);
	}
	if (c->opts.pid)
		return asprintf(&c->scope, "process %d", c->opts.pid) < 0 ? -ENOMEM : 0;
	if (c->opts.cgroup)
		return asprintf(&c->scope, "cgroup %s", c->opts.cgroup) < 0 ? -ENOMEM : 0;
	c->scope = strdup("system");
	return c->scope ? 0 : -ENOMEM;
}

int top_collect_open(struct top_source **source, const struct top_collect_opts *opts,
		     char *error, size_t size)
{
	struct collect *c = calloc(1, sizeof(*c));
	int err = c ? 0 : -ENOMEM;

	if (c) {
		c->opts = *opts;
		c->source = (struct top_source){
			.next = next, .look_into = look_into, .fd = -1, .close = close_collect
		};
		c->symbols = top_symbols_new();
		err = c->symbols ? read_topology(c) : -ENOMEM;
	}
	if (!err)
		err = name_scope(c);
	if (!err)
		err = open_monitor(c);
	if (err) {
		snprintf(error, size, "%s",
			 err == -ENOMEM ? "no memory" : numaperf_last_error()->message);
		if (c)
			close_collect(&c->source);
		return err;
	}
	c->source.fd = numaperf_monitor_fd(c->mon);
	c->hold = (struct hold){ .monitor = c->mon, .rules = &c->rules };
	*source = &c->source;
	return 0;
}

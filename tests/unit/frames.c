// SPDX-License-Identifier: MIT
#include "frames.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t frames_seed = 1;

unsigned int frames_any(unsigned int n)
{
	frames_seed ^= frames_seed << 13;
	frames_seed ^= frames_seed >> 7;
	frames_seed ^= frames_seed << 17;
	return (unsigned int)((frames_seed >> 20) % n);
}

static void *must(void *p)
{
	if (!p)
		abort();
	return p;
}

struct top_frame *frames_plain(size_t nodes, uint64_t seconds)
{
	struct top_frame *f = must(top_frame_new(nodes));

	f->time_ns = (1700000000ull + seconds) * 1000000000u;
	f->mono_ns = (1000 + seconds) * 1000000000u;
	snprintf(f->host, sizeof(f->host), "machine");
	snprintf(f->kernel, sizeof(f->kernel), "6.12.1");
	f->scope = must(strdup("system"));
	for (size_t i = 0; i < nodes; i++) {
		f->node[i].id = (int)(2 * i);
		f->node[i].cpus = 4;
		f->node[i].mem_total = 8ull << 30;
		f->node[i].mem_free = 2ull << 30;
		f->node[i].cpu_all = 400 * seconds;
		f->node[i].cpu_busy = 100 * seconds;
		for (size_t k = 0; k < nodes; k++)
			f->distance[i * nodes + k] = i == k ? 10 : 21;
	}
	for (int m = 0; m < NUMAPERF_METRIC_COUNT; m++)
		f->hook[m].rung = NUMAPERF_RUNG_FENTRY;
	return f;
}

struct top_process *frames_process(struct top_frame *f, int pid, const char *name)
{
	struct top_process *p = must(top_frame_add_process(f, true));

	p->pid = pid;
	p->ppid = 1;
	p->uid = 0;
	p->threads = 1;
	snprintf(p->comm, sizeof(p->comm), "%s", name);
	p->command = must(strdup(name));
	return p;
}

struct top_thread *frames_thread(struct top_frame *f, int pid, int tid)
{
	struct top_thread *t = must(top_frame_add_thread(f));

	t->pid = pid;
	t->tid = tid;
	snprintf(t->comm, sizeof(t->comm), "t%d", tid);
	return t;
}

/* ---- by chance ---- */

static uint64_t number(void)
{
	return (uint64_t)frames_any(1u << 30) << frames_any(20);
}

static char *word(void)
{
	static const char *const words[] = { "",	   "plain",  "with blank",
					     "naïve",	   "日本語", "\"quoted\"",
					     "a<b>&c",	   "=1+1",   "comma, comma",
					     "back\\slash" };

	return must(strdup(words[frames_any(10)]));
}

static void counts(struct top_counts *c)
{
	c->run_ns = number();
	for (int i = 0; i < NUMAPERF_MOVE_CAUSES; i++)
		c->moves[i] = number();
	c->node_moves = number();
	c->faults_local = number();
	c->faults_remote = number();
	c->hinting_local = number();
	c->hinting_remote = number();
}

static void vector(uint64_t *v, size_t n)
{
	for (size_t i = 0; v && i < n; i++)
		v[i] = number();
}

static void machine(struct top_frame *f)
{
	for (size_t i = 0; i < f->nodes; i++) {
		f->node[i].mem_file = frames_any(3) ? number() : TOP_NONE;
		f->node[i].run_ns = number();
		f->node[i].faults_local = number();
		f->node[i].faults_remote = number();
		f->node[i].pages_in = number();
	}
	for (size_t i = 0; i < f->nodes * f->nodes; i++) {
		vector(f->cell[i].pages, NUMAPERF_PAGE_KINDS);
		f->cell[i].hinting = number();
		vector(f->flow[i].threads, NUMAPERF_MOVE_CAUSES);
		vector(f->flow[i].pages, NUMAPERF_PAGE_CAUSES);
	}
	for (int m = 0; m < NUMAPERF_METRIC_COUNT; m++) {
		f->hook[m].rung = (enum numaperf_rung)frames_any(4);
		f->hook[m].error = (int)frames_any(100);
		snprintf(f->hook[m].reason, sizeof(f->hook[m].reason), "reason %u",
			 frames_any(9));
	}
}

static void processes(struct top_frame *f)
{
	for (unsigned int i = 0; i < frames_any(5); i++) {
		struct top_cgroup *g = must(top_frame_add_cgroup(f));

		g->path = word();
		g->container = frames_any(2) ? word() : NULL;
	}
	for (int pid = 1, n = (int)frames_any(20); n > 0; n--, pid += 1 + (int)frames_any(9)) {
		struct top_process *p = must(top_frame_add_process(f, frames_any(2)));

		p->pid = pid;
		p->ppid = (int)frames_any((unsigned int)pid);
		p->uid = (int)frames_any(1000);
		p->exited = frames_any(2);
		p->kernel = frames_any(2);
		p->threads = frames_any(9);
		p->cgroup = (int)frames_any((unsigned int)f->cgroups + 1) - 1;
		p->command = frames_any(2) ? word() : NULL;
		counts(&p->counts);
		vector(p->run_ns_on, f->nodes);
		vector(p->resident, f->nodes);
		p->resident_age_ns = number();
		p->promised = frames_any(9);
		p->violations = number();
		snprintf(p->comm, sizeof(p->comm), "p%d", pid);
		for (int k = 0; k < (int)frames_any(4); k++) {
			struct top_thread *t = frames_thread(f, pid, pid + k);

			counts(&t->counts);
			vector(t->run_ns_on, f->nodes);
			t->cpus = frames_any(2) ? must(strdup("0-3")) : NULL;
			t->exited = frames_any(2);
		}
	}
}

static void places(struct top_frame *f)
{
	f->regions_pid = (int)frames_any(100);
	f->regions_error = frames_any(3) ? NULL : word();
	for (unsigned int i = 0; i < frames_any(6); i++) {
		struct top_region *r = must(top_frame_add_region(f));

		r->start = (uint64_t)i << 40;
		r->end = r->start + number();
		r->name = word();
		r->policy = word();
		r->page_size = 4096;
		vector(r->resident, f->nodes);
	}
	f->stacks_error = frames_any(3) ? NULL : word();
	for (unsigned int i = 0; i < frames_any(6); i++) {
		struct top_stack *s = must(top_frame_add_stack(f, frames_any(12)));

		s->pid = (int)frames_any(100);
		s->pages = number();
		snprintf(s->comm, sizeof(s->comm), "c%u", i);
		for (unsigned int k = 0; k < s->depth; k++)
			s->symbol[k] = word();
	}
}

static void news(struct top_frame *f)
{
	for (unsigned int i = 0; i < frames_any(6); i++) {
		struct top_event *e = must(top_frame_add_event(f));

		e->time_ns = number();
		e->kind = (enum numaperf_violation_kind)(1 + frames_any(5));
		e->rung = (enum numaperf_rung)frames_any(4);
		e->move_cause = (enum numaperf_move_cause)frames_any(NUMAPERF_MOVE_CAUSES);
		e->page_cause = (enum numaperf_page_cause)frames_any(NUMAPERF_PAGE_CAUSES);
		e->count = number();
		e->address = number();
		e->pid = (int)frames_any(100);
		e->tid = (int)frames_any(100);
		e->from_cpu = (int)frames_any(9) - 1;
		e->to_cpu = (int)frames_any(9) - 1;
		e->from_node = (int)frames_any(9) - 1;
		e->to_node = (int)frames_any(9) - 1;
		e->actor_pid = (int)frames_any(9);
		snprintf(e->actor, sizeof(e->actor), "actor%u", i);
		e->label = word();
		e->message = word();
	}
	f->verdict = (enum numaperf_verdict)frames_any(4);
	f->held = frames_any(9);
	f->violated = frames_any(9);
	f->unverified = frames_any(9);
	f->events_lost = number();
	f->notices_lost = number();
	f->threads_lost = number();
	f->violations = number();
	f->sampler = frames_any(2);
	for (unsigned int i = 0; i < frames_any(3); i++)
		if (top_frame_add_note(f, "a note"))
			abort();
}

struct top_frame *frames_random(size_t nodes)
{
	struct top_frame *f = frames_plain(nodes, 1 + frames_any(1000));

	machine(f);
	processes(f);
	places(f);
	news(f);
	return f;
}

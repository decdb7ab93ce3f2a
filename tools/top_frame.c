/* SPDX-License-Identifier: MIT */
/* Frames: made, copied, told apart. Pure: nothing here asks the machine. */
#include "top_frame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void *zeroed(size_t count, size_t size)
{
	return calloc(count ? count : 1, size);
}

struct top_frame *top_frame_new(size_t nodes)
{
	struct top_frame *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->nodes = nodes;
	f->node = zeroed(nodes, sizeof(*f->node));
	f->distance = zeroed(nodes * nodes, sizeof(*f->distance));
	f->cell = zeroed(nodes * nodes, sizeof(*f->cell));
	f->flow = zeroed(nodes * nodes, sizeof(*f->flow));
	if (!f->node || !f->distance || !f->cell || !f->flow) {
		top_frame_free(f);
		return NULL;
	}
	for (size_t i = 0; i < nodes; i++) {
		struct top_node *n = &f->node[i];

		n->cpu_busy = n->cpu_all = n->mem_total = n->mem_free = n->mem_file =
			n->mem_anon = n->huge_total = n->huge_free = TOP_NONE;
	}
	f->verdict = NUMAPERF_VERDICT_NONE;
	return f;
}

static void free_stack(struct top_stack *s)
{
	for (unsigned int i = 0; s->symbol && i < s->depth; i++)
		free(s->symbol[i]);
	free(s->symbol);
}

void top_frame_free(struct top_frame *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->processes; i++) {
		free(f->process[i].command);
		free(f->process[i].run_ns_on);
		free(f->process[i].resident);
	}
	for (size_t i = 0; i < f->threads; i++) {
		free(f->thread[i].run_ns_on);
		free(f->thread[i].cpus);
	}
	for (size_t i = 0; i < f->cgroups; i++) {
		free(f->cgroup[i].path);
		free(f->cgroup[i].container);
	}
	for (size_t i = 0; i < f->regions; i++) {
		free(f->region[i].name);
		free(f->region[i].policy);
		free(f->region[i].resident);
	}
	for (size_t i = 0; i < f->stacks; i++)
		free_stack(&f->stack[i]);
	for (size_t i = 0; i < f->events; i++) {
		free(f->event[i].label);
		free(f->event[i].message);
	}
	for (size_t i = 0; i < f->notes; i++)
		free(f->note[i]);
	free(f->node);
	free(f->distance);
	free(f->cell);
	free(f->flow);
	free(f->process);
	free(f->thread);
	free(f->cgroup);
	free(f->region);
	free(f->stack);
	free(f->event);
	free(f->note);
	free(f->scope);
	free(f->regions_error);
	free(f->stacks_error);
	free(f);
}

/* ---- adding ---- */

/* Room for one more in an array that doubles: at 0 and at each power of two. */
static void *grow(void **array, size_t *count, size_t size)
{
	size_t n = *count;
	char *at;

	if (!(n & (n - 1))) {
		void *more = reallocarray(*array, n ? 2 * n : 1, size);

		if (!more)
			return NULL;
		*array = more;
	}
	at = (char *)*array + n * size;
	memset(at, 0, size);
	(*count)++;
	return at;
}

#define GROW(array, count) grow((void **)&(array), &(count), sizeof(*(array)))

struct top_process *top_frame_add_process(struct top_frame *f, bool resident)
{
	struct top_process *p = GROW(f->process, f->processes);

	if (!p)
		return NULL;
	p->ppid = p->uid = p->cgroup = -1;
	p->run_ns_on = zeroed(f->nodes, sizeof(*p->run_ns_on));
	p->resident = resident ? zeroed(f->nodes, sizeof(*p->resident)) : NULL;
	if (p->run_ns_on && (p->resident || !resident))
		return p;
	free(p->run_ns_on);
	free(p->resident);
	f->processes--;
	return NULL;
}

struct top_thread *top_frame_add_thread(struct top_frame *f)
{
	struct top_thread *t = GROW(f->thread, f->threads);

	if (!t)
		return NULL;
	t->run_ns_on = zeroed(f->nodes, sizeof(*t->run_ns_on));
	if (t->run_ns_on)
		return t;
	f->threads--;
	return NULL;
}

struct top_region *top_frame_add_region(struct top_frame *f)
{
	struct top_region *r = GROW(f->region, f->regions);

	if (!r)
		return NULL;
	r->resident = zeroed(f->nodes, sizeof(*r->resident));
	if (r->resident)
		return r;
	f->regions--;
	return NULL;
}

struct top_cgroup *top_frame_add_cgroup(struct top_frame *f)
{
	return GROW(f->cgroup, f->cgroups);
}

struct top_stack *top_frame_add_stack(struct top_frame *f, unsigned int depth)
{
	struct top_stack *s = GROW(f->stack, f->stacks);

	if (!s)
		return NULL;
	s->depth = depth;
	s->symbol = zeroed(depth, sizeof(*s->symbol));
	if (s->symbol)
		return s;
	f->stacks--;
	return NULL;
}

struct top_event *top_frame_add_event(struct top_frame *f)
{
	return GROW(f->event, f->events);
}

int top_frame_move_events(struct top_frame *to, struct top_frame *from)
{
	size_t before = to->events;

	for (size_t i = 0; i < from->events; i++) {
		struct top_event *e = top_frame_add_event(to);

		if (!e) {
			to->events = before;
			return -ENOMEM;
		}
		*e = from->event[i];
	}
	free(from->event);
	from->event = NULL;
	from->events = 0;
	return 0;
}

int top_frame_add_note(struct top_frame *f, const char *text)
{
	char *copy = strdup(text), **note = copy ? GROW(f->note, f->notes) : NULL;

	if (!note) {
		free(copy);
		return -ENOMEM;
	}
	*note = copy;
	return 0;
}

/* ---- copying ---- */

static char *text_of(const char *text, bool *ok)
{
	char *copy = text ? strdup(text) : NULL;

	*ok &= !text || copy;
	return copy;
}

static uint64_t *vector_of(const uint64_t *v, size_t n, bool *ok)
{
	uint64_t *copy = v ? zeroed(n, sizeof(*v)) : NULL;

	if (copy)
		memcpy(copy, v, n * sizeof(*v));
	*ok &= !v || copy;
	return copy;
}

/* An array as it is; what its elements point to is then replaced one by one. Its room is what
 * grow() expects of so many. */
static void *array_of(const void *array, size_t *count, size_t size, bool *ok)
{
	size_t room = 1;
	void *copy;

	if (!*count)
		return NULL;
	while (room < *count)
		room *= 2;
	copy = reallocarray(NULL, room, size);
	if (copy)
		memcpy(copy, array, *count * size);
	else
		*count = 0;
	*ok &= copy != NULL;
	return copy;
}

#define ARRAY_OF(array, count) array_of(array, &(count), sizeof(*(array)), ok)

static void copy_processes(struct top_frame *f, bool *ok)
{
	f->process = ARRAY_OF(f->process, f->processes);
	for (size_t i = 0; i < f->processes; i++) {
		struct top_process *p = &f->process[i];

		p->command = text_of(p->command, ok);
		p->run_ns_on = vector_of(p->run_ns_on, f->nodes, ok);
		p->resident = vector_of(p->resident, f->nodes, ok);
	}
	f->thread = ARRAY_OF(f->thread, f->threads);
	for (size_t i = 0; i < f->threads; i++) {
		f->thread[i].run_ns_on = vector_of(f->thread[i].run_ns_on, f->nodes, ok);
		f->thread[i].cpus = text_of(f->thread[i].cpus, ok);
	}
	f->cgroup = ARRAY_OF(f->cgroup, f->cgroups);
	for (size_t i = 0; i < f->cgroups; i++) {
		f->cgroup[i].path = text_of(f->cgroup[i].path, ok);
		f->cgroup[i].container = text_of(f->cgroup[i].container, ok);
	}
}

static void copy_places(struct top_frame *f, bool *ok)
{
	f->region = ARRAY_OF(f->region, f->regions);
	for (size_t i = 0; i < f->regions; i++) {
		struct top_region *r = &f->region[i];

		r->name = text_of(r->name, ok);
		r->policy = text_of(r->policy, ok);
		r->resident = vector_of(r->resident, f->nodes, ok);
	}
	f->stack = ARRAY_OF(f->stack, f->stacks);
	for (size_t i = 0; i < f->stacks; i++) {
		struct top_stack *s = &f->stack[i];
		char **from = s->symbol;

		s->symbol = zeroed(s->depth, sizeof(*s->symbol));
		*ok &= s->symbol != NULL;
		for (unsigned int k = 0; s->symbol && k < s->depth; k++)
			s->symbol[k] = text_of(from[k], ok);
	}
}

static void copy_told(struct top_frame *f, bool *ok)
{
	f->event = ARRAY_OF(f->event, f->events);
	for (size_t i = 0; i < f->events; i++) {
		f->event[i].label = text_of(f->event[i].label, ok);
		f->event[i].message = text_of(f->event[i].message, ok);
	}
	f->note = ARRAY_OF(f->note, f->notes);
	for (size_t i = 0; i < f->notes; i++)
		f->note[i] = text_of(f->note[i], ok);
	f->scope = text_of(f->scope, ok);
	f->regions_error = text_of(f->regions_error, ok);
	f->stacks_error = text_of(f->stacks_error, ok);
}

struct top_frame *top_frame_copy(const struct top_frame *from)
{
	size_t pairs = from->nodes * from->nodes;
	struct top_frame *f = top_frame_new(from->nodes), made;
	bool ok = true;

	if (!f)
		return NULL;
	made = *f;
	*f = *from;
	f->node = made.node;
	f->distance = made.distance;
	f->cell = made.cell;
	f->flow = made.flow;
	memcpy(f->node, from->node, from->nodes * sizeof(*f->node));
	memcpy(f->distance, from->distance, pairs * sizeof(*f->distance));
	memcpy(f->cell, from->cell, pairs * sizeof(*f->cell));
	memcpy(f->flow, from->flow, pairs * sizeof(*f->flow));
	copy_processes(f, &ok);
	copy_places(f, &ok);
	copy_told(f, &ok);
	if (ok)
		return f;
	top_frame_free(f);
	return NULL;
}

/* ---- what was counted in between ---- */

/* A counter that is smaller than before began anew. */
static uint64_t grown(uint64_t before, uint64_t now)
{
	if (now == TOP_NONE || before == TOP_NONE)
		return now == TOP_NONE ? TOP_NONE : 0;
	return now < before ? now : now - before;
}

#define GROWN(field) now->field = grown(before->field, now->field)

static void counts_grown(const struct top_counts *before, struct top_counts *now)
{
	GROWN(run_ns);
	for (int i = 0; i < NUMAPERF_MOVE_CAUSES; i++)
		GROWN(moves[i]);
	GROWN(node_moves);
	GROWN(faults_local);
	GROWN(faults_remote);
	GROWN(hinting_local);
	GROWN(hinting_remote);
}

static void vector_grown(const uint64_t *before, uint64_t *now, size_t n)
{
	for (size_t i = 0; i < n; i++)
		now[i] = grown(before[i], now[i]);
}

static void nodes_grown(const struct top_frame *a, struct top_frame *b)
{
	for (size_t i = 0; i < b->nodes; i++) {
		const struct top_node *before = &a->node[i];
		struct top_node *now = &b->node[i];

		GROWN(cpu_busy);
		GROWN(cpu_all);
		GROWN(run_ns);
		GROWN(faults_local);
		GROWN(faults_remote);
		GROWN(hinting_local);
		GROWN(hinting_remote);
		GROWN(moves_in);
		GROWN(moves_out);
		GROWN(pages_in);
		GROWN(pages_out);
	}
	for (size_t i = 0; i < b->nodes * b->nodes; i++) {
		vector_grown(a->cell[i].pages, b->cell[i].pages, NUMAPERF_PAGE_KINDS);
		b->cell[i].hinting = grown(a->cell[i].hinting, b->cell[i].hinting);
		vector_grown(a->flow[i].threads, b->flow[i].threads, NUMAPERF_MOVE_CAUSES);
		vector_grown(a->flow[i].pages, b->flow[i].pages, NUMAPERF_PAGE_CAUSES);
	}
}

static bool same_stack(const struct top_stack *a, const struct top_stack *b)
{
	if (a->pid != b->pid || a->depth != b->depth)
		return false;
	for (unsigned int i = 0; i < a->depth; i++)
		if (strcmp(a->symbol[i], b->symbol[i]))
			return false;
	return true;
}

/* Stacks are few and mostly in the same order. */
static void stacks_grown(const struct top_frame *a, struct top_frame *b)
{
	for (size_t i = 0, at = 0; i < b->stacks; i++) {
		for (size_t k = 0; k < a->stacks; k++) {
			const struct top_stack *s = &a->stack[(at + k) % a->stacks];

			if (!same_stack(s, &b->stack[i]))
				continue;
			b->stack[i].pages = grown(s->pages, b->stack[i].pages);
			at = (at + k + 1) % a->stacks;
			break;
		}
	}
}

static bool same_nodes(const struct top_frame *a, const struct top_frame *b)
{
	if (a->nodes != b->nodes)
		return false;
	for (size_t i = 0; i < a->nodes; i++)
		if (a->node[i].id != b->node[i].id)
			return false;
	return true;
}

static void all_grown(const struct top_frame *before, struct top_frame *now)
{
	nodes_grown(before, now);
	for (size_t i = 0; i < now->processes; i++) {
		struct top_process *p = &now->process[i];
		const struct top_process *was = top_frame_process(before, p->pid);

		if (!was)
			continue;
		counts_grown(&was->counts, &p->counts);
		vector_grown(was->run_ns_on, p->run_ns_on, now->nodes);
		p->violations = grown(was->violations, p->violations);
	}
	for (size_t i = 0; i < now->threads; i++) {
		struct top_thread *t = &now->thread[i];
		const struct top_thread *was = top_frame_thread(before, t->pid, t->tid);

		if (!was)
			continue;
		counts_grown(&was->counts, &t->counts);
		vector_grown(was->run_ns_on, t->run_ns_on, now->nodes);
	}
	stacks_grown(before, now);
	GROWN(events_lost);
	GROWN(notices_lost);
	GROWN(threads_lost);
	GROWN(violations);
	now->interval_ns = now->mono_ns - before->mono_ns;
}

struct top_frame *top_frame_delta(const struct top_frame *before, const struct top_frame *now)
{
	struct top_frame *delta = top_frame_copy(now);

	if (!delta)
		return NULL;
	delta->interval_ns = 0;
	if (before && same_nodes(before, now) && before->mono_ns < now->mono_ns) {
		all_grown(before, delta);
		return delta;
	}
	/* since when these were counted is not known: of no interval, nothing */
	delta->truncated = before != NULL;
	all_grown(now, delta);
	delta->interval_ns = 0;
	return delta;
}

/* ---- finding ---- */

const struct top_process *top_frame_process(const struct top_frame *f, int pid)
{
	size_t low = 0, high = f->processes;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (f->process[middle].pid < pid)
			low = middle + 1;
		else
			high = middle;
	}
	return low < f->processes && f->process[low].pid == pid ? &f->process[low] : NULL;
}

static bool sorts_before(const struct top_thread *t, int pid, int tid)
{
	return t->pid < pid || (t->pid == pid && t->tid < tid);
}

const struct top_thread *top_frame_thread(const struct top_frame *f, int pid, int tid)
{
	size_t low = 0, high = f->threads;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (sorts_before(&f->thread[middle], pid, tid))
			low = middle + 1;
		else
			high = middle;
	}
	return low < f->threads && f->thread[low].pid == pid && f->thread[low].tid == tid
		       ? &f->thread[low]
		       : NULL;
}

int top_frame_node(const struct top_frame *f, int id)
{
	for (size_t i = 0; i < f->nodes; i++)
		if (f->node[i].id == id)
			return (int)i;
	return -1;
}

/* ---- meanings ---- */

bool top_has(const struct top_frame *f, enum numaperf_metric metric)
{
	return numaperf_rung_counts(metric, f->hook[metric].rung);
}

double top_fault_ratio(const struct top_frame *f, uint64_t local, uint64_t remote)
{
	if (!top_has(f, NUMAPERF_METRIC_FAULTS) || !(local + remote))
		return -1;
	return (double)local / (double)(local + remote);
}

double top_exposure_ratio(const struct top_frame *f, const uint64_t *run_ns_on,
			  const uint64_t *resident)
{
	double ran = 0, there = 0, ratio = 0;

	if (!resident || !run_ns_on)
		return -1;
	for (size_t i = 0; i < f->nodes; i++) {
		ran += (double)run_ns_on[i];
		there += (double)resident[i];
	}
	if (ran <= 0 || there <= 0)
		return -1;
	for (size_t i = 0; i < f->nodes; i++)
		ratio += (double)run_ns_on[i] / ran * ((double)resident[i] / there);
	return ratio;
}

double top_process_ratio(const struct top_frame *f, const struct top_process *p,
			 const char **basis)
{
	double ratio = top_fault_ratio(f, p->counts.faults_local, p->counts.faults_remote);

	*basis = "fault";
	if (ratio >= 0)
		return ratio;
	ratio = top_exposure_ratio(f, p->run_ns_on, p->resident);
	*basis = ratio >= 0 ? "exposure" : NULL;
	return ratio;
}

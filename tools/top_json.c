/* SPDX-License-Identifier: MIT */
/*
 * A frame as JSON and back. Reading believes nothing: a file may come from anywhere. What is
 * missing is as it is in an empty frame; what has the wrong type or does not fit is an error.
 */
#include "top_clean.h"
#include "top_record.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	NODES_MAX = NUMAPERF_NODES_MAX,
	ITEMS_MAX = 1 << 22, /* of one list */
	DEPTH_MAX = 256,     /* of a stack */
};

/* ---- writing ---- */

static json_t *number(uint64_t n)
{
	return n == TOP_NONE ? json_null() : json_integer((json_int_t)n);
}

static json_t *text(const char *s)
{
	/* frames hold clean text; jansson takes UTF-8 alone */
	return s ? json_string(s) : json_null();
}

static json_t *vector(const uint64_t *v, size_t n)
{
	json_t *array = v ? json_array() : json_null();

	for (size_t i = 0; v && i < n; i++)
		json_array_append_new(array, number(v[i]));
	return array;
}

static void put(json_t *object, const char *key, json_t *value)
{
	json_object_set_new(object, key, value);
}

#define NUMBER(object, from, field) put(object, #field, number((uint64_t)(from)->field))
#define ID(object, from, field)	    put(object, #field, json_integer((from)->field))
#define TEXT(object, from, field)   put(object, #field, text((from)->field))

/* run_ns, node_moves, faults_local, faults_remote, hinting_local, hinting_remote, then moves.
 */
static json_t *counts_json(const struct top_counts *c)
{
	const uint64_t first[] = { c->run_ns,	     c->node_moves,    c->faults_local,
				   c->faults_remote, c->hinting_local, c->hinting_remote };
	json_t *array = vector(first, 6);

	for (int i = 0; i < NUMAPERF_MOVE_CAUSES; i++)
		json_array_append_new(array, number(c->moves[i]));
	return array;
}

#define NODE_FIELDS(X) \
 X(cpus)               \
 X(cpu_busy)           \
 X(cpu_all)            \
 X(mem_total)          \
 X(mem_free)           \
 X(mem_file)           \
 X(mem_anon)           \
 X(huge_total)         \
 X(huge_free)          \
 X(run_ns)             \
 X(faults_local)       \
 X(faults_remote)      \
 X(hinting_local)      \
 X(hinting_remote)     \
 X(moves_in)           \
 X(moves_out)          \
 X(pages_in)           \
 X(pages_out)

static json_t *nodes_json(const struct top_frame *f)
{
	json_t *array = json_array();

	for (size_t i = 0; i < f->nodes; i++) {
		const struct top_node *n = &f->node[i];
		json_t *o = json_object();

		ID(o, n, id);
#define PUT(field) NUMBER(o, n, field);
		NODE_FIELDS(PUT)
#undef PUT
		json_array_append_new(array, o);
	}
	return array;
}

static json_t *pairs_json(const struct top_frame *f, const char *what)
{
	json_t *array = json_array();

	for (size_t i = 0; i < f->nodes * f->nodes; i++) {
		const struct top_cell *c = &f->cell[i];
		const struct top_flow *w = &f->flow[i];
		json_t *v;

		if (*what == 'd') {
			v = json_integer(f->distance[i]);
		} else if (*what == 'c') {
			v = vector(c->pages, NUMAPERF_PAGE_KINDS);
			json_array_append_new(v, number(c->hinting));
		} else {
			v = json_pack("[o,o]", vector(w->threads, NUMAPERF_MOVE_CAUSES),
				      vector(w->pages, NUMAPERF_PAGE_CAUSES));
		}
		json_array_append_new(array, v);
	}
	return array;
}

static json_t *processes_json(const struct top_frame *f)
{
	json_t *array = json_array();

	for (size_t i = 0; i < f->processes; i++) {
		const struct top_process *p = &f->process[i];
		json_t *o = json_object();

		ID(o, p, pid);
		ID(o, p, ppid);
		ID(o, p, uid);
		TEXT(o, p, comm);
		put(o, "exited", json_boolean(p->exited));
		put(o, "kernel", json_boolean(p->kernel));
		NUMBER(o, p, threads);
		ID(o, p, cgroup);
		TEXT(o, p, command);
		put(o, "counts", counts_json(&p->counts));
		put(o, "run_ns_on", vector(p->run_ns_on, f->nodes));
		put(o, "resident", vector(p->resident, f->nodes));
		NUMBER(o, p, resident_age_ns);
		NUMBER(o, p, promised);
		NUMBER(o, p, violations);
		json_array_append_new(array, o);
	}
	return array;
}

static json_t *threads_json(const struct top_frame *f)
{
	json_t *array = json_array();

	for (size_t i = 0; i < f->threads; i++) {
		const struct top_thread *t = &f->thread[i];
		json_t *o = json_object();

		ID(o, t, pid);
		ID(o, t, tid);
		TEXT(o, t, comm);
		put(o, "exited", json_boolean(t->exited));
		put(o, "counts", counts_json(&t->counts));
		put(o, "run_ns_on", vector(t->run_ns_on, f->nodes));
		TEXT(o, t, cpus);
		json_array_append_new(array, o);
	}
	return array;
}

static json_t *places_json(const struct top_frame *f, bool regions)
{
	json_t *array = json_array();

	for (size_t i = 0; regions && i < f->regions; i++) {
		const struct top_region *r = &f->region[i];
		json_t *o = json_object();

		NUMBER(o, r, start);
		NUMBER(o, r, end);
		TEXT(o, r, name);
		TEXT(o, r, policy);
		NUMBER(o, r, page_size);
		put(o, "resident", vector(r->resident, f->nodes));
		json_array_append_new(array, o);
	}
	for (size_t i = 0; !regions && i < f->stacks; i++) {
		const struct top_stack *s = &f->stack[i];
		json_t *o = json_object(), *symbols = json_array();

		ID(o, s, pid);
		TEXT(o, s, comm);
		NUMBER(o, s, pages);
		for (unsigned int k = 0; k < s->depth; k++)
			json_array_append_new(symbols, text(s->symbol[k]));
		put(o, "symbol", symbols);
		json_array_append_new(array, o);
	}
	return array;
}

#define EVENT_IDS(X) \
 X(kind)             \
 X(rung)             \
 X(move_cause)       \
 X(page_cause)       \
 X(pid)              \
 X(tid)              \
 X(from_cpu)         \
 X(to_cpu)           \
 X(from_node)        \
 X(to_node)          \
 X(actor_pid)        \
 X(actor_tid)

static json_t *events_json(const struct top_frame *f)
{
	json_t *array = json_array();

	for (size_t i = 0; i < f->events; i++) {
		const struct top_event *e = &f->event[i];
		json_t *o = json_object();

		NUMBER(o, e, time_ns);
		NUMBER(o, e, count);
		NUMBER(o, e, address);
#define PUT(field) ID(o, e, field);
		EVENT_IDS(PUT)
#undef PUT
		TEXT(o, e, actor);
		TEXT(o, e, label);
		TEXT(o, e, message);
		json_array_append_new(array, o);
	}
	return array;
}

static json_t *hooks_json(const struct top_frame *f)
{
	json_t *object = json_object();

	for (int m = 0; m < NUMAPERF_METRIC_COUNT; m++) {
		const struct top_hook *h = &f->hook[m];

		put(object, numaperf_metric_name((enum numaperf_metric)m),
		    json_pack("{s:i,s:i,s:s,s:s,s:s}", "rung", (int)h->rung, "error", h->error,
			      "hook", h->hook, "reason", h->reason, "remedy", h->remedy));
	}
	return object;
}

json_t *top_frame_to_json(const struct top_frame *f)
{
	json_t *o = json_object(), *notes = json_array();

	NUMBER(o, f, time_ns);
	NUMBER(o, f, mono_ns);
	NUMBER(o, f, interval_ns);
	TEXT(o, f, host);
	TEXT(o, f, kernel);
	TEXT(o, f, scope);
	put(o, "sampler", json_boolean(f->sampler));
	put(o, "nodes", nodes_json(f));
	put(o, "distance", pairs_json(f, "d"));
	put(o, "cell", pairs_json(f, "c"));
	put(o, "flow", pairs_json(f, "f"));
	put(o, "processes", processes_json(f));
	put(o, "threads", threads_json(f));
	{
		json_t *cgroups = json_array();

		for (size_t i = 0; i < f->cgroups; i++)
			json_array_append_new(cgroups,
					      json_pack("[o,o]", text(f->cgroup[i].path),
							text(f->cgroup[i].container)));
		put(o, "cgroups", cgroups);
	}
	ID(o, f, regions_pid);
	TEXT(o, f, regions_error);
	put(o, "regions", places_json(f, true));
	TEXT(o, f, stacks_error);
	put(o, "stacks", places_json(f, false));
	put(o, "events", events_json(f));
	ID(o, f, verdict);
	NUMBER(o, f, held);
	NUMBER(o, f, violated);
	NUMBER(o, f, unverified);
	put(o, "hooks", hooks_json(f));
	NUMBER(o, f, events_lost);
	NUMBER(o, f, notices_lost);
	NUMBER(o, f, threads_lost);
	NUMBER(o, f, violations);
	for (size_t i = 0; i < f->notes; i++)
		json_array_append_new(notes, text(f->note[i]));
	put(o, "notes", notes);
	return o;
}

/* ---- reading ---- */

struct reader {
	struct top_frame *frame;
	char *error; /* "" while all is well */
	size_t size;
};

static void wrong(struct reader *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void wrong(struct reader *r, const char *fmt, ...)
{
	va_list ap;

	if (r->error[0])
		return;
	va_start(ap, fmt);
	vsnprintf(r->error, r->size, fmt, ap);
	va_end(ap);
}

static uint64_t get_number(struct reader *r, const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);

	if (!v)
		return 0;
	if (json_is_null(v))
		return TOP_NONE;
	if (!json_is_integer(v) || json_integer_value(v) < 0)
		wrong(r, "'%s' is no number", key);
	return (uint64_t)json_integer_value(v);
}

static int get_id(struct reader *r, const json_t *o, const char *key, int least, int most)
{
	const json_t *v = json_object_get(o, key);
	json_int_t n = json_integer_value(v);

	if (!v)
		return least < 0 ? -1 : least;
	if (json_is_integer(v) && n >= least && n <= most)
		return (int)n;
	wrong(r, "'%s' is out of range", key);
	return least;
}

static char *get_text(struct reader *r, const json_t *v, const char *key)
{
	char *copy;

	if (!v || json_is_null(v))
		return NULL;
	if (!json_is_string(v)) {
		wrong(r, "'%s' is no text", key);
		return NULL;
	}
	copy = top_clean_copy(json_string_value(v), json_string_length(v));
	if (!copy)
		wrong(r, "no memory");
	return copy;
}

static void get_name(struct reader *r, const json_t *o, const char *key, char *to, size_t size)
{
	char *copy = get_text(r, json_object_get(o, key), key);

	snprintf(to, size, "%s", copy ? copy : "");
	top_clean(to); /* where it was cut */
	free(copy);
}

/* A list, not longer than makes sense; NULL: there is none. */
static json_t *get_list(struct reader *r, const json_t *o, const char *key)
{
	json_t *list = json_object_get(o, key);

	if (!list)
		return NULL;
	if (json_is_array(list) && json_array_size(list) <= ITEMS_MAX)
		return list;
	wrong(r, "'%s' is no list that makes sense", key);
	return NULL;
}

static void get_vector(struct reader *r, const json_t *list, uint64_t *to, size_t n)
{
	if (!json_is_array(list) || json_array_size(list) != n) {
		wrong(r, "a list is not as long as there are nodes or causes");
		return;
	}
	for (size_t i = 0; i < n; i++) {
		const json_t *v = json_array_get(list, i);

		if (!json_is_null(v) && (!json_is_integer(v) || json_integer_value(v) < 0))
			wrong(r, "a list holds something that is no number");
		to[i] = json_is_null(v) ? TOP_NONE : (uint64_t)json_integer_value(v);
	}
}

static void get_counts(struct reader *r, const json_t *o, struct top_counts *c)
{
	uint64_t v[6 + NUMAPERF_MOVE_CAUSES] = { 0 };

	get_vector(r, json_object_get(o, "counts"), v, 6 + NUMAPERF_MOVE_CAUSES);
	c->run_ns = v[0];
	c->node_moves = v[1];
	c->faults_local = v[2];
	c->faults_remote = v[3];
	c->hinting_local = v[4];
	c->hinting_remote = v[5];
	memcpy(c->moves, v + 6, sizeof(c->moves));
}

static void get_nodes(struct reader *r, const json_t *list)
{
	struct top_frame *f = r->frame;

	for (size_t i = 0; i < f->nodes; i++) {
		const json_t *o = json_array_get(list, i);
		struct top_node *n = &f->node[i];

		n->id = get_id(r, o, "id", 0, NODES_MAX - 1);
		if (i && n->id <= n[-1].id)
			wrong(r, "nodes are not in order");
#define GET(field) n->field = (__typeof__(n->field))get_number(r, o, #field);
		NODE_FIELDS(GET)
#undef GET
	}
}

static void get_pairs(struct reader *r, const json_t *o)
{
	struct top_frame *f = r->frame;
	size_t pairs = f->nodes * f->nodes;
	json_t *distance = get_list(r, o, "distance"), *cell = get_list(r, o, "cell"),
	       *flow = get_list(r, o, "flow");

	if (json_array_size(distance) != pairs || json_array_size(cell) != pairs ||
	    json_array_size(flow) != pairs) {
		wrong(r, "a matrix does not fit the nodes");
		return;
	}
	for (size_t i = 0; i < pairs; i++) {
		uint64_t v[NUMAPERF_PAGE_KINDS + 1] = { 0 };
		const json_t *w = json_array_get(flow, i);

		f->distance[i] = (unsigned int)json_integer_value(json_array_get(distance, i));
		get_vector(r, json_array_get(cell, i), v, NUMAPERF_PAGE_KINDS + 1);
		memcpy(f->cell[i].pages, v, sizeof(f->cell[i].pages));
		f->cell[i].hinting = v[NUMAPERF_PAGE_KINDS];
		get_vector(r, json_array_get(w, 0), f->flow[i].threads, NUMAPERF_MOVE_CAUSES);
		get_vector(r, json_array_get(w, 1), f->flow[i].pages, NUMAPERF_PAGE_CAUSES);
	}
}

static void get_processes(struct reader *r, const json_t *list)
{
	struct top_frame *f = r->frame;
	const json_t *o;
	size_t i;

	json_array_foreach(list, i, o)
	{
		const json_t *resident = json_object_get(o, "resident");
		struct top_process *p = top_frame_add_process(f, json_is_array(resident));

		if (!p) {
			wrong(r, "no memory");
			return;
		}
		p->pid = get_id(r, o, "pid", 0, INT32_MAX);
		p->ppid = get_id(r, o, "ppid", -1, INT32_MAX);
		p->uid = get_id(r, o, "uid", -1, INT32_MAX);
		get_name(r, o, "comm", p->comm, sizeof(p->comm));
		p->exited = json_is_true(json_object_get(o, "exited"));
		p->kernel = json_is_true(json_object_get(o, "kernel"));
		p->threads = (unsigned int)get_number(r, o, "threads");
		p->cgroup = get_id(r, o, "cgroup", -1, (int)f->cgroups - 1);
		p->command = get_text(r, json_object_get(o, "command"), "command");
		get_counts(r, o, &p->counts);
		get_vector(r, json_object_get(o, "run_ns_on"), p->run_ns_on, f->nodes);
		if (p->resident)
			get_vector(r, resident, p->resident, f->nodes);
		p->resident_age_ns = get_number(r, o, "resident_age_ns");
		p->promised = (unsigned int)get_number(r, o, "promised");
		p->violations = get_number(r, o, "violations");
		if (i && p->pid <= p[-1].pid)
			wrong(r, "processes are not in order");
	}
}

static void get_threads(struct reader *r, const json_t *list)
{
	struct top_frame *f = r->frame;
	const json_t *o;
	size_t i;

	json_array_foreach(list, i, o)
	{
		struct top_thread *t = top_frame_add_thread(f);

		if (!t) {
			wrong(r, "no memory");
			return;
		}
		t->pid = get_id(r, o, "pid", 0, INT32_MAX);
		t->tid = get_id(r, o, "tid", 0, INT32_MAX);
		get_name(r, o, "comm", t->comm, sizeof(t->comm));
		t->exited = json_is_true(json_object_get(o, "exited"));
		get_counts(r, o, &t->counts);
		get_vector(r, json_object_get(o, "run_ns_on"), t->run_ns_on, f->nodes);
		t->cpus = get_text(r, json_object_get(o, "cpus"), "cpus");
		if (i && (t->pid < t[-1].pid || (t->pid == t[-1].pid && t->tid < t[-1].tid)))
			wrong(r, "threads are not in order");
	}
}

static void get_cgroups(struct reader *r, const json_t *list)
{
	const json_t *v;
	size_t i;

	json_array_foreach(list, i, v)
	{
		struct top_cgroup *g = top_frame_add_cgroup(r->frame);

		if (!g) {
			wrong(r, "no memory");
			return;
		}
		g->path = get_text(r, json_array_get(v, 0), "path");
		g->container = get_text(r, json_array_get(v, 1), "container");
		if (!g->path)
			wrong(r, "a cgroup without a path");
	}
}

static void get_regions(struct reader *r, const json_t *list)
{
	const json_t *o;
	size_t i;

	json_array_foreach(list, i, o)
	{
		struct top_region *g = top_frame_add_region(r->frame);

		if (!g) {
			wrong(r, "no memory");
			return;
		}
		g->start = get_number(r, o, "start");
		g->end = get_number(r, o, "end");
		g->page_size = get_number(r, o, "page_size");
		g->name = get_text(r, json_object_get(o, "name"), "name");
		g->policy = get_text(r, json_object_get(o, "policy"), "policy");
		get_vector(r, json_object_get(o, "resident"), g->resident, r->frame->nodes);
		if (!g->name || !g->policy)
			wrong(r, "a region without name or policy");
	}
}

static void get_stacks(struct reader *r, const json_t *list)
{
	const json_t *o;
	size_t i;

	json_array_foreach(list, i, o)
	{
		const json_t *symbols = json_object_get(o, "symbol");
		size_t depth = json_array_size(symbols);
		struct top_stack *s =
			depth <= DEPTH_MAX ? top_frame_add_stack(r->frame, (unsigned int)depth)
					   : NULL;

		if (!s) {
			wrong(r, "no memory, or a stack that is too deep");
			return;
		}
		s->pid = get_id(r, o, "pid", 0, INT32_MAX);
		get_name(r, o, "comm", s->comm, sizeof(s->comm));
		s->pages = get_number(r, o, "pages");
		for (size_t k = 0; k < depth; k++) {
			s->symbol[k] = get_text(r, json_array_get(symbols, k), "symbol");
			if (!s->symbol[k])
				wrong(r, "a stack with a hole");
		}
	}
}

static void get_events(struct reader *r, const json_t *list)
{
	const json_t *o;
	size_t i;

	json_array_foreach(list, i, o)
	{
		struct top_event *e = top_frame_add_event(r->frame);

		if (!e) {
			wrong(r, "no memory");
			return;
		}
		e->time_ns = get_number(r, o, "time_ns");
		e->count = get_number(r, o, "count");
		e->address = get_number(r, o, "address");
#define GET(field) e->field = (__typeof__(e->field))get_id(r, o, #field, -1, INT32_MAX);
		EVENT_IDS(GET)
#undef GET
		get_name(r, o, "actor", e->actor, sizeof(e->actor));
		e->label = get_text(r, json_object_get(o, "label"), "label");
		e->message = get_text(r, json_object_get(o, "message"), "message");
		if (!e->label || !e->message)
			wrong(r, "an event without words");
		if ((int)e->kind < 0 || (int)e->rung < 0 || (int)e->move_cause < 0 ||
		    (int)e->page_cause < 0)
			wrong(r, "an event of no kind");
	}
}

static void get_hooks(struct reader *r, const json_t *hooks)
{
	for (int m = 0; m < NUMAPERF_METRIC_COUNT; m++) {
		const json_t *o =
			json_object_get(hooks, numaperf_metric_name((enum numaperf_metric)m));
		struct top_hook *h = &r->frame->hook[m];

		if (!o)
			continue;
		h->rung = (enum numaperf_rung)get_id(r, o, "rung", 0, NUMAPERF_RUNG_FENTRY);
		h->error = get_id(r, o, "error", 0, 4095);
		get_name(r, o, "hook", h->hook, sizeof(h->hook));
		get_name(r, o, "reason", h->reason, sizeof(h->reason));
		get_name(r, o, "remedy", h->remedy, sizeof(h->remedy));
	}
}

static void get_all(struct reader *r, const json_t *o)
{
	struct top_frame *f = r->frame;
	const json_t *v;
	size_t i;

	f->time_ns = get_number(r, o, "time_ns");
	f->mono_ns = get_number(r, o, "mono_ns");
	f->interval_ns = get_number(r, o, "interval_ns");
	get_name(r, o, "host", f->host, sizeof(f->host));
	get_name(r, o, "kernel", f->kernel, sizeof(f->kernel));
	f->scope = get_text(r, json_object_get(o, "scope"), "scope");
	f->sampler = json_is_true(json_object_get(o, "sampler"));
	get_nodes(r, json_object_get(o, "nodes"));
	get_pairs(r, o);
	get_cgroups(r, get_list(r, o, "cgroups"));
	get_processes(r, get_list(r, o, "processes"));
	get_threads(r, get_list(r, o, "threads"));
	f->regions_pid = get_id(r, o, "regions_pid", 0, INT32_MAX);
	f->regions_error = get_text(r, json_object_get(o, "regions_error"), "regions_error");
	get_regions(r, get_list(r, o, "regions"));
	f->stacks_error = get_text(r, json_object_get(o, "stacks_error"), "stacks_error");
	get_stacks(r, get_list(r, o, "stacks"));
	get_events(r, get_list(r, o, "events"));
	f->verdict =
		(enum numaperf_verdict)get_id(r, o, "verdict", 0, NUMAPERF_VERDICT_UNVERIFIED);
	f->held = (unsigned int)get_number(r, o, "held");
	f->violated = (unsigned int)get_number(r, o, "violated");
	f->unverified = (unsigned int)get_number(r, o, "unverified");
	get_hooks(r, json_object_get(o, "hooks"));
	f->events_lost = get_number(r, o, "events_lost");
	f->notices_lost = get_number(r, o, "notices_lost");
	f->threads_lost = get_number(r, o, "threads_lost");
	f->violations = get_number(r, o, "violations");
	json_array_foreach(get_list(r, o, "notes"), i, v)
	{
		char *note = get_text(r, v, "notes");

		if (note && top_frame_add_note(f, note))
			wrong(r, "no memory");
		free(note);
	}
}

struct top_frame *top_frame_from_json(const json_t *json, char *error, size_t size)
{
	size_t nodes = json_array_size(json_object_get(json, "nodes"));
	struct reader r = { .error = error, .size = size };

	error[0] = '\0';
	if (!json_is_object(json) || !nodes || nodes > NODES_MAX) {
		wrong(&r, "no nodes");
		return NULL;
	}
	r.frame = top_frame_new(nodes);
	if (!r.frame)
		wrong(&r, "no memory");
	else
		get_all(&r, json);
	if (!error[0])
		return r.frame;
	top_frame_free(r.frame);
	return NULL;
}

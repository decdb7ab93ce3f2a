/* SPDX-License-Identifier: MIT */
#include "top_export.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* ---- which processes ---- */

static bool picked(const struct top_frame *f, const struct top_process *p,
		   const struct top_pick *pick)
{
	int at = pick->node < 0 ? -1 : top_frame_node(f, pick->node);

	if (pick->node < 0)
		return true;
	return at >= 0 && (p->run_ns_on[at] ||
			   (p->resident && p->resident[at] && p->resident[at] != TOP_NONE));
}

static uint64_t time_of(const struct top_process *p)
{
	return p->counts.run_ns;
}

static int by_interest(const void *a, const void *b)
{
	const struct top_process *x = *(const struct top_process *const *)a,
				 *y = *(const struct top_process *const *)b;

	if (x->counts.faults_remote != y->counts.faults_remote)
		return x->counts.faults_remote < y->counts.faults_remote ? 1 : -1;
	if (time_of(x) != time_of(y))
		return time_of(x) < time_of(y) ? 1 : -1;
	return (x->pid > y->pid) - (x->pid < y->pid);
}

/* The most interesting first; *count of them. NULL: no memory. */
static const struct top_process **pick_processes(const struct top_frame *f,
						 const struct top_pick *pick, size_t *count)
{
	const struct top_process **list =
		calloc(f->processes ? f->processes : 1, sizeof(const struct top_process *));
	size_t n = 0;

	if (!list)
		return NULL;
	for (size_t i = 0; i < f->processes; i++)
		if (picked(f, &f->process[i], pick))
			list[n++] = &f->process[i];
	qsort(list, n, sizeof(const struct top_process *), by_interest);
	*count = n < pick->processes ? n : pick->processes;
	return list;
}

/* ---- JSON ---- */

static json_t *number(uint64_t n)
{
	return n == TOP_NONE ? json_null() : json_integer((json_int_t)n);
}

/* A counter that nobody counts here is null, not 0. */
static json_t *counter(const struct top_frame *f, enum numaperf_metric metric, uint64_t n)
{
	return top_has(f, metric) ? number(n) : json_null();
}

static json_t *node_json(const struct top_frame *f, const struct top_node *n)
{
	json_t *o = json_object();

	json_object_set_new(o, "id", json_integer(n->id));
#define PUT(key, metric, value) \
 json_object_set_new(o, key, counter(f, NUMAPERF_METRIC_##metric, value))
	PUT("run_time_ns", RUN_TIME, n->run_ns);
	PUT("faults_local", FAULTS, n->faults_local);
	PUT("faults_remote", FAULTS, n->faults_remote);
	PUT("thread_moves_in", THREAD_MOVES, n->moves_in);
	PUT("thread_moves_out", THREAD_MOVES, n->moves_out);
	PUT("pages_in", PAGE_MOVES, n->pages_in);
	PUT("pages_out", PAGE_MOVES, n->pages_out);
	PUT("hint_faults_local", HINTING_FAULTS, n->hinting_local);
	PUT("hint_faults_remote", HINTING_FAULTS, n->hinting_remote);
#undef PUT
	json_object_set_new(o, "mem_total", number(n->mem_total));
	json_object_set_new(o, "mem_free", number(n->mem_free));
	json_object_set_new(o, "mem_file", number(n->mem_file));
	json_object_set_new(o, "mem_anon", number(n->mem_anon));
	json_object_set_new(o, "huge_total", number(n->huge_total));
	json_object_set_new(o, "huge_free", number(n->huge_free));
	json_object_set_new(o, "cpu_busy_ratio",
			    n->cpu_all == TOP_NONE || !n->cpu_all
				    ? json_null()
				    : json_real((double)n->cpu_busy / (double)n->cpu_all));
	return o;
}

/* faults[cpu node][memory node], by position: anonymous and huge pages. */
static json_t *matrix_json(const struct top_frame *f)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < f->nodes; i++) {
		json_t *row = json_array();

		for (size_t k = 0; k < f->nodes; k++) {
			const struct top_cell *c = &f->cell[i * f->nodes + k];

			json_array_append_new(row,
					      counter(f, NUMAPERF_METRIC_FAULTS,
						      c->pages[NUMAPERF_PAGE_ANON] +
							      c->pages[NUMAPERF_PAGE_HUGE]));
		}
		json_array_append_new(rows, row);
	}
	return rows;
}

static json_t *by_node(const struct top_frame *f, const uint64_t *v)
{
	json_t *o = json_object();
	char id[16];

	for (size_t i = 0; i < f->nodes; i++) {
		snprintf(id, sizeof(id), "%d", f->node[i].id);
		json_object_set_new(o, id, number(v[i]));
	}
	return o;
}

static json_t *moves_json(const struct top_counts *c)
{
	json_t *o = json_object();

	for (int i = 0; i < NUMAPERF_MOVE_CAUSES; i++)
		if (c->moves[i])
			json_object_set_new(
				o, numaperf_move_cause_name((enum numaperf_move_cause)i),
				number(c->moves[i]));
	return o;
}

static uint64_t all_moves(const struct top_counts *c)
{
	uint64_t sum = 0;

	for (int i = 0; i < NUMAPERF_MOVE_CAUSES; i++)
		sum += c->moves[i];
	return sum;
}

static json_t *process_json(const struct top_frame *f, const struct top_process *p)
{
	const struct top_cgroup *g = p->cgroup >= 0 ? &f->cgroup[p->cgroup] : NULL;
	json_t *o = json_object();
	const char *basis;
	double ratio = top_process_ratio(f, p, &basis);

	json_object_set_new(o, "pid", json_integer(p->pid));
	json_object_set_new(o, "ppid", p->ppid < 0 ? json_null() : json_integer(p->ppid));
	json_object_set_new(o, "comm", json_string(p->comm));
	json_object_set_new(o, "threads", json_integer(p->threads));
	json_object_set_new(o, "locality_ratio", ratio < 0 ? json_null() : json_real(ratio));
	json_object_set_new(o, "locality_basis", basis ? json_string(basis) : json_null());
	json_object_set_new(o, "run_time_ns", by_node(f, p->run_ns_on));
	json_object_set_new(o, "resident", p->resident ? by_node(f, p->resident) : json_null());
	json_object_set_new(o, "faults_local",
			    counter(f, NUMAPERF_METRIC_FAULTS, p->counts.faults_local));
	json_object_set_new(o, "faults_remote",
			    counter(f, NUMAPERF_METRIC_FAULTS, p->counts.faults_remote));
	json_object_set_new(
		o, "hint_faults_local",
		counter(f, NUMAPERF_METRIC_HINTING_FAULTS, p->counts.hinting_local));
	json_object_set_new(
		o, "hint_faults_remote",
		counter(f, NUMAPERF_METRIC_HINTING_FAULTS, p->counts.hinting_remote));
	json_object_set_new(o, "moves",
			    counter(f, NUMAPERF_METRIC_THREAD_MOVES, all_moves(&p->counts)));
	json_object_set_new(o, "node_moves",
			    counter(f, NUMAPERF_METRIC_THREAD_MOVES, p->counts.node_moves));
	json_object_set_new(o, "moves_by_cause", moves_json(&p->counts));
	json_object_set_new(o, "cgroup", g ? json_string(g->path) : json_null());
	json_object_set_new(o, "container",
			    g && g->container ? json_string(g->container) : json_null());
	json_object_set_new(o, "promised", json_integer(p->promised));
	json_object_set_new(o, "violations", number(p->violations));
	return o;
}

static json_t *event_json(const struct top_event *e)
{
	return json_pack(
		"{s:f,s:s,s:s,s:I,s:i,s:i,s:i,s:s,s:s}", "time", (double)e->time_ns / 1e9,
		"kind", numaperf_violation_kind_name(e->kind), "cause",
		e->kind == NUMAPERF_VIOLATION_PAGE ? numaperf_page_cause_name(e->page_cause)
						   : numaperf_move_cause_name(e->move_cause),
		"count", (json_int_t)e->count, "pid", e->pid, "tid", e->tid, "actor_pid",
		e->actor_pid, "actor", e->actor, "message", e->message ? e->message : "");
}

static json_t *hooks_json(const struct top_frame *f)
{
	json_t *o = json_object();

	for (int m = 0; m < NUMAPERF_METRIC_COUNT; m++)
		json_object_set_new(o, numaperf_metric_name((enum numaperf_metric)m),
				    json_string(numaperf_rung_name(f->hook[m].rung)));
	return o;
}

static int finish(FILE *to)
{
	return fflush(to) || ferror(to) ? (errno == EPIPE ? -EPIPE : -EIO) : 0;
}

int top_export_json(FILE *to, const struct top_frame *f, const struct top_pick *pick)
{
	size_t count = 0;
	const struct top_process **list = pick_processes(f, pick, &count);
	json_t *o = json_object(), *nodes = json_array(), *processes = json_array(),
	       *events = json_array(), *notes = json_array();
	int err;

	if (!list || !o || !nodes || !processes || !events || !notes) {
		free(list);
		return -ENOMEM;
	}
	for (size_t i = 0; i < f->nodes; i++)
		json_array_append_new(nodes, node_json(f, &f->node[i]));
	for (size_t i = 0; i < count; i++)
		json_array_append_new(processes, process_json(f, list[i]));
	for (size_t i = 0; i < f->events; i++)
		json_array_append_new(events, event_json(&f->event[i]));
	json_object_set_new(o, "time", json_real((double)f->time_ns / 1e9));
	json_object_set_new(o, "interval_s", json_real((double)f->interval_ns / 1e9));
	json_object_set_new(o, "host", json_string(f->host));
	json_object_set_new(o, "scope", f->scope ? json_string(f->scope) : json_null());
	json_object_set_new(o, "sampler", json_boolean(f->sampler));
	json_object_set_new(o, "nodes", nodes);
	json_object_set_new(o, "matrix", matrix_json(f));
	json_object_set_new(o, "processes", processes);
	json_object_set_new(o, "processes_total", json_integer((json_int_t)f->processes));
	json_object_set_new(o, "events", events);
	json_object_set_new(o, "verdict", json_string(numaperf_verdict_name(f->verdict)));
	json_object_set_new(o, "hooks", hooks_json(f));
	for (size_t i = 0; i < f->notes; i++)
		json_array_append_new(notes, json_string(f->note[i]));
	json_object_set_new(o, "notes", notes);
	json_object_set_new(o, "lost",
			    number(f->events_lost + f->notices_lost + f->threads_lost));
	err = json_dumpf(o, to, JSON_COMPACT) || putc('\n', to) == EOF ? -EIO : 0;
	json_decref(o);
	free(list);
	return err ? (errno == EPIPE ? -EPIPE : err) : finish(to);
}

/* ---- CSV ---- */

/* A cell that begins like a formula would be one in a spreadsheet: a blank keeps it text. */
static void csv_text(FILE *to, const char *text)
{
	putc('"', to);
	if (*text && strchr("=+-@", *text))
		putc(' ', to);
	for (; *text; text++) {
		if (*text == '"')
			putc('"', to);
		putc(*text, to);
	}
	putc('"', to);
}

static void csv_number(FILE *to, bool has, uint64_t n)
{
	putc(',', to);
	if (has && n != TOP_NONE)
		fprintf(to, "%" PRIu64, n);
}

static void csv_row(FILE *to, const struct top_frame *f, const struct top_process *p,
		    size_t node)
{
	const struct top_cgroup *g = p->cgroup >= 0 ? &f->cgroup[p->cgroup] : NULL;
	bool faults = top_has(f, NUMAPERF_METRIC_FAULTS),
	     hinting = top_has(f, NUMAPERF_METRIC_HINTING_FAULTS),
	     moves = top_has(f, NUMAPERF_METRIC_THREAD_MOVES);
	const char *basis;
	double ratio = top_process_ratio(f, p, &basis);

	fprintf(to, "%.3f,%.3f,%d,", (double)f->time_ns / 1e9, (double)f->interval_ns / 1e9,
		p->pid);
	csv_text(to, p->comm);
	putc(',', to);
	csv_text(to, g ? g->path : "");
	fprintf(to, ",%d", f->node[node].id);
	csv_number(to, true, p->run_ns_on[node]);
	csv_number(to, p->resident != NULL, p->resident ? p->resident[node] : 0);
	csv_number(to, faults, p->counts.faults_local);
	csv_number(to, faults, p->counts.faults_remote);
	csv_number(to, hinting, p->counts.hinting_local);
	csv_number(to, hinting, p->counts.hinting_remote);
	csv_number(to, moves, all_moves(&p->counts));
	csv_number(to, moves, p->counts.node_moves);
	if (ratio >= 0)
		fprintf(to, ",%.4f,%s\r\n", ratio, basis);
	else
		fputs(",,\r\n", to);
}

int top_export_csv(FILE *to, const struct top_frame *f, const struct top_pick *pick,
		   bool titles)
{
	size_t count = 0;
	const struct top_process **list = pick_processes(f, pick, &count);

	if (!list)
		return -ENOMEM;
	if (titles)
		fputs("time,interval_s,pid,comm,cgroup,node,run_time_ns,resident_bytes,"
		      "faults_local,faults_remote,hint_faults_local,hint_faults_remote,moves,"
		      "node_moves,locality_ratio,locality_basis\r\n",
		      to);
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < f->nodes; k++)
			if (pick->node < 0 || f->node[k].id == pick->node)
				csv_row(to, f, list[i], k);
	free(list);
	return finish(to);
}

/* ---- text ---- */

static const char *rate_of(const struct top_frame *f, enum numaperf_metric metric, uint64_t n,
			   char *buf, size_t size)
{
	if (!top_has(f, metric) || n == TOP_NONE)
		return "n/a";
	snprintf(buf, size, "%.0f",
		 f->interval_ns ? (double)n / ((double)f->interval_ns / 1e9) : 0.0);
	return buf;
}

static const char *size_of(uint64_t bytes, char *buf, size_t size)
{
	static const char units[] = "KMGTPE";
	double n = (double)bytes / 1024;
	int u = 0;

	if (bytes == TOP_NONE)
		return "n/a";
	while (n >= 1000 && u < 5) {
		n /= 1024;
		u++;
	}
	snprintf(buf, size, n < 10 ? "%.1f%c" : "%.0f%c", n, units[u]);
	return buf;
}

static const char *percent_of(double ratio, char *buf, size_t size)
{
	if (ratio < 0)
		return "n/a";
	snprintf(buf, size, "%.1f", ratio * 100);
	return buf;
}

static void text_nodes(FILE *to, const struct top_frame *f)
{
	char b[10][24];

	fprintf(to, "%4s %6s %7s %7s %9s %9s %9s %9s %8s %8s %8s %8s\n", "NODE", "CPU%", "FREE",
		"TOTAL", "LOCAL/s", "REMOTE/s", "HINT-L/s", "HINT-R/s", "MV-IN/s", "MV-OUT/s",
		"PG-IN/s", "PG-OUT/s");
	for (size_t i = 0; i < f->nodes; i++) {
		const struct top_node *n = &f->node[i];
		double busy = n->cpu_all == TOP_NONE || !n->cpu_all
				      ? -1
				      : (double)n->cpu_busy / (double)n->cpu_all;

#define RATE(at, metric, value) \
 rate_of(f, NUMAPERF_METRIC_##metric, value, b[at], sizeof(b[at]))
		fprintf(to, "%4d %6s ", n->id, percent_of(busy, b[0], sizeof(b[0])));
		fprintf(to, "%7s ", size_of(n->mem_free, b[0], sizeof(b[0])));
		fprintf(to, "%7s ", size_of(n->mem_total, b[0], sizeof(b[0])));
		fprintf(to, "%9s %9s %9s %9s %8s %8s %8s %8s\n",
			RATE(1, FAULTS, n->faults_local), RATE(2, FAULTS, n->faults_remote),
			RATE(3, HINTING_FAULTS, n->hinting_local),
			RATE(4, HINTING_FAULTS, n->hinting_remote),
			RATE(5, THREAD_MOVES, n->moves_in), RATE(6, THREAD_MOVES, n->moves_out),
			RATE(7, PAGE_MOVES, n->pages_in), RATE(8, PAGE_MOVES, n->pages_out));
	}
}

static void text_process(FILE *to, const struct top_frame *f, const struct top_process *p)
{
	char b[8][24];
	const char *basis;
	double ratio = top_process_ratio(f, p, &basis);

	fprintf(to, "%7d %-15s %6s %-8s %9s %9s %8s ", p->pid, p->comm,
		percent_of(ratio, b[0], sizeof(b[0])), basis ? basis : "-",
		RATE(1, FAULTS, p->counts.faults_local),
		RATE(2, FAULTS, p->counts.faults_remote),
		RATE(3, THREAD_MOVES, p->counts.node_moves));
#undef RATE
	for (size_t i = 0; i < f->nodes; i++)
		fprintf(to, " N%d:%.1f%%/%s", f->node[i].id,
			f->interval_ns ? (double)p->run_ns_on[i] / (double)f->interval_ns * 100
				       : 0.0,
			size_of(p->resident ? p->resident[i] : TOP_NONE, b[4], sizeof(b[4])));
	putc('\n', to);
}

int top_export_text(FILE *to, const struct top_frame *f, const struct top_pick *pick)
{
	size_t count = 0;
	const struct top_process **list = pick_processes(f, pick, &count);

	if (!list)
		return -ENOMEM;
	fprintf(to, "numaperf-top: %s, %s, %.1f s, %zu processes; guarantees: %s", f->host,
		f->scope ? f->scope : "", (double)f->interval_ns / 1e9, f->processes,
		numaperf_verdict_name(f->verdict));
	if (f->held + f->violated + f->unverified)
		fprintf(to, " (%u held, %u violated, %u unverified)", f->held, f->violated,
			f->unverified);
	putc('\n', to);
	for (size_t i = 0; i < f->notes; i++)
		fprintf(to, "! %s\n", f->note[i]);
	text_nodes(to, f);
	fprintf(to, "%7s %-15s %6s %-8s %9s %9s %8s  %s\n", "PID", "COMM", "LOCAL%", "BASIS",
		"LOCAL/s", "REMOTE/s", "NMOVES/s", "NODE:CPU%/MEMORY");
	for (size_t i = 0, shown = 0; i < count && shown < 40; i++) {
		/* the kernel's own threads are many, and most do nothing */
		if (list[i]->kernel && !list[i]->counts.run_ns)
			continue;
		text_process(to, f, list[i]);
		shown++;
	}
	for (size_t i = 0; i < f->events; i++)
		fprintf(to, "violation: %s\n", f->event[i].message);
	putc('\n', to);
	free(list);
	return finish(to);
}

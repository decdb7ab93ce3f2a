// SPDX-License-Identifier: MIT
/* A report for programs: one object; what was not had is null. */
#include "base.h"
#include "report.h"
#include "sys.h"
#include "util.h"

#include <jansson.h>

static json_t *number(uint64_t n)
{
	return json_integer((json_int_t)n);
}

/* null where the metric is not had. */
static json_t *counted(const struct np_snapshot *s, enum numaperf_metric metric, uint64_t n)
{
	return numaperf_rung_counts(metric, s->hook[metric].rung) ? number(n) : json_null();
}

static json_t *text_or_null(const char *text)
{
	return text && text[0] ? json_string(text) : json_null();
}

static json_t *ratio(const struct numaperf_report *r, int node, enum numaperf_locality which)
{
	double value = 0;
	int err = node < 0 ? numaperf_report_locality(r, which, &value)
			   : numaperf_report_node_locality(r, node, which, &value);

	return err ? json_null() : json_real(value);
}

static json_t *ratios(const struct numaperf_report *r, int node)
{
	json_t *o = json_object();

	for (int l = 0; l < NUMAPERF_LOCALITY_COUNT; l++)
		json_object_set_new(o, numaperf_locality_name((enum numaperf_locality)l),
				    ratio(r, node, (enum numaperf_locality)l));
	return o;
}

static json_t *guarantees(const struct numaperf_report *r)
{
	json_t *list = json_array();

	for (size_t i = 0; i < r->s.guarantee_count; i++) {
		const struct np_seen *g = &r->s.guarantee[i];
		json_t *o = json_object();

		json_object_set_new(o, "id", number(g->id));
		json_object_set_new(o, "kind",
				    json_string(numaperf_guarantee_kind_name(g->kind)));
		json_object_set_new(o, "label", json_string(r->judged[i].label));
		json_object_set_new(o, "verdict",
				    json_string(numaperf_verdict_name(r->judged[i].verdict)));
		json_object_set_new(o, "reason", json_string(r->judged[i].reason));
		json_object_set_new(o, "ended", json_boolean(g->ended));
		json_object_set_new(o, "since_ns", number(g->since_ns));
		json_object_set_new(o, "until_ns",
				    number(g->until_ns ? g->until_ns : r->s.now_ns));
		json_object_set_new(o, "violations", number(g->violations));
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *nodes(const struct numaperf_report *r)
{
	const struct np_snapshot *s = &r->s;
	json_t *list = json_array();

	for (size_t i = 0; i < s->node_count; i++) {
		const struct np_node_seen *n = &s->node[i];
		const struct numaperf_node_activity *a = &n->activity;
		json_t *o = json_object();

		json_object_set_new(o, "id", json_integer(n->id));
		json_object_set_new(o, "local_executions",
				    s->executor ? number(n->local_executions) : json_null());
		json_object_set_new(o, "steals_from",
				    s->executor ? number(n->steals_from) : json_null());
		json_object_set_new(o, "steals_to",
				    s->executor ? number(n->steals_to) : json_null());
		json_object_set_new(o, "run_time_ns",
				    counted(s, NUMAPERF_METRIC_RUN_TIME, a->run_time_ns));
		json_object_set_new(o, "faults_local",
				    counted(s, NUMAPERF_METRIC_FAULTS, a->faults_local));
		json_object_set_new(o, "faults_remote",
				    counted(s, NUMAPERF_METRIC_FAULTS, a->faults_remote));
		json_object_set_new(o, "remote_accesses",
				    counted(s, NUMAPERF_METRIC_FAULTS,
					    a->faults_remote + a->hinting_remote));
		json_object_set_new(
			o, "hint_faults_local",
			counted(s, NUMAPERF_METRIC_HINTING_FAULTS, a->hinting_local));
		json_object_set_new(
			o, "hint_faults_remote",
			counted(s, NUMAPERF_METRIC_HINTING_FAULTS, a->hinting_remote));
		json_object_set_new(
			o, "thread_moves_in",
			counted(s, NUMAPERF_METRIC_THREAD_MOVES, a->thread_moves_in));
		json_object_set_new(
			o, "thread_moves_out",
			counted(s, NUMAPERF_METRIC_THREAD_MOVES, a->thread_moves_out));
		json_object_set_new(o, "pages_in",
				    counted(s, NUMAPERF_METRIC_PAGE_MOVES, a->pages_in));
		json_object_set_new(o, "pages_out",
				    counted(s, NUMAPERF_METRIC_PAGE_MOVES, a->pages_out));
		json_object_set_new(o, "resident_pages", number(n->resident_pages));
		json_object_set_new(o, "ratios", ratios(r, n->id));
		json_array_append_new(list, o);
	}
	return list;
}

/* faults[cpu node][memory node] by kind of page */
static json_t *matrix(const struct numaperf_report *r)
{
	static const char *const kinds[] = { "anon", "huge", "file", "text" };
	const struct np_snapshot *s = &r->s;
	json_t *o = json_object();

	for (int k = 0; k < NUMAPERF_PAGE_KINDS; k++) {
		enum numaperf_metric metric = k < NUMAPERF_PAGE_FILE
						      ? NUMAPERF_METRIC_FAULTS
						      : NUMAPERF_METRIC_FILE_FAULTS;
		json_t *rows = json_array();

		for (size_t c = 0; c < s->node_count; c++) {
			json_t *row = json_array();

			for (size_t m = 0; m < s->node_count; m++)
				json_array_append_new(
					row, counted(s, metric,
						     s->cell[c * s->node_count + m].pages[k]));
			json_array_append_new(rows, row);
		}
		json_object_set_new(o, kinds[k], rows);
	}
	return o;
}

static json_t *moves(const struct numaperf_report *r)
{
	const struct np_snapshot *s = &r->s;
	json_t *list = json_array();

	for (size_t i = 0; i < s->node_count * s->node_count; i++) {
		for (int c = 0; c < NUMAPERF_MOVE_CAUSES + NUMAPERF_PAGE_CAUSES; c++) {
			bool page = c >= NUMAPERF_MOVE_CAUSES;
			int k = page ? c - NUMAPERF_MOVE_CAUSES : c;
			uint64_t n = page ? s->flow[i].pages[k] : s->flow[i].threads[k];
			json_t *o;

			if (!n)
				continue;
			o = json_object();
			json_object_set_new(o, "from",
					    json_integer(s->node[i / s->node_count].id));
			json_object_set_new(o, "to",
					    json_integer(s->node[i % s->node_count].id));
			json_object_set_new(o, "what", json_string(page ? "pages" : "threads"));
			json_object_set_new(
				o, "cause",
				json_string(page ? numaperf_page_cause_name(
							   (enum numaperf_page_cause)k)
						 : numaperf_move_cause_name(
							   (enum numaperf_move_cause)k)));
			json_object_set_new(o, "count", number(n));
			json_array_append_new(list, o);
		}
	}
	return list;
}

static json_t *findings(const struct numaperf_report *r)
{
	json_t *list = json_array();

	for (size_t i = 0; i < r->findings; i++) {
		json_t *o = json_object();

		json_object_set_new(o, "id", json_string(r->finding[i].id));
		json_object_set_new(o, "cause", json_string(r->finding[i].cause));
		json_object_set_new(o, "command", text_or_null(r->finding[i].command));
		json_object_set_new(o, "advice", text_or_null(r->finding[i].advice));
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *hooks(const struct numaperf_report *r)
{
	json_t *all = json_object();

	for (int m = 0; m < NUMAPERF_METRIC_COUNT; m++) {
		const struct numaperf_hook *h = &r->s.hook[m];
		json_t *o = json_object();

		json_object_set_new(o, "rung", json_string(numaperf_rung_name(h->rung)));
		json_object_set_new(o, "hook", text_or_null(h->hook));
		json_object_set_new(o, "error",
				    h->error ? json_integer(h->error) : json_null());
		json_object_set_new(o, "reason", text_or_null(h->reason));
		json_object_set_new(o, "remedy", text_or_null(h->remedy));
		json_object_set_new(all, numaperf_metric_name((enum numaperf_metric)m), o);
	}
	return all;
}

static json_t *totals(const struct numaperf_report *r)
{
	const struct numaperf_monitor_totals *t = &r->s.totals;
	json_t *o = json_object();

	json_object_set_new(o, "violations", number(t->violations));
	json_object_set_new(o, "events_lost", number(t->events_lost));
	json_object_set_new(o, "notices_lost", number(t->notices_lost));
	json_object_set_new(o, "list_dropped", number(t->list_dropped));
	json_object_set_new(o, "threads_lost", number(t->threads_lost));
	json_object_set_new(o, "threads_seen", number(t->threads_seen));
	json_object_set_new(o, "threads_live", number(t->threads_live));
	json_object_set_new(o, "suspects", number(t->suspects));
	json_object_set_new(o, "suspects_confirmed", number(t->suspects_confirmed));
	json_object_set_new(o, "suspects_refuted", number(t->suspects_refuted));
	return o;
}

static json_t *whole(const struct numaperf_report *r)
{
	int basis = numaperf_report_health_basis(r);
	json_t *o = json_object();

	json_object_set_new(o, "version", json_string(numaperf_version()));
	json_object_set_new(o, "scope", json_string(numaperf_scope_name(r->s.scope)));
	json_object_set_new(o, "pid", r->s.pid ? json_integer(r->s.pid) : json_null());
	json_object_set_new(o, "duration_ns", number(numaperf_report_duration_ns(r)));
	json_object_set_new(o, "sampler", json_boolean(r->s.sampler));
	json_object_set_new(o, "flushed", json_boolean(r->s.flushed));
	json_object_set_new(o, "verdict",
			    json_string(numaperf_verdict_name(numaperf_report_verdict(r))));
	json_object_set_new(o, "guarantees", guarantees(r));
	json_object_set_new(o, "health",
			    json_string(numaperf_health_name(numaperf_report_health(r))));
	json_object_set_new(
		o, "health_basis",
		basis < 0 ? json_null()
			  : json_string(numaperf_locality_name((enum numaperf_locality)basis)));
	json_object_set_new(o, "ratios", ratios(r, -1));
	json_object_set_new(o, "nodes", nodes(r));
	json_object_set_new(o, "matrix", matrix(r));
	json_object_set_new(o, "moves", moves(r));
	json_object_set_new(o, "findings", findings(r));
	json_object_set_new(o, "hooks", hooks(r));
	json_object_set_new(o, "totals", totals(r));
	return o;
}

/* jansson takes NULL for a value that could not be made and then fails the setting: what is
 * missing for want of memory is found by counting the members. */
int np_report_json(const struct numaperf_report *report, char *buf, size_t size)
{
	json_t *root = whole(report);
	size_t length;
	char *text;

	text = root && json_object_size(root) == 17 ? json_dumps(root, JSON_COMPACT) : NULL;
	json_decref(root);
	if (!text)
		return np_fail_memory(NP_REPORT_OPERATION);
	length = strlen(text);
	if (size) {
		memcpy(buf, text, MIN(length, size - 1));
		buf[MIN(length, size - 1)] = '\0';
	}
	np_free(text); /* jansson's: malloc's */
	return (int)length;
}

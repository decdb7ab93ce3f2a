/* SPDX-License-Identifier: MIT */
/*
 * OpenMetrics 1.0 (https://github.com/prometheus/OpenMetrics): families with HELP and TYPE,
 * counters that end in _total, "# EOF" at last. What cannot be had is not exposed, and says so
 * in numaperf_hook_rung. Series are bounded by nodes and causes: no pid and no name of a
 * process.
 */
#include "top_export.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>

struct out {
	FILE *to;
	const struct top_frame *f;
	bool openmetrics;
};

static void family(const struct out *o, const char *name, const char *type, const char *unit,
		   const char *help)
{
	const char *total = !o->openmetrics && *type == 'c' ? "_total" : "";
	bool info = *type == 'i';

	if (!o->openmetrics && info)
		type = "gauge";
	fprintf(o->to, "# TYPE %s%s%s %s\n", name, total,
		!o->openmetrics && info ? "_info" : "", type);
	if (o->openmetrics && *unit)
		fprintf(o->to, "# UNIT %s %s\n", name, unit);
	fprintf(o->to, "# HELP %s%s%s %s\n", name, total,
		!o->openmetrics && info ? "_info" : "", help);
}

/* Of each node, a value at this place of struct top_node. */
static void node_family(const struct out *o, const char *name, bool counter, const char *unit,
			const char *help, size_t offset, double scale)
{
	bool any = false;

	for (size_t i = 0; i < o->f->nodes; i++) {
		uint64_t v = *(const uint64_t *)((const char *)&o->f->node[i] + offset);

		if (v == TOP_NONE)
			continue;
		if (!any)
			family(o, name, counter ? "counter" : "gauge", unit, help);
		any = true;
		fprintf(o->to, "%s%s{node=\"%d\"} ", name, counter ? "_total" : "",
			o->f->node[i].id);
		if (scale == 1)
			fprintf(o->to, "%" PRIu64 "\n", v);
		else
			fprintf(o->to, "%.9f\n", (double)v * scale);
	}
}

#define AT(field) offsetof(struct top_node, field)

static void nodes(const struct out *o)
{
	const struct top_frame *f = o->f;

	node_family(o, "numaperf_node_memory_total_bytes", false, "bytes",
		    "Memory of the node.", AT(mem_total), 1);
	node_family(o, "numaperf_node_memory_free_bytes", false, "bytes",
		    "Free memory of the node.", AT(mem_free), 1);
	node_family(o, "numaperf_node_memory_file_bytes", false, "bytes",
		    "Page cache on the node.", AT(mem_file), 1);
	node_family(o, "numaperf_node_memory_anonymous_bytes", false, "bytes",
		    "Mapped anonymous memory on the node.", AT(mem_anon), 1);
	node_family(o, "numaperf_node_hugepages_total_bytes", false, "bytes",
		    "Reserved huge pages of the node, all sizes.", AT(huge_total), 1);
	node_family(o, "numaperf_node_hugepages_free_bytes", false, "bytes",
		    "Free ones of them.", AT(huge_free), 1);
	if (top_has(f, NUMAPERF_METRIC_RUN_TIME))
		node_family(o, "numaperf_node_run_seconds", true, "seconds",
			    "Run time of watched threads on CPUs of the node.", AT(run_ns),
			    1e-9);
	if (top_has(f, NUMAPERF_METRIC_FAULTS)) {
		node_family(o, "numaperf_node_faults_local", true, "",
			    "Pages that CPUs of the node faulted in on it.", AT(faults_local),
			    1);
		node_family(o, "numaperf_node_faults_remote", true, "",
			    "Pages that CPUs of the node faulted in on other nodes.",
			    AT(faults_remote), 1);
	}
	if (top_has(f, NUMAPERF_METRIC_HINTING_FAULTS)) {
		node_family(o, "numaperf_node_hinting_faults_local", true, "",
			    "Hinting faults of CPUs of the node on local pages.",
			    AT(hinting_local), 1);
		node_family(o, "numaperf_node_hinting_faults_remote", true, "",
			    "Hinting faults of CPUs of the node on remote pages.",
			    AT(hinting_remote), 1);
	}
	if (top_has(f, NUMAPERF_METRIC_THREAD_MOVES)) {
		node_family(o, "numaperf_node_thread_moves_in", true, "",
			    "Watched threads that came from another node.", AT(moves_in), 1);
		node_family(o, "numaperf_node_thread_moves_out", true, "",
			    "Watched threads that went to another node.", AT(moves_out), 1);
	}
	if (top_has(f, NUMAPERF_METRIC_PAGE_MOVES)) {
		node_family(o, "numaperf_node_pages_in", true, "",
			    "Pages of watched processes that came from another node.",
			    AT(pages_in), 1);
		node_family(o, "numaperf_node_pages_out", true, "",
			    "Pages of watched processes that went to another node.",
			    AT(pages_out), 1);
	}
}

static void matrix(const struct out *o)
{
	static const char *const kinds[] = { "anonymous", "huge", "file", "text" };
	const struct top_frame *f = o->f;

	if (!top_has(f, NUMAPERF_METRIC_FAULTS))
		return;
	family(o, "numaperf_fault_pages", "counter", "",
	       "Base pages that came up, by the node of the CPU that asked, the node of the "
	       "memory, and kind.");
	for (size_t i = 0; i < f->nodes * f->nodes; i++)
		for (int k = 0; k < NUMAPERF_PAGE_KINDS; k++) {
			bool file = k >= NUMAPERF_PAGE_FILE;

			if (file && !top_has(f, NUMAPERF_METRIC_FILE_FAULTS))
				continue;
			fprintf(o->to,
				"numaperf_fault_pages_total{cpu_node=\"%d\",memory_node=\"%d\","
				"kind=\"%s\"} %" PRIu64 "\n",
				f->node[i / f->nodes].id, f->node[i % f->nodes].id, kinds[k],
				f->cell[i].pages[k]);
		}
	if (!top_has(f, NUMAPERF_METRIC_HINTING_FAULTS))
		return;
	family(o, "numaperf_hinting_faults", "counter", "",
	       "NUMA hinting faults, by the node of the CPU and that of the memory.");
	for (size_t i = 0; i < f->nodes * f->nodes; i++)
		fprintf(o->to,
			"numaperf_hinting_faults_total{cpu_node=\"%d\",memory_node=\"%d\"} "
			"%" PRIu64 "\n",
			f->node[i / f->nodes].id, f->node[i % f->nodes].id, f->cell[i].hinting);
}

static void label(FILE *to, const char *text)
{
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			putc('\\', to);
		putc(*text, to);
	}
}

static void causes(const struct out *o)
{
	const struct top_frame *f = o->f;
	uint64_t threads[NUMAPERF_MOVE_CAUSES] = { 0 }, pages[NUMAPERF_PAGE_CAUSES] = { 0 };

	for (size_t i = 0; i < f->nodes * f->nodes; i++) {
		for (int k = 0; k < NUMAPERF_MOVE_CAUSES; k++)
			threads[k] += i / f->nodes == i % f->nodes ? 0 : f->flow[i].threads[k];
		for (int k = 0; k < NUMAPERF_PAGE_CAUSES; k++)
			pages[k] += i / f->nodes == i % f->nodes ? 0 : f->flow[i].pages[k];
	}
	if (top_has(f, NUMAPERF_METRIC_THREAD_MOVES)) {
		family(o, "numaperf_thread_moves", "counter", "",
		       "Moves of watched threads between nodes, by cause.");
		for (int k = 0; k < NUMAPERF_MOVE_CAUSES; k++) {
			fputs("numaperf_thread_moves_total{cause=\"", o->to);
			label(o->to, numaperf_move_cause_name((enum numaperf_move_cause)k));
			fprintf(o->to, "\"} %" PRIu64 "\n", threads[k]);
		}
	}
	if (top_has(f, NUMAPERF_METRIC_PAGE_MOVES)) {
		family(o, "numaperf_page_moves", "counter", "",
		       "Pages of watched processes that moved between nodes, by cause.");
		for (int k = 0; k < NUMAPERF_PAGE_CAUSES; k++) {
			fputs("numaperf_page_moves_total{cause=\"", o->to);
			label(o->to, numaperf_page_cause_name((enum numaperf_page_cause)k));
			fprintf(o->to, "\"} %" PRIu64 "\n", pages[k]);
		}
	}
}

static void one(const struct out *o, const char *name, const char *type, const char *help,
		uint64_t value)
{
	family(o, name, type, "", help);
	fprintf(o->to, "%s%s %" PRIu64 "\n", name, *type == 'c' ? "_total" : "", value);
}

static void guarantees(const struct out *o)
{
	const struct top_frame *f = o->f;

	family(o, "numaperf_guarantees", "gauge", "",
	       "Pins and bound memory that are held to their place, by verdict.");
	fprintf(o->to, "numaperf_guarantees{verdict=\"held\"} %u\n", f->held);
	fprintf(o->to, "numaperf_guarantees{verdict=\"violated\"} %u\n", f->violated);
	fprintf(o->to, "numaperf_guarantees{verdict=\"unverified\"} %u\n", f->unverified);
	one(o, "numaperf_violations", "counter", "Moves and pages against what was promised.",
	    f->violations);
	one(o, "numaperf_events_lost", "counter",
	    "Violations that are counted and left no details.", f->events_lost);
	one(o, "numaperf_notices_lost", "counter",
	    "Notices of the kernel's doing that did not arrive.", f->notices_lost);
	one(o, "numaperf_threads_lost", "counter",
	    "Threads that were not counted: more than there is room for.", f->threads_lost);
	one(o, "numaperf_processes", "gauge", "Processes in the watched scope.", f->processes);
}

static void hooks(const struct out *o)
{
	family(o, "numaperf_hook_rung", "gauge", "",
	       "How each metric is had: 0 absent, 1 polling, 2 tp_btf, 3 fentry.");
	for (int m = 0; m < NUMAPERF_METRIC_COUNT; m++)
		fprintf(o->to, "numaperf_hook_rung{metric=\"%s\"} %d\n",
			numaperf_metric_name((enum numaperf_metric)m), (int)o->f->hook[m].rung);
	family(o, "numaperf_build", "info", "", "Which numaperf this is.");
	fprintf(o->to, "numaperf_build_info{version=\"%s\"} 1\n", numaperf_version());
}

char *top_export_metrics(const struct top_frame *frame, bool openmetrics, size_t *length)
{
	struct out o = { .f = frame, .openmetrics = openmetrics };
	char *text = NULL;

	o.to = open_memstream(&text, length);
	if (!o.to)
		return NULL;
	nodes(&o);
	matrix(&o);
	causes(&o);
	guarantees(&o);
	hooks(&o);
	if (openmetrics)
		fputs("# EOF\n", o.to);
	if (!fclose(o.to))
		return text;
	free(text);
	return NULL;
}

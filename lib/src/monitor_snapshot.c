// SPDX-License-Identifier: MIT
/* Everything that a monitor knows, at one moment, for a report. */
#include "base.h"
#include "monitor.h"
#include "sys.h"
#include "util.h"

#include <errno.h>

#define FLUSH_MS 2000

static const char operation[] = "taking a report's figures";

static int alloc_array(void *out, size_t count, size_t size)
{
	void *p;

	if (np_sys->alloc(&p, MAX(count, 1) * size, 0) < 0)
		return np_fail_memory(operation);
	memcpy(out, &p, sizeof(p));
	return 0;
}

void np_snapshot_free(struct np_snapshot *s)
{
	np_free(s->node);
	np_free(s->cell);
	np_free(s->flow);
	np_free(s->guarantee);
	memset(s, 0, sizeof(*s));
}

/* ---- nodes ---- */

static void take_nodes(struct numaperf_monitor *mon, struct np_snapshot *out)
{
	for (size_t i = 0; i < out->node_count; i++) {
		int id = numaperf_topology_node_id(mon->topo, (unsigned int)i);
		struct numaperf_node_info info = { .sz = sizeof(info) };
		struct np_node_seen *node = &out->node[i];

		node->id = id;
		if (!numaperf_topology_node_info(mon->topo, id, &info)) {
			node->has_cpus = info.has_cpus;
			node->has_memory = info.has_memory;
		}
		np_monitor_read_node(mon, id, &node->activity);
		for (size_t k = 0; k < out->node_count; k++) {
			int other = numaperf_topology_node_id(mon->topo, (unsigned int)k);

			np_monitor_read_cell(mon, id, other,
					     &out->cell[i * out->node_count + k]);
			np_monitor_read_flow(mon, id, other,
					     &out->flow[i * out->node_count + k]);
		}
	}
}

/* ---- guarantees ---- */

/* What the programs counted and did not (yet) tell belongs to it all the same. */
static void take_guard(const struct numaperf_monitor *mon, const struct np_guard *g,
		       struct np_seen *seen)
{
	const struct np_watch *counter = np_guard_counter(mon, g);
	uint64_t untold = np_guard_untold(mon, g);

	*seen = g->seen;
	if (!counter)
		return;
	seen->violations += untold;
	if (untold && g->seen.kind == NUMAPERF_GUARANTEE_PAGES)
		seen->pages_by_cause[NUMAPERF_PAGE_UNKNOWN] += untold;
	else if (untold)
		seen->moves_by_cause[NUMAPERF_MOVE_UNKNOWN] += untold;
	if (untold && !seen->first_ns)
		seen->first_ns = counter->first_ns;
	seen->suspects_open += np_guard_unweighed(mon, g);
}

/* A promised CPU that is offline now. */
static void take_offline(const struct numaperf_monitor *mon, const struct np_guard *g,
			 struct np_snapshot *out)
{
	struct numaperf_cpuset offline;

	numaperf_cpuset_andnot(&offline, &g->seen.cpus, &mon->online);
	numaperf_cpuset_or(&out->offline_cpus, &out->offline_cpus, &offline);
}

static void take_guards(const struct numaperf_monitor *mon, struct np_snapshot *out)
{
	for (size_t i = 0; i < mon->guards; i++) {
		const struct np_guard *g = mon->guard[i];

		for (unsigned int n = 0;
		     g->sweep.resident && np_guard_live(g) && n < mon->nodes; n++)
			out->node[n].resident_pages += g->sweep.resident[n];
		if (g->quiet || g == mon->balancing)
			continue;
		take_guard(mon, g, &out->guarantee[out->guarantee_count++]);
		if (g->seen.kind == NUMAPERF_GUARANTEE_CPUS && np_guard_live(g))
			take_offline(mon, g, out);
	}
	if (mon->balancing)
		take_guard(mon, mon->balancing, &out->guarantee[out->guarantee_count++]);
}

/* ---- settings ---- */

/* The word in brackets: "always [madvise] never". 1: not "never"; 0; -1: cannot be read. */
static int khugepaged_may(void)
{
	int root = np_sys->open_root(NULL), n;
	char text[128];

	if (root < 0)
		return -1;
	n = np_read_small(root, "sys/kernel/mm/transparent_hugepage/enabled", text,
			  sizeof(text));
	np_sys->close(root);
	return n < 0 ? -1 : !strstr(text, "[never]");
}

static void take_settings(const struct numaperf_monitor *mon, struct np_snapshot *out)
{
	int64_t updates = np_read_vmstat("numa_pte_updates");

	out->balancing = np_read_setting("proc/sys/kernel/numa_balancing");
	out->ksm_run = np_read_setting("sys/kernel/mm/ksm/run");
	out->ksm_across = np_read_setting("sys/kernel/mm/ksm/merge_across_nodes");
	out->thp_defrag_khugepaged = khugepaged_may();
	out->balancing_acted = mon->pte_updates >= 0 && updates > mon->pte_updates;
}

int np_monitor_snapshot(struct numaperf_monitor *mon, enum np_flush flush,
			struct np_snapshot *out)
{
	int err = np_monitor_alive(mon, operation);
	size_t n;

	memset(out, 0, sizeof(*out));
	if (err)
		return err;
	if (flush)
		out->flushed = !np_monitor_flush(mon, FLUSH_MS, flush == NP_FLUSH_ALL);
	out->since_ns = mon->since_ns;
	out->scope = mon->scope;
	out->pid = mon->pid;
	out->sampler = !mon->hooks;
	memcpy(out->hook, mon->hook, sizeof(out->hook));
	out->node_count = n = mon->nodes;
	err = alloc_array(&out->node, n, sizeof(*out->node));
	if (!err)
		err = alloc_array(&out->cell, n * n, sizeof(*out->cell));
	if (!err)
		err = alloc_array(&out->flow, n * n, sizeof(*out->flow));
	if (err) {
		np_snapshot_free(out);
		return err;
	}
	take_settings(mon, out);
	take_nodes(mon, out);
	pthread_mutex_lock(&mon->lock);
	err = alloc_array(&out->guarantee, mon->guards, sizeof(*out->guarantee));
	if (!err) {
		np_monitor_add_tasks(mon, out->node);
		take_guards(mon, out);
		out->executor = mon->executor_seen;
		np_monitor_read_totals(mon, &out->totals);
		out->now_ns = out->totals.now_ns;
	}
	pthread_mutex_unlock(&mon->lock);
	if (err)
		np_snapshot_free(out);
	return err;
}

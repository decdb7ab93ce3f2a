/* SPDX-License-Identifier: MIT */
#include "run_report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* One of the two questions, and its answer. */
struct answer {
	enum numaperf_verdict verdict;
	char why[512];
};

/* ---- verdicts ---- */

static struct answer unverified(const char *why)
{
	struct answer a = { .verdict = NUMAPERF_VERDICT_UNVERIFIED };

	snprintf(a.why, sizeof(a.why), "%s", why);
	return a;
}

/* What nothing speaks against: held, if its end was seen, too. */
static struct answer held(const struct run_report *r)
{
	const struct run_process *root = run_sample_root(r->sample);
	struct answer a = { .verdict = NUMAPERF_VERDICT_HELD };

	if (!root->seen) {
		a.verdict = NUMAPERF_VERDICT_UNVERIFIED;
		snprintf(a.why, sizeof(a.why), "it was never seen: %s",
			 r->sample->refused ? strerror(r->sample->refused)
					    : "it ended too soon");
	} else if (!root->last) {
		a.verdict = NUMAPERF_VERDICT_UNVERIFIED;
		snprintf(a.why, sizeof(a.why), "its last %.3f s were not seen: %s", r->unseen,
			 r->trace ? r->trace : "it was killed");
	}
	return a;
}

static struct answer answer_memory(const struct run_report *r)
{
	const struct run_stray *stray = &r->sample->stray;
	struct answer a = { .verdict = NUMAPERF_VERDICT_NONE };
	char *size, *part;

	if (!r->place->has_policy || r->place->policy == NUMAPERF_POLICY_PREFERRED ||
	    r->place->policy == NUMAPERF_POLICY_LOCAL)
		return a;
	if (stray->bytes) {
		a.verdict = NUMAPERF_VERDICT_VIOLATED;
		size = tool_size(stray->bytes);
		part = tool_size(stray->mapping_bytes);
		snprintf(a.why, sizeof(a.why),
			 "process %d (%s) had %s elsewhere, %s of it on node %d in the mapping "
			 "at 0x%" PRIx64 " (%s, policy %s)",
			 stray->pid, stray->comm, size ? size : "?", part ? part : "?",
			 stray->node, stray->address, stray->what, stray->policy);
		free(size);
		free(part);
		return a;
	}
	if (!r->place->done->policy)
		return unverified("the policy is not in force");
	return held(r);
}

static struct answer answer_threads(const struct run_report *r)
{
	const struct run_thread *t = &r->sample->evidence;
	struct answer a = { .verdict = NUMAPERF_VERDICT_NONE };

	if (!r->place->has_cpus)
		return a;
	if (t->tid) {
		a.verdict = NUMAPERF_VERDICT_VIOLATED;
		if (t->cpu >= 0)
			snprintf(a.why, sizeof(a.why),
				 "thread %d (%s) ran on CPU %d; it may run on %s", t->tid,
				 t->comm, t->cpu, t->allowed);
		else
			snprintf(a.why, sizeof(a.why), "thread %d (%s) may run on CPUs %s",
				 t->tid, t->comm, t->allowed);
		return a;
	}
	if (!r->place->done->cpus)
		return unverified("the affinity is not in force");
	return held(r);
}

static enum numaperf_verdict worse(enum numaperf_verdict a, enum numaperf_verdict b)
{
	static const enum numaperf_verdict order[] = {
		NUMAPERF_VERDICT_VIOLATED,
		NUMAPERF_VERDICT_UNVERIFIED,
		NUMAPERF_VERDICT_HELD,
	};

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		if (a == order[i] || b == order[i])
			return order[i];
	return NUMAPERF_VERDICT_NONE;
}

enum numaperf_verdict run_report_verdict(const struct run_report *r)
{
	return worse(answer_memory(r).verdict, answer_threads(r).verdict);
}

/* ---- for people ---- */

static const char *const kinds[] = { "private", "shared", "files" };

/* Nodes that anything is said of: those with memory, and whatever else was seen. */
static void nodes_of(const struct run_report *r, struct numaperf_nodemask *nodes)
{
	numaperf_topology_memory_nodes(r->sample->topo, nodes);
	for (int node = 0; node < NUMAPERF_NODES_MAX; node++) {
		uint64_t any = r->sample->thread_on[node];

		for (int kind = 0; kind < RUN_KINDS; kind++)
			any |= r->sample->peak.on[kind][node];
		if (any)
			numaperf_nodemask_set(nodes, node);
	}
}

static void row(const struct run_report *r, struct tool_table *table,
		const struct numaperf_nodemask *nodes, char *name, const uint64_t *bytes)
{
	uint64_t sum = 0, inside = 0;

	tool_cell(table, name);
	NUMAPERF_NODEMASK_FOR_EACH (node, nodes) {
		sum += bytes[node];
		if (numaperf_nodemask_test(&r->place->nodes, node))
			inside += bytes[node];
		tool_cell(table, tool_size(bytes[node]));
	}
	if (!numaperf_nodemask_empty(&r->place->nodes))
		tool_cell(table,
			  sum ? tool_printf("%.1f %%", (double)inside * 100 / (double)sum)
			      : strdup(""));
}

static void print_memory(const struct run_report *r, FILE *to)
{
	bool asked = !numaperf_nodemask_empty(&r->place->nodes);
	struct numaperf_nodemask nodes;
	struct tool_table table;

	nodes_of(r, &nodes);
	table = (struct tool_table){
		.columns = numaperf_nodemask_count(&nodes) + (asked ? 2 : 1),
	};
	tool_cell(&table, strdup("MEMORY"));
	NUMAPERF_NODEMASK_FOR_EACH (node, &nodes)
		tool_cell(&table, tool_printf("NODE %d", node));
	if (asked)
		tool_cell(&table, strdup("AS ASKED"));
	for (int kind = 0; kind < RUN_KINDS; kind++)
		row(r, &table, &nodes,
		    tool_printf("%s, at %s", kinds[kind],
				run_sample_root(r->sample)->last ? "its end" : "the last look"),
		    r->sample->last.on[kind]);
	for (int kind = 0; kind < RUN_KINDS; kind++)
		row(r, &table, &nodes, tool_printf("%s, at most", kinds[kind]),
		    r->sample->peak.on[kind]);
	tool_table_write(r->cmd, &table, 2, to);
}

static void print_threads(const struct run_report *r, FILE *to)
{
	fprintf(to, "  Threads, in %zu looks:", r->sample->thread_looks);
	for (int node = 0; node < NUMAPERF_NODES_MAX && r->sample->thread_looks; node++)
		if (r->sample->thread_on[node])
			fprintf(to, " %.1f %% on node %d",
				(double)r->sample->thread_on[node] * 100 /
					(double)r->sample->thread_looks,
				node);
	if (r->place->has_cpus)
		fprintf(to, "; %zu outside their CPUs", r->sample->outside);
	fputs("\n", to);
}

static void print_asked(const struct run_report *r, FILE *to)
{
	char *nodes = tool_nodelist(&r->place->nodes), *cpus = tool_cpulist(&r->place->cpus);

	fputs("  Asked for:", to);
	if (r->place->has_policy)
		fprintf(to, " policy %s%s%s%s", numaperf_policy_name(r->place->policy),
			nodes && *nodes ? " on nodes " : "", nodes ? nodes : "",
			r->place->done->policy ? "" : " (not in force)");
	if (r->place->has_cpus)
		fprintf(to, "%s CPUs %s%s", r->place->has_policy ? "," : "", cpus ? cpus : "?",
			r->place->done->cpus ? "" : " (not in force)");
	if (!r->place->has_policy && !r->place->has_cpus)
		fputs(" nothing", to);
	fputs("\n", to);
	free(nodes);
	free(cpus);
}

static void print_answer(const char *what, const struct answer *a, FILE *to)
{
	char why[512];

	if (a->verdict == NUMAPERF_VERDICT_NONE)
		return;
	snprintf(why, sizeof(why), "%s", a->why);
	fprintf(to, "  %s %s%s%s\n", what, numaperf_verdict_name(a->verdict), *why ? ": " : "",
		tool_clean(why));
}

int run_report_print(const struct run_report *r, FILE *to)
{
	struct answer memory = answer_memory(r), threads = answer_threads(r);
	char *how = child_outcome(r->child), *name = strdup(r->child->command[0]);

	fprintf(to, "numaperf run: %s, %s after %.3f s; %zu process%s, %zu look%s\n",
		name ? tool_clean(name) : "?", how ? how : "?", r->seconds, r->sample->ever,
		r->sample->ever == 1 ? "" : "es", r->sample->looks,
		r->sample->looks == 1 ? "" : "s");
	free(how);
	free(name);
	print_asked(r, to);
	print_memory(r, to);
	print_threads(r, to);
	if (r->trace)
		fprintf(to, "  Its end could not be seen: %s\n", r->trace);
	print_answer("Memory: ", &memory, to);
	print_answer("Threads:", &threads, to);
	return fflush(to) || ferror(to) ? TOOL_FAILED : TOOL_OK;
}

/* ---- JSON ---- */

static json_t *json_bytes(const struct run_report *r, const struct run_bytes *bytes)
{
	json_t *out = json_object();
	struct numaperf_nodemask nodes;

	nodes_of(r, &nodes);
	for (int kind = 0; kind < RUN_KINDS; kind++) {
		json_t *by_node = json_object();

		NUMAPERF_NODEMASK_FOR_EACH (node, &nodes) {
			char id[16];

			snprintf(id, sizeof(id), "%d", node);
			tool_put(by_node, id, json_integer((json_int_t)bytes->on[kind][node]));
		}
		tool_put(out, kinds[kind], by_node);
	}
	return out;
}

static void put_answer(json_t *out, const struct answer *a)
{
	char why[512];

	snprintf(why, sizeof(why), "%s", a->why);
	tool_put(out, "verdict", tool_json_text(numaperf_verdict_name(a->verdict)));
	tool_put(out, "why", tool_json_text(*why ? tool_clean(why) : NULL));
}

static json_t *json_memory(const struct run_report *r)
{
	const struct run_stray *stray = &r->sample->stray;
	struct answer answer = answer_memory(r);
	json_t *out = json_object(), *evidence = json_null();
	char what[sizeof(stray->what)];

	put_answer(out, &answer);
	tool_put(out, "last", json_bytes(r, &r->sample->last));
	tool_put(out, "peak", json_bytes(r, &r->sample->peak));
	if (stray->bytes) {
		evidence = json_object();
		memcpy(what, stray->what, sizeof(what));
		tool_put(evidence, "pid", json_integer(stray->pid));
		tool_put(evidence, "bytes", json_integer((json_int_t)stray->bytes));
		tool_put(evidence, "address", json_integer((json_int_t)stray->address));
		tool_put(evidence, "mapping_bytes",
			 json_integer((json_int_t)stray->mapping_bytes));
		tool_put(evidence, "mapping", tool_json_text(tool_clean(what)));
		tool_put(evidence, "node", json_integer(stray->node));
		tool_put(evidence, "policy", tool_json_text(stray->policy));
	}
	tool_put(out, "evidence", evidence);
	return out;
}

static json_t *json_threads(const struct run_report *r)
{
	json_t *out = json_object(), *on = json_object();
	struct answer answer = answer_threads(r);

	put_answer(out, &answer);
	tool_put(out, "looks", json_integer((json_int_t)r->sample->thread_looks));
	tool_put(out, "outside", json_integer((json_int_t)r->sample->outside));
	tool_put(out, "widened", json_integer((json_int_t)r->sample->widened));
	for (int node = 0; node < NUMAPERF_NODES_MAX; node++) {
		char id[16];

		snprintf(id, sizeof(id), "%d", node);
		if (r->sample->thread_on[node])
			tool_put(on, id, json_integer((json_int_t)r->sample->thread_on[node]));
	}
	tool_put(out, "on_node", on);
	return out;
}

static json_t *json_asked(const struct run_report *r)
{
	json_t *out = json_object();

	tool_put(out, "policy",
		 tool_json_text(r->place->has_policy ? numaperf_policy_name(r->place->policy)
						     : NULL));
	tool_put(out, "nodes", tool_json_nodes(&r->place->nodes));
	tool_put(out, "cpus",
		 r->place->has_cpus ? tool_json_cpus(&r->place->cpus) : json_null());
	tool_put(out, "strict", json_boolean(r->place->strict));
	tool_put(out, "policy_in_force", json_boolean(r->place->done->policy));
	tool_put(out, "cpus_in_force", json_boolean(r->place->done->cpus));
	return out;
}

int run_report_json(const struct run_report *r, FILE *to)
{
	json_t *out = json_object();

	tool_put(out, "command", tool_json_text(r->child->command[0]));
	tool_put(out, "pid", json_integer(r->child->pid));
	child_put_outcome(r->child, out);
	tool_put(out, "seconds", json_real(r->seconds));
	tool_put(out, "processes", json_integer((json_int_t)r->sample->ever));
	tool_put(out, "looks", json_integer((json_int_t)r->sample->looks));
	tool_put(out, "end_seen", json_boolean(run_sample_root(r->sample)->last));
	tool_put(out, "end_unseen_why", tool_json_text(r->trace));
	tool_put(out, "asked", json_asked(r));
	tool_put(out, "memory", json_memory(r));
	tool_put(out, "threads", json_threads(r));
	tool_put(out, "verdict", tool_json_text(numaperf_verdict_name(run_report_verdict(r))));
	return tool_json_write(r->cmd, out, to);
}

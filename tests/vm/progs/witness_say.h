/* SPDX-License-Identifier: MIT */
/*
 * What the monitor said, as lines key=value. Violations are summed up by kind, and what differs
 * among them is listed with '+': one that should not be there spoils the comparison.
 *
 *	page_count= page_cause= page_by=CAUSE:COUNT page_from= page_to= page_addr= page_actor=
 *page_rung= page_tid=
 *	cpu_... affinity_... hotplug_... balancing_...		the same, as far as it applies
 *	message=...	each, as it was told (the first 20)
 *	cell.CPUNODE.MEMNODE.anon|huge|file|text|hinting=	how much they grew; zeros are
 *left out flow.FROM.TO.threads.CAUSE=	flow.FROM.TO.pages.CAUSE= node.N.faults_remote= ...
 *	thread.moves.CAUSE= thread.faults_local= ...	of the thread that provoked
 *	total.violations= ...	vm.KEY=	/proc/vmstat
 */
#ifndef NP_WITNESS_SAY_H
#define NP_WITNESS_SAY_H

#include "witness_kernel.h"

#include <pthread.h>

#define NODES 8
#define KINDS 6

/* ---- violations ---- */

struct list {
	char text[256];
};

struct told {
	uint64_t count, calls, by[16];
	struct list cause, from, to, from_cpu, to_cpu, actor, rung, tid;
	uintptr_t addr, end;
};

static struct told told[KINDS];
static pthread_mutex_t told_lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t told_late_ns; /* the longest from cause to callback */

/* Spaces would end a value. */
static inline void add_to(struct list *l, const char *word)
{
	char w[64];
	size_t n = strlen(word), have = strlen(l->text);

	snprintf(w, sizeof(w), "%s", word);
	for (size_t i = 0; w[i]; i++)
		if (w[i] == ' ')
			w[i] = '-';
	for (const char *at = l->text; (at = strstr(at, w)); at += n)
		if ((at == l->text || at[-1] == '+') && (!at[n] || at[n] == '+'))
			return;
	if (have + n + 2 < sizeof(l->text))
		snprintf(l->text + have, sizeof(l->text) - have, "%s%s", have ? "+" : "", w);
}

static inline void add_number(struct list *l, long n)
{
	char w[24];

	snprintf(w, sizeof(w), "%ld", n);
	add_to(l, w);
}

static inline void on_violation(void *ctx, const struct numaperf_violation *v)
{
	uint64_t late = now_ns() - v->time_ns;
	struct told *t = &told[(unsigned int)v->kind % KINDS];
	bool page = v->kind == NUMAPERF_VIOLATION_PAGE;
	char actor[48];

	(void)ctx;
	pthread_mutex_lock(&told_lock);
	if (late > told_late_ns)
		told_late_ns = late;
	t->count += v->count;
	t->by[page ? v->page_cause % 16u : v->move_cause % 16u] += v->count;
	t->calls++;
	add_to(&t->cause, page ? numaperf_page_cause_name(v->page_cause)
			       : numaperf_move_cause_name(v->move_cause));
	add_number(&t->from, v->from_node);
	add_number(&t->to, v->to_node);
	add_number(&t->from_cpu, v->from_cpu);
	add_number(&t->to_cpu, v->to_cpu);
	snprintf(actor, sizeof(actor), "%s:%d", v->actor, v->actor_pid);
	add_to(&t->actor, actor);
	add_to(&t->rung, numaperf_rung_name(v->rung));
	add_number(&t->tid, v->tid);
	if (!t->addr || (uintptr_t)v->address < t->addr)
		t->addr = (uintptr_t)v->address;
	if (told[0].calls++ < 20)
		printf("message=%s\n", v->message);
	pthread_mutex_unlock(&told_lock);
}

static inline uint64_t told_sum(void)
{
	uint64_t n = 0;

	for (int kind = 1; kind < KINDS; kind++)
		n += told[kind].count;
	return n;
}

/* The list has to say what the callback was told. */
static inline uint64_t empty_list(struct numaperf_monitor *mon)
{
	struct numaperf_violation v = { .sz = sizeof(v) };
	uint64_t n = 0;

	while (numaperf_monitor_next_violation(mon, &v) == 1)
		n += v.count;
	return n;
}

static inline void forget_violations(struct numaperf_monitor *mon)
{
	empty_list(mon);
	pthread_mutex_lock(&told_lock);
	memset(told, 0, sizeof(told));
	told_late_ns = 0;
	pthread_mutex_unlock(&told_lock);
}

static inline void say_by(const char *name, const struct told *t, bool page)
{
	const char *plus = "";

	printf("%s_by=", name);
	for (unsigned int i = 0; i < 16; i++) {
		struct list word = { "" };

		if (!t->by[i])
			continue;
		add_to(&word, page ? numaperf_page_cause_name((enum numaperf_page_cause)i)
				   : numaperf_move_cause_name((enum numaperf_move_cause)i));
		printf("%s%s:%" PRIu64, plus, word.text, t->by[i]);
		plus = "+";
	}
	puts("");
}

static inline void say_violations(struct numaperf_monitor *mon)
{
	printf("listed=%" PRIu64 "\n", empty_list(mon));
	pthread_mutex_lock(&told_lock);
	for (int kind = 1; kind < KINDS; kind++) {
		const char *name =
			numaperf_violation_kind_name((enum numaperf_violation_kind)kind);
		const struct told *t = &told[kind];

		printf("%s_count=%" PRIu64 "\n", name, t->count);
		if (!t->count)
			continue;
		say_by(name, t, kind == NUMAPERF_VIOLATION_PAGE);
		printf("%s_cause=%s\n%s_actor=%s\n%s_rung=%s\n%s_tid=%s\n", name, t->cause.text,
		       name, t->actor.text, name, t->rung.text, name, t->tid.text);
		printf("%s_from=%s\n%s_to=%s\n%s_from_cpu=%s\n%s_to_cpu=%s\n%s_addr=%#lx\n",
		       name, t->from.text, name, t->to.text, name, t->from_cpu.text, name,
		       t->to_cpu.text, name, (unsigned long)t->addr);
	}
	printf("told_count=%" PRIu64 "\nlate_ms=%" PRIu64 "\n", told_sum(),
	       told_late_ns / 1000000);
	pthread_mutex_unlock(&told_lock);
}

/* ---- statistics ---- */

static const char *const vmstat_keys[] = {
	"pgmigrate_success",	  "pgmigrate_fail",	 "numa_hint_faults",
	"numa_hint_faults_local", "numa_pages_migrated", "thp_fault_alloc",
	"thp_collapse_alloc",
};
#define VMSTATS (sizeof(vmstat_keys) / sizeof(vmstat_keys[0]))

struct stats {
	struct numaperf_cell cell[NODES][NODES];
	struct numaperf_flow flow[NODES][NODES];
	struct numaperf_node_activity node[NODES];
	struct numaperf_thread_activity thread;
	struct numaperf_monitor_totals totals;
	uint64_t spinners[NUMAPERF_MOVE_CAUSES]; /* all moves of the threads that spin */
	long vm[VMSTATS], other[NODES];		 /* numastat: by CPUs of other nodes */
};

static inline bool find_thread(const struct numaperf_monitor *mon, int tid,
			       struct numaperf_thread_activity *t)
{
	for (size_t i = 0;; i++) {
		int err;

		t->sz = sizeof(*t);
		err = numaperf_monitor_thread(mon, i, t);
		if (err == -ENOENT)
			break;
		if (!err && t->tid == tid)
			return true;
	}
	memset(t, 0, sizeof(*t));
	return false;
}

static inline void take_spinners(const struct numaperf_monitor *mon,
				 uint64_t sum[NUMAPERF_MOVE_CAUSES])
{
	struct numaperf_thread_activity t = { .sz = sizeof(t) };
	int err;

	memset(sum, 0, NUMAPERF_MOVE_CAUSES * sizeof(*sum));
	for (size_t i = 0; (err = numaperf_monitor_thread(mon, i, &t)) != -ENOENT; i++)
		for (int k = 0; !err && !strcmp(t.comm, "np-spin") && k < NUMAPERF_MOVE_CAUSES;
		     k++)
			sum[k] += t.moves[k];
}

static inline void take_stats(const struct numaperf_monitor *mon, struct stats *s, int tid)
{
	memset(s, 0, sizeof(*s));
	for (int i = 0; i < NODES; i++) {
		s->node[i].sz = sizeof(s->node[i]);
		if (numaperf_monitor_node(mon, i, &s->node[i]))
			memset(&s->node[i], 0, sizeof(s->node[i]));
		for (int j = 0; j < NODES; j++) {
			s->cell[i][j].sz = sizeof(s->cell[i][j]);
			s->flow[i][j].sz = sizeof(s->flow[i][j]);
			if (numaperf_monitor_cell(mon, i, j, &s->cell[i][j]))
				memset(&s->cell[i][j], 0, sizeof(s->cell[i][j]));
			if (numaperf_monitor_flow(mon, i, j, &s->flow[i][j]))
				memset(&s->flow[i][j], 0, sizeof(s->flow[i][j]));
		}
	}
	find_thread(mon, tid, &s->thread);
	take_spinners(mon, s->spinners);
	s->totals.sz = sizeof(s->totals);
	need(!numaperf_monitor_totals(mon, &s->totals), "totals");
	for (size_t i = 0; i < VMSTATS; i++)
		s->vm[i] = read_key("/proc/vmstat", vmstat_keys[i]);
	for (int i = 0; i < NODES; i++) {
		char path[64];

		snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/numastat", i);
		/* not those that were wanted elsewhere, where there was no room */
		s->other[i] = read_key(path, "other_node") - read_key(path, "numa_miss");
	}
}

static inline void say_cause(const char *prefix, const char *cause, uint64_t n)
{
	char word[32];

	snprintf(word, sizeof(word), "%s", cause);
	for (size_t i = 0; word[i]; i++)
		if (word[i] == ' ')
			word[i] = '-';
	if (n)
		printf("%s.%s=%" PRIu64 "\n", prefix, word, n);
}

static inline void say_pair(const char *window, const struct stats *a, const struct stats *b,
			    int i, int j)
{
	static const char *const kinds[] = { "anon", "huge", "file", "text" };
	char prefix[48];

	snprintf(prefix, sizeof(prefix), "%scell.%d.%d", window, i, j);
	for (int k = 0; k < NUMAPERF_PAGE_KINDS; k++)
		say_cause(prefix, kinds[k], b->cell[i][j].pages[k] - a->cell[i][j].pages[k]);
	say_cause(prefix, "hinting",
		  b->cell[i][j].hinting_faults - a->cell[i][j].hinting_faults);
	snprintf(prefix, sizeof(prefix), "%sflow.%d.%d.threads", window, i, j);
	for (int k = 0; k < NUMAPERF_MOVE_CAUSES; k++)
		say_cause(prefix, numaperf_move_cause_name((enum numaperf_move_cause)k),
			  b->flow[i][j].threads[k] - a->flow[i][j].threads[k]);
	snprintf(prefix, sizeof(prefix), "%sflow.%d.%d.pages", window, i, j);
	for (int k = 0; k < NUMAPERF_PAGE_CAUSES; k++)
		say_cause(prefix, numaperf_page_cause_name((enum numaperf_page_cause)k),
			  b->flow[i][j].pages[k] - a->flow[i][j].pages[k]);
}

#define SAY_GROWN(prefix, field) say_cause(prefix, #field, b->SAY_OF.field - a->SAY_OF.field)

static inline void say_spinners(const char *prefix, const struct stats *a,
				const struct stats *b)
{
	uint64_t all = 0;

	for (int k = 0; k < NUMAPERF_MOVE_CAUSES; k++) {
		say_cause(prefix, numaperf_move_cause_name((enum numaperf_move_cause)k),
			  b->spinners[k] - a->spinners[k]);
		all += b->spinners[k] - a->spinners[k];
	}
	say_cause(prefix, "moves", all);
}

static inline void say_pairs(const char *window, const struct stats *a, const struct stats *b)
{
	for (int i = 0; i < NODES; i++)
		for (int j = 0; j < NODES; j++)
			say_pair(window, a, b, i, j);
}

static inline void say_stats(const struct stats *a, const struct stats *b)
{
	char prefix[32];

	say_pairs("", a, b);
	for (int i = 0; i < NODES; i++) {
		snprintf(prefix, sizeof(prefix), "node.%d", i);
#define SAY_OF node[i]
		SAY_GROWN(prefix, faults_local);
		SAY_GROWN(prefix, faults_remote);
		SAY_GROWN(prefix, hinting_local);
		SAY_GROWN(prefix, hinting_remote);
		SAY_GROWN(prefix, thread_moves_in);
		SAY_GROWN(prefix, thread_moves_out);
		SAY_GROWN(prefix, pages_in);
		SAY_GROWN(prefix, pages_out);
#undef SAY_OF
	}
#define SAY_OF thread
	SAY_GROWN("thread", faults_local);
	SAY_GROWN("thread", faults_remote);
	SAY_GROWN("thread", hinting_local);
	SAY_GROWN("thread", hinting_remote);
	SAY_GROWN("thread", node_moves);
	for (int k = 0; k < NUMAPERF_MOVE_CAUSES; k++)
		say_cause("thread.moves", numaperf_move_cause_name((enum numaperf_move_cause)k),
			  b->thread.moves[k] - a->thread.moves[k]);
#undef SAY_OF
#define SAY_OF totals
	SAY_GROWN("total", violations);
	SAY_GROWN("total", events_lost);
	SAY_GROWN("total", list_dropped);
	SAY_GROWN("total", threads_lost);
	SAY_GROWN("total", suspects);
	SAY_GROWN("total", suspects_confirmed);
	SAY_GROWN("total", suspects_refuted);
#undef SAY_OF
	for (size_t i = 0; i < VMSTATS; i++)
		printf("vm.%s=%ld\n", vmstat_keys[i], b->vm[i] - a->vm[i]);
	for (int i = 0; i < NODES; i++)
		if (b->other[i] > a->other[i])
			printf("numastat.%d.other_node=%ld\n", i, b->other[i] - a->other[i]);
}

/* ---- the report ---- */

/* The verdicts of two guarantees (id 0: none). */
static inline void say_report(struct numaperf_monitor *mon, uint64_t thread, uint64_t range)
{
	struct numaperf_guarantee g = { .sz = sizeof(g) };
	struct numaperf_report *r;

	need(!numaperf_report_create(&r, mon), "report");
	for (size_t i = 0; i < numaperf_report_guarantee_count(r); i++) {
		need(!numaperf_report_guarantee(r, i, &g), "guarantee");
		if (g.id != thread && g.id != range)
			continue;
		printf("verdict.%s=%s\nreason.%s=%s\n", numaperf_guarantee_kind_name(g.kind),
		       numaperf_verdict_name(g.verdict), numaperf_guarantee_kind_name(g.kind),
		       g.reason);
	}
	numaperf_report_destroy(r);
}

#endif

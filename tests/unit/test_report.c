// SPDX-License-Identifier: MIT
/* The report: what it says follows from a snapshot alone, so each test makes one by hand. */
#include "../../lib/src/report.h"
#include "../../lib/src/sys.h"
#include "fault.h"

#include <errno.h>
#include <jansson.h>
#include <numaperf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants these before it */
#include <cmocka.h>

enum {
	NODES = 2,
	GUARDS = 4
};

static struct np_snapshot snap;
static struct numaperf_report *report;

/* The monitor's part is the test's. */
int np_monitor_snapshot(struct numaperf_monitor *mon, enum np_flush flush,
			struct np_snapshot *out)
{
	(void)mon;
	*out = snap;
	out->flushed = out->flushed && flush;
	memset(&snap, 0, sizeof(snap));
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

static void *zeroed(size_t size)
{
	void *p;

	assert_int_equal(np_sys->alloc(&p, size, 0), 0);
	return p;
}

static void stand(enum numaperf_metric metric, enum numaperf_rung rung)
{
	snap.hook[metric].rung = rung;
}

/* Two nodes, everything on fentry, nothing seen. */
static int set_up(void **state)
{
	(void)state;
	memset(&snap, 0, sizeof(snap));
	snap.since_ns = 1000000000;
	snap.now_ns = 3500000000u;
	snap.flushed = true;
	snap.ksm_run = snap.ksm_across = snap.balancing = 0;
	snap.node_count = NODES;
	snap.node = zeroed(NODES * sizeof(*snap.node));
	snap.cell = zeroed(NODES * NODES * sizeof(*snap.cell));
	snap.flow = zeroed(NODES * NODES * sizeof(*snap.flow));
	snap.guarantee = zeroed(GUARDS * sizeof(*snap.guarantee));
	for (int i = 0; i < NODES; i++) {
		snap.node[i].id = i * 2; /* ids have holes */
		snap.node[i].has_cpus = snap.node[i].has_memory = true;
	}
	for (int m = 0; m < NUMAPERF_METRIC_COUNT; m++) {
		snap.hook[m] =
			(struct numaperf_hook){ .sz = sizeof(snap.hook[m]), .metric = m };
		snap.hook[m].rung = NUMAPERF_RUNG_FENTRY;
	}
	report = NULL;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	numaperf_report_destroy(report);
	np_snapshot_free(&snap);
	return 0;
}

static struct np_seen *promise(enum numaperf_guarantee_kind kind, const char *label)
{
	struct np_seen *g = &snap.guarantee[snap.guarantee_count++];

	*g = (struct np_seen){ .id = snap.guarantee_count,
			       .kind = kind,
			       .mode = NUMAPERF_STRICT,
			       .tid = 77,
			       .looks = 1,
			       .to_node = -1,
			       .to_cpu = -1,
			       .since_ns = snap.since_ns };
	snprintf(g->label, sizeof(g->label), "%s", label);
	g->cpus = numaperf_cpuset_single(3);
	g->nodes = numaperf_nodemask_single(0);
	return g;
}

static void make(void)
{
	numaperf_report_destroy(report);
	report = NULL;
	assert_int_equal(numaperf_report_create(&report, NULL), 0);
}

static struct numaperf_guarantee guarantee(size_t nth)
{
	struct numaperf_guarantee g = { .sz = sizeof(g) };

	assert_int_equal(numaperf_report_guarantee(report, nth, &g), 0);
	return g;
}

static void says(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("'%s' is not in: %s", part, text);
}

static void verdict(enum numaperf_verdict want, const char *reason)
{
	make();
	assert_int_equal(guarantee(0).verdict, want);
	says(guarantee(0).reason, reason);
	assert_int_equal(numaperf_report_verdict(report), want);
}

/* ---- verdicts ---- */

static void nothing_promised(void **state)
{
	(void)state;
	make();
	assert_int_equal(numaperf_report_verdict(report), NUMAPERF_VERDICT_NONE);
	assert_int_equal(numaperf_report_guarantee_count(report), 0);
}

static void a_thread_that_was_watched(void **state)
{
	(void)state;
	promise(NUMAPERF_GUARANTEE_CPUS, "worker 0 (node 0)");
	verdict(NUMAPERF_VERDICT_HELD, "every switch and move");
	assert_string_equal(guarantee(0).label, "worker 0 (node 0)");
}

static void a_thread_on_tracepoints(void **state)
{
	(void)state;
	promise(NUMAPERF_GUARANTEE_CPUS, "w");
	for (int m = 0; m < NUMAPERF_METRIC_COUNT; m++)
		stand(m, NUMAPERF_RUNG_TP_BTF);
	verdict(NUMAPERF_VERDICT_HELD, "(tp_btf)");
}

static void a_thread_needs_each_of_its_metrics(void **state)
{
	static const enum numaperf_metric needed[] = { NUMAPERF_METRIC_RUN_TIME,
						       NUMAPERF_METRIC_THREAD_MOVES,
						       NUMAPERF_METRIC_AFFINITY };
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		tear_down(NULL);
		set_up(NULL);
		promise(NUMAPERF_GUARANTEE_CPUS, "w");
		stand(needed[i], NUMAPERF_RUNG_POLLING);
		strcpy(snap.hook[needed[i]].reason, "because of that");
		verdict(NUMAPERF_VERDICT_UNVERIFIED, numaperf_metric_name(needed[i]));
		says(guarantee(0).reason, "only polled: because of that");
	}
}

static void pages_that_were_watched(void **state)
{
	(void)state;
	promise(NUMAPERF_GUARANTEE_PAGES, "region");
	verdict(NUMAPERF_VERDICT_HELD, "every page that moved or came up was watched (fentry)");
}

static void pages_need_each_of_their_metrics(void **state)
{
	static const enum numaperf_metric needed[] = { NUMAPERF_METRIC_PAGE_MOVES,
						       NUMAPERF_METRIC_COLLAPSE };
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		tear_down(NULL);
		set_up(NULL);
		promise(NUMAPERF_GUARANTEE_PAGES, "region");
		stand(needed[i], NUMAPERF_RUNG_ABSENT);
		verdict(NUMAPERF_VERDICT_UNVERIFIED, numaperf_metric_name(needed[i]));
	}
}

static void pages_on_tracepoints_that_are_in_place(void **state)
{
	(void)state;
	promise(NUMAPERF_GUARANTEE_PAGES, "region");
	stand(NUMAPERF_METRIC_PAGE_MOVES, NUMAPERF_RUNG_TP_BTF);
	verdict(NUMAPERF_VERDICT_HELD, "in place (tp_btf)");
}

static void pages_on_tracepoints_never_looked_at(void **state)
{
	(void)state;
	promise(NUMAPERF_GUARANTEE_PAGES, "region")->looks = 0;
	stand(NUMAPERF_METRIC_FAULTS, NUMAPERF_RUNG_TP_BTF);
	verdict(NUMAPERF_VERDICT_UNVERIFIED, "never looked at");
}

static void pages_that_cannot_be_looked_at(void **state)
{
	(void)state;
	promise(NUMAPERF_GUARANTEE_PAGES, "region")->last_look = -EPERM;
	stand(NUMAPERF_METRIC_PAGE_MOVES, NUMAPERF_RUNG_TP_BTF);
	verdict(NUMAPERF_VERDICT_UNVERIFIED,
		"could not be looked at (Operation not permitted)");
}

static void pages_that_are_not_there(void **state)
{
	(void)state;
	promise(NUMAPERF_GUARANTEE_PAGES, "region")->pages_absent = 5;
	stand(NUMAPERF_METRIC_PAGE_MOVES, NUMAPERF_RUNG_TP_BTF);
	verdict(NUMAPERF_VERDICT_UNVERIFIED, "5 of its pages are not there");
}

static void absent_pages_are_no_gap_where_faults_are_exact(void **state)
{
	(void)state;
	promise(NUMAPERF_GUARANTEE_PAGES, "region")->pages_absent = 5;
	verdict(NUMAPERF_VERDICT_HELD, "fentry");
}

static void moved_away_and_back(void **state)
{
	(void)state;
	promise(NUMAPERF_GUARANTEE_PAGES, "region")->suspects_open = 3;
	stand(NUMAPERF_METRIC_PAGE_MOVES, NUMAPERF_RUNG_TP_BTF);
	verdict(NUMAPERF_VERDICT_UNVERIFIED, "3 pages at its addresses were moved");
}

static void ksm_that_is_not_seen(void **state)
{
	(void)state;
	promise(NUMAPERF_GUARANTEE_PAGES, "region");
	stand(NUMAPERF_METRIC_KSM, NUMAPERF_RUNG_POLLING);
	snap.ksm_run = snap.ksm_across = 1;
	verdict(NUMAPERF_VERDICT_UNVERIFIED, "KSM may merge");
}

static void ksm_that_cannot_be_read(void **state)
{
	(void)state;
	promise(NUMAPERF_GUARANTEE_PAGES, "region");
	stand(NUMAPERF_METRIC_KSM, NUMAPERF_RUNG_POLLING);
	snap.ksm_run = snap.ksm_across = -1;
	verdict(NUMAPERF_VERDICT_UNVERIFIED, "KSM may merge");
}

static void ksm_that_does_not_run_or_keeps_to_nodes(void **state)
{
	(void)state;
	for (int across = 0; across < 2; across++) {
		tear_down(NULL);
		set_up(NULL);
		promise(NUMAPERF_GUARANTEE_PAGES, "region");
		stand(NUMAPERF_METRIC_KSM, NUMAPERF_RUNG_ABSENT);
		snap.ksm_run = !across;
		snap.ksm_across = across;
		verdict(NUMAPERF_VERDICT_HELD, "fentry");
	}
}

static void a_sampler_never_says_held(void **state)
{
	(void)state;
	promise(NUMAPERF_GUARANTEE_CPUS, "w");
	promise(NUMAPERF_GUARANTEE_PAGES, "r");
	snap.sampler = true;
	strcpy(snap.hook[NUMAPERF_METRIC_RUN_TIME].reason, "no privilege");
	verdict(NUMAPERF_VERDICT_UNVERIFIED,
		"only sampled, no program watches in the kernel: no "
		"privilege");
	assert_int_equal(guarantee(1).verdict, NUMAPERF_VERDICT_UNVERIFIED);
}

static void promised_without_a_witness(void **state)
{
	(void)state;
	promise(NUMAPERF_GUARANTEE_CPUS, "w")->mode = NUMAPERF_STRICT_UNWITNESSED;
	verdict(NUMAPERF_VERDICT_UNVERIFIED, "strict-unwitnessed");
}

static void what_had_not_been_taken_in(void **state)
{
	(void)state;
	promise(NUMAPERF_GUARANTEE_CPUS, "w");
	snap.flushed = false;
	verdict(NUMAPERF_VERDICT_UNVERIFIED, "had not been taken in");
}

static void lost_events(void **state)
{
	(void)state;
	promise(NUMAPERF_GUARANTEE_PAGES, "r");
	snap.totals.events_lost = 12; /* of others: what is of this is counted here */
	verdict(NUMAPERF_VERDICT_HELD, "");
}

static void lost_notices(void **state)
{
	(void)state;
	promise(NUMAPERF_GUARANTEE_PAGES, "r");
	snap.totals.notices_lost = 12;
	verdict(NUMAPERF_VERDICT_UNVERIFIED, "12 notices");
}

static void lost_threads(void **state)
{
	(void)state;
	promise(NUMAPERF_GUARANTEE_CPUS, "w");
	promise(NUMAPERF_GUARANTEE_PAGES, "r");
	snap.totals.threads_lost = 2;
	verdict(NUMAPERF_VERDICT_UNVERIFIED, "2 threads could not be counted");
	assert_int_equal(guarantee(1).verdict,
			 NUMAPERF_VERDICT_HELD); /* no thread's business */
}

static void an_affinity_that_cannot_be_read(void **state)
{
	struct np_seen *g = promise(NUMAPERF_GUARANTEE_CPUS, "w");

	(void)state;
	g->last_look = -EACCES;
	verdict(NUMAPERF_VERDICT_UNVERIFIED, "could not be read");
}

static void a_thread_that_is_gone_need_not_be_read(void **state)
{
	struct np_seen *g = promise(NUMAPERF_GUARANTEE_CPUS, "w");

	(void)state;
	g->last_look = -ESRCH;
	g->ended = true;
	verdict(NUMAPERF_VERDICT_HELD, "every switch");
	assert_true(guarantee(0).ended);
}

static void a_violation_with_evidence(void **state)
{
	struct np_seen *g = promise(NUMAPERF_GUARANTEE_PAGES, "r");

	(void)state;
	g->violations = 7;
	strcpy(g->evidence, "r: 7 pages moved");
	verdict(NUMAPERF_VERDICT_VIOLATED, "r: 7 pages moved (7 pages in all)");
	assert_int_equal(guarantee(0).violations, 7);
}

static void a_violation_wins_over_every_gap(void **state)
{
	(void)state;
	promise(NUMAPERF_GUARANTEE_CPUS, "w")->violations = 1;
	snap.sampler = true;
	snap.flushed = false;
	snap.totals.events_lost = 1;
	verdict(NUMAPERF_VERDICT_VIOLATED, "it does not hold now");
}

static void a_broken_baseline(void **state)
{
	(void)state;
	promise(NUMAPERF_GUARANTEE_CPUS, "w")->baseline_broken = true;
	verdict(NUMAPERF_VERDICT_VIOLATED, "did not hold when watching began");
}

static void found_by_looking_only(void **state)
{
	(void)state;
	promise(NUMAPERF_GUARANTEE_PAGES, "r")->last_look = -EXDEV;
	verdict(NUMAPERF_VERDICT_VIOLATED, "how that came was not seen");
}

static void the_worst_speaks_for_all(void **state)
{
	(void)state;
	promise(NUMAPERF_GUARANTEE_CPUS, "a");
	promise(NUMAPERF_GUARANTEE_CPUS, "b")->mode = NUMAPERF_STRICT_UNWITNESSED;
	make();
	assert_int_equal(numaperf_report_verdict(report), NUMAPERF_VERDICT_UNVERIFIED);
	tear_down(NULL);
	set_up(NULL);
	promise(NUMAPERF_GUARANTEE_CPUS, "a")->mode = NUMAPERF_STRICT_UNWITNESSED;
	promise(NUMAPERF_GUARANTEE_CPUS, "b")->violations = 1;
	promise(NUMAPERF_GUARANTEE_CPUS, "c");
	make();
	assert_int_equal(numaperf_report_verdict(report), NUMAPERF_VERDICT_VIOLATED);
}

/* ---- the balancing switch ---- */

static void balancing_watched_or_read(void **state)
{
	(void)state;
	promise(NUMAPERF_GUARANTEE_BALANCING, "b");
	verdict(NUMAPERF_VERDICT_HELD, "every write to the switch");
	tear_down(NULL);
	set_up(NULL);
	promise(NUMAPERF_GUARANTEE_BALANCING, "b");
	stand(NUMAPERF_METRIC_BALANCING, NUMAPERF_RUNG_POLLING);
	verdict(NUMAPERF_VERDICT_HELD, "numa_pte_updates stood still");
}

static void balancing_that_acted_between_two_looks(void **state)
{
	(void)state;
	promise(NUMAPERF_GUARANTEE_BALANCING, "b");
	stand(NUMAPERF_METRIC_BALANCING, NUMAPERF_RUNG_POLLING);
	snap.balancing_acted = true;
	verdict(NUMAPERF_VERDICT_UNVERIFIED, "balancing marked pages");
}

static void balancing_that_is_on(void **state)
{
	(void)state;
	promise(NUMAPERF_GUARANTEE_BALANCING, "b");
	snap.balancing = 1;
	verdict(NUMAPERF_VERDICT_VIOLATED, "kernel.numa_balancing is 1");
}

static void balancing_that_cannot_be_read(void **state)
{
	(void)state;
	promise(NUMAPERF_GUARANTEE_BALANCING, "b");
	stand(NUMAPERF_METRIC_BALANCING, NUMAPERF_RUNG_POLLING);
	snap.balancing = -1;
	verdict(NUMAPERF_VERDICT_UNVERIFIED, "cannot be read");
}

static void balancing_on_one_node(void **state)
{
	(void)state;
	promise(NUMAPERF_GUARANTEE_BALANCING, "b");
	stand(NUMAPERF_METRIC_BALANCING, NUMAPERF_RUNG_ABSENT);
	snap.node_count = 1;
	verdict(NUMAPERF_VERDICT_HELD, "one node");
}

/* ---- ratios and health ---- */

static struct numaperf_cell *cell(size_t cpu, size_t memory)
{
	return &snap.cell[cpu * NODES + memory];
}

static void is(enum numaperf_locality which, double want)
{
	double ratio = -1;

	assert_int_equal(numaperf_report_locality(report, which, &ratio), 0);
	if (ratio < want - 1e-9 || ratio > want + 1e-9)
		fail_msg("%s is %f, not %f", numaperf_locality_name(which), ratio, want);
}

static void is_at(int node, enum numaperf_locality which, double want)
{
	double ratio = -1;

	assert_int_equal(numaperf_report_node_locality(report, node, which, &ratio), 0);
	if (ratio < want - 1e-9 || ratio > want + 1e-9)
		fail_msg("%s of %d is %f, not %f", numaperf_locality_name(which), node, ratio,
			 want);
}

static void nothing_observed_is_no_data(void **state)
{
	(void)state;
	make();
	for (int l = 0; l < NUMAPERF_LOCALITY_COUNT; l++) {
		double ratio = 0.5;

		assert_int_equal(numaperf_report_locality(report, l, &ratio), -ENODATA);
		assert_true(ratio == 0.5);
		assert_int_equal(numaperf_report_node_locality(report, 2, l, &ratio), -ENODATA);
	}
	assert_int_equal(numaperf_report_health(report), NUMAPERF_HEALTH_UNKNOWN);
	assert_int_equal(numaperf_report_health_basis(report), -1);
}

static void the_task_ratio(void **state)
{
	(void)state;
	snap.executor = true;
	snap.node[0].local_executions = 60;
	snap.node[0].steals_from = 20;
	snap.node[1].local_executions = 20;
	snap.node[1].steals_to = 20;
	make();
	is(NUMAPERF_LOCALITY_TASK, 0.8);
	is_at(0, NUMAPERF_LOCALITY_TASK, 0.75);
	is_at(2, NUMAPERF_LOCALITY_TASK, 1.0);
	assert_int_equal(numaperf_report_health_basis(report), NUMAPERF_LOCALITY_TASK);
	assert_int_equal(numaperf_report_health(report), NUMAPERF_HEALTH_FAIR);
}

static void the_fault_ratio(void **state)
{
	(void)state;
	cell(0, 0)->pages[NUMAPERF_PAGE_ANON] = 700;
	cell(0, 1)->pages[NUMAPERF_PAGE_HUGE] = 100;
	cell(1, 1)->pages[NUMAPERF_PAGE_ANON] = 200;
	cell(1, 0)->pages[NUMAPERF_PAGE_TEXT] = 5000; /* shared libraries are no violation */
	cell(1, 0)->pages[NUMAPERF_PAGE_FILE] = 5000;
	make();
	is(NUMAPERF_LOCALITY_FAULT, 0.9);
	is_at(0, NUMAPERF_LOCALITY_FAULT, 0.875);
	is_at(2, NUMAPERF_LOCALITY_FAULT, 1.0);
	assert_int_equal(numaperf_report_health(report), NUMAPERF_HEALTH_GOOD);
}

static void faults_that_are_not_counted(void **state)
{
	double ratio;

	(void)state;
	cell(0, 0)->pages[NUMAPERF_PAGE_ANON] = 700;
	stand(NUMAPERF_METRIC_FAULTS, NUMAPERF_RUNG_ABSENT);
	make();
	assert_int_equal(numaperf_report_locality(report, NUMAPERF_LOCALITY_FAULT, &ratio),
			 -ENODATA);
}

static void the_exposure_ratio(void **state)
{
	(void)state;
	snap.node[0].activity.run_time_ns = 300;
	snap.node[1].activity.run_time_ns = 100;
	snap.node[0].resident_pages = 50;
	snap.node[1].resident_pages = 50;
	make();
	is(NUMAPERF_LOCALITY_EXPOSURE, 0.5);
	is_at(0, NUMAPERF_LOCALITY_EXPOSURE, 0.5);
	assert_int_equal(numaperf_report_health_basis(report), NUMAPERF_LOCALITY_EXPOSURE);
	assert_int_equal(numaperf_report_health(report), NUMAPERF_HEALTH_POOR);
}

static void faults_are_the_first_basis(void **state)
{
	(void)state;
	snap.executor = true;
	snap.node[0].local_executions = 1;
	cell(0, 0)->pages[NUMAPERF_PAGE_ANON] = 1;
	make();
	assert_int_equal(numaperf_report_health_basis(report), NUMAPERF_LOCALITY_FAULT);
	assert_int_equal(numaperf_report_health(report), NUMAPERF_HEALTH_EXCELLENT);
}

static void thresholds(void **state)
{
	static const struct {
		unsigned int local;
		enum numaperf_health health;
	} table[] = {
		{ 100, NUMAPERF_HEALTH_EXCELLENT }, { 95, NUMAPERF_HEALTH_EXCELLENT },
		{ 94, NUMAPERF_HEALTH_GOOD },	    { 85, NUMAPERF_HEALTH_GOOD },
		{ 84, NUMAPERF_HEALTH_FAIR },	    { 70, NUMAPERF_HEALTH_FAIR },
		{ 69, NUMAPERF_HEALTH_POOR },	    { 0, NUMAPERF_HEALTH_POOR },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		tear_down(NULL);
		set_up(NULL);
		cell(0, 0)->pages[NUMAPERF_PAGE_ANON] = table[i].local;
		cell(0, 1)->pages[NUMAPERF_PAGE_ANON] = 100 - table[i].local;
		make();
		assert_int_equal(numaperf_report_health(report), table[i].health);
	}
}

static void thresholds_are_options(void **state)
{
	struct numaperf_report_opts o = {
		.sz = sizeof(o), .excellent = 60, .good = 50, .fair = 40
	};

	(void)state;
	cell(0, 0)->pages[NUMAPERF_PAGE_ANON] = 61;
	cell(0, 1)->pages[NUMAPERF_PAGE_ANON] = 39;
	assert_int_equal(numaperf_report_create_opts(&report, NULL, &o), 0);
	assert_int_equal(numaperf_report_health(report), NUMAPERF_HEALTH_EXCELLENT);
}

static void thresholds_that_make_no_sense(void **state)
{
	static const unsigned int bad[][3] = {
		{ 101, 0, 0 }, { 50, 60, 40 }, { 0, 96, 0 }, { 90, 80, 81 }
	};
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct numaperf_report_opts o = { .sz = sizeof(o),
						  .excellent = bad[i][0],
						  .good = bad[i][1],
						  .fair = bad[i][2] };

		assert_int_equal(numaperf_report_create_opts(&report, NULL, &o), -EINVAL);
		assert_null(report);
	}
}

static void options_of_another_version(void **state)
{
	struct {
		struct numaperf_report_opts o;
		uint64_t more;
	} later = { .o = { .sz = sizeof(later) } };

	(void)state;
	later.more = 1;
	assert_int_equal(numaperf_report_create_opts(&report, NULL, &later.o), -E2BIG);
	later.o.sz = 4;
	assert_int_equal(numaperf_report_create_opts(&report, NULL, &later.o), -EINVAL);
	later.more = 0;
	later.o.sz = sizeof(later);
	assert_int_equal(numaperf_report_create_opts(&report, NULL, &later.o), 0);
}

/* ---- what to do ---- */

static struct numaperf_finding finding(const char *id)
{
	struct numaperf_finding f = { .sz = sizeof(f) };

	for (size_t i = 0; !numaperf_report_finding(report, i, &f); i++)
		if (!strcmp(f.id, id))
			return f;
	fail_msg("there is no finding %s", id);
	return f;
}

static void all_well_is_no_finding(void **state)
{
	(void)state;
	promise(NUMAPERF_GUARANTEE_CPUS, "w");
	make();
	assert_int_equal(numaperf_report_recommendation_count(report), 0);
	assert_null(numaperf_report_recommendation(report, 0));
}

static void switch_balancing_off(void **state)
{
	(void)state;
	snap.balancing = 2;
	make();
	assert_string_equal(finding("balancing-on").command,
			    "sysctl -w kernel.numa_balancing=0");
	says(numaperf_report_recommendation(report, 0),
	     "kernel.numa_balancing is 2: the kernel moves pages and threads by itself: run "
	     "`sysctl");
}

static void pin_it_again(void **state)
{
	struct np_seen *g = promise(NUMAPERF_GUARANTEE_CPUS, "worker 3 (node 1)");

	(void)state;
	g->last_look = -EXDEV;
	g->violations = 1;
	strcpy(g->actor, "taskset");
	g->actor_pid = 99;
	make();
	assert_string_equal(finding("affinity-changed").command, "taskset -cp 3 77");
	says(finding("affinity-changed").cause, "worker 3 (node 1)");
	says(finding("affinity-changed").cause, ", by taskset (process 99)");
}

static void what_has_been_put_right_is_no_finding(void **state)
{
	struct np_seen *g = promise(NUMAPERF_GUARANTEE_CPUS, "w");

	(void)state;
	g->violations = 1; /* and the last look says that it holds again */
	make();
	assert_int_equal(numaperf_report_verdict(report), NUMAPERF_VERDICT_VIOLATED);
	assert_int_equal(numaperf_report_recommendation_count(report), 0);
}

static void what_is_not_watched_any_more_is_no_finding(void **state)
{
	struct np_seen *g = promise(NUMAPERF_GUARANTEE_CPUS, "w");

	(void)state;
	g->violations = 1;
	g->last_look = -EXDEV;
	g->until_ns = 1;
	make();
	assert_int_equal(numaperf_report_verdict(report), NUMAPERF_VERDICT_VIOLATED);
	assert_int_equal(numaperf_report_recommendation_count(report), 0);
}

static void widen_the_cpuset_again(void **state)
{
	struct np_seen *g = promise(NUMAPERF_GUARANTEE_CPUS, "w");

	(void)state;
	g->last_look = -EXDEV;
	g->moves_by_cause[NUMAPERF_MOVE_CPUSET] = 1;
	make();
	says(finding("cpuset-changed").command, "/proc/77/cgroup)");
	/* what others have in that cpuset stays */
	says(finding("cpuset-changed").command, "echo \"$c,3\" >cpuset.cpus");
	says(finding("cpuset-changed").command, "; taskset -cp 3 77");
}

/* A sampler sees an affinity that is not what it was: it may be what a cpuset left of it. */
static void an_unknown_cause_may_be_a_cpuset(void **state)
{
	struct np_seen *g = promise(NUMAPERF_GUARANTEE_CPUS, "w");

	(void)state;
	g->last_look = -EXDEV;
	g->moves_by_cause[NUMAPERF_MOVE_UNKNOWN] = 1;
	make();
	says(finding("affinity-changed").command, ">cpuset.cpus");
	says(finding("affinity-changed").command, "; taskset -cp 3 77");
}

/* Half a list of CPUs would be another promise. */
static void a_list_that_is_too_long_is_no_command(void **state)
{
	struct np_seen *g = promise(NUMAPERF_GUARANTEE_CPUS, "w");

	(void)state;
	for (int cpu = 1; cpu < 600; cpu += 2)
		numaperf_cpuset_set(&g->cpus, cpu);
	g->last_look = -EXDEV;
	make();
	assert_string_equal(finding("affinity-changed").command, "");
	says(finding("affinity-changed").advice, "taskset");
}

static struct np_seen *strayed(enum numaperf_page_cause cause)
{
	struct np_seen *g = promise(NUMAPERF_GUARANTEE_PAGES, "region 4K (0)");

	g->last_look = -EXDEV;
	g->violations = 9;
	g->pid = 55;
	g->to_node = 2;
	g->pages_by_cause[cause] = 9;
	return g;
}

static void move_them_back(void **state)
{
	(void)state;
	strayed(NUMAPERF_PAGE_MIGRATE_PAGES);
	make();
	assert_string_equal(finding("pages-moved").command, "migratepages 55 2 0");
	says(finding("pages-moved").cause, "not on nodes 0: migrate_pages");
}

/* The last look knows more than the first violation. */
static void move_them_back_from_where_they_are(void **state)
{
	struct np_seen *g = strayed(NUMAPERF_PAGE_UNKNOWN);

	(void)state;
	g->to_node = -1;
	numaperf_nodemask_set(&g->found, 1);
	numaperf_nodemask_set(&g->found, 3);
	make();
	assert_string_equal(finding("pages-moved").command, "migratepages 55 1,3 0");
}

static void what_belongs_there_is_not_moved_along(void **state)
{
	struct np_seen *other = promise(NUMAPERF_GUARANTEE_PAGES, "region 8K (2)");

	(void)state;
	other->pid = 55;
	other->nodes = numaperf_nodemask_single(2);
	strayed(NUMAPERF_PAGE_MIGRATE_PAGES);
	make();
	assert_string_equal(finding("pages-moved").command, "");
	says(finding("pages-moved").advice, "belongs on nodes 2 (region 8K (2))");

	/* another process's does not matter, nor one that is gone, nor one that may be here */
	for (int i = 0; i < 3; i++) {
		tear_down(NULL);
		set_up(NULL);
		other = promise(NUMAPERF_GUARANTEE_PAGES, "region 8K (2)");
		other->pid = i == 0 ? 56 : 55;
		other->ended = i == 1;
		other->nodes = numaperf_nodemask_single(2);
		if (i == 2)
			numaperf_nodemask_set(&other->nodes, 0);
		strayed(NUMAPERF_PAGE_MIGRATE_PAGES);
		make();
		assert_string_equal(finding("pages-moved").command, "migratepages 55 2 0");
	}
}

static void pages_of_each_cause(void **state)
{
	static const struct {
		enum numaperf_page_cause cause;
		const char *id, *command;
	} table[] = {
		{ NUMAPERF_PAGE_COLLAPSE, "pages-collapsed", "transparent_hugepage/enabled" },
		{ NUMAPERF_PAGE_CPUSET, "cpuset-mems-changed", "cpuset.mems" },
		{ NUMAPERF_PAGE_DEMOTION, "pages-demoted", "numa/demotion_enabled" },
		{ NUMAPERF_PAGE_MBIND, "pages-moved", "migratepages 55 2 0" },
	};
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		tear_down(NULL);
		set_up(NULL);
		strayed(table[i].cause);
		make();
		assert_int_equal(numaperf_report_recommendation_count(report), 1);
		says(finding(table[i].id).command, table[i].command);
	}
}

static void ksm_is_told_to_keep_to_nodes(void **state)
{
	struct np_seen *g = promise(NUMAPERF_GUARANTEE_PAGES, "r");

	(void)state;
	g->violations = g->pages_by_cause[NUMAPERF_PAGE_KSM] = 4;
	snap.ksm_run = snap.ksm_across = 1;
	make();
	says(finding("ksm-across-nodes").cause, "merged 4 pages");
	says(finding("ksm-across-nodes").command,
	     "ksm && echo 2 >run && echo 0 >merge_across_nodes");
}

static void a_cpu_comes_back(void **state)
{
	(void)state;
	numaperf_cpuset_set(&snap.offline_cpus, 5);
	make();
	assert_string_equal(finding("cpu-offline").command,
			    "echo 1 >/sys/devices/system/cpu/cpu5/online");
}

static void bad_ratios_are_findings(void **state)
{
	(void)state;
	snap.executor = true;
	snap.node[0].local_executions = 50;
	snap.node[0].steals_from = 50;
	cell(0, 0)->pages[NUMAPERF_PAGE_ANON] = 1;
	cell(0, 1)->pages[NUMAPERF_PAGE_ANON] = 3;
	make();
	says(finding("remote-faults").cause, "75.0 %");
	says(finding("remote-tasks").cause, "50.0 %");
	assert_string_equal(finding("remote-tasks").command, "");
}

static void a_sampler_says_what_it_lacks(void **state)
{
	(void)state;
	snap.sampler = true;
	strcpy(snap.hook[NUMAPERF_METRIC_RUN_TIME].reason, "tp_btf/sched_switch: no");
	strcpy(snap.hook[NUMAPERF_METRIC_RUN_TIME].remedy, "setcap something");
	make();
	assert_string_equal(finding("no-witness").advice, "setcap something");
}

static void what_was_lost_is_a_finding(void **state)
{
	(void)state;
	snap.totals.events_lost = 7;
	snap.totals.threads_lost = 8;
	snap.totals.notices_lost = 9;
	make();
	says(finding("events-lost").cause, "7 violations");
	says(finding("notices-lost").cause, "9 notices");
	says(finding("threads-lost").cause, "8 threads");
	assert_string_equal(finding("threads-lost").advice, "raise threads_max");
}

static void one_cause_is_one_finding(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++)
		strayed(NUMAPERF_PAGE_MIGRATE_PAGES);
	make();
	assert_int_equal(numaperf_report_recommendation_count(report), 1);
}

static void findings_have_an_end(void **state)
{
	(void)state;
	for (int cpu = 0; cpu < 200; cpu++)
		numaperf_cpuset_set(&snap.offline_cpus, cpu);
	make();
	assert_int_equal(numaperf_report_recommendation_count(report), NP_FINDINGS_MAX);
	assert_non_null(numaperf_report_recommendation(report, NP_FINDINGS_MAX - 1));
	assert_null(numaperf_report_recommendation(report, NP_FINDINGS_MAX));
}

/* ---- as text ---- */

static char *text_of(enum numaperf_format format)
{
	int n = numaperf_report_format(report, format, NULL, 0);
	char *text;

	assert_true(n > 0);
	text = malloc((size_t)n + 1);
	assert_int_equal(numaperf_report_format(report, format, text, (size_t)n + 1), n);
	assert_int_equal(strlen(text), n);
	return text;
}

static void a_text_for_people(void **state)
{
	char *text;

	(void)state;
	promise(NUMAPERF_GUARANTEE_CPUS, "worker 0 (node 0)");
	cell(0, 1)->pages[NUMAPERF_PAGE_ANON] = 12345;
	snap.flow[1].pages[NUMAPERF_PAGE_MBIND] = 6789;
	stand(NUMAPERF_METRIC_HINTING_FAULTS, NUMAPERF_RUNG_ABSENT);
	make();
	text = text_of(NUMAPERF_FORMAT_TEXT);
	says(text, "watched 2.5 s");
	says(text, "Guarantees: held");
	says(text, "worker 0 (node 0)");
	says(text, "Health: Poor (fault)");
	says(text, "fault 0.0 %");
	says(text, "task n/a");
	says(text, "12345");
	says(text, "0 -> 2");
	says(text, "6789 pages: mbind");
	says(text, "What to do");
	free(text);
}

/* What a terminal shows of it is one line for a shell. */
static void a_command_can_be_copied(void **state)
{
	struct np_seen *g = promise(NUMAPERF_GUARANTEE_CPUS, "w");
	char *text, *line;

	(void)state;
	snap.balancing = 1;
	g->last_look = -EXDEV;
	g->moves_by_cause[NUMAPERF_MOVE_CPUSET] = 1;
	make();
	text = text_of(NUMAPERF_FORMAT_TEXT);
	says(text, "\n    run: sysctl -w kernel.numa_balancing=0\n");
	line = strstr(text, "    run: (IFS=/; cd /sys/fs/cgroup;");
	assert_non_null(line);
	line += strlen("    run: ");
	for (const char *c = finding("cpuset-changed").command; *c; c++) {
		if (*c == ' ' && !strncmp(line, " \\\n", 3)) {
			line += 3 + strspn(line + 3, " ");
			continue;
		}
		assert_int_equal(*line, *c);
		line++;
	}
	assert_int_equal(*line, '\n');
	free(text);
}

static void lines_fit_a_terminal(void **state)
{
	char *text, *line;

	(void)state;
	strayed(NUMAPERF_PAGE_MIGRATE_PAGES);
	for (int m = 0; m < NUMAPERF_METRIC_COUNT; m++) {
		stand(m, NUMAPERF_RUNG_TP_BTF);
		snprintf(snap.hook[m].hook, sizeof(snap.hook[m].hook),
			 "tp_btf/mm_collapse_huge_page");
		snprintf(snap.hook[m].reason, sizeof(snap.hook[m].reason),
			 "fentry/folio_add_new_anon_rmap: Operation not permitted by this "
			 "kernel, also "
			 "with the privilege");
	}
	make();
	text = text_of(NUMAPERF_FORMAT_TEXT);
	for (line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		if (strlen(line) > 80)
			fail_msg("%zu columns: %s", strlen(line), line);
	free(text);
}

static void a_buffer_that_is_too_small(void **state)
{
	static const enum numaperf_format formats[] = { NUMAPERF_FORMAT_TEXT,
							NUMAPERF_FORMAT_JSON };

	(void)state;
	promise(NUMAPERF_GUARANTEE_CPUS, "w");
	make();
	for (size_t f = 0; f < 2; f++) {
		char *whole = text_of(formats[f]);
		size_t length = strlen(whole);

		for (size_t size = 1; size <= length; size += size < 200 ? 1 : 97) {
			char *buf = malloc(size);

			assert_int_equal(numaperf_report_format(report, formats[f], buf, size),
					 length);
			assert_int_equal(buf[size - 1], '\0');
			assert_memory_equal(buf, whole, size - 1);
			free(buf);
		}
		free(whole);
	}
	assert_int_equal(numaperf_report_format(report, 7, NULL, 0), -EINVAL);
}

static void json_for_programs(void **state)
{
	json_t *root, *v;
	char *text;

	(void)state;
	promise(NUMAPERF_GUARANTEE_PAGES, "region \"x\"");
	cell(1, 0)->pages[NUMAPERF_PAGE_HUGE] = 512;
	snap.flow[2].threads[NUMAPERF_MOVE_WAKEUP] = 8;
	snap.balancing = 1;
	stand(NUMAPERF_METRIC_HINTING_FAULTS, NUMAPERF_RUNG_ABSENT);
	stand(NUMAPERF_METRIC_FILE_FAULTS, NUMAPERF_RUNG_ABSENT);
	/* tp_btf finds pages that violate, and counts none */
	stand(NUMAPERF_METRIC_PAGE_MOVES, NUMAPERF_RUNG_TP_BTF);
	make();
	text = text_of(NUMAPERF_FORMAT_JSON);
	root = json_loads(text, 0, NULL);
	assert_non_null(root);
	assert_string_equal(json_string_value(json_object_get(root, "verdict")), "held");
	assert_string_equal(json_string_value(json_object_get(root, "health_basis")), "fault");
	v = json_object_get(root, "ratios");
	assert_true(json_is_null(json_object_get(v, "task")));
	assert_true(json_is_real(json_object_get(v, "fault")));
	v = json_object_get(root, "matrix");
	assert_int_equal(json_array_size(json_object_get(v, "huge")), NODES);
	assert_int_equal(json_integer_value(json_array_get(
				 json_array_get(json_object_get(v, "huge"), 1), 0)),
			 512);
	assert_true(
		json_is_null(json_array_get(json_array_get(json_object_get(v, "text"), 1), 0)));
	v = json_array_get(json_object_get(root, "nodes"), 1);
	assert_int_equal(json_integer_value(json_object_get(v, "id")), 2);
	assert_true(json_is_null(json_object_get(v, "hint_faults_local")));
	assert_true(json_is_null(json_object_get(v, "pages_in")));
	assert_true(json_is_integer(json_object_get(v, "thread_moves_in")));
	assert_true(json_is_null(json_object_get(v, "local_executions")));
	v = json_array_get(json_object_get(root, "moves"), 0);
	assert_string_equal(json_string_value(json_object_get(v, "cause")), "wake-up");
	assert_int_equal(json_integer_value(json_object_get(v, "from")), 2);
	v = json_array_get(json_object_get(root, "findings"), 0);
	assert_string_equal(json_string_value(json_object_get(v, "id")), "balancing-on");
	assert_true(json_is_null(json_object_get(v, "advice")));
	v = json_object_get(json_object_get(root, "hooks"), "hinting_faults");
	assert_string_equal(json_string_value(json_object_get(v, "rung")), "absent");
	v = json_array_get(json_object_get(root, "guarantees"), 0);
	assert_string_equal(json_string_value(json_object_get(v, "label")), "region \"x\"");
	json_decref(root);
	free(text);
}

static void names_from_elsewhere_are_cleaned(void **state)
{
	struct np_seen *g = promise(NUMAPERF_GUARANTEE_CPUS, "w\033[2J");

	(void)state;
	g->violations = 1;
	g->last_look = -EXDEV;
	snprintf(g->evidence, sizeof(g->evidence), "by \x9b[31m \xe2\x80\xae evil\n");
	snprintf(g->actor, sizeof(g->actor), "a\nb\033c");
	make();
	for (const unsigned char *p = (const unsigned char *)guarantee(0).reason; *p; p++)
		assert_true(*p >= ' ' && *p <= '~');
	assert_string_equal(guarantee(0).label, "w?[2J");
	says(finding("affinity-changed").cause, "a?b?c");
}

static void printed_to_a_stream(void **state)
{
	char *text, *printed = NULL;
	size_t size = 0;
	FILE *to = open_memstream(&printed, &size), *full;

	(void)state;
	make();
	text = text_of(NUMAPERF_FORMAT_TEXT);
	assert_int_equal(numaperf_report_print(report, to), 0);
	fclose(to);
	assert_string_equal(printed, text);
	free(printed);
	free(text);
	full = fopen("/dev/full", "w");
	assert_non_null(full);
	setvbuf(full, NULL, _IONBF, 0);
	assert_int_equal(numaperf_report_print(report, full), -ENOSPC);
	assert_int_equal(numaperf_last_error()->code, -ENOSPC);
	fclose(full);
}

/* ---- what it is asked ---- */

static void what_does_not_exist(void **state)
{
	struct numaperf_guarantee g = { .sz = sizeof(g) };
	struct numaperf_finding f = { .sz = sizeof(f) };
	struct numaperf_report_node n = { .sz = sizeof(n) };
	struct numaperf_cell c = { .sz = sizeof(c) };
	struct numaperf_hook h = { .sz = sizeof(h) };
	double ratio;

	(void)state;
	make();
	assert_int_equal(numaperf_report_guarantee(report, 0, &g), -ENOENT);
	assert_int_equal(numaperf_report_finding(report, 0, &f), -ENOENT);
	assert_int_equal(numaperf_report_node(report, NODES, &n), -ENOENT);
	assert_int_equal(numaperf_report_cell(report, 1, 0, &c), -ENOENT);
	assert_int_equal(numaperf_report_cell(report, 0, 1, &c), -ENOENT);
	assert_int_equal(numaperf_report_hook(report, NUMAPERF_METRIC_COUNT, &h), -ENOENT);
	assert_int_equal(numaperf_report_node_locality(report, 1, 0, &ratio), -ENOENT);
	assert_int_equal(numaperf_report_locality(report, 9, &ratio), -EINVAL);
	g.sz = f.sz = n.sz = c.sz = h.sz = 3;
	assert_int_equal(numaperf_report_guarantee(report, 0, &g), -EINVAL);
	assert_int_equal(numaperf_report_finding(report, 0, &f), -EINVAL);
	assert_int_equal(numaperf_report_node(report, 0, &n), -EINVAL);
	assert_int_equal(numaperf_report_cell(report, 0, 0, &c), -EINVAL);
	assert_int_equal(numaperf_report_hook(report, 0, &h), -EINVAL);
	numaperf_report_destroy(NULL);
}

static void a_node(void **state)
{
	struct numaperf_report_node n = { .sz = sizeof(n) };

	(void)state;
	snap.node[1].local_executions = 1;
	snap.node[1].steals_from = 2;
	snap.node[1].steals_to = 3;
	snap.node[1].resident_pages = 4;
	snap.node[1].activity.faults_remote = 10;
	snap.node[1].activity.hinting_remote = 5;
	snap.node[1].activity.pages_in = 6;
	make();
	assert_int_equal(numaperf_report_node_count(report), NODES);
	assert_int_equal(numaperf_report_node(report, 1, &n), 0);
	assert_int_equal(n.node, 2);
	assert_int_equal(n.local_executions, 1);
	assert_int_equal(n.steals_from, 2);
	assert_int_equal(n.steals_to, 3);
	assert_int_equal(n.resident_pages, 4);
	assert_int_equal(n.remote_accesses, 15);
	assert_int_equal(n.pages_in, 6);
}

static void how_long_and_what_was_lost(void **state)
{
	struct numaperf_monitor_totals t = { .sz = sizeof(t) };

	(void)state;
	snap.totals.sz = sizeof(snap.totals);
	snap.totals.events_lost = 4;
	make();
	assert_int_equal(numaperf_report_duration_ns(report), 2500000000u);
	assert_int_equal(numaperf_report_totals(report, &t), 0);
	assert_int_equal(t.events_lost, 4);
}

static void without_memory(void **state)
{
	static const int errors[] = { -ENOMEM };
	struct fault_plan plan;

	(void)state;
	FAULT_SWEEP(plan, errors)
	{
		int err;

		tear_down(NULL);
		set_up(NULL);
		promise(NUMAPERF_GUARANTEE_CPUS, "w");
		fault_start(&plan);
		err = numaperf_report_create(&report, NULL);
		fault_stop();
		assert_int_equal(err, plan.failed ? -ENOMEM : 0);
		if (plan.failed)
			assert_null(report);
	}
}

static void the_names(void **state)
{
	(void)state;
	assert_string_equal(numaperf_verdict_name(NUMAPERF_VERDICT_HELD), "held");
	assert_string_equal(numaperf_verdict_name(9), "unknown");
	assert_string_equal(numaperf_health_name(NUMAPERF_HEALTH_EXCELLENT), "Excellent");
	assert_string_equal(numaperf_health_name(9), "Unknown");
	assert_string_equal(numaperf_locality_name(NUMAPERF_LOCALITY_EXPOSURE), "exposure");
	assert_string_equal(numaperf_locality_name(9), "unknown");
	assert_string_equal(numaperf_guarantee_kind_name(NUMAPERF_GUARANTEE_PAGES), "pages");
	assert_string_equal(numaperf_guarantee_kind_name(9), "unknown");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nothing_promised),
		TEST(a_thread_that_was_watched),
		TEST(a_thread_on_tracepoints),
		TEST(a_thread_needs_each_of_its_metrics),
		TEST(pages_that_were_watched),
		TEST(pages_need_each_of_their_metrics),
		TEST(pages_on_tracepoints_that_are_in_place),
		TEST(pages_on_tracepoints_never_looked_at),
		TEST(pages_that_cannot_be_looked_at),
		TEST(pages_that_are_not_there),
		TEST(absent_pages_are_no_gap_where_faults_are_exact),
		TEST(moved_away_and_back),
		TEST(ksm_that_is_not_seen),
		TEST(ksm_that_cannot_be_read),
		TEST(ksm_that_does_not_run_or_keeps_to_nodes),
		TEST(a_sampler_never_says_held),
		TEST(promised_without_a_witness),
		TEST(what_had_not_been_taken_in),
		TEST(lost_events),
		TEST(lost_notices),
		TEST(lost_threads),
		TEST(an_affinity_that_cannot_be_read),
		TEST(a_thread_that_is_gone_need_not_be_read),
		TEST(a_violation_with_evidence),
		TEST(a_violation_wins_over_every_gap),
		TEST(a_broken_baseline),
		TEST(found_by_looking_only),
		TEST(the_worst_speaks_for_all),
		TEST(balancing_watched_or_read),
		TEST(balancing_that_acted_between_two_looks),
		TEST(balancing_that_is_on),
		TEST(balancing_that_cannot_be_read),
		TEST(balancing_on_one_node),
		TEST(nothing_observed_is_no_data),
		TEST(the_task_ratio),
		TEST(the_fault_ratio),
		TEST(faults_that_are_not_counted),
		TEST(the_exposure_ratio),
		TEST(faults_are_the_first_basis),
		TEST(thresholds),
		TEST(thresholds_are_options),
		TEST(thresholds_that_make_no_sense),
		TEST(options_of_another_version),
		TEST(all_well_is_no_finding),
		TEST(switch_balancing_off),
		TEST(pin_it_again),
		TEST(what_has_been_put_right_is_no_finding),
		TEST(what_is_not_watched_any_more_is_no_finding),
		TEST(widen_the_cpuset_again),
		TEST(an_unknown_cause_may_be_a_cpuset),
		TEST(a_list_that_is_too_long_is_no_command),
		TEST(move_them_back),
		TEST(pages_of_each_cause),
		TEST(move_them_back_from_where_they_are),
		TEST(what_belongs_there_is_not_moved_along),
		TEST(ksm_is_told_to_keep_to_nodes),
		TEST(a_cpu_comes_back),
		TEST(bad_ratios_are_findings),
		TEST(a_sampler_says_what_it_lacks),
		TEST(what_was_lost_is_a_finding),
		TEST(one_cause_is_one_finding),
		TEST(findings_have_an_end),
		TEST(a_text_for_people),
		TEST(lines_fit_a_terminal),
		TEST(a_command_can_be_copied),
		TEST(a_buffer_that_is_too_small),
		TEST(json_for_programs),
		TEST(names_from_elsewhere_are_cleaned),
		TEST(printed_to_a_stream),
		TEST(what_does_not_exist),
		TEST(a_node),
		TEST(how_long_and_what_was_lost),
		TEST(without_memory),
		TEST(the_names),
	};

	return cmocka_run_group_tests_name("report", tests, NULL, NULL);
}

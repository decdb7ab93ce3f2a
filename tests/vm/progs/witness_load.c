/* SPDX-License-Identifier: MIT */
/*
 * witness_load RUNG mixed COUNT | flood | quiet SECONDS: what the witness is under load. TAP.
 *
 *	mixed	COUNT violations of mixed kinds (witness_mixed.h), from NP_SEED: each is told
 *		with its guarantee, kind, cause and culprit, or counted as lost; and how late
 *	flood	more than 100,000 page moves, no two of which are side by side: the verdict
 *		stays right, memory bounded, what is lost is counted
 *	quiet	a busy strict executor: nothing is told, everything held
 */
#include "witness_mixed.h"

#include <sys/wait.h>

/* ---- TAP ---- */

static int tests, failures;

static bool ok(bool good, const char *name, const char *fmt, ...)
{
	va_list ap;

	printf("%sok %d - %s\n", good ? "" : "not ", ++tests, name);
	failures += !good;
	va_start(ap, fmt);
	printf("# ");
	vprintf(fmt, ap);
	printf("\n");
	va_end(ap);
	fflush(stdout);
	return good;
}

/* ---- the monitor ---- */

static enum numaperf_rung rung_max;

static struct numaperf_monitor *monitor(bool all)
{
	struct numaperf_monitor_opts opts = {
		.sz = sizeof(opts),
		.on_violation = on_told,
		.rung_max = rung_max,
		.all_guarantees = all,
	};
	struct numaperf_hook hook = { .sz = sizeof(hook) };
	struct numaperf_monitor *mon;

	need(!numaperf_monitor_create(&mon, topo, &opts), "monitor");
	need(!numaperf_monitor_hook(mon, NUMAPERF_METRIC_PAGE_MOVES, &hook), "hook");
	ok(hook.rung == rung_max, "it stands on the rung that is tested", "%s",
	   numaperf_rung_name(hook.rung));
	return mon;
}

static struct numaperf_monitor_totals totals(struct numaperf_monitor *mon)
{
	struct numaperf_monitor_totals t = { .sz = sizeof(t) };

	need(!numaperf_monitor_totals(mon, &t), "totals");
	return t;
}

static const char *verdict_of(struct numaperf_report *r, uint64_t id, char *reason, size_t size)
{
	struct numaperf_guarantee g = { .sz = sizeof(g) };

	for (size_t i = 0; !numaperf_report_guarantee(r, i, &g); i++) {
		if (g.id != id)
			continue;
		snprintf(reason, size, "%s", g.reason);
		return numaperf_verdict_name(g.verdict);
	}
	return "none";
}

/* ---- mixed ---- */

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static const char *guarantee_name(int g)
{
	static char name[32];

	if (g < RANGES)
		snprintf(name, sizeof(name), "range %d", g);
	else
		snprintf(name, sizeof(name), "thread %d", g - RANGES);
	return name;
}

/* What was told is what was done, but for what was lost, and that is counted. */
static void compare_ledgers(void)
{
	static const char *const whos[] = { "nobody", "itself", "the culprit",
					    "somebody else" };

	for (int g = 0; g < GUARANTEES; g++) {
		uint64_t want = sum_of(&done, g), got = sum_of(&told, g) + told_lost[g];
		char name[96];
		int wrong = 0;

		for (int k = 0; k < 6; k++)
			for (int c = 0; c < 16; c++)
				for (int w = 0; w < WHOS; w++) {
					uint64_t a = done.n[g][k][c][w], b = told.n[g][k][c][w];

					if (a == b || (a > b && told_lost[g]))
						continue;
					printf("# %s, kind %d, cause %d, by %s: did %" PRIu64
					       ", told %" PRIu64 "\n",
					       guarantee_name(g), k, c, whos[w], a, b);
					wrong++;
				}
		snprintf(name, sizeof(name), "%s: kind, cause, culprit and count",
			 guarantee_name(g));
		ok(want && want == got && !wrong, name,
		   "did %" PRIu64 ", told %" PRIu64 ", without details %" PRIu64, want,
		   sum_of(&told, g), told_lost[g]);
	}
}

static void mixed(unsigned int count)
{
	struct numaperf_monitor_totals t;
	struct numaperf_monitor *mon;
	uint64_t all = 0, lost = 0;

	watched_start();
	mon = monitor(false);
	watched_watch(mon);
	need(!numaperf_monitor_flush(mon, 30000), "flush");
	ok(!told_calls, "nothing is told before", "%" PRIu64 " calls", told_calls);
	for (unsigned int i = 0; i < count; i++)
		one_deed();
	need(!numaperf_monitor_flush(mon, 60000), "flush");
	/* what left no event is told an interval later */
	usleep(600000);
	need(!numaperf_monitor_flush(mon, 60000), "flush");
	t = totals(mon);
	for (int g = 0; g < GUARANTEES; g++) {
		all += sum_of(&done, g);
		lost += told_lost[g];
	}
	ok(t.violations == all, "all are counted",
	   "%u deeds, did %" PRIu64 ", counted %" PRIu64, count, all, t.violations);
	compare_ledgers();
	ok(!told_of_nobody, "none is of another guarantee", "%" PRIu64, told_of_nobody);
	ok(!lost == !t.events_lost, "what left no details is what was lost",
	   "%" PRIu64 " violations, %" PRIu64 " events", lost, t.events_lost);
	qsort(late_ns, lates, sizeof(late_ns[0]), by_size);
	ok(lates && late_ns[lates * 99 / 100] < 1000000000u,
	   "from cause to callback: p99 is below a second",
	   "%zu calls: median %" PRIu64 " us, p99 %" PRIu64 " us, max %" PRIu64 " us", lates,
	   late_ns[lates / 2] / 1000, late_ns[lates * 99 / 100] / 1000,
	   late_ns[lates - 1] / 1000);
	numaperf_monitor_destroy(mon);
	watched_stop();
}

/* ---- flood ---- */

enum {
	FLOOD_PAGES = 2048,
	FLOOD_ROUNDS = 100, /* each lets every second page go and come back */
};

static long rss_kb(void)
{
	return read_key("/proc/self/status", "VmRSS");
}

/* Every second page of what is there, in a random order that is the same each time. */
static void flood_pages(void **at)
{
	for (int i = 0; i < FLOOD_PAGES / 2; i++)
		at[i] = range[0].addr + 2 * i * PAGE;
	for (int i = FLOOD_PAGES / 2 - 1; i > 0; i--) {
		int k = (int)any((unsigned int)i + 1);
		void *p = at[i];

		at[i] = at[k];
		at[k] = p;
	}
}

static uint64_t flood_to(void **at, int node)
{
	static int to[FLOOD_PAGES / 2], status[FLOOD_PAGES / 2];
	uint64_t n = 0;

	for (int i = 0; i < FLOOD_PAGES / 2; i++)
		to[i] = node;
	need(syscall(SYS_move_pages, 0, FLOOD_PAGES / 2, at, to, status, MPOL_MF_MOVE) >= 0,
	     "move_pages");
	for (int i = 0; i < FLOOD_PAGES / 2; i++)
		n += status[i] == node;
	return n;
}

static void flood_verdicts(struct numaperf_monitor *mon)
{
	struct numaperf_report *r;
	char reason[256] = "";
	const char *v;

	need(!numaperf_report_create(&r, mon), "report");
	v = verdict_of(r, range[0].id, reason, sizeof(reason));
	ok(!strcmp(v, "violated"), "the verdict of the pages", "%s: %s", v, reason);
	v = verdict_of(r, range[1].id, reason, sizeof(reason));
	ok(!strcmp(v, "held"), "the verdict of the pages beside them", "%s: %s", v, reason);
	v = verdict_of(r, worker[0].id, reason, sizeof(reason));
	ok(!strcmp(v, "held"), "the verdict of a thread beside them", "%s: %s", v, reason);
	numaperf_report_destroy(r);
}

static void flood(void)
{
	static void *at[FLOOD_PAGES / 2];
	bool exact = rung_max == NUMAPERF_RUNG_FENTRY;
	uint64_t moved = 0, details, *told_of;
	struct numaperf_monitor_totals t;
	struct numaperf_monitor *mon;
	long before, after;

	range_start(&range[0], FLOOD_PAGES, 0);
	range_start(&range[1], 64, 0);
	worker_start(&worker[0], 0);
	flood_pages(at);
	mon = monitor(false);
	watch_range(mon, &range[0]);
	watch_range(mon, &range[1]);
	watch_worker(mon, &worker[0]);
	need(!numaperf_monitor_flush(mon, 30000), "flush");
	before = rss_kb();
	for (int i = 0; i < FLOOD_ROUNDS; i++) {
		moved += flood_to(at, 1);
		if (i < FLOOD_ROUNDS - 1 || exact)
			need(flood_to(at, 0) == FLOOD_PAGES / 2, "pages stay away");
	}
	usleep(600000);
	need(!numaperf_monitor_flush(mon, 60000), "flush");
	after = rss_kb();
	t = totals(mon);
	told_of = &told.n[0][NUMAPERF_VIOLATION_PAGE][0][0];
	details = sum_of(&told, 0);
	ok(moved >= 100000, "it is a flood", "%" PRIu64 " pages moved", moved);
	if (exact) {
		ok(t.violations == moved, "every page is counted", "%" PRIu64, t.violations);
		ok(details + told_lost[0] == moved && t.events_lost == told_lost[0] &&
			   told.n[0][NUMAPERF_VIOLATION_PAGE][NUMAPERF_PAGE_MOVE_PAGES]
				 [WHO_SELF] == details,
		   "each is told with its cause, or was lost and is counted",
		   "told %" PRIu64 ", without details %" PRIu64 ", events lost %" PRIu64,
		   details, told_lost[0], t.events_lost);
	} else {
		ok(t.suspects >= 2 * moved - FLOOD_PAGES, "every move is suspected",
		   "%" PRIu64 " suspicions, %" PRIu64 " events lost", t.suspects,
		   t.events_lost);
		ok(details + told_lost[0] <= moved && details >= FLOOD_PAGES / 2,
		   "no more is told than there was, and what is away is",
		   "told %" PRIu64 ", %" PRIu64 " of them by looks", details, *told_of);
	}
	ok(t.events_lost > 0, "it is more than can be told", "%" PRIu64, t.events_lost);
	ok(after - before < 4096, "memory is bounded", "VmRSS %ld kB, then %ld kB", before,
	   after);
	ok(!t.notices_lost, "no notice is lost", "%" PRIu64, t.notices_lost);
	flood_verdicts(mon);
	numaperf_monitor_destroy(mon);
	worker_stop(&worker[0]);
}

/* ---- quiet ---- */

static char *quiet_memory;
static uint64_t tasks;

static void quiet_task(void *arg)
{
	volatile char *p = quiet_memory + (uintptr_t)arg % 256 * PAGE;

	for (int i = 0; i < 64; i++)
		p[i * 64] = (char)(p[i * 64] + 1);
	__atomic_add_fetch(&tasks, 1, __ATOMIC_RELAXED);
}

static void quiet_run(struct numaperf_executor *exec, unsigned int seconds)
{
	uint64_t end = now_ns() + seconds * 1000000000ull;

	while (now_ns() < end) {
		for (uintptr_t i = 0; i < 2000; i++)
			need(!numaperf_executor_submit_to_node(exec, (int)(i & 1), quiet_task,
							       (void *)i),
			     "submit");
		need(!numaperf_executor_wait(exec), "wait");
	}
}

static void quiet(unsigned int seconds)
{
	struct numaperf_executor_opts opts = { .sz = sizeof(opts),
					       .steal_policy = NUMAPERF_STEAL_LOCAL_ONLY,
					       .mode = NUMAPERF_STRICT };
	struct numaperf_region_opts mem = { .sz = sizeof(mem),
					    .policy = NUMAPERF_POLICY_BIND,
					    .nodes = numaperf_nodemask_single(0),
					    .mode = NUMAPERF_STRICT };
	struct numaperf_executor *exec;
	struct numaperf_region *region;
	struct numaperf_monitor *mon;
	struct numaperf_report *r;
	struct numaperf_guarantee g = { .sz = sizeof(g) };
	size_t held = 0, all;

	mon = monitor(true);
	need(!numaperf_executor_create(&exec, topo, &opts), "executor");
	need(!numaperf_region_create(&region, 256 * PAGE, &mem), "region");
	quiet_memory = numaperf_region_data(region);
	quiet_run(exec, seconds);
	need(!numaperf_report_create(&r, mon), "report");
	all = numaperf_report_guarantee_count(r);
	for (size_t i = 0; i < all; i++) {
		need(!numaperf_report_guarantee(r, i, &g), "guarantee");
		held += g.verdict == NUMAPERF_VERDICT_HELD;
		if (g.verdict != NUMAPERF_VERDICT_HELD)
			printf("# %s: %s: %s\n", g.label, numaperf_verdict_name(g.verdict),
			       g.reason);
	}
	/* a worker a CPU, the region, balancing */
	ok(all == held && all == numaperf_executor_worker_count(exec) + 2, "all is held",
	   "%zu of %zu in %u s, %" PRIu64 " tasks", held, all, seconds, tasks);
	ok(numaperf_report_verdict(r) == NUMAPERF_VERDICT_HELD, "and so the whole", "%s",
	   numaperf_verdict_name(numaperf_report_verdict(r)));
	ok(!told_calls && !totals(mon).violations, "nothing was told", "%" PRIu64, told_calls);
	ok(tasks >= seconds * 1000u, "it was busy", "%" PRIu64 " tasks", tasks);
	numaperf_report_destroy(r);
	need(!numaperf_executor_shutdown(exec), "shutdown");
	numaperf_executor_destroy(exec);
	numaperf_region_unref(region);
	numaperf_monitor_destroy(mon);
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[2] : "";
	unsigned int n = argc > 3 ? (unsigned int)atoi(argv[3]) : 0;

	if (argc < 3)
		return 9;
	rung_max = strcmp(argv[1], "tp_btf") ? NUMAPERF_RUNG_FENTRY : NUMAPERF_RUNG_TP_BTF;
	seed = strtoull(getenv("NP_SEED") ? getenv("NP_SEED") : "", NULL, 0);
	seed = seed ? seed : now_ns();
	printf("# NP_SEED=%#" PRIx64 "\n", seed);
	helper = helper_start();
	prctl(PR_SET_NAME, "np-witness");
	balancing("0");
	need(!numaperf_topology_discover(&topo), "topology");
	if (!strcmp(what, "mixed"))
		mixed(n);
	else if (!strcmp(what, "flood"))
		flood();
	else if (!strcmp(what, "quiet"))
		quiet(n);
	else
		return 9;
	close(helper.orders);
	waitpid(helper.pid, NULL, 0);
	numaperf_topology_unref(topo);
	printf("1..%d\n", tests);
	return failures > 0;
}

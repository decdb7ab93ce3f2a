/* SPDX-License-Identifier: MIT */
/*
 * numaperf bench: what the library costs on this machine. Each figure is measured several
 * times; shown are the median and the extremes, since machines are noisy. Beside other
 * libraries: `make bench`.
 */
#include "bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum {
	ROUNDS = 7,
	PEERS_MAX = 3,
	FIB = 27,
	FIB_CALLS = 832039, /* of which half are spawned */
	TASKS = 100000,
	BATCH = 64,
	WAKES = 101,
};

struct numaperf_topology *bench_topology;
struct numaperf_executor *bench_executor;

double bench_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void nap(long ns)
{
	nanosleep(&(struct timespec){ .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 },
		  NULL);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* ---- what is measured: a figure, or below 0 after an error of the library ---- */

static double discovery(void)
{
	struct numaperf_topology *t;
	double start = bench_now_ns();

	if (numaperf_topology_discover(&t))
		return -1;
	start = bench_now_ns() - start;
	numaperf_topology_unref(t);
	return start / 1e6;
}

static double creation(void)
{
	struct numaperf_executor *e;
	double start = bench_now_ns();

	if (numaperf_executor_create(&e, bench_topology, NULL))
		return -1;
	start = bench_now_ns() - start;
	numaperf_executor_destroy(e);
	return start / 1e6;
}

struct fib {
	unsigned int n;
	unsigned long result;
};

static void fib(void *arg)
{
	struct fib *f = arg, a, b;
	struct numaperf_task task;

	if (f->n < 2) {
		f->result = f->n;
		return;
	}
	a.n = f->n - 1;
	b.n = f->n - 2;
	numaperf_spawn(&task, fib, &a);
	fib(&b);
	if (numaperf_join(&task))
		abort(); /* nobody stops the executor meanwhile */
	f->result = a.result + b.result;
}

static double fork_join(void)
{
	struct fib f = { .n = FIB };
	double start = bench_now_ns();

	if (numaperf_executor_run(bench_executor, NUMAPERF_ANY_NODE, fib, &f))
		return -1;
	return (bench_now_ns() - start) / FIB_CALLS * 2;
}

static void nothing(void *arg)
{
	(void)arg;
}

static double submit(void)
{
	double start = bench_now_ns();

	for (int i = 0; i < TASKS; i++)
		if (numaperf_executor_submit(bench_executor, nothing, NULL))
			return -1;
	if (numaperf_executor_wait(bench_executor))
		return -1;
	return (bench_now_ns() - start) / TASKS;
}

static double submit_batch(void)
{
	struct numaperf_work work[BATCH];
	double start;

	for (int i = 0; i < BATCH; i++)
		work[i] = (struct numaperf_work){ nothing, NULL };
	start = bench_now_ns();
	for (int i = 0; i < TASKS; i += BATCH)
		if (numaperf_executor_submit_batch(bench_executor, NUMAPERF_ANY_NODE, 0, work,
						   BATCH, NULL))
			return -1;
	if (numaperf_executor_wait(bench_executor))
		return -1;
	return (bench_now_ns() - start) / TASKS;
}

static void stamp(void *arg)
{
	double now = bench_now_ns();

	__atomic_store((double *)arg, &now, __ATOMIC_RELEASE);
}

/* From the submit of one task to its start, when all workers sleep. */
static double wake(void)
{
	double v[WAKES], begun;

	for (int i = 0; i < WAKES; i++) {
		double none = 0, start;

		nap(2000000);
		__atomic_store(&begun, &none, __ATOMIC_RELAXED);
		start = bench_now_ns();
		if (numaperf_executor_submit(bench_executor, stamp, &begun) ||
		    numaperf_executor_wait(bench_executor))
			return -1;
		v[i] = begun - start;
	}
	qsort(v, WAKES, sizeof(v[0]), compare);
	return v[WAKES / 2] / 1e3;
}

static double cpu_ms(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e3 +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e3;
}

static double idle(void)
{
	double before;

	nap(20000000);
	before = cpu_ms();
	nap(200000000);
	return (cpu_ms() - before) * 5;
}

static void touch(void *ctx, size_t begin, size_t end)
{
	(void)ctx;
	for (volatile size_t i = begin; i < end;)
		i = i + 1;
}

static double loop(void)
{
	double start = bench_now_ns();

	for (int i = 0; i < 100; i++)
		if (numaperf_executor_parallel_for(bench_executor, 0, 1000, 0, touch, NULL))
			return -1;
	return (bench_now_ns() - start) / 100 / 1e3;
}

static const struct bench_figure figures[] = {
	{ "topology", "discovery", "ms", discovery, false, false },
	{ "executor", "creation", "ms", creation, false, false },
	{ "executor", "spawn and join", "ns", fork_join, true, false },
	{ "executor", "submit", "ns", submit, true, false },
	{ "executor", "submit, batches of 64", "ns", submit_batch, true, false },
	{ "executor", "submit to start, asleep", "us", wake, true, false },
	{ "executor", "loop of 1,000 indices", "us", loop, true, false },
	{ "executor", "idle", "ms CPU/s", idle, true, false },
};

enum {
	FIGURES = sizeof(figures) / sizeof(figures[0])
};

/* ---- showing ---- */

/* A figure, and the median of its ratio to that of ours which it stands beside. */
struct measured {
	const struct bench_figure *figure;
	double v[ROUNDS], sorted[ROUNDS];
	double ratio; /* ours / the peer's; below 1 is in our favour. 0: it is ours */
};

/* What cannot be measured here is NAN. */
static int measure_once(const struct tool_command *cmd, struct measured *m, int round)
{
	double x = m->figure->measure();

	if (x < 0 && !m->figure->peer)
		return tool_library_error(cmd);
	if (round >= 0)
		m->v[round] = x < 0 ? NAN : x;
	return TOOL_OK;
}

static void sum_up(struct measured *m, const struct measured *ours)
{
	double ratio[ROUNDS];

	memcpy(m->sorted, m->v, sizeof(m->v));
	qsort(m->sorted, ROUNDS, sizeof(*m->sorted), compare);
	if (!m->figure->peer)
		return;
	for (int i = 0; i < ROUNDS; i++)
		ratio[i] = ours->v[i] / m->v[i];
	qsort(ratio, ROUNDS, sizeof(*ratio), compare);
	m->ratio = ratio[ROUNDS / 2];
}

/* One of ours and its peers in turn, so that what else the machine does hits all of them. */
static int measure_group(const struct tool_command *cmd, struct measured *group, size_t n)
{
	int status = TOOL_OK;

	for (int round = -1; round < ROUNDS; round++) /* once to warm up */
		for (size_t i = 0; i < n && !status; i++)
			status = measure_once(cmd, &group[i], round);
	for (size_t i = 0; i < n && !status; i++)
		sum_up(&group[i], &group[0]);
	return status;
}

static char *number(double x)
{
	return isnan(x) ? NULL : tool_printf("%.3g", x);
}

static void put_text(struct tool_table *table, const struct measured *m)
{
	const struct bench_figure *f = m->figure;

	tool_cell(table, strdup(f->category));
	tool_cell(table, tool_printf("%s%s", f->peer ? "  beside " : "", f->name));
	for (int i = 0; i < 3; i++) {
		char *text = number(m->sorted[i == 0 ? ROUNDS / 2 : i == 1 ? 0 : ROUNDS - 1]);

		tool_cell(table, text ? text : strdup(""));
	}
	tool_cell(table, strdup(f->unit));
	tool_cell(table, f->peer && !isnan(m->ratio) ? number(m->ratio) : strdup(""));
}

static json_t *json_number(double x)
{
	return isnan(x) ? json_null() : json_real(x);
}

static void put_json(json_t *out, const struct measured *m, const struct bench_figure *ours)
{
	const struct bench_figure *f = m->figure;
	json_t *one = json_object();

	tool_put(one, "category", tool_json_text(f->category));
	tool_put(one, "name", tool_json_text(f->name));
	tool_put(one, "unit", tool_json_text(f->unit));
	tool_put(one, "median", json_number(m->sorted[ROUNDS / 2]));
	tool_put(one, "min", json_number(m->sorted[0]));
	tool_put(one, "max", json_number(m->sorted[ROUNDS - 1]));
	tool_put(one, "beside", f->peer ? tool_json_text(ours->name) : json_null());
	tool_put(one, "ratio", f->peer ? json_number(m->ratio) : json_null());
	tool_append(out, one);
}

/* One of ours with the peers that follow it. */
static int bench_group(const struct tool_command *cmd, const struct bench_figure *f, size_t n,
		       struct tool_table *table, json_t *out)
{
	struct measured group[PEERS_MAX + 1];
	int status = TOOL_OK;

	memset(group, 0, sizeof(group));
	for (size_t i = 0; i < n; i++)
		group[i].figure = &f[i];
	if (f->pool && !bench_executor &&
	    numaperf_executor_create(&bench_executor, bench_topology, NULL))
		status = tool_library_error(cmd);
	if (!status)
		status = measure_group(cmd, group, n);
	/* nothing to be measured here, as a migration where there is one node */
	if (status || isnan(group[0].v[0]))
		return status;
	for (size_t i = 0; i < n; i++) {
		put_json(out, &group[i], f);
		put_text(table, &group[i]);
	}
	return TOOL_OK;
}

static int bench_figures(const struct tool_command *cmd, const char *category,
			 const struct bench_figure *f, size_t count, struct tool_table *table,
			 json_t *out)
{
	int status = TOOL_OK;
	size_t n;

	for (size_t i = 0; i < count && !status; i += n) {
		for (n = 1; i + n < count && f[i + n].peer; n++)
			continue;
		if (!category || !strcmp(category, f[i].category))
			status = bench_group(cmd, &f[i], n, table, out);
	}
	return status;
}

static int bench(const struct tool_command *cmd, const char *category, bool json)
{
	static const char *const head[] = { "CATEGORY", "WHAT", "MEDIAN",   "MIN",
					    "MAX",	"UNIT", "OURS/PEER" };
	struct tool_table table = { .columns = sizeof(head) / sizeof(head[0]) };
	json_t *out = json_array(), *root;
	int status;

	tool_cells(&table, head, table.columns);
	status = bench_figures(cmd, category, figures, FIGURES, &table, out);
	if (!status)
		status = bench_figures(cmd, category, bench_memory, bench_memory_count, &table,
				       out);
	if (status) {
		table.failed = 1;
		json_decref(out);
		return status;
	}
	if (!json) {
		json_decref(out);
		return tool_table_print(cmd, &table, 0);
	}
	root = json_object();
	tool_put(root, "version", tool_json_text(numaperf_version()));
	tool_put(root, "workers",
		 json_integer(bench_executor ? numaperf_executor_worker_count(bench_executor)
					     : 0));
	tool_put(root, "rounds", json_integer(ROUNDS));
	tool_put(root, "figures", out);
	return tool_json_print(cmd, root);
}

static bool known(const char *category)
{
	for (int i = 0; i < FIGURES; i++)
		if (!strcmp(figures[i].category, category))
			return true;
	return !strcmp(bench_memory[0].category, category);
}

static int run(const struct tool_command *cmd, int argc, char **argv)
{
	const char *category = NULL;
	bool json = false;
	int status;

	if (!tool_json_option(cmd, argc, argv, &json, &status))
		return status;
	if (optind < argc)
		category = argv[optind++];
	status = tool_no_operands(cmd, argc, argv);
	if (status)
		return status;
	if (category && !known(category)) {
		tool_error(cmd,
			   "no such category: '%s'; there are topology, executor and memory",
			   category);
		return TOOL_MISUSE;
	}
	if (numaperf_topology_discover(&bench_topology))
		return tool_library_error(cmd);
	status = bench(cmd, category, json);
	numaperf_executor_destroy(bench_executor);
	numaperf_topology_unref(bench_topology);
	return status;
}

const struct tool_command cmd_bench = {
	.name = "bench",
	.summary = "what the library costs on this machine",
	.arguments = "[--json] [CATEGORY]",
	.help = "  -j, --json  print JSON\n"
		"  -h, --help  this text\n\n"
		"CATEGORY: topology, executor or memory; all when none is given. Takes\n"
		"some seconds.\n\n"
		"Exit status: 0 measured, 1 the library failed, 2 wrong command line.\n",
	.run = run,
};

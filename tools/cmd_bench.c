/* SPDX-License-Identifier: MIT */
/*
 * numaperf bench: what the library costs on this machine. Each figure is measured several
 * times; shown are the median and the extremes, since machines are noisy. Beside other
 * libraries: `make bench`.
 */
#include "tool.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum {
	ROUNDS = 7,
	FIB = 27,
	FIB_CALLS = 832039, /* of which half are spawned */
	TASKS = 100000,
	BATCH = 64,
	WAKES = 101,
};

static struct numaperf_topology *topo;
static struct numaperf_executor *exec;

static double now_ns(void)
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
	double start = now_ns();

	if (numaperf_topology_discover(&t))
		return -1;
	start = now_ns() - start;
	numaperf_topology_unref(t);
	return start / 1e6;
}

static double creation(void)
{
	struct numaperf_executor *e;
	double start = now_ns();

	if (numaperf_executor_create(&e, topo, NULL))
		return -1;
	start = now_ns() - start;
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
	double start = now_ns();

	if (numaperf_executor_run(exec, NUMAPERF_ANY_NODE, fib, &f))
		return -1;
	return (now_ns() - start) / FIB_CALLS * 2;
}

static void nothing(void *arg)
{
	(void)arg;
}

static double submit(void)
{
	double start = now_ns();

	for (int i = 0; i < TASKS; i++)
		if (numaperf_executor_submit(exec, nothing, NULL))
			return -1;
	if (numaperf_executor_wait(exec))
		return -1;
	return (now_ns() - start) / TASKS;
}

static double submit_batch(void)
{
	struct numaperf_work work[BATCH];
	double start;

	for (int i = 0; i < BATCH; i++)
		work[i] = (struct numaperf_work){ nothing, NULL };
	start = now_ns();
	for (int i = 0; i < TASKS; i += BATCH)
		if (numaperf_executor_submit_batch(exec, NUMAPERF_ANY_NODE, 0, work, BATCH,
						   NULL))
			return -1;
	if (numaperf_executor_wait(exec))
		return -1;
	return (now_ns() - start) / TASKS;
}

static void stamp(void *arg)
{
	double now = now_ns();

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
		start = now_ns();
		if (numaperf_executor_submit(exec, stamp, &begun) ||
		    numaperf_executor_wait(exec))
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
	double start = now_ns();

	for (int i = 0; i < 100; i++)
		if (numaperf_executor_parallel_for(exec, 0, 1000, 0, touch, NULL))
			return -1;
	return (now_ns() - start) / 100 / 1e3;
}

/* ---- memory ---- */

enum {
	REGION = 64 << 20,
	POOL = 16 << 20,
	PIECE = 64,
	ADDS = 1000000,
	ADDERS_MAX = 64,
};

/* A node that this process may have memory of. */
static int some_node(void)
{
	struct numaperf_nodemask memory, allowed;

	numaperf_topology_memory_nodes(topo, &memory);
	numaperf_topology_allowed_nodes(topo, &allowed);
	numaperf_nodemask_and(&memory, &memory, &allowed);
	return numaperf_nodemask_first(&memory);
}

static double region(void)
{
	struct numaperf_region_opts opts = { .sz = sizeof(opts),
					     .policy = NUMAPERF_POLICY_BIND,
					     .prefault = NUMAPERF_PREFAULT_PARALLEL,
					     .nodes = numaperf_nodemask_single(some_node()) };
	struct numaperf_region *r;
	double start = now_ns();

	if (numaperf_region_create(&r, REGION, &opts))
		return -1;
	start = now_ns() - start;
	numaperf_region_unref(r);
	return start / 1e6;
}

static double pool(void)
{
	struct numaperf_pool_opts opts = { .sz = sizeof(opts),
					   .prefault = NUMAPERF_PREFAULT_TOUCH };
	struct numaperf_pool *p;
	double start;
	int n = 0;

	if (numaperf_pool_create(&p, topo, some_node(), POOL, &opts))
		return -1;
	start = now_ns();
	while (n < POOL / PIECE && numaperf_pool_alloc(p, PIECE))
		n++;
	start = now_ns() - start;
	numaperf_pool_destroy(p);
	return n == POOL / PIECE ? start / n : -1;
}

struct adder {
	pthread_t thread;
	struct numaperf_counter *counter;
	unsigned int *go;
	double ns;
};

static void *add(void *arg)
{
	struct adder *a = arg;
	double start;

	numaperf_counter_add(a->counter, 0); /* the thread's place is found */
	while (!__atomic_load_n(a->go, __ATOMIC_ACQUIRE)) {
	}
	start = now_ns();
	for (int i = 0; i < ADDS; i++)
		numaperf_counter_add(a->counter, 1);
	a->ns = (now_ns() - start) / ADDS;
	return NULL;
}

/* The slowest of so many threads. */
static double count_with(int threads)
{
	struct adder a[ADDERS_MAX] = { 0 };
	struct numaperf_counter *counter;
	unsigned int go = 0;
	double worst = 0;
	int started = 0;

	if (numaperf_counter_create(&counter, topo))
		return -1;
	for (; started < threads; started++) {
		a[started].counter = counter;
		a[started].go = &go;
		if (pthread_create(&a[started].thread, NULL, add, &a[started]))
			break;
	}
	__atomic_store_n(&go, 1, __ATOMIC_RELEASE);
	for (int i = 0; i < started; i++) {
		pthread_join(a[i].thread, NULL);
		worst = a[i].ns > worst ? a[i].ns : worst;
	}
	numaperf_counter_destroy(counter);
	return worst;
}

static double count_alone(void)
{
	return count_with(1);
}

static double count_all(void)
{
	struct numaperf_cpuset cpus;
	int n;

	numaperf_topology_allowed_cpus(topo, &cpus);
	n = (int)numaperf_cpuset_count(&cpus);
	return count_with(n < ADDERS_MAX ? n : ADDERS_MAX);
}

static const struct figure {
	const char *category, *name, *unit;
	double (*measure)(void);
	bool pool; /* with an executor */
} figures[] = {
	{ "topology", "discovery", "ms", discovery, false },
	{ "executor", "creation", "ms", creation, false },
	{ "executor", "spawn and join", "ns", fork_join, true },
	{ "executor", "submit", "ns", submit, true },
	{ "executor", "submit, batches of 64", "ns", submit_batch, true },
	{ "executor", "submit to start, asleep", "us", wake, true },
	{ "executor", "loop of 1,000 indices", "us", loop, true },
	{ "executor", "idle", "ms CPU/s", idle, true },
	{ "memory", "region of 64 MiB, prefaulted", "ms", region, false },
	{ "memory", "pool, pieces of 64 bytes", "ns", pool, false },
	{ "memory", "counter, one thread adds", "ns", count_alone, false },
	{ "memory", "counter, a thread a CPU", "ns", count_all, false },
};

enum {
	FIGURES = sizeof(figures) / sizeof(figures[0])
};

/* ---- showing ---- */

static int measure(const struct tool_command *cmd, const struct figure *f, double *v)
{
	for (int i = -1; i < ROUNDS; i++) { /* once to warm up */
		double x = f->measure();

		if (x < 0)
			return tool_library_error(cmd);
		if (i >= 0)
			v[i] = x;
	}
	qsort(v, ROUNDS, sizeof(*v), compare);
	return TOOL_OK;
}

static void put_text(struct tool_table *table, const struct figure *f, const double *v)
{
	tool_cell(table, strdup(f->category));
	tool_cell(table, strdup(f->name));
	tool_cell(table, tool_printf("%.3g", v[ROUNDS / 2]));
	tool_cell(table, tool_printf("%.3g", v[0]));
	tool_cell(table, tool_printf("%.3g", v[ROUNDS - 1]));
	tool_cell(table, strdup(f->unit));
}

static void put_json(json_t *out, const struct figure *f, const double *v)
{
	json_t *one = json_object();

	tool_put(one, "category", tool_json_text(f->category));
	tool_put(one, "name", tool_json_text(f->name));
	tool_put(one, "unit", tool_json_text(f->unit));
	tool_put(one, "median", json_real(v[ROUNDS / 2]));
	tool_put(one, "min", json_real(v[0]));
	tool_put(one, "max", json_real(v[ROUNDS - 1]));
	tool_append(out, one);
}

static int bench(const struct tool_command *cmd, const char *category, bool json)
{
	static const char *const head[] = {
		"CATEGORY", "WHAT", "MEDIAN", "MIN", "MAX", "UNIT"
	};
	struct tool_table table = { .columns = sizeof(head) / sizeof(head[0]) };
	json_t *out = json_array(), *root;
	double v[ROUNDS];
	int status = TOOL_OK;

	tool_cells(&table, head, table.columns);
	for (int i = 0; i < FIGURES && !status; i++) {
		const struct figure *f = &figures[i];

		if (category && strcmp(category, f->category))
			continue;
		if (f->pool && !exec && numaperf_executor_create(&exec, topo, NULL))
			status = tool_library_error(cmd);
		if (!status)
			status = measure(cmd, f, v);
		if (status)
			break;
		put_json(out, f, v);
		put_text(&table, f, v);
	}
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
		 json_integer(exec ? numaperf_executor_worker_count(exec) : 0));
	tool_put(root, "rounds", json_integer(ROUNDS));
	tool_put(root, "figures", out);
	return tool_json_print(cmd, root);
}

static bool known(const char *category)
{
	for (int i = 0; i < FIGURES; i++)
		if (!strcmp(figures[i].category, category))
			return true;
	return false;
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
	if (numaperf_topology_discover(&topo))
		return tool_library_error(cmd);
	status = bench(cmd, category, json);
	numaperf_executor_destroy(exec);
	numaperf_topology_unref(topo);
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

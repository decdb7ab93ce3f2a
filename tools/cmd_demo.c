/* SPDX-License-Identifier: MIT */
/*
 * numaperf demo: the worker pool on this machine, in the best mode that it allows. What could
 * not be had is said with its reason, so that the demo is also the first answer to "why does
 * it not run strictly here".
 */
#include "tool.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	TASKS = 100,
	WORKERS_PER_NODE = 2,
	SLICE = 64 * 1024, /* bytes of its node's region that one task works on */
};

/* One node that gets tasks. */
struct site {
	int node;   /* has workers */
	int memory; /* where its region is bound: the node, or the nearest with memory */
	struct numaperf_region *region; /* NULL: no memory may be used at all */
};

struct demo {
	const struct tool_command *cmd;
	struct numaperf_topology *topo;
	struct numaperf_executor *exec;
	enum numaperf_steal_policy policy;
	enum numaperf_mode mode;
	struct site *site;
	unsigned int sites;
	atomic_uint completed, wrong;
};

struct task {
	struct demo *demo;
	unsigned char *slice; /* NULL: no region */
	unsigned int number;
	int ran_on; /* node */
};

static void work(void *arg)
{
	struct task *task = arg;
	unsigned long sum = 0, expected = 0;

	task->ran_on = numaperf_current_node();
	if (task->slice) {
		memset(task->slice, (int)(task->number & 0xff), SLICE);
		for (size_t i = 0; i < SLICE; i++)
			sum += task->slice[i];
		expected = (unsigned long)(task->number & 0xff) * SLICE;
	}
	if (sum != expected)
		atomic_fetch_add(&task->demo->wrong, 1);
	atomic_fetch_add(&task->demo->completed, 1);
}

/* ---- setting up in one mode, or not at all ---- */

static void tear_down(struct demo *demo)
{
	numaperf_executor_destroy(demo->exec);
	demo->exec = NULL;
	for (unsigned int i = 0; i < demo->sites; i++)
		numaperf_region_unref(demo->site[i].region);
	free(demo->site);
	demo->site = NULL;
	demo->sites = 0;
}

/* The node nearest to `node` that has memory this process may use; -1: none. */
static int memory_for(const struct demo *demo, int node)
{
	static int order[NUMAPERF_NODES_MAX];
	size_t n = numaperf_topology_nearest(demo->topo, node, order, NUMAPERF_NODES_MAX);

	for (size_t i = 0; i < n && i < NUMAPERF_NODES_MAX; i++) {
		struct numaperf_node_info info = { .sz = sizeof(info) };

		if (!numaperf_topology_node_info(demo->topo, order[i], &info) &&
		    info.has_memory && info.allowed_memory)
			return order[i];
	}
	return -1;
}

static int create_region(const struct demo *demo, struct site *site)
{
	struct numaperf_region_opts opts = {
		.sz = sizeof(opts),
		.policy = NUMAPERF_POLICY_BIND,
		.mode = demo->mode,
		.prefault = NUMAPERF_PREFAULT_TOUCH,
	};

	site->memory = memory_for(demo, site->node);
	if (site->memory < 0)
		return 0; /* nothing to bind to: the tasks do without memory */
	opts.nodes = numaperf_nodemask_single(site->memory);
	return numaperf_region_create(&site->region, (size_t)TASKS * SLICE, &opts);
}

/* 0, or the library's error with nothing left behind. */
static int set_up(struct demo *demo, enum numaperf_mode mode)
{
	struct numaperf_executor_opts opts = {
		.sz = sizeof(opts),
		.steal_policy = demo->policy,
		.workers_per_node = WORKERS_PER_NODE,
		.mode = mode,
		.name = "demo",
	};
	struct numaperf_nodemask nodes;
	int err;

	demo->mode = mode;
	err = numaperf_executor_create(&demo->exec, demo->topo, &opts);
	if (err) {
		demo->exec = NULL;
		return err;
	}
	numaperf_executor_nodes(demo->exec, &nodes);
	demo->site = calloc(numaperf_nodemask_count(&nodes), sizeof(*demo->site));
	if (!demo->site) {
		tear_down(demo);
		return -ENOMEM;
	}
	NUMAPERF_NODEMASK_FOR_EACH (node, &nodes) {
		struct site *site = &demo->site[demo->sites++];

		site->node = node;
		err = create_region(demo, site);
		if (err) {
			site->region = NULL;
			tear_down(demo);
			return err;
		}
	}
	return 0;
}

static const char *const meaning[] = {
	[NUMAPERF_SOFT] = "best effort: pins and bindings are asked for, not proved",
	[NUMAPERF_STRICT] = "hard mode: every pin and every page was proved",
	[NUMAPERF_STRICT_UNWITNESSED] =
		"every pin and page was proved once; nothing watches on",
};

/* One refused mode, with what is missing and what removes it. */
static void explain(enum numaperf_mode mode, int err, const struct numaperf_error *why)
{
	struct numaperf_error text = *why;

	if (text.code != err) { /* the tool's own failure: there is only one */
		printf("  %s refused: %s\n", numaperf_mode_name(mode), strerror(-err));
		return;
	}
	printf("  %s refused: %s: %s\n", numaperf_mode_name(mode), tool_clean(text.operation),
	       tool_clean(text.reason));
	if (text.remedy[0])
		printf("    remedy: %s\n", tool_clean(text.remedy));
}

/* Sets up in the first of the modes that can be had, best first, and says which and why. */
static int choose_mode(struct demo *demo, const enum numaperf_mode *modes, size_t n)
{
	struct numaperf_error why[3] = { 0 };
	int err[3] = { 0 };
	size_t i, j;

	for (i = 0; i < n; i++) {
		err[i] = set_up(demo, modes[i]);
		if (!err[i])
			break;
		why[i] = *numaperf_last_error();
	}
	if (i < n)
		printf("Mode: %s (%s)\n", numaperf_mode_name(modes[i]), meaning[modes[i]]);
	else
		puts("Mode: none can be had");
	for (j = 0; j < i; j++)
		explain(modes[j], err[j], &why[j]);
	if (i == n)
		tool_error(demo->cmd, "%s", why[n - 1].message);
	return i < n ? TOOL_OK : TOOL_FAILED;
}

/* ---- running ---- */

static double seconds_between(const struct timespec *start, const struct timespec *end)
{
	return (double)(end->tv_sec - start->tv_sec) +
	       (double)(end->tv_nsec - start->tv_nsec) * 1e-9;
}

/* Nodes that get no tasks, and why; regions that lie elsewhere. */
static void print_exceptions(const struct demo *demo)
{
	struct numaperf_nodemask with_workers;

	numaperf_executor_nodes(demo->exec, &with_workers);
	for (unsigned int i = 0; i < numaperf_topology_node_count(demo->topo); i++) {
		struct numaperf_node_info info = { .sz = sizeof(info) };
		int node = numaperf_topology_node_id(demo->topo, i);

		if (numaperf_nodemask_test(&with_workers, node) ||
		    numaperf_topology_node_info(demo->topo, node, &info))
			continue;
		printf("  node %d gets no tasks: %s\n", node,
		       info.has_cpus ? "its CPUs are outside this process's cpuset"
				     : "it has no CPUs");
	}
	for (unsigned int i = 0; i < demo->sites; i++) {
		const struct site *site = &demo->site[i];

		if (site->memory < 0)
			printf("  node %d: no node's memory may be used; tasks do without\n",
			       site->node);
		else if (site->memory != site->node)
			printf("  node %d has no memory of its own here: node %d's is used\n",
			       site->node, site->memory);
	}
}

static int run_tasks(struct demo *demo, struct task *tasks, double *seconds)
{
	struct timespec start, end;
	int err;

	for (unsigned int i = 0; i < TASKS; i++) {
		struct site *site = &demo->site[i % demo->sites];
		unsigned char *data = site->region ? numaperf_region_data(site->region) : NULL;

		tasks[i] = (struct task){
			.demo = demo,
			.slice = data ? data + (size_t)i * SLICE : NULL,
			.number = i + 1,
			.ran_on = -1,
		};
	}
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (unsigned int i = 0; i < TASKS; i++) {
		err = numaperf_executor_submit_to_node(
			demo->exec, demo->site[i % demo->sites].node, work, &tasks[i]);
		if (err)
			return tool_library_error(demo->cmd);
	}
	err = numaperf_executor_shutdown(demo->exec);
	clock_gettime(CLOCK_MONOTONIC, &end);
	*seconds = seconds_between(&start, &end);
	return err ? tool_library_error(demo->cmd) : TOOL_OK;
}

/* ---- reporting ---- */

static char *count(uint64_t n)
{
	return tool_printf("%llu", (unsigned long long)n);
}

static int print_statistics(const struct demo *demo)
{
	static const char *const head[] = {
		"NODE",	   "WORKERS",	  "SUBMITTED", "RUN",
		"AT HOME", "STOLEN FROM", "STOLEN TO", "REDIRECTED"
	};
	enum {
		COLUMNS = sizeof(head) / sizeof(head[0])
	};
	struct tool_table table = { .columns = COLUMNS };

	puts("\nExecutor");
	tool_cells(&table, head, COLUMNS);
	for (unsigned int i = 0; i < numaperf_topology_node_count(demo->topo); i++) {
		struct numaperf_node_stats st = { .sz = sizeof(st) };
		int node = numaperf_topology_node_id(demo->topo, i);

		if (numaperf_executor_node_stats(demo->exec, node, &st))
			return tool_library_error(demo->cmd);
		tool_cell(&table, tool_printf("%d", node));
		tool_cell(&table, tool_printf("%u", st.workers));
		tool_cell(&table, count(st.submitted));
		tool_cell(&table, count(st.tasks_run));
		tool_cell(&table, count(st.tasks_home));
		tool_cell(&table, count(st.stolen_from));
		tool_cell(&table, count(st.stolen_to));
		tool_cell(&table, count(st.redirected));
	}
	return tool_table_print(demo->cmd, &table, 2);
}

/* "node 0: 1600, node 1: 2"; NULL: no memory */
static char *pages_text(const struct numaperf_placement *where)
{
	char *text = strdup("");

	NUMAPERF_NODEMASK_FOR_EACH (node, &where->actual) {
		char *more = text ? tool_printf("%s%s%zu on node %d", text, *text ? ", " : "",
						where->pages_on_node[node], node)
				  : NULL;

		free(text);
		text = more;
	}
	return text;
}

static int print_locality(const struct demo *demo, const struct task *tasks)
{
	struct tool_table table = { .columns = 6 };
	static const char *const head[] = { "REGION OF", "BOUND TO",	   "ENFORCEMENT",
					    "PAGES",	 "WHERE THEY ARE", "METHOD" };
	unsigned int home = 0;

	for (unsigned int i = 0; i < TASKS; i++)
		home += tasks[i].ran_on == demo->site[i % demo->sites].node;
	printf("\nLocality\n  task ratio: %u of %d tasks ran on the node they were submitted "
	       "to\n",
	       home, TASKS);

	tool_cells(&table, head, 6);
	for (unsigned int i = 0; i < demo->sites; i++) {
		static struct numaperf_placement where;
		const struct site *site = &demo->site[i];

		if (!site->region)
			continue;
		where = (struct numaperf_placement){ .sz = sizeof(where) };
		tool_cell(&table, tool_printf("node %d", site->node));
		tool_cell(&table, tool_printf("node %d", site->memory));
		if (numaperf_region_placement(site->region, &where)) {
			tool_cell(&table, strdup("n/a"));
			tool_cell(&table, strdup("n/a"));
			tool_cell(&table, strdup(numaperf_last_error()->reason));
			tool_cell(&table, strdup("n/a"));
			continue;
		}
		tool_cell(&table, strdup(numaperf_enforcement_name(where.enforcement)));
		tool_cell(&table, count(where.pages_total));
		tool_cell(&table, where.method == NUMAPERF_PLACEMENT_NONE ? strdup("n/a")
									  : pages_text(&where));
		tool_cell(&table, strdup(numaperf_placement_method_name(where.method)));
	}
	return tool_table_print(demo->cmd, &table, 2);
}

static int run_demo(struct demo *demo, const enum numaperf_mode *modes, size_t n)
{
	static struct task tasks[TASKS];
	unsigned int completed;
	double seconds = 0;
	int status;

	printf("NUMA nodes: %u\n", numaperf_topology_node_count(demo->topo));
	status = choose_mode(demo, modes, n);
	if (status)
		return status;
	printf("Workers: %u, steal policy %s\n", numaperf_executor_worker_count(demo->exec),
	       numaperf_steal_policy_name(numaperf_executor_steal_policy(demo->exec)));
	print_exceptions(demo);

	status = run_tasks(demo, tasks, &seconds);
	if (!status)
		status = print_statistics(demo);
	if (!status)
		status = print_locality(demo, tasks);
	if (status)
		return status;

	completed = atomic_load(&demo->completed);
	printf("\nTime: %.3f ms, throughput: %.0f tasks/s\n", seconds * 1e3,
	       completed / seconds);
	if (completed != TASKS || atomic_load(&demo->wrong)) {
		tool_error(demo->cmd, "%u of %d tasks completed, %u of them wrongly", completed,
			   TASKS, atomic_load(&demo->wrong));
		return TOOL_FAILED;
	}
	printf("Completed: %u tasks\n", completed);
	return TOOL_OK;
}

/* ---- command line ---- */

static const enum numaperf_mode best_first[] = {
	NUMAPERF_STRICT,
	NUMAPERF_STRICT_UNWITNESSED,
	NUMAPERF_SOFT,
};

static int parse_mode(const struct tool_command *cmd, const char *text,
		      const enum numaperf_mode **modes, size_t *n)
{
	for (size_t i = 0; i < sizeof(best_first) / sizeof(best_first[0]); i++) {
		if (!strcmp(text, numaperf_mode_name(best_first[i]))) {
			*modes = &best_first[i];
			*n = 1;
			return TOOL_OK;
		}
	}
	tool_error(cmd, "no mode '%s': soft, strict or strict-unwitnessed", text);
	return TOOL_MISUSE;
}

static int parse_policy(const struct tool_command *cmd, const char *text,
			enum numaperf_steal_policy *policy)
{
	for (int i = NUMAPERF_STEAL_LOCAL_THEN_SOCKET_THEN_REMOTE; i <= NUMAPERF_STEAL_ANY;
	     i++) {
		*policy = (enum numaperf_steal_policy)i;
		if (!strcmp(text, numaperf_steal_policy_name(*policy)))
			return TOOL_OK;
	}
	tool_error(cmd, "no steal policy '%s': LocalOnly, LocalThenSocketThenRemote or Any",
		   text);
	return TOOL_MISUSE;
}

static int run(const struct tool_command *cmd, int argc, char **argv)
{
	static const struct option options[] = {
		{ "mode", required_argument, NULL, 'm' },
		{ "policy", required_argument, NULL, 'p' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	const enum numaperf_mode *modes = best_first;
	size_t n = sizeof(best_first) / sizeof(best_first[0]);
	struct demo demo = { .cmd = cmd };
	int opt, status = TOOL_OK;

	while (!status && (opt = getopt_long(argc, argv, ":m:p:h", options, NULL)) != -1) {
		switch (opt) {
		case 'm':
			status = parse_mode(cmd, optarg, &modes, &n);
			break;
		case 'p':
			status = parse_policy(cmd, optarg, &demo.policy);
			break;
		case 'h':
			tool_help(cmd);
			return TOOL_OK;
		default:
			return tool_bad_option(cmd, opt, argv);
		}
	}
	if (!status)
		status = tool_no_operands(cmd, argc, argv);
	if (status)
		return status;
	if (numaperf_topology_discover(&demo.topo))
		return tool_library_error(cmd);
	status = run_demo(&demo, modes, n);
	tear_down(&demo);
	numaperf_topology_unref(demo.topo);
	return status;
}

const struct tool_command cmd_demo = {
	.name = "demo",
	.summary = "runs 100 tasks on a worker pool in the best mode this machine allows",
	.arguments = "[--mode MODE] [--policy POLICY]",
	.help = "  -m, --mode MODE      soft, strict or strict-unwitnessed, and no other\n"
		"                       (default: the best that can be had)\n"
		"  -p, --policy POLICY  LocalOnly, LocalThenSocketThenRemote (default) or Any\n"
		"  -h, --help           this text\n\n"
		"Exit status: 0 all tasks completed, 1 not, 2 wrong command line.\n",
	.run = run,
};

// SPDX-License-Identifier: MIT
/*
 * The executor on a machine with several nodes.
 *
 *	executor_guest create MODE [FILE TEXT]	one creation: "created", or how it was refused;
 *						TEXT is written to FILE between the discovery of
 *						the topology and the creation
 *	executor_guest tasks			where tasks run, as TAP
 *	executor_guest state MODE		an executor's state, once and for each line that
 *						it reads
 *
 * Where a task runs is what getcpu() says in the task; what is near is what /sys says.
 */
#include "../../../lib/src/sys.h"
#include "../../../lib/src/worker.h"
#include "prog.h"

#include <errno.h>
#include <sched.h>
#include <time.h>

enum {
	NODES = 8,
	TASKS = 200,
	LOAD = 1000, /* tasks of a millisecond */
	HANG_SECONDS = 120
};

static struct numaperf_topology *topo;

/* ---- creation ---- */

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	if (!f || fputs(text, f) == EOF || fclose(f)) {
		perror(path);
		exit(3);
	}
}

static int pinned(const struct numaperf_executor *exec)
{
	struct numaperf_worker_info info = { .sz = sizeof(info) };
	int n = 0;

	for (unsigned int i = 0; i < numaperf_executor_worker_count(exec); i++)
		n += !numaperf_executor_worker_info(exec, i, &info) && info.pinned;
	return n;
}

static int create(enum numaperf_mode mode, const char *file, const char *text)
{
	const struct numaperf_executor_opts opts = { .sz = sizeof(opts), .mode = mode };
	struct numaperf_executor *exec = NULL;
	int fds, err = numaperf_topology_discover(&topo), status = 0;

	if (err)
		return refused(err);
	if (file)
		write_file(file, text);
	fds = entries("/proc/self/fd");
	err = numaperf_executor_create(&exec, topo, &opts);
	if (!err) {
		printf("created %u workers, %d pinned\n", numaperf_executor_worker_count(exec),
		       pinned(exec));
		numaperf_executor_destroy(exec);
	} else {
		status = refused(err);
	}
	/* "." and ".." and this thread; one that was joined is still listed for a moment */
	for (int i = 0; i < 10000 && entries("/proc/self/task") > 3; i++)
		usleep(1000);
	if (entries("/proc/self/task") > 3 || entries("/proc/self/fd") != fds ||
	    (err && exec)) {
		puts("something is left behind");
		return 4;
	}
	return status;
}

/* ---- how it is ---- */

static int state(enum numaperf_mode mode)
{
	const struct numaperf_executor_opts opts = { .sz = sizeof(opts), .mode = mode };
	struct numaperf_executor_state s = { .sz = sizeof(s) };
	struct numaperf_executor *exec;
	char line[16];
	int err = numaperf_topology_discover(&topo);

	if (!err)
		err = numaperf_executor_create(&exec, topo, &opts);
	if (err)
		return refused(err);
	do {
		if (numaperf_executor_state(exec, &s))
			return 4;
		printf("%s: %u workers, %u held, %u narrowed, %u lost of node %d\n",
		       numaperf_executor_life_name(s.life), s.workers, s.pins_held,
		       s.pins_narrowed, s.pins_lost, numaperf_nodemask_first(&s.nodes_lost));
		fflush(stdout);
	} while (fgets(line, sizeof(line), stdin));
	numaperf_executor_destroy(exec);
	numaperf_topology_unref(topo);
	return 0;
}

/* ---- TAP ---- */

static int failures, count;

static void ok(int good, const char *name)
{
	printf("%sok %d - %s\n", good ? "" : "not ", ++count, name);
	failures += !good;
}

static void must(int err)
{
	if (err) {
		printf("Bail out! %s\n", numaperf_last_error()->message);
		exit(1);
	}
}

/* ---- the machine, by /sys ---- */

static int distance[NODES][NODES], package[NODES], with_cpus[NODES], nodes_with_cpus;

static void read_machine(void)
{
	struct numaperf_nodemask nodes;
	char path[96];
	FILE *f;

	numaperf_topology_online_nodes(topo, &nodes);
	NUMAPERF_NODEMASK_FOR_EACH (node, &nodes) {
		int cpu = -1;

		snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/distance", node);
		f = fopen(path, "r");
		for (int i = 0; f && i < NODES && fscanf(f, "%d", &distance[node][i]) == 1; i++)
			;
		if (f)
			fclose(f);
		snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/cpulist", node);
		f = fopen(path, "r");
		if (!f || fscanf(f, "%d", &cpu) != 1)
			cpu = -1;
		if (f)
			fclose(f);
		if (cpu < 0)
			continue;
		with_cpus[nodes_with_cpus++] = node;
		snprintf(path, sizeof(path),
			 "/sys/devices/system/cpu/cpu%d/topology/physical_package_id", cpu);
		f = fopen(path, "r");
		if (!f || fscanf(f, "%d", &package[node]) != 1) {
			printf("Bail out! %s cannot be read\n", path);
			exit(1);
		}
		fclose(f);
	}
}

/* ---- tasks ---- */

static unsigned int get(const unsigned int *p)
{
	return __atomic_load_n(p, __ATOMIC_SEQ_CST);
}

static void await(const unsigned int *value, unsigned int wanted)
{
	for (int i = 0; get(value) < wanted; i++) {
		usleep(1000);
		if (i > HANG_SECONDS * 1000) {
			printf("Bail out! waited for %u, there are %u\n", wanted, get(value));
			exit(1);
		}
	}
}

struct gate {
	unsigned int inside, open;
};

static void gate_task(void *arg)
{
	struct gate *g = arg;

	__atomic_fetch_add(&g->inside, 1, __ATOMIC_SEQ_CST);
	await(&g->open, 1);
}

struct visit {
	int home, node;
	unsigned int *order, place;
};

static void visit(void *arg)
{
	struct visit *v = arg;

	v->node = node_here();
	v->place = __atomic_add_fetch(v->order, 1, __ATOMIC_SEQ_CST);
}

static struct numaperf_executor *pool(enum numaperf_steal_policy policy,
				      unsigned int workers_per_node)
{
	const struct numaperf_executor_opts opts = {
		.sz = sizeof(opts),
		.steal_policy = policy,
		.mode = NUMAPERF_STRICT,
		.workers_per_node = workers_per_node,
	};
	struct numaperf_executor *exec;

	must(numaperf_executor_create(&exec, topo, &opts));
	return exec;
}

/* Tasks with this home that other nodes ran. */
static uint64_t stolen_from(struct numaperf_executor *exec, int node)
{
	struct numaperf_node_stats s = { .sz = sizeof(s) };

	must(numaperf_executor_node_stats(exec, node, &s));
	return s.stolen_from;
}

static void each_node(void)
{
	static struct visit v[NODES][TASKS];
	struct numaperf_executor *exec = pool(NUMAPERF_STEAL_LOCAL_ONLY, 0);
	unsigned int order = 0;
	int right = 1;

	for (int n = 0; n < nodes_with_cpus; n++) {
		for (int i = 0; i < TASKS; i++) {
			v[n][i] = (struct visit){ .home = with_cpus[n], .order = &order };
			must(numaperf_executor_submit_to_node(exec, with_cpus[n], visit,
							      &v[n][i]));
		}
	}
	must(numaperf_executor_wait(exec));
	for (int n = 0; n < nodes_with_cpus; n++)
		for (int i = 0; i < TASKS; i++)
			right &= v[n][i].node == with_cpus[n];
	ok(right, "LocalOnly: each task runs on the node it was submitted to");
	ok(order == (unsigned int)(nodes_with_cpus * TASKS), "LocalOnly: each task runs once");
	numaperf_executor_destroy(exec);
}

/* All tasks on one node whose workers are held: others may, or may not, come and take them. */
static void skew(enum numaperf_steal_policy policy, int hard)
{
	static struct visit v[TASKS];
	struct numaperf_executor *exec = pool(policy, 1);
	int home = with_cpus[0], at_home = 0,
	    steals = policy != NUMAPERF_STEAL_LOCAL_ONLY && !hard;
	unsigned int order = 0, others = 0;
	struct gate gate = { 0 };
	char name[128];

	must(numaperf_executor_submit_home(exec, home, gate_task, &gate));
	await(&gate.inside, 1);
	for (int i = 0; i < TASKS; i++) {
		v[i] = (struct visit){ .home = home, .order = &order };
		must(hard ? numaperf_executor_submit_home(exec, home, visit, &v[i])
			  : numaperf_executor_submit_to_node(exec, home, visit, &v[i]));
	}
	if (steals)
		await(&order, TASKS); /* the home node's worker is held: by thieves only */
	for (int n = 1; n < nodes_with_cpus; n++) { /* the others are awake and look round */
		struct visit other = { .home = with_cpus[n], .order = &others };

		must(numaperf_executor_run(exec, with_cpus[n], visit, &other));
	}
	snprintf(name, sizeof(name), "%s%s: %s while its node is busy",
		 numaperf_steal_policy_name(policy), hard ? ", hard-home" : "",
		 steals ? "others take all" : "nobody takes a task");
	ok(get(&order) == (steals ? TASKS : 0), name);
	__atomic_store_n(&gate.open, 1, __ATOMIC_SEQ_CST);
	must(numaperf_executor_wait(exec));
	for (int i = 0; i < TASKS; i++)
		at_home += v[i].node == home;
	snprintf(name, sizeof(name), "%s%s: tasks run %s, by getcpu",
		 numaperf_steal_policy_name(policy), hard ? ", hard-home" : "",
		 steals ? "on other nodes" : "at home");
	ok(at_home == (steals ? 0 : TASKS), name);
	snprintf(name, sizeof(name), "%s%s: steals are counted",
		 numaperf_steal_policy_name(policy), hard ? ", hard-home" : "");
	ok(stolen_from(exec, home) == (steals ? TASKS : 0), name);
	numaperf_executor_destroy(exec);
}

/* ---- shares ---- */

struct load {
	int home, hard;
	unsigned int at[NODES]; /* tasks run on this node, by getcpu */
};

static void work_of_load(void *arg)
{
	struct load *l = arg;

	usleep(1000); /* no spinning: a guest's CPUs may be more than the machine's */
	__atomic_fetch_add(&l->at[node_here()], 1, __ATOMIC_RELAXED);
}

static struct numaperf_worker_stats node_sum(struct numaperf_executor *exec, int node)
{
	struct numaperf_worker_stats sum = { 0 };

	for (unsigned int i = 0; i < numaperf_executor_worker_count(exec); i++) {
		struct numaperf_worker_stats s = { .sz = sizeof(s) };
		struct numaperf_worker_info info = { .sz = sizeof(info) };

		must(numaperf_executor_worker_info(exec, i, &info));
		must(numaperf_executor_worker_stats(exec, i, &s));
		if (info.node != node)
			continue;
		sum.tasks_home += s.tasks_home;
		sum.stolen_socket += s.stolen_socket;
		sum.stolen_remote += s.stolen_remote;
	}
	return sum;
}

/* All load on one node: who runs how much of it, by getcpu, and what the statistics say. */
static void shares(enum numaperf_steal_policy policy)
{
	struct numaperf_executor *exec = pool(policy, 0);
	struct load open = { .home = with_cpus[0] }, hard = { .home = with_cpus[0], .hard = 1 };
	unsigned int home = 0, away = 0;
	const char *of = numaperf_steal_policy_name(policy);
	char name[128];
	int right = 1;

	for (int i = 0; i < LOAD; i++) {
		must(numaperf_executor_submit_to_node(exec, open.home, work_of_load, &open));
		if (i % 4 == 0)
			must(numaperf_executor_submit_home(exec, hard.home, work_of_load,
							   &hard));
	}
	must(numaperf_executor_wait(exec));
	printf("# %s, load on node %d alone; open tasks at distance", of, open.home);
	for (int n = 0; n < nodes_with_cpus; n++) {
		int node = with_cpus[n], near = package[node] == package[open.home];
		struct numaperf_worker_stats s = node_sum(exec, node);
		unsigned int ran = open.at[node];

		printf(" %d: %.1f %%", distance[open.home][node], 100.0 * ran / LOAD);
		if (node == open.home) {
			home += ran;
			right &= s.tasks_home == ran + hard.at[node] && !s.stolen_socket &&
				 !s.stolen_remote;
		} else {
			away += ran;
			right &= !s.tasks_home && s.stolen_socket == (near ? ran : 0) &&
				 s.stolen_remote == (near ? 0 : ran);
		}
	}
	puts("");
	snprintf(name, sizeof(name), "%s, skewed: %s", of,
		 policy == NUMAPERF_STEAL_LOCAL_ONLY ? "all runs at home"
						     : "others help the home node");
	ok(home + away == LOAD && !away == (policy == NUMAPERF_STEAL_LOCAL_ONLY), name);
	snprintf(name, sizeof(name), "%s, skewed: hard-home tasks all run at home", of);
	ok(hard.at[hard.home] == LOAD / 4, name);
	snprintf(name, sizeof(name), "%s, skewed: steals by distance are those of getcpu", of);
	ok(right, name);
	numaperf_executor_destroy(exec);
}

/* How far a home is from the thief: nodes of its package first, then by distance. */
static int farness(int thief, int home)
{
	if (thief == home)
		return 0;
	return (package[thief] == package[home] ? 0 : 1000) + distance[thief][home];
}

/* All nodes are held, a task waits on each, one worker is let go: it takes the nearest first.
 */
static void order_of_stealing(enum numaperf_steal_policy policy)
{
	char name[128];

	for (int t = 0; t < nodes_with_cpus; t++) {
		struct numaperf_executor *exec = pool(policy, 1);
		struct gate gate[NODES] = { { 0 } };
		struct visit v[NODES];
		unsigned int order = 0;
		int last = -1, good = 1;

		for (int n = 0; n < nodes_with_cpus; n++) {
			must(numaperf_executor_submit_home(exec, with_cpus[n], gate_task,
							   &gate[n]));
			await(&gate[n].inside, 1);
		}
		for (int n = 0; n < nodes_with_cpus; n++) {
			v[n] = (struct visit){ .home = with_cpus[n], .order = &order };
			must(numaperf_executor_submit_to_node(exec, with_cpus[n], visit,
							      &v[n]));
		}
		__atomic_store_n(&gate[t].open, 1, __ATOMIC_SEQ_CST);
		await(&order, (unsigned int)nodes_with_cpus);
		for (int n = 0; n < nodes_with_cpus; n++)
			__atomic_store_n(&gate[n].open, 1, __ATOMIC_SEQ_CST);
		must(numaperf_executor_shutdown(exec));
		for (unsigned int place = 1; place <= (unsigned int)nodes_with_cpus; place++) {
			for (int n = 0; n < nodes_with_cpus; n++) {
				if (v[n].place != place)
					continue;
				good &= farness(with_cpus[t], v[n].home) >= last;
				good &= v[n].node == with_cpus[t];
				last = farness(with_cpus[t], v[n].home);
			}
		}
		snprintf(name, sizeof(name), "%s: node %d takes from the nearest first",
			 numaperf_steal_policy_name(policy), with_cpus[t]);
		ok(good, name);
		numaperf_executor_destroy(exec);
	}
}

static void body(void *ctx, size_t begin, size_t end)
{
	int *node_of = ctx;

	for (size_t i = begin; i < end; i++)
		node_of[i] = node_here();
}

static void loops(void)
{
	static int first[4096], second[4096];
	struct numaperf_executor *exec = pool(NUMAPERF_STEAL_LOCAL_ONLY, 1);
	int seen = 0;

	must(numaperf_executor_parallel_for(exec, 0, 4096, 0, body, first));
	must(numaperf_executor_parallel_for(exec, 0, 4096, 0, body, second));
	for (int i = 1; i < 4096; i++)
		seen += first[i] != first[i - 1];
	ok(seen == nodes_with_cpus - 1, "a loop has one block a node");
	ok(!memcmp(first, second, sizeof(first)), "a loop comes back to the same nodes");
	numaperf_executor_destroy(exec);
}

static void without_workers(void)
{
	struct numaperf_executor *strict = pool(NUMAPERF_STEAL_ANY, 1), *soft;
	struct numaperf_node_stats s = { .sz = sizeof(s) };
	struct numaperf_nodemask nodes, lone;
	unsigned int order = 0;
	struct visit v = { .order = &order };

	numaperf_topology_online_nodes(topo, &nodes);
	numaperf_executor_nodes(strict, &lone);
	numaperf_nodemask_andnot(&lone, &nodes, &lone);
	must(numaperf_executor_create(&soft, topo, NULL));
	NUMAPERF_NODEMASK_FOR_EACH (node, &lone) {
		ok(numaperf_executor_submit_to_node(strict, node, visit, &v) ==
				   -NUMAPERF_EHARDMODE &&
			   numaperf_last_error()->reason_id == NUMAPERF_REASON_NO_WORKERS,
		   "strict: a node without CPUs is refused");
		must(numaperf_executor_submit_to_node(soft, node, visit, &v));
		must(numaperf_executor_wait(soft));
		must(numaperf_executor_node_stats(soft, node, &s));
		ok(s.redirected == 1 && order == 1, "soft: its tasks go elsewhere, counted");
	}
	numaperf_executor_destroy(soft);
	numaperf_executor_destroy(strict);
}

/* ---- a budget for remote steals ---- */

/* All the load is on one node whose workers are held; the others may take a few of it. */
static void budget(void)
{
	const struct numaperf_executor_opts opts = {
		.sz = sizeof(opts),
		.steal_policy = NUMAPERF_STEAL_ANY,
		.workers_per_node = 1,
		.remote_steals_per_second = 10,
	};
	struct numaperf_executor *exec;
	struct numaperf_nodemask nodes;
	struct gate gate = { 0 };
	unsigned int order = 0;
	struct visit v[TASKS] = { { 0 } };
	struct timespec a, b;
	double most;

	must(numaperf_executor_create(&exec, topo, &opts));
	must(numaperf_executor_submit_home(exec, 0, gate_task, &gate));
	await(&gate.inside, 1);
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (int i = 0; i < TASKS; i++) {
		v[i].order = &order;
		must(numaperf_executor_submit_to_node(exec, 0, visit, &v[i]));
		usleep(5000);
	}
	clock_gettime(CLOCK_MONOTONIC, &b);
	numaperf_executor_nodes(exec, &nodes);
	most = (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) * 1e-9;
	most = (numaperf_nodemask_count(&nodes) - 1) * (10 * most + 1) + 1;
	ok(get(&order) >= 1 && get(&order) <= most,
	   "remote steals stay within the budget, and there are some");
	__atomic_store_n(&gate.open, 1, __ATOMIC_SEQ_CST);
	must(numaperf_executor_wait(exec));
	ok(get(&order) == TASKS, "what is not stolen runs at home");
	numaperf_executor_destroy(exec);
}

/* ---- where its own memory is ---- */

/* Pages of the range that are there and on another node; *there grows by all that are. A node
 * without memory cannot have them. */
static int pages_elsewhere(const void *start, size_t length, int node, int *there)
{
	struct numaperf_node_info info = { .sz = sizeof(info) };
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	int bad = 0;

	must(numaperf_topology_node_info(topo, node, &info));
	for (size_t at = 0; info.has_memory && at < length; at += page) {
		void *p = (char *)(uintptr_t)start + at;
		int status = -ENOENT;

		if (np_sys->move_pages(0, 1, &p, NULL, &status, 0) < 0 || status < 0)
			continue;
		++*there;
		bad += status != node;
	}
	return bad;
}

/* Lanes and records that have been used by everybody, from one place. */
static void structures(void)
{
	struct numaperf_executor *exec = pool(NUMAPERF_STEAL_ANY, 0);
	struct numaperf_nodemask nodes;
	unsigned int order = 0;
	struct visit v = { .order = &order };
	int bad = 0, there = 0;

	numaperf_executor_nodes(exec, &nodes);
	for (int i = 0; i < TASKS; i++)
		NUMAPERF_NODEMASK_FOR_EACH (node, &nodes) {
			must(numaperf_executor_submit_to_node(exec, node, visit, &v));
			must(numaperf_executor_submit_home(exec, node, visit, &v));
		}
	must(numaperf_executor_wait(exec));
	for (unsigned int i = 0; i < exec->workers; i++)
		bad += pages_elsewhere(exec->worker[i], exec->worker[i]->map_length,
				       exec->worker[i]->node->id, &there);
	ok(!bad && there, "each worker's record and deque are on its node");
	bad = there = 0;
	for (unsigned int i = 0; i < exec->nodes; i++)
		if (exec->node[i]->slots)
			bad += pages_elsewhere(exec->node[i], exec->node[i]->map_length,
					       exec->node[i]->id, &there);
	ok(!bad && there, "each node's lanes are on it, whoever fills them");
	numaperf_executor_destroy(exec);
}

static int tasks(void)
{
	static const enum numaperf_steal_policy stealing[] = {
		NUMAPERF_STEAL_LOCAL_THEN_SOCKET_THEN_REMOTE, NUMAPERF_STEAL_ANY
	};

	must(numaperf_topology_discover(&topo));
	read_machine();
	each_node();
	skew(NUMAPERF_STEAL_LOCAL_ONLY, 0);
	for (int p = 0; p < 2; p++) {
		skew(stealing[p], 0);
		skew(stealing[p], 1);
		order_of_stealing(stealing[p]);
	}
	shares(NUMAPERF_STEAL_LOCAL_ONLY);
	for (int p = 0; p < 2; p++)
		shares(stealing[p]);
	loops();
	without_workers();
	budget();
	structures();
	printf("1..%d\n", count);
	numaperf_topology_unref(topo);
	return failures != 0;
}

int main(int argc, char **argv)
{
	if (argc > 2 && !strcmp(argv[1], "create"))
		return create(mode_of(argv[2]), argc > 4 ? argv[3] : NULL, argv[4]);
	if (argc == 2 && !strcmp(argv[1], "tasks"))
		return tasks();
	if (argc == 3 && !strcmp(argv[1], "state"))
		return state(mode_of(argv[2]));
	fprintf(stderr, "executor_guest create MODE [FILE TEXT] | tasks | state MODE\n");
	return 2;
}

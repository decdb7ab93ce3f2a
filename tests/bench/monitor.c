// SPDX-License-Identifier: MIT
/*
 * What watching costs: the same work with the programs attached and without, in turn. A switch
 * is a byte through a pipe between two threads on one CPU; a page is a first touch. The watched
 * process is this one, or (unwatched) another one while this one works.
 */
#include "bench.h"

#include <numaperf.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct numaperf_topology *topo;

static void fail(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, numaperf_last_error()->message);
	exit(1);
}

/* ---- the work ---- */

enum {
	SWITCHES = 20000,
	PAGES = 16384,
	FIB = 27
};

static int ping[2], pong[2];

static void on_cpu_0(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void *echo(void *arg)
{
	char c;

	(void)arg;
	on_cpu_0();
	while (read(ping[0], &c, 1) == 1)
		if (write(pong[1], &c, 1) != 1)
			break;
	return NULL;
}

/* Two switches a turn. */
static void switches(void)
{
	char c = 0;

	for (int i = 0; i < SWITCHES / 2; i++)
		if (write(ping[1], &c, 1) != 1 || read(pong[0], &c, 1) != 1)
			exit(1);
}

static void pages(void)
{
	char *p = mmap(NULL, (size_t)PAGES << 12, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		exit(1);
	madvise(p, (size_t)PAGES << 12, MADV_NOHUGEPAGE);
	for (size_t i = 0; i < PAGES; i++)
		p[i << 12] = 1;
	munmap(p, (size_t)PAGES << 12);
}

static struct numaperf_executor *exec;

struct fib {
	int n;
	long result;
};

static void fib(void *arg)
{
	struct fib *f = arg, a = { f->n - 1, 0 }, b = { f->n - 2, 0 };
	struct numaperf_task task;

	if (f->n < 2) {
		f->result = f->n;
		return;
	}
	numaperf_spawn(&task, fib, &a);
	fib(&b);
	if (numaperf_join(&task))
		exit(1);
	f->result = a.result + b.result;
}

static void pool(void)
{
	struct fib f = { FIB, 0 };

	if (numaperf_executor_run(exec, NUMAPERF_ANY_NODE, fib, &f))
		fail("run");
}

static void nothing(void *arg)
{
	(void)arg;
}

/* Many small submits: workers sleep and wake all the time. */
static void submits(void)
{
	for (int i = 0; i < 100000; i++)
		if (numaperf_executor_submit(exec, nothing, NULL))
			fail("submit");
	if (numaperf_executor_wait(exec))
		fail("wait");
}

/* ---- with and without ---- */

static struct numaperf_monitor *open_on(int pid)
{
	struct numaperf_monitor_opts opts = {
		.sz = sizeof(opts),
		.scope = pid ? NUMAPERF_SCOPE_PID : NUMAPERF_SCOPE_SELF,
		.pid = pid,
	};
	struct numaperf_monitor *mon;

	if (numaperf_monitor_create(&mon, topo, &opts))
		fail("monitor");
	if (numaperf_monitor_sampler(mon)) {
		fprintf(stderr, "no program can be attached here\n");
		exit(1);
	}
	return mon;
}

static double timed(void (*work)(void))
{
	double t = bench_seconds();

	work();
	return bench_seconds() - t;
}

/* pid 0: this process is watched; otherwise that one. */
static void compare(const char *what, int pid, void (*work)(void), double per)
{
	double with[BENCH_ROUNDS], without[BENCH_ROUNDS], ratio[BENCH_ROUNDS],
		more[BENCH_ROUNDS];

	work();
	for (int i = 0; i < BENCH_ROUNDS; i++) {
		struct numaperf_monitor *mon = open_on(pid);

		work(); /* slots and caches are warm */
		with[i] = timed(work) / per;
		if (numaperf_monitor_destroy(mon))
			fail("destroy");
		without[i] = timed(work) / per;
		ratio[i] = with[i] / without[i];
		more[i] = with[i] - without[i];
	}
	printf("%-34s with %.1f ns, without %.1f ns, %+.1f ns, ratio %.3f\n", what,
	       bench_median(with) * 1e9, bench_median(without) * 1e9, bench_median(more) * 1e9,
	       bench_median(ratio));
}

int main(void)
{
	struct numaperf_executor_opts opts = { .sz = sizeof(opts) };
	pthread_t thread;
	int other;

	if (numaperf_topology_discover(&topo) || pipe(ping) || pipe(pong) ||
	    pthread_create(&thread, NULL, echo, NULL))
		fail("set-up");
	if (numaperf_executor_create(&exec, topo, &opts))
		fail("executor");
	other = fork();
	if (!other) {
		for (;;)
			pause();
	}
	compare("pool, fib(27), a task, watched", 0, pool, 832040);
	compare("pool, submits, a task, watched", 0, submits, 100000);
	on_cpu_0();
	compare("switch, watched", 0, switches, SWITCHES);
	compare("switch, another is watched", other, switches, SWITCHES);
	compare("page, watched", 0, pages, PAGES);
	compare("page, another is watched", other, pages, PAGES);
	kill(other, 9);
	numaperf_executor_destroy(exec);
	numaperf_topology_unref(topo);
	return 0;
}

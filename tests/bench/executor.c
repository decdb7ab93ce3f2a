// SPDX-License-Identifier: MIT
/* Fork and join beside OpenMP's tasks: fib(24), and a task submitted and awaited. */
#include "bench.h"

#include <numaperf.h>
#include <omp.h>

enum {
	FIB = 24
};

static struct numaperf_executor *exec;

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
		exit(1);
	f->result = a.result + b.result;
}

static void ours(unsigned int n)
{
	struct fib f = { .n = FIB };

	while (n--)
		if (numaperf_executor_run(exec, NUMAPERF_ANY_NODE, fib, &f) ||
		    f.result != 46368)
			exit(1);
}

static unsigned long omp_fib(unsigned int n)
{
	unsigned long a, b;

	if (n < 2)
		return n;
#pragma omp task shared(a)
	a = omp_fib(n - 1);
	b = omp_fib(n - 2);
#pragma omp taskwait
	return a + b;
}

static void omp(unsigned int n)
{
	unsigned long result = 0;

	while (n--) {
#pragma omp parallel
#pragma omp single
		result = omp_fib(FIB);
		if (result != 46368)
			exit(1);
	}
}

int main(void)
{
	struct numaperf_topology *topo;

	if (numaperf_topology_discover(&topo) || numaperf_executor_create(&exec, topo, NULL)) {
		fprintf(stderr, "%s\n", numaperf_last_error()->message);
		return 1;
	}
	bench_pair("fork-join fib(24), 75,024 tasks", 1, "numaperf", ours, "OpenMP (gcc)", omp);
	numaperf_executor_destroy(exec);
	numaperf_topology_unref(topo);
	return 0;
}

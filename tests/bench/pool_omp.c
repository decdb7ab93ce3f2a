// SPDX-License-Identifier: MIT
/* OpenMP's tasks and loops: built with gcc for libgomp, with clang for libomp. */
#define POOL_FORK_JOIN
#include "pool.h"

#include <omp.h>

#define FJ_SCOPE(n)	     (void)0
#define FJ_SPAWN(i, fn, arg) fj_spawn(fn, arg)
#define FJ_WAIT(n)	     fj_wait()

static inline void fj_spawn(pool_fn fn, void *arg)
{
#pragma omp task firstprivate(fn, arg)
	fn(arg);
}

static inline void fj_wait(void)
{
#pragma omp taskwait
}
#include "pool_fj.h"

static void start(int workers)
{
	omp_set_num_threads(workers);
#pragma omp parallel
	pool_burn(1000);
}

static void stop(void)
{
}

static void run(pool_fn fn, void *arg)
{
#pragma omp parallel
#pragma omp single
	fn(arg);
}

static void loop(size_t n, pool_body body, void *ctx, int skewed)
{
	if (skewed) {
#pragma omp parallel for schedule(dynamic, 8)
		for (size_t i = 0; i < n; i++)
			body(ctx, i, i + 1);
	} else {
#pragma omp parallel for schedule(static)
		for (size_t i = 0; i < n; i++)
			body(ctx, i, i + 1);
	}
}

const struct pool_peer peer = { start, stop, NULL, NULL, run, loop };

int main(int argc, char **argv)
{
	return pool_main(argc, argv);
}

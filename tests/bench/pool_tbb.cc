// SPDX-License-Identifier: MIT
#define POOL_FORK_JOIN
#include "pool.h"

#include <tbb/blocked_range.h>
#include <tbb/global_control.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>
#include <tbb/task_group.h>

#define FJ_SCOPE(n)	     tbb::task_group fj_group
#define FJ_WAIT(n)	     fj_group.wait()
/* captured is the address, not the array that it points into */
#define FJ_SPAWN(i, fn, arg)                            \
	do {                                            \
		void *fj_arg = (arg);                   \
		fj_group.run([fj_arg] { fn(fj_arg); }); \
	} while (0)
#include "pool_fj.h"

static tbb::task_arena *arena;
static tbb::global_control *control;

static void start(int workers)
{
	/* fork-join: the caller is one of them. Tasks from outside: none of its slots is kept
	 * for a master, and there is one worker more than it would else start. */
	control = new tbb::global_control(tbb::global_control::max_allowed_parallelism,
					  (size_t)workers + 1);
	arena = new tbb::task_arena(workers, 0);
	arena->initialize();
}

static void stop(void)
{
	delete arena;
	delete control;
}

static void produce(long n, pool_fn fn, void *arg)
{
	while (n--)
		arena->enqueue([=] { fn(arg); });
}

static void run(pool_fn fn, void *arg)
{
	arena->execute([=] { fn(arg); });
}

static void loop(size_t n, pool_body body, void *ctx, int)
{
	arena->execute([=] {
		tbb::parallel_for(tbb::blocked_range<size_t>(0, n),
				  [=](const tbb::blocked_range<size_t> &r) {
					  body(ctx, r.begin(), r.end());
				  });
	});
}

const struct pool_peer peer = { start, stop, produce, NULL, run, loop };

int main(int argc, char **argv)
{
	return pool_main(argc, argv);
}

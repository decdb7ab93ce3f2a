// SPDX-License-Identifier: MIT
/* libuv's threads are fed from event loops, each by its own thread only: a producer has one. */
#include "pool.h"

#include <uv.h>

struct job {
	uv_work_t work;
	pool_fn fn;
	void *arg;
};

static __thread uv_loop_t *events;

static void call(uv_work_t *work)
{
	struct job *j = (struct job *)work;

	j->fn(j->arg);
}

static void after(uv_work_t *work, int status)
{
	(void)work;
	(void)status;
}

static void start(int workers)
{
	char n[16];

	snprintf(n, sizeof(n), "%d", workers);
	setenv("UV_THREADPOOL_SIZE", n, 1);
}

static void stop(void)
{
}

static void produce(long n, pool_fn fn, void *arg)
{
	static __thread struct job few[64];
	static __thread unsigned int turn;
	struct job *jobs = n == 1 ? &few[turn++ % 64] : calloc((size_t)n, sizeof(*jobs));

	if (!events) {
		events = malloc(sizeof(*events));
		uv_loop_init(events);
	}
	uv_run(events, UV_RUN_NOWAIT); /* what is done may be used again */
	for (long i = 0; i < n; i++) {
		jobs[i].fn = fn;
		jobs[i].arg = arg;
		uv_queue_work(events, &jobs[i].work, call, after);
	}
	/* a single one is left to run while its producer measures or sleeps */
	uv_run(events, n == 1 ? UV_RUN_NOWAIT : UV_RUN_DEFAULT);
}

const struct pool_peer peer = { start, stop, produce, NULL, NULL, NULL };

int main(int argc, char **argv)
{
	return pool_main(argc, argv);
}

// SPDX-License-Identifier: MIT
#include "pool.h"

#include <glib.h>

static GThreadPool *pool;

struct job {
	pool_fn fn;
	void *arg;
};

/* One job is all that a run needs at a time; GThreadPool carries one pointer. */
static struct job jobs[4];

static void call(gpointer job, gpointer data)
{
	const struct job *j = job;

	(void)data;
	j->fn(j->arg);
}

static void start(int workers)
{
	pool = g_thread_pool_new(call, NULL, workers, TRUE, NULL);
}

static void stop(void)
{
	g_thread_pool_free(pool, FALSE, TRUE);
}

static void produce(long n, pool_fn fn, void *arg)
{
	int slot = fn == pool_empty ? 0 : fn == pool_microsecond ? 1 : 2;

	jobs[slot] = (struct job){ fn, arg };
	while (n--)
		g_thread_pool_push(pool, &jobs[slot], NULL);
}

const struct pool_peer peer = { start, stop, produce, NULL, NULL, NULL };

int main(int argc, char **argv)
{
	return pool_main(argc, argv);
}

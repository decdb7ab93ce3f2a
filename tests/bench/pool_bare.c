// SPDX-License-Identifier: MIT
/* What waking a thread costs with nothing around it: one sleeps on a futex, one wakes it. */
#include "pool.h"

static uint32_t word;
static pool_fn task;
static pthread_t thread;

static void *serve(void *arg)
{
	(void)arg;
	for (;;) {
		while (!__atomic_exchange_n(&word, 0, __ATOMIC_ACQUIRE))
			syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
		if (!task)
			return NULL;
		task(NULL);
	}
}

static void hand_over(pool_fn fn)
{
	task = fn;
	__atomic_store_n(&word, 1, __ATOMIC_RELEASE);
	syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void start(int workers)
{
	(void)workers;
	pthread_create(&thread, NULL, serve, NULL);
}

static void stop(void)
{
	hand_over(NULL);
	pthread_join(thread, NULL);
}

static void produce(long n, pool_fn fn, void *arg)
{
	(void)arg;
	if (n == 1)
		hand_over(fn);
}

const struct pool_peer peer = { start, stop, produce, NULL, NULL, NULL };

int main(int argc, char **argv)
{
	if (argc < 2 || strncmp(argv[1], "wake", 4))
		return 2;
	return pool_main(argc, argv);
}

/* SPDX-License-Identifier: MIT */
/*
 * The same work for every pool of threads, in C and in C++. A peer's program includes this,
 * says what it can do by filling `peer`, and calls pool_main():
 *
 *	pool_PEER CASE WORKERS		prints the case's figures, "NAME VALUE" a line
 *	pool_PEER list			names of the cases that it can do
 *
 * It exits with 1 when a result is wrong.
 */
#ifndef NP_BENCH_POOL_H
#define NP_BENCH_POOL_H

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

typedef void (*pool_fn)(void *arg);
typedef void (*pool_body)(void *ctx, size_t begin, size_t end);

/* NULL: it cannot do that. */
struct pool_peer {
	void (*start)(int workers);
	void (*stop)(void);
	/* The calling thread, one of several, hands in `n` tasks; returns when all are handed
	 * in. */
	void (*produce)(long n, pool_fn fn, void *arg);
	void (*produce_batch)(long n, pool_fn fn, void *arg);
	/* Runs fn(arg) on a worker, where it may fork and join, and waits. */
	void (*run)(pool_fn fn, void *arg);
	void (*loop)(size_t n, pool_body body, void *ctx, int skewed);
};

extern const struct pool_peer peer;

/* Fork-join's workloads, in the peer's idiom: pool_fj.h. */
#ifdef POOL_FORK_JOIN
void fj_fib(void *arg);
void fj_queens(void *arg);
void fj_skynet(void *arg);
void fj_uts(void *arg);
#endif

static double pool_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void pool_wrong(const char *what)
{
	fprintf(stderr, "wrong: %s\n", what);
	exit(1);
}

static void pool_sleep(double ns)
{
	struct timespec t = { (time_t)(ns / 1e9), (long)ns % 1000000000 };

	nanosleep(&t, NULL);
}

static void pool_burn(double ns)
{
	double end = pool_now() + ns;

	while (pool_now() < end) {
	}
}

/* ---- counting what has run: a line a thread, for one that all share would be what is measured
 */

struct pool_count {
	long n;
	char others[120];
} __attribute__((aligned(128)));

static struct pool_count pool_counts[256];
static int pool_counters;
static __thread struct pool_count *pool_own;

static void pool_ran(void)
{
	if (!pool_own)
		pool_own =
			&pool_counts[__atomic_fetch_add(&pool_counters, 1, __ATOMIC_RELAXED) %
				     256];
	__atomic_store_n(&pool_own->n, pool_own->n + 1, __ATOMIC_RELEASE);
}

static long pool_count_all(void)
{
	long n = 0;

	for (int i = 0; i < 256; i++)
		n += __atomic_load_n(&pool_counts[i].n, __ATOMIC_ACQUIRE);
	return n;
}

/* ---- submitting from outside ---- */

static void pool_empty(void *arg)
{
	(void)arg;
	pool_ran();
}

static void pool_microsecond(void *arg)
{
	(void)arg;
	pool_burn(1000);
	pool_ran();
}

struct pool_producer {
	pthread_t thread;
	long n;
	pool_fn fn;
	void (*produce)(long n, pool_fn fn, void *arg);
};

static void *pool_produce(void *arg)
{
	struct pool_producer *p = (struct pool_producer *)arg;

	p->produce(p->n, p->fn, NULL);
	return NULL;
}

static void pool_submit(void (*produce)(long n, pool_fn fn, void *arg), int producers, long n,
			pool_fn fn)
{
	struct pool_producer p[64];
	long before = pool_count_all();
	double start = pool_now();

	n = n / producers * producers;
	for (int i = 0; i < producers; i++) {
		p[i].n = n / producers;
		p[i].fn = fn;
		p[i].produce = produce;
		pthread_create(&p[i].thread, NULL, pool_produce, &p[i]);
	}
	for (int i = 0; i < producers; i++)
		pthread_join(p[i].thread, NULL);
	while (pool_count_all() - before < n)
		pool_sleep(20000);
	printf("ns %.2f\n", (pool_now() - start) / (double)n);
}

/* ---- waking ---- */

static uint32_t pool_started;
static double pool_started_ns;

static void pool_stamp(void *arg)
{
	(void)arg;
	pool_started_ns = pool_now();
	__atomic_store_n(&pool_started, 1, __ATOMIC_RELEASE);
}

static int pool_compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void pool_latency(double idle_ns, int samples)
{
	double *v = (double *)calloc((size_t)samples, sizeof(*v)), start;

	for (int i = -3; i < samples; i++) {
		/* nanosleep(2) adds its slack of 50 us */
		if (idle_ns < 1e6)
			pool_burn(idle_ns);
		else
			pool_sleep(idle_ns);
		__atomic_store_n(&pool_started, 0, __ATOMIC_RELAXED);
		start = pool_now();
		peer.produce(1, pool_stamp, NULL);
		while (!__atomic_load_n(&pool_started, __ATOMIC_ACQUIRE)) {
		}
		if (i >= 0)
			v[i] = pool_started_ns - start;
	}
	qsort(v, (size_t)samples, sizeof(*v), pool_compare);
	printf("p50 %.0f\np99 %.0f\np999 %.0f\n", v[samples / 2], v[samples * 99 / 100],
	       v[samples * 999 / 1000]);
	free(v);
}

/* ---- processor time ---- */

static double pool_cpu_ms(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e3 +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-3;
}

static void pool_idle(void)
{
	double before;

	pool_submit(peer.produce, 1, 1000, pool_empty);
	pool_sleep(50e6);
	before = pool_cpu_ms();
	pool_sleep(1e9);
	printf("ms %.3f\n", pool_cpu_ms() - before);
}

static void pool_trickle(void)
{
	double before = pool_cpu_ms();

	for (int i = 0; i < 1000; i++) {
		peer.produce(1, pool_empty, NULL);
		pool_sleep(1e6);
	}
	printf("ms %.3f\n", pool_cpu_ms() - before);
}

/* ---- loops ---- */

static uint64_t pool_touched;

static void pool_loop_body(void *ctx, size_t begin, size_t end)
{
	double ns = *(double *)ctx;

	for (size_t i = begin; i < end; i++)
		pool_burn(ns);
	__atomic_fetch_add(&pool_touched, end - begin, __ATOMIC_RELAXED);
}

/* The last index costs as much as all of the first thousand. */
static void pool_skewed_body(void *ctx, size_t begin, size_t end)
{
	for (size_t i = begin; i < end; i++)
		pool_burn(*(double *)ctx * (double)i * 2);
	__atomic_fetch_add(&pool_touched, end - begin, __ATOMIC_RELAXED);
}

/* Figure: how many times as long as its bodies alone would take on all workers. */
static void pool_loop(size_t n, double ns, int skewed, int workers)
{
	double each = skewed ? ns / (double)n : ns, start = pool_now(), took;

	pool_touched = 0;
	peer.loop(n, skewed ? pool_skewed_body : pool_loop_body, &each, skewed);
	took = pool_now() - start;
	if (pool_touched != n)
		pool_wrong("not every index once");
	printf("x %.3f\n", took * workers / ((double)n * ns));
}

/* ---- an end in the middle ---- */

#ifdef POOL_STORM
void pool_storm(void);
#endif

/* ---- which ---- */

#ifdef POOL_FORK_JOIN
static void pool_fj(pool_fn fn, long want, double tasks)
{
	double start;
	long got = 0;

	peer.run(fn, &got); /* once to warm up */
	got = 0;
	start = pool_now();
	peer.run(fn, &got);
	start = pool_now() - start;
	printf("ns %.2f\n", start / (tasks > 0 ? tasks : (double)got));
	if (want && got != want)
		pool_wrong("the result of a fork-join");
}
#endif

static int pool_case(const char *name, int workers)
{
	int cpus = (int)sysconf(_SC_NPROCESSORS_ONLN), producers = 1;

#ifdef POOL_FORK_JOIN
	if (!strcmp(name, "fib"))
		return pool_fj(fj_fib, 832040, 1346268), 0;
	if (!strcmp(name, "queens"))
		return pool_fj(fj_queens, 2680, 166925), 0;
	if (!strcmp(name, "skynet"))
		return pool_fj(fj_skynet, 4999950000, 111110), 0;
	if (!strcmp(name, "uts"))
		return pool_fj(fj_uts, 0, 0), 0;
#endif
	if (peer.produce) {
		if (!strncmp(name, "submit", 6)) {
			producers = strchr(name, '1') ? 1 : strchr(name, '2') ? 2 : cpus;
			if (strstr(name, "us"))
				pool_submit(peer.produce, producers, 20000, pool_microsecond);
			else
				pool_submit(peer.produce, producers, 300000, pool_empty);
			return 0;
		}
		if (!strcmp(name, "wake-20us"))
			return pool_latency(20e3, 1000), 0;
		if (!strcmp(name, "wake-2ms"))
			return pool_latency(2e6, 300), 0;
		if (!strcmp(name, "wake-100ms"))
			return pool_latency(100e6, 12), 0;
		if (!strcmp(name, "idle"))
			return pool_idle(), 0;
		if (!strcmp(name, "trickle"))
			return pool_trickle(), 0;
	}
	if (peer.produce_batch && !strcmp(name, "batch-1"))
		return pool_submit(peer.produce_batch, 1, 300032, pool_empty), 0;
	if (peer.loop) {
		if (!strcmp(name, "loop-1us"))
			return pool_loop(20000, 1000, 0, workers), 0;
		if (!strcmp(name, "loop-10us"))
			return pool_loop(2000, 10000, 0, workers), 0;
		if (!strcmp(name, "loop-skewed"))
			return pool_loop(2000, 10000, 1, workers), 0;
	}
#ifdef POOL_STORM
	if (!strcmp(name, "storm"))
		return pool_storm(), 0;
#endif
	return 2;
}

static int pool_main(int argc, char **argv)
{
	int workers = argc > 2 ? atoi(argv[2]) : (int)sysconf(_SC_NPROCESSORS_ONLN), r;

	if (argc < 2)
		return 2;
	peer.start(workers);
	r = pool_case(argv[1], workers);
	fflush(stdout);
	if (!r)
		peer.stop();
	return r;
}

#endif

/* SPDX-License-Identifier: MIT */
/* Two things in turn, several rounds of each: these machines are noisy, so what counts is the
 * median of the ratios of neighbours in time. */
#ifndef NP_BENCH_H
#define NP_BENCH_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
	BENCH_ROUNDS = 15
};

static inline double bench_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static inline int bench_compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static inline double bench_median(double *v)
{
	qsort(v, BENCH_ROUNDS, sizeof(*v), bench_compare);
	return v[BENCH_ROUNDS / 2];
}

/* Each function does its work `n` times. Prints one line: both medians and that of the ratios.
 */
static inline void bench_pair(const char *what, unsigned int n, const char *ours_name,
			      void (*ours)(unsigned int), const char *peer_name,
			      void (*peer)(unsigned int))
{
	double a[BENCH_ROUNDS], b[BENCH_ROUNDS], ratio[BENCH_ROUNDS];

	ours(n);
	peer(n);
	for (int i = 0; i < BENCH_ROUNDS; i++) {
		double t0 = bench_seconds(), t1, t2;

		ours(n);
		t1 = bench_seconds();
		peer(n);
		t2 = bench_seconds();
		a[i] = (t1 - t0) / n;
		b[i] = (t2 - t1) / n;
		ratio[i] = a[i] / b[i];
	}
	printf("%-34s %s %.3f us, %s %.3f us, ratio %.2f\n", what, ours_name,
	       bench_median(a) * 1e6, peer_name, bench_median(b) * 1e6, bench_median(ratio));
}

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Interleavings on purpose. The lock-free parts of the executor call NP_STEP() wherever another
 * thread may come in between; a test that defines it as steps_yield() before it includes them
 * gets one of two things there:
 *
 *  - inside steps_run(): a random, seeded choice of which of its fibers goes on. One thread, so
 *    a failing seed fails again. The futex is modelled, so "everybody sleeps and nobody will
 *    wake them" is found at once.
 *  - on any other thread: now and then a sched_yield(), for real threads under a sanitizer.
 */
#ifndef NP_TEST_STEPS_H
#define NP_TEST_STEPS_H

#include <stdbool.h>
#include <stdint.h>

#define STEPS_MAX 24

/* Runs fn(arg[i]) for each i < n in turns. False: the ones that are left all sleep. */
bool steps_run(uint32_t seed, int n, void (*fn)(void *arg), void *const *arg);

/* One more, from within: its number. */
int steps_start(void (*fn)(void *arg), void *arg);

/* Waits until that one has ended. */
void steps_join(int fiber);

/* Called when another goes on (-1: what is outside of the run), if it is set: to give each
 * thread-local variables of its own. */
extern void (*steps_switched)(int from, int to);

void steps_yield(void);

/* A random number below n, of the running fiber's schedule. */
unsigned int steps_dice(unsigned int n);

/* A clock for the model: it goes a few microseconds on at each look. */
uint64_t steps_clock_ns(void);

/* np_sys with the futex of the model; the rest is the kernel's. */
void steps_sys_start(void);
void steps_sys_stop(void);

#endif

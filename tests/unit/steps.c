// SPDX-License-Identifier: MIT
/* A seeded scheduler of fibers, with a futex. See steps.h. */
#include "steps.h"
#include "../../lib/src/sys.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <ucontext.h>

#if defined(__SANITIZE_THREAD__)
# define TSAN_FIBERS 1
#elif defined(__has_feature)
# if __has_feature(thread_sanitizer)
#  define TSAN_FIBERS 1
# endif
#endif
#ifdef TSAN_FIBERS
void *__tsan_get_current_fiber(void);
void *__tsan_create_fiber(unsigned int flags);
void __tsan_destroy_fiber(void *fiber);
void __tsan_switch_to_fiber(void *fiber, unsigned int flags);
#endif

#define STACK (1u << 20)

static struct fiber {
	ucontext_t context;
	void *tsan;
	char *stack;
	const uint32_t *waits; /* asleep on this word */
	bool timed;	       /* but not for ever */
	bool late;	       /* its time was up */
	bool done;
	int joins; /* asleep until this one is done; -1: no */
	void (*fn)(void *arg);
	void *arg;
} fibers[STEPS_MAX];

static ucontext_t outside;
static void *outside_tsan;
void (*steps_switched)(int from, int to);

static int count, current = -1; /* -1: no run is on */
static uint32_t rng;
static __thread bool inside; /* this is the thread of the run */

unsigned int steps_dice(unsigned int n)
{
	rng ^= rng << 13;
	rng ^= rng >> 17;
	rng ^= rng << 5;
	return rng % n;
}

static void switch_to(ucontext_t *from, ucontext_t *to, void *tsan)
{
#ifdef TSAN_FIBERS
	__tsan_switch_to_fiber(tsan, 0);
#else
	(void)tsan;
#endif
	swapcontext(from, to);
}

static bool able_to_go_on(const struct fiber *f)
{
	return !f->done && !f->waits && (f->joins < 0 || fibers[f->joins].done);
}

/* Nobody can go on, so time passes. False: and nobody waits for that. */
static bool let_time_pass(void)
{
	for (int i = 0; i < count; i++) {
		if (!fibers[i].done && fibers[i].waits && fibers[i].timed) {
			fibers[i].waits = NULL;
			fibers[i].late = true;
			return true;
		}
	}
	return false;
}

/* Whoever can go on, by lot; nobody: back outside. */
static void next(void)
{
	int able[STEPS_MAX], n, me = current;
	ucontext_t *from = &fibers[me].context;

	do {
		n = 0;
		for (int i = 0; i < count; i++)
			if (able_to_go_on(&fibers[i]))
				able[n++] = i;
	} while (!n && let_time_pass());
	if (!n) {
		switch_to(from, &outside, outside_tsan);
		return;
	}
	current = able[steps_dice((unsigned int)n)];
	if (current == me)
		return;
	if (steps_switched)
		steps_switched(me, current);
	switch_to(from, &fibers[current].context, fibers[current].tsan);
}

static void fiber_main(void)
{
	fibers[current].fn(fibers[current].arg);
	fibers[current].done = true;
	next();
	abort(); /* a fiber that is done is never chosen */
}

static __attribute__((noinline)) void prepare(struct fiber *f, void (*fn)(void *), void *arg)
{
	if (!f->stack)
		f->stack = malloc(STACK);
	if (!f->stack)
		abort();
	f->waits = NULL;
	f->done = false;
	f->joins = -1;
	f->fn = fn;
	f->arg = arg;
#ifdef TSAN_FIBERS
	f->tsan = __tsan_create_fiber(0);
#endif
	getcontext(&f->context);
	f->context.uc_stack.ss_sp = f->stack;
	f->context.uc_stack.ss_size = STACK;
	f->context.uc_link = NULL;
	makecontext(&f->context, fiber_main, 0);
}

bool steps_run(uint32_t seed, int n, void (*fn)(void *arg), void *const *arg)
{
	bool all = true;

	rng = seed * 2654435769u | 1;
	count = n;
#ifdef TSAN_FIBERS
	outside_tsan = __tsan_get_current_fiber();
#endif
	for (int i = 0; i < n; i++)
		prepare(&fibers[i], fn, arg[i]);
	inside = true;
	current = (int)steps_dice((unsigned int)n);
	if (steps_switched)
		steps_switched(-1, current);
	switch_to(&outside, &fibers[current].context, fibers[current].tsan);
	if (steps_switched)
		steps_switched(current, -1);
	inside = false;
	current = -1;
	for (int i = 0; i < count; i++) {
		all = all && fibers[i].done;
#ifdef TSAN_FIBERS
		__tsan_destroy_fiber(fibers[i].tsan);
#endif
	}
	return all;
}

int steps_start(void (*fn)(void *arg), void *arg)
{
	if (count == STEPS_MAX)
		abort();
	prepare(&fibers[count], fn, arg);
	return count++;
}

void steps_join(int fiber)
{
	fibers[current].joins = fiber;
	next();
	fibers[current].joins = -1;
}

void steps_yield(void)
{
	static __thread uint32_t lot = 2463534242u;

	if (inside) {
		next();
		return;
	}
	lot = lot * 1664525u + 1013904223u;
	if (lot >> 26 == 0)
		sched_yield();
}

static int model_wait(uint32_t *word, uint32_t value, int64_t timeout_ns)
{
	if (!inside)
		return np_sys_real.futex_wait(word, value, timeout_ns);
	next();
	/* this check and going to sleep are one step, as in the kernel */
	if (__atomic_load_n(word, __ATOMIC_SEQ_CST) != value)
		return -EAGAIN;
	fibers[current].timed = timeout_ns >= 0;
	fibers[current].late = false;
	fibers[current].waits = word;
	next();
	return fibers[current].late ? -ETIMEDOUT : 0;
}

static int model_wake(uint32_t *word, int n)
{
	int woken = 0;

	if (!inside)
		return np_sys_real.futex_wake(word, n);
	next();
	for (int i = 0; i < count && woken < n; i++) {
		if (fibers[i].waits == word) {
			fibers[i].waits = NULL;
			woken++;
		}
	}
	return woken;
}

uint64_t steps_clock_ns(void)
{
	static uint64_t now;

	return now += 1000 * (1 + steps_dice(8));
}

static struct np_sys model;

void steps_sys_start(void)
{
	model = np_sys_real;
	model.futex_wait = model_wait;
	model.futex_wake = model_wake;
	np_sys = &model;
}

void steps_sys_stop(void)
{
	np_sys = &np_sys_real;
}

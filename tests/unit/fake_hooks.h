/* SPDX-License-Identifier: MIT */
/*
 * Programs that are not there: every np_hooks_* function, so that the library's own are not
 * linked. A test says what the kernel would: events, counters, refusals. Include it once, in
 * the test itself.
 */
#ifndef NP_TEST_FAKE_HOOKS_H
#define NP_TEST_FAKE_HOOKS_H

#include "../../lib/src/base.h"
#include "../../lib/src/hook.h"
#include "../../lib/src/hook_table.h"
#include "../../lib/src/util.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct np_hooks {
	int unused;
};

/* All of it under `lock`, but the counters, which are read as the library reads them. */
static struct {
	pthread_mutex_t lock;
	enum numaperf_rung page_moves; /* which rung the programs stand on */
	int refuse;		       /* error of _open */
	int refuse_pin;
	struct np_hooks hooks;
	struct np_hooks_opts opts;
	struct np_counters counters;
	struct np_event *event;
	size_t events, room;
	struct np_event late; /* comes with the poll that makes late_polls 0 */
	int late_polls;
	int fd, opened, closed, watched, pinned, unpinned, freed;
	unsigned int pin_watch;
	int pin_tid, watched_tgid;
	struct np_range range[64];
	size_t ranges;
} fake = { .lock = PTHREAD_MUTEX_INITIALIZER };

const bool np_hooks_built = true;

static void fake_reset(void)
{
	fake.page_moves = NUMAPERF_RUNG_FENTRY;
	fake.refuse = fake.refuse_pin = 0;
	fake.opened = fake.closed = fake.watched = fake.pinned = fake.unpinned = fake.freed = 0;
	fake.ranges = fake.events = 0;
}

void np_hooks_probe(enum numaperf_rung rung_max, struct numaperf_hook *table)
{
	(void)rung_max;
	for (int i = 0; i < NUMAPERF_METRIC_COUNT; i++) {
		np_hook_fallback(&table[i], i, 0, "", NULL);
		table[i].rung = fake.page_moves;
	}
}

static void *fake_array(size_t count, size_t size)
{
	void *p = calloc(count, size);

	if (!p)
		abort();
	return p;
}

int np_hooks_open(struct np_hooks **hooks, const struct np_hooks_opts *opts,
		  struct numaperf_hook *table)
{
	struct np_counters *c = &fake.counters;

	np_hooks_probe(opts->rung_max, table);
	if (fake.refuse) {
		for (int i = 0; i < NUMAPERF_METRIC_COUNT; i++)
			np_hook_fallback(&table[i], i, -fake.refuse, "refused by the test",
					 NULL);
		return np_fail(fake.refuse, NUMAPERF_REASON_PERMISSION, "fake", NULL, "no");
	}
	fake.opts = *opts;
	c->nodes = opts->nodes;
	c->cpus = opts->cpus;
	c->threads = opts->threads;
	c->watches = opts->watches;
	c->thread = fake_array(c->threads, sizeof(*c->thread));
	c->thread_node = fake_array((size_t)c->threads * c->nodes, sizeof(*c->thread_node));
	c->cell = fake_array((size_t)c->cpus * c->nodes, sizeof(*c->cell));
	c->flow = fake_array((size_t)c->nodes * c->nodes, sizeof(*c->flow));
	c->watch = fake_array(c->watches, sizeof(*c->watch));
	c->totals = fake_array(1, sizeof(*c->totals));
	c->on_cpu = fake_array(c->cpus, sizeof(*c->on_cpu));
	fake.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	fake.opened++;
	*hooks = &fake.hooks;
	return 0;
}

void np_hooks_close(struct np_hooks *hooks)
{
	struct np_counters *c = &fake.counters;

	if (!hooks)
		return;
	free(c->thread);
	free(c->thread_node);
	free(c->cell);
	free(c->flow);
	free(c->watch);
	free(c->totals);
	free((void *)c->on_cpu);
	free(fake.event);
	fake.event = NULL;
	fake.events = fake.room = 0;
	close(fake.fd);
	fake.closed++;
}

const struct np_counters *np_hooks_counters(const struct np_hooks *hooks)
{
	(void)hooks;
	return &fake.counters;
}

int np_hooks_watch_process(struct np_hooks *hooks, int tgid, bool on)
{
	(void)hooks;
	fake.watched += on ? 1 : -1;
	fake.watched_tgid = tgid;
	return 0;
}

int np_hooks_pin(struct np_hooks *hooks, int tid, unsigned int watch,
		 const struct numaperf_cpuset *cpus)
{
	(void)hooks;
	(void)cpus;
	if (fake.refuse_pin)
		return fake.refuse_pin;
	fake.pinned++;
	fake.pin_tid = tid;
	fake.pin_watch = watch;
	return 0;
}

void np_hooks_unpin(struct np_hooks *hooks, int tid)
{
	(void)hooks;
	fake.unpinned++;
	if (fake.pin_tid == tid)
		fake.pin_tid = 0;
}

int np_hooks_set_ranges(struct np_hooks *hooks, const struct np_range *range, size_t count)
{
	(void)hooks;
	if (count > ARRAY_SIZE(fake.range))
		return -ENOSPC;
	memcpy(fake.range, range, count * sizeof(*range));
	fake.ranges = count;
	return 0;
}

void np_hooks_free_thread(struct np_hooks *hooks, unsigned int slot)
{
	(void)hooks;
	for (unsigned int node = 0; node < fake.counters.nodes; node++)
		memset(&fake.counters.thread_node[slot * fake.counters.nodes + node], 0,
		       sizeof(struct np_thread_node));
	__atomic_store_n(&fake.counters.thread[slot].state, NP_SLOT_FREE, __ATOMIC_RELEASE);
	__atomic_fetch_add(&fake.freed, 1, __ATOMIC_SEQ_CST);
}

/* What the kernel would have put into the ring. */
static void fake_event(const struct np_event *e)
{
	const uint64_t one = 1;

	pthread_mutex_lock(&fake.lock);
	if (fake.events == fake.room) {
		fake.room = fake.room ? 2 * fake.room : 64;
		fake.event = realloc(fake.event, fake.room * sizeof(*fake.event));
		if (!fake.event)
			abort();
	}
	fake.event[fake.events++] = *e;
	if (write(fake.fd, &one, sizeof(one)) < 0)
		abort();
	pthread_mutex_unlock(&fake.lock);
}

int np_hooks_poll(struct np_hooks *hooks, int timeout_ms, np_event_fn fn, void *ctx)
{
	struct np_event *event;
	uint64_t drained;
	bool late;
	size_t n;

	(void)hooks;
	(void)timeout_ms;
	pthread_mutex_lock(&fake.lock);
	late = fake.late_polls && !--fake.late_polls;
	pthread_mutex_unlock(&fake.lock);
	if (late)
		fake_event(&fake.late);
	pthread_mutex_lock(&fake.lock);
	if (read(fake.fd, &drained, sizeof(drained)) < 0 && errno != EAGAIN)
		abort();
	event = fake.event;
	n = fake.events;
	fake.event = NULL;
	fake.events = fake.room = 0;
	pthread_mutex_unlock(&fake.lock);
	for (size_t i = 0; i < n; i++)
		fn(ctx, &event[i]);
	free(event);
	return (int)n;
}

int np_hooks_fd(const struct np_hooks *hooks)
{
	(void)hooks;
	return fake.fd;
}

int np_hooks_stacks(struct np_hooks *hooks,
		    int (*fn)(void *ctx, const struct numaperf_stack *stack), void *ctx)
{
	const uint64_t frame[] = { 1, 2, 3 };
	const struct numaperf_stack stack = { .sz = sizeof(stack),
					      .depth = 3,
					      .frames = frame };

	(void)hooks;
	return fn(ctx, &stack);
}

#endif

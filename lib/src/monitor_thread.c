// SPDX-License-Identifier: MIT
/*
 * The monitor's thread. A round: look, then take in the events, then settle what the looks
 * found. In this order: what a look sees and the programs have seen, too, is in the ring by
 * then, and is told once and with its cause.
 */
#include "base.h"
#include "monitor.h"
#include "sys.h"
#include "util.h"

#include <errno.h>
#include <linux/capability.h>
#include <time.h>

/* Between a page's move and its tracepoint a CPU may be taken away. */
#define CAUSE_NS 10000000

static void on_event(void *ctx, const struct np_event *e)
{
	struct numaperf_monitor *mon = ctx;

	pthread_mutex_lock(&mon->lock);
	np_monitor_event(mon, e);
	pthread_mutex_unlock(&mon->lock);
}

static void drain(struct numaperf_monitor *mon)
{
	if (mon->hooks)
		np_hooks_poll(mon->hooks, 0, on_event, mon);
}

/* The kernel moves first and tells then: what a look finds in between has its event on the
 * way, and gets a moment to be told with its cause. */
static void await_cause(struct numaperf_monitor *mon)
{
	uint64_t end = np_clock_ns() + CAUSE_NS;

	while (np_monitor_puzzled(mon) && np_clock_ns() < end) {
		np_sys->poll(NULL, 0, 1);
		drain(mon);
	}
}

/* What was counted and left no event, not even a while later. */
static void tell_lost(struct numaperf_monitor *mon, struct np_guard *g, uint64_t now)
{
	uint64_t untold = np_guard_untold(mon, g);
	struct np_event e;

	if (!untold || untold != g->lag) {
		g->lag = untold;
		g->lag_ns = now;
		return;
	}
	if (now - g->lag_ns < mon->interval_ns)
		return;
	e = np_event_of(0, 0, untold);
	g->counted += untold;
	g->lag = 0;
	np_monitor_tell(mon, g,
			g->seen.kind == NUMAPERF_GUARANTEE_PAGES ? NUMAPERF_VIOLATION_PAGE
								 : NUMAPERF_VIOLATION_CPU,
			mon->hook[NUMAPERF_METRIC_PAGE_MOVES].rung, &e);
}

static void settle(struct numaperf_monitor *mon)
{
	uint64_t now = np_clock_ns();

	pthread_mutex_lock(&mon->lock);
	np_monitor_settle(mon);
	for (size_t i = 0; mon->hooks && i < mon->guards; i++)
		tell_lost(mon, mon->guard[i], now);
	np_monitor_deliver(mon);
	pthread_mutex_unlock(&mon->lock);
}

/* A thread's guarantee ends with it: its id may be another's soon. */
static void thread_ended(struct numaperf_monitor *mon, int tid)
{
	for (size_t i = 0; i < mon->guards; i++) {
		struct np_guard *g = mon->guard[i];

		if (g->seen.kind == NUMAPERF_GUARANTEE_CPUS && g->seen.tid == tid)
			np_guard_end(mon, g, true);
	}
}

/* Threads that have exited are shown for an interval; then their slot is free for others. */
static void free_exited(struct numaperf_monitor *mon)
{
	const struct np_counters *c = mon->counters;
	uint64_t now = np_clock_ns();

	pthread_mutex_lock(&mon->lock);
	for (unsigned int slot = 0; slot < c->threads; slot++) {
		struct np_thread *t = &c->thread[slot];

		if (__atomic_load_n(&t->state, __ATOMIC_ACQUIRE) != NP_SLOT_EXITED)
			continue;
		if (!mon->exited_ns[slot]) {
			mon->exited_ns[slot] = now;
			thread_ended(mon, (int)t->tid);
		} else if (now - mon->exited_ns[slot] >= mon->interval_ns) {
			mon->exited_ns[slot] = 0;
			np_monitor_retire(mon, slot);
		}
	}
	pthread_mutex_unlock(&mon->lock);
}

/* What a lost notice would have told must be found by looking. */
static bool lost_notices(struct numaperf_monitor *mon)
{
	uint64_t lost = __atomic_load_n(&mon->counters->totals->notices_lost, __ATOMIC_RELAXED);
	bool more = lost != mon->notices_lost;

	mon->notices_lost = lost;
	return more;
}

/* One round; `all`: somebody waits for it, nothing is put off. */
static void go_round(struct numaperf_monitor *mon, bool due, bool all)
{
	all |= lost_notices(mon);
	if (due || all) {
		np_monitor_look(mon, all);
		if (!mon->hooks)
			np_sampler_round(mon);
	}
	drain(mon);
	await_cause(mon);
	settle(mon);
	if (due || all)
		free_exited(mon);
}

static bool wait(struct numaperf_monitor *mon, uint64_t until)
{
	struct pollfd fds[2] = {
		{ .fd = mon->wake_fd, .events = POLLIN },
		{ .fd = mon->hooks ? np_hooks_fd(mon->hooks) : -1, .events = POLLIN },
	};
	uint64_t now = np_clock_ns(), count;
	int ms = until > now ? (int)((until - now + 999999) / 1000000) : 0;

	if (np_sys->poll(fds, mon->hooks ? 2 : 1, ms) < 0)
		return false;
	if (fds[0].revents)
		np_sys->read(mon->wake_fd, &count, sizeof(count));
	return true;
}

static void set_up(struct numaperf_monitor *mon)
{
	uint64_t keep = mon->keep_ptrace ? 1ull << CAP_SYS_PTRACE : 0;

	np_sys->set_thread_name("numaperf/mon");
	pthread_mutex_lock(&mon->lock);
	if (mon->drop_capabilities)
		mon->start_error = np_sys->drop_capabilities(keep);
	mon->tid = np_gettid();
	pthread_cond_broadcast(&mon->changed);
	pthread_mutex_unlock(&mon->lock);
}

void *np_monitor_main(void *arg)
{
	struct numaperf_monitor *mon = arg;
	uint64_t due_ns = np_clock_ns(), wanted;
	bool stop, flush, look;

	set_up(mon);
	for (;;) {
		uint64_t now = np_clock_ns();
		bool due = now >= due_ns;

		pthread_mutex_lock(&mon->lock);
		stop = mon->stop;
		wanted = mon->flush_wanted;
		flush = wanted != mon->flush_done;
		look = mon->look_wanted > mon->flush_done;
		pthread_mutex_unlock(&mon->lock);
		if (stop)
			break;
		go_round(mon, due, look);
		if (due)
			due_ns = now + mon->interval_ns;
		if (flush) {
			pthread_mutex_lock(&mon->lock);
			mon->flush_done = wanted;
			pthread_cond_broadcast(&mon->changed);
			pthread_mutex_unlock(&mon->lock);
		}
		/* a kernel that refuses poll() must not make this spin */
		if (!wait(mon, due_ns))
			np_sys->futex_wait(&(uint32_t){ 0 }, 0, (int64_t)mon->interval_ns);
	}
	return NULL;
}

/* ---- waiting for it ---- */

int np_monitor_flush(struct numaperf_monitor *mon, int timeout_ms, bool look)
{
	uint64_t until = np_clock_ns() + (uint64_t)MAX(timeout_ms, 0) * 1000000u, wanted;
	struct timespec t = { .tv_sec = (time_t)(until / 1000000000u),
			      .tv_nsec = (long)(until % 1000000000u) };
	bool done;

	if (np_gettid() == mon->tid)
		return np_fail(-EDEADLK, NUMAPERF_REASON_STATE, "monitor flush", NULL,
			       "the monitor's own callback cannot wait for it");
	pthread_mutex_lock(&mon->lock);
	wanted = ++mon->flush_wanted;
	if (look)
		mon->look_wanted = wanted;
	np_monitor_wake(mon);
	while (mon->flush_done < wanted)
		if (pthread_cond_timedwait(&mon->changed, &mon->lock, &t) == ETIMEDOUT)
			break;
	done = mon->flush_done >= wanted;
	pthread_mutex_unlock(&mon->lock);
	return done ? 0
		    : np_fail(-ETIMEDOUT, NUMAPERF_REASON_SYSTEM, "monitor flush", NULL,
			      "not everything was taken in within %d ms", timeout_ms);
}

int numaperf_monitor_flush(struct numaperf_monitor *mon, int timeout_ms)
{
	int err = np_monitor_alive(mon, "monitor flush");

	return err ? err : np_monitor_flush(mon, timeout_ms, true);
}

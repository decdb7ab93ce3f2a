/* SPDX-License-Identifier: MIT */
/*
 * Violations of mixed kinds, of which thread, range, node, address, size, kind and culprit come
 * from a seed, and a ledger of what was done and what was told: both have to say the same.
 */
#ifndef NP_WITNESS_MIXED_H
#define NP_WITNESS_MIXED_H

#include "witness_kernel.h"

#include <pthread.h>
#include <semaphore.h>

enum {
	RANGES = 6,
	THREADS = 4,
	DEED_PAGES = 48, /* of one deed, at most */
};

enum who {
	WHO_NOBODY,
	WHO_SELF,
	WHO_CULPRIT,
	WHO_OTHER,
	WHOS,
};

static struct numaperf_topology *topo;
static struct helper helper;

/* ---- chance ---- */

static uint64_t seed;

/* xorshift64*; 0 .. n-1 */
static unsigned int any(unsigned int n)
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return (unsigned int)((seed * 0x2545F4914F6CDD1Dull >> 33) % n);
}

/* ---- what is watched ---- */

static struct range {
	char *addr;
	size_t pages;
	int home, away;
	uint64_t id;
} range[RANGES];

static struct worker {
	pthread_t thread;
	sem_t run, ran;
	bool spin; /* it is running all the while, not asleep */
	bool stop;
	int tid, home;
	struct numaperf_cpuset cpus;
	uint64_t id, turns;
} worker[THREADS];

/* ---- the ledger: [guarantee][kind][cause][who] ---- */

#define GUARANTEES (RANGES + THREADS)

struct ledger {
	uint64_t n[GUARANTEES][6][16][WHOS];
};

static struct ledger done, told;
static uint64_t told_lost[GUARANTEES]; /* left no details */
static uint64_t told_calls, told_of_nobody;
static uint64_t late_ns[65536];
static size_t lates;

static int guarantee_of(uint64_t id)
{
	for (int i = 0; i < RANGES; i++)
		if (range[i].id == id)
			return i;
	for (int i = 0; i < THREADS; i++)
		if (worker[i].id == id)
			return RANGES + i;
	return -1;
}

static enum who who_is(int pid)
{
	return !pid		   ? WHO_NOBODY
	       : pid == getpid()   ? WHO_SELF
	       : pid == helper.pid ? WHO_CULPRIT
				   : WHO_OTHER;
}

/* On the monitor's thread; read after a flush. */
static void on_told(void *ctx, const struct numaperf_violation *v)
{
	bool page = v->kind == NUMAPERF_VIOLATION_PAGE;
	unsigned int cause = page ? (unsigned int)v->page_cause : (unsigned int)v->move_cause;
	int g = guarantee_of(v->guarantee);

	(void)ctx;
	told_calls++;
	if (lates < sizeof(late_ns) / sizeof(late_ns[0]))
		late_ns[lates++] = now_ns() - v->time_ns;
	if (g < 0)
		told_of_nobody++;
	else if (strstr(v->message, "left no details"))
		told_lost[g] += v->count;
	else
		told.n[g][v->kind][cause][who_is(v->actor_pid)] += v->count;
}

static void did_pages(const struct range *r, unsigned int cause, enum who who, uint64_t pages)
{
	done.n[r - range][NUMAPERF_VIOLATION_PAGE][cause][who] += pages;
}

static void did_thread(const struct worker *w, unsigned int kind, enum who who)
{
	done.n[RANGES + (w - worker)][kind][NUMAPERF_MOVE_AFFINITY][who]++;
}

static uint64_t sum_of(const struct ledger *l, int guarantee)
{
	uint64_t sum = 0;

	for (int k = 0; k < 6; k++)
		for (int c = 0; c < 16; c++)
			for (int w = 0; w < WHOS; w++)
				sum += l->n[guarantee][k][c][w];
	return sum;
}

/* ---- pages ---- */

static void range_start(struct range *r, size_t pages, int home)
{
	r->home = home;
	r->away = !home;
	r->pages = pages;
	r->addr = map(pages * PAGE, PAGE);
	need(!raw_mbind(r->addr, pages * PAGE, MPOL_BIND, home, 0), "mbind");
	touch(r->addr, pages);
}

static void watch_range(struct numaperf_monitor *mon, struct range *r)
{
	struct numaperf_nodemask nodes = numaperf_nodemask_single(r->home);

	need(!numaperf_monitor_watch_range(mon, r->addr, r->pages * PAGE, &nodes, &r->id),
	     "watch_range");
}

/* Some pages of a range go away, and come back; what is on the other node then was told of. */
static void go_away(unsigned int how)
{
	struct range *r = &range[any(RANGES)];
	size_t pages = 1 + any(DEED_PAGES), at = any((unsigned int)(r->pages - pages + 1));
	char *p = r->addr + at * PAGE;
	struct order o = {
		.kind = ORDER_MOVE, .id = getpid(), .to = r->away, .addr = p, .pages = pages
	};
	unsigned int cause = NUMAPERF_PAGE_MOVE_PAGES;
	enum who who = WHO_SELF;

	switch (how) {
	case 0:
		need(!raw_move(0, p, pages, r->away, MPOL_MF_MOVE), "move_pages");
		break;
	case 1:
		helper_do(&helper, &o, false);
		who = WHO_CULPRIT;
		break;
	case 2:
		need(!raw_mbind(p, pages * PAGE, MPOL_BIND, r->away, MPOL_MF_MOVE), "mbind");
		cause = NUMAPERF_PAGE_MBIND;
		break;
	default:
		need(!madvise(p, pages * PAGE, MADV_DONTNEED), "MADV_DONTNEED");
		need(!raw_mbind(p, pages * PAGE, MPOL_BIND, r->away, 0), "mbind");
		touch(p, pages);
		cause = NUMAPERF_PAGE_FAULT;
	}
	did_pages(r, cause, who, pages_on(p, pages, r->away));
	need(!raw_mbind(p, pages * PAGE, MPOL_BIND, r->home, MPOL_MF_MOVE), "mbind");
	need(pages_on(p, pages, r->home) == pages, "pages stay away");
}

/* ---- threads ---- */

/* Says that it ran; between the turns it spins or sleeps. */
static void *work(void *arg)
{
	struct worker *w = arg;

	w->tid = my_tid();
	prctl(PR_SET_NAME, "np-worker");
	need(!raw_pin(0, &w->cpus), "sched_setaffinity");
	sem_post(&w->ran);
	for (;;) {
		while (sem_trywait(&w->run)) {
			if (__atomic_load_n(&w->stop, __ATOMIC_RELAXED))
				return NULL;
			if (!__atomic_load_n(&w->spin, __ATOMIC_RELAXED))
				sem_wait(&w->run);
			else
				continue;
			break;
		}
		if (__atomic_load_n(&w->stop, __ATOMIC_RELAXED))
			return NULL;
		sem_post(&w->ran);
	}
}

static void turn(struct worker *w)
{
	sem_post(&w->run);
	sem_wait(&w->ran);
}

static void worker_start(struct worker *w, int home)
{
	struct numaperf_cpuset cpus;

	cpus_of(topo, home, &cpus);
	numaperf_cpuset_zero(&w->cpus);
	numaperf_cpuset_set(&w->cpus, any(2) ? numaperf_cpuset_first(&cpus)
					     : numaperf_cpuset_last(&cpus));
	if (any(2))
		w->cpus = cpus;
	w->home = home;
	sem_init(&w->run, 0, 0);
	sem_init(&w->ran, 0, 0);
	need(!pthread_create(&w->thread, NULL, work, w), "pthread_create");
	sem_wait(&w->ran);
}

static void watch_worker(struct numaperf_monitor *mon, struct worker *w)
{
	need(!numaperf_monitor_watch_thread(mon, w->tid, &w->cpus, &w->id), "watch_thread");
}

static void worker_stop(struct worker *w)
{
	__atomic_store_n(&w->stop, true, __ATOMIC_RELAXED);
	sem_post(&w->run);
	pthread_join(w->thread, NULL);
}

/* A thread is sent to a CPU of the other node, runs there, and goes back. */
static void send_off(bool by_helper)
{
	struct worker *w = &worker[any(THREADS)];
	struct order o = { .kind = ORDER_PIN, .id = w->tid };
	bool spin = any(2);
	struct numaperf_cpuset cpus;

	__atomic_store_n(&w->spin, spin, __ATOMIC_RELAXED);
	turn(w); /* it spins or sleeps by now */
	cpus_of(topo, !w->home, &cpus);
	numaperf_cpuset_set(&o.cpus, any(2) ? numaperf_cpuset_first(&cpus)
					    : numaperf_cpuset_last(&cpus));
	if (by_helper)
		helper_do(&helper, &o, false);
	else
		need(!raw_pin(w->tid, &o.cpus), "sched_setaffinity");
	turn(w);
	need(!raw_pin(w->tid, &w->cpus), "sched_setaffinity");
	__atomic_store_n(&w->spin, false, __ATOMIC_RELAXED);
	turn(w);
	turn(w);
	did_thread(w, NUMAPERF_VIOLATION_AFFINITY, by_helper ? WHO_CULPRIT : WHO_SELF);
	did_thread(w, NUMAPERF_VIOLATION_CPU, by_helper ? WHO_CULPRIT : WHO_SELF);
}

static void one_deed(void)
{
	unsigned int how = any(6);

	if (how < 4)
		go_away(how);
	else
		send_off(how == 5);
}

static void watched_start(void)
{
	for (int i = 0; i < RANGES; i++)
		range_start(&range[i], DEED_PAGES + any(512), i & 1);
	for (int i = 0; i < THREADS; i++)
		worker_start(&worker[i], i & 1);
}

static void watched_watch(struct numaperf_monitor *mon)
{
	for (int i = 0; i < RANGES; i++)
		watch_range(mon, &range[i]);
	for (int i = 0; i < THREADS; i++)
		watch_worker(mon, &worker[i]);
}

static void watched_stop(void)
{
	for (int i = 0; i < THREADS; i++)
		worker_stop(&worker[i]);
}

#endif

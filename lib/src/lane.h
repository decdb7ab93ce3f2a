/* SPDX-License-Identifier: MIT */
/*
 * Rank 5: the lane, a bounded queue of {fn, arg} with one producer. Many may consume, one at a
 * time: who takes from it holds its lock, and does nothing else meanwhile but copy.
 *
 * The producer neither locks nor reads what the consumers write, except when its memory of
 * `head` says that the ring is full: a push is two stores. Positions count up for ever, so
 * `tail` is also the number of tasks ever pushed.
 */
#ifndef NP_LANE_H
#define NP_LANE_H

#include "park.h"
#include "util.h"

#include <numaperf/executor.h>

#ifndef NP_STEP
# define NP_STEP() ((void)0)
#endif

struct np_lane {
	/* the producer's line */
	uint64_t tail np_aligned;
	uint64_t head_seen; /* a head of some time ago: never ahead of the true one. Atomic
			       because the next producer may be another thread */

	/* the consumers' line */
	uint64_t head np_aligned;
	uint32_t lock;

	struct numaperf_work *ring np_aligned; /* set once */
	uint64_t capacity;		       /* a power of two */
};

static inline void np_lane_init(struct np_lane *l, struct numaperf_work *ring,
				uint64_t capacity)
{
	l->ring = ring;
	l->capacity = capacity;
}

/* ---- the producer ---- */

/* How many tasks there is room for, up to `wanted`. */
static inline size_t np_lane_room(struct np_lane *l, size_t wanted)
{
	uint64_t tail = __atomic_load_n(&l->tail, __ATOMIC_RELAXED);
	uint64_t seen = __atomic_load_n(&l->head_seen, __ATOMIC_RELAXED);

	if (np_unlikely(tail - seen + wanted > l->capacity)) {
		/* acquire: the consumer that advanced head has copied those slots */
		seen = __atomic_load_n(&l->head, __ATOMIC_ACQUIRE);
		__atomic_store_n(&l->head_seen, seen, __ATOMIC_RELAXED);
	}
	return MIN(wanted, l->capacity - (tail - seen));
}

/* Puts in as many of the tasks as there is room for; how many. */
static inline size_t np_lane_push(struct np_lane *l, const struct numaperf_work *work,
				  size_t count)
{
	uint64_t tail = __atomic_load_n(&l->tail, __ATOMIC_RELAXED);
	size_t n = np_lane_room(l, count);

	for (size_t i = 0; i < n; i++)
		l->ring[(tail + i) & (l->capacity - 1)] = work[i];
	NP_STEP();
	/* release: the slots, and the tasks' arguments */
	__atomic_store_n(&l->tail, tail + n, __ATOMIC_RELEASE);
	return n;
}

/* The same for one task. False: no room. */
static inline bool np_lane_push_one(struct np_lane *l, struct numaperf_work work)
{
	uint64_t tail = __atomic_load_n(&l->tail, __ATOMIC_RELAXED);

	if (np_unlikely(!np_lane_room(l, 1)))
		return false;
	l->ring[tail & (l->capacity - 1)] = work;
	NP_STEP();
	__atomic_store_n(&l->tail, tail + 1, __ATOMIC_RELEASE);
	return true;
}

/* ---- consumers ---- */

static inline bool np_lane_lock(struct np_lane *l)
{
	/* looked at first: who cannot have it leaves the line alone */
	return !__atomic_load_n(&l->lock, __ATOMIC_RELAXED) &&
	       !__atomic_exchange_n(&l->lock, 1, __ATOMIC_ACQUIRE);
}

/* For those who cannot do without. Who holds it copies, which is a moment; but it may have been
 * taken off its CPU, perhaps for us. */
static inline void np_lane_lock_surely(struct np_lane *l)
{
	for (int i = 0; !np_lane_lock(l); i++) {
		NP_STEP();
		np_relax();
		if (i > 100)
			np_sys->futex_wait(&l->lock, 1, 50000);
	}
}

static inline void np_lane_unlock(struct np_lane *l)
{
	__atomic_store_n(&l->lock, 0, __ATOMIC_RELEASE);
}

/* Copies up to `count` of the oldest tasks and makes room; how many. Under the lock. */
static inline size_t np_lane_take(struct np_lane *l, struct numaperf_work *work, size_t count)
{
	uint64_t head = __atomic_load_n(&l->head, __ATOMIC_RELAXED);
	uint64_t tail = __atomic_load_n(&l->tail, __ATOMIC_ACQUIRE);
	size_t n = MIN(tail - head, (uint64_t)count);

	NP_STEP();
	for (size_t i = 0; i < n; i++)
		work[i] = l->ring[(head + i) & (l->capacity - 1)];
	/* release: the slots have been read */
	if (n)
		__atomic_store_n(&l->head, head + n, __ATOMIC_RELEASE);
	return n;
}

/* ---- anybody; stale when it returns ---- */

static inline uint64_t np_lane_pushed(const struct np_lane *l)
{
	return __atomic_load_n(&l->tail, __ATOMIC_RELAXED);
}

static inline uint64_t np_lane_length(const struct np_lane *l)
{
	uint64_t head = __atomic_load_n(&l->head, __ATOMIC_ACQUIRE);
	uint64_t tail = __atomic_load_n(&l->tail, __ATOMIC_RELAXED);

	return tail - head;
}

/* ---- taking back ---- */

/* The producer, of its newest `count` tasks, as many as nobody has taken yet; how many. */
static inline size_t np_lane_retract(struct np_lane *l, size_t count)
{
	uint64_t tail = __atomic_load_n(&l->tail, __ATOMIC_RELAXED), head;
	size_t n;

	np_lane_lock_surely(l);
	head = __atomic_load_n(&l->head, __ATOMIC_RELAXED);
	n = MIN(tail - head, (uint64_t)count);
	__atomic_store_n(&l->tail, tail - n, __ATOMIC_RELAXED);
	np_lane_unlock(l);
	return n;
}

#endif

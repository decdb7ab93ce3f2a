/* SPDX-License-Identifier: MIT */
/*
 * Rank 6: where a node's tasks wait: a lane for each producer that has one, and one for the
 * crowd of the others. A node has two queues: one that other nodes may take from, one for
 * hard-home tasks that they never look at.
 *
 * A bit a lane says that it may hold tasks, so that a consumer need not look at 64 of them. The
 * producer sets it after its push; a consumer clears it, long after the lane has run dry, and
 * looks again. Each writes one place and then reads the other's, with a fence between (park.h):
 * so either the producer sees the bit cleared, or the consumer sees the task.
 */
#ifndef NP_QUEUE_H
#define NP_QUEUE_H

#include "lane.h"
#include "mpmc.h"
#include "park.h"

#define NP_LANES 64u /* at most, of a queue: the bits of a word */

struct np_queue {
	uint64_t active np_aligned; /* bit i: lane[i] may hold tasks */
	uint64_t blocked;	    /* its producer is a worker that waits for room */
	uint64_t full;		    /* its producer, no worker, sleeps until there is some */
	uint32_t sealed;	    /* consumers take nothing more */

	uint64_t entering np_aligned; /* pushes into the crowd's lane that are under way */
	struct np_lane *lane;
	struct np_mpmc crowd;
	struct np_event room;
};

/* The threads that have lanes: lane i of every queue of the executor belongs to owner i. */
struct np_producers {
	uint32_t used; /* lanes from here on have never been used */
	struct np_owner {
		uint64_t id; /* {number of the thread in this process, kernel's id}; 0: free */
	} owner[NP_LANES];
};

/* ---- producers ---- */

/* What has been pushed into the lane is visible from here on, and what is read from here on is
 * read after that. */
static inline void np_queue_pushed_into(struct np_queue *q, unsigned int lane)
{
	uint64_t bit = (uint64_t)1 << lane;

	np_fence();
	if (np_unlikely(!(__atomic_load_n(&q->active, __ATOMIC_RELAXED) & bit))) {
		__atomic_fetch_or(&q->active, bit, __ATOMIC_SEQ_CST);
		np_fence();
	}
}

/* Pushes into the crowd's lane as many as there is room for; how many. False from `may`:
 * somebody has ended it all; it is asked after the push has been announced in `entering`. */
static inline size_t np_queue_push_crowd(struct np_queue *q, const struct numaperf_work *work,
					 size_t count, bool (*may)(const void *),
					 const void *arg, bool *refused)
{
	size_t n = 0;

	__atomic_fetch_add(&q->entering, 1, __ATOMIC_SEQ_CST);
	np_fence();
	*refused = !may(arg);
	while (!*refused && n < count && np_mpmc_push(&q->crowd, work[n].fn, work[n].arg))
		n++;
	__atomic_fetch_sub(&q->entering, 1, __ATOMIC_SEQ_CST);
	np_fence();
	return n;
}

/* ---- consumers ---- */

/* Takes from the first lane that has something and that nobody else is at, beginning behind
 * *lane, which then is that one; NP_LANES: from the crowd's. */
static inline size_t np_queue_take(struct np_queue *q, struct numaperf_work *work, size_t max,
				   unsigned int *lane)
{
	uint64_t active = __atomic_load_n(&q->active, __ATOMIC_RELAXED);
	unsigned int start = (*lane + 1) % NP_LANES;
	uint64_t bits = active >> start | (start ? active << (NP_LANES - start) : 0);

	for (; bits; bits &= bits - 1) {
		unsigned int i = (start + (unsigned int)__builtin_ctzll(bits)) % NP_LANES;
		struct np_lane *l = &q->lane[i];
		size_t n;

		if (!np_lane_length(l) || !np_lane_lock(l))
			continue;
		n = __atomic_load_n(&q->sealed, __ATOMIC_RELAXED) ? 0
								  : np_lane_take(l, work, max);
		np_lane_unlock(l);
		if (!n)
			continue;
		*lane = i;
		return n;
	}
	*lane = NP_LANES;
	return np_mpmc_pop(&q->crowd, &work->fn, &work->arg) ? 1 : 0;
}

/*
 * From now on, or no longer, consumers take nothing from the lanes: what is pushed from here on
 * can be taken back whole. Who has begun to take is done when this returns, so it is in the
 * figures (np_quiet).
 *
 * A lane that is not `used` yet has nothing. Who is the first to use it says so, fences
 * (executor_producer.c) and pushes; we seal, fence and look who uses some. If we do not see
 * him, then who sees his tasks sees the seal.
 */
static inline void np_queue_seal(struct np_queue *q, bool seal, const uint32_t *used,
				 unsigned int lanes)
{
	__atomic_store_n(&q->sealed, seal, __ATOMIC_RELAXED);
	if (!seal)
		return;
	np_fence();
	lanes = MIN(__atomic_load_n(used, __ATOMIC_SEQ_CST), lanes);
	for (unsigned int i = 0; i < lanes; i++) {
		np_lane_lock_surely(&q->lane[i]);
		np_lane_unlock(&q->lane[i]);
	}
}

/* As often as it is called, until there is nothing: up to `max` tasks of the first lane that
 * has some. */
static inline size_t np_queue_drain(struct np_queue *q, struct numaperf_work *work, size_t max,
				    unsigned int *lane)
{
	uint64_t bits = __atomic_load_n(&q->active, __ATOMIC_SEQ_CST);
	size_t n = 0;

	for (; bits && !n; bits &= bits - 1) {
		struct np_lane *l;

		*lane = (unsigned int)__builtin_ctzll(bits);
		l = &q->lane[*lane];
		np_lane_lock_surely(l);
		n = np_lane_take(l, work, max);
		np_lane_unlock(l);
	}
	if (n)
		return n;
	*lane = NP_LANES;
	return np_mpmc_pop(&q->crowd, &work->fn, &work->arg) ? 1 : 0;
}

/*
 * After a take from `lane`, and a fence: whether somebody who waits for room there is to be
 * woken. A sleeper that is no worker only when half of the lane is free, for waking costs more
 * than running many a task.
 */
static inline bool np_queue_room_wanted(const struct np_queue *q, unsigned int lane)
{
	uint64_t bit = (uint64_t)1 << lane % NP_LANES;

	if (lane == NP_LANES)
		return __atomic_load_n(&q->room.waiters, __ATOMIC_SEQ_CST);
	if (np_likely(!((__atomic_load_n(&q->full, __ATOMIC_SEQ_CST) |
			 __atomic_load_n(&q->blocked, __ATOMIC_SEQ_CST)) &
			bit)))
		return false;
	return (__atomic_load_n(&q->blocked, __ATOMIC_SEQ_CST) & bit) ||
	       np_lane_length(&q->lane[lane]) <= q->lane[lane].capacity / 2;
}

/* Whether a take would find something, were nobody else at it. Anybody. */
static inline bool np_queue_ready(const struct np_queue *q)
{
	uint64_t bits = __atomic_load_n(&q->active, __ATOMIC_RELAXED);

	for (; bits; bits &= bits - 1)
		if (np_lane_length(&q->lane[__builtin_ctzll(bits)]))
			return true;
	return np_mpmc_ready(&q->crowd);
}

/* Clears the bits of lanes that are empty. */
static inline void np_queue_tidy(struct np_queue *q)
{
	uint64_t bits = __atomic_load_n(&q->active, __ATOMIC_RELAXED);

	for (; bits; bits &= bits - 1) {
		unsigned int i = (unsigned int)__builtin_ctzll(bits);
		uint64_t bit = (uint64_t)1 << i;

		if (np_lane_length(&q->lane[i]))
			continue;
		__atomic_fetch_and(&q->active, ~bit, __ATOMIC_SEQ_CST);
		np_fence();
		if (np_lane_length(&q->lane[i]))
			__atomic_fetch_or(&q->active, bit, __ATOMIC_SEQ_CST);
	}
}

/* ---- figures ---- */

/* Tasks ever pushed, and pushes under way. `lanes`: how many have been used. */
static inline uint64_t np_queue_pushed(const struct np_queue *q, unsigned int lanes)
{
	/* entering first: a push that is no longer counted there has moved the tail */
	uint64_t n = __atomic_load_n(&q->entering, __ATOMIC_SEQ_CST);

	n += np_mpmc_pushed(&q->crowd);
	for (unsigned int i = 0; i < lanes; i++)
		n += np_lane_pushed(&q->lane[i]);
	return n;
}

static inline uint64_t np_queue_length(const struct np_queue *q, unsigned int lanes)
{
	uint64_t n = np_mpmc_length(&q->crowd);

	for (unsigned int i = 0; i < lanes; i++)
		n += np_lane_length(&q->lane[i]);
	return n;
}

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Rank 5: the split deque of spawned tasks, one a worker.
 *
 *	slot:      tail ........ split ........ head
 *	           |<- shared ->|<- private ->|
 *	           thieves take  only the owner knows
 *	           the oldest    of these
 *
 * The owner pushes and pops at `head`, in the private part, without any atomic read-modify-
 * write. Thieves take from `tail` with one CAS on the word {split, tail}; that word is all that
 * both sides change. When a thief finds the shared part empty it raises `want`, and the owner
 * moves `split` up: it publishes the older half of what it has.
 *
 * Indices are 32 bits and only their differences mean anything. `tail` never goes back, which
 * is what makes the thief's CAS safe:
 *
 *	A thief loads {s, t} with s != t, reads slot[t], and swaps {s, t} for {s, t + 1}. Could
 *	slot[t] have been given to another task in between, and the word still read {s, t}? The
 *	owner writes slot[t] only when its head is at t, so split would have had to come down to
 *	t while tail was t. It never does: of the last shared task the owner takes possession by
 *	advancing tail, as a thief does, and with two or more it takes split down to t + 1 at
 *	the least. (Or head has gone round the ring to t + SIZE: then tail has moved.) So as
 *	long as tail stays at t and slot[t] was shared once, it holds the same task.
 *
 * The ring has a fixed size; when it is full the caller runs the task at once. Nothing grows
 * and nothing has to be reclaimed.
 *
 * NP_STEP() stands where another thread may come in between: empty here, a switch of threads in
 * the model test.
 */
#ifndef NP_DEQUE_H
#define NP_DEQUE_H

#include "util.h"

#ifndef NP_STEP
# define NP_STEP() ((void)0)
#endif
#ifndef NP_DEQUE_SIZE
# define NP_DEQUE_SIZE 8192u /* a power of two */
#endif

struct np_deque {
	uint64_t shared np_aligned; /* {split, tail}: changed by CAS and fetch-add only */
	uint32_t want np_aligned;   /* thieves to owner: publish something */

	/* the owner's line */
	uint32_t head np_aligned;
	uint32_t split;	    /* always equal to the upper half of `shared` */
	uint32_t tail_seen; /* a tail of some time ago: never ahead of the true one */
	uint32_t own_taken; /* how often the owner, not a thief, has advanced tail */

	void *slot[NP_DEQUE_SIZE] np_aligned;
};

static inline uint64_t np_deque_word(uint32_t split, uint32_t tail)
{
	return (uint64_t)split << 32 | tail;
}

static inline bool np_deque_wanted(const struct np_deque *d)
{
	return __atomic_load_n(&d->want, __ATOMIC_RELAXED);
}

static inline void np_deque_ask(struct np_deque *d)
{
	/* looked at first: many thieves would else fight over the owner's polled line */
	if (!np_deque_wanted(d))
		__atomic_store_n(&d->want, 1, __ATOMIC_RELAXED);
}

/* How many tasks only the owner knows of. Owner. */
static inline uint32_t np_deque_private(const struct np_deque *d)
{
	return d->head - d->split;
}

/* Whether there is something to steal. Anybody; stale when it returns. */
static inline bool np_deque_public(const struct np_deque *d)
{
	uint64_t word = __atomic_load_n(&d->shared, __ATOMIC_RELAXED);

	return (uint32_t)word != (uint32_t)(word >> 32);
}

/* False: full, the task is not in it. Owner. */
static inline bool np_deque_push(struct np_deque *d, void *task)
{
	uint32_t head = d->head;

	if (np_unlikely(head - d->tail_seen >= NP_DEQUE_SIZE)) {
		/* acquire: the thief that advanced tail has read its slot before that */
		d->tail_seen = (uint32_t)__atomic_load_n(&d->shared, __ATOMIC_ACQUIRE);
		if (head - d->tail_seen >= NP_DEQUE_SIZE)
			return false;
	}
	/* atomic because a thief that will lose its CAS may be reading this slot */
	__atomic_store_n(&d->slot[head % NP_DEQUE_SIZE], task, __ATOMIC_RELAXED);
	d->head = head + 1;
	return true;
}

/* Shares the older half of the private part, at least one task; how many. Owner. */
static inline uint32_t np_deque_publish(struct np_deque *d)
{
	uint32_t n = (d->head - d->split + 1) / 2;

	__atomic_store_n(&d->want, 0, __ATOMIC_RELAXED);
	if (!n)
		return 0;
	NP_STEP();
	/*
	 * Release: the slots, and the tasks they point to, are seen by the thief whose load of
	 * this word acquires. Later changes of the word are read-modify-writes, so they carry
	 * the release on. Addition cannot disturb the tail below; a carry out at the top is
	 * the index wrapping.
	 */
	__atomic_fetch_add(&d->shared, (uint64_t)n << 32, __ATOMIC_RELEASE);
	d->split += n;
	return n;
}

/* Takes back from the shared part, when the private one is empty. */
static inline void *np_deque_reclaim(struct np_deque *d)
{
	uint64_t word = __atomic_load_n(&d->shared, __ATOMIC_RELAXED);

	for (;;) {
		uint32_t tail = (uint32_t)word, split = (uint32_t)(word >> 32), low;

		if (tail == split)
			return NULL;
		NP_STEP();
		/* the last one: as a thief would, see above */
		low = split - (split - tail) / 2;
		if (split - tail == 1) {
			if (__atomic_compare_exchange_n(&d->shared, &word,
							np_deque_word(split, tail + 1), true,
							__ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
				d->own_taken++;
				return d->slot[tail % NP_DEQUE_SIZE];
			}
		} else if (__atomic_compare_exchange_n(&d->shared, &word,
						       np_deque_word(low, tail), true,
						       __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
			/* relaxed: these slots were written by this thread, and no thief that
			 * read the old word can succeed with it any more */
			d->split = low;
			d->head = split - 1;
			return d->slot[d->head % NP_DEQUE_SIZE];
		}
	}
}

/* The newest task, or NULL: all are stolen (or there were none). Owner. */
static inline void *np_deque_pop(struct np_deque *d)
{
	if (np_unlikely(d->head == d->split))
		return np_deque_reclaim(d);
	return d->slot[--d->head % NP_DEQUE_SIZE];
}

/* The oldest shared task; NULL: none, and the owner has been asked for some. Thieves. */
static inline void *np_deque_steal(struct np_deque *d)
{
	uint64_t word = __atomic_load_n(&d->shared, __ATOMIC_ACQUIRE);

	for (;;) {
		uint32_t tail = (uint32_t)word, split = (uint32_t)(word >> 32);
		void *task;

		if (tail == split) {
			np_deque_ask(d);
			return NULL;
		}
		NP_STEP();
		task = __atomic_load_n(&d->slot[tail % NP_DEQUE_SIZE], __ATOMIC_RELAXED);
		NP_STEP();
		/* acquire: what the owner wrote before publishing; release: the slot was read
		 * before the owner may see it as free. A failure means that somebody else got
		 * on: no task can be lost by trying again. */
		if (__atomic_compare_exchange_n(&d->shared, &word,
						np_deque_word(split, tail + 1), true,
						__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
			return task;
	}
}

/* How many tasks thieves have taken since the beginning. Owner. */
static inline uint32_t np_deque_stolen(const struct np_deque *d)
{
	return (uint32_t)__atomic_load_n(&d->shared, __ATOMIC_RELAXED) - d->own_taken;
}

#endif

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
 * both sides change. When a thief finds the shared part empty it asks, and the owner moves
 * `split` up: it publishes the older half of what it has. The owner's side is public, since
 * spawning and joining are inline (numaperf/task.h).
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
 * A slot's lowest bit says that its task must not leave the node: a thief from elsewhere sees
 * that in the slot, which cannot go away, and not in the task, which can.
 *
 * NP_STEP() stands where another thread may come in between: empty here, a switch of threads in
 * the model test.
 */
#ifndef NP_DEQUE_H
#define NP_DEQUE_H

#include "util.h"

#include <numaperf/task.h>

#ifndef NP_STEP
# define NP_STEP() ((void)0)
#endif

/* What others want of a deque's owner: bits of `attention`. */
enum {
	NP_ATTEND_THIEF = 1, /* publish something */
	NP_ATTEND_STOP = 2,  /* the executor has been stopped: begin nothing */
};

struct np_deque {
	uint64_t shared np_aligned;    /* {split, tail}: changed by CAS and fetch-add only */
	uint32_t own_taken np_aligned; /* how often the owner, not a thief, has advanced tail */
	struct numaperf_deque own;
};

/* The two lines that the header lays out by hand. */
_Static_assert(offsetof(struct numaperf_deque, head) == NP_CACHE_LINE, "others' line");
_Static_assert(offsetof(struct numaperf_deque, slot) == 2 * NP_CACHE_LINE, "owner's line");

static inline uint64_t np_deque_word(uint32_t split, uint32_t tail)
{
	return (uint64_t)split << 32 | tail;
}

/* Empty, with all indices at `index`. */
static inline void np_deque_init(struct np_deque *d, uint32_t index)
{
	d->shared = np_deque_word(index, index);
	d->own.head = d->own.split = d->own_taken = index;
	d->own.limit = index + NUMAPERF_DEQUE_SIZE;
}

static inline void *np_deque_home_only(void *task)
{
	return (void *)((uintptr_t)task | 1);
}

static inline void *np_deque_task(void *slot)
{
	return (void *)((uintptr_t)slot & ~(uintptr_t)1);
}

static inline bool np_deque_wanted(const struct np_deque *d)
{
	return __atomic_load_n(&d->own.attention, __ATOMIC_RELAXED) & NP_ATTEND_THIEF;
}

static inline void np_deque_ask(struct np_deque *d)
{
	/* looked at first: many thieves would else fight over the owner's polled line */
	if (!np_deque_wanted(d))
		__atomic_fetch_or(&d->own.attention, NP_ATTEND_THIEF, __ATOMIC_RELAXED);
}

/* How many tasks only the owner knows of. Owner. */
static inline uint32_t np_deque_private(const struct np_deque *d)
{
	return d->own.head - d->own.split;
}

/* Whether there is something to steal. Anybody; stale when it returns. */
static inline bool np_deque_public(const struct np_deque *d)
{
	uint64_t word = __atomic_load_n(&d->shared, __ATOMIC_RELAXED);

	return (uint32_t)word != (uint32_t)(word >> 32);
}

/* False: full, the task is not in it. Owner. */
static inline bool np_deque_push(struct np_deque *d, void *slot)
{
	if (np_likely(numaperf_deque_push(&d->own, slot)))
		return true;
	/* acquire: the thief that advanced tail has read its slot before that */
	d->own.limit =
		(uint32_t)__atomic_load_n(&d->shared, __ATOMIC_ACQUIRE) + NUMAPERF_DEQUE_SIZE;
	return numaperf_deque_push(&d->own, slot);
}

/* Shares the older half of the private part, at least one task; how many. Owner. */
static inline uint32_t np_deque_publish(struct np_deque *d)
{
	uint32_t n = (np_deque_private(d) + 1) / 2;

	__atomic_fetch_and(&d->own.attention, ~(uint32_t)NP_ATTEND_THIEF, __ATOMIC_RELAXED);
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
	d->own.split += n;
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
				return d->own.slot[tail % NUMAPERF_DEQUE_SIZE];
			}
		} else if (__atomic_compare_exchange_n(&d->shared, &word,
						       np_deque_word(low, tail), true,
						       __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
			/* relaxed: these slots were written by this thread, and no thief that
			 * read the old word can succeed with it any more */
			d->own.split = low;
			d->own.head = split - 1;
			return d->own.slot[d->own.head % NUMAPERF_DEQUE_SIZE];
		}
	}
}

/* The newest slot, or NULL: all are stolen (or there were none). Owner. */
static inline void *np_deque_pop(struct np_deque *d)
{
	if (np_unlikely(d->own.head == d->own.split))
		return np_deque_reclaim(d);
	return d->own.slot[--d->own.head % NUMAPERF_DEQUE_SIZE];
}

/* The oldest shared task; NULL: none that may be had, and if there was none at all the owner
 * has been asked for some. `away`: the thief is from another node. Thieves. */
static inline void *np_deque_steal(struct np_deque *d, bool away)
{
	uint64_t word = __atomic_load_n(&d->shared, __ATOMIC_ACQUIRE);

	for (;;) {
		uint32_t tail = (uint32_t)word, split = (uint32_t)(word >> 32);
		void *slot;

		if (tail == split) {
			np_deque_ask(d);
			return NULL;
		}
		NP_STEP();
		slot = __atomic_load_n(&d->own.slot[tail % NUMAPERF_DEQUE_SIZE],
				       __ATOMIC_RELAXED);
		if (away && slot != np_deque_task(slot))
			return NULL;
		NP_STEP();
		/* acquire: what the owner wrote before publishing; release: the slot was read
		 * before the owner may see it as free. A failure means that somebody else got
		 * on: no task can be lost by trying again. */
		if (__atomic_compare_exchange_n(&d->shared, &word,
						np_deque_word(split, tail + 1), true,
						__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
			return np_deque_task(slot);
	}
}

/* How many tasks thieves have taken since the beginning. Owner. */
static inline uint32_t np_deque_stolen(const struct np_deque *d)
{
	return (uint32_t)__atomic_load_n(&d->shared, __ATOMIC_RELAXED) - d->own_taken;
}

#endif

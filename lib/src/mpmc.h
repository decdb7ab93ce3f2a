/* SPDX-License-Identifier: MIT */
/*
 * Rank 5: the lane of the crowd, a bounded queue of {fn, arg} with many producers and many
 * consumers (D. Vyukov's bounded MPMC queue). For producers that have no lane of their own.
 *
 * Positions count up for ever; a position's slot is position % capacity, its lap position /
 * capacity. A slot's `turn` says whose turn it is: 2 * lap, the producer's of that lap; 2 * lap
 * + 1, the consumer's. So an all-zero ring is an empty one, and untouched pages of a large ring
 * cost nothing.
 *
 * A producer claims a position by CAS on `tail` and hands it over by storing `turn`. Between
 * the two its slot looks empty and hides those behind it: that is no lost task, since the
 * producer decides on a wake-up only after the store, for whatever is then visible.
 */
#ifndef NP_MPMC_H
#define NP_MPMC_H

#include "util.h"

#ifndef NP_STEP
# define NP_STEP() ((void)0)
#endif

struct np_mpmc_slot {
	uint64_t turn;
	void (*fn)(void *arg);
	void *arg;
};

struct np_mpmc {
	uint64_t tail np_aligned; /* producers */
	uint64_t head np_aligned; /* consumers */
	struct np_mpmc_slot *ring np_aligned;
	uint64_t mask;
	unsigned int shift;
};

/* `ring` is zeroed memory of 2^shift slots; the lane does not own it. */
static inline void np_mpmc_init(struct np_mpmc *l, struct np_mpmc_slot *ring,
				unsigned int shift)
{
	l->tail = l->head = 0;
	l->ring = ring;
	l->shift = shift;
	l->mask = ((uint64_t)1 << shift) - 1;
}

/* How far the slot of position `pos` is ahead of the producer's turn there: 0, it is his; 1,
 * the consumer's; negative: still the lap before; more: long past. */
static inline int64_t np_mpmc_turn(const struct np_mpmc *l, uint64_t pos)
{
	/* acquire: pairs with the release of the other side's hand-over */
	uint64_t turn = __atomic_load_n(&l->ring[pos & l->mask].turn, __ATOMIC_ACQUIRE);

	return (int64_t)(turn - 2 * (pos >> l->shift));
}

/* False: full (a consumer that has claimed a slot but not yet emptied it still holds it). */
static inline bool np_mpmc_push(struct np_mpmc *l, void (*fn)(void *), void *arg)
{
	uint64_t pos = __atomic_load_n(&l->tail, __ATOMIC_RELAXED);
	struct np_mpmc_slot *slot;

	for (;;) {
		int64_t turn = np_mpmc_turn(l, pos);

		NP_STEP();
		if (turn < 0)
			return false;
		if (turn > 0)
			pos = __atomic_load_n(&l->tail, __ATOMIC_RELAXED);
		else if (__atomic_compare_exchange_n(&l->tail, &pos, pos + 1, true,
						     __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			break;
	}
	NP_STEP();
	slot = &l->ring[pos & l->mask];
	slot->fn = fn;
	slot->arg = arg;
	__atomic_store_n(&slot->turn, 2 * (pos >> l->shift) + 1, __ATOMIC_RELEASE);
	return true;
}

/* False: nothing there (that has been handed over). */
static inline bool np_mpmc_pop(struct np_mpmc *l, void (**fn)(void *), void **arg)
{
	uint64_t pos = __atomic_load_n(&l->head, __ATOMIC_RELAXED);
	struct np_mpmc_slot *slot;

	for (;;) {
		int64_t turn = np_mpmc_turn(l, pos);

		NP_STEP();
		if (turn < 1)
			return false;
		if (turn > 1)
			pos = __atomic_load_n(&l->head, __ATOMIC_RELAXED);
		else if (__atomic_compare_exchange_n(&l->head, &pos, pos + 1, true,
						     __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			break;
	}
	NP_STEP();
	slot = &l->ring[pos & l->mask];
	*fn = slot->fn;
	*arg = slot->arg;
	__atomic_store_n(&slot->turn, 2 * (pos >> l->shift) + 2, __ATOMIC_RELEASE);
	return true;
}

/* Whether a pop would find something. */
static inline bool np_mpmc_ready(const struct np_mpmc *l)
{
	for (;;) {
		uint64_t pos = __atomic_load_n(&l->head, __ATOMIC_RELAXED);
		int64_t turn = np_mpmc_turn(l, pos);

		if (turn <= 1)
			return turn == 1;
		/* head has moved on since: look again */
	}
}

/* Whether a push would find room. */
static inline bool np_mpmc_has_room(const struct np_mpmc *l)
{
	for (;;) {
		uint64_t pos = __atomic_load_n(&l->tail, __ATOMIC_RELAXED);
		int64_t turn = np_mpmc_turn(l, pos);

		if (turn <= 0)
			return turn == 0;
	}
}

/* Tasks pushed since the beginning, and tasks in it. Statistics. */
static inline uint64_t np_mpmc_pushed(const struct np_mpmc *l)
{
	return __atomic_load_n(&l->tail, __ATOMIC_RELAXED);
}

static inline uint64_t np_mpmc_length(const struct np_mpmc *l)
{
	uint64_t head = __atomic_load_n(&l->head, __ATOMIC_ACQUIRE);
	uint64_t tail = __atomic_load_n(&l->tail, __ATOMIC_RELAXED);

	return tail > head ? tail - head : 0;
}

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Rank 5: the tray, what a worker has taken out of a lane at one go and not yet begun. It saves
 * the lane's lock for most tasks, and hides none of them: others may take from it as well, so
 * that what lies behind a long task waits for nobody.
 *
 * The owner fills it when it is empty; owner and thieves take from it, oldest first, by CAS on
 * the word {end, next}. Both are 32 bits that only ever grow, so that a word that a thief has
 * read comes back after 2^32 tasks at the earliest: a slot that was read under a word that is
 * still there has not been written since.
 */
#ifndef NP_TRAY_H
#define NP_TRAY_H

#include "util.h"

#include <numaperf/executor.h>

#ifndef NP_STEP
# define NP_STEP() ((void)0)
#endif

#define NP_TRAY 64u /* a power of two */

struct np_tray {
	uint64_t word np_aligned;
	uint32_t from; /* the index of the node whose tasks these are */
	struct numaperf_work slot[NP_TRAY] np_aligned;
};

/* How many tasks are in it. Anybody; stale when it returns. */
static inline uint32_t np_tray_length(const struct np_tray *t)
{
	uint64_t word = __atomic_load_n(&t->word, __ATOMIC_RELAXED);

	return (uint32_t)(word >> 32) - (uint32_t)word;
}

/* Owner; it is empty, so no thief's CAS can succeed while this writes. */
static inline void np_tray_fill(struct np_tray *t, uint32_t from,
				const struct numaperf_work *work, uint32_t n)
{
	uint32_t end = (uint32_t)(__atomic_load_n(&t->word, __ATOMIC_RELAXED) >> 32);

	/* atomic because a thief that will lose its CAS may be reading */
	__atomic_store_n(&t->from, from, __ATOMIC_RELAXED);
	for (uint32_t i = 0; i < n; i++) {
		struct numaperf_work *slot = &t->slot[(end + i) % NP_TRAY];

		__atomic_store_n(&slot->fn, work[i].fn, __ATOMIC_RELAXED);
		__atomic_store_n(&slot->arg, work[i].arg, __ATOMIC_RELAXED);
	}
	NP_STEP();
	/* release: the slots, and what was acquired with the tasks from the lane */
	__atomic_store_n(&t->word, (uint64_t)(end + n) << 32 | end, __ATOMIC_RELEASE);
}

/* Takes the oldest `max` tasks at most, and of more than one no more than the half; how many.
 * Anybody. */
static inline uint32_t np_tray_take(struct np_tray *t, struct numaperf_work *work, uint32_t max,
				    uint32_t *from)
{
	uint64_t word = __atomic_load_n(&t->word, __ATOMIC_ACQUIRE);

	for (;;) {
		uint32_t next = (uint32_t)word, length = (uint32_t)(word >> 32) - next;
		uint32_t n = MIN(max, (length + 1) / 2);

		if (!n)
			return 0;
		NP_STEP();
		*from = __atomic_load_n(&t->from, __ATOMIC_RELAXED);
		for (uint32_t i = 0; i < n; i++) {
			struct numaperf_work *slot = &t->slot[(next + i) % NP_TRAY];

			work[i].fn = __atomic_load_n(&slot->fn, __ATOMIC_RELAXED);
			work[i].arg = __atomic_load_n(&slot->arg, __ATOMIC_RELAXED);
		}
		NP_STEP();
		/* acquire: the tasks; release: the slots were read before the owner sees the
		 * tray as empty and fills it again */
		if (__atomic_compare_exchange_n(&t->word, &word,
						(word & ~(uint64_t)UINT32_MAX) |
							(uint32_t)(next + n),
						true, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
			return n;
	}
}

#endif

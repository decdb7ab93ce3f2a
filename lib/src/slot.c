// SPDX-License-Identifier: MIT
#include "slot.h"

#include <pthread.h>

__thread int np_slot_number = NP_SLOT_UNASKED;

static uint64_t taken[NP_SLOTS / 64];
static pthread_key_t at_exit; /* its value: the number + 1 */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool numbered; /* the key could be had */

static void give_back(void *value)
{
	unsigned int n = (unsigned int)(uintptr_t)value - 1;

	/* what runs in this thread after this (other destructors) has none */
	np_slot_number = NP_SLOTS;
	/* release: what we left there, with which the next owner goes on */
	__atomic_fetch_and(&taken[n / 64], ~((uint64_t)1 << n % 64), __ATOMIC_RELEASE);
}

static void make_key(void)
{
	numbered = !pthread_key_create(&at_exit, give_back);
}

static int find_free(void)
{
	for (unsigned int w = 0; w < NP_SLOTS / 64; w++) {
		uint64_t word = __atomic_load_n(&taken[w], __ATOMIC_RELAXED);

		while (~word) {
			unsigned int bit = (unsigned int)__builtin_ctzll(~word);

			/* acquire: what its last owner left */
			word = __atomic_fetch_or(&taken[w], (uint64_t)1 << bit,
						 __ATOMIC_ACQUIRE);
			if (!(word >> bit & 1))
				return (int)(w * 64 + bit);
		}
	}
	return NP_SLOTS;
}

__attribute__((noinline, cold)) unsigned int np_slot_take(void)
{
	int n;

	if (np_slot_number != NP_SLOT_UNASKED)
		return np_slot();
	pthread_once(&once, make_key);
	n = numbered ? find_free() : NP_SLOTS;
	if (n < NP_SLOTS && pthread_setspecific(at_exit, (void *)(uintptr_t)(n + 1))) {
		__atomic_fetch_and(&taken[n / 64], ~((uint64_t)1 << n % 64), __ATOMIC_RELEASE);
		n = NP_SLOTS;
	}
	np_slot_number = n;
	return np_slot();
}

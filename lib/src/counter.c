// SPDX-License-Identifier: MIT
/*
 * Counters: a shard a node, in it a slot a thread. A thread adds in the slot with its number,
 * of the shard that it runs on: nobody else writes there, so a load and a store do. That it may
 * be moved between looking where it is and adding only puts the sum of this once on the other
 * node.
 *
 * Numbers are handed out at a thread's first add and come back when it ends: the next owner
 * goes on from what the slot holds. Who finds none free adds atomically in a slot for all.
 */
#include <numaperf/sharded.h>

#include "base.h"
#include "sharded.h"
#include "sys.h"
#include "util.h"

#include <pthread.h>

enum {
	THREADS = 512, /* with numbers of their own; of the process, for all counters */
	UNNUMBERED = -1,
};

struct slot {
	int64_t sum np_aligned;
};

struct numaperf_counter {
	struct numaperf_sharded *sharded; /* struct slot [THREADS + 1] */
};

/* ---- a thread's number ---- */

static uint64_t taken[THREADS / 64];
static pthread_key_t at_exit; /* its value: the number + 1 */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool numbered; /* the key could be had */
static __thread int number __attribute__((tls_model("initial-exec"))) = UNNUMBERED;

static void give_back(void *value)
{
	unsigned int n = (unsigned int)(uintptr_t)value - 1;

	/* what runs in this thread after this (other destructors) shares the slot for all */
	number = THREADS;
	/* release: our sums, which the next owner of the slots adds to */
	__atomic_fetch_and(&taken[n / 64], ~((uint64_t)1 << n % 64), __ATOMIC_RELEASE);
}

static void make_key(void)
{
	numbered = !pthread_key_create(&at_exit, give_back);
}

static __attribute__((noinline)) int take_number(void)
{
	pthread_once(&once, make_key);
	for (unsigned int w = 0; numbered && w < THREADS / 64; w++) {
		uint64_t word = __atomic_load_n(&taken[w], __ATOMIC_RELAXED);

		while (~word) {
			unsigned int bit = (unsigned int)__builtin_ctzll(~word);
			unsigned int n = w * 64 + bit;

			/* acquire: what its last owner has added */
			word = __atomic_fetch_or(&taken[w], (uint64_t)1 << bit,
						 __ATOMIC_ACQUIRE);
			if (word >> bit & 1)
				continue;
			if (pthread_setspecific(at_exit, (void *)(uintptr_t)(n + 1))) {
				__atomic_fetch_and(&taken[w], ~((uint64_t)1 << bit),
						   __ATOMIC_RELEASE);
				return number = THREADS;
			}
			return number = (int)n;
		}
	}
	return number = THREADS;
}

/* ---- the counter ---- */

int numaperf_counter_create(struct numaperf_counter **counter, struct numaperf_topology *topo)
{
	struct numaperf_counter *c;
	void *p;
	int err;

	if (np_sys->alloc(&p, sizeof(*c), 0) < 0)
		return np_fail_memory("counter creation");
	c = p;
	err = numaperf_sharded_create(&c->sharded, topo, (THREADS + 1) * sizeof(struct slot),
				      NULL);
	if (err) {
		np_free(c);
		return err;
	}
	*counter = c;
	return 0;
}

void numaperf_counter_destroy(struct numaperf_counter *c)
{
	if (!c)
		return;
	numaperf_sharded_destroy(c->sharded);
	np_free(c);
}

static inline void add_alone(struct slot *slot, int64_t n)
{
	/* atomic because it is summed meanwhile; wraps */
	__atomic_store_n(&slot->sum, (int64_t)((uint64_t)slot->sum + (uint64_t)n),
			 __ATOMIC_RELAXED);
}

/* The thread's first, or one without a number. */
static __attribute__((noinline, cold)) void add_first(struct slot *shard, int64_t n)
{
	int own = number == UNNUMBERED ? take_number() : number;

	if (own < THREADS)
		add_alone(&shard[own], n);
	else
		__atomic_fetch_add(&shard[own].sum, n, __ATOMIC_RELAXED);
}

void numaperf_counter_add(struct numaperf_counter *c, int64_t n)
{
	struct slot *shard = np_shard_here(c->sharded);
	unsigned int own = (unsigned int)number;

	if (np_likely(own < THREADS))
		add_alone(&shard[own], n);
	else
		add_first(shard, n);
}

static uint64_t sum_of(const struct slot *slot)
{
	uint64_t sum = 0;

	for (int i = 0; slot && i <= THREADS; i++)
		sum += (uint64_t)__atomic_load_n(&slot[i].sum, __ATOMIC_RELAXED);
	return sum;
}

int64_t numaperf_counter_sum(const struct numaperf_counter *c)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < numaperf_sharded_count(c->sharded); i++)
		sum += sum_of(numaperf_sharded_at(c->sharded, i, NULL));
	return (int64_t)sum;
}

int64_t numaperf_counter_node_sum(const struct numaperf_counter *c, int node)
{
	return (int64_t)sum_of(numaperf_sharded_node(c->sharded, node));
}

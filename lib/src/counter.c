// SPDX-License-Identifier: MIT
/*
 * Counters: a shard a node, in it a part a thread. A thread adds to the part with its number,
 * of the shard that it runs on: nobody else writes there, so a load and a store do. That it may
 * be moved between looking where it is and adding only puts the sum of this once on the other
 * node. Threads without a number of their own add atomically to a part for all.
 */
#include <numaperf/sharded.h>

#include "base.h"
#include "sharded.h"
#include "slot.h"
#include "sys.h"
#include "util.h"

struct part {
	int64_t sum np_aligned;
};

struct numaperf_counter {
	struct numaperf_sharded *sharded; /* struct part [NP_SLOTS + 1] */
};

int numaperf_counter_create(struct numaperf_counter **counter, struct numaperf_topology *topo)
{
	struct numaperf_counter *c;
	void *p;
	int err;

	if (np_sys->alloc(&p, sizeof(*c), 0) < 0)
		return np_fail_memory("counter creation");
	c = p;
	err = numaperf_sharded_create(&c->sharded, topo, (NP_SLOTS + 1) * sizeof(struct part),
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

static inline void add_alone(struct part *part, int64_t n)
{
	/* atomic because it is summed meanwhile; wraps */
	__atomic_store_n(&part->sum, (int64_t)((uint64_t)part->sum + (uint64_t)n),
			 __ATOMIC_RELAXED);
}

/* The thread's first, or one without a number. */
static __attribute__((noinline, cold)) void add_first(struct part *shard, int64_t n)
{
	unsigned int own = np_slot_take();

	if (own < NP_SLOTS)
		add_alone(&shard[own], n);
	else
		__atomic_fetch_add(&shard[own].sum, n, __ATOMIC_RELAXED);
}

void numaperf_counter_add(struct numaperf_counter *c, int64_t n)
{
	struct part *shard = np_shard_here(c->sharded);
	unsigned int own = np_slot();

	if (np_likely(own < NP_SLOTS))
		add_alone(&shard[own], n);
	else
		add_first(shard, n);
}

static uint64_t sum_of(const struct part *part)
{
	uint64_t sum = 0;

	for (int i = 0; part && i <= NP_SLOTS; i++)
		sum += (uint64_t)__atomic_load_n(&part[i].sum, __ATOMIC_RELAXED);
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

// SPDX-License-Identifier: MIT
/*
 * Weighted interleaving. The machine's weights are the kernel's to follow (Linux 6.9). For
 * one's own there is no call: the range is split into stretches of one node each. Their bytes
 * are counted out first, by largest remainder, so that every node has its share to the page,
 * and then dealt in rounds, so that any large part of the range has the same mixture.
 */
#include "base.h"
#include "placement.h"
#include "region.h"
#include "sys.h"
#include "util.h"

#include <errno.h>
#include <numaif.h>
#include <stdio.h>

/* Each stretch is a mapping, of which a process has 65530 (vm.max_map_count). */
#define ROUNDS_MAX 64

static bool own_weights(const struct numaperf_region *r)
{
	NUMAPERF_NODEMASK_FOR_EACH (node, &r->opts.nodes)
		return r->opts.weights[node];
	return false;
}

/* The machine's weight of a node; 1: the kernel has none. */
static uint8_t machine_weight(int root, int node)
{
	char path[96];
	int64_t weight;

	snprintf(path, sizeof(path), "sys/kernel/mm/mempolicy/weighted_interleave/node%d",
		 node);
	if (root < 0 || np_read_number(root, path, &weight) || weight < 1 || weight > 255)
		return 1;
	return (uint8_t)weight;
}

/* Whether the kernel has the policy: by doing, on a page of no account. */
static bool kernel_weighs(const struct numaperf_nodemask *nodes)
{
	void *page;
	int err;

	if (np_sys->reserve(&page, np_page_size()) < 0)
		return false;
	err = np_sys->mbind(page, np_page_size(), NP_MPOL_WEIGHTED_INTERLEAVE, nodes->bits,
			    ARRAY_SIZE(nodes->bits), 0);
	np_sys->unmap(page, np_page_size());
	return err >= 0 || err != -EINVAL;
}

int np_region_weigh(struct numaperf_region *r)
{
	bool own = own_weights(r);
	int root;

	memset(r->weights, 0, sizeof(r->weights));
	if (r->opts.policy == NUMAPERF_POLICY_INTERLEAVE)
		NUMAPERF_NODEMASK_FOR_EACH (node, &r->nodes)
			r->weights[node] = 1;
	if (r->opts.policy != NUMAPERF_POLICY_WEIGHTED_INTERLEAVE)
		return 0;
	root = own ? -1 : np_sys->open_root(NULL);
	NUMAPERF_NODEMASK_FOR_EACH (node, &r->nodes)
		r->weights[node] = own ? r->opts.weights[node] : machine_weight(root, node);
	if (root >= 0)
		np_sys->close(root);
	if (!own && kernel_weighs(&r->nodes))
		return 0;
	if (!own)
		np_log(NUMAPERF_LOG_INFO, "region: this kernel has no weighted interleaving "
					  "(6.9 has): the range is split instead");
	return np_region_spread(r, NULL);
}

struct deal {
	size_t unit, units;
	unsigned int nodes;
	int node[NUMAPERF_NODES_MAX];
	size_t quota[NUMAPERF_NODES_MAX]; /* units for each, by place */
};

/* Units by largest remainder. What a node has beyond its share cannot be taken from it here:
 * the others then share what there is. */
static void count_out(const struct numaperf_region *r, const size_t *has, struct deal *d)
{
	uint64_t sum = 0, all = d->units, given = 0;

	NUMAPERF_NODEMASK_FOR_EACH (node, &r->nodes) {
		d->node[d->nodes++] = node;
		sum += r->weights[node];
		all += has ? has[node] / d->unit : 0;
	}
	for (unsigned int i = 0; i < d->nodes; i++) {
		uint64_t mine = has ? has[d->node[i]] / d->unit : 0;
		uint64_t want =
			(uint64_t)((unsigned __int128)all * r->weights[d->node[i]] / sum);

		d->quota[i] = want > mine ? want - mine : 0;
		given += d->quota[i];
	}
	/* one more, or one less, to who is furthest from its share */
	while (given != d->units) {
		bool more = given < d->units;
		double best = 0;
		int at = -1;

		for (unsigned int i = 0; i < d->nodes; i++) {
			double have = (double)d->quota[i] +
				      (has ? (double)has[d->node[i]] / (double)d->unit : 0);
			double off = (double)all * r->weights[d->node[i]] / (double)sum - have;

			if (!more && !d->quota[i])
				continue;
			off = more ? off : -off;
			if (at < 0 || off > best) {
				best = off;
				at = (int)i;
			}
		}
		d->quota[at] += more ? 1 : (size_t)-1;
		given += more ? 1 : (uint64_t)-1;
	}
}

static int reserve_stretches(struct numaperf_region *r, size_t count)
{
	void *p;

	if (np_sys->alloc(&p, count * sizeof(*r->stretches), 0) < 0)
		return np_fail_memory(r->operation);
	r->stretches = p;
	r->stretch_count = 0;
	return 0;
}

int np_region_spread(struct numaperf_region *r, const size_t *has)
{
	size_t huge = r->opts.thp == NUMAPERF_THP_ON ? np_huge_page_transparent() : r->page;
	size_t rounds = ROUNDS_MAX, at = 0;
	struct deal d = { .unit = r->size >= huge * 16 ? MAX(huge, r->page) : r->page };
	int err;

	d.units = r->size / d.unit;
	count_out(r, has, &d);
	for (unsigned int i = 0; i < d.nodes; i++)
		if (d.quota[i])
			rounds = MIN(rounds, d.quota[i]);
	err = reserve_stretches(r, rounds * d.nodes + 1);
	if (err)
		return err;
	for (size_t k = 0; k < rounds; k++)
		for (unsigned int i = 0; i < d.nodes; i++) {
			size_t units = d.quota[i] * (k + 1) / rounds - d.quota[i] * k / rounds;

			if (!units)
				continue;
			r->stretches[r->stretch_count++] = (struct np_stretch){
				.offset = at,
				.length = units * d.unit,
				.node = d.node[i],
			};
			at += units * d.unit;
		}
	/* the end of a range that is no number of huge pages */
	if (at < r->size && r->stretch_count)
		r->stretches[r->stretch_count - 1].length += r->size - at;
	return 0;
}

size_t np_region_share(const struct numaperf_region *r, int node)
{
	size_t pages = r->size / r->page, share = 0;
	uint64_t sum = 0;

	for (size_t i = 0; i < r->stretch_count; i++)
		share += r->stretches[i].node == node ? r->stretches[i].length : 0;
	if (r->stretch_count)
		return share;
	NUMAPERF_NODEMASK_FOR_EACH (n, &r->nodes)
		sum += r->weights[n];
	return sum ? (size_t)((unsigned __int128)pages * r->weights[node] / sum) * r->page : 0;
}

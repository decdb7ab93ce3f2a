/* SPDX-License-Identifier: MIT */
/*
 * Rank 4: the inside of a region, shared by region.c (its life) and the files region_*.c, one a
 * step of it: options, require (what can be known beforehand), map, huge, file, weights,
 * policy, fault (who touches the pages), prove, resize, move.
 *
 * Each step takes a region and speaks in the name of its `operation`, so that a resize can run
 * them over a copy of the region whose data and size are the new part.
 */
#ifndef NP_REGION_H
#define NP_REGION_H

#include "sys.h"

#include <numaperf/region.h>

#define NP_REGION_OPERATION "region creation"

/* A part of a region whose pages belong on one node. */
struct np_stretch {
	size_t offset, length;
	int node;
};

struct numaperf_region {
	uint32_t refs;
	const char *operation;
	struct numaperf_region_opts opts; /* as asked for; the name is `name` */
	struct numaperf_nodemask nodes;	  /* those of opts.nodes that may be used */
	void *data;
	size_t size;
	size_t page; /* of the mapping: a huge page's size or the base page's */
	size_t room; /* bytes from `data` on that are ours, used or set aside */
	/* The mapping has a page without access on either side, so that the kernel never makes
	 * one mapping of ours and a neighbour: numa_maps counts whole mappings. */
	void *base;
	size_t length;

	uint8_t weights[NUMAPERF_NODES_MAX]; /* in force, of `nodes`; not interleaved: zero */
	struct np_stretch *stretches; /* of one's own weights; NULL: one policy for all */
	size_t stretch_count;

	bool policy_set; /* false: the kernel refused it (soft) */
	bool balanced, homed;
	bool guarded; /* against collapse */
	bool file, shared;
	bool policy_ignored; /* shared, of a file whose pages are the page cache's */
	size_t locked;
	uint64_t guarantee;
	char name[80]; /* "": none */
};

static inline bool np_region_strict(const struct numaperf_region *r)
{
	return r->opts.mode != NUMAPERF_SOFT;
}

/* Whether a node's share of the pages is part of what was asked for. */
static inline bool np_region_interleaved(const struct numaperf_region *r)
{
	return r->opts.policy == NUMAPERF_POLICY_INTERLEAVE ||
	       r->opts.policy == NUMAPERF_POLICY_WEIGHTED_INTERLEAVE;
}

static inline bool np_region_huge(const struct numaperf_region *r)
{
	return r->opts.huge_page_size && r->page == r->opts.huge_page_size;
}

/* A node's part of what `base` says: "sys/devices/system/node/node3/" and then a path. */
#define NP_NODE_PATH "sys/devices/system/node/node%d/%s"

/* Another descriptor's pages in a region. */
struct np_region_file {
	int fd;
	uint64_t offset;
	enum numaperf_sharing sharing;
	struct np_file_info info;
};

/* ---- region_options.c ---- */

/* What is wrong with them whatever the machine. 0 or an error with its record. */
int np_region_check_opts(const struct numaperf_region_opts *o, size_t size);
int np_region_check_file(const struct numaperf_region_opts *o, size_t *size,
			 struct np_region_file *file);

/* ---- region_weights.c ---- */

/* r->weights, and the stretches where the kernel is not to do it. 0 or an error. */
int np_region_weigh(struct numaperf_region *r);

/*
 * The stretches of `r`, whose shares count together with the bytes that each node `has` already
 * (NULL: none). 0 or an error with its record.
 */
int np_region_spread(struct numaperf_region *r, const size_t *has);

/* Bytes of it that belong on `node`; of a region that is interleaved. */
size_t np_region_share(const struct numaperf_region *r, int node);

/* ---- region_map.c ---- */

/* Address space and memory; file NULL: anonymous. What is there on failure, np_region_unmap()
 * gives back. 0 or an error with its record. */
int np_region_map(struct numaperf_region *r, const struct np_region_file *file);
void np_region_unmap(struct numaperf_region *r);

/* Only the address space, into base, length, data and room. 0 or an error with its record; and
 * what is to be given back of it once [data, data + size) is a hole. */
int np_region_reserve(struct numaperf_region *r);
void np_region_unmap_around(struct numaperf_region *r);

/* Gives [data, data + size) memory: within address space of ours. 0 or an error. */
int np_region_map_part(struct numaperf_region *r);

/* Name, fork, huge pages: the advice that goes with the mapping. 0 or an error. */
int np_region_advise(struct numaperf_region *r);

/* Keeps it in memory, if asked to. 0 or an error with its record. */
int np_region_lock(struct numaperf_region *r);

/* A strict one, once proved: neither KSM nor a collapse may move its pages. */
void np_region_guard(struct numaperf_region *r);

/* ---- region_huge.c ---- */

/* The size of a transparent huge page. */
size_t np_huge_page_transparent(void);

/* Whether this machine has explicit huge pages of that size. 0 or an error with its record. */
int np_huge_page_require_size(size_t size);

/* Whether the nodes' reservation has what the region wants. 0 or an error with its record. */
int np_region_require_huge(const struct numaperf_region *r, const size_t *has);

/* ---- region_policy.c ---- */

enum np_step {
	NP_PREFER,  /* what cannot be had there comes from elsewhere */
	NP_ENFORCE, /* as asked for */
};

/* The region's policy, by mbind(2) with `flags`. 0 or -errno. */
int np_region_set_policy(struct numaperf_region *r, enum np_step step, unsigned int flags);

/* Soft: nodes, policy and prefault, as far as they can be had. 0 or an error. */
int np_region_place_soft(struct numaperf_region *r);

/* Those of opts.nodes that may be used, with a warning about the others. 0 or an error. */
int np_region_choose_nodes(struct numaperf_region *r);

/* ---- region_fault.c ---- */

/* Faults every page in, by opts.prefault, under whatever policy the mapping has. 0 or an error
 * with its record. */
int np_region_fault(struct numaperf_region *r);

/* ---- region_require.c ---- */

/* Before anything is touched: nodes, budget. `has`: bytes that are on each node already; NULL:
 * none. 0 or an error with its record. */
int np_region_require(struct numaperf_region *r, const size_t *has);

/* ---- region_prove.c ---- */

/* Faults in, binds and looks every page up. 0 or an error with its record. */
int np_region_prove(struct numaperf_region *r);

/* Looks every page up: on its nodes, by its shares, none missing. 0 or an error. */
int np_region_prove_placed(struct numaperf_region *r);

/* mbind(2) was refused with `err`: the error with its record. */
int np_region_fail_policy(const struct numaperf_region *r, int err);

/* numaperf_region_check(), for regions with nodes to check against. */
int np_region_recheck(const struct numaperf_region *r);

/* ---- region.c ---- */

/* Enters what a strict region promises of its pages, in the name of `owner`; soft: nothing. 0
 * or an error. */
int np_region_promise(const struct numaperf_region *r, const void *owner, uint64_t *id);

/* The guarantee of a region that was suspended, as it is now. */
void np_region_promise_again(struct numaperf_region *r);

#endif

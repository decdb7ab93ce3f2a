/* SPDX-License-Identifier: MIT */
/*
 * Rank 2: the registry of what was promised. Strict objects enter their guarantees here when
 * they are created and take them out when they go; a monitor subscribes and is told of all that
 * are in force and of every later change. Neither knows the other.
 */
#ifndef NP_GUARANTEE_H
#define NP_GUARANTEE_H

#include <numaperf/mask.h>

enum np_guarantee_kind {
	NP_GUARANTEE_CPUS = 1, /* thread `tid` stays on `cpus` */
	NP_GUARANTEE_PAGES,    /* pages of [addr, addr + length) stay on `nodes` */
};

struct np_guarantee {
	enum np_guarantee_kind kind;
	enum numaperf_mode mode; /* NUMAPERF_STRICT or NUMAPERF_STRICT_UNWITNESSED */
	uint64_t id;		 /* given by the registry; never 0, never used twice */
	const void *owner;	 /* the executor, region, pin or thread; only to be compared */
	char label[48];		 /* for people: "worker 3 (node 1)" */
	int tid;
	struct numaperf_cpuset cpus;
	void *addr;
	size_t length;
	struct numaperf_nodemask nodes;
};

/*
 * Enters a copy of `g` and returns its id through *id. 0 or -ENOMEM (record filled): an object
 * that cannot be entered must not be created. Entries belong to the process that made them: a
 * forked child starts with an empty registry.
 */
int np_guarantee_enter(const struct np_guarantee *g, uint64_t *id);

/* Takes it out; 0 and unknown ids are ignored. */
void np_guarantee_leave(uint64_t id);

/*
 * It is about to be changed by its owner: subscribers are told that it is gone, and _resume
 * enters `g` in its place, under a new id, which it returns; it cannot fail. 0 and unknown ids
 * are ignored.
 */
void np_guarantee_suspend(uint64_t id);
uint64_t np_guarantee_resume(uint64_t id, const struct np_guarantee *g);

/* `gone` false: it is in force; true: it has ended. Called under the registry's lock: it must
 * not call the registry. `g` lives as long as the call. */
typedef void (*np_guarantee_fn)(void *ctx, const struct np_guarantee *g, bool gone);

/* The object itself ends, promises or not: its counters are read now or never. Called as above.
 */
typedef void (*np_owner_gone_fn)(void *ctx, const void *owner);

struct np_guarantee_subscriber {
	np_guarantee_fn fn;
	np_owner_gone_fn owner_gone; /* or NULL */
	void *ctx;
	struct np_guarantee_subscriber *next;
};

/* The storage is the subscriber's. _subscribe calls fn for each guarantee in force before it
 * returns; after _unsubscribe has returned fn is not called any more. */
void np_guarantee_subscribe(struct np_guarantee_subscriber *s);
void np_guarantee_unsubscribe(struct np_guarantee_subscriber *s);

/* `owner` is about to be freed: subscribers are told. */
void np_guarantee_owner_gone(const void *owner);

/* How many are in force. */
size_t np_guarantee_count(void);

#endif

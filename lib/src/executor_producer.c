// SPDX-License-Identifier: MIT
/*
 * Which lanes the calling thread pushes into. A thread that submits takes a number among the
 * executor's producers and keeps it; the lanes of that number are then its own. A thread that
 * ends gives nothing back, since it may end long after the executor: its number is taken over
 * when another thread finds no free one and this one gone, or happens to have its id.
 */
#include "sys.h"
#include "worker.h"

#include <errno.h>

/* After so many submits a thread that found none looks again. */
#define RETRY 1024

__thread struct np_found np_found[NP_FOUND];

static __thread uint32_t nth_thread __attribute__((tls_model("initial-exec")));
static uint32_t threads;

static uint64_t own_id(void)
{
	if (!nth_thread)
		nth_thread = __atomic_add_fetch(&threads, 1, __ATOMIC_RELAXED);
	return (uint64_t)nth_thread << 32 | (uint32_t)np_gettid();
}

static bool take_over(struct np_owner *owner, uint64_t from, uint64_t id)
{
	/* acquire and release: its lanes' fields pass from one producer to the next */
	return __atomic_compare_exchange_n(&owner->id, &from, id, false, __ATOMIC_ACQ_REL,
					   __ATOMIC_RELAXED);
}

static bool gone(uint64_t id, uint64_t own)
{
	return (uint32_t)id == (uint32_t)own ||
	       np_sys->thread_alive((int)(uint32_t)id) == -ESRCH;
}

/* First among those that are free or this thread's, then among those whose thread is gone. */
static unsigned int claim(struct np_producers *p, unsigned int lanes, uint64_t own)
{
	for (int look = 0; look < 2; look++) {
		for (unsigned int i = 0; i < lanes; i++) {
			struct np_owner *owner = &p->owner[i];
			uint64_t id = __atomic_load_n(&owner->id, __ATOMIC_ACQUIRE);

			if (id == own ||
			    ((look ? gone(id, own) : !id) && take_over(owner, id, own))) {
				uint32_t used = __atomic_load_n(&p->used, __ATOMIC_RELAXED);

				while (used <= i && !__atomic_compare_exchange_n(
							    &p->used, &used, i + 1, true,
							    __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
					;
				np_fence(); /* see np_queue_seal() */
				return i;
			}
		}
	}
	return lanes;
}

unsigned int np_producer_find(struct numaperf_executor *exec)
{
	struct np_found *f = &np_found[exec->serial % NP_FOUND];

	if (f->serial == exec->serial && f->left--)
		return f->number;
	f->serial = exec->serial;
	f->number = claim(&exec->producers, exec->lanes, own_id());
	f->left = RETRY;
	return f->number;
}

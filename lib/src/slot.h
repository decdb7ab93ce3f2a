/* SPDX-License-Identifier: MIT */
/*
 * Rank 2: a small number for each thread of the process, its own while it lives: the index of
 * what every thread has one of. Handed out at a thread's first question; it comes back when the
 * thread ends, and the next owner goes on with what stands there. A thread that finds none free
 * shares what has the number NP_SLOTS with others of its kind.
 */
#ifndef NP_SLOT_H
#define NP_SLOT_H

#include "util.h"

enum {
	NP_SLOTS = 512, /* of the process, for all that is indexed by them */
	NP_SLOT_UNASKED = -1,
};

extern __thread int np_slot_number
	__attribute__((tls_model("initial-exec"), visibility("hidden")));

/* The same as np_slot(), of a thread that has not asked yet, too. */
unsigned int np_slot_take(void);

/* Below NP_SLOTS: the caller's own. NP_SLOTS: it has none. More: it has not asked yet; then
 * np_slot_take(), on a path that need not be fast. */
static inline unsigned int np_slot(void)
{
	return (unsigned int)np_slot_number;
}

#endif

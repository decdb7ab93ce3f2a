/* SPDX-License-Identifier: MIT */
/*
 * Holds processes to what they promise: reads their promises again and again and gives each new
 * one to a monitor. A promise counts when two readings in a row have it, so that a program may
 * set itself up, and from then on it is the first one that counts: a thread that is pinned
 * elsewhere later, by whomever, has broken it.
 */
#ifndef HOLD_H
#define HOLD_H

#include "promise.h"

/* One process, while it lives under its number. */
struct hold_process {
	int pid;
	unsigned long long born; /* start time: tells it from a later one of the same number */
	bool root;		 /* asked for, not a child that was found */
	bool gone;
	bool closed;		/* it cannot be read, and that has been counted */
	struct promises before; /* the last reading */
	struct promises held;	/* what is watched */
};

struct hold {
	struct numaperf_monitor *monitor;
	const struct promise_rules *rules;
	struct hold_process *process;
	size_t processes, room;
	size_t threads, ranges; /* promises that were given to the monitor */
	size_t missed;		/* promises and processes that could not be watched */
	char missed_why[256];	/* the first of them */
};

/* A process to be held, before the first refresh. 0; -ESRCH; -ENOMEM. */
int hold_add(struct hold *hold, int pid);

/*
 * Takes the present promises as a first reading, so that the next hold_refresh() holds what has
 * stayed. 0 or -errno as promises_read(), of process *pid.
 */
int hold_preview(struct hold *hold, int *pid);

/* Reads all again, children included, and watches what is new. 0 or -ENOMEM. */
int hold_refresh(struct hold *hold);

/* Whether one of the processes asked for still runs, by the last look. */
bool hold_alive(struct hold *hold);

void hold_free(struct hold *hold);

#endif

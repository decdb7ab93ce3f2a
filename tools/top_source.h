/* SPDX-License-Identifier: MIT */
/* Where frames come from: this machine (top_collect.c), or a recording of one (top_record.c).
 */
#ifndef TOP_SOURCE_H
#define TOP_SOURCE_H

#include "top_frame.h"

struct top_source {
	/*
	 * A frame of now; of a recording, the one behind the last. 0, and the caller owns it;
	 * 1: the recording is at its end; -errno, `error` says what and why.
	 */
	int (*next)(struct top_source *source, struct top_frame **frame);

	/* From the next frame on, this process is looked into: its regions, and the affinity of
	 * its threads. 0: nobody's. A recording has what was recorded. */
	void (*look_into)(struct top_source *source, int pid);

	/* Recordings only (else NULL): the next frame is the last one not behind `seconds` of
	 * its beginning, or the first; the newest 1000 events from before it are in it, too.
	 * 0 or -errno. */
	int (*seek)(struct top_source *source, double seconds);
	double (*length)(const struct top_source *source); /* in seconds */
	uint64_t begin_ns;				   /* mono_ns of its first frame */

	/* Polls readable when something has happened that should be shown before the interval
	 * is over; -1: nothing does. */
	int fd;

	char error[512];

	void (*close)(struct top_source *source); /* frees it */
};

#endif

/* SPDX-License-Identifier: MIT */
/* The screen: the only file that knows curses. */
#ifndef TOP_VIEW_H
#define TOP_VIEW_H

#include "top_source.h"

struct top_view_opts {
	double interval;
	int node;    /* begin with this node only; -1: all */
	int pid;     /* begin with this process; 0 */
	bool ascii;  /* no characters beyond ASCII */
	bool colour; /* NO_COLOR and --no-color */
	bool replay;
	double at; /* of a recording: begin at this second, paused; below 0: at its beginning */
	int signals; /* polls readable when somebody wants it to end */
	/* every frame is given to it, too: 0, or -errno with a text in `error` ends the screen
	 */
	int (*keep)(void *keeper, const struct top_frame *frame, char *error, size_t size);
	void *keeper;
};

/* Shows until the user leaves, or a signal comes. 0, or -errno with a text in `error`; the
 * terminal is as it was.
 */
int top_view_run(struct top_source *source, const struct top_view_opts *opts, char *error,
		 size_t size);

#endif

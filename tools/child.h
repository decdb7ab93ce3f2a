/* SPDX-License-Identifier: MIT */
/*
 * A command that the tool starts and watches from its first instruction on: it is forked and
 * waits, the tool gets ready, and then it becomes the command.
 */
#ifndef CHILD_H
#define CHILD_H

#include "tool.h"

#include <signal.h>

/* As shells have it: what `command` would exit with. */
enum {
	CHILD_NOT_EXECUTABLE = 126,
	CHILD_NOT_FOUND = 127,
};

struct child {
	char **command;
	int pid;	/* of the command, kept after its end; 0: not started */
	bool ended;	/* it was waited for */
	int status;	/* then, by waitpid(2) */
	sigset_t mask;	/* the signal mask that it gets */
	int go, failed; /* pipes to and from it while it waits; -1 */
};

/* In the child, before it becomes the command: 0, or a line that says why it must not. */
typedef int (*child_prepare_fn)(void *ctx, char *why, size_t size);

#define CHILD_INIT       \
 {                       \
  .go = -1, .failed = -1 \
 }

/*
 * Blocks the signals that end the tool's work, and SIGCHLD, here; c->mask is what was before.
 * A signalfd that tells of them, or -1 after an error.
 */
int child_take_signals(const struct tool_command *cmd, struct child *c);

/* Forks it; it waits. `prepare` may be NULL. TOOL_OK, or TOOL_FAILED after an error. */
int child_start(const struct tool_command *cmd, struct child *c, child_prepare_fn prepare,
		void *ctx);

/*
 * Lets it go on: prepare, then the command. TOOL_OK; or after an error CHILD_NOT_FOUND or
 * CHILD_NOT_EXECUTABLE, or what `prepare` returned.
 */
int child_release(const struct tool_command *cmd, struct child *c);

/* Whether it has ended meanwhile. */
bool child_reap(struct child *c);

/* "exit status 3", "killed by SIGTERM", "still running": on the heap, or NULL. */
char *child_outcome(const struct child *c);

/* "ended", "exit_status" and "signal" into a JSON object. */
void child_put_outcome(const struct child *c, json_t *object);

/* Closes the pipes; one that still waits ends by that. */
void child_close(struct child *c);

#endif

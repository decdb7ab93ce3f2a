/* SPDX-License-Identifier: MIT */
#include "run_trace.h"

#include "promise.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

int run_trace_begin(int pid)
{
	/* children are traced, too, and threads: each of them has an end of its own */
	unsigned long options = PTRACE_O_TRACEEXIT | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
				PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC;

	return ptrace(PTRACE_SEIZE, pid, NULL, options) ? -errno : 0;
}

/* The process that a thread belongs to, or 0. */
static int process_of(int tid)
{
	char *text = promise_slurp("/proc/%d/status", tid);
	const char *at = text ? strstr(text, "\nTgid:") : NULL;
	int pid = at ? atoi(at + strlen("\nTgid:")) : 0;

	free(text);
	return pid;
}

static bool stops(int sig)
{
	return sig == SIGSTOP || sig == SIGTSTP || sig == SIGTTIN || sig == SIGTTOU;
}

static void go_on(int tid, int status, run_trace_fn ending, void *ctx)
{
	int event = status >> 16, sig = WSTOPSIG(status);

	switch (event) {
	case 0: /* a signal that is to be delivered */
		ptrace(PTRACE_CONT, tid, NULL, (long)sig);
		return;
	case PTRACE_EVENT_STOP:
		/* a group stop lasts until SIGCONT; anything else is a tracee's first stop */
		ptrace(stops(sig) ? PTRACE_LISTEN : PTRACE_CONT, tid, NULL, 0L);
		return;
	case PTRACE_EVENT_EXIT:
		if (process_of(tid) == tid)
			ending(ctx, tid);
		break;
	default:
		break;
	}
	ptrace(PTRACE_CONT, tid, NULL, 0L);
}

bool run_trace_serve(struct child *c, run_trace_fn ending, void *ctx)
{
	int status, tid;

	while ((tid = waitpid(-1, &status, __WALL | WNOHANG)) > 0) {
		if (WIFSTOPPED(status)) {
			go_on(tid, status, ending, ctx);
		} else if (tid == c->pid && (WIFEXITED(status) || WIFSIGNALED(status))) {
			c->status = status;
			c->ended = true;
			break;
		}
	}
	return c->ended;
}

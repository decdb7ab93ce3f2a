/* SPDX-License-Identifier: MIT */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the child says when it does not become the command. */
struct failure {
	int err;     /* of execvp(3); 0: `prepare` has refused */
	int refused; /* what it returned */
	char why[1024];
};

int child_take_signals(const struct tool_command *cmd, struct child *c)
{
	static const int taken[] = { SIGINT, SIGTERM, SIGALRM, SIGHUP, SIGCHLD };
	sigset_t set;
	int fd;

	signal(SIGCHLD, SIG_DFL); /* ignored, it would take the command's status away */
	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
		sigaddset(&set, taken[i]);
	sigprocmask(SIG_BLOCK, &set, &c->mask);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		tool_error(cmd, "cannot wait for signals: %s", strerror(errno));
	return fd;
}

static void wait_for_go(int go)
{
	char byte;
	ssize_t got;

	while ((got = read(go, &byte, 1)) < 0)
		if (errno != EINTR)
			_exit(CHILD_NOT_FOUND);
	/* the tool has ended: there is nothing to become any more */
	if (!got)
		_exit(CHILD_NOT_FOUND);
	close(go);
}

static void become(const struct child *c, int failed, child_prepare_fn prepare, void *ctx)
{
	struct failure failure = { .err = 0 };

	if (prepare)
		failure.refused = prepare(ctx, failure.why, sizeof(failure.why));
	if (!failure.refused) {
		sigprocmask(SIG_SETMASK, &c->mask, NULL);
		execvp(c->command[0], c->command);
		failure.err = errno;
	}
	if (write(failed, &failure, sizeof(failure)) < 0)
		_exit(CHILD_NOT_FOUND);
	_exit(CHILD_NOT_FOUND);
}

int child_start(const struct tool_command *cmd, struct child *c, child_prepare_fn prepare,
		void *ctx)
{
	int go[2], failed[2], pid, err;

	if (pipe2(go, O_CLOEXEC))
		goto error;
	if (pipe2(failed, O_CLOEXEC)) {
		close(go[0]);
		close(go[1]);
		goto error;
	}
	fflush(NULL);
	pid = fork();
	err = errno;
	if (pid == 0) {
		close(go[1]);
		close(failed[0]);
		wait_for_go(go[0]);
		become(c, failed[1], prepare, ctx);
	}
	close(go[0]);
	close(failed[1]);
	c->go = go[1];
	c->failed = failed[0];
	if (pid > 0) {
		c->pid = pid;
		return TOOL_OK;
	}
	errno = err;
error:
	tool_error(cmd, "cannot start '%s': %s", c->command[0], strerror(errno));
	return TOOL_FAILED;
}

static int say_failure(const struct tool_command *cmd, const struct child *c,
		       const struct failure *failure)
{
	const char *name = c->command[0];

	if (failure->refused) {
		tool_error(cmd, "%s", failure->why);
		return failure->refused;
	}
	if (failure->err == ENOENT && !strchr(name, '/'))
		tool_error(cmd, "cannot run '%s': no such command in PATH%s", name,
			   strspn(name, "0123456789") == strlen(name)
				   ? "; a process is given as -p PID to verify"
				   : "");
	else
		tool_error(cmd, "cannot run '%s': %s", name, strerror(failure->err));
	return failure->err == ENOENT ? CHILD_NOT_FOUND : CHILD_NOT_EXECUTABLE;
}

int child_release(const struct tool_command *cmd, struct child *c)
{
	struct failure failure = { .err = 0 };
	ssize_t got = 0;

	if (write(c->go, "", 1) != 1) {
		tool_error(cmd, "'%s' is gone before it began: %s", c->command[0],
			   strerror(errno));
		return CHILD_NOT_EXECUTABLE;
	}
	do
		got = read(c->failed, &failure, sizeof(failure));
	while (got < 0 && errno == EINTR);
	/* nothing: the pipe was closed by the exec */
	return got == sizeof(failure) ? say_failure(cmd, c, &failure) : TOOL_OK;
}

bool child_reap(struct child *c)
{
	if (c->pid > 0 && !c->ended && waitpid(c->pid, &c->status, WNOHANG) == c->pid)
		c->ended = true;
	return c->ended;
}

char *child_outcome(const struct child *c)
{
	if (!c->ended)
		return strdup("still running");
	if (WIFSIGNALED(c->status))
		return tool_printf("killed by SIG%s", sigabbrev_np(WTERMSIG(c->status)));
	return tool_printf("exit status %d", WEXITSTATUS(c->status));
}

void child_put_outcome(const struct child *c, json_t *object)
{
	bool exited = c->ended && WIFEXITED(c->status);
	bool killed = c->ended && WIFSIGNALED(c->status);

	tool_put(object, "ended", json_boolean(c->ended));
	tool_put(object, "exit_status",
		 exited ? json_integer(WEXITSTATUS(c->status)) : json_null());
	tool_put(object, "signal", killed ? json_integer(WTERMSIG(c->status)) : json_null());
}

void child_close(struct child *c)
{
	if (c->go >= 0)
		close(c->go);
	if (c->failed >= 0)
		close(c->failed);
	c->go = c->failed = -1;
}

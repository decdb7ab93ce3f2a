/* SPDX-License-Identifier: MIT */
/* numaperf <verb>: one file a verb (cmd_<verb>.c), one name a verb in the table. */
#include "tool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct tool_command *const commands[] = {
	&cmd_topology, &cmd_check, &cmd_demo, &cmd_run, &cmd_verify, &cmd_probe, &cmd_bench,
};

enum {
	COMMANDS = sizeof(commands) / sizeof(commands[0])
};

static const struct tool_command *find(const char *name)
{
	for (size_t i = 0; i < COMMANDS; i++)
		if (!strcmp(commands[i]->name, name))
			return commands[i];
	return NULL;
}

static void usage(FILE *to)
{
	fputs("Usage: numaperf VERB [OPTION]...\n"
	      "       numaperf help [VERB]\n"
	      "       numaperf --help | --version\n\n"
	      "Verbs:\n",
	      to);
	for (size_t i = 0; i < COMMANDS; i++)
		fprintf(to, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
	fputs("\nExit status: 0 yes or done, 1 no or failed, 2 wrong command line, "
	      "3 unverified.\n",
	      to);
}

static int unknown(const char *verb)
{
	tool_error(NULL, "'%s' is not a verb; `numaperf --help` lists them", verb);
	return TOOL_MISUSE;
}

static int help(int argc, char **argv)
{
	const struct tool_command *cmd;

	if (argc > 2) {
		tool_error(NULL, "help takes one verb; `numaperf --help` lists them");
		return TOOL_MISUSE;
	}
	if (argc < 2) {
		usage(stdout);
		return TOOL_OK;
	}
	cmd = find(argv[1]);
	if (!cmd)
		return unknown(argv[1]);
	tool_help(cmd);
	return TOOL_OK;
}

static int dispatch(int argc, char **argv)
{
	const struct tool_command *cmd;

	if (argc < 2) {
		tool_error(NULL, "no verb given");
		usage(stderr);
		return TOOL_MISUSE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
		return help(argc - 1, argv + 1);
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		if (argc > 2) {
			tool_error(NULL, "--version stands alone");
			return TOOL_MISUSE;
		}
		printf("numaperf %s\n", numaperf_version());
		return TOOL_OK;
	}
	cmd = find(argv[1]);
	if (!cmd)
		return unknown(argv[1]);
	opterr = 0; /* tool_bad_option() says it */
	return cmd->run(cmd, argc - 1, argv + 1);
}

/*
 * A closed descriptor 0, 1 or 2 would be handed out to the first file that is opened, and what
 * is printed would end there. Taken by /dev/null opened for reading, writing fails and is
 * reported.
 */
static void hold_standard_descriptors(void)
{
	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF &&
		    open("/dev/null", O_RDONLY) != fd)
			_exit(TOOL_FAILED);
}

int main(int argc, char **argv)
{
	int status, failed;

	hold_standard_descriptors();
	status = dispatch(argc, argv);

	/* what was printed counts only when it has arrived: a full disk, a reader gone */
	failed = ferror(stdout);
	errno = 0;
	if (fclose(stdout) || failed) {
		tool_error(NULL, "cannot write to standard output: %s",
			   errno ? strerror(errno) : "an earlier write failed");
		if (status != TOOL_MISUSE)
			status = TOOL_FAILED;
	}
	return status;
}

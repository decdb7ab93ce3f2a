/* SPDX-License-Identifier: MIT */
/*
 * numaperf run: numactl's job, verified. A command is started under a memory policy and an
 * affinity that were read back, looked at while it runs and as it ends, and at its end it is
 * said where its memory was and where its threads ran.
 */
#include "run_report.h"
#include "run_trace.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	REFUSED = 125,	   /* it was not started: timeout(1) and env(1) have the same */
	LOOK_FIRST_MS = 5, /* at the start, doubling until it is the interval */
	LOOK_SHARE = 10,   /* of the time at most one part in this many is spent looking */
};

struct run {
	const struct tool_command *cmd;

	/* the command line */
	struct place_request request;
	double interval;
	const char *output;
	bool json, no_ptrace;

	/* at work */
	struct numaperf_topology *topo;
	struct place place;
	struct child child;
	struct run_sample sample;
	FILE *to;
	int signals;
	bool traced;
	char trace[256]; /* why not */
	double began, looked;
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- while it runs ---- */

static void ending(void *ctx, int pid)
{
	struct run *r = ctx;

	if (run_sample_last(&r->sample, pid))
		tool_error(r->cmd, "out of memory: process %d was not looked at", pid);
	r->looked = now();
}

/* Those that somebody sends to us are for the command; those of the terminal it has had itself.
 */
static void pass_signals(struct run *r)
{
	struct signalfd_siginfo info;

	while (read(r->signals, &info, sizeof(info)) == sizeof(info))
		if (info.ssi_signo != SIGCHLD && info.ssi_code <= 0)
			kill(r->child.pid, (int)info.ssi_signo);
}

static void watch(struct run *r)
{
	struct pollfd waits = { .fd = r->signals, .events = POLLIN };
	double step = LOOK_FIRST_MS / 1e3, next = now() + step;

	while (!run_trace_serve(&r->child, ending, r)) {
		double before = now(), after;

		if (before < next) {
			poll(&waits, 1, (int)((next - before) * 1e3) + 1);
			pass_signals(r);
			continue;
		}
		if (run_sample_look(&r->sample))
			tool_error(r->cmd, "out of memory: not all was looked at");
		r->looked = after = now();
		step = step * 2 < r->interval ? step * 2 : r->interval;
		next = after + (step > (after - before) * LOOK_SHARE
					? step
					: (after - before) * LOOK_SHARE);
	}
}

/* ---- starting it ---- */

/* Whether it would be less than it is when traced: the kernel then ignores these bits. */
static bool gains_privilege(const char *command)
{
	struct stat st;

	return geteuid() && strchr(command, '/') && !stat(command, &st) &&
	       st.st_mode & (S_ISUID | S_ISGID);
}

static void trace(struct run *r)
{
	int err;

	if (r->no_ptrace) {
		snprintf(r->trace, sizeof(r->trace), "--no-ptrace");
		return;
	}
	if (gains_privilege(r->child.command[0])) {
		snprintf(r->trace, sizeof(r->trace),
			 "it is set-user-ID, which a traced program is not");
		return;
	}
	err = run_trace_begin(r->child.pid);
	r->traced = !err;
	if (err)
		snprintf(r->trace, sizeof(r->trace), "ptrace is refused (%s)%s", strerror(-err),
			 err == -EPERM ? "; docker: --cap-add SYS_PTRACE" : "");
}

static int start(struct run *r)
{
	int status;

	if (numaperf_topology_discover(&r->topo)) {
		r->topo = NULL;
		tool_library_error(r->cmd);
		return REFUSED;
	}
	status = place_resolve(&r->place, r->cmd, r->topo, &r->request);
	if (status)
		return status == TOOL_MISUSE ? status : REFUSED;
	r->sample.place = &r->place;
	r->sample.topo = r->topo;
	r->signals = child_take_signals(r->cmd, &r->child);
	if (r->signals < 0 || child_start(r->cmd, &r->child, place_apply, &r->place))
		return REFUSED;
	trace(r);
	r->began = now();
	status = child_release(r->cmd, &r->child);
	if (status)
		return status == TOOL_FAILED ? REFUSED : status;
	if (!run_sample_begin(&r->sample, r->child.pid))
		return TOOL_OK;
	tool_error(r->cmd, "out of memory");
	return REFUSED;
}

/* ---- its end ---- */

static int report(struct run *r)
{
	double end = now();
	struct run_report report = {
		.cmd = r->cmd,
		.place = &r->place,
		.sample = &r->sample,
		.child = &r->child,
		.seconds = end - r->began,
		.unseen = end - r->looked,
		.trace = *r->trace ? r->trace : NULL,
	};
	int failed =
		r->json ? run_report_json(&report, r->to) : run_report_print(&report, r->to);
	enum numaperf_verdict verdict = run_report_verdict(&report);
	int status = WIFSIGNALED(r->child.status) ? 128 + WTERMSIG(r->child.status)
						  : WEXITSTATUS(r->child.status);

	if (failed)
		tool_error(r->cmd, "the report cannot be written: %s", strerror(errno));
	if (status || !r->request.strict)
		return status;
	if (verdict == NUMAPERF_VERDICT_VIOLATED)
		return TOOL_FAILED;
	return verdict == NUMAPERF_VERDICT_UNVERIFIED ? TOOL_UNVERIFIED : TOOL_OK;
}

static void tear_down(struct run *r)
{
	child_close(&r->child);
	run_sample_free(&r->sample);
	place_free(&r->place);
	numaperf_topology_unref(r->topo);
	if (r->signals >= 0)
		close(r->signals);
	if (r->to && r->to != stderr)
		fclose(r->to);
}

/* ---- the command line ---- */

static int take_interval(struct run *r, const char *text)
{
	char *end;

	r->interval = strtod(text, &end);
	if (end != text && !*end && r->interval >= 0.001 && r->interval <= 86400)
		return TOOL_OK;
	tool_error(r->cmd, "--interval '%s': 0.001 to 86400 seconds are wanted", text);
	return TOOL_MISUSE;
}

static int take_option(struct run *r, int opt, char **argv)
{
	switch (opt) {
	case 'n':
		r->request.nodes = optarg;
		return TOOL_OK;
	case 'c':
		r->request.cpus = optarg;
		return TOOL_OK;
	case 'p':
		r->request.policy = optarg;
		return TOOL_OK;
	case 's':
		r->request.strict = true;
		return TOOL_OK;
	case 'o':
		r->output = optarg;
		return TOOL_OK;
	case 'j':
		r->json = true;
		return TOOL_OK;
	case 'T':
		r->no_ptrace = true;
		return TOOL_OK;
	case 'i':
		return take_interval(r, optarg);
	default:
		return tool_bad_option(r->cmd, opt, argv);
	}
}

/* Opened first: a report that could not be written would be found too late. */
static int open_output(struct run *r)
{
	r->to = r->output ? fopen(r->output, "we") : stderr;
	if (r->to)
		return TOOL_OK;
	tool_error(r->cmd, "--output '%s': %s", r->output, strerror(errno));
	return REFUSED;
}

static int run(const struct tool_command *cmd, int argc, char **argv)
{
	static const struct option options[] = {
		{ "nodes", required_argument, NULL, 'n' },
		{ "cpus", required_argument, NULL, 'c' },
		{ "policy", required_argument, NULL, 'p' },
		{ "strict", no_argument, NULL, 's' },
		{ "interval", required_argument, NULL, 'i' },
		{ "output", required_argument, NULL, 'o' },
		{ "json", no_argument, NULL, 'j' },
		{ "no-ptrace", no_argument, NULL, 'T' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct run r = { .cmd = cmd, .interval = 1, .child = CHILD_INIT, .signals = -1 };
	int opt, status = TOOL_OK;

	/* '+': the command's own options are not ours */
	while (!status &&
	       (opt = getopt_long(argc, argv, "+:n:c:p:si:o:jTh", options, NULL)) != -1) {
		if (opt == 'h') {
			tool_help(cmd);
			return TOOL_OK;
		}
		status = take_option(&r, opt, argv);
	}
	if (!status && (optind >= argc || !*argv[optind])) {
		tool_error(cmd, "no command: numaperf run [OPTION]... -- COMMAND; see "
				"`numaperf help run`");
		status = TOOL_MISUSE;
	}
	r.child.command = argv + optind;
	if (!status)
		status = open_output(&r);
	if (!status)
		status = start(&r);
	if (!status) {
		watch(&r);
		status = report(&r);
	}
	tear_down(&r);
	return status;
}

const struct tool_command cmd_run = {
	.name = "run",
	.summary = "a command under a memory policy, and where its memory really was",
	.arguments = "[OPTION]... -- COMMAND [ARGUMENT]...",
	.help = "  -n, --nodes LIST     its memory on these nodes (0,2-3, or all), by "
		"--policy, and\n"
		"                       its threads on their CPUs\n"
		"  -p, --policy POLICY  bind (default), interleave, weighted-interleave, "
		"preferred,\n"
		"                       or local\n"
		"  -c, --cpus LIST      its threads on these CPUs instead; all: wherever\n"
		"  -s, --strict         do not start it unless all of that is in force\n"
		"  -i, --interval S     look at it every S seconds; 1\n"
		"  -o, --output FILE    the report goes there, else to standard error\n"
		"  -j, --json           the report as JSON\n"
		"      --no-ptrace      do not stop it at its end for a last look\n"
		"  -h, --help           this text\n\n"
		"Exit status: the command's; 128+N when a signal N ended it; 127 no such\n"
		"command, 126 it cannot be run, 125 it was not started, 2 wrong command line.\n"
		"With --strict, for a command that would have been 0: 1 violated, 3 "
		"unverified.\n",
	.run = run,
};

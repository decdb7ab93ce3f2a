/* SPDX-License-Identifier: MIT */
/*
 * numaperf verify: does what other programs promised hold? Their pins and bound memory are read
 * from the kernel (hold.c), a monitor watches them, and the report's verdict is the answer.
 */
#include "child.h"
#include "hold.h"
#include "tool.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	READ_AGAIN_MS = 250, /* how often promises are read */
	READ_FIRST_MS = 10,  /* at the start, doubling until it is READ_AGAIN_MS */
	READ_SHARE = 10,     /* of the time at most one part in this many is spent reading */
	RANGES_MAX = 4096,
};

struct verify {
	const struct tool_command *cmd;

	/* the command line */
	int *pid;
	size_t pids;
	double duration;
	unsigned int interval_ms;
	enum numaperf_rung rung_max;
	bool json, quiet;
	struct promise_rules rules;

	/* at work */
	struct numaperf_topology *topo;
	struct numaperf_monitor *monitor;
	struct hold hold;
	struct child child; /* without a command: processes by number */
	int signals;	    /* signalfd; -1 */
	bool ended;	    /* the command, or all processes */
};

static unsigned long long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (unsigned long long)now.tv_sec * 1000 +
	       (unsigned long long)now.tv_nsec / 1000000;
}

/* ---- watching ---- */

/* True: one that asks for the report now. */
static bool read_signals(struct verify *v)
{
	struct signalfd_siginfo info;
	bool asked = false;

	while (read(v->signals, &info, sizeof(info)) == sizeof(info))
		asked |= info.ssi_signo != SIGCHLD;
	v->ended |= child_reap(&v->child);
	return asked;
}

/* The violations that wait, a line each. */
static void print_violations(struct verify *v)
{
	struct numaperf_violation violation = { .sz = sizeof(violation) };

	while (numaperf_monitor_next_violation(v->monitor, &violation) == 1)
		if (!v->quiet)
			tool_error(v->cmd, "violated: %s", violation.message);
}

static void watch(struct verify *v)
{
	unsigned long long now = now_ms(), next = now, began;
	unsigned long long end =
		v->duration > 0 ? now + (unsigned long long)(v->duration * 1000) + 1 : 0;
	unsigned int step = v->child.command ? READ_FIRST_MS : READ_AGAIN_MS;
	struct pollfd waits[] = {
		{ .fd = v->signals, .events = POLLIN },
		{ .fd = numaperf_monitor_fd(v->monitor), .events = POLLIN },
	};

	while (!v->ended && (!end || now < end)) {
		unsigned long long until;

		if (now >= next) {
			began = now;
			if (hold_refresh(&v->hold))
				v->hold.missed++;
			v->ended |= !v->child.command && !hold_alive(&v->hold);
			now = now_ms();
			next = began + step;
			if (next < now + (now - began) * READ_SHARE)
				next = now + (now - began) * READ_SHARE;
			step = step * 2 < READ_AGAIN_MS ? step * 2 : READ_AGAIN_MS;
			continue;
		}
		until = end && end < next ? end : next;
		if (poll(waits, sizeof(waits) / sizeof(waits[0]), (int)(until - now)) < 0 &&
		    errno != EINTR)
			break;
		if (read_signals(v))
			break;
		print_violations(v);
		now = now_ms();
	}
}

/* ---- the answer ---- */

/*
 * What the report says, unless something could not be watched: then it cannot be `held`. *why
 * is NULL when the report's own reasons suffice.
 */
static enum numaperf_verdict judge(const struct verify *v, const struct numaperf_report *report,
				   char **why)
{
	enum numaperf_verdict verdict = numaperf_report_verdict(report);

	*why = NULL;
	if (v->hold.missed && verdict != NUMAPERF_VERDICT_VIOLATED) {
		*why = tool_printf("%zu could not be watched: %s", v->hold.missed,
				   *v->hold.missed_why ? v->hold.missed_why : "out of memory");
		return NUMAPERF_VERDICT_UNVERIFIED;
	}
	if (verdict == NUMAPERF_VERDICT_NONE)
		*why = tool_printf(
			"nothing is promised: no thread is pinned inside one node, and no "
			"memory is bound to nodes%s; --cpus and --nodes say what is to hold",
			v->ended ? " for long enough to be seen" : "");
	return verdict;
}

static int exit_status(enum numaperf_verdict verdict)
{
	switch (verdict) {
	case NUMAPERF_VERDICT_HELD:
		return TOOL_OK;
	case NUMAPERF_VERDICT_VIOLATED:
		return TOOL_FAILED;
	default:
		return TOOL_UNVERIFIED;
	}
}

/* How the command or the processes came to their end, for people. */
static char *outcome(const struct verify *v)
{
	if (v->child.command)
		return child_outcome(&v->child);
	return strdup(v->ended ? "ended" : "still running");
}

/* Why no program is attached. */
static void sampler_reason(const struct verify *v, struct numaperf_hook *hook)
{
	*hook = (struct numaperf_hook){ .sz = sizeof(*hook) };
	if (numaperf_monitor_hook(v->monitor, NUMAPERF_METRIC_RUN_TIME, hook))
		*hook = (struct numaperf_hook){ .sz = sizeof(*hook) };
}

static int print_json(const struct verify *v, const struct numaperf_report *report,
		      enum numaperf_verdict verdict, const char *why)
{
	json_t *out, *target = json_object(), *pids = json_array(), *held = json_object();
	int len = numaperf_report_format(report, NUMAPERF_FORMAT_JSON, NULL, 0);
	char *text = len < 0 ? NULL : malloc((size_t)len + 1);

	if (!text || numaperf_report_format(report, NUMAPERF_FORMAT_JSON, text,
					    (size_t)len + 1) != len) {
		free(text);
		json_decref(target);
		json_decref(pids);
		json_decref(held);
		tool_error(v->cmd, "out of memory");
		return TOOL_FAILED;
	}
	out = json_loads(text, 0, NULL);
	free(text);
	for (size_t i = 0; i < v->pids; i++)
		tool_append(pids, json_integer(v->pid[i]));
	tool_put(target, "pids", pids);
	tool_put(target, "command",
		 tool_json_text(v->child.command ? v->child.command[0] : NULL));
	child_put_outcome(&v->child, target);
	tool_put(target, "ended", json_boolean(v->ended));
	tool_put(held, "said_by", tool_json_text(v->rules.said ? "options" : "kernel"));
	tool_put(held, "threads", json_integer((json_int_t)v->hold.threads));
	tool_put(held, "ranges", json_integer((json_int_t)v->hold.ranges));
	tool_put(held, "not_watched", json_integer((json_int_t)v->hold.missed));

	/* the report is the object; this verb adds to it, and may lower the verdict */
	tool_put(out, "target", target);
	tool_put(out, "promises", held);
	tool_put(out, "sampler", json_boolean(numaperf_monitor_sampler(v->monitor)));
	tool_put(out, "verdict", tool_json_text(numaperf_verdict_name(verdict)));
	tool_put(out, "verdict_reason", tool_json_text(why));
	return tool_json_print(v->cmd, out);
}

static int print_text(const struct verify *v, const struct numaperf_report *report,
		      enum numaperf_verdict verdict, const char *why)
{
	char *how = outcome(v), *name = v->child.command ? strdup(v->child.command[0]) : NULL;
	struct numaperf_hook hook;

	if (v->child.command)
		printf("Command:  %s (process %d), %s\n", name ? tool_clean(name) : "?",
		       v->pid[0], how ? how : "?");
	else
		for (size_t i = 0; i < v->pids; i++)
			printf("Process:  %d%s%s\n", v->pid[i], v->ended ? ", " : "",
			       v->ended && how ? how : "");
	printf("Promised: %zu pinned thread%s, %zu range%s of bound memory (%s)\n",
	       v->hold.threads, v->hold.threads == 1 ? "" : "s", v->hold.ranges,
	       v->hold.ranges == 1 ? "" : "s",
	       v->rules.said ? "by --cpus and --nodes" : "as the kernel has it");
	if (numaperf_monitor_sampler(v->monitor)) {
		sampler_reason(v, &hook);
		printf("Sampler:  no BPF program is attached%s%s\n", *hook.reason ? ": " : "",
		       tool_clean(hook.reason));
		if (*hook.remedy)
			printf("          remedy: %s\n", tool_clean(hook.remedy));
	}
	putchar('\n');
	free(how);
	free(name);
	if (numaperf_report_print(report, stdout))
		return TOOL_FAILED; /* said once, when standard output is closed */
	if (why)
		printf("\nVerdict of verify: %s: %s\n", numaperf_verdict_name(verdict), why);
	return TOOL_OK;
}

static int answer(struct verify *v)
{
	struct numaperf_report *report;
	enum numaperf_verdict verdict;
	char *why;
	int status;

	if (numaperf_report_create(&report, v->monitor))
		return tool_library_error(v->cmd);
	print_violations(v);
	verdict = judge(v, report, &why);
	if (why)
		tool_clean(why);
	status = v->json ? print_json(v, report, verdict, why)
			 : print_text(v, report, verdict, why);
	free(why);
	numaperf_report_destroy(report);
	return status ? status : exit_status(verdict);
}

/* ---- setting up ---- */

static int no_process(const struct verify *v, int pid)
{
	tool_error(v->cmd, "there is no process %d", pid);
	return TOOL_FAILED;
}

/* A thread has a folder in /proc as well, but its maps and children are its process's. */
static int check_leader(const struct verify *v, int pid)
{
	char *text = promise_slurp("/proc/%d/status", pid);
	const char *at = text ? strstr(text, "\nTgid:") : NULL;
	int tgid = at ? atoi(at + strlen("\nTgid:")) : pid;

	free(text);
	if (!text)
		return no_process(v, pid);
	if (tgid == pid)
		return TOOL_OK;
	tool_error(v->cmd, "%d is a thread of process %d: watch that with -p %d", pid, tgid,
		   tgid);
	return TOOL_FAILED;
}

static int add_processes(struct verify *v)
{
	int status = TOOL_OK, err, pid = 0;

	for (size_t i = 0; i < v->pids && !status; i++) {
		status = check_leader(v, v->pid[i]);
		err = status ? 0 : hold_add(&v->hold, v->pid[i]);
		if (err == -ESRCH)
			status = no_process(v, v->pid[i]);
		else if (err)
			status = (tool_error(v->cmd, "out of memory"), TOOL_FAILED);
	}
	if (status || v->child.command)
		return status;
	err = hold_preview(&v->hold, &pid);
	if (!err)
		return TOOL_OK;
	if (err == -ESRCH)
		return no_process(v, pid);
	if (err == -EACCES || err == -EPERM)
		tool_error(v->cmd,
			   "the memory maps of process %d may not be read: run this as its "
			   "user or as root, or give it CAP_SYS_PTRACE (setcap "
			   "cap_sys_ptrace+ep, docker: --cap-add SYS_PTRACE), or watch its "
			   "threads alone with --cpus",
			   pid);
	else
		tool_error(v->cmd, "process %d cannot be read: %s", pid, strerror(-err));
	return TOOL_FAILED;
}

static int open_monitor(struct verify *v)
{
	struct numaperf_monitor_opts opts = {
		.sz = sizeof(opts),
		.scope = NUMAPERF_SCOPE_PID,
		.pid = v->pid[0],
		.interval_ms = v->interval_ms,
		.rung_max = v->rung_max,
		.drop_capabilities = true,
		.keep_ptrace = true,
		.ranges_max = RANGES_MAX,
	};

	if (numaperf_monitor_create(&v->monitor, v->topo, &opts)) {
		v->monitor = NULL;
		return tool_library_error(v->cmd);
	}
	for (size_t i = 1; i < v->pids; i++)
		if (numaperf_monitor_watch_process(v->monitor, v->pid[i]))
			return tool_library_error(v->cmd);
	v->hold.monitor = v->monitor;
	return TOOL_OK;
}

static int check_rules(struct verify *v)
{
	struct numaperf_nodemask nodes;
	struct numaperf_cpuset cpus;

	v->rules.topo = v->topo;
	v->hold.rules = &v->rules;
	numaperf_topology_online_cpus(v->topo, &cpus);
	numaperf_topology_memory_nodes(v->topo, &nodes);
	if (!numaperf_cpuset_empty(&v->rules.cpus) &&
	    !numaperf_cpuset_intersects(&v->rules.cpus, &cpus)) {
		tool_error(v->cmd, "none of the CPUs of --cpus is online");
		return TOOL_FAILED;
	}
	if (!numaperf_nodemask_empty(&v->rules.nodes) &&
	    !numaperf_nodemask_intersects(&v->rules.nodes, &nodes)) {
		tool_error(v->cmd, "none of the nodes of --nodes has memory");
		return TOOL_FAILED;
	}
	return TOOL_OK;
}

static int set_up(struct verify *v)
{
	int status;

	if (numaperf_topology_discover(&v->topo)) {
		v->topo = NULL;
		return tool_library_error(v->cmd);
	}
	status = check_rules(v);
	if (!status) {
		/* blocked in the monitor's thread, too, so that a signal ends the watch and not
		 * the tool */
		v->signals = child_take_signals(v->cmd, &v->child);
		status = v->signals < 0 ? TOOL_FAILED : TOOL_OK;
	}
	/* before capabilities are dropped here */
	if (!status && v->child.command) {
		status = child_start(v->cmd, &v->child, NULL, NULL);
		v->pid[0] = v->child.pid;
	}
	if (!status)
		status = add_processes(v);
	if (!status)
		status = open_monitor(v);
	if (!status && v->child.command && child_release(v->cmd, &v->child))
		status = TOOL_FAILED;
	return status;
}

static void tear_down(struct verify *v)
{
	hold_free(&v->hold);
	numaperf_monitor_destroy(v->monitor);
	numaperf_topology_unref(v->topo);
	child_close(&v->child);
	if (v->signals >= 0)
		close(v->signals);
	free(v->pid);
}

/* ---- the command line ---- */

static int misused(const struct verify *v, const char *option, const char *text,
		   const char *wanted)
{
	tool_error(v->cmd, "%s '%s': %s; see `numaperf help %s`", option, text, wanted,
		   v->cmd->name);
	return TOOL_MISUSE;
}

/* A whole number from `min` to `max`, and nothing after it. */
static bool parse_number(const char *text, long min, long max, long *number)
{
	char *end;

	errno = 0;
	*number = strtol(text, &end, 10);
	return end != text && !*end && !errno && *number >= min && *number <= max;
}

static int take_pid(struct verify *v, const char *text)
{
	int *more;
	long pid;

	if (!parse_number(text, 1, 1L << 22, &pid)) /* PID_MAX_LIMIT, linux/threads.h */
		return misused(v, "--pid", text, "a process id is wanted");
	for (size_t i = 0; i < v->pids; i++)
		if (v->pid[i] == pid)
			return TOOL_OK;
	more = reallocarray(v->pid, v->pids + 1, sizeof(*more));
	if (!more) {
		tool_error(v->cmd, "out of memory");
		return TOOL_FAILED;
	}
	v->pid = more;
	v->pid[v->pids++] = (int)pid;
	return TOOL_OK;
}

static int take_duration(struct verify *v, const char *text)
{
	char *end;

	v->duration = strtod(text, &end);
	if (end == text || *end || !(v->duration > 0 && v->duration <= 1e9))
		return misused(v, "--duration", text, "seconds above 0 are wanted");
	return TOOL_OK;
}

static int take_interval(struct verify *v, const char *text)
{
	long ms;

	if (!parse_number(text, 10, 3600000, &ms))
		return misused(v, "--interval", text, "10 to 3600000 milliseconds are wanted");
	v->interval_ms = (unsigned int)ms;
	return TOOL_OK;
}

static int take_rung(struct verify *v, const char *text)
{
	for (int r = NUMAPERF_RUNG_POLLING; r <= NUMAPERF_RUNG_FENTRY; r++)
		if (!strcmp(text, numaperf_rung_name((enum numaperf_rung)r))) {
			v->rung_max = (enum numaperf_rung)r;
			return TOOL_OK;
		}
	return misused(v, "--rung", text, "polling, tp_btf or fentry is wanted");
}

static int take_cpus(struct verify *v, const char *text)
{
	v->rules.said = true;
	if (numaperf_cpuset_parse(&v->rules.cpus, text) ||
	    numaperf_cpuset_empty(&v->rules.cpus))
		return misused(v, "--cpus", text, "a list such as 0-3,8 is wanted");
	return TOOL_OK;
}

static int take_nodes(struct verify *v, const char *text)
{
	v->rules.said = true;
	if (numaperf_nodemask_parse(&v->rules.nodes, text) ||
	    numaperf_nodemask_empty(&v->rules.nodes))
		return misused(v, "--nodes", text, "a list such as 0,2 is wanted");
	return TOOL_OK;
}

/* What is to be watched: processes by number, or one command. */
static int take_operands(struct verify *v, int argc, char **argv)
{
	if (optind < argc && v->pids) {
		tool_error(v->cmd,
			   "either processes (-p) or a command, not both ('%s'); see "
			   "`numaperf help %s`",
			   argv[optind], v->cmd->name);
		return TOOL_MISUSE;
	}
	if (v->pids)
		return TOOL_OK;
	if (optind >= argc || !*argv[optind]) {
		tool_error(v->cmd,
			   "nothing to watch: -p PID or -- COMMAND; see `numaperf help "
			   "%s`",
			   v->cmd->name);
		return TOOL_MISUSE;
	}
	v->child.command = argv + optind;
	v->pid = calloc(1, sizeof(*v->pid));
	v->pids = 1;
	if (v->pid)
		return TOOL_OK;
	tool_error(v->cmd, "out of memory");
	return TOOL_FAILED;
}

static const struct {
	int opt;
	int (*take)(struct verify *v, const char *text);
} takers[] = {
	{ 'p', take_pid },  { 'd', take_duration }, { 'i', take_interval },
	{ 'c', take_cpus }, { 'n', take_nodes },    { 'r', take_rung },
};

static int take_option(struct verify *v, int opt, char **argv)
{
	for (size_t i = 0; i < sizeof(takers) / sizeof(takers[0]); i++)
		if (takers[i].opt == opt)
			return takers[i].take(v, optarg);
	return tool_bad_option(v->cmd, opt, argv);
}

static int run(const struct tool_command *cmd, int argc, char **argv)
{
	static const struct option options[] = {
		{ "pid", required_argument, NULL, 'p' },
		{ "duration", required_argument, NULL, 'd' },
		{ "interval", required_argument, NULL, 'i' },
		{ "cpus", required_argument, NULL, 'c' },
		{ "nodes", required_argument, NULL, 'n' },
		{ "rung", required_argument, NULL, 'r' },
		{ "json", no_argument, NULL, 'j' },
		{ "quiet", no_argument, NULL, 'q' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct verify v = { .cmd = cmd, .child = CHILD_INIT, .signals = -1 };
	int opt, status = TOOL_OK;

	/* '+': the command's own options are not ours */
	while (!status &&
	       (opt = getopt_long(argc, argv, "+:p:d:i:c:n:r:jqh", options, NULL)) != -1) {
		switch (opt) {
		case 'j':
			v.json = true;
			break;
		case 'q':
			v.quiet = true;
			break;
		case 'h':
			free(v.pid);
			tool_help(cmd);
			return TOOL_OK;
		default:
			status = take_option(&v, opt, argv);
		}
	}
	if (!status)
		status = take_operands(&v, argc, argv);
	if (!status)
		status = set_up(&v);
	if (!status) {
		watch(&v);
		status = answer(&v);
	}
	tear_down(&v);
	return status;
}

const struct tool_command cmd_verify = {
	.name = "verify",
	.summary = "whether the pins and the bound memory of a program hold",
	.arguments = "[OPTION]... -p PID [-p PID]... | [OPTION]... -- COMMAND [ARGUMENT]...",
	.help = "  -p, --pid PID        watch this process and its children\n"
		"  -d, --duration S     report after S seconds; else when what is watched "
		"ends,\n"
		"                       or on SIGINT, SIGTERM, SIGHUP or SIGALRM\n"
		"  -c, --cpus LIST      every thread is to stay on these CPUs\n"
		"  -n, --nodes LIST     all bound or anonymous memory is to be on these "
		"nodes;\n"
		"                       without these two: what the kernel says was promised,\n"
		"                       threads pinned inside one node, memory bound to nodes\n"
		"  -i, --interval MS    of what can only be polled; 250\n"
		"  -r, --rung RUNG      climb no higher: polling, tp_btf, fentry\n"
		"  -j, --json           print JSON\n"
		"  -q, --quiet          do not print violations as they come\n"
		"  -h, --help           this text\n\n"
		"Exit status: 0 held, 1 violated or failed, 2 wrong command line, 3 "
		"unverified,\n"
		"or nothing was promised. A command is left running when the time is up.\n",
	.run = run,
};

/* SPDX-License-Identifier: MIT */
/*
 * numaperf-top: who is remote, and why, live. This file is the command line and the loops;
 * frames come from a source (the machine or a recording) and go to the screen, to a file, to
 * programs.
 */
#include "tool.h"
#include "top_collect.h"
#include "top_export.h"
#include "top_html.h"
#include "top_record.h"
#include "top_serve.h"
#include "top_view.h"

#include <errno.h>
#include <limits.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum output {
	OUTPUT_SCREEN,
	OUTPUT_TEXT,
	OUTPUT_JSON,
	OUTPUT_CSV,
	OUTPUT_HTML,
	OUTPUT_METRICS, /* nothing but the endpoint */
};

struct top {
	enum output output;
	struct top_collect_opts collect;
	struct top_view_opts view;
	struct top_pick pick;
	unsigned long count; /* 0: until it is ended */
	const char *record, *replay, *html, *metrics;
	bool serve, batch;

	unsigned long shown; /* updates written so far */
	int signals;	     /* polls readable when somebody wants us to end */
	struct top_source *source;
	struct top_recorder *recorder;
	struct top_server *server;
	char error[512];
};

static const char help[] =
	"Usage: numaperf-top [OPTION]...\n\n"
	"Shows who uses remote memory, and why: nodes, processes, threads, regions, cgroups, "
	"the\n"
	"stacks that fault remotely, and violations of what was promised. h: keys.\n\n"
	"What is watched (the whole machine, unless told otherwise):\n"
	"  -p, --pid PID          one process and its children\n"
	"  -c, --cgroup CGROUP    a cgroup and all below it\n"
	"      --node N           show what ran or lies on node N only\n"
	"  -d, --delay SECONDS    between updates (1)\n"
	"      --rung RUNG        climb no higher than fentry, tp_btf or polling\n"
	"      --no-stacks        do not take the stacks of remote faults\n"
	"      --drop-all         give up CAP_SYS_PTRACE, too: no memory maps of others\n\n"
	"For programs:\n"
	"  -b, --batch            plain text instead of the screen\n"
	"      --json             one JSON object a line (with -b implied)\n"
	"      --csv              a row a process and node (with -b implied)\n"
	"  -n, --count N          so many updates, then end\n"
	"      --openmetrics [ADDR:PORT]\n"
	"                         serve /metrics (127.0.0.1:9797); the screen only on a "
	"terminal\n\n"
	"Recordings:\n"
	"      --record FILE      keep every update, compressed\n"
	"      --replay FILE      show a recording\n"
	"      --at SECOND        begin a recording there, paused\n"
	"      --html FILE        write a recording as one page (with --replay)\n\n"
	"The screen:\n"
	"      --ascii            no characters beyond ASCII\n"
	"      --no-color         no colours (also: NO_COLOR)\n\n"
	"  -h, --help             this text\n"
	"  -V, --version          the version\n";

/* ---- the command line ---- */

enum {
	OPT_NODE = 256,
	OPT_RUNG,
	OPT_NO_STACKS,
	OPT_DROP_ALL,
	OPT_JSON,
	OPT_CSV,
	OPT_METRICS,
	OPT_RECORD,
	OPT_REPLAY,
	OPT_HTML,
	OPT_AT,
	OPT_ASCII,
	OPT_NO_COLOR,
};

static const struct option options[] = {
	{ "pid", required_argument, NULL, 'p' },
	{ "cgroup", required_argument, NULL, 'c' },
	{ "node", required_argument, NULL, OPT_NODE },
	{ "delay", required_argument, NULL, 'd' },
	{ "rung", required_argument, NULL, OPT_RUNG },
	{ "no-stacks", no_argument, NULL, OPT_NO_STACKS },
	{ "drop-all", no_argument, NULL, OPT_DROP_ALL },
	{ "batch", no_argument, NULL, 'b' },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "csv", no_argument, NULL, OPT_CSV },
	{ "count", required_argument, NULL, 'n' },
	{ "openmetrics", optional_argument, NULL, OPT_METRICS },
	{ "record", required_argument, NULL, OPT_RECORD },
	{ "replay", required_argument, NULL, OPT_REPLAY },
	{ "html", required_argument, NULL, OPT_HTML },
	{ "at", required_argument, NULL, OPT_AT },
	{ "ascii", no_argument, NULL, OPT_ASCII },
	{ "no-color", no_argument, NULL, OPT_NO_COLOR },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};

static int misuse(const char *fmt, const char *given) __attribute__((format(printf, 1, 0)));

static int misuse(const char *fmt, const char *given)
{
	char line[512];

	snprintf(line, sizeof(line), fmt, given);
	fprintf(stderr, "numaperf-top: %s; see `numaperf-top --help`\n", tool_clean(line));
	return TOOL_MISUSE;
}

static bool whole_number(const char *text, long least, long most, long *out)
{
	char *end;

	errno = 0;
	*out = strtol(text, &end, 10);
	return *text && !*end && !errno && *out >= least && *out <= most;
}

static bool seconds(const char *text, double *out)
{
	char *end;

	errno = 0;
	*out = strtod(text, &end);
	return *text && !*end && !errno && *out >= 0.1 && *out <= 3600;
}

static bool rung_named(const char *text, enum numaperf_rung *out)
{
	for (int r = NUMAPERF_RUNG_POLLING; r <= NUMAPERF_RUNG_FENTRY; r++)
		if (!strcmp(text, numaperf_rung_name((enum numaperf_rung)r))) {
			*out = (enum numaperf_rung)r;
			return true;
		}
	return false;
}

static int set_option(struct top *top, int opt, const char *arg)
{
	long n;

	switch (opt) {
	case 'p':
		if (!whole_number(arg, 1, INT_MAX, &n))
			return misuse("'%s' is no process id", arg);
		top->collect.pid = (int)n;
		break;
	case 'c':
		top->collect.cgroup = arg;
		break;
	case OPT_NODE:
		if (!whole_number(arg, 0, INT_MAX, &n))
			return misuse("'%s' is no node", arg);
		top->pick.node = top->view.node = (int)n;
		break;
	case 'd':
		if (!seconds(arg, &top->collect.interval))
			return misuse("'%s' is no delay: 0.1 to 3600 seconds", arg);
		break;
	case OPT_RUNG:
		if (!rung_named(arg, &top->collect.rung_max))
			return misuse("'%s' is no rung: fentry, tp_btf or polling", arg);
		break;
	case OPT_NO_STACKS:
		top->collect.stacks = false;
		break;
	case OPT_DROP_ALL:
		top->collect.drop_all = true;
		break;
	case 'b':
		top->batch = true;
		break;
	case OPT_JSON:
		top->output = OUTPUT_JSON;
		break;
	case OPT_CSV:
		top->output = OUTPUT_CSV;
		break;
	case 'n':
		if (!whole_number(arg, 1, LONG_MAX, &n))
			return misuse("'%s' is no number of updates", arg);
		top->count = (unsigned long)n;
		break;
	case OPT_METRICS:
		top->serve = true;
		top->metrics = arg;
		break;
	case OPT_RECORD:
		top->record = arg;
		break;
	case OPT_REPLAY:
		top->replay = arg;
		break;
	case OPT_HTML:
		top->html = arg;
		break;
	case OPT_AT:
		if (!whole_number(arg, 0, INT_MAX, &n))
			return misuse("'%s' is no second of a recording", arg);
		top->view.at = (double)n;
		break;
	case OPT_ASCII:
		top->view.ascii = true;
		break;
	case OPT_NO_COLOR:
		top->view.colour = false;
		break;
	}
	return TOOL_OK;
}

/* What does not go together, and what follows from what was said. */
static int settle_options(struct top *top)
{
	if (top->output == OUTPUT_SCREEN && top->batch)
		top->output = OUTPUT_TEXT;
	if (top->html)
		top->output = OUTPUT_HTML;
	if (top->view.at >= 0 && (!top->replay || top->output != OUTPUT_SCREEN))
		return misuse("--at is for the screen%s, with --replay FILE", "");
	if (top->html && !top->replay)
		return misuse("--html %s needs --replay FILE", top->html);
	if (top->replay && (top->record || top->serve))
		return misuse("--replay %s goes with neither --record nor --openmetrics",
			      top->replay);
	if (top->replay && (top->collect.pid || top->collect.cgroup))
		return misuse("--replay %s shows what was recorded: no -p or -c", top->replay);
	if (top->collect.pid && top->collect.cgroup)
		return misuse("-p and -c %s: one of them", top->collect.cgroup);
	if (top->output == OUTPUT_SCREEN && !isatty(STDOUT_FILENO)) {
		if (!top->serve && !top->record)
			return misuse("standard output is %s: use -b, --json or --csv",
				      "no terminal");
		top->output = OUTPUT_METRICS;
	}
	top->view.interval = top->collect.interval;
	top->view.pid = top->collect.pid;
	top->view.replay = top->replay != NULL;
	return TOOL_OK;
}

/* -1: go on; else the exit status. */
static int parse(struct top *top, int argc, char **argv)
{
	int opt, status;

	opterr = 0;
	while ((opt = getopt_long(argc, argv, ":p:c:d:bn:hV", options, NULL)) != -1) {
		switch (opt) {
		case 'h':
			fputs(help, stdout);
			return TOOL_OK;
		case 'V':
			printf("numaperf-top %s\n", numaperf_version());
			return TOOL_OK;
		case ':':
			return misuse("option %s needs a value", argv[optind - 1]);
		case '?':
			return misuse("unknown option %s", argv[optind - 1]);
		}
		status = set_option(top, opt, optarg);
		if (status)
			return status;
		/* "--openmetrics ADDR": getopt takes an optional value with '=' only */
		if (opt == OPT_METRICS && !top->metrics && optind < argc &&
		    argv[optind][0] != '-')
			top->metrics = argv[optind++];
	}
	if (optind < argc)
		return misuse("unexpected argument '%s'", argv[optind]);
	status = settle_options(top);
	return status ? status : -1;
}

/* ---- the loop without a screen ---- */

static int put(struct top *top, const struct top_frame *delta)
{
	bool first = !top->shown++;

	switch (top->output) {
	case OUTPUT_JSON:
		return top_export_json(stdout, delta, &top->pick);
	case OUTPUT_CSV:
		return top_export_csv(stdout, delta, &top->pick, first);
	case OUTPUT_TEXT:
		return top_export_text(stdout, delta, &top->pick);
	default:
		return 0;
	}
}

static int fail(struct top *top, int err, const char *what)
{
	if (!top->error[0])
		snprintf(top->error, sizeof(top->error), "%s: %s", what, strerror(-err));
	return err;
}

/* Where every frame goes, whatever is shown of it. */
static int keep(void *keeper, const struct top_frame *frame, char *error, size_t size)
{
	struct top *top = keeper;
	int err = 0;

	if (top->recorder)
		err = top_record_add(top->recorder, frame, error, size);
	if (!err && top->server)
		err = top_serve_update(top->server, frame);
	return err;
}

static int take(struct top *top, struct top_frame **before, struct top_frame *now)
{
	struct top_frame *delta;
	int err = keep(top, now, top->error, sizeof(top->error));

	/* the first is what the others are counted from */
	if (!err && *before) {
		delta = top_frame_delta(*before, now);
		err = delta ? put(top, delta) : -ENOMEM;
		top_frame_free(delta);
	}
	top_frame_free(*before);
	*before = now;
	return err ? fail(top, err, "writing") : 0;
}

/* Waits for the next update. 1: a signal ends it. */
static int wait_for(int timer, int signals)
{
	struct pollfd fds[2] = { { .fd = timer, .events = POLLIN },
				 { .fd = signals, .events = POLLIN } };
	uint64_t ticks;

	while (poll(fds, 2, -1) < 0)
		if (errno != EINTR)
			return -errno;
	if (fds[1].revents)
		return 1;
	return read(timer, &ticks, sizeof(ticks)) < 0 ? -errno : 0;
}

static int make_timer(double interval)
{
	struct timespec every = { .tv_sec = (time_t)interval,
				  .tv_nsec =
					  (long)((interval - (double)(time_t)interval) * 1e9) };
	struct itimerspec when = { .it_interval = every, .it_value = every };
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);

	return timer < 0 || timerfd_settime(timer, 0, &when, NULL) ? -errno : timer;
}

static int loop(struct top *top)
{
	struct top_frame *before = NULL, *now;
	int timer = top->replay ? 0 : make_timer(top->collect.interval);
	int err = timer < 0 ? fail(top, timer, "timer") : 0;

	while (!err) {
		err = top->source->next(top->source, &now);
		if (err < 0)
			snprintf(top->error, sizeof(top->error), "%s", top->source->error);
		if (err)
			break;
		err = take(top, &before, now);
		if (err || (top->count && top->shown >= top->count))
			break;
		if (!top->replay)
			err = wait_for(timer, top->signals);
	}
	top_frame_free(before);
	if (timer > 0)
		close(timer);
	return err < 0 ? err : 0;
}

/* ---- all of it ---- */

/* Before there are threads, and so for all of them: a signal is something to be read. */
static int take_signals(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int open_all(struct top *top)
{
	char *error = top->error;
	size_t size = sizeof(top->error);
	int err;

	/* to write a recording again takes its time, and may be ended as ever */
	if (top->replay && top->output != OUTPUT_SCREEN)
		return top_replay_open(&top->source, top->replay, error, size);
	top->signals = top->view.signals = take_signals();
	if (top->signals < 0)
		return top->signals;
	if (top->replay)
		return top_replay_open(&top->source, top->replay, error, size);
	err = top->record ? top_record_open(&top->recorder, top->record, error, size) : 0;
	/* from here on without privileges: the server's thread has none either */
	if (!err)
		err = top_collect_open(&top->source, &top->collect, error, size);
	if (!err && top->serve)
		err = top_serve_open(&top->server, top->metrics, error, size);
	return err;
}

static int run(struct top *top)
{
	int err = open_all(top);

	if (err)
		return fail(top, err, "numaperf-top");
	if (top->server && top->output != OUTPUT_SCREEN)
		fprintf(stderr, "numaperf-top: http://%s/metrics\n",
			top_serve_where(top->server));
	top->view.keep = keep;
	top->view.keeper = top;
	switch (top->output) {
	case OUTPUT_SCREEN:
		return top_view_run(top->source, &top->view, top->error, sizeof(top->error));
	case OUTPUT_HTML:
		return top_html_write(top->html, top->source, top->error, sizeof(top->error));
	default:
		return loop(top);
	}
}

int main(int argc, char **argv)
{
	struct top top = {
		.collect = { .interval = 1, .stacks = true },
		.view = { .node = -1, .at = -1, .colour = !getenv("NO_COLOR") },
		.pick = { .node = -1, .processes = 1000 },
	};
	int status, err;

	setlocale(LC_ALL, "");
	setlocale(LC_NUMERIC, "C");
	signal(SIGPIPE, SIG_IGN);
	/* libdw would ask a server for symbols, and the screen wait for it */
	unsetenv("DEBUGINFOD_URLS");
	status = parse(&top, argc, argv);
	if (status >= 0)
		return status;
	err = run(&top);
	if (top.recorder) {
		char late[256] = "";
		int closing = top_record_close(top.recorder, late, sizeof(late));

		if (!err && closing) {
			err = closing;
			snprintf(top.error, sizeof(top.error), "%s", late);
		}
	}
	top_serve_close(top.server);
	if (top.source)
		top.source->close(top.source);
	if (err == -EPIPE)
		return TOOL_OK; /* who reads us has read enough */
	if (err)
		fprintf(stderr, "numaperf-top: %s\n", tool_clean(top.error));
	return err ? TOOL_FAILED : TOOL_OK;
}

/* SPDX-License-Identifier: MIT */
/*
 * witness_advice RUNG [DEED]: recommendations, taken at their word. Of each deed
 * (witness_deeds.h) the findings are those that it must make; the command is cut out of the
 * report's text, run as it stands, and the next report of the same monitor must be without that
 * finding; at last none is left, and what stood beside it is unharmed. TAP.
 *
 * A program, since starting awk and jq for each of a hundred questions takes minutes in a
 * guest.
 */
#include "witness_deeds.h"

#include <jansson.h>
#include <sys/utsname.h>

struct cure {
	struct deed deed;
	/* findings that have a command, in the order to run them; "ID?" may have gone with one
	 * before */
	const char *ids;
	const char *cause; /* one of these ('|') is in each finding's cause */
	/* that the remedy brings about, on 6.1: a cpuset that changes sets every affinity in
	 * it anew, also those of other threads */
	const char *later;
	unsigned int settle_ms;	  /* what the kernel takes to be done with a remedy */
	const char *file, *reads; /* what the remedy leaves behind */
	const char *advised;	  /* a finding that has no command */
};

#define KSM_ACROSS "/sys/kernel/mm/ksm/merge_across_nodes"
#define THP	   "/sys/kernel/mm/transparent_hugepage/enabled"
#define BALANCING  "/proc/sys/kernel/numa_balancing"

static const struct cure exact[] = {
	{ .deed = { "balancing", false },
	  .ids = "balancing-on",
	  .cause = "numa_balancing is 1",
	  .file = BALANCING,
	  .reads = "0" },
	{ .deed = { "affinity", false },
	  .ids = "affinity-changed",
	  .cause = ", by np-culprit" },
	{ .deed = { "cpuset-cpus", false },
	  .ids = "cpuset-changed",
	  .cause = "cpuset|affinity",
	  .later = "cpuset-changed" },
	{ .deed = { "cpuset-above", false },
	  .ids = "cpuset-changed",
	  .cause = "cpuset|affinity",
	  .later = "cpuset-changed" },
	{ .deed = { "cgroup-move", false },
	  .ids = "cpuset-changed",
	  .cause = "cpuset|affinity",
	  .later = "cpuset-changed" },
	/* 6.1 sets affinities anew some time after the CPU came back; and for two seconds after
	 * a CPU was said to go, the monitor takes one that is there for one that still goes */
	{ .deed = { "hot-unplug", false },
	  .ids = "cpu-offline affinity-changed",
	  .cause = "CPU 3 was promised|affinity",
	  .settle_ms = 2500 },
	{ .deed = { "foreign-move", false },
	  .ids = "pages-moved",
	  .cause = "migrate_pages, by np-culprit" },
	{ .deed = { "foreign-move", true }, .ids = "", .advised = "pages-moved" },
	{ .deed = { "fault-away", false }, .ids = "pages-moved", .cause = ": fault" },
	{ .deed = { "balanced-away", false },
	  .ids = "balancing-on pages-moved",
	  .cause = "numa_balancing is 1|NUMA balancing" },
	{ .deed = { "cpuset-mems", false }, .ids = "cpuset-mems-changed", .cause = ": cpuset" },
	{ .deed = { "cpuset-mems-wide", false },
	  .ids = "cpuset-mems-changed",
	  .cause = ": cpuset" },
	{ .deed = { "collapse", false },
	  .ids = "pages-collapsed",
	  .cause = ": collapse",
	  .file = THP,
	  .reads = "[never]" },
	/* where pages go that are not shared any more is for the kernel to say */
	{ .deed = { "ksm", false },
	  .ids = "ksm-across-nodes pages-moved?",
	  .cause = "KSM",
	  .file = KSM_ACROSS,
	  .reads = "0" },
};

/* A sampler does not know why, and what it says must do all the same. */
static const struct cure sampled[] = {
	{ .deed = { "page-move", false },
	  .ids = "pages-moved",
	  .cause = ": unknown",
	  .advised = "no-witness" },
	{ .deed = { "affinity", false }, .ids = "affinity-changed", .cause = "affinity" },
	{ .deed = { "cpuset-cpus", false },
	  .ids = "affinity-changed",
	  .cause = "affinity",
	  .later = "affinity-changed" },
};

/* ---- TAP ---- */

static const char *about = "";
static const char *newest_text = "";
static int tests, failures;

static bool ok(bool good, const char *name, const char *got)
{
	const char *at = strstr(newest_text, "What to do");

	printf("%sok %d - %s: %s\n", good ? "" : "not ", ++tests, about, name);
	if (good)
		return true;
	failures++;
	printf("# '%s' of\n", got);
	for (; at && *at && *at != '\n'; at += strcspn(at, "\n"), at += *at == '\n')
		printf("# %.*s\n", (int)strcspn(at, "\n"), at);
	return false;
}

/* Whether the text has these words, however it breaks its lines. */
static bool has_words(const char *text, const char *words)
{
	for (; *text; text++) {
		const char *t = text, *w = words;

		while (*w && (*t == *w || (*t == '\n' && *w == ' '))) {
			t += *t == '\n' ? 1 + strspn(t + 1, " ") : 1;
			w++;
		}
		if (!*w)
			return true;
	}
	return false;
}

static bool has_one_of(const char *text, const char *words)
{
	char list[128];

	snprintf(list, sizeof(list), "%s", words);
	for (char *save, *w = strtok_r(list, "|", &save); w; w = strtok_r(NULL, "|", &save))
		if (strstr(text, w))
			return true;
	return false;
}

/* ---- the watched process ---- */

static struct watched {
	int pid, orders;
	FILE *lines;
	char folder[64], beside[64];
} watched;

static void start_watched(enum numaperf_rung rung, const struct cure *cure, size_t cures)
{
	int orders[2], answers[2];
	struct deed deed[32];

	for (size_t i = 0; i < cures; i++)
		deed[i] = cure[i].deed;
	snprintf(watched.folder, sizeof(watched.folder), "/tmp/np-advice");
	need(!mkdir(watched.folder, 0700) || errno == EEXIST, "mkdir");
	need(!pipe2(orders, O_CLOEXEC) && !pipe2(answers, O_CLOEXEC), "pipe");
	fflush(stdout);
	watched.pid = fork();
	need(watched.pid >= 0, "fork");
	if (!watched.pid) {
		need(dup2(orders[0], 0) == 0 && dup2(answers[1], 1) == 1, "dup2");
		close(orders[1]);
		exit(do_deeds(rung, watched.folder, deed, cures));
	}
	close(orders[0]);
	close(answers[1]);
	watched.orders = orders[1];
	watched.lines = fdopen(answers[0], "re");
	need(watched.lines, "fdopen");
}

static void order(const char *what)
{
	need(write(watched.orders, what, 1) == 1, "the watched process is gone");
}

static char *slurp(const char *path)
{
	FILE *f = fopen(path, "re");
	char *text = calloc(1, 1 << 18);

	need(f && text && fread(text, 1, (1 << 18) - 1, f) > 0, path);
	fclose(f);
	return text;
}

/* The next report: its text and what is in its JSON. */
struct read {
	char *text;
	json_t *json;
};

static void read_report(struct read *r)
{
	char line[256], path[128], *end;
	long n = -1;

	free(r->text);
	json_decref(r->json);
	while (n < 0) {
		need(fgets(line, sizeof(line), watched.lines), "no report comes");
		line[strcspn(line, "\n")] = '\0';
		if (sscanf(line, "beside=%63[^\n]", watched.beside) == 1)
			continue;
		n = strtol(line, &end, 10);
		if (end == line || *end)
			die("instead of a report: %s", line);
	}
	snprintf(path, sizeof(path), "%s/%ld.txt", watched.folder, n);
	r->text = slurp(path);
	newest_text = r->text;
	snprintf(path, sizeof(path), "%s/%ld.json", watched.folder, n);
	r->json = json_load_file(path, 0, NULL);
	need(r->json, path);
}

/* ---- what it says ---- */

static const char *member(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

/* The first of that id that has a command, or has none. */
static json_t *finding(const struct read *r, const char *id, bool command)
{
	json_t *list = json_object_get(r->json, "findings"), *f;
	size_t i;

	json_array_foreach(list, i, f) if (!strcmp(member(f, "id"), id) &&
					   (member(f, "command")[0] != 0) == command) return f;
	return NULL;
}

/* Another one of its kind, with another command, may come of what the remedy brings about. */
static bool still(const struct read *r, const char *id, const char *command)
{
	json_t *list = json_object_get(r->json, "findings"), *f;
	size_t i;

	json_array_foreach(list, i, f) if (!strcmp(member(f, "id"), id) &&
					   !strcmp(member(f, "command"), command)) return true;
	return false;
}

/* The first finding that has a command and is not among these; "": none. */
static const char *unexpected(const struct read *r, const char *ids)
{
	json_t *list = json_object_get(r->json, "findings"), *f;
	size_t i;

	json_array_foreach(list, i, f)
	{
		const char *id = member(f, "id"), *at = strstr(ids, id);

		if (member(f, "command")[0] && (!at || !strchr(" ?", at[strlen(id)])))
			return id;
	}
	return "";
}

/* Of the newest guarantee that has this label. */
static const char *verdict(const struct read *r, const char *label)
{
	json_t *list = json_object_get(r->json, "guarantees"), *g;
	const char *v = "none";
	size_t i;

	json_array_foreach(list, i, g) if (!strcmp(member(g, "label"), label)) v =
		member(g, "verdict");
	return v;
}

/*
 * The lines of the text that make up a command, as they stand: after "run: ", and on while they
 * end in a backslash. False: the text does not have it.
 */
static bool from_text(const char *text, const char *command, char *lines, size_t size)
{
	for (const char *at = text; (at = strstr(at, "\n    run: ")); at++) {
		const char *from = at + strlen("\n    run: "), *p = from, *c = command;

		while (*p != '\n' && *c) {
			if (*c == ' ' && !strncmp(p, " \\\n", 3)) {
				p += 3 + strspn(p + 3, " ");
				c++;
			} else if (*p++ != *c++) {
				break;
			}
		}
		if (*c || *p != '\n')
			continue;
		snprintf(lines, size, "%.*s", (int)(p - from), from);
		return true;
	}
	return false;
}

/* ---- the remedy ---- */

static bool run(const char *command, char *said, size_t size)
{
	int out[2], status = -1, pid;
	size_t have = 0;
	ssize_t n;

	need(!pipe2(out, O_CLOEXEC), "pipe");
	fflush(stdout);
	pid = fork();
	if (!pid) {
		dup2(out[1], 1);
		dup2(out[1], 2);
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	close(out[1]);
	while (have + 1 < size && (n = read(out[0], said + have, size - 1 - have)) > 0)
		have += (size_t)n;
	said[have] = '\0';
	close(out[0]);
	return waitpid(pid, &status, 0) == pid && !status;
}

static void remedy(const struct cure *cure, const char *id, struct read *r)
{
	char name[1024], lines[1024], command[1024], said[1024] = "";
	json_t *f = finding(r, id, true);

	snprintf(name, sizeof(name), "%s is found, and its cause", id);
	if (!ok(f && has_one_of(member(f, "cause"), cure->cause), name, member(f, "cause")))
		return;
	snprintf(name, sizeof(name), "%s: the text has the command", id);
	if (!ok(from_text(r->text, member(f, "command"), lines, sizeof(lines)), name,
		member(f, "command")))
		return;
	snprintf(name, sizeof(name), "%s: `%s`", id, member(f, "command"));
	snprintf(command, sizeof(command), "%s", member(f, "command"));
	ok(run(lines, said, sizeof(said)), name, said);
	usleep(cure->settle_ms * 1000);
	order("r");
	read_report(r);
	snprintf(name, sizeof(name), "%s has gone", id);
	ok(!still(r, id, command), name, id);
}

static void remedies(const struct cure *cure, const char *ids, struct read *r)
{
	char list[128], *save;

	snprintf(list, sizeof(list), "%s", ids);
	for (char *id = strtok_r(list, " ", &save); id; id = strtok_r(NULL, " ", &save)) {
		bool maybe = id[strlen(id) - 1] == '?';

		if (maybe)
			id[strlen(id) - 1] = '\0';
		if (!maybe || finding(r, id, true))
			remedy(cure, id, r);
	}
}

static void take_cure(const struct cure *cure, bool old, const char *unharmed)
{
	static struct read r;
	const char *later = old && cure->later ? cure->later : "";
	char name[160], list[128], *save;
	bool all = true;

	about = cure->deed.name;
	read_report(&r);
	ok(!*unexpected(&r, ""), "no finding before", unexpected(&r, ""));
	read_report(&r);
	snprintf(list, sizeof(list), "%s", cure->ids);
	for (char *id = strtok_r(list, " ?", &save); id; id = strtok_r(NULL, " ?", &save))
		all &= finding(&r, id, true) != NULL;
	ok(all && !*unexpected(&r, cure->ids), "what is found", unexpected(&r, cure->ids));
	remedies(cure, cure->ids, &r);
	remedies(cure, later, &r);
	ok(!*unexpected(&r, ""), "none is left", unexpected(&r, ""));
	if (!*later)
		ok(!strcmp(verdict(&r, watched.beside), unharmed),
		   "the thread beside it is unharmed", verdict(&r, watched.beside));
	if (cure->deed.range)
		ok(!strcmp(verdict(&r, "range 64K (1)"), unharmed), "so is the range",
		   verdict(&r, "range 64K (1)"));
	if (cure->advised) {
		json_t *f = finding(&r, cure->advised, false);

		snprintf(name, sizeof(name), "%s: advice, and no command", cure->advised);
		ok(f && has_words(r.text, member(f, "cause")) && member(f, "advice")[0] &&
			   has_words(r.text, member(f, "advice")),
		   name, member(f, "advice"));
	}
	if (cure->file) {
		char *text = slurp(cure->file);

		snprintf(name, sizeof(name), "%s: %s", cure->file, cure->reads);
		ok(strstr(text, cure->reads) != NULL, name, text);
		free(text);
	}
	order("n");
}

int main(int argc, char **argv)
{
	bool fentry = argc > 1 && !strcmp(argv[1], "fentry");
	const struct cure *all = fentry ? exact : sampled;
	size_t cures = 0, count = fentry ? sizeof(exact) / sizeof(exact[0])
					 : sizeof(sampled) / sizeof(sampled[0]);
	struct cure cure[32];
	struct utsname u;
	int status = -1;

	if (argc < 2 || argc > 3)
		return 9;
	for (size_t i = 0; i < count; i++)
		if (argc == 2 || !strcmp(argv[2], all[i].deed.name))
			cure[cures++] = all[i];
	signal(SIGPIPE, SIG_IGN);
	need(!uname(&u), "uname");
	start_watched(fentry ? NUMAPERF_RUNG_FENTRY : NUMAPERF_RUNG_POLLING, cure, cures);
	for (size_t i = 0; i < cures; i++)
		take_cure(&cure[i], !strncmp(u.release, "6.1.", 4),
			  fentry ? "held" : "unverified");
	about = argv[1];
	ok(waitpid(watched.pid, &status, 0) == watched.pid && !status, "to its end", "");
	printf("1..%d\n", tests);
	return failures != 0;
}

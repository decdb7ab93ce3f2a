/* SPDX-License-Identifier: MIT */
/*
 * The screen. One file, since curses is one global state: what is drawn, what keys do, and the
 * loop that waits for keys, frames and the clock. What is shown comes from the model as text.
 */
#define NCURSES_WIDECHAR 1
#include "top_view.h"
#include "top_model.h"

#include <curses.h>
#include <errno.h>
#include <langinfo.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <term.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

#define SECOND 1000000000ull

enum {
	HEADER = 3, /* lines above a table's titles */
	CELL = 8,   /* columns of a cell of the matrix */
	HEATS = 6,
};

/* Colour pairs. */
enum {
	PAIR_BAR = 1, /* titles, the footer */
	PAIR_GOOD,
	PAIR_BAD,
	PAIR_WARN,
	PAIR_DIM,
	PAIR_HEAT, /* HEATS of them */
};

enum prompt {
	PROMPT_NONE,
	PROMPT_FILTER,
	PROMPT_SEARCH,
	PROMPT_DELAY,
	PROMPT_NODE,
	PROMPT_COLUMN,
};

struct view {
	struct top_source *source;
	const struct top_view_opts *opts;
	struct top_model model;
	bool colour, utf8;

	/* of each screen */
	size_t at[TOP_SCREENS], first[TOP_SCREENS]; /* selected row; first row that is seen */
	unsigned int skip[TOP_SCREENS];		    /* columns scrolled away behind the first */
	uint64_t followed; /* id of the row that stays selected; with `follow` */
	bool follow;

	bool paused, ended, at_end;
	unsigned int wanted;   /* frames that are taken at once, paused or not */
	double interval, into; /* into: seconds of a recording */
	enum prompt prompt;
	char line[64], search[64];
	char said[512]; /* the footer, until the next key */
};

static const struct {
	const char *name;
	const char *title;
} screens[TOP_SCREENS] = {
	[TOP_OVERVIEW] = { "Overview", "nodes" },
	[TOP_PROCESSES] = { "Processes", "processes" },
	[TOP_THREADS] = { "Threads", "threads of a process" },
	[TOP_REGIONS] = { "Regions", "mappings of a process" },
	[TOP_CGROUPS] = { "Cgroups", "cgroups and containers" },
	[TOP_WHERE] = { "Where", "stacks that fault remotely" },
	[TOP_EVENTS] = { "Events", "violations" },
	[TOP_HELP] = { "Help", "keys" },
};

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

static struct top_model *model(struct view *v)
{
	return &v->model;
}

/* ---- text ---- */

/*
 * At most `width` columns of a text, padded with blanks; to the right unless `left`. What the
 * terminal cannot show is a question mark. What does not fit ends in '~' on the left, or is
 * cut.
 */
static void put(const struct view *v, int y, int x, int width, bool left, const char *text)
{
	wchar_t wide[1024];
	size_t n = mbstowcs(wide, text, 1023), end = 0;
	int used = 0, room = COLS - x < width ? COLS - x : width;

	if (room <= 0 || y < 0 || y >= LINES)
		return;
	if (n == (size_t)-1) { /* not this locale's */
		for (n = 0; n < 1023 && text[n]; n++)
			wide[n] = (unsigned char)text[n] < 0x80 ? text[n] : L'?';
	}
	for (size_t i = 0; i < n; i++)
		if (wcwidth(wide[i]) < 1 || (!v->utf8 && wide[i] > 0x7e))
			wide[i] = L'?';
	while (end < n && used + wcwidth(wide[end]) <= room)
		used += wcwidth(wide[end++]);
	for (int i = 0; i < room; i++) /* with the attributes that are set now */
		mvaddch(y, x + i, ' ');
	mvaddnwstr(y, left ? x : x + room - used, wide, (int)end);
	if (end < n && left && room > 1)
		mvaddch(y, x + room - 1, '~');
}

static void putf(const struct view *v, int y, int x, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static void putf(const struct view *v, int y, int x, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	put(v, y, x, COLS - x, true, text);
}

static void paint(const struct view *v, int pair, attr_t more, bool on)
{
	attr_t attr = more | (v->colour ? (attr_t)COLOR_PAIR(pair) : 0);

	if (on)
		attron(attr);
	else
		attroff(attr);
}

/* ---- the frame of each screen ---- */

/* What changes how all of it is to be read stands first: it is never cut off. */
static void draw_header(struct view *v)
{
	const struct top_frame *f = v->model.delta;
	time_t t = (time_t)(f->time_ns / SECOND);
	char clock[32] = "", place[64] = "";
	struct tm tm;

	if (localtime_r(&t, &tm))
		strftime(clock, sizeof(clock), COLS < 100 ? "%T" : "%F %T", &tm);
	if (v->source->length)
		snprintf(place, sizeof(place), "  REPLAY %.0f of %.0f s%s", v->into,
			 v->source->length(v->source), v->at_end ? ", the end" : "");
	paint(v, PAIR_BAR, A_BOLD, true);
	putf(v, 0, 0, "numaperf-top  %s%s%s%s%s%s  %.1f s  %s  %s", clock, place,
	     v->paused ? "  PAUSED" : "", f->sampler ? "  SAMPLED" : "",
	     v->model.filter[0] ? "  filter: " : "", v->model.filter,
	     (double)f->interval_ns / 1e9, f->scope ? f->scope : "", f->host);
	paint(v, PAIR_BAR, A_BOLD, false);
}

/* Where each tab begins and ends: drawn and clicked at. */
static int tab_place(int screen, int *width)
{
	int x = 0;

	for (int s = 0; s < screen; s++)
		x += (int)strlen(screens[s].name) + 3;
	*width = (int)strlen(screens[screen].name) + 2;
	return x;
}

static void draw_tabs(struct view *v)
{
	move(1, 0);
	clrtoeol();
	for (int s = 0; s < TOP_SCREENS; s++) {
		bool here = (int)v->model.screen == s;
		char text[32];
		int width, x = tab_place(s, &width);

		snprintf(text, sizeof(text), "%d %s", s + 1, screens[s].name);
		if (here)
			attron(A_REVERSE | A_BOLD);
		put(v, 1, x, width, true, text);
		if (here)
			attroff(A_REVERSE | A_BOLD);
	}
}

static void draw_verdict(struct view *v)
{
	const struct top_frame *f = v->model.delta;
	int pair = f->verdict == NUMAPERF_VERDICT_VIOLATED     ? PAIR_BAD
		   : f->verdict == NUMAPERF_VERDICT_HELD       ? PAIR_GOOD
		   : f->verdict == NUMAPERF_VERDICT_UNVERIFIED ? PAIR_WARN
							       : PAIR_DIM;
	char text[512];
	int n;

	if (f->verdict == NUMAPERF_VERDICT_NONE)
		n = snprintf(text, sizeof(text),
			     "Guarantees: none (nobody is pinned or bound)");
	else
		n = snprintf(text, sizeof(text),
			     "Guarantees: %s: %u held, %u violated, %u unverified",
			     numaperf_verdict_name(f->verdict), f->held, f->violated,
			     f->unverified);
	if (f->events_lost + f->notices_lost + f->threads_lost)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "; LOST: %llu",
			      (unsigned long long)(f->events_lost + f->notices_lost +
						   f->threads_lost));
	if (f->notes)
		snprintf(text + n, sizeof(text) - (size_t)n, "; ! %s", f->note[0]);
	paint(v, pair, f->verdict == NUMAPERF_VERDICT_VIOLATED ? A_BOLD : 0, true);
	put(v, 2, 0, COLS, true, text);
	paint(v, pair, f->verdict == NUMAPERF_VERDICT_VIOLATED ? A_BOLD : 0, false);
}

static const char *const prompts[] = {
	[PROMPT_FILTER] = "Filter: ",
	[PROMPT_SEARCH] = "Search: ",
	[PROMPT_DELAY] = "Seconds between updates: ",
	[PROMPT_NODE] = "Only node (empty: all): ",
	[PROMPT_COLUMN] = "Show or hide column: ",
};

#define ON(screen) (1u << (screen))

/* What a screen has keys for; as many as there is room for. */
static const struct {
	unsigned int screens; /* bit s: on that one */
	const char *text;
} hints[] = {
	{ ~0u, "h Help" },
	{ ~0u, "q Quit" },
	{ ON(TOP_PROCESSES) | ON(TOP_WHERE) | ON(TOP_EVENTS), "Enter Threads" },
	{ ON(TOP_PROCESSES) | ON(TOP_THREADS) | ON(TOP_WHERE) | ON(TOP_EVENTS), "r Regions" },
	{ ON(TOP_PROCESSES) | ON(TOP_THREADS) | ON(TOP_REGIONS) | ON(TOP_EVENTS), "w Where" },
	{ ON(TOP_WHERE), "o All" },
	{ ON(TOP_PROCESSES), "t Tree" },
	{ ~ON(TOP_HELP), "<> Sort" },
	{ ~ON(TOP_HELP), "R Reverse" },
	{ ~(ON(TOP_HELP) | ON(TOP_OVERVIEW)), "\\ Filter" },
	{ ~(ON(TOP_HELP) | ON(TOP_OVERVIEW)), "/ Search" },
	{ ~ON(TOP_HELP), "i Why n/a" },
	{ ~ON(TOP_HELP), "p Pause" },
	{ ~(ON(TOP_HELP) | ON(TOP_OVERVIEW)), "f Follow" },
	{ ~ON(TOP_HELP), "N Node" },
	{ ~ON(TOP_HELP), "c Columns" },
	{ ~ON(TOP_HELP), "d Delay" },
};

static void draw_hints(struct view *v)
{
	int x = 0;

	for (size_t i = 0; i < sizeof(hints) / sizeof(hints[0]); i++) {
		int width = (int)strlen(hints[i].text);

		if (!(hints[i].screens >> v->model.screen & 1) || x + width > COLS)
			continue;
		put(v, LINES - 1, x, width, true, hints[i].text);
		x += width + 2;
	}
}

static void draw_footer(struct view *v)
{
	paint(v, PAIR_BAR, A_REVERSE, true);
	put(v, LINES - 1, 0, COLS, true, v->prompt ? "" : v->said);
	if (v->prompt)
		putf(v, LINES - 1, 0, "%s%s_", prompts[v->prompt], v->line);
	else if (!v->said[0])
		draw_hints(v);
	paint(v, PAIR_BAR, A_REVERSE, false);
}

/* ---- tables ---- */

/* One column as it is placed: of one node, if it has one for each. */
struct placed {
	unsigned int at;
	size_t node;
	int x, width;
};

enum {
	PLACED_MAX = 512
};

/* The last column, which takes what is left, keeps some room. */
static int last_width(const struct top_column *c, size_t n)
{
	return c[n - 1].width ? 0 : COLS >= 100 ? 24 : 12;
}

static size_t place_columns(struct view *v, struct placed *out)
{
	const struct top_frame *f = v->model.delta;
	unsigned int skip = v->skip[v->model.screen], passed = 0;
	size_t n, count = 0;
	const struct top_column *c = top_columns(v->model.screen, &n);
	int x = 0, end = COLS - last_width(c, n);

	for (unsigned int i = 0; i < n; i++) {
		size_t times = c[i].per_node ? f->nodes : 1;

		if (!top_column_shown(&v->model, i))
			continue;
		for (size_t node = 0; node < times; node++) {
			int width = c[i].width ? c[i].width : COLS - x;

			if (c[i].per_node && v->model.node >= 0 &&
			    f->node[node].id != v->model.node)
				continue;
			/* the first stays, it says what the row is */
			if (count && c[i].width && passed++ < skip)
				continue;
			if (count == PLACED_MAX || (c[i].width && x + width > end))
				continue;
			out[count++] = (struct placed){ i, node, x, width };
			x += width + 1;
		}
	}
	return count;
}

static void draw_titles(struct view *v, int y, const struct placed *p, size_t count)
{
	const struct top_way *way = &v->model.way[v->model.screen];
	size_t n;
	const struct top_column *c = top_columns(v->model.screen, &n);
	char text[64];

	paint(v, PAIR_BAR, A_REVERSE, true);
	put(v, y, 0, COLS, true, "");
	for (size_t i = 0; i < count; i++) {
		bool sorted = p[i].at == way->sort &&
			      (!c[p[i].at].per_node || p[i].node == way->sort_node);

		if (sorted)
			attron(A_BOLD | A_UNDERLINE);
		put(v, y, p[i].x, p[i].width, c[p[i].at].kind == TOP_TEXT,
		    top_title(&v->model, &c[p[i].at], p[i].node, text, sizeof(text)));
		if (sorted)
			attroff(A_BOLD | A_UNDERLINE);
	}
	paint(v, PAIR_BAR, A_REVERSE, false);
}

/* The branch that a row hangs on; of a deep one its last part. */
static const char *indent(const struct view *v, const struct top_row *row, const char *text,
			  char *buf, size_t size)
{
	static const char *const plain[] = { "  ", "| ", "`- ", "|- " }, *const fine[] = {
		"  ", "│ ", "└─ ", "├─ "
	};
	const char *const *part = v->utf8 ? fine : plain;
	int deepest = row->depth < 32 ? row->depth : 32;
	size_t n = 0;

	if (!row->depth)
		return text;
	for (int d = deepest > 12 ? deepest - 11 : 1; d <= deepest; d++) {
		bool more = row->open >> (d - 1) & 1;

		n += (size_t)snprintf(buf + n, size - n, "%s",
				      part[(d == deepest ? 2 : 0) + more]);
	}
	snprintf(buf + n, size - n, "%s", text);
	return buf;
}

static void draw_row(struct view *v, int y, const struct top_row *row, const struct placed *p,
		     size_t count, bool selected)
{
	size_t n;
	const struct top_column *c = top_columns(v->model.screen, &n);
	char text[2304], line[2560];

	if (selected)
		attron(A_REVERSE);
	put(v, y, 0, COLS, true, "");
	for (size_t i = 0; i < count; i++) {
		const struct top_column *column = &c[p[i].at];
		const char *cell =
			top_cell_text(&v->model, column, row, p[i].node, text, sizeof(text));

		if (!column->width)
			cell = indent(v, row, cell, line, sizeof(line));
		put(v, y, p[i].x, p[i].width, column->kind == TOP_TEXT, cell);
	}
	if (selected)
		attroff(A_REVERSE);
}

/* The selected row stays in sight. */
static void scroll_to(struct view *v, size_t height)
{
	size_t *at = &v->at[v->model.screen], *first = &v->first[v->model.screen];

	if (v->follow)
		for (size_t i = 0; i < v->model.rows; i++)
			if (v->model.row[i].id == v->followed)
				*at = i;
	if (*at >= v->model.rows)
		*at = v->model.rows ? v->model.rows - 1 : 0;
	if (*first > *at)
		*first = *at;
	if (height && *at >= *first + height)
		*first = *at - height + 1;
	if (*first && *first + height > v->model.rows)
		*first = v->model.rows > height ? v->model.rows - height : 0;
}

/* Titles at `y`, rows below, `height` lines in all; how many were used. */
static int draw_table(struct view *v, int y, int height, bool select)
{
	struct placed p[PLACED_MAX];
	size_t count = place_columns(v, p), first;
	int used = 1;

	draw_titles(v, y, p, count);
	scroll_to(v, height > 1 ? (size_t)height - 1 : 0);
	first = v->first[v->model.screen];
	for (; used < height && first + (size_t)used - 1 < v->model.rows; used++) {
		size_t at = first + (size_t)used - 1;

		draw_row(v, y + used, &v->model.row[at], p, count,
			 select && at == v->at[v->model.screen]);
	}
	return used;
}

/* ---- the overview ---- */

static int heat_pair(double heat)
{
	int step = (int)(heat * (HEATS - 1) + 0.5);

	return PAIR_HEAT + step;
}

/* Without colours, how hot by a mark before the number. */
static char heat_mark(double heat)
{
	return " .:-=+*#"[(int)(heat * 7 + 0.5)];
}

static void draw_cell(struct view *v, int y, int x, size_t i, size_t k)
{
	const struct top_frame *f = v->model.delta;
	uint64_t pages;
	double heat = top_heat(&v->model, i, k, &pages);
	char number[24], text[32];

	if (!top_has(f, NUMAPERF_METRIC_FAULTS))
		snprintf(text, sizeof(text), "n/a");
	else
		snprintf(text, sizeof(text), "%c%s", v->colour ? ' ' : heat_mark(heat),
			 top_short(f->interval_ns
					   ? (double)pages / ((double)f->interval_ns / 1e9)
					   : 0,
				   number, sizeof(number)));
	if (v->colour && i != k && pages)
		attron(COLOR_PAIR(heat_pair(heat)));
	put(v, y, x, CELL - 1, false, text);
	if (v->colour && i != k && pages)
		attroff(COLOR_PAIR(heat_pair(heat)));
}

/* Rows: the CPUs' nodes; columns: the memory's. */
static int draw_matrix(struct view *v, int y, int height)
{
	const struct top_frame *f = v->model.delta;
	int used = 2;

	if (height < 4)
		return 0;
	attron(A_BOLD);
	put(v, y, 0, COLS, true,
	    "Pages faulted in per second: node of the CPU (down) x of the memory (across)");
	attroff(A_BOLD);
	put(v, y + 1, 0, COLS, true, "");
	for (size_t k = 0; k < f->nodes && 6 + (int)(k + 1) * CELL <= COLS; k++) {
		char text[16];

		snprintf(text, sizeof(text), "N%d", f->node[k].id);
		put(v, y + 1, 6 + (int)k * CELL, CELL - 1, false, text);
	}
	for (size_t i = 0; i < f->nodes && used < height; i++, used++) {
		put(v, y + used, 0, COLS, true, "");
		putf(v, y + used, 0, "N%d", f->node[i].id);
		for (size_t k = 0; k < f->nodes && 6 + (int)(k + 1) * CELL <= COLS; k++)
			draw_cell(v, y + used, 6 + (int)k * CELL, i, k);
	}
	return used;
}

/* What is missing and what was violated last, `height` lines at most; how many were used. */
static int draw_news(struct view *v, int y, int height)
{
	const struct top_frame *f = v->model.delta;
	int used = 0;

	for (size_t i = 0; i < f->notes && used < height; i++, used++) {
		paint(v, PAIR_WARN, 0, true);
		putf(v, y + used, 0, "! %s", f->note[i]);
		paint(v, PAIR_WARN, 0, false);
	}
	for (size_t i = 0; i < v->model.events && used < height; i++, used++) {
		paint(v, PAIR_BAD, 0, true);
		putf(v, y + used, 0, "violation: %s", v->model.event[i].message);
		paint(v, PAIR_BAD, 0, false);
	}
	return used;
}

/* The processes as their own screen has them, in its order: the most remote first, unless the
 * user wants another. */
static void draw_most(struct view *v, int y, int height)
{
	if (height < 3)
		return;
	v->model.screen = TOP_PROCESSES;
	if (!top_model_rows(&v->model))
		draw_table(v, y, height, false);
	v->model.screen = TOP_OVERVIEW;
	top_model_rows(&v->model);
}

static void draw_overview(struct view *v)
{
	int y = HEADER, end = LINES - 1;
	int most = (int)v->model.rows + 1, news;

	/* on a big machine all get their part */
	if (most > (end - y) / 2)
		most = (end - y) / 2;
	y += draw_table(v, y, most, false) + 1;
	y += draw_matrix(v, y, (end - y) * 2 / 3) + 1;
	news = draw_news(v, y, (end - y) / 3 > 2 ? (end - y) / 3 : 2);
	y += news ? news + 1 : 0;
	draw_most(v, y, end - y);
}

/* ---- help ---- */

/* 80 columns wide */
static const char *const help[] = {
	"1-8, Tab      screens                           h ?   this one",
	"arrows, PgUp, PgDn, Home, End, wheel            move; left and right: columns",
	"Enter         threads of the selected process   r     its regions (mappings)",
	"w             where it faults remotely          o     stacks of all processes",
	"< >           column to sort by (or click)      R     the other way round",
	"/ n           search, and once more             \\     filter (empty: all)",
	"t             processes as a tree               f     follow the selected row",
	"K             threads of the kernel, too        N     one node only",
	"p, space      pause                             .     when paused: one update",
	"d             seconds between updates           c     show or hide a column",
	"i             why the sort column is n/a or not exact, and what would give it",
	"[ ] { }       in a recording: 10 s and 60 s back and on",
	"q             leave",
	"",
	"LOCAL% stands on `fault` (pages faulted in on the CPU's own node, of all) or,",
	"where a process faults no more, on `exposure`: share of run time x share of",
	"memory a node, an estimate; true remote accesses would need a PMU. A process",
	"that is pinned inside a node, or has memory bound with mbind(2), is held to it:",
	"VIOL and Events tell what broke that, and who did it. n/a is never 0.",
};

static void draw_help(struct view *v)
{
	int y = HEADER, end = LINES - 1;
	const struct top_frame *f = v->model.delta;

	for (size_t i = 0; i < sizeof(help) / sizeof(help[0]) && y < end; i++, y++)
		put(v, y, 0, COLS, true, help[i]);
	if (y < end)
		put(v, y++, 0, COLS, true, "");
	for (int m = 0; m < NUMAPERF_METRIC_COUNT && y < end; m++, y++)
		putf(v, y, 0, "%-15s %-8s %s", numaperf_metric_name((enum numaperf_metric)m),
		     numaperf_rung_name(f->hook[m].rung),
		     f->hook[m].reason[0] ? f->hook[m].reason : f->hook[m].hook);
	for (; y < end; y++)
		put(v, y, 0, COLS, true, "");
}

/* ---- all of it ---- */

/* What a screen without rows says. */
static const char *nothing(const struct view *v)
{
	const struct top_model *m = &v->model;
	const struct top_frame *f = m->delta;

	switch (m->screen) {
	case TOP_THREADS:
	case TOP_REGIONS:
		if (!m->pid)
			return "No process is chosen: select one on screen 2, then Enter or r.";
		if (m->screen == TOP_REGIONS && f->regions_error)
			return f->regions_error;
		if (m->screen == TOP_REGIONS && f->regions_pid != m->pid)
			return v->source->seek ? "Not recorded: a recording has the regions of "
						 "the process that was looked into (r, or -p)."
					       : "Not read yet.";
		return "None.";
	case TOP_WHERE:
		return f->stacks_error ? f->stacks_error
				       : "No page came from another node in this interval.";
	case TOP_EVENTS:
		return "No violation.";
	default:
		return m->filter[0] ? "Nothing fits the filter." : "None.";
	}
}

static void draw(struct view *v)
{
	int y = HEADER, end = LINES - 1;

	if (!v->model.delta)
		return;
	erase();
	draw_header(v);
	draw_tabs(v);
	draw_verdict(v);
	if (v->model.screen == TOP_HELP) {
		draw_help(v);
	} else if (v->model.screen == TOP_OVERVIEW) {
		draw_overview(v);
	} else {
		y += draw_table(v, y, end - y, true);
		if (!v->model.rows && y < end)
			put(v, y++, 0, COLS, true, nothing(v));
	}
	draw_footer(v);
	move(LINES - 1, COLS - 1);
	refresh();
}

/* ---- keys ---- */

static void say(struct view *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void say(struct view *v, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(v->said, sizeof(v->said), fmt, ap);
	va_end(ap);
}

static const struct top_row *selected(const struct view *v)
{
	size_t at = v->at[v->model.screen];

	return at < v->model.rows ? &v->model.row[at] : NULL;
}

static int selected_pid(const struct view *v)
{
	const struct top_row *row = selected(v);

	if (!row)
		return 0;
	switch (v->model.screen) {
	case TOP_PROCESSES:
		return ((const struct top_process *)row->of)->pid;
	case TOP_WHERE:
		return ((const struct top_stack *)row->of)->pid;
	case TOP_EVENTS:
		return ((const struct top_event *)row->of)->pid;
	default:
		return v->model.pid;
	}
}

static void show(struct view *v, enum top_screen screen)
{
	v->model.screen = screen;
	v->follow = false;
	top_model_rows(&v->model);
}

/* One process on another screen. */
static void go_into(struct view *v, enum top_screen screen)
{
	int pid = selected_pid(v);

	if (!pid) {
		say(v, "Select a process first.");
		return;
	}
	v->model.pid = pid;
	v->source->look_into(v->source, pid);
	v->at[screen] = v->first[screen] = 0;
	show(v, screen);
}

static void step(struct view *v, long by)
{
	size_t *at = &v->at[v->model.screen];

	if (by < 0 && (size_t)-by > *at)
		*at = 0;
	else
		*at = (size_t)((long)*at + by);
	if (*at >= v->model.rows)
		*at = v->model.rows ? v->model.rows - 1 : 0;
	v->follow = false;
}

/* To the next or last column that is seen. */
static void sort_by(struct view *v, int by)
{
	struct top_way *way = &v->model.way[v->model.screen];
	struct placed p[PLACED_MAX];
	size_t count = place_columns(v, p), at = 0;

	if (!count)
		return;
	for (size_t i = 0; i < count; i++)
		if (p[i].at == way->sort && p[i].node == way->sort_node)
			at = i;
	at = (at + count + (size_t)(long)by) % count;
	way->sort = p[at].at;
	way->sort_node = p[at].node;
	top_model_rows(&v->model);
}

static void search(struct view *v)
{
	size_t n;
	const struct top_column *c = top_columns(v->model.screen, &n);
	char text[2304];

	for (size_t i = 1; v->search[0] && i <= v->model.rows; i++) {
		size_t at = (v->at[v->model.screen] + i) % v->model.rows;

		for (size_t k = 0; k < n; k++) {
			top_cell_text(&v->model, &c[k], &v->model.row[at], 0, text,
				      sizeof(text));
			if (!c[k].per_node && strcasestr(text, v->search)) {
				v->at[v->model.screen] = at;
				return;
			}
		}
	}
	say(v, "'%s' is not found.", v->search);
}

static void toggle_column(struct view *v, const char *id)
{
	struct top_way *way = &v->model.way[v->model.screen];
	char list[400] = "";
	size_t n, used = 0;
	const struct top_column *c = top_columns(v->model.screen, &n);

	for (unsigned int i = 0; i < n; i++) {
		uint64_t bit = 1ull << i;
		int more;

		if (!strcasecmp(c[i].id, id)) {
			bool shown = top_column_shown(&v->model, i);

			way->hidden = shown ? way->hidden | bit : way->hidden & ~bit;
			way->shown = shown ? way->shown & ~bit : way->shown | bit;
			return;
		}
		more = snprintf(list + used, sizeof(list) - used, " %s", c[i].id);
		used += more > 0 && (size_t)more < sizeof(list) - used ? (size_t)more : 0;
	}
	say(v, "Columns:%s", list);
}

static void answer(struct view *v)
{
	enum prompt prompt = v->prompt;
	char *end;
	double seconds;
	long node;

	v->prompt = PROMPT_NONE;
	switch (prompt) {
	case PROMPT_FILTER:
		snprintf(v->model.filter, sizeof(v->model.filter), "%s", v->line);
		top_model_rows(&v->model);
		break;
	case PROMPT_SEARCH:
		snprintf(v->search, sizeof(v->search), "%s", v->line);
		search(v);
		break;
	case PROMPT_DELAY:
		seconds = strtod(v->line, &end);
		if (*end || !v->line[0] || !(seconds >= 0.1 && seconds <= 3600))
			say(v, "0.1 to 3600 seconds.");
		else
			v->interval = seconds;
		break;
	case PROMPT_NODE:
		node = v->line[0] ? strtol(v->line, &end, 10) : -1;
		if (v->line[0] && (*end || top_frame_node(v->model.delta, (int)node) < 0))
			say(v, "There is no node '%s'.", v->line);
		else
			v->model.node = (int)node;
		top_model_rows(&v->model);
		break;
	case PROMPT_COLUMN:
		toggle_column(v, v->line);
		break;
	case PROMPT_NONE:
		break;
	}
}

static void prompt_key(struct view *v, int key)
{
	size_t n = strlen(v->line);

	if (key == '\n' || key == '\r' || key == KEY_ENTER)
		answer(v);
	else if (key == 27)
		v->prompt = PROMPT_NONE;
	else if ((key == KEY_BACKSPACE || key == 127 || key == 8) && n)
		v->line[n - 1] = '\0';
	else if (key >= ' ' && key < 256 && n + 1 < sizeof(v->line)) {
		v->line[n] = (char)key;
		v->line[n + 1] = '\0';
	}
}

static void ask(struct view *v, enum prompt prompt)
{
	v->prompt = prompt;
	v->line[0] = '\0';
	if (prompt == PROMPT_FILTER)
		snprintf(v->line, sizeof(v->line), "%s", v->model.filter);
}

static void why(struct view *v)
{
	const struct top_way *way = &v->model.way[v->model.screen];
	size_t n;
	const struct top_column *c = top_columns(v->model.screen, &n);
	char text[480];

	if (v->model.screen == TOP_HELP)
		return;
	top_column_reason(&v->model, &c[way->sort], text, sizeof(text));
	if (text[0])
		say(v, "%s: %s", c[way->sort].title, text);
	else
		say(v, "%s: %s", c[way->sort].title, c[way->sort].help);
}

static void mouse(struct view *v)
{
	struct placed p[PLACED_MAX];
	struct top_way *way = &v->model.way[v->model.screen];
	size_t count = place_columns(v, p);
	MEVENT e;
	int width;

	if (getmouse(&e) != OK)
		return;
	if (e.bstate & BUTTON4_PRESSED) {
		step(v, -3);
	} else if (e.bstate & BUTTON5_PRESSED) {
		step(v, 3);
	} else if (e.y == 1) {
		for (int s = 0; s < TOP_SCREENS; s++)
			if (e.x >= tab_place(s, &width) && e.x < tab_place(s, &width) + width)
				show(v, (enum top_screen)s);
	} else if (e.y == HEADER) {
		for (size_t i = 0; i < count; i++) {
			if (e.x < p[i].x || e.x >= p[i].x + p[i].width)
				continue;
			way->reverse = way->sort == p[i].at && way->sort_node == p[i].node &&
				       !way->reverse;
			way->sort = p[i].at;
			way->sort_node = p[i].node;
			top_model_rows(&v->model);
		}
	} else if (e.y > HEADER && e.y < LINES - 1) {
		size_t at = v->first[v->model.screen] + (size_t)(e.y - HEADER - 1);

		if (at < v->model.rows)
			v->at[v->model.screen] = at;
	}
}

/* In a recording. */
static void leap(struct view *v, double by)
{
	if (!v->source->seek)
		return;
	top_model_leap(&v->model);
	v->into = v->into + by > 0 ? v->into + by : 0;
	if (v->into > v->source->length(v->source))
		v->into = v->source->length(v->source);
	v->at_end = false;
	/* the frame before it is what the first delta is counted from */
	v->source->seek(v->source, v->into > v->interval ? v->into - v->interval : 0);
	v->wanted = 2;
}

static void table_key(struct view *v, int key)
{
	struct top_way *way = &v->model.way[v->model.screen];
	const struct top_row *row = selected(v);

	switch (key) {
	case KEY_UP:
	case 'k':
		step(v, -1);
		break;
	case KEY_DOWN:
	case 'j':
		step(v, 1);
		break;
	case KEY_PPAGE:
		step(v, -(LINES - HEADER - 2));
		break;
	case KEY_NPAGE:
		step(v, LINES - HEADER - 2);
		break;
	case KEY_HOME:
		step(v, -(long)v->model.rows);
		break;
	case KEY_END:
		step(v, (long)v->model.rows);
		break;
	case KEY_LEFT:
		v->skip[v->model.screen] -= v->skip[v->model.screen] > 0;
		break;
	case KEY_RIGHT:
		v->skip[v->model.screen]++;
		break;
	case '<':
		sort_by(v, -1);
		break;
	case '>':
		sort_by(v, 1);
		break;
	case 'R':
		way->reverse = !way->reverse;
		top_model_rows(&v->model);
		break;
	case 'f':
		v->follow = row && !v->follow;
		v->followed = row ? row->id : 0;
		say(v, v->follow ? "Following the selected row." : "Not following.");
		break;
	}
}

static void key(struct view *v, int k)
{
	v->said[0] = '\0';
	if (v->prompt) {
		prompt_key(v, k);
		return;
	}
	if (k >= '1' && k < '1' + TOP_SCREENS) {
		show(v, (enum top_screen)(k - '1'));
		return;
	}
	switch (k) {
	case 'q':
		v->ended = true;
		break;
	case '\t':
		show(v, (enum top_screen)((v->model.screen + 1) % TOP_SCREENS));
		break;
	case KEY_BTAB:
		show(v, (enum top_screen)((v->model.screen + TOP_SCREENS - 1) % TOP_SCREENS));
		break;
	case 'h':
	case '?':
	case KEY_F(1):
		show(v, TOP_HELP);
		break;
	case '\n':
	case '\r':
	case KEY_ENTER:
		go_into(v, TOP_THREADS);
		break;
	case 'r':
		go_into(v, TOP_REGIONS);
		break;
	case 'w':
		go_into(v, TOP_WHERE);
		break;
	case 'o':
		v->model.pid = 0;
		top_model_rows(&v->model);
		break;
	case '/':
		ask(v, PROMPT_SEARCH);
		break;
	case 'n':
		search(v);
		break;
	case '\\':
		ask(v, PROMPT_FILTER);
		break;
	case 'd':
		ask(v, PROMPT_DELAY);
		break;
	case 'N':
		ask(v, PROMPT_NODE);
		break;
	case 'c':
		ask(v, PROMPT_COLUMN);
		break;
	case 't':
		v->model.tree = !v->model.tree;
		top_model_rows(&v->model);
		break;
	case 'K':
		v->model.kernel = !v->model.kernel;
		top_model_rows(&v->model);
		break;
	case 'p':
	case ' ':
		v->paused = !v->paused;
		break;
	case 'i':
		why(v);
		break;
	case '.':
		v->wanted += v->paused;
		break;
	case '[':
		leap(v, -10);
		break;
	case ']':
		leap(v, 10);
		break;
	case '{':
		leap(v, -60);
		break;
	case '}':
		leap(v, 60);
		break;
	case KEY_MOUSE:
		mouse(v);
		break;
	default:
		table_key(v, k);
	}
}

/* ---- frames ---- */

static int take(struct view *v, char *error, size_t size)
{
	struct top_frame *frame;
	int err = v->source->next(v->source, &frame);

	if (err > 0) {
		v->at_end = true;
		return 0;
	}
	if (err) {
		snprintf(error, size, "%s", v->source->error);
		return err;
	}
	err = v->opts->keep(v->opts->keeper, frame, error, size);
	if (err) {
		top_frame_free(frame);
		return err;
	}
	v->into = (double)(frame->mono_ns - v->source->begin_ns) / 1e9;
	if (top_model_take(&v->model, frame)) {
		top_frame_free(frame);
		snprintf(error, size, "no memory");
		return -ENOMEM;
	}
	return top_model_rows(&v->model);
}

/* ---- the terminal ---- */

/* Cold to hot. A terminal with true colour takes no numbers of a palette, but the colours. */
static void set_heat(short at)
{
	static const int palette[HEATS] = { 24, 30, 64, 136, 166, 160 };
	static const int direct[HEATS] = { 0x005f87, 0x008787, 0x5f8700,
					   0xaf8700, 0xd75f00, 0xd70000 };
	static const int few[HEATS] = { COLOR_BLUE,   COLOR_CYAN,    COLOR_GREEN,
					COLOR_YELLOW, COLOR_MAGENTA, COLOR_RED };
	int pair = PAIR_HEAT + at;

	if (tigetflag("RGB") == 1)
		init_extended_pair(pair, 0xffffff, direct[at]);
	else if (COLORS >= 256)
		init_extended_pair(pair, 231, palette[at]);
	else
		init_extended_pair(pair, COLOR_WHITE, few[at]);
}

static void set_colours(struct view *v)
{
	if (!v->opts->colour || !has_colors() || start_color() == ERR)
		return;
	v->colour = true;
	use_default_colors();
	init_pair(PAIR_BAR, COLOR_CYAN, -1);
	init_pair(PAIR_GOOD, COLOR_GREEN, -1);
	init_pair(PAIR_BAD, COLOR_RED, -1);
	init_pair(PAIR_WARN, COLOR_YELLOW, -1);
	init_pair(PAIR_DIM, -1, -1);
	for (short i = 0; i < HEATS; i++)
		set_heat(i);
}

static int open_terminal(struct view *v, SCREEN **screen, char *error, size_t size)
{
	const char *type = getenv("TERM");

	*screen = newterm(NULL, stdout, stdin);
	if (!*screen) {
		snprintf(error, size,
			 "the terminal '%s' is not known: set TERM (xterm does for most), or "
			 "use "
			 "-b",
			 type ? type : "");
		return -ENOTTY;
	}
	set_term(*screen);
	v->utf8 = !v->opts->ascii && !strcmp(nl_langinfo(CODESET), "UTF-8");
	cbreak();
	noecho();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	set_escdelay(50);
	curs_set(0);
	mousemask(BUTTON1_CLICKED | BUTTON1_PRESSED | BUTTON4_PRESSED | BUTTON5_PRESSED, NULL);
	mouseinterval(0);
	set_colours(v);
	return 0;
}

/* ---- the loop ---- */

/* Waits for a key, for something that should be seen at once, or for the next update. */
static bool wait_for(struct view *v, uint64_t due)
{
	struct pollfd fds[3] = {
		{ .fd = STDIN_FILENO, .events = POLLIN },
		{ .fd = v->paused ? -1 : v->source->fd, .events = POLLIN },
		{ .fd = v->opts->signals, .events = POLLIN },
	};
	uint64_t at = now();
	int ms = due > at ? (int)((due - at + 999999) / 1000000) : 0;

	if (v->paused || v->at_end)
		ms = -1;
	if (poll(fds, 3, ms) < 0)
		return false; /* SIGWINCH: a key says so */
	/* the terminal is gone, or somebody has had enough */
	if (fds[0].revents & (POLLHUP | POLLERR | POLLNVAL) || fds[2].revents)
		v->ended = true;
	return fds[1].revents & POLLIN;
}

static int loop(struct view *v, char *error, size_t size)
{
	uint64_t due = now();
	bool urgent = false;
	int err = 0, k;

	if (v->opts->at >= 0 && v->source->seek) {
		leap(v, v->opts->at);
		v->paused = true;
	}
	while (!v->ended && !err) {
		uint64_t at = now();

		/* events in a row are shown together: at most ten times a second */
		if (urgent && at + SECOND / 10 < due)
			due = at + SECOND / 10;
		for (; v->wanted && !v->at_end && !err; v->wanted--) {
			err = take(v, error, size);
			due = at + (uint64_t)(v->interval * (double)SECOND);
		}
		v->wanted = 0;
		if (!err && !v->paused && !v->at_end && at >= due) {
			/* the first delta needs two frames, and nobody wants to wait for it */
			bool first = !v->model.last;

			err = take(v, error, size);
			due = at +
			      (first ? SECOND / 4 : (uint64_t)(v->interval * (double)SECOND));
			if (first && v->source->seek)
				due = at;
		}
		draw(v);
		urgent = wait_for(v, due);
		while ((k = getch()) != ERR)
			key(v, k);
	}
	return err;
}

int top_view_run(struct top_source *source, const struct top_view_opts *opts, char *error,
		 size_t size)
{
	struct view v = { .source = source, .opts = opts, .interval = opts->interval };
	SCREEN *screen;
	int err;

	top_model_init(model(&v));
	v.model.node = opts->node;
	if (opts->pid) {
		v.model.pid = opts->pid;
		source->look_into(source, opts->pid);
	}
	err = open_terminal(&v, &screen, error, size);
	if (!err) {
		err = loop(&v, error, size);
		endwin();
		delscreen(screen);
	}
	top_model_free(&v.model);
	return err;
}

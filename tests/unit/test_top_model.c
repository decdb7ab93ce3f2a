// SPDX-License-Identifier: MIT
/* What a screen shows: rows, their order, trees, filters, cells. */
#include "../../tools/top_model.h"
#include "frames.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
/* cmocka wants these before it */
#include <cmocka.h>

static struct top_model m;

static int set_up(void **state)
{
	(void)state;
	top_model_init(&m);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	top_model_free(&m);
	return 0;
}

/* Two frames, two seconds apart: processes 10 .. 13 with what they did in between. */
static void take_two(void)
{
	struct top_frame *a = frames_plain(2, 10), *b = frames_plain(2, 12);
	static const char *const names[] = { "server", "client", "batch", "Idle" };

	for (int i = 0; i < 4; i++) {
		frames_process(a, 10 + i, names[i]);
		frames_process(b, 10 + i, names[i]);
	}
	for (int i = 0; i < 4; i++) {
		b->process[i].counts.faults_remote = (uint64_t)(10 * i);
		b->process[i].counts.run_ns = (uint64_t)(4 - i) * 100000000u;
		b->process[i].run_ns_on[i & 1] = b->process[i].counts.run_ns;
		b->process[i].resident[1] = (uint64_t)i << 20;
	}
	b->process[1].ppid = 10;
	b->process[2].ppid = 11;
	b->process[3].ppid = 12;
	frames_thread(b, 10, 10);
	frames_thread(b, 10, 20)->counts.run_ns = 5;
	frames_thread(b, 11, 11);
	b->cell[1].pages[NUMAPERF_PAGE_ANON] = 1000;
	b->cell[2].pages[NUMAPERF_PAGE_HUGE] = 10;
	assert_int_equal(top_model_take(&m, a), 0);
	assert_int_equal(top_model_take(&m, b), 0);
}

static void show(enum top_screen screen)
{
	m.screen = screen;
	assert_int_equal(top_model_rows(&m), 0);
}

static unsigned int column(const char *id)
{
	size_t n;
	const struct top_column *c = top_columns(m.screen, &n);

	for (unsigned int i = 0; i < n; i++)
		if (!strcmp(c[i].id, id))
			return i;
	fail_msg("no column %s", id);
	return 0;
}

/* The ids of the rows, in their order. */
static const char *order(void)
{
	static char text[256];
	size_t used = 0;

	text[0] = '\0';
	for (size_t i = 0; i < m.rows; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%llu",
					 i ? " " : "", (unsigned long long)m.row[i].id);
	return text;
}

static const char *cell(size_t row, const char *id, size_t node)
{
	static char text[512];
	size_t n;
	const struct top_column *c = top_columns(m.screen, &n);

	return top_cell_text(&m, &c[column(id)], &m.row[row], node, text, sizeof(text));
}

static void the_most_remote_come_first(void **state)
{
	(void)state;
	take_two();
	show(TOP_PROCESSES);
	assert_string_equal(order(), "13 12 11 10");
	m.way[TOP_PROCESSES].reverse = true;
	show(TOP_PROCESSES);
	assert_string_equal(order(), "10 11 12 13");
	m.way[TOP_PROCESSES].reverse = false;
	m.way[TOP_PROCESSES].sort = column("cpu");
	show(TOP_PROCESSES);
	assert_string_equal(order(), "10 11 12 13");
	/* texts too, capitals first as strcmp has it */
	m.way[TOP_PROCESSES].sort = column("command");
	show(TOP_PROCESSES);
	assert_string_equal(order(), "13 12 11 10");
	/* one node's column */
	m.way[TOP_PROCESSES].sort = column("ran-on");
	m.way[TOP_PROCESSES].sort_node = 1;
	show(TOP_PROCESSES);
	assert_string_equal(order(), "11 13 10 12");
}

static void what_is_equal_goes_by_time(void **state)
{
	(void)state;
	take_two();
	m.screen = TOP_PROCESSES;
	m.way[TOP_PROCESSES].sort = column("node-moves"); /* all 0 */
	show(TOP_PROCESSES);
	assert_string_equal(order(), "10 11 12 13");
}

static void what_cannot_be_had_is_last(void **state)
{
	(void)state;
	take_two();
	free(m.delta->process[2].resident);
	m.delta->process[2].resident = NULL;
	m.screen = TOP_PROCESSES;
	m.way[TOP_PROCESSES].sort = column("memory");
	show(TOP_PROCESSES);
	assert_string_equal(order(), "13 11 10 12");
	assert_string_equal(cell(3, "memory", 0), "n/a");
	m.way[TOP_PROCESSES].reverse = true;
	show(TOP_PROCESSES);
	assert_string_equal(order(), "10 11 13 12");
}

static void filters(void **state)
{
	(void)state;
	take_two();
	strcpy(m.filter, "ER"); /* in server, not in client? in neither case */
	show(TOP_PROCESSES);
	assert_string_equal(order(), "10");
	strcpy(m.filter, "12");
	show(TOP_PROCESSES);
	assert_string_equal(order(), "12");
	strcpy(m.filter, "nothing");
	show(TOP_PROCESSES);
	assert_string_equal(order(), "");
	m.filter[0] = '\0';
	m.node = 2; /* at the second place: who ran or has memory there */
	show(TOP_PROCESSES);
	assert_string_equal(order(), "13 12 11");
	m.node = 0;
	show(TOP_PROCESSES);
	assert_string_equal(order(), "12 10");
	m.node = 7;
	show(TOP_PROCESSES);
	assert_string_equal(order(), "");
}

static void threads_of_the_kernel_are_hidden(void **state)
{
	(void)state;
	take_two();
	m.delta->process[1].kernel = true;
	show(TOP_PROCESSES);
	assert_string_equal(order(), "13 12 10");
	m.kernel = true;
	show(TOP_PROCESSES);
	assert_string_equal(order(), "13 12 11 10");
}

static void a_tree(void **state)
{
	(void)state;
	take_two();
	m.tree = true;
	show(TOP_PROCESSES);
	assert_string_equal(order(), "10 11 12 13");
	for (int i = 0; i < 4; i++)
		assert_int_equal(m.row[i].depth, i);
	/* whose parent is not shown is a root */
	strcpy(m.filter, "Idle");
	show(TOP_PROCESSES);
	assert_string_equal(order(), "13");
	assert_int_equal(m.row[0].depth, 0);
	m.filter[0] = '\0';
	/* parents that go round in a ring: each is there once */
	m.delta->process[0].ppid = 13;
	show(TOP_PROCESSES);
	assert_int_equal(m.rows, 4);
	/* siblings in the order of the sort */
	for (int i = 1; i < 4; i++)
		m.delta->process[i].ppid = 10;
	m.delta->process[0].ppid = 1;
	show(TOP_PROCESSES);
	assert_string_equal(order(), "10 13 12 11");
	/* where a line goes on downwards */
	m.delta->process[2].ppid = 13;
	m.delta->process[1].ppid = 12;
	m.delta->process[0].ppid = 1;
	show(TOP_PROCESSES);
	assert_string_equal(order(), "10 13 12 11");
	m.delta->process[1].ppid = 10;
	show(TOP_PROCESSES);
	assert_string_equal(order(), "10 13 12 11");
	assert_int_equal(m.row[1].open, 1); /* 11 follows below 10 */
	assert_int_equal(m.row[2].open, 1);
	assert_int_equal(m.row[2].depth, 2);
	assert_int_equal(m.row[3].open, 0);
}

/* Very many, in one long branch and flat: neither takes longer than a moment. */
static void a_tree_of_many(void **state)
{
	enum {
		MANY = 20000
	};
	struct top_process *p = calloc(MANY, sizeof(*p));
	struct top_row *row = calloc(MANY, sizeof(*row));

	(void)state;
	for (int shape = 0; shape < 2; shape++) {
		for (int i = 0; i < MANY; i++) {
			p[i].pid = i + 1;
			p[i].ppid = shape ? (i + 1) / 2 : i; /* two children each; one */
			row[i] = (struct top_row){ .of = &p[MANY - 1 - i] };
		}
		assert_int_equal(top_tree(row, MANY), 0);
		for (int i = 0; i < MANY; i++) {
			const struct top_process *at = row[i].of;
			int depth = 0;

			for (int up = at->ppid; up && i % 997 == 0; up = p[up - 1].ppid)
				depth++;
			if (i % 997 == 0)
				assert_int_equal(row[i].depth, depth);
		}
		assert_int_equal(((const struct top_process *)row[0].of)->pid, 1);
	}
	free(p);
	free(row);
}

static void threads_of_one_process(void **state)
{
	(void)state;
	take_two();
	show(TOP_THREADS);
	assert_int_equal(m.rows, 0); /* of none */
	m.pid = 10;
	show(TOP_THREADS);
	assert_string_equal(order(), "20 10");
	assert_string_equal(cell(0, "cpus", 0), "n/a");
}

static void cells_are_rates_and_shares(void **state)
{
	(void)state;
	take_two();
	show(TOP_PROCESSES);
	assert_string_equal(cell(0, "pid", 0), "13");
	assert_string_equal(cell(0, "remote", 0), "15"); /* 30 in two seconds */
	assert_string_equal(cell(3, "cpu", 0), "20.0");
	assert_string_equal(cell(3, "ran-on", 0), "20.0");
	assert_string_equal(cell(3, "ran-on", 1), "0.0");
	assert_string_equal(cell(0, "local%", 0), "0.0");
	assert_string_equal(cell(0, "basis", 0), "fault");
	assert_string_equal(cell(3, "local%", 0), "n/a");
	assert_string_equal(cell(3, "basis", 0), "-");
	assert_string_equal(cell(0, "on", 1), "3.0M");
	show(TOP_OVERVIEW);
	assert_string_equal(cell(0, "node", 0), "0");
	assert_string_equal(cell(1, "node", 0), "2");
	assert_string_equal(cell(0, "cpu", 0), "25.0");
	assert_string_equal(cell(0, "free", 0), "2.0G");
}

static void a_metric_that_is_absent_is_na_and_says_why(void **state)
{
	struct top_hook *h;
	char text[512];
	size_t n;

	(void)state;
	take_two();
	h = &m.delta->hook[NUMAPERF_METRIC_FAULTS];
	h->rung = NUMAPERF_RUNG_ABSENT;
	strcpy(h->reason, "tp_btf/mm_page_alloc: not permitted");
	strcpy(h->remedy, "run as root");
	show(TOP_PROCESSES);
	assert_string_equal(cell(0, "remote", 0), "n/a");
	top_column_reason(&m, &top_columns(m.screen, &n)[column("remote")], text, sizeof(text));
	assert_string_equal(text,
			    "faults is absent: tp_btf/mm_page_alloc: not permitted; run as "
			    "root");
	top_column_reason(&m, &top_columns(m.screen, &n)[column("cpu")], text, sizeof(text));
	assert_string_equal(text, "");
	/* without an interval there is no rate */
	m.delta->interval_ns = 0;
	assert_string_equal(cell(0, "cpu", 0), "n/a");
}

static void cgroups_are_sums(void **state)
{
	struct top_frame *a = frames_plain(1, 1), *b = frames_plain(1, 2);

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct top_process *p;

		frames_process(a, 10 + i, "p");
		p = frames_process(b, 10 + i, "p");
		p->counts.faults_remote = 5;
		p->resident[0] = 1 << 20;
		p->cgroup = i ? 1 : 0;
	}
	top_frame_add_cgroup(b)->path = strdup("/one");
	top_frame_add_cgroup(b)->path = strdup("/two");
	b->cgroup[1].container = strdup("abc123");
	assert_int_equal(top_model_take(&m, a), 0);
	assert_int_equal(top_model_take(&m, b), 0);
	show(TOP_CGROUPS);
	assert_int_equal(m.rows, 2);
	assert_string_equal(cell(0, "path", 0), "/two");
	assert_string_equal(cell(0, "container", 0), "abc123");
	assert_string_equal(cell(0, "processes", 0), "2");
	assert_string_equal(cell(0, "remote", 0), "10");
	assert_string_equal(cell(0, "memory", 0), "2.0M");
	strcpy(m.filter, "abc");
	show(TOP_CGROUPS);
	assert_int_equal(m.rows, 1);
}

static struct top_frame *with_events(uint64_t second, int count)
{
	struct top_frame *f = frames_plain(1, second);

	for (int i = 0; i < count; i++) {
		struct top_event *e = top_frame_add_event(f);

		e->time_ns = second * 1000000000u + (uint64_t)i;
		e->kind = NUMAPERF_VIOLATION_PAGE;
		e->page_cause = NUMAPERF_PAGE_MOVE_PAGES;
		e->label = strdup("range");
		if (asprintf(&e->message, "event %llu.%d", (unsigned long long)second, i) < 0)
			abort();
	}
	return f;
}

static void events_are_kept_newest_first(void **state)
{
	(void)state;
	assert_int_equal(top_model_take(&m, with_events(1, 2)), 0);
	assert_int_equal(top_model_take(&m, with_events(2, 1)), 0);
	show(TOP_EVENTS);
	assert_int_equal(m.rows, 3);
	assert_string_equal(cell(0, "message", 0), "event 2.0");
	assert_string_equal(cell(1, "message", 0), "event 1.1");
	assert_string_equal(cell(2, "message", 0), "event 1.0");
	assert_string_equal(cell(0, "cause", 0), "move_pages");
	/* not more than so many, whatever comes */
	for (uint64_t i = 3; i < 40; i++)
		assert_int_equal(top_model_take(&m, with_events(i, 50)), 0);
	assert_int_equal(m.events, TOP_EVENTS_KEPT);
	assert_string_equal(m.event[0].message, "event 39.49");
	assert_int_equal(top_model_take(&m, with_events(50, 3000)), 0);
	assert_int_equal(m.events, TOP_EVENTS_KEPT);
	top_model_leap(&m);
	assert_int_equal(m.events, 0);
}

static void the_matrix_is_as_hot_as_its_hottest(void **state)
{
	uint64_t pages;

	(void)state;
	take_two();
	assert_true(fabs(top_heat(&m, 0, 1, &pages) - 1) < 1e-9);
	assert_int_equal(pages, 1000);
	assert_true(top_heat(&m, 1, 0, &pages) > 0.3 && top_heat(&m, 1, 0, &pages) < 0.4);
	assert_int_equal(pages, 10);
	assert_true(top_heat(&m, 0, 0, &pages) == 0);
}

static void numbers_are_short(void **state)
{
	char b[32];

	(void)state;
	assert_string_equal(top_short(0, b, sizeof(b)), "0");
	assert_string_equal(top_short(0.25, b, sizeof(b)), "0.2");
	assert_string_equal(top_short(9.94, b, sizeof(b)), "9.9");
	assert_string_equal(top_short(9.96, b, sizeof(b)), "10");
	assert_string_equal(top_short(9999, b, sizeof(b)), "9999");
	assert_string_equal(top_short(10000, b, sizeof(b)), "10.0k");
	assert_string_equal(top_short(123456, b, sizeof(b)), "123k");
	assert_string_equal(top_short(12345678, b, sizeof(b)), "12.3M");
	assert_string_equal(top_bytes(0, b, sizeof(b)), "0K");
	assert_string_equal(top_bytes(4096, b, sizeof(b)), "4.0K");
	assert_string_equal(top_bytes(1023 * 1024, b, sizeof(b)), "1.0M");
	assert_string_equal(top_bytes(1.5 * (1ull << 40), b, sizeof(b)), "1.5T");
	/* whatever it is, it fits a column */
	for (double n = 1; n < 1e19; n *= 1.37) {
		assert_true(strlen(top_short(n, b, sizeof(b))) <= 7);
		assert_true(strlen(top_bytes(n, b, sizeof(b))) <= 6);
	}
}

/* Whatever comes, every cell of every screen is a text. */
static void any_frames(void **state)
{
	const char *given = getenv("NP_SEED");

	(void)state;
	frames_seed = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL) * 2654435761u + 1;
	print_message("NP_SEED=%#llx\n", (unsigned long long)frames_seed);
	for (int i = 0; i < 300; i++) {
		assert_int_equal(top_model_take(&m, frames_random(1 + frames_any(4))), 0);
		m.pid = (int)frames_any(30);
		m.tree = frames_any(2);
		m.kernel = frames_any(2);
		m.node = frames_any(4) ? -1 : (int)frames_any(8);
		strcpy(m.filter, frames_any(3) ? "" : "a");
		for (int s = 0; s < TOP_SCREENS; s++) {
			size_t n, count;
			const struct top_column *c = top_columns((enum top_screen)s, &n);
			char text[2304];

			m.way[s].sort = frames_any((unsigned int)n);
			m.way[s].sort_node = frames_any((unsigned int)m.delta->nodes);
			m.way[s].reverse = frames_any(2);
			show((enum top_screen)s);
			count = m.rows;
			for (size_t r = 0; r < count; r++)
				for (size_t k = 0; k < n; k++)
					for (size_t node = 0;
					     node < (c[k].per_node ? m.delta->nodes : 1);
					     node++) {
						const char *t =
							top_cell_text(&m, &c[k], &m.row[r],
								      node, text, sizeof(text));

						assert_true(t && strlen(t) < sizeof(text));
					}
		}
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_most_remote_come_first),
		TEST(what_is_equal_goes_by_time),
		TEST(what_cannot_be_had_is_last),
		TEST(filters),
		TEST(threads_of_the_kernel_are_hidden),
		TEST(a_tree),
		TEST(a_tree_of_many),
		TEST(threads_of_one_process),
		TEST(cells_are_rates_and_shares),
		TEST(a_metric_that_is_absent_is_na_and_says_why),
		TEST(cgroups_are_sums),
		TEST(events_are_kept_newest_first),
		TEST(the_matrix_is_as_hot_as_its_hottest),
		TEST(numbers_are_short),
		TEST(any_frames),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

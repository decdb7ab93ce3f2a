// SPDX-License-Identifier: MIT
/* Frames: copies, differences, and the texts in them. */
#include "../../tools/top_clean.h"
#include "../../tools/top_flame.h"
#include "frames.h"

#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
/* cmocka wants these before it */
#include <cmocka.h>

#include "../../tools/top_record.h"

static void start_seed(const char *name)
{
	const char *given = getenv("NP_SEED");

	frames_seed = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL) * 2654435761u + 1;
	print_message("%s: NP_SEED=%#llx\n", name, (unsigned long long)frames_seed);
}

static char *text_of(const struct top_frame *f)
{
	json_t *json = top_frame_to_json(f);
	char *text = json_dumps(json, JSON_COMPACT);

	json_decref(json);
	assert_non_null(text);
	return text;
}

static void a_copy_is_the_same(void **state)
{
	(void)state;
	start_seed(__func__);
	for (int i = 0; i < 200; i++) {
		struct top_frame *f = frames_random(1 + frames_any(8)),
				 *copy = top_frame_copy(f);
		char *a = text_of(f), *b = text_of(copy);

		assert_string_equal(a, b);
		/* and another: it can be added to */
		assert_non_null(top_frame_add_process(copy, true));
		assert_int_equal(top_frame_add_note(copy, "more"), 0);
		top_frame_free(f);
		top_frame_free(copy);
		free(a);
		free(b);
	}
}

static void what_was_counted_in_between(void **state)
{
	struct top_frame *a = frames_plain(2, 10), *b = frames_plain(2, 12), *d;

	(void)state;
	a->node[1].faults_remote = 100;
	b->node[1].faults_remote = 160;
	b->node[1].mem_free = 7;
	a->cell[1].pages[NUMAPERF_PAGE_ANON] = 5;
	b->cell[1].pages[NUMAPERF_PAGE_ANON] = 25;
	frames_process(a, 10, "old")->counts.run_ns = 500;
	frames_process(b, 10, "old")->counts.run_ns = 700;
	frames_process(b, 11, "new")->counts.run_ns = 30;
	frames_thread(a, 10, 10)->counts.moves[NUMAPERF_MOVE_WAKEUP] = 3;
	frames_thread(b, 10, 10)->counts.moves[NUMAPERF_MOVE_WAKEUP] = 9;
	b->process[0].resident[1] = 4096;
	d = top_frame_delta(a, b);
	assert_int_equal(d->interval_ns, 2000000000);
	assert_int_equal(d->node[1].faults_remote, 60);
	assert_int_equal(d->node[1].mem_free, 7); /* a gauge */
	assert_int_equal(d->node[0].cpu_busy, 200);
	assert_int_equal(d->cell[1].pages[NUMAPERF_PAGE_ANON], 20);
	assert_int_equal(top_frame_process(d, 10)->counts.run_ns, 200);
	assert_int_equal(top_frame_process(d, 10)->resident[1], 4096);
	assert_int_equal(top_frame_process(d, 11)->counts.run_ns, 30);
	assert_int_equal(top_frame_thread(d, 10, 10)->counts.moves[NUMAPERF_MOVE_WAKEUP], 6);
	assert_null(top_frame_process(d, 12));
	assert_null(top_frame_thread(d, 10, 11));
	top_frame_free(d);
	top_frame_free(a);
	top_frame_free(b);
}

/* A number that another process has by now, and a gauge that cannot be read. */
static void counters_that_begin_anew(void **state)
{
	struct top_frame *a = frames_plain(1, 1), *b = frames_plain(1, 2), *d;

	(void)state;
	frames_process(a, 10, "one")->counts.run_ns = 5000;
	frames_process(b, 10, "another")->counts.run_ns = 70;
	b->node[0].cpu_busy = TOP_NONE;
	d = top_frame_delta(a, b);
	assert_int_equal(d->process[0].counts.run_ns, 70);
	assert_true(d->node[0].cpu_busy == TOP_NONE);
	top_frame_free(d);
	top_frame_free(a);
	top_frame_free(b);
}

static void without_a_frame_before(void **state)
{
	struct top_frame *a = frames_plain(2, 5), *b = frames_plain(3, 6), *d;

	(void)state;
	frames_process(a, 10, "x")->counts.run_ns = 5000;
	a->node[0].faults_local = 99;
	d = top_frame_delta(NULL, a);
	assert_int_equal(d->interval_ns, 0);
	assert_int_equal(d->process[0].counts.run_ns, 0);
	assert_int_equal(d->node[0].faults_local, 0);
	assert_false(d->truncated);
	top_frame_free(d);
	/* other nodes, or time that runs backwards: not comparable */
	b->node[0].faults_local = 7;
	d = top_frame_delta(a, b);
	assert_true(d->truncated);
	assert_int_equal(d->node[0].faults_local, 0);
	top_frame_free(d);
	d = top_frame_delta(b, a);
	assert_true(d->truncated);
	top_frame_free(d);
	top_frame_free(a);
	top_frame_free(b);
}

static void add_stack(struct top_frame *f, const char *inner, const char *outer, uint64_t pages)
{
	struct top_stack *s = top_frame_add_stack(f, 2);

	s->pid = 10;
	s->pages = pages;
	strcpy(s->comm, "p");
	s->symbol[0] = strdup(inner);
	s->symbol[1] = strdup(outer);
}

static void stacks_are_matched_by_their_calls(void **state)
{
	struct top_frame *a = frames_plain(1, 1), *b = frames_plain(1, 2), *d;

	(void)state;
	add_stack(a, "f+0x1", "main+0x9", 10);
	add_stack(a, "g+0x1", "main+0x9", 20);
	add_stack(b, "g+0x1", "main+0x9", 50); /* in another order by now */
	add_stack(b, "h+0x1", "main+0x9", 4);
	add_stack(b, "f+0x1", "main+0x9", 15);
	d = top_frame_delta(a, b);
	assert_int_equal(d->stack[0].pages, 30);
	assert_int_equal(d->stack[1].pages, 4);
	assert_int_equal(d->stack[2].pages, 5);
	top_frame_free(d);
	top_frame_free(a);
	top_frame_free(b);
}

static void ratios_and_what_they_stand_on(void **state)
{
	struct top_frame *f = frames_plain(2, 1);
	struct top_process *p = frames_process(f, 1, "p");
	const char *basis;

	(void)state;
	assert_true(top_process_ratio(f, p, &basis) < 0); /* nothing was observed */
	assert_null(basis);
	p->run_ns_on[0] = 3;
	p->run_ns_on[1] = 1;
	p->resident[0] = 1000;
	assert_true(fabs(top_process_ratio(f, p, &basis) - 0.75) < 1e-9);
	assert_string_equal(basis, "exposure");
	p->counts.faults_local = 1;
	p->counts.faults_remote = 3;
	assert_true(fabs(top_process_ratio(f, p, &basis) - 0.25) < 1e-9);
	assert_string_equal(basis, "fault");
	/* who does not count faults has no ratio of them */
	f->hook[NUMAPERF_METRIC_FAULTS].rung = NUMAPERF_RUNG_POLLING;
	assert_true(fabs(top_process_ratio(f, p, &basis) - 0.75) < 1e-9);
	free(p->resident);
	p->resident = NULL;
	assert_true(top_process_ratio(f, p, &basis) < 0);
	top_frame_free(f);
}

static void moves_of_pages_are_had_on_the_exact_rung_only(void **state)
{
	struct top_frame *f = frames_plain(1, 1);

	(void)state;
	assert_true(top_has(f, NUMAPERF_METRIC_PAGE_MOVES));
	f->hook[NUMAPERF_METRIC_PAGE_MOVES].rung = NUMAPERF_RUNG_TP_BTF;
	assert_false(top_has(f, NUMAPERF_METRIC_PAGE_MOVES));
	f->hook[NUMAPERF_METRIC_RUN_TIME].rung = NUMAPERF_RUNG_POLLING;
	assert_true(top_has(f, NUMAPERF_METRIC_RUN_TIME));
	f->hook[NUMAPERF_METRIC_RUN_TIME].rung = NUMAPERF_RUNG_ABSENT;
	assert_false(top_has(f, NUMAPERF_METRIC_RUN_TIME));
	top_frame_free(f);
}

/* ---- texts ---- */

static void cleaned(const char *from, const char *to)
{
	char text[256];

	snprintf(text, sizeof(text), "%s", from);
	assert_string_equal(top_clean(text), to);
}

static void texts_of_others_are_cleaned(void **state)
{
	(void)state;
	cleaned("", "");
	cleaned("plain ASCII ~", "plain ASCII ~");
	cleaned("grüße 日本 🙂", "grüße 日本 🙂");
	cleaned("\033[2J\tx\n\r\x7f", "?[2J?x???");
	cleaned("a\xc2\x9b"
		"2Jb",
		"a?2Jb"); /* C1: CSI */
	cleaned("a\xe2\x80\xae"
		"b",
		"a?b"); /* right-to-left override */
	cleaned("a\xe2\x80\x8b"
		"b",
		"a?b"); /* zero width */
	cleaned("a\xef\xbb\xbf"
		"b",
		"a?b"); /* byte order mark */
	cleaned("a\xe2\x81\xa6"
		"b",
		"a?b"); /* isolate */
	cleaned("\xff\xfe", "??");
	cleaned("\xc0\xaf", "??");	     /* overlong */
	cleaned("\xed\xa0\x80", "???");	     /* a surrogate */
	cleaned("\xf4\x90\x80\x80", "????"); /* behind the last */
	cleaned("cut \xe6\x97", "cut ??");   /* in the middle of one */
}

static void cleaning_never_lengthens(void **state)
{
	(void)state;
	start_seed(__func__);
	for (int i = 0; i < 20000; i++) {
		char text[64], before[64];
		size_t n = frames_any(60);
		json_t *json;

		for (size_t k = 0; k < n; k++)
			text[k] = (char)(1 + frames_any(255));
		text[n] = '\0';
		memcpy(before, text, sizeof(text));
		top_clean(text);
		assert_true(strlen(text) <= n);
		/* what is clean stays as it is, and is UTF-8 that JSON takes */
		memcpy(before, text, sizeof(text));
		assert_string_equal(top_clean(text), before);
		json = json_string(text);
		assert_non_null(json);
		json_decref(json);
	}
}

/* ---- the flame graph ---- */

static void stacks_are_merged_from_the_outside(void **state)
{
	struct top_frame *f = frames_plain(1, 1);
	struct top_flame root = { 0 };

	(void)state;
	add_stack(f, "f+0x1", "main+0x9", 10);
	add_stack(f, "f+0x7", "main+0x5", 5); /* another place in the same two */
	add_stack(f, "g+0x1", "main+0x9", 100);
	for (size_t i = 0; i < f->stacks; i++)
		assert_int_equal(top_flame_add(&root, &f->stack[i]), 0);
	top_flame_sort(&root);
	assert_int_equal(root.pages, 115);
	assert_string_equal(root.child->name, "p");
	assert_null(root.child->next);
	assert_string_equal(root.child->child->name, "main");
	assert_int_equal(root.child->child->pages, 115);
	assert_string_equal(root.child->child->child->name, "g"); /* the largest first */
	assert_string_equal(root.child->child->child->next->name, "f");
	assert_int_equal(root.child->child->child->next->pages, 15);
	assert_int_equal(top_flame_depth(&root), 4);
	top_flame_free(&root);
	top_frame_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_copy_is_the_same),
		cmocka_unit_test(what_was_counted_in_between),
		cmocka_unit_test(counters_that_begin_anew),
		cmocka_unit_test(without_a_frame_before),
		cmocka_unit_test(stacks_are_matched_by_their_calls),
		cmocka_unit_test(ratios_and_what_they_stand_on),
		cmocka_unit_test(moves_of_pages_are_had_on_the_exact_rung_only),
		cmocka_unit_test(texts_of_others_are_cleaned),
		cmocka_unit_test(cleaning_never_lengthens),
		cmocka_unit_test(stacks_are_merged_from_the_outside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

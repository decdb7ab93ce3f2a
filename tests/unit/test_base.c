// SPDX-License-Identifier: MIT
/* Version, error record, log callback. */
#include "../../lib/src/base.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
/* cmocka wants these before it */
#include <setjmp.h>

#include <cmocka.h>

static void version_matches_the_macros(void **state)
{
	char want[32];

	(void)state;
	snprintf(want, sizeof(want), "%d.%d.%d", NUMAPERF_VERSION_MAJOR, NUMAPERF_VERSION_MINOR,
		 NUMAPERF_VERSION_PATCH);
	assert_string_equal(numaperf_version(), want);
}

static void names_are_total(void **state)
{
	(void)state;
	for (int i = NUMAPERF_REASON_NONE; i <= NUMAPERF_REASON_CANCELED; i++)
		assert_string_not_equal(numaperf_reason_name(i), "unknown");
	assert_string_equal(numaperf_reason_name(NUMAPERF_REASON_CANCELED + 1), "unknown");
	assert_string_equal(numaperf_reason_name(-1), "unknown");
	assert_string_equal(numaperf_mode_name(NUMAPERF_STRICT), "strict");
	assert_string_equal(numaperf_mode_name(-1), "unknown");
}

static void hard_mode_message_has_all_parts(void **state)
{
	const struct numaperf_error *e;
	int err;

	(void)state;
	errno = EINTR;
	err = np_fail(-NUMAPERF_EHARDMODE, NUMAPERF_REASON_PERMISSION, "executor creation",
		      "run as root", "permission denied (%s is missing)", "CAP_SYS_NICE");
	e = numaperf_last_error();
	assert_int_equal(err, -NUMAPERF_EHARDMODE);
	assert_int_equal(e->code, err);
	assert_int_equal(e->reason_id, NUMAPERF_REASON_PERMISSION);
	assert_string_equal(e->operation, "executor creation");
	assert_string_equal(e->reason, "permission denied (CAP_SYS_NICE is missing)");
	assert_string_equal(e->remedy, "run as root");
	assert_string_equal(
		e->message,
		"Hard mode unavailable: permission denied (CAP_SYS_NICE is missing), "
		"in executor creation; run as root");
	assert_int_equal(errno, EINTR);
}

static void errno_text_is_appended(void **state)
{
	(void)state;
	np_fail(-ENOENT, NUMAPERF_REASON_SYSTEM, "topology", NULL, "no node %d", 7);
	assert_string_equal(numaperf_last_error()->message,
			    "topology: no node 7: No such file or directory");
	np_fail(-EINVAL, NUMAPERF_REASON_INVALID, "region", "give a size", "size is 0");
	assert_string_equal(numaperf_last_error()->message, "region: size is 0; give a size");
}

static void long_texts_are_cut_not_overrun(void **state)
{
	char text[4096];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	np_fail(-NUMAPERF_EHARDMODE, NUMAPERF_REASON_MEMORY, text, text, "%s", text);
	assert_int_equal(strlen(numaperf_last_error()->operation),
			 sizeof(numaperf_last_error()->operation) - 1);
	assert_int_equal(strlen(numaperf_last_error()->reason),
			 sizeof(numaperf_last_error()->reason) - 1);
	assert_true(strlen(numaperf_last_error()->message) <
		    sizeof(numaperf_last_error()->message));
}

static void *fails_alone(void *out)
{
	assert_int_equal(numaperf_last_error()->code, 0);
	assert_string_equal(numaperf_last_error()->message, "");
	np_fail(-EBUSY, NUMAPERF_REASON_STATE, "other thread", NULL, "busy");
	np_error_save(out);
	return NULL;
}

static void records_belong_to_their_thread(void **state)
{
	struct numaperf_error other;
	pthread_t thread;

	(void)state;
	np_fail(-EPERM, NUMAPERF_REASON_SYSTEM, "this thread", NULL, "no");
	assert_int_equal(pthread_create(&thread, NULL, fails_alone, &other), 0);
	pthread_join(thread, NULL);
	assert_int_equal(numaperf_last_error()->code, -EPERM);
	assert_int_equal(np_error_restore(&other), -EBUSY);
	assert_string_equal(numaperf_last_error()->operation, "other thread");
}

struct lines {
	int count;
	enum numaperf_log_level level;
	char last[128];
};

static void keep(void *ctx, enum numaperf_log_level level, const char *line)
{
	struct lines *l = ctx;

	l->count++;
	l->level = level;
	snprintf(l->last, sizeof(l->last), "%s", line);
}

static void log_obeys_callback_and_level(void **state)
{
	struct lines l = { 0 };

	(void)state;
	np_log(NUMAPERF_LOG_WARNING, "into silence");
	numaperf_set_log(keep, &l, NUMAPERF_LOG_INFO);
	np_log(NUMAPERF_LOG_DEBUG, "too fine");
	assert_int_equal(l.count, 0);
	np_log(NUMAPERF_LOG_INFO, "node %d", 3);
	assert_int_equal(l.count, 1);
	assert_int_equal(l.level, NUMAPERF_LOG_INFO);
	assert_string_equal(l.last, "node 3");
	numaperf_set_log(NULL, NULL, 0);
	np_log(NUMAPERF_LOG_WARNING, "into silence again");
	assert_int_equal(l.count, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(version_matches_the_macros),
		cmocka_unit_test(names_are_total),
		cmocka_unit_test(hard_mode_message_has_all_parts),
		cmocka_unit_test(errno_text_is_appended),
		cmocka_unit_test(long_texts_are_cut_not_overrun),
		cmocka_unit_test(records_belong_to_their_thread),
		cmocka_unit_test(log_obeys_callback_and_level),
	};

	return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}

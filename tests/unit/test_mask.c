// SPDX-License-Identifier: MIT
/* Cpusets and nodemasks against a model that has one bool an id, and the texts by example. */
#include "../../lib/src/util.h"

#include <errno.h>
#include <numaperf/base.h>
#include <numaperf/mask.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka wants these before it */
#include <cmocka.h>

/* ---- the model ---- */

static uint64_t seed = 88172645463325252ull;

static unsigned int any(unsigned int below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned int)(seed >> 11) % below;
}

/* Runs of ids of all lengths, also across words, some sets dense and some nearly empty. */
static void any_model(bool *model, int max)
{
	int id = (int)any(200);
	unsigned int gap = 1 + any(400), run = 1 + any(200);

	memset(model, 0, (size_t)max);
	if (!any(4))
		id = 0;
	while (id < max) {
		for (unsigned int n = 1 + any(run); n && id < max; n--)
			model[id++] = true;
		id += 1 + (int)any(gap);
	}
	model[max - 1] = any(2);
}

static size_t model_list(const bool *model, int max, char *out)
{
	char *p = out;

	*p = '\0';
	for (int id = 0; id < max; id++) {
		int last = id;

		if (!model[id])
			continue;
		while (last + 1 < max && model[last + 1])
			last++;
		p += sprintf(p, "%s%d", p == out ? "" : ",", id);
		if (last > id)
			p += sprintf(p, "-%d", last);
		id = last;
	}
	return (size_t)(p - out);
}

static size_t model_map(const bool *model, int max, char *out)
{
	int last = max - 1;
	char *p = out;

	while (last > 0 && !model[last])
		last--;
	for (int word = last / 32; word >= 0; word--) {
		unsigned int bits = 0;

		for (int bit = 0; bit < 32; bit++)
			bits |= (unsigned int)model[word * 32 + bit] << bit;
		p += sprintf(p, "%s%08x", p == out ? "" : ",", bits);
	}
	return (size_t)(p - out);
}

/* ---- the same tests for both types ---- */

#define TESTS(type, max)                                                               \
 static struct numaperf_##type type##_of(const bool *model)                            \
 {                                                                                     \
  struct numaperf_##type mask = { { 0 } };                                             \
                                                                                       \
  for (int id = 0; id < max; id++)                                                     \
   if (model[id])                                                                      \
    assert_int_equal(numaperf_##type##_set(&mask, id), 0);                             \
  return mask;                                                                         \
 }                                                                                     \
                                                                                       \
 static void type##_same(const struct numaperf_##type *mask, const bool *model)        \
 {                                                                                     \
  int after = -1, last = -1;                                                           \
  unsigned int count = 0;                                                              \
                                                                                       \
  for (int id = 0; id < max; id++) {                                                   \
   assert_int_equal(numaperf_##type##_test(mask, id), model[id]);                      \
   if (!model[id])                                                                     \
    continue;                                                                          \
   assert_int_equal(numaperf_##type##_next(mask, after), id);                          \
   if (!count)                                                                         \
    assert_int_equal(numaperf_##type##_first(mask), id);                               \
   count++;                                                                            \
   after = last = id;                                                                  \
  }                                                                                    \
  assert_int_equal(numaperf_##type##_next(mask, after), -1);                           \
  assert_int_equal(numaperf_##type##_last(mask), last);                                \
  assert_int_equal(numaperf_##type##_count(mask), count);                              \
  assert_int_equal(numaperf_##type##_empty(mask), !count);                             \
  if (!count)                                                                          \
   assert_int_equal(numaperf_##type##_first(mask), -1);                                \
 }                                                                                     \
                                                                                       \
 static void type##_is_the_model(void **state)                                         \
 {                                                                                     \
  static bool a[max], b[max], want[max];                                               \
  struct numaperf_##type ma, mb, out;                                                  \
                                                                                       \
  (void)state;                                                                         \
  for (int round = 0; round < 100; round++) {                                          \
   bool equal = true, subset = true, intersects = false;                               \
                                                                                       \
   any_model(a, max);                                                                  \
   any_model(b, max);                                                                  \
   if (round % 4 == 1)                                                                 \
    memcpy(b, a, sizeof(b));                                                           \
   if (round % 4 == 2) /* a subset, most of the time a real one */                     \
    for (int id = 0; id < max; id++)                                                   \
     b[id] |= a[id];                                                                   \
   if (round % 4 == 3) /* nothing in common */                                         \
    for (int id = 0; id < max; id++)                                                   \
     b[id] &= !a[id];                                                                  \
   for (int id = 0; id < max; id++) {                                                  \
    equal &= a[id] == b[id];                                                           \
    subset &= !a[id] || b[id];                                                         \
    intersects |= a[id] && b[id];                                                      \
   }                                                                                   \
   ma = type##_of(a);                                                                  \
   mb = type##_of(b);                                                                  \
   type##_same(&ma, a);                                                                \
   assert_int_equal(numaperf_##type##_equal(&ma, &mb), equal);                         \
   assert_int_equal(numaperf_##type##_subset(&ma, &mb), subset);                       \
   assert_int_equal(numaperf_##type##_intersects(&ma, &mb), intersects);               \
   for (int id = 0; id < max; id++)                                                    \
    want[id] = a[id] && b[id];                                                         \
   numaperf_##type##_and(&out, &ma, &mb);                                              \
   type##_same(&out, want);                                                            \
   for (int id = 0; id < max; id++)                                                    \
    want[id] = a[id] || b[id];                                                         \
   out = ma;                                                                           \
   numaperf_##type##_or(&out, &out, &mb); /* into its own operand */                   \
   type##_same(&out, want);                                                            \
   for (int id = 0; id < max; id++)                                                    \
    want[id] = a[id] && !b[id];                                                        \
   out = mb;                                                                           \
   numaperf_##type##_andnot(&out, &ma, &out);                                          \
   type##_same(&out, want);                                                            \
  }                                                                                    \
 }                                                                                     \
                                                                                       \
 static void type##_texts_are_the_model(void **state)                                  \
 {                                                                                     \
  static char want[64 << 10], have[64 << 10];                                          \
  static bool model[max];                                                              \
  struct numaperf_##type mask, back;                                                   \
  size_t len;                                                                          \
                                                                                       \
  (void)state;                                                                         \
  for (int round = 0; round < 100; round++) {                                          \
   any_model(model, max);                                                              \
   mask = type##_of(model);                                                            \
   len = model_list(model, max, want);                                                 \
   assert_int_equal(numaperf_##type##_format(&mask, have, sizeof(have)), len);         \
   assert_string_equal(have, want);                                                    \
   memset(&back, 0xa5, sizeof(back));                                                  \
   assert_int_equal(numaperf_##type##_parse(&back, have), 0);                          \
   assert_true(numaperf_##type##_equal(&back, &mask));                                 \
   len = model_map(model, max, want);                                                  \
   assert_int_equal(numaperf_##type##_format_map(&mask, have, sizeof(have)), len);     \
   assert_string_equal(have, want);                                                    \
   memset(&back, 0xa5, sizeof(back));                                                  \
   assert_int_equal(numaperf_##type##_parse_map(&back, have), 0);                      \
   assert_true(numaperf_##type##_equal(&back, &mask));                                 \
  }                                                                                    \
 }                                                                                     \
                                                                                       \
 static void type##_borders(void **state)                                              \
 {                                                                                     \
  static const int bad[] = { -1, -2, INT32_MIN, max, max + 1, INT32_MAX };             \
  static const int good[] = { 0, 1, 31, 32, 63, 64, 65, 127, 128, max - 64, max - 1 }; \
  static bool model[max];                                                              \
  struct numaperf_##type mask, before;                                                 \
                                                                                       \
  (void)state;                                                                         \
  for (size_t i = 0; i < ARRAY_SIZE(good); i++) {                                      \
   memset(model, 0, sizeof(model));                                                    \
   model[good[i]] = true;                                                              \
   mask = numaperf_##type##_single(good[i]);                                           \
   type##_same(&mask, model);                                                          \
   assert_int_equal(numaperf_##type##_clear(&mask, good[i]), 0);                       \
   assert_true(numaperf_##type##_empty(&mask));                                        \
   numaperf_##type##_fill_below(&mask, good[i]);                                       \
   assert_int_equal(numaperf_##type##_count(&mask), good[i]);                          \
   assert_int_equal(numaperf_##type##_last(&mask), good[i] - 1);                       \
  }                                                                                    \
  numaperf_##type##_fill_below(&mask, -5);                                             \
  assert_true(numaperf_##type##_empty(&mask));                                         \
  numaperf_##type##_fill_below(&mask, INT32_MAX);                                      \
  assert_int_equal(numaperf_##type##_count(&mask), max);                               \
  before = mask;                                                                       \
  for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {                                       \
   struct numaperf_##type none = numaperf_##type##_single(bad[i]);                     \
                                                                                       \
   assert_true(numaperf_##type##_empty(&none));                                        \
   assert_false(numaperf_##type##_test(&mask, bad[i]));                                \
   assert_int_equal(numaperf_##type##_clear(&mask, bad[i]), -EINVAL);                  \
   assert_int_equal(numaperf_##type##_set(&mask, bad[i]), -EINVAL);                    \
   assert_int_equal(numaperf_last_error()->code, -EINVAL);                             \
   assert_int_equal(numaperf_last_error()->reason_id, NUMAPERF_REASON_INVALID);        \
   assert_true(numaperf_##type##_equal(&mask, &before));                               \
  }                                                                                    \
  assert_int_equal(numaperf_##type##_next(&mask, -100), 0);                            \
  assert_int_equal(numaperf_##type##_next(&mask, max - 2), max - 1);                   \
  assert_int_equal(numaperf_##type##_next(&mask, max - 1), -1);                        \
  assert_int_equal(numaperf_##type##_next(&mask, INT32_MAX), -1);                      \
  numaperf_##type##_zero(&mask);                                                       \
  assert_true(numaperf_##type##_empty(&mask));                                         \
  assert_true(numaperf_##type##_subset(&mask, &before));                               \
  assert_false(numaperf_##type##_subset(&before, &mask));                              \
  assert_false(numaperf_##type##_intersects(&mask, &mask));                            \
 }                                                                                     \
                                                                                       \
 static void type##_beyond_the_last_id(void **state)                                   \
 {                                                                                     \
  struct numaperf_##type mask = numaperf_##type##_single(7), before = mask;            \
  char text[4096];                                                                     \
                                                                                       \
  (void)state;                                                                         \
  snprintf(text, sizeof(text), "3,%d", max);                                           \
  assert_int_equal(numaperf_##type##_parse(&mask, text), -ERANGE);                     \
  assert_true(numaperf_##type##_equal(&mask, &before));                                \
  assert_int_equal(numaperf_##type##_parse(&mask, "0-99999999999999999999"), -ERANGE); \
  assert_true(numaperf_##type##_equal(&mask, &before));                                \
  snprintf(text, sizeof(text), "%d", max - 1);                                         \
  assert_int_equal(numaperf_##type##_parse(&mask, text), 0);                           \
  assert_int_equal(numaperf_##type##_first(&mask), max - 1);                           \
  /* one word more than there are: fine as long as it is zero */                       \
  before = mask;                                                                       \
  text[0] = '1';                                                                       \
  for (int i = 0; i < max / 32; i++)                                                   \
   strcpy(text + 1 + i * 9, ",00000000");                                              \
  assert_int_equal(numaperf_##type##_parse_map(&mask, text), -ERANGE);                 \
  assert_true(numaperf_##type##_equal(&mask, &before));                                \
  text[0] = '0';                                                                       \
  assert_int_equal(numaperf_##type##_parse_map(&mask, text), 0);                       \
  assert_true(numaperf_##type##_empty(&mask));                                         \
  memcpy(text, "0,80000000", 10);                                                      \
  assert_int_equal(numaperf_##type##_parse_map(&mask, text), 0);                       \
  assert_int_equal(numaperf_##type##_first(&mask), max - 1);                           \
  assert_int_equal(numaperf_##type##_count(&mask), 1);                                 \
 }

TESTS(cpuset, NUMAPERF_CPUS_MAX)
TESTS(nodemask, NUMAPERF_NODES_MAX)

/* ---- the texts by example ---- */

static void lists(void **state)
{
	static const struct {
		const char *text, *want;
	} good[] = {
		{ "", "" },
		{ " \n", "" },
		{ "0", "0" },
		{ "0-3,8,16-31:2/4", "0-3,8,16-17,20-21,24-25,28-29" },
		{ "0-3\n", "0-3" },
		{ " \t5 , 7\n", "5,7" },
		{ "7,5,6,5-7", "5-7" },
		{ "0-1023:2/256",
		  "0-1,256-257,512-513,768-769" }, /* bitmap_parselist()'s own */
		{ "9-38:4/10", "9-12,19-22,29-32" },
		{ "0-10:3/4", "0-2,4-6,8-10" },
		{ "0-9:4/4", "0-9" },
		{ "0-9:1/100000", "0" },
		{ "0-9:0/4", "" },
		{ "4-4", "4" },
		{ "007", "7" },
		{ "63-64,127-128", "63-64,127-128" },
	};
	char text[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct numaperf_cpuset mask;

		memset(&mask, 0xff, sizeof(mask));
		assert_int_equal(numaperf_cpuset_parse(&mask, good[i].text), 0);
		numaperf_cpuset_format(&mask, text, sizeof(text));
		assert_string_equal(text, good[i].want);
	}
}

/* What is wrong is refused, changes nothing, and its place is named. */
static void bad_lists(void **state)
{
	static const struct {
		const char *text, *message;
	} bad[] = {
		{ "x", "at character 1, \"x\"" },
		{ "1,,2", "at character 3, \",2\"" },
		{ ",1", "at character 1" },
		{ "1,", "at the end" },
		{ "1-", "at the end" },
		{ "-1", "at character 1" },
		{ "0-3,5-4,8", "backwards at character 5, \"5-4,8\"" },
		{ "1 2", "a comma was expected at character 3" },
		{ "1\n2", "a comma was expected at character 3" },
		{ "8:1/2", "a comma was expected at character 2" },
		{ "0-7:1", "at the end" },
		{ "0-7:/4", "at character 5" },
		{ "0-7:1/", "at the end" },
		{ "0-7:1/0", "at character 1" },
		{ "0-7:3/2", "at character 1" },
		{ "0-7:9000000000/8000000000x", "a comma was expected at character 26" },
		{ "0x3", "at character 2" },
		{ "1.5", "at character 2" },
		{ "1,\x01\xff"
		  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		  "\"?\?aaaaaaaaaaaaaaaaaaaaaa...\"" },
		{ "0-3,0-9000", "character 5" },
	};
	const struct numaperf_cpuset before = numaperf_cpuset_single(77);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct numaperf_cpuset mask = before;
		bool range = i == ARRAY_SIZE(bad) - 1;

		assert_int_equal(numaperf_cpuset_parse(&mask, bad[i].text),
				 range ? -ERANGE : -EINVAL);
		assert_true(numaperf_cpuset_equal(&mask, &before));
		assert_int_equal(numaperf_last_error()->reason_id, NUMAPERF_REASON_INVALID);
		if (!strstr(numaperf_last_error()->message, bad[i].message))
			fail_msg("\"%s\": message \"%s\" lacks \"%s\"", bad[i].text,
				 numaperf_last_error()->message, bad[i].message);
		assert_null(strchr(numaperf_last_error()->message, '\n'));
	}
}

static void maps(void **state)
{
	static const struct {
		const char *text, *want;
	} good[] = {
		{ "", "" },
		{ "0", "" },
		{ "00000000,0000000f", "0-3" },
		{ "f\n", "0-3" },
		{ "  FfFf  ", "0-15" },
		{ "1,0", "32" },
		{ "1,00000000", "32" },
		{ "100000000", "32" }, /* without commas: one long number */
		{ "0x3", "0-1" },
		{ "0X80000000,0", "63" },
		{ "0000,0000003f", "0-5" }, /* kernels whose NR_CPUS is no multiple of 32 */
		{ "8,00000000,00000001", "0,67" },
	};
	static const struct {
		const char *text, *message;
	} bad[] = {
		{ "g", "at character 1, \"g\"" },
		{ "0x", "at character 2, \"x\"" },
		{ ",1", "an empty word at character 1" },
		{ "1,", "an empty word at character 2" },
		{ "1,,2", "an empty word at character 2" },
		{ "123456789,0", "more than 8 digits in a word at character 1" },
		{ "1 0", "no hexadecimal digit at character 2" },
		{ "-1", "no hexadecimal digit at character 1" },
	};
	const struct numaperf_cpuset before = numaperf_cpuset_single(77);
	char text[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct numaperf_cpuset mask;

		memset(&mask, 0xff, sizeof(mask));
		assert_int_equal(numaperf_cpuset_parse_map(&mask, good[i].text), 0);
		numaperf_cpuset_format(&mask, text, sizeof(text));
		assert_string_equal(text, good[i].want);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct numaperf_cpuset mask = before;

		assert_int_equal(numaperf_cpuset_parse_map(&mask, bad[i].text), -EINVAL);
		assert_true(numaperf_cpuset_equal(&mask, &before));
		if (!strstr(numaperf_last_error()->message, bad[i].message))
			fail_msg("\"%s\": message \"%s\" lacks \"%s\"", bad[i].text,
				 numaperf_last_error()->message, bad[i].message);
	}
}

/* Every size from none to ample: the prefix that fits, terminated, and not a byte beyond. */
static void formats_as_snprintf(void **state)
{
	static const char list[] = "0-3,8,100-8191", map[] = "80000000,00000101";
	struct numaperf_cpuset a, b = numaperf_cpuset_single(63);
	char buf[32];

	(void)state;
	assert_int_equal(numaperf_cpuset_parse(&a, list), 0);
	assert_int_equal(numaperf_cpuset_set(&b, 0), 0);
	assert_int_equal(numaperf_cpuset_set(&b, 8), 0);
	assert_int_equal(numaperf_cpuset_format(&a, NULL, 0), strlen(list));
	assert_int_equal(numaperf_cpuset_format_map(&b, NULL, 0), strlen(map));
	for (size_t size = 1; size < sizeof(buf); size++) {
		char want[32];

		memset(buf, '#', sizeof(buf));
		assert_int_equal(numaperf_cpuset_format(&a, buf, size), strlen(list));
		snprintf(want, size, "%s", list);
		assert_string_equal(buf, want);
		assert_int_equal(buf[size], '#');
		memset(buf, '#', sizeof(buf));
		assert_int_equal(numaperf_cpuset_format_map(&b, buf, size), strlen(map));
		snprintf(want, size, "%s", map);
		assert_string_equal(buf, want);
		assert_int_equal(buf[size], '#');
	}
	numaperf_cpuset_zero(&a);
	memset(buf, '#', sizeof(buf));
	assert_int_equal(numaperf_cpuset_format(&a, buf, 1), 0);
	assert_string_equal(buf, "");
	assert_int_equal(numaperf_cpuset_format_map(&a, buf, sizeof(buf)), 8);
	assert_string_equal(buf, "00000000");
}

static void loops_see_every_id(void **state)
{
	struct numaperf_nodemask nodes;
	struct numaperf_cpuset cpus;
	int sum = 0;

	(void)state;
	assert_int_equal(numaperf_cpuset_parse(&cpus, "0,63-64,8191"), 0);
	NUMAPERF_CPUSET_FOR_EACH (cpu, &cpus)
		sum += cpu;
	assert_int_equal(sum, 63 + 64 + 8191);
	assert_int_equal(numaperf_nodemask_parse(&nodes, "1,1023"), 0);
	NUMAPERF_NODEMASK_FOR_EACH (node, &nodes)
		sum -= node;
	assert_int_equal(sum, 63 + 64 + 8191 - 1024);
}

#define BOTH(name) cmocka_unit_test(cpuset_##name), cmocka_unit_test(nodemask_##name)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(is_the_model),
		BOTH(texts_are_the_model),
		BOTH(borders),
		BOTH(beyond_the_last_id),
		cmocka_unit_test(lists),
		cmocka_unit_test(bad_lists),
		cmocka_unit_test(maps),
		cmocka_unit_test(formats_as_snprintf),
		cmocka_unit_test(loops_see_every_id),
	};

	return cmocka_run_group_tests_name("mask", tests, NULL, NULL);
}

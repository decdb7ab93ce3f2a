// SPDX-License-Identifier: MIT
/*
 * Sets of CPUs and of nodes. Both are arrays of 64-bit words: one implementation over words and
 * a bound, and thin typed functions made by a macro at the end.
 */
#include "base.h"
#include "util.h"

#include <errno.h>
#include <numaperf/mask.h>
#include <stdarg.h>
#include <stdio.h>

/* The larger of the two: parsing works on a copy, so that an error changes nothing. */
enum {
	WORDS_MAX = NUMAPERF_CPUS_MAX / 64
};

static bool word_test(const uint64_t *w, int id)
{
	return w[id / 64] >> (id % 64) & 1;
}

static void word_set(uint64_t *w, int id)
{
	w[id / 64] |= 1ull << (id % 64);
}

/* The smallest id >= from, or -1. */
static int words_next(const uint64_t *w, int bits, int from)
{
	uint64_t rest;

	if (from < 0)
		from = 0;
	if (from >= bits)
		return -1;
	rest = w[from / 64] & ~0ull << (from % 64);
	for (int i = from / 64;;) {
		if (rest)
			return i * 64 + __builtin_ctzll(rest);
		if (++i == bits / 64)
			return -1;
		rest = w[i];
	}
}

static int words_last(const uint64_t *w, int bits)
{
	for (int i = bits / 64 - 1; i >= 0; i--)
		if (w[i])
			return i * 64 + 63 - __builtin_clzll(w[i]);
	return -1;
}

/* ---- reading ---- */

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static const char *skip_space(const char *p)
{
	while (is_space(*p))
		p++;
	return p;
}

/* The rest of the text from `at` for a message: one line, cut, no control bytes. */
enum {
	EXCERPT = 24
};

static const char *excerpt(char *buf, const char *at)
{
	int n = 0;

	for (; n < EXCERPT && at[n] && at[n] != '\n'; n++)
		buf[n] = (char)((unsigned char)at[n] < ' ' || (unsigned char)at[n] >= 127
					? '?'
					: at[n]);
	strcpy(buf + n, n == EXCERPT ? "..." : "");
	return buf;
}

static int bad_text(const char *operation, const char *text, const char *at, const char *why)
{
	char buf[EXCERPT + 4];

	if (!*at)
		return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, operation, NULL,
			       "%s at the end", why);
	return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, operation, NULL,
		       "%s at character %td, \"%s\"", why, at - text + 1, excerpt(buf, at));
}

static int out_of_range(const char *operation, const char *text, const char *at, int bits)
{
	char buf[EXCERPT + 4];

	return np_fail(-ERANGE, NUMAPERF_REASON_INVALID, operation, NULL,
		       "ids end at %d; beyond that at character %td, \"%s\"", bits - 1,
		       at - text + 1, excerpt(buf, at));
}

/* Digits at *p. Numbers beyond any id and any group count as NUMBER_MAX. */
enum {
	NUMBER_MAX = 1 << 30
};

static bool read_number(const char **p, int *value)
{
	const char *s = *p;
	int64_t v = 0;

	if (*s < '0' || *s > '9')
		return false;
	for (; *s >= '0' && *s <= '9'; s++)
		v = MIN(v * 10 + (*s - '0'), (int64_t)NUMBER_MAX);
	*p = s;
	*value = (int)v;
	return true;
}

/* One item of a list: "8", "0-3", "16-31:2/4". */
struct item {
	int first, last;
	int used, group; /* of every group, the first `used` */
};

/* NULL, or what is wrong at *p. */
static const char *read_item(const char **p, struct item *item)
{
	const char *begin = *p;

	item->used = item->group = 1;
	if (!read_number(p, &item->first))
		return "a number was expected";
	item->last = item->first;
	if (**p != '-')
		return NULL;
	++*p;
	if (!read_number(p, &item->last))
		return "a number was expected";
	if (item->first > item->last) {
		*p = begin;
		return "the range runs backwards";
	}
	if (**p != ':')
		return NULL;
	++*p;
	if (!read_number(p, &item->used) || **p != '/')
		return "\"used/group\" was expected";
	++*p;
	if (!read_number(p, &item->group))
		return "a number was expected";
	if (item->group && item->used <= item->group)
		return NULL;
	*p = begin;
	return "the group is empty or smaller than its used part";
}

static int words_parse(uint64_t *out, int bits, const char *text, const char *operation)
{
	uint64_t w[WORDS_MAX] = { 0 };
	const char *p = skip_space(text);

	while (*p) {
		const char *begin = p, *wrong;
		struct item item;

		wrong = read_item(&p, &item);
		if (wrong)
			return bad_text(operation, text, p, wrong);
		if (item.last >= bits)
			return out_of_range(operation, text, begin, bits);
		for (int id = item.first; id <= item.last; id++)
			if ((id - item.first) % item.group < item.used)
				word_set(w, id);
		p = skip_space(p);
		if (*p == ',') {
			p = skip_space(p + 1);
			if (!*p)
				return bad_text(operation, text, p, "a number was expected");
		} else if (*p) {
			return bad_text(operation, text, p, "a comma was expected");
		}
	}
	memcpy(out, w, (size_t)bits / 8);
	return 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/*
 * "00000000,0000000f": 32 bits between commas, the most significant first, so it is read from
 * the end. Leading zeros beyond the maximum are no error: old kernels print NR_CPUS bits.
 */
static int words_parse_map(uint64_t *out, int bits, const char *text, const char *operation)
{
	uint64_t w[WORDS_MAX] = { 0 };
	const char *begin = skip_space(text), *p;
	bool commas = strchr(begin, ',');
	size_t id = 0, digits = 0; /* the next bit; digits in this word so far */

	if (begin[0] == '0' && (begin[1] == 'x' || begin[1] == 'X') && hex_digit(begin[2]) >= 0)
		begin += 2;
	for (p = begin + strlen(begin); p > begin && is_space(p[-1]);)
		p--;
	while (p > begin) {
		int digit = hex_digit(*--p);

		if (*p == ',') {
			if (!digits || p == begin)
				return bad_text(operation, text, p, "an empty word");
			id += 32 - digits * 4;
			digits = 0;
			continue;
		}
		if (digit < 0)
			return bad_text(operation, text, p, "no hexadecimal digit");
		if (commas && digits == 8)
			return bad_text(operation, text, p, "more than 8 digits in a word");
		for (int bit = 0; bit < 4; bit++) {
			if (!(digit >> bit & 1))
				continue;
			if (id + (size_t)bit >= (size_t)bits)
				return out_of_range(operation, text, p, bits);
			word_set(w, (int)id + bit);
		}
		id += 4;
		digits++;
	}
	memcpy(out, w, (size_t)bits / 8);
	return 0;
}

/* ---- writing, as snprintf ---- */

struct writer {
	char *buf;
	size_t size, len;
};

static void put(struct writer *out, const char *fmt, ...) NUMAPERF_PRINTF(2, 3);

static void put(struct writer *out, const char *fmt, ...)
{
	size_t room = out->len < out->size ? out->size - out->len : 0;
	va_list ap;

	va_start(ap, fmt);
	out->len += (size_t)vsnprintf(room ? out->buf + out->len : NULL, room, fmt, ap);
	va_end(ap);
}

static size_t words_format(const uint64_t *w, int bits, char *buf, size_t size)
{
	struct writer out = { buf, size, 0 };
	int first = words_next(w, bits, 0);

	put(&out, "%s", "");
	while (first >= 0) {
		int last = first;

		while (last + 1 < bits && word_test(w, last + 1))
			last++;
		put(&out, out.len ? ",%d" : "%d", first);
		if (last > first)
			put(&out, "-%d", last);
		first = words_next(w, bits, last + 1);
	}
	return out.len;
}

static size_t words_format_map(const uint64_t *w, int bits, char *buf, size_t size)
{
	struct writer out = { buf, size, 0 };
	int last = words_last(w, bits);

	for (int i = last < 0 ? 0 : last / 32; i >= 0; i--)
		put(&out, out.len ? ",%08x" : "%08x", (unsigned int)(w[i / 2] >> (i % 2 * 32)));
	return out.len;
}

/* ---- the two types ---- */

#define OPERATOR(type, op, expression)                                                     \
 void numaperf_##type##_##op(struct numaperf_##type *dst, const struct numaperf_##type *a, \
			     const struct numaperf_##type *b)                              \
 {                                                                                         \
  for (size_t i = 0; i < ARRAY_SIZE(dst->bits); i++)                                       \
   dst->bits[i] = expression;                                                              \
 }

#define COMPARE(type, op, fails)                                                               \
 bool numaperf_##type##_##op(const struct numaperf_##type *a, const struct numaperf_##type *b) \
 {                                                                                             \
  for (size_t i = 0; i < ARRAY_SIZE(a->bits); i++)                                             \
   if (fails)                                                                                  \
    return false;                                                                              \
  return true;                                                                                 \
 }

#define DEFINE(type, max)                                                                    \
 void numaperf_##type##_zero(struct numaperf_##type *mask)                                   \
 {                                                                                           \
  memset(mask, 0, sizeof(*mask));                                                            \
 }                                                                                           \
 void numaperf_##type##_fill_below(struct numaperf_##type *mask, int n)                      \
 {                                                                                           \
  numaperf_##type##_zero(mask);                                                              \
  for (int id = 0; id < MIN(n, max); id++)                                                   \
   word_set(mask->bits, id);                                                                 \
 }                                                                                           \
 struct numaperf_##type numaperf_##type##_single(int id)                                     \
 {                                                                                           \
  struct numaperf_##type mask = { { 0 } };                                                   \
                                                                                             \
  if (id >= 0 && id < max)                                                                   \
   word_set(mask.bits, id);                                                                  \
  return mask;                                                                               \
 }                                                                                           \
 static int type##_range(int id)                                                             \
 {                                                                                           \
  if (id >= 0 && id < max)                                                                   \
   return 0;                                                                                 \
  return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, #type, NULL, "id %d is not in 0-%d", id,  \
		 max - 1);                                                                   \
 }                                                                                           \
 int numaperf_##type##_set(struct numaperf_##type *mask, int id)                             \
 {                                                                                           \
  int err = type##_range(id);                                                                \
                                                                                             \
  if (!err)                                                                                  \
   word_set(mask->bits, id);                                                                 \
  return err;                                                                                \
 }                                                                                           \
 int numaperf_##type##_clear(struct numaperf_##type *mask, int id)                           \
 {                                                                                           \
  int err = type##_range(id);                                                                \
                                                                                             \
  if (!err)                                                                                  \
   mask->bits[id / 64] &= ~(1ull << (id % 64));                                              \
  return err;                                                                                \
 }                                                                                           \
 bool numaperf_##type##_test(const struct numaperf_##type *mask, int id)                     \
 {                                                                                           \
  return id >= 0 && id < max && word_test(mask->bits, id);                                   \
 }                                                                                           \
 unsigned int numaperf_##type##_count(const struct numaperf_##type *mask)                    \
 {                                                                                           \
  unsigned int n = 0;                                                                        \
                                                                                             \
  for (size_t i = 0; i < ARRAY_SIZE(mask->bits); i++)                                        \
   n += (unsigned int)__builtin_popcountll(mask->bits[i]);                                   \
  return n;                                                                                  \
 }                                                                                           \
 bool numaperf_##type##_empty(const struct numaperf_##type *mask)                            \
 {                                                                                           \
  return words_next(mask->bits, max, 0) < 0;                                                 \
 }                                                                                           \
 int numaperf_##type##_first(const struct numaperf_##type *mask)                             \
 {                                                                                           \
  return words_next(mask->bits, max, 0);                                                     \
 }                                                                                           \
 int numaperf_##type##_next(const struct numaperf_##type *mask, int after)                   \
 {                                                                                           \
  return after >= max ? -1 : words_next(mask->bits, max, after + 1);                         \
 }                                                                                           \
 int numaperf_##type##_last(const struct numaperf_##type *mask)                              \
 {                                                                                           \
  return words_last(mask->bits, max);                                                        \
 }                                                                                           \
 COMPARE(type, equal, a->bits[i] != b->bits[i])                                              \
 COMPARE(type, subset, a->bits[i] & ~b->bits[i])                                             \
 bool numaperf_##type##_intersects(const struct numaperf_##type *a,                          \
				   const struct numaperf_##type *b)                          \
 {                                                                                           \
  for (size_t i = 0; i < ARRAY_SIZE(a->bits); i++)                                           \
   if (a->bits[i] & b->bits[i])                                                              \
    return true;                                                                             \
  return false;                                                                              \
 }                                                                                           \
 OPERATOR(type, and, a->bits[i] & b->bits[i])                                                \
 OPERATOR(type, or, a->bits[i] | b->bits[i])                                                 \
 OPERATOR(type, andnot, a->bits[i] & ~b->bits[i])                                            \
 int numaperf_##type##_parse(struct numaperf_##type *mask, const char *text)                 \
 {                                                                                           \
  return words_parse(mask->bits, max, text, #type " list");                                  \
 }                                                                                           \
 int numaperf_##type##_parse_map(struct numaperf_##type *mask, const char *text)             \
 {                                                                                           \
  return words_parse_map(mask->bits, max, text, #type " map");                               \
 }                                                                                           \
 size_t numaperf_##type##_format(const struct numaperf_##type *mask, char *buf, size_t size) \
 {                                                                                           \
  return words_format(mask->bits, max, buf, size);                                           \
 }                                                                                           \
 size_t numaperf_##type##_format_map(const struct numaperf_##type *mask, char *buf,          \
				     size_t size)                                            \
 {                                                                                           \
  return words_format_map(mask->bits, max, buf, size);                                       \
 }

DEFINE(cpuset, NUMAPERF_CPUS_MAX)
DEFINE(nodemask, NUMAPERF_NODES_MAX)

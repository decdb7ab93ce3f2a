/* SPDX-License-Identifier: MIT */
/*
 * Sets of CPUs and sets of nodes: plain values that can live on the stack and be assigned.
 * A zeroed set is the empty set. None of these functions allocates; those that only read a set
 * may run concurrently on the same set.
 *
 * Texts are the kernel's own: a list "0-3,8,16-31:2/4" (Documentation/core-api/printk-formats
 * and bitmap_parselist() in lib/bitmap-str.c: of every group of 4, the first 2), and a map
 * "00000000,0000000f" (words of 32 bits, most significant first).
 */
#ifndef NUMAPERF_MASK_H
#define NUMAPERF_MASK_H

#include <numaperf/base.h>

#ifdef __cplusplus
extern "C" {
#endif

#define NUMAPERF_CPUS_MAX  8192 /* CPU ids 0 .. 8191 (NR_CPUS of x86-64 with MAXSMP) */
#define NUMAPERF_NODES_MAX 1024 /* node ids 0 .. 1023 (NODES_SHIFT is at most 10) */

struct numaperf_cpuset {
	uint64_t bits[NUMAPERF_CPUS_MAX / 64];
};

struct numaperf_nodemask {
	uint64_t bits[NUMAPERF_NODES_MAX / 64];
};

/*
 * The same operations for both; `id` is a CPU or a node.
 *
 *  zero, fill_below    empty it; set 0 .. n-1 (n beyond the maximum is the maximum)
 *  single              the set of one id (out of range: the empty set)
 *  set, clear          -EINVAL when the id is out of range: a mask never holds what it cannot
 *  test                false when out of range
 *  count, empty        how many; whether none
 *  first, next, last   the smallest id; the smallest above `after`; the largest; -1: no such
 *  equal, subset,      subset: every id of `a` is in `b`; the empty set is a subset of all
 *  intersects
 *  and, or, andnot     `dst = a op b`; dst may be a or b
 *  parse, parse_map    the kernel's list and map, see below
 *  format, format_map  as snprintf: writes at most `size` bytes, always terminated when
 *                      size > 0, and returns the length that the whole text has. The empty
 *                      set is "". The map has as many 32-bit words as the last id needs, at
 *                      least one.
 *
 * parse, parse_map: white space round the text and, in lists, after a comma is allowed; empty
 * text is the empty set. -EINVAL (syntax) or -ERANGE (an id beyond the maximum): `mask` is then
 * unchanged, and the error names the offending place. Only a range may have a group ("8:1/2" is
 * refused, as the kernel does). A map may be one long number without commas, and may start with
 * 0x; leading zeros may exceed the maximum, as old kernels print them.
 */
#define NUMAPERF_MASK_DECLARE(type)                                                          \
 NUMAPERF_API void numaperf_##type##_zero(struct numaperf_##type *mask);                     \
 NUMAPERF_API void numaperf_##type##_fill_below(struct numaperf_##type *mask, int n);        \
 NUMAPERF_API struct numaperf_##type numaperf_##type##_single(int id);                       \
 NUMAPERF_API int numaperf_##type##_set(struct numaperf_##type *mask, int id);               \
 NUMAPERF_API int numaperf_##type##_clear(struct numaperf_##type *mask, int id);             \
 NUMAPERF_API bool numaperf_##type##_test(const struct numaperf_##type *mask, int id);       \
 NUMAPERF_API unsigned int numaperf_##type##_count(const struct numaperf_##type *mask);      \
 NUMAPERF_API bool numaperf_##type##_empty(const struct numaperf_##type *mask);              \
 NUMAPERF_API int numaperf_##type##_first(const struct numaperf_##type *mask);               \
 NUMAPERF_API int numaperf_##type##_next(const struct numaperf_##type *mask, int after);     \
 NUMAPERF_API int numaperf_##type##_last(const struct numaperf_##type *mask);                \
 NUMAPERF_API bool numaperf_##type##_equal(const struct numaperf_##type *a,                  \
					   const struct numaperf_##type *b);                 \
 NUMAPERF_API bool numaperf_##type##_subset(const struct numaperf_##type *a,                 \
					    const struct numaperf_##type *b);                \
 NUMAPERF_API bool numaperf_##type##_intersects(const struct numaperf_##type *a,             \
						const struct numaperf_##type *b);            \
 NUMAPERF_API void numaperf_##type##_and(struct numaperf_##type *dst,                        \
					 const struct numaperf_##type *a,                    \
					 const struct numaperf_##type *b);                   \
 NUMAPERF_API void numaperf_##type##_or(struct numaperf_##type *dst,                         \
					const struct numaperf_##type *a,                     \
					const struct numaperf_##type *b);                    \
 NUMAPERF_API void numaperf_##type##_andnot(struct numaperf_##type *dst,                     \
					    const struct numaperf_##type *a,                 \
					    const struct numaperf_##type *b);                \
 NUMAPERF_API NUMAPERF_MUST_CHECK int numaperf_##type##_parse(struct numaperf_##type *mask,  \
							      const char *text);             \
 NUMAPERF_API NUMAPERF_MUST_CHECK int numaperf_##type##_parse_map(                           \
	 struct numaperf_##type *mask, const char *text);                                    \
 NUMAPERF_API size_t numaperf_##type##_format(const struct numaperf_##type *mask, char *buf, \
					      size_t size);                                  \
 NUMAPERF_API size_t numaperf_##type##_format_map(const struct numaperf_##type *mask,        \
						  char *buf, size_t size);

NUMAPERF_MASK_DECLARE(cpuset)
NUMAPERF_MASK_DECLARE(nodemask)

/* Runs the statement for each id of the set, ascending; the loop declares `cpu` / `node`. */
#define NUMAPERF_CPUSET_FOR_EACH(cpu, mask) \
 for (int cpu = numaperf_cpuset_first(mask); cpu >= 0; cpu = numaperf_cpuset_next(mask, cpu))

#define NUMAPERF_NODEMASK_FOR_EACH(node, mask)             \
 for (int node = numaperf_nodemask_first(mask); node >= 0; \
      node = numaperf_nodemask_next(mask, node))

#ifdef __cplusplus
}
#endif

#endif

/* SPDX-License-Identifier: MIT */
/* Rank 0: what every file may use. Kept tiny. */
#ifndef NP_UTIL_H
#define NP_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)	((a) < (b) ? (a) : (b))
#define MAX(a, b)	((a) > (b) ? (a) : (b))
#define ROUND_UP(n, to) (((n) + (to)-1) / (to) * (to))

/* Two lines: the adjacent-line prefetcher of x86 pulls them in pairs. */
#define NP_CACHE_LINE 128
#define np_aligned    __attribute__((aligned(NP_CACHE_LINE)))

#define np_likely(x)   __builtin_expect(!!(x), 1)
#define np_unlikely(x) __builtin_expect(!!(x), 0)

/*
 * A struct from a caller that knows `sz` bytes of it, copied into ours of `known` bytes: what
 * he does not know is zero, the default; what we do not know must be. False: it is not.
 */
static inline bool np_opts_read(void *ours, size_t known, const void *theirs, size_t sz)
{
	const unsigned char *bytes = theirs;

	memset(ours, 0, known);
	memcpy(ours, theirs, MIN(sz, known));
	for (size_t i = known; i < sz; i++)
		if (bytes[i])
			return false;
	return true;
}

/* A snapshot for a caller that knows `sz` bytes of it: fills those, keeps his sz, and zeroes
 * what only he knows. */
static inline void np_snapshot_write(void *theirs, size_t sz, const void *ours, size_t known)
{
	memcpy(theirs, ours, MIN(sz, known));
	if (sz > known)
		memset((char *)theirs + known, 0, sz - known);
	memcpy(theirs, &sz, sizeof(sz));
}

/* Built for ThreadSanitizer. */
#if defined(__SANITIZE_THREAD__)
# define NP_TSAN 1
#elif defined(__has_feature)
# if __has_feature(thread_sanitizer)
#  define NP_TSAN 1
# endif
#endif

#endif

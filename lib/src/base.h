/* SPDX-License-Identifier: MIT */
/* Rank 0: how the library fails and how it logs. */
#ifndef NP_BASE_H
#define NP_BASE_H

#include <numaperf/base.h>

/*
 * Fills this thread's error record and returns `code` (negative), so that a failing function
 * ends in `return np_fail(...)`. The reason is formatted; `remedy` is plain text or NULL. For a
 * negative errno its strerror text is appended to the message, unless the reason is INVALID
 * (the reason then says it better).
 */
int np_fail(int code, enum numaperf_reason id, const char *operation, const char *remedy,
	    const char *reason, ...) NUMAPERF_PRINTF(5, 6);

/*
 * Options as a caller gave them (NULL: none) into ours of `known` bytes, which begin with sz,
 * as his do. 0; with the record: -EINVAL: sz cannot be right; -E2BIG: he asks for what this
 * library does not know.
 */
int np_opts_take(void *ours, size_t known, const void *theirs, const char *operation);

/* The commonest one: the library could not allocate. Returns -ENOMEM. */
int np_fail_memory(const char *operation);

/*
 * The record of one thread carried to another: a worker fails, its creator reports. _save
 * copies this thread's record, _restore makes the copy this thread's record and returns its
 * code.
 */
void np_error_save(struct numaperf_error *out);
int np_error_restore(const struct numaperf_error *in);

void np_log(enum numaperf_log_level level, const char *fmt, ...) NUMAPERF_PRINTF(2, 3);

#endif

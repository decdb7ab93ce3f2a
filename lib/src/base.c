// SPDX-License-Identifier: MIT
/* Version, error record, log callback. */
#include "base.h"
#include "util.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define STRING_(x) #x
#define STRING(x)  STRING_(x)

const char *numaperf_version(void)
{
	return STRING(NUMAPERF_VERSION_MAJOR) "." STRING(NUMAPERF_VERSION_MINOR) "." STRING(
		NUMAPERF_VERSION_PATCH);
}

const char *numaperf_mode_name(enum numaperf_mode mode)
{
	static const char *const names[] = {
		[NUMAPERF_SOFT] = "soft",
		[NUMAPERF_STRICT] = "strict",
		[NUMAPERF_STRICT_UNWITNESSED] = "strict-unwitnessed",
	};

	return (size_t)mode < ARRAY_SIZE(names) ? names[mode] : "unknown";
}

const char *numaperf_reason_name(enum numaperf_reason reason)
{
	static const char *const names[] = {
		[NUMAPERF_REASON_NONE] = "none",
		[NUMAPERF_REASON_INVALID] = "invalid",
		[NUMAPERF_REASON_NO_MEMORY] = "no-memory",
		[NUMAPERF_REASON_SYSTEM] = "system",
		[NUMAPERF_REASON_PERMISSION] = "permission",
		[NUMAPERF_REASON_AFFINITY] = "affinity",
		[NUMAPERF_REASON_BALANCING] = "balancing",
		[NUMAPERF_REASON_MEMORY] = "memory",
		[NUMAPERF_REASON_HUGEPAGES] = "hugepages",
		[NUMAPERF_REASON_CPUSET] = "cpuset",
		[NUMAPERF_REASON_SECCOMP] = "seccomp",
		[NUMAPERF_REASON_UNSUPPORTED] = "unsupported",
		[NUMAPERF_REASON_TOPOLOGY] = "topology",
		[NUMAPERF_REASON_NO_WORKERS] = "no-workers",
		[NUMAPERF_REASON_STATE] = "state",
		[NUMAPERF_REASON_FULL] = "full",
		[NUMAPERF_REASON_CANCELED] = "canceled",
	};

	return (size_t)reason < ARRAY_SIZE(names) ? names[reason] : "unknown";
}

/* ---- the error record ---- */

static _Thread_local struct numaperf_error last_error;

const struct numaperf_error *numaperf_last_error(void)
{
	return &last_error;
}

/* The message is built from parts that are already cut to size, so it can be cut but never
 * overrun; snprintf terminates it. */
static void compose(struct numaperf_error *e)
{
	const char *why = "", *colon = "", *advice = e->remedy[0] ? "; " : "";
	char text[96] = "";

	if (e->code == -NUMAPERF_EHARDMODE) {
		snprintf(e->message, sizeof(e->message), "Hard mode unavailable: %s, in %s%s%s",
			 e->reason, e->operation, advice, e->remedy);
		return;
	}
	if (e->reason_id != NUMAPERF_REASON_INVALID) {
		why = strerror_r(-e->code, text, sizeof(text));
		colon = ": ";
	}
	snprintf(e->message, sizeof(e->message), "%s: %s%s%s%s%s", e->operation, e->reason,
		 colon, why, advice, e->remedy);
}

int np_fail(int code, enum numaperf_reason id, const char *operation, const char *remedy,
	    const char *reason, ...)
{
	struct numaperf_error *e = &last_error;
	int saved = errno;
	va_list ap;

	e->code = code;
	e->reason_id = id;
	snprintf(e->operation, sizeof(e->operation), "%s", operation);
	snprintf(e->remedy, sizeof(e->remedy), "%s", remedy ? remedy : "");
	va_start(ap, reason);
	vsnprintf(e->reason, sizeof(e->reason), reason, ap);
	va_end(ap);
	compose(e);
	errno = saved;
	return code;
}

int np_opts_take(void *ours, size_t known, const void *theirs, const char *operation)
{
	size_t sz = 0;

	if (!theirs)
		return 0;
	memcpy(&sz, theirs, sizeof(sz));
	if (sz < sizeof(sz))
		return np_fail(-EINVAL, NUMAPERF_REASON_INVALID, operation,
			       "set sz to the struct's size", "sz is %zu", sz);
	if (np_opts_read(ours, known, theirs, sz))
		return 0;
	return np_fail(-E2BIG, NUMAPERF_REASON_INVALID, operation,
		       "link with the library that the program was compiled for",
		       "an option is set that this library does not know");
}

int np_fail_memory(const char *operation)
{
	return np_fail(-ENOMEM, NUMAPERF_REASON_NO_MEMORY, operation, NULL,
		       "the library could not allocate memory for itself");
}

void np_error_save(struct numaperf_error *out)
{
	*out = last_error;
}

int np_error_restore(const struct numaperf_error *in)
{
	last_error = *in;
	return in->code;
}

/* ---- the log ---- */

/*
 * A read lock round the callback lets any number of threads log at once, and makes
 * numaperf_set_log() wait until the old context is out of use. The level is looked at first,
 * without the lock, so that silence costs one load.
 */
static pthread_rwlock_t log_lock = PTHREAD_RWLOCK_INITIALIZER;
static numaperf_log_fn log_fn;
static void *log_ctx;
static int log_max;

void numaperf_set_log(numaperf_log_fn fn, void *ctx, enum numaperf_log_level max_level)
{
	pthread_rwlock_wrlock(&log_lock);
	log_fn = fn;
	log_ctx = ctx;
	__atomic_store_n(&log_max, fn ? (int)max_level : 0, __ATOMIC_RELAXED);
	pthread_rwlock_unlock(&log_lock);
}

void np_log(enum numaperf_log_level level, const char *fmt, ...)
{
	int saved = errno;
	char line[1024];
	va_list ap;

	if ((int)level > __atomic_load_n(&log_max, __ATOMIC_RELAXED))
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	pthread_rwlock_rdlock(&log_lock);
	if (log_fn && (int)level <= log_max)
		log_fn(log_ctx, level, line);
	pthread_rwlock_unlock(&log_lock);
	errno = saved;
}

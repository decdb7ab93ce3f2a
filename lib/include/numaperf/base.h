/* SPDX-License-Identifier: MIT */
/*
 * What every module shares: version, modes, the error record, the log callback.
 *
 * Conventions of the whole library:
 *
 *  - A function that can fail returns 0 or a negative error number: -errno, or
 *    -NUMAPERF_EHARDMODE when hard mode was asked for and cannot be had. The full story of the
 *    last failure on this thread is in numaperf_last_error().
 *  - Options and statistics are structs whose first field is `size_t sz`, set by the caller to
 *    sizeof(the struct). Zero in any other field is the default; a NULL options pointer means
 *    all defaults; a non-zero byte beyond what this library knows is -E2BIG.
 *  - The library never prints, aborts, exits or installs a signal handler.
 *  - Unless a declaration says otherwise, a function may be called from any thread at any time,
 *    but one object must not be destroyed while another thread uses it.
 */
#ifndef NUMAPERF_BASE_H
#define NUMAPERF_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define NUMAPERF_API		 __attribute__((visibility("default")))
#define NUMAPERF_MUST_CHECK	 __attribute__((warn_unused_result))
#define NUMAPERF_PRINTF(fmt, va) __attribute__((format(printf, fmt, va)))

#define NUMAPERF_VERSION_MAJOR 0
#define NUMAPERF_VERSION_MINOR 1
#define NUMAPERF_VERSION_PATCH 0

/*
 * The version of the library that is linked at run time, "MAJOR.MINOR.PATCH"; static storage.
 * The macros above are the version it was compiled against.
 */
NUMAPERF_API const char *numaperf_version(void);

/* In place of a node id: the library chooses. */
#define NUMAPERF_ANY_NODE (-1)

/*
 * How hard a promise is.
 *
 * NUMAPERF_SOFT: best effort. What cannot be had is done without, and reported as such
 * (enforcement, redirections, degraded pins); nothing is refused for want of privilege.
 *
 * NUMAPERF_STRICT: hard mode. The call either proves what was asked for, or fails with
 * -NUMAPERF_EHARDMODE and leaves nothing behind. It needs all three of: CAP_SYS_ADMIN, or
 * CAP_BPF with CAP_PERFMON (the kernel can then bear witness that memory stays bound);
 * CAP_SYS_NICE; and kernel.numa_balancing=0. `numaperf check` shows them for a process.
 *
 * NUMAPERF_STRICT_UNWITNESSED: the same proof at creation and at every later query, without
 * those three requirements: for containers. Since nothing watches in between, its verdict at
 * run time is at best `unverified`.
 */
enum numaperf_mode {
	NUMAPERF_SOFT = 0,
	NUMAPERF_STRICT = 1,
	NUMAPERF_STRICT_UNWITNESSED = 2,
};

/* "soft", "strict", "strict-unwitnessed"; "unknown" for anything else. Static storage. */
NUMAPERF_API const char *numaperf_mode_name(enum numaperf_mode mode);

/*
 * Hard mode was asked for and is not to be had. Beyond the kernel's errno range (which ends at
 * 4095, include/linux/err.h), so it can never be mistaken for one.
 */
#define NUMAPERF_EHARDMODE 4096

/* Why a call failed: stable numbers, for programs. People read `message`. */
enum numaperf_reason {
	NUMAPERF_REASON_NONE = 0,	/* no failure yet on this thread */
	NUMAPERF_REASON_INVALID = 1,	/* an argument is wrong */
	NUMAPERF_REASON_NO_MEMORY = 2,	/* the library could not allocate for itself */
	NUMAPERF_REASON_SYSTEM = 3,	/* a system call failed; `code` is its -errno */
	NUMAPERF_REASON_PERMISSION = 4, /* a capability is missing */
	NUMAPERF_REASON_AFFINITY = 5,	/* the CPUs granted are not the CPUs asked for */
	NUMAPERF_REASON_BALANCING = 6,	/* kernel.numa_balancing is on */
	NUMAPERF_REASON_MEMORY = 7, /* the node has not enough memory, or pages are elsewhere */
	NUMAPERF_REASON_HUGEPAGES = 8,	  /* the node has not enough huge pages */
	NUMAPERF_REASON_CPUSET = 9,	  /* the cpuset forbids the node or the CPUs */
	NUMAPERF_REASON_SECCOMP = 10,	  /* a seccomp filter refuses the system call */
	NUMAPERF_REASON_UNSUPPORTED = 11, /* this kernel has no such thing */
	NUMAPERF_REASON_TOPOLOGY = 12,	  /* /sys contradicts itself or cannot be read */
	NUMAPERF_REASON_NO_WORKERS =
		13,		    /* the node has no workers to run a task that must stay */
	NUMAPERF_REASON_STATE = 14, /* the object is shut down, forked, or busy */
	NUMAPERF_REASON_FULL = 15,  /* the queue is full and the caller would not wait */
	NUMAPERF_REASON_CANCELED = 16, /* the caller's callback stopped it */
};

struct numaperf_error {
	int code; /* what the call returned: -errno or -NUMAPERF_EHARDMODE */
	enum numaperf_reason reason_id;
	char operation[64]; /* what was tried: "executor creation" */
	char reason[512];   /* why not: "permission denied (CAP_SYS_NICE is missing)" */
	char remedy[384];   /* what to do about it; may be empty */
	char message[1024]; /* the three together, one line, without a full stop */
};

/*
 * The last failure of any numaperf call on this thread; never NULL. Before the first failure
 * `code` is 0 and the texts are empty. A success does not clear it. The record belongs to the
 * thread: it is overwritten by the next failure there and gone when the thread ends.
 */
NUMAPERF_API const struct numaperf_error *numaperf_last_error(void);

/* "permission", "affinity", ...: stable lower-case names of the reasons; static storage. */
NUMAPERF_API const char *numaperf_reason_name(enum numaperf_reason reason);

enum numaperf_log_level {
	NUMAPERF_LOG_WARNING =
		1, /* something is degraded: a soft pin not in full, a redirect */
	NUMAPERF_LOG_INFO = 2,
	NUMAPERF_LOG_DEBUG = 3,
};

/*
 * Receives one line, without newline, that lives as long as the call. May be called from any
 * thread that calls into the library, and from the library's own threads; it must not call
 * back into the library.
 */
typedef void (*numaperf_log_fn)(void *ctx, enum numaperf_log_level level, const char *line);

/*
 * Sets the one log callback of the process; NULL (the default) is silence. Lines of a level
 * above `max_level` are not formatted. Returns when no thread is inside the old callback any
 * more, so its context may then be freed.
 */
NUMAPERF_API void numaperf_set_log(numaperf_log_fn fn, void *ctx,
				   enum numaperf_log_level max_level);

#ifdef __cplusplus
}
#endif

#endif

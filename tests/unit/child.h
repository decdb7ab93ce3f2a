/* SPDX-License-Identifier: MIT */
/*
 * For tests that give something up for good (a capability, a system call, a namespace): a child
 * process does it, so that the other tests keep it. cmocka's assertions jump back into the test
 * runner, so the child uses CHECK.
 */
#ifndef NP_TEST_CHILD_H
#define NP_TEST_CHILD_H

#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#define CHECK(condition)                                                                \
 do {                                                                                   \
  if (!(condition)) {                                                                   \
   fprintf(stderr, "%s:%d: child: not true: %s (last error: %s)\n", __FILE__, __LINE__, \
	   #condition, numaperf_last_error()->message);                                 \
   _exit(1);                                                                            \
  }                                                                                     \
 } while (0)

/* Built with ThreadSanitizer: every process has a thread more then, so it cannot unshare(). */
#if defined(__SANITIZE_THREAD__)
# define CHILD_TSAN 1
#elif defined(__has_feature)
# if __has_feature(thread_sanitizer)
#  define CHILD_TSAN 1
# endif
#endif
#ifndef CHILD_TSAN
# define CHILD_TSAN 0
#endif

/* Runs fn(arg) in a child process. 0: it returned. */
int child_run(void (*fn)(void *arg), void *arg);

/* A seccomp filter on the calling thread: system call `nr` gives `error`. */
void child_deny(int nr, int error);

/* Takes a capability out of the calling thread's effective and permitted sets. */
void child_drop(int capability);

bool child_is_root(void);

#endif

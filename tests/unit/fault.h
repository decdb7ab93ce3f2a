/* SPDX-License-Identifier: MIT */
/*
 * Makes the n-th call through the seam fail. Usage:
 *
 *	struct fault_plan plan = { .nth = i, .error = -ENOMEM };   nth counts from 1
 *	fault_start(&plan);
 *	err = numaperf_...;
 *	fault_stop();
 *	plan.hits: how many calls were made; below nth: nothing failed any more, the sweep is
 *done plan.failed: the name of the call that failed, NULL when none did
 *
 * `only` limits it to one call by name; `for_ever` makes every later one fail, too. Calls that
 * only give things back (close, unmap, munlock, thread_join, futex_wake) are counted out: they
 * do not fail in a way that their callers could answer.
 *
 * FAULT_SWEEP(plan, errors) runs its body for each error and each n until a run in which
 * nothing failed. Open descriptors and mappings are counted by the helpers below.
 */
#ifndef NP_TEST_FAULT_H
#define NP_TEST_FAULT_H

#include "../../lib/src/sys.h"

struct fault_plan {
	int nth;
	int error;
	const char *only;
	bool for_ever;
	/* results */
	int hits;
	const char *failed;
};

void fault_start(struct fault_plan *plan);
void fault_stop(void);

/* Descriptors of this process that are open; mappings; threads. For before/after. */
int fault_open_fds(void);
int fault_mappings(void);
int fault_threads(void);

/* A thread that was joined is still listed for a moment, so before: the fewest threads of some
 * moments; after: whether there are `threads` again, or will be within seconds. */
int fault_threads_settled(void);
int fault_threads_are(int threads);

#define FAULT_SWEEP(plan, error_list)                                                     \
 for (size_t fault_e_ = 0; fault_e_ < sizeof(error_list) / sizeof((error_list)[0]);       \
      fault_e_++)                                                                         \
  for (int fault_n_ = 1, fault_more_ = 1;                                                 \
       fault_more_ &&                                                                     \
       ((plan) = (struct fault_plan){ .nth = fault_n_, .error = (error_list)[fault_e_] }, \
       true);                                                                             \
       fault_more_ = (plan).hits >= fault_n_, fault_n_++)

#endif

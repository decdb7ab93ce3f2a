/* SPDX-License-Identifier: MIT */
/*
 * The whole executor inside a test: the library's own sources, with NP_STEP() as the test
 * defines it. Include once, before anything else of the library but steps.h.
 */
#ifndef NP_TEST_EXECUTOR_INSIDE_H
#define NP_TEST_EXECUTOR_INSIDE_H

/* each source has an `operation` of its own */
#include "../../lib/src/executor.c"
#define operation operation_create
#include "../../lib/src/executor_create.c"
#undef operation
#define operation operation_submit
#include "../../lib/src/executor_submit.c"
#undef operation
#define operation operation_resize
#include "../../lib/src/executor_resize.c"
#undef operation
#define operation operation_group
#include "../../lib/src/executor_group.c"
#undef operation
#include "../../lib/src/executor_fork.c"
#include "../../lib/src/executor_producer.c"
#include "../../lib/src/executor_stats.c"
#include "../../lib/src/worker.c"
#include "../../lib/src/worker_find.c"
#include "../../lib/src/worker_sleep.c"
#include "../../lib/src/worker_thread.c"
#include "../../lib/src/worker_wake.c"

#endif

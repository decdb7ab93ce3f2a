/* SPDX-License-Identifier: MIT */
/* Frames for tests of the screen: made of numbers of the test's choice or of a seed's. */
#ifndef NP_TEST_FRAMES_H
#define NP_TEST_FRAMES_H

#include "../../tools/top_frame.h"

/* xorshift; 0 .. n-1 */
unsigned int frames_any(unsigned int n);
extern uint64_t frames_seed;

/* `nodes` nodes with ids 0, 2, 4 ..., all metrics on the exact rung, 8 GiB a node. */
struct top_frame *frames_plain(size_t nodes, uint64_t seconds);

/* A process and one thread of it, entered in order. */
struct top_process *frames_process(struct top_frame *f, int pid, const char *name);
struct top_thread *frames_thread(struct top_frame *f, int pid, int tid);

/* Everything there is, by chance. */
struct top_frame *frames_random(size_t nodes);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Machines of our own making: a topology read from a tree that is written for the occasion, and
 * a kernel that lets any thread be pinned to any of its CPUs.
 */
#ifndef NP_TEST_TREE_H
#define NP_TEST_TREE_H

#include <numaperf/topology.h>

struct tree_node {
	int package;
	int first_cpu, cpus; /* 0: memory only */
	const char *distance;
};

/* Node i of the machine is node[i]; fails the process if it cannot be had. */
struct numaperf_topology *tree_topology(const struct tree_node *node, int nodes);

/* Writes `path` below `root`, its folders made as needed; ends the process if it cannot. */
void tree_put(const char *root, const char *path, const char *text);

/* Every affinity is granted to the thread that asks, of CPUs below `short_of` (0: of all); the
 * rest of the seam is the kernel's. */
void tree_sys_start(int short_of);
void tree_sys_stop(void);

/* Two packages of two nodes with one CPU each, numbered against the distances: 0 and 2 are in
 * one package, 1 and 3 in the other; of the others' nodes 3 is nearer to 0 than 1 is. */
#define TREE_CROSSED                                                                  \
 {                                                                                    \
  { 0, 0, 1, "10 31 12 21" }, { 1, 1, 1, "31 10 21 12" }, { 0, 2, 1, "12 21 10 31" }, \
  {                                                                                   \
   1, 3, 1, "21 12 31 10"                                                             \
  }                                                                                   \
 }

/* The group's set-up of tests on that machine, with tree_sys_start(0), and its clearing up. */
extern struct numaperf_topology *tree_crossed;
int tree_crossed_make(void **state);
int tree_crossed_drop(void **state);

#endif

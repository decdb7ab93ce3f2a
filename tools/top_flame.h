/* SPDX-License-Identifier: MIT */
/* Stacks merged from their outermost call on: what a flame graph draws. */
#ifndef TOP_FLAME_H
#define TOP_FLAME_H

#include "top_frame.h"

struct top_flame {
	char *name;
	uint64_t pages;		 /* of it and all that it called */
	struct top_flame *child; /* the largest first, once sorted */
	struct top_flame *next;
};

/* Adds a stack below the root: its process, then its calls. 0 or -ENOMEM. */
int top_flame_add(struct top_flame *root, const struct top_stack *stack);
void top_flame_sort(struct top_flame *root);
unsigned int top_flame_depth(const struct top_flame *root);
/* What is below the root; the root is the caller's. */
void top_flame_free(struct top_flame *root);

#endif

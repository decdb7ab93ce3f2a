/* SPDX-License-Identifier: MIT */
/* Processes as a tree. By links, so that ten thousand of them are no matter. */
#include "top_model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NOBODY SIZE_MAX

/* One process, by its place among the rows as they came. */
struct twig {
	size_t child, sibling; /* the first child; the next of the same parent */
	bool placed, root;
};

struct tree {
	struct top_row *from, *to;
	struct twig *twig;
	size_t done;
};

static const struct top_process *process_of(const struct top_row *row)
{
	return row->of;
}

/* Places of rows in the order of their numbers. */
struct number {
	int pid;
	size_t at;
};

static int by_pid(const void *a, const void *b)
{
	const struct number *x = a, *y = b;

	return (x->pid > y->pid) - (x->pid < y->pid);
}

static void link_rows(struct tree *t, size_t rows, struct number *number)
{
	for (size_t i = 0; i < rows; i++) {
		number[i] = (struct number){ process_of(&t->from[i])->pid, i };
		t->twig[i] = (struct twig){ .child = NOBODY, .sibling = NOBODY };
	}
	qsort(number, rows, sizeof(*number), by_pid);
	/* from the last, each before those that are there: in order in the end */
	for (size_t i = rows; i-- > 0;) {
		struct number key = { .pid = process_of(&t->from[i])->ppid };
		struct number *parent = bsearch(&key, number, rows, sizeof(*number), by_pid);

		t->twig[i].root = !parent || parent->at == i;
		if (t->twig[i].root)
			continue;
		t->twig[i].sibling = t->twig[parent->at].child;
		t->twig[parent->at].child = i;
	}
}

/* `open`: of the depths above, see struct top_row. */
static void place(struct tree *t, size_t at, int depth, uint32_t open)
{
	struct top_row *row = &t->to[t->done++];
	size_t child = t->twig[at].child;

	t->twig[at].placed = true;
	*row = t->from[at];
	row->depth = depth;
	row->open = open;
	for (; child != NOBODY; child = t->twig[child].sibling) {
		uint32_t bit = depth < 32 ? 1u << depth : 0;
		bool more = t->twig[child].sibling != NOBODY;

		if (!t->twig[child].placed)
			place(t, child, depth + 1, more ? open | bit : open & ~bit);
	}
}

int top_tree(struct top_row *row, size_t rows)
{
	struct tree t = { .from = row };
	struct number *number = calloc(rows ? rows : 1, sizeof(*number));

	t.to = calloc(rows ? rows : 1, sizeof(*t.to));
	t.twig = calloc(rows ? rows : 1, sizeof(*t.twig));
	if (!t.to || !t.twig || !number) {
		free(t.to);
		free(t.twig);
		free(number);
		return -ENOMEM;
	}
	link_rows(&t, rows, number);
	for (size_t i = 0; i < rows; i++)
		if (t.twig[i].root)
			place(&t, i, 0, 0);
	for (size_t i = 0; i < rows; i++) /* whose parents go round in a ring */
		if (!t.twig[i].placed)
			place(&t, i, 0, 0);
	memcpy(row, t.to, rows * sizeof(*row));
	free(t.to);
	free(t.twig);
	free(number);
	return 0;
}

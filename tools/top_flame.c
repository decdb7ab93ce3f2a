/* SPDX-License-Identifier: MIT */
#include "top_flame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Without the offset into it: calls from one function belong together. */
static size_t name_length(const char *symbol)
{
	const char *plus = strstr(symbol, "+0x");

	return plus ? (size_t)(plus - symbol) : strlen(symbol);
}

static struct top_flame *child_of(struct top_flame *parent, const char *name, size_t length)
{
	struct top_flame *c;

	for (c = parent->child; c; c = c->next)
		if (strlen(c->name) == length && !memcmp(c->name, name, length))
			return c;
	c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->name = strndup(name, length);
	if (!c->name) {
		free(c);
		return NULL;
	}
	c->next = parent->child;
	parent->child = c;
	return c;
}

int top_flame_add(struct top_flame *root, const struct top_stack *stack)
{
	const char *process = stack->comm[0] ? stack->comm : "?";
	struct top_flame *at = child_of(root, process, strlen(process));

	if (!at)
		return -ENOMEM;
	root->pages += stack->pages;
	at->pages += stack->pages;
	for (unsigned int i = stack->depth; i-- > 0;) {
		at = child_of(at, stack->symbol[i], name_length(stack->symbol[i]));
		if (!at)
			return -ENOMEM;
		at->pages += stack->pages;
	}
	return 0;
}

/* By insertion: children are few. */
void top_flame_sort(struct top_flame *root)
{
	struct top_flame *sorted = NULL, *c = root->child, *next;

	for (; c; c = next) {
		struct top_flame **at = &sorted;

		next = c->next;
		top_flame_sort(c);
		while (*at && ((*at)->pages > c->pages ||
			       ((*at)->pages == c->pages && strcmp((*at)->name, c->name) < 0)))
			at = &(*at)->next;
		c->next = *at;
		*at = c;
	}
	root->child = sorted;
}

unsigned int top_flame_depth(const struct top_flame *root)
{
	unsigned int most = 0;

	for (const struct top_flame *c = root->child; c; c = c->next) {
		unsigned int depth = top_flame_depth(c);

		most = depth > most ? depth : most;
	}
	return most + 1;
}

void top_flame_free(struct top_flame *root)
{
	struct top_flame *c = root->child, *next;

	for (; c; c = next) {
		next = c->next;
		top_flame_free(c);
		free(c->name);
		free(c);
	}
	root->child = NULL;
}

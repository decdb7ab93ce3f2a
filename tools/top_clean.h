/* SPDX-License-Identifier: MIT */
/* Text of other processes, made harmless for terminals, labels and pages. */
#ifndef TOP_CLEAN_H
#define TOP_CLEAN_H

#include <stddef.h>

/*
 * In place: control characters (C0, DEL, C1), bidirectional and other format marks and whatever
 * is no UTF-8 become '?'. Never longer than before. Returns `text`.
 */
char *top_clean(char *text);

/* A copy of at most `size` bytes of `text`, cleaned; NULL: no memory, or no text. */
char *top_clean_copy(const char *text, size_t size);

#endif

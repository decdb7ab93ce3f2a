/* SPDX-License-Identifier: MIT */
/*
 * A recording as one page for eyes, without anything from elsewhere: the node x node heat map,
 * lines per node over time, violations, and the flame graph of remote faults.
 */
#ifndef TOP_HTML_H
#define TOP_HTML_H

#include "top_source.h"

/* Reads `source` to its end. 0, or -errno with a text in `error`. */
int top_html_write(const char *path, struct top_source *source, char *error, size_t size);

#endif

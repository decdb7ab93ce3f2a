/* SPDX-License-Identifier: MIT */
/* The metrics endpoint: HTTP by libmicrohttpd, loopback unless told otherwise. */
#ifndef TOP_SERVE_H
#define TOP_SERVE_H

#include "top_frame.h"

struct top_server;

/* `where`: "ADDR:PORT", "[ADDR]:PORT", ":PORT", "PORT" or NULL (127.0.0.1:9797). 0, or -errno
 * with a text in `error`. */
int top_serve_open(struct top_server **server, const char *where, char *error, size_t size);

/* What is served from now on: /metrics. A copy is taken as text. 0 or -ENOMEM. */
int top_serve_update(struct top_server *server, const struct top_frame *frame);

/* Where it listens: "127.0.0.1:9797". */
const char *top_serve_where(const struct top_server *server);

void top_serve_close(struct top_server *server);

#endif

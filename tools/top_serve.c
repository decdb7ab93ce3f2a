/* SPDX-License-Identifier: MIT */
#include "top_serve.h"
#include "top_export.h"

#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DEFAULT_ADDRESS "127.0.0.1"
#define DEFAULT_PORT	"9797"

enum {
	CONNECTIONS = 32,
	TIMEOUT = 10, /* seconds a slow reader has */
};

struct top_server {
	struct MHD_Daemon *daemon;
	pthread_mutex_t lock;
	char *text[2]; /* the newest exposition: the older text format, OpenMetrics */
	size_t length[2];
	char where[128];
};

/* ---- answering ---- */

static enum MHD_Result send_text(struct MHD_Connection *to, unsigned int status, char *text,
				 size_t length, enum MHD_ResponseMemoryMode mode,
				 const char *type)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(length, text, mode);
	enum MHD_Result result;

	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	result = MHD_queue_response(to, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result answer(void *ctx, struct MHD_Connection *to, const char *url,
			      const char *method, const char *version, const char *upload,
			      size_t *upload_size, void **state)
{
	static char lost[] = "/metrics is here, and nothing else\n",
		    only_get[] = "GET or HEAD\n", none[] = "no frame yet\n";
	const char *accept =
		MHD_lookup_connection_value(to, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT);
	bool open = accept && strstr(accept, "application/openmetrics-text");
	struct top_server *s = ctx;
	char *copy = NULL;
	size_t length = 0;

	(void)version;
	(void)upload;
	(void)upload_size;
	(void)state;
	if (strcmp(method, MHD_HTTP_METHOD_GET) && strcmp(method, MHD_HTTP_METHOD_HEAD))
		return send_text(to, MHD_HTTP_METHOD_NOT_ALLOWED, only_get, strlen(only_get),
				 MHD_RESPMEM_PERSISTENT, "text/plain");
	if (strcmp(url, "/metrics"))
		return send_text(to, MHD_HTTP_NOT_FOUND, lost, strlen(lost),
				 MHD_RESPMEM_PERSISTENT, "text/plain");
	pthread_mutex_lock(&s->lock);
	if (s->text[open]) {
		length = s->length[open];
		copy = malloc(length);
		if (copy)
			memcpy(copy, s->text[open], length);
	}
	pthread_mutex_unlock(&s->lock);
	if (!copy)
		return send_text(to, MHD_HTTP_SERVICE_UNAVAILABLE, none, strlen(none),
				 MHD_RESPMEM_PERSISTENT, "text/plain");
	return send_text(to, MHD_HTTP_OK, copy, length, MHD_RESPMEM_MUST_FREE,
			 open ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
			      : "text/plain; version=0.0.4; charset=utf-8");
}

/* ---- where ---- */

/* "ADDR:PORT", "[ADDR]:PORT", ":PORT", "PORT", "ADDR" in brackets or with dots. */
static int split(const char *where, char *address, char *port, size_t size)
{
	const char *colon = where ? strrchr(where, ':') : NULL;
	size_t length;

	snprintf(address, size, "%s", DEFAULT_ADDRESS);
	snprintf(port, size, "%s", DEFAULT_PORT);
	if (!where || !*where)
		return 0;
	if (!colon && strspn(where, "0123456789") == strlen(where)) {
		snprintf(port, size, "%s", where);
		return 0;
	}
	if (colon && colon > where && colon[-1] != ']' && strchr(where, ':') != colon)
		return -EINVAL; /* IPv6 wants brackets */
	length = colon && strchr(colon, ']') == NULL ? (size_t)(colon - where) : strlen(where);
	if (colon && length == (size_t)(colon - where))
		snprintf(port, size, "%s", colon + 1);
	if (length && where[0] == '[' && where[length - 1] == ']') {
		where++;
		length -= 2;
	}
	if (length)
		snprintf(address, size, "%.*s", (int)length, where);
	/* getaddrinfo() takes a port modulo 65536 */
	return strlen(port) > 5 || strtol(port, NULL, 10) > 65535 ? -EINVAL : 0;
}

static int listen_on(const char *address, const char *port, char *error, size_t size)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
				  .ai_socktype = SOCK_STREAM },
			*found;
	int fd, err, one = 1;

	err = getaddrinfo(address, port, &hints, &found);
	if (err) {
		snprintf(error, size,
			 "cannot listen on %s port %s: %s; it has to be a numeric "
			 "address and port",
			 address, port, gai_strerror(err));
		return -EINVAL;
	}
	fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 || bind(fd, found->ai_addr, found->ai_addrlen) || listen(fd, 16)) {
		err = -errno;
		snprintf(error, size, "cannot listen on %s port %s: %s", address, port,
			 strerror(-err));
		if (fd >= 0)
			close(fd);
		fd = err;
	}
	freeaddrinfo(found);
	return fd;
}

/* Port 0 is one of the kernel's choice. */
static void name_socket(struct top_server *s, int fd)
{
	struct sockaddr_storage at;
	socklen_t length = sizeof(at);
	char address[64], port[16];

	if (getsockname(fd, (struct sockaddr *)&at, &length) ||
	    getnameinfo((struct sockaddr *)&at, length, address, sizeof(address), port,
			sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV))
		return;
	snprintf(s->where, sizeof(s->where), at.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s",
		 address, port);
}

int top_serve_open(struct top_server **server, const char *where, char *error, size_t size)
{
	struct top_server *s = calloc(1, sizeof(*s));
	char address[128], port[128];
	int fd = -ENOMEM;

	if (!s) {
		snprintf(error, size, "no memory");
		return -ENOMEM;
	}
	pthread_mutex_init(&s->lock, NULL);
	if (split(where, address, port, sizeof(address))) {
		snprintf(error, size, "'%s' is no ADDR:PORT; IPv6 as [ADDR]:PORT", where);
		free(s);
		return -EINVAL;
	}
	fd = listen_on(address, port, error, size);
	if (fd < 0) {
		free(s);
		return fd;
	}
	name_socket(s, fd);
	s->daemon = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_AUTO, 0, NULL,
				     NULL, answer, s, MHD_OPTION_LISTEN_SOCKET, fd,
				     MHD_OPTION_CONNECTION_LIMIT, (unsigned int)CONNECTIONS,
				     MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)TIMEOUT,
				     MHD_OPTION_END);
	if (!s->daemon) {
		snprintf(error, size, "cannot serve on %s: %s", s->where, strerror(errno));
		close(fd);
		free(s);
		return -EIO;
	}
	*server = s;
	return 0;
}

int top_serve_update(struct top_server *s, const struct top_frame *frame)
{
	for (int open = 0; open < 2; open++) {
		size_t length;
		char *text = top_export_metrics(frame, open, &length), *old;

		if (!text)
			return -ENOMEM;
		pthread_mutex_lock(&s->lock);
		old = s->text[open];
		s->text[open] = text;
		s->length[open] = length;
		pthread_mutex_unlock(&s->lock);
		free(old);
	}
	return 0;
}

const char *top_serve_where(const struct top_server *s)
{
	return s->where;
}

void top_serve_close(struct top_server *s)
{
	if (!s)
		return;
	MHD_stop_daemon(s->daemon);
	pthread_mutex_destroy(&s->lock);
	free(s->text[0]);
	free(s->text[1]);
	free(s);
}

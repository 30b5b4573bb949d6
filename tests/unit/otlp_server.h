/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A little OTLP/HTTP receiver for tests: a thread that answers from a script, one connection at a
 * time, kept alive, and notes what it was sent.
 */
#ifndef SONDE_TESTS_OTLP_SERVER_H
#define SONDE_TESTS_OTLP_SERVER_H

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#include "build/proto/trace_service.pb-c.h"
#include "user/base/clock.h"
#include "user/base/slice.h"

#define SERVER_REQUESTS_MAX 64
#define SERVER_HEAD_SZ 4096
#define SERVER_BODY_SZ (32u * 1024 * 1024)

/* Answers that are none. */
#define SILENCE (-1) /* until the peer goes away */
#define HANG_UP (-2)

/* How to answer one request. */
struct reply {
	int status;	     /* of HTTP, or one of the two above */
	const char *headers; /* whole lines, or NULL */
	struct slice body;
	size_t padding; /* zero bytes sent after the body, counted in its length */
};

struct seen_request {
	char head[SERVER_HEAD_SZ];
	int peer_port;
	uint64_t at_ns; /* CLOCK_MONOTONIC */
	uint32_t spans_cnt, resources_cnt;
	bool gzip, valid; /* decoded as an ExportTraceServiceRequest */
};

struct otlp_server {
	int listen_fd, port;
	const struct reply *replies; /* then 200 with nothing */
	size_t replies_cnt;
	pthread_t thread;
	char *body, *plain;
	int stop_pipe[2];

	pthread_mutex_t lock;
	struct seen_request seen[SERVER_REQUESTS_MAX];
	size_t seen_cnt, connections_cnt;
};

/* False when told to stop or the peer is gone. */
static inline bool server_wait(struct otlp_server *s, int fd)
{
	struct pollfd fds[] = {
		{.fd = fd, .events = POLLIN},
		{.fd = s->stop_pipe[0], .events = POLLIN},
	};

	return poll(fds, 2, -1) > 0 && !fds[1].revents;
}

static inline ssize_t server_read(struct otlp_server *s, int fd, char *to, size_t n)
{
	return server_wait(s, fd) ? read(fd, to, n) : -1;
}

static inline bool server_write(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t done = send(fd, p, n, MSG_NOSIGNAL);

		if (done <= 0)
			return false;
		p += done;
		n -= (size_t)done;
	}
	return true;
}

/* Reads head and body; the length of the body, or -1. */
static inline ssize_t server_read_request(struct otlp_server *s, int fd, char *head)
{
	size_t len = 0, body_len, have;
	const char *field;
	char *end = NULL;
	ssize_t n;

	while (!end) {
		n = server_read(s, fd, head + len, SERVER_HEAD_SZ - 1 - len);
		if (n <= 0)
			return -1;
		len += (size_t)n;
		head[len] = '\0';
		end = memmem(head, len, "\r\n\r\n", 4);
	}
	field = strcasestr(head, "\r\nContent-Length:");
	body_len = field ? strtoul(field + 17, NULL, 10) : 0;
	have = len - (size_t)(end + 4 - head);
	if (body_len > SERVER_BODY_SZ)
		return -1;
	memcpy(s->body, end + 4, have);
	end[2] = '\0';
	for (; have < body_len; have += (size_t)n) {
		n = server_read(s, fd, s->body + have, body_len - have);
		if (n <= 0)
			return -1;
	}
	return (ssize_t)body_len;
}

static inline struct slice server_gunzip(struct otlp_server *s, struct slice packed)
{
	z_stream z = {
		.next_in = (Bytef *)packed.p,
		.avail_in = (uInt)packed.n,
		.next_out = (Bytef *)s->plain,
		.avail_out = SERVER_BODY_SZ,
	};
	int err = inflateInit2(&z, 15 + 16);

	err = err ? err : inflate(&z, Z_FINISH);
	inflateEnd(&z);
	return err == Z_STREAM_END ? slice_of(s->plain, z.total_out) : SLICE("");
}

static inline void server_decode(struct seen_request *r, struct slice body)
{
	Opentelemetry__Proto__Collector__Trace__V1__ExportTraceServiceRequest *request =
		opentelemetry__proto__collector__trace__v1__export_trace_service_request__unpack(
			NULL, body.n, (const uint8_t *)body.p);

	r->valid = request && request->n_resource_spans > 0;
	if (!request)
		return;
	r->resources_cnt = (uint32_t)request->n_resource_spans;
	for (size_t i = 0; i < request->n_resource_spans; i++)
		for (size_t k = 0; k < request->resource_spans[i]->n_scope_spans; k++)
			r->spans_cnt +=
				(uint32_t)request->resource_spans[i]->scope_spans[k]->n_spans;
	opentelemetry__proto__collector__trace__v1__export_trace_service_request__free_unpacked(
		request, NULL);
}

/* Its number, from 0. */
static inline size_t server_note(struct otlp_server *s, const struct seen_request *r)
{
	size_t number;

	pthread_mutex_lock(&s->lock);
	number = s->seen_cnt;
	if (number < SERVER_REQUESTS_MAX)
		s->seen[number] = *r;
	s->seen_cnt++;
	pthread_mutex_unlock(&s->lock);
	return number;
}

static inline bool server_answer(int fd, const struct reply *reply)
{
	static const char zeros[4096];
	size_t padding = reply->padding;
	char head[1024];
	int n = snprintf(head, sizeof(head), "HTTP/1.1 %d X\r\nContent-Length: %zu\r\n%s\r\n",
			 reply->status, reply->body.n + padding,
			 reply->headers ? reply->headers : "");
	bool ok =
		server_write(fd, head, (size_t)n) && server_write(fd, reply->body.p, reply->body.n);

	for (size_t one; ok && padding; padding -= one) {
		one = padding < sizeof(zeros) ? padding : sizeof(zeros);
		ok = server_write(fd, zeros, one);
	}
	return ok;
}

static inline void server_serve(struct otlp_server *s, int fd, int peer_port)
{
	static const struct reply ok = {.status = 200};
	bool alive = true;

	while (alive) {
		struct seen_request r = {.peer_port = peer_port};
		const struct reply *reply = &ok;
		ssize_t n = server_read_request(s, fd, r.head);
		struct slice body = slice_of(s->body, (size_t)n);
		size_t number;

		if (n < 0)
			return;
		r.at_ns = clock_mono_ns();
		r.gzip = strcasestr(r.head, "\r\nContent-Encoding: gzip\r\n");
		server_decode(&r, r.gzip ? server_gunzip(s, body) : body);
		number = server_note(s, &r);
		if (number < s->replies_cnt)
			reply = &s->replies[number];
		if (reply->status == SILENCE) { /* silent until the peer or the test ends it */
			char byte;

			while (server_read(s, fd, &byte, 1) > 0)
				continue;
		}
		alive = reply->status > 0 && server_answer(fd, reply);
	}
}

static inline void *server_run(void *arg)
{
	struct otlp_server *s = arg;

	while (server_wait(s, s->listen_fd)) {
		struct sockaddr_in peer;
		socklen_t len = sizeof(peer);
		int fd = accept(s->listen_fd, (struct sockaddr *)&peer, &len);

		if (fd < 0)
			break;
		pthread_mutex_lock(&s->lock);
		s->connections_cnt++;
		pthread_mutex_unlock(&s->lock);
		server_serve(s, fd, ntohs(peer.sin_port));
		close(fd);
	}
	return NULL;
}

/* Listens on a loopback port of the kernel's choice. */
static inline struct otlp_server *otlp_server__new(const struct reply *replies, size_t replies_cnt)
{
	struct otlp_server *s = calloc(1, sizeof(*s));
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(addr);

	s->replies = replies;
	s->replies_cnt = replies_cnt;
	s->body = malloc(SERVER_BODY_SZ);
	s->plain = malloc(SERVER_BODY_SZ);
	pthread_mutex_init(&s->lock, NULL);
	s->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(s->listen_fd, (struct sockaddr *)&addr, len) || listen(s->listen_fd, 8) ||
	    getsockname(s->listen_fd, (struct sockaddr *)&addr, &len) || pipe(s->stop_pipe) ||
	    pthread_create(&s->thread, NULL, server_run, s)) {
		perror("otlp_server");
		abort();
	}
	s->port = ntohs(addr.sin_port);
	return s;
}

static inline void otlp_server__free(struct otlp_server *s)
{
	if (write(s->stop_pipe[1], "x", 1) != 1)
		abort();
	pthread_join(s->thread, NULL);
	close(s->listen_fd);
	close(s->stop_pipe[0]);
	close(s->stop_pipe[1]);
	free(s->body);
	free(s->plain);
	free(s);
}

#endif

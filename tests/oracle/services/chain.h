// SPDX-License-Identifier: Apache-2.0
/*
 * What the services in C share: the request of a chain (README.md), sockets on loopback, and as much
 * HTTP/1.1 as they need. Heads come with Content-Length or without a body.
 */
#pragma once

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HEAD_MAX 4096
#define CALL_MAX 256
#define CALLS_MAX 8

struct work {
	char ident[64];
	int calls;
	bool at_once;
	int wait_ms;
	bool after;
};

/* Reads "GET /serve/ID/CALLS/HOW/WAIT/AFTER ...". */
static inline bool work_parse(struct work *work, const char *head)
{
	char how[8];
	int after;

	if (sscanf(head, "GET /serve/%63[^/]/%d/%7[^/]/%d/%d ", work->ident, &work->calls, how,
		   &work->wait_ms, &after) != 5 ||
	    work->calls > CALLS_MAX)
		return false;
	work->at_once = !strcmp(how, "once");
	work->after = after;
	return true;
}

/* How long the message at the start of this text is; 0: not all of it is there. */
static inline size_t message_sz(const char *text)
{
	const char *end = strstr(text, "\r\n\r\n"),
		   *field = strcasestr(text, "\r\nContent-Length:");
	size_t sz;

	if (!end)
		return 0;
	sz = (size_t)(end + 4 - text);
	if (field && field < end)
		sz += strtoul(field + strlen("\r\nContent-Length:"), NULL, 10);
	return strlen(text) >= sz ? sz : 0;
}

static inline bool response_failed(const char *response)
{
	return !strncmp(response, "HTTP/1.1 5", 10);
}

/* It is the last on its connection. */
static inline bool response_last(const char *response)
{
	return strcasestr(response, "\r\nConnection: close\r\n");
}

static inline void fail(const char *what)
{
	perror(what);
	exit(1);
}

static inline struct sockaddr_in loopback(const char *variable)
{
	const char *port = getenv(variable);

	return (struct sockaddr_in){.sin_family = AF_INET,
				    .sin_port = htons(port ? strtoul(port, NULL, 10) : 0),
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/* A listener at PORT. */
static inline int listen_here(void)
{
	struct sockaddr_in here = loopback("PORT");
	int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(fd, (struct sockaddr *)&here, sizeof(here)) || listen(fd, 128))
		fail("listen");
	return fd;
}

/* A connection to BACKEND. */
static inline int connect_backend(void)
{
	struct sockaddr_in there = loopback("BACKEND");
	int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&there, sizeof(there)) ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)))
		fail("connect");
	return fd;
}

static inline void send_text(int fd, const char *text)
{
	if (send(fd, text, strlen(text), MSG_NOSIGNAL) != (ssize_t)strlen(text))
		perror("send");
}

static inline void call_text(char text[CALL_MAX], const char *path)
{
	snprintf(text, CALL_MAX, "GET %s HTTP/1.1\r\nHost: backend\r\n\r\n", path);
}

static inline void send_call(int fd, const char *path)
{
	char text[CALL_MAX];

	call_text(text, path);
	send_text(fd, text);
}

static inline const char *answer_text(bool failed)
{
	return failed ? "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"
		      : "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
}

static inline void send_answer(int fd, bool failed)
{
	send_text(fd, answer_text(failed));
}

static inline void sleep_ms(int ms)
{
	nanosleep(&(struct timespec){.tv_nsec = ms * 1000000L}, NULL);
}

/* Reads one message; false: the other end is gone. */
static inline bool recv_message(int fd, char text[HEAD_MAX])
{
	size_t sz = 0;

	for (text[0] = '\0'; !message_sz(text);) {
		ssize_t n = recv(fd, text + sz, HEAD_MAX - 1 - sz, 0);

		if (n <= 0)
			return false;
		text[sz += (size_t)n] = '\0';
	}
	return true;
}

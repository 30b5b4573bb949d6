// SPDX-License-Identifier: Apache-2.0
/* One thread holds both ends: neither ever waits for the other without looking after it. */
#include "user/capture/loopback.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "include/abi/hop.h"

#define WAIT_MS 2000
#define PIECE_SZ 4096u
#define REQUEST_LINE "POST /sonde HTTP/1.1\r\n"
#define REQUEST_REST "Host: 127.0.0.1\r\nContent-Length: 4\r\n\r\ntest"

struct ends {
	int client, server;
};

static int say(char *why, size_t why_sz, const char *what)
{
	if (errno)
		snprintf(why, why_sz, "%s: %s", what, strerror(errno));
	else
		snprintf(why, why_sz, "%s", what);
	return -1;
}

static int open_ends(struct ends *ends, char *why, size_t why_sz)
{
	struct sockaddr_in at = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t at_len = sizeof(at);
	bool ok;

	ends->client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ends->server = -1;
	ok = listener >= 0 && ends->client >= 0 &&
	     !bind(listener, (struct sockaddr *)&at, sizeof(at)) && !listen(listener, 1) &&
	     !getsockname(listener, (struct sockaddr *)&at, &at_len) &&
	     !connect(ends->client, (struct sockaddr *)&at, sizeof(at));
	if (ok)
		ends->server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	ok = ok && ends->server >= 0;
	if (!ok)
		say(why, why_sz, "cannot connect to 127.0.0.1");
	if (listener >= 0)
		close(listener);
	return ok ? 0 : -1;
}

static void close_ends(const struct ends *ends)
{
	if (ends->client >= 0)
		close(ends->client);
	if (ends->server >= 0)
		close(ends->server);
}

static uint8_t byte_at(size_t off)
{
	return (uint8_t)(off * 31 + (off >> 8) * 7 + (off >> 16));
}

/* Sends what there is room for, from done on. */
static ssize_t send_some(int fd, size_t done, size_t sz)
{
	uint8_t piece[PIECE_SZ];
	size_t n = sz - done < PIECE_SZ ? sz - done : PIECE_SZ;

	for (size_t i = 0; i < n; i++)
		piece[i] = byte_at(done + i);
	return send(fd, piece, n, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* Receives what there is, and compares. */
static ssize_t receive_some(int fd, size_t done)
{
	uint8_t piece[PIECE_SZ];
	ssize_t n = recv(fd, piece, sizeof(piece), MSG_DONTWAIT);

	for (ssize_t i = 0; i < n; i++)
		if (piece[i] != byte_at(done + (size_t)i)) {
			errno = 0;
			return -1;
		}
	return n;
}

/* All sz bytes are sent and none is read: so many must wait there. */
static int check_waiting(int to, size_t sz, char *why, size_t why_sz)
{
	struct pollfd ready = {.fd = to, .events = POLLIN};
	int waiting = 0;

	for (int left_ms = WAIT_MS; left_ms > 0; left_ms--) {
		if (poll(&ready, 1, WAIT_MS) == 1 && !ioctl(to, FIONREAD, &waiting) &&
		    (size_t)waiting >= sz)
			break;
		poll(NULL, 0, 1);
	}
	if ((size_t)waiting == sz)
		return 0;
	snprintf(why, why_sz, "%d bytes wait to be read (FIONREAD) where %zu were sent", waiting,
		 sz);
	return -1;
}

/* Passes sz bytes from one end to the other; then that direction ends. */
static int pass(int from, int to, size_t sz, char *why, size_t why_sz)
{
	size_t sent = 0, received = 0;
	ssize_t n = 1;

	errno = 0;
	while (n > 0) {
		struct pollfd fds[2] = {
			{.fd = to, .events = POLLIN},
			{.fd = from, .events = sent < sz ? POLLOUT : 0},
		};

		if (poll(fds, 2, WAIT_MS) <= 0)
			return say(why, why_sz, "bytes did not arrive");
		if (fds[1].revents & POLLOUT && sent < sz) {
			n = send_some(from, sent, sz);
			if (n < 0)
				return say(why, why_sz, "cannot send");
			sent += (size_t)n;
			if (sent == sz && sz <= LOOPBACK_WAITING_MAX && !received &&
			    check_waiting(to, sz, why, why_sz))
				return -1;
			if (sent == sz && shutdown(from, SHUT_WR))
				return say(why, why_sz, "cannot half-close");
			if (sz <= LOOPBACK_WAITING_MAX && sent < sz)
				continue;
		}
		if (fds[0].revents & POLLIN) {
			n = receive_some(to, received);
			if (n < 0)
				return say(why, why_sz, "other bytes arrived than were sent");
			received += (size_t)n;
		}
	}
	if (received == sz)
		return 0;
	snprintf(why, why_sz, "%zu bytes arrived before the end where %zu were sent", received, sz);
	return -1;
}

int loopback_check(size_t sz, char *why, size_t why_sz)
{
	struct ends ends;
	int err;

	errno = 0;
	err = open_ends(&ends, why, why_sz);
	err = err ?: pass(ends.client, ends.server, sz, why, why_sz);
	err = err ?: pass(ends.server, ends.client, sz, why, why_sz);
	close_ends(&ends);
	return err;
}

/* Sends a request, and compares what arrives: all of it in one piece. */
static int pass_request(const struct ends *ends, char *why, size_t why_sz)
{
	static const char request[] = REQUEST_LINE REQUEST_REST;
	const size_t sz = sizeof(request) - 1, line_sz = sizeof(REQUEST_LINE) - 1;
	struct {
		char line[sizeof(REQUEST_LINE) - 1];
		struct hop_header header;
		char rest[sizeof(REQUEST_REST) - 1];
	} got;

	if (send(ends->client, request, sz, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)sz)
		return say(why, why_sz, "cannot send");
	if (check_waiting(ends->server, sizeof(got), why, why_sz))
		return -1;
	if (recv(ends->server, &got, sizeof(got), MSG_DONTWAIT) != (ssize_t)sizeof(got))
		return say(why, why_sz, "cannot receive");
	errno = 0;
	if (memcmp(got.line, request, line_sz) != 0 ||
	    memcmp(got.header.name, HOP_HEADER_NAME, sizeof(got.header.name)) != 0 ||
	    memcmp(got.header.end + 3, "\r\n", 2) != 0 ||
	    memcmp(got.rest, request + line_sz, sizeof(got.rest)) != 0)
		return say(why, why_sz, "a request did not arrive as it was sent, with a header");
	return 0;
}

int loopback_check_header(char *why, size_t why_sz)
{
	struct ends ends;
	int err;

	errno = 0;
	err = open_ends(&ends, why, why_sz);
	err = err ?: pass_request(&ends, why, why_sz);
	err = err ?: pass(ends.server, ends.client, LOOPBACK_WAITING_MAX, why, why_sz);
	err = err ?: pass(ends.client, ends.server, LOOPBACK_WAITING_MAX, why, why_sz);
	close_ends(&ends);
	return err;
}

// SPDX-License-Identifier: Apache-2.0
/*
 * Every way to send and to receive on a socket: `ways HOST PORT SEND RECV COUNT [wait]` makes COUNT
 * HTTP requests to /SEND-RECV/N over one connection, sent and received by the system calls named.
 * With wait, it then sleeps in a read until the server hangs up.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* The request in two uneven pieces, as vectors. */
static void cut(char *bytes, size_t n, struct iovec iov[2])
{
	iov[0] = (struct iovec){.iov_base = bytes, .iov_len = 7};
	iov[1] = (struct iovec){.iov_base = bytes + 7, .iov_len = n - 7};
}

static ssize_t send_file(int fd, const char *bytes, size_t n)
{
	int file = memfd_create("request", 0);
	off_t at = 0;
	ssize_t sent = -1;

	if (write(file, bytes, n) == (ssize_t)n)
		sent = sendfile(fd, file, &at, n);
	close(file);
	return sent;
}

static ssize_t send_splice(int fd, const char *bytes, size_t n)
{
	int ends[2];
	ssize_t sent = -1;

	if (pipe(ends))
		return -1;
	if (write(ends[1], bytes, n) == (ssize_t)n)
		sent = splice(ends[0], NULL, fd, NULL, n, 0);
	close(ends[0]);
	close(ends[1]);
	return sent;
}

/* Two messages in one call. */
static ssize_t send_mmsg(int fd, char *bytes, size_t n)
{
	struct mmsghdr messages[2] = {0};
	struct iovec iov[2];

	cut(bytes, n, iov);
	for (int i = 0; i < 2; i++) {
		messages[i].msg_hdr.msg_iov = &iov[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	return sendmmsg(fd, messages, 2, 0) == 2 ? (ssize_t)n : -1;
}

static ssize_t send_by(const char *way, int fd, char *bytes, size_t n)
{
	struct iovec iov[2];
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};

	cut(bytes, n, iov);
	if (!strcmp(way, "write"))
		return write(fd, bytes, n);
	if (!strcmp(way, "send"))
		return send(fd, bytes, n, MSG_NOSIGNAL);
	if (!strcmp(way, "writev"))
		return writev(fd, iov, 2);
	if (!strcmp(way, "pwritev2"))
		return pwritev2(fd, iov, 2, -1, 0);
	if (!strcmp(way, "sendmsg"))
		return sendmsg(fd, &msg, 0);
	if (!strcmp(way, "sendmmsg"))
		return send_mmsg(fd, bytes, n);
	if (!strcmp(way, "sendfile"))
		return send_file(fd, bytes, n);
	return send_splice(fd, bytes, n);
}

static ssize_t receive_mmsg(int fd, char *bytes, size_t n)
{
	struct iovec iov = {.iov_base = bytes, .iov_len = n};
	struct mmsghdr message = {.msg_hdr = {.msg_iov = &iov, .msg_iovlen = 1}};

	return recvmmsg(fd, &message, 1, 0, NULL) == 1 ? (ssize_t)message.msg_len : -1;
}

static ssize_t receive_splice(int fd, char *bytes, size_t n)
{
	ssize_t got = -1;
	int ends[2];

	if (pipe(ends))
		return -1;
	if (splice(fd, NULL, ends[1], NULL, n, 0) > 0)
		got = read(ends[0], bytes, n);
	close(ends[0]);
	close(ends[1]);
	return got;
}

static ssize_t receive_by(const char *way, int fd, char *bytes, size_t n)
{
	struct iovec iov[2];
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};

	cut(bytes, n, iov);
	if (!strcmp(way, "read"))
		return read(fd, bytes, n);
	if (!strcmp(way, "recv"))
		return recv(fd, bytes, n, 0);
	if (!strcmp(way, "peek")) /* looks first: these bytes must not count twice */
		return recv(fd, bytes, n, MSG_PEEK) < 0 ? -1 : recv(fd, bytes, n, 0);
	if (!strcmp(way, "readv"))
		return readv(fd, iov, 2);
	if (!strcmp(way, "preadv2"))
		return preadv2(fd, iov, 2, -1, 0);
	if (!strcmp(way, "recvmsg"))
		return recvmsg(fd, &msg, 0);
	if (!strcmp(way, "recvmmsg"))
		return receive_mmsg(fd, bytes, n);
	return receive_splice(fd, bytes, n);
}

/* Reads until the head and its Content-Length are there. */
static int receive_response(const char *way, int fd)
{
	static char bytes[65536];
	size_t n = 0;

	for (;;) {
		ssize_t got = receive_by(way, fd, bytes + n, sizeof(bytes) - 1 - n);
		char *end, *length;

		if (got <= 0)
			return -1;
		n += (size_t)got;
		bytes[n] = 0;
		end = strstr(bytes, "\r\n\r\n");
		length = strcasestr(bytes, "content-length:");
		if (end && length &&
		    n >= (size_t)(end + 4 - bytes) + strtoul(length + 15, NULL, 10))
			return 0;
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (argc != 6 && argc != 7)
		return 2;
	to.sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10));
	inet_pton(AF_INET, argv[1], &to.sin_addr);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)))
		return 1;
	for (unsigned long i = 0; i < strtoul(argv[5], NULL, 10); i++) {
		char request[256];
		int n = snprintf(request, sizeof(request),
				 "GET /%s-%s/%lu HTTP/1.1\r\nHost: x\r\n\r\n", argv[3], argv[4], i);

		if (send_by(argv[3], fd, request, (size_t)n) != n ||
		    receive_response(argv[4], fd)) {
			perror(argv[3]);
			return 1;
		}
	}
	if (argc == 7 && read(fd, &to, sizeof(to)))
		return 1;
	close(fd);
	return 0;
}

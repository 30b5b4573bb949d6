// SPDX-License-Identifier: Apache-2.0
/*
 * Many DNS queries, one after the other: `lookups ADDRESS PORT WAY COUNT` asks for the address of
 * n-I.w.test, for I from 0, by the system calls that the way is named after, and waits for each answer.
 * Prints how many were answered.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define BATCH 8
#define MESSAGE_MAX 512

static struct sockaddr_storage server;
static socklen_t server_len;

static size_t write_query(char *to, int number)
{
	char label[16];
	int n = snprintf(label, sizeof(label), "n-%d", number), at = 12;

	memcpy(to, "\0\0\1\0\0\1\0\0\0\0\0\0", 12);
	to[0] = (char)(number >> 8);
	to[1] = (char)number;
	to[at++] = (char)n;
	memcpy(to + at, label, (size_t)n);
	memcpy(to + at + n, "\1w\4test\0\0\1\0\1", 12);
	return (size_t)(at + n + 12);
}

static int open_socket(int connected)
{
	struct timeval patience = {.tv_sec = 2};
	int fd = socket(server.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) ||
	    (connected && connect(fd, (struct sockaddr *)&server, server_len))) {
		perror("lookups");
		exit(1);
	}
	return fd;
}

static int ask(int fd, const char *way, int number)
{
	char query[MESSAGE_MAX], answer[MESSAGE_MAX];
	size_t n = write_query(query, number);
	int on = 1, off = 0;

	if (strcmp(way, "sendto") == 0) {
		sendto(fd, query, n, 0, (struct sockaddr *)&server, server_len);
		return recvfrom(fd, answer, sizeof(answer), 0, NULL, NULL) > 12;
	}
	if (strcmp(way, "write") == 0)
		return write(fd, query, n) > 0 && read(fd, answer, sizeof(answer)) > 12;
	if (strcmp(way, "cork") == 0) {
		setsockopt(fd, IPPROTO_UDP, UDP_CORK, &on, sizeof(on));
		send(fd, query, 9, 0);
		send(fd, query + 9, n - 9, 0);
		setsockopt(fd, IPPROTO_UDP, UDP_CORK, &off, sizeof(off));
		return recv(fd, answer, sizeof(answer), 0) > 12;
	}
	send(fd, query, n, 0);
	if (strcmp(way, "peek") == 0)
		recv(fd, answer, 1, MSG_PEEK | MSG_TRUNC);
	if (strcmp(way, "short") == 0) /* tells of more than it has written */
		return recv(fd, answer, 20, MSG_TRUNC) > 20;
	return recv(fd, answer, sizeof(answer), 0) > 12;
}

static int ask_batch(int fd, int from, int cnt)
{
	static char queries[BATCH][MESSAGE_MAX], answers[BATCH][MESSAGE_MAX];
	struct mmsghdr out[BATCH] = {0}, in[BATCH] = {0};
	struct iovec out_iov[BATCH], in_iov[BATCH];
	int got = 0;

	for (int i = 0; i < cnt; i++) {
		out_iov[i] = (struct iovec){queries[i], write_query(queries[i], from + i)};
		in_iov[i] = (struct iovec){answers[i], MESSAGE_MAX};
		out[i].msg_hdr = (struct msghdr){.msg_iov = &out_iov[i], .msg_iovlen = 1};
		in[i].msg_hdr = (struct msghdr){.msg_iov = &in_iov[i], .msg_iovlen = 1};
	}
	if (sendmmsg(fd, out, (unsigned int)cnt, 0) != cnt)
		return 0;
	while (got < cnt) {
		int n = recvmmsg(fd, in, (unsigned int)(cnt - got), MSG_WAITFORONE, NULL);

		if (n <= 0)
			break;
		got += n;
	}
	return got;
}

int main(int argc, char **argv)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&server;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&server;
	int cnt, answered = 0, fd;
	const char *way;

	if (argc != 5)
		return 2;
	way = argv[3];
	cnt = (int)strtol(argv[4], NULL, 10);
	if (inet_pton(AF_INET, argv[1], &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		server_len = sizeof(*in);
	} else if (inet_pton(AF_INET6, argv[1], &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		server_len = sizeof(*in6);
	}
	in->sin_port = htons((unsigned short)strtol(argv[2], NULL, 10));
	fd = open_socket(strcmp(way, "sendto") != 0);
	for (int i = 0; i < cnt; i += strcmp(way, "mmsg") == 0 ? BATCH : 1) {
		if (strcmp(way, "mmsg") == 0) {
			/* The last tells how many of its socket's were lost, when there is room for it. */
			if (i && cnt - i <= BATCH)
				usleep(300000);
			answered += ask_batch(fd, i, cnt - i < BATCH ? cnt - i : BATCH);
			continue;
		}
		if (i && strcmp(way, "sockets") == 0) {
			close(fd);
			fd = open_socket(1);
		}
		answered += ask(fd, way, i);
	}
	printf("%d\n", answered);
	return 0;
}

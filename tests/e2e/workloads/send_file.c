// SPDX-License-Identifier: Apache-2.0
/*
 * A server with a TLS library of its own, of which only the names and the looks of records are true. It
 * answers two requests, the first one with a file that the kernel sends: SSL_sendfile(3), which a real library
 * can do only where the kernel encrypts.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#define FILE_SZ 50000
#define CALL __attribute__((noinline, visibility("default")))

struct session {
	int fd;
	int asked_cnt;
};

static const char *const requests[] = {"GET /file HTTP/1.1\r\nHost: a\r\n\r\n",
				       "GET /text HTTP/1.1\r\nHost: a\r\n\r\n"};

CALL int SSL_accept(struct session *s)
{
	char hello[512];

	return recv(s->fd, hello, sizeof(hello), 0) > 0 && send(s->fd, "\x16\3\3\0\2..", 7, 0) == 7;
}

CALL int SSL_read(struct session *s, void *buffer, int n)
{
	char record[64];

	if (s->asked_cnt == 2 || recv(s->fd, record, sizeof(record), 0) <= 0)
		return 0;
	snprintf(buffer, n, "%s", requests[s->asked_cnt]);
	return (int)strlen(requests[s->asked_cnt++]);
}

CALL int SSL_write(struct session *s, const void *buffer, int n)
{
	char record[512] = "\x17\3\3\1";

	return buffer && send(s->fd, record, n + 22, 0) > 0 ? n : -1;
}

CALL long SSL_sendfile(struct session *s, int fd, off_t offset, size_t size, int flags)
{
	return flags ? -1 : sendfile(s->fd, fd, &offset, size);
}

CALL void SSL_free(struct session *s)
{
	memset(s, 0, sizeof(*s));
}

static void serve(struct session *s)
{
	char buffer[512];
	FILE *file = tmpfile();

	if (!file || ftruncate(fileno(file), FILE_SZ) || SSL_accept(s) <= 0)
		exit(1);
	while (SSL_read(s, buffer, sizeof(buffer)) > 0) {
		int n = snprintf(buffer, sizeof(buffer),
				 "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n",
				 s->asked_cnt == 1 ? FILE_SZ : 4);

		SSL_write(s, buffer, n);
		if (s->asked_cnt == 2)
			SSL_write(s, "text", 4);
		else if (SSL_sendfile(s, fileno(file), 0, FILE_SZ, 0) != FILE_SZ)
			exit(1);
	}
	fclose(file);
}

int main(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t len = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	struct session s = {0};

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(listener, (struct sockaddr *)&address, len) || listen(listener, 8) ||
	    getsockname(listener, (struct sockaddr *)&address, &len))
		return 1;
	printf("%d\n", ntohs(address.sin_port));
	fflush(stdout);
	getchar();
	s.fd = accept(listener, NULL, NULL);
	serve(&s);
	SSL_free(&s);
	return close(s.fd);
}

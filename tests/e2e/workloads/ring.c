// SPDX-License-Identifier: Apache-2.0
/*
 * Serves two connections. What the first sends is received by io_uring, and not answered: it comes while
 * the thread sleeps in a receive from the second, which it answers. Prints its port.
 */
#include <arpa/inet.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static char text[4096], other_text[4096];
static struct io_uring ring;

static void receive_by_ring(int fd)
{
	io_uring_prep_recv(io_uring_get_sqe(&ring), fd, other_text, sizeof(other_text), 0);
	io_uring_submit(&ring);
}

int main(void)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
	struct sockaddr_in here = {.sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int listener = socket(AF_INET, SOCK_STREAM, 0), other, fd;
	socklen_t sz = sizeof(here);
	struct io_uring_cqe *cqe;

	if (bind(listener, (struct sockaddr *)&here, sizeof(here)) || listen(listener, 8) ||
	    getsockname(listener, (struct sockaddr *)&here, &sz) ||
	    io_uring_queue_init(8, &ring, 0))
		return 1;
	printf("%d\n", ntohs(here.sin_port));
	fflush(stdout);
	other = accept(listener, NULL, NULL);
	fd = accept(listener, NULL, NULL);
	receive_by_ring(other);
	while (recv(fd, text, sizeof(text), 0) > 0) {
		send(fd, answer, strlen(answer), MSG_NOSIGNAL);
		if (io_uring_peek_cqe(&ring, &cqe) == 0) {
			io_uring_cqe_seen(&ring, cqe);
			receive_by_ring(other);
		}
	}
	return 0;
}

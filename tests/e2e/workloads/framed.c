// SPDX-License-Identifier: Apache-2.0
/*
 * Frames however they fall: `framed PORT CONNECTIONS ROUNDS DEPTH PADDING` speaks MongoDB's OP_MSG with
 * itself. Each connection sends in each round DEPTH requests of up to PADDING more bytes at once, cut
 * anywhere, by any system call; the server's end receives and answers likewise. Says "open" when the
 * connections are there and have each made one request, and goes on when a line comes in. Prints how many
 * requests were made from then on.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define HEADER_SZ 16
#define OP_MSG 2013
#define PIECES_MAX 12
#define CONNECTIONS_MAX 64

static unsigned int connections, rounds, depth, padding;
static pthread_barrier_t opened, begun;

/* One end of a connection: what came and was not yet taken, and its own chance. */
struct end {
	int fd;
	uint64_t lot;
	char *in;
	size_t in_len, in_sz;
};

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static uint32_t draw(struct end *end, uint32_t below)
{
	end->lot = end->lot * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(end->lot >> 33) % below;
}

static void put32(char *to, uint32_t value)
{
	memcpy(to, &value, sizeof(value)); /* little-endian, as we run on */
}

static uint32_t get32(const char *from)
{
	uint32_t value;

	memcpy(&value, from, sizeof(value));
	return value;
}

static char *put_text(char *at, const char *key, const char *value, uint32_t pad)
{
	uint32_t n = (uint32_t)strlen(value);

	*at++ = 2;
	memcpy(at, key, strlen(key) + 1);
	at += strlen(key) + 1;
	put32(at, n + pad + 1);
	memcpy(at + 4, value, n);
	memset(at + 4 + n, 'x', pad);
	at[4 + n + pad] = 0;
	return at + 4 + n + pad + 1;
}

/* Returns its length. */
static size_t write_message(char *to, uint32_t id, uint32_t reply_to, uint32_t pad)
{
	char *document = to + HEADER_SZ + 5, *at = document + 4, name[16];
	const double ok = 1.0;

	if (reply_to) {
		memcpy(at, "\1ok\0", 4);
		memcpy(at + 4, &ok, sizeof(ok));
		at += 12;
	} else {
		snprintf(name, sizeof(name), "c%u", id % 5);
		at = put_text(at, "find", name, 0);
		at = put_text(at, "$db", "test", 0);
	}
	at = put_text(at, "pad", "", pad);
	*at++ = 0;
	put32(document, (uint32_t)(at - document));
	put32(to, (uint32_t)(at - to));
	put32(to + 4, id);
	put32(to + 8, reply_to);
	put32(to + 12, OP_MSG);
	memset(to + HEADER_SZ, 0, 5);
	return (size_t)(at - to);
}

/* Cuts up to n bytes into pieces of any size. Returns how many; *sum is what they hold. */
static int cut(struct end *end, char *bytes, size_t n, struct iovec *pieces, size_t *sum)
{
	static const uint32_t sizes[] = {7, 40, 900, 5000, 100000};
	int cnt = 0, want = 1 + (int)draw(end, PIECES_MAX);

	for (*sum = 0; cnt < want && *sum < n; cnt++) {
		size_t len = draw(end, sizes[draw(end, 5)]) + (cnt == 0);

		if (len > n - *sum)
			len = n - *sum;
		pieces[cnt] = (struct iovec){.iov_base = bytes + *sum, .iov_len = len};
		*sum += len;
	}
	return cnt;
}

static void send_all(struct end *end, char *bytes, size_t n)
{
	struct iovec pieces[PIECES_MAX];

	while (n) {
		size_t sum;
		int cnt = cut(end, bytes, n, pieces, &sum);
		struct msghdr message = {.msg_iov = pieces, .msg_iovlen = (size_t)cnt};
		uint32_t way = draw(end, 4);
		ssize_t sent = way == 0	  ? write(end->fd, bytes, sum)
			       : way == 1 ? send(end->fd, bytes, sum, 0)
			       : way == 2 ? writev(end->fd, pieces, cnt)
					  : sendmsg(end->fd, &message, 0);

		if (sent <= 0)
			fail("send");
		bytes += sent;
		n -= (size_t)sent;
	}
}

static int receive_some(struct end *end)
{
	size_t room = end->in_sz - end->in_len, sum;
	struct iovec pieces[PIECES_MAX];
	int cnt = cut(end, end->in + end->in_len, room, pieces, &sum);
	struct msghdr message = {.msg_iov = pieces, .msg_iovlen = (size_t)cnt};
	uint32_t way = draw(end, 3);
	ssize_t got = way == 0	 ? read(end->fd, end->in + end->in_len, sum)
		      : way == 1 ? readv(end->fd, pieces, cnt)
				 : recvmsg(end->fd, &message, 0);

	if (got < 0)
		fail("receive");
	end->in_len += (size_t)got;
	return got > 0;
}

/* Takes one message off. Returns its id, or 0 at the connection's end. */
static uint32_t receive(struct end *end)
{
	uint32_t id, n;

	while (end->in_len < HEADER_SZ || end->in_len < get32(end->in))
		if (!receive_some(end))
			return 0;
	n = get32(end->in);
	id = get32(end->in + 4);
	memmove(end->in, end->in + n, end->in_len - n);
	end->in_len -= n;
	return id;
}

static struct end *open_end(int fd, uint64_t seed)
{
	struct end *end = calloc(1, sizeof(*end));
	int on = 1;

	end->fd = fd;
	end->lot = seed;
	end->in_sz = (padding + 256) * (depth + 1);
	end->in = malloc(end->in_sz);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return end;
}

static void *serve(void *arg)
{
	struct end *end = open_end((int)(intptr_t)arg, (uint64_t)(intptr_t)arg);
	char *out = malloc(padding + 256);
	uint32_t id, answers = 0;

	while ((id = receive(end)))
		send_all(end, out, write_message(out, ++answers, id, draw(end, padding / 16 + 1)));
	close(end->fd);
	return NULL;
}

static void *ask(void *arg)
{
	struct end *end = open_end((int)(intptr_t)arg, 1000 + (uint64_t)(intptr_t)arg);
	char *out = malloc((size_t)(padding + 256) * depth);
	uint32_t id = 1;

	send_all(end, out, write_message(out, id, 0, 3));
	receive(end);
	pthread_barrier_wait(&opened);
	pthread_barrier_wait(&begun);
	for (unsigned int round = 0; round < rounds; round++) {
		size_t n = 0;

		for (unsigned int i = 0; i < depth; i++)
			n += write_message(out + n, ++id, 0, draw(end, padding + 1));
		send_all(end, out, n);
		for (unsigned int i = 0; i < depth; i++)
			if (!receive(end))
				fail("an answer is missing");
	}
	close(end->fd);
	return NULL;
}

int main(int argc, char **argv)
{
	struct sockaddr_in addr = {.sin_family = AF_INET,
				   .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
	int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;
	pthread_t askers[CONNECTIONS_MAX], servers[CONNECTIONS_MAX];
	char line[16];

	if (argc != 6) {
		fprintf(stderr, "usage: framed PORT CONNECTIONS ROUNDS DEPTH PADDING\n");
		return 2;
	}
	addr.sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10));
	connections = (unsigned int)strtoul(argv[2], NULL, 10);
	rounds = (unsigned int)strtoul(argv[3], NULL, 10);
	depth = (unsigned int)strtoul(argv[4], NULL, 10);
	padding = (unsigned int)strtoul(argv[5], NULL, 10);
	pthread_barrier_init(&opened, NULL, connections + 1);
	pthread_barrier_init(&begun, NULL, connections + 1);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (connections > CONNECTIONS_MAX || bind(listener, (void *)&addr, sizeof(addr)) ||
	    listen(listener, CONNECTIONS_MAX))
		fail("listen");
	for (unsigned int i = 0; i < connections; i++) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);

		if (connect(fd, (void *)&addr, sizeof(addr)))
			fail("connect");
		pthread_create(&servers[i], NULL, serve,
			       (void *)(intptr_t)accept(listener, NULL, NULL));
		pthread_create(&askers[i], NULL, ask, (void *)(intptr_t)fd);
	}
	pthread_barrier_wait(&opened);
	printf("open\n");
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		return 1;
	pthread_barrier_wait(&begun);
	for (unsigned int i = 0; i < connections; i++) {
		pthread_join(askers[i], NULL);
		pthread_join(servers[i], NULL);
	}
	printf("%u\n", connections * rounds * depth);
	return 0;
}

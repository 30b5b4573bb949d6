// SPDX-License-Identifier: Apache-2.0
/*
 * One thread and one event loop for clients, timers and calls, none of which blocks. Connections to
 * the backend are kept in a pool. Usage: c_loop epoll | poll | select | uring: it waits by epoll, by
 * poll(), by select() with sockets that would block, or has io_uring receive and send.
 */
#include "chain.h"

#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <sys/epoll.h>

#define BACKGROUND_MS 10
#define AFTER_MS 3
#define CONNS_MAX 1024

/* A connection; of a client with its request, or to the backend with whom it works for. */
struct conn {
	int fd;
	bool upstream;
	size_t sz;
	char text[HEAD_MAX], sent[CALL_MAX]; /* what was received, and sent last */
	struct work work;		     /* of the client's request */
	int next, pending;
	bool failed;
	struct conn *owner, *next_idle; /* of one to the backend */
};

/* Something to be done later: the calls of a client's request, /after/IDENT, or /background/K. */
struct timer {
	int64_t due_ns;
	struct conn *client;
	char path[128];
	struct timer *next;
};

/* How it waits, receives and sends. */
struct source {
	const char *name;
	void (*watch)(struct conn *conn);
	void (*send)(struct conn *conn, const char *text);
	void (*wait)(int ms);
	int recv_flags;
};

static struct conn *conns[CONNS_MAX]; /* by descriptor */
static struct conn *idle, *listener;
static struct timer *timers;
static const struct source *source;
static int epoll_fd = -1;
static struct io_uring ring;

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static struct conn *conn__new(int fd, bool upstream)
{
	struct conn *conn = calloc(1, sizeof(*conn));

	if (!conn || fd < 0 || fd >= CONNS_MAX)
		fail("a connection");
	conns[fd] = conn;
	conn->fd = fd;
	conn->upstream = upstream;
	source->watch(conn);
	return conn;
}

/* Once it is closed, its last event is over. */
static void conn_close(struct conn *conn)
{
	conns[conn->fd] = NULL;
	close(conn->fd);
	conn->fd = -1;
}

static struct timer *later(int ms, struct conn *client)
{
	struct timer *timer = calloc(1, sizeof(*timer)), **at = &timers;

	if (!timer)
		fail("a timer");
	timer->due_ns = now_ns() + ms * 1000000LL;
	timer->client = client;
	while (*at && (*at)->due_ns <= timer->due_ns)
		at = &(*at)->next;
	timer->next = *at;
	*at = timer;
	return timer;
}

static void call(struct conn *owner, const char *path)
{
	struct conn *upstream = idle;
	char text[CALL_MAX];

	if (upstream)
		idle = upstream->next_idle;
	else
		upstream = conn__new(connect_backend(), true);
	upstream->owner = owner;
	call_text(text, path);
	source->send(upstream, text);
}

/* Makes the next calls of a client's request, or answers it. */
static void work_on(struct conn *client)
{
	struct work *work = &client->work;
	char path[128];

	while (client->next < work->calls && (work->at_once || !client->pending)) {
		client->pending++;
		snprintf(path, sizeof(path), "/leaf/%s/%d", work->ident, client->next++);
		call(client, path);
	}
	if (client->pending)
		return;
	source->send(client, answer_text(client->failed));
	if (work->after) {
		struct timer *timer = later(AFTER_MS, NULL);

		snprintf(timer->path, sizeof(timer->path), "/after/%s", work->ident);
	}
}

static void begin_work(struct conn *client)
{
	if (!work_parse(&client->work, client->text)) {
		conn_close(client);
		return;
	}
	client->next = client->pending = 0;
	client->failed = false;
	if (client->work.wait_ms)
		later(client->work.wait_ms, client);
	else
		work_on(client);
}

static void end_call(struct conn *upstream)
{
	struct conn *client = upstream->owner;
	bool failed = response_failed(upstream->text);

	upstream->owner = NULL;
	if (response_last(upstream->text)) {
		conn_close(upstream);
	} else {
		upstream->next_idle = idle;
		idle = upstream;
	}
	if (!client)
		return;
	client->failed |= failed;
	client->pending--;
	work_on(client);
}

static void on_message(struct conn *conn)
{
	conn->sz = 0;
	if (conn->upstream)
		end_call(conn);
	else
		begin_work(conn);
}

/*
 * n bytes, or the end, or nothing were received. The backend closes none but after it has said so, so only
 * clients hang up here. Returns whether more may come.
 */
static bool take(struct conn *conn, ssize_t n)
{
	if (n == -EAGAIN || n == -EINTR)
		return true;
	if (n <= 0) {
		if (conn->upstream)
			fail("the backend hung up");
		conn_close(conn);
	} else {
		conn->text[conn->sz += (size_t)n] = '\0';
		if (message_sz(conn->text))
			on_message(conn);
	}
	if (conn->fd >= 0)
		return true;
	free(conn);
	return false;
}

static void run_timers(void)
{
	static int k;

	while (timers && timers->due_ns <= now_ns()) {
		struct timer *timer = timers;

		timers = timer->next;
		if (timer->client) {
			work_on(timer->client);
		} else if (timer->path[0]) {
			call(NULL, timer->path);
		} else {
			snprintf(timer->path, sizeof(timer->path), "/background/%d", k++);
			call(NULL, timer->path);
			later(BACKGROUND_MS, NULL);
		}
		free(timer);
	}
}

/* What is there is received: of sockets that do not block until there is nothing. */
static void on_readable(struct conn *conn)
{
	ssize_t n;

	if (conn == listener) {
		conn__new(accept(listener->fd, NULL, NULL), false);
		return;
	}
	do {
		n = recv(conn->fd, conn->text + conn->sz, HEAD_MAX - 1 - conn->sz,
			 source->recv_flags);
		n = n < 0 ? -errno : n;
	} while (take(conn, n) && n > 0 && source->recv_flags);
}

static void send_now(struct conn *conn, const char *text)
{
	send_text(conn->fd, text);
}

static void watch_epoll(struct conn *conn)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = conn->fd};

	if (epoll_fd < 0)
		epoll_fd = epoll_create1(0);
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, conn->fd, &event))
		fail("epoll_ctl");
}

static void wait_epoll(int ms)
{
	struct epoll_event events[64];
	int cnt = epoll_wait(epoll_fd, events, 64, ms);

	for (int i = 0; i < cnt; i++)
		on_readable(conns[events[i].data.fd]);
}

/* It looks at all connections each time. */
static void watch_none(struct conn *conn)
{
	(void)conn;
}

static void wait_poll(int ms)
{
	static struct pollfd fds[CONNS_MAX];

	for (int fd = 0; fd < CONNS_MAX; fd++)
		fds[fd] = (struct pollfd){.fd = conns[fd] ? fd : -1, .events = POLLIN};
	if (poll(fds, CONNS_MAX, ms) <= 0)
		return;
	for (int fd = 0; fd < CONNS_MAX; fd++)
		if (fds[fd].revents && conns[fd])
			on_readable(conns[fd]);
}

static void wait_select(int ms)
{
	struct timeval timeout = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
	fd_set readable;

	FD_ZERO(&readable);
	for (int fd = 0; fd < CONNS_MAX; fd++)
		if (conns[fd])
			FD_SET(fd, &readable);
	if (select(CONNS_MAX, &readable, NULL, NULL, &timeout) <= 0)
		return;
	for (int fd = 0; fd < CONNS_MAX; fd++)
		if (FD_ISSET(fd, &readable) && conns[fd])
			on_readable(conns[fd]);
}

/* To be submitted. The ring is made with the first. */
static struct io_uring_sqe *next_sqe(void)
{
	struct io_uring_sqe *sqe;

	if (!ring.ring_fd && io_uring_queue_init(4 * CONNS_MAX, &ring, 0))
		fail("io_uring_queue_init");
	sqe = io_uring_get_sqe(&ring);
	if (!sqe)
		fail("io_uring_get_sqe");
	return sqe;
}

static void watch_uring(struct conn *conn)
{
	struct io_uring_sqe *sqe = next_sqe();

	if (conn == listener || !listener)
		io_uring_prep_accept(sqe, conn->fd, NULL, NULL, 0);
	else
		io_uring_prep_recv(sqe, conn->fd, conn->text + conn->sz, HEAD_MAX - 1 - conn->sz,
				   0);
	io_uring_sqe_set_data(sqe, conn);
}

static void send_uring(struct conn *conn, const char *text)
{
	struct io_uring_sqe *sqe = next_sqe();

	snprintf(conn->sent, sizeof(conn->sent), "%s", text);
	io_uring_prep_send(sqe, conn->fd, conn->sent, strlen(conn->sent), MSG_NOSIGNAL);
	io_uring_sqe_set_data(sqe, NULL);
}

static void on_completed(struct conn *conn, int result)
{
	if (conn == listener)
		conn__new(result, false);
	else if (!take(conn, result))
		return;
	watch_uring(conn);
}

static void wait_uring(int ms)
{
	struct __kernel_timespec timeout = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
	struct io_uring_cqe *cqe;

	io_uring_submit_and_wait_timeout(&ring, &cqe, 1, &timeout, NULL);
	while (io_uring_peek_cqe(&ring, &cqe) == 0) {
		struct conn *conn = io_uring_cqe_get_data(cqe);
		int result = cqe->res;

		io_uring_cqe_seen(&ring, cqe);
		if (conn)
			on_completed(conn, result);
	}
}

static const struct source sources[] = {
	{"epoll", watch_epoll, send_now, wait_epoll, MSG_DONTWAIT},
	{"poll", watch_none, send_now, wait_poll, MSG_DONTWAIT},
	{"select", watch_none, send_now, wait_select, 0},
	{"uring", watch_uring, send_uring, wait_uring, 0},
};

int main(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++)
		if (argc == 2 && !strcmp(argv[1], sources[i].name))
			source = &sources[i];
	if (!source)
		fail("which source of events?");
	listener = conn__new(listen_here(), false);
	later(BACKGROUND_MS, NULL);
	for (;;) {
		int64_t wait_ns = timers->due_ns - now_ns();

		source->wait(wait_ns > 0 ? (int)(wait_ns / 1000000) + 1 : 0);
		run_timers();
	}
}

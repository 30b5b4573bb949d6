// SPDX-License-Identifier: Apache-2.0
/*
 * One thread and one event loop for clients, timers and calls, none of which blocks. Connections to
 * the backend are kept in a pool.
 */
#include "chain.h"

#include <errno.h>
#include <sys/epoll.h>

#define BACKGROUND_MS 10
#define AFTER_MS 3
#define CONNS_MAX 1024

/* A connection; of a client with its request, or to the backend with whom it works for. */
struct conn {
	int fd;
	bool upstream;
	size_t sz;
	char text[HEAD_MAX];
	struct work work; /* of the client's request */
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

static struct conn *conns[CONNS_MAX]; /* by descriptor */
static struct conn *idle;
static struct timer *timers;
static int epoll_fd;

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static struct conn *conn__new(int fd, bool upstream)
{
	struct conn *conn = calloc(1, sizeof(*conn));
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

	if (!conn || fd < 0 || fd >= CONNS_MAX)
		fail("a connection");
	conns[fd] = conn;
	conn->fd = fd;
	conn->upstream = upstream;
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event))
		fail("epoll_ctl");
	return conn;
}

static void conn__free(struct conn *conn)
{
	conns[conn->fd] = NULL;
	close(conn->fd);
	free(conn);
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

	if (upstream)
		idle = upstream->next_idle;
	else
		upstream = conn__new(connect_backend(), true);
	upstream->owner = owner;
	upstream->sz = 0;
	send_call(upstream->fd, path);
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
	send_answer(client->fd, client->failed);
	if (work->after) {
		struct timer *timer = later(AFTER_MS, NULL);

		snprintf(timer->path, sizeof(timer->path), "/after/%s", work->ident);
	}
	client->sz = 0;
}

static void begin_work(struct conn *client)
{
	if (!work_parse(&client->work, client->text)) {
		conn__free(client);
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
		conn__free(upstream);
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

/* The backend closes none but after it has said so, so only clients hang up here. */
static void on_readable(struct conn *conn)
{
	ssize_t n = recv(conn->fd, conn->text + conn->sz, HEAD_MAX - 1 - conn->sz, MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		if (conn->upstream)
			fail("the backend hung up");
		conn__free(conn);
		return;
	}
	conn->text[conn->sz += (size_t)n] = '\0';
	if (!message_sz(conn->text))
		return;
	if (conn->upstream)
		end_call(conn);
	else
		begin_work(conn);
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

int main(void)
{
	struct epoll_event events[64];
	struct conn *listener;

	epoll_fd = epoll_create1(0);
	listener = conn__new(listen_here(), false);
	later(BACKGROUND_MS, NULL);
	for (;;) {
		int64_t wait_ns = timers->due_ns - now_ns();
		int cnt = epoll_wait(epoll_fd, events, 64,
				     wait_ns > 0 ? (int)(wait_ns / 1000000) + 1 : 0);

		for (int i = 0; i < cnt; i++) {
			struct conn *conn = conns[events[i].data.fd];

			if (conn == listener)
				conn__new(accept(conn->fd, NULL, NULL), false);
			else
				on_readable(conn);
		}
		run_timers();
	}
}

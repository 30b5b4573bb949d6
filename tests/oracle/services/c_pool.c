// SPDX-License-Identifier: Apache-2.0
/*
 * One thread waits for connections that are readable and queues them; each of WORKERS threads takes
 * one, reads its request itself, makes the calls and answers, and never waits but in these. With
 * `c_pool threads`, each connection has a thread of its own. All share a pool of connections to the
 * backend.
 */
#include "chain.h"

#include <pthread.h>
#include <sys/epoll.h>

#define WORKERS 16
#define CONNS_MAX 1024

struct stack {
	int fds[CONNS_MAX];
	int cnt;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t queued = PTHREAD_COND_INITIALIZER;
static struct stack readable, idle;
static int epoll_fd;

static void push(struct stack *stack, int fd)
{
	pthread_mutex_lock(&mutex);
	if (stack->cnt < CONNS_MAX)
		stack->fds[stack->cnt++] = fd;
	else
		close(fd);
	pthread_mutex_unlock(&mutex);
}

static int take_readable(void)
{
	int fd;

	pthread_mutex_lock(&mutex);
	while (!readable.cnt)
		pthread_cond_wait(&queued, &mutex);
	fd = readable.fds[0];
	memmove(readable.fds, readable.fds + 1, (size_t)--readable.cnt * sizeof(fd));
	pthread_mutex_unlock(&mutex);
	return fd;
}

static int take_idle(void)
{
	int fd = -1;

	pthread_mutex_lock(&mutex);
	if (idle.cnt)
		fd = idle.fds[--idle.cnt];
	pthread_mutex_unlock(&mutex);
	return fd >= 0 ? fd : connect_backend();
}

static int call_begin(const char *path)
{
	int fd = take_idle();

	send_call(fd, path);
	return fd;
}

/* Returns whether the call failed. */
static bool call_end(int fd)
{
	char response[HEAD_MAX];

	if (!recv_message(fd, response) || response_last(response))
		close(fd);
	else
		push(&idle, fd);
	return response_failed(response);
}

static bool call(const char *path)
{
	return call_end(call_begin(path));
}

static bool call_leaves(const struct work *work)
{
	char path[128];
	int fds[CALLS_MAX] = {0};
	bool failed = false;

	for (int k = 0; k < work->calls; k++) {
		snprintf(path, sizeof(path), "/leaf/%s/%d", work->ident, k);
		if (work->at_once)
			fds[k] = call_begin(path);
		else
			failed |= call(path);
	}
	for (int k = 0; work->at_once && k < work->calls; k++)
		failed |= call_end(fds[k]);
	return failed;
}

/* Serves one request. Returns whether there may be another. */
static bool serve(int fd)
{
	char request[HEAD_MAX], path[128];
	struct work work;

	if (!recv_message(fd, request) || !work_parse(&work, request))
		return false;
	sleep_ms(work.wait_ms);
	send_answer(fd, call_leaves(&work));
	if (work.after) {
		snprintf(path, sizeof(path), "/after/%s", work.ident);
		call(path);
	}
	return true;
}

static void watch(int op, int fd)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data.fd = fd};

	if (epoll_ctl(epoll_fd, op, fd, &event))
		fail("epoll_ctl");
}

static void *run_worker(void *unused)
{
	(void)unused;
	for (;;) {
		int fd = take_readable();

		if (serve(fd))
			watch(EPOLL_CTL_MOD, fd);
		else
			close(fd);
	}
	return NULL;
}

static void *run_connection(void *argument)
{
	int fd = (int)(intptr_t)argument;

	while (serve(fd))
		;
	close(fd);
	return NULL;
}

static void *run_background(void *unused)
{
	char path[64];

	(void)unused;
	for (int k = 0;; k++) {
		snprintf(path, sizeof(path), "/background/%d", k);
		call(path);
		sleep_ms(10);
	}
	return NULL;
}

static void start(void *(*run)(void *), int fd)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, run, (void *)(intptr_t)fd) || pthread_detach(thread))
		fail("pthread_create");
}

static void run_threads(int listener)
{
	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd < 0)
			fail("accept");
		start(run_connection, fd);
	}
}

static void run_pool(int listener)
{
	struct epoll_event events[64];

	epoll_fd = epoll_create1(0);
	for (int i = 0; i < WORKERS; i++)
		start(run_worker, -1);
	watch(EPOLL_CTL_ADD, listener);
	for (;;) {
		int cnt = epoll_wait(epoll_fd, events, 64, -1);

		for (int i = 0; i < cnt; i++) {
			if (events[i].data.fd == listener) {
				watch(EPOLL_CTL_ADD, accept(listener, NULL, NULL));
				watch(EPOLL_CTL_MOD, listener);
				continue;
			}
			push(&readable, events[i].data.fd);
			pthread_cond_signal(&queued);
		}
	}
}

int main(int argc, char **argv)
{
	int listener = listen_here();

	start(run_background, -1);
	if (argc > 1 && !strcmp(argv[1], "threads"))
		run_threads(listener);
	run_pool(listener);
}

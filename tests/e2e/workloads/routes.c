// SPDX-License-Identifier: Apache-2.0
/*
 * An HTTP server with a thread for each connection: /red and /green burn CPU time, each in a
 * function of its own. With "poll" as its argument, its sockets do not block, and each thread waits by poll() for
 * its own, as those of Python with a time-out do. With "pool" another thread serves, and it may be asked
 * for both at once: then nobody can tell from outside for whom the receiving thread works.
 * From SIGUSR1 on /green burns more, in burn_more().
 * Build with -fno-omit-frame-pointer -pthread.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef BURN_NS
#define BURN_NS 12000000u
#endif
#define BURN_MORE_NS 40000000u

static volatile unsigned long sink;

static unsigned long long cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (unsigned long long)t.tv_sec * 1000000000u + (unsigned long long)t.tv_nsec;
}

static inline __attribute__((always_inline)) void burn(unsigned int ns)
{
	unsigned long long end = cpu_ns() + ns;

	while (cpu_ns() < end)
		for (unsigned int i = 0; i < 50000; i++)
			sink += i;
}

static volatile sig_atomic_t more;

static void begin_more(int signal)
{
	more = signal;
}

static __attribute__((noinline)) void burn_more(void)
{
	burn(BURN_MORE_NS);
	sink += 3;
}

static __attribute__((noinline)) void serve_red(void)
{
	burn(BURN_NS);
	sink++;
}

static __attribute__((noinline)) void serve_green(void)
{
	burn(BURN_NS);
	if (more)
		burn_more();
	sink += 2;
}

static bool send_all(int fd, const char *text)
{
	return send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text);
}

static bool answer(int fd, const char *request)
{
	static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

	if (strncmp(request, "GET /red ", 9) == 0)
		serve_red();
	else if (strncmp(request, "GET /green ", 11) == 0)
		serve_green();
	return send_all(fd, ok);
}

static bool polls;

static bool wait_for(int fd)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

	return poll(&poll_fd, 1, 10000) == 1;
}

/* One request after the other, none while another is outstanding. */
static void *serve(void *arg)
{
	int fd = (int)(long)arg;
	char request[4096];
	size_t n = 0;
	ssize_t got;

	while (!polls || wait_for(fd)) {
		got = recv(fd, request + n, sizeof(request) - 1 - n, 0);
		if (got <= 0)
			break;
		n += (size_t)got;
		request[n] = 0;
		if (!strstr(request, "\r\n\r\n"))
			continue;
		n = 0;
		if (!answer(fd, request))
			break;
	}
	close(fd);
	return NULL;
}

/* --- a pool: one thread receives, two work and answer ----------------------------------------- */

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int fds[64];
	char requests[64][64];
	unsigned int first, cnt;
} jobs = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void *work(void *arg)
{
	for (;;) {
		char request[64];
		unsigned int at;
		int fd;

		pthread_mutex_lock(&jobs.lock);
		while (!jobs.cnt)
			pthread_cond_wait(&jobs.changed, &jobs.lock);
		at = jobs.first++ % 64;
		jobs.cnt--;
		fd = jobs.fds[at];
		memcpy(request, jobs.requests[at], sizeof(request));
		pthread_mutex_unlock(&jobs.lock);
		answer(fd, request);
	}
	return arg;
}

static void enqueue(int fd, const char *request)
{
	unsigned int at;

	pthread_mutex_lock(&jobs.lock);
	at = (jobs.first + jobs.cnt++) % 64;
	jobs.fds[at] = fd;
	memcpy(jobs.requests[at], request, sizeof(jobs.requests[at]) - 1);
	pthread_cond_signal(&jobs.changed);
	pthread_mutex_unlock(&jobs.lock);
}

/* Receives for all connections. What it burns itself belongs to no request. */
static void *receive(void *arg)
{
	static int fds[64];
	int listener = (int)(long)arg, cnt = 0;

	for (;;) {
		fd_set set;
		int max = listener;

		FD_ZERO(&set);
		FD_SET(listener, &set);
		for (int i = 0; i < cnt; i++) {
			FD_SET(fds[i], &set);
			max = fds[i] > max ? fds[i] : max;
		}
		if (select(max + 1, &set, NULL, NULL, NULL) < 0)
			return NULL;
		if (FD_ISSET(listener, &set) && cnt < 64)
			fds[cnt++] = accept(listener, NULL, NULL);
		for (int i = 0; i < cnt; i++) {
			char request[4096];
			ssize_t got = 1;

			if (FD_ISSET(fds[i], &set))
				got = recv(fds[i], request, sizeof(request) - 1, 0);
			else
				continue;
			if (got <= 0) {
				close(fds[i]);
				fds[i--] = fds[--cnt];
				continue;
			}
			request[got] = 0;
			enqueue(fds[i], request);
			burn(BURN_NS);
		}
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t len = sizeof(at);
	pthread_t thread;

	signal(SIGUSR1, begin_more);
	if (bind(listener, (struct sockaddr *)&at, len) || listen(listener, 64) ||
	    getsockname(listener, (struct sockaddr *)&at, &len))
		return 1;
	printf("listening %d\n", ntohs(at.sin_port));
	fflush(stdout);
	if (argc > 1 && strcmp(argv[1], "pool") == 0) {
		pthread_create(&thread, NULL, work, NULL);
		pthread_create(&thread, NULL, work, NULL);
		receive((void *)(long)listener);
		return 1;
	}
	polls = argc > 1 && strcmp(argv[1], "poll") == 0;
	for (;;) {
		long fd = accept4(listener, NULL, NULL, polls ? SOCK_NONBLOCK : 0);

		if (fd >= 0 && pthread_create(&thread, NULL, serve, (void *)fd) == 0)
			pthread_detach(thread);
	}
}

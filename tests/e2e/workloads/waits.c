// SPDX-License-Identifier: Apache-2.0
/*
 * `waits SECONDS` has a thread wait for a mutex that another holds while it burns CPU time, sleep, and read from a
 * pipe and a socket, in a function for each, for times that are never the same. It prints for how many nanoseconds
 * it really waited in each; then of each thread how long it lived, and for how much of that it had a CPU. Build
 * without frame pointers.
 */
#define _GNU_SOURCE /* pthread_setname_np */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

typedef unsigned long long ns_t;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int asked[2], pipes[2], sockets[2];
static ns_t end;
static volatile unsigned long sink;
static ns_t locked, slept, piped, received;

static ns_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (ns_t)t.tv_sec * 1000000000u + (ns_t)t.tv_nsec;
}

static ns_t some_ms(unsigned int *seed, unsigned int most)
{
	return 1000000u + (unsigned int)rand_r(seed) % (most * 1000000u);
}

static void rest(ns_t ns)
{
	nanosleep(&(struct timespec){.tv_nsec = (long)ns}, NULL);
}

static __attribute__((noinline)) void burn(ns_t ns)
{
	ns_t begin = clock_ns(CLOCK_THREAD_CPUTIME_ID);

	do
		for (int i = 0; i < 5000; i++)
			sink++;
	while (clock_ns(CLOCK_THREAD_CPUTIME_ID) < begin + ns);
	sink++;
}

static __attribute__((noinline)) void wait_lock(void)
{
	pthread_mutex_lock(&lock);
	sink++;
	pthread_mutex_unlock(&lock);
	sink++;
}

static __attribute__((noinline)) void wait_sleep(ns_t ns)
{
	rest(ns);
	sink++;
}

static __attribute__((noinline)) void wait_pipe(void)
{
	char byte;

	sink += (unsigned long)write(asked[1], "p", 1);
	sink += (unsigned long)read(pipes[0], &byte, 1);
}

static __attribute__((noinline)) void wait_socket(void)
{
	char byte;

	sink += (unsigned long)write(asked[1], "s", 1);
	sink += (unsigned long)recv(sockets[0], &byte, 1, 0);
}

static ns_t since(ns_t *at)
{
	ns_t now = clock_ns(CLOCK_MONOTONIC), ns = now - *at;

	*at = now;
	return ns;
}

static __attribute__((noinline)) void run_mixed(void)
{
	ns_t at = clock_ns(CLOCK_MONOTONIC);
	unsigned int seed = 1;

	while (at < end) {
		wait_lock();
		locked += since(&at);
		wait_sleep(some_ms(&seed, 20));
		slept += since(&at);
		wait_pipe();
		piped += since(&at);
		wait_socket();
		received += since(&at);
	}
	close(asked[1]);
}

static __attribute__((noinline)) void run_burner(void)
{
	unsigned int seed = 2;

	while (clock_ns(CLOCK_MONOTONIC) < end) {
		pthread_mutex_lock(&lock);
		burn(some_ms(&seed, 30));
		pthread_mutex_unlock(&lock);
		burn(some_ms(&seed, 3));
	}
}

/* Writes what mixed has asked for, after some time. */
static __attribute__((noinline)) void run_feeder(void)
{
	unsigned int seed = 3;
	char what;

	while (read(asked[0], &what, 1) == 1) {
		rest(some_ms(&seed, what == 'p' ? 40 : 10));
		sink += (unsigned long)write(what == 'p' ? pipes[1] : sockets[1], "x", 1);
	}
}

struct worker {
	const char *name;
	void (*run)(void);
	ns_t lived, ran;
	pthread_t thread;
};

static void *begin(void *arg)
{
	struct worker *w = arg;
	ns_t at = clock_ns(CLOCK_MONOTONIC);

	pthread_setname_np(pthread_self(), w->name);
	w->run();
	w->ran = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	w->lived = since(&at);
	return NULL;
}

int main(int argc, char **argv)
{
	struct worker workers[] = {
		{.name = "mixed", .run = run_mixed},
		{.name = "burner", .run = run_burner},
		{.name = "feeder", .run = run_feeder},
	};

	if (argc < 2 || pipe(asked) || pipe(pipes) || socketpair(AF_UNIX, SOCK_STREAM, 0, sockets))
		return 1;
	end = clock_ns(CLOCK_MONOTONIC) + (ns_t)(strtod(argv[1], NULL) * 1e9);
	for (int i = 0; i < 3; i++)
		pthread_create(&workers[i].thread, NULL, begin, &workers[i]);
	for (int i = 0; i < 3; i++)
		pthread_join(workers[i].thread, NULL);
	printf("%llu %llu %llu %llu\n", locked, slept, piped, received);
	for (int i = 0; i < 3; i++)
		printf("%s %llu %llu\n", workers[i].name, workers[i].lived, workers[i].ran);
	return 0;
}

// SPDX-License-Identifier: Apache-2.0
/*
 * A thread for each connection, and one connection to the backend for all, as of many clients of caches
 * and databases: calls are queued, and who finds nobody sending sends all that is queued, its own calls
 * and others'. One thread receives the answers, which come in the order of the calls.
 */
#include "chain.h"

#include <pthread.h>

#define BATCH_MAX 65536
#define WAITING_MAX 1024

struct call {
	bool done, failed;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t answered = PTHREAD_COND_INITIALIZER;
static char batch[BATCH_MAX];
static size_t batch_sz;
static bool sending;
static struct call *waiting[WAITING_MAX];
static unsigned int first, behind;
static int upstream;
static pthread_once_t begun = PTHREAD_ONCE_INIT;

static void send_batch(void)
{
	static char text[BATCH_MAX];

	if (sending)
		return;
	sending = true;
	while (batch_sz) {
		memcpy(text, batch, batch_sz + 1);
		batch_sz = 0;
		pthread_mutex_unlock(&mutex);
		send_text(upstream, text);
		pthread_mutex_lock(&mutex);
	}
	sending = false;
}

static void queue(struct call *call, const char *path)
{
	batch_sz += (size_t)snprintf(batch + batch_sz, BATCH_MAX - batch_sz,
				     "GET %s HTTP/1.1\r\nHost: backend\r\nPipelined: yes\r\n\r\n",
				     path);
	if (batch_sz >= BATCH_MAX || behind - first >= WAITING_MAX)
		fail("more calls than there is room for");
	*call = (struct call){0};
	waiting[behind++ % WAITING_MAX] = call;
}

static bool wait_answers(const struct call *calls, int cnt)
{
	bool failed = false;

	for (int k = 0; k < cnt; k++) {
		while (!calls[k].done)
			pthread_cond_wait(&answered, &mutex);
		failed |= calls[k].failed;
	}
	return failed;
}

/* Makes calls /VERB/IDENT/K for K from first to last, at once. Returns whether one failed. */
static bool call_all(const char *verb, const char *ident, int from, int last)
{
	struct call calls[CALLS_MAX] = {0};
	char path[128];
	bool failed;

	pthread_mutex_lock(&mutex);
	for (int k = from; k <= last; k++) {
		snprintf(path, sizeof(path), "/%s/%s/%d", verb, ident, k);
		queue(&calls[k - from], path);
	}
	send_batch();
	failed = wait_answers(calls, last + 1 - from);
	pthread_mutex_unlock(&mutex);
	return failed;
}

static void *run_receiver(void *unused)
{
	char text[HEAD_MAX] = "";
	size_t sz = 0, message;
	ssize_t n;

	(void)unused;
	while ((n = recv(upstream, text + sz, HEAD_MAX - 1 - sz, 0)) > 0) {
		text[sz += (size_t)n] = '\0';
		pthread_mutex_lock(&mutex);
		while ((message = message_sz(text))) {
			struct call *call = waiting[first++ % WAITING_MAX];

			call->failed = response_failed(text);
			call->done = true;
			sz -= message;
			memmove(text, text + message, sz + 1);
		}
		pthread_cond_broadcast(&answered);
		pthread_mutex_unlock(&mutex);
	}
	fail("the backend hung up");
	return NULL;
}

static void *run_background(void *unused)
{
	(void)unused;
	for (int k = 0;; k++) {
		call_all("background", "k", k, k);
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

/* With the first request. */
static void begin(void)
{
	upstream = connect_backend();
	start(run_receiver, -1);
	start(run_background, -1);
}

static bool serve(int fd)
{
	char request[HEAD_MAX];
	struct work work;
	bool failed = false;

	if (!recv_message(fd, request) || !work_parse(&work, request))
		return false;
	pthread_once(&begun, begin);
	sleep_ms(work.wait_ms);
	if (work.at_once)
		failed = call_all("leaf", work.ident, 0, work.calls - 1);
	for (int k = 0; !work.at_once && k < work.calls; k++)
		failed |= call_all("leaf", work.ident, k, k);
	send_answer(fd, failed);
	if (work.after)
		call_all("after", work.ident, 0, 0);
	return true;
}

static void *run_connection(void *argument)
{
	int fd = (int)(intptr_t)argument;

	while (serve(fd))
		;
	close(fd);
	return NULL;
}

int main(void)
{
	int listener = listen_here();

	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd < 0)
			fail("accept");
		start(run_connection, fd);
	}
}

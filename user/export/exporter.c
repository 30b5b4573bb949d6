// SPDX-License-Identifier: Apache-2.0
/*
 * The export thread and its queue. Who pushes owns a batch until exporter__push, the queue (under
 * the lock) until the thread takes it, the thread until it recycles it. Batches are numbered in
 * the order of their pushes by three counters: pushed >= taken >= done.
 */
#include "user/export/exporter.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "user/base/account.h"
#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/export/json_file.h"
#include "user/export/otlp_encode.h"
#include "user/export/otlp_sender.h"

#define NS_PER_MS 1000000ull

struct exporter {
	struct exporter_options options; /* its strings are not valid after exporter__new */

	/* sinks: of the thread alone, except for abort */
	struct otlp_sender *sender; /* NULL: none */
	struct json_file *file;	    /* NULL: none */
	struct pb_writer discarded;
	struct span_groups groups;
	const struct span **spans; /* those of one take */
	char *version;

	pthread_t thread;
	bool started;

	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t work;  /* something to do for the thread */
	pthread_cond_t delivered;
	struct span_batch *head, **tail;
	uint64_t pushed, taken, done;		/* batches */
	uint64_t flush_to;			/* batches up to this number go without delay */
	uint64_t due_ns;			/* when the oldest that waits must go */
	size_t waiting_spans, spans_cnt, bytes; /* the latter two with those being sent */
	bool stopping, finished;
	struct log_limit full_limit;
};

void exporter_options__init(struct exporter_options *o)
{
	*o = (struct exporter_options){
		.version = "unknown",
		.gzip_level = 1,
		.timeout_ms = 10000,
		.retry_first_ms = 1000,
		.retry_longest_ms = 30000,
		.retry_give_up_ms = 300000,
		.queue_max_spans = 65536,
		.queue_max_bytes = 64u * 1024 * 1024,
		.batch_max_spans = 8192,
		.schedule_delay_ms = 1000,
	};
}

static size_t batch_bytes(const struct span_batch *b)
{
	return sizeof(*b) + b->arena.used_sz;
}

static void recycle(struct exporter *e, struct span_batch *b)
{
	if (e->options.recycle)
		e->options.recycle(e->options.ctx, b);
	else
		span_batch__free(b);
}

static struct timespec to_timespec(uint64_t ns)
{
	return (struct timespec){
		.tv_sec = (time_t)(ns / 1000000000u),
		.tv_nsec = (long)(ns % 1000000000u),
	};
}

static void discard(struct exporter *e, const struct span *const *spans, uint32_t cnt)
{
	int err;

	span_groups__set(&e->groups, spans, cnt);
	err = otlp_encode(&e->discarded, &e->groups, e->version);
	account_add(err ? ACCOUNT_FAILED : ACCOUNT_WRITTEN, cnt);
}

/* Through every sink, in requests of at most batch_max_spans. */
static void deliver(struct exporter *e, const struct span_batch *chain)
{
	uint32_t cnt = 0, n;

	for (; chain; chain = chain->next)
		for (uint32_t i = 0; i < chain->cnt; i++)
			e->spans[cnt++] = &chain->spans[i];
	for (uint32_t at = 0; at < cnt; at += n) {
		n = cnt - at < e->options.batch_max_spans ? cnt - at : e->options.batch_max_spans;
		if (e->file)
			json_file__write(e->file, &e->groups, e->spans + at, n);
		if (e->sender)
			otlp_sender__send(e->sender, &e->groups, e->spans + at, n);
		if (e->options.discard)
			discard(e, e->spans + at, n);
	}
}

static bool is_due(const struct exporter *e)
{
	return e->head &&
	       (e->stopping || e->taken < e->flush_to ||
		e->waiting_spans >= e->options.batch_max_spans || clock_mono_ns() >= e->due_ns);
}

/* As many batches as fit one request, at least one. */
static struct span_batch *take(struct exporter *e)
{
	struct span_batch *chain = e->head, *last = chain;
	size_t cnt = chain->cnt;

	e->taken++;
	while (last->next && cnt + last->next->cnt <= e->options.batch_max_spans) {
		last = last->next;
		cnt += last->cnt;
		e->taken++;
	}
	e->head = last->next;
	if (!e->head)
		e->tail = &e->head;
	last->next = NULL;
	e->waiting_spans -= cnt;
	return chain;
}

/* Gives the batches back; how many they were. */
static uint64_t release(struct exporter *e, struct span_batch *chain, size_t *spans, size_t *bytes)
{
	uint64_t cnt = 0;

	*spans = *bytes = 0;
	while (chain) {
		struct span_batch *next = chain->next;

		*spans += chain->cnt;
		*bytes += batch_bytes(chain);
		recycle(e, chain);
		chain = next;
		cnt++;
	}
	return cnt;
}

/* Waits for something to deliver; NULL: stopped and nothing is left. */
static struct span_batch *next_chain(struct exporter *e)
{
	while (!is_due(e)) {
		struct timespec due = to_timespec(e->due_ns);

		if (!e->head && e->stopping)
			return NULL;
		if (e->head)
			pthread_cond_timedwait(&e->work, &e->lock, &due);
		else
			pthread_cond_wait(&e->work, &e->lock);
	}
	return take(e);
}

static void *run(void *arg)
{
	struct exporter *e = arg;
	struct span_batch *chain;

	pthread_mutex_lock(&e->lock);
	while ((chain = next_chain(e))) {
		size_t spans, bytes;
		uint64_t cnt;

		pthread_mutex_unlock(&e->lock);
		deliver(e, chain);
		cnt = release(e, chain, &spans, &bytes);
		pthread_mutex_lock(&e->lock);
		e->done += cnt;
		e->spans_cnt -= spans;
		e->bytes -= bytes;
		pthread_cond_broadcast(&e->delivered);
	}
	e->finished = true;
	pthread_cond_broadcast(&e->delivered);
	pthread_mutex_unlock(&e->lock);
	return NULL;
}

static void init_lock(struct exporter *e)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&e->lock, NULL);
	pthread_cond_init(&e->work, &attr);
	pthread_cond_init(&e->delivered, &attr);
	pthread_condattr_destroy(&attr);
}

static int open_sinks(struct exporter *e, const struct exporter_options *o)
{
	bool with_endpoint = o->endpoint && !o->disabled;
	uint32_t spans_max =
		o->batch_max_spans > SPAN_BATCH_MAX ? o->batch_max_spans : SPAN_BATCH_MAX;

	if (!with_endpoint && !o->json_path && !o->discard) {
		log_error("nowhere to export to: give an endpoint or a file");
		return -EINVAL;
	}
	e->version = strdup(o->version);
	e->spans = calloc(spans_max, sizeof(*e->spans));
	if (!e->version || !e->spans || span_groups__init(&e->groups, spans_max))
		return -ENOMEM;
	if (o->json_path && !(e->file = json_file__new(o->json_path, o->version)))
		return -errno;
	if (with_endpoint && !(e->sender = otlp_sender__new(o)))
		return -errno;
	return 0;
}

/* The thread takes no signals: they are the main thread's, and a broken pipe is an error code. */
static int start(struct exporter *e)
{
	sigset_t all, old;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&e->thread, NULL, run, e);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	e->started = !err;
	if (!err)
		pthread_setname_np(e->thread, "sonde-export");
	return -err;
}

struct exporter *exporter__new(const struct exporter_options *options)
{
	struct exporter *e = calloc(1, sizeof(*e));
	int err;

	if (!e)
		return NULL;
	init_lock(e);
	e->options = *options;
	if (!e->options.batch_max_spans)
		e->options.batch_max_spans = 1;
	e->tail = &e->head;
	pb_writer__init(&e->discarded, OTLP_REQUEST_MAX_SZ);
	err = open_sinks(e, options);
	err = err ?: start(e);
	if (!err)
		return e;
	exporter__free(e);
	errno = -err;
	return NULL;
}

/* One batch is always let in, however small the bounds. */
static bool has_room(const struct exporter *e, const struct span_batch *b)
{
	return e->spans_cnt == 0 || (e->spans_cnt + b->cnt <= e->options.queue_max_spans &&
				     e->bytes + batch_bytes(b) <= e->options.queue_max_bytes);
}

static void enqueue(struct exporter *e, struct span_batch *b)
{
	if (!e->head)
		e->due_ns = clock_mono_ns() + e->options.schedule_delay_ms * NS_PER_MS;
	b->next = NULL;
	*e->tail = b;
	e->tail = &b->next;
	e->pushed++;
	e->waiting_spans += b->cnt;
	e->spans_cnt += b->cnt;
	e->bytes += batch_bytes(b);
}

void exporter__push(struct exporter *e, struct span_batch *b)
{
	bool stopping, accepted, say = false;
	unsigned long missed;

	if (!b->cnt) {
		recycle(e, b);
		return;
	}
	pthread_mutex_lock(&e->lock);
	stopping = e->stopping;
	accepted = !stopping && has_room(e, b);
	if (accepted) {
		enqueue(e, b);
		pthread_cond_signal(&e->work);
	} else if (!stopping) {
		say = log_limit_pass(&e->full_limit, &missed);
	}
	pthread_mutex_unlock(&e->lock);
	if (accepted)
		return;
	if (say)
		log_warn("export queue full: %u spans dropped; the endpoint is too slow or away",
			 b->cnt);
	account_add(stopping ? ACCOUNT_FAILED : ACCOUNT_LOST_QUEUE, b->cnt);
	recycle(e, b);
}

int exporter__flush(struct exporter *e, unsigned int timeout_ms)
{
	struct timespec deadline = to_timespec(clock_mono_ns() + timeout_ms * NS_PER_MS);
	uint64_t target;
	int err = 0;

	pthread_mutex_lock(&e->lock);
	target = e->flush_to = e->pushed;
	pthread_cond_signal(&e->work);
	while (e->done < target && !err)
		err = pthread_cond_timedwait(&e->delivered, &e->lock, &deadline);
	err = e->done < target ? -ETIMEDOUT : 0;
	pthread_mutex_unlock(&e->lock);
	return err;
}

void exporter__stop(struct exporter *e, unsigned int deadline_ms)
{
	struct timespec deadline = to_timespec(clock_mono_ns() + deadline_ms * NS_PER_MS);
	bool finished;
	int err = 0;

	if (!e->started)
		return;
	pthread_mutex_lock(&e->lock);
	e->stopping = true;
	pthread_cond_signal(&e->work);
	while (!e->finished && !err)
		err = pthread_cond_timedwait(&e->delivered, &e->lock, &deadline);
	finished = e->finished;
	pthread_mutex_unlock(&e->lock);
	if (!finished && e->sender)
		otlp_sender__abort(e->sender);
	pthread_join(e->thread, NULL);
	e->started = false;
}

void exporter__free(struct exporter *e)
{
	if (!e)
		return;
	exporter__stop(e, 0);
	otlp_sender__free(e->sender);
	json_file__free(e->file);
	pb_writer__free(&e->discarded);
	span_groups__free(&e->groups);
	pthread_cond_destroy(&e->work);
	pthread_cond_destroy(&e->delivered);
	pthread_mutex_destroy(&e->lock);
	free(e->spans);
	free(e->version);
	free(e);
}

// SPDX-License-Identifier: Apache-2.0
/*
 * The export thread and its queue. Spans are encoded where they are pushed, while they are in that
 * core's cache, into parcels: half the size of the spans, and the batch is free at once. Who pushes
 * owns a parcel until it is queued, the queue (under the lock) until the thread takes it, then the
 * thread. Parcels are numbered in the order of their pushes: pushed >= taken >= done.
 */
#include "user/export/exporter.h"

#include <errno.h>
#include <stdlib.h>

#include "user/base/account.h"
#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/base/thread.h"
#include "user/export/json_file.h"
#include "user/export/otlp_encode.h"
#include "user/export/otlp_json.h"
#include "user/export/otlp_sender.h"

#define NS_PER_MS 1000000ull
/* In a parcel; few, because what a receiver finds too large is split between parcels only. */
#define PARCEL_SPANS_MAX 64

struct parcels {
	struct parcel *first, *last;
	uint64_t cnt;
	size_t spans_cnt, bytes;
};

enum answer {
	ADMITTED,
	QUEUE_FULL,
	STOPPED,
};

struct exporter {
	struct exporter_options options; /* its strings are not valid after exporter__new */

	/* sinks: of the thread alone, except for abort */
	struct otlp_sender *sender; /* NULL: none */
	struct json_file *file;	    /* NULL: none */

	pthread_mutex_t encoding; /* guards the encoders: who pushes holds it */
	struct span_groups groups;
	struct pb_writer request;
	struct json_writer line;
	struct log_limit encode_limit;
	char *version;

	pthread_t thread;
	bool started;

	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t work;  /* something to do for the thread */
	pthread_cond_t delivered;
	struct parcels waiting, sending;
	uint64_t pushed, taken, done; /* parcels */
	uint64_t flush_to;	      /* parcels up to this number go without delay */
	uint64_t due_ns;	      /* when the oldest that waits must go */
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
		.queue_max_spans = 16384,
		.queue_max_bytes = 16u * 1024 * 1024,
		.batch_max_spans = 8192,
		.schedule_delay_ms = 1000,
	};
}

static void append(struct parcels *list, struct parcel *p)
{
	if (list->last)
		list->last->next = p;
	else
		list->first = p;
	list->last = p;
	list->cnt++;
	list->spans_cnt += p->spans_cnt;
	list->bytes += sizeof(*p) + p->request.n + p->line.n;
}

static struct parcel *take_first(struct parcels *list)
{
	struct parcel *p = list->first;

	list->first = p->next;
	if (!p->next)
		list->last = NULL;
	p->next = NULL;
	list->cnt--;
	list->spans_cnt -= p->spans_cnt;
	list->bytes -= sizeof(*p) + p->request.n + p->line.n;
	return p;
}

static void free_all(struct parcels *list)
{
	while (list->first)
		free(take_first(list));
}

static void recycle(struct exporter *e, struct span_batch *b)
{
	if (e->options.recycle)
		e->options.recycle(e->options.ctx, b);
	else
		span_batch__free(b);
}

/* Enough for a request, or so much that the queue might be full before the delay is over. */
static bool is_plenty(const struct exporter *e)
{
	const struct exporter_options *o = &e->options;

	return e->waiting.spans_cnt >= o->batch_max_spans ||
	       e->waiting.spans_cnt > o->queue_max_spans / 2 ||
	       e->waiting.bytes > o->queue_max_bytes / 2;
}

static bool is_due(const struct exporter *e)
{
	return e->waiting.cnt && (e->stopping || e->taken < e->flush_to || is_plenty(e) ||
				  clock_mono_ns() >= e->due_ns);
}

/* As many parcels as fit one request, at least one, from waiting to sending. */
static void take(struct exporter *e)
{
	struct parcels *to = &e->sending;
	size_t request_sz = 0;

	do {
		struct parcel *p = take_first(&e->waiting);

		request_sz += p->request.n;
		append(to, p);
		e->taken++;
	} while (e->waiting.first &&
		 to->spans_cnt + e->waiting.first->spans_cnt <= e->options.batch_max_spans &&
		 request_sz + e->waiting.first->request.n <= OTLP_REQUEST_MAX_SZ);
}

/* Waits for something to deliver and takes it; false: stopped and nothing is left. */
static bool take_next(struct exporter *e)
{
	while (!is_due(e)) {
		if (!e->waiting.cnt && e->stopping)
			return false;
		if (e->waiting.cnt)
			thread_wait_until(&e->work, &e->lock, e->due_ns);
		else
			pthread_cond_wait(&e->work, &e->lock);
	}
	take(e);
	return true;
}

/* Through every sink. */
static void deliver(struct exporter *e, const struct parcel *first)
{
	if (e->file)
		for (const struct parcel *p = first; p; p = p->next)
			json_file__write(e->file, p->line, p->spans_cnt);
	if (e->sender)
		otlp_sender__send(e->sender, first);
}

static void *run(void *arg)
{
	struct exporter *e = arg;

	pthread_mutex_lock(&e->lock);
	while (take_next(e)) {
		struct parcels taken = e->sending;

		pthread_mutex_unlock(&e->lock);
		deliver(e, taken.first);
		free_all(&taken);
		pthread_mutex_lock(&e->lock);
		e->done += e->sending.cnt;
		e->sending = (struct parcels){0};
		pthread_cond_broadcast(&e->delivered);
	}
	e->finished = true;
	pthread_cond_broadcast(&e->delivered);
	pthread_mutex_unlock(&e->lock);
	return NULL;
}

static void init_locks(struct exporter *e)
{
	pthread_mutex_init(&e->encoding, NULL);
	pthread_mutex_init(&e->lock, NULL);
	thread_cond_init(&e->work);
	thread_cond_init(&e->delivered);
}

static int open_sinks(struct exporter *e, const struct exporter_options *o)
{
	bool with_endpoint = o->endpoint && !o->disabled;

	if (!with_endpoint && !o->json_path && !o->discard) {
		log_error("nowhere to export to: give an endpoint or a file");
		return -EINVAL;
	}
	e->version = strdup(o->version);
	if (!e->version || span_groups__init(&e->groups, PARCEL_SPANS_MAX))
		return -ENOMEM;
	if (o->json_path && !(e->file = json_file__new(o->json_path)))
		return -errno;
	if (with_endpoint && !(e->sender = otlp_sender__new(o)))
		return -errno;
	return 0;
}

static int start(struct exporter *e)
{
	int err = thread_start(&e->thread, "sonde-export", run, e);

	e->started = !err;
	return err;
}

struct exporter *exporter__new(const struct exporter_options *options)
{
	struct exporter *e = calloc(1, sizeof(*e));
	int err;

	if (!e)
		return NULL;
	init_locks(e);
	e->options = *options;
	if (!e->options.batch_max_spans)
		e->options.batch_max_spans = 1;
	pb_writer__init(&e->request, OTLP_REQUEST_MAX_SZ);
	json_writer__init(&e->line, OTLP_JSON_MAX_SZ);
	err = open_sinks(e, options);
	err = err ?: start(e);
	if (!err)
		return e;
	exporter__free(e);
	errno = -err;
	return NULL;
}

/* The encodings that the sinks want, left in the encoders. */
static int encode(struct exporter *e, const struct span *spans, uint32_t cnt)
{
	const struct span *refs[PARCEL_SPANS_MAX];
	int err = 0;

	for (uint32_t i = 0; i < cnt; i++)
		refs[i] = &spans[i];
	span_groups__set(&e->groups, refs, cnt);
	if (e->sender || e->options.discard)
		err = otlp_encode(&e->request, &e->groups, e->version);
	if (e->file)
		err = err ?: otlp_json_encode(&e->line, &e->groups, e->version);
	return err;
}

/* A parcel of what the encoders hold. */
static int wrap(const struct exporter *e, uint32_t spans_cnt, struct parcels *to)
{
	struct slice request = e->sender ? pb_writer__bytes(&e->request) : SLICE("");
	struct slice line = e->file ? json_writer__text(&e->line) : SLICE("");
	struct parcel *p = malloc(sizeof(*p) + request.n + line.n);

	if (!p)
		return -ENOMEM;
	*p = (struct parcel){
		.spans_cnt = spans_cnt,
		.request = slice_of(p->bytes, request.n),
		.line = slice_of(p->bytes + request.n, line.n),
	};
	memcpy(p->bytes, request.p, request.n);
	memcpy(p->bytes + request.n, line.p, line.n);
	append(to, p);
	return 0;
}

/* In halves when they are too large together; what cannot be encoded is counted. */
static void pack_spans(struct exporter *e, const struct span *spans, uint32_t cnt,
		       struct parcels *to)
{
	int err = encode(e, spans, cnt);
	unsigned long missed;

	if (err == -EMSGSIZE && cnt > 1) {
		pack_spans(e, spans, cnt / 2, to);
		pack_spans(e, spans + cnt / 2, cnt - cnt / 2, to);
		return;
	}
	if (!err && e->options.discard)
		account_add(ACCOUNT_WRITTEN, cnt);
	if (!err && (e->sender || e->file))
		err = wrap(e, cnt, to);
	if (!err)
		return;
	account_add(ACCOUNT_FAILED, cnt);
	if (log_limit_pass(&e->encode_limit, &missed))
		log_error("cannot encode %u spans: %s", cnt, strerror(-err));
}

static void pack(struct exporter *e, const struct span_batch *b, struct parcels *to)
{
	uint32_t request_max = e->options.batch_max_spans, n;
	uint32_t max = request_max < PARCEL_SPANS_MAX ? request_max : PARCEL_SPANS_MAX;

	pthread_mutex_lock(&e->encoding);
	for (uint32_t at = 0; at < b->cnt; at += n) {
		n = b->cnt - at < max ? b->cnt - at : max;
		pack_spans(e, b->spans + at, n, to);
	}
	pthread_mutex_unlock(&e->encoding);
}

/* One push is always let in, however small the bounds. */
static enum answer ask(const struct exporter *e, size_t spans_cnt, size_t bytes)
{
	spans_cnt += e->waiting.spans_cnt + e->sending.spans_cnt;
	bytes += e->waiting.bytes + e->sending.bytes;
	if (e->stopping)
		return STOPPED;
	if (!e->waiting.cnt && !e->sending.cnt)
		return ADMITTED;
	return spans_cnt <= e->options.queue_max_spans && bytes <= e->options.queue_max_bytes
		       ? ADMITTED
		       : QUEUE_FULL;
}

/* The same, but with the option to wait never QUEUE_FULL. */
static enum answer ask_or_wait(struct exporter *e, size_t spans_cnt, size_t bytes)
{
	enum answer answer;

	while ((answer = ask(e, spans_cnt, bytes)) == QUEUE_FULL && e->options.wait) {
		e->flush_to = e->pushed;
		pthread_cond_signal(&e->work);
		pthread_cond_wait(&e->delivered, &e->lock);
	}
	return answer;
}

static void queue_up(struct exporter *e, struct parcels *list)
{
	bool was_idle = !e->waiting.cnt;

	if (was_idle)
		e->due_ns = clock_mono_ns() + e->options.schedule_delay_ms * NS_PER_MS;
	e->pushed += list->cnt;
	while (list->first)
		append(&e->waiting, take_first(list));
	if (was_idle || is_plenty(e)) /* else the thread knows when to wake */
		pthread_cond_signal(&e->work);
}

/* Counts spans that were not let in. */
static void turn_away(struct exporter *e, enum answer answer, size_t spans_cnt)
{
	unsigned long missed;
	bool say;

	account_add(answer == STOPPED ? ACCOUNT_FAILED : ACCOUNT_LOST_QUEUE, spans_cnt);
	pthread_mutex_lock(&e->lock);
	say = answer == QUEUE_FULL && log_limit_pass(&e->full_limit, &missed);
	pthread_mutex_unlock(&e->lock);
	if (say)
		log_warn("export queue full: %zu spans dropped; the endpoint is too slow or away",
			 spans_cnt);
}

void exporter__push(struct exporter *e, struct span_batch *b)
{
	struct parcels parcels = {0};
	size_t spans_cnt = b->cnt;
	enum answer answer;

	if (!spans_cnt) {
		recycle(e, b);
		return;
	}
	pthread_mutex_lock(&e->lock);
	answer = ask_or_wait(e, spans_cnt, 0); /* a full queue is not worth an encoding */
	pthread_mutex_unlock(&e->lock);
	if (answer == ADMITTED)
		pack(e, b, &parcels);
	recycle(e, b);
	if (parcels.cnt) {
		spans_cnt = parcels.spans_cnt;
		pthread_mutex_lock(&e->lock);
		answer = ask_or_wait(e, spans_cnt, parcels.bytes);
		if (answer == ADMITTED)
			queue_up(e, &parcels);
		pthread_mutex_unlock(&e->lock);
	}
	if (answer != ADMITTED)
		turn_away(e, answer, spans_cnt);
	free_all(&parcels);
}

int exporter__flush(struct exporter *e, unsigned int timeout_ms)
{
	uint64_t deadline_ns = clock_mono_ns() + timeout_ms * NS_PER_MS, target;
	int err;

	pthread_mutex_lock(&e->lock);
	target = e->flush_to = e->pushed;
	pthread_cond_signal(&e->work);
	while (e->done < target && thread_wait_until(&e->delivered, &e->lock, deadline_ns))
		;
	err = e->done < target ? -ETIMEDOUT : 0;
	pthread_mutex_unlock(&e->lock);
	return err;
}

void exporter__stop(struct exporter *e, unsigned int deadline_ms)
{
	uint64_t deadline_ns = clock_mono_ns() + deadline_ms * NS_PER_MS;
	bool finished;

	if (!e->started)
		return;
	pthread_mutex_lock(&e->lock);
	e->stopping = true;
	pthread_cond_signal(&e->work);
	while (!e->finished && thread_wait_until(&e->delivered, &e->lock, deadline_ns))
		;
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
	pb_writer__free(&e->request);
	json_writer__free(&e->line);
	span_groups__free(&e->groups);
	pthread_cond_destroy(&e->work);
	pthread_cond_destroy(&e->delivered);
	pthread_mutex_destroy(&e->lock);
	pthread_mutex_destroy(&e->encoding);
	free(e->version);
	free(e);
}

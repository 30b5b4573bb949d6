// SPDX-License-Identifier: Apache-2.0
/* The queue of parcels and the export thread; see outbox.h for who owns a parcel when. */
#include "user/export/outbox.h"

#include <errno.h>
#include <stdlib.h>

#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/base/thread.h"
#include "user/export/otlp_encode.h"

#define NS_PER_MS 1000000ull

enum answer {
	ADMITTED,
	QUEUE_FULL,
	STOPPED,
};

struct outbox {
	struct outbox_options options;
	const struct signal_row *signal;
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

/* --- parcels ---------------------------------------------------------------------------------- */

static void append(struct parcels *list, struct parcel *p)
{
	if (list->last)
		list->last->next = p;
	else
		list->first = p;
	list->last = p;
	list->cnt++;
	list->items_cnt += p->items_cnt;
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
	list->items_cnt -= p->items_cnt;
	list->bytes -= sizeof(*p) + p->request.n + p->line.n;
	return p;
}

int parcels__add(struct parcels *list, struct slice request, struct slice line, uint32_t items_cnt)
{
	struct parcel *p = malloc(sizeof(*p) + request.n + line.n);

	if (!p)
		return -ENOMEM;
	*p = (struct parcel){
		.items_cnt = items_cnt,
		.request = slice_of(p->bytes, request.n),
		.line = slice_of(p->bytes + request.n, line.n),
	};
	memcpy(p->bytes, request.p, request.n);
	memcpy(p->bytes + request.n, line.p, line.n);
	append(list, p);
	return 0;
}

static void free_all(struct parcels *list)
{
	while (list->first)
		free(take_first(list));
}

/* --- the thread ------------------------------------------------------------------------------- */

/* Enough for a request, or so much that the queue might be full before the delay is over. */
static bool is_plenty(const struct outbox *o)
{
	return o->waiting.items_cnt >= o->options.request_max_items ||
	       o->waiting.items_cnt > o->options.max_items / 2 ||
	       o->waiting.bytes > o->options.max_bytes / 2;
}

static bool is_due(const struct outbox *o)
{
	return o->waiting.cnt && (o->stopping || o->taken < o->flush_to || is_plenty(o) ||
				  clock_mono_ns() >= o->due_ns);
}

/* As many parcels as fit one request, at least one, from waiting to sending. */
static void take(struct outbox *o)
{
	struct parcels *to = &o->sending;
	size_t request_sz = 0;

	do {
		struct parcel *p = take_first(&o->waiting);

		request_sz += p->request.n;
		append(to, p);
		o->taken++;
	} while (o->signal->joins && o->waiting.first &&
		 to->items_cnt + o->waiting.first->items_cnt <= o->options.request_max_items &&
		 request_sz + o->waiting.first->request.n <= OTLP_REQUEST_MAX_SZ);
}

/* Waits for something to deliver and takes it; false: stopped and nothing is left. */
static bool take_next(struct outbox *o)
{
	while (!is_due(o)) {
		if (!o->waiting.cnt && o->stopping)
			return false;
		if (o->waiting.cnt)
			thread_wait_until(&o->work, &o->lock, o->due_ns);
		else
			pthread_cond_wait(&o->work, &o->lock);
	}
	take(o);
	return true;
}

/* Through every sink. */
static void deliver(struct outbox *o, const struct parcel *first)
{
	if (o->options.file)
		for (const struct parcel *p = first; p; p = p->next)
			json_file__write(o->options.file, p->line, p->items_cnt);
	if (o->options.sender)
		otlp_sender__send(o->options.sender, first);
}

static void *run(void *arg)
{
	struct outbox *o = arg;

	pthread_mutex_lock(&o->lock);
	while (take_next(o)) {
		struct parcels taken = o->sending;

		pthread_mutex_unlock(&o->lock);
		deliver(o, taken.first);
		free_all(&taken);
		pthread_mutex_lock(&o->lock);
		o->done += o->sending.cnt;
		o->sending = (struct parcels){0};
		pthread_cond_broadcast(&o->delivered);
	}
	o->finished = true;
	pthread_cond_broadcast(&o->delivered);
	pthread_mutex_unlock(&o->lock);
	return NULL;
}

/* --- who pushes ------------------------------------------------------------------------------- */

/* One push is always let in, however small the bounds. */
static enum answer ask(const struct outbox *o, size_t items_cnt, size_t bytes)
{
	items_cnt += o->waiting.items_cnt + o->sending.items_cnt;
	bytes += o->waiting.bytes + o->sending.bytes;
	if (o->stopping)
		return STOPPED;
	if (!o->waiting.cnt && !o->sending.cnt)
		return ADMITTED;
	return items_cnt <= o->options.max_items && bytes <= o->options.max_bytes ? ADMITTED
										  : QUEUE_FULL;
}

/* The same, but with the option to wait never QUEUE_FULL. */
static enum answer ask_or_wait(struct outbox *o, size_t items_cnt, size_t bytes)
{
	enum answer answer;

	while ((answer = ask(o, items_cnt, bytes)) == QUEUE_FULL && o->options.wait) {
		o->flush_to = o->pushed;
		pthread_cond_signal(&o->work);
		pthread_cond_wait(&o->delivered, &o->lock);
	}
	return answer;
}

static void queue_up(struct outbox *o, struct parcels *list)
{
	bool was_idle = !o->waiting.cnt;

	if (was_idle)
		o->due_ns = clock_mono_ns() + o->options.delay_ms * NS_PER_MS;
	o->pushed += list->cnt;
	while (list->first)
		append(&o->waiting, take_first(list));
	if (was_idle || is_plenty(o)) /* else the thread knows when to wake */
		pthread_cond_signal(&o->work);
}

/* Counts items that were not let in. */
static void turn_away(struct outbox *o, enum answer answer, size_t items_cnt)
{
	unsigned long missed;
	bool say;

	account_add(answer == STOPPED ? o->signal->failed : o->signal->queue_full, items_cnt);
	pthread_mutex_lock(&o->lock);
	say = answer == QUEUE_FULL && log_limit_pass(&o->full_limit, &missed);
	pthread_mutex_unlock(&o->lock);
	if (say)
		log_warn("export queue full: %zu %s dropped; the endpoint is too slow or away",
			 items_cnt, o->signal->items);
}

bool outbox__admit(struct outbox *o, size_t items_cnt)
{
	enum answer answer;

	pthread_mutex_lock(&o->lock);
	answer = ask_or_wait(o, items_cnt, 0);
	pthread_mutex_unlock(&o->lock);
	if (answer != ADMITTED)
		turn_away(o, answer, items_cnt);
	return answer == ADMITTED;
}

void outbox__push(struct outbox *o, struct parcels *list)
{
	size_t items_cnt = list->items_cnt;
	enum answer answer;

	pthread_mutex_lock(&o->lock);
	answer = ask_or_wait(o, items_cnt, list->bytes);
	if (answer == ADMITTED)
		queue_up(o, list);
	pthread_mutex_unlock(&o->lock);
	if (answer != ADMITTED)
		turn_away(o, answer, items_cnt);
	free_all(list);
}

bool outbox__sends(const struct outbox *o)
{
	return o->options.sender && !otlp_sender__is_absent(o->options.sender);
}

/* --- life ------------------------------------------------------------------------------------- */

struct outbox *outbox__new(const struct outbox_options *options)
{
	struct outbox *o = calloc(1, sizeof(*o));
	int err;

	if (!o) {
		otlp_sender__free(options->sender);
		json_file__free(options->file);
		return NULL;
	}
	o->options = *options;
	o->signal = &signal_rows[options->signal];
	pthread_mutex_init(&o->lock, NULL);
	thread_cond_init(&o->work);
	thread_cond_init(&o->delivered);
	err = thread_start(&o->thread, "sonde-export", run, o);
	o->started = !err;
	if (!err)
		return o;
	outbox__free(o);
	errno = -err;
	return NULL;
}

int outbox__flush(struct outbox *o, uint64_t deadline_ns)
{
	uint64_t target;
	int err;

	pthread_mutex_lock(&o->lock);
	target = o->flush_to = o->pushed;
	pthread_cond_signal(&o->work);
	while (o->done < target && thread_wait_until(&o->delivered, &o->lock, deadline_ns))
		;
	err = o->done < target ? -ETIMEDOUT : 0;
	pthread_mutex_unlock(&o->lock);
	return err;
}

void outbox__close(struct outbox *o)
{
	pthread_mutex_lock(&o->lock);
	o->stopping = true;
	pthread_cond_signal(&o->work);
	pthread_mutex_unlock(&o->lock);
}

void outbox__stop(struct outbox *o, uint64_t deadline_ns)
{
	bool finished;

	if (!o->started)
		return;
	outbox__close(o);
	pthread_mutex_lock(&o->lock);
	while (!o->finished && thread_wait_until(&o->delivered, &o->lock, deadline_ns))
		;
	finished = o->finished;
	pthread_mutex_unlock(&o->lock);
	if (!finished && o->options.sender)
		otlp_sender__abort(o->options.sender);
	pthread_join(o->thread, NULL);
	o->started = false;
}

void outbox__free(struct outbox *o)
{
	if (!o)
		return;
	outbox__stop(o, 0);
	otlp_sender__free(o->options.sender);
	json_file__free(o->options.file);
	pthread_cond_destroy(&o->work);
	pthread_cond_destroy(&o->delivered);
	pthread_mutex_destroy(&o->lock);
	free(o);
}

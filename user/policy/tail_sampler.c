// SPDX-License-Identifier: Apache-2.0
/*
 * Batches wait in order. Only traces that must be kept are remembered: of any other the decision
 * follows from its id. So spans that leave are looked up in a small set.
 */
#include "user/policy/tail_sampler.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "user/base/account.h"
#include "user/policy/consistent.h"
#include "user/policy/trace_set.h"

#define CERTAIN_MAX 65536		 /* traces of a generation */
#define CERTAIN_PERIOD_NS 60000000000ull /* at least; longer if spans wait longer */

struct rule {
	uint64_t threshold, slow_ns;
	char text[THRESHOLD_TEXT_SZ];
	struct slice th; /* in text */
};

struct tail_sampler {
	struct tail_sampler_options options;
	pthread_mutex_t lock; /* guards rule and certain, which set changes */
	struct rule rule;
	struct trace_set *certain;	 /* to keep whatever their id; NULL: everything is kept */
	struct span_batch *first, *last; /* wait, oldest first */
	size_t waiting_sz;
	struct span_batch *out; /* kept spans gather here; may be NULL when memory was out */
};

struct tail_sampler *tail_sampler__new(const struct tail_sampler_options *options)
{
	struct tail_sampler *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->options = *options;
	pthread_mutex_init(&s->lock, NULL);
	return s;
}

void tail_sampler__free(struct tail_sampler *s)
{
	if (!s)
		return;
	while (s->first) {
		struct span_batch *next = s->first->next;

		span_batch__free(s->first);
		s->first = next;
	}
	span_batch__free(s->out);
	trace_set__free(s->certain);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

int tail_sampler__set(struct tail_sampler *s, uint64_t millionths, uint64_t slow_ns)
{
	uint64_t period_ns = 2 * s->options.wait_ns;
	int err = 0;

	if (period_ns < CERTAIN_PERIOD_NS)
		period_ns = CERTAIN_PERIOD_NS;
	pthread_mutex_lock(&s->lock);
	if (!s->certain && millionths < 1000000) {
		s->certain = trace_set__new(CERTAIN_MAX, period_ns);
		err = s->certain ? 0 : -ENOMEM;
	}
	if (!err) {
		s->rule.threshold = threshold_of(millionths);
		s->rule.slow_ns = slow_ns;
		s->rule.th = threshold_text(s->rule.threshold, s->rule.text);
	}
	pthread_mutex_unlock(&s->lock);
	return err;
}

/* --- in --------------------------------------------------------------------------------------- */

static bool must_keep(const struct rule *rule, const struct span *span)
{
	return span->keep || span->status == SPAN_STATUS_ERROR ||
	       span->end_ns - span->start_ns >= rule->slow_ns;
}

static void mark(struct tail_sampler *s, const struct span_batch *batch, uint64_t now_ns)
{
	for (uint32_t i = 0; i < batch->cnt; i++)
		if (must_keep(&s->rule, &batch->spans[i]))
			account_add(ACCOUNT_SAMPLING_FORGOTTEN,
				    trace_set__add(s->certain, &batch->spans[i].trace_id, now_ns));
}

static size_t size_of(const struct span_batch *batch)
{
	return sizeof(*batch) + batch->arena.used_sz;
}

static void enqueue(struct tail_sampler *s, struct span_batch *batch, uint64_t now_ns)
{
	batch->next = NULL;
	batch->since_ns = now_ns;
	if (s->last)
		s->last->next = batch;
	else
		s->first = batch;
	s->last = batch;
	s->waiting_sz += size_of(batch);
}

static struct span_batch *dequeue(struct tail_sampler *s)
{
	struct span_batch *batch = s->first;

	s->first = batch->next;
	if (!s->first)
		s->last = NULL;
	batch->next = NULL;
	s->waiting_sz -= size_of(batch);
	return batch;
}

/* --- out -------------------------------------------------------------------------------------- */

static void emit(struct tail_sampler *s)
{
	if (s->out && s->out->cnt)
		s->out = s->options.emit(s->options.ctx, s->out);
}

static bool copy_out(struct tail_sampler *s, const struct span *span, struct slice th)
{
	char text[TRACESTATE_SZ];
	struct span kept = *span;

	if (!s->out)
		s->out = span_batch__new();
	kept.trace_state = tracestate_with_th(span->trace_state, th, text);
	return s->out && span_batch__copy(s->out, &kept);
}

static void keep(struct tail_sampler *s, const struct span *span, struct slice th)
{
	if (copy_out(s, span, th))
		return;
	emit(s); /* it was full */
	if (!copy_out(s, span, th))
		account_add(ACCOUNT_FAILED, 1);
}

static void decide(struct tail_sampler *s, const struct span_batch *batch)
{
	uint32_t kept_cnt = 0;

	for (uint32_t i = 0; i < batch->cnt; i++) {
		const struct span *span = &batch->spans[i];

		if (trace_set__has(s->certain, &span->trace_id))
			keep(s, span, SLICE("0"));
		else if (randomness_of(span) >= s->rule.threshold)
			keep(s, span, s->rule.th);
		else
			continue;
		kept_cnt++;
	}
	account_add(ACCOUNT_SAMPLED_OUT, batch->cnt - kept_cnt);
}

/* Lets the oldest batch go. */
static void release(struct tail_sampler *s)
{
	struct span_batch *batch = dequeue(s);

	decide(s, batch);
	s->options.recycle(s->options.ctx, batch);
}

void tail_sampler__push(struct tail_sampler *s, struct span_batch *batch, uint64_t now_ns)
{
	bool waits;

	pthread_mutex_lock(&s->lock);
	waits = s->certain && s->rule.threshold;
	if (waits) {
		mark(s, batch, now_ns);
		enqueue(s, batch, now_ns);
	}
	while (s->waiting_sz > s->options.max_waiting_sz) {
		account_add(ACCOUNT_SAMPLING_EARLY, s->first->cnt);
		release(s);
	}
	pthread_mutex_unlock(&s->lock);
	if (!waits) {
		batch = s->options.emit(s->options.ctx, batch);
		if (batch)
			s->options.recycle(s->options.ctx, batch);
	}
}

void tail_sampler__tick(struct tail_sampler *s, uint64_t now_ns)
{
	pthread_mutex_lock(&s->lock);
	while (s->first && now_ns - s->first->since_ns >= s->options.wait_ns)
		release(s);
	pthread_mutex_unlock(&s->lock);
	emit(s);
}

void tail_sampler__flush(struct tail_sampler *s)
{
	pthread_mutex_lock(&s->lock);
	while (s->first)
		release(s);
	pthread_mutex_unlock(&s->lock);
	emit(s);
}

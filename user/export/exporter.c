// SPDX-License-Identifier: Apache-2.0
/*
 * Spans are encoded where they are pushed, while they are in that core's cache, into parcels: half
 * the size of the spans, and the batch is free at once. An outbox per signal delivers them.
 */
#include "user/export/exporter.h"

#include <errno.h>
#include <stdlib.h>

#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/base/thread.h"
#include "user/export/otlp_encode.h"
#include "user/export/otlp_json.h"
#include "user/export/otlp_metrics.h"
#include "user/export/outbox.h"

#define NS_PER_MS 1000000ull
/* In a parcel; few, because what a receiver finds too large is split between parcels only. */
#define PARCEL_SPANS_MAX 64

struct exporter {
	struct exporter_options options;     /* its strings are not valid after exporter__new */
	bool to_endpoint, to_file;	     /* where spans go */
	struct outbox *outboxes[SIGNAL_CNT]; /* NULL: nothing takes that signal */

	pthread_mutex_t encoding; /* guards the encoders: who pushes holds it */
	struct span_groups groups;
	struct pb_writer request;
	struct json_writer line;
	struct log_limit encode_limit;
	char *version;
};

void exporter_options__init(struct exporter_options *o)
{
	*o = (struct exporter_options){
		.version = "unknown",
		.retry_first_ms = 1000,
		.retry_longest_ms = 30000,
		.retry_give_up_ms = 300000,
		.queue_max_spans = 16384,
		.queue_max_bytes = 16u * 1024 * 1024,
		.batch_max_spans = 8192,
		.schedule_delay_ms = 1000,
		.metric_interval_ms = 60000,
	};
	for (int i = 0; i < SIGNAL_CNT; i++) {
		o->endpoints[i].gzip_level = 1;
		o->endpoints[i].timeout_ms = 10000;
	}
}

static void recycle(struct exporter *e, struct span_batch *b)
{
	if (e->options.recycle)
		e->options.recycle(e->options.ctx, b);
	else
		span_batch__free(b);
}

/* --- sinks ------------------------------------------------------------------------------------ */

static bool has_endpoint(const struct exporter_options *o, enum signal signal)
{
	return o->endpoints[signal].url && !o->disabled;
}

/* An outbox for the signal, if anything takes it. */
static int open_outbox(struct exporter *e, enum signal signal)
{
	const struct exporter_options *o = &e->options;
	bool spans = signal == SIGNAL_TRACES;
	struct outbox_options box = {
		.signal = signal,
		.max_items = spans ? o->queue_max_spans : SIZE_MAX,
		.max_bytes = o->queue_max_bytes,
		.request_max_items = spans ? o->batch_max_spans : 1,
		.delay_ms = spans ? o->schedule_delay_ms : 0,
		.wait = o->wait,
	};

	if (spans && o->json_path && !(box.file = json_file__new(o->json_path)))
		return -errno;
	if (has_endpoint(o, signal) && !(box.sender = otlp_sender__new(o, signal))) {
		int err = -errno;

		json_file__free(box.file);
		return err;
	}
	if (spans) {
		e->to_endpoint = box.sender;
		e->to_file = box.file;
	}
	if (!box.sender && !box.file && !(spans && o->discard))
		return 0;
	e->outboxes[signal] = outbox__new(&box);
	return e->outboxes[signal] ? 0 : -errno;
}

static int open_sinks(struct exporter *e)
{
	const struct exporter_options *o = &e->options;
	bool any = o->json_path || o->discard;
	int err = 0;

	for (int i = 0; i < SIGNAL_CNT; i++)
		any |= has_endpoint(o, (enum signal)i);
	if (!any) {
		log_error("nowhere to export to: give an endpoint or a file");
		return -EINVAL;
	}
	e->version = strdup(o->version);
	if (!e->version || span_groups__init(&e->groups, PARCEL_SPANS_MAX))
		return -ENOMEM;
	for (int i = 0; i < SIGNAL_CNT && !err; i++)
		err = open_outbox(e, (enum signal)i);
	return err;
}

struct exporter *exporter__new(const struct exporter_options *options)
{
	struct exporter *e = calloc(1, sizeof(*e));
	int err;

	if (!e)
		return NULL;
	pthread_mutex_init(&e->encoding, NULL);
	e->options = *options;
	if (!e->options.batch_max_spans)
		e->options.batch_max_spans = 1;
	pb_writer__init(&e->request, OTLP_REQUEST_MAX_SZ);
	json_writer__init(&e->line, OTLP_JSON_MAX_SZ);
	err = open_sinks(e);
	if (!err)
		return e;
	exporter__free(e);
	errno = -err;
	return NULL;
}

/* --- spans ------------------------------------------------------------------------------------ */

/* The encodings that the sinks want, left in the encoders. */
static int encode(struct exporter *e, const struct span *spans, uint32_t cnt)
{
	const struct span *refs[PARCEL_SPANS_MAX];
	int err = 0;

	for (uint32_t i = 0; i < cnt; i++)
		refs[i] = &spans[i];
	span_groups__set(&e->groups, refs, cnt);
	if (e->to_endpoint || e->options.discard)
		err = otlp_encode(&e->request, &e->groups, e->version);
	if (e->to_file)
		err = err ?: otlp_json_encode(&e->line, &e->groups, e->version);
	return err;
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
	if (!err && (e->to_endpoint || e->to_file))
		err = parcels__add(to, e->to_endpoint ? pb_writer__bytes(&e->request) : SLICE(""),
				   e->to_file ? json_writer__text(&e->line) : SLICE(""), cnt);
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

void exporter__push(struct exporter *e, struct span_batch *b)
{
	struct outbox *outbox = e->outboxes[SIGNAL_TRACES];
	struct parcels parcels = {0};

	/* A full queue is not worth an encoding. */
	if (outbox && b->cnt && outbox__admit(outbox, b->cnt))
		pack(e, b, &parcels);
	recycle(e, b);
	if (parcels.cnt)
		outbox__push(outbox, &parcels);
}

/* --- other signals ---------------------------------------------------------------------------- */

bool exporter__wants(const struct exporter *e, enum signal signal)
{
	return e->outboxes[signal] && outbox__sends(e->outboxes[signal]);
}

void exporter__push_encoded(struct exporter *e, enum signal signal, struct slice request,
			    uint32_t items_cnt)
{
	struct parcels parcels = {0};

	if (!e->outboxes[signal])
		return;
	if (parcels__add(&parcels, request, SLICE(""), items_cnt) == 0)
		outbox__push(e->outboxes[signal], &parcels);
	else
		account_add(signal_rows[signal].failed, items_cnt);
}

void exporter__push_metrics(struct exporter *e, const struct metric_snapshot *snapshot)
{
	struct pb_writer w;
	int err;

	if (!snapshot->cnt || !exporter__wants(e, SIGNAL_METRICS))
		return;
	pb_writer__init(&w, OTLP_REQUEST_MAX_SZ);
	err = otlp_encode_metrics(&w, snapshot, e->version);
	if (err) {
		account_add(ACCOUNT_POINTS_FAILED, snapshot->cnt);
		log_error("cannot encode %u data points: %s", snapshot->cnt, strerror(-err));
	} else {
		exporter__push_encoded(e, SIGNAL_METRICS, pb_writer__bytes(&w), snapshot->cnt);
	}
	pb_writer__free(&w);
}

/* --- the end ---------------------------------------------------------------------------------- */

int exporter__flush(struct exporter *e, unsigned int timeout_ms)
{
	uint64_t deadline_ns = clock_mono_ns() + timeout_ms * NS_PER_MS;
	int err = 0;

	for (int i = 0; i < SIGNAL_CNT; i++)
		if (e->outboxes[i] && outbox__flush(e->outboxes[i], deadline_ns))
			err = -ETIMEDOUT;
	return err;
}

void exporter__stop(struct exporter *e, unsigned int deadline_ms)
{
	uint64_t deadline_ns = clock_mono_ns() + deadline_ms * NS_PER_MS;

	for (int i = 0; i < SIGNAL_CNT; i++)
		if (e->outboxes[i])
			outbox__close(e->outboxes[i]);
	for (int i = 0; i < SIGNAL_CNT; i++)
		if (e->outboxes[i])
			outbox__stop(e->outboxes[i], deadline_ns);
}

void exporter__free(struct exporter *e)
{
	if (!e)
		return;
	exporter__stop(e, 0);
	for (int i = 0; i < SIGNAL_CNT; i++)
		outbox__free(e->outboxes[i]);
	pb_writer__free(&e->request);
	json_writer__free(&e->line);
	span_groups__free(&e->groups);
	pthread_mutex_destroy(&e->encoding);
	free(e->version);
	free(e);
}

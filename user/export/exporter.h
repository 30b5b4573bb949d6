/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last stage: batches of spans go in from any thread and are encoded there; a thread of its own
 * writes them to a file, posts them to an OTLP/HTTP endpoint, or both. Between them stands a
 * bounded queue; who pushes waits for neither, unless told to. Every span that goes in comes out in
 * the account: LOST_QUEUE, SENT, REFUSED, FAILED, or WRITTEN (a file's and the endpoint's counts
 * are apart). Other signals come encoded and go to an endpoint only, each by a queue and a thread
 * of its own, so that none waits for another's receiver; struct signal_row names their account.
 */
#ifndef SONDE_EXPORT_EXPORTER_H
#define SONDE_EXPORT_EXPORTER_H

#include "user/export/otlp_signal.h"
#include "user/model/metric.h"
#include "user/model/span.h"

/* Where a signal goes, and how. */
struct otlp_endpoint {
	const char *url;	    /* whole; NULL: none */
	const char *const *headers; /* "Name: value", headers_cnt of them */
	size_t headers_cnt;
	int gzip_level; /* 0 = no compression, 1..9 */
	unsigned int timeout_ms;
	const char *ca_file, *client_cert, *client_key; /* PEM files; NULL: none given */
};

/* Everything is borrowed until exporter__new returns, but the callbacks and their ctx. */
struct exporter_options {
	const char *version; /* of sonde */
	bool disabled;	     /* no endpoint is used (OTEL_SDK_DISABLED) */

	struct otlp_endpoint endpoints[SIGNAL_CNT];
	unsigned int retry_first_ms, retry_longest_ms, retry_give_up_ms;

	const char *json_path; /* OTLP/JSON lines, truncated at the start; NULL: none */
	bool discard;	       /* encode as for the endpoint, then throw away: WRITTEN */

	uint32_t queue_max_spans;	 /* this and the next bound what waits or is being sent */
	size_t queue_max_bytes;		 /* encoded; of each signal */
	bool wait;			 /* who pushes waits for room: nothing is dropped */
	uint32_t batch_max_spans;	 /* in one request */
	unsigned int schedule_delay_ms;	 /* spans wait for others that long at most */
	unsigned int metric_interval_ms; /* how often exporter__push_metrics should be called */

	/* Takes a batch back, in the pushing thread before exporter__push returns; NULL: freed. */
	void (*recycle)(void *ctx, struct span_batch *batch);
	/* See struct http_options; in the exporter's thread. */
	void (*connected)(void *ctx, const char *local_ip, int local_port);
	void *ctx;
};

/* The defaults: no sink, gzip 1, 8192 spans a request, a queue of 16384 spans and 16 MiB. */
void exporter_options__init(struct exporter_options *o);

struct exporter;

/* Opens the sinks and starts the thread. NULL with errno; the reason has been logged. */
struct exporter *exporter__new(const struct exporter_options *options);
/*
 * Encodes the spans and gives the batch back; drops and counts them when the queue is full. Any
 * thread, but their spans are encoded one at a time.
 */
void exporter__push(struct exporter *e, struct span_batch *batch);
/*
 * False: nothing is sent for that signal, because it has no endpoint or the endpoint does not know
 * it (HTTP status 404 or 501), which was logged. Then do not encode. Any thread.
 */
bool exporter__wants(const struct exporter *e, enum signal signal);
/*
 * Queues a copy of a whole encoded request, which goes as it is: one that the receiver finds too
 * large is refused. Any signal but traces. items_cnt is what it holds, for the account. Any thread.
 */
void exporter__push_encoded(struct exporter *e, enum signal signal, struct slice request,
			    uint32_t items_cnt);
/* Encodes and queues the snapshot; without any point, or who wants it, nothing. Any thread. */
void exporter__push_metrics(struct exporter *e, const struct metric_snapshot *snapshot);
/* Delivers all that was pushed, without schedule delay. -ETIMEDOUT after timeout_ms. */
int exporter__flush(struct exporter *e, unsigned int timeout_ms);
/*
 * Flushes for at most deadline_ms, counts what is left as FAILED and ends the thread. What is
 * pushed later fails. Twice is legal.
 */
void exporter__stop(struct exporter *e, unsigned int deadline_ms);
/* Stops at once if exporter__stop was not called. NULL is legal. */
void exporter__free(struct exporter *e);

#endif

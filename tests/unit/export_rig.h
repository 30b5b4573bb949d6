/* SPDX-License-Identifier: Apache-2.0 */
/* An exporter and a scripted server for it, and what the account says in the end. */
#ifndef SONDE_TESTS_EXPORT_RIG_H
#define SONDE_TESTS_EXPORT_RIG_H

#include "tests/unit/export_spans.h"
#include "tests/unit/otlp_server.h"
#include "user/base/account.h"
#include "user/export/exporter.h"
#include "user/export/otlp_sender.h"

#define STOP_MS 5000
#define TRACES endpoints[SIGNAL_TRACES]
#define R(code, ...)                            \
	{                                       \
		.status = (code), ##__VA_ARGS__ \
	}
/* ExportTraceServiceResponse{partial_success{rejected_spans, error_message}} */
#define PARTIAL(rejected, message) SLICE("\x0A\x08\x08" rejected "\x12\x04" message)
#define MINUS_ONE "\x0A\x0B\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01"
/* google.rpc.Status{code 3, message "bad \x1B[1m"} */
#define STATUS_BODY SLICE("\x08\x03\x12\x08\x62\x61\x64 \x1B[1m")

struct harness {
	struct otlp_server *server;
	struct exporter *exporter;
	struct exporter_options options;
	char url[64];
	_Atomic uint32_t recycled_cnt;
	_Atomic int local_port;
	_Atomic uint32_t connected_cnt;
};

static inline void recycled(void *ctx, struct span_batch *b)
{
	struct harness *h = ctx;

	h->recycled_cnt++;
	span_batch__free(b);
}

static inline void connected(void *ctx, const char *local_ip, int local_port)
{
	struct harness *h = ctx;

	h->local_port = strcmp(local_ip, "127.0.0.1") == 0 ? local_port : -1;
	h->connected_cnt++;
}

/* A server with that script and options that point to it, with quick retries. */
static inline void prepare(struct harness *h, const struct reply *replies, size_t replies_cnt)
{
	*h = (struct harness){.server = otlp_server__new(replies, replies_cnt)};
	snprintf(h->url, sizeof(h->url), "http://127.0.0.1:%d/v1/traces", h->server->port);
	exporter_options__init(&h->options);
	h->options.version = "1.2.3";
	h->options.TRACES.url = h->url;
	h->options.schedule_delay_ms = 10;
	h->options.retry_first_ms = 4;
	h->options.retry_longest_ms = 20;
	h->options.retry_give_up_ms = 4000;
	h->options.recycle = recycled;
	h->options.connected = connected;
	h->options.ctx = h;
	for (int i = 0; i < ACCOUNT_CNT; i++)
		account_set((enum account_entry)i, 0);
}

static inline void start(struct harness *h)
{
	h->exporter = exporter__new(&h->options);
	assert_non_null(h->exporter);
}

static inline void finish(struct harness *h)
{
	exporter__free(h->exporter);
	otlp_server__free(h->server);
}

static inline struct span_batch *small_batch(uint32_t cnt)
{
	struct resource *r = make_resource("a", 1);
	struct span_batch *b = span_batch__new();

	while (b->cnt < cnt)
		add_plain_span(b, r);
	resource__release(r);
	return b;
}

/* Each batch is a parcel: requests can be split between them. */
static inline void push(struct harness *h, uint32_t batches_cnt, uint32_t spans_cnt)
{
	while (batches_cnt--)
		exporter__push(h->exporter, small_batch(spans_cnt));
}

static inline void check_account(const char *what, enum account_entry entry, uint64_t want)
{
	uint64_t got = account_get(entry);

	if (got != want)
		fail_msg("%s: %s{%s} is %llu, not %llu", what, account_rows[entry].stem,
			 account_rows[entry].cause, (unsigned long long)got,
			 (unsigned long long)want);
}

static inline size_t script_len(const struct reply *script, size_t max)
{
	size_t n = 0;

	while (n < max && script[n].status)
		n++;
	return n;
}

static inline void check_header(const struct seen_request *r, const char *line, bool present)
{
	if (!!strstr(r->head, line) != present)
		fail_msg("%s%s in:\n%s", line, present ? " is not" : " is", r->head);
}

#endif

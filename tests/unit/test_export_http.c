// SPDX-License-Identifier: Apache-2.0
/* The exporter against a real server: what it sends, what it makes of each answer, its account. */
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <time.h>

#include "tests/unit/export_rig.h"
#include "user/base/log.h"
#include "user/export/otlp_encode.h"

/* What becomes of eight spans in one request after each script. */
static const struct {
	const char *name;
	struct reply script[6];
	uint32_t sent, refused, requests, retries;
} answers[] = {
	{.name = "200", .script = {R(200)}, .sent = 8, .requests = 1},
	{.name = "202 is a success", .script = {R(202)}, .sent = 8, .requests = 1},
	{.name = "partial",
	 .script = {R(200, .body = PARTIAL("\x03", "nope"))},
	 .sent = 5,
	 .refused = 3,
	 .requests = 1},
	{.name = "all rejected",
	 .script = {R(200, .body = PARTIAL("\x08", "nope"))},
	 .refused = 8,
	 .requests = 1},
	{.name = "more rejected than sent",
	 .script = {R(200, .body = PARTIAL("\x7F", "nope"))},
	 .refused = 8,
	 .requests = 1},
	{.name = "a warning only",
	 .script = {R(200, .body = PARTIAL("\x00", "psst"))},
	 .sent = 8,
	 .requests = 1},
	{.name = "negative",
	 .script = {R(200, .body = SLICE(MINUS_ONE))},
	 .sent = 8,
	 .requests = 1},
	{.name = "garbage with 200",
	 .script = {R(200, .body = SLICE("\xFF\xFF\xFF"))},
	 .sent = 8,
	 .requests = 1},
	{.name = "too long with 200",
	 .script = {R(200, .padding = 5u << 20)},
	 .sent = 8,
	 .requests = 1},
	{.name = "503 then 200", .script = {R(503)}, .sent = 8, .requests = 1, .retries = 1},
	{.name = "all that are retried",
	 .script = {R(429), R(502), R(503), R(504)},
	 .sent = 8,
	 .requests = 1,
	 .retries = 4},
	{.name = "no answer",
	 .script = {R(HANG_UP), R(HANG_UP)},
	 .sent = 8,
	 .requests = 1,
	 .retries = 2},
	{.name = "400", .script = {R(400, .body = STATUS_BODY)}, .refused = 8, .requests = 1},
	{.name = "400 with garbage",
	 .script = {R(400, .body = SLICE("\x12\xFF"))},
	 .refused = 8,
	 .requests = 1},
	{.name = "301",
	 .script = {R(301, .headers = "Location: /other\r\n")},
	 .refused = 8,
	 .requests = 1},
	{.name = "401", .script = {R(401)}, .refused = 8, .requests = 1},
	{.name = "404", .script = {R(404)}, .refused = 8, .requests = 1},
	{.name = "408", .script = {R(408)}, .refused = 8, .requests = 1},
	{.name = "500", .script = {R(500)}, .refused = 8, .requests = 1},
	{.name = "501", .script = {R(501)}, .refused = 8, .requests = 1},
	{.name = "505", .script = {R(505)}, .refused = 8, .requests = 1},
	{.name = "retry then refused",
	 .script = {R(503), R(400)},
	 .refused = 8,
	 .requests = 1,
	 .retries = 1},
	{.name = "413 then halves", .script = {R(413)}, .sent = 8, .requests = 3},
	{.name = "413, the first half again", .script = {R(413), R(413)}, .sent = 8, .requests = 5},
	{.name = "413, a half retried, one refused",
	 .script = {R(413), R(503), R(200), R(400)},
	 .sent = 4,
	 .refused = 4,
	 .requests = 3,
	 .retries = 1},
};

static void test_answers(void **state)
{
	(void)state;
	for (size_t i = 0; i < LEN(answers); i++) {
		struct harness h;

		prepare(&h, answers[i].script,
			script_len(answers[i].script, LEN(answers[i].script)));
		h.options.schedule_delay_ms = 3600 * 1000;
		start(&h);
		push(&h, 8, 1);
		exporter__stop(h.exporter, STOP_MS);
		check_account(answers[i].name, ACCOUNT_SENT, answers[i].sent);
		check_account(answers[i].name, ACCOUNT_REFUSED, answers[i].refused);
		check_account(answers[i].name, ACCOUNT_FAILED, 0);
		check_account(answers[i].name, ACCOUNT_EXPORT_REQUESTS, answers[i].requests);
		check_account(answers[i].name, ACCOUNT_EXPORT_RETRIES, answers[i].retries);
		assert_int_equal(h.server->seen_cnt, answers[i].requests + answers[i].retries);
		assert_int_equal(h.server->seen[0].spans_cnt, 8);
		assert_int_equal(h.recycled_cnt, 8);
		finish(&h);
	}
}

/* What is too large goes in halves, split between parcels only: each goes whole. */
static void test_splitting(void **state)
{
	static const struct {
		const char *name;
		uint32_t batches[8], requests[15]; /* spans in each */
		int statuses[15];		   /* then 200 */
		uint32_t sent, refused;
	} cases[] = {
		{.name = "unequal",
		 .batches = {1, 1, 4},
		 .requests = {6, 1, 5, 1, 4},
		 .statuses = {413, 200, 413},
		 .sent = 6},
		{.name = "down to single parcels",
		 .batches = {1, 1, 1, 1, 1, 1, 1, 1},
		 .requests = {8, 4, 2, 1, 1, 2, 1, 1, 4, 2, 1, 1, 2, 1, 1},
		 .statuses = {[0 ... 14] = 413},
		 .refused = 8},
		{.name = "one parcel",
		 .batches = {8},
		 .requests = {8},
		 .statuses = {413},
		 .refused = 8},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		struct reply replies[LEN(cases[i].statuses)];
		struct harness h;

		for (size_t k = 0; k < LEN(replies); k++)
			replies[k] = (struct reply){.status = cases[i].statuses[k] ?: 200};
		prepare(&h, replies, LEN(replies));
		h.options.schedule_delay_ms = 3600 * 1000;
		start(&h);
		for (size_t k = 0; k < LEN(cases[i].batches); k++)
			push(&h, 1, cases[i].batches[k]);
		exporter__stop(h.exporter, STOP_MS);
		check_account(cases[i].name, ACCOUNT_SENT, cases[i].sent);
		check_account(cases[i].name, ACCOUNT_REFUSED, cases[i].refused);
		for (size_t k = 0; k < LEN(cases[i].requests); k++)
			assert_int_equal(h.server->seen[k].spans_cnt, cases[i].requests[k]);
		finish(&h);
	}
}

static void test_request(void **state)
{
	static const char *const headers[] = {"X-Scope-OrgID: me", "Authorization: Bearer x"};

	(void)state;
	for (int gzip = 0; gzip < 2; gzip++) {
		const struct seen_request *r;
		struct harness h;

		prepare(&h, NULL, 0);
		h.options.TRACES.gzip_level = gzip;
		h.options.TRACES.headers = headers;
		h.options.TRACES.headers_cnt = LEN(headers);
		start(&h);
		exporter__push(h.exporter, make_batch());
		exporter__stop(h.exporter, STOP_MS);
		r = &h.server->seen[0];
		assert_int_equal(h.server->seen_cnt, 1);
		check_header(r, "POST /v1/traces HTTP/1.1\r\n", true);
		check_header(r, "\r\nContent-Type: application/x-protobuf\r\n", true);
		check_header(r, "\r\nUser-Agent: sonde/1.2.3 OTel-OTLP-Exporter-C/1.2.3\r\n", true);
		check_header(r, "\r\nX-Scope-OrgID: me\r\n", true);
		check_header(r, "\r\nAuthorization: Bearer x\r\n", true);
		check_header(r, "\r\nContent-Encoding: gzip\r\n", gzip);
		check_header(r, "\r\nExpect:", false);
		assert_true(r->valid);
		assert_int_equal(r->spans_cnt, LEN(texts) + 1);
		assert_int_equal(r->resources_cnt, 2);
		finish(&h);
	}
}

/* One connection serves all requests, and its local end is told before each. */
static void test_kept_alive(void **state)
{
	struct harness h;

	(void)state;
	prepare(&h, NULL, 0);
	start(&h);
	for (int i = 0; i < 5; i++) {
		exporter__push(h.exporter, small_batch(1));
		assert_int_equal(exporter__flush(h.exporter, STOP_MS), 0);
		assert_int_equal(h.server->seen_cnt, i + 1);
		assert_int_equal(h.connected_cnt, i + 1);
		assert_int_equal(h.local_port, h.server->seen[i].peer_port);
	}
	assert_int_equal(h.server->connections_cnt, 1);
	check_account("kept alive", ACCOUNT_SENT, 5);
	finish(&h);
}

static void http_date(char *out, size_t sz, time_t when)
{
	struct tm tm;

	gmtime_r(&when, &tm);
	strftime(out, sz, "Retry-After: %a, %d %b %Y %H:%M:%S GMT\r\n", &tm);
}

static void test_retry_after(void **state)
{
	static const struct {
		const char *name, *header;
		int date_in_s; /* instead of the header, if not 0 */
		int status;
		uint64_t min_ms, max_ms;
	} cases[] = {
		{"seconds", "Retry-After: 1\r\n", 0, 429, 1000, 2000},
		{"seconds with 503", "Retry-After: 1\r\n", 0, 503, 1000, 2000},
		{"a date", NULL, 2, 503, 900, 3000},
		{"a date that has passed", NULL, -100, 503, 0, 900},
		{"nonsense", "Retry-After: soon\r\n", 0, 503, 0, 900},
		{"negative", "Retry-After: -7\r\n", 0, 503, 0, 900},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		struct reply reply = {.status = cases[i].status, .headers = cases[i].header};
		struct harness h;
		char date[80];
		uint64_t ms;

		if (cases[i].date_in_s) {
			http_date(date, sizeof(date), time(NULL) + cases[i].date_in_s);
			reply.headers = date;
		}
		prepare(&h, &reply, 1);
		start(&h);
		exporter__push(h.exporter, small_batch(1));
		exporter__stop(h.exporter, STOP_MS);
		check_account(cases[i].name, ACCOUNT_SENT, 1);
		assert_int_equal(h.server->seen_cnt, 2);
		ms = (h.server->seen[1].at_ns - h.server->seen[0].at_ns) / 1000000;
		if (ms + 5 < cases[i].min_ms || ms > cases[i].max_ms)
			fail_msg("%s: waited %llu ms", cases[i].name, (unsigned long long)ms);
		finish(&h);
	}
}

/* The pauses grow, up to the longest, and are not all alike. */
static void test_backoff(void **state)
{
	static const uint64_t base_ms[] = {100, 200, 300, 300};
	struct reply replies[LEN(base_ms)];
	struct harness h;

	(void)state;
	for (size_t i = 0; i < LEN(replies); i++)
		replies[i] = (struct reply){.status = 503};
	prepare(&h, replies, LEN(replies));
	h.options.retry_first_ms = 100;
	h.options.retry_longest_ms = 300;
	start(&h);
	exporter__push(h.exporter, small_batch(1));
	exporter__stop(h.exporter, STOP_MS);
	assert_int_equal(h.server->seen_cnt, LEN(replies) + 1);
	for (size_t i = 0; i < LEN(base_ms); i++) {
		uint64_t us = (h.server->seen[i + 1].at_ns - h.server->seen[i].at_ns) / 1000;

		if (us < base_ms[i] * 500 || us > base_ms[i] * 1500 + 150000)
			fail_msg("pause %zu: %llu us", i, (unsigned long long)us);
	}
	finish(&h);
}

static void test_give_up(void **state)
{
	static const struct {
		const char *name;
		struct reply reply;
	} cases[] = {
		{"unavailable", {.status = 503}},
		{"throttled for longer than we try",
		 {.status = 429, .headers = "Retry-After: 60\r\n"}},
		{"no answer", {.status = HANG_UP}},
		{"refused", {.status = 200}}, /* by nobody: see below */
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		struct reply replies[100];
		uint64_t started;
		struct harness h;

		for (size_t k = 0; k < LEN(replies); k++)
			replies[k] = cases[i].reply;
		prepare(&h, replies, LEN(replies));
		if (cases[i].reply.status == 200) /* port 1: nothing listens */
			h.options.TRACES.url = "http://127.0.0.1:1/v1/traces";
		h.options.retry_give_up_ms = 150;
		start(&h);
		started = clock_mono_ns();
		exporter__push(h.exporter, small_batch(8));
		exporter__stop(h.exporter, STOP_MS);
		assert_in_range((clock_mono_ns() - started) / 1000000, 150, 2000);
		check_account(cases[i].name, ACCOUNT_FAILED, 8);
		check_account(cases[i].name, ACCOUNT_SENT, 0);
		check_account(cases[i].name, ACCOUNT_EXPORT_REQUESTS, 1);
		assert_int_equal(h.recycled_cnt, 1);
		finish(&h);
	}
}

static void test_time_out(void **state)
{
	static const struct reply replies[] = {R(SILENCE)};
	struct harness h;

	(void)state;
	prepare(&h, replies, LEN(replies));
	h.options.TRACES.timeout_ms = 100;
	start(&h);
	exporter__push(h.exporter, small_batch(2));
	exporter__stop(h.exporter, STOP_MS);
	check_account("time out", ACCOUNT_SENT, 2);
	check_account("time out", ACCOUNT_EXPORT_RETRIES, 1);
	finish(&h);
}

/* Waits until the server has seen that many requests. */
static void await_requests(struct harness *h, size_t cnt)
{
	for (int i = 0; i < 5000; i++) {
		size_t seen;

		pthread_mutex_lock(&h->server->lock);
		seen = h->server->seen_cnt;
		pthread_mutex_unlock(&h->server->lock);
		if (seen >= cnt)
			return;
		usleep(1000);
	}
	fail_msg("the server saw no request");
}

/* What a small batch takes in the queue. */
static size_t parcel_sz(uint32_t spans_cnt)
{
	struct span_batch *b = small_batch(spans_cnt);
	struct span_groups groups;
	struct pb_writer w;
	size_t sz;

	pb_writer__init(&w, OTLP_REQUEST_MAX_SZ);
	group_batch(&groups, b);
	assert_int_equal(otlp_encode(&w, &groups, "1.2.3"), 0);
	sz = sizeof(struct parcel) + pb_writer__bytes(&w).n;
	pb_writer__free(&w);
	span_groups__free(&groups);
	span_batch__free(b);
	return sz;
}

/*
 * A slow endpoint: push returns at once and gives the batch back; what does not fit is counted.
 */
static void test_queue_full(void **state)
{
	const size_t sz = parcel_sz(10);
	const struct {
		const char *name;
		uint32_t max_spans;
		size_t max_bytes;
		uint64_t lost;
	} cases[] = {
		{"by spans", 100, SIZE_MAX, 30},
		{"by spans, just not", 99, SIZE_MAX, 40},
		{"by bytes", UINT32_MAX, 10 * sz, 30},
		{"by bytes, just not", UINT32_MAX, 10 * sz - 1, 40},
	};
	static const struct reply replies[] = {R(SILENCE)};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		uint64_t started;
		struct harness h;

		prepare(&h, replies, LEN(replies));
		h.options.queue_max_spans = cases[i].max_spans;
		h.options.queue_max_bytes = cases[i].max_bytes;
		h.options.batch_max_spans = 10;
		start(&h);
		exporter__push(h.exporter, small_batch(10));
		await_requests(&h, 1); /* stuck from here on */
		started = clock_mono_ns();
		push(&h, 12, 10);
		assert_true(clock_mono_ns() - started < 1000000000u);
		assert_int_equal(h.recycled_cnt, 13);
		assert_int_equal(exporter__flush(h.exporter, 50), -ETIMEDOUT);
		check_account(cases[i].name, ACCOUNT_LOST_QUEUE, cases[i].lost);
		exporter__stop(h.exporter, 50);
		check_account(cases[i].name, ACCOUNT_FAILED, 130 - cases[i].lost);
		finish(&h);
	}
}

/* Told to wait, who pushes far more than the queue holds loses nothing, and no delay is kept. */
static void test_wait(void **state)
{
	static const struct {
		uint32_t max_spans;
		size_t max_bytes;
	} cases[] = {{20, SIZE_MAX}, {UINT32_MAX, 3000}, {1, 1}};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		struct harness h;

		prepare(&h, NULL, 0);
		h.options.wait = true;
		h.options.schedule_delay_ms = 3600 * 1000;
		h.options.queue_max_spans = cases[i].max_spans;
		h.options.queue_max_bytes = cases[i].max_bytes;
		start(&h);
		push(&h, 30, 10);
		assert_int_equal(exporter__flush(h.exporter, STOP_MS), 0);
		check_account("waiting", ACCOUNT_SENT, 300);
		check_account("waiting", ACCOUNT_LOST_QUEUE, 0);
		finish(&h);
	}
}

/* However small the queue, one batch goes through. */
static void test_tiny_queue(void **state)
{
	struct harness h;

	(void)state;
	prepare(&h, NULL, 0);
	h.options.queue_max_spans = h.options.queue_max_bytes = 1;
	h.options.batch_max_spans = 3;
	start(&h);
	exporter__push(h.exporter, small_batch(8));
	exporter__stop(h.exporter, STOP_MS);
	check_account("tiny queue", ACCOUNT_SENT, 8);
	assert_int_equal(h.server->seen_cnt, 3); /* 3, 3, 2 */
	finish(&h);
}

/* Batches wait for each other, up to the size of a request or the delay. */
static void test_batching(void **state)
{
	struct harness h;

	(void)state;
	prepare(&h, NULL, 0);
	h.options.schedule_delay_ms = 3600 * 1000;
	h.options.batch_max_spans = 100;
	start(&h);
	exporter__push(h.exporter, span_batch__new()); /* empty: given back, never sent */
	push(&h, 10, 9);
	usleep(50000);
	assert_int_equal(h.server->seen_cnt, 0);
	exporter__push(h.exporter, small_batch(11)); /* 101: the first ten go */
	await_requests(&h, 1);
	assert_int_equal(exporter__flush(h.exporter, STOP_MS), 0);
	assert_int_equal(h.server->seen_cnt, 2);
	assert_int_equal(h.server->seen[0].spans_cnt, 90);
	assert_int_equal(h.server->seen[1].spans_cnt, 11);
	assert_int_equal(h.recycled_cnt, 12);
	finish(&h);
}

/* The delay is cut short when the queue would fill meanwhile: beyond half of it. */
static void test_half_full(void **state)
{
	(void)state;
	for (int by_bytes = 0; by_bytes < 2; by_bytes++) {
		struct harness h;

		prepare(&h, NULL, 0);
		h.options.schedule_delay_ms = 3600 * 1000;
		if (by_bytes)
			h.options.queue_max_bytes = 20 * parcel_sz(1);
		else
			h.options.queue_max_spans = 20;
		start(&h);
		push(&h, 10, 1);
		usleep(50000);
		assert_int_equal(h.server->seen_cnt, 0);
		push(&h, 1, 1);
		await_requests(&h, 1);
		assert_int_equal(h.server->seen[0].spans_cnt, 11);
		finish(&h);
	}
}

static void test_schedule_delay(void **state)
{
	uint64_t pushed;
	struct harness h;

	(void)state;
	prepare(&h, NULL, 0);
	h.options.schedule_delay_ms = 200;
	start(&h);
	pushed = clock_mono_ns();
	exporter__push(h.exporter, small_batch(1));
	usleep(20000);
	exporter__push(h.exporter, small_batch(1));
	await_requests(&h, 1);
	assert_in_range((h.server->seen[0].at_ns - pushed) / 1000000, 195, 2000);
	assert_int_equal(h.server->seen[0].spans_cnt, 2);
	finish(&h);
}

static void test_stop_flushes(void **state)
{
	struct harness h;

	(void)state;
	prepare(&h, NULL, 0);
	h.options.schedule_delay_ms = 3600 * 1000;
	start(&h);
	exporter__push(h.exporter, small_batch(5));
	exporter__stop(h.exporter, STOP_MS);
	check_account("stop", ACCOUNT_SENT, 5);
	exporter__push(h.exporter, small_batch(2)); /* too late */
	check_account("stop", ACCOUNT_FAILED, 2);
	assert_int_equal(h.recycled_cnt, 2);
	exporter__stop(h.exporter, STOP_MS);
	finish(&h);
}

/* The deadline holds whatever the endpoint does, and what is left is counted. */
static void test_stop_deadline(void **state)
{
	static const struct reply scripts[][1] = {
		{R(SILENCE)},
		{{.status = 503, .headers = "Retry-After: 60\r\n"}},
	};

	(void)state;
	for (size_t i = 0; i < LEN(scripts); i++) {
		uint64_t started;
		struct harness h;

		prepare(&h, scripts[i], 1);
		h.options.batch_max_spans = 5;
		start(&h);
		exporter__push(h.exporter, small_batch(5));
		exporter__push(h.exporter, small_batch(4));
		await_requests(&h, 1);
		started = clock_mono_ns();
		exporter__stop(h.exporter, 100);
		assert_in_range((clock_mono_ns() - started) / 1000000, 99, 1000);
		check_account("deadline", ACCOUNT_FAILED, 9);
		check_account("deadline", ACCOUNT_SENT, 0);
		assert_int_equal(h.recycled_cnt, 2);
		finish(&h);
	}
}

static struct span_batch *big_batch(uint32_t cnt, struct slice last_name)
{
	struct span_batch *b = small_batch(cnt);

	b->spans[cnt - 1].name = last_name;
	return b;
}

/*
 * One span is too large for a request: the others still arrive. A request ends where the next
 * parcel would make it too large.
 */
static void test_request_size(void **state)
{
	static const uint32_t requests[] = {7, 2, 2, 1};
	const size_t mib = 1024 * 1024;
	char *text = malloc(21 * mib);
	struct harness h;

	(void)state;
	memset(text, 'x', 21 * mib);
	prepare(&h, NULL, 0);
	h.options.queue_max_bytes = SIZE_MAX;
	h.options.schedule_delay_ms = 3600 * 1000;
	start(&h);
	exporter__push(h.exporter, big_batch(8, slice_of(text, 21 * mib)));
	assert_int_equal(exporter__flush(h.exporter, STOP_MS), 0);
	check_account("too large", ACCOUNT_SENT, 7);
	check_account("too large", ACCOUNT_FAILED, 1);
	for (int i = 0; i < 5; i++)
		exporter__push(h.exporter, big_batch(1, slice_of(text, 8 * mib)));
	exporter__stop(h.exporter, STOP_MS);
	check_account("request size", ACCOUNT_SENT, 7 + 5);
	assert_int_equal(h.server->seen_cnt, LEN(requests));
	for (size_t i = 0; i < LEN(requests); i++)
		assert_int_equal(h.server->seen[i].spans_cnt, requests[i]);
	finish(&h);
	free(text);
}

static char *read_file(const char *path)
{
	char *text = calloc(1, 1u << 20);
	FILE *f = fopen(path, "r");

	assert_non_null(f);
	assert_true(fread(text, 1, (1u << 20) - 1, f) < (1u << 20) - 1);
	fclose(f);
	return text;
}

/* Runs f with standard error in a file; what it held. */
static char *capture_stderr(void (*f)(void))
{
	char path[] = "/tmp/sonde-test-XXXXXX";
	int fd = mkstemp(path), saved = dup(STDERR_FILENO);
	char *text;

	assert_true(fd >= 0 && dup2(fd, STDERR_FILENO) >= 0);
	f();
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(fd);
	text = read_file(path);
	unlink(path);
	return text;
}

static void push_three(const struct reply *reply)
{
	struct harness h;

	prepare(&h, reply, 1);
	start(&h);
	exporter__push(h.exporter, small_batch(3));
	exporter__stop(h.exporter, STOP_MS);
	finish(&h);
}

static void be_refused(void)
{
	push_three(&(struct reply)R(400, .body = STATUS_BODY));
}

static void be_too_large(void)
{
	push_three(&(struct reply)R(413));
}

static void reach_nobody(void)
{
	struct harness h;

	prepare(&h, NULL, 0);
	h.options.TRACES.url = "http://user:secret@127.0.0.1:1/v1/traces?key=secret";
	h.options.retry_give_up_ms = 100;
	start(&h);
	exporter__push(h.exporter, small_batch(3));
	exporter__stop(h.exporter, STOP_MS);
	finish(&h);
}

/* What a person is told: once per outage, with what to do; no control characters, no secrets. */
static void test_log(void **state)
{
	char *text = capture_stderr(be_refused);

	(void)state;
	assert_non_null(strstr(text, "refused 3 spans: HTTP status 400: bad  [1m"));
	free(text);
	text = capture_stderr(be_too_large);
	assert_non_null(strstr(text, "refused 3 spans: HTTP status 413; no fewer go at a time: "
				     "raise its limit on the size of requests\n"));
	free(text);
	text = capture_stderr(reach_nobody);
	assert_non_null(strstr(
		text,
		"cannot reach http://127.0.0.1:1/v1/traces: Connection refused; is the Collector listening? will retry"));
	assert_null(strstr(strstr(text, "cannot reach") + 1, "cannot reach"));
	assert_non_null(strstr(text, "gave up on 3 spans"));
	assert_null(strstr(text, "secret"));
	free(text);
}

/* The file is truncated at the start, then gets a line per batch; both sinks count. */
static void test_file(void **state)
{
	char path[] = "/tmp/sonde-test-XXXXXX";
	int fd = mkstemp(path);
	struct harness h;
	char *text, *newline;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 100000), 0); /* what a run before left */
	prepare(&h, NULL, 0);
	h.options.json_path = path;
	start(&h);
	push(&h, 2, 4);
	assert_int_equal(exporter__flush(h.exporter, STOP_MS), 0);
	check_account("file", ACCOUNT_WRITTEN, 8);
	check_account("file", ACCOUNT_SENT, 8);
	text = read_file(path);
	assert_int_equal(lseek(fd, 0, SEEK_END), strlen(text));
	close(fd);
	assert_int_equal(strncmp(text, "{\"resourceSpans\":[", 18), 0);
	newline = strchr(text, '\n');
	assert_non_null(newline);
	assert_int_equal(strncmp(newline + 1, "{\"resourceSpans\":[", 18), 0);
	assert_string_equal(newline + strlen(newline) - 4, "}]}\n");
	free(text);
	unlink(path);
	finish(&h);
}

static void test_file_full(void **state)
{
	struct harness h;

	(void)state;
	prepare(&h, NULL, 0);
	h.options.TRACES.url = NULL;
	h.options.json_path = "/dev/full";
	start(&h);
	exporter__push(h.exporter, small_batch(4));
	exporter__stop(h.exporter, STOP_MS);
	check_account("full", ACCOUNT_FAILED, 4);
	check_account("full", ACCOUNT_WRITTEN, 0);
	finish(&h);
}

/* A disk that is full in the middle of a line: what stays are whole lines. */
static void test_file_cut(void **state)
{
	char path[] = "/tmp/sonde-test-XXXXXX", *text;
	int fd = mkstemp(path);
	struct rlimit old, small;
	struct harness h;

	(void)state;
	assert_true(fd >= 0);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = (struct rlimit){.rlim_cur = 10000, .rlim_max = old.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	prepare(&h, NULL, 0);
	h.options.TRACES.url = NULL;
	h.options.json_path = path;
	start(&h);
	for (int i = 0; i < 5; i++) { /* about 3600 bytes each: two fit */
		exporter__push(h.exporter, small_batch(4));
		assert_int_equal(exporter__flush(h.exporter, STOP_MS), 0);
	}
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	check_account("cut", ACCOUNT_WRITTEN, 8);
	check_account("cut", ACCOUNT_FAILED, 12);
	text = read_file(path);
	assert_int_equal(text[strlen(text) - 1], '\n');
	assert_ptr_equal(strchr(strchr(text, '\n') + 1, '\n'), text + strlen(text) - 1);
	free(text);
	close(fd);
	unlink(path);
	finish(&h);
}

static void test_discard(void **state)
{
	struct harness h;

	(void)state;
	prepare(&h, NULL, 0);
	h.options.disabled = true; /* so the endpoint is not used */
	h.options.discard = true;
	start(&h);
	exporter__push(h.exporter, small_batch(4));
	check_account("discard", ACCOUNT_WRITTEN, 4); /* at once */
	exporter__stop(h.exporter, STOP_MS);
	exporter__push(h.exporter, small_batch(2)); /* too late */
	check_account("discard", ACCOUNT_WRITTEN, 4);
	check_account("discard", ACCOUNT_FAILED, 2);
	assert_int_equal(h.server->seen_cnt, 0);
	assert_int_equal(h.recycled_cnt, 2);
	finish(&h);
}

static void test_bad_options(void **state)
{
	static const struct {
		const char *endpoint, *json_path, *ca_file;
		int error;
	} cases[] = {
		{NULL, NULL, NULL, EINVAL},
		{"", NULL, NULL, EINVAL},
		{"localhost:4318", NULL, NULL, EINVAL},
		{"ftp://localhost/", NULL, NULL, EINVAL},
		{"http://", NULL, NULL, EINVAL},
		{"http://localhost:99999/", NULL, NULL, EINVAL},
		{"https://localhost/", NULL, "/nonexistent/ca.pem", EINVAL},
		{NULL, "/nonexistent/file", NULL, ENOENT},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		struct exporter_options o;

		exporter_options__init(&o);
		o.TRACES.url = cases[i].endpoint;
		o.json_path = cases[i].json_path;
		o.TRACES.ca_file = cases[i].ca_file;
		assert_null(exporter__new(&o));
		assert_int_equal(errno, cases[i].error);
	}
	exporter__free(NULL);
}

/* Several threads push while the exporter sends: every span is accounted for. */
static void *push_many(void *arg)
{
	for (int i = 0; i < 50; i++)
		exporter__push(arg, small_batch(7));
	return NULL;
}

static void test_many_threads(void **state)
{
	pthread_t threads[4];
	struct harness h;

	(void)state;
	prepare(&h, NULL, 0);
	h.options.schedule_delay_ms = 1;
	h.options.queue_max_spans = 700;
	start(&h);
	for (size_t i = 0; i < LEN(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, push_many, h.exporter), 0);
	for (size_t i = 0; i < LEN(threads); i++)
		pthread_join(threads[i], NULL);
	exporter__stop(h.exporter, STOP_MS);
	assert_int_equal(account_get(ACCOUNT_SENT) + account_get(ACCOUNT_LOST_QUEUE), 4 * 50 * 7);
	assert_true(account_get(ACCOUNT_SENT) > 0);
	assert_int_equal(h.recycled_cnt, 200);
	finish(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),	     cmocka_unit_test(test_splitting),
		cmocka_unit_test(test_request),	     cmocka_unit_test(test_kept_alive),
		cmocka_unit_test(test_retry_after),  cmocka_unit_test(test_backoff),
		cmocka_unit_test(test_give_up),	     cmocka_unit_test(test_time_out),
		cmocka_unit_test(test_queue_full),   cmocka_unit_test(test_wait),
		cmocka_unit_test(test_tiny_queue),   cmocka_unit_test(test_batching),
		cmocka_unit_test(test_half_full),    cmocka_unit_test(test_schedule_delay),
		cmocka_unit_test(test_stop_flushes), cmocka_unit_test(test_stop_deadline),
		cmocka_unit_test(test_request_size), cmocka_unit_test(test_log),
		cmocka_unit_test(test_file),	     cmocka_unit_test(test_file_full),
		cmocka_unit_test(test_file_cut),     cmocka_unit_test(test_discard),
		cmocka_unit_test(test_bad_options),  cmocka_unit_test(test_many_threads),
	};

	setenv("no_proxy", "*", 1); /* loopback only, whatever the environment says */
	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: Apache-2.0
/* What `sonde trace` prints for people, compared as text; and what the wire tries. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "user/base/clock.h"
#include "user/cli/trace_view.h"

#define MS 1000000u
#define START_NS 1795212000123000000u /* 2026-11-20 22:00:00.123 UTC */

/* --- spans, and a file in memory -------------------------------------------------------------- */

static struct resource *new_resource(const char *service)
{
	struct attr v[2];
	struct attrs attrs = {.v = v, .cap = 2};
	struct resource *r;

	attrs_add_str(&attrs, SLICE("service.name"), slice_str(service));
	attrs_add_int(&attrs, SLICE("process.pid"), 42);
	r = resource__new(&attrs, 42);
	assert_non_null(r);
	return r;
}

struct plan {
	uint8_t trace, id, parent;
	enum span_kind kind;
	const char *service, *name, *peer;
	int status; /* HTTP; 0: none */
	const char *error;
	uint64_t at_us, took_us;
	int64_t request_sz, response_sz;
	uint32_t links_cnt;
	const char *method; /* sonde.parent.method */
	int candidates_cnt;
};

static void add_span(struct span_batch *batch, const struct plan *plan)
{
	struct resource *resource = new_resource(plan->service);
	struct span *span = span_batch__add(batch, 10, resource);
	bool client = plan->kind == SPAN_CLIENT;
	struct span_link links[2] = {0};

	resource__release(resource);
	span->trace_id.bytes[0] = plan->trace;
	span->span_id.bytes[7] = plan->id;
	span->parent_id.bytes[7] = plan->parent;
	span->kind = plan->kind;
	span->name = slice_str(plan->name);
	span->start_ns = START_NS + plan->at_us * 1000;
	span->end_ns = span->start_ns + plan->took_us * 1000;
	if (plan->peer)
		attrs_add_str(&span->attrs, client ? SLICE("url.full") : SLICE("client.address"),
			      slice_str(plan->peer));
	if (plan->status)
		attrs_add_int(&span->attrs, SLICE("http.response.status_code"), plan->status);
	if (plan->error) {
		span->status = SPAN_STATUS_ERROR;
		attrs_add_str(&span->attrs, SLICE("error.type"), slice_str(plan->error));
	}
	if (plan->request_sz >= 0)
		attrs_add_int(&span->attrs, SLICE("http.request.body.size"), plan->request_sz);
	if (plan->response_sz >= 0)
		attrs_add_int(&span->attrs, SLICE("http.response.body.size"), plan->response_sz);
	if (plan->method)
		attrs_add_str(&span->attrs, SLICE("sonde.parent.method"), slice_str(plan->method));
	if (plan->candidates_cnt)
		attrs_add_int(&span->attrs, SLICE("sonde.parent.candidates"), plan->candidates_cnt);
	assert_true(span__set_links(span, &batch->arena, links, plan->links_cnt));
}

struct screen {
	struct trace_view *view;
	FILE *out;
	char *text;
	size_t text_sz;
};

static void open_screen(struct screen *s, enum view_format format, unsigned int width)
{
	s->out = open_memstream(&s->text, &s->text_sz);
	assert_non_null(s->out);
	s->view = trace_view__new(s->out, format, false, width);
	assert_non_null(s->view);
}

static void close_screen(struct screen *s)
{
	trace_view__free(s->view);
	fclose(s->out);
	free(s->text);
}

static struct span_batch *new_batch(const struct plan *plans, size_t cnt)
{
	struct span_batch *batch = span_batch__new();

	assert_non_null(batch);
	for (size_t i = 0; i < cnt; i++)
		add_span(batch, &plans[i]);
	return batch;
}

static void show(struct screen *s, const struct plan *plans, size_t cnt)
{
	struct span_batch *batch = new_batch(plans, cnt);

	assert_int_equal(trace_view__add(s->view, batch), 0);
	span_batch__free(batch); /* the view must have copied all */
	assert_int_equal(trace_view__finish(s->view), 0);
}

/* Shows plans on a screen of its own and compares all that was written. */
static void expect(const struct plan *plans, size_t cnt, unsigned int width, const char *text)
{
	struct screen s;

	open_screen(&s, VIEW_TEXT, width);
	show(&s, plans, cnt);
	assert_string_equal(s.text, text);
	close_screen(&s);
}

#define CNT(array) (sizeof(array) / sizeof(*(array)))

/* --- text ------------------------------------------------------------------------------------- */

static const struct plan shop[] = {
	/* as they end: the innermost first */
	{.trace = 1,
	 .id = 4,
	 .parent = 3,
	 .kind = SPAN_SERVER,
	 .service = "stock",
	 .name = "GET /items/{id}",
	 .peer = "10.0.0.2",
	 .status = 404,
	 .at_us = 2100,
	 .took_us = 340,
	 .request_sz = 0,
	 .response_sz = 19},
	{.trace = 1,
	 .id = 3,
	 .parent = 2,
	 .kind = SPAN_CLIENT,
	 .service = "shop",
	 .name = "GET",
	 .peer = "http://stock:8080/items/7",
	 .status = 404,
	 .error = "404",
	 .at_us = 2000,
	 .took_us = 500,
	 .request_sz = 0,
	 .response_sz = 19},
	{.trace = 1,
	 .id = 5,
	 .parent = 2,
	 .kind = SPAN_CLIENT,
	 .service = "shop",
	 .name = "POST",
	 .peer = "http://pay/charge",
	 .error = "timeout",
	 .at_us = 3000,
	 .took_us = 12345678,
	 .request_sz = 1234,
	 .response_sz = -1},
	{.trace = 1,
	 .id = 2,
	 .parent = 1,
	 .kind = SPAN_SERVER,
	 .service = "shop",
	 .name = "POST /cart",
	 .peer = "127.0.0.1",
	 .status = 500,
	 .error = "500",
	 .at_us = 1000,
	 .took_us = 12400000,
	 .request_sz = 52,
	 .response_sz = 1048576},
	{.trace = 2,
	 .id = 9,
	 .kind = SPAN_CLIENT,
	 .service = "curl",
	 .name = "GET",
	 .peer = "http://shop/",
	 .status = 200,
	 .at_us = 900,
	 .took_us = 999,
	 .request_sz = 0,
	 .response_sz = 612},
};

static void tree(void **state)
{
	(void)state;
	setenv("LC_ALL", "C.UTF-8", 1);
	expect(shop, CNT(shop), 0,
	       "TIME          STATUS   DURATION  REQUEST RESPONSE  SERVICE           EXCHANGE                                  PEER\n"
	       "22:00:00.124  500       12.4 s     52 B   1.05 MB  shop              ← POST /cart                              127.0.0.1\n"
	       "22:00:00.125  404        500 us     0 B     19 B   shop              ├─ → GET                                  http://stock:8080/items/7\n"
	       "22:00:00.125  404        340 us     0 B     19 B   stock             │  └─ ← GET /items/{id}                   10.0.0.2\n"
	       "22:00:00.126  timeout   12.3 s   1.23 kB      -    shop              └─ → POST                                 http://pay/charge\n"
	       "22:00:00.123  200        999 us     0 B    612 B   curl              → GET                                     http://shop/\n");
}

static void ascii(void **state)
{
	(void)state;
	setenv("LC_ALL", "C", 1);
	expect(shop, CNT(shop), 0,
	       "TIME          STATUS   DURATION  REQUEST RESPONSE  SERVICE           EXCHANGE                                  PEER\n"
	       "22:00:00.124  500       12.4 s     52 B   1.05 MB  shop              <- POST /cart                             127.0.0.1\n"
	       "22:00:00.125  404        500 us     0 B     19 B   shop              |- -> GET                                 http://stock:8080/items/7\n"
	       "22:00:00.125  404        340 us     0 B     19 B   stock             |  `- <- GET /items/{id}                  10.0.0.2\n"
	       "22:00:00.126  timeout   12.3 s   1.23 kB      -    shop              `- -> POST                                http://pay/charge\n"
	       "22:00:00.123  200        999 us     0 B    612 B   curl              -> GET                                    http://shop/\n");
}

static void narrow(void **state)
{
	(void)state;
	setenv("LC_ALL", "C.UTF-8", 1);
	expect(shop, CNT(shop), 80,
	       "TIME          STATUS   DURATION  SERVICE       EXCHANGE            PEER\n"
	       "22:00:00.124  500       12.4 s   shop          ← POST /cart        127.0.0.1\n"
	       "22:00:00.125  404        500 us  shop          ├─ → GET            http://stock…\n"
	       "22:00:00.125  404        340 us  stock         │  └─ ← GET /items/{id}  10.0.0.2\n"
	       "22:00:00.126  timeout   12.3 s   shop          └─ → POST           http://pay/c…\n"
	       "22:00:00.123  200        999 us  curl          → GET               http://shop/\n");
}

static void colours(void **state)
{
	struct screen s;

	(void)state;
	setenv("LC_ALL", "C.UTF-8", 1);
	s.out = open_memstream(&s.text, &s.text_sz);
	s.view = trace_view__new(s.out, VIEW_TEXT, true, 0);
	show(&s, shop, CNT(shop));
	assert_non_null(strstr(s.text, "\033[32m200\033[0m"));
	assert_non_null(strstr(s.text, "\033[33m404\033[0m"));
	assert_non_null(strstr(s.text, "\033[31m500\033[0m"));
	assert_non_null(strstr(s.text, "\033[31mtimeout\033[0m"));
	close_screen(&s);
}

static void strange_values(void **state)
{
	static const struct plan plans[] = {
		{.trace = 1,
		 .id = 1,
		 .kind = SPAN_INTERNAL,
		 .service = "a",
		 .name = "work",
		 .took_us = 999499,
		 .request_sz = -1,
		 .response_sz = -1},
		{.trace = 2,
		 .id = 2,
		 .kind = SPAN_PRODUCER,
		 .links_cnt = 1,
		 .service = "a-service-with-quite-a-name",
		 .name = "send",
		 .peer = "10.0.0.1",
		 .took_us = 1000000,
		 .request_sz = 999,
		 .response_sz = 999499},
		{.trace = 3,
		 .id = 3,
		 .kind = SPAN_CONSUMER,
		 .links_cnt = 2,
		 .service = "",
		 .name = "",
		 .peer = "::1",
		 .error = "connection_reset",
		 .took_us = 100000ull * 1000000,
		 .request_sz = INT64_MAX,
		 .response_sz = 9999},
		{.trace = 4,
		 .id = 4,
		 .parent = 4,
		 .kind = SPAN_SERVER,
		 .service = "self",
		 .name = "own parent",
		 .peer = "@socket",
		 .status = 1000000000,
		 .request_sz = -1,
		 .response_sz = -1},
	};

	(void)state;
	setenv("LC_ALL", "C.UTF-8", 1);
	expect(plans, CNT(plans), 0,
	       "TIME          STATUS   DURATION  REQUEST RESPONSE  SERVICE           EXCHANGE                                  PEER\n"
	       "22:00:00.123  -          999 ms      -        -    a                 • work\n"
	       "22:00:00.123  -         1.00 s    999 B    999 kB  a-service-with-…  » send  1 link\n"
	       "22:00:00.123  connect… 100000 s  9223372 TB 10.0 kB                  «                                         ::1  2 links  connection_reset\n"
	       "22:00:00.123  1000000…  0.00 us      -        -    self              ← own parent                              @socket\n");
}

/* What the wire must not do to a terminal. */
static void injection(void **state)
{
	static const struct plan plans[] = {
		{.trace = 1,
		 .id = 1,
		 .kind = SPAN_CLIENT,
		 .service = "a\033[2J",
		 .name = "GET\r\nfake line\a\b\x7f",
		 .peer = "http://\xc2\x9b"
			 "31m/\xff\xfe/\xe2\x80\xae/caf\xc3\xa9",
		 .status = 200,
		 .request_sz = -1,
		 .response_sz = -1},
	};

	(void)state;
	setenv("LC_ALL", "C.UTF-8", 1);
	expect(plans, CNT(plans), 0,
	       "TIME          STATUS   DURATION  REQUEST RESPONSE  SERVICE           EXCHANGE                                  PEER\n"
	       "22:00:00.123  200       0.00 us      -        -    a\\x1b[2J          → GET\\x0d\\x0afake line\\x07\\x08\\x7f        http://\\x9b31m/\\xff\\xfe/\\u202e/café\n");
	setenv("LC_ALL", "C", 1);
	expect(plans, CNT(plans), 0,
	       "TIME          STATUS   DURATION  REQUEST RESPONSE  SERVICE           EXCHANGE                                  PEER\n"
	       "22:00:00.123  200       0.00 us      -        -    a\\x1b[2J          -> GET\\x0d\\x0afake line\\x07\\x08\\x7f       http://\\x9b31m/\\xff\\xfe/\\u202e/caf?\n");
}

/* Lines are cut by columns, not bytes; a wide character never stands half. */
static void cut(void **state)
{
	static const struct plan plan = {
		.trace = 1,
		.id = 1,
		.kind = SPAN_SERVER,
		.service = "a",
		.name = "日本語日本",
		.request_sz = -1,
		.response_sz = -1,
	};
	static const struct {
		unsigned int width;
		const char *name;
	} cases[] = {
		{.width = 1, .name = NULL},	    {.width = 48, .name = "…"},
		{.width = 49, .name = "←…"},	    {.width = 50, .name = "← …"},
		{.width = 51, .name = "← …"},	    {.width = 52, .name = "← 日…"},
		{.width = 53, .name = "← 日…"},	    {.width = 54, .name = "← 日本…"},
		{.width = 57, .name = "← 日本語…"}, {.width = 59, .name = "← 日本語日本"},
	};

	(void)state;
	setenv("LC_ALL", "C.UTF-8", 1);
	for (size_t i = 0; i < CNT(cases); i++) {
		struct screen s;
		char *line;

		open_screen(&s, VIEW_TEXT, cases[i].width);
		show(&s, &plan, 1);
		line = strchr(s.text, '\n') + 1;
		line[strlen(line) - 1] = '\0';
		assert_string_equal(cases[i].name ? line + 47 : line,
				    cases[i].name ? cases[i].name : "…");
		close_screen(&s);
	}
}

static void copy_bounds(void **state)
{
	static char name[1000], url[1000] = "http://a/";
	struct plan plan = {.trace = 1,
			    .id = 1,
			    .kind = SPAN_CLIENT,
			    .service = name,
			    .name = name,
			    .peer = url,
			    .error = name,
			    .request_sz = -1,
			    .response_sz = -1};
	struct screen s;

	(void)state;
	setenv("LC_ALL", "C.UTF-8", 1);
	for (size_t shift = 0; shift < 4; shift++) {
		memset(name, 'x', shift);
		for (size_t i = shift; i + 4 < sizeof(name); i += 3)
			memcpy(name + i, "\xe6\x97\xa5", 4);
		memset(url + 9, 'u', 900);
		open_screen(&s, VIEW_TEXT, 0);
		show(&s, &plan, 1);
		assert_null(strstr(s.text, "\\x")); /* no character was split */
		assert_non_null(strstr(s.text, "uuu…"));
		close_screen(&s);
	}
}

/* --- holding ---------------------------------------------------------------------------------- */

static size_t lines_of(const struct screen *s)
{
	size_t cnt = 0;

	for (size_t i = 0; i < s->text_sz; i++)
		cnt += s->text[i] == '\n';
	return cnt;
}

static void holding(void **state)
{
	struct span_batch *first = new_batch(shop, 3), *second = new_batch(shop + 3, 2);
	uint64_t before_ns, after_ns;
	struct screen s;

	(void)state;
	open_screen(&s, VIEW_TEXT, 0);
	assert_int_equal(lines_of(&s), 1); /* the header is there at once */
	before_ns = clock_mono_ns();
	assert_int_equal(trace_view__add(s.view, first), 0);
	after_ns = clock_mono_ns();
	assert_int_equal(trace_view__tick(s.view, 0), 0);
	assert_int_equal(trace_view__tick(s.view, before_ns + TRACE_VIEW_HOLD_NS - 1), 0);
	assert_int_equal(lines_of(&s), 1);
	usleep(1000);
	assert_int_equal(trace_view__add(s.view, second), 0);
	/* The first trace is due with all its spans; the second, begun later, is not. */
	assert_int_equal(trace_view__tick(s.view, after_ns + TRACE_VIEW_HOLD_NS), 0);
	assert_int_equal(lines_of(&s), 5);
	assert_int_equal(trace_view__tick(s.view, clock_mono_ns() + TRACE_VIEW_HOLD_NS), 0);
	assert_int_equal(lines_of(&s), 6);
	assert_int_equal(trace_view__finish(s.view), 0);
	assert_int_equal(lines_of(&s), 6);
	close_screen(&s);
	span_batch__free(first);
	span_batch__free(second);
}

/* Rows, and with them the spans that were counted instead of shown. */
static size_t spans_of(const struct screen *s)
{
	size_t cnt = lines_of(s) - 1;
	unsigned int more;

	for (const char *at = s->text; (at = strstr(at, "… ")) != NULL; at++) {
		assert_int_equal(sscanf(at, "… %u more span", &more), 1);
		cnt += more - 1;
	}
	return cnt;
}

/* Far more spans than are held, in traces of different sizes: each is shown or counted, once. */
static void overflow(void **state)
{
	static const unsigned int trace_sizes[] = {1, 7, TRACE_VIEW_SPANS_MAX, 5000};

	(void)state;
	setenv("LC_ALL", "C.UTF-8", 1);
	for (size_t t = 0; t < CNT(trace_sizes); t++) {
		struct span_batch *batch = span_batch__new();
		struct resource *resource = new_resource("a");
		struct screen s;
		uint64_t n = 0;

		open_screen(&s, VIEW_TEXT, 0);
		while (n < 2 * TRACE_VIEW_HELD_MAX) {
			span_batch__reset(batch);
			for (int i = 0; i < SPAN_BATCH_MAX; i++, n++) {
				struct span *span = span_batch__add(batch, 0, resource);
				uint64_t trace = n / trace_sizes[t], parent = n * 7 % 1000;

				memcpy(span->trace_id.bytes, &trace, 8);
				memcpy(span->span_id.bytes, &n, 8);
				memcpy(span->parent_id.bytes, &parent, 8);
				span->start_ns = START_NS + n * 7919 % 1000 * 1000;
				span->kind = SPAN_SERVER;
			}
			assert_int_equal(trace_view__add(s.view, batch), 0);
		}
		assert_int_equal(trace_view__finish(s.view), 0);
		assert_int_equal(spans_of(&s), n);
		close_screen(&s);
		span_batch__free(batch);
		resource__release(resource);
	}
}

/* Parents in a ring, spans with the same id, a chain deeper than is indented: all shown, once. */
static void odd_trees(void **state)
{
	struct plan plans[64];
	struct screen s;

	(void)state;
	for (int shape = 0; shape < 4; shape++) {
		for (int i = 0; i < 64; i++) {
			plans[i] = (struct plan){.trace = 1,
						 .id = (uint8_t)(i + 1),
						 .kind = SPAN_SERVER,
						 .service = "a",
						 .name = "x",
						 .at_us = (uint64_t)(i * 37 % 64) * 1000,
						 .request_sz = -1,
						 .response_sz = -1};
			plans[i].parent = (uint8_t)(shape == 0 ? (i + 1) % 64 + 1
							       : (shape == 1 ? i : (i ^ 1) + 1));
			if (shape == 3)
				plans[i].id = plans[i].parent = 1;
		}
		open_screen(&s, VIEW_TEXT, 0);
		show(&s, plans, 64);
		assert_int_equal(lines_of(&s), 65);
		close_screen(&s);
	}
}

/* --- a trace of several hops ------------------------------------------------------------------ */

/* curl -> nginx -> app, which asks two databases one after the other and logs when all is over. */
static const struct plan hops[] = {
	{.trace = 1,
	 .id = 1,
	 .kind = SPAN_CLIENT,
	 .service = "curl",
	 .name = "GET",
	 .peer = "http://127.0.0.1:8080/items/7",
	 .status = 200,
	 .method = "none",
	 .took_us = 10000,
	 .request_sz = -1,
	 .response_sz = -1},
	{.trace = 1,
	 .id = 2,
	 .parent = 1,
	 .kind = SPAN_SERVER,
	 .service = "nginx",
	 .name = "GET /items/{id}",
	 .peer = "127.0.0.1",
	 .status = 200,
	 .method = "socket",
	 .at_us = 100,
	 .took_us = 9800,
	 .request_sz = -1,
	 .response_sz = -1},
	{.trace = 1,
	 .id = 3,
	 .parent = 2,
	 .kind = SPAN_CLIENT,
	 .service = "app",
	 .name = "SELECT items",
	 .method = "task",
	 .at_us = 1000,
	 .took_us = 6000,
	 .request_sz = -1,
	 .response_sz = -1},
	{.trace = 1,
	 .id = 4,
	 .parent = 2,
	 .kind = SPAN_CLIENT,
	 .service = "app",
	 .name = "GET",
	 .error = "WRONGTYPE",
	 .method = "task",
	 .at_us = 2000,
	 .took_us = 500,
	 .request_sz = -1,
	 .response_sz = -1},
	{.trace = 1,
	 .id = 5,
	 .parent = 2,
	 .kind = SPAN_CLIENT,
	 .service = "app",
	 .name = "INSERT log",
	 .method = "goroutine",
	 .at_us = 9000,
	 .took_us = 1000,
	 .request_sz = -1,
	 .response_sz = -1},
	{.trace = 2,
	 .id = 9,
	 .kind = SPAN_CLIENT,
	 .service = "app",
	 .name = "PING",
	 .method = "ambiguous",
	 .candidates_cnt = 3,
	 .at_us = 50000,
	 .took_us = 100,
	 .request_sz = -1,
	 .response_sz = -1},
};

static void waterfall(void **state)
{
	(void)state;
	setenv("LC_ALL", "C.UTF-8", 1);
	expect(hops, CNT(hops), 120,
	       "TIME          STATUS   DURATION  SERVICE       EXCHANGE                    PEER                 WATERFALL\n"
	       "22:00:00.123  200       10.0 ms* curl          → GET                       http://127.0.0.1:8…  ████████████████████████\n"
	       "22:00:00.123  200       9.80 ms* nginx         └─ ← GET /items/{id}        127.0.0.1            ███████████████████████▊\n"
	       "22:00:00.124  -         6.00 ms* app              ├─ → SELECT items                               ██████████████▊\n"
	       "22:00:00.125  WRONGTY…   500 us  app              ├─ → GET  WRONGTYPE                               ░░\n"
	       "22:00:00.132  -         1.00 ms  app              └─ → INSERT log  async                                             ░░░\n"
	       "22:00:00.173  -          100 us  app           → PING  parent undecided (1 of 3)\n");
	setenv("LC_ALL", "C", 1);
	expect(hops, CNT(hops), 100,
	       "TIME          STATUS   DURATION  SERVICE       EXCHANGE             PEER            WATERFALL\n"
	       "22:00:00.123  200       10.0 ms* curl          -> GET               http://127.0.~  ################\n"
	       "22:00:00.123  200       9.80 ms* nginx         `- <- GET /items/{id}  127.0.0.1     ################\n"
	       "22:00:00.124  -         6.00 ms* app              |- -> SELECT items                 ###########\n"
	       "22:00:00.125  WRONGTY~   500 us  app              |- -> GET  WRONGTYPE                 -\n"
	       "22:00:00.132  -         1.00 ms  app              `- -> INSERT log  async                         --\n"
	       "22:00:00.173  -          100 us  app           -> PING  parent undecided (1 of 3)\n");
}

/* Without a terminal: no bars, the same marks. */
static void marks(void **state)
{
	(void)state;
	setenv("LC_ALL", "C", 1);
	expect(hops, CNT(hops), 0,
	       "TIME          STATUS   DURATION  REQUEST RESPONSE  SERVICE           EXCHANGE                                  PEER\n"
	       "22:00:00.123  200       10.0 ms*     -        -    curl              -> GET                                    http://127.0.0.1:8080/items/7\n"
	       "22:00:00.123  200       9.80 ms*     -        -    nginx             `- <- GET /items/{id}                     127.0.0.1\n"
	       "22:00:00.124  -         6.00 ms*     -        -    app                  |- -> SELECT items\n"
	       "22:00:00.125  WRONGTY~   500 us      -        -    app                  |- -> GET  WRONGTYPE\n"
	       "22:00:00.132  -         1.00 ms      -        -    app                  `- -> INSERT log  async\n"
	       "22:00:00.173  -          100 us      -        -    app               -> PING  parent undecided (1 of 3)\n");
}

/* A call waits for the request that it was made for; but not for one elsewhere, and not for ever. */
static void waiting(void **state)
{
	struct plan call = hops[2], request = hops[1];
	struct span_batch *first, *second;
	uint64_t before_ns, after_ns;
	struct screen s;

	(void)state;
	request.method = "header";
	first = new_batch(&call, 1);
	second = new_batch(&request, 1);
	for (int late = 0; late < 2; late++) {
		open_screen(&s, VIEW_TEXT, 0);
		before_ns = clock_mono_ns();
		assert_int_equal(trace_view__add(s.view, first), 0);
		after_ns = clock_mono_ns();
		trace_view__tick(s.view, after_ns + TRACE_VIEW_HOLD_NS);
		trace_view__tick(s.view, before_ns + TRACE_VIEW_WAIT_NS - 1);
		assert_int_equal(lines_of(&s), 1);
		if (late)
			trace_view__tick(s.view, after_ns + TRACE_VIEW_WAIT_NS);
		assert_int_equal(lines_of(&s), late ? 2 : 1);
		assert_int_equal(trace_view__add(s.view, second), 0);
		trace_view__tick(s.view, clock_mono_ns() + TRACE_VIEW_HOLD_NS);
		assert_int_equal(lines_of(&s), 3);
		assert_int_equal(!late, strstr(s.text, "- -> SELECT") != NULL);
		close_screen(&s);
	}
	span_batch__free(first);
	span_batch__free(second);
}

/* --- errors ----------------------------------------------------------------------------------- */

static void broken_pipe(void **state)
{
	struct span_batch *batch = new_batch(shop, CNT(shop));

	(void)state;
	for (int format = VIEW_TEXT; format <= VIEW_JSON; format++) {
		struct trace_view *view;
		int ends[2];
		FILE *out;

		assert_int_equal(pipe(ends), 0);
		close(ends[0]);
		out = fdopen(ends[1], "w");
		view = trace_view__new(out, (enum view_format)format, false, 0);
		assert_non_null(view);
		trace_view__add(view, batch);
		assert_int_equal(trace_view__finish(view), -EPIPE);
		assert_int_equal(trace_view__add(view, batch), -EPIPE);
		assert_int_equal(trace_view__tick(view, UINT64_MAX), -EPIPE);
		trace_view__free(view);
		fclose(out);
	}
	trace_view__free(NULL);
	span_batch__free(batch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tree),
		cmocka_unit_test(ascii),
		cmocka_unit_test(narrow),
		cmocka_unit_test(colours),
		cmocka_unit_test(strange_values),
		cmocka_unit_test(injection),
		cmocka_unit_test(cut),
		cmocka_unit_test(copy_bounds),
		cmocka_unit_test(holding),
		cmocka_unit_test(overflow),
		cmocka_unit_test(odd_trees),
		cmocka_unit_test(waterfall),
		cmocka_unit_test(marks),
		cmocka_unit_test(waiting),
		cmocka_unit_test(broken_pipe),
	};

	setenv("TZ", "UTC", 1);
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

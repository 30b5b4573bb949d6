// SPDX-License-Identifier: Apache-2.0
/* Spans from JSON lines of both forms, and what is wrong in a file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "user/cli/span_read.h"

#define IDS "\"traceId\":\"0102030405060708090a0b0c0d0e0f10\",\"spanId\":\"1112131415161718\""
#define TIMES \
	"\"startTimeUnixNano\":\"1795212000000000000\",\"endTimeUnixNano\":1795212000000000005"

static void check(void *ctx, const struct span *span)
{
	const struct attr *port = attrs_get(&span->attrs, SLICE("server.port"));

	assert_int_equal(span->trace_id.bytes[15], 0x10);
	assert_int_equal(span->span_id.bytes[0], 0x11);
	assert_int_equal(span->parent_id.bytes[7], 0x28);
	assert_int_equal(span->kind, SPAN_CLIENT);
	assert_int_equal(span->status, SPAN_STATUS_ERROR);
	assert_int_equal(span->end_ns - span->start_ns, 5);
	assert_true(slice_eq(span->name, SLICE("GET /\0x")));
	assert_true(slice_eq(span->resource->service_name, SLICE("shop")));
	assert_non_null(port);
	assert_int_equal(port->num, 8080);
	assert_true(slice_eq(attrs_get(&span->attrs, SLICE("db.system.name"))->str, SLICE("é")));
	(*(int *)ctx)++;
}

static struct span_reading read_text(const char *text, int *cnt)
{
	struct span_reading reading = {.take = check, .ctx = cnt};
	FILE *in = fmemopen((void *)text, strlen(text) ?: 1, "r");

	*cnt = 0;
	assert_int_equal(span_read(in, &reading), 0);
	fclose(in);
	return reading;
}

#define FLAT                                                                                  \
	"{" IDS ",\"parentSpanId\":\"2122232425262728\",\"name\":\"GET /\\u0000x\","          \
	"\"kind\":\"CLIENT\"," TIMES ",\"status\":\"ERROR\",\"attributes\":{\"server.port\":" \
	"8080,\"db.system.name\":\"é\",\"list\":[1],\"real\":1.5,\"no\":null},\"resource\":" \
	"{\"service.name\":\"shop\"}}"
#define OTLP_SPAN                                                                             \
	"{" IDS                                                                               \
	",\"parentSpanId\":\"2122232425262728\",\"name\":\"GET /\\u0000x\",\"kind\":3," TIMES \
	",\"attributes\":[{\"key\":\"server.port\",\"value\":{\"intValue\":\"8080\"}},"       \
	"{\"key\":\"db.system.name\",\"value\":{\"stringValue\":\"é\"}},{\"key\":\"b\","     \
	"\"value\":{\"boolValue\":true}},{}],\"status\":{\"code\":2}}"
#define OTLP                                                                             \
	"{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\","  \
	"\"value\":{\"stringValue\":\"shop\"}}]},\"scopeSpans\":[{\"spans\":[" OTLP_SPAN \
	"," OTLP_SPAN "]}]}]}"

static void forms(void **state)
{
	struct span_reading reading;
	int cnt;

	(void)state;
	reading = read_text(FLAT "\n" OTLP "\r\n\n  \n" FLAT, &cnt);
	assert_int_equal(cnt, 4);
	assert_int_equal(reading.spans_cnt, 4);
	assert_int_equal(reading.bad_lines_cnt + reading.bad_spans_cnt, 0);
	assert_int_equal(reading.lines_cnt, 5);
	read_text("", &cnt);
	assert_int_equal(cnt, 0);
}

/* A bad line costs itself, and the first one is told. */
static void bad(void **state)
{
	static const struct {
		const char *line, *why;
		int lines, spans;
	} cases[] = {
		{"{", "line 2: ", 1, 0},
		{"[]", "line 2: neither", 1, 0},
		{"\033[2J", "line 2: '[' or '{' expected near '?'", 1, 0},
		{"[\xc2\x9b]", "line 2: invalid token near '?", 1, 0},
		{"{\"a\":1}", "line 2: neither", 1, 0},
		{"\xff\xfe", "line 2: ", 1, 0},
		{"{\"traceId\":7}", "line 2: a span without ids or times", 0, 1},
		{"{" IDS "}", "line 2: a span without", 0, 1},
		{"{\"traceId\":\"0102030405060708090a0b0c0d0e0fzz\"}", "line 2: a span", 0, 1},
		{"{" IDS ",\"parentSpanId\":\"12\"," TIMES "}", "line 2: a span without", 0, 1},
		{"{" IDS ",\"startTimeUnixNano\":-1,\"endTimeUnixNano\":1}", "line 2: a span", 0,
		 1},
		{"{\"resourceSpans\":[1,{\"scopeSpans\":[7,{\"spans\":[{}]}]}]}", "line 2: a span",
		 0, 1},
		{"{\"resourceSpans\":{}}", "line 2: neither", 1, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char text[4096];
		struct span_reading reading;
		int cnt;

		snprintf(text, sizeof(text), FLAT "\n%s\n" FLAT "\n", cases[i].line);
		reading = read_text(text, &cnt);
		assert_int_equal(cnt, 2);
		assert_int_equal(reading.bad_lines_cnt, cases[i].lines);
		assert_int_equal(reading.bad_spans_cnt, cases[i].spans);
		assert_int_equal(strncmp(reading.why, cases[i].why, strlen(cases[i].why)), 0);
	}
}

static void ignore(void *ctx, const struct span *span)
{
	(void)ctx;
	(void)span;
}

/* Every prefix of a good line is refused or taken, and harms nothing. */
static void prefixes(void **state)
{
	(void)state;
	for (size_t n = 1; n < strlen(OTLP); n++) {
		struct span_reading reading = {.take = ignore};
		char *exact = malloc(n);
		FILE *in;

		memcpy(exact, OTLP, n);
		in = fmemopen(exact, n, "r");
		assert_int_equal(span_read(in, &reading), 0);
		assert_int_equal(reading.bad_lines_cnt, 1);
		fclose(in);
		free(exact);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forms),
		cmocka_unit_test(bad),
		cmocka_unit_test(prefixes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: Apache-2.0
/* JSON text: strings that are not UTF-8, every type of value, spans as `sonde trace --json`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jansson.h>

#include "user/cli/json.h"
#include "user/cli/trace_view.h"
#include "user/cli/utf8.h"

#define CNT(array) (sizeof(array) / sizeof(*(array)))
#define FFFD "\xef\xbf\xbd"

static void strings(void **state)
{
	static const struct {
		struct slice in, out;
	} cases[] = {
		{.in = SLICE(""), .out = SLICE("")},
		{.in = SLICE("a\"b\\c/"), .out = SLICE("a\\\"b\\\\c/")},
		{.in = SLICE("\b\t\n\v\f\r"), .out = SLICE("\\b\\t\\n\\u000b\\f\\r")},
		{.in = SLICE("\0\x1f\x7f\033"), .out = SLICE("\\u0000\\u001f\\u007f\\u001b")},
		{.in = SLICE("é日😀"), .out = SLICE("é日😀")},
		{.in = SLICE("\xff"), .out = SLICE(FFFD)},
		{.in = SLICE("a\xc3"), .out = SLICE("a" FFFD)},
		{.in = SLICE("\xc3("), .out = SLICE(FFFD "(")},
		{.in = SLICE("\xe6\x97"), .out = SLICE(FFFD FFFD)},
		{.in = SLICE("\x80"), .out = SLICE(FFFD)},
		{.in = SLICE("\xc0\xaf"), .out = SLICE(FFFD FFFD)},
		{.in = SLICE("\xe0\x80\xaf"), .out = SLICE(FFFD FFFD FFFD)},
		{.in = SLICE("\xed\xa0\x80"), .out = SLICE(FFFD FFFD FFFD)},
		{.in = SLICE("\xf4\x90\x80\x80"), .out = SLICE(FFFD FFFD FFFD FFFD)},
		{.in = SLICE("\xf5\x80\x80\x80"), .out = SLICE(FFFD FFFD FFFD FFFD)},
		{.in = SLICE("\xf4\x8f\xbf\xbf"), .out = SLICE("\xf4\x8f\xbf\xbf")},
	};

	(void)state;
	for (size_t i = 0; i < CNT(cases); i++) {
		size_t n = cases[i].in.n;
		char *exact = malloc(n ? n : 1);
		struct json json;

		json__init(&json, 1 << 20);
		memcpy(exact, cases[i].in.p, n);
		json_put_string(&json, slice_of(exact, n));
		assert_false(json.failed);
		assert_int_equal(json.n, cases[i].out.n + 2);
		assert_memory_equal(json.p + 1, cases[i].out.p, cases[i].out.n);
		json__free(&json);
		free(exact);
	}
}

/* Every code point, by jansson's opinion of what is UTF-8. */
static void all_characters(void **state)
{
	struct json json;

	(void)state;
	json__init(&json, 1 << 20);
	for (uint32_t code = 1; code < 0x110000; code++) {
		char bytes[4];
		size_t n = 0;
		uint32_t back = 0;
		bool surrogate = code >= 0xd800 && code <= 0xdfff;

		if (code < 0x80) {
			bytes[n++] = (char)code;
		} else if (code < 0x800) {
			bytes[n++] = (char)(0xc0 | code >> 6);
		} else if (code < 0x10000) {
			bytes[n++] = (char)(0xe0 | code >> 12);
			bytes[n++] = (char)(0x80 | (code >> 6 & 0x3f));
		} else {
			bytes[n++] = (char)(0xf0 | code >> 18);
			bytes[n++] = (char)(0x80 | (code >> 12 & 0x3f));
			bytes[n++] = (char)(0x80 | (code >> 6 & 0x3f));
		}
		if (code >= 0x80)
			bytes[n++] = (char)(0x80 | (code & 0x3f));
		assert_int_equal(utf8_decode(slice_of(bytes, n), &back), surrogate ? 0 : n);
		assert_true(surrogate || back == code);
		json__reset(&json);
		json_put_string(&json, slice_of(bytes, n));
		if (code >= 0x80 && !surrogate)
			assert_memory_equal(json.p + 1, bytes, n);
	}
	json__free(&json);
}

static void bounds(void **state)
{
	static char big[100000];
	struct json json;

	(void)state;
	memset(big, 'x', sizeof(big));
	json__init(&json, 1000);
	json_put_string(&json, slice_of(big, 166)); /* 166 * 6 + 2 */
	assert_false(json.failed);
	json_put_string(&json, slice_of(big, 160));
	assert_true(json.failed);
	json_put(&json, SLICE("x"));
	assert_int_equal(json.n, 168);
	json__reset(&json);
	json_put(&json, slice_of(big, 1000));
	assert_false(json.failed);
	json_put(&json, SLICE("x"));
	assert_true(json.failed);
	json__reset(&json);
	json_put_string(&json, slice_of(big, SIZE_MAX / 2));
	assert_true(json.failed);
	json__free(&json);
	json__init(&json, 1 << 20);
	for (int i = 0; i < 10; i++)
		json_put(&json, slice_of(big, sizeof(big)));
	assert_int_equal(json.n, 10 * sizeof(big));
	assert_false(json.failed);
	json__free(&json);
}

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

static void add_span(struct span_batch *batch, struct resource *resource)
{
	static const struct slice items[] = {SLICE("a"), SLICE("\"")};
	struct span *span = span_batch__add(batch, 10, resource);

	memset(span->trace_id.bytes, 0xab, 16);
	memset(span->span_id.bytes, 0x01, 8);
	span->kind = SPAN_CLIENT;
	span->status = SPAN_STATUS_ERROR;
	span->name = SLICE("GET");
	span->start_ns = 1795212000123000000u;
	span->end_ns = UINT64_MAX;
	attrs_add_str(&span->attrs, SLICE("url.full"), SLICE("http://a/\xff"));
	attrs_add_int(&span->attrs, SLICE("http.response.status_code"), 404);
	attrs_add(&span->attrs, SLICE("yes"), ATTR_BOOL)->num = 1;
	attrs_add(&span->attrs, SLICE("no"), ATTR_BOOL)->num = 0;
	attrs_add(&span->attrs, SLICE("real"), ATTR_DOUBLE)->real = 0.5;
	attrs_add(&span->attrs, SLICE("nan"), ATTR_DOUBLE)->real = __builtin_nan("");
	attrs_add(&span->attrs, SLICE("inf"), ATTR_DOUBLE)->real = -__builtin_inf();
	attrs_add_int(&span->attrs, SLICE("least"), INT64_MIN);
	attrs_add_strs(&span->attrs, SLICE("items"), items, 2);
	attrs_add_strs(&span->attrs, SLICE("none"), items, 0);
}

static void spans(void **state)
{
	static const char common[] =
		"{\"traceId\":\"abababababababababababababababab\",\"spanId\":\"0101010101010101\","
		"\"parentSpanId\":\"%s\",\"name\":\"GET\",\"kind\":\"CLIENT\","
		"\"startTimeUnixNano\":\"1795212000123000000\","
		"\"endTimeUnixNano\":\"18446744073709551615\",\"status\":\"ERROR\","
		"\"attributes\":{\"url.full\":\"http://a/" FFFD "\","
		"\"http.response.status_code\":404,\"yes\":true,\"no\":false,\"real\":0.5,"
		"\"nan\":\"NaN\",\"inf\":\"-Infinity\",\"least\":-9223372036854775808,"
		"\"items\":[\"a\",\"\\\"\"],\"none\":[]},"
		"\"resource\":{\"service.name\":\"shop\",\"process.pid\":42}}\n";
	struct resource *resource = new_resource("shop");
	struct span_batch *batch = span_batch__new();
	char want[2048], *text;
	struct trace_view *view;
	size_t text_sz;
	FILE *out;
	int n;

	(void)state;
	add_span(batch, resource);
	add_span(batch, resource);
	batch->spans[1].parent_id.bytes[7] = 2;
	n = snprintf(want, sizeof(want), common, "");
	snprintf(want + n, sizeof(want) - (size_t)n, common, "0000000000000002");
	out = open_memstream(&text, &text_sz);
	view = trace_view__new(out, VIEW_JSON, true, 80);
	assert_int_equal(trace_view__add(view, batch), 0);
	assert_string_equal(text, want); /* at once; no header, colours or cuts */
	assert_int_equal(trace_view__finish(view), 0);
	assert_string_equal(text, want);
	trace_view__free(view);
	fclose(out);
	free(text);
	span_batch__free(batch);
	resource__release(resource);
}

/* More resources than are kept as text; each line must still name its own, and parse. */
static void many_resources(void **state)
{
	struct span_batch *batch = span_batch__new();
	struct trace_view *view;
	char name[32], *text, *line;
	size_t text_sz;
	FILE *out;

	(void)state;
	out = open_memstream(&text, &text_sz);
	view = trace_view__new(out, VIEW_JSON, false, 0);
	for (int i = 0; i < SPAN_BATCH_MAX; i++) {
		struct resource *resource;

		snprintf(name, sizeof(name), "service-%d", i);
		resource = new_resource(name);
		add_span(batch, resource);
		resource__release(resource);
	}
	for (int round = 0; round < 2; round++)
		assert_int_equal(trace_view__add(view, batch), 0);
	line = text;
	for (int i = 0; i < 2 * SPAN_BATCH_MAX; i++) {
		char *end = strchr(line, '\n');
		json_t *object =
			json_loadb(line, (size_t)(end - line), JSON_REJECT_DUPLICATES, NULL);

		assert_non_null(object);
		snprintf(name, sizeof(name), "service-%d", i % SPAN_BATCH_MAX);
		assert_string_equal(json_string_value(json_object_get(
					    json_object_get(object, "resource"), "service.name")),
				    name);
		json_decref(object);
		line = end + 1;
	}
	assert_int_equal(*line, '\0');
	trace_view__free(view);
	fclose(out);
	free(text);
	span_batch__free(batch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strings),	  cmocka_unit_test(all_characters),
		cmocka_unit_test(bounds),	  cmocka_unit_test(spans),
		cmocka_unit_test(many_resources),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

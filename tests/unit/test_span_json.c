// SPDX-License-Identifier: Apache-2.0
/* Spans as `sonde trace --json`: every type of value, and resources that are many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jansson.h>

#include "user/cli/trace_view.h"

#define FFFD "\xef\xbf\xbd"

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
	static const struct span_link links[] = {{{"\xcd"}, {"\x02"}, 0}, {{"\xef"}, {"\x03"}, 1}};
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
	assert_true(span__set_links(span, &batch->arena, links, batch->cnt == 2 ? 2 : 0));
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
		"\"items\":[\"a\",\"\\\"\"],\"none\":[]},%s"
		"\"resource\":{\"service.name\":\"shop\",\"process.pid\":42}}\n";
	static const char links[] = "\"links\":[{\"traceId\":\"cd000000000000000000000000000000\","
				    "\"spanId\":\"0200000000000000\"},"
				    "{\"traceId\":\"ef000000000000000000000000000000\","
				    "\"spanId\":\"0300000000000000\"}],";
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
	n = snprintf(want, sizeof(want), common, "", "");
	snprintf(want + n, sizeof(want) - (size_t)n, common, "0000000000000002", links);
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
		cmocka_unit_test(spans),
		cmocka_unit_test(many_resources),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

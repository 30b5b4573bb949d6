// SPDX-License-Identifier: Apache-2.0
/* Spans as OTLP/JSON, read back by jansson and compared; one line as the Collector writes it. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/export_spans.h"

#include "user/export/otlp_encode.h"
#include "user/export/otlp_json.h"

static json_t *parse(struct slice line)
{
	json_error_t error;
	json_t *root;

	assert_true(line.n > 0 && line.p[line.n - 1] == '\n');
	assert_null(memchr(line.p, '\n', line.n - 1));
	root = json_loadb(line.p, line.n, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &error);
	if (!root)
		fail_msg("%s at %d", error.text, error.position);
	return root;
}

static void check_text(const json_t *got, struct slice raw)
{
	struct slice want = clean(raw);

	if (!got) { /* a default is left out */
		assert_int_equal(want.n, 0);
		return;
	}
	assert_true(json_is_string(got));
	assert_int_equal(json_string_length(got), want.n);
	assert_memory_equal(json_string_value(got), want.p, want.n);
}

static void check_hex(const json_t *got, const uint8_t *bytes, size_t n)
{
	const char *text = json_string_value(got);
	char want[33];

	for (size_t i = 0; i < n; i++)
		snprintf(want + 2 * i, 3, "%02x", bytes[i]);
	assert_non_null(text);
	assert_string_equal(text, want);
}

static void check_u64(const json_t *got, uint64_t want)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)want);
	if (want)
		assert_string_equal(json_string_value(got), text);
	else
		assert_null(got);
}

/* A JSON number, left out when 0. */
static void check_number(const json_t *got, uint64_t want)
{
	if (want)
		assert_true(json_is_integer(got) && (uint64_t)json_integer_value(got) == want);
	else
		assert_null(got);
}

static void check_int(const json_t *got, int64_t want)
{
	char text[32];

	snprintf(text, sizeof(text), "%lld", (long long)want);
	assert_string_equal(json_string_value(got), text);
}

static void check_strings(const json_t *got, const struct attr *want)
{
	const json_t *values = json_object_get(got, "values");

	assert_true(json_is_object(got));
	assert_int_equal(json_array_size(values), want->items_cnt);
	for (uint32_t i = 0; i < want->items_cnt; i++)
		check_text(json_object_get(json_array_get(values, i), "stringValue"),
			   want->items[i]);
}

static void check_value(const json_t *value, const struct attr *want)
{
	static const char *const members[] = {
		[ATTR_STRING] = "stringValue", [ATTR_INT] = "intValue",
		[ATTR_BOOL] = "boolValue",     [ATTR_DOUBLE] = "doubleValue",
		[ATTR_STRINGS] = "arrayValue",
	};
	const json_t *got = json_object_get(value, members[want->type]);

	assert_non_null(got);
	assert_int_equal(json_object_size(value), 1);
	switch (want->type) {
	case ATTR_STRING:
		check_text(got, want->str);
		break;
	case ATTR_INT:
		check_int(got, want->num);
		break;
	case ATTR_BOOL:
		assert_true(json_is_boolean(got));
		assert_int_equal(json_is_true(got), want->num);
		break;
	case ATTR_DOUBLE:
		assert_true(json_number_value(got) == want->real);
		break;
	case ATTR_STRINGS:
		check_strings(got, want);
		break;
	}
}

static void check_attrs(const json_t *object, const struct attrs *want)
{
	const json_t *list = json_object_get(object, "attributes");

	assert_int_equal(json_array_size(list), want->cnt);
	for (uint16_t i = 0; i < want->cnt; i++) {
		const json_t *attr = json_array_get(list, i);

		check_text(json_object_get(attr, "key"), want->v[i].key);
		check_value(json_object_get(attr, "value"), &want->v[i]);
	}
	check_number(json_object_get(object, "droppedAttributesCount"), want->dropped_cnt);
}

static void check_links(const json_t *got, const struct span *want)
{
	assert_int_equal(json_array_size(got), want->links_cnt);
	for (uint32_t i = 0; i < want->links_cnt; i++) {
		const json_t *link = json_array_get(got, i);

		check_hex(json_object_get(link, "traceId"), want->links[i].trace_id.bytes, 16);
		check_hex(json_object_get(link, "spanId"), want->links[i].span_id.bytes, 8);
		check_number(json_object_get(link, "flags"), want->links[i].flags);
	}
}

static void check_span(const json_t *got, const struct span *want)
{
	bool root = memcmp(want->parent_id.bytes, &(struct span_id){0}, 8) == 0;

	check_hex(json_object_get(got, "traceId"), want->trace_id.bytes, 16);
	check_hex(json_object_get(got, "spanId"), want->span_id.bytes, 8);
	if (root)
		assert_null(json_object_get(got, "parentSpanId"));
	else
		check_hex(json_object_get(got, "parentSpanId"), want->parent_id.bytes, 8);
	check_text(json_object_get(got, "traceState"), want->trace_state);
	check_text(json_object_get(got, "name"), want->name);
	check_number(json_object_get(got, "flags"), want->flags);
	check_number(json_object_get(got, "kind"), want->kind);
	check_u64(json_object_get(got, "startTimeUnixNano"), want->start_ns);
	check_u64(json_object_get(got, "endTimeUnixNano"), want->end_ns);
	check_attrs(got, &want->attrs);
	check_links(json_object_get(got, "links"), want);
	assert_true(json_is_object(json_object_get(got, "status")));
	check_number(json_object_get(json_object_get(got, "status"), "code"), want->status);
}

static void check_group(const json_t *got, const struct span_group *want)
{
	const json_t *scopes = json_object_get(got, "scopeSpans");
	const json_t *scope = json_array_get(scopes, 0), *spans = json_object_get(scope, "spans");

	check_attrs(json_object_get(got, "resource"), &want->resource->attrs);
	check_text(json_object_get(got, "schemaUrl"), SLICE(OTLP_SCHEMA_URL));
	assert_int_equal(json_array_size(scopes), 1);
	check_text(json_object_get(scope, "schemaUrl"), SLICE(OTLP_SCHEMA_URL));
	check_text(json_object_get(json_object_get(scope, "scope"), "name"), SLICE("sonde"));
	check_text(json_object_get(json_object_get(scope, "scope"), "version"), SLICE("1.2.3"));
	assert_int_equal(json_array_size(spans), want->cnt);
	for (uint32_t i = 0; i < want->cnt; i++)
		check_span(json_array_get(spans, i), want->spans[i]);
}

static void test_read_back(void **state)
{
	struct span_batch *b = make_batch();
	struct span_groups groups;
	struct json_writer j;

	(void)state;
	json_writer__init(&j, OTLP_JSON_MAX_SZ);
	group_batch(&groups, b);
	for (int again = 0; again < 2; again++) {
		const json_t *list;
		json_t *root;

		assert_int_equal(otlp_json_encode(&j, &groups, "1.2.3"), 0);
		root = parse(json_writer__text(&j));
		list = json_object_get(root, "resourceSpans");
		assert_int_equal(json_object_size(root), 1);
		assert_int_equal(json_array_size(list), groups.cnt);
		for (uint32_t i = 0; i < groups.cnt; i++)
			check_group(json_array_get(list, i), &groups.v[i]);
		json_decref(root);
	}
	span_groups__free(&groups);
	json_writer__free(&j);
	span_batch__free(b);
}

/* The Collector's file exporter (v0.159) wrote this line for these spans; so do we. */
static void test_as_the_collector(void **state)
{
	/* clang-format off */
	static const char want[] =
		"{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"service.n"
		"ame\",\"value\":{\"stringValue\":\"orders\"}},{\"key\":\"process.pid\","
		"\"value\":{\"intValue\":\"4711\"}},{\"key\":\"process.command_args\","
		"\"value\":{\"arrayValue\":{\"values\":[{\"stringValue\":\"/bin/x\"},"
		"{\"stringValue\":\"--y\xEF\xBF\xBD\"}]}}}]},"
		"\"scopeSpans\":[{\"scope\":{\"name\":\"sonde\",\"version\":\"1.2.3\"},"
		"\"spans\":[{\"traceId\":\"01000000000000000000000000000000\","
		"\"spanId\":\"0100000000000000\",\"status\":{}},"
		"{\"traceId\":\"0123456789abcdef0000000000000000\","
		"\"spanId\":\"fedcba9876543210\",\"traceState\":\"a=b\","
		"\"parentSpanId\":\"0000000000000001\",\"flags\":257,"
		"\"name\":\"GET /\xC3\xBC?\\\"\\\\\\n\\t\\u0001\xEF\xBF\xBD\",\"kind\":3,"
		"\"startTimeUnixNano\":\"1790000000123456789\","
		"\"endTimeUnixNano\":\"18446744073709551615\","
		"\"attributes\":[{\"key\":\"empty\",\"value\":{\"stringValue\":\"\"}},"
		"{\"key\":\"zero\",\"value\":{\"intValue\":\"0\"}},{\"key\":\"least\","
		"\"value\":{\"intValue\":\"-9223372036854775808\"}},{\"key\":\"no\","
		"\"value\":{\"boolValue\":false}},{\"key\":\"tenth\","
		"\"value\":{\"doubleValue\":0.1}},{\"key\":\"huge\","
		"\"value\":{\"doubleValue\":1e+300}},{\"key\":\"infinite\","
		"\"value\":{\"doubleValue\":\"-Infinity\"}},{\"key\":\"list\","
		"\"value\":{\"arrayValue\":{\"values\":[{\"stringValue\":\"x\"},"
		"{\"stringValue\":\"\"}]}}},{\"key\":\"none\","
		"\"value\":{\"arrayValue\":{}}}],\"droppedAttributesCount\":3,"
		"\"links\":[{\"traceId\":\"01230000000000000000000000000000\","
		"\"spanId\":\"fffe000000000000\",\"flags\":769},"
		"{\"traceId\":\"45670000000000000000000000000000\","
		"\"spanId\":\"fdfc000000000000\"}],"
		"\"status\":{\"code\":2}}],"
		"\"schemaUrl\":\"https://opentelemetry.io/schemas/1.44.0\"}],"
		"\"schemaUrl\":\"https://opentelemetry.io/schemas/1.44.0\"}]}" "\n";
	/* clang-format on */
	struct span_batch *b = span_batch__new();
	struct resource *r = make_resource("orders", 4711);
	struct span_groups groups;
	struct json_writer j;

	(void)state;
	assert_non_null(span_batch__add(b, 0, r));
	b->spans[0].trace_id.bytes[0] = b->spans[0].span_id.bytes[0] = 1;
	add_plain_span(b, r);
	group_batch(&groups, b);
	json_writer__init(&j, OTLP_JSON_MAX_SZ);
	assert_int_equal(otlp_json_encode(&j, &groups, "1.2.3"), 0);
	assert_int_equal(j.len, sizeof(want) - 1);
	assert_memory_equal(j.buf, want, j.len);
	json_writer__free(&j);
	span_groups__free(&groups);
	span_batch__free(b);
	resource__release(r);
}

/* Every maximum below what the line needs is refused; the exact one is enough. */
static void test_maximum(void **state)
{
	struct resource *r = make_resource("a", 7);
	struct span_batch *b = span_batch__new();
	struct span_groups groups;
	struct json_writer j;
	size_t need;

	(void)state;
	add_plain_span(b, r);
	group_batch(&groups, b);
	json_writer__init(&j, OTLP_JSON_MAX_SZ);
	assert_int_equal(otlp_json_encode(&j, &groups, "1.2.3"), 0);
	need = j.len;
	json_writer__free(&j);
	for (size_t max = 0; max <= need; max++) {
		json_writer__init(&j, max);
		assert_int_equal(otlp_json_encode(&j, &groups, "1.2.3"),
				 max < need ? -EMSGSIZE : 0);
		assert_true(j.cap <= max);
		json_writer__free(&j);
	}
	span_groups__free(&groups);
	span_batch__free(b);
	resource__release(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read_back),
		cmocka_unit_test(test_as_the_collector),
		cmocka_unit_test(test_maximum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: Apache-2.0
/* Spans through our wire writer and back through protobuf-c, compared field by field. */
#include <errno.h>
#include <stdlib.h>

#include "tests/unit/export_spans.h"

#include "build/proto/trace_service.pb-c.h"
#include "user/export/otlp_encode.h"

typedef Opentelemetry__Proto__Collector__Trace__V1__ExportTraceServiceRequest Request;
typedef Opentelemetry__Proto__Trace__V1__ResourceSpans ResourceSpans;
typedef Opentelemetry__Proto__Trace__V1__ScopeSpans ScopeSpans;
typedef Opentelemetry__Proto__Trace__V1__Span Span;
typedef Opentelemetry__Proto__Common__V1__KeyValue KeyValue;
typedef Opentelemetry__Proto__Common__V1__AnyValue AnyValue;

#define VALUE(name) OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_##name

static Request *unpack(struct slice bytes)
{
	Request *request =
		opentelemetry__proto__collector__trace__v1__export_trace_service_request__unpack(
			NULL, bytes.n, (const uint8_t *)bytes.p);

	assert_non_null(request);
	return request;
}

static void release(Request *request)
{
	opentelemetry__proto__collector__trace__v1__export_trace_service_request__free_unpacked(
		request, NULL);
}

/* protobuf-c ends strings with a NUL and does not say how long they are: compare up to that. */
static void check_text(const char *got, struct slice raw)
{
	struct slice want = clean(raw);

	assert_memory_equal(got, want.p, strnlen(want.p, want.n));
	assert_int_equal(strlen(got), strnlen(want.p, want.n));
}

static void check_strings(const Opentelemetry__Proto__Common__V1__ArrayValue *got,
			  const struct attr *want)
{
	assert_int_equal(got->n_values, want->items_cnt);
	for (uint32_t i = 0; i < want->items_cnt; i++) {
		assert_int_equal(got->values[i]->value_case, VALUE(STRING_VALUE));
		check_text(got->values[i]->string_value, want->items[i]);
	}
}

static void check_value(const AnyValue *got, const struct attr *want)
{
	static const int cases[] = {
		[ATTR_STRING] = VALUE(STRING_VALUE), [ATTR_INT] = VALUE(INT_VALUE),
		[ATTR_BOOL] = VALUE(BOOL_VALUE),     [ATTR_DOUBLE] = VALUE(DOUBLE_VALUE),
		[ATTR_STRINGS] = VALUE(ARRAY_VALUE),
	};

	assert_int_equal(got->value_case, cases[want->type]);
	switch (want->type) {
	case ATTR_STRING:
		check_text(got->string_value, want->str);
		break;
	case ATTR_INT:
		assert_true(got->int_value == want->num);
		break;
	case ATTR_BOOL:
		assert_int_equal(got->bool_value, want->num);
		break;
	case ATTR_DOUBLE:
		assert_memory_equal(&got->double_value, &want->real, sizeof(double));
		break;
	case ATTR_STRINGS:
		check_strings(got->array_value, want);
		break;
	}
}

static void check_attrs(KeyValue *const *got, size_t got_cnt, const struct attrs *want)
{
	assert_int_equal(got_cnt, want->cnt);
	for (uint16_t i = 0; i < want->cnt; i++) {
		check_text(got[i]->key, want->v[i].key);
		check_value(got[i]->value, &want->v[i]);
	}
}

static void check_link(const Opentelemetry__Proto__Trace__V1__Span__Link *got,
		       const struct span_link *want)
{
	assert_int_equal(got->trace_id.len, 16);
	assert_memory_equal(got->trace_id.data, want->trace_id.bytes, 16);
	assert_int_equal(got->span_id.len, 8);
	assert_memory_equal(got->span_id.data, want->span_id.bytes, 8);
	assert_int_equal(got->flags, want->flags);
	assert_int_equal(got->n_attributes + got->dropped_attributes_count, 0);
}

static void check_span(const Span *got, const struct span *want)
{
	bool root = memcmp(want->parent_id.bytes, &(struct span_id){0}, 8) == 0;

	assert_int_equal(got->trace_id.len, 16);
	assert_memory_equal(got->trace_id.data, want->trace_id.bytes, 16);
	assert_int_equal(got->span_id.len, 8);
	assert_memory_equal(got->span_id.data, want->span_id.bytes, 8);
	assert_int_equal(got->parent_span_id.len, root ? 0 : 8);
	if (!root)
		assert_memory_equal(got->parent_span_id.data, want->parent_id.bytes, 8);
	check_text(got->trace_state, want->trace_state);
	check_text(got->name, want->name);
	assert_int_equal(got->flags, want->flags);
	assert_int_equal(got->kind, want->kind);
	assert_true(got->start_time_unix_nano == want->start_ns);
	assert_true(got->end_time_unix_nano == want->end_ns);
	assert_int_equal(got->dropped_attributes_count, want->attrs.dropped_cnt);
	assert_int_equal(got->status ? got->status->code : 0, want->status);
	check_attrs(got->attributes, got->n_attributes, &want->attrs);
	assert_int_equal(got->n_events, 0);
	assert_int_equal(got->n_links, want->links_cnt);
	for (uint32_t i = 0; i < want->links_cnt; i++)
		check_link(got->links[i], &want->links[i]);
}

static void check_group(const ResourceSpans *got, const struct span_group *want)
{
	const ScopeSpans *scope = got->scope_spans[0];

	assert_int_equal(got->n_scope_spans, 1);
	assert_string_equal(got->schema_url, OTLP_SCHEMA_URL);
	assert_string_equal(scope->schema_url, OTLP_SCHEMA_URL);
	assert_string_equal(scope->scope->name, "sonde");
	assert_string_equal(scope->scope->version, "1.2.3");
	check_attrs(got->resource->attributes, got->resource->n_attributes, &want->resource->attrs);
	assert_int_equal(got->resource->dropped_attributes_count,
			 want->resource->attrs.dropped_cnt);
	assert_int_equal(scope->n_spans, want->cnt);
	for (uint32_t i = 0; i < want->cnt; i++)
		check_span(scope->spans[i], want->spans[i]);
}

static void check_request(struct slice bytes, const struct span_groups *groups)
{
	Request *request = unpack(bytes);

	assert_int_equal(request->n_resource_spans, groups->cnt);
	for (uint32_t i = 0; i < groups->cnt; i++)
		check_group(request->resource_spans[i], &groups->v[i]);
	release(request);
}

static void test_round_trip(void **state)
{
	struct span_batch *b = make_batch();
	struct span_groups groups;
	struct pb_writer w;

	(void)state;
	pb_writer__init(&w, OTLP_REQUEST_MAX_SZ);
	group_batch(&groups, b);
	assert_int_equal(groups.cnt, 2);
	for (int again = 0; again < 2; again++) { /* the writer is used again */
		assert_int_equal(otlp_encode(&w, &groups, "1.2.3"), 0);
		check_request(pb_writer__bytes(&w), &groups);
	}
	span_groups__free(&groups);
	pb_writer__free(&w);
	span_batch__free(b);
}

/* Requests one after the other are one request with the groups of all. */
static void test_concatenation(void **state)
{
	struct span_batch *b = make_batch();
	struct span_groups groups;
	struct slice bytes;
	struct pb_writer w;
	Request *request;
	char *both;

	(void)state;
	pb_writer__init(&w, OTLP_REQUEST_MAX_SZ);
	group_batch(&groups, b);
	assert_int_equal(otlp_encode(&w, &groups, "1.2.3"), 0);
	bytes = pb_writer__bytes(&w);
	both = malloc(2 * bytes.n);
	memcpy(both, bytes.p, bytes.n);
	memcpy(both + bytes.n, bytes.p, bytes.n);
	request = unpack(slice_of(both, 2 * bytes.n));
	assert_int_equal(request->n_resource_spans, 2 * groups.cnt);
	for (uint32_t i = 0; i < 2 * groups.cnt; i++)
		check_group(request->resource_spans[i], &groups.v[i % groups.cnt]);
	release(request);
	free(both);
	span_groups__free(&groups);
	pb_writer__free(&w);
	span_batch__free(b);
}

/* Text with a NUL inside, which protobuf-c cannot show: look for its bytes. */
static void test_nul_in_text(void **state)
{
	static const char want[] = "\x0A\x11nul\0in the middle"; /* field 1, 17 bytes */
	struct span_batch *b = make_batch();
	struct span_groups groups;
	struct slice bytes;
	struct pb_writer w;

	(void)state;
	pb_writer__init(&w, OTLP_REQUEST_MAX_SZ);
	group_batch(&groups, b);
	assert_int_equal(otlp_encode(&w, &groups, "1.2.3"), 0);
	bytes = pb_writer__bytes(&w);
	assert_non_null(memmem(bytes.p, bytes.n, want, sizeof(want) - 1));
	span_groups__free(&groups);
	pb_writer__free(&w);
	span_batch__free(b);
}

/* protobuf-c's own encoding of the same message is the same to the byte: ours is the shortest. */
static void test_canonical(void **state)
{
	struct resource *r = make_resource("a", 7);
	struct span_batch *b = span_batch__new();
	struct span_groups groups;
	struct pb_writer w;
	struct slice bytes;
	Request *request;
	uint8_t *packed;

	(void)state;
	add_full_span(b, r, SLICE("no NUL"));
	/* All but the texts: we do not leave out an empty key, protobuf-c cuts text at a NUL. */
	b->spans[0].attrs.v += LEN(texts);
	b->spans[0].attrs.cnt = 14;
	pb_writer__init(&w, OTLP_REQUEST_MAX_SZ);
	group_batch(&groups, b);
	assert_int_equal(otlp_encode(&w, &groups, "1.2.3"), 0);
	bytes = pb_writer__bytes(&w);
	request = unpack(bytes);
	packed = malloc(bytes.n + 1024);
	assert_int_equal(
		opentelemetry__proto__collector__trace__v1__export_trace_service_request__pack(
			request, packed),
		bytes.n);
	assert_memory_equal(packed, bytes.p, bytes.n);
	free(packed);
	release(request);
	span_groups__free(&groups);
	pb_writer__free(&w);
	span_batch__free(b);
	resource__release(r);
}

static void check_length(struct slice text)
{
	struct resource *r = make_resource("a", 7);
	struct span_batch *b = span_batch__new();
	struct span_groups groups;
	struct pb_writer w;

	pb_writer__init(&w, OTLP_REQUEST_MAX_SZ);
	add_full_span(b, r, text);
	group_batch(&groups, b);
	assert_int_equal(otlp_encode(&w, &groups, "1.2.3"), 0);
	check_request(pb_writer__bytes(&w), &groups);
	span_groups__free(&groups);
	pb_writer__free(&w);
	span_batch__free(b);
	resource__release(r);
}

/* Lengths around each size of their own encoding. */
static void test_lengths(void **state)
{
	static const size_t lengths[] = {8191,	  16383,   16384,   65536,
					 2097151, 2097152, 2097153, 5000000};
	char *text = malloc(5000000);

	(void)state;
	memset(text, 'x', 5000000);
	for (size_t n = 1; n < 140; n++)
		check_length(slice_of(text, n));
	for (size_t i = 0; i < LEN(lengths); i++)
		check_length(slice_of(text, lengths[i]));
	free(text);
}

/* Every maximum below what the request needs is refused, and nothing is written beyond it. */
static void test_maximum(void **state)
{
	struct resource *r = make_resource("a", 7);
	struct span_batch *b = span_batch__new();
	struct span_groups groups;
	struct pb_writer w;
	size_t need, max, at;

	(void)state;
	add_full_span(b, r, texts[8].raw);
	group_batch(&groups, b);
	pb_writer__init(&w, OTLP_REQUEST_MAX_SZ);
	assert_int_equal(otlp_encode(&w, &groups, "1.2.3"), 0);
	need = pb_writer__bytes(&w).n;
	pb_writer__free(&w);
	for (max = 0; max < need; max++) {
		pb_writer__init(&w, max);
		assert_int_equal(otlp_encode(&w, &groups, "1.2.3"), -EMSGSIZE);
		assert_true(w.cap <= max);
		pb_writer__free(&w);
	}
	at = need + 2 * PB_VARINT_MAX; /* room is asked for the longest header */
	pb_writer__init(&w, at);
	assert_int_equal(otlp_encode(&w, &groups, "1.2.3"), 0);
	check_request(pb_writer__bytes(&w), &groups);
	pb_writer__free(&w);
	span_groups__free(&groups);
	span_batch__free(b);
	resource__release(r);
}

static void test_no_spans(void **state)
{
	struct span_groups groups;
	struct pb_writer w;

	(void)state;
	pb_writer__init(&w, OTLP_REQUEST_MAX_SZ);
	assert_int_equal(span_groups__init(&groups, 1), 0);
	span_groups__set(&groups, NULL, 0);
	assert_int_equal(otlp_encode(&w, &groups, "1.2.3"), 0);
	assert_int_equal(pb_writer__bytes(&w).n, 0);
	span_groups__free(&groups);
	pb_writer__free(&w);
}

/* Many resources, in an order that repeats: groups in order of first sight, spans in order. */
static void test_grouping(void **state)
{
	enum {
		SPANS = SPAN_BATCH_MAX,
		RESOURCES = SPANS / 2 + 5 /* no multiple of 5, see below */
	};
	struct span_batch *b = span_batch__new();
	struct resource *r[RESOURCES];
	struct span_groups groups;
	uint32_t total = 0;

	(void)state;
	for (uint32_t i = 0; i < RESOURCES; i++)
		r[i] = make_resource("a", i);
	for (uint32_t i = 0; i < SPANS; i++)
		span_batch__add(b, 0, r[i * 5 % RESOURCES])->start_ns = i;
	group_batch(&groups, b);
	assert_int_equal(groups.cnt, RESOURCES);
	for (uint32_t i = 0; i < groups.cnt; i++) {
		const struct span_group *group = &groups.v[i];

		assert_ptr_equal(group->resource, r[i * 5 % RESOURCES]);
		assert_int_equal(group->cnt, i + RESOURCES < SPANS ? 2 : 1);
		for (uint32_t k = 0; k < group->cnt; k++)
			assert_int_equal(group->spans[k]->start_ns, i + k * RESOURCES);
		total += group->cnt;
	}
	assert_int_equal(total, SPANS);
	span_groups__free(&groups);
	span_batch__free(b);
	for (uint32_t i = 0; i < RESOURCES; i++)
		resource__release(r[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),  cmocka_unit_test(test_concatenation),
		cmocka_unit_test(test_nul_in_text), cmocka_unit_test(test_canonical),
		cmocka_unit_test(test_lengths),	    cmocka_unit_test(test_maximum),
		cmocka_unit_test(test_no_spans),    cmocka_unit_test(test_grouping),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

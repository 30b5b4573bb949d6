// SPDX-License-Identifier: Apache-2.0
/* Programs that export spans of their own: what of ours is marked as left out, and whose child the rest is. */
#include "tests/unit/flow_rig.h"

#define CNT(array) (sizeof(array) / sizeof(*(array)))
#define GET(path) "GET " path " HTTP/1.1\r\nHost: app\r\n\r\n"
#define HEADER "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"
#define TRACED(path) "GET " path " HTTP/1.1\r\nHost: app\r\n" HEADER "\r\n"
#define EXPORT_OF(path, type, agent)                                             \
	"POST " path " HTTP/1.1\r\nUser-Agent: " agent "\r\nContent-Type: " type \
	"\r\nContent-Length: 0\r\n\r\n"
#define EXPORT EXPORT_OF("/v1/traces", "application/x-protobuf", "OTel-OTLP-Exporter-Python/1")
#define OK_EMPTY "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
#define NOT_FOUND "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"

/* A service that asks others, and brings its spans somewhere: all of one process. */
struct service {
	struct rig *rig;
	struct end in, out, export;
};

static struct service service_new(enum flow_leave_out leave_out)
{
	struct flow_options options = {.leave_out = leave_out};
	struct service s = {.rig = rig_new(&options)};

	s.in = end_new(s.rig, ROLE_SERVER);
	s.out = end_new(s.rig, ROLE_CLIENT);
	s.export = end_new(s.rig, ROLE_CLIENT);
	s.out.process_id = s.export.process_id = s.in.process_id;
	return s;
}

static void call(struct end *end, const char *request, const char *response)
{
	ask(end, request);
	answer(end, response);
	rig_wait(end->rig, 200 * MS);
}

/* Says of each kind of exchange whether it is left out: I(n), I with a header, O(ut), O with a header. */
static void check(struct service *s, const char *want)
{
	char got[8] = "";
	uint32_t before = s->rig->spans_cnt;

	call(&s->in, GET("/in"), OK_EMPTY);
	call(&s->in, TRACED("/in"), OK_EMPTY);
	call(&s->out, GET("/out"), OK_EMPTY);
	call(&s->out, TRACED("/out"), OK_EMPTY);
	assert_int_equal(s->rig->spans_cnt, before + 4);
	for (int i = 0; i < 4; i++)
		got[i] = s->rig->spans[before + (uint32_t)i].left_out ? "IiOo"[i] : '.';
	assert_string_equal(got, want);
}

static void test_left_out(void **state)
{
	static const struct {
		enum flow_leave_out leave_out;
		const char *want;
	} cases[] = {
		{FLOW_LEAVE_OUT_NONE, "...."},
		{FLOW_LEAVE_OUT_REQUESTS, "Ii.o"},
		{FLOW_LEAVE_OUT_ALL, "IiOo"},
	};

	(void)state;
	for (size_t i = 0; i < CNT(cases); i++) {
		struct service s = service_new(cases[i].leave_out);

		check(&s, "....");
		call(&s.export, EXPORT, OK_EMPTY);
		assert_false(s.rig->spans[4].left_out);
		check(&s, cases[i].want);
		rig_finish(s.rig);
	}
}

/* The SDK has no spans of a trace that is sampled out. */
static void test_sampled_out(void **state)
{
	static const char unsampled[] =
		"GET / HTTP/1.1\r\ntraceparent: "
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00\r\n\r\n";
	struct service s = service_new(FLOW_LEAVE_OUT_REQUESTS);

	(void)state;
	call(&s.export, EXPORT, OK_EMPTY);
	call(&s.in, unsampled, OK_EMPTY);
	call(&s.out, unsampled, OK_EMPTY);
	assert_false(s.rig->spans[1].left_out);
	assert_false(s.rig->spans[2].left_out);
	check(&s, "Ii.o");
	rig_finish(s.rig);
}

/* What brings spans, and is it taken? */
static void test_exports(void **state)
{
	static const struct {
		const char *request, *response;
		bool exports;
	} cases[] = {
		{EXPORT, OK_EMPTY, true},
		{EXPORT_OF("/otlp/v1/traces", "application/json; charset=utf-8", "x"), OK_EMPTY,
		 true},
		{EXPORT, NOT_FOUND, false},
		{EXPORT_OF("/v1/traces", "text/plain", "x"), OK_EMPTY, false},
		{EXPORT_OF("/v1/traces/1", "application/json", "x"), OK_EMPTY, false},
		{EXPORT_OF("/v1/metrics", "application/x-protobuf", "x"), OK_EMPTY, false},
		{EXPORT_OF("/v1/traces", "application/x-protobuf", "sonde/0.1.0"), OK_EMPTY, false},
		{"GET /v1/traces HTTP/1.1\r\nContent-Type: application/json\r\n\r\n", OK_EMPTY,
		 false},
		{"POST /v1/traces HTTP/1.1\r\nContent-Length: 0\r\n\r\n", OK_EMPTY, false},
	};

	(void)state;
	for (size_t i = 0; i < CNT(cases); i++) {
		struct service s = service_new(FLOW_LEAVE_OUT_REQUESTS);

		call(&s.export, cases[i].request, cases[i].response);
		check(&s, cases[i].exports ? "Ii.o" : "....");
		rig_finish(s.rig);
	}
}

/* Who is brought spans passes them on: before it was seen to, it was taken for one that makes them. */
static void test_relay(void **state)
{
	struct service s = service_new(FLOW_LEAVE_OUT_ALL);

	(void)state;
	call(&s.export, EXPORT, OK_EMPTY);
	check(&s, "IiOo");
	call(&s.in, EXPORT, OK_EMPTY);
	check(&s, "....");
	call(&s.export, EXPORT, OK_EMPTY);
	check(&s, "....");
	rig_finish(s.rig);
}

/* Other processes, also of the same row of the table, are nobody's business. */
static void test_others(void **state)
{
	struct service s = service_new(FLOW_LEAVE_OUT_ALL);
	uint32_t exporter = s.in.process_id;

	(void)state;
	call(&s.export, EXPORT, OK_EMPTY);
	s.in.process_id = s.out.process_id = exporter + 4096;
	check(&s, "....");
	s.export.process_id = exporter + 4096;
	call(&s.export, EXPORT, OK_EMPTY);
	check(&s, "IiOo");
	s.in.process_id = s.out.process_id = exporter;
	check(&s, "....");
	rig_finish(s.rig);
}

/* What the service asks without a header is sent for what it received last. */
static void ask_for(struct service *s, const char *text, size_t n)
{
	struct record_cause record = {
		.head = {.size = sizeof(record), .kind = RECORD_CAUSE, .flags = CAUSE_TASK},
		.cookie = s->out.about.cookie,
		.off = s->out.tx_off,
		.len = (uint32_t)strlen(text),
		.request_cookie = s->in.about.cookie,
		.request_off = s->in.rx_off - n,
		.request_len = (uint32_t)n,
	};

	if (!s->out.announced)
		announce(&s->out);
	flow__record(s->rig->flow, &record.head);
	ask(&s->out, text);
}

/* The parent that is left out is nobody's parent: its own is, or none, in the same trace. */
static void test_children(void **state)
{
	static const uint8_t caller[8] = {0xb7, 0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31};
	static const struct {
		const char *request, *method;
		bool answered_first;
	} cases[] = {
		{TRACED("/in"), "task", false},
		{TRACED("/in"), "task", true},
		{GET("/in"), "none", false},
		{GET("/in"), "none", true},
	};

	(void)state;
	for (size_t i = 0; i < CNT(cases); i++) {
		struct service s = service_new(FLOW_LEAVE_OUT_REQUESTS);
		const struct seen *in, *out;

		call(&s.export, EXPORT, OK_EMPTY);
		ask(&s.in, cases[i].request);
		ask_for(&s, GET("/out"), strlen(cases[i].request));
		answer(cases[i].answered_first ? &s.in : &s.out, OK_EMPTY);
		rig_wait(s.rig, 200 * MS);
		answer(cases[i].answered_first ? &s.out : &s.in, OK_EMPTY);
		rig_wait(s.rig, 200 * MS);
		in = span_of(s.rig, SPAN_SERVER, 0);
		out = span_of(s.rig, SPAN_CLIENT, 1);
		assert_true(in->left_out);
		assert_false(out->left_out);
		assert_string_equal(out->path, "http://app/out");
		assert_string_equal(out->method, cases[i].method);
		assert_memory_equal(&out->trace_id, &in->trace_id, 16);
		assert_memory_equal(&out->parent_id, &in->parent_id, 8);
		if (strcmp(cases[i].method, "task") == 0)
			assert_memory_equal(&out->parent_id, caller, 8);
		rig_finish(s.rig);
	}
}

/* Those that are left out leave the batch, with their references; the others stay in order. */
static void test_batch(void **state)
{
	static const uint64_t kept[] = {1, 2, 5};
	struct resource *resource = rig_new_resource("service", 1);
	struct span_batch *batch = span_batch__new();

	(void)state;
	assert_non_null(batch);
	for (uint64_t i = 0; i < 7; i++) {
		struct span *span = span_batch__add(batch, 1, resource);

		assert_non_null(span);
		span->start_ns = i;
		span->left_out = i == 0 || i == 3 || i == 4 || i == 6;
	}
	assert_int_equal(span_batch__leave_out(batch), 4);
	assert_int_equal(batch->cnt, 3);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(batch->spans[i].start_ns, kept[i]);
	assert_int_equal(resource->refs, 4);
	assert_int_equal(span_batch__leave_out(batch), 0);
	span_batch__free(batch);
	assert_int_equal(resource->refs, 1);
	resource__release(resource);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_left_out), cmocka_unit_test(test_sampled_out),
		cmocka_unit_test(test_exports),	 cmocka_unit_test(test_relay),
		cmocka_unit_test(test_others),	 cmocka_unit_test(test_children),
		cmocka_unit_test(test_batch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

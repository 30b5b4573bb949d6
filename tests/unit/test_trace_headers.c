// SPDX-License-Identifier: Apache-2.0
/* Headers that name a span, of every format: right, wrong, cut, and several at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/trace_text.h"

#define CNT(array) (sizeof(array) / sizeof(*(array)))
#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define UPPER_TRACE "0AF7651916CD43DD8448EB211C80319C"
#define HALF "8448eb211c80319c"
#define SPAN "b7ad6b7169203331"
#define NONE "0000000000000000"
#define WHOLE "00-" TRACE "-" SPAN
#define PADDED "00-" NONE HALF "-" SPAN
#define XRAY_ROOT "1-0af76519-16cd43dd8448eb211c80319c"
/* The same in decimal. */
#define DD_TRACE "9532127138774266268"
#define DD_SPAN "13235353014750950193"
#define DD_TID "_dd.p.tid=0af7651916cd43dd"

#define PAIRS_MAX 8

/* Headers of a message, and how its parent reads; NULL: there is none. */
struct wanted {
	const char *headers[PAIRS_MAX][2];
	const char *format, *parent, *state;
};

/* Exactly as much memory as the text needs. */
static struct slice exact(const char *text)
{
	size_t n = strlen(text);
	char *copy = malloc(n ? n : 1);

	memcpy(copy, text, n);
	return slice_of(copy, n);
}

static void check(const struct wanted *w)
{
	struct trace_headers h = {.seen = 0};
	struct slice values[PAIRS_MAX] = {0}, state, format;
	struct trace_parent parent;
	char text[TRACE_TEXT_SZ];

	for (size_t i = 0; i < PAIRS_MAX && w->headers[i][0]; i++) {
		values[i] = exact(w->headers[i][1]);
		trace_headers__take(&h, slice_str(w->headers[i][0]), values[i]);
	}
	parent = trace_headers__read(&h, &state);
	format = trace_format_name((enum trace_format)parent.format);
	if (!slice_eq(format, slice_str(w->format)) ||
	    (w->format && !slice_eq(trace_text(&parent, text), slice_str(w->parent))))
		fail_msg("%s: %s ...: %.*s %s", w->headers[0][0], w->headers[0][1], (int)format.n,
			 format.p, text);
	assert_true(slice_eq(state, slice_str(w->state)));
	for (size_t i = 0; i < PAIRS_MAX; i++)
		free((char *)values[i].p);
}

#define CHECK_ALL(cases)                        \
	for (size_t i = 0; i < CNT(cases); i++) \
	check(&cases[i])

/* --- W3C -------------------------------------------------------------------------------------- */

static void traceparents(void **state)
{
	static const struct {
		const char *text;
		bool valid;
		uint8_t flags;
	} cases[] = {
		{"00-" TRACE "-" SPAN "-00", true, 0},
		{"00-" TRACE "-" SPAN "-01", true, 1},
		{"00-" TRACE "-" SPAN "-03", true, 3},
		{"00-" TRACE "-" SPAN "-ff", true, 3},
		{" 00-" TRACE "-" SPAN "-01\t", true, 1},
		{"01-" TRACE "-" SPAN "-01", true, 1},
		{"cc-" TRACE "-" SPAN "-01-what-comes", true, 1},
		{"cc-" TRACE "-" SPAN "-01-", true, 1},
		{"cc-" TRACE "-" SPAN "-01.what", false, 0},
		{"cc-" TRACE "-" SPAN "-011", false, 0},
		{"00-" TRACE "-" SPAN "-01-", false, 0},
		{"00-" TRACE "-" SPAN "-01-x", false, 0},
		{"00-" TRACE "-" SPAN "-011", false, 0},
		{"00-" TRACE "-" SPAN "-0", false, 0},
		{"00-" TRACE "-" SPAN "-0g", false, 0},
		{"00-" TRACE "-" SPAN "-0A", false, 0},
		{"ff-" TRACE "-" SPAN "-01", false, 0},
		{"0F-" TRACE "-" SPAN "-01", false, 0},
		{"00-00000000000000000000000000000000-" SPAN "-01", false, 0},
		{"00-" TRACE "-0000000000000000-01", false, 0},
		{"00-" UPPER_TRACE "-" SPAN "-01", false, 0},
		{"00-" TRACE "-B7AD6B7169203331-01", false, 0},
		{"00-" TRACE "-" SPAN "_01", false, 0},
		{"00_" TRACE "-" SPAN "-01", false, 0},
		{"00-" TRACE "x" SPAN "-01", false, 0},
		{"00-.af7651916cd43dd8448eb211c80319c-" SPAN "-01", false, 0},
		{"", false, 0},
	};

	(void)state;
	for (size_t i = 0; i < CNT(cases); i++) {
		struct slice value = exact(cases[i].text);
		struct trace_parent parent = traceparent_read(value);
		char text[TRACE_TEXT_SZ];

		if ((parent.format == TRACE_W3C) != cases[i].valid)
			fail_msg("%s", cases[i].text);
		assert_int_equal(parent.flags, cases[i].flags);
		if (cases[i].valid)
			assert_memory_equal(trace_text(&parent, text).p, WHOLE, sizeof(WHOLE) - 1);
		free((char *)value.p);
	}
}

/* --- the others ------------------------------------------------------------------------------- */

#define B3(value, parent_)                                                    \
	{                                                                     \
		.headers = {{"b3", value}}, .format = "b3", .parent = parent_ \
	}
#define NOT_B3(value)                        \
	{                                    \
		.headers = { {"b3", value} } \
	}

static void b3_single(void **state)
{
	static const struct wanted cases[] = {
		B3(TRACE "-" SPAN, WHOLE "-01"),
		B3(TRACE "-" SPAN "-1", WHOLE "-01"),
		B3(TRACE "-" SPAN "-0", WHOLE "-00"),
		B3(TRACE "-" SPAN "-d", WHOLE "-01"),
		B3(TRACE "-" SPAN "-1-05e3ac9a4f6e3b90", WHOLE "-01"),
		B3(" " UPPER_TRACE "-" SPAN "-0 ", WHOLE "-00"),
		B3(HALF "-" SPAN "-1", PADDED "-01"),
		NOT_B3(""),
		NOT_B3("0"),
		NOT_B3("1"),
		NOT_B3("d"),
		NOT_B3("-"),
		NOT_B3("---"),
		NOT_B3(TRACE),
		NOT_B3(TRACE "-"),
		NOT_B3(TRACE "-" SPAN "-"),
		NOT_B3(TRACE "-" SPAN "-2"),
		NOT_B3(TRACE "-" SPAN "-11"),
		NOT_B3(TRACE "-" SPAN "-1-"),
		NOT_B3(TRACE "-" SPAN "-1-05e3ac9a4f6e3b9"),
		NOT_B3(TRACE "-" SPAN "-1-05e3ac9a4f6e3b90-"),
		NOT_B3(TRACE "-" NONE "-1"),
		NOT_B3(NONE NONE "-" SPAN "-1"),
		NOT_B3(NONE "-" SPAN "-1"),
		NOT_B3(TRACE "-b7ad6b716920333-1"),
		NOT_B3(TRACE "-b7ad6b71692033310-1"),
		NOT_B3("af7651916cd43dd8448eb211c80319c-" SPAN "-1"),
		NOT_B3("gaf7651916cd43dd8448eb211c80319c-" SPAN "-1"),
		NOT_B3(TRACE "-g7ad6b7169203331-1"),
	};

	(void)state;
	CHECK_ALL(cases);
}

#define B3S(t, s)                \
	{"X-B3-TraceId", t},     \
	{                        \
		"x-b3-spanid", s \
	}

static void b3_multi(void **state)
{
	static const struct wanted cases[] = {
		{{B3S(TRACE, SPAN)}, "x-b3-traceid", WHOLE "-01", NULL},
		{{B3S(HALF, SPAN), {"X-B3-Sampled", "1"}}, "x-b3-traceid", PADDED "-01", NULL},
		{{B3S(TRACE, SPAN), {"X-B3-SAMPLED", "0"}}, "x-b3-traceid", WHOLE "-00", NULL},
		{{B3S(TRACE, SPAN), {"x-b3-sampled", "False"}}, "x-b3-traceid", WHOLE "-00", NULL},
		{{B3S(TRACE, SPAN), {"x-b3-sampled", "0"}, {"x-b3-flags", "1"}},
		 "x-b3-traceid",
		 WHOLE "-01",
		 NULL},
		{{B3S(TRACE, SPAN), {"x-b3-parentspanid", "05e3ac9a4f6e3b90"}},
		 "x-b3-traceid",
		 WHOLE "-01",
		 NULL},
		{{{"x-b3-traceid", TRACE}}, NULL, NULL, NULL},
		{{{"x-b3-spanid", SPAN}}, NULL, NULL, NULL},
		{{{"x-b3-sampled", "0"}}, NULL, NULL, NULL},
		{{B3S(TRACE, NONE)}, NULL, NULL, NULL},
		{{B3S(NONE NONE, SPAN)}, NULL, NULL, NULL},
		{{B3S(TRACE "0", SPAN)}, NULL, NULL, NULL},
		{{B3S(TRACE, SPAN SPAN)}, NULL, NULL, NULL},
		{{B3S(TRACE, "")}, NULL, NULL, NULL},
		/* The first of each name counts. */
		{{B3S(TRACE, SPAN), B3S(HALF, HALF)}, "x-b3-traceid", WHOLE "-01", NULL},
	};

	(void)state;
	CHECK_ALL(cases);
}

#define UBER(value, parent_)                                                      \
	{                                                                         \
		.headers = {{"Uber-Trace-Id", value}}, .format = "uber-trace-id", \
		.parent = parent_                                                 \
	}
#define NOT_UBER(value)                                 \
	{                                               \
		.headers = { {"uber-trace-id", value} } \
	}

static void jaeger(void **state)
{
	static const struct wanted cases[] = {
		UBER(TRACE ":" SPAN ":0:1", WHOLE "-01"),
		UBER(TRACE "%3A" SPAN "%3a0%3A1", WHOLE "-01"),
		UBER(TRACE ":" SPAN ":05e3ac9a4f6e3b90:01", WHOLE "-01"),
		UBER(TRACE ":" SPAN ":0:0", WHOLE "-00"),
		UBER(TRACE ":" SPAN ":0:2", WHOLE "-01"),
		UBER(TRACE ":" SPAN ":0:4", WHOLE "-00"),
		UBER(HALF ":" SPAN ":0:3", PADDED "-01"),
		UBER("af7651916cd43dd8448eb211c80319c:" SPAN ":0:1", WHOLE "-01"),
		UBER("1:2:0:1", "00-" NONE "0000000000000001-0000000000000002-01"),
		UBER("ABC:2:0:1", "00-" NONE "0000000000000abc-0000000000000002-01"),
		NOT_UBER(""),
		NOT_UBER(":::"),
		NOT_UBER("1:2:0"),
		NOT_UBER("1:2::1"),
		NOT_UBER("1:2:0:"),
		NOT_UBER("1:2:0:1:5"),
		NOT_UBER("1:2:0:101"),
		NOT_UBER("0:2:0:1"),
		NOT_UBER("1:0:0:1"),
		NOT_UBER("1:x:0:1"),
		NOT_UBER("x:2:0:1"),
		NOT_UBER("1:2:x:1"),
		NOT_UBER("1:2:0:x"),
		NOT_UBER("1%3:2:0:1"),
		NOT_UBER("1%003A2:0:1"),
		NOT_UBER("0" TRACE ":" SPAN ":0:1"),
		NOT_UBER(TRACE ":0" SPAN ":0:1"),
		NOT_UBER(TRACE ":" SPAN ":0" SPAN ":1"),
		NOT_UBER(TRACE TRACE TRACE TRACE TRACE TRACE ":" SPAN ":0:1"),
	};

	(void)state;
	CHECK_ALL(cases);
}

#define DD(...) {"x-datadog-trace-id", DD_TRACE}, {"x-datadog-parent-id", DD_SPAN}, __VA_ARGS__
#define DD_NAME "x-datadog-trace-id"

static void datadog(void **state)
{
	static const struct wanted cases[] = {
		{{DD()}, DD_NAME, PADDED "-01", NULL},
		{{DD({"x-datadog-tags", DD_TID})}, DD_NAME, WHOLE "-01", NULL},
		{{DD({"X-Datadog-Tags", "_dd.p.dm=-1," DD_TID ",x=y"})},
		 DD_NAME,
		 WHOLE "-01",
		 NULL},
		{{DD({"x-datadog-tags", "_dd.p.tid=0af7651916cd43d"})},
		 DD_NAME,
		 PADDED "-01",
		 NULL},
		{{DD({"x-datadog-tags", "x_dd.p.tid=0af7651916cd43dd"})},
		 DD_NAME,
		 PADDED "-01",
		 NULL},
		{{DD({"x-datadog-tags", "_dd.p.tid=" NONE})}, DD_NAME, PADDED "-01", NULL},
		{{DD({"x-datadog-tags", ""})}, DD_NAME, PADDED "-01", NULL},
		{{DD({"x-datadog-sampling-priority", "2"})}, DD_NAME, PADDED "-01", NULL},
		{{DD({"x-datadog-sampling-priority", "0"})}, DD_NAME, PADDED "-00", NULL},
		{{DD({"x-datadog-sampling-priority", "-1"})}, DD_NAME, PADDED "-00", NULL},
		/* The browser's, of which the trace is known and no span. */
		{{{"x-datadog-trace-id", DD_TRACE}, {"x-datadog-parent-id", "0"}},
		 DD_NAME,
		 "00-" NONE HALF "-" NONE "-01",
		 NULL},
		{{{"x-datadog-trace-id", DD_TRACE}}, DD_NAME, "00-" NONE HALF "-" NONE "-01", NULL},
		{{{"x-datadog-trace-id", "1"}, {"x-datadog-parent-id", "18446744073709551615"}},
		 DD_NAME,
		 "00-" NONE "0000000000000001-ffffffffffffffff-01",
		 NULL},
		{{{"x-datadog-parent-id", DD_SPAN}}, NULL, NULL, NULL},
		{{{"x-datadog-trace-id", "0"}, {"x-datadog-parent-id", "1"}}, NULL, NULL, NULL},
		{{{"x-datadog-trace-id", ""}, {"x-datadog-parent-id", "1"}}, NULL, NULL, NULL},
		{{{"x-datadog-trace-id", "-1"}, {"x-datadog-parent-id", "1"}}, NULL, NULL, NULL},
		{{{"x-datadog-trace-id", HALF}, {"x-datadog-parent-id", "1"}}, NULL, NULL, NULL},
		{{{"x-datadog-trace-id", "18446744073709551616"}}, NULL, NULL, NULL},
		{{{"x-datadog-trace-id", "1"}, {"x-datadog-parent-id", "x"}}, NULL, NULL, NULL},
		{{{"x-datadog-trace-id", "1"}, {"x-datadog-parent-id", "18446744073709551616"}},
		 NULL,
		 NULL,
		 NULL},
	};

	(void)state;
	CHECK_ALL(cases);
}

#define XRAY(value, parent_)                                                          \
	{                                                                             \
		.headers = {{"X-Amzn-Trace-Id", value}}, .format = "x-amzn-trace-id", \
		.parent = parent_                                                     \
	}
#define NOT_XRAY(value)                                   \
	{                                                 \
		.headers = { {"x-amzn-trace-id", value} } \
	}

static void xray(void **state)
{
	static const struct wanted cases[] = {
		XRAY("Root=" XRAY_ROOT ";Parent=" SPAN ";Sampled=1", WHOLE "-01"),
		XRAY("Root=" XRAY_ROOT ";Parent=" SPAN ";Sampled=0", WHOLE "-00"),
		XRAY("Root=" XRAY_ROOT ";Parent=" SPAN ";Sampled=?", WHOLE "-01"),
		XRAY("Root=" XRAY_ROOT ";Parent=" SPAN, WHOLE "-01"),
		XRAY("Sampled=0; Parent=" SPAN "; Root=" XRAY_ROOT, WHOLE "-00"),
		XRAY("Root=" XRAY_ROOT ";Parent=" SPAN ";Sampled=1;Lineage=a87bd80c:1|68fd508a:5",
		     WHOLE "-01"),
		XRAY(";;Root=" XRAY_ROOT ";", "00-" TRACE "-" NONE "-01"),
		/* As a load balancer adds it. */
		XRAY("Root=" XRAY_ROOT, "00-" TRACE "-" NONE "-01"),
		XRAY("Self=1-67891234-12456789abcdef0123456789;Root=" XRAY_ROOT,
		     "00-" TRACE "-" NONE "-01"),
		NOT_XRAY(""),
		NOT_XRAY(";"),
		NOT_XRAY("Parent=" SPAN ";Sampled=1"),
		NOT_XRAY("Self=" XRAY_ROOT),
		NOT_XRAY("Root="),
		NOT_XRAY("Root=" XRAY_ROOT "0"),
		NOT_XRAY("Root=2-0af76519-16cd43dd8448eb211c80319c"),
		NOT_XRAY("Root=1-0af765191-6cd43dd8448eb211c80319c"),
		NOT_XRAY("Root=1-0af7651g-16cd43dd8448eb211c80319c"),
		NOT_XRAY("Root=1-0af76519-16cd43dd8448eb211c80319g"),
		NOT_XRAY("Root=1-00000000-000000000000000000000000"),
		NOT_XRAY("Root=" TRACE),
		NOT_XRAY("Root=" XRAY_ROOT ";Parent="),
		NOT_XRAY("Root=" XRAY_ROOT ";Parent=" NONE),
		NOT_XRAY("Root=" XRAY_ROOT ";Parent=b7ad6b716920333"),
		NOT_XRAY("Root=" XRAY_ROOT ";Parent=" SPAN ";Parent=" HALF),
		NOT_XRAY("Root=" XRAY_ROOT ";Root=1-0af76519-16cd43dd8448eb211c80319d"),
	};

	(void)state;
	CHECK_ALL(cases);
}

/* --- several ---------------------------------------------------------------------------------- */

#define W3C_ONE                                                                          \
	{                                                                                \
		"traceparent", "00-11111111111111111111111111111111-1111111111111111-01" \
	}
#define B3_ONE                                                              \
	{                                                                   \
		"b3", "22222222222222222222222222222222-2222222222222222-1" \
	}
#define B3_TWO B3S("33333333333333333333333333333333", "3333333333333333")
#define UBER_ONE                                                                         \
	{                                                                                \
		"uber-trace-id", "44444444444444444444444444444444:4444444444444444:0:1" \
	}
#define DD_ONE DD({"x-datadog-tags", DD_TID})
#define XRAY_ONE                                                                           \
	{                                                                                  \
		"x-amzn-trace-id",                                                         \
			"Root=1-66666666-666666666666666666666666;Parent=6666666666666666" \
	}
#define STATE                       \
	{                           \
		"tracestate", "a=1" \
	}
#define OF(digits) "00-" digits digits "-" digits "-01"

static void precedence(void **state)
{
	static const struct wanted cases[] = {
		{{XRAY_ONE, UBER_ONE, B3_TWO, B3_ONE, STATE, W3C_ONE},
		 "traceparent",
		 OF("1111111111111111"),
		 "a=1"},
		{{XRAY_ONE, DD_ONE, UBER_ONE, B3_TWO, B3_ONE}, "b3", OF("2222222222222222"), NULL},
		{{XRAY_ONE, DD_ONE, UBER_ONE, B3_TWO, STATE},
		 "x-b3-traceid",
		 OF("3333333333333333"),
		 NULL},
		{{XRAY_ONE, DD_ONE, UBER_ONE}, "uber-trace-id", OF("4444444444444444"), NULL},
		{{XRAY_ONE, DD_ONE}, DD_NAME, WHOLE "-01", NULL},
		{{STATE, XRAY_ONE}, "x-amzn-trace-id", OF("6666666666666666"), NULL},
		{{STATE}, NULL, NULL, NULL},
		/* One that is not valid gives way to the next. */
		{{{"traceparent", "00-0-0-01"}, STATE, {"b3", "0"}, UBER_ONE},
		 "uber-trace-id",
		 OF("4444444444444444"),
		 NULL},
		{{{"traceparent", ""},
		  {"b3", ""},
		  {"x-b3-traceid", ""},
		  {"uber-trace-id", ""},
		  DD_ONE},
		 DD_NAME,
		 WHOLE "-01",
		 NULL},
		/* A span that a later one names does not make up for what an earlier one leaves open. */
		{{{"x-datadog-trace-id", DD_TRACE}, XRAY_ONE},
		 DD_NAME,
		 "00-" NONE HALF "-" NONE "-01",
		 NULL},
		{{{"other", TRACE}, {"x-b3", TRACE}, {"xxxx", "1"}, {"traceparents", WHOLE "-01"}},
		 NULL,
		 NULL,
		 NULL},
	};

	(void)state;
	CHECK_ALL(cases);
}

/* A value that is cut anywhere never gives another span: either none, or what it has of it is the same. */
static void prefixes(void **state)
{
	static const char *const headers[][2] = {
		{"traceparent", WHOLE "-01"},
		{"b3", TRACE "-" SPAN "-1-05e3ac9a4f6e3b90"},
		{"uber-trace-id", TRACE ":" SPAN ":05e3ac9a4f6e3b90:1"},
		{"x-amzn-trace-id", "Parent=" SPAN ";Sampled=1;Root=" XRAY_ROOT},
	};

	(void)state;
	for (size_t i = 0; i < CNT(headers); i++) {
		size_t whole_n = strlen(headers[i][1]), valid_cnt = 0;

		for (size_t n = 0; n <= whole_n; n++) {
			struct trace_headers h = {.seen = 0};
			struct slice value = exact(headers[i][1]), state_text;
			struct trace_parent parent;
			char *cut = malloc(n ? n : 1), text[TRACE_TEXT_SZ];

			memcpy(cut, value.p, n);
			trace_headers__take(&h, slice_str(headers[i][0]), slice_of(cut, n));
			parent = trace_headers__read(&h, &state_text);
			if (parent.format) {
				assert_memory_equal(trace_text(&parent, text).p, WHOLE,
						    sizeof(WHOLE) - 1);
				valid_cnt++;
			}
			free(cut);
			free((char *)value.p);
		}
		assert_true(valid_cnt > 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(traceparents), cmocka_unit_test(b3_single),
		cmocka_unit_test(b3_multi),	cmocka_unit_test(jaeger),
		cmocka_unit_test(datadog),	cmocka_unit_test(xray),
		cmocka_unit_test(precedence),	cmocka_unit_test(prefixes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

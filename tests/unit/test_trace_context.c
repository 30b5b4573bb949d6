// SPDX-License-Identifier: Apache-2.0
/* traceparent and tracestate, right and wrong, and that new ids are ids. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "user/flow/trace_context.h"

#define CNT(array) (sizeof(array) / sizeof(*(array)))
#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define PARENT "b7ad6b7169203331"

static bool parse(const char *text, size_t n, struct traceparent *out)
{
	char *exact = malloc(n ? n : 1);
	bool valid;

	memcpy(exact, text, n);
	valid = traceparent_parse(slice_of(exact, n), out);
	free(exact);
	return valid;
}

static void traceparents(void **state)
{
	static const struct {
		const char *text;
		bool valid;
		uint8_t flags;
	} cases[] = {
		{"00-" TRACE "-" PARENT "-00", true, 0},
		{"00-" TRACE "-" PARENT "-01", true, 1},
		{"00-" TRACE "-" PARENT "-03", true, 3},
		{"00-" TRACE "-" PARENT "-ff", true, 3},
		{" 00-" TRACE "-" PARENT "-01\t", true, 1},
		{"01-" TRACE "-" PARENT "-01", true, 1},
		{"cc-" TRACE "-" PARENT "-01-what-comes", true, 1},
		{"cc-" TRACE "-" PARENT "-01-", true, 1},
		{"cc-" TRACE "-" PARENT "-01.what", false, 0},
		{"cc-" TRACE "-" PARENT "-011", false, 0},
		{"00-" TRACE "-" PARENT "-01-", false, 0},
		{"00-" TRACE "-" PARENT "-01-x", false, 0},
		{"00-" TRACE "-" PARENT "-011", false, 0},
		{"00-" TRACE "-" PARENT "-0", false, 0},
		{"00-" TRACE "-" PARENT "-0g", false, 0},
		{"00-" TRACE "-" PARENT "-0A", false, 0},
		{"ff-" TRACE "-" PARENT "-01", false, 0},
		{"0F-" TRACE "-" PARENT "-01", false, 0},
		{"00-00000000000000000000000000000000-" PARENT "-01", false, 0},
		{"00-" TRACE "-0000000000000000-01", false, 0},
		{"00-0AF7651916CD43DD8448EB211C80319C-" PARENT "-01", false, 0},
		{"00-" TRACE "-B7AD6B7169203331-01", false, 0},
		{"00-" TRACE "-" PARENT "_01", false, 0},
		{"00_" TRACE "-" PARENT "-01", false, 0},
		{"00-" TRACE "x" PARENT "-01", false, 0},
		{"00-.af7651916cd43dd8448eb211c80319c-" PARENT "-01", false, 0},
		{"", false, 0},
	};

	(void)state;
	for (size_t i = 0; i < CNT(cases); i++) {
		struct traceparent out = {.flags = 0x55};

		if (parse(cases[i].text, strlen(cases[i].text), &out) != cases[i].valid)
			fail_msg("%s", cases[i].text);
		if (!cases[i].valid) {
			assert_int_equal(out.flags, 0x55);
			continue;
		}
		assert_int_equal(out.flags, cases[i].flags);
		assert_memory_equal(
			out.trace_id.bytes,
			"\x0a\xf7\x65\x19\x16\xcd\x43\xdd\x84\x48\xeb\x21\x1c\x80\x31\x9c", 16);
		assert_memory_equal(out.parent_id.bytes, "\xb7\xad\x6b\x71\x69\x20\x33\x31", 8);
	}
}

static void traceparent_prefixes(void **state)
{
	static const char whole[] = "00-" TRACE "-" PARENT "-01";
	struct traceparent out;

	(void)state;
	for (size_t n = 0; n < sizeof(whole) - 1; n++)
		assert_false(parse(whole, n, &out));
	assert_true(parse(whole, sizeof(whole) - 1, &out));
}

static void tracestates(void **state)
{
	static const struct {
		const char *text, *kept;
	} cases[] = {
		{"a=1", "a=1"},
		{"rojo=00f067aa0ba902b7,congo=t61rcWkgMzE",
		 "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"},
		{" a=1 ,\tb=2 ", "a=1 ,\tb=2"},
		{"a=1,,b=2,", "a=1,,b=2"},
		{"fw529a3039@dt=FfAxMw", "fw529a3039@dt=FfAxMw"},
		{"1a=x", "1a=x"},
		{"a_-*/@b=x y!~", "a_-*/@b=x y!~"},
		{"ot=th:c;rv:0123456789abcd", "ot=th:c;rv:0123456789abcd"},
		{"", ""},
		{" , ,", ""},
		{"a", ""},
		{"=1", ""},
		{"a=", ""},
		{"a =1", ""},
		{"A=1", ""},
		{"_a=1", ""},
		{"a=1=2", ""},
		{"a=\x7f", ""},
		{"a=\xc3\xa9", ""},
		{"a=x\ty", ""},
		{"a=1,b", ""},
		{"a.b=1", ""},
	};

	(void)state;
	for (size_t i = 0; i < CNT(cases); i++) {
		size_t n = strlen(cases[i].text);
		char *exact = malloc(n ? n : 1);
		struct slice kept;

		memcpy(exact, cases[i].text, n);
		kept = tracestate_parse(slice_of(exact, n));
		if (!slice_eq(kept, slice_str(cases[i].kept)))
			fail_msg("\"%s\": \"%.*s\"", cases[i].text, (int)kept.n, kept.p);
		free(exact);
	}
}

/* members_cnt members of member_sz bytes each, comma after each but the last. */
static struct slice compose(char *buf, int members_cnt, int member_sz)
{
	size_t n = 0;

	for (int i = 0; i < members_cnt; i++) {
		memcpy(buf + n, "k00=", 4);
		buf[n + 1] = (char)('0' + i / 10);
		buf[n + 2] = (char)('0' + i % 10);
		memset(buf + n + 4, 'v', (size_t)member_sz - 4);
		buf[n + (size_t)member_sz] = ',';
		n += (size_t)member_sz + 1;
	}
	return slice_of(buf, n - 1);
}

static void tracestate_bounds(void **state)
{
	static char buf[40000];

	(void)state;
	assert_int_equal(tracestate_parse(compose(buf, 32, 10)).n, 32 * 11 - 1);
	assert_int_equal(tracestate_parse(compose(buf, 33, 10)).n, 0);
	/* Whole members go from the end: 5 * 101 - 1 = 504 fit. */
	assert_int_equal(tracestate_parse(compose(buf, 20, 100)).n, 504);
	assert_int_equal(tracestate_parse(compose(buf, 2, 255)).n, 511);
	assert_int_equal(tracestate_parse(compose(buf, 1, 256 + 4)).n, 260);
	assert_int_equal(tracestate_parse(compose(buf, 1, 257 + 4)).n, 0);
	/* The first alone is too long to be kept, but it is valid. */
	memset(buf, 'k', 256);
	buf[256] = '=';
	memset(buf + 257, 'v', 256);
	assert_int_equal(tracestate_parse(slice_of(buf, 513)).n, 0);
	assert_int_equal(tracestate_parse(slice_of(buf, 512)).n, 512);
	/* One byte more in the key. */
	memset(buf, 'k', 257);
	buf[257] = '=';
	assert_int_equal(tracestate_parse(slice_of(buf, 260)).n, 0);
}

static int compare_ids(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct span_id));
}

static void ids(void **state)
{
	static struct span_id spans[20000];
	struct id_source source, other;
	uint64_t ones[64] = {0};

	(void)state;
	assert_int_equal(id_source__init(&source), 0);
	assert_int_equal(id_source__init(&other), 0);
	for (size_t i = 0; i < CNT(spans); i += 4) {
		struct trace_id trace = id_source__trace_id(&source);

		memcpy(&spans[i], trace.bytes, 16);
		spans[i + 2] = id_source__span_id(&source);
		spans[i + 3] = id_source__span_id(&other);
	}
	for (size_t i = 0; i < CNT(spans); i++) {
		uint64_t word;

		memcpy(&word, &spans[i], sizeof(word));
		for (int bit = 0; bit < 64; bit++)
			ones[bit] += word >> bit & 1;
	}
	/* Every bit is a fair coin: 20000 throws stay within 7 sigma. */
	for (int bit = 0; bit < 64; bit++)
		assert_in_range(ones[bit], 9500, 10500);
	qsort(spans, CNT(spans), sizeof(*spans), compare_ids);
	for (size_t i = 1; i < CNT(spans); i++)
		assert_memory_not_equal(&spans[i - 1], &spans[i], sizeof(*spans));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(traceparents), cmocka_unit_test(traceparent_prefixes),
		cmocka_unit_test(tracestates),	cmocka_unit_test(tracestate_bounds),
		cmocka_unit_test(ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

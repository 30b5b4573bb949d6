// SPDX-License-Identifier: Apache-2.0
/* tracestate, right and wrong, and that new ids are ids. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "user/flow/trace_context.h"

#define CNT(array) (sizeof(array) / sizeof(*(array)))

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
		cmocka_unit_test(tracestates),
		cmocka_unit_test(tracestate_bounds),
		cmocka_unit_test(ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

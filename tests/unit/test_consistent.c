// SPDX-License-Identifier: Apache-2.0
/* Thresholds and tracestates, with the values that the specification and other samplers give. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "user/policy/consistent.h"

#define LEN(array) (sizeof(array) / sizeof((array)[0]))

static const struct {
	uint64_t millionths, threshold;
	const char *th;
} thresholds[] = {
	{1000000, 0, "0"},
	{500000, 0x80000000000000, "8"},
	{250000, 0xC0000000000000, "c"},
	{100000, 0xE6660000000000, "e666"},
	{10000, 0xFD70A000000000, "fd70a"},
	{1000, 0xFFBE7700000000, "ffbe77"},
	{1, 0xFFFFEF39000000, "ffffef39"},
	{750000, 0x40000000000000, "4"},
	{900000, 0x199A0000000000, "199a"},
	{999000, 0x00418900000000, "004189"},
	{999999, 0x000010C7000000, "000010c7"},
};

static void test_thresholds(void **state)
{
	char text[THRESHOLD_TEXT_SZ];

	(void)state;
	for (size_t i = 0; i < LEN(thresholds); i++) {
		uint64_t got = threshold_of(thresholds[i].millionths);

		if (got != thresholds[i].threshold)
			fail_msg("%llu: %014llx", (unsigned long long)thresholds[i].millionths,
				 (unsigned long long)got);
		assert_int_equal(threshold_text(got, text).n, strlen(thresholds[i].th));
		assert_string_equal(text, thresholds[i].th);
	}
	assert_true(threshold_of(0) == THRESHOLD_NEVER);
	assert_string_equal(threshold_text(0x00000000000001, text).p, "00000000000001");
}

/* What is written says exactly how probable it was; more is kept the greater that is. */
static void test_every_probability(void **state)
{
	uint64_t last = THRESHOLD_NEVER;

	(void)state;
	for (uint64_t p = 1; p <= 1000000; p++) {
		char text[THRESHOLD_TEXT_SZ], padded[15] = "00000000000000";
		uint64_t threshold = threshold_of(p);
		double share = 1 - (double)threshold / (double)THRESHOLD_NEVER;
		struct slice th = threshold_text(threshold, text);

		assert_true(threshold <= last);
		assert_true(share > (double)p * 0.9998e-6 && share < (double)p * 1.0002e-6);
		memcpy(padded, th.p, th.n);
		assert_true(strtoull(padded, NULL, 16) == threshold);
		last = threshold;
	}
}

static void test_randomness(void **state)
{
	static const struct {
		const char *state;
		uint64_t want;
	} cases[] = {
		{"", 0x99AABBCCDDEEFF},
		{"a=b", 0x99AABBCCDDEEFF},
		{"ot=th:8", 0x99AABBCCDDEEFF},
		{"ot=rv:6e6d1a75832a2f", 0x6E6D1A75832A2F},
		{"ot=th:8;rv:6e6d1a75832a2f;x:y", 0x6E6D1A75832A2F},
		{"a=b, ot=rv:00000000000001 ,c=d", 1},
		{"a=rv:6e6d1a75832a2f", 0x99AABBCCDDEEFF},
		{"ot=rv:6e6d1a75832a2", 0x99AABBCCDDEEFF},   /* too short */
		{"ot=rv:6e6d1a75832a2f0", 0x99AABBCCDDEEFF}, /* too long */
		{"ot=rv:6E6D1A75832A2F", 0x99AABBCCDDEEFF},  /* capitals */
		{"ot=rv:", 0x99AABBCCDDEEFF},
		{"ot=", 0x99AABBCCDDEEFF},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		struct span span = {
			.trace_id = {"\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xAA\xBB\xCC\xDD\xEE"
				     "\xFF"},
			.trace_state = slice_str(cases[i].state),
		};

		if (randomness_of(&span) != cases[i].want)
			fail_msg("%s: %llx", cases[i].state,
				 (unsigned long long)randomness_of(&span));
	}
}

static void test_tracestate(void **state)
{
	static const struct {
		const char *before, *after;
	} cases[] = {
		{"", "ot=th:c"},
		{"a=b", "ot=th:c,a=b"},
		{"a=b , c=d", "ot=th:c,a=b,c=d"},
		{"ot=th:8", "ot=th:c"},
		{"a=b,ot=th:8;rv:6e6d1a75832a2f,c=d", "ot=th:c;rv:6e6d1a75832a2f,a=b,c=d"},
		{"ot=p:1;th:8;;q:2", "ot=th:c;p:1;q:2"},
		{"ot=", "ot=th:c"},
		{"other=th:8,xot=1", "ot=th:c,other=th:8,xot=1"},
		{",,a=b,,", "ot=th:c,a=b"},
	};
	char text[TRACESTATE_SZ];

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		struct slice got = tracestate_with_th(slice_str(cases[i].before), SLICE("c"), text);

		if (!slice_eq(got, slice_str(cases[i].after)))
			fail_msg("%s: %.*s", cases[i].before, (int)got.n, got.p);
	}
}

/* The limits of W3C: what does not fit goes from the end, whole members at a time. */
static void test_limits(void **state)
{
	char before[TRACESTATE_SZ + 1] = "", text[TRACESTATE_SZ], want[TRACESTATE_SZ + 16];
	struct slice got;
	size_t n = 0;

	(void)state;
	for (int i = 0; i < 32; i++)
		n += (size_t)snprintf(before + n, sizeof(before) - n, "%sk%d=v", i ? "," : "", i);
	got = tracestate_with_th(slice_of(before, n), SLICE("0"), text);
	n = (size_t)snprintf(want, sizeof(want), "ot=th:0,%.*s",
			     (int)(strstr(before, ",k31") - before), before);
	assert_true(slice_eq(got, slice_of(want, n)));

	memset(before, 'v', sizeof(before));
	memcpy(before, "a=", 2);
	memcpy(before + 200, ",b=", 3);
	memcpy(before + 400, ",c=", 3);
	got = tracestate_with_th(slice_of(before, TRACESTATE_SZ), SLICE("e666"), text);
	assert_int_equal(got.n, strlen("ot=th:e666,") + 400);
	assert_memory_equal(got.p + 11, before, 400);

	memset(before, 'v', sizeof(before));
	memcpy(before, "ot=x:", 5); /* alone it may be as long as a value can be */
	got = tracestate_with_th(slice_of(before, 3 + 256), SLICE("e666"), text);
	assert_true(slice_eq(got, SLICE("ot=th:e666")));
	got = tracestate_with_th(slice_of(before, 3 + 248), SLICE("e666"), text);
	assert_int_equal(got.n, 3 + 256);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_thresholds), cmocka_unit_test(test_every_probability),
		cmocka_unit_test(test_randomness), cmocka_unit_test(test_tracestate),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: Apache-2.0
/* JSON text: strings that are not UTF-8, numbers, and every bound. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jansson.h>

#include "user/base/json_writer.h"

#define LEN(array) (sizeof(array) / sizeof((array)[0]))
#define FFFD "\xEF\xBF\xBD"

static void check(const struct json_writer *j, struct slice want)
{
	assert_false(j->failed);
	assert_int_equal(j->len, want.n);
	assert_memory_equal(j->buf, want.p, want.n);
}

static void strings(void **state)
{
	static const struct {
		struct slice in, out;
	} cases[] = {
		{SLICE(""), SLICE("\"\"")},
		{SLICE("plain/ '~"), SLICE("\"plain/ '~\"")},
		{SLICE("a\"b\\c"), SLICE("\"a\\\"b\\\\c\"")},
		{SLICE("\b\t\n\v\f\r"), SLICE("\"\\b\\t\\n\\u000b\\f\\r\"")},
		{SLICE("\0\x1f\x7f\033"), SLICE("\"\\u0000\\u001f\\u007f\\u001b\"")},
		{SLICE("\xC2\x80z\xC2\x9F\xC2\xA0"), SLICE("\"\\u0080z\\u009f\xC2\xA0\"")},
		{SLICE("é日😀 end"), SLICE("\"é日😀 end\"")},
		{SLICE("\xFF"), SLICE("\"" FFFD "\"")},
		{SLICE("a\xC3"), SLICE("\"a" FFFD "\"")},
		{SLICE("\xC3("), SLICE("\"" FFFD "(\"")},
		{SLICE("\xE6\x97"), SLICE("\"" FFFD "\"")},
		{SLICE("\xED\xA0\x80"), SLICE("\"" FFFD FFFD FFFD "\"")},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		size_t n = cases[i].in.n;
		char *exact = malloc(n ? n : 1);
		struct json_writer j;

		memcpy(exact, cases[i].in.p, n);
		json_writer__init(&j, cases[i].out.n); /* the exact maximum is enough */
		jw_string(&j, slice_of(exact, n));
		check(&j, cases[i].out);
		json_writer__free(&j);
		for (size_t max = 0; max < cases[i].out.n; max++) {
			json_writer__init(&j, max);
			jw_string(&j, slice_of(exact, n));
			assert_true(j.failed && j.full && j.len <= max && j.cap <= max);
			json_writer__free(&j);
		}
		free(exact);
	}
}

/* Any three bytes: jansson must read back a string, and the same one if they were UTF-8. */
static void read_back(void **state)
{
	static const uint8_t bytes[] = {0x00, 0x0A, 0x22, 0x41, 0x5C, 0x7F, 0x80, 0x9F, 0xA0,
					0xBF, 0xC0, 0xC2, 0xDF, 0xE0, 0xED, 0xEF, 0xF0, 0xF4};
	struct json_writer j;

	(void)state;
	json_writer__init(&j, 100);
	for (size_t i = 0; i < LEN(bytes) * LEN(bytes) * LEN(bytes); i++) {
		char raw[] = {(char)bytes[i % LEN(bytes)], (char)bytes[i / LEN(bytes) % LEN(bytes)],
			      (char)bytes[i / LEN(bytes) / LEN(bytes)]};
		json_t *own, *back;

		json_writer__reset(&j);
		jw_string(&j, slice_of(raw, sizeof(raw)));
		assert_false(j.failed);
		back = json_loadb(j.buf, j.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
		assert_true(json_is_string(back));
		own = json_stringn(raw, sizeof(raw)); /* NULL: not UTF-8 */
		assert_true(!own || json_equal(own, back));
		json_decref(own);
		json_decref(back);
	}
	json_writer__free(&j);
}

static void doubles(void **state)
{
	static const struct {
		double real;
		const char *text;
	} cases[] = {
		{0, "0"},
		{1, "1"},
		{-1.5, "-1.5"},
		{0.1, "0.1"},
		{1e15, "1e+15"},
		{1.0 / 3, "0.3333333333333333"},
		{NAN, "\"NaN\""},
		{INFINITY, "\"Infinity\""},
		{-INFINITY, "\"-Infinity\""},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		struct json_writer j;

		json_writer__init(&j, 100);
		jw_double(&j, cases[i].real);
		check(&j, slice_str(cases[i].text));
		json_writer__free(&j);
	}
}

static void integers(void **state)
{
	static const uint8_t id[] = {0x00, 0x9A, 0xFF};
	struct json_writer j;

	(void)state;
	json_writer__init(&j, 1000);
	jw_u64(&j, 0);
	jw_lit(&j, " ");
	jw_u64(&j, UINT64_MAX);
	jw_lit(&j, " ");
	jw_i64(&j, -7);
	jw_lit(&j, " ");
	jw_i64(&j, INT64_MIN);
	jw_lit(&j, " ");
	jw_quoted_u64(&j, UINT64_MAX);
	jw_quoted_i64(&j, INT64_MIN);
	jw_quoted_i64(&j, INT64_MAX);
	jw_hex(&j, id, sizeof(id));
	jw_hex(&j, id, 0);
	check(&j, SLICE("0 18446744073709551615 -7 -9223372036854775808 "
			"\"18446744073709551615\"\"-9223372036854775808\""
			"\"9223372036854775807\"\"009aff\"\"\""));
	json_writer__free(&j);
}

/* A failure stays until the reset; what was written before it stays as it is. */
static void bounds(void **state)
{
	static char big[100000];
	struct json_writer j;

	(void)state;
	memset(big, 'x', sizeof(big));
	json_writer__init(&j, 1000);
	jw_string(&j, slice_of(big, 900));
	assert_false(j.failed);
	jw_string(&j, slice_of(big, 97)); /* 99 with its quotes */
	assert_true(j.failed && j.full);
	jw_lit(&j, "x"); /* there would be room */
	jw_hex(&j, (const uint8_t *)big, 1);
	assert_int_equal(j.len, 902);
	json_writer__reset(&j);
	jw_raw(&j, slice_of(big, 1000));
	assert_false(j.failed);
	jw_lit(&j, "x");
	assert_true(j.failed);
	json_writer__reset(&j);
	jw_raw(&j, slice_of(big, SIZE_MAX));
	assert_true(j.failed && j.len == 0);
	json_writer__free(&j);
	json_writer__init(&j, 1 << 20);
	for (int i = 0; i < 10; i++)
		jw_raw(&j, slice_of(big, sizeof(big)));
	assert_int_equal(j.len, 10 * sizeof(big));
	assert_false(j.failed);
	json_writer__free(&j);
}

/* What is not whole is not written, and a full disk is told as such. */
static void written(void **state)
{
	FILE *full = fopen("/dev/full", "w"), *out;
	struct json_writer j;
	char *text;
	size_t n;

	(void)state;
	assert_non_null(full);
	setbuf(full, NULL);
	out = open_memstream(&text, &n);
	json_writer__init(&j, 5);
	jw_lit(&j, "[1]");
	assert_int_equal(json_writer__write(&j, out), 0);
	assert_int_equal(json_writer__write(&j, full), -ENOSPC);
	jw_lit(&j, "[2]");
	assert_int_equal(json_writer__write(&j, out), -ENOMEM);
	json_writer__free(&j);
	fclose(full);
	fclose(out);
	assert_string_equal(text, "[1]");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strings),  cmocka_unit_test(read_back), cmocka_unit_test(doubles),
		cmocka_unit_test(integers), cmocka_unit_test(bounds),	 cmocka_unit_test(written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

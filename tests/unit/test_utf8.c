// SPDX-License-Identifier: Apache-2.0
/* UTF-8: every code point and its every prefix, ill-formed text, cuts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "user/base/utf8.h"

#define LEN(array) (sizeof(array) / sizeof((array)[0]))
#define FFFD UTF8_REPLACEMENT

static void cleaning(void **state)
{
	static const struct {
		struct slice raw, clean;
	} cases[] = {
		{SLICE(""), SLICE("")},
		{SLICE("seven b"), SLICE("seven b")},
		{SLICE("eight by"), SLICE("eight by")},
		{SLICE("nul\0in the middle"), SLICE("nul\0in the middle")},
		{SLICE("grüß € 😀"), SLICE("grüß € 😀")},
		{SLICE("\xFF"), SLICE(FFFD)},
		{SLICE("\x80"), SLICE(FFFD)},
		{SLICE("\xC3("), SLICE(FFFD "(")},
		{SLICE("seven b\xC3"), SLICE("seven b" FFFD)},
		{SLICE("a\xE2\x82z"), SLICE("a" FFFD "z")},
		{SLICE("\xE6\x97"), SLICE(FFFD)},
		{SLICE("\xC0\xAF overlong"), SLICE(FFFD FFFD " overlong")},
		{SLICE("\xE0\x80\xAF"), SLICE(FFFD FFFD FFFD)},
		{SLICE("\xED\xA0\x80 surrogate"), SLICE(FFFD FFFD FFFD " surrogate")},
		{SLICE("\xF4\x8F\xBF\xBF"), SLICE("\xF4\x8F\xBF\xBF")},
		{SLICE("\xF4\x90\x80\x80"), SLICE(FFFD FFFD FFFD FFFD)},
		{SLICE("\xF5\x80\x80\x80"), SLICE(FFFD FFFD FFFD FFFD)},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		struct slice raw = cases[i].raw, want = cases[i].clean;
		char *exact = malloc(raw.n + 1), *out = malloc(want.n + 1);
		struct slice s = slice_of(exact + 1, raw.n); /* unaligned, of exact size */

		memcpy(exact + 1, raw.p, raw.n);
		assert_int_equal(utf8_clean_len(s), want.n);
		utf8_clean(out, s);
		assert_memory_equal(out, want.p, want.n);
		assert_int_equal(utf8_is_valid(s), slice_eq(raw, want));
		assert_true(utf8_is_valid(slice_of(out, want.n)));
		free(exact);
		free(out);
	}
}

/* One byte with the high bit at every place of every length. */
static void is_ascii(void **state)
{
	char text[40];

	(void)state;
	memset(text, 0x7F, sizeof(text));
	for (size_t n = 0; n <= sizeof(text); n++) {
		char *exact = malloc(n ? n : 1);

		memcpy(exact, text, n);
		assert_true(utf8_is_ascii(slice_of(exact, n)));
		for (size_t i = 0; i < n; i++) {
			exact[i] = (char)0x80;
			assert_false(utf8_is_ascii(slice_of(exact, n)));
			exact[i] = 0x7F;
		}
		free(exact);
	}
}

/* All code points are valid and only they; each sequence's every prefix is one ill-formed part. */
static void all_characters(void **state)
{
	(void)state;
	for (uint32_t c = 0x80; c < 0x110000; c++) {
		char bytes[4];
		size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
		uint32_t rest = c;
		int32_t code;
		bool valid;

		for (size_t i = n - 1; i > 0; i--, rest >>= 6)
			bytes[i] = (char)(0x80 | (rest & 0x3F));
		bytes[0] = (char)((0xF00 >> n & 0xFF) | rest);
		if (c >= 0xD800 && c <= 0xDFFF) {
			assert_int_equal(utf8_next(slice_of(bytes, n), &valid), 1);
			assert_false(valid);
			assert_int_equal(utf8_decode(slice_of(bytes, n), &code), 1);
			assert_int_equal(code, -1);
			continue;
		}
		assert_int_equal(utf8_next(slice_of(bytes, n), &valid), n);
		assert_true(valid);
		assert_int_equal(utf8_decode(slice_of(bytes, n), &code), n);
		assert_int_equal(code, c);
		for (size_t cut = 1; cut < n; cut++) {
			assert_int_equal(utf8_next(slice_of(bytes, cut), &valid), cut);
			assert_false(valid);
		}
	}
}

/* A cut takes all of a character away, and never more than three bytes. */
static void cuts(void **state)
{
	static const struct {
		struct slice text;
		size_t max, kept;
	} cases[] = {
		{SLICE(""), 0, 0},	   {SLICE("abc"), 3, 3},
		{SLICE("abc"), 9, 3},	   {SLICE("abc"), 2, 2},
		{SLICE("abc"), 0, 0},	   {SLICE("aé"), 2, 1},
		{SLICE("aéz"), 3, 3},	   {SLICE("a€"), 2, 1},
		{SLICE("a€"), 3, 1},	   {SLICE("a€z"), 4, 4},
		{SLICE("a😀"), 4, 1},	   {SLICE("a😀"), 2, 1},
		{SLICE("😀"), 3, 0},	   {SLICE("\x80\x80\x80"), 1, 0},
		{SLICE("\x80\x80"), 2, 2}, {SLICE("a\x80\x80\x80\x80\x80"), 5, 2},
	};

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		struct slice got = utf8_first(cases[i].text, cases[i].max);

		assert_ptr_equal(got.p, cases[i].text.p);
		assert_int_equal(got.n, cases[i].kept);
	}
}

static void controls(void **state)
{
	(void)state;
	for (int32_t c = -1; c < 0x200; c++)
		assert_int_equal(utf8_is_control(c),
				 (c >= 0 && c <= 0x1F) || (c >= 0x7F && c <= 0x9F));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cleaning),	  cmocka_unit_test(is_ascii),
		cmocka_unit_test(all_characters), cmocka_unit_test(cuts),
		cmocka_unit_test(controls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

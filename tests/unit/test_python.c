// SPDX-License-Identifier: Apache-2.0
/* Python's frames: lines and names of code objects, and their place among native ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "user/profile/python_code.h"
#include "user/profile/python_merge.h"

/* --- order ------------------------------------------------------------------------------------ */

/*
 * Frames as letters, the leaf first. Native: small ones, and capital ones of the loop. Python: each call of the
 * loop ends with a '.', a '-' is a frame that no source has.
 */
static void set_native(struct merge_frames *f, const char *text, bool whole)
{
	*f = (struct merge_frames){.whole = whole};
	for (; *text; text++, f->cnt++) {
		f->v[f->cnt] = (uint32_t)*text;
		f->mark[f->cnt] = *text >= 'A' && *text <= 'Z';
	}
}

static void set_python(struct merge_frames *f, const char *text, bool whole)
{
	*f = (struct merge_frames){.whole = whole};
	for (; *text; text++) {
		if (*text == '.')
			f->mark[f->cnt - 1] = true;
		else
			f->v[f->cnt++] = *text == '-' ? 0 : (uint32_t)*text;
	}
}

static void test_merge(void **state)
{
	static const struct {
		const char *native, *python, *want;
		bool cut_native, cut_python;
		enum merge_result result;
	} cases[] = {
		{"aXb", "1.", "a1b", .result = MERGE_IN_PLACE},
		{"aXbYc", "123.4.", "a123b4c", .result = MERGE_IN_PLACE},
		{"XbYc", "1.2.", "1b2c", .result = MERGE_IN_PLACE},
		/* A frame that no source has runs nothing; if it is all there is, the loop stays. */
		{"aXbYc", "1-.2-.", "a1b2c", .result = MERGE_IN_PLACE},
		{"aXbYc", "-.2-.", "aXb2c", .result = MERGE_IN_PLACE},
		/* About to begin, or just ended. */
		{"XbYc", "1.", "Xb1c", .result = MERGE_IN_PLACE},
		{"aXbYc", "1.", "aXb1c", .result = MERGE_IN_PLACE},
		/* Does not fit. */
		{"aXbYc", "1.2.3.", "a123c", .result = MERGE_APART},
		{"aXbYcZd", "1.", "a1d", .result = MERGE_APART},
		{"abc", "1.", "abc", .result = MERGE_NOT},
		/* Cut: from the leaf on. */
		{"aXb", "1.2.3.", "a1b!23", .cut_native = true, .result = MERGE_IN_PLACE},
		{"ab", "1.2.", "ab!12", .cut_native = true, .result = MERGE_IN_PLACE},
		{"aXbY", "1.2.", "a1b2", .cut_native = true, .result = MERGE_IN_PLACE},
		{"aXbYcZd", "1.2", "a1b2cZd", .cut_python = true, .result = MERGE_IN_PLACE},
		{"aXbYc", "1.23", "a1b23c", .cut_python = true, .result = MERGE_IN_PLACE},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct merge_frames native, python;
		uint32_t out[256], cnt;
		char text[256];

		set_native(&native, cases[i].native, !cases[i].cut_native);
		set_python(&python, cases[i].python, !cases[i].cut_python);
		assert_int_equal(python_merge(&native, &python, '!', out, &cnt), cases[i].result);
		for (uint32_t k = 0; k < cnt; k++)
			text[k] = (char)out[k];
		text[cnt] = 0;
		assert_string_equal(text, cases[i].want);
	}
}

/* --- lines ------------------------------------------------------------------------------------ */

/* From the sources' own notes on the three tables, and from what compilers have made. */
static void test_lines(void **state)
{
	static const struct {
		enum python_lines kind;
		const char *bytes;
		size_t n;
		uint32_t lines[6]; /* of the instructions from the first on */
	} cases[] = {
		/* Lines 10, 11 from byte 4 on, 9 from byte 8 on. */
		{PYTHON_LINES_LNOTAB, "\x04\x01\x04\xfe", 4, {10, 10, 11, 11, 9, 9}},
		{PYTHON_LINES_LNOTAB, "", 0, {10, 10, 10, 10, 10, 10}},
		{PYTHON_LINES_RANGES,
		 "\x04\x00\x02\x01\x02\x80\x04\xff",
		 8,
		 {10, 10, 11, 0, 10, 10}},
		{PYTHON_LINES_RANGES, "\x04\x05", 2, {15, 15, 0, 0, 0, 0}},
		/* 2 units one line on; 1 without line; 1 as before; 2 by -2. */
		{PYTHON_LINES_POSITIONS,
		 "\xd9\x01\x02\xf8\x80\x11\xe9\x05",
		 8,
		 {11, 11, 0, 11, 9, 9}},
		{PYTHON_LINES_POSITIONS, "\xf1\xcc\x01\x00\x01\x01", 6, {48, 48, 0, 0, 0, 0}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct python_code_layout layout = {.kind = cases[i].kind, .unit = 2};
		char *bytes = malloc(cases[i].n ?: 1);
		struct python_code code = {.key.first_line = 10, .lines = {bytes, cases[i].n}};

		memcpy(bytes, cases[i].bytes, cases[i].n);
		for (uint32_t at = 0; at < 6; at++)
			assert_int_equal(python_code_line(&layout, &code, at), cases[i].lines[at]);
		for (size_t n = 0; n < cases[i].n; n++) { /* cut anywhere */
			char *part = malloc(n ?: 1);

			memcpy(part, bytes, n);
			code.lines = slice_of(part, n);
			for (uint32_t at = 0; at < 6; at++)
				python_code_line(&layout, &code, at);
			free(part);
		}
		free(bytes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_merge),
		cmocka_unit_test(test_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

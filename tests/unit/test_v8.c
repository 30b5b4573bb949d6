// SPDX-License-Identifier: Apache-2.0
/* V8's functions in a heap that is made here: names, files, lines, and what is not there any more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "user/profile/v8_function.h"

#define WORDS 512
#define SMI(v) ((uint64_t)(v) << 32)

enum type {
	TYPE_STRING = 0x20, /* and how it is kept */
	TYPE_ODDBALL = 131,
	TYPE_SCRIPT = 167,
	TYPE_MAP = 255,
	TYPE_SCOPE = 261,
	TYPE_SHARED = 262,
};

/* Memory from address 8 on. */
struct image {
	uint64_t words[WORDS];
	size_t cnt; /* used; all beyond cannot be read */
	size_t readable_sz;
};

static bool read_image(void *ctx, uint64_t address, void *to, size_t n)
{
	const struct image *image = ctx;

	if (address < 8 || address - 8 > image->readable_sz ||
	    n > image->readable_sz - (address - 8))
		return false;
	memcpy(to, (const char *)image->words + (address - 8), n);
	return true;
}

static struct v8_heap heap_of(struct image *image, bool span_first)
{
	return (struct v8_heap){
		.layout = {.map_type = 12,
			   .shared_type = TYPE_SHARED,
			   .scope_type = TYPE_SCOPE,
			   .script_type = TYPE_SCRIPT,
			   .oddball_type = TYPE_ODDBALL,
			   .shared_name = 16,
			   .shared_script = 32,
			   .scope_first = span_first ? 5 : 3,
			   .scope_module = 3,
			   .scope_has_smi_flags = !span_first,
			   .scope_has_span_first = span_first},
		.memory = {.ctx = image, .read = read_image},
	};
}

/* An object of so many words, its map before it. Returns the pointer to it. */
static uint64_t add(struct image *image, uint16_t type, const uint64_t *words, size_t cnt)
{
	uint64_t map = 8 * (image->cnt + 1) + 1, object;

	assert_true(image->cnt + cnt + 3 <= WORDS);
	image->words[image->cnt + 1] = (uint64_t)type << 32;
	image->cnt += 2;
	object = 8 * (image->cnt + 1) + 1;
	image->words[image->cnt++] = map;
	memcpy(image->words + image->cnt, words, cnt * sizeof(*words));
	image->cnt += cnt;
	image->readable_sz = sizeof(*image->words) * image->cnt;
	return object;
}

static uint64_t add_text(struct image *image, const char *text)
{
	uint64_t words[32] = {(uint64_t)strlen(text) << 32};

	assert_true(strlen(text) <= sizeof(words) - 8);
	memcpy(words + 1, text, strlen(text));
	return add(image, TYPE_STRING | 8, words, 1 + (strlen(text) + 7) / 8);
}

static uint64_t add_string(struct image *image, int kept, size_t n, uint64_t first, uint64_t second)
{
	return add(image, (uint16_t)(TYPE_STRING | kept),
		   (uint64_t[]){(uint64_t)n << 32, first, second}, 3);
}

static void assert_text(const struct v8_heap *heap, uint64_t string, const char *want)
{
	struct arena arena;
	struct slice text;

	arena__init(&arena, 1 << 16);
	assert_int_equal(v8_string_read(heap, string, &arena, &text), want != NULL);
	if (want) {
		assert_int_equal(text.n, strlen(want));
		assert_memory_equal(text.p, want, text.n);
	}
	arena__free(&arena);
}

static void test_strings(void **state)
{
	struct image *image = calloc(1, sizeof(*image));
	struct v8_heap heap = heap_of(image, false);
	uint64_t hello = add_text(image, "hello"), empty = add_text(image, ""), loop, wide;

	(void)state;
	assert_text(&heap, hello, "hello");
	assert_text(&heap, empty, "");
	assert_text(&heap, add_text(image, "\xe9"), "\xc3\xa9");
	assert_text(&heap, add_string(image, 1 | 8, 5, hello, empty), "hello");
	assert_text(&heap, add_string(image, 1 | 8, 10, hello, hello), "hellohello");
	assert_text(&heap, add_string(image, 3 | 8, 3, hello, SMI(1)), "ell");
	assert_text(&heap, add_string(image, 3 | 8, 5, hello, SMI(1)), NULL);
	assert_text(&heap, add_string(image, 5 | 8, 5, hello, 0), "hello");
	assert_text(&heap, add_string(image, 2 | 8, 5, 0, hello - 1 + 16), "hello");
	assert_text(&heap, add_string(image, 2 | 8 | 16, 5, 0, hello - 1 + 16), NULL);
	wide = add(image, TYPE_STRING, (uint64_t[]){3ull << 32, 0x0061de00d83dull}, 2);
	assert_text(&heap, wide,
		    "\xf0\x9f\x98\x80"
		    "a");
	/* What is none, or has no end. */
	assert_text(&heap, hello - 1, NULL);
	assert_text(&heap, add(image, TYPE_ODDBALL, (uint64_t[]){0}, 1), NULL);
	loop = add_string(image, 5 | 8, 5, 0, 0);
	image->words[(loop - 1) / 8 - 1 + 2] = loop;
	assert_text(&heap, loop, NULL);
	loop = add_string(image, 1 | 8, 5, 0, hello);
	image->words[(loop - 1) / 8 - 1 + 2] = loop;
	assert_text(&heap, loop, NULL);
	free(image);
}

/* A function foo in a script of that name and source. */
static uint64_t add_function(struct image *image, bool span_first, const char *source,
			     int32_t start, uint64_t *scope)
{
	uint64_t undefined = add(image, TYPE_ODDBALL, (uint64_t[]){0}, 1);
	uint64_t name = add_text(image, "foo"), variable = add_text(image, "v"), script;
	uint32_t flags = 1u << 12 | 1u << 14 | 2;

	script = add(image, TYPE_SCRIPT,
		     (uint64_t[]){add_text(image, source), add_text(image, "/a/b.js"), SMI(0)}, 3);
	if (span_first)
		*scope = add(image, TYPE_SCOPE,
			     (uint64_t[]){flags, 0, SMI(1), SMI(start), SMI(start + 2), variable,
					  SMI(0), name, SMI(0), undefined, undefined, undefined},
			     12);
	else
		*scope = add(image, TYPE_SCOPE,
			     (uint64_t[]){SMI(flags), 0, SMI(1), variable, SMI(0), name, SMI(0),
					  undefined, SMI(start), SMI(start + 2), undefined},
			     11);
	return add(image, TYPE_SHARED, (uint64_t[]){undefined, *scope, undefined, script, 0, 0, 0},
		   7);
}

static bool read_function(const struct v8_heap *heap, uint64_t shared, uint64_t scope,
			  struct arena *arena, struct v8_function *function)
{
	struct v8_function_key key;
	struct v8_lines lines = {0};

	if (!v8_function_key(heap, shared, scope, &key) ||
	    !v8_function_read(heap, &key, arena, function))
		return false;
	function->line = v8_line_of(heap, key.script, key.start, &lines, &(uint64_t){0});
	v8_lines__free(&lines);
	return true;
}

static void test_functions(void **state)
{
	static const struct {
		const char *source;
		int32_t start;
		uint32_t line;
	} cases[] = {
		{"ab\ncd\nef", 0, 1},	  {"ab\ncd\nef", 2, 1}, {"ab\ncd\nef", 3, 2},
		{"ab\r\ncd\r\nef", 4, 2}, {"ab\rcd\ref", 6, 3}, {"abcdef", 4, 1},
		{"ab\ncd", 60, 0},
	};

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		struct image *image = calloc(1, sizeof(*image));
		struct v8_heap heap = heap_of(image, i & 1);
		uint64_t scope, shared = add_function(image, i & 1, cases[i / 2].source,
						      cases[i / 2].start, &scope);
		struct v8_function function;
		struct arena arena;

		arena__init(&arena, 1 << 16);
		assert_true(read_function(&heap, shared, scope, &arena, &function));
		assert_true(slice_eq(function.name, SLICE("foo")));
		assert_true(slice_eq(function.file, SLICE("/a/b.js")));
		assert_int_equal(function.line, cases[i / 2].line);
		/* Another one is there by now, or something else. */
		assert_false(read_function(&heap, shared, scope + 8, &arena, &function));
		assert_false(read_function(&heap, scope, scope, &arena, &function));
		assert_false(read_function(&heap, shared - 8, scope, &arena, &function));
		/* Memory that ends early. */
		while (image->readable_sz) {
			image->readable_sz--;
			read_function(&heap, shared, scope, &arena, &function);
		}
		arena__free(&arena);
		free(image);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_functions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: Apache-2.0
/* user/profile/name_ranges: what overlaps, what is found where, and its bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "user/profile/name_ranges.h"

#define CNT(array) (sizeof(array) / sizeof(*(array)))

/* Ranges are added in this order; each letter is a name. */
static const struct {
	struct {
		uint64_t start, size;
	} added[4];
	uint64_t at;
	char found; /* 0: nothing */
} cases[] = {
	{{{100, 10}}, 99, 0},
	{{{100, 10}}, 100, 'a'},
	{{{100, 10}}, 109, 'a'},
	{{{100, 10}}, 110, 0},
	{{{200, 10}, {100, 10}}, 105, 'b'},
	{{{200, 10}, {100, 10}}, 205, 'a'},
	/* What was added last holds; what it replaces in part is gone. */
	{{{100, 100}, {150, 20}}, 160, 'b'},
	{{{100, 100}, {150, 20}}, 120, 0},
	{{{100, 100}, {150, 20}}, 180, 0},
	{{{150, 20}, {100, 100}}, 160, 'b'},
	{{{150, 20}, {100, 100}}, 180, 'b'},
	{{{100, 10}, {110, 10}, {120, 10}, {105, 20}}, 107, 'd'},
	{{{100, 10}, {110, 10}, {120, 10}, {105, 20}}, 121, 'd'},
	{{{100, 10}, {110, 10}, {120, 10}, {105, 20}}, 127, 0},
	{{{100, 10}, {100, 10}}, 100, 'b'},
	/* Without a size: until the next one, or the end. */
	{{{100, 0}, {200, 0}}, 199, 'a'},
	{{{100, 0}, {200, 0}}, 200, 'b'},
	{{{100, 0}, {200, 0}}, UINT64_MAX - 1, 'b'},
	{{{100, 0}, {100, 0}, {200, 0}}, 150, 'b'},
	/* The end of the address space is the last end. */
	{{{UINT64_MAX - 5, 100}}, UINT64_MAX - 1, 'a'},
};

static void test_find(void **state)
{
	(void)state;
	for (size_t i = 0; i < CNT(cases); i++) {
		const struct name_range *found;
		struct name_ranges ranges;

		name_ranges__init(&ranges, 4, 4096 * 16);
		for (size_t k = 0; k < 4 && cases[i].added[k].start; k++)
			assert_non_null(name_ranges__add(&ranges, cases[i].added[k].start,
							 cases[i].added[k].size,
							 slice_of(&"abcd"[k], 1)));
		name_ranges__sort(&ranges);
		found = name_ranges__find(&ranges, cases[i].at);
		if ((found ? found->name.p[0] : 0) != cases[i].found)
			fail_msg("case %zu: %c", i, found ? found->name.p[0] : '-');
		name_ranges__free(&ranges);
	}
}

static void test_bounds(void **state)
{
	struct name_ranges ranges;
	char name[64] = {0};
	int cnt = 0;

	(void)state;
	name_ranges__init(&ranges, 300, 1u << 20);
	while (name_ranges__add(&ranges, 16u * (unsigned int)++cnt, 16, SLICE("x")))
		;
	assert_int_equal(cnt, 301);
	name_ranges__reset(&ranges);
	assert_non_null(name_ranges__add(&ranges, 1, 1, SLICE("y")));
	name_ranges__free(&ranges);

	name_ranges__init(&ranges, UINT32_MAX, 100 * sizeof(name));
	for (cnt = 0; name_ranges__add(&ranges, 1, 1, slice_of(name, sizeof(name))); cnt++)
		assert_in_range(cnt, 0, 99);
	assert_true(cnt > 90);
	name_ranges__free(&ranges);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

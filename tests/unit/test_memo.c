// SPDX-License-Identifier: Apache-2.0
/* Texts kept by name: found again, replaced, forgotten, and never more than there is room for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "user/base/memo.h"

static void test_names_are_the_owners(void **unused)
{
	struct memo *memo = memo__new(4096);
	struct slice text;

	(void)unused;
	memo__put(memo, 1, 7, SLICE("one"));
	memo__put(memo, 2, 7, SLICE("two"));
	memo__put(memo, 2, 8, SLICE(""));
	assert_true(memo__get(memo, 1, 7, &text) && slice_eq(text, SLICE("one")));
	assert_true(memo__get(memo, 2, 7, &text) && slice_eq(text, SLICE("two")));
	assert_true(memo__get(memo, 2, 8, &text) && text.n == 0);
	assert_false(memo__get(memo, 1, 8, &text));
	memo__put(memo, 1, 7, SLICE("another"));
	assert_true(memo__get(memo, 1, 7, &text) && slice_eq(text, SLICE("another")));
	memo__free(memo);
}

static void test_forgets_what_was_not_used(void **unused)
{
	char bytes[MEMO_TEXT_MAX + 100];
	struct memo *memo = memo__new(8 * sizeof(bytes));
	struct slice text;

	(void)unused;
	memset(bytes, 'x', sizeof(bytes));
	for (uint64_t name = 0; name < 1000; name++) {
		memo__put(memo, 1, name, slice_of(bytes, sizeof(bytes)));
		assert_true(memo__get(memo, 1, 0, &text)); /* used again and again */
		assert_true(memo__get(memo, 1, name, &text));
		assert_int_equal(text.n, MEMO_TEXT_MAX);
	}
	assert_false(memo__get(memo, 1, 1, &text));
	assert_true(memo__get(memo, 1, 998, &text));
	memo__free(memo);
}

static void test_without_a_memo(void **unused)
{
	struct slice text;

	(void)unused;
	memo__put(NULL, 1, 1, SLICE("x"));
	assert_false(memo__get(NULL, 1, 1, &text));
	memo__free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_are_the_owners),
		cmocka_unit_test(test_forgets_what_was_not_used),
		cmocka_unit_test(test_without_a_memo),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

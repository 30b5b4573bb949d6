// SPDX-License-Identifier: Apache-2.0
/* user/base/recent: remembers as much as it promises, and no more than twice that. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "failing_alloc.h"
#include "user/base/hash.h"
#include "user/base/recent.h"

#define CNT 64u

static uint64_t hash(uint64_t i)
{
	return hash_bytes(7, &i, sizeof(i));
}

static void test_bounds(void **state)
{
	struct recent *recent = recent__new(CNT);
	uint32_t remembered = 0;

	(void)state;
	for (uint64_t i = 0; i < 1000; i++) {
		assert_false(recent__has(recent, hash(i)));
		recent__add(recent, hash(i));
		recent__add(recent, hash(i));
		assert_true(recent__has(recent, hash(0))); /* asked for each time */
		assert_true(recent__has(recent, hash(i)));
	}
	for (uint64_t i = 1000 - CNT / 2; i < 1000; i++)
		assert_true(recent__has(recent, hash(i)));
	recent__free(recent);

	recent = recent__new(CNT);
	for (uint64_t i = 0; i < 1000; i++)
		recent__add(recent, hash(i));
	for (uint64_t i = 1000 - CNT; i < 1000; i++)
		remembered += recent__has(recent, hash(i));
	assert_int_equal(remembered, CNT);
	assert_false(recent__has(recent, hash(1000 - 2 * CNT - 1)));
	recent__free(recent);
}

/* What is removed leaves room for others that were put behind it, and comes back only when added. */
static void test_removed(void **state)
{
	struct recent *recent = recent__new(CNT);

	(void)state;
	for (uint64_t i = 0; i < CNT; i++)
		recent__add(recent, i); /* all in one run: the upper half tells where */
	for (uint64_t i = 0; i < CNT; i += 2)
		recent__remove(recent, i);
	recent__remove(recent, 4711);
	for (uint64_t i = 0; i < CNT; i++)
		assert_int_equal(recent__has(recent, i), i % 2);
	for (uint64_t turn = 0; turn < 1000; turn++) { /* the table never fills with what is gone */
		recent__add(recent, hash(turn));
		recent__remove(recent, hash(turn));
		assert_false(recent__has(recent, hash(turn)));
	}
	recent__free(recent);
}

static void test_memory(void **state)
{
	(void)state;
	for (long i = 1; i <= 3; i++) {
		allocations_left = i;
		assert_null(recent__new(CNT));
	}
	allocations_left = -1;
	recent__free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_removed),
		cmocka_unit_test(test_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

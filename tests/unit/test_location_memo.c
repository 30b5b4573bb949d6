// SPDX-License-Identifier: Apache-2.0
/* user/profile/location_memo: what is remembered is of that address, in that reading and that profile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "user/profile/location_memo.h"

static void test_each_part_counts(void **state)
{
	static struct location_memo memo;
	const struct location_key key = {
		.profile = 3, .mappings = 7, .address = 0x401000, .returns = true};
	struct location_key others[] = {key, key, key, key};

	(void)state;
	others[0].profile++;
	others[1].mappings++;
	others[2].address++;
	others[3].returns = false;
	assert_int_equal(location_memo__find(&memo, &key), 0);
	location_memo__put(&memo, &key, 12);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_int_equal(location_memo__find(&memo, &others[i]), 0);
	assert_int_equal(location_memo__find(&memo, &key), 12);
	location_memo__put(&memo, &key, 0); /* memory was out */
	assert_int_equal(location_memo__find(&memo, &key), 12);
}

/* More than there is room for: what is found is right, and much of the latest is. */
static void test_many(void **state)
{
	static struct location_memo memo;
	uint32_t found = 0;

	(void)state;
	for (uint32_t i = 1; i <= 4 * LOCATION_MEMO_CNT; i++)
		location_memo__put(&memo,
				   &(struct location_key){
					   .profile = 1, .mappings = i % 5, .address = i * 4ull},
				   i);
	for (uint32_t i = 1; i <= 4 * LOCATION_MEMO_CNT; i++) {
		uint32_t location =
			location_memo__find(&memo, &(struct location_key){.profile = 1,
									  .mappings = i % 5,
									  .address = i * 4ull});

		assert_true(location == 0 || location == i);
		found += location && i > 3 * LOCATION_MEMO_CNT;
	}
	assert_in_range(found, LOCATION_MEMO_CNT / 2, LOCATION_MEMO_CNT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_part_counts),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

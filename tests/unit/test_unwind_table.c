// SPDX-License-Identifier: Apache-2.0
/* user/profile/unwind_table and go_rows: what is found at each address, page by page; Go's table and every prefix. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "user/profile/go_rows.h"

#define CNT(array) (sizeof(array) / sizeof(*(array)))
#define PAGE (1u << UNWIND_PAGE_SHIFT)

static struct unwind_rules *rules;

static struct unwind_rule rule_of(int off)
{
	return (struct unwind_rule){
		.cfa = off ? UNWIND_CFA_REGISTER : UNWIND_CFA_NONE,
		.cfa_reg = off ? UNWIND_RSP : 0,
		.cfa_off = off,
	};
}

static void add(struct unwind_rows *rows, uint64_t address, int off)
{
	struct unwind_rule rule = rule_of(off);

	assert_int_equal(unwind_rows__add(rows, address, &rule, rules), 0);
	rows->limit = address;
}

/* The offset of the rule at an address, by the table; 0: there is none. */
static int find(const struct unwind_rows *rows, uint64_t address)
{
	uint32_t cnt = unwind_rows__blocks(rows);
	struct unwind_block *blocks = calloc(cnt, sizeof(*blocks));
	const struct unwind_rule *rule;

	assert_true(cnt > 0);
	unwind_rows__write(rows, blocks);
	unwind_rules__from(rules, unwind_table_find(blocks, cnt, address - unwind_rows_base(rows)),
			   &rule);
	free(blocks);
	return rule->cfa == UNWIND_CFA_NONE ? 0 : rule->cfa_off;
}

static void test_pages(void **state)
{
	/* A function of many pages, one that begins with a page, one in the middle. */
	static const struct {
		uint64_t address;
		int off;
	} cases[] = {
		{0x400000, 0}, {0x40000f, 0},  {0x400010, 8},  {0x400fff, 8},	   {0x401000, 8},
		{0x405fff, 8}, {0x406000, 16}, {0x406001, 24}, {0x4067ff, 24},	   {0x406800, 0},
		{0x406fff, 0}, {0x407000, 0},  {0x40afff, 0},  {0x40b800, 32},	   {0x40bfff, 32},
		{0x40c000, 0}, {0x40d000, 0},  {0x900000, 0},  {0xffffffff000, 0},
	};
	struct unwind_rows rows = {0};

	(void)state;
	add(&rows, 0x400010, 8);
	add(&rows, 0x406000, 16);
	add(&rows, 0x406001, 24);
	add(&rows, 0x406800, 0);
	add(&rows, 0x40b800, 32);
	add(&rows, 0x40c000, 0);
	for (size_t i = 0; i < CNT(cases); i++)
		assert_int_equal(find(&rows, cases[i].address), cases[i].off);
	free(rows.v);
}

/* The directory is full to its last page: the first row behind it is no page, whatever it says. */
static void test_behind_the_directory(void **state)
{
	const uint64_t start = 0x400000, limit = start + UNWIND_BLOCK_PAGES * (uint64_t)PAGE;
	const struct unwind_rule unsupported = {.cfa = UNWIND_CFA_UNSUPPORTED};
	struct unwind_rows rows = {0};

	(void)state;
	for (uint64_t address = start; address < limit; address += 128) {
		assert_int_equal(unwind_rows__add(&rows, address, &unsupported, rules), 0);
		add(&rows, address + 64, 8);
	}
	add(&rows, limit, 0);
	assert_int_equal(find(&rows, limit - 1), 8);
	for (uint64_t page = 0; page < 128; page++)
		assert_int_equal(find(&rows, limit + page * PAGE + PAGE - 1), 0);
	free(rows.v);
}

/* A row for each byte: pages that fill blocks to the last row. */
static void test_dense(void **state)
{
	struct unwind_rows rows = {0};

	(void)state;
	for (uint64_t i = 0; i < 3 * PAGE + 100; i++)
		add(&rows, 0x1000 + i, 8 + 8 * (int)(i % 7));
	add(&rows, 0x1000 + 3 * PAGE + 100, 0);
	assert_int_equal(unwind_rows__blocks(&rows), 5);
	for (uint64_t i = 0; i < 3 * PAGE + 100; i += 997)
		assert_int_equal(find(&rows, 0x1000 + i), 8 + 8 * (int)(i % 7));
	assert_int_equal(find(&rows, 0x1000 + 3 * PAGE + 100), 0);
	free(rows.v);
}

static void test_disorder(void **state)
{
	struct unwind_rule rule = rule_of(8);
	struct unwind_rows rows = {0};

	(void)state;
	add(&rows, 0x2000, 16);
	assert_int_equal(unwind_rows__add(&rows, 0x1fff, &rule, rules), -EINVAL);
	assert_int_equal(unwind_rows__add(&rows, 1ull << 47, &rule, rules), -EINVAL);
	add(&rows, 0x2010, 0);
	assert_int_equal(find(&rows, 0x2000), 16);
	free(rows.v);
}

/* Only what nothing is said of is filled. */
static void test_fill(void **state)
{
	static const struct {
		uint64_t start, size;
		uint64_t at;
		int off;
	} cases[] = {
		{0x1100, 0x40, 0x1100, 99}, {0x1100, 0x40, 0x113f, 99}, {0x1100, 0x40, 0x1140, 0},
		{0x1100, 0x40, 0x10ff, 8},  {0x11f0, 0x40, 0x11ff, 99}, {0x11f0, 0x40, 0x1200, 16},
		{0x1080, 0x40, 0x1080, 8},  {0x1240, 0x40, 0x1240, 16}, {0x1800, 0x40, 0x1800, 99},
		{0x1800, 0x40, 0x183f, 99}, {0x1800, 0x40, 0x1840, 0},	{0x800, 0x40, 0x800, 99},
		{0x800, 0x40, 0x1000, 8},   {0x300, 0x4000, 0x5ff, 99}, {0x300, 0x4000, 0x1080, 8},
		{0, 0x40, 0x1000, 8},
	};

	(void)state;
	for (size_t i = 0; i < CNT(cases); i++) {
		struct unwind_rule rule = rule_of(99);
		struct unwind_rows rows = {0};

		add(&rows, 0x1000, 8);
		add(&rows, 0x1100, 0);
		add(&rows, 0x1200, 16);
		add(&rows, 0x1300, 0);
		assert_int_equal(
			unwind_rows__fill(&rows, cases[i].start, cases[i].size, &rule, rules), 0);
		assert_int_equal(find(&rows, cases[i].at), cases[i].off);
		free(rows.v);
	}
}

static void test_rules(void **state)
{
	struct unwind_rules *full = unwind_rules__new();
	struct unwind_rows rows = {0};
	const struct unwind_rule *all;

	(void)state;
	for (int i = 1; i < (int)UNWIND_RULES_MAX + 100; i++) {
		struct unwind_rule rule = rule_of(8 * i);

		assert_int_equal(unwind_rows__add(&rows, (uint64_t)i, &rule, full), 0);
	}
	assert_int_equal(unwind_rules__from(full, 0, &all), UNWIND_RULES_MAX);
	assert_int_equal((uint16_t)rows.v[rows.cnt - 1], UNWIND_RULE_UNSUPPORTED);
	free(rows.v);
	unwind_rules__free(full);
}

/* --- Go --------------------------------------------------------------------------------------- */

#define NAMES_OFF 72
#define PC_OFF 128
#define FUNCTIONS_OFF 160

/* Two functions: one with frames of 0, 8, 40 and 0 bytes, and runtime.goexit. */
static size_t make_go(char *out)
{
	static const char names[] = "main.f\0runtime.goexit";
	const uint64_t header[] = {2, 0, 0, NAMES_OFF, PC_OFF, PC_OFF, PC_OFF, FUNCTIONS_OFF};
	const uint32_t functions[] = {0, 24, 0x60, 44, 0x70};
	const uint32_t first[] = {0, 0, 0, 0, 1}, second[] = {0x60, 7, 0, 0, 0};
	const uint32_t magic = 0xfffffff1;

	memset(out, 0, 256);
	memcpy(out, &magic, 4);
	out[6] = 1;
	out[7] = 8;
	memcpy(out + 8, header, sizeof(header));
	memcpy(out + NAMES_OFF, names, sizeof(names));
	/* Each size twice its change, and for how many bytes. */
	memcpy(out + PC_OFF + 1, (const char[]){2, 4, 0x10, 0x10, 0x40, 0x20, 0x4f, 0x2c, 0}, 9);
	memcpy(out + FUNCTIONS_OFF, functions, sizeof(functions));
	memcpy(out + FUNCTIONS_OFF + 24, first, sizeof(first));
	memcpy(out + FUNCTIONS_OFF + 44, second, sizeof(second));
	return FUNCTIONS_OFF + 64;
}

static void test_go(void **state)
{
	char table[256], *exact;
	size_t n = make_go(table);
	struct unwind_rows rows = {0};
	const struct unwind_rule *all;
	struct go_text text;

	(void)state;
	assert_true(go_table_check(slice_of(table, n), &text));
	assert_int_equal(text.exit_off, 0x60);
	assert_int_equal(go_rows_take(&rows, slice_of(table, n), 0x401000, rules), 0);
	assert_int_equal(find(&rows, 0x401000), 8);
	assert_int_equal(find(&rows, 0x401003), 8);
	assert_int_equal(find(&rows, 0x401004), 16);
	assert_int_equal(find(&rows, 0x401014), 48);
	assert_int_equal(find(&rows, 0x401034), 8);
	unwind_rules__from(rules, (uint16_t)rows.v[1], &all);
	assert_int_equal(all->fp, UNWIND_FP_AT_CFA);
	assert_int_equal(all->fp_off, -16);
	unwind_rules__from(rules, (uint16_t)rows.v[rows.cnt - 2], &all);
	assert_int_equal(all->cfa, UNWIND_CFA_ROOT);
	assert_int_equal(rows.v[rows.cnt - 1] >> 16, 0x401070);
	free(rows.v);
	for (size_t i = 0; i < n; i++) {
		exact = malloc(i ?: 1);
		memcpy(exact, table, i);
		rows = (struct unwind_rows){0};
		go_table_check(slice_of(exact, i), &text);
		assert_int_equal(go_rows_take(&rows, slice_of(exact, i), 0x401000, rules), -EINVAL);
		free(rows.v);
		free(exact);
	}
}

static int set_up(void **state)
{
	(void)state;
	rules = unwind_rules__new();
	return rules ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	unwind_rules__free(rules);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pages), cmocka_unit_test(test_behind_the_directory),
		cmocka_unit_test(test_dense), cmocka_unit_test(test_disorder),
		cmocka_unit_test(test_fill),  cmocka_unit_test(test_rules),
		cmocka_unit_test(test_go),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

// SPDX-License-Identifier: Apache-2.0
/* The parts of a function of this program that the compiler has put elsewhere, compared with their symbols. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>

#include "user/profile/split_function.h"

#ifndef __clang__ /* which only reads this */
#pragma GCC optimize("O2", "reorder-blocks-and-partition")
#endif

static volatile int seldom_cnt;

static __attribute__((cold, noinline)) void seldom(int n)
{
	seldom_cnt += n;
}

/* Two parts that are seldom run, each of which comes back: the second one is in the middle of what is apart. */
static __attribute__((noinline)) int split_here(int a, int b)
{
	int sum = a;

	if (__builtin_expect(a == 7, 0)) {
		seldom(a);
		sum += seldom_cnt;
	}
	sum *= 3;
	if (__builtin_expect(b == 9, 0)) {
		seldom(b);
		sum -= seldom_cnt;
	}
	return sum * b;
}

static void test_parts(void **state)
{
	struct elf_function functions[] = {
		{.name = "split_here"}, {.name = "split_here.cold"}, {.name = "seldom"}};
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct elf_file *elf = elf_file__open(fd);
	struct split_function split;

	(void)state;
	assert_int_equal(split_here(7, 2), (7 + 7) * 3 * 2);
	assert_non_null(elf);
	elf_file__find(elf, functions, 3);
	assert_true(functions[0].size && functions[1].size && functions[2].size);
	split_function__read(&split, elf, fd, &functions[0]);
	assert_int_equal(split.cnt, 1);
	assert_int_equal(split.parts[0].start, functions[1].address);
	assert_true(split_function__has(&split, functions[1].address + functions[1].size - 1));
	assert_false(split_function__has(&split, functions[0].address));
	assert_false(split_function__has(&split, functions[2].address));

	split_function__read(&split, elf, fd, &functions[2]); /* a whole one */
	assert_int_equal(split.cnt, 0);
	functions[0].address = 0; /* none at all */
	split_function__read(&split, elf, fd, &functions[0]);
	assert_int_equal(split.cnt, 0);
	elf_file__close(elf);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

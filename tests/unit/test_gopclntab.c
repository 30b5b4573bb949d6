// SPDX-License-Identifier: Apache-2.0
/* A small table of Go's functions: whole, cut anywhere, and with each of its bytes changed. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "user/probe/gopclntab.h"

#define MAGIC_118 0xfffffff0u
#define MAGIC_120 0xfffffff1u
#define NAMES "\0main.main\0crypto/tls.(*Conn).Close\0x/crypto/tls.(*Conn).Close\0"
#define FUNCTIONS_CNT 3
#define LEAD 4096 /* bytes of the file before the table */

/* As Go's linker lays it out; what is of no interest is empty. */
struct small {
	uint32_t magic;
	uint8_t pad[2], min_insn_sz, pointer_sz;
	uint64_t functions_cnt, files_cnt, text, names_off, units_off, files_off, pc_off,
		functions_off;
	char names[80];
	uint32_t rows[FUNCTIONS_CNT * 2 + 1]; /* begins at, described at; the last: ends at */
	struct {
		uint32_t off;
		int32_t name_off;
	} functions[FUNCTIONS_CNT];
};

#define ROWS_SZ sizeof(((struct small *)0)->rows)

static struct small table_of(uint32_t magic)
{
	struct small t = {
		.magic = magic,
		.min_insn_sz = 1,
		.pointer_sz = 8,
		.functions_cnt = FUNCTIONS_CNT,
		.names_off = offsetof(struct small, names),
		.units_off = offsetof(struct small, names) + sizeof(t.names),
		.functions_off = offsetof(struct small, rows),
		.names = NAMES,
		.rows = {0x40, ROWS_SZ, 0x100, ROWS_SZ + 8, 0x180, ROWS_SZ + 16, 0x1a0},
		.functions = {{0x40, 1}, {0x100, 11}, {0x180, 36}},
	};

	return t;
}

static int fd;

static int find(const struct small *t, size_t n, struct go_function *functions, size_t cnt)
{
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(pwrite(fd, t, n, LEAD), n);
	return gopclntab_find(fd, LEAD, n, functions, cnt);
}

static void test_whole(void **state)
{
	static const uint32_t magics[] = {MAGIC_118, MAGIC_120};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct small t = table_of(magics[i]);
		struct go_function functions[] = {{.name = "crypto/tls.(*Conn).Close"},
						  {.name = "main"},
						  {.name = "main.main"}};
		uint64_t off;

		assert_int_equal(find(&t, sizeof(t), functions, 3), 0);
		assert_true(functions[0].found && functions[0].off == 0x100 &&
			    functions[0].size == 0x80);
		assert_false(functions[1].found);
		assert_true(functions[2].found && functions[2].off == 0x40);
		assert_true(gopclntab_scan(fd, &off) && off == LEAD);
	}
}

/* A table whose names fill several windows of the reader, with the wanted one anywhere about the end of one. */
static void test_many_names(void **state)
{
	enum {
		NAMES_SZ = 140000,
		EDGE = 65536
	};
	static char file[LEAD + sizeof(struct small) + NAMES_SZ];

	(void)state;
	for (uint32_t at = EDGE - 12; at < EDGE + 3; at++) {
		struct go_function function = {.name = "main.main"};
		struct small t = table_of(MAGIC_120);
		char *table = file + LEAD, *names = table + offsetof(struct small, names);

		t.units_off += NAMES_SZ;
		t.functions_off += NAMES_SZ;
		t.functions[0].name_off = (int32_t)at;
		memcpy(table, &t, offsetof(struct small, names));
		memset(names, 'x', NAMES_SZ);
		for (uint32_t name = 0; name < at; name += 1000)
			names[name] = 0;
		names[at - 1] = 0;
		memcpy(names + at, "main.main", sizeof("main.main"));
		memcpy(table + t.functions_off, t.rows, sizeof(t) - offsetof(struct small, rows));
		assert_int_equal(pwrite(fd, file, sizeof(file), 0), sizeof(file));
		assert_int_equal(gopclntab_find(fd, LEAD, sizeof(file) - LEAD, &function, 1), 0);
		assert_true(function.found && function.off == 0x40);
	}
}

static void test_others(void **state)
{
	struct go_function function = {.name = "main.main"};
	struct small t = table_of(0xfffffffau); /* Go 1.16: names are not where they are now */
	uint64_t off;

	(void)state;
	assert_int_equal(find(&t, sizeof(t), &function, 1), -EINVAL);
	assert_false(gopclntab_scan(fd, &off));
	t = table_of(MAGIC_120);
	t.pointer_sz = 4;
	assert_int_equal(find(&t, sizeof(t), &function, 1), -EINVAL);
	t = table_of(MAGIC_120);
	t.functions_cnt = UINT64_MAX;
	assert_int_equal(find(&t, sizeof(t), &function, 1), -EINVAL);
	t = table_of(MAGIC_120);
	t.functions_off = UINT64_MAX - 8;
	t.units_off = UINT64_MAX - 16;
	assert_int_equal(find(&t, sizeof(t), &function, 1), -EINVAL);
	t = table_of(MAGIC_120);
	t.rows[1] = UINT32_MAX; /* its description is nowhere */
	assert_int_equal(find(&t, sizeof(t), &function, 1), 0);
	assert_false(function.found);
	t = table_of(MAGIC_120);
	t.rows[2] = 0x40; /* nothing is in it */
	assert_int_equal(find(&t, sizeof(t), &function, 1), 0);
	assert_false(function.found);
}

static void test_cut(void **state)
{
	struct small t = table_of(MAGIC_120);

	(void)state;
	for (size_t n = 0; n < offsetof(struct small, functions) + sizeof(t.functions); n++) {
		struct go_function functions[] = {{.name = "main.main"},
						  {.name = "x/crypto/tls.(*Conn).Close"}};
		int err = find(&t, n, functions, 2);

		assert_true(err == 0 || err == -EINVAL);
		assert_false(functions[1].found);
	}
}

static void test_changed(void **state)
{
	(void)state;
	for (size_t at = 0; at < sizeof(struct small); at++)
		for (int bit = 0; bit < 8; bit++) {
			struct go_function function = {.name = "main.main"};
			struct small t = table_of(MAGIC_120);
			int err;

			((uint8_t *)&t)[at] ^= (uint8_t)(1 << bit);
			err = find(&t, sizeof(t), &function, 1);
			assert_true(err == 0 || err == -EINVAL);
			assert_true(!function.found || function.size > 0);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),	cmocka_unit_test(test_many_names),
		cmocka_unit_test(test_others),	cmocka_unit_test(test_cut),
		cmocka_unit_test(test_changed),
	};
	int failed;

	fd = memfd_create("table", MFD_CLOEXEC);
	if (fd < 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	close(fd);
	return failed;
}

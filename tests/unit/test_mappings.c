// SPDX-License-Identifier: Apache-2.0
/* user/profile/mappings: lines as the kernel writes them, and as it never would. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "user/base/procfs.h"
#include "user/profile/mappings.h"

#define CNT(array) (sizeof(array) / sizeof(*(array)))
#define BEFORE "55d0a6a00000-55d0a6a20000 "
#define AFTER "7ffffffde000-7ffffffff000 r-xp 00000000 00:00 0                          [last]\n"

static const struct {
	const char *line;
	const char *path; /* NULL: not taken */
	uint64_t off, inode;
} lines[] = {
	{BEFORE "r-xp 00002000 fd:01 1234                       /usr/bin/x\n", "/usr/bin/x", 0x2000,
	 1234},
	{BEFORE "rwxp 00000000 00:00 0 \n", "", 0, 0},
	{BEFORE "r-xs 00000000 00:05 99    /memfd:jit (deleted)\n", "/memfd:jit (deleted)", 0, 99},
	{BEFORE "r-xp 00000000 00:00 0                          [vdso]\n", "[vdso]", 0, 0},
	{BEFORE "r-xp 00000000 fd:01 7    /a b  c\n", "/a b  c", 0, 7},
	{BEFORE "r-xp 00000000 fd:01 7    /a\\012b\n", "/a\\012b", 0, 7},
	{BEFORE "r--p 00000000 fd:01 7    /data\n", NULL, 0, 0},
	{BEFORE "rw-p 00000000 00:00 0    [heap]\n", NULL, 0, 0},
	{BEFORE "---p 00000000 00:00 0\n", NULL, 0, 0},
	{BEFORE "r-x 00000000 00:00 0\n", NULL, 0, 0},
	{BEFORE "r-xp\n", NULL, 0, 0},
	{BEFORE "r-xp 0000000g fd:01 7 /x\n", NULL, 0, 0},
	{BEFORE "r-xp 00000000 fd:01 -7 /x\n", NULL, 0, 0},
	{BEFORE "r-xp 00000000 fd:01\n", NULL, 0, 0},
	{"55d0a6a20000-55d0a6a00000 r-xp 00000000 00:00 0\n", NULL, 0, 0},
	{"55d0a6a00000 r-xp 00000000 00:00 0\n", NULL, 0, 0},
	{"155d0a6a0000000000-155d0a6a0000000001 r-xp 00000000 00:00 0\n", NULL, 0, 0},
	{"-\n", NULL, 0, 0},
	{"\n", NULL, 0, 0},
};

static void parse(struct mappings *m, const char *text, size_t len)
{
	char *exact = malloc(len ?: 1);

	memcpy(exact, text, len);
	assert_int_equal(mappings__parse(m, slice_of(exact, len)), 0);
	free(exact); /* nothing may point there */
}

static void parse_text(struct mappings *m, const char *text)
{
	parse(m, text, strlen(text));
}

static void test_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < CNT(lines); i++) {
		const struct mapping *found;
		struct mappings m;
		char text[512];

		mappings__init(&m);
		snprintf(text, sizeof(text), "%s" AFTER, lines[i].line);
		for (size_t n = 0; n <= strlen(text); n++)
			parse(&m, text, n);
		assert_non_null(mappings__find(&m, 0x7fffffffefff));
		found = mappings__find(&m, 0x55d0a6a00000);
		assert_int_equal(found != NULL, lines[i].path != NULL);
		if (found) {
			assert_true(slice_eq(found->path, slice_str(lines[i].path)));
			assert_true(found->file_off == lines[i].off);
			assert_true(found->inode == lines[i].inode);
			assert_ptr_equal(mappings__find(&m, 0x55d0a6a1ffff), found);
		}
		assert_null(mappings__find(&m, 0x55d0a69fffff));
		assert_null(mappings__find(&m, 0x55d0a6a20000));
		mappings__free(&m);
	}
}

/* What overlaps the one before cannot be; an array in order needs no more. */
static void test_disorder(void **state)
{
	struct mappings m;

	(void)state;
	mappings__init(&m);
	parse_text(
		&m,
		"2000-4000 r-xp 0 0:0 0 /a\n3000-5000 r-xp 0 0:0 0 /b\n1000-2000 r-xp 0 0:0 0 /c");
	assert_int_equal(m.cnt, 1);
	mappings__free(&m);
}

/* What was found out about a mapping stays with it; another in its place knows nothing. */
static void test_known(void **state)
{
	struct mappings m;

	(void)state;
	mappings__init(&m);
	parse_text(&m, "1000-2000 r-xp 0 0:0 5 /a\n3000-4000 r-xp 0 0:0 6 /b");
	m.v[0].module = 11;
	m.v[1].module = 12;
	m.v[1].tried = true;
	parse_text(&m,
		   "1000-2000 r-xp 0 0:0 7 /a\n2000-3000 r-xp 0 0:0 0 \n3000-5000 r-xp 0 0:0 6 /b");
	assert_int_equal(m.cnt, 3);
	assert_int_equal(m.v[0].module, 0);
	assert_int_equal(m.v[1].module, 0);
	assert_int_equal(m.v[2].module, 12);
	assert_true(m.v[2].tried);
	mappings__free(&m);
}

static void test_bound(void **state)
{
	struct mappings m;
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	for (unsigned int i = 1; i <= 9000; i++)
		fprintf(out, "%x000-%x000 r-xp 0 0:0 0\n", i, i + 1);
	fclose(out);
	mappings__init(&m);
	assert_int_equal(mappings__parse(&m, slice_of(text, len)), -ENOMEM);
	assert_int_equal(m.cnt, 8192);
	assert_non_null(mappings__find(&m, 0x1000));
	mappings__free(&m);
	free(text);
}

/* Our own functions are in an executable mapping; a child that has ended has none. */
static void test_read(void **state)
{
	int dir_fd = procfs_open("/proc", (uint32_t)getpid()), pid;
	const struct mapping *found;
	struct mappings m;

	(void)state;
	mappings__init(&m);
	assert_int_equal(mappings__read(&m, dir_fd), 0);
	found = mappings__find(&m, (uintptr_t)test_read);
	assert_non_null(found);
	assert_non_null(memmem(found->path.p, found->path.n, "test_mappings", 13));
	assert_null(mappings__find(&m, (uintptr_t)&pid));
	close(dir_fd);

	pid = fork();
	if (pid == 0)
		_exit(0);
	dir_fd = procfs_open("/proc", (uint32_t)pid);
	waitpid(pid, NULL, 0);
	assert_int_equal(mappings__read(&m, dir_fd), -ESRCH);
	assert_non_null(mappings__find(&m, (uintptr_t)test_read)); /* as it was */
	close(dir_fd);
	mappings__free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines), cmocka_unit_test(test_disorder),
		cmocka_unit_test(test_known), cmocka_unit_test(test_bound),
		cmocka_unit_test(test_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: Apache-2.0
/* user/profile/perf_map: the lines, and which file is believed. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "user/base/procfs.h"
#include "user/profile/perf_map.h"

#define CNT(array) (sizeof(array) / sizeof(*(array)))

static const struct {
	const char *line;
	uint64_t at;
	const char *name; /* "": nothing there */
} lines[] = {
	{"1000 20 LazyCompile:~f /srv/app.js:10", 0x101f, "LazyCompile:~f /srv/app.js:10"},
	{"1000 20 f", 0x1020, ""},
	{"0x1000 0x20 f", 0x1001, "f"},
	{"ABCDEF012345 a f", 0xabcdef012345, "f"},
	{"ffffffffffffffff ff f", UINT64_MAX - 1, ""},
	{"1000 0 f", 0x1000, ""},
	{"1000 20 ", 0x1000, ""},
	{"1000 20", 0x1000, ""},
	{"1000", 0x1000, ""},
	{"x000 20 f", 0x1000, ""},
	{"1000  20 f", 0x1000, ""},
	{"1000\t20\tf", 0x1000, ""},
	{"11111111111111111 20 f", 0x1111111111111111, ""},
	{"1000 20 \xff\x01", 0x1000, "\xff\x01"},
};

static void test_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < CNT(lines); i++) {
		struct perf_map map;
		struct slice name;

		perf_map__init(&map);
		map.looked_ns = UINT64_MAX; /* no file */
		for (size_t n = 0; n <= strlen(lines[i].line); n++) {
			char *exact = malloc(n ?: 1);

			memcpy(exact, lines[i].line, n);
			perf_map__parse(&map, slice_of(exact, n));
			free(exact);
		}
		name = perf_map__find(&map, -1, lines[i].at);
		if (!slice_eq(name, slice_str(lines[i].name)))
			fail_msg("%s: %.*s", lines[i].line, (int)name.n, name.p);
		perf_map__free(&map);
	}
}

/* --- the file --------------------------------------------------------------------------------- */

static char path[64];

static void write_map(const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

/* The name at 0x1000 by a map that has not looked yet. */
static void assert_found(const char *expected)
{
	int dir_fd = procfs_open("/proc", (uint32_t)getpid());
	struct perf_map map;

	perf_map__init(&map);
	assert_true(slice_eq(perf_map__find(&map, dir_fd, 0x1000), slice_str(expected)));
	perf_map__free(&map);
	close(dir_fd);
}

static void test_file(void **state)
{
	char other[80];

	(void)state;
	assert_found("");
	write_map("1000 20 f\n");
	assert_found("f");
	/* A link is followed inside the root; a pipe is not waited for. */
	snprintf(other, sizeof(other), "%s.other", path);
	assert_int_equal(rename(path, other), 0);
	assert_int_equal(symlink(other, path), 0);
	assert_found("f");
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_found("");
	unlink(path);
	unlink(other);
}

/* A file that grows is read again, though not at once. */
static void test_growth(void **state)
{
	int dir_fd = procfs_open("/proc", (uint32_t)getpid());
	struct perf_map map;

	(void)state;
	perf_map__init(&map);
	write_map("1000 20 f\n");
	assert_int_equal(perf_map__find(&map, dir_fd, 0x1000).n, 1);
	write_map("1000 20 f\n2000 20 gg\n");
	assert_int_equal(perf_map__find(&map, dir_fd, 0x2000).n, 0);
	map.looked_ns = 1;
	assert_int_equal(perf_map__find(&map, dir_fd, 0x2000).n, 2);
	perf_map__free(&map);
	close(dir_fd);
	unlink(path);
}

static void test_owner(void **state)
{
	(void)state;
	if (geteuid() != 0) /* nobody else can give a file away */
		return;
	write_map("1000 20 f\n");
	assert_int_equal(chown(path, 12345, 12345), 0);
	assert_found("");
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_growth),
		cmocka_unit_test(test_owner),
	};

	snprintf(path, sizeof(path), "/tmp/perf-%d.map", getpid());
	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: Apache-2.0
/* user/base/procfs: parsers as tables, reading from a directory of our own and from /proc. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "user/base/procfs.h"

#define FIELDS_5_TO_21 "7 7 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0"

static const struct {
	const char *text;
	bool ok;
	uint32_t pid, parent_pid;
	const char *comm;
	uint64_t start_ticks;
} stats[] = {
	{"42 (nginx) S 1 " FIELDS_5_TO_21 " 132885 3133440 407\n", true, 42, 1, "nginx", 132885},
	{"42 (nginx) S 1 " FIELDS_5_TO_21 " 132885", true, 42, 1, "nginx", 132885},
	/* A comm can imitate what follows it. */
	{"7 (a) R 1 () x) S 2 " FIELDS_5_TO_21 " 5 6", true, 7, 2, "a) R 1 () x", 5},
	{"7 () S 2 " FIELDS_5_TO_21 " 5 6", true, 7, 2, "", 5},
	{"7 (\xff\n) S 0 " FIELDS_5_TO_21 " 18446744073709551615 6", true, 7, 0, "\xff\n",
	 UINT64_MAX},
	{"", false, 0, 0, "", 0},
	{"()", false, 0, 0, "", 0},
	{"7)(", false, 0, 0, "", 0},
	{"(x) S 2 " FIELDS_5_TO_21 " 5 6", false, 0, 0, "", 0},
	{"7(x) S 2 " FIELDS_5_TO_21 " 5 6", false, 0, 0, "", 0},
	{"7 (x", false, 0, 0, "", 0},
	{"7 (x)", false, 0, 0, "", 0},
	{"7 (x) S", false, 0, 0, "", 0},
	{"7 (x) S 2 " FIELDS_5_TO_21, false, 0, 0, "", 0},
	{"7 (x) S 2 " FIELDS_5_TO_21 " 18446744073709551616", false, 0, 0, "", 0},
	{"7 (x) S 4294967296 " FIELDS_5_TO_21 " 5", false, 0, 0, "", 0},
	{"4294967296 (x) S 2 " FIELDS_5_TO_21 " 5", false, 0, 0, "", 0},
	{"7 (x) S -2 " FIELDS_5_TO_21 " 5", false, 0, 0, "", 0},
};

static void test_stat(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(stats) / sizeof(stats[0]); i++) {
		struct procfs_stat stat;
		size_t len = strlen(stats[i].text);
		char *exact = malloc(len ?: 1); /* so that the sanitizer sees an over-read */

		memcpy(exact, stats[i].text, len);
		if (procfs_parse_stat(slice_of(exact, len), &stat) != stats[i].ok)
			fail_msg("case %zu: %s", i, stats[i].text);
		if (stats[i].ok) {
			assert_int_equal(stat.pid, stats[i].pid);
			assert_int_equal(stat.parent_pid, stats[i].parent_pid);
			assert_true(slice_eq(stat.comm, slice_str(stats[i].comm)));
			assert_true(stat.start_ticks == stats[i].start_ticks);
		}
		free(exact);
	}
}

/* Every prefix must be refused or read without going over its end. */
static void test_stat_prefixes(void **state)
{
	const char *text = stats[2].text;
	size_t first_ok = strlen(text) - 2; /* up to the whole of field 22 */

	(void)state;
	for (size_t len = 0; len <= strlen(text); len++) {
		struct procfs_stat stat;
		char *exact = malloc(len ?: 1);

		memcpy(exact, text, len);
		assert_int_equal(procfs_parse_stat(slice_of(exact, len), &stat), len >= first_ok);
		free(exact);
	}
}

static void test_strings(void **state)
{
	const char text[] = {'a', 0, 0, 'b', 'c', 0, 'c', 'u', 't'};
	struct slice rest = slice_of(text, sizeof(text)), string;

	(void)state;
	assert_true(procfs_next_string(&rest, &string));
	assert_true(slice_eq(string, SLICE("a")));
	assert_true(procfs_next_string(&rest, &string));
	assert_true(slice_eq(string, SLICE("")));
	assert_true(procfs_next_string(&rest, &string));
	assert_true(slice_eq(string, SLICE("bc")));
	assert_false(procfs_next_string(&rest, &string));
	rest = slice_of(NULL, 0);
	assert_false(procfs_next_string(&rest, &string));
}

static void test_lines(void **state)
{
	struct slice rest = SLICE("one\n\ntwo"), line;

	(void)state;
	assert_true(procfs_next_line(&rest, &line));
	assert_true(slice_eq(line, SLICE("one")));
	assert_true(procfs_next_line(&rest, &line));
	assert_true(slice_eq(line, SLICE("")));
	assert_true(procfs_next_line(&rest, &line));
	assert_true(slice_eq(line, SLICE("two")));
	assert_false(procfs_next_line(&rest, &line));
}

static void test_files(void **state)
{
	char dir[] = "/tmp/test_procfs.XXXXXX", buf[8];
	int dir_fd, fd, pid_fd;

	(void)state;
	assert_non_null(mkdtemp(dir));
	dir_fd = open(dir, O_DIRECTORY | O_RDONLY);
	assert_true(dir_fd >= 0);
	assert_int_equal(mkdirat(dir_fd, "12", 0700), 0);
	pid_fd = procfs_open(dir, 12);
	assert_true(pid_fd >= 0);
	assert_int_equal(procfs_open(dir, 13), -ENOENT);

	fd = openat(pid_fd, "file", O_CREAT | O_WRONLY, 0600);
	assert_int_equal(write(fd, "0123456789", 10), 10);
	close(fd);
	assert_int_equal(procfs_read(pid_fd, "file", buf, sizeof(buf)), 8);
	assert_memory_equal(buf, "01234567", 8);
	assert_int_equal(procfs_read(pid_fd, "file", buf, 0), 0);
	assert_int_equal(procfs_read(pid_fd, "none", buf, sizeof(buf)), -ENOENT);
	assert_int_equal(procfs_read(pid_fd, ".", buf, sizeof(buf)), -EISDIR);
	assert_int_equal(mkfifoat(pid_fd, "fifo", 0600), 0);
	assert_int_equal(procfs_read(pid_fd, "fifo", buf, sizeof(buf)), 0);

	assert_int_equal(symlinkat("/bin/sh", pid_fd, "exe"), 0);
	assert_int_equal(procfs_link(pid_fd, "exe", buf, sizeof(buf)), 7);
	assert_memory_equal(buf, "/bin/sh", 7);
	assert_int_equal(procfs_link(pid_fd, "exe", buf, 7), -ENAMETOOLONG);
	assert_int_equal(procfs_link(pid_fd, "file", buf, sizeof(buf)), -EINVAL);

	unlinkat(pid_fd, "file", 0);
	unlinkat(pid_fd, "fifo", 0);
	unlinkat(pid_fd, "exe", 0);
	close(pid_fd);
	unlinkat(dir_fd, "12", AT_REMOVEDIR);
	close(dir_fd);
	assert_int_equal(rmdir(dir), 0);
}

static void test_long_root(void **state)
{
	char root[1024];

	(void)state;
	memset(root, 'r', sizeof(root) - 1);
	root[sizeof(root) - 1] = '\0';
	assert_int_equal(procfs_open(root, 1), -ENAMETOOLONG);
}

static void test_own_process(void **state)
{
	struct procfs_stat stat;
	char buf[4096];
	int fd = procfs_open("/proc", (uint32_t)getpid());
	ssize_t len;

	(void)state;
	assert_true(fd >= 0);
	len = procfs_read(fd, "stat", buf, sizeof(buf));
	assert_true(len > 0);
	assert_true(procfs_parse_stat(slice_of(buf, (size_t)len), &stat));
	assert_int_equal(stat.pid, getpid());
	assert_int_equal(stat.parent_pid, getppid());
	assert_true(stat.start_ticks > 0);
	close(fd);
}

/* The descriptor must not show another process, nor a dead one's remains. */
static void test_gone(void **state)
{
	char buf[64];
	pid_t pid = fork();
	int fd;

	(void)state;
	if (pid == 0) {
		pause();
		_exit(0);
	}
	assert_true(pid > 0);
	fd = procfs_open("/proc", (uint32_t)pid);
	assert_true(fd >= 0);
	assert_true(procfs_read(fd, "stat", buf, sizeof(buf)) > 0);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(procfs_read(fd, "stat", buf, sizeof(buf)), -ESRCH);
	close(fd);
}

/* --- files as a process sees them ------------------------------------------------------------- */

static void test_open_in_root(void **state)
{
	char dir[] = "/tmp/sonde-root-XXXXXX", path[128], link[128];
	int self = procfs_open("/proc", (uint32_t)getpid()), fd;
	FILE *file;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/file", dir);
	snprintf(link, sizeof(link), "%s/link", dir);
	file = fopen(path, "w");
	fclose(file);
	fd = procfs_open_in_root(self, path);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(symlink(path, link), 0);
	fd = procfs_open_in_root(self, link);
	assert_true(fd >= 0);
	close(fd);
	unlink(link);
	assert_int_equal(symlink("/proc/self/root/etc/passwd", link), 0);
	assert_true(procfs_open_in_root(self, link) < 0); /* leads out */
	assert_int_equal(procfs_open_in_root(self, "/nonexistent"), -ENOENT);
	assert_int_equal(procfs_open_in_root(self, dir), -EINVAL);
	assert_int_equal(procfs_open_in_root(self, "/dev/null"), -EINVAL);
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(procfs_open_in_root(self, path), -EINVAL);
	unlink(path);
	unlink(link);
	rmdir(dir);
	close(self);
}

static void test_open_same(void **state)
{
	uint64_t tick_ns = 1000000000u / (uint64_t)sysconf(_SC_CLK_TCK), start_ns;
	int self = procfs_open("/proc", (uint32_t)getpid()), fd;
	struct procfs_stat stat;
	char text[1024];
	ssize_t len = procfs_read(self, "stat", text, sizeof(text));

	(void)state;
	assert_true(procfs_parse_stat(slice_of(text, (size_t)len), &stat));
	start_ns = stat.start_ticks * tick_ns;
	fd = procfs_open_same("/proc", (uint32_t)getpid(), start_ns + tick_ns / 2);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(procfs_open_same("/proc", (uint32_t)getpid(), start_ns + 5 * tick_ns),
			 -ESRCH);
	assert_int_equal(procfs_open_same("/proc", (uint32_t)getpid(), 0), -ESRCH);
	assert_int_equal(procfs_open_same("/nonexistent", 1, start_ns), -ENOENT);
	close(self);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stat),	     cmocka_unit_test(test_stat_prefixes),
		cmocka_unit_test(test_strings),	     cmocka_unit_test(test_lines),
		cmocka_unit_test(test_files),	     cmocka_unit_test(test_long_root),
		cmocka_unit_test(test_own_process),  cmocka_unit_test(test_gone),
		cmocka_unit_test(test_open_in_root), cmocka_unit_test(test_open_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

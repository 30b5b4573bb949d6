// SPDX-License-Identifier: Apache-2.0
/* user/probe/mapping_events: a ring's content, as the kernel writes it and as it never would. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <linux/perf_event.h>
#include <sys/mman.h>
#include <cmocka.h>

#include "user/probe/mapping_events.h"

#define FIXED_SZ (sizeof(struct perf_event_header) + 64)

struct seen {
	int cnt;
	struct mapped_file last;
	char path[64];
};

static void take(void *ctx, const struct mapped_file *file)
{
	struct seen *seen = ctx;

	seen->cnt++;
	seen->last = *file;
	assert_true(file->path.n < sizeof(seen->path));
	memcpy(seen->path, file->path.p, file->path.n);
	seen->path[file->path.n] = 0;
}

static size_t put_head(char *at, uint32_t type, size_t size)
{
	struct perf_event_header head = {.type = type, .size = (uint16_t)size};

	memcpy(at, &head, sizeof(head));
	return size;
}

static size_t put32(char *at, uint32_t value)
{
	memcpy(at, &value, sizeof(value));
	return sizeof(value);
}

static size_t put64(char *at, uint64_t value)
{
	memcpy(at, &value, sizeof(value));
	return sizeof(value);
}

static size_t put_mmap2(char *at, uint32_t pid, uint64_t start, uint64_t size, uint64_t inode,
			uint32_t protection, const char *path)
{
	size_t path_sz = (strlen(path) + 8) / 8 * 8, n = sizeof(struct perf_event_header);

	memset(at, 0, FIXED_SZ + path_sz);
	n += put32(at + n, pid);
	n += put32(at + n, pid + 1);
	n += put64(at + n, start);
	n += put64(at + n, size);
	n += put64(at + n, 0x3000);
	n += put32(at + n, 254);
	n += put32(at + n, 7);
	n += put64(at + n, inode);
	n += put64(at + n, 99);
	n += put32(at + n, protection);
	n += put32(at + n, 2);
	assert_int_equal(n, FIXED_SZ);
	memcpy(at + n, path, strlen(path));
	return put_head(at, PERF_RECORD_MMAP2, FIXED_SZ + path_sz);
}

static size_t put_lost(char *at, uint64_t cnt)
{
	size_t n = sizeof(struct perf_event_header);

	n += put64(at + n, 5);
	n += put64(at + n, cnt);
	return put_head(at, PERF_RECORD_LOST, n);
}

/* From an allocation of just that size. */
static struct seen parse(const char *bytes, size_t n, uint64_t *lost_cnt)
{
	struct seen seen = {0};
	struct mapping_sink sink = {.mapped = take, .ctx = &seen};
	char *exact = malloc(n ?: 1);

	memcpy(exact, bytes, n);
	mapping_events_parse(slice_of(exact, n), &sink);
	free(exact);
	if (lost_cnt)
		*lost_cnt = sink.lost_cnt;
	return seen;
}

static void test_records(void **state)
{
	char bytes[1024];
	uint64_t lost_cnt;
	size_t n = 0, whole[5], cnt = 0;
	struct seen seen;

	(void)state;
	whole[cnt++] = n +=
		put_mmap2(bytes, 12, 0x1000, 0x2000, 5, PROT_READ | PROT_EXEC, "/lib/a");
	whole[cnt++] = n += put_head(bytes + n, 4711, 24);
	whole[cnt++] = n += put_lost(bytes + n, 3);
	whole[cnt++] = n +=
		put_mmap2(bytes + n, 13, 0x5000, 0x1000, 6, PROT_EXEC, "/lib/b (deleted)");
	whole[cnt++] = n += put_lost(bytes + n, 1ull << 40);
	seen = parse(bytes, n, &lost_cnt);
	assert_int_equal(seen.cnt, 2);
	assert_true(lost_cnt == (1ull << 40) + 3);
	assert_int_equal(seen.last.pid, 13);
	assert_true(seen.last.start == 0x5000 && seen.last.limit == 0x6000);
	assert_true(seen.last.inode == 6 && seen.last.major == 254 && seen.last.minor == 7);
	assert_string_equal(seen.path, "/lib/b (deleted)");
	for (size_t i = 0; i <= n; i++) { /* cut anywhere: what is whole is taken */
		seen = parse(bytes, i, &lost_cnt);
		assert_int_equal(seen.cnt, (i >= whole[0]) + (i >= whole[3]));
		assert_int_equal(lost_cnt != 0, i >= whole[2]);
	}
}

static void test_passed_over(void **state)
{
	const int code = PROT_EXEC;
	char bytes[256];

	(void)state;
	assert_int_equal(parse(bytes, put_mmap2(bytes, 1, 1, 1, 1, code, "x"), NULL).cnt, 1);
	assert_int_equal(parse(bytes, put_mmap2(bytes, 1, 1, 1, 0, code, "//anon"), NULL).cnt, 0);
	assert_int_equal(parse(bytes, put_mmap2(bytes, 1, 1, 1, 1, PROT_READ, "x"), NULL).cnt, 0);
	assert_int_equal(parse(bytes, put_mmap2(bytes, 0, 1, 1, 1, code, "x"), NULL).cnt, 0);
	assert_int_equal(parse(bytes, put_mmap2(bytes, UINT32_MAX, 1, 1, 1, code, "x"), NULL).cnt,
			 0);
	assert_int_equal(parse(bytes, put_mmap2(bytes, 1, 1, 0, 1, code, "x"), NULL).cnt, 0);
	assert_int_equal(parse(bytes, put_mmap2(bytes, 1, 8, UINT64_MAX, 1, code, "x"), NULL).cnt,
			 0);
}

/* Sizes that lead nowhere, or beyond. */
static void test_sizes(void **state)
{
	static const uint16_t sizes[] = {0, 1, 7, 8, 9, 71, 72, 73, 255, UINT16_MAX};
	struct seen seen;
	char bytes[256];
	size_t n;

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		n = put_mmap2(bytes, 1, 1, 1, 1, PROT_EXEC, "/lib/c");
		put_head(bytes, PERF_RECORD_MMAP2, sizes[i]);
		seen = parse(bytes, n, NULL);
		assert_int_equal(seen.cnt, sizes[i] >= FIXED_SZ && sizes[i] <= n);
	}
	n = put_mmap2(bytes, 1, 1, 1, 1, PROT_EXEC, "12345678"); /* a path without its NUL */
	put_head(bytes, PERF_RECORD_MMAP2, n - 8);
	seen = parse(bytes, n - 8, NULL);
	assert_int_equal(seen.cnt, 1);
	assert_string_equal(seen.path, "12345678");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_records),
		cmocka_unit_test(test_passed_over),
		cmocka_unit_test(test_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: Apache-2.0
/* user/profile/jitdump: the records, one after the other, and which file is believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "user/base/procfs.h"
#include "user/profile/jitdump.h"

#define HEAD_SZ 40
#define SECOND_NS 1000000000ull

enum {
	LOAD,
	MOVE,
	DEBUG_INFO,
	CLOSE,
	UNWINDING_INFO
};

static int proc_fd, file_fd;
static uint64_t now_ns;

static void append(const void *bytes, size_t n)
{
	assert_int_equal(write(file_fd, bytes, n), n);
}

static void append_u32(uint32_t value)
{
	append(&value, sizeof(value));
}

static void append_u64(uint64_t value)
{
	append(&value, sizeof(value));
}

static void append_text(const char *text)
{
	append(text, strlen(text) + 1);
}

static void begin_record(uint32_t id, size_t payload_sz)
{
	append_u32(id);
	append_u32((uint32_t)(16 + payload_sz));
	append_u64(now_ns);
}

static void add_load(uint64_t address, uint64_t size, const char *name)
{
	static const char code[4096];
	size_t code_sz = size < sizeof(code) ? size : sizeof(code);

	begin_record(LOAD, 40 + strlen(name) + 1 + code_sz);
	append_u64(0);
	append_u64(address);
	append_u64(address);
	append_u64(size);
	append_u64(7);
	append_text(name);
	append(code, code_sz);
}

static void add_move(uint64_t from, uint64_t to, uint64_t size)
{
	begin_record(MOVE, 48);
	append_u64(0);
	append_u64(to);
	append_u64(from);
	append_u64(to);
	append_u64(size);
	append_u64(7);
}

static void add_place(uint64_t code, const char *file, uint32_t line)
{
	begin_record(DEBUG_INFO, 16 + 2 * (16 + strlen(file) + 1));
	append_u64(code);
	append_u64(2);
	for (uint32_t i = 0; i < 2; i++) {
		append_u64(code + 0x40 + i);
		append_u32(line + i);
		append_u32(0);
		append_text(file);
	}
}

static void begin_file(uint32_t magic, uint32_t head_sz)
{
	static const char zeros[64];

	file_fd = memfd_create("jit-1.dump", MFD_CLOEXEC);
	append_u32(magic);
	append_u32(1);
	append_u32(head_sz);
	append(zeros, (head_sz < HEAD_SZ ? HEAD_SZ : head_sz) - 12);
}

static void open_file(struct jitdump *dump)
{
	jitdump__init(dump);
	jitdump__open(dump, dup(file_fd), proc_fd);
	now_ns += SECOND_NS;
}

static void assert_at(struct jitdump *dump, uint64_t address, const char *name, const char *file,
		      uint32_t line)
{
	struct jit_function found = jitdump__find(dump, address, now_ns);

	if (!slice_eq(found.name, slice_str(name)) || !slice_eq(found.file, slice_str(file)) ||
	    found.line != line)
		fail_msg("%#lx: '%.*s' of '%.*s' line %u, not '%s' of '%s' line %u",
			 (unsigned long)address, (int)found.name.n, found.name.p, (int)found.file.n,
			 found.file.p, found.line, name, file, line);
}

static void end_file(struct jitdump *dump)
{
	jitdump__free(dump);
	close(file_fd);
}

static void test_records(void **state)
{
	struct jitdump dump;

	(void)state;
	begin_file(0x4A695444, HEAD_SZ + 8); /* of a later version, that says more */
	add_load(0x1000, 0x20, "plain");
	add_place(0x2000, "/srv/app.rb", 12);
	add_load(0x2000, 0x5000, "large");
	add_load(0x8000, 0x10, "");
	add_load(0x8100, 0, "empty");
	add_place(0x9999, "/srv/other.rb", 3);
	add_load(0x9000, 0x10, "of another place");
	begin_record(UNWINDING_INFO, 24);
	append("012345678901234567890123", 24);
	begin_record(1234, 0);
	begin_record(CLOSE, 0);
	add_load(UINT64_MAX - 7, 100, "last");
	open_file(&dump);
	assert_at(&dump, 0xfff, "", "", 0);
	assert_at(&dump, 0x1000, "plain", "", 0);
	assert_at(&dump, 0x101f, "plain", "", 0);
	assert_at(&dump, 0x1020, "", "", 0);
	assert_at(&dump, 0x6fff, "large", "/srv/app.rb", 12);
	assert_at(&dump, 0x7000, "", "", 0);
	assert_at(&dump, 0x8000, "", "", 0);
	assert_at(&dump, 0x8100, "", "", 0);
	assert_at(&dump, 0x9000, "of another place", "", 0);
	assert_at(&dump, UINT64_MAX - 1, "last", "", 0);
	end_file(&dump);
}

/* What the compiler puts where other code was, and what it moves. */
static void test_change(void **state)
{
	struct jitdump dump;

	(void)state;
	begin_file(0x4A695444, HEAD_SZ);
	add_place(0x1000, "a.js", 1);
	add_load(0x1000, 0x20, "first");
	add_place(0x2000, "a.js", 2);
	add_load(0x2000, 0x20, "second");
	open_file(&dump);
	assert_at(&dump, 0x1000, "first", "a.js", 1);
	add_load(0x1010, 0x20, "third");
	add_move(0x2000, 0x3000, 0x30);
	add_move(0x2001, 0x4000, 0x30);		      /* the beginning of nothing */
	assert_at(&dump, 0x1000, "first", "a.js", 1); /* not looked again yet */
	now_ns += SECOND_NS;
	assert_at(&dump, 0x1000, "", "", 0);
	assert_at(&dump, 0x1010, "third", "", 0);
	assert_at(&dump, 0x302f, "second", "a.js", 2);
	assert_at(&dump, 0x4000, "", "", 0);
	add_load(0x0f00, 0x1000, "wide");
	now_ns += SECOND_NS;
	assert_at(&dump, 0x1010, "wide", "", 0);
	end_file(&dump);
}

/* Each byte may be the last one that has been written by now. */
static void test_growth(void **state)
{
	char bytes[4096];
	struct jitdump dump;
	ssize_t n;

	(void)state;
	begin_file(0x4A695444, HEAD_SZ);
	add_place(0x1000, "a.js", 1);
	add_load(0x1000, 0x20, "first");
	add_load(0x2000, 0x20, "second");
	n = pread(file_fd, bytes, sizeof(bytes), 0);
	close(file_fd);
	begin_file(0x4A695444, HEAD_SZ);
	open_file(&dump);
	for (ssize_t i = HEAD_SZ; i < n; i++) {
		now_ns += SECOND_NS;
		assert_at(&dump, 0x2000, "", "", 0);
		append(bytes + i, 1);
	}
	now_ns += SECOND_NS;
	assert_at(&dump, 0x1000, "first", "a.js", 1);
	assert_at(&dump, 0x2000, "second", "", 0);
	end_file(&dump);
}

/* More than one look takes, and names that are too long. */
static void test_many(void **state)
{
	static char name[5000];
	struct jitdump dump;
	struct jit_function last;
	char number[16];

	(void)state;
	memset(name, 'x', sizeof(name) - 1);
	begin_file(0x4A695444, HEAD_SZ);
	add_load(0x1000, 0x20, name);
	for (uint32_t i = 0; i < 25000; i++) {
		snprintf(number, sizeof(number), "f%u", i);
		add_load(0x100000 + i * 16, 16, number);
	}
	open_file(&dump);
	assert_at(&dump, 0x100000, "f0", "", 0);
	assert_at(&dump, 0x100000 + 24999 * 16, "f24999", "", 0);
	last = jitdump__find(&dump, 0x1000, now_ns);
	assert_in_range(last.name.n, 1000, 1100);
	end_file(&dump);
}

static void test_broken(void **state)
{
	static const struct {
		uint32_t magic, head_sz;
	} heads[] = {{0x4454694a, HEAD_SZ}, {0, HEAD_SZ}, {0x4A695444, HEAD_SZ - 1}};
	struct jitdump dump;

	(void)state;
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		begin_file(heads[i].magic, heads[i].head_sz);
		add_load(0x1000, 0x20, "f");
		open_file(&dump);
		assert_at(&dump, 0x1000, "", "", 0);
		end_file(&dump);
	}
	/* A record that is smaller than its head: what follows is nothing. */
	begin_file(0x4A695444, HEAD_SZ);
	add_load(0x1000, 0x20, "f");
	append_u32(LOAD);
	append_u32(15);
	add_load(0x2000, 0x20, "g");
	open_file(&dump);
	assert_at(&dump, 0x1000, "f", "", 0);
	assert_at(&dump, 0x2000, "", "", 0);
	/* The file is cut while it is open. */
	assert_int_equal(ftruncate(file_fd, 3), 0);
	now_ns += SECOND_NS;
	assert_at(&dump, 0x1000, "f", "", 0);
	end_file(&dump);
}

static void test_file(void **state)
{
	struct jitdump dump;

	(void)state;
	assert_true(jitdump_is_named(slice_str("/tmp/jit-12.dump")));
	assert_true(jitdump_is_named(slice_str("jit-12.dump")));
	assert_false(jitdump_is_named(slice_str("/tmp/jit-12.dump/x")));
	assert_false(jitdump_is_named(slice_str("/tmp/ajit-12.dump")));
	assert_false(jitdump_is_named(slice_str("/jit-/a")));
	assert_false(jitdump_is_named(slice_str("")));

	jitdump__init(&dump);
	assert_true(jitdump__wants_file(&dump, now_ns));
	assert_false(jitdump__wants_file(&dump, now_ns + 1));
	assert_true(jitdump__wants_file(&dump, now_ns + SECOND_NS));
	jitdump__free(&dump);
	begin_file(0x4A695444, HEAD_SZ);
	add_load(0x1000, 0x20, "f");
	open_file(&dump);
	assert_false(jitdump__wants_file(&dump, now_ns + SECOND_NS));
	end_file(&dump);
	if (geteuid() != 0) /* nobody else can give a file away */
		return;
	begin_file(0x4A695444, HEAD_SZ);
	add_load(0x1000, 0x20, "f");
	assert_int_equal(fchown(file_fd, 12345, 12345), 0);
	open_file(&dump);
	assert_at(&dump, 0x1000, "", "", 0);
	end_file(&dump);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_records), cmocka_unit_test(test_change),
		cmocka_unit_test(test_growth),	cmocka_unit_test(test_many),
		cmocka_unit_test(test_broken),	cmocka_unit_test(test_file),
	};

	proc_fd = procfs_open("/proc", (uint32_t)getpid());
	return cmocka_run_group_tests(tests, NULL, NULL);
}

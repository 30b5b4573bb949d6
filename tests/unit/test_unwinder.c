// SPDX-License-Identifier: Apache-2.0
/* user/profile/unwinder: a copy of our own stack is walked to where the process began; what it tells the kernel's side. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "user/base/procfs.h"
#include "user/profile/unwinder.h"

#define PROCESS_ID 7

/* What the kernel's side would have. */
static struct {
	uint32_t tables, rules, published, withdrawn, mapped;
	bool has_process;
} kernel;

static void *map(void *ctx, bool table, uint32_t cnt, int *fd)
{
	(void)ctx;
	kernel.mapped++;
	*fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return calloc(cnt, table ? sizeof(struct unwind_block) : sizeof(struct unwind_mapping));
}

static void unmap(void *ctx, bool table, void *memory, uint32_t cnt)
{
	const struct unwind_head *head = memory;
	const struct unwind_mapping *mappings = memory;

	(void)ctx;
	if (!table) {
		assert_int_equal(head->cnt + 1, cnt);
		for (uint32_t i = 2; i < cnt; i++)
			assert_true(mappings[i - 1].limit <= mappings[i].start);
	}
	kernel.mapped--;
	free(memory);
}

static int publish(void *ctx, bool table, const uint32_t *ids, const int *fds, uint32_t cnt)
{
	(void)ctx;
	for (uint32_t i = 0; i < cnt; i++) {
		assert_true(fcntl(fds[i], F_GETFD) >= 0);
		assert_true(ids[i] != 0);
	}
	/* The rows' rules are there before them. */
	assert_true(!table || kernel.rules > 0);
	kernel.tables += table ? cnt : 0;
	kernel.has_process |= !table && ids[0] == PROCESS_ID;
	kernel.published++;
	return 0;
}

static void withdraw(void *ctx, bool table, const uint32_t *ids, uint32_t cnt)
{
	(void)ctx;
	kernel.withdrawn += cnt;
	if (!table && ids[0] == PROCESS_ID)
		kernel.has_process = false;
}

static int set_rules(void *ctx, uint32_t first, const struct unwind_rule *rules, uint32_t cnt)
{
	(void)ctx;
	(void)rules;
	assert_int_equal(first, kernel.rules);
	kernel.rules += cnt;
	return 0;
}

static const struct unwind_sink sink = {
	.map = map,
	.unmap = unmap,
	.publish = publish,
	.withdraw = withdraw,
	.rules = set_rules,
};

static int opened;

static int open_file(void *ctx, const struct mapping *mapping)
{
	char path[4096];

	(void)ctx;
	opened++;
	snprintf(path, sizeof(path), "%.*s", (int)mapping->path.n, mapping->path.p);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static int open_nothing(void *ctx, const struct mapping *mapping)
{
	(void)ctx;
	(void)mapping;
	return -ESRCH;
}

static struct {
	struct sample_copy head;
	char stack[SAMPLE_COPY_MAX];
} copy;

/* The registers here, and the stack, as much as there is. */
__attribute__((noinline)) static void take_copy(void)
{
	__u64 *v = copy.head.registers.v;
	int fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	ssize_t n;

	__asm__ volatile("lea 0(%%rip), %%rax\n\t"
			 "mov %%rax, 128(%0)\n\t"
			 "mov %%rbx, 24(%0)\n\t"
			 "mov %%rbp, 48(%0)\n\t"
			 "mov %%rsp, 56(%0)\n\t"
			 "mov %%r12, 96(%0)\n\t"
			 "mov %%r13, 104(%0)\n\t"
			 "mov %%r14, 112(%0)\n\t"
			 "mov %%r15, 120(%0)"
			 :
			 : "r"(v)
			 : "rax", "memory");
	copy.head.registers.exact = 1;
	n = pread(fd, copy.stack, sizeof(copy.stack), (off_t)(v[UNWIND_RSP] - UNWIND_RED_ZONE));
	assert_true(n > 512);
	copy.head.len = (uint64_t)n & ~7ull;
	close(fd);
}

static void read_own(struct mappings *m)
{
	int dir_fd = procfs_open("/proc", (uint32_t)getpid());

	mappings__init(m);
	assert_int_equal(mappings__read(m, dir_fd), 0);
	close(dir_fd);
}

static bool has_caller(const uint64_t *addresses, uint16_t cnt, uint64_t function, uint64_t size)
{
	for (uint16_t i = 1; i < cnt; i++)
		if (addresses[i] > function && addresses[i] < function + size)
			return true;
	return false;
}

static void test_walk(void **state)
{
	struct unwinder *u = unwinder__new(&sink);
	uint64_t addresses[SAMPLE_STACK_MAX];
	struct mappings own;
	uint16_t cnt;
	int before;

	(void)state;
	read_own(&own);
	take_copy();
	assert_int_equal(unwinder__walk(u, &own, &copy.head, addresses, &cnt, open_file, NULL),
			 UNWIND_ROOT);
	assert_true(cnt > 4);
	assert_true(addresses[0] & SAMPLE_EXACT);
	assert_true(has_caller(addresses, cnt, (uintptr_t)test_walk, 2048));
	/* All is known now. */
	before = opened;
	assert_int_equal(unwinder__walk(u, &own, &copy.head, addresses, &cnt, open_file, NULL),
			 UNWIND_ROOT);
	assert_int_equal(opened, before);

	unwinder__tell(u, PROCESS_ID, &own, &(struct unwind_pages){.exec = 1000});
	assert_int_equal(kernel.published, 0);
	unwinder__flush(u);
	assert_int_equal(kernel.published, 2);
	assert_true(kernel.tables >= 2 && kernel.has_process);
	unwinder__forget(u, PROCESS_ID);
	unwinder__flush(u);
	assert_false(kernel.has_process);
	unwinder__free(u);
	assert_int_equal(kernel.withdrawn, 1);
	assert_int_equal(kernel.mapped, 0);
	mappings__free(&own);
}

/* How it ends says why. */
static void test_ends(void **state)
{
	struct unwinder *u = unwinder__new(&sink);
	uint64_t addresses[SAMPLE_STACK_MAX];
	struct mappings own;
	uint64_t len;
	uint16_t cnt;

	(void)state;
	kernel.rules = 0;
	read_own(&own);
	take_copy();
	assert_int_equal(unwinder__walk(u, &own, &copy.head, addresses, &cnt, open_nothing, NULL),
			 UNWIND_NO_TABLE);
	assert_int_equal(cnt, 1);
	len = copy.head.len;
	copy.head.len = UNWIND_RED_ZONE + 8;
	assert_int_equal(unwinder__walk(u, &own, &copy.head, addresses, &cnt, open_file, NULL),
			 UNWIND_SHORT_COPY);
	copy.head.len = 0;
	assert_int_equal(unwinder__walk(u, &own, &copy.head, addresses, &cnt, open_file, NULL),
			 UNWIND_UNREADABLE);
	copy.head.len = len;
	copy.head.registers.v[UNWIND_RIP] = 4096;
	assert_int_equal(unwinder__walk(u, &own, &copy.head, addresses, &cnt, open_file, NULL),
			 UNWIND_NOT_CODE);
	unwinder__free(u);
	mappings__free(&own);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_walk),
		cmocka_unit_test(test_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

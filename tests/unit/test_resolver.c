// SPDX-License-Identifier: Apache-2.0
/* user/profile/resolver with user/profile/symbols: our own addresses get our own names. */
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "tests/unit/resolver_rig.h"
#include "user/profile/symbols.h"

struct record {
	struct record_sample sample;
	uint64_t addresses[2 * SAMPLE_STACK_MAX];
};

static struct record record_of(uint32_t pid, uint64_t start_ns)
{
	return (struct record){
		.sample = {.pid = pid, .tid = pid, .process_id = 1, .start_ns = start_ns}};
}

static void push_user(struct record *record, uint64_t address)
{
	record->addresses[record->sample.kernel_cnt + record->sample.user_cnt++] = address;
}

/* The names of the stack joined by ';', the leaf first; a file in brackets where there is none. */
static const char *names(const struct record *record)
{
	uint32_t index = resolver__stack(resolver, profile, &record->sample);
	const struct profile_stack *stack = &profile->stacks.v[index];
	static char text[8192];
	size_t n = 0;

	assert_int_not_equal(index, 0);
	text[0] = 0;
	for (uint32_t i = 0; i < stack->cnt; i++) {
		const struct profile_location *location =
			&profile->locations.v[profile->stack_locations.v[stack->first + i]];
		struct slice name =
			profile->strings.v[profile->functions.v[location->function].name];
		struct slice file = profile->strings.v[profile->mappings.v[location->mapping].file];

		n += (size_t)snprintf(text + n, sizeof(text) - n, name.n ? "%s%.*s" : "%s(%.*s)",
				      i ? ";" : "", (int)(name.n ? name.n : file.n),
				      name.n ? name.p : file.p);
	}
	return text;
}

static const struct profile_location *last_location(void)
{
	return &profile->locations.v[profile->locations.cnt - 1];
}

static __attribute__((noinline)) void function_before(void)
{
	__asm__ volatile("nop");
}

/* --- ourselves -------------------------------------------------------------------------------- */

static struct record own_record(void)
{
	return record_of((uint32_t)getpid(), start_of((uint32_t)getpid()));
}

/* The leaf's address is where it is; a return address belongs to the call before it. */
static void test_own_functions(void **state)
{
	struct record record = own_record();

	(void)state;
	push_user(&record, (uintptr_t)function_before);
	assert_string_equal(names(&record), "function_before");
	assert_int_equal(last_location()->type, FRAME_NATIVE);
	push_user(&record, (uintptr_t)function_before + 1);
	push_user(&record, (uintptr_t)names + 5);
	assert_string_equal(names(&record), "function_before;function_before;names");
	assert_int_equal(account_get(ACCOUNT_STACKS_UNMAPPED), 0);
}

/* Addresses are the file's own, so that they agree between processes. */
static void test_file_addresses(void **state)
{
	const struct profile_mapping *mapping;
	struct record record = own_record();
	uint64_t first;

	(void)state;
	push_user(&record, (uintptr_t)function_before);
	names(&record);
	first = last_location()->address;
	mapping = &profile->mappings.v[last_location()->mapping];
	assert_in_range(first, mapping->start, mapping->limit - 1);
	assert_true(mapping->limit < (uintptr_t)function_before); /* we are position independent */
	assert_int_not_equal(profile->strings.v[mapping->build_id].n, 0);
	record.addresses[0]++;
	names(&record);
	assert_true(last_location()->address == first + 1);
}

static void test_vdso(void **state)
{
	uint64_t at = getauxval(AT_SYSINFO_EHDR);
	struct record record = own_record();
	bool found = false;

	(void)state;
	push_user(&record, 0);
	for (uint64_t off = 0; !found && off < 0x2000; off += 16) {
		record.addresses[0] = at + off;
		found = strstr(names(&record), "clock_gettime") || strstr(names(&record), "getcpu");
	}
	assert_true(found);
}

/* What is no code ends the stack, and says so. */
static void test_unmapped(void **state)
{
	struct record record = own_record();
	int on_stack;

	(void)state;
	push_user(&record, (uintptr_t)function_before);
	push_user(&record, (uintptr_t)&on_stack);
	push_user(&record, (uintptr_t)names + 5);
	assert_string_equal(names(&record), "function_before;[unknown caller]");
	assert_int_equal(last_location()->type, FRAME_ERROR);
	assert_int_equal(account_get(ACCOUNT_STACKS_UNMAPPED), 1);
}

static void test_depth(void **state)
{
	struct record record = own_record();
	const char *text;

	(void)state;
	for (int i = 0; i < SAMPLE_STACK_MAX; i++) {
		record.addresses[i] = 0xffffffff81000000u + (uint64_t)i;
		record.sample.kernel_cnt++;
	}
	for (int i = 0; i < SAMPLE_STACK_MAX; i++)
		push_user(&record, (uintptr_t)names + 5);
	text = names(&record);
	assert_string_equal(text + strlen(text) - 10, "[too deep]");
	assert_int_equal(profile->stacks.v[profile->stacks.cnt - 1].cnt, 2 * SAMPLE_STACK_MAX + 1);
}

/* Code that appears later is found, and what a perf map file says of it. */
static void test_new_code(void **state)
{
	struct record record = own_record();
	char path[64], line[64];
	void *code;
	FILE *file;

	(void)state;
	push_user(&record, (uintptr_t)function_before);
	names(&record);
	code = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(code, MAP_FAILED);
	snprintf(path, sizeof(path), "/tmp/perf-%d.map", getpid());
	file = fopen(path, "w");
	snprintf(line, sizeof(line), "%" PRIxPTR " 10 jitted\n", (uintptr_t)code);
	fputs(line, file);
	fclose(file);
	usleep(110000); /* mappings are not read again at once */
	record.addresses[0] = (uintptr_t)code + 15;
	assert_string_equal(names(&record), "jitted");
	assert_int_equal(last_location()->type, FRAME_JIT);
	record.addresses[0] = (uintptr_t)code + 16;
	assert_string_equal(names(&record), "([anonymous])");
	unlink(path);
	munmap(code, 4096);
}

/* --- others ----------------------------------------------------------------------------------- */

static void test_no_stack(void **state)
{
	struct record record = own_record();

	(void)state;
	assert_string_equal(names(&record), "[no stack]");
}

/* It ended before it was looked at; or its pid is another's now. */
static void test_ended(void **state)
{
	struct record record = own_record();
	int pid = fork();

	(void)state;
	if (pid == 0)
		_exit(0);
	waitpid(pid, NULL, 0);
	record.sample.pid = (uint32_t)pid;
	push_user(&record, (uintptr_t)function_before);
	assert_string_equal(names(&record), "[process ended]");
	record = own_record();
	record.sample.start_ns += 1000000000;
	push_user(&record, (uintptr_t)function_before);
	assert_string_equal(names(&record), "[process ended]");
	assert_int_equal(account_get(ACCOUNT_STACKS_ENDED), 2);
}

/* Known while it lived: late samples still find their functions. */
static void test_late(void **state)
{
	struct record record;
	int pid = fork();

	(void)state;
	if (pid == 0)
		for (;;)
			pause();
	record = record_of((uint32_t)pid, start_of((uint32_t)pid));
	push_user(&record, (uintptr_t)function_before);
	assert_string_equal(names(&record), "function_before");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_string_equal(names(&record), "function_before");
}

/* More processes than the table holds: the oldest goes, its descriptors with it. */
static void test_many_processes(void **state)
{
	struct record record = own_record();

	(void)state;
	push_user(&record, (uintptr_t)function_before);
	for (uint32_t i = 0; i < 2000; i++) {
		record.sample.process_id = i + 1;
		assert_string_equal(names(&record), "function_before");
	}
}

/* --- modules ---------------------------------------------------------------------------------- */

static int file_of(const void *bytes, size_t n)
{
	int fd = memfd_create("module", MFD_CLOEXEC);

	assert_int_equal(write(fd, bytes, n), n);
	return fd;
}

/* More files than the cache holds: numbers of those that went are known to be gone. */
static void test_module_cache(void **state)
{
	struct symbols *s = symbols__new();
	char bytes[8192];
	int own = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	ssize_t n = pread(own, bytes, sizeof(bytes), 0), first = 0, module = 0, again;

	(void)state;
	assert_int_equal(n, sizeof(bytes)); /* an ELF header and no sections: cut */
	for (int i = 0; i < MODULES_MAX + 10; i++) {
		module = symbols__open(s, file_of(bytes, sizeof(bytes)), -1, SLICE("/m"));
		assert_true(module > 0);
		first = first ?: module;
	}
	assert_false(symbols__has(s, (uint32_t)first));
	assert_true(symbols__has(s, (uint32_t)module));
	assert_null(symbols__segment(s, (uint32_t)first, 0x1000));
	assert_int_equal(symbols__find(s, (uint32_t)first, 0x1000).name.n, 0);
	module = symbols__open(s, own, -1, SLICE("/m"));
	again = symbols__open(s, open("/proc/self/exe", O_RDONLY | O_CLOEXEC), -1, SLICE("/m"));
	assert_int_equal(module, again);
	symbols__free(s);
}

/* Every prefix, and every byte of the headers changed: nothing is believed. */
static void test_hostile_files(void **state)
{
	struct symbols *s = symbols__new();
	char bytes[4096];
	int own = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_int_equal(pread(own, bytes, sizeof(bytes), 0), sizeof(bytes));
	close(own);
	assert_true(symbols__open(s, file_of("no ELF", 6), -1, SLICE("/m")) < 0);
	assert_true(symbols__open(s, open("/dev/null", O_RDONLY), -1, SLICE("/m")) < 0);
	for (size_t n = 0; n < 1024; n += 3) {
		ssize_t module = symbols__open(s, file_of(bytes, n), -1, SLICE("/m"));

		if (module > 0)
			symbols__find(s, (uint32_t)module, 0x1000);
	}
	for (size_t i = 4; i < 1024; i++) {
		ssize_t module;

		bytes[i] = (char)(bytes[i] ^ 0xff);
		module = symbols__open(s, file_of(bytes, sizeof(bytes)), -1, SLICE("/m"));
		if (module > 0) {
			symbols__segment(s, (uint32_t)module, 0x1000);
			symbols__find(s, (uint32_t)module, 0x1000);
		}
		bytes[i] = (char)(bytes[i] ^ 0xff);
	}
	symbols__free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_own_functions, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_file_addresses, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_vdso, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_unmapped, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_depth, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_new_code, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_stack, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_ended, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_late, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_many_processes, set_up, tear_down),
		cmocka_unit_test(test_module_cache),
		cmocka_unit_test(test_hostile_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

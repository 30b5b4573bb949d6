// SPDX-License-Identifier: Apache-2.0
/* user/profile/lines with line_reader and base/dwarf_file: our own inlined functions at our own addresses. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "tests/unit/resolver_rig.h"
#include "user/base/clock.h"
#include "user/base/elf_file.h"
#include "user/profile/line_frames.h"
#include "user/profile/line_reader.h"

#define SECONDS_NS 60000000000ull
#define MEMORY_SZ (512u << 20)
#define INLINED static inline __attribute__((always_inline))

static int set_up_lines(void **state)
{
	return set_up(state) || !resolver__want_lines(resolver);
}

/* --- code that knows its lines ------------------------------------------------------------------- */

static int inner_line, middle_line, outer_line;

static __attribute__((noinline)) uint64_t here(void)
{
	__asm__ volatile("");
	return (uintptr_t)__builtin_return_address(0);
}

INLINED uint64_t inner(void)
{
	uint64_t address;

	inner_line = __LINE__ + 1;
	address = here();
	__asm__ volatile("" : "+r"(address));
	return address;
}

INLINED uint64_t middle(void)
{
	middle_line = __LINE__ + 1;
	return inner() + 0;
}

static __attribute__((noinline)) uint64_t outer(void)
{
	uint64_t address;

	outer_line = __LINE__ + 1;
	address = middle();
	__asm__ volatile("" : "+r"(address));
	return address;
}

/* --- profiles of ourselves ----------------------------------------------------------------------- */

struct record {
	struct record_sample sample;
	uint64_t addresses[2];
};

/* A stack of here(), returning to that address. */
static void add_sample(uint64_t address)
{
	const struct record record = {
		.sample = {.pid = (uint32_t)getpid(),
			   .process_id = 1,
			   .start_ns = start_of((uint32_t)getpid()),
			   .user_cnt = 2},
		.addresses = {(uintptr_t)here, address},
	};
	struct profile_sample sample = {
		.stack = resolver__stack(resolver, profile, &record.sample),
	};

	assert_int_not_equal(sample.stack, 0);
	assert_int_equal(profile__add(profile, &sample), 0);
}

/* Replaces the profile by the one with lines. */
static void add_lines(uint64_t time_ns)
{
	const struct line_bounds bounds = {time_ns, MEMORY_SZ, 0};
	struct profile *with = resolver__add_lines(resolver, profile, &bounds);

	assert_non_null(with);
	assert_int_equal(with->samples.cnt, profile->samples.cnt);
	profile__free(profile);
	profile = with;
}

/* "inner test_lines.c:12;..." of the location to which the sample returns, the innermost first. */
static const char *frames_of(uint32_t sample)
{
	const struct profile_stack *stack = &profile->stacks.v[profile->samples.v[sample].stack];
	uint32_t frames[PROFILE_INLINED_MAX];
	uint32_t cnt =
		profile_frames(profile, profile->stack_locations.v[stack->first + 1], frames);
	static char text[4096];
	size_t n = 0;

	text[0] = 0;
	for (uint32_t i = 0; i < cnt; i++) {
		const struct profile_location *l = &profile->locations.v[frames[i]];
		const struct profile_function *f = &profile->functions.v[l->function];
		struct slice name = profile->strings.v[f->name], file = profile->strings.v[f->file];
		const char *slash = file.n ? memrchr(file.p, '/', file.n) : NULL;

		assert_int_equal(l->type, i + 1 < cnt ? FRAME_INLINED : FRAME_NATIVE);
		assert_true(!l->module && !l->returns);
		assert_true(!file.n || (file.p[0] == '/' && slash));
		file = slash ? slice_after(file, (size_t)(slash + 1 - file.p)) : file;
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%.*s %.*s:%u", i ? ";" : "",
				      (int)name.n, name.p, (int)file.n, file.p, l->line);
	}
	return text;
}

static const char *wanted(void)
{
	static char text[256];

	snprintf(text, sizeof(text),
		 "inner test_lines.c:%d;middle test_lines.c:%d;outer test_lines.c:%d", inner_line,
		 middle_line, outer_line);
	return text;
}

static void test_own_lines(void **state)
{
	uint64_t address = outer();

	(void)state;
	add_sample(address);
	add_sample(address);
	add_lines(SECONDS_NS);
	assert_string_equal(frames_of(0), wanted());
	assert_int_equal(profile->samples.v[0].stack, profile->samples.v[1].stack);
	assert_int_equal(account_get(ACCOUNT_LINES), 2); /* and the leaf's */
}

/* What is known needs no time any more. */
static void test_kept(void **state)
{
	(void)state;
	add_sample(outer());
	add_lines(SECONDS_NS);
	profile__free(profile);
	profile = profile__new(1);
	add_sample(outer());
	add_lines(0);
	assert_string_equal(frames_of(0), wanted());
	assert_int_equal(account_get(ACCOUNT_LINES_LATE), 0);
}

/* What could not be read in time is counted; without any time it was not even tried. */
static void test_late(void **state)
{
	(void)state;
	add_sample(outer());
	add_lines(0);
	assert_string_equal(frames_of(0), "outer :0");
	assert_int_equal(account_get(ACCOUNT_LINES_LATE), 2);
	profile__free(profile);
	profile = profile__new(1);
	add_sample(outer());
	add_lines(SECONDS_NS);
	assert_string_equal(frames_of(0), wanted());
	assert_int_equal(account_get(ACCOUNT_LINES_LATE), 2);
}

/* Without being asked for, locations are as they were. */
static void test_not_wanted(void **state)
{
	(void)state;
	resolver__free(resolver);
	resolver = resolver__new(NULL, NULL);
	assert_non_null(resolver);
	add_sample(outer());
	assert_null(
		resolver__add_lines(resolver, profile, &(struct line_bounds){SECONDS_NS, 0, 0}));
	assert_string_equal(frames_of(0), "outer :0");
}

/* --- the reader ------------------------------------------------------------------------------- */

static void count(void *ctx, uint32_t i, struct slice frames)
{
	(void)i;
	assert_true(frames.n);
	++*(uint32_t *)ctx;
}

/* Addresses all over our own code. */
static struct elf_segment own_code(int fd)
{
	struct elf_segment segments[SEGMENTS_MAX];
	struct elf_file *elf = elf_file__open(fd);

	assert_non_null(elf);
	assert_true(elf_file__segments(elf, segments) >= 1);
	elf_file__close(elf);
	return segments[0];
}

static uint32_t read_all(int fd, const struct elf_segment *code, enum line_result wanted_result)
{
	uint64_t addresses[64];
	uint32_t found = 0;

	for (uint64_t i = 0; i < 64; i++)
		addresses[i] = code->address + i * code->size / 64;
	assert_int_equal(line_reader_run(fd, addresses, 64, clock_mono_ns() + SECONDS_NS, MEMORY_SZ,
					 count, &found),
			 wanted_result);
	return found;
}

/* Files that are none, and one that ends too early. */
static void test_bad_files(void **state)
{
	int own = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int fd = memfd_create("file", MFD_CLOEXEC);
	struct elf_segment code = own_code(own);
	struct stat st;
	char *bytes;

	(void)state;
	assert_true(own >= 0 && fd >= 0 && fstat(own, &st) == 0);
	bytes = malloc((size_t)st.st_size);
	assert_true(bytes && pread(own, bytes, (size_t)st.st_size, 0) == st.st_size);
	assert_int_equal(read_all(fd, &code, LINES_DONE), 0);
	assert_true(read_all(own, &code, LINES_DONE) > 10);
	for (int part = 1; part <= 8; part++) {
		off_t size = st.st_size / 8 * part;

		assert_int_equal(ftruncate(fd, 0), 0);
		assert_true(pwrite(fd, bytes, (size_t)size, 0) == size);
		read_all(fd, &code, LINES_DONE);
	}
	assert_int_equal(read_all(-1, &code, LINES_FAILED), 0);
	free(bytes);
	close(fd);
	close(own);
}

/* --- bytes --------------------------------------------------------------------------------------- */

static void test_bytes(void **state)
{
	static char buf[LINE_FRAMES_MAX_SZ], longest[2 * LINE_TEXT_MAX];
	const struct source_frame frames[] = {
		{SLICE("_Z1fv"), SLICE("/src"), SLICE("a/f.cc"), 7},
		{SLICE(""), SLICE("/src/"), SLICE("g.cc"), 0},
		{slice_of(longest, sizeof(longest)), SLICE(""), SLICE("/abs"), INT32_MAX},
		{SLICE("h"), slice_of(longest, sizeof(longest)), SLICE("x"), 1},
	};
	static const char *const paths[] = {"/src/a/f.cc", "/src/g.cc", "/abs", NULL};
	struct source_frame frame;
	struct slice rest;
	uint32_t cnt = 0;

	(void)state;
	memset(longest, 'n', sizeof(longest));
	rest = slice_of(buf, line_frames_write(buf, frames, 4));
	for (; line_frames_next(&rest, &frame); cnt++) {
		assert_int_equal(frame.line, frames[cnt].line);
		assert_true(slice_eq(frame.name, slice_first(frames[cnt].name, LINE_TEXT_MAX)));
		assert_true(!paths[cnt] || slice_eq(frame.file, slice_str(paths[cnt])));
		assert_true(frame.file.n <= LINE_TEXT_MAX);
	}
	assert_int_equal(cnt, 4);
	/* Every prefix, from an allocation of its size. */
	for (size_t n = 0; n < 64; n++) {
		char *cut = malloc(n + 1);

		memcpy(cut, buf, n);
		rest = slice_of(cut, n);
		for (cnt = 0; line_frames_next(&rest, &frame);)
			cnt++;
		assert_true(cnt <= 2);
		free(cut);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_own_lines, set_up_lines, tear_down),
		cmocka_unit_test_setup_teardown(test_kept, set_up_lines, tear_down),
		cmocka_unit_test_setup_teardown(test_late, set_up_lines, tear_down),
		cmocka_unit_test_setup_teardown(test_not_wanted, set_up_lines, tear_down),
		cmocka_unit_test(test_bad_files),
		cmocka_unit_test(test_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

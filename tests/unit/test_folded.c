// SPDX-License-Identifier: Apache-2.0
/* Folded stacks: every line, its order, names that would break it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/profile_rig.h"

#include "user/export/folded.h"

static void check(const struct profile *p, const char *want)
{
	struct slice text = rig_written(folded_write, p);

	assert_string_equal(text.p, want);
	free((char *)text.p);
}

static void no_samples(void **state)
{
	struct profile *p = rig_profile();

	(void)state;
	check(p, "");
	profile__free(p);
}

/* Equal stacks are one line wherever their samples stood; lines are in order of their frames. */
static void lines(void **state)
{
	struct profile *p = rig_profile();
	uint32_t abc = rig_named_stack(p, FRAME_NATIVE, "a b c");
	uint32_t ab = rig_named_stack(p, FRAME_NATIVE, "a b");

	(void)state;
	rig_samples(p, "t", abc, 2);
	rig_samples(p, "t", ab, 1);
	rig_samples(p, "s", abc, 1);
	rig_samples(p, "t", abc, 3);
	rig_samples(p, "t", rig_named_stack(p, FRAME_NATIVE, "a ab c"), 1);
	rig_samples(p, "t", 0, 4);
	check(p, "s;a;b;c 1\n"
		 "t 4\n"
		 "t;a;ab;c 1\n"
		 "t;a;b 1\n"
		 "t;a;b;c 5\n");
	profile__free(p);
}

/* What is inlined is a frame of its own, and another than the same function called. */
static void inlined(void **state)
{
	struct profile *p = rig_profile();
	struct profile_location inner, outer;
	uint32_t stack[2];

	(void)state;
	inner = p->locations.v[rig_location(
		p, &(struct rig_frame){
			   .type = FRAME_INLINED, .name = "f", .source = "f.c", .line = 1})];
	stack[0] = rig_location(p, &(struct rig_frame){.type = FRAME_NATIVE, .name = "f"});
	inner.inlined = 0;
	outer = p->locations.v[stack[0]];
	outer.address = 8;
	outer.inlined = profile__location(p, &inner);
	inner.line = 2;
	inner.inlined = outer.inlined;
	outer.inlined = profile__location(p, &inner);
	stack[1] = profile__location(p, &outer);
	rig_samples(p, "t", profile__stack(p, stack, 2), 3);
	rig_samples(p, "t", profile__stack(p, stack + 1, 1), 1);
	check(p, "t;f;f_[i];f_[i] 1\n"
		 "t;f;f_[i];f_[i];f 3\n");
	profile__free(p);
}

/* The same name of another type is another frame; of another address it is the same. */
static void types(void **state)
{
	static const struct rig_frame frames[] = {
		{.type = FRAME_NATIVE, .name = "f", .address = 1},
		{.type = FRAME_NATIVE, .name = "f", .address = 2},
		{.type = FRAME_KERNEL, .name = "f"},
		{.type = FRAME_JIT, .name = "f"},
		{.type = FRAME_ERROR, .name = "[cut]"},
		{.type = FRAME_NATIVE, .file = "/usr/lib/libfoo.so.1", .address = 3},
		{.type = FRAME_NATIVE, .file = "/usr/lib/libfoo.so.1", .address = 4},
		{.type = FRAME_KERNEL, .file = "[kernel]"},
		{.type = FRAME_NATIVE, .file = "[vdso]"},
		{.type = FRAME_JIT},
	};
	struct profile *p = rig_profile();

	(void)state;
	for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++)
		rig_samples(p, "t", rig_stack(p, (const struct rig_frame *[]){&frames[i]}, 1), 1);
	check(p, "t;[cut] 1\n"
		 "t;[kernel]_[k] 1\n"
		 "t;[libfoo.so.1] 2\n"
		 "t;[unknown]_[j] 1\n"
		 "t;[vdso] 1\n"
		 "t;f 2\n"
		 "t;f_[k] 1\n"
		 "t;f_[j] 1\n");
	profile__free(p);
}

static void roots(void **state)
{
	struct profile *p = rig_profile();
	struct profile_sample samples[] = {
		{.resource = rig_resource(p, "shop", 1), .thread_name = rig_string(p, "worker")},
		{.resource = rig_resource(p, NULL, 2), .thread_name = rig_string(p, "sh")},
		{.thread_name = rig_string(p, "kworker/0:1")},
		{0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++)
		profile__add(p, &samples[i]);
	check(p, "[unknown] 1\nkworker/0:1 1\nsh 1\nshop 1\n");
	profile__free(p);
}

static void names_that_would_break_a_line(void **state)
{
	struct profile *p = rig_profile();
	struct rig_frame frame = {
		.type = FRAME_NATIVE,
		.name = "a;b c\n1\r\t\x1B[31m\x7F\xC2\x85\xFFgr\xC3\xBC\xC3\x9F",
	};

	(void)state;
	rig_samples(p, ";\n", rig_stack(p, (const struct rig_frame *[]){&frame}, 1), 1);
	check(p, ": ;a:b c 1   [31m  \xEF\xBF\xBDgr\xC3\xBC\xC3\x9F 1\n");
	profile__free(p);
}

static void deepest_stack(void **state)
{
	struct profile *p = rig_profile();
	char names[2 * PROFILE_FRAMES_MAX], want[2 * PROFILE_FRAMES_MAX + 8];
	int at = 0;

	(void)state;
	for (size_t i = 0; i < PROFILE_FRAMES_MAX; i++) {
		names[2 * i] = 'f';
		names[2 * i + 1] = i + 1 < PROFILE_FRAMES_MAX ? ' ' : '\0';
	}
	rig_samples(p, "t", rig_named_stack(p, FRAME_NATIVE, names), 2);
	for (size_t i = 0; i < sizeof(names); i++)
		names[i] = names[i] == ' ' ? ';' : names[i];
	at = snprintf(want, sizeof(want), "t;%s 2\n", names);
	assert_in_range(at, 0, sizeof(want) - 1);
	check(p, want);
	profile__free(p);
}

static void a_full_disk_is_an_error(void **state)
{
	struct profile *p = rig_profile();

	(void)state;
	rig_samples(p, "t", 0, 1);
	assert_int_equal(rig_disk_full(folded_write, p), -ENOSPC);
	for (uint32_t i = 0; i < 20000; i++) { /* more than the stream's buffer */
		char name[16];

		snprintf(name, sizeof(name), "f%u", i);
		rig_samples(p, "t", rig_named_stack(p, FRAME_NATIVE, name), 1);
	}
	assert_true(rig_disk_full(folded_write, p) < 0);
	profile__free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_samples),	 cmocka_unit_test(lines),
		cmocka_unit_test(inlined),	 cmocka_unit_test(types),
		cmocka_unit_test(roots),	 cmocka_unit_test(names_that_would_break_a_line),
		cmocka_unit_test(deepest_stack), cmocka_unit_test(a_full_disk_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

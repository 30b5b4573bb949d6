// SPDX-License-Identifier: Apache-2.0
/* Folded stacks: what becomes of a line, and of lines that are none; what folded_write wrote reads back. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/failing_alloc.h"
#include "tests/unit/profile_rig.h"

#include "user/cli/folded_read.h"
#include "user/export/folded.h"

static struct folded_reading reading;

static int read_bytes(struct profile *p, const char *bytes, size_t n)
{
	FILE *in = fmemopen((void *)bytes, n, "r");
	int err;

	assert_non_null(in);
	err = folded_read(in, p, &reading);
	fclose(in);
	return err;
}

/* As it is written again; the caller frees. */
static char *again(const char *text)
{
	struct profile *p = rig_profile();
	char *written;

	assert_int_equal(read_bytes(p, text, strlen(text)), 0);
	p->off_cpu = true;
	written = (char *)rig_written(folded_write, p).p;
	profile__free(p);
	return written;
}

static void lines(void **state)
{
	static const struct {
		const char *text, *again;
		uint64_t bad, first_bad;
	} cases[] = {
		{"a;b;c 12\n", "a;b;c 12\n", 0, 0},
		{"a 1", "a 1\n", 0, 0},
		{"k 1\na;b 2\n", "a;b 2\nk 1\n", 0, 0},
		{"a;b 1\r\n", "a;b 1\n", 0, 0},
		{"a;b c 1\n", "a;b c 1\n", 0, 0},
		{"a;k_[k];j_[j] 3\n", "a;k_[k];j_[j] 3\n", 0, 0},
		{"a;b 1\na;b 2\n", "a;b 3\n", 0, 0},
		{"a;_[k] 1\n", "a;_[k] 1\n", 0, 0},
		{"a;; 1\n", "a;[unknown];[unknown] 1\n", 0, 0},
		{"a;b 18446744073709551615\n", "a;b 18446744073709551615\n", 0, 0},
		{"a;b 18446744073709551616\nc 1\n", "c 1\n", 1, 1},
		{"c 1\n\n 1\na;b\na;b 1.5\na -1\n", "c 1\n", 5, 2},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *text = again(cases[i].text);

		assert_string_equal(text, cases[i].again);
		assert_int_equal(reading.bad_lines_cnt, cases[i].bad);
		assert_int_equal(reading.first_bad, cases[i].first_bad);
		free(text);
	}
}

/* The deepest stack there is room for, one more, and the longest line and one longer. */
static void limits(void **state)
{
	size_t room = FOLDED_LINE_MAX + 100;
	char *text = malloc(room);

	(void)state;
	for (size_t frames = PROFILE_FRAMES_MAX; frames <= PROFILE_FRAMES_MAX + 1; frames++) {
		struct profile *p = rig_profile();
		size_t n = (size_t)snprintf(text, room, "root");

		for (size_t i = 0; i < frames; i++)
			n += (size_t)snprintf(text + n, room - n, ";f");
		snprintf(text + n, room - n, " 1\nlast 1\n");
		assert_int_equal(read_bytes(p, text, strlen(text)), 0);
		assert_int_equal(reading.bad_lines_cnt, 0);
		assert_int_equal(p->samples.cnt, 2);
		assert_int_equal(p->stacks.v[p->samples.v[0].stack].cnt, PROFILE_FRAMES_MAX);
		profile__free(p);
	}
	for (size_t more = 0; more < 2; more++) {
		struct profile *p = rig_profile();

		memset(text, 'x', FOLDED_LINE_MAX);
		strncpy(text + FOLDED_LINE_MAX - 4 + more, " 1\nlast 1\n", 20);
		assert_int_equal(read_bytes(p, text, strlen(text)), 0);
		assert_int_equal(reading.bad_lines_cnt, more);
		assert_int_equal(reading.lines_cnt, 2 - more);
		profile__free(p);
	}
	free(text);
}

static void reads_back(void **state)
{
	struct profile *p = rig_profile();
	char *first, *second;

	(void)state;
	rig_samples(p, "t", rig_named_stack(p, FRAME_NATIVE, "main work"), 5);
	rig_samples(p, "t", rig_named_stack(p, FRAME_KERNEL, "main sys"), 3);
	rig_samples(p, "u v", rig_named_stack(p, FRAME_JIT, "js"), 2);
	first = (char *)rig_written(folded_write, p).p;
	second = again(first);
	assert_string_equal(first, second);
	free(first);
	free(second);
	profile__free(p);
}

static void memory_is_out(void **state)
{
	static const char text[] = "a;b;c 1\nd;e;f 2\n";
	int err = -ENOMEM;

	(void)state;
	for (long n = 1, left = 0; left == 0; n++) {
		struct profile *p = rig_profile();
		FILE *in = fmemopen((void *)text, sizeof(text) - 1, "r");

		setvbuf(in, NULL, _IONBF, 0);
		allocations_left = n;
		err = folded_read(in, p, &reading);
		left = allocations_left;
		allocations_left = -1;
		fclose(in);
		profile__free(p);
		assert_true(err == 0 || err == -ENOMEM);
	}
	assert_int_equal(err, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines),
		cmocka_unit_test(limits),
		cmocka_unit_test(reads_back),
		cmocka_unit_test(memory_is_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: Apache-2.0
/* Which rows the tree of the hottest stacks has, and what a screen of it looks like. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/failing_writer.h"

#include "user/cli/live_view.h"
#include "user/export/hot_tree.h"

static struct live_screen screen = {.columns = 80, .rows = 24};

static void row(const struct hot_path *path, uint32_t depth, const char *first, uint32_t between,
		const char *last, uint64_t total, uint64_t self)
{
	assert_int_equal(path->depth, depth);
	assert_true(slice_eq(path->first, slice_str(first)));
	assert_int_equal(path->between, between);
	assert_true(slice_eq(path->last, slice_str(last)));
	assert_int_equal(path->total, total);
	assert_int_equal(path->self, self);
}

static struct profile *some_profile(void)
{
	struct profile *p = rig_profile();

	rig_samples(p, "t", rig_named_stack(p, FRAME_NATIVE, "main a b work"), 50);
	rig_samples(p, "t", rig_named_stack(p, FRAME_NATIVE, "main a b"), 1);
	rig_samples(p, "t", rig_named_stack(p, FRAME_NATIVE, "main idle deep"), 20);
	rig_samples(p, "t", rig_named_stack(p, FRAME_NATIVE, "main idle"), 8);
	rig_samples(p, "u", rig_named_stack(p, FRAME_KERNEL, "swap"), 20);
	rig_samples(p, "u", rig_named_stack(p, FRAME_KERNEL, "least"), 1);
	return p;
}

/* The heaviest first, chains in one row: work has 98 % of a's samples, deep 71 % of idle's. */
static void heaviest_rows(void **state)
{
	struct profile *p = some_profile();
	struct hot_path rows[HOT_ROWS_MAX];
	struct frame_tree tree;

	(void)state;
	assert_int_equal(frame_tree__init(&tree, p), 0);
	assert_int_equal(hot_tree_pick(&tree, rows, HOT_ROWS_MAX), 8);
	row(&rows[0], 0, "t", 0, "t", 79, 0);
	row(&rows[1], 1, "main", 0, "main", 79, 0);
	row(&rows[2], 2, "a", 1, "work", 50, 50);
	row(&rows[3], 2, "idle", 0, "idle", 28, 8);
	row(&rows[4], 3, "deep", 0, "deep", 20, 20);
	row(&rows[5], 0, "u", 0, "u", 21, 0);
	row(&rows[6], 1, "swap", 0, "swap", 20, 20);
	row(&rows[7], 1, "least", 0, "least", 1, 1);
	assert_int_equal(hot_tree_pick(&tree, rows, 4), 4);
	row(&rows[3], 2, "idle", 0, "idle", 28, 8);
	assert_int_equal(hot_tree_pick(&tree, rows, 0), 0);
	frame_tree__free(&tree);
	profile__free(p);
}

/* Of less than 1 % there is no row, and of nothing none. */
static void least_rows(void **state)
{
	struct profile *p = rig_profile();
	struct hot_path rows[HOT_ROWS_MAX];
	struct frame_tree tree;

	(void)state;
	assert_int_equal(frame_tree__init(&tree, p), 0);
	assert_int_equal(hot_tree_pick(&tree, rows, 10), 0);
	frame_tree__free(&tree);
	rig_samples(p, "t", rig_named_stack(p, FRAME_NATIVE, "a"), 995);
	rig_samples(p, "t", rig_named_stack(p, FRAME_NATIVE, "b"), 5);
	assert_int_equal(frame_tree__init(&tree, p), 0);
	assert_int_equal(hot_tree_pick(&tree, rows, 10), 2);
	frame_tree__free(&tree);
	profile__free(p);
}

static int write_live(const struct profile *p, FILE *out)
{
	struct hot_path rows[HOT_ROWS_MAX];
	struct frame_tree tree;
	int n = frame_tree__init(&tree, p);

	if (n)
		return n;
	n = hot_tree_pick(&tree, rows, live_view_stacks(&screen));
	n = n < 0 ? n : live_view(out, &screen, p, NULL, rows, (uint32_t)n);
	frame_tree__free(&tree);
	return n;
}

static void a_screen(void **state)
{
	struct profile *p = some_profile();
	char *text;

	(void)state;
	setenv("LC_ALL", "C.UTF-8", 1);
	screen = (struct live_screen){.columns = 60, .rows = 13, .missing_cnt = 3};
	text = (char *)rig_written(write_live, p).p;
	assert_string_equal(text, "100 samples in 10.0 s: 1.01 s of CPU time\n"
				  "\n"
				  "  SELF   TOTAL  FUNCTION FILE\n"
				  " 50.0%   50.0%  work     \n"
				  " 20.0%   20.0%  deep     \n"
				  " 20.0%   20.0%  swap     \n"
				  "\n"
				  "  SELF   TOTAL  STACK\n"
				  "  0.0%   79.0%  t\n"
				  "  0.0%   79.0%    main\n"
				  " 50.0%   50.0%      a > 1 frame > work\n"
				  "  8.0%   28.0%      idle\n"
				  "q end   t functions only   3 later samples found no room\n");
	free(text);
	profile__free(p);
}

/* Whatever the size: no more lines than the screen has, none that reaches its last column. */
static void fits(void **state)
{
	struct profile *p = some_profile();
	char names[2000];

	(void)state;
	memset(names, 'x', sizeof(names) - 1);
	names[sizeof(names) - 1] = '\0';
	rig_samples(p, "t", rig_named_stack(p, FRAME_NATIVE, names), 50);
	for (unsigned int rows = 9; rows < 60; rows += 3)
		for (unsigned int columns = 1; columns < 120; columns += 7)
			for (int part = 0; part < LIVE_PARTS; part++) {
				char *text, *line, *rest;
				unsigned int cnt = 0;

				screen = (struct live_screen){
					.columns = columns, .rows = rows, .part = part};
				text = (char *)rig_written(write_live, p).p;
				rest = text;
				while ((line = strsep(&rest, "\n")) && rest) {
					assert_true(strlen(line) <=
						    (columns > 1 ? columns + 1 : 3));
					cnt++;
				}
				assert_true(cnt <= rows);
				free(text);
			}
	profile__free(p);
}

static void memory_is_out(void **state)
{
	struct profile *p = some_profile();

	(void)state;
	screen = (struct live_screen){.columns = 80, .rows = 24};
	check_failing_writer(write_live, p);
	profile__free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(heaviest_rows), cmocka_unit_test(least_rows),
		cmocka_unit_test(a_screen),	 cmocka_unit_test(fits),
		cmocka_unit_test(memory_is_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: Apache-2.0
/* The screen of a profile that is being taken. Lines leave the last column free, where terminals differ. */
#include "user/cli/live_view.h"

#include <errno.h>
#include <inttypes.h>

#include "user/cli/columns.h"

#define AROUND \
	6 /* lines: the headline, what is left out or missing, two headings, a blank one, the keys */
#define ROWS_MIN 3
#define STACK_AT 16u
#define FIRST_COLUMNS 32u /* so that the last one is seen, too */

static uint32_t rows_of(const struct live_screen *screen)
{
	return screen->rows > AROUND + ROWS_MIN ? screen->rows - AROUND : ROWS_MIN;
}

uint32_t live_view_stacks(const struct live_screen *screen)
{
	uint32_t rows = rows_of(screen);

	return screen->part == LIVE_STACKS ? rows : screen->part == LIVE_BOTH ? rows - rows / 2 : 0;
}

static const char *style_of(enum frame_type type)
{
	switch (type) {
	case FRAME_KERNEL:
		return STYLE_CYAN;
	case FRAME_CPYTHON:
	case FRAME_V8JS:
	case FRAME_JIT:
		return STYLE_GREEN;
	case FRAME_ERROR:
		return STYLE_DIM;
	case FRAME_WAIT:
		return STYLE_YELLOW;
	default:
		return STYLE_NONE;
	}
}

static void put_share(struct line *line, uint64_t part, uint64_t all, unsigned int end)
{
	char text[16];

	snprintf(text, sizeof(text), "%.1f%%", 100.0 * (double)part / (double)all);
	line_right(line, slice_str(text), end);
}

/* "main > 3 frames > burn" */
static void put_path(struct line *line, const struct hot_path *path)
{
	bool several = path->first.p != path->last.p;
	char between[32];

	line_pad(line, STACK_AT + 2 * path->depth);
	if (several) {
		line_text(line, path->first, FIRST_COLUMNS);
		snprintf(between, sizeof(between), " > %" PRIu32 " frame%s", path->between,
			 path->between == 1 ? "" : "s");
		line_styled(line, STYLE_DIM, path->between ? slice_str(between) : SLICE(""));
		line_styled(line, STYLE_DIM, SLICE(" > "));
	}
	line_styled(line, style_of(path->type), path->last);
}

static int write_stacks(struct line *line, FILE *out, uint64_t weight, const struct hot_path *paths,
			uint32_t cnt)
{
	int err;

	line_style(line, STYLE_BOLD);
	line_text(line, SLICE("  SELF   TOTAL  STACK"), 0);
	err = line__write(line, out);
	for (uint32_t i = 0; i < cnt && !err; i++) {
		put_share(line, paths[i].self, weight, 6);
		put_share(line, paths[i].total, weight, 14);
		put_path(line, &paths[i]);
		err = line__write(line, out);
	}
	return err;
}

static int write_keys(struct line *line, FILE *out, const struct live_screen *screen)
{
	static const char *const next[] = {
		[LIVE_BOTH] = "functions only",
		[LIVE_FUNCTIONS] = "stacks only",
		[LIVE_STACKS] = "functions and stacks",
	};
	char text[96];

	snprintf(text, sizeof(text), "q end   t %s", next[screen->part]);
	line_styled(line, STYLE_DIM, slice_str(text));
	if (screen->missing_cnt) {
		snprintf(text, sizeof(text), "   %" PRIu64 " later samples found no room",
			 screen->missing_cnt);
		line_styled(line, STYLE_YELLOW, slice_str(text));
	}
	return line__write(line, out);
}

static uint64_t weight_of(const struct profile *profile)
{
	uint64_t weight = 0;

	for (uint32_t i = 0; i < profile->samples.cnt; i++)
		weight += profile_weight(profile, &profile->samples.v[i]);
	return weight;
}

int live_view(FILE *out, const struct live_screen *screen, const struct profile *profile,
	      const struct request_shares *shares, const struct hot_path *paths, uint32_t paths_cnt)
{
	struct line line = {
		.width = screen->columns > 1 ? screen->columns - 1 : 1,
		.colour = screen->colour,
		.utf8 = locale_is_utf8(),
	};
	uint32_t stacks = live_view_stacks(screen), functions = rows_of(screen) - stacks;
	int err;

	if (screen->part == LIVE_STACKS)
		functions = 0;
	err = profile_view_top(out, &line, profile, shares, functions);
	if (!err && stacks && profile->samples.cnt) {
		if (functions)
			err = line__write(&line, out);
		err = err
			      ?: write_stacks(&line, out, weight_of(profile), paths,
					      paths_cnt < stacks ? paths_cnt : stacks);
	}
	err = err ?: write_keys(&line, out, screen);
	errno = 0;
	if (!err && fflush(out))
		err = -(errno ?: EIO);
	return err;
}

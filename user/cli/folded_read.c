// SPDX-License-Identifier: Apache-2.0
/* A line's number is what follows its last space; names may have spaces. */
#include "user/cli/folded_read.h"

#include <errno.h>
#include <stdlib.h>

static ptrdiff_t find_last(struct slice s, char c)
{
	const char *at = s.n ? memrchr(s.p, c, s.n) : NULL;

	return at ? at - s.p : -1;
}

/* What a name's suffix says it is; it is taken off. */
static enum frame_type take_suffix(struct slice *name)
{
	static const struct {
		struct slice suffix;
		enum frame_type type;
	} suffixes[] = {
		{SLICE("_[k]"), FRAME_KERNEL},
		{SLICE("_[j]"), FRAME_JIT},
		{SLICE("_[i]"), FRAME_INLINED},
	};

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		size_t n = suffixes[i].suffix.n;

		if (name->n > n && slice_eq(slice_after(*name, name->n - n), suffixes[i].suffix)) {
			*name = slice_first(*name, name->n - n);
			return suffixes[i].type;
		}
	}
	return FRAME_NATIVE;
}

static uint32_t location_of(struct profile *p, struct slice name)
{
	struct profile_location location = {.type = take_suffix(&name)};
	struct profile_function function = {.name = profile__string(p, name)};

	location.function = name.n ? profile__function(p, &function) : 0;
	if (name.n && (!function.name || !location.function))
		return 0;
	return profile__location(p, &location);
}

/* 1, 0 if the line is none of ours, or -ENOMEM. Inlined functions make stacks deeper than they were: such are cut. */
static int read_line(struct profile *p, struct slice line)
{
	uint32_t leaf_first[PROFILE_FRAMES_MAX], cnt = 0;
	struct profile_sample sample = {.time_ns = p->start_ns, .cpu = PROFILE_NO_CPU};
	ptrdiff_t at = find_last(line, ' ');
	struct slice names;

	if (at <= 0 || !slice_to_u64(slice_after(line, (size_t)at + 1), &sample.value_ns))
		return 0;
	names = slice_first(line, (size_t)at);
	while ((at = find_last(names, ';')) >= 0) {
		ptrdiff_t first = slice_find(names, ';');
		bool cut = cnt == PROFILE_FRAMES_MAX - 1 && first < at;

		leaf_first[cnt] = location_of(p, cut ? SLICE("[too deep]")
						     : slice_after(names, (size_t)at + 1));
		if (!leaf_first[cnt++])
			return -ENOMEM;
		names = slice_first(names, (size_t)(cut ? first : at));
	}
	sample.thread_name = profile__string(p, names);
	sample.stack = cnt ? profile__stack(p, leaf_first, cnt) : 0;
	if ((names.n && !sample.thread_name) || (cnt && !sample.stack))
		return -ENOMEM;
	return profile__add(p, &sample) ?: 1;
}

/* The next line into text, without its end; false at the end of the file. Of what is too long *n is none. */
static bool next_line(FILE *in, char *text, size_t *n)
{
	bool whole = true;

	if (!fgets(text, FOLDED_LINE_MAX, in))
		return false;
	*n = strlen(text); /* a line with a zero in it ends there */
	while (*n && text[*n - 1] != '\n' && *n == FOLDED_LINE_MAX - 1) {
		whole = false;
		if (!fgets(text, FOLDED_LINE_MAX, in))
			break;
		*n = strlen(text);
	}
	while (*n && (text[*n - 1] == '\n' || text[*n - 1] == '\r'))
		(*n)--;
	*n = whole ? *n : 0;
	return true;
}

int folded_read(FILE *in, struct profile *p, struct folded_reading *reading)
{
	char *text = malloc(FOLDED_LINE_MAX);
	uint64_t number = 0;
	size_t n;
	int got = text ? 0 : -ENOMEM;

	*reading = (struct folded_reading){0};
	errno = 0;
	while (got >= 0 && next_line(in, text, &n)) {
		number++;
		got = read_line(p, slice_of(text, n));
		if (got > 0) {
			reading->lines_cnt++;
		} else if (got == 0) {
			reading->bad_lines_cnt++;
			reading->first_bad = reading->first_bad ?: number;
		}
	}
	free(text);
	if (got < 0)
		return got;
	return ferror(in) ? -(errno ?: EIO) : 0;
}

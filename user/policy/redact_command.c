// SPDX-License-Identifier: Apache-2.0
/*
 * What an argument says of itself and of the next one. How a program reads its options is not known:
 * -pSECRET is an option for one and a cluster of flags for another, so it stays.
 */
#include "user/policy/redact_command.h"

#include "user/policy/secret_names.h"
#include "user/policy/text_out.h"

/* Where the value begins in --token=1, TOKEN=1 and "X-Api-Key: 1", and its name says secret; or 0. */
static size_t secret_value_at(struct slice argument)
{
	size_t begin = 0, end;

	while (begin < argument.n && argument.p[begin] == '-')
		begin++;
	for (end = begin; end < argument.n; end++) {
		char c = argument.p[end];

		if (c == '=' || (c == ':' && (end + 1 == argument.n || argument.p[end + 1] == ' ')))
			break;
		if (c == ' ' || c == '/')
			return 0;
	}
	if (end == argument.n || !names_secret_header(slice_of(argument.p + begin, end - begin)))
		return 0;
	return end + 1;
}

/* --password, whose value is the next argument. */
static bool names_next(struct slice argument)
{
	size_t dashes = 0;

	while (dashes < argument.n && argument.p[dashes] == '-')
		dashes++;
	if (dashes == 0 || slice_find(argument, '=') >= 0)
		return false;
	return names_secret_header(slice_after(argument, dashes));
}

static bool is_option(struct slice argument)
{
	return argument.n && argument.p[0] == '-';
}

void redact_arguments(struct slice *items, size_t cnt, struct arena *arena)
{
	bool secret = false; /* what comes next */

	for (size_t i = 0; i < cnt; i++) {
		size_t value_at = secret_value_at(items[i]);
		struct text_out out = {0};

		if (secret && items[i].n && !is_option(items[i])) {
			items[i] = REDACTED;
			secret = false;
			continue;
		}
		secret = names_next(items[i]);
		if (!value_at || value_at == items[i].n)
			continue;
		out.p = arena__alloc(arena, value_at + REDACTED.n);
		if (out.p) {
			text_put(&out, slice_first(items[i], value_at));
			text_put(&out, REDACTED);
		}
		items[i] = out.p ? text_done(&out) : REDACTED;
	}
}

/* Words and what separates them may each become longer by the mask. */
static size_t line_sz_max(struct slice line)
{
	size_t sz = line.n + REDACTED.n;

	for (size_t i = 0; i < line.n; i++)
		if (line.p[i] == ' ')
			sz += REDACTED.n;
	return sz;
}

static void put_word(struct slice word, bool *secret, struct text_out *out)
{
	size_t value_at = secret_value_at(word);

	if (*secret && word.n && !is_option(word)) {
		text_put(out, REDACTED);
		*secret = false;
		return;
	}
	if (word.n == 0)
		return;
	/* "X-Api-Key:" and "--token=" end in what separates: the value is the next word. */
	*secret = names_next(word) || (value_at && value_at == word.n);
	text_put(out, slice_first(word, value_at ?: word.n));
	if (value_at && value_at < word.n)
		text_put(out, REDACTED);
}

struct slice redact_command_line(struct slice line, struct arena *arena)
{
	struct text_out out = {0};
	bool secret = false;

	if (slice_find(line, ' ') < 0 && !secret_value_at(line))
		return line;
	out.p = arena__alloc(arena, line_sz_max(line));
	if (!out.p)
		return REDACTED;
	while (line.n) {
		ptrdiff_t space = slice_find(line, ' ');
		size_t n = space < 0 ? line.n : (size_t)space;

		put_word(slice_first(line, n), &secret, &out);
		if (space >= 0)
			text_put(&out, SLICE(" "));
		line = slice_after(line, n + 1);
	}
	return text_done(&out);
}

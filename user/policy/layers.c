// SPDX-License-Identifier: Apache-2.0
/* Percent-encoding (RFC 3986 section 2.1) undone in place, with a map back to where bytes were. */
#include "user/policy/layers.h"

#include <stdlib.h>

void layers__free(struct layers *l)
{
	free(l->undone);
	free(l->raw);
	*l = (struct layers){.cap = 0};
}

void layers__start(struct layers *l, struct slice text)
{
	l->text = text;
	l->depth = 0;
}

static bool make_room(struct layers *l, size_t n)
{
	char *undone;
	uint32_t *raw;

	if (n < l->cap)
		return true;
	if (n >= UINT32_MAX)
		return false;
	undone = realloc(l->undone, n + 1);
	if (!undone)
		return false;
	l->undone = undone;
	raw = reallocarray(l->raw, n + 1, sizeof(*raw));
	if (!raw)
		return false;
	l->raw = raw;
	l->cap = n + 1;
	return true;
}

/* Writes the layer below; it is never longer, so it may lie where this one does. */
static size_t undo(struct layers *l)
{
	const struct slice from = l->text;
	size_t n = 0;

	for (size_t i = 0; i < from.n; n++) {
		int byte = slice_percent_byte(slice_after(from, i));

		l->raw[n] = l->depth ? l->raw[i] : (uint32_t)i;
		l->undone[n] = byte >= 0 ? (char)byte : from.p[i];
		i += byte >= 0 ? 3 : 1;
	}
	l->raw[n] = l->depth ? l->raw[from.n] : (uint32_t)from.n;
	return n;
}

bool layers__next(struct layers *l, bool *failed)
{
	size_t n;

	if (slice_find(l->text, '%') < 0 || l->depth + 1 == LAYERS_MAX)
		return false;
	if (!make_room(l, l->text.n)) {
		*failed = true;
		return false;
	}
	n = undo(l);
	if (n == l->text.n)
		return false;
	l->text = slice_of(l->undone, n);
	l->depth++;
	return true;
}

struct text_range layers__raw(const struct layers *l, struct text_range range)
{
	if (l->depth)
		range = (struct text_range){.begin = l->raw[range.begin], .end = l->raw[range.end]};
	return range;
}

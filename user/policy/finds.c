// SPDX-License-Identifier: Apache-2.0
/* Finds come in any order and from several patterns: sorted, joined, then cut out. */
#include "user/policy/finds.h"

#include <stdlib.h>

#include "user/policy/text_out.h"

bool finds__add(struct finds *f, struct text_range at, struct slice mask)
{
	for (size_t i = 0; i < f->cnt; i++)
		if (f->v[i].at.begin == at.begin && f->v[i].at.end == at.end)
			return false;
	if (f->cnt == FINDS_MAX)
		f->all = true;
	else
		f->v[f->cnt++] = (struct find){.at = at, .mask = mask};
	return true;
}

static int compare(const void *a, const void *b)
{
	const struct find *x = a, *y = b;

	if (x->at.begin != y->at.begin)
		return x->at.begin < y->at.begin ? -1 : 1;
	return x->at.end < y->at.end ? -1 : x->at.end > y->at.end;
}

/* Leaves them in order and apart. */
static void join(struct finds *f)
{
	size_t cnt = 0;

	qsort(f->v, f->cnt, sizeof(*f->v), compare);
	for (size_t i = 0; i < f->cnt; i++) {
		struct find *last = &f->v[cnt ? cnt - 1 : 0], *next = &f->v[i];

		if (cnt == 0 || next->at.begin >= last->at.end) {
			f->v[cnt++] = *next;
			continue;
		}
		if (next->at.end <= last->at.end)
			continue;
		last->mask = next->at.begin == last->at.begin ? next->mask : REDACTED;
		last->at.end = next->at.end;
	}
	f->cnt = cnt;
}

struct slice finds__mask(struct finds *f, struct slice text, struct arena *arena)
{
	struct text_out out = {0};
	size_t sz = text.n, at = 0;

	if (f->all)
		return REDACTED;
	if (f->cnt == 0)
		return text;
	join(f);
	for (size_t i = 0; i < f->cnt; i++)
		sz += f->v[i].mask.n;
	out.p = arena__alloc(arena, sz);
	if (!out.p) {
		f->all = true;
		return REDACTED;
	}
	for (size_t i = 0; i < f->cnt; i++) {
		text_put(&out, slice_of(text.p + at, f->v[i].at.begin - at));
		text_put(&out, f->v[i].mask);
		at = f->v[i].at.end;
	}
	text_put(&out, slice_after(text, at));
	return text_done(&out);
}

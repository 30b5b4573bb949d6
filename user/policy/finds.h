/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of a text that are to be masked, and the text without them. One thread at a time. */
#ifndef SONDE_POLICY_FINDS_H
#define SONDE_POLICY_FINDS_H

#include "user/base/arena.h"
#include "user/base/pattern.h"

#define FINDS_MAX 256 /* in one text; with more of them nothing of it stays */

struct find {
	struct text_range at;
	struct slice mask; /* what stands there instead; borrowed */
};

struct finds {
	size_t cnt;
	bool all; /* the whole text must go */
	struct find v[FINDS_MAX];
};

static inline void finds__clear(struct finds *f)
{
	f->cnt = 0;
	f->all = false;
}

/* False when that very part is there already. */
bool finds__add(struct finds *f, struct text_range at, struct slice mask);
/*
 * The text with its finds masked. Of finds in each other the outer one counts; where they overlap
 * REDACTED stands for both. All of the text is REDACTED if f->all, or if the arena is full, which
 * sets it. The order of the finds changes.
 */
struct slice finds__mask(struct finds *f, struct slice text, struct arena *arena);

#endif

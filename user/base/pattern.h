/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Regular expressions (PCRE2) for text from the wire: compiled to machine code where the system
 * allows that, and bounded, so that neither a hostile text nor a careless pattern can stall.
 */
#ifndef SONDE_BASE_PATTERN_H
#define SONDE_BASE_PATTERN_H

#include "user/base/slice.h"

#define PATTERN_WHY_SZ 192

enum pattern_mode {
	PATTERN_BYTES, /* a byte is a character */
	PATTERN_TEXT,  /* characters are UTF-8; what is not UTF-8 matches nothing */
};

struct pattern;

/* A part of a text, as indices of bytes. */
struct text_range {
	size_t begin, end;
};

/* NULL with what is wrong with the text in why. */
struct pattern *pattern__new(const char *text, enum pattern_mode mode, char why[PATTERN_WHY_SZ]);
/* NULL is legal. */
void pattern__free(struct pattern *p);
/*
 * The first match, not empty, that begins at from or later. 1 with the range, 0 when there is none,
 * or -E2BIG when that would take too long. One thread at a time for each pattern.
 */
int pattern__find(struct pattern *p, struct slice text, size_t from, struct text_range *found);

#endif

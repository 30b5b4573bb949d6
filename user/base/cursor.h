/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads fields one after the other. Once they end too early, all that follow are empty, or 0: so it is
 * enough to ask at the end whether it failed.
 */
#ifndef SONDE_BASE_CURSOR_H
#define SONDE_BASE_CURSOR_H

#include "user/base/slice.h"

struct cursor {
	struct slice rest;
	bool failed;
};

/* The next n bytes. */
static inline struct slice cursor_take(struct cursor *c, size_t n)
{
	struct slice taken = slice_first(c->rest, n);

	c->failed |= taken.n < n;
	if (c->failed)
		return SLICE("");
	c->rest = slice_after(c->rest, n);
	return taken;
}

/* A number of sz bytes, at most 8, the highest first. */
static inline uint64_t cursor_be(struct cursor *c, size_t sz)
{
	struct slice s = cursor_take(c, sz);
	uint64_t number = 0;

	for (size_t i = 0; i < s.n; i++)
		number = number << 8 | (uint8_t)s.p[i];
	return number;
}

#endif

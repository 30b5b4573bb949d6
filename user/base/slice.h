/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A borrowed run of bytes. Not NUL-terminated. Whoever hands one out says how long it stays valid.
 */
#ifndef SONDE_BASE_SLICE_H
#define SONDE_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
	const char *p;
	size_t n;
};

/* A slice of a string literal. */
#define SLICE(lit) ((struct slice){.p = "" lit, .n = sizeof(lit) - 1})

static inline struct slice slice_of(const char *p, size_t n)
{
	return (struct slice){.p = p, .n = n};
}

/* The bytes of a C string; the empty slice for NULL. */
static inline struct slice slice_str(const char *s)
{
	return (struct slice){.p = s, .n = s ? strlen(s) : 0};
}

static inline bool slice_eq(struct slice a, struct slice b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool slice_starts_with(struct slice s, struct slice prefix)
{
	return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

/* What follows the first n bytes; empty if there are fewer. */
static inline struct slice slice_after(struct slice s, size_t n)
{
	return n >= s.n ? slice_of(s.n ? s.p + s.n : s.p, 0) : slice_of(s.p + n, s.n - n);
}

/* The first n bytes, or all of them if there are fewer. */
static inline struct slice slice_first(struct slice s, size_t n)
{
	return slice_of(s.p, n < s.n ? n : s.n);
}

/* Equality for ASCII text, case ignored (header names, schemes). */
bool slice_eq_nocase(struct slice a, struct slice b);
/* A hash of the bytes (64-bit FNV-1a), the same in every run. */
uint64_t slice_hash(struct slice s);
/* Index of the byte c, or -1. */
ptrdiff_t slice_find(struct slice s, char c);
/* Without leading and trailing spaces and tabs. */
struct slice slice_trim(struct slice s);
/* The byte that "%XX" at the start of s stands for; -1 if s does not start so. */
int slice_percent_byte(struct slice s);
/* Parses all of s as a decimal number; false if it is empty, has another byte, or overflows. */
bool slice_to_u64(struct slice s, uint64_t *out);
/*
 * Takes a hexadecimal number, without "0x", off the front; false, and nothing taken, if there is
 * none or it has more than 16 digits.
 */
bool slice_take_hex(struct slice *s, uint64_t *out);
/* Is it what the glob describes, in which '*' stands for any bytes, also none? */
bool slice_fits_glob(struct slice s, struct slice glob);

#endif

// SPDX-License-Identifier: Apache-2.0
/* Hashes of a request's parts. */
#include "user/protocols/fingerprint.h"

#include "user/base/hash.h"

enum line {
	LINE_FOR_END,
	LINE_FOR_HOP,	/* or changed on the way */
	LINE_PASSED_ON, /* and only who passes a request on adds it */
};

/* A name that ends in a dash stands for all that begin so. */
static const struct {
	struct slice name;
	enum line line;
} rows[] = {
	{SLICE("connection"), LINE_FOR_HOP},	 {SLICE("content-length"), LINE_FOR_HOP},
	{SLICE("expect"), LINE_FOR_HOP},	 {SLICE("forwarded"), LINE_PASSED_ON},
	{SLICE("grpc-timeout"), LINE_FOR_HOP},	 {SLICE("host"), LINE_FOR_HOP},
	{SLICE("http2-settings"), LINE_FOR_HOP}, {SLICE("keep-alive"), LINE_FOR_HOP},
	{SLICE("proxy-"), LINE_FOR_HOP},	 {SLICE("te"), LINE_FOR_HOP},
	{SLICE("trailer"), LINE_FOR_HOP},	 {SLICE("transfer-encoding"), LINE_FOR_HOP},
	{SLICE("upgrade"), LINE_FOR_HOP},	 {SLICE("via"), LINE_PASSED_ON},
	{SLICE("x-envoy-"), LINE_PASSED_ON},	 {SLICE("x-forwarded-for"), LINE_PASSED_ON},
	{SLICE("x-forwarded-"), LINE_FOR_HOP},	 {SLICE("x-real-ip"), LINE_PASSED_ON},
};

#define LETTER(c) (1u << ((c)&31))
#define FIRST_LETTERS                                                                        \
	(LETTER('c') | LETTER('e') | LETTER('f') | LETTER('g') | LETTER('h') | LETTER('k') | \
	 LETTER('p') | LETTER('t') | LETTER('u') | LETTER('v') | LETTER('x'))

static enum line line_of(struct slice name)
{
	if (!(FIRST_LETTERS & LETTER(name.p[0])))
		return LINE_FOR_END;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct slice row = rows[i].name;
		bool prefix = row.p[row.n - 1] == '-';

		if ((name.p[0] | 0x20) == row.p[0] && (prefix ? name.n > row.n : name.n == row.n) &&
		    slice_eq_nocase(slice_first(name, row.n), row))
			return rows[i].line;
	}
	return LINE_FOR_END;
}

/* Of the name in any case: in names, few bytes differ in that bit alone otherwise. */
static uint64_t hash_name(uint64_t seed, struct slice name)
{
	uint64_t hash = seed ^ name.n, word;

	for (; name.n; name = slice_after(name, sizeof(word))) {
		word = 0;
		memcpy(&word, name.p, name.n < sizeof(word) ? name.n : sizeof(word));
		hash = hash_fold(hash ^ (word | 0x2020202020202020u), 0x9E3779B97F4A7C15u);
	}
	return hash;
}

static void add_hash(struct fingerprint *f, uint64_t name, struct slice value)
{
	if (f->lines_cnt == FINGERPRINT_LINES_MAX)
		f->too_many = true;
	else
		f->lines[f->lines_cnt++] = (uint32_t)(hash_bytes(name, value.p, value.n) >> 32);
}

static void add_cookie(struct fingerprint *f, uint64_t name, struct slice value)
{
	while (value.n) {
		ptrdiff_t end = slice_find(value, ';');
		size_t n = end < 0 ? value.n : (size_t)end;

		add_hash(f, name, slice_trim(slice_first(value, n)));
		value = slice_after(value, n + 1);
	}
}

void fingerprint__begin(struct fingerprint *f)
{
	f->target = 0;
	f->agent = f->lines_cnt = 0;
	f->version = 0;
	f->whole = f->passed_on = f->too_many = false;
}

void fingerprint__add(struct fingerprint *f, struct slice name, struct slice value)
{
	enum line line;
	uint64_t hash;

	if (!name.n)
		return;
	line = line_of(name);
	f->passed_on |= line == LINE_PASSED_ON;
	if (line != LINE_FOR_END)
		return;
	hash = hash_name(f->seed, name);
	if (slice_eq_nocase(name, SLICE("cookie"))) {
		add_cookie(f, hash, value);
		return;
	}
	if (slice_eq_nocase(name, SLICE("user-agent")))
		f->agent = (uint32_t)hash_bytes(f->seed, name.p, name.n) | 1;
	add_hash(f, hash, value);
}

void fingerprint__end(struct fingerprint *f, struct slice method, struct slice target,
		      uint8_t version, bool whole)
{
	f->version = version;
	if (method.n && target.n)
		f->target =
			hash_bytes(hash_bytes(f->seed, method.p, method.n), target.p, target.n) | 1;
	f->whole = whole && f->target && !f->too_many;
}

void fingerprint__copy(struct fingerprint *to, const struct fingerprint *from)
{
	memcpy(to, from, offsetof(struct fingerprint, lines));
	memcpy(to->lines, from->lines, from->lines_cnt * sizeof(*from->lines));
}

uint32_t fingerprint_shared(const struct fingerprint *f, const struct fingerprint *other)
{
	uint32_t cnt = 0;

	for (uint32_t i = 0; i < f->lines_cnt; i++) {
		uint32_t j = 0;

		while (j < other->lines_cnt && other->lines[j] != f->lines[i])
			j++;
		cnt += j < other->lines_cnt;
	}
	return cnt;
}

// SPDX-License-Identifier: Apache-2.0
/* W3C Trace Context, level 2, read strictly: what is not valid is as if it had not been sent. */
#include "user/flow/trace_context.h"

#include <errno.h>
#include <sys/random.h>

#define TRACEPARENT_SZ 55 /* 00-<32>-<16>-<2> */
#define KEY_MAX 256
#define VALUE_MAX 256

/* Lower case only; false for any other byte. */
static bool read_hex(const char *p, uint8_t *out, size_t bytes_cnt)
{
	for (size_t i = 0; i < bytes_cnt * 2; i++) {
		unsigned int digit = (unsigned char)p[i] - '0';

		if (digit > 9) {
			digit = (unsigned char)p[i] - 'a' + 10u;
			if (digit < 10 || digit > 15)
				return false;
		}
		out[i / 2] = (uint8_t)(i & 1 ? out[i / 2] << 4 | digit : digit);
	}
	return true;
}

static bool all_zero(const uint8_t *p, size_t n)
{
	uint8_t any = 0;

	for (size_t i = 0; i < n; i++)
		any |= p[i];
	return any == 0;
}

bool traceparent_parse(struct slice text, struct traceparent *out)
{
	struct traceparent parsed;
	uint8_t version;
	const char *p;

	text = slice_trim(text);
	p = text.p;
	if (text.n < TRACEPARENT_SZ || p[2] != '-' || p[35] != '-' || p[52] != '-')
		return false;
	if (!read_hex(p, &version, 1) || !read_hex(p + 3, parsed.trace_id.bytes, 16) ||
	    !read_hex(p + 36, parsed.parent_id.bytes, 8) || !read_hex(p + 53, &parsed.flags, 1))
		return false;
	/* A later version may go on after a dash; what it adds is not known here. */
	if (version == 0xff || (text.n > TRACEPARENT_SZ && (version == 0 || p[55] != '-')))
		return false;
	if (all_zero(parsed.trace_id.bytes, 16) || all_zero(parsed.parent_id.bytes, 8))
		return false;
	parsed.flags &= SPAN_FLAG_SAMPLED | SPAN_FLAG_RANDOM;
	*out = parsed;
	return true;
}

static bool key_valid(struct slice key)
{
	if (key.n == 0 || key.n > KEY_MAX)
		return false;
	for (size_t i = 0; i < key.n; i++) {
		char c = key.p[i];
		bool alnum = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');

		if (!alnum && (i == 0 || !c || !strchr("_-*/@", c)))
			return false;
	}
	return true;
}

static bool value_valid(struct slice value)
{
	if (value.n == 0 || value.n > VALUE_MAX)
		return false;
	for (size_t i = 0; i < value.n; i++)
		if (value.p[i] < 0x20 || value.p[i] > 0x7e || value.p[i] == '=')
			return false;
	return true;
}

static bool member_valid(struct slice member)
{
	ptrdiff_t equals = slice_find(member, '=');

	return equals > 0 && key_valid(slice_first(member, (size_t)equals)) &&
	       value_valid(slice_after(member, (size_t)equals + 1));
}

struct slice tracestate_parse(struct slice text)
{
	struct slice rest = slice_trim(text), whole = rest;
	size_t keep_len = 0;
	int members_cnt = 0;

	while (rest.n) {
		ptrdiff_t comma = slice_find(rest, ',');
		struct slice item = comma < 0 ? rest : slice_first(rest, (size_t)comma);
		struct slice member = slice_trim(item);

		rest = slice_after(rest, comma < 0 ? rest.n : (size_t)comma + 1);
		if (member.n == 0) /* empty members are allowed and mean nothing */
			continue;
		if (!member_valid(member) || ++members_cnt > TRACESTATE_MEMBERS_MAX)
			return SLICE("");
		if ((size_t)(member.p + member.n - whole.p) <= TRACESTATE_MAX)
			keep_len = (size_t)(member.p + member.n - whole.p);
	}
	return keep_len ? slice_first(whole, keep_len) : SLICE("");
}

static uint64_t rotate(uint64_t x, int k)
{
	return x << k | x >> (64 - k);
}

/* xoshiro256++ by Blackman and Vigna. */
static uint64_t next(uint64_t s[4])
{
	uint64_t result = rotate(s[0] + s[3], 23) + s[0], t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotate(s[3], 45);
	return result;
}

int id_source__init(struct id_source *source)
{
	ssize_t n = getrandom(source->state, sizeof(source->state), 0);

	if (n < 0)
		return -errno;
	source->state[0] |= 1; /* the state must not be all zero */
	return n == sizeof(source->state) ? 0 : -EIO;
}

struct trace_id id_source__trace_id(struct id_source *source)
{
	struct trace_id id;
	uint64_t words[2];

	do {
		words[0] = next(source->state);
		words[1] = next(source->state);
	} while (words[0] == 0 && words[1] == 0);
	memcpy(id.bytes, words, sizeof(words));
	return id;
}

struct span_id id_source__span_id(struct id_source *source)
{
	struct span_id id;
	uint64_t word;

	do
		word = next(source->state);
	while (word == 0);
	memcpy(id.bytes, &word, sizeof(word));
	return id;
}

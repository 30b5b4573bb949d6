// SPDX-License-Identifier: Apache-2.0
/* The state, read strictly: what is not valid is as if it had not been sent. Ids by a generator. */
#include "user/flow/trace_context.h"

#include <errno.h>
#include <sys/random.h>

#define KEY_MAX 256
#define VALUE_MAX 256

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

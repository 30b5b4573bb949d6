/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FastCGI records, for tests: each with padding up to a multiple of eight, as nginx and PHP have it. All
 * lies in one buffer that is never freed.
 */
#ifndef SONDE_TESTS_FASTCGI_RECORDS_H
#define SONDE_TESTS_FASTCGI_RECORDS_H

#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "user/base/slice.h"

#define MADE_MAX (1024u * 1024)

enum made_type {
	MADE_BEGIN = 1,
	MADE_ABORT,
	MADE_END,
	MADE_PARAMS,
	MADE_STDIN,
	MADE_STDOUT,
	MADE_STDERR,
	MADE_DATA,
	MADE_GET_VALUES,
};

#define ROLE_RESPONDER 1
#define ROLE_AUTHORIZER 2

static char made[MADE_MAX];
static size_t made_len;

static inline void make(struct slice bytes)
{
	assert_true(bytes.n <= MADE_MAX - made_len);
	if (bytes.n)
		memcpy(made + made_len, bytes.p, bytes.n);
	made_len += bytes.n;
}

static inline struct slice made_since(size_t start)
{
	return slice_of(made + start, made_len - start);
}

static inline struct slice record_of(enum made_type type, unsigned int id, struct slice content)
{
	size_t start = made_len, padding = -content.n & 7;
	const char header[8] = {
		1,
		(char)type,
		(char)(id >> 8),
		(char)id,
		(char)(content.n >> 8),
		(char)content.n,
		(char)padding,
		0,
	};

	make(slice_of(header, sizeof(header)));
	make(content);
	make(slice_of("\0\0\0\0\0\0\0", padding));
	return made_since(start);
}

/* So many bytes of text. */
static inline struct slice text_of_len(size_t n)
{
	size_t start = made_len;

	while (made_len - start < n)
		make(slice_first(SLICE("0123456789abcdef"), n - (made_len - start)));
	return made_since(start);
}

static inline struct slice join_slices(const struct slice *parts, size_t cnt)
{
	size_t start = made_len;

	for (size_t i = 0; i < cnt; i++)
		make(parts[i]);
	return made_since(start);
}

#define ALL(...)                                         \
	join_slices((const struct slice[]){__VA_ARGS__}, \
		    sizeof((const struct slice[]){__VA_ARGS__}) / sizeof(struct slice))

static inline void make_length(size_t n, bool wide)
{
	const char bytes[4] = {(char)(n >> 24 | 0x80), (char)(n >> 16), (char)(n >> 8), (char)n};

	make(wide || n > 127 ? slice_of(bytes, 4) : slice_of(bytes + 3, 1));
}

static inline struct slice pair_of(struct slice name, struct slice value, bool wide)
{
	size_t start = made_len;

	make_length(name.n, wide);
	make_length(value.n, wide);
	make(name);
	make(value);
	return made_since(start);
}

#define PAIR(name, value) pair_of(SLICE(name), SLICE(value), false)
#define BEGIN(id, role) record_of(MADE_BEGIN, id, SLICE("\0" role "\0\0\0\0\0\0"))
#define BEGIN_KEPT(id) record_of(MADE_BEGIN, id, SLICE("\0\1\1\0\0\0\0\0"))
#define END(id, status) record_of(MADE_END, id, SLICE("\0\0\0\0" status "\0\0\0"))
#define NOTHING(type, id) record_of(type, id, SLICE(""))
#define STDIN_OF(id, content) record_of(MADE_STDIN, id, content)
#define STDOUT_OF(id, content) record_of(MADE_STDOUT, id, content)

/* A request as nginx sends it; an empty body has no record of its own. */
static inline struct slice request_of(unsigned int id, struct slice params, struct slice body)
{
	return ALL(BEGIN_KEPT(id), record_of(MADE_PARAMS, id, params), NOTHING(MADE_PARAMS, id),
		   body.n ? STDIN_OF(id, body) : SLICE(""), NOTHING(MADE_STDIN, id));
}

/* A response as PHP-FPM sends it. */
static inline struct slice response_of(unsigned int id, struct slice text)
{
	return ALL(STDOUT_OF(id, text), END(id, "\0"));
}

#endif

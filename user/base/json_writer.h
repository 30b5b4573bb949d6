/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON text into a growing buffer with a hard maximum. The caller places the punctuation; this
 * escapes, and what comes out is always UTF-8. Errors are sticky: check .failed once, at the end.
 * One thread at a time.
 */
#ifndef SONDE_BASE_JSON_WRITER_H
#define SONDE_BASE_JSON_WRITER_H

#include <stdio.h>

#include "user/base/slice.h"

struct json_writer {
	char *buf;
	size_t len, cap;
	size_t max_sz;
	bool full; /* max_sz was reached */
	bool failed;
};

/* An empty writer; its buffer grows up to max_sz bytes. */
void json_writer__init(struct json_writer *j, size_t max_sz);
void json_writer__free(struct json_writer *j);
/* Forgets what was written and the failure, keeps the buffer. */
void json_writer__reset(struct json_writer *j);

/* What has been written; valid until the next write. */
static inline struct slice json_writer__text(const struct json_writer *j)
{
	return slice_of(j->buf, j->len);
}

/* Writes that to out. 0, or a negative errno; -ENOMEM, and nothing is written, where it has failed. */
int json_writer__write(const struct json_writer *j, FILE *out);

/* Takes back what was written after the first len bytes. */
static inline void json_writer__cut(struct json_writer *j, size_t len)
{
	if (!j->failed)
		j->len = len;
}

/* Bytes as they are. */
void jw_raw(struct json_writer *j, struct slice s);
/* A quoted string; what is not UTF-8 becomes U+FFFD, controls are escaped. */
void jw_string(struct json_writer *j, struct slice s);
/* A quoted string of lower-case hex digits. */
void jw_hex(struct json_writer *j, const uint8_t *bytes, size_t n);
void jw_u64(struct json_writer *j, uint64_t v);
void jw_i64(struct json_writer *j, int64_t v);
/* 64-bit numbers are quoted in the JSON mapping of protobuf. */
void jw_quoted_u64(struct json_writer *j, uint64_t v);
void jw_quoted_i64(struct json_writer *j, int64_t v);
/* The shortest text that reads back as v; "NaN", "Infinity" and "-Infinity" are quoted. */
void jw_double(struct json_writer *j, double v);

#define jw_lit(j, lit) jw_raw(j, SLICE(lit))

#endif

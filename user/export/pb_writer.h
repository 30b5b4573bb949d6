/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Protocol Buffers wire format, written from the end of the buffer to its start. Backwards, the
 * length of a nested message is known when its header is due, so one pass writes the shortest
 * encoding with nothing measured first and nothing moved after. Hence: write the last field first.
 *
 * Errors are sticky: check .failed once, at the end.
 */
#ifndef SONDE_EXPORT_PB_WRITER_H
#define SONDE_EXPORT_PB_WRITER_H

#include <endian.h>

#include "user/base/utf8.h"

enum pb_wire_type {
	PB_VARINT,
	PB_FIXED64,
	PB_LEN,
	PB_FIXED32 = 5,
};

#define PB_VARINT_MAX 10 /* bytes */
#define PB_BYTE_MAX 0x7F /* the largest varint of one byte */

struct pb_writer {
	uint8_t *buf;
	size_t at, cap; /* written: buf[at..cap) */
	size_t max_sz;
	bool full; /* max_sz was reached */
	bool failed;
};

/* An empty writer; its buffer grows up to max_sz bytes. */
void pb_writer__init(struct pb_writer *w, size_t max_sz);
void pb_writer__free(struct pb_writer *w);
/* Grows the buffer to fit n more bytes; false sets .failed. */
bool pb_writer__grow(struct pb_writer *w, size_t n);
/* Field `field` with the text s, made valid UTF-8. The slow path of pb_string. */
void pb_unclean_string(struct pb_writer *w, unsigned int field, struct slice s);

/* Forgets what was written, keeps the buffer. */
static inline void pb_writer__reset(struct pb_writer *w)
{
	w->at = w->cap;
	w->full = w->failed = false;
}

/* What has been written; valid until the next write. */
static inline struct slice pb_writer__bytes(const struct pb_writer *w)
{
	return slice_of((const char *)w->buf + w->at, w->cap - w->at);
}

static inline size_t pb_len(const struct pb_writer *w)
{
	return w->cap - w->at;
}

static inline bool pb_room(struct pb_writer *w, size_t n)
{
	return w->at >= n || pb_writer__grow(w, n);
}

/* Writes it to before `end`, and returns where it begins. */
static inline uint8_t *pb_varint_before(uint8_t *end, uint64_t v)
{
	unsigned int bits = 64 - (unsigned int)__builtin_clzll(v | 1);
	uint8_t *to, *p;

	if (v <= PB_BYTE_MAX) { /* nearly all: tags, and lengths */
		*--end = (uint8_t)v;
		return end;
	}
	to = p = end - (bits + 6) / 7;
	for (; v > PB_BYTE_MAX; v >>= 7)
		*p++ = (uint8_t)(v | 0x80);
	*p = (uint8_t)v;
	return to;
}

/* The pb_raw_ functions write unchecked: pb_room was asked before. */
static inline void pb_raw_varint(struct pb_writer *w, uint64_t v)
{
	w->at = (size_t)(pb_varint_before(w->buf + w->at, v) - w->buf);
}

static inline void pb_raw_tag(struct pb_writer *w, unsigned int field, enum pb_wire_type type)
{
	pb_raw_varint(w, field << 3 | type);
}

/*
 * Copies n bytes to before `end`, and returns where they begin. Keys and most values are short: no call for them, but
 * two moves that may overlap.
 */
static inline uint8_t *pb_copy_before(uint8_t *end, const void *p, size_t n)
{
	uint8_t *to = end - n;

	if (n > 32 || n < 4) {
		if (n)
			memcpy(to, p, n);
	} else if (n >= 16) {
		memcpy(to, p, 16);
		memcpy(to + n - 16, (const char *)p + n - 16, 16);
	} else if (n >= 8) {
		memcpy(to, p, 8);
		memcpy(to + n - 8, (const char *)p + n - 8, 8);
	} else {
		memcpy(to, p, 4);
		memcpy(to + n - 4, (const char *)p + n - 4, 4);
	}
	return to;
}

static inline void pb_raw_copy(struct pb_writer *w, const void *p, size_t n)
{
	pb_copy_before(w->buf + w->at, p, n);
	w->at -= n;
}

/* Signed numbers (int32, int64) go by their two's complement. */
static inline void pb_varint(struct pb_writer *w, unsigned int field, uint64_t v)
{
	if (!pb_room(w, 2 * PB_VARINT_MAX))
		return;
	pb_raw_varint(w, v);
	pb_raw_tag(w, field, PB_VARINT);
}

/* One of a packed repeated field, which pb_message closes. */
static inline void pb_packed_varint(struct pb_writer *w, uint64_t v)
{
	if (pb_room(w, PB_VARINT_MAX))
		pb_raw_varint(w, v);
}

static inline void pb_fixed64(struct pb_writer *w, unsigned int field, uint64_t v)
{
	v = htole64(v);
	if (!pb_room(w, sizeof(v) + PB_VARINT_MAX))
		return;
	pb_raw_copy(w, &v, sizeof(v));
	pb_raw_tag(w, field, PB_FIXED64);
}

static inline void pb_fixed32(struct pb_writer *w, unsigned int field, uint32_t v)
{
	v = htole32(v);
	if (!pb_room(w, sizeof(v) + PB_VARINT_MAX))
		return;
	pb_raw_copy(w, &v, sizeof(v));
	pb_raw_tag(w, field, PB_FIXED32);
}

static inline void pb_double(struct pb_writer *w, unsigned int field, double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof(bits));
	pb_fixed64(w, field, bits);
}

/* One of a packed repeated field, which pb_message closes. */
static inline void pb_packed_fixed64(struct pb_writer *w, uint64_t v)
{
	v = htole64(v);
	if (pb_room(w, sizeof(v)))
		pb_raw_copy(w, &v, sizeof(v));
}

static inline void pb_packed_double(struct pb_writer *w, double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof(bits));
	pb_packed_fixed64(w, bits);
}

static inline void pb_bytes(struct pb_writer *w, unsigned int field, const void *p, size_t n)
{
	if (!pb_room(w, n + 2 * PB_VARINT_MAX))
		return;
	pb_raw_copy(w, p, n);
	pb_raw_varint(w, n);
	pb_raw_tag(w, field, PB_LEN);
}

static inline void pb_string(struct pb_writer *w, unsigned int field, struct slice s)
{
	if (utf8_is_ascii(s))
		pb_bytes(w, field, s.p, s.n);
	else
		pb_unclean_string(w, field, s);
}

/*
 * Closes a nested message: all that was written since pb_len was `end`. The caller takes `end`
 * before it writes the message's last field.
 */
static inline void pb_message(struct pb_writer *w, unsigned int field, size_t end)
{
	if (!pb_room(w, 2 * PB_VARINT_MAX))
		return;
	pb_raw_varint(w, pb_len(w) - end);
	pb_raw_tag(w, field, PB_LEN);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The primitive types of Kafka's protocol (https://kafka.apache.org/protocol), read from bytes that may
 * end anywhere: what is not there reads as 0 or empty and sets cut, which stays set.
 */
#ifndef SONDE_PROTOCOLS_KAFKA_WIRE_H
#define SONDE_PROTOCOLS_KAFKA_WIRE_H

#include <endian.h>

#include "user/base/slice.h"

#define KAFKA_UUID_SZ 16

struct wire {
	struct slice rest;
	bool flexible; /* compact lengths, and tagged fields at the end of structures */
	bool cut;
};

/* n bytes; empty, and nothing left, if there are fewer. */
static inline struct slice wire_take(struct wire *w, uint64_t n)
{
	struct slice s = slice_first(w->rest, (size_t)n);

	if (n > w->rest.n) {
		w->cut = true;
		s.n = 0;
		w->rest = slice_after(w->rest, w->rest.n);
		return s;
	}
	w->rest = slice_after(w->rest, (size_t)n);
	return s;
}

static inline void wire_skip(struct wire *w, uint64_t n)
{
	wire_take(w, n);
}

static inline int8_t wire_i8(struct wire *w)
{
	struct slice s = wire_take(w, 1);

	return s.n ? (int8_t)s.p[0] : 0;
}

static inline int16_t wire_i16(struct wire *w)
{
	struct slice s = wire_take(w, 2);
	uint16_t v = 0;

	if (s.n)
		memcpy(&v, s.p, sizeof(v));
	return (int16_t)be16toh(v);
}

static inline int32_t wire_i32(struct wire *w)
{
	struct slice s = wire_take(w, 4);
	uint32_t v = 0;

	if (s.n)
		memcpy(&v, s.p, sizeof(v));
	return (int32_t)be32toh(v);
}

/* Seven bits in each byte, the lowest first. What is too long for 64 bits ends the bytes. */
static inline uint64_t wire_uvarint(struct wire *w)
{
	uint64_t v = 0;

	for (unsigned int shift = 0; shift < 64; shift += 7) {
		uint8_t byte = (uint8_t)wire_i8(w);

		v |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return v;
	}
	w->rest.n = 0;
	w->cut = true;
	return 0;
}

/* Signed, in zigzag. */
static inline int64_t wire_varint(struct wire *w)
{
	uint64_t v = wire_uvarint(w);

	return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

/* The length of what follows, null counting as empty. */
static inline uint64_t wire_length(struct wire *w)
{
	uint64_t compact;
	int32_t plain;

	if (w->flexible) {
		compact = wire_uvarint(w);
		return compact ? compact - 1 : 0;
	}
	plain = wire_i32(w);
	return plain > 0 ? (uint64_t)plain : 0;
}

/* A string; null reads as empty. */
static inline struct slice wire_string(struct wire *w)
{
	int16_t n;

	if (w->flexible)
		return wire_take(w, wire_length(w));
	n = wire_i16(w);
	return wire_take(w, n > 0 ? (uint64_t)n : 0);
}

/* Tagged fields, at the end of a structure: they are read over. */
static inline void wire_tags(struct wire *w)
{
	if (!w->flexible)
		return;
	for (uint64_t cnt = wire_uvarint(w); cnt && !w->cut; cnt--) {
		wire_uvarint(w);
		wire_skip(w, wire_uvarint(w));
	}
}

#endif

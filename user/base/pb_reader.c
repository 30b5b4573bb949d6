// SPDX-License-Identifier: Apache-2.0
/* One field at a time. */
#include "user/base/pb_reader.h"

#define VARINT_MAX 10 /* bytes */

static bool take_varint(struct slice *rest, uint64_t *out)
{
	uint64_t value = 0;

	for (size_t i = 0; i < rest->n && i < VARINT_MAX; i++) {
		uint8_t byte = (uint8_t)rest->p[i];

		value |= (uint64_t)(byte & 0x7f) << (7 * i);
		if (byte & 0x80)
			continue;
		*rest = slice_after(*rest, i + 1);
		*out = value;
		return true;
	}
	return false;
}

static bool take_fixed(struct slice *rest, size_t n, uint64_t *out)
{
	if (rest->n < n)
		return false;
	*out = 0;
	for (size_t i = 0; i < n; i++)
		*out |= (uint64_t)(uint8_t)rest->p[i] << (8 * i);
	*rest = slice_after(*rest, n);
	return true;
}

static bool take_value(struct slice *rest, struct pb_field *out)
{
	uint64_t len;

	switch (out->type) {
	case PB_VARINT:
		return take_varint(rest, &out->value);
	case PB_FIXED64:
		return take_fixed(rest, 8, &out->value);
	case PB_FIXED32:
		return take_fixed(rest, 4, &out->value);
	case PB_BYTES:
		if (!take_varint(rest, &len) || len > rest->n)
			return false;
		out->bytes = slice_first(*rest, len);
		*rest = slice_after(*rest, len);
		return true;
	}
	return false; /* a group, of old, or nothing */
}

bool pb_next(struct slice *rest, struct pb_field *out)
{
	struct slice after = *rest;
	uint64_t tag;

	*out = (struct pb_field){0};
	if (!take_varint(&after, &tag) || tag >> 3 == 0 || tag >> 32)
		return false;
	out->number = (uint32_t)(tag >> 3);
	out->type = tag & 7;
	if (!take_value(&after, out))
		return false;
	*rest = after;
	return true;
}

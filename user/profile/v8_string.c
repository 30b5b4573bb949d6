// SPDX-License-Identifier: Apache-2.0
/*
 * V8's include/v8-internal.h and src/objects/string.tq, instance-type.h: how a string is kept stands in its type. The
 * values are those of all versions in v8_layout.c.
 */
#include "user/profile/v8_string.h"

#define STRING_LIMIT 0x80 /* types from there on are no strings' */
#define ONE_BYTE 0x08
#define UNCACHED 0x10 /* external: its characters are known only to the object that has them */
#define CHARACTERS_AT 16
#define STEPS_MAX 8  /* from a string to the one that has the characters */
#define PARTS_MAX 32 /* of one that is in several pieces; what is beyond them is cut off */
#define UTF8_MAX 4   /* bytes of a character */
#define REPLACEMENT 0xfffd

enum representation {
	STRING_SEQUENTIAL = 0,
	STRING_CONS = 1,
	STRING_EXTERNAL = 2,
	STRING_SLICED = 3,
	STRING_THIN = 5,
};

struct string_head {
	uint64_t map;
	uint32_t hash, cnt;
	uint64_t first, second;
};

bool v8_read_word(const struct v8_heap *heap, uint64_t address, uint64_t *v)
{
	return heap->memory.read(heap->memory.ctx, address, v, sizeof(*v));
}

static bool read_type(const struct v8_heap *heap, uint64_t map, uint16_t *type)
{
	return (map & 3) == 1 &&
	       heap->memory.read(heap->memory.ctx, map - 1 + heap->layout.map_type, type,
				 sizeof(*type));
}

bool v8_type_of(const struct v8_heap *heap, uint64_t object, uint16_t *type)
{
	uint64_t map;

	return (object & 3) == 1 && v8_read_word(heap, object - 1, &map) &&
	       read_type(heap, map, type);
}

bool v8_take_smi(uint64_t word, int32_t *v)
{
	*v = (int32_t)(word >> 32);
	return !(uint32_t)word;
}

/* A string that has its characters itself may be as long as that and no longer. */
static bool read_head(const struct v8_heap *heap, uint64_t string, struct string_head *head,
		      uint16_t *type)
{
	*head = (struct string_head){0};
	return (string & 3) == 1 &&
	       heap->memory.read(heap->memory.ctx, string - 1, head, CHARACTERS_AT) &&
	       read_type(heap, head->map, type) && *type < STRING_LIMIT && head->cnt <= INT32_MAX &&
	       ((*type & 7) == STRING_SEQUENTIAL ||
		heap->memory.read(heap->memory.ctx, string - 1 + CHARACTERS_AT, &head->first,
				  (*type & 7) == STRING_THIN ? 8 : 16));
}

static bool is_empty(const struct v8_heap *heap, uint64_t string)
{
	struct string_head head;
	uint16_t type;

	return read_head(heap, string, &head, &type) && !head.cnt;
}

/* Of the string that head is of; false: that leads on to *string, at *from. */
static bool ends_here(const struct string_head *head, uint16_t type, uint64_t *string,
		      uint64_t *characters, int32_t *off)
{
	*off = 0;
	*characters = *string - 1 + CHARACTERS_AT;
	switch (type & 7) {
	case STRING_SEQUENTIAL:
		return true;
	case STRING_EXTERNAL:
		*characters = type & UNCACHED ? 0 : head->second;
		return true;
	case STRING_SLICED:
		if (!v8_take_smi(head->second, off))
			*off = -1;
		break;
	default:
		break;
	}
	*string = head->first;
	return false;
}

bool v8_text_of(const struct v8_heap *heap, uint64_t string, struct v8_text *text)
{
	struct string_head head;
	uint64_t characters, off = 0;
	uint32_t cnt = 0;
	uint16_t type;
	int32_t more;

	for (int i = 0; i < STEPS_MAX; i++) {
		if (!read_head(heap, string, &head, &type))
			return false;
		cnt = i ? cnt : head.cnt;
		if (off + cnt > head.cnt)
			return false;
		if ((type & 7) == STRING_CONS && !is_empty(heap, head.second))
			return false;
		if (ends_here(&head, type, &string, &characters, &more)) {
			text->width = type & ONE_BYTE ? 1 : 2;
			text->address = characters + off * text->width;
			text->cnt = cnt;
			return characters;
		}
		if (more < 0)
			return false;
		off += (uint32_t)more;
	}
	return false;
}

/* --- copies ----------------------------------------------------------------------------------- */

struct output {
	char v[V8_NAME_MAX];
	size_t n;
};

static void put_character(struct output *out, uint32_t c)
{
	static const uint8_t marks[] = {0, 0xc0, 0xe0, 0xf0};
	int more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;

	if (out->n + UTF8_MAX > sizeof(out->v))
		return;
	out->v[out->n++] = (char)(marks[more] | c >> (6 * more));
	while (more--)
		out->v[out->n++] = (char)(0x80 | (c >> (6 * more) & 0x3f));
}

static void put_wide(struct output *out, const uint16_t *v, size_t cnt)
{
	for (size_t i = 0; i < cnt; i++) {
		bool high = (v[i] & 0xfc00) == 0xd800, low = (v[i] & 0xfc00) == 0xdc00;

		if (high && i + 1 < cnt && (v[i + 1] & 0xfc00) == 0xdc00) {
			put_character(out,
				      0x10000u + ((v[i] & 0x3ffu) << 10) + (v[i + 1] & 0x3ffu));
			i++;
		} else {
			put_character(out, high || low ? REPLACEMENT : v[i]);
		}
	}
}

static bool put_text(const struct v8_heap *heap, const struct v8_text *text, struct output *out)
{
	uint16_t raw[V8_NAME_MAX];
	const uint8_t *bytes = (const uint8_t *)raw;
	size_t cnt = text->cnt < V8_NAME_MAX ? text->cnt : V8_NAME_MAX;

	if (cnt && !heap->memory.read(heap->memory.ctx, text->address, raw, cnt * text->width))
		return false;
	if (text->width == 2)
		put_wide(out, raw, cnt);
	for (size_t i = 0; text->width == 1 && i < cnt; i++)
		put_character(out, bytes[i]);
	return true;
}

bool v8_string_read(const struct v8_heap *heap, uint64_t string, struct arena *arena,
		    struct slice *out)
{
	uint64_t parts[PARTS_MAX] = {string};
	struct output text = {.n = 0};
	struct string_head head;
	struct v8_text piece;
	bool failed = false;
	uint16_t type;
	int cnt = 1;

	for (int steps = 0; cnt > 0 && steps < 2 * PARTS_MAX; steps++) {
		string = parts[--cnt];
		if (v8_text_of(heap, string, &piece)) {
			if (!put_text(heap, &piece, &text))
				return false;
		} else if (read_head(heap, string, &head, &type) && (type & 7) == STRING_CONS) {
			if (++cnt == PARTS_MAX)
				break;
			parts[cnt - 1] = head.second;
			parts[cnt++] = head.first;
		} else {
			return false;
		}
	}
	if (cnt && !text.n) /* its beginning has no end */
		return false;
	*out = arena__copy(arena, slice_of(text.v, text.n), &failed);
	return !failed;
}

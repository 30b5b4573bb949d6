// SPDX-License-Identifier: Apache-2.0
/* CPython's Include/cpython/code.h and unicodeobject.h, and the notes on its tables of lines. */
#include "user/profile/python_code.h"

#define CODE_SZ_MAX 256
#define TYPE_AT 8    /* PyObject.ob_type */
#define LENGTH_AT 16 /* of strings and bytes */
#define STRING_STATE_AT 32
#define STRING_HEAD_SZ 40
#define BYTES_AT 32
#define UTF8_MAX 4 /* bytes of a character */

static uint64_t word_at(const char *bytes, uint16_t at)
{
	uint64_t v;

	memcpy(&v, bytes + at, sizeof(v));
	return v;
}

bool python_code_key(const struct python_code_layout *layout, const struct process_memory *memory,
		     uint64_t address, struct python_code_key *key)
{
	char bytes[CODE_SZ_MAX];

	if (layout->size > sizeof(bytes) ||
	    !memory->read(memory->ctx, address, bytes, layout->size) ||
	    (layout->type && word_at(bytes, TYPE_AT) != layout->type))
		return false;
	*key = (struct python_code_key){
		.name = word_at(bytes, layout->qualified_name ?: layout->name),
		.file = word_at(bytes, layout->file),
		.lines = word_at(bytes, layout->lines),
	};
	memcpy(&key->first_line, bytes + layout->first_line, sizeof(key->first_line));
	return true;
}

/* --- strings ---------------------------------------------------------------------------------- */

static size_t put_character(char *to, uint32_t c)
{
	if (c < 0x80) {
		to[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		to[0] = (char)(0xc0 | c >> 6);
		to[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		to[0] = (char)(0xe0 | c >> 12);
		to[1] = (char)(0x80 | (c >> 6 & 0x3f));
		to[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	to[0] = (char)(0xf0 | (c >> 18 & 7));
	to[1] = (char)(0x80 | (c >> 12 & 0x3f));
	to[2] = (char)(0x80 | (c >> 6 & 0x3f));
	to[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

/* Of characters of that many bytes. */
static size_t to_utf8(char *to, const char *from, size_t n, unsigned int width)
{
	size_t len = 0;

	for (size_t i = 0; i < n && len + UTF8_MAX <= PYTHON_NAME_MAX; i++) {
		uint32_t c = 0;

		memcpy(&c, from + i * width, width);
		len += put_character(to + len, c);
	}
	return len;
}

static bool read_string(const struct python_code_layout *layout,
			const struct process_memory *memory, uint64_t address, struct arena *arena,
			struct slice *out)
{
	char head[STRING_HEAD_SZ], raw[PYTHON_NAME_MAX * sizeof(uint32_t)], text[PYTHON_NAME_MAX];
	unsigned int state, width;
	bool failed = false, ascii;
	uint64_t n;

	if (!memory->read(memory->ctx, address, head, sizeof(head)))
		return false;
	memcpy(&state, head + STRING_STATE_AT, sizeof(state));
	n = word_at(head, LENGTH_AT);
	width = state >> 2 & 7;
	ascii = state >> 6 & 1;
	if (!(state >> 5 & 1) || (width != 1 && width != 2 && width != 4) || n > INT32_MAX)
		return false;
	n = n < PYTHON_NAME_MAX ? n : PYTHON_NAME_MAX;
	if (!memory->read(memory->ctx, address + (ascii ? layout->ascii : layout->compact), raw,
			  n * width))
		return false;
	*out = arena__copy(arena, slice_of(text, to_utf8(text, raw, n, width)), &failed);
	return !failed;
}

static bool read_lines(const struct process_memory *memory, uint64_t address, struct arena *arena,
		       struct slice *out)
{
	char head[BYTES_AT];
	uint64_t n;
	char *to;

	if (!memory->read(memory->ctx, address, head, sizeof(head)))
		return false;
	n = word_at(head, LENGTH_AT);
	if (n > PYTHON_LINES_MAX)
		return false;
	to = arena__alloc(arena, n ?: 1);
	if (!to || (n && !memory->read(memory->ctx, address + BYTES_AT, to, n)))
		return false;
	*out = slice_of(to, n);
	return true;
}

bool python_code_read(const struct python_code_layout *layout, const struct process_memory *memory,
		      const struct python_code_key *key, struct arena *arena,
		      struct python_code *code)
{
	*code = (struct python_code){.key = *key};
	if (!read_string(layout, memory, key->name, arena, &code->name) ||
	    !read_string(layout, memory, key->file, arena, &code->file) ||
	    !read_lines(memory, key->lines, arena, &code->lines))
		return false;
	/* _Py_InitCleanup, below which classes' __init__ runs. */
	code->is_shim = !code->lines.n && key->name == key->file;
	return true;
}

/* --- lines ------------------------------------------------------------------------------------ */

static uint32_t line_of_lnotab(struct slice s, uint32_t first, uint32_t at)
{
	uint32_t here = 0, line = first;

	for (size_t i = 0; i + 1 < s.n; i += 2) {
		here += (uint8_t)s.p[i];
		if (here > at)
			break;
		line += (uint32_t)(int8_t)s.p[i + 1];
	}
	return line;
}

static uint32_t line_of_ranges(struct slice s, uint32_t first, uint32_t at)
{
	uint32_t here = 0, line = first;

	for (size_t i = 0; i + 1 < s.n; i += 2) {
		int8_t step = (int8_t)s.p[i + 1];

		here += (uint8_t)s.p[i];
		if (step != INT8_MIN)
			line += (uint32_t)step;
		if (here > at)
			return step == INT8_MIN ? 0 : line;
	}
	return 0;
}

/* 6 bits a byte, the lowest first. */
static uint32_t take_varint(struct slice s, size_t *i)
{
	uint32_t v = 0;

	for (unsigned int shift = 0; *i < s.n && shift < 32; shift += 6) {
		uint8_t byte = (uint8_t)s.p[(*i)++];

		v |= (uint32_t)(byte & 0x3f) << shift;
		if (!(byte & 0x40))
			break;
	}
	return v;
}

static uint32_t take_signed(struct slice s, size_t *i)
{
	uint32_t v = take_varint(s, i);

	return v & 1 ? 0u - (v >> 1) : v >> 1;
}

enum {
	POSITION_ONE_LINE = 10, /* and two more: so many lines further */
	POSITION_NO_COLUMNS = 13,
	POSITION_LONG = 14,
	POSITION_NONE = 15,
};

static uint32_t line_of_positions(struct slice s, uint32_t first, uint32_t unit)
{
	uint32_t here = 0, line = first;

	for (size_t i = 0; i < s.n;) {
		uint8_t byte = (uint8_t)s.p[i++], kind = byte >> 3 & 15;

		if (kind == POSITION_LONG || kind == POSITION_NO_COLUMNS)
			line += take_signed(s, &i);
		else if (kind >= POSITION_ONE_LINE && kind < POSITION_NO_COLUMNS)
			line += kind - POSITION_ONE_LINE;
		here += (byte & 7) + 1u;
		if (here > unit)
			return kind == POSITION_NONE ? 0 : line;
		while (i < s.n && !((uint8_t)s.p[i] & 0x80)) /* the next one begins so */
			i++;
	}
	return 0;
}

uint32_t python_code_line(const struct python_code_layout *layout, const struct python_code *code,
			  uint32_t at)
{
	uint32_t first = code->key.first_line, line = 0;

	at = layout->instructions ? at - layout->instructions : at * layout->unit;
	if (at > INT32_MAX) /* it has not begun */
		return first <= INT32_MAX ? first : 0;
	if (layout->kind == PYTHON_LINES_LNOTAB)
		line = line_of_lnotab(code->lines, first, at);
	else if (layout->kind == PYTHON_LINES_RANGES)
		line = line_of_ranges(code->lines, first, at);
	else
		line = line_of_positions(code->lines, first, at / 2);
	return line <= INT32_MAX ? line : 0;
}

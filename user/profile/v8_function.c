// SPDX-License-Identifier: Apache-2.0
/* V8's src/objects/shared-function-info.tq, scope-info.tq and script.tq. */
#include "user/profile/v8_function.h"

#include <stdlib.h>

#define SHARED_SZ 64
#define SCOPE_HEAD_CNT 5 /* words: flags, parameters, variables, and perhaps where it is */
#define SCOPE_REST_CNT 5 /* name and its place, guessed name, where it is */
#define SCOPE_INLINE_NAMES 75
#define VARIABLES_MAX 65536
#define SCRIPT_SOURCE 8
#define SCRIPT_NAME 16
#define SCRIPT_LINE 24 /* where its first line is in the file that it is of */
#define PIECE_SZ 65536u

/* A ScopeInfo's flags. */
#define SCOPE_KIND(flags) ((flags)&15)
#define SCOPE_HAS_CLASS_VARIABLE(flags) ((flags) >> 10 & 1)
#define SCOPE_NAME(flags) ((flags) >> 12 & 3)
#define SCOPE_HAS_GUESSED_NAME(flags) ((flags) >> 14 & 1)

/* --- what it is called, and where it is ------------------------------------------------------- */

static bool take_span(struct v8_function_key *key, const uint64_t *words)
{
	int32_t start, end;

	if (!v8_take_smi(words[0], &start) || !v8_take_smi(words[1], &end) || start < 0 ||
	    end < start)
		return false;
	key->start = (uint32_t)start;
	key->end = (uint32_t)end;
	key->has_span = true;
	return true;
}

static bool read_scope(const struct v8_heap *heap, struct v8_function_key *key)
{
	const struct v8_heap_layout *l = &heap->layout;
	uint64_t head[SCOPE_HEAD_CNT], rest[SCOPE_REST_CNT], at = l->scope_first;
	uint32_t flags, i = 0;
	int32_t variables;

	if (!heap->memory.read(heap->memory.ctx, key->name - 1 + 8, head, sizeof(head)))
		return false;
	flags = (uint32_t)(l->scope_has_smi_flags ? head[0] >> 32 : head[0]);
	if (!v8_take_smi(head[2], &variables) || variables < 0 || variables > VARIABLES_MAX)
		return false;
	at += SCOPE_KIND(flags) == l->scope_module;
	at += (uint64_t)(variables < SCOPE_INLINE_NAMES ? variables : 1) + (uint64_t)variables;
	at += SCOPE_HAS_CLASS_VARIABLE(flags);
	if (!heap->memory.read(heap->memory.ctx, key->name - 1 + 8 * (1 + at), rest, sizeof(rest)))
		return false;
	if (SCOPE_NAME(flags)) {
		key->own_name = rest[0];
		i += 2;
	}
	if (SCOPE_HAS_GUESSED_NAME(flags))
		key->guessed_name = rest[i++];
	return take_span(key, l->scope_has_span_first ? head + 3 : rest + i);
}

bool v8_function_key(const struct v8_heap *heap, uint64_t shared, uint64_t name,
		     struct v8_function_key *key)
{
	const struct v8_heap_layout *l = &heap->layout;
	char bytes[SHARED_SZ];
	uint64_t script;
	uint16_t type;

	*key = (struct v8_function_key){.name = name};
	if (!v8_type_of(heap, shared, &type) || type != l->shared_type ||
	    l->shared_name > SHARED_SZ - 8 || l->shared_script > SHARED_SZ - 8 ||
	    !heap->memory.read(heap->memory.ctx, shared - 1, bytes, sizeof(bytes)) ||
	    memcmp(bytes + l->shared_name, &name, sizeof(name)) != 0)
		return false;
	memcpy(&script, bytes + l->shared_script, sizeof(script));
	if (!v8_type_of(heap, script, &type))
		return false;
	if (type == l->oddball_type) /* undefined: it is of no script */
		return true;
	if (type != l->script_type)
		return false;
	key->script = script;
	if (!v8_type_of(heap, name, &type))
		return !(uint32_t)name; /* no name yet */
	if (type == l->scope_type)
		return read_scope(heap, key);
	key->own_name = name;
	return true;
}

/* No name is 0, or undefined. */
static bool read_name(const struct v8_heap *heap, uint64_t string, struct arena *arena,
		      struct slice *name)
{
	uint16_t type;

	*name = slice_of(NULL, 0);
	if (!string)
		return true;
	if (!v8_type_of(heap, string, &type))
		return false;
	return type == heap->layout.oddball_type || v8_string_read(heap, string, arena, name);
}

bool v8_function_read(const struct v8_heap *heap, const struct v8_function_key *key,
		      struct arena *arena, struct v8_function *function)
{
	uint64_t file;

	*function = (struct v8_function){.key = *key};
	if (!key->script)
		return true;
	if (!read_name(heap, key->own_name, arena, &function->name) ||
	    (!function->name.n && !read_name(heap, key->guessed_name, arena, &function->name)) ||
	    !v8_read_word(heap, key->script - 1 + SCRIPT_NAME, &file) ||
	    !read_name(heap, file, arena, &function->file))
		return false;
	if (!function->name.n)
		function->name = SLICE("(anonymous)");
	return true;
}

/* --- lines ------------------------------------------------------------------------------------ */

/* The characters of a part of a source. */
struct piece {
	const uint8_t *bytes;
	uint8_t width;
	uint32_t cnt;
};

static uint32_t character_at(const struct piece *p, uint32_t i)
{
	return p->width == 1 ? p->bytes[i]
			     : (uint32_t)p->bytes[2 * i] | (uint32_t)p->bytes[2 * i + 1] << 8;
}

static bool add_end(struct v8_lines *lines, uint32_t at)
{
	if (lines->ends_cnt == V8_LINES_MAX)
		return false;
	if (lines->ends_cnt == lines->ends_cap) {
		uint32_t cap = lines->ends_cap ? 2 * lines->ends_cap : 64;
		uint32_t *more = reallocarray(lines->ends, cap, sizeof(*more));

		if (!more)
			return false;
		lines->ends = more;
		lines->ends_cap = cap;
	}
	lines->ends[lines->ends_cnt++] = at;
	return true;
}

/* ECMA-262, "Line Terminators"; *cr: the character before was a carriage return. */
static bool add_ends(struct v8_lines *lines, const struct piece *piece, uint32_t from, bool *cr)
{
	for (uint32_t i = 0; i < piece->cnt; i++) {
		uint32_t c = character_at(piece, i);

		if (*cr && c != '\n' && !add_end(lines, from + i - 1))
			return false;
		*cr = c == '\r';
		if ((c == '\n' || c == 0x2028 || c == 0x2029) && !add_end(lines, from + i))
			return false;
	}
	return true;
}

static bool read_ends(const struct v8_heap *heap, const struct v8_text *text,
		      struct v8_lines *lines)
{
	uint8_t *bytes = malloc(PIECE_SZ);
	struct piece piece = {.bytes = bytes, .width = text->width};
	bool cr = false, good = bytes;

	for (uint32_t from = 0; good && from < text->cnt; from += piece.cnt) {
		uint32_t left = text->cnt - from, most = PIECE_SZ / text->width;

		piece.cnt = left < most ? left : most;
		good = heap->memory.read(heap->memory.ctx,
					 text->address + from * (uint64_t)text->width, bytes,
					 (size_t)piece.cnt * text->width) &&
		       add_ends(lines, &piece, from, &cr);
	}
	free(bytes);
	return good;
}

void v8_lines__free(struct v8_lines *lines)
{
	free(lines->ends);
	memset(lines, 0, sizeof(*lines));
}

static bool learn_lines(const struct v8_heap *heap, uint64_t script, struct v8_lines *lines,
			uint64_t *read_cnt)
{
	struct v8_text text;
	uint64_t source;

	if (!v8_read_word(heap, script - 1 + SCRIPT_SOURCE, &source) ||
	    !v8_text_of(heap, source, &text) || text.cnt > V8_SOURCE_MAX)
		return false;
	if (lines->script == script && lines->source == source && lines->cnt == text.cnt)
		return !lines->failed;
	v8_lines__free(lines);
	*read_cnt += text.cnt;
	if (!read_ends(heap, &text, lines)) {
		v8_lines__free(lines);
		lines->failed = true;
	}
	lines->script = script;
	lines->source = source;
	lines->cnt = text.cnt;
	return !lines->failed;
}

uint32_t v8_line_of(const struct v8_heap *heap, uint64_t script, uint32_t at,
		    struct v8_lines *lines, uint64_t *read_cnt)
{
	uint32_t low = 0, high;
	uint64_t word;
	int32_t first;

	if (!v8_read_word(heap, script - 1 + SCRIPT_LINE, &word) || !v8_take_smi(word, &first) ||
	    first < 0 || !learn_lines(heap, script, lines, read_cnt) || at > lines->cnt)
		return 0;
	high = lines->ends_cnt;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (lines->ends[middle] < at)
			low = middle + 1;
		else
			high = middle;
	}
	return low + 1 + (uint32_t)first;
}

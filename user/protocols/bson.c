// SPDX-License-Identifier: Apache-2.0
/* Documents as MongoDB sends them, BSON 1.1 (bsonspec.org). */
#include "user/protocols/bson.h"

#define DEPTH_MAX 16 /* of documents in documents that become text */

/* What a value is made of. */
struct value_shape {
	bool known;
	bool counted;	/* begins with a length of four bytes, which tells what follows it */
	bool inclusive; /* and itself too */
	uint8_t fixed;	/* bytes of fixed size besides */
	uint8_t texts;	/* zero-terminated ones */
};

static const struct value_shape shapes[256] = {
	[BSON_DOUBLE] = {.known = true, .fixed = 8},
	[BSON_STRING] = {.known = true, .counted = true},
	[BSON_DOCUMENT] = {.known = true, .counted = true, .inclusive = true},
	[BSON_ARRAY] = {.known = true, .counted = true, .inclusive = true},
	[0x05] = {.known = true, .counted = true, .fixed = 1}, /* binary */
	[0x06] = {.known = true},			       /* undefined */
	[0x07] = {.known = true, .fixed = 12},		       /* object id */
	[BSON_BOOL] = {.known = true, .fixed = 1},
	[0x09] = {.known = true, .fixed = 8},			      /* date */
	[0x0a] = {.known = true},				      /* null */
	[0x0b] = {.known = true, .texts = 2},			      /* regular expression */
	[0x0c] = {.known = true, .counted = true, .fixed = 12},	      /* pointer */
	[0x0d] = {.known = true, .counted = true},		      /* code */
	[0x0e] = {.known = true, .counted = true},		      /* symbol */
	[0x0f] = {.known = true, .counted = true, .inclusive = true}, /* code with variables */
	[BSON_INT32] = {.known = true, .fixed = 4},
	[0x11] = {.known = true, .fixed = 8}, /* timestamp */
	[BSON_INT64] = {.known = true, .fixed = 8},
	[0x13] = {.known = true, .fixed = 16}, /* decimal */
	[0x7f] = {.known = true},	       /* the largest key */
	[0xff] = {.known = true},	       /* the smallest key */
};

/* --- elements --------------------------------------------------------------------------------- */

bool bson_is_type(uint8_t type)
{
	return shapes[type].known;
}

bool bson_take_text(struct slice *rest, struct slice *text)
{
	ptrdiff_t end = slice_find(*rest, '\0');

	if (end < 0)
		return false;
	*text = slice_first(*rest, (size_t)end);
	*rest = slice_after(*rest, (size_t)end + 1);
	return true;
}

/* How long the value at the front is; more than there is if its end is not there. */
static uint64_t value_len(uint8_t type, struct slice rest)
{
	const struct value_shape *shape = &shapes[type];
	struct slice left = rest, text;
	uint64_t len = shape->fixed;

	if (shape->counted && rest.n < 4)
		return rest.n + 1;
	if (shape->counted)
		len += bson_u32(rest, 0) + (shape->inclusive ? 0ull : 4ull);
	for (unsigned int i = 0; i < shape->texts; i++) {
		if (!bson_take_text(&left, &text))
			return rest.n + 1;
		len = rest.n - left.n;
	}
	return len;
}

static bool take_key(struct slice *rest, struct bson_element *e)
{
	struct slice after = slice_after(*rest, 1);

	if (!rest->n || !bson_is_type((uint8_t)rest->p[0]) || !bson_take_text(&after, &e->key))
		return false;
	e->type = (uint8_t)rest->p[0];
	*rest = after;
	return true;
}

static void take_value(struct slice *rest, struct bson_element *e)
{
	uint64_t len = value_len(e->type, *rest);

	e->whole = len <= rest->n;
	e->value = e->whole ? slice_first(*rest, (size_t)len) : *rest;
	*rest = slice_after(*rest, e->value.n);
}

bool bson_take(struct slice *rest, struct bson_element *e)
{
	if (!take_key(rest, e))
		return false;
	take_value(rest, e);
	return true;
}

struct slice bson_elements(const struct bson_element *e)
{
	return slice_after(e->value, 4);
}

struct slice bson_string(const struct bson_element *e)
{
	struct slice text = slice_after(e->value, 4);

	if (e->type != BSON_STRING || !e->whole || !text.n)
		return SLICE("");
	text.n--; /* the zero */
	return text;
}

bool bson_number(const struct bson_element *e, int64_t *out)
{
	uint64_t bits;
	double real;

	if (!e->whole)
		return false;
	switch (e->type) {
	case BSON_BOOL:
		*out = e->value.p[0] != 0;
		return true;
	case BSON_INT32:
		*out = (int32_t)bson_u32(e->value, 0);
		return true;
	case BSON_INT64:
	case BSON_DOUBLE:
		break;
	default:
		return false;
	}
	bits = bson_u32(e->value, 0) | (uint64_t)bson_u32(e->value, 4) << 32;
	*out = (int64_t)bits;
	if (e->type == BSON_INT64)
		return true;
	memcpy(&real, &bits, sizeof(real));
	*out = real > -1e15 && real < 1e15 ? (int64_t)real : INT64_MAX;
	return true;
}

/* --- text ------------------------------------------------------------------------------------- */

struct text {
	char *p;
	size_t n, max;
};

/* A document or an array of which the beginning is written. */
struct level {
	bool array;
	bool begun;  /* something is in it */
	bool scalar; /* lastly a value that is no document */
};

/* Appends all of s or nothing; false if there is no room. */
static bool put(struct text *text, struct slice s)
{
	if (s.n > text->max - text->n)
		return false;
	if (s.n)
		memcpy(text->p + text->n, s.p, s.n);
	text->n += s.n;
	return true;
}

static bool put_quoted(struct text *text, struct slice s)
{
	return put(text, SLICE("\"")) && put(text, s) && put(text, SLICE("\""));
}

static bool is_left_out(struct slice key)
{
	static const struct slice keys[] = {SLICE("lsid"), SLICE("txnNumber"), SLICE("documents")};

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		if (slice_eq(key, keys[i]))
			return true;
	return slice_starts_with(key, SLICE("$"));
}

static bool put_key(struct text *text, struct level *level, struct slice key)
{
	bool ok = !level->begun || put(text, SLICE(", "));

	level->begun = true;
	if (level->array)
		return ok;
	return ok && put_quoted(text, key) && put(text, SLICE(": "));
}

/* The elements up to the document's end. False if that was not reached. */
static bool put_elements(struct text *text, struct slice rest)
{
	struct level levels[DEPTH_MAX] = {{.begun = true}};
	struct level *level = levels;
	struct bson_element e;
	bool ok = true;

	while (ok && rest.n) {
		bool shown, nested;

		if (!rest.p[0]) {
			ok = put(text, level->array ? SLICE("]") : SLICE("}"));
			if (level == levels)
				return ok;
			rest = slice_after(rest, 1);
			level--;
			continue;
		}
		if (!take_key(&rest, &e))
			return false;
		shown = level > levels || !is_left_out(e.key);
		nested = e.type == BSON_DOCUMENT || e.type == BSON_ARRAY;
		if (shown && nested && level < levels + DEPTH_MAX - 1) {
			level->scalar = false;
			ok = put_key(text, level, e.key) &&
			     put(text, e.type == BSON_ARRAY ? SLICE("[") : SLICE("{"));
			*++level = (struct level){.array = e.type == BSON_ARRAY};
			rest = slice_after(rest, 4);
			continue;
		}
		take_value(&rest, &e);
		if (shown && !(level->array && level->scalar))
			ok = put_key(text, level, e.key) && put(text, SLICE("?"));
		level->scalar = true;
		ok = ok && e.whole;
	}
	return false;
}

size_t bson_command_text(const struct bson_element *first, struct slice rest, char *p, size_t max)
{
	static const struct slice cut = SLICE("...");
	struct text text = {.p = p, .max = max - cut.n};

	if (!put(&text, SLICE("{")) || !put_quoted(&text, first->key) || !put(&text, SLICE(": ")) ||
	    !put_quoted(&text, bson_string(first)) || !put_elements(&text, rest)) {
		text.max = max;
		put(&text, cut);
	}
	return text.n;
}

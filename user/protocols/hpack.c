// SPDX-License-Identifier: Apache-2.0
/* Header compression of HTTP/2, RFC 7541: integers, strings, the tables, Huffman coding. */
#include "user/protocols/hpack.h"

#include <errno.h>

#define UNKNOWN UINT16_MAX /* a length */
#define INT_MAX_VALUE (1u << 24)
#define END_MAX (1u << 31) /* of what is counted in texts */

#define FIELD_INDEXED 0x80
#define FIELD_INSERTED 0x40
#define FIELD_SIZE 0x20
#define STRING_CODED 0x80

struct static_entry {
	struct slice name, value;
};

/* RFC 7541 appendix A; index 1 is the first. */
static const struct static_entry static_entries[] = {
	{.name = SLICE(":authority"), .value = SLICE("")},
	{.name = SLICE(":method"), .value = SLICE("GET")},
	{.name = SLICE(":method"), .value = SLICE("POST")},
	{.name = SLICE(":path"), .value = SLICE("/")},
	{.name = SLICE(":path"), .value = SLICE("/index.html")},
	{.name = SLICE(":scheme"), .value = SLICE("http")},
	{.name = SLICE(":scheme"), .value = SLICE("https")},
	{.name = SLICE(":status"), .value = SLICE("200")},
	{.name = SLICE(":status"), .value = SLICE("204")},
	{.name = SLICE(":status"), .value = SLICE("206")},
	{.name = SLICE(":status"), .value = SLICE("304")},
	{.name = SLICE(":status"), .value = SLICE("400")},
	{.name = SLICE(":status"), .value = SLICE("404")},
	{.name = SLICE(":status"), .value = SLICE("500")},
	{.name = SLICE("accept-charset"), .value = SLICE("")},
	{.name = SLICE("accept-encoding"), .value = SLICE("gzip, deflate")},
	{.name = SLICE("accept-language"), .value = SLICE("")},
	{.name = SLICE("accept-ranges"), .value = SLICE("")},
	{.name = SLICE("accept"), .value = SLICE("")},
	{.name = SLICE("access-control-allow-origin"), .value = SLICE("")},
	{.name = SLICE("age"), .value = SLICE("")},
	{.name = SLICE("allow"), .value = SLICE("")},
	{.name = SLICE("authorization"), .value = SLICE("")},
	{.name = SLICE("cache-control"), .value = SLICE("")},
	{.name = SLICE("content-disposition"), .value = SLICE("")},
	{.name = SLICE("content-encoding"), .value = SLICE("")},
	{.name = SLICE("content-language"), .value = SLICE("")},
	{.name = SLICE("content-length"), .value = SLICE("")},
	{.name = SLICE("content-location"), .value = SLICE("")},
	{.name = SLICE("content-range"), .value = SLICE("")},
	{.name = SLICE("content-type"), .value = SLICE("")},
	{.name = SLICE("cookie"), .value = SLICE("")},
	{.name = SLICE("date"), .value = SLICE("")},
	{.name = SLICE("etag"), .value = SLICE("")},
	{.name = SLICE("expect"), .value = SLICE("")},
	{.name = SLICE("expires"), .value = SLICE("")},
	{.name = SLICE("from"), .value = SLICE("")},
	{.name = SLICE("host"), .value = SLICE("")},
	{.name = SLICE("if-match"), .value = SLICE("")},
	{.name = SLICE("if-modified-since"), .value = SLICE("")},
	{.name = SLICE("if-none-match"), .value = SLICE("")},
	{.name = SLICE("if-range"), .value = SLICE("")},
	{.name = SLICE("if-unmodified-since"), .value = SLICE("")},
	{.name = SLICE("last-modified"), .value = SLICE("")},
	{.name = SLICE("link"), .value = SLICE("")},
	{.name = SLICE("location"), .value = SLICE("")},
	{.name = SLICE("max-forwards"), .value = SLICE("")},
	{.name = SLICE("proxy-authenticate"), .value = SLICE("")},
	{.name = SLICE("proxy-authorization"), .value = SLICE("")},
	{.name = SLICE("range"), .value = SLICE("")},
	{.name = SLICE("referer"), .value = SLICE("")},
	{.name = SLICE("refresh"), .value = SLICE("")},
	{.name = SLICE("retry-after"), .value = SLICE("")},
	{.name = SLICE("server"), .value = SLICE("")},
	{.name = SLICE("set-cookie"), .value = SLICE("")},
	{.name = SLICE("strict-transport-security"), .value = SLICE("")},
	{.name = SLICE("transfer-encoding"), .value = SLICE("")},
	{.name = SLICE("user-agent"), .value = SLICE("")},
	{.name = SLICE("vary"), .value = SLICE("")},
	{.name = SLICE("via"), .value = SLICE("")},
	{.name = SLICE("www-authenticate"), .value = SLICE("")},
};

#define STATIC_CNT (sizeof(static_entries) / sizeof(*static_entries))

/* --- Huffman coding --------------------------------------------------------------------------- */

/* The code of appendix B is canonical: symbols by length of their codes, then by value. */
static const uint8_t symbols[256] = {
	48,  49,  50,  97,  99,	 101, 105, 111, 115, 116, 32,  37,  45,	 46,  47,  51,	52,  53,
	54,  55,  56,  57,  61,	 65,  95,  98,	100, 102, 103, 104, 108, 109, 110, 112, 114, 117,
	58,  66,  67,  68,  69,	 70,  71,  72,	73,  74,  75,  76,  77,	 78,  79,  80,	81,  82,
	83,  84,  85,  86,  87,	 89,  106, 107, 113, 118, 119, 120, 121, 122, 38,  42,	44,  59,
	88,  90,  33,  34,  40,	 41,  63,  39,	43,  124, 35,  62,  0,	 36,  64,  91,	93,  126,
	94,  125, 60,  96,  123, 92,  195, 208, 128, 130, 131, 162, 184, 194, 224, 226, 153, 161,
	167, 172, 176, 177, 179, 209, 216, 217, 227, 229, 230, 129, 132, 133, 134, 136, 146, 154,
	156, 160, 163, 164, 169, 170, 173, 178, 181, 185, 186, 187, 189, 190, 196, 198, 228, 232,
	233, 1,	  135, 137, 138, 139, 140, 141, 143, 147, 149, 150, 151, 152, 155, 157, 158, 165,
	166, 168, 174, 175, 180, 182, 183, 188, 191, 197, 231, 239, 9,	 142, 144, 145, 148, 159,
	171, 206, 215, 225, 236, 237, 199, 207, 234, 235, 192, 193, 200, 201, 202, 205, 210, 213,
	218, 219, 238, 240, 242, 243, 255, 203, 204, 211, 212, 214, 221, 222, 223, 241, 244, 245,
	246, 247, 248, 250, 251, 252, 253, 254, 2,   3,	  4,   5,   6,	 7,   8,   11,	12,  14,
	15,  16,  17,  18,  19,	 20,  21,  23,	24,  25,  26,  27,  28,	 29,  30,  31,	127, 220,
	249, 10,  13,  22,
};

/* Codes of one length: the first of them, and what is above the last of them, left-aligned. */
static const struct {
	uint32_t limit, first;
	uint8_t len, index;
} lengths[] = {
	{.len = 5, .index = 0, .first = 0x0, .limit = 0x50000000},
	{.len = 6, .index = 10, .first = 0x14, .limit = 0xb8000000},
	{.len = 7, .index = 36, .first = 0x5c, .limit = 0xf8000000},
	{.len = 8, .index = 68, .first = 0xf8, .limit = 0xfe000000},
	{.len = 10, .index = 74, .first = 0x3f8, .limit = 0xff400000},
	{.len = 11, .index = 79, .first = 0x7fa, .limit = 0xffa00000},
	{.len = 12, .index = 82, .first = 0xffa, .limit = 0xffc00000},
	{.len = 13, .index = 84, .first = 0x1ff8, .limit = 0xfff00000},
	{.len = 14, .index = 90, .first = 0x3ffc, .limit = 0xfff80000},
	{.len = 15, .index = 92, .first = 0x7ffc, .limit = 0xfffe0000},
	{.len = 19, .index = 95, .first = 0x7fff0, .limit = 0xfffe6000},
	{.len = 20, .index = 98, .first = 0xfffe6, .limit = 0xfffee000},
	{.len = 21, .index = 106, .first = 0x1fffdc, .limit = 0xffff4800},
	{.len = 22, .index = 119, .first = 0x3fffd2, .limit = 0xffffb000},
	{.len = 23, .index = 145, .first = 0x7fffd8, .limit = 0xffffea00},
	{.len = 24, .index = 174, .first = 0xffffea, .limit = 0xfffff600},
	{.len = 25, .index = 186, .first = 0x1ffffec, .limit = 0xfffff800},
	{.len = 26, .index = 190, .first = 0x3ffffe0, .limit = 0xfffffbc0},
	{.len = 27, .index = 205, .first = 0x7ffffde, .limit = 0xfffffe20},
	{.len = 28, .index = 224, .first = 0xfffffe2, .limit = 0xfffffff0},
	{.len = 30, .index = 253, .first = 0x3ffffffc, .limit = 0xfffffffc},
};

#define CODES_LIMIT 0xfffffffcu /* above it is only the end of string, whose bits pad a string */

size_t hpack_decoded_max(size_t n)
{
	return n * 8 / 5;
}

ssize_t hpack_decode(struct slice coded, char *to, size_t sz)
{
	uint64_t bits = 0; /* those not decoded yet are the lowest */
	unsigned int bits_cnt = 0;
	size_t at = 0, n = 0;

	while (n < sz) {
		uint32_t window;
		unsigned int i = 0;

		while (bits_cnt <= 56 && at < coded.n) {
			bits = bits << 8 | (uint8_t)coded.p[at++];
			bits_cnt += 8;
		}
		window = (uint32_t)(bits_cnt >= 32 ? bits >> (bits_cnt - 32)
						   : bits << (32 - bits_cnt) |
							     ((1ull << (32 - bits_cnt)) - 1));
		if (window >= CODES_LIMIT)
			return bits_cnt < 8 ? (ssize_t)n : -EPROTO;
		while (window >= lengths[i].limit)
			i++;
		if (lengths[i].len > bits_cnt)
			return -EPROTO;
		to[n++] = (char)symbols[lengths[i].index + (window >> (32 - lengths[i].len)) -
					lengths[i].first];
		bits_cnt -= lengths[i].len;
	}
	return (ssize_t)n;
}

/* --- what a field consists of ----------------------------------------------------------------- */

/* Bytes to read from; once something failed, it stays so. */
struct reader {
	struct slice in;
	int err; /* -EAGAIN: the end is missing */
};

static uint32_t read_int(struct reader *r, unsigned int prefix_bits)
{
	uint32_t max = (1u << prefix_bits) - 1, value;
	size_t n = 1;

	if (r->err || !r->in.n) {
		r->err = r->err ?: -EAGAIN;
		return 0;
	}
	value = (uint8_t)r->in.p[0] & max;
	if (value == max) {
		unsigned int shift = 0;
		uint8_t byte;

		do {
			if (n == r->in.n || shift > 21) {
				r->err = shift > 21 ? -EPROTO : -EAGAIN;
				return 0;
			}
			byte = (uint8_t)r->in.p[n++];
			value += (uint32_t)(byte & 0x7f) << shift;
			shift += 7;
		} while (byte & 0x80);
	}
	if (value > INT_MAX_VALUE)
		r->err = -EPROTO;
	r->in = slice_after(r->in, n);
	return value;
}

static struct slice read_string(struct reader *r, bool *coded)
{
	struct slice s;
	uint32_t len;

	*coded = r->in.n && (r->in.p[0] & STRING_CODED);
	len = read_int(r, 7);
	if (!r->err && len > r->in.n)
		r->err = -EAGAIN;
	if (r->err)
		return SLICE("");
	s = slice_first(r->in, len);
	r->in = slice_after(r->in, len);
	return s;
}

/* --- the tables ------------------------------------------------------------------------------- */

/* Name and value of an index above 0, as far as they are known. */
static void look_up(const struct hpack *table, uint32_t index, struct hpack_field *field)
{
	const struct hpack_entry *entry;
	const char *text;

	if (--index < STATIC_CNT) {
		field->name = static_entries[index].name;
		field->value = static_entries[index].value;
		field->name_known = field->value_known = true;
		return;
	}
	index -= STATIC_CNT;
	if (!table || index >= table->known_cnt)
		return;
	entry = &table->entries[(table->inserted_cnt - 1 - index) % HPACK_ENTRIES];
	if (table->end - entry->start > HPACK_TEXT_SZ) /* written over */
		return;
	text = table->text + entry->start % HPACK_TEXT_SZ;
	if (entry->name_len != UNKNOWN) {
		field->name = slice_of(text, entry->name_len);
		field->name_known = true;
		text += entry->name_len;
	}
	if (entry->value_len != UNKNOWN) {
		field->value = slice_of(text, entry->value_len);
		field->value_known = field->in_table = true;
	}
}

/* Into the field's own text, for the table's changes with an insertion. */
static void keep_name(struct hpack_field *field, struct slice name, bool coded)
{
	ssize_t n = -EPROTO;

	if (coded && hpack_decoded_max(name.n) <= sizeof(field->name_text)) {
		n = hpack_decode(name, field->name_text, sizeof(field->name_text));
	} else if (!coded && name.n <= sizeof(field->name_text)) {
		n = (ssize_t)name.n;
		memcpy(field->name_text, name.p, name.n);
	}
	field->name_known = n >= 0;
	field->name = slice_of(field->name_text, n < 0 ? 0 : (size_t)n);
}

/* The same places, and the same distances, in smaller numbers. */
static void count_anew(struct hpack *table)
{
	uint32_t whole = (table->end / HPACK_TEXT_SZ - 1) * HPACK_TEXT_SZ;

	for (size_t i = 0; i < HPACK_ENTRIES; i++)
		table->entries[i].start -= whole;
	table->end -= whole;
}

/* Where n bytes may be written in one piece. */
static char *take_room(struct hpack *table, size_t n)
{
	size_t at = table->end % HPACK_TEXT_SZ;

	if (at + n > HPACK_TEXT_SZ) {
		table->end += (uint32_t)(HPACK_TEXT_SZ - at);
		at = 0;
	}
	return table->text + at;
}

static void insert(struct hpack *table, const struct hpack_field *field)
{
	struct hpack_entry *entry = &table->entries[table->inserted_cnt++ % HPACK_ENTRIES];
	size_t name_len = field->name_known ? field->name.n : 0, max = field->value.n;
	ssize_t value_len;
	char *text;

	if (table->end > END_MAX)
		count_anew(table);
	if (table->known_cnt < HPACK_ENTRIES)
		table->known_cnt++;
	if (field->coded)
		max = hpack_decoded_max(max);
	if (max > HPACK_VALUE_MAX)
		max = 0;
	text = take_room(table, name_len + max);
	entry->start = table->end;
	memcpy(text, field->name_text, name_len);
	entry->name_len = field->name_known ? (uint16_t)name_len : UNKNOWN;
	if (!max && field->value.n)
		value_len = -EPROTO;
	else if (field->coded)
		value_len = hpack_decode(field->value, text + name_len, max);
	else
		value_len = (ssize_t)max;
	if (!field->coded && max)
		memcpy(text + name_len, field->value.p, max);
	entry->value_len = value_len < 0 ? UNKNOWN : (uint16_t)value_len;
	/* What was decoded before it made no sense has been written, too. */
	table->end += (uint32_t)(name_len + (value_len < 0 ? max : (size_t)value_len));
}

void hpack_forget(struct hpack *table)
{
	table->known_cnt = 0;
}

/* --- fields ----------------------------------------------------------------------------------- */

static void read_literal(struct hpack *table, struct reader *r, struct hpack_field *field)
{
	bool inserted = r->in.p[0] & FIELD_INSERTED, coded = false;
	uint32_t index = read_int(r, inserted ? 6 : 4);
	struct slice name;

	if (index) {
		look_up(table, index, field);
		if (field->name_known)
			keep_name(field, field->name, false);
	} else {
		name = read_string(r, &coded);
		if (!r->err)
			keep_name(field, name, coded);
	}
	field->value = read_string(r, &field->coded);
	field->value_known = true;
	field->in_table = false;
	if (!r->err && inserted && table)
		insert(table, field);
}

ssize_t hpack_read(struct hpack *table, struct slice block, struct hpack_field *field)
{
	struct reader r = {.in = block};
	uint8_t first;

	field->none = field->name_known = field->value_known = false;
	field->coded = field->in_table = false;
	field->name = field->value = SLICE("");
	if (!block.n)
		return 0;
	first = (uint8_t)block.p[0];
	if (first & FIELD_INDEXED) {
		uint32_t index = read_int(&r, 7);

		if (!r.err && !index)
			return -EPROTO;
		if (!r.err)
			look_up(table, index, field);
	} else if ((first & (FIELD_INSERTED | FIELD_SIZE)) == FIELD_SIZE) {
		read_int(&r, 5);
		field->none = true;
	} else {
		read_literal(table, &r, field);
	}
	if (r.err)
		return r.err == -EAGAIN ? 0 : r.err;
	return (ssize_t)(block.n - r.in.n);
}

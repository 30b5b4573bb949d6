// SPDX-License-Identifier: Apache-2.0
/* Each format read strictly, but for the case of digits, which only W3C's own is strict about. */
#include "user/protocols/trace_headers.h"

#define TRACEPARENT_SZ 55 /* 00-<32>-<16>-<2> */
#define XRAY_ROOT_SZ 35	  /* 1-<8>-<24> */
#define JAEGER_MAX 72	  /* <32>:<16>:<16>:<2>, and some room */
#define NAME_LEN_MAX 28

static const struct slice names[TRACE_HEADER_CNT] = {
	[HEADER_TRACEPARENT] = SLICE("traceparent"),
	[HEADER_TRACESTATE] = SLICE("tracestate"),
	[HEADER_B3] = SLICE("b3"),
	[HEADER_B3_TRACE_ID] = SLICE("x-b3-traceid"),
	[HEADER_B3_SPAN_ID] = SLICE("x-b3-spanid"),
	[HEADER_B3_SAMPLED] = SLICE("x-b3-sampled"),
	[HEADER_B3_FLAGS] = SLICE("x-b3-flags"),
	[HEADER_UBER_TRACE_ID] = SLICE("uber-trace-id"),
	[HEADER_DATADOG_TRACE_ID] = SLICE("x-datadog-trace-id"),
	[HEADER_DATADOG_PARENT_ID] = SLICE("x-datadog-parent-id"),
	[HEADER_DATADOG_PRIORITY] = SLICE("x-datadog-sampling-priority"),
	[HEADER_DATADOG_TAGS] = SLICE("x-datadog-tags"),
	[HEADER_XRAY] = SLICE("x-amzn-trace-id"),
};

static bool may_begin(char c)
{
	switch (c | 0x20) {
	case 't':
	case 'b':
	case 'x':
	case 'u':
		return true;
	}
	return false;
}

enum trace_header trace_header_find(struct slice name)
{
	enum trace_header header = 0;

	if (name.n < names[HEADER_B3].n || name.n > NAME_LEN_MAX || !may_begin(name.p[0]))
		return TRACE_HEADER_CNT;
	while (header < TRACE_HEADER_CNT &&
	       (name.n != names[header].n || !slice_eq_nocase(name, names[header])))
		header++;
	return header;
}

struct slice trace_format_name(enum trace_format format)
{
	static const enum trace_header known_by[TRACE_FORMAT_CNT] = {
		[TRACE_W3C] = HEADER_TRACEPARENT,	   [TRACE_B3] = HEADER_B3,
		[TRACE_B3_MULTI] = HEADER_B3_TRACE_ID,	   [TRACE_JAEGER] = HEADER_UBER_TRACE_ID,
		[TRACE_DATADOG] = HEADER_DATADOG_TRACE_ID, [TRACE_XRAY] = HEADER_XRAY,
	};

	return format == TRACE_NONE ? SLICE("") : names[known_by[format]];
}

bool trace_headers__take(struct trace_headers *h, struct slice name, struct slice value)
{
	enum trace_header header = trace_header_find(name);

	if (header == TRACE_HEADER_CNT)
		return false;
	trace_headers__set(h, header, value);
	return true;
}

/* --- ids -------------------------------------------------------------------------------------- */

static bool all_zero(const uint8_t *p, size_t n)
{
	uint8_t any = 0;

	for (size_t i = 0; i < n; i++)
		any |= p[i];
	return any == 0;
}

/* What a digit is worth; *valid becomes false if it is none. */
static uint8_t read_digit(char digit, unsigned char cases, bool *valid)
{
	unsigned char c = (unsigned char)digit;
	unsigned int letter = (unsigned int)(c | cases) - 'a';

	*valid &= (c - (unsigned int)'0' < 10) | (letter < 6);
	return (uint8_t)((c & 15) + 9 * (c >> 6));
}

/*
 * 2n hexadecimal digits to n bytes. W3C knows lower case only: there cases holds no bit, else 0x20. No
 * branch depends on a digit, for nobody could predict it.
 */
static bool read_hex(const char *p, uint8_t *out, size_t n, unsigned char cases)
{
	bool valid = true;

	for (size_t i = 0; i < n; i++)
		out[i] = (uint8_t)(read_digit(p[2 * i], cases, &valid) << 4 |
				   read_digit(p[2 * i + 1], cases, &valid));
	return valid;
}

/* A number of 1 to 2n digits, n at most 16, to n bytes with zeros before it. */
static bool read_number(struct slice s, uint8_t *out, size_t n)
{
	char padded[] = "00000000000000000000000000000000";

	if (!s.n || s.n > 2 * n)
		return false;
	memcpy(padded + 2 * n - s.n, s.p, s.n);
	return read_hex(padded, out, n, 0x20);
}

/* Of exactly that many bytes, and not zero. */
static bool read_id(struct slice s, uint8_t *out, size_t n)
{
	return s.n == 2 * n && read_hex(s.p, out, n, 0x20) && !all_zero(out, n);
}

/* Of 64 or 128 bits. */
static bool read_trace_id(struct slice s, uint8_t out[16])
{
	return (s.n == 16 || s.n == 32) && read_number(s, out, 16) && !all_zero(out, 16);
}

static void put_u64(uint8_t out[8], uint64_t number)
{
	for (int i = 7; i >= 0; i--, number >>= 8)
		out[i] = (uint8_t)number;
}

/* What stands before the next separator, which is taken too. */
static struct slice take_until(struct slice *s, char separator)
{
	ptrdiff_t at = slice_find(*s, separator);
	struct slice part = at < 0 ? *s : slice_first(*s, (size_t)at);

	*s = slice_after(*s, at < 0 ? s->n : (size_t)at + 1);
	return part;
}

/* --- W3C -------------------------------------------------------------------------------------- */

static bool read_w3c(struct slice text, struct trace_parent *out)
{
	uint8_t version;
	const char *p;

	text = slice_trim(text);
	p = text.p;
	if (text.n < TRACEPARENT_SZ || p[2] != '-' || p[35] != '-' || p[52] != '-')
		return false;
	if (!read_hex(p, &version, 1, 0) || !read_hex(p + 3, out->trace_id, 16, 0) ||
	    !read_hex(p + 36, out->span_id, 8, 0) || !read_hex(p + 53, &out->flags, 1, 0))
		return false;
	/* A later version may go on after a dash; what it adds is not known here. */
	if (version == 0xff || (text.n > TRACEPARENT_SZ && (version == 0 || p[55] != '-')))
		return false;
	out->flags &= TRACE_SAMPLED | TRACE_RANDOM;
	return !all_zero(out->trace_id, 16) && !all_zero(out->span_id, 8);
}

/* --- B3: github.com/openzipkin/b3-propagation ---------------------------------------------------- */

static bool read_b3(struct slice text, struct trace_parent *out)
{
	struct slice rest = slice_trim(text), trace = take_until(&rest, '-'),
		     span = take_until(&rest, '-'), state;
	uint8_t parent[8];
	bool more = span.p + span.n < rest.p; /* a separator stood there */

	if (!read_trace_id(trace, out->trace_id) || !read_id(span, out->span_id, 8))
		return false;
	out->flags = TRACE_SAMPLED;
	if (!more)
		return true;
	state = take_until(&rest, '-');
	if (state.n != 1 || !strchr("01d", state.p[0]) || !state.p[0])
		return false;
	if (state.p[0] == '0')
		out->flags = 0;
	more = state.p + state.n < rest.p;
	return !more || read_id(rest, parent, 8);
}

static struct slice value_of(const struct trace_headers *h, enum trace_header header)
{
	return h->seen & 1u << header ? slice_trim(h->v[header]) : SLICE("");
}

/* The parent of the parent is there, too; it is the sender's business. */
static bool read_b3_multi(const struct trace_headers *h, struct trace_parent *out)
{
	struct slice sampled = value_of(h, HEADER_B3_SAMPLED);
	bool debug = slice_eq(value_of(h, HEADER_B3_FLAGS), SLICE("1"));

	if (!read_trace_id(value_of(h, HEADER_B3_TRACE_ID), out->trace_id) ||
	    !read_id(value_of(h, HEADER_B3_SPAN_ID), out->span_id, 8))
		return false;
	out->flags = TRACE_SAMPLED;
	if (!debug && (slice_eq(sampled, SLICE("0")) || slice_eq_nocase(sampled, SLICE("false"))))
		out->flags = 0;
	return true;
}

/* --- Jaeger: trace:span:parent:flags, numbers without their leading zeros ------------------------- */

static bool read_jaeger(struct slice text, struct trace_parent *out)
{
	char decoded[JAEGER_MAX];
	uint8_t parent[8], flags;
	struct slice rest;
	size_t n = 0;

	for (text = slice_trim(text); text.n && n < sizeof(decoded); n++) {
		int byte = slice_percent_byte(text);

		decoded[n] = byte < 0 ? text.p[0] : (char)byte;
		text = slice_after(text, byte < 0 ? 1 : 3);
	}
	rest = slice_of(decoded, n);
	if (text.n || !read_number(take_until(&rest, ':'), out->trace_id, 16) ||
	    !read_number(take_until(&rest, ':'), out->span_id, 8) ||
	    !read_number(take_until(&rest, ':'), parent, 8) || !read_number(rest, &flags, 1))
		return false;
	out->flags = flags & 3 ? TRACE_SAMPLED : 0; /* or debug */
	return !all_zero(out->trace_id, 16) && !all_zero(out->span_id, 8);
}

/* --- Datadog: decimal numbers of 64 bits, and the upper half of the trace's in a tag ------------- */

static bool read_upper_half(struct slice tags, uint8_t out[8])
{
	const struct slice key = SLICE("_dd.p.tid=");

	while (tags.n) {
		struct slice tag = slice_trim(take_until(&tags, ','));

		if (slice_starts_with(tag, key))
			return read_id(slice_after(tag, key.n), out, 8);
	}
	return false;
}

static bool read_datadog(const struct trace_headers *h, struct trace_parent *out)
{
	struct slice parent = value_of(h, HEADER_DATADOG_PARENT_ID),
		     priority = value_of(h, HEADER_DATADOG_PRIORITY);
	uint64_t trace_id, span_id = 0;

	if (!slice_to_u64(value_of(h, HEADER_DATADOG_TRACE_ID), &trace_id) || !trace_id ||
	    (parent.n && !slice_to_u64(parent, &span_id)))
		return false;
	if (!read_upper_half(value_of(h, HEADER_DATADOG_TAGS), out->trace_id))
		memset(out->trace_id, 0, 8);
	put_u64(out->trace_id + 8, trace_id);
	put_u64(out->span_id, span_id);
	out->flags = slice_eq(priority, SLICE("0")) || slice_starts_with(priority, SLICE("-"))
			     ? 0
			     : TRACE_SAMPLED;
	return true;
}

/* --- X-Ray: Root=1-<8>-<24>;Parent=<16>;Sampled=1 in any order, and other fields ------------------ */

static bool read_xray_root(struct slice s, uint8_t out[16])
{
	return s.n == XRAY_ROOT_SZ && slice_starts_with(s, SLICE("1-")) && s.p[10] == '-' &&
	       read_hex(s.p + 2, out, 4, 0x20) && read_hex(s.p + 11, out + 4, 12, 0x20) &&
	       !all_zero(out, 16);
}

static bool read_xray(struct slice text, struct trace_parent *out)
{
	bool rooted = false;

	out->flags = TRACE_SAMPLED;
	memset(out->span_id, 0, sizeof(out->span_id));
	while (text.n) {
		struct slice value = slice_trim(take_until(&text, ';'));
		struct slice key = take_until(&value, '=');

		if (slice_eq(key, SLICE("Root"))) {
			if (rooted || !read_xray_root(value, out->trace_id))
				return false;
			rooted = true;
		} else if (slice_eq(key, SLICE("Parent"))) {
			if (!all_zero(out->span_id, 8) || !read_id(value, out->span_id, 8))
				return false;
		} else if (slice_eq(key, SLICE("Sampled")) && slice_eq(value, SLICE("0"))) {
			out->flags = 0;
		}
	}
	return rooted;
}

/* --- all -------------------------------------------------------------------------------------- */

/* A format that may be there: the header without which it is not. */
static bool read(const struct trace_headers *h, enum trace_format format, struct trace_parent *out)
{
	switch (format) {
	case TRACE_W3C:
		return h->seen & 1u << HEADER_TRACEPARENT &&
		       read_w3c(h->v[HEADER_TRACEPARENT], out);
	case TRACE_B3:
		return h->seen & 1u << HEADER_B3 && read_b3(h->v[HEADER_B3], out);
	case TRACE_B3_MULTI:
		return h->seen & 1u << HEADER_B3_TRACE_ID && read_b3_multi(h, out);
	case TRACE_JAEGER:
		return h->seen & 1u << HEADER_UBER_TRACE_ID &&
		       read_jaeger(h->v[HEADER_UBER_TRACE_ID], out);
	case TRACE_DATADOG:
		return h->seen & 1u << HEADER_DATADOG_TRACE_ID && read_datadog(h, out);
	case TRACE_XRAY:
		return h->seen & 1u << HEADER_XRAY && read_xray(h->v[HEADER_XRAY], out);
	default:
		return false;
	}
}

struct trace_parent trace_headers__read(const struct trace_headers *h, struct slice *state)
{
	struct trace_parent parent;

	*state = SLICE("");
	for (enum trace_format format = TRACE_W3C; h->seen && format < TRACE_FORMAT_CNT; format++) {
		if (!read(h, format, &parent))
			continue;
		parent.format = (uint8_t)format;
		if (format == TRACE_W3C)
			*state = value_of(h, HEADER_TRACESTATE);
		return parent;
	}
	return (struct trace_parent){.format = TRACE_NONE};
}

struct trace_parent traceparent_read(struct slice value)
{
	struct trace_parent parent;

	if (!value.n || !read_w3c(value, &parent))
		return (struct trace_parent){.format = TRACE_NONE};
	parent.format = TRACE_W3C;
	return parent;
}

// SPDX-License-Identifier: Apache-2.0
/* The parser is jansson; what it makes of a line lives while the line's spans are taken. */
#include "user/cli/span_read.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

#define ATTRS_MAX 256

/* --- values ----------------------------------------------------------------------------------- */

static struct slice text_of(const json_t *value)
{
	return json_is_string(value) ? slice_of(json_string_value(value), json_string_length(value))
				     : SLICE("");
}

/* 64-bit numbers are quoted in the JSON mapping of protobuf, and may be so. */
static bool get_u64(const json_t *value, uint64_t *out)
{
	if (json_is_integer(value) && json_integer_value(value) >= 0) {
		*out = (uint64_t)json_integer_value(value);
		return true;
	}
	return slice_to_u64(text_of(value), out);
}

static bool get_id(const json_t *value, uint8_t *bytes, size_t n)
{
	struct slice text = text_of(value);

	if (text.n != 2 * n)
		return false;
	for (size_t i = 0; i < n; i++) {
		struct slice pair = slice_of(text.p + 2 * i, 2);
		uint64_t byte;

		if (!slice_take_hex(&pair, &byte) || pair.n)
			return false;
		bytes[i] = (uint8_t)byte;
	}
	return true;
}

static void add_number(struct attrs *attrs, struct slice key, const json_t *value)
{
	struct slice text = text_of(value);
	bool negative = slice_starts_with(text, SLICE("-"));
	uint64_t number;

	if (json_is_integer(value))
		attrs_add_int(attrs, key, json_integer_value(value));
	else if (slice_to_u64(slice_after(text, negative), &number) && number <= INT64_MAX)
		attrs_add_int(attrs, key, negative ? -(int64_t)number : (int64_t)number);
}

/* What is neither text nor number matters to no view. */
static void add_flat(struct attrs *attrs, const char *name, const json_t *value)
{
	if (json_is_string(value))
		attrs_add_str(attrs, slice_str(name), text_of(value));
	else if (json_is_integer(value))
		attrs_add_int(attrs, slice_str(name), json_integer_value(value));
}

static void add_otlp(struct attrs *attrs, const json_t *item)
{
	struct slice key = text_of(json_object_get(item, "key"));
	const json_t *value = json_object_get(item, "value"), *number;

	if (json_is_string(json_object_get(value, "stringValue")))
		attrs_add_str(attrs, key, text_of(json_object_get(value, "stringValue")));
	else if ((number = json_object_get(value, "intValue")) != NULL)
		add_number(attrs, key, number);
}

/* An object from key to value, or OTLP's array of pairs. */
static void get_attrs(const json_t *from, struct attrs *attrs)
{
	const char *name;
	json_t *value;
	size_t i;

	if (json_is_array(from))
		json_array_foreach((json_t *)from, i, value) add_otlp(attrs, value);
	else if (json_is_object(from))
		json_object_foreach((json_t *)from, name, value) add_flat(attrs, name, value);
}

static enum span_kind kind_of(const json_t *value)
{
	static const struct slice names[] = {
		[SPAN_INTERNAL] = SLICE("INTERNAL"), [SPAN_SERVER] = SLICE("SERVER"),
		[SPAN_CLIENT] = SLICE("CLIENT"),     [SPAN_PRODUCER] = SLICE("PRODUCER"),
		[SPAN_CONSUMER] = SLICE("CONSUMER"),
	};
	struct slice text = text_of(value);

	if (slice_starts_with(text, SLICE("SPAN_KIND_")))
		text = slice_after(text, 10);
	for (int kind = SPAN_INTERNAL; kind <= SPAN_CONSUMER; kind++)
		if (json_is_integer(value) ? json_integer_value(value) == kind
					   : slice_eq(text, names[kind]))
			return (enum span_kind)kind;
	return SPAN_INTERNAL;
}

static enum span_status status_of(const json_t *value)
{
	if (json_is_object(value))
		value = json_object_get(value, "code");
	if (json_is_integer(value))
		return json_integer_value(value) == SPAN_STATUS_ERROR ? SPAN_STATUS_ERROR
								      : SPAN_STATUS_UNSET;
	return slice_eq(text_of(value), SLICE("ERROR")) ||
			       slice_eq(text_of(value), SLICE("STATUS_CODE_ERROR"))
		       ? SPAN_STATUS_ERROR
		       : SPAN_STATUS_UNSET;
}

/* --- spans ------------------------------------------------------------------------------------ */

/* A part of the file may be in the text: nothing of that moves the cursor of a terminal. */
static void note_bad(struct span_reading *reading, const char *what)
{
	if (reading->why[0])
		return;
	snprintf(reading->why, sizeof(reading->why), "line %" PRIu64 ": %s", reading->lines_cnt,
		 what);
	for (char *c = reading->why; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
}

static void set_service(struct resource *resource)
{
	const struct attr *name = attrs_get(&resource->attrs, SLICE("service.name"));

	resource->service_name = name && name->type == ATTR_STRING ? name->str : SLICE("unknown");
}

static void read_span(struct span_reading *reading, const json_t *from, struct resource *resource)
{
	struct attr storage[ATTRS_MAX];
	struct span span = {
		.kind = kind_of(json_object_get(from, "kind")),
		.status = status_of(json_object_get(from, "status")),
		.name = text_of(json_object_get(from, "name")),
		.attrs = {.v = storage, .cap = ATTRS_MAX},
		.resource = resource,
	};
	const json_t *parent = json_object_get(from, "parentSpanId");

	if (!get_id(json_object_get(from, "traceId"), span.trace_id.bytes, 16) ||
	    !get_id(json_object_get(from, "spanId"), span.span_id.bytes, 8) ||
	    (text_of(parent).n && !get_id(parent, span.parent_id.bytes, 8)) ||
	    !get_u64(json_object_get(from, "startTimeUnixNano"), &span.start_ns) ||
	    !get_u64(json_object_get(from, "endTimeUnixNano"), &span.end_ns)) {
		reading->bad_spans_cnt++;
		note_bad(reading, "a span without ids or times");
		return;
	}
	get_attrs(json_object_get(from, "attributes"), &span.attrs);
	reading->spans_cnt++;
	reading->take(reading->ctx, &span);
}

static void read_resource_spans(struct span_reading *reading, const json_t *from)
{
	const json_t *attrs = json_object_get(json_object_get(from, "resource"), "attributes");
	struct attr storage[ATTRS_MAX];
	struct resource resource = {.attrs = {.v = storage, .cap = ATTRS_MAX}};
	json_t *scopes = json_object_get(from, "scopeSpans"), *scope, *span;
	size_t i, k;

	get_attrs(attrs, &resource.attrs);
	set_service(&resource);
	json_array_foreach(scopes, i, scope)
	{
		json_t *spans = json_object_get(scope, "spans");

		json_array_foreach(spans, k, span) read_span(reading, span, &resource);
	}
}

static void read_object(struct span_reading *reading, const json_t *line)
{
	json_t *groups = json_object_get(line, "resourceSpans"), *group;
	struct attr storage[ATTRS_MAX];
	struct resource resource = {.attrs = {.v = storage, .cap = ATTRS_MAX}};
	size_t i;

	if (json_is_array(groups)) {
		json_array_foreach(groups, i, group) read_resource_spans(reading, group);
	} else if (json_object_get(line, "traceId")) {
		get_attrs(json_object_get(line, "resource"), &resource.attrs);
		set_service(&resource);
		read_span(reading, line, &resource);
	} else {
		reading->bad_lines_cnt++;
		note_bad(reading, "neither a span nor OTLP/JSON");
	}
}

static void read_line(struct span_reading *reading, struct slice line)
{
	json_error_t error;
	json_t *parsed;

	line = slice_trim(line);
	if (!line.n)
		return;
	parsed = json_loadb(line.p, line.n, JSON_ALLOW_NUL, &error);
	if (parsed) {
		read_object(reading, parsed);
	} else {
		reading->bad_lines_cnt++;
		note_bad(reading, error.text);
	}
	json_decref(parsed);
}

static int grow(char **buf, size_t *cap)
{
	size_t sz = *cap ? 2 * *cap : 64u << 10;
	char *bigger = realloc(*buf, sz);

	if (!bigger)
		return -ENOMEM;
	*buf = bigger;
	*cap = sz;
	return 0;
}

int span_read(FILE *in, struct span_reading *reading)
{
	char *buf = NULL;
	size_t cap = 0, n = 0;
	bool too_long = false;
	int c, err = 0;

	do {
		c = getc_unlocked(in);
		if (c != '\n' && c != EOF) {
			too_long |= n == SPAN_READ_LINE_MAX;
			if (!too_long && n == cap)
				err = grow(&buf, &cap);
			if (!too_long && !err)
				buf[n++] = (char)c;
			continue;
		}
		reading->lines_cnt += c == '\n' || n;
		if (too_long) {
			reading->bad_lines_cnt++;
			note_bad(reading, "longer than 64 MiB");
		} else if (n) {
			read_line(reading, slice_of(buf, n));
		}
		n = 0;
		too_long = false;
	} while (c != EOF && !err);
	free(buf);
	return err ?: (ferror(in) ? -EIO : 0);
}

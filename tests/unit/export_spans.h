/* SPDX-License-Identifier: Apache-2.0 */
/* Spans for the tests of user/export: every kind of value, good and bad text. */
#ifndef SONDE_TESTS_EXPORT_SPANS_H
#define SONDE_TESTS_EXPORT_SPANS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "user/export/span_groups.h"
#include "user/model/span.h"

#define LEN(array) (sizeof(array) / sizeof((array)[0]))

/* Text as it comes and as it must go out. */
static const struct text {
	struct slice raw, clean;
} texts[] = {
	{SLICE(""), SLICE("")},
	{SLICE("GET /a"), SLICE("GET /a")},
	{SLICE("seven b"), SLICE("seven b")},
	{SLICE("eight by"), SLICE("eight by")},
	{SLICE("nul\0in the middle"), SLICE("nul\0in the middle")},
	{SLICE("q\" b\\ \b\f\n\r\t \x01\x1F\x7F </>&"),
	 SLICE("q\" b\\ \b\f\n\r\t \x01\x1F\x7F </>&")},
	{SLICE("gr\xC3\xBC\xC3\x9F \xE2\x82\xAC \xF0\x9F\x98\x80"),
	 SLICE("gr\xC3\xBC\xC3\x9F \xE2\x82\xAC \xF0\x9F\x98\x80")},
	{SLICE("\xFF"), SLICE("\xEF\xBF\xBD")},
	{SLICE("seven b\xC3"), SLICE("seven b\xEF\xBF\xBD")},
	{SLICE("a\xE2\x82z"), SLICE("a\xEF\xBF\xBDz")},
	{SLICE("\xC0\xAF overlong"), SLICE("\xEF\xBF\xBD\xEF\xBF\xBD overlong")},
	{SLICE("\xED\xA0\x80 surrogate"), SLICE("\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD surrogate")},
};

static inline struct resource *make_resource(const char *service, uint32_t pid)
{
	struct slice args[] = {SLICE("/bin/x"), SLICE("--y\xFF")};
	struct attr v[8];
	struct attrs attrs = {.v = v, .cap = LEN(v)};
	struct resource *r;

	attrs_add_str(&attrs, SLICE("service.name"), slice_str(service));
	attrs_add_int(&attrs, SLICE("process.pid"), pid);
	attrs_add_strs(&attrs, SLICE("process.command_args"), args, LEN(args));
	r = resource__new(&attrs, pid);
	assert_non_null(r);
	return r;
}

static inline void add_all_types(struct attrs *attrs, const struct slice *items)
{
	static const int64_t ints[] = {0, 1, -1, 127, 128, INT64_MAX, INT64_MIN};
	static const double reals[] = {0, 0.1, -2.5, 1e300, 5e-324};

	for (size_t i = 0; i < LEN(texts); i++)
		attrs_add_str(attrs, texts[i].raw, texts[i].raw);
	for (size_t i = 0; i < LEN(ints); i++)
		attrs_add_int(attrs, SLICE("int"), ints[i]);
	for (size_t i = 0; i < LEN(reals); i++)
		attrs_add(attrs, SLICE("real"), ATTR_DOUBLE)->real = reals[i];
	attrs_add(attrs, SLICE("yes"), ATTR_BOOL)->num = 1;
	attrs_add(attrs, SLICE("no"), ATTR_BOOL)->num = 0;
	attrs_add_strs(attrs, SLICE("strings"), items, LEN(texts));
	attrs_add_strs(attrs, SLICE("no strings"), NULL, 0);
}

/* One that knows its flags, and one of which nothing but the ids is known. */
static inline void add_links(struct span_batch *b, struct span *span)
{
	static const struct span_link links[] = {
		{.trace_id = {"\x01\x23"},
		 .span_id = {"\xFF\xFE"},
		 .flags = SPAN_FLAG_SAMPLED | SPAN_FLAG_HAS_IS_REMOTE | SPAN_FLAG_IS_REMOTE},
		{.trace_id = {"\x45\x67"}, .span_id = {"\xFD\xFC"}},
	};

	assert_true(span__set_links(span, &b->arena, links, LEN(links)));
}

/* A span with all there is; text is name and tracestate. */
static inline void add_full_span(struct span_batch *b, struct resource *r, struct slice text)
{
	static struct slice items[LEN(texts)];
	struct span *span = span_batch__add(b, 48, r);

	assert_non_null(span);
	for (size_t i = 0; i < LEN(texts); i++)
		items[i] = texts[i].raw;
	for (uint8_t i = 0; i < 16; i++)
		span->trace_id.bytes[i] = (uint8_t)(0xF0 + i);
	for (uint8_t i = 0; i < 8; i++) {
		span->span_id.bytes[i] = (uint8_t)(b->cnt + i);
		span->parent_id.bytes[i] = i;
	}
	span->flags = SPAN_FLAG_SAMPLED | SPAN_FLAG_HAS_IS_REMOTE;
	span->kind = SPAN_SERVER;
	span->status = SPAN_STATUS_ERROR;
	span->start_ns = 1790000000123456789u;
	span->end_ns = UINT64_MAX;
	span->name = span->trace_state = text;
	add_all_types(&span->attrs, items);
	span->attrs.dropped_cnt = 300;
	add_links(b, span);
}

/* A span whose text and numbers every JSON writer puts the same way. */
static inline void add_plain_span(struct span_batch *b, struct resource *r)
{
	static const struct slice items[] = {SLICE("x"), SLICE("")};
	struct span *span = span_batch__add(b, 16, r);

	assert_non_null(span);
	span->trace_id = (struct trace_id){"\x01\x23\x45\x67\x89\xAB\xCD\xEF"};
	span->span_id = (struct span_id){"\xFE\xDC\xBA\x98\x76\x54\x32\x10"};
	span->parent_id = (struct span_id){"\0\0\0\0\0\0\0\x01"};
	span->flags = SPAN_FLAG_SAMPLED | SPAN_FLAG_HAS_IS_REMOTE;
	span->kind = SPAN_CLIENT;
	span->status = SPAN_STATUS_ERROR;
	span->start_ns = 1790000000123456789u;
	span->end_ns = UINT64_MAX;
	span->name = SLICE("GET /\xC3\xBC?\"\\\n\t\x01\xFF");
	span->trace_state = SLICE("a=b");
	attrs_add_str(&span->attrs, SLICE("empty"), SLICE(""));
	attrs_add_int(&span->attrs, SLICE("zero"), 0);
	attrs_add_int(&span->attrs, SLICE("least"), INT64_MIN);
	attrs_add(&span->attrs, SLICE("no"), ATTR_BOOL)->num = 0;
	attrs_add(&span->attrs, SLICE("tenth"), ATTR_DOUBLE)->real = 0.1;
	attrs_add(&span->attrs, SLICE("huge"), ATTR_DOUBLE)->real = 1e300;
	attrs_add(&span->attrs, SLICE("infinite"), ATTR_DOUBLE)->real = -__builtin_inf();
	attrs_add_strs(&span->attrs, SLICE("list"), items, LEN(items));
	attrs_add_strs(&span->attrs, SLICE("none"), NULL, 0);
	span->attrs.dropped_cnt = 3;
	add_links(b, span);
}

/* An empty span and one for each text, over two resources in turn. */
static inline struct span_batch *make_batch(void)
{
	struct resource *r[] = {make_resource("orders", 1), make_resource("pay\xFF", 2)};
	struct span_batch *b = span_batch__new();

	assert_non_null(b);
	assert_non_null(span_batch__add(b, 0, r[0]));
	for (size_t i = 0; i < LEN(texts); i++)
		add_full_span(b, r[i % 2], texts[i].raw);
	resource__release(r[0]);
	resource__release(r[1]);
	return b;
}

/* The batch's spans as the encoders want them. Free with span_groups__free. */
static inline void group_batch(struct span_groups *g, const struct span_batch *b)
{
	const struct span *spans[SPAN_BATCH_MAX];

	for (uint32_t i = 0; i < b->cnt; i++)
		spans[i] = &b->spans[i];
	assert_int_equal(span_groups__init(g, SPAN_BATCH_MAX), 0);
	span_groups__set(g, spans, b->cnt);
}

/* What must come out for s. The texts above are known; other text is plain. */
static inline struct slice clean(struct slice s)
{
	for (size_t i = 0; i < LEN(texts); i++)
		if (slice_eq(texts[i].raw, s))
			return texts[i].clean;
	if (slice_eq(s, SLICE("--y\xFF")))
		return SLICE("--y\xEF\xBF\xBD");
	if (slice_eq(s, SLICE("pay\xFF")))
		return SLICE("pay\xEF\xBF\xBD");
	return s;
}

#endif

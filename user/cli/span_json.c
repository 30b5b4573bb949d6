// SPDX-License-Identifier: Apache-2.0
/* Flat JSON objects: attributes from key to value, ids in hex, times as OTLP/JSON has them. */
#include "user/cli/span_json.h"

#define OUT_MAX (64u << 20) /* far more than a batch can become */
#define RESOURCE_MAX (1u << 20)

void span_json__init(struct span_json *s)
{
	*s = (struct span_json){0};
	json_writer__init(&s->out, OUT_MAX);
	for (size_t i = 0; i < SPAN_JSON_RESOURCES; i++)
		json_writer__init(&s->resources[i].json, RESOURCE_MAX);
}

void span_json__free(struct span_json *s)
{
	json_writer__free(&s->out);
	for (size_t i = 0; i < SPAN_JSON_RESOURCES; i++)
		json_writer__free(&s->resources[i].json);
}

static void put_strings(struct json_writer *j, const struct slice *items, uint32_t cnt)
{
	jw_lit(j, "[");
	for (uint32_t i = 0; i < cnt; i++) {
		if (i)
			jw_lit(j, ",");
		jw_string(j, items[i]);
	}
	jw_lit(j, "]");
}

static void put_value(struct json_writer *j, const struct attr *attr)
{
	switch (attr->type) {
	case ATTR_STRING:
		jw_string(j, attr->str);
		break;
	case ATTR_INT:
		jw_i64(j, attr->num);
		break;
	case ATTR_BOOL:
		jw_raw(j, attr->num ? SLICE("true") : SLICE("false"));
		break;
	case ATTR_DOUBLE:
		jw_double(j, attr->real);
		break;
	case ATTR_STRINGS:
		put_strings(j, attr->items, attr->items_cnt);
		break;
	}
}

static void put_attrs(struct json_writer *j, const struct attrs *attrs)
{
	jw_lit(j, "{");
	for (uint16_t i = 0; i < attrs->cnt; i++) {
		if (i)
			jw_lit(j, ",");
		jw_string(j, attrs->v[i].key);
		jw_lit(j, ":");
		put_value(j, &attrs->v[i]);
	}
	jw_lit(j, "}");
}

/* Ids of resources count up, so the low bits rarely collide. */
static void put_resource(struct span_json *s, const struct resource *resource)
{
	struct resource_text *text = &s->resources[resource->id % SPAN_JSON_RESOURCES];

	if (text->id != resource->id) {
		json_writer__reset(&text->json);
		put_attrs(&text->json, &resource->attrs);
		text->id = text->json.failed ? 0 : resource->id;
	}
	s->out.failed |= text->json.failed;
	jw_raw(&s->out, json_writer__text(&text->json));
}

static void put_links(struct json_writer *j, const struct span *span)
{
	for (uint32_t i = 0; i < span->links_cnt; i++) {
		jw_raw(j, i ? SLICE(",{\"traceId\":") : SLICE("{\"traceId\":"));
		jw_hex(j, span->links[i].trace_id.bytes, sizeof(span->links[i].trace_id.bytes));
		jw_lit(j, ",\"spanId\":");
		jw_hex(j, span->links[i].span_id.bytes, sizeof(span->links[i].span_id.bytes));
		jw_lit(j, "}");
	}
}

void span_json__put(struct span_json *s, const struct span *span)
{
	static const struct slice kinds[] = {
		[SPAN_INTERNAL] = SLICE("INTERNAL"), [SPAN_SERVER] = SLICE("SERVER"),
		[SPAN_CLIENT] = SLICE("CLIENT"),     [SPAN_PRODUCER] = SLICE("PRODUCER"),
		[SPAN_CONSUMER] = SLICE("CONSUMER"),
	};
	static const struct slice statuses[] = {
		[SPAN_STATUS_UNSET] = SLICE("UNSET"),
		[SPAN_STATUS_OK] = SLICE("OK"),
		[SPAN_STATUS_ERROR] = SLICE("ERROR"),
	};
	struct json_writer *j = &s->out;

	jw_lit(j, "{\"traceId\":");
	jw_hex(j, span->trace_id.bytes, sizeof(span->trace_id.bytes));
	jw_lit(j, ",\"spanId\":");
	jw_hex(j, span->span_id.bytes, sizeof(span->span_id.bytes));
	jw_lit(j, ",\"parentSpanId\":");
	jw_hex(j, span->parent_id.bytes, span_is_root(span) ? 0 : sizeof(span->parent_id.bytes));
	jw_lit(j, ",\"name\":");
	jw_string(j, span->name);
	jw_lit(j, ",\"kind\":\"");
	jw_raw(j, kinds[span->kind]);
	jw_lit(j, "\",\"startTimeUnixNano\":");
	jw_quoted_u64(j, span->start_ns);
	jw_lit(j, ",\"endTimeUnixNano\":");
	jw_quoted_u64(j, span->end_ns);
	jw_lit(j, ",\"status\":\"");
	jw_raw(j, statuses[span->status]);
	jw_lit(j, "\",\"attributes\":");
	put_attrs(j, &span->attrs);
	if (span->links_cnt) {
		jw_lit(j, ",\"links\":[");
		put_links(j, span);
		jw_lit(j, "]");
	}
	jw_lit(j, ",\"resource\":");
	put_resource(s, span->resource);
	jw_lit(j, "}\n");
}

// SPDX-License-Identifier: Apache-2.0
/*
 * OTLP/JSON: the protobuf JSON mapping of TracesData with OTLP's exceptions. Members stand in the
 * order in which the Collector writes them, so that its output and ours compare as text.
 */
#include "user/export/otlp_json.h"

#include <errno.h>

#include "user/export/otlp_encode.h"

static void put_strings(struct json_writer *j, const struct attr *attr)
{
	if (!attr->items_cnt)
		return;
	jw_lit(j, "\"values\":[");
	for (uint32_t i = 0; i < attr->items_cnt; i++) {
		jw_raw(j, i ? SLICE(",{\"stringValue\":") : SLICE("{\"stringValue\":"));
		jw_string(j, attr->items[i]);
		jw_lit(j, "}");
	}
	jw_lit(j, "]");
}

static void put_value(struct json_writer *j, const struct attr *attr)
{
	switch (attr->type) {
	case ATTR_STRING:
		jw_lit(j, "\"stringValue\":");
		jw_string(j, attr->str);
		break;
	case ATTR_BOOL:
		jw_raw(j, attr->num ? SLICE("\"boolValue\":true") : SLICE("\"boolValue\":false"));
		break;
	case ATTR_INT:
		jw_lit(j, "\"intValue\":");
		jw_quoted_i64(j, attr->num);
		break;
	case ATTR_DOUBLE:
		jw_lit(j, "\"doubleValue\":");
		jw_double(j, attr->real);
		break;
	case ATTR_STRINGS:
		jw_lit(j, "\"arrayValue\":{");
		put_strings(j, attr);
		jw_lit(j, "}");
		break;
	}
}

static void put_attrs(struct json_writer *j, const struct attrs *attrs)
{
	jw_lit(j, "\"attributes\":[");
	for (uint16_t i = 0; i < attrs->cnt; i++) {
		jw_raw(j, i ? SLICE(",{\"key\":") : SLICE("{\"key\":"));
		jw_string(j, attrs->v[i].key);
		jw_lit(j, ",\"value\":{");
		put_value(j, &attrs->v[i]);
		jw_lit(j, "}}");
	}
	jw_lit(j, "]");
}

static void put_text(struct json_writer *j, struct slice member, struct slice text)
{
	if (!text.n)
		return;
	jw_raw(j, member);
	jw_string(j, text);
}

static void put_number(struct json_writer *j, struct slice member, uint64_t number)
{
	if (!number)
		return;
	jw_raw(j, member);
	jw_u64(j, number);
}

static void put_time(struct json_writer *j, struct slice member, uint64_t ns)
{
	if (!ns)
		return;
	jw_raw(j, member);
	jw_quoted_u64(j, ns);
}

static void put_links(struct json_writer *j, const struct span *span)
{
	if (!span->links_cnt)
		return;
	jw_lit(j, ",\"links\":[");
	for (uint32_t i = 0; i < span->links_cnt; i++) {
		const struct span_link *link = &span->links[i];

		jw_raw(j, i ? SLICE(",{\"traceId\":") : SLICE("{\"traceId\":"));
		jw_hex(j, link->trace_id.bytes, sizeof(link->trace_id.bytes));
		jw_lit(j, ",\"spanId\":");
		jw_hex(j, link->span_id.bytes, sizeof(link->span_id.bytes));
		put_number(j, SLICE(",\"flags\":"), link->flags);
		jw_lit(j, "}");
	}
	jw_lit(j, "]");
}

static void put_span(struct json_writer *j, const struct span *span)
{
	jw_lit(j, "{\"traceId\":");
	jw_hex(j, span->trace_id.bytes, sizeof(span->trace_id.bytes));
	jw_lit(j, ",\"spanId\":");
	jw_hex(j, span->span_id.bytes, sizeof(span->span_id.bytes));
	put_text(j, SLICE(",\"traceState\":"), span->trace_state);
	if (!span_is_root(span)) {
		jw_lit(j, ",\"parentSpanId\":");
		jw_hex(j, span->parent_id.bytes, sizeof(span->parent_id.bytes));
	}
	put_number(j, SLICE(",\"flags\":"), span->flags);
	put_text(j, SLICE(",\"name\":"), span->name);
	put_number(j, SLICE(",\"kind\":"), span->kind);
	put_time(j, SLICE(",\"startTimeUnixNano\":"), span->start_ns);
	put_time(j, SLICE(",\"endTimeUnixNano\":"), span->end_ns);
	if (span->attrs.cnt) {
		jw_lit(j, ",");
		put_attrs(j, &span->attrs);
	}
	put_number(j, SLICE(",\"droppedAttributesCount\":"), span->attrs.dropped_cnt);
	put_links(j, span);
	jw_lit(j, ",\"status\":{");
	put_number(j, SLICE("\"code\":"), span->status);
	jw_lit(j, "}}");
}

static void put_resource(struct json_writer *j, const struct attrs *attrs)
{
	struct slice dropped = SLICE(",\"droppedAttributesCount\":");

	jw_lit(j, "{\"resource\":{");
	if (attrs->cnt)
		put_attrs(j, attrs);
	put_number(j, attrs->cnt ? dropped : slice_after(dropped, 1), attrs->dropped_cnt);
	jw_lit(j, "}");
}

static void put_group(struct json_writer *j, const struct span_group *group, struct slice version)
{
	put_resource(j, &group->resource->attrs);
	jw_lit(j, ",\"scopeSpans\":[{\"scope\":{\"name\":\"" OTLP_SCOPE_NAME "\"");
	put_text(j, SLICE(",\"version\":"), version);
	jw_lit(j, "},\"spans\":[");
	for (uint32_t i = 0; i < group->cnt && !j->failed; i++) {
		if (i)
			jw_lit(j, ",");
		put_span(j, group->spans[i]);
	}
	jw_lit(j, "],\"schemaUrl\":\"" OTLP_SCHEMA_URL "\"}]");
	jw_lit(j, ",\"schemaUrl\":\"" OTLP_SCHEMA_URL "\"}");
}

int otlp_json_encode(struct json_writer *j, const struct span_groups *groups, const char *version)
{
	json_writer__reset(j);
	jw_lit(j, "{\"resourceSpans\":[");
	for (uint32_t i = 0; i < groups->cnt && !j->failed; i++) {
		if (i)
			jw_lit(j, ",");
		put_group(j, &groups->v[i], slice_str(version));
	}
	jw_lit(j, "]}\n");
	if (j->failed)
		return j->full ? -EMSGSIZE : -ENOMEM;
	return 0;
}

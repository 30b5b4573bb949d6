// SPDX-License-Identifier: Apache-2.0
/*
 * Spans to protobuf, straight from struct span. Everything is written last field first (see
 * pb_writer.h); the numbers are the fields' in proto/, named beside each.
 */
#include "user/export/otlp_encode.h"

#include <errno.h>

static void put_strings(struct pb_writer *w, const struct slice *items, uint32_t cnt)
{
	for (uint32_t i = cnt; i-- > 0;) {
		size_t end = pb_len(w);

		pb_string(w, 1, items[i]); /* AnyValue.string_value */
		pb_message(w, 1, end);	   /* ArrayValue.values */
	}
}

static void put_value(struct pb_writer *w, const struct attr *attr)
{
	size_t end = pb_len(w);

	switch (attr->type) {
	case ATTR_STRING:
		pb_string(w, 1, attr->str); /* AnyValue.string_value */
		break;
	case ATTR_BOOL:
		pb_varint(w, 2, attr->num != 0); /* .bool_value */
		break;
	case ATTR_INT:
		pb_varint(w, 3, (uint64_t)attr->num); /* .int_value */
		break;
	case ATTR_DOUBLE:
		pb_double(w, 4, attr->real); /* .double_value */
		break;
	case ATTR_STRINGS:
		put_strings(w, attr->items, attr->items_cnt);
		pb_message(w, 5, end); /* .array_value */
		break;
	}
}

static void put_attrs(struct pb_writer *w, unsigned int field, const struct attrs *attrs)
{
	for (uint32_t i = attrs->cnt; i-- > 0;) {
		size_t end = pb_len(w);

		put_value(w, &attrs->v[i]);
		pb_message(w, 2, end);		  /* KeyValue.value */
		pb_string(w, 1, attrs->v[i].key); /* KeyValue.key */
		pb_message(w, field, end);
	}
}

static void put_span(struct pb_writer *w, const struct span *span)
{
	size_t end = pb_len(w);

	if (span->flags)
		pb_fixed32(w, 16, span->flags);
	if (span->status != SPAN_STATUS_UNSET) {
		size_t status_end = pb_len(w);

		pb_varint(w, 3, span->status); /* Status.code */
		pb_message(w, 15, status_end);
	}
	if (span->attrs.dropped_cnt)
		pb_varint(w, 10, span->attrs.dropped_cnt);
	put_attrs(w, 9, &span->attrs);
	pb_fixed64(w, 8, span->end_ns);
	pb_fixed64(w, 7, span->start_ns);
	pb_varint(w, 6, span->kind);
	pb_string(w, 5, span->name);
	if (!span_is_root(span))
		pb_bytes(w, 4, &span->parent_id, sizeof(span->parent_id));
	if (span->trace_state.n)
		pb_string(w, 3, span->trace_state);
	pb_bytes(w, 2, &span->span_id, sizeof(span->span_id));
	pb_bytes(w, 1, &span->trace_id, sizeof(span->trace_id));
	pb_message(w, 2, end); /* ScopeSpans.spans */
}

static void put_scope(struct pb_writer *w, struct slice version)
{
	size_t end = pb_len(w);

	pb_string(w, 2, version);
	pb_string(w, 1, SLICE(OTLP_SCOPE_NAME));
	pb_message(w, 1, end); /* ScopeSpans.scope */
}

static void put_resource(struct pb_writer *w, const struct resource *resource)
{
	size_t end = pb_len(w);

	if (resource->attrs.dropped_cnt)
		pb_varint(w, 2, resource->attrs.dropped_cnt);
	put_attrs(w, 1, &resource->attrs);
	pb_message(w, 1, end); /* ResourceSpans.resource */
}

static void put_group(struct pb_writer *w, const struct span_group *group, struct slice version)
{
	size_t end = pb_len(w), scope_end;

	pb_string(w, 3, SLICE(OTLP_SCHEMA_URL)); /* ResourceSpans.schema_url */
	scope_end = pb_len(w);
	pb_string(w, 3, SLICE(OTLP_SCHEMA_URL)); /* ScopeSpans.schema_url */
	for (uint32_t i = group->cnt; i-- > 0 && !w->failed;)
		put_span(w, group->spans[i]);
	put_scope(w, version);
	pb_message(w, 2, scope_end); /* ResourceSpans.scope_spans */
	put_resource(w, group->resource);
	pb_message(w, 1, end); /* ExportTraceServiceRequest.resource_spans */
}

int otlp_encode(struct pb_writer *w, const struct span_groups *groups, const char *version)
{
	pb_writer__reset(w);
	for (uint32_t i = groups->cnt; i-- > 0 && !w->failed;)
		put_group(w, &groups->v[i], slice_str(version));
	if (w->failed)
		return w->full ? -EMSGSIZE : -ENOMEM;
	return 0;
}

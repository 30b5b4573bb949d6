// SPDX-License-Identifier: Apache-2.0
/*
 * Spans to protobuf, straight from struct span. Everything is written last field first (see
 * pb_writer.h); the numbers are the fields' in proto/, named beside each.
 */
#include "user/export/otlp_encode.h"

#include <errno.h>

static void put_link(struct pb_writer *w, const struct span_link *link)
{
	size_t end = pb_len(w);

	if (link->flags)
		pb_fixed32(w, 6, link->flags);
	pb_bytes(w, 2, &link->span_id, sizeof(link->span_id));
	pb_bytes(w, 1, &link->trace_id, sizeof(link->trace_id));
	pb_message(w, 13, end); /* Span.links */
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
	for (uint32_t i = span->links_cnt; i-- > 0;)
		put_link(w, &span->links[i]);
	if (span->attrs.dropped_cnt)
		pb_varint(w, 10, span->attrs.dropped_cnt);
	otlp_put_attrs(w, 9, &span->attrs);
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

static void put_group(struct pb_writer *w, const struct span_group *group, struct slice version)
{
	size_t end = pb_len(w), scope_end;

	pb_string(w, 3, SLICE(OTLP_SCHEMA_URL)); /* ResourceSpans.schema_url */
	scope_end = pb_len(w);
	pb_string(w, 3, SLICE(OTLP_SCHEMA_URL)); /* ScopeSpans.schema_url */
	for (uint32_t i = group->cnt; i-- > 0 && !w->failed;)
		put_span(w, group->spans[i]);
	otlp_put_scope(w, version);
	pb_message(w, 2, scope_end); /* ResourceSpans.scope_spans */
	otlp_put_resource(w, group->resource);
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

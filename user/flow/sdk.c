// SPDX-License-Identifier: Apache-2.0
/*
 * Programs that carry an OpenTelemetry SDK. Who sends spans to a receiver that takes them makes spans
 * itself, unless it only passes on what others send to it. Of what it serves by HTTP it has made a span of
 * its own, and what it sends with a trace header names the span that it has made of that; ours beside
 * those would be the same request once more. What it asks without a header (a database, say) it may not
 * know of, so ours stays.
 *
 * Whether its servers are instrumented is taken for granted: nothing on the wire tells. Where a header
 * says that the trace is sampled out, the SDK keeps none of its spans, and ours has nothing beside it.
 */
#include "user/base/log.h"
#include "user/flow/internal.h"

static struct sdk_mark *mark_of(struct flow *flow, uint32_t process_id)
{
	return &flow->sdks[process_id % FLOW_SDKS];
}

static void tell(struct flow *flow, const struct exchange *x)
{
	static const char *const left_out[] = {
		[FLOW_LEAVE_OUT_NONE] = "ours stand beside them",
		[FLOW_LEAVE_OUT_REQUESTS] =
			"what it serves, and sends with a trace header, is not exported a second time",
		[FLOW_LEAVE_OUT_ALL] = "ours of it are not exported",
	};
	const struct resource *resource = flow->options.resource(flow->options.ctx, x->process_id);
	static struct log_limit limit;
	unsigned long missed;

	if (log_limit_pass(&limit, &missed))
		log_info("%.*s (PID %u) exports OpenTelemetry spans of its own: %s (sdk.leave_out)",
			 (int)resource->service_name.n, resource->service_name.p, resource->pid,
			 left_out[flow->options.leave_out]);
}

void sdk_note(struct flow *flow, const struct exchange *x, bool failed)
{
	struct sdk_mark *mark = mark_of(flow, x->process_id);
	bool known;

	if (mark->process_id != x->process_id)
		*mark = (struct sdk_mark){.process_id = x->process_id};
	known = mark->exports;
	if (!conn_began(x))
		mark->relays = true;
	else if (!failed)
		mark->exports = true;
	if (mark->exports && !known && !mark->relays)
		tell(flow, x);
}

bool sdk_doubles(const struct flow *flow, const struct exchange *x)
{
	const struct sdk_mark *mark = &flow->sdks[x->process_id % FLOW_SDKS];

	if (mark->process_id != x->process_id || !mark->exports || mark->relays)
		return false;
	switch (flow->options.leave_out) {
	case FLOW_LEAVE_OUT_ALL:
		return true;
	case FLOW_LEAVE_OUT_REQUESTS:
		if (x->parent_method == PARENT_HEADER && !(x->trace_flags & SPAN_FLAG_SAMPLED))
			return false;
		return conn_began(x) ? x->parent_method == PARENT_HEADER
				     : x->protocol->served_by_sdks;
	case FLOW_LEAVE_OUT_NONE:
		break;
	}
	return false;
}

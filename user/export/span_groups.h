/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spans put in order by resource, as one OTLP request wants them: a group per resource, groups and
 * spans in the order in which they came. Made once per parcel, read by every encoder.
 */
#ifndef SONDE_EXPORT_SPAN_GROUPS_H
#define SONDE_EXPORT_SPAN_GROUPS_H

#include "user/model/span.h"

struct span_group {
	const struct resource *resource;
	const struct span *const *spans;
	uint32_t cnt; /* never 0 */
};

struct span_groups {
	struct span_group *v;
	uint32_t cnt;
	uint32_t spans_cnt;
	/* private */
	uint32_t cap, mask;
	const struct span **sorted;
	uint32_t *group_of; /* by the span's index */
	uint32_t *slots;    /* hash of the resource -> index into v, plus 1; 0 = free */
};

/* For at most spans_max spans. -ENOMEM. */
int span_groups__init(struct span_groups *g, uint32_t spans_max);
void span_groups__free(struct span_groups *g);
/*
 * Groups cnt spans (at most spans_max); what was grouped before is forgotten. Borrows the spans
 * until the next call.
 */
void span_groups__set(struct span_groups *g, const struct span *const *spans, uint32_t cnt);

#endif

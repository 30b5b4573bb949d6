/* SPDX-License-Identifier: Apache-2.0 */
/* Divides a request's time into parts, and keeps spans in the form that this needs. */
#ifndef SONDE_MODEL_CONTRAST_PARTS_H
#define SONDE_MODEL_CONTRAST_PARTS_H

#include "user/model/contrast.h"
#include "user/model/names.h"
#include "user/model/span_tree.h"

/* What a span says, in fixed space. */
struct contrast_span {
	struct trace_id trace_id;
	struct span_id id, parent_id;
	uint64_t start_ns, end_ns;
	uint64_t queue_ns;
	uint64_t own_ns[CONTRAST_UNSEEN - CONTRAST_CPU]; /* by its account, from CONTRAST_CPU on */
	uint16_t service, name, server;
	uint8_t kind; /* enum span_kind */
	bool timed;   /* it has an account */
	bool socket, wanted;
};

/* A server's span that a request led to, or its own, for samples. */
struct contrast_served {
	struct span_id id;
	enum contrast_side side;
	uint16_t service;
};

struct contrast_parts {
	const struct contrast_span *spans;
	const struct names *names;
	struct contrast_part parts[CONTRAST_PARTS_MAX]; /* the root first; as they were met */
	uint16_t service[CONTRAST_PARTS_MAX], name[CONTRAST_PARTS_MAX];
	uint32_t cnt;
	struct contrast_served *served;
	uint32_t served_cnt, served_cap;
};

/*
 * Adds the request at nodes[root], a server's span, whose tree is joined and has its critical path. 0 or
 * -ENOMEM.
 */
int contrast_parts__add(struct contrast_parts *p, const struct span_node *nodes, uint32_t root,
			enum contrast_side side);

#endif

// SPDX-License-Identifier: Apache-2.0
/*
 * Ids that go with requests from host to host. The kernel tells of them before the bytes of the request, by
 * the sequence number of its first byte: only a request that begins exactly there has them.
 */
#include <stdlib.h>

#include "user/flow/internal.h"

void context_take(struct flow *flow, const struct record_context *record)
{
	struct conn *conn = conn_table__get(&flow->conns, record->cookie);

	if (!conn || conn->closed) /* ciphertext, or nothing that is looked at */
		return;
	if (!conn->contexts)
		conn->contexts = calloc(1, sizeof(*conn->contexts));
	if (!conn->contexts) /* no memory: its span has no parent, and other ids */
		return;
	conn->contexts->v[conn->contexts->cnt++ % CONTEXTS_MAX] = *record;
}

/* What was told last of the request; NULL: nothing. */
static const struct record_context *context_of(const struct exchange *x)
{
	const struct contexts *contexts = x->conn->contexts;
	uint32_t cnt = !contexts ? 0 : contexts->cnt < CONTEXTS_MAX ? contexts->cnt : CONTEXTS_MAX;

	for (uint32_t i = 1; i <= cnt; i++) {
		const struct record_context *c = &contexts->v[(contexts->cnt - i) % CONTEXTS_MAX];

		if (c->seq == x->seq && (c->head.flags == CONTEXT_SENT) == conn_began(x))
			return c;
	}
	return NULL;
}

void context_apply(struct exchange *x)
{
	const struct record_context *c = context_of(x);

	if (!c)
		return;
	memcpy(x->trace_id.bytes, c->trace_id, sizeof(c->trace_id));
	if (c->head.flags == CONTEXT_SENT) {
		memcpy(x->span_id.bytes, c->span_id, sizeof(c->span_id));
		x->sent = true;
		x->seq -= c->inserted;
	} else if (c->head.flags == CONTEXT_RECEIVED) {
		memcpy(x->parent_id.bytes, c->span_id, sizeof(c->span_id));
		x->parent_method = PARENT_OPTION;
	}
}

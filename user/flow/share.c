// SPDX-License-Identifier: Apache-2.0
/*
 * Requests that other tracers may be told of while a thread works for them, see bpf/offer.bpf.h. Those that are over
 * within a drain of the ring are never offered. Once told, ids stay: a trace that is found later follows them, or stays apart.
 */
#include "user/flow/internal.h"

void share_enter(struct flow *flow, struct exchange *x)
{
	const struct conn *conn = x->conn;

	if (!flow->options.share || conn_began(x) || conn->datagrams || conn->protocol->by_id ||
	    x->oneway || x->left_out)
		return;
	x->offer_next = flow->offers;
	x->offer_link = &flow->offers;
	if (flow->offers)
		flow->offers->offer_link = &x->offer_next;
	flow->offers = x;
}

static void withdraw(struct exchange *x)
{
	if (!x->offer_link)
		return;
	*x->offer_link = x->offer_next;
	if (x->offer_next)
		x->offer_next->offer_link = x->offer_link;
	x->offer_link = NULL;
}

/* Has its trace been found, or is it too late for that? */
static bool is_settled(const struct flow *flow, const struct exchange *x)
{
	return x->parent_method != PARENT_NONE || x->joined || x->conn->peer_absent ||
	       flow->now_ns > x->start_ns + JOIN_HOLD_NS;
}

static struct context_offer offer_of(const struct exchange *x)
{
	struct context_offer offer = {
		.request_cookie = x->conn->about.cookie,
		.request_off = x->off,
		.tid = x->tid,
		.thread = x->shared_thread,
	};

	memcpy(offer.context.trace_id, &x->trace_id, sizeof(offer.context.trace_id));
	memcpy(offer.context.span_id, &x->span_id, sizeof(offer.context.span_id));
	return offer;
}

static void offer(struct flow *flow, struct exchange *x)
{
	struct context_offer o = offer_of(x);

	if (x->responded || x->session || x->conn->pipelined ||
	    !flow->options.share(flow->options.ctx, &o))
		return;
	x->shared_thread = o.thread;
	x->sent = true;
}

void share_offer(struct flow *flow)
{
	struct exchange *next;

	for (struct exchange *x = flow->offers; x; x = next) {
		next = x->offer_next;
		if (!is_settled(flow, x))
			continue;
		withdraw(x);
		offer(flow, x);
	}
}

void share_leave(struct flow *flow, struct exchange *x)
{
	struct context_offer o;

	withdraw(x);
	if (!x->shared_thread)
		return;
	o = offer_of(x);
	x->shared_thread = 0;
	flow->options.unshare(flow->options.ctx, &o);
}

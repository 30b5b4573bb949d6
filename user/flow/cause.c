// SPDX-License-Identifier: Apache-2.0
/*
 * The request that another one was sent for. The kernel tells which bytes the sender had received (see
 * bpf/work.bpf.h); here it is found which request had come with them. One that has been answered by then is no
 * parent: what is sent after the answer may be anybody's.
 *
 * Threads that share a connection may send for each other. So nothing is said of connections on which several
 * requests were under way at a time, nor where another thread receives the answer.
 */
#include "user/flow/internal.h"

/* Ids of streams are odd, and follow each other. */
static struct announced_cause *announced(struct flow *flow, uint64_t cookie, uint32_t id)
{
	uint64_t hash = cookie * 0x9e3779b97f4a7c15ull;

	return &flow->causes[((hash >> 40) + id / 2) % FLOW_CAUSES];
}

void cause_note(struct flow *flow, const struct record_cause *record)
{
	struct conn *conn = conn_table__peek(&flow->conns, record->cookie);
	bool has_ids = record->head.size >= sizeof(*record);
	struct cause cause = {
		.request_cookie = record->request_cookie,
		.request_off = record->request_off,
		.request_len = record->request_len,
		.request_id = has_ids ? record->request_id : 0,
		.method = record->head.flags,
	};

	if (!conn || conn->closed)
		return;
	if (has_ids && record->id) {
		*announced(flow, record->cookie, record->id) = (struct announced_cause){
			.cookie = record->cookie,
			.id = record->id,
			.cause = cause,
		};
		return;
	}
	conn->cause = cause;
	conn->cause_off = record->off;
	conn->cause_len = record->len;
}

/* Takes what was said of x before it began. */
static bool take_announced(struct flow *flow, const struct exchange *x, struct cause *cause)
{
	struct announced_cause *a = announced(flow, x->conn->about.cookie, (uint32_t)x->id);

	if (!x->conn->protocol->by_id || !a->id || a->id != x->id ||
	    a->cookie != x->conn->about.cookie)
		return false;
	*cause = a->cause;
	a->id = 0;
	return true;
}

static bool is_served(const struct exchange *x)
{
	return !x->session && !conn_began(x);
}

void cause_crowd(struct conn *conn, struct exchange *x, uint64_t seen_off)
{
	x->seen_off = seen_off;
	x->crowded = x->off < conn->head_seen_off;
	for (struct exchange *y = conn->last; y && y->seen_off > x->off; y = y->prev)
		y->crowded = true;
	conn->head_seen_off = seen_off;
}

/*
 * Of the requests that had come with those bytes and are not answered, the only one, else NULL, and how many
 * there are. Where each has a sender of its own, bytes that were received later than it tell of another.
 */
static struct exchange *among_bytes(const struct conn *conn, const struct cause *cause,
				    uint32_t *cnt)
{
	bool inherited = cause->method >= CAUSE_GOROUTINE, by_id = conn->protocol->by_id;
	bool crowded = inherited && !by_id && conn->pipelined;
	struct exchange *found = NULL;

	*cnt = 0;
	for (struct exchange *x = conn->first; x; x = x->next) {
		if (!is_served(x) || x->off >= cause->request_off + cause->request_len ||
		    (inherited && by_id && x->seen_off <= cause->request_off))
			continue;
		found = x;
		crowded |= inherited && by_id && x->crowded;
		++*cnt;
	}
	return *cnt == 1 && !crowded ? found : NULL;
}

static struct exchange *under_way(struct flow *flow, struct conn *conn, const struct cause *cause,
				  uint32_t *cnt)
{
	struct exchange *x;

	if (!cause->request_id || !conn->protocol->by_id)
		return among_bytes(conn, cause, cnt);
	x = pair_find(flow, conn, FROM_CLIENT, cause->request_id);
	if (!x || !is_served(x))
		return NULL;
	*cnt = 1;
	return x;
}

/* Were several requests under way at a time? */
static bool is_shared(const struct conn *conn)
{
	return conn->pipelined || (conn->protocol->by_id && conn->exchange_cnt > 1);
}

void cause_apply(struct flow *flow, struct exchange *x, const struct cause *cause)
{
	struct conn *conn = NULL;
	struct exchange *parent;
	struct cause own;

	if (take_announced(flow, x, &own))
		cause = &own;
	if (x->parent_method != PARENT_NONE || !conn_began(x) || !cause->request_len ||
	    (is_shared(x->conn) && cause->method != CAUSE_STREAM))
		return;
	conn = conn_table__peek(&flow->conns, cause->request_cookie);
	if (!conn || conn->closed || !conn->protocol)
		return;
	parent = under_way(flow, conn, cause, &x->candidates_cnt);
	if (parent && parent->responded && cause->method == CAUSE_UNANSWERED)
		return;
	if (parent)
		exchange__adopt(parent, x,
				cause->method >= CAUSE_GOROUTINE ? PARENT_GOROUTINE : PARENT_TASK);
	else if (x->candidates_cnt)
		x->parent_method = PARENT_AMBIGUOUS;
}

void cause_check(struct flow *flow, struct exchange *x)
{
	struct trace_id fresh;

	if (x->parent_method != PARENT_TASK || !x->answer_tid || x->answer_tid == x->tid)
		return;
	exchange__make_root(x);
	if (x->told || exchange__is_fixed(x))
		return;
	fresh = id_source__trace_id(&flow->ids_source);
	exchange__set_trace(x, &fresh, SPAN_FLAG_SAMPLED | SPAN_FLAG_RANDOM);
}

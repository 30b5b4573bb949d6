// SPDX-License-Identifier: Apache-2.0
/*
 * What a client reads before the send that it answers is told: a send is told when its call is back, and another
 * thread may have read the answer by then. TCP's sequence numbers, which each operation brings for both directions,
 * show that bytes left of which nothing was told yet. Until it is, what was read waits, for a moment.
 */
#include <stdlib.h>

#include "user/flow/internal.h"

#define WAIT_NS 20000000ull /* then its record was lost, or it was no send */
#define UNTOLD_MIN 2	    /* a FIN counts as one */

/* The sequence number that follows all bytes that were told to have left. */
static uint32_t told_until(const struct conn *conn)
{
	enum sender sender = conn->role == ROLE_CLIENT ? FROM_CLIENT : FROM_SERVER;

	return conn->sent_seq + (uint32_t)conn->streams[sender].next_off;
}

static bool is_early(const struct conn *conn, const struct record_op *op, uint32_t told)
{
	return (int32_t)(op->peer_seq - told) >= UNTOLD_MIN &&
	       (!conn->waived || (int32_t)(op->peer_seq - conn->waived_seq) > 0);
}

void early_note_send(struct conn *conn, const struct record_op *op)
{
	conn->sends_numbered = op->seq;
	conn->sent_seq = op->seq - (uint32_t)op->off;
}

bool early_has_room(const struct flow *flow, const struct record_op *op)
{
	return flow->early_sz + offsetof(struct early, op) + op->head.size <= FLOW_EARLY_MAX;
}

/* Who speaks first is not certain before the first send has been told. */
static bool is_first(const struct conn *conn, const struct record_op *op)
{
	return conn->about.fresh && !conn->turn && op->turn == 1 && !conn->waived;
}

static bool waits(const struct conn *conn, const struct record_op *op)
{
	if (op->head.flags & OP_SEND || conn->role != ROLE_CLIENT || conn_is_plaintext(conn) ||
	    !op->peer_seq)
		return false;
	return conn->early_cnt ||
	       (conn->sends_numbered ? is_early(conn, op, told_until(conn)) : is_first(conn, op));
}

bool early_keep(struct flow *flow, struct conn *conn, const struct record_op *op)
{
	size_t sz = offsetof(struct early, op) + op->head.size;
	struct early *early;

	if (!waits(conn, op) || !early_has_room(flow, op))
		return false;
	early = malloc(sz);
	if (!early)
		return false;
	early->cookie = op->cookie;
	early->sz = sz;
	early->next = NULL;
	memcpy(&early->op, op, op->head.size);
	*flow->early_link = early;
	flow->early_link = &early->next;
	flow->early_sz += sz;
	conn->early_cnt++;
	return true;
}

static struct early *take_out(struct flow *flow, struct early **link)
{
	struct early *early = *link;

	*link = early->next;
	if (!early->next)
		flow->early_link = link;
	flow->early_sz -= early->sz;
	return early;
}

struct early *early_next(struct flow *flow, struct conn *conn, const uint32_t *told_until)
{
	struct early **link = &flow->early;

	while (*link && (*link)->cookie != conn->about.cookie)
		link = &(*link)->next;
	if (!*link || (told_until && is_early(conn, &(*link)->op, *told_until)))
		return NULL;
	conn->early_cnt--;
	return take_out(flow, link);
}

bool early_is_overdue(const struct flow *flow, uint64_t now_ns)
{
	return flow->early && now_ns > flow->early->op.time_ns + WAIT_NS;
}

void early_waive(struct conn *conn, const struct record_op *op)
{
	conn->waived = true;
	conn->waived_seq = op->peer_seq;
}

void early_forget(struct flow *flow, struct conn *conn)
{
	while (conn->early_cnt) {
		account_add(ACCOUNT_RECORDS_STRAY, 1);
		free(early_next(flow, conn, NULL));
	}
}

// SPDX-License-Identifier: Apache-2.0
/*
 * What a client reads before the send that it answers is told: a send is told when its call is back, and another
 * thread may have read the answer by then. TCP's sequence numbers, which each operation brings for both directions,
 * show that bytes left of which nothing was told yet. Until it is, what was read waits, for a moment. If that was not
 * enough, the send has been answered by the time it is told, and no later answer may be taken for its own.
 */
#include <stdlib.h>

#include "user/flow/internal.h"

#define WAIT_NS 20000000ull /* then its record was lost, or it was no send */
#define UNTOLD_MIN 2	    /* a FIN counts as one */

static bool is_early(const struct conn *conn, const struct record_op *op, uint32_t told)
{
	return (int32_t)(op->peer_seq - told) >= UNTOLD_MIN &&
	       (!conn->waived || (int32_t)(op->peer_seq - conn->waived_seq) > 0);
}

void early_note(struct conn *conn, const struct record_op *op)
{
	bool send = op->head.flags & OP_SEND;

	if (send) {
		conn->sends_numbered = op->seq;
		conn->sent_seq = op->seq - (uint32_t)op->off;
	}
	if (op->tail_direction == DIRECTION_SEND && op->tail_off > conn->told_off)
		conn->told_off = op->tail_off;
	if (send && op->off + op->len > conn->told_off)
		conn->told_off = op->off + op->len;
	if (send && (int32_t)(op->seq + op->len - conn->waived_seq) >= 0)
		conn->waived = false;
}

void early_note_unasked(struct conn *conn, uint32_t peer_seq)
{
	if (conn->role != ROLE_CLIENT || conn_is_plaintext(conn) || !peer_seq)
		return;
	conn->unasked = true;
	conn->unasked_seq = peer_seq;
}

bool early_was_answered(struct conn *conn, const struct record_op *op)
{
	int32_t left = (int32_t)(conn->unasked_seq - op->seq);

	if (!conn->unasked)
		return false;
	conn->unasked = left > (int64_t)op->len;
	return left >= UNTOLD_MIN;
}

bool early_has_room(const struct flow *flow)
{
	return flow->early_cnt < FLOW_EARLY_MAX;
}

/* Who speaks first is not certain before the first send has been told. */
static bool is_first(const struct conn *conn, const struct record_op *op)
{
	return conn->about.fresh && !conn->turn && op->turn == 1 && !conn->waived;
}

static bool waits(const struct conn *conn, const struct record_op *op)
{
	if (op->head.flags & OP_SEND || conn->role != ROLE_CLIENT || conn_is_plaintext(conn) ||
	    conn->sealed || !op->peer_seq)
		return false;
	return conn->early_cnt ||
	       (conn->sends_numbered ? is_early(conn, op, conn->sent_seq + (uint32_t)conn->told_off)
				     : is_first(conn, op));
}

bool early_keep(struct flow *flow, struct conn *conn, const struct record_op *op)
{
	struct early *early;

	if (!waits(conn, op) || !early_has_room(flow))
		return false;
	early = malloc(offsetof(struct early, op) + op->head.size);
	if (!early) { /* as if its record had been lost */
		account_add(ACCOUNT_RECORDS_STRAY, 1);
		return true;
	}
	early->cookie = op->cookie;
	early->since_ns = 0;
	early->next = NULL;
	memcpy(&early->op, op, op->head.size);
	*flow->early_link = early;
	flow->early_link = &early->next;
	flow->early_cnt++;
	conn->early_cnt++;
	return true;
}

void early_waive(struct conn *conn, const struct record_op *op)
{
	conn->waived = true;
	conn->waived_seq = op->peer_seq;
}

static struct early *take_out(struct flow *flow, struct early **link)
{
	struct early *early = *link;

	*link = early->next;
	if (!early->next)
		flow->early_link = link;
	flow->early_cnt--;
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
	if (!told_until)
		early_waive(conn, &(*link)->op);
	return take_out(flow, link);
}

struct early *early_overdue(struct flow *flow, uint64_t now_ns)
{
	/* The send may be in what is drained next: time counts from the end of this drain. */
	for (struct early *early = flow->early; early; early = early->next)
		early->since_ns = early->since_ns ?: now_ns;
	return flow->early && now_ns - flow->early->since_ns > WAIT_NS ? flow->early : NULL;
}

void early_forget(struct flow *flow, struct conn *conn)
{
	while (conn->early_cnt) {
		account_add(ACCOUNT_RECORDS_STRAY, 1);
		free(early_next(flow, conn, NULL));
	}
}

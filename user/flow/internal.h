/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of user/flow share.
 *
 * Who owns a connection's bytes. A record's payload is borrowed from the ring and gone when the
 * call returns. The stream takes it apart at once: body bytes are counted, heads are parsed where
 * they lie, and only the beginning of a message that is not whole yet is copied into the stream's
 * head buffer. What a message says is copied into its exchange; from there into the span's batch.
 *
 * How much was missed is always known: every record carries its offset, and silent tails say how
 * far they reach. Bytes missed inside a body cost nothing. Bytes missed elsewhere lose the framing
 * of that stream until its sender begins a turn, and the exchanges concerned are counted as lost.
 */
#ifndef SONDE_FLOW_INTERNAL_H
#define SONDE_FLOW_INTERNAL_H

#include "user/base/account.h"
#include "user/base/address.h"
#include "user/flow/conn.h"
#include "user/flow/flow.h"
#include "user/flow/forward.h"
#include "user/flow/join.h"
#include "user/flow/route.h"

#define FLOW_SOCKETS_MAX 16384u
#define FLOW_EARLY_MAX 256u /* few: each send that one waits for looks through them */
#define FLOW_IDS_BUCKETS 4096u
#define FLOW_CAUSES 4096u /* those of one connection do not collide with each other */
#define FLOW_SDKS \
	4096u /* process ids are given out in sequence: these do not collide with each other */

/* Why a request is sent that has not begun yet. */
struct announced_cause {
	uint64_t cookie;
	uint32_t id; /* 0: none */
	struct cause cause;
};

/* What is known of a process that brings spans somewhere. */
struct sdk_mark {
	uint32_t process_id;
	bool exports; /* and some were taken */
	bool relays;  /* others bring it theirs: what it exports need not be its own */
};

/* An operation that is to be taken after one that comes later. */
struct early {
	struct early *next;
	uint64_t cookie, since_ns; /* 0: since the next tick */
	struct record_op op;	   /* its payload follows */
};

struct flow {
	struct flow_options options;
	struct conn_table conns;
	struct conn_table sockets; /* UDP */
	struct exchange_pool exchanges;
	struct exchange *ids[FLOW_IDS_BUCKETS]; /* those whose protocol pairs by id */
	struct join join;
	struct forward forward;
	struct routes *routes;
	struct wanted_headers wanted[2]; /* by enum sender */
	struct memo *memo;
	struct span_batch *batch;
	struct sdk_mark sdks[FLOW_SDKS]; /* by process */
	struct announced_cause causes[FLOW_CAUSES];
	struct id_source ids_source;
	uint64_t began_ns, now_ns, unix_offset_ns;
	uint64_t sweep_ns;		      /* when time-outs were last looked for */
	uint64_t ring_full_cnt, ring_full_ns; /* as it was, and when it was seen to grow */
	struct early *early, **early_link;    /* as they came; FLOW_EARLY_MAX at most */
	uint32_t early_cnt;
	struct exchange *offers; /* of share.c */
	uint32_t in_body_cnt;	 /* messages whose end has not passed yet */
	TAILQ_HEAD(orphans, conn) orphans;
	char room[MSG_ROOM_SZ];
};

/* Where and when the bytes from p on passed. */
struct origin {
	const char *p;
	uint64_t off, time_ns;
	uint32_t seq, peer_seq, tid;
	uint32_t queued_us; /* of what came first, by then; 0: not known */
	struct cause cause;
};

static inline struct origin origin_of(const struct conn *conn, const struct record_op *op)
{
	bool caused = op->head.flags & OP_SEND && op->off - conn->cause_off < conn->cause_len;

	return (struct origin){
		.cause = caused ? conn->cause : (struct cause){0},
		.p = (const char *)(op + 1),
		.off = op->off,
		.time_ns = op->time_ns,
		.seq = op->seq,
		.peer_seq = op->peer_seq,
		.tid = op->tid,
		.queued_us = op->head.flags & OP_SEND ? 0 : op->queued_us,
	};
}

/* stream.c: bytes to messages. */
void stream_bytes(struct flow *flow, struct conn *conn, enum sender sender, struct slice bytes,
		  const struct origin *origin);
/* Parses what has waited in the stream until its protocol was found. */
void stream_resume(struct flow *flow, struct conn *conn, enum sender sender);
/* The n last bytes of an operation were not copied. A pending head is taken as far as it goes. */
void stream_unseen(struct flow *flow, struct conn *conn, enum sender sender, uint64_t n,
		   uint64_t time_ns);
/* n bytes passed in operations without a record. A pending head may lack anything: it is lost. */
void stream_missed(struct flow *flow, struct conn *conn, enum sender sender, uint64_t n,
		   uint64_t time_ns);
/* n bytes passed in which no other frame begins that matters. */
void stream_walked(struct flow *flow, struct conn *conn, enum sender sender, uint64_t n,
		   uint64_t time_ns);
/* The rest of a pending head, if there is one, will not come. */
void stream_cut(struct flow *flow, struct conn *conn, enum sender sender);
/* The sender's turn is over: the other one acts. */
void stream_turn_ended(struct flow *flow, struct conn *conn, enum sender sender);
/* The sender will send no more. */
void stream_closed(struct flow *flow, struct conn *conn, enum sender sender);
/* Keeps the beginning of a message until the rest comes. False when it has become too long. */
bool stream_stash(struct flow *flow, struct conn *conn, struct stream *stream, struct slice bytes);
/* Notes where and when the message that begins at that payload byte began. */
void stream_mark_head(struct stream *stream, const struct origin *origin, const char *at);
/* Forgets what is in progress; parsing starts again with the sender's next turn. */
void stream_lose(struct flow *flow, struct conn *conn, enum sender sender);

/* share.c: others are told which request a thread works for. */
void share_enter(struct flow *flow, struct exchange *x);
/* After each drain. */
void share_offer(struct flow *flow);
void share_leave(struct flow *flow, struct exchange *x);

/* pairing.c: messages to exchanges. */
/* Begins or continues an exchange; its stream's current one is then the message's. */
void pair_message(struct flow *flow, struct conn *conn, enum sender sender, const struct msg *msg,
		  uint64_t time_ns);
/* The exchange that waits for an answer of that id; where ids do not pair, the oldest. Or NULL. */
struct exchange *pair_find(struct flow *flow, struct conn *conn, enum sender initiator,
			   uint64_t id);
/* Exchanges end without a (whole) answer. */
void pair_abort(struct flow *flow, struct conn *conn, const struct msg *msg, uint64_t time_ns);
/* The message in progress of that sender is whole. */
void pair_message_done(struct flow *flow, struct conn *conn, enum sender sender, uint64_t time_ns);
/* Bytes of the client's turns were missed, and cnt requests with them, or what its batches tell. */
void pair_requests_missed(struct conn *conn, enum account_entry cause, uint32_t cnt);
/* The client's message from off on was seen. */
void pair_bytes_seen(struct conn *conn, uint64_t off, uint64_t sz, const struct msg *msg);
/* That sender's bytes before off hold no message that was not seen, unless it has lost its place. */
void pair_bytes_known(struct conn *conn, enum sender sender, uint64_t off);
/* The client's messages end at off. */
void pair_bytes_ended(struct conn *conn, uint64_t off);
/*
 * Bytes were missed. Where ids pair, exchanges in progress become uncertain; else responses can no
 * longer be told apart, and all of the connection are dropped, counted as cause.
 */
void pair_broken(struct flow *flow, struct conn *conn, enum account_entry cause);
/* Drops all exchanges of the connection, counted as cause. */
void pair_dropped(struct flow *flow, struct conn *conn, enum account_entry cause);
/* Ends all exchanges of the connection that have no whole response. */
void pair_ended(struct flow *flow, struct conn *conn, const char *failure, uint64_t time_ns);
/* Makes the span of an exchange now, but keeps its place: its response may still come. */
void pair_abandon(struct flow *flow, struct exchange *x, const char *failure, uint64_t time_ns);
/* The connection speaks another protocol from here on. */
void pair_upgrade(struct flow *flow, struct conn *conn, const struct msg *msg, uint64_t time_ns);
/* How much to copy of a connection whose protocol was just found. */
void pair_begin_copying(struct flow *flow, struct conn *conn);

/* early.c: what is read before the send that it answers was told. */
/* Notes what the operation tells of what was sent so far. */
void early_note(struct conn *conn, const struct record_op *op);
/* An answer came that nobody had asked for: by peer_seq what asked had left. */
void early_note_unasked(struct conn *conn, uint32_t peer_seq);
/* The send is the connection's next operation. Had it left when such an answer was read? */
bool early_was_answered(struct conn *conn, const struct record_op *op);
/* True if the operation is to wait, and is kept until early_next. */
bool early_keep(struct flow *flow, struct conn *conn, const struct record_op *op);
bool early_has_room(const struct flow *flow);
/*
 * The next one if it does not wait for more than what has left before the sequence number told_until, or whatever it
 * waits for where that is NULL; the caller frees it. Else NULL.
 */
struct early *early_next(struct flow *flow, struct conn *conn, const uint32_t *told_until);
/* The one that was kept first, if it has waited long enough; else NULL. To be asked at each tick. */
struct early *early_overdue(struct flow *flow, uint64_t now_ns);
/* The bytes that the operation waits for will not be told. */
void early_waive(struct conn *conn, const struct record_op *op);
/* Drops what is kept of the connection. */
void early_forget(struct flow *flow, struct conn *conn);

/* detect.c: finds the connection's protocol; true once it is known. turn: the operation's, as in conn. */
bool detect_protocol(struct flow *flow, struct conn *conn, struct slice bytes,
		     const struct record_op *op, uint32_t turn);
/* It is ciphertext: the kernel need tell no more of it than its end, and perhaps its plaintext. */
void detect_seal(struct flow *flow, struct conn *conn, enum carries carries);
/* No parser for it: the kernel need not tell more of it. */
void detect_give_up(struct flow *flow, struct conn *conn);
/* Counts a connection that had no protocol, unless it was or nothing passed. */
void detect_unknown(struct flow *flow, struct conn *conn);

/* handshake.c: bytes of a sealed connection, among which a hello may be. */
void handshake_take(struct flow *flow, struct conn *conn, struct stream *stream, struct slice bytes,
		    const struct record_op *op);

/* frames.c: operations whose frames the kernel walks. */
/* The walk goes on after this record, and may be silent: in pieces, or about to be. */
bool frames_walked(const struct conn *conn, const struct record_op *op);
/* A walk may have begun anew: what was said of earlier ones, of which one may have its number, is void. */
void frames_begun(struct conn *conn, enum sender sender, const struct record_op *op);
/* Notes the record's number; true if records before it are missing. */
bool frames_missed(struct conn *conn, const struct record_op *op);
/* At a connection's end: if its last requests were missed, the last one's header tells how many they were. */
void frames_end_missed(struct flow *flow, struct conn *conn, enum sender sender,
		       const struct begun_frame *last);
void frames_take(struct flow *flow, struct conn *conn, enum sender sender, struct slice bytes,
		 const struct record_op *op);

/* context.c: ids that go with requests from host to host. */
void context_take(struct flow *flow, const struct record_context *record);
/* Gives a request that was just seen the ids that it has on its way, if it has any. */
void context_apply(struct exchange *x);

/* flow.c: makes the spans that wait for the other end, all of them or those that have waited long. */
void flow_release_held(struct flow *flow, uint64_t now_ns);

/* datagram.c: UDP sockets. */
void datagram_take(struct flow *flow, const struct record_datagram *d);
/* Time has passed: an exchange may have no answer, or a socket no more to say. */
void datagram_overdue(struct flow *flow, struct exchange *x, uint64_t now_ns);
void datagram_let_idle_go(struct flow *flow, uint64_t now_ns);
/* Drops everything, counted as unfinished. */
void datagram_close_all(struct flow *flow);
/* The two ends as a span tells them; remote is written to text. */
void datagram_ends(const struct exchange *x, char text[ADDRESS_TEXT_SZ], struct slice *local,
		   struct slice *remote);

/* cause.c: why a client's requests are sent. */
void cause_note(struct flow *flow, const struct record_cause *record);
/* A request of the connection is known now, up to where bytes have been received; it is not in its queue yet. */
void cause_crowd(struct conn *conn, struct exchange *x, uint64_t seen_off);
/*
 * Finds the request that x, which has just begun, was sent for; its parent, if there is exactly one. cause: what is
 * known of the bytes that it began with.
 */
void cause_apply(struct flow *flow, struct exchange *x, const struct cause *cause);
/* x is complete: was it what its thread sent for itself? Else it becomes a root. */
void cause_check(struct flow *flow, struct exchange *x);

/* times.c: what the time of served requests went to. */
void times_note(struct flow *flow, const struct record_times *record);
/* The same where an operation's own flags tell it, of itself and of the tail before it. */
void times_note_op(struct conn *conn, const struct record_op *op);
/* And of what was sent in that turn, until end_ns: flags are OP_. */
void times_note_sent(struct conn *conn, uint32_t turn, uint32_t flags, uint64_t end_ns);
/* Tells it in the span of x, which ends then, if it is known of all of it. */
void times_add(const struct exchange *x, uint64_t end_ns, struct span *span);

/* sdk.c: programs that make spans themselves. */
/* The span of x, which brings spans, is being made. */
void sdk_note(struct flow *flow, const struct exchange *x, bool failed);
/* Does x's process make a span of it, which ours would double? Its request has been read. */
bool sdk_doubles(const struct flow *flow, const struct exchange *x);

/* forward.c: requests that a proxy passes on. */
void forward_init(struct flow *flow);
/* Where the parser shall make the fingerprint of what comes next, or NULL if nobody needs it. */
struct fingerprint *forward_wants(struct flow *flow, const struct conn *conn, enum sender sender);
/*
 * x has just begun, with that fingerprint or NULL. If it was received, it may be passed on from now on; if it
 * is sent and has no parent, the request that it is the same as becomes that, if there is exactly one.
 */
void forward_begin(struct flow *flow, struct exchange *x, const struct fingerprint *f);
/* x is over, or dropped. */
void forward_end(struct exchange *x);
/* Requests of that connection were missed: its process may pass them on all the same. */
void forward_missed(struct flow *flow, const struct conn *conn);

/* span_build.c: an exchange to a span. */
void span_build(struct flow *flow, struct exchange *x);

#endif

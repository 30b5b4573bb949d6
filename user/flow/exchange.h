/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An exchange: a request with its response, as one end of a connection saw it. Exchanges come from
 * a pool of fixed size; what they keep of a message is copied into them.
 */
#ifndef SONDE_FLOW_EXCHANGE_H
#define SONDE_FLOW_EXCHANGE_H

#include "include/abi/record.h"
#include "user/flow/trace_context.h"
#include "user/model/span.h"
#include "user/protocols/protocol.h"

#define EXCHANGE_REQUEST_ATTRS 12
#define EXCHANGE_RESPONSE_ATTRS 8
#define EXCHANGE_TEXT_SZ 640
#define EXCHANGE_TEXT_MAX 8192
#define TRACE_DEPTH_MAX 64		       /* spans on the way to the root */
#define TRACE_SPANS_MAX 4096		       /* that became part of it while its root was alive */
#define TRACE_AGE_MAX_NS (600ull * 1000000000) /* of its root, when it grows for the last time */

struct conn;

/* How an exchange's parent was found, in the words of sonde.parent.method. */
enum parent_method {
	PARENT_NONE,
	PARENT_HEADER,
	PARENT_SOCKET,
	PARENT_TASK,
	PARENT_FORWARD, /* it is the same message, passed on */
	PARENT_OPTION,
	PARENT_GOROUTINE,
	PARENT_AMBIGUOUS, /* there are candidates, and nothing tells which: a root */
};

/* Why a request was sent, as the kernel tells it. */
struct cause {
	uint64_t request_cookie, request_off; /* what was received by who sent it */
	uint32_t request_len;		      /* 0: nothing is known */
	uint32_t request_id;		      /* 0: it is among those bytes */
	enum cause_method method;
};

struct exchange {
	struct exchange *next, *prev; /* in its connection's queue; next: in the pool's free list */
	struct exchange *id_next, **id_link;	     /* in the table by id */
	struct exchange *older, *newer;		     /* all exchanges of the pool in use */
	struct exchange *bucket_next, **bucket_link; /* in the join table */
	struct exchange *held_next;		     /* in the join's queue of those that wait */
	struct exchange *offer_next, **offer_link; /* among those that others may yet be told of */
	uint64_t
		shared_thread; /* others are told that it works for this one, see share.c; 0: none */
	struct conn *conn;
	const struct protocol *protocol;
	struct exchange *peer; /* the other end's exchange while both are alive */
	/* While both are alive: what this one is there for, and what is there for this one. */
	struct exchange *parent, *children;
	struct exchange *sibling_next, **sibling_link;
	struct exchange *alike_next, **alike_link; /* where forward.c finds it: has a fingerprint */

	uint64_t start_ns, end_ns; /* CLOCK_MONOTONIC */
	uint64_t last_ns;	   /* last byte of either message so far */
	uint64_t end_bound_ns;	   /* the other end had read all by then; 0 = not known */
	uint64_t prior_ns;	   /* when the other end's last byte before it came; 0: none did */
	uint64_t off;		   /* of the request's first byte in its stream */
	uint64_t seen_off; /* that of what followed the bytes received by when it was known */
	uint64_t id;
	uint64_t request_body_sz, response_body_sz;
	uint32_t seq, peer_seq; /* TCP, at off */
	uint32_t process_id;
	uint32_t tid, answer_tid; /* threads of the first bytes of the request, and the response */
	uint32_t queued_us;	  /* until its first bytes were read; 0: not known */
	uint32_t tag;
	enum sender initiator;
	/* Of datagrams, where one socket speaks with many: the other end, as far as it is known. */
	uint8_t remote_addr[16];
	uint16_t remote_family, remote_port;
	uint16_t peer_port; /* the client's own, where that was found */
	bool oneway;	    /* nobody answers it */
	bool uncertain; /* bytes were missed since it began: its answer may have been among them */
	bool request_unmeasured, response_unmeasured; /* how long its body is was not all seen */
	bool session; /* it is the connection itself, see protocol.conclude */
	bool request_done, responded, abandoned, held;
	bool joined;	      /* its other end was found */
	bool told;	      /* a span of its trace has been made: it stays in that */
	bool sent;	      /* others may have been told its ids: they stay as they are */
	bool sampled;	      /* a CPU sample named it */
	bool brings_spans;    /* the request does, see MESSAGE_BRINGS_SPANS */
	bool left_out;	      /* its span is not to be exported: its program makes one itself */
	bool forwarded;	      /* another request is this one, passed on */
	bool crowded;	      /* bytes of it came together with those of another request */
	bool text_cut;	      /* not all of the messages' text could be kept */
	bool timed;	      /* its times are known */
	struct slice failure; /* error.type when there is no whole response; static */

	struct trace_id trace_id;
	struct span_id span_id, parent_id;
	uint8_t trace_flags;
	enum parent_method parent_method;
	uint8_t trace_format;	 /* enum trace_format of the header that the trace id is from */
	uint32_t candidates_cnt; /* of an ambiguous parent */
	uint32_t followers_cnt;	 /* of a root: what became part of its tree */
	struct slice trace_state;
	uint32_t links_cnt;

	struct attrs request, response;
	/* From here on nothing is cleared. Where those lie, or else in memory of their own. */
	struct attr request_attrs[EXCHANGE_REQUEST_ATTRS];
	struct attr response_attrs[EXCHANGE_RESPONSE_ATTRS];
	struct span_link links[MSG_LINKS_MAX]; /* of its messages, each once */
	char *more_text;		       /* when text was too small */
	uint32_t text_len, more_len;
	char text[EXCHANGE_TEXT_SZ];
	struct fingerprint fingerprint; /* where there is an alike_link */
	struct record_times times;	/* where it is timed: its time until it was last answered */
};

struct exchange_pool {
	struct exchange *free;
	struct exchange *oldest, *newest;
	uint32_t used_cnt, max_cnt, allocated_cnt;
};

void exchange_pool__init(struct exchange_pool *pool, uint32_t max_cnt);
void exchange_pool__free(struct exchange_pool *pool);
/* A cleared exchange, or NULL when max_cnt are in use or memory is out. */
struct exchange *exchange_pool__take(struct exchange_pool *pool);
void exchange_pool__put(struct exchange_pool *pool, struct exchange *x);
/* Of those in use, the one that this returned longest ago, else the oldest. There must be one. */
struct exchange *exchange_pool__next(struct exchange_pool *pool);

/*
 * child is there because of parent: it is of its trace, as is all that follows from it; or the other way
 * round, if other hosts know its trace. False if it does not become its child, since the trace has grown to its
 * bounds, there would be a ring, or other hosts know the traces of both. Both ends of a connection are not parted
 * by how many a trace has, or how old it is.
 */
bool exchange__adopt(struct exchange *parent, struct exchange *child, enum parent_method method);
/* Its span is made now: its parent is the nearest that is not left out. */
void exchange__settle_parent(struct exchange *x);
/* Do others know its trace, or what follows from it? */
bool exchange__is_fixed(const struct exchange *x);
/* It has no parent, and stays of its trace. */
void exchange__make_root(struct exchange *x);
/* x will have no span: its children become roots, of the same traces as before. */
void exchange__disown(struct exchange *x);
/* It is of this trace, with all that follow from it and are alive. */
void exchange__set_trace(struct exchange *x, const struct trace_id *trace_id, uint8_t flags);

/* Copies a message's attributes into the exchange; where texts do not fit they are cut, see text_cut. */
void exchange__keep_request(struct exchange *x, const struct msg *msg);
void exchange__keep_response(struct exchange *x, const struct msg *msg);
/* Adds those of a part of the one or the other; where a key is there already, the later value stays. */
void exchange__keep_part(struct exchange *x, bool of_request, const struct msg *msg);

#endif

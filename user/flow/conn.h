/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection as one end of it sees it: two streams, a protocol once it is known, and the queue
 * of exchanges that are not complete. Found by cookie; the least recently used is let go first.
 */
#ifndef SONDE_FLOW_CONN_H
#define SONDE_FLOW_CONN_H

#include <sys/queue.h>

#include "include/abi/record.h"
#include "include/abi/tracer.h"
#include "user/base/account.h"
#include "user/flow/exchange.h"
#include "user/protocols/tls_hello.h"

#define STREAM_HEAD_MAX (64u * 1024)
#define SECURED_PROTOCOL_MAX 32
#define CONN_HEADS_MAX (32u * 1024 * 1024)  /* all that begins a message and waits for the rest */
#define CONN_STATES_MAX (32u * 1024 * 1024) /* bytes of all protocols' states together */

/* What a TLS handshake has told of the connection. */
struct secured {
	uint16_t version; /* as in tls_hello */
	bool offers_h2;
	uint8_t protocol_len, server_name_len; /* 0: not known */
	char protocol[SECURED_PROTOCOL_MAX];
	char server_name[TLS_SERVER_NAME_MAX];
};

/*
 * One direction's bytes. Bytes that begin a message wait in head until the parser has enough;
 * nothing else is kept.
 */
struct stream {
	uint64_t next_off;	    /* offset that follows all bytes so far, seen or not */
	uint64_t skip;		    /* bytes still to pass, of a body unless skips_head */
	uint64_t last_ns;	    /* when the last byte passed */
	uint64_t head_ns, head_off; /* of the first byte of the message that is waited for */
	uint32_t head_seq, head_peer_seq;
	uint32_t head_tid, head_queued_us;
	struct cause head_cause;
	uint32_t turn;		  /* of the last operation */
	uint32_t good_cnt;	  /* messages parsed since framing was last found */
	uint64_t claim;		  /* where the kernel expects the next frame; ~0: it does not say */
	uint8_t generation;	  /* of the walk that says so; 0: it walks none */
	uint8_t trusted;	  /* the generation of a walk that began where the parser did */
	struct exchange *current; /* whose message is in progress; NULL between messages */
	char *head;
	uint32_t head_len, head_cap;
	uint32_t start_seq; /* what is known instead of next_off where started is false */
	bool started;	    /* next_off is known */
	bool placed;	    /* start_seq is */
	bool lost;	    /* framing unknown until this sender begins a turn, or a frame */
	bool walked;	    /* the kernel walks its frames, and is right about them */
	bool from_start;    /* all bytes since the first have been parsed */
	bool more;	    /* parts of the current message follow */
	bool until_turn;    /* the current message ends with the turn */
	bool until_close;   /* or with the stream */
	bool forgotten;	    /* before the protocol was known: the beginning of what was a message */
	bool in_message;
	bool skips_head;
	bool greeted; /* of a sealed connection: a hello was read, or there is none */
};

/* What is known of the client's last turn: to whom a response without a request belongs. */
enum asked {
	ASKED_BEFORE,  /* requests from before the start */
	ASKED_UNSEEN,  /* no request of that turn was seen */
	ASKED_COUNTED, /* one was, or is counted as lost */
};

#define CONTEXTS_MAX 8

/* Ids of requests that are still to be seen, the latest ones. */
struct contexts {
	struct record_context v[CONTEXTS_MAX];
	uint32_t cnt; /* so far */
};

/* The last turn in which bytes were received, by its first operation. */
struct read_turn {
	uint32_t turn; /* 0: there was none */
	uint32_t tid;
	uint64_t off, time_ns;
};

struct conn {
	struct conn *bucket_next;
	struct conn *lru_prev, *lru_next;
	TAILQ_ENTRY(conn) orphan; /* if orphaned: whose socket ended last is last */
	uint64_t orphan_ns;	  /* when that was */
	struct record_connection about;
	char local_text[112], remote_text[112]; /* addresses as text */
	const struct protocol *protocol;
	enum role role;		       /* ROLE_CLIENT or ROLE_SERVER once certain */
	struct stream streams[2];      /* by enum sender */
	struct exchange *first, *last; /* in order of request */
	uint32_t exchange_cnt;
	uint32_t done_cnt;	/* exchanges completed */
	uint32_t turn;		/* last taken */
	uint32_t answered_turn; /* in which an exchange was last complete */
	uint32_t told_turn;	/* as the kernel counts them, of the last record */
	uint32_t sent_seq;	/* TCP's number of the first byte sent, if sends_numbered */
	uint64_t told_off;	/* what was sent up to here has been told */
	uint32_t unasked_seq;	/* what had left when an unasked answer came, if unasked */
	uint32_t waived_seq;	/* what is sent up to here is not waited for any more, if waived */
	uint32_t dropped_turn;	/* of a request that had been answered before it was told */
	uint32_t early_cnt;	/* operations that wait for one that is told later */
	uint32_t turns_missed_cnt; /* before its protocol was known */
	enum asked asked;
	/*
	 * Where a turn has several requests, missing turns do not tell how many were missed. Missing
	 * bytes do, by what the others have on average.
	 */
	bool batched;		/* such a turn was seen */
	uint32_t request_turn;	/* of the last request */
	uint64_t seen_off;	/* the client's bytes so far; ~0: up to its next message */
	uint64_t request_off;	/* where the last request that was seen begins */
	uint64_t head_seen_off; /* exchange.seen_off of its last request */
	uint64_t requests_sz;	/* of the messages that were seen */
	uint32_t requests_cnt;	/* in them */
	uint64_t missed_sz;	/* not counted as requests yet */
	enum account_entry missed_cause;
	uint32_t process_id;	   /* of the last operation */
	struct verdict verdict;	   /* in force */
	uint32_t serial;	   /* of the last RECORD_DATAGRAM */
	uint32_t frames_serial[2]; /* of the last RECORD_FRAMES: received, sent */
	uint32_t missing_cnt;	   /* datagrams lost with their records, not counted yet */
	uint64_t missing_ns;	   /* since when there are any */
	bool shape_refused;	   /* its frames are not what their protocol says */
	uint32_t head_max;	   /* longest head seen */
	uint64_t peer_cookie;	   /* the other end on this host, once certain */
	uint64_t last_ns;
	uint64_t unknown_bytes[2]; /* while it had no protocol: received, sent */
	struct contexts *contexts; /* NULL: there were none */
	uint64_t sampled_off;	   /* of the request that a sample named last, if sampled */
	struct read_turn read_turn;
	/* Parsers, see detect.c; by assumed role, direction. */
	uint64_t likely[2][2], possible[2][2];
	uint64_t found_off; /* requests that began before were known by their answers only */
	uint16_t detect_tries;
	uint16_t malformed_cnt, misframed_cnt;
	bool datagrams; /* a UDP socket: no streams, and its other end may change */
	/* Why what follows the last RECORD_CAUSE is sent: cause_len bytes from cause_off on. */
	struct cause cause;
	uint64_t cause_off;
	uint32_t cause_len;
	bool last_was_send; /* the last operation taken */
	bool overtaken;	    /* what the next send asks, or this one, may be answered already */
	bool sends_numbered, unasked, waived;
	bool sampled;
	bool peer_absent;   /* the other end is not on this host, or not traced */
	bool shifted;	    /* a unix socket whose two ends count from different bytes */
	bool pipelined;	    /* more than one request was outstanding */
	bool quarantined;   /* in-order pairing is not certain until the connection was quiet */
	bool unknown;	    /* given up: no recognised protocol */
	bool client_unsure; /* records were missed: the client's next bytes tell whether of its own */
	bool gapped;	    /* bytes were missed; counts only what may have been among them */
	bool sealed;	    /* ciphertext passes: no protocol is looked for */
	struct secured *secured; /* NULL: nothing is known */
	struct slice label;	 /* what it is, where it is known but not parsed ("tls"); static */
	bool closed;		 /* goes when the last held exchange has gone */
	bool over;		 /* plaintext whose session has ended */
	bool orphaned;		 /* plaintext whose socket has ended, but not its session */
	uint8_t missed_cnt; /* one-way exchanges whose other end did not come, up to JOIN_MISSES */
	uint32_t held_cnt;  /* completed exchanges that wait in the join */
	void *state;	    /* the protocol's */
	/* What asked for TLS on this socket, and goes on in its plaintext. NULL: nothing did. */
	const struct protocol *below;
	void *below_state;
};

struct conn_table {
	struct conn **buckets;
	uint32_t buckets_cnt; /* a power of two */
	uint32_t cnt, max_cnt;
	size_t states_sz, heads_sz;
	struct conn *lru_first, *lru_last; /* first = least recently used */
};

/* 0 or -ENOMEM. */
int conn_table__init(struct conn_table *table, uint32_t max_cnt);
void conn_table__free(struct conn_table *table);
/* The connection, moved to the recently used end; NULL if there is none. */
struct conn *conn_table__get(struct conn_table *table, uint64_t cookie);
/* The same without touching the order. */
struct conn *conn_table__peek(const struct conn_table *table, uint64_t cookie);
/* A new connection; the caller has made room (cnt < max_cnt). NULL when memory is out. */
struct conn *conn_table__add(struct conn_table *table, const struct record_connection *about);
/* Unlinks and frees; its exchanges must be gone. */
void conn_table__remove(struct conn_table *table, struct conn *conn);

/* IPv4 addresses in IPv6 sockets become IPv4: the other end may well be an IPv4 socket. */
void connection_unmap_ipv4(struct record_connection *about);

/* Frees what waits in the stream. */
void conn_table__drop_head(struct conn_table *table, struct stream *stream);

/* From here on it speaks that protocol (NULL: none yet), whose state is cleared. 0 or -ENOMEM. */
int conn_table__set_protocol(struct conn_table *table, struct conn *conn,
			     const struct protocol *protocol);

/* Its protocol, if any, becomes what goes on below TLS. */
void conn_table__secure(struct conn_table *table, struct conn *conn);
/* The plaintext, of no protocol yet, goes on with what asked for TLS on its carrier, if something did. */
void conn_table__go_on_below(struct conn *carrier, struct conn *plaintext);

/* Is this end of the connection the one that began the exchange? */
static inline bool conn_began(const struct exchange *x)
{
	return (x->conn->role == ROLE_CLIENT) == (x->initiator == FROM_CLIENT);
}

static inline void conn_note_remote(struct exchange *x, const struct record_connection *about)
{
	x->remote_family = about->family;
	x->remote_port = about->remote_port;
	memcpy(x->remote_addr, about->remote_addr, sizeof(x->remote_addr));
}

/*
 * Both ends may speak at once, on two processors: then a record may come behind one of the other direction that is
 * later. Frames are numbered in each direction, which tells what is missing.
 */
static inline bool conn_is_duplex(const struct conn *conn)
{
	return conn->protocol && (conn->protocol->by_id || conn->protocol->conclude);
}

/* Is it what a TLS library encrypts, rather than what a socket sees? */
static inline bool conn_is_plaintext(const struct conn *conn)
{
	return conn->about.cookie & PLAINTEXT_COOKIE;
}

static inline bool conn_is_unix(const struct conn *conn)
{
	return conn->about.family == FAMILY_UNIX;
}

#endif

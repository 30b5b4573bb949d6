/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a protocol is: one file that ends in one const struct, registered with PROTOCOL(). It turns
 * the bytes of a connection into messages and knows no span, socket or pid.
 *
 * A parser is a pure function of its state and the bytes. It does not allocate, log, read a clock,
 * keep pointers into the bytes, trust a length, or loop without consuming.
 */
#ifndef SONDE_PROTOCOLS_PROTOCOL_H
#define SONDE_PROTOCOLS_PROTOCOL_H

#include <sys/types.h>

#include "include/abi/shape.h"
#include "user/base/attr.h"
#include "user/base/memo.h"
#include "user/protocols/fingerprint.h"
#include "user/protocols/trace_headers.h"

#define MSG_ATTRS_MAX 32
#define MSG_LINKS_MAX 8
#define MSG_ROOM_SZ 8192
#define PROTOCOL_STATE_MAX (16u * 1024)

enum sender {
	FROM_CLIENT,
	FROM_SERVER,
};

enum detect {
	DETECT_NO,
	DETECT_MORE, /* a prefix of something that would be accepted */
	/*
	 * It may be, but other things look like that too: believed once the other sender's next bytes
	 * are at least as likely.
	 */
	DETECT_LIKELY,
	DETECT_YES,
};

/*
 * An exchange is a request with its answer. Most are begun by the client; where the server begins
 * one (a delivery, say), msg.initiator says so. A PART or END belongs to what this sender sends of
 * the exchange: its request if it began the exchange, else its response.
 */
enum msg_kind {
	MSG_NONE,     /* bytes consumed, nothing to say (a chunk header, an interim response) */
	MSG_REQUEST,  /* begins an exchange that will be answered */
	MSG_RESPONSE, /* begins the answer */
	MSG_PART,     /* more of a message that had MESSAGE_HAS_PARTS: attributes, body bytes */
	MSG_END,      /* the same, and the message is over once skip has passed */
	MSG_ONEWAY,   /* an exchange that nobody answers: over once skip has passed */
	MSG_ABORT,    /* the exchange gets no (further) answer, for the reason in failure */
};

/* Flags of struct msg. */
#define MESSAGE_HAS_PARTS 0x01u	  /* parts follow; MSG_END will close it */
#define MESSAGE_UNTIL_CLOSE 0x02u /* the body ends when the sender closes */
#define MESSAGE_UPGRADE 0x04u	  /* after it (any kind) the connection speaks what upgrade says */
#define MESSAGE_TRUNCATED 0x08u	  /* the head was cut: length of what follows is not known */
#define MESSAGE_MALFORMED 0x10u	  /* the message is malformed, but its extent is known */
#define MESSAGE_ALL_BEFORE 0x20u  /* MSG_ABORT: so do all that were begun before it */
#define MESSAGE_ALL_AFTER 0x40u	  /* MSG_ABORT: only those that were begun after it */
#define MESSAGE_SKIPS_HEAD 0x80u  /* what skip tells is the rest of a head, and no body */
#define MESSAGE_BRINGS_SPANS 0x100u /* a request with spans, as OpenTelemetry's exporters make it */

/* A header that a message shall bring along as an attribute. */
struct wanted_header {
	struct slice name; /* in lower case */
	struct slice key;  /* of the attribute */
};

struct wanted_headers {
	struct wanted_header *v;
	size_t cnt;
};

/*
 * One message, filled by parse. Slices point into the bytes that parse was given, into room, into the
 * memo, or are static; flow copies what it keeps before it calls again. Before each call flow clears
 * it and sets what is marked "in".
 */
struct msg {
	enum msg_kind kind;
	uint32_t flags;
	enum sender initiator; /* who began the exchange; in: FROM_CLIENT */
	/*
	 * Pairs a response with its request: unique among the outstanding ones of an initiator. 0 pairs
	 * in order: a response answers the oldest unanswered, a PART, END or ABORT is of the one that
	 * is in progress, else of the oldest unanswered. Where all are paired in order (not by_id), an id
	 * names a group, such as the batch of a pipeline: an ABORT with it is of all of that group.
	 */
	uint64_t id;
	uint64_t skip; /* bytes that follow the consumed ones and need not be seen: the body */
	/*
	 * In: for bytes from the server, the tag of the oldest unanswered request, or 0.
	 * Out: for a request, a tag that the response's parse will need (e.g. "was HEAD").
	 */
	uint32_t tag;
	uint32_t missed_cnt; /* requests before this one that were never seen, if that is certain */
	const struct wanted_headers *wanted;	  /* in: those of this sender; NULL: none */
	struct trace_parent parent;		  /* of the request, if it names one */
	struct slice tracestate;		  /* as it stood beside that */
	struct trace_parent links[MSG_LINKS_MAX]; /* senders of messages that were received */
	struct fingerprint *fingerprint; /* in: cleared, for a request's; NULL: none is wanted */
	unsigned int links_cnt;
	struct slice failure; /* MSG_ABORT: error.type; static */
	struct slice upgrade; /* the next protocol's name; empty: to be found out */
	struct attrs attrs;   /* storage is the caller's; named by the semantic conventions */
	char *room;	      /* in: for what must be composed; see msg_room */
	size_t room_len, room_sz;
	struct memo *memo;   /* in: texts to find again (prepared statements); NULL: none */
	uint64_t memo_owner; /* in: of this connection */
};

/* n bytes that live as long as the message, or NULL if there is no more room. */
static inline char *msg_room(struct msg *msg, size_t n)
{
	char *p = msg->room + msg->room_len;

	if (n > msg->room_sz - msg->room_len)
		return NULL;
	msg->room_len += n;
	return p;
}

/* A number in decimal, behind a prefix, in the message's room; empty if there is no more room. */
static inline struct slice msg_number(struct msg *msg, struct slice prefix, int64_t number)
{
	uint64_t rest = number < 0 ? -(uint64_t)number : (uint64_t)number;
	char digits[20], *text;
	size_t at = sizeof(digits);

	do
		digits[--at] = (char)('0' + rest % 10);
	while (rest /= 10);
	if (number < 0)
		digits[--at] = '-';
	text = msg_room(msg, prefix.n + sizeof(digits) - at);
	if (!text)
		return SLICE("");
	memcpy(text, prefix.p, prefix.n);
	memcpy(text + prefix.n, digits + at, sizeof(digits) - at);
	return slice_of(text, prefix.n + sizeof(digits) - at);
}

/* The span that a received message came from, if its headers name one. */
static inline void msg_link(struct msg *msg, struct trace_parent from)
{
	if (from.format && msg->links_cnt < MSG_LINKS_MAX)
		msg->links[msg->links_cnt++] = from;
}

/* Which end of the connection a span is for. */
enum side {
	SIDE_CLIENT,
	SIDE_SERVER,
};

/* What describe may use of an exchange. response.cnt is 0 if there was none. */
struct exchange_view {
	enum side side;
	enum sender initiator; /* FROM_SERVER: the span of the side SIDE_SERVER is the asking end */
	bool oneway;
	const struct attrs *request, *response;
	/* Numeric addresses of the two ends; for unix sockets the path, and port 0. */
	struct slice server_address;
	uint16_t server_port;
	struct slice client_address;
	uint16_t client_port;
	struct slice server_name;   /* as TLS was asked for it; empty: not known */
	bool unix_socket, datagram; /* else TCP */
	bool tls;		    /* it was encrypted */
	/* Body bytes that passed: the sum of the skips. */
	uint64_t request_body_sz, response_body_sz;
	bool request_unmeasured,
		response_unmeasured; /* bytes were missed, and how many is not known */
	/* Why there is no (whole) response, as error.type, e.g. "timeout"; empty if there is one. */
	struct slice failure;
};

/* The server by its name, if that is known, else by its address. */
static inline struct slice exchange_server(const struct exchange_view *x)
{
	return x->server_name.n ? x->server_name : x->server_address;
}

#define DESCRIPTION_TEXT_MAX 4096
#define DESCRIPTION_ITEMS_MAX 32

/* The kind of a span. */
enum described_kind {
	KIND_OF_SIDE, /* CLIENT at the end that began the exchange, else SERVER */
	KIND_CLIENT,
	KIND_SERVER,
	KIND_PRODUCER,
	KIND_CONSUMER,
};

/* The semantics of an exchange, filled by describe; all but the texts starts cleared. */
struct description {
	enum described_kind kind;
	struct slice operation; /* the span's name, or, with a route, its first word */
	/* If not empty: flow finds its route, sets http.route and appends it to the name. */
	struct slice route_path;
	bool error;	    /* span status Error */
	struct attrs attrs; /* all of the span's protocol attributes; storage is the caller's */
	char text[DESCRIPTION_TEXT_MAX]; /* for values that must be composed */
	size_t text_len;
	struct slice items[DESCRIPTION_ITEMS_MAX]; /* for arrays of strings */
	size_t items_cnt;
};

struct protocol {
	const char *name;
	const uint16_t *ports; /* 0-terminated; a hint, never proof */
	size_t state_size;     /* at most PROTOCOL_STATE_MAX; starts zeroed */
	/*
	 * Messages carry ids, and those that overlap may be answered in any order: missing bytes then
	 * concern only the messages they were part of.
	 */
	bool by_id;
	bool served_by_sdks; /* OpenTelemetry's SDKs make spans of what is served by it */
	bool fingerprints;   /* parse makes them of requests */
	bool counts_missed;  /* parse sets msg.missed_cnt: unseen requests are known from the ids */
	const struct frame_shape *shape; /* NULL: its frames have none that the kernel could walk */
	/* Would parse accept head as the first bytes of a message by sender? */
	enum detect (*detect)(enum sender sender, struct slice head);
	/*
	 * Reads at most one message from the start of bytes, and no more than one frame where there is
	 * a shape. Returns what it consumed (> 0), 0 when more bytes are needed, or -EPROTO.
	 *
	 * last is set when the bytes that follow were not copied. The parser then takes what there is.
	 * If it knows how far the message (or frame) extends, it returns at most bytes.n, and the rest
	 * in msg.skip, as ever. If not, it returns bytes.n and sets MESSAGE_TRUNCATED. -EPROTO if not
	 * even the beginning makes sense.
	 */
	ssize_t (*parse)(void *state, enum sender sender, struct slice bytes, bool last,
			 struct msg *msg);
	/*
	 * Over UDP, where it is spoken there, else NULL: one datagram, of which cut tells that not all
	 * was copied. Yields a request or a response, whoever sent it, or MSG_NONE; -EPROTO if it is
	 * none of this protocol's. There is no detection but this: it must be hard to please.
	 */
	ssize_t (*parse_datagram)(struct slice bytes, bool cut, struct msg *msg);
	/*
	 * Bytes of that sender were missed: forget any message in progress, and what else depended on
	 * having seen all (a header table). The next bytes are the beginning of a message. May be NULL.
	 */
	void (*resync)(void *state, enum sender sender);
	/*
	 * Not NULL where the connection itself is an exchange, from an upgrade until its end: adds to
	 * msg->attrs what is to be told at the end (counts). Such a protocol's parse yields MSG_NONE.
	 */
	void (*conclude)(const void *state, struct msg *msg);
	void (*describe)(const struct exchange_view *exchange, struct description *out);
};

#define PROTOCOL(var)                                            \
	static const struct protocol *const protocol_entry_##var \
		__attribute__((used, section("sonde_protocols"))) = &var

/* Iteration over all registered protocols. */
extern const struct protocol *const __start_sonde_protocols[];
extern const struct protocol *const __stop_sonde_protocols[];

#define FOR_EACH_PROTOCOL(p)                                                               \
	for (const struct protocol *const *p##_at = __start_sonde_protocols, *p = *p##_at; \
	     p##_at < __stop_sonde_protocols && (p = *p##_at, true); p##_at++)

/* Its place among them: below 32 (FRAME_SHAPES_MAX), the same for one build. */
static inline unsigned int protocol_index(const struct protocol *protocol)
{
	unsigned int index = 0;

	FOR_EACH_PROTOCOL (other) {
		if (other == protocol)
			break;
		index++;
	}
	return index;
}

#endif

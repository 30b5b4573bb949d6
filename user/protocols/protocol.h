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

#include "user/base/attr.h"

#define MSG_ATTRS_MAX 32
#define PROTOCOL_STATE_MAX 256

enum sender {
	FROM_CLIENT,
	FROM_SERVER,
};

enum detect {
	DETECT_NO,
	DETECT_MORE, /* a prefix of something that would be accepted */
	DETECT_YES,
};

enum msg_kind {
	MSG_NONE, /* bytes consumed, nothing to say (a chunk header, an interim response) */
	MSG_REQUEST,
	MSG_RESPONSE,
	MSG_END, /* the message that was last begun by this sender, and had MESSAGE_HAS_PARTS, is over */
};

/* Flags of struct msg. */
#define MESSAGE_HAS_PARTS 0x01u	  /* parts follow; MSG_END will close it */
#define MESSAGE_UNTIL_CLOSE 0x02u /* the body ends when the sender closes */
#define MESSAGE_UPGRADE 0x04u	/* a response after which the connection speaks another protocol */
#define MESSAGE_TRUNCATED 0x08u /* the head was cut: length of what follows is not known */
#define MESSAGE_MALFORMED 0x10u /* the message is malformed, but its extent is known */

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
 * One message, filled by parse. Slices point into the bytes that parse was given or are static;
 * flow copies what it keeps before it calls again.
 */
struct msg {
	enum msg_kind kind;
	uint32_t flags;
	uint64_t id;   /* pairs a response with its request; 0 pairs in order */
	uint64_t skip; /* body bytes that follow the consumed ones and need not be seen */
	/*
	 * In: for bytes from the server, the tag of the oldest unanswered request, or 0.
	 * Out: for a request, a tag that the response's parse will need (e.g. "was HEAD").
	 */
	uint32_t tag;
	const struct wanted_headers *wanted;  /* in: those of this sender; NULL: none */
	struct slice traceparent, tracestate; /* as they stood in the request */
	struct attrs attrs; /* storage is the caller's; named by the semantic conventions */
};

/* Which end of the connection a span is for. */
enum side {
	SIDE_CLIENT,
	SIDE_SERVER,
};

/* What describe may use of an exchange. response.cnt is 0 if there was none. */
struct exchange_view {
	enum side side;
	const struct attrs *request, *response;
	/* Numeric addresses of the two ends; for unix sockets the path, and port 0. */
	struct slice server_address;
	uint16_t server_port;
	struct slice client_address;
	uint16_t client_port;
	bool unix_socket;
	/* Body bytes that passed: the sum of the skips. */
	uint64_t request_body_sz, response_body_sz;
	/* Why there is no (whole) response, as error.type, e.g. "timeout"; empty if there is one. */
	struct slice failure;
};

#define DESCRIPTION_TEXT_MAX 4096
#define DESCRIPTION_ITEMS_MAX 32

/* The semantics of an exchange, filled by describe. */
struct description {
	struct slice operation; /* first word of the span's name, e.g. the method */
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
	/* Would parse accept head as the first bytes of a message by sender? */
	enum detect (*detect)(enum sender sender, struct slice head);
	/*
	 * Reads at most one message from the start of bytes. Returns what it consumed (> 0), 0 when
	 * more bytes are needed, or -EPROTO. last is set when no more bytes of this head can come (the
	 * rest was not copied): the parser then takes what there is, returns bytes.n and sets
	 * MESSAGE_TRUNCATED, or -EPROTO if not even the beginning makes sense.
	 */
	ssize_t (*parse)(void *state, enum sender sender, struct slice bytes, bool last,
			 struct msg *msg);
	/* Framing was lost: forget any body in progress of that sender. */
	void (*resync)(void *state, enum sender sender);
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

#endif

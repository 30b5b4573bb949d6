/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What messaging means, whatever the protocol: the semantic conventions for messaging, 1.44. A parser
 * adds what it read to a message's attributes, in any order, of the request or the response;
 * messaging_describe makes the span of them. What else it adds (`messaging.SYSTEM.*`, error.type) is
 * taken over as it stands.
 */
#ifndef SONDE_PROTOCOLS_MESSAGING_SEMCONV_H
#define SONDE_PROTOCOLS_MESSAGING_SEMCONV_H

#include "user/protocols/protocol.h"

enum messaging_type {
	MESSAGING_OTHER,   /* touches no message: a connection's or a group's own affairs */
	MESSAGING_SEND,	   /* a client gives messages to the broker */
	MESSAGING_RECEIVE, /* a client asks the broker for messages */
	MESSAGING_DELIVER, /* the broker pushes messages to a client */
	MESSAGING_SETTLE,  /* a client says what became of messages */
};

/*
 * The system, e.g. "kafka", and the operation by the name that the system's clients give it: the
 * first word of the span's name. All are borrowed; call it once for each request.
 */
void messaging_add_operation(struct attrs *attrs, struct slice system, enum messaging_type type,
			     struct slice operation);
/* Topic, queue, exchange or subject. None of these adds an empty text. */
void messaging_add_destination(struct attrs *attrs, struct slice name);
/* Made for one client or conversation: it does not go into the span's name. */
void messaging_add_temporary(struct attrs *attrs);
/* What stands for all names of its kind; the span is named by it. */
void messaging_add_template(struct attrs *attrs, struct slice template);
/*
 * A destination of levels, as topics and subjects are. Where some of them look like ids it gets a
 * template too, composed in the message's room, with wildcard in their places.
 */
void messaging_add_topic(struct msg *msg, struct slice name, const char *separators, char wildcard);
void messaging_add_consumer_group(struct attrs *attrs, struct slice name);
/* Who a connection's client says it is. */
void messaging_add_client_id(struct attrs *attrs, struct slice id);
void messaging_add_message_id(struct attrs *attrs, struct slice id);
/* As text, in the message's room. */
void messaging_add_partition(struct msg *msg, int32_t partition);
/* Messages in a batch; a single message that could not have been a batch has none. */
void messaging_add_batch_count(struct attrs *attrs, uint64_t messages_cnt);
/* The bytes of one message's body. */
void messaging_add_body_size(struct attrs *attrs, uint64_t sz);
/* Why the operation failed: the system's name of it. Makes the span an error. */
void messaging_add_error(struct attrs *attrs, struct slice error);

/* A protocol's describe. */
void messaging_describe(const struct exchange_view *exchange, struct description *out);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the methods and content headers of AMQP 0-9-1 say, whoever says it and when. After the
 * specification, and RabbitMQ's extensions of it.
 */
#ifndef SONDE_PROTOCOLS_AMQP_METHODS_H
#define SONDE_PROTOCOLS_AMQP_METHODS_H

#include "user/base/cursor.h"
#include "user/protocols/messaging_semconv.h"

/* Classes, and numbers of methods. */
#define CONNECTION 10
#define CHANNEL 20
#define EXCHANGE 40
#define QUEUE 50
#define BASIC 60
#define CONFIRM 85
#define TX 90

#define CHANNEL_OPEN 10
#define CHANNEL_CLOSE_OK 41
#define CONSUME 20
#define CONSUME_OK 21
#define PUBLISH 40
#define RETURN 50
#define DELIVER 60
#define GET 70
#define GET_OK 71

enum role {
	SAYS,	 /* nothing that would be a span */
	ASKS,	 /* is answered, unless it says otherwise */
	ANSWERS, /* the method of its row, or, if that is 0, any of its class */
	CLOSES,	 /* asks, or answers what was at fault */
	TELLS,	 /* is not answered */
	CARRIES, /* is followed by a message */
};

/*
 * What a method is. Arguments: w: 2 bytes; s: a text; q, e, r, t: the texts that are queue,
 * exchange, routing key and consumer tag; d: delivery tag; o: an octet; c: reply code; f: class and
 * method at fault; 0 to 7: an octet in which that bit says that no answer is wanted.
 */
struct method {
	uint16_t class, number;
	uint8_t senders;
	enum role role;
	struct slice name;
	const char *arguments;
	uint16_t answers;
	enum messaging_type type;
};

/* Of a method; empty what it has not, or what is not there. */
struct arguments {
	struct slice queue, exchange, key, tag;
	uint64_t delivery_tag;
	uint16_t code, fault_class, fault_number;
	bool no_answer;
	bool unknown; /* the method was missed */
};

/* Of a message. */
struct properties {
	struct slice message_id, correlation_id;
	struct trace_parent from;
	struct slice state; /* tracestate */
};

/* NULL if this sender has no such method. */
const struct method *amqp_find_method(uint32_t class, uint32_t number, enum sender sender);
/* Class and number off the front; NULL if there is no such method, or not yet. */
const struct method *amqp_take_method(struct slice *seen, enum sender sender);
/* What follows them. */
void amqp_take_arguments(struct slice rest, const struct method *method, struct arguments *a);
/* From the flags that say which are there. What is there of them, even where the end is missing. */
void amqp_take_properties(struct cursor *c, struct properties *p);

#endif

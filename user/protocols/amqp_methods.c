// SPDX-License-Identifier: Apache-2.0
/* The table of methods, and how arguments and properties are written. */
#include "user/protocols/amqp_methods.h"

#define BY_CLIENT 0x01
#define BY_SERVER 0x02
#define BY_BOTH (BY_CLIENT | BY_SERVER)

/* The class that each message is looked up in stands first. */
static const struct method methods[] = {
	{BASIC, 10, BY_CLIENT, ASKS, .name = SLICE("qos")},
	{BASIC, 11, BY_SERVER, ANSWERS, .answers = 10},
	{BASIC, CONSUME, BY_CLIENT, ASKS, .name = SLICE("consume"), .arguments = "wqt3"},
	{BASIC, CONSUME_OK, BY_SERVER, ANSWERS, .arguments = "t", .answers = CONSUME},
	{BASIC, 30, BY_BOTH, ASKS, .name = SLICE("cancel"), .arguments = "t0"},
	{BASIC, 31, BY_BOTH, ANSWERS, .answers = 30},
	{BASIC, PUBLISH, BY_CLIENT, CARRIES, .name = SLICE("publish"), .arguments = "wer",
	 .type = MESSAGING_SEND},
	{BASIC, RETURN, BY_SERVER, CARRIES, .name = SLICE("return"), .arguments = "cser"},
	{BASIC, DELIVER, BY_SERVER, CARRIES, .name = SLICE("deliver"), .arguments = "tdoer",
	 .type = MESSAGING_DELIVER},
	{BASIC, GET, BY_CLIENT, ASKS, .name = SLICE("get"), .arguments = "wqo",
	 .type = MESSAGING_RECEIVE},
	{BASIC, GET_OK, BY_SERVER, CARRIES, .arguments = "doer", .answers = GET},
	{BASIC, 72, BY_SERVER, ANSWERS, .answers = GET},
	{BASIC, 80, BY_CLIENT, TELLS, .name = SLICE("ack"), .arguments = "d",
	 .type = MESSAGING_SETTLE},
	{BASIC, 80, BY_SERVER, SAYS, .name = SLICE("ack")},
	{BASIC, 90, BY_CLIENT, TELLS, .name = SLICE("reject"), .arguments = "d",
	 .type = MESSAGING_SETTLE},
	{BASIC, 100, BY_CLIENT, TELLS, .name = SLICE("recover")},
	{BASIC, 110, BY_CLIENT, ASKS, .name = SLICE("recover")},
	{BASIC, 111, BY_SERVER, ANSWERS, .answers = 110},
	{BASIC, 120, BY_CLIENT, TELLS, .name = SLICE("nack"), .arguments = "d",
	 .type = MESSAGING_SETTLE},
	{BASIC, 120, BY_SERVER, TELLS, .name = SLICE("nack"), .arguments = "d"},
	{CONNECTION, 10, BY_SERVER, SAYS, .name = SLICE("connection.start")},
	{CONNECTION, 11, BY_CLIENT, ASKS, .name = SLICE("connection.start-ok")},
	{CONNECTION, 20, BY_SERVER, ANSWERS, .name = SLICE("connection.secure")},
	{CONNECTION, 21, BY_CLIENT, ASKS, .name = SLICE("connection.secure-ok")},
	{CONNECTION, 30, BY_SERVER, ANSWERS, .name = SLICE("connection.tune")},
	{CONNECTION, 31, BY_CLIENT, SAYS, .name = SLICE("connection.tune-ok")},
	{CONNECTION, 40, BY_CLIENT, ASKS, .name = SLICE("connection.open")},
	{CONNECTION, 41, BY_SERVER, ANSWERS, .answers = 40},
	{CONNECTION, 50, BY_BOTH, CLOSES, .name = SLICE("connection.close"), .arguments = "csf"},
	{CONNECTION, 51, BY_BOTH, ANSWERS, .answers = 50},
	{CONNECTION, 60, BY_SERVER, SAYS, .name = SLICE("connection.blocked")},
	{CONNECTION, 61, BY_SERVER, SAYS, .name = SLICE("connection.unblocked")},
	{CONNECTION, 70, BY_CLIENT, ASKS, .name = SLICE("connection.update-secret")},
	{CONNECTION, 71, BY_SERVER, ANSWERS, .answers = 70},
	{CHANNEL, 10, BY_CLIENT, ASKS, .name = SLICE("channel.open")},
	{CHANNEL, 11, BY_SERVER, ANSWERS, .answers = 10},
	{CHANNEL, 20, BY_BOTH, ASKS, .name = SLICE("channel.flow")},
	{CHANNEL, 21, BY_BOTH, ANSWERS, .answers = 20},
	{CHANNEL, 40, BY_BOTH, CLOSES, .name = SLICE("channel.close"), .arguments = "csf"},
	{CHANNEL, 41, BY_BOTH, ANSWERS, .answers = 40},
	{EXCHANGE, 10, BY_CLIENT, ASKS, .name = SLICE("exchange.declare"), .arguments = "wes4"},
	{EXCHANGE, 11, BY_SERVER, ANSWERS, .answers = 10},
	{EXCHANGE, 20, BY_CLIENT, ASKS, .name = SLICE("exchange.delete"), .arguments = "we1"},
	{EXCHANGE, 21, BY_SERVER, ANSWERS, .answers = 20},
	{EXCHANGE, 30, BY_CLIENT, ASKS, .name = SLICE("exchange.bind"), .arguments = "wesr0"},
	{EXCHANGE, 31, BY_SERVER, ANSWERS, .answers = 30},
	{EXCHANGE, 40, BY_CLIENT, ASKS, .name = SLICE("exchange.unbind"), .arguments = "wesr0"},
	{EXCHANGE, 51, BY_SERVER, ANSWERS, .answers = 40},
	{QUEUE, 10, BY_CLIENT, ASKS, .name = SLICE("queue.declare"), .arguments = "wq4"},
	{QUEUE, 11, BY_SERVER, ANSWERS, .arguments = "q", .answers = 10},
	{QUEUE, 20, BY_CLIENT, ASKS, .name = SLICE("queue.bind"), .arguments = "wqer0"},
	{QUEUE, 21, BY_SERVER, ANSWERS, .answers = 20},
	{QUEUE, 30, BY_CLIENT, ASKS, .name = SLICE("queue.purge"), .arguments = "wq0"},
	{QUEUE, 31, BY_SERVER, ANSWERS, .answers = 30},
	{QUEUE, 40, BY_CLIENT, ASKS, .name = SLICE("queue.delete"), .arguments = "wq2"},
	{QUEUE, 41, BY_SERVER, ANSWERS, .answers = 40},
	{QUEUE, 50, BY_CLIENT, ASKS, .name = SLICE("queue.unbind"), .arguments = "wqer"},
	{QUEUE, 51, BY_SERVER, ANSWERS, .answers = 50},
	{CONFIRM, 10, BY_CLIENT, ASKS, .name = SLICE("confirm.select"), .arguments = "0"},
	{CONFIRM, 11, BY_SERVER, ANSWERS, .answers = 10},
	{TX, 10, BY_CLIENT, ASKS, .name = SLICE("tx.select")},
	{TX, 11, BY_SERVER, ANSWERS, .answers = 10},
	{TX, 20, BY_CLIENT, ASKS, .name = SLICE("tx.commit")},
	{TX, 21, BY_SERVER, ANSWERS, .answers = 20},
	{TX, 30, BY_CLIENT, ASKS, .name = SLICE("tx.rollback")},
	{TX, 31, BY_SERVER, ANSWERS, .answers = 30},
};

static struct slice take_short(struct cursor *c)
{
	return cursor_take(c, (size_t)cursor_be(c, 1));
}

static struct slice take_long(struct cursor *c)
{
	return cursor_take(c, (size_t)cursor_be(c, 4));
}

static void take_argument(struct cursor *c, char kind, struct arguments *a)
{
	switch (kind) {
	case 'w':
		cursor_take(c, 2);
		break;
	case 's':
		take_short(c);
		break;
	case 'q':
		a->queue = take_short(c);
		break;
	case 'e':
		a->exchange = take_short(c);
		break;
	case 'r':
		a->key = take_short(c);
		break;
	case 't':
		a->tag = take_short(c);
		break;
	case 'd':
		a->delivery_tag = cursor_be(c, 8);
		break;
	case 'o':
		cursor_take(c, 1);
		break;
	case 'c':
		a->code = (uint16_t)cursor_be(c, 2);
		break;
	case 'f':
		a->fault_class = (uint16_t)cursor_be(c, 2);
		a->fault_number = (uint16_t)cursor_be(c, 2);
		break;
	default:
		a->no_answer = cursor_be(c, 1) >> (kind - '0') & 1;
	}
}

void amqp_take_arguments(struct slice rest, const struct method *method, struct arguments *a)
{
	struct cursor c = {.rest = rest};

	*a = (struct arguments){.code = 0};
	for (const char *kind = method->arguments; kind && *kind; kind++)
		take_argument(&c, *kind, a);
}

const struct method *amqp_find_method(uint32_t class, uint32_t number, enum sender sender)
{
	uint8_t by = sender == FROM_CLIENT ? BY_CLIENT : BY_SERVER;

	for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++)
		if (methods[i].class == class && methods[i].number == number &&
		    methods[i].senders & by)
			return &methods[i];
	return NULL;
}

const struct method *amqp_take_method(struct slice *seen, enum sender sender)
{
	struct cursor c = {.rest = *seen};
	uint32_t class = (uint32_t)cursor_be(&c, 2), number = (uint32_t)cursor_be(&c, 2);

	*seen = c.rest;
	return c.failed ? NULL : amqp_find_method(class, number, sender);
}

/* A value in a table of headers, by RabbitMQ's letters. The text, if it is one. */
static struct slice take_value(struct cursor *c)
{
	switch ((char)cursor_be(c, 1)) {
	case 't':
	case 'b':
	case 'B':
		cursor_take(c, 1);
		break;
	case 's':
	case 'u':
	case 'U':
		cursor_take(c, 2);
		break;
	case 'I':
	case 'i':
	case 'f':
		cursor_take(c, 4);
		break;
	case 'D':
		cursor_take(c, 5);
		break;
	case 'l':
	case 'L':
	case 'd':
	case 'T':
		cursor_take(c, 8);
		break;
	case 'S':
	case 'x':
		return take_long(c);
	case 'A':
	case 'F':
		take_long(c);
		break;
	case 'V':
		break;
	default:
		c->failed = true;
	}
	return SLICE("");
}

/* What there is of them, even where the end is missing. */
static void take_headers(struct cursor *c, struct properties *p)
{
	uint32_t len = (uint32_t)cursor_be(c, 4);
	struct cursor table = {.rest = slice_first(c->rest, len), .failed = c->failed};
	struct trace_headers trace = {.seen = 0};

	while (table.rest.n && !table.failed) {
		struct slice name = take_short(&table), value = take_value(&table);

		trace_headers__take(&trace, name, value);
	}
	p->from = trace_headers__read(&trace, &p->state);
	cursor_take(c, len);
}

void amqp_take_properties(struct cursor *c, struct properties *p)
{
	uint32_t flags = (uint32_t)cursor_be(c, 2), more = flags;

	*p = (struct properties){.message_id = SLICE("")};
	while (more & 1 && !c->failed) /* further flags, of which none has a meaning */
		more = (uint32_t)cursor_be(c, 2);
	if (flags & 1u << 15) /* content-type */
		take_short(c);
	if (flags & 1u << 14) /* content-encoding */
		take_short(c);
	if (flags & 1u << 13)
		take_headers(c, p);
	if (flags & 1u << 12) /* delivery-mode */
		cursor_take(c, 1);
	if (flags & 1u << 11) /* priority */
		cursor_take(c, 1);
	if (flags & 1u << 10)
		p->correlation_id = take_short(c);
	if (flags & 1u << 9) /* reply-to */
		take_short(c);
	if (flags & 1u << 8) /* expiration */
		take_short(c);
	if (flags & 1u << 7)
		p->message_id = take_short(c);
}

// SPDX-License-Identifier: Apache-2.0
/*
 * AMQP 0-9-1, as RabbitMQ speaks it with its extensions (confirms, nack, bindings between exchanges).
 * Frames of a type, a channel and a length; a method may be followed by a content header and bodies.
 *
 * A method that is answered pairs with its answer by channel and name. A message (publish, deliver,
 * return, get-ok) begins, for the span, with its content header, which comes with the method and knows
 * the message's properties, and ends with the last byte of its body. Publishes and deliveries are
 * one-way: the broker's confirms, which may speak of many messages, make no spans, its nacks do. A
 * channel or connection that is closed for an error answers the method that was at fault, if that
 * was waiting for an answer, else it is an exchange that the server began.
 */
#include <errno.h>

#include "user/protocols/amqp_methods.h"

#define FRAME_METHOD 1
#define FRAME_HEADER 2
#define FRAME_BODY 3
#define FRAME_HEARTBEAT 8
#define FRAME_HEAD_LEN 7
#define FRAME_END 0xce
#define FRAME_LEN_MAX (16u * 1024 * 1024)

#define HEAD_MAX 4096 /* bytes of a method or content header that are looked at */
#define CALLS_MAX 96
#define CONTENTS_MAX 16
#define NO_SUCH_CALL UINT32_MAX
#define FIRST_ERROR 300 /* of the reply codes */

#define SYSTEM SLICE("rabbitmq")

/* A method that waits for its answer. */
struct call {
	uint32_t id;	     /* NO_SUCH_CALL: it was answered, those behind it were not */
	uint32_t behind_cnt; /* of its kind on its channel, for which there was no room */
	uint16_t channel, class, number;
	uint8_t initiator;
};

/* A message whose body passes. */
struct content {
	uint64_t left;
	uint32_t id;
	uint16_t channel;
	uint8_t initiator;
	bool used;
};

struct amqp_state {
	uint32_t last_id;
	uint16_t epochs[2]; /* of the sender's methods: those from before a gap do not count */
	uint8_t calls_cnt;
	struct call calls[CALLS_MAX]; /* the oldest first */
	struct content contents[2][CONTENTS_MAX];
};

struct frame {
	uint8_t type;
	uint16_t channel;
	uint32_t sz;	   /* of the payload */
	struct slice seen; /* what there is of it, at most HEAD_MAX */
};

/* Where a parse call is. */
struct place {
	struct amqp_state *state;
	enum sender sender;
	uint16_t channel;
	struct msg *msg;
};

/* --- what is remembered ------------------------------------------------------------------------- */

static uint32_t next_id(struct amqp_state *state)
{
	if (++state->last_id == NO_SUCH_CALL)
		state->last_id = 1;
	return state->last_id;
}

static void remove_call(struct amqp_state *state, unsigned int at)
{
	state->calls_cnt--;
	memmove(&state->calls[at], &state->calls[at + 1],
		(state->calls_cnt - at) * sizeof(*state->calls));
}

static struct call *last_call(const struct place *at, const struct method *method)
{
	struct call *last = NULL;

	for (unsigned int i = 0; i < at->state->calls_cnt; i++) {
		struct call *call = &at->state->calls[i];

		if (call->initiator == at->sender && call->channel == at->channel &&
		    call->class == method->class && call->number == method->number)
			last = call;
	}
	return last;
}

/*
 * 0 if there is no room for it. Answers come in the order of their kind, so then there is none either for
 * those of its kind that follow, until it was answered.
 */
static uint32_t begin_call(const struct place *at, const struct method *method)
{
	struct amqp_state *state = at->state;
	struct call *same = last_call(at, method);
	bool full = state->calls_cnt == CALLS_MAX || (same && same->behind_cnt);
	uint32_t id;

	if (full && same)
		same->behind_cnt++;
	if (full)
		return 0;
	id = next_id(state);
	state->calls[state->calls_cnt++] = (struct call){
		.id = id,
		.channel = at->channel,
		.class = method->class,
		.number = method->number,
		.initiator = (uint8_t)at->sender,
	};
	return id;
}

/* Takes the oldest call to which this sender owes an answer; number 0: any of the class. */
static uint32_t end_call(const struct place *at, uint16_t class, uint16_t number)
{
	for (unsigned int i = 0; i < at->state->calls_cnt; i++) {
		struct call *call = &at->state->calls[i];
		uint32_t id = call->id;

		if (call->initiator == at->sender || call->channel != at->channel ||
		    call->class != class || (number && call->number != number))
			continue;
		if (call->behind_cnt) {
			call->behind_cnt--;
			call->id = NO_SUCH_CALL;
		} else {
			remove_call(at->state, i);
		}
		return id;
	}
	return 0;
}

/* The channel is over, or new: what was asked on it gets no answer, what was begun no end. */
static void forget_channel(const struct place *at)
{
	struct amqp_state *state = at->state;

	for (unsigned int i = state->calls_cnt; i-- > 0;)
		if (state->calls[i].channel == at->channel)
			remove_call(state, i);
	for (unsigned int i = 0; i < 2 * CONTENTS_MAX; i++)
		if (state->contents[i / CONTENTS_MAX][i % CONTENTS_MAX].channel == at->channel)
			state->contents[i / CONTENTS_MAX][i % CONTENTS_MAX].used = false;
}

static struct content *find_content(const struct place *at)
{
	struct content *contents = at->state->contents[at->sender];

	for (unsigned int i = 0; i < CONTENTS_MAX; i++)
		if (contents[i].used && contents[i].channel == at->channel)
			return &contents[i];
	return NULL;
}

/* NULL if too many are under way. */
static struct content *new_content(const struct place *at)
{
	struct content *contents = at->state->contents[at->sender];

	for (unsigned int i = 0; i < CONTENTS_MAX; i++)
		if (!contents[i].used)
			return &contents[i];
	return NULL;
}

/* Names in the memo: of a method until its content header comes, ... */
static uint64_t method_name(const struct place *at)
{
	return (uint64_t)at->state->epochs[at->sender] << 32 | (uint64_t)at->channel << 8 |
	       (uint64_t)at->sender << 1 | 1;
}

/* ... of the queue that a call wants to consume from, ... */
static uint64_t call_name(uint32_t id)
{
	return 1ull << 62 | id;
}

/* ... and of the queue that a consumer consumes from. */
static uint64_t consumer_name(const struct place *at, struct slice tag)
{
	return slice_hash(tag) + at->channel * 0x9e3779b97f4a7c15ull;
}

static void keep_queue(const struct place *at, const struct arguments *a, uint32_t id)
{
	struct msg *msg = at->msg;

	if (!a->tag.n && !id)
		return;
	memo__put(msg->memo, msg->memo_owner, a->tag.n ? consumer_name(at, a->tag) : call_name(id),
		  a->queue);
}

/* The server has given the consumer a tag. */
static void move_queue(const struct place *at, const struct arguments *a, uint32_t id)
{
	struct msg *msg = at->msg;
	struct slice queue;
	char *copy;

	if (!memo__get(msg->memo, msg->memo_owner, call_name(id), &queue))
		return;
	copy = msg_room(msg, queue.n);
	if (!copy || !queue.n)
		return;
	memcpy(copy, queue.p, queue.n);
	memo__put(msg->memo, msg->memo_owner, consumer_name(at, a->tag), slice_of(copy, queue.n));
}

/* --- attributes --------------------------------------------------------------------------------- */

static void add_code(struct msg *msg, uint16_t code)
{
	if (code >= FIRST_ERROR)
		messaging_add_error(&msg->attrs, msg_number(msg, SLICE(""), code));
}

/* Queues that the server named, and the pseudo-queue of direct replies, are somebody's own. */
static bool is_temporary(struct slice name)
{
	return slice_starts_with(name, SLICE("amq.gen-")) ||
	       slice_starts_with(name, SLICE("amq.rabbitmq.reply-to"));
}

static void add_destination(struct msg *msg, struct slice name)
{
	if (is_temporary(name)) {
		messaging_add_destination(&msg->attrs, name);
		messaging_add_temporary(&msg->attrs);
	} else {
		messaging_add_topic(msg, name, ".:", '*');
	}
}

static size_t append(char *text, size_t n, struct slice part)
{
	if (!part.n)
		return n;
	if (n)
		text[n++] = ':';
	memcpy(text + n, part.p, part.n);
	return n + part.n;
}

/* "exchange:routing key:queue", of which only those count that are there. */
static void add_route(struct msg *msg, const struct arguments *a)
{
	struct slice queue = slice_eq(a->queue, a->key) ? SLICE("") : a->queue;
	char *text = msg_room(msg, a->exchange.n + a->key.n + queue.n + 2);
	size_t n = 0;

	if (!text)
		return;
	n = append(text, n, a->exchange);
	n = append(text, n, a->key);
	n = append(text, n, queue);
	add_destination(msg, n ? slice_of(text, n) : SLICE("amq.default"));
}

static void add_tag(struct msg *msg, uint64_t tag)
{
	if (tag)
		attrs_add_int(&msg->attrs, SLICE("messaging.rabbitmq.message.delivery_tag"),
			      (int64_t)tag);
}

static void add_key(struct msg *msg, struct slice key)
{
	if (key.n)
		attrs_add_str(&msg->attrs, SLICE("messaging.rabbitmq.destination.routing_key"),
			      key);
}

static void add_properties(struct msg *msg, const struct properties *p, uint64_t body_sz)
{
	messaging_add_message_id(&msg->attrs, p->message_id);
	if (p->correlation_id.n)
		attrs_add_str(&msg->attrs, SLICE("messaging.message.conversation_id"),
			      p->correlation_id);
	messaging_add_body_size(&msg->attrs, body_sz);
}

/* --- methods ------------------------------------------------------------------------------------ */

static void begin(const struct place *at, enum msg_kind kind, const struct method *method)
{
	at->msg->kind = kind;
	at->msg->initiator = at->sender;
	messaging_add_operation(&at->msg->attrs, SYSTEM, method->type, method->name);
}

static void fill_request(const struct place *at, const struct method *method,
			 const struct arguments *a)
{
	struct msg *msg = at->msg;
	uint32_t id;

	if (method->class == CHANNEL && method->number == CHANNEL_OPEN)
		forget_channel(at);
	id = a->no_answer ? 0 : begin_call(at, method);
	begin(at, id ? MSG_REQUEST : MSG_ONEWAY, method);
	msg->id = id;
	if (method->class == BASIC && method->number == CONSUME)
		keep_queue(at, a, id);
	if (a->queue.n || a->exchange.n)
		add_destination(msg, a->queue.n ? a->queue : a->exchange);
	add_code(msg, a->code);
}

static void fill_answer(const struct place *at, const struct method *method,
			const struct arguments *a)
{
	struct msg *msg = at->msg;
	uint32_t id = end_call(at, method->class, method->answers);

	if (method->class == CHANNEL && method->number == CHANNEL_CLOSE_OK)
		forget_channel(at);
	if (!id && at->sender == FROM_CLIENT) /* of a close that was an answer itself */
		return;
	msg->kind = MSG_RESPONSE;
	msg->initiator = at->sender == FROM_CLIENT ? FROM_SERVER : FROM_CLIENT;
	msg->id = id ? id : NO_SUCH_CALL;
	if (method->class == BASIC && method->number == CONSUME_OK)
		move_queue(at, a, id);
	if (a->queue.n)
		add_destination(msg, a->queue);
}

static void fill_close(const struct place *at, const struct method *method,
		       const struct arguments *a)
{
	bool connection = method->class == CONNECTION;
	uint32_t id = 0;

	if (at->sender == FROM_SERVER && a->code >= FIRST_ERROR)
		id = connection ? end_call(at, CONNECTION, 0)
				: end_call(at, a->fault_class, a->fault_number);
	if (!id) {
		fill_request(at, method, a);
		return;
	}
	at->msg->kind = MSG_RESPONSE;
	at->msg->id = id;
	add_code(at->msg, a->code);
}

static void fill_told(const struct place *at, const struct method *method,
		      const struct arguments *a)
{
	begin(at, MSG_ONEWAY, method);
	add_tag(at->msg, a->delivery_tag);
	if (at->sender == FROM_SERVER)
		messaging_add_error(&at->msg->attrs, method->name);
}

static void parse_method(const struct place *at, const struct frame *frame)
{
	struct slice rest = frame->seen;
	const struct method *method = amqp_take_method(&rest, at->sender);
	struct arguments a;

	if (!method || method->role == SAYS)
		return;
	if (method->role == CARRIES) { /* read with what it carries */
		memo__put(at->msg->memo, at->msg->memo_owner, method_name(at), frame->seen);
		return;
	}
	amqp_take_arguments(rest, method, &a);
	switch (method->role) {
	case ASKS:
		fill_request(at, method, &a);
		break;
	case ANSWERS:
		fill_answer(at, method, &a);
		break;
	case CLOSES:
		fill_close(at, method, &a);
		break;
	case TELLS:
		fill_told(at, method, &a);
		break;
	case CARRIES:
	case SAYS:
		break;
	}
}

/* --- content ------------------------------------------------------------------------------------ */

/* The method before this content header, or the one that it must have been. */
static const struct method *carrier(const struct place *at, struct arguments *a)
{
	const struct method *method = NULL;
	struct slice kept;

	*a = (struct arguments){.code = 0};
	if (memo__get(at->msg->memo, at->msg->memo_owner, method_name(at), &kept))
		method = amqp_take_method(&kept, at->sender);
	if (method) {
		amqp_take_arguments(kept, method, a);
		return method;
	}
	a->unknown = true;
	return amqp_find_method(BASIC, at->sender == FROM_CLIENT ? PUBLISH : DELIVER, at->sender);
}

static void fill_message(const struct place *at, const struct method *method, struct arguments *a,
			 const struct properties *p)
{
	struct msg *msg = at->msg;
	struct slice queue;

	begin(at, MSG_ONEWAY, method);
	msg->id = next_id(at->state);
	if (method->number == PUBLISH) {
		msg->parent = p->from;
		msg->tracestate = p->state;
	}
	if (method->number == DELIVER &&
	    memo__get(msg->memo, msg->memo_owner, consumer_name(at, a->tag), &queue))
		a->queue = queue;
	if (!a->unknown)
		add_route(msg, a);
	add_code(msg, a->code);
}

static void fill_got(const struct place *at, const struct method *method)
{
	uint32_t id = end_call(at, BASIC, method->answers);

	at->msg->kind = MSG_RESPONSE;
	at->msg->id = id ? id : NO_SUCH_CALL;
}

static void parse_header(const struct place *at, const struct frame *frame)
{
	struct cursor c = {.rest = slice_after(frame->seen, 4)};
	struct msg *msg = at->msg;
	struct properties p;
	struct arguments a;
	uint64_t body_sz = cursor_be(&c, 8);
	const struct method *method = carrier(at, &a);
	struct content *content;

	amqp_take_properties(&c, &p);
	if (method->number == GET_OK)
		fill_got(at, method);
	else
		fill_message(at, method, &a, &p);
	if (at->sender == FROM_SERVER)
		msg_link(msg, p.from);
	add_key(msg, a.key);
	add_tag(msg, a.delivery_tag);
	add_properties(msg, &p, body_sz);
	content = body_sz ? find_content(at) ?: new_content(at) : NULL;
	if (!content)
		return;
	msg->flags |= MESSAGE_HAS_PARTS;
	*content = (struct content){
		.left = body_sz,
		.id = (uint32_t)msg->id,
		.channel = at->channel,
		.initiator = (uint8_t)msg->initiator,
		.used = true,
	};
}

static void parse_body(const struct place *at, const struct frame *frame)
{
	struct content *content = find_content(at);

	if (!content)
		return;
	content->left -= frame->sz < content->left ? frame->sz : content->left;
	content->used = content->left > 0;
	at->msg->kind = content->used ? MSG_PART : MSG_END;
	at->msg->id = content->id;
	at->msg->initiator = content->initiator;
}

/* --- frames ------------------------------------------------------------------------------------- */

static const struct slice greeting = SLICE("AMQP\0\0\x09\x01");

/* 1 if its head is there, 0 if more bytes are needed, -EPROTO if it is none. */
static int read_frame(struct slice bytes, struct frame *frame)
{
	struct cursor c = {.rest = bytes};

	frame->type = (uint8_t)cursor_be(&c, 1);
	if (!c.failed && frame->type != FRAME_METHOD && frame->type != FRAME_HEADER &&
	    frame->type != FRAME_BODY && frame->type != FRAME_HEARTBEAT)
		return -EPROTO;
	frame->channel = (uint16_t)cursor_be(&c, 2);
	frame->sz = (uint32_t)cursor_be(&c, 4);
	if (c.failed)
		return 0;
	if (frame->sz > FRAME_LEN_MAX - FRAME_HEAD_LEN - 1)
		return -EPROTO;
	frame->seen = slice_first(c.rest, frame->sz < HEAD_MAX ? frame->sz : HEAD_MAX);
	if (c.rest.n > frame->sz && (uint8_t)c.rest.p[frame->sz] != FRAME_END)
		return -EPROTO;
	return 1;
}

static ssize_t parse_frame(const struct place *at, const struct frame *frame, struct slice bytes,
			   bool last)
{
	uint64_t len = FRAME_HEAD_LEN + (uint64_t)frame->sz + 1;
	size_t wanted = frame->type == FRAME_BODY ? FRAME_HEAD_LEN
			: frame->sz < HEAD_MAX	  ? (size_t)len
						  : FRAME_HEAD_LEN + HEAD_MAX;

	if (bytes.n < wanted && !last)
		return 0;
	if (frame->type == FRAME_METHOD)
		parse_method(at, frame);
	else if (frame->type == FRAME_HEADER)
		parse_header(at, frame);
	else if (frame->type == FRAME_BODY)
		parse_body(at, frame);
	bytes = slice_first(bytes, wanted);
	at->msg->skip = len - bytes.n;
	return (ssize_t)bytes.n;
}

static ssize_t parse(void *opaque, enum sender sender, struct slice bytes, bool last,
		     struct msg *msg)
{
	struct place at = {.state = opaque, .sender = sender, .msg = msg};
	struct slice start = slice_first(bytes, greeting.n);
	struct frame frame;
	int read;

	if (slice_starts_with(greeting, start))
		read = start.n == greeting.n ? (int)greeting.n : 0;
	else
		read = read_frame(bytes, &frame);
	if (read == 1) {
		at.channel = frame.channel;
		return parse_frame(&at, &frame, bytes, last);
	}
	if (read == 0 && last) {
		msg->flags |= MESSAGE_TRUNCATED;
		return (ssize_t)bytes.n;
	}
	return read;
}

static void resync(void *opaque, enum sender sender)
{
	struct amqp_state *state = opaque;

	state->epochs[sender]++;
	memset(state->contents[sender], 0, sizeof(state->contents[sender]));
	for (unsigned int i = state->calls_cnt; i-- > 0;)
		if (state->calls[i].initiator != sender) /* perhaps answered */
			remove_call(state, i);
}

/* --- detection ---------------------------------------------------------------------------------- */

static enum detect detect_method(enum sender sender, const struct frame *frame)
{
	struct slice rest = frame->seen;
	const struct method *method = amqp_take_method(&rest, sender);

	if (frame->sz < 4)
		return DETECT_NO;
	if (frame->seen.n < 4)
		return DETECT_MORE;
	return method && (method->class == CONNECTION) == (frame->channel == 0) ? DETECT_LIKELY
										: DETECT_NO;
}

static enum detect detect_header(const struct frame *frame)
{
	struct cursor c = {.rest = frame->seen};
	uint64_t class = cursor_be(&c, 2), weight = cursor_be(&c, 2), body_sz = cursor_be(&c, 8);

	if (c.failed)
		return frame->sz < 14 ? DETECT_NO : DETECT_MORE;
	return class == BASIC && !weight && body_sz >> 40 == 0 ? DETECT_LIKELY : DETECT_NO;
}

static enum detect detect_frame(enum sender sender, const struct frame *frame)
{
	if (frame->type == FRAME_METHOD)
		return detect_method(sender, frame);
	if (frame->type == FRAME_HEARTBEAT)
		return frame->sz || frame->channel ? DETECT_NO : DETECT_LIKELY;
	if (!frame->channel)
		return DETECT_NO;
	return frame->type == FRAME_HEADER ? detect_header(frame) : DETECT_LIKELY;
}

/* A whole frame that ends as it should is proof. */
static enum detect detect(enum sender sender, struct slice head)
{
	struct frame frame;
	enum detect found;
	int read;

	if (head.n && head.p[0] == greeting.p[0]) {
		if (!slice_starts_with(greeting, slice_first(head, greeting.n)))
			return DETECT_NO;
		return head.n < greeting.n ? DETECT_MORE : DETECT_YES;
	}
	read = read_frame(head, &frame);
	if (read <= 0)
		return read ? DETECT_NO : DETECT_MORE;
	found = detect_frame(sender, &frame);
	if (found != DETECT_LIKELY)
		return found;
	if (head.n > FRAME_HEAD_LEN + (size_t)frame.sz)
		return DETECT_YES;
	return frame.type == FRAME_METHOD || frame.type == FRAME_HEADER ? found : DETECT_MORE;
}

static const uint16_t ports[] = {5672, 0};

/* Of bodies only the head, which tells how long they are. */
static const struct frame_shape shape = {
	.header_sz = FRAME_HEAD_LEN,
	.length_at = 3,
	.length_sz = 4,
	.type_at = 0,
	.length_add = FRAME_HEAD_LEN + 1,
	.length_max = FRAME_LEN_MAX,
	.keep = 1024,
	.keep_more = FRAME_HEAD_LEN,
	.kept = {1u << FRAME_METHOD | 1u << FRAME_HEADER},
	.kept_more = {1u << FRAME_BODY},
};

static const struct protocol amqp_protocol = {
	.name = "amqp",
	.ports = ports,
	.state_size = sizeof(struct amqp_state),
	.by_id = true,
	.shape = &shape,
	.detect = detect,
	.parse = parse,
	.resync = resync,
	.describe = messaging_describe,
};
PROTOCOL(amqp_protocol);

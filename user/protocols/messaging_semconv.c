// SPDX-License-Identifier: Apache-2.0
/*
 * Attributes of messaging spans, after the semantic conventions for messaging, 1.44.
 *
 * Kinds. The conventions know the clients: who sends is PRODUCER, who asks for messages or settles
 * them is CLIENT, who is handed one is CONSUMER. The sender stays PRODUCER where the message brings
 * another span's context: what matters to those who read the trace is which end made messages. Of
 * brokers the conventions say nothing. A broker answers requests, so its end of them is SERVER, as in
 * any other call. Where it pushes, it begins something that it does not wait for: that is the
 * PRODUCER of OpenTelemetry's pairs of kinds, and its operation is "send".
 */
#include "user/protocols/messaging_semconv.h"

#include "user/protocols/ends.h"

#define KEY_SYSTEM SLICE("messaging.system")
#define KEY_OPERATION SLICE("messaging.operation.name")
#define KEY_TYPE SLICE("messaging.operation.type")
#define KEY_DESTINATION SLICE("messaging.destination.name")
#define KEY_TEMPLATE SLICE("messaging.destination.template")
#define KEY_TEMPORARY SLICE("messaging.destination.temporary")
#define KEY_ERROR SLICE("error.type")
#define HEX_ID_MIN 8
#define ID_MIN 16
#define LEVEL_MAX 64

static const struct slice client_types[] = {
	[MESSAGING_OTHER] = SLICE(""),		[MESSAGING_SEND] = SLICE("send"),
	[MESSAGING_RECEIVE] = SLICE("receive"), [MESSAGING_DELIVER] = SLICE("process"),
	[MESSAGING_SETTLE] = SLICE("settle"),
};

static void add(struct attrs *attrs, struct slice key, struct slice value)
{
	if (value.n)
		attrs_add_str(attrs, key, value);
}

void messaging_add_operation(struct attrs *attrs, struct slice system, enum messaging_type type,
			     struct slice operation)
{
	add(attrs, KEY_SYSTEM, system);
	add(attrs, KEY_OPERATION, operation);
	add(attrs, KEY_TYPE, client_types[type]);
}

void messaging_add_destination(struct attrs *attrs, struct slice name)
{
	add(attrs, KEY_DESTINATION, name);
}

void messaging_add_temporary(struct attrs *attrs)
{
	attrs_add_bool(attrs, KEY_TEMPORARY, true);
}

void messaging_add_template(struct attrs *attrs, struct slice template)
{
	add(attrs, KEY_TEMPLATE, template);
}

/* Does a level of a topic tell one thing from its like: a number, a UUID, a token? */
static bool is_id(struct slice level)
{
	size_t digits = 0, hexes = 0;

	for (size_t i = 0; i < level.n; i++) {
		char c = level.p[i], lower = c | 0x20;
		bool digit = c >= '0' && c <= '9';

		digits += digit;
		hexes += digit || (lower >= 'a' && lower <= 'f') || c == '-' || c == ':';
	}
	return level.n > LEVEL_MAX || (digits && (digits == level.n || level.n >= ID_MIN ||
						  (hexes == level.n && level.n >= HEX_ID_MIN)));
}

static struct slice take_level(struct slice rest, const char *separators)
{
	size_t n = 0;

	while (n < rest.n && (!rest.p[n] || !strchr(separators, rest.p[n])))
		n++;
	return slice_first(rest, n);
}

void messaging_add_topic(struct msg *msg, struct slice name, const char *separators, char wildcard)
{
	char *text = msg_room(msg, name.n);
	struct slice rest = name;
	size_t n = 0;
	bool any = false;

	messaging_add_destination(&msg->attrs, name);
	while (text && rest.n) {
		struct slice level = take_level(rest, separators);
		bool id = is_id(level);

		any |= id;
		if (id)
			text[n++] = wildcard;
		else if (level.n)
			memcpy(text + n, level.p, level.n);
		n += id ? 0 : level.n;
		if (level.n < rest.n)
			text[n++] = rest.p[level.n];
		rest = slice_after(rest, level.n + 1);
	}
	if (any)
		messaging_add_template(&msg->attrs, slice_of(text, n));
}

void messaging_add_consumer_group(struct attrs *attrs, struct slice name)
{
	add(attrs, SLICE("messaging.consumer.group.name"), name);
}

void messaging_add_message_id(struct attrs *attrs, struct slice id)
{
	add(attrs, SLICE("messaging.message.id"), id);
}

void messaging_add_client_id(struct attrs *attrs, struct slice id)
{
	add(attrs, SLICE("messaging.client.id"), id);
}

void messaging_add_partition(struct msg *msg, int32_t partition)
{
	add(&msg->attrs, SLICE("messaging.destination.partition.id"),
	    msg_number(msg, SLICE(""), partition));
}

void messaging_add_batch_count(struct attrs *attrs, uint64_t messages_cnt)
{
	attrs_add_int(attrs, SLICE("messaging.batch.message_count"), (int64_t)messages_cnt);
}

void messaging_add_body_size(struct attrs *attrs, uint64_t sz)
{
	attrs_add_int(attrs, SLICE("messaging.message.body.size"), (int64_t)sz);
}

void messaging_add_error(struct attrs *attrs, struct slice error)
{
	add(attrs, KEY_ERROR, error);
}

/* The response's, for it comes later, else the request's, else the empty slice. */
static struct slice str_of(const struct exchange_view *x, struct slice key)
{
	const struct attr *attr = attrs_get(x->response, key) ?: attrs_get(x->request, key);

	return attr && attr->type == ATTR_STRING ? attr->str : SLICE("");
}

/* "{operation} {destination}", in the composed text if there is a destination. */
static struct slice name_of(const struct exchange_view *x, struct description *out)
{
	struct slice operation = str_of(x, KEY_OPERATION), system = str_of(x, KEY_SYSTEM);
	struct slice destination = str_of(x, KEY_TEMPLATE);
	char *text = out->text + out->text_len;

	if (!operation.n)
		return system;
	if (!destination.n && !attrs_get(x->request, KEY_TEMPORARY) &&
	    !attrs_get(x->response, KEY_TEMPORARY))
		destination = str_of(x, KEY_DESTINATION);
	if (!destination.n || operation.n + 1 >= sizeof(out->text) - out->text_len)
		return operation;
	destination = slice_first(destination, sizeof(out->text) - out->text_len - operation.n - 1);
	memcpy(text, operation.p, operation.n);
	text[operation.n] = ' ';
	memcpy(text + operation.n + 1, destination.p, destination.n);
	out->text_len += operation.n + 1 + destination.n;
	return slice_of(text, operation.n + 1 + destination.n);
}

static enum described_kind kind_of(const struct exchange_view *x, struct slice type)
{
	bool client = x->side == SIDE_CLIENT;

	if (slice_eq(type, client_types[MESSAGING_DELIVER]))
		return client ? KIND_CONSUMER : KIND_PRODUCER;
	if (slice_eq(type, client_types[MESSAGING_SEND]) && client)
		return KIND_PRODUCER;
	return KIND_OF_SIDE;
}

/* What the request said, but what the response knows better. */
static void add_told(const struct exchange_view *x, struct attrs *attrs)
{
	for (uint16_t i = 0; i < x->request->cnt; i++) {
		struct slice key = x->request->v[i].key;

		if (!slice_eq(key, KEY_ERROR) && !slice_eq(key, KEY_TYPE) &&
		    !attrs_get(x->response, key))
			attrs_add_copy(attrs, &x->request->v[i]);
	}
	for (uint16_t i = 0; i < x->response->cnt; i++)
		if (!slice_eq(x->response->v[i].key, KEY_ERROR))
			attrs_add_copy(attrs, &x->response->v[i]);
}

void messaging_describe(const struct exchange_view *x, struct description *out)
{
	struct slice error = x->failure.n ? x->failure : str_of(x, KEY_ERROR);
	struct slice type = str_of(x, KEY_TYPE);
	struct attrs *attrs = &out->attrs;

	out->operation = name_of(x, out);
	out->kind = kind_of(x, type);
	out->error = error.n > 0;
	add_told(x, attrs);
	add(attrs, KEY_TYPE, out->kind == KIND_PRODUCER ? client_types[MESSAGING_SEND] : type);
	add(attrs, SLICE("server.address"), exchange_server(x));
	if (x->server_port)
		attrs_add_int(attrs, SLICE("server.port"), x->server_port);
	ends_add_peer(attrs, x);
	ends_add_transport(attrs, x);
	add(attrs, KEY_ERROR, error);
}

// SPDX-License-Identifier: Apache-2.0
/*
 * MQTT 3.1, 3.1.1 and 5 (OASIS standards): packets of a type, a length and fields.
 *
 * Both sides publish. A PUBLISH of QoS 0 is a one-way exchange; of QoS 1 its answer is the PUBACK; of
 * QoS 2 the answer begins with the PUBREC and ends with the PUBCOMP. Packet identifiers pair them, each
 * side has its own. Whether fields are those of version 5 is known from CONNECT; for a connection that
 * was joined later it is inferred from the first packet that can only be read one way.
 */
#include <errno.h>

#include "user/base/cursor.h"
#include "user/protocols/messaging_semconv.h"

#define HEAD_MAX 4096		/* bytes of a packet that are looked at */
#define CONNECT_ID (1ull << 16) /* beyond all packet identifiers */
#define FIRST_ERROR 0x80
#define CERTAIN_CNT 4 /* packets in a row that are nothing else */

#define SYSTEM SLICE("mqtt")

enum type {
	CONNECT = 1,
	CONNACK,
	PUBLISH,
	PUBACK,
	PUBREC,
	PUBREL,
	PUBCOMP,
	SUBSCRIBE,
	SUBACK,
	UNSUBSCRIBE,
	UNSUBACK,
	PINGREQ,
	PINGRESP,
	DISCONNECT,
	AUTH,
};

#define BY_CLIENT 0x01
#define BY_SERVER 0x02
#define BY_BOTH (BY_CLIENT | BY_SERVER)

static const struct {
	uint8_t senders, flags;
	uint8_t len_min; /* of the fields */
} types[16] = {
	[CONNECT] = {BY_CLIENT, 0, 10}, [CONNACK] = {BY_SERVER, 0, 2},
	[PUBLISH] = {BY_BOTH, 0, 2},	[PUBACK] = {BY_BOTH, 0, 2},
	[PUBREC] = {BY_BOTH, 0, 2},	[PUBREL] = {BY_BOTH, 2, 2},
	[PUBCOMP] = {BY_BOTH, 0, 2},	[SUBSCRIBE] = {BY_CLIENT, 2, 5},
	[SUBACK] = {BY_SERVER, 0, 3},	[UNSUBSCRIBE] = {BY_CLIENT, 2, 4},
	[UNSUBACK] = {BY_SERVER, 0, 2}, [PINGREQ] = {BY_CLIENT, 0, 0},
	[PINGRESP] = {BY_SERVER, 0, 0}, [DISCONNECT] = {BY_BOTH, 0, 0},
	[AUTH] = {BY_BOTH, 0, 0},
};

struct mqtt_state {
	uint32_t
		epochs[2]; /* of the sender's topic aliases: those from before a gap do not count */
	uint8_t version;   /* 3, 4 or 5; 0: not known yet */
};

struct packet {
	enum type type;
	uint8_t flags;
	unsigned int qos;
	size_t head_len;   /* of type and length */
	uint64_t len;	   /* of the fields and the payload, which follow */
	struct slice seen; /* what there is of them, at most HEAD_MAX */
};

struct properties {
	struct trace_headers trace;
	uint32_t alias;
	unsigned int cnt;
};

/* --- fields ------------------------------------------------------------------------------------- */

static uint32_t take_u8(struct cursor *c)
{
	return (uint32_t)cursor_be(c, 1);
}

static uint32_t take_u16(struct cursor *c)
{
	return (uint32_t)cursor_be(c, 2);
}

static struct slice take_text(struct cursor *c)
{
	return cursor_take(c, take_u16(c));
}

/* At most four bytes of seven bits each, the lowest first. */
static uint32_t take_varint(struct cursor *c)
{
	uint32_t value = 0;

	for (unsigned int shift = 0; shift <= 21; shift += 7) {
		uint32_t byte = take_u8(c);

		value |= (byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return value;
	}
	c->failed = true;
	return 0;
}

/* How a property's value is written, by its identifier. */
static const char formats[256] = {
	[0x01] = '1', [0x17] = '1', [0x19] = '1', [0x24] = '1', [0x25] = '1', [0x28] = '1',
	[0x29] = '1', [0x2a] = '1', [0x13] = '2', [0x21] = '2', [0x22] = '2', [0x23] = '2',
	[0x02] = '4', [0x11] = '4', [0x18] = '4', [0x27] = '4', [0x0b] = 'v', [0x03] = 't',
	[0x08] = 't', [0x09] = 't', [0x12] = 't', [0x15] = 't', [0x16] = 't', [0x1a] = 't',
	[0x1c] = 't', [0x1f] = 't', [0x26] = 'p',
};

static void take_pair(struct cursor *c, struct properties *properties)
{
	struct slice name = take_text(c), value = take_text(c);

	trace_headers__take(&properties->trace, name, value);
}

static void take_property(struct cursor *c, struct properties *properties)
{
	uint32_t identifier = take_u8(c);

	switch (formats[identifier]) {
	case '1':
		take_u8(c);
		break;
	case '2':
		if (identifier == 0x23)
			properties->alias = take_u16(c);
		else
			take_u16(c);
		break;
	case '4':
		cursor_take(c, 4);
		break;
	case 'v':
		take_varint(c);
		break;
	case 't':
		take_text(c);
		break;
	case 'p':
		take_pair(c, properties);
		break;
	default:
		c->failed = true;
	}
	properties->cnt++;
}

/* Those that there are, even where the last are missing. False if they are none. */
static bool take_properties(struct cursor *c, struct properties *properties)
{
	uint32_t len = take_varint(c);
	struct cursor inner = {.rest = slice_first(c->rest, len), .failed = c->failed};

	*properties = (struct properties){.cnt = 0};
	while (inner.rest.n && !inner.failed)
		take_property(&inner, properties);
	cursor_take(c, len);
	return !inner.failed && !c->failed;
}

/* --- packets ------------------------------------------------------------------------------------ */

/* 1 if type and length are there, 0 if more bytes are needed, -EPROTO if it is no packet. */
static int read_packet(struct slice bytes, enum sender sender, struct packet *p)
{
	struct cursor c = {.rest = bytes};
	uint32_t first = take_u8(&c);
	bool publish;

	if (c.failed)
		return 0;
	*p = (struct packet){.type = first >> 4, .flags = first & 0x0f};
	publish = p->type == PUBLISH;
	p->qos = publish ? p->flags >> 1 & 3 : 0;
	if (!(types[p->type].senders & (sender == FROM_CLIENT ? BY_CLIENT : BY_SERVER)) ||
	    (publish ? p->qos == 3 : p->flags != types[p->type].flags))
		return -EPROTO;
	p->len = take_varint(&c);
	if (c.failed)
		return bytes.n > 4 ? -EPROTO : 0;
	if (p->len < types[p->type].len_min + (p->qos ? 2u : 0))
		return -EPROTO;
	p->head_len = bytes.n - c.rest.n;
	p->seen = slice_first(c.rest, p->len < HEAD_MAX ? (size_t)p->len : HEAD_MAX);
	return 1;
}

/* Is all there that will ever be looked at? */
static bool is_seen(const struct packet *p)
{
	return p->seen.n == p->len || p->seen.n == HEAD_MAX;
}

/* Names for what a code of version 5 says, from FIRST_ERROR on. */
static const struct slice reasons[] = {
	SLICE("unspecified_error"),
	SLICE("malformed_packet"),
	SLICE("protocol_error"),
	SLICE("implementation_specific_error"),
	SLICE("unsupported_protocol_version"),
	SLICE("client_identifier_not_valid"),
	SLICE("bad_user_name_or_password"),
	SLICE("not_authorized"),
	SLICE("server_unavailable"),
	SLICE("server_busy"),
	SLICE("banned"),
	SLICE("server_shutting_down"),
	SLICE("bad_authentication_method"),
	SLICE("keep_alive_timeout"),
	SLICE("session_taken_over"),
	SLICE("topic_filter_invalid"),
	SLICE("topic_name_invalid"),
	SLICE("packet_identifier_in_use"),
	SLICE("packet_identifier_not_found"),
	SLICE("receive_maximum_exceeded"),
	SLICE("topic_alias_invalid"),
	SLICE("packet_too_large"),
	SLICE("message_rate_too_high"),
	SLICE("quota_exceeded"),
	SLICE("administrative_action"),
	SLICE("payload_format_invalid"),
	SLICE("retain_not_supported"),
	SLICE("qos_not_supported"),
	SLICE("use_another_server"),
	SLICE("server_moved"),
	SLICE("shared_subscriptions_not_supported"),
	SLICE("connection_rate_exceeded"),
	SLICE("maximum_connect_time"),
	SLICE("subscription_identifiers_not_supported"),
	SLICE("wildcard_subscriptions_not_supported"),
};

static bool is_reason(uint32_t code)
{
	return code <= 2 || code == 0x04 || (code >= 0x10 && code <= 0x19) ||
	       (code >= FIRST_ERROR && code < FIRST_ERROR + sizeof(reasons) / sizeof(*reasons));
}

static void add_reason(struct msg *msg, uint32_t code)
{
	if (code >= FIRST_ERROR)
		messaging_add_error(&msg->attrs, is_reason(code) ? reasons[code - FIRST_ERROR]
								 : SLICE("_OTHER"));
}

/* --- CONNECT, DISCONNECT ------------------------------------------------------------------------ */

static void add_operation(struct msg *msg, enum messaging_type type, struct slice operation)
{
	messaging_add_operation(&msg->attrs, SYSTEM, type, operation);
}

/* Name and version of the protocol; 0 if it is another, or cut. */
static uint8_t take_version(struct cursor *c)
{
	struct slice name = take_text(c);
	uint32_t version = take_u8(c), flags = take_u8(c);

	if (c->failed || flags & 1)
		return 0;
	if (slice_eq(name, SLICE("MQTT")))
		return version == 4 || version == 5 ? (uint8_t)version : 0;
	return slice_eq(name, SLICE("MQIsdp")) && version == 3 ? 3 : 0;
}

static void fill_connect(struct mqtt_state *state, const struct packet *p, struct msg *msg)
{
	struct cursor c = {.rest = p->seen};
	struct properties unused;
	struct slice id;

	state->version = take_version(&c);
	cursor_take(&c, 2); /* keep alive */
	if (state->version == 5)
		take_properties(&c, &unused);
	id = take_text(&c);
	msg->kind = MSG_REQUEST;
	msg->id = CONNECT_ID;
	add_operation(msg, MESSAGING_OTHER, SLICE("connect"));
	messaging_add_client_id(&msg->attrs, id);
}

static void fill_connack(struct mqtt_state *state, const struct packet *p, struct msg *msg)
{
	/* Versions 3 and 4 count from 1; the same in the words of version 5. */
	static const uint8_t newer[] = {0, 0x84, 0x85, 0x88, 0x86, 0x87};
	struct cursor c = {.rest = slice_after(p->seen, 1)};
	uint32_t code = take_u8(&c);

	if (!state->version)
		state->version = p->len == 2 ? 4 : 5;
	if (code && code < FIRST_ERROR)
		code = code < sizeof(newer) ? newer[code] : FIRST_ERROR;
	msg->kind = MSG_RESPONSE;
	msg->id = CONNECT_ID;
	add_reason(msg, code);
}

static void fill_disconnect(const struct packet *p, enum sender sender, struct msg *msg)
{
	struct cursor c = {.rest = p->seen};

	msg->kind = MSG_ONEWAY;
	msg->initiator = sender;
	add_operation(msg, MESSAGING_OTHER, SLICE("disconnect"));
	add_reason(msg, take_u8(&c));
}

/* --- PUBLISH and its acknowledgements ----------------------------------------------------------- */

/* Of an alias, which a message names instead of its topic once it has named both. */
static struct slice resolve_alias(const struct mqtt_state *state, enum sender sender,
				  struct slice topic, uint32_t alias, struct msg *msg)
{
	uint64_t name = (uint64_t)state->epochs[sender] << 32 | alias << 1 | sender;

	if (alias && topic.n)
		memo__put(msg->memo, msg->memo_owner, name, topic);
	else if (alias)
		memo__get(msg->memo, msg->memo_owner, name, &topic);
	return topic;
}

/* Would the list of properties that begins here end within the packet? */
static bool has_room_for_list(const struct packet *p, struct cursor c)
{
	uint32_t len = take_varint(&c);

	return c.failed || len <= p->len - (p->seen.n - c.rest.n);
}

/*
 * The properties of a PUBLISH. Where the version is not known, a payload that begins like a whole list of
 * properties is one; what does not begin so is none of version 5, whatever it was taken for before.
 */
static void take_publish_properties(struct mqtt_state *state, const struct packet *p,
				    struct cursor *c, struct properties *properties)
{
	struct cursor list = *c;
	bool is_list, cut;

	*properties = (struct properties){.cnt = 0};
	if (c->failed || (state->version && state->version < 5))
		return;
	is_list = take_properties(&list, properties);
	cut = list.failed && p->seen.n < p->len && has_room_for_list(p, *c);
	if (is_list && properties->cnt)
		state->version = 5;
	else if (!is_list && !cut)
		state->version = 4;
	if (state->version == 5)
		*c = list;
	else
		*properties = (struct properties){.cnt = 0};
}

static void fill_publish(struct mqtt_state *state, const struct packet *p, enum sender sender,
			 struct cursor *c, struct msg *msg)
{
	struct slice topic = take_text(c);
	uint32_t id = p->qos ? take_u16(c) : 0;
	struct properties properties;
	struct trace_parent from;
	struct slice trace_state;

	take_publish_properties(state, p, c, &properties);
	topic = resolve_alias(state, sender, topic, properties.alias, msg);
	msg->kind = id ? MSG_REQUEST : MSG_ONEWAY;
	msg->initiator = sender;
	msg->id = id;
	from = trace_headers__read(&properties.trace, &trace_state);
	if (sender == FROM_CLIENT) {
		msg->parent = from;
		msg->tracestate = trace_state;
		add_operation(msg, MESSAGING_SEND, SLICE("publish"));
	} else {
		msg_link(msg, from);
		add_operation(msg, MESSAGING_DELIVER, SLICE("deliver"));
	}
	messaging_add_topic(msg, topic, "/", '+');
	if (!c->failed)
		messaging_add_body_size(&msg->attrs, p->len - (p->seen.n - c->rest.n));
}

/* How many bytes of its fields a PUBLISH must show; 0 if even that is not known yet. */
static size_t publish_need(const struct mqtt_state *state, const struct packet *p)
{
	struct cursor c = {.rest = p->seen};
	size_t need, topic_len = take_u16(&c);

	if (c.failed)
		return 0;
	need = 2 + topic_len + (p->qos ? 2 : 0);
	c.rest = slice_after(p->seen, need);
	if ((state->version && state->version < 5) || need >= p->len)
		return need;
	topic_len = take_varint(&c);
	if (c.failed)
		return p->seen.n < need + 4 && !is_seen(p) ? 0 : need;
	need = p->seen.n - c.rest.n;
	return need + topic_len <= p->len ? need + topic_len : need;
}

static ssize_t parse_publish(struct mqtt_state *state, const struct packet *p, enum sender sender,
			     bool last, struct msg *msg)
{
	size_t need = publish_need(state, p);
	struct cursor c = {.rest = p->seen};

	if ((!need || p->seen.n < need) && !is_seen(p) && !last)
		return 0;
	fill_publish(state, p, sender, &c, msg);
	if (c.failed) { /* cut, or longer than anyone looks at */
		if (is_seen(p) && p->seen.n == p->len)
			msg->flags |= MESSAGE_MALFORMED;
		c.rest = slice_after(p->seen, p->seen.n);
	}
	return (ssize_t)(p->head_len + (p->seen.n - c.rest.n));
}

/* PUBACK, PUBREC and PUBCOMP: of what the other sender published. */
static void fill_ack(struct mqtt_state *state, const struct packet *p, enum sender sender,
		     struct msg *msg)
{
	struct cursor c = {.rest = p->seen};
	uint32_t id = take_u16(&c), code = take_u8(&c);

	if (p->len > 2 && !state->version)
		state->version = 5;
	if (!id)
		return;
	msg->kind = p->type == PUBCOMP ? MSG_END : MSG_RESPONSE;
	msg->initiator = sender == FROM_CLIENT ? FROM_SERVER : FROM_CLIENT;
	msg->id = id;
	if (p->type == PUBREC && code < FIRST_ERROR)
		msg->flags |= MESSAGE_HAS_PARTS;
	add_reason(msg, code);
}

/* --- subscriptions ------------------------------------------------------------------------------ */

struct filters {
	struct slice only; /* if there is one */
	unsigned int cnt;
};

/* The filters of a SUBSCRIBE or UNSUBSCRIBE, up to the end; false if they do not end there. */
static bool take_filters(struct cursor *c, bool subscribe, struct filters *filters)
{
	filters->cnt = 0;
	while (c->rest.n && !c->failed) {
		struct slice filter = take_text(c);
		uint32_t options = subscribe ? take_u8(c) : 0;

		if (!filter.n || options & 0xc0 || (options & 3) == 3)
			return false;
		filters->only = filters->cnt++ ? SLICE("") : filter;
	}
	return !c->failed && filters->cnt > 0;
}

/* In either version; tells in which. False if it is whole and none. */
static bool read_filters(const struct packet *p, uint8_t *version, struct filters *filters)
{
	struct cursor plain = {.rest = slice_after(p->seen, 2)}, newer = plain;
	bool subscribe = p->type == SUBSCRIBE;
	struct properties unused;

	*filters = (struct filters){.cnt = 0};
	if (*version != 5 && take_filters(&plain, subscribe, filters)) {
		*version = *version ? *version : 4;
		return true;
	}
	if (!*version || *version == 5) {
		if (take_properties(&newer, &unused) && take_filters(&newer, subscribe, filters)) {
			*version = 5;
			return true;
		}
	}
	filters->cnt = 0;
	return false;
}

/* "$share/GROUP/FILTER" */
static void add_filter(struct msg *msg, struct slice filter)
{
	ptrdiff_t slash;

	if (slice_starts_with(filter, SLICE("$share/"))) {
		struct slice shared = slice_after(filter, sizeof("$share/") - 1);

		slash = slice_find(shared, '/');
		if (slash > 0) {
			messaging_add_consumer_group(&msg->attrs,
						     slice_first(shared, (size_t)slash));
			filter = slice_after(shared, (size_t)slash + 1);
		}
	}
	messaging_add_topic(msg, filter, "/", '+');
}

static void fill_subscribe(struct mqtt_state *state, const struct packet *p, struct msg *msg)
{
	struct cursor c = {.rest = p->seen};
	struct filters filters;

	msg->id = take_u16(&c);
	if (!msg->id)
		return;
	msg->kind = MSG_REQUEST;
	add_operation(msg, MESSAGING_OTHER,
		      p->type == SUBSCRIBE ? SLICE("subscribe") : SLICE("unsubscribe"));
	if (read_filters(p, &state->version, &filters) && filters.cnt == 1)
		add_filter(msg, filters.only);
}

/* The first code that tells of a failure counts. */
static void fill_suback(struct mqtt_state *state, const struct packet *p, struct msg *msg)
{
	struct cursor c = {.rest = p->seen};
	uint32_t code = 0;
	struct properties unused;

	msg->id = take_u16(&c);
	if (!msg->id)
		return;
	msg->kind = MSG_RESPONSE;
	if (state->version == 5)
		take_properties(&c, &unused);
	while (c.rest.n && !c.failed && code < FIRST_ERROR)
		code = take_u8(&c);
	add_reason(msg, code);
}

/* --- the protocol ------------------------------------------------------------------------------- */

static void fill(struct mqtt_state *state, const struct packet *p, enum sender sender,
		 struct msg *msg)
{
	switch (p->type) {
	case CONNECT:
		fill_connect(state, p, msg);
		break;
	case CONNACK:
		fill_connack(state, p, msg);
		break;
	case PUBACK:
	case PUBREC:
	case PUBCOMP:
		fill_ack(state, p, sender, msg);
		break;
	case SUBSCRIBE:
	case UNSUBSCRIBE:
		fill_subscribe(state, p, msg);
		break;
	case SUBACK:
	case UNSUBACK:
		fill_suback(state, p, msg);
		break;
	case DISCONNECT:
		fill_disconnect(p, sender, msg);
		break;
	case PUBLISH:
	case PUBREL:
	case PINGREQ:
	case PINGRESP:
	case AUTH:
		break;
	}
}

static ssize_t parse(void *opaque, enum sender sender, struct slice bytes, bool last,
		     struct msg *msg)
{
	struct mqtt_state *state = opaque;
	struct packet p;
	int read = read_packet(bytes, sender, &p);
	ssize_t consumed;

	if (read < 0)
		return -EPROTO;
	if (!read) {
		if (!last)
			return 0;
		msg->flags |= MESSAGE_TRUNCATED;
		return (ssize_t)bytes.n;
	}
	if (p.type == PUBLISH) {
		consumed = parse_publish(state, &p, sender, last, msg);
	} else {
		if (!is_seen(&p) && !last)
			return 0;
		fill(state, &p, sender, msg);
		consumed = (ssize_t)(p.head_len + p.seen.n);
	}
	if (consumed > 0)
		msg->skip = p.head_len + p.len - (uint64_t)consumed;
	return consumed;
}

static void resync(void *opaque, enum sender sender)
{
	struct mqtt_state *state = opaque;

	state->epochs[sender]++;
}

/* --- detection ---------------------------------------------------------------------------------- */

static bool is_topic(struct slice s)
{
	bool good = s.n > 0;

	for (size_t i = 0; i < s.n; i++)
		good &= (unsigned char)s.p[i] >= ' ' && s.p[i] != 0x7f && s.p[i] != '#' &&
			s.p[i] != '+';
	return good;
}

static enum detect detect_publish(const struct packet *p)
{
	struct cursor c = {.rest = p->seen};
	uint32_t topic_len = take_u16(&c);
	struct slice topic = slice_first(c.rest, topic_len);

	if (c.failed)
		return DETECT_MORE;
	if (!topic_len || topic_len + 2 + (p->qos ? 2 : 0) > p->len ||
	    (topic.n && !is_topic(topic)))
		return DETECT_NO;
	cursor_take(&c, topic_len);
	if (p->qos && !take_u16(&c) && !c.failed)
		return DETECT_NO;
	return c.failed ? DETECT_MORE : DETECT_LIKELY;
}

static enum detect detect_connect(const struct packet *p)
{
	static const struct slice starts[] = {SLICE("\0\4MQTT"), SLICE("\0\6MQIsdp")};
	struct cursor c = {.rest = p->seen};

	for (size_t i = 0; i < 2; i++) {
		struct slice start = slice_first(p->seen, starts[i].n);

		if (!slice_starts_with(starts[i], start))
			continue;
		if (p->seen.n < starts[i].n + 2)
			return DETECT_MORE;
		return take_version(&c) ? DETECT_YES : DETECT_NO;
	}
	return DETECT_NO;
}

static bool is_ack(enum type type)
{
	return type == PUBACK || type == PUBREC || type == PUBREL || type == PUBCOMP;
}

/* A whole packet of those with few fields; of an acknowledgement, its beginning. */
static bool is_plausible(const struct packet *p)
{
	struct cursor c = {.rest = p->seen};
	uint32_t first = p->len ? take_u8(&c) : 0, second = p->len > 1 ? take_u8(&c) : 0;
	uint32_t third = p->len > 2 ? take_u8(&c) : 0;
	struct filters filters;
	uint8_t version = 0;

	switch (p->type) {
	case CONNACK:
		if (p->len == 2)
			return first <= 1 && second <= 5;
		c.rest = slice_after(p->seen, 2);
		return first <= 1 && is_reason(second) && take_varint(&c) == c.rest.n;
	case SUBSCRIBE:
	case UNSUBSCRIBE:
		return first + second && read_filters(p, &version, &filters);
	case DISCONNECT:
	case AUTH:
		return is_reason(first);
	case PINGREQ:
	case PINGRESP:
		return p->len == 0;
	case SUBACK:
	case UNSUBACK:
		return first + second;
	default:
		return first + second && is_reason(third);
	}
}

/* Its two bytes are the length of something in many protocols. */
static bool is_everyones(enum type type)
{
	return type == PINGREQ || type == PINGRESP || type == DISCONNECT;
}

/* One packet may look like something else; some in a row do not. */
static enum detect detect(enum sender sender, struct slice head)
{
	enum detect so_far = DETECT_MORE;
	unsigned int likely_cnt = 0;

	while (head.n) {
		struct packet p;
		int read = read_packet(head, sender, &p);
		enum detect found = DETECT_MORE;

		if (read <= 0)
			return read < 0 ? DETECT_NO : so_far;
		if (p.type == CONNECT)
			return detect_connect(&p);
		if (p.type == PUBLISH)
			found = detect_publish(&p);
		else if (p.seen.n == p.len || (is_ack(p.type) && p.seen.n >= 3))
			found = is_plausible(&p) ? DETECT_LIKELY : DETECT_NO;
		if (found == DETECT_NO)
			return DETECT_NO;
		if (found == DETECT_LIKELY && !is_everyones(p.type))
			so_far = ++likely_cnt < CERTAIN_CNT ? DETECT_LIKELY : DETECT_YES;
		if (head.n - p.head_len < p.len)
			break;
		head = slice_after(head, p.head_len + (size_t)p.len);
	}
	return so_far;
}

static const uint16_t ports[] = {1883, 0};

static const struct protocol mqtt_protocol = {
	.name = "mqtt",
	.ports = ports,
	.state_size = sizeof(struct mqtt_state),
	.by_id = true,
	.detect = detect,
	.parse = parse,
	.resync = resync,
	.describe = messaging_describe,
};
PROTOCOL(mqtt_protocol);

// SPDX-License-Identifier: Apache-2.0
/*
 * Kafka (https://kafka.apache.org/protocol): frames of a 32-bit size, requests with a key, a version and
 * a correlation id, responses with nothing but that id. So the calls under way are remembered. A frame's
 * first bytes are enough: what they do not show is not told.
 */
#include <errno.h>

#include "user/protocols/kafka_api.h"

#define FRAME_PREFIX_SZ 4 /* the size, which does not count itself */
#define FRAME_KEEP 4096
#define FRAME_MAX (1u << 30)
#define REQUEST_HEADER_SZ 8 /* key, version, correlation id */
#define RESPONSE_HEADER_SZ 4

/* Detection: brokers take no larger requests by default, and nobody names clients at such length. */
#define DETECT_FRAME_MAX (100u << 20)
#define DETECT_VERSION_MAX 31
#define DETECT_CLIENT_ID_MAX 255

/*
 * Clients count their requests up, so these slots hold the last CALLS_MAX ones. Who has more under way
 * loses the names of errors, but no span.
 */
#define CALLS_MAX 256

struct call {
	int32_t correlation_id;
	int16_t key;
	uint8_t version;
	bool known;
};

struct kafka_state {
	struct call calls[CALLS_MAX];
};

static struct call *call_slot(struct kafka_state *state, int32_t correlation_id)
{
	return &state->calls[(uint32_t)correlation_id % CALLS_MAX];
}

/* Never 0. */
static uint64_t exchange_id(int32_t correlation_id)
{
	return (uint64_t)(uint32_t)correlation_id + 1;
}

/* --- messages --------------------------------------------------------------------------------- */

static void read_request(struct kafka_state *state, struct wire w, struct msg *msg)
{
	int16_t key = wire_i16(&w), version = wire_i16(&w);
	int32_t correlation_id = wire_i32(&w);
	const struct kafka_api *api = kafka_api(key);
	struct kafka_body body = {.version = version, .msg = msg};
	struct slice name, client_id = SLICE("");

	if (key < 0 || key > UINT8_MAX || version < 0 || version > INT8_MAX)
		return; /* no call: a token of authentication before version 1 of SaslHandshake */
	msg->kind = MSG_REQUEST;
	msg->id = exchange_id(correlation_id);
	name = !api		  ? msg_number(msg, SLICE("Call "), key)
	       : api->operation.n ? api->operation
				  : api->name;
	messaging_add_operation(&msg->attrs, SLICE("kafka"), api ? api->type : MESSAGING_OTHER,
				name);
	if (key != KAFKA_CONTROLLED_SHUTDOWN || version > 0)
		client_id = wire_string(&w);
	messaging_add_client_id(&msg->attrs, client_id);
	body.w = w;
	body.w.flexible = api && version >= api->flexible_from;
	wire_tags(&body.w);
	if (api && api->read_request && version <= api->known_to)
		api->read_request(&body);
	if (body.oneway)
		msg->kind = MSG_ONEWAY;
	else
		*call_slot(state, correlation_id) = (struct call){.correlation_id = correlation_id,
								  .key = key,
								  .version = (uint8_t)version,
								  .known = true};
}

static void read_response(struct kafka_state *state, struct wire w, struct msg *msg)
{
	int32_t correlation_id = wire_i32(&w);
	struct call *call = call_slot(state, correlation_id);
	const struct kafka_api *api;
	struct kafka_body body = {.w = w, .msg = msg};

	msg->kind = MSG_RESPONSE;
	msg->id = exchange_id(correlation_id);
	if (!call->known || call->correlation_id != correlation_id)
		return;
	call->known = false;
	api = kafka_api(call->key);
	if (!api || !api->read_response || call->version > api->known_to)
		return;
	body.version = call->version;
	body.w.flexible = call->version >= api->flexible_from;
	if (call->key != KAFKA_API_VERSIONS) /* whoever asks does not know yet what is understood */
		wire_tags(&body.w);
	if (call->version >= api->throttled_from)
		wire_skip(&body.w, 4);
	api->read_response(&body);
	messaging_add_error(&msg->attrs, body.error);
}

static ssize_t kafka_parse(void *state, enum sender sender, struct slice bytes, bool last,
			   struct msg *msg)
{
	size_t header_sz = sender == FROM_CLIENT ? REQUEST_HEADER_SZ : RESPONSE_HEADER_SZ;
	struct wire w = {.rest = bytes};
	uint32_t sz = (uint32_t)wire_i32(&w);
	size_t frame_sz = (size_t)sz + FRAME_PREFIX_SZ, need;

	if (w.cut) {
		msg->flags = last ? MESSAGE_TRUNCATED : 0;
		return last ? (ssize_t)bytes.n : 0;
	}
	if (frame_sz > FRAME_MAX || sz < header_sz)
		return -EPROTO;
	need = frame_sz < FRAME_KEEP ? frame_sz : FRAME_KEEP;
	if (bytes.n < need && !last)
		return 0;
	w.rest = slice_after(slice_first(bytes, need), FRAME_PREFIX_SZ);
	if (w.rest.n >= header_sz && sender == FROM_CLIENT)
		read_request(state, w, msg);
	else if (w.rest.n >= header_sz)
		read_response(state, w, msg);
	need = bytes.n < need ? bytes.n : need;
	msg->skip = frame_sz - need;
	return (ssize_t)need;
}

/* --- detection -------------------------------------------------------------------------------- */

/* Is it what a client calls itself? */
static bool is_client_id(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < ' ' || s.p[i] > '~')
			return false;
	return true;
}

/*
 * A frame of this size that is here as a whole, and nothing after it: four bytes that tell the number
 * of those that follow are hardly there by chance.
 */
static enum detect detect_whole(uint32_t sz, struct slice head)
{
	if (head.n < (size_t)sz + FRAME_PREFIX_SZ)
		return DETECT_MORE;
	return head.n == (size_t)sz + FRAME_PREFIX_SZ ? DETECT_LIKELY : DETECT_NO;
}

static enum detect detect_response(uint32_t sz, struct wire w, struct slice head)
{
	int32_t correlation_id = wire_i32(&w);

	if (sz < RESPONSE_HEADER_SZ + 2 || correlation_id < 0) /* no answer is empty */
		return DETECT_NO;
	return detect_whole(sz, head);
}

static enum detect detect_request(uint32_t sz, struct wire w, struct slice head)
{
	int16_t key = wire_i16(&w), version, client_id_len;
	struct slice client_id;
	bool cut = w.cut;

	if (sz < REQUEST_HEADER_SZ + 2 || (!cut && !kafka_api(key)))
		return DETECT_NO;
	version = wire_i16(&w);
	if (version < 0 || version > DETECT_VERSION_MAX || wire_i32(&w) < 0)
		return DETECT_NO;
	client_id_len = wire_i16(&w);
	if (w.cut)
		return DETECT_MORE;
	if (client_id_len < -1 || client_id_len > DETECT_CLIENT_ID_MAX ||
	    (uint32_t)(REQUEST_HEADER_SZ + 2 + client_id_len) > sz)
		return DETECT_NO;
	client_id = slice_first(w.rest, client_id_len > 0 ? (size_t)client_id_len : 0);
	if (!is_client_id(client_id))
		return DETECT_NO;
	if (client_id_len > 0)
		return client_id.n == (size_t)client_id_len ? DETECT_YES : DETECT_MORE;
	/* Without a name: the calls that begin a connection. */
	if (key == KAFKA_API_VERSIONS || key == KAFKA_METADATA)
		return detect_whole(sz, head);
	return DETECT_NO;
}

static enum detect kafka_detect(enum sender sender, struct slice head)
{
	struct wire w = {.rest = head};
	uint32_t sz;

	if (head.n < FRAME_PREFIX_SZ)
		return head.n && (uint8_t)head.p[0] > DETECT_FRAME_MAX >> 24 ? DETECT_NO
									     : DETECT_MORE;
	sz = (uint32_t)wire_i32(&w);
	if (sz > DETECT_FRAME_MAX)
		return DETECT_NO;
	return sender == FROM_CLIENT ? detect_request(sz, w, head) : detect_response(sz, w, head);
}

/* --- the protocol ----------------------------------------------------------------------------- */

static const uint16_t ports[] = {9092, 0};

/* All frames are calls, so all are copied: any key's first byte, any correlation id's. */
static const struct frame_shape shape = {
	.header_sz = FRAME_PREFIX_SZ + RESPONSE_HEADER_SZ,
	.length_at = 0,
	.length_sz = FRAME_PREFIX_SZ,
	.type_at = FRAME_PREFIX_SZ,
	.length_add = FRAME_PREFIX_SZ,
	.length_max = FRAME_MAX,
	.keep = FRAME_KEEP,
	.kept = {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX},
};

static const struct protocol kafka = {
	.name = "kafka",
	.ports = ports,
	.state_size = sizeof(struct kafka_state),
	.by_id = true,
	.shape = &shape,
	.detect = kafka_detect,
	.parse = kafka_parse,
	.describe = messaging_describe,
};

PROTOCOL(kafka);

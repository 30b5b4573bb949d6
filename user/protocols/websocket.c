// SPDX-License-Identifier: Apache-2.0
/*
 * WebSocket (RFC 6455), which begins with an upgrade of HTTP/1.1. The connection is one exchange, from
 * the upgrade to the end; its messages are counted and not looked into, compressed or not. There are no
 * semantic conventions for it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "user/protocols/http_semconv.h"
#include "user/protocols/protocol.h"

#define CONTROL_LEN_MAX 125
#define CLOSE_NORMAL 1000
#define CLOSE_GOING_AWAY 1001

#define BIT_FINAL 0x80u
#define BITS_RESERVED 0x30u /* but the one that tells of compression */
#define BIT_MASKED 0x80u

enum opcode {
	OPCODE_CONTINUATION = 0,
	OPCODE_TEXT = 1,
	OPCODE_BINARY = 2,
	OPCODE_CLOSE = 8,
	OPCODE_PING = 9,
	OPCODE_PONG = 10,
};

struct websocket_state {
	uint64_t message_cnt[2], byte_cnt[2]; /* by enum sender */
	uint16_t close_code;		      /* of the first close frame that has one */
	bool missed;			      /* some bytes were, so perhaps messages too */
};

struct frame {
	uint8_t opcode;
	bool final;
	uint32_t header_len;
	uint64_t payload_len;
	uint8_t mask[4];
};

static bool is_opcode(uint8_t opcode)
{
	return opcode <= OPCODE_BINARY || (opcode >= OPCODE_CLOSE && opcode <= OPCODE_PONG);
}

/* The bytes of a header that begins with those two; 0 if there is none that does. */
static uint32_t header_len(enum sender sender, uint8_t first, uint8_t second)
{
	bool masked = second & BIT_MASKED, control = first & OPCODE_CLOSE;
	uint8_t len = second & 0x7f;

	if (!is_opcode(first & 0x0f) || (first & BITS_RESERVED) ||
	    masked != (sender == FROM_CLIENT) ||
	    (control && (!(first & BIT_FINAL) || len > CONTROL_LEN_MAX)))
		return 0;
	return 2 + (len == 127 ? 8 : len == 126 ? 2 : 0) + (masked ? 4 : 0);
}

static uint64_t big_endian(const uint8_t *p, unsigned int n)
{
	uint64_t number = 0;

	for (unsigned int i = 0; i < n; i++)
		number = number << 8 | p[i];
	return number;
}

/* 1, 0 when more bytes are needed, or -EPROTO. */
static int read_frame(enum sender sender, struct slice bytes, struct frame *frame)
{
	const uint8_t *p = (const uint8_t *)bytes.p;
	uint8_t len;

	if (bytes.n < 2)
		return 0;
	frame->header_len = header_len(sender, p[0], p[1]);
	if (!frame->header_len)
		return -EPROTO;
	if (bytes.n < frame->header_len)
		return 0;
	frame->opcode = p[0] & 0x0f;
	frame->final = p[0] & BIT_FINAL;
	len = p[1] & 0x7f;
	frame->payload_len = len == 127	  ? big_endian(p + 2, 8)
			     : len == 126 ? big_endian(p + 2, 2)
					  : len;
	if (sender == FROM_CLIENT)
		memcpy(frame->mask, p + frame->header_len - 4, 4);
	else
		memset(frame->mask, 0, 4);
	return frame->payload_len > INT64_MAX ? -EPROTO : 1;
}

static void count(struct websocket_state *state, enum sender sender, const struct frame *frame)
{
	if (frame->opcode > OPCODE_BINARY)
		return;
	state->message_cnt[sender] += frame->final;
	state->byte_cnt[sender] += frame->payload_len;
}

/* The code at the beginning of a close frame's payload. */
static void read_close(struct websocket_state *state, const struct frame *frame,
		       struct slice payload)
{
	if (!state->close_code && payload.n >= 2)
		state->close_code = (uint16_t)(((uint8_t)payload.p[0] ^ frame->mask[0]) << 8 |
					       ((uint8_t)payload.p[1] ^ frame->mask[1]));
}

static ssize_t parse(void *state, enum sender sender, struct slice bytes, bool last,
		     struct msg *msg)
{
	struct websocket_state *websocket = state;
	struct frame frame = {.opcode = 0};
	int err = read_frame(sender, bytes, &frame);
	uint32_t len = frame.header_len;

	if (err < 0)
		return err;
	if (err == 0) {
		if (last)
			msg->flags |= MESSAGE_TRUNCATED;
		return last ? (ssize_t)bytes.n : 0;
	}
	if (frame.opcode == OPCODE_CLOSE && frame.payload_len >= 2) {
		if (bytes.n < len + 2u && !last)
			return 0;
		read_close(websocket, &frame, slice_after(bytes, len));
		len = bytes.n < len + 2u ? (uint32_t)bytes.n : len + 2;
	}
	count(websocket, sender, &frame);
	msg->skip = frame.header_len + frame.payload_len - len;
	return len;
}

static void resync(void *state, enum sender sender)
{
	struct websocket_state *websocket = state;

	(void)sender;
	websocket->missed = true;
}

static void conclude(const void *state, struct msg *msg)
{
	const struct websocket_state *websocket = state;

	attrs_add_int(&msg->attrs, SLICE("websocket.client.message_count"),
		      (int64_t)websocket->message_cnt[FROM_CLIENT]);
	attrs_add_int(&msg->attrs, SLICE("websocket.client.message_bytes"),
		      (int64_t)websocket->byte_cnt[FROM_CLIENT]);
	attrs_add_int(&msg->attrs, SLICE("websocket.server.message_count"),
		      (int64_t)websocket->message_cnt[FROM_SERVER]);
	attrs_add_int(&msg->attrs, SLICE("websocket.server.message_bytes"),
		      (int64_t)websocket->byte_cnt[FROM_SERVER]);
	if (websocket->missed)
		attrs_add_bool(&msg->attrs, SLICE("websocket.incomplete"), true);
	if (websocket->close_code)
		attrs_add_int(&msg->attrs, SLICE("websocket.close_code"), websocket->close_code);
}

/* Only an upgrade leads here: a frame looks like anything. */
static enum detect detect(enum sender sender, struct slice head)
{
	(void)sender;
	(void)head;
	return DETECT_NO;
}

/* --- spans ------------------------------------------------------------------------------------ */

/* What http_describe said of the request itself is on that one's own span. */
static void drop_http(struct attrs *attrs)
{
	uint16_t cnt = 0;

	for (uint16_t i = 0; i < attrs->cnt; i++)
		if (!slice_starts_with(attrs->v[i].key, SLICE("http.")) &&
		    !slice_eq(attrs->v[i].key, SLICE("network.protocol.version")))
			attrs->v[cnt++] = attrs->v[i];
	attrs->cnt = cnt;
}

static struct slice close_error(const struct attrs *response, struct description *out)
{
	const struct attr *code = attrs_get(response, SLICE("websocket.close_code"));
	char *p = out->text + out->text_len;
	int n;

	if (!code || code->num == CLOSE_NORMAL || code->num == CLOSE_GOING_AWAY)
		return SLICE("");
	n = snprintf(p, sizeof(out->text) - out->text_len, "%" PRId64, code->num);
	if (n <= 0 || (size_t)n >= sizeof(out->text) - out->text_len)
		return SLICE("_OTHER");
	out->text_len += (size_t)n;
	return slice_of(p, (size_t)n);
}

static void describe(const struct exchange_view *x, struct description *out)
{
	struct attrs *attrs = &out->attrs;
	struct slice error;

	http_describe(x, out);
	drop_http(attrs);
	out->operation = SLICE("WEBSOCKET");
	attrs_add_str(attrs, SLICE("network.protocol.name"), SLICE("websocket"));
	for (uint16_t i = 0; i < x->response->cnt; i++)
		if (slice_starts_with(x->response->v[i].key, SLICE("websocket.")))
			attrs_add_copy(attrs, &x->response->v[i]);
	if (x->failure.n) /* http_describe has told it */
		return;
	error = close_error(x->response, out);
	out->error = error.n > 0;
	if (error.n)
		attrs_add_str(attrs, SLICE("error.type"), error);
}

static const struct protocol websocket_protocol = {
	.name = "websocket",
	.state_size = sizeof(struct websocket_state),
	.detect = detect,
	.parse = parse,
	.resync = resync,
	.conclude = conclude,
	.describe = describe,
};
PROTOCOL(websocket_protocol);

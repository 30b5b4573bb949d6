// SPDX-License-Identifier: Apache-2.0
/*
 * HTTP/2 (RFC 9113), and what gRPC says in its headers. An exchange is a stream: HEADERS begin it,
 * DATA and trailers are its parts. A header block that is continued in further frames comes as parts
 * too, so no frame waits for another.
 */
#include <errno.h>

#include "user/protocols/grpc_semconv.h"
#include "user/protocols/hpack.h"
#include "user/protocols/http_headers.h"
#include "user/protocols/http_semconv.h"
#include "user/protocols/protocol.h"

#define HEADER_SZ 9
/* As much of a frame of headers is waited for; it is what a frame may have unless agreed. */
#define FRAME_MAX (HEADER_SZ + 16384)
#define CARRY_MAX 512
#define FINGERPRINT_VALUE_MAX 4096 /* longer values are not undone for it */
#define STREAMS_CNT 256
/* More requests than that were not missed at once. */
#define MISSED_MAX (1u << 20)
#define DETECT_FRAMES_MAX 8
#define DETECT_FIELDS_MAX 16

enum frame_type {
	FRAME_DATA,
	FRAME_HEADERS,
	FRAME_PRIORITY,
	FRAME_RST_STREAM,
	FRAME_SETTINGS,
	FRAME_PUSH_PROMISE,
	FRAME_PING,
	FRAME_GOAWAY,
	FRAME_WINDOW_UPDATE,
	FRAME_CONTINUATION,
	FRAME_TYPES,
};

#define FLAG_END_STREAM 0x01
#define FLAG_ACK 0x01
#define FLAG_END_HEADERS 0x04
#define FLAG_PADDED 0x08
#define FLAG_PRIORITY 0x20

struct frame {
	uint32_t len, stream;
	uint32_t promised; /* PUSH_PROMISE: the stream of the pushed request */
	uint8_t type, flags;
};

/* A header block that goes on in the sender's next frame. */
struct open_block {
	uint32_t stream;    /* 0: none */
	bool broken;	    /* what went into the table is not known any more */
	bool silent;	    /* of an interim response, say: nothing is told of it */
	bool ends;	    /* the message ends with it */
	uint16_t carry_len; /* of a field whose end is in the next frame */
	char carry[CARRY_MAX];
};

struct http2_state {
	struct hpack tables[2]; /* by sender */
	struct open_block blocks[2];
	uint32_t next_stream; /* the client's, if none was skipped; 0: it is not known */
	bool gap;	      /* since then some of what the client sent was missed */
	/* Streams whose response has begun; by stream, the last ones of them. */
	uint32_t responded[STREAMS_CNT];
};

static const struct slice preface = SLICE("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

/* --- frames ----------------------------------------------------------------------------------- */

static uint32_t read_u32(const char *p)
{
	const uint8_t *u = (const uint8_t *)p;

	return (uint32_t)u[0] << 24 | (uint32_t)u[1] << 16 | (uint32_t)u[2] << 8 | u[3];
}

/* Whether streams and lengths are as the type wants them; those of unknown types are let pass. */
static bool is_possible(const struct frame *frame, enum sender sender)
{
	bool of_stream = frame->stream > 0;

	switch (frame->type) {
	case FRAME_DATA:
	case FRAME_CONTINUATION:
		return of_stream;
	case FRAME_HEADERS:
		return of_stream && (sender == FROM_SERVER || frame->stream % 2);
	case FRAME_PRIORITY:
		return of_stream && frame->len == 5;
	case FRAME_RST_STREAM:
		return of_stream && frame->len == 4;
	case FRAME_SETTINGS:
		return !of_stream && frame->len % 6 == 0 &&
		       !(frame->len && (frame->flags & FLAG_ACK));
	case FRAME_PUSH_PROMISE:
		return of_stream && sender == FROM_SERVER && frame->len >= 4;
	case FRAME_PING:
		return !of_stream && frame->len == 8;
	case FRAME_GOAWAY:
		return !of_stream && frame->len >= 8;
	case FRAME_WINDOW_UPDATE:
		return frame->len == 4;
	default:
		return true;
	}
}

/* False if no sender would send such a header. */
static bool read_frame(struct slice bytes, enum sender sender, struct frame *frame)
{
	uint32_t stream = read_u32(bytes.p + 5);

	*frame = (struct frame){
		.len = read_u32(bytes.p) >> 8,
		.type = (uint8_t)bytes.p[3],
		.flags = (uint8_t)bytes.p[4],
		.stream = stream,
	};
	return !(stream >> 31) && is_possible(frame, sender);
}

/* Takes off the payload what stands around a header block; its end may be missing. */
static bool strip(struct frame *frame, struct slice *payload)
{
	size_t len = frame->len, before = 0, pad = 0;

	if (frame->type == FRAME_CONTINUATION)
		return true;
	if (frame->flags & FLAG_PADDED) {
		pad = payload->n ? (uint8_t)payload->p[0] : 0;
		before = 1;
	}
	if (frame->type == FRAME_HEADERS && (frame->flags & FLAG_PRIORITY))
		before += 5;
	if (frame->type == FRAME_PUSH_PROMISE) {
		if (payload->n >= before + 4)
			frame->promised = read_u32(payload->p + before);
		before += 4;
	}
	if (before + pad > len)
		return false;
	*payload = slice_after(slice_first(*payload, len - pad), before);
	return true;
}

/* --- header blocks ---------------------------------------------------------------------------- */

enum field {
	FIELD_METHOD,
	FIELD_SCHEME,
	FIELD_AUTHORITY,
	FIELD_PATH,
	FIELD_STATUS,
	FIELD_HOST,
	FIELD_USER_AGENT,
	FIELD_CONTENT_TYPE,
	FIELD_GRPC_STATUS,
	FIELD_CNT,
};

static const struct slice names[FIELD_CNT] = {
	[FIELD_METHOD] = SLICE(":method"),	    [FIELD_SCHEME] = SLICE(":scheme"),
	[FIELD_AUTHORITY] = SLICE(":authority"),    [FIELD_PATH] = SLICE(":path"),
	[FIELD_STATUS] = SLICE(":status"),	    [FIELD_HOST] = SLICE("host"),
	[FIELD_USER_AGENT] = SLICE("user-agent"),   [FIELD_CONTENT_TYPE] = SLICE("content-type"),
	[FIELD_GRPC_STATUS] = SLICE("grpc-status"),
};

/* What a block is, by its first fields. Pseudo-header fields come before all others. */
enum opening {
	OPENING_UNKNOWN,
	OPENING_REQUEST,
	OPENING_RESPONSE,
	OPENING_TRAILERS,
};

/* A header block, or what one frame has of it. */
struct block {
	enum opening opening;
	struct slice v[FIELD_CNT]; /* empty: not there, or not known */
	bool incomplete;	   /* of some field, not all is known */
	struct http_headers captured;
	struct trace_headers trace;
};

/* The field may stand behind others whose names are not known. */
static enum opening opening_of(struct slice name, bool behind_unknown)
{
	if (slice_eq(name, names[FIELD_STATUS]))
		return OPENING_RESPONSE;
	if (slice_starts_with(name, SLICE(":")))
		return OPENING_REQUEST;
	return behind_unknown ? OPENING_UNKNOWN : OPENING_TRAILERS;
}

/* The value for as long as the message lives. False if it is none, or there is no room for it. */
static bool keep_value(const struct hpack_field *field, bool moves, struct msg *msg,
		       struct slice *value)
{
	char *to = msg->room + msg->room_len;
	size_t room = msg->room_sz - msg->room_len;
	ssize_t n;

	*value = field->value;
	if (!value->n || (!field->coded && !field->in_table && !moves))
		return true;
	if (field->coded) {
		n = hpack_decode(*value, to, room);
	} else {
		n = (ssize_t)(value->n < room ? value->n : room);
		memcpy(to, value->p, (size_t)n);
	}
	if (n <= 0)
		return false;
	msg->room_len += (size_t)n;
	*value = slice_of(to, (size_t)n);
	return true;
}

static void take_field(struct block *block, const struct hpack_field *field, bool moves,
		       struct msg *msg)
{
	bool wanted = http_headers__wants(&block->captured, field->name), fresh;
	enum trace_header trace = TRACE_HEADER_CNT;
	enum field known = 0;
	struct slice value;

	while (known < FIELD_CNT && !slice_eq(names[known], field->name))
		known++;
	if (known == FIELD_CNT)
		trace = trace_header_find(field->name);
	fresh = known < FIELD_CNT ? !block->v[known].n : trace < TRACE_HEADER_CNT;
	if (!field->value_known || (!wanted && !fresh))
		return;
	if (!keep_value(field, moves, msg, &value)) {
		block->captured.dropped_cnt += wanted;
		return;
	}
	if (trace < TRACE_HEADER_CNT)
		trace_headers__set(&block->trace, trace, value);
	else if (fresh)
		block->v[known] = value;
	if (wanted)
		http_headers__take(&block->captured, field->name, value);
}

/* False if something of the field is not known. */
static bool add_to_fingerprint(struct fingerprint *f, const struct hpack_field *field)
{
	char text[FINGERPRINT_VALUE_MAX];
	struct slice value = field->value;
	ssize_t n;

	if (field->none)
		return true;
	if (!field->name_known || !field->value_known)
		return false;
	if (field->name.n && field->name.p[0] == ':')
		return true;
	if (field->coded) {
		if (hpack_decoded_max(value.n) > sizeof(text))
			return false;
		n = hpack_decode(value, text, sizeof(text));
		if (n < 0)
			return false;
		value = slice_of(text, (size_t)n);
	}
	fingerprint__add(f, field->name, value);
	return true;
}

/* The next field of the fragment, with what was carried before it. False if its end is not there. */
static bool next_field(struct hpack *table, struct open_block *open, struct slice *fragment,
		       struct hpack_field *field)
{
	size_t carried = open->carry_len;
	struct slice in = *fragment;
	ssize_t n;

	if (carried) {
		in = slice_first(in, sizeof(open->carry) - carried);
		if (in.n)
			memcpy(open->carry + carried, in.p, in.n);
		in = slice_of(open->carry, carried + in.n);
	}
	n = hpack_read(table, in, field);
	if (n <= (ssize_t)carried)
		return false;
	*fragment = slice_after(*fragment, (size_t)n - carried);
	open->carry_len = 0;
	return true;
}

/* What is left of a fragment is the beginning of a field: keeps it. False if there is no room. */
static bool carry(struct open_block *open, struct slice rest)
{
	if (rest.n > sizeof(open->carry) - open->carry_len)
		return false;
	if (rest.n)
		memcpy(open->carry + open->carry_len, rest.p, rest.n);
	open->carry_len += (uint16_t)rest.n;
	return true;
}

/*
 * Reads a fragment of a block, of which no more is there if cut; the block ends with it if ends. Where
 * it cannot be read to its end, nobody knows what else went into the table.
 */
static void read_fragment(struct hpack *table, struct open_block *open, struct slice fragment,
			  bool cut, bool ends, struct msg *msg, struct block *block)
{
	struct hpack_field field;
	bool unknown = false;

	memset(block, 0, offsetof(struct block, captured));
	http_headers__begin(&block->captured, msg->wanted);
	block->trace.seen = 0;
	while (!open->broken) {
		bool moves = open->carry_len > 0;

		if (!next_field(table, open, &fragment, &field))
			break;
		if (msg->fingerprint)
			block->incomplete |= !add_to_fingerprint(msg->fingerprint, &field);
		unknown |= !field.none && !field.name_known;
		if (!field.name_known)
			continue;
		if (!block->opening)
			block->opening = opening_of(field.name, unknown);
		take_field(block, &field, moves, msg);
	}
	block->incomplete |= !ends || cut || open->broken || fragment.n;
	open->broken |= cut || (ends ? fragment.n || open->carry_len : !carry(open, fragment));
	if (open->broken)
		hpack_forget(table);
}

/* --- messages --------------------------------------------------------------------------------- */

static bool has_responded(const struct http2_state *state, uint32_t stream)
{
	return state->responded[stream / 2 % STREAMS_CNT] == stream;
}

/* Only a number from 100 to 599 is one. */
static unsigned int status_of(const struct block *block)
{
	uint64_t status;

	if (!slice_to_u64(block->v[FIELD_STATUS], &status) || status < 100 || status > 599)
		return 0;
	return (unsigned int)status;
}

static void add_request(const struct block *block, struct msg *msg)
{
	const struct slice *v = block->v;
	struct http_request request = {
		.method = v[FIELD_METHOD],
		.scheme = v[FIELD_SCHEME],
		.authority = v[FIELD_AUTHORITY].n ? v[FIELD_AUTHORITY] : v[FIELD_HOST],
		.target = v[FIELD_PATH],
		.user_agent = v[FIELD_USER_AGENT],
		.version = SLICE("2"),
	};

	if (http_brings_spans(&request, v[FIELD_CONTENT_TYPE]))
		msg->flags |= MESSAGE_BRINGS_SPANS;
	http_add_request(&msg->attrs, &request);
	grpc_add(&msg->attrs, v[FIELD_CONTENT_TYPE], SLICE(""));
	http_headers__add(&block->captured, &msg->attrs);
	msg->parent = trace_headers__read(&block->trace, &msg->tracestate);
	if (msg->fingerprint)
		fingerprint__end(msg->fingerprint, request.method,
				 request.target.n ? request.target : request.authority, 20,
				 !block->incomplete);
}

static void add_response(const struct block *block, struct msg *msg)
{
	unsigned int status = status_of(block);

	if (status)
		http_add_status(&msg->attrs, status);
	grpc_add(&msg->attrs, block->v[FIELD_CONTENT_TYPE], block->v[FIELD_GRPC_STATUS]);
	http_headers__add(&block->captured, &msg->attrs);
}

/* Requests between the last one seen and this one, if some of what the client sent was missed. */
static uint32_t count_missed(struct http2_state *state, uint32_t stream)
{
	uint32_t missed = 0;

	if (state->gap && state->next_stream && stream > state->next_stream)
		missed = (stream - state->next_stream) / 2;
	state->gap = false;
	state->next_stream = stream + 2;
	return missed < MISSED_MAX ? missed : 0;
}

/* The block of a request, or of its trailers. */
static int begin_from_client(struct http2_state *state, const struct frame *frame,
			     const struct block *block, struct msg *msg)
{
	bool known = frame->stream < state->next_stream;

	if (block->opening == OPENING_RESPONSE)
		return -EPROTO;
	if (block->opening == OPENING_TRAILERS || (!block->opening && known)) {
		msg->kind = MSG_END;
		return 0;
	}
	msg->kind = MSG_REQUEST;
	msg->missed_cnt = known ? 0 : count_missed(state, frame->stream);
	add_request(block, msg);
	return 0;
}

/* The block of a response, interim or not, or of its trailers. */
static int begin_from_server(struct http2_state *state, const struct frame *frame,
			     const struct block *block, struct msg *msg)
{
	unsigned int status = status_of(block);

	if (block->opening == OPENING_REQUEST)
		return -EPROTO;
	if (status && status < 200) {
		state->blocks[FROM_SERVER].silent = true;
		return 0;
	}
	add_response(block, msg);
	if (block->opening == OPENING_TRAILERS || has_responded(state, frame->stream)) {
		msg->kind = MSG_END;
		return 0;
	}
	msg->kind = MSG_RESPONSE;
	state->responded[frame->stream / 2 % STREAMS_CNT] = frame->stream;
	return 0;
}

/* A pushed request: the server sends what a client would have asked for. */
static int begin_promise(struct http2_state *state, const struct frame *frame,
			 const struct block *block, struct msg *msg)
{
	if (block->opening == OPENING_RESPONSE || frame->promised % 2)
		return -EPROTO;
	state->blocks[FROM_SERVER].silent = true;
	if (!frame->promised) /* it was cut */
		return 0;
	msg->kind = MSG_REQUEST;
	msg->id = frame->promised;
	add_request(block, msg);
	return 0;
}

static int tell(struct http2_state *state, enum sender sender, const struct frame *frame,
		const struct block *block, struct msg *msg)
{
	msg->id = frame->stream;
	if (frame->type == FRAME_PUSH_PROMISE)
		return begin_promise(state, frame, block, msg);
	if (frame->type == FRAME_HEADERS)
		return sender == FROM_CLIENT ? begin_from_client(state, frame, block, msg)
					     : begin_from_server(state, frame, block, msg);
	if (state->blocks[sender].silent)
		return 0;
	msg->kind = MSG_END;
	if (sender == FROM_CLIENT)
		add_request(block, msg);
	else
		add_response(block, msg);
	return 0;
}

static void open_block(struct open_block *open, const struct frame *frame)
{
	open->stream = frame->stream;
	open->ends = frame->flags & FLAG_END_STREAM;
	open->broken = open->silent = false;
	open->carry_len = 0;
}

/* Payload is the frame's, or what is there of it. */
static int parse_block(struct http2_state *state, enum sender sender, struct frame *frame,
		       struct slice payload, struct msg *msg)
{
	struct open_block *open = &state->blocks[sender];
	bool goes_on = frame->type == FRAME_CONTINUATION, cut = payload.n < frame->len;
	bool ended = frame->flags & FLAG_END_HEADERS;
	struct block block;
	int err;

	if (open->stream != (goes_on ? frame->stream : 0)) { /* frames of a block were missed */
		hpack_forget(&state->tables[sender]);
		open->stream = 0;
	}
	if (!strip(frame, &payload))
		return -EPROTO;
	if (!goes_on)
		open_block(open, frame);
	else if (!open->stream)
		return 0;
	read_fragment(&state->tables[sender], open, payload, cut, ended, msg, &block);
	err = tell(state, sender, frame, &block, msg);
	if (msg->kind == MSG_END && !(ended && open->ends))
		msg->kind = MSG_PART;
	if ((msg->kind == MSG_REQUEST || msg->kind == MSG_RESPONSE) && !(ended && open->ends) &&
	    frame->type != FRAME_PUSH_PROMISE)
		msg->flags |= MESSAGE_HAS_PARTS;
	if (ended)
		open->stream = 0;
	return err;
}

/* The names of RFC 9113 section 7. */
static struct slice error_name(uint32_t code)
{
	static const struct slice error_names[] = {
		SLICE("no_error"),
		SLICE("protocol_error"),
		SLICE("internal_error"),
		SLICE("flow_control_error"),
		SLICE("settings_timeout"),
		SLICE("stream_closed"),
		SLICE("frame_size_error"),
		SLICE("refused_stream"),
		SLICE("cancel"),
		SLICE("compression_error"),
		SLICE("connect_error"),
		SLICE("enhance_your_calm"),
		SLICE("inadequate_security"),
		SLICE("http_1_1_required"),
	};

	return code < sizeof(error_names) / sizeof(*error_names) ? error_names[code]
								 : SLICE("_OTHER");
}

static void parse_reset(const struct frame *frame, struct slice payload, struct msg *msg)
{
	msg->kind = MSG_ABORT;
	msg->id = frame->stream;
	msg->failure = error_name(payload.n < 4 ? UINT32_MAX : read_u32(payload.p));
}

/* A server that goes away tells which streams it has not looked at, and will not. */
static void parse_goaway(const struct http2_state *state, enum sender sender, struct slice payload,
			 struct msg *msg)
{
	uint32_t last_stream = payload.n < 8 ? UINT32_MAX : read_u32(payload.p), code;

	if (sender == FROM_CLIENT || last_stream >= state->next_stream ||
	    last_stream + 2 >= state->next_stream)
		return;
	code = read_u32(payload.p + 4);
	msg->kind = MSG_ABORT;
	msg->flags |= MESSAGE_ALL_AFTER;
	msg->id = last_stream;
	msg->failure = code ? error_name(code) : SLICE("refused_stream");
}

/* --- the protocol ----------------------------------------------------------------------------- */

static bool has_block(const struct frame *frame)
{
	return frame->type == FRAME_HEADERS || frame->type == FRAME_PUSH_PROMISE ||
	       frame->type == FRAME_CONTINUATION;
}

/* How much of a frame must be there to read it, unless no more comes. */
static size_t needed(const struct frame *frame)
{
	size_t len = frame->len, max = 0;

	if (has_block(frame))
		max = FRAME_MAX - HEADER_SZ;
	else if (frame->type == FRAME_RST_STREAM)
		max = 4;
	else if (frame->type == FRAME_GOAWAY)
		max = 8;
	return HEADER_SZ + (len < max ? len : max);
}

static ssize_t parse_preface(struct http2_state *state, struct slice bytes, bool last,
			     struct msg *msg)
{
	struct slice seen = slice_first(bytes, preface.n);

	if (seen.n < preface.n && !last)
		return 0;
	state->next_stream = 1;
	msg->skip = preface.n - seen.n;
	return (ssize_t)seen.n;
}

static int parse_frame(struct http2_state *state, enum sender sender, struct frame *frame,
		       struct slice payload, struct msg *msg)
{
	switch (frame->type) {
	case FRAME_DATA:
		msg->kind = frame->flags & FLAG_END_STREAM ? MSG_END : MSG_PART;
		msg->id = frame->stream;
		return 0;
	case FRAME_HEADERS:
	case FRAME_PUSH_PROMISE:
	case FRAME_CONTINUATION:
		return parse_block(state, sender, frame, payload, msg);
	case FRAME_RST_STREAM:
		parse_reset(frame, payload, msg);
		return 0;
	case FRAME_GOAWAY:
		parse_goaway(state, sender, payload, msg);
		return 0;
	default:
		return 0;
	}
}

static ssize_t parse(void *opaque, enum sender sender, struct slice bytes, bool last,
		     struct msg *msg)
{
	struct http2_state *state = opaque;
	struct frame frame;
	struct slice seen;

	if (sender == FROM_CLIENT && bytes.n &&
	    slice_starts_with(preface, slice_first(bytes, preface.n)))
		return parse_preface(state, bytes, last, msg);
	if (bytes.n < HEADER_SZ) {
		if (!last)
			return 0;
		msg->flags |= MESSAGE_TRUNCATED;
		return (ssize_t)bytes.n;
	}
	if (!read_frame(bytes, sender, &frame))
		return -EPROTO;
	if (bytes.n < needed(&frame) && !last)
		return 0;
	seen = slice_first(bytes, needed(&frame));
	if (parse_frame(state, sender, &frame, slice_after(seen, HEADER_SZ), msg))
		return -EPROTO;
	msg->skip = HEADER_SZ + (uint64_t)frame.len - seen.n;
	if (msg->skip && has_block(&frame))
		msg->flags |= MESSAGE_SKIPS_HEAD;
	return (ssize_t)seen.n;
}

static void resync(void *opaque, enum sender sender)
{
	struct http2_state *state = opaque;

	hpack_forget(&state->tables[sender]);
	state->blocks[sender].stream = 0;
	if (sender == FROM_CLIENT)
		state->gap = true;
}

/* --- detection -------------------------------------------------------------------------------- */

/* Flags that a type has; a sender that sets others is not believed at first sight. */
static bool is_usual(const struct frame *frame, enum sender sender)
{
	static const uint8_t flags[FRAME_TYPES] = {
		[FRAME_DATA] = FLAG_END_STREAM | FLAG_PADDED,
		[FRAME_HEADERS] = FLAG_END_STREAM | FLAG_END_HEADERS | FLAG_PADDED | FLAG_PRIORITY,
		[FRAME_SETTINGS] = FLAG_ACK,
		[FRAME_PUSH_PROMISE] = FLAG_END_HEADERS | FLAG_PADDED,
		[FRAME_PING] = FLAG_ACK,
		[FRAME_CONTINUATION] = FLAG_END_HEADERS,
	};
	bool pushed = sender == FROM_SERVER && frame->type != FRAME_PUSH_PROMISE;

	return frame->type < FRAME_TYPES && !(frame->flags & ~flags[frame->type]) &&
	       frame->len <= FRAME_MAX - HEADER_SZ &&
	       (!frame->stream || frame->stream % 2 || pushed ||
		frame->type == FRAME_WINDOW_UPDATE || frame->type == FRAME_PRIORITY);
}

/* ALTSVC, ORIGIN and PRIORITY_UPDATE, which are no beginning. */
static bool is_extension(const struct frame *frame)
{
	return (frame->type == 0x0a || frame->type == 0x0c || frame->type == 0x10) &&
	       !frame->flags && frame->len <= FRAME_MAX - HEADER_SZ;
}

/* The identifiers of settings that are registered. */
static bool are_settings(struct slice payload)
{
	for (; payload.n >= 6; payload = slice_after(payload, 6)) {
		unsigned int id = (uint8_t)payload.p[0] << 8 | (uint8_t)payload.p[1];

		if (id < 1 || id > 16)
			return false;
	}
	return true;
}

/* What a block begins with, of which the end may be missing. DETECT_NO if it is none. */
static enum detect detect_block(enum sender sender, struct frame *frame, struct slice payload)
{
	bool cut = payload.n < frame->len;
	struct hpack_field field;

	if (!strip(frame, &payload))
		return DETECT_NO;
	for (int i = 0; i < DETECT_FIELDS_MAX && payload.n; i++) {
		ssize_t n = hpack_read(NULL, payload, &field);
		enum opening opening;

		if (n <= 0)
			return n == 0 && (cut || !(frame->flags & FLAG_END_HEADERS)) ? DETECT_LIKELY
										     : DETECT_NO;
		payload = slice_after(payload, (size_t)n);
		if (!field.name_known)
			continue;
		opening = opening_of(field.name, false);
		if (opening == OPENING_TRAILERS)
			return DETECT_LIKELY;
		return (opening == OPENING_REQUEST) == (sender == FROM_CLIENT) ? DETECT_YES
									       : DETECT_NO;
	}
	return DETECT_LIKELY;
}

/* One frame, of which the end may be missing. */
static enum detect detect_frame(enum sender sender, struct slice bytes, bool first,
				struct frame *frame)
{
	struct slice payload = slice_after(bytes, HEADER_SZ);

	if (!read_frame(bytes, sender, frame))
		return DETECT_NO;
	if (!first && is_extension(frame))
		return DETECT_LIKELY;
	if (!is_usual(frame, sender))
		return DETECT_NO;
	payload = slice_first(payload, frame->len);
	switch (frame->type) {
	case FRAME_HEADERS:
		return detect_block(sender, frame, payload);
	case FRAME_SETTINGS:
		if (!are_settings(payload) ||
		    (first && sender == FROM_CLIENT && !(frame->flags & FLAG_ACK)))
			return DETECT_NO;
		return payload.n && payload.n == frame->len && sender == FROM_SERVER
			       ? DETECT_YES
			       : DETECT_LIKELY;
	case FRAME_CONTINUATION:
		return first ? DETECT_NO : DETECT_LIKELY;
	default:
		return DETECT_LIKELY;
	}
}

/* Could a frame begin so? There is less than its header, or nothing. */
static bool is_start(enum sender sender, struct slice head)
{
	char header[HEADER_SZ] = {0};
	struct frame frame;

	if (head.n)
		memcpy(header, head.p, head.n);
	for (char stream = 0; stream < 2; stream++) {
		header[HEADER_SZ - 1] = stream;
		if (read_frame(slice_of(header, sizeof(header)), sender, &frame) &&
		    (is_usual(&frame, sender) || is_extension(&frame)))
			return true;
	}
	return false;
}

static enum detect detect(enum sender sender, struct slice head)
{
	if (sender == FROM_CLIENT && head.n &&
	    slice_starts_with(preface, slice_first(head, preface.n)))
		return head.n < preface.n ? DETECT_MORE : DETECT_YES;
	if (head.n < HEADER_SZ)
		return is_start(sender, head) ? DETECT_MORE : DETECT_NO;
	for (int i = 0; i < DETECT_FRAMES_MAX && head.n >= HEADER_SZ; i++) {
		struct frame frame;
		enum detect answer = detect_frame(sender, head, i == 0, &frame);

		if (answer == DETECT_NO || answer == DETECT_YES)
			return answer;
		head = slice_after(head, HEADER_SZ + (size_t)frame.len);
	}
	return head.n >= HEADER_SZ || is_start(sender, head) ? DETECT_LIKELY : DETECT_NO;
}

/* --- the struct ------------------------------------------------------------------------------- */

static void describe(const struct exchange_view *x, struct description *out)
{
	if (grpc_is(x))
		grpc_describe(x, out);
	else
		http_describe(x, out);
}

#define BIT(type) (1ull << (type))

static const struct frame_shape shape = {
	.header_sz = HEADER_SZ,
	.length_at = 0,
	.length_sz = 3,
	.type_at = 3,
	.begins = FRAME_HEADERS,
	.length_add = HEADER_SZ,
	.length_max = HEADER_SZ + (1u << 24),
	.keep = HEADER_SZ,
	.keep_more = FRAME_MAX,
	.kept = {BIT(FRAME_DATA)},
	.kept_more = {BIT(FRAME_HEADERS) | BIT(FRAME_PUSH_PROMISE) | BIT(FRAME_CONTINUATION) |
		      BIT(FRAME_RST_STREAM) | BIT(FRAME_GOAWAY)},
	.opening = "PRI * HT",
};

static const uint16_t ports[] = {80, 8080, 443, 50051, 0};

static const struct protocol http2_protocol = {
	.name = "http2",
	.ports = ports,
	.state_size = sizeof(struct http2_state),
	.served_by_sdks = true,
	.by_id = true,
	.fingerprints = true,
	.counts_missed = true,
	.shape = &shape,
	.detect = detect,
	.parse = parse,
	.resync = resync,
	.describe = describe,
};
PROTOCOL(http2_protocol);

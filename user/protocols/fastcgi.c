// SPDX-License-Identifier: Apache-2.0
/*
 * FastCGI 1.0, by which web servers ask PHP-FPM and its like: HTTP requests by another transport. The
 * parameters of a request, and the headers of a response, may be spread over records; they are
 * gathered, and told when they end. On a connection there is one request at a time, as everybody does
 * it: where ids say otherwise, that is no FastCGI which could be told.
 */
#include <errno.h>

#include "user/base/cursor.h"
#include "user/protocols/http_headers.h"
#include "user/protocols/http_semconv.h"
#include "user/protocols/protocol.h"

#define VERSION 1
#define FINGERPRINT_VERSION 1 /* not one of HTTP's */
#define HEADER_SZ 8
#define BEGIN_SZ 8
#define END_SZ 8
#define PARAMS_MAX 8192 /* of a request's parameters so much is looked at */
#define HEAD_MAX 4096	/* and so much of its response's headers */
#define KEEP 2048	/* bytes of other records that the kernel copies: headers are among them */
#define NAME_MAX_LEN 64 /* of headers that are wanted */

enum record_type {
	BEGIN_REQUEST = 1,
	ABORT_REQUEST,
	END_REQUEST,
	PARAMS,
	STDIN,
	STDOUT,
	STDERR,
	DATA,
	GET_VALUES,
	GET_VALUES_RESULT,
	UNKNOWN_TYPE,
	RECORD_TYPES,
};

enum role {
	RESPONDER = 1,
	AUTHORIZER, /* it is sent no body */
	FILTER,
};

struct record {
	uint8_t type, padding_sz;
	uint16_t id, content_sz;
	struct slice seen; /* what is there of its content */
};

struct fastcgi_state {
	uint16_t gathering; /* the request whose parameters come; 0: none */
	uint16_t answering; /* the one whose response has begun; 0: none */
	uint16_t aborted;
	bool asking;	  /* a request's body comes */
	bool bodiless;	  /* the request that is gathered will have none */
	bool params_cut;  /* not all of them could be gathered */
	bool size_unsure; /* some of the response's body was among what may be headers */
	uint16_t params_len, head_len;
	uint64_t padding_sz[2]; /* of a body's records so far, by sender */
	char params[PARAMS_MAX], head[HEAD_MAX];
};

/* One call of parse. */
struct place {
	struct fastcgi_state *state;
	enum sender sender;
	const struct record *record;
	bool last;
	struct msg *msg;
};

/* Attributes of messages that describe alone reads. */
static const struct slice padding_key = SLICE("fastcgi.padding.size");
static const struct slice content_length_key = SLICE("fastcgi.content_length");

/* --- records ------------------------------------------------------------------------------------ */

static bool is_sent_by(enum sender sender, uint8_t type)
{
	switch (type) {
	case BEGIN_REQUEST:
	case ABORT_REQUEST:
	case PARAMS:
	case STDIN:
	case DATA:
	case GET_VALUES:
		return sender == FROM_CLIENT;
	case END_REQUEST:
	case STDOUT:
	case STDERR:
	case GET_VALUES_RESULT:
	case UNKNOWN_TYPE:
		return sender == FROM_SERVER;
	default:
		return false;
	}
}

/* 1 if its header is there, 0 if more bytes are needed, -EPROTO if it is none. */
static int read_record(enum sender sender, struct slice bytes, struct record *record)
{
	struct cursor c = {.rest = bytes};
	uint8_t version = (uint8_t)cursor_be(&c, 1);

	if (!c.failed && version != VERSION)
		return -EPROTO;
	record->type = (uint8_t)cursor_be(&c, 1);
	if (!c.failed && !is_sent_by(sender, record->type))
		return -EPROTO;
	record->id = (uint16_t)cursor_be(&c, 2);
	if (!c.failed && (record->type < GET_VALUES) != (record->id > 0))
		return -EPROTO;
	record->content_sz = (uint16_t)cursor_be(&c, 2);
	record->padding_sz = (uint8_t)cursor_be(&c, 1);
	cursor_take(&c, 1);
	record->seen = slice_first(c.rest, record->content_sz);
	return !c.failed;
}

/* Takes the header and n bytes of content; the rest and the padding pass unread. */
static ssize_t consume(const struct place *at, size_t n)
{
	at->msg->skip = at->record->content_sz - n + at->record->padding_sz;
	return (ssize_t)(HEADER_SZ + n);
}

/* The same of a record of which nothing is a body. */
static ssize_t pass(const struct place *at, size_t n)
{
	ssize_t consumed = consume(at, n);

	if (at->msg->skip)
		at->msg->flags |= MESSAGE_SKIPS_HEAD;
	return consumed;
}

/* A piece of a body. */
static ssize_t pass_body(const struct place *at)
{
	at->msg->kind = MSG_PART;
	at->state->padding_sz[at->sender] += at->record->padding_sz;
	return consume(at, 0);
}

/* The body is over, and all of it was seen. */
static void end_body(const struct place *at)
{
	at->msg->kind = MSG_END;
	if (at->sender == FROM_CLIENT || !at->state->size_unsure)
		attrs_add_int(&at->msg->attrs, padding_key,
			      (int64_t)at->state->padding_sz[at->sender]);
}

/* --- parameters --------------------------------------------------------------------------------- */

enum param {
	PARAM_METHOD,
	PARAM_URI,
	PARAM_SCRIPT,
	PARAM_PATH,
	PARAM_QUERY,
	PARAM_SCHEME,
	PARAM_HTTPS,
	PARAM_SERVER,
	PARAM_SERVER_PORT,
	PARAM_CLIENT,
	PARAM_CLIENT_PORT,
	PARAM_LENGTH,
	PARAM_HOST,
	PARAM_USER_AGENT,
	PARAM_CNT,
};

static const struct slice param_names[PARAM_CNT] = {
	[PARAM_METHOD] = SLICE("REQUEST_METHOD"),
	[PARAM_URI] = SLICE("REQUEST_URI"),
	[PARAM_SCRIPT] = SLICE("SCRIPT_NAME"),
	[PARAM_PATH] = SLICE("PATH_INFO"),
	[PARAM_QUERY] = SLICE("QUERY_STRING"),
	[PARAM_SCHEME] = SLICE("REQUEST_SCHEME"),
	[PARAM_HTTPS] = SLICE("HTTPS"),
	[PARAM_SERVER] = SLICE("SERVER_NAME"),
	[PARAM_SERVER_PORT] = SLICE("SERVER_PORT"),
	[PARAM_CLIENT] = SLICE("REMOTE_ADDR"),
	[PARAM_CLIENT_PORT] = SLICE("REMOTE_PORT"),
	[PARAM_LENGTH] = SLICE("CONTENT_LENGTH"),
	[PARAM_HOST] = SLICE("HTTP_HOST"),
	[PARAM_USER_AGENT] = SLICE("HTTP_USER_AGENT"),
};

struct params {
	struct slice v[PARAM_CNT];
	struct http_headers captured;
	struct trace_headers trace;
	struct fingerprint *fingerprint; /* NULL: none is wanted */
};

/* One byte, or four of which the highest bit is set. */
static uint32_t take_length(struct cursor *c)
{
	uint32_t length = (uint32_t)cursor_be(c, 1);

	return length & 0x80 ? (length & 0x7f) << 24 | (uint32_t)cursor_be(c, 3) : length;
}

/* HTTP_X_REQUEST_ID was the header X-Request-Id. */
static void read_header(struct params *params, struct slice param, struct slice value)
{
	struct slice prefix = SLICE("HTTP_");
	char name[NAME_MAX_LEN];

	if (slice_starts_with(param, prefix))
		param = slice_after(param, prefix.n);
	else if (!slice_starts_with(param, SLICE("CONTENT_")) || !value.n)
		return;
	if (param.n > sizeof(name))
		return;
	for (size_t i = 0; i < param.n; i++)
		name[i] = param.p[i] == '_' ? '-' : param.p[i];
	param.p = name;
	trace_headers__take(&params->trace, param, value);
	http_headers__take(&params->captured, param, value);
	if (params->fingerprint)
		fingerprint__add(params->fingerprint, param, value);
}

/* Where one is given twice the later one counts. False if they do not fill the text exactly. */
static bool read_params(struct slice text, struct params *params)
{
	struct cursor c = {.rest = text};

	while (c.rest.n && !c.failed) {
		uint32_t name_len = take_length(&c), value_len = take_length(&c);
		struct slice name = cursor_take(&c, name_len), value = cursor_take(&c, value_len);

		if (c.failed)
			break;
		for (int i = 0; i < PARAM_CNT; i++)
			if (slice_eq(name, param_names[i]))
				params->v[i] = value;
		read_header(params, name, value);
	}
	return !c.failed;
}

/* The texts one after the other; empty if there is no room. */
static struct slice join(struct msg *msg, const struct slice *parts, size_t cnt)
{
	size_t len = 0, n = 0;
	char *text;

	for (size_t i = 0; i < cnt; i++)
		len += parts[i].n;
	text = msg_room(msg, len);
	if (!text)
		return SLICE("");
	for (size_t i = 0; i < cnt; n += parts[i++].n)
		if (parts[i].n)
			memcpy(text + n, parts[i].p, parts[i].n);
	return slice_of(text, len);
}

/* As the request line had it, or else what it was taken for. */
static struct slice target_of(const struct slice *v, struct msg *msg)
{
	const struct slice parts[] = {
		v[PARAM_SCRIPT],
		v[PARAM_PATH],
		v[PARAM_QUERY].n ? SLICE("?") : SLICE(""),
		v[PARAM_QUERY],
	};

	if (v[PARAM_URI].n)
		return v[PARAM_URI];
	return join(msg, parts, sizeof(parts) / sizeof(*parts));
}

static struct slice authority_of(const struct slice *v, struct msg *msg)
{
	const struct slice parts[] = {v[PARAM_SERVER], SLICE(":"), v[PARAM_SERVER_PORT]};

	if (v[PARAM_HOST].n || !v[PARAM_SERVER].n || !v[PARAM_SERVER_PORT].n)
		return v[PARAM_HOST].n ? v[PARAM_HOST] : v[PARAM_SERVER];
	return join(msg, parts, sizeof(parts) / sizeof(*parts));
}

static struct slice scheme_of(const struct slice *v)
{
	if (v[PARAM_SCHEME].n)
		return v[PARAM_SCHEME];
	return v[PARAM_HTTPS].n && !slice_eq_nocase(v[PARAM_HTTPS], SLICE("off")) ? SLICE("https")
										  : SLICE("http");
}

static void tell_request(const struct place *at)
{
	struct slice text = slice_of(at->state->params, at->state->params_len);
	struct params params = {.v = {{.n = 0}}, .fingerprint = at->msg->fingerprint};
	const struct slice *v = params.v;
	struct msg *msg = at->msg;
	struct slice target;
	uint64_t length;
	bool whole;

	http_headers__begin(&params.captured, msg->wanted);
	whole = read_params(text, &params) && !at->state->params_cut;
	if (!whole && !at->state->params_cut)
		msg->flags |= MESSAGE_MALFORMED;
	target = target_of(v, msg);
	if (msg->fingerprint)
		fingerprint__end(msg->fingerprint, v[PARAM_METHOD], target, FINGERPRINT_VERSION,
				 whole);
	msg->kind = MSG_REQUEST;
	msg->tag = at->record->id;
	msg->parent = trace_headers__read(&params.trace, &msg->tracestate);
	http_add_request(&msg->attrs, &(struct http_request){
					      .protocol = SLICE("fastcgi"),
					      .method = v[PARAM_METHOD],
					      .scheme = scheme_of(v),
					      .authority = authority_of(v, msg),
					      .target = target,
					      .user_agent = v[PARAM_USER_AGENT],
					      .client = v[PARAM_CLIENT],
					      .client_port = v[PARAM_CLIENT_PORT],
				      });
	if (slice_to_u64(v[PARAM_LENGTH], &length) && length && length <= INT64_MAX)
		attrs_add_int(&msg->attrs, content_length_key, (int64_t)length);
	http_headers__add(&params.captured, &msg->attrs);
}

static void keep_params(struct fastcgi_state *state, const struct record *record, struct slice seen)
{
	state->params_cut |= seen.n < record->content_sz;
	if (seen.n)
		memcpy(state->params + state->params_len, seen.p, seen.n);
	state->params_len += (uint16_t)seen.n;
}

static ssize_t parse_params(const struct place *at)
{
	struct fastcgi_state *state = at->state;
	size_t room = PARAMS_MAX - state->params_len;
	struct slice seen = slice_first(at->record->seen, room);

	if (state->gathering != at->record->id) /* it began before we looked, or is not alone */
		return state->gathering ? -EPROTO : pass(at, 0);
	if (at->record->content_sz) {
		if (seen.n < at->record->content_sz && seen.n < room && !at->last)
			return 0;
		if (!state->params_cut)
			keep_params(state, at->record, seen);
		return pass(at, seen.n);
	}
	tell_request(at);
	state->gathering = 0;
	state->asking = !state->bodiless;
	state->padding_sz[FROM_CLIENT] = 0;
	if (state->asking)
		at->msg->flags |= MESSAGE_HAS_PARTS;
	return pass(at, 0);
}

/* --- from the client ---------------------------------------------------------------------------- */

static ssize_t begin_request(const struct place *at)
{
	struct fastcgi_state *state = at->state;
	struct cursor c = {.rest = at->record->seen};
	uint64_t role = cursor_be(&c, 2);

	if (at->record->content_sz != BEGIN_SZ)
		return -EPROTO;
	if (at->record->seen.n < BEGIN_SZ && !at->last)
		return 0;
	state->gathering = at->record->id;
	state->bodiless = role == AUTHORIZER;
	state->params_len = 0;
	state->params_cut = false;
	if (state->aborted == at->record->id)
		state->aborted = 0;
	return pass(at, at->record->seen.n);
}

static ssize_t parse_stdin(const struct place *at)
{
	if (!at->state->asking)
		return pass(at, 0);
	if (at->record->content_sz)
		return pass_body(at);
	at->state->asking = false;
	end_body(at);
	return pass(at, 0);
}

static ssize_t parse_from_client(const struct place *at)
{
	switch (at->record->type) {
	case BEGIN_REQUEST:
		return begin_request(at);
	case PARAMS:
		return parse_params(at);
	case STDIN:
		return parse_stdin(at);
	case ABORT_REQUEST: /* the server says when it is over */
		at->state->aborted = at->record->id;
		return pass(at, 0);
	default:
		return pass(at, 0);
	}
}

/* --- from the server ---------------------------------------------------------------------------- */

/* The headers of a response. */
struct head {
	unsigned int status; /* 0: none was named */
	bool redirects, malformed;
	struct http_headers captured;
};

/* The first line without its end, and the length with it; 0 if it does not end. */
static size_t take_line(struct slice text, struct slice *line)
{
	ptrdiff_t end = slice_find(text, '\n');

	if (end < 0)
		return 0;
	*line = slice_first(text, (size_t)end);
	if (end > 0 && text.p[end - 1] == '\r')
		line->n--;
	return (size_t)end + 1;
}

/* The length of the headers with the blank line behind them; 0 if they do not end. */
static size_t head_len(struct slice text)
{
	struct slice line;
	size_t len = 0, n;

	while ((n = take_line(slice_after(text, len), &line))) {
		len += n;
		if (!line.n)
			return len;
	}
	return 0;
}

/* `404 Not Found` */
static unsigned int read_status(struct slice value)
{
	uint64_t status;

	if (value.n > 3 && value.p[3] != ' ')
		return 0;
	return slice_to_u64(slice_first(value, 3), &status) && status >= 100 ? (unsigned int)status
									     : 0;
}

static void read_head(struct slice text, struct head *head)
{
	struct slice line;
	size_t n;

	while ((n = take_line(text, &line)) && line.n) {
		ptrdiff_t colon = slice_find(line, ':');
		struct slice name = slice_first(line, colon > 0 ? (size_t)colon : 0);
		struct slice value = slice_trim(slice_after(line, name.n + 1));

		if (slice_eq_nocase(name, SLICE("status"))) {
			head->status = read_status(value);
			head->malformed |= !head->status;
		} else if (slice_eq_nocase(name, SLICE("location"))) {
			head->redirects = true;
		}
		head->malformed |= !name.n;
		http_headers__take(&head->captured, name, value);
		text = slice_after(text, n);
	}
}

/*
 * Without Status the response is fine, or a redirection (RFC 3875, section 6.3). But where the headers do
 * not end there may be one that was not seen.
 */
static void tell_response(const struct place *at, struct slice text, bool ended)
{
	struct msg *msg = at->msg;
	struct head head = {.status = 0};

	http_headers__begin(&head.captured, msg->wanted);
	read_head(text, &head);
	msg->kind = MSG_RESPONSE;
	msg->flags |= head.malformed ? MESSAGE_MALFORMED : 0;
	if (!head.status && ended && !head.malformed)
		head.status = head.redirects ? 302 : 200;
	if (head.status)
		http_add_status(&msg->attrs, head.status);
	http_headers__add(&head.captured, &msg->attrs);
}

static ssize_t begin_response(const struct place *at, struct slice text, size_t len)
{
	struct fastcgi_state *state = at->state;
	bool ended = len > 0;
	ssize_t consumed = consume(at, (ended ? len : text.n) - state->head_len);

	tell_response(at, ended ? slice_first(text, len) : text, ended);
	at->msg->flags |= MESSAGE_HAS_PARTS | (ended ? 0 : MESSAGE_SKIPS_HEAD);
	state->answering = at->record->id;
	state->size_unsure = !ended;
	state->padding_sz[FROM_SERVER] = at->record->padding_sz;
	state->head_len = 0;
	return consumed;
}

static ssize_t parse_stdout(const struct place *at)
{
	struct fastcgi_state *state = at->state;
	size_t room = HEAD_MAX - state->head_len, len;
	struct slice seen = slice_first(at->record->seen, room), text;
	bool whole = seen.n == at->record->content_sz;

	if (!at->record->content_sz)
		return pass(at, 0);
	if (state->answering)
		return pass_body(at);
	if (seen.n)
		memcpy(state->head + state->head_len, seen.p, seen.n);
	text = slice_of(state->head, state->head_len + seen.n);
	len = head_len(text);
	if (!len && !whole && seen.n < room && !at->last)
		return 0;
	if (len || !whole)
		return begin_response(at, text, len);
	state->head_len = (uint16_t)text.n; /* they go on in the next record */
	return pass(at, seen.n);
}

/* Why a request was refused; empty if it was not. */
static struct slice refusal(struct slice end)
{
	static const struct slice reasons[] = {
		SLICE(""),
		SLICE("cant_mpx_conn"),
		SLICE("overloaded"),
		SLICE("unknown_role"),
	};
	uint8_t reason = end.n > 4 ? (uint8_t)end.p[4] : 0;

	return reason < sizeof(reasons) / sizeof(*reasons) ? reasons[reason] : SLICE("_OTHER");
}

static ssize_t end_request(const struct place *at)
{
	struct fastcgi_state *state = at->state;
	struct msg *msg = at->msg;

	if (at->record->content_sz != END_SZ)
		return -EPROTO;
	if (at->record->seen.n < END_SZ && !at->last)
		return 0;
	msg->failure =
		state->aborted == at->record->id ? SLICE("aborted") : refusal(at->record->seen);
	if (msg->failure.n)
		msg->kind = MSG_ABORT;
	else if (state->answering)
		end_body(at);
	else
		tell_response(at, slice_of(state->head, state->head_len), false);
	state->answering = state->aborted = state->head_len = 0;
	return pass(at, at->record->seen.n);
}

static ssize_t parse_from_server(const struct place *at)
{
	uint32_t id = at->state->answering ? at->state->answering : at->msg->tag;

	if (at->record->id && id && at->record->id != id)
		return -EPROTO;
	switch (at->record->type) {
	case STDOUT:
		return parse_stdout(at);
	case END_REQUEST:
		return end_request(at);
	default:
		return pass(at, 0);
	}
}

/* --- the protocol ------------------------------------------------------------------------------- */

static ssize_t parse(void *state, enum sender sender, struct slice bytes, bool last,
		     struct msg *msg)
{
	struct record record;
	struct place at = {
		.state = state,
		.sender = sender,
		.record = &record,
		.last = last,
		.msg = msg,
	};
	int read = read_record(sender, bytes, &record);

	if (read > 0)
		return sender == FROM_CLIENT ? parse_from_client(&at) : parse_from_server(&at);
	if (read == 0 && last) {
		msg->flags |= MESSAGE_TRUNCATED;
		return (ssize_t)bytes.n;
	}
	return read;
}

static void resync(void *opaque, enum sender sender)
{
	struct fastcgi_state *state = opaque;

	if (sender == FROM_CLIENT) {
		state->gathering = 0;
		state->asking = false;
	} else {
		state->answering = state->head_len = 0;
	}
}

static bool is_prefix_of_begin(struct slice body)
{
	for (size_t i = 0; i < body.n; i++) {
		uint8_t byte = (uint8_t)body.p[i];

		if (i == 1 ? byte < RESPONDER || byte > FILTER : byte > (i == 2))
			return false;
	}
	return true;
}

static enum detect detect_begin(const struct record *record)
{
	if (record->type != BEGIN_REQUEST || record->content_sz != BEGIN_SZ ||
	    !is_prefix_of_begin(record->seen))
		return DETECT_NO;
	return record->seen.n < BEGIN_SZ ? DETECT_MORE : DETECT_YES;
}

/* Text, or the end. */
static enum detect detect_answer(const struct record *record)
{
	uint8_t first;

	if (record->type == END_REQUEST)
		return record->content_sz == END_SZ ? DETECT_LIKELY : DETECT_NO;
	if (record->type == GET_VALUES_RESULT)
		return DETECT_LIKELY;
	if ((record->type != STDOUT && record->type != STDERR) || !record->content_sz)
		return DETECT_NO;
	if (!record->seen.n)
		return DETECT_MORE;
	first = (uint8_t)record->seen.p[0];
	return first >= ' ' || first == '\r' || first == '\n' ? DETECT_LIKELY : DETECT_NO;
}

static enum detect detect(enum sender sender, struct slice head)
{
	struct record record;
	int read = read_record(sender, head, &record);

	if (read <= 0)
		return read ? DETECT_NO : DETECT_MORE;
	if (head.p[HEADER_SZ - 1]) /* reserved */
		return DETECT_NO;
	return sender == FROM_CLIENT ? detect_begin(&record) : detect_answer(&record);
}

/* Bytes of a body without the padding of its records, if all of it was seen; else -1. */
static int64_t body_size(const struct attrs *message, uint64_t sz, bool unmeasured)
{
	const struct attr *padding = attrs_get(message, padding_key);

	if (unmeasured || !padding || (uint64_t)padding->num > sz)
		return -1;
	return (int64_t)sz - padding->num;
}

static void describe(const struct exchange_view *x, struct description *out)
{
	const struct attr *length = attrs_get(x->request, content_length_key);
	int64_t request_sz = body_size(x->request, x->request_body_sz, x->request_unmeasured);
	int64_t response_sz = body_size(x->response, x->response_body_sz, x->response_unmeasured);
	struct exchange_view rest = *x;

	rest.request_unmeasured = rest.response_unmeasured = true;
	http_describe(&rest, out);
	if (request_sz < 0 && length)
		request_sz = length->num;
	if (request_sz > 0)
		attrs_add_int(&out->attrs, SLICE("http.request.body.size"), request_sz);
	if (response_sz >= 0)
		attrs_add_int(&out->attrs, SLICE("http.response.body.size"), response_sz);
}

#define BIT(type) (1ull << (type))

static const struct frame_shape shape = {
	.header_sz = HEADER_SZ,
	.length_at = 4,
	.length_sz = 2,
	.padding_at = 6,
	.type_at = 1,
	.length_add = HEADER_SZ,
	.length_max = HEADER_SZ + UINT16_MAX + UINT8_MAX,
	.keep = HEADER_SZ + KEEP,
	.keep_more = HEADER_SZ + PARAMS_MAX,
	.kept = {BIT(BEGIN_REQUEST) | BIT(ABORT_REQUEST) | BIT(END_REQUEST) | BIT(STDIN) |
		 BIT(STDOUT)},
	.kept_more = {BIT(PARAMS)},
};

static const uint16_t ports[] = {9000, 0};

static const struct protocol fastcgi_protocol = {
	.name = "fastcgi",
	.ports = ports,
	.state_size = sizeof(struct fastcgi_state),
	.served_by_sdks = true,
	.fingerprints = true,
	.shape = &shape,
	.detect = detect,
	.parse = parse,
	.resync = resync,
	.describe = describe,
};
PROTOCOL(fastcgi_protocol);

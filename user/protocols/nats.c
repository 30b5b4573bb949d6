// SPDX-License-Identifier: Apache-2.0
/*
 * The NATS client protocol: lines of text that end in CRLF, of which PUB, HPUB, MSG and HMSG announce
 * a payload. After docs.nats.io, "Client Protocol", with headers (NATS 2.2) and JetStream, which is
 * messages to subjects of its own.
 *
 * A message is a one-way exchange, begun by the client (PUB) or the server (MSG). A request with its
 * reply is known for certain only by its inbox: a subject that nobody else uses, whose first message
 * is the answer. That is a pair, if the inbox's name begins as all clients let it begin. A request for
 * the next messages of a stream is none: what comes of it, any number of messages, bears the names of
 * the stream.
 */
#include <errno.h>

#include "user/protocols/messaging_semconv.h"

#define LINE_MAX 32768 /* an INFO of a large cluster */
#define HEADERS_MAX 4096
#define TOKENS_MAX 5
#define PENDING_MAX 256
#define REFUSED_MAX 1024
#define PAYLOAD_MAX (64ull * 1024 * 1024) /* what a server can be told to accept at most */

#define SYSTEM SLICE("nats")

enum verb {
	VERB_INFO,
	VERB_CONNECT,
	VERB_PUB,
	VERB_HPUB,
	VERB_SUB,
	VERB_UNSUB,
	VERB_MSG,
	VERB_HMSG,
	VERB_PING,
	VERB_PONG,
	VERB_OK,
	VERB_ERR,
	VERB_CNT,
};

#define BY_CLIENT 0x01
#define BY_SERVER 0x02
#define HAS_PAYLOAD 0x04
#define HAS_HEADERS 0x08

static const struct {
	struct slice name;
	uint8_t flags;
	uint8_t tokens_min, tokens_max;
} verbs[VERB_CNT] = {
	[VERB_INFO] = {SLICE("INFO"), BY_SERVER, 0, 0},
	[VERB_CONNECT] = {SLICE("CONNECT"), BY_CLIENT, 0, 0},
	[VERB_PUB] = {SLICE("PUB"), BY_CLIENT | HAS_PAYLOAD, 2, 3},
	[VERB_HPUB] = {SLICE("HPUB"), BY_CLIENT | HAS_PAYLOAD | HAS_HEADERS, 3, 4},
	[VERB_SUB] = {SLICE("SUB"), BY_CLIENT, 2, 3},
	[VERB_UNSUB] = {SLICE("UNSUB"), BY_CLIENT, 1, 2},
	[VERB_MSG] = {SLICE("MSG"), BY_SERVER | HAS_PAYLOAD, 3, 4},
	[VERB_HMSG] = {SLICE("HMSG"), BY_SERVER | HAS_PAYLOAD | HAS_HEADERS, 4, 5},
	[VERB_PING] = {SLICE("PING"), BY_CLIENT | BY_SERVER, 0, 0},
	[VERB_PONG] = {SLICE("PONG"), BY_CLIENT | BY_SERVER, 0, 0},
	[VERB_OK] = {SLICE("+OK"), BY_SERVER, 0, 0},
	[VERB_ERR] = {SLICE("-ERR"), BY_SERVER, 0, 0},
};

struct nats_state {
	uint64_t pending[PENDING_MAX]; /* inboxes whose answer is awaited, hashed */
	uint16_t pending_cnt;
	uint16_t refused_cnt; /* requests that found no room since the last answer */
	bool informed;
};

struct line {
	enum verb verb;
	struct slice rest; /* after the verb, without blanks around it */
	struct slice tokens[TOKENS_MAX];
	unsigned int tokens_cnt;
	size_t len; /* with its end; 0 if that is missing */
};

/* A message's line, read. */
struct message {
	struct slice subject, sid, reply;
	uint64_t headers_sz, total_sz; /* the total holds the headers */
};

struct headers {
	struct slice status, id;
	struct trace_parent from;
	struct slice state;
};

/* --- lines ------------------------------------------------------------------------------------ */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool by_sender(enum verb verb, enum sender sender)
{
	return verbs[verb].flags & (sender == FROM_CLIENT ? BY_CLIENT : BY_SERVER);
}

/* Takes a token and the blanks around it off the front. */
static struct slice take_token(struct slice *s)
{
	struct slice token = {.p = s->p};

	while (s->n && is_blank(*s->p))
		*s = slice_after(*s, 1);
	token.p = s->p;
	while (token.n < s->n && !is_blank(token.p[token.n]))
		token.n++;
	*s = slice_after(*s, token.n);
	return token;
}

/* False if it is more than there may be. */
static bool split(struct line *line, bool cut)
{
	struct slice rest = line->rest;

	while (rest.n) {
		struct slice token = take_token(&rest);

		if (!token.n || (cut && !rest.n)) /* a piece of one says nothing */
			break;
		if (line->tokens_cnt == verbs[line->verb].tokens_max)
			return false;
		line->tokens[line->tokens_cnt++] = token;
	}
	return cut || line->tokens_cnt >= verbs[line->verb].tokens_min;
}

static bool find_verb(struct slice word, enum sender sender, enum verb *verb)
{
	for (*verb = 0; *verb < VERB_CNT; (*verb)++)
		if (by_sender(*verb, sender) && slice_eq_nocase(word, verbs[*verb].name))
			return true;
	return false;
}

/* Could s, when more comes, be a verb? */
static bool is_verb_prefix(struct slice s, enum sender sender)
{
	for (enum verb verb = 0; verb < VERB_CNT; verb++)
		if (by_sender(verb, sender) &&
		    slice_eq_nocase(s, slice_first(verbs[verb].name, s.n)))
			return true;
	return false;
}

/*
 * Reads a line or, if its end is not there, what there is of it. 1, 0 if there is not yet enough to
 * know the verb, or -EPROTO if it can be none.
 */
static int read_line(struct slice bytes, enum sender sender, struct line *line)
{
	struct slice head = slice_first(bytes, LINE_MAX);
	ptrdiff_t end = slice_find(head, '\n');
	struct slice word, all = end < 0 ? head : slice_first(head, (size_t)end);

	*line = (struct line){.len = end < 0 ? 0 : (size_t)end + 1};
	if (all.n && all.p[all.n - 1] == '\r')
		all.n--;
	else if (end >= 0)
		return -EPROTO;
	line->rest = all;
	word = all.n && is_blank(*all.p) ? SLICE("") : take_token(&line->rest);
	if (!line->len && !line->rest.n)
		return is_verb_prefix(word, sender) ? 0 : -EPROTO;
	if (!find_verb(word, sender, &line->verb))
		return -EPROTO;
	line->rest = slice_trim(line->rest);
	if (verbs[line->verb].tokens_max && !split(line, !line->len))
		return -EPROTO;
	return 1;
}

static bool is_word(struct slice s)
{
	bool good = s.n > 0;

	for (size_t i = 0; i < s.n; i++)
		good &= (unsigned char)s.p[i] > ' ' && s.p[i] != 0x7f;
	return good;
}

/* Of PUB, HPUB, MSG and HMSG, perhaps cut. */
static bool read_message(const struct line *line, struct message *m)
{
	bool headers = verbs[line->verb].flags & HAS_HEADERS;
	unsigned int at = 0, sizes_at = line->tokens_cnt - (headers ? 2 : 1);

	*m = (struct message){.total_sz = 0};
	if (line->tokens_cnt)
		m->subject = line->tokens[at++];
	if (line->tokens_cnt && !is_word(m->subject))
		return false;
	if (by_sender(line->verb, FROM_SERVER) && at < line->tokens_cnt)
		m->sid = line->tokens[at++];
	if (!line->len)
		return true;
	if (at < sizes_at)
		m->reply = line->tokens[at++];
	if (headers && !slice_to_u64(line->tokens[at++], &m->headers_sz))
		return false;
	return slice_to_u64(line->tokens[at], &m->total_sz) && m->total_sz <= PAYLOAD_MAX &&
	       m->headers_sz <= m->total_sz;
}

/* --- headers ---------------------------------------------------------------------------------- */

static struct slice take_line(struct slice *s)
{
	ptrdiff_t end = slice_find(*s, '\n');
	struct slice line = end < 0 ? slice_of(s->p, 0) : slice_first(*s, (size_t)end);

	*s = slice_after(*s, end < 0 ? s->n : (size_t)end + 1);
	if (line.n && line.p[line.n - 1] == '\r')
		line.n--;
	return line;
}

/* A line whose end is missing does not count. */
static void read_headers(struct slice s, struct headers *h)
{
	struct trace_headers trace = {.seen = 0};
	struct slice line = take_line(&s);

	*h = (struct headers){.status = SLICE("")};
	if (slice_starts_with(line, SLICE("NATS/1.0 "))) {
		line = slice_trim(slice_after(line, sizeof("NATS/1.0")));
		h->status = slice_first(take_token(&line), 3);
	}
	while ((line = take_line(&s)).n) {
		ptrdiff_t colon = slice_find(line, ':');
		struct slice name = slice_first(line, colon < 0 ? 0 : (size_t)colon);
		struct slice value = slice_trim(slice_after(line, name.n + 1));

		if (slice_eq_nocase(name, SLICE("Nats-Msg-Id")))
			h->id = value;
		else
			trace_headers__take(&trace, name, value);
	}
	h->from = trace_headers__read(&trace, &h->state);
}

/* --- requests and their inboxes --------------------------------------------------------------- */

static uint64_t inbox_id(struct slice subject)
{
	return slice_hash(subject) | 1;
}

/* What JetStream is asked for, by "$JS.API." or "$JS.DOMAIN.API."; empty if it is not. */
static struct slice jetstream_call(struct slice subject)
{
	struct slice rest;
	ptrdiff_t dot;

	if (!slice_starts_with(subject, SLICE("$JS.")))
		return SLICE("");
	rest = slice_after(subject, 4);
	dot = slice_find(rest, '.');
	if (dot >= 0 && !slice_starts_with(rest, SLICE("API.")))
		rest = slice_after(rest, (size_t)dot + 1);
	return slice_starts_with(rest, SLICE("API.")) ? slice_after(rest, 4) : SLICE("");
}

/* What comes of it, any number of messages, is addressed to the inbox. */
static bool asks_for_next(struct slice call)
{
	return slice_starts_with(call, SLICE("CONSUMER.MSG.NEXT."));
}

/* The id of the exchange that a message with this reply subject begins; 0 if it is none. */
static uint64_t begin_request(struct nats_state *state, const struct message *m, struct slice call)
{
	if (!slice_starts_with(m->reply, SLICE("_INBOX.")) || asks_for_next(call))
		return 0;
	if (state->pending_cnt == PENDING_MAX) {
		/* Without a single answer in all that time, those that wait will get none. */
		if (++state->refused_cnt < REFUSED_MAX)
			return 0;
		state->pending_cnt = state->refused_cnt = 0;
	}
	return state->pending[state->pending_cnt++] = inbox_id(m->reply);
}

/* The id of the request that this message answers, which then is answered; 0 if there is none. */
static uint64_t end_request(struct nats_state *state, struct slice subject)
{
	uint64_t id;

	if (!state->pending_cnt || !slice_starts_with(subject, SLICE("_INBOX.")))
		return 0;
	id = inbox_id(subject);
	for (uint16_t i = 0; i < state->pending_cnt; i++) {
		if (state->pending[i] != id)
			continue;
		state->pending[i] = state->pending[--state->pending_cnt];
		state->refused_cnt = 0;
		return id;
	}
	return 0;
}

/* --- subscriptions: "subject queue-group" by sid ------------------------------------------------ */

static void keep_subscription(struct msg *msg, struct slice sid, struct slice subject,
			      struct slice group)
{
	char *text = msg_room(msg, subject.n + 1 + group.n);

	if (!text)
		return;
	memcpy(text, subject.p, subject.n);
	text[subject.n] = ' ';
	if (group.n)
		memcpy(text + subject.n + 1, group.p, group.n);
	memo__put(msg->memo, msg->memo_owner, slice_hash(sid),
		  slice_of(text, subject.n + 1 + group.n));
}

static void find_subscription(struct msg *msg, struct slice sid, struct slice *subject,
			      struct slice *group)
{
	struct slice text;

	*subject = *group = SLICE("");
	if (!sid.n || !memo__get(msg->memo, msg->memo_owner, slice_hash(sid), &text))
		return;
	*subject = take_token(&text);
	*group = slice_trim(text);
}

/* --- messages ----------------------------------------------------------------------------------- */

static void add_operation(struct msg *msg, enum messaging_type type, struct slice operation)
{
	messaging_add_operation(&msg->attrs, SYSTEM, type, operation);
}

static bool is_pattern(struct slice subject)
{
	return slice_find(subject, '*') >= 0 || slice_find(subject, '>') >= 0;
}

static void add_subject(struct msg *msg, struct slice subject, struct slice pattern)
{
	if (slice_starts_with(subject, SLICE("_INBOX."))) {
		messaging_add_destination(&msg->attrs, subject);
		messaging_add_temporary(&msg->attrs);
	} else if (is_pattern(pattern)) {
		messaging_add_destination(&msg->attrs, subject);
		messaging_add_template(&msg->attrs, pattern);
	} else {
		messaging_add_topic(msg, subject, ".", '*');
	}
}

static void add_payload(struct msg *msg, const struct message *m, const struct headers *h)
{
	messaging_add_message_id(&msg->attrs, h->id);
	messaging_add_body_size(&msg->attrs, m->total_sz - m->headers_sz);
}

static void fill_published(struct nats_state *state, const struct message *m,
			   const struct headers *h, struct msg *msg)
{
	struct slice call = jetstream_call(m->subject);

	msg->id = begin_request(state, m, call);
	msg->kind = msg->id ? MSG_REQUEST : MSG_ONEWAY;
	msg->parent = h->from;
	msg->tracestate = h->state;
	if (slice_starts_with(m->subject, SLICE("$JS.ACK.")))
		add_operation(msg, MESSAGING_SETTLE, SLICE("settle"));
	else if (asks_for_next(call))
		add_operation(msg, MESSAGING_RECEIVE, SLICE("fetch"));
	else
		add_operation(msg, call.n ? MESSAGING_OTHER : MESSAGING_SEND,
			      msg->id ? SLICE("request") : SLICE("publish"));
	add_subject(msg, m->subject, SLICE(""));
	add_payload(msg, m, h);
}

static void fill_delivered(struct nats_state *state, const struct message *m,
			   const struct headers *h, struct msg *msg)
{
	struct slice pattern, group;

	msg->id = end_request(state, m->subject);
	msg_link(msg, h->from);
	if (msg->id) {
		msg->kind = MSG_RESPONSE;
		messaging_add_error(&msg->attrs, h->status);
		return;
	}
	if (h->status.n) { /* word of the server's own: no messages, still there */
		msg->links_cnt = 0;
		return;
	}
	msg->kind = MSG_ONEWAY;
	msg->initiator = FROM_SERVER;
	find_subscription(msg, m->sid, &pattern, &group);
	add_operation(msg, MESSAGING_DELIVER, SLICE("deliver"));
	add_subject(msg, m->subject, pattern);
	messaging_add_consumer_group(&msg->attrs, group);
	add_payload(msg, m, h);
}

static ssize_t parse_message(struct nats_state *state, const struct line *line, struct slice bytes,
			     bool last, struct msg *msg)
{
	struct headers h = {.status = SLICE("")};
	struct slice rest = slice_after(bytes, line->len);
	struct message m;
	uint64_t wanted;

	if (!read_message(line, &m))
		return -EPROTO;
	wanted = m.headers_sz < HEADERS_MAX ? m.headers_sz : HEADERS_MAX;
	if (line->len && rest.n < wanted && !last)
		return 0;
	rest = slice_first(rest, (size_t)wanted);
	if (line->len && m.headers_sz)
		read_headers(rest, &h);
	if (by_sender(line->verb, FROM_CLIENT))
		fill_published(state, &m, &h, msg);
	else
		fill_delivered(state, &m, &h, msg);
	if (!line->len) {
		msg->flags |= MESSAGE_TRUNCATED;
		return (ssize_t)bytes.n;
	}
	msg->skip = m.total_sz - rest.n + 2;
	return (ssize_t)(line->len + rest.n);
}

/* --- other lines -------------------------------------------------------------------------------- */

static const struct {
	struct slice text, type;
} errors[] = {
	{SLICE("'Authorization Violation"), SLICE("authorization_violation")},
	{SLICE("'User Authentication Expired"), SLICE("authentication_expired")},
	{SLICE("'User Authentication Revoked"), SLICE("authentication_revoked")},
	{SLICE("'Authentication Timeout"), SLICE("authentication_timeout")},
	{SLICE("'Permissions Violation"), SLICE("permissions_violation")},
	{SLICE("'Maximum Payload Violation"), SLICE("maximum_payload_violation")},
	{SLICE("'Maximum Control Line Exceeded"), SLICE("maximum_control_line_exceeded")},
	{SLICE("'Maximum Connections Exceeded"), SLICE("maximum_connections_exceeded")},
	{SLICE("'Maximum Subscriptions Exceeded"), SLICE("maximum_subscriptions_exceeded")},
	{SLICE("'Slow Consumer"), SLICE("slow_consumer")},
	{SLICE("'Stale Connection"), SLICE("stale_connection")},
	{SLICE("'Unknown Protocol Operation"), SLICE("unknown_protocol_operation")},
	{SLICE("'Parser Error"), SLICE("parser_error")},
	{SLICE("'Invalid Subject"), SLICE("invalid_subject")},
	{SLICE("'Invalid Publish Subject"), SLICE("invalid_subject")},
	{SLICE("'Secure Connection"), SLICE("secure_connection_required")},
	{SLICE("'Server Shutdown"), SLICE("server_shutdown")},
};

static void fill_error(struct msg *msg, struct slice text)
{
	struct slice type = SLICE("_OTHER");

	for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++)
		if (slice_eq_nocase(slice_first(text, errors[i].text.n), errors[i].text))
			type = errors[i].type;
	msg->kind = MSG_ONEWAY;
	msg->initiator = FROM_SERVER;
	add_operation(msg, MESSAGING_OTHER, SLICE("error"));
	messaging_add_error(&msg->attrs, type);
}

static void fill_subscription(struct msg *msg, const struct line *line)
{
	const struct slice *tokens = line->tokens;
	bool subscribes = line->verb == VERB_SUB, grouped = line->tokens_cnt == 3;
	struct slice subject = SLICE(""), group = SLICE("");

	msg->kind = MSG_ONEWAY;
	if (subscribes && line->tokens_cnt) {
		subject = tokens[0];
		group = grouped ? tokens[1] : SLICE("");
	} else if (line->tokens_cnt) {
		find_subscription(msg, tokens[0], &subject, &group);
	}
	if (subscribes && line->len)
		keep_subscription(msg, tokens[line->tokens_cnt - 1], subject, group);
	add_operation(msg, MESSAGING_OTHER, subscribes ? SLICE("subscribe") : SLICE("unsubscribe"));
	add_subject(msg, subject, SLICE(""));
	messaging_add_consumer_group(&msg->attrs, group);
}

/* With TLS, the server greets in the clear and then both go on in TLS. */
static void take_info(struct nats_state *state, struct slice info, struct msg *msg)
{
	static const struct slice required = SLICE("\"tls_required\":true");

	if (!state->informed && memmem(info.p, info.n, required.p, required.n)) {
		msg->flags |= MESSAGE_UPGRADE;
		msg->upgrade = SLICE("tls");
	}
	state->informed = true;
}

static ssize_t parse(void *opaque, enum sender sender, struct slice bytes, bool last,
		     struct msg *msg)
{
	struct nats_state *state = opaque;
	struct line line;
	int read = read_line(bytes, sender, &line);

	if (read < 0 || (!line.len && bytes.n >= LINE_MAX))
		return -EPROTO;
	if (!line.len && !last)
		return 0;
	if (read && verbs[line.verb].flags & HAS_PAYLOAD)
		return parse_message(state, &line, bytes, last, msg);
	if (read && line.verb == VERB_ERR)
		fill_error(msg, line.rest);
	else if (read && (line.verb == VERB_SUB || line.verb == VERB_UNSUB))
		fill_subscription(msg, &line);
	if (!line.len) {
		msg->flags |= MESSAGE_TRUNCATED;
		return (ssize_t)bytes.n;
	}
	if (line.verb == VERB_INFO)
		take_info(state, line.rest, msg);
	return (ssize_t)line.len;
}

/* --- detection ---------------------------------------------------------------------------------- */

/* A line that is whole, or of which enough is there. */
static enum detect detect_line(const struct line *line)
{
	bool json = line->verb == VERB_INFO || line->verb == VERB_CONNECT;
	struct message m;

	if (json) {
		struct slice start = slice_first(line->rest, 2);

		if (start.n == 2 && start.p[0] == '{' && (start.p[1] == '"' || start.p[1] == '}'))
			return DETECT_YES;
		return line->len || (start.n && start.p[0] != '{') ? DETECT_NO : DETECT_MORE;
	}
	if (!line->len)
		return DETECT_MORE;
	if (verbs[line->verb].flags & HAS_PAYLOAD)
		return read_message(line, &m) ? DETECT_YES : DETECT_NO;
	if (line->verb == VERB_ERR)
		return line->rest.n > 2 && line->rest.p[0] == '\'' &&
				       line->rest.p[line->rest.n - 1] == '\''
			       ? DETECT_YES
			       : DETECT_NO;
	for (unsigned int i = 0; i < line->tokens_cnt; i++)
		if (!is_word(line->tokens[i]) || slice_find(line->tokens[i], '/') >= 0)
			return DETECT_NO;
	return DETECT_YES;
}

/* PING, PONG and +OK are Redis's too: what comes after them decides. */
static bool says_nothing(const struct line *line)
{
	return line->verb == VERB_PING || line->verb == VERB_PONG || line->verb == VERB_OK;
}

static enum detect detect(enum sender sender, struct slice head)
{
	while (head.n) {
		struct line line;
		int read = read_line(head, sender, &line);

		if (read <= 0)
			return read < 0 ? DETECT_NO : DETECT_MORE;
		if (!says_nothing(&line))
			return detect_line(&line);
		if (line.rest.n)
			return DETECT_NO;
		if (!line.len)
			return DETECT_MORE;
		head = slice_after(head, line.len);
	}
	return DETECT_MORE;
}

static void resync(void *opaque, enum sender sender)
{
	struct nats_state *state = opaque;

	if (sender == FROM_SERVER) /* what was missed may have been the answers */
		state->pending_cnt = 0;
}

static const uint16_t ports[] = {4222, 0};

static const struct protocol nats_protocol = {
	.name = "nats",
	.ports = ports,
	.state_size = sizeof(struct nats_state),
	.by_id = true,
	.detect = detect,
	.parse = parse,
	.resync = resync,
	.describe = messaging_describe,
};
PROTOCOL(nats_protocol);

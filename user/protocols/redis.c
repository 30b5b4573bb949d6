// SPDX-License-Identifier: Apache-2.0
/*
 * Redis: RESP2, RESP3 and inline commands (redis.io, "Redis serialization protocol specification").
 * Answers come in order. What comes besides: deliveries to subscribers, exchanges of one way that the
 * server begins; the lines of MONITOR, which are no messages; after PSYNC another protocol.
 */
#include <errno.h>

#include "user/protocols/cache_semconv.h"
#include "user/protocols/protocol.h"
#include "user/protocols/redis_commands.h"
#include "user/protocols/resp.h"

#define INLINE_MAX 65536 /* of an inline command; the server takes no more */
#define VALUE_WAIT 512	 /* longer strings are skipped, not waited for */
#define ARGS_MAX 32	 /* arguments of a command that are looked at */
#define KEY_MAX 256	 /* bytes of a name that are shown */
#define TEXT_MAX 1024
#define DEPTH_MAX 8
#define DB_MAX 0xfffff
#define ENDLESS UINT64_MAX

/* A request's tag: how it is answered, with a number in the upper bits. */
#define TAG(answer, number) (((answer) + 1u) | (uint32_t)(number) << 8)
#define TAG_ANSWER(tag) (((tag)&0xff) - 1u) /* of no request: none of enum redis_answer */
#define TAG_NUMBER(tag) ((tag) >> 8)

/* What the reply in progress is. */
enum purpose {
	ANSWER,
	DELIVERY,
	ASIDE, /* nothing that anybody waits for, such as an attribute */
	CONFIRMATION,
};

struct redis_state {
	uint64_t args_left; /* of the command in progress */
	/* Of the reply in progress: items left, by level; a level more only within streamed ones. */
	uint64_t items_left[DEPTH_MAX];
	uint32_t confirmations_left;
	uint32_t db, db_asked; /* the index + 1; 0: not known, none */
	uint8_t depth, purpose;
	bool in_line;	/* a line that was too long is passing */
	bool in_chunks; /* a streamed string is */
	bool in_exec;
	bool subscribed, monitoring, reply_off, reply_skip;
	uint8_t error_len; /* of the first error in an answer to EXEC */
	char error[RESP_WORD_MAX];
};

/* --- commands --------------------------------------------------------------------------------- */

struct command {
	struct slice args[ARGS_MAX];
	size_t cnt;	   /* of those */
	uint64_t args_cnt; /* that the command has */
	const struct redis_command *known;
};

static bool is_plain(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= ' ' || s.p[i] == '"' || s.p[i] == 0x7f)
			return false;
	return s.n > 0;
}

static char *put(char *at, struct slice s)
{
	if (s.n)
		memcpy(at, s.p, s.n);
	return at + s.n;
}

/* As one would type it, with values replaced by "?"; names that one would have to quote, too. */
static struct slice compose_text(const struct command *command, struct msg *msg)
{
	char *text = msg_room(msg, TEXT_MAX), *at, *limit;
	size_t i = 1;

	if (!text)
		return SLICE("");
	limit = text + TEXT_MAX - KEY_MAX - 8;
	at = put(text, command->args[0]);
	for (; i < command->cnt && at < limit; i++) {
		struct slice shown = slice_first(command->args[i], KEY_MAX);

		*at++ = ' ';
		if (command->known &&
		    redis_is_name(command->known, command->args, command->cnt, command->args_cnt,
				  i) &&
		    is_plain(shown))
			at = put(at, shown);
		else
			*at++ = '?';
	}
	if (i < command->args_cnt)
		at = put(at, SLICE(" ..."));
	msg->room_len -= (size_t)(text + TEXT_MAX - at);
	return slice_of(text, (size_t)(at - text));
}

static struct slice compose_number(uint32_t number, struct msg *msg)
{
	char digits[10];
	size_t at = sizeof(digits);
	char *text;

	do
		digits[--at] = (char)('0' + number % 10);
	while (number /= 10);
	text = msg_room(msg, sizeof(digits) - at);
	if (!text)
		return SLICE("");
	memcpy(text, digits + at, sizeof(digits) - at);
	return slice_of(text, sizeof(digits) - at);
}

static bool arg_is(const struct command *command, size_t i, struct slice word)
{
	return i < command->cnt && slice_eq_nocase(command->args[i], word);
}

/* CLIENT REPLY. Returns whether this command is answered itself. */
static bool take_reply_mode(struct redis_state *state, const struct command *command)
{
	bool answered = !state->reply_off && !state->reply_skip;

	if (!arg_is(command, 1, SLICE("REPLY"))) {
		state->reply_skip = false;
		return answered;
	}
	if (arg_is(command, 2, SLICE("ON"))) {
		state->reply_off = state->reply_skip = false;
		return true;
	}
	if (arg_is(command, 2, SLICE("OFF"))) {
		state->reply_off = true;
		return false;
	}
	state->reply_skip = arg_is(command, 2, SLICE("SKIP")) && !state->reply_off;
	return !state->reply_skip && answered;
}

static uint32_t tag_of(struct redis_state *state, const struct command *command)
{
	enum redis_answer answer = command->known ? command->known->answer : REDIS_PLAIN;
	uint64_t number = 0;

	switch (answer) {
	case REDIS_SELECT:
		if (command->cnt < 2 || !slice_to_u64(command->args[1], &number) ||
		    number >= DB_MAX)
			number = DB_MAX - 1;
		number++;
		state->db = 0;
		state->db_asked = (uint32_t)number;
		break;
	case REDIS_SUBSCRIBE:
	case REDIS_UNSUBSCRIBE:
		number = command->args_cnt - 1;
		break;
	case REDIS_RESET: /* selects 0, too */
		state->reply_off = state->reply_skip = false;
		state->db = 0;
		state->db_asked = 1;
		break;
	default:
		break;
	}
	return TAG(answer, number < DB_MAX ? number : DB_MAX);
}

/* Is it answered? */
static bool is_answered(struct redis_state *state, const struct command *command)
{
	bool answered = !state->reply_off && !state->reply_skip;

	if (command->known && command->known->answer == REDIS_CLIENT)
		return take_reply_mode(state, command);
	state->reply_skip = false;
	return answered;
}

static void fill_request(struct redis_state *state, const struct command *command, struct msg *msg)
{
	struct slice name = command->cnt ? command->args[0] : SLICE("");

	if (resp_is_word(name)) {
		attrs_add_str(&msg->attrs, CACHE_OPERATION, name);
		attrs_add_str(&msg->attrs, CACHE_TEXT, compose_text(command, msg));
	}
	if (command->known && command->known->procedure && command->cnt > 1 &&
	    is_plain(command->args[1]))
		attrs_add_str(&msg->attrs, CACHE_PROCEDURE, command->args[1]);
	if (state->db)
		attrs_add_str(&msg->attrs, CACHE_NAMESPACE, compose_number(state->db - 1, msg));
	msg->tag = tag_of(state, command);
	msg->kind = is_answered(state, command) ? MSG_REQUEST : MSG_ONEWAY;
	if (msg->kind == MSG_ONEWAY)
		state->db_asked = msg->tag = 0;
}

/*
 * Arguments as bulk strings: from *at on, until ARGS_MAX were read, or a long one, whose end is to be
 * skipped. Returns 1; 0 if more bytes are needed; -EPROTO. With last, what is there is enough, and *cut
 * tells that the rest is unknown.
 */
static int read_args(struct slice bytes, bool last, size_t *at, struct command *command,
		     struct msg *msg, bool *cut)
{
	uint64_t max = command->args_cnt < ARGS_MAX ? command->args_cnt : ARGS_MAX;

	while (command->cnt < max && !msg->skip) {
		struct slice rest = slice_after(bytes, *at);
		struct resp_item item;
		int got = rest.n && rest.p[0] != '$' ? -EPROTO : resp_read_number(rest, &item);
		bool there;

		if (got < 0 || item.null || item.streamed)
			return -EPROTO;
		if (!got) {
			*cut = true;
			return last;
		}
		rest = slice_after(rest, item.size);
		there = rest.n >= item.n + 2;
		if (!there && item.n <= VALUE_WAIT && !last) {
			return 0;
		} else if (item.n > VALUE_WAIT || !there) {
			size_t have = item.n > VALUE_WAIT ? 0 : rest.n;

			msg->skip = item.n + 2 - have;
			*at += item.size + have;
		} else {
			*at += item.size + item.n + 2;
		}
		/* A name that is long or cut is not shown. */
		command->args[command->cnt++] =
			slice_first(rest, there && item.n <= VALUE_WAIT ? item.n : 0);
	}
	return 1;
}

/* More of a command that was told of. */
static ssize_t parse_args(struct redis_state *state, struct slice bytes, bool last, struct msg *msg)
{
	size_t at = 0;

	while (state->args_left && !msg->skip) {
		struct command command = {.args_cnt = state->args_left};
		size_t before = at;
		bool cut = false;
		int got = read_args(bytes, last, &at, &command, msg, &cut);

		if (got < 0)
			return got;
		state->args_left -= command.cnt;
		if (cut && last) {
			state->args_left = 0;
			msg->flags |= MESSAGE_TRUNCATED;
			return (ssize_t)bytes.n;
		}
		if (!got || at == before)
			break;
	}
	if (!state->args_left)
		msg->kind = MSG_END;
	return (ssize_t)at;
}

static ssize_t parse_array(struct redis_state *state, struct slice bytes, bool last,
			   struct msg *msg)
{
	struct command command = {.cnt = 0};
	struct resp_item item;
	int got = resp_read_number(bytes, &item);
	bool cut = got == 0;
	size_t at = item.size;

	if (got < 0 || item.streamed)
		return -EPROTO;
	if (got && (item.null || !item.n)) /* the server passes over it */
		return (ssize_t)at;
	command.args_cnt = item.n;
	got = got ? read_args(bytes, last, &at, &command, msg, &cut) : last;
	if (got <= 0)
		return got;
	if (command.cnt)
		command.known = redis_command(command.args[0]);
	fill_request(state, &command, msg);
	if (cut) {
		msg->flags |= MESSAGE_TRUNCATED;
		return (ssize_t)bytes.n;
	}
	state->args_left = command.args_cnt - command.cnt;
	if (state->args_left)
		msg->flags |= MESSAGE_HAS_PARTS;
	return (ssize_t)at;
}

/* Words between spaces. After a quote nothing is certain, and nothing more is shown. */
static void split_line(struct slice line, struct command *command)
{
	size_t at = 0;

	while (at < line.n) {
		size_t start;

		while (at < line.n && (line.p[at] == ' ' || line.p[at] == '\t'))
			at++;
		for (start = at; at < line.n && line.p[at] != ' ' && line.p[at] != '\t';)
			at++;
		if (at == start)
			break;
		command->args_cnt++;
		if (memchr(line.p + start, '"', at - start) ||
		    memchr(line.p + start, '\'', at - start) || command->cnt == ARGS_MAX)
			break;
		command->args[command->cnt++] = slice_of(line.p + start, at - start);
	}
}

static ssize_t parse_inline(struct redis_state *state, struct slice bytes, bool last,
			    struct msg *msg)
{
	struct slice line = slice_first(bytes, INLINE_MAX);
	const char *end = memchr(line.p, '\n', line.n);
	struct command command = {.cnt = 0};

	if (line.p[0] == '\n' || slice_starts_with(line, SLICE("\r\n")))
		return line.p[0] == '\n' ? 1 : 2;
	if (slice_eq(line, SLICE("\r")) && !last)
		return 0;
	if (!resp_is_word(slice_first(line, 1)) || (!end && line.n == INLINE_MAX))
		return -EPROTO;
	if (!end && !last)
		return 0;
	if (end)
		line.n = (size_t)(end - line.p);
	else
		msg->flags |= MESSAGE_TRUNCATED;
	bytes.n = end ? line.n + 1 : bytes.n;
	if (line.n && line.p[line.n - 1] == '\r')
		line.n--;
	split_line(line, &command);
	if (!command.cnt || !resp_is_word(command.args[0]))
		return -EPROTO;
	command.known = redis_command(command.args[0]);
	fill_request(state, &command, msg);
	return (ssize_t)bytes.n;
}

static ssize_t parse_command(struct redis_state *state, struct slice bytes, bool last,
			     struct msg *msg)
{
	if (state->args_left)
		return parse_args(state, bytes, last, msg);
	if (bytes.p[0] == '*')
		return parse_array(state, bytes, last, msg);
	return parse_inline(state, bytes, last, msg);
}

/* --- replies ---------------------------------------------------------------------------------- */

/* The code that an error begins with; empty where it has none. */
static struct slice error_code(struct slice text)
{
	ptrdiff_t space = slice_find(text, ' ');
	struct slice code = space < 0 ? text : slice_first(text, (size_t)space);

	for (size_t i = 0; i < code.n; i++)
		if (code.p[i] >= 'a' && code.p[i] <= 'z')
			return SLICE("");
	return resp_is_word(code) ? code : SLICE("");
}

static void add_error(struct msg *msg, struct slice text)
{
	struct slice code = error_code(text);

	if (code.n)
		attrs_add_str(&msg->attrs, CACHE_STATUS, code);
	else
		attrs_add_str(&msg->attrs, CACHE_ERROR, SLICE("_OTHER"));
}

static void item_done(struct redis_state *state)
{
	uint64_t *left = &state->items_left[state->depth - 1];

	if (*left != ENDLESS)
		--*left;
	while (state->depth && state->items_left[state->depth - 1] == 0) {
		state->depth--;
		if (state->depth && state->items_left[state->depth - 1] != ENDLESS)
			state->items_left[state->depth - 1]--;
	}
}

/* Takes the place of one item: cnt further ones. */
static bool enter(struct redis_state *state, uint64_t cnt)
{
	uint64_t *left = &state->items_left[state->depth - 1];

	if (cnt != ENDLESS && *left != ENDLESS) {
		if (cnt > (ENDLESS >> 1) - *left)
			return false;
		*left += cnt;
		item_done(state);
		return true;
	}
	if (state->depth == DEPTH_MAX)
		return false;
	if (cnt)
		state->items_left[state->depth++] = cnt;
	return true;
}

/* What a level that was entered while a streamed one is above it says when it is over. */
static bool leave_streamed(struct redis_state *state)
{
	if (!state->depth || state->items_left[state->depth - 1] != ENDLESS)
		return false;
	state->items_left[state->depth - 1] = 1;
	item_done(state);
	return true;
}

static void note_error(struct redis_state *state, struct slice text)
{
	struct slice code = error_code(text);

	if (!state->in_exec || state->error_len || !code.n)
		return;
	memcpy(state->error, code.p, code.n);
	state->error_len = (uint8_t)code.n;
}

/* One item of a reply, whose header was read. False if it makes no sense. */
static bool take_item(struct redis_state *state, struct slice rest, const struct resp_item *item)
{
	bool whole;

	if (state->in_chunks && item->type != ';')
		return false;
	switch (item->type) {
	case '*':
	case '~':
	case '>':
		return enter(state, item->streamed ? ENDLESS : item->n);
	case '%':
		return enter(state, item->streamed ? ENDLESS : item->n * 2);
	case '|': /* what it is about follows it */
		return !item->streamed && enter(state, item->n * 2 + 1);
	case '.':
		return leave_streamed(state);
	case ';':
		if (!state->in_chunks)
			return false;
		state->in_chunks = item->n > 0;
		break;
	case '$':
		state->in_chunks = item->streamed;
		break;
	case '-':
		note_error(state, resp_text_at(rest, item, &whole));
		break;
	case ':':
		if (state->purpose == CONFIRMATION)
			state->subscribed = rest.p[1] != '0';
		break;
	}
	state->in_line = item->long_line;
	if (!state->in_chunks && !state->in_line)
		item_done(state);
	return true;
}

/* The bytes of a string that follow its header. */
static uint64_t body_of(const struct resp_item *item)
{
	if (item->null || item->streamed)
		return 0;
	switch (item->type) {
	case '$':
	case '=':
	case '!':
		return item->n + 2;
	case ';':
		return item->n ? item->n + 2 : 0;
	}
	return 0;
}

/* The reply in progress is over. */
static void end_reply(struct redis_state *state, struct msg *msg)
{
	char *code;

	switch (state->purpose) {
	case ASIDE:
		return;
	case CONFIRMATION:
		if (!state->confirmations_left || --state->confirmations_left)
			return;
		break;
	case DELIVERY:
		msg->initiator = FROM_SERVER;
		break;
	}
	msg->kind = MSG_END;
	code = state->error_len ? msg_room(msg, state->error_len) : NULL;
	if (code)
		attrs_add_str(&msg->attrs, CACHE_STATUS,
			      slice_of(memcpy(code, state->error, state->error_len),
				       state->error_len));
	state->in_exec = false;
	state->error_len = 0;
}

/* The end of a long line, or all of it that is there. */
static size_t pass_line(struct redis_state *state, struct slice rest)
{
	const char *end = rest.n ? memchr(rest.p, '\n', rest.n) : NULL;

	if (!end)
		return rest.n;
	state->in_line = false;
	item_done(state);
	return (size_t)(end - rest.p) + 1;
}

/*
 * Goes on with the reply in progress: over as many items as are there, up to a long string, which is
 * skipped.
 */
static ssize_t walk(struct redis_state *state, struct slice bytes, bool last, struct msg *msg)
{
	size_t at = 0;

	while (state->depth && !msg->skip) {
		struct slice rest = slice_after(bytes, at);
		struct resp_item item;
		uint64_t body;
		int got;

		if (state->in_line) {
			at += pass_line(state, rest);
			if (state->in_line)
				break;
			continue;
		}
		got = resp_read_item(rest, &item);
		if (got < 0)
			return -EPROTO;
		body = got ? body_of(&item) : 0;
		if (got && body > VALUE_WAIT) {
			msg->skip = body;
			body = 0;
		} else if (!got || rest.n - item.size < body) {
			if (!last)
				break;
			if (!got) { /* where the next item begins is not known */
				state->depth = 0;
				msg->flags |= rest.n ? MESSAGE_TRUNCATED : 0;
				return (ssize_t)bytes.n;
			}
			msg->skip = body - (rest.n - item.size);
			body = rest.n - item.size;
		}
		at += item.size + body;
		if (!take_item(state, rest, &item))
			return -EPROTO;
	}
	if (!state->depth)
		end_reply(state, msg);
	return (ssize_t)at;
}

static void begin_walk(struct redis_state *state, enum purpose purpose)
{
	state->purpose = purpose;
	state->depth = 1;
	state->items_left[0] = 1;
	state->in_exec = false;
	state->error_len = 0;
}

/* "1339518083.107412 [0 127.0.0.1:60866] ...", as MONITOR shows commands. */
static bool is_monitor_line(struct slice text)
{
	size_t at = 0;

	while (at < text.n && at < 20 && (resp_is_digit(text.p[at]) || text.p[at] == '.'))
		at++;
	return at > 10 && slice_starts_with(slice_after(text, at), SLICE(" ["));
}

/* What the answer means for the connection. */
static void answered(struct redis_state *state, uint32_t tag, struct slice text, struct msg *msg)
{
	switch (TAG_ANSWER(tag)) {
	case REDIS_SELECT:
		if (slice_eq(text, SLICE("OK")) && TAG_NUMBER(tag) == state->db_asked &&
		    state->db_asked < DB_MAX)
			state->db = state->db_asked;
		break;
	case REDIS_RESET:
		state->db = state->db_asked == 1; /* else the next one was selected already */
		state->subscribed = state->monitoring = false;
		break;
	case REDIS_MONITOR:
		state->monitoring = true;
		break;
	case REDIS_REPLICATE:
		msg->flags |= MESSAGE_UPGRADE;
		msg->upgrade = SLICE("redis-replication");
		break;
	}
}

/* A reply of one line or one string. */
static ssize_t parse_single(struct redis_state *state, struct slice bytes, bool last,
			    const struct resp_item *item, struct msg *msg)
{
	uint32_t tag = msg->tag;
	struct slice text;
	bool whole;

	text = resp_text_at(bytes, item, &whole);
	if (item->type == '!' && !whole && text.n < RESP_WORD_MAX && !last)
		return 0;
	if (item->type == '+' && (state->monitoring || !tag) && is_monitor_line(text)) {
		begin_walk(state, ASIDE);
	} else {
		msg->kind = MSG_RESPONSE;
		if (item->type == '-' || item->type == '!')
			add_error(msg, text);
		else
			answered(state, tag, text, msg);
		begin_walk(state, ANSWER);
		if (item->long_line || item->streamed)
			msg->flags |= MESSAGE_HAS_PARTS;
	}
	if (item->long_line || item->streamed)
		take_item(state, bytes, item);
	else
		state->depth = 0;
	msg->skip = body_of(item);
	return (ssize_t)item->size;
}

/* The kind of a message that the server may send unasked. */
struct push {
	struct slice kind, channel;
	bool delivery, confirmation;
};

/* Item number i of an array of short strings. As resp_read_item. */
static int peek(struct slice rest, size_t i, struct slice *text)
{
	struct resp_item item;
	bool whole;
	int got;

	for (;; i--) {
		got = resp_read_item(rest, &item);
		if (got <= 0)
			return got;
		*text = resp_text_at(rest, &item, &whole);
		if (i == 0 || !whole)
			break;
		rest = slice_after(rest, item.size + body_of(&item));
	}
	if (whole && item.n <= VALUE_WAIT)
		return 1;
	*text = SLICE(""); /* a part of a name is none */
	return item.n > VALUE_WAIT;
}

static int read_push(struct slice rest, uint64_t cnt, struct push *push)
{
	static const struct slice deliveries[] = {SLICE("message"), SLICE("smessage"),
						  SLICE("pmessage")};
	int got = peek(rest, 0, &push->kind);
	struct slice word = push->kind;

	if (got <= 0)
		return got;
	for (size_t i = 0; i < 3; i++) {
		size_t channel_at = i == 2 ? 2 : 1;

		if (cnt == channel_at + 2 && slice_eq(word, deliveries[i])) {
			push->delivery = true;
			return peek(rest, channel_at, &push->channel);
		}
	}
	if (slice_starts_with(word, SLICE("psub")) || slice_starts_with(word, SLICE("punsub")) ||
	    slice_starts_with(word, SLICE("ssub")) || slice_starts_with(word, SLICE("sunsub")))
		word = slice_after(word, 1);
	push->confirmation = cnt == 3 && (slice_eq(word, SLICE("subscribe")) ||
					  slice_eq(word, SLICE("unsubscribe")));
	return 1;
}

static bool asked_for_channels(uint32_t tag)
{
	return TAG_ANSWER(tag) == REDIS_SUBSCRIBE || TAG_ANSWER(tag) == REDIS_UNSUBSCRIBE;
}

/* Of those that nobody asked for (of UNSUBSCRIBE without arguments, all but one) none is told. */
static void begin_confirmation(struct redis_state *state, struct msg *msg)
{
	uint32_t number = TAG_NUMBER(msg->tag);

	begin_walk(state, CONFIRMATION);
	if (state->confirmations_left || !asked_for_channels(msg->tag))
		return;
	msg->kind = MSG_RESPONSE;
	msg->flags |= MESSAGE_HAS_PARTS;
	state->confirmations_left = number ? number : 1;
}

static void begin_delivery(struct redis_state *state, const struct push *push, struct msg *msg)
{
	begin_walk(state, DELIVERY);
	msg->kind = MSG_ONEWAY;
	msg->flags |= MESSAGE_HAS_PARTS;
	msg->initiator = FROM_SERVER;
	if (push->delivery) {
		attrs_add_str(&msg->attrs, SLICE("messaging.operation.name"), push->kind);
		if (push->channel.n)
			attrs_add_str(&msg->attrs, SLICE("messaging.destination.name"),
				      slice_first(push->channel, KEY_MAX));
	} else if (resp_is_word(push->kind)) {
		attrs_add_str(&msg->attrs, CACHE_OPERATION, push->kind);
	}
}

/* May an array be something that was not asked for? In RESP3 those have a type of their own. */
static bool may_be_push(const struct redis_state *state, const struct resp_item *item, uint32_t tag)
{
	if (item->type == '>')
		return true;
	return item->type == '*' && item->n >= 3 && item->n <= 4 &&
	       (state->subscribed || state->confirmations_left || !tag || asked_for_channels(tag) ||
		TAG_ANSWER(tag) == REDIS_PING);
}

static ssize_t parse_aggregate(struct redis_state *state, struct slice bytes, bool last,
			       const struct resp_item *item, struct msg *msg)
{
	struct push push = {.delivery = false};
	struct slice rest = slice_after(bytes, item->size);
	int got = 1;

	if (may_be_push(state, item, msg->tag))
		got = read_push(rest, item->n, &push);
	if (got < 0 || (got == 0 && !last))
		return got;
	if (item->type == '|') {
		begin_walk(state, ASIDE);
	} else if (push.confirmation) {
		begin_confirmation(state, msg);
	} else if (push.delivery || item->type == '>') {
		begin_delivery(state, &push, msg);
	} else {
		state->confirmations_left = 0;
		begin_walk(state, ANSWER);
		msg->kind = MSG_RESPONSE;
		state->in_exec = TAG_ANSWER(msg->tag) == REDIS_EXEC;
		if (state->in_exec && item->type == '*' && !item->null && item->n != 1)
			attrs_add_int(&msg->attrs, CACHE_BATCH, (int64_t)item->n);
	}
	if (item->null)
		state->depth = 0;
	else if (item->type == '|' ? !enter(state, item->n * 2) : !take_item(state, bytes, item))
		return -EPROTO;
	if (msg->kind == MSG_RESPONSE && state->depth)
		msg->flags |= MESSAGE_HAS_PARTS;
	return (ssize_t)item->size;
}

static ssize_t parse_reply(struct redis_state *state, struct slice bytes, bool last,
			   struct msg *msg)
{
	struct resp_item item;
	int got;

	if (state->depth)
		return walk(state, bytes, last, msg);
	got = resp_read_item(bytes, &item);
	if (got < 0 || item.type == ';' || item.type == '.')
		return -EPROTO;
	if (!got && last) { /* of what kind the reply is, is certain */
		msg->kind = MSG_RESPONSE;
		msg->flags |= MESSAGE_TRUNCATED;
		return (ssize_t)bytes.n;
	}
	if (!got)
		return 0;
	switch (item.type) {
	case '*':
	case '~':
	case '%':
	case '>':
	case '|':
		return parse_aggregate(state, bytes, last, &item, msg);
	}
	return parse_single(state, bytes, last, &item, msg);
}

/* --- the protocol ----------------------------------------------------------------------------- */

static ssize_t parse(void *state, enum sender sender, struct slice bytes, bool last,
		     struct msg *msg)
{
	if (!bytes.n)
		return 0;
	return sender == FROM_CLIENT ? parse_command(state, bytes, last, msg)
				     : parse_reply(state, bytes, last, msg);
}

static void resync(void *opaque, enum sender sender)
{
	struct redis_state *state = opaque;

	if (sender == FROM_CLIENT) {
		state->args_left = 0;
		state->db = state->db_asked = 0;
		return;
	}
	state->depth = 0;
	state->in_line = state->in_chunks = false;
	state->confirmations_left = 0;
}

static void describe(const struct exchange_view *x, struct description *out)
{
	if (attrs_get(x->request, SLICE("messaging.operation.name")))
		cache_describe_delivery(x, SLICE("redis"), 6379, out);
	else
		cache_describe(x, SLICE("redis"), 6379, out);
}

static const uint16_t ports[] = {6379, 0};

static const struct protocol redis = {
	.name = "redis",
	.ports = ports,
	.state_size = sizeof(struct redis_state),
	.detect = redis_detect,
	.parse = parse,
	.resync = resync,
	.describe = describe,
};

PROTOCOL(redis);

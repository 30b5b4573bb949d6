// SPDX-License-Identifier: Apache-2.0
/*
 * memcached over TCP: classic text, meta and binary commands (its doc/protocol.txt and
 * doc/protocol-binary.txt). All are answered in order.
 *
 * Quiet commands are answered only where there is something to say. Quiet gets are one exchange, a
 * batch, with what ends them: a "mn" or, in binary, any command that is not quiet, whose answer says
 * that the others had theirs. Quiet changes are of one way; what they might say is nobody's answer.
 */
#include <errno.h>

#include "user/protocols/cache_semconv.h"
#include "user/protocols/protocol.h"

#define LINE_MAX 4096
#define ARGS_MAX 24
#define KEY_MAX 250
#define TEXT_MAX 1024
#define VALUE_MAX (UINT64_MAX >> 2)
#define HEADER_SZ 24u
#define EXTRAS_MAX 20u

enum tag {
	TAG_PLAIN = 1,
	TAG_META,
	TAG_BATCH,
	TAG_UNSURE, /* the end was not seen, which may say that there is no answer */
};

/* What an answer in several pieces consists of. */
enum answering {
	NOTHING,
	LINES,
	BATCH,
	STATS,
};

struct memcached_state {
	uint32_t batch_cnt; /* of the commands of the open batch */
	bool batch_open;
	bool in_line;	 /* a line that was too long is passing */
	bool quiet_meta; /* quiet changes may still say something */
	uint8_t answering;
};

/* --- both forms ------------------------------------------------------------------------------- */

static bool is_plain(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= ' ' || s.p[i] == '"' || s.p[i] == 0x7f)
			return false;
	return s.n > 0 && s.n <= KEY_MAX;
}

static char *put(char *at, struct slice s)
{
	if (s.n)
		memcpy(at, s.p, s.n);
	return at + s.n;
}

/* The operation with its keys, and "?" for whatever else it has. */
static void add_command(struct msg *msg, struct slice name, const struct slice *keys,
			size_t keys_cnt, bool more_keys, bool more)
{
	char *text = msg_room(msg, TEXT_MAX), *at, *limit;
	size_t i = 0;

	attrs_add_str(&msg->attrs, CACHE_OPERATION, name);
	if (!text)
		return;
	limit = text + TEXT_MAX - KEY_MAX - 8;
	at = put(text, name);
	for (; i < keys_cnt && at < limit; i++) {
		*at++ = ' ';
		at = put(at, is_plain(keys[i]) ? keys[i] : SLICE("?"));
	}
	if (more)
		at = put(at, SLICE(" ?"));
	if (more_keys || i < keys_cnt)
		at = put(at, SLICE(" ..."));
	msg->room_len -= (size_t)(text + TEXT_MAX - at);
	attrs_add_str(&msg->attrs, CACHE_TEXT, slice_of(text, (size_t)(at - text)));
}

static void begin_batch(struct memcached_state *state, struct slice name, struct msg *msg)
{
	msg->kind = MSG_REQUEST;
	msg->flags |= MESSAGE_HAS_PARTS;
	msg->tag = TAG_BATCH;
	state->batch_open = true;
	state->batch_cnt = 1;
	attrs_add_str(&msg->attrs, CACHE_OPERATION, name);
}

static void end_batch(struct memcached_state *state, bool counts, struct msg *msg)
{
	uint32_t cnt = state->batch_cnt + counts;

	msg->kind = MSG_END;
	state->batch_open = false;
	if (cnt > 1)
		attrs_add_int(&msg->attrs, CACHE_BATCH, cnt);
}

/* A piece of an answer that may have several; is it the last? */
static void tell_answer(struct memcached_state *state, enum answering answering, bool last_piece,
			struct msg *msg)
{
	if (!state->answering) {
		msg->kind = MSG_RESPONSE;
		msg->flags |= last_piece ? 0 : MESSAGE_HAS_PARTS;
	} else if (last_piece) {
		msg->kind = MSG_END;
	}
	state->answering = last_piece ? NOTHING : answering;
}

/* --- text commands ---------------------------------------------------------------------------- */

enum form {
	PLAIN,
	STORE, /* a value follows: its length is argument 4 */
	QUIT,
	META_GET,
	META_STORE, /* its length is argument 2 */
	META_CHANGE,
	META_DEBUG,
	META_NOOP,
};

struct text_command {
	struct slice name;
	enum form form;
	uint8_t key_at; /* 0: it has none */
	bool many;	/* all that follow are keys */
	uint8_t args_min;
};

static const struct text_command text_commands[] = {
	{.name = SLICE("get"), .key_at = 1, .many = true, .args_min = 1},
	{.name = SLICE("gets"), .key_at = 1, .many = true, .args_min = 1},
	{.name = SLICE("set"), .form = STORE, .key_at = 1, .args_min = 4},
	{.name = SLICE("mg"), .form = META_GET, .key_at = 1, .args_min = 1},
	{.name = SLICE("ms"), .form = META_STORE, .key_at = 1, .args_min = 2},
	{.name = SLICE("md"), .form = META_CHANGE, .key_at = 1, .args_min = 1},
	{.name = SLICE("ma"), .form = META_CHANGE, .key_at = 1, .args_min = 1},
	{.name = SLICE("me"), .form = META_DEBUG, .key_at = 1, .args_min = 1},
	{.name = SLICE("mn"), .form = META_NOOP},
	{.name = SLICE("delete"), .key_at = 1, .args_min = 1},
	{.name = SLICE("incr"), .key_at = 1, .args_min = 2},
	{.name = SLICE("decr"), .key_at = 1, .args_min = 2},
	{.name = SLICE("touch"), .key_at = 1, .args_min = 2},
	{.name = SLICE("add"), .form = STORE, .key_at = 1, .args_min = 4},
	{.name = SLICE("replace"), .form = STORE, .key_at = 1, .args_min = 4},
	{.name = SLICE("append"), .form = STORE, .key_at = 1, .args_min = 4},
	{.name = SLICE("prepend"), .form = STORE, .key_at = 1, .args_min = 4},
	{.name = SLICE("cas"), .form = STORE, .key_at = 1, .args_min = 5},
	{.name = SLICE("gat"), .key_at = 2, .many = true, .args_min = 2},
	{.name = SLICE("gats"), .key_at = 2, .many = true, .args_min = 2},
	{.name = SLICE("stats")},
	{.name = SLICE("flush_all")},
	{.name = SLICE("version")},
	{.name = SLICE("verbosity"), .args_min = 1},
	{.name = SLICE("quit"), .form = QUIT},
	{.name = SLICE("slabs"), .args_min = 1},
	{.name = SLICE("lru"), .args_min = 1},
	{.name = SLICE("lru_crawler"), .args_min = 1},
	{.name = SLICE("cache_memlimit"), .args_min = 1},
	{.name = SLICE("watch")},
};

static const struct text_command *find_text(struct slice name)
{
	for (size_t i = 0; i < sizeof(text_commands) / sizeof(*text_commands); i++)
		if (slice_eq(text_commands[i].name, name))
			return &text_commands[i];
	return NULL;
}

struct line {
	struct slice args[ARGS_MAX]; /* args[0] is the command */
	size_t cnt;
	bool more; /* there are more than those */
};

static void split(struct slice s, struct line *line)
{
	const char *at = s.p, *limit = s.p + s.n;

	line->cnt = 0;
	line->more = false;
	while (at < limit) {
		const char *end = memchr(at, ' ', (size_t)(limit - at));

		end = end ? end : limit;
		if (end > at && line->cnt == ARGS_MAX) {
			line->more = true;
			return;
		}
		if (end > at)
			line->args[line->cnt++] = slice_of(at, (size_t)(end - at));
		at = end + 1;
	}
}

/* The first line without its end, and its size with it; 0 if its end is not there. */
static size_t take_line(struct slice bytes, struct slice *line)
{
	struct slice in = slice_first(bytes, LINE_MAX);
	const char *end = in.n ? memchr(in.p, '\n', in.n) : NULL;

	*line = end ? slice_of(in.p, (size_t)(end - in.p)) : in;
	if (line->n && line->p[line->n - 1] == '\r')
		line->n--;
	return end ? (size_t)(end - in.p) + 1 : 0;
}

static bool read_size(struct slice s, uint64_t *size)
{
	return slice_to_u64(s, size) && *size < VALUE_MAX;
}

/* How many bytes of value follow. False if the command does not say. */
static bool read_value_size(const struct text_command *known, const struct line *line,
			    uint64_t *skip)
{
	uint32_t at = known->form == STORE ? 4 : 2;
	struct slice size;

	*skip = 0;
	if (known->form != STORE && known->form != META_STORE)
		return true;
	if (line->cnt <= known->args_min || line->cnt <= at)
		return false;
	size = line->args[at];
	if (known->form == META_STORE && slice_starts_with(size, SLICE("S")))
		size = slice_after(size, 1); /* as the first versions had it */
	if (!read_size(size, skip))
		return false;
	*skip += 2;
	return true;
}

static bool is_meta(const struct text_command *known)
{
	return known->form >= META_GET;
}

static bool is_quiet(const struct text_command *known, const struct line *line)
{
	if (!is_meta(known)) /* a key may have that name, too */
		return !known->many && line->cnt > known->args_min + 1u &&
		       slice_eq(line->args[line->cnt - 1], SLICE("noreply"));
	for (size_t i = known->key_at + 1u; i < line->cnt; i++)
		if (slice_eq(line->args[i], SLICE("q")))
			return true;
	return false;
}

static void tell_text(struct memcached_state *state, const struct text_command *known,
		      const struct line *line, bool quiet, struct msg *msg)
{
	size_t keys_cnt = 0;
	bool more;

	if (quiet && known->form == META_GET) {
		begin_batch(state, known->name, msg);
		return;
	}
	if (known->key_at && line->cnt > known->key_at)
		keys_cnt = known->many ? line->cnt - known->key_at : 1;
	more = line->cnt > 1 + keys_cnt;
	msg->kind = quiet || known->form == QUIT ? MSG_ONEWAY : MSG_REQUEST;
	if (msg->kind == MSG_REQUEST)
		msg->tag = is_meta(known) ? TAG_META : TAG_PLAIN;
	else
		state->quiet_meta |= is_meta(known);
	add_command(msg, known->name, line->args + known->key_at, keys_cnt, line->more, more);
}

/* A line that is too long, as of many keys; or one of which no more was copied. */
static ssize_t parse_cut_line(struct memcached_state *state, struct slice bytes, bool last,
			      struct msg *msg)
{
	const struct text_command *known;
	struct line line;

	bytes = last && bytes.n < LINE_MAX ? bytes : slice_first(bytes, LINE_MAX);
	split(bytes, &line);
	known = line.cnt > 1 ? find_text(line.args[0]) : NULL;
	if (!known || state->batch_open)
		return -EPROTO;
	if (!line.more) /* the last one is not whole */
		line.cnt--;
	line.more = true;
	tell_text(state, known, &line, false, msg);
	if (msg->kind == MSG_REQUEST && !known->many)
		msg->tag = TAG_UNSURE;
	if (bytes.n < LINE_MAX) {
		msg->flags |= MESSAGE_TRUNCATED;
		return (ssize_t)bytes.n;
	}
	if (!known->many)
		return -EPROTO;
	msg->flags |= MESSAGE_HAS_PARTS;
	state->in_line = true;
	return LINE_MAX;
}

static ssize_t pass_line(struct memcached_state *state, struct slice bytes, struct msg *msg)
{
	const char *end = memchr(bytes.p, '\n', bytes.n);

	if (!end)
		return (ssize_t)bytes.n;
	state->in_line = false;
	msg->kind = MSG_END;
	return end - bytes.p + 1;
}

/* Could it be the beginning of a command? */
static bool is_text(struct slice s)
{
	s = slice_first(s, 4);
	for (size_t i = 0; i < s.n; i++)
		if (!(s.p[i] >= 'a' && s.p[i] <= 'z') && (i < 2 || !memchr("_ \r\n", s.p[i], 4)))
			return false;
	return true;
}

static ssize_t parse_text(struct memcached_state *state, struct slice bytes, bool last,
			  struct msg *msg)
{
	const struct text_command *known;
	struct slice text;
	struct line line;
	size_t n;
	bool quiet;

	if (state->in_line)
		return pass_line(state, bytes, msg);
	if (!is_text(bytes))
		return -EPROTO;
	n = take_line(bytes, &text);
	if (!n && !last && bytes.n < LINE_MAX)
		return 0;
	if (!n)
		return parse_cut_line(state, bytes, last, msg);
	split(text, &line);
	known = line.cnt ? find_text(line.args[0]) : NULL;
	if (!known) { /* answered with an error; of what was asked nothing is certain */
		msg->kind = MSG_REQUEST;
		msg->tag = TAG_PLAIN;
		return state->batch_open ? -EPROTO : (ssize_t)n;
	}
	if (!read_value_size(known, &line, &msg->skip))
		return -EPROTO;
	quiet = is_quiet(known, &line);
	if (!state->batch_open) {
		tell_text(state, known, &line, quiet, msg);
	} else if (known->form == META_NOOP) {
		end_batch(state, false, msg);
	} else if (quiet && is_meta(known)) {
		state->batch_cnt++;
	} else { /* whose answer comes next cannot be known */
		return -EPROTO;
	}
	return (ssize_t)n;
}

/* --- text answers ----------------------------------------------------------------------------- */

static bool is_word(struct slice line, struct slice word)
{
	return slice_starts_with(line, word) && (line.n == word.n || line.p[word.n] == ' ');
}

/* The three errors; empty for all else, misses and refusals included. */
static struct slice error_of(struct slice line)
{
	static const struct slice errors[] = {SLICE("ERROR"), SLICE("CLIENT_ERROR"),
					      SLICE("SERVER_ERROR")};

	for (size_t i = 0; i < 3; i++)
		if (is_word(line, errors[i]))
			return errors[i];
	return SLICE("");
}

/* "VALUE key flags size [cas]" and "VA size flags...". False if it is wrong. */
static bool read_answer_size(struct slice text, uint64_t *skip)
{
	size_t size_at = is_word(text, SLICE("VALUE")) ? 3 : is_word(text, SLICE("VA")) ? 1 : 0;
	struct line line;

	*skip = 0;
	if (!size_at)
		return true;
	split(text, &line);
	if (line.cnt <= size_at || !read_size(line.args[size_at], skip))
		return false;
	*skip += 2;
	return true;
}

static bool has_more_lines(struct slice line)
{
	return is_word(line, SLICE("VALUE")) || is_word(line, SLICE("STAT")) ||
	       is_word(line, SLICE("ITEM"));
}

/* Could a quiet change say that? */
static bool is_refusal(struct slice line)
{
	return is_word(line, SLICE("NS")) || is_word(line, SLICE("EX")) ||
	       is_word(line, SLICE("NF"));
}

static ssize_t parse_answer(struct memcached_state *state, struct slice bytes, bool last,
			    struct msg *msg)
{
	bool batch = state->answering ? state->answering == BATCH : msg->tag == TAG_BATCH;
	struct slice line, error;
	size_t n = take_line(bytes, &line);

	if ((unsigned char)bytes.p[0] <= ' ' || (unsigned char)bytes.p[0] >= 0x7f)
		return -EPROTO;
	if (!n && (bytes.n >= LINE_MAX || !last))
		return bytes.n >= LINE_MAX ? -EPROTO : 0;
	if (!n) {
		msg->kind = state->answering ? MSG_NONE : MSG_RESPONSE;
		msg->flags |= MESSAGE_TRUNCATED;
		state->answering = NOTHING;
		return (ssize_t)bytes.n;
	}
	if (!read_answer_size(line, &msg->skip))
		return -EPROTO;
	if (state->quiet_meta && !batch && is_refusal(line)) {
		if (msg->tag == TAG_META) /* whose is it? */
			return -EPROTO;
		return (ssize_t)n;
	}
	if (is_word(line, SLICE("MN")))
		state->quiet_meta = false;
	error = error_of(line);
	tell_answer(state, batch ? BATCH : LINES,
		    batch ? is_word(line, SLICE("MN")) : !has_more_lines(line), msg);
	if (error.n && msg->kind != MSG_NONE)
		attrs_add_str(&msg->attrs, CACHE_STATUS, error);
	return (ssize_t)n;
}

/* --- binary ----------------------------------------------------------------------------------- */

enum quiet {
	LOUD,
	QUIET_GET,
	QUIET_CHANGE,
};

struct opcode {
	struct slice name;
	enum quiet quiet;
	uint8_t extras, extras_max; /* bytes */
	bool key;
};

static const struct opcode opcodes[] = {
	[0x00] = {.name = SLICE("get"), .key = true},
	[0x01] = {.name = SLICE("set"), .extras = 8, .extras_max = 8, .key = true},
	[0x02] = {.name = SLICE("add"), .extras = 8, .extras_max = 8, .key = true},
	[0x03] = {.name = SLICE("replace"), .extras = 8, .extras_max = 8, .key = true},
	[0x04] = {.name = SLICE("delete"), .key = true},
	[0x05] = {.name = SLICE("increment"), .extras = 20, .extras_max = 20, .key = true},
	[0x06] = {.name = SLICE("decrement"), .extras = 20, .extras_max = 20, .key = true},
	[0x07] = {.name = SLICE("quit")},
	[0x08] = {.name = SLICE("flush"), .extras_max = 4},
	[0x09] = {.name = SLICE("getq"), .quiet = QUIET_GET, .key = true},
	[0x0a] = {.name = SLICE("noop")},
	[0x0b] = {.name = SLICE("version")},
	[0x0c] = {.name = SLICE("getk"), .key = true},
	[0x0d] = {.name = SLICE("getkq"), .quiet = QUIET_GET, .key = true},
	[0x0e] = {.name = SLICE("append"), .key = true},
	[0x0f] = {.name = SLICE("prepend"), .key = true},
	[0x10] = {.name = SLICE("stat")},
	[0x11] = {.name = SLICE("setq"),
		  .quiet = QUIET_CHANGE,
		  .extras = 8,
		  .extras_max = 8,
		  .key = true},
	[0x12] = {.name = SLICE("addq"),
		  .quiet = QUIET_CHANGE,
		  .extras = 8,
		  .extras_max = 8,
		  .key = true},
	[0x13] = {.name = SLICE("replaceq"),
		  .quiet = QUIET_CHANGE,
		  .extras = 8,
		  .extras_max = 8,
		  .key = true},
	[0x14] = {.name = SLICE("deleteq"), .quiet = QUIET_CHANGE, .key = true},
	[0x15] = {.name = SLICE("incrementq"),
		  .quiet = QUIET_CHANGE,
		  .extras = 20,
		  .extras_max = 20,
		  .key = true},
	[0x16] = {.name = SLICE("decrementq"),
		  .quiet = QUIET_CHANGE,
		  .extras = 20,
		  .extras_max = 20,
		  .key = true},
	[0x17] = {.name = SLICE("quitq"), .quiet = QUIET_CHANGE},
	[0x18] = {.name = SLICE("flushq"), .quiet = QUIET_CHANGE, .extras_max = 4},
	[0x19] = {.name = SLICE("appendq"), .quiet = QUIET_CHANGE, .key = true},
	[0x1a] = {.name = SLICE("prependq"), .quiet = QUIET_CHANGE, .key = true},
	[0x1b] = {.name = SLICE("verbosity"), .extras = 4, .extras_max = 4},
	[0x1c] = {.name = SLICE("touch"), .extras = 4, .extras_max = 4, .key = true},
	[0x1d] = {.name = SLICE("gat"), .extras = 4, .extras_max = 4, .key = true},
	[0x1e] = {.name = SLICE("gatq"),
		  .quiet = QUIET_GET,
		  .extras = 4,
		  .extras_max = 4,
		  .key = true},
	[0x20] = {.name = SLICE("sasl_list_mechs")},
	[0x21] = {.name = SLICE("sasl_auth")},
	[0x22] = {.name = SLICE("sasl_step")},
	[0x23] = {.name = SLICE("gatk"), .extras = 4, .extras_max = 4, .key = true},
	[0x24] = {.name = SLICE("gatkq"),
		  .quiet = QUIET_GET,
		  .extras = 4,
		  .extras_max = 4,
		  .key = true},
};

struct header {
	const struct opcode *op;
	uint16_t key_len, status;
	uint8_t extras_len, opcode;
	uint32_t body_len; /* extras, key and value */
};

/* False if it is none. */
static bool read_header(const char *p, struct header *h)
{
	const uint8_t *b = (const uint8_t *)p;

	h->opcode = b[1];
	h->key_len = (uint16_t)(b[2] << 8 | b[3]);
	h->extras_len = b[4];
	h->status = (uint16_t)(b[6] << 8 | b[7]);
	h->body_len = (uint32_t)b[8] << 24 | (uint32_t)b[9] << 16 | (uint32_t)b[10] << 8 | b[11];
	h->op = b[1] < sizeof(opcodes) / sizeof(*opcodes) && opcodes[b[1]].name.n ? &opcodes[b[1]]
										  : NULL;
	return (uint32_t)h->key_len + h->extras_len <= h->body_len;
}

static bool is_sasl(const struct header *h)
{
	return h->opcode >= 0x20 && h->opcode <= 0x22;
}

static void add_binary(const struct header *h, struct slice body, struct msg *msg)
{
	struct slice key = slice_first(slice_after(body, h->extras_len), h->key_len);
	uint32_t shown = h->extras_len + (uint32_t)h->key_len;
	bool has_key = h->key_len && !is_sasl(h);

	if (!h->op)
		return;
	if (key.n < h->key_len)
		key = SLICE("");
	add_command(msg, h->op->name, &key, has_key, false,
		    h->extras_len || h->body_len > shown || (h->key_len && !has_key));
}

static ssize_t parse_binary(struct memcached_state *state, struct slice bytes, bool last,
			    struct msg *msg)
{
	enum quiet quiet;
	struct header h;
	size_t want, at;

	if (bytes.n < HEADER_SZ) {
		if (!last)
			return 0;
		msg->kind = state->batch_open ? MSG_NONE : MSG_REQUEST;
		msg->tag = TAG_UNSURE;
		msg->flags |= MESSAGE_TRUNCATED;
		return (ssize_t)bytes.n;
	}
	if (!read_header(bytes.p, &h))
		return -EPROTO;
	want = HEADER_SZ + h.extras_len + (h.key_len <= KEY_MAX ? h.key_len : 0u);
	if (bytes.n < want && !last)
		return 0;
	at = bytes.n < want ? bytes.n : want;
	msg->skip = HEADER_SZ + (uint64_t)h.body_len - at;
	quiet = h.op ? h.op->quiet : LOUD;
	if (state->batch_open && quiet) {
		state->batch_cnt++;
	} else if (state->batch_open) {
		end_batch(state, h.opcode != 0x0a, msg);
	} else if (quiet == QUIET_GET) {
		begin_batch(state, h.op->name, msg);
	} else {
		msg->kind = quiet ? MSG_ONEWAY : MSG_REQUEST;
		msg->tag = quiet ? 0 : TAG_PLAIN;
		add_binary(&h, slice_first(slice_after(bytes, HEADER_SZ), at - HEADER_SZ), msg);
	}
	return (ssize_t)at;
}

/* Misses and refusals are answers, as in text; and so is a further step of authentication. */
static void add_status(uint16_t status, struct msg *msg)
{
	char *text;
	size_t at = 5;

	if (status == 0 || status == 1 || status == 2 || status == 5 || status == 0x21)
		return;
	text = msg_room(msg, at);
	if (!text)
		return;
	for (uint32_t left = status; left; left /= 10)
		text[--at] = (char)('0' + left % 10);
	attrs_add_str(&msg->attrs, CACHE_STATUS, slice_of(text + at, 5 - at));
}

static ssize_t parse_binary_answer(struct memcached_state *state, struct slice bytes, bool last,
				   struct msg *msg)
{
	struct header h;
	enum quiet quiet;

	if (bytes.n < HEADER_SZ) {
		if (!last)
			return 0;
		msg->kind = state->answering ? MSG_NONE : MSG_RESPONSE;
		msg->flags |= MESSAGE_TRUNCATED;
		state->answering = NOTHING;
		return (ssize_t)bytes.n;
	}
	if (!read_header(bytes.p, &h))
		return -EPROTO;
	msg->skip = h.body_len;
	quiet = h.op ? h.op->quiet : LOUD;
	if (quiet == QUIET_CHANGE)
		return HEADER_SZ;
	if (quiet == QUIET_GET)
		tell_answer(state, BATCH, false, msg);
	else
		tell_answer(state, STATS, h.opcode != 0x10 || h.status || !h.key_len, msg);
	if (msg->kind != MSG_NONE && !quiet)
		add_status(h.status, msg);
	return HEADER_SZ;
}

/* --- detection -------------------------------------------------------------------------------- */

static enum detect detect_binary(struct slice head)
{
	struct header h;

	if (head.n > 1 && ((uint8_t)head.p[1] >= sizeof(opcodes) / sizeof(*opcodes) ||
			   !opcodes[(uint8_t)head.p[1]].name.n))
		return DETECT_NO;
	if (head.n < HEADER_SZ)
		return DETECT_MORE;
	if (!read_header(head.p, &h) || head.p[5])
		return DETECT_NO;
	if ((uint8_t)head.p[0] == 0x80)
		return h.extras_len >= h.op->extras && h.extras_len <= h.op->extras_max &&
				       (h.key_len > 0) >= h.op->key && h.key_len <= KEY_MAX
			       ? DETECT_YES
			       : DETECT_NO;
	return (h.extras_len == 0 || h.extras_len == 4) && h.key_len <= KEY_MAX &&
			       (h.status <= 0x21 || (h.status >= 0x81 && h.status <= 0x86))
		       ? DETECT_YES
		       : DETECT_NO;
}

/* A command with a value is certain. Others are words that anybody might say. */
static enum detect detect_command(struct slice head)
{
	const struct text_command *known;
	struct slice text;
	struct line line;
	uint64_t skip;
	size_t n = take_line(head, &text);

	if (!is_text(head))
		return DETECT_NO;
	for (size_t i = 0; i < text.n; i++)
		if ((unsigned char)text.p[i] < ' ')
			return DETECT_NO;
	split(text, &line);
	known = line.cnt ? find_text(line.args[0]) : NULL;
	if (!n && head.n < LINE_MAX)
		return known || (line.cnt == 1 && text.n < 16) ? DETECT_MORE : DETECT_NO;
	if (!known || (size_t)known->args_min >= line.cnt ||
	    (!known->many && line.cnt > known->args_min + 3u && !is_meta(known)) ||
	    !read_value_size(known, &line, &skip))
		return DETECT_NO;
	return known->form == STORE ? DETECT_YES : DETECT_LIKELY;
}

static bool is_number(struct slice s)
{
	uint64_t number;

	while (s.n > 1 && s.p[s.n - 1] == ' ') /* "decr" does not shorten the value */
		s.n--;
	return slice_to_u64(s, &number);
}

static enum detect detect_answer(struct slice head)
{
	static const struct slice sure[] = {SLICE("STORED"), SLICE("NOT_STORED"), SLICE("DELETED"),
					    SLICE("NOT_FOUND"), SLICE("TOUCHED")};
	static const struct slice likely[] = {SLICE("END"), SLICE("OK"),   SLICE("EXISTS"),
					      SLICE("HD"),  SLICE("EN"),   SLICE("NF"),
					      SLICE("NS"),  SLICE("EX"),   SLICE("MN"),
					      SLICE("ME"),  SLICE("STAT"), SLICE("VERSION")};
	struct slice line;
	uint64_t skip;
	size_t n = take_line(head, &line);

	for (size_t i = 0; i < line.n; i++)
		if ((unsigned char)line.p[i] < ' ' || line.p[i] == 0x7f)
			return DETECT_NO;
	if (!n)
		return head.n < 300 && (line.n < 1 || is_number(line) ||
					(line.p[0] >= 'A' && line.p[0] <= 'Z'))
			       ? DETECT_MORE
			       : DETECT_NO;
	if (n < 2 || head.p[n - 2] != '\r' || !read_answer_size(line, &skip))
		return DETECT_NO;
	if (skip)
		return line.p[2] == 'L' ? DETECT_YES : DETECT_LIKELY;
	for (size_t i = 0; i < sizeof(sure) / sizeof(*sure); i++)
		if (slice_eq(line, sure[i]))
			return DETECT_YES;
	for (size_t i = 0; i < sizeof(likely) / sizeof(*likely); i++)
		if (is_word(line, likely[i]))
			return DETECT_LIKELY;
	return is_number(line) || error_of(line).n ? DETECT_LIKELY : DETECT_NO;
}

static enum detect detect(enum sender sender, struct slice head)
{
	uint8_t magic = sender == FROM_CLIENT ? 0x80 : 0x81;

	if (!head.n)
		return DETECT_MORE;
	if ((uint8_t)head.p[0] == magic)
		return detect_binary(head);
	return sender == FROM_CLIENT ? detect_command(head) : detect_answer(head);
}

/* --- the protocol ----------------------------------------------------------------------------- */

static ssize_t parse(void *opaque, enum sender sender, struct slice bytes, bool last,
		     struct msg *msg)
{
	struct memcached_state *state = opaque;

	if (!bytes.n)
		return 0;
	if (sender == FROM_CLIENT)
		return (uint8_t)bytes.p[0] == 0x80 && !state->in_line
			       ? parse_binary(state, bytes, last, msg)
			       : parse_text(state, bytes, last, msg);
	if (msg->tag == TAG_UNSURE && !state->answering) /* whose is it? */
		return -EPROTO;
	return (uint8_t)bytes.p[0] == 0x81 ? parse_binary_answer(state, bytes, last, msg)
					   : parse_answer(state, bytes, last, msg);
}

static void resync(void *opaque, enum sender sender)
{
	struct memcached_state *state = opaque;

	if (sender == FROM_SERVER) {
		state->answering = NOTHING;
		return;
	}
	state->batch_open = state->in_line = false;
}

static void describe(const struct exchange_view *x, struct description *out)
{
	cache_describe(x, SLICE("memcached"), 11211, out);
}

static const uint16_t ports[] = {11211, 0};

static const struct protocol memcached = {
	.name = "memcached",
	.ports = ports,
	.state_size = sizeof(struct memcached_state),
	.detect = detect,
	.parse = parse,
	.resync = resync,
	.describe = describe,
};

PROTOCOL(memcached);

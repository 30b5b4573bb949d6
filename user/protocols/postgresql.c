// SPDX-License-Identifier: Apache-2.0
/*
 * PostgreSQL's frontend/backend protocol, version 3 ("Message Flow" and "Message Formats" of its
 * documentation). An exchange is a Query, a FunctionCall, or each Execute of the extended protocol.
 *
 * Answers come in order, without ids. What requests go unanswered after an error is told by batches: a
 * client ends one with Sync (a Query is one of its own), the server answers that with ReadyForQuery.
 * Both are counted, and a request's tag and id hold the number of its batch.
 */
#include <errno.h>

#include "user/protocols/db_semconv.h"
#include "user/protocols/postgresql_wire.h"
#include "user/protocols/protocol.h"
#include "user/protocols/sql_semconv.h"

#define DEFAULT_PORT 5432
#define STARTUP_KEEP 1024
#define DATABASE_MAX 63 /* NAMEDATALEN - 1 */
#define SQLSTATE_LEN 5

/* A request's tag: the number of its batch, and these. */
#define TAG_REQUEST 0x1u
#define TAG_QUERY 0x2u	 /* its answer ends with ReadyForQuery */
#define TAG_UNKNOWN 0x4u /* its statement is: the answer may name it */
#define TAG_BITS 3
#define BATCH_MASK (UINT32_MAX >> TAG_BITS)

/* The answer in progress. */
enum answer {
	ANSWER_NONE,
	ANSWER_QUERY,
	ANSWER_EXECUTE,
};

struct pg_state {
	uint64_t unnamed_portal; /* its statement's name in the memo */
	int64_t rows;		 /* of the answer in progress */
	uint32_t sent, answered; /* batches that the client has ended, and the server */
	uint32_t answer_id;
	uint32_t forgotten_cnt; /* calls of forget_unnamed */
	uint8_t answer;		/* enum answer */
	bool unknown;		/* it may tell what it is an answer to */
	bool counted;		/* answered is known to be right */
	bool executing;		/* the last request was an Execute, in batch executed */
	bool starting;		/* from StartupMessage to the first ReadyForQuery */
	bool encryption_asked;	/* the server answers with one byte */
	uint8_t database_len;
	uint32_t executed;
	char database[DATABASE_MAX];
};

/* --- statements and portals ------------------------------------------------------------------- */

/* A name is given again only after its statement was closed; the unnamed one is replaced at any time. */
static uint64_t statement_key(const struct pg_state *state, struct slice name)
{
	return (slice_hash(name) + (name.n ? 0 : state->forgotten_cnt)) << 1 | 1;
}

static uint64_t portal_key(const struct pg_state *state, struct slice name)
{
	return (slice_hash(name) + state->forgotten_cnt) << 1;
}

/* Something was missed that may have been another statement without name, or another portal. */
static void forget_unnamed(struct pg_state *state)
{
	state->forgotten_cnt++;
	state->unnamed_portal = 0;
}

static struct sql read_sql(struct msg *msg, struct slice text, bool cut, bool prepared)
{
	const struct sql_source source = {
		.text = text, .dialect = SQL_POSTGRESQL, .cut = cut, .prepared = prepared};
	size_t sz = SQL_SUMMARY_MAX + PG_KEEP_TEXT;
	char *room = msg_room(msg, sz);

	return room ? sql_read(&source, room, sz) : (struct sql){.text = {.n = 0}};
}

static void take_parse(struct pg_state *state, struct msg *msg, const struct pg_frame *frame)
{
	struct slice rest = frame->body, name, text;
	bool cut = false;
	struct sql sql;

	if (!pg_take_string(&rest, &name)) {
		forget_unnamed(state);
		return;
	}
	if (!pg_take_string(&rest, &text)) {
		text = rest;
		cut = true;
	}
	sql = read_sql(msg, text, cut, true);
	sql_remember(msg, statement_key(state, name), &sql);
}

static void take_bind(struct pg_state *state, struct msg *msg, const struct pg_frame *frame)
{
	struct slice rest = frame->body, portal, name;
	uint64_t key;

	if (!pg_take_string(&rest, &portal)) {
		forget_unnamed(state);
		return;
	}
	key = pg_take_string(&rest, &name) ? statement_key(state, name) : 0;
	if (portal.n)
		memo__put(msg->memo, msg->memo_owner, portal_key(state, portal),
			  slice_of((const char *)&key, sizeof(key)));
	else
		state->unnamed_portal = key;
}

/* The statement of a portal: false if it was prepared or bound unseen. */
static bool find_statement(const struct pg_state *state, const struct msg *msg, struct slice portal,
			   struct sql *statement)
{
	uint64_t key = state->unnamed_portal;
	struct slice found;

	if (portal.n) {
		if (!memo__get(msg->memo, msg->memo_owner, portal_key(state, portal), &found) ||
		    found.n != sizeof(key))
			return false;
		memcpy(&key, found.p, sizeof(key));
	}
	return key && sql_recall(msg, key, statement);
}

/* --- requests --------------------------------------------------------------------------------- */

static void add_namespace(const struct pg_state *state, struct msg *msg)
{
	db_add(&msg->attrs, SLICE("db.namespace"), slice_of(state->database, state->database_len));
}

/* The rows that a copy brings in follow it, as parts of the request. */
static bool is_copy_in(struct slice text, struct slice summary)
{
	const struct slice copy = SLICE("COPY "), stdin_word = SLICE("STDIN");

	if (!slice_eq_nocase(slice_first(summary, copy.n), copy))
		return false;
	for (; text.n >= stdin_word.n; text = slice_after(text, 1))
		if (slice_eq_nocase(slice_first(text, stdin_word.n), stdin_word))
			return true;
	return false;
}

static void add_statement(struct msg *msg, const struct sql *sql)
{
	sql_add_statement(msg, sql);
	if (is_copy_in(sql->text, sql->summary))
		msg->flags |= MESSAGE_HAS_PARTS;
}

static void begin_request(const struct pg_state *state, struct msg *msg, uint32_t bits)
{
	uint32_t batch = state->sent & BATCH_MASK;

	msg->kind = MSG_REQUEST;
	msg->id = batch + 1;
	msg->tag = batch << TAG_BITS | bits | TAG_REQUEST;
	add_namespace(state, msg);
}

static void take_query(struct pg_state *state, struct msg *msg, const struct pg_frame *frame)
{
	struct slice text = frame->body, rest = text;
	struct sql sql;

	begin_request(state, msg, TAG_QUERY);
	pg_take_string(&rest, &text);
	sql = read_sql(msg, text, frame->cut, false);
	add_statement(msg, &sql);
	msg->parent = traceparent_read(sql.traceparent);
	state->executing = false;
	state->sent++;
}

static void take_execute(struct pg_state *state, struct msg *msg, const struct pg_frame *frame)
{
	struct slice rest = frame->body, portal = rest;
	struct sql sql;

	pg_take_string(&rest, &portal);
	state->executing = true;
	state->executed = state->sent;
	if (!find_statement(state, msg, portal, &sql)) {
		begin_request(state, msg, TAG_UNKNOWN);
		return;
	}
	begin_request(state, msg, 0);
	add_statement(msg, &sql);
}

static void take_function_call(struct pg_state *state, struct msg *msg)
{
	begin_request(state, msg, TAG_QUERY);
	attrs_add_str(&msg->attrs, SLICE("db.operation.name"), SLICE("FUNCTION CALL"));
	state->executing = false;
	state->sent++;
}

/* While it copies in, the server overlooks a Sync; the one after the copy counts. */
static void end_copy(struct pg_state *state, struct msg *msg)
{
	msg->kind = MSG_END;
	if (state->executing)
		state->sent = state->executed;
}

static ssize_t parse_client(struct pg_state *state, struct slice bytes, bool last, struct msg *msg)
{
	struct pg_frame frame = {.type = 0};
	ssize_t n = pg_take_frame(FROM_CLIENT, bytes, last, &frame, msg);

	if (n <= 0)
		return n;
	switch (frame.type) {
	case 'Q':
		take_query(state, msg, &frame);
		break;
	case 'P':
		take_parse(state, msg, &frame);
		break;
	case 'B':
		take_bind(state, msg, &frame);
		break;
	case 'E':
		take_execute(state, msg, &frame);
		break;
	case 'F':
		take_function_call(state, msg);
		break;
	case 'S':
		state->sent++;
		break;
	case 'c':
	case 'f':
		end_copy(state, msg);
		break;
	}
	return n;
}

/* --- the beginning of a connection ------------------------------------------------------------ */

static void keep_database(struct pg_state *state, struct slice name)
{
	name = slice_first(name, DATABASE_MAX);
	if (name.n)
		memcpy(state->database, name.p, name.n);
	state->database_len = (uint8_t)name.n;
}

static void begin_connection(struct pg_state *state, struct slice parameters)
{
	struct slice key, value, database = SLICE(""), user = SLICE("");

	while (pg_take_string(&parameters, &key) && key.n && pg_take_string(&parameters, &value)) {
		if (slice_eq(key, SLICE("database")))
			database = value;
		else if (slice_eq(key, SLICE("user")))
			user = value;
	}
	*state = (struct pg_state){.starting = true, .counted = true};
	keep_database(state, database.n ? database : user);
}

static ssize_t parse_startup(struct pg_state *state, struct slice bytes, bool last, struct msg *msg)
{
	uint32_t len, code, used;

	if (bytes.n < 8) {
		msg->flags |= last ? MESSAGE_TRUNCATED : 0;
		return last ? (ssize_t)bytes.n : 0;
	}
	len = pg_get32(bytes);
	code = pg_get32(slice_after(bytes, 4));
	if (!pg_is_startup_code(len, code))
		return -EPROTO;
	used = len < STARTUP_KEEP ? len : STARTUP_KEEP;
	if (bytes.n < used && !last)
		return 0;
	used = bytes.n < used ? (uint32_t)bytes.n : used;
	msg->skip = len - used;
	if (code == PG_CODE_CANCEL) {
		msg->kind = MSG_ONEWAY;
		attrs_add_str(&msg->attrs, SLICE("db.operation.name"), SLICE("CANCEL"));
	} else if (code >> 16 == 3) {
		begin_connection(state, slice_after(slice_first(bytes, used), 8));
	} else {
		state->encryption_asked = true;
	}
	return (ssize_t)used;
}

/* The byte that answers the wish for encryption. */
static ssize_t parse_encryption(struct pg_state *state, char answer, struct msg *msg)
{
	state->encryption_asked = false;
	if (answer == 'S' || answer == 'G') {
		msg->flags |= MESSAGE_UPGRADE;
		msg->upgrade = answer == 'S' ? SLICE("tls") : SLICE("gssapi");
	}
	return 1;
}

/* --- answers ---------------------------------------------------------------------------------- */

static uint32_t batch_of(uint32_t tag)
{
	return tag >> TAG_BITS;
}

/* Has the batch of the oldest request not been come to yet? */
static bool is_ahead(const struct pg_state *state, uint32_t tag)
{
	uint32_t ahead = (batch_of(tag) - state->answered) & BATCH_MASK;

	return state->counted && ahead && ahead <= BATCH_MASK / 2;
}

/* Begins the answer to the oldest request, if there is one. */
static bool begin_answer(struct pg_state *state, struct msg *msg)
{
	if (!msg->tag)
		return false;
	state->answered = batch_of(msg->tag);
	state->counted = true;
	state->answer = msg->tag & TAG_QUERY ? ANSWER_QUERY : ANSWER_EXECUTE;
	state->unknown = msg->tag & TAG_UNKNOWN;
	state->answer_id = batch_of(msg->tag) + 1;
	state->rows = -1;
	msg->kind = MSG_RESPONSE;
	msg->flags |= MESSAGE_HAS_PARTS;
	msg->id = state->answer_id;
	return true;
}

/* A frame of an answer. False if nobody asked. */
static bool go_on(struct pg_state *state, struct msg *msg)
{
	if (state->answer == ANSWER_NONE)
		return begin_answer(state, msg);
	msg->kind = MSG_PART;
	msg->id = state->answer_id;
	return true;
}

static void end_answer(struct pg_state *state, struct msg *msg)
{
	if (msg->kind == MSG_RESPONSE)
		msg->flags &= ~MESSAGE_HAS_PARTS;
	else
		msg->kind = MSG_END;
	msg->id = state->answer_id;
	state->answer = ANSWER_NONE;
}

/* That of an Execute is over with one frame, that of a Query with ReadyForQuery. */
static void end_execute(struct pg_state *state, struct msg *msg)
{
	if (state->answer == ANSWER_EXECUTE)
		end_answer(state, msg);
}

/* `SELECT 5`, `INSERT 0 1`, `CREATE TABLE`: the operation, and how many rows it was about. */
static struct slice read_command_tag(struct slice tag, uint64_t *rows)
{
	struct slice name = tag;

	for (size_t i = 0; i < tag.n; i++) {
		if (tag.p[i] == ' ' && i + 1 < tag.n && tag.p[i + 1] >= '0' &&
		    tag.p[i + 1] <= '9') {
			name = name.n == tag.n ? slice_first(tag, i) : name;
			slice_to_u64(slice_after(tag, i + 1), rows);
		}
	}
	return name;
}

static void take_command_complete(struct pg_state *state, struct msg *msg,
				  const struct pg_frame *frame)
{
	struct slice rest = frame->body, tag = rest, name;
	uint64_t rows = 0;

	if (!go_on(state, msg))
		return;
	pg_take_string(&rest, &tag);
	name = read_command_tag(tag, &rows);
	if ((slice_eq(name, SLICE("SELECT")) || slice_eq(name, SLICE("FETCH"))) &&
	    rows <= INT32_MAX) {
		state->rows = (state->rows < 0 ? 0 : state->rows) + (int64_t)rows;
		attrs_add_int(&msg->attrs, SLICE("db.response.returned_rows"), state->rows);
	}
	if (state->unknown)
		db_add(&msg->attrs, SLICE("db.operation.name"), name);
	end_execute(state, msg);
}

static bool is_sqlstate(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!((s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] >= 'A' && s.p[i] <= 'Z')))
			return false;
	return s.n == SQLSTATE_LEN;
}

static struct slice read_sqlstate(struct slice fields)
{
	struct slice field;

	while (pg_take_string(&fields, &field) && field.n)
		if (field.p[0] == 'C' && is_sqlstate(slice_after(field, 1)))
			return slice_after(field, 1);
	return SLICE("XX000"); /* internal_error: it must have been further behind */
}

/* Of a batch without requests it answers none of the next batch's. */
static void take_error(struct pg_state *state, struct msg *msg, const struct pg_frame *frame)
{
	bool starting = state->starting && state->answer == ANSWER_NONE && !msg->tag;

	if (starting) {
		msg->kind = MSG_ONEWAY;
		attrs_add_str(&msg->attrs, SLICE("db.operation.name"), SLICE("CONNECT"));
		add_namespace(state, msg);
	} else if ((state->answer == ANSWER_NONE && is_ahead(state, msg->tag)) ||
		   !go_on(state, msg)) {
		return;
	}
	attrs_add_str(&msg->attrs, SLICE("db.response.status_code"), read_sqlstate(frame->body));
	end_execute(state, msg);
}

/* What the batch still has unanswered will not be answered. */
static void take_ready(struct pg_state *state, struct msg *msg)
{
	bool outstanding =
		msg->tag && state->counted && batch_of(msg->tag) == (state->answered & BATCH_MASK);

	if (state->starting) {
		state->starting = false;
		return;
	}
	if (state->answer != ANSWER_NONE) {
		end_answer(state, msg);
	} else if (outstanding && msg->tag & TAG_QUERY) {
		begin_answer(state, msg);
		end_answer(state, msg);
	} else if (outstanding) {
		msg->kind = MSG_ABORT;
		msg->id = batch_of(msg->tag) + 1;
		msg->failure = SLICE("pipeline_aborted");
	}
	state->answered++;
	if (!state->counted && !msg->tag) {
		state->answered = state->sent;
		state->counted = true;
	}
}

static ssize_t parse_server(struct pg_state *state, struct slice bytes, bool last, struct msg *msg)
{
	struct pg_frame frame = {.type = 0};
	ssize_t n;

	if (state->encryption_asked && memchr("SNG", bytes.p[0], 3))
		return parse_encryption(state, bytes.p[0], msg);
	n = pg_take_frame(FROM_SERVER, bytes, last, &frame, msg);
	if (n <= 0)
		return n;
	switch (frame.type) {
	case 'D':
	case 'G':
	case 'H':
	case 'V':
		if (state->answer == ANSWER_NONE)
			begin_answer(state, msg);
		break;
	case 'C':
		take_command_complete(state, msg, &frame);
		break;
	case 'I':
	case 's':
	case 'W': /* from here on both ends copy, perhaps for ever */
		if (go_on(state, msg))
			frame.type == 'W' ? end_answer(state, msg) : end_execute(state, msg);
		break;
	case 'E':
		take_error(state, msg, &frame);
		break;
	case 'Z':
		take_ready(state, msg);
		break;
	}
	return n;
}

static ssize_t parse(void *state, enum sender sender, struct slice bytes, bool last,
		     struct msg *msg)
{
	if (sender == FROM_SERVER)
		return parse_server(state, bytes, last, msg);
	if (!bytes.p[0]) /* no message has this type */
		return parse_startup(state, bytes, last, msg);
	return parse_client(state, bytes, last, msg);
}

static void resync(void *state, enum sender sender)
{
	struct pg_state *pg = state;

	pg->counted = pg->encryption_asked = false;
	if (sender == FROM_SERVER)
		pg->answer = ANSWER_NONE;
	else
		forget_unnamed(pg);
}

static void describe(const struct exchange_view *x, struct description *out)
{
	sql_describe(x, SLICE("postgresql"), DEFAULT_PORT, out);
}

/* --- the protocol ----------------------------------------------------------------------------- */

#define BIT(type, word) ((type) / 64 == (word) ? 1ull << (type) % 64 : 0)

/* The types that are looked at, of either sender; none of those that carry values. */
#define KEPT(word)                                                                            \
	(BIT('B', word) | BIT('E', word) | BIT('C', word) | BIT('S', word) | BIT('F', word) | \
	 BIT('c', word) | BIT('f', word) | BIT('Z', word) | BIT('I', word) | BIT('s', word) | \
	 BIT('V', word) | BIT('G', word) | BIT('W', word))

static const struct frame_shape shape = {
	.header_sz = PG_HEADER_SZ,
	.length_at = 1,
	.length_sz = 4,
	.type_at = 0,
	.length_add = 1,
	.length_max = PG_FRAME_LEN_MAX,
	.keep = PG_KEEP,
	.keep_more = PG_KEEP_TEXT,
	.kept = {0, KEPT(1)},
	.kept_more = {0, BIT('Q', 1) | BIT('P', 1)},
};

static const uint16_t ports[] = {DEFAULT_PORT, 6432, 0};

static const struct protocol postgresql_protocol = {
	.name = "postgresql",
	.ports = ports,
	.state_size = sizeof(struct pg_state),
	.shape = &shape,
	.detect = pg_detect,
	.parse = parse,
	.resync = resync,
	.describe = describe,
};
PROTOCOL(postgresql_protocol);

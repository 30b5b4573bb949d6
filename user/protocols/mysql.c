// SPDX-License-Identifier: Apache-2.0
/*
 * The client/server protocol of MySQL 4.1 to 9 (its source documentation, "Client/Server Protocol")
 * and MariaDB (its documentation, the chapter of the same name). A packet is a frame: 3 bytes of
 * length, a sequence number, payload. Of the packets of an answer the first and the last one matter;
 * rows and definitions pass unseen, and the sequence numbers tell whether the first one did.
 */
#include <errno.h>

#include "user/protocols/db_semconv.h"
#include "user/protocols/mysql_wire.h"
#include "user/protocols/protocol.h"
#include "user/protocols/sql_semconv.h"

#define PORT 3306
#define STATEMENT_MAX 3584 /* of a statement's text */
#define WANTED_TEXT 4096   /* so much is looked at of a packet with a statement */
#define WANTED 512	   /* and of others */
#define OK_LEN_MAX 0xffff

/* Status of the server. */
#define STATUS_MORE_RESULTS 0x8u
#define STATUS_CURSOR_EXISTS 0x40u
#define STATUS_NO_BACKSLASH_ESCAPES 0x200u

#define STATEMENT_LAST UINT32_MAX /* MariaDB: of the statement prepared last, whatever its id is */

enum phase {
	PHASE_UNKNOWN, /* nothing was seen, or it was joined in the middle */
	PHASE_GREETED,
	PHASE_AUTH,
	PHASE_COMMANDS,
};

/* What the server's next packet is. */
enum reply {
	REPLY_HEAD, /* the first of an answer, or of a further result of it */
	REPLY_RESULT,
	REPLY_DEFINITIONS, /* what follows the answer to PREPARE, which is over by then */
};

struct mysql_state {
	uint32_t server_caps, caps, prepared_cnt;
	uint8_t phase, reply;
	uint8_t answer; /* enum answer, of the one in progress */
	bool mariadb, status_known, no_backslash;
	bool begun;	 /* the first packet of the answer was told */
	bool unanswered; /* a command was sent, and its answer has not begun */
	bool pipelined;
	bool infile;	/* the client sends a file */
	bool resynced;	/* bytes of the server were missed since its last answer ended */
	bool continued; /* the packet of the sequence number continued_seq goes on with the last */
	bool head_anywhere;
	uint8_t head_after; /* else: the sequence number before that of the head */
	uint8_t continued_seq, eofs_left;
	bool has_next_db;
	uint8_t db_len, next_db_len; /* next: if the command succeeds */
	char db[DATABASE_LEN_MAX], next_db[DATABASE_LEN_MAX];
};

/* --- databases -------------------------------------------------------------------------------- */

/* A longer name is none: better not told than told wrongly. */
static void set_db(struct mysql_state *s, struct slice name)
{
	s->db_len = name.n <= DATABASE_LEN_MAX ? (uint8_t)name.n : 0;
	if (s->db_len)
		memcpy(s->db, name.p, s->db_len);
}

static void set_next_db(struct mysql_state *s, struct slice name)
{
	s->has_next_db = true;
	s->next_db_len = name.n <= DATABASE_LEN_MAX ? (uint8_t)name.n : 0;
	if (s->next_db_len)
		memcpy(s->next_db, name.p, s->next_db_len);
}

static struct slice trim_statement(struct slice s)
{
	while (s.n && is_space(s.p[0]))
		s = slice_after(s, 1);
	while (s.n && (is_space(s.p[s.n - 1]) || s.p[s.n - 1] == ';'))
		s.n--;
	return s;
}

/* `USE name`, for servers that do not tell of it. With more than that behind it, who knows which. */
static void note_use(struct mysql_state *s, struct slice text)
{
	struct slice name = trim_statement(slice_first(text, 2 * DATABASE_LEN_MAX));

	if (name.n < 5 || !slice_eq_nocase(slice_first(name, 3), SLICE("use")) ||
	    !is_space(name.p[3]))
		return;
	name = trim_statement(slice_after(name, 4));
	if (name.n > 2 && name.p[0] == '`' && name.p[name.n - 1] == '`')
		name = slice_of(name.p + 1, name.n - 2);
	for (size_t i = 0; i < name.n; i++)
		if (is_space(name.p[i]) || strchr("`;\"'/#", name.p[i]))
			name.n = 0;
	set_next_db(s, name);
}

/* --- attributes ------------------------------------------------------------------------------- */

static struct slice in_room(struct msg *msg, const char *p, size_t n)
{
	char *copy = msg_room(msg, n);

	if (!copy)
		return SLICE("");
	if (n)
		memcpy(copy, p, n);
	return slice_of(copy, n);
}

static void add_origin(const struct mysql_state *s, struct msg *msg, struct slice db)
{
	db_add(&msg->attrs, SLICE("db.system.name"),
	       s->mariadb ? SLICE("mariadb") : SLICE("mysql"));
	db_add(&msg->attrs, SLICE("db.namespace"), db);
}

static struct slice current_db(const struct mysql_state *s, struct msg *msg)
{
	return in_room(msg, s->db, s->db_len);
}

static void add_error(struct msg *msg, uint32_t code)
{
	char digits[5], *p = digits + sizeof(digits);

	do
		*--p = (char)('0' + code % 10);
	while (code /= 10);
	db_add(&msg->attrs, SLICE("db.response.status_code"),
	       in_room(msg, p, (size_t)(digits + sizeof(digits) - p)));
}

/* --- statements ------------------------------------------------------------------------------- */

/* In the memo a prepared statement's name is its id; until that is known, the number of its PREPARE. */
static uint64_t unnamed(uint32_t number)
{
	return 1ull << 32 | (number & 0xffffffu);
}

/* The summary of what an operation does with a statement, other than to execute it. */
static struct slice summary_of(struct msg *msg, struct slice operation, struct slice summary)
{
	size_t n = operation.n + 1 + summary.n;
	char *p = summary.n && n <= SQL_SUMMARY_MAX ? msg_room(msg, n) : NULL;

	if (!p)
		return summary.n ? operation : SLICE("");
	memcpy(p, operation.p, operation.n);
	p[operation.n] = ' ';
	memcpy(p + operation.n + 1, summary.p, summary.n);
	return slice_of(p, n);
}

static struct sql read_statement(const struct mysql_state *s, struct msg *msg, struct slice text,
				 bool cut, bool prepared)
{
	struct sql_source source = {
		.text = slice_first(text, STATEMENT_MAX),
		.dialect = s->status_known && !s->no_backslash ? SQL_MYSQL : SQL_MYSQL_NO_BACKSLASH,
		.cut = cut || text.n > STATEMENT_MAX,
		.prepared = prepared,
	};
	size_t out_sz = STATEMENT_MAX + SQL_SUMMARY_MAX;
	char *out = msg_room(msg, out_sz);

	return out ? sql_read(&source, out, out_sz) : (struct sql){.parameterized = false};
}

/* The bytes that a value of a query attribute has, or UINT64_MAX where they begin with their length. */
static uint64_t value_len(unsigned int type)
{
	switch (type & 0x7f) {
	case 0x01: /* TINY */
		return 1;
	case 0x02: /* SHORT */
	case 0x0d: /* YEAR */
		return 2;
	case 0x03: /* LONG */
	case 0x04: /* FLOAT */
	case 0x09: /* INT24 */
		return 4;
	case 0x05: /* DOUBLE */
	case 0x08: /* LONGLONG */
		return 8;
	case 0x06: /* NULL */
		return 0;
	default:
		return UINT64_MAX;
	}
}

/* Attributes that MySQL's clients put before a query; those for tracing send traceparent so. */
static void take_attributes(struct reader *r, struct msg *msg)
{
	uint64_t cnt = take_lenenc(r);
	struct trace_headers trace = {.seen = 0};
	struct slice nulls;
	struct reader types;

	take_lenenc(r); /* sets of them: one */
	if (!cnt || r->bad)
		return;
	r->bad |= cnt > 64;
	nulls = take(r, (cnt + 7) / 8);
	r->bad |= take_int(r, 1) != 1;
	types = *r;
	for (uint64_t i = 0; i < cnt && !r->bad; i++) {
		take(r, 2);
		take_text(r);
	}
	for (uint64_t i = 0; i < cnt && !r->bad; i++) {
		unsigned int type = (unsigned int)take_int(&types, 2) & 0xff;
		struct slice name = take_text(&types), value;
		uint64_t len = value_len(type);

		if ((unsigned char)nulls.p[i / 8] & 1u << i % 8)
			continue;
		value = len == UINT64_MAX ? take_text(r) : take(r, len);
		trace_headers__take(&trace, name, value);
	}
	msg->parent = trace_headers__read(&trace, &msg->tracestate);
}

/* --- commands --------------------------------------------------------------------------------- */

static void read_query(struct mysql_state *s, const struct packet *p, struct msg *msg)
{
	struct reader r = {.rest = slice_after(p->body, 1)};
	/* Where the capabilities are not known: no text begins with a control character. */
	bool attributes = s->caps ? s->caps & CAP_QUERY_ATTRIBUTES
				  : r.rest.n && (unsigned char)r.rest.p[0] < '\t';
	struct sql sql;

	if (attributes)
		take_attributes(&r, msg);
	if (r.bad) {
		db_add(&msg->attrs, SLICE("db.operation.name"), mysql_commands[COM_QUERY].name);
		return;
	}
	note_use(s, r.rest);
	sql = read_statement(s, msg, r.rest, p->body.n < p->len, false);
	if (!msg->parent.format)
		msg->parent = traceparent_read(sql.traceparent);
	if (sql.text.n)
		sql_add_statement(msg, &sql);
	else
		db_add(&msg->attrs, SLICE("db.operation.name"), mysql_commands[COM_QUERY].name);
}

static void read_prepare(struct mysql_state *s, const struct packet *p, struct msg *msg)
{
	struct slice name = mysql_commands[COM_STMT_PREPARE].name, text = slice_after(p->body, 1);
	struct sql sql = read_statement(s, msg, text, p->body.n < p->len, true);

	msg->tag |= (++s->prepared_cnt & 0xffffffu) << 8;
	msg->parent = traceparent_read(sql.traceparent);
	sql_remember(msg, unnamed(s->prepared_cnt), &sql);
	sql.summary = summary_of(msg, name, sql.summary);
	db_add(&msg->attrs, SLICE("db.operation.name"), name);
	sql_add_statement(msg, &sql);
}

/* Commands for a prepared statement. */
static void read_prepared(struct mysql_state *s, const struct packet *p, struct msg *msg)
{
	struct slice name = mysql_commands[p->first].name;
	uint32_t id = int_at(p->body, 1, 4);
	bool executes = p->first != COM_STMT_FETCH;
	struct sql sql = {.parameterized = false};

	if (p->body.n < 5 ||
	    !sql_recall(msg, id == STATEMENT_LAST ? unnamed(s->prepared_cnt) : id, &sql) ||
	    !sql.text.n) {
		db_add(&msg->attrs, SLICE("db.operation.name"), name);
		return;
	}
	if (!executes) {
		db_add(&msg->attrs, SLICE("db.operation.name"), name);
		sql.summary = summary_of(msg, name, sql.summary);
	}
	sql_add_statement(msg, &sql);
}

/* The database of CHANGE_USER: after the user and one byte of length with the proof. */
static void read_change_user(struct mysql_state *s, const struct packet *p)
{
	struct reader r = {.rest = slice_after(p->body, 1)};
	struct slice db;

	take_cstring(&r);
	take(&r, take_int(&r, 1));
	db = take_cstring(&r);
	set_next_db(s, r.bad ? SLICE("") : db);
}

static void read_request(struct mysql_state *s, const struct packet *p, struct msg *msg)
{
	struct slice rest = slice_after(p->body, 1), name = mysql_commands[p->first].name;
	struct slice db = current_db(s, msg);

	if (p->first == COM_INIT_DB) { /* it is about that one, not the current one */
		db = p->body.n < p->len ? SLICE("") : rest;
		set_next_db(s, db);
	}
	s->mariadb |= p->first == COM_STMT_BULK_EXECUTE; /* nobody else has it */
	add_origin(s, msg, db);
	switch (p->first) {
	case COM_QUERY:
		read_query(s, p, msg);
		return;
	case COM_STMT_PREPARE:
		read_prepare(s, p, msg);
		return;
	case COM_STMT_BULK_EXECUTE:
	case COM_STMT_EXECUTE:
	case COM_STMT_FETCH:
		read_prepared(s, p, msg);
		return;
	case COM_FIELD_LIST:
		db_add(&msg->attrs, SLICE("db.collection.name"),
		       slice_first(rest, strnlen(rest.p, rest.n)));
		break;
	case COM_CHANGE_USER:
		read_change_user(s, p);
		break;
	}
	db_add(&msg->attrs, SLICE("db.operation.name"), name);
}

static int read_command(struct mysql_state *s, const struct packet *p, struct msg *msg)
{
	enum answer answer = mysql_commands[p->first].answer;

	if (!p->body.n) /* nothing known of it but its length */
		return 0;
	if (!mysql_is_command(p))
		return -EPROTO;
	s->phase = PHASE_COMMANDS;
	if (answer == ANSWER_NEVER)
		return 0;
	if (answer == ANSWER_STREAM) {
		msg->flags |= MESSAGE_UPGRADE;
		msg->upgrade = SLICE("mysql-replication");
		return 0;
	}
	msg->kind = MSG_REQUEST;
	msg->tag = answer;
	s->pipelined |= s->unanswered;
	s->unanswered = true;
	if (!s->begun) {
		s->head_after = 0;
		s->head_anywhere = p->len == PAYLOAD_MAX;
	}
	read_request(s, p, msg);
	return 0;
}

/* --- connecting ------------------------------------------------------------------------------- */

static void read_login(struct mysql_state *s, const struct packet *p, struct msg *msg)
{
	struct reader r = {.rest = slice_after(p->body, LOGIN_LEN_MIN)};
	struct slice db;

	if (s->phase == PHASE_UNKNOWN) {
		s->server_caps = UINT32_MAX;
		s->mariadb = !(int_at(p->body, 0, 4) & CAP_MYSQL);
	}
	s->caps = int_at(p->body, 0, 4) & s->server_caps;
	if (p->len == LOGIN_LEN_MIN && s->caps & CAP_SSL) {
		s->phase = PHASE_GREETED; /* the login follows below TLS */
		msg->flags |= MESSAGE_UPGRADE;
		msg->upgrade = SLICE("tls");
		return;
	}
	s->phase = PHASE_AUTH;
	take_cstring(&r); /* the user */
	if (s->caps & CAP_AUTH_LENENC)
		take_text(&r);
	else if (s->caps & CAP_SECURE_CONNECTION)
		take(&r, take_int(&r, 1));
	else
		take_cstring(&r);
	if (!(s->caps & CAP_CONNECT_WITH_DB))
		return;
	db = take_cstring(&r);
	if (!r.bad)
		set_db(s, db);
}

static void greet(struct mysql_state *s, struct slice version, uint32_t caps)
{
	s->phase = PHASE_GREETED;
	s->server_caps = caps;
	s->mariadb = !(caps & CAP_MYSQL);
	for (size_t i = 0; i + 7 <= version.n && !s->mariadb; i++)
		s->mariadb = slice_eq_nocase(slice_of(version.p + i, 7), SLICE("mariadb"));
}

/* --- answers ---------------------------------------------------------------------------------- */

static bool is_error(const struct packet *p)
{
	return p->first == PACKET_ERROR && p->len >= 3 &&
	       (p->body.n < 4 || p->len < 9 || p->body.p[3] == '#');
}

/* Reports of progress come as errors of this number. */
static bool is_progress(const struct packet *p)
{
	return p->first == PACKET_ERROR && int_at(p->body, 1, 2) == ERROR_IS_PROGRESS;
}

/* Something of the answer was seen: its first packet, its last one (whole), or both in one. */
static void tell_answer(struct mysql_state *s, struct msg *msg, bool whole)
{
	if (!s->begun) {
		s->answer = msg->tag & 0xff;
		s->unanswered = false;
		msg->kind = MSG_RESPONSE;
		if (!whole)
			msg->flags |= MESSAGE_HAS_PARTS;
	} else if (whole) {
		msg->kind = MSG_END;
	}
	s->begun = !whole;
	if (whole) {
		s->reply = REPLY_HEAD;
		s->head_after = 0;
		s->head_anywhere = s->resynced = s->infile = false;
	}
}

static void tell_result_over(struct mysql_state *s, uint32_t status, uint8_t seq, struct msg *msg)
{
	bool more = status & STATUS_MORE_RESULTS;

	s->status_known = true;
	s->no_backslash = status & STATUS_NO_BACKSLASH_ESCAPES;
	s->reply = REPLY_HEAD;
	tell_answer(s, msg, !more);
	if (more) {
		s->head_after = seq;
		s->head_anywhere = false;
	}
}

static void tell_error(struct mysql_state *s, const struct packet *p, struct msg *msg)
{
	add_error(msg, int_at(p->body, 1, 2));
	s->has_next_db = false;
	tell_answer(s, msg, true);
}

/* The session's changes: of interest is the database (type 1). */
static void read_changes(struct mysql_state *s, struct slice changes)
{
	struct reader r = {.rest = changes};

	while (r.rest.n && !r.bad) {
		uint64_t type = take_int(&r, 1);
		struct reader change = {.rest = take_text(&r)};
		struct slice name = take_text(&change);

		if (type == 1 && !r.bad && !change.bad) {
			set_db(s, name);
			s->has_next_db = false;
		}
	}
}

/* OK, also where it stands for the end of rows. False if it makes no sense. */
static bool read_ok(struct mysql_state *s, const struct packet *p, uint32_t *status)
{
	struct reader r = {.rest = slice_after(p->body, 1)};

	take_lenenc(&r); /* rows */
	take_lenenc(&r); /* the last id */
	*status = (uint32_t)take_int(&r, 2);
	if (r.bad)
		return false;
	take(&r, 2); /* warnings */
	if (*status & STATUS_SESSION_CHANGED) {
		take_text(&r); /* for people to read */
		read_changes(s, take_text(&r));
	}
	return true;
}

static void tell_ok(struct mysql_state *s, const struct packet *p, struct msg *msg)
{
	uint32_t status = 0;

	if (s->has_next_db)
		set_db(s, slice_of(s->next_db, s->next_db_len));
	s->has_next_db = false;
	read_ok(s, p, &status);
	tell_result_over(s, status, p->seq, msg);
}

/* Rows, what stands before them, or their end. */
static void read_result(struct mysql_state *s, const struct packet *p, struct msg *msg)
{
	uint32_t status = int_at(p->body, 3, 2);

	if (is_error(p) && !is_progress(p)) {
		tell_error(s, p, msg);
	} else if (p->first == PACKET_EOF && p->len == EOF_LEN) {
		s->eofs_left -= s->eofs_left > 0;
		/* With a cursor there are no rows yet. */
		if (!s->eofs_left || status & STATUS_CURSOR_EXISTS)
			tell_result_over(s, status, p->seq, msg);
	} else if (p->first == PACKET_EOF && p->len >= OK_LEN_MIN && p->len <= OK_LEN_MAX &&
		   read_ok(s, p, &status)) {
		tell_result_over(s, status, p->seq, msg);
	}
	if (!s->begun && msg->kind == MSG_NONE)
		tell_answer(s, msg, false);
}

static void expect_result(struct mysql_state *s, unsigned int eofs)
{
	s->reply = REPLY_RESULT;
	s->eofs_left = (uint8_t)eofs;
}

/* The statement has its id; definitions of its parameters and columns follow. */
static void tell_prepared(struct mysql_state *s, const struct packet *p, struct msg *msg)
{
	bool columns = int_at(p->body, 5, 2), params = int_at(p->body, 7, 2);
	struct slice entry;

	if (p->body.n == PREPARED_LEN &&
	    memo__get(msg->memo, msg->memo_owner, unnamed(msg->tag >> 8), &entry)) {
		entry = in_room(msg, entry.p, entry.n); /* to put may forget it */
		memo__put(msg->memo, msg->memo_owner, int_at(p->body, 1, 4), entry);
	}
	tell_answer(s, msg, true);
	s->reply = REPLY_DEFINITIONS;
	s->eofs_left = (uint8_t)(columns + params);
}

static void read_head(struct mysql_state *s, const struct packet *p, struct msg *msg)
{
	enum answer answer = s->begun ? s->answer : msg->tag & 0xff;

	if (is_progress(p)) {
		s->head_after = p->seq;
	} else if (p->first == PACKET_ERROR) {
		tell_error(s, p, msg);
	} else if (answer == ANSWER_AUTH && p->first != PACKET_OK) {
		s->head_anywhere = true; /* the client is asked for more */
	} else if (answer == ANSWER_TEXT) {
		tell_answer(s, msg, true);
	} else if (answer == ANSWER_ROWS) {
		expect_result(s, 1);
		read_result(s, p, msg);
	} else if (answer == ANSWER_PREPARED && p->first == PACKET_OK && p->len == PREPARED_LEN) {
		tell_prepared(s, p, msg);
	} else if (p->first == PACKET_OK && p->len >= OK_LEN_MIN) {
		tell_ok(s, p, msg);
	} else if (p->first == PACKET_EOF && p->len == EOF_LEN) {
		tell_result_over(s, int_at(p->body, 3, 2), p->seq, msg);
	} else if (p->first == PACKET_INFILE) {
		tell_answer(s, msg, false);
		s->infile = true;
		s->head_anywhere = true;
	} else {
		expect_result(s, 2);
		tell_answer(s, msg, false);
	}
}

/* --- packets ---------------------------------------------------------------------------------- */

static int read_client(struct mysql_state *s, const struct packet *p, struct msg *msg)
{
	if (s->infile) {
		s->infile = p->len > 0;
		return 0;
	}
	if (s->phase == PHASE_GREETED || (s->phase == PHASE_UNKNOWN && mysql_is_login(p))) {
		read_login(s, p, msg);
		return 0;
	}
	if (p->seq == 0)
		return read_command(s, p, msg);
	/* More of a long command, of a file, or a proof of who the client is. */
	s->head_anywhere = true;
	return 0;
}

/* The server refuses the connection, which it may do before the client has said anything. */
static void refuse(struct mysql_state *s, const struct packet *p, struct msg *msg)
{
	msg->kind = MSG_ONEWAY;
	add_origin(s, msg, current_db(s, msg));
	db_add(&msg->attrs, SLICE("db.operation.name"), SLICE("CONNECT"));
	add_error(msg, int_at(p->body, 1, 2));
}

static void read_connecting(struct mysql_state *s, const struct packet *p, struct msg *msg)
{
	uint32_t status = 0;

	if (p->first == PACKET_ERROR)
		refuse(s, p, msg);
	if (p->first != PACKET_OK || p->len < OK_LEN_MIN)
		return;
	s->phase = PHASE_COMMANDS;
	s->status_known = read_ok(s, p, &status);
	s->no_backslash = status & STATUS_NO_BACKSLASH_ESCAPES;
	if (s->caps & (CAP_COMPRESS | CAP_ZSTD)) {
		msg->flags |= MESSAGE_UPGRADE;
		msg->upgrade = SLICE("mysql-compressed");
	}
}

/* Is it the rest of a row that was longer than a packet? */
static bool continues(struct mysql_state *s, const struct packet *p)
{
	bool continues = s->continued && p->seq == s->continued_seq;

	s->continued = p->len == PAYLOAD_MAX;
	s->continued_seq = (uint8_t)(p->seq + 1);
	return continues;
}

/* What follows an answer to PREPARE. */
static bool is_leftover(struct mysql_state *s, const struct packet *p)
{
	if (p->first == PACKET_DEFINITION && p->len >= DEFINITION_LEN_MIN)
		return true;
	if (s->reply != REPLY_DEFINITIONS || !s->eofs_left || p->seq == 1 ||
	    p->first != PACKET_EOF || p->len != EOF_LEN)
		return false;
	s->eofs_left--;
	return true;
}

static void read_answer(struct mysql_state *s, const struct packet *p, struct msg *msg)
{
	/* The end of the answer before was not seen, or not understood. */
	if (s->reply == REPLY_RESULT && p->seq == 1 && s->unanswered && !s->pipelined) {
		s->reply = REPLY_HEAD;
		s->begun = false;
	}
	if (s->reply != REPLY_RESULT) {
		if (is_leftover(s, p))
			return;
		s->reply = REPLY_HEAD;
		if (!s->head_anywhere && p->seq != (uint8_t)(s->head_after + 1)) {
			if (!s->begun && !msg->tag)
				return;
			expect_result(s, s->resynced ? 1 : 2); /* whose head was not seen */
		}
	}
	if (s->reply == REPLY_HEAD)
		read_head(s, p, msg);
	else
		read_result(s, p, msg);
}

static void read_server(struct mysql_state *s, const struct packet *p, struct msg *msg)
{
	struct slice version;
	uint32_t caps;

	if (!p->body.n)
		return;
	if (s->phase == PHASE_UNKNOWN && p->seq == 0) {
		if (mysql_read_greeting(p, &version, &caps))
			greet(s, version, caps);
		else if (p->first == PACKET_ERROR)
			refuse(s, p, msg);
	} else if (s->phase == PHASE_GREETED || s->phase == PHASE_AUTH) {
		read_connecting(s, p, msg);
	} else if (!continues(s, p)) {
		read_answer(s, p, msg);
	}
}

/* How many bytes of the payload are to be looked at. */
static uint32_t wanted_of(const struct mysql_state *s, enum sender sender, const struct packet *p)
{
	if (sender == FROM_SERVER)
		return s->reply == REPLY_RESULT && p->first < PACKET_EOF ? 1 : WANTED;
	if (s->infile)
		return 1;
	return p->seq == 0 && (p->first == COM_QUERY || p->first == COM_STMT_PREPARE) ? WANTED_TEXT
										      : WANTED;
}

static ssize_t parse(void *state, enum sender sender, struct slice bytes, bool last,
		     struct msg *msg)
{
	struct mysql_state *s = state;
	struct packet p = {.len = int_at(bytes, 0, 3), .seq = byte_at(bytes, 3)};
	int err = 0;

	if (bytes.n < HEADER_SZ) {
		if (last)
			msg->flags |= MESSAGE_TRUNCATED;
		return last ? (ssize_t)bytes.n : 0;
	}
	if (p.len && bytes.n == HEADER_SZ && !last)
		return 0;
	p.first = p.len ? byte_at(bytes, HEADER_SZ) : 0;
	p.body = slice_first(slice_after(bytes, HEADER_SZ), p.len);
	p.body = slice_first(p.body, wanted_of(s, sender, &p));
	if (p.body.n < p.len && p.body.n < wanted_of(s, sender, &p) && !last)
		return 0;
	msg->skip = p.len - p.body.n;
	if (sender == FROM_CLIENT)
		err = read_client(s, &p, msg);
	else
		read_server(s, &p, msg);
	return err ? err : (ssize_t)(HEADER_SZ + p.body.n);
}

static void resync(void *state, enum sender sender)
{
	struct mysql_state *s = state;

	if (sender == FROM_CLIENT) {
		s->infile = false;
		s->prepared_cnt++; /* which statement was the last is not known */
		return;
	}
	if (s->has_next_db)
		s->db_len = 0;
	s->status_known = false;
	s->reply = REPLY_HEAD;
	s->begun = s->continued = s->head_anywhere = s->has_next_db = false;
	s->head_after = 0;
	s->resynced = true;
}

static void describe(const struct exchange_view *x, struct description *out)
{
	struct slice system = attrs_get_str(x->request, SLICE("db.system.name"));

	sql_describe(x, system.n ? system : SLICE("mysql"), PORT, out);
}

/* --- the protocol ----------------------------------------------------------------------------- */

/*
 * The kind is the first byte of the payload, and a command's packet has the number 0. Besides commands
 * all is seen that may end a result: OK, end of file, errors. Rows that begin as OK does are so, too,
 * which those of prepared statements do.
 */
static const struct frame_shape shape = {
	.header_sz = HEADER_SZ,
	.length_at = 0,
	.length_sz = 3,
	.type_at = HEADER_SZ,
	.zero_at = 3,
	.flags = SHAPE_LITTLE_ENDIAN,
	.length_add = HEADER_SZ,
	.length_max = HEADER_SZ + PAYLOAD_MAX,
	.keep = 64,
	.keep_more = HEADER_SZ + WANTED_TEXT,
	.kept = {1ull << PACKET_OK, 0, 0,
		 1ull << (PACKET_EOF - 192) | 1ull << (PACKET_ERROR - 192)},
	.kept_more = {0xffffffff, 0, 0, 1ull << (COM_STMT_BULK_EXECUTE - 192)},
};

static const uint16_t ports[] = {PORT, 3307, 6033, 0};

static const struct protocol mysql_protocol = {
	.name = "mysql",
	.ports = ports,
	.state_size = sizeof(struct mysql_state),
	.shape = &shape,
	.detect = mysql_detect,
	.parse = parse,
	.resync = resync,
	.describe = describe,
};
PROTOCOL(mysql_protocol);

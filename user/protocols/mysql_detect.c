// SPDX-License-Identifier: Apache-2.0
/*
 * Are these bytes MySQL's or MariaDB's? Surely a greeting, a login, an error and definitions of columns;
 * commands and short answers are so if the other side agrees.
 */
#include "user/protocols/mysql_wire.h"

#define SHORT_LEN 256 /* of packets that are copied whole */

#define COMMAND(NAME, ANSWER, MIN, MAX)                                                        \
	{                                                                                      \
		.name = SLICE(NAME), .answer = ANSWER_##ANSWER, .len_min = MIN, .len_max = MAX \
	}

const struct command mysql_commands[256] = {
	[COM_QUIT] = COMMAND("QUIT", NEVER, 1, 1),
	[COM_INIT_DB] = COMMAND("INIT_DB", ANY, 2, 1 + 4 * DATABASE_LEN_MAX),
	[COM_QUERY] = COMMAND("QUERY", ANY, 1, PAYLOAD_MAX),
	[COM_FIELD_LIST] = COMMAND("FIELD_LIST", ROWS, 3, 1024),
	[0x05] = COMMAND("CREATE_DB", ANY, 2, 1 + 4 * DATABASE_LEN_MAX),
	[0x06] = COMMAND("DROP_DB", ANY, 2, 1 + 4 * DATABASE_LEN_MAX),
	[0x07] = COMMAND("REFRESH", ANY, 2, 2),
	[0x08] = COMMAND("SHUTDOWN", ANY, 1, 2),
	[0x09] = COMMAND("STATISTICS", TEXT, 1, 1),
	[0x0a] = COMMAND("PROCESS_INFO", ANY, 1, 1),
	[0x0c] = COMMAND("PROCESS_KILL", ANY, 5, 5),
	[0x0d] = COMMAND("DEBUG", ANY, 1, 1),
	[0x0e] = COMMAND("PING", ANY, 1, 1),
	[COM_CHANGE_USER] = COMMAND("CHANGE_USER", AUTH, 4, PAYLOAD_MAX),
	[0x12] = COMMAND("BINLOG_DUMP", STREAM, 11, 1024),
	[0x13] = COMMAND("TABLE_DUMP", STREAM, 3, 1024),
	[0x15] = COMMAND("REGISTER_SLAVE", ANY, 18, 1024),
	[COM_STMT_PREPARE] = COMMAND("PREPARE", PREPARED, 1, PAYLOAD_MAX),
	[COM_STMT_EXECUTE] = COMMAND("EXECUTE", ANY, 10, PAYLOAD_MAX),
	[0x18] = COMMAND("SEND_LONG_DATA", NEVER, 7, PAYLOAD_MAX),
	[0x19] = COMMAND("CLOSE", NEVER, 5, 5),
	[0x1a] = COMMAND("RESET", ANY, 5, 5),
	[0x1b] = COMMAND("SET_OPTION", ANY, 3, 3),
	[COM_STMT_FETCH] = COMMAND("FETCH", ROWS, 9, 9),
	[0x1e] = COMMAND("BINLOG_DUMP", STREAM, 23, PAYLOAD_MAX),
	[0x1f] = COMMAND("RESET_CONNECTION", ANY, 1, 1),
	[0x20] = COMMAND("CLONE", STREAM, 1, PAYLOAD_MAX),
	[COM_STMT_BULK_EXECUTE] = COMMAND("EXECUTE", ANY, 7, PAYLOAD_MAX),
	[0xfe] = COMMAND("MULTI", ANY, 3, PAYLOAD_MAX),
};

bool mysql_is_command(const struct packet *p)
{
	const struct command *command = &mysql_commands[p->first];

	return command->name.n && p->len >= command->len_min && p->len <= command->len_max;
}

bool mysql_is_login(const struct packet *p)
{
	uint32_t caps = int_at(p->body, 0, 4);

	if ((p->seq != 1 && p->seq != 2) || p->len < LOGIN_LEN_MIN || p->body.n < LOGIN_LEN_MIN ||
	    !(caps & CAP_PROTOCOL_41))
		return false;
	for (size_t i = 9; i < 28; i++) /* MariaDB uses the last 4 */
		if (p->body.p[i])
			return false;
	return true;
}

bool mysql_read_greeting(const struct packet *p, struct slice *version, uint32_t *caps)
{
	struct reader r = {.rest = slice_after(p->body, 1)};

	*version = take_cstring(&r);
	take(&r, 4 + 8 + 1);
	*caps = (uint32_t)take_int(&r, 2);
	if (r.bad || p->first != PACKET_GREETING || !version->n || version->p[0] < '0' ||
	    version->p[0] > '9')
		return false;
	take(&r, 3);
	*caps |= (uint32_t)take_int(&r, 2) << 16;
	return true;
}

static bool is_text(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ' && !is_space(s.p[i]))
			return false;
	return true;
}

/* The beginning of a statement, perhaps behind an empty list of attributes. */
static enum detect detect_statement(const struct packet *p)
{
	struct slice text = slice_after(p->body, 1);

	if (p->first == COM_QUERY && byte_at(text, 0) == 0 && text.n) {
		if (text.n > 1 && text.p[1] != 1)
			return DETECT_NO;
		text = slice_after(text, 2);
	}
	if (!is_text(text))
		return DETECT_NO;
	while (text.n && is_space(text.p[0]))
		text = slice_after(text, 1);
	if (text.n && !((text.p[0] | 0x20) >= 'a' && (text.p[0] | 0x20) <= 'z') &&
	    !memchr("(/-#", text.p[0], 4))
		return DETECT_NO;
	/* A short one is not cut by copying: its rest comes, and tells it from PostgreSQL's. */
	if (p->body.n < p->len && (text.n < 8 || p->len < SHORT_LEN))
		return DETECT_MORE;
	return DETECT_LIKELY;
}

static enum detect detect_prepared(const struct packet *p)
{
	uint32_t id = int_at(p->body, 1, 4);

	if (p->body.n < p->len && p->body.n < 10)
		return DETECT_MORE;
	if (!id ||
	    (p->first == COM_STMT_EXECUTE &&
	     (byte_at(p->body, 5) > 0x1f || int_at(p->body, 6, 4) != 1)) ||
	    (p->first == COM_STMT_BULK_EXECUTE && int_at(p->body, 5, 2) & ~0xc0u))
		return DETECT_NO;
	return DETECT_LIKELY;
}

static enum detect detect_command(const struct packet *p)
{
	if (!mysql_is_command(p))
		return DETECT_NO;
	switch (p->first) {
	case COM_QUERY:
	case COM_STMT_PREPARE:
		return detect_statement(p);
	case COM_STMT_EXECUTE:
	case COM_STMT_BULK_EXECUTE:
	case COM_STMT_FETCH:
	case 0x18: /* further data, close, reset */
	case 0x19:
	case 0x1a:
		return detect_prepared(p);
	case COM_INIT_DB:
		if (!is_text(slice_after(p->body, 1)))
			return DETECT_NO;
		return p->body.n < p->len ? DETECT_MORE : DETECT_LIKELY;
	default:
		return p->len <= 5 && p->body.n == p->len ? DETECT_LIKELY : DETECT_NO;
	}
}

static enum detect detect_client(const struct packet *p, struct slice after)
{
	enum detect answer;

	if (p->seq != 0) {
		if (p->seq > 2 || p->len < LOGIN_LEN_MIN || p->len > 4096)
			return DETECT_NO;
		if (p->body.n < LOGIN_LEN_MIN)
			return DETECT_MORE;
		return mysql_is_login(p) ? DETECT_YES : DETECT_NO;
	}
	answer = detect_command(p);
	/* Whatever follows at once is a command, too. */
	if (answer == DETECT_LIKELY && p->len < PAYLOAD_MAX && after.n > HEADER_SZ &&
	    (byte_at(after, 3) || !mysql_commands[byte_at(after, HEADER_SZ)].name.n))
		return DETECT_NO;
	return answer;
}

static enum detect detect_error(const struct packet *p)
{
	struct slice text = slice_after(p->body, 3);

	if (p->len < 4 || p->len > 1024)
		return DETECT_NO;
	if (p->body.n < p->len)
		return p->body.n < 9 || is_text(text) ? DETECT_MORE : DETECT_NO;
	return is_text(text) && int_at(p->body, 1, 2) >= 1000 ? DETECT_YES : DETECT_NO;
}

static enum detect detect_greeting(const struct packet *p)
{
	struct slice version;
	uint32_t caps;

	if (p->first == PACKET_ERROR)
		return detect_error(p);
	if (p->first != PACKET_GREETING || p->len < 30 || p->len > 512)
		return DETECT_NO;
	if (p->body.n < p->len)
		return DETECT_MORE;
	return mysql_read_greeting(p, &version, &caps) && is_text(version) ? DETECT_YES : DETECT_NO;
}

/* OK, or the answer to PREPARE. */
static enum detect detect_ok(const struct packet *p)
{
	struct reader r = {.rest = slice_after(p->body, 1)};
	uint64_t status;

	if (p->len < OK_LEN_MIN || p->len > 1024)
		return DETECT_NO;
	if (p->body.n < p->len)
		return DETECT_MORE;
	if (p->len == PREPARED_LEN && byte_at(p->body, 9) == 0)
		return DETECT_LIKELY;
	take_lenenc(&r);
	take_lenenc(&r);
	status = take_int(&r, 2);
	take(&r, 2); /* warnings */
	if (!r.bad && r.rest.n)
		take_text(&r);
	return r.bad || (r.rest.n && !(status & STATUS_SESSION_CHANGED)) ? DETECT_NO
									 : DETECT_LIKELY;
}

/* The number of columns, and the first one's definition. */
static enum detect detect_columns(const struct packet *p, struct slice after)
{
	struct slice definition = slice_after(after, HEADER_SZ);

	if (p->len > 4 || (p->len > 2 && p->first != 0xfc && p->first > 1))
		return DETECT_NO;
	if (after.n > 3 && byte_at(after, 3) != 2)
		return DETECT_NO;
	if (!slice_starts_with(definition, slice_first(SLICE("\3def"), definition.n)))
		return DETECT_NO;
	return definition.n < 4 ? DETECT_MORE : DETECT_YES;
}

static enum detect detect_server(const struct packet *p, struct slice after)
{
	if (p->seq == 0)
		return detect_greeting(p);
	if (p->seq != 1)
		return DETECT_NO;
	if (p->first == PACKET_ERROR)
		return detect_error(p);
	if (p->first == PACKET_OK && p->len > 4)
		return detect_ok(p);
	if (p->first == PACKET_EOF)
		return p->len == EOF_LEN ? DETECT_LIKELY : DETECT_NO;
	return detect_columns(p, after);
}

enum detect mysql_detect(enum sender sender, struct slice head)
{
	struct packet p = {.len = int_at(head, 0, 3), .seq = byte_at(head, 3)};
	struct slice after = slice_after(head, HEADER_SZ + (size_t)p.len);

	if (head.n >= HEADER_SZ && (p.seq > 2 || !p.len))
		return DETECT_NO;
	if (head.n <= HEADER_SZ)
		return DETECT_MORE;
	p.first = byte_at(head, HEADER_SZ);
	p.body = slice_first(slice_after(head, HEADER_SZ), p.len);
	return sender == FROM_CLIENT ? detect_client(&p, after) : detect_server(&p, after);
}

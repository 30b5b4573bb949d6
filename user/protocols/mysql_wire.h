/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the packets of MySQL and MariaDB are made of: for their parser (mysql.c), and to tell whether a
 * connection is one of theirs (mysql_detect.c).
 */
#ifndef SONDE_PROTOCOLS_MYSQL_WIRE_H
#define SONDE_PROTOCOLS_MYSQL_WIRE_H

#include "user/protocols/protocol.h"

#define HEADER_SZ 4
#define PAYLOAD_MAX 0xffffffu /* of a packet; one of that length goes on in the next */
#define DATABASE_LEN_MAX 64
#define LOGIN_LEN_MIN 32 /* capabilities, size, character set, filler */

/* Capabilities. */
#define CAP_MYSQL 0x1u /* MariaDB servers, and clients that speak to them, leave it out */
#define CAP_CONNECT_WITH_DB 0x8u
#define CAP_COMPRESS 0x20u
#define CAP_PROTOCOL_41 0x200u
#define CAP_SSL 0x800u
#define CAP_SECURE_CONNECTION 0x8000u
#define CAP_AUTH_LENENC 0x200000u
#define CAP_ZSTD 0x4000000u
#define CAP_QUERY_ATTRIBUTES 0x8000000u

/* Status of the server: behind the text of an OK packet stands what has changed. */
#define STATUS_SESSION_CHANGED 0x4000u

/* First bytes of the server's packets. */
#define PACKET_OK 0x00
#define PACKET_DEFINITION 0x03 /* the length of "def" */
#define PACKET_GREETING 0x0a
#define PACKET_INFILE 0xfb
#define PACKET_EOF 0xfe
#define PACKET_ERROR 0xff
#define ERROR_IS_PROGRESS 0xffff

#define EOF_LEN 5
#define OK_LEN_MIN 7
#define DEFINITION_LEN_MIN 11 /* longer than any column count */
#define PREPARED_LEN 12

/* How a command is answered; the low byte of its tag. */
enum answer {
	ANSWER_NEVER,
	ANSWER_ANY, /* OK, error, end of file, or results */
	ANSWER_PREPARED,
	ANSWER_ROWS, /* without anything before them */
	ANSWER_TEXT,
	ANSWER_AUTH,
	ANSWER_STREAM, /* of replication, without end */
};

struct command {
	struct slice name;
	enum answer answer;
	uint32_t len_min, len_max; /* of the payload */
};

enum {
	COM_QUIT = 0x01,
	COM_INIT_DB = 0x02,
	COM_QUERY = 0x03,
	COM_FIELD_LIST = 0x04,
	COM_CHANGE_USER = 0x11,
	COM_STMT_PREPARE = 0x16,
	COM_STMT_EXECUTE = 0x17,
	COM_STMT_FETCH = 0x1c,
	COM_STMT_BULK_EXECUTE = 0xfa,
};

extern const struct command mysql_commands[256];

/* What was given of a packet. */
struct packet {
	uint32_t len;
	uint8_t seq, first; /* first: 0 if there is none */
	struct slice body;  /* at most len bytes */
};

/* --- reading ---------------------------------------------------------------------------------- */

/* What remains to be read; bad once something lacked. */
struct reader {
	struct slice rest;
	bool bad;
};

static inline struct slice take(struct reader *r, uint64_t n)
{
	struct slice taken = slice_first(r->rest, n < r->rest.n ? (size_t)n : r->rest.n);

	if (taken.n < n) {
		r->bad = true;
		taken.n = 0;
	}
	r->rest = slice_after(r->rest, taken.n);
	return taken;
}

static inline uint64_t take_int(struct reader *r, unsigned int sz)
{
	struct slice bytes = take(r, sz);
	uint64_t value = 0;

	for (size_t i = bytes.n; i > 0; i--)
		value = value << 8 | (unsigned char)bytes.p[i - 1];
	return value;
}

/* A length-encoded integer. */
static inline uint64_t take_lenenc(struct reader *r)
{
	uint64_t first = take_int(r, 1);

	if (first < 0xfb)
		return first;
	r->bad |= first == 0xfb || first == 0xff;
	return r->bad ? 0 : take_int(r, first == 0xfc ? 2 : first == 0xfd ? 3 : 8);
}

static inline struct slice take_text(struct reader *r)
{
	return take(r, take_lenenc(r));
}

/* Up to the next NUL, which is taken too. */
static inline struct slice take_cstring(struct reader *r)
{
	ptrdiff_t end = slice_find(r->rest, '\0');
	struct slice text = take(r, end < 0 ? r->rest.n + 1 : (size_t)end);

	take(r, 1);
	return text;
}

static inline uint32_t int_at(struct slice s, size_t at, unsigned int sz)
{
	struct reader r = {.rest = slice_after(s, at)};

	return (uint32_t)take_int(&r, sz);
}

static inline uint8_t byte_at(struct slice s, size_t at)
{
	return at < s.n ? (uint8_t)s.p[at] : 0;
}

static inline bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Is the packet of a command as long as one may be? */
bool mysql_is_command(const struct packet *p);
/* Could a packet of the client be its answer to the greeting? */
bool mysql_is_login(const struct packet *p);
/* The beginning of the server's greeting: its version, two numbers, capabilities. */
bool mysql_read_greeting(const struct packet *p, struct slice *version, uint32_t *caps);
enum detect mysql_detect(enum sender sender, struct slice head);

#endif

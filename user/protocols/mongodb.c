// SPDX-License-Identifier: Apache-2.0
/*
 * MongoDB's wire protocol: OP_MSG, the older opcodes that drivers still begin with, and OP_COMPRESSED,
 * of which only the header is read. Of documents (BSON 1.1) only the beginning is looked at, as far as
 * it was copied.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "user/protocols/bson.h"
#include "user/protocols/db_semconv.h"
#include "user/protocols/protocol.h"

#define HEADER_LEN 16
#define MESSAGE_LEN_MAX 48000000 /* what servers accept */
#define KEEP 512		 /* bytes of a message that are looked at */
#define TEXT_MAX 1024		 /* of db.query.text */
#define DATABASE_LEN_MAX 64
#define DEFAULT_PORT 27017

#define FLAG_CHECKSUM 0x01u
#define FLAG_MORE_TO_COME 0x02u
#define FLAG_EXHAUST_ALLOWED 0x10000u
#define REPLY_CURSOR_NOT_FOUND 0x01u
#define REPLY_QUERY_FAILURE 0x02u

#define CODE_CURSOR_NOT_FOUND 43

enum opcode {
	OP_REPLY = 1,
	OP_UPDATE = 2001,
	OP_INSERT = 2002,
	OP_QUERY = 2004,
	OP_GET_MORE = 2005,
	OP_DELETE = 2006,
	OP_KILL_CURSORS = 2007,
	OP_COMPRESSED = 2012,
	OP_MSG = 2013,
};

/* Opcodes of requests before OP_MSG. */
struct legacy {
	uint32_t opcode;
	bool answered;
	bool named; /* has a collection's name after its first four bytes */
	struct slice operation;
};

static const struct legacy legacies[] = {
	{.opcode = OP_UPDATE, .named = true, .operation = SLICE("update")},
	{.opcode = OP_INSERT, .named = true, .operation = SLICE("insert")},
	{.opcode = OP_QUERY, .answered = true, .named = true, .operation = SLICE("find")},
	{.opcode = OP_GET_MORE, .answered = true, .named = true, .operation = SLICE("getMore")},
	{.opcode = OP_DELETE, .named = true, .operation = SLICE("delete")},
	{.opcode = OP_KILL_CURSORS, .operation = SLICE("killCursors")},
};

struct mongodb_state {
	/*
	 * A request that is answered by a stream of replies, each of which names the one before it. The
	 * replies to a server monitor's hello go on as long as the connection does: there the exchange
	 * is over with the first.
	 */
	uint64_t stream_id;
	uint64_t monitor_id; /* of the last hello that allows a stream */
	uint32_t stream_last;
};

struct header {
	uint32_t len, request_id, response_to, opcode;
};

/* --- commands --------------------------------------------------------------------------------- */

/* Is the value of a command of that name a collection? */
static bool has_collection(struct slice name)
{
	static const struct slice names[] = {
		SLICE("find"),
		SLICE("insert"),
		SLICE("update"),
		SLICE("delete"),
		SLICE("aggregate"),
		SLICE("count"),
		SLICE("distinct"),
		SLICE("findAndModify"),
		SLICE("findandmodify"),
		SLICE("mapReduce"),
		SLICE("killCursors"),
		SLICE("create"),
		SLICE("createIndexes"),
		SLICE("listIndexes"),
		SLICE("dropIndexes"),
		SLICE("drop"),
		SLICE("collMod"),
		SLICE("collStats"),
		SLICE("convertToCapped"),
		SLICE("compact"),
		SLICE("validate"),
		SLICE("reIndex"),
		SLICE("createSearchIndexes"),
		SLICE("updateSearchIndex"),
		SLICE("dropSearchIndex"),
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (slice_eq(name, names[i]))
			return true;
	return false;
}

static bool is_hello(struct slice name)
{
	return slice_eq(name, SLICE("hello")) || slice_eq_nocase(name, SLICE("isMaster"));
}

/* The database that a command names, and the collection where getMore has it. */
static struct slice read_rest(struct slice rest, struct slice *collection)
{
	struct slice db = SLICE("");
	struct bson_element e;

	while (bson_take(&rest, &e)) {
		if (slice_eq(e.key, SLICE("$db")))
			db = bson_string(&e);
		else if (collection && slice_eq(e.key, SLICE("collection")))
			*collection = bson_string(&e);
	}
	return db;
}

static void add_text(struct msg *msg, const struct bson_element *command, struct slice rest)
{
	char *p = msg_room(msg, TEXT_MAX);

	if (p)
		db_add(&msg->attrs, SLICE("db.query.text"),
		       slice_of(p, bson_command_text(command, rest, p, TEXT_MAX)));
}

/* The collection that `explain` or a command of that kind names. */
static struct slice collection_of(const struct bson_element *command)
{
	struct slice explained = bson_elements(command);
	struct bson_element e;

	if (has_collection(command->key))
		return bson_string(command);
	if (slice_eq(command->key, SLICE("explain")) && command->type == BSON_DOCUMENT &&
	    bson_take(&explained, &e) && has_collection(e.key))
		return bson_string(&e);
	return SLICE("");
}

/* A command's document. Its first element names it. Returns the name. */
static struct slice read_command(struct msg *msg, struct slice document)
{
	struct slice rest = slice_after(document, 4), collection, db;
	struct bson_element e;

	if (!bson_take(&rest, &e))
		return SLICE("");
	if (slice_starts_with(e.key, SLICE("$")) && e.type == BSON_DOCUMENT) { /* $query */
		rest = bson_elements(&e);
		if (!bson_take(&rest, &e))
			return SLICE("");
	}
	db_add(&msg->attrs, SLICE("db.operation.name"), e.key);
	collection = collection_of(&e);
	if (collection.n && e.type == BSON_STRING)
		add_text(msg, &e, rest);
	db = read_rest(rest, slice_eq(e.key, SLICE("getMore")) ? &collection : NULL);
	db_add(&msg->attrs, SLICE("db.collection.name"), collection);
	db_add(&msg->attrs, SLICE("db.namespace"), db);
	return e.key;
}

/* Documents in a section of which all is there. */
static void add_batch_size(struct msg *msg, struct slice section)
{
	struct slice rest = slice_after(section, 4), name;
	int64_t cnt = 0;

	if (!bson_take_text(&rest, &name))
		return;
	while (rest.n >= 4) {
		uint32_t len = bson_u32(rest, 0);

		if (len < 5 || len > rest.n)
			return;
		rest = slice_after(rest, len);
		cnt++;
	}
	if (cnt > 1 && !rest.n)
		attrs_add_int(&msg->attrs, SLICE("db.operation.batch.size"), cnt);
}

/*
 * The sections of an OP_MSG after its flags. Those of kind 1 are sequences of documents that belong
 * to the command; batch counts their documents.
 */
static struct slice find_body(struct msg *msg, struct slice rest, bool batch)
{
	struct slice body = SLICE("");

	while (rest.n > 5 && !(msg->flags & MESSAGE_MALFORMED)) {
		uint8_t kind = (uint8_t)rest.p[0];
		struct slice section;

		rest = slice_after(rest, 1);
		if (kind > 1 || bson_u32(rest, 0) < 5)
			msg->flags |= MESSAGE_MALFORMED;
		else if (kind == 1 && batch && bson_u32(rest, 0) <= rest.n)
			add_batch_size(msg, slice_first(rest, bson_u32(rest, 0)));
		section = slice_first(rest, bson_u32(rest, 0));
		if (kind == 0 && !body.n)
			body = section;
		rest = slice_after(rest, section.n);
	}
	return body;
}

/* --- requests --------------------------------------------------------------------------------- */

static void read_op_msg(struct mongodb_state *state, struct slice body, struct msg *msg)
{
	uint32_t flags = body.n >= 4 ? bson_u32(body, 0) : 0;
	struct slice name;

	if (flags & FLAG_MORE_TO_COME)
		msg->kind = MSG_ONEWAY;
	name = read_command(msg, find_body(msg, slice_after(body, 4), true));
	if (flags & FLAG_EXHAUST_ALLOWED && is_hello(name))
		state->monitor_id = msg->id;
}

static const struct legacy *find_legacy(uint32_t opcode)
{
	for (size_t i = 0; i < sizeof(legacies) / sizeof(*legacies); i++)
		if (legacies[i].opcode == opcode)
			return &legacies[i];
	return NULL;
}

/* The collection is named `database.collection`; a query of the collection $cmd is a command. */
static void read_legacy(const struct legacy *legacy, struct slice body, struct msg *msg)
{
	struct slice rest = slice_after(body, 4), name = SLICE(""), collection;
	ptrdiff_t dot;

	if (legacy->named && !bson_take_text(&rest, &name))
		return;
	dot = slice_find(name, '.');
	collection = slice_after(name, dot < 0 ? name.n : (size_t)dot + 1);
	if (legacy->opcode == OP_QUERY && slice_eq(collection, SLICE("$cmd"))) {
		read_command(msg, slice_after(rest, 8));
	} else {
		db_add(&msg->attrs, SLICE("db.operation.name"), legacy->operation);
		db_add(&msg->attrs, SLICE("db.collection.name"), collection);
	}
	if (!attrs_get(&msg->attrs, SLICE("db.namespace")) && dot > 0)
		db_add(&msg->attrs, SLICE("db.namespace"), slice_first(name, (size_t)dot));
}

static void read_compressed(struct slice body, struct msg *msg)
{
	static const struct slice names[] = {SLICE("noop"), SLICE("snappy"), SLICE("zlib"),
					     SLICE("zstd")};
	uint8_t compressor = body.n > 8 ? (uint8_t)body.p[8] : UINT8_MAX;

	if (compressor < sizeof(names) / sizeof(*names))
		attrs_add_str(&msg->attrs, SLICE("sonde.mongodb.compressor"), names[compressor]);
}

static int read_request(struct mongodb_state *state, const struct header *header, struct slice body,
			struct msg *msg)
{
	const struct legacy *legacy = find_legacy(header->opcode);

	msg->id = header->request_id + 1ull;
	msg->kind = legacy && !legacy->answered ? MSG_ONEWAY : MSG_REQUEST;
	if (header->opcode == OP_MSG)
		read_op_msg(state, body, msg);
	else if (header->opcode == OP_COMPRESSED)
		read_compressed(body, msg);
	else if (legacy)
		read_legacy(legacy, body, msg);
	else
		return -EPROTO;
	return 0;
}

/* --- replies ---------------------------------------------------------------------------------- */

/* What went wrong, if it did. */
struct outcome {
	bool failed, has_code;
	int64_t code;
};

static void take_code(struct outcome *outcome, const struct bson_element *e)
{
	if (!outcome->has_code)
		outcome->has_code = bson_number(e, &outcome->code);
}

/* An error in the reply to a command that itself succeeded. */
static void read_inner_error(struct outcome *outcome, struct slice elements)
{
	struct bson_element e;

	outcome->failed = true;
	while (bson_take(&elements, &e))
		if (slice_eq(e.key, SLICE("code")))
			take_code(outcome, &e);
}

static void read_outcome(struct outcome *outcome, struct slice document)
{
	struct slice rest = slice_after(document, 4);
	struct bson_element e, first;
	int64_t ok;

	while (bson_take(&rest, &e)) {
		if (slice_eq(e.key, SLICE("ok"))) {
			outcome->failed |= bson_number(&e, &ok) && ok == 0;
		} else if (slice_eq(e.key, SLICE("code"))) {
			take_code(outcome, &e);
		} else if (slice_eq(e.key, SLICE("writeErrors")) && e.type == BSON_ARRAY) {
			struct slice errors = bson_elements(&e);

			if (bson_take(&errors, &first) && first.type == BSON_DOCUMENT)
				read_inner_error(outcome, bson_elements(&first));
		} else if (slice_eq(e.key, SLICE("writeConcernError")) && e.type == BSON_DOCUMENT) {
			read_inner_error(outcome, bson_elements(&e));
		}
	}
}

static void read_op_reply(struct outcome *outcome, struct slice body)
{
	uint32_t flags = body.n >= 4 ? bson_u32(body, 0) : 0;

	outcome->failed = flags & (REPLY_CURSOR_NOT_FOUND | REPLY_QUERY_FAILURE);
	if (flags & REPLY_CURSOR_NOT_FOUND) {
		outcome->has_code = true;
		outcome->code = CODE_CURSOR_NOT_FOUND;
	}
	read_outcome(outcome, slice_after(body, 20));
}

static void add_outcome(struct msg *msg, const struct outcome *outcome)
{
	char *p = outcome->has_code ? msg_room(msg, 24) : NULL;
	struct slice code = SLICE("_OTHER");

	if (!outcome->failed)
		return;
	if (p) {
		code = slice_of(p, (size_t)snprintf(p, 24, "%" PRId64, outcome->code));
		attrs_add_str(&msg->attrs, SLICE("db.response.status_code"), code);
	}
	attrs_add_str(&msg->attrs, SLICE("error.type"), code);
}

/* Where a reply stands in a stream of them, or alone. */
static void place_reply(struct mongodb_state *state, const struct header *header, bool more,
			struct msg *msg)
{
	bool goes_on = state->stream_id && (header->response_to == state->stream_last ||
					    header->response_to + 1ull == state->stream_id);
	bool monitor;

	msg->id = goes_on ? state->stream_id : header->response_to + 1ull;
	monitor = msg->id == state->monitor_id;
	if (goes_on) {
		msg->kind = monitor ? MSG_NONE : more ? MSG_PART : MSG_END;
	} else {
		msg->kind = MSG_RESPONSE;
		msg->flags |= more && !monitor ? MESSAGE_HAS_PARTS : 0;
	}
	if (more) {
		state->stream_id = msg->id;
		state->stream_last = header->request_id;
	} else if (goes_on) {
		state->stream_id = 0;
	}
}

static int read_reply(struct mongodb_state *state, const struct header *header, struct slice body,
		      struct msg *msg)
{
	struct outcome outcome = {.failed = false};
	bool more = false;

	switch (header->opcode) {
	case OP_MSG:
		more = body.n >= 4 && (bson_u32(body, 0) & FLAG_MORE_TO_COME);
		read_outcome(&outcome, find_body(msg, slice_after(body, 4), false));
		break;
	case OP_REPLY:
		read_op_reply(&outcome, body);
		break;
	case OP_COMPRESSED:
		break;
	default:
		return -EPROTO;
	}
	place_reply(state, header, more, msg);
	if (msg->kind != MSG_NONE)
		add_outcome(msg, &outcome);
	return 0;
}

/* --- the protocol ----------------------------------------------------------------------------- */

static bool is_len(uint32_t len)
{
	return len >= HEADER_LEN && len <= MESSAGE_LEN_MAX;
}

static ssize_t parse(void *state, enum sender sender, struct slice bytes, bool last,
		     struct msg *msg)
{
	struct header header;
	struct slice frame, body;
	int err;

	if (bytes.n >= 4 && !is_len(bson_u32(bytes, 0)))
		return -EPROTO;
	if (bytes.n < HEADER_LEN) {
		msg->flags |= last ? MESSAGE_TRUNCATED : 0;
		return last ? (ssize_t)bytes.n : 0;
	}
	header = (struct header){
		.len = bson_u32(bytes, 0),
		.request_id = bson_u32(bytes, 4),
		.response_to = bson_u32(bytes, 8),
		.opcode = bson_u32(bytes, 12),
	};
	frame = slice_first(bytes, header.len < KEEP ? header.len : KEEP);
	if (!last && frame.n < header.len && frame.n < KEEP)
		return 0;
	body = slice_after(frame, HEADER_LEN);
	if (header.opcode == OP_MSG && frame.n == header.len && body.n >= 8 &&
	    (bson_u32(body, 0) & FLAG_CHECKSUM))
		body.n -= 4;
	err = sender == FROM_CLIENT ? read_request(state, &header, body, msg)
				    : read_reply(state, &header, body, msg);
	if (err)
		return err;
	msg->skip = header.len - frame.n;
	return (ssize_t)frame.n;
}

static void resync(void *state, enum sender sender)
{
	struct mongodb_state *mongodb = state;

	if (sender == FROM_SERVER)
		mongodb->stream_id = 0;
}

/* Could the document at the front be one? */
static enum detect detect_document(struct slice s, uint32_t room)
{
	if (s.n < 4)
		return DETECT_MORE;
	if (bson_u32(s, 0) < 5 || bson_u32(s, 0) > room)
		return DETECT_NO;
	if (s.n < 5)
		return DETECT_MORE;
	return bson_is_type((uint8_t)s.p[4]) || !s.p[4] ? DETECT_YES : DETECT_NO;
}

static enum detect detect_op_msg(struct slice body, uint32_t len)
{
	if (body.n < 5)
		return DETECT_MORE;
	if (len < 10 ||
	    (bson_u32(body, 0) & ~(FLAG_CHECKSUM | FLAG_MORE_TO_COME | FLAG_EXHAUST_ALLOWED)) ||
	    (uint8_t)body.p[4] > 1)
		return DETECT_NO;
	if (body.p[4] == 0)
		return detect_document(slice_after(body, 5), len - 5);
	if (body.n < 9)
		return DETECT_MORE;
	return bson_u32(body, 5) >= 5 && bson_u32(body, 5) <= len - 5 ? DETECT_YES : DETECT_NO;
}

static bool is_opcode_of(enum sender sender, uint32_t opcode)
{
	if (opcode == OP_MSG || opcode == OP_COMPRESSED)
		return true;
	if (sender == FROM_SERVER)
		return opcode == OP_REPLY;
	return find_legacy(opcode) != NULL;
}

/* Flags and a name that has a dot; of killed cursors a zero and how many. */
static enum detect detect_legacy(struct slice body, uint32_t opcode)
{
	struct slice name;
	size_t dot = 0;

	if (body.n < 5)
		return DETECT_MORE;
	if (bson_u32(body, 0) > 0xff)
		return DETECT_NO;
	if (opcode == OP_KILL_CURSORS)
		return bson_u32(body, 0) ? DETECT_NO : DETECT_YES;
	name = slice_after(body, 4);
	while (dot < name.n && name.p[dot] > ' ' && name.p[dot] < 0x7f && name.p[dot] != '.')
		dot++;
	if (dot == name.n && dot < DATABASE_LEN_MAX)
		return DETECT_MORE;
	return dot > 0 && dot < name.n && name.p[dot] == '.' ? DETECT_YES : DETECT_NO;
}

static enum detect detect_body(struct slice body, uint32_t len, uint32_t opcode)
{
	switch (opcode) {
	case OP_MSG:
		return detect_op_msg(body, len);
	case OP_REPLY:
		if (body.n < 20)
			return len < 20 ? DETECT_NO : DETECT_MORE;
		if (bson_u32(body, 0) > 0xf)
			return DETECT_NO;
		if (!bson_u32(body, 16))
			return len == 20 ? DETECT_YES : DETECT_NO;
		return detect_document(slice_after(body, 20), len - 20);
	case OP_COMPRESSED:
		if (body.n < 9)
			return len < 9 ? DETECT_NO : DETECT_MORE;
		return bson_u32(body, 4) <= MESSAGE_LEN_MAX && (uint8_t)body.p[8] < 4 &&
				       (is_opcode_of(FROM_CLIENT, bson_u32(body, 0)) ||
					is_opcode_of(FROM_SERVER, bson_u32(body, 0)))
			       ? DETECT_YES
			       : DETECT_NO;
	default:
		return detect_legacy(body, opcode);
	}
}

/* A request answers nothing, a reply something. */
static enum detect detect(enum sender sender, struct slice head)
{
	if (head.n >= 4 && !is_len(bson_u32(head, 0)))
		return DETECT_NO;
	if (head.n >= 12 && (bson_u32(head, 8) == 0) != (sender == FROM_CLIENT))
		return DETECT_NO;
	if (head.n < HEADER_LEN)
		return DETECT_MORE;
	if (!is_opcode_of(sender, bson_u32(head, 12)))
		return DETECT_NO;
	return detect_body(slice_after(head, HEADER_LEN), bson_u32(head, 0) - HEADER_LEN,
			   bson_u32(head, 12));
}

/* --- spans ------------------------------------------------------------------------------------ */

static void describe(const struct exchange_view *x, struct description *out)
{
	static const struct slice kept[] = {
		SLICE("db.operation.name"),
		SLICE("db.collection.name"),
		SLICE("db.namespace"),
		SLICE("db.query.text"),
		SLICE("db.operation.batch.size"),
		SLICE("sonde.mongodb.compressor"),
	};
	struct attrs *attrs = &out->attrs;
	struct slice operation = attrs_get_str(x->request, SLICE("db.operation.name"));
	struct slice collection = attrs_get_str(x->request, SLICE("db.collection.name"));
	struct slice error = attrs_get_str(x->response, SLICE("error.type"));

	out->operation = operation.n ? db_name(out, operation, collection) : SLICE("mongodb");
	attrs_add_str(attrs, SLICE("db.system.name"), SLICE("mongodb"));
	for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++) {
		const struct attr *attr = attrs_get(x->request, kept[i]);

		if (attr)
			attrs_add_copy(attrs, attr);
	}
	db_add_ends(attrs, x, DEFAULT_PORT);
	db_add(attrs, SLICE("db.response.status_code"),
	       attrs_get_str(x->response, SLICE("db.response.status_code")));
	error = x->failure.n ? x->failure : error;
	db_add(attrs, SLICE("error.type"), error);
	out->error = error.n > 0;
}

static const uint16_t ports[] = {DEFAULT_PORT, 27018, 27019, 0};

static const struct frame_shape shape = {
	.header_sz = HEADER_LEN,
	.length_at = 0,
	.length_sz = 4,
	.type_at = 12,
	.flags = SHAPE_LITTLE_ENDIAN,
	.length_add = 0,
	.length_max = MESSAGE_LEN_MAX,
	.keep = KEEP,
	.kept = {~0ull, ~0ull, ~0ull, ~0ull},
};

static const struct protocol mongodb_protocol = {
	.name = "mongodb",
	.ports = ports,
	.state_size = sizeof(struct mongodb_state),
	.by_id = true,
	.shape = &shape,
	.detect = detect,
	.parse = parse,
	.resync = resync,
	.describe = describe,
};
PROTOCOL(mongodb_protocol);

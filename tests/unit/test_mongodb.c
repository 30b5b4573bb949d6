// SPDX-License-Identifier: Apache-2.0
/* MongoDB: conversations as drivers have them, their messages and their spans. */
#include "tests/unit/protocol_rig.h"

#include "tests/unit/bson_text.h"

#define CHECKSUM 0x01u
#define MORE_TO_COME 0x02u
#define EXHAUST 0x10000u

#define FROM(who, bytes_)                        \
	{                                        \
		.sender = who, .bytes = (bytes_) \
	}
#define ASK(bytes_) FROM(FROM_CLIENT, bytes_)
#define ANSWER(bytes_) FROM(FROM_SERVER, bytes_)
#define OK "{ok: 1.0}"

#define SPAN(name, attrs) name " client db.system.name=mongodb" attrs RIG_AT_CLIENT "\n"
#define FAILED(name, attrs, code)                                       \
	name " client error db.system.name=mongodb" attrs RIG_AT_CLIENT \
	     " db.response.status_code=" code " error.type=" code "\n"

static const struct protocol *mongodb;

#define RUN(cases) rig_run(mongodb, cases, sizeof(cases) / sizeof(*(cases)))

static void test_commands(void **unused)
{
	const struct conversation cases[] = {
		{
			.name = "find",
			.turns = {ASK(op_msg(7, 0, 0,
					     "{find: 'items', filter: {size: {$gt: 5}, tags: {$in: "
					     "['a', 'b', 'c']}}, limit: 3, lsid: {id: #16}, "
					     "$db: 'shop', $readPreference: {mode: 'primary'}}")),
				  ANSWER(op_msg(90, 7, 0,
						"{cursor: {firstBatch: [{_id: 1}], id: 0, "
						"ns: 'shop.items'}, ok: 1.0}"))},
			.transcript =
				"> request id=8 db.operation.name=find db.query.text={\"find\": "
				"\"items\", \"filter\": {\"size\": {\"$gt\": ?}, \"tags\": "
				"{\"$in\": [?]}}, \"limit\": ?} db.collection.name=items "
				"db.namespace=shop\n"
				"< response id=8\n",
			.spans = SPAN("find items",
				      " db.operation.name=find db.collection.name=items "
				      "db.namespace=shop db.query.text={\"find\": \"items\", "
				      "\"filter\": {\"size\": {\"$gt\": ?}, \"tags\": {\"$in\": "
				      "[?]}}, \"limit\": ?}"),
		},
		{
			.name = "insert",
			.turns = {ASK(op_msg_with(
					  1, 0, 0, "{insert: 'items', ordered: true, $db: 'shop'}",
					  "documents", "{a: 1} {a: 2, secret: 'x'} {a: 3}")),
				  ANSWER(op_msg(2, 1, 0, "{n: 3, ok: 1.0}"))},
			.transcript =
				"> request id=2 db.operation.batch.size=3 "
				"db.operation.name=insert db.query.text={\"insert\": \"items\", "
				"\"ordered\": ?} db.collection.name=items db.namespace=shop\n"
				"< response id=2\n",
		},
		{
			.name = "insert in the document",
			.turns = {ASK(op_msg(1, 0, 0,
					     "{insert: 'items', documents: [{a: 'x'}], $db: 'd'}")),
				  ANSWER(op_msg(2, 1, 0, OK))},
			.transcript =
				"> request id=2 db.operation.name=insert "
				"db.query.text={\"insert\": \"items\"} db.collection.name=items "
				"db.namespace=d\n"
				"< response id=2\n",
		},
		{
			.name = "aggregate",
			.turns = {ASK(op_msg(
					  0xffffffff, 0, 0,
					  "{aggregate: 'sales', pipeline: [{$match: {who: 'me'}}, "
					  "{$group: {_id: '$a', n: {$sum: 1}}}, 5, 6], "
					  "cursor: {}, $db: 'd'}")),
				  ANSWER(op_msg(2, 0xffffffff, 0, OK))},
			.transcript =
				"> request id=4294967296 db.operation.name=aggregate "
				"db.query.text={\"aggregate\": \"sales\", \"pipeline\": "
				"[{\"$match\": {\"who\": ?}}, {\"$group\": {\"_id\": ?, \"n\": "
				"{\"$sum\": ?}}}, ?], \"cursor\": {}} db.collection.name=sales "
				"db.namespace=d\n"
				"< response id=4294967296\n",
		},
		{
			.name = "get more",
			.turns = {ASK(op_msg(3, 0, 0,
					     "{getMore: 5, collection: 'items', $db: 'd'}")),
				  ANSWER(op_msg(2, 3, 0, OK))},
			.spans = SPAN("getMore items", " db.operation.name=getMore "
						       "db.collection.name=items db.namespace=d"),
		},
		{
			.name = "explain",
			.turns = {ASK(op_msg(3, 0, 0, "{explain: {find: 'items'}, $db: 'd'}")),
				  ANSWER(op_msg(2, 3, 0, OK))},
			.spans = SPAN("explain items", " db.operation.name=explain "
						       "db.collection.name=items db.namespace=d"),
		},
	};

	(void)unused;
	RUN(cases);
}

static void test_pairing(void **unused)
{
	const struct conversation cases[] = {
		{
			.name = "whose text is no collection",
			.turns = {ASK(op_msg(3, 0, 0,
					     "{createUser: 'alice', pwd: 'secret', $db: 'd'}")),
				  ANSWER(op_msg(2, 3, 0, OK)),
				  ASK(op_msg(4, 0, CHECKSUM, "{aggregate: 1, $db: 'd'}")),
				  ANSWER(op_msg(2, 4, CHECKSUM, OK))},
			.spans = SPAN("createUser", " db.operation.name=createUser db.namespace=d")
				SPAN("aggregate", " db.operation.name=aggregate db.namespace=d"),
		},
		{
			.name = "answers in another order",
			.turns = {ASK(both(op_msg(1, 0, 0, "{ping: 1, $db: 'a'}"),
					   op_msg(2, 0, 0, "{hello: 1, $db: 'b'}"))),
				  ANSWER(both(op_msg(9, 2, 0, OK), op_msg(8, 1, 0, OK)))},
			.spans = SPAN("hello", " db.operation.name=hello db.namespace=b")
				SPAN("ping", " db.operation.name=ping db.namespace=a"),
		},
		{
			.name = "of the server's side",
			.turns = {ASK(op_msg(1, 0, 0, "{ping: 1, $db: 'a'}")),
				  ANSWER(op_msg(9, 1, 0, OK))},
			.side = SIDE_SERVER,
			.spans =
				"ping server db.system.name=mongodb db.operation.name=ping db.namespace=a" RIG_AT_SERVER
				"\n",
		},
		{
			.name = "one-way",
			.turns = {ASK(both(op_msg_with(1, 0, MORE_TO_COME,
						       "{insert: 'log', $db: 'a'}", "documents",
						       "{a: 1}"),
					   op_msg(2, 0, 0, "{ping: 1, $db: 'a'}"))),
				  ANSWER(op_msg(9, 2, 0, OK))},
			.transcript = "> oneway id=2 db.operation.name=insert "
				      "db.query.text={\"insert\": \"log\"} db.collection.name=log "
				      "db.namespace=a\n"
				      "> request id=3 db.operation.name=ping db.namespace=a\n"
				      "< response id=3\n",
		},
	};

	(void)unused;
	RUN(cases);
}

static void test_streams_of_replies(void **unused)
{
	const struct conversation cases[] = {
		{
			.name = "exhaust",
			.turns = {ASK(op_msg(5, 0, EXHAUST,
					     "{getMore: 1, collection: 'c', $db: 'd'}")),
				  ANSWER(op_msg(70, 5, MORE_TO_COME, OK)),
				  ANSWER(both(op_msg(71, 70, MORE_TO_COME, OK),
					      op_msg(72, 71, 0, OK))),
				  ASK(op_msg(6, 0, 0, "{ping: 1, $db: 'd'}")),
				  ANSWER(op_msg(73, 6, 0, OK))},
			.transcript =
				"> request id=6 db.operation.name=getMore db.collection.name=c "
				"db.namespace=d\n"
				"< response more id=6\n"
				"< part id=6\n"
				"< end id=6\n"
				"> request id=7 db.operation.name=ping db.namespace=d\n"
				"< response id=7\n",
			.spans =
				SPAN("getMore c", " db.operation.name=getMore db.collection.name=c "
						  "db.namespace=d")
					SPAN("ping", " db.operation.name=ping db.namespace=d"),
		},
		{
			.name = "exhaust that fails",
			.turns = {ASK(op_msg(5, 0, EXHAUST, "{find: 'c', $db: 'd'}")),
				  ANSWER(op_msg(70, 5, MORE_TO_COME, OK)),
				  ANSWER(op_msg(71, 70, 0, "{ok: 0.0, code: 43}"))},
			.spans = FAILED("find c",
					" db.operation.name=find db.collection.name=c "
					"db.namespace=d db.query.text={\"find\": \"c\"}",
					"43"),
		},
		{
			.name = "exhaust that names its request again",
			.turns = {ASK(op_msg(5, 0, EXHAUST, "{find: 'c', $db: 'd'}")),
				  ANSWER(op_msg(70, 5, MORE_TO_COME, OK)),
				  ANSWER(op_msg(71, 5, 0, OK))},
			.spans = SPAN("find c", " db.operation.name=find db.collection.name=c "
						"db.namespace=d db.query.text={\"find\": \"c\"}"),
		},
		{
			/* the connection's other replies are no answers to anything */
			.name = "monitor",
			.turns = {ASK(op_msg(5, 0, EXHAUST, "{hello: 1, $db: 'admin'}")),
				  ANSWER(op_msg(70, 5, MORE_TO_COME, OK)),
				  ANSWER(op_msg(71, 70, MORE_TO_COME, OK)),
				  ANSWER(op_msg(72, 71, MORE_TO_COME, "{ok: 0.0}"))},
			.transcript = "> request id=6 db.operation.name=hello db.namespace=admin\n"
				      "< response id=6\n",
			.spans = SPAN("hello", " db.operation.name=hello db.namespace=admin"),
		},
		{
			.name = "join in a stream",
			.turns = {ANSWER(op_msg(71, 70, MORE_TO_COME, OK)),
				  ANSWER(op_msg(72, 71, 0, OK)),
				  ASK(op_msg(6, 0, 0, "{ping: 1, $db: 'd'}")),
				  ANSWER(op_msg(73, 6, 0, OK))},
			.spans = SPAN("ping", " db.operation.name=ping db.namespace=d"),
		},
	};

	(void)unused;
	RUN(cases);
}

static void test_errors(void **unused)
{
	static const char *const replies[] = {
		"{ok: 0.0, errmsg: 'no such command', code: 59, codeName: 'CommandNotFound'}",
		"{n: 0, writeErrors: [{index: 0, code: 59, errmsg: 'duplicate'}], ok: 1.0}",
		"{n: 1, writeConcernError: {code: 59, codeName: 'WriteConcernFailed'}, ok: 1.0}",
		"{ok: 0, code: 59}",
	};
	const struct conversation others[] = {
		{
			.name = "without a code",
			.turns = {ASK(op_msg(1, 0, 0, "{ping: 1}")),
				  ANSWER(op_msg(2, 1, 0, "{ok: 0.0, errmsg: 'bad'}"))},
			.transcript = "> request id=2 db.operation.name=ping\n"
				      "< response id=2 error.type=_OTHER\n",
		},
		{
			.name = "a code of success",
			.turns = {ASK(op_msg(1, 0, 0, "{ping: 1}")),
				  ANSWER(op_msg(2, 1, 0, "{code: 5, ok: 1.0}"))},
			.transcript = "> request id=2 db.operation.name=ping\n"
				      "< response id=2\n",
		},
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(replies) / sizeof(*replies); i++) {
		char name[] = "error 0";
		const struct conversation cases[] = {{
			.name = name,
			.turns = {ASK(op_msg(1, 0, 0, "{drop: 'c', $db: 'd'}")),
				  ANSWER(op_msg(2, 1, 0, replies[i]))},
			.spans = FAILED("drop c",
					" db.operation.name=drop db.collection.name=c "
					"db.namespace=d db.query.text={\"drop\": \"c\"}",
					"59"),
		}};

		name[6] = (char)('0' + i);
		RUN(cases);
	}
	RUN(others);
}

static void test_older_opcodes(void **unused)
{
	const struct conversation cases[] = {
		{
			.name = "handshake",
			.turns = {ASK(op_named(1, 2004, "admin.$cmd",
					       "{ismaster: 1, client: {driver: {name: 'x'}}}")),
				  ANSWER(op_reply(9, 1, 8, "{ismaster: true, ok: 1.0}"))},
			.spans = SPAN("ismaster", " db.operation.name=ismaster db.namespace=admin"),
		},
		{
			.name = "wrapped command",
			.turns = {ASK(op_named(
					  1, 2004, "shop.$cmd",
					  "{$query: {count: 'c'}, $readPreference: {mode: 'x'}}")),
				  ANSWER(op_reply(9, 1, 0, OK))},
			.spans = SPAN("count c",
				      " db.operation.name=count db.collection.name=c "
				      "db.namespace=shop db.query.text={\"count\": \"c\"}"),
		},
		{
			.name = "query",
			.turns = {ASK(op_named(1, 2004, "shop.items.old", "{a: 1}")),
				  ANSWER(op_reply(9, 1, 0, "{a: 1}")),
				  ASK(op_named(2, 2005, "shop.items.old", NULL)),
				  ANSWER(op_reply(10, 2, 1, NULL))},
			.spans = SPAN("find items.old", " db.operation.name=find "
							"db.collection.name=items.old "
							"db.namespace=shop")
				FAILED("getMore items.old",
				       " db.operation.name=getMore db.collection.name=items.old "
				       "db.namespace=shop",
				       "43"),
		},
		{
			.name = "query that fails",
			.turns = {ASK(op_named(1, 2004, "a.b", "{a: 1}")),
				  ANSWER(op_reply(9, 1, 2, "{$err: 'bad', code: 17287}"))},
			.spans = FAILED("find b",
					" db.operation.name=find db.collection.name=b "
					"db.namespace=a",
					"17287"),
		},
		{
			.name = "old writes",
			.turns = {ASK(op_named(1, 2002, "a.b", "{a: 1}")),
				  ASK(op_named(2, 2001, "a.b", "{a: 1}")),
				  ASK(op_named(3, 2006, "a.b", "{a: 1}")),
				  ASK(op_named(4, 2007, "", NULL))},
			.transcript = "> oneway id=2 db.operation.name=insert db.collection.name=b "
				      "db.namespace=a\n"
				      "> oneway id=3 db.operation.name=update db.collection.name=b "
				      "db.namespace=a\n"
				      "> oneway id=4 db.operation.name=delete db.collection.name=b "
				      "db.namespace=a\n"
				      "> oneway id=5 db.operation.name=killCursors\n",
		},
		{
			.name = "compressed",
			.turns = {ASK(op_compressed(1, 0, 2013, 1)),
				  ANSWER(op_compressed(9, 1, 2013, 1))},
			.transcript = "> request id=2 sonde.mongodb.compressor=snappy\n"
				      "< response id=2\n",
			.spans = SPAN("mongodb", " sonde.mongodb.compressor=snappy"),
		},
	};

	(void)unused;
	RUN(cases);
}

/* Of long messages the beginning is copied and looked at. */
static void test_cut(void **unused)
{
	struct slice find =
		op_msg(1, 0, 0, "{find: 'c', $db: 'd', filter: {a: 1, b: #2000}, limit: 5}");
	struct slice late = op_msg(1, 0, 0, "{find: 'c', filter: {b: #2000}, $db: 'd'}");
	struct slice reply = op_msg(9, 1, 0, "{cursor: {firstBatch: [#4000]}, ok: 1.0}");
	const struct conversation cases[] = {
		{
			.name = "long",
			.turns = {ASK(find), ANSWER(reply)},
			.transcript =
				"> request id=2 skip=1576 db.operation.name=find "
				"db.query.text={\"find\": \"c\", \"filter\": {\"a\": ?, \"b\": "
				"?... db.collection.name=c db.namespace=d\n"
				"< response id=2 skip=3564\n",
		},
		{
			.name = "cut off",
			.turns = {{FROM_CLIENT, slice_first(find, 512), true,
				   (uint32_t)find.n - 512},
				  {FROM_SERVER, slice_first(reply, 16), true,
				   (uint32_t)reply.n - 16},
				  ASK(op_msg(2, 0, 0, "{ping: 1}")),
				  ANSWER(op_msg(10, 2, 0, OK))},
			.spans = SPAN("find c", " db.operation.name=find db.collection.name=c "
						"db.namespace=d db.query.text={\"find\": \"c\", "
						"\"filter\": {\"a\": ?, \"b\": ?...")
				SPAN("ping", " db.operation.name=ping"),
		},
		{
			.name = "database not reached",
			.turns = {ASK(late), ANSWER(reply)},
			.spans = SPAN("find c",
				      " db.operation.name=find db.collection.name=c "
				      "db.query.text={\"find\": \"c\", \"filter\": {\"b\": ?..."),
		},
		{
			.name = "cut in the header",
			.turns = {{FROM_CLIENT, slice_first(find, 10), true, (uint32_t)find.n - 10},
				  ANSWER(reply),
				  ASK(op_msg(2, 0, 0, "{ping: 1}")),
				  ANSWER(op_msg(10, 2, 0, OK))},
			.spans = SPAN("ping", " db.operation.name=ping"),
		},
	};

	(void)unused;
	RUN(cases);
}

static void test_deep(void **unused)
{
	char text[512] = "{find: 'c', a: ";
	struct conversation cases[1] = {{.name = "deep"}};

	(void)unused;
	for (int i = 0; i < 20; i++)
		strncat(text, "{a: ", sizeof(text) - strlen(text) - 1);
	strncat(text, "5", sizeof(text) - strlen(text) - 1);
	for (int i = 0; i < 21; i++)
		strncat(text, "}", sizeof(text) - strlen(text) - 1);
	cases[0].turns[0] = (struct turn)ASK(op_msg(1, 0, 0, text));
	cases[0].transcript =
		"> request id=2 db.operation.name=find db.query.text={\"find\": \"c\", \"a\": "
		"{\"a\": {\"a\": {\"a\": {\"a\": {\"a\": {\"a\": {\"a\": {\"a\": {\"a\": {\"a\": "
		"{\"a\": {\"a\": {\"a\": {\"a\": {\"a\": ?}}}}}}}}}}}}}}}} db.collection.name=c\n";
	RUN(cases);
}

/* Lengths and types that lie. */
static void test_hostile(void **unused)
{
	static const char odd_kind[] = "\x21\0\0\0\1\0\0\0\0\0\0\0\xdd\7\0\0\0\0\0\0"
				       "\xff\x05\0\0\0\0\0\0\0\0\0\0\0";
	static const char odd_inner[] = "\x2d\0\0\0\1\0\0\0\0\0\0\0\xdd\7\0\0\0\0\0\0\0"
					"\xff\xff\xff\x7f\2find\0\xff\xff\xff\xff"
					"c\0\3a\0\0\0\0\0";
	const struct conversation cases[] = {
		{
			.name = "bad kind",
			.turns = {{FROM_CLIENT, slice_of(odd_kind, 33), false, 0}},
			.transcript = "> request bad id=2\n",
		},
		{
			.name = "bad inner length",
			.turns = {{FROM_CLIENT, slice_of(odd_inner, 45), false, 0}},
			.transcript = "> request id=2 db.operation.name=find\n",
		},
		{
			.name = "bad length",
			.turns = {CLIENT("\x0f\0\0\0\1\0\0\0\0\0\0\0\xdd\7\0\0")},
			.transcript = "> error\n",
		},
		{
			.name = "bad huge length",
			.turns = {CLIENT("\x01\x6c\xdc\x02\1\0\0\0\0\0\0\0\xdd\7\0\0")},
			.transcript = "> error\n",
		},
		{
			.name = "bad opcode",
			.turns = {CLIENT("\x14\0\0\0\1\0\0\0\0\0\0\0\xde\7\0\0\0\0\0\0")},
			.transcript = "> error\n",
		},
		{
			.name = "bad opcode of a server",
			.turns = {SERVER("\x14\0\0\0\1\0\0\0\1\0\0\0\xd4\7\0\0\0\0\0\0")},
			.transcript = "< error\n",
		},
		{
			.name = "bad empty",
			.turns = {CLIENT("\x10\0\0\0\1\0\0\0\0\0\0\0\xdd\7\0\0"),
				  SERVER("\x10\0\0\0\1\0\0\0\1\0\0\0\xdd\7\0\0"),
				  CLIENT("\x10\0\0\0\2\0\0\0\0\0\0\0\xdc\7\0\0"),
				  SERVER("\x10\0\0\0\1\0\0\0\2\0\0\0\1\0\0\0"),
				  CLIENT("\x10\0\0\0\3\0\0\0\0\0\0\0\xd4\7\0\0")},
			.transcript = "> request id=2\n< response id=2\n> request id=3\n"
				      "< response id=3\n> request id=4\n",
		},
	};

	(void)unused;
	RUN(cases);
}

static void test_detection(void **unused)
{
	const struct detect_case cases[] = {
		{FROM_CLIENT, DETECT_YES, op_msg(1, 0, EXHAUST, "{ping: 1}")},
		{FROM_SERVER, DETECT_NO, op_msg(1, 0, 0, "{ping: 1}")},
		{FROM_CLIENT, DETECT_NO, op_msg(1, 5, 0, OK)},
		{FROM_SERVER, DETECT_YES, op_msg(1, 5, MORE_TO_COME, OK)},
		{FROM_CLIENT, DETECT_YES, op_named(1, 2004, "admin.$cmd", "{ismaster: 1}")},
		{FROM_CLIENT, DETECT_NO, op_named(1, 2004, "admin", "{ismaster: 1}")},
		{FROM_CLIENT, DETECT_YES, op_named(1, 2007, "", NULL)},
		{FROM_SERVER, DETECT_YES, op_reply(1, 5, 8, OK)},
		{FROM_SERVER, DETECT_YES, op_reply(1, 5, 1, NULL)},
		{FROM_SERVER, DETECT_NO, op_reply(1, 5, 0x100, OK)},
		{FROM_CLIENT, DETECT_YES, op_compressed(1, 0, 2013, 3)},
		{FROM_SERVER, DETECT_YES, op_compressed(1, 5, 1, 0)},
		{FROM_CLIENT, DETECT_NO, op_compressed(1, 0, 2013, 9)},
		{FROM_CLIENT, DETECT_NO, op_msg(1, 0, 0x04, "{ping: 1}")},
		{FROM_CLIENT, DETECT_MORE, SLICE("\x21\0\0\0\1\0\0\0\0\0\0\0\xdd\7\0\0\0\0\0\0")},
		{FROM_CLIENT, DETECT_NO, SLICE("\x21\0\0\0\1\0\0\0\0\0\0\0\xdd\7\0\1\0\0\0\0")},
		{FROM_CLIENT, DETECT_NO, SLICE("GET / HTTP/1.1\r\nHost: x\r\n\r\n")},
		{FROM_SERVER, DETECT_NO, SLICE("HTTP/1.1 200 OK\r\n\r\n")},
		{FROM_CLIENT, DETECT_NO, SLICE("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")},
		{FROM_CLIENT, DETECT_NO, SLICE("*1\r\n$4\r\nPING\r\n")},
		{FROM_SERVER, DETECT_NO, SLICE("+PONG\r\n+PONG\r\n+PONG\r\n")},
		{FROM_CLIENT, DETECT_NO, SLICE("\x16\3\1\2\0\1\0\1\xfc\3\3random random random")},
		{FROM_SERVER, DETECT_NO,
		 SLICE("\x4a\0\0\0\x0a"
		       "8.0.36\0\x08\0\0\0abcdefgh\0\xff\xff\xff")},
		{FROM_CLIENT, DETECT_NO,
		 SLICE("\0\0\0\x54\0\3\0\0user\0alice\0database\0shop\0\0")},
		{FROM_CLIENT, DETECT_NO,
		 SLICE("\0\0\0\x23\0\x12\0\3\0\0\0\1\0\6client\0\6client\0")},
		{FROM_CLIENT, DETECT_NO,
		 SLICE("\4\0\0\0\5\0\0\0\x1aSELECT * FROM system.local\0\1")},
		{FROM_CLIENT, DETECT_NO, SLICE("It was a bright cold day in April, and")},
	};

	(void)unused;
	rig_run_detections(mongodb, cases, sizeof(cases) / sizeof(*cases));
}

static int set_up(void **unused)
{
	(void)unused;
	mongodb = rig_protocol("mongodb");
	return mongodb ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_pairing),
		cmocka_unit_test(test_streams_of_replies),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_older_opcodes),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_deep),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_detection),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}

// SPDX-License-Identifier: Apache-2.0
/* Conversations with memcached: text, meta and binary commands, quiet ones, and what is cut. */
#include "tests/unit/protocol_rig.h"

#define OP " db.operation.name="
#define TEXT " db.query.text="
#define CODE " db.response.status_code="
#define SYSTEM " db.system.name=memcached"
#define ENDS RIG_AT_CLIENT "\n"

#define PLAIN " tag=1"
#define META " tag=2"
#define BATCH " tag=3"

/* Binary headers: opcode, bytes of key, of extras, status, bytes of body. */
#define HEADER(magic, op, key, extras, status, body) \
	magic op "\0" key extras "\0" status "\0\0\0" body "\0\0\0\0\0\0\0\0\0\0\0\0"
#define ASK(op, key, extras, body) HEADER("\x80", op, key, extras, "\0\0", body)
#define SAY(op, key, extras, status, body) HEADER("\x81", op, key, extras, "\0" status, body)

static const struct conversation conversations[] = {
	{
		.name = "text",
		.turns = {CLIENT("set key 0 60 5\r\nhello\r\n"), SERVER("STORED\r\n"),
			  CLIENT("get key\r\n"), SERVER("VALUE key 0 5\r\nhello\r\nEND\r\n"),
			  CLIENT("gets a b\r\n"),
			  SERVER("VALUE a 0 2 17\r\nab\r\nVALUE b 0 0 18\r\n\r\nEND\r\n"),
			  CLIENT("get none\r\n"), SERVER("END\r\n"), CLIENT("incr n 5\r\n"),
			  SERVER("6\r\n"), CLIENT("gat 100 a b\r\n"), SERVER("END\r\n"),
			  CLIENT("cas a 0 0 1 17\r\nx\r\n"), SERVER("EXISTS\r\n")},
		.transcript = "> request skip=7" PLAIN OP "set" TEXT "set key ?\n"
			      "< response\n"
			      "> request" PLAIN OP "get" TEXT "get key\n"
			      "< response more skip=7\n< end\n"
			      "> request" PLAIN OP "gets" TEXT "gets a b\n"
			      "< response more skip=4\n< none skip=2\n< end\n"
			      "> request" PLAIN OP "get" TEXT "get none\n"
			      "< response\n"
			      "> request" PLAIN OP "incr" TEXT "incr n ?\n"
			      "< response\n"
			      "> request" PLAIN OP "gat" TEXT "gat a b ?\n"
			      "< response\n"
			      "> request skip=3" PLAIN OP "cas" TEXT "cas a ?\n"
			      "< response\n",
	},
	{
		.name = "spans",
		.turns = {CLIENT("get key\r\nincr key 1\r\nset key 0 0 1\r\nx\r\n"),
			  SERVER("END\r\n"
				 "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n"
				 "SERVER_ERROR out of memory storing object\r\n")},
		.spans = "get client" SYSTEM OP "get" TEXT "get key" ENDS
			 "incr client error" SYSTEM OP "incr" TEXT "incr key ?" CODE
			 "CLIENT_ERROR error.type=CLIENT_ERROR" ENDS "set client error" SYSTEM OP
			 "set" TEXT "set key ?" CODE "SERVER_ERROR error.type=SERVER_ERROR" ENDS,
	},
	{
		.name = "others",
		.turns = {CLIENT("stats\r\nversion\r\nflush_all 10\r\nverbosity 1\r\nwhat is it\r\n"
				 "stats reset\r\n"),
			  SERVER("STAT pid 1\r\nSTAT uptime 2\r\nEND\r\nVERSION 1.6.18\r\nOK\r\n"
				 "OK\r\nERROR\r\nRESET\r\n"),
			  CLIENT("quit\r\n")},
		.transcript = "> request" PLAIN OP "stats" TEXT "stats\n"
			      "> request" PLAIN OP "version" TEXT "version\n"
			      "> request" PLAIN OP "flush_all" TEXT "flush_all ?\n"
			      "> request" PLAIN OP "verbosity" TEXT "verbosity ?\n"
			      "> request" PLAIN "\n"
			      "> request" PLAIN OP "stats" TEXT "stats ?\n"
			      "< response more\n< end\n"
			      "< response\n< response\n< response\n"
			      "< response" CODE "ERROR\n"
			      "< response\n"
			      "> oneway" OP "quit" TEXT "quit\n",
	},
	{
		.name = "noreply",
		.turns = {CLIENT("set a 0 0 1 noreply\r\nx\r\ndelete b noreply\r\nget a\r\n"),
			  SERVER("VALUE a 0 1\r\nx\r\nEND\r\n")},
		.transcript = "> oneway skip=3" OP "set" TEXT "set a ?\n"
			      "> oneway" OP "delete" TEXT "delete b ?\n"
			      "> request" PLAIN OP "get" TEXT "get a\n"
			      "< response more skip=3\n< end\n",
	},
	{
		.name = "keys named noreply",
		.turns = {CLIENT("get a noreply\r\ndelete noreply\r\n"),
			  SERVER("END\r\nDELETED\r\n")},
		.transcript = "> request" PLAIN OP "get" TEXT "get a noreply\n"
			      "> request" PLAIN OP "delete" TEXT "delete noreply\n"
			      "< response\n< response\n",
	},
	{
		.name = "meta",
		.turns = {CLIENT("mg a v\r\nms a 2 T0\r\nhi\r\nmd a\r\nma n N0 J1 v\r\nmg b\r\n"
				 "me a\r\nmn\r\nms a S2\r\nhi\r\n"),
			  SERVER("VA 2\r\nhi\r\nHD\r\nNF\r\nVA 1\r\n2\r\nEN\r\n"
				 "ME a exp=-1 la=2\r\nMN\r\nNS\r\n")},
		.transcript = "> request" META OP "mg" TEXT "mg a ?\n"
			      "> request skip=4" META OP "ms" TEXT "ms a ?\n"
			      "> request" META OP "md" TEXT "md a\n"
			      "> request" META OP "ma" TEXT "ma n ?\n"
			      "> request" META OP "mg" TEXT "mg b\n"
			      "> request" META OP "me" TEXT "me a\n"
			      "> request" META OP "mn" TEXT "mn\n"
			      "> request skip=4" META OP "ms" TEXT "ms a ?\n"
			      "< response skip=4\n"
			      "< response\n< response\n"
			      "< response skip=3\n"
			      "< response\n< response\n< response\n< response\n",
	},
	{
		.name = "quiet meta",
		.turns = {CLIENT("mg a v q\r\nmg b v q\r\nms c 1 q\r\nx\r\nmn\r\nmg d\r\n"),
			  SERVER("VA 2\r\nhi\r\nMN\r\nEN\r\n"), CLIENT("mg a q\r\nmn\r\n"),
			  SERVER("MN\r\n")},
		.transcript = "> request more" BATCH OP "mg\n"
			      "> none skip=3\n"
			      "> end db.operation.batch.size=3\n"
			      "> request" META OP "mg" TEXT "mg d\n"
			      "< response more skip=4\n"
			      "< end\n"
			      "< response\n"
			      "> request more" BATCH OP "mg\n"
			      "> end\n"
			      "< response\n",
	},
	{
		.name = "quiet changes",
		.turns = {CLIENT("ms c 1 q\r\nx\r\nmd d q\r\nget a\r\nmn\r\nmg b\r\n"),
			  SERVER("NS\r\nEND\r\nMN\r\nEN\r\n")},
		.transcript = "> oneway skip=3" OP "ms" TEXT "ms c ?\n"
			      "> oneway" OP "md" TEXT "md d ?\n"
			      "> request" PLAIN OP "get" TEXT "get a\n"
			      "> request" META OP "mn" TEXT "mn\n"
			      "> request" META OP "mg" TEXT "mg b\n"
			      "< response\n< response\n< response\n",
	},
	{
		.name = "bad quiet changes, whose answer it is cannot be known",
		.turns = {CLIENT("ms c 1 q\r\nx\r\nms d 1\r\ny\r\n"), SERVER("NS\r\nHD\r\n")},
		.transcript = "> oneway skip=3" OP "ms" TEXT "ms c ?\n"
			      "> request skip=3" META OP "ms" TEXT "ms d ?\n"
			      "< error\n",
	},
	{
		.name = "bad end of quiet gets",
		.turns = {CLIENT("mg a v q\r\nmg b v\r\n")},
		.transcript = "> request more" BATCH OP "mg\n> error\n",
	},
	{
		.name = "binary",
		.turns = {CLIENT(ASK("\x01", "\3", "\x08", "\x10") "\0\0\0\0\0\0\0\0keyhello"),
			  SERVER(SAY("\x01", "\0", "\0", "\0", "\0")),
			  CLIENT(ASK("\0", "\3", "\0", "\3") "key"),
			  SERVER(SAY("\0", "\0", "\4", "\0", "\x09") "\0\0\0\0hello"),
			  CLIENT(ASK("\0", "\3", "\0", "\3") "non"),
			  SERVER(SAY("\0", "\0", "\0", "\1", "\x09") "Not found"),
			  CLIENT(ASK("\x04", "\3", "\0", "\3") "key"),
			  SERVER(SAY("\x04", "\0", "\0", "\x82", "\3") "oom"),
			  CLIENT(ASK("\x21", "\5", "\0", "\x09") "PLAINpass"),
			  SERVER(SAY("\x21", "\0", "\0", "\x20", "\0")),
			  CLIENT(ASK("\x10", "\0", "\0", "\0")),
			  SERVER(SAY("\x10", "\3", "\0", "\0", "\4") "pid1" SAY("\x10", "\0", "\0",
										"\0", "\0"))},
		.transcript = "> request skip=5" PLAIN OP "set" TEXT "set key ?\n"
			      "< response\n"
			      "> request" PLAIN OP "get" TEXT "get key\n"
			      "< response skip=9\n"
			      "> request" PLAIN OP "get" TEXT "get non\n"
			      "< response skip=9\n"
			      "> request" PLAIN OP "delete" TEXT "delete key\n"
			      "< response skip=3" CODE "130\n"
			      "> request skip=4" PLAIN OP "sasl_auth" TEXT "sasl_auth ?\n"
			      "< response" CODE "32\n"
			      "> request" PLAIN OP "stat" TEXT "stat\n"
			      "< response more skip=4\n< end\n",
	},
	{
		.name = "quiet binary",
		.turns = {CLIENT(ASK("\x0d", "\1", "\0", "\1") "a" ASK(
				  "\x0d", "\1", "\0", "\1") "b" ASK("\x0a", "\0", "\0", "\0")),
			  SERVER(SAY("\x0d", "\1", "\4", "\0",
				     "\x07") "\0\0\0\0bhi" SAY("\x0a", "\0", "\0", "\0", "\0")),
			  CLIENT(ASK("\x11", "\1", "\x08", "\x0a") "\0\0\0\0\0\0\0\0ax" ASK(
				  "\x09", "\1", "\0", "\1") "a" ASK("\0", "\1", "\0", "\1") "b"),
			  SERVER(SAY("\x11", "\0", "\0", "\x82", "\0")
					 SAY("\0", "\0", "\0", "\1", "\0"))},
		.spans = "getkq client" SYSTEM OP "getkq db.operation.batch.size=2" ENDS
			 "setq client" SYSTEM OP "setq" TEXT "setq a ?" ENDS "getq client" SYSTEM OP
			 "getq db.operation.batch.size=2" ENDS,
	},
	{
		.name = "values that were not copied",
		.turns = {CLIENT_CUT("set big 0 0 100000\r\nabc", 99999), SERVER("STORED\r\n"),
			  CLIENT("get big\r\n"), SERVER_CUT("VALUE big 0 100000\r\nab", 100000),
			  SERVER("END\r\n"), CLIENT("get a\r\n"), SERVER("END\r\n"),
			  CLIENT_CUT(ASK("\x01", "\3", "\x08", "\x10") "\0\0\0\0\0", 11),
			  SERVER_CUT(SAY("\x01", "\0", "\0", "\0", "\5") "a", 4)},
		.transcript = "> request skip=100002" PLAIN OP "set" TEXT "set big ?\n"
			      "< response\n"
			      "> request" PLAIN OP "get" TEXT "get big\n"
			      "< response more skip=100002\n< end\n"
			      "> request" PLAIN OP "get" TEXT "get a\n"
			      "< response\n"
			      "> request skip=11" PLAIN OP "set" TEXT "set ? ?\n"
			      "< response skip=5\n",
	},
	{
		.name = "cut in keys",
		.turns = {CLIENT_CUT("get a b c", 100), SERVER("END\r\n"), CLIENT("get a\r\n"),
			  SERVER_CUT("VALUE a 0", 100), CLIENT("get a\r\n"), SERVER("END\r\n")},
		.transcript = "> request cut" PLAIN OP "get" TEXT "get a b ...\n"
			      "< response\n"
			      "> request" PLAIN OP "get" TEXT "get a\n"
			      "< response cut\n"
			      "> request" PLAIN OP "get" TEXT "get a\n"
			      "< response\n",
	},
	{
		.name = "bad answers, where a noreply may not have been seen",
		.turns = {CLIENT_CUT("set a 0 0 1 nor", 100), CLIENT("get b\r\n"),
			  SERVER("END\r\n")},
		.transcript = "> request cut tag=4" OP "set" TEXT "set a ? ...\n"
			      "> request" PLAIN OP "get" TEXT "get b\n"
			      "< error\n",
	},
	{
		.name = "bad answers, where an opcode may not have been seen",
		.turns = {CLIENT_CUT("\x80", 100), CLIENT(ASK("\0", "\3", "\0", "\3") "key"),
			  SERVER(SAY("\0", "\0", "\4", "\0", "\x09") "\0\0\0\0hello")},
		.transcript = "> request cut tag=4\n"
			      "> request" PLAIN OP "get" TEXT "get key\n"
			      "< error\n",
	},
	{
		.name = "join in an answer",
		.turns = {SERVER("VALUE a 0 2\r\nab\r\nEND\r\n"), CLIENT("get a\r\n"),
			  SERVER("END\r\n")},
		.transcript = "< response more skip=4\n< end\n"
			      "> request" PLAIN OP "get" TEXT "get a\n"
			      "< response\n",
	},
	{
		.name = "bad length",
		.turns = {CLIENT("set a 0 0 99999999999999999999\r\n")},
		.transcript = "> error\n",
	},
	{
		.name = "bad bytes",
		.turns = {CLIENT("\x01\x02"), SERVER("\xff\xff")},
		.transcript = "> error\n< error\n",
	},
	{
		.name = "bad header",
		.turns = {CLIENT(ASK("\0", "\3", "\0", "\2") "key")},
		.transcript = "> error\n",
	},
};

/* A line that is longer than what is waited for. */
static void test_many_keys(void **unused)
{
	static char bytes[10000];
	size_t n = 4;
	const struct conversation many[] = {{
		.name = "many keys",
		.turns = {{FROM_CLIENT, slice_of(bytes, sizeof(bytes)), false, 0},
			  SERVER("END\r\n"),
			  CLIENT("get a\r\n"),
			  SERVER("END\r\n")},
		.transcript = "> request more" PLAIN OP "get" TEXT
			      "get kkkkkkk kkkkkkk kkkkkkk kkkkkkk kkkkkkk kkkkkkk kkkkkkk kkkkkkk"
			      " kkkkkkk kkkkkkk kkkkkkk kkkkkkk kkkkkkk kkkkkkk kkkkkkk kkkkkkk"
			      " kkkkkkk kkkkkkk kkkkkkk kkkkkkk kkkkkkk kkkkkkk kkkkkkk ...\n"
			      "> end\n"
			      "< response\n"
			      "> request" PLAIN OP "get" TEXT "get a\n"
			      "< response\n",
	}};

	(void)unused;
	memcpy(bytes, "get ", 4);
	for (; n < sizeof(bytes) - 2; n++)
		bytes[n] = n % 8 == 3 ? ' ' : 'k';
	bytes[4096] = (char)0x80; /* a name's byte, no binary command */
	memcpy(bytes + n, "\r\n", 2);
	rig_check(rig_protocol("memcached"), &many[0], RIG_TURNS_MAX, 0, 0);
	for (size_t step = 1; step < 5000; step = step * 3 + 1)
		rig_check(rig_protocol("memcached"), &many[0], RIG_TURNS_MAX, 0, step);
}

static const struct detect_case detections[] = {
	{FROM_CLIENT, DETECT_YES, SLICE("set key 0 0 5\r\nhello\r\n")},
	{FROM_CLIENT, DETECT_YES, SLICE("cas key 0 0 5 17 noreply\r\nhello\r\n")},
	{FROM_CLIENT, DETECT_LIKELY, SLICE("get key\r\n")},
	{FROM_CLIENT, DETECT_LIKELY, SLICE("gets a b c d e f g h\r\n")},
	{FROM_CLIENT, DETECT_LIKELY, SLICE("incr key 1\r\n")},
	{FROM_CLIENT, DETECT_LIKELY, SLICE("version\r\n")},
	{FROM_CLIENT, DETECT_LIKELY, SLICE("mg key v t f\r\n")},
	{FROM_CLIENT, DETECT_LIKELY, SLICE("mn\r\n")},
	{FROM_CLIENT, DETECT_YES, SLICE(ASK("\0", "\3", "\0", "\3") "key")},
	{FROM_CLIENT, DETECT_YES, SLICE(ASK("\x0a", "\0", "\0", "\0"))},
	{FROM_CLIENT, DETECT_MORE, SLICE("")},
	{FROM_CLIENT, DETECT_MORE, SLICE("get k")},
	{FROM_CLIENT, DETECT_MORE, SLICE("\x80\x01\x00\x01")},
	{FROM_CLIENT, DETECT_NO,
	 SLICE("\x80\x01\x00\x01\x00\x00\x00\x04ping\x00\x00\x00\x01\x00"
	       "aaaaaaa")},					 /* Thrift */
	{FROM_CLIENT, DETECT_NO, SLICE("\x80\x2e\x01\x03\x01")}, /* SSL 2 */
	{FROM_CLIENT, DETECT_NO, SLICE("get\r\n")},
	{FROM_CLIENT, DETECT_NO, SLICE("set key value\r\n")},
	{FROM_CLIENT, DETECT_NO, SLICE("delete from t where a = b and c = d\r\n")},
	{FROM_CLIENT, DETECT_NO, SLICE("GET / HTTP/1.1\r\n")},
	{FROM_CLIENT, DETECT_NO, SLICE("PING\r\n")},
	{FROM_CLIENT, DETECT_NO, SLICE("SET key value\r\n")},
	{FROM_CLIENT, DETECT_NO, SLICE("*1\r\n$4\r\nPING\r\n")},
	{FROM_CLIENT, DETECT_NO, SLICE("dear reader, this is prose.\r\n")},
	{FROM_CLIENT, DETECT_NO, SLICE("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")},
	{FROM_CLIENT, DETECT_NO, SLICE("\x00\x00\x00\x08\x04\xd2\x16\x2f")},
	{FROM_SERVER, DETECT_YES, SLICE("VALUE key 0 5\r\nhello")},
	{FROM_SERVER, DETECT_YES, SLICE("STORED\r\n")},
	{FROM_SERVER, DETECT_LIKELY, SLICE("END\r\n")},
	{FROM_SERVER, DETECT_LIKELY, SLICE("STAT pid 1\r\n")},
	{FROM_SERVER, DETECT_LIKELY, SLICE("17\r\n")},
	{FROM_SERVER, DETECT_LIKELY, SLICE("VA 5 t1\r\n")},
	{FROM_SERVER, DETECT_LIKELY, SLICE("ERROR\r\n")},
	{FROM_SERVER, DETECT_YES, SLICE(SAY("\0", "\0", "\4", "\0", "\x09"))},
	{FROM_SERVER, DETECT_MORE, SLICE("STOR")},
	{FROM_SERVER, DETECT_NO, SLICE("VALUE key 0 x\r\n")},
	{FROM_SERVER, DETECT_NO, SLICE("+OK\r\n")},
	{FROM_SERVER, DETECT_NO, SLICE("PONG\r\n")},
	{FROM_SERVER, DETECT_NO, SLICE("INFO {\"server_id\":\"x\"}\r\n")},
	{FROM_SERVER, DETECT_NO, SLICE("220 mail.example ESMTP\r\n")},
	{FROM_SERVER, DETECT_NO, SLICE("HTTP/1.1 200 OK\r\n")},
	{FROM_SERVER, DETECT_NO, SLICE("\x15\x03\x03\x00\x02")},
};

static void test_conversations(void **unused)
{
	(void)unused;
	rig_run(rig_protocol("memcached"), conversations,
		sizeof(conversations) / sizeof(*conversations));
}

static void test_detections(void **unused)
{
	(void)unused;
	rig_run_detections(rig_protocol("memcached"), detections,
			   sizeof(detections) / sizeof(*detections));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_conversations),
		cmocka_unit_test(test_many_keys),
		cmocka_unit_test(test_detections),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

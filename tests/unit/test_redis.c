// SPDX-License-Identifier: Apache-2.0
/* Conversations with Redis: commands, replies of all types, subscriptions, and what is cut. */
#include "tests/unit/protocol_rig.h"

#define OP " db.operation.name="
#define TEXT " db.query.text="
#define CODE " db.response.status_code="
#define SYSTEM " db.system.name=redis"
#define ENDS RIG_AT_CLIENT "\n"
#define SERVER_ENDS RIG_AT_SERVER "\n"

/* Tags of requests. */
#define PLAIN " tag=1"

#define PINGED "> request tag=6" OP "PING" TEXT "PING ?\n"
#define SEVEN_PINGS PINGED PINGED PINGED PINGED PINGED PINGED PINGED
#define FOURTEEN_PINGS SEVEN_PINGS SEVEN_PINGS

#define A64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define TEN_ARGS                                                  \
	"$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n$1\r\ne\r\n" \
	"$1\r\nf\r\n$1\r\ng\r\n$1\r\nh\r\n$1\r\ni\r\n$1\r\nj\r\n"
#define A513 A64 A64 A64 A64 A64 A64 A64 A64 "x"
#define A1024 A64 A64 A64 A64 A64 A64 A64 A64 A64 A64 A64 A64 A64 A64 A64 A64

static const struct conversation conversations[] = {
	{
		.name = "get and set",
		.turns = {CLIENT("*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n"), SERVER("$5\r\nvalue\r\n"),
			  CLIENT("*3\r\n$3\r\nset\r\n$3\r\nkey\r\n$6\r\nsecret\r\n"),
			  SERVER("+OK\r\n"), CLIENT("*2\r\n$3\r\nGET\r\n$4\r\nnone\r\n"),
			  SERVER("$-1\r\n")},
		.transcript = "> request" PLAIN OP "GET" TEXT "GET key\n"
			      "< response skip=7\n"
			      "> request" PLAIN OP "set" TEXT "set key ?\n"
			      "< response\n"
			      "> request" PLAIN OP "GET" TEXT "GET none\n"
			      "< response\n",
		.spans = "GET client" SYSTEM OP "GET" TEXT "GET key" ENDS "set client" SYSTEM OP
			 "set" TEXT "set key ?" ENDS "GET client" SYSTEM OP "GET" TEXT
			 "GET none" ENDS,
	},
	{
		.name = "server side",
		.side = SIDE_SERVER,
		.turns = {CLIENT("*1\r\n$4\r\nPING\r\n"), SERVER("+PONG\r\n")},
		.spans = "PING server" SYSTEM OP "PING" TEXT "PING" SERVER_ENDS,
	},
	{
		.name = "pipeline",
		.turns = {CLIENT("*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n*2\r\n$3\r\nGET\r\n$1\r\nl\r\n"
				 "*1\r\n$6\r\nDBSIZE\r\n"),
			  SERVER(":1\r\n-WRONGTYPE Operation against a key\r\n:2\r\n")},
		.transcript = "> request" PLAIN OP "INCR" TEXT "INCR n\n"
			      "> request" PLAIN OP "GET" TEXT "GET l\n"
			      "> request" PLAIN OP "DBSIZE" TEXT "DBSIZE\n"
			      "< response\n"
			      "< response" CODE "WRONGTYPE\n"
			      "< response\n",
		.spans = "INCR client" SYSTEM OP "INCR" TEXT "INCR n" ENDS
			 "GET client error" SYSTEM OP "GET" TEXT "GET l" CODE
			 "WRONGTYPE error.type=WRONGTYPE" ENDS "DBSIZE client" SYSTEM OP
			 "DBSIZE" TEXT "DBSIZE" ENDS,
	},
	{
		.name = "errors",
		.turns = {CLIENT("*2\r\n$3\r\nGET\r\n$1\r\na\r\n*2\r\n$3\r\nGET\r\n$1\r\nb\r\n"
				 "*2\r\n$3\r\nGET\r\n$1\r\nc\r\n*2\r\n$3\r\nGET\r\n$1\r\nd\r\n"),
			  SERVER("-MOVED 3999 127.0.0.1:6381\r\n-LOADING\r\n"
				 "-my own error\r\n!21\r\nSYNTAX invalid syntax\r\n")},
		.transcript = "> request" PLAIN OP "GET" TEXT "GET a\n"
			      "> request" PLAIN OP "GET" TEXT "GET b\n"
			      "> request" PLAIN OP "GET" TEXT "GET c\n"
			      "> request" PLAIN OP "GET" TEXT "GET d\n"
			      "< response" CODE "MOVED\n"
			      "< response" CODE "LOADING\n"
			      "< response error.type=_OTHER\n"
			      "< response skip=23" CODE "SYNTAX\n",
	},
	{
		.name = "transaction",
		.turns = {CLIENT("*1\r\n$5\r\nMULTI\r\n*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n"
				 "*2\r\n$4\r\nINCR\r\n$1\r\nl\r\n*1\r\n$4\r\nEXEC\r\n"),
			  SERVER("+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n:1\r\n"
				 "-WRONGTYPE Operation\r\n"),
			  CLIENT("*1\r\n$4\r\nEXEC\r\n*1\r\n$4\r\nEXEC\r\n"
				 "*1\r\n$4\r\nEXEC\r\n*1\r\n$4\r\nEXEC\r\n"),
			  SERVER("*-1\r\n-EXECABORT Transaction discarded\r\n"
				 "*1\r\n:1\r\n*0\r\n")},
		.transcript = "> request" PLAIN OP "MULTI" TEXT "MULTI\n"
			      "> request" PLAIN OP "INCR" TEXT "INCR n\n"
			      "> request" PLAIN OP "INCR" TEXT "INCR l\n"
			      "> request tag=8" OP "EXEC" TEXT "EXEC\n"
			      "< response\n< response\n< response\n"
			      "< response more db.operation.batch.size=2\n"
			      "< end" CODE "WRONGTYPE\n"
			      "> request tag=8" OP "EXEC" TEXT "EXEC\n"
			      "> request tag=8" OP "EXEC" TEXT "EXEC\n"
			      "> request tag=8" OP "EXEC" TEXT "EXEC\n"
			      "> request tag=8" OP "EXEC" TEXT "EXEC\n"
			      "< response\n"
			      "< response" CODE "EXECABORT\n"
			      "< response more\n< end\n"
			      "< response db.operation.batch.size=0\n",
	},
	{
		.name = "names and values",
		.turns = {CLIENT(
			"*6\r\n$5\r\nHMSET\r\n$1\r\nh\r\n$2\r\nf1\r\n$2\r\nv1\r\n$2\r\nf2\r\n"
			"$2\r\nv2\r\n"
			"*5\r\n$4\r\nMSET\r\n$2\r\nk1\r\n$2\r\nv1\r\n$2\r\nk2\r\n$2\r\nv2\r\n"
			"*4\r\n$5\r\nBLPOP\r\n$2\r\nk1\r\n$2\r\nk2\r\n$1\r\n0\r\n"
			"*6\r\n$4\r\nEVAL\r\n$8\r\nreturn 1\r\n$1\r\n2\r\n$2\r\nk1\r\n$2\r\nk2\r\n"
			"$1\r\nv\r\n"
			"*7\r\n$5\r\nXREAD\r\n$5\r\nCOUNT\r\n$1\r\n1\r\n$7\r\nSTREAMS\r\n$2\r\ns1\r\n"
			"$2\r\ns2\r\n$1\r\n0\r\n"
			"*3\r\n$4\r\nAUTH\r\n$4\r\nuser\r\n$4\r\npass\r\n"
			"*3\r\n$4\r\nMGET\r\n$3\r\na b\r\n$0\r\n\r\n"
			"*3\r\n$8\r\nJSON.GET\r\n$3\r\ndoc\r\n$1\r\n$\r\n"
			"*5\r\n$5\r\nHELLO\r\n$1\r\n3\r\n$4\r\nAUTH\r\n$1\r\nu\r\n$1\r\np\r\n"
			"*5\r\n$11\r\nZUNIONSTORE\r\n$1\r\nd\r\n$1\r\n1\r\n$1\r\na\r\n$7\r\nWEIGHTS\r\n"
			"*4\r\n$3\r\nDEL\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n")},
		.transcript = "> request" PLAIN OP "HMSET" TEXT "HMSET h f1 ? f2 ?\n"
			      "> request" PLAIN OP "MSET" TEXT "MSET k1 ? k2 ?\n"
			      "> request" PLAIN OP "BLPOP" TEXT "BLPOP k1 k2 ?\n"
			      "> request" PLAIN OP "EVAL" TEXT "EVAL ? ? k1 k2 ?\n"
			      "> request" PLAIN OP "XREAD" TEXT "XREAD ? ? ? s1 ? ?\n"
			      "> request" PLAIN OP "AUTH" TEXT "AUTH ? ?\n"
			      "> request" PLAIN OP "MGET" TEXT "MGET ? ?\n"
			      "> request" PLAIN OP "JSON.GET" TEXT "JSON.GET ? ?\n"
			      "> request" PLAIN OP "HELLO" TEXT "HELLO ? ? ? ?\n"
			      "> request" PLAIN OP "ZUNIONSTORE" TEXT "ZUNIONSTORE d ? a ?\n"
			      "> request" PLAIN OP "DEL" TEXT "DEL a b c\n",
	},
	{
		.name = "stored procedures",
		.turns = {CLIENT("*4\r\n$5\r\nFCALL\r\n$6\r\nmyfunc\r\n$1\r\n1\r\n$1\r\nk\r\n"
				 "*3\r\n$7\r\nEVALSHA\r\n$4\r\n6b1b\r\n$1\r\n0\r\n"),
			  SERVER(":1\r\n-NOSCRIPT No matching script\r\n")},
		.spans = "FCALL myfunc client" SYSTEM OP "FCALL" TEXT "FCALL myfunc ? k"
			 " db.stored_procedure.name=myfunc" ENDS
			 "EVALSHA 6b1b client error" SYSTEM OP "EVALSHA" TEXT
			 "EVALSHA 6b1b ? db.stored_procedure.name=6b1b" CODE
			 "NOSCRIPT error.type=NOSCRIPT" ENDS,
	},
	{
		.name = "databases",
		.turns =
			{CLIENT("*2\r\n$6\r\nSELECT\r\n$2\r\n12\r\n*2\r\n$3\r\nGET\r\n$1\r\na\r\n"),
			 SERVER("+OK\r\n$-1\r\n"), CLIENT("*2\r\n$3\r\nGET\r\n$1\r\na\r\n"),
			 SERVER("$-1\r\n"), CLIENT("*2\r\n$6\r\nSELECT\r\n$2\r\n99\r\n"),
			 SERVER("-ERR DB index is out of range\r\n"),
			 CLIENT("*2\r\n$3\r\nGET\r\n$1\r\na\r\n"), SERVER("$-1\r\n"),
			 CLIENT("*1\r\n$5\r\nRESET\r\n"), SERVER("+RESET\r\n"),
			 CLIENT("*2\r\n$3\r\nGET\r\n$1\r\na\r\n"), SERVER("$-1\r\n")},
		.transcript = "> request tag=3331" OP "SELECT" TEXT "SELECT ?\n"
			      "> request" PLAIN OP "GET" TEXT "GET a\n"
			      "< response\n< response\n"
			      "> request" PLAIN OP "GET" TEXT "GET a db.namespace=12\n"
			      "< response\n"
			      "> request tag=25603" OP "SELECT" TEXT "SELECT ? db.namespace=12\n"
			      "< response" CODE "ERR\n"
			      "> request" PLAIN OP "GET" TEXT "GET a\n"
			      "< response\n"
			      "> request tag=10" OP "RESET" TEXT "RESET\n"
			      "< response\n"
			      "> request" PLAIN OP "GET" TEXT "GET a db.namespace=0\n"
			      "< response\n",
	},
	{
		.name = "a database that is selected behind a reset",
		.turns = {CLIENT("*1\r\n$5\r\nRESET\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n2\r\n"),
			  SERVER("+RESET\r\n"), CLIENT("*2\r\n$3\r\nGET\r\n$1\r\na\r\n"),
			  SERVER("+OK\r\n$-1\r\n"), CLIENT("*2\r\n$3\r\nGET\r\n$1\r\na\r\n")},
		.transcript = "> request tag=10" OP "RESET" TEXT "RESET\n"
			      "> request tag=771" OP "SELECT" TEXT "SELECT ?\n"
			      "< response\n"
			      "> request" PLAIN OP "GET" TEXT "GET a\n"
			      "< response\n< response\n"
			      "> request" PLAIN OP "GET" TEXT "GET a db.namespace=2\n",
	},
	{
		.name = "cut names of what is delivered",
		.turns = {SERVER_CUT(">3\r\n$7\r\nmessage\r\n$6\r\nord", 30),
			  SERVER_CUT(">2\r\n$10\r\ninvali", 30)},
		.transcript = "< oneway more from-server messaging.operation.name=message\n"
			      "< none skip=5\n"
			      "< oneway more from-server\n"
			      "< none skip=6\n",
	},
	{
		.name = "big values",
		.turns = {CLIENT("*3\r\n$3\r\nSET\r\n$3\r\nbig\r\n$513\r\n" A513 "\r\n"),
			  SERVER("+OK\r\n"),
			  CLIENT("*5\r\n$3\r\nSET\r\n$3\r\nbig\r\n$513\r\n" A513
				 "\r\n$2\r\nEX\r\n$2\r\n10\r\n"),
			  SERVER("+OK\r\n"), CLIENT("*3\r\n$4\r\nMGET\r\n$1\r\na\r\n$1\r\nb\r\n"),
			  SERVER("*2\r\n$513\r\n" A513 "\r\n$513\r\n" A513 "\r\n"),
			  CLIENT("*2\r\n$3\r\nGET\r\n$3\r\nbig\r\n"),
			  SERVER("$513\r\n" A513 "\r\n")},
		.transcript = "> request skip=515" PLAIN OP "SET" TEXT "SET big ?\n"
			      "< response\n"
			      "> request more skip=515" PLAIN OP "SET" TEXT "SET big ? ...\n"
			      "> end\n"
			      "< response\n"
			      "> request" PLAIN OP "MGET" TEXT "MGET a b\n"
			      "< response more\n< none skip=515\n< end skip=515\n"
			      "> request" PLAIN OP "GET" TEXT "GET big\n"
			      "< response skip=515\n",
	},
	{
		.name = "big values that were not copied",
		.turns = {CLIENT_CUT("*3\r\n$3\r\nSET\r\n$3\r\nbig\r\n$1000000\r\nabc", 999999),
			  SERVER("+OK\r\n"),
			  CLIENT_CUT("*3\r\n$3\r\nSET\r\n$3\r\nbig\r\n$100\r\nabc", 99),
			  SERVER("+OK\r\n"), CLIENT("*2\r\n$3\r\nGET\r\n$1\r\na\r\n"),
			  SERVER_CUT("$1000000\r\nabc", 999999),
			  CLIENT("*4\r\n$6\r\nLRANGE\r\n$1\r\nl\r\n$1\r\n0\r\n$1\r\n9\r\n"),
			  SERVER_CUT("*1\r\n$9\r\nabc", 8), CLIENT("*1\r\n$4\r\nPING\r\n"),
			  SERVER("+PONG\r\n")},
		.transcript = "> request skip=1000002" PLAIN OP "SET" TEXT "SET big ?\n"
			      "< response\n"
			      "> request skip=99" PLAIN OP "SET" TEXT "SET big ?\n"
			      "< response\n"
			      "> request" PLAIN OP "GET" TEXT "GET a\n"
			      "< response skip=1000002\n"
			      "> request" PLAIN OP "LRANGE" TEXT "LRANGE l ? ?\n"
			      "< response more\n< end skip=8\n"
			      "> request tag=6" OP "PING" TEXT "PING\n"
			      "< response\n",
	},
	{
		.name = "subscriptions",
		.turns = {CLIENT("*3\r\n$9\r\nSUBSCRIBE\r\n$1\r\na\r\n$1\r\nb\r\n"),
			  SERVER("*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"
				 "*3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n"
				 "*3\r\n$7\r\nmessage\r\n$1\r\nb\r\n$5\r\nhello\r\n"),
			  CLIENT("*2\r\n$10\r\nPSUBSCRIBE\r\n$2\r\nn*\r\n"
				 "*1\r\n$4\r\nPING\r\n"),
			  SERVER("*3\r\n$10\r\npsubscribe\r\n$2\r\nn*\r\n:3\r\n"
				 "*4\r\n$8\r\npmessage\r\n$2\r\nn*\r\n$2\r\nnn\r\n"
				 "$513\r\n" A513 "\r\n"
				 "*2\r\n$4\r\npong\r\n$0\r\n\r\n"),
			  CLIENT("*1\r\n$11\r\nUNSUBSCRIBE\r\n"),
			  SERVER("*3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:2\r\n"
				 "*3\r\n$11\r\nunsubscribe\r\n$1\r\nb\r\n:1\r\n"),
			  CLIENT("*2\r\n$12\r\nPUNSUBSCRIBE\r\n$2\r\nn*\r\n"),
			  SERVER("*3\r\n$12\r\npunsubscribe\r\n$2\r\nn*\r\n:0\r\n"),
			  CLIENT("*4\r\n$6\r\nLRANGE\r\n$1\r\nl\r\n$1\r\n0\r\n$1\r\n9\r\n"),
			  SERVER("*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nb\r\n")},
		.transcript = "> request tag=516" OP "SUBSCRIBE" TEXT "SUBSCRIBE a b\n"
			      "< response more\n"
			      "< end\n"
			      "< oneway more from-server messaging.operation.name=message"
			      " messaging.destination.name=b\n"
			      "< end from-server\n"
			      "> request tag=260" OP "PSUBSCRIBE" TEXT "PSUBSCRIBE n*\n"
			      "> request tag=6" OP "PING" TEXT "PING\n"
			      "< response more\n"
			      "< end\n"
			      "< oneway more from-server messaging.operation.name=pmessage"
			      " messaging.destination.name=nn\n"
			      "< end from-server skip=515\n"
			      "< response more\n"
			      "< end\n"
			      "> request tag=5" OP "UNSUBSCRIBE" TEXT "UNSUBSCRIBE\n"
			      "< response more\n"
			      "< end\n"
			      "> request tag=261" OP "PUNSUBSCRIBE" TEXT "PUNSUBSCRIBE n*\n"
			      "< response more\n"
			      "< end\n"
			      "> request" PLAIN OP "LRANGE" TEXT "LRANGE l ? ?\n"
			      "< response more\n"
			      "< end\n",
	},
	{
		.name = "deliveries to a RESP3 client",
		.turns = {CLIENT("*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\na\r\n"
				 "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"),
			  SERVER(">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"
				 ">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nx\r\n"
				 "$1\r\nv\r\n"
				 ">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n")},
		.spans = "SUBSCRIBE client" SYSTEM OP "SUBSCRIBE" TEXT "SUBSCRIBE a" ENDS
			 "message consumer messaging.system=redis messaging.operation.name=message"
			 " messaging.destination.name=a messaging.operation.type=process" ENDS
			 "GET client" SYSTEM OP "GET" TEXT "GET k" ENDS
			 "invalidate server" SYSTEM OP "invalidate" ENDS,
	},
	{
		.name = "who publishes",
		.side = SIDE_SERVER,
		.turns = {CLIENT("*2\r\n$10\r\nSSUBSCRIBE\r\n$1\r\na\r\n"),
			  SERVER("*3\r\n$10\r\nssubscribe\r\n$1\r\na\r\n:1\r\n"
				 "*3\r\n$8\r\nsmessage\r\n$1\r\na\r\n$1\r\nx\r\n")},
		.spans =
			"SSUBSCRIBE server" SYSTEM OP "SSUBSCRIBE" TEXT "SSUBSCRIBE a" SERVER_ENDS
			"smessage producer messaging.system=redis messaging.operation.name=smessage"
			" messaging.destination.name=a messaging.operation.type=send" SERVER_ENDS,
	},
	{
		.name = "monitor",
		.turns = {CLIENT("*1\r\n$7\r\nMONITOR\r\n"),
			  SERVER("+OK\r\n"
				 "+1339518083.107412 [0 127.0.0.1:60866] \"keys\" \"*\"\r\n"
				 "+1339518087.877697 [0 127.0.0.1:60866] \"set\" \"" A1024
				 "\"\r\n"),
			  CLIENT("*1\r\n$4\r\nPING\r\n"),
			  SERVER("+1339518087.877697 [0 127.0.0.1:60866] \"get\"\r\n+PONG\r\n")},
		.transcript = "> request tag=7" OP "MONITOR" TEXT "MONITOR\n"
			      "< response\n"
			      "> request tag=6" OP "PING" TEXT "PING\n"
			      "< response\n",
	},
	{
		.name = "without replies",
		.turns = {CLIENT("*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$4\r\nSKIP\r\n"
				 "*2\r\n$4\r\nINCR\r\n$1\r\na\r\n"
				 "*2\r\n$4\r\nINCR\r\n$1\r\nb\r\n"),
			  SERVER(":1\r\n"),
			  CLIENT("*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$3\r\noff\r\n"
				 "*2\r\n$4\r\nINCR\r\n$1\r\nc\r\n"
				 "*2\r\n$6\r\nCLIENT\r\n$2\r\nID\r\n"
				 "*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$4\r\nSKIP\r\n"
				 "*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$2\r\non\r\n"
				 "*2\r\n$4\r\nINCR\r\n$1\r\nd\r\n"),
			  SERVER("+OK\r\n:2\r\n")},
		.transcript = "> oneway" OP "CLIENT" TEXT "CLIENT REPLY ?\n"
			      "> oneway" OP "INCR" TEXT "INCR a\n"
			      "> request" PLAIN OP "INCR" TEXT "INCR b\n"
			      "< response\n"
			      "> oneway" OP "CLIENT" TEXT "CLIENT REPLY ?\n"
			      "> oneway" OP "INCR" TEXT "INCR c\n"
			      "> oneway" OP "CLIENT" TEXT "CLIENT ID\n"
			      "> oneway" OP "CLIENT" TEXT "CLIENT REPLY ?\n"
			      "> request tag=2" OP "CLIENT" TEXT "CLIENT REPLY ?\n"
			      "> request" PLAIN OP "INCR" TEXT "INCR d\n"
			      "< response\n< response\n",
	},
	{
		.name = "inline commands",
		.turns = {CLIENT("PING\r\n"), SERVER("+PONG\r\n"),
			  CLIENT("\r\nSET  key value\r\nSET key \"my secret\" x\n"
				 "MSET \"k 1\" secret\r\nhello\r\n"),
			  SERVER("+OK\r\n+OK\r\n+OK\r\n-ERR unknown command 'hello'\r\n")},
		.transcript = "> request tag=6" OP "PING" TEXT "PING\n"
			      "< response\n"
			      "> request" PLAIN OP "SET" TEXT "SET key ?\n"
			      "> request" PLAIN OP "SET" TEXT "SET key ...\n"
			      "> request" PLAIN OP "MSET" TEXT "MSET ...\n"
			      "> request" PLAIN OP "hello" TEXT "hello\n"
			      "< response\n< response\n< response\n"
			      "< response" CODE "ERR\n",
	},
	{
		.name = "all types of replies",
		.turns = {CLIENT("PING 1\r\nPING 2\r\nPING 3\r\nPING 4\r\nPING 5\r\nPING 6\r\n"
				 "PING 7\r\nPING 8\r\nPING 9\r\nPING 10\r\nPING 11\r\nPING 12\r\n"
				 "PING 13\r\nPING 14\r\n"),
			  SERVER("%1\r\n+a\r\n*2\r\n:1\r\n*1\r\n$1\r\na\r\n"
				 "~2\r\n#t\r\n#f\r\n"
				 ",1.23\r\n(3492890328409238509324850943850943825024385\r\n_\r\n"
				 "=7\r\ntxt:a b\r\n"
				 "|1\r\n+ttl\r\n:3600\r\n"
				 "*2\r\n|1\r\n+a\r\n+b\r\n:1\r\n:2\r\n"
				 "$?\r\n;4\r\nHell\r\n;1\r\no\r\n;0\r\n"
				 "*?\r\n:1\r\n*?\r\n.\r\n*2\r\n:1\r\n$?\r\n;0\r\n%?\r\n+a\r\n"
				 "+b\r\n.\r\n*0\r\n.\r\n"
				 "#t\r\n*0\r\n%0\r\n*2\r\n*0\r\n*-1\r\n+" A1024 A64 "\r\n")},
		.transcript = FOURTEEN_PINGS "< response more\n< end\n"
					     "< response more\n< end\n"
					     "< response\n< response\n< response\n"
					     "< response skip=9\n"
					     "< response more\n< end\n"
					     "< response more\n< end\n"
					     "< response more\n< end\n"
					     "< response\n< response\n< response\n"
					     "< response more\n< end\n"
					     "< response more\n< end\n",
	},
	{
		.name = "replication",
		.turns = {CLIENT("*3\r\n$5\r\nPSYNC\r\n$1\r\n?\r\n$2\r\n-1\r\n"),
			  SERVER("+FULLRESYNC 8de1787ba490483314a4d30f1c628bc5025eb761 0\r\n"
				 "$4\r\nREDI")},
		.transcript = "> request tag=9" OP "PSYNC" TEXT "PSYNC ? ?\n"
			      "< response upgrade upgrade=redis-replication\n",
	},
	{
		.name = "many arguments",
		.turns = {CLIENT("*35\r\n$3\r\nDEL\r\n" TEN_ARGS TEN_ARGS TEN_ARGS
				 "$1\r\nx\r\n$1\r\ny\r\n$1\r\nz\r\n$513\r\n" A513 "\r\n"),
			  SERVER(":0\r\n"),
			  CLIENT("*0\r\n*-1\r\n*2\r\n$3\r\nDEL\r\n$513\r\n" A513 "\r\n"),
			  SERVER(":0\r\n")},
		.transcript = "> request more" PLAIN OP "DEL" TEXT
			      "DEL a b c d e f g h i j a b c d e f g h i j a b c d e f g h i j x"
			      " ...\n"
			      "> end skip=515\n"
			      "< response\n"
			      "> request skip=515" PLAIN OP "DEL" TEXT "DEL ?\n"
			      "< response\n",
	},
	{
		.name = "cut in a command",
		.turns = {CLIENT_CUT("*3\r\n$3\r\nSET\r\n$3\r\nke", 20), SERVER("+OK\r\n"),
			  CLIENT_CUT("*", 20), SERVER("+OK\r\n"), CLIENT("PING\r\n"),
			  SERVER("+PONG\r\n")},
	},
	{
		.name = "join in a subscription",
		.turns = {SERVER("*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nx\r\n"
				 "*4\r\n$8\r\npmessage\r\n$1\r\na\r\n$1\r\na\r\n$1\r\nx\r\n"),
			  CLIENT("*1\r\n$4\r\nPING\r\n"),
			  SERVER("*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nx\r\n"
				 "*2\r\n$4\r\npong\r\n$0\r\n\r\n")},
		.transcript = "< oneway more from-server messaging.operation.name=message"
			      " messaging.destination.name=a\n"
			      "< end from-server\n"
			      "< oneway more from-server messaging.operation.name=pmessage"
			      " messaging.destination.name=a\n"
			      "< end from-server\n"
			      "> request tag=6" OP "PING" TEXT "PING\n"
			      "< oneway more from-server messaging.operation.name=message"
			      " messaging.destination.name=a\n"
			      "< end from-server\n"
			      "< response more\n"
			      "< end\n",
	},
	{
		.name = "join after a request",
		.turns = {SERVER("$5\r\nvalue\r\n"), CLIENT("*1\r\n$4\r\nPING\r\n"),
			  SERVER("+PONG\r\n")},
		.transcript = "< response skip=7\n"
			      "> request tag=6" OP "PING" TEXT "PING\n"
			      "< response\n",
	},
	{
		.name = "bad command",
		.turns = {CLIENT("*2\r\n:1\r\n$1\r\nx\r\n")},
		.transcript = "> error\n",
	},
	{
		.name = "bad length",
		.turns = {CLIENT("*2\r\n$99999999999999999999\r\n")},
		.transcript = "> error\n",
	},
	{
		.name = "bad huge counts",
		.turns = {CLIENT("*999999999999999999\r\n$4\r\nPING\r\n$999999999999999999\r\n"),
			  SERVER("*999999999999999999\r\n%999999999999999999\r\n:1\r\n")},
		.transcript = "> request more skip=1000000000000000001 tag=6" OP "PING" TEXT
			      "PING ? ...\n"
			      "< response more\n",
	},
	{
		.name = "bad reply",
		.turns = {CLIENT("PING\r\n"), SERVER("*2\r\n:1\r\nwhat\r\n")},
		.transcript = "> request tag=6" OP "PING" TEXT "PING\n"
			      "< response more\n< error\n",
	},
	{
		.name = "bad chunk",
		.turns = {CLIENT("PING\r\n"), SERVER(";1\r\na\r\n")},
		.transcript = "> request tag=6" OP "PING" TEXT "PING\n< error\n",
	},
};

/* --- detection -------------------------------------------------------------------------------- */

static const struct detect_case detections[] = {
	{FROM_CLIENT, DETECT_YES, SLICE("*1\r\n$4\r\nPING\r\n")},
	{FROM_CLIENT, DETECT_YES, SLICE("*3\r\n$3\r\nset\r\n$1\r\nk\r\n$1\r\nv\r\n")},
	{FROM_CLIENT, DETECT_LIKELY, SLICE("*3\r\n$3\r\nSET\r\n$9\r\nk")},
	{FROM_CLIENT, DETECT_LIKELY, SLICE("*2\r\n$8\r\nJSON.GET\r\n$1\r\nk\r\n")},
	{FROM_CLIENT, DETECT_LIKELY, SLICE("PING\r\n")},
	{FROM_CLIENT, DETECT_LIKELY, SLICE("SET key value\r\n")},
	{FROM_CLIENT, DETECT_LIKELY, SLICE("lrange l 0 -1\n")},
	{FROM_CLIENT, DETECT_MORE, SLICE("")},
	{FROM_CLIENT, DETECT_MORE, SLICE("*1\r\n$4\r\nPI")},
	{FROM_CLIENT, DETECT_MORE, SLICE("GET k")},
	{FROM_CLIENT, DETECT_NO, SLICE("*0\r\n")},
	{FROM_CLIENT, DETECT_NO, SLICE("*2\r\n:1\r\n")},
	{FROM_CLIENT, DETECT_NO, SLICE("*1\r\n$4\r\nPINGxx")},
	{FROM_CLIENT, DETECT_NO, SLICE("*1\r\n$0\r\n\r\n")},
	{FROM_CLIENT, DETECT_NO, SLICE("*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n")},
	{FROM_CLIENT, DETECT_NO, SLICE("* BYE\r\n")},
	{FROM_CLIENT, DETECT_NO, SLICE("get key\r\n")},
	{FROM_CLIENT, DETECT_NO, SLICE("set key 0 0 5\r\nhello\r\n")},
	{FROM_CLIENT, DETECT_NO, SLICE("GET / HTTP/1.1\r\n")},
	{FROM_CLIENT, DETECT_NO, SLICE("INFO {\"server_id\":\"x\"}\r\n")},
	{FROM_CLIENT, DETECT_NO, SLICE("EHLO mail.example\r\n")},
	{FROM_CLIENT, DETECT_NO, SLICE("PUB subject 5\r\nhello\r\n")},
	{FROM_CLIENT, DETECT_NO, SLICE("Dear reader, this is prose.")},
	{FROM_CLIENT, DETECT_NO, SLICE("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")},
	{FROM_CLIENT, DETECT_NO, SLICE("\x00\x00\x00\x08\x04\xd2\x16\x2f")},
	{FROM_CLIENT, DETECT_NO, SLICE("*\x00\x00\x00\x03select 1")},
	{FROM_CLIENT, DETECT_NO, SLICE("\r\n")},
	{FROM_SERVER, DETECT_YES, SLICE("$5\r\nvalue\r\n")},
	{FROM_SERVER, DETECT_LIKELY, SLICE("$500\r\nvalue")},
	{FROM_SERVER, DETECT_LIKELY, SLICE("$-1\r\n")},
	{FROM_SERVER, DETECT_LIKELY, SLICE("+OK\r\n")},
	{FROM_SERVER, DETECT_LIKELY, SLICE("-ERR unknown\r\n")},
	{FROM_SERVER, DETECT_LIKELY, SLICE(":1\r\n")},
	{FROM_SERVER, DETECT_LIKELY, SLICE("_\r\n")},
	{FROM_SERVER, DETECT_LIKELY, SLICE("#t\r\n")},
	{FROM_SERVER, DETECT_LIKELY, SLICE(",1.5\r\n")},
	{FROM_SERVER, DETECT_LIKELY, SLICE("*2\r\n$1\r\na\r\n")},
	{FROM_SERVER, DETECT_LIKELY, SLICE("%7\r\n$6\r\nserver\r\n")},
	{FROM_SERVER, DETECT_LIKELY, SLICE("*-1\r\n")},
	{FROM_SERVER, DETECT_NO, SLICE("$5\r\nvaluexx")},
	{FROM_SERVER, DETECT_NO, SLICE("#x\r\n")},
	{FROM_SERVER, DETECT_NO, SLICE(":\r\n")},
	{FROM_SERVER, DETECT_NO, SLICE("+\x00\x01\r\n")},
	{FROM_SERVER, DETECT_NO,
	 SLICE("*\x00\x00\x00\x0a"
	       "8.0.36")},
	{FROM_SERVER, DETECT_NO, SLICE("HTTP/1.1 200 OK\r\n")},
	{FROM_SERVER, DETECT_NO, SLICE("VALUE k 0 5\r\n")},
	{FROM_SERVER, DETECT_NO, SLICE("-ERR 'Unknown Protocol Operation'\r\n")},
	{FROM_SERVER, DETECT_NO, SLICE("220 mail.example ESMTP\r\n")},
	{FROM_SERVER, DETECT_NO, SLICE("PONG\r\n")},
	{FROM_SERVER, DETECT_NO, SLICE("\x15\x03\x03\x00\x02")},
};

static void test_detections(void **unused)
{
	(void)unused;
	rig_run_detections(rig_protocol("redis"), detections,
			   sizeof(detections) / sizeof(*detections));
}

static void test_conversations(void **unused)
{
	(void)unused;
	rig_run(rig_protocol("redis"), conversations,
		sizeof(conversations) / sizeof(*conversations));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_conversations),
		cmocka_unit_test(test_detections),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

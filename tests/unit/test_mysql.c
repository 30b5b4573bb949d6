// SPDX-License-Identifier: Apache-2.0
/*
 * MySQL and MariaDB: conversations, as a server and its clients have them and as they are seen when
 * only some frames are copied, or from the middle on.
 */
#include "tests/unit/mysql_packets.h"
#include "tests/unit/protocol_rig.h"

/* Connected: the end of rows is an OK, or an end of file as the end of definitions is. */
#define HELLO SERVER(GREETING), CLIENT(LOGIN), SERVER(OK_2)
#define HELLO_OLD SERVER(GREETING), CLIENT(LOGIN_OLD), SERVER(OK_2)
#define HELLO_MARIADB SERVER(GREETING_MARIADB), CLIENT(LOGIN_MARIADB), SERVER(OK_2)

/* Attributes that all spans have. */
#define MYSQL "db.system.name=mysql db.namespace=shop "
#define MARIADB "db.system.name=mariadb db.namespace=shop "
/* The spans of SELECT and PING at the client. */
#define SPAN_SELECT                                                                       \
	"SELECT users client " MYSQL "db.query.text=SELECT name FROM users WHERE id = ? " \
	"db.query.summary=SELECT users" RIG_AT_CLIENT "\n"
#define SPAN_PING "PING shop client " MYSQL "db.operation.name=PING" RIG_AT_CLIENT "\n"

static const struct conversation conversations[] = {
	{
		.name = "query",
		.turns =
			{
				HELLO,
				CLIENT(SELECT),
				SERVER(ROWS),
			},
		.transcript =
			"> request tag=1 " MYSQL
			"db.query.text=SELECT name FROM users WHERE id = ? db.query.summary=SELECT users\n"
			"< response more\n"
			"< none skip=43\n"
			"< none skip=4\n"
			"< none skip=4\n"
			"< end\n",
		.spans = SPAN_SELECT,
	},
	{
		.name = "query at the server",
		.turns =
			{
				HELLO,
				CLIENT(SELECT),
				SERVER(ROWS),
			},
		.spans =
			"SELECT users server " MYSQL
			"db.query.text=SELECT name FROM users WHERE id = ? db.query.summary=SELECT users" RIG_AT_SERVER
			"\n",
		.side = SIDE_SERVER,
	},
	{
		.name = "query with two ends of file",
		.turns =
			{
				HELLO_OLD,
				CLIENT(SELECT),
				SERVER(ROWS_OLD),
				CLIENT(PING),
				SERVER(OK),
			},
		.spans = SPAN_SELECT SPAN_PING,
	},
	{
		.name = "no rows",
		.turns =
			{
				HELLO_OLD,
				CLIENT(SELECT),
				SERVER("\1\0\0\1\1" NAME_2
				       "\5\0\0\3\376\0\0\2\0\5\0\0\4\376\0\0\2\0"),
				CLIENT(PING),
				SERVER(OK),
			},
		.spans = SPAN_SELECT SPAN_PING,
	},
	{
		.name = "mariadb",
		.turns =
			{
				HELLO_MARIADB,
				CLIENT(SELECT),
				SERVER(ROWS),
			},
		.spans =
			"SELECT users client " MARIADB
			"db.query.text=SELECT name FROM users WHERE id = ? db.query.summary=SELECT users" RIG_AT_CLIENT
			"\n",
	},
	{
		.name = "rows that look like other packets",
		.turns =
			{
				HELLO,
				CLIENT("\20\0\0\0\3SELECT a FROM t"),
				SERVER("\1\0\0\1\1" COLUMN_A
				       "\1\0\0\3\0\1\0\0\4\373\4\0\0\5\3abc\13\0\0\6\0120123456789\1\0\0\7\0\7\0\0\10\376\0\0\2"
				       "\0\0\0"),
				CLIENT(PING),
				SERVER(OK),
			},
		.spans = "SELECT t client " MYSQL
			 "db.query.text=SELECT a FROM t db.query.summary=SELECT t" RIG_AT_CLIENT
			 "\n" SPAN_PING,
	},
	{
		.name = "errors",
		.turns =
			{
				HELLO,
				CLIENT("\23\0\0\0\3SELECT * FROM nope"),
				SERVER(NO_TABLE),
				CLIENT(SELECT),
				SERVER("\1\0\0\1\1" NAME_2
				       "\2\0\0\3\1x(\0\0\4\377%\5#70100Query execution was interrupted"),
				CLIENT("\7\0\0\0\3COMMIT"),
				SERVER(OK),
			},
		.spans =
			"SELECT nope client error " MYSQL
			"db.query.text=SELECT * FROM nope db.query.summary=SELECT nope db.response.status_code=1146 error.type=1146" RIG_AT_CLIENT
			"\n"
			"SELECT users client error " MYSQL
			"db.query.text=SELECT name FROM users WHERE id = ? db.query.summary=SELECT users db.response.status_code=1317 error.type=1317" RIG_AT_CLIENT
			"\n"
			"COMMIT client " MYSQL
			"db.query.text=COMMIT db.query.summary=COMMIT" RIG_AT_CLIENT "\n",
	},
	{
		.name = "multiple results",
		.turns =
			{
				HELLO,
				CLIENT("\16\0\0\0\3CALL report()"),
				SERVER("\1\0\0\1\1" NAME_2
				       "\5\0\0\3\4row0\5\0\0\4\4row1\7\0\0\5\376\0\0\12\0\0\0\1\0\0\6\1,\0\0\7\3def\4shop\5users"
				       "\5users\4name\4name\14!\0\13\0\0\0\3\3B\0\0\0\5\0\0\10\4row0\7\0\0\11\376\0\0\12\0\0\0\7"
				       "\0\0\12\0\0\0\2\0\0\0"),
				CLIENT(PING),
				SERVER(OK),
			},
		.transcript = "> request tag=1 " MYSQL
			      "db.query.text=CALL report() db.query.summary=CALL report\n"
			      "< response more\n"
			      "< none skip=43\n"
			      "< none skip=4\n"
			      "< none skip=4\n"
			      "< none skip=43\n"
			      "< none skip=4\n"
			      "< end\n"
			      "> request tag=1 " MYSQL "db.operation.name=PING\n"
			      "< response\n",
		.spans = "CALL report client " MYSQL
			 "db.query.text=CALL report() db.query.summary=CALL report" RIG_AT_CLIENT
			 "\n" SPAN_PING,
	},
	{
		.name = "multiple results with two ends of file",
		.turns =
			{
				HELLO_OLD,
				CLIENT("\"\0\0\0\3SELECT 1; DELETE FROM a; SELECT 2"),
				SERVER("\1\0\0\1\1" NAME_2
				       "\5\0\0\3\376\0\0\12\0\5\0\0\4\4row0\5\0\0\5\4row1\5\0\0\6\376\0\0\12\0\7\0\0\7\0\3\0\12"
				       "\0\0\0\1\0\0\10\1,\0\0\11\3def\4shop\5users\5users\4name\4name\14!\0\13\0\0\0\3\3B\0\0\0"
				       "\5\0\0\12\376\0\0\2\0\5\0\0\13\4row0\5\0\0\14\4row1\5\0\0\15\376\0\0\2\0"),
				CLIENT(PING),
				SERVER(OK),
			},
		.spans =
			"SELECT; DELETE a; SELECT client " MYSQL
			"db.query.text=SELECT ?; DELETE FROM a; SELECT ? db.query.summary=SELECT; DELETE a; SELECT" RIG_AT_CLIENT
			"\n" SPAN_PING,
	},
	{
		.name = "an error after a result",
		.turns =
			{
				HELLO,
				CLIENT("\35\0\0\0\3SELECT 1; SELECT * FROM nope"),
				SERVER("\1\0\0\1\1" NAME_2
				       "\5\0\0\3\4row0\7\0\0\4\376\0\0\12\0\0\0(\0\0\5\377z\4#42S02Table 'shop.nope' doesn't exi"
				       "st"),
				CLIENT(PING),
				SERVER(OK),
			},
		.spans =
			"SELECT; SELECT nope client error " MYSQL
			"db.query.text=SELECT ?; SELECT * FROM nope db.query.summary=SELECT; SELECT nope db.response.status_code=1146 error.type=1146" RIG_AT_CLIENT
			"\n" SPAN_PING,
	},
	{
		.name = "databases",
		.turns =
			{
				HELLO,
				CLIENT("\6\0\0\0\2other"),
				SERVER(OK),
				CLIENT("\11\0\0\0\3SELECT 1"),
				SERVER(ROWS),
				CLIENT("\5\0\0\0\2nope"),
				SERVER(" \0\0\1\377\31\4#42000Unknown database 'nope'"),
				CLIENT("\15\0\0\0\3use `third`;"),
				SERVER(OK),
				CLIENT(PING),
				SERVER(OK),
			},
		.spans =
			"INIT_DB other client db.system.name=mysql db.namespace=other db.operation.name=INIT_DB" RIG_AT_CLIENT
			"\n"
			"SELECT client db.system.name=mysql db.namespace=other db.query.text=SELECT ? db.query.summary=SELECT" RIG_AT_CLIENT
			"\n"
			"INIT_DB nope client error db.system.name=mysql db.namespace=nope db.operation.name=INIT_DB db.response.status_code=1049 error.type=1049" RIG_AT_CLIENT
			"\n"
			"use `third` client db.system.name=mysql db.namespace=other db.query.text=use `third`; db.query.summary=use `third`" RIG_AT_CLIENT
			"\n"
			"PING third client db.system.name=mysql db.namespace=third db.operation.name=PING" RIG_AT_CLIENT
			"\n",
	},
	{
		.name = "a database by the status of the session",
		.turns =
			{
				HELLO,
				CLIENT("\6\0\0\0\3USE x"),
				SERVER("\22\0\0\1\0\0\0\2@\0\0\0\11\1\7\6fourth"),
				CLIENT("\14\0\0\0\3SET @@x = 1"),
				SERVER("\31\0\0\1\0\0\0\2@\0\0\2hi\16\0\4\1a\1b\1\6\5fifth"),
				CLIENT(PING),
				SERVER(OK),
			},
		.spans =
			"USE x client " MYSQL
			"db.query.text=USE x db.query.summary=USE x" RIG_AT_CLIENT "\n"
			"SET client db.system.name=mysql db.namespace=fourth db.query.text=SET @@x = ? db.query.summary=SET" RIG_AT_CLIENT
			"\n"
			"PING fifth client db.system.name=mysql db.namespace=fifth db.operation.name=PING" RIG_AT_CLIENT
			"\n",
	},
	{
		.name = "prepared",
		.turns =
			{
				HELLO,
				CLIENT(PREPARE),
				SERVER("\14\0\0\1\0\1\0\0\0\1\0\1\0\0\0\0" PARAM_2 NAME_3),
				CLIENT("\22\0\0\0\27\1\0\0\0\0\1\0\0\0\0\1\3\0\7\0\0\0"),
				SERVER("\1\0\0\1\1" NAME_2
				       "\6\0\0\3\0\0\1\0\0\0\6\0\0\4\0\0\1\0\0\0\7\0\0\5\376\0\0\2\0\0\0"),
				CLIENT("\13\0\0\0\30\1\0\0\0\0\0long\12\0\0\0\27\1\0\0\0\0\1\0\0\0"),
				SERVER(ROWS),
				CLIENT("\5\0\0\0\32\1\0\0\0"),
				SERVER(OK),
				CLIENT("\5\0\0\0\31\1\0\0\0\22\0\0\0\26DELETE FROM users"),
				SERVER("\14\0\0\1\0\2\0\0\0\0\0\0\0\0\0\0"),
				CLIENT("\12\0\0\0\27\2\0\0\0\0\1\0\0\0"),
				SERVER("\7\0\0\1\0\4\0\2\0\0\0"),
				CLIENT("\1\0\0\0\1"),
			},
		.transcript =
			"> request tag=258 " MYSQL
			"db.operation.name=PREPARE db.query.text=SELECT name FROM users WHERE id = ? db.query.summary=PREPARE SELECT users\n"
			"< response\n"
			"> request tag=1 " MYSQL
			"db.query.text=SELECT name FROM users WHERE id = ? db.query.summary=SELECT users\n"
			"< response more\n"
			"< none skip=43\n"
			"< none skip=5\n"
			"< none skip=5\n"
			"< end\n"
			"> request tag=1 " MYSQL
			"db.query.text=SELECT name FROM users WHERE id = ? db.query.summary=SELECT users\n"
			"< response more\n"
			"< none skip=43\n"
			"< none skip=4\n"
			"< none skip=4\n"
			"< end\n"
			"> request tag=1 " MYSQL "db.operation.name=RESET\n"
			"< response\n"
			"> request tag=514 " MYSQL
			"db.operation.name=PREPARE db.query.text=DELETE FROM users db.query.summary=PREPARE DELETE users\n"
			"< response\n"
			"> request tag=1 " MYSQL
			"db.query.text=DELETE FROM users db.query.summary=DELETE users\n"
			"< response\n",
		.spans =
			"PREPARE SELECT users client " MYSQL
			"db.query.text=SELECT name FROM users WHERE id = ? db.query.summary=PREPARE SELECT users db.operation.name=PREPARE" RIG_AT_CLIENT
			"\n" SPAN_SELECT SPAN_SELECT "RESET shop client " MYSQL
			"db.operation.name=RESET" RIG_AT_CLIENT "\n"
			"PREPARE DELETE users client " MYSQL
			"db.query.text=DELETE FROM users db.query.summary=PREPARE DELETE users db.operation.name=PREPARE" RIG_AT_CLIENT
			"\n"
			"DELETE users client " MYSQL
			"db.query.text=DELETE FROM users db.query.summary=DELETE users" RIG_AT_CLIENT
			"\n",
	},
	{
		.name = "prepared with two ends of file",
		.turns =
			{
				HELLO_OLD,
				CLIENT(PREPARE),
				SERVER("\14\0\0\1\0\1\0\0\0\1\0\1\0\0\0\0" PARAM_2
				       "\5\0\0\3\376\0\0\2\0" NAME_4 "\5\0\0\5\376\0\0\2\0"),
				CLIENT("\22\0\0\0\27\1\0\0\0\0\1\0\0\0\0\1\3\0\7\0\0\0"),
				SERVER("\1\0\0\1\1" NAME_2
				       "\5\0\0\3\376\0\0\2\0\6\0\0\4\0\0\1\0\0\0\6\0\0\5\0\0\1\0\0\0\5\0\0\6\376\0\0\2\0"),
				CLIENT("\12\0\0\0\27\1\0\0\0\0\1\0\0\0"),
				SERVER(ROWS_OLD),
			},
		.spans =
			"PREPARE SELECT users client " MYSQL
			"db.query.text=SELECT name FROM users WHERE id = ? db.query.summary=PREPARE SELECT users db.operation.name=PREPARE" RIG_AT_CLIENT
			"\n" SPAN_SELECT SPAN_SELECT,
	},
	{
		.name = "cursor",
		.turns =
			{
				HELLO_OLD,
				CLIENT(PREPARE),
				SERVER("\14\0\0\1\0\1\0\0\0\1\0\0\0\0\0\0" NAME_2
				       "\5\0\0\3\376\0\0\2\0"),
				CLIENT("\12\0\0\0\27\1\0\0\0\1\1\0\0\0"),
				SERVER("\1\0\0\1\1" NAME_2 "\5\0\0\3\376\0\0B\0"),
				CLIENT("\11\0\0\0\34\1\0\0\0\2\0\0\0"),
				SERVER("\6\0\0\1\0\0\1\0\0\0\6\0\0\2\0\0\1\0\0\0\5\0\0\3\376\0\0B\0"),
				CLIENT("\11\0\0\0\34\1\0\0\0\2\0\0\0"),
				SERVER("\5\0\0\1\376\0\0\202\0"),
				CLIENT("\11\0\0\0\34\1\0\0\0\2\0\0\0"),
				SERVER("\22\0\0\1\377\215\5#HY000no cursor"),
			},
		.spans =
			"PREPARE SELECT users client " MYSQL
			"db.query.text=SELECT name FROM users WHERE id = ? db.query.summary=PREPARE SELECT users db.operation.name=PREPARE" RIG_AT_CLIENT
			"\n" SPAN_SELECT "FETCH SELECT users client " MYSQL
			"db.query.text=SELECT name FROM users WHERE id = ? db.query.summary=FETCH SELECT users db.operation.name=FETCH" RIG_AT_CLIENT
			"\n"
			"FETCH SELECT users client " MYSQL
			"db.query.text=SELECT name FROM users WHERE id = ? db.query.summary=FETCH SELECT users db.operation.name=FETCH" RIG_AT_CLIENT
			"\n"
			"FETCH SELECT users client error " MYSQL
			"db.query.text=SELECT name FROM users WHERE id = ? db.query.summary=FETCH SELECT users db.operation.name=FETCH db.response.status_code=1421 error.type=1421" RIG_AT_CLIENT
			"\n",
	},
	{
		.name = "prepared and executed at once",
		.turns =
			{
				HELLO_MARIADB,
				CLIENT(PREPARE "\12\0\0\0\27\377\377\377\377\0\1\0\0\0"),
				SERVER("\14\0\0\1\0\11\0\0\0\1\0\1\0\0\0\0" PARAM_2 NAME_3
				       "\1\0\0\1\1" NAME_2
				       "\6\0\0\3\0\0\1\0\0\0\7\0\0\4\376\0\0\2\0\0\0"),
				CLIENT("\7\0\0\0\372\11\0\0\0\200\0"),
				SERVER("\7\0\0\1\0\2\0\2\0\0\0"),
			},
		.spans =
			"PREPARE SELECT users client " MARIADB
			"db.query.text=SELECT name FROM users WHERE id = ? db.query.summary=PREPARE SELECT users db.operation.name=PREPARE" RIG_AT_CLIENT
			"\n"
			"SELECT users client " MARIADB
			"db.query.text=SELECT name FROM users WHERE id = ? db.query.summary=SELECT users" RIG_AT_CLIENT
			"\n"
			"SELECT users client " MARIADB
			"db.query.text=SELECT name FROM users WHERE id = ? db.query.summary=SELECT users" RIG_AT_CLIENT
			"\n",
	},
	{
		.name = "pipeline",
		.turns =
			{
				HELLO,
				CLIENT("\12\0\0\0\3SET a = 1" SELECT
				       "\23\0\0\0\3SELECT * FROM nope" PING),
				SERVER(OK ROWS NO_TABLE OK),
			},
		.transcript =
			"> request tag=1 " MYSQL "db.query.text=SET a = ? db.query.summary=SET\n"
			"> request tag=1 " MYSQL
			"db.query.text=SELECT name FROM users WHERE id = ? db.query.summary=SELECT users\n"
			"> request tag=1 " MYSQL
			"db.query.text=SELECT * FROM nope db.query.summary=SELECT nope\n"
			"> request tag=1 " MYSQL "db.operation.name=PING\n"
			"< response\n"
			"< response more\n"
			"< none skip=43\n"
			"< none skip=4\n"
			"< none skip=4\n"
			"< end\n"
			"< response db.response.status_code=1146\n"
			"< response\n",
		.spans =
			"SET client " MYSQL
			"db.query.text=SET a = ? db.query.summary=SET" RIG_AT_CLIENT
			"\n" SPAN_SELECT "SELECT nope client error " MYSQL
			"db.query.text=SELECT * FROM nope db.query.summary=SELECT nope db.response.status_code=1146 error.type=1146" RIG_AT_CLIENT
			"\n" SPAN_PING,
	},
	{
		.name = "frames of a pipeline",
		.turns =
			{
				HELLO,
				CLIENT(SELECT "\31\0\0\0\3INSERT INTO a VALUES (1)"),
				SERVER_CUT("\1\0\0\1\1", 0),
				SERVER_CUT("\7\0\0\11\376\0\0\2\0\0\0", 0),
				SERVER_CUT(OK, 0),
				CLIENT(PING),
				SERVER(OK),
			},
		.transcript =
			"> request tag=1 " MYSQL
			"db.query.text=SELECT name FROM users WHERE id = ? db.query.summary=SELECT users\n"
			"> request tag=1 " MYSQL
			"db.query.text=INSERT INTO a VALUES (?) db.query.summary=INSERT a\n"
			"< response more\n"
			"< end\n"
			"< response\n"
			"> request tag=1 " MYSQL "db.operation.name=PING\n"
			"< response\n",
		.spans = SPAN_SELECT
		"INSERT a client " MYSQL
		"db.query.text=INSERT INTO a VALUES (?) db.query.summary=INSERT a" RIG_AT_CLIENT
		"\n" SPAN_PING,
	},
	{
		.name = "frames without the head",
		.turns =
			{
				HELLO_OLD,
				CLIENT(SELECT SELECT),
				SERVER("\1\0\0\1\1"),
				SERVER("\5\0\0\3\376\0\0\2\0"),
				SERVER("\5\0\0Z\376\0\0\2\0"),
				SERVER("\5\0\0\3\376\0\0\2\0"),
				SERVER("\6\0\0\7\0\0\1\0\0\0"),
				SERVER("\5\0\0\11\376\0\0\2\0"),
				CLIENT(PING),
				SERVER(OK),
			},
		.spans = SPAN_SELECT SPAN_SELECT SPAN_PING,
	},
	{
		.name = "frames of prepared rows",
		.turns =
			{
				HELLO,
				CLIENT("\12\0\0\0\27\5\0\0\0\0\1\0\0\0"),
				SERVER_CUT("\1\0\0\1\2", 0),
				SERVER_CUT("<\0\0\4\0\0", 58),
				SERVER_CUT("<\0\0\5\0\0\1", 57),
				SERVER_CUT("\7\0\0\6\376\0\0\2\0\0\0", 0),
			},
		.spans =
			"EXECUTE shop client " MYSQL "db.operation.name=EXECUTE" RIG_AT_CLIENT "\n",
	},
	{
		.name = "infile",
		.turns =
			{
				HELLO,
				CLIENT("-\0\0\0\3LOAD DATA LOCAL INFILE '/tmp/x' INTO TABLE a"),
				SERVER("\7\0\0\1\373/tmp/x"),
				CLIENT("\15\0\0\2\3\0\1 some rows\1\0\0\0\1\0\0\0\4"),
				SERVER("\7\0\0\5\0\3\0\2\0\0\0"),
				CLIENT(PING),
				SERVER(OK),
			},
		.transcript =
			"> request tag=1 " MYSQL
			"db.query.text=LOAD DATA LOCAL INFILE ? INTO TABLE a db.query.summary=LOAD a\n"
			"< response more\n"
			"> none skip=12\n"
			"< end\n"
			"> request tag=1 " MYSQL "db.operation.name=PING\n"
			"< response\n",
		.spans =
			"LOAD a client " MYSQL
			"db.query.text=LOAD DATA LOCAL INFILE ? INTO TABLE a db.query.summary=LOAD a" RIG_AT_CLIENT
			"\n" SPAN_PING,
	},
	{
		.name = "infile behind another result",
		.turns =
			{
				HELLO,
				CLIENT("<\0\0\0\3DELETE FROM a; LOAD DATA LOCAL INFILE '/tmp/x' INTO TABLE a"),
				SERVER("\7\0\0\1\0\0\0\12\0\0\0"),
				CLIENT("\5\0\0\0031,2,3\0\0\0\4"),
				SERVER("\7\0\0\5\0\3\0\2\0\0\0"),
				CLIENT(PING),
				SERVER(OK),
			},
		.spans =
			"DELETE a; LOAD a client " MYSQL
			"db.query.text=DELETE FROM a; LOAD DATA LOCAL INFILE ? INTO TABLE a db.query.summary=DELETE a; LOAD a" RIG_AT_CLIENT
			"\n" SPAN_PING,
	},
	{
		.name = "commands",
		.turns =
			{
				HELLO,
				CLIENT("\1\0\0\0\11"),
				SERVER("\26\0\0\1Uptime: 17  Threads: 1"),
				CLIENT("\7\0\0\0\4users\0"),
				SERVER("(\0\0\1\3def\4shop\5users\5users\2id\2id\14!\0\13\0\0\0\3\3B\0\0\0" NAME_2
				       "\7\0\0\3\376\0\0\2\0\0\0"),
				CLIENT("\3\0\0\0\33\0\0"),
				SERVER("\5\0\0\1\376\0\0\2\0"),
				CLIENT("\1\0\0\0\37"),
				SERVER(OK),
				CLIENT("\1\0\0\0\12"),
				SERVER(ROWS),
			},
		.spans = "STATISTICS shop client " MYSQL
			 "db.operation.name=STATISTICS" RIG_AT_CLIENT "\n"
			 "FIELD_LIST users client " MYSQL
			 "db.collection.name=users db.operation.name=FIELD_LIST" RIG_AT_CLIENT "\n"
			 "SET_OPTION shop client " MYSQL
			 "db.operation.name=SET_OPTION" RIG_AT_CLIENT "\n"
			 "RESET_CONNECTION shop client " MYSQL
			 "db.operation.name=RESET_CONNECTION" RIG_AT_CLIENT "\n"
			 "PROCESS_INFO shop client " MYSQL
			 "db.operation.name=PROCESS_INFO" RIG_AT_CLIENT "\n",
	},
	{
		.name = "change user",
		.turns =
			{
				HELLO,
				CLIENT("8\0\0\0\21bob\0\02401234567890123456789hisdb\0!\0mysql_native_password\0"),
				SERVER(",\0\0\1\376mysql_native_password\0abcdefghijklmnopqrst\0"),
				CLIENT("\24\0\0\00201234567890123456789"),
				SERVER("\7\0\0\3\0\0\0\2\0\0\0"),
				CLIENT(PING),
				SERVER(OK),
			},
		.spans =
			"CHANGE_USER shop client " MYSQL
			"db.operation.name=CHANGE_USER" RIG_AT_CLIENT "\n"
			"PING hisdb client db.system.name=mysql db.namespace=hisdb db.operation.name=PING" RIG_AT_CLIENT
			"\n",
	},
	{
		.name = "authentication in steps",
		.turns =
			{
				SERVER(GREETING),
				CLIENT(LOGIN),
				SERVER(",\0\0\2\376caching_sha2_password\0abcdefghijklmnopqrst\0"),
				CLIENT(" \0\0\3xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
				SERVER("\2\0\0\4\1\3\7\0\0\5\0\0\0\2\0\0\0"),
				CLIENT(PING),
				SERVER(OK),
			},
		.spans = SPAN_PING,
	},
	{
		.name = "refused",
		.turns =
			{
				SERVER(GREETING),
				CLIENT(LOGIN),
				SERVER(")\0\0\2\377\25\4#28000Access denied for user 'app'@'h'"),
			},
		.transcript = "< oneway " MYSQL
			      "db.operation.name=CONNECT db.response.status_code=1045\n",
		.spans =
			"CONNECT shop client error " MYSQL
			"db.operation.name=CONNECT db.response.status_code=1045 error.type=1045" RIG_AT_CLIENT
			"\n",
	},
	{
		.name = "full",
		.turns =
			{
				SERVER("\35\0\0\0\377\20\4#08004Too many connections"),
			},
		.spans =
			"CONNECT server error db.system.name=mysql db.operation.name=CONNECT db.response.status_code=1040 error.type=1040" RIG_AT_SERVER
			"\n",
		.side = SIDE_SERVER,
	},
	{
		.name = "tls",
		.turns =
			{
				SERVER(GREETING),
				CLIENT(" \0\0\1\215\256(\0\0\0\0\1-\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
			},
		.transcript = "> none upgrade upgrade=tls\n",
	},
	{
		.name = "compressed",
		.turns =
			{
				SERVER(GREETING_COMPRESSING),
				CLIENT(LOGIN_COMPRESSING),
				SERVER(OK_2),
			},
		.transcript = "< none upgrade upgrade=mysql-compressed\n",
	},
	{
		.name = "compression refused",
		.turns =
			{
				SERVER(GREETING_MARIADB),
				CLIENT(LOGIN_COMPRESSING),
				SERVER(OK_2),
				CLIENT(PING),
				SERVER(OK),
			},
		.transcript = "> request tag=1 " MARIADB "db.operation.name=PING\n"
			      "< response\n",
		.spans = "PING shop client " MARIADB "db.operation.name=PING" RIG_AT_CLIENT "\n",
	},
	{
		.name = "replication",
		.turns =
			{
				HELLO,
				CLIENT("\33\0\0\0\22\4\0\0\0\0\0\1\0\0\0mysql-bin.000001"),
			},
		.transcript = "> none upgrade upgrade=mysql-replication\n",
	},
	{
		.name = "attributes",
		.turns =
			{
				SERVER(GREETING),
				CLIENT(LOGIN_ATTRIBUTES),
				SERVER(OK_2),
				CLIENT("\13\0\0\0\3\0\1SELECT 1"),
				SERVER(ROWS),
				CLIENT("a\0\0\0\3\3\1\2\1\3\0\1n\6\0\3nil\376\0\13traceparent\7\0\0\000700-0af7651916cd43dd8448e"
				       "b211c80319c-b7ad6b7169203331-01SELECT 2"),
				SERVER(ROWS),
				CLIENT("\7\0\0\0\3\1\1\0\1\1\0"),
				SERVER("(\0\0\1\377+\7#HY000Malformed communication packet."),
			},
		.transcript =
			"> request tag=1 " MYSQL "db.query.text=SELECT ? db.query.summary=SELECT\n"
			"< response more\n"
			"< none skip=43\n"
			"< none skip=4\n"
			"< none skip=4\n"
			"< end\n"
			"> request tag=1 traceparent=00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 " MYSQL
			"db.query.text=SELECT ? db.query.summary=SELECT\n"
			"< response more\n"
			"< none skip=43\n"
			"< none skip=4\n"
			"< none skip=4\n"
			"< end\n"
			"> request tag=1 " MYSQL "db.operation.name=QUERY\n"
			"< response db.response.status_code=1835\n",
		.spans =
			"SELECT client " MYSQL
			"db.query.text=SELECT ? db.query.summary=SELECT" RIG_AT_CLIENT "\n"
			"SELECT client " MYSQL
			"db.query.text=SELECT ? db.query.summary=SELECT" RIG_AT_CLIENT "\n"
			"QUERY shop client error " MYSQL
			"db.operation.name=QUERY db.response.status_code=1835 error.type=1835" RIG_AT_CLIENT
			"\n",
	},
	{
		.name = "progress",
		.turns =
			{
				HELLO_MARIADB,
				CLIENT("\24\0\0\0\3ALTER TABLE a FORCE"),
				SERVER("\16\0\0\1\377\377\377\1\1\2\20'\0\4copy"),
				SERVER("\16\0\0\2\377\377\377\1\1\2\20'\0\4copy\7\0\0\3\0\0\0\2\0\0\0"),
				CLIENT(PING),
				SERVER(OK),
			},
		.spans =
			"ALTER TABLE a client " MARIADB
			"db.query.text=ALTER TABLE a FORCE db.query.summary=ALTER TABLE a" RIG_AT_CLIENT
			"\n"
			"PING shop client " MARIADB "db.operation.name=PING" RIG_AT_CLIENT "\n",
	},
	{
		.name = "without definitions",
		.turns =
			{
				HELLO_MARIADB,
				CLIENT("\12\0\0\0\27\1\0\0\0\0\1\0\0\0"),
				SERVER("\2\0\0\1\1\0\6\0\0\2\0\0\1\0\0\0\7\0\0\3\376\0\0\2\0\0\0"),
				CLIENT(PING),
				SERVER(OK),
			},
		.spans = "EXECUTE shop client " MARIADB "db.operation.name=EXECUTE" RIG_AT_CLIENT
			 "\n"
			 "PING shop client " MARIADB "db.operation.name=PING" RIG_AT_CLIENT "\n",
	},
	{
		.name = "many columns",
		.turns =
			{
				HELLO,
				CLIENT(SELECT),
				SERVER("\3\0\0\1\374,\1" COLUMN_A
				       "\2\0\0\3\1x\7\0\0\4\376\0\0\2\0\0\0"),
				CLIENT(PING),
				SERVER(OK),
			},
		.spans = SPAN_SELECT SPAN_PING,
	},
	{
		.name = "long insert",
		.turns =
			{
				HELLO,
				CLIENT_CUT("\377\377\377\0\3INSERT INTO a VALUES (1, 2", 16777189),
				CLIENT_CUT("\24\0\0\0013), (4", 14),
				SERVER(OK_2),
				CLIENT(PING),
				SERVER(OK),
			},
		.spans =
			"INSERT a client " MYSQL
			"db.query.text=INSERT INTO a VALUES (?, ? db.query.summary=INSERT a" RIG_AT_CLIENT
			"\n" SPAN_PING,
	},
	{
		.name = "long row",
		.turns =
			{
				HELLO,
				CLIENT(SELECT),
				SERVER("\1\0\0\1\1" COLUMN_A),
				SERVER_CUT("\377\377\377\3\376\0", 16777213),
				SERVER_CUT("\7\0\0\4\377\1\2#abc", 0),
				SERVER("\7\0\0\5\376\0\0\2\0\0\0"),
				CLIENT(PING),
				SERVER(OK),
			},
		.spans = SPAN_SELECT SPAN_PING,
	},
	{
		.name = "join at a query",
		.turns =
			{
				CLIENT(SELECT),
				SERVER(ROWS_OLD),
				CLIENT("\12\0\0\0\27\3\0\0\0\0\1\0\0\0"),
				SERVER(ROWS),
				CLIENT("\37\0\0\0\3INSERT INTO a VALUES ('it\\'s')"),
				SERVER(OK),
			},
		.spans =
			"SELECT users client db.system.name=mysql db.query.text=SELECT name FROM users WHERE id = ? db.query.summary=SELECT users" RIG_AT_CLIENT
			"\n"
			"EXECUTE client db.system.name=mysql db.operation.name=EXECUTE" RIG_AT_CLIENT
			"\n"
			"INSERT a client db.system.name=mysql db.query.text=INSERT INTO a VALUES (?) db.query.summary=INSERT a" RIG_AT_CLIENT
			"\n",
	},
	{
		.name = "join at an answer",
		.turns =
			{
				SERVER(ROWS),
				CLIENT(PING),
				SERVER(OK),
			},
		.spans = "PING client db.system.name=mysql db.operation.name=PING" RIG_AT_CLIENT
			 "\n",
	},
	{
		.name = "join in rows",
		.turns =
			{
				SERVER("\2\0\0\21\1x\7\0\0\22\376\0\0\2\0\0\0"),
				CLIENT(PING),
				SERVER(OK),
				CLIENT(SELECT),
				SERVER(ROWS),
			},
		.transcript =
			"> request tag=1 db.system.name=mysql db.operation.name=PING\n"
			"< response\n"
			"> request tag=1 db.system.name=mysql db.query.text=SELECT name FROM users WHERE id = ? db.query.summary=SELECT users\n"
			"< response more\n"
			"< none skip=43\n"
			"< none skip=4\n"
			"< none skip=4\n"
			"< end\n",
		.spans =
			"PING client db.system.name=mysql db.operation.name=PING" RIG_AT_CLIENT "\n"
			"SELECT users client db.system.name=mysql db.query.text=SELECT name FROM users WHERE id = ? db.query.summary=SELECT users" RIG_AT_CLIENT
			"\n",
	},
	{
		.name = "join behind a prepare",
		.turns =
			{
				SERVER("\14\0\0\1\0\4\0\0\0\1\0\1\0\0\0\0" PARAM_2
				       "\5\0\0\3\376\0\0\2\0" NAME_4 "\5\0\0\5\376\0\0\2\0"),
				CLIENT("\12\0\0\0\27\4\0\0\0\0\1\0\0\0"),
				SERVER(ROWS_OLD),
			},
		.spans =
			"EXECUTE client db.system.name=mysql db.operation.name=EXECUTE" RIG_AT_CLIENT
			"\n",
	},
	{
		.name = "join at the login",
		.turns =
			{
				CLIENT("T\0\0\2\215\246(\1\0\0\0\1-\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0app\0\024012345"
				       "67890123456789shop\0mysql_native_password\0"),
				SERVER("\7\0\0\3\0\0\0\2\0\0\0"),
				CLIENT(PING),
				SERVER(OK),
			},
		.spans = SPAN_PING,
	},
	{
		.name = "cut answer",
		.turns =
			{
				HELLO,
				CLIENT(SELECT),
				SERVER_CUT("\1\0\0\1\1" NAME_2 "\5\0", 300),
				SERVER("\7\0\0Z\376\0\0\2\0\0\0"),
				CLIENT(PING),
				SERVER(OK),
			},
		.spans = SPAN_PING,
	},
	{
		.name = "cut before its end",
		.turns =
			{
				HELLO,
				CLIENT(SELECT),
				SERVER_CUT("\1\0\0\1\1" NAME_2 "\5\0", 300),
				CLIENT(PING),
				SERVER(OK),
			},
		.spans = SPAN_PING,
	},
	{
		.name = "a database whose answer was missed",
		.turns = {HELLO, CLIENT("\6\0\0\0\2other"), SERVER_CUT("\7\0", 9), CLIENT(PING)},
		.transcript =
			"> request tag=1 db.system.name=mysql db.namespace=other db.operation.name=INIT_DB\n"
			"< none cut\n"
			"> request tag=1 db.system.name=mysql db.operation.name=PING\n",
	},
	{
		.name = "databases that were cut or are not alone",
		.turns =
			{
				HELLO,
				CLIENT_CUT("\6\0\0\0\2oth", 2),
				SERVER(OK),
				CLIENT("\6\0\0\0\2other"),
				SERVER(OK),
				CLIENT("\20\0\0\0\3USE a; SELECT 1"),
				SERVER(OK),
				CLIENT(PING),
			},
		.transcript =
			"> request skip=2 tag=1 db.system.name=mysql db.operation.name=INIT_DB\n"
			"< response\n"
			"> request tag=1 db.system.name=mysql db.namespace=other db.operation.name=INIT_DB\n"
			"< response\n"
			"> request tag=1 db.system.name=mysql db.namespace=other db.query.text=USE a; SELECT ? db.query.summary=USE a; SELECT\n"
			"< response\n"
			"> request tag=1 db.system.name=mysql db.operation.name=PING\n",
	},
	{
		.name = "backslashes when the status was missed",
		.turns = {HELLO, CLIENT(PING), SERVER_CUT("\7\0", 9),
			  CLIENT("\24\0\0\0\3SELECT 'a\\', 'x', b")},
		.transcript =
			"> request tag=1 " MYSQL "db.operation.name=PING\n"
			"< none cut\n"
			"> request tag=1 " MYSQL "db.query.text=SELECT ? db.query.summary=SELECT\n",
	},
	{
		.name = "the last statement, when another may have been missed",
		.turns =
			{
				HELLO_MARIADB,
				CLIENT(PREPARE),
				SERVER("\14\0\0\1\0\11\0\0\0\1\0\1\0\0\0\0"),
				CLIENT_CUT("\7\0", 9),
				CLIENT("\12\0\0\0\27\377\377\377\377\0\1\0\0\0"),
				CLIENT("\12\0\0\0\27\11\0\0\0\0\1\0\0\0"),
			},
		.transcript =
			"> request tag=258 " MARIADB
			"db.operation.name=PREPARE db.query.text=SELECT name FROM users WHERE id = ? db.query.summary=PREPARE SELECT users\n"
			"< response\n"
			"> none cut\n"
			"> request tag=1 " MARIADB "db.operation.name=EXECUTE\n"
			"> request tag=1 " MARIADB
			"db.query.text=SELECT name FROM users WHERE id = ? db.query.summary=SELECT users\n",
	},
	{
		.name = "cut request",
		.turns =
			{
				HELLO,
				CLIENT_CUT("\210\23\0\0\3SELECT a FROM t WHERE x = 'abc", 4970),
				SERVER(ROWS),
				CLIENT_CUT("\210\23\0\0", 5000),
				SERVER(ROWS),
				CLIENT_CUT("\1\0", 3),
				SERVER(OK),
			},
		.spans =
			"SELECT t client " MYSQL
			"db.query.text=SELECT a FROM t WHERE x = ? db.query.summary=SELECT t" RIG_AT_CLIENT
			"\n",
	},
	{
		.name = "bad command",
		.turns =
			{
				HELLO,
				CLIENT("\4\0\0\0wabc"),
			},
		.transcript = "> error\n",
	},
	{
		.name = "bad lengths",
		.turns =
			{
				HELLO,
				CLIENT("\4\0\0\0\16xyz"),
			},
		.transcript = "> error\n",
	},
	{
		.name = "bad session status",
		.turns =
			{
				HELLO,
				CLIENT("\11\0\0\0\3SELECT 1"),
				SERVER("\21\0\0\1\0\0\0\2@\0\0\0\376\377\377\377\377\377\377\377\377"),
				CLIENT("\11\0\0\0\3SELECT 1"),
				SERVER("\20\0\0\1\0\0\0\2@\0\0\0\7\1\374xyzaa"),
				CLIENT("\11\0\0\0\3SELECT 1"),
				SERVER("\7\0\0\1\0\376\1\1\1\1\1"),
			},
		.spans = "SELECT client " MYSQL
			 "db.query.text=SELECT ? db.query.summary=SELECT" RIG_AT_CLIENT "\n"
			 "SELECT client " MYSQL
			 "db.query.text=SELECT ? db.query.summary=SELECT" RIG_AT_CLIENT "\n"
			 "SELECT client " MYSQL
			 "db.query.text=SELECT ? db.query.summary=SELECT" RIG_AT_CLIENT "\n",
	},
	{
		.name = "bad prepare",
		.turns =
			{
				HELLO,
				CLIENT("\12\0\0\0\27M\0\0\0\0\1\0\0\0"),
				SERVER("+\0\0\1\377\333\4#HY000Unknown prepared statement handler"),
			},
		.spans =
			"EXECUTE shop client error " MYSQL
			"db.operation.name=EXECUTE db.response.status_code=1243 error.type=1243" RIG_AT_CLIENT
			"\n",
	},
};

static void test_conversations(void **state)
{
	(void)state;
	rig_run(rig_protocol("mysql"), conversations,
		sizeof(conversations) / sizeof(*conversations));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_conversations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

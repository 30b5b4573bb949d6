// SPDX-License-Identifier: Apache-2.0
/*
 * PostgreSQL: conversations of the simple and the extended protocol, pipelines, copies, and what is
 * recognised in the middle of a connection.
 */
#include "tests/unit/protocol_rig.h"

#define STARTUP "\000\000\000 \000\003\000\000user\000bob\000database\000shop\000\000"
#define STARTUP_USER "\000\000\000%\000\003\000\000user\000bob\000application_name\000x\000\000"
#define SSL_REQUEST "\000\000\000\010\004\322\026/"
#define GSS_REQUEST "\000\000\000\010\004\322\0260"
#define CANCEL_REQUEST "\000\000\000\020\004\322\026.\000\000\022g\000\00009"
#define AUTH_SASL "R\000\000\000\027\000\000\000\012SCRAM-SHA-256\000\000"
#define SASL_RESPONSE "p\000\000\000\034SCRAM-SHA-256\000\000\000\000\006n,,n=x"
#define AUTH_OK "R\000\000\000\010\000\000\000\000"
#define STATUS "S\000\000\000\031client_encoding\000UTF8\000"
#define KEY "K\000\000\000\014\000\000\022g\000\00009"
#define READY "Z\000\000\000\005I"
#define READY_FAILED "Z\000\000\000\005E"
#define SYNC "S\000\000\000\004"
#define FLUSH "H\000\000\000\004"
#define TERMINATE "X\000\000\000\004"
#define QUERY_SELECT "Q\000\000\000\"SELECT a FROM t WHERE b = 'x'\000"
#define QUERY_TWO "Q\000\000\000\033BEGIN; SELECT a FROM t\000"
#define QUERY_EMPTY "Q\000\000\000\005\000"
#define QUERY_COPY_IN "Q\000\000\000\026COPY t FROM STDIN\000"
#define QUERY_COPY_OUT "Q\000\000\000\025COPY t TO STDOUT\000"
#define QUERY_TRACED                                                                         \
	"Q\000\000\000WSELECT 1 /*traceparent='00-0af7651916cd43dd8448eb211c80319c-b7ad6b71" \
	"69203331-01'*/\000"
#define QUERY_REPLICATE "Q\000\000\000\013SHOW x\000"
#define PARSE "P\000\000\000(\000SELECT a FROM t WHERE b = $1\000\000\001\000\000\000\027"
#define PARSE_LITERAL "P\000\000\000%\000SELECT a FROM t WHERE b = 'x'\000\000\000"
#define PARSE_NAMED "P\000\000\000\036st1\000UPDATE t SET a = $1\000\000\000"
#define PARSE_BAD "P\000\000\000\031\000SELECT FROM WHERE\000\000\000"
#define BIND "B\000\000\000\022\000\000\000\000\000\001\000\000\000\00242\000\000"
#define BIND_NAMED "B\000\000\000\024\000st1\000\000\000\000\001\000\000\000\0017\000\000"
#define BIND_PORTAL "B\000\000\000\025cur\000\000\000\000\000\001\000\000\000\00242\000\000"
#define BIND_UNSEEN "B\000\000\000\025\000old\000\000\000\000\001\000\000\000\00242\000\000"
#define BIND_NONE "B\000\000\000\014\000\000\000\000\000\000\000\000"
#define EXECUTE "E\000\000\000\011\000\000\000\000\000"
#define EXECUTE_PORTAL "E\000\000\000\014cur\000\000\000\000\012"
#define DESCRIBE_PORTAL "D\000\000\000\006P\000"
#define DESCRIBE_NAMED "D\000\000\000\011Sst1\000"
#define CLOSE_NAMED "C\000\000\000\011Sst1\000"
#define PARSED "1\000\000\000\004"
#define BOUND "2\000\000\000\004"
#define CLOSED "3\000\000\000\004"
#define NO_ROWS "n\000\000\000\004"
#define SUSPENDED "s\000\000\000\004"
#define EMPTY "I\000\000\000\004"
#define PARAMETERS "t\000\000\000\012\000\001\000\000\000\027"
#define COLUMNS                                                                              \
	"T\000\000\000\032\000\001a\000\000\000\000\000\000\000\000\000\000\027\000\004\377" \
	"\377\377\377\000\000"
#define ROW "D\000\000\000\014\000\001\000\000\000\00242"
#define ROW_NULL "D\000\000\000\012\000\001\377\377\377\377"
#define DONE_SELECT "C\000\000\000\015SELECT 2\000"
#define DONE_UPDATE "C\000\000\000\015UPDATE 1\000"
#define DONE_BEGIN "C\000\000\000\012BEGIN\000"
#define DONE_INSERT "C\000\000\000\017INSERT 0 3\000"
#define DONE_COPY "C\000\000\000\013COPY 2\000"
#define DONE_TABLE "C\000\000\000\021CREATE TABLE\000"
#define DONE_SHOW "C\000\000\000\011SHOW\000"
#define ERROR_TABLE "E\000\000\000,SERROR\000VERROR\000C42P01\000Mno such thing: x\000\000"
#define ERROR_AUTH                                                                        \
	"E\000\000\000:SFATAL\000VFATAL\000C28P01\000Mpassword authentication failed\000" \
	"\000"
#define ERROR_KEY "E\000\000\000,SERROR\000VERROR\000C23505\000Mno such thing: x\000\000"
#define ERROR_ADMIN "E\000\000\000,SFATAL\000VFATAL\000C57P01\000Mno such thing: x\000\000"
#define NOTICE "N\000\000\000\033SNOTICE\000C00000\000Mhello\000\000"
#define NOTIFICATION "A\000\000\000\023\000\000\000\001ch\000payload\000"
#define COPY_IN "G\000\000\000\011\000\000\001\000\000"
#define COPY_OUT "H\000\000\000\011\000\000\001\000\000"
#define COPY_BOTH "W\000\000\000\007\000\000\000"
#define COPY_ROW "d\000\000\000\0101\011x\012"
#define COPY_DONE "c\000\000\000\004"
#define COPY_FAIL "f\000\000\000\007no\000"
#define FUNCTION_CALL "F\000\000\000\016\000\000\003\270\000\000\000\000\000\000"
#define FUNCTION_RESULT "V\000\000\000\014\000\000\000\004abcd"

/* The end of a span's line. */
#define AT_CLIENT RIG_AT_CLIENT "\n"
#define AT_SERVER RIG_AT_SERVER "\n"

static const struct conversation conversations[] = {
	{
		.name = "startup",
		.turns = {CLIENT(STARTUP), SERVER(AUTH_SASL), CLIENT(SASL_RESPONSE),
			  SERVER(AUTH_OK STATUS KEY READY), CLIENT(QUERY_SELECT),
			  SERVER(COLUMNS ROW ROW DONE_SELECT READY), CLIENT(TERMINATE)},
		.transcript =
			"< none skip=19\n"
			"> none skip=24\n"
			"< none skip=4\n"
			"< none skip=21\n"
			"< none skip=8\n"
			"> request id=1 tag=3 db.namespace=shop db.query.text=SELECT a FROM t WHERE b "
			"= ? db.query.summary=SELECT t\n"
			"< none skip=22\n"
			"< response more id=1 skip=8\n"
			"< none skip=8\n"
			"< part id=1 db.response.returned_rows=2\n"
			"< end id=1\n",
		.spans = "SELECT t client db.system.name=postgresql db.namespace=shop "
			 "db.query.text=SELECT a FROM t WHERE b = ? db.query.summary=SELECT "
			 "t db.response.returned_rows=2" AT_CLIENT,
	},
	{
		.name = "startup refused",
		.turns = {CLIENT(STARTUP_USER), SERVER(AUTH_SASL), CLIENT(SASL_RESPONSE),
			  SERVER(ERROR_AUTH)},
		.transcript = "< none skip=19\n"
			      "> none skip=24\n"
			      "< oneway db.operation.name=CONNECT db.namespace=bob "
			      "db.response.status_code=28P01\n",
		.spans = "CONNECT bob client error db.system.name=postgresql "
			 "db.namespace=bob db.operation.name=CONNECT "
			 "db.response.status_code=28P01 error.type=28P01" AT_CLIENT,
	},
	{
		.name = "startup refused server",
		.side = SIDE_SERVER,
		.turns = {CLIENT(STARTUP), SERVER(ERROR_AUTH)},
		.transcript = "< oneway db.operation.name=CONNECT db.namespace=shop "
			      "db.response.status_code=28P01\n",
		.spans = "CONNECT shop server error db.system.name=postgresql "
			 "db.namespace=shop db.operation.name=CONNECT "
			 "db.response.status_code=28P01 error.type=28P01" AT_SERVER,
	},
	{
		.name = "encryption",
		.turns = {CLIENT(SSL_REQUEST), SERVER("S")},
		.transcript = "< none upgrade upgrade=tls\n",
		.spans = "",
	},
	{
		.name = "encryption gss",
		.turns = {CLIENT(GSS_REQUEST), SERVER("G")},
		.transcript = "< none upgrade upgrade=gssapi\n",
		.spans = "",
	},
	{
		.name = "no encryption",
		.turns = {CLIENT(GSS_REQUEST), SERVER("N"), CLIENT(SSL_REQUEST), SERVER("N"),
			  CLIENT(STARTUP), SERVER(AUTH_OK KEY READY), CLIENT(QUERY_EMPTY),
			  SERVER(EMPTY READY)},
		.transcript = "< none skip=4\n"
			      "< none skip=8\n"
			      "> request id=1 tag=3 db.namespace=shop\n"
			      "< response more id=1\n"
			      "< end id=1\n",
		.spans = "shop client db.system.name=postgresql db.namespace=shop" AT_CLIENT,
	},
	{
		.name = "encryption unknown to an old server",
		.turns = {CLIENT(SSL_REQUEST), SERVER(ERROR_AUTH)},
		.transcript = "",
		.spans = "",
	},
	{
		.name = "cancel",
		.turns = {CLIENT(CANCEL_REQUEST)},
		.transcript = "> oneway db.operation.name=CANCEL\n",
		.spans =
			"CANCEL client db.system.name=postgresql db.operation.name=CANCEL" AT_CLIENT,
	},
	{
		.name = "query server",
		.side = SIDE_SERVER,
		.turns = {CLIENT(QUERY_SELECT), SERVER(COLUMNS ROW DONE_SELECT READY)},
		.transcript = "> request id=1 tag=3 db.query.text=SELECT a FROM t WHERE b = ? "
			      "db.query.summary=SELECT t\n"
			      "< none skip=22\n"
			      "< response more id=1 skip=8\n"
			      "< part id=1 db.response.returned_rows=2\n"
			      "< end id=1\n",
		.spans = "SELECT t server db.system.name=postgresql db.query.text=SELECT a "
			 "FROM t WHERE b = ? db.query.summary=SELECT t "
			 "db.response.returned_rows=2" AT_SERVER,
	},
	{
		.name = "query of two statements",
		.turns = {CLIENT(QUERY_TWO),
			  SERVER(DONE_BEGIN COLUMNS ROW DONE_SELECT NOTIFICATION READY)},
		.transcript = "> request id=1 tag=3 db.query.text=BEGIN; SELECT a FROM t "
			      "db.query.summary=BEGIN; SELECT t\n"
			      "< response more id=1\n"
			      "< none skip=22\n"
			      "< none skip=8\n"
			      "< part id=1 db.response.returned_rows=2\n"
			      "< none skip=15\n"
			      "< end id=1\n",
		.spans = "BEGIN; SELECT t client db.system.name=postgresql "
			 "db.query.text=BEGIN; SELECT a FROM t db.query.summary=BEGIN; "
			 "SELECT t db.response.returned_rows=2" AT_CLIENT,
	},
	{
		.name = "query with error",
		.turns = {CLIENT(QUERY_TWO), SERVER(NOTICE DONE_BEGIN ERROR_TABLE READY_FAILED)},
		.transcript = "> request id=1 tag=3 db.query.text=BEGIN; SELECT a FROM t "
			      "db.query.summary=BEGIN; SELECT t\n"
			      "< none skip=23\n"
			      "< response more id=1\n"
			      "< part id=1 db.response.status_code=42P01\n"
			      "< end id=1\n",
		.spans = "BEGIN; SELECT t client error db.system.name=postgresql "
			 "db.query.text=BEGIN; SELECT a FROM t db.query.summary=BEGIN; "
			 "SELECT t db.response.status_code=42P01 error.type=42P01" AT_CLIENT,
	},
	{
		.name = "query copies in",
		.turns = {CLIENT(QUERY_COPY_IN), SERVER(COPY_IN),
			  CLIENT(COPY_ROW COPY_ROW COPY_DONE), SERVER(DONE_COPY READY),
			  CLIENT(QUERY_EMPTY), SERVER(EMPTY READY)},
		.transcript = "> request more id=1 tag=3 db.query.text=COPY t FROM STDIN "
			      "db.query.summary=COPY t\n"
			      "< response more id=1 skip=5\n"
			      "> none skip=4\n"
			      "> none skip=4\n"
			      "> end\n"
			      "< part id=1\n"
			      "< end id=1\n"
			      "> request id=2 tag=11\n"
			      "< response more id=2\n"
			      "< end id=2\n",
		.spans = "COPY t client db.system.name=postgresql db.query.text=COPY t FROM "
			 "STDIN db.query.summary=COPY t" AT_CLIENT
			 "postgresql client db.system.name=postgresql" AT_CLIENT,
	},
	{
		.name = "query copies in and fails",
		.turns = {CLIENT(QUERY_COPY_IN), SERVER(COPY_IN), CLIENT(COPY_ROW COPY_FAIL),
			  SERVER(ERROR_TABLE READY)},
		.transcript = "> request more id=1 tag=3 db.query.text=COPY t FROM STDIN "
			      "db.query.summary=COPY t\n"
			      "< response more id=1 skip=5\n"
			      "> none skip=4\n"
			      "> end skip=3\n"
			      "< part id=1 db.response.status_code=42P01\n"
			      "< end id=1\n",
		.spans = "COPY t client error db.system.name=postgresql db.query.text=COPY "
			 "t FROM STDIN db.query.summary=COPY t "
			 "db.response.status_code=42P01 error.type=42P01" AT_CLIENT,
	},
	{
		.name = "query copies out",
		.turns = {CLIENT(QUERY_COPY_OUT),
			  SERVER(COPY_OUT COPY_ROW COPY_ROW COPY_DONE DONE_COPY READY)},
		.transcript =
			"> request id=1 tag=3 db.query.text=COPY t TO STDOUT db.query.summary=COPY t\n"
			"< response more id=1 skip=5\n"
			"< none skip=4\n"
			"< none skip=4\n"
			"< part id=1\n"
			"< end id=1\n",
		.spans = "COPY t client db.system.name=postgresql db.query.text=COPY t TO "
			 "STDOUT db.query.summary=COPY t" AT_CLIENT,
	},
	{
		.name = "replication",
		.turns = {CLIENT(QUERY_REPLICATE), SERVER(COPY_BOTH COPY_ROW), CLIENT(COPY_ROW),
			  SERVER(COPY_ROW COPY_DONE DONE_SHOW READY), CLIENT(QUERY_EMPTY),
			  SERVER(EMPTY READY)},
		.transcript = "> request id=1 tag=3 db.query.text=SHOW x db.query.summary=SHOW\n"
			      "< response id=1 skip=3\n"
			      "< none skip=4\n"
			      "> none skip=4\n"
			      "< none skip=4\n"
			      "> request id=2 tag=11\n"
			      "< response more id=2\n"
			      "< end id=2\n",
		.spans = "SHOW client db.system.name=postgresql db.query.text=SHOW x "
			 "db.query.summary=SHOW" AT_CLIENT
			 "postgresql client db.system.name=postgresql" AT_CLIENT,
	},
	{
		.name = "traced by a comment",
		.turns = {CLIENT(QUERY_TRACED), SERVER(ROW DONE_SELECT READY)},
		.transcript = "> request id=1 tag=3 "
			      "traceparent=00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 "
			      "db.query.text=SELECT ? db.query.summary=SELECT\n"
			      "< response more id=1 skip=8\n"
			      "< part id=1 db.response.returned_rows=2\n"
			      "< end id=1\n",
		.spans = "SELECT client db.system.name=postgresql db.query.text=SELECT ? "
			 "db.query.summary=SELECT db.response.returned_rows=2" AT_CLIENT,
	},
	{
		.name = "queries pipelined",
		.turns = {CLIENT(QUERY_SELECT QUERY_TWO QUERY_EMPTY),
			  SERVER(ROW DONE_SELECT READY ERROR_TABLE READY EMPTY READY)},
		.transcript = "> request id=1 tag=3 db.query.text=SELECT a FROM t WHERE b = ? "
			      "db.query.summary=SELECT t\n"
			      "> request id=2 tag=11 db.query.text=BEGIN; SELECT a FROM t "
			      "db.query.summary=BEGIN; SELECT t\n"
			      "> request id=3 tag=19\n"
			      "< response more id=1 skip=8\n"
			      "< part id=1 db.response.returned_rows=2\n"
			      "< end id=1\n"
			      "< response more id=2 db.response.status_code=42P01\n"
			      "< end id=2\n"
			      "< response more id=3\n"
			      "< end id=3\n",
		.spans = "SELECT t client db.system.name=postgresql db.query.text=SELECT a "
			 "FROM t WHERE b = ? db.query.summary=SELECT t "
			 "db.response.returned_rows=2" AT_CLIENT
			 "BEGIN; SELECT t client error db.system.name=postgresql "
			 "db.query.text=BEGIN; SELECT a FROM t db.query.summary=BEGIN; "
			 "SELECT t db.response.status_code=42P01 error.type=42P01" AT_CLIENT
			 "postgresql client db.system.name=postgresql" AT_CLIENT,
	},
	{
		.name = "extended",
		.turns = {CLIENT(PARSE BIND DESCRIBE_PORTAL EXECUTE SYNC),
			  SERVER(PARSED BOUND COLUMNS ROW ROW_NULL DONE_SELECT READY)},
		.transcript = "> none skip=2\n"
			      "> request id=1 tag=1 db.query.text=SELECT a FROM t WHERE b = $1 "
			      "db.query.summary=SELECT t\n"
			      "< none skip=22\n"
			      "< response more id=1 skip=8\n"
			      "< none skip=6\n"
			      "< end id=1 db.response.returned_rows=2\n",
		.spans = "SELECT t client db.system.name=postgresql db.query.text=SELECT a "
			 "FROM t WHERE b = $1 db.query.summary=SELECT t "
			 "db.response.returned_rows=2" AT_CLIENT,
	},
	{
		.name = "extended with literals",
		.turns = {CLIENT(PARSE_LITERAL BIND_NONE EXECUTE SYNC),
			  SERVER(PARSED BOUND DONE_SELECT READY)},
		.transcript = "> request id=1 tag=1 db.query.text=SELECT a FROM t WHERE b = ? "
			      "db.query.summary=SELECT t\n"
			      "< response id=1 db.response.returned_rows=2\n",
		.spans = "SELECT t client db.system.name=postgresql db.query.text=SELECT a "
			 "FROM t WHERE b = ? db.query.summary=SELECT t "
			 "db.response.returned_rows=2" AT_CLIENT,
	},
	{
		.name = "named statement",
		.turns = {CLIENT(PARSE_NAMED DESCRIBE_NAMED SYNC),
			  SERVER(PARSED PARAMETERS NO_ROWS READY), CLIENT(BIND_NAMED EXECUTE SYNC),
			  SERVER(BOUND DONE_UPDATE READY), CLIENT(BIND_NAMED EXECUTE SYNC),
			  SERVER(BOUND ERROR_KEY READY), CLIENT(CLOSE_NAMED SYNC),
			  SERVER(CLOSED READY)},
		.transcript = "> none skip=5\n"
			      "< none skip=6\n"
			      "> request id=2 tag=9 db.query.text=UPDATE t SET a = $1 "
			      "db.query.summary=UPDATE t\n"
			      "< response id=2\n"
			      "> request id=3 tag=17 db.query.text=UPDATE t SET a = $1 "
			      "db.query.summary=UPDATE t\n"
			      "< response id=3 db.response.status_code=23505\n"
			      "> none skip=5\n",
		.spans = "UPDATE t client db.system.name=postgresql db.query.text=UPDATE t "
			 "SET a = $1 db.query.summary=UPDATE t" AT_CLIENT
			 "UPDATE t client error db.system.name=postgresql "
			 "db.query.text=UPDATE t SET a = $1 db.query.summary=UPDATE t "
			 "db.response.status_code=23505 error.type=23505" AT_CLIENT,
	},
	{
		.name = "join prepared before",
		.turns = {CLIENT(BIND_UNSEEN EXECUTE SYNC), SERVER(BOUND ROW DONE_SELECT READY),
			  CLIENT(BIND_UNSEEN EXECUTE SYNC), SERVER(BOUND DONE_TABLE READY),
			  CLIENT(BIND_UNSEEN EXECUTE SYNC), SERVER(BOUND DONE_INSERT READY)},
		.transcript = "> request id=1 tag=5\n"
			      "< response more id=1 skip=8\n"
			      "< end id=1 db.response.returned_rows=2 db.operation.name=SELECT\n"
			      "> request id=2 tag=13\n"
			      "< response id=2 db.operation.name=CREATE TABLE\n"
			      "> request id=3 tag=21\n"
			      "< response id=3 db.operation.name=INSERT\n",
		.spans =
			"SELECT client db.system.name=postgresql db.operation.name=SELECT "
			"db.response.returned_rows=2" AT_CLIENT
			"CREATE TABLE client db.system.name=postgresql "
			"db.operation.name=CREATE TABLE" AT_CLIENT
			"INSERT client db.system.name=postgresql db.operation.name=INSERT" AT_CLIENT,
	},
	{
		.name = "portal in portions",
		.turns = {CLIENT(PARSE BIND_PORTAL EXECUTE_PORTAL FLUSH),
			  SERVER(PARSED BOUND ROW ROW SUSPENDED), CLIENT(EXECUTE_PORTAL SYNC),
			  SERVER(ROW DONE_SELECT READY)},
		.transcript = "> request id=1 tag=1 db.query.text=SELECT a FROM t WHERE b = $1 "
			      "db.query.summary=SELECT t\n"
			      "< response more id=1 skip=8\n"
			      "< none skip=8\n"
			      "< end id=1\n"
			      "> request id=1 tag=1 db.query.text=SELECT a FROM t WHERE b = $1 "
			      "db.query.summary=SELECT t\n"
			      "< response more id=1 skip=8\n"
			      "< end id=1 db.response.returned_rows=2\n",
		.spans = "SELECT t client db.system.name=postgresql db.query.text=SELECT a "
			 "FROM t WHERE b = $1 db.query.summary=SELECT t" AT_CLIENT
			 "SELECT t client db.system.name=postgresql db.query.text=SELECT a "
			 "FROM t WHERE b = $1 db.query.summary=SELECT t "
			 "db.response.returned_rows=2" AT_CLIENT,
	},
	{
		.name = "pipeline",
		.turns = {CLIENT(PARSE BIND EXECUTE PARSE_NAMED BIND_NAMED EXECUTE BIND_NAMED
					 EXECUTE SYNC),
			  SERVER(PARSED BOUND ROW DONE_SELECT PARSED BOUND DONE_UPDATE BOUND
					 DONE_UPDATE READY)},
		.transcript = "> request id=1 tag=1 db.query.text=SELECT a FROM t WHERE b = $1 "
			      "db.query.summary=SELECT t\n"
			      "> request id=1 tag=1 db.query.text=UPDATE t SET a = $1 "
			      "db.query.summary=UPDATE t\n"
			      "> request id=1 tag=1 db.query.text=UPDATE t SET a = $1 "
			      "db.query.summary=UPDATE t\n"
			      "< response more id=1 skip=8\n"
			      "< end id=1 db.response.returned_rows=2\n"
			      "< response id=1\n"
			      "< response id=1\n",
		.spans = "SELECT t client db.system.name=postgresql db.query.text=SELECT a "
			 "FROM t WHERE b = $1 db.query.summary=SELECT t "
			 "db.response.returned_rows=2" AT_CLIENT
			 "UPDATE t client db.system.name=postgresql db.query.text=UPDATE t "
			 "SET a = $1 db.query.summary=UPDATE t" AT_CLIENT
			 "UPDATE t client db.system.name=postgresql db.query.text=UPDATE t "
			 "SET a = $1 db.query.summary=UPDATE t" AT_CLIENT,
	},
	{
		.name = "pipeline aborted",
		.turns = {CLIENT(PARSE BIND EXECUTE BIND EXECUTE BIND EXECUTE SYNC BIND EXECUTE
					 SYNC),
			  SERVER(PARSED BOUND DONE_SELECT BOUND ERROR_KEY READY BOUND DONE_SELECT
					 READY)},
		.transcript = "> request id=1 tag=1 db.query.text=SELECT a FROM t WHERE b = $1 "
			      "db.query.summary=SELECT t\n"
			      "> request id=1 tag=1 db.query.text=SELECT a FROM t WHERE b = $1 "
			      "db.query.summary=SELECT t\n"
			      "> request id=1 tag=1 db.query.text=SELECT a FROM t WHERE b = $1 "
			      "db.query.summary=SELECT t\n"
			      "> request id=2 tag=9 db.query.text=SELECT a FROM t WHERE b = $1 "
			      "db.query.summary=SELECT t\n"
			      "< response id=1 db.response.returned_rows=2\n"
			      "< response id=1 db.response.status_code=23505\n"
			      "< abort id=1 failure=pipeline_aborted\n"
			      "< response id=2 db.response.returned_rows=2\n",
		.spans = "SELECT t client db.system.name=postgresql db.query.text=SELECT a "
			 "FROM t WHERE b = $1 db.query.summary=SELECT t "
			 "db.response.returned_rows=2" AT_CLIENT
			 "SELECT t client error db.system.name=postgresql "
			 "db.query.text=SELECT a FROM t WHERE b = $1 "
			 "db.query.summary=SELECT t db.response.status_code=23505 "
			 "error.type=23505" AT_CLIENT
			 "SELECT t client error db.system.name=postgresql "
			 "db.query.text=SELECT a FROM t WHERE b = $1 "
			 "db.query.summary=SELECT t error.type=pipeline_aborted" AT_CLIENT
			 "SELECT t client db.system.name=postgresql db.query.text=SELECT a "
			 "FROM t WHERE b = $1 db.query.summary=SELECT t "
			 "db.response.returned_rows=2" AT_CLIENT,
	},
	{
		.name = "pipeline aborted by the first",
		.turns = {CLIENT(PARSE_BAD BIND EXECUTE PARSE BIND EXECUTE SYNC PARSE BIND EXECUTE
					 SYNC QUERY_EMPTY),
			  SERVER(ERROR_TABLE READY PARSED BOUND DONE_SELECT READY EMPTY READY)},
		.transcript =
			"> request id=1 tag=1 db.query.text=SELECT FROM WHERE db.query.summary=SELECT\n"
			"> request id=1 tag=1 db.query.text=SELECT a FROM t WHERE b = $1 "
			"db.query.summary=SELECT t\n"
			"> request id=2 tag=9 db.query.text=SELECT a FROM t WHERE b = $1 "
			"db.query.summary=SELECT t\n"
			"> request id=3 tag=19\n"
			"< response id=1 db.response.status_code=42P01\n"
			"< abort id=1 failure=pipeline_aborted\n"
			"< response id=2 db.response.returned_rows=2\n"
			"< response more id=3\n"
			"< end id=3\n",
		.spans = "SELECT client error db.system.name=postgresql "
			 "db.query.text=SELECT FROM WHERE db.query.summary=SELECT "
			 "db.response.status_code=42P01 error.type=42P01" AT_CLIENT
			 "SELECT t client error db.system.name=postgresql "
			 "db.query.text=SELECT a FROM t WHERE b = $1 "
			 "db.query.summary=SELECT t error.type=pipeline_aborted" AT_CLIENT
			 "SELECT t client db.system.name=postgresql db.query.text=SELECT a "
			 "FROM t WHERE b = $1 db.query.summary=SELECT t "
			 "db.response.returned_rows=2" AT_CLIENT
			 "postgresql client db.system.name=postgresql" AT_CLIENT,
	},
	{
		.name = "pipeline preparation fails",
		.turns = {CLIENT(STARTUP), SERVER(AUTH_OK READY),
			  CLIENT(PARSE_BAD DESCRIBE_NAMED SYNC PARSE BIND EXECUTE SYNC),
			  SERVER(ERROR_TABLE READY PARSED BOUND DONE_SELECT READY)},
		.transcript =
			"< none skip=4\n"
			"> none skip=5\n"
			"> request id=2 tag=9 db.namespace=shop db.query.text=SELECT a FROM t WHERE b "
			"= $1 db.query.summary=SELECT t\n"
			"< response id=2 db.response.returned_rows=2\n",
		.spans = "SELECT t client db.system.name=postgresql db.namespace=shop "
			 "db.query.text=SELECT a FROM t WHERE b = $1 "
			 "db.query.summary=SELECT t db.response.returned_rows=2" AT_CLIENT,
	},
	{
		.name = "pipeline of syncs",
		.turns = {CLIENT(PARSE BIND EXECUTE SYNC SYNC BIND EXECUTE SYNC),
			  SERVER(PARSED BOUND DONE_SELECT READY READY BOUND ERROR_KEY READY),
			  CLIENT(BIND EXECUTE SYNC), SERVER(BOUND DONE_SELECT READY)},
		.transcript = "> request id=1 tag=1 db.query.text=SELECT a FROM t WHERE b = $1 "
			      "db.query.summary=SELECT t\n"
			      "> request id=3 tag=17 db.query.text=SELECT a FROM t WHERE b = $1 "
			      "db.query.summary=SELECT t\n"
			      "< response id=1 db.response.returned_rows=2\n"
			      "< response id=3 db.response.status_code=23505\n"
			      "> request id=4 tag=25 db.query.text=SELECT a FROM t WHERE b = $1 "
			      "db.query.summary=SELECT t\n"
			      "< response id=4 db.response.returned_rows=2\n",
		.spans = "SELECT t client db.system.name=postgresql db.query.text=SELECT a "
			 "FROM t WHERE b = $1 db.query.summary=SELECT t "
			 "db.response.returned_rows=2" AT_CLIENT
			 "SELECT t client error db.system.name=postgresql "
			 "db.query.text=SELECT a FROM t WHERE b = $1 "
			 "db.query.summary=SELECT t db.response.status_code=23505 "
			 "error.type=23505" AT_CLIENT
			 "SELECT t client db.system.name=postgresql db.query.text=SELECT a "
			 "FROM t WHERE b = $1 db.query.summary=SELECT t "
			 "db.response.returned_rows=2" AT_CLIENT,
	},
	{
		.name = "extended copies in",
		.turns = {CLIENT(STARTUP), SERVER(AUTH_OK READY),
			  CLIENT(PARSE BIND_NONE DESCRIBE_PORTAL EXECUTE SYNC),
			  SERVER(PARSED BOUND NO_ROWS COPY_IN), CLIENT(COPY_ROW COPY_DONE SYNC),
			  SERVER(DONE_COPY READY), CLIENT(PARSE BIND EXECUTE BIND EXECUTE SYNC),
			  SERVER(PARSED BOUND ERROR_KEY READY)},
		.transcript =
			"< none skip=4\n"
			"> none skip=2\n"
			"> request id=1 tag=1 db.namespace=shop db.query.text=SELECT a FROM t WHERE b "
			"= $1 db.query.summary=SELECT t\n"
			"< response more id=1 skip=5\n"
			"> none skip=4\n"
			"> end\n"
			"< end id=1\n"
			"> request id=2 tag=9 db.namespace=shop db.query.text=SELECT a FROM t WHERE b "
			"= $1 db.query.summary=SELECT t\n"
			"> request id=2 tag=9 db.namespace=shop db.query.text=SELECT a FROM t WHERE b "
			"= $1 db.query.summary=SELECT t\n"
			"< response id=2 db.response.status_code=23505\n"
			"< abort id=2 failure=pipeline_aborted\n",
		.spans = "SELECT t client db.system.name=postgresql db.namespace=shop "
			 "db.query.text=SELECT a FROM t WHERE b = $1 "
			 "db.query.summary=SELECT t" AT_CLIENT
			 "SELECT t client error db.system.name=postgresql db.namespace=shop "
			 "db.query.text=SELECT a FROM t WHERE b = $1 "
			 "db.query.summary=SELECT t db.response.status_code=23505 "
			 "error.type=23505" AT_CLIENT
			 "SELECT t client error db.system.name=postgresql db.namespace=shop "
			 "db.query.text=SELECT a FROM t WHERE b = $1 "
			 "db.query.summary=SELECT t error.type=pipeline_aborted" AT_CLIENT,
	},
	{
		.name = "function call",
		.turns = {CLIENT(FUNCTION_CALL), SERVER(FUNCTION_RESULT READY),
			  CLIENT(FUNCTION_CALL), SERVER(ERROR_TABLE READY)},
		.transcript = "> request id=1 skip=10 tag=3 db.operation.name=FUNCTION CALL\n"
			      "< response more id=1 skip=8\n"
			      "< end id=1\n"
			      "> request id=2 skip=10 tag=11 db.operation.name=FUNCTION CALL\n"
			      "< response more id=2 db.response.status_code=42P01\n"
			      "< end id=2\n",
		.spans = "FUNCTION CALL client db.system.name=postgresql "
			 "db.operation.name=FUNCTION CALL" AT_CLIENT
			 "FUNCTION CALL client error db.system.name=postgresql "
			 "db.operation.name=FUNCTION CALL db.response.status_code=42P01 "
			 "error.type=42P01" AT_CLIENT,
	},
	{
		.name = "ended by the administrator",
		.turns = {CLIENT(QUERY_SELECT), SERVER(ERROR_ADMIN)},
		.transcript = "> request id=1 tag=3 db.query.text=SELECT a FROM t WHERE b = ? "
			      "db.query.summary=SELECT t\n"
			      "< response more id=1 db.response.status_code=57P01\n",
		.spans = "",
	},
	{
		.name = "join an answer",
		.turns = {SERVER(ROW DONE_SELECT READY), CLIENT(QUERY_SELECT),
			  SERVER(DONE_SELECT READY)},
		.transcript = "< none skip=8\n"
			      "> request id=1 tag=3 db.query.text=SELECT a FROM t WHERE b = ? "
			      "db.query.summary=SELECT t\n"
			      "< response more id=1 db.response.returned_rows=2\n"
			      "< end id=1\n",
		.spans = "SELECT t client db.system.name=postgresql db.query.text=SELECT a "
			 "FROM t WHERE b = ? db.query.summary=SELECT t "
			 "db.response.returned_rows=2" AT_CLIENT,
	},
	{
		.name = "join an idle end",
		.turns = {SERVER(NOTICE STATUS ERROR_ADMIN)},
		.transcript = "< none skip=23\n"
			      "< none skip=21\n",
		.spans = "",
	},
	{
		.name = "bad type",
		.turns = {CLIENT("!\000\000\000\004"), SERVER("!\000\000\000\004")},
		.transcript = "> error\n"
			      "< error\n",
		.spans = "",
	},
	{
		.name = "bad length",
		.turns = {CLIENT("Q\000\000\000\003"), SERVER("D\177\377\377\377")},
		.transcript = "> error\n"
			      "< error\n",
		.spans = "",
	},
	{
		.name = "bad sync",
		.turns = {CLIENT("S\000\000\000\005x"), SERVER("Z\000\000\000\006II")},
		.transcript = "> error\n"
			      "< error\n",
		.spans = "",
	},
	{
		.name = "bad startup",
		.turns = {CLIENT("\000\000\377\377\000\003\000\000user")},
		.transcript = "> error\n",
		.spans = "",
	},
	{
		.name = "bad names",
		.turns = {CLIENT("P\000\000\000\006ab"
				 "B\000\000\000\006ab"
				 "E\000\000\000\006ab"
				 "Q\000\000\000\006ab"),
			  SERVER("C\000\000\000\004"
				 "E\000\000\000\006ab"
				 "Z\000\000\000\005I")},
		.transcript = "> request id=1 tag=5\n"
			      "> request id=1 tag=3 db.query.text=ab\n"
			      "< response id=1\n"
			      "< response more id=1 db.response.status_code=XX000\n"
			      "< end id=1\n",
		.spans =
			"postgresql client db.system.name=postgresql" AT_CLIENT
			"postgresql client error db.system.name=postgresql "
			"db.query.text=ab db.response.status_code=XX000 error.type=XX000" AT_CLIENT,
	},
};

static void test_conversations(void **unused)
{
	(void)unused;
	rig_run(rig_protocol("postgresql"), conversations,
		sizeof(conversations) / sizeof(*conversations));
}

static const struct detect_case detections[] = {
	{FROM_CLIENT, DETECT_YES, SLICE(STARTUP)},
	{FROM_CLIENT, DETECT_YES, SLICE(SSL_REQUEST)},
	{FROM_CLIENT, DETECT_YES, SLICE(GSS_REQUEST)},
	{FROM_CLIENT, DETECT_YES, SLICE(CANCEL_REQUEST)},
	{FROM_CLIENT, DETECT_YES, SLICE(QUERY_SELECT)},
	{FROM_CLIENT, DETECT_YES, SLICE(PARSE BIND EXECUTE SYNC)},
	{FROM_CLIENT, DETECT_YES, SLICE(BIND_UNSEEN EXECUTE SYNC)},
	{FROM_CLIENT, DETECT_LIKELY, SLICE(EXECUTE SYNC)},
	{FROM_CLIENT, DETECT_LIKELY, SLICE(SYNC)},
	{FROM_CLIENT, DETECT_LIKELY, SLICE("Q\0\1\0\0SELECT abcdefgh FROM t")},
	{FROM_CLIENT, DETECT_MORE, SLICE("Q\0\1\0\0SELECT")},
	{FROM_CLIENT, DETECT_MORE, SLICE("Q")},
	{FROM_SERVER, DETECT_YES, SLICE(READY)},
	{FROM_SERVER, DETECT_YES, SLICE(COLUMNS ROW DONE_SELECT READY)},
	{FROM_SERVER, DETECT_YES, SLICE(BOUND DONE_SELECT)},
	{FROM_SERVER, DETECT_YES, SLICE(ERROR_TABLE)},
	{FROM_SERVER, DETECT_YES, SLICE(STATUS)},
	{FROM_SERVER, DETECT_LIKELY, SLICE(AUTH_OK)},
	{FROM_SERVER, DETECT_LIKELY, SLICE(PARSED BOUND)},
	{FROM_SERVER, DETECT_MORE, SLICE("S")}, /* to SSLRequest */
	{FROM_CLIENT, DETECT_LIKELY, SLICE("p\0\0\0\13secret\0")},
	{FROM_CLIENT, DETECT_LIKELY, SLICE("p\0\0\0\33SCRAM-SHA-256\0\0\0\0\5n,,n=")},
	{FROM_SERVER, DETECT_YES, SLICE("A\0\0\0\21\0\0\0\7jobs\0new\0")},

	{FROM_CLIENT, DETECT_NO, SLICE(READY)},
	{FROM_SERVER, DETECT_NO, SLICE(QUERY_SELECT)},
	{FROM_SERVER, DETECT_NO, SLICE(STARTUP)},
	{FROM_CLIENT, DETECT_NO, SLICE("Q\0\0\0\16SELECT 1\0\0")},
	{FROM_CLIENT, DETECT_NO, SLICE("Q\0\0\0\16SEL\1CT 1\0")},
	{FROM_CLIENT, DETECT_NO, SLICE("GET / HTTP/1.1\r\nHost: a\r\n\r\n")},
	{FROM_CLIENT, DETECT_NO, SLICE("POST / HTTP/1.1\r\nHost: a\r\n\r\n")},
	{FROM_SERVER, DETECT_NO, SLICE("HTTP/1.1 200 OK\r\n\r\n")},
	{FROM_CLIENT, DETECT_NO, SLICE("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")},
	{FROM_CLIENT, DETECT_NO, SLICE("*1\r\n$4\r\nPING\r\n")},
	{FROM_SERVER, DETECT_NO, SLICE("+PONG\r\n")},
	{FROM_CLIENT, DETECT_NO, SLICE("\x16\3\1\2\0\1\0\1\xfc\3\3")},
	{FROM_CLIENT, DETECT_NO, SLICE("SSH-2.0-OpenSSH_9.2p1\r\n")},
	{FROM_SERVER, DETECT_NO, SLICE("J\0\0\0\n8.0.36\0\10\0\0\0abcdefgh\0")},
	/* MongoDB: OP_MSG of 112 bytes, OP_REPLY of 65 */
	{FROM_CLIENT, DETECT_NO, SLICE("p\0\0\0\14\0\0\0\7\0\0\0\xdd")},
	{FROM_SERVER, DETECT_NO, SLICE("A\0\0\0\11\0\0\0\1\0")},
	/* MySQL: 81 bytes, of which the header looks like a Query's; and 80, like a Parse's */
	{FROM_CLIENT, DETECT_NO, SLICE("Q\0\0\0\3SELECT something")},
	{FROM_CLIENT, DETECT_NO, SLICE("Q\0\0\0\26SELECT a, b FROM t WHERE c = ?")},
	{FROM_CLIENT, DETECT_NO, SLICE("P\0\0\0\26SELECT a, b FROM t WHERE c = ?")},
	{FROM_CLIENT, DETECT_NO, SLICE("S\0\0\0\3SELECT something")},
	/* Kafka: ApiVersions, Metadata */
	{FROM_CLIENT, DETECT_NO, SLICE("\0\0\0\x1a\0\22\0\3\0\0\0\1\0\6rdkafka")},
	{FROM_CLIENT, DETECT_NO, SLICE("\0\0\0\x1a\0\3\0\0\0\0\0\1\0\6rdkafka")},
	{FROM_CLIENT, DETECT_NO, SLICE("CONNECT {\"verbose\":false}\r\n")},
	{FROM_SERVER, DETECT_NO, SLICE("INFO {\"server_id\":\"x\"}\r\n")},
	{FROM_CLIENT, DETECT_NO, SLICE("Dear all, this is prose.")},
	{FROM_SERVER, DETECT_NO, SLICE("Some more prose for the server to say.")},
	{FROM_CLIENT, DETECT_NO, SLICE("\x9f\3\x1c\x80\xe2\x11\x07")},
	{FROM_CLIENT, DETECT_NO, SLICE("\0\0\0\0\0\0\0\0\0\0\0\0")},
	{FROM_SERVER, DETECT_NO, SLICE("\0\0\0\0\0\0\0\0\0\0\0\0")},
};

static void test_detection(void **unused)
{
	(void)unused;
	rig_run_detections(rig_protocol("postgresql"), detections,
			   sizeof(detections) / sizeof(*detections));
}

/* What was not copied of a long statement is no literal left open, and the next message is found. */
static void test_long_statement(void **unused)
{
	static char query[10000] = "Q\0\0\x27\x0fSELECT a FROM t WHERE b = '";
	struct conversation c = {.turns = {CLIENT(""), SERVER(DONE_SELECT READY)}};

	(void)unused;
	memset(query + 32, 'x', sizeof(query) - 34);
	query[sizeof(query) - 2] = '\'';
	c.name = "long statement";
	c.turns[0].bytes = slice_of(query, sizeof(query));
	c.transcript = "> request id=1 skip=7952 tag=3 db.query.text=SELECT a FROM t WHERE b = ? "
		       "db.query.summary=SELECT t\n"
		       "< response more id=1 db.response.returned_rows=2\n"
		       "< end id=1\n";
	rig_run(rig_protocol("postgresql"), &c, 1);
}

/* Whose end in the middle of a message was not copied. */
static void test_cut_messages(void **unused)
{
	static const struct conversation cases[] = {
		{
			.name = "cut query",
			.turns = {CLIENT_CUT("Q\0\0\0\x40SELECT a FROM t WHERE b = 'xx", 31),
				  SERVER(DONE_SELECT READY)},
			.transcript = "> request id=1 skip=31 tag=3 "
				      "db.query.text=SELECT a FROM t WHERE b = ? "
				      "db.query.summary=SELECT t\n"
				      "< response more id=1 db.response.returned_rows=2\n"
				      "< end id=1\n",
		},
		{
			.name = "cut rows",
			.turns = {CLIENT(QUERY_EMPTY), SERVER_CUT(ROW "D\0\0\1\0\0\1", 250),
				  CLIENT(QUERY_EMPTY), SERVER(EMPTY READY)},
			.transcript = "> request id=1 tag=3\n"
				      "< response more id=1 skip=8\n"
				      "< none skip=252\n"
				      "> request id=2 tag=11\n"
				      "< part id=1\n"
				      "< end id=1\n",
		},
		{
			.name = "cut rows lost",
			.turns = {CLIENT(QUERY_EMPTY), SERVER_CUT(ROW ROW, 300),
				  CLIENT(QUERY_EMPTY), SERVER(EMPTY READY)},
		},
	};

	(void)unused;
	rig_run(rig_protocol("postgresql"), cases, sizeof(cases) / sizeof(*cases));
}

#define SEEN                                                               \
	"> request id=1 tag=1 db.query.text=SELECT a FROM t WHERE b = $1 " \
	"db.query.summary=SELECT t\n"                                      \
	"< response id=1 db.response.returned_rows=2\n"

/* In what was missed there may have been another statement without name, or another portal. */
static void test_missed_definitions(void **unused)
{
	static const struct conversation cases[] = {
		{
			.name = "missed statement",
			.turns = {CLIENT(PARSE PARSE_NAMED BIND BIND_PORTAL EXECUTE SYNC),
				  SERVER(PARSED BOUND DONE_SELECT READY), CLIENT_CUT(FLUSH, 60),
				  CLIENT(EXECUTE EXECUTE_PORTAL BIND EXECUTE BIND_NAMED EXECUTE)},
			.transcript = SEEN "> request id=2 tag=13\n"
					   "> request id=2 tag=13\n"
					   "> request id=2 tag=13\n"
					   "> request id=2 tag=9 db.query.text=UPDATE t SET a = $1 "
					   "db.query.summary=UPDATE t\n",
		},
		{
			.name = "cut statement",
			.turns = {CLIENT(PARSE BIND EXECUTE SYNC),
				  SERVER(PARSED BOUND DONE_SELECT READY),
				  CLIENT_CUT("P\0\0\0\050", 36), CLIENT(BIND EXECUTE)},
			.transcript = SEEN "> none skip=36\n> request id=2 tag=13\n",
		},
		{
			.name = "cut portal",
			.turns = {CLIENT(PARSE BIND EXECUTE SYNC),
				  SERVER(PARSED BOUND DONE_SELECT READY),
				  CLIENT_CUT("B\0\0\0\022", 14), CLIENT(EXECUTE)},
			.transcript = SEEN "> none skip=14\n> request id=2 tag=13\n",
		},
	};

	(void)unused;
	rig_run(rig_protocol("postgresql"), cases, sizeof(cases) / sizeof(*cases));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_conversations),	   cmocka_unit_test(test_detection),
		cmocka_unit_test(test_long_statement),	   cmocka_unit_test(test_cut_messages),
		cmocka_unit_test(test_missed_definitions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

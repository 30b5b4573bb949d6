// SPDX-License-Identifier: Apache-2.0
/*
 * Which bytes are taken for MySQL's.
 */
#include "tests/unit/mysql_packets.h"
#include "tests/unit/protocol_rig.h"

#define YES(sender, lit)                              \
	{                                             \
		FROM_##sender, DETECT_YES, SLICE(lit) \
	}
#define LIKELY(sender, lit)                              \
	{                                                \
		FROM_##sender, DETECT_LIKELY, SLICE(lit) \
	}
#define MORE(sender, lit)                              \
	{                                              \
		FROM_##sender, DETECT_MORE, SLICE(lit) \
	}
#define NO(sender, lit)                              \
	{                                            \
		FROM_##sender, DETECT_NO, SLICE(lit) \
	}

static const struct detect_case detections[] = {
	YES(SERVER, GREETING),
	YES(SERVER, GREETING_MARIADB),
	YES(SERVER, "\34\0\0\0\377\20\4#08004Too many connections"
		    ""),
	YES(SERVER, NO_TABLE),
	YES(SERVER, ROWS),
	YES(SERVER, ROWS_OLD),
	YES(CLIENT, LOGIN),
	YES(CLIENT, LOGIN_OLD),
	LIKELY(CLIENT, PING),
	LIKELY(CLIENT, PING SELECT),
	LIKELY(CLIENT, SELECT),
	LIKELY(CLIENT, PREPARE),
	LIKELY(CLIENT, "\12\0\0\0\27\7\0\0\0\0\1\0\0\0"),
	LIKELY(CLIENT, "\5\0\0\0\31\7\0\0\0" SELECT),
	LIKELY(CLIENT, "\5\0\0\0\2shop"),
	LIKELY(CLIENT, "\13\0\0\0\3\0\1SELECT 1"),
	LIKELY(CLIENT, "\0\0\1\0\3/* long */ INSERT INTO"),
	LIKELY(SERVER, OK),
	LIKELY(SERVER, "\14\0\0\1\0\1\0\0\0\1\0\1\0\0\0\0"),
	LIKELY(SERVER, "\5\0\0\1\376\0\0\2\0"),
	MORE(CLIENT, "\12\0\0\0\27\7\0\0"),
	MORE(SERVER, "\1\0\0\1\1"),
	MORE(CLIENT, "Q\0\0\0\26COPY t FROM STDIN"), /* PostgreSQL's, as it happens */
	/* Not a command, not its length, not what it holds. */
	NO(CLIENT, "\1\0\0\0\0"),
	NO(CLIENT, "\4\0\0\0\16abc"),
	NO(CLIENT, "\12\0\0\0\27\7\0\0\0\0\2\0\0\0"),
	NO(CLIENT, "\12\0\0\0\27\0\0\0\0\0\1\0\0\0"),
	NO(CLIENT, "\6\0\0\0\3\1\2\3\4\5"),
	NO(CLIENT, "\6\0\0\0\003=quit"),
	NO(CLIENT, "\1\0\0\0\16\1\0\0\7\16"),
	NO(CLIENT, OK),
	NO(CLIENT, "\7\0\0\3\0\0\0\2\0\0\0"),
	NO(SERVER, "\7\0\0\3\0\0\0\2\0\0\0"),
	NO(SERVER, PING),
	NO(SERVER, "\7\0\0\1\0\375\0\2\0\0\0"),
	NO(SERVER, "\1\0\0\1\1\3\0\0\2abc"),
	/* HTTP, Redis, TLS, PostgreSQL, Kafka, MongoDB, DNS, AMQP, HTTP/2, prose. */
	NO(CLIENT, "GET / HTTP/1.1\r\n\r\n"),
	NO(SERVER, "HTTP/1.1 200 OK\r\n\r\n"),
	NO(CLIENT, "*1\r\n$4\r\nPING\r\n"),
	NO(SERVER, "+PONG\r\n"),
	NO(CLIENT, "\26\3\1\2\0\1\0\1\374\3\3"),
	NO(CLIENT, "\26\3\1\0\372\1\0\0\366\3\3\301\302\303\304"),
	NO(SERVER, "\26\3\3\0\172\2\0\0\166\3\3"),
	NO(CLIENT, "\0\0\0\10\4\322\26\57"),
	NO(CLIENT, "Q\0\0\0\26SELECT 1 FROM abc\0"),
	NO(SERVER, "R\0\0\0\10\0\0\0\0"),
	NO(CLIENT, "\0\0\0\43\0\22\0\4\0\0\0\1\0\4test"),
	NO(CLIENT, "\0\1\0\0\0\3\0\4\0\0\0\1\0\4test"),
	NO(CLIENT, "\72\0\0\0\3\0\0\0\0\0\0\0\335\7\0\0"),
	NO(SERVER, "\72\0\0\0\3\0\0\0\0\0\0\0\335\7\0\0"),
	NO(CLIENT, "\0\35\253\0\1\0\0\1\0\0\0\0\0\0"),
	NO(CLIENT, "AMQP\0\0\11\1"),
	NO(CLIENT, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
	NO(SERVER, "\0\0\22\4\0\0\0\0\0"),
	NO(CLIENT, "Once upon a time"),
	NO(SERVER, "Once upon a time"),
};

static void test_detections(void **state)
{
	(void)state;
	rig_run_detections(rig_protocol("mysql"), detections,
			   sizeof(detections) / sizeof(*detections));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_detections),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: Apache-2.0
/* protoname: conversations, what is cut, what is hostile, and what is none of it. */
#include "tests/unit/protocol_rig.h"

#define PUT " protoname.verb=put protoname.key=lamp"
#define GET " protoname.verb=get protoname.key=lamp"
#define GET_NONE " protoname.verb=get protoname.key=none"
#define MISSING " error.type=missing"
#define SERVER_END " server.address=192.0.2.2 server.port=7777"
#define TO_SERVER SERVER_END " network.peer.address=192.0.2.2 network.peer.port=7777\n"
#define TO_CLIENT SERVER_END " network.peer.address=192.0.2.1 network.peer.port=40000\n"

static const struct conversation conversations[] = {
	{
		.name = "exchanges",
		.turns = {CLIENT("protoname/1 put lamp 5\nvalue"), SERVER("protoname/1 ok 0\n"),
			  CLIENT("protoname/1 get lamp\nprotoname/1 get none\n"),
			  SERVER("protoname/1 ok 5\nvalueprotoname/1 error missing\n")},
		.transcript = "> request skip=5" PUT "\n"
			      "< response\n"
			      "> request" GET "\n"
			      "> request" GET_NONE "\n"
			      "< response skip=5\n"
			      "< response" MISSING "\n",
		.spans = "put client" PUT TO_SERVER "get client" GET TO_SERVER
			 "get client error" GET_NONE MISSING TO_SERVER,
	},
	{
		.name = "server's side",
		.turns = {CLIENT("protoname/1 get lamp\n"), SERVER("protoname/1 ok 0\n")},
		.spans = "get server" GET TO_CLIENT,
		.side = SIDE_SERVER,
	},
	{
		.name = "join at an answer",
		.turns = {SERVER("protoname/1 ok 5\nvalue"), CLIENT("protoname/1 get lamp\n"),
			  SERVER("protoname/1 ok 5\nvalue")},
		.spans = "get client" GET TO_SERVER,
	},
	{
		.name = "cut",
		.turns = {CLIENT_CUT("protoname/1 get la", 3), SERVER("protoname/1 ok 5\nvalue"),
			  CLIENT("protoname/1 get lamp\n"),
			  SERVER_CUT("protoname/1 ok 99\nval", 96)},
		.transcript = "> request cut protoname.verb=get\n"
			      "< response skip=5\n"
			      "> request" GET "\n"
			      "< response skip=99\n",
	},
	{
		.name = "bad length",
		.turns = {CLIENT("protoname/1 put lamp 99999999999999999999\n")},
		.transcript = "> error\n",
	},
};

static const struct detect_case detections[] = {
	{FROM_CLIENT, DETECT_YES, SLICE("protoname/1 get lamp\n")},
	{FROM_CLIENT, DETECT_YES, SLICE("protoname/1 put lamp 5\nvalue")},
	{FROM_SERVER, DETECT_YES, SLICE("protoname/1 ok 0\n")},
	{FROM_CLIENT, DETECT_MORE, SLICE("protoname/1 g")},
	{FROM_CLIENT, DETECT_NO, SLICE("protoname/1 ok 0\n")},
	{FROM_SERVER, DETECT_NO, SLICE("protoname/2 ok 0\n")},
	{FROM_CLIENT, DETECT_NO, SLICE("GET / HTTP/1.1\r\n")},
	{FROM_SERVER, DETECT_NO, SLICE("HTTP/1.1 200 OK\r\n")},
	{FROM_CLIENT, DETECT_NO, SLICE("*1\r\n$4\r\nPING\r\n")},
	{FROM_CLIENT, DETECT_NO, SLICE("\x16\x03\x01\x02\x00\x01\x00")},
};

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TESTS("protoname"),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

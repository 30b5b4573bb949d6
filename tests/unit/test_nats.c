// SPDX-License-Identifier: Apache-2.0
/* The NATS client protocol: conversations, joins, cuts and what is none of it. */
#include "protocol_rig.h"

#define TP "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
#define INFO "INFO {\"server_id\":\"NA\",\"version\":\"2.9.10\",\"headers\":true} \r\n"
#define CONNECT "CONNECT {\"verbose\":false,\"user\":\"u\",\"pass\":\"secret\"}\r\n"
#define ENDS                                                                        \
	" server.address=192.0.2.2 server.port=7777 network.peer.address=192.0.2.2" \
	" network.peer.port=7777 network.transport=tcp"
#define SERVED                                                                      \
	" server.address=192.0.2.2 server.port=7777 network.peer.address=192.0.2.1" \
	" network.peer.port=40000 network.transport=tcp"
#define OP(name) " messaging.system=nats messaging.operation.name=" name
#define SEND OP("publish") " messaging.operation.type=send"
#define FETCH OP("fetch") " messaging.operation.type=receive"
#define PUSH OP("deliver") " messaging.operation.type=process"
#define TO(name) " messaging.destination.name=" name
#define LIKE(name) " messaging.destination.template=" name
#define SIZE(n) " messaging.message.body.size=" #n

static const struct conversation conversations[] = {
	{
		.name = "publish and subscribe",
		.turns =
			{
				SERVER(INFO),
				CLIENT(CONNECT "PING\r\n"),
				SERVER("PONG\r\n"),
				CLIENT("SUB orders.* workers 1\r\nPUB orders.new 5\r\nhello\r\n"
				       "pub  a\tb   0\r\n\r\n"),
				SERVER("MSG orders.new 1 5\r\nhello\r\n+OK\r\nPING\r\n"),
				CLIENT("PONG\r\nUNSUB 1 5\r\nUNSUB 9\r\n"),
			},
		.transcript = "> oneway" OP("subscribe") TO(
			"orders.*") " messaging.consumer.group.name=workers\n"
				    "> oneway skip=7" SEND TO("orders.new") SIZE(
					    5) "\n"
					       "> oneway skip=2" SEND TO("a") SIZE(
						       0) "\n"
							  "< oneway from-server skip=7" PUSH TO(
								  "orders.new")
								  LIKE("orders.*") " messaging.consumer.group.name=workers" SIZE(
									  5) "\n"
									     "> oneway" OP(
										     "unsubscribe")
										     TO("orders.*") " messaging.consumer.group.name=workers\n"
												    "> oneway" OP(
													    "unsubscribe") "\n",
		.spans = "subscribe orders.* client" OP("subscribe") TO(
			"orders.*") " messaging.consumer.group.name=workers" ENDS "\n"
				    "publish orders.new producer" OP("publish") TO("orders.new") SIZE(
					    5) " messaging.operation.type=send" ENDS "\n"
					       "publish a producer" OP("publish") TO("a") SIZE(
						       0) " messaging.operation.type=send" ENDS "\n"
							  "deliver orders.* consumer" OP(
								  "deliver") TO("orders.new")
								  LIKE("orders.*") " messaging.consumer.group.name=workers" SIZE(
									  5) " messaging.operation.type=process" ENDS
									     "\n"
									     "unsubscribe orders.* client" OP(
										     "unsubscribe")
										     TO("orders.*") " messaging.consumer.group.name=workers" ENDS
												    "\n"
												    "unsubscribe client" OP(
													    "unsubscribe")
													    ENDS
		"\n",
	},
	{
		.name = "headers",
		.turns =
			{
				CLIENT("HPUB a.b 128 131\r\nNATS/1.0\r\nTraceparent: " TP "\r\n"
				       "tracestate:x=y\r\nNats-Msg-Id: m-1\r\nX-Other: 4\r\n\r\nabc\r\n"),
				SERVER("HMSG a.b 7 re.ply 81 84\r\nNATS/1.0\r\ntraceparent:" TP
				       "\r\n\r\nabc\r\n"),
			},
		.transcript = "> oneway skip=5 traceparent=" TP
			      " tracestate=x=y" SEND TO("a.b") " messaging.message.id=m-1" SIZE(
				      3) "\n"
					 "< oneway from-server skip=5 link=" TP PUSH TO("a.b")
						 SIZE(3) "\n",
	},
	{
		.name = "headers of other tracers",
		.turns =
			{
				CLIENT("HPUB a.b 69 72\r\nNATS/1.0\r\nb3: 0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1\r\n\r\nabc\r\n"),
				SERVER("HMSG a.b 7 108 111\r\nNATS/1.0\r\nX-B3-TraceId: 0af7651916cd43dd8448eb211c80319c\r\nX-B3-SpanId: b7ad6b7169203331\r\nX-B3-Sampled: 0\r\n\r\nabc\r\n"),
			},
		.transcript = "> oneway skip=5 b3=00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" SEND
			TO("a.b") SIZE(
				3) "\n< oneway from-server skip=5 link=00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00" PUSH
				TO("a.b") SIZE(3) "\n",
	},
	{
		.name = "request and reply",
		.turns =
			{
				CLIENT("SUB _INBOX.q.* 1\r\nPUB users.17.get _INBOX.q.1 2\r\nhi\r\n"
				       "PUB slow _INBOX.q.2 0\r\n\r\n"),
				SERVER("MSG _INBOX.q.2 1 1\r\nx\r\nMSG _INBOX.q.1 1 2\r\nxy\r\n"
				       "MSG _INBOX.q.1 1 2\r\nxy\r\n"),
				CLIENT("PUB nobody _INBOX.q.3 0\r\n\r\n"),
				SERVER("HMSG _INBOX.q.3 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\n"),
			},
		.spans = "subscribe client" OP("subscribe") TO(
			"_INBOX.q.*") " messaging.destination.temporary=true" ENDS "\n"
				      "request slow producer" OP("request") TO("slow") SIZE(
					      0) " messaging.operation.type=send" ENDS "\n"
						 "request users.*.get producer" OP("request") TO(
							 "users.17.get") LIKE("users.*.get")
							 SIZE(2) " messaging.operation.type=send" ENDS
								 "\n"
								 "deliver consumer" OP("deliver")
									 TO("_INBOX.q.1") " messaging.destination.temporary=true" SIZE(
										 2) " messaging.operation.type=process" ENDS
										    "\n"
										    "request nobody producer error" OP(
											    "request") TO("nobody")
											    SIZE(0) " messaging.operation.type=send" ENDS
												    " error.type=503\n",
	},
	{
		.name = "jetstream",
		.turns =
			{
				CLIENT("PUB $JS.API.CONSUMER.MSG.NEXT.S.c _INBOX.p 2\r\n{}\r\n"),
				SERVER("MSG orders.1 1 $JS.ACK.S.c.1.1.1.9.0 1\r\nx\r\n"),
				CLIENT("PUB $JS.ACK.S.c.1.1.1.9.0 4\r\n+ACK\r\n"),
				SERVER("HMSG _INBOX.p 1 28 28\r\nNATS/1.0 404 No Messages\r\n\r\n\r\n"),
			},
		.transcript = "> oneway skip=4" FETCH TO("$JS.API.CONSUMER.MSG.NEXT.S.c") SIZE(
			2) "\n"
			   "< oneway from-server skip=3" PUSH TO("orders.1") LIKE("orders.*") SIZE(
				   1) "\n"
				      "> oneway skip=6" OP("settle") " messaging.operation.type=settle" TO(
					      "$JS.ACK.S.c.1.1.1.9.0") LIKE("$JS.ACK.S.c.*.*.*.*.*")
					      SIZE(4) "\n"
						      "< none skip=2\n",
	},
	{
		.name = "jetstream in a domain",
		.turns =
			{
				CLIENT("PUB $JS.hub.API.CONSUMER.MSG.NEXT.S.c _INBOX.p.1 2\r\n{}\r\n"),
				SERVER("MSG orders.1 1 $JS.ACK.hub.x.S.c.1.1.1.9.0 1\r\nx\r\n"),
				CLIENT("PUB $JS.hub.API.INFO _INBOX.p.2 0\r\n\r\n"),
			},
		.spans = "fetch $JS.hub.API.CONSUMER.MSG.NEXT.S.c client" OP("fetch") TO(
			"$JS.hub.API.CONSUMER.MSG.NEXT.S.c")
			SIZE(2) " messaging.operation.type=receive" ENDS "\n"
				"deliver orders.* consumer" OP("deliver") TO("orders.1") LIKE(
					"orders.*") SIZE(1) " messaging.operation.type=process" ENDS
							    "\n",
	},
	{
		.name = "errors",
		.turns =
			{
				SERVER("-ERR 'Permissions Violation for Publish to \"a\"'\r\n"
				       "-err 'Something New'\r\n"),
			},
		.spans = "error server error" OP("error") ENDS " error.type=permissions_violation\n"
							       "error server error" OP("error") ENDS
		" error.type=_OTHER\n",
	},
	{
		.name = "server side",
		.turns =
			{
				CLIENT("PUB a 1\r\nx\r\n"),
				SERVER("MSG a 1 1\r\nx\r\n"),
			},
		.side = SIDE_SERVER,
		.spans = "publish a server" OP("publish") TO("a")
			SIZE(1) " messaging.operation.type=send" SERVED "\n"
				"deliver a producer" OP("deliver") TO("a")
					SIZE(1) " messaging.operation.type=send" SERVED "\n",
	},
	{
		.name = "tls",
		.turns = {SERVER("INFO {\"server_id\":\"N\",\"tls_required\":true}\r\n")},
		.transcript = "< none upgrade upgrade=tls\n",
	},
	{
		.name = "cut payload",
		.turns =
			{
				CLIENT_CUT("PUB a 10\r\n012", 9),
				CLIENT_CUT("HPUB b 100 200\r\nNATS/1.0\r\nTraceparent: " TP
					   "\r\nX: 1",
					   118),
				CLIENT("PUB c 1\r\nx\r\n"),
			},
		.transcript = "> oneway skip=12" SEND TO("a")
			SIZE(10) "\n"
				 "> oneway skip=118 traceparent=" TP SEND TO("b")
					 SIZE(100) "\n"
						   "> oneway skip=3" SEND TO("c") SIZE(1) "\n",
	},
	{
		.name = "cut line",
		.turns =
			{
				CLIENT_CUT("PUB first secon", 30),
				CLIENT("PUB c 1\r\nx\r\n"),
			},
		.transcript = "> oneway cut" SEND TO("first") SIZE(0) "\n"
								      "> oneway skip=3" SEND TO("c")
									      SIZE(1) "\n",
	},
	{
		.name = "bad size",
		.turns = {CLIENT("PUB a 99999999999999999999\r\n")},
		.transcript = "> error\n",
	},
	{
		.name = "bad sizes",
		.turns = {CLIENT("HPUB a 10 9\r\n")},
		.transcript = "> error\n",
	},
	{
		.name = "bad tokens",
		.turns = {CLIENT("PUB a b c 9\r\n")},
		.transcript = "> error\n",
	},
	{
		.name = "bad line end",
		.turns = {CLIENT("PUB a 9\n")},
		.transcript = "> error\n",
	},
	{
		.name = "bad sender",
		.turns = {SERVER("PUB a 1\r\nx\r\n")},
		.transcript = "< error\n",
	},
};

static const struct detect_case detections[] = {
	{FROM_SERVER, DETECT_YES, SLICE(INFO)},
	{FROM_CLIENT, DETECT_YES, SLICE(CONNECT)},
	{FROM_CLIENT, DETECT_YES, SLICE("PING\r\nPUB a 1\r\nx\r\n")},
	{FROM_CLIENT, DETECT_YES, SLICE("HPUB a b 12 13\r\n")},
	{FROM_CLIENT, DETECT_YES, SLICE("SUB a.> 1\r\n")},
	{FROM_CLIENT, DETECT_YES, SLICE("unsub 1\r\n")},
	{FROM_SERVER, DETECT_YES, SLICE("+OK\r\nMSG a 1 5\r\nhello\r\n")},
	{FROM_SERVER, DETECT_YES, SLICE("HMSG a 1 12 12\r\n")},
	{FROM_SERVER, DETECT_YES, SLICE("-ERR 'Stale Connection'\r\n")},
	{FROM_CLIENT, DETECT_MORE, SLICE("PING\r\nPING\r\n")},
	{FROM_SERVER, DETECT_MORE, SLICE("PONG\r\n")},
	{FROM_SERVER, DETECT_MORE, SLICE("+OK\r\n")},
	{FROM_CLIENT, DETECT_NO, SLICE("PING x\r\n")},
	{FROM_CLIENT, DETECT_NO, SLICE("SUB /path HTTP/1.1\r\n")},
	{FROM_CLIENT, DETECT_NO, SLICE("PUB /path HTTP/1.1\r\n")},
	{FROM_CLIENT, DETECT_NO, SLICE("CONNECT example.com:443 HTTP/1.1\r\n")},
	{FROM_CLIENT, DETECT_NO, SLICE("GET / HTTP/1.1\r\n")},
	{FROM_CLIENT, DETECT_NO, SLICE("INFO\r\n")},
	{FROM_SERVER, DETECT_NO, SLICE("-ERR unknown command\r\n")},
	{FROM_SERVER, DETECT_NO, SLICE("+PONG\r\n")},
	{FROM_SERVER, DETECT_NO, SLICE("HTTP/1.1 200 OK\r\n")},
	{FROM_SERVER, DETECT_NO, SLICE("INFO: something\r\n")},
	{FROM_CLIENT, DETECT_NO, SLICE("*1\r\n$4\r\nPING\r\n")},
	{FROM_CLIENT, DETECT_NO, SLICE("\x16\x03\x01\x02\x00\x01")},
	{FROM_CLIENT, DETECT_NO, SLICE("\x00\x00\x00\x08\x04\xd2\x16\x2f")},
	{FROM_CLIENT, DETECT_NO, SLICE("Public opinion is a weak tyrant\r\n")},
	{FROM_CLIENT, DETECT_NO, SLICE("set a 0 0 1\r\nx\r\n")},
};

/* More requests than there is room for become one-way; their late answers are deliveries. */
static void many_requests_outstanding(void **state)
{
	const struct protocol *nats = rig_protocol("nats");
	void *parser = calloc(1, nats->state_size);
	char room[MSG_ROOM_SZ], line[64];
	unsigned int requests = 0, oneways = 0, answers = 0;

	(void)state;
	for (unsigned int i = 0; i < 600; i++) {
		struct attr v[MSG_ATTRS_MAX];
		struct msg msg = {.attrs = {.v = v, .cap = MSG_ATTRS_MAX},
				  .room = room,
				  .room_sz = sizeof(room)};
		bool asks = i < 300;
		int n = snprintf(line, sizeof(line),
				 asks ? "PUB a _INBOX.%u 0\r\n" : "MSG _INBOX.%u 1 0\r\n", i % 300);

		assert_int_equal(nats->parse(parser, asks ? FROM_CLIENT : FROM_SERVER,
					     slice_of(line, (size_t)n), false, &msg),
				 n);
		requests += msg.kind == MSG_REQUEST;
		oneways += msg.kind == MSG_ONEWAY;
		answers += msg.kind == MSG_RESPONSE;
	}
	assert_int_equal(requests, 256);
	assert_int_equal(answers, 256);
	assert_int_equal(oneways, 2 * (300 - 256));
	free(parser);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TESTS("nats"),
		cmocka_unit_test(many_requests_outstanding),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

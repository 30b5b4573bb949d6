// SPDX-License-Identifier: Apache-2.0
/* MQTT 3.1.1 and 5: conversations, joins, cuts and what is none of it. */
#include "protocol_rig.h"

#define TP "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01" /* 55 bytes */
#define TP_PROPERTY "\x26\x00\x0btraceparent\x00\x37" TP	     /* 71 bytes */
#define CONNECT_4                                      \
	"\x10\x12\x00\x04MQTT\x04\x02\x00\x3c\x00\x06" \
	"sensor"
#define CONNECT_5                                          \
	"\x10\x13\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x06" \
	"sensor"
#define ENDS                                                                        \
	" server.address=192.0.2.2 server.port=7777 network.peer.address=192.0.2.2" \
	" network.peer.port=7777 network.transport=tcp"
#define SERVED                                                                      \
	" server.address=192.0.2.2 server.port=7777 network.peer.address=192.0.2.1" \
	" network.peer.port=40000 network.transport=tcp"
#define OP(name) " messaging.system=mqtt messaging.operation.name=" name
#define SEND OP("publish") " messaging.operation.type=send"
#define PUSH OP("deliver") " messaging.operation.type=process"
#define TO(name) " messaging.destination.name=" name
#define LIKE(name) " messaging.destination.template=" name
#define SIZE(n) " messaging.message.body.size=" #n
#define SPAN_SEND(to, n) OP("publish") to SIZE(n) " messaging.operation.type=send"
#define SPAN_PUSH(to, n) OP("deliver") to SIZE(n) " messaging.operation.type=process"
#define ID " messaging.client.id=sensor"

static const struct conversation conversations[] = {
	{
		.name = "qos 0 and 1",
		.turns =
			{
				CLIENT(CONNECT_4),
				SERVER("\x20\x02\x00\x00"),
				CLIENT("\x82\x08\x00\x01\x00\x03"
				       "a/b\x01"),
				SERVER("\x90\x03\x00\x01\x01"),
				CLIENT("\x30\x09\x00\x03"
				       "a/bhiho"),
				CLIENT("\x32\x0b\x00\x03"
				       "a/c\x00\x02"
				       "hiho"),
				SERVER("\x32\x0b\x00\x03"
				       "a/b\x00\x02"
				       "hiho"
				       "\x40\x02\x00\x02"),
				CLIENT("\x40\x02\x00\x02\xc0\x00"),
				SERVER("\xd0\x00"),
				CLIENT("\xa2\x07\x00\x03\x00\x03"
				       "a/b\xe0\x00"),
			},
		.transcript = "> request id=65536" OP("connect") ID
		"\n"
		"< response id=65536\n"
		"> request id=1" OP("subscribe") TO(
			"a/b") "\n"
			       "< response id=1\n"
			       "> oneway skip=4" SEND TO("a/b") SIZE(
				       4) "\n"
					  "> request id=2 skip=4" SEND TO("a/c") SIZE(
						  4) "\n"
						     "< request from-server id=2 skip=4" PUSH TO("a/b") SIZE(
							     4) "\n"
								"< response id=2\n"
								"> response from-server id=2\n"
								"> request id=3" OP("unsubscribe") TO(
									"a/b") "\n"
									       "> oneway" OP(
										       "disconnect") "\n",
		.spans = "connect client" OP("connect") ID ENDS
		"\n"
		"subscribe a/b client" OP("subscribe") TO("a/b") ENDS
		"\n"
		"publish a/b producer" SPAN_SEND(TO("a/b"), 4) ENDS
		"\n"
		"publish a/c producer" SPAN_SEND(TO("a/c"), 4) ENDS
		"\n"
		"deliver a/b consumer" SPAN_PUSH(TO("a/b"), 4) ENDS
		"\n"
		"disconnect client" OP("disconnect") ENDS "\n",
	},
	{
		.name = "qos 2",
		.turns =
			{
				CLIENT("\x34\x09\x00\x03"
				       "a/b\x00\x07"
				       "xy"
				       "\x34\x09\x00\x03"
				       "a/c\x00\x08"
				       "xy"),
				SERVER("\x50\x02\x00\x08\x50\x02\x00\x07"),
				CLIENT("\x62\x02\x00\x07\x62\x02\x00\x08"),
				SERVER("\x70\x02\x00\x07\x70\x02\x00\x08"
				       "\x34\x08\x00\x02"
				       "zz\x00\x07"
				       "xy"),
				CLIENT("\x50\x02\x00\x07"),
				SERVER("\x62\x02\x00\x07"),
				CLIENT("\x70\x02\x00\x07"),
			},
		.transcript = "> request id=7 skip=2" SEND TO("a/b")
			SIZE(2) "\n"
				"> request id=8 skip=2" SEND TO("a/c")
					SIZE(2) "\n"
						"< response more id=8\n"
						"< response more id=7\n"
						"< end id=7\n"
						"< end id=8\n"
						"< request from-server id=7 skip=2" PUSH TO("zz")
							SIZE(2) "\n"
								"> response more from-server id=7\n"
								"> end from-server id=7\n",
		.side = SIDE_SERVER,
		.spans = "publish a/b server" SPAN_SEND(TO("a/b"), 2) SERVED
		"\n"
		"publish a/c server" SPAN_SEND(TO("a/c"), 2) SERVED
		"\n"
		"deliver zz producer" OP("deliver") TO("zz")
			SIZE(2) " messaging.operation.type=send" SERVED "\n",
	},
	{
		.name = "version 5",
		.turns =
			{
				CLIENT(CONNECT_5),
				SERVER("\x20\x06\x00\x00\x03\x21\x00\x14"),
				CLIENT("\x82\x1b\x00\x01\x02\x0b\x05\x00\x13"
				       "$share/g/dev/+/temp\x01"),
				SERVER("\x90\x04\x00\x01\x00\x87"),
				CLIENT("\x32\x5b\x00\x0a"
				       "dev/17/tmp\x00\x02"
				       "\x4a\x23\x00\x05" TP_PROPERTY "hi"),
				SERVER("\x40\x03\x00\x02\x10"),
				CLIENT("\x30\x07\x00\x00\x03\x23\x00\x05x"
				       "\x30\x07\x00\x00\x03\x23\x00\x06x"),
				SERVER("\x30\x4f\x00\x03"
				       "a/b\x47" TP_PROPERTY "yz"),
				SERVER("\xe0\x02\x8e\x00"),
			},
		.transcript = "> request id=65536" OP("connect") ID
		"\n"
		"< response id=65536\n"
		"> request id=1" OP("subscribe") " messaging.consumer.group.name=g" TO(
			"dev/+/temp") "\n"
				      "< response id=1 error.type=not_authorized\n"
				      "> request id=2 skip=2 traceparent=" TP SEND TO(
					      "dev/17/tmp") LIKE("dev/+/tmp")
					      SIZE(2) "\n"
						      "< response id=2\n"
						      "> oneway skip=1" SEND TO("dev/17/tmp") LIKE(
							      "dev/+/tmp")
							      SIZE(1) "\n"
								      "> oneway skip=1" SEND SIZE(
									      1) "\n"
										 "< oneway from-server skip=2 link=" TP
											 PUSH TO("a/b") SIZE(
												 2) "\n"
												    "< oneway from-server" OP(
													    "disconnect") " error.type=session_taken_over\n",
		.spans = "connect client" OP("connect") ID ENDS
		"\n"
		"subscribe dev/+/temp client error" OP(
			"subscribe") " messaging.consumer.group.name=g" TO("dev/+/temp") ENDS
		" error.type=not_authorized\n"
		"publish dev/+/tmp producer" SPAN_SEND(TO("dev/17/tmp") LIKE("dev/+/tmp"), 2) ENDS
		"\n"
		"publish dev/+/tmp producer" SPAN_SEND(TO("dev/17/tmp") LIKE("dev/+/tmp"), 1) ENDS
		"\n"
		"publish producer" SPAN_SEND(, 1) ENDS
		"\n"
		"deliver a/b consumer" SPAN_PUSH(TO("a/b"), 2) ENDS
		"\n"
		"disconnect server error" OP("disconnect") ENDS " error.type=session_taken_over\n",
	},
	{
		.name = "refused",
		.turns = {CLIENT(CONNECT_4), SERVER("\x20\x02\x00\x05")},
		.spans =
			"connect client error" OP("connect") ID ENDS " error.type=not_authorized\n",
	},
	{
		.name = "refused in version 5",
		.turns = {CLIENT(CONNECT_5), SERVER("\x20\x03\x00\x86\x00")},
		.spans = "connect client error" OP("connect") ID ENDS
		" error.type=bad_user_name_or_password\n",
	},
	{
		.name = "errors",
		.turns =
			{
				CLIENT("\x34\x07\x00\x01"
				       "a\x00\x07"
				       "xy"
				       "\x32\x07\x00\x01"
				       "a\x00\x08"
				       "xy"),
				SERVER("\x50\x03\x00\x07\x97\x40\x04\x00\x08\x87\x00"),
				CLIENT("\x82\x0a\x00\x02\x00\x01"
				       "a\x00\x00\x01"
				       "b\x00"),
				SERVER("\x90\x04\x00\x02\x00\x80"),
			},
		.spans = "publish a producer error" SPAN_SEND(TO("a"), 2) ENDS
		" error.type=quota_exceeded\n"
		"publish a producer error" SPAN_SEND(TO("a"), 2) ENDS
		" error.type=not_authorized\n"
		"subscribe client error" OP("subscribe") ENDS " error.type=unspecified_error\n",
	},
	{
		.name = "join in version 5",
		.turns =
			{
				CLIENT("\x30\x4f\x00\x03"
				       "a/b\x47" TP_PROPERTY "yz"),
				CLIENT("\x30\x06\x00\x03"
				       "a/b\x00"),
			},
		.transcript = "> oneway skip=2 traceparent=" TP SEND TO("a/b")
			SIZE(2) "\n"
				"> oneway" SEND TO("a/b") SIZE(0) "\n",
	},
	{
		.name = "join in version 4",
		.turns =
			{
				CLIENT("\x30\x0a\x00\x03"
				       "a/b{\"a\":"),
				CLIENT("\x82\x08\x00\x01\x00\x03"
				       "a/b\x01"),
				CLIENT("\x30\x06\x00\x03"
				       "a/b\x00"),
			},
		.transcript = "> oneway skip=5" SEND TO("a/b")
			SIZE(5) "\n"
				"> request id=1" OP("subscribe")
					TO("a/b") "\n"
						  "> oneway skip=1" SEND TO("a/b") SIZE(1) "\n",
	},
	{
		.name = "join in version 4, payloads like properties",
		.turns =
			{
				CLIENT("\x30\x08\x00\x03"
				       "a/b\x02\x01\x00"),
				CLIENT("\x30\x09\x00\x03"
				       "a/bhiho"),
				CLIENT("\x30\x08\x00\x03"
				       "a/b\x02\x01\x00"),
			},
		.transcript = "> oneway" SEND TO("a/b")
			SIZE(0) "\n"
				"> oneway skip=4" SEND TO("a/b")
					SIZE(4) "\n"
						"> oneway skip=3" SEND TO("a/b") SIZE(3) "\n",
	},
	{
		.name = "join in version 5, a cut list",
		.turns =
			{
				CLIENT_CUT("\x30\x57\x00\x03"
					   "a/b\x4f" TP_PROPERTY "\x09\x00",
					   8),
				CLIENT("\x30\x08\x00\x03"
				       "a/b\x02\x01\x00"),
			},
		.transcript = "> oneway skip=82" SEND TO("a/b") SIZE(82) "\n"
									 "> oneway" SEND TO("a/b")
										 SIZE(0) "\n",
	},
	{
		.name = "cut payload",
		.turns =
			{
				CLIENT_CUT("\x32\xd0\x0f\x00\x03"
					   "a/b\x00\x01"
					   "0123",
					   1989),
				CLIENT_CUT("\x82\x14\x00\x02\x00\x09"
					   "sensors",
					   7),
				CLIENT("\xc0\x00"),
			},
		.transcript = "> request id=1 skip=1993" SEND TO("a/b")
			SIZE(1993) "\n"
				   "> request id=2 skip=9" OP("subscribe") "\n",
	},
	{
		.name = "cut topic",
		.turns =
			{
				CLIENT_CUT("\x30\x28\x00\x03"
					   "a/",
					   38),
				CLIENT("\x30\x05\x00\x01"
				       "axy"),
			},
		.transcript = "> oneway skip=36" SEND "\n"
			      "> oneway skip=2" SEND TO("a") SIZE(2) "\n",
	},
	{
		.name = "bad topic length",
		.turns = {CLIENT("\x30\x05\xff\xff"
				 "axy")},
		.transcript = "> oneway bad" SEND "\n",
	},
	{
		.name = "bad length",
		.turns = {CLIENT("\x30\xff\xff\xff\xff\x01")},
		.transcript = "> error\n",
	},
	{
		.name = "bad qos",
		.turns = {CLIENT("\x36\x05\x00\x01"
				 "axy")},
		.transcript = "> error\n",
	},
	{
		.name = "bad sender",
		.turns = {SERVER("\x82\x08\x00\x01\x00\x03"
				 "a/b\x01")},
		.transcript = "< error\n",
	},
	{
		.name = "bad short packets",
		.turns = {SERVER("\x40\x01\x00\x00")},
		.transcript = "< error\n",
	},
};

static const struct detect_case detections[] = {
	{FROM_CLIENT, DETECT_YES, SLICE(CONNECT_4)},
	{FROM_CLIENT, DETECT_YES, SLICE(CONNECT_5)},
	{FROM_CLIENT, DETECT_YES, SLICE("\x10\x0e\x00\x06MQIsdp\x03\x02\x00\x3c\x00\x00")},
	{FROM_SERVER, DETECT_LIKELY, SLICE("\x20\x02\x00\x00")},
	{FROM_SERVER, DETECT_LIKELY, SLICE("\x20\x06\x00\x00\x03\x21\x00\x14")},
	{FROM_CLIENT, DETECT_LIKELY,
	 SLICE("\x30\x09\x00\x03"
	       "a/bhiho")},
	{FROM_CLIENT, DETECT_LIKELY,
	 SLICE("\xc0\x00\x32\x0b\x00\x03"
	       "a/c\x00\x02"
	       "hi")},
	{FROM_CLIENT, DETECT_LIKELY,
	 SLICE("\x82\x08\x00\x01\x00\x03"
	       "a/b\x01")},
	{FROM_SERVER, DETECT_LIKELY, SLICE("\x40\x02\x00\x02")},
	{FROM_SERVER, DETECT_YES,
	 SLICE("\x30\x05\x00\x03"
	       "a/b"
	       "\x30\x05\x00\x03"
	       "a/b"
	       "\x40\x02\x00\x02"
	       "\x30\x05\x00\x03"
	       "a/b")},
	{FROM_CLIENT, DETECT_MORE, SLICE("\xc0\x00")},
	{FROM_CLIENT, DETECT_MORE, SLICE("\xe0\x00")},
	{FROM_CLIENT, DETECT_NO, SLICE("\x10\x12\x00\x04MQTX\x04\x02\x00\x3c")},
	{FROM_CLIENT, DETECT_NO, SLICE("\x10\x12\x00\x04MQTT\x07\x02\x00\x3c")},
	{FROM_SERVER, DETECT_NO, SLICE("\xc0\x00")},
	{FROM_CLIENT, DETECT_NO, SLICE("GET / HTTP/1.1\r\n")},
	{FROM_CLIENT, DETECT_NO, SLICE("PUT / HTTP/1.1\r\n")},
	{FROM_CLIENT, DETECT_NO, SLICE("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")},
	{FROM_SERVER, DETECT_NO, SLICE("HTTP/1.1 200 OK\r\n")},
	{FROM_SERVER, DETECT_NO, SLICE("200 OK\r\n")},
	{FROM_SERVER, DETECT_NO, SLICE(":1000\r\n")},
	{FROM_CLIENT, DETECT_NO, SLICE("*1\r\n$4\r\nPING\r\n")},
	{FROM_CLIENT, DETECT_NO, SLICE("\x16\x03\x01\x02\x00\x01")},
	{FROM_SERVER, DETECT_NO,
	 SLICE("\x4a\x00\x00\x00\x0a"
	       "8.0.36")},
	{FROM_CLIENT, DETECT_NO, SLICE("\x20\x00\x00\x00\x03SELECT 1")},
	{FROM_CLIENT, DETECT_NO, SLICE("\x30\x00\x00\x00\x03SELECT 1")},
	{FROM_CLIENT, DETECT_NO, SLICE("\x32\x05\x00\x00\x03SELECT 1")},
	{FROM_CLIENT, DETECT_NO, SLICE("Q\x00\x00\x00\x0dselect 1\x00")},
	{FROM_CLIENT, DETECT_NO, SLICE("P\x00\x00\x00\x0d\x00select\x00")},
	{FROM_CLIENT, DETECT_NO, SLICE("\x00\x00\x00\x20\x00\x12\x00\x04")},
	{FROM_CLIENT, DETECT_NO, SLICE("\x80\x01\x00\x03\x00\x00\x00\x00")},
	{FROM_CLIENT, DETECT_NO, SLICE("0123456789")},
	{FROM_CLIENT, DETECT_NO, SLICE("Public opinion is a weak tyrant\r\n")},
	{FROM_CLIENT, DETECT_NO, SLICE("AMQP\0\0\x09\x01")},
};

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TESTS("mqtt"),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

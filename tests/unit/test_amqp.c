// SPDX-License-Identifier: Apache-2.0
/* AMQP 0-9-1: conversations, joins, cuts and what is none of it. */
#include "amqp_frames.h"
#include "protocol_rig.h"

#define TP "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
#define ENDS                                                                        \
	" server.address=192.0.2.2 server.port=7777 network.peer.address=192.0.2.2" \
	" network.peer.port=7777 network.transport=tcp"
#define SERVED                                                                      \
	" server.address=192.0.2.2 server.port=7777 network.peer.address=192.0.2.1" \
	" network.peer.port=40000 network.transport=tcp"
#define OP(name) " messaging.system=rabbitmq messaging.operation.name=" name
#define TYPE(name) " messaging.operation.type=" name
#define TO(name) " messaging.destination.name=" name
#define TEMPORARY(name) TO(name) " messaging.destination.temporary=true"
#define LIKE(name) " messaging.destination.template=" name
#define KEY(name) " messaging.rabbitmq.destination.routing_key=" name
#define TAG(n) " messaging.rabbitmq.message.delivery_tag=" #n
#define SIZE(n) " messaging.message.body.size=" #n
#define TEXTS " messaging.message.id=m-1 messaging.message.conversation_id=c-1"

/* clang-format off */
static const struct conversation conversations[] = {
	{
		.name = "connect and declare",
		.turns = {
			CLIENT(GREETING),
			SERVER(START),
			CLIENT(START_OK),
			SERVER(TUNE),
			CLIENT(TUNE_OK OPEN),
			SERVER(OPEN_OK),
			CLIENT(CHANNEL_OPEN CHANNEL_2_OPEN),
			SERVER(CHANNEL_2_OPEN_OK CHANNEL_OPEN_OK),
			CLIENT(DECLARE DECLARE DECLARE_ANY DECLARE_NO_WAIT),
			SERVER(DECLARE_OK DECLARE_OK DECLARE_ANY_OK),
			CLIENT(BIND CLOSE HEARTBEAT),
			SERVER(BIND_OK CLOSE_OK HEARTBEAT),
		},
		.transcript =
			"> request id=1" OP("connection.start-ok") "\n"
			"< response id=1\n"
			"> request id=2" OP("connection.open") "\n"
			"< response id=2\n"
			"> request id=3" OP("channel.open") "\n"
			"> request id=4" OP("channel.open") "\n"
			"< response id=4\n"
			"< response id=3\n"
			"> request id=5" OP("queue.declare") TO("orders") "\n"
			"> request id=6" OP("queue.declare") TO("orders") "\n"
			"> request id=7" OP("queue.declare") "\n"
			"> oneway" OP("queue.declare") TO("orders") "\n"
			"< response id=5" TO("orders") "\n"
			"< response id=6" TO("orders") "\n"
			"< response id=7" TEMPORARY("amq.gen-Xa21") "\n"
			"> request id=8" OP("queue.bind") TO("orders") "\n"
			"> request id=9" OP("channel.close") "\n"
			"< response id=8\n"
			"< response id=9\n",
		.spans =
			"connection.start-ok client" OP("connection.start-ok") ENDS "\n"
			"connection.open client" OP("connection.open") ENDS "\n"
			"channel.open client" OP("channel.open") ENDS "\n"
			"channel.open client" OP("channel.open") ENDS "\n"
			"queue.declare orders client" OP("queue.declare") TO("orders") ENDS "\n"
			"queue.declare orders client" OP("queue.declare") TO("orders") ENDS "\n"
			"queue.declare orders client" OP("queue.declare") TO("orders") ENDS "\n"
			"queue.declare client" OP("queue.declare") TEMPORARY("amq.gen-Xa21") ENDS
				"\n"
			"queue.bind orders client" OP("queue.bind") TO("orders") ENDS "\n"
			"channel.close client" OP("channel.close") ENDS "\n",
	},
	{
		.name = "publish",
		.turns = {
			CLIENT(SELECT),
			SERVER(SELECT_OK),
			CLIENT(PUBLISH HEADER_TRACED BODY_2 BODY_3),
			CLIENT(PUBLISH_QUEUE HEADER_0),
			CLIENT(PUBLISH PUBLISH_USER HEADER_2_3 HEADER_5 BODY_2 BODY_OF_2 BODY_3),
			SERVER(ACK NACK),
			CLIENT(PUBLISH_REPLY HEADER_2_3 BODY_OF_2),
			SERVER(RETURN HEADER_5 BODY_2 BODY_3),
		},
		.transcript =
			"> request id=1" OP("confirm.select") "\n"
			"< response id=1\n"
			"> oneway more id=2 traceparent=" TP " tracestate=x=y" OP("publish")
				TYPE("send") TO("shop:new") KEY("new") TEXTS SIZE(5) "\n"
			"> part id=2 skip=3\n"
			"> end id=2 skip=4\n"
			"> oneway id=3" OP("publish") TYPE("send") TO("orders") KEY("orders")
				SIZE(0) "\n"
			"> oneway more id=4" OP("publish") TYPE("send") TO("users:17.changed")
				LIKE("users:*.changed") KEY("17.changed") SIZE(3) "\n"
			"> oneway more id=5" OP("publish") TYPE("send") TO("shop:new") KEY("new")
				SIZE(5) "\n"
			"> part id=5 skip=3\n"
			"> end id=4 skip=4\n"
			"> end id=5 skip=4\n"
			"< oneway from-server" OP("nack") TAG(2) " error.type=nack\n"
			"> oneway more id=6" OP("publish") TYPE("send") TEMPORARY("amq.gen-Xa21")
				KEY("amq.gen-Xa21") SIZE(3) "\n"
			"> end id=6 skip=4\n"
			"< oneway more from-server id=7" OP("return") TO("shop:nowhere")
				" error.type=312" KEY("nowhere") SIZE(5) "\n"
			"< part from-server id=7 skip=3\n"
			"< end from-server id=7 skip=4\n",
		.spans =
			"confirm.select client" OP("confirm.select") ENDS "\n"
			"publish shop:new producer" OP("publish") TO("shop:new") KEY("new") TEXTS
				SIZE(5) TYPE("send") ENDS "\n"
			"publish orders producer" OP("publish") TO("orders") KEY("orders") SIZE(0)
				TYPE("send") ENDS "\n"
			"publish users:*.changed producer" OP("publish") TO("users:17.changed")
				LIKE("users:*.changed") KEY("17.changed") SIZE(3) TYPE("send")
				ENDS "\n"
			"publish shop:new producer" OP("publish") TO("shop:new") KEY("new")
				SIZE(5) TYPE("send") ENDS "\n"
			"nack server error" OP("nack") TAG(2) ENDS " error.type=nack\n"
			"publish producer" OP("publish") TEMPORARY("amq.gen-Xa21")
				KEY("amq.gen-Xa21") SIZE(3) TYPE("send") ENDS "\n"
			"return shop:nowhere server error" OP("return") TO("shop:nowhere")
				KEY("nowhere") SIZE(5) ENDS " error.type=312\n",
	},
	{
		.name = "consume",
		.turns = {
			CLIENT(CONSUME CONSUME_TAGGED),
			SERVER(CONSUME_OK DELIVER HEADER_TRACED BODY_2 BODY_3 CONSUME_TAGGED_OK),
			SERVER(DELIVER_TAGGED HEADER_5 BODY_2 BODY_3),
			CLIENT(ACK NACK REJECT GET),
			SERVER(GET_OK HEADER_TRACED BODY_2 BODY_3),
			CLIENT(GET),
			SERVER(GET_EMPTY),
		},
		.transcript =
			"> request id=1" OP("consume") TO("orders") "\n"
			"> request id=2" OP("consume") TO("new") "\n"
			"< response id=1\n"
			"< oneway more from-server id=3 link=" TP OP("deliver") TYPE("process")
				TO("shop:new:orders") KEY("new") TAG(1) TEXTS SIZE(5) "\n"
			"< part from-server id=3 skip=3\n"
			"< end from-server id=3 skip=4\n"
			"< response id=2\n"
			"< oneway more from-server id=4" OP("deliver") TYPE("process")
				TO("shop:new") KEY("new") TAG(2) SIZE(5) "\n"
			"< part from-server id=4 skip=3\n"
			"< end from-server id=4 skip=4\n"
			"> oneway" OP("ack") TYPE("settle") TAG(1) "\n"
			"> oneway" OP("nack") TYPE("settle") TAG(2) "\n"
			"> oneway" OP("reject") TYPE("settle") TAG(3) "\n"
			"> request id=5" OP("get") TYPE("receive") TO("orders") "\n"
			"< response more id=5 link=" TP KEY("new") TAG(4) TEXTS SIZE(5) "\n"
			"< part id=5 skip=3\n"
			"< end id=5 skip=4\n"
			"> request id=6" OP("get") TYPE("receive") TO("orders") "\n"
			"< response id=6\n",
		.spans =
			"consume orders client" OP("consume") TO("orders") ENDS "\n"
			"deliver shop:new:orders consumer" OP("deliver") TO("shop:new:orders")
				KEY("new") TAG(1) TEXTS SIZE(5) TYPE("process") ENDS "\n"
			"consume new client" OP("consume") TO("new") ENDS "\n"
			"deliver shop:new consumer" OP("deliver") TO("shop:new") KEY("new") TAG(2)
				SIZE(5) TYPE("process") ENDS "\n"
			"ack client" OP("ack") TAG(1) TYPE("settle") ENDS "\n"
			"nack client" OP("nack") TAG(2) TYPE("settle") ENDS "\n"
			"reject client" OP("reject") TAG(3) TYPE("settle") ENDS "\n"
			"get orders client" OP("get") TO("orders") KEY("new") TAG(4) TEXTS SIZE(5)
				TYPE("receive") ENDS "\n"
			"get orders client" OP("get") TO("orders") TYPE("receive") ENDS "\n",
	},
	{
		.name = "broker side",
		.turns = {
			CLIENT(PUBLISH HEADER_5 BODY_2 BODY_3),
			SERVER(DELIVER HEADER_0),
			CLIENT(ACK GET),
			SERVER(GET_EMPTY),
		},
		.side = SIDE_SERVER,
		.transcript =
			"> oneway more id=1" OP("publish") TYPE("send") TO("shop:new") KEY("new")
				SIZE(5) "\n"
			"> part id=1 skip=3\n"
			"> end id=1 skip=4\n"
			"< oneway from-server id=2" OP("deliver") TYPE("process") TO("shop:new")
				KEY("new") TAG(1) SIZE(0) "\n"
			"> oneway" OP("ack") TYPE("settle") TAG(1) "\n"
			"> request id=3" OP("get") TYPE("receive") TO("orders") "\n"
			"< response id=3\n",
		.spans =
			"publish shop:new server" OP("publish") TO("shop:new") KEY("new") SIZE(5)
				TYPE("send") SERVED "\n"
			"deliver shop:new producer" OP("deliver") TO("shop:new") KEY("new") TAG(1)
				SIZE(0) TYPE("send") SERVED "\n"
			"ack server" OP("ack") TAG(1) TYPE("settle") SERVED "\n"
			"get orders server" OP("get") TO("orders") TYPE("receive") SERVED "\n",
	},
	{
		.name = "closed for errors",
		.turns = {
			CLIENT(DECLARE BIND),
			SERVER(CLOSE_404_DECLARE),
			CLIENT(CLOSE_OK CHANNEL_OPEN),
			SERVER(CHANNEL_OPEN_OK),
			CLIENT(PUBLISH HEADER_0),
			SERVER(CLOSE_404_PUBLISH),
			CLIENT(CLOSE_OK),
			SERVER(CONNECTION_CLOSE_320),
			CLIENT(CONNECTION_CLOSE_OK),
		},
		.transcript =
			"> request id=1" OP("queue.declare") TO("orders") "\n"
			"> request id=2" OP("queue.bind") TO("orders") "\n"
			"< response id=1 error.type=404\n"
			"> request id=3" OP("channel.open") "\n"
			"< response id=3\n"
			"> oneway id=4" OP("publish") TYPE("send") TO("shop:new") KEY("new")
				SIZE(0) "\n"
			"< request from-server id=5" OP("channel.close") " error.type=404\n"
			"> response from-server id=5\n"
			"< request from-server id=6" OP("connection.close") " error.type=320\n"
			"> response from-server id=6\n",
		.spans =
			"queue.declare orders client error" OP("queue.declare") TO("orders") ENDS
				" error.type=404\n"
			"channel.open client" OP("channel.open") ENDS "\n"
			"publish shop:new producer" OP("publish") TO("shop:new") KEY("new")
				SIZE(0) TYPE("send") ENDS "\n"
			"channel.close server error" OP("channel.close") ENDS " error.type=404\n"
			"connection.close server error" OP("connection.close") ENDS
				" error.type=320\n",
	},
	{
		.name = "opened again",
		.turns = {
			CLIENT(PUBLISH HEADER_5 BODY_2),
			SERVER(CLOSE_404_PUBLISH),
			CLIENT(DECLARE CLOSE_OK CHANNEL_OPEN DECLARE BODY_3),
			SERVER(CHANNEL_OPEN_OK DECLARE_OK),
		},
		.transcript =
			"> oneway more id=1" OP("publish") TYPE("send") TO("shop:new") KEY("new")
				SIZE(5) "\n"
			"> part id=1 skip=3\n"
			"< request from-server id=2" OP("channel.close") " error.type=404\n"
			"> request id=3" OP("queue.declare") TO("orders") "\n"
			"> response from-server id=2\n"
			"> request id=4" OP("channel.open") "\n"
			"> request id=5" OP("queue.declare") TO("orders") "\n"
			"> none skip=4\n"
			"< response id=4\n"
			"< response id=5" TO("orders") "\n",
	},
	{
		.name = "login refused",
		.turns = {
			CLIENT(START_OK),
			SERVER(CONNECTION_CLOSE_403),
			CLIENT(CONNECTION_CLOSE_OK),
		},
		.transcript =
			"> request id=1" OP("connection.start-ok") "\n"
			"< response id=1 error.type=403\n",
		.spans =
			"connection.start-ok client error" OP("connection.start-ok") ENDS
				" error.type=403\n",
	},
	{
		.name = "join in content",
		.turns = {
			CLIENT(BODY_2 BODY_3 PUBLISH HEADER_0),
			SERVER(HEADER_5 BODY_2 BODY_3 DECLARE_OK),
		},
		.transcript =
			"> none skip=3\n"
			"> none skip=4\n"
			"> oneway id=1" OP("publish") TYPE("send") TO("shop:new") KEY("new")
				SIZE(0) "\n"
			"< oneway more from-server id=2" OP("deliver") TYPE("process") SIZE(5)
				"\n"
			"< part from-server id=2 skip=3\n"
			"< end from-server id=2 skip=4\n"
			"< response id=4294967295" TO("orders") "\n",
		.spans =
			"publish shop:new producer" OP("publish") TO("shop:new") KEY("new")
				SIZE(0) TYPE("send") ENDS "\n"
			"deliver consumer" OP("deliver") SIZE(5) TYPE("process") ENDS "\n",
	},
	{
		.name = "cut frames",
		.turns = {
			CLIENT_CUT(PUBLISH HEADER_5 "\x03\x00\x01\x00\x00\x00\x02", 3),
			CLIENT_CUT("\x03\x00\x01\x00\x00\x00\x03", 4),
			CLIENT_CUT("\x01\x00\x01\x00\x00\x00\x30\x00\x32\x00\x0a\x00\x00\x06"
				"orders", 36),
			CLIENT(GET),
		},
		.transcript =
			"> oneway more id=1" OP("publish") TYPE("send") TO("shop:new") KEY("new")
				SIZE(5) "\n"
			"> part id=1 skip=3\n"
			"> end id=1 skip=4\n"
			"> request id=2 skip=36" OP("queue.declare") TO("orders") "\n"
			"> request id=3" OP("get") TYPE("receive") TO("orders") "\n",
		.spans =
			"publish shop:new producer" OP("publish") TO("shop:new") KEY("new")
				SIZE(5) TYPE("send") ENDS "\n",
	},
	{
		.name = "cut head",
		.turns = {
			CLIENT_CUT("\x01\x00\x01", 100),
			CLIENT(GET),
		},
		.transcript =
			"> none cut\n"
			"> request id=1" OP("get") TYPE("receive") TO("orders") "\n",
	},
	{
		.name = "bad end",
		.turns = {
			CLIENT("\x08\x00\x00\x00\x00\x00\x00\x00"),
		},
		.transcript = "> error\n",
	},
	{
		.name = "bad length",
		.turns = {
			CLIENT("\x01\x00\x01\x7f\xff\xff\xff\x00\x32\x00\x0a"),
		},
		.transcript = "> error\n",
	},
	{
		.name = "bad type",
		.turns = {
			CLIENT("\x04\x00\x01\x00\x00\x00\x04\x00\x32\x00\x0a\xce"),
		},
		.transcript = "> error\n",
	},
	{
		.name = "bad headers",
		.turns = {
			CLIENT(PUBLISH "\x02\x00\x01\x00\x00\x00\x18\x00\x3c\x00\x00\x00\x00\x00"
				"\x00\x00\x00\x00\x00\x20\x00\xff\xff\xff\xff\x03" "abcS\x7f\xce"
				),
		},
		.transcript =
			"> oneway id=1" OP("publish") TYPE("send") TO("shop:new") KEY("new")
				SIZE(0) "\n",
		.spans =
			"publish shop:new producer" OP("publish") TO("shop:new") KEY("new")
				SIZE(0) TYPE("send") ENDS "\n",
	},
};
/* clang-format on */

static const struct detect_case detections[] = {
	{FROM_CLIENT, DETECT_YES, SLICE(GREETING)},
	{FROM_SERVER, DETECT_YES, SLICE(START)},
	{FROM_CLIENT, DETECT_YES, SLICE(PUBLISH HEADER_5)},
	{FROM_SERVER, DETECT_YES, SLICE(DELIVER)},
	{FROM_SERVER, DETECT_YES, SLICE(HEADER_TRACED)},
	{FROM_CLIENT, DETECT_YES, SLICE(BODY_3)},
	{FROM_CLIENT, DETECT_YES, SLICE(HEARTBEAT)},
	{FROM_CLIENT, DETECT_LIKELY, SLICE("\x01\x00\x01\x00\x00\x00\x30\x00\x32\x00\x0a\x00")},
	{FROM_CLIENT, DETECT_MORE, SLICE("\x03\x00\x01\x00\x00\x01\x00some of a body")},
	{FROM_CLIENT, DETECT_NO, SLICE("\x03\x00\x00\x00\x00\x01\x00some of a body")},
	{FROM_SERVER, DETECT_NO, SLICE(PUBLISH)},
	{FROM_CLIENT, DETECT_NO, SLICE(DELIVER)},
	{FROM_CLIENT, DETECT_NO, SLICE("AMQP\x00\x01\x00\x00")},
	{FROM_CLIENT, DETECT_NO, SLICE("AMQP\x03\x01\x00\x00")},
	{FROM_CLIENT, DETECT_NO, SLICE("GET / HTTP/1.1\r\n")},
	{FROM_CLIENT, DETECT_NO, SLICE("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")},
	{FROM_CLIENT, DETECT_NO, SLICE("\x00\x00\x12\x04\x00\x00\x00\x00\x00")},
	{FROM_CLIENT, DETECT_NO, SLICE("*1\r\n$4\r\nPING\r\n")},
	{FROM_CLIENT, DETECT_NO, SLICE("\x16\x03\x01\x02\x00\x01")},
	{FROM_SERVER, DETECT_NO,
	 SLICE("\x4a\x00\x00\x00\x0a"
	       "8.0.36")},
	{FROM_CLIENT, DETECT_NO, SLICE("\x08\x00\x00\x00\x03SELECT ")},
	{FROM_SERVER, DETECT_NO, SLICE("\x01\x00\x00\x01\x02\x18\x00\x00\x02\x03")},
	{FROM_CLIENT, DETECT_NO, SLICE("Q\x00\x00\x00\x0dselect 1\x00")},
	{FROM_CLIENT, DETECT_NO, SLICE("\x00\x00\x00\x20\x00\x12\x00\x04")},
	{FROM_CLIENT, DETECT_NO, SLICE("\x10\x12\x00\x04MQTT\x04")},
	{FROM_CLIENT, DETECT_NO, SLICE("Public opinion is a weak tyrant\r\n")},
};

/* What the client or the server says on a channel; the frame is one of those above. */
static struct msg parse_one(struct rig *rig, enum sender sender, struct slice frame,
			    uint8_t channel)
{
	static struct attr v[MSG_ATTRS_MAX];
	static char room[MSG_ROOM_SZ];
	struct msg msg = {.attrs = {.v = v, .cap = MSG_ATTRS_MAX},
			  .room = room,
			  .room_sz = sizeof(room),
			  .memo = rig->memo,
			  .memo_owner = 1};
	char copy[64];
	ssize_t n;

	assert_in_range(frame.n, 1, sizeof(copy));
	memcpy(copy, frame.p, frame.n);
	copy[2] = (char)channel;
	n = rig->protocol->parse(rig->state, sender, slice_of(copy, frame.n), false, &msg);
	assert_int_equal((uint64_t)n + msg.skip, frame.n);
	return msg;
}

/* What finds no room is one-way; no answer is taken for another's. */
static void more_calls_than_there_is_room_for(void **state)
{
	struct rig *rig = malloc(sizeof(*rig));
	uint64_t ids[200], asked = 0, answered = 0;
	struct msg msg;

	(void)state;
	assert_non_null(rig);
	rig_begin(rig, rig_protocol("amqp"), SIDE_CLIENT);
	for (; asked < 150; asked++) {
		msg = parse_one(rig, FROM_CLIENT, SLICE(GET), 1);
		ids[asked] = msg.id;
		assert_int_equal(msg.kind, asked < 96 ? MSG_REQUEST : MSG_ONEWAY);
	}
	for (; asked < 200; asked++) {
		msg = parse_one(rig, FROM_SERVER, SLICE(GET_EMPTY), 1);
		assert_int_equal(msg.id, ids[answered++]);
		msg = parse_one(rig, FROM_CLIENT, SLICE(GET), 1);
		ids[asked] = 0;
		assert_int_equal(msg.kind, MSG_ONEWAY);
	}
	msg = parse_one(rig, FROM_CLIENT, SLICE(BIND), 1); /* there is room again for others */
	assert_int_equal(msg.kind, MSG_REQUEST);
	assert_int_equal(parse_one(rig, FROM_SERVER, SLICE(BIND_OK), 1).id, msg.id);
	for (; answered < 200; answered++) {
		msg = parse_one(rig, FROM_SERVER, SLICE(GET_EMPTY), 1);
		assert_int_equal(msg.id, ids[answered] ? ids[answered] : UINT32_MAX);
	}
	msg = parse_one(rig, FROM_CLIENT, SLICE(GET), 1);
	assert_int_equal(msg.kind, MSG_REQUEST);
	assert_int_equal(parse_one(rig, FROM_SERVER, SLICE(GET_EMPTY), 1).id, msg.id);
	rig_finish(rig);
	free(rig);
}

/* A message that finds no room ends with its header; those before it end with their bodies. */
static void more_messages_than_there_is_room_for(void **state)
{
	struct rig *rig = malloc(sizeof(*rig));
	uint64_t ids[20];
	struct msg msg;

	(void)state;
	assert_non_null(rig);
	rig_begin(rig, rig_protocol("amqp"), SIDE_CLIENT);
	for (uint8_t i = 0; i < 20; i++) {
		parse_one(rig, FROM_CLIENT, SLICE(PUBLISH), i + 1);
		msg = parse_one(rig, FROM_CLIENT, SLICE(HEADER_5), i + 1);
		ids[i] = msg.id;
		assert_int_equal(msg.kind, MSG_ONEWAY);
		assert_int_equal(msg.flags, i < 16 ? MESSAGE_HAS_PARTS : 0);
	}
	for (uint8_t i = 0; i < 20; i++) {
		msg = parse_one(rig, FROM_CLIENT, SLICE("\x03\0\0\0\0\0\5hello\xce"), i + 1);
		assert_int_equal(msg.kind, i < 16 ? MSG_END : MSG_NONE);
		assert_int_equal(msg.id, i < 16 ? ids[i] : 0);
	}
	rig_finish(rig);
	free(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TESTS("amqp"),
		cmocka_unit_test(more_calls_than_there_is_room_for),
		cmocka_unit_test(more_messages_than_there_is_room_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

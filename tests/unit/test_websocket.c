// SPDX-License-Identifier: Apache-2.0
/* WebSocket: frames of both senders, what is counted of them, and what the span says at the end. */
#include "tests/unit/protocol_rig.h"

#define MASK "\1\2\3\4"
/* Of messages and their bytes, by the client and by the server. */
#define COUNTS(cm, cb, sm, sb)                                                        \
	" websocket.client.message_count=" #cm " websocket.client.message_bytes=" #cb \
	" websocket.server.message_count=" #sm " websocket.server.message_bytes=" #sb

static const struct protocol *websocket;

struct session {
	struct conversation c;
	const char *concluded;
};

static const struct session sessions[] = {
	{{.name = "text",
	  .turns = {CLIENT("\x81\x85" MASK "abcde"), SERVER("\x81\5hello"),
		    CLIENT("\x88\x82" MASK "\2\xea"), SERVER("\x88\2\3\xe8")},
	  .transcript = "> none skip=5\n< none skip=5\n"},
	 COUNTS(1, 5, 1, 5) " websocket.close_code=1000"},
	{{.name = "nothing", .turns = {SERVER("\x89\0")}, .transcript = ""}, COUNTS(0, 0, 0, 0)},
	{{.name = "fragments and control frames",
	  .turns = {CLIENT("\1\x83" MASK "abc\x89\x84" MASK "ping\0\x82" MASK "de\x80\x80" MASK),
		    SERVER("\x8a\4ping\2\1a\x80\1b\x82\0")},
	  .transcript = "> none skip=3\n> none skip=4\n> none skip=2\n"
			"< none skip=4\n< none skip=1\n< none skip=1\n"},
	 COUNTS(1, 5, 2, 2)},
	{{.name = "compressed",
	  .turns = {CLIENT("\xc1\x83" MASK "abc"), SERVER("\xc1\2ab")},
	  .transcript = "> none skip=3\n< none skip=2\n"},
	 COUNTS(1, 3, 1, 2)},
	{{.name = "longer lengths",
	  .turns = {{FROM_CLIENT, SLICE("\x82\xfe\x01\0" MASK "abc"), true, 253},
		    {FROM_SERVER, SLICE("\x82\x7f\0\0\0\1\0\0\0\0ab"), true, 0xfffffffe},
		    SERVER("\x82\1x"),
		    CLIENT("\x81\x80" MASK)},
	  .transcript = "> none skip=256\n< none skip=4294967296\n< none skip=1\n"},
	 COUNTS(2, 256, 2, 4294967297)},
	{{.name = "the first code counts",
	  .turns = {SERVER("\x88\2\3\xf3"), CLIENT("\x88\x82" MASK "\2\xea")},
	  .transcript = ""},
	 COUNTS(0, 0, 0, 0) " websocket.close_code=1011"},
	{{.name = "close with a reason",
	  .turns = {SERVER("\x88\6\3\xf3why?"), CLIENT("\x88\x80" MASK)},
	  .transcript = "< none skip=4\n"},
	 COUNTS(0, 0, 0, 0) " websocket.close_code=1011"},
	{{.name = "close without a code",
	  .turns = {SERVER("\x88\0"), CLIENT("\x88\x80" MASK)},
	  .transcript = ""},
	 COUNTS(0, 0, 0, 0)},
	{{.name = "cut in a header",
	  .turns = {SERVER_CUT("\x81\1x\x81", 200), SERVER("\x81\1x")},
	  .transcript = "< none skip=1\n< none cut\n< none skip=1\n"},
	 COUNTS(0, 0, 2, 2) " websocket.incomplete=true"},
	{{.name = "cut in a close",
	  .turns = {SERVER_CUT("\x88\2\3", 1)},
	  .transcript = "< none skip=1\n"},
	 COUNTS(0, 0, 0, 0)},
	{{.name = "bad mask", .turns = {SERVER("\x81\x81" MASK "a")}, .transcript = "< error\n"},
	 COUNTS(0, 0, 0, 0)},
	{{.name = "bad client without mask",
	  .turns = {CLIENT("\x81\1a")},
	  .transcript = "> error\n"},
	 COUNTS(0, 0, 0, 0)},
	{{.name = "bad opcode", .turns = {SERVER("\x83\1a")}, .transcript = "< error\n"},
	 COUNTS(0, 0, 0, 0)},
	{{.name = "bad reserved bit", .turns = {SERVER("\xa1\1a")}, .transcript = "< error\n"},
	 COUNTS(0, 0, 0, 0)},
	{{.name = "bad control fragment", .turns = {SERVER("\x09\1a")}, .transcript = "< error\n"},
	 COUNTS(0, 0, 0, 0)},
	{{.name = "bad long control", .turns = {SERVER("\x89\x7e\1\0")}, .transcript = "< error\n"},
	 COUNTS(0, 0, 0, 0)},
	{{.name = "bad length",
	  .turns = {SERVER("\x82\x7f\x80\0\0\0\0\0\0\0")},
	  .transcript = "< error\n"},
	 COUNTS(0, 0, 0, 0)},
};

static void test_frames(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof(sessions) / sizeof(*sessions); i++)
		rig_run(websocket, &sessions[i].c, 1);
}

static void test_counts(void **unused)
{
	struct rig *rig = malloc(sizeof(*rig));

	(void)unused;
	assert_non_null(rig);
	for (size_t i = 0; i < sizeof(sessions) / sizeof(*sessions); i++) {
		struct attr v[MSG_ATTRS_MAX];
		struct msg msg = {.attrs = {.v = v, .cap = MSG_ATTRS_MAX}};

		rig_begin(rig, websocket, SIDE_CLIENT);
		rig_converse(rig, &sessions[i].c, RIG_TURNS_MAX, 0, 0);
		websocket->conclude(rig->state, &msg);
		rig_say_attrs(&rig->spans, &msg.attrs);
		assert_string_equal(rig->spans.p, sessions[i].concluded);
		rig_finish(rig);
	}
	free(rig);
}

static const char *span_of(struct rig *rig, enum side side, int64_t code, struct slice failure)
{
	struct rig_exchange x = {.initiator = FROM_CLIENT};

	memset(rig, 0, sizeof(*rig));
	rig->protocol = websocket;
	rig->side = side;
	x.request = (struct attrs){.v = x.request_v, .cap = MSG_ATTRS_MAX};
	x.response = (struct attrs){.v = x.response_v, .cap = MSG_ATTRS_MAX};
	attrs_add_str(&x.request, SLICE("http.request.method"), SLICE("GET"));
	attrs_add_str(&x.request, SLICE("url.path"), SLICE("/chat/7"));
	attrs_add_str(&x.request, SLICE("server.address"), SLICE("example.com"));
	attrs_add_str(&x.request, SLICE("network.protocol.version"), SLICE("1.1"));
	attrs_add_int(&x.response, SLICE("websocket.client.message_count"), 2);
	if (code)
		attrs_add_int(&x.response, SLICE("websocket.close_code"), code);
	rig->exchanges[0] = x;
	rig->exchanges[0].request.v = rig->exchanges[0].request_v;
	rig->exchanges[0].response.v = rig->exchanges[0].response_v;
	rig->exchanges_cnt = 1;
	rig_end_exchange(rig, &rig->exchanges[0], failure);
	return rig->spans.p;
}

static void test_spans(void **unused)
{
#define OF_CLIENT                                                                         \
	" url.full=http://example.com/chat/7 server.address=example.com server.port=7777" \
	" network.peer.address=192.0.2.2 network.peer.port=7777 network.transport=tcp"
#define OF_ALL " network.protocol.name=websocket websocket.client.message_count=2"
	struct rig *rig = malloc(sizeof(*rig));

	(void)unused;
	assert_non_null(rig);
	assert_string_equal(span_of(rig, SIDE_CLIENT, 1001, SLICE("")),
			    "WEBSOCKET client" OF_CLIENT OF_ALL " websocket.close_code=1001\n");
	assert_string_equal(span_of(rig, SIDE_CLIENT, 0, SLICE("")),
			    "WEBSOCKET client" OF_CLIENT OF_ALL "\n");
	assert_string_equal(span_of(rig, SIDE_CLIENT, 1011, SLICE("")),
			    "WEBSOCKET client error" OF_CLIENT OF_ALL
			    " websocket.close_code=1011 error.type=1011\n");
	assert_string_equal(span_of(rig, SIDE_CLIENT, 1011, SLICE("timeout")),
			    "WEBSOCKET client error" OF_CLIENT " error.type=timeout" OF_ALL
			    " websocket.close_code=1011\n");
	assert_string_equal(span_of(rig, SIDE_SERVER, 1000, SLICE("")),
			    "WEBSOCKET route=/chat/7 server url.path=/chat/7 url.scheme=http "
			    "server.address=example.com server.port=7777 client.address=192.0.2.1 "
			    "client.port=40000 network.peer.address=192.0.2.1 "
			    "network.peer.port=40000 network.transport=tcp" OF_ALL
			    " websocket.close_code=1000\n");
	free(rig);
}

static void test_is_never_guessed(void **unused)
{
	(void)unused;
	assert_int_equal(websocket->detect(FROM_CLIENT, SLICE("\x81\x85" MASK "abcde")), DETECT_NO);
	assert_int_equal(websocket->detect(FROM_SERVER, SLICE("")), DETECT_NO);
}

static int set_up(void **unused)
{
	(void)unused;
	websocket = rig_protocol("websocket");
	return websocket ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frames),
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_spans),
		cmocka_unit_test(test_is_never_guessed),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}

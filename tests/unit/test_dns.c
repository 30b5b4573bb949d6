// SPDX-License-Identifier: Apache-2.0
/* DNS: the TCP framing by the rig's conversations, datagrams by tables of their own. */
#include "tests/unit/protocol_rig.h"

static const struct protocol *dns;

#define IN "\0\1"
#define QUERY(id, rest) id "\x01\0\0\1\0\0\0\0\0\0" rest
#define ANSWER(id, rcode, an, rest) id "\x81" rcode "\0\1\0" an "\0\0\0\0" rest
#define EXAMPLE "\7example\3com\0"
#define MIXED "\7eXaMPle\3cOm\0"
#define A "\0\1" IN
#define AAAA "\0\x1c" IN
#define RR_A "\xc0\x0c" A "\0\0\0\x3c\0\4"
#define RR_AAAA "\xc0\x0c" AAAA "\0\0\0\x3c\0\x10"
#define RR_CNAME "\xc0\x0c\0\5" IN "\0\0\0\x3c\0\x6\3www\xc0\x0c"
#define V6 "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"

#define Q_A QUERY("\x12\x34", EXAMPLE A)
#define A_A ANSWER("\x12\x34", "\x80", "\2", EXAMPLE A RR_A "\xc0\0\2\1" RR_A "\xc0\0\2\2")
#define Q_AAAA QUERY("\x12\x35", MIXED AAAA)
#define A_AAAA ANSWER("\x12\x35", "\x80", "\2", EXAMPLE AAAA RR_CNAME RR_AAAA V6)
#define Q_NONE QUERY("\x12\x36", "\4none" EXAMPLE A)
#define A_NONE ANSWER("\x12\x36", "\x83", "\0", "\4none" EXAMPLE A)
#define Q_FAIL QUERY("\x12\x37", EXAMPLE A)
#define A_FAIL ANSWER("\x12\x37", "\x82", "\0", EXAMPLE A)
#define Q_EDNS "\x12\x38\x01\0\0\1\0\0\0\0\0\1" EXAMPLE A "\0\0\x29\x04\xd0\0\0\0\0\0\0"
#define A_EDNS "\x12\x38\x81\x80\0\1\0\0\0\0\0\1" EXAMPLE A "\0\0\x29\x04\xd0\1\0\0\0\0\0"
#define Q_ODD QUERY("\x12\x39", "\5a.b\\\1\0\xff\0" IN)
#define A_ODD ANSWER("\x12\x39", "\x8f", "\0", "\5a.b\\\1\0\xff\0" IN)
#define Q_ROOT QUERY("\x12\x3a", "\0\0\2" IN)
#define A_ROOT ANSWER("\x12\x3a", "\x80", "\0", "\0\0\2" IN)
#define Q_AXFR QUERY("\x12\x3b", EXAMPLE "\0\xfc" IN)
#define A_AXFR ANSWER("\x12\x3b", "\0", "\1", EXAMPLE "\0\xfc" IN RR_A "\xc0\0\2\1")
#define MORE_AXFR "\x12\x3b\x84\0\0\0\0\1\0\0\0\0" EXAMPLE A "\0\0\0\x3c\0\4\xc0\0\2\1"
#define UPDATE "\x12\x3c\x28\0\0\1\0\0\0\0\0\0" EXAMPLE "\0\6" IN
#define A_UPDATE "\x12\x3c\xa8\0\0\1\0\0\0\0\0\0" EXAMPLE "\0\6" IN
#define A_FORMERR "\x12\x34\x81\x81\0\0\0\0\0\0\0\0"

#define SERVER_ENDS                                                                 \
	"server.address=192.0.2.2 server.port=7777 network.peer.address=192.0.2.2 " \
	"network.peer.port=7777 network.transport=tcp"
#define CLIENT_ENDS                                                                 \
	"server.address=192.0.2.2 server.port=7777 client.address=192.0.2.1 "       \
	"client.port=40000 network.peer.address=192.0.2.1 network.peer.port=40000 " \
	"network.transport=tcp"

static const struct conversation conversations[] = {
	{
		.name = "one",
		.turns = {CLIENT("\0\x1d" Q_A), SERVER("\0\x3d" A_A)},
		.transcript = "> request id=11579509788867642977 dns.question.name=example.com "
			      "dns.question.type=A\n"
			      "< response id=11579509788867642977 dns.response_code=NOERROR "
			      "dns.answers=192.0.2.1 192.0.2.2\n",
		.spans =
			"DNS A client dns.question.name=example.com dns.question.type=A "
			"dns.response_code=NOERROR dns.answers=192.0.2.1 dns.answers=192.0.2.2 " SERVER_ENDS
			"\n",
	},
	{
		.name = "mixed-case-and-alias",
		.side = SIDE_SERVER,
		.turns = {CLIENT("\0\x1d" Q_AAAA), SERVER("\0\x4b" A_AAAA)},
		.transcript = "> request id=9776733903610836531 dns.question.name=eXaMPle.cOm "
			      "dns.question.type=AAAA\n"
			      "< response id=9776733903610836531 dns.response_code=NOERROR "
			      "dns.answers=2001:db8::1\n",
		.spans = "DNS AAAA server dns.question.name=eXaMPle.cOm dns.question.type=AAAA "
			 "dns.response_code=NOERROR dns.answers=2001:db8::1 " CLIENT_ENDS "\n",
	},
	{
		.name = "pipelined-out-of-order",
		.turns = {CLIENT("\0\x1d" Q_A "\0\x1d" Q_AAAA "\0\x22" Q_NONE),
			  SERVER("\0\x22" A_NONE "\0\x4b" A_AAAA "\0\x3d" A_A)},
		.transcript = "> request id=11579509788867642977 dns.question.name=example.com "
			      "dns.question.type=A\n"
			      "> request id=9776733903610836531 dns.question.name=eXaMPle.cOm "
			      "dns.question.type=AAAA\n"
			      "> request id=5581681263904546522 dns.question.name=none.example.com "
			      "dns.question.type=A\n"
			      "< response id=5581681263904546522 dns.response_code=NXDOMAIN\n"
			      "< response id=9776733903610836531 dns.response_code=NOERROR "
			      "dns.answers=2001:db8::1\n"
			      "< response id=11579509788867642977 dns.response_code=NOERROR "
			      "dns.answers=192.0.2.1 192.0.2.2\n",
		.spans =
			"DNS A client dns.question.name=none.example.com dns.question.type=A "
			"dns.response_code=NXDOMAIN " SERVER_ENDS "\n"
			"DNS AAAA client dns.question.name=eXaMPle.cOm dns.question.type=AAAA "
			"dns.response_code=NOERROR dns.answers=2001:db8::1 " SERVER_ENDS "\n"
			"DNS A client dns.question.name=example.com dns.question.type=A "
			"dns.response_code=NOERROR dns.answers=192.0.2.1 dns.answers=192.0.2.2 " SERVER_ENDS
			"\n",
	},
	{
		.name = "failures",
		.turns = {CLIENT("\0\x1d" Q_FAIL), SERVER("\0\x1d" A_FAIL), CLIENT("\0\x28" Q_EDNS),
			  SERVER("\0\x28" A_EDNS), CLIENT("\0\x17" Q_ODD), SERVER("\0\x17" A_ODD)},
		.transcript = "> request id=2143383578880522477 dns.question.name=example.com "
			      "dns.question.type=A\n"
			      "< response id=2143383578880522477 dns.response_code=SERVFAIL\n"
			      "> request id=5513058614088197247 dns.question.name=example.com "
			      "dns.question.type=A\n"
			      "< response id=5513058614088197247 dns.response_code=BADVERS\n"
			      "> request id=12630291486562240917 dns.question.name=a\\.b\\\\\\001 "
			      "dns.question.type=TYPE65280\n"
			      "< response id=12630291486562240917 dns.response_code=RCODE15\n",
		.spans =
			"DNS A client error dns.question.name=example.com dns.question.type=A "
			"dns.response_code=SERVFAIL " SERVER_ENDS " error.type=SERVFAIL\n"
			"DNS A client error dns.question.name=example.com dns.question.type=A "
			"dns.response_code=BADVERS " SERVER_ENDS " error.type=BADVERS\n"
			"DNS client error dns.question.name=a\\.b\\\\\\001 dns.question.type=TYPE65280 "
			"dns.response_code=RCODE15 " SERVER_ENDS " error.type=RCODE15\n",
	},
	{
		.name = "root",
		.turns = {CLIENT("\0\x11" Q_ROOT), SERVER("\0\x11" A_ROOT)},
		.transcript = "> request id=11710276881259622707 dns.question.name=. "
			      "dns.question.type=NS\n"
			      "< response id=11710276881259622707 dns.response_code=NOERROR\n",
		.spans = "DNS NS client dns.question.name=. dns.question.type=NS "
			 "dns.response_code=NOERROR " SERVER_ENDS "\n",
	},
	{
		.name = "transfer",
		.turns = {CLIENT("\0\x1d" Q_AXFR), SERVER("\0\x2d" A_AXFR "\0\x27" MORE_AXFR),
			  SERVER("\0\x27" MORE_AXFR), CLIENT("\0\x1d" Q_A), SERVER("\0\x3d" A_A)},
		.transcript = "> request id=3269716401328661242 dns.question.name=example.com "
			      "dns.question.type=AXFR\n"
			      "< response id=3269716401328661242 dns.response_code=NOERROR "
			      "dns.answers=192.0.2.1\n"
			      "> request id=11579509788867642977 dns.question.name=example.com "
			      "dns.question.type=A\n"
			      "< response id=11579509788867642977 dns.response_code=NOERROR "
			      "dns.answers=192.0.2.1 192.0.2.2\n",
		.spans =
			"DNS AXFR client dns.question.name=example.com dns.question.type=AXFR "
			"dns.response_code=NOERROR dns.answers=192.0.2.1 " SERVER_ENDS "\n"
			"DNS A client dns.question.name=example.com dns.question.type=A "
			"dns.response_code=NOERROR dns.answers=192.0.2.1 dns.answers=192.0.2.2 " SERVER_ENDS
			"\n",
	},
	{
		.name = "join-in-an-answer",
		.turns = {SERVER("\0\x3d" A_A), CLIENT("\0\x1d" Q_FAIL), SERVER("\0\x1d" A_FAIL)},
		.transcript = "< response id=11579509788867642977 dns.response_code=NOERROR "
			      "dns.answers=192.0.2.1 192.0.2.2\n"
			      "> request id=2143383578880522477 dns.question.name=example.com "
			      "dns.question.type=A\n"
			      "< response id=2143383578880522477 dns.response_code=SERVFAIL\n",
		.spans = "DNS A client error dns.question.name=example.com dns.question.type=A "
			 "dns.response_code=SERVFAIL " SERVER_ENDS " error.type=SERVFAIL\n",
	},
	{
		.name = "bad-updates-and-answers-without-question",
		.turns = {CLIENT("\0\x1d" UPDATE), SERVER("\0\x1d" A_UPDATE), CLIENT("\0\x1d" Q_A),
			  SERVER("\0\x0c" A_FORMERR)},
		.transcript = "> request id=11579509788867642977 dns.question.name=example.com "
			      "dns.question.type=A\n",
		.spans = "",
	},
	{
		.name = "cut-answer",
		.turns = {CLIENT("\0\x1d" Q_A),
			  SERVER_CUT("\0\x3d" ANSWER("\x12\x34", "\x80", "\2",
						     EXAMPLE A RR_A "\xc0\0\2\1"),
				     16),
			  CLIENT("\0\x1d" Q_FAIL), SERVER("\0\x1d" A_FAIL)},
		.transcript =
			"> request id=11579509788867642977 dns.question.name=example.com "
			"dns.question.type=A\n"
			"< response id=11579509788867642977 skip=16 dns.response_code=NOERROR "
			"dns.answers=192.0.2.1\n"
			"> request id=2143383578880522477 dns.question.name=example.com "
			"dns.question.type=A\n"
			"< response id=2143383578880522477 dns.response_code=SERVFAIL\n",
		.spans = "DNS A client dns.question.name=example.com dns.question.type=A "
			 "dns.response_code=NOERROR dns.answers=192.0.2.1 " SERVER_ENDS "\n"
			 "DNS A client error dns.question.name=example.com dns.question.type=A "
			 "dns.response_code=SERVFAIL " SERVER_ENDS " error.type=SERVFAIL\n",
	},
	{
		.name = "bad-answer-from-client",
		.turns = {CLIENT("\0\x3d" A_A)},
		.transcript = "> error\n",
	},
	{
		.name = "bad-name-beyond-the-message",
		.turns = {CLIENT("\0\x11" QUERY("\1\2", "\x3f"
							"abcd"))},
		.transcript = "> error\n",
	},
	{
		.name = "bad-length",
		.turns = {CLIENT("\0\x04"
				 "abcd")},
		.transcript = "> error\n",
	},
};

static void test_conversations(void **state)
{
	(void)state;
	rig_run(dns, conversations, sizeof(conversations) / sizeof(*conversations));
}

/* --- detection -------------------------------------------------------------------------------- */

static const struct detect_case detections[] = {
	{FROM_CLIENT, DETECT_YES, SLICE("\0\x1d" Q_A)},
	{FROM_CLIENT, DETECT_YES, SLICE("\0\x28" Q_EDNS)},
	{FROM_CLIENT, DETECT_YES, SLICE("\0\x1d" Q_A "\0\x1d" Q_AAAA)},
	{FROM_SERVER, DETECT_YES, SLICE("\0\x4b" A_AAAA)},
	{FROM_CLIENT, DETECT_NO, SLICE("\0\x3d" A_A)},
	{FROM_SERVER, DETECT_NO, SLICE("\0\x1d" Q_A)},
	{FROM_CLIENT, DETECT_NO, SLICE("\0\x1e" Q_A "x")},
	{FROM_CLIENT, DETECT_MORE, SLICE("\0\x1d" QUERY("\x12\x34", EXAMPLE))},
	{FROM_CLIENT, DETECT_NO, SLICE("GET / HTTP/1.1\r\nHost: example.com\r\n\r\n")},
	{FROM_SERVER, DETECT_NO, SLICE("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")},
	{FROM_CLIENT, DETECT_NO, SLICE("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0")},
	{FROM_CLIENT, DETECT_NO, SLICE("*2\r\n$3\r\nGET\r\n$1\r\na\r\n")},
	{FROM_SERVER, DETECT_NO, SLICE("$5\r\nhello\r\n+OK\r\n")},
	{FROM_CLIENT, DETECT_NO, SLICE("\x16\3\1\2\0\1\0\1\xfc\3\3\x55\x55\x55\x55\x55\x55")},
	{FROM_CLIENT, DETECT_NO, SLICE("\0\0\0\x28\0\3\0\0user\0postgres\0database\0test\0\0")},
	{FROM_SERVER, DETECT_NO,
	 SLICE("\x4a\0\0\0\x0a"
	       "8.0.36\0\x08\0\0\0abcdefgh\0\xff\xf7")},
	{FROM_CLIENT, DETECT_NO, SLICE("\0\0\0\x24\0\x12\0\4\0\0\0\1\0\4test\0\0\0\0\0\0\0\0")},
	{FROM_CLIENT, DETECT_NO, SLICE("\x10\x26\0\4MQTT\4\2\0\x3c\0\4test\0\0\0\0\0\0\0\0")},
	{FROM_CLIENT, DETECT_NO, SLICE("It was a bright cold day in April, and the clocks")},
	{FROM_CLIENT, DETECT_NO, SLICE("\xd6\x8a\x13\xe0\x71\x9d\x4c\x02\x5f\x88\x31\xaa\x0b\x62")},
};

static void test_detections(void **state)
{
	(void)state;
	rig_run_detections(dns, detections, sizeof(detections) / sizeof(*detections));
}

/* --- datagrams -------------------------------------------------------------------------------- */

struct datagram_case {
	struct slice bytes;
	bool cut;
	const char *transcript; /* NULL: none of DNS's */
};

static const struct datagram_case datagrams[] = {
	{SLICE(Q_A), false,
	 "> request id=11579509788867642977 dns.question.name=example.com "
	 "dns.question.type=A\n"},
	{SLICE(A_A), false,
	 "< response id=11579509788867642977 dns.response_code=NOERROR "
	 "dns.answers=192.0.2.1 192.0.2.2\n"},
	{SLICE(Q_AAAA), false,
	 "> request id=9776733903610836531 dns.question.name=eXaMPle.cOm "
	 "dns.question.type=AAAA\n"},
	{SLICE(A_AAAA), false,
	 "< response id=9776733903610836531 dns.response_code=NOERROR "
	 "dns.answers=2001:db8::1\n"},
	{SLICE(A_EDNS), false, "< response id=5513058614088197247 dns.response_code=BADVERS\n"},
	{SLICE(A_ROOT), false, "< response id=11710276881259622707 dns.response_code=NOERROR\n"},
	{SLICE(UPDATE), false, ""},
	{SLICE(ANSWER("\x12\x34", "\x80", "\2", EXAMPLE A RR_A "\xc0\0\2\1")), true,
	 "< response cut id=11579509788867642977 dns.response_code=NOERROR "
	 "dns.answers=192.0.2.1\n"},
	{SLICE(ANSWER("\x12\x34", "\x80", "\2", EXAMPLE A RR_A "\xc0\0\2\1")), false, NULL},
	{SLICE(Q_A "x"), false, NULL},
	{SLICE("\0\x1d" Q_A), false, NULL},
	{SLICE(""), false, NULL},
	{SLICE("\0\0\0\0\0\2\0\0\0\0\0\0" EXAMPLE A EXAMPLE A), false, NULL},	 /* two questions */
	{SLICE("\0\0\0\0\0\1\0\0\0\0\0\0" EXAMPLE "\0\xff\x80\1"), false, NULL}, /* mDNS */
	{SLICE("some.counter:1|c|#host:example"), false, NULL},
	{SLICE("<34>1 2003-10-11T22:14:15.003Z host su - ID47 - message"), false, NULL},
	{SLICE("\xc3\0\0\0\1\x08"
	       "12345678"
	       "\x08"
	       "abcdefgh"
	       "\0\x44\x9e"),
	 true, NULL}, /* QUIC */
	{SLICE("\x23\2\6\xec\0\0\4\x1c\0\0\1\x2a\xc0\xa8\1\1"
	       "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
	 false, NULL}, /* NTP */
};

/* One datagram in an allocation of its own size, as text; false if it is refused. */
static bool parse_exactly(struct slice bytes, bool cut, struct rig_text *text)
{
	struct attr v[MSG_ATTRS_MAX];
	char *copy = malloc(bytes.n ? bytes.n : 1), *room = malloc(MSG_ROOM_SZ);
	struct msg msg = {
		.attrs = {.v = v, .cap = MSG_ATTRS_MAX}, .room = room, .room_sz = MSG_ROOM_SZ};
	ssize_t n;

	assert_non_null(copy);
	memcpy(copy, bytes.p, bytes.n);
	n = dns->parse_datagram(slice_of(copy, bytes.n), cut, &msg);
	text->n = 0;
	text->p[0] = 0;
	if (n >= 0) {
		assert_int_equal(n, bytes.n);
		rig_say_msg(text, msg.kind == MSG_RESPONSE ? FROM_SERVER : FROM_CLIENT, &msg);
	} else {
		assert_int_equal(n, -EPROTO);
	}
	free(copy);
	free(room);
	return n >= 0;
}

static void test_datagrams(void **state)
{
	struct rig_text *text = malloc(sizeof(*text));

	(void)state;
	for (size_t i = 0; i < sizeof(datagrams) / sizeof(*datagrams); i++) {
		const struct datagram_case *c = &datagrams[i];
		bool taken = parse_exactly(c->bytes, c->cut, text);

		assert_int_equal(taken, c->transcript != NULL);
		if (taken)
			assert_string_equal(text->p, c->transcript);
		for (size_t n = 0; taken && n < c->bytes.n; n++) {
			struct slice prefix = slice_first(c->bytes, n);

			assert_false(parse_exactly(prefix, false, text));
			if (parse_exactly(prefix, true, text))
				assert_true(n >= 17); /* a question was whole */
		}
	}
	free(text);
}

/* Over UDP there is no socket that tells: both framings say the same. */
static void test_datagram_span(void **state)
{
	struct attr v[16], request_v[4];
	struct attrs request = {.v = request_v, .cap = 4}, none = {.cnt = 0};
	struct description *out = calloc(1, sizeof(*out));
	struct exchange_view view = {.side = SIDE_CLIENT,
				     .datagram = true,
				     .request = &request,
				     .response = &none,
				     .failure = SLICE("timeout")};

	(void)state;
	attrs_add_str(&request, SLICE("dns.question.name"), SLICE("a"));
	attrs_add_str(&request, SLICE("dns.question.type"), SLICE("A"));
	out->attrs = (struct attrs){.v = v, .cap = 16};
	dns->describe(&view, out);
	assert_true(out->error);
	assert_true(
		slice_eq(attrs_get(&out->attrs, SLICE("network.transport"))->str, SLICE("udp")));
	assert_true(slice_eq(attrs_get(&out->attrs, SLICE("error.type"))->str, SLICE("timeout")));
	assert_null(attrs_get(&out->attrs, SLICE("server.address")));
	assert_null(attrs_get(&out->attrs, SLICE("server.port")));
	free(out);
}

static int find_dns(void **state)
{
	(void)state;
	dns = rig_protocol("dns");
	return dns ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_conversations),
		cmocka_unit_test(test_detections),
		cmocka_unit_test(test_datagrams),
		cmocka_unit_test(test_datagram_span),
	};

	return cmocka_run_group_tests(tests, find_dns, NULL);
}

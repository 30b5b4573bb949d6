// SPDX-License-Identifier: Apache-2.0
/* Ids that went with requests between hosts: which spans get them, and which must not. */
#include "tests/unit/flow_rig.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: app\r\n\r\n"
#define OK_EMPTY "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
#define HEADER "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"

/* What the kernel tells before the bytes: ids made of n, of the request that begins at seq. */
static void tell_inserted(struct end *end, uint16_t what, uint32_t seq, uint8_t n,
			  uint32_t inserted)
{
	struct record_context *c = malloc(sizeof(*c));

	assert_non_null(c);
	*c = (struct record_context){
		.head = {.size = sizeof(*c), .kind = RECORD_CONTEXT, .flags = what},
		.cookie = end->about.cookie,
		.seq = seq,
		.inserted = inserted,
	};
	memset(c->trace_id, 0x40 + n, sizeof(c->trace_id));
	if (what != CONTEXT_GIVEN)
		memset(c->span_id, 0x80 + n, sizeof(c->span_id));
	if (!end->announced)
		announce(end);
	assert_true(record_valid(c, sizeof(*c)));
	flow__record(end->rig->flow, &c->head);
	free(c);
}

static void tell(struct end *end, uint16_t what, uint32_t seq, uint8_t n)
{
	tell_inserted(end, what, seq, n, 0);
}

static void check_trace(const struct seen *seen, uint8_t n)
{
	uint8_t want[16];

	memset(want, 0x40 + n, sizeof(want));
	assert_memory_equal(&seen->trace_id, want, sizeof(want));
}

static void check_id(const struct span_id *id, uint8_t n)
{
	uint8_t want[8];

	memset(want, 0x80 + n, sizeof(want));
	assert_memory_equal(id, want, sizeof(want));
}

static void test_two_hosts(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end client = end_new(rig, ROLE_CLIENT), server = end_new(rig, ROLE_SERVER);

	(void)state;
	for (uint8_t n = 1; n <= 20; n++) {
		tell(&client, CONTEXT_SENT, client.tx_seq, n);
		ask(&client, GET("/a"));
		answer(&client, OK_EMPTY);
		tell(&server, CONTEXT_RECEIVED, server.rx_seq, n);
		ask(&server, GET("/a"));
		answer(&server, OK_EMPTY);
		check_spans(rig, 2u * n);
		check_trace(span_of(rig, SPAN_CLIENT, n - 1u), n);
		check_trace(span_of(rig, SPAN_SERVER, n - 1u), n);
		check_id(&span_of(rig, SPAN_CLIENT, n - 1u)->span_id, n);
		check_id(&span_of(rig, SPAN_SERVER, n - 1u)->parent_id, n);
		check_root(span_of(rig, SPAN_CLIENT, n - 1u));
		assert_string_equal(span_of(rig, SPAN_SERVER, n - 1u)->method, "tcp-option");
		assert_int_equal(span_of(rig, SPAN_SERVER, n - 1u)->flags, 0x303);
	}
	rig_finish(rig);
}

/* Ids belong to the request that begins at their byte, and to no other. */
static void test_other_bytes(void **state)
{
	static const int32_t offs[] = {-1, 1, 1 << 20, INT32_MIN};

	(void)state;
	for (size_t i = 0; i < sizeof(offs) / sizeof(*offs); i++) {
		struct rig *rig = rig_new(NULL);
		struct end server = end_new(rig, ROLE_SERVER);

		tell(&server, CONTEXT_RECEIVED, server.rx_seq + (uint32_t)offs[i], 1);
		ask(&server, GET("/a"));
		answer(&server, OK_EMPTY);
		check_spans(rig, 1);
		check_root(span_of(rig, SPAN_SERVER, 0));
		rig_finish(rig);
	}
}

/* Requests that are read together: only the second has ids. */
static void test_pipelined(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end server = end_new(rig, ROLE_SERVER);

	(void)state;
	tell(&server, CONTEXT_RECEIVED, server.rx_seq + (uint32_t)strlen(GET("/a")), 2);
	ask(&server, GET("/a") GET("/b") GET("/c"));
	rig->made += 2;
	answer(&server, OK_EMPTY OK_EMPTY OK_EMPTY);
	check_spans(rig, 3);
	/* The others have waited for their clients. */
	check_id(&span_of(rig, SPAN_SERVER, 0)->parent_id, 2);
	assert_string_equal(span_of(rig, SPAN_SERVER, 0)->path, "/b");
	check_root(span_of(rig, SPAN_SERVER, 1));
	check_root(span_of(rig, SPAN_SERVER, 2));
	rig_finish(rig);
}

/* What a program says itself is believed first. */
static void test_header_first(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end server = end_new(rig, ROLE_SERVER);

	(void)state;
	tell(&server, CONTEXT_RECEIVED, server.rx_seq, 1);
	ask(&server, "GET /a HTTP/1.1\r\n" HEADER "\r\n");
	answer(&server, OK_EMPTY);
	check_spans(rig, 1);
	assert_string_equal(span_of(rig, SPAN_SERVER, 0)->method, "header");
	assert_int_equal(span_of(rig, SPAN_SERVER, 0)->parent_id.bytes[0], 0xb7);
	rig_finish(rig);
}

/* What one end sent is nothing that it received. */
static void test_wrong_direction(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end client = end_new(rig, ROLE_CLIENT), server = end_new(rig, ROLE_SERVER);

	(void)state;
	tell(&client, CONTEXT_RECEIVED, client.tx_seq, 1);
	ask(&client, GET("/a"));
	answer(&client, OK_EMPTY);
	tell(&server, CONTEXT_SENT, server.rx_seq, 1);
	ask(&server, GET("/a"));
	answer(&server, OK_EMPTY);
	check_spans(rig, 2);
	check_root(span_of(rig, SPAN_CLIENT, 0));
	check_root(span_of(rig, SPAN_SERVER, 0));
	assert_int_not_equal(span_of(rig, SPAN_CLIENT, 0)->span_id.bytes[7], 0x81);
	rig_finish(rig);
}

/* Both ends on this host: one trace, whichever of them the kernel gave ids. */
static void test_one_host(void **state)
{
	static const struct {
		uint16_t client, server; /* what is told; 0: nothing */
	} cases[] = {
		{CONTEXT_SENT, CONTEXT_RECEIVED},
		{CONTEXT_SENT, CONTEXT_GIVEN}, /* what was sent did not arrive */
		{CONTEXT_SENT, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct rig *rig = rig_new(NULL);
		struct end client, server;

		ends_new(rig, &client, &server);
		tell(&client, cases[i].client, client.tx_seq, 1);
		ask(&client, GET("/a"));
		if (cases[i].server)
			tell(&server, cases[i].server, server.rx_seq,
			     cases[i].server == CONTEXT_RECEIVED ? 1 : 2);
		ask(&server, GET("/a"));
		answer(&server, OK_EMPTY);
		answer(&client, OK_EMPTY);
		check_spans(rig, 2);
		check_child(span_of(rig, SPAN_SERVER, 0), span_of(rig, SPAN_CLIENT, 0));
		check_trace(span_of(rig, SPAN_CLIENT, 0), 1);
		rig_finish(rig);
	}
}

#define INSERTED "traceparent: 00-41414141414141414141414141414141-8181818181818181-01\r\n"

/* Both ends on this host, and the kernel put a header into what the client sent: also what follows is joined. */
static void test_inserted(void **state)
{
	struct rig *rig = rig_new(NULL);
	const uint32_t sz = sizeof(INSERTED) - 1;
	struct end client, server;

	(void)state;
	ends_new(rig, &client, &server);
	client.tx_seq += sz;
	tell_inserted(&client, CONTEXT_SENT, client.tx_seq, 1, sz);
	ask(&client, GET("/a") GET("/b"));
	ask(&server, "GET /a HTTP/1.1\r\n" INSERTED "Host: app\r\n\r\n" GET("/b"));
	assert_int_equal(client.tx_seq, server.rx_seq);
	rig->made += 2;
	answer(&server, OK_EMPTY OK_EMPTY);
	answer(&client, OK_EMPTY OK_EMPTY);
	check_spans(rig, 4);
	assert_string_equal(span_of(rig, SPAN_SERVER, 0)->method, "header");
	check_id(&span_of(rig, SPAN_SERVER, 0)->parent_id, 1);
	check_child(span_of(rig, SPAN_SERVER, 1), span_of(rig, SPAN_CLIENT, 1));
	check_id(&span_of(rig, SPAN_CLIENT, 0)->span_id, 1);
	rig_finish(rig);
}

/* What is asked next is asked for the request that the server has received. */
static void tell_cause(struct end *asking, const struct end *server, size_t len)
{
	struct record_cause *c = calloc(1, sizeof(*c));

	assert_non_null(c);
	*c = (struct record_cause){
		.head = {.size = sizeof(*c), .kind = RECORD_CAUSE, .flags = CAUSE_TASK},
		.cookie = asking->about.cookie,
		.len = (uint32_t)len,
		.request_cookie = server->about.cookie,
		.request_len = (uint32_t)strlen(GET("/a")),
	};
	assert_true(record_valid(c, sizeof(*c)));
	flow__record(asking->rig->flow, &c->head);
	free(c);
}

/*
 * A client on this host whose own ids are not known to others, a server, and what that asks another host for in the
 * trace that the kernel gave: all become part of that trace. Unless the client's ids are known, too.
 */
static void test_fixed(void **state)
{
	(void)state;
	for (int known = 0; known < 2; known++) {
		struct rig *rig = rig_new(NULL);
		struct end client, server, asking = end_new(rig, ROLE_CLIENT);
		const struct seen *asked, *next;

		ends_new(rig, &client, &server);
		if (known)
			tell(&client, CONTEXT_SENT, client.tx_seq, 1);
		ask(&client, GET("/a"));
		tell(&server, CONTEXT_GIVEN, server.rx_seq, 2);
		ask(&server, GET("/a"));
		tell(&asking, CONTEXT_SENT, asking.tx_seq, 2);
		tell_cause(&asking, &server, strlen(GET("/next")));
		ask(&asking, GET("/next"));
		answer(&asking, OK_EMPTY);
		answer(&server, OK_EMPTY);
		answer(&client, OK_EMPTY);
		check_spans(rig, 3);
		next = span_of(rig, SPAN_CLIENT, 0);
		asked = span_of(rig, SPAN_CLIENT, 1);
		assert_non_null(strstr(next->path, "/next"));
		assert_memory_equal(&span_of(rig, SPAN_SERVER, 0)->parent_id, &asked->span_id, 8);
		check_trace(asked, known ? 1 : 2);
		check_trace(next, 2);
		check_id(&next->span_id, 2);
		assert_string_equal(next->method, known ? "none" : "task");
		rig_finish(rig);
	}
}

/* A request that came without ids has its trace from the kernel, which other hosts are told. */
static void test_given(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end server = end_new(rig, ROLE_SERVER);

	(void)state;
	tell(&server, CONTEXT_GIVEN, server.rx_seq, 3);
	ask(&server, GET("/a"));
	answer(&server, OK_EMPTY);
	check_spans(rig, 1);
	check_root(span_of(rig, SPAN_SERVER, 0));
	check_trace(span_of(rig, SPAN_SERVER, 0), 3);
	rig_finish(rig);
}

/* Of a connection that nobody follows, and more than there is room for. */
static void test_too_many(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end server = end_new(rig, ROLE_SERVER), other = end_new(rig, ROLE_SERVER);

	(void)state;
	other.announced = true; /* it is not */
	tell(&other, CONTEXT_RECEIVED, other.rx_seq, 1);
	tell(&server, CONTEXT_RECEIVED, server.rx_seq, 1);
	for (uint8_t n = 2; n < 40; n++)
		tell(&server, CONTEXT_RECEIVED, server.rx_seq + n * 1000u, n);
	ask(&server, GET("/a"));
	answer(&server, OK_EMPTY);
	check_spans(rig, 1);
	check_root(span_of(rig, SPAN_SERVER, 0));
	rig_finish(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_hosts),	cmocka_unit_test(test_other_bytes),
		cmocka_unit_test(test_pipelined),	cmocka_unit_test(test_header_first),
		cmocka_unit_test(test_wrong_direction), cmocka_unit_test(test_one_host),
		cmocka_unit_test(test_inserted),	cmocka_unit_test(test_fixed),
		cmocka_unit_test(test_given),		cmocka_unit_test(test_too_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

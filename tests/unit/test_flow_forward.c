// SPDX-License-Identifier: Apache-2.0
/* Requests that a proxy passes on: which one each of them is, and when that is not certain. */
#include "tests/unit/flow_rig.h"

#define PROXY_PROCESS SERVER_PROCESS
#define OK_EMPTY "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
#define UNAVAILABLE "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
#define HEAD(target) "GET " target " HTTP/1.1\r\nHost: front.example\r\n"
#define AGENT "User-Agent: curl/7.88.1\r\nAccept: */*\r\n"
/* As a proxy writes it: names in lower case, another Host, something added. */
#define SENT(target) "GET " target " HTTP/1.1\r\nhost: back:8080\r\n"
#define SENT_AGENT "user-agent: curl/7.88.1\r\naccept: */*\r\n"
#define ADDED "x-request-id: 7f3a\r\nconnection: keep-alive\r\n"
#define END "\r\n"

/* A proxy's two sides; of each request the spans are found by what the server answers. */
struct proxy {
	struct rig *rig;
	struct end servers[3], clients[3];
};

static struct proxy proxy_new(const struct flow_options *options)
{
	struct proxy proxy = {.rig = rig_new(options)};

	for (int i = 0; i < 3; i++) {
		proxy.servers[i] = end_new(proxy.rig, ROLE_SERVER);
		proxy.clients[i] = end_new(proxy.rig, ROLE_CLIENT);
		proxy.servers[i].process_id = proxy.clients[i].process_id = PROXY_PROCESS;
	}
	rig_wait(proxy.rig, 1100 * MS); /* until what was there before must be over */
	return proxy;
}

static void answer_as(struct end *end, int code)
{
	char text[80];

	snprintf(text, sizeof(text), "HTTP/1.1 %d Mine\r\nContent-Length: 0\r\n\r\n", code);
	answer(end, text);
}

static const struct seen *seen_of(struct rig *rig, enum span_kind kind, int code)
{
	for (uint32_t i = 0; i < rig->spans_cnt; i++)
		if (rig->spans[i].kind == kind && rig->spans[i].code == code)
			return &rig->spans[i];
	fail_msg("no span with %d", code);
	return NULL;
}

static void check_forwarded(struct rig *rig, int sent_code, int received_code)
{
	const struct seen *child = seen_of(rig, SPAN_CLIENT, sent_code);
	const struct seen *parent = seen_of(rig, SPAN_SERVER, received_code);

	assert_string_equal(child->method, "forward");
	assert_memory_equal(&child->parent_id, &parent->span_id, 8);
	assert_memory_equal(&child->trace_id, &parent->trace_id, 16);
}

static void check_method(struct rig *rig, int sent_code, const char *method)
{
	assert_string_equal(seen_of(rig, SPAN_CLIENT, sent_code)->method, method);
}

/* What the proxy sends for what it received, and whether one is the other. */
static void test_messages(void **state)
{
	static const struct {
		const char *name, *received, *sent;
		const char *method;
	} cases[] = {
		{"added lines", HEAD("/a?b=c") AGENT END, SENT("/a?b=c") SENT_AGENT ADDED END,
		 "forward"},
		{"other order", HEAD("/a") AGENT END,
		 SENT("/a") "accept: */*\r\nx: y\r\nuser-agent:curl/7.88.1 \r\n" END, "forward"},
		{"only the version differs", HEAD("/a") AGENT END,
		 "GET /a HTTP/1.0\r\nHost: back\r\n" AGENT END, "forward"},
		{"it says so", HEAD("/a") AGENT END,
		 "GET /a HTTP/1.1\r\nX-Forwarded-For: 10.0.0.9\r\n" AGENT END, "forward"},
		{"lines for one hop",
		 HEAD("/a") AGENT "Connection: close, x\r\nKeep-Alive: 5\r\nTE: trailers\r\n"
				  "Upgrade: h2c\r\nProxy-Authorization: Basic eA==\r\n" END,
		 SENT("/a") SENT_AGENT END, "forward"},
		{"what another proxy said is replaced",
		 HEAD("/a") AGENT "X-Forwarded-For: 10.0.0.9\r\nVia: 1.1 a\r\n" END,
		 SENT("/a") SENT_AGENT "x-forwarded-for: 10.0.0.9, 10.0.0.8\r\n" END, "forward"},
		{"cookies in one line, and in two", HEAD("/a") AGENT "Cookie: a=1; b=2\r\n" END,
		 SENT("/a") SENT_AGENT "cookie: b=2\r\ncookie: a=1\r\n" END, "forward"},
		{"three lines without a User-Agent", HEAD("/a") "A: 1\r\nB: 2\r\nC: 3\r\n" END,
		 SENT("/a") "a: 1\r\nb: 2\r\nc: 3\r\nvia: 1.1 p\r\n" END, "forward"},
		{"two lines", HEAD("/a") "A: 1\r\nB: 2\r\n" END,
		 SENT("/a") "a: 1\r\nb: 2\r\nvia: 1.1 p\r\n" END, "none"},
		{"bare", HEAD("/a") END, SENT("/a") "via: 1.1 p\r\n" END, "none"},
		{"three lines that anybody may write", HEAD("/a") "A: 1\r\nB: 2\r\nC: 3\r\n" END,
		 SENT("/a") "a: 1\r\nb: 2\r\nc: 3\r\n" END, "none"},
		{"the same library made both", HEAD("/a") AGENT END,
		 "GET /a HTTP/1.1\r\nHost: back\r\n" AGENT END, "none"},
		{"other method", HEAD("/a") AGENT END,
		 "HEAD /a HTTP/1.1\r\nhost: b\r\n" SENT_AGENT END, "none"},
		{"other path", HEAD("/a") AGENT END, SENT("/b") SENT_AGENT END, "none"},
		{"other query", HEAD("/a?n=1") AGENT END, SENT("/a?n=2") SENT_AGENT END, "none"},
		{"other value", HEAD("/a") AGENT "X-Id: 1\r\n" END,
		 SENT("/a") SENT_AGENT "x-id: 2\r\n" END, "none"},
		{"other name", HEAD("/a") AGENT "X-Id: 1\r\n" END,
		 SENT("/a") SENT_AGENT "x-ie: 1\r\n" END, "none"},
		{"a line is gone", HEAD("/a") AGENT "X-Id: 1\r\n" END, SENT("/a") SENT_AGENT END,
		 "none"},
		{"a part of a cookie is gone", HEAD("/a") AGENT "Cookie: a=1; b=2\r\n" END,
		 SENT("/a") SENT_AGENT "cookie: a=1\r\n" END, "none"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct proxy p = proxy_new(NULL);

		ask(&p.servers[0], cases[i].received);
		ask(&p.clients[0], cases[i].sent);
		answer_as(&p.clients[0], 201);
		answer_as(&p.servers[0], 202);
		check_spans(p.rig, 2);
		if (strcmp(seen_of(p.rig, SPAN_CLIENT, 201)->method, cases[i].method) != 0)
			fail_msg("%s: %s", cases[i].name, seen_of(p.rig, SPAN_CLIENT, 201)->method);
		if (strcmp(cases[i].method, "forward") == 0)
			check_forwarded(p.rig, 201, 202);
		rig_finish(p.rig);
	}
}

/* All three are answered, and were passed on by the connection of the same number. */
static void finish_three(struct proxy *p)
{
	for (int i = 0; i < 3; i++) {
		answer_as(&p->clients[i], 200 + i);
		answer_as(&p->servers[i], 210 + i);
	}
	check_spans(p->rig, 6);
	for (int i = 0; i < 3; i++)
		check_forwarded(p->rig, 200 + i, 210 + i);
	rig_finish(p->rig);
}

/* Requests at once, the same but for one line: each is told by it, whichever goes first. */
static void test_at_once(void **state)
{
	static const char *const received[] = {
		HEAD("/a") AGENT "X-Id: 1\r\n" END,
		HEAD("/a") AGENT "X-Id: 2\r\n" END,
		HEAD("/a") AGENT "X-Id: 3\r\n" END,
	};
	static const char *const sent[] = {
		SENT("/a") SENT_AGENT "x-id: 1\r\n" END,
		SENT("/a") SENT_AGENT "x-id: 2\r\n" END,
		SENT("/a") SENT_AGENT "x-id: 3\r\n" END,
	};
	struct proxy p = proxy_new(NULL);

	(void)state;
	for (int i = 0; i < 3; i++)
		ask(&p.servers[i], received[i]);
	for (int i = 2; i >= 0; i--)
		ask(&p.clients[i], sent[i]);
	finish_three(&p);
}

/* Two that are the same: no telling. One of them once more when the other is answered: there is. */
static void test_same(void **state)
{
	struct proxy p = proxy_new(NULL);

	(void)state;
	ask(&p.servers[0], HEAD("/a") AGENT END);
	ask(&p.servers[1], HEAD("/a") AGENT END);
	ask(&p.clients[0], SENT("/a") SENT_AGENT END);
	answer_as(&p.clients[0], 201);
	answer_as(&p.servers[0], 210);
	ask(&p.clients[1], SENT("/a") SENT_AGENT END);
	answer_as(&p.clients[1], 202);
	answer_as(&p.servers[1], 211);
	check_spans(p.rig, 4);
	check_method(p.rig, 201, "ambiguous");
	assert_int_equal(seen_of(p.rig, SPAN_CLIENT, 201)->candidates, 2);
	check_forwarded(p.rig, 202, 211);
	rig_finish(p.rig);
}

/* The second comes when the first has been passed on. */
static void test_one_after_the_other(void **state)
{
	struct proxy p = proxy_new(NULL);

	(void)state;
	for (int i = 0; i < 3; i++) {
		ask(&p.servers[i], HEAD("/a") AGENT END);
		ask(&p.clients[i], SENT("/a") SENT_AGENT END);
	}
	finish_three(&p);
}

/* What failed is tried again, and then the other one, which is the same, is a candidate. */
static void test_retry(void **state)
{
	struct proxy p = proxy_new(NULL);

	(void)state;
	ask(&p.servers[0], HEAD("/a") AGENT END);
	ask(&p.clients[0], SENT("/a") SENT_AGENT END);
	ask(&p.servers[1], HEAD("/a") AGENT END);
	answer(&p.clients[0], UNAVAILABLE);
	ask(&p.clients[1], SENT("/a") SENT_AGENT END);
	answer_as(&p.clients[1], 201);
	answer_as(&p.servers[1], 211);
	ask(&p.clients[2], SENT("/a") SENT_AGENT END);
	finish(&p.clients[2], END_CLOSED, ECONNRESET);
	ask(&p.clients[1], SENT("/a") SENT_AGENT END);
	answer_as(&p.clients[1], 202);
	answer_as(&p.servers[0], 210);
	check_spans(p.rig, 6);
	check_forwarded(p.rig, 503, 210);
	check_method(p.rig, 201, "ambiguous");
	check_forwarded(p.rig, -1, 210);
	check_forwarded(p.rig, 202, 210);
	rig_finish(p.rig);
}

/*
 * A proxy that sends a copy of each request elsewhere: known from the first on, and from then on one that
 * was passed on already is a candidate.
 */
static void test_copies(void **state)
{
	struct proxy p = proxy_new(NULL);

	(void)state;
	ask(&p.servers[0], HEAD("/a") AGENT END);
	for (int i = 0; i < 2; i++) {
		ask(&p.clients[i], SENT("/a") SENT_AGENT END);
		answer_as(&p.clients[i], 201 + i);
	}
	ask(&p.servers[1], HEAD("/a") AGENT END);
	ask(&p.clients[0], SENT("/a") SENT_AGENT END);
	answer_as(&p.clients[0], 203);
	for (int i = 0; i < 2; i++)
		answer_as(&p.servers[i], 210 + i);
	check_spans(p.rig, 5);
	check_forwarded(p.rig, 201, 210);
	check_forwarded(p.rig, 202, 210);
	check_method(p.rig, 203, "ambiguous");
	rig_finish(p.rig);
}

/* What was answered is not passed on any more; nor is what another process received. */
static void test_not_this(void **state)
{
	struct proxy p = proxy_new(NULL);

	(void)state;
	ask(&p.servers[0], HEAD("/a") AGENT END);
	answer_as(&p.servers[0], 210);
	ask(&p.clients[0], SENT("/a") SENT_AGENT END);
	answer_as(&p.clients[0], 201);
	p.servers[1].process_id = 33;
	ask(&p.servers[1], HEAD("/a") AGENT END);
	ask(&p.clients[0], SENT("/a") SENT_AGENT END);
	answer_as(&p.clients[0], 202);
	answer_as(&p.servers[1], 211);
	check_spans(p.rig, 4);
	check_method(p.rig, 201, "none");
	check_method(p.rig, 202, "none");
	rig_finish(p.rig);
}

/* Nor is what is being answered. */
static void test_answer_begun(void **state)
{
	struct proxy p = proxy_new(NULL);

	(void)state;
	ask(&p.servers[0], HEAD("/a") AGENT END);
	answer(&p.servers[0], "HTTP/1.1 210 Mine\r\nContent-Length: 5\r\n\r\nab");
	ask(&p.clients[0], SENT("/a") SENT_AGENT END);
	answer_as(&p.clients[0], 201);
	answer(&p.servers[0], "cde");
	check_spans(p.rig, 2);
	check_method(p.rig, 201, "none");
	rig_finish(p.rig);
}

/*
 * One of which not all was seen may be the same: then nothing is certain. If it is known to be of another
 * target, it is not.
 */
static void test_truncated(void **state)
{
	char line[700], received[1200];
	struct proxy p = proxy_new(NULL);

	(void)state;
	memset(line, 'x', sizeof(line));
	for (int i = 0; i < 2; i++) {
		snprintf(received, sizeof(received), "%s" AGENT "X: %.*s\r\n\r\n",
			 i ? HEAD("/b") : HEAD("/a"), (int)sizeof(line), line);
		p.servers[i].copy_op = 512;
		ask(&p.servers[i], received);
	}
	ask(&p.servers[2], HEAD("/a") AGENT END);
	ask(&p.clients[0], SENT("/a") SENT_AGENT END);
	answer_as(&p.clients[0], 201);
	answer_as(&p.servers[0], 210);
	ask(&p.clients[0], SENT("/a") SENT_AGENT END);
	answer_as(&p.clients[0], 202);
	answer_as(&p.servers[1], 211);
	answer_as(&p.servers[2], 212);
	check_spans(p.rig, 5);
	check_method(p.rig, 201, "ambiguous");
	check_forwarded(p.rig, 202, 212);
	rig_finish(p.rig);
}

/* Truncated itself, it may be anything. */
static void test_sent_truncated(void **state)
{
	struct proxy p = proxy_new(NULL);

	(void)state;
	ask(&p.servers[0], HEAD("/a") AGENT END);
	p.clients[0].copy_op = 80;
	ask(&p.clients[0], SENT("/a") SENT_AGENT ADDED END);
	answer_as(&p.clients[0], 201);
	answer_as(&p.servers[0], 210);
	check_spans(p.rig, 2);
	check_method(p.rig, 201, "none");
	rig_finish(p.rig);
}

/* The proxy takes a line away: the request that lacks it anyway is not taken for the other. */
static void test_line_taken_away(void **state)
{
	struct proxy p = proxy_new(NULL);

	(void)state;
	ask(&p.servers[0], HEAD("/a") AGENT "Accept-Encoding: gzip\r\n" END);
	ask(&p.servers[1], HEAD("/a") AGENT END);
	ask(&p.clients[0], SENT("/a") SENT_AGENT END); /* of the first */
	answer_as(&p.clients[0], 201);
	answer_as(&p.servers[0], 210);
	answer_as(&p.servers[1], 211);
	check_spans(p.rig, 3);
	check_method(p.rig, 201, "ambiguous");
	rig_finish(p.rig);
}

/* It asks itself: each is the child of the one before it. */
static void test_chain(void **state)
{
	struct proxy p = proxy_new(NULL);
	struct end client[2], server[2];

	(void)state;
	ask(&p.servers[0], HEAD("/a") AGENT END);
	for (int i = 0; i < 2; i++) {
		ends_new(p.rig, &client[i], &server[i]);
		client[i].process_id = server[i].process_id = PROXY_PROCESS;
		p.rig->made++;
		pass(&client[i], FROM_CLIENT, SENT("/a") SENT_AGENT END);
		ask(&server[i], SENT("/a") SENT_AGENT END);
	}
	for (int i = 1; i >= 0; i--) {
		answer_as(&server[i], 220 + i);
		answer_as(&client[i], 230 + i);
	}
	answer_as(&p.servers[0], 210);
	check_spans(p.rig, 5);
	check_forwarded(p.rig, 230, 210);
	assert_string_equal(seen_of(p.rig, SPAN_SERVER, 220)->method, "socket");
	rig_finish(p.rig);
}

/* Where requests were lost, one that nobody saw may be passed on: for a while nothing is certain. */
static void test_after_a_loss(void **state)
{
	struct proxy p = proxy_new(NULL);

	(void)state;
	for (int i = 0; i < 2; i++) {
		ask(&p.servers[1], HEAD("/b") AGENT END);
		p.rig->drop_cnt = i == 0;
		answer_as(&p.servers[1], 220);
	}
	ask(&p.servers[0], HEAD("/a") AGENT END);
	for (int i = 0; i < 2; i++) {
		ask(&p.clients[i], SENT("/a") SENT_AGENT END);
		answer_as(&p.clients[i], 201 + i);
		rig_wait(p.rig, 1100 * MS);
	}
	answer_as(&p.servers[0], 210);
	rig_wait(p.rig, 200 * MS);
	check_method(p.rig, 201, "none");
	check_forwarded(p.rig, 202, 210);
	rig_finish(p.rig);
}

/* The same when the tracer starts: it has not seen what came before. */
static void test_start(void **state)
{
	struct rig *rig = rig_new(NULL);
	struct end server = end_new(rig, ROLE_SERVER), client = end_new(rig, ROLE_CLIENT);

	(void)state;
	server.process_id = client.process_id = PROXY_PROCESS;
	ask(&server, HEAD("/a") AGENT END);
	ask(&client, SENT("/a") SENT_AGENT END);
	answer_as(&client, 201);
	answer_as(&server, 210);
	check_spans(rig, 2);
	check_method(rig, 201, "none");
	rig_finish(rig);
}

/* A program that makes no requests of its own needs not show that it passes them on. */
static void test_known_proxy(void **state)
{
	struct attr v[1];
	struct attrs attrs = {.v = v, .cap = 1};
	struct proxy p = proxy_new(NULL);

	(void)state;
	attrs_add_str(&attrs, SLICE("process.executable.name"), SLICE("nginx"));
	resource__release(p.rig->resources[1]);
	p.rig->resources[1] = resource__new(&attrs, PROXY_PROCESS);
	ask(&p.servers[0], HEAD("/a") AGENT END);
	ask(&p.clients[0], "GET /a HTTP/1.1\r\nHost: back\r\n" AGENT END);
	answer_as(&p.clients[0], 201);
	answer_as(&p.servers[0], 210);
	check_spans(p.rig, 2);
	check_forwarded(p.rig, 201, 210);
	rig_finish(p.rig);
}

/* HTTP/2 in front: literal fields, of which the last one is not sent when it is cut. */
#define FIELD(name_len, name, value_len, value) "\0" name_len name value_len value
#define FRONT_BLOCK                                                                           \
	"\x82\x86\x04\x02/a" FIELD("\x0a", "user-agent", "\x0b", "curl/7.88.1")               \
		FIELD("\x06", "accept", "\x03", "*/*") FIELD("\x06", "cookie", "\x03", "a=1") \
			FIELD("\x06", "cookie", "\x03", "b=2")
#define FRONT_BLOCK_SZ ((uint32_t)sizeof(FRONT_BLOCK) - 1)

static void test_http2_in_front(void **state)
{
	static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
	char request[sizeof(preface) + 9 + FRONT_BLOCK_SZ], *at = request + sizeof(preface) - 1;
	struct proxy p = proxy_new(NULL);

	(void)state;
	memcpy(request, preface, sizeof(preface) - 1);
	memcpy(at, "\0\0\0\x01\x05\0\0\0\x01", 9);
	at[2] = (char)FRONT_BLOCK_SZ;
	memcpy(at + 9, FRONT_BLOCK, FRONT_BLOCK_SZ);
	p.rig->made++;
	end_op(&p.servers[0], false, request, (uint32_t)(at + 9 - request) + FRONT_BLOCK_SZ);
	ask(&p.clients[0], SENT("/a") SENT_AGENT "cookie: a=1; b=2\r\n" END);
	answer_as(&p.clients[0], 201);
	end_op(&p.servers[0], true, "\0\0\0\x04\0\0\0\0\0\0\0\x01\x01\x05\0\0\0\x01\x89", 19);
	check_spans(p.rig, 2);
	check_forwarded(p.rig, 201, 204);
	rig_finish(p.rig);
}

/* The many that are the same are not all looked at. */
static void test_many_the_same(void **state)
{
	struct flow_options options = {.max_connections = 4096, .max_exchanges = 4096};
	struct proxy p = proxy_new(&options);
	struct end *servers = calloc(1000, sizeof(*servers));

	(void)state;
	assert_non_null(servers);
	for (int i = 0; i < 1000; i++) {
		servers[i] = end_new(p.rig, ROLE_SERVER);
		ask(&servers[i], HEAD("/a") AGENT END);
	}
	ask(&p.clients[0], SENT("/a") SENT_AGENT END);
	answer_as(&p.clients[0], 201);
	for (int i = 0; i < 1000; i++)
		answer_as(&servers[i], 210);
	check_spans(p.rig, 1001);
	check_method(p.rig, 201, "ambiguous");
	assert_in_range(seen_of(p.rig, SPAN_CLIENT, 201)->candidates, 2, 64);
	free(servers);
	rig_finish(p.rig);
}

/* Many, of many targets, three at once: what is over is forgotten. */
static void test_many(void **state)
{
	struct proxy p = proxy_new(NULL);
	uint32_t forwarded_cnt = 0;
	char text[512];

	(void)state;
	for (int n = 0; n < 100000; n += 3) {
		for (int i = 0; i < 3; i++) {
			snprintf(text, sizeof(text),
				 "GET /items/%d HTTP/1.1\r\nHost: a\r\n" AGENT END,
				 (n + i) % 30000);
			ask(&p.servers[i], text);
		}
		for (int i = 2; i >= 0; i--) {
			snprintf(text, sizeof(text),
				 "GET /items/%d HTTP/1.1\r\nhost: b\r\n" SENT_AGENT END,
				 (n + i) % 30000);
			ask(&p.clients[i], text);
			answer_as(&p.clients[i], 200);
		}
		for (int i = 0; i < 3; i++)
			answer_as(&p.servers[i], 200);
		if (n % 300 && n + 3 < 100000)
			continue;
		rig_wait(p.rig, 100 * MS);
		for (uint32_t i = 0; i < p.rig->spans_cnt; i++)
			forwarded_cnt += strcmp(p.rig->spans[i].method, "forward") == 0;
		p.rig->made -= p.rig->spans_cnt;
		p.rig->spans_cnt = 0;
		account_set(ACCOUNT_SPANS, 0);
	}
	assert_int_equal(forwarded_cnt, 100002);
	rig_finish(p.rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_at_once),
		cmocka_unit_test(test_same),
		cmocka_unit_test(test_one_after_the_other),
		cmocka_unit_test(test_retry),
		cmocka_unit_test(test_copies),
		cmocka_unit_test(test_not_this),
		cmocka_unit_test(test_answer_begun),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_sent_truncated),
		cmocka_unit_test(test_line_taken_away),
		cmocka_unit_test(test_chain),
		cmocka_unit_test(test_after_a_loss),
		cmocka_unit_test(test_start),
		cmocka_unit_test(test_known_proxy),
		cmocka_unit_test(test_http2_in_front),
		cmocka_unit_test(test_many_the_same),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: Apache-2.0
/* Captured headers: from the wire to arrays on the span, no more of them than there is room for. */
#include "tests/unit/flow_rig.h"
#include "user/protocols/http_headers.h"

#define CNT(array) (sizeof(array) / sizeof(*(array)))

static const struct protocol *find_http(void)
{
	FOR_EACH_PROTOCOL (p)
		if (strcmp(p->name, "http") == 0)
			return p;
	fail_msg("there is no http");
	return NULL;
}

/* What a head's attributes say of headers: "name=value" lines. */
static void captured(enum sender sender, struct slice head, bool last,
		     const struct wanted_headers *w, char *out, size_t out_sz)
{
	_Alignas(8) char state[PROTOCOL_STATE_MAX] = {0};
	struct attr v[MSG_ATTRS_MAX];
	struct msg msg = {.wanted = w, .attrs = {.v = v, .cap = MSG_ATTRS_MAX}};
	char *exact = malloc(head.n ?: 1);
	size_t n = 0;

	assert_non_null(exact);
	if (head.n)
		memcpy(exact, head.p, head.n);
	find_http()->parse(state, sender, slice_of(exact, head.n), last, &msg);
	out[0] = '\0';
	for (uint16_t i = 0; i < msg.attrs.cnt; i++)
		if (memmem(v[i].key.p, v[i].key.n, ".header.", 8))
			n += (size_t)snprintf(out + n, out_sz - n, "%.*s=%.*s\n", (int)v[i].key.n,
					      v[i].key.p, (int)v[i].str.n, v[i].str.p);
	assert_true(n < out_sz);
	free(exact);
}

static void wanted_only(void **state)
{
	static const char *const names[] = {"X-One", "x-two", "Host"};
	static const char request[] = "GET / HTTP/1.1\r\nhost: a\r\nx-one:1\r\nX-Two : b c \r\n"
				      "X-Three: 3\r\nX-ONE:\r\n\tfolded\r\nx-one\r\n: x\r\n\r\n";
	static const char response[] = "HTTP/1.1 200 OK\r\nX-One: 1\r\nContent-Length: 0\r\n\r\n";
	struct wanted_headers w[2];
	char out[512];

	(void)state;
	for (int sender = FROM_CLIENT; sender <= FROM_SERVER; sender++)
		assert_int_equal(wanted_headers__init(&w[sender], (enum sender)sender, names, 3),
				 0);
	captured(FROM_CLIENT, slice_str(request), false, &w[FROM_CLIENT], out, sizeof(out));
	assert_string_equal(out, "http.request.header.host=a\nhttp.request.header.x-one=1\n"
				 "http.request.header.x-two=b c\n"
				 "http.request.header.x-one=folded\n");
	captured(FROM_SERVER, slice_str(response), false, &w[FROM_SERVER], out, sizeof(out));
	assert_string_equal(out, "http.response.header.x-one=1\n");
	captured(FROM_CLIENT, slice_str(request), false, NULL, out, sizeof(out));
	assert_string_equal(out, "");
	for (size_t n = 0; n < sizeof(request); n++)
		captured(FROM_CLIENT, slice_of(request, n), true, &w[FROM_CLIENT], out,
			 sizeof(out));
	wanted_headers__free(&w[FROM_CLIENT]);
	wanted_headers__free(&w[FROM_SERVER]);
}

/* Interim responses are no messages, trailers no headers of one. */
static void not_of_a_message(void **state)
{
	static const char *const names[] = {"x"};
	struct wanted_headers w;
	char out[512];

	(void)state;
	assert_int_equal(wanted_headers__init(&w, FROM_SERVER, names, 1), 0);
	captured(FROM_SERVER, SLICE("HTTP/1.1 103 Early Hints\r\nX: 1\r\n\r\n"), false, &w, out,
		 sizeof(out));
	assert_string_equal(out, "");
	wanted_headers__free(&w);
}

static void too_many(void **state)
{
	struct attr v[64];
	struct wanted_headers w;
	struct http_headers h = {.wanted = &w};
	struct attrs attrs = {.v = v, .cap = CNT(v)};
	const char *names[HTTP_HEADERS_MAX + 4];
	struct description about = {.attrs = {.v = v + 32, .cap = 32}};

	(void)state;
	for (size_t i = 0; i < CNT(names); i++)
		names[i] = "x";
	assert_int_equal(wanted_headers__init(&w, FROM_CLIENT, names, CNT(names)), 0);
	assert_int_equal(w.cnt, HTTP_HEADERS_MAX);
	for (size_t i = 0; i < HTTP_HEADERS_MAX + 3; i++)
		http_headers__take(&h, SLICE("X"), SLICE("value"));
	http_headers__add(&h, &attrs);
	assert_int_equal(attrs.cnt, HTTP_HEADERS_MAX);
	assert_int_equal(attrs.dropped_cnt, 3);
	for (int i = 0; i < 3; i++) /* of the third there is no room for the items */
		http_headers__describe(&attrs, &about);
	assert_int_equal(about.attrs.cnt, 1);
	assert_int_equal(about.attrs.v[0].items_cnt, HTTP_HEADERS_MAX);
	assert_int_equal(about.items_cnt, HTTP_HEADERS_MAX);
	wanted_headers__free(&w);
}

/* Through both ends of an exchange, with more headers than it has room for and without any. */
static void on_the_span(void **state)
{
	static const char *const asked[] = {"X-Asked", "x-other"};
	static const char *const answered[] = {"x-answered"};
	struct flow_options options = {
		.request_headers = asked,
		.request_headers_cnt = CNT(asked),
		.response_headers = answered,
		.response_headers_cnt = CNT(answered),
	};
	struct rig *rig = rig_new(&options);
	struct end end = end_new(rig, ROLE_SERVER);
	const struct seen *seen;

	(void)state;
	ask(&end, "GET /a HTTP/1.1\r\nX-Other: 1\r\nX-Other: 2\r\nX-Other: 3\r\nX-Asked: a\r\n"
		  "X-Other: 4\r\nx-asked: b, c\r\nX-Answered: no\r\nX-Other: 5\r\nHost: h:1\r\n"
		  "User-Agent: u\r\n\r\n");
	answer(&end, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Answered: d\r\n\r\n");
	ask(&end, "GET /b HTTP/1.1\r\n\r\n");
	answer(&end, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	check_spans(rig, 2);
	seen = span_of(rig, SPAN_SERVER, 0);
	assert_string_equal(seen->asked, "a|b, c");
	assert_string_equal(seen->answered, "d");
	assert_string_equal(seen->path, "/a");
	seen = span_of(rig, SPAN_SERVER, 1);
	assert_string_equal(seen->asked, "");
	assert_string_equal(seen->answered, "");
	rig_finish(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wanted_only),
		cmocka_unit_test(not_of_a_message),
		cmocka_unit_test(too_many),
		cmocka_unit_test(on_the_span),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

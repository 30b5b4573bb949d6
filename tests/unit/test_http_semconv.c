// SPDX-License-Identifier: Apache-2.0
/* The semantic conventions for HTTP: what a request and its response make of a span. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "user/protocols/http_semconv.h"

#define ATTRS_MAX 32

struct semconv_case {
	const char *name;
	struct http_request request;
	unsigned int status; /* 0: no response */
	struct exchange_view view;
	const char *operation, *route;
	bool error;
	const char *attrs; /* a line each */
};

#define CLIENT_VIEW                                                                    \
	.side = SIDE_CLIENT, .server_address = SLICE("10.0.0.2"), .server_port = 8080, \
	.client_address = SLICE("10.0.0.1"), .client_port = 40000
#define SERVER_VIEW                                                                    \
	.side = SIDE_SERVER, .server_address = SLICE("10.0.0.2"), .server_port = 8080, \
	.client_address = SLICE("10.0.0.1"), .client_port = 40000
#define UNIX_VIEW(s) .side = s, .server_address = SLICE("/run/app.sock"), .unix_socket = true

#define GET_ATTR "http.request.method=GET\n"
#define CLIENT_PEER "network.peer.address=10.0.0.2\nnetwork.peer.port=8080\n"
#define CLIENT_BY_VIEW "server.address=10.0.0.2\nserver.port=8080\n" CLIENT_PEER
#define SERVER_PEER                                    \
	"client.address=10.0.0.1\nclient.port=40000\n" \
	"network.peer.address=10.0.0.1\nnetwork.peer.port=40000\n"
#define SERVER_BY_VIEW "url.scheme=http\nserver.address=10.0.0.2\nserver.port=8080\n" SERVER_PEER
#define TCP "network.transport=tcp\n"
#define STATUS(code) "http.response.status_code=" #code "\n"
#define EMPTY "http.response.body.size=0\n"

static const struct semconv_case cases[] = {
	{.name = "server, all there is",
	 .request = {.method = SLICE("POST"),
		     .target = SLICE("/cart/7?x=1"),
		     .authority = SLICE("shop.example:81"),
		     .user_agent = SLICE("curl/8"),
		     .version = SLICE("1.1")},
	 .status = 201,
	 .view = {SERVER_VIEW, .request_body_sz = 5, .response_body_sz = 1ull << 40},
	 .operation = "POST",
	 .route = "/cart/7",
	 .attrs = "http.request.method=POST\nurl.path=/cart/7\nurl.query=x=1\nurl.scheme=http\n"
		  "server.address=shop.example\nserver.port=81\n"
		  "client.address=10.0.0.1\nclient.port=40000\nuser_agent.original=curl/8\n"
		  "network.peer.address=10.0.0.1\nnetwork.peer.port=40000\n"
		  "network.protocol.version=1.1\nnetwork.transport=tcp\n" STATUS(
			  201) "http.request.body.size=5\nhttp.response.body.size=1099511627776\n"},
	{.name = "client, all there is",
	 .request = {.method = SLICE("POST"),
		     .target = SLICE("/cart/7?x=1"),
		     .authority = SLICE("shop.example:81"),
		     .user_agent = SLICE("curl/8"),
		     .version = SLICE("1.1")},
	 .status = 201,
	 .view = {CLIENT_VIEW, .request_body_sz = 5, .response_body_sz = 6},
	 .operation = "POST",
	 .attrs = "http.request.method=POST\nurl.full=http://shop.example:81/cart/7?x=1\n"
		  "server.address=shop.example\nserver.port=81\n" CLIENT_PEER
		  "network.protocol.version=1.1\nnetwork.transport=tcp\n" STATUS(
			  201) "http.request.body.size=5\nhttp.response.body.size=6\n"},
	{.name = "not all of the request was seen",
	 .request = {.method = SLICE("GET"), .target = SLICE("/")},
	 .status = 200,
	 .view = {CLIENT_VIEW, .request_unmeasured = true, .request_body_sz = 5},
	 .operation = "GET",
	 .attrs = GET_ATTR "url.full=http://10.0.0.2:8080/\n" CLIENT_BY_VIEW TCP STATUS(200) EMPTY},
	{.name = "not all of the response was seen",
	 .request = {.method = SLICE("GET"), .target = SLICE("/")},
	 .status = 200,
	 .view = {CLIENT_VIEW, .response_unmeasured = true, .request_body_sz = 5},
	 .operation = "GET",
	 .attrs = GET_ATTR "url.full=http://10.0.0.2:8080/\n" CLIENT_BY_VIEW TCP STATUS(
		 200) "http.request.body.size=5\n"},
	{.name = "server without Host",
	 .request = {.method = SLICE("GET"), .target = SLICE("/")},
	 .status = 200,
	 .view = {SERVER_VIEW},
	 .operation = "GET",
	 .route = "/",
	 .attrs = GET_ATTR "url.path=/\n" SERVER_BY_VIEW TCP STATUS(200) EMPTY},
	{.name = "client without Host",
	 .request = {.method = SLICE("GET"), .target = SLICE("/")},
	 .status = 200,
	 .view = {CLIENT_VIEW},
	 .operation = "GET",
	 .attrs = GET_ATTR "url.full=http://10.0.0.2:8080/\n" CLIENT_BY_VIEW TCP STATUS(200) EMPTY},
	{.name = "client: Host without port means the scheme's in the URL",
	 .request = {.method = SLICE("GET"), .target = SLICE("/"), .authority = SLICE("h")},
	 .status = 200,
	 .view = {CLIENT_VIEW},
	 .operation = "GET",
	 .attrs = GET_ATTR
	 "url.full=http://h/\nserver.address=h\nserver.port=8080\n" CLIENT_PEER TCP STATUS(200)
		 EMPTY},
	{.name = "client: default ports are left out",
	 .request = {.method = SLICE("GET"), .target = SLICE("/"), .authority = SLICE("h:80")},
	 .status = 200,
	 .view = {CLIENT_VIEW},
	 .operation = "GET",
	 .attrs = GET_ATTR
	 "url.full=http://h/\nserver.address=h\nserver.port=80\n" CLIENT_PEER TCP STATUS(200)
		 EMPTY},
	{.name = "client: default port of https",
	 .request = {.method = SLICE("GET"),
		     .target = SLICE("/p?q"),
		     .scheme = SLICE("HTTPS"),
		     .authority = SLICE("h:443")},
	 .status = 200,
	 .view = {CLIENT_VIEW},
	 .operation = "GET",
	 .attrs = GET_ATTR
	 "url.full=HTTPS://h/p?q\nserver.address=h\nserver.port=443\n" CLIENT_PEER TCP STATUS(200)
		 EMPTY},
	{.name = "client: port 80 of https",
	 .request = {.method = SLICE("GET"),
		     .target = SLICE("/"),
		     .scheme = SLICE("https"),
		     .authority = SLICE("h:80")},
	 .status = 200,
	 .view = {CLIENT_VIEW},
	 .operation = "GET",
	 .attrs = GET_ATTR
	 "url.full=https://h:80/\nserver.address=h\nserver.port=80\n" CLIENT_PEER TCP STATUS(200)
		 EMPTY},
	{.name = "client: IPv6",
	 .request = {.method = SLICE("GET"),
		     .target = SLICE("/"),
		     .authority = SLICE("[2001:db8::1]:8443")},
	 .status = 200,
	 .view = {CLIENT_VIEW},
	 .operation = "GET",
	 .attrs = GET_ATTR "url.full=http://[2001:db8::1]:8443/\nserver.address=2001:db8::1\n"
			   "server.port=8443\n" CLIENT_PEER TCP STATUS(200) EMPTY},
	{.name = "client: credentials",
	 .request = {.method = SLICE("GET"),
		     .target = SLICE("/p"),
		     .scheme = SLICE("http"),
		     .authority = SLICE("me:p@ss@h:81"),
		     .absolute = SLICE("http://me:p@ss@h:81/p")},
	 .status = 200,
	 .view = {CLIENT_VIEW},
	 .operation = "GET",
	 .attrs = GET_ATTR "url.full=http://REDACTED:REDACTED@h:81/p\nserver.address=h\n"
			   "server.port=81\n" CLIENT_PEER TCP STATUS(200) EMPTY},
	{.name = "server: credentials are not shown",
	 .request = {.method = SLICE("GET"),
		     .target = SLICE("/p"),
		     .scheme = SLICE("http"),
		     .authority = SLICE("me:p@ss@h:81"),
		     .absolute = SLICE("http://me:p@ss@h:81/p")},
	 .status = 200,
	 .view = {SERVER_VIEW},
	 .operation = "GET",
	 .route = "/p",
	 .attrs = GET_ATTR
	 "url.path=/p\nurl.scheme=http\nserver.address=h\nserver.port=81\n" SERVER_PEER TCP STATUS(
		 200) EMPTY},
	{.name = "credentials outside the absolute form are just dropped",
	 .request = {.method = SLICE("GET"), .target = SLICE("/"), .authority = SLICE("me:pw@h")},
	 .status = 200,
	 .view = {CLIENT_VIEW},
	 .operation = "GET",
	 .attrs = GET_ATTR
	 "url.full=http://h/\nserver.address=h\nserver.port=8080\n" CLIENT_PEER TCP STATUS(200)
		 EMPTY},
	{.name = "server: asterisk form has no route",
	 .request = {.method = SLICE("OPTIONS"), .target = SLICE("*")},
	 .status = 204,
	 .view = {SERVER_VIEW},
	 .operation = "OPTIONS",
	 .attrs = "http.request.method=OPTIONS\nurl.path=*\n" SERVER_BY_VIEW TCP STATUS(204) EMPTY},
	{.name = "client: asterisk form has no path",
	 .request = {.method = SLICE("OPTIONS"), .target = SLICE("*"), .authority = SLICE("h")},
	 .status = 204,
	 .view = {CLIENT_VIEW},
	 .operation = "OPTIONS",
	 .attrs = "http.request.method=OPTIONS\nurl.full=http://h\nserver.address=h\n"
		  "server.port=8080\n" CLIENT_PEER TCP STATUS(204) EMPTY},
	{.name = "server: authority form has neither",
	 .request = {.method = SLICE("CONNECT"), .authority = SLICE("db:443")},
	 .status = 200,
	 .view = {SERVER_VIEW},
	 .operation = "CONNECT",
	 .attrs = "http.request.method=CONNECT\nurl.scheme=http\nserver.address=db\n"
		  "server.port=443\n" SERVER_PEER TCP STATUS(200) EMPTY},
	{.name = "other method",
	 .request = {.method = SLICE("BREW"), .target = SLICE("/pot")},
	 .status = 200,
	 .view = {SERVER_VIEW},
	 .operation = "HTTP",
	 .route = "/pot",
	 .attrs = "http.request.method=_OTHER\nhttp.request.method_original=BREW\n"
		  "url.path=/pot\n" SERVER_BY_VIEW TCP STATUS(200) EMPTY},
	{.name = "4xx is the client's error",
	 .request = {.method = SLICE("GET"), .target = SLICE("/")},
	 .status = 404,
	 .view = {CLIENT_VIEW},
	 .operation = "GET",
	 .error = true,
	 .attrs = GET_ATTR "url.full=http://10.0.0.2:8080/\n" CLIENT_BY_VIEW TCP STATUS(
		 404) "error.type=404\n" EMPTY},
	{.name = "4xx is not the server's error",
	 .request = {.method = SLICE("GET"), .target = SLICE("/")},
	 .status = 404,
	 .view = {SERVER_VIEW},
	 .operation = "GET",
	 .route = "/",
	 .attrs = GET_ATTR "url.path=/\n" SERVER_BY_VIEW TCP STATUS(404) EMPTY},
	{.name = "5xx is the server's error",
	 .request = {.method = SLICE("GET"), .target = SLICE("/")},
	 .status = 500,
	 .view = {SERVER_VIEW},
	 .operation = "GET",
	 .route = "/",
	 .error = true,
	 .attrs = GET_ATTR "url.path=/\n" SERVER_BY_VIEW TCP STATUS(500) "error.type=500\n" EMPTY},
	{.name = "5xx is the client's error too",
	 .request = {.method = SLICE("GET"), .target = SLICE("/")},
	 .status = 503,
	 .view = {CLIENT_VIEW},
	 .operation = "GET",
	 .error = true,
	 .attrs = GET_ATTR "url.full=http://10.0.0.2:8080/\n" CLIENT_BY_VIEW TCP STATUS(
		 503) "error.type=503\n" EMPTY},
	{.name = "3xx is no error",
	 .request = {.method = SLICE("GET"), .target = SLICE("/")},
	 .status = 399,
	 .view = {CLIENT_VIEW},
	 .operation = "GET",
	 .attrs = GET_ATTR "url.full=http://10.0.0.2:8080/\n" CLIENT_BY_VIEW TCP STATUS(399) EMPTY},
	{.name = "no response",
	 .request = {.method = SLICE("GET"), .target = SLICE("/")},
	 .view = {CLIENT_VIEW, .failure = SLICE("timeout")},
	 .operation = "GET",
	 .error = true,
	 .attrs = GET_ATTR "url.full=http://10.0.0.2:8080/\n" CLIENT_BY_VIEW TCP
			   "error.type=timeout\n"},
	{.name = "half a response: why counts, not its status",
	 .request = {.method = SLICE("GET"), .target = SLICE("/")},
	 .status = 500,
	 .view = {SERVER_VIEW, .failure = SLICE("connection_reset"), .response_body_sz = 3},
	 .operation = "GET",
	 .route = "/",
	 .error = true,
	 .attrs = GET_ATTR "url.path=/\n" SERVER_BY_VIEW TCP STATUS(
		 500) "error.type=connection_reset\nhttp.response.body.size=3\n"},
	{.name = "unix socket, server",
	 .request = {.method = SLICE("GET"), .target = SLICE("/")},
	 .status = 200,
	 .view = {UNIX_VIEW(SIDE_SERVER)},
	 .operation = "GET",
	 .route = "/",
	 .attrs = GET_ATTR "url.path=/\nurl.scheme=http\nserver.address=/run/app.sock\n"
			   "network.transport=unix\n" STATUS(200) EMPTY},
	{.name = "unix socket, client",
	 .request = {.method = SLICE("GET"), .target = SLICE("/v1")},
	 .status = 200,
	 .view = {UNIX_VIEW(SIDE_CLIENT)},
	 .operation = "GET",
	 .attrs = GET_ATTR
	 "url.full=http://localhost/v1\nserver.address=/run/app.sock\n"
	 "network.peer.address=/run/app.sock\nnetwork.transport=unix\n" STATUS(200) EMPTY},
	{.name = "unix socket, client with Host",
	 .request = {.method = SLICE("GET"), .target = SLICE("/v1"), .authority = SLICE("docker")},
	 .status = 200,
	 .view = {UNIX_VIEW(SIDE_CLIENT)},
	 .operation = "GET",
	 .attrs = GET_ATTR
	 "url.full=http://docker/v1\nserver.address=docker\n"
	 "network.peer.address=/run/app.sock\nnetwork.transport=unix\n" STATUS(200) EMPTY},
	{.name = "target not understood",
	 .request = {.method = SLICE("GET")},
	 .status = 400,
	 .view = {SERVER_VIEW},
	 .operation = "GET",
	 .attrs = GET_ATTR SERVER_BY_VIEW TCP STATUS(400) EMPTY},
};

static void write_attrs(const struct attrs *attrs, char *text, size_t sz)
{
	size_t len = 0;

	text[0] = '\0';
	for (uint16_t i = 0; i < attrs->cnt; i++) {
		const struct attr *attr = &attrs->v[i];

		len += (size_t)snprintf(text + len, sz - len, "%.*s=", (int)attr->key.n,
					attr->key.p);
		assert_true(len < sz);
		if (attr->type == ATTR_INT)
			len += (size_t)snprintf(text + len, sz - len, "%lld\n",
						(long long)attr->num);
		else
			len += (size_t)snprintf(text + len, sz - len, "%.*s\n", (int)attr->str.n,
						attr->str.p);
		assert_true(len < sz);
	}
}

/* Attributes as if they had come another way: in the opposite order, with keys of their own. */
static void estrange(struct attrs *attrs, char *keys[])
{
	for (uint16_t i = 0; i < attrs->cnt / 2; i++) {
		struct attr first = attrs->v[i];

		attrs->v[i] = attrs->v[attrs->cnt - 1 - i];
		attrs->v[attrs->cnt - 1 - i] = first;
	}
	for (uint16_t i = 0; i < attrs->cnt; i++) {
		struct slice *key = &attrs->v[i].key;

		keys[i] = malloc(key->n);
		assert_non_null(keys[i]);
		memcpy(keys[i], key->p, key->n);
		key->p = keys[i];
	}
}

static void describe(const struct semconv_case *c, bool strange, struct description *out)
{
	struct attr request_v[MSG_ATTRS_MAX], response_v[MSG_ATTRS_MAX];
	struct attrs request = {.v = request_v, .cap = MSG_ATTRS_MAX};
	struct attrs response = {.v = response_v, .cap = MSG_ATTRS_MAX};
	struct exchange_view view = c->view;
	char *keys[MSG_ATTRS_MAX] = {NULL};

	http_add_request(&request, &c->request);
	if (c->status)
		http_add_status(&response, c->status);
	if (strange)
		estrange(&request, keys);
	view.request = &request;
	view.response = &response;
	http_describe(&view, out);
	for (size_t i = 0; i < MSG_ATTRS_MAX; i++)
		free(keys[i]);
}

static void test_describe(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(*cases); i++) {
		const struct semconv_case *c = &cases[i / 2];
		struct attr v[ATTRS_MAX];
		struct description out;
		char text[4096];

		memset(&out, 0xa5, sizeof(out)); /* only attrs is prepared */
		out.attrs = (struct attrs){.v = v, .cap = ATTRS_MAX};
		describe(c, i % 2, &out);
		write_attrs(&out.attrs, text, sizeof(text));
		if (strcmp(text, c->attrs) != 0)
			fail_msg("%s: got\n%swanted\n%s", c->name, text, c->attrs);
		if (!slice_eq(out.operation, slice_str(c->operation)) ||
		    !slice_eq(out.route_path, slice_str(c->route)) || out.error != c->error)
			fail_msg("%s: operation %.*s, route %.*s, error %d", c->name,
				 (int)out.operation.n, out.operation.p, (int)out.route_path.n,
				 out.route_path.p, out.error);
	}
}

static void test_describe_with_little_room(void **unused)
{
	const struct semconv_case *c = &cases[0];

	(void)unused;
	for (uint16_t cap = 0; cap < 20; cap++) {
		struct attr *v = malloc(cap ? cap * sizeof(*v) : 1);
		struct description out;

		assert_non_null(v);
		out.attrs = (struct attrs){.v = v, .cap = cap};
		describe(c, false, &out);
		assert_int_equal(out.attrs.cnt + out.attrs.dropped_cnt, 16);
		free(v);
	}
}

/* The text is full: the URL is cut, and what comes after it does not overrun. */
static void test_long_url(void **unused)
{
	static char target[2 * DESCRIPTION_TEXT_MAX];
	const size_t room = DESCRIPTION_TEXT_MAX - 3; /* the rest is for error.type */
	struct semconv_case c = {.request = {.method = SLICE("GET"), .authority = SLICE("h")},
				 .status = 404,
				 .view = {CLIENT_VIEW}};

	(void)unused;
	memset(target, 'a', sizeof(target));
	target[0] = '/';
	for (size_t len = DESCRIPTION_TEXT_MAX - 20; len <= sizeof(target); len++) {
		struct description *out = malloc(sizeof(*out));
		struct attr v[ATTRS_MAX];
		const struct attr *url, *error;

		assert_non_null(out);
		out->attrs = (struct attrs){.v = v, .cap = ATTRS_MAX};
		c.request.target = slice_of(target, len);
		describe(&c, false, out);
		url = attrs_get(&out->attrs, SLICE("url.full"));
		assert_non_null(url);
		assert_int_equal(url->str.n, len + 8 < room ? len + 8 : room);
		assert_true(out->text_len <= DESCRIPTION_TEXT_MAX);
		error = attrs_get(&out->attrs, SLICE("error.type"));
		assert_true(out->error && error && slice_eq(error->str, SLICE("404")));
		free(out);
	}
}

static void test_methods(void **unused)
{
	static const struct {
		const char *method;
		bool known;
		uint32_t tag;
	} methods[] = {
		{"GET", true, 0},     {"HEAD", true, HTTP_TAG_HEAD},
		{"POST", true, 0},    {"CONNECT", true, HTTP_TAG_CONNECT},
		{"PUT", true, 0},     {"DELETE", true, 0},
		{"OPTIONS", true, 0}, {"TRACE", true, 0},
		{"PATCH", true, 0},   {"QUERY", true, 0},
		{"head", false, 0},   {"HEADS", false, 0},
		{"PRI", false, 0},    {"", false, 0},
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++) {
		struct slice method = slice_str(methods[i].method);
		struct slice known = http_known_method(method);

		assert_true(slice_eq(known, methods[i].known ? method : SLICE("")));
		assert_int_equal(http_tag(method), methods[i].tag);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_describe),
		cmocka_unit_test(test_describe_with_little_room),
		cmocka_unit_test(test_long_url),
		cmocka_unit_test(test_methods),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: Apache-2.0
/* Attributes of HTTP messages and spans, after the semantic conventions for HTTP, 1.44. */
#include "user/protocols/http_semconv.h"

#include "user/protocols/ends.h"
#include "user/protocols/http_headers.h"

/* What messages carry, in the order in which it is added. */
enum key {
	KEY_METHOD,
	KEY_METHOD_ORIGINAL,
	KEY_FULL,
	KEY_PATH,
	KEY_QUERY,
	KEY_SCHEME,
	KEY_HOST,
	KEY_PORT,
	KEY_USER_AGENT,
	KEY_CLIENT,
	KEY_CLIENT_PORT,
	KEY_PROTOCOL,
	KEY_VERSION,
	KEY_STATUS,
	KEY_CNT,
};

static const struct slice keys[KEY_CNT] = {
	[KEY_METHOD] = SLICE("http.request.method"),
	[KEY_METHOD_ORIGINAL] = SLICE("http.request.method_original"),
	[KEY_FULL] = SLICE("url.full"),
	[KEY_PATH] = SLICE("url.path"),
	[KEY_QUERY] = SLICE("url.query"),
	[KEY_SCHEME] = SLICE("url.scheme"),
	[KEY_HOST] = SLICE("server.address"),
	[KEY_PORT] = SLICE("server.port"),
	[KEY_USER_AGENT] = SLICE("user_agent.original"),
	[KEY_CLIENT] = SLICE("client.address"),
	[KEY_CLIENT_PORT] = SLICE("client.port"),
	[KEY_PROTOCOL] = SLICE("network.protocol.name"),
	[KEY_VERSION] = SLICE("network.protocol.version"),
	[KEY_STATUS] = SLICE("http.response.status_code"),
};

/* The request and the response, by key; NULL where they lack it. */
struct known {
	const struct attr *by_key[KEY_CNT];
};

struct slice http_known_method(struct slice method)
{
	static const struct slice methods[] = {
		SLICE("GET"),	SLICE("POST"),	  SLICE("PUT"),	    SLICE("HEAD"),  SLICE("DELETE"),
		SLICE("PATCH"), SLICE("OPTIONS"), SLICE("CONNECT"), SLICE("TRACE"), SLICE("QUERY"),
	};

	for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++)
		if (slice_eq(method, methods[i]))
			return methods[i];
	return SLICE("");
}

uint32_t http_tag(struct slice method)
{
	if (slice_eq(method, SLICE("HEAD")))
		return HTTP_TAG_HEAD;
	return slice_eq(method, SLICE("CONNECT")) ? HTTP_TAG_CONNECT : 0;
}

static void add(struct attrs *attrs, enum key key, struct slice value)
{
	if (value.n)
		attrs_add_str(attrs, keys[key], value);
}

static void add_method(struct attrs *attrs, struct slice method)
{
	struct slice known = http_known_method(method);

	if (!method.n)
		return;
	attrs_add_plain(attrs, keys[KEY_METHOD], known.n ? known : SLICE("_OTHER"));
	if (!known.n)
		add(attrs, KEY_METHOD_ORIGINAL, method);
}

static void add_target(struct attrs *attrs, struct slice target)
{
	ptrdiff_t query = slice_find(target, '?');
	struct slice path = query < 0 ? target : slice_first(target, (size_t)query);

	if (!target.n)
		return;
	add(attrs, KEY_PATH, path.n ? path : SLICE("/"));
	if (query >= 0)
		add(attrs, KEY_QUERY, slice_after(target, (size_t)query + 1));
}

static void add_port_text(struct attrs *attrs, enum key key, struct slice text)
{
	uint64_t port;

	if (slice_to_u64(text, &port) && port > 0 && port <= UINT16_MAX)
		attrs_add_int(attrs, keys[key], (int64_t)port);
}

/* After the host and its closing bracket, if any: where the port's colon is, or the end. */
static size_t host_len(struct slice s)
{
	ptrdiff_t colon = slice_find(s, ':');

	if (colon < 0)
		return s.n;
	/* A second colon, and no brackets: a bare IPv6 address. */
	return slice_find(slice_after(s, (size_t)colon + 1), ':') < 0 ? (size_t)colon : s.n;
}

static void add_authority(struct attrs *attrs, struct slice s)
{
	const char *at = s.n ? memrchr(s.p, '@', s.n) : NULL;
	struct slice host;

	if (!s.n)
		return;
	if (at)
		s = slice_after(s, (size_t)(at - s.p) + 1);
	if (s.n && s.p[0] == '[') {
		ptrdiff_t close = slice_find(s, ']');

		host = slice_after(slice_first(s, close < 0 ? s.n : (size_t)close), 1);
		s = slice_after(s, host.n + 2);
	} else {
		host = slice_first(s, host_len(s));
		s = slice_after(s, host.n);
	}
	add(attrs, KEY_HOST, host);
	add_port_text(attrs, KEY_PORT, slice_after(s, 1));
}

static bool ends_with(struct slice s, struct slice end)
{
	return s.n >= end.n && slice_eq(slice_after(s, s.n - end.n), end);
}

bool http_brings_spans(const struct http_request *r, struct slice content_type)
{
	const struct slice rpc =
		SLICE("/opentelemetry.proto.collector.trace.v1.TraceService/Export");

	if (!slice_eq(r->method, SLICE("POST")) ||
	    slice_starts_with(r->user_agent, SLICE("sonde/")))
		return false;
	if (slice_starts_with(content_type, SLICE("application/grpc")))
		return slice_eq(r->target, rpc);
	return ends_with(r->target, SLICE("/v1/traces")) &&
	       (slice_starts_with(content_type, SLICE("application/x-protobuf")) ||
		slice_starts_with(content_type, SLICE("application/json")));
}

void http_add_request(struct attrs *attrs, const struct http_request *request)
{
	add_method(attrs, request->method);
	if (slice_find(request->authority, '@') >= 0)
		add(attrs, KEY_FULL, request->absolute);
	add_target(attrs, request->target);
	add(attrs, KEY_SCHEME, request->scheme);
	add_authority(attrs, request->authority);
	add(attrs, KEY_USER_AGENT, request->user_agent);
	add(attrs, KEY_CLIENT, request->client);
	add_port_text(attrs, KEY_CLIENT_PORT, request->client_port);
	add(attrs, KEY_PROTOCOL, request->protocol.n ? request->protocol : SLICE("http"));
	add(attrs, KEY_VERSION, request->version);
}

void http_add_status(struct attrs *attrs, unsigned int status)
{
	attrs_add_int(attrs, keys[KEY_STATUS], status);
}

static bool same_key(struct slice a, struct slice b)
{
	return a.n == b.n && (a.p == b.p || memcmp(a.p, b.p, a.n) == 0);
}

/* They come in the order of the keys from that one on, so the search goes on from where the last one was found. */
static void index_attrs(const struct attrs *attrs, unsigned int key, struct known *known)
{
	for (uint16_t i = 0; i < attrs->cnt; i++) {
		for (unsigned int tried = 0; tried < KEY_CNT; tried++) {
			unsigned int at = key;

			key = key + 1 < KEY_CNT ? key + 1 : 0;
			if (same_key(keys[at], attrs->v[i].key)) {
				known->by_key[at] = &attrs->v[i];
				break;
			}
		}
	}
}

static struct slice str_of(const struct known *known, enum key key)
{
	const struct attr *attr = known->by_key[key];

	return attr ? attr->str : SLICE("");
}

static int64_t num_of(const struct known *known, enum key key)
{
	const struct attr *attr = known->by_key[key];

	return attr ? attr->num : 0;
}

/* Appends to the composed text, as far as there is room. */
static void put(struct description *out, struct slice s)
{
	s = slice_first(s, sizeof(out->text) - out->text_len);
	if (s.n)
		memcpy(out->text + out->text_len, s.p, s.n);
	out->text_len += s.n;
}

static void put_num(struct description *out, uint64_t num)
{
	char digits[20];
	size_t at = sizeof(digits);

	do
		digits[--at] = (char)('0' + num % 10);
	while (num /= 10);
	put(out, slice_of(digits + at, sizeof(digits) - at));
}

/* What was put since text_len was start. */
static struct slice put_since(const struct description *out, size_t start)
{
	return slice_of(out->text + start, out->text_len - start);
}

static void add_str(struct attrs *attrs, struct slice key, struct slice value)
{
	if (value.n)
		attrs_add_str(attrs, key, value);
}

static void add_port(struct attrs *attrs, struct slice key, int64_t port)
{
	if (port)
		attrs_add_int(attrs, key, port);
}

static struct slice scheme_of(const struct exchange_view *x, const struct known *known)
{
	struct slice scheme = str_of(known, KEY_SCHEME);

	if (scheme.n)
		return scheme;
	return x->tls ? SLICE("https") : SLICE("http");
}

static void put_port(struct description *out, struct slice scheme, int64_t port)
{
	int64_t usual = slice_eq_nocase(scheme, SLICE("https")) ? 443 : 80;

	if (port && port != usual) {
		put(out, SLICE(":"));
		put_num(out, (uint64_t)port);
	}
}

/*
 * The host as the client wrote it, with its port; a Host without a port means the scheme's own.
 * Without a Host, the socket's address, but a path of a unix socket can be no host.
 */
static void put_origin(struct description *out, const struct exchange_view *x,
		       const struct known *known, struct slice scheme)
{
	struct slice host = str_of(known, KEY_HOST);
	int64_t port = num_of(known, KEY_PORT);

	if (!host.n) {
		host = x->unix_socket ? SLICE("localhost") : exchange_server(x);
		port = port ? port : x->server_port;
	}
	if (slice_find(host, ':') >= 0) {
		put(out, SLICE("["));
		put(out, host);
		put(out, SLICE("]"));
	} else {
		put(out, host);
	}
	put_port(out, scheme, port);
}

static void add_full_url(struct description *out, const struct exchange_view *x,
			 const struct known *known)
{
	struct slice scheme = scheme_of(x, known), path = str_of(known, KEY_PATH);
	size_t start = out->text_len;

	put(out, scheme);
	put(out, SLICE("://"));
	if (known->by_key[KEY_FULL])
		put(out, SLICE("REDACTED:REDACTED@"));
	put_origin(out, x, known, scheme);
	if (path.n && path.p[0] == '/')
		put(out, path);
	if (known->by_key[KEY_QUERY]) {
		put(out, SLICE("?"));
		put(out, str_of(known, KEY_QUERY));
	}
	add(&out->attrs, KEY_FULL, put_since(out, start));
}

/* By another protocol, which a web server speaks with who answers for it. */
static bool is_handed_on(const struct known *known)
{
	return known->by_key[KEY_PROTOCOL] &&
	       !slice_eq(known->by_key[KEY_PROTOCOL]->str, SLICE("http"));
}

static void add_server(struct attrs *attrs, const struct exchange_view *x,
		       const struct known *known)
{
	struct slice host = str_of(known, KEY_HOST);
	int64_t port = num_of(known, KEY_PORT);
	bool handed_on = is_handed_on(known);

	if (handed_on && x->side == SIDE_CLIENT) {
		host = SLICE("");
		port = 0;
	}
	if (!port && !(handed_on && host.n)) /* the port is where the host is */
		port = x->server_port;
	add(attrs, KEY_HOST, host.n ? host : exchange_server(x));
	add_port(attrs, keys[KEY_PORT], port);
}

/* What only a client's span has. */
static void add_client_side(struct description *out, const struct exchange_view *x,
			    const struct known *known)
{
	struct attrs *attrs = &out->attrs;

	add_full_url(out, x, known);
	add_server(attrs, x, known);
	ends_add_peer(attrs, x);
}

static void add_client(struct attrs *attrs, const struct exchange_view *x,
		       const struct known *known)
{
	if (!known->by_key[KEY_CLIENT]) {
		ends_add_client(attrs, x);
		return;
	}
	add(attrs, KEY_CLIENT, str_of(known, KEY_CLIENT));
	add_port(attrs, keys[KEY_CLIENT_PORT], num_of(known, KEY_CLIENT_PORT));
}

/* What only a server's span has. */
static void add_server_side(struct description *out, const struct exchange_view *x,
			    const struct known *known)
{
	struct attrs *attrs = &out->attrs;
	struct slice path = str_of(known, KEY_PATH);

	if (path.n && path.p[0] == '/')
		out->route_path = path;
	add(attrs, KEY_PATH, path);
	add(attrs, KEY_QUERY, str_of(known, KEY_QUERY));
	add(attrs, KEY_SCHEME, scheme_of(x, known));
	add_server(attrs, x, known);
	add_client(attrs, x, known);
	add(attrs, KEY_USER_AGENT, str_of(known, KEY_USER_AGENT));
	ends_add_peer(attrs, x);
}

/* Why the exchange is an error, or empty. Call it while there is room for the text. */
static struct slice error_type(struct description *out, const struct exchange_view *x,
			       const struct known *known)
{
	int64_t status = num_of(known, KEY_STATUS);
	size_t start = out->text_len;

	if (x->failure.n || status < (x->side == SIDE_CLIENT ? 400 : 500))
		return x->failure;
	put_num(out, (uint64_t)status);
	return put_since(out, start);
}

static void add_sizes(struct attrs *attrs, const struct exchange_view *x)
{
	if (x->request_body_sz && !x->request_unmeasured)
		attrs_add_int(attrs, SLICE("http.request.body.size"), (int64_t)x->request_body_sz);
	if (x->response->cnt && !x->response_unmeasured)
		attrs_add_int(attrs, SLICE("http.response.body.size"),
			      (int64_t)x->response_body_sz);
}

void http_describe(const struct exchange_view *x, struct description *out)
{
	struct known known = {.by_key = {NULL}};
	struct attrs *attrs = &out->attrs;
	struct slice method, error;

	index_attrs(x->request, KEY_METHOD, &known);
	index_attrs(x->response, KEY_STATUS, &known);
	out->text_len = out->items_cnt = 0;
	method = known.by_key[KEY_METHOD] ? str_of(&known, KEY_METHOD) : SLICE("_OTHER");
	error = error_type(out, x, &known);
	out->operation = method.n && method.p[0] != '_' ? method : SLICE("HTTP");
	out->route_path = SLICE("");
	out->error = error.n > 0;

	attrs_add_plain(attrs, keys[KEY_METHOD], method);
	add(attrs, KEY_METHOD_ORIGINAL, str_of(&known, KEY_METHOD_ORIGINAL));
	if (x->side == SIDE_CLIENT)
		add_client_side(out, x, &known);
	else
		add_server_side(out, x, &known);
	if (is_handed_on(&known))
		add(attrs, KEY_PROTOCOL, str_of(&known, KEY_PROTOCOL));
	add(attrs, KEY_VERSION, str_of(&known, KEY_VERSION));
	ends_add_transport(attrs, x);
	if (known.by_key[KEY_STATUS])
		attrs_add_int(attrs, keys[KEY_STATUS], num_of(&known, KEY_STATUS));
	add_str(attrs, SLICE("error.type"), error);
	add_sizes(attrs, x);
	http_headers__describe(x->request, out);
	http_headers__describe(x->response, out);
}

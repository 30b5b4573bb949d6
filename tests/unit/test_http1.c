// SPDX-License-Identifier: Apache-2.0
/*
 * HTTP/1.x: each case is fed whole, as every prefix and in every split, from allocations of the
 * exact size, and must tell the same transcript of messages.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/trace_text.h"
#include "user/protocols/http_semconv.h"
#include "user/protocols/protocol.h"

#define TRANSCRIPT_MAX 8192
#define STEPS_MAX 100000

static const struct protocol *http1;

/* --- a flow in small ------------------------------------------------------------------------ */

struct feed {
	enum sender sender;
	const uint32_t *tags; /* of the outstanding requests, oldest first */
	_Alignas(8) char state[PROTOCOL_STATE_MAX];
	char *pending; /* exactly as large as what it holds */
	size_t pending_len;
	uint64_t skip;
	bool over; /* failed, truncated, upgraded or until close: the rest is not parsed */
	char text[TRANSCRIPT_MAX];
	size_t text_len;
};

static void say(struct feed *f, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	f->text_len += (size_t)vsnprintf(f->text + f->text_len, sizeof(f->text) - f->text_len,
					 format, args);
	va_end(args);
	assert_true(f->text_len < sizeof(f->text));
}

static void say_slice(struct feed *f, const char *name, struct slice s)
{
	say(f, " %s=", name);
	for (size_t i = 0; i < s.n && i < 100; i++)
		say(f, s.p[i] >= ' ' ? "%c" : "\\x%02x", (unsigned char)s.p[i]);
}

static void say_msg(struct feed *f, const struct msg *msg)
{
	static const char *const kinds[] = {"none", "request", "response", "part", "end"};
	static const char *const flags[] = {"more", "close", "upgrade", "cut", "bad"};
	char trace[TRACE_TEXT_SZ];

	if (msg->kind == MSG_NONE && !msg->flags && !msg->skip)
		return;
	say(f, "%s", kinds[msg->kind]);
	for (unsigned int i = 0; i < 5; i++)
		if (msg->flags & 1u << i)
			say(f, " %s", flags[i]);
	if (msg->skip)
		say(f, " skip=%llu", (unsigned long long)msg->skip);
	if (msg->kind == MSG_REQUEST && msg->tag)
		say(f, " tag=%u", msg->tag);
	if (msg->parent.format)
		say_slice(f, "traceparent", trace_text(&msg->parent, trace));
	if (msg->tracestate.n)
		say_slice(f, "tracestate", msg->tracestate);
	if (msg->upgrade.n)
		say_slice(f, "to", msg->upgrade);
	for (uint16_t i = 0; i < msg->attrs.cnt; i++) {
		const struct attr *attr = &msg->attrs.v[i];
		char key[64];

		snprintf(key, sizeof(key), "%.*s", (int)attr->key.n, attr->key.p);
		if (attr->type == ATTR_INT)
			say(f, " %s=%lld", key, (long long)attr->num);
		else
			say_slice(f, key, attr->str);
	}
	say(f, "\n");
}

static void replace_pending(struct feed *f, const char *p, size_t n)
{
	char *copy = malloc(n ? n : 1);

	assert_non_null(copy);
	if (n)
		memcpy(copy, p, n);
	free(f->pending);
	f->pending = copy;
	f->pending_len = n;
}

static void drop_pending(struct feed *f, size_t n)
{
	char *old = f->pending;

	f->pending = NULL;
	replace_pending(f, old + n, f->pending_len - n);
	free(old);
}

static void skip_body(struct feed *f)
{
	size_t n = f->skip < f->pending_len ? (size_t)f->skip : f->pending_len;

	if (n) {
		drop_pending(f, n);
		f->skip -= n;
	}
}

/* One call of parse. True if it made progress. */
static bool step(struct feed *f, bool last)
{
	struct attr attrs[MSG_ATTRS_MAX];
	struct msg msg = {
		.attrs = {.v = attrs, .cap = MSG_ATTRS_MAX},
		.tag = f->sender == FROM_SERVER && f->tags ? *f->tags : 0,
	};
	ssize_t n =
		http1->parse(f->state, f->sender, slice_of(f->pending, f->pending_len), last, &msg);

	if (n == -EPROTO) {
		say(f, "error\n");
		f->over = true;
		return false;
	}
	assert_in_range(n, 0, f->pending_len);
	if (n == 0) {
		assert_false(last);
		return false;
	}
	if (msg.kind == MSG_RESPONSE && f->tags)
		f->tags++;
	say_msg(f, &msg);
	f->over = msg.flags & (MESSAGE_UNTIL_CLOSE | MESSAGE_UPGRADE | MESSAGE_TRUNCATED);
	if (msg.flags & MESSAGE_TRUNCATED)
		assert_int_equal(n, f->pending_len);
	f->skip = msg.skip;
	drop_pending(f, (size_t)n);
	return true;
}

static void feed_bytes(struct feed *f, const char *p, size_t n, bool last)
{
	char *joined = malloc(f->pending_len + n + 1);

	assert_non_null(joined);
	if (f->pending_len)
		memcpy(joined, f->pending, f->pending_len);
	memcpy(joined + f->pending_len, p, n);
	replace_pending(f, joined, f->pending_len + n);
	free(joined);
	for (int steps = 0;; steps++) {
		assert_true(steps < STEPS_MAX);
		skip_body(f);
		if (f->over || !f->pending_len || !step(f, last))
			break;
	}
}

static void begin(struct feed *f, enum sender sender, const uint32_t *tags)
{
	memset(f, 0, sizeof(*f));
	f->sender = sender;
	f->tags = tags;
}

static void end(struct feed *f)
{
	free(f->pending);
	f->pending = NULL;
}

/* --- messages ------------------------------------------------------------------------------- */

struct parse_case {
	const char *name;
	enum sender sender;
	uint32_t tags[4];
	struct slice bytes;
	const char *transcript;
};

#define GET "http.request.method=GET"
#define GOT "request " GET
#define HTTP11 " network.protocol.name=http network.protocol.version=1.1\n"
#define HTTP10 " network.protocol.name=http network.protocol.version=1.0\n"
#define STATUS(code) " http.response.status_code=" #code "\n"

#define CHUNKED_POST "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
#define CHUNKED_REQUEST "request more http.request.method=POST url.path=/" HTTP11

static const struct parse_case requests[] = {
	{.name = "origin form, headers, query",
	 .bytes = SLICE("GET /a/b?x=1&y=? HTTP/1.1\r\nHost: shop.example:8080\r\n"
			"User-Agent: curl/8.5\r\nAccept: */*\r\n\r\n"),
	 .transcript = GOT " url.path=/a/b url.query=x=1&y=?"
			   " server.address=shop.example server.port=8080"
			   " user_agent.original=curl/8.5" HTTP11},
	{.name = "no headers, HTTP/1.0",
	 .bytes = SLICE("GET / HTTP/1.0\r\n\r\n"),
	 .transcript = GOT " url.path=/" HTTP10},
	{.name = "empty query is no query",
	 .bytes = SLICE("GET /? HTTP/1.0\r\n\r\n"),
	 .transcript = GOT " url.path=/" HTTP10},
	{.name = "unknown method",
	 .bytes = SLICE("PROPFIND /d HTTP/1.1\r\n\r\n"),
	 .transcript = "request http.request.method=_OTHER "
		       "http.request.method_original=PROPFIND url.path=/d" HTTP11},
	{.name = "methods are case-sensitive",
	 .bytes = SLICE("get / HTTP/1.1\r\n\r\n"),
	 .transcript = "request http.request.method=_OTHER "
		       "http.request.method_original=get url.path=/" HTTP11},
	{.name = "QUERY and PATCH are known",
	 .bytes = SLICE("QUERY /q HTTP/1.1\r\n\r\nPATCH /p HTTP/1.1\r\n\r\n"),
	 .transcript = "request http.request.method=QUERY url.path=/q" HTTP11
		       "request http.request.method=PATCH url.path=/p" HTTP11},
	{.name = "longest method",
	 .bytes = SLICE("ABCDEFGHIJKLMNOPQRSTUVWXYZ!#$%&' / HTTP/1.1\r\n\r\n"),
	 .transcript = "request http.request.method=_OTHER http.request.method_original="
		       "ABCDEFGHIJKLMNOPQRSTUVWXYZ!#$%&' url.path=/" HTTP11},
	{.name = "method too long",
	 .bytes = SLICE("ABCDEFGHIJKLMNOPQRSTUVWXYZ!#$%&'X / HTTP/1.1\r\n\r\n"),
	 .transcript = "error\n"},
	{.name = "absolute form: Host is ignored",
	 .bytes = SLICE("GET http://api.example:81/p?q=1 HTTP/1.1\r\nHost: proxy\r\n\r\n"),
	 .transcript = GOT " url.path=/p url.query=q=1 url.scheme=http"
			   " server.address=api.example server.port=81" HTTP11},
	{.name = "absolute form: nothing after the authority",
	 .bytes = SLICE("GET https://api.example HTTP/1.1\r\n\r\n"),
	 .transcript = GOT " url.path=/ url.scheme=https"
			   " server.address=api.example" HTTP11},
	{.name = "absolute form: query after the authority",
	 .bytes = SLICE("GET https://api.example?a=b HTTP/1.1\r\n\r\n"),
	 .transcript = GOT " url.path=/ url.query=a=b url.scheme=https"
			   " server.address=api.example" HTTP11},
	{.name = "absolute form: userinfo",
	 .bytes = SLICE("GET http://me:secret@h/p HTTP/1.1\r\n\r\n"),
	 .transcript = GOT " url.full=http://me:secret@h/p url.path=/p"
			   " url.scheme=http server.address=h" HTTP11},
	{.name = "authority form",
	 .bytes = SLICE("CONNECT db.example:443 HTTP/1.1\r\nHost: other\r\n\r\n"),
	 .transcript = "request tag=2 http.request.method=CONNECT server.address=db.example"
		       " server.port=443" HTTP11},
	{.name = "asterisk form",
	 .bytes = SLICE("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n"),
	 .transcript = "request http.request.method=OPTIONS url.path=* server.address=h" HTTP11},
	{.name = "no form at all",
	 .bytes = SLICE("GET index.html HTTP/1.1\r\n\r\n"),
	 .transcript = "request bad " GET HTTP11},
	{.name = "no form: what looks absolute is in the query",
	 .bytes = SLICE("GET a?u=http://b/ HTTP/1.1\r\n\r\nGET ://b HTTP/1.1\r\n\r\n"),
	 .transcript = "request bad " GET HTTP11 "request bad " GET HTTP11},
	{.name = "space in the target",
	 .bytes = SLICE("GET /a b HTTP/1.1\r\n\r\n"),
	 .transcript = "request bad " GET " url.path=/a b" HTTP11},
	{.name = "control byte in the target",
	 .bytes = SLICE("GET /a\x01 HTTP/1.1\r\n\r\n"),
	 .transcript = "request bad " GET " url.path=/a\\x01" HTTP11},
	{.name = "Host: IPv6 with port",
	 .bytes = SLICE("GET / HTTP/1.1\r\nHost: [2001:db8::1]:8443\r\n\r\n"),
	 .transcript = GOT " url.path=/ server.address=2001:db8::1"
			   " server.port=8443" HTTP11},
	{.name = "Host: IPv6 without port",
	 .bytes = SLICE("GET / HTTP/1.1\r\nHost: [::1]\r\n\r\n"),
	 .transcript = GOT " url.path=/ server.address=::1" HTTP11},
	{.name = "Host: bracket left open",
	 .bytes = SLICE("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"),
	 .transcript = GOT " url.path=/ server.address=::1" HTTP11},
	{.name = "Host: bare IPv6",
	 .bytes = SLICE("GET / HTTP/1.1\r\nHost: fe80::1\r\n\r\n"),
	 .transcript = GOT " url.path=/ server.address=fe80::1" HTTP11},
	{.name = "Host: bad ports",
	 .bytes = SLICE("GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n"
			"GET / HTTP/1.1\r\nHost: b:\r\n\r\n"
			"GET / HTTP/1.1\r\nHost: c:x\r\n\r\n"
			"GET / HTTP/1.1\r\nHost: d:0\r\n\r\n"
			"GET / HTTP/1.1\r\nHost: :80\r\n\r\n"
			"GET / HTTP/1.1\r\nHost:\r\n\r\n"),
	 .transcript = GOT
	 " url.path=/ server.address=a" HTTP11 GOT " url.path=/ server.address=b" HTTP11 GOT
	 " url.path=/ server.address=c" HTTP11 GOT " url.path=/ server.address=d" HTTP11 GOT
	 " url.path=/ server.port=80" HTTP11 GOT " url.path=/" HTTP11},
	{.name = "header names: case, blanks before the colon, blanks around the value",
	 .bytes = SLICE("GET / HTTP/1.1\r\nhOsT \t:\t h \t\r\nUSER-AGENT:x\r\n\r\n"),
	 .transcript = GOT " url.path=/ server.address=h"
			   " user_agent.original=x" HTTP11},
	{.name = "the first of equal headers counts",
	 .bytes = SLICE("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\nUser-Agent: x\r\n"
			"User-Agent: y\r\n\r\n"),
	 .transcript = GOT " url.path=/ server.address=a"
			   " user_agent.original=x" HTTP11},
	{.name = "names that only begin alike",
	 .bytes = SLICE("GET / HTTP/1.1\r\nHostage: a\r\nHos: b\r\nContent-Lengths: 5\r\n"
			"Content-Type: x\r\nH\r\nTraceparents: x\r\n\r\n"),
	 .transcript = GOT " url.path=/" HTTP11},
	{.name = "lines without a colon, empty names",
	 .bytes = SLICE("GET / HTTP/1.1\r\nHost\r\n: x\r\nnonsense\r\n\r\n"),
	 .transcript = GOT " url.path=/" HTTP11},
	{.name = "trace context",
	 .bytes = SLICE("GET / HTTP/1.1\r\ntraceparent: 00-0af7651916cd43dd8448eb211c80319c-"
			"b7ad6b7169203331-01\r\nTraceState: a=1,b=2\r\ntracestate: c=3\r\n\r\n"),
	 .transcript =
		 "request traceparent=00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 tracestate=a=1,b=2 " GET
		 " url.path=/" HTTP11},
	{.name = "folded header",
	 .bytes = SLICE("GET / HTTP/1.1\r\nHost:\r\n  folded\r\nUser-Agent: a\r\n\tb\r\n"
			"Content-Length: \r\n 3\r\n\r\nabcGET /2 HTTP/1.1\r\n\r\n"),
	 .transcript = "request skip=3 " GET " url.path=/ server.address=folded"
		       " user_agent.original=a\\x0d\\x0a\\x09b" HTTP11 GOT " url.path=/2" HTTP11},
	{.name = "folded line right after the request line; line of blanks",
	 .bytes = SLICE("GET / HTTP/1.1\r\n Host: x\r\nHost: y\r\n \r\n\r\n"),
	 .transcript = GOT " url.path=/ server.address=y" HTTP11},
	{.name = "bare LF",
	 .bytes = SLICE("GET /1 HTTP/1.1\nHost: h\n\nGET /2 HTTP/1.1\n\n"),
	 .transcript = GOT " url.path=/1 server.address=h" HTTP11 GOT " url.path=/2" HTTP11},
	{.name = "blank lines before and between requests",
	 .bytes = SLICE("\r\nGET /1 HTTP/1.1\r\n\r\n\r\n\n\r\nGET /2 HTTP/1.1\r\n\r\n"),
	 .transcript = GOT " url.path=/1" HTTP11 GOT " url.path=/2" HTTP11},
	{.name = "body and pipelining",
	 .bytes = SLICE("POST /1 HTTP/1.1\r\nContent-Length: 5\r\n\r\n\r\n\r\nx"
			"HEAD /2 HTTP/1.1\r\n\r\nGET /3 HTTP/1.1\r\n\r\n"),
	 .transcript = "request skip=5 http.request.method=POST url.path=/1" HTTP11
		       "request tag=1 http.request.method=HEAD url.path=/2" HTTP11 GOT
		       " url.path=/3" HTTP11},
	{.name = "Expect: 100-continue is nothing special",
	 .bytes = SLICE("PUT / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n"
			"\r\nabGET / HTTP/1.1\r\n\r\n"),
	 .transcript = "request skip=2 http.request.method=PUT url.path=/" HTTP11 GOT
		       " url.path=/" HTTP11},
	{.name = "chunked",
	 .bytes = SLICE("POST / HTTP/1.1\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n"
			"4\r\nwiki\r\n0A ;x=\"y\"\r\n0123456789\r\n0\r\n\r\n"
			"GET / HTTP/1.1\r\n\r\n"),
	 .transcript = CHUNKED_REQUEST "none skip=4\nnone skip=10\nend\n" GOT " url.path=/" HTTP11},
	{.name = "chunked with bare LF and trailers",
	 .bytes = SLICE("POST / HTTP/1.1\nTransfer-Encoding: chunked\n\n"
			"1\nx\n000;e\nDigest: a\nContent-Length: 7\n\nGET / HTTP/1.1\n\n"),
	 .transcript = CHUNKED_REQUEST "none skip=1\nend\nrequest " GET " url.path=/" HTTP11},
	{.name = "chunked in two headers",
	 .bytes = SLICE("POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n"
			"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
	 .transcript = CHUNKED_REQUEST "end\n"},
	{.name = "Transfer-Encoding wins over Content-Length",
	 .bytes = SLICE("POST / HTTP/1.1\r\nContent-Length: 100\r\n"
			"Transfer-Encoding: chunked\r\nContent-Length: x\r\n\r\n0\r\n\r\n"),
	 .transcript = CHUNKED_REQUEST "end\n"},
	{.name = "identity is no coding",
	 .bytes = SLICE("POST / HTTP/1.1\r\nTransfer-Encoding: identity\r\n"
			"Content-Length: 1\r\n\r\nx"),
	 .transcript = "request skip=1 http.request.method=POST url.path=/" HTTP11},
	{.name = "request whose last coding is not chunked",
	 .bytes = SLICE("POST / HTTP/1.1\r\nTransfer-Encoding: chunked, gzip\r\n\r\n"),
	 .transcript = "error\n"},
	{.name = "chunked in the first of two headers only",
	 .bytes = SLICE("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n"
			"Transfer-Encoding: gzip\r\n\r\n"),
	 .transcript = "error\n"},
	{.name = "chunk sizes: largest",
	 .bytes = SLICE(CHUNKED_POST "07fffffffffffffff\r\nx"),
	 .transcript = CHUNKED_REQUEST "none skip=9223372036854775807\n"},
	{.name = "chunk sizes: too large",
	 .bytes = SLICE(CHUNKED_POST "8000000000000000\r\n"),
	 .transcript = CHUNKED_REQUEST "error\n"},
	{.name = "chunk sizes: wraps",
	 .bytes = SLICE(CHUNKED_POST "10000000000000000\r\n"),
	 .transcript = CHUNKED_REQUEST "error\n"},
	{.name = "chunk sizes: empty",
	 .bytes = SLICE("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\r\n"),
	 .transcript = CHUNKED_REQUEST "error\n"},
	{.name = "chunk sizes: negative",
	 .bytes = SLICE("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n"),
	 .transcript = CHUNKED_REQUEST "error\n"},
	{.name = "chunk sizes: not a number",
	 .bytes = SLICE("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\n"),
	 .transcript = CHUNKED_REQUEST "error\n"},
	{.name = "chunk longer than its size",
	 .bytes = SLICE("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n"),
	 .transcript = CHUNKED_REQUEST "none skip=2\nerror\n"},
	{.name = "Content-Length: same value twice",
	 .bytes = SLICE("PUT / HTTP/1.1\r\nContent-Length: 1, 01\r\nContent-Length: 1\r\n"
			"\r\nx"),
	 .transcript = "request skip=1 http.request.method=PUT url.path=/" HTTP11},
	{.name = "Content-Length: largest",
	 .bytes = SLICE("PUT / HTTP/1.1\r\nContent-Length: 9223372036854775807\r\n\r\n"),
	 .transcript =
		 "request skip=9223372036854775807 http.request.method=PUT url.path=/" HTTP11},
	{.name = "Content-Length: too large for an offset",
	 .bytes = SLICE("PUT / HTTP/1.1\r\nContent-Length: 9223372036854775808\r\n\r\n"),
	 .transcript = "error\n"},
	{.name = "Content-Length: 2^64",
	 .bytes = SLICE("PUT / HTTP/1.1\r\nContent-Length: 18446744073709551616\r\n\r\n"),
	 .transcript = "error\n"},
	{.name = "Content-Length: negative",
	 .bytes = SLICE("PUT / HTTP/1.1\r\nContent-Length: -1\r\n\r\n"),
	 .transcript = "error\n"},
	{.name = "Content-Length: signed",
	 .bytes = SLICE("PUT / HTTP/1.1\r\nContent-Length: +1\r\n\r\n"),
	 .transcript = "error\n"},
	{.name = "Content-Length: empty",
	 .bytes = SLICE("PUT / HTTP/1.1\r\nContent-Length:\r\n\r\n"),
	 .transcript = "error\n"},
	{.name = "Content-Length: conflict",
	 .bytes = SLICE("PUT / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"),
	 .transcript = "error\n"},
	{.name = "Content-Length: conflict in a list",
	 .bytes = SLICE("PUT / HTTP/1.1\r\nContent-Length: 1,2\r\n\r\n"),
	 .transcript = "error\n"},
	{.name = "Content-Length: list with a hole",
	 .bytes = SLICE("PUT / HTTP/1.1\r\nContent-Length: 1,,1\r\n\r\n"),
	 .transcript = "error\n"},
	{.name = "HTTP/2 preface",
	 .bytes = SLICE("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
	 .transcript = "error\n"},
	{.name = "HTTP/0.9", .bytes = SLICE("GET /\r\n"), .transcript = "error\n"},
	{.name = "version in the target",
	 .bytes = SLICE("GET /xHTTP/1.1\r\n\r\n"),
	 .transcript = "error\n"},
	{.name = "no line end to wait for",
	 .bytes = SLICE("\x16\x03\x01"),
	 .transcript = "error\n"},
	{.name = "no target", .bytes = SLICE("GET  HTTP/1.1\r\n\r\n"), .transcript = "error\n"},
	{.name = "version bad", .bytes = SLICE("GET / HTTP/1.x\r\n\r\n"), .transcript = "error\n"},
	{.name = "version long",
	 .bytes = SLICE("GET / HTTP/1.10\r\n\r\n"),
	 .transcript = "error\n"},
	{.name = "a response", .bytes = SLICE("HTTP/1.1 200 OK\r\n\r\n"), .transcript = "error\n"},
	{.name = "binary", .bytes = SLICE("\x16\x03\x01\x02\x00\x01\n"), .transcript = "error\n"},
	{.name = "CR alone", .bytes = SLICE("\rGET / HTTP/1.1\r\n\r\n"), .transcript = "error\n"},
};

static const struct parse_case responses[] = {
	{.name = "Content-Length and pipelining",
	 .bytes = SLICE("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
			"content-length: 2\r\n\r\nhiHTTP/1.0 404 Not Found\r\n"
			"Content-Length: 0\r\n\r\nHTTP/1.1 500\r\nContent-Length:0\r\n\r\n"),
	 .transcript = "response skip=2" STATUS(200) "response" STATUS(404) "response" STATUS(500)},
	{.name = "no length: until close",
	 .bytes = SLICE("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nHTTP/1.1 404 x\r\n\r\n"),
	 .transcript = "response close" STATUS(200)},
	{.name = "coding other than chunked: until close",
	 .bytes = SLICE("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n"
			"Content-Length: 5\r\n\r\nx"),
	 .transcript = "response close" STATUS(200)},
	{.name = "chunked, then another",
	 .bytes = SLICE("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
			"3\r\nabc\r\n1\r\nd\r\n0\r\nServer-Timing: x\r\n\r\n"
			"HTTP/1.1 304 \r\nContent-Length: 9\r\n\r\n"),
	 .transcript = "response more" STATUS(200) "none skip=3\nnone skip=1\nend\n"
						   "response" STATUS(304)},
	{.name = "Transfer-Encoding wins over a bad Content-Length",
	 .bytes = SLICE("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n"
			"Transfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n"),
	 .transcript = "response more" STATUS(200) "end\n"},
	{.name = "interim responses",
	 .bytes = SLICE("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n"
			"Link: </a>\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 1\r\n\r\n"
			"x"),
	 .transcript = "response skip=1" STATUS(201)},
	{.name = "to HEAD, then to GET",
	 .tags = {HTTP_TAG_HEAD},
	 .bytes = SLICE("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
			"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"),
	 .transcript = "response" STATUS(200) "response skip=2" STATUS(200)},
	{.name = "to HEAD, chunked and without length",
	 .tags = {HTTP_TAG_HEAD, HTTP_TAG_HEAD, HTTP_TAG_HEAD},
	 .bytes = SLICE("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
			"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"
			"HTTP/1.1 503 No\r\n\r\n"),
	 .transcript = "response" STATUS(200) "response" STATUS(200) "response" STATUS(503)},
	{.name = "204 and 304 have no body",
	 .bytes = SLICE("HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n"
			"HTTP/1.1 304 Not Modified\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"),
	 .transcript = "response" STATUS(204) "response" STATUS(304) "response close" STATUS(200)},
	{.name = "101 to HTTP/2",
	 .bytes = SLICE("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
			"Upgrade: h2c\r\n\r\n"),
	 .transcript = "response upgrade to=http2" STATUS(101)},
	{.name = "101",
	 .bytes = SLICE("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
			"Content-Length: x\r\n\r\n\x81\x05hello"),
	 .transcript = "response upgrade to=websocket" STATUS(101)},
	{.name = "101 to what is not known here",
	 .bytes = SLICE("HTTP/1.1 101 Switching Protocols\r\nUpgrade: tcp\r\n\r\n"),
	 .transcript = "response upgrade" STATUS(101)},
	{.name = "an upgrade that is only offered",
	 .bytes = SLICE("HTTP/1.1 204 No\r\nUpgrade: WebSocket\r\n\r\n"),
	 .transcript = "response" STATUS(204)},
	{.name = "2xx to CONNECT",
	 .tags = {HTTP_TAG_CONNECT},
	 .bytes = SLICE("HTTP/1.1 200 Established\r\nContent-Length: 7\r\n\r\n\x16\x03"),
	 .transcript = "response upgrade" STATUS(200)},
	{.name = "407 to CONNECT",
	 .tags = {HTTP_TAG_CONNECT, HTTP_TAG_CONNECT},
	 .bytes = SLICE("HTTP/1.1 407 No\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 299 Y\r\n\r\n"),
	 .transcript = "response skip=1" STATUS(407) "response upgrade" STATUS(299)},
	{.name = "bare LF, no reason, folded length",
	 .bytes = SLICE("HTTP/1.1 200\nContent-Length:\n 1\n\nxHTTP/1.1 999 \n\n"),
	 .transcript = "response skip=1" STATUS(200) "response close" STATUS(999)},
	{.name = "trace context means nothing here",
	 .bytes = SLICE("HTTP/1.1 204 x\r\ntraceparent: 00-1-2-03\r\n\r\n"),
	 .transcript = "response" STATUS(204)},
	{.name = "Content-Length: conflict",
	 .bytes = SLICE("HTTP/1.1 200 x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"),
	 .transcript = "error\n"},
	{.name = "Content-Length: 2^64",
	 .bytes = SLICE("HTTP/1.1 200 x\r\nContent-Length: 18446744073709551616\r\n\r\n"),
	 .transcript = "error\n"},
	{.name = "no line end to wait for", .bytes = SLICE("HTTP/1.2"), .transcript = "error\n"},
	{.name = "status short", .bytes = SLICE("HTTP/1.1 20\r\n\r\n"), .transcript = "error\n"},
	{.name = "status long", .bytes = SLICE("HTTP/1.1 2000\r\n\r\n"), .transcript = "error\n"},
	{.name = "status below 100",
	 .bytes = SLICE("HTTP/1.1 099 x\r\n\r\n"),
	 .transcript = "error\n"},
	{.name = "version", .bytes = SLICE("HTTP/2.0 200 x\r\n\r\n"), .transcript = "error\n"},
	{.name = "a request", .bytes = SLICE("GET / HTTP/1.1\r\n\r\n"), .transcript = "error\n"},
	{.name = "binary", .bytes = SLICE("\0\0\0\x12\x04\n"), .transcript = "error\n"},
};

static const uint32_t *tags_of(const struct parse_case *c)
{
	return c->sender == FROM_SERVER ? c->tags : NULL;
}

/* Up to cut with more to come, then the rest. */
static void check_split(const struct parse_case *c, size_t cut)
{
	struct feed f;

	begin(&f, c->sender, tags_of(c));
	feed_bytes(&f, c->bytes.p, cut, false);
	/* What a prefix tells is what the whole tells first. */
	if (strncmp(f.text, c->transcript, f.text_len) != 0)
		fail_msg("%s: after %zu bytes:\n%s", c->name, cut, f.text);
	if (!f.over)
		feed_bytes(&f, c->bytes.p + cut, c->bytes.n - cut, false);
	if (strcmp(f.text, c->transcript) != 0)
		fail_msg("%s: split at %zu: got\n%swanted\n%s", c->name, cut, f.text,
			 c->transcript);
	end(&f);
}

/* All messages before the cut one are told; the cut one is told as such, or is an error. */
static void check_cut(const struct parse_case *c, size_t cut)
{
	struct feed f, whole;
	size_t told;

	begin(&f, c->sender, tags_of(c));
	feed_bytes(&f, c->bytes.p, cut, false);
	begin(&whole, c->sender, tags_of(c));
	feed_bytes(&whole, c->bytes.p, cut, true);
	told = f.text_len;
	if (strncmp(f.text, whole.text, told) != 0)
		fail_msg("%s: cut at %zu: got\n%swanted first\n%s", c->name, cut, whole.text,
			 f.text);
	if (!f.over && f.pending_len && !strstr(whole.text + told, " cut") &&
	    !strstr(whole.text + told, "error"))
		fail_msg("%s: cut at %zu: neither cut nor error:\n%s", c->name, cut, whole.text);
	end(&f);
	end(&whole);
}

static void check_cases(const struct parse_case *cases, size_t cnt, enum sender sender)
{
	for (size_t i = 0; i < cnt; i++) {
		struct parse_case c = cases[i];

		c.sender = sender;
		for (size_t cut = 0; cut <= c.bytes.n; cut++) {
			check_split(&c, cut);
			check_cut(&c, cut);
		}
	}
}

static void test_requests(void **unused)
{
	(void)unused;
	check_cases(requests, sizeof(requests) / sizeof(*requests), FROM_CLIENT);
}

static void test_responses(void **unused)
{
	(void)unused;
	check_cases(responses, sizeof(responses) / sizeof(*responses), FROM_SERVER);
}

static void test_byte_by_byte(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof(requests) / sizeof(*requests); i++) {
		struct feed f;

		begin(&f, FROM_CLIENT, NULL);
		for (size_t at = 0; at < requests[i].bytes.n && !f.over; at++)
			feed_bytes(&f, requests[i].bytes.p + at, 1, false);
		assert_string_equal(f.text, requests[i].transcript);
		end(&f);
	}
}

/* --- heads that were cut -------------------------------------------------------------------- */

static const struct parse_case cut_heads[] = {
	{.name = "in the headers: whole lines count",
	 .bytes = SLICE("GET /a HTTP/1.1\r\nHost: h:1\r\nContent-Length: 5\r\nUser-Agent: cu"),
	 .transcript = "request cut " GET " url.path=/a server.address=h server.port=1" HTTP11},
	{.name = "before the blank line",
	 .bytes = SLICE("POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n"),
	 .transcript = "request cut http.request.method=POST url.path=/a" HTTP11},
	{.name = "bad length in a cut head",
	 .bytes = SLICE("POST /a HTTP/1.1\r\nContent-Length: x\r\n\r"),
	 .transcript = "request cut http.request.method=POST url.path=/a" HTTP11},
	{.name = "in the version",
	 .bytes = SLICE("GET /a HTT"),
	 .transcript = "request cut " GET " url.path=/a network.protocol.name=http\n"},
	{.name = "after the version",
	 .bytes = SLICE("GET /a HTTP/1.0"),
	 .transcript = "request cut " GET " url.path=/a" HTTP10},
	{.name = "in the target",
	 .bytes = SLICE("GET /a?b=c"),
	 .transcript =
		 "request cut " GET " url.path=/a url.query=b=c network.protocol.name=http\n"},
	{.name = "in the authority",
	 .bytes = SLICE("GET http://me:secret@ho"),
	 .transcript = "request cut " GET " url.scheme=http network.protocol.name=http\n"},
	{.name = "after the authority",
	 .bytes = SLICE("GET http://host/"),
	 .transcript = "request cut " GET " url.path=/ url.scheme=http server.address=host"
		       " network.protocol.name=http\n"},
	{.name = "in the authority of CONNECT",
	 .bytes = SLICE("CONNECT hos"),
	 .transcript = "request cut tag=2 http.request.method=CONNECT"
		       " network.protocol.name=http\n"},
	{.name = "in the method", .bytes = SLICE("GE"), .transcript = "error\n"},
	{.name = "after the method", .bytes = SLICE("GET "), .transcript = "error\n"},
	{.name = "no target", .bytes = SLICE("what ever"), .transcript = "error\n"},
	{.name = "other version", .bytes = SLICE("GET / RTSP/1"), .transcript = "error\n"},
	{.name = "TAB after the target", .bytes = SLICE("GET /\tHTTP/1"), .transcript = "error\n"},
	{.name = "in the second request",
	 .bytes = SLICE("GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n"),
	 .transcript = GOT " url.path=/1" HTTP11 "request cut " GET " url.path=/2" HTTP11},
	{.name = "in the head of a response",
	 .sender = FROM_SERVER,
	 .bytes = SLICE("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"),
	 .transcript = "response cut" STATUS(200)},
	{.name = "in the reason",
	 .sender = FROM_SERVER,
	 .bytes = SLICE("HTTP/1.1 503 Servi"),
	 .transcript = "response cut" STATUS(503)},
	{.name = "interim response",
	 .sender = FROM_SERVER,
	 .bytes = SLICE("HTTP/1.1 103 Early Hints\r\nLink: x"),
	 .transcript = "none cut\n"},
	{.name = "in the status",
	 .sender = FROM_SERVER,
	 .bytes = SLICE("HTTP/1.1 50"),
	 .transcript = "error\n"},
	{.name = "in a chunk's size",
	 .sender = FROM_SERVER,
	 .bytes = SLICE("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1"),
	 .transcript = "response more" STATUS(200) "none skip=2\nnone cut\n"},
	{.name = "in the trailers",
	 .sender = FROM_SERVER,
	 .bytes = SLICE("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nDigest:"),
	 .transcript = "response more" STATUS(200) "end cut\n"},
};

static void test_cut_heads(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof(cut_heads) / sizeof(*cut_heads); i++) {
		const struct parse_case *c = &cut_heads[i];
		struct feed f;

		begin(&f, c->sender, tags_of(c));
		feed_bytes(&f, c->bytes.p, c->bytes.n, true);
		if (strcmp(f.text, c->transcript) != 0)
			fail_msg("%s: got\n%swanted\n%s", c->name, f.text, c->transcript);
		end(&f);
	}
}

/* --- what is too much ----------------------------------------------------------------------- */

/* head, then filler up to len bytes in all, then tail. */
static char *blow_up(const char *head, const char *filler, const char *tail, size_t len)
{
	char *text = malloc(len + strlen(tail));
	size_t head_len = strlen(head), filler_len = strlen(filler);

	assert_non_null(text);
	for (size_t at = 0; at < len; at++)
		text[at] = at < head_len ? head[at] : filler[(at - head_len) % filler_len];
	memcpy(text + len, tail, strlen(tail));
	return text;
}

struct bomb_case {
	const char *name;
	enum sender sender;
	const char *head, *filler, *tail;
	size_t len;
	const char *transcript;
};

#define CHUNKED "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

static const struct bomb_case bombs[] = {
	{.name = "headers that fit",
	 .head = "GET / HTTP/1.1\r\n",
	 .filler = "A: b\r\n",
	 .tail = "\r\n",
	 .len = 16 + 6 * 10000,
	 .transcript = GOT " url.path=/" HTTP11},
	{.name = "headers without end",
	 .head = "GET / HTTP/1.1\r\nHost: h\r\n",
	 .filler = "A: b\r\n",
	 .tail = "",
	 .len = 70000,
	 .transcript = "request cut " GET " url.path=/ server.address=h" HTTP11},
	{.name = "one header without end",
	 .sender = FROM_SERVER,
	 .head = "HTTP/1.1 200 OK\r\nA: ",
	 .filler = "x",
	 .tail = "",
	 .len = 65536,
	 .transcript = "response cut" STATUS(200)},
	{.name = "folding without end",
	 .sender = FROM_SERVER,
	 .head = "HTTP/1.1 200 OK\r\nA: ",
	 .filler = "\n ",
	 .tail = "",
	 .len = 65536,
	 .transcript = "response cut" STATUS(200)},
	{.name = "reason without end",
	 .sender = FROM_SERVER,
	 .head = "HTTP/1.1 200 ",
	 .filler = "x",
	 .tail = "",
	 .len = 65536,
	 .transcript = "response cut" STATUS(200)},
	{.name = "target of nothing without end",
	 .head = "GET ",
	 .filler = "x",
	 .tail = "",
	 .len = 65536,
	 .transcript = "error\n"},
	{.name = "long target that ends",
	 .head = "GET * HTTP/1.1\r\nHost: ",
	 .filler = "h",
	 .tail = ":1\r\nContent-Length: 1\r\n\r\nx",
	 .len = 122,
	 .transcript = "request skip=1 " GET
		       " url.path=* server.address=hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh"
		       "hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh"
		       " server.port=1" HTTP11},
	{.name = "blank lines without end",
	 .head = "",
	 .filler = "\r\n",
	 .tail = "GET / HTTP/1.1\r\n\r\n",
	 .len = 200000,
	 .transcript = GOT " url.path=/" HTTP11},
	{.name = "chunk extension that fits",
	 .sender = FROM_SERVER,
	 .head = CHUNKED "1;",
	 .filler = "x",
	 .tail = "\r\na\r\n0\r\n\r\n",
	 .len = 4000,
	 .transcript = "response more" STATUS(200) "none skip=1\nend\n"},
	{.name = "chunk extension without end",
	 .sender = FROM_SERVER,
	 .head = CHUNKED "1;",
	 .filler = "x",
	 .tail = "",
	 .len = 5000,
	 .transcript = "response more" STATUS(200) "error\n"},
	{.name = "chunk size of zeros",
	 .sender = FROM_SERVER,
	 .head = CHUNKED,
	 .filler = "0",
	 .tail = "",
	 .len = 5000,
	 .transcript = "response more" STATUS(200) "error\n"},
	{.name = "trailers without end",
	 .sender = FROM_SERVER,
	 .head = CHUNKED "0\r\n",
	 .filler = "A: b\r\n",
	 .tail = "",
	 .len = 70000,
	 .transcript = "response more" STATUS(200) "end cut\n"},
};

static void test_bombs(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof(bombs) / sizeof(*bombs); i++) {
		const struct bomb_case *c = &bombs[i];
		size_t len = c->len + strlen(c->tail);
		char *text = blow_up(c->head, c->filler, c->tail, c->len);

		/* At once, and in pieces as they come from a socket. */
		for (size_t piece = len; piece; piece = piece == len ? 1000 : 0) {
			struct feed f;

			begin(&f, c->sender, NULL);
			for (size_t at = 0; at < len && !f.over; at += piece)
				feed_bytes(&f, text + at, piece < len - at ? piece : len - at,
					   false);
			if (strcmp(f.text, c->transcript) != 0)
				fail_msg("%s: got\n%swanted\n%s", c->name, f.text, c->transcript);
			end(&f);
		}
		free(text);
	}
}

static void test_resync_forgets_the_body(void **unused)
{
	static const char chunked[] = CHUNKED "5\r\nabcde\r\n", next[] = "HTTP/1.1 204 x\r\n\r\n";
	struct feed f;

	(void)unused;
	begin(&f, FROM_SERVER, NULL);
	feed_bytes(&f, chunked, sizeof(chunked) - 1, false);
	http1->resync(f.state, FROM_CLIENT); /* not this sender's */
	feed_bytes(&f, "1\r\na\r\n", 6, false);
	replace_pending(&f, "", 0);
	http1->resync(f.state, FROM_SERVER);
	feed_bytes(&f, next, sizeof(next) - 1, false);
	assert_string_equal(f.text, "response more" STATUS(200) "none skip=5\nnone skip=1\n"
								"response" STATUS(204));
	end(&f);
}

static void test_full_attrs(void **unused)
{
	struct slice bytes = SLICE("BREW /?q HTTP/1.1\r\nHost: h:1\r\nUser-Agent: x\r\n\r\n");

	(void)unused;
	for (uint16_t cap = 0; cap < 10; cap++) {
		struct attr *attrs = malloc(cap ? cap * sizeof(*attrs) : 1);
		struct msg msg = {.attrs = {.v = attrs, .cap = cap}};
		_Alignas(8) char state[PROTOCOL_STATE_MAX] = {0};

		assert_int_equal(http1->parse(state, FROM_CLIENT, bytes, false, &msg), bytes.n);
		assert_int_equal(msg.attrs.cnt + msg.attrs.dropped_cnt, 9);
		free(attrs);
	}
}

/* --- detection ------------------------------------------------------------------------------ */

struct detect_case {
	enum sender sender;
	enum detect want;
	struct slice head;
};

#define A64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct detect_case detections[] = {
	{FROM_CLIENT, DETECT_YES, SLICE("GET / HTTP/1.1\r\n")},
	{FROM_CLIENT, DETECT_YES, SLICE("GET / HTTP/1.0\n")},
	{FROM_CLIENT, DETECT_YES, SLICE("\r\n\r\nPOST /x?y HTTP/1.1\r\nHost: h\r\n\r\nbody")},
	{FROM_CLIENT, DETECT_YES, SLICE("M-SEARCH * HTTP/1.1\r\n")},
	{FROM_CLIENT, DETECT_YES, SLICE("CONNECT h:443 HTTP/1.1\r\n")},
	{FROM_CLIENT, DETECT_YES, SLICE("GET http://h/ HTTP/1.1\r\n")},
	{FROM_CLIENT, DETECT_YES, SLICE("GET /" A64 A64 A64 A64)},
	{FROM_CLIENT, DETECT_YES, SLICE("GET http://" A64 A64 A64 A64)},
	{FROM_CLIENT, DETECT_NO, SLICE("GET " A64 A64 A64 A64)},
	{FROM_CLIENT, DETECT_MORE, SLICE("GET /" A64 A64 A64)},
	{FROM_CLIENT, DETECT_MORE, SLICE("BREW /" A64 A64 A64 A64)},
	{FROM_CLIENT, DETECT_MORE, SLICE("")},
	{FROM_CLIENT, DETECT_MORE, SLICE("\r")},
	{FROM_CLIENT, DETECT_MORE, SLICE("\r\n")},
	{FROM_CLIENT, DETECT_NO, SLICE("\rG")},
	{FROM_CLIENT, DETECT_NO, SLICE("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")},
	{FROM_CLIENT, DETECT_NO, SLICE("PRI * HTTP/2")},
	{FROM_CLIENT, DETECT_NO, SLICE("GET / HTTP/1.1 \r\n")},
	{FROM_CLIENT, DETECT_NO, SLICE("GET / HTTP/1.11\r\n")},
	{FROM_CLIENT, DETECT_NO, SLICE("GET / HTTP/1.x")},
	{FROM_CLIENT, DETECT_NO, SLICE("GET / HTTP/1.1\rx")},
	{FROM_CLIENT, DETECT_NO, SLICE("GET /\r\n")},
	{FROM_CLIENT, DETECT_NO, SLICE("GET  / HTTP/1.1\r\n")},
	{FROM_CLIENT, DETECT_NO, SLICE("GET  HTTP/1.1\r\n")},
	{FROM_CLIENT, DETECT_NO, SLICE("DESCRIBE rtsp://h/ RTSP/1.0\r\n")},
	{FROM_CLIENT, DETECT_NO, SLICE("INVITE sip:a@b SIP/2.0\r\n")},
	{FROM_CLIENT, DETECT_NO, SLICE("HTTP/1.1 200 OK\r\n")},
	{FROM_CLIENT, DETECT_NO, SLICE("ABCDEFGHIJKLMNOPQRSTUVWXYZ!#$%&'X")},
	{FROM_CLIENT, DETECT_NO, SLICE("EHLO mail.example\r\n")},
	{FROM_CLIENT, DETECT_NO, SLICE("MAIL FROM:<a@b> SIZE=100\r\n")},
	{FROM_CLIENT, DETECT_NO, SLICE("*1\r\n$4\r\nPING\r\n")},
	{FROM_CLIENT, DETECT_NO, SLICE("SET key value\r\n")},
	{FROM_CLIENT, DETECT_NO, SLICE("Content-Type: text/plain\r\n\r\n")},
	{FROM_CLIENT, DETECT_NO, SLICE("--boundary\r\nContent-Disposition: form-data\r\n")},
	{FROM_CLIENT, DETECT_NO, SLICE("{\"a\": 1}")},
	{FROM_CLIENT, DETECT_NO, SLICE("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")},
	{FROM_CLIENT, DETECT_NO, SLICE("\x00\x00\x00\x08\x04\xd2\x16\x2f")},
	{FROM_CLIENT, DETECT_NO, SLICE("\x00")},
	{FROM_CLIENT, DETECT_NO, SLICE("Dear reader, this is prose.")},
	{FROM_SERVER, DETECT_YES, SLICE("HTTP/1.1 200 OK\r\n")},
	{FROM_SERVER, DETECT_YES, SLICE("HTTP/1.0 404\r\n")},
	{FROM_SERVER, DETECT_YES, SLICE("HTTP/1.1 999")},
	{FROM_SERVER, DETECT_MORE, SLICE("")},
	{FROM_SERVER, DETECT_MORE, SLICE("HTTP/1.1 20")},
	{FROM_SERVER, DETECT_NO, SLICE("HTTP/1.2 200 OK\r\n")},
	{FROM_SERVER, DETECT_NO, SLICE("HTTP/2 200 OK\r\n")},
	{FROM_SERVER, DETECT_NO, SLICE("HTTP/1.1 099")},
	{FROM_SERVER, DETECT_NO, SLICE("HTTP/1.1  20")},
	{FROM_SERVER, DETECT_NO, SLICE("HTTP/1.1\t200")},
	{FROM_SERVER, DETECT_NO, SLICE("GET / HTTP/1.1\r\n")},
	{FROM_SERVER, DETECT_NO, SLICE("220 mail.example ESMTP\r\n")},
	{FROM_SERVER, DETECT_NO, SLICE("+OK\r\n")},
	{FROM_SERVER, DETECT_NO, SLICE("\x15\x03\x03\x00\x02")},
};

static enum detect detect_exact(enum sender sender, const char *p, size_t n)
{
	char *copy = malloc(n ? n : 1);
	enum detect got;

	assert_non_null(copy);
	memcpy(copy, p, n);
	got = http1->detect(sender, slice_of(copy, n));
	free(copy);
	return got;
}

static void test_detect(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof(detections) / sizeof(*detections); i++) {
		const struct detect_case *c = &detections[i];
		enum detect before = DETECT_MORE;

		for (size_t n = 0; n <= c->head.n; n++) {
			enum detect got = detect_exact(c->sender, c->head.p, n);

			/* Once decided, more bytes change nothing; 256 bytes of target aside. */
			if (before != DETECT_MORE && got != before)
				fail_msg("detection %zu: %d, at %zu %d", i, before, n, got);
			before = got;
		}
		if (before != c->want)
			fail_msg("detection %zu: got %d, wanted %d: %.40s", i, before, c->want,
				 c->head.p);
	}
}

/* Whatever is parsed without complaint must have been worth more than a no. */
static void check_certain(enum sender sender, const struct parse_case *c, size_t cnt)
{
	for (const struct parse_case *end = c + cnt; c < end; c++)
		if (strncmp(c->transcript, "request bad", 11) != 0 && c->transcript[0] != 'e')
			assert_int_equal(detect_exact(sender, c->bytes.p, c->bytes.n), DETECT_YES);
}

static void test_detect_agrees_with_parse(void **unused)
{
	(void)unused;
	check_certain(FROM_CLIENT, requests, sizeof(requests) / sizeof(*requests));
	check_certain(FROM_SERVER, responses, sizeof(responses) / sizeof(*responses));
}

static int find_http1(void **unused)
{
	(void)unused;
	FOR_EACH_PROTOCOL (protocol)
		http1 = strcmp(protocol->name, "http") == 0 ? protocol : http1;
	return http1 && http1->state_size <= PROTOCOL_STATE_MAX ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_responses),
		cmocka_unit_test(test_byte_by_byte),
		cmocka_unit_test(test_cut_heads),
		cmocka_unit_test(test_bombs),
		cmocka_unit_test(test_resync_forgets_the_body),
		cmocka_unit_test(test_full_attrs),
		cmocka_unit_test(test_detect),
		cmocka_unit_test(test_detect_agrees_with_parse),
	};

	return cmocka_run_group_tests(tests, find_http1, NULL);
}

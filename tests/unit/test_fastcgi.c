// SPDX-License-Identifier: Apache-2.0
/* FastCGI: conversations of web servers with PHP-FPM and others, their messages and their spans. */
#include "tests/unit/protocol_rig.h"

#include "tests/unit/fastcgi_records.h"
#include "user/protocols/http_headers.h"

#define FROM(who, bytes_)                        \
	{                                        \
		.sender = who, .bytes = (bytes_) \
	}
#define ASK(bytes_) FROM(FROM_CLIENT, bytes_)
#define ANSWER(bytes_) FROM(FROM_SERVER, bytes_)

#define GET_PARAMS(uri) get_params(SLICE(uri))
#define GET(uri) request_of(1, GET_PARAMS(uri), SLICE(""))
#define OK response_of(1, SLICE("Content-type: text/plain\r\n\r\nhello"))

#define REQUEST(path)                                                 \
	"> request more tag=1 http.request.method=GET url.path=" path \
	" url.scheme=http network.protocol.name=fastcgi\n"
#define REQUEST_DONE "> end fastcgi.padding.size=0\n"
#define STATUS(code) " http.response.status_code=" code
#define RESPONSE(code, skip) "< response more" skip STATUS(code) "\n"
#define RESPONSE_DONE(padding) "< end fastcgi.padding.size=" padding "\n"

#define ANSWERED RESPONSE("200", " skip=12") RESPONSE_DONE("7")

#define FASTCGI_AT_CLIENT                                                           \
	" server.address=192.0.2.2 server.port=7777 network.peer.address=192.0.2.2" \
	" network.peer.port=7777 network.protocol.name=fastcgi network.transport=tcp"
#define SPAN(path, more)                                                                           \
	"GET client http.request.method=GET url.full=http://192.0.2.2:7777" path FASTCGI_AT_CLIENT \
		more "\n"
#define FAILED(path, more, why)                                                        \
	"GET client error http.request.method=GET url.full=http://192.0.2.2:7777" path \
		FASTCGI_AT_CLIENT more " error.type=" why "\n"

static const struct protocol *fastcgi;

#define RUN(cases) rig_run(fastcgi, cases, sizeof(cases) / sizeof(*(cases)))

/* Long ones, not cut at each place. */
static void run_long(const struct conversation *cases, size_t cases_cnt)
{
	for (size_t i = 0; i < cases_cnt; i++) {
		for (size_t step = 0; step < 1000; step = step * 9 + 1)
			rig_check(fastcgi, &cases[i], RIG_TURNS_MAX, 0, step);
		if (getenv("WRITE_SEEDS"))
			rig_write_seed(fastcgi, &cases[i]);
	}
}

/* So long that they need no padding. */
static struct slice get_params(struct slice uri)
{
	struct slice text =
		ALL(PAIR("REQUEST_METHOD", "GET"), pair_of(SLICE("REQUEST_URI"), uri, false));

	return ALL(text, pair_of(SLICE("FILL"), text_of_len(-(text.n + 6) & 7), false));
}

/* What nginx's own fastcgi_params tell, and Debian's PHP-FPM answers. */
static struct slice nginx_params(void)
{
	return ALL(
		PAIR("QUERY_STRING", "a=1"), PAIR("REQUEST_METHOD", "POST"),
		PAIR("CONTENT_TYPE", "text/plain"), PAIR("CONTENT_LENGTH", "13"),
		PAIR("SCRIPT_NAME", "/index.php"), PAIR("REQUEST_URI", "/cart/7?a=1"),
		PAIR("DOCUMENT_ROOT", "/var/www"), PAIR("SERVER_PROTOCOL", "HTTP/1.1"),
		PAIR("REQUEST_SCHEME", "https"), PAIR("HTTPS", "on"),
		PAIR("GATEWAY_INTERFACE", "CGI/1.1"), PAIR("REMOTE_ADDR", "203.0.113.9"),
		PAIR("REMOTE_PORT", "51234"), PAIR("SERVER_PORT", "443"), PAIR("SERVER_NAME", "_"),
		PAIR("HTTP_HOST", "shop.example"), PAIR("HTTP_USER_AGENT", "curl/8"),
		PAIR("HTTP_TRACEPARENT", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
		PAIR("HTTP_TRACESTATE", "x=y"));
}

#define POST_ATTRS                                                                           \
	" http.request.method=POST url.path=/cart/7 url.query=a=1 url.scheme=https"          \
	" server.address=shop.example user_agent.original=curl/8 client.address=203.0.113.9" \
	" client.port=51234 network.protocol.name=fastcgi fastcgi.content_length=13"

static void test_requests(void **unused)
{
	struct slice post = request_of(1, nginx_params(), SLICE("Hello, world!"));
	const struct conversation cases[] = {
		{
			.name = "all there is",
			.turns = {ASK(post),
				  ANSWER(response_of(1,
						     SLICE("Status: 201 Created\r\nX-Powered-By: "
							   "PHP/8.2\r\n\r\n{ok}")))},
			.transcript =
				"> none of-head skip=7\n"
				"> request more tag=1 traceparent=00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01 tracestate=x=y" POST_ATTRS
				"\n> part skip=16\n> end fastcgi.padding.size=3\n"
				"< response more skip=10" STATUS(
					"201") "\n"
					       "< end fastcgi.padding.size=6\n",
			.spans =
				"POST client http.request.method=POST "
				"url.full=https://shop.example/cart/7?a=1" FASTCGI_AT_CLIENT STATUS(
					"201") " http.request.body.size=13\n",
		},
		{
			.name = "all there is, at the server",
			.turns = {ASK(post), ANSWER(OK)},
			.side = SIDE_SERVER,
			.spans = "POST route=/cart/7 server http.request.method=POST "
				 "url.path=/cart/7 url.query=a=1 url.scheme=https "
				 "server.address=shop.example client.address=203.0.113.9 "
				 "client.port=51234 user_agent.original=curl/8 "
				 "network.peer.address=192.0.2.1 network.peer.port=40000 "
				 "network.protocol.name=fastcgi network.transport=tcp" STATUS(
					 "200") " http.request.body.size=13\n",
		},
		{
			.name = "kept connection",
			.turns = {ASK(GET("/a")), ANSWER(OK), ASK(GET("/b")), ANSWER(OK),
				  ASK(GET("/c")), ANSWER(OK)},
			.transcript = REQUEST("/a") REQUEST_DONE ANSWERED REQUEST("/b")
				REQUEST_DONE ANSWERED REQUEST("/c") REQUEST_DONE ANSWERED,
			.spans = SPAN("/a", STATUS("200")) SPAN("/b", STATUS("200"))
				SPAN("/c", STATUS("200")),
		},
		{
			.name = "without the request line",
			.turns = {ASK(request_of(9,
						 ALL(PAIR("REQUEST_METHOD", "BREW"),
						     PAIR("SCRIPT_NAME", "/tea.cgi"),
						     PAIR("PATH_INFO", "/green"),
						     PAIR("QUERY_STRING", "cup=2"),
						     PAIR("HTTPS", "off"),
						     PAIR("SERVER_NAME", "pot.example"),
						     PAIR("SERVER_PORT", "8443")),
						 SLICE(""))),
				  ANSWER(response_of(9, SLICE("\n")))},
			.transcript =
				"> request more tag=9 http.request.method=_OTHER "
				"http.request.method_original=BREW url.path=/tea.cgi/green "
				"url.query=cup=2 url.scheme=http server.address=pot.example "
				"server.port=8443 network.protocol.name=fastcgi\n" REQUEST_DONE
					RESPONSE("200", " skip=7") RESPONSE_DONE("7"),
		},
		{
			.name = "nothing but the name",
			.turns = {ASK(request_of(1, PAIR("SERVER_NAME", "x"), SLICE(""))),
				  ANSWER(OK)},
			.spans = "HTTP client http.request.method=_OTHER url.full=http://x "
				 "server.address=192.0.2.2 server.port=7777 "
				 "network.peer.address=192.0.2.2 network.peer.port=7777 "
				 "network.protocol.name=fastcgi network.transport=tcp" STATUS(
					 "200") "\n",
		},
		{
			.name = "authorizer",
			.turns = {ASK(ALL(BEGIN(1, "\2"),
					  record_of(MADE_PARAMS, 1, GET_PARAMS("/")),
					  NOTHING(MADE_PARAMS, 1))),
				  ANSWER(response_of(1, SLICE("Status: 403 Forbidden\r\n\r\n")))},
			.transcript = "> request tag=1 http.request.method=GET url.path=/ "
				      "url.scheme=http network.protocol.name=fastcgi\n" RESPONSE(
					      "403", " skip=7") RESPONSE_DONE("7"),
			.spans = FAILED("/", STATUS("403"), "403"),
		},
		{
			.name = "values asked for",
			.turns = {ASK(ALL(BEGIN_KEPT(1),
					  record_of(MADE_GET_VALUES, 0,
						    PAIR("FCGI_MPXS_CONNS", "")),
					  record_of(MADE_PARAMS, 1, GET_PARAMS("/")),
					  NOTHING(MADE_PARAMS, 1), NOTHING(MADE_STDIN, 1))),
				  ANSWER(ALL(record_of(10, 0, PAIR("FCGI_MPXS_CONNS", "0")), OK))},
			.transcript = "> none of-head skip=24\n" REQUEST("/") REQUEST_DONE
			"< none of-head skip=24\n" ANSWERED,
		},
	};

	(void)unused;
	RUN(cases);
}

/* Parameters in several records, each of which may end anywhere. */
static void test_params(void **unused)
{
	struct slice uri = ALL(SLICE("/"), text_of_len(300));
	struct slice text =
		ALL(pair_of(SLICE("REQUEST_METHOD"), SLICE("GET"), true),
		    pair_of(SLICE("HTTP_COOKIE"), text_of_len(1000), false),
		    pair_of(SLICE("REQUEST_URI"), uri, false), PAIR("HTTP_HOST", "a:81"));
	struct slice long_text =
		ALL(GET_PARAMS("/"), pair_of(SLICE("HTTP_COOKIE"), text_of_len(8200), false),
		    PAIR("HTTP_HOST", "never reached"));
	struct conversation cuts[64];
	size_t cuts_cnt = 0;
	const struct conversation cases[] = {
		{
			.name = "more parameters than are looked at",
			.turns = {ASK(request_of(1, long_text, SLICE(""))), ANSWER(OK)},
			.transcript = "> none of-head skip=88\n" REQUEST("/") REQUEST_DONE ANSWERED,
		},
		{
			.name = "the same in two records",
			.turns = {ASK(ALL(BEGIN_KEPT(1),
					  record_of(MADE_PARAMS, 1, slice_first(long_text, 8200)),
					  record_of(MADE_PARAMS, 1, slice_after(long_text, 8200)),
					  NOTHING(MADE_PARAMS, 1), NOTHING(MADE_STDIN, 1))),
				  ANSWER(OK)},
			.spans = SPAN("/", STATUS("200")),
		},
		{
			.name = "a parameter twice",
			.turns = {ASK(request_of(1,
						 ALL(GET_PARAMS("/a"), PAIR("REQUEST_URI", "/b")),
						 SLICE(""))),
				  ANSWER(OK)},
			.spans = SPAN("/b", STATUS("200")),
		},
	};

	(void)unused;
	run_long(cases, sizeof(cases) / sizeof(*cases));
	for (size_t at = 1; at < text.n; at += text.n / 60 + 1) {
		struct slice first = slice_first(text, at), rest = slice_after(text, at);

		cuts[cuts_cnt++] = (struct conversation){
			.name = "split parameters",
			.turns = {ASK(ALL(BEGIN_KEPT(1), record_of(MADE_PARAMS, 1, first),
					  record_of(MADE_PARAMS, 1, rest), NOTHING(MADE_PARAMS, 1),
					  NOTHING(MADE_STDIN, 1))),
				  ANSWER(OK)},
			.spans =
				"GET client http.request.method=GET url.full=http://a:81/"
				"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
				"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
				"0123456789abcdef0123456789abcdef0123456789abcdef0123456789ab" FASTCGI_AT_CLIENT
					STATUS("200") "\n",
		};
	}
	run_long(cuts, cuts_cnt);
}

static void test_responses(void **unused)
{
	struct slice big = text_of_len(1500);
	const struct conversation cases[] = {
		{
			.name = "several records, with errors between them",
			.turns = {ASK(GET("/")),
				  ANSWER(ALL(record_of(MADE_STDERR, 1, SLICE("PHP message: oh")),
					     STDOUT_OF(1, ALL(SLICE("Content-type: a/b\r\n\r\n"),
							      big)),
					     record_of(MADE_STDERR, 1, SLICE("PHP message: no")),
					     STDOUT_OF(1, SLICE("the end")),
					     NOTHING(MADE_STDOUT, 1), NOTHING(MADE_STDERR, 1),
					     END(1, "\0")))},
			.transcript = REQUEST("/") REQUEST_DONE "< none of-head skip=16\n" RESPONSE(
				"200",
				" skip=1507") "< none of-head skip=16\n< part skip=8\n" RESPONSE_DONE("8"),
		},
		{
			.name = "headers in several records",
			.turns = {ASK(GET("/")),
				  ANSWER(ALL(STDOUT_OF(1, SLICE("X-A: b\r\nStat")),
					     STDOUT_OF(1, SLICE("us: 404 Not Found\r")),
					     STDOUT_OF(1, SLICE("\n\r\nnothing")), END(1, "\0")))},
			.transcript = REQUEST("/") REQUEST_DONE
			"< none of-head skip=4\n< none of-head skip=6\n" RESPONSE("404", " skip=13")
				RESPONSE_DONE("6"),
			.spans = FAILED("/", STATUS("404"), "404"),
		},
		{
			.name = "redirection",
			.turns = {ASK(GET("/")),
				  ANSWER(response_of(1, SLICE("Location: http://x/\r\n\r\n"))),
				  ASK(GET("/")),
				  ANSWER(response_of(1, SLICE("location: /x\nSTATUS: 303\n\n")))},
			.spans = SPAN("/", STATUS("302")) SPAN("/", STATUS("303")),
		},
		{
			.name = "failure",
			.turns = {ASK(GET("/")),
				  ANSWER(response_of(1, SLICE("Status: 500 Internal Server "
							      "Error\r\n\r\n"))),
				  ASK(GET("/")),
				  ANSWER(response_of(1, SLICE("Status:503\r\n\r\n")))},
			.spans =
				FAILED("/", STATUS("500"), "500") FAILED("/", STATUS("503"), "503"),
		},
		{
			.name = "no headers",
			.turns = {ASK(GET("/")), ANSWER(response_of(1, SLICE("<html>\n\n</html>"))),
				  ASK(GET("/")), ANSWER(response_of(1, SLICE("Status: fine\n\n"))),
				  ASK(GET("/")), ANSWER(END(1, "\0"))},
			.transcript = REQUEST("/") REQUEST_DONE
			"< response more bad skip=8\n" RESPONSE_DONE("1") REQUEST("/") REQUEST_DONE
			"< response more bad skip=2\n" RESPONSE_DONE("2") REQUEST("/") REQUEST_DONE
			"< response\n",
		},
		{
			.name = "refused",
			.turns = {ASK(GET("/a")), ANSWER(END(1, "\2")), ASK(GET("/b")),
				  ANSWER(END(1, "\3")), ASK(GET("/c")), ANSWER(END(1, "\1")),
				  ASK(GET("/d")), ANSWER(END(1, "\x9"))},
			.spans = FAILED("/a", "", "overloaded") FAILED("/b", "", "unknown_role")
				FAILED("/c", "", "cant_mpx_conn") FAILED("/d", "", "_OTHER"),
		},
		{
			.name = "aborted",
			.turns = {ASK(ALL(GET("/a"), NOTHING(MADE_ABORT, 1))), ANSWER(END(1, "\0")),
				  ASK(ALL(BEGIN_KEPT(1),
					  record_of(MADE_PARAMS, 1, GET_PARAMS("/b")),
					  NOTHING(MADE_PARAMS, 1), STDIN_OF(1, SLICE("some")))),
				  ANSWER(STDOUT_OF(1, SLICE("A: b\n\nwell"))),
				  ASK(NOTHING(MADE_ABORT, 1)), ANSWER(END(1, "\0")), ASK(GET("/c")),
				  ANSWER(OK)},
			.spans = FAILED("/a", "", "aborted") FAILED("/b", STATUS("200"), "aborted")
				SPAN("/c", STATUS("200")),
		},
	};

	(void)unused;
	RUN(cases);
}

static void test_long_heads(void **unused)
{
	struct slice cookies = text_of_len(4200);
	const struct conversation cases[] = {
		{
			.name = "headers longer than are looked at",
			.turns = {ASK(GET("/")),
				  ANSWER(response_of(1, ALL(SLICE("Set-Cookie: "), cookies,
							    SLICE("\r\n\r\n")))),
				  ASK(GET("/")),
				  ANSWER(response_of(1,
						     ALL(SLICE("Status: 410 Gone\r\nSet-Cookie: "),
							 cookies, SLICE("\r\n\r\nbody"))))},
			.transcript = REQUEST("/") REQUEST_DONE "< response more of-head skip=120\n"
								"< end\n" REQUEST("/") REQUEST_DONE
			"< response more of-head skip=144" STATUS("410") "\n< end\n",
			.spans = SPAN("/", "") FAILED("/", STATUS("410"), "410"),
		},
	};

	(void)unused;
	run_long(cases, sizeof(cases) / sizeof(*cases));
}

/* The connection is older than the tracer, or bytes of it were not copied. */
static void test_parts_missing(void **unused)
{
	struct slice body = text_of_len(30000);
	struct slice post = request_of(1, GET_PARAMS("/up"), body);
	struct slice down = ALL(STDOUT_OF(1, ALL(SLICE("A: b\r\n\r\n"), body)), STDOUT_OF(1, body),
				END(1, "\0"));
	struct slice head = STDOUT_OF(1, ALL(SLICE("A: b\r\nC: "), body));
	const struct conversation cases[] = {
		{
			.name = "join in a response",
			.turns = {ANSWER(ALL(STDOUT_OF(1, SLICE("the end")), END(1, "\0"))),
				  ASK(GET("/")), ANSWER(OK)},
			.transcript = "< none of-head skip=1\n< response\n" REQUEST("/")
				REQUEST_DONE ANSWERED,
			.spans = SPAN("/", STATUS("200")),
		},
		{
			.name = "join in a request",
			.turns = {ASK(ALL(record_of(MADE_PARAMS, 1, SLICE("xyz")),
					  NOTHING(MADE_PARAMS, 1), STDIN_OF(1, SLICE("body")),
					  NOTHING(MADE_STDIN, 1))),
				  ANSWER(OK), ASK(GET("/")), ANSWER(OK)},
			.transcript =
				"> none of-head skip=8\n> none of-head skip=8\n" ANSWERED REQUEST(
					"/") REQUEST_DONE ANSWERED,
		},
		{
			.name = "cut bodies",
			.turns = {{FROM_CLIENT, slice_first(post, 512), true,
				   (uint32_t)post.n - 512},
				  {FROM_SERVER, slice_first(down, 512), true,
				   (uint32_t)down.n - 512}},
			.transcript = "> request more tag=1 http.request.method=GET url.path=/up "
				      "url.scheme=http network.protocol.name=fastcgi\n"
				      "> part skip=30000\n" RESPONSE("200", " skip=30000"),
		},
		{
			.name = "cut headers",
			.turns = {ASK(GET("/")),
				  {FROM_SERVER, slice_first(head, 2056), true,
				   (uint32_t)head.n - 2056},
				  ANSWER(END(1, "\0"))},
			.transcript = REQUEST("/") REQUEST_DONE
			"< response more of-head skip=27968\n< end\n",
			.spans = SPAN("/", ""),
		},
		{
			.name = "cut parameters",
			.turns = {{FROM_CLIENT, slice_first(GET("/"), 16 + 8 + 20), true, 20},
				  ASK(ALL(NOTHING(MADE_PARAMS, 1), NOTHING(MADE_STDIN, 1))),
				  ANSWER(OK)},
			.transcript =
				"> none of-head skip=20\n"
				"> request more tag=1 http.request.method=GET url.scheme=http "
				"network.protocol.name=fastcgi\n" REQUEST_DONE ANSWERED,
		},
	};

	(void)unused;
	RUN(cases);
}

/* Lengths, types, versions and ids that lie. */
static void test_hostile(void **unused)
{
	const struct conversation cases[] = {
		{
			.name = "bad version",
			.turns = {CLIENT("\2\1\0\1\0\x08\0\0\0\1\0\0\0\0\0\0")},
			.transcript = "> error\n",
		},
		{
			.name = "bad type",
			.turns = {CLIENT("\1\xc\0\1\0\x08\0\0\0\1\0\0\0\0\0\0")},
			.transcript = "> error\n",
		},
		{
			.name = "bad sender",
			.turns = {SERVER("\1\1\0\1\0\x08\0\0\0\1\0\0\0\0\0\0")},
			.transcript = "< error\n",
		},
		{
			.name = "bad begin",
			.turns = {CLIENT("\1\1\0\1\0\x07\0\0\0\1\0\0\0\0\0")},
			.transcript = "> error\n",
		},
		{
			.name = "bad id",
			.turns = {CLIENT("\1\1\0\0\0\x08\0\0\0\1\0\0\0\0\0\0")},
			.transcript = "> error\n",
		},
		{
			.name = "bad end",
			.turns = {SERVER("\1\3\0\1\0\x04\0\0\0\0\0\0")},
			.transcript = "< error\n",
		},
		{
			.name = "bad lengths of parameters",
			.turns = {ASK(request_of(1,
						 ALL(PAIR("REQUEST_METHOD", "GET"),
						     SLICE("\xff\xff\xff\xff\xff\xff\xff\xff"
							   "REQUEST_URI/")),
						 SLICE(""))),
				  ANSWER(OK)},
			.transcript = "> none of-head skip=1\n"
				      "> request more bad tag=1 http.request.method=GET "
				      "url.scheme=http network.protocol.name=fastcgi\n" REQUEST_DONE
					      ANSWERED,
		},
		{
			.name = "bad lengths that end",
			.turns = {ASK(request_of(1, SLICE("\x80\0\0"), SLICE(""))), ANSWER(OK)},
			.transcript = "> none of-head skip=5\n"
				      "> request more bad tag=1 url.scheme=http "
				      "network.protocol.name=fastcgi\n" REQUEST_DONE ANSWERED,
		},
		{
			.name = "bad length of the body",
			.turns = {ASK(request_of(1,
						 ALL(GET_PARAMS("/"), PAIR("CONTENT_LENGTH",
									   "99999999999999999999")),
						 SLICE(""))),
				  ANSWER(OK)},
			.spans = SPAN("/", STATUS("200")),
		},
		{
			.name = "bad: two at once",
			.turns = {ASK(ALL(BEGIN_KEPT(1), BEGIN_KEPT(2),
					  record_of(MADE_PARAMS, 1, GET_PARAMS("/"))))},
			.transcript = "> error\n",
		},
		{
			.name = "bad: another's response",
			.turns = {ASK(GET("/")),
				  ANSWER(response_of(2, SLICE("A: b\r\n\r\nhello")))},
			.transcript = REQUEST("/") REQUEST_DONE "< error\n",
		},
		{
			.name = "bad: another's end",
			.turns = {ASK(GET("/")),
				  ANSWER(ALL(STDOUT_OF(1, SLICE("A: b\r\n\r\nhello")),
					     END(2, "\0")))},
			.transcript =
				REQUEST("/") REQUEST_DONE RESPONSE("200", " skip=8") "< error\n",
		},
		{
			.name = "bad: no end of a beginning",
			.turns =
				{ASK(ALL(BEGIN_KEPT(1), record_of(MADE_PARAMS, 1, GET_PARAMS("/a")),
					 BEGIN_KEPT(1), record_of(MADE_PARAMS, 1, GET_PARAMS("/b")),
					 NOTHING(MADE_PARAMS, 1), NOTHING(MADE_STDIN, 1))),
				 ANSWER(OK)},
			.spans = SPAN("/b", STATUS("200")),
		},
	};

	(void)unused;
	RUN(cases);
}

/* Headers that the configuration wants. */
static void test_captured(void **unused)
{
	static const char *const request_names[] = {"x-request-id", "Content-Type"};
	static const char *const response_names[] = {"X-Powered-By"};
	struct slice ask =
		request_of(1,
			   ALL(PAIR("HTTP_X_REQUEST_ID", "r-1"), PAIR("CONTENT_TYPE", "a/b"),
			       PAIR("X_REQUEST_ID", "no header"), PAIR("REQUEST_METHOD", "GET")),
			   SLICE(""));
	struct slice turns[2] = {ask, response_of(1, SLICE("X-POWERED-BY: PHP\n\nhello"))};
	static const char *const want[] = {
		" http.request.method=GET url.scheme=http network.protocol.name=fastcgi "
		"http.request.header.x-request-id=r-1 http.request.header.content-type=a/b",
		" http.response.status_code=200 http.response.header.x-powered-by=PHP",
	};
	struct wanted_headers wanted[2];
	void *state = calloc(1, fastcgi->state_size);

	(void)unused;
	assert_int_equal(wanted_headers__init(&wanted[0], FROM_CLIENT, request_names, 2), 0);
	assert_int_equal(wanted_headers__init(&wanted[1], FROM_SERVER, response_names, 1), 0);
	for (int sender = FROM_CLIENT; sender <= FROM_SERVER; sender++) {
		struct rig_text said = {.n = 0};
		struct slice rest = turns[sender];

		while (rest.n && !said.n) {
			struct attr v[MSG_ATTRS_MAX];
			char room[256];
			struct msg msg = {.attrs = {.v = v, .cap = MSG_ATTRS_MAX},
					  .room = room,
					  .room_sz = sizeof(room),
					  .wanted = &wanted[sender]};
			ssize_t n = fastcgi->parse(state, sender, rest, false, &msg);

			assert_in_range(n, 1, rest.n);
			rig_say_attrs(&said, &msg.attrs);
			rest = slice_after(rest, (size_t)n + (size_t)msg.skip);
		}
		assert_string_equal(said.p, want[sender]);
		wanted_headers__free(&wanted[sender]);
	}
	free(state);
}

/* Bytes of bodies were missed. CONTENT_LENGTH tells of the request's all the same. */
static void test_unmeasured(void **unused)
{
	struct attr request_v[2], response_v[2];
	struct attrs request = {.v = request_v, .cap = 2}, response = {.v = response_v, .cap = 2};

	(void)unused;
	attrs_add_int(&request, SLICE("fastcgi.content_length"), 20);
	attrs_add_int(&request, SLICE("fastcgi.padding.size"), 3);
	attrs_add_int(&response, SLICE("http.response.status_code"), 200);
	attrs_add_int(&response, SLICE("fastcgi.padding.size"), 6);
	for (int missed = 0; missed < 4; missed++) {
		struct attr v[32];
		struct description out = {.attrs = {.v = v, .cap = 32}};
		const struct exchange_view view = {
			.request = &request,
			.response = &response,
			.request_body_sz = 16,
			.response_body_sz = 10,
			.request_unmeasured = missed & 1,
			.response_unmeasured = missed & 2,
		};
		const struct attr *sz;

		fastcgi->describe(&view, &out);
		sz = attrs_get(&out.attrs, SLICE("http.request.body.size"));
		assert_int_equal(sz->num, missed & 1 ? 20 : 13);
		sz = attrs_get(&out.attrs, SLICE("http.response.body.size"));
		assert_int_equal(sz ? sz->num : -1, missed & 2 ? -1 : 4);
	}
}

static void test_detection(void **unused)
{
	const struct detect_case cases[] = {
		{FROM_CLIENT, DETECT_YES, GET("/")},
		{FROM_CLIENT, DETECT_YES, BEGIN(258, "\2")},
		{FROM_CLIENT, DETECT_NO, BEGIN(0, "\1")},
		{FROM_CLIENT, DETECT_NO, BEGIN(1, "\4")},
		{FROM_CLIENT, DETECT_NO, SLICE("\1\1\0\1\0\x08\0\0\0\1\2\0\0\0\0\0")},
		{FROM_CLIENT, DETECT_NO, SLICE("\1\1\0\1\0\x08\0\1\0\1\1\0\0\0\0\0")},
		{FROM_CLIENT, DETECT_MORE, SLICE("\1\1\0\1\0\x08\0\0\0\1\1\0\0\0\0")},
		{FROM_CLIENT, DETECT_NO, STDIN_OF(1, SLICE("text"))},
		{FROM_SERVER, DETECT_NO, GET("/")},
		{FROM_SERVER, DETECT_LIKELY, OK},
		{FROM_SERVER, DETECT_LIKELY, record_of(MADE_STDERR, 1, SLICE("PHP"))},
		{FROM_SERVER, DETECT_LIKELY, END(1, "\0")},
		{FROM_SERVER, DETECT_NO, STDOUT_OF(1, SLICE("\0\1\2"))},
		{FROM_SERVER, DETECT_NO, STDOUT_OF(0, SLICE("A: b"))},
		{FROM_CLIENT, DETECT_NO, OK},
		{FROM_CLIENT, DETECT_NO, SLICE("GET / HTTP/1.1\r\nHost: x\r\n\r\n")},
		{FROM_CLIENT, DETECT_NO, SLICE("\x16\3\1\2\0\1\0\1\xfc\3\3random random random")},
	};

	(void)unused;
	rig_run_detections(fastcgi, cases, sizeof(cases) / sizeof(*cases));
}

static int set_up(void **unused)
{
	(void)unused;
	fastcgi = rig_protocol("fastcgi");
	return fastcgi ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests),      cmocka_unit_test(test_params),
		cmocka_unit_test(test_responses),     cmocka_unit_test(test_long_heads),
		cmocka_unit_test(test_parts_missing), cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_captured),      cmocka_unit_test(test_unmeasured),
		cmocka_unit_test(test_detection),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}

// SPDX-License-Identifier: Apache-2.0
/* HTTP/2: conversations, and what is taken for one. gRPC and header compression have tests of their own. */
#include "tests/unit/http2_text.h"
#include "tests/unit/protocol_rig.h"
#include "user/protocols/http_headers.h"

#define LEN(array) (sizeof(array) / sizeof((array)[0]))

static const struct conversation cases[] = {
	{
		.name = "get",
		.side = SIDE_CLIENT,
		.turns =
			{
				CLIENT(PREFACE
				       "\0\0\x06\x04\0\0\0\0\0\0\x01\0\0\x10\0"
				       "\0\0\x04\x08\0\0\0\0\0\0\0\xff\xff"
				       "\0\0x\x01\x05\0\0\0\x01\x82\x86"
				       "D\x87`lG\xfev\x80?A\x8f\xf1\xe3\xc2\xe5\xf2:k\xa0\xab\x90\xf4\xdcx\x0f"
				       "\x07z\x85%\xb6P\xc3\xdf\0\x0btraceparent700-0af7651916cd43dd8448eb211c80"
				       "319c-b7ad6b7169203331-01@\ntracestate\x03v=1"),
				SERVER("\0\0\x06\x04\0\0\0\0\0\0\x01\0\0\x10\0"
				       "\0\0\0\x04\x01\0\0\0\0"
				       "\0\0\x04\x01\x04\0\0\0\x01\x88v\x81\xf3"
				       "\0\0\x05\0\x01\0\0\0\x01hello"),
				CLIENT("\0\0\0\x04\x01\0\0\0\0"),
			},
		.transcript =
			"> none skip=6\n"
			"> none skip=4\n"
			"> request id=1 traceparent=00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 tracestate=v=1" METHOD
			"GET url.path=/a/b url.query=q=1 url.scheme=http server.address=www.example.com server.port=8081 user_agent.original=curl/8" HTTP2
			"\n"
			"< none skip=6\n"
			"< response more id=1" STATUS "200\n"
			"< end id=1 skip=5\n",
		.spans =
			"GET client" METHOD
			"GET url.full=http://www.example.com:8081/a/b?q=1 server.address=www.example.com server.port=8081" PEER_S
				TCP STATUS "200" EMPTY "\n",
	},
	{
		.name = "post with trailers",
		.side = SIDE_SERVER,
		.turns =
			{
				CLIENT(PREFACE "\0\0\x06\x04\0\0\0\0\0\0\x01\0\0\x10\0"
					       "\0\0\n\x01\x04\0\0\0\x01\x83\x86"
					       "D\x03/upA\x01h"
					       "\0\0\x03\0\0\0\0\0\x01"
					       "abc"
					       "\0\0\x02\0\0\0\0\0\x01"
					       "de"
					       "\0\0\x09\x01\x05\0\0\0\x01@\x05x-sum\x01"
					       "1"),
				SERVER("\0\0\0\x04\0\0\0\0\0"
				       "\0\0\x05\x01\x04\0\0\0\x01H\x03"
				       "302"
				       "\0\0\0\0\0\0\0\0\x01"
				       "\0\0\x09\x01\x05\0\0\0\x01\x10\x05x-end\x01"
				       "1"),
			},
		.transcript = "> none skip=6\n"
			      "> request more id=1" METHOD
			      "POST url.path=/up url.scheme=http server.address=h" HTTP2 "\n"
			      "> part id=1 skip=3\n"
			      "> part id=1 skip=2\n"
			      "> end id=1\n"
			      "< response more id=1" STATUS "302\n"
			      "< part id=1\n"
			      "< end id=1\n",
		.spans =
			"POST route=/up server" METHOD
			"POST url.path=/up url.scheme=http server.address=h server.port=7777" PEER_C
				TCP STATUS "302" EMPTY "\n",
	},
	{
		.name = "out of order",
		.side = SIDE_SERVER,
		.turns =
			{
				CLIENT(PREFACE "\0\0\x06\x04\0\0\0\0\0\0\x01\0\0\x10\0"
					       "\0\0\x09\x01\x05\0\0\0\x01\x82\x86"
					       "D\x02/1A\x01h"
					       "\0\0\x07\x01\x05\0\0\0\x03\x82\x86"
					       "D\x02/3\xbe"
					       "\0\0\x07\x01\x05\0\0\0\x05\x82\x86"
					       "D\x02/5\xbf"),
				SERVER("\0\0\0\x04\0\0\0\0\0"
				       "\0\0\x01\x01\x05\0\0\0\x05\x88"
				       "\0\0\x01\x01\x04\0\0\0\x01\x8d"
				       "\0\0\x01\x01\x04\0\0\0\x03\x8e"
				       "\0\0\x02\0\0\0\0\0\x03"
				       "33"
				       "\0\0\x01\0\x01\0\0\0\x01"
				       "1"
				       "\0\0\x01\0\x01\0\0\0\x03"
				       "3"),
			},
		.transcript = "> none skip=6\n"
			      "> request id=1" METHOD
			      "GET url.path=/1 url.scheme=http server.address=h" HTTP2 "\n"
			      "> request id=3" METHOD "GET url.path=/3 url.scheme=http" HTTP2 "\n"
			      "> request id=5" METHOD "GET url.path=/5 url.scheme=http" HTTP2 "\n"
			      "< response id=5" STATUS "200\n"
			      "< response more id=1" STATUS "404\n"
			      "< response more id=3" STATUS "500\n"
			      "< part id=3 skip=2\n"
			      "< end id=1 skip=1\n"
			      "< end id=3 skip=1\n",
		.spans = "GET route=/5 server" METHOD
			 "GET url.path=/5 url.scheme=http" HOST PEER_C TCP STATUS "200" EMPTY "\n"
			 "GET route=/1 server" METHOD
			 "GET url.path=/1 url.scheme=http server.address=h server.port=7777" PEER_C
				 TCP STATUS "404" EMPTY "\n"
			 "GET route=/3 server error" METHOD
			 "GET url.path=/3 url.scheme=http" HOST PEER_C TCP STATUS
			 "500 error.type=500" EMPTY "\n",
	},
	{
		.name = "requests and responses of rfc 7541",
		.side = SIDE_CLIENT,
		.turns =
			{
				CLIENT(PREFACE
				       "\0\0\0\x04\0\0\0\0\0"
				       "\0\0\x11\x01\x05\0\0\0\x01\x82\x86\x84"
				       "A\x8c\xf1\xe3\xc2\xe5\xf2:k\xa0\xab\x90\xf4\xff"
				       "\0\0\x0c\x01\x05\0\0\0\x03\x82\x86\x84\xbeX\x86\xa8\xeb\x10"
				       "d\x9c\xbf"
				       "\0\0\x18\x01\x05\0\0\0\x05\x82\x87\x85\xbf@\x88%\xa8I\xe9[\xa9}\x7f\x89%"
				       "\xa8I\xe9[\xb8\xe8\xb4\xbf"),
				SERVER("\0\0\0\x04\0\0\0\0\0"
				       "\0\0"
				       "6\x01\x05\0\0\0\x01H\x82"
				       "d\x02X\x85\xae\xc3w\x1aKa\x96\xd0z\xbe\x94\x10T\xd4"
				       "D\xa8 \x05\x95\x04\x0b\x81"
				       "f\xe0\x82\xa6-\x1b\xffn\x91\x9d)\xad\x17\x18"
				       "c\xc7\x8f\x0b\x97\xc8\xe9\xae\x82\xae"
				       "C\xd3"
				       "\0\0\x08\x01\x05\0\0\0\x03H\x83"
				       "d\x0e\xff\xc1\xc0\xbf"
				       "\0\0O\x01\x05\0\0\0\x05\x88\xc1"
				       "a\x96\xd0z\xbe\x94\x10T\xd4"
				       "D\xa8 \x05\x95\x04\x0b\x81"
				       "f\xe0\x84\xa6-\x1b\xff\xc0Z\x83\x9b\xd9\xabw\xad\x94\xe7\x82\x1d\xd7\xf2"
				       "\xe6\xc7\xb3"
				       "5\xdf\xdf\xcd[9`\xd5\xaf'\x08\x7f"
				       "6r\xc1\xab'\x0f\xb5)\x1f\x95\x87"
				       "1`e\xc0\x03\xedN\xe5\xb1\x06=P\x07"),
			},
		.transcript =
			"> request id=1" METHOD
			"GET url.path=/ url.scheme=http server.address=www.example.com" HTTP2 "\n"
			"> request id=3" METHOD
			"GET url.path=/ url.scheme=http server.address=www.example.com" HTTP2 "\n"
			"> request id=5" METHOD
			"GET url.path=/index.html url.scheme=https server.address=www.example.com" HTTP2
			"\n"
			"< response id=1" STATUS "302\n"
			"< response id=3" STATUS "307\n"
			"< response id=5" STATUS "200\n",
		.spans =
			"GET client" METHOD
			"GET url.full=http://www.example.com/ server.address=www.example.com server.port=7777" PEER_S
				TCP STATUS "302" EMPTY "\n"
			"GET client" METHOD
			"GET url.full=http://www.example.com/ server.address=www.example.com server.port=7777" PEER_S
				TCP STATUS "307" EMPTY "\n"
			"GET client" METHOD
			"GET url.full=https://www.example.com/index.html server.address=www.example.com server.port=7777" PEER_S
				TCP STATUS "200" EMPTY "\n",
	},
	{
		.name = "join",
		.side = SIDE_CLIENT,
		.turns =
			{
				CLIENT("\0\0\r\x01\x05\0\0\0)\x82\x86\xc0\xbf@\x05x-new\x01"
				       "1"
				       "\0\0\x0f\x01\x05\0\0\0+\xc1\x83\x86"
				       "D\x06/known\x7f\x03\x01v"),
				SERVER("\0\0\x02\x01\x04\0\0\0)\xc6\xbe"
				       "\0\0\x01\0\x01\0\0\0)x"
				       "\0\0\x04\x01\x05\0\0\0+\xc6\\\x01"
				       "0"),
				CLIENT("\0\0\x04\x01\x05\0\0\0-\x82\x86\xbf\xbe"),
				SERVER("\0\0\x01\x01\x04\0\0\0-\xc7"
				       "\0\0\x01\x01\x05\0\0\0-\xc8"),
			},
		.transcript =
			"> request id=41" METHOD "GET url.scheme=http" HTTP2 "\n"
			"> request id=43" METHOD "POST url.path=/known url.scheme=http" HTTP2 "\n"
			"< response more id=41\n"
			"< end id=41 skip=1\n"
			"< response id=43\n"
			"> request id=45" METHOD "GET url.path=/known url.scheme=http" HTTP2 "\n"
			"< response more id=45\n"
			"< end id=45\n",
		.spans = "GET client" METHOD "GET url.full=http://192.0.2.2:7777" HOST PEER_S TCP
			 "\n"
			 "POST client" METHOD
			 "POST url.full=http://192.0.2.2:7777/known" HOST PEER_S TCP "\n"
			 "GET client" METHOD
			 "GET url.full=http://192.0.2.2:7777/known" HOST PEER_S TCP "\n",
	},
	{
		.name = "join within an answer",
		.side = SIDE_SERVER,
		.turns =
			{
				SERVER("\0\0\x04\0\0\0\0\0\x07tail"
				       "\0\0\x0f\x01\x05\0\0\0\x07\0\x0bgrpc-status\x01"
				       "0"),
				CLIENT("\0\0\n\x01\x05\0\0\0\x07@\x06x-late\x01"
				       "1"
				       "\0\0\x03\x01\x05\0\0\0\x09\x82\x86\x84"),
				SERVER("\0\0\x01\x01\x05\0\0\0\x09\x89"),
			},
		.transcript = "< part id=7 skip=4\n"
			      "< end id=7 rpc.status_code=OK\n"
			      "> end id=7\n"
			      "> request id=9" METHOD "GET url.path=/ url.scheme=http" HTTP2 "\n"
			      "< response id=9" STATUS "204\n",
		.spans = "GET route=/ server" METHOD
			 "GET url.path=/ url.scheme=http" HOST PEER_C TCP STATUS "204" EMPTY "\n",
	},
	{
		.name = "continued",
		.side = SIDE_CLIENT,
		.turns =
			{
				CLIENT(PREFACE
				       "\0\0\x06\x04\0\0\0\0\0\0\x01\0\0\x10\0"
				       "\0\0\x14\x01\x01\0\0\0\x01\x83\x86"
				       "D\n/continuedA\x0chost"
				       "\0\0\x0b\x09\0\0\0\0\x01.examplez\x85\x1c"
				       "\0\0\0\x09\0\0\0\0\x01"
				       "\0\0\x02\x09\0\0\0\0\x01\xc5\xa9"
				       "\0\0G\x09\x04\0\0\0\x01,\x07@\x0btraceparent700-0af7651916cd43dd8448eb21"
				       "1c80319c-b7ad6b7169203331-01"),
				SERVER("\0\0\0\x04\0\0\0\0\0"
				       "\0\0\0\x01\0\0\0\0\x01"
				       "\0\0\x04\x09\0\0\0\0\x01\x88_\x09t"
				       "\0\0\x08\x09\x04\0\0\0\x01"
				       "ext/html"
				       "\0\0\x01\0\0\0\0\0\x01z"
				       "\0\0\x03\x01\x01\0\0\0\x01@\x03x"
				       "\0\0\x04\x09\x04\0\0\0\x01-t\x01"
				       "1"),
				CLIENT("\0\0\x05\x01\x05\0\0\0\x03\x82\x86\xc1\xc0\xbe"),
				SERVER("\0\0\x02\x01\x05\0\0\0\x03\x88\xbf"),
			},
		.transcript =
			"> none skip=6\n"
			"> request more id=1" METHOD
			"POST url.path=/continued url.scheme=http" HTTP2 "\n"
			"> part id=1 server.address=host.example" HTTP2 "\n"
			"> part id=1" HTTP2 "\n"
			"> part id=1" HTTP2 "\n"
			"> end id=1 traceparent=00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 user_agent.original=agent/1" HTTP2
			"\n"
			"< response more id=1\n"
			"< part id=1" STATUS "200\n"
			"< part id=1\n"
			"< part id=1 skip=1\n"
			"< part id=1\n"
			"< end id=1\n"
			"> request id=3 traceparent=00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" METHOD
			"GET url.path=/continued url.scheme=http server.address=host.example" HTTP2
			"\n"
			"< response id=3" STATUS "200\n",
		.spans =
			"POST client" METHOD
			"POST url.full=http://host.example/continued server.address=host.example server.port=7777" PEER_S
				TCP STATUS "200" EMPTY "\n"
			"GET client" METHOD
			"GET url.full=http://host.example/continued server.address=host.example server.port=7777" PEER_S
				TCP STATUS "200" EMPTY "\n",
	},
	{
		.name = "continuation without a beginning",
		.side = SIDE_CLIENT,
		.turns =
			{
				CLIENT(PREFACE "\0\0\x06\x04\0\0\0\0\0\0\x01\0\0\x10\0"
					       "\0\0\x06\x01\x05\0\0\0\x01\x82\x86"
					       "D\x02/1"
					       "\0\0\x01\x09\x04\0\0\0\x01\x82"
					       "\0\0\x03\x01\x05\0\0\0\x03\x82\x86\xbe"
					       "\0\0\x02\x01\0\0\0\0\x05\x82\x86"
					       "\0\0\x06\x01\x05\0\0\0\x07\x82\x86"
					       "D\x02/7"),
				SERVER("\0\0\0\x04\0\0\0\0\0"
				       "\0\0\x01\x01\x05\0\0\0\x07\x88"
				       "\0\0\x01\x01\x05\0\0\0\x03\x88"
				       "\0\0\x01\x01\x05\0\0\0\x01\x89"),
			},
		.transcript = "> none skip=6\n"
			      "> request id=1" METHOD "GET url.path=/1 url.scheme=http" HTTP2 "\n"
			      "> request id=3" METHOD "GET url.scheme=http" HTTP2 "\n"
			      "> request more id=5" METHOD "GET url.scheme=http" HTTP2 "\n"
			      "> request id=7" METHOD "GET url.path=/7 url.scheme=http" HTTP2 "\n"
			      "< response id=7" STATUS "200\n"
			      "< response id=3" STATUS "200\n"
			      "< response id=1" STATUS "204\n",
		.spans =
			"GET client" METHOD
			"GET url.full=http://192.0.2.2:7777/7" HOST PEER_S TCP STATUS "200" EMPTY
			"\n"
			"GET client" METHOD
			"GET url.full=http://192.0.2.2:7777" HOST PEER_S TCP STATUS "200" EMPTY "\n"
			"GET client" METHOD
			"GET url.full=http://192.0.2.2:7777/1" HOST PEER_S TCP STATUS "204" EMPTY
			"\n",
	},
	{
		.name = "padding and priority",
		.side = SIDE_CLIENT,
		.turns =
			{
				CLIENT(PREFACE "\0\0\x06\x04\0\0\0\0\0\0\x01\0\0\x10\0"
					       "\0\0\x0f\x01-\0\0\0\x01\x03\x80\0\0\0\x10\x82\x86"
					       "D\x02/p\0\0\0"
					       "\0\0\x05\x02\0\0\0\0\x01\0\0\0\0\x10"),
				SERVER("\0\0\0\x04\0\0\0\0\0"
				       "\0\0\x04\x01\x0c\0\0\0\x01\x02\x88\0\0"
				       "\0\0\x05\0\x09\0\0\0\x01\x02"
				       "ab\0\0"),
			},
		.transcript = "> none skip=6\n"
			      "> request id=1" METHOD "GET url.path=/p url.scheme=http" HTTP2 "\n"
			      "> none skip=5\n"
			      "< response more id=1" STATUS "200\n"
			      "< end id=1 skip=5\n",
		.spans = "GET client" METHOD
			 "GET url.full=http://192.0.2.2:7777/p" HOST PEER_S TCP STATUS "200" EMPTY
			 "\n",
	},
	{
		.name = "push",
		.side = SIDE_CLIENT,
		.turns =
			{
				CLIENT(PREFACE "\0\0\x06\x04\0\0\0\0\0\0\x01\0\0\x10\0"
					       "\0\0\x0c\x01\x05\0\0\0\x01\x82\x87"
					       "D\x05/pageA\x01h"),
				SERVER("\0\0\0\x04\0\0\0\0\0"
				       "\0\0\x16\x05\x04\0\0\0\x01\0\0\0\x02\x82\x87"
				       "D\x0b/pushed.cssA\x01h"
				       "\0\0\x0f\x05\x08\0\0\0\x01\x01\0\0\0\x04\x82\x87"
				       "D\x05/late\0"
				       "\0\0\x01\x09\x04\0\0\0\x01\xbf"
				       "\0\0\x01\x01\x04\0\0\0\x01\x88"
				       "\0\0\x01\x01\x04\0\0\0\x02\x88"
				       "\0\0\x03\0\x01\0\0\0\x02"
				       "css"
				       "\0\0\x04\0\x01\0\0\0\x01page"
				       "\0\0\x01\x01\x05\0\0\0\x04\x8d"),
			},
		.transcript =
			"> none skip=6\n"
			"> request id=1" METHOD
			"GET url.path=/page url.scheme=https server.address=h" HTTP2 "\n"
			"< request id=2" METHOD
			"GET url.path=/pushed.css url.scheme=https server.address=h" HTTP2 "\n"
			"< request id=4" METHOD "GET url.path=/late url.scheme=https" HTTP2 "\n"
			"< response more id=1" STATUS "200\n"
			"< response more id=2" STATUS "200\n"
			"< end id=2 skip=3\n"
			"< end id=1 skip=4\n"
			"< response id=4" STATUS "404\n",
		.spans =
			"GET client" METHOD
			"GET url.full=https://h/pushed.css server.address=h server.port=7777" PEER_S
				TCP STATUS "200" EMPTY "\n"
			"GET client" METHOD
			"GET url.full=https://h/page server.address=h server.port=7777" PEER_S TCP
				STATUS "200" EMPTY "\n"
			"GET client error" METHOD
			"GET url.full=https://192.0.2.2:7777/late" HOST PEER_S TCP STATUS
			"404 error.type=404" EMPTY "\n",
	},
	{
		.name = "resets",
		.side = SIDE_CLIENT,
		.turns =
			{
				CLIENT(PREFACE "\0\0\x06\x04\0\0\0\0\0\0\x01\0\0\x10\0"
					       "\0\0\x06\x01\x05\0\0\0\x01\x82\x86"
					       "D\x02/1"
					       "\0\0\x06\x01\x05\0\0\0\x03\x82\x86"
					       "D\x02/3"
					       "\0\0\x06\x01\x05\0\0\0\x05\x82\x86"
					       "D\x02/5"
					       "\0\0\x06\x01\x04\0\0\0\x07\x82\x86"
					       "D\x02/7"
					       "\0\0\x04\x03\0\0\0\0\x01\0\0\0\x08"),
				SERVER("\0\0\0\x04\0\0\0\0\0"
				       "\0\0\x04\x03\0\0\0\0\x03\0\0\0\x07"
				       "\0\0\x01\x01\x04\0\0\0\x05\x88"
				       "\0\0\x04\x03\0\0\0\0\x05\0\0\0\x02"
				       "\0\0\x04\x03\0\0\0\0\x07\0\0\xff\x02"),
			},
		.transcript =
			"> none skip=6\n"
			"> request id=1" METHOD "GET url.path=/1 url.scheme=http" HTTP2 "\n"
			"> request id=3" METHOD "GET url.path=/3 url.scheme=http" HTTP2 "\n"
			"> request id=5" METHOD "GET url.path=/5 url.scheme=http" HTTP2 "\n"
			"> request more id=7" METHOD "GET url.path=/7 url.scheme=http" HTTP2 "\n"
			"> abort id=1 failure=cancel\n"
			"< abort id=3 failure=refused_stream\n"
			"< response more id=5" STATUS "200\n"
			"< abort id=5 failure=internal_error\n"
			"< abort id=7 failure=_OTHER\n",
		.spans = "GET client error" METHOD
			 "GET url.full=http://192.0.2.2:7777/1" HOST PEER_S TCP
			 " error.type=cancel\n"
			 "GET client error" METHOD
			 "GET url.full=http://192.0.2.2:7777/3" HOST PEER_S TCP
			 " error.type=refused_stream\n"
			 "GET client error" METHOD
			 "GET url.full=http://192.0.2.2:7777/5" HOST PEER_S TCP STATUS
			 "200 error.type=internal_error" EMPTY "\n"
			 "GET client error" METHOD
			 "GET url.full=http://192.0.2.2:7777/7" HOST PEER_S TCP
			 " error.type=_OTHER\n",
	},
	{
		.name = "goaway",
		.side = SIDE_CLIENT,
		.turns =
			{
				CLIENT(PREFACE "\0\0\x06\x04\0\0\0\0\0\0\x01\0\0\x10\0"
					       "\0\0\x06\x01\x05\0\0\0\x01\x82\x86"
					       "D\x02/1"
					       "\0\0\x06\x01\x05\0\0\0\x03\x82\x86"
					       "D\x02/3"
					       "\0\0\x06\x01\x05\0\0\0\x05\x82\x86"
					       "D\x02/5"),
				SERVER("\0\0\0\x04\0\0\0\0\0"
				       "\0\0\x08\x07\0\0\0\0\0\x7f\xff\xff\xff\0\0\0\0"
				       "\0\0\x0b\x07\0\0\0\0\0\0\0\0\x01\0\0\0\0bye"
				       "\0\0\x01\x01\x05\0\0\0\x01\x88"),
				CLIENT("\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\0"
				       "\0\0\x06\x01\x05\0\0\0\x07\x82\x86"
				       "D\x02/7"),
				SERVER("\0\0\x08\x07\0\0\0\0\0\0\0\0\x01\0\0\0\x0b"),
			},
		.transcript = "> none skip=6\n"
			      "> request id=1" METHOD "GET url.path=/1 url.scheme=http" HTTP2 "\n"
			      "> request id=3" METHOD "GET url.path=/3 url.scheme=http" HTTP2 "\n"
			      "> request id=5" METHOD "GET url.path=/5 url.scheme=http" HTTP2 "\n"
			      "< abort all-after id=1 skip=3 failure=refused_stream\n"
			      "< response id=1" STATUS "200\n"
			      "> request id=7" METHOD "GET url.path=/7 url.scheme=http" HTTP2 "\n"
			      "< abort all-after id=1 failure=enhance_your_calm\n",
		.spans = "GET client error" METHOD
			 "GET url.full=http://192.0.2.2:7777/3" HOST PEER_S TCP
			 " error.type=refused_stream\n"
			 "GET client error" METHOD
			 "GET url.full=http://192.0.2.2:7777/5" HOST PEER_S TCP
			 " error.type=refused_stream\n"
			 "GET client" METHOD
			 "GET url.full=http://192.0.2.2:7777/1" HOST PEER_S TCP STATUS "200" EMPTY
			 "\n"
			 "GET client error" METHOD
			 "GET url.full=http://192.0.2.2:7777/7" HOST PEER_S TCP
			 " error.type=enhance_your_calm\n",
	},
	{
		.name = "interim",
		.side = SIDE_CLIENT,
		.turns =
			{
				CLIENT(PREFACE "\0\0\x06\x04\0\0\0\0\0\0\x01\0\0\x10\0"
					       "\0\0\x07\x01\x04\0\0\0\x01\x83\x86"
					       "D\x03/up"),
				SERVER("\0\0\0\x04\0\0\0\0\0"
				       "\0\0\x05\x01\x04\0\0\0\x01H\x03"
				       "100"
				       "\0\0\x05\x01\0\0\0\0\x01H\x03"
				       "103"
				       "\0\0\x06\x09\x04\0\0\0\x01m\x04</a>"),
				CLIENT("\0\0\x01\0\x01\0\0\0\x01x"),
				SERVER("\0\0\x01\x01\x05\0\0\0\x01\x88"),
			},
		.transcript =
			"> none skip=6\n"
			"> request more id=1" METHOD "POST url.path=/up url.scheme=http" HTTP2 "\n"
			"> end id=1 skip=1\n"
			"< response id=1" STATUS "200\n",
		.spans = "POST client" METHOD
			 "POST url.full=http://192.0.2.2:7777/up" HOST PEER_S TCP STATUS "200" EMPTY
			 "\n",
	},
	{
		.name = "cut and missed",
		.side = SIDE_CLIENT,
		.turns =
			{
				CLIENT_CUT(PREFACE "\0\0\x06\x04\0\0\0\0\0\0\x01\0\0\x10\0"
						   "\0\0\x09\x01\x05\0\0\0\x01\x82\x86"
						   "D\x02/1A\x01h"
						   "\0\0(\x01\x05\0\0\0\x03\x82\x86",
					   81),
				SERVER("\0\0\0\x04\0\0\0\0\0"
				       "\0\0\x01\x01\x05\0\0\0\x01\x88"
				       "\0\0\x01\x01\x05\0\0\0\x03\x88"),
				CLIENT("\0\0\x08\x01\x05\0\0\0\x09\x82\x86\xbf"
				       "D\x02/9\xbe"
				       "\0\0\x07\x01\x05\0\0\0\x0f\x82\x86"
				       "D\x03/15"),
				SERVER("\0\0\x01\x01\x05\0\0\0\x09\x88"
				       "\0\0\x01\x01\x05\0\0\0\x0f\x88"),
			},
		.transcript =
			"> none skip=6\n"
			"> request id=1" METHOD
			"GET url.path=/1 url.scheme=http server.address=h" HTTP2 "\n"
			"> request of-head id=3 skip=38" METHOD "GET url.scheme=http" HTTP2 "\n"
			"< response id=1" STATUS "200\n"
			"< response id=3" STATUS "200\n"
			"> request id=9 missed=2" METHOD "GET url.path=/9 url.scheme=http" HTTP2
			"\n"
			"> request id=15" METHOD "GET url.path=/15 url.scheme=http" HTTP2 "\n"
			"< response id=9" STATUS "200\n"
			"< response id=15" STATUS "200\n",
		.spans =
			"GET client" METHOD
			"GET url.full=http://h/1 server.address=h server.port=7777" PEER_S TCP
				STATUS "200" EMPTY "\n"
			"GET client" METHOD
			"GET url.full=http://192.0.2.2:7777" HOST PEER_S TCP STATUS "200" EMPTY "\n"
			"GET client" METHOD
			"GET url.full=http://192.0.2.2:7777/9" HOST PEER_S TCP STATUS "200" EMPTY
			"\n"
			"GET client" METHOD
			"GET url.full=http://192.0.2.2:7777/15" HOST PEER_S TCP STATUS "200" EMPTY
			"\n",
	},
	{
		.name = "cut data",
		.side = SIDE_SERVER,
		.turns =
			{
				CLIENT_CUT(PREFACE "\0\0\x06\x04\0\0\0\0\0\0\x01\0\0\x10\0"
						   "\0\0\x07\x01\x04\0\0\0\x01\x83\x86"
						   "D\x03/up"
						   "\0\x03\xe8\0\0\0\0\0\x01"
						   "abc",
					   997),
				CLIENT_CUT("\0\0\x05\0\x01\0\0\0\x01", 5),
				SERVER("\0\0\0\x04\0\0\0\0\0"
				       "\0\0\x01\x01\x05\0\0\0\x01\x88"),
			},
		.transcript =
			"> none skip=6\n"
			"> request more id=1" METHOD "POST url.path=/up url.scheme=http" HTTP2 "\n"
			"> part id=1 skip=1000\n"
			"> end id=1 skip=5\n"
			"< response id=1" STATUS "200\n",
		.spans =
			"POST route=/up server" METHOD
			"POST url.path=/up url.scheme=http" HOST PEER_C TCP STATUS "200" EMPTY "\n",
	},
	{
		.name = "data that begins as the preface",
		.side = SIDE_SERVER,
		.turns =
			{
				CLIENT_CUT(PREFACE "\0\0\x06\x04\0\0\0\0\0\0\x01\0\0\x10\0"
						   "\0\0\x07\x01\x04\0\0\0\x01\x83\x86"
						   "D\x03/up"
						   "PRI\0\x01\0\0\0\x01"
						   "abc",
					   0x505249 - 3),
				SERVER("\0\0\0\x04\0\0\0\0\0"
				       "\0\0\x01\x01\x05\0\0\0\x01\x88"),
			},
		.transcript =
			"> none skip=6\n"
			"> request more id=1" METHOD "POST url.path=/up url.scheme=http" HTTP2 "\n"
			"> end id=1 skip=5263945\n"
			"< response id=1" STATUS "200\n",
	},
	{
		.name = "frames that say nothing",
		.side = SIDE_CLIENT,
		.turns =
			{
				CLIENT(PREFACE "\0\0\x06\x04\0\0\0\0\0\0\x01\0\0\x10\0"
					       "\0\0\x08\x06\0\0\0\0\0"
					       "12345678"
					       "\0\0\x06\x0b\xff\0\0\0\0grease"
					       "\0\0\x03\x01\x05\0\0\0\x01\x82\x86\x84"
					       "\0\0\x07\x10\0\0\0\0\0\0\0\0\x01u=1"),
				SERVER("\0\0\0\x04\0\0\0\0\0"
				       "\0\0\x08\x06\x01\0\0\0\0"
				       "12345678"
				       "\0\0\x04\x08\0\0\0\0\0\0\0\xff\xff"
				       "\0\0\x02\n\0\0\0\0\x01\0\0"
				       "\0\0\x01\x01\x05\0\0\0\x01\x88"),
			},
		.transcript = "> none skip=6\n"
			      "> none skip=8\n"
			      "> none skip=6\n"
			      "> request id=1" METHOD "GET url.path=/ url.scheme=http" HTTP2 "\n"
			      "> none skip=7\n"
			      "< none skip=8\n"
			      "< none skip=4\n"
			      "< none skip=2\n"
			      "< response id=1" STATUS "200\n",
		.spans = "GET client" METHOD
			 "GET url.full=http://192.0.2.2:7777/" HOST PEER_S TCP STATUS "200" EMPTY
			 "\n",
	},
	{
		.name = "table sizes",
		.side = SIDE_CLIENT,
		.turns =
			{
				CLIENT(PREFACE "\0\0\x06\x04\0\0\0\0\0\0\x01\0\0\x10\0"
					       "\0\0\r\x01\x05\0\0\0\x01 ?\xe1\x1f\x82\x86"
					       "D\x02/1A\x01h"
					       "\0\0\x06\x01\x05\0\0\0\x03?\x01\x82\x86\xbf\xbe"),
				SERVER("\0\0\0\x04\0\0\0\0\0"
				       "\0\0\x02\x01\x05\0\0\0\x01 \x88"
				       "\0\0\x02\x01\x05\0\0\0\x03\x88 "),
			},
		.transcript = "> none skip=6\n"
			      "> request id=1" METHOD
			      "GET url.path=/1 url.scheme=http server.address=h" HTTP2 "\n"
			      "> request id=3" METHOD
			      "GET url.path=/1 url.scheme=http server.address=h" HTTP2 "\n"
			      "< response id=1" STATUS "200\n"
			      "< response id=3" STATUS "200\n",
		.spans = "GET client" METHOD
			 "GET url.full=http://h/1 server.address=h server.port=7777" PEER_S TCP
				 STATUS "200" EMPTY "\n"
			 "GET client" METHOD
			 "GET url.full=http://h/1 server.address=h server.port=7777" PEER_S TCP
				 STATUS "200" EMPTY "\n",
	},
	{
		.name = "bad length",
		.side = SIDE_CLIENT,
		.turns =
			{
				CLIENT_CUT(PREFACE "\0\0\x06\x04\0\0\0\0\0\0\x01\0\0\x10\0"
						   "\xff\xff\xff\x01\x05\0\0\0\x01\x82\x86"
						   "D\x04/big",
					   100),
				CLIENT("\0\0\x06\x01\x05\0\0\0\x03\x82\x86"
				       "D\x02/3"),
				SERVER("\0\0\0\x04\0\0\0\0\0"
				       "\0\0\x01\x01\x05\0\0\0\x01\x88"
				       "\0\0\x01\x01\x05\0\0\0\x03\x88"),
			},
		.transcript = "> none skip=6\n"
			      "> request of-head id=1 skip=16777207" METHOD
			      "GET url.path=/big url.scheme=http" HTTP2 "\n"
			      "< response id=1" STATUS "200\n"
			      "< response id=3" STATUS "200\n",
		.spans = "GET client" METHOD
			 "GET url.full=http://192.0.2.2:7777/big" HOST PEER_S TCP STATUS "200" EMPTY
			 "\n",
	},
	{
		.name = "bad blocks",
		.side = SIDE_CLIENT,
		.turns =
			{
				CLIENT(PREFACE
				       "\0\0\x06\x04\0\0\0\0\0\0\x01\0\0\x10\0"
				       "\0\0\r\x01\x05\0\0\0\x01\x82\x86"
				       "D\x02/1\x80"
				       "D\x04/not"
				       "\0\0\x07\x01\x05\0\0\0\x03\x82\xff\xff\xff\xff\xff\x0f"
				       "\0\0\r\x01\x05\0\0\0\x05\x82\x86"
				       "D\x02/5D\x7fshort"
				       "\0\0\x04\x01\x05\0\0\0\x07\x82"
				       "D\x81\xff"
				       "\0\0\x07\x01\x05\0\0\0\x09\x82\x86\xbe"
				       "D\x02/9"),
				SERVER("\0\0\0\x04\0\0\0\0\0"
				       "\0\0\x01\x01\x05\0\0\0\x01\x88"
				       "\0\0\x01\x01\x05\0\0\0\x03\x88"
				       "\0\0\x01\x01\x05\0\0\0\x05\x88"
				       "\0\0\x01\x01\x05\0\0\0\x07\x88"
				       "\0\0\x01\x01\x05\0\0\0\x09\x88"),
			},
		.transcript = "> none skip=6\n"
			      "> request id=1" METHOD "GET url.path=/1 url.scheme=http" HTTP2 "\n"
			      "> request id=3" METHOD "GET" HTTP2 "\n"
			      "> request id=5" METHOD "GET url.path=/5 url.scheme=http" HTTP2 "\n"
			      "> request id=7" METHOD "GET" HTTP2 "\n"
			      "> request id=9" METHOD "GET url.path=/9 url.scheme=http" HTTP2 "\n"
			      "< response id=1" STATUS "200\n"
			      "< response id=3" STATUS "200\n"
			      "< response id=5" STATUS "200\n"
			      "< response id=7" STATUS "200\n"
			      "< response id=9" STATUS "200\n",
		.spans =
			"GET client" METHOD
			"GET url.full=http://192.0.2.2:7777/1" HOST PEER_S TCP STATUS "200" EMPTY
			"\n"
			"GET client" METHOD
			"GET url.full=http://192.0.2.2:7777" HOST PEER_S TCP STATUS "200" EMPTY "\n"
			"GET client" METHOD
			"GET url.full=http://192.0.2.2:7777/5" HOST PEER_S TCP STATUS "200" EMPTY
			"\n"
			"GET client" METHOD
			"GET url.full=http://192.0.2.2:7777" HOST PEER_S TCP STATUS "200" EMPTY "\n"
			"GET client" METHOD
			"GET url.full=http://192.0.2.2:7777/9" HOST PEER_S TCP STATUS "200" EMPTY
			"\n",
	},
	{
		.name = "bad frame",
		.side = SIDE_CLIENT,
		.turns =
			{
				CLIENT(PREFACE "\0\0\x06\x04\0\0\0\0\0\0\x01\0\0\x10\0"
					       "\0\0\x07\x06\0\0\0\0\0"
					       "1234567"),
				SERVER("\0\0\0\x04\0\0\0\0\0"
				       "\0\0\x01\x01\x04\0\0\0\0\x88"),
			},
		.transcript = "> none skip=6\n"
			      "> error\n"
			      "< error\n",
	},
	{
		.name = "bad stream",
		.side = SIDE_CLIENT,
		.turns =
			{
				CLIENT(PREFACE "\0\0\x06\x04\0\0\0\0\0\0\x01\0\0\x10\0"
					       "\0\0\x03\x01\x05\0\0\0\x02\x82\x86\x84"),
			},
		.transcript = "> none skip=6\n"
			      "> error\n",
	},
	{
		.name = "bad roles",
		.side = SIDE_CLIENT,
		.turns =
			{
				CLIENT("\0\0\x01\x01\x04\0\0\0\x01\x88"),
				SERVER("\0\0\x03\x01\x04\0\0\0\x01\x82\x86\x84"),
			},
		.transcript = "> error\n"
			      "< error\n",
	},
	{
		.name = "bad padding",
		.side = SIDE_CLIENT,
		.turns =
			{
				CLIENT(PREFACE "\0\0\x06\x04\0\0\0\0\0\0\x01\0\0\x10\0"
					       "\0\0\x03\x01\x0c\0\0\0\x01\x09\x82\x86"),
			},
		.transcript = "> none skip=6\n"
			      "> error\n",
	},
	{
		.name = "bad promise",
		.side = SIDE_CLIENT,
		.turns =
			{
				CLIENT(PREFACE "\0\0\x06\x04\0\0\0\0\0\0\x01\0\0\x10\0"
					       "\0\0\x03\x01\x05\0\0\0\x01\x82\x86\x84"),
				SERVER("\0\0\0\x04\0\0\0\0\0"
				       "\0\0\x07\x05\x04\0\0\0\x01\0\0\0\x03\x82\x86\x84"),
			},
		.transcript = "> none skip=6\n"
			      "> request id=1" METHOD "GET url.path=/ url.scheme=http" HTTP2 "\n"
			      "< error\n",
	},
};

#define HEADER(len, type, flags, stream) "\0" len type flags "\0\0\0" stream

static const struct detect_case detections[] = {
	{FROM_CLIENT, DETECT_YES, SLICE(PREFACE)},
	{FROM_CLIENT, DETECT_YES, SLICE(PREFACE HEADER("\0\0", "\x04", "\0", "\0"))},
	{FROM_CLIENT, DETECT_MORE, SLICE("PRI * HTTP/2.0\r\n\r\nSM")},
	{FROM_CLIENT, DETECT_NO, SLICE("PRI * HTTP/2.0\r\n\r\nXX")},
	{FROM_SERVER, DETECT_NO, SLICE(PREFACE)},
	/* A request, whole and not, with padding and priority, and with a table that is not known. */
	{FROM_CLIENT, DETECT_YES, SLICE(HEADER("\0\x03", "\x01", "\x05", "\x03") "\x83\x86\xbe")},
	{FROM_CLIENT, DETECT_YES, SLICE(HEADER("\x10\0", "\x01", "\x05", "\x03") "\x83")},
	{FROM_CLIENT, DETECT_YES,
	 SLICE(HEADER("\0\x09", "\x01", "\x2d", "\x03") "\x01\0\0\0\0\x10\xbe\x82\0")},
	{FROM_CLIENT, DETECT_YES, SLICE(HEADER("\0\x03", "\x01", "\x05", "\x03") "\xc0\x83\x86")},
	{FROM_CLIENT, DETECT_LIKELY, SLICE(HEADER("\0\x02", "\x01", "\x05", "\x03") "\xc0\xbf")},
	{FROM_CLIENT, DETECT_LIKELY, SLICE(HEADER("\0\x40", "\x01", "\x05", "\x03") "\x40\x7f")},
	{FROM_SERVER, DETECT_NO, SLICE(HEADER("\0\x03", "\x01", "\x05", "\x03") "\x83\x86\xbe")},
	{FROM_CLIENT, DETECT_NO, SLICE(HEADER("\0\x03", "\x01", "\x05", "\x04") "\x83\x86\xbe")},
	{FROM_CLIENT, DETECT_NO, SLICE(HEADER("\0\x02", "\x01", "\x05", "\x03") "\xc0\x80")},
	{FROM_CLIENT, DETECT_NO, SLICE(HEADER("\0\x02", "\x01", "\x45", "\x03") "\x83\x86")},
	{FROM_CLIENT, DETECT_NO, SLICE(HEADER("\0\x02", "\x01", "\x0d", "\x03") "\x07\x86")},
	{FROM_CLIENT, DETECT_MORE, SLICE("\0\0\x03\x01\x05\0")},
	/* An ORIGIN after the settings. */
	{FROM_SERVER, DETECT_LIKELY,
	 SLICE(HEADER("\0\0", "\x04", "\0", "\0") HEADER("\0\x02", "\x0c", "\0", "\0") "\0")},
	{FROM_SERVER, DETECT_NO, SLICE(HEADER("\0\x02", "\x0c", "\0", "\0") "\0\0")},
	{FROM_SERVER, DETECT_NO,
	 SLICE(HEADER("\0\0", "\x04", "\0", "\0") HEADER("\0\x02", "\x0c", "\1", "\0") "\0")},
	/* A response. */
	{FROM_SERVER, DETECT_YES, SLICE(HEADER("\0\x02", "\x01", "\x04", "\x03") "\x88\xbe")},
	{FROM_SERVER, DETECT_YES,
	 SLICE(HEADER("\0\x05", "\x01", "\x04", "\x02") "\x48\x03"
							"302")},
	{FROM_CLIENT, DETECT_NO, SLICE(HEADER("\0\x02", "\x01", "\x04", "\x03") "\x88\xbe")},
	{FROM_SERVER, DETECT_LIKELY, SLICE(HEADER("\0\x02", "\x01", "\x05", "\x03") "\xc0\xbf")},
	{FROM_SERVER, DETECT_LIKELY,
	 SLICE(HEADER("\0\x04", "\x01", "\x05", "\x03") "\x00\x01"
							"a\0")},
	/* Settings: a server's first, or acknowledged. */
	{FROM_SERVER, DETECT_YES, SLICE(HEADER("\0\x06", "\x04", "\0", "\0") "\0\x03\0\0\0\x80")},
	{FROM_SERVER, DETECT_NO, SLICE(HEADER("\0\x06", "\x04", "\0", "\0") "\x01\x03\0\0\0\x80")},
	{FROM_SERVER, DETECT_NO, SLICE(HEADER("\0\x05", "\x04", "\0", "\0") "\0\x03\0\0\0")},
	{FROM_SERVER, DETECT_LIKELY, SLICE(HEADER("\0\0", "\x04", "\0", "\0"))},
	{FROM_CLIENT, DETECT_NO, SLICE(HEADER("\0\0", "\x04", "\0", "\0"))},
	{FROM_CLIENT, DETECT_LIKELY, SLICE(HEADER("\0\0", "\x04", "\x01", "\0"))},
	{FROM_CLIENT, DETECT_YES,
	 SLICE(HEADER("\0\0", "\x04", "\x01", "\0")
		       HEADER("\0\x01", "\x01", "\x05", "\x01") "\x82")},
	/* What both send. */
	{FROM_CLIENT, DETECT_LIKELY, SLICE(HEADER("\0\x05", "\0", "\x01", "\x03") "hello")},
	{FROM_SERVER, DETECT_LIKELY, SLICE(HEADER("\0\x05", "\0", "\x01", "\x03") "he")},
	{FROM_SERVER, DETECT_NO, SLICE(HEADER("\0\x05", "\0", "\x01", "\x03") "hello, world")},
	{FROM_SERVER, DETECT_LIKELY, SLICE(HEADER("\0\x08", "\x06", "\x01", "\0") "12345678")},
	{FROM_SERVER, DETECT_LIKELY, SLICE(HEADER("\0\x04", "\x08", "\0", "\x02") "\0\0\x10\0")},
	{FROM_SERVER, DETECT_NO,
	 SLICE(HEADER("\0\x04", "\x09", "\x04", "\x01") "\x88\x88\x88\x88")},
	{FROM_SERVER, DETECT_NO, SLICE(HEADER("\0\x05", "\0", "\x01", "\0") "hello")},
	{FROM_SERVER, DETECT_NO, SLICE("\0\0\x05\0\x01\x80\0\0\x03")},
	{FROM_SERVER, DETECT_NO, SLICE("\0\x41\0\0\x01\0\0\0\x03")},
	/* Other protocols. */
	{FROM_CLIENT, DETECT_NO, SLICE("GET / HTTP/1.1\r\nHost: x\r\n\r\n")},
	{FROM_SERVER, DETECT_NO, SLICE("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")},
	{FROM_CLIENT, DETECT_NO, SLICE("*1\r\n$4\r\nPING\r\n")},
	{FROM_SERVER, DETECT_NO, SLICE("+PONG\r\n")},
	{FROM_CLIENT, DETECT_NO, SLICE("\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03")},
	{FROM_SERVER, DETECT_NO,
	 SLICE("\x4a\0\0\0\x0a"
	       "8.0.36\0\x08\0\0\0")},
	{FROM_CLIENT, DETECT_NO, SLICE("\x0f\0\0\0\x03select version()")},
	{FROM_SERVER, DETECT_NO, SLICE("\x07\0\0\x02\0\0\0\x02\0\0\0")},
	{FROM_CLIENT, DETECT_NO, SLICE("\0\0\0\x08\x04\xd2\x16\x2f")},
	{FROM_CLIENT, DETECT_NO, SLICE("\0\0\0\x29\0\x03\0\0user\0me\0database\0mine\0\0")},
	{FROM_CLIENT, DETECT_NO, SLICE("Q\0\0\0\x0dselect 1\0")},
	{FROM_SERVER, DETECT_NO, SLICE("R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I")},
	{FROM_CLIENT, DETECT_NO,
	 SLICE("\0\0\0\x23\0\x12\0\x03\0\0\0\x01\0\x08"
	       "consumer\0")},
	{FROM_CLIENT, DETECT_NO, SLICE("\0\0\x01\x04\0\x01\0\x0b\0\0\0\x07\0\x04test")},
	{FROM_SERVER, DETECT_NO, SLICE("\0\0\0\x08\0\0\0\x01\0\0\0\0")},
	{FROM_CLIENT, DETECT_NO, SLICE("\0\x1d\xab\xcd\x01\0\0\x01\0\0\0\0\0\0\x03www")},
	{FROM_CLIENT, DETECT_NO, SLICE("AMQP\0\0\x09\x01")},
	{FROM_CLIENT, DETECT_NO, SLICE("\x10\x0c\0\x04MQTT\x04\x02\0\x3c\0\0")},
	{FROM_SERVER, DETECT_NO, SLICE("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0")},
	{FROM_CLIENT, DETECT_NO, SLICE("\x93\x1c\x07\xd4\x55\x80\x21\x0e\xc2\x70")},
	{FROM_CLIENT, DETECT_NO, SLICE("Once upon a time, in a land far away")},
};

static const struct protocol *http2;

static void test_conversations(void **state)
{
	(void)state;
	rig_run(http2, cases, LEN(cases));
}

static void test_detections(void **state)
{
	(void)state;
	rig_run_detections(http2, detections, LEN(detections));
}

/* Headers that the configuration wants, from the bytes, the table and Huffman coded. */
static void test_captured(void **state)
{
	static const char *const wanted_names[] = {"X-Id", "user-agent"};
	static const char bytes[] =
		HEADER("\0\x15", "\x01", "\x05",
		       "\x01") "\x82\x40\x04x-id\x81\x1f\x00\x04x-id\x01\x62\x7a\x01z\xbf";
	struct wanted_headers wanted;
	struct attr v[MSG_ATTRS_MAX];
	char room[MSG_ROOM_SZ];
	struct msg msg = {.attrs = {.v = v, .cap = LEN(v)}, .room = room, .room_sz = sizeof(room)};
	void *http2_state = calloc(1, http2->state_size);
	struct slice key = SLICE("http.request.header.x-id");
	size_t n = sizeof(bytes) - 1;

	(void)state;
	assert_int_equal(wanted_headers__init(&wanted, FROM_CLIENT, wanted_names, 2), 0);
	msg.wanted = &wanted;
	assert_int_equal(http2->parse(http2_state, FROM_CLIENT, slice_of(bytes, n), false, &msg),
			 n);
	assert_true(slice_eq(attrs_get(&msg.attrs, key)->str, SLICE("a")));
	assert_int_equal(msg.attrs.cnt, 8);
	assert_true(slice_eq(v[4].str, SLICE("a")) && slice_eq(v[5].str, SLICE("b")));
	assert_true(slice_eq(v[6].str, SLICE("z")) && slice_eq(v[7].str, SLICE("a")));
	wanted_headers__free(&wanted);
	free(http2_state);
}

/* Of more headers than a message may have, or has room for, the rest is counted. */
static void test_captured_too_many(void **state)
{
	static const char *const wanted_names[] = {"x"};
	static const size_t rooms[] = {0, MSG_ROOM_SZ};
	char bytes[9 + 1 + 20 * 6 + 1] = HEADER("\0\x79", "\x01", "\x05", "\x01") "\x82";
	struct wanted_headers wanted;

	(void)state;
	assert_int_equal(wanted_headers__init(&wanted, FROM_CLIENT, wanted_names, 1), 0);
	for (size_t i = 0; i < 20; i++)
		memcpy(bytes + 10 + 6 * i, "\0\x01x\x82\x18\xc7", 6);
	for (size_t i = 0; i < LEN(rooms); i++) {
		char *room = malloc(rooms[i] ?: 1);
		struct attr v[MSG_ATTRS_MAX];
		struct msg msg = {.attrs = {.v = v, .cap = LEN(v)},
				  .room = room,
				  .room_sz = rooms[i],
				  .wanted = &wanted};
		void *http2_state = calloc(1, http2->state_size);
		uint16_t kept = rooms[i] ? HTTP_HEADERS_MAX : 0;

		assert_int_equal(http2->parse(http2_state, FROM_CLIENT, slice_of(bytes, 130), false,
					      &msg),
				 130);
		assert_int_equal(msg.attrs.cnt, 3 + kept);
		assert_int_equal(msg.attrs.dropped_cnt, 20 - kept);
		free(http2_state);
		free(room);
	}
	wanted_headers__free(&wanted);
}

/* As many header frames as fit, each with as much as can be made of its bytes: time and room end. */
static void test_bombs(void **state)
{
	size_t len = 16384;
	char *bytes = malloc(9 + len);
	struct rig *rig = malloc(sizeof(*rig));

	(void)state;
	assert_true(bytes && rig);
	rig_begin(rig, http2, SIDE_CLIENT);
	for (unsigned int stream = 1; stream < 200; stream += 2) {
		const char head[9] = {0, 0x40, 0, 1, 5, 0, 0, 0, (char)stream};
		size_t at = sizeof(head);

		memcpy(bytes, head, sizeof(head));
		bytes[at++] = (char)0x82;
		/* A path of a thousand bytes into the table, then references to it, thousands. */
		at = (size_t)((char *)mempcpy(bytes + at, "\x44\x7f\xe9\x06", 4) - bytes);
		memset(bytes + at, 'p', 1000);
		at += 1000;
		memset(bytes + at, 0xbe, 9 + len - at);
		rig_feed(rig, FROM_CLIENT, slice_of(bytes, 9 + len), false);
		rig->messages.n = rig->exchanges_cnt = 0;
		rig->kept_len = 0;
	}
	rig_finish(rig);
	free(rig);
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_conversations), cmocka_unit_test(test_detections),
		cmocka_unit_test(test_captured),      cmocka_unit_test(test_captured_too_many),
		cmocka_unit_test(test_bombs),
	};

	http2 = rig_protocol("http2");
	return cmocka_run_group_tests(tests, NULL, NULL);
}

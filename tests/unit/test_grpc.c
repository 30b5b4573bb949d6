// SPDX-License-Identifier: Apache-2.0
/* gRPC: what HTTP/2's headers say of it, in conversations; the rules for errors. */
#include "tests/unit/http2_text.h"
#include "tests/unit/protocol_rig.h"
#include "user/protocols/grpc_semconv.h"

#define LEN(array) (sizeof(array) / sizeof((array)[0]))

static const struct conversation cases[] = {
	{
		.name = "spans for a collector",
		.side = SIDE_CLIENT,
		.turns = {CLIENT(PREFACE
				 "\0\0\x59\x01\x05\0\0\0\x01\x83\x86"
				 "D\x3b"
				 "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
				 "A\x06"
				 "cart:1_\x10"
				 "application/grpc")},
		.transcript =
			"> request brings-spans id=1" METHOD
			"POST url.path=/opentelemetry.proto.collector.trace.v1.TraceService/Export"
			" url.scheme=http server.address=cart server.port=1" HTTP2
			" rpc.system.name=grpc\n",
	},
	{
		.name = "grpc",
		.side = SIDE_CLIENT,
		.turns =
			{
				CLIENT(PREFACE
				       "\0\0\x06\x04\0\0\0\0\0\0\x01\0\0\x10\0"
				       "\0\0@\x01\x04\0\0\0\x01\x83\x86"
				       "D\x11/shop.v1.Cart/AddA\ncart:50051_\x10"
				       "application/grpc@\x02te\x08trailers"
				       "\0\0\x07\0\x01\0\0\0\x01\0\0\0\0\x02\x08\x01"
				       "\0\0\x18\x01\x04\0\0\0\x03\x83\x86"
				       "D\x11/shop.v1.Cart/Get\xc1\xc0\xbf"
				       "\0\0\x05\0\x01\0\0\0\x03\0\0\0\0\0"
				       "\0\0\x06\x01\x04\0\0\0\x05\x83\x86\xc3\xc1\xc0\xbf"),
				SERVER("\0\0\0\x04\0\0\0\0\0"
				       "\0\0\x13\x01\x04\0\0\0\x01\x88_\x10"
				       "application/grpc"
				       "\0\0\x05\0\0\0\0\0\x01\0\0\0\0\0"
				       "\0\0\x1e\x01\x05\0\0\0\x01@\x0bgrpc-status\x01"
				       "0@\x0cgrpc-message\0"
				       "\0\0\x11\x01\x05\0\0\0\x03\x88\xc0@\x0bgrpc-status\x01"
				       "5"
				       "\0\0\x02\x01\x04\0\0\0\x05\x88\xc1"
				       "\0\0\x05\0\0\0\0\0\x05\0\0\0\0\0"
				       "\0\0\x05\0\0\0\0\0\x05\0\0\0\0\0"
				       "\0\0\x01\x01\x05\0\0\0\x05\xc0"),
				CLIENT("\0\0\x1a\x01\x04\0\0\0\x07\x83\x86"
				       "D\x13/shop.v1.Cart/Watch\xc2\xc1\xc0"
				       "\0\0\x10\x01\x05\0\0\0\x09\x83\x86"
				       "D\x09/nonsense\xc3\xc2\xc1"
				       "\0\0\x06\x01\x05\0\0\0\x0b\x83\x86\xbf\xc3\xc2\xc1"
				       "\0\0\x04\x03\0\0\0\0\x07\0\0\0\x08"),
				SERVER("\0\0\x07\x01\x05\0\0\0\x09\x88\xc1\x7f\x01\x02"
				       "12"
				       "\0\0\x10\x01\x05\0\0\0\x0bH\x03"
				       "503_\x09text/html"),
			},
		.transcript =
			"> none skip=6\n"
			"> request more id=1" METHOD
			"POST url.path=/shop.v1.Cart/Add url.scheme=http server.address=cart server.port=50051" HTTP2
			" rpc.system.name=grpc\n"
			"> end id=1 skip=7\n"
			"> request more id=3" METHOD
			"POST url.path=/shop.v1.Cart/Get url.scheme=http server.address=cart server.port=50051" HTTP2
			" rpc.system.name=grpc\n"
			"> end id=3 skip=5\n"
			"> request more id=5" METHOD
			"POST url.scheme=http server.address=cart server.port=50051" HTTP2
			" rpc.system.name=grpc\n"
			"< response more id=1" STATUS "200 rpc.system.name=grpc\n"
			"< part id=1 skip=5\n"
			"< end id=1 rpc.status_code=OK\n"
			"< response id=3" STATUS
			"200 rpc.system.name=grpc rpc.status_code=NOT_FOUND\n"
			"< response more id=5" STATUS "200 rpc.system.name=grpc\n"
			"< part id=5 skip=5\n"
			"< part id=5 skip=5\n"
			"< end id=5 rpc.status_code=OK\n"
			"> request more id=7" METHOD
			"POST url.path=/shop.v1.Cart/Watch url.scheme=http server.address=cart server.port=50051" HTTP2
			" rpc.system.name=grpc\n"
			"> request id=9" METHOD
			"POST url.path=/nonsense url.scheme=http server.address=cart server.port=50051" HTTP2
			" rpc.system.name=grpc\n"
			"> request id=11" METHOD
			"POST url.path=/shop.v1.Cart/Watch url.scheme=http server.address=cart server.port=50051" HTTP2
			" rpc.system.name=grpc\n"
			"> abort id=7 failure=cancel\n"
			"< response id=9" STATUS
			"200 rpc.system.name=grpc rpc.status_code=UNIMPLEMENTED\n"
			"< response id=11" STATUS "503\n",
		.spans =
			"shop.v1.Cart/Add client rpc.system.name=grpc rpc.method=shop.v1.Cart/Add server.address=cart server.port=50051" PEER_S
				HTTP2 " network.transport=tcp rpc.status_code=OK\n"
			"shop.v1.Cart/Get client error rpc.system.name=grpc rpc.method=shop.v1.Cart/Get server.address=cart server.port=50051" PEER_S
				HTTP2
			" network.transport=tcp rpc.status_code=NOT_FOUND error.type=NOT_FOUND\n"
			"grpc client rpc.system.name=grpc server.address=cart server.port=50051" PEER_S
				HTTP2 " network.transport=tcp rpc.status_code=OK\n"
			"shop.v1.Cart/Watch client error rpc.system.name=grpc rpc.method=shop.v1.Cart/Watch server.address=cart server.port=50051" PEER_S
				HTTP2 " network.transport=tcp error.type=cancel\n"
			"grpc client error rpc.system.name=grpc rpc.method=_OTHER rpc.method_original=/nonsense server.address=cart server.port=50051" PEER_S
				HTTP2
			" network.transport=tcp rpc.status_code=UNIMPLEMENTED error.type=UNIMPLEMENTED\n"
			"shop.v1.Cart/Watch client error rpc.system.name=grpc rpc.method=shop.v1.Cart/Watch server.address=cart server.port=50051" PEER_S
				HTTP2 " network.transport=tcp" STATUS "503 error.type=503\n",
	},
	{
		.name = "grpc seen by the server",
		.side = SIDE_SERVER,
		.turns =
			{
				CLIENT(PREFACE "\0\0\x06\x04\0\0\0\0\0\0\x01\0\0\x10\0"
					       "\0\0\x1c\x01\x05\0\0\0\x01\x83\x86"
					       "D\x06/a.B/C_\x10"
					       "application/grpc"
					       "\0\0\x0b\x01\x05\0\0\0\x03\x83\x86"
					       "D\x06/a.B/D\xbf"
					       "\0\0&\x01\x05\0\0\0\x05\x83\x86"
					       "D\x06/a.B/E_\x1a"
					       "application/grpc-web+proto"
					       "\0\0\"\x01\x05\0\0\0\x07\x83\x86"
					       "D\x06/a.B/F_\x16"
					       "application/grpc+proto"),
				SERVER("\0\0\0\x04\0\0\0\0\0"
				       "\0\0\"\x01\x05\0\0\0\x01\x88_\x10"
				       "application/grpc@\x0bgrpc-status\x01"
				       "5"
				       "\0\0\x06\x01\x05\0\0\0\x03\x88\xbf~\x02"
				       "13"
				       "\0\0,\x01\x05\0\0\0\x05\x88_\x1a"
				       "application/grpc-web+proto@\x0bgrpc-status\x01"
				       "0"
				       "\0\0\x11\x01\x05\0\0\0\x07\x88@\x0bgrpc-status\x02"
				       "99"),
			},
		.transcript =
			"> none skip=6\n"
			"> request id=1" METHOD "POST url.path=/a.B/C url.scheme=http" HTTP2
			" rpc.system.name=grpc\n"
			"> request id=3" METHOD "POST url.path=/a.B/D url.scheme=http" HTTP2
			" rpc.system.name=grpc\n"
			"> request id=5" METHOD "POST url.path=/a.B/E url.scheme=http" HTTP2 "\n"
			"> request id=7" METHOD "POST url.path=/a.B/F url.scheme=http" HTTP2
			" rpc.system.name=grpc\n"
			"< response id=1" STATUS
			"200 rpc.system.name=grpc rpc.status_code=NOT_FOUND\n"
			"< response id=3" STATUS
			"200 rpc.system.name=grpc rpc.status_code=INTERNAL\n"
			"< response id=5" STATUS "200\n"
			"< response id=7" STATUS "200\n",
		.spans =
			"a.B/C server rpc.system.name=grpc rpc.method=a.B/C" HOST PEER_C HTTP2
			" network.transport=tcp rpc.status_code=NOT_FOUND\n"
			"a.B/D server error rpc.system.name=grpc rpc.method=a.B/D" HOST PEER_C HTTP2
			" network.transport=tcp rpc.status_code=INTERNAL error.type=INTERNAL\n"
			"POST route=/a.B/E server" METHOD
			"POST url.path=/a.B/E url.scheme=http" HOST PEER_C TCP STATUS "200" EMPTY
			"\n"
			"a.B/F server rpc.system.name=grpc rpc.method=a.B/F" HOST PEER_C HTTP2
			" network.transport=tcp\n",
	},
	{
		.name = "join of grpc",
		.side = SIDE_CLIENT,
		.turns =
			{
				CLIENT("\0\0\x19\x01\x04\0\0\0e\x83\x86"
				       "D\x06/a.B/C\xc6\xc7@\x02te\x08trailers"
				       "\0\0\x05\0\x01\0\0\0e\0\0\0\0\0"
				       "\0\0\x06\x01\x04\0\0\0g\x83\x86\xbf\xc8\xc9\xbe"
				       "\0\0\x05\0\x01\0\0\0g\0\0\0\0\0"),
				SERVER("\0\0\x02\x01\x04\0\0\0e\x88\xc6"
				       "\0\0\x05\0\0\0\0\0e\0\0\0\0\0"
				       "\0\0\x02\x01\x05\0\0\0e\xc7\xc8"
				       "\0\0\x02\x01\x04\0\0\0g\x88\xc6"
				       "\0\0\x05\0\0\0\0\0g\0\0\0\0\0"
				       "\0\0\x0f\x01\x05\0\0\0g@\x0bgrpc-status\x01"
				       "4"),
			},
		.transcript = "> request more id=101" METHOD
			      "POST url.path=/a.B/C url.scheme=http" HTTP2 "\n"
			      "> end id=101 skip=5\n"
			      "> request more id=103" METHOD
			      "POST url.path=/a.B/C url.scheme=http" HTTP2 "\n"
			      "> end id=103 skip=5\n"
			      "< response more id=101" STATUS "200\n"
			      "< part id=101 skip=5\n"
			      "< end id=101\n"
			      "< response more id=103" STATUS "200\n"
			      "< part id=103 skip=5\n"
			      "< end id=103 rpc.status_code=DEADLINE_EXCEEDED\n",
		.spans =
			"POST client" METHOD
			"POST url.full=http://192.0.2.2:7777/a.B/C" HOST PEER_S TCP STATUS
			"200" EMPTY "\n"
			"a.B/C client error rpc.system.name=grpc rpc.method=a.B/C" HOST PEER_S HTTP2
			" network.transport=tcp rpc.status_code=DEADLINE_EXCEEDED error.type=DEADLINE_EXCEEDED\n",
	},
};

static void test_conversations(void **state)
{
	(void)state;
	rig_run(rig_protocol("http2"), cases, LEN(cases));
}

struct status_case {
	const char *status, *name;
	bool server_error;
};

static const struct status_case status_cases[] = {
	{"0", "OK", false},
	{"1", "CANCELLED", false},
	{"2", "UNKNOWN", true},
	{"3", "INVALID_ARGUMENT", false},
	{"4", "DEADLINE_EXCEEDED", true},
	{"5", "NOT_FOUND", false},
	{"6", "ALREADY_EXISTS", false},
	{"7", "PERMISSION_DENIED", false},
	{"8", "RESOURCE_EXHAUSTED", false},
	{"9", "FAILED_PRECONDITION", false},
	{"10", "ABORTED", false},
	{"11", "OUT_OF_RANGE", false},
	{"12", "UNIMPLEMENTED", true},
	{"13", "INTERNAL", true},
	{"14", "UNAVAILABLE", true},
	{"15", "DATA_LOSS", true},
	{"16", "UNAUTHENTICATED", false},
};

static void check_status(const struct status_case *c, enum side side)
{
	struct attr request_v[4], response_v[4], v[32];
	struct attrs request = {.v = request_v, .cap = LEN(request_v)};
	struct attrs response = {.v = response_v, .cap = LEN(response_v)};
	struct exchange_view x = {.side = side, .request = &request, .response = &response};
	struct description out = {.attrs = {.v = v, .cap = LEN(v)}};
	bool want = side == SIDE_CLIENT ? c->status[0] != '0' : c->server_error;
	const struct attr *error;

	grpc_add(&request, SLICE("application/grpc+proto"), SLICE(""));
	grpc_add(&response, SLICE(""), slice_str(c->status));
	assert_true(grpc_is(&x));
	grpc_describe(&x, &out);
	assert_true(
		slice_eq(attrs_get(&out.attrs, SLICE("rpc.status_code"))->str, slice_str(c->name)));
	assert_int_equal(out.error, want);
	error = attrs_get(&out.attrs, SLICE("error.type"));
	assert_int_equal(error != NULL, want);
	if (error)
		assert_true(slice_eq(error->str, slice_str(c->name)));
}

static void test_statuses(void **state)
{
	(void)state;
	for (size_t i = 0; i < LEN(status_cases); i++) {
		check_status(&status_cases[i], SIDE_CLIENT);
		check_status(&status_cases[i], SIDE_SERVER);
	}
}

static void test_content_types(void **state)
{
	static const char *const others[] = {"application/grpc-web", "application/grpcx",
					     "application/json", "text/html", "application/grp"};
	static const char *const ours[] = {"application/grpc", "application/grpc+proto",
					   "Application/GRPC;x=y"};
	struct attr v[4];

	(void)state;
	for (size_t i = 0; i < LEN(others) + LEN(ours); i++) {
		struct attrs attrs = {.v = v, .cap = LEN(v)};
		bool is_ours = i >= LEN(others);

		grpc_add(&attrs, slice_str(is_ours ? ours[i - LEN(others)] : others[i]),
			 SLICE("0"));
		assert_int_equal(attrs.cnt, is_ours ? 2 : 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_conversations),
		cmocka_unit_test(test_statuses),
		cmocka_unit_test(test_content_types),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: Apache-2.0
/* Attributes of gRPC calls, after the semantic conventions for RPC, 1.44. */
#include "user/protocols/grpc_semconv.h"

#include <stdio.h>

#include "user/protocols/ends.h"
#include "user/protocols/http_headers.h"

#define KEY_SYSTEM SLICE("rpc.system.name")
#define KEY_METHOD SLICE("rpc.method")
#define KEY_STATUS SLICE("rpc.status_code")
#define KEY_ADDRESS SLICE("server.address")
#define KEY_PORT SLICE("server.port")
#define KEY_HTTP_STATUS SLICE("http.response.status_code")
#define KEY_ERROR SLICE("error.type")

#define HTTP_OK 200

/* By number; and whether it is the server's fault. */
static const struct status {
	struct slice name;
	bool of_server;
} statuses[] = {
	{.name = SLICE("OK")},
	{.name = SLICE("CANCELLED")},
	{.name = SLICE("UNKNOWN"), .of_server = true},
	{.name = SLICE("INVALID_ARGUMENT")},
	{.name = SLICE("DEADLINE_EXCEEDED"), .of_server = true},
	{.name = SLICE("NOT_FOUND")},
	{.name = SLICE("ALREADY_EXISTS")},
	{.name = SLICE("PERMISSION_DENIED")},
	{.name = SLICE("RESOURCE_EXHAUSTED")},
	{.name = SLICE("FAILED_PRECONDITION")},
	{.name = SLICE("ABORTED")},
	{.name = SLICE("OUT_OF_RANGE")},
	{.name = SLICE("UNIMPLEMENTED"), .of_server = true},
	{.name = SLICE("INTERNAL"), .of_server = true},
	{.name = SLICE("UNAVAILABLE"), .of_server = true},
	{.name = SLICE("DATA_LOSS"), .of_server = true},
	{.name = SLICE("UNAUTHENTICATED")},
};

#define STATUSES_CNT (sizeof(statuses) / sizeof(*statuses))

/* application/grpc, perhaps with a format or parameters; grpc-web is another protocol. */
static bool is_grpc(struct slice content_type)
{
	struct slice fixed = SLICE("application/grpc");
	struct slice rest = slice_after(content_type, fixed.n);

	return slice_eq_nocase(slice_first(content_type, fixed.n), fixed) &&
	       (!rest.n || rest.p[0] == '+' || rest.p[0] == ';' || rest.p[0] == ' ');
}

void grpc_add(struct attrs *attrs, struct slice content_type, struct slice status)
{
	uint64_t code;

	if (is_grpc(content_type))
		attrs_add_str(attrs, KEY_SYSTEM, SLICE("grpc"));
	else if (content_type.n)
		return;
	if (slice_to_u64(status, &code) && code < STATUSES_CNT)
		attrs_add_str(attrs, KEY_STATUS, statuses[code].name);
}

/* A connection may be older than we are, and its content types unknown; a status tells as well. */
bool grpc_is(const struct exchange_view *x)
{
	return attrs_get(x->request, KEY_SYSTEM) || attrs_get(x->response, KEY_SYSTEM) ||
	       attrs_get(x->response, KEY_STATUS);
}

static void add_str(struct attrs *attrs, struct slice key, struct slice value)
{
	if (value.n)
		attrs_add_str(attrs, key, value);
}

static void add_int(struct attrs *attrs, struct slice key, int64_t value)
{
	if (value)
		attrs_add_int(attrs, key, value);
}

/* Is it package.Service/Method? */
static bool is_method(struct slice s)
{
	unsigned int slashes_cnt = 0;

	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i], lower = c | 0x20;

		if (c == '/')
			slashes_cnt++;
		else if (!(lower >= 'a' && lower <= 'z') && !(c >= '0' && c <= '9') && c != '.' &&
			 c != '_')
			return false;
	}
	return slashes_cnt == 1 && s.p[0] != '/' && s.p[s.n - 1] != '/';
}

static void add_method(const struct exchange_view *x, struct description *out)
{
	struct slice path = attrs_get_str(x->request, SLICE("url.path"));
	struct slice method = slice_after(path, 1);

	out->operation = SLICE("grpc");
	if (is_method(method)) {
		out->operation = method;
		attrs_add_str(&out->attrs, KEY_METHOD, method);
	} else if (path.n) {
		attrs_add_str(&out->attrs, KEY_METHOD, SLICE("_OTHER"));
		attrs_add_str(&out->attrs, SLICE("rpc.method_original"), path);
	}
}

static void add_ends(const struct exchange_view *x, struct description *out)
{
	struct attrs *attrs = &out->attrs;
	struct slice host = attrs_get_str(x->request, KEY_ADDRESS);
	int64_t port = attrs_get_int(x->request, KEY_PORT, 0);

	add_str(attrs, KEY_ADDRESS, host.n ? host : exchange_server(x));
	add_int(attrs, KEY_PORT, port ? port : x->server_port);
	if (x->side == SIDE_SERVER)
		ends_add_client(attrs, x);
	ends_add_peer(attrs, x);
	attrs_add_str(attrs, SLICE("network.protocol.name"), SLICE("http"));
	add_str(attrs, SLICE("network.protocol.version"),
		attrs_get_str(x->request, SLICE("network.protocol.version")));
	ends_add_transport(attrs, x);
}

static bool is_error(enum side side, struct slice status)
{
	for (size_t i = 1; i < STATUSES_CNT; i++)
		if (slice_eq(status, statuses[i].name))
			return side == SIDE_CLIENT || statuses[i].of_server;
	return false;
}

/*
 * Why the call is an error, or empty. Whoever answers without a status of gRPC is no server of it, but
 * a proxy, say: then HTTP's status tells.
 */
static struct slice error_type(const struct exchange_view *x, struct slice status,
			       struct description *out)
{
	int64_t http_status = attrs_get_int(x->response, KEY_HTTP_STATUS, 0);
	int n;

	if (x->failure.n)
		return x->failure;
	if (is_error(x->side, status))
		return status;
	if (status.n || http_status < 400)
		return SLICE("");
	n = snprintf(out->text, sizeof(out->text), "%d", (int)http_status);
	out->text_len = (size_t)n;
	return slice_of(out->text, out->text_len);
}

void grpc_describe(const struct exchange_view *x, struct description *out)
{
	struct slice status = attrs_get_str(x->response, KEY_STATUS), error;
	int64_t http_status = attrs_get_int(x->response, KEY_HTTP_STATUS, 0);

	error = error_type(x, status, out);
	out->error = error.n > 0;
	attrs_add_str(&out->attrs, KEY_SYSTEM, SLICE("grpc"));
	add_method(x, out);
	add_ends(x, out);
	add_str(&out->attrs, KEY_STATUS, status);
	if (http_status != HTTP_OK)
		add_int(&out->attrs, KEY_HTTP_STATUS, http_status);
	add_str(&out->attrs, KEY_ERROR, error);
	http_headers__describe(x->request, out);
	http_headers__describe(x->response, out);
}

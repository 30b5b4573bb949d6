// SPDX-License-Identifier: Apache-2.0
/* By the attributes of the semantic conventions only, so that spans of others can be read, too. */
#include "user/model/call.h"

#include <stdio.h>

#include "user/base/utf8.h"

static struct slice protocol_of(const struct span *span)
{
	static const struct slice keys[] = {SLICE("rpc.system.name"), SLICE("rpc.system"),
					    SLICE("db.system.name"), SLICE("db.system"),
					    SLICE("messaging.system")};
	struct slice name = SLICE("");

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]) && !name.n; i++)
		name = attrs_get_str(&span->attrs, keys[i]);
	if (name.n)
		return name;
	if (attrs_get(&span->attrs, SLICE("dns.question.name")))
		return SLICE("dns");
	name = attrs_get_str(&span->attrs, SLICE("network.protocol.name"));
	if (name.n)
		return name;
	if (attrs_get(&span->attrs, SLICE("http.request.method")))
		return SLICE("http");
	return SLICE("unknown");
}

static uint16_t server_of(const struct span *span, struct names *names)
{
	struct slice address = attrs_get_str(&span->attrs, SLICE("server.address"));
	int64_t port = attrs_get_int(&span->attrs, SLICE("server.port"), 0);
	char text[192];
	int n;

	if (!address.n && span->kind != SPAN_SERVER) {
		address = attrs_get_str(&span->attrs, SLICE("network.peer.address"));
		port = attrs_get_int(&span->attrs, SLICE("network.peer.port"), 0);
	}
	if (!address.n)
		return NAMES_NONE;
	address = utf8_first(address, 100);
	n = snprintf(text, sizeof(text), slice_find(address, ':') >= 0 ? "[%.*s]" : "%.*s",
		     (int)address.n, address.p);
	if (port > 0 && port <= UINT16_MAX)
		n += snprintf(text + n, sizeof(text) - (size_t)n, ":%d", (int)port);
	return names__number(names, slice_of(text, (size_t)n));
}

void call_fill(struct call *call, const struct span *span, struct names *names)
{
	struct slice method = attrs_get_str(&span->attrs, SLICE("sonde.parent.method"));
	struct slice name = utf8_first(span->name, CALL_NAME_SZ);
	int64_t message_sz = attrs_get_int(&span->attrs, SLICE("messaging.message.body.size"), -1);

	call->request_sz = attrs_get_int(&span->attrs, SLICE("http.request.body.size"), message_sz);
	call->response_sz = attrs_get_int(&span->attrs, SLICE("http.response.body.size"), -1);
	call->service = names__number(names, span->resource->service_name);
	call->protocol = names__number(names, protocol_of(span));
	call->server = server_of(span, names);
	call->serves =
		span->kind == SPAN_SERVER || attrs_get(&span->attrs, SLICE("client.address"));
	call->kind = (uint8_t)span->kind;
	call->error = span->status == SPAN_STATUS_ERROR;
	call->socket = slice_eq(method, SLICE("socket"));
	call->header = slice_eq(method, SLICE("header"));
	call->undecided = slice_eq(method, SLICE("ambiguous"));
	call->name_len = (uint8_t)name.n;
	if (name.n)
		memcpy(call->name, name.p, name.n);
}

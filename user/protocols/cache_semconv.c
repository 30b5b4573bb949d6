// SPDX-License-Identifier: Apache-2.0
/* Spans of Redis and memcached. */
#include "user/protocols/cache_semconv.h"

static void add_str(struct attrs *attrs, struct slice key, struct slice value)
{
	if (value.n)
		attrs_add_str(attrs, key, value);
}

static void add_all(struct attrs *attrs, const struct attrs *from)
{
	for (uint16_t i = 0; i < from->cnt; i++) {
		struct attr *attr = attrs_add(attrs, from->v[i].key, from->v[i].type);

		if (attr)
			*attr = from->v[i];
	}
}

static struct slice text_of(const struct attrs *attrs, struct slice key)
{
	const struct attr *attr = attrs_get(attrs, key);

	return attr && attr->type == ATTR_STRING ? attr->str : SLICE("");
}

static void add_ends(struct attrs *attrs, const struct exchange_view *x, uint16_t usual_port)
{
	bool client = x->side == SIDE_CLIENT;
	struct slice peer = client ? x->server_address : x->client_address;
	uint16_t peer_port = client ? x->server_port : x->client_port;

	add_str(attrs, SLICE("server.address"), x->server_address);
	if (x->server_port && x->server_port != usual_port)
		attrs_add_int(attrs, SLICE("server.port"), x->server_port);
	if (!client) {
		add_str(attrs, SLICE("client.address"), x->client_address);
		if (x->client_port)
			attrs_add_int(attrs, SLICE("client.port"), x->client_port);
	}
	add_str(attrs, SLICE("network.peer.address"), peer);
	if (peer.n && peer_port)
		attrs_add_int(attrs, SLICE("network.peer.port"), peer_port);
	attrs_add_str(attrs, SLICE("network.transport"),
		      x->unix_socket ? SLICE("unix") : SLICE("tcp"));
}

static void put(struct description *out, struct slice s)
{
	s = slice_first(s, sizeof(out->text) - out->text_len);
	if (s.n)
		memcpy(out->text + out->text_len, s.p, s.n);
	out->text_len += s.n;
}

/* The failure of the exchange, else the error that the server told. */
static void add_error(const struct exchange_view *x, struct description *out)
{
	struct slice error = x->failure;

	if (!error.n)
		error = text_of(x->response, CACHE_STATUS);
	out->error = error.n || attrs_get(&out->attrs, CACHE_ERROR);
	if (!attrs_get(&out->attrs, CACHE_ERROR))
		add_str(&out->attrs, CACHE_ERROR, error);
}

static void begin(struct description *out)
{
	out->kind = KIND_OF_SIDE;
	out->route_path = SLICE("");
	out->text_len = out->items_cnt = 0;
}

void cache_describe(const struct exchange_view *x, struct slice system, uint16_t usual_port,
		    struct description *out)
{
	struct slice operation = text_of(x->request, CACHE_OPERATION);
	struct slice procedure = text_of(x->request, CACHE_PROCEDURE);

	begin(out);
	out->operation = operation.n ? operation : system;
	if (procedure.n) {
		size_t start = out->text_len;

		put(out, operation);
		put(out, SLICE(" "));
		put(out, procedure);
		out->operation = slice_of(out->text + start, out->text_len - start);
	}
	attrs_add_str(&out->attrs, SLICE("db.system.name"), system);
	add_all(&out->attrs, x->request);
	add_all(&out->attrs, x->response);
	add_error(x, out);
	add_ends(&out->attrs, x, usual_port);
}

void cache_describe_delivery(const struct exchange_view *x, struct slice system,
			     uint16_t usual_port, struct description *out)
{
	bool sends = x->side == SIDE_SERVER;

	begin(out);
	out->operation = text_of(x->request, SLICE("messaging.operation.name"));
	out->kind = sends ? KIND_PRODUCER : KIND_CONSUMER;
	attrs_add_str(&out->attrs, SLICE("messaging.system"), system);
	add_all(&out->attrs, x->request);
	attrs_add_str(&out->attrs, SLICE("messaging.operation.type"),
		      sends ? SLICE("send") : SLICE("process"));
	add_error(x, out);
	add_ends(&out->attrs, x, usual_port);
}

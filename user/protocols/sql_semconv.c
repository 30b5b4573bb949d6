// SPDX-License-Identifier: Apache-2.0
/* Spans of SQL databases. */
#include "user/protocols/sql_semconv.h"

static void add_str(struct attrs *attrs, struct slice key, struct slice value)
{
	if (value.n)
		attrs_add_str(attrs, key, value);
}

static void add_port(struct attrs *attrs, struct slice key, uint16_t port)
{
	if (port)
		attrs_add_int(attrs, key, port);
}

static struct slice str_of(const struct attrs *attrs, struct slice key)
{
	const struct attr *attr = attrs_get(attrs, key);

	return attr && attr->type == ATTR_STRING ? attr->str : SLICE("");
}

static struct slice either(const struct exchange_view *x, struct slice key)
{
	struct slice value = str_of(x->response, key);

	return value.n ? value : str_of(x->request, key);
}

static void add_ends(const struct exchange_view *x, uint16_t usual_port, struct attrs *attrs)
{
	bool client = x->side == SIDE_CLIENT;

	add_str(attrs, SLICE("server.address"), x->server_address);
	add_port(attrs, SLICE("server.port"), x->server_port == usual_port ? 0 : x->server_port);
	if (!client) {
		add_str(attrs, SLICE("client.address"), x->client_address);
		add_port(attrs, SLICE("client.port"), x->client_port);
	}
	add_str(attrs, SLICE("network.peer.address"),
		client ? x->server_address : x->client_address);
	add_port(attrs, SLICE("network.peer.port"), client ? x->server_port : x->client_port);
	attrs_add_str(attrs, SLICE("network.transport"),
		      x->unix_socket ? SLICE("unix") : SLICE("tcp"));
}

/* The summary, else `{operation} {table or database}` or one of both, else the system. */
static struct slice name_of(const struct exchange_view *x, struct slice system,
			    struct description *out)
{
	struct slice summary = str_of(x->request, SLICE("db.query.summary"));
	struct slice operation = either(x, SLICE("db.operation.name"));
	struct slice target = str_of(x->request, SLICE("db.collection.name"));
	char *to = out->text + out->text_len, *p = to;

	if (!target.n)
		target = str_of(x->request, SLICE("db.namespace"));
	if (summary.n)
		return summary;
	if (!operation.n)
		return target.n ? target : system;
	if (!target.n || operation.n + 1 + target.n > DESCRIPTION_TEXT_MAX - out->text_len)
		return operation;
	p = mempcpy(p, operation.p, operation.n);
	*p++ = ' ';
	p = mempcpy(p, target.p, target.n);
	out->text_len += (size_t)(p - to);
	return slice_of(to, (size_t)(p - to));
}

void sql_describe(const struct exchange_view *x, struct slice system, uint16_t usual_port,
		  struct description *out)
{
	static const struct slice texts[] = {
		SLICE("db.namespace"),	    SLICE("db.collection.name"),
		SLICE("db.query.text"),	    SLICE("db.query.summary"),
		SLICE("db.operation.name"), SLICE("db.response.status_code"),
	};
	const struct attr *rows = attrs_get(x->response, SLICE("db.response.returned_rows"));
	struct slice error = either(x, SLICE("db.response.status_code"));

	if (!error.n)
		error = x->failure;
	out->text_len = out->items_cnt = 0;
	out->route_path = SLICE("");
	out->operation = name_of(x, system, out);
	out->error = error.n > 0;
	attrs_add_str(&out->attrs, SLICE("db.system.name"), system);
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		add_str(&out->attrs, texts[i], either(x, texts[i]));
	if (rows)
		attrs_add_int(&out->attrs, rows->key, rows->num);
	add_str(&out->attrs, SLICE("error.type"), error);
	add_ends(x, usual_port, &out->attrs);
}

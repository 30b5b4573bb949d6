// SPDX-License-Identifier: Apache-2.0
/* What spans of all databases say. */
#include "user/protocols/db_semconv.h"

void db_add(struct attrs *attrs, struct slice key, struct slice value)
{
	if (value.n)
		attrs_add_str(attrs, key, value);
}

static void add_port(struct attrs *attrs, struct slice key, uint16_t port)
{
	if (port)
		attrs_add_int(attrs, key, port);
}

void db_add_ends(struct attrs *attrs, const struct exchange_view *x, uint16_t usual_port)
{
	bool client = x->side == SIDE_CLIENT;

	db_add(attrs, SLICE("server.address"), exchange_server(x));
	add_port(attrs, SLICE("server.port"), x->server_port == usual_port ? 0 : x->server_port);
	if (!client) {
		db_add(attrs, SLICE("client.address"), x->client_address);
		add_port(attrs, SLICE("client.port"), x->client_port);
	}
	db_add(attrs, SLICE("network.peer.address"),
	       client ? x->server_address : x->client_address);
	add_port(attrs, SLICE("network.peer.port"), client ? x->server_port : x->client_port);
	attrs_add_str(attrs, SLICE("network.transport"),
		      x->unix_socket ? SLICE("unix") : SLICE("tcp"));
}

struct slice db_name(struct description *out, struct slice operation, struct slice target)
{
	char *to = out->text + out->text_len, *p = to;

	if (!target.n || operation.n + 1 + target.n > sizeof(out->text) - out->text_len)
		return operation;
	p = mempcpy(p, operation.p, operation.n);
	*p++ = ' ';
	p = mempcpy(p, target.p, target.n);
	out->text_len += (size_t)(p - to);
	return slice_of(to, (size_t)(p - to));
}

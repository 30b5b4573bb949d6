// SPDX-License-Identifier: Apache-2.0
/* What spans of all databases say. */
#include "user/protocols/db_semconv.h"

#include "user/protocols/ends.h"

void db_add(struct attrs *attrs, struct slice key, struct slice value)
{
	if (value.n)
		attrs_add_str(attrs, key, value);
}

void db_add_ends(struct attrs *attrs, const struct exchange_view *x, uint16_t usual_port)
{
	db_add(attrs, SLICE("server.address"), exchange_server(x));
	if (x->server_port && x->server_port != usual_port)
		attrs_add_int(attrs, SLICE("server.port"), x->server_port);
	if (x->side == SIDE_SERVER)
		ends_add_client(attrs, x);
	ends_add_peer(attrs, x);
	ends_add_transport(attrs, x);
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

// SPDX-License-Identifier: Apache-2.0
/* Spans of Redis and memcached. */
#include "user/protocols/cache_semconv.h"

#include "user/protocols/db_semconv.h"

static void add_all(struct attrs *attrs, const struct attrs *from)
{
	for (uint16_t i = 0; i < from->cnt; i++)
		attrs_add_copy(attrs, &from->v[i]);
}

/* The failure of the exchange, else the error that the server told. */
static void add_error(const struct exchange_view *x, struct description *out)
{
	struct slice error = x->failure;

	if (!error.n)
		error = attrs_get_str(x->response, CACHE_STATUS);
	out->error = error.n || attrs_get(&out->attrs, CACHE_ERROR);
	if (!attrs_get(&out->attrs, CACHE_ERROR))
		db_add(&out->attrs, CACHE_ERROR, error);
}

void cache_describe(const struct exchange_view *x, struct slice system, uint16_t usual_port,
		    struct description *out)
{
	struct slice operation = attrs_get_str(x->request, CACHE_OPERATION);
	struct slice procedure = attrs_get_str(x->request, CACHE_PROCEDURE);

	out->operation = operation.n ? db_name(out, operation, procedure) : system;
	attrs_add_str(&out->attrs, SLICE("db.system.name"), system);
	add_all(&out->attrs, x->request);
	add_all(&out->attrs, x->response);
	add_error(x, out);
	db_add_ends(&out->attrs, x, usual_port);
}

void cache_describe_delivery(const struct exchange_view *x, struct slice system,
			     uint16_t usual_port, struct description *out)
{
	bool sends = x->side == SIDE_SERVER;

	out->operation = attrs_get_str(x->request, SLICE("messaging.operation.name"));
	out->kind = sends ? KIND_PRODUCER : KIND_CONSUMER;
	attrs_add_str(&out->attrs, SLICE("messaging.system"), system);
	add_all(&out->attrs, x->request);
	attrs_add_str(&out->attrs, SLICE("messaging.operation.type"),
		      sends ? SLICE("send") : SLICE("process"));
	add_error(x, out);
	db_add_ends(&out->attrs, x, usual_port);
}

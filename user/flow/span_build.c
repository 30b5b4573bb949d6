// SPDX-License-Identifier: Apache-2.0
/* An exchange becomes a span: semantics from its protocol, identity from its process, one batch. */
#include "user/flow/internal.h"

#define SPAN_ATTRS_MAX 56
#define OWN_ATTRS (9 + TIMES_CNT) /* http.route, sonde.parent.*, those of TLS, sonde.time.* */

static struct slice method_name(enum parent_method method)
{
	switch (method) {
	case PARENT_HEADER:
		return SLICE("header");
	case PARENT_SOCKET:
		return SLICE("socket");
	case PARENT_TASK:
		return SLICE("task");
	case PARENT_FORWARD:
		return SLICE("forward");
	case PARENT_GOROUTINE:
		return SLICE("goroutine");
	case PARENT_AMBIGUOUS:
		return SLICE("ambiguous");
	case PARENT_OPTION:
		return SLICE("tcp-option");
	case PARENT_NONE:
		break;
	}
	return SLICE("none");
}

static enum span_kind kind_of(const struct exchange *x, enum described_kind kind)
{
	switch (kind) {
	case KIND_CLIENT:
		return SPAN_CLIENT;
	case KIND_SERVER:
		return SPAN_SERVER;
	case KIND_PRODUCER:
		return SPAN_PRODUCER;
	case KIND_CONSUMER:
		return SPAN_CONSUMER;
	case KIND_OF_SIDE:
		break;
	}
	return conn_began(x) ? SPAN_CLIENT : SPAN_SERVER;
}

static struct exchange_view view_of(const struct exchange *x, char text[ADDRESS_TEXT_SZ])
{
	const struct conn *conn = x->conn;
	struct slice local = slice_str(conn->local_text), remote = slice_str(conn->remote_text);
	bool client = conn->role == ROLE_CLIENT;
	uint16_t remote_port = conn->about.remote_port;

	if (conn->datagrams) {
		client = conn_began(x);
		remote_port = x->remote_port;
		datagram_ends(x, text, &local, &remote);
	}
	return (struct exchange_view){
		.side = client ? SIDE_CLIENT : SIDE_SERVER,
		.initiator = conn->datagrams ? FROM_CLIENT : x->initiator,
		.oneway = x->oneway,
		.request = &x->request,
		.response = &x->response,
		.server_address = client ? remote : local,
		.server_port = client ? remote_port : conn->about.local_port,
		.client_address = client ? local : remote,
		.client_port = client ? conn->about.local_port : remote_port,
		.server_name = conn->secured ? slice_of(conn->secured->server_name,
							conn->secured->server_name_len)
					     : SLICE(""),
		.unix_socket = conn_is_unix(conn),
		.datagram = conn->datagrams,
		.tls = conn_is_plaintext(conn),
		.request_body_sz = x->request_body_sz,
		.response_body_sz = x->response_body_sz,
		.request_unmeasured = x->uncertain || x->request_unmeasured,
		.response_unmeasured = x->uncertain || x->response_unmeasured,
		.failure = x->failure,
	};
}

/* "{operation} {route}", or the operation alone; written into the batch. */
static struct slice name_span(struct flow *flow, const struct description *about, struct span *span,
			      bool *failed)
{
	struct arena *arena = &flow->batch->arena;
	char route_text[512];
	struct slice route;
	char *name;

	if (!about->route_path.n)
		return arena__copy(arena, about->operation, failed);
	route = routes__find(flow->routes, span->resource->service_key, about->route_path,
			     route_text, sizeof(route_text));
	name = arena__alloc(arena, about->operation.n + 1 + route.n);
	if (!name) {
		*failed = true;
		return SLICE("");
	}
	memcpy(name, about->operation.p, about->operation.n);
	name[about->operation.n] = ' ';
	memcpy(name + about->operation.n + 1, route.p, route.n);
	route = slice_of(name + about->operation.n + 1, route.n);
	attrs_add_str(&span->attrs, SLICE("http.route"), route);
	return slice_of(name, about->operation.n + 1 + route.n);
}

static void copy_items(struct attr *to, const struct attr *from, struct arena *arena, bool *failed)
{
	struct slice *items = arena__alloc(arena, from->items_cnt * sizeof(*items));

	to->items = items;
	to->items_cnt = items ? from->items_cnt : 0;
	*failed |= !items;
	for (uint32_t i = 0; i < to->items_cnt; i++)
		items[i] = arena__copy(arena, from->items[i], failed);
}

/* Of all texts. */
static size_t texts_sz(const struct attrs *attrs)
{
	size_t sz = 0;

	for (uint16_t i = 0; i < attrs->cnt; i++)
		sz += attrs->v[i].type == ATTR_STRING ? attrs->v[i].str.n : 0;
	return sz;
}

/* The texts are copied to one piece of memory, if it can be had. */
static void copy_attrs(struct span *span, const struct attrs *from, struct arena *arena,
		       bool *failed)
{
	char *room = arena__alloc(arena, texts_sz(from));

	for (uint16_t i = 0; i < from->cnt; i++) {
		struct attr *to = attrs_add(&span->attrs, from->v[i].key, from->v[i].type);

		if (!to)
			continue;
		to->plain = from->v[i].plain;
		if (to->type == ATTR_STRING && room) {
			to->str = slice_of(room, from->v[i].str.n);
			if (to->str.n)
				memcpy(room, from->v[i].str.p, to->str.n);
			room += to->str.n;
		} else if (to->type == ATTR_STRING) {
			to->str = arena__copy(arena, from->v[i].str, failed);
		} else if (to->type == ATTR_STRINGS)
			copy_items(to, &from->v[i], arena, failed);
		else
			to->num = from->v[i].num;
	}
}

/* What the other end has read has left this one. */
static uint64_t end_of(const struct exchange *x)
{
	uint64_t end_ns = x->end_ns;

	if (x->end_bound_ns && end_ns > x->end_bound_ns)
		end_ns = x->end_bound_ns;
	return end_ns < x->start_ns ? x->start_ns : end_ns;
}

static void set_identity(struct flow *flow, struct exchange *x, struct span *span, bool *failed)
{
	span->trace_id = x->trace_id;
	span->span_id = x->span_id;
	span->parent_id = x->parent_id;
	span->flags = x->trace_flags | SPAN_FLAG_HAS_IS_REMOTE;
	if (x->parent_method == PARENT_HEADER || x->parent_method == PARENT_OPTION ||
	    (x->parent_method == PARENT_SOCKET && !conn_began(x)))
		span->flags |= SPAN_FLAG_IS_REMOTE;
	span->trace_state = arena__copy(&flow->batch->arena, x->trace_state, failed);
	span->start_ns = x->start_ns + flow->unix_offset_ns;
	span->end_ns = end_of(x) + flow->unix_offset_ns;
}

static struct span *new_span(struct flow *flow, uint16_t attrs_cnt, struct resource *resource)
{
	struct span *span = flow->batch ? span_batch__add(flow->batch, attrs_cnt, resource) : NULL;

	if (span)
		return span;
	if (flow->batch)
		flow->batch = flow->options.emit(flow->options.ctx, flow->batch);
	if (!flow->batch) /* there was no memory, but there may be now */
		flow->batch = span_batch__new();
	return flow->batch ? span_batch__add(flow->batch, attrs_cnt, resource) : NULL;
}

/*
 * Which protocol was agreed on is told by the server; where that is encrypted, it is certain if HTTP/2 was
 * offered and is spoken. (Who speaks HTTP/1.1 may have agreed on nothing.)
 */
static void add_tls(const struct exchange *x, struct span *span, struct arena *arena, bool *failed)
{
	static const char *const versions[] = {"1.0", "1.1", "1.2", "1.3"};
	const struct secured *secured = x->conn->secured;
	struct slice protocol;

	if (!conn_is_plaintext(x->conn))
		return;
	attrs_add_bool(&span->attrs, SLICE("tls.established"), true);
	if (!secured)
		return;
	if (secured->version)
		attrs_add_str(&span->attrs, SLICE("tls.protocol.version"),
			      slice_str(versions[secured->version - TLS_VERSION_1_0]));
	protocol = slice_of(secured->protocol, secured->protocol_len);
	if (!protocol.n && secured->offers_h2 &&
	    slice_eq(slice_str(x->protocol->name), SLICE("http2")))
		protocol = SLICE("h2");
	if (protocol.n)
		attrs_add_str(&span->attrs, SLICE("tls.next_protocol"),
			      arena__copy(arena, protocol, failed));
}

/* How its parent was found, and, where it is not W3C's, the header that the trace is from. */
static void add_parent(const struct exchange *x, struct span *span)
{
	bool of_header = x->parent_method == PARENT_HEADER || x->parent_method == PARENT_NONE ||
			 x->parent_method == PARENT_AMBIGUOUS;

	attrs_add_plain(&span->attrs, SLICE("sonde.parent.method"), method_name(x->parent_method));
	if (x->trace_format > TRACE_W3C && of_header)
		attrs_add_str(&span->attrs, SLICE("sonde.parent.header"),
			      trace_format_name((enum trace_format)x->trace_format));
	if (x->parent_method == PARENT_AMBIGUOUS)
		attrs_add_int(&span->attrs, SLICE("sonde.parent.candidates"), x->candidates_cnt);
}

static void tell_served(struct flow *flow, const struct exchange *x)
{
	bool one_thread = x->tid == x->answer_tid;

	flow->options.served(flow->options.ctx, &(struct served){
							.cookie = x->conn->about.cookie,
							.off = x->timed ? x->times.off : x->off,
							.start_ns = x->start_ns,
							.end_ns = end_of(x),
							.trace_id = x->trace_id,
							.span_id = x->span_id,
							.tid = one_thread ? x->tid : 0,
							.lone = !x->conn->pipelined,
						});
}

void span_build(struct flow *flow, struct exchange *x)
{
	struct resource *resource = flow->options.resource(flow->options.ctx, x->process_id);
	char text[ADDRESS_TEXT_SZ];
	struct exchange_view view = view_of(x, text);
	struct attr storage[SPAN_ATTRS_MAX];
	struct description about;
	bool failed = x->text_cut;
	struct span *span;

	about.kind = KIND_OF_SIDE;
	about.operation = about.route_path = SLICE("");
	about.error = false;
	about.attrs = (struct attrs){.v = storage, .cap = SPAN_ATTRS_MAX};
	about.text_len = about.items_cnt = 0;
	x->protocol->describe(&view, &about);
	if (x->brings_spans)
		sdk_note(flow, x, about.error || x->failure.n);
	exchange__settle_parent(x);
	span = new_span(flow, about.attrs.cnt + OWN_ATTRS, resource);
	if (!span) {
		account_add(ACCOUNT_LOST_MEMORY, 1);
		return;
	}
	span->kind = kind_of(x, about.kind);
	span->status = about.error ? SPAN_STATUS_ERROR : SPAN_STATUS_UNSET;
	span->scope = slice_str(x->protocol->name);
	span->left_out = x->left_out;
	set_identity(flow, x, span, &failed);
	span->name = name_span(flow, &about, span, &failed);
	copy_attrs(span, &about.attrs, &flow->batch->arena, &failed);
	add_tls(x, span, &flow->batch->arena, &failed);
	failed |= !span__set_links(span, &flow->batch->arena, x->links, x->links_cnt);
	span->attrs.dropped_cnt += about.attrs.dropped_cnt;
	add_parent(x, span);
	times_add(x, end_of(x), span);
	for (struct exchange *of = x; of && !of->told; of = of->parent)
		of->told = true;
	account_add(ACCOUNT_SPANS, 1);
	if (x->sampled && span->kind == SPAN_SERVER && !span->left_out && flow->options.served)
		tell_served(flow, x);
	if (failed)
		account_add(ACCOUNT_TEXT_CUT, 1);
}

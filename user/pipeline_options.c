// SPDX-License-Identifier: Apache-2.0
/* Settings to the stages' options. */
#include "user/pipeline_options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "user/base/log.h"
#include "user/export/otel_env.h"

#define DEFAULT_ENDPOINT "http://127.0.0.1:4318"

struct targets targets_of(const struct config *c, const uint64_t *only_pid)
{
	const uint64_t *only = *only_pid ? only_pid : NULL;

	return (struct targets){
		.pids = only ?: c->targets.pids.v,
		.pids_cnt = only ? 1 : c->targets.pids.cnt,
		.names = (const char *const *)c->targets.names.v,
		.names_cnt = c->targets.names.cnt,
		.exes = (const char *const *)c->targets.executables.v,
		.exes_cnt = c->targets.executables.cnt,
		.ports = c->targets.ports.v,
		.ports_cnt = c->targets.ports.cnt,
		.cgroups = (const char *const *)c->targets.cgroups.v,
		.cgroups_cnt = c->targets.cgroups.cnt,
		.containers = (const char *const *)c->targets.containers.v,
		.containers_cnt = c->targets.containers.cnt,
		.descendants = c->targets.descendants || only,
	};
}

struct targets denied_ids_of(const struct config *c)
{
	return (struct targets){
		.names = (const char *const *)c->propagation.deny_names.v,
		.names_cnt = c->propagation.deny_names.cnt,
		.exes = (const char *const *)c->propagation.deny.v,
		.exes_cnt = c->propagation.deny.cnt,
		.cgroups = (const char *const *)c->propagation.deny_cgroups.v,
		.cgroups_cnt = c->propagation.deny_cgroups.cnt,
	};
}

struct flow_options flow_options_of(const struct config *c)
{
	static const enum flow_leave_out leave_outs[] = {
		[CONFIG_LEAVE_OUT_NONE] = FLOW_LEAVE_OUT_NONE,
		[CONFIG_LEAVE_OUT_REQUESTS] = FLOW_LEAVE_OUT_REQUESTS,
		[CONFIG_LEAVE_OUT_ALL] = FLOW_LEAVE_OUT_ALL,
	};

	return (struct flow_options){
		.max_connections = (uint32_t)c->capture.max_connections,
		.max_exchanges = (uint32_t)c->flow.max_exchanges,
		.exchange_timeout_ns = c->flow.exchange_timeout_ns,
		.idle_timeout_ns = c->flow.idle_timeout_ns,
		.routes = (const char *const *)c->http.routes.v,
		.routes_cnt = c->http.routes.cnt,
		.max_routes = (uint32_t)c->http.max_routes,
		.request_headers = (const char *const *)c->http.capture_request_headers.v,
		.request_headers_cnt = c->http.capture_request_headers.cnt,
		.response_headers = (const char *const *)c->http.capture_response_headers.v,
		.response_headers_cnt = c->http.capture_response_headers.cnt,
		.leave_out = leave_outs[c->sdk.leave_out],
	};
}

int resource_attrs_of(const struct config *c, struct arena *arena, struct attrs *out)
{
	const struct text_map *map = &c->resource.attributes;
	const struct slice node_key = SLICE("k8s.node.name");

	*out = (struct attrs){.cap = (uint16_t)(map->cnt + 1)}; /* at most CONFIG_ITEMS_MAX + 1 */
	out->v = arena__alloc(arena, out->cap * sizeof(*out->v));
	if (!out->v)
		return -ENOMEM;
	for (size_t i = 0; i < map->cnt; i++)
		attrs_add_str(out, slice_str(map->v[i].key), slice_str(map->v[i].value));
	if (c->resource.node_name && !attrs_get(out, node_key))
		attrs_add_str(out, node_key, slice_str(c->resource.node_name));
	return 0;
}

/* --- export ----------------------------------------------------------------------------------- */

static bool is_set(const struct config *c, const char *path)
{
	return c->source[setting_find(path) - settings] != SOURCE_DEFAULT;
}

/* NULL when the arena is full. */
static char *join(struct arena *arena, struct slice a, const char *between, const char *b)
{
	size_t sz = a.n + strlen(between) + strlen(b) + 1;
	char *out = arena__alloc(arena, sz);

	if (out)
		snprintf(out, sz, "%.*s%s%s", (int)a.n, a.p, between, b);
	return out;
}

/* The URL of the signal below a base URL, or below one that names the traces signal. */
static const char *signal_url(struct arena *arena, struct slice base, enum signal signal)
{
	struct slice traces = slice_str(signal_rows[SIGNAL_TRACES].path);
	size_t at = base.n > traces.n ? base.n - traces.n : 0;

	if (at && base.p[at - 1] == '/' && slice_eq(slice_after(base, at), traces))
		base.n = at;
	while (base.n && base.p[base.n - 1] == '/')
		base.n--;
	return join(arena, base, "/", signal_rows[signal].path);
}

/* Does the configuration name the header of that line too? Then its value counts. */
static bool overrides(const struct text_map *map, const char *line)
{
	struct slice name = slice_of(line, strcspn(line, ":"));

	for (size_t i = 0; i < map->cnt; i++)
		if (slice_eq_nocase(name, slice_str(map->v[i].key)))
			return true;
	return false;
}

/* The URL configured, else the environment's or the usual one, where something must be sent. */
static int set_url(const struct config *c, bool by_default, struct arena *arena, enum signal signal,
		   struct otlp_endpoint *to)
{
	const char *base = c->export.endpoint;

	if (!by_default)
		to->url = NULL;
	if (by_default && !to->url && !c->export.file && !c->export.discard)
		base = base ?: DEFAULT_ENDPOINT;
	if (base)
		to->url = signal_url(arena, slice_str(base), signal);
	return base && !to->url ? -ENOMEM : 0;
}

static int add_headers(const struct text_map *map, struct arena *arena, struct otlp_endpoint *to)
{
	const char **headers = arena__alloc(arena, (to->headers_cnt + map->cnt) * sizeof(*headers));
	size_t cnt = 0;

	if (!headers)
		return -ENOMEM;
	for (size_t i = 0; i < to->headers_cnt; i++)
		if (!overrides(map, to->headers[i]))
			headers[cnt++] = to->headers[i];
	for (size_t i = 0; i < map->cnt; i++) {
		headers[cnt] = join(arena, slice_str(map->v[i].key), ": ", map->v[i].value);
		if (!headers[cnt++])
			return -ENOMEM;
	}
	to->headers = headers;
	to->headers_cnt = cnt;
	return 0;
}

static int set_endpoint(const struct config *c, bool by_default, struct arena *arena,
			enum signal signal, struct otlp_endpoint *to)
{
	int err = set_url(c, by_default, arena, signal, to);

	if (is_set(c, "export.timeout"))
		to->timeout_ms = (unsigned int)(c->export.timeout_ns / 1000000);
	if (is_set(c, "export.compression"))
		to->gzip_level = c->export.compression == CONFIG_COMPRESSION_GZIP;
	if (c->export.certificate)
		to->ca_file = c->export.certificate;
	if (c->export.client_certificate)
		to->client_cert = c->export.client_certificate;
	if (c->export.client_key)
		to->client_key = c->export.client_key;
	return err ?: add_headers(&c->export.headers, arena, to);
}

int exporter_options_of(const struct config *c, bool by_default, struct arena *arena,
			struct exporter_options *out)
{
	int err;

	exporter_options__init(out);
	err = otel_env_read(out, arena, getenv);
	if (out->disabled && (c->export.endpoint || by_default))
		log_warn("OTEL_SDK_DISABLED is set: nothing is sent to an endpoint");
	for (int i = 0; i < SIGNAL_CNT; i++) {
		err = err ?: set_endpoint(c, by_default, arena, (enum signal)i, &out->endpoints[i]);
		if (out->disabled)
			out->endpoints[i].url = NULL;
	}
	if (is_set(c, "export.queue_size"))
		out->queue_max_spans = (uint32_t)c->export.queue_cnt;
	if (is_set(c, "export.batch_size"))
		out->batch_max_spans = (uint32_t)c->export.batch_cnt;
	if (is_set(c, "export.batch_delay"))
		out->schedule_delay_ms = (unsigned int)(c->export.batch_delay_ns / 1000000);
	if (is_set(c, "metrics.interval"))
		out->metric_interval_ms = (unsigned int)(c->metrics.interval_ns / 1000000);
	out->json_path = c->export.file;
	out->discard = c->export.discard;
	return err;
}

bool exporter_options_any(const struct exporter_options *o)
{
	bool any = o->json_path || o->discard;

	for (int i = 0; i < SIGNAL_CNT; i++)
		any |= o->endpoints[i].url != NULL;
	return any;
}

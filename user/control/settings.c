// SPDX-License-Identifier: Apache-2.0
/* The table of settings. Everything else about a setting follows from its row. */
#include <stdio.h>

#include "user/base/field.h"
#include "user/base/pattern.h"
#include "user/base/route_pattern.h"
#include "user/control/config.h"
#include "user/control/listen.h"

#define KIB 1024ull
#define MIB (1024 * KIB)
#define MS 1000000ull
#define S (1000 * MS)
#define M (60 * S)

#define ON(command) (1u << COMMAND_##command)
/* `config print` takes every flag, to show what it would do. */
#define TRACE (ON(TRACE) | ON(MAP) | ON(EXPLAIN) | ON(CONFIG_PRINT))
#define TARGET (TRACE | ON(PROFILE))
#define OUTPUT (TARGET | ON(REPLAY))
#define ANY (OUTPUT | ON(AGENT) | ON(DOCTOR))

#define AT(field, ctype) FIELD_AT(struct config, field, ctype)
#define BOOL(field) .type = SETTING_BOOL, .offset = AT(field, bool)
#define INT(field) .type = SETTING_INT, .offset = AT(field, uint64_t)
#define SIZE(field) .type = SETTING_SIZE, .offset = AT(field, uint64_t)
#define DURATION(field) .type = SETTING_DURATION, .offset = AT(field, uint64_t)
#define SHARE(field) .type = SETTING_SHARE, .offset = AT(field, uint64_t), .max = 1000000
#define CHOICE(field) .type = SETTING_CHOICE, .offset = AT(field, unsigned int)
#define TEXT(field) .type = SETTING_TEXT, .offset = AT(field, char *)
#define TEXTS(field) .type = SETTING_TEXTS, .offset = AT(field, struct text_list)
#define INTS(field) .type = SETTING_INTS, .offset = AT(field, struct num_list)
#define ITEMS(field, item, its_fields)                                                        \
	.type = SETTING_ITEMS, .offset = AT(field, struct item_list), .fields = (its_fields), \
	.fields_cnt = sizeof(its_fields) / sizeof((its_fields)[0]), .item_sz = sizeof(item)
#define MAP(field) .type = SETTING_MAP, .offset = AT(field, struct text_map)

static const char *const variants[] = {
	[CONFIG_VARIANT_AUTO] = "auto",
	[CONFIG_VARIANT_TP_BTF] = "tp_btf",
	[CONFIG_VARIANT_FEXIT] = "fexit",
	[CONFIG_VARIANT_KPROBE] = "kprobe",
	NULL,
};
static const char *const query_modes[] = {
	[CONFIG_QUERY_REDACT] = "redact",
	[CONFIG_QUERY_KEEP] = "keep",
	[CONFIG_QUERY_DROP] = "drop",
	NULL,
};
static const char *const actions[] = {
	[CONFIG_ACTION_DELETE] = "delete",
	[CONFIG_ACTION_MASK] = "mask",
	[CONFIG_ACTION_HASH] = "hash",
	NULL,
};
static const char *const propagations[] = {
	[CONFIG_PROPAGATION_OFF] = "off",
	[CONFIG_PROPAGATION_TCP_OPTION] = "tcp-option",
	[CONFIG_PROPAGATION_HEADER] = "header",
	NULL,
};
static const char *const compressions[] = {
	[CONFIG_COMPRESSION_GZIP] = "gzip",
	[CONFIG_COMPRESSION_NONE] = "none",
	NULL,
};
static const char *const leave_outs[] = {
	[CONFIG_LEAVE_OUT_NONE] = "none",
	[CONFIG_LEAVE_OUT_REQUESTS] = "requests",
	[CONFIG_LEAVE_OUT_ALL] = "all",
	NULL,
};
static const char *const levels[] = {
	[LOG_ERROR] = "error",
	[LOG_WARN] = "warn",
	[LOG_INFO] = "info",
	[LOG_DEBUG] = "debug",
	NULL,
};

static const char *check_route(const char *text)
{
	return route_pattern_error(slice_str(text));
}

static const char *check_url(const char *text)
{
	struct slice url = slice_str(text);

	if (slice_starts_with(url, SLICE("https://")))
		url = slice_after(url, 8);
	else if (slice_starts_with(url, SLICE("http://")))
		url = slice_after(url, 7);
	else
		return "expected a URL that begins with http:// or https://";
	if (url.n == 0 || url.p[0] == '/' || url.p[0] == ':')
		return "the URL has no host";
	return slice_find(url, ' ') >= 0 ? "the URL contains a space" : NULL;
}

static const char *check_listen(const char *text)
{
	char host[LISTEN_HOST_MAX], port[LISTEN_PORT_MAX];

	return listen_split(text, host, port) < 0
		       ? "expected ADDRESS:PORT, for example 127.0.0.1:9464 or [::1]:9464"
		       : NULL;
}

static const char *check_header(const char *text)
{
	static const char token[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

	if (text[strspn(text, token)])
		return "expected the name of a header, for example x-request-id";
	return strlen(text) > 64 ? "the name is longer than 64 bytes" : NULL;
}

static const char *check_redaction(const char *text)
{
	static const char *const names[] = {"card", "jwt", "bearer", "basic", "email"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(text, names[i]) == 0)
			return NULL;
	return "expected card, jwt, bearer, basic or email";
}

/* Its answer is valid until the next call; settings are for one thread. */
static const char *check_pattern(const char *text)
{
	static char why[PATTERN_WHY_SZ];
	struct pattern *pattern = pattern__new(text, PATTERN_TEXT, why);

	pattern__free(pattern);
	return pattern ? NULL : why;
}

static const char *check_rule(const void *item)
{
	const struct config_rule *rule = item;

	return rule->replacement && rule->action != CONFIG_ACTION_MASK
		       ? "'replacement' goes with 'action: mask'"
		       : NULL;
}

#define RULE_TEXT(field) .type = SETTING_TEXT, .offset = FIELD_AT(struct config_rule, field, char *)

static const struct setting rule_fields[] = {
	{
		.path = "attribute",
		.help = "Which attributes, by key; `*` stands for any characters. The name of a span "
			"is `span.name`",
		RULE_TEXT(attribute),
	},
	{
		.path = "pattern",
		.help = "What of the value, as a regular expression (PCRE2); without it, all",
		RULE_TEXT(pattern),
		.fallback = "",
		.check = check_pattern,
	},
	{
		.path = "action",
		.help = "`delete` the attribute, `mask` what matches, or `hash` it so that equal "
			"values stay equal",
		.type = SETTING_CHOICE,
		.offset = FIELD_AT(struct config_rule, action, unsigned int),
		.fallback = "mask",
		.choices = actions,
	},
	{
		.path = "replacement",
		.help = "What `mask` puts there instead of `REDACTED`",
		RULE_TEXT(replacement),
		.fallback = "",
	},
};

const struct setting settings[] = {
	{
		.path = "targets.pids",
		.help = "Watch these processes",
		INTS(targets.pids),
		.fallback = "",
		.min = 1,
		.max = 4194304,
		.flag = "pid",
		.letter = 'p',
		.argument = "PID",
		.commands = TARGET,
		.reloadable = true,
	},
	{
		.path = "targets.names",
		.help = "Watch processes of this command name",
		TEXTS(targets.names),
		.fallback = "",
		.flag = "name",
		.letter = 'n',
		.argument = "NAME",
		.commands = TARGET,
		.reloadable = true,
	},
	{
		.path = "targets.executables",
		.help = "Watch processes that run this executable",
		TEXTS(targets.executables),
		.fallback = "",
		.flag = "exe",
		.argument = "PATH",
		.commands = TARGET,
		.reloadable = true,
	},
	{
		.path = "targets.ports",
		.help = "Trace connections whose local or remote port is this",
		INTS(targets.ports),
		.fallback = "",
		.min = 1,
		.max = 65535,
		.flag = "port",
		.argument = "N",
		.commands = TRACE,
		.reloadable = true,
	},
	{
		.path = "targets.cgroups",
		.help = "Watch processes in this cgroup and below it",
		TEXTS(targets.cgroups),
		.fallback = "",
		.flag = "cgroup",
		.argument = "PATH",
		.commands = TARGET,
		.reloadable = true,
	},
	{
		.path = "targets.containers",
		.help = "Watch the container of this ID, or whose ID begins so",
		TEXTS(targets.containers),
		.fallback = "",
		.flag = "container",
		.argument = "ID",
		.commands = TARGET,
		.reloadable = true,
	},
	{
		.path = "targets.descendants",
		.help = "Watch the descendants of the chosen processes too",
		BOOL(targets.descendants),
		.fallback = "true",
		.flag = "descendants",
		.commands = TARGET,
		.reloadable = true,
	},
	{
		.path = "capture.ring_size",
		.help = "Memory between the kernel and sonde; a power of two",
		SIZE(capture.ring_sz),
		.fallback = "auto",
		.zero = "auto",
		.min = 64 * KIB,
		.max = 512 * MIB,
		.power_of_two = true,
	},
	{
		.path = "capture.drain_interval",
		.help = "How often that memory is emptied when it fills slowly",
		DURATION(capture.drain_interval_ns),
		.fallback = "20ms",
		.min = 1 * MS,
		.max = 1 * S,
	},
	{
		.path = "capture.variant",
		.help = "Kind of kernel hook; auto takes the first that this kernel accepts",
		CHOICE(capture.variant),
		.fallback = "auto",
		.choices = variants,
	},
	{
		.path = "capture.short_walk",
		.help = "Walk frames without bpf_loop, as kernels before 5.17 do: fewer for each operation",
		BOOL(capture.short_walk),
		.fallback = "false",
		.hidden = true,
	},
	{
		.path = "capture.time_account",
		.help = "Tell what the time of served requests went to, from the scheduler",
		BOOL(capture.time_account),
		.fallback = "true",
	},

	{
		.path = "capture.max_connections",
		.help = "Connections followed at once; the kernel side ignores those beyond",
		INT(capture.max_connections),
		.fallback = "16384",
		.min = 16,
		.max = 1048576,
	},
	{
		.path = "capture.copy_first",
		.help = "Bytes copied of each operation while the protocol is not known",
		SIZE(capture.copy_first_sz),
		.fallback = "8KiB",
		.min = 256,
		.max = 16 * KIB,
	},
	{
		.path = "capture.copy_turn",
		.help = "Bytes copied at most before the direction changes; at the beginning of a "
			"connection, until it is known what it speaks, eight times as many",
		SIZE(capture.copy_turn_sz),
		.fallback = "64KiB",
		.min = 256,
		.max = 1 * MIB,
	},
	{
		.path = "tls.enabled",
		.help = "Whether TLS is seen as plaintext, by probes in the libraries that programs use",
		BOOL(tls.enabled),
		.fallback = "true",
		.reloadable = true,
	},
	{
		.path = "tls.deny",
		.help = "Libraries and executables that get no probes, whoever uses them, by the path that "
			"a program sees; `*` stands for any characters",
		TEXTS(tls.deny),
		.fallback = "",
		.reloadable = true,
	},
	{
		.path = "tls.deny_names",
		.help = "Commands whose TLS is not seen, by their names as in /proc/PID/comm",
		TEXTS(tls.deny_names),
		.fallback = "",
		.reloadable = true,
	},
	{
		.path = "propagation.mode",
		.help = "How ids go to other hosts",
		CHOICE(propagation.mode),
		.fallback = "off",
		.choices = propagations,
		.flag = "propagation",
		.argument = "MODE",
		.commands = TRACE,
		.reloadable = true,
	},
	{
		.path = "propagation.deny",
		.help = "Executables whose requests never carry ids",
		TEXTS(propagation.deny),
		.fallback = "",
		.reloadable = true,
	},
	{
		.path = "propagation.deny_names",
		.help = "Commands whose requests never carry ids, by their names as in /proc/PID/comm",
		TEXTS(propagation.deny_names),
		.fallback = "",
		.reloadable = true,
	},
	{
		.path = "propagation.deny_cgroups",
		.help = "Cgroups in which, and below which, requests never carry ids",
		TEXTS(propagation.deny_cgroups),
		.fallback = "",
		.reloadable = true,
	},
	{
		.path = "propagation.context_map",
		.help = "A pinned BPF map in which other profilers are told which span a thread works for, as OpenTelemetry's "
			"reads it (/sys/fs/bpf/otel/traces_ctx_v1). Made if there is none",
		TEXT(propagation.context_map),
		.fallback = "",
	},
	{
		.path = "flow.max_exchanges",
		.help = "Unanswered requests remembered at once",
		INT(flow.max_exchanges),
		.fallback = "8192",
		.min = 16,
		.max = 1048576,
	},
	{
		.path = "flow.exchange_timeout",
		.help = "How long a request waits for its response before it is a timeout",
		DURATION(flow.exchange_timeout_ns),
		.fallback = "1m",
		.min = 100 * MS,
		.max = 60 * M,
	},
	{
		.path = "flow.idle_timeout",
		.help = "How long a silent connection is remembered",
		DURATION(flow.idle_timeout_ns),
		.fallback = "10m",
		.min = 1 * S,
		.max = 1440 * M,
	},
	{
		.path = "http.routes",
		.help = "Route patterns such as /users/{id}, tried before routes are guessed",
		TEXTS(http.routes),
		.fallback = "",
		.check = check_route,
	},
	{
		.path = "http.max_routes",
		.help = "Routes guessed at most for one service",
		INT(http.max_routes),
		.fallback = "100",
		.min = 1,
		.max = 10000,
	},
	{
		.path = "http.query_values",
		.help = "What becomes of the values in a query string",
		CHOICE(http.query_values),
		.fallback = "redact",
		.choices = query_modes,
		.reloadable = true,
	},
	{
		.path = "http.query_keep",
		.help = "Query keys whose values are shown although the others are redacted",
		TEXTS(http.query_keep),
		.fallback = "",
		.reloadable = true,
	},
	{
		.path = "http.capture_request_headers",
		.help = "Request headers that become attributes; credentials are masked in any case",
		TEXTS(http.capture_request_headers),
		.fallback = "",
		.check = check_header,
	},
	{
		.path = "http.capture_response_headers",
		.help = "Response headers that become attributes; credentials are masked in any case",
		TEXTS(http.capture_response_headers),
		.fallback = "",
		.check = check_header,
	},
	{
		.path = "redaction.enabled",
		.help = "Mask values that look like secrets, and apply the rules",
		BOOL(redaction.enabled),
		.fallback = "true",
		.reloadable = true,
	},
	{
		.path = "redaction.patterns",
		.help = "Which values look like secrets: `card`, `jwt`, `bearer`, `basic`, `email`",
		TEXTS(redaction.patterns),
		.fallback = "card,jwt,bearer,basic,email",
		.check = check_redaction,
		.reloadable = true,
	},
	{
		.path = "redaction.rules",
		.help = "What else to take out of attributes, in this order",
		ITEMS(redaction.rules, struct config_rule, rule_fields),
		.fallback = "",
		.check_item = check_rule,
		.reloadable = true,
	},
	{
		.path = "redaction.hash_key",
		.help = "Key of the hashes; without one they differ from run to run",
		TEXT(redaction.hash_key),
		.fallback = "",
		.secret = true,
	},
	{
		.path = "resource.attributes",
		.help = "Attributes added to every resource",
		MAP(resource.attributes),
		.fallback = "",
		.env_also = "OTEL_RESOURCE_ATTRIBUTES",
	},
	{
		.path = "resource.node_name",
		.help = "Name of the Kubernetes node, k8s.node.name of every resource",
		TEXT(resource.node_name),
		.fallback = "",
		.env_also = "K8S_NODE_NAME",
	},
	{
		.path = "metrics.enabled",
		.help = "Whether the agent counts requests, errors and durations of all spans",
		BOOL(metrics.enabled),
		.fallback = "true",
	},
	{
		.path = "metrics.interval",
		.help = "How often metrics are sent",
		DURATION(metrics.interval_ns),
		.fallback = "1m",
		.min = 1 * S,
		.max = 60 * M,
	},
	{
		.path = "metrics.max_series",
		.help = "Series kept apart at most, of all services and metrics",
		INT(metrics.max_series),
		.fallback = "2000",
		.min = 1,
		.max = 20000,
	},
	{
		.path = "sampling.probability",
		.help = "Share of traces that the agent keeps; errors and slow ones are kept beside it",
		SHARE(sampling.probability),
		.fallback = "1",
		.reloadable = true,
	},
	{
		.path = "sampling.slow",
		.help = "From this duration on a span is slow",
		DURATION(sampling.slow_ns),
		.fallback = "1s",
		.min = 1 * MS,
		.max = 60 * M,
		.reloadable = true,
	},
	{
		.path = "sampling.wait",
		.help = "How long spans wait for errors and slow ones of their trace; only if some are dropped",
		DURATION(sampling.wait_ns),
		.fallback = "2s",
		.min = 10 * MS,
		.max = 1 * M,
	},
	{
		.path = "sampling.max_waiting",
		.help = "Memory for spans that wait so; beyond it the oldest are decided on early",
		SIZE(sampling.max_waiting_sz),
		.fallback = "64MiB",
		.min = 1 * MIB,
		.max = 4096 * MIB,
	},
	{
		.path = "sdk.leave_out",
		.help = "What is not exported of programs that export OpenTelemetry spans of their own",
		CHOICE(sdk.leave_out),
		.fallback = "requests",
		.choices = leave_outs,
	},
	{
		.path = "profiles.enabled",
		.help = "Whether the agent samples what uses the CPUs, and exports profiles of it",
		BOOL(profiles.enabled),
		.fallback = "false",
	},
	{
		.path = "profiles.frequency",
		.help = "Samples of each CPU in a second",
		INT(profiles.frequency_hz),
		.fallback = "19",
		.min = 1,
		.max = 1000,
	},
	{
		.path = "profiles.off_cpu_frequency",
		.help = "How often in a second to look at threads that wait, whose profiles are exported beside those of the "
			"CPUs; 0: never",
		INT(profiles.off_cpu_hz),
		.fallback = "0",
		.max = 1000,
	},
	{
		.path = "profiles.interval",
		.help = "How often a profile is exported",
		DURATION(profiles.interval_ns),
		.fallback = "10s",
		.min = 1 * S,
		.max = 10 * M,
	},
	{
		.path = "profiles.lines",
		.help = "Whether profiles have the source's lines and inlined functions of native code",
		BOOL(profiles.lines),
		.fallback = "false",
	},
	{
		.path = "profiles.debuginfod",
		.help = "Ask these debuginfod servers for debug files that are not here: \"URL...\"",
		TEXT(profiles.debuginfod),
		.fallback = "",
		.flag = "debuginfod",
		.argument = "URLS",
		.commands = ON(PROFILE) | ON(CONFIG_PRINT),
	},
	{
		.path = "profiles.context_map",
		.help = "A pinned BPF map in which another tracer says which span each thread works for, as OBI does "
			"(/sys/fs/bpf/otel/traces_ctx_v1); samples are linked to these. Made if there is none",
		TEXT(profiles.context_map),
		.fallback = "",
	},
	{
		.path = "triggers.enabled",
		.help = "Whether a route that becomes slower than it was has its service sampled faster for a while, "
			"and its traces kept",
		BOOL(triggers.enabled),
		.fallback = "false",
	},
	{
		.path = "triggers.margin",
		.help = "How far above 99 % of a route's latencies so far one must be to be unusual, as a share of that",
		SHARE(triggers.margin),
		.fallback = "0.5",
	},
	{
		.path = "triggers.floor",
		.help = "Latencies below that are never unusual",
		DURATION(triggers.floor_ns),
		.fallback = "10ms",
		.min = 1 * MS,
		.max = 1 * M,
	},
	{
		.path = "triggers.warm_up",
		.help = "How long a route is known before it may trigger; latencies count as usual after half of that",
		DURATION(triggers.warm_up_ns),
		.fallback = "1m",
		.min = 2 * S,
		.max = 60 * M,
	},
	{
		.path = "triggers.frequency",
		.help = "Samples of each CPU in a second while its service is sampled faster",
		INT(triggers.frequency_hz),
		.fallback = "99",
		.min = 1,
		.max = 1000,
	},
	{
		.path = "triggers.duration",
		.help = "How long that lasts",
		DURATION(triggers.duration_ns),
		.fallback = "10s",
		.min = 1 * S,
		.max = 5 * M,
	},
	{
		.path = "triggers.cool_down",
		.help = "How long after it the service has no other",
		DURATION(triggers.cool_down_ns),
		.fallback = "5m",
		.min = 1 * S,
		.max = 60 * M,
	},
	{
		.path = "triggers.at_once",
		.help = "Services that are sampled faster at the same time, at most",
		INT(triggers.at_once),
		.fallback = "2",
		.min = 1,
		.max = 4,
	},
	{
		.path = "triggers.time_share",
		.help = "Share of the time in which a service may be sampled faster, over all services and hours",
		SHARE(triggers.time_share),
		.fallback = "0.05",
	},
	{
		.path = "triggers.max_traces",
		.help = "Traces that are kept each time, whatever sampling says, at most",
		INT(triggers.max_traces),
		.fallback = "1000",
		.min = 1,
		.max = 100000,
	},
	{
		.path = "export.endpoint",
		.help = "Send spans to this OTLP/HTTP base URL",
		TEXT(export.endpoint),
		.fallback = "",
		.check = check_url,
		.flag = "export",
		.argument = "URL",
		.commands = OUTPUT,
	},
	{
		.path = "export.headers",
		.help = "Headers sent with each export, such as authorization",
		MAP(export.headers),
		.fallback = "",
		.secret = true,
	},
	{
		.path = "export.timeout",
		.help = "How long one export request may take",
		DURATION(export.timeout_ns),
		.fallback = "10s",
		.min = 100 * MS,
		.max = 5 * M,
	},
	{
		.path = "export.compression",
		.help = "How export requests are compressed",
		CHOICE(export.compression),
		.fallback = "gzip",
		.choices = compressions,
	},
	{
		.path = "export.certificate",
		.help = "PEM file of the authorities that the endpoint's certificate must be from",
		TEXT(export.certificate),
		.fallback = "",
	},
	{
		.path = "export.client_certificate",
		.help = "PEM file of the certificate that sonde shows the endpoint",
		TEXT(export.client_certificate),
		.fallback = "",
	},
	{
		.path = "export.client_key",
		.help = "PEM file of that certificate's private key",
		TEXT(export.client_key),
		.fallback = "",
	},
	{
		.path = "export.file",
		.help = "Write spans to this file, a line of OTLP JSON for each batch",
		TEXT(export.file),
		.fallback = "",
		.flag = "otlp-file",
		.argument = "FILE",
		.commands = OUTPUT,
	},
	{
		.path = "export.discard",
		.help = "Throw spans away instead of showing or sending them (for benchmarks)",
		BOOL(export.discard),
		.fallback = "false",
		.flag = "discard",
		.commands = OUTPUT,
		.hidden = true,
	},
	{
		.path = "export.queue_size",
		.help = "Spans that may wait for export",
		INT(export.queue_cnt),
		.fallback = "16384",
		.min = 512,
		.max = 4194304,
	},
	{
		.path = "export.batch_size",
		.help = "Spans in one export request at most",
		INT(export.batch_cnt),
		.fallback = "8192",
		.min = 1,
		.max = 65536,
	},
	{
		.path = "export.batch_delay",
		.help = "How long a span waits at most for others to join its request",
		DURATION(export.batch_delay_ns),
		.fallback = "1s",
		.min = 10 * MS,
		.max = 1 * M,
	},
	{
		.path = "control.listen",
		.help = "Where the agent serves /metrics, /healthz and /readyz; empty for nowhere",
		TEXT(control.listen),
		.fallback = "127.0.0.1:9464",
		.check = check_listen,
	},
	{
		.path = "log.level",
		.help = "What is logged",
		CHOICE(log.level),
		.fallback = "info",
		.choices = levels,
		.flag = "log-level",
		.argument = "LEVEL",
		.commands = ANY,
		.reloadable = true,
	},
};

const size_t settings_cnt = sizeof(settings) / sizeof(settings[0]);

_Static_assert(sizeof(settings) / sizeof(settings[0]) <= SETTINGS_MAX, "raise SETTINGS_MAX");

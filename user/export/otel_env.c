// SPDX-License-Identifier: Apache-2.0
/*
 * One table row per variable. For the exporter's own (OTEL_EXPORTER_OTLP_*) the form with the
 * signal's name in it wins over the general one.
 */
#include "user/export/otel_env.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>

#include "user/base/field.h"
#include "user/base/log.h"

#define HEADERS_MAX 64
#define NAME_SZ 64

struct row;

/* What a row's function works on. */
struct setting {
	struct exporter_options *options;
	struct otlp_endpoint *endpoint;	 /* NULL: the row is not for one */
	const struct signal_row *signal; /* whose endpoint it is */
	bool of_signal;			 /* the form with the signal's name in it */
	struct arena *arena;
	const char *name; /* of the variable, for warnings */
	const char *value;
	const struct row *row;
};

/* One table is for struct otlp_endpoint, the other for struct exporter_options. */
struct row {
	const char *name; /* what follows the prefix */
	int (*set)(const struct setting *s);
	size_t offset;	   /* set_path, set_number: in the struct that the table is for */
	uint32_t min, max; /* set_number */
	bool secret;	   /* the value must not be logged */
};

/* Each returns 0, -EINVAL after a warning, or -ENOMEM. */
static int ignore(const struct setting *s, const char *why)
{
	log_warn("%s=%s: %s; ignored", s->name, s->row->secret ? "..." : s->value, why);
	return -EINVAL;
}

static bool is_url(const char *s)
{
	return slice_starts_with(slice_str(s), SLICE("http://")) ||
	       slice_starts_with(slice_str(s), SLICE("https://"));
}

/* The general endpoint is a base; the signal's own is taken as it is. */
static int set_endpoint(const struct setting *s)
{
	size_t n = strlen(s->value), sz = n + strlen(s->signal->path) + 2;
	char *url;

	if (!is_url(s->value))
		return ignore(s, "not a URL that starts with http:// or https://");
	if (s->of_signal) {
		s->endpoint->url = s->value;
		return 0;
	}
	url = arena__alloc(s->arena, sz);
	if (!url)
		return -ENOMEM;
	snprintf(url, sz, "%s%s%s", s->value, s->value[n - 1] == '/' ? "" : "/", s->signal->path);
	s->endpoint->url = url;
	return 0;
}

static int set_protocol(const struct setting *s)
{
	if (strcmp(s->value, "http/protobuf") == 0)
		return 0;
	return ignore(s, "only http/protobuf is spoken (usually port 4318)");
}

/* Undoes %XX from s to `to`, which has room for s.n; its length, or -1 if s is malformed. */
static ptrdiff_t percent_decode(char *to, struct slice s)
{
	size_t len = 0;

	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (c == '%') {
			int byte = slice_percent_byte(slice_after(s, i));

			if (byte < 0)
				return -1;
			c = (char)byte;
			i += 2;
		}
		if ((uint8_t)c < 0x20 || c == 0x7F) /* no header splits in two */
			return -1;
		to[len++] = c;
	}
	return (ptrdiff_t)len;
}

static bool is_token(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] == 0x7F || strchr("\"(),/:;<=>?@[\\]{}", s.p[i]))
			return false;
	return s.n > 0;
}

/* One "name=value" as "name: value" into *out. */
static int set_header(const struct setting *s, struct slice pair, const char **out)
{
	ptrdiff_t equals = slice_find(pair, '='), len;
	struct slice name, value;
	char *line;

	if (equals < 0)
		return ignore(s, "expected name=value,name=value");
	name = slice_trim(slice_first(pair, (size_t)equals));
	value = slice_trim(slice_after(pair, (size_t)equals + 1));
	if (!is_token(name))
		return ignore(s, "a header's name has a character that is not allowed");
	line = arena__alloc(s->arena, name.n + 2 + value.n + 1);
	if (!line)
		return -ENOMEM;
	memcpy(line, name.p, name.n);
	memcpy(line + name.n, ": ", 2);
	len = percent_decode(line + name.n + 2, value);
	if (len < 0)
		return ignore(s, "a header's value is not percent-encoded text");
	line[name.n + 2 + (size_t)len] = '\0';
	*out = line;
	return 0;
}

static int set_headers(const struct setting *s)
{
	const char **headers = arena__alloc(s->arena, HEADERS_MAX * sizeof(*headers));
	struct slice rest = slice_str(s->value);
	size_t cnt = 0;
	int err;

	if (!headers)
		return -ENOMEM;
	while (rest.n) {
		ptrdiff_t comma = slice_find(rest, ',');
		struct slice pair = comma < 0 ? rest : slice_first(rest, (size_t)comma);

		rest = comma < 0 ? slice_after(rest, rest.n) : slice_after(rest, (size_t)comma + 1);
		if (!slice_trim(pair).n)
			continue;
		if (cnt == HEADERS_MAX)
			return ignore(s, "more than 64 headers");
		err = set_header(s, pair, &headers[cnt]);
		if (err)
			return err;
		cnt++;
	}
	s->endpoint->headers = headers;
	s->endpoint->headers_cnt = cnt;
	return 0;
}

static int set_compression(const struct setting *s)
{
	bool gzip = strcmp(s->value, "gzip") == 0;

	if (!gzip && strcmp(s->value, "none") != 0)
		return ignore(s, "expected gzip or none");
	if (!gzip)
		s->endpoint->gzip_level = 0;
	else if (!s->endpoint->gzip_level)
		s->endpoint->gzip_level = 1;
	return 0;
}

static int set_disabled(const struct setting *s)
{
	struct slice value = slice_str(s->value);
	bool disabled = slice_eq_nocase(value, SLICE("true"));

	if (!disabled && !slice_eq_nocase(value, SLICE("false")))
		return ignore(s, "expected true or false");
	s->options->disabled = disabled;
	return 0;
}

/* The two kinds of rows whose value goes to a field as it is. */
static void *field(const struct setting *s)
{
	return (char *)(s->endpoint ? (void *)s->endpoint : (void *)s->options) + s->row->offset;
}

static int set_path(const struct setting *s)
{
	*(const char **)field(s) = s->value;
	return 0;
}

static int set_number(const struct setting *s)
{
	uint64_t number, min = s->row->min;

	if (!slice_to_u64(slice_trim(slice_str(s->value)), &number) || number < min)
		return ignore(s, min > 1 ? "too small"
				 : min	 ? "not a positive number"
					 : "not a number");
	if (number > s->row->max)
		return ignore(s, "too large");
	*(uint32_t *)field(s) = (uint32_t)number;
	return 0;
}

#define PATH(name) .set = set_path, .offset = FIELD_AT(struct otlp_endpoint, name, const char *)
#define NUMBER(owner, name) .set = set_number, .offset = FIELD_AT(struct owner, name, uint32_t)

static const struct row exporter_rows[] = {
	{.name = "ENDPOINT", .set = set_endpoint},
	{.name = "PROTOCOL", .set = set_protocol},
	{.name = "HEADERS", .set = set_headers, .secret = true},
	{.name = "TIMEOUT", NUMBER(otlp_endpoint, timeout_ms), .max = INT_MAX},
	{.name = "COMPRESSION", .set = set_compression},
	{.name = "CERTIFICATE", PATH(ca_file)},
	{.name = "CLIENT_KEY", PATH(client_key)},
	{.name = "CLIENT_CERTIFICATE", PATH(client_cert)},
};

static const struct row general_rows[] = {
	{.name = "SDK_DISABLED", .set = set_disabled},
	{.name = "BSP_SCHEDULE_DELAY", NUMBER(exporter_options, schedule_delay_ms), .max = INT_MAX},
	/* The time that an export may take with all its retries. */
	{.name = "BSP_EXPORT_TIMEOUT",
	 NUMBER(exporter_options, retry_give_up_ms),
	 .min = 1,
	 .max = INT_MAX},
	{.name = "METRIC_EXPORT_INTERVAL",
	 NUMBER(exporter_options, metric_interval_ms),
	 .min = 1000,
	 .max = INT_MAX},
	{.name = "BSP_MAX_QUEUE_SIZE",
	 NUMBER(exporter_options, queue_max_spans),
	 .min = 1,
	 .max = INT_MAX},
	{.name = "BSP_MAX_EXPORT_BATCH_SIZE",
	 NUMBER(exporter_options, batch_max_spans),
	 .min = 1,
	 .max = 1 << 20},
};

/* Where the values come from and go to. */
struct reading {
	struct exporter_options *options;
	struct arena *arena;
	char *(*get)(const char *name);
};

/* Applies prefix+name if it is set: 1 if it did, 0 if unset or ignored, -ENOMEM. */
static int apply(const struct reading *r, struct setting s, const char *prefix)
{
	char name[NAME_SZ];
	int err;

	s.options = r->options;
	s.arena = r->arena;
	s.name = name;
	snprintf(name, sizeof(name), "%s%s", prefix, s.row->name);
	s.value = r->get(name);
	if (!s.value || !s.value[0])
		return 0;
	err = s.row->set(&s);
	return err == -ENOMEM ? err : !err;
}

/* One of the exporter's own rows, for every signal. */
static int apply_to_endpoints(const struct reading *r, const struct row *row)
{
	int done = 1;

	for (int i = 0; i < SIGNAL_CNT && done > 0; i++) /* a bad one is warned about once */
		done = apply(r,
			     (struct setting){
				     .endpoint = &r->options->endpoints[i],
				     .signal = &signal_rows[i],
				     .row = row,
			     },
			     "OTEL_EXPORTER_OTLP_");
	for (int i = 0; i < SIGNAL_CNT && done >= 0; i++) {
		struct setting own = {
			.endpoint = &r->options->endpoints[i],
			.signal = &signal_rows[i],
			.of_signal = true,
			.row = row,
		};
		char prefix[NAME_SZ];

		snprintf(prefix, sizeof(prefix), "OTEL_EXPORTER_OTLP_%s_", signal_rows[i].variable);
		done = apply(r, own, prefix);
	}
	return done < 0 ? done : 0;
}

int otel_env_read(struct exporter_options *o, struct arena *arena, char *(*get)(const char *name))
{
	struct reading r = {.options = o, .arena = arena, .get = get};
	size_t i;
	int err;

	for (i = 0; i < sizeof(exporter_rows) / sizeof(exporter_rows[0]); i++) {
		err = apply_to_endpoints(&r, &exporter_rows[i]);
		if (err)
			return err;
	}
	for (i = 0; i < sizeof(general_rows) / sizeof(general_rows[0]); i++) {
		err = apply(&r, (struct setting){.row = &general_rows[i]}, "OTEL_");
		if (err < 0)
			return err;
	}
	if (o->batch_max_spans > o->queue_max_spans)
		o->batch_max_spans = o->queue_max_spans;
	return 0;
}

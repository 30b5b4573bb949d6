// SPDX-License-Identifier: Apache-2.0
/*
 * One table row per variable. For the exporter's own (OTEL_EXPORTER_OTLP_*) the form with TRACES_
 * in it wins over the general one.
 */
#include "user/export/otel_env.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>

#include "user/base/log.h"

#define HEADERS_MAX 64
#define NAME_SZ 64

/* What a row's function works on. */
struct setting {
	struct exporter_options *options;
	struct arena *arena;
	const char *name; /* of the variable, for warnings */
	const char *value;
	bool of_signal; /* the TRACES_ form */
	bool secret;	/* the value must not be logged */
};

/* Each returns 0, -EINVAL after a warning, or -ENOMEM. */
static int ignore(const struct setting *s, const char *why)
{
	log_warn("%s=%s: %s; ignored", s->name, s->secret ? "..." : s->value, why);
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
	static const char path[] = "v1/traces";
	size_t n = strlen(s->value), sz = n + sizeof(path) + 1;
	char *url;

	if (!is_url(s->value))
		return ignore(s, "not a URL that starts with http:// or https://");
	if (s->of_signal) {
		s->options->endpoint = s->value;
		return 0;
	}
	url = arena__alloc(s->arena, sz);
	if (!url)
		return -ENOMEM;
	snprintf(url, sz, "%s%s%s", s->value, s->value[n - 1] == '/' ? "" : "/", path);
	s->options->endpoint = url;
	return 0;
}

static int set_protocol(const struct setting *s)
{
	if (strcmp(s->value, "http/protobuf") == 0)
		return 0;
	return ignore(s, "only http/protobuf is spoken (usually port 4318)");
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Undoes %XX from s to `to`, which has room for s.n; its length, or -1 if s is malformed. */
static ptrdiff_t percent_decode(char *to, struct slice s)
{
	size_t len = 0;

	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (c == '%') {
			int high = i + 2 < s.n ? hex_digit(s.p[i + 1]) : -1;
			int low = i + 2 < s.n ? hex_digit(s.p[i + 2]) : -1;

			if (high < 0 || low < 0)
				return -1;
			c = (char)(high << 4 | low);
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
	s->options->headers = headers;
	s->options->headers_cnt = cnt;
	return 0;
}

static int parse_number(const struct setting *s, uint64_t min, uint64_t *out)
{
	if (!slice_to_u64(slice_trim(slice_str(s->value)), out) || *out < min || *out > INT_MAX)
		return ignore(s, min ? "not a positive number" : "not a number");
	return 0;
}

static int set_timeout(const struct setting *s)
{
	uint64_t ms;
	int err = parse_number(s, 0, &ms);

	if (!err)
		s->options->timeout_ms = (unsigned int)ms;
	return err;
}

static int set_compression(const struct setting *s)
{
	bool gzip = strcmp(s->value, "gzip") == 0;

	if (!gzip && strcmp(s->value, "none") != 0)
		return ignore(s, "expected gzip or none");
	if (!gzip)
		s->options->gzip_level = 0;
	else if (!s->options->gzip_level)
		s->options->gzip_level = 1;
	return 0;
}

static int set_ca_file(const struct setting *s)
{
	s->options->ca_file = s->value;
	return 0;
}

static int set_client_key(const struct setting *s)
{
	s->options->client_key = s->value;
	return 0;
}

static int set_client_cert(const struct setting *s)
{
	s->options->client_cert = s->value;
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

static int set_schedule_delay(const struct setting *s)
{
	uint64_t ms;
	int err = parse_number(s, 0, &ms);

	if (!err)
		s->options->schedule_delay_ms = (unsigned int)ms;
	return err;
}

/* The time that an export may take with all its retries. */
static int set_export_timeout(const struct setting *s)
{
	uint64_t ms;
	int err = parse_number(s, 1, &ms);

	if (!err)
		s->options->retry_give_up_ms = (unsigned int)ms;
	return err;
}

static int set_queue_size(const struct setting *s)
{
	uint64_t cnt;
	int err = parse_number(s, 1, &cnt);

	if (!err)
		s->options->queue_max_spans = cnt;
	return err;
}

static int set_batch_size(const struct setting *s)
{
	uint64_t cnt;
	int err = parse_number(s, 1, &cnt);

	if (!err && cnt > 1u << 20)
		return ignore(s, "more than 1048576");
	if (!err)
		s->options->batch_max_spans = (uint32_t)cnt;
	return err;
}

static const struct row {
	const char *name; /* what follows the prefix */
	int (*set)(const struct setting *s);
	bool secret;
} exporter_rows[] =
	{
		{.name = "ENDPOINT", .set = set_endpoint},
		{.name = "PROTOCOL", .set = set_protocol},
		{.name = "HEADERS", .set = set_headers, .secret = true},
		{.name = "TIMEOUT", .set = set_timeout},
		{.name = "COMPRESSION", .set = set_compression},
		{.name = "CERTIFICATE", .set = set_ca_file},
		{.name = "CLIENT_KEY", .set = set_client_key},
		{.name = "CLIENT_CERTIFICATE", .set = set_client_cert},
},
  general_rows[] = {
	  {.name = "SDK_DISABLED", .set = set_disabled},
	  {.name = "BSP_SCHEDULE_DELAY", .set = set_schedule_delay},
	  {.name = "BSP_EXPORT_TIMEOUT", .set = set_export_timeout},
	  {.name = "BSP_MAX_QUEUE_SIZE", .set = set_queue_size},
	  {.name = "BSP_MAX_EXPORT_BATCH_SIZE", .set = set_batch_size},
};

/* Where the values come from and go to. */
struct reading {
	struct exporter_options *options;
	struct arena *arena;
	char *(*get)(const char *name);
};

/* Applies prefix+name if it is set: 1 if it did, 0 if unset or ignored, -ENOMEM. */
static int apply(const struct reading *r, const struct row *row, const char *prefix, bool of_signal)
{
	char name[NAME_SZ];
	struct setting s = {
		.options = r->options,
		.arena = r->arena,
		.name = name,
		.of_signal = of_signal,
		.secret = row->secret,
	};
	int err;

	snprintf(name, sizeof(name), "%s%s", prefix, row->name);
	s.value = r->get(name);
	if (!s.value || !s.value[0])
		return 0;
	err = row->set(&s);
	return err == -ENOMEM ? err : !err;
}

int otel_env_read(struct exporter_options *o, struct arena *arena, char *(*get)(const char *name))
{
	struct reading r = {.options = o, .arena = arena, .get = get};
	size_t i;
	int done;

	for (i = 0; i < sizeof(exporter_rows) / sizeof(exporter_rows[0]); i++) {
		done = apply(&r, &exporter_rows[i], "OTEL_EXPORTER_OTLP_TRACES_", true);
		if (!done)
			done = apply(&r, &exporter_rows[i], "OTEL_EXPORTER_OTLP_", false);
		if (done < 0)
			return done;
	}
	for (i = 0; i < sizeof(general_rows) / sizeof(general_rows[0]); i++) {
		done = apply(&r, &general_rows[i], "OTEL_", false);
		if (done < 0)
			return done;
	}
	if (o->batch_max_spans > o->queue_max_spans)
		o->batch_max_spans = (uint32_t)o->queue_max_spans;
	return 0;
}

// SPDX-License-Identifier: Apache-2.0
/*
 * Environment strings and the OTEL_RESOURCE_ATTRIBUTES list (OpenTelemetry specification,
 * resource/sdk.md and configuration/sdk-environment-variables.md).
 */
#include "user/ident/environ.h"

#include "user/base/procfs.h"

void environ_parse(struct slice text, struct environ *out)
{
	const struct {
		struct slice prefix;
		struct slice *value;
	} wanted[] = {
		{SLICE("OTEL_SERVICE_NAME="), &out->service_name},
		{SLICE("OTEL_RESOURCE_ATTRIBUTES="), &out->resource_attributes},
		{SLICE("HOSTNAME="), &out->hostname},
		{SLICE("KUBERNETES_SERVICE_HOST="), &out->kubernetes_host},
	};
	struct slice string;

	*out = (struct environ){.hostname = {0}};
	while (procfs_next_string(&text, &string))
		for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
			if (!wanted[i].value->p && slice_starts_with(string, wanted[i].prefix))
				*wanted[i].value = slice_after(string, wanted[i].prefix.n);
}

/* Appends the decoded bytes, never more than s.n of them, to the buffer. */
static struct slice percent_decode(struct baggage *b, struct slice s)
{
	struct slice out = slice_of(b->buf, 0);

	for (size_t i = 0; i < s.n; i++) {
		int byte = slice_percent_byte(slice_after(s, i));

		*b->buf++ = byte >= 0 ? (char)byte : s.p[i];
		i += byte >= 0 ? 2 : 0;
	}
	out.n = (size_t)(b->buf - out.p);
	return out;
}

void baggage_init(struct baggage *b, struct slice text, char *buf, size_t cap)
{
	/* A member that the limit cuts is worse than none: end at the comma before it. */
	if (text.n > cap) {
		const char *comma = memrchr(text.p, ',', cap);

		text.n = comma ? (size_t)(comma - text.p) : 0;
	}
	*b = (struct baggage){.rest = text, .buf = buf};
}

bool baggage_next(struct baggage *b, struct slice *key, struct slice *value)
{
	while (b->rest.n) {
		ptrdiff_t comma = slice_find(b->rest, ','), equals;
		struct slice member = comma < 0 ? b->rest : slice_first(b->rest, (size_t)comma);

		b->rest = slice_after(b->rest, member.n + 1);
		equals = slice_find(member, '=');
		if (equals < 0)
			continue;
		*key = percent_decode(b, slice_trim(slice_first(member, (size_t)equals)));
		if (key->n == 0)
			continue;
		*value = percent_decode(b, slice_trim(slice_after(member, (size_t)equals + 1)));
		return true;
	}
	return false;
}

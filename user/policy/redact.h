/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must not leave this host, removed from spans before they are queued, written or shown:
 * values in query strings, credentials and fragments in URLs. It never fails open: where there is
 * no room for the redacted text, all of the value becomes REDACTED.
 */
#ifndef SONDE_POLICY_REDACT_H
#define SONDE_POLICY_REDACT_H

#include "user/model/span.h"

enum query_values {
	QUERY_REDACT, /* keys stay, every value becomes REDACTED */
	QUERY_KEEP,   /* values stay, except where the key names a secret */
	QUERY_DROP,   /* no query at all */
};

struct redact_options {
	enum query_values query_values;
	/* Keys whose values stay all the same, exactly as they stand on the wire. Borrowed. */
	const char *const *keep_keys;
	size_t keep_keys_cnt;
};

/*
 * Rewrites the span's url.query and url.full. Takes new text from the arena, which must be the one
 * that lives as long as the span.
 */
void redact_span(const struct redact_options *options, struct span *span, struct arena *arena);

#endif

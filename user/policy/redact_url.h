/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queries, URLs and paths: the values of queries, credentials, fragments, and parameters of paths
 * that name a secret. Text that changes is taken from the arena; where that is full, all of the
 * value becomes REDACTED. Any thread.
 */
#ifndef SONDE_POLICY_REDACT_URL_H
#define SONDE_POLICY_REDACT_URL_H

#include "user/base/arena.h"

enum query_values {
	QUERY_REDACT, /* keys stay, every value becomes REDACTED */
	QUERY_KEEP,   /* values stay, except where the key names a secret */
	QUERY_DROP,   /* no query at all */
};

struct url_options {
	enum query_values query_values;
	/* Keys whose values stay all the same, exactly as they stand on the wire. Borrowed. */
	const char *const *keep_keys;
	size_t keep_keys_cnt;
};

/* For QUERY_REDACT and QUERY_KEEP. */
struct slice redact_query(const struct url_options *options, struct slice query,
			  struct arena *arena);
struct slice redact_url(const struct url_options *options, struct slice url, struct arena *arena);
/*
 * A text that is a URL or has one in it, such as a Location, a Referer or a Link: what follows its
 * first '?' is a query. Credentials stay: they are found by value.
 */
struct slice redact_link(const struct url_options *options, struct slice text, struct arena *arena);
/* Values of parameters such as ";jsessionid=1" whose name says that they are secret. */
struct slice redact_path(struct slice path, struct arena *arena);

#endif

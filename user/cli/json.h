/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes JSON text into one growing buffer with a maximum. What is written is always valid UTF-8.
 * One thread at a time.
 */
#ifndef SONDE_CLI_JSON_H
#define SONDE_CLI_JSON_H

#include "user/model/span.h"

struct json {
	char *p;
	size_t n, cap, max_sz;
	bool failed; /* memory or max_sz ran out: the text is not whole; sticky until json__reset */
};

void json__init(struct json *json, size_t max_sz);
void json__free(struct json *json);
/* Forgets the text and the failure, keeps the memory. */
void json__reset(struct json *json);

/* As it stands. */
void json_put(struct json *json, struct slice text);
/* Quoted and escaped; what is not UTF-8 becomes U+FFFD. */
void json_put_string(struct json *json, struct slice text);
/* An object from key to value. */
void json_put_attrs(struct json *json, const struct attrs *attrs);
/* A span as one flat object; resource is the text of its "resource" member. */
void json_put_span(struct json *json, const struct span *span, struct slice resource);

#endif

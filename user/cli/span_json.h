/* SPDX-License-Identifier: Apache-2.0 */
/* Spans as `sonde trace --json` writes them: a flat object for a person's scripts, not OTLP. */
#ifndef SONDE_CLI_SPAN_JSON_H
#define SONDE_CLI_SPAN_JSON_H

#include "user/base/json_writer.h"
#include "user/model/span.h"

#define SPAN_JSON_RESOURCES 256u

/* The text of a resource, kept because most spans share theirs with others. */
struct resource_text {
	uint64_t id; /* 0: free */
	struct json_writer json;
};

struct span_json {
	struct json_writer out; /* what has been written; the caller resets it */
	struct resource_text resources[SPAN_JSON_RESOURCES]; /* by the low bits of their ids */
};

void span_json__init(struct span_json *s);
void span_json__free(struct span_json *s);
/* Adds an object and a newline to s->out, which fails when memory is out. */
void span_json__put(struct span_json *s, const struct span *span);

#endif

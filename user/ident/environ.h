/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a process's environment says about it: the OpenTelemetry SDK variables and those that
 * container runtimes set. Slices point into the input or into the caller's buffer.
 */
#ifndef SONDE_IDENT_ENVIRON_H
#define SONDE_IDENT_ENVIRON_H

#include "user/base/slice.h"

struct environ {
	struct slice service_name;	  /* OTEL_SERVICE_NAME */
	struct slice resource_attributes; /* OTEL_RESOURCE_ATTRIBUTES, encoded */
	struct slice hostname;		  /* HOSTNAME */
	struct slice kubernetes_host;	  /* KUBERNETES_SERVICE_HOST: set in every pod */
};

/* Reads NUL-terminated KEY=value strings; of several equal keys the first counts, as in getenv. */
void environ_parse(struct slice text, struct environ *out);

/*
 * The members of a list as in OTEL_RESOURCE_ATTRIBUTES: W3C baggage without properties,
 * "key=value,key=value", both percent-encoded. Decoded bytes go to buf, which must outlive them;
 * members after the first cap bytes are not seen.
 */
struct baggage {
	struct slice rest;
	char *buf;
};

void baggage_init(struct baggage *b, struct slice text, char *buf, size_t cap);
/*
 * The next member with a key and a value, or false at the end. Tolerant: members that have no '='
 * or no key are passed over, a '%' that encodes nothing stands for itself.
 */
bool baggage_next(struct baggage *b, struct slice *key, struct slice *value);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an OTLP/HTTP endpoint answers: ExportTraceServiceResponse with status 200 (those of metrics
 * and profiles are the same on the wire), google.rpc.Status with any other. The bytes are the
 * peer's and hostile.
 */
#ifndef SONDE_EXPORT_OTLP_RESPONSE_H
#define SONDE_EXPORT_OTLP_RESPONSE_H

#include "user/base/slice.h"

#define OTLP_MESSAGE_SZ 256
/* The longest response that is read (opentelemetry-proto v1.11). */
#define OTLP_RESPONSE_MAX_SZ (4u * 1024 * 1024)

struct otlp_response {
	int64_t rejected_cnt;	       /* as the peer says: any value */
	char message[OTLP_MESSAGE_SZ]; /* printable, cut to fit; "" if there is none */
};

/* Decodes the body of a success. -EPROTO when it is not that; *out is then empty. */
int otlp_response__read(struct slice body, struct otlp_response *out);
/* Decodes the body of an error; rejected_cnt stays 0. -EPROTO as above. */
int otlp_response__read_error(struct slice body, struct otlp_response *out);

#endif

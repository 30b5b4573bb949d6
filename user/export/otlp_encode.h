/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spans as OTLP protobuf (opentelemetry-proto v1.11, ExportTraceServiceRequest).
 */
#ifndef SONDE_EXPORT_OTLP_ENCODE_H
#define SONDE_EXPORT_OTLP_ENCODE_H

#include "user/export/pb_writer.h"
#include "user/export/span_groups.h"

#define OTLP_SCOPE_NAME "sonde"
#define OTLP_SCHEMA_URL "https://opentelemetry.io/schemas/1.44.0"
/*
 * The largest request, uncompressed: what receivers accept unless told otherwise (the protocol's
 * own limit is 64 MiB).
 */
#define OTLP_REQUEST_MAX_SZ (20u * 1024 * 1024)

/*
 * Writes a request with all the groups to w, which is reset first; `version` is the scope's, valid
 * UTF-8. Text that is not UTF-8 gets U+FFFD in the place of what is ill-formed. Requests one after
 * the other are one request: all there is on the top level is a repeated field.
 * -EMSGSIZE when w's maximum is too small, -ENOMEM.
 */
int otlp_encode(struct pb_writer *w, const struct span_groups *groups, const char *version);

#endif

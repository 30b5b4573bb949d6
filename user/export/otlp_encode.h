/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spans as OTLP protobuf (opentelemetry-proto v1.11, ExportTraceServiceRequest).
 */
#ifndef SONDE_EXPORT_OTLP_ENCODE_H
#define SONDE_EXPORT_OTLP_ENCODE_H

#include "user/export/otlp_common.h"
#include "user/export/span_groups.h"

/*
 * Writes a request with all the groups to w, which is reset first; `version` is the scope's, valid
 * UTF-8. Text that is not UTF-8 gets U+FFFD in the place of what is ill-formed. Requests one after
 * the other are one request: all there is on the top level is a repeated field.
 * -EMSGSIZE when w's maximum is too small, -ENOMEM.
 */
int otlp_encode(struct pb_writer *w, const struct span_groups *groups, const char *version);

#endif

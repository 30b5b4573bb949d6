/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spans as one line of OTLP/JSON, as the Collector's file exporter writes them (and its
 * otlpjsonfile receiver reads them): ids in hex, enumerations as numbers, defaults left out.
 */
#ifndef SONDE_EXPORT_OTLP_JSON_H
#define SONDE_EXPORT_OTLP_JSON_H

#include "user/base/json_writer.h"
#include "user/export/span_groups.h"

/* The longest line. JSON takes about twice the room of protobuf. */
#define OTLP_JSON_MAX_SZ (64u * 1024 * 1024)

/*
 * Writes a line with all the groups to j, which is reset first, newline included; `version` is the
 * scope's. -EMSGSIZE when j's maximum is too small, -ENOMEM.
 */
int otlp_json_encode(struct json_writer *j, const struct span_groups *groups, const char *version);

#endif

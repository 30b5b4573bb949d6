/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics as OTLP protobuf (opentelemetry-proto v1.11, ExportMetricsServiceRequest). */
#ifndef SONDE_EXPORT_OTLP_METRICS_H
#define SONDE_EXPORT_OTLP_METRICS_H

#include "user/export/otlp_common.h"
#include "user/model/metric.h"

/*
 * Writes a request with all points to w, which is reset first; `version` is the scope's.
 * -EMSGSIZE when w's maximum is too small, -ENOMEM.
 */
int otlp_encode_metrics(struct pb_writer *w, const struct metric_snapshot *snapshot,
			const char *version);

#endif

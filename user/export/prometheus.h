/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics as Prometheus text, exposition format 0.0.4. */
#ifndef SONDE_EXPORT_PROMETHEUS_H
#define SONDE_EXPORT_PROMETHEUS_H

#include <stdio.h>

#include "user/model/metric.h"

/*
 * Writes every histogram: its name and the names of its attributes with underscores, the unit as a
 * suffix, and service_name and service_instance_id for whose it is. Histograms that differ in
 * nothing that is shown are added up. Errors show in ferror(out) and -ENOMEM.
 */
int prometheus_write(FILE *out, const struct metric_snapshot *snapshot);

#endif

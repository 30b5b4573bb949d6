/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the configuration, and OpenTelemetry's variables, to the options of the pipeline's stages.
 * What they point to is the configuration's or the arena's; callbacks are for the pipeline to add.
 */
#ifndef SONDE_PIPELINE_OPTIONS_H
#define SONDE_PIPELINE_OPTIONS_H

#include "user/capture/targets.h"
#include "user/control/config.h"
#include "user/export/exporter.h"
#include "user/flow/flow.h"

/* What to trace: what the configuration says, or *only_pid and its descendants if it is not 0. */
struct targets targets_of(const struct config *c, const uint64_t *only_pid);
/* Whose requests never carry ids to other hosts. */
struct targets denied_ids_of(const struct config *c);
struct flow_options flow_options_of(const struct config *c);
/* The attributes that every resource gets. -ENOMEM. */
int resource_attrs_of(const struct config *c, struct arena *arena, struct attrs *out);
/*
 * Sinks and how to reach them. Without any configured, and by_default, the endpoint that
 * OpenTelemetry's variables name, or else OTLP's default one. -ENOMEM.
 */
int exporter_options_of(const struct config *c, bool by_default, struct arena *arena,
			struct exporter_options *out);
/* Is there any sink? */
bool exporter_options_any(const struct exporter_options *o);

#endif

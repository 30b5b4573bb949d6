/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The exporter's options from OpenTelemetry's standard environment variables
 * (specification: protocol/exporter.md, configuration/sdk-environment-variables.md).
 */
#ifndef SONDE_EXPORT_OTEL_ENV_H
#define SONDE_EXPORT_OTEL_ENV_H

#include "user/base/arena.h"
#include "user/export/exporter.h"

/*
 * Overrides what the variables say and leaves the rest. `get` is getenv or the like; strings it
 * returns must stay, those made here live in the arena. An empty value counts as unset, a bad one
 * is warned about and ignored. -ENOMEM when the arena is full.
 */
int otel_env_read(struct exporter_options *o, struct arena *arena, char *(*get)(const char *name));

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The report of `sonde doctor`: a table for people, or one JSON object. */
#ifndef SONDE_CLI_DOCTOR_VIEW_H
#define SONDE_CLI_DOCTOR_VIEW_H

#include "user/base/capability.h"
#include "user/cli/line.h"

/*
 * Writes the report and flushes. 0, or a negative errno.
 * JSON: {"kernel", "arch", "capabilities": [{"name", "state": "ok" | "degraded" | "missing",
 * "hook", "why", "todo", "tried"}]}; texts that are NULL are null.
 */
int doctor_view(FILE *out, enum view_format format, bool colour, const char *kernel,
		const char *arch, const struct capability *capabilities, size_t cnt);

#endif

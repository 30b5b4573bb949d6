/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file of OTLP/JSON lines. Only whole lines stay in it: what a full disk cuts off is taken back.
 */
#ifndef SONDE_EXPORT_JSON_FILE_H
#define SONDE_EXPORT_JSON_FILE_H

#include "user/export/json_writer.h"
#include "user/export/span_groups.h"

struct json_file;

/* Truncates or makes the file (mode 0600: spans are private). NULL with errno, logged. */
struct json_file *json_file__new(const char *path, const char *version);
void json_file__free(struct json_file *f);
/*
 * Writes the spans as a line (several if they are too many for one); counts them WRITTEN or
 * FAILED. groups is scratch.
 */
void json_file__write(struct json_file *f, struct span_groups *groups,
		      const struct span *const *spans, uint32_t cnt);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file of OTLP/JSON lines. Only whole lines stay in it: what a full disk cuts off is taken back.
 */
#ifndef SONDE_EXPORT_JSON_FILE_H
#define SONDE_EXPORT_JSON_FILE_H

#include "user/base/slice.h"

struct json_file;

/* Truncates or makes the file (mode 0600: spans are private). NULL with errno, logged. */
struct json_file *json_file__new(const char *path);
void json_file__free(struct json_file *f);
/* Appends a line, newline included; counts the spans in it WRITTEN or FAILED. One thread. */
void json_file__write(struct json_file *f, struct slice line, uint32_t spans_cnt);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spans from a file of JSON lines: as `sonde trace --json` prints them, or OTLP/JSON as `--otlp-file`
 * and the Collector write it.
 */
#ifndef SONDE_CLI_SPAN_READ_H
#define SONDE_CLI_SPAN_READ_H

#include <stdio.h>

#include "user/model/span.h"

#define SPAN_READ_LINE_MAX (64u << 20)
#define SPAN_READ_WHY_SZ 256

struct span_reading {
	/* Takes a span, which is valid until it returns. */
	void (*take)(void *ctx, const struct span *span);
	void *ctx;
	/* What was read: */
	uint64_t spans_cnt, lines_cnt;
	uint64_t bad_lines_cnt, bad_spans_cnt; /* left out */
	char why[SPAN_READ_WHY_SZ];	       /* the first of these was */
};

/* Reads to the end. 0, or a negative errno of reading or memory. */
int span_read(FILE *in, struct span_reading *reading);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* A sender's span as tests write it: as traceparent has it, whatever the format was. */
#ifndef SONDE_TESTS_TRACE_TEXT_H
#define SONDE_TESTS_TRACE_TEXT_H

#include <stdio.h>

#include "user/protocols/trace_headers.h"

#define TRACE_TEXT_SZ 56

static inline struct slice trace_text(const struct trace_parent *parent, char text[TRACE_TEXT_SZ])
{
	int n = snprintf(text, TRACE_TEXT_SZ, "00-");

	for (size_t i = 0; i < sizeof(parent->trace_id); i++)
		n += snprintf(text + n, TRACE_TEXT_SZ - (size_t)n, "%02x", parent->trace_id[i]);
	n += snprintf(text + n, TRACE_TEXT_SZ - (size_t)n, "-");
	for (size_t i = 0; i < sizeof(parent->span_id); i++)
		n += snprintf(text + n, TRACE_TEXT_SZ - (size_t)n, "%02x", parent->span_id[i]);
	n += snprintf(text + n, TRACE_TEXT_SZ - (size_t)n, "-%02x", parent->flags);
	return slice_of(text, (size_t)n);
}

#endif

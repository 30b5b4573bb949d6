/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spans as `sonde trace` shows them, while they arrive. Text: an aligned line per span, whole traces
 * as trees, on a wide terminal with a bar for the time of each span in its trace; `*` marks the
 * critical path where there is another. JSON: a flat object per span per line.
 *
 * One thread. The functions that write return 0 or a negative errno; after the first error (-EPIPE:
 * the reader has gone) they write nothing more and return that error again. The caller must ignore
 * SIGPIPE.
 */
#ifndef SONDE_CLI_TRACE_VIEW_H
#define SONDE_CLI_TRACE_VIEW_H

#include "user/cli/line.h"
#include "user/model/span.h"

/* How long a trace is held so that its spans can stand together. */
#define TRACE_VIEW_HOLD_NS 120000000u
/* And at most if it has a parent on this host that has not ended yet. What then comes stands apart. */
#define TRACE_VIEW_WAIT_NS 5000000000u
/* Spans shown of a trace at once; the rest is counted. */
#define TRACE_VIEW_SPANS_MAX 1000u
/* Spans held at most; then the oldest trace is shown early. */
#define TRACE_VIEW_HELD_MAX 4096u

struct trace_view;

/*
 * Writes the header line. out is borrowed. width is that of the terminal, to which lines are cut; 0
 * if out is none. NULL with errno.
 */
struct trace_view *trace_view__new(FILE *out, enum view_format format, bool colour,
				   unsigned int width);
/* Shows nothing more. NULL is legal. */
void trace_view__free(struct trace_view *view);
/* The terminal has a new width. */
void trace_view__set_width(struct trace_view *view, unsigned int width);
/* Takes a batch in, copying what it needs. JSON is written and flushed at once. */
int trace_view__add(struct trace_view *view, const struct span_batch *batch);
/* Shows the traces that were held long enough by now (CLOCK_MONOTONIC); call every 50 ms or so. */
int trace_view__tick(struct trace_view *view, uint64_t now_ns);
/* Shows all that is held. */
int trace_view__finish(struct trace_view *view);

#endif

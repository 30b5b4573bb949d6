/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Request rate, errors and durations, counted from every span before any is sampled out: a
 * histogram per instrument, resource and low-cardinality attributes (a series). Their number is
 * bounded; what is beyond goes to one series per instrument that says so, as the metrics SDK
 * specification has it: otel.metric.overflow=true.
 *
 * One thread observes; snapshots may be taken by others meanwhile.
 */
#ifndef SONDE_POLICY_RED_H
#define SONDE_POLICY_RED_H

#include "user/model/metric.h"
#include "user/model/span.h"

struct red;

/*
 * For at most max_series series. The overflow series are beyond_of's; a reference is taken. now_ns
 * is since the Unix epoch. NULL with errno.
 */
struct red *red__new(uint32_t max_series, struct resource *beyond_of, uint64_t now_ns);
void red__free(struct red *red);
/* Counts spans. Allocates only where a series is new. */
void red__observe(struct red *red, const struct span_batch *batch);
/* All series that have counted anything, for metric_snapshot__free. -ENOMEM. Any thread. */
int red__snapshot(struct red *red, uint64_t now_ns, struct metric_snapshot *out);
/*
 * The snapshot of an interval has been taken: what is new from now on starts at now_ns, and series
 * that were idle for some intervals are let go if their process has ended. Any thread.
 */
void red__next_interval(struct red *red, uint64_t now_ns);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Consistent probability sampling, as OpenTelemetry specifies it (trace/tracestate-probability-
 * sampling): whoever samples a trace with the same or a greater probability keeps it too, and each
 * span says with which probability it was kept. Numbers have 56 bits. A span is kept if its
 * randomness is not below the threshold.
 */
#ifndef SONDE_POLICY_CONSISTENT_H
#define SONDE_POLICY_CONSISTENT_H

#include "user/model/span.h"

#define THRESHOLD_NEVER (1ull << 56) /* above all randomness */
#define THRESHOLD_TEXT_SZ 15

/*
 * The threshold of a probability in millionths, rounded to four hexadecimal digits beyond leading
 * f's or zeros, as the Collector's sampler does.
 */
uint64_t threshold_of(uint64_t millionths);
/* The same as text, without trailing zeros; not for THRESHOLD_NEVER. */
struct slice threshold_text(uint64_t threshold, char text[THRESHOLD_TEXT_SZ]);
/* The rv of the tracestate, else the last 56 bits of the trace id. */
uint64_t randomness_of(const struct span *span);

#define TRACESTATE_SZ 512
/*
 * The tracestate with `ot=th:<th>` as its first member. What else there is stays, as far as W3C's
 * limits allow (512 bytes, 32 members, 256 bytes a value); members are given up from the end.
 */
struct slice tracestate_with_th(struct slice state, struct slice th, char text[TRACESTATE_SZ]);

#endif

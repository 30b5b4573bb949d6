/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trace ids, remembered for a while: a bounded set of two generations. An id is forgotten when two
 * periods are over, at the earliest one period after it was last added, or when too many came.
 */
#ifndef SONDE_POLICY_TRACE_SET_H
#define SONDE_POLICY_TRACE_SET_H

#include "user/model/span.h"

struct trace_set;

/* For at most max_cnt ids in a generation, a power of two. NULL with errno. */
struct trace_set *trace_set__new(uint32_t max_cnt, uint64_t period_ns);
void trace_set__free(struct trace_set *set);
/* How many ids were forgotten early to make room. */
uint32_t trace_set__add(struct trace_set *set, const struct trace_id *id, uint64_t now_ns);
bool trace_set__has(const struct trace_set *set, const struct trace_id *id);

#endif

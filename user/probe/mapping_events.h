/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which files processes map as code, told by the kernel at that moment: side-band records of a dummy
 * event on each CPU (perf_event_open(2)), as perf(1) keeps them. One thread.
 */
#ifndef SONDE_PROBE_MAPPING_EVENTS_H
#define SONDE_PROBE_MAPPING_EVENTS_H

#include "user/probe/mapped_file.h"

struct mapping_events;

struct mapping_sink {
	void (*mapped)(void *ctx, const struct mapped_file *file); /* gone when it returns */
	void *ctx;
	uint64_t lost_cnt; /* records that found no room; added to */
};

/* NULL with errno: EACCES where the kernel does not let this process. CPUs that are offline have none. */
struct mapping_events *mapping_events__new(void);
/* NULL is legal. */
void mapping_events__free(struct mapping_events *events);
/* To poll: readable when there may be records. */
int mapping_events__fd(const struct mapping_events *events);
/* Delivers all there are. */
void mapping_events__drain(struct mapping_events *events, struct mapping_sink *sink);

/* What the former does with a ring's content. Other records, and what is malformed, are passed over. */
void mapping_events_parse(struct slice records, struct mapping_sink *sink);

#endif

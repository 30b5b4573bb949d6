/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The wiring: capture -> flow -> redaction -> metrics -> sampling -> view and export. No logic of its own.
 *
 * Threads. The capture thread owns capture, flow and ident, and redacts resources and spans as soon
 * as they are made. Samples go from there to the profile thread, which makes profiles of them.
 * Without a view it also gives the spans to the exporter, which encodes them there and then, while
 * they are in the core's cache. A view may block: then batches go through a bounded queue to the
 * thread that calls pipeline__poll (the main one), which shows and exports them. A batch belongs to
 * whoever holds it.
 */
#ifndef SONDE_PIPELINE_H
#define SONDE_PIPELINE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "user/control/config.h"
#include "user/model/profile.h"
#include "user/model/unknown.h"

#define PIPELINE_WHY_SZ 1024

struct pipeline_options {
	const struct config *config; /* borrowed until pipeline__free */
	bool export_by_default;	     /* without any sink configured: to the OTLP default endpoint */
	bool with_policy;	     /* metrics and sampling, as configured; not with show */
	bool wait_for_export;	     /* rather than to drop spans: for a replay */
	const char *record_file;     /* also record the ring there; NULL: no */
	uint64_t only_pid; /* trace this pid and its descendants instead of config's pids; 0: no */
	/* Shows redacted spans, at least one, in the thread that polls; may be NULL. */
	void (*show)(void *ctx, const struct span_batch *batch);
	void *show_ctx;
	bool profile_only;   /* trace nothing */
	uint32_t sample_hz;  /* take CPU samples, so many a second of each CPU; 0: none */
	bool sample_or_fail; /* else go on without them */
	bool lines;	     /* of the source, and inlined functions, in profiles */
	bool off_cpu;	   /* instead of the CPUs look at the threads that are on none, as often */
	uint32_t waits_hz; /* or look at those beside the CPUs, so many times a second; 0: never */
	uint64_t profile_interval_ns; /* a profile is made so often; 0: one, at the end */
	/* Takes over a profile, in the profile thread; may be NULL. It has been exported. */
	void (*profile)(void *ctx, struct profile *profile);
	void *profile_ctx;
	/* The capture thread ran; any thread. May be NULL. */
	void (*tick)(void *ctx);
	void *tick_ctx;
};

struct pipeline;

/* NULL with a sentence for the user in why. Nothing is captured yet. */
struct pipeline *pipeline__new(const struct pipeline_options *options, char why[PIPELINE_WHY_SZ]);
/* Loads and attaches the probes and starts the capture thread. 0, or -1 with why. */
int pipeline__start(struct pipeline *p, char why[PIPELINE_WHY_SZ]);
/* Waits for one batch and passes it on. False when none came in time. */
bool pipeline__poll(struct pipeline *p, int timeout_ms);
/* Takes over the settings of redaction and sampling, for what is made from now on. */
void pipeline__reconfigure(struct pipeline *p, const struct config *config);
/*
 * Takes over the targets of the configuration that the pipeline has, after they have changed. 0, or
 * -1 with why; capture__retarget says what is then traced.
 */
int pipeline__retarget(struct pipeline *p, char why[PIPELINE_WHY_SZ]);
/* Takes over what the configuration says of TLS, and whom to probe for: detaches all, then begins anew. */
void pipeline__reprobe(struct pipeline *p);
/*
 * Takes over what the configuration says of ids for other hosts. Where they cannot be sent, that is logged,
 * and they are not.
 */
void pipeline__propagate(struct pipeline *p);
/* Runs a recording through instead of capturing. 0, or -1 with why. */
int pipeline__replay(struct pipeline *p, const char *file, char why[PIPELINE_WHY_SZ]);
/*
 * Ends capture, passes on what is left, and gives the exporter that long to deliver. 0, or -1 when
 * the recording is not whole, which has been logged. Twice is legal.
 */
int pipeline__stop(struct pipeline *p, unsigned int deadline_ms);
void pipeline__free(struct pipeline *p);
/* Writes the metrics of spans as Prometheus text; any thread. */
void pipeline__write_metrics(const struct pipeline *p, FILE *out);
/* Connections of no recognised protocol so far, as unknown_table__rows has them; any thread. */
size_t pipeline__unknown(struct pipeline *p, struct unknown_row rows[UNKNOWN_ROWS_MAX]);
/* Connections in the table, for a gauge; any thread. */
uint32_t pipeline__connection_cnt(const struct pipeline *p);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's HTTP endpoint: /metrics (Prometheus text 0.0.4), /healthz (is the capture loop alive?)
 * and /readyz (are the probes attached?). One thread of its own, few connections, short timeouts.
 */
#ifndef SONDE_CONTROL_HEALTH_H
#define SONDE_CONTROL_HEALTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct health;

/* A value that is read when /metrics is asked for, in the endpoint's thread. */
struct health_gauge {
	const char *name; /* whole, e.g. "sonde_connections_open" */
	const char *help;
	double (*read)(void *arg); /* must be safe beside the other threads */
	void *arg;
};

struct health_options {
	const char *listen;  /* "127.0.0.1:9464", "[::1]:0", ":9464" for every address */
	const char *version; /* for sonde_build_info; no quotes in it */
	const struct health_gauge *gauges; /* borrowed until health__free */
	size_t gauges_cnt;
	/* Appends metrics that are text already, in the endpoint's thread; may be NULL. */
	void (*append)(FILE *out, void *arg);
	void *append_arg;
	uint64_t stall_ns; /* without a tick for so long: unhealthy; 0 for 10 s */
};

/*
 * Starts to serve. NULL with errno and a sentence in error, which says what to change. The account
 * and the process's own memory and CPU time are served besides the gauges.
 */
struct health *health__new(const struct health_options *options, char *error, size_t error_sz);
/* The port that it listens on, for one that was given as 0. */
uint16_t health__port(const struct health *h);
/* The capture loop ran. Any thread, cheap. */
void health__tick(struct health *h);
/* Probes are attached, or not (again). False at the start. Any thread. */
void health__set_ready(struct health *h, bool ready);
/* Stops serving. NULL is legal. */
void health__free(struct health *h);

#endif

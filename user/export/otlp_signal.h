/* SPDX-License-Identifier: Apache-2.0 */
/* The kinds of telemetry that OTLP carries, each to a URL and a pipeline of its own. */
#ifndef SONDE_EXPORT_OTLP_SIGNAL_H
#define SONDE_EXPORT_OTLP_SIGNAL_H

#include "user/base/account.h"
#include "user/base/slice.h"

enum signal {
	SIGNAL_TRACES,
	SIGNAL_METRICS,
	SIGNAL_PROFILES,
	SIGNAL_CNT,
};

struct signal_row {
	const char *variable; /* OTEL_EXPORTER_OTLP_<variable>_... */
	const char *path;     /* below the base URL */
	const char *items;    /* what a request holds, for messages */
	enum account_entry sent, refused, failed, queue_full;
	bool joins; /* requests one after the other are one request */
	bool basic; /* every receiver has it, so "not found" means that the URL is wrong */
};

extern const struct signal_row signal_rows[SIGNAL_CNT];

#endif

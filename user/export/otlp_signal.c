// SPDX-License-Identifier: Apache-2.0
/* The table of signals. */
#include "user/export/otlp_signal.h"

const struct signal_row signal_rows[SIGNAL_CNT] = {
	[SIGNAL_TRACES] =
		{
			.variable = "TRACES",
			.path = "v1/traces",
			.items = "spans",
			.sent = ACCOUNT_SENT,
			.refused = ACCOUNT_REFUSED,
			.failed = ACCOUNT_FAILED,
			.queue_full = ACCOUNT_LOST_QUEUE,
			.joins = true,
			.basic = true,
		},
	[SIGNAL_METRICS] =
		{
			.variable = "METRICS",
			.path = "v1/metrics",
			.items = "data points",
			.sent = ACCOUNT_POINTS_SENT,
			.refused = ACCOUNT_POINTS_REFUSED,
			.failed = ACCOUNT_POINTS_FAILED,
			.queue_full = ACCOUNT_POINTS_QUEUE,
		},
	[SIGNAL_PROFILES] =
		{
			.variable = "PROFILES",
			.path = "v1development/profiles",
			.items = "samples",
			.sent = ACCOUNT_SAMPLES_SENT,
			.refused = ACCOUNT_SAMPLES_REFUSED,
			.failed = ACCOUNT_SAMPLES_FAILED,
			.queue_full = ACCOUNT_SAMPLES_QUEUE,
		},
};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Delivers spans to one OTLP/HTTP endpoint by the protocol's rules (opentelemetry-proto v1.11,
 * docs/specification.md): what is sent again and when, what is given up, what is split.
 */
#ifndef SONDE_EXPORT_OTLP_SENDER_H
#define SONDE_EXPORT_OTLP_SENDER_H

#include "user/export/exporter.h"
#include "user/export/span_groups.h"

struct otlp_sender;

/* NULL with errno; what is wrong with the options has been logged. */
struct otlp_sender *otlp_sender__new(const struct exporter_options *options);
void otlp_sender__free(struct otlp_sender *s);
/*
 * Sends the spans and waits until their fate is known; retries meanwhile. Each span is added to
 * the account once: SENT, REFUSED or FAILED. groups is scratch. One thread.
 */
void otlp_sender__send(struct otlp_sender *s, struct span_groups *groups,
		       const struct span *const *spans, uint32_t cnt);
/* Ends the sending that is under way, and all later, at once: FAILED. Any thread. */
void otlp_sender__abort(struct otlp_sender *s);

#endif

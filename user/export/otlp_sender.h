/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Delivers one signal to one OTLP/HTTP endpoint by the protocol's rules (opentelemetry-proto v1.11,
 * docs/specification.md): what is sent again and when, what is given up, what is split.
 */
#ifndef SONDE_EXPORT_OTLP_SENDER_H
#define SONDE_EXPORT_OTLP_SENDER_H

#include "user/export/exporter.h"

/* Items (spans) that were encoded together and stay together. One allocation, freed with free. */
struct parcel {
	struct parcel *next;
	uint32_t items_cnt;
	struct slice request; /* OTLP protobuf; empty when it is not for the endpoint */
	struct slice line;    /* OTLP/JSON, newline included; empty when it is not for the file */
	char bytes[];	      /* of both */
};

struct otlp_sender;

/* NULL with errno; what is wrong with the options has been logged. */
struct otlp_sender *otlp_sender__new(const struct exporter_options *options, enum signal signal);
void otlp_sender__free(struct otlp_sender *s);
/*
 * Sends the parcels, at least one, in one request and waits until their fate is known; retries
 * meanwhile, and splits between parcels what is too large for the receiver. Each item is added to
 * the account once: as sent, refused or failed. Borrows the parcels. One thread.
 */
void otlp_sender__send(struct otlp_sender *s, const struct parcel *first);
/* Has the endpoint said that it has no such signal? Then nothing is sent any more. Any thread. */
bool otlp_sender__is_absent(const struct otlp_sender *s);
/* Ends the sending that is under way, and all later, at once: FAILED. Any thread. */
void otlp_sender__abort(struct otlp_sender *s);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A profile as OTLP protobuf (profiles v1development of opentelemetry-proto v1.10 and v1.11,
 * ExportProfilesServiceRequest).
 */
#ifndef SONDE_EXPORT_OTLP_PROFILE_H
#define SONDE_EXPORT_OTLP_PROFILE_H

#include "user/export/otlp_common.h"
#include "user/model/profile.h"

/*
 * Writes p to w, which is reset first; `version` is the scope's, valid UTF-8. The dictionary holds
 * what the samples refer to and nothing else. A mapping that nothing identifies, no build-id and no
 * hash, is left out: its locations keep their functions. Requests must not be joined: each has its
 * own dictionary. Without samples nothing is written.
 * -EMSGSIZE when w's maximum is too small, -ENOMEM.
 */
int otlp_profile_encode(struct pb_writer *w, const struct profile *p, const char *version);

#endif

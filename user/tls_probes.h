/* SPDX-License-Identifier: Apache-2.0 */
/* Wires the prober to capture, as the configuration says. */
#ifndef SONDE_TLS_PROBES_H
#define SONDE_TLS_PROBES_H

#include "user/capture/capture.h"
#include "user/control/config.h"
#include "user/probe/prober.h"

/* command: one is about to be run. Both others are borrowed until prober__free. NULL with errno. */
struct prober *tls_probes_start(const struct config *c, struct capture *capture, bool command);

#endif

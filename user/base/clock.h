/* SPDX-License-Identifier: Apache-2.0 */
/* Clocks. The kernel stamps records with CLOCK_MONOTONIC; OTLP wants the Unix epoch. */
#ifndef SONDE_BASE_CLOCK_H
#define SONDE_BASE_CLOCK_H

#include <stdint.h>

/* CLOCK_MONOTONIC, ns. */
uint64_t clock_mono_ns(void);
/* CLOCK_REALTIME, ns since the Unix epoch. */
uint64_t clock_unix_ns(void);
/* What to add to a CLOCK_MONOTONIC time to get Unix time, measured now (best of a few readings). */
uint64_t clock_unix_offset_ns(void);

#endif

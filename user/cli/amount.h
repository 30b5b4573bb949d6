/* SPDX-License-Identifier: Apache-2.0 */
/* Amounts as a person reads them: three digits and a unit. */
#ifndef SONDE_CLI_AMOUNT_H
#define SONDE_CLI_AMOUNT_H

#include "user/base/slice.h"

#define AMOUNT_SZ 48

/* 1.24 ms, 12.4 ms, 124 ms, and "12.4 s " so that numbers end in one column. Composed in buf. */
struct slice amount_duration(uint64_t ns, char buf[AMOUNT_SZ]);
/* 52 B, 1.05 MB, in the same way. */
struct slice amount_bytes(uint64_t sz, char buf[AMOUNT_SZ]);
/* 0.02, 1.24, 12.4, 1240: how often a second. */
struct slice amount_rate(double rate, char buf[AMOUNT_SZ]);
/* 0 %, 0.12 %, 12.4 %, 100 %. What is not all, or not nothing, is not shown as that. */
struct slice amount_share(uint64_t part, uint64_t all, char buf[AMOUNT_SZ]);

#endif

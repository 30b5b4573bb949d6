/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The format of pprof (github.com/google/pprof, proto/profile.proto), compressed by gzip.
 */
#ifndef SONDE_EXPORT_PPROF_H
#define SONDE_EXPORT_PPROF_H

#include <stdio.h>

#include "user/model/profile.h"

/*
 * Values are samples/count and cpu/nanoseconds. Samples that differ in their time and CPU only are
 * one. Labels: service, thread, pid, tid, and trace_id and span_id where linked. 0, -ENOMEM,
 * -EMSGSIZE above 256 MiB, or the negative errno of writing.
 */
int pprof_write(const struct profile *p, FILE *out);

#endif

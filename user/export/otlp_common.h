/* SPDX-License-Identifier: Apache-2.0 */
/* The parts that requests of every signal are made of. */
#ifndef SONDE_EXPORT_OTLP_COMMON_H
#define SONDE_EXPORT_OTLP_COMMON_H

#include "user/export/pb_writer.h"
#include "user/model/resource.h"

#define OTLP_SCOPE_NAME "sonde"
#define OTLP_SCHEMA_URL "https://opentelemetry.io/schemas/1.44.0"
/*
 * The largest request, uncompressed: what receivers accept unless told otherwise (the protocol's
 * own limit is 64 MiB).
 */
#define OTLP_REQUEST_MAX_SZ (20u * 1024 * 1024)

/* The fields of an AnyValue. */
void otlp_put_value(struct pb_writer *w, const struct attr *attr);
/* A repeated KeyValue, of a field below 16: its tag is one byte. */
void otlp_put_attrs(struct pb_writer *w, unsigned int field, const struct attrs *attrs);
/* Field 1 of Scope<Signal>: sonde and its version. */
void otlp_put_scope(struct pb_writer *w, struct slice version);
/* Field 1 of Resource<Signal>. */
void otlp_put_resource(struct pb_writer *w, const struct resource *resource);

#endif

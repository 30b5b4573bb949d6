/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An OpenTelemetry resource: who emitted the telemetry. Immutable once made, but for being superseded, and shared between
 * threads by reference count.
 */
#ifndef SONDE_MODEL_RESOURCE_H
#define SONDE_MODEL_RESOURCE_H

#include "user/base/attr.h"

struct resource {
	_Atomic unsigned int refs;
	_Atomic bool superseded;   /* the process has another one by now */
	uint64_t id;		   /* unique within this run, never 0 */
	struct slice service_name; /* points into attrs */
	uint64_t service_key;	   /* a hash of it */
	uint32_t pid;
	struct attrs attrs;
};

/* A deep copy of attrs with one reference, or NULL with errno. */
struct resource *resource__new(const struct attrs *attrs, uint32_t pid);
struct resource *resource__hold(struct resource *r);
/* Gives a reference back; the last one frees. NULL is legal. */
void resource__release(struct resource *r);

#endif

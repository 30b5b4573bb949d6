/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who a process is: from its record, /proc and the host to an OpenTelemetry resource (semantic
 * conventions 1.44). One bounded table, used by one thread (the capture thread); the resources
 * themselves may be held anywhere.
 *
 * The record is what counts, for the process may be gone. /proc/PID adds to it only while it is
 * still the same process (equal start time) and, for what an exec changes, the same executable.
 */
#ifndef SONDE_IDENT_IDENT_H
#define SONDE_IDENT_IDENT_H

#include "include/abi/record.h"
#include "user/base/arena.h"
#include "user/base/attr.h"
#include "user/model/resource.h"

#define IDENT_PROCESSES_MAX 4096
#define IDENT_GRACE_NS (60ull * 1000000000u)

struct ident_options {
	const char *proc_root;	   /* NULL: "/proc" */
	const char *version;	   /* of sonde; NULL: left out */
	const struct attrs *extra; /* from the configuration, for every resource; may be NULL */
	uint32_t processes_max;	   /* 0: IDENT_PROCESSES_MAX */
	/* Takes out of a resource's attributes what must not leave; may be NULL. */
	void (*redact)(void *ctx, struct attrs *attrs, struct arena *arena);
	void *ctx;
	uint64_t grace_ns; /* how long the dead are kept; 0: IDENT_GRACE_NS */
};

struct ident;

/* Copies the options and reads the host's files once. NULL with errno. */
struct ident *ident__new(const struct ident_options *options);
void ident__free(struct ident *ident);

/*
 * Learns of a process. size is how many bytes rec really has. -EINVAL when its lengths lie, -ENOMEM.
 * A live process of the same pid counts as ended (exec, or a lost exit).
 */
int ident__process(struct ident *ident, const struct record_process *rec, size_t size);
/* The process ended; it stays known for the grace time, as late records may name it. */
void ident__exit(struct ident *ident, uint32_t process_id);

/*
 * Both are borrowed: hold what must outlive the next call of ident__process, ident__exit or ident__tick.
 * ident__resource returns NULL for a process_id that was never announced, or has been forgotten.
 */
struct resource *ident__resource(struct ident *ident, uint32_t process_id);
/* To be called often: looks now and then whether processes whose resource is asked for publish another one. */
void ident__tick(struct ident *ident, uint64_t now_ns);
/* For such a process: the host, and service.name "unknown_service". Never NULL. */
struct resource *ident__unknown(struct ident *ident);

/* Empty, and 0, for an unknown process. The slice is valid as long as the resource is. */
struct slice ident__comm(const struct ident *ident, uint32_t process_id);
uint32_t ident__pid(const struct ident *ident, uint32_t process_id);

struct ident_stats {
	uint32_t live_cnt, dead_cnt; /* in the table now */
	uint64_t evicted_cnt;	     /* forgotten because the table was full */
};
void ident__stats(const struct ident *ident, struct ident_stats *out);

#endif

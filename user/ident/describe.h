/* SPDX-License-Identifier: Apache-2.0 */
/* Makes the resource of one process. One thread. */
#ifndef SONDE_IDENT_DESCRIBE_H
#define SONDE_IDENT_DESCRIBE_H

#include "user/ident/ident.h"

struct describer;

/* proc_root, version, extra and redact of the options count. NULL with errno. */
struct describer *describer__new(const struct ident_options *options);
void describer__free(struct describer *d);

/* A record whose lengths have been checked; the slices point into it. */
struct process {
	const struct record_process *rec;
	struct slice comm, exe, cgroup;
	struct slice args, env;
};

/* -EINVAL when the record is shorter than it says, or names no process. */
int process_parse(const struct record_process *rec, size_t size, struct process *out);

/* A new resource with one reference, or NULL with errno. */
struct resource *describer__process(struct describer *d, const struct process *process);
/*
 * That resource with what the process's SDK publishes of it (user/base/process_context.h), if that has changed since
 * *published_ns, which is set, and is not what the resource of now has already: a new one with one reference. Else NULL.
 */
struct resource *describer__published(struct describer *d, const struct resource *described,
				      const struct resource *now, uint64_t start_ns,
				      uint64_t *published_ns);
/* What all resources have in common; borrowed, lives as long as d. */
struct resource *describer__unknown(struct describer *d);

#endif

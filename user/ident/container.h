/* SPDX-License-Identifier: Apache-2.0 */
/* What cgroup paths and host names tell about the container a process runs in. */
#ifndef SONDE_IDENT_CONTAINER_H
#define SONDE_IDENT_CONTAINER_H

#include "user/base/slice.h"

#define POD_UID_SZ 36

struct container {
	struct slice id; /* empty: in no container that we know of */
	struct slice
		cgroup; /* line of the unified hierarchy, else of systemd's; empty: not whole */
	char pod_uid[POD_UID_SZ]; /* with dashes; pod_uid[0] == 0: none seen */
};

/* Reads /proc/PID/cgroup; out's slices point into text. */
void container_parse(struct slice text, struct container *out);
/* Reads one path such as record_process.cgroup, whose leading components may be missing. */
void container_parse_path(struct slice path, struct container *out);

/*
 * The name of what a pod belongs to, if pod is what Kubernetes generates for a Deployment:
 * NAME-<replica set hash, 8 to 10>-<5>. Else the empty slice.
 */
struct slice container_workload(struct slice pod);

#endif

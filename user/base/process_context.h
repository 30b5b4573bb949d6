/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an SDK says about its own process where others can read it: a mapping named OTEL_CTX in its memory, with the
 * process's resource (OTEP 4719, version 2 of the format). Hostile, and may change while it is read.
 */
#ifndef SONDE_BASE_PROCESS_CONTEXT_H
#define SONDE_BASE_PROCESS_CONTEXT_H

#include <sys/types.h>

#include "user/base/attr.h"

#define PROCESS_CONTEXT_MAX_SZ (64u * 1024) /* of a payload; what is longer is not read */

/*
 * Reads it if it is another than that of *published_ns, which is 0 for none, into buf, which has room for
 * PROCESS_CONTEXT_MAX_SZ. Returns the length, and sets *published_ns; 0 if there is none, or no other; or a negative
 * errno. proc_dir_fd is from procfs_open. Takes as long as the kernel takes to list the process's mappings; memory that
 * a file stood behind when they were listed is not read, since a file system may keep who reads it waiting.
 */
ssize_t process_context_read(int proc_dir_fd, uint64_t *published_ns, char *buf);

/*
 * Adds the attributes of the resource, and those that are for readers alone (threadlocal.*), to lists, each of which may
 * be NULL; they point into the payload. Strings, numbers and truth values: others are passed over. -EPROTO when the
 * payload is malformed; what stood before that has been added.
 */
int process_context_decode(struct slice payload, struct attrs *resource, struct attrs *own);

#endif

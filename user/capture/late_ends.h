/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ends of connections that found no room in the ring, and wait in a queue in the kernel. All that the ring held of a
 * connection comes before its end: a batch of them is taken from the queue, and waits until the ring was read up to where it
 * was written to then.
 */
#ifndef SONDE_CAPTURE_LATE_ENDS_H
#define SONDE_CAPTURE_LATE_ENDS_H

#include <stddef.h>
#include <stdint.h>

struct late_ends;

/* queue_fd is that of late_ends, ring_fd of records; both outlive it. NULL with errno. */
struct late_ends *late_ends__new(int queue_fd, int ring_fd);
void late_ends__free(struct late_ends *l);

/* Before the ring is drained. put_cnt: how many were put into the queue so far. */
void late_ends__fetch(struct late_ends *l, uint32_t put_cnt);
/* After it was: calls take for those that are due, with records that are valid until it returns. */
void late_ends__deliver(struct late_ends *l, void (*take)(void *ctx, void *bytes, size_t len),
			void *ctx);

#endif

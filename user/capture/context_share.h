/* SPDX-License-Identifier: Apache-2.0 */
/* Tells other tracers, in a pinned map, which span a thread works for. Used by one thread. */
#ifndef SONDE_CAPTURE_CONTEXT_SHARE_H
#define SONDE_CAPTURE_CONTEXT_SHARE_H

#include <stdbool.h>

#include "include/abi/thread_context.h"

struct tracer_bpf;

/* Looks at this thread, which is at nothing. 0 or a negative errno. */
int context_share_try(struct tracer_bpf *bpf);
/* False if the thread is at something else, or has ended. */
bool context_share_tell(struct tracer_bpf *bpf, struct context_offer *offer);
/* Ends it, if nobody else has told something else of that thread since. */
void context_share_end(struct tracer_bpf *bpf, const struct context_offer *offer);

#endif

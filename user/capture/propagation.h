/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ids that go with requests from host to host in a TCP option (bpf/hop.bpf.h): the program is attached to
 * the root of the cgroups while that is wanted, and only if it passes its test.
 */
#ifndef SONDE_CAPTURE_PROPAGATION_H
#define SONDE_CAPTURE_PROPAGATION_H

#include <stddef.h>

struct bpf_link;
struct tracer_bpf;

/*
 * Attaches the program of a loaded and attached object, and tests it on connections of this process over
 * the loopback device: the bytes, how many of them wait to be read, and a half-close must be as without
 * it, and options must arrive. Other connections are left alone meanwhile, and until bss->propagation is
 * PROPAGATION_ON. NULL with a sentence in why; then all is as before.
 */
struct bpf_link *propagation_attach(struct tracer_bpf *bpf, char *why, size_t why_sz);
/* Nothing is written or read from the first moment on. NULL is legal. */
void propagation_detach(struct tracer_bpf *bpf, struct bpf_link *link);

#endif

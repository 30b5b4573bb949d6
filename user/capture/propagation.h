/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ids that go with requests from host to host in a TCP option (bpf/hop.bpf.h) or a header
 * (bpf/header.bpf.h): the programs are attached to the root of the cgroups, and to a map of sockets, while that
 * is wanted, and only if they pass their test.
 */
#ifndef SONDE_CAPTURE_PROPAGATION_H
#define SONDE_CAPTURE_PROPAGATION_H

#include <stdbool.h>
#include <stddef.h>

struct bpf_link;
struct bpf_program;
struct tracer_bpf;

/* To the root of the cgroups: runs for all of the host. NULL with a sentence in why. */
struct bpf_link *attach_to_root(const struct bpf_program *prog, char *why, size_t why_sz);
/*
 * Attaches the programs of a loaded and attached object, and tests them on connections of this process over
 * the loopback device: the bytes, how many of them wait to be read, and a half-close must be as without
 * them, and options or headers must arrive. Other connections are left alone meanwhile, and until bss->propagation is
 * PROPAGATION_ON. NULL with a sentence in why; then all is as before.
 */
struct bpf_link *propagation_attach(struct tracer_bpf *bpf, bool in_header, char *why,
				    size_t why_sz);
/* Nothing is written or read from the first moment on, and no socket stays in a map. NULL is legal. */
void propagation_detach(struct tracer_bpf *bpf, struct bpf_link *link);

#endif

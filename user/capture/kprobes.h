/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attaches the programs of the kprobe variant, which libbpf cannot: one program serves several
 * functions, and a return probe must hold as many sleeping calls as there may be.
 */
#ifndef SONDE_CAPTURE_KPROBES_H
#define SONDE_CAPTURE_KPROBES_H

#include <stddef.h>

struct bpf_link;
struct tracer_bpf;

/* Adds to links, of which cap fit and *cnt are there. 0 or negative errno. */
int kprobes_attach(struct tracer_bpf *bpf, struct bpf_link **links, size_t cap, size_t *cnt);
/* Removes what nobody uses any more: this process's, and those of one that was killed. */
void kprobes_clean_up(void);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Probes in a file, in every process that runs it: by one link for all of them (uprobe_multi, since
 * Linux 6.6), else by one for each, which the kernel takes 0.1 s to undo. Any thread.
 */
#ifndef SONDE_CAPTURE_UPROBES_H
#define SONDE_CAPTURE_UPROBES_H

#include <stdbool.h>

#include "user/capture/capture.h"

struct bpf_program;

/* True, with the reason in why, where there is only one link for each. */
bool uprobe_multi_missing(char *why, size_t why_sz);
/* The way must be known when the program is loaded; without this, one link for each. */
void uprobe_load_for_multi(struct bpf_program *prog);

/* enter runs at all sites, leave at the return of those with returns. NULL with errno. */
struct uprobes *uprobes__new(const struct bpf_program *enter, const struct bpf_program *leave,
			     int fd, const struct uprobe_site *sites, size_t cnt);
/* Attaches to a function of this program, and detaches. 0 or negative errno. */
int uprobes_try(const struct bpf_program *enter, const struct bpf_program *leave);

#endif

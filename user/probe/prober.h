/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of probes: a thread that learns which files processes map as code, searches each once for
 * a TLS library, and has probes attached as long as a process has the file mapped.
 *
 * A probe belongs to a file, whichever processes map it, now or later. So how a process came to a
 * library (it is older than sonde, it was started later, it loads the library when it needs it) makes
 * no difference. The thread owns all of the prober, and calls all of its callbacks.
 */
#ifndef SONDE_PROBE_PROBER_H
#define SONDE_PROBE_PROBER_H

#include <stddef.h>

#include "user/probe/tls_library.h"

#define PROBED_MAX 256 /* files that have probes at once */

struct prober_options {
	/* Files whose path, as a process sees it, fits one of these get no probes. Borrowed. */
	const char *const *deny; /* globs */
	size_t deny_cnt;
	/* Is that process traced? Files that neither such a one nor sonde maps get no probes. NULL: all are. */
	bool (*wanted)(void *ctx, uint32_t pid);
	/* Attaches probes to all sites, and tells what is known of Go: one of both at least. NULL with errno: not. */
	void *(*attach)(void *ctx, int fd, const struct tls_sites *sites);
	void (*detach)(void *ctx, void *attachment); /* at the end by several threads at once */
	/* Looks after what is attached, several times a second. NULL: it needs none of that. */
	void (*tend)(void *ctx, void *attachment);
	void *ctx;
	uint64_t look_ns;  /* how often is looked whether files are still mapped; 0: 10 s */
	uint64_t grace_ns; /* how long probes stay in a file that is not; 0: a minute */
};

struct prober;

/* Starts the thread. Probes are in place some time later. NULL with errno. */
struct prober *prober__new(const struct prober_options *options);
/*
 * Waits until the files that were mapped when it started have been seen to, at most that long. False
 * if they have not.
 */
bool prober__wait(struct prober *p, uint64_t timeout_ns);
/* Detaches everything and ends the thread; waits for one file's search at most. NULL is legal. */
void prober__free(struct prober *p);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* A command that waits for its start, so that it can be traced from its first byte. One thread. */
#ifndef SONDE_BASE_CHILD_H
#define SONDE_BASE_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

#define CHILD_NOT_STARTED 127 /* its status when it could not be run */

struct child {
	pid_t pid; /* 0: there is none */
	int start_fd;
	bool ended;
	int status; /* once ended: the exit code, or 128 and the signal, as shells have it */
};

/*
 * Forks. argv (which ends in NULL; borrowed) is run at child__start, or never if this process ends
 * before. Call it while there is one thread. 0 or a negative errno.
 */
int child__fork(struct child *child, char **argv);
/* Lets it run. 0 or a negative errno. */
int child__start(struct child *child);
/* Looks, without waiting, whether it has ended. Also true if there is none. */
bool child__ended(struct child *child);
/* Sends a signal, if it has not ended. */
void child__signal(struct child *child, int signal);
/* Waits for its end; a command that was not started never runs. */
void child__finish(struct child *child);

#endif

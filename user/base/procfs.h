/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bounded reading of /proc (proc(5)). What stands there is written by the traced programs: hostile.
 * All functions may be called from any thread; slices handed out point into the caller's bytes.
 */
#ifndef SONDE_BASE_PROCFS_H
#define SONDE_BASE_PROCFS_H

#include <sys/types.h>

#include "user/base/slice.h"

/*
 * A descriptor for the directory root/pid, or a negative errno; the caller closes it. It stays with
 * that very process: when it is gone reads fail with -ESRCH, even if the pid is in use again.
 */
int procfs_open(const char *root, uint32_t pid);
/*
 * The same if it is the process that started at start_ns (CLOCK_BOOTTIME, as the kernel's records
 * have it), else -ESRCH.
 */
int procfs_open_same(const char *root, uint32_t pid, uint64_t start_ns);
/*
 * The first cap bytes of a file, name being relative to the directory dir_fd (or absolute).
 * Returns how many there are, or a negative errno. Does not wait for pipes; adds no NUL.
 */
ssize_t procfs_read(int dir_fd, const char *name, char *buf, size_t cap);
/* The target of a symbolic link; -ENAMETOOLONG when it takes cap bytes or more. */
ssize_t procfs_link(int dir_fd, const char *name, char *buf, size_t cap);

/*
 * Opens a regular file for reading by a path as the process sees it, which no symbolic link leads out
 * of its root. dir_fd is from procfs_open. A descriptor that the caller closes, or a negative errno.
 */
int procfs_open_in_root(int dir_fd, const char *path);
/* Opens fd, which may have been opened with O_PATH, for reading if it is a regular file, as above. */
int procfs_reopen(int fd);

struct procfs_stat {
	uint32_t pid, parent_pid;
	struct slice comm;
	uint64_t start_ticks; /* since boot, in units of sysconf(_SC_CLK_TCK) */
};

/* Parses /proc/PID/stat; false when it is malformed. */
bool procfs_parse_stat(struct slice text, struct procfs_stat *out);

/*
 * Takes the next string off a list of NUL-terminated ones (cmdline, environ). False at the end, and
 * for a last string that lacks its NUL: it may be cut.
 */
bool procfs_next_string(struct slice *rest, struct slice *string);
/* Takes the next line, without its newline; false at the end. */
bool procfs_next_line(struct slice *rest, struct slice *line);

#endif

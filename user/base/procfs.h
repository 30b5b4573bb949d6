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
/*
 * All of a file, or its first max_sz bytes, as memory that the caller frees. Returns how many there
 * are, or a negative errno; then *text is NULL.
 */
ssize_t procfs_read_all(int dir_fd, const char *name, size_t max_sz, char **text);
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

#define PROCFS_MAPS_MAX_SZ (16u * 1024 * 1024) /* for procfs_read_all */

/* A line of /proc/PID/maps. */
struct procfs_mapping {
	uint64_t start, limit; /* addresses in the process */
	uint64_t file_off;     /* of start */
	uint32_t major, minor; /* the device that holds the inode */
	uint64_t inode;	       /* 0: no file */
	bool executable;
	struct slice path; /* as the kernel writes it; "" or "[vdso]" and the like without file */
};

/* Parses such a line; false when it is malformed. */
bool procfs_parse_mapping(struct slice line, struct procfs_mapping *out);

/*
 * Takes the next string off a list of NUL-terminated ones (cmdline, environ). False at the end, and
 * for a last string that lacks its NUL: it may be cut.
 */
bool procfs_next_string(struct slice *rest, struct slice *string);
/* Takes the next line, without its newline; false at the end. */
bool procfs_next_line(struct slice *rest, struct slice *line);

#endif

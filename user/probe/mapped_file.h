/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that processes have mapped as code: found in /proc/PID/maps, and opened by way of the
 * mapping, whatever has become of their paths. What stands there is hostile. Any thread.
 */
#ifndef SONDE_PROBE_MAPPED_FILE_H
#define SONDE_PROBE_MAPPED_FILE_H

#include "user/base/slice.h"

struct mapped_file {
	uint32_t pid;
	uint64_t start, limit; /* of one of its mappings */
	uint32_t major, minor; /* where maps(5) says that the inode is: not what stat(2) says */
	uint64_t inode;
	struct slice path; /* as the process sees it, perhaps with MAPPED_DELETED; borrowed */
};

#define MAPPED_DELETED " (deleted)"

/*
 * One content of one file. Files that differ in nothing else than the container they are seen from
 * are the same: a probe is in all of them.
 */
struct file_identity {
	uint64_t device; /* 0: any, for a file that overlays show */
	uint64_t inode, size;
	int64_t mtime_ns;
};

bool file_identity_eq(const struct file_identity *a, const struct file_identity *b);

/* 0, or a negative errno: -ENOENT when the process no longer has it mapped, or is gone. */
int mapped_file_identify(const struct mapped_file *file, struct file_identity *out);
/* Has the process it mapped? That can be told of files, too, that cannot be reached any more. */
bool mapped_file_is_mapped(const struct mapped_file *file);
/* A descriptor for reading, that the caller closes, and what it is of; or a negative errno. */
int mapped_file_open(const struct mapped_file *file, struct file_identity *out);

/*
 * Calls back for each mapping of code that processes have for which wanted, which may be NULL, says yes,
 * until *stop is set. The file is gone when take returns.
 */
void mapped_files_of_all(bool (*wanted)(void *ctx, uint32_t pid),
			 void (*take)(void *ctx, const struct mapped_file *file), void *ctx,
			 const _Atomic bool *stop);

#endif

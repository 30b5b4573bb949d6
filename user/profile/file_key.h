/* SPDX-License-Identifier: Apache-2.0 */
/* What tells that a file is still the one that was read: processes that map it share what is known of it. */
#ifndef SONDE_PROFILE_FILE_KEY_H
#define SONDE_PROFILE_FILE_KEY_H

#include <stdbool.h>
#include <stdint.h>

struct file_key {
	uint64_t dev, inode, size, mtime_ns;
};

/* Of an open file. False if it is no regular one. */
bool file_key_of(int fd, struct file_key *key);

#endif

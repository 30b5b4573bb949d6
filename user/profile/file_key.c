// SPDX-License-Identifier: Apache-2.0
/* By what fstat(2) says. */
#include "user/profile/file_key.h"

#include <sys/stat.h>

bool file_key_of(int fd, struct file_key *key)
{
	struct stat st;

	if (fstat(fd, &st))
		return false;
	*key = (struct file_key){
		.dev = st.st_dev,
		.inode = st.st_ino,
		.size = (uint64_t)st.st_size,
		.mtime_ns =
			(uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec,
	};
	return S_ISREG(st.st_mode);
}

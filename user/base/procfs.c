// SPDX-License-Identifier: Apache-2.0
/* Bounded reading of /proc, see proc(5). */
#include "user/base/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define PATH_SZ 512

int procfs_open(const char *root, uint32_t pid)
{
	char path[PATH_SZ];
	int fd, len = snprintf(path, sizeof(path), "%s/%u", root, pid);

	if (len < 0 || (size_t)len >= sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

ssize_t procfs_read(int dir_fd, const char *name, char *buf, size_t cap)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	ssize_t got = 0;
	size_t len = 0;

	if (fd < 0)
		return -errno;
	while (len < cap) {
		got = read(fd, buf + len, cap - len);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		len += (size_t)got;
	}
	if (got < 0)
		got = -errno;
	close(fd);
	return got < 0 ? got : (ssize_t)len;
}

ssize_t procfs_link(int dir_fd, const char *name, char *buf, size_t cap)
{
	ssize_t len = readlinkat(dir_fd, name, buf, cap);

	if (len < 0)
		return -errno;
	return (size_t)len == cap ? -ENAMETOOLONG : len;
}

/* Takes the next field, which a space or the end follows. */
static bool next_number(struct slice *rest, uint64_t *out)
{
	ptrdiff_t at = slice_find(*rest, ' ');
	struct slice field = at < 0 ? *rest : slice_first(*rest, (size_t)at);

	*rest = slice_after(*rest, field.n + 1);
	return slice_to_u64(field, out);
}

/* The comm may hold any byte, ") " included, so the fields are found from the last parenthesis. */
bool procfs_parse_stat(struct slice text, struct procfs_stat *out)
{
	enum {
		FIELD_STATE = 3,
		FIELD_PARENT = 4,
		FIELD_START = 22
	};
	const char *open = text.n ? memchr(text.p, '(', text.n) : NULL;
	const char *close = text.n ? memrchr(text.p, ')', text.n) : NULL;
	uint64_t pid, parent = 0, start = 0;
	struct slice rest;

	if (!open || !close || close < open || open == text.p || open[-1] != ' ')
		return false;
	if (!slice_to_u64(slice_of(text.p, (size_t)(open - 1 - text.p)), &pid) || pid > UINT32_MAX)
		return false;
	out->comm = slice_of(open + 1, (size_t)(close - open - 1));
	rest = slice_after(text, (size_t)(close - text.p) + 2);
	for (int field = FIELD_STATE; field <= FIELD_START; field++) {
		uint64_t *to = field == FIELD_PARENT  ? &parent
			       : field == FIELD_START ? &start
						      : NULL;
		uint64_t value = 0;

		if (!next_number(&rest, &value) && to)
			return false;
		if (to)
			*to = value;
	}
	if (parent > UINT32_MAX)
		return false;
	out->pid = (uint32_t)pid;
	out->parent_pid = (uint32_t)parent;
	out->start_ticks = start;
	return true;
}

bool procfs_next_string(struct slice *rest, struct slice *string)
{
	ptrdiff_t end = slice_find(*rest, '\0');

	if (end < 0)
		return false;
	*string = slice_first(*rest, (size_t)end);
	*rest = slice_after(*rest, (size_t)end + 1);
	return true;
}

bool procfs_next_line(struct slice *rest, struct slice *line)
{
	ptrdiff_t end = slice_find(*rest, '\n');

	if (rest->n == 0)
		return false;
	*line = end < 0 ? *rest : slice_first(*rest, (size_t)end);
	*rest = slice_after(*rest, line->n + 1);
	return true;
}

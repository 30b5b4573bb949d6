// SPDX-License-Identifier: Apache-2.0
/* Bounded reading of /proc, see proc(5). */
#include "user/base/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PATH_SZ 512
#define STAT_SZ 1024
#define READ_FIRST_SZ (128u * 1024)

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

/* The kernel tells no size, and a file that is read on in parts may change between them. */
ssize_t procfs_read_all(int dir_fd, const char *name, size_t max_sz, char **text)
{
	size_t cap = READ_FIRST_SZ < max_sz ? READ_FIRST_SZ : max_sz;
	ssize_t len;

	for (;; cap = cap * 4 < max_sz ? cap * 4 : max_sz) {
		*text = malloc(cap);
		len = *text ? procfs_read(dir_fd, name, *text, cap) : -ENOMEM;
		if (len >= 0 && ((size_t)len < cap || cap == max_sz))
			return len;
		free(*text);
		*text = NULL;
		if (len < 0)
			return len;
	}
}

ssize_t procfs_link(int dir_fd, const char *name, char *buf, size_t cap)
{
	ssize_t len = readlinkat(dir_fd, name, buf, cap);

	if (len < 0)
		return -errno;
	return (size_t)len == cap ? -ENAMETOOLONG : len;
}

int procfs_reopen(int fd)
{
	char path[64];
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	fd = open(path, O_RDONLY | O_NOCTTY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int procfs_open_in_root(int dir_fd, const char *path)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	int root_fd = openat(dir_fd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC), fd;
	long path_fd;

	if (root_fd < 0)
		return -errno;
	path_fd = syscall(SYS_openat2, root_fd, path, &how, sizeof(how));
	fd = path_fd < 0 ? -errno : procfs_reopen((int)path_fd);
	if (path_fd >= 0)
		close((int)path_fd);
	close(root_fd);
	return fd;
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

static bool take_char(struct slice *s, char c)
{
	if (!s->n || s->p[0] != c)
		return false;
	*s = slice_after(*s, 1);
	return true;
}

static bool take_word(struct slice *s, struct slice *word)
{
	ptrdiff_t space = slice_find(*s, ' ');

	*word = space < 0 ? *s : slice_first(*s, (size_t)space);
	*s = slice_trim(slice_after(*s, word->n));
	return word->n;
}

/* "START-LIMIT PERM OFFSET MAJOR:MINOR INODE   PATH" */
bool procfs_parse_mapping(struct slice line, struct procfs_mapping *out)
{
	uint64_t major, minor;
	struct slice perm, inode;

	*out = (struct procfs_mapping){0};
	if (!slice_take_hex(&line, &out->start) || !take_char(&line, '-') ||
	    !slice_take_hex(&line, &out->limit) || !take_char(&line, ' ') ||
	    !take_word(&line, &perm) || !slice_take_hex(&line, &out->file_off) ||
	    !take_char(&line, ' ') || !slice_take_hex(&line, &major) || !take_char(&line, ':') ||
	    !slice_take_hex(&line, &minor) || !take_char(&line, ' ') || !take_word(&line, &inode) ||
	    !slice_to_u64(inode, &out->inode))
		return false;
	out->major = (uint32_t)major;
	out->minor = (uint32_t)minor;
	out->executable = perm.n >= 4 && perm.p[2] == 'x';
	out->path = line;
	return perm.n >= 4 && out->start < out->limit && major <= UINT32_MAX && minor <= UINT32_MAX;
}

int procfs_open_same(const char *root, uint32_t pid, uint64_t start_ns)
{
	uint64_t ticks = start_ns / (1000000000u / (uint64_t)sysconf(_SC_CLK_TCK));
	int dir_fd = procfs_open(root, pid);
	struct procfs_stat stat;
	char text[STAT_SZ];
	ssize_t len;

	if (dir_fd < 0)
		return dir_fd;
	len = procfs_read(dir_fd, "stat", text, sizeof(text));
	if (start_ns && len > 0 && procfs_parse_stat(slice_of(text, (size_t)len), &stat) &&
	    stat.start_ticks + 1 >= ticks && stat.start_ticks <= ticks + 1)
		return dir_fd;
	close(dir_fd);
	return -ESRCH;
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

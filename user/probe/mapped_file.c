// SPDX-License-Identifier: Apache-2.0
/* /proc/PID/maps and /proc/PID/map_files, see proc(5). */
#include "user/probe/mapped_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "user/base/procfs.h"

#define LINK_SZ 96
#define PATH_SZ 4096

bool file_identity_eq(const struct file_identity *a, const struct file_identity *b)
{
	return a->device == b->device && a->inode == b->inode && a->size == b->size &&
	       a->mtime_ns == b->mtime_ns;
}

/* --- the mappings of processes ---------------------------------------------------------------- */

static void mapped_files_of(uint32_t pid, void (*take)(void *ctx, const struct mapped_file *file),
			    void *ctx)
{
	int dir_fd = procfs_open("/proc", pid);
	struct procfs_mapping read;
	struct slice text, line;
	char *memory;
	ssize_t len;

	if (dir_fd < 0)
		return;
	len = procfs_read_all(dir_fd, "maps", PROCFS_MAPS_MAX_SZ, &memory);
	close(dir_fd);
	text = slice_of(memory, len > 0 ? (size_t)len : 0);
	while (procfs_next_line(&text, &line)) {
		struct mapped_file file;

		if (!procfs_parse_mapping(line, &read) || !read.executable || !read.inode)
			continue;
		file = (struct mapped_file){
			.pid = pid,
			.start = read.start,
			.limit = read.limit,
			.major = read.major,
			.minor = read.minor,
			.inode = read.inode,
			.path = read.path,
		};
		take(ctx, &file);
	}
	free(memory);
}

void mapped_files_of_all(bool (*wanted)(void *ctx, uint32_t pid),
			 void (*take)(void *ctx, const struct mapped_file *file), void *ctx,
			 const _Atomic bool *stop)
{
	DIR *proc = opendir("/proc");
	const struct dirent *entry;
	uint64_t pid;

	while (proc && !*stop && (entry = readdir(proc))) {
		if (!slice_to_u64(slice_str(entry->d_name), &pid) || pid > UINT32_MAX)
			continue;
		if (!wanted || wanted(ctx, (uint32_t)pid))
			mapped_files_of((uint32_t)pid, take, ctx);
	}
	if (proc)
		closedir(proc);
}

/* --- one of them ------------------------------------------------------------------------------ */

struct wanted {
	const struct mapped_file *file;
	struct mapped_file found; /* without path; pid 0: not found */
};

static void match(void *ctx, const struct mapped_file *file)
{
	struct wanted *w = ctx;

	if (w->found.pid || file->inode != w->file->inode || file->major != w->file->major ||
	    file->minor != w->file->minor)
		return;
	w->found = *file;
	w->found.path = SLICE("");
}

static void put_link(char link[LINK_SZ], const struct mapped_file *file)
{
	snprintf(link, LINK_SZ, "/proc/%" PRIu32 "/map_files/%" PRIx64 "-%" PRIx64, file->pid,
		 file->start, file->limit);
}

/* Its mapping may have been split, or joined with the next one, since it was told of. */
static bool find_again(const struct mapped_file *file, char link[LINK_SZ])
{
	struct wanted wanted = {.file = file};

	mapped_files_of(file->pid, match, &wanted);
	put_link(link, &wanted.found);
	return wanted.found.pid;
}

bool mapped_file_is_mapped(const struct mapped_file *file)
{
	char link[LINK_SZ];

	return find_again(file, link);
}

static void set_identity(const struct stat *st, bool overlaid, struct file_identity *out)
{
	*out = (struct file_identity){
		.device = overlaid ? 0 : st->st_dev,
		.inode = st->st_ino,
		.size = (uint64_t)st->st_size,
		.mtime_ns = st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec,
	};
}

/* Each container has an overlay of its own over the same files; their inode numbers are kept. */
static int identify(const char *path, struct file_identity *out)
{
	struct statfs fs = {0};
	struct stat st;

	if (stat(path, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (major(st.st_dev) == 0 && statfs(path, &fs))
		return -errno;
	set_identity(&st, fs.f_type == OVERLAYFS_SUPER_MAGIC, out);
	return 0;
}

static int identify_fd(int fd, struct file_identity *out)
{
	char link[LINK_SZ];

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	return identify(link, out);
}

/* The links of map_files are for CAP_CHECKPOINT_RESTORE; at a path there may be another file by now. */
static int open_by_path(const struct mapped_file *file)
{
	int dir_fd = procfs_open("/proc", file->pid), fd;
	char path[PATH_SZ];
	struct stat st;

	if (dir_fd < 0)
		return dir_fd;
	snprintf(path, sizeof(path), "%.*s", (int)file->path.n, file->path.p);
	fd = procfs_open_in_root(dir_fd, path);
	close(dir_fd);
	if (fd >= 0 && (fstat(fd, &st) || st.st_ino != file->inode)) {
		close(fd);
		return -ENOENT;
	}
	return fd;
}

static bool is_forbidden(int err)
{
	return err == -EPERM || err == -EACCES;
}

int mapped_file_identify(const struct mapped_file *file, struct file_identity *out)
{
	char link[LINK_SZ];
	int err, fd;

	put_link(link, file);
	err = identify(link, out);
	if (err == -ENOENT && find_again(file, link))
		err = identify(link, out);
	if (is_forbidden(err)) {
		fd = open_by_path(file);
		err = fd < 0 ? fd : identify_fd(fd, out);
		if (fd >= 0)
			close(fd);
	}
	return err;
}

int mapped_file_open(const struct mapped_file *file, struct file_identity *out)
{
	char link[LINK_SZ];
	int fd, err;

	put_link(link, file);
	fd = open(link, O_RDONLY | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT && find_again(file, link))
		fd = open(link, O_RDONLY | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		fd = is_forbidden(-errno) ? open_by_path(file) : -errno;
	if (fd < 0)
		return fd;
	err = identify_fd(fd, out);
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}

// SPDX-License-Identifier: Apache-2.0
/* Taken as it is, or made as it should be. */
#include "user/capture/context_map.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "user/base/log.h"

#define ENTRIES_CNT 16384

static int fits(const struct bpf_map *map, int fd)
{
	struct bpf_map_info info = {.type = 0};
	uint32_t sz = sizeof(info);
	int err = bpf_obj_get_info_by_fd(fd, &info, &sz);

	if (err)
		return err;
	return info.type == bpf_map__type(map) && info.key_size == bpf_map__key_size(map) &&
			       info.value_size == bpf_map__value_size(map)
		       ? 0
		       : -EINVAL;
}

static int take(struct bpf_map *map, const char *path, int fd)
{
	int err = fits(map, fd) ?: bpf_map__reuse_fd(map, fd);

	if (err == -EINVAL)
		log_error(
			"%s is not a map that says what threads work for: see profiles.context_map",
			path);
	else if (err)
		log_error("cannot use the map %s: %s", path, strerror(-err));
	return err;
}

/* libbpf pins it when it is loaded. */
static int make(struct bpf_map *map, const char *path)
{
	const char *slash = strrchr(path, '/');
	char directory[PATH_MAX];
	struct statfs fs;
	int err;

	snprintf(directory, sizeof(directory), "%.*s", slash ? (int)(slash - path) : 0, path);
	if (slash && mkdir(directory, 0700) && errno != EEXIST) {
		log_error("cannot make %s: %s", directory, strerror(errno));
		return -errno;
	}
	if (!slash || statfs(directory, &fs) || fs.f_type != BPF_FS_MAGIC) {
		log_error(
			"%s is not on a BPF file system: mount one (mount -t bpf bpf /sys/fs/bpf)",
			path);
		return -EINVAL;
	}
	err = bpf_map__set_max_entries(map, ENTRIES_CNT) ?: bpf_map__set_pin_path(map, path);
	if (err)
		log_error("cannot make the map %s: %s", path, strerror(-err));
	return err;
}

int context_map_share(struct bpf_map *map, const char *path)
{
	int fd = bpf_obj_get(path), err;

	if (fd == -ENOENT)
		return make(map, path);
	if (fd < 0) {
		log_error("cannot open the map %s: %s", path, strerror(-fd));
		return fd;
	}
	err = take(map, path, fd);
	close(fd);
	return err;
}

// SPDX-License-Identifier: Apache-2.0
/* Names, paths and ids that a person gives, resolved to what the kernel can compare. */
#include "user/capture/filter.h"

#include <bpf/bpf.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "include/abi/tracer.h"
#include "user/base/procfs.h"

#define CGROUP_DEPTH_MAX 16
#define CONTAINER_DIGITS_MIN 6
#define HEX_DIGITS "0123456789abcdef"

static const uint8_t present = 1;

unsigned int filter_bits(const struct targets *t)
{
	return (t->pids_cnt ? FILTER_PIDS : 0) | (t->names_cnt ? FILTER_NAMES : 0) |
	       (t->exes_cnt ? FILTER_EXES : 0) |
	       (t->cgroups_cnt || t->containers_cnt ? FILTER_CGROUPS : 0) |
	       (t->ports_cnt ? FILTER_PORTS : 0) | (t->descendants ? FILTER_DESCENDANTS : 0);
}

static int add(int map_fd, const void *key, char *why, size_t why_sz)
{
	if (map_fd < 0 || bpf_map_update_elem(map_fd, key, &present, BPF_ANY) == 0)
		return 0;
	snprintf(why, why_sz, "cannot set a filter: %s", strerror(errno));
	return -1;
}

/* The parent of a process, 0 if it cannot be read. */
static uint32_t parent_of(uint32_t pid)
{
	int dir_fd = procfs_open("/proc", pid);
	struct procfs_stat stat;
	char text[1024];
	ssize_t len;

	if (dir_fd < 0)
		return 0;
	len = procfs_read(dir_fd, "stat", text, sizeof(text));
	close(dir_fd);
	if (len <= 0 || !procfs_parse_stat(slice_of(text, (size_t)len), &stat))
		return 0;
	return stat.parent_pid;
}

/* Adds every process whose parent is in the map; the number added. */
static int add_children(int map_fd)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	int added_cnt = 0;

	if (!proc)
		return 0;
	while ((entry = readdir(proc))) {
		uint32_t pid = (uint32_t)strtoul(entry->d_name, NULL, 10), parent;
		uint8_t value;

		if (!pid || bpf_map_lookup_elem(map_fd, &pid, &value) == 0)
			continue;
		parent = parent_of(pid);
		if (parent && bpf_map_lookup_elem(map_fd, &parent, &value) == 0 &&
		    bpf_map_update_elem(map_fd, &pid, &present, BPF_ANY) == 0)
			added_cnt++;
	}
	closedir(proc);
	return added_cnt;
}

static int fill_pids(const struct targets *t, int map_fd, char *why, size_t why_sz)
{
	for (size_t i = 0; i < t->pids_cnt; i++) {
		uint32_t pid = (uint32_t)t->pids[i];
		char path[64];

		snprintf(path, sizeof(path), "/proc/%u", pid);
		if (t->pids[i] > INT32_MAX || access(path, F_OK)) {
			snprintf(why, why_sz, "there is no process %llu",
				 (unsigned long long)t->pids[i]);
			return -1;
		}
		if (add(map_fd, &pid, why, why_sz))
			return -1;
	}
	while (t->descendants && t->pids_cnt && map_fd >= 0 && add_children(map_fd))
		;
	return 0;
}

int filter_fill_names(const char *const *names, size_t cnt, int map_fd, char *why, size_t why_sz)
{
	for (size_t i = 0; i < cnt; i++) {
		struct name_key key = {0};

		snprintf(key.comm, sizeof(key.comm), "%s", names[i]);
		if (add(map_fd, &key, why, why_sz))
			return -1;
	}
	return 0;
}

static int fill_exes(const struct targets *t, int map_fd, char *why, size_t why_sz)
{
	for (size_t i = 0; i < t->exes_cnt; i++) {
		struct exe_key key = {0};
		struct stat st;

		if (stat(t->exes[i], &st)) {
			snprintf(why, why_sz, "cannot find the executable %s: %s", t->exes[i],
				 strerror(errno));
			return -1;
		}
		key.inode = st.st_ino;
		key.dev = major(st.st_dev) << 20 | minor(st.st_dev);
		if (add(map_fd, &key, why, why_sz))
			return -1;
	}
	return 0;
}

static int fill_ports(const struct targets *t, int map_fd, char *why, size_t why_sz)
{
	for (size_t i = 0; i < t->ports_cnt; i++) {
		uint16_t port = (uint16_t)t->ports[i];

		if (add(map_fd, &port, why, why_sz))
			return -1;
	}
	return 0;
}

bool find_cgroup2(char *path, size_t path_sz)
{
	FILE *mounts = fopen("/proc/self/mounts", "re");
	char line[1024], at[512], type[64];
	bool found = false;

	if (!mounts)
		return false;
	while (!found && fgets(line, sizeof(line), mounts))
		if (sscanf(line, "%*s %511s %63s", at, type) == 2 && strcmp(type, "cgroup2") == 0) {
			snprintf(path, path_sz, "%s", at);
			found = true;
		}
	fclose(mounts);
	return found;
}

static int add_cgroup(const char *path, int map_fd, char *why, size_t why_sz)
{
	struct stat st;
	uint64_t id;
	int err = stat(path, &st) ? errno : S_ISDIR(st.st_mode) ? 0 : ENOTDIR;

	if (err) {
		snprintf(why, why_sz, "cannot find the cgroup %s: %s", path, strerror(err));
		return -1;
	}
	id = st.st_ino;
	return add(map_fd, &id, why, why_sz);
}

/* docker-ID.scope, cri-containerd-ID.scope, ID and the like, of which id may be the beginning. */
static bool names_container(const char *name, const char *id)
{
	for (const char *at = strstr(name, id); at; at = strstr(at + 1, id))
		if (at == name || !isalnum((unsigned char)at[-1]))
			return true;
	return false;
}

/* Adds every cgroup below path that is named after the container; the number found, or -1. */
static int add_container(const char *path, const char *id, int depth, int map_fd, char *why,
			 size_t why_sz)
{
	DIR *dir = depth < CGROUP_DEPTH_MAX ? opendir(path) : NULL;
	struct dirent *entry;
	int found_cnt = 0;

	while (dir && found_cnt >= 0 && (entry = readdir(dir))) {
		char below[4096];
		int n;

		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		if (snprintf(below, sizeof(below), "%s/%s", path, entry->d_name) >=
		    (int)sizeof(below))
			continue;
		if (names_container(entry->d_name, id))
			n = add_cgroup(below, map_fd, why, why_sz) ? -1 : 1;
		else
			n = add_container(below, id, depth + 1, map_fd, why, why_sz);
		found_cnt = n < 0 ? -1 : found_cnt + n;
	}
	if (dir)
		closedir(dir);
	return found_cnt;
}

static int fill_cgroups(const struct targets *t, int map_fd, char *why, size_t why_sz)
{
	char root[512];

	if (!t->cgroups_cnt && !t->containers_cnt)
		return 0;
	if (!find_cgroup2(root, sizeof(root))) {
		snprintf(why, why_sz,
			 "cgroup and container targets need cgroup v2, which is not mounted: "
			 "mount -t cgroup2 none /sys/fs/cgroup");
		return -1;
	}
	for (size_t i = 0; i < t->cgroups_cnt; i++) {
		const char *path = t->cgroups[i];
		char full[4608];

		snprintf(full, sizeof(full), "%s/%s", root, path);
		if (add_cgroup(path[0] == '/' && access(path, F_OK) == 0 ? path : full, map_fd, why,
			       why_sz))
			return -1;
	}
	for (size_t i = 0; i < t->containers_cnt; i++) {
		const char *id = t->containers[i];
		int n;

		if (strlen(id) < CONTAINER_DIGITS_MIN || id[strspn(id, HEX_DIGITS)]) {
			snprintf(
				why, why_sz,
				"%s is no container id: give at least %d of its hexadecimal digits",
				id, CONTAINER_DIGITS_MIN);
			return -1;
		}
		n = add_container(root, id, 0, map_fd, why, why_sz);
		if (n == 0)
			snprintf(why, why_sz, "no cgroup below %s is named after the container %s",
				 root, id);
		if (n <= 0)
			return -1;
	}
	return 0;
}

int filter_fill(const struct targets *t, const struct filter_maps *maps, char *why, size_t why_sz)
{
	int err = fill_pids(t, maps->pids, why, why_sz);

	err = err ?: filter_fill_names(t->names, t->names_cnt, maps->names, why, why_sz);
	err = err ?: fill_exes(t, maps->exes, why, why_sz);
	err = err ?: fill_ports(t, maps->ports, why, why_sz);
	return err ?: fill_cgroups(t, maps->cgroups, why, why_sz);
}

void filter_clear_map(int map_fd)
{
	char key[64];

	while (bpf_map_get_next_key(map_fd, NULL, key) == 0)
		if (bpf_map_delete_elem(map_fd, key))
			break;
}

static bool name_passes(int map_fd, uint32_t pid)
{
	struct name_key key = {0};
	char path[32];
	uint8_t value;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%u/comm", pid);
	n = procfs_read(AT_FDCWD, path, key.comm, sizeof(key.comm));
	if (n <= 0)
		return false;
	key.comm[n - 1] = 0; /* a newline */
	return bpf_map_lookup_elem(map_fd, &key, &value) == 0;
}

static bool exe_passes(int map_fd, uint32_t pid)
{
	struct exe_key key = {0};
	struct stat st;
	char path[32];
	uint8_t value;

	snprintf(path, sizeof(path), "/proc/%u/exe", pid);
	if (stat(path, &st))
		return false;
	key.inode = st.st_ino;
	key.dev = major(st.st_dev) << 20 | minor(st.st_dev);
	return bpf_map_lookup_elem(map_fd, &key, &value) == 0;
}

bool filter_may_pass(const struct filter_maps *maps, unsigned int kinds, uint32_t pid)
{
	uint8_t value;

	return (!(kinds & FILTER_PIDS) || bpf_map_lookup_elem(maps->pids, &pid, &value) == 0) &&
	       (!(kinds & FILTER_NAMES) || name_passes(maps->names, pid)) &&
	       (!(kinds & FILTER_EXES) || exe_passes(maps->exes, pid));
}

void filter_clear(const struct filter_maps *maps)
{
	filter_clear_map(maps->pids);
	filter_clear_map(maps->names);
	filter_clear_map(maps->exes);
	filter_clear_map(maps->cgroups);
	filter_clear_map(maps->ports);
}

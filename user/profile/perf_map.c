// SPDX-License-Identifier: Apache-2.0
/* Lines of "START SIZE NAME", the numbers hexadecimal; later lines replace what they overlap. */
#include "user/profile/perf_map.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/base/clock.h"
#include "user/base/procfs.h"

#define SYMBOLS_MAX (1u << 18)
#define NAME_MAX_SZ 1024
#define LOOK_EVERY_NS 1000000000ull
#define STATUS_SZ 4096

void perf_map__init(struct perf_map *map)
{
	*map = (struct perf_map){0};
	name_ranges__init(&map->names, SYMBOLS_MAX, PERF_MAP_MAX_SZ);
}

void perf_map__free(struct perf_map *map)
{
	name_ranges__free(&map->names);
}

static void parse_line(struct perf_map *map, struct slice line)
{
	uint64_t start, size;

	if (slice_starts_with(line, SLICE("0x")))
		line = slice_after(line, 2);
	if (!slice_take_hex(&line, &start) || !line.n || line.p[0] != ' ')
		return;
	line = slice_after(line, 1);
	if (slice_starts_with(line, SLICE("0x")))
		line = slice_after(line, 2);
	if (!slice_take_hex(&line, &size) || !size || line.n < 2 || line.p[0] != ' ')
		return;
	name_ranges__add(&map->names, start, size, slice_first(slice_after(line, 1), NAME_MAX_SZ));
}

void perf_map__parse(struct perf_map *map, struct slice text)
{
	struct slice line;

	name_ranges__reset(&map->names);
	while (procfs_next_line(&text, &line))
		parse_line(map, line);
	name_ranges__sort(&map->names);
}

/* The pid in the process's own namespace, which is in the file's name; 0 if it cannot be read. */
static uint32_t innermost_pid(int proc_dir_fd)
{
	char text[STATUS_SZ];
	ssize_t len = procfs_read(proc_dir_fd, "status", text, sizeof(text));
	struct slice rest = slice_of(text, len > 0 ? (size_t)len : 0), line;
	uint64_t pid = 0;

	while (procfs_next_line(&rest, &line)) {
		const char *tab;

		if (!slice_starts_with(line, SLICE("NSpid:")))
			continue;
		tab = memrchr(line.p, '\t', line.n);
		if (tab && slice_to_u64(slice_after(line, (size_t)(tab + 1 - line.p)), &pid))
			return pid <= UINT32_MAX ? (uint32_t)pid : 0;
	}
	return 0;
}

static int open_file(int proc_dir_fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/tmp/perf-%u.map", innermost_pid(proc_dir_fd));
	return procfs_open_in_root(proc_dir_fd, path);
}

/* Is it new to us, and written by whom it is about? */
static bool wants_reading(const struct perf_map *map, int proc_dir_fd, const struct stat *file)
{
	uint64_t mtime_ns =
		(uint64_t)file->st_mtim.tv_sec * 1000000000u + (uint64_t)file->st_mtim.tv_nsec;
	struct stat process;

	if (fstat(proc_dir_fd, &process) || (file->st_uid != process.st_uid && file->st_uid != 0))
		return false;
	return (uint64_t)file->st_size != map->size || mtime_ns != map->mtime_ns;
}

static void read_file(struct perf_map *map, int fd, const struct stat *file)
{
	size_t sz = file->st_size > PERF_MAP_MAX_SZ ? PERF_MAP_MAX_SZ : (size_t)file->st_size;
	char *text = malloc(sz ?: 1);
	size_t len = 0;
	ssize_t got = 1;

	while (text && len < sz && got > 0) {
		got = pread(fd, text + len, sz - len, (off_t)len);
		len += got > 0 ? (size_t)got : 0;
	}
	if (text)
		perf_map__parse(map, slice_of(text, len));
	free(text);
	map->size = (uint64_t)file->st_size;
	map->mtime_ns =
		(uint64_t)file->st_mtim.tv_sec * 1000000000u + (uint64_t)file->st_mtim.tv_nsec;
}

static void look(struct perf_map *map, int proc_dir_fd)
{
	int fd = open_file(proc_dir_fd);
	struct stat file;

	if (fd < 0)
		return;
	if (fstat(fd, &file) == 0 && wants_reading(map, proc_dir_fd, &file))
		read_file(map, fd, &file);
	close(fd);
}

struct slice perf_map__find(struct perf_map *map, int proc_dir_fd, uint64_t address)
{
	const struct name_range *range = name_ranges__find(&map->names, address);
	uint64_t now_ns;

	if (range)
		return range->name;
	now_ns = clock_mono_ns();
	if (map->looked_ns && now_ns - map->looked_ns < LOOK_EVERY_NS)
		return SLICE("");
	map->looked_ns = now_ns;
	look(map, proc_dir_fd);
	range = name_ranges__find(&map->names, address);
	return range ? range->name : SLICE("");
}

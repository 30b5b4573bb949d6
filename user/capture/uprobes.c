// SPDX-License-Identifier: Apache-2.0
/* The older libbpf knows no uprobe_multi, so that is the system call bpf(2) itself. */
#include "user/capture/uprobes.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "user/base/procfs.h"
#include "user/capture/kernel.h"

#define ATTACH_UPROBE_MULTI 48 /* BPF_TRACE_UPROBE_MULTI */
#define UPROBE_MULTI_RETURN 1u /* BPF_F_UPROBE_MULTI_RETURN */
#define PATH_SZ 32

struct uprobes {
	int enter_fd, leave_fd; /* links for all; below 0: none */
	size_t links_cnt;
	struct bpf_link *links[]; /* for each */
};

/* --- one link for all ------------------------------------------------------------------------- */

/* The part of union bpf_attr that BPF_LINK_CREATE takes. */
struct multi_attr {
	uint32_t prog_fd, target_fd, attach_type, flags;
	uint64_t path, offsets, ref_ctr_offsets, cookies;
	uint32_t cnt, multi_flags, pid, pad;
};

bool uprobe_multi_missing(char *why, size_t why_sz)
{
	if (kernel_function_args("bpf_uprobe_multi_link_attach") >= 0)
		return false;
	snprintf(why, why_sz, "the kernel is older than 6.6");
	return true;
}

void uprobe_load_for_multi(struct bpf_program *prog)
{
	bpf_program__set_expected_attach_type(prog, ATTACH_UPROBE_MULTI);
}

/* A descriptor of the link, or a negative errno: -ENOENT when there are no such sites. */
static int link_multi(const struct bpf_program *prog, const char *path,
		      const struct uprobe_site *sites, size_t cnt, bool returns)
{
	uint64_t offsets[UPROBE_SITES_MAX], cookies[UPROBE_SITES_MAX];
	struct multi_attr attr = {
		.prog_fd = (uint32_t)bpf_program__fd(prog),
		.attach_type = ATTACH_UPROBE_MULTI,
		.path = (uintptr_t)path,
		.offsets = (uintptr_t)offsets,
		.cookies = (uintptr_t)cookies,
		.multi_flags = returns ? UPROBE_MULTI_RETURN : 0,
	};
	long fd;

	for (size_t i = 0; i < cnt; i++) {
		if (returns && !sites[i].returns)
			continue;
		offsets[attr.cnt] = sites[i].file_off;
		cookies[attr.cnt++] = sites[i].cookie;
	}
	if (!attr.cnt)
		return -ENOENT;
	fd = syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr));
	return fd < 0 ? -errno : (int)fd;
}

/* The return first: a call whose return is not told would never end. */
static int attach_multi(struct uprobes *uprobes, const struct bpf_program *enter,
			const struct bpf_program *leave, const char *path,
			const struct uprobe_site *sites, size_t cnt)
{
	uprobes->leave_fd = link_multi(leave, path, sites, cnt, true);
	if (uprobes->leave_fd < 0 && uprobes->leave_fd != -ENOENT)
		return uprobes->leave_fd;
	uprobes->enter_fd = link_multi(enter, path, sites, cnt, false);
	return uprobes->enter_fd < 0 ? uprobes->enter_fd : 0;
}

/* --- one link for each ------------------------------------------------------------------------ */

static int add_link(struct uprobes *uprobes, const struct bpf_program *prog, const char *path,
		    const struct uprobe_site *site, bool returns)
{
	LIBBPF_OPTS(bpf_uprobe_opts, opts);
	struct bpf_link *link;

	opts.bpf_cookie = site->cookie;
	opts.retprobe = returns;
	link = bpf_program__attach_uprobe_opts(prog, -1, path, site->file_off, &opts);
	if (!link)
		return -errno;
	uprobes->links[uprobes->links_cnt++] = link;
	return 0;
}

static int attach_each(struct uprobes *uprobes, const struct bpf_program *enter,
		       const struct bpf_program *leave, const char *path,
		       const struct uprobe_site *sites, size_t cnt)
{
	int err = 0;

	for (size_t i = 0; i < cnt && !err; i++) {
		if (sites[i].returns)
			err = add_link(uprobes, leave, path, &sites[i], true);
		err = err ?: add_link(uprobes, enter, path, &sites[i], false);
	}
	return err;
}

/* --- either way ------------------------------------------------------------------------------- */

struct uprobes *uprobes__new(const struct bpf_program *enter, const struct bpf_program *leave,
			     int fd, const struct uprobe_site *sites, size_t cnt)
{
	bool multi = bpf_program__expected_attach_type(enter) == ATTACH_UPROBE_MULTI;
	struct uprobes *uprobes = calloc(1, sizeof(*uprobes) + 2 * cnt * sizeof(struct bpf_link *));
	char path[PATH_SZ];
	int err;

	if (!uprobes)
		return NULL;
	uprobes->enter_fd = uprobes->leave_fd = -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	err = cnt > UPROBE_SITES_MAX ? -E2BIG
	      : multi		     ? attach_multi(uprobes, enter, leave, path, sites, cnt)
				     : attach_each(uprobes, enter, leave, path, sites, cnt);
	if (!err)
		return uprobes;
	uprobes__free(uprobes);
	errno = -err;
	return NULL;
}

void uprobes__free(struct uprobes *uprobes)
{
	if (!uprobes)
		return;
	if (uprobes->enter_fd >= 0)
		close(uprobes->enter_fd);
	if (uprobes->leave_fd >= 0)
		close(uprobes->leave_fd);
	for (size_t i = 0; i < uprobes->links_cnt; i++)
		bpf_link__destroy(uprobes->links[i]);
	free(uprobes);
}

/* Where in its file a function of this program is; false if that cannot be told. */
static bool find_in_file(uintptr_t function, uint64_t *file_off)
{
	struct procfs_mapping mapping;
	struct slice text, line;
	bool found = false;
	char *memory;
	ssize_t len = procfs_read_all(AT_FDCWD, "/proc/self/maps", PROCFS_MAPS_MAX_SZ, &memory);

	text = slice_of(memory, len > 0 ? (size_t)len : 0);
	while (!found && procfs_next_line(&text, &line)) {
		found = procfs_parse_mapping(line, &mapping) && mapping.start <= function &&
			function < mapping.limit && mapping.inode;
		*file_off = function - mapping.start + mapping.file_off;
	}
	free(memory);
	return found;
}

int uprobes_try(const struct bpf_program *enter, const struct bpf_program *leave)
{
	struct uprobe_site site = {.returns = true};
	struct uprobes *uprobes;
	int fd, err = 0;

	if (!find_in_file((uintptr_t)uprobes_try, &site.file_off))
		return -ENOENT;
	fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	uprobes = uprobes__new(enter, leave, fd, &site, 1);
	if (!uprobes)
		err = -errno;
	uprobes__free(uprobes);
	close(fd);
	return err;
}

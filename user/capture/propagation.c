// SPDX-License-Identifier: Apache-2.0
/* Attaches, tests, detaches. */
#include "user/capture/propagation.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "include/abi/hop.h"
#include "include/abi/tracer.h"
#include "bpf/tracer.skel.h"
#include "user/capture/filter.h"
#include "user/capture/loopback.h"

/* From less than a segment to more than fits the buffers. */
static const size_t test_sizes[] = {1, 1400, LOOPBACK_WAITING_MAX, 1u << 20};
#define TESTS_CNT (sizeof(test_sizes) / sizeof(test_sizes[0]))

/* The root of the cgroups, mounted for nobody else where it is not mounted. */
static int open_root(void)
{
	int fs_fd = fsopen("cgroup2", FSOPEN_CLOEXEC), fd = -1;
	char path[512];

	if (fs_fd >= 0) {
		if (fsconfig(fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
			fd = fsmount(fs_fd, FSMOUNT_CLOEXEC, 0);
		close(fs_fd);
	}
	if (fd < 0 && find_cgroup2(path, sizeof(path)))
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd;
}

static int test(struct tracer_bpf *bpf, char *why, size_t why_sz)
{
	uint64_t written_cnt = bpf->bss->hops_written, read_cnt = bpf->bss->hops_read;
	int err = 0;

	for (size_t i = 0; i < TESTS_CNT && !err; i++)
		err = loopback_check(test_sizes[i], why, why_sz);
	written_cnt = bpf->bss->hops_written - written_cnt;
	read_cnt = bpf->bss->hops_read - read_cnt;
	if (err || (written_cnt >= TESTS_CNT && read_cnt >= TESTS_CNT))
		return err;
	snprintf(why, why_sz,
		 "of the options on %zu connections over 127.0.0.1, %llu left and %llu arrived",
		 TESTS_CNT, (unsigned long long)written_cnt, (unsigned long long)read_cnt);
	return -1;
}

struct bpf_link *propagation_attach(struct tracer_bpf *bpf, char *why, size_t why_sz)
{
	int root_fd = open_root();
	struct bpf_link *link;

	if (root_fd < 0) {
		snprintf(why, why_sz, "cannot open the root of cgroup v2: %s", strerror(errno));
		return NULL;
	}
	link = bpf_program__attach_cgroup(bpf->progs.carry_ids, root_fd);
	if (!link)
		snprintf(why, why_sz, "cannot attach to the root cgroup: %s", strerror(errno));
	close(root_fd);
	if (!link)
		return NULL;
	bpf->bss->propagation = PROPAGATION_TEST;
	if (test(bpf, why, why_sz) == 0)
		return link;
	propagation_detach(bpf, link);
	return NULL;
}

void propagation_detach(struct tracer_bpf *bpf, struct bpf_link *link)
{
	if (!link)
		return;
	bpf->bss->propagation = PROPAGATION_OFF;
	bpf_link__destroy(link);
}

// SPDX-License-Identifier: Apache-2.0
/* Attaches, tests, detaches. */
#include "user/capture/propagation.h"

#include <bpf/bpf.h>
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

static int test_sizes_pass(char *why, size_t why_sz)
{
	int err = 0;

	for (size_t i = 0; i < TESTS_CNT && !err; i++)
		err = loopback_check(test_sizes[i], why, why_sz);
	return err;
}

static int test_options(struct tracer_bpf *bpf, char *why, size_t why_sz)
{
	uint64_t written_cnt = bpf->bss->hops_written, read_cnt = bpf->bss->hops_read;
	int err = test_sizes_pass(why, why_sz);

	written_cnt = bpf->bss->hops_written - written_cnt;
	read_cnt = bpf->bss->hops_read - read_cnt;
	if (err || (written_cnt >= TESTS_CNT && read_cnt >= TESTS_CNT))
		return err;
	snprintf(why, why_sz,
		 "of the options on %zu connections over 127.0.0.1, %llu left and %llu arrived",
		 TESTS_CNT, (unsigned long long)written_cnt, (unsigned long long)read_cnt);
	return -1;
}

static int attach_to_sockets(struct tracer_bpf *bpf, char *why, size_t why_sz)
{
	if (!bpf_prog_attach(bpf_program__fd(bpf->progs.insert_header),
			     bpf_map__fd(bpf->maps.opening_sockets), BPF_SK_MSG_VERDICT, 0))
		return 0;
	snprintf(why, why_sz, "cannot attach to a map of sockets: %s", strerror(errno));
	return -1;
}

/* Those that have not sent anything yet are as others again. */
static void detach_from_sockets(struct tracer_bpf *bpf)
{
	int map_fd = bpf_map__fd(bpf->maps.opening_sockets);
	uint64_t cookie;

	for (uint32_t i = bpf_map__max_entries(bpf->maps.opening_sockets);
	     i > 0 && !bpf_map_get_next_key(map_fd, NULL, &cookie); i--)
		bpf_map_delete_elem(map_fd, &cookie);
	bpf_prog_detach2(bpf_program__fd(bpf->progs.insert_header), map_fd, BPF_SK_MSG_VERDICT);
}

static int test_headers(struct tracer_bpf *bpf, char *why, size_t why_sz)
{
	int err = attach_to_sockets(bpf, why, why_sz);

	err = err ?: test_sizes_pass(why, why_sz);
	return err ?: loopback_check_header(why, why_sz);
}

struct bpf_link *attach_to_root(const struct bpf_program *prog, char *why, size_t why_sz)
{
	int root_fd = open_root();
	struct bpf_link *link;

	if (root_fd < 0) {
		snprintf(why, why_sz, "cannot open the root of cgroup v2: %s", strerror(errno));
		return NULL;
	}
	link = bpf_program__attach_cgroup(prog, root_fd);
	if (!link)
		snprintf(why, why_sz, "cannot attach to the root cgroup: %s", strerror(errno));
	close(root_fd);
	return link;
}

struct bpf_link *propagation_attach(struct tracer_bpf *bpf, bool in_header, char *why,
				    size_t why_sz)
{
	struct bpf_link *link = attach_to_root(bpf->progs.carry_ids, why, why_sz);

	if (!link)
		return NULL;
	bpf->bss->hops_in_header = in_header;
	bpf->bss->propagation = PROPAGATION_TEST;
	if ((in_header ? test_headers : test_options)(bpf, why, why_sz) == 0)
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
	if (bpf->bss->hops_in_header)
		detach_from_sockets(bpf);
	bpf->bss->hops_in_header = false;
}

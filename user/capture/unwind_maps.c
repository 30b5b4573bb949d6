// SPDX-License-Identifier: Apache-2.0
/* bpf(2): arrays that both sides map, in hashes of maps. */
#include "user/capture/unwind_maps.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t mapped_sz(uint32_t value_sz, uint32_t cnt)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return ((size_t)value_sz * cnt + page - 1) & ~(page - 1);
}

void *unwind_map_new(uint32_t value_sz, uint32_t cnt, int *fd)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_INNER_MAP | BPF_F_MMAPABLE);
	void *memory;
	int err;

	*fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "unwind", sizeof(uint32_t), value_sz, cnt, &opts);
	if (*fd < 0) {
		errno = -*fd;
		return NULL;
	}
	memory = mmap(NULL, mapped_sz(value_sz, cnt), PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	if (memory != MAP_FAILED)
		return memory;
	err = errno;
	close(*fd);
	errno = err;
	return NULL;
}

void unwind_map_unmap(void *memory, uint32_t value_sz, uint32_t cnt)
{
	munmap(memory, mapped_sz(value_sz, cnt));
}

int unwind_map_publish(int outer_fd, const uint32_t *ids, const int *fds, uint32_t cnt)
{
	uint32_t done = cnt;
	int err = 0;

	if (cnt > 1 && bpf_map_update_batch(outer_fd, ids, fds, &done, NULL) == 0)
		return 0;
	for (uint32_t i = 0; i < cnt; i++)
		err = bpf_map_update_elem(outer_fd, &ids[i], &fds[i], BPF_ANY) ?: err;
	return err;
}

void unwind_map_withdraw(int outer_fd, const uint32_t *ids, uint32_t cnt)
{
	uint32_t done = cnt;

	if (cnt > 1 && bpf_map_delete_batch(outer_fd, ids, &done, NULL) == 0)
		return;
	for (uint32_t i = 0; i < cnt; i++)
		bpf_map_delete_elem(outer_fd, &ids[i]);
}

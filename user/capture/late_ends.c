// SPDX-License-Identifier: Apache-2.0
/* A ring buffer's two positions, which count its bytes from its beginning, stand at its first and second page. */
#include "user/capture/late_ends.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "include/abi/record.h"
#include "include/abi/tracer.h"

struct late_ends {
	int queue_fd;
	const volatile unsigned long *consumed, *produced; /* bytes of the ring */
	size_t page_sz;
	uint32_t taken_cnt;  /* of those that were put into the queue */
	unsigned long until; /* they are due when the ring was read so far */
	size_t cnt;
	struct record_end ends[LATE_ENDS_MAX];
};

struct late_ends *late_ends__new(int queue_fd, int ring_fd)
{
	struct late_ends *l = calloc(1, sizeof(*l));
	void *mapped;

	if (!l)
		return NULL;
	l->queue_fd = queue_fd;
	l->page_sz = (size_t)sysconf(_SC_PAGESIZE);
	mapped = mmap(NULL, 2 * l->page_sz, PROT_READ, MAP_SHARED, ring_fd, 0);
	if (mapped == MAP_FAILED) {
		free(l);
		return NULL;
	}
	l->consumed = mapped;
	l->produced = l->consumed + l->page_sz / sizeof(*l->produced);
	return l;
}

void late_ends__free(struct late_ends *l)
{
	if (!l)
		return;
	munmap((void *)l->consumed, 2 * l->page_sz);
	free(l);
}

void late_ends__fetch(struct late_ends *l, uint32_t put_cnt)
{
	if (l->cnt || l->taken_cnt == put_cnt)
		return;
	while (l->cnt < LATE_ENDS_MAX &&
	       !bpf_map_lookup_and_delete_elem(l->queue_fd, NULL, &l->ends[l->cnt]))
		l->cnt++;
	l->taken_cnt += (uint32_t)l->cnt;
	l->until = __atomic_load_n(l->produced, __ATOMIC_ACQUIRE);
}

void late_ends__deliver(struct late_ends *l, void (*take)(void *ctx, void *bytes, size_t len),
			void *ctx)
{
	if (!l->cnt || (long)(*l->consumed - l->until) < 0)
		return;
	for (size_t i = 0; i < l->cnt; i++)
		take(ctx, &l->ends[i], sizeof(l->ends[i]));
	l->cnt = 0;
}

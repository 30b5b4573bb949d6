// SPDX-License-Identifier: Apache-2.0
/* One ring for each CPU; see perf_event_open(2) for their layout. */
#include "user/probe/mapping_events.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define RING_SZ (64u * 1024) /* a power of two; some 500 records */

struct ring {
	int fd;
	struct perf_event_mmap_page *head; /* a page, before the bytes */
};

struct mapping_events {
	int epoll_fd;
	char *copy; /* RING_SZ, of what is being parsed: a record may go around the ring's end */
	int rings_cnt;
	struct ring rings[];
};

/* --- records ---------------------------------------------------------------------------------- */

/* The fixed parts of the two that are of interest, as they follow their header. */
struct mmap2_record {
	uint32_t pid, tid;
	uint64_t address, size, page_off;
	uint32_t major, minor;
	uint64_t inode, inode_generation;
	uint32_t protection, flags;
	char path[]; /* ends with a NUL, and is padded */
};

struct lost_record {
	uint64_t event_id, cnt;
};

static void take_mmap2(struct slice body, struct mapping_sink *sink)
{
	struct mmap2_record record;
	struct mapped_file file;
	struct slice path;

	if (body.n < sizeof(record))
		return;
	memcpy(&record, body.p, sizeof(record));
	path = slice_after(body, sizeof(record));
	if (!record.inode || (int32_t)record.pid <= 0 || !(record.protection & PROT_EXEC) ||
	    !record.size || record.address + record.size < record.address)
		return;
	file = (struct mapped_file){
		.pid = record.pid,
		.start = record.address,
		.limit = record.address + record.size,
		.major = record.major,
		.minor = record.minor,
		.inode = record.inode,
		.path = slice_of(path.p, strnlen(path.p, path.n)),
	};
	sink->mapped(sink->ctx, &file);
}

static void take_lost(struct slice body, struct mapping_sink *sink)
{
	struct lost_record record;

	if (body.n < sizeof(record))
		return;
	memcpy(&record, body.p, sizeof(record));
	sink->lost_cnt += record.cnt;
}

void mapping_events_parse(struct slice records, struct mapping_sink *sink)
{
	struct perf_event_header head;
	struct slice body;

	while (records.n >= sizeof(head)) {
		memcpy(&head, records.p, sizeof(head));
		if (head.size < sizeof(head) || head.size > records.n)
			return;
		body = slice_after(slice_first(records, head.size), sizeof(head));
		if (head.type == PERF_RECORD_MMAP2)
			take_mmap2(body, sink);
		else if (head.type == PERF_RECORD_LOST)
			take_lost(body, sink);
		records = slice_after(records, head.size);
	}
}

/* --- rings ------------------------------------------------------------------------------------ */

static void drain_ring(struct mapping_events *events, struct ring *ring, struct mapping_sink *sink)
{
	const char *bytes = (const char *)ring->head + ring->head->data_offset;
	uint64_t head = __atomic_load_n(&ring->head->data_head, __ATOMIC_ACQUIRE);
	uint64_t tail = ring->head->data_tail;
	size_t n = (size_t)(head - tail), at = tail % RING_SZ;
	size_t first = n < RING_SZ - at ? n : RING_SZ - at;

	if (!n || n > RING_SZ)
		return;
	memcpy(events->copy, bytes + at, first);
	memcpy(events->copy + first, bytes, n - first);
	__atomic_store_n(&ring->head->data_tail, head, __ATOMIC_RELEASE);
	mapping_events_parse(slice_of(events->copy, n), sink);
}

void mapping_events__drain(struct mapping_events *events, struct mapping_sink *sink)
{
	for (int i = 0; i < events->rings_cnt; i++)
		drain_ring(events, &events->rings[i], sink);
}

int mapping_events__fd(const struct mapping_events *events)
{
	return events->epoll_fd;
}

/* Every record wakes: a mapping is followed by its first use. */
static int open_event(int cpu)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_DUMMY,
		.mmap = 1, /* of code; mmap_data would be of the rest */
		.mmap2 = 1,
		.watermark = 1,
		.wakeup_watermark = 1,
	};
	long fd = syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);

	return fd < 0 ? -errno : (int)fd;
}

static size_t map_sz(void)
{
	return (size_t)sysconf(_SC_PAGESIZE) + RING_SZ;
}

static int add_ring(struct mapping_events *events, int cpu)
{
	struct ring *ring = &events->rings[events->rings_cnt];
	struct epoll_event wanted = {.events = EPOLLIN};
	int fd = open_event(cpu), err;

	if (fd < 0)
		return fd == -ENODEV || fd == -ENXIO ? 0 : fd;
	ring->fd = fd;
	ring->head = mmap(NULL, map_sz(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (ring->head == MAP_FAILED) {
		err = -errno;
		close(fd);
		return err;
	}
	events->rings_cnt++;
	return epoll_ctl(events->epoll_fd, EPOLL_CTL_ADD, fd, &wanted) ? -errno : 0;
}

struct mapping_events *mapping_events__new(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_CONF);
	struct mapping_events *events;
	int err;

	events = calloc(1, sizeof(*events) + (size_t)cpus * sizeof(struct ring));
	if (!events)
		return NULL;
	events->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	err = events->epoll_fd < 0 ? -errno : 0;
	events->copy = malloc(RING_SZ);
	if (!events->copy)
		err = -ENOMEM;
	for (int cpu = 0; !err && cpu < cpus; cpu++)
		err = add_ring(events, cpu);
	if (!err)
		return events;
	mapping_events__free(events);
	errno = -err;
	return NULL;
}

void mapping_events__free(struct mapping_events *events)
{
	if (!events)
		return;
	for (int i = 0; i < events->rings_cnt; i++) {
		munmap(events->rings[i].head, map_sz());
		close(events->rings[i].fd);
	}
	if (events->epoll_fd >= 0)
		close(events->epoll_fd);
	free(events->copy);
	free(events);
}

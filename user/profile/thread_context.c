// SPDX-License-Identifier: Apache-2.0
/*
 * A program's own storage lies at a fixed distance from the thread pointer. For a library's the loader has written where it is:
 * to a slot for that very variable, of one of three kinds (ELF Handling For Thread-Local Storage; RFC TLSDESC).
 */
#include "user/profile/thread_context.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "user/base/elf_file.h"
#include "user/base/process_context.h"
#include "user/profile/process_memory.h"

#define VARIABLE "otel_thread_ctx_v1"
#define ATTRS_MAX 16
#define LOOK_FIRST_NS 500000000ull
#define LOOK_LAST_NS 60000000000ull
#define MODULES_MAX 65536u
#define STATIC_MAX (1ll << 30) /* how far below the thread pointer something may be */

/* --- the process's word for it ---------------------------------------------------------------- */

static bool says_so(const struct attrs *own)
{
	static const char *const versions[] = {"tlsdesc_v1_dev", "tls_v1"};
	struct slice version = attrs_get_str(own, SLICE("threadlocal.schema_version"));

	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++)
		if (slice_eq(version, slice_str(versions[i])))
			return true;
	return false;
}

static void read_declaration(struct thread_context_search *search, int proc_dir_fd)
{
	struct attr rows[ATTRS_MAX];
	struct attrs own = {.v = rows, .cap = ATTRS_MAX};
	char *buf = malloc(PROCESS_CONTEXT_MAX_SZ);
	ssize_t len = buf ? process_context_read(proc_dir_fd, &search->published_ns, buf) : 0;

	if (len > 0 && process_context_decode(slice_of(buf, (size_t)len), NULL, &own) == 0)
		search->declared = says_so(&own);
	free(buf);
}

/* --- where it is ------------------------------------------------------------------------------ */

static bool is_static(int64_t offset)
{
	return offset < 0 && offset >= -STATIC_MAX;
}

/* The loader's words of a slot; those that it has not written yet do not fit together. */
static bool read_slot(const struct elf_thread_local *variable, uint64_t load,
		      const struct process_memory *memory, struct thread_context_place *place)
{
	struct {
		uint64_t first, second;
	} slot, described;
	size_t sz = variable->slot_kind == THREAD_LOCAL_OFFSET ? sizeof(slot.first) : sizeof(slot);

	if (!memory->read(memory->ctx, load + variable->slot, &slot, sz))
		return false;
	switch (variable->slot_kind) {
	case THREAD_LOCAL_OFFSET:
		*place = (struct thread_context_place){.offset = (int64_t)slot.first};
		return is_static(place->offset);
	case THREAD_LOCAL_MODULE:
		*place = (struct thread_context_place){
			.offset = (int64_t)slot.second,
			.module = slot.first,
		};
		break;
	case THREAD_LOCAL_DESCRIPTOR:
		*place = (struct thread_context_place){.offset = (int64_t)slot.second};
		if (is_static(place->offset))
			return true;
		if (!memory->read(memory->ctx, slot.second, &described, sizeof(described)))
			return false;
		*place = (struct thread_context_place){
			.offset = (int64_t)described.second,
			.module = described.first,
		};
		break;
	case THREAD_LOCAL_NO_SLOT:
		return false;
	}
	return place->module && place->module < MODULES_MAX &&
	       place->offset == (int64_t)variable->offset;
}

static bool read_place(const struct elf_thread_local *variable, uint64_t load,
		       const struct process_memory *memory, struct thread_context_place *place)
{
	uint64_t align = variable->align ?: 1;

	if (!variable->of_program)
		return read_slot(variable, load, memory, place);
	*place = (struct thread_context_place){
		.offset = (int64_t)(variable->offset -
				    (variable->block_sz + align - 1) / align * align),
	};
	return is_static(place->offset);
}

static bool look_into(int fd, const struct mapping *mapping, const struct process_memory *memory,
		      struct thread_context_place *place)
{
	struct elf_segment segments[SEGMENTS_MAX];
	struct elf_thread_local variable;
	struct elf_file *elf = elf_file__open(fd);
	bool found = elf && elf_file__thread_local(elf, VARIABLE, &variable);
	uint32_t cnt = found ? elf_file__segments(elf, segments) : 0;

	elf_file__close(elf);
	for (uint32_t i = 0; i < cnt; i++) {
		const struct elf_segment *s = &segments[i];
		uint64_t load = mapping->start - mapping->file_off + s->file_off - s->address;

		/* Mapped from the page on that it begins in. */
		if (s->file_off < mapping->file_off + (mapping->limit - mapping->start) &&
		    mapping->file_off < s->file_off + s->size)
			return read_place(&variable, load, memory, place);
	}
	return false;
}

/* Whose tables of modules are others than glibc's. */
static bool is_musl(const struct mappings *mappings)
{
	for (uint32_t i = 0; i < mappings->cnt; i++) {
		struct slice path = mappings->v[i].path;

		if (path.n && memmem(path.p, path.n, "/ld-musl-", 9))
			return true;
	}
	return false;
}

bool thread_context__find(struct thread_context_search *search, int proc_dir_fd,
			  const struct mappings *mappings,
			  int (*open)(void *ctx, const struct mapping *mapping), void *ctx,
			  uint64_t now_ns, struct thread_context_place *place)
{
	struct process_memory memory;
	bool found = false;
	int memory_fd;

	if (search->known || now_ns < search->next_ns || proc_dir_fd < 0)
		return false;
	search->gap_ns = search->gap_ns ? 2 * search->gap_ns : LOOK_FIRST_NS;
	if (search->gap_ns > LOOK_LAST_NS)
		search->gap_ns = LOOK_LAST_NS;
	search->next_ns = now_ns + search->gap_ns;
	read_declaration(search, proc_dir_fd);
	memory_fd = search->declared ? openat(proc_dir_fd, "mem", O_RDONLY | O_CLOEXEC) : -1;
	if (memory_fd < 0)
		return false;
	memory = process_memory_of(memory_fd);
	for (uint32_t i = 0; i < mappings->cnt && !found; i++) {
		int fd = mappings->v[i].inode ? open(ctx, &mappings->v[i]) : -1;

		if (fd < 0)
			continue;
		found = look_into(fd, &mappings->v[i], &memory, place);
		close(fd);
	}
	close(memory_fd);
	search->known = found && !(place->module && is_musl(mappings));
	return search->known;
}

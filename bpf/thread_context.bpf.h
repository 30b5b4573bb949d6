/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Reads the span that a thread works for, where others than sonde say it. Its own SDK does so (OTEP 4947) by a pointer in its thread-local storage. glibc,
 * x86-64: the thread pointer is the FS base; the second word there is the address of the table of modules' blocks, of 16
 * bytes each, before whose first stands how many there are.
 */
#ifndef SONDE_BPF_THREAD_CONTEXT_H
#define SONDE_BPF_THREAD_CONTEXT_H

#include "include/abi/thread_context.h"
#include "bpf/maps.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, THREAD_CONTEXT_PROCESSES_MAX);
	__type(key, __u32);
	__type(value, struct thread_context_place);
} thread_context_places SEC(".maps") __weak;

/* Another tracer's, if it is asked for: by thread, as bpf_get_current_pid_tgid() has it. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1);
	__type(key, __u64);
	__type(value, struct shared_context);
} traces_ctx_v1 SEC(".maps") __weak;

#if defined(__TARGET_ARCH_x86)

#define BLOCK_SZ 16
#define BLOCK_NOT_YET (~0ull) /* the thread has not used that module's storage */

/* From the memory of a thread that waits, where a program may; else of the one that runs here. */
static __always_inline bool load_thread(void *to, __u32 sz, __u64 address,
					struct task_struct *waiting)
{
	if (waiting)
		return bpf_copy_from_user_task(to, sz, (void *)address, waiting, 0) == 0;
	return bpf_probe_read_user(to, sz, (void *)address) == 0;
}

/* 0: there is none. */
static __always_inline __u64 thread_context_pointer(const struct thread_context_place *place,
						    __u64 base, struct task_struct *waiting)
{
	__u64 table, cnt, at = base;

	if (place->module) {
		if (!load_thread(&table, sizeof(table), base + sizeof(table), waiting) ||
		    !load_thread(&cnt, sizeof(cnt), table - BLOCK_SZ, waiting) ||
		    place->module > cnt ||
		    !load_thread(&at, sizeof(at), table + place->module * BLOCK_SZ, waiting) ||
		    !at || at == BLOCK_NOT_YET)
			return 0;
	}
	return load_thread(&at, sizeof(at), at + place->offset, waiting) ? at : 0;
}

static __always_inline void read_published(struct record_sample *sample, struct task_struct *task,
					   struct task_struct *waiting)
{
	__u32 process_id = sample->process_id;
	const struct thread_context_place *place =
		bpf_map_lookup_elem(&thread_context_places, &process_id);
	__u64 at;

	if (!place)
		return;
	at = thread_context_pointer(place, task->thread.fsbase, waiting);
	if (!at || !load_thread(&sample->context, THREAD_CONTEXT_SZ, at, waiting))
		sample->context.valid = 0;
}

#else
static __always_inline void read_published(struct record_sample *sample, struct task_struct *task,
					   struct task_struct *waiting)
{
}
#endif

static __always_inline void read_shared(struct record_sample *sample)
{
	__u64 id = (__u64)sample->pid << 32 | sample->tid;
	const struct shared_context *shared = bpf_map_lookup_elem(&traces_ctx_v1, &id);

	if (!shared)
		return;
	__builtin_memcpy(sample->context.trace_id, shared->trace_id, sizeof(shared->trace_id));
	__builtin_memcpy(sample->context.span_id, shared->span_id, sizeof(shared->span_id));
	sample->context.valid = 1;
}

/* The thread itself knows best. Ids of zeros are of none. */
static __always_inline void read_thread_context(struct record_sample *sample,
						struct task_struct *task,
						struct task_struct *waiting)
{
	read_published(sample, task, waiting);
	if (settings.shared_context && sample->context.valid != 1)
		read_shared(sample);
}

#endif

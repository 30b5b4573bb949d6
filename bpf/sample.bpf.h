/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The CPU sampler: who runs here, where, and for which request. It interrupts whatever the CPU
 * does, the other programs included, so it shares no scratch memory with them.
 */
#ifndef SONDE_BPF_SAMPLE_H
#define SONDE_BPF_SAMPLE_H

#include "bpf/go_work.bpf.h"
#include "bpf/process.bpf.h"
#include "bpf/thread_context.bpf.h"
#include "bpf/unwind.bpf.h"

/* The state of a thread that is to be sampled; NULL for any other, or when it cannot be had. */
static __always_inline struct task_state *sampled_task(struct scratch *s, struct task_struct *task,
						       __u32 slot)
{
	__u32 jiffies = bpf_jiffies64();
	struct task_state *state = task_state(task);

	if (!state || (is_stale(state, task, jiffies) && !refresh_task(jiffies, slot))) {
		s->counts.samples_busy++;
		return NULL;
	}
	return state->traced ? state : NULL;
}

static __always_inline void read_request(struct record_sample *sample,
					 const struct task_state *state)
{
	sample->process_id = state->process_id;
	if (current_go()) {
		sample->head.flags = SAMPLE_GOROUTINE;
		sample->request_cookie = go_request_now(&sample->request_off);
		return;
	}
	if (state->distrust) {
		sample->head.flags = SAMPLE_INTERLEAVED;
		return;
	}
	sample->request_cookie = state->request_cookie;
	sample->request_off = state->request_off;
}

/* Changes no length up to a sample's, and shows the verifier that it is bounded. */
#define SAMPLE_MASK 0x7fff

_Static_assert(2 * SAMPLE_STACK_ROOM + PYTHON_ROOM + V8_ROOM + sizeof(struct sample_copy) +
			       SAMPLE_COPY_MAX <=
		       SAMPLE_MASK,
	       "a sample has no more");

/* By frame pointers, as the kernel does it; returns the length in bytes. */
static __always_inline __u32 read_stack(struct scratch *s, void *ctx, __u32 at, __u64 flags)
{
	const __u32 room = SAMPLE_STACK_MAX * sizeof(__u64);
	long len = bpf_get_stack(ctx, s->stacks + at, room, flags);

	return len < 0 || len > room ? 0 : len & (SAMPLE_STACK_ROOM - 1);
}

/* Both stacks, one behind the other; returns their length in bytes. */
static __always_inline __u32 read_stacks(struct scratch *s, struct bpf_perf_event_data *ctx,
					 struct task_struct *task, __u32 slot, bool user)
{
	__u32 kernel_sz = read_stack(s, ctx, 0, 0), user_sz = 0;

	s->sample.kernel_cnt = kernel_sz / sizeof(__u64);
	if (!user)
		return kernel_sz;
	if (settings.unwinding && bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_loop))
		user_sz = unwind_user(s, ctx, task, slot, kernel_sz);
	if (!user_sz) {
		user_sz = read_stack(s, ctx, kernel_sz, BPF_F_USER_STACK);
		s->sample.user_cnt = user_sz / sizeof(__u64);
	}
	return kernel_sz + user_sz;
}

#define NOT_MINE (-1)

/*
 * Each process has one clock at a time, so that each sample stands for the period of the clock that took it. The
 * faster one has a cookie. Returns the number of the process's burst, 0 if it is in none, NOT_MINE if that thread is
 * the other clock's.
 */
static __always_inline int burst_of(struct bpf_perf_event_data *ctx, struct task_struct *task)
{
	__u32 pid = task->tgid;
	__u16 *number = NULL;
	bool fast;

	if (!settings.bursts ||
	    !bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_get_attach_cookie))
		return 0;
	fast = bpf_get_attach_cookie(ctx);
	if (bursting)
		number = bpf_map_lookup_elem(&burst_pids, &pid);
	if (fast != !!number)
		return NOT_MINE;
	return number ? *number : 0;
}

static __always_inline int take_sample(struct bpf_perf_event_data *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u32 cpu = bpf_get_smp_processor_id(), slot = cpu + settings.cpus;
	struct scratch *s = scratch_at(slot);
	struct task_state *state = NULL;
	struct record_sample *sample;
	bool kernel_thread;
	__u32 len;
	int burst;

	if (!s || task->pid == 0) /* 0: idle */
		return 0;
	burst = burst_of(ctx, task);
	if (burst == NOT_MINE)
		return 0;
	kernel_thread = task->flags & PF_KTHREAD;
	if (kernel_thread && filter_kinds & FILTER_PROCESSES)
		return 0;
	if (!kernel_thread) {
		state = sampled_task(s, task, slot);
		if (!state)
			return 0;
	}
	sample = &s->sample;
	__builtin_memset(sample, 0, sizeof(*sample));
	sample->pid = task->tgid;
	sample->tid = task->pid;
	if (state) {
		read_request(sample, state);
		read_thread_context(sample, task, NULL);
	}
	sample->time_ns = bpf_ktime_get_ns();
	sample->cpu = cpu;
	sample->burst = burst;
	if (bpf_core_field_exists(task->start_boottime))
		sample->start_ns = task->group_leader->start_boottime;
	bpf_probe_read_kernel_str(sample->comm, sizeof(sample->comm), task->comm);
	len = read_stacks(s, ctx, task, slot, !kernel_thread);
	sample->head.size = sizeof(*sample) + len;
	sample->head.kind = RECORD_SAMPLE;
	if (!write_record(s, sample, sizeof(*sample) + (len & SAMPLE_MASK)))
		s->counts.samples_full++;
	return 0;
}

#endif

/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Which JavaScript functions the frames of V8's code run, where user space has found out that the process
 * runs V8. Objects move, so what a frame has is followed when the sample is taken, as far as to what
 * seldom moves.
 */
#ifndef SONDE_BPF_V8_H
#define SONDE_BPF_V8_H

#include "bpf/maps.bpf.h"

/* By process_id. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, V8_PROCESSES_MAX);
	__type(key, __u32);
	__type(value, struct v8_layout);
} v8_layouts SEC(".maps") __weak;

#define V8_NOTE_SHIFT 56

/*
 * A frame that keeps a frame pointer has been left: fp and sp are what its registers were. Its first instructions, in
 * which it has not yet put down its function, are passed over.
 */
static __always_inline void v8_note(struct stack_walk *w, __u64 fp, __u64 sp)
{
	__u32 at = w->v8_cnt;

	if (w->registers.v[UNWIND_RSP] != fp + 16 || fp - sp < 16 || fp < sp || at >= V8_FRAMES_MAX)
		return;
	w->v8_notes[at & V8_FRAMES_MAX] = fp | (__u64)(w->cnt - 1) << V8_NOTE_SHIFT;
	w->v8_cnt = at + 1;
}

static __always_inline bool v8_load(__u64 address, __u64 *value)
{
	return bpf_probe_read_user(value, sizeof(*value), (void *)address) == 0;
}

/* False: that cannot be read. shared is 0 when the frame runs no function. */
static __always_inline bool v8_follow(const struct v8_layout *layout, __u64 fp,
				      struct v8_frame *frame)
{
	__u64 context, function, map;
	__u16 type;

	if (!v8_load(fp + layout->frame_context, &context) ||
	    !v8_load(fp + layout->frame_function, &function))
		return false;
	if (!(context & 1) || (function & 3) != 1) /* a frame of another kind, which says so */
		return true;
	if (!v8_load(function - 1, &map) || !(map & 1) ||
	    bpf_probe_read_user(&type, sizeof(type), (void *)(map - 1 + layout->map_type)))
		return false;
	if ((__u16)(type - layout->function_type) >= layout->function_types)
		return true;
	return v8_load(function - 1 + layout->function_shared, &frame->shared) &&
	       v8_load(frame->shared - 1 + layout->shared_name, &frame->name);
}

static long v8_next(__u32 index, __u32 *slot)
{
	struct scratch *s = scratch_at(*slot);
	struct v8_frame frame = {}, *to;
	__u64 note;
	__u32 at;

	if (!s || index >= s->unwind.v8_cnt)
		return 1;
	note = s->unwind.v8_notes[index & V8_FRAMES_MAX];
	if (!v8_follow(&s->v8, note & ((1ull << V8_NOTE_SHIFT) - 1), &frame))
		frame.shared = frame.name = 0;
	else if (!frame.shared)
		return 0;
	at = s->unwind.at & ~7u;
	if (at > 2 * SAMPLE_STACK_ROOM + PYTHON_ROOM + V8_ROOM - sizeof(*to))
		return 1;
	frame.frame = note >> V8_NOTE_SHIFT;
	to = (void *)&s->stacks[at];
	*to = frame;
	s->unwind.at = at + sizeof(*to);
	s->sample.v8_cnt++;
	return 0;
}

/* Are they wanted? Before the stack is walked. */
static __always_inline void begin_v8(struct scratch *s)
{
	__u32 process_id = s->sample.process_id;
	const struct v8_layout *layout = bpf_map_lookup_elem(&v8_layouts, &process_id);

	if (!layout)
		return;
	s->v8 = *layout;
	s->unwind.v8 = 1;
}

/* Adds them at s->unwind.at. */
static __always_inline void add_v8(struct scratch *s, __u32 slot)
{
	if (!s->unwind.v8)
		return;
	s->sample.head.flags |= SAMPLE_V8;
	if (s->unwind.v8_cnt)
		bpf_loop(V8_FRAMES_MAX, v8_next, &slot, 0);
}

#endif

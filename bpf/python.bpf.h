/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The Python frames of the thread that is sampled, where user space has found that its process runs CPython
 * and where that keeps them. They are read when the sample is taken: later they are others.
 *
 * CPython knows its threads by pthread_self(), which is the base of the thread's own memory, both in glibc and
 * in musl. Who holds the interpreter's lock is looked at first, then all threads.
 *
 * 3.11 and 3.12 make a new call of their loop known before they say which frame it runs, and what stands there
 * until then is what an earlier call has left. So a call's first frame must have been called from the one
 * that the call before runs; else it is passed over.
 */
#ifndef SONDE_BPF_PYTHON_H
#define SONDE_BPF_PYTHON_H

#include "bpf/maps.bpf.h"

/* By process_id. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, PYTHON_PROCESSES_MAX);
	__type(key, __u32);
	__type(value, struct python_layout);
} python_layouts SEC(".maps") __weak;

/* By thread: where its state was found. */
struct python_place {
	__u32 process_id, reserved;
	__u64 thread;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, PYTHON_PLACES_MAX);
	__type(key, __u32);
	__type(value, struct python_place);
} python_places SEC(".maps") __weak;

static __always_inline bool python_load(__u64 address, __u64 *value)
{
	return bpf_probe_read_user(value, sizeof(*value), (void *)address) == 0;
}

/* The frame that a thread state has, into w; 0: it runs nothing. */
static __always_inline bool python_thread_frame(struct python_walk *w, __u64 thread)
{
	__u64 cframe, back = 0;

	w->below = w->base = 0;
	if (!python_load(thread + w->layout.thread_frame, &w->frame) ||
	    (w->layout.thread_base && !python_load(thread + w->layout.thread_base, &w->base)))
		return false;
	if (w->frame == w->base)
		w->frame = 0;
	if (!w->layout.has_cframe || !w->frame)
		return true;
	cframe = w->frame;
	if (!python_load(cframe + w->layout.cframe_back, &back) ||
	    (back && !python_load(back + w->layout.cframe_frame, &w->below)))
		return false;
	return python_load(cframe + w->layout.cframe_frame, &w->frame);
}

/* A match in one of several interpreters is the thread's current state only if there is no other. */
static __always_inline long python_match(struct python_walk *w)
{
	__u64 found = w->frame, below = w->below;

	if (!python_thread_frame(w, w->thread)) {
		w->end = PYTHON_UNREADABLE;
		return 1;
	}
	if (found && w->frame) {
		w->end = PYTHON_SEVERAL;
		return 1;
	}
	if (found) {
		w->frame = found;
		w->below = below;
	}
	w->end = PYTHON_WHOLE;
	return w->lone;
}

static long python_next_thread(__u32 index, __u32 *slot)
{
	struct scratch *s = scratch_at(*slot);
	struct python_walk *w;
	__u64 id;

	if (!s)
		return 1;
	w = &s->python;
	if (!w->thread) {
		if (!w->interpreter)
			return 1;
		if (!python_load(w->interpreter + w->layout.interpreter_threads, &w->thread) ||
		    !python_load(w->interpreter + w->layout.interpreter_next, &w->interpreter))
			goto unreadable;
		w->lone = !index && !w->interpreter;
		return 0;
	}
	if (!python_load(w->thread + w->layout.thread_id, &id))
		goto unreadable;
	if (id == w->self && python_match(w))
		return 1;
	if (python_load(w->thread + w->layout.thread_next, &w->thread))
		return 0;
unreadable:
	w->end = PYTHON_UNREADABLE;
	return 1;
}

/*
 * The state is where it was: there is one interpreter, and the state says that it is that thread's, and that this
 * runs something. Of one that is gone that does not hold, as its last frame has ended before.
 */
static __always_inline bool python_at_place(struct python_walk *w, const struct python_place *place)
{
	__u64 id = 0, next = 0;

	if (!place || !python_load(w->layout.interpreters, &w->interpreter) ||
	    !python_load(w->interpreter + w->layout.interpreter_next, &next) || next ||
	    !python_load(place->thread + w->layout.thread_id, &id) || id != w->self ||
	    !python_thread_frame(w, place->thread) || !w->frame)
		return false;
	w->end = PYTHON_WHOLE;
	return true;
}

static __always_inline void python_keep_place(const struct python_walk *w, __u32 tid,
					      __u32 process_id)
{
	const struct python_place place = {.process_id = process_id, .thread = w->thread};

	bpf_map_update_elem(&python_places, &tid, &place, BPF_ANY);
}

/* Finds the thread's frame, into w; else w->end is not PYTHON_WHOLE. */
static __always_inline void python_find(struct python_walk *w, __u32 slot, __u32 tid,
					__u32 process_id)
{
	const struct python_place *place = bpf_map_lookup_elem(&python_places, &tid);
	__u64 thread = 0, id = 0;

	if (place && place->process_id != process_id)
		place = NULL;
	w->frame = w->below = 0;
	w->end = PYTHON_NO_THREAD;
	if (w->layout.holder && python_load(w->layout.holder, &thread) && thread &&
	    python_load(thread + w->layout.thread_id, &id) && id == w->self) {
		w->end = python_thread_frame(w, thread) ? PYTHON_WHOLE : PYTHON_UNREADABLE;
		return;
	}
	if (python_at_place(w, place))
		return;
	w->frame = w->below = w->thread = 0;
	w->end = PYTHON_NO_THREAD;
	if (!python_load(w->layout.interpreters, &w->interpreter))
		w->end = PYTHON_UNREADABLE;
	else
		bpf_loop(PYTHON_THREADS_MAX, python_next_thread, &slot, 0);
	if (w->end == PYTHON_WHOLE && w->lone && w->frame)
		python_keep_place(w, tid, process_id);
}

#define PYTHON_TAGS 7ull /* bits of a reference that are not of its address, from 3.14 on */

static __always_inline __u64 python_field(const struct python_walk *w, __u16 at)
{
	return *(const volatile __u64 *)&w->bytes[at & (PYTHON_FRAME_SZ - 8)];
}

static __always_inline void python_add(struct scratch *s, __u64 code, __u32 flags)
{
	struct python_walk *w = &s->python;
	__u64 instruction = python_field(w, w->layout.frame_at);
	__u32 at = s->unwind.at & ~7u;
	struct python_frame *to;

	if (at > 2 * SAMPLE_STACK_ROOM + PYTHON_ROOM - sizeof(*to))
		return;
	to = (void *)&s->stacks[at];
	to->code = code;
	to->at = w->layout.at_is_pointer ? instruction - code : instruction;
	to->flags = flags;
	s->unwind.at = at + sizeof(*to);
	w->cnt++;
}

/* Reads the frame, adds it, and goes on to the one that called it. Returns its flags, or -1. */
static __always_inline int python_step(struct scratch *s)
{
	struct python_walk *w = &s->python;
	__u32 flags = 0;
	__u8 turn;

	if (bpf_probe_read_user(w->bytes, w->layout.frame_sz & (PYTHON_FRAME_SZ - 1),
				(void *)w->frame))
		return -1;
	turn = *(volatile __u8 *)&w->bytes[w->layout.frame_turn & (PYTHON_FRAME_SZ - 1)];
	if (w->layout.turn == PYTHON_TURN_SHIM && turn == PYTHON_SHIM_OWNER) {
		flags = PYTHON_LAST;
		python_add(s, 0, flags);
	} else {
		if (w->layout.turn == PYTHON_TURN_EACH ||
		    (w->layout.turn == PYTHON_TURN_FLAG && turn))
			flags = PYTHON_LAST;
		python_add(s, python_field(w, w->layout.frame_code) & ~PYTHON_TAGS, flags);
	}
	w->frame = python_field(w, w->layout.frame_back);
	if (w->frame == w->base)
		w->frame = 0;
	return flags;
}

static long python_on(__u32 index, __u32 *slot)
{
	struct scratch *s = scratch_at(*slot);
	struct python_walk *w;
	int flags;

	if (!s)
		return 1;
	w = &s->python;
	if (!w->frame)
		return 1;
	if (w->cnt >= PYTHON_FRAMES_MAX) {
		w->end = PYTHON_DEEP;
		return 1;
	}
	flags = python_step(s);
	if (w->below && (flags < 0 || (flags && w->frame != w->below))) {
		w->frame = w->below;
		w->cnt = 0;
		s->unwind.at = w->at;
	} else if (flags < 0) {
		w->end = PYTHON_UNREADABLE;
		return 1;
	}
	if (flags)
		w->below = 0;
	return 0;
}

/* Adds them at s->unwind.at. */
static __always_inline void add_python(struct scratch *s, struct task_struct *task, __u32 slot)
{
	struct python_walk *w = &s->python;
	__u32 process_id = s->sample.process_id;
	const struct python_layout *layout = bpf_map_lookup_elem(&python_layouts, &process_id);

	if (!layout)
		return;
	w->layout = *layout;
	w->self = task->thread.fsbase;
	w->cnt = 0;
	w->at = s->unwind.at;
	python_find(w, slot, s->sample.tid, process_id);
	if (w->end == PYTHON_WHOLE)
		bpf_loop(PYTHON_FRAMES_MAX + 1, python_on, &slot, 0);
	s->sample.python_cnt = w->cnt;
	s->sample.python_end = w->end;
}

#endif

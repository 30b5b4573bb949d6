/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Unwinds the user's stack by tables that user space has made of the files' call frame information. What is
 * not known ends the stack with the reason: nothing is guessed. Where user space has yet to learn of the
 * process or the file, the sample takes a copy of the stack along, and it is unwound there.
 *
 * A sampling clock's interrupt: nothing here sleeps, and what is paged out cannot be read.
 */
#ifndef SONDE_BPF_UNWIND_H
#define SONDE_BPF_UNWIND_H

#include "bpf/maps.bpf.h"
#include "bpf/python.bpf.h"
#include "bpf/v8.bpf.h"

#define USER_CS_64 0x33
#define PAGE_BYTES 4096
#define COPY_PARTS (SAMPLE_COPY_MAX / PAGE_BYTES + 1)
#define ASK_EVERY_NS 20000000

/* By its id: a file's table. Ids are never used again. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(max_entries, UNWIND_TABLES_MAX);
	__type(key, __u32);
	__array(
		values, struct {
			__uint(type, BPF_MAP_TYPE_ARRAY);
			__uint(map_flags, BPF_F_INNER_MAP | BPF_F_MMAPABLE);
			__uint(max_entries, 1);
			__uint(key_size, sizeof(__u32));
			__uint(value_size, sizeof(struct unwind_block));
		});
} unwind_tables SEC(".maps") __weak;

/* By process_id: its mappings, behind an unwind_head. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(max_entries, UNWIND_PROCESSES_MAX);
	__type(key, __u32);
	__array(
		values, struct {
			__uint(type, BPF_MAP_TYPE_ARRAY);
			__uint(map_flags, BPF_F_INNER_MAP | BPF_F_MMAPABLE);
			__uint(max_entries, 1);
			__uint(key_size, sizeof(__u32));
			__uint(value_size, sizeof(struct unwind_mapping));
		});
} unwind_processes SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, UNWIND_RULES_MAX);
	__type(key, __u32);
	__type(value, struct unwind_rule);
} unwind_rules SEC(".maps") __weak;

/* A thread that does not run: its stack is read a page at a time. */
struct waiting_thread {
	struct task_struct *task;
	__u32 slot;
};

struct stack_page {
	__u64 at; /* 0: none */
	char bytes[PAGE_BYTES];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct stack_page);
} stack_pages SEC(".maps") __weak;

/* 8 bytes of that thread's memory. */
static __noinline int load_waiting(struct waiting_thread *thread, __u64 address, __u64 *value)
{
	__u64 at = address & ~(__u64)(PAGE_BYTES - 1);
	__u32 zero = 0, in = address & (PAGE_BYTES - 1);
	struct stack_page *page = bpf_map_lookup_elem(&stack_pages, &zero);

	if (!page)
		return false;
	if (in > PAGE_BYTES - sizeof(*value))
		return bpf_copy_from_user_task(value, sizeof(*value), (void *)address, thread->task,
					       0) == 0;
	if (page->at != at) {
		page->at = 0;
		if (bpf_copy_from_user_task(page->bytes, PAGE_BYTES, (void *)at, thread->task, 0))
			return false;
		page->at = at;
	}
	*value = *(__u64 *)&page->bytes[in];
	return true;
}

/* memory: a waiting_thread, or NULL for the one that runs. */
static __always_inline bool unwind_load(void *memory, __u64 address, __u64 *value)
{
	if (memory)
		return load_waiting(memory, address, value);
	return bpf_probe_read_user(value, sizeof(*value), (void *)address) == 0;
}

#include "include/abi/unwind_step.h"

#if defined(__TARGET_ARCH_x86)
/* As struct pt_regs is for user space and BPF, whatever the kernel's own has instead of some fields. */
struct entry_registers {
	__u64 r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di;
	__u64 orig_ax, ip, cs, flags, sp, ss;
};

static __always_inline void copy_registers(struct unwind_registers *r,
					   const volatile struct entry_registers *from)
{
	r->v[0] = from->ax;
	r->v[1] = from->dx;
	r->v[2] = from->cx;
	r->v[3] = from->bx;
	r->v[4] = from->si;
	r->v[5] = from->di;
	r->v[UNWIND_RBP] = from->bp;
	r->v[UNWIND_RSP] = from->sp;
	r->v[8] = from->r8;
	r->v[9] = from->r9;
	r->v[10] = from->r10;
	r->v[11] = from->r11;
	r->v[12] = from->r12;
	r->v[13] = from->r13;
	r->v[14] = from->r14;
	r->v[15] = from->r15;
	r->v[UNWIND_RIP] = from->ip;
	r->known = (1u << UNWIND_REGISTERS) - 1;
	r->exact = 1;
	r->code = 0;
}

/* The process's registers: those that the clock has interrupted, or those with which it entered the kernel. */
static __always_inline bool read_registers(struct unwind_registers *r,
					   struct bpf_perf_event_data *ctx)
{
	const volatile struct entry_registers *interrupted = (const volatile void *)ctx;
	struct entry_registers entered;

	__u16 cs = interrupted->cs;

	if ((cs & 3) == 3) {
		copy_registers(r, interrupted);
		barrier();
		return cs == USER_CS_64;
	}
	if (bpf_probe_read_kernel(&entered, sizeof(entered),
				  (void *)bpf_task_pt_regs(bpf_get_current_task_btf())))
		return false;
	copy_registers(r, &entered);
	return (__u16)entered.cs == USER_CS_64;
}
#else
static __always_inline bool read_registers(struct unwind_registers *r,
					   struct bpf_perf_event_data *ctx)
{
	return false;
}
#endif

/* --- looking up ------------------------------------------------------------------------------- */

/*
 * How far a search is stands in memory: values that the verifier knows would have it look at each way that
 * a search can take.
 */
#define FOUND(walk) (*(volatile __u32 *)&(walk)->found)

/* The mapping that holds an address, into w->mapping; else how it ends. */
static __always_inline enum unwind_end find_mapping(struct stack_walk *w, __u64 address)
{
	void *mappings = bpf_map_lookup_elem(&unwind_processes, &w->process_id);
	const struct unwind_mapping *m;
	const struct unwind_head *head;
	__u32 at = 0;
	__u64 cnt;

	if (!mappings)
		return UNWIND_NEW;
	head = bpf_map_lookup_elem(mappings, &at);
	if (!head || head->pages.exec != w->pages.exec)
		return UNWIND_STALE;
	cnt = head->cnt;
	FOUND(w) = 0;
	for (__u32 step = 1u << UNWIND_MAPPINGS_SHIFT; step; step >>= 1) {
		at = FOUND(w) + step;
		m = at <= cnt ? bpf_map_lookup_elem(mappings, &at) : NULL;
		if (m && m->start <= address)
			FOUND(w) = at;
	}
	at = FOUND(w);
	m = at ? bpf_map_lookup_elem(mappings, &at) : NULL;
	if (!m || address >= m->limit)
		return head->pages.data != w->pages.data ? UNWIND_STALE : UNWIND_NOT_CODE;
	w->mapping = *m;
	return UNWIND_GOES_ON;
}

/* The rule at an offset from the first page of a file's table, 0 if there is none; ~0: no table. */
static __always_inline __u32 find_rule(struct stack_walk *w, __u64 off)
{
	void *table = bpf_map_lookup_elem(&unwind_tables, &w->mapping.table);
	__u32 page = off >> UNWIND_PAGE_SHIFT, block = page >> UNWIND_PAGES_SHIFT, first, cnt;
	__u16 low = off & ((1u << UNWIND_PAGE_SHIFT) - 1);
	const struct unwind_block *b;

	if (!table)
		return ~0u;
	b = off >> 40 ? NULL : bpf_map_lookup_elem(table, &block);
	if (!b)
		return 0;
	cnt = b->pages[page & (UNWIND_BLOCK_PAGES - 1)].cnt;
	cnt = cnt & UNWIND_PAGE_HAS_ROWS ? cnt & ~UNWIND_PAGE_HAS_ROWS : 0;
	first = b->pages[page & (UNWIND_BLOCK_PAGES - 1)].first;
	block = first >> UNWIND_ROWS_SHIFT;
	b = cnt ? bpf_map_lookup_elem(table, &block) : NULL;
	if (!b)
		return 0;
	FOUND(w) = 0;
#pragma unroll
	for (__u32 step = UNWIND_BLOCK_ROWS / 2; step; step >>= 1) {
		__u32 next = FOUND(w) + step;

		if (next < cnt && b->rows[(first + next) & (UNWIND_BLOCK_ROWS - 1)].at <= low)
			FOUND(w) = next;
	}
	return b->rows[(first + FOUND(w)) & (UNWIND_BLOCK_ROWS - 1)].rule;
}

/* --- walking ---------------------------------------------------------------------------------- */

static __always_inline enum unwind_end apply_rule(struct stack_walk *w, __u32 index, void *memory)
{
	const struct unwind_rule *rule = bpf_map_lookup_elem(&unwind_rules, &index);
	struct unwind_registers *r = &w->registers;
	__u64 fp = r->v[UNWIND_RBP], sp = r->v[UNWIND_RSP];
	enum unwind_end end;

	if (!rule)
		return UNWIND_NO_TABLE;
	if (rule->cfa == UNWIND_CFA_FRAME && r->exact &&
	    !unwind_load(memory, r->v[UNWIND_RIP] - 1, &r->code))
		return UNWIND_UNREADABLE;
	end = unwind_step(r, rule, memory);
	if (!memory && rule->cfa == UNWIND_CFA_FRAME && w->v8 && end == UNWIND_GOES_ON)
		v8_note(w, fp, sp);
	return end;
}

/* From the frame of which the registers are to its caller's. */
static __always_inline enum unwind_end unwind_once(struct stack_walk *w, void *memory)
{
	__u64 at = w->registers.v[UNWIND_RIP] - !w->registers.exact;
	enum unwind_end end;

	if (at < w->mapping.start || at >= w->mapping.limit) {
		end = find_mapping(w, at);
		if (end != UNWIND_GOES_ON)
			return end;
	}
	if (w->mapping.kind == UNWIND_KIND_TABLE)
		return apply_rule(w, find_rule(w, at + w->mapping.bias), memory);
	if (w->mapping.kind == UNWIND_KIND_FRAME)
		return apply_rule(w, UNWIND_RULE_FRAME, memory);
	return w->mapping.kind == UNWIND_KIND_UNKNOWN ? UNWIND_NO_TABLE : UNWIND_NO_ROW;
}

static __always_inline bool add_address(struct scratch *s)
{
	struct stack_walk *w = &s->unwind;
	__u32 at = w->at;

	if (w->cnt >= SAMPLE_STACK_MAX || at > 2 * SAMPLE_STACK_ROOM - sizeof(__u64))
		return false;
	*(__u64 *)&s->stacks[at & ~7u] =
		w->registers.v[UNWIND_RIP] | (w->registers.exact ? SAMPLE_EXACT : 0);
	w->at = at + sizeof(__u64);
	w->cnt++;
	return true;
}

static long unwind_on(__u32 index, __u32 *slot)
{
	struct scratch *s = scratch_at(*slot);

	if (!s)
		return 1;
	s->unwind.end = UNWIND_DEEP;
	if (!add_address(s))
		return 1;
	s->unwind.end = unwind_once(&s->unwind, NULL);
	return s->unwind.end != UNWIND_GOES_ON;
}

/* Copies the stack, page by page until one cannot be read; returns how many bytes. task as unwind_load's memory. */
static __always_inline __u32 copy_stack(char *to, __u64 at, struct task_struct *task)
{
	__u32 len = 0;

#pragma unroll
	for (int i = 0; i < COPY_PARTS; i++) {
		__u32 n = PAGE_BYTES - ((at + len) & (PAGE_BYTES - 1));

		if (len + n > SAMPLE_COPY_MAX)
			n = SAMPLE_COPY_MAX - len;
		if (n > PAGE_BYTES || len > SAMPLE_COPY_MAX - PAGE_BYTES ||
		    (task ? bpf_copy_from_user_task(to + len, n, (void *)(at + len), task, 0)
			  : bpf_probe_read_user(to + len, n, (void *)(at + len))))
			break;
		len += n;
	}
	return len;
}

/* The sample takes a copy of the stack along. Returns its length with what stands before it. */
static __always_inline __u32 add_copy(struct scratch *s, struct bpf_perf_event_data *ctx)
{
	struct unwind_registers *r = &s->unwind.registers;
	struct sample_copy *copy;
	__u32 at = s->unwind.at & ~7u, len;

	if (at > 2 * SAMPLE_STACK_ROOM + PYTHON_ROOM + V8_ROOM || !read_registers(r, ctx) ||
	    r->v[UNWIND_RSP] & 7)
		return 0;
	unwind_load(NULL, r->v[UNWIND_RIP] - 1, &r->code);
	copy = (void *)&s->stacks[at];
	copy->registers = *r;
	len = copy_stack((char *)(copy + 1), r->v[UNWIND_RSP] - UNWIND_RED_ZONE, NULL);
	copy->len = len;
	s->sample.head.flags |= SAMPLE_COPIED;
	return sizeof(*copy) + len;
}

/* Of the thread whose registers are in place. */
static __always_inline void begin_unwinding(struct scratch *s, struct task_struct *task, __u32 at)
{
	struct stack_walk *w = &s->unwind;

	w->mapping = (struct unwind_mapping){};
	w->pages.exec = BPF_CORE_READ(task, mm, exec_vm);
	w->pages.data = BPF_CORE_READ(task, mm, data_vm);
	w->process_id = s->sample.process_id;
	w->at = at;
	w->cnt = 0;
	w->v8 = w->v8_cnt = 0;
}

/* User space has something to find out, and until it has, more such samples come. */
static __always_inline void ask_soon(struct scratch *s)
{
	if (s->sample.time_ns - asked_ns < ASK_EVERY_NS)
		return;
	asked_ns = s->sample.time_ns;
	s->wake = true;
}

/*
 * Adds the process's addresses at that offset of the scratch's stacks, Python frames, those of V8, and perhaps a copy. Returns the
 * length of what was added; 0 when this thread cannot be unwound here.
 */
static __always_inline __u32 unwind_user(struct scratch *s, struct bpf_perf_event_data *ctx,
					 struct task_struct *task, __u32 slot, __u32 at)
{
	struct stack_walk *w = &s->unwind;
	__u32 len;

	if (!read_registers(&w->registers, ctx))
		return 0;
	begin_unwinding(s, task, at);
	begin_v8(s);
	bpf_loop(SAMPLE_STACK_MAX + 1, unwind_on, &slot, 0);
	s->sample.user_cnt = w->cnt;
	s->sample.user_end = w->end;
	add_python(s, task, slot);
	add_v8(s, slot);
	len = w->at - at;
	if (w->end >= UNWIND_NEW && w->end <= UNWIND_NO_TABLE) {
		len += add_copy(s, ctx);
		ask_soon(s);
	}
	return len;
}

#endif

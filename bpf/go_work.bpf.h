/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * For which request does a goroutine send?
 *
 * For the one that it has received itself, as long as no other goroutine receives from that connection; or
 * that another has received for it, as net/http's server has it.
 * For the one that another goroutine has handed to it: a client's connection that has a goroutine to write
 * tells which (net/http).
 * For the one that its creator worked for when it was created, if goroutines that are created there work for
 * nobody else. That cannot be seen in one of them, which may have taken its work from a queue. But those that
 * do live on, to take more: only where goroutines have been seen to end, and none was seen to send after its
 * creator had turned to another request, is what they send their creator's.
 */
#ifndef SONDE_BPF_GO_WORK_H
#define SONDE_BPF_GO_WORK_H

#include "include/abi/go.h"
#include "bpf/go.bpf.h"

#define TRUST_MIN 3 /* goroutines that have ended, before what others do is believed */
#define TRUST_MAX 64
#define TRUST_LOST (-32)

enum work_kind {
	WORK_NONE,
	WORK_RECEIVED,
	WORK_GIVEN,
	WORK_INHERITED,
};

struct go_work {
	__u64 goid;
	struct work work;
	__u64 creator, creator_goid;
	__u64 site;	     /* where it was created; 0: not known */
	__u32 epoch;	     /* requests that it began to receive after it had answered others */
	__u32 creator_epoch; /* its creator's, then */
	__u8 kind;
	__u8 answered; /* something was sent back */
	__u8 reader;   /* 1 + enum go_reader: it receives for its creator; 0: for itself */
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1); /* user space: GOROUTINES_MAX, where it is used */
	__type(key, struct goroutine_key);
	__type(value, struct go_work);
} go_works SEC(".maps") __weak;

struct go_place {
	__u64 address;
	__u32 pid;
	__u32 reserved;
};

/* How many goroutines that were created there have ended, less what has gone wrong. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1); /* user space: more, where it is used */
	__type(key, struct go_place);
	__type(value, __s32);
} go_sites SEC(".maps") __weak;

/* By connection of net/http, the goroutine that writes to it. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1); /* user space: more, where it is used */
	__type(key, struct go_place);
	__type(value, struct goroutine_id);
} go_writers SEC(".maps") __weak;

/* And where that one was not known, what it was given to do. */
struct given {
	__u64 channel; /* of that connection's requests */
	struct work work;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1); /* user space: more, where it is used */
	__type(key, struct go_place);
	__type(value, struct given);
} go_given SEC(".maps") __weak;

static __always_inline __u32 current_pid(void)
{
	return bpf_get_current_pid_tgid() >> 32;
}

/* Functions of their own for the sake of the stack. */
static __noinline struct go_work *go_work_at(__u64 g)
{
	struct goroutine_key key = {.g = g, .pid = current_pid()};

	return bpf_map_lookup_elem(&go_works, &key);
}

static __noinline struct go_work *go_work_make(__u64 g)
{
	struct goroutine_key key = {.g = g, .pid = current_pid()};
	struct go_work fresh = {}, *found = bpf_map_lookup_elem(&go_works, &key);

	if (found)
		return found;
	bpf_map_update_elem(&go_works, &key, &fresh, BPF_NOEXIST);
	return bpf_map_lookup_elem(&go_works, &key);
}

static __noinline int trust_site(__u64 site, int change)
{
	struct go_place key = {.address = site, .pid = current_pid()};
	__s32 *trust = bpf_map_lookup_elem(&go_sites, &key), first = change;

	if (!site)
		return TRUST_LOST;
	if (!trust) {
		if (change)
			bpf_map_update_elem(&go_sites, &key, &first, BPF_NOEXIST);
		return first;
	}
	if (change < 0)
		*trust = change;
	else if (change && *trust < TRUST_MAX)
		*trust += change;
	return *trust;
}

/* The goroutine that this was kept of has ended, if another is in its place. */
static __always_inline void retire(struct go_work *w, __u64 goid)
{
	if (w->goid == goid)
		return;
	if (w->kind == WORK_INHERITED)
		trust_site(w->site, 1);
	w->goid = goid;
	w->kind = WORK_NONE;
	w->work.cookie = 0;
	w->site = 0;
	w->epoch = 0;
	w->answered = false;
	w->reader = 0;
}

/* What is kept of the goroutine; NULL: nothing. */
static __always_inline struct go_work *go_work_of(const struct goroutine_id *id)
{
	struct go_work *w = go_work_at(id->g);

	if (w)
		retire(w, id->goid);
	return w;
}

/* Is it certain that it works for that? */
static __noinline bool is_certain(struct go_work *w)
{
	struct go_work *creator;

	if (!w || !w->work.cookie)
		return false;
	if (w->kind != WORK_INHERITED)
		return true;
	creator = go_work_at(w->creator);
	if (!creator || creator->goid != w->creator_goid || creator->epoch != w->creator_epoch) {
		trust_site(w->site, TRUST_LOST);
		w->work.cookie = 0;
		return false;
	}
	return trust_site(w->site, 0) >= TRUST_MIN;
}

/* What the current goroutine works for. False: not a goroutine; NULL in out: that is not known. */
static __always_inline bool go_work_get(struct go_work **out)
{
	const struct pt_regs *regs =
		(const struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());
	const struct go_exe *exe = current_go();
	struct goroutine_id id;

	*out = NULL;
	if (!exe || !current_goroutine(exe, regs, &id))
		return false;
	*out = go_work_of(&id);
	return true;
}

/* For whom does that goroutine receive? Others are its creator's eyes. */
static __noinline struct go_work *receiver_for(const struct goroutine_id *id,
					       struct goroutine_id *out, bool *frames)
{
	struct go_work *w = go_work_make(id->g), *creator;

	*out = *id;
	*frames = false;
	if (!w)
		return NULL;
	retire(w, id->goid);
	if (!w->reader)
		return w;
	*frames = w->reader != 1 + GO_READS_AHEAD;
	out->g = w->creator;
	out->goid = w->creator_goid;
	creator = go_work_make(out->g);
	if (creator)
		retire(creator, out->goid);
	return creator;
}

/* len bytes were received from a client. False if that was not a goroutine. */
static __noinline bool go_begin_work(struct connection_state *conn, __u32 len)
{
	const struct pt_regs *regs =
		(const struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());
	const struct go_exe *exe = current_go();
	struct go_work *w, *before;
	struct goroutine_id id, to;
	bool frames;

	if (!exe || !current_goroutine(exe, regs, &id))
		return false;
	w = receiver_for(&id, &to, &frames);
	if (!w)
		return true;
	if (conn->receiver && conn->receiver != to.g) {
		before = go_work_at(conn->receiver);
		if (before && before->kind == WORK_RECEIVED && before->work.cookie == conn->cookie)
			before->work.cookie = 0;
	}
	conn->receiver = to.g;
	if (w->answered && !frames)
		w->epoch++;
	w->answered = false;
	w->kind = WORK_RECEIVED;
	w->work.cookie = conn->cookie;
	w->work.off = conn->rx_off - len;
	w->work.len = len;
	return true;
}

/* Something was sent to a client. */
static __noinline int go_answer(const struct connection_state *conn)
{
	struct go_work *w;

	if (go_work_get(&w) && w && w->kind == WORK_RECEIVED &&
	    (w->work.cookie & ~PLAINTEXT_COOKIE) == conn->cookie)
		w->answered = true;
	return 0;
}

/* --- probes ------------------------------------------------------------------------------------ */

/* What tells a place where goroutines are created: it, and what has called the function that it is in. */
static __always_inline __u64 birthplace(const struct go_exe *exe, __u64 creator)
{
	__u64 frame = 0, of_newproc[2] = {}, of_creator[2] = {};

	bpf_probe_read_user(&frame, sizeof(frame), (void *)(creator + exe->frame_at));
	if (bpf_probe_read_user(of_newproc, sizeof(of_newproc), (void *)frame))
		return 0;
	bpf_probe_read_user(of_creator, sizeof(of_creator), (void *)of_newproc[0]);
	return of_newproc[1] ^ of_creator[1] << 24;
}

/* The goroutine that the scheduler, which is at the probe, works for. */
static __always_inline bool
scheduled_goroutine(const struct go_exe *exe, const struct pt_regs *regs, struct goroutine_id *out)
{
	__u64 m = 0, g = 0;

	bpf_probe_read_user(&m, sizeof(m), (void *)(GOROUTINE(regs) + THREAD_AT));
	return m && !bpf_probe_read_user(&g, sizeof(g), (void *)(m + exe->current_at)) &&
	       identify_goroutine(exe, g, out);
}

/* 1 + enum go_reader of goroutines that are created where this one was; 0: they are none. */
static __always_inline __u8 reader_kind(const struct go_exe *exe, const struct pt_regs *regs,
					__u64 g)
{
	__u64 from = 0;

	bpf_probe_read_user(&from, sizeof(from), (void *)(g + exe->birthplace_at));
	from -= PT_REGS_IP(regs);
	for (int i = 0; i < GO_READERS; i++)
		if (from - (__s64)exe->readers[i].off < exe->readers[i].sz)
			return 1 + i;
	return 0;
}

static __always_inline void inherit(struct go_work *w, const struct goroutine_id *creator,
				    const struct go_work *of_creator)
{
	w->creator = creator->g;
	w->creator_goid = creator->goid;
	w->creator_epoch = of_creator ? of_creator->epoch : 0;
	if (!of_creator)
		return;
	w->work = of_creator->work;
	w->kind = WORK_INHERITED;
}

static __always_inline int goroutine_born(const struct go_exe *exe, const struct pt_regs *regs)
{
	struct goroutine_id creator, id;
	struct go_work *w, *of_creator;
	__u8 reader;

	if (!identify_goroutine(exe, GO_2(regs), &id))
		return 0;
	w = go_work_of(&id);
	if (!scheduled_goroutine(exe, regs, &creator))
		return 0;
	reader = reader_kind(exe, regs, id.g);
	of_creator = go_work_at(creator.g);
	if (of_creator && (of_creator->goid != creator.goid || !is_certain(of_creator)))
		of_creator = NULL;
	if ((!of_creator && !reader) || reader > GO_WAITED)
		return 0;
	if (!w)
		w = go_work_make(id.g);
	if (!w)
		return 0;
	w->goid = id.goid;
	w->reader = reader;
	inherit(w, &creator, reader ? NULL : of_creator);
	if (!reader)
		w->site = birthplace(exe, creator.g);
	return 0;
}

/* The channel that a connection's requests are sent to. */
static __always_inline __u64 requests_of(__u64 pc)
{
	__u64 channel = 0;

	bpf_probe_read_user(&channel, sizeof(channel), (void *)(pc + GO_WRITE_REQUESTS_AT));
	return channel;
}

/* The goroutine that waits to receive from the channel that the connection's requests are sent to. */
static __always_inline bool waiting_writer(const struct go_exe *exe, __u64 pc,
					   struct goroutine_id *out)
{
	__u64 channel = requests_of(pc), waiter = 0, g = 0;

	if (!channel ||
	    bpf_probe_read_user(&waiter, sizeof(waiter), (void *)(channel + exe->receivers_at)) ||
	    !waiter || bpf_probe_read_user(&g, sizeof(g), (void *)waiter))
		return false;
	return identify_goroutine(exe, g, out);
}

/* The goroutine that writes to that connection, if it can be told. */
static __noinline bool find_writer(const struct go_exe *exe, __u64 pc, struct goroutine_id *out)
{
	struct go_place key = {.address = pc, .pid = current_pid()};
	const struct goroutine_id *known = bpf_map_lookup_elem(&go_writers, &key);

	return (known && identify_goroutine(exe, known->g, out) && out->goid == known->goid) ||
	       waiting_writer(exe, pc, out);
}

/* What the goroutine sends from now on is for that; for whom is not known, if there is none. */
static __always_inline void give_work(const struct goroutine_id *to, const struct work *work)
{
	struct go_work *w = work->cookie ? go_work_make(to->g) : go_work_at(to->g);

	if (!w)
		return;
	retire(w, to->goid);
	w->kind = WORK_GIVEN;
	w->work = *work;
}

/*
 * A connection's writer begins, perhaps after the first who sends on it. Each of the two notes what it knows before
 * it looks for the other.
 */
static __always_inline int begin_writer(const struct go_exe *exe, const struct pt_regs *regs)
{
	struct go_place key = {.address = GO_1(regs), .pid = current_pid()};
	const struct given *given;
	struct goroutine_id id;

	if (!current_goroutine(exe, regs, &id))
		return 0;
	bpf_map_update_elem(&go_writers, &key, &id, BPF_ANY);
	given = bpf_map_lookup_elem(&go_given, &key);
	if (given && given->channel == requests_of(key.address))
		give_work(&id, &given->work);
	/* The next connection that is at this address has another writer. */
	if (given)
		bpf_map_delete_elem(&go_given, &key);
	return 0;
}

static __noinline int leave_work(__u64 pc, const struct work *work)
{
	struct go_place key = {.address = pc, .pid = current_pid()};
	struct given given = {.channel = requests_of(pc), .work = *work};

	return bpf_map_update_elem(&go_given, &key, &given, BPF_ANY);
}

static __noinline int take_back(__u64 pc)
{
	struct go_place key = {.address = pc, .pid = current_pid()};

	return bpf_map_delete_elem(&go_given, &key);
}

/* What the writer sends next is what its caller works for, or nobody knows for whom. */
static __always_inline int hand_over(const struct go_exe *exe, const struct pt_regs *regs)
{
	struct goroutine_id id, writer;
	struct work work = {};
	struct go_work *giver;
	bool found;

	if (!current_goroutine(exe, regs, &id))
		return 0;
	giver = go_work_of(&id);
	if (giver && is_certain(giver))
		work = giver->work;
	found = find_writer(exe, GO_1(regs), &writer);
	if (!found) {
		leave_work(GO_1(regs), &work);
		found = find_writer(exe, GO_1(regs), &writer);
		if (found)
			take_back(GO_1(regs));
	}
	if (found)
		give_work(&writer, &work);
	return 0;
}

SEC("uprobe")
int go_call(struct pt_regs *ctx)
{
	__u64 call = bpf_get_attach_cookie(ctx);
	const struct go_exe *exe = current_go();

	if (!exe)
		return 0;
	if (call == GO_BORN)
		return goroutine_born(exe, ctx);
	if (GO_GROWS(ctx))
		return 0;
	return call == GO_ROUND_TRIP ? hand_over(exe, ctx) : begin_writer(exe, ctx);
}

#endif

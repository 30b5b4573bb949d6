/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * For which request does a goroutine send?
 *
 * For the one that it has received itself, if it serves one connection after the other, or that another has
 * received for it, as net/http's server has it.
 * For the one that another goroutine has handed to it: a client's connection that has a goroutine to write
 * tells which (net/http).
 * For the one that its creator worked for when it was created, if that was done by a function which has each
 * goroutine do only what its caller gave it: that of a group (errgroup, WaitGroup.Go), or of a stream of
 * HTTP/2. Nothing else is believed of what goroutines inherit: those of pools, which live on to take the work of
 * others, are created by requests, too.
 */
#ifndef SONDE_BPF_GO_WORK_H
#define SONDE_BPF_GO_WORK_H

#include "include/abi/go.h"
#include "bpf/go.bpf.h"

struct go_work {
	__u64 goid;
	struct work work;	       /* cookie 0: not known */
	struct goroutine_id reads_for; /* g 0: for itself */
	__u8 received;		       /* it has received that itself */
	__u8 several;		       /* it was seen to serve several connections at a time */
	__u8 alone; /* created for one request of a connection that others send on */
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1); /* user space: GOROUTINES_MAX, where it is used */
	__type(key, struct goroutine_key);
	__type(value, struct go_work);
} go_works SEC(".maps") __weak;

/* A connection of net/http's client, by its address. */
struct go_connection {
	__u64 address;
	__u32 pid;
	__u32 reserved;
};

/* The goroutine that writes to it. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1); /* user space: more, where it is used */
	__type(key, struct go_connection);
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
	__type(key, struct go_connection);
	__type(value, struct given);
} go_given SEC(".maps") __weak;

static __always_inline __u32 current_pid(void)
{
	return bpf_get_current_pid_tgid() >> 32;
}

/* What was kept of who was last at that place. Functions of their own for the sake of the stack. */
static __noinline struct go_work *go_work_at(__u64 g)
{
	struct goroutine_key key = {.g = g, .pid = current_pid()};

	return bpf_map_lookup_elem(&go_works, &key);
}

/* What is kept of the goroutine, which is alive: anew if that was of one that has ended. NULL: nothing. */
static __noinline struct go_work *go_work_of(const struct goroutine_id *id)
{
	struct go_work *w = go_work_at(id->g);

	if (w && w->goid != id->goid) {
		__builtin_memset(w, 0, sizeof(*w));
		w->goid = id->goid;
	}
	return w;
}

static __noinline struct go_work *go_work_make(const struct goroutine_id *id)
{
	struct goroutine_key key = {.g = id->g, .pid = current_pid()};
	struct go_work *w = go_work_of(id), fresh = {.goid = id->goid};

	if (w)
		return w;
	bpf_map_update_elem(&go_works, &key, &fresh, BPF_NOEXIST);
	return bpf_map_lookup_elem(&go_works, &key);
}

static __always_inline const struct go_exe *go_in_call(struct goroutine_id *id)
{
	const struct pt_regs *regs =
		(const struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());
	const struct go_exe *exe = current_go();

	return exe && current_goroutine(exe, regs, id) ? exe : NULL;
}

/* What the current goroutine works for. False: not a goroutine; NULL in out: that is not known. */
static __always_inline bool go_work_get(struct go_work **out)
{
	struct goroutine_id id;

	*out = NULL;
	if (!go_in_call(&id))
		return false;
	*out = go_work_of(&id);
	return true;
}

static __always_inline bool same_socket(__u64 a, __u64 b)
{
	return !((a ^ b) & ~PLAINTEXT_COOKIE);
}

/* It receives from that connection no more. */
static __noinline int go_end_work(const struct goroutine_id *id, __u64 cookie)
{
	struct go_work *w = id->g ? go_work_at(id->g) : NULL;

	if (w && w->goid == id->goid && w->received && same_socket(w->work.cookie, cookie))
		w->work.cookie = 0;
	return 0;
}

/*
 * len bytes were received from a client. False if that was not a goroutine. The receiver may be another's eyes; and
 * when the connection changes hands, the one that had it has done with it.
 */
static __noinline bool go_begin_work(struct connection_state *conn, __u32 len)
{
	struct goroutine_id id, before = {};
	struct go_work *w;

	if (!go_in_call(&id))
		return false;
	w = go_work_make(&id);
	if (w && w->reads_for.g) {
		id = w->reads_for;
		w = go_work_make(&id);
	}
	if (conn->receiver.g != id.g || conn->receiver.goid != id.goid) {
		before = conn->receiver;
		conn->receiver = id;
	}
	go_end_work(&before, conn->cookie);
	if (!w)
		return true;
	w->several |= w->received && w->work.cookie && !same_socket(w->work.cookie, conn->cookie);
	w->received = true;
	w->work.cookie = w->several ? 0 : conn->cookie;
	w->work.off = conn->rx_off - len;
	w->work.len = len;
	return true;
}

/* --- probes ------------------------------------------------------------------------------------ */

/* The goroutine that the scheduler, which is at the probe, works for. */
static __always_inline bool
scheduled_goroutine(const struct go_exe *exe, const struct pt_regs *regs, struct goroutine_id *out)
{
	__u64 m = 0, g = 0;

	bpf_probe_read_user(&m, sizeof(m), (void *)(GOROUTINE(regs) + THREAD_AT));
	return m && !bpf_probe_read_user(&g, sizeof(g), (void *)(m + exe->current_at)) &&
	       identify_goroutine(exe, g, out);
}

/* Where was it created? GO_BIRTHPLACES: somewhere else. */
static __always_inline __u32 birthplace(const struct go_exe *exe, const struct pt_regs *regs,
					__u64 g)
{
	__u64 from = 0;
	__u32 i;

	bpf_probe_read_user(&from, sizeof(from), (void *)(g + exe->birthplace_at));
	from -= PT_REGS_IP(regs);
	for (i = 0; i < GO_BIRTHPLACES; i++)
		if (from - (__s64)exe->births[i].off < exe->births[i].sz)
			break;
	return i;
}

static __always_inline int goroutine_born(const struct go_exe *exe, const struct pt_regs *regs)
{
	__u32 place = birthplace(exe, regs, GO_2(regs));
	struct goroutine_id creator, id;
	struct go_work *w, *of_creator;

	if (place >= GO_BIRTHPLACES || !identify_goroutine(exe, GO_2(regs), &id) ||
	    !scheduled_goroutine(exe, regs, &creator))
		return 0;
	of_creator = go_work_of(&creator);
	if (place > GO_READS_LAST && (!of_creator || !of_creator->work.cookie))
		return 0;
	w = go_work_make(&id);
	if (!w)
		return 0;
	if (place <= GO_READS_LAST) {
		w->reads_for = creator;
		return 0;
	}
	if (of_creator)
		w->work = of_creator->work;
	w->alone = place >= GO_ASKS_FIRST;
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
	struct go_connection key = {.address = pc, .pid = current_pid()};
	const struct goroutine_id *known = bpf_map_lookup_elem(&go_writers, &key);

	return (known && identify_goroutine(exe, known->g, out) && out->goid == known->goid) ||
	       waiting_writer(exe, pc, out);
}

/* What the goroutine sends from now on is for that; for whom is not known, if there is none. */
static __always_inline void give_work(const struct goroutine_id *to, const struct work *work)
{
	struct go_work *w = work->cookie ? go_work_make(to) : go_work_of(to);

	if (!w)
		return;
	w->received = false;
	w->work = *work;
}

/*
 * A connection's writer begins, perhaps after the first who sends on it. Each of the two notes what it knows before
 * it looks for the other.
 */
static __always_inline int begin_writer(const struct go_exe *exe, const struct pt_regs *regs)
{
	struct go_connection key = {.address = GO_1(regs), .pid = current_pid()};
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
	struct go_connection key = {.address = pc, .pid = current_pid()};
	struct given given = {.channel = requests_of(pc), .work = *work};

	return bpf_map_update_elem(&go_given, &key, &given, BPF_ANY);
}

static __noinline int take_back(__u64 pc)
{
	struct go_connection key = {.address = pc, .pid = current_pid()};

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
	if (giver)
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

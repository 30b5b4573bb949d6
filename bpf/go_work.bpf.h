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
	__u8 once;		       /* it was handed that for one message, ... */
	__u8 spent; /* ... which it has sent: the next is another's, who may not be seen */
	__u8 alone; /* created for one request of a connection that others send on */
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1); /* user space: GOROUTINES_MAX, where it is used */
	__type(key, struct goroutine_key);
	__type(value, struct go_work);
} go_works SEC(".maps") __weak;

/* Something of a program: a connection of net/http's client, or a closure. */
struct go_object {
	__u64 address;
	__u32 pid;
	__u32 reserved;
};

/* The goroutine that writes to it. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1); /* user space: more, where it is used */
	__type(key, struct go_object);
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
	__type(key, struct go_object);
	__type(value, struct given);
} go_given SEC(".maps") __weak;

/* By closure, a goroutine that is created to begin with it. */
struct go_birth {
	struct goroutine_id creator;
	struct work work;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1); /* user space: more, where it is used */
	__type(key, struct go_object);
	__type(value, struct go_birth);
} go_births SEC(".maps") __weak;

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

/* Who received from that connection does so no more. */
static __noinline int go_end_work(const struct connection_state *conn)
{
	struct go_work *w = conn->receiver ? go_work_at(conn->receiver) : NULL;

	if (w && w->received && same_socket(w->work.cookie, conn->cookie))
		w->work.cookie = 0;
	return 0;
}

/* Does it read ahead for the one who reads from that connection? */
static __noinline bool reads_ahead(const struct go_exe *exe, __u64 g)
{
	__u64 from = 0;

	bpf_probe_read_user(&from, sizeof(from), (void *)(g + exe->created_at));
	from -= BPF_CORE_READ(bpf_get_current_task_btf(), mm, start_code);
	return from - exe->ahead_off < exe->ahead_sz;
}

/*
 * len bytes were received from a client. False if that was not a goroutine. The receiver may be another's eyes; and
 * when the connection changes hands, the one that had it has done with it.
 */
static __noinline bool go_begin_work(struct connection_state *conn, __u32 len)
{
	struct goroutine_id id;
	const struct go_exe *exe = go_in_call(&id);
	struct go_work *w;

	if (!exe)
		return false;
	w = go_work_of(&id);
	if (w && w->reads_for.g) {
		id = w->reads_for;
		w = go_work_make(&id);
	} else if (conn->receiver && conn->receiver != id.g && reads_ahead(exe, id.g)) {
		id.g = conn->receiver;
		w = go_work_at(id.g);
	} else {
		w = go_work_make(&id);
	}
	if (w && !w->received && same_socket(w->work.cookie, conn->cookie))
		return true; /* the rest of the request that it works for */
	if (conn->receiver != id.g) {
		go_end_work(conn);
		conn->receiver = id.g;
	}
	if (!w)
		return true;
	w->several |= w->received && w->work.cookie && !same_socket(w->work.cookie, conn->cookie);
	w->received = true;
	w->once = w->spent = false;
	w->work.cookie = w->several ? 0 : conn->cookie;
	w->work.off = conn->rx_off - len;
	w->work.len = len;
	return true;
}

/* --- probes ------------------------------------------------------------------------------------ */

/*
 * The goroutine creates one, to do its part. By its closure that one is known when it begins; what its creator
 * works for may be something else by then.
 */
static __always_inline int creates(const struct goroutine_id *id, const struct pt_regs *regs,
				   __u32 part)
{
	struct go_object key = {.address = GO_1(regs), .pid = current_pid()};
	struct go_birth birth = {.creator = *id};
	const struct go_work *w = go_work_of(id);

	if (w)
		birth.work = w->work;
	if (part == GO_READS || birth.work.cookie)
		bpf_map_update_elem(&go_births, &key, &birth, BPF_ANY);
	else
		bpf_map_delete_elem(&go_births, &key);
	return 0;
}

static __always_inline int begins(const struct goroutine_id *id, const struct pt_regs *regs,
				  __u32 part)
{
	struct go_object key = {.address = GO_CLOSURE(regs), .pid = current_pid()};
	const struct go_birth *birth = bpf_map_lookup_elem(&go_births, &key);
	struct go_work *w = birth ? go_work_make(id) : NULL;

	if (!w)
		return 0;
	if (part == GO_READS)
		w->reads_for = birth->creator;
	else
		w->work = birth->work;
	w->alone = part == GO_ASKS;
	bpf_map_delete_elem(&go_births, &key);
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

/* It keeps its id until it is used again. */
static __always_inline bool has_ended(const struct go_exe *exe, __u64 g)
{
	__u32 status = 0;

	bpf_probe_read_user(&status, sizeof(status), (void *)(g + exe->goid_at - STATUS_BEFORE));
	return (status & ~STATUS_SCAN) == STATUS_DEAD;
}

/* The goroutine that writes to that connection, if it can be told. */
static __noinline bool find_writer(const struct go_exe *exe, __u64 pc, struct goroutine_id *out)
{
	struct go_object key = {.address = pc, .pid = current_pid()};
	const struct goroutine_id *known = bpf_map_lookup_elem(&go_writers, &key);

	if (known && identify_goroutine(exe, known->g, out) && out->goid == known->goid &&
	    !has_ended(exe, out->g))
		return true;
	if (!waiting_writer(exe, pc, out))
		return false;
	bpf_map_update_elem(&go_writers, &key, out, BPF_ANY); /* it will not always wait */
	return true;
}

/* What the goroutine sends from now on is for that; for whom is not known, if there is none. */
static __always_inline void give_work(const struct goroutine_id *to, const struct work *work)
{
	struct go_work *w = work->cookie ? go_work_make(to) : go_work_of(to);

	if (!w)
		return;
	w->received = w->spent = false;
	w->once = true;
	w->work = *work;
}

/*
 * A connection's writer begins, perhaps after the first who sends on it. Each of the two notes what it knows before
 * it looks for the other.
 */
static __always_inline int begin_writer(const struct goroutine_id *id, __u64 pc)
{
	struct go_object key = {.address = pc, .pid = current_pid()};
	const struct given *given;

	bpf_map_update_elem(&go_writers, &key, id, BPF_ANY);
	given = bpf_map_lookup_elem(&go_given, &key);
	if (given && given->channel == requests_of(key.address))
		give_work(id, &given->work);
	/* The next connection that is at this address has another writer. */
	if (given)
		bpf_map_delete_elem(&go_given, &key);
	return 0;
}

static __noinline int leave_work(__u64 pc, const struct work *work)
{
	struct go_object key = {.address = pc, .pid = current_pid()};
	struct given given = {.channel = requests_of(pc), .work = *work};

	return bpf_map_update_elem(&go_given, &key, &given, BPF_ANY);
}

static __noinline int take_back(__u64 pc)
{
	struct go_object key = {.address = pc, .pid = current_pid()};

	return bpf_map_delete_elem(&go_given, &key);
}

/* What the writer sends next is what its caller works for, or nobody knows for whom. */
static __always_inline int hand_over(const struct go_exe *exe, const struct goroutine_id *id,
				     __u64 pc)
{
	const struct go_work *giver = go_work_of(id);
	struct goroutine_id writer;
	struct work work = {};
	bool found;

	if (giver)
		work = giver->work;
	found = find_writer(exe, pc, &writer);
	if (!found) {
		leave_work(pc, &work);
		found = find_writer(exe, pc, &writer);
		if (found)
			take_back(pc);
	}
	if (found)
		give_work(&writer, &work);
	return 0;
}

SEC("uprobe")
int go_call(struct pt_regs *ctx)
{
	__u64 cookie = bpf_get_attach_cookie(ctx);
	const struct go_exe *exe = current_go();
	__u32 call = GO_CALL(cookie);
	struct goroutine_id id;

	if (!exe || (call != GO_CREATES && GO_GROWS(ctx)) || !current_goroutine(exe, ctx, &id))
		return 0;
	switch (call) {
	case GO_ROUND_TRIP:
		return hand_over(exe, &id, GO_1(ctx));
	case GO_WRITE_LOOP:
		return begin_writer(&id, GO_1(ctx));
	case GO_CREATES:
		return creates(&id, ctx, GO_PART(cookie));
	default:
		return begins(&id, ctx, GO_PART(cookie));
	}
}

#endif

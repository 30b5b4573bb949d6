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
 * gRPC gives each stream that it serves to a goroutine, which may have served others. Its client's connections have
 * a goroutine that sends for all; it is told by the header fields of a request, which are where they were when they
 * were queued, for whom it sends which stream.
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
	__u8 spent;	/* ... which it has sent: the next is another's, who may not be seen */
	__u8 alone;	/* created for one request of a connection that others send on */
	__u8 sends;	/* the streams of others, ... */
	__u64 sends_on; /* ... on that connection; 0: not known yet */
	__u64 began;	/* where the turn began that it received from, as it has served since */
	__u32 turn;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1); /* user space: GOROUTINES_MAX, where it is used */
	__type(key, struct goroutine_key);
	__type(value, struct go_work);
} go_works SEC(".maps") __weak;

/* What is at an address is used again as something else. */
enum go_kind {
	GO_CONNECTION, /* of net/http's client */
	GO_FUNCTION,   /* a closure */
	GO_SERVED,     /* a stream of gRPC's server */
	GO_FIELDS,     /* the header fields of one of its client's */
};

/* Something of a program. */
struct go_object {
	__u64 address;
	__u32 pid;
	__u32 kind;
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

/*
 * By closure, a goroutine that is created to begin with it. By stream, one that is to serve it; by header fields, a
 * stream that is to be sent.
 */
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

#define FRAME_HEADERS 1 /* a type of HTTP/2 */
#define FRAME_LEN_MAX (1u << 24)

/* Streams that a goroutine sends first, until its connection is known. By goid, which is not used again. */
#define HELD_MAX 32

struct held_streams {
	__u32 cnt;
	__u32 ids[HELD_MAX];
	struct work works[HELD_MAX];
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1); /* user space: GO_WRITERS_MAX, where it is used */
	__type(key, struct goroutine_key);
	__type(value, struct held_streams);
} go_held SEC(".maps") __weak;

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
	const struct go_exe *exe = current_go();
	const struct pt_regs *regs;

	if (!exe)
		return NULL;
	regs = (const struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());
	return current_goroutine(exe, regs, id) ? exe : NULL;
}

/*
 * What the current goroutine, which asks somebody, works for. False: not a goroutine; NULL in out: that is not known.
 */
static __always_inline bool go_work_get(struct go_work **out)
{
	struct goroutine_id id;
	const struct go_exe *exe = go_in_call(&id);

	*out = NULL;
	if (!exe)
		return false;
	note_use(exe, GO_AS_CLIENT);
	*out = go_work_of(&id);
	return true;
}

/* The request that the current goroutine works for, in a process of Go: where it begins in its stream, and of which. */
static __always_inline __u64 go_request_now(__u64 *off)
{
	struct goroutine_id id;
	const struct go_work *w = go_in_call(&id) ? go_work_of(&id) : NULL;

	if (!w || !w->work.cookie || w->work.id || w->once)
		return 0;
	*off = w->received ? w->began : w->work.off;
	return w->work.cookie;
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
	note_use(exe, GO_AS_SERVER);
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
	if (!same_socket(w->work.cookie, conn->cookie) || w->turn != conn->turn)
		w->began = conn->rx_off - len;
	w->turn = conn->turn;
	w->work.cookie = w->several ? 0 : conn->cookie;
	w->work.off = conn->rx_off - len;
	w->work.len = len;
	w->work.id = 0;
	return true;
}

/* --- streams of gRPC's client ------------------------------------------------------------------- */

/* The request that is about to be sent as that stream is sent for that work. */
__noinline int tell_stream(__u64 cookie, __u32 id, const struct work *work)
{
	struct record_cause *c;

	if (!work)
		return 0;
	c = reserve_for_op(scratch_get(), sizeof(*c));
	if (!c)
		return 0;
	__builtin_memset(c, 0, sizeof(*c));
	c->head.size = sizeof(*c);
	c->head.kind = RECORD_CAUSE;
	c->head.flags = CAUSE_STREAM;
	c->cookie = cookie;
	c->request_cookie = work->cookie;
	c->request_off = work->off;
	c->request_len = work->len;
	c->id = id;
	c->request_id = work->id;
	bpf_ringbuf_submit(c, BPF_RB_NO_WAKEUP);
	return 0;
}

static __noinline int hold_stream(__u64 goid, __u32 id, const struct work *work)
{
	struct goroutine_key key = {.g = goid, .pid = current_pid()};
	struct held_streams *held = bpf_map_lookup_elem(&go_held, &key);
	__u32 i;

	if (!held) {
		static const struct held_streams none;

		bpf_map_update_elem(&go_held, &key, &none, BPF_NOEXIST);
		held = bpf_map_lookup_elem(&go_held, &key);
	}
	if (!held || held->cnt >= HELD_MAX)
		return 0;
	i = held->cnt & (HELD_MAX - 1);
	held->ids[i] = id;
	held->works[i] = *work;
	held->cnt++;
	return 0;
}

/* The goroutine, which sends for others, sends on that connection. */
static __noinline int note_sender(struct go_work *w, __u64 cookie)
{
	struct goroutine_key key = {.g = w->goid, .pid = current_pid()};
	struct held_streams *held;

	if (w->sends_on == cookie)
		return 0;
	w->several |= w->sends_on && !same_socket(w->sends_on, cookie);
	w->sends_on = cookie;
	held = bpf_map_lookup_elem(&go_held, &key);
	if (!held)
		return 0;
	for (__u32 i = 0; i < HELD_MAX && i < held->cnt && !w->several; i++)
		tell_stream(cookie, held->ids[i], &held->works[i]);
	return bpf_map_delete_elem(&go_held, &key);
}

/* --- probes ------------------------------------------------------------------------------------ */

/*
 * The goroutine creates one, to do its part, or has another do so. By the object (its closure) that one is known when
 * it begins; what its creator works for may be something else by then.
 */
static __noinline int creates(const struct goroutine_id *id, __u64 address, __u32 kind, __u32 part)
{
	struct go_object key = {.address = address, .pid = current_pid(), .kind = kind};
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
	struct go_object key = {
		.address = GO_CLOSURE(regs),
		.pid = current_pid(),
		.kind = GO_FUNCTION,
	};
	const struct go_birth *birth = bpf_map_lookup_elem(&go_births, &key);
	struct go_work *w = birth ? go_work_make(id) : NULL;

	if (!w)
		return 0;
	if (part == GO_READS)
		w->reads_for = birth->creator;
	else
		w->work = birth->work;
	w->alone = part == GO_ASKS;
	w->received = part == GO_GOES_ON;
	bpf_map_delete_elem(&go_births, &key);
	return 0;
}

/*
 * The stream whose headers are in that frame of golang.org/x/net/http2; 0: that is none. It counts as valid only until
 * its fields have been read.
 */
static __always_inline __u32 stream_of(__u64 frame)
{
	struct {
		__u8 valid, type, flags, pad;
		__u32 len, stream;
	} header = {};
	__u64 at = 0;

	if (bpf_probe_read_user(&at, sizeof(at), (void *)frame) ||
	    bpf_probe_read_user(&header, sizeof(header), (void *)at))
		return 0;
	return header.valid <= 1 && header.type == FRAME_HEADERS && header.len < FRAME_LEN_MAX &&
			       header.stream & 1
		       ? header.stream
		       : 0;
}

/*
 * What it has received is for that stream, whatever else has come with it. Where the frame is the fourth argument,
 * the second is the type of a context, and its first byte the size of an interface.
 */
static __always_inline int takes_headers(const struct goroutine_id *id, const struct pt_regs *regs)
{
	struct go_work *w = go_work_of(id);

	if (w && w->received && w->work.cookie)
		w->work.id = stream_of(GO_2(regs)) ?: stream_of(GO_4(regs));
	return 0;
}

static __always_inline void set_work(struct go_work *w, const struct work *work)
{
	if (!w)
		return;
	w->work = *work;
	w->received = w->once = w->spent = false;
}

/* The goroutine serves a stream now, and no other that it may have served before. */
static __always_inline int takes_stream(const struct goroutine_id *id, __u64 stream)
{
	struct go_object key = {
		.address = stream,
		.pid = current_pid(),
		.kind = GO_SERVED,
	};
	const struct go_birth *birth = bpf_map_lookup_elem(&go_births, &key);
	static const struct work none;

	if (birth)
		set_work(go_work_make(id), &birth->work);
	else
		set_work(go_work_of(id), &none);
	return bpf_map_delete_elem(&go_births, &key);
}

/* Where the fields of what is queued stand; they are written from there. */
static __always_inline __u64 fields_of(__u64 queued)
{
	__u64 fields = 0;

	bpf_probe_read_user(&fields, sizeof(fields), (void *)(queued + GO_HEADER_FIELDS_AT));
	return fields;
}

static __always_inline int writes_stream(const struct go_exe *exe, const struct pt_regs *regs)
{
	struct go_object key = {
		.address = GO_4(regs),
		.pid = current_pid(),
		.kind = GO_FIELDS,
	};
	const struct go_birth *birth = bpf_map_lookup_elem(&go_births, &key);
	struct goroutine_id id;
	struct go_work *w;

	if (!birth)
		return 0;
	w = current_goroutine(exe, regs, &id) ? go_work_make(&id) : NULL;
	if (!w)
		return 0;
	w->sends = true;
	if (!w->several && w->sends_on)
		tell_stream(w->sends_on, GO_2(regs), &birth->work);
	else if (!w->several)
		hold_stream(w->goid, GO_2(regs), &birth->work);
	return bpf_map_delete_elem(&go_births, &key);
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

	if (!exe || (call < GO_AT_CALL && GO_GROWS(ctx)))
		return 0;
	note_hit(exe);
	if (call == GO_WRITES)
		return writes_stream(exe, ctx);
	if (!current_goroutine(exe, ctx, &id))
		return 0;
	switch (call) {
	case GO_ROUND_TRIP:
		return hand_over(exe, &id, GO_1(ctx));
	case GO_WRITE_LOOP:
		return begin_writer(&id, GO_1(ctx));
	case GO_CREATES:
		return creates(&id, GO_1(ctx), GO_FUNCTION, GO_PART(cookie));
	case GO_GIVES:
		return creates(&id, GO_1(ctx), GO_SERVED, GO_DOES);
	case GO_STREAM:
		return takes_headers(&id, ctx);
	case GO_TAKES:
		return takes_stream(&id, GO_4(ctx));
	case GO_QUEUES:
		return creates(&id, fields_of(GO_4(ctx)), GO_FIELDS, GO_DOES);
	default:
		return begins(&id, ctx, GO_PART(cookie));
	}
}

#endif

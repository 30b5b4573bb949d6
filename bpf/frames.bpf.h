/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Frame mode: of protocols whose messages are frames with a length in front, the kernel walks the frames
 * of each operation by the shape that user space gave, and copies only the heads of those that matter.
 *
 * Where does the first frame begin? A walk begins tentatively with a turn: what can be copied whole still
 * is, and the record says where the walk expects the next frame. User space, which has parsed all bytes
 * before, agrees or has it begin anew; once it agreed, only pieces are copied. Nothing is missed
 * meanwhile. From then on offsets keep the walk right: frames split over operations, and gaps inside a
 * frame, do not disturb it. Where it cannot go on (bytes that cannot be read, a length that no frame has)
 * it is broken, and begins anew.
 *
 * Small operations that are whole frames, which most are, are copied at once and walked in the copy: that
 * is cheaper than to look at user memory for each frame.
 *
 * All work is done in a scratch, whose slot is passed on, by functions that are verified once.
 */
#ifndef SONDE_BPF_FRAMES_H
#define SONDE_BPF_FRAMES_H

#include "bpf/buffer.bpf.h"
#include "bpf/times.bpf.h"

#define WALK_STEPS_MAX 65536 /* per operation */
#define WALK_STEPS_SHORT 48  /* where there is no bpf_loop */
#define WALK_WAITS_MAX 4     /* operations of a turn after which a walk begins in its middle */
#define PIECE_MAX 8192u	     /* bytes copied at once */
#define SMALL_MAX 512u	     /* operations that are copied before they are walked */
#define PIECE_AT (COPY_MAX - 1)

/* Of walk_op. */
#define WALK_SEND 1
#define WALK_NEW_TURN 2
#define WALK_MAY_BE_SILENT 4
#define WALK_BEGINS 8 /* a frame begins with the operation */

enum walk_mode {
	WALK_NONE,	/* begins with the next operation */
	WALK_TENTATIVE, /* where user space has not agreed yet */
	WALK_AGREED,
};

/* The next piece of the vector; false at its end. */
static __always_inline bool next_base(struct frames_work *w)
{
	struct iovec_arg iov;

	if (!w->iov_left || bpf_probe_read_user(&iov, sizeof(iov), (void *)w->iov))
		return false;
	w->iov += sizeof(iov);
	w->iov_left--;
	w->base = iov.base;
	w->base_left = iov.len;
	return true;
}

#define NOWHERE ~0u

#define PIECES_AT_ONCE 8

/* Takes what the current piece of the vector has of the bytes that take_frames takes. False: that was all of them. */
static __always_inline bool take_piece(struct scratch *s, struct frames_work *w)
{
	__u32 to = w->take_to;
	__u64 m;

	if (!w->take_left || (!w->base_left && !next_base(w)))
		return false;
	barrier();
	m = w->base_left;
	if (m > w->take_left)
		m = w->take_left;
	if (to != NOWHERE) {
		if (m > PIECE_MAX ||
		    bpf_probe_read_user(&s->payload[to & PIECE_AT], m, (void *)w->base))
			return false;
		w->take_to = to + m;
	}
	w->base += m;
	w->base_left -= m;
	w->take_left -= m;
	return true;
}

/* The same of several pieces. Verified once. */
__noinline int take_pieces(__u32 slot)
{
	struct scratch *s = scratch_at(slot);

	if (!s)
		return false;
	/* What changes is in memory, and read again in each round: so to the verifier they are all alike. */
	for (int i = 0; i < PIECES_AT_ONCE; i++)
		if (!take_piece(s, &s->work))
			return false;
	return true;
}

/*
 * Copies the buffer's next n bytes to the payload at to, or only passes over them (NOWHERE). True if all
 * of them were there.
 */
static __always_inline bool take_frames(struct scratch *s, __u32 to, __u32 n)
{
	s->work.take_to = to;
	s->work.take_left = n;
	for (int i = 0; n && i <= IOV_MAX_COPIED / PIECES_AT_ONCE && take_pieces(s->slot); i++)
		;
	return s->work.take_left == 0;
}

/* Writes the record of what was walked so far, up to pos. */
__noinline int write_frames(__u32 slot, __u16 flags)
{
	struct scratch *s = scratch_at(slot);
	struct frames_end end = {};
	struct frames_work *w;
	__u32 out;

	if (!s)
		return 0;
	w = &s->work;
	out = w->out & COPY_MASK;
	if (out > COPY_MAX)
		return 0;
	end.next_frame = w->broken ? ~0ull : w->walk.next - w->walk.header_len;
	end.serial = ++w->serial;
	end.other_serial = w->other_serial;
	end.generation = w->walk.generation;
	__builtin_memcpy(&s->payload[out], &end, sizeof(end));
	s->op.head.flags |= flags;
	s->op.head.size = sizeof(s->op) + out + sizeof(end);
	s->op.off = w->off + w->record_pos;
	s->op.seq = w->seq ? w->seq + w->record_pos : 0;
	s->op.len = w->pos - w->record_pos;
	w->out = 0;
	w->record_pos = w->pos;
	tell_times_of(s->op.cookie);
	if (!has_room_for_op(s) || !emit(s, &s->op, sizeof(s->op) + out + sizeof(end)))
		return 0;
	s->op.tail_off = 0;
	return 1;
}

static __always_inline void begin_piece(struct scratch *s, struct frames_work *w, __u32 len,
					__u16 flags)
{
	struct frame_piece piece = {};

	piece.at = w->pos - w->record_pos;
	piece.len = len;
	piece.flags = flags;
	__builtin_memcpy(&s->payload[w->out & PIECE_AT], &piece, sizeof(piece));
}

/* Room for a piece of len bytes in this record, or else in the next one. */
static __always_inline void make_room(struct scratch *s, __u32 len)
{
	if (s->work.out + sizeof(struct frame_piece) + len > COPY_MAX)
		write_frames(s->slot, 0);
}

/*
 * Inside a frame: copies what of it is still wanted, passes over the rest. What is wanted counts in a dry
 * walk, too, since the next operation may be written in pieces.
 */
__noinline int pass_frame(__u32 slot, __u32 left)
{
	struct scratch *s = scratch_at(slot);
	struct frames_work *w;
	__u64 in_frame;
	__u32 n, keep;

	if (!s)
		return 1;
	w = &s->work;
	in_frame = w->walk.next - (w->off + w->pos);
	n = in_frame < left ? in_frame : left;
	keep = w->walk.keep_left;
	if (keep && !w->dry) {
		if (n > PIECE_MAX)
			n = PIECE_MAX;
		if (n > keep)
			n = keep;
		make_room(s, n);
		begin_piece(s, w, n, n == keep && in_frame > n ? PIECE_CUT : 0);
		if (!take_frames(s, w->out + sizeof(struct frame_piece), n))
			w->broken = 1;
		w->out += sizeof(struct frame_piece) + n;
		w->walk.keep_left -= n;
	} else {
		w->walk.keep_left -= keep < n ? keep : n;
		if (!take_frames(s, NOWHERE, n))
			w->broken = 1;
	}
	w->pos += n;
	return w->broken;
}

static __always_inline __s64 frame_len(const struct frame_shape *shape,
				       const struct frame_walk *walk)
{
	__u64 len = 0;

	for (int i = 0; i < 4; i++) {
		__u64 byte = walk->header[(shape->length_at + i) & (FRAME_HEADER_MAX - 1)];

		if (i >= shape->length_sz)
			break;
		len = shape->flags & SHAPE_LITTLE_ENDIAN ? len | byte << (8 * i) : len << 8 | byte;
	}
	if (shape->padding_at)
		len += walk->header[shape->padding_at & (FRAME_HEADER_MAX - 1)];
	return (__s64)len + shape->length_add;
}

/* Takes n header bytes that were just copied to the payload at. */
static __always_inline void take_header(struct scratch *s, struct frame_walk *walk, __u32 at,
					__u32 n)
{
	if (!walk->header_len) {
		__builtin_memcpy(walk->header, &s->payload[at & PIECE_AT], FRAME_HEADER_MAX);
		return;
	}
	for (__u32 i = 0; i < FRAME_HEADER_MAX; i++) {
		if (i >= n)
			break;
		walk->header[(walk->header_len + i) & (FRAME_HEADER_MAX - 1)] =
			s->payload[(at + i) & PIECE_AT];
	}
}

static __always_inline bool may_keep_more(const struct frame_shape *shape,
					  const struct frame_walk *walk)
{
	return !shape->zero_at || !walk->header[shape->zero_at & (FRAME_HEADER_MAX - 1)];
}

static __always_inline __u32 keep_of_type(const struct frame_shape *shape, __u8 type, bool first,
					  bool more)
{
	__u64 bit = 1ull << (type & 63);

	if (more && shape->kept_more[type >> 6] & bit)
		return shape->keep_more;
	return (shape->kept[type >> 6] & bit) || first ? shape->keep : 0;
}

/*
 * How many bytes to keep of a frame of total bytes whose header is known; n of them were copied to at
 * and had before that. The type may lie beyond the header: then it is copied too, if it is in this
 * operation, and n grows; else the frame may be of any kind.
 */
static __always_inline __u32 keep_of_frame(struct scratch *s, struct frames_work *w,
					   const struct frame_shape *shape, __u32 at, __u32 had,
					   __u64 total, __u32 left, __u32 *n)
{
	bool more = may_keep_more(shape, &w->walk);
	__u32 beyond = shape->type_at + 1 - shape->header_sz;
	__u8 type;

	if (shape->type_at < shape->header_sz) {
		type = w->walk.header[shape->type_at & (FRAME_HEADER_MAX - 1)];
	} else {
		if (had || total <= shape->type_at || left < *n + beyond ||
		    beyond > FRAME_HEADER_MAX || !take_frames(s, at + *n, beyond))
			return more ? shape->keep_more : shape->keep;
		*n += beyond;
		type = s->payload[(at + *n - 1) & PIECE_AT];
	}
	return keep_of_type(shape, type, w->first, more);
}

/*
 * The piece of a frame whose first n bytes were copied: with as many of the body's as fit the record
 * and are in this operation. Returns how many that are; others follow in pieces of their own.
 */
static __always_inline __u32 copy_body(struct scratch *s, struct frames_work *w, __u32 at, __u32 n,
				       __u32 body, __u32 left, __u16 flags)
{
	__u32 now = body < left ? body : left;

	w->walk.keep_left = body;
	if (w->dry)
		return 0;
	if (now > PIECE_MAX || at + n + now > COPY_MAX)
		now = 0;
	if (now && !take_frames(s, at + n, now))
		w->broken = 1;
	w->walk.keep_left = body - now;
	if (now < body)
		flags &= ~PIECE_CUT;
	begin_piece(s, w, n + now, flags);
	w->out += sizeof(struct frame_piece) + n + now;
	return now;
}

static __always_inline void note_begun(struct frames_work *w, const struct frame_shape *shape,
				       __u32 had)
{
	if (!shape->begins ||
	    w->walk.header[shape->type_at & (FRAME_HEADER_MAX - 1)] != shape->begins)
		return;
	w->walk.last_begun.off = w->off + w->pos - had;
	__builtin_memcpy(w->walk.last_begun.header, w->walk.header, FRAME_HEADER_MAX);
}

/* At a frame's header, or the rest of one. */
__noinline int begin_frame(__u32 slot, __u32 left)
{
	struct scratch *s = scratch_at(slot);
	struct frame_shape *shape;
	__u32 n, had, at, keep, body = 0;
	struct frames_work *w;
	__u64 rest;
	__s64 total;

	if (!s)
		return 1;
	w = &s->work;
	shape = bpf_map_lookup_elem(&frame_shapes, &w->shape);
	if (!shape)
		return 1;
	had = w->walk.header_len;
	n = shape->header_sz - had;
	if (n > left)
		n = left;
	if (n > FRAME_HEADER_MAX) {
		w->broken = 1;
		return 1;
	}
	make_room(s, 2 * FRAME_HEADER_MAX);
	at = w->out + sizeof(struct frame_piece);
	if (!take_frames(s, at, n)) {
		w->broken = 1;
		return 1;
	}
	take_header(s, &w->walk, at, n);
	if (had + n < shape->header_sz) {
		begin_piece(s, w, n, had ? 0 : PIECE_START);
		w->out += w->dry ? 0 : sizeof(struct frame_piece) + n;
		w->walk.header_len += n;
		w->walk.next += n;
		w->pos += n;
		return 0;
	}
	total = frame_len(shape, &w->walk);
	if (total < shape->header_sz || total > shape->length_max) {
		w->broken = 1;
		return 1;
	}
	note_begun(w, shape, had);
	w->walk.keep_left = 0;
	keep = keep_of_frame(s, w, shape, at, had, total, left, &n);
	rest = total - had - n;
	if (keep > had + n) {
		body = keep - had - n;
		if (body > rest)
			body = rest;
	}
	w->walk.header_len = 0;
	w->walk.next = w->off + w->pos + n + rest;
	w->first = 0;
	if (keep || had)
		n += copy_body(s, w, at, n, body, left - n,
			       (had ? 0 : PIECE_START) | (rest > body ? PIECE_CUT : 0));
	w->pos += n;
	return w->broken;
}

/* One step of the walk; not 0 when it is over. */
__noinline int walk_step(__u32 slot)
{
	struct scratch *s = scratch_at(slot);
	__u32 left;

	if (!s || s->work.broken || s->work.pos >= s->work.len)
		return 1;
	left = s->work.len - s->work.pos;
	if (s->work.off + s->work.pos < s->work.walk.next)
		return pass_frame(slot, left);
	return begin_frame(slot, left);
}

static int walk_on(__u32 index, void *ctx)
{
	return walk_step(*(__u32 *)ctx) ? 1 : 0;
}

/* Walks the frames of the operation that the scratch describes. */
__noinline int walk_frames(__u32 slot)
{
	struct scratch *s;

	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_loop) && !settings.short_walk) {
		bpf_loop(WALK_STEPS_MAX, walk_on, &slot, 0);
	} else {
		for (int i = 0; i < WALK_STEPS_SHORT; i++)
			if (walk_step(slot))
				break;
	}
	s = scratch_at(slot);
	if (s && s->work.pos < s->work.len)
		s->work.broken = 1;
	return 0;
}

/* The user's buffer from its beginning. */
static __always_inline void rewind_buffer(struct frames_work *w)
{
	w->base = w->buffer.base;
	w->base_left = w->buffer.iov_cnt ? 0 : w->buffer.base_len;
	w->iov = w->buffer.iov;
	w->iov_left = w->buffer.iov_cnt;
}

static __always_inline void end_walk(struct frames_work *w, struct frame_walk *walk)
{
	*walk = w->walk;
	if (!w->broken)
		return;
	walk->mode = WALK_NONE;
	walk->keep_left = walk->header_len = 0;
}

/* A turn that never ends is joined at some operation of it. */
static __always_inline void begin_walk(struct frame_walk *walk, __u64 off, bool new_turn)
{
	if (walk->mode != WALK_NONE || (!new_turn && ++walk->waited < WALK_WAITS_MAX))
		return;
	walk->waited = 0;
	walk->next = off;
	walk->keep_left = walk->header_len = 0;
	walk->mode = WALK_TENTATIVE;
	if (++walk->generation == 0)
		walk->generation = 1;
}

/* The next frame of a small operation; not 0 when the last one, or one that is not whole, was reached. */
__noinline int small_step(__u32 slot)
{
	struct scratch *s = scratch_at(slot);
	struct frame_shape *shape;
	struct frames_work *w;
	__u32 left, type_at;
	__s64 total;

	if (!s)
		return 1;
	w = &s->work;
	shape = bpf_map_lookup_elem(&frame_shapes, &w->shape);
	left = w->len - w->pos;
	if (!shape || left < shape->header_sz)
		return 1;
	__builtin_memcpy(w->walk.header, &s->payload[w->pos & PIECE_AT], FRAME_HEADER_MAX);
	total = frame_len(shape, &w->walk);
	if (total < shape->header_sz || total > left || total > shape->length_max)
		return 1;
	note_begun(w, shape, 0);
	type_at = w->pos + shape->type_at;
	if (total <= shape->type_at || keep_of_type(shape, s->payload[type_at & PIECE_AT], w->first,
						    may_keep_more(shape, &w->walk)))
		w->wanted = 1;
	w->first = 0;
	w->pos += total;
	return w->pos >= w->len;
}

static int walk_small(__u32 index, void *ctx)
{
	return small_step(*(__u32 *)ctx) ? 1 : 0;
}

/* Copies the operation to the payload. Returns its bytes there. */
static __always_inline __u32 copy_whole(struct scratch *s, struct frames_work *w)
{
	__u64 want = w->want;
	int got = 0;

	if (!want)
		return 0;
	barrier_var(want); /* 6.1 wants to see its bound below */
	if (w->buffer.iov_cnt)
		got = copy_vector(s->slot, w->buffer.iov, w->buffer.iov_cnt, want);
	else if (want <= COPY_MAX &&
		 bpf_probe_read_user(s->payload, want, (void *)w->buffer.base) == 0)
		got = want;
	return got > 0 ? got & COPY_MASK : 0;
}

/* Is it whole frames, and were they found in the payload? Else nothing is changed. */
__noinline int walk_copy(__u32 slot)
{
	struct scratch *s = scratch_at(slot);
	struct frames_work *w;

	if (!s)
		return 0;
	w = &s->work;
	if (!(w->bits & WALK_BEGINS) || w->len > SMALL_MAX || w->want < w->len ||
	    (!w->buffer.iov_cnt && w->buffer.base_len < w->len) || copy_whole(s, w) < w->len)
		return 0;
	w->out = w->len;
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_loop) && !settings.short_walk) {
		bpf_loop(SMALL_MAX, walk_small, &slot, 0);
	} else {
		for (int i = 0; i < WALK_STEPS_SHORT; i++)
			if (small_step(slot))
				break;
	}
	return w->pos == w->len;
}

/* Pieces; what is not kept, and is not the beginning of a turn, makes no record. */
static __always_inline void write_pieces(struct scratch *s, struct frames_work *w)
{
	bool silent = w->walk.mode == WALK_AGREED && (w->bits & WALK_MAY_BE_SILENT);

	w->pos = w->len;
	if (w->out || w->broken || !silent)
		write_frames(s->slot, w->broken ? FRAMES_BROKEN : 0);
}

static __always_inline void write_copy(const struct scratch *s, const struct frames_work *w)
{
	write_frames(s->slot, FRAMES_WHOLE | (w->bits & WALK_BEGINS ? FRAMES_BEGINS : 0));
}

/* The bytes as ever, and where the next frame should begin. */
static __always_inline void write_whole(struct scratch *s, struct frames_work *w)
{
	w->pos = w->len;
	w->record_pos = 0;
	w->out = w->whole = copy_whole(s, w);
	if (w->want && !w->out)
		s->counts.unreadable++;
	write_copy(s, w);
}

/* A small operation that was walked in its copy. */
static __always_inline void write_small(const struct scratch *s, struct frames_work *w,
					struct frame_walk *walk)
{
	bool silent = w->walk.mode == WALK_AGREED && (w->bits & WALK_MAY_BE_SILENT);

	w->walk.next = w->off + w->len;
	*walk = w->walk;
	if (w->wanted || !silent)
		write_copy(s, w);
}

/* To the operation's beginning. */
static __always_inline void rewind_walk(struct frames_work *w, const struct frame_walk *walk)
{
	w->walk = *walk;
	w->pos = w->out = 0;
	w->first = !!(w->bits & WALK_NEW_TURN);
	rewind_buffer(w);
}

/* Walks the operation in user memory, and writes what of it matters. */
static __always_inline void walk_large(struct scratch *s, struct frames_work *w,
				       struct frame_walk *walk)
{
	rewind_walk(w, walk);
	w->dry = walk->mode == WALK_NONE || (walk->mode == WALK_TENTATIVE && w->want == w->len);
	/* What passed unseen may have held the beginning of a frame. */
	w->broken = walk->mode == WALK_NONE || w->off > walk->next;
	if (w->broken)
		;
	else if (!w->buffer.base_len &&
		 !w->buffer.iov_cnt) { /* nobody can look, nor need to inside a frame */
		w->broken = w->off + w->len > walk->next;
		w->walk.keep_left = 0;
	} else {
		walk_frames(s->slot);
	}
	end_walk(w, walk);
	if (!w->dry)
		write_pieces(s, w);
	else
		write_whole(s, w);
}

/*
 * An operation of a connection whose frames have a shape; the scratch holds its record's head, its
 * buffer, and how much of it may be copied. Returns how much was, because nobody agreed yet.
 */
static __noinline int walk_op(struct scratch *s, struct connection_state *conn)
{
	struct frames_work *w = &s->work;
	struct frame_walk *walk = &conn->walks[w->bits & WALK_SEND];

	begin_walk(walk, s->op.off, w->bits & WALK_NEW_TURN);
	if (walk->mode == WALK_TENTATIVE && walk->waking != walk->generation &&
	    s->op.len > SMALL_MAX) { /* all is copied until it is agreed on */
		walk->waking = walk->generation;
		s->wake = true;
	}
	w->off = s->op.off;
	w->seq = s->op.seq;
	w->len = s->op.len;
	w->record_pos = 0;
	w->serial = walk->serial;
	w->other_serial = conn->walks[!(w->bits & WALK_SEND)].serial;
	w->shape = conn->shape - 1;
	w->whole = w->wanted = w->broken = 0;
	if (walk->mode != WALK_NONE && walk->next == w->off && !walk->header_len)
		w->bits |= WALK_BEGINS;
	rewind_walk(w, walk);
	if (walk_copy(s->slot))
		write_small(s, w, walk);
	else
		walk_large(s, w, walk);
	walk->serial = w->serial;
	conn->tail_off = s->op.tail_off;
	if (w->record_pos < w->len) {
		conn->tail_off = w->off + w->len;
		conn->tail_ns = s->op.time_ns;
		conn->tail_direction = w->bits & WALK_SEND;
		conn->tail_flags = s->op.head.flags & OP_TIMED;
	}
	return w->whole;
}

#endif

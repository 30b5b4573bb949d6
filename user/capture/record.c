// SPDX-License-Identifier: Apache-2.0
/* Validation of records: sizes first, then what each kind promises. */
#include "user/capture/record.h"

#include <stdint.h>
#include <string.h>

static bool process_valid(const struct record_process *p)
{
	return p->args_len <= p->head.size && p->env_len <= p->head.size &&
	       (size_t)p->args_len + p->env_len + sizeof(*p) == p->head.size &&
	       memchr(p->comm, 0, sizeof(p->comm)) && memchr(p->exe, 0, sizeof(p->exe)) &&
	       memchr(p->cgroup, 0, sizeof(p->cgroup));
}

static bool op_valid(const struct record_op *op)
{
	return op->head.size - sizeof(*op) <= op->len && op->tail_direction <= DIRECTION_SEND;
}

static bool pieces_valid(const struct record_op *op, const char *at, size_t left)
{
	struct frame_piece piece;
	uint64_t end = 0;

	for (; left >= sizeof(piece); at += piece.len, left -= piece.len) {
		memcpy(&piece, at, sizeof(piece));
		at += sizeof(piece);
		left -= sizeof(piece);
		if (piece.len > left || piece.at < end || (uint64_t)piece.at + piece.len > op->len)
			return false;
		end = (uint64_t)piece.at + piece.len;
	}
	return left == 0;
}

static bool frames_valid(const struct record_op *op)
{
	size_t payload_len = op->head.size - sizeof(*op) - sizeof(struct frames_end);

	if (op->tail_direction > DIRECTION_SEND)
		return false;
	return op->head.flags & FRAMES_WHOLE
		       ? payload_len <= op->len
		       : pieces_valid(op, (const char *)(op + 1), payload_len);
}

static bool sample_valid(const struct record_sample *s)
{
	size_t len = sizeof(*s) + (s->kernel_cnt + s->user_cnt) * sizeof(uint64_t) +
		     s->python_cnt * sizeof(struct python_frame) +
		     s->v8_cnt * sizeof(struct v8_frame);
	const struct sample_copy *copy = (const void *)((const char *)s + len);

	if (s->kernel_cnt > SAMPLE_STACK_MAX || s->user_cnt > SAMPLE_STACK_MAX ||
	    s->python_cnt > PYTHON_FRAMES_MAX || s->v8_cnt > V8_FRAMES_MAX ||
	    s->off_cpu >= OFF_CPUS_CNT || (s->head.flags & SAMPLE_SAME && !s->off_cpu))
		return false;
	if (s->head.flags & SAMPLE_COPIED) {
		len += sizeof(*copy);
		if (s->head.size < len || copy->len > SAMPLE_COPY_MAX || copy->len % 8)
			return false;
		len += copy->len;
	}
	return s->head.size == len && memchr(s->comm, 0, sizeof(s->comm));
}

static bool any_set(const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (bytes[i])
			return true;
	return false;
}

static bool context_valid(const struct record_context *c)
{
	if (!any_set(c->trace_id, sizeof(c->trace_id)))
		return false;
	if (c->head.flags == CONTEXT_GIVEN)
		return true;
	return (c->head.flags == CONTEXT_SENT || c->head.flags == CONTEXT_RECEIVED) &&
	       any_set(c->span_id, sizeof(c->span_id));
}

bool record_valid(const void *bytes, size_t len)
{
	const struct record_head *head = bytes;

	if (len < sizeof(*head) || head->size > len)
		return false;
	switch (head->kind) {
	case RECORD_PROCESS:
		return head->size >= sizeof(struct record_process) && process_valid(bytes);
	case RECORD_CONNECTION:
		return head->size == sizeof(struct record_connection) &&
		       memchr(((const struct record_connection *)bytes)->unix_path, 0,
			      sizeof(((struct record_connection *)0)->unix_path)) &&
		       ((const struct record_connection *)bytes)->role <= ROLE_SERVER_LIKELY;
	case RECORD_OP:
		return head->size >= sizeof(struct record_op) && op_valid(bytes);
	case RECORD_FRAMES:
		return head->size >= sizeof(struct record_op) + sizeof(struct frames_end) &&
		       frames_valid(bytes);
	case RECORD_DATAGRAM:
		return head->size >= sizeof(struct record_datagram) &&
		       head->size - sizeof(struct record_datagram) <=
			       ((const struct record_datagram *)bytes)->len;
	case RECORD_TAIL:
		return head->size == sizeof(struct record_op) &&
		       ((const struct record_op *)bytes)->tail_direction <= DIRECTION_SEND;
	case RECORD_END:
		return (head->size == sizeof(struct record_end) || head->size == RECORD_END_MIN) &&
		       ((const struct record_end *)bytes)->tail_direction <= DIRECTION_SEND;
	case RECORD_CAUSE:
		return head->size == sizeof(struct record_cause) || head->size == RECORD_CAUSE_MIN;
	case RECORD_TIMES:
		return head->size == sizeof(struct record_times);
	case RECORD_EXIT:
		return head->size == sizeof(struct record_exit);
	case RECORD_CONTEXT:
		return head->size == sizeof(struct record_context) && context_valid(bytes);
	case RECORD_SAMPLE:
		return head->size >= sizeof(struct record_sample) && sample_valid(bytes);
	}
	return false;
}

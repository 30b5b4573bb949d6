// SPDX-License-Identifier: Apache-2.0
/* Validation of records: sizes first, then what each kind promises. */
#include "user/capture/record.h"

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
	case RECORD_TAIL:
		return head->size == sizeof(struct record_op) &&
		       ((const struct record_op *)bytes)->tail_direction <= DIRECTION_SEND;
	case RECORD_END:
		return head->size == sizeof(struct record_end) &&
		       ((const struct record_end *)bytes)->tail_direction <= DIRECTION_SEND;
	case RECORD_EXIT:
		return head->size == sizeof(struct record_exit);
	}
	return false;
}

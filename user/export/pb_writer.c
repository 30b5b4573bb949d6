// SPDX-License-Identifier: Apache-2.0
/* The backward writer's buffer: doubled when full, what was written stays at its end. */
#include "user/export/pb_writer.h"

#include <stdlib.h>

#define FIRST_SZ (64u * 1024)

void pb_writer__init(struct pb_writer *w, size_t max_sz)
{
	*w = (struct pb_writer){.max_sz = max_sz};
}

void pb_writer__free(struct pb_writer *w)
{
	free(w->buf);
	pb_writer__init(w, w->max_sz);
}

bool pb_writer__grow(struct pb_writer *w, size_t n)
{
	size_t used = pb_len(w), cap = w->cap ? w->cap : FIRST_SZ;
	uint8_t *buf;

	if (w->failed)
		return false;
	w->failed = true;
	if (n > w->max_sz || used > w->max_sz - n) {
		w->full = true;
		return false;
	}
	while (cap < used + n)
		cap *= 2;
	cap = cap < w->max_sz ? cap : w->max_sz;
	buf = malloc(cap);
	if (!buf)
		return false;
	if (used)
		memcpy(buf + cap - used, w->buf + w->at, used);
	free(w->buf);
	w->buf = buf;
	w->at = cap - used;
	w->cap = cap;
	w->failed = false;
	return true;
}

void pb_unclean_string(struct pb_writer *w, unsigned int field, struct slice s)
{
	size_t n = utf8_clean_len(s);

	if (!pb_room(w, n + 2 * PB_VARINT_MAX))
		return;
	w->at -= n;
	utf8_clean((char *)w->buf + w->at, s);
	pb_raw_varint(w, n);
	pb_raw_tag(w, field, PB_LEN);
}

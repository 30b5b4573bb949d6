// SPDX-License-Identifier: Apache-2.0
/* Each frame: the line, the lengths of its name and its path, and these. */
#include "user/profile/line_frames.h"

struct head {
	uint32_t line;
	uint16_t name_n, path_n;
};

static size_t put(char *to, struct slice s, size_t room)
{
	s = slice_first(s, room);
	if (s.n)
		memcpy(to, s.p, s.n);
	return s.n;
}

static size_t put_path(char *to, const struct source_frame *frame)
{
	size_t n = put(to, frame->dir, LINE_TEXT_MAX - 1);

	if (n && to[n - 1] != '/')
		to[n++] = '/';
	return n + put(to + n, frame->file, LINE_TEXT_MAX - n);
}

size_t line_frames_write(char buf[LINE_FRAMES_MAX_SZ], const struct source_frame *frames,
			 uint32_t cnt)
{
	size_t used = 0;

	for (uint32_t i = 0; i < cnt && i < SOURCE_FRAMES_MAX; i++) {
		char *at = buf + used + sizeof(struct head);
		struct head head = {.line = frames[i].line};

		head.name_n = (uint16_t)put(at, frames[i].name, LINE_TEXT_MAX);
		head.path_n = (uint16_t)put_path(at + head.name_n, &frames[i]);
		memcpy(buf + used, &head, sizeof(head));
		used += sizeof(head) + head.name_n + head.path_n;
	}
	return used;
}

bool line_frames_next(struct slice *rest, struct source_frame *frame)
{
	struct head head;

	if (rest->n < sizeof(head))
		return false;
	memcpy(&head, rest->p, sizeof(head));
	*rest = slice_after(*rest, sizeof(head));
	if (rest->n < (size_t)head.name_n + head.path_n)
		return false;
	*frame = (struct source_frame){
		.name = slice_first(*rest, head.name_n),
		.file = slice_first(slice_after(*rest, head.name_n), head.path_n),
		.line = head.line <= INT32_MAX ? head.line : 0,
	};
	*rest = slice_after(*rest, (size_t)head.name_n + head.path_n);
	return true;
}

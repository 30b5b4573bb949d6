// SPDX-License-Identifier: Apache-2.0
/* The tree of frames, a line for each node in which samples ended. */
#include "user/export/folded.h"

#include <inttypes.h>
#include <stdlib.h>

#include "user/base/utf8.h"
#include "user/export/frame_tree.h"
#include "user/export/stream.h"

static const struct slice suffixes[] = {
	[FRAME_KERNEL] = SLICE("_[k]"),	 [FRAME_JIT] = SLICE("_[j]"), [FRAME_CPYTHON] = SLICE(""),
	[FRAME_V8JS] = SLICE(""),	 [FRAME_ERROR] = SLICE(""),   [FRAME_WAIT] = SLICE(""),
	[FRAME_INLINED] = SLICE("_[i]"),
};

static void put_name(FILE *out, struct slice name)
{
	while (name.n) {
		int32_t code;
		size_t n = utf8_decode(name, &code);

		if (utf8_is_control(code))
			fputc(' ', out);
		else if (code == ';')
			fputc(':', out);
		else
			stream_put(out, slice_first(name, n));
		name = slice_after(name, n);
	}
}

static void put_line(FILE *out, const struct frame_node *const *path, uint32_t cnt)
{
	for (uint32_t i = 0; i < cnt; i++) {
		if (i)
			fputc(';', out);
		put_name(out, path[i]->label);
		stream_put(out, suffixes[path[i]->type]);
	}
	fprintf(out, " %" PRIu64 "\n", path[cnt - 1]->self);
}

int folded_write(const struct profile *p, FILE *out)
{
	const struct frame_node **path;
	struct frame_tree tree;
	int err = frame_tree__init(&tree, p);

	if (err)
		return err;
	path = calloc(tree.depth_max + 1, sizeof(const struct frame_node *));
	for (uint32_t i = 1; path && i < tree.cnt; i++) {
		const struct frame_node *node = &tree.v[i];

		path[node->depth - 1] = node;
		if (node->self)
			put_line(out, path, node->depth);
	}
	err = path ? stream_result(out) : -ENOMEM;
	free(path);
	frame_tree__free(&tree);
	return err;
}

// SPDX-License-Identifier: Apache-2.0
/* The kernel writes the lines in order. */
#include "user/profile/mappings.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "user/base/procfs.h"

#define MAPPINGS_MAX 8192u
#define PATHS_MAX_SZ (2u * 1024 * 1024)

void mappings__init(struct mappings *m)
{
	*m = (struct mappings){0};
	arena__init(&m->paths, PATHS_MAX_SZ);
}

void mappings__free(struct mappings *m)
{
	free(m->v);
	arena__free(&m->paths);
	m->v = NULL;
	m->cnt = m->cap = 0;
}

static int add(struct mappings *m, const struct procfs_mapping *read)
{
	uint32_t cap = m->cap ? m->cap * 2 : 32;
	bool failed = false;

	if (m->cnt == MAPPINGS_MAX)
		return -ENOMEM;
	if (m->cnt == m->cap) {
		struct mapping *grown = reallocarray(m->v, cap, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		m->v = grown;
		m->cap = cap;
	}
	m->v[m->cnt] = (struct mapping){
		.start = read->start,
		.limit = read->limit,
		.file_off = read->file_off,
		.inode = read->inode,
		.path = arena__copy(&m->paths, read->path, &failed),
		.unwind.kind = UNWIND_KIND_UNKNOWN,
	};
	m->cnt += !failed;
	return failed ? -ENOMEM : 0;
}

static bool is_same(const struct mapping *a, const struct mapping *b)
{
	return a->start == b->start && a->file_off == b->file_off && a->inode == b->inode &&
	       slice_eq(a->path, b->path);
}

/* What was found out about the old ones holds for the same ones in the new. */
static void keep_known(struct mappings *m, struct mappings *old)
{
	uint32_t k = 0;

	for (uint32_t i = 0; i < m->cnt; i++) {
		while (k < old->cnt && old->v[k].start < m->v[i].start)
			k++;
		if (k < old->cnt && is_same(&m->v[i], &old->v[k])) {
			m->v[i].module = old->v[k].module;
			m->v[i].tried = old->v[k].tried;
			m->v[i].unwind = old->v[k].unwind;
		}
	}
}

int mappings__parse(struct mappings *m, struct slice text)
{
	static atomic_uint_fast64_t parsed_cnt;
	struct procfs_mapping read;
	struct mappings fresh;
	struct slice line;
	uint64_t end = 0;
	int err = 0;

	mappings__init(&fresh);
	fresh.number = atomic_fetch_add(&parsed_cnt, 1) + 1;
	while (!err && procfs_next_line(&text, &line)) {
		if (!procfs_parse_mapping(line, &read) || !read.executable || read.start < end)
			continue;
		err = add(&fresh, &read);
		end = read.limit;
	}
	keep_known(&fresh, m);
	mappings__free(m);
	*m = fresh;
	return err;
}

int mappings__read(struct mappings *m, int proc_dir_fd)
{
	char *text;
	ssize_t len = procfs_read_all(proc_dir_fd, "maps", PROCFS_MAPS_MAX_SZ, &text);
	/* Empty: it is about to end and has no memory any more. */
	int err = len == 0  ? -ESRCH
		  : len < 0 ? (int)len
			    : mappings__parse(m, slice_of(text, (size_t)len));

	free(text);
	return err;
}

struct mapping *mappings__find(struct mappings *m, uint64_t address)
{
	uint32_t first = 0, cnt = m->cnt;

	while (cnt) {
		uint32_t half = cnt / 2;

		if (m->v[first + half].start <= address) {
			first += half + 1;
			cnt -= half + 1;
		} else {
			cnt = half;
		}
	}
	return first && address < m->v[first - 1].limit ? &m->v[first - 1] : NULL;
}

// SPDX-License-Identifier: Apache-2.0
/* Lines of "START-LIMIT PERM OFFSET DEVICE INODE   PATH"; the kernel writes them in order. */
#include "user/profile/mappings.h"

#include <errno.h>
#include <stdlib.h>

#include "user/base/procfs.h"

#define TEXT_FIRST_SZ (128u * 1024)
#define TEXT_MAX_SZ (16u * 1024 * 1024)
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

static bool take_char(struct slice *s, char c)
{
	if (!s->n || s->p[0] != c)
		return false;
	*s = slice_after(*s, 1);
	return true;
}

static bool take_word(struct slice *s, struct slice *word)
{
	ptrdiff_t space = slice_find(*s, ' ');

	*word = space < 0 ? *s : slice_first(*s, (size_t)space);
	*s = slice_trim(slice_after(*s, word->n));
	return word->n;
}

/* False if it is malformed or not executable. */
static bool parse_line(struct slice line, struct mapping *out)
{
	struct slice perm, device, inode;

	*out = (struct mapping){0};
	if (!slice_take_hex(&line, &out->start) || !take_char(&line, '-') ||
	    !slice_take_hex(&line, &out->limit) || !take_char(&line, ' ') ||
	    !take_word(&line, &perm) || !slice_take_hex(&line, &out->file_off) ||
	    !take_char(&line, ' ') || !take_word(&line, &device) || !take_word(&line, &inode) ||
	    !slice_to_u64(inode, &out->inode))
		return false;
	out->path = line;
	return perm.n >= 4 && perm.p[2] == 'x' && out->start < out->limit;
}

static int add(struct mappings *m, const struct mapping *mapping)
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
	m->v[m->cnt] = *mapping;
	m->v[m->cnt].path = arena__copy(&m->paths, mapping->path, &failed);
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
		}
	}
}

int mappings__parse(struct mappings *m, struct slice text)
{
	struct mapping mapping;
	struct mappings fresh;
	struct slice line;
	uint64_t end = 0;
	int err = 0;

	mappings__init(&fresh);
	while (!err && procfs_next_line(&text, &line)) {
		if (!parse_line(line, &mapping) || mapping.start < end)
			continue;
		err = add(&fresh, &mapping);
		end = mapping.limit;
	}
	keep_known(&fresh, m);
	mappings__free(m);
	*m = fresh;
	return err;
}

int mappings__read(struct mappings *m, int proc_dir_fd)
{
	ssize_t len = -ENOMEM;
	char *text = NULL;
	int err;

	for (size_t cap = TEXT_FIRST_SZ; cap <= TEXT_MAX_SZ; cap *= 4) {
		free(text);
		text = malloc(cap);
		len = text ? procfs_read(proc_dir_fd, "maps", text, cap) : -ENOMEM;
		if (len < 0 || (size_t)len < cap)
			break;
	}
	/* Empty: it is about to end and has no memory any more. */
	err = len == 0	? -ESRCH
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

// SPDX-License-Identifier: Apache-2.0
/*
 * Tables by the identity of their files, least recently used first out when they take more than
 * UNWIND_BLOCKS_MAX blocks. The kernel frees what is withdrawn when no sampler reads it any more.
 */
#include "user/profile/unwinder.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "user/base/log.h"
#include "user/profile/file_key.h"
#include "user/profile/unwind_table.h"

/* A copy of a part of a stack. */
struct memory {
	uint64_t start, len;
	const char *bytes;
	bool missed; /* what is not in it was asked for */
};

static bool unwind_load(void *ctx, uint64_t address, __u64 *value)
{
	struct memory *m = ctx;

	if (address < m->start || m->len < 8 || address - m->start > m->len - 8) {
		m->missed = true;
		return false;
	}
	memcpy(value, m->bytes + (address - m->start), sizeof(*value));
	return true;
}

#include "include/abi/unwind_step.h"

#define PENDING_MAX 256

struct table {
	uint32_t id;   /* 0: free; else its place modulo UNWIND_TABLES_MAX */
	uint64_t used; /* grows with each use */
	struct file_key key;
	uint8_t build_id[BUILD_ID_MAX];
	size_t build_id_len;
	struct elf_segment segments[SEGMENTS_MAX];
	uint32_t segments_cnt;
	bool is_elf;
	uint64_t base; /* address of the first page */
	struct unwind_block *blocks;
	uint32_t blocks_cnt; /* 0: the file has no table */
};

/* What the next flush does. */
struct pending {
	uint32_t ids[PENDING_MAX];
	int fds[PENDING_MAX];
	uint32_t cnt;
};

struct unwinder {
	struct unwind_sink sink;
	struct unwind_rules *rules;
	uint32_t rules_sent;
	uint32_t rounds; /* of ids given out */
	uint64_t uses;
	uint32_t blocks_cnt;			    /* of all tables */
	struct pending tables, processes;	    /* to be published */
	struct pending gone_tables, gone_processes; /* to be withdrawn */
	struct table v[UNWIND_TABLES_MAX];
};

struct unwinder *unwinder__new(const struct unwind_sink *sink)
{
	struct unwinder *u = calloc(1, sizeof(*u));

	if (u) {
		u->sink = *sink;
		u->rules = unwind_rules__new();
	}
	if (u && u->rules)
		return u;
	free(u);
	errno = ENOMEM;
	return NULL;
}

/* --- publishing ------------------------------------------------------------------------------- */

static void close_all(struct pending *p)
{
	for (uint32_t i = 0; i < p->cnt; i++)
		if (p->fds[i] >= 0)
			close(p->fds[i]);
	p->cnt = 0;
}

static void publish(struct unwinder *u, bool table, struct pending *p)
{
	int err = p->cnt ? u->sink.publish(u->sink.ctx, table, p->ids, p->fds, p->cnt) : 0;

	if (err)
		log_warn("cannot hand the unwinder %u %s: %s", p->cnt,
			 table ? "tables" : "processes", strerror(-err));
	close_all(p);
}

static void withdraw(struct unwinder *u, bool table, struct pending *p)
{
	if (p->cnt)
		u->sink.withdraw(u->sink.ctx, table, p->ids, p->cnt);
	p->cnt = 0;
}

/* Rules before the rows that name them, tables before the mappings that do. */
void unwinder__flush(struct unwinder *u)
{
	const struct unwind_rule *rules;
	uint32_t cnt = unwind_rules__from(u->rules, u->rules_sent, &rules);

	if (cnt && u->sink.rules(u->sink.ctx, u->rules_sent, rules, cnt) == 0)
		u->rules_sent += cnt;
	publish(u, true, &u->tables);
	publish(u, false, &u->processes);
	withdraw(u, false, &u->gone_processes);
	withdraw(u, true, &u->gone_tables);
}

static void add_pending(struct unwinder *u, struct pending *p, uint32_t id, int fd)
{
	if (p->cnt == PENDING_MAX)
		unwinder__flush(u);
	p->ids[p->cnt] = id;
	p->fds[p->cnt++] = fd;
}

/* --- tables ----------------------------------------------------------------------------------- */

static void drop(struct unwinder *u, struct table *t)
{
	if (t->blocks) {
		add_pending(u, &u->gone_tables, t->id, -1);
		u->sink.unmap(u->sink.ctx, true, t->blocks, t->blocks_cnt);
		u->blocks_cnt -= t->blocks_cnt;
	}
	*t = (struct table){0};
}

/* What the kernel's side still has goes with it. */
void unwinder__free(struct unwinder *u)
{
	if (!u)
		return;
	for (uint32_t i = 0; i < UNWIND_TABLES_MAX; i++)
		if (u->v[i].blocks)
			u->sink.unmap(u->sink.ctx, true, u->v[i].blocks, u->v[i].blocks_cnt);
	close_all(&u->tables);
	close_all(&u->processes);
	unwind_rules__free(u->rules);
	free(u);
}

static struct table *find_table(struct unwinder *u, uint32_t id)
{
	struct table *t = &u->v[id % UNWIND_TABLES_MAX];

	return id && t->id == id ? t : NULL;
}

static struct table *least_used(struct unwinder *u, bool with_blocks)
{
	struct table *found = NULL;

	for (uint32_t i = 0; i < UNWIND_TABLES_MAX; i++)
		if (u->v[i].id && (!with_blocks || u->v[i].blocks_cnt) &&
		    (!found || u->v[i].used < found->used))
			found = &u->v[i];
	return found;
}

static struct table *take_place(struct unwinder *u)
{
	struct table *t;

	for (uint32_t i = 0; i < UNWIND_TABLES_MAX; i++)
		if (!u->v[i].id)
			return &u->v[i];
	t = least_used(u, false);
	drop(u, t);
	return t;
}

/* The same file; or the same build of it, in another container. */
static struct table *find_same(struct unwinder *u, const struct table *like)
{
	for (uint32_t i = 0; i < UNWIND_TABLES_MAX; i++) {
		struct table *t = &u->v[i];

		if (t->id && (memcmp(&t->key, &like->key, sizeof(t->key)) == 0 ||
			      (like->build_id_len && like->build_id_len == t->build_id_len &&
			       like->key.size == t->key.size &&
			       memcmp(t->build_id, like->build_id, like->build_id_len) == 0)))
			return t;
	}
	return NULL;
}

static void build(struct unwinder *u, struct table *t, const struct unwind_rows *rows)
{
	uint32_t cnt = unwind_rows__blocks(rows);
	int fd;

	while (cnt && u->blocks_cnt + cnt > UNWIND_BLOCKS_MAX)
		drop(u, least_used(u, true));
	t->blocks = cnt ? u->sink.map(u->sink.ctx, true, cnt, &fd) : NULL;
	if (!t->blocks)
		return;
	unwind_rows__write(rows, t->blocks);
	t->blocks_cnt = cnt;
	t->base = unwind_rows_base(rows);
	u->blocks_cnt += cnt;
	add_pending(u, &u->tables, t->id, fd);
}

/* The table of a file, read if need be; NULL when it is no regular file. Takes over fd. */
static struct table *open_table(struct unwinder *u, int fd)
{
	struct unwind_rows rows = {0};
	struct table read = {0}, *t;
	struct elf_file *elf;

	if (!file_key_of(fd, &read.key)) {
		close(fd);
		return NULL;
	}
	t = find_same(u, &read);
	elf = t ? NULL : elf_file__open(fd);
	read.is_elf = elf;
	if (elf) {
		read.build_id_len = elf_file__build_id(elf, read.build_id);
		t = find_same(u, &read);
	}
	if (!t) {
		t = take_place(u);
		*t = read;
		t->id = ++u->rounds * UNWIND_TABLES_MAX + (uint32_t)(t - u->v);
		t->used = ++u->uses;
		t->segments_cnt = elf ? elf_file__segments(elf, t->segments) : 0;
		if (elf && unwind_rows__read(&rows, elf, fd, u->rules) == 0)
			build(u, t, &rows);
		free(rows.v);
	}
	elf_file__close(elf);
	close(fd);
	t->used = ++u->uses;
	return t;
}

/* --- mappings --------------------------------------------------------------------------------- */

void unwinder__touch(struct unwinder *u, const struct mapping *mapping)
{
	struct table *t = find_table(u, mapping->unwind.table);

	if (t)
		t->used = ++u->uses;
}

/* The segment that a mapping is of. */
static const struct elf_segment *segment_of(const struct table *t, const struct mapping *m)
{
	for (uint32_t i = 0; i < t->segments_cnt; i++) {
		const struct elf_segment *s = &t->segments[i];

		if (s->file_off < m->file_off + (m->limit - m->start) &&
		    m->file_off < s->file_off + s->size)
			return s;
	}
	return NULL;
}

static void place(struct mapping *m, const struct table *t)
{
	const struct elf_segment *segment = t ? segment_of(t, m) : NULL;

	m->unwind.kind = t && !t->is_elf ? UNWIND_KIND_FRAME : UNWIND_KIND_NONE;
	m->unwind.table = t ? t->id : 0;
	if (!segment || !t->blocks_cnt)
		return;
	m->unwind.kind = UNWIND_KIND_TABLE;
	m->unwind.bias = m->file_off - m->start + segment->address - segment->file_off - t->base;
}

/* Finds out how a mapping's code is unwound, unless that is known. */
static const struct table *prepare(struct unwinder *u, struct mapping *m,
				   int (*open)(void *ctx, const struct mapping *mapping), void *ctx)
{
	struct table *t = find_table(u, m->unwind.table);
	int fd;

	if (t || (m->unwind.kind != UNWIND_KIND_UNKNOWN && !m->unwind.table))
		return t;
	if (!m->inode && (!m->path.n || m->path.p[0] != '[')) {
		m->unwind.kind = UNWIND_KIND_FRAME;
		return NULL;
	}
	fd = open(ctx, m);
	if (fd == -ESRCH)
		return NULL;
	t = fd < 0 ? NULL : open_table(u, fd);
	place(m, t);
	return t;
}

void unwinder__tell(struct unwinder *u, uint32_t process_id, const struct mappings *mappings,
		    const struct unwind_pages *pages)
{
	uint32_t cnt = mappings->cnt < UNWIND_MAPPINGS_MAX ? mappings->cnt : UNWIND_MAPPINGS_MAX;
	struct unwind_mapping *to;
	int fd;

	to = u->sink.map(u->sink.ctx, false, cnt + 1, &fd);
	if (!to)
		return;
	*(struct unwind_head *)to = (struct unwind_head){.pages = *pages, .cnt = cnt};
	for (uint32_t i = 0; i < cnt; i++)
		to[1 + i] = (struct unwind_mapping){
			.start = mappings->v[i].start,
			.limit = mappings->v[i].limit,
			.bias = mappings->v[i].unwind.bias,
			.table = mappings->v[i].unwind.table,
			.kind = mappings->v[i].unwind.kind,
		};
	u->sink.unmap(u->sink.ctx, false, to, cnt + 1);
	add_pending(u, &u->processes, process_id, fd);
}

void unwinder__forget(struct unwinder *u, uint32_t process_id)
{
	add_pending(u, &u->gone_processes, process_id, -1);
}

void unwinder__tell_python(struct unwinder *u, uint32_t process_id,
			   const struct python_layout *layout)
{
	int err = u->sink.python(u->sink.ctx, process_id, layout);

	if (err && layout)
		log_warn("cannot hand the sampler where Python frames are: %s", strerror(-err));
}

void unwinder__tell_v8(struct unwinder *u, uint32_t process_id, const struct v8_layout *layout)
{
	int err = u->sink.v8(u->sink.ctx, process_id, layout);

	if (err && layout)
		log_warn("cannot hand the sampler where JavaScript functions are: %s",
			 strerror(-err));
}

void unwinder__tell_thread_context(struct unwinder *u, uint32_t process_id,
				   const struct thread_context_place *place)
{
	int err = u->sink.thread_context(u->sink.ctx, process_id, place);

	if (err && place)
		log_warn("cannot hand the sampler where threads publish their spans: %s",
			 strerror(-err));
}

/* --- walking ---------------------------------------------------------------------------------- */

static enum unwind_end walk_once(struct unwinder *u, struct mapping *m, const struct table *t,
				 struct unwind_registers *r, struct memory *memory)
{
	uint64_t at = r->v[UNWIND_RIP] - !r->exact;
	const struct unwind_rule *rule;
	uint16_t index = UNWIND_RULE_NONE;

	if (m->unwind.kind == UNWIND_KIND_TABLE && t)
		index = unwind_table_find(t->blocks, t->blocks_cnt, at + m->unwind.bias);
	else if (m->unwind.kind == UNWIND_KIND_FRAME)
		index = UNWIND_RULE_FRAME;
	else if (m->unwind.kind == UNWIND_KIND_UNKNOWN)
		return UNWIND_NO_TABLE;
	unwind_rules__from(u->rules, index, &rule);
	return unwind_step(r, rule, memory);
}

enum unwind_end unwinder__walk(struct unwinder *u, struct mappings *mappings,
			       const struct sample_copy *copy, uint64_t *addresses, uint16_t *cnt,
			       int (*open)(void *ctx, const struct mapping *mapping), void *ctx)
{
	struct unwind_registers r = copy->registers;
	struct memory memory = {
		.start = r.v[UNWIND_RSP] - UNWIND_RED_ZONE,
		.len = copy->len,
		.bytes = (const char *)(copy + 1),
	};
	enum unwind_end end = UNWIND_GOES_ON;

	r.known = (1u << UNWIND_REGISTERS) - 1;
	for (*cnt = 0; end == UNWIND_GOES_ON && *cnt < SAMPLE_STACK_MAX;) {
		uint64_t at = r.v[UNWIND_RIP] - !r.exact;
		struct mapping *m = mappings__find(mappings, at);

		addresses[(*cnt)++] = r.v[UNWIND_RIP] | (r.exact ? SAMPLE_EXACT : 0);
		if (!m)
			return UNWIND_NOT_CODE;
		end = walk_once(u, m, prepare(u, m, open, ctx), &r, &memory);
	}
	if (memory.missed && copy->len)
		return UNWIND_SHORT_COPY;
	return end == UNWIND_GOES_ON ? UNWIND_DEEP : end;
}

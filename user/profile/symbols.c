// SPDX-License-Identifier: Apache-2.0
/*
 * The cache of modules: by the file's identity, least recently used first out. A module keeps
 * addresses and the file open; names are read and demangled when a sample hits them, then kept.
 */
#include "user/profile/symbols.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "user/base/arena.h"
#include "user/base/clock.h"
#include "user/base/procfs.h"
#include "user/base/demangle.h"
#include "user/base/elf_file.h"
#include "user/profile/file_key.h"

#define TABLES_MAX 2
#define NAMES_MAX_SZ (4u * 1024 * 1024) /* of one module: of the functions that were sampled */
#define SYMBOLS_TOTAL_MAX (4u << 20)	/* of all modules: 64 MiB */
#define DEBUG_PATH_SZ 4096

/* A name that has been asked for. */
struct known_name {
	uint64_t address; /* of the symbol */
	struct function_name name;
};

/* What a module still lacks. */
struct lack {
	bool names, lines;
};

struct module {
	uint32_t number; /* 0: free; else its place modulo MODULES_MAX */
	uint64_t used;	 /* grows with each use */
	struct file_key key;
	struct elf_segment segments[SEGMENTS_MAX];
	uint32_t segments_cnt;
	char build_id[2 * BUILD_ID_MAX + 1];
	struct python_symbols python;
	struct v8_symbols v8;
	int fds[TABLES_MAX]; /* where the names of each table are; -1: nowhere */
	struct elf_table tables[TABLES_MAX];
	int lines_fd;		  /* where DWARF is; -1: nowhere, or not wanted */
	struct lack awaited;	  /* of a debug file that is being fetched */
	struct known_name *known; /* by address, open addressing; a power of two */
	uint32_t known_cnt, known_cap;
	struct arena names;
};

struct symbols {
	uint32_t rounds; /* of numbers given out */
	uint64_t uses;
	uint64_t symbols_cnt; /* of all modules */
	bool wants_lines;
	struct debug_fetcher *fetcher; /* NULL: none */
	struct module modules[MODULES_MAX];
};

struct symbols *symbols__new(void)
{
	struct symbols *s = calloc(1, sizeof(*s));

	if (!s)
		errno = ENOMEM;
	return s;
}

void symbols__fetch_by(struct symbols *s, struct debug_fetcher *fetcher)
{
	s->fetcher = fetcher;
}

void symbols__want_lines(struct symbols *s)
{
	s->wants_lines = true;
}

static void drop_tables(struct symbols *s, const struct module *m)
{
	for (int i = 0; i < TABLES_MAX; i++) {
		s->symbols_cnt -= m->tables[i].cnt;
		free(m->tables[i].v);
		free(m->tables[i].names.memory);
		if (m->fds[i] >= 0)
			close(m->fds[i]);
	}
}

static void drop(struct symbols *s, struct module *m)
{
	if (m->lines_fd >= 0)
		close(m->lines_fd);
	drop_tables(s, m);
	free(m->known);
	arena__free(&m->names);
	*m = (struct module){0};
}

void symbols__free(struct symbols *s)
{
	if (!s)
		return;
	for (int i = 0; i < MODULES_MAX; i++)
		if (s->modules[i].number)
			drop(s, &s->modules[i]);
	free(s);
}

static struct module *find_module(const struct symbols *s, uint32_t number)
{
	const struct module *m = &s->modules[number % MODULES_MAX];

	return number && m->number == number ? (struct module *)m : NULL;
}

static struct module *find_key(struct symbols *s, const struct file_key *key)
{
	for (int i = 0; i < MODULES_MAX; i++)
		if (s->modules[i].number && memcmp(&s->modules[i].key, key, sizeof(*key)) == 0)
			return &s->modules[i];
	return NULL;
}

static struct module *least_used(struct symbols *s)
{
	struct module *found = NULL;

	for (int i = 0; i < MODULES_MAX; i++)
		if (s->modules[i].number && (!found || s->modules[i].used < found->used))
			found = &s->modules[i];
	return found;
}

/* A free place; drops what was used longest ago where there is none, or too many symbols. */
static struct module *take_place(struct symbols *s)
{
	while (s->symbols_cnt > SYMBOLS_TOTAL_MAX)
		drop(s, least_used(s));
	for (int i = 0; i < MODULES_MAX; i++)
		if (!s->modules[i].number)
			return &s->modules[i];
	drop(s, least_used(s));
	return take_place(s);
}

/* --- reading ---------------------------------------------------------------------------------- */

static void set_build_id(struct module *m, struct elf_file *elf)
{
	uint8_t id[BUILD_ID_MAX];
	size_t n = elf_file__build_id(elf, id);

	for (size_t i = 0; i < n; i++)
		snprintf(m->build_id + 2 * i, 3, "%02x", id[i]);
}

static bool has_build_id(struct elf_file *elf, const char *text)
{
	struct module other = {0};

	set_build_id(&other, elf);
	return text[0] && strcmp(other.build_id, text) == 0;
}

static void take_lines(struct module *m, struct elf_file *elf, int fd, struct lack *lack)
{
	if (!lack->lines || !elf_file__has_dwarf(elf))
		return;
	m->lines_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	lack->lines = m->lines_fd < 0;
}

/* Takes over fd, and what is lacking from it if it is the module's debug file. True if nothing is lacking any more. */
static bool take_debug_file(struct module *m, int fd, struct lack *lack)
{
	struct elf_file *elf = fd >= 0 ? elf_file__open(fd) : NULL;

	if (elf && has_build_id(elf, m->build_id)) {
		take_lines(m, elf, fd, lack);
		if (lack->names && elf_file__symbols(elf, false, &m->tables[0]) == 0) {
			lack->names = false;
			m->fds[0] = fd;
			fd = -1;
		}
	}
	elf_file__close(elf);
	if (fd >= 0)
		close(fd);
	return !lack->names && !lack->lines;
}

static bool try_debug_file(struct module *m, int proc_dir_fd, const char *path, struct lack *lack)
{
	return take_debug_file(m, procfs_open_in_root(proc_dir_fd, path), lack);
}

/* By build-id, else by the name that the file gives, at the places where gdb looks. */
static void find_debug_file(struct module *m, struct elf_file *elf, int proc_dir_fd,
			    struct slice path, struct lack *lack)
{
	struct slice link = elf_file__debug_link(elf);
	const char *slash = path.n ? memrchr(path.p, '/', path.n) : NULL;
	int dir_len = slash ? (int)(slash - path.p) : 0;
	char at[DEBUG_PATH_SZ];

	if (!m->build_id[0] || strlen(m->build_id) < 4)
		return;
	snprintf(at, sizeof(at), "/usr/lib/debug/.build-id/%.2s/%s.debug", m->build_id,
		 m->build_id + 2);
	if (try_debug_file(m, proc_dir_fd, at, lack) || !link.n || slice_find(link, '/') >= 0 ||
	    link.n > NAME_MAX || dir_len > PATH_MAX / 2)
		return;
	for (int i = 0; i < 3; i++) {
		static const char *const formats[] = {"%.*s/%s", "%.*s/.debug/%s",
						      "/usr/lib/debug%.*s/%s"};

		snprintf(at, sizeof(at), formats[i], dir_len, path.p, link.p);
		if (try_debug_file(m, proc_dir_fd, at, lack))
			return;
	}
}

static void read_symbols(struct module *m, struct elf_file *elf, int fd, int proc_dir_fd,
			 struct slice path, bool wants_lines)
{
	struct lack lack = {
		.names = elf_file__symbols(elf, false, &m->tables[0]),
		.lines = wants_lines,
	};

	take_lines(m, elf, fd, &lack);
	if (lack.names || lack.lines)
		find_debug_file(m, elf, proc_dir_fd, path, &lack);
	if (path.n)
		m->awaited = lack;
	if (lack.names) {
		elf_file__symbols(elf, true, &m->tables[0]);
		elf_file__packed_symbols(elf, &m->tables[1]);
	}
	if (m->tables[0].cnt && m->fds[0] < 0)
		m->fds[0] = fd;
	else
		close(fd);
}

/* --- debug files that are fetched ------------------------------------------------------------- */

/* Its names are all those that the module has so far, and more. */
static void take_fetched(struct symbols *s, struct module *m, int fd)
{
	const struct module had = *m;

	if (had.awaited.names)
		for (int i = 0; i < TABLES_MAX; i++) {
			m->tables[i] = (struct elf_table){0};
			m->fds[i] = -1;
		}
	take_debug_file(m, fd, &m->awaited);
	if (m->awaited.names) { /* it has none after all */
		memcpy(m->tables, had.tables, sizeof(m->tables));
		memcpy(m->fds, had.fds, sizeof(m->fds));
	} else if (had.awaited.names) {
		s->symbols_cnt += m->tables[0].cnt;
		drop_tables(s, &had);
	}
}

/* Asks for what a module lacks, or takes it if it has come. */
static void fetch(struct symbols *s, struct module *m, struct slice path)
{
	const char *slash = path.n ? memrchr(path.p, '/', path.n) : NULL;
	struct slice name = slash ? slice_after(path, (size_t)(slash + 1 - path.p)) : path;
	enum debug_fetch state = DEBUG_FETCH_FAILED;
	int fd;

	if (!m->awaited.names && !m->awaited.lines)
		return;
	if (s->fetcher && m->build_id[0])
		state = debug_fetcher__ask(s->fetcher, m->build_id, name, &fd);
	if (state == DEBUG_FETCH_AWAITED)
		return;
	if (state == DEBUG_FETCH_DONE)
		take_fetched(s, m, fd);
	m->awaited = (struct lack){0};
}

/* --- modules ---------------------------------------------------------------------------------- */

ssize_t symbols__open(struct symbols *s, int fd, int proc_dir_fd, struct slice path)
{
	struct elf_file *elf;
	struct file_key key;
	struct module *m;

	m = file_key_of(fd, &key) ? find_key(s, &key) : NULL;
	if (m) {
		close(fd);
		m->used = ++s->uses;
		return m->number;
	}
	elf = elf_file__open(fd);
	if (!elf) {
		close(fd);
		return -ENOEXEC;
	}
	m = take_place(s);
	m->number = ++s->rounds * MODULES_MAX + (uint32_t)(m - s->modules);
	m->used = ++s->uses;
	m->key = key;
	m->fds[0] = m->fds[1] = m->lines_fd = -1;
	arena__init(&m->names, NAMES_MAX_SZ);
	m->segments_cnt = elf_file__segments(elf, m->segments);
	set_build_id(m, elf);
	python_symbols__read(&m->python, elf, fd);
	v8_symbols__read(&m->v8, elf);
	read_symbols(m, elf, fd, proc_dir_fd, path, s->wants_lines);
	elf_file__close(elf);
	s->symbols_cnt += m->tables[0].cnt + m->tables[1].cnt;
	fetch(s, m, path);
	return m->number;
}

/* --- looking up ------------------------------------------------------------------------------- */

bool symbols__has(const struct symbols *s, uint32_t module)
{
	return find_module(s, module);
}

const struct elf_segment *symbols__segment(const struct symbols *s, uint32_t module,
					   uint64_t file_off)
{
	const struct module *m = find_module(s, module);

	for (uint32_t i = 0; m && i < m->segments_cnt; i++)
		if (file_off >= m->segments[i].file_off &&
		    file_off - m->segments[i].file_off < m->segments[i].size)
			return &m->segments[i];
	return NULL;
}

int symbols__lines_fd(const struct symbols *s, uint32_t module)
{
	const struct module *m = find_module(s, module);

	return m ? m->lines_fd : -1;
}

bool symbols__lines_awaited(const struct symbols *s, uint32_t module)
{
	const struct module *m = find_module(s, module);

	return m && m->awaited.lines;
}

void symbols__await(struct symbols *s, uint64_t wait_ns)
{
	if (!s->fetcher)
		return;
	debug_fetcher__await(s->fetcher, clock_mono_ns() + wait_ns);
	for (int i = 0; i < MODULES_MAX; i++)
		if (s->modules[i].number)
			fetch(s, &s->modules[i], SLICE(""));
}

struct slice symbols__build_id(const struct symbols *s, uint32_t module)
{
	const struct module *m = find_module(s, module);

	return m ? slice_str(m->build_id) : SLICE("");
}

const struct python_symbols *symbols__python(const struct symbols *s, uint32_t module)
{
	const struct module *m = find_module(s, module);

	return m && m->python.runtime ? &m->python : NULL;
}

const struct v8_symbols *symbols__v8(const struct symbols *s, uint32_t module)
{
	const struct module *m = find_module(s, module);

	return m && m->v8.at[V8_FUNCTION_SHARED] ? &m->v8 : NULL;
}

/* Functions seldom lie in others; then the inner one's end may be passed. */
#define NESTED_MAX 8

static const struct elf_symbol *find_symbol(const struct elf_table *table, uint64_t address)
{
	uint32_t first = 0, cnt = table->cnt;

	while (cnt) {
		uint32_t half = cnt / 2;

		if (table->v[first + half].address <= address) {
			first += half + 1;
			cnt -= half + 1;
		} else {
			cnt = half;
		}
	}
	for (uint32_t i = 0; i < NESTED_MAX && i < first; i++) {
		const struct elf_symbol *symbol = &table->v[first - 1 - i];

		if (address - symbol->address < symbol->size)
			return symbol;
	}
	return NULL;
}

/* NUL-terminated, cut to the longest that can be demangled. */
static void read_name(const struct module *m, int table, uint32_t at, char buf[MANGLED_MAX + 1])
{
	const struct elf_names *names = &m->tables[table].names;
	size_t n = at < names->size ? names->size - at : 0;
	ssize_t got = 0;

	n = n < MANGLED_MAX ? n : MANGLED_MAX;
	if (names->memory && n)
		memcpy(buf, names->memory + at, got = (ssize_t)n);
	else if (n)
		got = pread(m->fds[table], buf, n, (off_t)(names->file_off + at));
	buf[got > 0 ? got : 0] = 0;
}

/* Where the name of the symbol at that address is, or belongs. */
static struct known_name *known_at(const struct module *m, uint64_t address)
{
	uint32_t mask = m->known_cap - 1;
	uint32_t at = (uint32_t)((address * 0x9e3779b97f4a7c15ull) >> 32) & mask;

	while (m->known[at].name.name.n && m->known[at].address != address)
		at = (at + 1) & mask;
	return &m->known[at];
}

static bool make_room(struct module *m)
{
	struct known_name *old = m->known;
	uint32_t old_cap = m->known_cap, cap = old_cap ? old_cap * 2 : 64;

	if (m->known_cnt * 4u < old_cap * 3u)
		return true;
	m->known = calloc(cap, sizeof(*m->known));
	if (!m->known) {
		m->known = old;
		return false;
	}
	m->known_cap = cap;
	for (uint32_t i = 0; i < old_cap; i++)
		if (old[i].name.name.n)
			*known_at(m, old[i].address) = old[i];
	free(old);
	return true;
}

static struct function_name learn(struct module *m, int table, const struct elf_symbol *symbol)
{
	char raw[MANGLED_MAX + 1], shown[DEMANGLED_MAX];
	struct function_name name = {0};
	struct known_name *place;
	bool failed = false;

	read_name(m, table, symbol->name, raw);
	name.name = demangle(raw, shown);
	if (name.name.n)
		name.system_name = arena__copy(&m->names, slice_str(raw), &failed);
	else
		name.name = slice_of(raw, strcspn(raw, "@")); /* a version may follow */
	name.name = arena__copy(&m->names, name.name, &failed);
	if (failed || !name.name.n || !make_room(m))
		return (struct function_name){0};
	place = known_at(m, symbol->address);
	*place = (struct known_name){.address = symbol->address, .name = name};
	m->known_cnt++;
	return name;
}

struct function_name symbols__find(struct symbols *s, uint32_t module, uint64_t address)
{
	struct module *m = find_module(s, module);

	if (!m)
		return (struct function_name){0};
	m->used = ++s->uses;
	fetch(s, m, SLICE(""));
	for (int i = 0; i < TABLES_MAX; i++) {
		const struct elf_symbol *symbol = find_symbol(&m->tables[i], address);
		struct known_name *known =
			symbol && m->known_cap ? known_at(m, symbol->address) : NULL;

		if (known && known->name.name.n)
			return known->name;
		if (symbol)
			return learn(m, i, symbol);
	}
	if (split_function__has(&m->python.loop, address))
		return (struct function_name){.name = SLICE(PYTHON_LOOP ".cold")};
	return (struct function_name){0};
}

// SPDX-License-Identifier: Apache-2.0
/*
 * What the profiler reads that profiled programs have written: mappings, perf maps, ELF files,
 * call frames, mangled names, the memory of Python and V8; and the kernel's own files. The first byte says which; every input lies in an
 * allocation of its size.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/fuzz/check.h"
#include "user/base/log.h"
#include "user/base/demangle.h"
#include "user/base/elf_file.h"
#include "user/base/procfs.h"
#include "user/profile/cfi.h"
#include "user/profile/go_rows.h"
#include "user/profile/jitdump.h"
#include "user/profile/kernel_symbols.h"
#include "user/profile/mappings.h"
#include "user/profile/perf_map.h"
#include "user/profile/python_layout.h"
#include "user/profile/unwind_table.h"
#include "user/profile/v8_function.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *input, size_t n);

static void try_mappings(char *bytes, size_t n)
{
	struct mappings m;
	size_t half = n / 2;

	mappings__init(&m);
	mappings__parse(&m, slice_of(bytes, half));
	for (uint32_t i = 0; i < m.cnt; i++)
		m.v[i].module = i + 1;
	mappings__parse(&m, slice_of(bytes + half, n - half));
	for (uint32_t i = 0; i < m.cnt; i++) {
		CHECK(m.v[i].start < m.v[i].limit);
		CHECK(i == 0 || m.v[i - 1].limit <= m.v[i].start);
		CHECK(mappings__find(&m, m.v[i].start) == &m.v[i]);
		CHECK(mappings__find(&m, m.v[i].limit - 1) == &m.v[i]);
	}
	mappings__free(&m);
}

static void try_perf_map(char *bytes, size_t n)
{
	struct perf_map map;

	perf_map__init(&map);
	perf_map__parse(&map, slice_of(bytes, n));
	for (uint32_t i = 0; i < map.names.cnt; i++) {
		const struct name_range *range = &map.names.v[i];

		CHECK(range->start < range->end);
		CHECK(i == 0 || range[-1].end <= range->start);
		CHECK(name_ranges__find(&map.names, range->start) == range);
		CHECK(name_ranges__find(&map.names, range->end - 1) == range);
	}
	perf_map__free(&map);
}

/* Writes more of the file, and looks at it. */
static void grow_jitdump(struct jitdump *dump, int fd, const char *bytes, size_t n)
{
	static int proc_fd = -1;

	if (proc_fd < 0)
		proc_fd = procfs_open("/proc", (uint32_t)getpid());
	CHECK(write(fd, bytes, n) == (ssize_t)n);
	if (dump->fd < 0)
		jitdump__open(dump, dup(fd), proc_fd);
	dump->looked_ns = 0;
	jitdump__find(dump, 0x1000, 1);
}

static void try_jitdump(char *bytes, size_t n)
{
	int fd = memfd_create("jitdump", MFD_CLOEXEC);
	struct jitdump dump;
	size_t half = n / 2;

	CHECK(fd >= 0);
	jitdump__init(&dump);
	grow_jitdump(&dump, fd, bytes, half);
	grow_jitdump(&dump, fd, bytes + half, n - half);
	dump.looked_ns = 1;
	for (uint32_t i = 0; i < dump.names.cnt; i++) {
		const struct name_range *range = &dump.names.v[i];

		CHECK(range->start < range->end && range->note <= dump.places_cnt);
		CHECK(i == 0 || range[-1].end <= range->start);
		CHECK(slice_eq(jitdump__find(&dump, range->start, 1).name, range->name));
	}
	jitdump__free(&dump);
	close(fd);
}

static void try_elf(char *bytes, size_t n)
{
	struct elf_file *elf = elf_file__open_bytes(bytes, n);
	struct elf_segment segments[SEGMENTS_MAX];
	struct elf_thread_local variable;
	uint8_t build_id[BUILD_ID_MAX];
	struct slice link;

	if (!elf)
		return;
	CHECK(elf_file__segments(elf, segments) <= SEGMENTS_MAX);
	CHECK(elf_file__build_id(elf, build_id) <= BUILD_ID_MAX);
	elf_file__thread_local(elf, "otel_thread_ctx_v1", &variable);
	link = elf_file__debug_link(elf);
	CHECK(!link.n || memchr(link.p, link.p[0], link.n));
	for (int which = 0; which < 3; which++) {
		struct elf_table table = {0};

		if (which < 2)
			elf_file__symbols(elf, which, &table);
		else
			elf_file__packed_symbols(elf, &table);
		for (uint32_t i = 1; i < table.cnt; i++)
			CHECK(table.v[i - 1].address < table.v[i].address);
		free(table.v);
		free(table.names.memory);
	}
	elf_file__close(elf);
}

static void try_demangle(char *bytes, size_t n)
{
	char buf[DEMANGLED_MAX];
	char *symbol = strndup(bytes, n);
	struct slice name = demangle(symbol, buf);

	CHECK(name.n <= DEMANGLED_MAX);
	free(symbol);
}

static void try_kernel(char *bytes, size_t n)
{
	char build_id[KERNEL_BUILD_ID_SZ];
	uint64_t address;
	struct slice name;

	if (kernel_symbol_parse(slice_of(bytes, n), &address, &name))
		CHECK(name.n && memchr(name.p, name.p[0], name.n));
	kernel_notes_parse(slice_of(bytes, n), build_id);
	CHECK(strlen(build_id) < KERNEL_BUILD_ID_SZ);
}

static void try_rows(const struct unwind_rows *rows, const struct unwind_rules *rules)
{
	uint32_t cnt = unwind_rows__blocks(rows);
	struct unwind_block *blocks = calloc(cnt ?: 1, sizeof(*blocks));
	const struct unwind_rule *all;
	uint32_t rules_cnt = unwind_rules__from(rules, 0, &all);

	if (cnt)
		unwind_rows__write(rows, blocks);
	for (size_t i = 0; cnt && i < rows->cnt; i++) {
		uint64_t off = (rows->v[i] >> 16) - unwind_rows_base(rows);

		CHECK(i == 0 || rows->v[i - 1] >> 16 < rows->v[i] >> 16);
		CHECK((uint16_t)rows->v[i] < rules_cnt);
		CHECK(unwind_table_find(blocks, cnt, off) == (uint16_t)rows->v[i]);
	}
	for (uint64_t off = 0; cnt && off < (uint64_t)cnt << 23; off += 1 << 20)
		CHECK(unwind_rows_base(rows) + off < rows->limit ||
		      unwind_table_find(blocks, cnt, off) == UNWIND_RULE_NONE);
	free(blocks);
}

static void try_frames(char *bytes, size_t n)
{
	struct unwind_rules *rules = unwind_rules__new();
	struct unwind_rows rows = {0};
	struct cfi_section section;

	if (n > 0) {
		section = (struct cfi_section){
			.bytes = slice_of(bytes + 1, n - 1),
			.address = 0x1000,
			.debug = bytes[0] & 1,
		};
		if (bytes[0] & 2 ? go_rows_take(&rows, section.bytes, 0x400000, rules) == 0
				 : unwind_rows__take(&rows, &section, rules) == 0)
			try_rows(&rows, rules);
	}
	free(rows.v);
	unwind_rules__free(rules);
}

static bool read_bytes(void *ctx, uint64_t address, void *to, size_t n)
{
	const struct slice *bytes = ctx;

	if (address > bytes->n || n > bytes->n - address)
		return false;
	memcpy(to, bytes->p + address, n);
	return true;
}

/* The bytes are the process's memory, from address 0 on, with its code object and _PyRuntime at fixed places. */
static void try_python(char *bytes, size_t n)
{
	struct slice all = slice_of(bytes, n);
	const struct process_memory memory = {.ctx = &all, .read = read_bytes};
	struct python_layout layout;
	struct python_code_layout code_layout;

	for (uint8_t minor = 8; minor <= 13; minor++) {
		const struct python_symbols symbols = {
			.runtime = 64,
			.version = minor > 10 ? 8 : 0,
			.minor = minor,
		};
		struct python_code_key key;
		struct python_code code;
		struct arena arena;

		memset(&code_layout, 0, sizeof(code_layout));
		python_layout__find(&symbols, 0, &memory, &layout, &code_layout);
		CHECK(code_layout.size <= 256);
		arena__init(&arena, 1 << 20);
		if (code_layout.size && python_code_key(&code_layout, &memory, 16, &key) &&
		    python_code_read(&code_layout, &memory, &key, &arena, &code)) {
			CHECK(code.name.n <= PYTHON_NAME_MAX && code.file.n <= PYTHON_NAME_MAX);
			for (uint32_t at = 0; at < 1024; at += 2)
				CHECK(python_code_line(&code_layout, &code, at) <= INT32_MAX);
		}
		arena__free(&arena);
	}
}

/* The same of V8; the constants that it exports stand at the start, then the SharedFunctionInfo. */
static void try_v8(char *bytes, size_t n)
{
	struct slice all = slice_of(bytes, n);
	struct v8_heap heap = {.memory = {.ctx = &all, .read = read_bytes}};
	struct v8_function_key key;
	struct v8_function function;
	struct v8_layout layout;
	struct v8_symbols symbols;
	struct v8_lines lines = {0};
	struct arena arena;
	uint64_t name, read_cnt = 0;

	for (int i = 0; i < V8_SYMBOLS_CNT; i++)
		symbols.at[i] = 8 + 4 * (uint64_t)i;
	if (v8_layout__find(&symbols, 0, &heap.memory, &layout, &heap.layout) != V8_KNOWN ||
	    !v8_read_word(&heap, 64 + layout.shared_name, &name))
		return;
	arena__init(&arena, 1 << 20);
	if (v8_function_key(&heap, 64 + 1, name, &key) &&
	    v8_function_read(&heap, &key, &arena, &function) && key.script) {
		CHECK(function.name.n <= V8_NAME_MAX && function.file.n <= V8_NAME_MAX);
		CHECK(v8_line_of(&heap, key.script, key.start, &lines, &read_cnt) <=
		      INT32_MAX + 1u + n);
		CHECK(lines.ends_cnt <= lines.cnt);
	}
	v8_lines__free(&lines);
	arena__free(&arena);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	log_set_level(LOG_ERROR);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t n)
{
	static void (*const tries[])(char *bytes, size_t n) = {
		try_mappings, try_perf_map, try_elf, try_demangle, try_kernel,
		try_frames,   try_python,   try_v8,  try_jitdump,
	};
	char *bytes = malloc(n);

	if (n > 0) {
		memcpy(bytes, input + 1, n - 1);
		tries[input[0] % (sizeof(tries) / sizeof(tries[0]))](bytes, n - 1);
	}
	free(bytes);
	return 0;
}

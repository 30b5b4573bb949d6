// SPDX-License-Identifier: Apache-2.0
/*
 * What the profiler reads that profiled programs have written: mappings, perf maps, ELF files,
 * mangled names; and the kernel's own files. The first byte says which; every input lies in an
 * allocation of its size.
 */
#include <stdlib.h>

#include "tests/fuzz/check.h"
#include "user/base/log.h"
#include "user/base/demangle.h"
#include "user/base/elf_file.h"
#include "user/profile/kernel_symbols.h"
#include "user/profile/mappings.h"
#include "user/profile/perf_map.h"

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

static void try_elf(char *bytes, size_t n)
{
	struct elf_file *elf = elf_file__open_bytes(bytes, n);
	struct elf_segment segments[SEGMENTS_MAX];
	uint8_t build_id[BUILD_ID_MAX];
	struct slice link;

	if (!elf)
		return;
	CHECK(elf_file__segments(elf, segments) <= SEGMENTS_MAX);
	CHECK(elf_file__build_id(elf, build_id) <= BUILD_ID_MAX);
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
	};
	char *bytes = malloc(n);

	if (n > 0) {
		memcpy(bytes, input + 1, n - 1);
		tries[input[0] % (sizeof(tries) / sizeof(tries[0]))](bytes, n - 1);
	}
	free(bytes);
	return 0;
}

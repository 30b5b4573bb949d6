// SPDX-License-Identifier: Apache-2.0
/* .eh_frame_hdr: "Linux Standard Base Core Specification", 10.6.2. */
#include "user/probe/code.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define HEADER_SZ 12 /* version, three encodings, address of .eh_frame, count; both of 4 bytes */
#define VERSION 1
#define ENCODING_UDATA4 0x03
#define ENCODING_SDATA4_FROM_HEADER 0x3b
#define SIZE_MASK 0x0f
#define SDATA4 0x0b
#define ENTRY_SZ 8 /* where a function begins, where its description is */

struct code {
	int fd;
	struct elf_file *elf;
	struct elf_segment segments[SEGMENTS_MAX];
	uint32_t segments_cnt;
	struct elf_segment starts; /* .eh_frame_hdr */
	uint32_t starts_cnt;	   /* 0: there is no table */
	struct elf_table symbols;  /* read when they are needed */
	bool has_symbols;
	uint8_t bytes[SITE_CODE_MAX + 1];
};

static bool read_at(const struct code *code, uint64_t off, void *to, size_t n)
{
	return off <= INT64_MAX - n && pread(code->fd, to, n, (off_t)off) == (ssize_t)n;
}

static void open_starts(struct code *code)
{
	struct {
		uint8_t version, frame_encoding, count_encoding, table_encoding;
		int32_t frame;
		uint32_t cnt;
	} header;

	_Static_assert(sizeof(header) == HEADER_SZ, "as in the file");
	if (!elf_file__unwind_table(code->elf, &code->starts) || code->starts.size < HEADER_SZ ||
	    !read_at(code, code->starts.file_off, &header, HEADER_SZ) ||
	    header.version != VERSION || (header.frame_encoding & SIZE_MASK) != SDATA4 ||
	    header.count_encoding != ENCODING_UDATA4 ||
	    header.table_encoding != ENCODING_SDATA4_FROM_HEADER ||
	    header.cnt > (code->starts.size - HEADER_SZ) / ENTRY_SZ)
		return;
	code->starts_cnt = header.cnt;
}

struct code *code__open(int fd)
{
	struct code *code = calloc(1, sizeof(*code));

	if (!code) {
		errno = ENOMEM;
		return NULL;
	}
	code->fd = fd;
	code->elf = elf_file__open(fd);
	if (!code->elf) {
		free(code);
		errno = EINVAL;
		return NULL;
	}
	code->segments_cnt = elf_file__segments(code->elf, code->segments);
	open_starts(code);
	return code;
}

void code__free(struct code *code)
{
	if (!code)
		return;
	free(code->symbols.v);
	elf_file__close(code->elf);
	free(code);
}

struct elf_file *code__elf(struct code *code)
{
	return code->elf;
}

/* Where the i-th function begins; false if that cannot be read. */
static bool start_of(const struct code *code, uint32_t i, uint64_t *start)
{
	int32_t relative;

	if (!read_at(code, code->starts.file_off + HEADER_SZ + (uint64_t)i * ENTRY_SZ, &relative,
		     sizeof(relative)))
		return false;
	*start = code->starts.address + (uint64_t)(int64_t)relative;
	return true;
}

/* Bytes from address to where the next function begins; 0 if none is known to begin at address. */
static uint64_t size_by_starts(const struct code *code, uint64_t address, uint64_t segment_left)
{
	uint32_t low = 0,
		 high = code->starts_cnt; /* the first start above address is in [low, high] */
	uint64_t start, own = 0, next = 0;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (!start_of(code, middle, &start))
			return 0;
		if (start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0 || !start_of(code, low - 1, &own) || own != address)
		return 0;
	if (low == code->starts_cnt)
		return segment_left;
	if (!start_of(code, low, &next))
		return 0;
	return next > address && next - address < segment_left ? next - address : segment_left;
}

/*
 * Where nothing tells of unwinding: bytes from address to the next function that has a symbol. Others may lie
 * between, which makes a function look longer than it is, and finds a site in it less often.
 */
static uint64_t size_by_symbols(struct code *code, uint64_t address, uint64_t segment_left)
{
	uint32_t low = 0, high;

	if (!code->has_symbols && elf_file__symbols(code->elf, false, &code->symbols))
		elf_file__symbols(code->elf, true, &code->symbols);
	code->has_symbols = true;
	high = code->symbols.cnt;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (code->symbols.v[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == code->symbols.cnt || code->symbols.v[low].address - address > segment_left)
		return 0;
	return code->symbols.v[low].address - address;
}

int code__read(struct code *code, uint64_t address, uint64_t size, struct code_function *out)
{
	const struct elf_segment *in = NULL;
	uint64_t left;

	for (uint32_t i = 0; i < code->segments_cnt && !in; i++)
		if (address >= code->segments[i].address &&
		    address - code->segments[i].address < code->segments[i].size)
			in = &code->segments[i];
	if (!in)
		return -ENOENT;
	left = in->size - (address - in->address);
	if (!size && code->starts_cnt)
		size = size_by_starts(code, address, left);
	else if (!size)
		size = size_by_symbols(code, address, left);
	if (!size)
		return -ENODATA;
	if (size > left)
		size = left;
	if (size > sizeof(code->bytes))
		size = sizeof(code->bytes);
	*out = (struct code_function){
		.bytes = code->bytes,
		.n = size,
		.file_off = in->file_off + (address - in->address),
	};
	return read_at(code, out->file_off, code->bytes, size) ? 0 : -ENOENT;
}

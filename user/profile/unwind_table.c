// SPDX-License-Identifier: Apache-2.0
/* Files are read, not mapped: .eh_frame by its section, else by what .eh_frame_hdr says of it. */
#include "user/profile/unwind_table.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "user/base/hash.h"
#include "user/profile/cfi.h"
#include "user/profile/go_rows.h"

#define SECTION_MAX_SZ (64u << 20)
#define ROWS_MAX (1u << 23)
#define PAGES_MAX (1u << 17) /* 512 MiB of code */
#define ADDRESS_LIMIT (1ull << 47)
#define BUCKETS (2 * UNWIND_RULES_MAX)
#define ENTRY_MAX_SZ 64 /* of the assembly at which a program begins */
#define LARGE_GAP (64u << 10)
#define HEADER_SZ 8	     /* of .eh_frame_hdr: version, three encodings, a pointer of 4 bytes */
#define HEADER_RELATIVE 0x1b /* that pointer is relative to where it stands */

/* --- rules ------------------------------------------------------------------------------------ */

struct unwind_rules {
	struct unwind_rule v[UNWIND_RULES_MAX];
	uint32_t cnt;
	uint16_t buckets[BUCKETS]; /* 1 + index; by hash, open addressing */
};

/* The rule's index; that of UNWIND_CFA_UNSUPPORTED when there are too many. */
static uint16_t index_of(struct unwind_rules *rules, const struct unwind_rule *rule)
{
	uint32_t at = (uint32_t)hash_bytes(0, rule, sizeof(*rule)) % BUCKETS;

	for (; rules->buckets[at]; at = (at + 1) % BUCKETS)
		if (memcmp(&rules->v[rules->buckets[at] - 1], rule, sizeof(*rule)) == 0)
			return rules->buckets[at] - 1;
	if (rules->cnt == UNWIND_RULES_MAX)
		return UNWIND_RULE_UNSUPPORTED;
	rules->v[rules->cnt++] = *rule;
	rules->buckets[at] = (uint16_t)rules->cnt;
	return rules->buckets[at] - 1;
}

struct unwind_rules *unwind_rules__new(void)
{
	static const struct unwind_rule first[] = {
		[UNWIND_RULE_NONE] = {.cfa = UNWIND_CFA_NONE},
		[UNWIND_RULE_UNSUPPORTED] = {.cfa = UNWIND_CFA_UNSUPPORTED},
		[UNWIND_RULE_FRAME] = {.cfa = UNWIND_CFA_FRAME},
	};
	struct unwind_rules *rules = calloc(1, sizeof(*rules));

	if (!rules) {
		errno = ENOMEM;
		return NULL;
	}
	for (size_t i = 0; i < sizeof(first) / sizeof(first[0]); i++)
		index_of(rules, &first[i]);
	return rules;
}

void unwind_rules__free(struct unwind_rules *rules)
{
	free(rules);
}

uint32_t unwind_rules__from(const struct unwind_rules *rules, uint32_t first,
			    const struct unwind_rule **out)
{
	*out = &rules->v[first];
	return rules->cnt - first;
}

/* --- rows ------------------------------------------------------------------------------------- */

static uint64_t row_address(uint64_t row)
{
	return row >> 16;
}

static int reserve(struct unwind_rows *rows, size_t n)
{
	size_t cap = rows->cap ? rows->cap * 2 : 1024;
	uint64_t *grown;

	if (rows->cnt + n <= rows->cap)
		return 0;
	if (rows->cnt >= ROWS_MAX)
		return -ENOMEM;
	grown = reallocarray(rows->v, cap, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	rows->v = grown;
	rows->cap = cap;
	return 0;
}

static int append(struct unwind_rows *rows, uint64_t address, uint16_t rule)
{
	/* The end of a function is where the next one begins. */
	if (rows->cnt && row_address(rows->v[rows->cnt - 1]) == address)
		rows->cnt--;
	if (rows->cnt && (uint16_t)rows->v[rows->cnt - 1] == rule)
		return 0;
	if (reserve(rows, 1))
		return -ENOMEM;
	rows->v[rows->cnt++] = address << 16 | rule;
	return 0;
}

int unwind_rows__add(struct unwind_rows *rows, uint64_t address, const struct unwind_rule *rule,
		     struct unwind_rules *rules)
{
	if (address >= ADDRESS_LIMIT ||
	    (rows->cnt && address < row_address(rows->v[rows->cnt - 1])))
		return -EINVAL;
	return append(rows, address, index_of(rules, rule));
}

struct taking {
	struct unwind_rows *rows;
	struct unwind_rules *rules;
	int err;
};

static bool take_row(void *ctx, uint64_t address, const struct unwind_rule *rule)
{
	struct taking *t = ctx;

	t->err = append(t->rows, address, index_of(t->rules, rule));
	return !t->err;
}

int unwind_rows__take(struct unwind_rows *rows, const struct cfi_section *section,
		      struct unwind_rules *rules)
{
	struct taking t = {.rows = rows, .rules = rules};
	struct cfi_index index;

	t.err = cfi_index(section, &index);
	for (size_t i = 0; !t.err && i < index.cnt; i++) {
		const struct cfi_function *function = &index.v[i];

		if (function->limit > ADDRESS_LIMIT)
			break;
		cfi_rows(section, function, take_row, &t);
		t.err = t.err ?: append(rows, function->limit, UNWIND_RULE_NONE);
		rows->limit = function->limit;
	}
	free(index.v);
	return t.err;
}

/* Index of the first row behind an address. */
static size_t row_behind(const struct unwind_rows *rows, uint64_t address)
{
	size_t first = 0, cnt = rows->cnt;

	while (cnt) {
		size_t half = cnt / 2;

		if (row_address(rows->v[first + half]) <= address) {
			first += half + 1;
			cnt -= half + 1;
		} else {
			cnt = half;
		}
	}
	return first;
}

static void insert(struct unwind_rows *rows, size_t at, uint64_t row)
{
	memmove(&rows->v[at + 1], &rows->v[at], (rows->cnt - at) * sizeof(*rows->v));
	rows->v[at] = row;
	rows->cnt++;
}

int unwind_rows__fill(struct unwind_rows *rows, uint64_t start, uint64_t size,
		      const struct unwind_rule *rule, struct unwind_rules *rules)
{
	uint64_t limit = start + size;
	size_t at = row_behind(rows, start);

	if (!start || start >= ADDRESS_LIMIT || size >= ADDRESS_LIMIT ||
	    (at && (uint16_t)rows->v[at - 1] != UNWIND_RULE_NONE))
		return 0;
	if (reserve(rows, 2))
		return -ENOMEM;
	if (at < rows->cnt && limit > row_address(rows->v[at]))
		limit = row_address(rows->v[at]);
	if (at && row_address(rows->v[at - 1]) == start)
		at--;
	else
		insert(rows, at, 0);
	rows->v[at++] = start << 16 | index_of(rules, rule);
	if (at == rows->cnt || row_address(rows->v[at]) != limit)
		insert(rows, at, limit << 16 | UNWIND_RULE_NONE);
	if (rows->limit < limit)
		rows->limit = limit;
	return 0;
}

/* --- files ------------------------------------------------------------------------------------ */

/* Bytes of a file, to be freed, as many as there are. */
static char *read_part(int fd, uint64_t off, uint64_t sz, size_t *n)
{
	char *bytes = sz <= SECTION_MAX_SZ && off <= INT64_MAX - sz ? malloc(sz ?: 1) : NULL;
	ssize_t got = 0;

	*n = 0;
	while (bytes && *n < sz && (got = pread(fd, bytes + *n, sz - *n, (off_t)(off + *n))) > 0)
		*n += (size_t)got;
	return bytes;
}

/* Where .eh_frame is. */
static bool find_section(struct elf_file *elf, int fd, struct elf_segment *out)
{
	struct elf_segment header;
	int32_t distance;
	char *bytes;
	size_t n;
	bool ok;

	if (elf_file__section(elf, ".eh_frame", out))
		return true;
	if (!elf_file__unwind_table(elf, &header))
		return false;
	bytes = read_part(fd, header.file_off, HEADER_SZ, &n);
	ok = bytes && n == HEADER_SZ && bytes[0] == 1 && bytes[1] == HEADER_RELATIVE;
	if (ok) {
		/* Both are in one segment. Its end is where its entries end. */
		memcpy(&distance, bytes + 4, sizeof(distance));
		out->address = header.address + 4 + (uint64_t)(int64_t)distance;
		out->file_off = header.file_off + 4 + (uint64_t)(int64_t)distance;
		out->size = SECTION_MAX_SZ;
	}
	free(bytes);
	return ok;
}

int unwind_section__read(struct cfi_section *section, struct elf_file *elf, int fd)
{
	struct elf_segment part;
	char *bytes;
	size_t n;

	if (!find_section(elf, fd, &part))
		return -ENOENT;
	bytes = read_part(fd, part.file_off, part.size, &n);
	if (!bytes)
		return -ENOMEM;
	*section = (struct cfi_section){.bytes = slice_of(bytes, n), .address = part.address};
	return 0;
}

static int read_frames(struct unwind_rows *rows, struct elf_file *elf, int fd,
		       struct unwind_rules *rules)
{
	struct cfi_section section;
	int err = unwind_section__read(&section, elf, fd);

	if (err)
		return err;
	err = unwind_rows__take(rows, &section, rules);
	free((char *)section.bytes.p);
	return err ?: rows->cnt ? 0 : -ENOENT;
}

static bool has_large_gap(const struct unwind_rows *rows)
{
	for (size_t i = 1; i < rows->cnt; i++)
		if ((uint16_t)rows->v[i - 1] == UNWIND_RULE_NONE &&
		    row_address(rows->v[i]) - row_address(rows->v[i - 1]) >= LARGE_GAP)
			return true;
	return false;
}

#define PUSH_ALL_SZ 33 /* PushAllRegistersAndIterateStack: below it V8 collects garbage */

/* V8 has functions in its file that its own compiler has made, and one in assembly, all with frame pointers. */
static int add_v8(struct unwind_rows *rows, struct elf_file *elf, struct unwind_rules *rules)
{
	const struct unwind_rule rule = {.cfa = UNWIND_CFA_FRAME};
	/* Until V8 10 the second is a pointer to the first. */
	struct elf_function blob[] = {{.name = "v8_Default_embedded_blob_code_data_"},
				      {.name = "v8_Default_embedded_blob_code_"},
				      {.name = "PushAllRegistersAndIterateStack"}};
	int err;

	if (!has_large_gap(rows))
		return 0;
	elf_file__find(elf, blob, 3);
	err = unwind_rows__fill(rows, blob[0].address ?: blob[1].address, SECTION_MAX_SZ, &rule,
				rules);
	return err ?: unwind_rows__fill(rows, blob[2].address, PUSH_ALL_SZ, &rule, rules);
}

/* --- Go ---------------------------------------------------------------------------------------- */

#define EXIT_SZ 7 /* runtime.goexit: nop; call; nop */

/* Does runtime.goexit begin there? */
static bool is_exit(int fd, struct elf_file *elf, uint64_t address)
{
	struct elf_segment segments[SEGMENTS_MAX];
	uint32_t cnt = elf_file__segments(elf, segments);
	uint8_t code[EXIT_SZ];

	for (uint32_t i = 0; i < cnt; i++) {
		uint64_t off = address - segments[i].address;

		if (address >= segments[i].address && off < segments[i].size &&
		    pread(fd, code, EXIT_SZ, (off_t)(segments[i].file_off + off)) == EXIT_SZ)
			return code[0] == 0x90 && code[1] == 0xe8 && code[6] == 0x90;
	}
	return false;
}

/* Where Go's text begins: what the file says, if the code that must be there is; 0 if it is not. */
static uint64_t find_go_text(int fd, struct elf_file *elf, const struct go_text *go)
{
	struct elf_function symbol = {.name = "runtime.text"};
	struct elf_segment section;

	if (go->header && is_exit(fd, elf, go->header + go->exit_off))
		return go->header;
	if (elf_file__section(elf, ".text", &section) &&
	    is_exit(fd, elf, section.address + go->exit_off))
		return section.address;
	elf_file__find(elf, &symbol, 1);
	return symbol.address && is_exit(fd, elf, symbol.address + go->exit_off) ? symbol.address
										 : 0;
}

/* Where Go's text is, only Go's rows hold. */
static int merge(struct unwind_rows *rows, const struct unwind_rows *go)
{
	uint64_t start = row_address(go->v[0]);
	size_t before = row_behind(rows, start - 1), after = row_behind(rows, go->limit - 1);
	size_t behind = rows->cnt - after, cnt = before + go->cnt + behind;
	uint64_t *v = reallocarray(NULL, cnt + 1, sizeof(*v));

	if (!v)
		return -ENOMEM;
	if (before)
		memcpy(v, rows->v, before * sizeof(*v));
	memcpy(v + before, go->v, go->cnt * sizeof(*v));
	/* The last one is the end of Go's text: another function may begin there. */
	if (behind && row_address(rows->v[after]) == row_address(v[cnt - behind - 1]))
		cnt--;
	if (behind)
		memcpy(v + cnt - behind, rows->v + after, behind * sizeof(*v));
	free(rows->v);
	rows->v = v;
	rows->cnt = cnt;
	rows->cap = cnt;
	if (rows->limit < go->limit)
		rows->limit = go->limit;
	return 0;
}

static int add_go(struct unwind_rows *rows, struct elf_file *elf, int fd,
		  struct unwind_rules *rules)
{
	struct unwind_rows own = {0};
	struct elf_segment section;
	struct go_text go;
	uint64_t text;
	char *bytes;
	size_t n;
	int err = 0;

	if (!elf_file__section(elf, ".gopclntab", &section) &&
	    !elf_file__section(elf, ".data.rel.ro.gopclntab", &section))
		return 0;
	bytes = read_part(fd, section.file_off, section.size, &n);
	if (bytes && go_table_check(slice_of(bytes, n), &go)) {
		text = find_go_text(fd, elf, &go);
		err = text ? go_rows_take(&own, slice_of(bytes, n), text, rules) : 0;
		if (!err && own.cnt)
			err = merge(rows, &own);
		err = err == -EINVAL ? 0 : err; /* it contradicts itself */
	}
	free(own.v);
	free(bytes);
	return err;
}

int unwind_rows__read(struct unwind_rows *rows, struct elf_file *elf, int fd,
		      struct unwind_rules *rules)
{
	const struct unwind_rule root = {.cfa = UNWIND_CFA_ROOT};
	int err;

	*rows = (struct unwind_rows){0};
	if (strcmp(elf_file__machine(elf), "x86-64") != 0)
		return -ENOENT;
	err = read_frames(rows, elf, fd, rules);
	err = err && err != -ENOENT ? err : add_go(rows, elf, fd, rules);
	if (!err && !rows->cnt)
		return -ENOENT;
	err = err ?: unwind_rows__fill(rows, elf_file__entry(elf), ENTRY_MAX_SZ, &root, rules);
	return err ?: add_v8(rows, elf, rules);
}

/* --- tables ----------------------------------------------------------------------------------- */

static uint64_t pages_cnt(const struct unwind_rows *rows)
{
	uint64_t span = rows->limit - unwind_rows_base(rows);

	return (span + (1u << UNWIND_PAGE_SHIFT) - 1) >> UNWIND_PAGE_SHIFT;
}

/* Puts the pages one after the other; writes them if blocks is not NULL. Returns how many blocks there are. */
static uint32_t lay_out(const struct unwind_rows *rows, struct unwind_block *blocks)
{
	uint64_t base = unwind_rows_base(rows), pages = pages_cnt(rows);
	uint32_t next = (uint32_t)((pages + UNWIND_BLOCK_PAGES - 1) / UNWIND_BLOCK_PAGES)
			<< UNWIND_ROWS_SHIFT;
	uint16_t in_force = UNWIND_RULE_NONE;
	size_t at = 0;

	for (uint64_t page = 0; page < pages; page++) {
		uint64_t start = base + (page << UNWIND_PAGE_SHIFT);
		uint64_t end = start + (1u << UNWIND_PAGE_SHIFT);
		size_t first = at;
		bool inherits;
		uint32_t cnt;

		while (at < rows->cnt && row_address(rows->v[at]) < end)
			at++;
		inherits = at > first ? row_address(rows->v[first]) != start : in_force;
		cnt = (uint32_t)(at - first) + inherits;
		if ((next & (UNWIND_BLOCK_ROWS - 1)) + cnt > UNWIND_BLOCK_ROWS)
			next = (next | (UNWIND_BLOCK_ROWS - 1)) + 1;
		if (blocks && cnt) {
			struct unwind_row *to = &blocks[next >> UNWIND_ROWS_SHIFT]
							 .rows[next & (UNWIND_BLOCK_ROWS - 1)];

			blocks[page >> UNWIND_PAGES_SHIFT].pages[page & (UNWIND_BLOCK_PAGES - 1)] =
				(struct unwind_page){.first = next,
						     .cnt = cnt | UNWIND_PAGE_HAS_ROWS};
			if (inherits)
				*to++ = (struct unwind_row){.rule = in_force};
			for (size_t i = first; i < at; i++)
				*to++ = (struct unwind_row){
					.at = (uint16_t)(row_address(rows->v[i]) - start),
					.rule = (uint16_t)rows->v[i],
				};
		}
		next += cnt;
		if (at)
			in_force = (uint16_t)rows->v[at - 1];
	}
	return (next + UNWIND_BLOCK_ROWS - 1) >> UNWIND_ROWS_SHIFT;
}

uint32_t unwind_rows__blocks(const struct unwind_rows *rows)
{
	uint32_t cnt;

	if (!rows->cnt || pages_cnt(rows) > PAGES_MAX)
		return 0;
	cnt = lay_out(rows, NULL);
	return cnt <= UNWIND_BLOCKS_MAX ? cnt : 0;
}

void unwind_rows__write(const struct unwind_rows *rows, struct unwind_block *blocks)
{
	lay_out(rows, blocks);
}

uint16_t unwind_table_find(const struct unwind_block *blocks, uint32_t blocks_cnt, uint64_t off)
{
	uint64_t page = off >> UNWIND_PAGE_SHIFT, block = page >> UNWIND_PAGES_SHIFT;
	uint16_t low = off & ((1u << UNWIND_PAGE_SHIFT) - 1);
	const struct unwind_row *rows;
	struct unwind_page p;
	uint32_t found = 0;

	if (block >= blocks_cnt)
		return UNWIND_RULE_NONE;
	p = blocks[block].pages[page & (UNWIND_BLOCK_PAGES - 1)];
	if (!(p.cnt & UNWIND_PAGE_HAS_ROWS) || p.first >> UNWIND_ROWS_SHIFT >= blocks_cnt)
		return UNWIND_RULE_NONE;
	p.cnt &= ~UNWIND_PAGE_HAS_ROWS;
	rows = blocks[p.first >> UNWIND_ROWS_SHIFT].rows;
	for (uint32_t step = UNWIND_BLOCK_ROWS / 2; step; step >>= 1)
		if (found + step < p.cnt &&
		    rows[(p.first + found + step) & (UNWIND_BLOCK_ROWS - 1)].at <= low)
			found += step;
	return rows[(p.first + found) & (UNWIND_BLOCK_ROWS - 1)].rule;
}

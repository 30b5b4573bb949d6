// SPDX-License-Identifier: Apache-2.0
/* Go's src/runtime/symtab.go: struct pcHeader, functab, _func. All of 64 bits, little endian. */
#include "user/probe/gopclntab.h"

#include <errno.h>
#include <string.h>

#include "user/base/pclntab.h"
#include "user/probe/window.h"

#define POINTER_SZ 8
#define ALIGN 8			 /* at least, of the table in the file */
#define NAMES_MAX 96		 /* that are asked for */
#define FUNCTIONS_MAX (1u << 23) /* in a table */

/* The beginning of a function's description. */
struct description {
	uint32_t off;
	int32_t name_off;
};

struct table {
	uint64_t off, size; /* in the file */
	struct pclntab_header header;
	uint32_t names[NAMES_MAX]; /* where those that are asked for stand; 0: nowhere */
};

static bool is_header(const struct pclntab_header *h)
{
	return (h->magic == PCLNTAB_MAGIC_118 || h->magic == PCLNTAB_MAGIC_120) && !h->pad[0] &&
	       !h->pad[1] && (h->min_insn_sz == 1 || h->min_insn_sz == 2 || h->min_insn_sz == 4) &&
	       h->pointer_sz == POINTER_SZ && h->functions_cnt &&
	       h->functions_cnt < FUNCTIONS_MAX && h->names_off >= sizeof(*h) &&
	       h->names_off < h->units_off && h->units_off <= h->functions_off;
}

static bool read_bytes(struct window *w, uint64_t off, void *to, size_t n)
{
	const uint8_t *bytes;

	if (window__read(w, off, n, &bytes) < n)
		return false;
	memcpy(to, bytes, n);
	return true;
}

static bool open_table(struct window *w, uint64_t off, uint64_t size, struct table *table)
{
	*table = (struct table){.off = off, .size = size};
	return size > sizeof(table->header) &&
	       read_bytes(w, off, &table->header, sizeof(table->header)) &&
	       is_header(&table->header) && table->header.functions_off < size &&
	       (size - table->header.functions_off) / sizeof(struct pclntab_function) >
		       table->header.functions_cnt;
}

static void note_name(struct table *table, const struct go_function *functions, size_t cnt,
		      const uint8_t *name, size_t n, uint64_t name_off)
{
	for (size_t i = 0; i < cnt; i++)
		if (!table->names[i] && strlen(functions[i].name) == n &&
		    memcmp(functions[i].name, name, n) == 0)
			table->names[i] = (uint32_t)name_off;
}

/* Names end in NUL. One that is longer than the window is none that is asked for. */
static void find_names(struct window *w, struct table *table, const struct go_function *functions,
		       size_t cnt)
{
	const struct pclntab_header *h = &table->header;
	uint64_t at = h->names_off;

	while (at < h->units_off) {
		uint64_t left = h->units_off - at;
		size_t want = left < WINDOW_SZ ? (size_t)left : WINDOW_SZ, used = 0;
		const uint8_t *bytes, *end;
		size_t n = window__read(w, table->off + at, want, &bytes);

		n = n < want ? n : want;
		while ((end = memchr(bytes + used, 0, n - used))) {
			note_name(table, functions, cnt, bytes + used, (size_t)(end - bytes) - used,
				  at + used - h->names_off);
			used = (size_t)(end - bytes) + 1;
		}
		if (n == 0)
			return;
		at += used ?: n;
	}
}

/* How often the function that the row is of was asked for. */
static size_t take_row(struct window *descriptions, const struct table *table,
		       const struct pclntab_function row[2], struct go_function *functions,
		       size_t cnt)
{
	uint64_t off = table->header.functions_off + row[0].description_off;
	struct description d;
	size_t taken_cnt = 0;

	if (off >= table->size || table->size - off < sizeof(d) ||
	    !read_bytes(descriptions, table->off + off, &d, sizeof(d)) || d.name_off <= 0)
		return 0;
	for (size_t i = 0; i < cnt; i++) {
		if (table->names[i] != (uint32_t)d.name_off || functions[i].found ||
		    row[1].off <= row[0].off)
			continue;
		functions[i].found = true;
		functions[i].off = row[0].off;
		functions[i].size = row[1].off - row[0].off;
		taken_cnt++;
	}
	return taken_cnt;
}

static void find_rows(struct window *rows, struct window *descriptions, const struct table *table,
		      struct go_function *functions, size_t cnt)
{
	uint64_t at = table->off + table->header.functions_off;
	size_t missing = 0;

	for (size_t i = 0; i < cnt; i++)
		missing += table->names[i] != 0;
	for (uint64_t i = 0; i < table->header.functions_cnt && missing;
	     i++, at += sizeof(struct pclntab_function)) {
		struct pclntab_function
			row[2]; /* the next tells where it ends; there is one behind the last */

		if (!read_bytes(rows, at, row, sizeof(row)))
			return;
		missing -= take_row(descriptions, table, row, functions, cnt);
	}
}

int gopclntab_find(int fd, uint64_t off, uint64_t size, struct go_function *functions, size_t cnt)
{
	struct window *rows = window__new(fd), *descriptions = window__new(fd);
	struct table table;
	int err = -ENOMEM;

	if (!rows || !descriptions)
		goto cleanup;
	err = -EINVAL;
	if (cnt > NAMES_MAX || !open_table(rows, off, size, &table))
		goto cleanup;
	find_names(rows, &table, functions, cnt);
	find_rows(rows, descriptions, &table, functions, cnt);
	err = 0;
cleanup:
	window__free(rows);
	window__free(descriptions);
	return err;
}

bool gopclntab_scan(int fd, uint64_t *off)
{
	struct window *w = window__new(fd);
	bool found = false;
	const uint8_t *bytes;
	struct pclntab_header h;

	for (*off = 0; w && !found && window__read(w, *off, sizeof(h), &bytes) >= sizeof(h);
	     *off += ALIGN) {
		memcpy(&h, bytes, sizeof(h));
		found = is_header(&h);
		if (found)
			break;
	}
	window__free(w);
	return found;
}

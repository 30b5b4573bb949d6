// SPDX-License-Identifier: Apache-2.0
/* Go's src/runtime/symtab.go: struct pcHeader, functab, _func, pcvalue. All of 64 bits, little endian. */
#include "user/profile/go_rows.h"

#include <errno.h>

#include "user/base/cursor.h"
#include "user/base/pclntab.h"

#define FUNCTIONS_MAX (1u << 22)
#define FRAME_MAX_SZ (1 << 24)
#define FRAME_POINTER_AT (-16) /* a function pushes rbp first */

/* The beginning of a function's description. */
struct description {
	uint32_t off;
	int32_t name_off, args;
	uint32_t defer_off, frame_off; /* frame_off: of its frame's sizes, behind pc_off; 0: none */
};

/*
 * Those that are not what the table says: they begin a stack, or go on on another one. There the frame pointer, which
 * all code of Go keeps, leads back.
 */
static const struct {
	struct slice name;
	struct unwind_rule rule;
} special[] = {
	{SLICE("runtime.goexit"), {.cfa = UNWIND_CFA_ROOT}},
	{SLICE("runtime.mstart"), {.cfa = UNWIND_CFA_ROOT}},
	{SLICE("runtime.mcall"), {.cfa = UNWIND_CFA_ROOT}},
	{SLICE("runtime.rt0_go"), {.cfa = UNWIND_CFA_ROOT}},
	{SLICE("runtime.sigreturn__sigaction"), {.cfa = UNWIND_CFA_SIGNAL}},
	{SLICE("runtime.systemstack"), {.cfa = UNWIND_CFA_FRAME, .cfa_post = 1}},
	{SLICE("runtime.asmcgocall"), {.cfa = UNWIND_CFA_FRAME, .cfa_post = 1}},
	{SLICE("runtime.asmcgocall_no_g"), {.cfa = UNWIND_CFA_FRAME, .cfa_post = 1}},
	{SLICE("runtime.nanotime1"), {.cfa = UNWIND_CFA_FRAME, .cfa_post = 1}},
	{SLICE("runtime.walltime"), {.cfa = UNWIND_CFA_FRAME, .cfa_post = 1}},
	{SLICE("time.now"), {.cfa = UNWIND_CFA_FRAME, .cfa_post = 1}},
	{SLICE("runtime.morestack"), {.cfa = UNWIND_CFA_UNSUPPORTED}},
	{SLICE("runtime.cgocallback"), {.cfa = UNWIND_CFA_UNSUPPORTED}},
};

/* n bytes at an offset; false if they are not there. */
static bool read_at(struct slice table, uint64_t off, void *to, size_t n)
{
	if (off > table.n || table.n - off < n)
		return false;
	memcpy(to, table.p + off, n);
	return true;
}

static bool read_header(struct slice table, struct pclntab_header *h)
{
	return read_at(table, 0, h, sizeof(*h)) &&
	       (h->magic == PCLNTAB_MAGIC_118 || h->magic == PCLNTAB_MAGIC_120) &&
	       h->min_insn_sz == 1 && h->pointer_sz == 8 && h->functions_cnt &&
	       h->functions_cnt < FUNCTIONS_MAX && h->names_off < table.n && h->pc_off < table.n &&
	       h->functions_off < table.n;
}

static bool read_function(struct slice table, const struct pclntab_header *h, uint64_t i,
			  struct pclntab_function *row, struct description *d)
{
	return read_at(table, h->functions_off + i * sizeof(*row), row, sizeof(*row)) &&
	       read_at(table, h->functions_off + row->description_off, d, sizeof(*d));
}

static struct slice name_of(struct slice table, const struct pclntab_header *h,
			    const struct description *d)
{
	struct slice rest = slice_after(table, h->names_off);
	ptrdiff_t end;

	if (d->name_off < 0)
		return SLICE("");
	rest = slice_first(slice_after(rest, (size_t)d->name_off), 256);
	end = slice_find(rest, 0);
	return end < 0 ? SLICE("") : slice_first(rest, (size_t)end);
}

static const struct unwind_rule *special_rule(struct slice name)
{
	for (size_t i = 0; i < sizeof(special) / sizeof(special[0]); i++)
		if (slice_eq(name, special[i].name))
			return &special[i].rule;
	return NULL;
}

bool go_table_check(struct slice table, struct go_text *out)
{
	struct pclntab_function row;
	struct description d;
	struct pclntab_header h;

	if (!read_header(table, &h))
		return false;
	for (uint64_t i = 0; i < h.functions_cnt && read_function(table, &h, i, &row, &d); i++)
		if (slice_eq(name_of(table, &h, &d), SLICE("runtime.goexit"))) {
			*out = (struct go_text){.exit_off = row.off, .header = h.text};
			return true;
		}
	return false;
}

static uint64_t take_varint(struct cursor *c)
{
	uint64_t number = 0;
	unsigned int shift = 0;
	uint8_t byte;

	do {
		byte = (uint8_t)cursor_be(c, 1);
		if (shift < 64)
			number |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
	} while (byte & 0x80 && !c->failed);
	return number;
}

/* The frame of which so many bytes are below the return address. */
static struct unwind_rule frame_rule(int64_t size)
{
	if (size < 0 || size > FRAME_MAX_SZ || size % 8)
		return (struct unwind_rule){.cfa = UNWIND_CFA_UNSUPPORTED};
	return (struct unwind_rule){
		.cfa = UNWIND_CFA_REGISTER,
		.cfa_reg = UNWIND_RSP,
		.cfa_off = (int32_t)size + 8,
		.fp = size ? UNWIND_FP_AT_CFA : UNWIND_FP_SAME,
		.fp_off = size ? FRAME_POINTER_AT : 0,
	};
}

/* Pairs: how much the size changes, and for how many bytes of code it then holds. */
static int take_sizes(struct unwind_rows *rows, struct slice sizes, uint64_t start, uint64_t limit,
		      struct unwind_rules *rules)
{
	struct cursor c = {.rest = sizes};
	uint64_t at = start;
	int64_t size = -1;
	int err = 0;

	while (!err && at < limit && !c.failed) {
		uint64_t delta = take_varint(&c);
		struct unwind_rule rule;

		if (!delta && at > start)
			break;
		size += (int32_t)(delta & 1 ? ~(delta >> 1) : delta >> 1);
		rule = frame_rule(size);
		err = unwind_rows__add(rows, at, &rule, rules);
		at += take_varint(&c) & UINT32_MAX;
	}
	return err;
}

int go_rows_take(struct unwind_rows *rows, struct slice table, uint64_t text,
		 struct unwind_rules *rules)
{
	static const struct unwind_rule none = {.cfa = UNWIND_CFA_NONE};
	struct pclntab_function row, next;
	struct description d;
	uint64_t last = 0;
	struct pclntab_header h;
	int err = 0;

	if (!read_header(table, &h))
		return -EINVAL;
	for (uint64_t i = 0; !err && i < h.functions_cnt; i++) {
		uint64_t start, limit;
		const struct unwind_rule *rule;

		/* Behind the last function stands where it ends. */
		if (!read_function(table, &h, i, &row, &d) ||
		    !read_at(table, h.functions_off + (i + 1) * sizeof(row), &next, sizeof(next)))
			return -EINVAL;
		start = text + row.off;
		limit = text + next.off;
		if (start < last || limit <= start)
			return -EINVAL;
		last = limit;
		rule = special_rule(name_of(table, &h, &d));
		err = unwind_rows__add(rows, start, rule ?: &none, rules);
		if (!err && !rule && d.frame_off)
			err = take_sizes(rows, slice_after(table, h.pc_off + d.frame_off), start,
					 limit, rules);
		err = err ?: unwind_rows__add(rows, limit, &none, rules);
		rows->limit = limit;
	}
	return err;
}

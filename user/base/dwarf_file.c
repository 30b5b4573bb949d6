// SPDX-License-Identifier: Apache-2.0
/*
 * By elfutils' libdw (DWARF 2 to 5). Units are found by the ranges that they give themselves, not by
 * .debug_aranges, which few compilers write; their trees are walked only where an address that is
 * wanted lies. What is read is counted: nothing that a file says makes more of it. Neither split
 * DWARF nor dwz's common file is followed.
 */
#include "user/base/dwarf_file.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define DEPTH_MAX 192	     /* of nested entries */
#define WORK_MAX (64u << 20) /* entries and ranges read */
#define UNIT_LINES_MAX_SZ \
	(8u << 20) /* of one unit's line program, which is some 40 times as much when read */
#define HANDLE_LINES_MAX_SZ \
	(4u << 20) /* then the handle is opened anew, which frees what was read */
#define NOWHERE UINT64_MAX

struct dwarf_file {
	Elf *elf;
	Dwarf *dwarf;
	no_memory_fn no_memory;
	Elf_Data *lines; /* .debug_line; NULL: there is none */
	uint64_t lines_read_sz;
	uint32_t work;
	bool cut, broken;
};

/* What one call of find knows of an address. */
struct wanted {
	uint64_t address;
	Dwarf_Off unit; /* of its unit's entry; NOWHERE: not found */
	uint32_t i;	/* the caller's */
	bool found;
};

struct search {
	struct dwarf_file *f;
	struct wanted *v; /* by address */
	uint32_t cnt;
	/* The unit in turn. */
	Dwarf_Die unit;
	uint16_t version;
	struct slice dir; /* in which it was compiled */
	bool has_lines, nested;
	source_found_fn found;
	void *ctx;
};

/* --- opening ---------------------------------------------------------------------------------- */

static Dwarf *begin(Elf *elf, no_memory_fn no_memory)
{
	Dwarf *dwarf = dwarf_begin_elf(elf, DWARF_C_READ, NULL);

	if (dwarf)
		dwarf_setalt(dwarf, NULL); /* else it would open what the file names */
	if (dwarf && no_memory)
		dwarf_new_oom_handler(dwarf, no_memory);
	return dwarf;
}

/* The next section with DWARF, and the rest of its name after ".debug_"; NULL: there is none. */
static Elf_Scn *next_section(Elf *elf, Elf_Scn *section, GElf_Shdr *header, const char **rest)
{
	size_t names;

	if (elf_getshdrstrndx(elf, &names))
		return NULL;
	while ((section = elf_nextscn(elf, section))) {
		const char *name = gelf_getshdr(section, header)
					   ? elf_strptr(elf, names, header->sh_name)
					   : NULL;
		bool old = name && strncmp(name, ".zdebug_", 8) == 0;

		if (!name || header->sh_type != SHT_PROGBITS ||
		    (!old && strncmp(name, ".debug_", 7) != 0))
			continue;
		*rest = name + 7 + old;
		return section;
	}
	return NULL;
}

/* What the packed sections take in memory. Of the old kind it stands in them; that is much for them. */
static uint64_t unpacked_sz(Elf *elf)
{
	Elf_Scn *section = NULL;
	uint64_t sum = 0, sz;
	GElf_Shdr header;
	GElf_Chdr packed;
	const char *rest;

	while ((section = next_section(elf, section, &header, &rest))) {
		if (rest[-7] == 'z')
			sz = header.sh_size * 8;
		else
			sz = gelf_getchdr(section, &packed) ? packed.ch_size : 0;
		if (sz > DWARF_UNPACKED_MAX_SZ)
			return sz;
		sum += sz;
	}
	return sum;
}

/* When libdw has unpacked it. */
static Elf_Data *find_lines(Elf *elf)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;
	const char *rest;

	while ((section = next_section(elf, section, &header, &rest)))
		if (strcmp(rest, "line") == 0)
			return elf_getdata(section, NULL);
	return NULL;
}

static bool is_ours(Elf *elf)
{
	const char *ident = elf_kind(elf) == ELF_K_ELF ? elf_getident(elf, NULL) : NULL;
	const char order = __BYTE_ORDER == __LITTLE_ENDIAN ? ELFDATA2LSB : ELFDATA2MSB;
	GElf_Ehdr header;

	return ident && ident[EI_DATA] == order && gelf_getehdr(elf, &header) &&
	       header.e_type != ET_REL;
}

static struct dwarf_file *begin_file(Elf *elf, no_memory_fn no_memory)
{
	struct dwarf_file *f = NULL;
	GElf_Shdr header;
	const char *rest;
	int err = ENODATA;

	if (elf && is_ours(elf) && unpacked_sz(elf) > DWARF_UNPACKED_MAX_SZ)
		err = EFBIG;
	else if (elf && is_ours(elf))
		f = calloc(1, sizeof(*f));
	if (f)
		f->dwarf = begin(elf, no_memory);
	if (f && !f->dwarf && next_section(elf, NULL, &header, &rest))
		err = EIO;
	if (!f || !f->dwarf) {
		free(f);
		elf_end(elf);
		errno = err;
		return NULL;
	}
	f->elf = elf;
	f->no_memory = no_memory;
	f->lines = find_lines(elf);
	return f;
}

struct dwarf_file *dwarf_file__open(int fd, no_memory_fn no_memory)
{
	elf_version(EV_CURRENT);
	return begin_file(elf_begin(fd, ELF_C_READ_MMAP, NULL), no_memory);
}

struct dwarf_file *dwarf_file__open_bytes(char *bytes, size_t n, no_memory_fn no_memory)
{
	elf_version(EV_CURRENT);
	return begin_file(elf_memory(bytes, n), no_memory);
}

void dwarf_file__close(struct dwarf_file *f)
{
	if (!f)
		return;
	dwarf_end(f->dwarf);
	elf_end(f->elf);
	free(f);
}

/* --- ranges ----------------------------------------------------------------------------------- */

static bool may_work(struct dwarf_file *f)
{
	if (f->work) {
		f->work--;
		return true;
	}
	f->cut = true;
	return false;
}

struct ranges {
	ptrdiff_t next;
	Dwarf_Addr base, start, limit;
};

/* The next one of the entry; begin with zeroes. Code that the linker has left out stands at 0 or 1. */
static bool next_range(struct dwarf_file *f, Dwarf_Die *die, struct ranges *r)
{
	while (may_work(f)) {
		r->next = dwarf_ranges(die, r->next, &r->base, &r->start, &r->limit);
		if (r->next <= 0)
			return false;
		if (r->start > 1 && r->start < r->limit)
			return true;
	}
	return false;
}

static bool holds(struct dwarf_file *f, Dwarf_Die *die, uint64_t address)
{
	struct ranges r = {0};

	while (next_range(f, die, &r))
		if (address >= r.start && address < r.limit)
			return true;
	return false;
}

/* The first that is wanted from this address on. */
static uint32_t first_from(const struct search *s, uint64_t address)
{
	uint32_t first = 0, cnt = s->cnt;

	while (cnt) {
		uint32_t half = cnt / 2;

		if (s->v[first + half].address < address) {
			first += half + 1;
			cnt -= half + 1;
		} else {
			cnt = half;
		}
	}
	return first;
}

/* Notes, for each address, the unit that it is in. */
static void find_units(struct search *s)
{
	struct dwarf_file *f = s->f;
	Dwarf_CU *cu = NULL;
	Dwarf_Die unit;
	uint8_t type;

	int more;

	while ((more = dwarf_get_units(f->dwarf, cu, &cu, NULL, &type, &unit, NULL)) == 0) {
		struct ranges r = {0};

		if (!may_work(f))
			return;
		if (type != DW_UT_compile)
			continue;
		while (next_range(f, &unit, &r))
			for (uint32_t i = first_from(s, r.start);
			     i < s->cnt && s->v[i].address < r.limit; i++)
				if (s->v[i].unit == NOWHERE)
					s->v[i].unit = dwarf_dieoffset(&unit);
	}
	f->broken = more < 0;
}

/* --- frames ----------------------------------------------------------------------------------- */

static struct slice name_of(Dwarf_Die *die)
{
	Dwarf_Attribute attribute;
	const char *name = NULL;

	if (dwarf_attr_integrate(die, DW_AT_linkage_name, &attribute) ||
	    dwarf_attr_integrate(die, DW_AT_MIPS_linkage_name, &attribute))
		name = dwarf_formstring(&attribute);
	return slice_str(name ?: dwarf_diename(die));
}

static uint32_t number_of(Dwarf_Die *die, unsigned int which)
{
	Dwarf_Attribute attribute;
	Dwarf_Word value;

	return dwarf_attr(die, which, &attribute) && dwarf_formudata(&attribute, &value) == 0 &&
			       value <= INT32_MAX
		       ? (uint32_t)value
		       : 0;
}

static void set_file(const struct search *s, const char *path, struct source_frame *frame)
{
	frame->file = slice_str(path);
	if (frame->file.n && path[0] != '/')
		frame->dir = s->dir;
}

/* Where the inlined function is called. */
static void set_call(struct search *s, Dwarf_Die *inlined, struct source_frame *frame)
{
	uint32_t at = number_of(inlined, DW_AT_call_file);
	size_t cnt;
	Dwarf_Files *files;

	if (!s->has_lines || (!at && s->version < 5) || !dwarf_hasattr(inlined, DW_AT_call_file) ||
	    dwarf_getsrcfiles(&s->unit, &files, &cnt) || at >= cnt)
		return;
	set_file(s, dwarf_filesrc(files, at, NULL, NULL), frame);
	frame->line = number_of(inlined, DW_AT_call_line);
}

/* Where the instruction itself comes from: a row that is not before its function. */
static void set_line(struct search *s, uint64_t address, uint64_t start, struct source_frame *frame)
{
	Dwarf_Line *row = s->has_lines ? dwarf_getsrc_die(&s->unit, address) : NULL;
	Dwarf_Addr from;
	int line;

	if (!row || dwarf_lineaddr(row, &from) || from < start || dwarf_lineno(row, &line))
		return;
	set_file(s, dwarf_linesrc(row, NULL, NULL), frame);
	frame->line = line > 0 ? (uint32_t)line : 0; /* compilers write 0 for what is of no line */
}

static bool is_block(int tag)
{
	return tag == DW_TAG_lexical_block || tag == DW_TAG_try_block ||
	       tag == DW_TAG_catch_block || tag == DW_TAG_with_stmt;
}

/*
 * The function that is inlined in *scope where the address is. Blocks beside each other may have the
 * same code, so all are looked into.
 */
static bool find_inlined(struct dwarf_file *f, Dwarf_Die *scope, uint64_t address, uint32_t depth,
			 Dwarf_Die *inlined)
{
	Dwarf_Die part;
	int more = depth < DEPTH_MAX ? dwarf_child(scope, &part) : 1;

	for (; more == 0 && may_work(f); more = dwarf_siblingof(&part, &part)) {
		int tag = dwarf_tag(&part);

		if ((tag != DW_TAG_inlined_subroutine && !is_block(tag)) ||
		    !holds(f, &part, address))
			continue;
		if (tag == DW_TAG_inlined_subroutine) {
			*inlined = part;
			return true;
		}
		if (find_inlined(f, &part, address, depth + 1, inlined))
			return true;
	}
	return false;
}

/* Tells of an address that is in that function, which begins at start. NULL: in none that is known. */
static void tell(struct search *s, struct wanted *wanted, Dwarf_Die *function, uint64_t start)
{
	Dwarf_Die inlined[SOURCE_FRAMES_MAX]; /* the outermost first, its function before it */
	struct source_frame frames[SOURCE_FRAMES_MAX] = {0};
	uint32_t cnt = 1;

	if (function) {
		inlined[0] = *function;
		while (cnt < SOURCE_FRAMES_MAX &&
		       find_inlined(s->f, &inlined[cnt - 1], wanted->address, 0, &inlined[cnt]))
			cnt++;
	}
	set_line(s, wanted->address, start, &frames[0]);
	for (uint32_t i = 0; function && i < cnt; i++) {
		frames[i].name = name_of(&inlined[cnt - 1 - i]);
		if (i + 1 < cnt)
			set_call(s, &inlined[cnt - 1 - i], &frames[i + 1]);
	}
	wanted->found = true;
	if (function || frames[0].file.n)
		s->found(s->ctx, wanted->i, frames, cnt);
}

/* --- trees ------------------------------------------------------------------------------------ */

static bool is_scope(int tag)
{
	return tag == DW_TAG_namespace || tag == DW_TAG_module || tag == DW_TAG_structure_type ||
	       tag == DW_TAG_class_type || tag == DW_TAG_union_type ||
	       tag == DW_TAG_interface_type || tag == DW_TAG_enumeration_type;
}

static void take_function(struct search *s, Dwarf_Die *function)
{
	Dwarf_Off unit = dwarf_dieoffset(&s->unit);
	struct ranges r = {0};

	while (next_range(s->f, function, &r))
		for (uint32_t i = first_from(s, r.start); i < s->cnt && s->v[i].address < r.limit;
		     i++)
			if (s->v[i].unit == unit && !s->v[i].found)
				tell(s, &s->v[i], function, r.start);
}

/* Takes the functions in a scope. Few languages have functions in functions: see take_unit. */
static void take_scope(struct search *s, Dwarf_Die *scope, uint32_t depth)
{
	Dwarf_Die die;
	int more = depth < DEPTH_MAX ? dwarf_child(scope, &die) : 1;

	for (; more == 0 && may_work(s->f); more = dwarf_siblingof(&die, &die)) {
		int tag = dwarf_tag(&die);
		bool is_function = tag == DW_TAG_subprogram;

		if (is_function)
			take_function(s, &die);
		if (is_scope(tag) || (s->nested && (is_function || is_block(tag) ||
						    tag == DW_TAG_inlined_subroutine)))
			take_scope(s, &die, depth + 1);
	}
}

/* --- units ------------------------------------------------------------------------------------ */

/* The size of the unit's line program; 0 if there is none. */
static uint64_t lines_sz(struct search *s)
{
	const Elf_Data *data = s->f->lines;
	Dwarf_Attribute attribute;
	Dwarf_Word off;
	uint64_t length;
	uint32_t word;

	if (!data || !data->d_buf || !dwarf_attr(&s->unit, DW_AT_stmt_list, &attribute) ||
	    dwarf_formudata(&attribute, &off) || off > data->d_size || data->d_size - off < 12)
		return 0;
	memcpy(&word, (const char *)data->d_buf + off, sizeof(word));
	memcpy(&length, (const char *)data->d_buf + off + sizeof(word), sizeof(length));
	if (word != UINT32_MAX)
		length = word;
	return length < data->d_size - off ? length : data->d_size - off;
}

/* Makes the unit the one in turn, with a new handle if the old one has read much. */
static bool enter_unit(struct search *s, Dwarf_Off off)
{
	struct dwarf_file *f = s->f;
	Dwarf_Attribute dir;
	Dwarf_Die die;
	uint64_t sz;

	if (f->lines_read_sz > HANDLE_LINES_MAX_SZ) {
		Dwarf *anew;

		dwarf_end(f->dwarf);
		anew = begin(f->elf, f->no_memory);
		f->dwarf = anew;
		f->lines_read_sz = 0;
		if (!anew) {
			f->broken = true;
			return false;
		}
	}
	if (!dwarf_offdie(f->dwarf, off, &s->unit))
		return false;
	s->version = 0;
	dwarf_cu_die(s->unit.cu, &die, &s->version, NULL, NULL, NULL, NULL, NULL);
	s->dir = SLICE("");
	if (dwarf_attr(&s->unit, DW_AT_comp_dir, &dir))
		s->dir = slice_str(dwarf_formstring(&dir));
	sz = lines_sz(s);
	s->has_lines = sz && sz <= UNIT_LINES_MAX_SZ;
	f->lines_read_sz += sz;
	f->cut |= sz > UNIT_LINES_MAX_SZ;
	return true;
}

static bool is_left(const struct search *s, Dwarf_Off unit)
{
	for (uint32_t i = 0; i < s->cnt; i++)
		if (s->v[i].unit == unit && !s->v[i].found)
			return true;
	return false;
}

static void take_unit(struct search *s, Dwarf_Off off)
{
	if (!enter_unit(s, off))
		return;
	s->nested = false;
	take_scope(s, &s->unit, 0);
	s->nested = true;
	if (is_left(s, off))
		take_scope(s, &s->unit, 0);
	for (uint32_t i = 0; i < s->cnt; i++)
		if (s->v[i].unit == off && !s->v[i].found)
			tell(s, &s->v[i], NULL, 0);
}

/* The unit after this one in which something is wanted. */
static Dwarf_Off next_unit(const struct search *s, Dwarf_Off after, bool first)
{
	Dwarf_Off next = NOWHERE;

	for (uint32_t i = 0; i < s->cnt; i++)
		if ((first || s->v[i].unit > after) && s->v[i].unit < next)
			next = s->v[i].unit;
	return next;
}

enum dwarf_result dwarf_file__find(struct dwarf_file *f, const uint64_t *addresses, uint32_t cnt,
				   source_found_fn found, void *ctx)
{
	struct search s = {.f = f, .cnt = cnt, .found = found, .ctx = ctx};
	Dwarf_Off unit;

	f->work = WORK_MAX;
	f->cut = f->broken = false;
	s.v = calloc(cnt ?: 1, sizeof(*s.v));
	if (!s.v)
		return DWARF_TOO_BIG;
	for (uint32_t i = 0; i < cnt; i++)
		s.v[i] = (struct wanted){.address = addresses[i], .unit = NOWHERE, .i = i};
	find_units(&s);
	unit = next_unit(&s, 0, true);
	while (unit != NOWHERE && f->dwarf) {
		take_unit(&s, unit);
		unit = next_unit(&s, unit, false);
	}
	free(s.v);
	return f->cut ? DWARF_TOO_BIG : f->broken ? DWARF_BROKEN : DWARF_DONE;
}

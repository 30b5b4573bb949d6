// SPDX-License-Identifier: Apache-2.0
/* By elfutils' libelf, which reads and checks; nothing is mapped. Offsets are checked once more here. */
#include "user/base/elf_file.h"

#include <errno.h>
#include <gelf.h>
#include <libelf.h>
#include <limits.h>
#include <lzma.h>
#include <stdlib.h>

#define NOTES_MAX_SZ 65536u
#define DEBUG_DATA_MAX_SZ (64u * 1024 * 1024)
#define LZMA_MAX_SZ (96u * 1024 * 1024)
#define NAME_OFF_MAX (1u << 29)

struct elf_file {
	Elf *elf;
	size_t section_names; /* index of their table */
};

static struct elf_file *begin(Elf *elf)
{
	struct elf_file *file = elf && elf_kind(elf) == ELF_K_ELF ? calloc(1, sizeof(*file)) : NULL;

	if (!file) {
		elf_end(elf);
		return NULL;
	}
	file->elf = elf;
	if (elf_getshdrstrndx(elf, &file->section_names))
		file->section_names = 0;
	return file;
}

struct elf_file *elf_file__open(int fd)
{
	elf_version(EV_CURRENT);
	return begin(elf_begin(fd, ELF_C_READ, NULL));
}

struct elf_file *elf_file__open_bytes(char *bytes, size_t n)
{
	elf_version(EV_CURRENT);
	return begin(elf_memory(bytes, n));
}

void elf_file__close(struct elf_file *file)
{
	if (!file)
		return;
	elf_end(file->elf);
	free(file);
}

const char *elf_file__machine(struct elf_file *file)
{
	GElf_Ehdr header;

	if (!gelf_getehdr(file->elf, &header))
		return "an unknown machine";
	switch (header.e_machine) {
	case EM_X86_64:
		return gelf_getclass(file->elf) == ELFCLASS64 ? "x86-64" : "x32";
	case EM_AARCH64:
		return "aarch64";
	case EM_386:
		return "i386";
	case EM_ARM:
		return "arm";
	case EM_RISCV:
		return "riscv";
	case EM_PPC64:
		return "ppc64";
	case EM_S390:
		return "s390x";
	default:
		return "an unknown machine";
	}
}

uint64_t elf_file__entry(struct elf_file *file)
{
	GElf_Ehdr header;

	return gelf_getehdr(file->elf, &header) ? header.e_entry : 0;
}

uint32_t elf_file__segments(struct elf_file *file, struct elf_segment out[SEGMENTS_MAX])
{
	uint32_t cnt = 0;
	size_t headers_cnt;
	GElf_Phdr header;

	if (elf_getphdrnum(file->elf, &headers_cnt))
		return 0;
	for (size_t i = 0; i < headers_cnt && cnt < SEGMENTS_MAX; i++)
		if (gelf_getphdr(file->elf, (int)i, &header) && header.p_type == PT_LOAD &&
		    header.p_flags & PF_X)
			out[cnt++] = (struct elf_segment){
				.address = header.p_vaddr,
				.size = header.p_filesz,
				.file_off = header.p_offset,
			};
	return cnt;
}

bool elf_file__unwind_table(struct elf_file *file, struct elf_segment *out)
{
	size_t headers_cnt;
	GElf_Phdr header;

	if (elf_getphdrnum(file->elf, &headers_cnt))
		return false;
	for (size_t i = 0; i < headers_cnt; i++) {
		if (!gelf_getphdr(file->elf, (int)i, &header) || header.p_type != PT_GNU_EH_FRAME)
			continue;
		*out = (struct elf_segment){
			.address = header.p_vaddr,
			.size = header.p_filesz,
			.file_off = header.p_offset,
		};
		return true;
	}
	return false;
}

static size_t find_build_id(Elf_Data *notes, uint8_t out[BUILD_ID_MAX])
{
	size_t at = 0, name_off, desc_off;
	GElf_Nhdr note;

	while ((at = gelf_getnote(notes, at, &note, &name_off, &desc_off))) {
		const char *name = (const char *)notes->d_buf + name_off;

		if (note.n_type != NT_GNU_BUILD_ID || note.n_namesz != 4 ||
		    memcmp(name, "GNU", 4) != 0)
			continue;
		if (note.n_descsz > BUILD_ID_MAX)
			return 0;
		memcpy(out, (const char *)notes->d_buf + desc_off, note.n_descsz);
		return note.n_descsz;
	}
	return 0;
}

size_t elf_file__build_id(struct elf_file *file, uint8_t out[BUILD_ID_MAX])
{
	size_t headers_cnt, n = 0;
	GElf_Phdr header;

	if (elf_getphdrnum(file->elf, &headers_cnt))
		return 0;
	for (size_t i = 0; !n && i < headers_cnt; i++) {
		Elf_Data *notes;

		if (!gelf_getphdr(file->elf, (int)i, &header) || header.p_type != PT_NOTE ||
		    header.p_filesz > NOTES_MAX_SZ)
			continue;
		notes = elf_getdata_rawchunk(file->elf, (int64_t)header.p_offset, header.p_filesz,
					     header.p_align == 8 ? ELF_T_NHDR8 : ELF_T_NHDR);
		if (notes)
			n = find_build_id(notes, out);
	}
	return n;
}

/* The next section behind *section of that type, and of that name unless it is NULL; false if there is none. */
static bool next_section(struct elf_file *file, uint32_t type, const char *name, Elf_Scn **section,
			 GElf_Shdr *header)
{
	while ((*section = elf_nextscn(file->elf, *section))) {
		const char *own;

		if (!gelf_getshdr(*section, header) || header->sh_type != type)
			continue;
		if (!name)
			return true;
		own = elf_strptr(file->elf, file->section_names, header->sh_name);
		if (own && strcmp(own, name) == 0)
			return true;
	}
	return false;
}

bool elf_file__section(struct elf_file *file, const char *name, struct elf_segment *out)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;

	/* LLVM's linkers have a type of their own for .eh_frame. */
	if ((!next_section(file, SHT_PROGBITS, name, &section, &header) &&
	     !next_section(file, SHT_X86_64_UNWIND, name, &section, &header)) ||
	    header.sh_flags & SHF_COMPRESSED)
		return false;
	*out = (struct elf_segment){
		.address = header.sh_addr,
		.size = header.sh_size,
		.file_off = header.sh_offset,
	};
	return true;
}

bool elf_file__has_dwarf(struct elf_file *file)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;

	return next_section(file, SHT_PROGBITS, ".debug_info", &section, &header) ||
	       next_section(file, SHT_PROGBITS, ".zdebug_info", &section, &header);
}

bool elf_file__has_sections(struct elf_file *file)
{
	size_t cnt;

	return elf_getshdrnum(file->elf, &cnt) == 0 && cnt > 0;
}

static Elf_Data *section_data(struct elf_file *file, const char *name)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;

	return next_section(file, SHT_PROGBITS, name, &section, &header) &&
			       header.sh_size <= DEBUG_DATA_MAX_SZ
		       ? elf_rawdata(section, NULL)
		       : NULL;
}

struct slice elf_file__debug_link(struct elf_file *file)
{
	Elf_Data *data = section_data(file, ".gnu_debuglink");

	if (!data || !data->d_buf || !memchr(data->d_buf, 0, data->d_size))
		return SLICE("");
	return slice_str(data->d_buf);
}

/* To be freed. */
static char *unpack_debug_data(struct elf_file *file, size_t *n)
{
	Elf_Data *data = section_data(file, ".gnu_debugdata");
	char *out = NULL;

	if (!data || !data->d_buf)
		return NULL;
	for (size_t cap = data->d_size * 8 + 4096; cap <= DEBUG_DATA_MAX_SZ; cap *= 4) {
		uint64_t memory_max = LZMA_MAX_SZ;
		size_t in_at = 0;
		lzma_ret ret;

		free(out);
		out = malloc(cap);
		*n = 0;
		if (!out)
			return NULL;
		ret = lzma_stream_buffer_decode(&memory_max, 0, NULL, data->d_buf, &in_at,
						data->d_size, (uint8_t *)out, n, cap);
		if (ret == LZMA_OK)
			return out;
		if (ret != LZMA_BUF_ERROR)
			break;
	}
	free(out);
	return NULL;
}

/* --- symbols ---------------------------------------------------------------------------------- */

/* Is it a function? Then section is that of its code. */
static bool is_code(struct elf_file *file, const GElf_Sym *symbol, GElf_Shdr *section)
{
	int type = GELF_ST_TYPE(symbol->st_info);

	if (type != STT_FUNC && type != STT_GNU_IFUNC && type != STT_NOTYPE)
		return false;
	if (symbol->st_shndx == SHN_UNDEF || symbol->st_shndx >= SHN_LORESERVE ||
	    symbol->st_name == 0 || symbol->st_name >= NAME_OFF_MAX)
		return false;
	/* Functions in assembly often have no type; data has none either. */
	return gelf_getshdr(elf_getscn(file->elf, symbol->st_shndx), section) &&
	       section->sh_flags & SHF_EXECINSTR && symbol->st_value >= section->sh_addr &&
	       symbol->st_value - section->sh_addr < section->sh_size;
}

static uint32_t rank_of(const GElf_Sym *symbol, const char *name)
{
	int bind = GELF_ST_BIND(symbol->st_info);
	bool internal = name[0] == '_' && name[1] != 'Z' && name[1] != 'R';

	if (GELF_ST_TYPE(symbol->st_info) == STT_NOTYPE)
		return 3;
	return bind == STB_LOCAL || internal ? 2 : bind == STB_WEAK;
}

static int append(struct elf_table *table, const struct elf_symbol *symbol)
{
	uint32_t cap = table->cap ? table->cap + table->cap / 2 : 256;
	struct elf_symbol *grown;

	if (table->cnt == table->cap) {
		if (table->cnt >= SYMBOLS_MAX)
			return -ENOMEM;
		grown = reallocarray(table->v, cap, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		table->v = grown;
		table->cap = cap;
	}
	table->v[table->cnt++] = *symbol;
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct elf_symbol *x = a, *y = b;

	if (x->address != y->address)
		return x->address < y->address ? -1 : 1;
	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	return x->name < y->name ? -1 : x->name > y->name;
}

static void sort(struct elf_table *table)
{
	uint32_t kept = 0;

	if (table->cnt)
		qsort(table->v, table->cnt, sizeof(*table->v), compare);
	for (uint32_t i = 0; i < table->cnt; i++) {
		struct elf_symbol *last = kept ? &table->v[kept - 1] : NULL;

		if (!last || last->address != table->v[i].address)
			table->v[kept++] = table->v[i];
		else if (last->unsized || (!table->v[i].unsized && last->size < table->v[i].size))
			last->size = table->v[i].size;
	}
	table->cnt = kept;
	for (uint32_t i = 0; i + 1 < kept; i++)
		if (table->v[i].unsized &&
		    table->v[i + 1].address - table->v[i].address < table->v[i].size)
			table->v[i].size =
				(uint32_t)(table->v[i + 1].address - table->v[i].address);
}

static int add_symbol(struct elf_file *file, size_t names, const GElf_Sym *symbol,
		      struct elf_table *table)
{
	struct elf_symbol add = {.address = symbol->st_value, .unsized = symbol->st_size == 0};
	uint64_t size = symbol->st_size;
	const char *name;
	GElf_Shdr section;

	if (!is_code(file, symbol, &section))
		return 0;
	name = elf_strptr(file->elf, names, symbol->st_name);
	if (!name || !name[0] || name[0] == '$') /* $x and the like mark code, on ARM */
		return 0;
	if (!size)
		size = section.sh_size - (symbol->st_value - section.sh_addr);
	add.size = size > UINT32_MAX ? UINT32_MAX : (uint32_t)size;
	add.name = symbol->st_name & (NAME_OFF_MAX - 1);
	add.rank = rank_of(symbol, name) & 3;
	return append(table, &add);
}

/* The table of symbols, with the headers of its section and of that of its names. */
static Elf_Data *symbols_of(struct elf_file *file, bool dynamic, GElf_Shdr *header,
			    GElf_Shdr *names)
{
	Elf_Scn *section = NULL;

	if (!next_section(file, dynamic ? SHT_DYNSYM : SHT_SYMTAB, NULL, &section, header) ||
	    !gelf_getshdr(elf_getscn(file->elf, header->sh_link), names) ||
	    names->sh_type != SHT_STRTAB || names->sh_flags & SHF_COMPRESSED)
		return NULL;
	return elf_getdata(section, NULL);
}

int elf_file__symbols(struct elf_file *file, bool dynamic, struct elf_table *table)
{
	GElf_Shdr header, names;
	Elf_Data *data = symbols_of(file, dynamic, &header, &names);
	GElf_Sym symbol;
	int err = 0;

	if (!data)
		return -ENOENT;
	table->names = (struct elf_names){.file_off = names.sh_offset, .size = names.sh_size};
	for (int i = 0; !err && gelf_getsym(data, i, &symbol); i++)
		err = add_symbol(file, header.sh_link, &symbol, table);
	sort(table);
	if (table->cnt)
		return 0;
	free(table->v);
	*table = (struct elf_table){0};
	return err ?: -ENOENT;
}

int elf_file__packed_symbols(struct elf_file *file, struct elf_table *table)
{
	size_t n;
	char *bytes = unpack_debug_data(file, &n);
	struct elf_file *inner = bytes ? elf_file__open_bytes(bytes, n) : NULL;
	int err = inner ? elf_file__symbols(inner, false, table) : -ENOENT;

	elf_file__close(inner);
	if (!err && (table->names.file_off > n || table->names.size > n - table->names.file_off)) {
		free(table->v);
		*table = (struct elf_table){0};
		err = -EINVAL;
	}
	if (!err) {
		memmove(bytes, bytes + table->names.file_off, table->names.size);
		table->names.memory = bytes;
		return 0;
	}
	free(bytes);
	return err;
}

static void note_function(struct elf_function *functions, size_t cnt, const GElf_Sym *symbol,
			  const char *name)
{
	for (size_t i = 0; i < cnt; i++)
		if (!functions[i].address && strcmp(functions[i].name, name) == 0) {
			functions[i].address = symbol->st_value;
			functions[i].size = symbol->st_size;
		}
}

/* False: there is no such table. */
static bool find_in(struct elf_file *file, bool dynamic, struct elf_function *functions, size_t cnt)
{
	GElf_Shdr header, names, section;
	Elf_Data *data = symbols_of(file, dynamic, &header, &names);
	GElf_Sym symbol;

	for (int i = 0; data && gelf_getsym(data, i, &symbol); i++) {
		const char *name = elf_strptr(file->elf, header.sh_link, symbol.st_name);

		if (name && is_code(file, &symbol, &section))
			note_function(functions, cnt, &symbol, name);
	}
	return data;
}

void elf_file__find(struct elf_file *file, struct elf_function *functions, size_t cnt)
{
	struct elf_file *inner;
	char *bytes;
	size_t n;

	find_in(file, true, functions, cnt);
	if (find_in(file, false, functions, cnt))
		return;
	bytes = unpack_debug_data(file, &n);
	inner = bytes ? elf_file__open_bytes(bytes, n) : NULL;
	if (inner)
		find_in(inner, false, functions, cnt);
	elf_file__close(inner);
	free(bytes);
}

void elf_file__exported(struct elf_file *file, struct elf_function *symbols, size_t cnt)
{
	GElf_Shdr header, names;
	Elf_Data *data = symbols_of(file, true, &header, &names);
	GElf_Sym symbol;

	for (int i = 0; data && gelf_getsym(data, i, &symbol); i++) {
		const char *name = symbol.st_shndx == SHN_UNDEF
					   ? NULL
					   : elf_strptr(file->elf, header.sh_link, symbol.st_name);

		if (name)
			note_function(symbols, cnt, &symbol, name);
	}
}

/* --- relocations ------------------------------------------------------------------------------ */

static const char *symbol_name(struct elf_file *file, Elf_Scn *symbols, size_t index)
{
	Elf_Data *data = symbols ? elf_getdata(symbols, NULL) : NULL;
	GElf_Shdr header;
	GElf_Sym symbol;

	if (!data || index > INT_MAX || !gelf_getsym(data, (int)index, &symbol) ||
	    !gelf_getshdr(symbols, &header))
		return NULL;
	return elf_strptr(file->elf, header.sh_link, symbol.st_name);
}

const char *elf_file__slot_name(struct elf_file *file, uint64_t address)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;
	GElf_Rela entry;

	while (next_section(file, SHT_RELA, NULL, &section, &header)) {
		Elf_Data *data = elf_getdata(section, NULL);

		for (int i = 0; data && gelf_getrela(data, i, &entry); i++)
			if (entry.r_offset == address)
				return symbol_name(file, elf_getscn(file->elf, header.sh_link),
						   GELF_R_SYM(entry.r_info));
	}
	return NULL;
}

/* --- thread-local storage --------------------------------------------------------------------- */

static bool find_thread_local(struct elf_file *file, bool dynamic, const char *name,
			      uint64_t *offset)
{
	GElf_Shdr header, names;
	Elf_Data *data = symbols_of(file, dynamic, &header, &names);
	GElf_Sym symbol;

	for (int i = 0; data && gelf_getsym(data, i, &symbol); i++) {
		const char *has =
			symbol.st_shndx == SHN_UNDEF || GELF_ST_TYPE(symbol.st_info) != STT_TLS
				? NULL
				: elf_strptr(file->elf, header.sh_link, symbol.st_name);

		if (has && strcmp(has, name) == 0) {
			*offset = symbol.st_value;
			return true;
		}
	}
	return false;
}

static enum thread_local_slot slot_kind(const GElf_Rela *entry)
{
	switch (GELF_R_TYPE(entry->r_info)) {
	case R_X86_64_TLSDESC:
		return THREAD_LOCAL_DESCRIPTOR;
	case R_X86_64_DTPMOD64:
		return THREAD_LOCAL_MODULE;
	case R_X86_64_TPOFF64:
		return THREAD_LOCAL_OFFSET;
	}
	return THREAD_LOCAL_NO_SLOT;
}

/* Is it for that variable? Where the linker has bound it by itself only its offset is left, if that. */
static bool is_for(struct elf_file *file, Elf_Scn *symbols, const GElf_Rela *entry,
		   const char *name, const struct elf_thread_local *variable)
{
	const char *has;

	if (GELF_R_SYM(entry->r_info) == 0)
		return slot_kind(entry) != THREAD_LOCAL_MODULE &&
		       (uint64_t)entry->r_addend == variable->offset;
	has = symbol_name(file, symbols, GELF_R_SYM(entry->r_info));
	return has && strcmp(has, name) == 0;
}

static void find_slot(struct elf_file *file, const char *name, struct elf_thread_local *out)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;
	GElf_Rela entry;

	while (next_section(file, SHT_RELA, NULL, &section, &header)) {
		Elf_Data *data = elf_getdata(section, NULL);

		for (int i = 0; data && gelf_getrela(data, i, &entry); i++)
			if (slot_kind(&entry) && is_for(file, elf_getscn(file->elf, header.sh_link),
							&entry, name, out)) {
				out->slot_kind = slot_kind(&entry);
				out->slot = entry.r_offset;
				return;
			}
	}
}

/* Only the linker of a program is sure to say so; some libraries can be run, too. */
static bool says_program(struct elf_file *file)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;
	GElf_Dyn entry;

	while (next_section(file, SHT_DYNAMIC, NULL, &section, &header)) {
		Elf_Data *data = elf_getdata(section, NULL);

		for (int i = 0; data && gelf_getdyn(data, i, &entry); i++)
			if (entry.d_tag == DT_FLAGS_1)
				return entry.d_un.d_val & DF_1_PIE;
	}
	return false;
}

bool elf_file__thread_local(struct elf_file *file, const char *name, struct elf_thread_local *out)
{
	GElf_Phdr header;
	size_t headers_cnt;
	bool runs = false;
	GElf_Ehdr elf;

	*out = (struct elf_thread_local){0};
	if (!gelf_getehdr(file->elf, &elf) || elf.e_machine != EM_X86_64 ||
	    elf_getphdrnum(file->elf, &headers_cnt) ||
	    (!find_thread_local(file, true, name, &out->offset) &&
	     !find_thread_local(file, false, name, &out->offset)))
		return false;
	out->of_program = elf.e_type == ET_EXEC || says_program(file);
	for (size_t i = 0; i < headers_cnt; i++) {
		if (!gelf_getphdr(file->elf, (int)i, &header))
			continue;
		runs |= header.p_type == PT_INTERP;
		if (header.p_type == PT_TLS) {
			out->block_sz = header.p_memsz;
			out->align = header.p_align;
		}
	}
	if (!out->of_program)
		find_slot(file, name, out);
	out->of_program |= runs && !out->slot_kind;
	return out->block_sz > out->offset;
}

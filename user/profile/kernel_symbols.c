// SPDX-License-Identifier: Apache-2.0
/* /proc/kallsyms: "ADDRESS TYPE NAME[\t[MODULE]]", no sizes. */
#include "user/profile/kernel_symbols.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/base/procfs.h"
#include "user/profile/name_ranges.h"

#define SYMBOLS_MAX (1u << 20)
#define NAMES_MAX_SZ (64u * 1024 * 1024)
#define LINE_MAX_SZ 1024
#define NOTES_SZ 4096
#define READ_EVERY_NS 10000000000ull
/* No function is longer: an address farther from a name belongs to something newer. */
#define FUNCTION_MAX_SZ 0x100000u

struct kernel_symbols {
	const char *proc_root;
	struct name_ranges names;
	uint64_t read_ns; /* 0: never */
	char build_id[KERNEL_BUILD_ID_SZ];
};

void kernel_notes_parse(struct slice notes, char build_id[KERNEL_BUILD_ID_SZ])
{
	static const struct slice owner = {.p = "GNU", .n = 4}; /* with its NUL */
	Elf64_Nhdr note;

	build_id[0] = 0;
	while (notes.n >= sizeof(note)) {
		struct slice name, value;

		memcpy(&note, notes.p, sizeof(note));
		notes = slice_after(notes, sizeof(note));
		name = slice_first(notes, note.n_namesz);
		notes = slice_after(notes, ((size_t)note.n_namesz + 3) & ~(size_t)3);
		value = slice_first(notes, note.n_descsz);
		notes = slice_after(notes, ((size_t)note.n_descsz + 3) & ~(size_t)3);
		if (note.n_type != NT_GNU_BUILD_ID || !slice_eq(name, owner) ||
		    value.n != note.n_descsz || value.n > KERNEL_BUILD_ID_SZ / 2)
			continue;
		for (size_t i = 0; i < value.n; i++)
			snprintf(build_id + 2 * i, 3, "%02x", (unsigned char)value.p[i]);
		return;
	}
}

static void read_build_id(struct kernel_symbols *k)
{
	char notes[NOTES_SZ];
	ssize_t len = procfs_read(AT_FDCWD, "/sys/kernel/notes", notes, sizeof(notes));

	kernel_notes_parse(slice_of(notes, len > 0 ? (size_t)len : 0), k->build_id);
}

struct slice kernel_symbols__build_id(const struct kernel_symbols *k)
{
	return slice_str(k->build_id);
}

struct kernel_symbols *kernel_symbols__new(const char *proc_root)
{
	struct kernel_symbols *k = calloc(1, sizeof(*k));

	if (!k) {
		errno = ENOMEM;
		return NULL;
	}
	k->proc_root = proc_root;
	name_ranges__init(&k->names, SYMBOLS_MAX, NAMES_MAX_SZ);
	read_build_id(k);
	return k;
}

void kernel_symbols__free(struct kernel_symbols *k)
{
	if (!k)
		return;
	name_ranges__free(&k->names);
	free(k);
}

bool kernel_symbol_parse(struct slice line, uint64_t *address, struct slice *name)
{
	ptrdiff_t tab;
	char type;

	if (!slice_take_hex(&line, address) || line.n < 4 || line.p[0] != ' ' || line.p[2] != ' ')
		return false;
	type = line.p[1];
	*name = slice_after(line, 3);
	tab = slice_find(*name, '\t');
	if (tab >= 0)
		name->n = (size_t)tab;
	return name->n && (type == 't' || type == 'T' || type == 'w' || type == 'W');
}

static void read_names(struct kernel_symbols *k)
{
	char path[256], line[LINE_MAX_SZ];
	uint64_t address, any = 0;
	struct slice name;
	FILE *file;

	snprintf(path, sizeof(path), "%s/kallsyms", k->proc_root);
	file = fopen(path, "re");
	name_ranges__reset(&k->names);
	while (file && fgets(line, sizeof(line), file)) {
		if (!kernel_symbol_parse(slice_of(line, strcspn(line, "\n")), &address, &name))
			continue;
		any |= address;
		if (address && !name_ranges__add(&k->names, address, 0, name))
			break;
	}
	if (!file)
		log_warn("kernel functions have no names: cannot read %s: %s", path,
			 strerror(errno));
	else if (!any && !k->read_ns)
		log_warn("kernel functions have no names: the kernel hides them; give sonde "
			 "CAP_SYSLOG, and set the sysctl kernel.kptr_restrict to 1 or 0");
	if (file)
		fclose(file);
	name_ranges__sort(&k->names);
}

struct slice kernel_symbols__find(struct kernel_symbols *k, uint64_t address)
{
	const struct name_range *range = name_ranges__find(&k->names, address);
	uint64_t now_ns;

	if (range && address - range->start < FUNCTION_MAX_SZ)
		return range->name;
	now_ns = clock_mono_ns();
	if (k->read_ns && now_ns - k->read_ns < READ_EVERY_NS)
		return SLICE("");
	read_names(k);
	k->read_ns = now_ns;
	range = name_ranges__find(&k->names, address);
	return range && address - range->start < FUNCTION_MAX_SZ ? range->name : SLICE("");
}

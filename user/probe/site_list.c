// SPDX-License-Identifier: Apache-2.0
/* By the same rules as where plaintext is looked for; all of .symtab, or of the other tables. */
#include "user/probe/site_list.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user/probe/code.h"

#define NAME_SZ 1024 /* longer names are cut */

/* rdi, rsi, rdx */
#define ARGUMENTS (REGISTER(7) | REGISTER(6) | REGISTER(2))

struct listing {
	int fd;
	struct code *code;
	site_list_tell tell;
	void *ctx;
};

static void read_name(const struct listing *l, const struct elf_names *names, uint32_t at,
		      char name[NAME_SZ])
{
	size_t n = at < names->size ? names->size - at : 0;
	ssize_t got;

	if (n > NAME_SZ - 1)
		n = NAME_SZ - 1;
	if (names->memory) {
		memcpy(name, names->memory + at, n);
		got = (ssize_t)n;
	} else {
		got = pread(l->fd, name, n, (off_t)(names->file_off + at));
	}
	name[got > 0 ? got : 0] = 0;
}

static void list_function(const struct listing *l, const char *name, uint64_t address,
			  uint64_t size)
{
	struct listed_function function = {.name = name, .address = address};
	struct code_function code;

	if (address && code__read(l->code, address, size, &code) == 0) {
		function.readable = true;
		function.file_off = code.file_off;
		for (int probe = 0; probe < SITE_PROBE_CNT; probe++) {
			struct site_want want = {
				.registers = ARGUMENTS,
				.is_return = probe == SITE_RETURN,
			};

			function.sites[probe].fault = site_pick_x86(code.bytes, code.n, want,
								    &function.sites[probe].site);
		}
	}
	l->tell(l->ctx, &function);
}

static void list_table(const struct listing *l, struct elf_table *table)
{
	char name[NAME_SZ];

	for (uint32_t i = 0; i < table->cnt; i++) {
		const struct elf_symbol *symbol = &table->v[i];

		read_name(l, &table->names, symbol->name, name);
		list_function(l, name, symbol->address, symbol->unsized ? 0 : symbol->size);
	}
	free(table->v);
	free(table->names.memory);
	*table = (struct elf_table){0};
}

/* .symtab, or else all the others. */
static int list_tables(const struct listing *l, struct elf_file *elf)
{
	struct elf_table table = {0};
	int found_cnt = 0;

	if (elf_file__symbols(elf, false, &table) == 0) {
		list_table(l, &table);
		return 0;
	}
	if (elf_file__packed_symbols(elf, &table) == 0) {
		list_table(l, &table);
		found_cnt++;
	}
	if (elf_file__symbols(elf, true, &table) == 0) {
		list_table(l, &table);
		found_cnt++;
	}
	return found_cnt ? 0 : -ENOENT;
}

static int begin(struct listing *l)
{
	l->code = code__open(l->fd);
	if (!l->code)
		return -errno;
	return strcmp(elf_file__machine(code__elf(l->code)), "x86-64") == 0 ? 0 : -ENOTSUP;
}

int site_list_all(int fd, site_list_tell tell, void *ctx)
{
	struct listing l = {.fd = fd, .tell = tell, .ctx = ctx};
	int err = begin(&l);

	err = err ?: list_tables(&l, code__elf(l.code));
	code__free(l.code);
	return err;
}

int site_list_named(int fd, const char *const *names, size_t cnt, site_list_tell tell, void *ctx)
{
	struct listing l = {.fd = fd, .tell = tell, .ctx = ctx};
	struct elf_function *functions = calloc(cnt, sizeof(*functions));
	int err = functions ? begin(&l) : -ENOMEM;

	if (err)
		goto cleanup;
	for (size_t i = 0; i < cnt; i++)
		functions[i].name = names[i];
	elf_file__find(code__elf(l.code), functions, cnt);
	for (size_t i = 0; i < cnt; i++)
		list_function(&l, names[i], functions[i].address, functions[i].size);
cleanup:
	free(functions);
	code__free(l.code);
	return err;
}

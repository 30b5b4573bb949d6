// SPDX-License-Identifier: Apache-2.0
/* Asks BTF and the symbol table. */
#include "user/capture/kernel.h"

#include <bpf/btf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int kernel_function_args(const char *name)
{
	struct btf *btf = btf__load_vmlinux_btf();
	const struct btf_type *type;
	int id, args = -1;

	if (!btf)
		return -1;
	id = btf__find_by_name_kind(btf, name, BTF_KIND_FUNC);
	if (id > 0) {
		type = btf__type_by_id(btf, btf__type_by_id(btf, (__u32)id)->type);
		args = btf_vlen(type);
	}
	btf__free(btf);
	return args;
}

/*
 * Until 5.12 (and its back-ports) the kernel freed the trampoline of a detached program although tasks
 * slept in the traced function and were to return through it. The function that waits for them is
 * what tells a kernel that does not.
 */
bool trampolines_unsafe(char *why, size_t why_sz)
{
	static const char symbol[] = " __bpf_tramp_image_put_rcu";
	FILE *file = fopen("/proc/kallsyms", "re");
	bool found = false, any = false;
	size_t cap = 0, len = sizeof(symbol) - 1;
	char *line = NULL;

	while (file && !found && getline(&line, &cap, file) > 0) {
		const char *name = strrchr(line, ' ');

		any = true;
		found = name && strncmp(name, symbol, len) == 0 && strchr("\n\t", name[len]);
	}
	free(line);
	if (file)
		fclose(file);
	if (!any)
		snprintf(why, why_sz,
			 "/proc/kallsyms does not say whether trampolines are safe here");
	else if (!found)
		snprintf(why, why_sz, "this kernel frees trampolines that are in use");
	return !found;
}

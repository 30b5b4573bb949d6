// SPDX-License-Identifier: Apache-2.0
/*
 * libFuzzer harness for what user/base/procfs and user/ident read of /proc and of process records.
 * The first byte of the input chooses the parser; what comes out must lie within what went in.
 */
#include <stdlib.h>

#include "tests/fuzz/check.h"
#include "user/base/process_context.h"
#include "user/base/procfs.h"
#include "user/ident/command.h"
#include "user/ident/container.h"
#include "user/ident/describe.h"
#include "user/ident/environ.h"
#include "user/ident/host.h"
#include "user/probe/mapping_events.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool within(struct slice part, struct slice whole)
{
	return part.n == 0 || (part.p >= whole.p && part.p + part.n <= whole.p + whole.n);
}

static void fuzz_stat(struct slice text)
{
	struct procfs_stat stat;

	if (procfs_parse_stat(text, &stat))
		CHECK(within(stat.comm, text));
}

static void fuzz_cgroup(struct slice text)
{
	struct container container;

	container_parse(text, &container);
	CHECK(within(container.id, text) && within(container.cgroup, text));
	CHECK(container.id.n == 0 || container.id.n >= 32);
	container = (struct container){.id = {0}};
	container_parse_path(text, &container);
	CHECK(within(container.id, text));
	CHECK(within(container_workload(text), text));
}

/* The path of the executable ends at the first NUL. */
static void fuzz_command(struct slice text)
{
	struct slice exe = SLICE(""), args = text;
	struct command command;

	procfs_next_string(&args, &exe);
	command_parse(exe, args, &command);
	CHECK(command.name.n <= text.n);
	CHECK(memchr(command.name.p, '\0', command.name.n) == NULL);
}

static void fuzz_environ(struct slice text)
{
	struct environ env;

	environ_parse(text, &env);
	CHECK(within(env.service_name, text) && within(env.resource_attributes, text));
	CHECK(within(env.hostname, text) && within(env.kubernetes_host, text));
}

/* The first byte is the limit. */
static void fuzz_baggage(struct slice text)
{
	size_t cap = text.n ? (unsigned char)text.p[0] : 0;
	char *buf = malloc(cap ? cap : 1);
	struct slice key, value;
	struct baggage baggage;

	CHECK(buf != NULL);
	baggage_init(&baggage, slice_after(text, 1), buf, cap);
	while (baggage_next(&baggage, &key, &value)) {
		CHECK(key.n > 0 && within(key, slice_of(buf, cap)));
		CHECK(within(value, slice_of(buf, cap)));
	}
	free(buf);
}

static void fuzz_release(struct slice text)
{
	CHECK(within(host_release_value(text, SLICE("NAME")), text));
}

static void check_mapped(void *ctx, const struct mapped_file *file)
{
	CHECK(within(file->path, *(const struct slice *)ctx));
	CHECK(file->pid && file->inode && file->start < file->limit);
}

static void fuzz_mapping_events(struct slice text)
{
	struct mapping_sink sink = {.mapped = check_mapped, .ctx = &text};

	mapping_events_parse(text, &sink);
}

static void fuzz_process_context(struct slice payload)
{
	struct attr rows[16];
	struct attrs all = {.v = rows, .cap = 16};

	process_context_decode(payload, &all, &all);
	for (uint16_t i = 0; i < all.cnt; i++) {
		CHECK(all.v[i].key.n && within(all.v[i].key, payload));
		CHECK(all.v[i].type != ATTR_STRING || within(all.v[i].str, payload));
	}
}

static void fuzz_record(struct slice text)
{
	static struct describer *describer;
	struct record_process *rec;
	struct process process;
	struct resource *r;

	if (!describer)
		describer = describer__new(&(struct ident_options){.proc_root = "/nonexistent"});
	CHECK(describer != NULL);
	rec = malloc(text.n ? text.n : 1); /* aligned, and of exact size */
	CHECK(rec != NULL);
	memcpy(rec, text.p, text.n);
	if (process_parse(rec, text.n, &process) == 0) {
		r = describer__process(describer, &process);
		CHECK(r != NULL && r->service_name.n > 0 && r->service_name.n <= 255);
		resource__release(r);
	}
	free(rec);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const parsers[])(struct slice) = {
		fuzz_stat,    fuzz_cgroup, fuzz_command,	fuzz_environ,	      fuzz_baggage,
		fuzz_release, fuzz_record, fuzz_mapping_events, fuzz_process_context,
	};

	if (size)
		parsers[data[0] % (sizeof(parsers) / sizeof(parsers[0]))](
			slice_of((const char *)data + 1, size - 1));
	return 0;
}

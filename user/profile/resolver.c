// SPDX-License-Identifier: Apache-2.0
/*
 * The processes that were sampled, most recently first out of a bounded table, with their mappings.
 * These are read at a process's first sample and again when an address is in none, less and less
 * often while that does not help. They stay when the process has ended: late samples still find them.
 */
#include "user/profile/resolver.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/base/account.h"
#include "user/base/clock.h"
#include "user/base/procfs.h"
#include "user/profile/jitdump.h"
#include "user/profile/kernel_symbols.h"
#include "user/profile/lines.h"
#include "user/profile/location_memo.h"
#include "user/profile/mappings.h"
#include "user/profile/perf_map.h"
#include "user/profile/python.h"
#include "user/profile/python_merge.h"
#include "user/profile/symbols.h"
#include "user/profile/thread_context.h"
#include "user/profile/unwinder.h"
#include "user/profile/v8.h"

#define PROCESSES_MAX 512
#define REREAD_FIRST_NS 100000000ull
#define REREAD_LAST_NS 10000000000ull
#define VDSO_MAX_SZ (1u << 20)

_Static_assert(2 * SAMPLE_STACK_MAX + PYTHON_FRAMES_MAX + 5 <= PROFILE_FRAMES_MAX,
	       "a stack and frames in brackets fit");

struct process {
	uint32_t pid, process_id;
	uint64_t start_ns;
	uint64_t used; /* 0: free; grows with each use */
	int dir_fd;    /* of /proc/PID; -1: it had ended */
	struct mappings mappings;
	struct jitdump jitdump;
	struct perf_map perf_map;
	struct python python;
	struct v8 v8;
	struct thread_context_search thread_context;
	uint64_t reread_ns, wait_ns; /* not before; and how long then */
	struct unwind_pages pages;   /* before the mappings were read, or known to be the same */
	bool told;		     /* the kernel's side has been, of its mappings */
	bool told_old;		     /* but they have been read again since */
};

struct resolver {
	const char *proc_root;
	struct debug_fetcher *fetcher; /* NULL: nothing is fetched */
	struct symbols *symbols;
	struct kernel_symbols *kernel;
	uint64_t uses;
	struct location_memo memo; /* of code in files that have names for it */
	struct unwinder *unwinder; /* NULL: stacks are by frame pointers */
	struct lines *lines;	   /* NULL: not wanted */
	uint32_t vdso;		   /* module */
	struct process processes[PROCESSES_MAX];
};

struct resolver *resolver__new(const char *proc_root, const struct unwind_sink *sink)
{
	struct resolver *r = calloc(1, sizeof(*r));

	if (!r) {
		errno = ENOMEM;
		return NULL;
	}
	r->proc_root = proc_root ?: "/proc";
	r->symbols = symbols__new();
	r->kernel = kernel_symbols__new(r->proc_root);
	r->unwinder = sink ? unwinder__new(sink) : NULL;
	if (r->symbols && r->kernel && (r->unwinder || !sink))
		return r;
	resolver__free(r);
	errno = ENOMEM;
	return NULL;
}

bool resolver__want_lines(struct resolver *r)
{
	if (!r->lines)
		r->lines = lines__new();
	if (r->lines)
		symbols__want_lines(r->symbols);
	return r->lines;
}

int resolver__fetch_from(struct resolver *r, const char *urls)
{
	r->fetcher = debug_fetcher__new(urls);
	symbols__fetch_by(r->symbols, r->fetcher);
	return r->fetcher ? 0 : -errno;
}

struct profile *resolver__add_lines(struct resolver *r, const struct profile *profile,
				    const struct line_bounds *bounds)
{
	symbols__await(r->symbols, bounds->fetch_ns);
	return r->lines ? lines__add(r->lines, r->symbols, profile, bounds) : NULL;
}

static void forget(struct resolver *r, struct process *process)
{
	if (process->told)
		unwinder__forget(r->unwinder, process->process_id);
	mappings__free(&process->mappings);
	jitdump__free(&process->jitdump);
	perf_map__free(&process->perf_map);
	if (r->unwinder && process->python.state == PYTHON_KNOWN)
		unwinder__tell_python(r->unwinder, process->process_id, NULL);
	python__free(&process->python);
	if (r->unwinder && process->v8.state == V8_KNOWN)
		unwinder__tell_v8(r->unwinder, process->process_id, NULL);
	v8__free(&process->v8);
	if (r->unwinder && process->thread_context.known)
		unwinder__tell_thread_context(r->unwinder, process->process_id, NULL);
	if (process->dir_fd >= 0)
		close(process->dir_fd);
	process->used = 0;
}

void resolver__free(struct resolver *r)
{
	if (!r)
		return;
	for (int i = 0; i < PROCESSES_MAX; i++)
		if (r->processes[i].used)
			forget(r, &r->processes[i]);
	unwinder__free(r->unwinder);
	symbols__free(r->symbols);
	debug_fetcher__free(r->fetcher);
	lines__free(r->lines);
	kernel_symbols__free(r->kernel);
	free(r);
}

/* --- processes -------------------------------------------------------------------------------- */

/* The number of KiB in "name  number kB"; 0: it is not that. */
static uint64_t kb_of(struct slice line, struct slice name)
{
	uint64_t kb;

	return slice_starts_with(line, name) && line.n > name.n + 3 &&
			       slice_to_u64(slice_trim(slice_first(slice_after(line, name.n),
								   line.n - name.n - 3)),
					    &kb)
		       ? kb
		       : 0;
}

/* As mm->exec_vm and mm->data_vm count them; 0: not known. */
static struct unwind_pages read_pages(const struct process *process)
{
	char text[4096];
	ssize_t n = procfs_read(process->dir_fd, "status", text, sizeof(text));
	struct slice rest = slice_of(text, n > 0 ? (size_t)n : 0), line;
	struct unwind_pages kb = {};

	while (procfs_next_line(&rest, &line)) {
		kb.exec += kb_of(line, SLICE("VmExe:")) + kb_of(line, SLICE("VmLib:"));
		kb.data += kb_of(line, SLICE("VmData:"));
	}
	return (struct unwind_pages){kb.exec / 4, kb.data / 4};
}

static void read_mappings(struct process *process, uint64_t now_ns)
{
	if (process->dir_fd < 0 || now_ns < process->reread_ns)
		return;
	process->pages = read_pages(process);
	process->told_old = process->told;
	mappings__read(&process->mappings, process->dir_fd);
	process->reread_ns = now_ns + process->wait_ns;
	process->wait_ns *= 2;
	if (process->wait_ns > REREAD_LAST_NS)
		process->wait_ns = REREAD_LAST_NS;
}

/*
 * The kernel's side found that the process has mapped something else since. What is executable has then changed for certain;
 * where only its data have, as they do all the time, that is looked at no more often than an unknown address.
 */
static void reread_mappings(struct process *process)
{
	struct unwind_pages pages = read_pages(process);

	if (pages.exec != process->pages.exec)
		process->reread_ns = 0;
	process->pages = pages;
	read_mappings(process, clock_mono_ns());
}

static struct process *find_process(struct resolver *r, const struct record_sample *sample)
{
	struct process *place = &r->processes[0];

	for (int i = 0; i < PROCESSES_MAX; i++) {
		struct process *process = &r->processes[i];

		if (process->used && process->pid == sample->pid &&
		    process->start_ns == sample->start_ns &&
		    process->process_id == sample->process_id) {
			process->used = ++r->uses;
			return process;
		}
		if (process->used < place->used)
			place = process;
	}
	if (place->used)
		forget(r, place);
	*place = (struct process){
		.pid = sample->pid,
		.process_id = sample->process_id,
		.start_ns = sample->start_ns,
		.used = ++r->uses,
		.dir_fd = procfs_open_same(r->proc_root, sample->pid, sample->start_ns),
		.wait_ns = REREAD_FIRST_NS,
	};
	mappings__init(&place->mappings);
	jitdump__init(&place->jitdump);
	perf_map__init(&place->perf_map);
	python__init(&place->python);
	v8__init(&place->v8);
	read_mappings(place, clock_mono_ns());
	return place;
}

/* It was worth a look, and the next may be at any time. */
static void found_mapping(struct process *process)
{
	process->reread_ns = 0;
	process->wait_ns = REREAD_FIRST_NS;
}

/* The mapping that holds an address, or NULL. */
static struct mapping *find_mapping(struct process *process, uint64_t address)
{
	struct mapping *mapping = mappings__find(&process->mappings, address);

	if (mapping)
		return mapping;
	read_mappings(process, clock_mono_ns());
	mapping = mappings__find(&process->mappings, address);
	if (mapping)
		found_mapping(process);
	return mapping;
}

/* --- the files behind mappings ---------------------------------------------------------------- */

/* What the kernel adds to the path of a file that has no name any more. */
static struct slice plain_path(struct slice path)
{
	static const struct slice deleted = SLICE(" (deleted)");

	if (path.n > deleted.n && slice_eq(slice_after(path, path.n - deleted.n), deleted))
		path.n -= deleted.n;
	return path;
}

/* By the mapping itself, which leads to deleted files too; where that is not allowed, by its path. */
static int open_mapped(const struct process *process, const struct mapping *mapping)
{
	char path[4096];
	struct stat st;
	int fd, file_fd;

	snprintf(path, sizeof(path), "map_files/%" PRIx64 "-%" PRIx64, mapping->start,
		 mapping->limit);
	fd = openat(process->dir_fd, path, O_PATH | O_CLOEXEC);
	if (fd >= 0) {
		file_fd = procfs_reopen(fd);
		close(fd);
		if (file_fd >= 0)
			return file_fd;
	}
	snprintf(path, sizeof(path), "%.*s", (int)mapping->path.n, mapping->path.p);
	fd = procfs_open_in_root(process->dir_fd, path);
	if (fd >= 0 && (fstat(fd, &st) || st.st_ino != mapping->inode)) {
		close(fd);
		return -ESTALE;
	}
	return fd;
}

/* The vDSO is in no file: every process has a copy of the one that we have too. */
static int open_vdso(void)
{
	uint64_t at = getauxval(AT_SYSINFO_EHDR);
	int dir_fd = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC), fd = -1;
	const struct mapping *mapping;
	struct mappings own;
	ssize_t sz;

	mappings__init(&own);
	if (at && dir_fd >= 0 && mappings__read(&own, dir_fd) == 0) {
		mapping = mappings__find(&own, at);
		sz = mapping ? (ssize_t)(mapping->limit - mapping->start) : 0;
		fd = sz > 0 && sz <= VDSO_MAX_SZ ? memfd_create("vdso", MFD_CLOEXEC) : -1;
		if (fd >= 0 && write(fd, (const void *)(uintptr_t)at, (size_t)sz) != sz) {
			close(fd);
			fd = -1;
		}
	}
	mappings__free(&own);
	if (dir_fd >= 0)
		close(dir_fd);
	return fd;
}

static uint32_t vdso_module(struct resolver *r)
{
	ssize_t module;
	int fd;

	if (symbols__has(r->symbols, r->vdso))
		return r->vdso;
	fd = open_vdso();
	module = fd < 0 ? fd : symbols__open(r->symbols, fd, -1, SLICE(""));
	r->vdso = module > 0 ? (uint32_t)module : 0;
	return r->vdso;
}

/* 0: there is no file, or none with code. */
static uint32_t module_of(struct resolver *r, const struct process *process,
			  struct mapping *mapping)
{
	ssize_t module;
	int fd;

	if (slice_eq(mapping->path, SLICE("[vdso]")))
		return vdso_module(r);
	if (!mapping->inode ||
	    (mapping->tried && (!mapping->module || symbols__has(r->symbols, mapping->module))))
		return mapping->module;
	mapping->tried = true;
	fd = open_mapped(process, mapping);
	module = fd < 0 ? fd
			: symbols__open(r->symbols, fd, process->dir_fd, plain_path(mapping->path));
	mapping->module = module > 0 ? (uint32_t)module : 0;
	return mapping->module;
}

/* --- locations -------------------------------------------------------------------------------- */

static uint32_t function_named(struct profile *profile, struct function_name name)
{
	struct profile_function function = {
		.name = profile__string(profile, name.name),
		.system_name = profile__string(profile, name.system_name),
	};

	return name.name.n ? profile__function(profile, &function) : 0;
}

/* What is no frame, but says something of the stack. */
static uint32_t word_location(struct profile *profile, enum frame_type type, const char *word)
{
	return profile__location(profile,
				 &(struct profile_location){
					 .function = function_named(profile,
								    (struct function_name){
									    .name = slice_str(word),
								    }),
					 .type = type,
				 });
}

/* at: where to look, which for a return address is the call before it. */
static uint32_t kernel_location(struct resolver *r, struct profile *profile, uint64_t address,
				uint64_t at)
{
	struct slice name = kernel_symbols__find(r->kernel, at);
	struct profile_mapping mapping = {
		.limit = UINT64_MAX,
		.file = profile__string(profile, SLICE("[kernel]")),
		.build_id = profile__string(profile, kernel_symbols__build_id(r->kernel)),
	};

	return profile__location(
		profile,
		&(struct profile_location){
			.address = address,
			.mapping = profile__mapping(profile, &mapping),
			.function = function_named(profile, (struct function_name){.name = name}),
			.type = FRAME_KERNEL,
		});
}

/* Code in a file, in the addresses that the file itself has, which all its processes share. */
static uint32_t file_location(struct resolver *r, struct profile *profile,
			      const struct mapping *mapping, uint32_t module,
			      const struct elf_segment *segment, uint64_t address, uint64_t at)
{
	uint64_t bias = segment->address - segment->file_off + mapping->file_off - mapping->start;
	struct profile_mapping in = {
		.start = segment->address,
		.limit = segment->address + segment->size,
		.file_off = segment->file_off,
		.file = profile__string(profile, plain_path(mapping->path)),
		.build_id = profile__string(profile, symbols__build_id(r->symbols, module)),
	};
	bool has_lines = symbols__lines_fd(r->symbols, module) >= 0 ||
			 symbols__lines_awaited(r->symbols, module);

	return profile__location(
		profile, &(struct profile_location){
				 .address = address + bias,
				 .mapping = profile__mapping(profile, &in),
				 .function = function_named(
					 profile, symbols__find(r->symbols, module, at + bias)),
				 .type = FRAME_NATIVE,
				 .module = has_lines ? module : 0,
				 .returns = has_lines && at != address,
			 });
}

static void find_jitdump(struct process *process)
{
	const struct mappings *m = &process->mappings;

	for (uint32_t i = 0; i < m->cnt; i++) {
		int fd = jitdump_is_named(plain_path(m->v[i].path)) ? open_mapped(process, &m->v[i])
								    : -1;

		if (fd >= 0)
			jitdump__open(&process->jitdump, fd, process->dir_fd);
	}
}

/* What its compiler tells of the code at that address. */
static struct jit_function jit_function_at(struct process *process, uint64_t address)
{
	uint64_t now_ns = clock_mono_ns();
	struct jit_function function;

	if (jitdump__wants_file(&process->jitdump, now_ns))
		find_jitdump(process);
	function = jitdump__find(&process->jitdump, address, now_ns);
	if (!function.name.n)
		function.name = perf_map__find(&process->perf_map, process->dir_fd, address);
	return function;
}

/* Code that is in no file, or in none that can be read. */
static uint32_t memory_location(struct profile *profile, struct process *process,
				const struct mapping *mapping, uint64_t address, uint64_t at)
{
	struct jit_function jitted = jit_function_at(process, at);
	struct profile_function function = {
		.name = profile__string(profile, jitted.name),
		.file = profile__string(profile, jitted.file),
	};
	struct profile_mapping in = {
		.start = mapping->start,
		.limit = mapping->limit,
		.file_off = mapping->file_off,
		.file = profile__string(profile, mapping->path.n ? plain_path(mapping->path)
								 : SLICE("[anonymous]")),
	};

	return profile__location(
		profile,
		&(struct profile_location){
			.address = address,
			.mapping = profile__mapping(profile, &in),
			.function = jitted.name.n ? profile__function(profile, &function) : 0,
			.line = jitted.line,
			.type = jitted.name.n ? FRAME_JIT : FRAME_NATIVE,
		});
}

/*
 * A file that runs Python, or JavaScript, is the first sign that the process does. Returns whether there is nothing more to
 * find out by this file.
 */
static bool meet_runtime(struct resolver *r, struct process *process, const struct mapping *mapping,
			 uint32_t module, const struct elf_segment *segment)
{
	const struct python_symbols *python = symbols__python(r->symbols, module);
	const struct v8_symbols *v8 = symbols__v8(r->symbols, module);
	uint64_t load = mapping->start - mapping->file_off + segment->file_off - segment->address;

	if (!r->unwinder)
		return true;
	if (python && python__meet(&process->python, process->dir_fd, python, load))
		unwinder__tell_python(r->unwinder, process->process_id, &process->python.layout);
	if (v8 && v8__meet(&process->v8, process->dir_fd, v8, load))
		unwinder__tell_v8(r->unwinder, process->process_id, &process->v8.layout);
	return (!python || process->python.state == PYTHON_KNOWN) &&
	       (!v8 || process->v8.state == V8_KNOWN);
}

static uint32_t user_location(struct resolver *r, struct profile *profile, struct process *process,
			      struct mapping *mapping, uint64_t address, uint64_t at)
{
	const struct location_key key = {
		.profile = profile->number,
		.mappings = process->mappings.number,
		.address = address,
		.returns = at != address,
	};
	uint32_t location = location_memo__find(&r->memo, &key), module;
	const struct elf_segment *segment;
	bool met;

	if (location)
		return location;
	module = module_of(r, process, mapping);
	segment = symbols__segment(r->symbols, module, at - mapping->start + mapping->file_off);
	if (!segment)
		return memory_location(profile, process, mapping, address, at);
	met = meet_runtime(r, process, mapping, module, segment);
	location = file_location(r, profile, mapping, module, segment, address, at);
	if (met && profile->locations.v[location].function)
		location_memo__put(&r->memo, &key, location);
	return location;
}

/* --- stacks ----------------------------------------------------------------------------------- */

struct stack {
	uint32_t locations[PROFILE_FRAMES_MAX];
	uint32_t cnt;
	bool failed;
};

static void push(struct stack *stack, uint32_t location)
{
	stack->failed |= !location;
	stack->locations[stack->cnt++] = location;
}

static void push_error(struct stack *stack, struct profile *profile, enum account_entry entry,
		       const char *why)
{
	account_add(entry, 1);
	push(stack, word_location(profile, FRAME_ERROR, why));
}

/* What is said of a stack that is not whole. */
static const struct {
	enum account_entry entry;
	const char *frame;
} ends[] = {
	[UNWIND_DEEP] = {ACCOUNT_STACKS_DEEP, "[too deep]"},
	[UNWIND_NEW] = {ACCOUNT_STACKS_NEW, "[not yet known]"},
	[UNWIND_STALE] = {ACCOUNT_STACKS_NEW, "[not yet known]"},
	[UNWIND_NO_TABLE] = {ACCOUNT_STACKS_NEW, "[not yet known]"},
	[UNWIND_NOT_CODE] = {ACCOUNT_STACKS_UNMAPPED, "[unknown caller]"},
	[UNWIND_NO_ROW] = {ACCOUNT_STACKS_NO_TABLE, "[no unwind table]"},
	[UNWIND_UNSUPPORTED] = {ACCOUNT_STACKS_UNSUPPORTED, "[unsupported unwind rule]"},
	[UNWIND_NO_REGISTER] = {ACCOUNT_STACKS_UNSUPPORTED, "[unsupported unwind rule]"},
	[UNWIND_UNREADABLE] = {ACCOUNT_STACKS_UNREADABLE, "[unreadable stack]"},
	[UNWIND_STUCK] = {ACCOUNT_STACKS_UNREADABLE, "[unreadable stack]"},
	[UNWIND_NO_FRAME] = {ACCOUNT_STACKS_NO_FRAME, "[no frame pointer]"},
	[UNWIND_SHORT_COPY] = {ACCOUNT_STACKS_NEW, "[not yet known]"},
	[UNWIND_RAN] = {ACCOUNT_STACKS_RAN, "[ran meanwhile]"},
};

/* What a thread waits for. */
static const char *const waits[OFF_CPUS_CNT] = {
	[OFF_CPU_RUN_QUEUE] = "[run queue]", [OFF_CPU_LOCK] = "[lock]",
	[OFF_CPU_DISK] = "[disk]",	     [OFF_CPU_NETWORK] = "[network]",
	[OFF_CPU_POLL] = "[poll]",	     [OFF_CPU_PAGE_FAULT] = "[page fault]",
	[OFF_CPU_SLEEP] = "[sleep]",	     [OFF_CPU_STOPPED] = "[stopped]",
	[OFF_CPU_OTHER] = "[other wait]",
};

static void push_end(struct stack *stack, struct profile *profile, uint16_t end)
{
	if (end == UNWIND_ROOT)
		account_add(ACCOUNT_STACKS_WHOLE, 1);
	else if (end < sizeof(ends) / sizeof(ends[0]) && ends[end].frame)
		push_error(stack, profile, ends[end].entry, ends[end].frame);
}

/* -ESRCH: the process has ended. */
static int open_for_unwinder(void *ctx, const struct mapping *mapping)
{
	const struct process *process = ctx;
	char byte;
	int fd;

	if (slice_eq(mapping->path, SLICE("[vdso]")))
		return open_vdso();
	fd = mapping->inode ? open_mapped(process, mapping) : -ENOENT;
	return fd < 0 && procfs_read(process->dir_fd, "stat", &byte, 1) <= 0 ? -ESRCH : fd;
}

static const struct python_frame *python_frames_of(const struct record_sample *s)
{
	return (const void *)((const uint64_t *)(s + 1) + s->kernel_cnt + s->user_cnt);
}

static const struct v8_frame *v8_frames_of(const struct record_sample *s)
{
	return (const void *)(python_frames_of(s) + s->python_cnt);
}

static void tell_mappings(struct resolver *r, struct process *process)
{
	if (process->dir_fd < 0)
		return;
	unwinder__tell(r->unwinder, process->process_id, &process->mappings, &process->pages);
	process->told = true;
	process->told_old = false;
}

/*
 * Goes on where the kernel's side knew too little, with the copy of the stack that it has sent, and lets it
 * know what it lacked. Writes to addresses and cnt if that leads farther. Returns how the stack ends.
 */
static uint16_t unwind_copy(struct resolver *r, const struct record_sample *s,
			    struct process *process, uint64_t *addresses, uint16_t *cnt)
{
	const struct sample_copy *copy = (const void *)(v8_frames_of(s) + s->v8_cnt);
	uint64_t walked[SAMPLE_STACK_MAX];
	uint16_t walked_cnt, end;

	if (s->user_end == UNWIND_STALE)
		reread_mappings(process);
	end = (uint16_t)unwinder__walk(r->unwinder, &process->mappings, copy, walked, &walked_cnt,
				       open_for_unwinder, process);
	tell_mappings(r, process);
	if (s->user_end == UNWIND_STALE && end != UNWIND_NOT_CODE)
		found_mapping(process);
	if (walked_cnt < *cnt)
		return s->user_end;
	account_add(ACCOUNT_STACKS_COPIED, 1);
	memcpy(addresses, walked, walked_cnt * sizeof(*walked));
	*cnt = walked_cnt;
	return end;
}

/* --- Python ----------------------------------------------------------------------------------- */

/* The interpreter's loop, of which compilers make several parts. */
static bool is_python_loop(const struct profile *profile, uint32_t location)
{
	static const struct slice loop = SLICE(PYTHON_LOOP);
	uint32_t function = profile->locations.v[location].function;
	struct slice name = profile->strings.v[profile->functions.v[function].name];

	return slice_starts_with(name, loop) && (name.n == loop.n || name.p[loop.n] == '.');
}

/* 0: a frame that no source has. */
static uint32_t python_location(struct profile *profile, struct process *process,
				const struct python_frame *frame, uint64_t now_ns)
{
	const struct python_code *code =
		frame->code ? python__code(&process->python, frame->code, now_ns) : NULL;
	struct profile_function function;

	if (!frame->code || (code && code->is_shim))
		return 0;
	if (!code) {
		account_add(ACCOUNT_PYTHON_UNNAMED, 1);
		return word_location(profile, FRAME_ERROR, "[python: unreadable]");
	}
	function = (struct profile_function){
		.name = profile__string(profile, code->name),
		.file = profile__string(profile, code->file),
	};
	return profile__location(
		profile, &(struct profile_location){
				 .function = profile__function(profile, &function),
				 .line = python_code_line(&process->python.code, code, frame->at),
				 .type = FRAME_CPYTHON,
			 });
}

/* Why a stack in which the loop is has no Python frames. */
static void count_without(const struct process *process, const struct record_sample *s)
{
	if (s->python_end == PYTHON_SEVERAL)
		account_add(ACCOUNT_PYTHON_SEVERAL, 1);
	else if (s->python_end != PYTHON_UNKNOWN)
		account_add(ACCOUNT_PYTHON_UNREAD, 1);
	else if (process->python.state == PYTHON_FOREIGN)
		account_add(ACCOUNT_PYTHON_FOREIGN, 1);
	else
		account_add(ACCOUNT_PYTHON_NEW, 1);
}

static void read_python(struct profile *profile, struct process *process,
			const struct record_sample *s, struct merge_frames *python)
{
	const struct python_frame *frames = python_frames_of(s);
	uint64_t now_ns = clock_mono_ns();

	python->whole = s->python_end == PYTHON_WHOLE;
	for (python->cnt = 0; python->cnt < s->python_cnt; python->cnt++) {
		const struct python_frame *frame = &frames[python->cnt];

		python->v[python->cnt] = python_location(profile, process, frame, now_ns);
		python->mark[python->cnt] = frame->flags & PYTHON_LAST;
	}
}

/* Pushes both, if there are Python frames that have a place. */
static bool push_python(struct profile *profile, struct process *process,
			const struct record_sample *s, const struct merge_frames *native,
			struct stack *stack)
{
	struct merge_frames python;
	enum merge_result result;
	uint32_t loops = 0, added;

	for (uint32_t i = 0; i < native->cnt; i++)
		loops += native->mark[i];
	if (!s->python_cnt && loops && !s->off_cpu)
		count_without(process, s);
	if (!s->python_cnt)
		return false;
	read_python(profile, process, s, &python);
	result = python_merge(native, &python,
			      word_location(profile, FRAME_ERROR, "[C calls not known]"),
			      stack->locations + stack->cnt, &added);
	stack->cnt += added;
	account_add(result == MERGE_IN_PLACE ? ACCOUNT_PYTHON_PLACED
		    : result == MERGE_APART  ? ACCOUNT_PYTHON_APART
					     : ACCOUNT_PYTHON_UNMATCHED,
		    1);
	if (result == MERGE_NOT || python.whole)
		return true;
	push_error(stack, profile,
		   s->python_end == PYTHON_DEEP ? ACCOUNT_PYTHON_DEEP : ACCOUNT_PYTHON_TORN,
		   s->python_end == PYTHON_DEEP ? "[python: too deep]" : "[python: cut]");
	return true;
}

/* --- JavaScript ------------------------------------------------------------------------------- */

static struct slice name_at(const struct profile *profile, uint32_t location)
{
	uint32_t function = profile->locations.v[location].function;

	return profile->strings.v[profile->functions.v[function].name];
}

/* V8's own code that runs one bytecode of a function, in that function's frame. */
static bool is_v8_handler(struct slice name)
{
	static const struct slice end = SLICE("Handler");

	return slice_starts_with(name, SLICE("Builtins_")) && name.n > end.n &&
	       slice_eq(slice_after(name, name.n - end.n), end);
}

/*
 * Is the native frame the function's own? Else it is code that has made no frame, which the function has called. What has
 * called something has made its frame before.
 */
static bool is_own_frame(struct process *process, const struct profile *profile, uint32_t location,
			 uint64_t address)
{
	const struct mapping *mapping = mappings__find(&process->mappings, address & ~SAMPLE_EXACT);

	if (!(address & SAMPLE_EXACT))
		return true;
	if (mapping && mapping->inode)
		return is_v8_handler(name_at(profile, location));
	if (v8__has_frame(&process->v8, address & ~SAMPLE_EXACT))
		return true;
	account_add(ACCOUNT_V8_LEAF, 1);
	return false;
}

/* 0: it is V8's own, and stays the native frame that it is. */
static uint32_t v8_location(struct profile *profile, struct process *process,
			    const struct v8_frame *frame, uint64_t now_ns)
{
	const struct v8_function *function = v8__function(&process->v8, frame, now_ns);
	struct profile_function named;

	if (!function) {
		account_add(frame->shared ? ACCOUNT_V8_MOVED : ACCOUNT_V8_UNREADABLE, 1);
		return word_location(profile, FRAME_ERROR, "[v8: unreadable]");
	}
	if (!function->key.script)
		return 0;
	named = (struct profile_function){
		.name = profile__string(profile, function->name),
		.file = profile__string(profile, function->file),
	};
	return profile__location(profile, &(struct profile_location){
						  .function = profile__function(profile, &named),
						  .line = function->line,
						  .type = FRAME_V8JS,
					  });
}

/* Why a stack in which V8 runs JavaScript has none. */
static void count_v8_without(const struct process *process, const struct profile *profile,
			     const struct merge_frames *native)
{
	for (uint32_t i = native->cnt; i-- > 0;)
		if (slice_eq(name_at(profile, native->v[i]), SLICE("Builtins_JSEntryTrampoline"))) {
			account_add(process->v8.state == V8_FOREIGN ? ACCOUNT_V8_FOREIGN_STACKS
								    : ACCOUNT_V8_NEW,
				    1);
			return;
		}
}

/* Pushes both, if there are any of JavaScript. */
static bool push_v8(struct profile *profile, struct process *process, const struct record_sample *s,
		    const struct merge_frames *native, struct stack *stack)
{
	const uint64_t *addresses = (const uint64_t *)(s + 1) + s->kernel_cnt;
	const struct v8_frame *frames = v8_frames_of(s);
	uint64_t now_ns = clock_mono_ns();
	uint32_t at = 0, named = 0;

	if (!s->v8_cnt) {
		if (!(s->head.flags & SAMPLE_V8) && !s->off_cpu)
			count_v8_without(process, profile, native);
		return false;
	}
	for (uint32_t i = 0; i < native->cnt; i++) {
		bool runs = at < s->v8_cnt && frames[at].frame == i && i < s->user_cnt;
		uint32_t location = runs ? v8_location(profile, process, &frames[at++], now_ns) : 0;

		named += location != 0;
		if (!location || !is_own_frame(process, profile, native->v[i], addresses[i]))
			push(stack, native->v[i]);
		if (location)
			push(stack, location);
	}
	account_add(ACCOUNT_V8_STACKS, named != 0);
	return true;
}

/* --- both ------------------------------------------------------------------------------------- */

/* Writes the process's native frames; returns how the stack ends. */
static uint16_t read_native(struct resolver *r, struct profile *profile, struct process *process,
			    const struct record_sample *s, struct merge_frames *native)
{
	uint64_t addresses[SAMPLE_STACK_MAX];
	uint16_t cnt = s->user_cnt, end = s->user_end;

	memcpy(addresses, (const uint64_t *)(s + 1) + s->kernel_cnt, cnt * sizeof(*addresses));
	if (s->head.flags & SAMPLE_COPIED && r->unwinder)
		end = unwind_copy(r, s, process, addresses, &cnt);
	native->cnt = 0;
	for (uint16_t i = 0; i < cnt; i++) {
		uint64_t address = addresses[i] & ~SAMPLE_EXACT;
		uint64_t at = address - (i > 0 && address == addresses[i]);
		struct mapping *mapping = find_mapping(process, at);
		uint32_t location;

		if (!mapping)
			return UNWIND_NOT_CODE;
		if (r->unwinder)
			unwinder__touch(r->unwinder, mapping);
		location = user_location(r, profile, process, mapping, address, at);
		native->v[native->cnt] = location;
		native->mark[native->cnt++] = is_python_loop(profile, location);
	}
	return end == UNWIND_BY_KERNEL && cnt == SAMPLE_STACK_MAX ? UNWIND_DEEP : end;
}

static int open_of(void *process, const struct mapping *mapping)
{
	return open_mapped(process, mapping);
}

static void find_thread_context(struct resolver *r, struct process *process)
{
	struct thread_context_place place;

	if (r->unwinder &&
	    thread_context__find(&process->thread_context, process->dir_fd, &process->mappings,
				 open_of, process, clock_mono_ns(), &place))
		unwinder__tell_thread_context(r->unwinder, process->process_id, &place);
}

static void push_user(struct resolver *r, struct profile *profile, const struct record_sample *s,
		      struct stack *stack)
{
	struct process *process = find_process(r, s);
	struct merge_frames native;
	uint16_t end;

	if (!process->mappings.cnt) {
		push_error(stack, profile, ACCOUNT_STACKS_ENDED, "[process ended]");
		return;
	}
	find_thread_context(r, process);
	end = read_native(r, profile, process, s, &native);
	if (process->told_old)
		tell_mappings(r, process);
	native.whole = end == UNWIND_ROOT;
	if (!push_v8(profile, process, s, &native, stack) &&
	    !push_python(profile, process, s, &native, stack))
		for (uint32_t i = 0; i < native.cnt; i++)
			push(stack, native.v[i]);
	push_end(stack, profile, end);
}

uint32_t resolver__stack(struct resolver *r, struct profile *profile,
			 const struct record_sample *sample)
{
	const uint64_t *addresses = (const uint64_t *)(sample + 1);
	struct stack stack = {.cnt = 0};

	if (sample->off_cpu)
		push(&stack, word_location(profile, FRAME_WAIT, waits[sample->off_cpu]));
	for (uint16_t i = 0; i < sample->kernel_cnt; i++)
		push(&stack, kernel_location(r, profile, addresses[i], addresses[i] - (i > 0)));
	if (sample->user_cnt)
		push_user(r, profile, sample, &stack);
	else
		push_end(&stack, profile, sample->user_end);
	if (!stack.cnt)
		push(&stack, word_location(profile, FRAME_ERROR, "[no stack]"));
	return stack.failed ? 0 : profile__stack(profile, stack.locations, stack.cnt);
}

void resolver__flush(struct resolver *r)
{
	if (r->unwinder)
		unwinder__flush(r->unwinder);
}

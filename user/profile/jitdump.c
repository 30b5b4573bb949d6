// SPDX-License-Identifier: Apache-2.0
/* Records are only ever appended: each look goes on where the last one ended, and leaves out the code. */
#include "user/profile/jitdump.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC 0x4A695444u /* in this machine's byte order */
#define FUNCTIONS_MAX (1u << 18)
#define NAMES_MAX_SZ (32u * 1024 * 1024)
#define NAME_MAX_SZ 1024
#define LOOK_EVERY_NS 100000000ull
#define FIND_EVERY_NS 1000000000ull
#define WORK_AT_ONCE 20000 /* of one look, in records; the next goes on */
#define MOVE_WORK(names_cnt) (1 + (names_cnt) / 16)

enum {
	CODE_LOAD = 0,
	CODE_MOVE = 1,
	CODE_DEBUG_INFO = 2,
};

struct jit_place {
	struct slice file;
	uint32_t line;
};

/* As they are in the file. */
struct file_head {
	uint32_t magic, version, total_size, elf_mach, pad, pid;
	uint64_t timestamp, flags;
};

struct record_head {
	uint32_t id, total_size; /* with this */
	uint64_t timestamp;
};

struct code_load {
	uint32_t pid, tid;
	uint64_t vma, address, size, index; /* a name follows */
};

struct code_move {
	uint32_t pid, tid;
	uint64_t vma, from, to, size, index;
};

struct debug_info {
	uint64_t code, entries_cnt;
	/* The first entry. */
	uint64_t address;
	uint32_t line, discriminator; /* a path follows */
};

/* The beginning of a record. */
struct beginning {
	struct record_head head;
	union {
		char bytes[sizeof(struct code_move) + NAME_MAX_SZ];
		struct code_load load;
		struct code_move move;
		struct debug_info debug_info;
	};
};

void jitdump__init(struct jitdump *dump)
{
	*dump = (struct jitdump){.fd = -1};
	name_ranges__init(&dump->names, FUNCTIONS_MAX, NAMES_MAX_SZ);
}

void jitdump__free(struct jitdump *dump)
{
	name_ranges__free(&dump->names);
	free(dump->places);
	if (dump->fd >= 0)
		close(dump->fd);
}

/* --- the file --------------------------------------------------------------------------------- */

bool jitdump_is_named(struct slice path)
{
	static const struct slice end = SLICE(".dump");
	const char *slash = path.n ? memrchr(path.p, '/', path.n) : NULL;
	struct slice name = slash ? slice_after(path, (size_t)(slash + 1 - path.p)) : path;

	return slice_starts_with(name, SLICE("jit-")) && name.n > end.n &&
	       slice_eq(slice_after(name, name.n - end.n), end);
}

bool jitdump__wants_file(struct jitdump *dump, uint64_t now_ns)
{
	if (dump->fd >= 0 || (dump->looked_ns && now_ns - dump->looked_ns < FIND_EVERY_NS))
		return false;
	dump->looked_ns = now_ns;
	return true;
}

static bool is_believed(int fd, int proc_dir_fd)
{
	struct stat file, process;

	return fstat(fd, &file) == 0 && fstat(proc_dir_fd, &process) == 0 &&
	       S_ISREG(file.st_mode) && (file.st_uid == process.st_uid || file.st_uid == 0);
}

void jitdump__open(struct jitdump *dump, int fd, int proc_dir_fd)
{
	struct file_head head;

	if (dump->fd >= 0 || !is_believed(fd, proc_dir_fd) ||
	    pread(fd, &head, sizeof(head), 0) != sizeof(head) || head.magic != MAGIC ||
	    head.total_size < sizeof(head)) {
		close(fd);
		return;
	}
	dump->fd = fd;
	dump->read_to = head.total_size;
	dump->looked_ns = 0;
}

/* --- records ---------------------------------------------------------------------------------- */

/* What is before the first NUL of n bytes at p; all of them if there is none. */
static struct slice text_in(const char *p, size_t n)
{
	return slice_of(p, strnlen(p, n));
}

static void add_name(struct jitdump *dump, uint64_t address, uint64_t size, struct slice name,
		     uint32_t place)
{
	struct name_range *range =
		size && name.n ? name_ranges__add(&dump->names, address, size, name) : NULL;

	if (range)
		range->note = place;
}

/* n: of the bytes behind the record's head that are there. */
static void take_load(struct jitdump *dump, const struct beginning *b, size_t n)
{
	const struct code_load *load = &b->load;

	if (n > sizeof(*load))
		add_name(dump, load->address, load->size,
			 text_in((const char *)(load + 1), n - sizeof(*load)),
			 dump->place_of == load->address ? dump->place : 0);
	dump->place = 0;
}

/* What is where the code was is its own until something else is said to be there. */
static void take_move(struct jitdump *dump, const struct beginning *b, size_t n)
{
	const struct code_move *move = &b->move;
	const struct name_range *range;

	if (n < sizeof(*move))
		return;
	name_ranges__sort(&dump->names);
	range = name_ranges__find(&dump->names, move->from);
	if (range && range->start == move->from)
		add_name(dump, move->to, move->size, range->name, range->note);
}

static bool grow_places(struct jitdump *dump)
{
	uint32_t cap = dump->places_cap ? dump->places_cap * 2 : 64;
	struct jit_place *grown;

	if (dump->places_cnt < dump->places_cap)
		return true;
	if (cap > FUNCTIONS_MAX)
		return false;
	grown = reallocarray(dump->places, cap, sizeof(*grown));
	if (!grown)
		return false;
	dump->places = grown;
	dump->places_cap = cap;
	return true;
}

/* Comes before the code that it is about. Of that only where it begins is told: compilers disagree on what an entry's address is. */
static void take_debug_info(struct jitdump *dump, const struct beginning *b, size_t n)
{
	const struct debug_info *info = &b->debug_info;
	struct slice file;
	bool failed = false;

	if (n <= sizeof(*info) || !info->entries_cnt || !grow_places(dump))
		return;
	file = text_in((const char *)(info + 1), n - sizeof(*info));
	if (dump->places_cnt && slice_eq(dump->places[dump->places_cnt - 1].file, file))
		file = dump->places[dump->places_cnt - 1].file;
	else
		file = arena__copy(&dump->names.names, file, &failed);
	if (failed)
		return;
	dump->places[dump->places_cnt++] = (struct jit_place){.file = file, .line = info->line};
	dump->place = dump->places_cnt;
	dump->place_of = info->code;
}

/* Takes the record that is next. Returns how much work it was; 0: there is none yet, or what is there is none. */
static uint32_t take_record(struct jitdump *dump, uint64_t file_size)
{
	uint32_t work = 1;
	struct beginning b;
	ssize_t got = dump->read_to < file_size
			      ? pread(dump->fd, &b, sizeof(b), (off_t)dump->read_to)
			      : 0;
	size_t n;

	if (got < (ssize_t)sizeof(b.head))
		return 0;
	if (b.head.total_size < sizeof(b.head)) {
		dump->read_to = UINT64_MAX;
		return 0;
	}
	if (b.head.total_size > file_size - dump->read_to)
		return 0;
	n = ((size_t)got < b.head.total_size ? (size_t)got : b.head.total_size) - sizeof(b.head);
	if (b.head.id == CODE_LOAD)
		take_load(dump, &b, n);
	else if (b.head.id == CODE_DEBUG_INFO)
		take_debug_info(dump, &b, n);
	if (b.head.id == CODE_MOVE) {
		work = MOVE_WORK(dump->names.cnt);
		take_move(dump, &b, n);
	}
	dump->read_to += b.head.total_size;
	return work;
}

static void look(struct jitdump *dump)
{
	uint32_t work, done = 0;
	struct stat file;

	if (fstat(dump->fd, &file) || file.st_size < 0)
		return;
	do {
		work = take_record(dump, (uint64_t)file.st_size);
		done += work;
	} while (work && done < WORK_AT_ONCE);
	if (done)
		name_ranges__sort(&dump->names);
	if (work) /* there is more */
		dump->looked_ns = 0;
}

struct jit_function jitdump__find(struct jitdump *dump, uint64_t address, uint64_t now_ns)
{
	const struct name_range *range;
	struct jit_function function = {0};

	if (dump->fd < 0)
		return function;
	if (!dump->looked_ns || now_ns - dump->looked_ns >= LOOK_EVERY_NS) {
		dump->looked_ns = now_ns;
		look(dump);
	}
	range = name_ranges__find(&dump->names, address);
	if (!range)
		return function;
	function.name = range->name;
	if (range->note) {
		function.file = dump->places[range->note - 1].file;
		function.line = dump->places[range->note - 1].line;
	}
	return function;
}

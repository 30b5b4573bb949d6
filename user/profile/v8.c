// SPDX-License-Identifier: Apache-2.0
/* Functions are kept by address: the garbage collector may have put another one there meanwhile. */
#include "user/profile/v8.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "user/base/account.h"

#define REFUSALS_MAX \
	1000 /* V8 maps its own functions a second time, elsewhere than the rest of its file */
#define SCRIPTS_MAX 128u
#define LINES_MAX (1u << 20)	/* of all of a process's scripts */
#define SOURCES_MAX (64u << 20) /* characters of them that are read for lines in SOURCES_NS */
#define SOURCES_NS 10000000000ull

struct v8_entry {
	struct object_entry object;
	struct v8_function function;
};

struct v8_scripts {
	struct v8_lines v[SCRIPTS_MAX];
	uint32_t next; /* to be replaced */
};

void v8__init(struct v8 *v8)
{
	*v8 = (struct v8){.memory_fd = -1};
	object_table__init(&v8->functions, sizeof(struct v8_entry));
}

void v8__free(struct v8 *v8)
{
	if (v8->memory_fd >= 0)
		close(v8->memory_fd);
	for (uint32_t i = 0; v8->scripts && i < SCRIPTS_MAX; i++)
		v8_lines__free(&v8->scripts->v[i]);
	free(v8->scripts);
	object_table__free(&v8->functions);
	v8__init(v8);
}

bool v8__meet(struct v8 *v8, int proc_dir_fd, const struct v8_symbols *symbols, uint64_t load)
{
	if (!symbols->at[V8_FUNCTION_SHARED] || v8->state == V8_KNOWN ||
	    v8->refusals >= REFUSALS_MAX)
		return false;
	if (v8->memory_fd < 0 && proc_dir_fd >= 0)
		v8->memory_fd = openat(proc_dir_fd, "mem", O_RDONLY | O_CLOEXEC);
	if (v8->memory_fd < 0) {
		v8->refusals++;
		return false;
	}
	v8->heap.memory = process_memory_of(v8->memory_fd);
	v8->state = v8_layout__find(symbols, load, &v8->heap.memory, &v8->layout, &v8->heap.layout);
	v8->refusals += v8->state == V8_FOREIGN;
	v8->constant = symbols->at[V8_FUNCTION_SHARED] + load;
	return v8->state == V8_KNOWN;
}

/* --- functions -------------------------------------------------------------------------------- */

static bool is_same(const struct v8_function_key *a, const struct v8_function_key *b)
{
	return a->name == b->name && a->script == b->script && a->own_name == b->own_name &&
	       a->guessed_name == b->guessed_name && a->start == b->start && a->end == b->end &&
	       a->has_span == b->has_span;
}

/* What is known of that script's lines; or room for it. */
static struct v8_lines *lines_of(struct v8 *v8, uint64_t script)
{
	uint32_t sum = 0;

	if (!v8->scripts)
		v8->scripts = calloc(1, sizeof(*v8->scripts));
	for (uint32_t i = 0; v8->scripts && i < SCRIPTS_MAX; i++) {
		if (v8->scripts->v[i].script == script)
			return &v8->scripts->v[i];
		sum += v8->scripts->v[i].ends_cnt;
	}
	for (uint32_t i = 0; sum > LINES_MAX && i < SCRIPTS_MAX; i++)
		v8_lines__free(&v8->scripts->v[i]);
	return v8->scripts ? &v8->scripts->v[v8->scripts->next++ % SCRIPTS_MAX] : NULL;
}

static bool learn(struct v8 *v8, struct v8_entry *entry, const struct v8_function_key *key,
		  uint64_t address, uint64_t now_ns)
{
	struct v8_lines *lines;
	struct v8_function function;

	if (!v8_function_read(&v8->heap, key, &v8->functions.arena, &function))
		return false;
	if (now_ns >= v8->sources_ns + SOURCES_NS) {
		v8->sources_ns = now_ns;
		v8->sources_cnt = 0;
	}
	if (key->has_span && v8->sources_cnt >= SOURCES_MAX)
		account_add(ACCOUNT_V8_LINES, 1);
	else if (key->has_span && (lines = lines_of(v8, key->script)))
		function.line =
			v8_line_of(&v8->heap, key->script, key->start, lines, &v8->sources_cnt);
	object_table__keep(&v8->functions, entry, address, now_ns);
	entry->function = function;
	return true;
}

/* Its memory is gone with it: what was read before is all there is. */
static bool has_ended(const struct v8 *v8)
{
	char byte;

	return !v8->heap.memory.read(v8->heap.memory.ctx, v8->constant, &byte, 1);
}

const struct v8_function *v8__function(struct v8 *v8, const struct v8_frame *frame, uint64_t now_ns)
{
	struct v8_function_key key;
	struct v8_entry *entry;
	bool has_name;

	if (!frame->shared || v8->state != V8_KNOWN)
		return NULL;
	entry = object_table__at(&v8->functions, frame->shared);
	if (!entry)
		return NULL;
	has_name = entry->object.address && entry->function.key.name == frame->name;
	if (has_name && object_entry__is_fresh(entry, now_ns))
		return &entry->function;
	if (!v8_function_key(&v8->heap, frame->shared, frame->name, &key))
		return has_name && has_ended(v8) ? &entry->function : NULL;
	if (entry->object.address && is_same(&key, &entry->function.key)) {
		entry->object.checked_ns = now_ns;
		return &entry->function;
	}
	if (learn(v8, entry, &key, frame->shared, now_ns))
		return &entry->function;
	if (!object_table__make_room(&v8->functions))
		return NULL;
	entry = object_table__at(&v8->functions, frame->shared);
	return learn(v8, entry, &key, frame->shared, now_ns) ? &entry->function : NULL;
}

/* --- code ------------------------------------------------------------------------------------- */

#define BEGIN_MAX 24	 /* bytes before "push rbp", which check that the code is still good */
#define END_MAX 24	 /* and from "pop rbp" on: arguments are taken from the stack */
#define RET 0xc3	 /* the last of an end */
#define BASELINE_SIZE 5	 /* bytes of "mov ebx, SIZE" */
#define BASELINE_CALL 10 /* and of "mov r12, BYTECODE" */

/*
 * Sparkplug's code begins with the size of its frame into ebx, its bytecode into r12, and a call that makes the
 * frame: is here before that call, or at it?
 */
static bool begins_baseline(const uint8_t *here)
{
	for (const uint8_t *p = here - BASELINE_CALL; p <= here + BASELINE_SIZE; p++)
		if (p[0] == 0x49 && p[1] == 0xbc && p[BASELINE_CALL] == 0xe8)
			return true;
	return false;
}

bool v8__has_frame(struct v8 *v8, uint64_t at)
{
	static const uint8_t begin[] = {0x55, 0x48, 0x89, 0xe5}; /* push rbp; mov rbp, rsp */
	static const uint8_t end[] = {0x48, 0x8b, 0xe5, 0x5d};	 /* mov rsp, rbp; pop rbp */
	uint8_t code[END_MAX + sizeof(end) + BEGIN_MAX + sizeof(begin)];
	const uint8_t *here = code + END_MAX + sizeof(end), *last;

	if (v8->state != V8_KNOWN ||
	    !v8->heap.memory.read(v8->heap.memory.ctx, at - (uint64_t)(here - code), code,
				  sizeof(code)) ||
	    memmem(here, BEGIN_MAX + sizeof(begin), begin, sizeof(begin)) || begins_baseline(here))
		return false;
	last = memmem(code, (size_t)(here - code), end, sizeof(end));
	for (const uint8_t *p = last; p;
	     p = memmem(p + 1, (size_t)(here - p) - 1, end, sizeof(end)))
		last = p;
	return !last || memchr(last + sizeof(end), RET, (size_t)(here - last) - sizeof(end));
}

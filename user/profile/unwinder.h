/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel's side unwinds by: the tables of files, built when a sample first meets them and shared
 * by all processes, and for each process which file is where. Also unwinds, by the same tables, the stacks
 * of which the kernel's side has sent a copy because it did not know these yet. One thread.
 */
#ifndef SONDE_PROFILE_UNWINDER_H
#define SONDE_PROFILE_UNWINDER_H

#include "include/abi/record.h"
#include "user/profile/mappings.h"

/* Where the tables go. */
struct unwind_sink {
	void *ctx;
	/* Clear memory for cnt blocks, or else mappings, that is the kernel's once its fd is published. NULL with errno. */
	void *(*map)(void *ctx, bool table, uint32_t cnt, int *fd);
	void (*unmap)(void *ctx, bool table, void *memory, uint32_t cnt);
	/* From now on they are found by their ids. May wait 20 ms, however many there are. 0 or a negative errno. */
	int (*publish)(void *ctx, bool table, const uint32_t *ids, const int *fds, uint32_t cnt);
	void (*withdraw)(void *ctx, bool table, const uint32_t *ids, uint32_t cnt);
	int (*rules)(void *ctx, uint32_t first, const struct unwind_rule *rules, uint32_t cnt);
	/* How to read the Python frames of a process from now on; NULL: not any more. 0 or a negative errno. */
	int (*python)(void *ctx, uint32_t process_id, const struct python_layout *layout);
	/* The same of V8. */
	int (*v8)(void *ctx, uint32_t process_id, const struct v8_layout *layout);
	/* And where its threads publish what they work for. */
	int (*thread_context)(void *ctx, uint32_t process_id,
			      const struct thread_context_place *place);
};

struct unwinder;

/* NULL with errno. */
struct unwinder *unwinder__new(const struct unwind_sink *sink);
/* The sink need not be there any more, apart from unmap. */
void unwinder__free(struct unwinder *u);

/*
 * Unwinds the stack whose copy follows the record's addresses. Writes to addresses (SAMPLE_STACK_MAX) and cnt what
 * record_sample has; returns how the stack ends. open gives a descriptor of a mapping's file, or a negative errno, -ESRCH when
 * the process has ended.
 */
enum unwind_end unwinder__walk(struct unwinder *u, struct mappings *mappings,
			       const struct sample_copy *copy, uint64_t *addresses, uint16_t *cnt,
			       int (*open)(void *ctx, const struct mapping *mapping), void *ctx);
/* The tables of those mappings are in use. */
void unwinder__touch(struct unwinder *u, const struct mapping *mapping);
/* The kernel's side is to know the process's mappings, with what is known of them, from the next flush on. */
void unwinder__tell(struct unwinder *u, uint32_t process_id, const struct mappings *mappings,
		    const struct unwind_pages *pages);
/* And no more. */
void unwinder__forget(struct unwinder *u, uint32_t process_id);
/* Of a process that runs CPython, at once; NULL: no more. */
void unwinder__tell_python(struct unwinder *u, uint32_t process_id,
			   const struct python_layout *layout);
/* The same of V8. */
void unwinder__tell_v8(struct unwinder *u, uint32_t process_id, const struct v8_layout *layout);
void unwinder__tell_thread_context(struct unwinder *u, uint32_t process_id,
				   const struct thread_context_place *place);
/* Publishes what has been told and built. May wait 80 ms. */
void unwinder__flush(struct unwinder *u);

#endif

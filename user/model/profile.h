/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A profile, shaped as OTLP has it (profiles v1development, proto 1.10 and 1.11): what samples have
 * in common stands in tables and is named by index. Entry 0 of every table is the empty one, so
 * that index 0 means none. Built by one thread, then immutable.
 */
#ifndef SONDE_MODEL_PROFILE_H
#define SONDE_MODEL_PROFILE_H

#include "user/model/burst.h"
#include "user/model/resource.h"
#include "user/model/span.h"

#define PROFILE_FRAMES_MAX 400 /* locations of one stack, all kinds together */
#define PROFILE_INLINED_MAX 64 /* frames at one location: itself, and what is inlined there */

/* What runs at a location; the values of profile.frame.type. */
enum frame_type {
	FRAME_NONE,
	FRAME_NATIVE,
	FRAME_KERNEL,
	FRAME_JIT, /* named by a perf map file */
	FRAME_CPYTHON,
	FRAME_V8JS,
	FRAME_ERROR, /* not a frame: its function's name says why the stack ends, in [brackets] */
	FRAME_WAIT, /* not a frame: innermost, its function's name says what for the thread waits, in [brackets] */
	FRAME_INLINED, /* native, inlined in another frame: see profile_location */
};

/*
 * A file as it is mapped. If its locations' addresses are the file's own (ELF virtual addresses, no
 * load address added) it goes from 0 to ~0 with file_off 0: readers of profiles know that sign, and
 * all processes that map the file share one entry. So does the kernel's.
 */
struct profile_mapping {
	uint64_t start, limit; /* the addresses of its locations lie within */
	uint64_t file_off;     /* of start */
	uint32_t file;	       /* strings: path, or "[kernel]" */
	uint32_t build_id;     /* strings: lower-case hex; 0: unknown */
	uint32_t file_hash;    /* strings: htlhash in hex, where there is no build-id; 0: unknown */
};

struct profile_function {
	uint32_t name;	      /* strings: for people, demangled */
	uint32_t system_name; /* strings: as in the symbol table; 0: the same */
	uint32_t file;	      /* strings: source; 0: unknown */
};

struct profile_location {
	uint64_t address; /* from the mapping's start up to its limit */
	uint32_t mapping;
	uint32_t function; /* 0: no symbol */
	uint32_t line;	   /* of the source; 0: unknown */
	enum frame_type type;
	/*
	 * An entry of this table, of type FRAME_INLINED, for the function that runs here as a part of this
	 * one, being inlined in it; it may have another one in turn. 0: none. Stacks have none of them.
	 */
	uint32_t inlined;
	/* While the profile is made: where lines are to be looked up (0: nowhere), and that it is a return address. */
	uint32_t module;
	bool returns;
};

/* locations_cnt entries of profile.stack_locations, the leaf first. */
struct profile_stack {
	uint32_t first, cnt;
};

struct profile_link {
	struct trace_id trace_id;
	struct span_id span_id;
};

/* One observation of one thread. */
struct profile_sample {
	uint64_t time_ns;  /* since the Unix epoch */
	uint32_t resource; /* profile.resources */
	uint32_t stack;
	uint32_t link;	      /* of the request that it is for, as far as is proven; 0: none */
	uint32_t published;   /* of the span that the thread's own SDK says it works for; 0: none */
	uint32_t thread_name; /* strings */
	uint32_t tid;
	uint32_t cpu; /* PROFILE_NO_CPU: none */
	uint64_t
		value_ns; /* of an off-CPU profile: how long it has waited; else the period stands for it */
};

#define PROFILE_NO_CPU UINT32_MAX

#define PROFILE_TABLE(type)        \
	struct {                   \
		type *v;           \
		uint32_t cnt, cap; \
	}

struct profile {
	uint64_t number;	   /* of all that were ever made here */
	uint64_t start_ns, end_ns; /* since the Unix epoch */
	uint64_t period_ns;	   /* CPU time between samples of one CPU; time between looks */
	bool off_cpu;		   /* its samples are of threads that wait, and say how long */
	struct burst burst;	   /* that it is of; number 0: of none */
	uint32_t burst_type, burst_service, burst_route; /* strings; 0: of none */
	PROFILE_TABLE(struct slice) strings;
	PROFILE_TABLE(struct profile_mapping) mappings;
	PROFILE_TABLE(struct profile_function) functions;
	PROFILE_TABLE(struct profile_location) locations;
	PROFILE_TABLE(struct profile_stack) stacks;
	PROFILE_TABLE(uint32_t) stack_locations; /* what stacks point to; no entry 0 */
	PROFILE_TABLE(struct profile_link) links;
	PROFILE_TABLE(struct profile_sample) samples; /* in the order of profile__add; no entry 0 */
	PROFILE_TABLE(struct resource *) resources;   /* a reference each; entry 0 is NULL */
	struct arena arena;			      /* of the strings */
	struct profile_index *index;		      /* private: finds equal entries */
};

/* The profile is that of a burst. False when memory is out. */
bool profile__set_burst(struct profile *p, const struct burst *burst);
/* An empty profile, or NULL with errno. */
struct profile *profile__new(uint64_t period_ns);
void profile__free(struct profile *p);
/*
 * The index of an entry equal to this one, added if there is none; 0 when memory is out or the
 * profile has reached its maximum of 64 MiB. Strings are copied, with U+FFFD for what is not UTF-8;
 * a resource is held. A stack has at most PROFILE_FRAMES_MAX locations, the leaf first.
 */
uint32_t profile__string(struct profile *p, struct slice text);
uint32_t profile__mapping(struct profile *p, const struct profile_mapping *mapping);
uint32_t profile__function(struct profile *p, const struct profile_function *function);
uint32_t profile__location(struct profile *p, const struct profile_location *location);
uint32_t profile__stack(struct profile *p, const uint32_t *locations, uint32_t cnt);
uint32_t profile__link(struct profile *p, const struct profile_link *link);
uint32_t profile__resource(struct profile *p, struct resource *resource);
/* The frames at a location as entries of the table, the innermost first; returns how many, at least 1. */
uint32_t profile_frames(const struct profile *p, uint32_t location,
			uint32_t frames[PROFILE_INLINED_MAX]);
/* The link that others are told: who works knows best for what. */
static inline uint32_t profile_told_link(const struct profile_sample *sample)
{
	return sample->published ?: sample->link;
}
/* What a sample stands for: 1 of CPU profiles, else its ns. */
uint64_t profile_weight(const struct profile *p, const struct profile_sample *sample);
/* Adds an observation. 0, or -ENOMEM as above. */
int profile__add(struct profile *p, const struct profile_sample *sample);
/*
 * Makes a sample of `from` one of `to`, which gets what it points to, but not the sample itself. False
 * when there is no room.
 */
bool profile_move_sample(struct profile *to, const struct profile *from,
			 struct profile_sample *sample);
/*
 * Adds what the location should become, of which i is the index in the old profile, and returns that: 0 when there
 * is no room. Its strings and the like are already those of the new one.
 */
typedef uint32_t (*profile_location_fn)(void *ctx, struct profile *to, uint32_t i,
					const struct profile_location *location);
/* A copy with other locations. NULL when there is no room. */
struct profile *profile__relocate(const struct profile *from, profile_location_fn add, void *ctx);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spans, in batches. A batch owns every byte that its spans point to and one reference to each
 * span's resource; it travels between threads as a whole, so no span is ever allocated alone.
 */
#ifndef SONDE_MODEL_SPAN_H
#define SONDE_MODEL_SPAN_H

#include "user/base/arena.h"
#include "user/base/attr.h"
#include "user/model/resource.h"

#define SPAN_BATCH_MAX 64 /* small enough to stay in a core's cache */

/* Values of the OTLP enumerations. */
enum span_kind {
	SPAN_INTERNAL = 1,
	SPAN_SERVER,
	SPAN_CLIENT,
	SPAN_PRODUCER,
	SPAN_CONSUMER,
};

enum span_status {
	SPAN_STATUS_UNSET,
	SPAN_STATUS_OK,
	SPAN_STATUS_ERROR,
};

struct trace_id {
	uint8_t bytes[16];
};

struct span_id {
	uint8_t bytes[8]; /* all zero: none */
};

/* Does the id in hex begin with these digits? */
bool trace_id_begins(const struct trace_id *id, const char *digits);

/* Bits of span.flags as OTLP has them. */
#define SPAN_FLAG_SAMPLED 0x001u
#define SPAN_FLAG_RANDOM 0x002u
#define SPAN_FLAG_HAS_IS_REMOTE 0x100u
#define SPAN_FLAG_IS_REMOTE 0x200u

/* Another span that this one has to do with, such as the sender of a message that it received. */
struct span_link {
	struct trace_id trace_id;
	struct span_id span_id;
	uint32_t flags; /* as a span's, about the one that is linked */
};

struct span {
	struct trace_id trace_id;
	struct span_id span_id;
	struct span_id parent_id;
	uint32_t flags;
	enum span_kind kind;
	enum span_status status;
	uint64_t start_ns, end_ns; /* since the Unix epoch */
	struct slice name;
	struct slice trace_state;
	struct slice scope; /* protocol that was parsed, e.g. "http"; static */
	bool left_out;	    /* not to be exported: its program has exported one of its own */
	bool keep;	    /* its trace, whatever sampling says */
	struct attrs attrs; /* their keys are static */
	struct span_link *links;
	uint32_t links_cnt;
	struct resource *resource; /* one reference, held by the batch; never NULL */
};

static inline bool span_is_root(const struct span *span)
{
	static const struct span_id none;

	return memcmp(&span->parent_id, &none, sizeof(none)) == 0;
}

struct span_batch {
	struct span_batch *next; /* this and the next are for whoever owns the batch */
	uint64_t since_ns;
	struct arena arena;
	uint32_t cnt;
	struct span spans[SPAN_BATCH_MAX];
};

/* An empty batch, or NULL with errno. */
struct span_batch *span_batch__new(void);
/* Releases the resources and frees all. NULL is legal. */
void span_batch__free(struct span_batch *b);
/* Empties a batch for use again. */
void span_batch__reset(struct span_batch *b);
/*
 * The next span, cleared, with room for attrs_cap attributes; resource is held for it.
 * NULL when the batch is full.
 */
struct span *span_batch__add(struct span_batch *b, uint16_t attrs_cap, struct resource *resource);
/* Makes room for more attributes. False if there is no memory. */
bool span__reserve_attrs(struct span *span, struct arena *arena, uint16_t more);
/* Gives a span without links copies of these. False if there is no memory. */
bool span__set_links(struct span *span, struct arena *arena, const struct span_link *links,
		     uint32_t links_cnt);
/* Takes those out that are left_out. How many. */
uint32_t span_batch__leave_out(struct span_batch *b);
/* Adds a copy of a span of any batch. NULL when the batch is full, or has no room for its texts. */
struct span *span_batch__copy(struct span_batch *b, const struct span *span);

#endif

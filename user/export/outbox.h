/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parcels of one signal on their way out: a bounded queue and the thread that delivers from it.
 * Who pushes owns a parcel until it is queued, the queue (under the lock) until the thread takes
 * it, then the thread. Parcels are numbered in the order of their pushes: pushed >= taken >= done.
 */
#ifndef SONDE_EXPORT_OUTBOX_H
#define SONDE_EXPORT_OUTBOX_H

#include "user/export/json_file.h"
#include "user/export/otlp_sender.h"

struct parcels {
	struct parcel *first, *last;
	uint64_t cnt;
	size_t items_cnt, bytes;
};

/* A parcel with copies of both, either of which may be empty, at the end of the list. -ENOMEM. */
int parcels__add(struct parcels *list, struct slice request, struct slice line, uint32_t items_cnt);

struct outbox_options {
	enum signal signal;
	struct otlp_sender *sender;  /* taken over; NULL: none */
	struct json_file *file;	     /* taken over; NULL: none */
	size_t max_items, max_bytes; /* bound what waits or is being sent */
	uint32_t request_max_items;  /* of several parcels */
	unsigned int delay_ms;	     /* parcels wait for others that long at most */
	bool wait;		     /* who pushes waits for room: nothing is dropped */
};

struct outbox;

/* Starts the thread. NULL with errno; the sinks are then freed. */
struct outbox *outbox__new(const struct outbox_options *options);
/* Is there room for that many items? If not, they have been counted as dropped. Any thread. */
bool outbox__admit(struct outbox *o, size_t items_cnt);
/* Queues the parcels, at least one; where there is no room, counts and frees them. Any thread. */
void outbox__push(struct outbox *o, struct parcels *list);
/* Does it still send to an endpoint? Any thread. */
bool outbox__sends(const struct outbox *o);
/* Delivers all that was pushed, without delay. -ETIMEDOUT at that time (clock_mono_ns). */
int outbox__flush(struct outbox *o, uint64_t deadline_ns);
/* Lets nothing more in and sends what is there. Does not wait. */
void outbox__close(struct outbox *o);
/* Waits until that time for what is there, counts the rest as failed and ends the thread. */
void outbox__stop(struct outbox *o, uint64_t deadline_ns);
/* Stops at once if outbox__stop was not called. NULL is legal. */
void outbox__free(struct outbox *o);

#endif

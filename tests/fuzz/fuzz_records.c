// SPDX-License-Identifier: Apache-2.0
/*
 * A recording's body: records one after the other, each padded to 8 bytes. What record_valid lets
 * pass goes to flow and ident as the pipeline would give it to them, and time passes as the records
 * say. Every record lies in an allocation of exactly its size. Seeds: see record_seeds.py.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/check.h"
#include "user/base/account.h"
#include "user/base/log.h"
#include "user/capture/record.h"
#include "user/flow/flow.h"
#include "user/ident/ident.h"

/* Small, so that the bounds are met. */
#define CONNECTIONS_MAX 8
#define EXCHANGES_MAX 16
#define PROCESSES_MAX 8
#define RING_FULL 0x8000 /* flag of a datagram: before it, a record did not fit the ring */

struct world {
	struct flow *flow;
	struct ident *ident;
	uint64_t now_ns;
	uint64_t spans_cnt;
};

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *input, size_t n);

static struct resource *resource_of(void *ctx, uint32_t process_id)
{
	struct world *world = ctx;

	return ident__resource(world->ident, process_id) ?: ident__unknown(world->ident);
}

/* Touches each byte, so that the sanitizer looks at it. */
static void check_slice(struct slice s)
{
	volatile char sink = 0;

	for (size_t i = 0; i < s.n; i++)
		sink ^= s.p[i];
	(void)sink;
}

static void check_span(const struct span *span)
{
	CHECK(span->kind >= SPAN_SERVER && span->kind <= SPAN_CONSUMER);
	CHECK(span->start_ns <= span->end_ns);
	CHECK(span->resource);
	CHECK(span->attrs.cnt <= span->attrs.cap);
	check_slice(span->name);
	check_slice(span->trace_state);
	for (uint16_t i = 0; i < span->attrs.cnt; i++) {
		check_slice(span->attrs.v[i].key);
		if (span->attrs.v[i].type == ATTR_STRING)
			check_slice(span->attrs.v[i].str);
		for (uint32_t j = 0; j < span->attrs.v[i].items_cnt; j++)
			check_slice(span->attrs.v[i].items[j]);
	}
	check_slice(slice_of((const char *)span->links, span->links_cnt * sizeof(*span->links)));
}

static struct span_batch *emit(void *ctx, struct span_batch *batch)
{
	struct world *world = ctx;

	for (uint32_t i = 0; i < batch->cnt; i++)
		check_span(&batch->spans[i]);
	world->spans_cnt += batch->cnt;
	span_batch__reset(batch);
	return batch;
}

static void give_verdict(void *ctx, uint64_t cookie, const struct verdict *verdict)
{
	(void)ctx;
	(void)cookie;
	CHECK(verdict->copy_op <= COPY_PARTS_MAX);
	CHECK(verdict->shape <= FRAME_SHAPES_MAX);
}

static void served(void *ctx, const struct served *s)
{
	(void)ctx;
	CHECK(s->start_ns <= s->end_ns);
}

static void open_world(struct world *world)
{
	const struct ident_options ident_options = {
		.proc_root = "/nonexistent",
		.processes_max = PROCESSES_MAX,
	};
	const struct flow_options options = {
		.max_connections = CONNECTIONS_MAX,
		.max_exchanges = EXCHANGES_MAX,
		.exchange_timeout_ns = 10000000000ull,
		.idle_timeout_ns = 60000000000ull,
		.max_routes = 16,
		.resource = resource_of,
		.emit = emit,
		.verdict = give_verdict,
		.served = served,
		.ctx = world,
	};

	for (int i = 0; i < ACCOUNT_CNT; i++)
		account_set((enum account_entry)i, 0);
	memset(world, 0, sizeof(*world));
	world->ident = ident__new(&ident_options);
	CHECK(world->ident);
	world->flow = flow__new(&options, span_batch__new());
	CHECK(world->flow);
}

/* Each request that was parsed is a span, or is counted as lost. */
static void close_world(struct world *world)
{
	uint64_t lost;

	flow__free(world->flow);
	ident__free(world->ident);
	lost = account_get(ACCOUNT_LOST_GAP) + account_get(ACCOUNT_LOST_EVICTED) +
	       account_get(ACCOUNT_LOST_RING) + account_get(ACCOUNT_LOST_UNPARSED) +
	       account_get(ACCOUNT_LOST_OPEN) + account_get(ACCOUNT_LOST_MEMORY);
	CHECK(world->spans_cnt == account_get(ACCOUNT_SPANS));
	CHECK(world->spans_cnt + lost >= account_get(ACCOUNT_REQUESTS));
}

static uint64_t time_of(const struct record_head *record)
{
	switch (record->kind) {
	case RECORD_CONNECTION:
		return ((const struct record_connection *)record)->time_ns;
	case RECORD_OP:
	case RECORD_FRAMES:
	case RECORD_TAIL:
		return ((const struct record_op *)record)->time_ns;
	case RECORD_END:
		return ((const struct record_end *)record)->time_ns;
	case RECORD_DATAGRAM:
		return ((const struct record_datagram *)record)->time_ns;
	}
	return 0;
}

static void take(struct world *world, const struct record_head *record)
{
	switch (record->kind) {
	case RECORD_PROCESS:
		ident__process(world->ident, (const struct record_process *)record, record->size);
		break;
	case RECORD_EXIT:
		ident__exit(world->ident, ((const struct record_exit *)record)->process_id);
		break;
	case RECORD_SAMPLE:
		flow__sampled(world->flow, ((const struct record_sample *)record)->request_cookie,
			      ((const struct record_sample *)record)->request_off);
		break;
	case RECORD_DATAGRAM:
		account_add(ACCOUNT_RING_FULL, !!(record->flags & RING_FULL));
		flow__record(world->flow, record);
		break;
	default:
		flow__record(world->flow, record);
	}
}

/* The record at the start of the bytes; returns its length with the padding, 0 at the end. */
static size_t step(struct world *world, const uint8_t *input, size_t n)
{
	struct record_head head;
	void *record;
	size_t len;

	if (n < sizeof(head))
		return 0;
	memcpy(&head, input, sizeof(head));
	len = head.size < sizeof(head) ? sizeof(head) : head.size < n ? head.size : n;
	record = malloc(len);
	CHECK(record);
	memcpy(record, input, len);
	if (record_valid(record, len)) {
		take(world, record);
		if (time_of(record) > world->now_ns) {
			world->now_ns = time_of(record);
			flow__tick(world->flow, world->now_ns, 0);
		}
	}
	free(record);
	return len + 7 - (len + 7) % 8;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	log_set_level(LOG_ERROR);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t n)
{
	struct world world;

	open_world(&world);
	for (size_t at = 0, len; at < n && (len = step(&world, input + at, n - at)); at += len)
		;
	close_world(&world);
	return 0;
}

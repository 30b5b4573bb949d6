/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stand-in for the kernel and for what surrounds user/flow. Ends of connections make the records
 * that bpf/socket.bpf.h would make of the same operations (offsets, turns, copies, silent tails,
 * sequence numbers); spans, verdicts and the account are kept to be compared.
 */
#ifndef SONDE_TESTS_FLOW_RIG_H
#define SONDE_TESTS_FLOW_RIG_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "user/base/account.h"
#include "user/capture/record.h"
#include "user/flow/flow.h"
#include "user/protocols/protocol.h"

#define MS 1000000ull
#define SECOND (1000 * MS)
#define RIG_START (1000 * SECOND)
#define RIG_UNIX_OFFSET (1000000 * SECOND)
#define RIG_SPANS_MAX 8192
#define RIG_VERDICTS_MAX 1024
#define RIG_TIMEOUT (30 * SECOND)
#define RIG_IDLE (300 * SECOND)
#define CLIENT_PROCESS 11u
#define SERVER_PROCESS 22u

/* What is compared of a span. */
struct seen {
	enum span_kind kind;
	enum span_status status;
	struct trace_id trace_id;
	struct span_id span_id, parent_id;
	uint32_t flags;
	uint64_t start_ns, end_ns; /* as the records have it: without the offset to Unix time */
	uint32_t pid;
	int64_t code, request_sz, response_sz; /* -1: not set */
	int64_t candidates;
	int64_t times[TIMES_CNT]; /* sonde.time.*, by enum time_spent; -1: not set */
	char name[128], path[128], error[32], method[16], trace_state[64];
	char header[32];
	bool left_out;
	char peer[64], server[64], system[16];
	char tls_version[8], tls_protocol[16];
	bool tls;		      /* tls.established */
	char asked[64], answered[64]; /* headers x-asked and x-answered; "a|b" for two values */
};

static const char *const time_keys[TIMES_CNT] = {
	"sonde.time.cpu_ns",	    "sonde.time.run_queue_ns", "sonde.time.downstream_ns",
	"sonde.time.client_ns",	    "sonde.time.lock_ns",      "sonde.time.disk_ns",
	"sonde.time.page_fault_ns", "sonde.time.sleep_ns",     "sonde.time.other_ns",
};

struct rig {
	struct flow *flow;
	struct flow_options options;
	uint64_t now_ns;
	struct seen *spans; /* moves as it grows */
	uint32_t spans_cnt, spans_max;
	struct {
		uint64_t cookie;
		struct verdict verdict;
	} verdicts[RIG_VERDICTS_MAX];
	uint32_t verdicts_cnt;
	uint64_t made;	   /* requests that passed a traced end */
	uint32_t drop_cnt; /* so many of the next records do not fit the ring */
	bool memory_out;   /* emit has no empty batch to give */
	uint64_t next_cookie;
	struct resource *resources[3];
};

/* One end of a connection, with the kernel's state of it. */
struct end {
	struct rig *rig;
	enum role role; /* what it is; about.role is what the kernel knows */
	struct record_connection about;
	uint32_t process_id, tid;
	uint32_t copy_op, copy_turn, turn_left, turn;
	uint32_t last_op, longest_op;
	bool direction, announced;
	bool unnumbered; /* it has no sequence numbers, or they are not known */
	uint64_t tx_off, rx_off, tail_off, tail_ns;
	uint8_t tail_direction, tail_flags;
	uint8_t timed; /* what its sends say of time: OP_ON_CPU ... */
	uint32_t tx_seq, rx_seq;
	uint32_t untold;	   /* bytes sent by calls that are not back yet */
	uint64_t left_ns;	   /* when they left; 0: now */
	uint32_t frames_serial[2]; /* received, sent */
};

/* --- what flow calls -------------------------------------------------------------------------- */

static inline int64_t num_of(const struct span *span, struct slice key)
{
	const struct attr *attr = attrs_get(&span->attrs, key);

	return attr ? attr->num : -1;
}

static inline void text_of(struct slice s, char *out, size_t out_sz)
{
	snprintf(out, out_sz, "%.*s", (int)s.n, s.n ? s.p : "");
}

static inline void attr_text(const struct span *span, struct slice key, char *out, size_t out_sz)
{
	const struct attr *attr = attrs_get(&span->attrs, key);

	text_of(attr ? attr->str : SLICE(""), out, out_sz);
}

static inline void items_text(const struct span *span, struct slice key, char *out, size_t out_sz)
{
	const struct attr *attr = attrs_get(&span->attrs, key);
	size_t n = 0;

	out[0] = '\0';
	if (attr)
		assert_int_equal(attr->type, ATTR_STRINGS);
	for (uint32_t i = 0; attr && i < attr->items_cnt && n < out_sz; i++)
		n += (size_t)snprintf(out + n, out_sz - n, "%s%.*s", i ? "|" : "",
				      (int)attr->items[i].n, attr->items[i].p);
}

static inline void see_span(struct rig *rig, const struct span *span)
{
	struct seen *seen;

	assert_in_range(rig->spans_cnt, 0, RIG_SPANS_MAX - 1);
	if (rig->spans_cnt == rig->spans_max) {
		rig->spans_max = rig->spans_max ? 2 * rig->spans_max : 16;
		rig->spans = realloc(rig->spans, rig->spans_max * sizeof(*rig->spans));
		assert_non_null(rig->spans);
	}
	seen = &rig->spans[rig->spans_cnt++];
	*seen = (struct seen){
		.kind = span->kind,
		.status = span->status,
		.trace_id = span->trace_id,
		.span_id = span->span_id,
		.parent_id = span->parent_id,
		.flags = span->flags,
		.left_out = span->left_out,
		.start_ns = span->start_ns - RIG_UNIX_OFFSET,
		.end_ns = span->end_ns - RIG_UNIX_OFFSET,
		.pid = span->resource->pid,
		.code = num_of(span, SLICE("http.response.status_code")),
		.request_sz = num_of(span, SLICE("http.request.body.size")),
		.response_sz = num_of(span, SLICE("http.response.body.size")),
	};
	text_of(span->name, seen->name, sizeof(seen->name));
	text_of(span->trace_state, seen->trace_state, sizeof(seen->trace_state));
	attr_text(span, span->kind == SPAN_CLIENT ? SLICE("url.full") : SLICE("url.path"),
		  seen->path, sizeof(seen->path));
	attr_text(span, SLICE("error.type"), seen->error, sizeof(seen->error));
	attr_text(span, SLICE("sonde.parent.method"), seen->method, sizeof(seen->method));
	attr_text(span, SLICE("sonde.parent.header"), seen->header, sizeof(seen->header));
	attr_text(span, SLICE("network.peer.address"), seen->peer, sizeof(seen->peer));
	attr_text(span, SLICE("server.address"), seen->server, sizeof(seen->server));
	attr_text(span, SLICE("db.system.name"), seen->system, sizeof(seen->system));
	attr_text(span, SLICE("tls.protocol.version"), seen->tls_version,
		  sizeof(seen->tls_version));
	attr_text(span, SLICE("tls.next_protocol"), seen->tls_protocol, sizeof(seen->tls_protocol));
	seen->candidates = num_of(span, SLICE("sonde.parent.candidates"));
	for (int i = 0; i < TIMES_CNT; i++)
		seen->times[i] = num_of(span, slice_str(time_keys[i]));
	seen->tls = num_of(span, SLICE("tls.established")) == 1;
	items_text(span, SLICE("http.request.header.x-asked"), seen->asked, sizeof(seen->asked));
	items_text(span, SLICE("http.response.header.x-answered"), seen->answered,
		   sizeof(seen->answered));
	assert_true(span->end_ns >= span->start_ns);
	assert_int_equal(seen->status == SPAN_STATUS_ERROR, seen->error[0] != 0);
	/* A parent goes with a method, and the other way round. */
	if (seen->kind == SPAN_CLIENT)
		assert_string_not_equal(seen->method, "socket");
	assert_int_equal(strcmp(seen->method, "none") != 0 &&
				 strcmp(seen->method, "ambiguous") != 0,
			 memcmp(&seen->parent_id, &(struct span_id){{0}}, 8) != 0);
}

static inline struct span_batch *rig_emit(void *ctx, struct span_batch *batch)
{
	struct rig *rig = ctx;

	for (uint32_t i = 0; i < batch->cnt; i++)
		see_span(rig, &batch->spans[i]);
	if (rig->memory_out) {
		span_batch__free(batch);
		return NULL;
	}
	span_batch__reset(batch);
	return batch;
}

static inline struct resource *rig_resource(void *ctx, uint32_t process_id)
{
	struct rig *rig = ctx;

	return rig->resources[process_id == CLIENT_PROCESS   ? 0
			      : process_id == SERVER_PROCESS ? 1
							     : 2];
}

static inline void rig_verdict(void *ctx, uint64_t cookie, const struct verdict *verdict)
{
	struct rig *rig = ctx;

	assert_in_range(rig->verdicts_cnt, 0, RIG_VERDICTS_MAX - 1);
	assert_true(verdict->ignore || verdict->copy_op <= COPY_PARTS_MAX);
	rig->verdicts[rig->verdicts_cnt].cookie = cookie;
	rig->verdicts[rig->verdicts_cnt++].verdict = *verdict;
}

/* --- set up and tear down --------------------------------------------------------------------- */

static inline struct resource *rig_new_resource(const char *service, uint32_t pid)
{
	struct attr v[1];
	struct attrs attrs = {.v = v, .cap = 1};
	struct resource *resource;

	attrs_add_str(&attrs, SLICE("service.name"), slice_str(service));
	resource = resource__new(&attrs, pid);
	assert_non_null(resource);
	return resource;
}

/* options: NULL for the usual ones; what is 0 in them is the usual. */
static inline struct rig *rig_new(const struct flow_options *options)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	assert_non_null(rig);
	for (int i = 0; i < ACCOUNT_CNT; i++)
		account_set((enum account_entry)i, 0);
	rig->resources[0] = rig_new_resource("client", CLIENT_PROCESS);
	rig->resources[1] = rig_new_resource("server", SERVER_PROCESS);
	rig->resources[2] = rig_new_resource("another", 33);
	if (options)
		rig->options = *options;
	rig->options.max_connections = rig->options.max_connections ?: 1024;
	rig->options.max_exchanges = rig->options.max_exchanges ?: 1024;
	rig->options.exchange_timeout_ns = rig->options.exchange_timeout_ns ?: RIG_TIMEOUT;
	rig->options.idle_timeout_ns = rig->options.idle_timeout_ns ?: RIG_IDLE;
	rig->options.max_routes = 64;
	rig->options.resource = rig_resource;
	rig->options.emit = rig_emit;
	rig->options.verdict = rig_verdict;
	rig->options.ctx = rig;
	rig->now_ns = RIG_START;
	rig->flow = flow__new(&rig->options, span_batch__new());
	assert_non_null(rig->flow);
	flow__tick(rig->flow, rig->now_ns, RIG_UNIX_OFFSET);
	return rig;
}

static inline uint64_t rig_lost(void)
{
	static const enum account_entry causes[] = {
		ACCOUNT_LOST_GAP,      ACCOUNT_LOST_EVICTED, ACCOUNT_LOST_RING,
		ACCOUNT_LOST_UNPARSED, ACCOUNT_LOST_OPEN,    ACCOUNT_LOST_MEMORY,
	};
	uint64_t sum = 0;

	for (size_t i = 0; i < sizeof(causes) / sizeof(*causes); i++)
		sum += account_get(causes[i]);
	return sum;
}

static inline void check_count(enum account_entry entry, uint64_t want)
{
	if (account_get(entry) != want)
		fail_msg("%s %s is %llu, not %llu", account_rows[entry].stem,
			 account_rows[entry].cause, (unsigned long long)account_get(entry),
			 (unsigned long long)want);
}

/* Lets time pass, as the drain does it. */
static inline void rig_wait(struct rig *rig, uint64_t ns)
{
	while (ns) {
		uint64_t step = ns < 20 * MS ? ns : 20 * MS;

		rig->now_ns += step;
		ns -= step;
		flow__tick(rig->flow, rig->now_ns, RIG_UNIX_OFFSET);
	}
}

static inline void rig_free(struct rig *rig)
{
	flow__free(rig->flow);
	assert_int_equal(account_get(ACCOUNT_SPANS), rig->spans_cnt);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(rig->resources[i]->refs, 1);
		resource__release(rig->resources[i]);
	}
	free(rig->spans);
	free(rig);
}

/* The end of every test: each request that was made is a span, or is lost with its cause. */
static inline void rig_finish(struct rig *rig)
{
	uint64_t made = rig->made;

	rig_free(rig);
	if (account_get(ACCOUNT_SPANS) + rig_lost() != made)
		fail_msg("%llu made, %llu spans, %llu lost", (unsigned long long)made,
			 (unsigned long long)account_get(ACCOUNT_SPANS),
			 (unsigned long long)rig_lost());
}

/* --- ends of connections ---------------------------------------------------------------------- */

/* An IPv4 end on its own: of a fresh connection, its peer not traced. */
static inline struct end end_new(struct rig *rig, enum role role)
{
	uint64_t cookie = ++rig->next_cookie;
	struct end end = {
		.rig = rig,
		.role = role,
		.process_id = role == ROLE_CLIENT ? CLIENT_PROCESS : SERVER_PROCESS,
		.copy_op = 4096,
		.copy_turn = 16384,
		.tx_seq = (uint32_t)cookie * 1000003u,
		.rx_seq = (uint32_t)cookie * 2000003u + 7,
		.about =
			{
				.head = {.size = sizeof(end.about), .kind = RECORD_CONNECTION},
				.cookie = cookie,
				.family = FAMILY_INET,
				.local_port = role == ROLE_CLIENT ? 40000 : 80,
				.remote_port = role == ROLE_CLIENT ? 80 : 40000,
				.role = (uint8_t)role,
				.fresh = 1,
				.local_addr = {10, 0, 0, 1},
				.remote_addr = {10, 0, 0, 2},
			},
	};

	return end;
}

/* The two ends of one connection. */
static inline void ends_new(struct rig *rig, struct end *client, struct end *server)
{
	*client = end_new(rig, ROLE_CLIENT);
	*server = end_new(rig, ROLE_SERVER);
	client->about.local_port = (uint16_t)(20000 + client->about.cookie);
	server->about.remote_port = client->about.local_port;
	memcpy(server->about.local_addr, client->about.remote_addr, 16);
	memcpy(server->about.remote_addr, client->about.local_addr, 16);
	server->rx_seq = client->tx_seq;
	server->tx_seq = client->rx_seq;
}

static inline void make_unix(struct end *client, struct end *server)
{
	struct end *ends[] = {client, server};

	for (int i = 0; i < 2; i++) {
		struct record_connection *about = &ends[i]->about;

		about->family = FAMILY_UNIX;
		about->fresh = 0;
		about->local_port = about->remote_port = 0;
		memset(about->local_addr, 0, 16);
		memset(about->remote_addr, 0, 16);
		about->peer_cookie = ends[!i]->about.cookie;
		strncpy(about->unix_path, "/run/app.sock", sizeof(about->unix_path) - 1);
		ends[i]->tx_seq = ends[i]->rx_seq = 0;
	}
	server->about.role = ROLE_SERVER_LIKELY;
}

/* True if the ring takes the record. */
static inline bool ring_takes(struct rig *rig)
{
	if (!rig->drop_cnt)
		return true;
	rig->drop_cnt--;
	return false;
}

static inline void announce(struct end *end)
{
	struct record_connection *record = malloc(sizeof(*record));

	assert_non_null(record);
	*record = end->about;
	record->time_ns = end->rig->now_ns;
	assert_true(record_valid(record, sizeof(*record)));
	flow__record(end->rig->flow, &record->head);
	end->announced = true;
	end->about.fresh = 0; /* should it be announced again */
	free(record);
}

static inline uint32_t copy_budget(struct end *end, uint32_t len, bool send)
{
	uint32_t budget = len;

	if (!end->turn || end->direction != send) {
		end->turn++;
		end->direction = send;
		end->turn_left = end->copy_turn;
		end->longest_op = 0;
	}
	if (budget > end->copy_op)
		budget = end->copy_op;
	if (budget > end->turn_left && end->last_op >= end->longest_op)
		budget = end->turn_left;
	end->last_op = len;
	if (len > end->longest_op)
		end->longest_op = len;
	return budget;
}

static inline struct record_op fill_op(const struct end *end, bool send, uint64_t off, uint32_t len,
				       uint32_t copied)
{
	bool tcp = end->about.family != FAMILY_UNIX && !end->unnumbered;

	return (struct record_op){
		.head = {.size = (uint32_t)sizeof(struct record_op) + copied,
			 .kind = RECORD_OP,
			 .flags = send ? OP_SEND | end->timed : 0},
		.cookie = end->about.cookie,
		.time_ns = send && end->left_ns ? end->left_ns : end->rig->now_ns,
		.off = off,
		.len = len,
		.turn = end->turn,
		.process_id = end->process_id,
		.tid = end->tid,
		.seq = tcp ? (send ? end->tx_seq : end->rx_seq) : 0,
		.peer_seq = tcp ? (send ? end->rx_seq : end->tx_seq + end->untold) : 0,
		.tail_off = end->tail_off,
		.tail_ns = end->tail_ns,
		.tail_direction = end->tail_direction,
		.tail_flags = end->tail_flags,
	};
}

/* One operation of len bytes. What lies beyond copyable bytes cannot be copied (sendfile). */
static inline void end_op_cut(struct end *end, bool send, const char *bytes, uint32_t len,
			      uint32_t copyable)
{
	uint64_t *off = send ? &end->tx_off : &end->rx_off;
	uint32_t *seq = send ? &end->tx_seq : &end->rx_seq;
	uint32_t turn = end->turn, copied;
	struct record_op *record;

	if (!end->announced)
		announce(end);
	end->rig->now_ns += MS;
	copied = copy_budget(end, len, send);
	copied = copied < copyable ? copied : copyable;
	if (!copied && end->about.family != FAMILY_UNIX && turn == end->turn) {
		end->tail_off = *off + len;
		end->tail_ns = end->rig->now_ns;
		end->tail_direction = send;
		end->tail_flags = send ? end->timed : 0;
	} else {
		end->turn_left -= copied < end->turn_left ? copied : end->turn_left;
		record = malloc(sizeof(*record) + copied);
		assert_non_null(record);
		*record = fill_op(end, send, *off, len, copied);
		memcpy(record + 1, bytes, copied);
		assert_true(record_valid(record, record->head.size));
		if (ring_takes(end->rig)) {
			flow__record(end->rig->flow, &record->head);
			end->tail_off = 0;
		}
		free(record);
	}
	*off += len;
	*seq += end->about.family != FAMILY_UNIX ? len : 0;
}

static inline void end_op(struct end *end, bool send, const char *bytes, uint32_t len)
{
	end_op_cut(end, send, bytes, len, len);
}

/* The call that sent it is back only now: it left when left_ns says, and was counted in untold. */
static inline void end_told(struct end *end, const char *bytes, uint32_t len)
{
	end->untold -= len;
	end_op(end, true, bytes, len);
}

static inline bool sends(const struct end *end, enum sender sender)
{
	return (end->role == ROLE_CLIENT) == (sender == FROM_CLIENT);
}

/* Bytes of the client, or of the server, pass this end in one operation. */
static inline void pass(struct end *end, enum sender sender, const char *text)
{
	end_op(end, sends(end, sender), text, (uint32_t)strlen(text));
}

/* n bytes of a body pass, in operations of at most op_sz. */
static inline void pass_body(struct end *end, enum sender sender, uint32_t n, uint32_t op_sz)
{
	char *bytes = malloc(op_sz);

	assert_non_null(bytes);
	memset(bytes, 'x', op_sz);
	for (; n; n -= n < op_sz ? n : op_sz)
		end_op(end, sends(end, sender), bytes, n < op_sz ? n : op_sz);
	free(bytes);
}

/* A whole request passes. */
static inline void ask(struct end *end, const char *text)
{
	end->rig->made++;
	pass(end, FROM_CLIENT, text);
}

static inline void answer(struct end *end, const char *text)
{
	pass(end, FROM_SERVER, text);
}

static inline void flush_tail(struct end *end)
{
	struct record_op *record = malloc(sizeof(*record));

	assert_non_null(record);
	*record = fill_op(end, false, 0, 0, 0);
	record->head.kind = RECORD_TAIL;
	record->head.flags = 0;
	record->time_ns = end->tail_ns;
	assert_true(record_valid(record, record->head.size));
	if (end->tail_off && ring_takes(end->rig)) {
		flow__record(end->rig->flow, &record->head);
		end->tail_off = 0;
	}
	free(record);
}

static inline void finish(struct end *end, enum end_reason reason, uint16_t error)
{
	struct record_end *record = malloc(sizeof(*record));

	assert_non_null(record);
	end->rig->now_ns += MS;
	*record = (struct record_end){
		.head = {.size = sizeof(*record), .kind = RECORD_END},
		.cookie = end->about.cookie,
		.time_ns = end->rig->now_ns,
		.tail_off = end->tail_off,
		.tail_ns = end->tail_ns,
		.tail_direction = end->tail_direction,
		.tail_flags = end->tail_flags,
		.rx_off = end->rx_off,
		.tx_off = end->tx_off,
		.reason = reason,
		.error = error,
		.turn = end->turn,
	};
	assert_true(record_valid(record, sizeof(*record)));
	if (end->announced && ring_takes(end->rig)) {
		flow__record(end->rig->flow, &record->head);
		end->tail_off = 0;
	}
	free(record);
}

/* --- spans ------------------------------------------------------------------------------------ */

/* The n-th span of that kind, after what is finished was emitted. */
static inline const struct seen *span_of(struct rig *rig, enum span_kind kind, uint32_t n)
{
	flow__tick(rig->flow, rig->now_ns, RIG_UNIX_OFFSET);
	for (uint32_t i = 0; i < rig->spans_cnt; i++)
		if (rig->spans[i].kind == kind && n-- == 0)
			return &rig->spans[i];
	fail_msg("there is no such span");
	return NULL;
}

/* So many spans in all, none waiting. */
static inline void check_spans(struct rig *rig, uint32_t want)
{
	rig_wait(rig, 100 * MS);
	if (rig->spans_cnt != want)
		fail_msg("%u spans, not %u", rig->spans_cnt, want);
}

static inline void check_child(const struct seen *server, const struct seen *client)
{
	assert_memory_equal(&server->trace_id, &client->trace_id, sizeof(server->trace_id));
	assert_memory_equal(&server->parent_id, &client->span_id, sizeof(server->parent_id));
	assert_string_equal(server->method, "socket");
	assert_true(client->start_ns <= server->start_ns && server->end_ns <= client->end_ns);
}

static inline void check_root(const struct seen *seen)
{
	assert_string_equal(seen->method, "none");
}

#endif

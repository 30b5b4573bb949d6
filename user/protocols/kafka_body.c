// SPDX-License-Identifier: Apache-2.0
/*
 * Bodies of Kafka's requests and responses: topics, groups, errors, records. What is told is certain:
 * a topic where there is but one, a count of messages where all batches were seen.
 */
#include "user/protocols/kafka_api.h"

/* Topics are the same whoever names them, so their ids are known to all connections. */
#define TOPICS_OWNER 0x6b61666b61u

#define BATCH_HEADER_SZ 61
#define BATCH_PREFIX_SZ 12 /* of it, what the batch's length does not count */
#define BATCH_COMPRESSED 0x07
#define BATCH_CONTROL 0x20
#define BATCH_MAGIC_AT 16
#define MAGIC 2 /* of batches; messages were lists of their own before */

/* --- what is found ---------------------------------------------------------------------------- */

/* Messages, over all batches of a request or response. */
struct tally {
	uint64_t messages_cnt;
	uint64_t lists_cnt; /* lists of batches of which each batch's header was seen */
	bool unsure;	    /* others were not */
};

/* The one topic, and its one partition, that a body is about, if it is about one. */
struct target {
	uint64_t topics_cnt, partitions_cnt;
	struct slice topic;
	int32_t partition;
};

/* The first that is one is told. */
static void note_error(struct kafka_body *body, int16_t code)
{
	if (!body->error.n)
		body->error = kafka_error(code, body->msg);
}

static void add_target(struct kafka_body *body, const struct target *target)
{
	if (target->topics_cnt != 1 || !target->topic.n)
		return;
	messaging_add_destination(&body->msg->attrs, target->topic);
	if (target->partitions_cnt == 1 && target->partition >= 0)
		messaging_add_partition(body->msg, target->partition);
}

static void note_partition(struct target *target, int32_t partition)
{
	target->partitions_cnt++;
	target->partition = partition;
}

/* --- topics ----------------------------------------------------------------------------------- */

/* The id stands before the name, for names of the memo are only as good as a hash. */
static void learn_topic(struct kafka_body *body, struct slice id, struct slice name)
{
	static const char none[KAFKA_UUID_SZ];
	char text[KAFKA_UUID_SZ + 255];

	if (id.n != KAFKA_UUID_SZ || !memcmp(id.p, none, sizeof(none)) || !name.n ||
	    name.n > sizeof(text) - KAFKA_UUID_SZ)
		return;
	memcpy(text, id.p, KAFKA_UUID_SZ);
	memcpy(text + KAFKA_UUID_SZ, name.p, name.n);
	memo__put(body->msg->memo, TOPICS_OWNER, slice_hash(id),
		  slice_of(text, KAFKA_UUID_SZ + name.n));
}

static struct slice read_topic(struct kafka_body *body, int16_t ids_from)
{
	struct slice id, known;

	if (body->version < ids_from)
		return wire_string(&body->w);
	id = wire_take(&body->w, KAFKA_UUID_SZ);
	if (!id.n || !memo__get(body->msg->memo, TOPICS_OWNER, slice_hash(id), &known) ||
	    !slice_starts_with(known, id))
		return SLICE("");
	return slice_after(known, KAFKA_UUID_SZ);
}

/* --- records ---------------------------------------------------------------------------------- */

/* A length, or -1 for null, as records have it, and so many bytes. */
static struct slice record_field(struct wire *w)
{
	int64_t n = wire_varint(w);

	return wire_take(w, n > 0 ? (uint64_t)n : 0);
}

/* Of several states, that of the first message with a parent is kept: where it is alone, it counts. */
static void read_record(struct wire w, struct msg *msg)
{
	struct trace_headers trace = {.seen = 0};
	struct trace_parent from;
	struct slice state;

	wire_i8(&w);	 /* attributes */
	wire_varint(&w); /* timestampDelta */
	wire_varint(&w); /* offsetDelta */
	record_field(&w);
	record_field(&w);
	for (int64_t cnt = wire_varint(&w); cnt > 0 && !w.cut; cnt--) {
		struct slice key = record_field(&w), value = record_field(&w);

		if (w.cut)
			break;
		trace_headers__take(&trace, key, value);
	}
	from = trace_headers__read(&trace, &state);
	if (from.format && !msg->links_cnt)
		msg->tracestate = state;
	msg_link(msg, from);
}

static void read_records(struct slice visible, struct msg *msg)
{
	struct wire w = {.rest = visible};

	while (w.rest.n && msg->links_cnt < MSG_LINKS_MAX) {
		int64_t n = wire_varint(&w);
		struct slice rest = w.rest;

		if (w.cut || n <= 0)
			return;
		read_record((struct wire){.rest = slice_first(rest, (size_t)n)}, msg);
		wire_skip(&w, (uint64_t)n);
	}
}

/* One batch of sz bytes, of which so many are visible, header included. */
static void read_batch(struct slice visible, uint64_t sz, struct msg *msg, struct tally *tally)
{
	struct wire w = {.rest = slice_after(visible, 21)};
	int16_t attributes = wire_i16(&w);
	int32_t records_cnt;

	wire_skip(&w, 34); /* offsets, times, producer */
	records_cnt = wire_i32(&w);
	if (records_cnt < 0 || attributes & BATCH_CONTROL)
		return;
	tally->messages_cnt += (uint64_t)records_cnt;
	if (!(attributes & BATCH_COMPRESSED))
		read_records(slice_first(slice_after(visible, BATCH_HEADER_SZ),
					 (size_t)sz - BATCH_HEADER_SZ),
			     msg);
}

/* The batches in a field of sz bytes, of which as many are visible as were copied. */
static void read_batches(struct kafka_body *body, struct tally *tally)
{
	uint64_t left = wire_length(&body->w);
	struct slice visible = slice_first(body->w.rest, (size_t)left);

	wire_skip(&body->w, left);
	while (left >= BATCH_MAGIC_AT + 1) {
		struct wire w = {.rest = slice_after(visible, 8)};
		uint64_t sz = (uint64_t)(uint32_t)wire_i32(&w) + BATCH_PREFIX_SZ;

		wire_skip(&w, 4);
		if (visible.n <= BATCH_MAGIC_AT || wire_i8(&w) != MAGIC || sz < BATCH_HEADER_SZ) {
			tally->unsure = true;
			return;
		}
		if (sz > left) /* the broker cut it: no client reads it */
			break;
		if (visible.n < BATCH_HEADER_SZ) {
			tally->unsure = true;
			return;
		}
		read_batch(visible, sz, body->msg, tally);
		visible = slice_after(visible, (size_t)sz);
		left -= sz;
	}
	tally->lists_cnt++;
}

/* If the bytes ended before the body did, that is because of the one list's records. */
static bool is_certain(const struct kafka_body *body, const struct target *target,
		       const struct tally *tally)
{
	bool one = target->topics_cnt == 1 && target->partitions_cnt == 1 && tally->lists_cnt == 1;

	return !tally->unsure && (!body->w.cut || one);
}

/* --- Produce ---------------------------------------------------------------------------------- */

static void read_produce_topic(struct kafka_body *body, struct target *target, struct tally *tally)
{
	struct wire *w = &body->w;

	target->topic = read_topic(body, 13);
	for (uint64_t cnt = wire_length(w); cnt && !w->cut; cnt--) {
		note_partition(target, wire_i32(w));
		if (!w->cut)
			read_batches(body, tally);
		wire_tags(w);
	}
}

/* A message alone has a parent; messages of several parents have links. */
static void adopt_parent(struct msg *msg)
{
	if (msg->links_cnt != 1)
		return;
	msg->parent = msg->links[0];
	msg->links_cnt = 0;
}

void kafka_read_produce(struct kafka_body *body)
{
	struct target target = {0};
	struct tally tally = {0};
	struct wire *w = &body->w;
	int16_t acks;

	if (body->version >= 3)
		wire_string(w); /* transactional_id */
	acks = wire_i16(w);
	body->oneway = acks == 0 && !w->cut;
	wire_i32(w); /* timeout_ms */
	target.topics_cnt = wire_length(w);
	for (uint64_t cnt = target.topics_cnt; cnt && !w->cut; cnt--) {
		read_produce_topic(body, &target, &tally);
		wire_tags(w);
	}
	add_target(body, &target);
	if (is_certain(body, &target, &tally)) {
		messaging_add_batch_count(&body->msg->attrs, tally.messages_cnt);
		if (tally.messages_cnt == 1)
			adopt_parent(body->msg);
	}
	if (!body->msg->parent.format)
		body->msg->tracestate = SLICE("");
}

static void read_produced_partition(struct kafka_body *body)
{
	struct wire *w = &body->w;

	wire_i32(w);
	note_error(body, wire_i16(w));
	wire_skip(w, 8); /* base_offset */
	if (body->version >= 2)
		wire_skip(w, 8); /* log_append_time_ms */
	if (body->version >= 5)
		wire_skip(w, 8); /* log_start_offset */
	if (body->version >= 8) {
		for (uint64_t cnt = wire_length(w); cnt && !w->cut; cnt--) {
			wire_i32(w);
			wire_string(w);
			wire_tags(w);
		}
		wire_string(w); /* error_message */
	}
	wire_tags(w);
}

void kafka_read_produced(struct kafka_body *body)
{
	struct wire *w = &body->w;

	for (uint64_t topics_cnt = wire_length(w); topics_cnt && !w->cut; topics_cnt--) {
		read_topic(body, 13);
		for (uint64_t cnt = wire_length(w); cnt && !w->cut; cnt--)
			read_produced_partition(body);
		wire_tags(w);
	}
}

/* --- Fetch ------------------------------------------------------------------------------------ */

static void read_fetch_topic(struct kafka_body *body, struct target *target)
{
	struct wire *w = &body->w;

	target->topic = read_topic(body, 13);
	for (uint64_t cnt = wire_length(w); cnt && !w->cut; cnt--) {
		note_partition(target, wire_i32(w));
		wire_skip(w, 8 + 4); /* fetch_offset, partition_max_bytes */
		if (body->version >= 5)
			wire_skip(w, 8); /* log_start_offset */
		if (body->version >= 9)
			wire_skip(w, 4); /* current_leader_epoch */
		if (body->version >= 12)
			wire_skip(w, 4); /* last_fetched_epoch */
		wire_tags(w);
	}
	wire_tags(w);
}

void kafka_read_fetch(struct kafka_body *body)
{
	struct target target = {0};
	struct wire *w = &body->w;

	if (body->version < 15)
		wire_skip(w, 4); /* replica_id */
	wire_skip(w, 4 + 4);	 /* max_wait_ms, min_bytes */
	if (body->version >= 3)
		wire_skip(w, 4); /* max_bytes */
	if (body->version >= 4)
		wire_skip(w, 1); /* isolation_level */
	if (body->version >= 7)
		wire_skip(w, 4 + 4); /* session_id, session_epoch */
	target.topics_cnt = wire_length(w);
	for (uint64_t cnt = target.topics_cnt; cnt && !w->cut; cnt--)
		read_fetch_topic(body, &target);
	add_target(body, &target);
}

static void read_fetched_partition(struct kafka_body *body, struct target *target,
				   struct tally *tally)
{
	struct wire *w = &body->w;

	note_partition(target, wire_i32(w));
	note_error(body, wire_i16(w));
	wire_skip(w, 8); /* high_watermark */
	if (body->version >= 4)
		wire_skip(w, 8); /* last_stable_offset */
	if (body->version >= 5)
		wire_skip(w, 8); /* log_start_offset */
	if (body->version >= 4) {
		for (uint64_t cnt = wire_length(w); cnt && !w->cut; cnt--) {
			wire_skip(w, 8 + 8); /* an aborted transaction */
			wire_tags(w);
		}
	}
	if (body->version >= 11)
		wire_skip(w, 4); /* preferred_read_replica */
	if (!w->cut)
		read_batches(body, tally);
	wire_tags(w);
}

void kafka_read_fetched(struct kafka_body *body)
{
	struct target target = {0};
	struct tally tally = {0};
	struct wire *w = &body->w;

	if (body->version >= 7) {
		note_error(body, wire_i16(w));
		wire_skip(w, 4); /* session_id */
	}
	target.topics_cnt = wire_length(w);
	for (uint64_t topics_cnt = target.topics_cnt; topics_cnt && !w->cut; topics_cnt--) {
		target.topic = read_topic(body, 13);
		for (uint64_t cnt = wire_length(w); cnt && !w->cut; cnt--)
			read_fetched_partition(body, &target, &tally);
		wire_tags(w);
	}
	add_target(body, &target);
	if (is_certain(body, &target, &tally))
		messaging_add_batch_count(&body->msg->attrs, tally.messages_cnt);
	body->msg->tracestate = SLICE("");
}

/* --- groups and offsets ----------------------------------------------------------------------- */

void kafka_read_group(struct kafka_body *body)
{
	messaging_add_consumer_group(&body->msg->attrs, wire_string(&body->w));
}

void kafka_read_txn_group(struct kafka_body *body)
{
	wire_string(&body->w); /* transactional_id */
	kafka_read_group(body);
}

void kafka_read_commit(struct kafka_body *body)
{
	struct target target = {0};
	struct wire *w = &body->w;

	kafka_read_group(body);
	if (body->version >= 1) {
		wire_skip(w, 4); /* generation */
		wire_string(w);	 /* member */
	}
	if (body->version >= 7)
		wire_string(w); /* group_instance_id */
	if (body->version >= 2 && body->version <= 4)
		wire_skip(w, 8); /* retention_time_ms */
	target.topics_cnt = wire_length(w);
	target.topic = read_topic(body, 10);
	target.partitions_cnt = wire_length(w);
	target.partition = wire_i32(w);
	if (!w->cut)
		add_target(body, &target);
}

/* From version 8 on, offsets of several groups may be asked for. */
void kafka_read_offset_fetch(struct kafka_body *body)
{
	if (body->version < 8 || wire_length(&body->w) == 1)
		kafka_read_group(body);
}

void kafka_read_offsets_wanted(struct kafka_body *body)
{
	struct target target = {0};
	struct wire *w = &body->w;

	wire_skip(w, 4); /* replica_id */
	if (body->version >= 2)
		wire_skip(w, 1); /* isolation_level */
	target.topics_cnt = wire_length(w);
	target.topic = read_topic(body, KAFKA_NEVER);
	target.partitions_cnt = wire_length(w);
	target.partition = wire_i32(w);
	if (!w->cut)
		add_target(body, &target);
}

/* --- Metadata: what topic ids stand for ------------------------------------------------------- */

static void skip_brokers(struct kafka_body *body)
{
	struct wire *w = &body->w;

	for (uint64_t cnt = wire_length(w); cnt && !w->cut; cnt--) {
		wire_i32(w);
		wire_string(w); /* host */
		wire_i32(w);
		if (body->version >= 1)
			wire_string(w); /* rack */
		wire_tags(w);
	}
}

static void skip_metadata_partitions(struct kafka_body *body)
{
	struct wire *w = &body->w;
	unsigned int lists_cnt = body->version >= 5 ? 3 : 2; /* replicas, in sync, offline */

	for (uint64_t cnt = wire_length(w); cnt && !w->cut; cnt--) {
		wire_skip(w, 2 + 4 + 4); /* error, index, leader */
		if (body->version >= 7)
			wire_skip(w, 4); /* leader_epoch */
		for (unsigned int i = 0; i < lists_cnt; i++)
			wire_skip(w, 4 * wire_length(w));
		wire_tags(w);
	}
}

static void read_metadata_topic(struct kafka_body *body)
{
	struct wire *w = &body->w;
	struct slice name;

	note_error(body, wire_i16(w));
	name = wire_string(w);
	if (body->version >= 10)
		learn_topic(body, wire_take(w, KAFKA_UUID_SZ), name);
	if (body->version >= 1)
		wire_skip(w, 1); /* is_internal */
	skip_metadata_partitions(body);
	if (body->version >= 8)
		wire_skip(w, 4); /* authorized operations */
	wire_tags(w);
}

void kafka_read_metadata(struct kafka_body *body)
{
	struct wire *w = &body->w;

	skip_brokers(body);
	if (body->version >= 2)
		wire_string(w); /* cluster_id */
	if (body->version >= 1)
		wire_i32(w); /* controller_id */
	for (uint64_t cnt = wire_length(w); cnt && !w->cut; cnt--)
		read_metadata_topic(body);
}

/* --- errors of other responses ---------------------------------------------------------------- */

void kafka_read_error(struct kafka_body *body)
{
	note_error(body, wire_i16(&body->w));
}

/* Of the first of a list of results. */
void kafka_read_first_error(struct kafka_body *body)
{
	if (wire_length(&body->w))
		note_error(body, wire_i16(&body->w));
}

void kafka_read_named_error(struct kafka_body *body)
{
	if (!wire_length(&body->w))
		return;
	wire_string(&body->w);
	note_error(body, wire_i16(&body->w));
}

static void read_topic_error(struct kafka_body *body, int16_t ids_from)
{
	struct slice name;

	if (!wire_length(&body->w))
		return;
	name = wire_string(&body->w);
	if (body->version >= ids_from)
		learn_topic(body, wire_take(&body->w, KAFKA_UUID_SZ), name);
	note_error(body, wire_i16(&body->w));
}

void kafka_read_created(struct kafka_body *body)
{
	read_topic_error(body, 7);
}

void kafka_read_deleted(struct kafka_body *body)
{
	read_topic_error(body, 6);
}

void kafka_read_coordinator(struct kafka_body *body)
{
	struct wire *w = &body->w;

	if (body->version >= 4) { /* of the first one */
		if (!wire_length(w))
			return;
		wire_string(w); /* key */
		wire_i32(w);
		wire_string(w); /* host */
		wire_i32(w);
	}
	note_error(body, wire_i16(w));
}

/* Lists of topics with lists of partitions, each with its error and so many bytes after it. */
static void read_partition_errors(struct kafka_body *body, int16_t ids_from, uint64_t tail_sz)
{
	struct wire *w = &body->w;

	for (uint64_t topics_cnt = wire_length(w); topics_cnt && !w->cut; topics_cnt--) {
		read_topic(body, ids_from);
		for (uint64_t cnt = wire_length(w); cnt && !w->cut; cnt--) {
			wire_i32(w);
			note_error(body, wire_i16(w));
			wire_skip(w, tail_sz);
			wire_tags(w);
		}
		wire_tags(w);
	}
}

void kafka_read_committed(struct kafka_body *body)
{
	read_partition_errors(body, 10, 0);
}

void kafka_read_partition_errors(struct kafka_body *body)
{
	read_partition_errors(body, KAFKA_NEVER, 0);
}

void kafka_read_offset_errors(struct kafka_body *body)
{
	if (body->version > 0) /* version 0 is of another form */
		read_partition_errors(body, KAFKA_NEVER, body->version >= 4 ? 20 : 16);
}

static void read_fetched_offsets(struct kafka_body *body)
{
	struct wire *w = &body->w;

	for (uint64_t topics_cnt = wire_length(w); topics_cnt && !w->cut; topics_cnt--) {
		read_topic(body, 10);
		for (uint64_t cnt = wire_length(w); cnt && !w->cut; cnt--) {
			wire_skip(w, 4 + 8 + (body->version >= 5 ? 4 : 0));
			wire_string(w); /* metadata */
			note_error(body, wire_i16(w));
			wire_tags(w);
		}
		wire_tags(w);
	}
	if (body->version >= 2)
		note_error(body, wire_i16(w));
}

void kafka_read_offset_fetched(struct kafka_body *body)
{
	struct wire *w = &body->w;

	if (body->version < 8) {
		read_fetched_offsets(body);
		return;
	}
	for (uint64_t cnt = wire_length(w); cnt && !w->cut; cnt--) {
		wire_string(w); /* group */
		read_fetched_offsets(body);
		wire_tags(w);
	}
}

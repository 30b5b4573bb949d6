/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kafka's calls: their names, how their versions are encoded, and what can be told of requests and
 * responses. After the message definitions of Kafka 4.1 (clients/src/main/resources/common/message).
 */
#ifndef SONDE_PROTOCOLS_KAFKA_API_H
#define SONDE_PROTOCOLS_KAFKA_API_H

#include "user/protocols/kafka_wire.h"
#include "user/protocols/messaging_semconv.h"

#define KAFKA_NEVER INT8_MAX

enum kafka_key {
	KAFKA_PRODUCE = 0,
	KAFKA_FETCH = 1,
	KAFKA_METADATA = 3,
	KAFKA_CONTROLLED_SHUTDOWN = 7,
	KAFKA_API_VERSIONS = 18,
};

/* A request or response under the hand: bytes after the header, as far as they were copied. */
struct kafka_body {
	struct wire w;
	int16_t version;
	struct msg *msg;
	struct slice error; /* static, or in the message's room */
	bool oneway;	    /* a request that nobody answers */
};

struct kafka_api {
	struct slice name;
	struct slice operation; /* if clients call it by another name */
	enum messaging_type type;
	int8_t flexible_from;
	int8_t throttled_from; /* responses begin with throttle_time_ms */
	int8_t known_to;       /* bodies of later versions are not looked at */
	/* Add what they find to body->msg. NULL: nothing of interest. */
	void (*read_request)(struct kafka_body *body);
	void (*read_response)(struct kafka_body *body);
};

/* NULL if there is no such call (yet). */
const struct kafka_api *kafka_api(int16_t key);
/* The name of an error, "" for none, or its number, in the message's room. */
struct slice kafka_error(int16_t code, struct msg *msg);

void kafka_read_produce(struct kafka_body *body);
void kafka_read_produced(struct kafka_body *body);
void kafka_read_fetch(struct kafka_body *body);
void kafka_read_fetched(struct kafka_body *body);
void kafka_read_commit(struct kafka_body *body);
void kafka_read_offset_fetch(struct kafka_body *body);
void kafka_read_offset_fetched(struct kafka_body *body);
void kafka_read_offsets_wanted(struct kafka_body *body);
void kafka_read_metadata(struct kafka_body *body);
/* Requests that begin with the group; those that have the transactional id before it. */
void kafka_read_group(struct kafka_body *body);
void kafka_read_txn_group(struct kafka_body *body);
/* Responses whose first field is the error; those with errors of partitions; of the first result. */
void kafka_read_error(struct kafka_body *body);
void kafka_read_committed(struct kafka_body *body);
void kafka_read_partition_errors(struct kafka_body *body);
void kafka_read_offset_errors(struct kafka_body *body);
void kafka_read_first_error(struct kafka_body *body);
void kafka_read_named_error(struct kafka_body *body);
void kafka_read_created(struct kafka_body *body);
void kafka_read_deleted(struct kafka_body *body);
void kafka_read_coordinator(struct kafka_body *body);

#endif

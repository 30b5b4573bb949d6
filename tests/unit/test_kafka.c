// SPDX-License-Identifier: Apache-2.0
/* Kafka: conversations of several versions, their spans, joins, cuts and hostile bytes. */
#include "tests/unit/protocol_rig.h"

#include <endian.h>

#define LEN(array) (sizeof(array) / sizeof(*(array)))
#define PARENT_1 "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
#define PARENT_2 "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01"
#define ORDERS_ID 0x1122334455667788
#define OP(name) " messaging.system=kafka messaging.operation.name=" name
#define TYPE(type) " messaging.operation.type=" type
#define ID " messaging.client.id=test"
#define TO(topic) " messaging.destination.name=" topic
#define PART(n) " messaging.destination.partition.id=" #n
#define CNT(n) " messaging.batch.message_count=" #n
#define GROUP(name) " messaging.consumer.group.name=" name
#define ERROR(name) " error.type=" name
#define SEND OP("send") TYPE("send") ID
#define POLL OP("poll") TYPE("receive") ID
#define BROKER " server.address=192.0.2.2 server.port=7777"
#define AT_CLIENT \
	BROKER " network.peer.address=192.0.2.2 network.peer.port=7777 network.transport=tcp"
#define AT_SERVER \
	BROKER " network.peer.address=192.0.2.1 network.peer.port=40000 network.transport=tcp"

/* --- bytes ------------------------------------------------------------------------------------ */

static char pool[1 << 20];
static size_t pool_len;

static void put(const void *p, size_t n)
{
	assert_true(pool_len + n <= sizeof(pool));
	if (n)
		memcpy(pool + pool_len, p, n);
	pool_len += n;
}

static void put_be(uint64_t v, size_t n)
{
	v = htobe64(v);
	put((const char *)&v + 8 - n, n);
}

static void put_uvarint(uint64_t v)
{
	for (; v > 0x7f; v >>= 7)
		put_be((v & 0x7f) | 0x80, 1);
	put_be(v, 1);
}

static void put_varint(int64_t v)
{
	put_uvarint((uint64_t)v << 1 ^ (v < 0 ? UINT64_MAX : 0));
}

/*
 * Fields in a row. Numbers: b h i q of 1, 2, 4 and 8 bytes, u unsigned and v signed of 7 bits a byte.
 * Texts: s with a length of 2 bytes, c compact, z as in records. Slices: R as it is, I with a length
 * of 4 bytes, C compact, Z as in records.
 */
static struct slice pack(const char *format, ...)
{
	size_t start = pool_len;
	struct slice s = SLICE("");
	va_list args;

	va_start(args, format);
	for (const char *f = format; *f; f++) {
		if (strchr("sczRICZ", *f))
			s = *f < 'a' ? va_arg(args, struct slice)
				     : slice_str(va_arg(args, const char *));
		else if (*f == 'q')
			put_be(va_arg(args, uint64_t), 8);
		else if (*f == 'u' || *f == 'v')
			(*f == 'u' ? (void)put_uvarint((uint64_t)va_arg(args, int))
				   : put_varint(va_arg(args, int)));
		else
			put_be((uint64_t)va_arg(args, int), *f == 'b' ? 1 : *f == 'h' ? 2 : 4);
		if (*f == 's')
			put_be(s.n, 2);
		else if (*f == 'I')
			put_be(s.n, 4);
		else if (*f == 'c' || *f == 'C')
			put_uvarint(s.n + 1);
		else if (*f == 'z' || *f == 'Z')
			put_varint((int64_t)s.n);
		if (strchr("sczRICZ", *f))
			put(s.p, s.n);
	}
	va_end(args);
	return slice_of(pool + start, pool_len - start);
}

/* A request, and a response, after the size; the header's tagged fields are the body's business. */
static struct turn ask(int key, int version, int id, struct slice body)
{
	struct slice frame = pack("hhisR", key, version, id, "test", body);

	return (struct turn){.sender = FROM_CLIENT, .bytes = pack("I", frame)};
}

static struct turn answer(int id, struct slice body)
{
	struct slice frame = pack("iR", id, body);

	return (struct turn){.sender = FROM_SERVER, .bytes = pack("I", frame)};
}

static struct turn cut(struct turn turn, size_t n)
{
	turn.unseen = (uint32_t)(turn.bytes.n - n);
	turn.bytes.n = n;
	turn.cut = true;
	return turn;
}

static struct slice record(int delta, const char *value, const char *traceparent)
{
	struct slice headers = pack("v", 0), body;

	if (traceparent)
		headers = pack("vzzzzzz", 3, "other", "x", "traceparent", traceparent, "tracestate",
			       "a=b");
	body = pack("bvvvzR", 0, delta, delta, -1, value, headers);
	return pack("Z", body);
}

static struct slice batch(int attributes, int cnt, struct slice records)
{
	return pack("qiibihiqqqhiiR", 0ull, 49 + (int)records.n, -1, 2, 0, attributes, cnt - 1,
		    1ull, 2ull, -1ull, -1, -1, cnt, records);
}

static struct slice one(const char *traceparent)
{
	return batch(0, 1, record(0, "value", traceparent));
}

static struct slice two(void)
{
	struct slice first = record(0, "v1", PARENT_1), second = record(1, "v2", PARENT_2);

	return batch(0, 2, pack("RR", first, second));
}

/* Produce to one partition of one topic, by name: versions 3 to 8, and 9 to 12. */
static struct slice produce(int acks, const char *topic, int partition, struct slice records)
{
	return pack("hhiisiiI", -1, acks, 30000, 1, topic, 1, partition, records);
}

static struct slice produce_compact(const char *topic, int partition, struct slice records)
{
	return pack("bchiucuiCbbb", 0, "", -1, 30000, 2, topic, 2, partition, records, 0, 0, 0);
}

/* The response to it, versions 5 to 7, and 9. */
static struct slice produced(const char *topic, int partition, int error)
{
	return pack("isiihqqqi", 1, topic, 1, partition, error, 7ull, -1ull, 0ull, 0);
}

static struct slice produced_compact(const char *topic, int partition, int error)
{
	return pack("bucuihqqqubbbib", 0, 2, topic, 2, partition, error, 7ull, -1ull, 0ull, 1, 0, 0,
		    0, 0, 0);
}

/* Fetch, version 4: two partitions wanted of each topic. */
static struct slice fetch_topic(const char *topic)
{
	return pack("siiqiiqi", topic, 2, 0, 0ull, 1048576, 1, 0ull, 1048576);
}

static struct slice fetch(int topics_cnt, struct slice topics)
{
	return pack("iiiibiR", -1, 500, 1, 52428800, 0, topics_cnt, topics);
}

static struct slice fetched_partition(int partition, int error, struct slice records)
{
	return pack("ihqqiI", partition, error, 9ull, 9ull, -1, records);
}

/* Version 13: topics by id, a session, tagged fields. */
static struct slice fetch_by_id(uint64_t id)
{
	return pack("biiiibiiuqquiiqiqibbbbb", 0, -1, 500, 1, 52428800, 0, 0, 0, 2, id, id, 2, 3,
		    -1, 0ull, -1, 0ull, 1048576, 0, 0, 1, 1, 0);
}

static struct slice fetched_by_id(uint64_t id, struct slice records)
{
	return pack("bihiuqquihqqquiCbbb", 0, 0, 0, 77, 2, id, id, 2, 3, 0, 9ull, 9ull, 0ull, 0, -1,
		    records, 0, 0, 0);
}

/* Version 12: one broker; one topic of one partition. */
static struct slice metadata(uint64_t id, const char *topic)
{
	return pack("biuicibbciuhcqqbuhiiiuiuiubibb", 0, 0, 2, 1, "localhost", 9092, 0, 0,
		    "cluster", 1, 2, 0, topic, id, id, 0, 2, 0, 3, 1, 0, 2, 1, 2, 1, 1, 0,
		    -2147483647, 0, 0);
}

/* --- conversations ---------------------------------------------------------------------------- */

static void test_send(void **state)
{
	struct slice big = record(0, "x", PARENT_1);
	static const char large[5000];
	struct slice huge = batch(0, 1, pack("RR", big, slice_of(large, sizeof(large))));
	struct slice twice = pack("RR", two(), two());
	struct slice old = pack("qibR", 0ull, 20, 0, SLICE("01234567890123456789012345"));
	const struct conversation cases[] = {
		{.name = "a message with a parent",
		 .turns = {ask(0, 7, 1, produce(-1, "orders", 3, one(PARENT_1))),
			   answer(1, produced("orders", 3, 0))},
		 .transcript = "> request id=2 traceparent=" PARENT_1 " tracestate=a=b" SEND TO(
			 "orders") PART(3) CNT(1) "\n"
						  "< response id=2\n",
		 .spans = "send orders producer" OP("send") ID TO("orders") PART(3) CNT(1)
			 TYPE("send") AT_CLIENT "\n"},
		{.name = "at the broker, an error",
		 .turns = {ask(0, 7, 2, produce(1, "orders", 3, one(NULL))),
			   answer(2, produced("orders", 3, 6))},
		 .spans = "send orders server error" OP("send") ID TO("orders") PART(3) CNT(1)
			 TYPE("send") AT_SERVER ERROR("NOT_LEADER_OR_FOLLOWER") "\n",
		 .side = SIDE_SERVER},
		{.name = "nobody answers",
		 .turns = {ask(0, 7, 3, produce(0, "orders", 0, two())),
			   ask(0, 7, 4, produce(-1, "orders", 0, two())),
			   answer(4, produced("orders", 0, 0))},
		 .transcript = "> oneway id=4 link=" PARENT_1 " link=" PARENT_2 SEND TO("orders")
			 PART(0) CNT(2) "\n"
					"> request id=5 link=" PARENT_1 " link=" PARENT_2 SEND TO(
						"orders") PART(0) CNT(2) "\n"
									 "< response id=5\n",
		 .spans = "send orders producer" OP("send") ID TO("orders") PART(0) CNT(2)
			 TYPE("send") AT_CLIENT "\n"
						"send orders producer" OP("send") ID TO("orders")
							PART(0) CNT(2) TYPE("send") AT_CLIENT "\n"},
		{.name = "compact, several under way",
		 .turns = {ask(0, 9, 5, produce_compact("orders", 0, two())),
			   ask(0, 9, 6, produce_compact("orders", 1, batch(1, 5, SLICE("zip")))),
			   answer(5, produced_compact("orders", 0, 0)),
			   answer(6, produced_compact("orders", 1, 10))},
		 .transcript = "> request id=6 link=" PARENT_1 " link=" PARENT_2 SEND TO("orders")
			 PART(0) CNT(2) "\n"
					"> request id=7" SEND TO("orders") PART(1)
						CNT(5) "\n"
						       "< response id=6\n"
						       "< response id=7" ERROR(
							       "MESSAGE_TOO_LARGE") "\n",
		 .spans = "send orders producer" OP("send") ID TO("orders") PART(0) CNT(2)
			 TYPE("send") AT_CLIENT
		 "\n"
		 "send orders producer error" OP("send") ID TO("orders") PART(1) CNT(5) TYPE("send")
			 AT_CLIENT ERROR("MESSAGE_TOO_LARGE") "\n"},
		{.name = "several batches; two topics; messages of old",
		 .turns = {ask(0, 3, 1, produce(-1, "orders", 0, twice)),
			   ask(0, 3, 2,
			       pack("hhiisiiIsiiI", -1, -1, 9, 2, "a", 1, 0, one(PARENT_1), "b", 1,
				    0, two())),
			   ask(0, 3, 3, produce(-1, "orders", 0, old))},
		 .transcript =
			 "> request id=2 link=" PARENT_1 " link=" PARENT_2 " link=" PARENT_1
			 " link=" PARENT_2 SEND TO("orders") PART(0) CNT(
				 4) "\n"
				    "> request id=3 link=" PARENT_1 " link=" PARENT_1
				    " link=" PARENT_2 SEND CNT(3) "\n"
								  "> request id=4" SEND TO("orders")
									  PART(0) "\n"},
		{.name = "cut, one large batch",
		 .turns = {cut(ask(0, 7, 1, produce(-1, "orders", 3, huge)), 4096),
			   answer(1, produced("orders", 3, 0))},
		 .transcript =
			 "> request id=2 skip=1115 traceparent=" PARENT_1
			 " tracestate=a=b" SEND TO("orders") PART(3) CNT(1) "\n"
									    "< response id=2\n",
		 .spans = "send orders producer" OP("send") ID TO("orders") PART(3) CNT(1)
			 TYPE("send") AT_CLIENT "\n"},
		{.name = "cut within the header of a batch",
		 .turns = {cut(ask(0, 7, 1, produce(-1, "orders", 3, huge)), 80),
			   answer(1, produced("orders", 3, 0))},
		 .transcript =
			 "> request id=2 skip=5131" SEND TO("orders") PART(3) "\n"
									      "< response id=2\n"},
	};

	(void)state;
	rig_run(rig_protocol("kafka"), cases, LEN(cases));
}

static void test_poll(void **state)
{
	struct slice half = slice_first(two(), 100), both = pack("RR", one(PARENT_1), half);
	struct slice marker = batch(0x20, 1, record(0, "", NULL));
	struct slice topics = pack("RR", fetch_topic("orders"), fetch_topic("bills"));
	struct slice empty = SLICE("");
	const struct conversation cases[] = {
		{.name = "poll",
		 .turns = {ask(1, 4, 1, fetch(1, fetch_topic("orders"))),
			   answer(1,
				  pack("iisiRR", 0, 1, "orders", 2, fetched_partition(0, 0, both),
				       fetched_partition(1, 0, marker)))},
		 .transcript = "> request id=2" POLL TO(
			 "orders") "\n"
				   "< response id=2 link=" PARENT_1 TO("orders") CNT(1) "\n",
		 .spans = "poll orders client" OP("poll") ID TO("orders") CNT(1) TYPE("receive")
			 AT_CLIENT "\n"},
		{.name = "poll of two topics, one has something, one an error",
		 .turns = {ask(1, 4, 2, fetch(2, topics)),
			   answer(2, pack("iisiRsiR", 0, 2, "orders", 1,
					  fetched_partition(0, 0, two()), "bills", 1,
					  fetched_partition(0, 1, empty)))},
		 .spans = "poll server error" OP("poll") ID CNT(2) TYPE("receive")
			 AT_SERVER ERROR("OFFSET_OUT_OF_RANGE") "\n",
		 .side = SIDE_SERVER},
		{.name = "topic ids",
		 .turns = {ask(3, 12, 1, pack("buqqcbbbb", 0, 2, 0ull, 0ull, "orders", 0, 1, 0, 0)),
			   answer(1, metadata(ORDERS_ID, "orders")),
			   ask(1, 13, 2, fetch_by_id(ORDERS_ID)),
			   answer(2, fetched_by_id(ORDERS_ID, two())),
			   ask(1, 13, 3, fetch_by_id(ORDERS_ID + 1)),
			   answer(3, fetched_by_id(ORDERS_ID + 1, empty))},
		 .transcript = "> request id=2" OP("Metadata") ID
		 "\n"
		 "< response id=2\n"
		 "> request id=3" POLL TO("orders")
			 PART(3) "\n"
				 "< response id=3 link=" PARENT_1 " link=" PARENT_2 TO("orders")
					 PART(3) CNT(2) "\n"
							"> request id=4" POLL "\n"
							"< response id=4" CNT(0) "\n",
		 .spans = "Metadata client" OP("Metadata") ID AT_CLIENT
		 "\n"
		 "poll orders client" OP("poll") ID TO("orders") PART(3) CNT(2) TYPE("receive")
			 AT_CLIENT "\n"
				   "poll client" OP("poll") ID CNT(0) TYPE("receive") AT_CLIENT
		 "\n"},
		{.name = "nothing new in a session",
		 .turns = {ask(1, 12, 8,
			       pack("biiiibiiubcb", 0, -1, 500, 1, 1, 0, 5, 6, 1, 1, "", 0)),
			   answer(8, pack("bihiub", 0, 0, 0, 5, 1, 0))},
		 .transcript = "> request id=9" POLL "\n"
			       "< response id=9" CNT(0) "\n",
		 .spans = "poll client" OP("poll") ID CNT(0) TYPE("receive") AT_CLIENT "\n"},
	};

	(void)state;
	rig_run(rig_protocol("kafka"), cases, LEN(cases));
}

static void test_group(void **state)
{
	struct slice commit = pack("bcicbucuiqicbbb", 0, "workers", 4, "member", 0, 2, "orders", 2,
				   5, 42ull, -1, "", 0, 0, 0);
	const struct conversation cases[] = {
		{.name = "versions; the answer's header is never flexible",
		 .turns = {ask(18, 4, 1, pack("bccb", 0, "librdkafka", "2.0", 0)),
			   answer(1, pack("hub", 35, 1, 0))},
		 .transcript = "> request id=2" OP("ApiVersions") ID
		 "\n"
		 "< response id=2" ERROR("UNSUPPORTED_VERSION") "\n",
		 .spans = "ApiVersions client error" OP("ApiVersions")
			 ID AT_CLIENT ERROR("UNSUPPORTED_VERSION") "\n"},
		{.name = "a group",
		 .turns = {ask(10, 4, 1, pack("bbucb", 0, 0, 2, "workers", 0)),
			   answer(1, pack("biucicihbbb", 0, 0, 2, "workers", 1, "localhost", 9092,
					  15, 0, 0, 0)),
			   ask(11, 5, 2,
			       pack("siishsi", "workers", 30000, 60000, "", -1, "consumer", 0)),
			   answer(2, pack("ihisssi", 0, 79, -1, "", "", "member", 0)),
			   ask(12, 3, 3, pack("sish", "workers", 1, "member", -1)),
			   answer(3, pack("ih", 0, 27)), ask(8, 8, 4, commit),
			   answer(4, pack("biucuihbbb", 0, 0, 2, "orders", 2, 5, 0, 0, 0, 0)),
			   ask(9, 8, 5,
			       pack("bucucuibbb", 0, 2, "workers", 2, "orders", 2, 0, 0, 0, 0)),
			   answer(5, pack("biucucuiqichbbhbb", 0, 0, 2, "workers", 2, "orders", 2,
					  5, 42ull, -1, "", 0, 0, 0, 14, 0, 0))},
		 .transcript = "> request id=2" OP("FindCoordinator") ID
		 "\n"
		 "< response id=2" ERROR(
			 "COORDINATOR_NOT_AVAILABLE") "\n"
						      "> request id=3" OP("JoinGroup") ID GROUP(
							      "workers") "\n"
									 "< response id=3\n"
									 "> request id=4" OP("Heartbeat") ID GROUP(
										 "workers") "\n"
											    "< response id=4" ERROR(
												    "REBALANCE_IN_PROGRESS") "\n"
															     "> request id=5" OP("commit") TYPE(
																     "settle") ID GROUP("workers")
																     TO("orders") PART(
																	     5) "\n"
																		"< response id=5\n"
																		"> request id=6" OP(
																			"OffsetFetch") ID
																			GROUP("workers") "\n"
																					 "< response id=6" ERROR(
																						 "COORDINATOR_LOAD_IN_PROGRESS") "\n",
		 .spans = "FindCoordinator client error" OP("FindCoordinator") ID AT_CLIENT ERROR(
			 "COORDINATOR_NOT_AVAILABLE") "\n"
						      "JoinGroup client" OP("JoinGroup")
							      ID GROUP("workers") AT_CLIENT
		 "\n"
		 "Heartbeat client error" OP("Heartbeat") ID GROUP("workers") AT_CLIENT ERROR(
			 "REBALANCE_IN_PROGRESS") "\n"
						  "commit orders client" OP("commit")
							  ID GROUP("workers") TO("orders") PART(5)
								  TYPE("settle") AT_CLIENT
		 "\n"
		 "OffsetFetch client error" OP("OffsetFetch") ID GROUP("workers")
			 AT_CLIENT ERROR("COORDINATOR_LOAD_IN_PROGRESS") "\n"},
	};

	(void)state;
	rig_run(rig_protocol("kafka"), cases, LEN(cases));
}

static void test_others(void **state)
{
	struct slice join = pack("siissi", "workers", 30000, 60000, "", "consumer", 0);
	const struct conversation cases[] = {
		{.name = "offsets, topics and transactions",
		 .turns = {ask(2, 5, 1, pack("ibisiiiq", -1, 0, 1, "orders", 1, 2, -1, -1ull)),
			   answer(1, pack("iisiihqqi", 0, 1, "orders", 1, 2, 3, -1ull, -1ull, -1)),
			   ask(19, 7, 2, pack("bucihbbbib", 0, 2, "new", 1, 1, 1, 1, 0, 30000, 0)),
			   answer(2, pack("biucqqhcbb", 0, 0, 2, "new", 5ull, 6ull, 36, "exists", 0,
					  0)),
			   ask(22, 1, 3, pack("si", "txn", 60000)),
			   answer(3, pack("ihqh", 0, 51, 1ull, 0)),
			   ask(28, 2, 4, pack("ssqhi", "txn", "workers", 1ull, 0, 0)),
			   answer(4, pack("ii", 0, 0)),
			   ask(24, 1, 5, pack("sqhi", "txn", 1ull, 0, 0)),
			   answer(5, pack("iisiih", 0, 1, "orders", 1, 0, 53))},
		 .spans = "ListOffsets orders client error" OP("ListOffsets") ID TO("orders") PART(2) AT_CLIENT ERROR(
			 "UNKNOWN_TOPIC_OR_PARTITION") "\n"
						       "CreateTopics client error" OP("CreateTopics") ID AT_CLIENT ERROR(
							       "TOPIC_ALREADY_EXISTS") "\n"
										       "InitProducerId client error" OP(
											       "InitProducerId") ID AT_CLIENT
											       ERROR("CONCURRENT_TRANSACTIONS") "\n"
																"commit client" OP(
																	"commit")
																	ID GROUP(
																		"workers")
																		TYPE("settle")
																			AT_CLIENT
		 "\n"
		 "AddPartitionsToTxn client error" OP("AddPartitionsToTxn")
			 ID AT_CLIENT ERROR("TRANSACTIONAL_ID_AUTHORIZATION_FAILED") "\n"},
		{.name = "bad calls, versions and errors of the future, and a token",
		 .turns = {ask(200, 0, 1, SLICE("??")), answer(1, SLICE("???")),
			   ask(0, 99, 2, SLICE("?")), answer(2, SLICE("?")),
			   ask(12, 3, 3, pack("sish", "workers", 1, "member", -1)),
			   answer(3, pack("ih", 0, 30000)), ask(0x6041, 0, 0, SLICE("token"))},
		 .transcript = "> request id=2" OP("Call 200") ID
		 "\n"
		 "< response id=2\n"
		 "> request id=3" SEND "\n"
		 "< response id=3\n"
		 "> request id=4" OP("Heartbeat")
			 ID GROUP("workers") "\n"
					     "< response id=4" ERROR("30000") "\n",
		 .spans = "Call 200 client" OP("Call 200") ID AT_CLIENT
		 "\n"
		 "send producer" OP("send") ID TYPE("send") AT_CLIENT
		 "\n"
		 "Heartbeat client error" OP("Heartbeat") ID GROUP("workers")
			 AT_CLIENT ERROR("30000") "\n"},
		{.name = "join after the requests",
		 .turns = {answer(77, pack("ih", 0, 27)), ask(11, 2, 78, join),
			   answer(78, pack("ih", 0, 0))},
		 .transcript =
			 "< response id=78\n"
			 "> request id=79" OP("JoinGroup") ID GROUP("workers") "\n"
									       "< response id=79\n",
		 .spans = "JoinGroup client" OP("JoinGroup") ID GROUP("workers") AT_CLIENT "\n"},
	};

	(void)state;
	rig_run(rig_protocol("kafka"), cases, LEN(cases));
}

static void test_hostile(void **state)
{
	struct slice ones =
		SLICE("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f");
	struct slice lying = pack("vbvvvv", 1000, 0, 0, 0, -1, 1 << 30);
	const struct conversation cases[] = {
		{.name = "bad: nothing in it",
		 .turns = {CLIENT("\0\0\0\7\0\0\0\0\0\0\0")},
		 .transcript = "> error\n"},
		{.name = "bad: 2 GiB",
		 .turns = {CLIENT("\x7f\xff\xff\xff\0\0\0\0\0\0\0\1\0\0")},
		 .transcript = "> error\n"},
		{.name = "bad: answer too short",
		 .turns = {SERVER("\0\0\0\3\0\0\0")},
		 .transcript = "< error\n"},
		{.name = "bad: lengths beyond the end",
		 .turns = {ask(0, 7, 1, pack("hhiiiR", -1, -1, 0, 1, 0x7fffffff, ones)),
			   ask(0, 9, 2, pack("bR", 0, ones)), ask(1, 12, 3, pack("bR", 0, ones)),
			   ask(8, 7, 4, pack("sR", "workers", ones)),
			   ask(0, 7, 5, produce(-1, "orders", 0, batch(0, 0x7fffffff, lying))),
			   ask(0, 7, 6, produce(-1, "orders", 0, batch(0, -5, ones))),
			   answer(3, pack("biR", 0, 0, ones)), answer(2, ones)},
		 .transcript =
			 "> request id=2" SEND "\n"
			 "> request id=3" SEND "\n"
			 "> request id=4" POLL "\n"
			 "> request id=5" OP("commit") TYPE("settle") ID GROUP(
				 "workers") "\n"
					    "> request id=6" SEND TO("orders") PART(0) CNT(
						    2147483647) "\n"
								"> request id=7" SEND TO(
									"orders") PART(0)
									CNT(0) "\n"
									       "< response id=4" ERROR(
										       "UNKNOWN_SERVER_ERROR") "\n"
													       "< response id=3\n"},
	};

	(void)state;
	rig_run(rig_protocol("kafka"), cases, LEN(cases));
}

static void test_detection(void **state)
{
	const struct detect_case cases[] = {
		{FROM_CLIENT, DETECT_YES, ask(18, 3, 1, pack("bccb", 0, "a", "1", 0)).bytes},
		{FROM_CLIENT, DETECT_YES, ask(0, 7, 1, produce(-1, "orders", 3, one(NULL))).bytes},
		/* without the client's name */
		{FROM_CLIENT, DETECT_LIKELY, SLICE("\0\0\0\x0a\0\x12\0\0\0\0\0\1\xff\xff")},
		{FROM_CLIENT, DETECT_LIKELY, SLICE("\0\0\0\x0e\0\3\0\0\0\0\0\1\0\0\0\0\0\0")},
		{FROM_CLIENT, DETECT_NO, SLICE("\0\0\0\x0a\0\x12\0\0\0\0\0\1\xff\xff\0")},
		{FROM_CLIENT, DETECT_MORE, SLICE("\0\0\0\x0b\0\x12\0\0\0\0\0\1\xff\xff")},
		{FROM_CLIENT, DETECT_NO, SLICE("\0\0\0\x0a\0\x0c\0\0\0\0\0\1\0\0")},
		{FROM_CLIENT, DETECT_NO, SLICE("\0\0\0\x0f\0\x12\0\0\0\0\0\1\0\5tes\nt")},
		{FROM_CLIENT, DETECT_NO, SLICE("\0\0\0\x0e\0\x12\0\0\0\0\0\1\0\5test")},
		{FROM_CLIENT, DETECT_NO, SLICE("\0\0\0\x0e\0\x12\0\0\x80\0\0\1\0\4test")},
		{FROM_CLIENT, DETECT_NO, SLICE("\0\0\0\x0e\0\x12\0\x30\0\0\0\1\0\4test")},
		{FROM_CLIENT, DETECT_NO, SLICE("\0\0\0\x0e\0\x7f\0\0\0\0\0\1\0\4test")},
		{FROM_SERVER, DETECT_LIKELY, answer(1, pack("hii", 35, 0, 0)).bytes},
		{FROM_SERVER, DETECT_NO, answer(1, SLICE("")).bytes},
		{FROM_SERVER, DETECT_MORE, SLICE("\0\0\1\0\0\0\0\1\0\0")},
		{FROM_SERVER, DETECT_NO, SLICE("\0\0\0\4\0\0\0\1\0\0")},
		{FROM_SERVER, DETECT_NO, SLICE("\0\0\0\4\x80\0\0\1")},
		{FROM_SERVER, DETECT_NO, SLICE("\0\0\0\2\0\0")},
		/* others */
		{FROM_CLIENT, DETECT_NO, SLICE("GET / HTTP/1.1\r\nHost: a\r\n\r\n")},
		{FROM_SERVER, DETECT_NO, SLICE("HTTP/1.1 200 OK\r\n\r\n")},
		{FROM_CLIENT, DETECT_NO,
		 SLICE("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0")},
		{FROM_SERVER, DETECT_MORE, SLICE("\0\0\x12\4\0\0\0\0\0\0\3\0\0\0\x80\0\4\0\1\0\0")},
		{FROM_CLIENT, DETECT_NO, SLICE("\0\0\5\0\0\0\0\0\1\0\0\0\0\0")}, /* DATA */
		{FROM_CLIENT, DETECT_NO, SLICE("\x16\3\1\0\x75\1\0\0\x71\3\3")},
		{FROM_SERVER, DETECT_NO, SLICE("\x16\3\3\0\x7a\2\0\0\x76\3\3")},
		{FROM_CLIENT, DETECT_NO, SLICE("*1\r\n$4\r\nPING\r\n")},
		{FROM_SERVER, DETECT_NO, SLICE("+PONG\r\n")},
		{FROM_SERVER, DETECT_NO,
		 SLICE("\x4a\0\0\0\x0a"
		       "8.0.36\0")},
		{FROM_CLIENT, DETECT_NO, SLICE("\5\0\0\0\3DO 1")},
		{FROM_SERVER, DETECT_NO, SLICE("\7\0\0\2\0\0\0\2\0\0\0")},
		{FROM_CLIENT, DETECT_NO,
		 SLICE("\0\0\0\x29\0\3\0\0user\0postgres\0database\0shop\0\0")},
		{FROM_CLIENT, DETECT_NO, SLICE("\0\0\0\x08\4\xd2\x16\x2f")},
		{FROM_CLIENT, DETECT_NO, SLICE("Q\0\0\0\rSELECT 1\0")},
		{FROM_SERVER, DETECT_NO, SLICE("R\0\0\0\x08\0\0\0\0")},
		{FROM_CLIENT, DETECT_NO,
		 SLICE("\0\0\0\x2d\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x75\x30\0\0")}, /* ZooKeeper */
		{FROM_CLIENT, DETECT_NO, SLICE("AMQP\0\0\x09\1")},
		{FROM_CLIENT, DETECT_NO, SLICE("\1\0\0\0\0\0\5\0\x0a\0\x0b\0\xce")},
		{FROM_CLIENT, DETECT_NO, SLICE("\x10\x0c\0\4MQTT\4\2\0\x3c\0\0")},
		{FROM_CLIENT, DETECT_NO, SLICE("CONNECT {}\r\nPING\r\n")},
		{FROM_CLIENT, DETECT_NO,
		 SLICE("\x10\0\0\0\1\0\0\0\0\0\0\0\xdd\7\0\0")},       /* MongoDB */
		{FROM_CLIENT, DETECT_NO, SLICE("\4\0\0\0\5\0\0\0\0")}, /* CQL */
		{FROM_CLIENT, DETECT_NO,
		 SLICE("\0\x1d\xab\xcd\1\0\0\1\0\0\0\0\0\0\3www")}, /* DNS */
		{FROM_CLIENT, DETECT_NO, SLICE("It was a dark and stormy night")},
		{FROM_CLIENT, DETECT_NO, SLICE("\x93\x1f\x55\xa0\x02\x77\xfe\x10\x83\x4c\x29\xd1")},
	};

	(void)state;
	rig_run_detections(rig_protocol("kafka"), cases, LEN(cases));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_send),	cmocka_unit_test(test_poll),
		cmocka_unit_test(test_others),	cmocka_unit_test(test_group),
		cmocka_unit_test(test_hostile), cmocka_unit_test(test_detection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

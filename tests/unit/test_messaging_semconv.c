// SPDX-License-Identifier: Apache-2.0
/* The semantic conventions for messaging: what the messages of an exchange make of a span. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "user/protocols/messaging_semconv.h"

#define ADDRESSES                                                 \
	.server_address = SLICE("10.0.0.2"), .server_port = 9092, \
	.client_address = SLICE("10.0.0.1"), .client_port = 40000
#define AT_CLIENT .view = {.side = SIDE_CLIENT, ADDRESSES}
#define AT_SERVER .view = {.side = SIDE_SERVER, ADDRESSES}
#define SERVER "server.address=10.0.0.2\nserver.port=9092\n"
#define CLIENT_PEER SERVER "network.peer.address=10.0.0.2\nnetwork.peer.port=9092\n" TCP
#define SERVER_PEER SERVER "network.peer.address=10.0.0.1\nnetwork.peer.port=40000\n" TCP
#define TCP "network.transport=tcp\n"
#define MQ(operation) "messaging.system=mq\nmessaging.operation.name=" operation "\n"
#define TO "messaging.destination.name=orders\n"
#define TYPE(type) "messaging.operation.type=" type "\n"

static const struct semconv_case {
	const char *label;
	struct exchange_view view;
	enum messaging_type type;
	const char *operation, *destination, *error, *answer_destination;
	const char *name;
	enum described_kind kind;
	bool failed;
	const char *attrs;
} cases[] = {
	{.label = "send",
	 AT_CLIENT,
	 .type = MESSAGING_SEND,
	 .operation = "send",
	 .destination = "orders",
	 .name = "send orders",
	 .kind = KIND_PRODUCER,
	 .attrs = MQ("send") TO TYPE("send") CLIENT_PEER},
	{.label = "send, at the broker",
	 AT_SERVER,
	 .type = MESSAGING_SEND,
	 .operation = "send",
	 .destination = "orders",
	 .name = "send orders",
	 .kind = KIND_OF_SIDE,
	 .attrs = MQ("send") TO TYPE("send") SERVER_PEER},
	{.label = "receive; the response knows the destination better",
	 AT_CLIENT,
	 .type = MESSAGING_RECEIVE,
	 .operation = "poll",
	 .destination = "?",
	 .answer_destination = "orders",
	 .name = "poll orders",
	 .kind = KIND_OF_SIDE,
	 .attrs = MQ("poll") TO TYPE("receive") CLIENT_PEER},
	{.label = "receive, at the broker",
	 AT_SERVER,
	 .type = MESSAGING_RECEIVE,
	 .operation = "poll",
	 .destination = "orders",
	 .name = "poll orders",
	 .kind = KIND_OF_SIDE,
	 .attrs = MQ("poll") TO TYPE("receive") SERVER_PEER},
	{.label = "pushed, at the client",
	 AT_CLIENT,
	 .type = MESSAGING_DELIVER,
	 .operation = "deliver",
	 .destination = "orders",
	 .name = "deliver orders",
	 .kind = KIND_CONSUMER,
	 .attrs = MQ("deliver") TO TYPE("process") CLIENT_PEER},
	{.label = "pushed, at the broker",
	 AT_SERVER,
	 .type = MESSAGING_DELIVER,
	 .operation = "deliver",
	 .destination = "orders",
	 .name = "deliver orders",
	 .kind = KIND_PRODUCER,
	 .attrs = MQ("deliver") TO TYPE("send") SERVER_PEER},
	{.label = "settle",
	 AT_CLIENT,
	 .type = MESSAGING_SETTLE,
	 .operation = "ack",
	 .destination = "orders",
	 .name = "ack orders",
	 .kind = KIND_OF_SIDE,
	 .attrs = MQ("ack") TO TYPE("settle") CLIENT_PEER},
	{.label = "no destination, no type, an error",
	 AT_CLIENT,
	 .type = MESSAGING_OTHER,
	 .operation = "JoinGroup",
	 .error = "NOT_COORDINATOR",
	 .name = "JoinGroup",
	 .kind = KIND_OF_SIDE,
	 .failed = true,
	 .attrs = MQ("JoinGroup") CLIENT_PEER "error.type=NOT_COORDINATOR\n"},
	{.label = "a failure of the connection stands over an error in an answer",
	 .view = {.side = SIDE_CLIENT, ADDRESSES, .failure = SLICE("timeout")},
	 .type = MESSAGING_SEND,
	 .operation = "send",
	 .error = "X",
	 .name = "send",
	 .kind = KIND_PRODUCER,
	 .failed = true,
	 .attrs = MQ("send") TYPE("send") CLIENT_PEER "error.type=timeout\n"},
	{.label = "a unix socket, and no operation at all",
	 .view = {.side = SIDE_SERVER, .server_address = SLICE("/run/mq"), .unix_socket = true},
	 .name = "mq",
	 .kind = KIND_OF_SIDE,
	 .attrs = "messaging.system=mq\nserver.address=/run/mq\nnetwork.transport=unix\n"},
};

static void write_attrs(const struct attrs *attrs, char *out, size_t out_sz)
{
	size_t n = 0;

	*out = '\0';
	for (uint16_t i = 0; i < attrs->cnt; i++) {
		const struct attr *attr = &attrs->v[i];

		n += (size_t)snprintf(out + n, out_sz - n, "%.*s=", (int)attr->key.n, attr->key.p);
		if (attr->type == ATTR_INT)
			n += (size_t)snprintf(out + n, out_sz - n, "%lld\n", (long long)attr->num);
		else
			n += (size_t)snprintf(out + n, out_sz - n, "%.*s\n", (int)attr->str.n,
					      attr->str.p);
	}
}

static void check_case(const struct semconv_case *c)
{
	struct description *out = calloc(1, sizeof(*out));
	struct attr request_v[8], response_v[8], v[32];
	struct attrs request = {.v = request_v, .cap = 8}, response = {.v = response_v, .cap = 8};
	struct exchange_view view = c->view;
	char text[2048];

	messaging_add_operation(&request, SLICE("mq"), c->type, slice_str(c->operation));
	messaging_add_destination(&request, slice_str(c->destination));
	messaging_add_error(&response, slice_str(c->error));
	messaging_add_destination(&response, slice_str(c->answer_destination));
	view.request = &request;
	view.response = &response;
	out->attrs = (struct attrs){.v = v, .cap = 32};
	messaging_describe(&view, out);
	write_attrs(&out->attrs, text, sizeof(text));
	if (out->operation.n != strlen(c->name) ||
	    memcmp(out->operation.p, c->name, out->operation.n))
		fail_msg("%s: named %.*s", c->label, (int)out->operation.n, out->operation.p);
	if (out->kind != c->kind || out->error != c->failed || strcmp(text, c->attrs) != 0)
		fail_msg("%s: kind %d, error %d\n%s", c->label, out->kind, out->error, text);
	free(out);
}

static void test_spans(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		check_case(&cases[i]);
}

/* All that a parser may add, with its types; empty texts are left out. */
static void test_attributes(void **state)
{
	struct attr v[MSG_ATTRS_MAX];
	char room[20], text[1024];
	struct msg msg = {.attrs = {.v = v, .cap = MSG_ATTRS_MAX}, .room = room, .room_sz = 20};

	(void)state;
	messaging_add_partition(&msg, 0);
	messaging_add_partition(&msg, INT32_MAX);
	messaging_add_partition(&msg, 1234567890); /* no more room */
	messaging_add_batch_count(&msg.attrs, 3);
	messaging_add_body_size(&msg.attrs, 70000);
	messaging_add_consumer_group(&msg.attrs, SLICE("g"));
	messaging_add_consumer_group(&msg.attrs, SLICE(""));
	messaging_add_message_id(&msg.attrs, SLICE("id-1"));
	messaging_add_message_id(&msg.attrs, SLICE(""));
	messaging_add_destination(&msg.attrs, SLICE(""));
	write_attrs(&msg.attrs, text, sizeof(text));
	assert_string_equal(text, "messaging.destination.partition.id=0\n"
				  "messaging.destination.partition.id=2147483647\n"
				  "messaging.batch.message_count=3\n"
				  "messaging.message.body.size=70000\n"
				  "messaging.consumer.group.name=g\n"
				  "messaging.message.id=id-1\n");
}

/* A name is cut to what there is room for. */
static void test_long_name(void **state)
{
	struct description *out = calloc(1, sizeof(*out));
	struct attr request_v[8], v[32];
	struct attrs request = {.v = request_v, .cap = 8}, response = {0};
	struct exchange_view view = {.request = &request, .response = &response};
	char topic[2 * DESCRIPTION_TEXT_MAX];

	(void)state;
	memset(topic, 't', sizeof(topic));
	messaging_add_operation(&request, SLICE("mq"), MESSAGING_SEND, SLICE("send"));
	messaging_add_destination(&request, slice_of(topic, sizeof(topic)));
	out->attrs = (struct attrs){.v = v, .cap = 32};
	messaging_describe(&view, out);
	assert_int_equal(out->operation.n, DESCRIPTION_TEXT_MAX);
	free(out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spans),
		cmocka_unit_test(test_attributes),
		cmocka_unit_test(test_long_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

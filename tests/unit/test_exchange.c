// SPDX-License-Identifier: Apache-2.0
/* The pool of exchanges, their copies of messages, and the table of connections. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "user/flow/conn.h"
#include "user/flow/exchange.h"

#define CNT(array) (sizeof(array) / sizeof(*(array)))
#define PARENT "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

/* --- the pool --------------------------------------------------------------------------------- */

static void test_pool_bound(void **state)
{
	struct exchange *taken[5];
	struct exchange_pool pool;

	(void)state;
	exchange_pool__init(&pool, 4);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 4; i++) {
			taken[i] = exchange_pool__take(&pool);
			assert_non_null(taken[i]);
			assert_null(taken[i]->conn);
			assert_int_equal(taken[i]->request.cnt, 0);
			taken[i]->conn =
				(struct conn *)taken; /* is cleared when it is taken again */
			taken[i]->abandoned = taken[i]->text_cut = true;
		}
		assert_null(exchange_pool__take(&pool));
		assert_int_equal(pool.used_cnt, 4);
		for (int i = 0; i < 4; i++)
			exchange_pool__put(&pool, taken[(i + round) % 4]);
		assert_int_equal(pool.used_cnt, 0);
		assert_null(pool.oldest);
		assert_null(pool.newest);
	}
	/* What is still in use is freed with the pool, its text too. */
	taken[0] = exchange_pool__take(&pool);
	taken[0]->more_text = malloc(EXCHANGE_TEXT_MAX);
	exchange_pool__free(&pool);
}

/* exchange_pool__next goes round all that are in use, whatever comes and goes between. */
static void test_pool_round(void **state)
{
	struct exchange *x[6];
	struct exchange_pool pool;

	(void)state;
	exchange_pool__init(&pool, 6);
	for (int i = 0; i < 5; i++)
		x[i] = exchange_pool__take(&pool);
	for (int i = 0; i < 10; i++)
		assert_ptr_equal(exchange_pool__next(&pool), x[i % 5]);
	assert_ptr_equal(exchange_pool__next(&pool), x[0]);
	x[5] = exchange_pool__take(&pool);
	exchange_pool__put(&pool, x[2]);
	assert_ptr_equal(exchange_pool__next(&pool), x[1]);
	assert_ptr_equal(exchange_pool__next(&pool), x[3]);
	assert_ptr_equal(exchange_pool__next(&pool), x[4]);
	assert_ptr_equal(exchange_pool__next(&pool), x[0]);
	assert_ptr_equal(exchange_pool__next(&pool), x[5]);
	for (int i = 0; i < 6; i++)
		if (i != 2 && i != 4)
			exchange_pool__put(&pool, x[i]);
	assert_ptr_equal(exchange_pool__next(&pool), x[4]);
	assert_ptr_equal(exchange_pool__next(&pool), x[4]);
	exchange_pool__free(&pool);
}

/* --- copies ----------------------------------------------------------------------------------- */

/* A request whose texts are gone when it has been kept. */
static void keep_request(struct exchange *x, size_t len, const char *tracestate)
{
	struct attr v[MSG_ATTRS_MAX];
	struct msg msg = {
		.kind = MSG_REQUEST,
		.id = 7,
		.tag = 9,
		.parent = traceparent_read(SLICE(PARENT)),
		.tracestate = slice_str(tracestate),
		.attrs = {.v = v, .cap = MSG_ATTRS_MAX},
	};
	char *text = malloc(len ? len : 1);

	assert_non_null(text);
	memset(text, 'a', len);
	attrs_add_int(&msg.attrs, SLICE("first"), -5);
	attrs_add_str(&msg.attrs, SLICE("text"), slice_of(text, len));
	attrs_add_str(&msg.attrs, SLICE("empty"), SLICE(""));
	exchange__keep_request(x, &msg);
	memset(text, 'z', len);
	free(text);
}

/* Texts of all lengths around what is kept in place, and what is kept at all. */
static void test_keep(void **state)
{
	static const struct {
		size_t len, kept;
	} cases[] = {
		{0, 0},
		{1, 1},
		{EXCHANGE_TEXT_SZ - 1, EXCHANGE_TEXT_SZ - 1},
		{EXCHANGE_TEXT_SZ, EXCHANGE_TEXT_SZ},
		{EXCHANGE_TEXT_SZ + 1, EXCHANGE_TEXT_SZ + 1},
		{EXCHANGE_TEXT_MAX - 1, EXCHANGE_TEXT_MAX - 1},
		{EXCHANGE_TEXT_MAX, EXCHANGE_TEXT_MAX},
		{EXCHANGE_TEXT_MAX + 1, EXCHANGE_TEXT_MAX},
		{65536, EXCHANGE_TEXT_MAX},
	};

	(void)state;
	for (size_t i = 0; i < CNT(cases); i++) {
		struct exchange_pool pool;
		struct exchange *x;
		const struct attr *text;

		exchange_pool__init(&pool, 1);
		x = exchange_pool__take(&pool);
		keep_request(x, cases[i].len, "");
		assert_int_equal(x->id, 7);
		assert_int_equal(x->tag, 9);
		assert_int_equal(x->parent_method, PARENT_HEADER);
		assert_int_equal(x->trace_id.bytes[0], 0x0a);
		assert_int_equal(x->parent_id.bytes[7], 0x31);
		assert_int_equal(x->request.cnt, 3);
		assert_int_equal(x->request.v[0].num, -5);
		text = attrs_get(&x->request, SLICE("text"));
		assert_int_equal(text->str.n, cases[i].kept);
		for (size_t n = 0; n < text->str.n; n++)
			assert_int_equal(text->str.p[n], 'a');
		assert_int_equal(x->text_cut, cases[i].kept < cases[i].len);
		exchange_pool__put(&pool, x);
		/* The next one has all the room again. */
		x = exchange_pool__take(&pool);
		assert_int_equal(x->text_len, 0);
		assert_null(x->more_text);
		exchange_pool__free(&pool);
	}
}

/* A tracestate is kept whole, or not at all. */
static void test_keep_tracestate(void **state)
{
	/* Where the one place has no room, the other has. */
	static const size_t lens[] = {0, EXCHANGE_TEXT_SZ - 10, EXCHANGE_TEXT_MAX};
	static const char tracestate[] = "vendor=value,other=1";

	(void)state;
	for (size_t i = 0; i < CNT(lens); i++) {
		struct exchange_pool pool;
		struct exchange *x;

		exchange_pool__init(&pool, 1);
		x = exchange_pool__take(&pool);
		keep_request(x, lens[i], tracestate);
		assert_int_equal(x->trace_state.n, strlen(tracestate));
		assert_memory_equal(x->trace_state.p, tracestate, x->trace_state.n);
		exchange_pool__free(&pool);
	}
}

/* Both places are full but for a few bytes: half of it would be something else. */
static void test_half_tracestate(void **state)
{
	struct exchange_pool pool;
	struct exchange *x;

	(void)state;
	exchange_pool__init(&pool, 1);
	x = exchange_pool__take(&pool);
	keep_request(x, EXCHANGE_TEXT_SZ - 5, "");
	keep_request(x, EXCHANGE_TEXT_MAX - 5, "");
	keep_request(x, 0, "vendor=value,other=1");
	assert_int_equal(x->trace_state.n, 0);
	assert_true(x->text_cut);
	exchange_pool__free(&pool);
}

/* More attributes than the exchange has room for, all that a message can have, lie elsewhere. */
static void test_keep_many(void **state)
{
	struct attr v[MSG_ATTRS_MAX];
	struct msg msg = {
		.kind = MSG_RESPONSE,
		.attrs = {.v = v, .cap = MSG_ATTRS_MAX, .dropped_cnt = 3},
	};
	struct exchange_pool pool;
	struct exchange *x;

	(void)state;
	for (int i = 0; i < MSG_ATTRS_MAX; i++)
		attrs_add_int(&msg.attrs, SLICE("key"), i);
	exchange_pool__init(&pool, 1);
	x = exchange_pool__take(&pool);
	exchange__keep_request(x, &msg);
	exchange__keep_response(x, &msg);
	assert_true(x->responded);
	assert_int_equal(x->request.cnt, MSG_ATTRS_MAX);
	assert_int_equal(x->request.dropped_cnt, 3);
	assert_int_equal(x->response.cnt, MSG_ATTRS_MAX);
	assert_int_equal(x->response.v[MSG_ATTRS_MAX - 1].num, MSG_ATTRS_MAX - 1);
	exchange_pool__put(&pool, x);
	x = exchange_pool__take(&pool);
	msg.attrs.cnt = EXCHANGE_RESPONSE_ATTRS;
	exchange__keep_response(x, &msg);
	assert_ptr_equal(x->response.v, x->response_attrs);
	exchange__keep_request(x, &msg);
	msg.attrs.cnt = MSG_ATTRS_MAX;
	exchange__keep_response(x, &msg);
	exchange_pool__free(&pool);
}

/* Links of both messages, each once, bad ones not at all, and no more than there is room for. */
static void test_links(void **state)
{
	struct msg msg = {.attrs = {0}};
	struct exchange_pool pool;
	struct exchange *x;

	(void)state;
	exchange_pool__init(&pool, 1);
	x = exchange_pool__take(&pool);
	for (unsigned int i = 0; i < MSG_LINKS_MAX; i++) {
		msg.links[i] = traceparent_read(SLICE(PARENT));
		msg.links[i].span_id[7] = (uint8_t)(0x30 + i);
	}
	memset(msg.links[1].span_id, 0, 8); /* of which only the trace is known */
	msg.links_cnt = 2;
	exchange__keep_request(x, &msg);
	assert_int_equal(x->links_cnt, 1);
	assert_int_equal(x->links[0].span_id.bytes[7], 0x30);
	assert_int_equal(x->links[0].flags,
			 SPAN_FLAG_SAMPLED | SPAN_FLAG_HAS_IS_REMOTE | SPAN_FLAG_IS_REMOTE);
	assert_int_equal(x->parent_method, PARENT_NONE);
	msg.links_cnt = MSG_LINKS_MAX;
	exchange__keep_response(x, &msg);
	assert_int_equal(x->links_cnt, MSG_LINKS_MAX - 1);
	msg.links[1].span_id[7] = 0x31;
	msg.links[0].span_id[6] ^= 1;
	exchange__keep_part(x, false, &msg);
	assert_int_equal(x->links_cnt, MSG_LINKS_MAX);
	exchange_pool__put(&pool, x);
	assert_int_equal(exchange_pool__take(&pool)->links_cnt, 0);
	exchange_pool__free(&pool);
}

/* --- the table of connections ----------------------------------------------------------------- */

static struct record_connection about(uint64_t cookie)
{
	return (struct record_connection){.cookie = cookie, .family = FAMILY_INET};
}

static void test_table(void **state)
{
	struct conn_table table;
	struct conn *conns[300];

	(void)state;
	assert_int_equal(conn_table__init(&table, 300), 0);
	for (uint64_t i = 0; i < 300; i++) {
		struct record_connection record = about(i << 32 | i); /* buckets are shared */

		conns[i] = conn_table__add(&table, &record);
		assert_non_null(conns[i]);
	}
	for (uint64_t i = 0; i < 300; i++)
		assert_ptr_equal(conn_table__peek(&table, i << 32 | i), conns[i]);
	assert_null(conn_table__get(&table, 12345));
	assert_ptr_equal(table.lru_first, conns[0]);
	assert_ptr_equal(conn_table__get(&table, 0), conns[0]);
	assert_ptr_equal(table.lru_first, conns[1]);
	assert_ptr_equal(table.lru_last, conns[0]);
	for (uint64_t i = 0; i < 300; i += 2) {
		conn_table__remove(&table, conns[i]);
		assert_null(conn_table__peek(&table, i << 32 | i));
	}
	assert_int_equal(table.cnt, 150);
	for (uint64_t i = 1; i < 300; i += 2) {
		assert_ptr_equal(table.lru_first, conns[i]);
		conn_table__remove(&table, conns[i]);
	}
	assert_null(table.lru_first);
	assert_null(table.lru_last);
	conn_table__free(&table);
}

/* Two of one cookie: the newer is found, and either may go first. */
static void test_table_same_cookie(void **state)
{
	(void)state;
	for (int newer_first = 0; newer_first < 2; newer_first++) {
		struct record_connection record = about(5);
		struct conn_table table;
		struct conn *conns[2];

		assert_int_equal(conn_table__init(&table, 4), 0);
		conns[0] = conn_table__add(&table, &record);
		conns[1] = conn_table__add(&table, &record);
		assert_ptr_equal(conn_table__get(&table, 5), conns[1]);
		conn_table__remove(&table, conns[newer_first]);
		assert_ptr_equal(conn_table__get(&table, 5), conns[!newer_first]);
		conn_table__free(&table);
	}
}

static void test_addresses(void **state)
{
	static const struct {
		struct record_connection record;
		const char *local, *remote;
		uint16_t family;
	} cases[] = {
		{{.family = FAMILY_INET,
		  .local_addr = {10, 1, 2, 3},
		  .remote_addr = {127, 0, 0, 1}},
		 "10.1.2.3",
		 "127.0.0.1",
		 FAMILY_INET},
		{{.family = FAMILY_INET6,
		  .local_addr = {[10] = 0xff, [11] = 0xff, [12] = 10, [15] = 1},
		  .remote_addr = {[10] = 0xff, [11] = 0xff, [12] = 10, [15] = 2}},
		 "10.0.0.1",
		 "10.0.0.2",
		 FAMILY_INET},
		{{.family = FAMILY_INET6,
		  .local_addr = {[15] = 1},
		  .remote_addr = {0x20, 0x01, 0x0d, 0xb8, [15] = 9}},
		 "::1",
		 "2001:db8::9",
		 FAMILY_INET6},
		{{.family = FAMILY_UNIX, .unix_path = "/run/x.sock"},
		 "/run/x.sock",
		 "/run/x.sock",
		 FAMILY_UNIX},
		{{.family = FAMILY_UNIX, .unix_path = "@abstract"},
		 "@abstract",
		 "@abstract",
		 FAMILY_UNIX},
	};

	(void)state;
	for (size_t i = 0; i < CNT(cases); i++) {
		struct conn_table table;
		struct conn *conn;

		assert_int_equal(conn_table__init(&table, 4), 0);
		conn = conn_table__add(&table, &cases[i].record);
		assert_string_equal(conn->local_text, cases[i].local);
		assert_string_equal(conn->remote_text, cases[i].remote);
		assert_int_equal(conn->about.family, cases[i].family);
		conn_table__free(&table);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_links),
		cmocka_unit_test(test_pool_bound),
		cmocka_unit_test(test_pool_round),
		cmocka_unit_test(test_keep),
		cmocka_unit_test(test_keep_tracestate),
		cmocka_unit_test(test_half_tracestate),
		cmocka_unit_test(test_keep_many),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_table_same_cookie),
		cmocka_unit_test(test_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

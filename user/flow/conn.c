// SPDX-License-Identifier: Apache-2.0
/* Connection table: chained hash by cookie, with a list by last use. */
#include "user/flow/conn.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "user/base/address.h"

int conn_table__init(struct conn_table *table, uint32_t max_cnt)
{
	uint32_t buckets_cnt = 64;

	while (buckets_cnt < max_cnt && buckets_cnt < 1u << 20)
		buckets_cnt *= 2;
	*table = (struct conn_table){.max_cnt = max_cnt, .buckets_cnt = buckets_cnt};
	table->buckets = calloc(buckets_cnt, sizeof(struct conn *));
	return table->buckets ? 0 : -ENOMEM;
}

static void free_conn(struct conn *conn)
{
	free(conn->streams[FROM_CLIENT].head);
	free(conn->streams[FROM_SERVER].head);
	free(conn->state);
	free(conn->below_state);
	free(conn->secured);
	free(conn->contexts);
	free(conn);
}

void conn_table__free(struct conn_table *table)
{
	struct conn *conn = table->lru_first;

	while (conn) {
		struct conn *next = conn->lru_next;

		free_conn(conn);
		conn = next;
	}
	free(table->buckets);
	*table = (struct conn_table){0};
}

static struct conn **bucket_of(const struct conn_table *table, uint64_t cookie)
{
	return &table->buckets[(cookie * 0x9e3779b97f4a7c15ull >> 32) & (table->buckets_cnt - 1)];
}

static void lru_unlink(struct conn_table *table, struct conn *conn)
{
	if (conn->lru_prev)
		conn->lru_prev->lru_next = conn->lru_next;
	else
		table->lru_first = conn->lru_next;
	if (conn->lru_next)
		conn->lru_next->lru_prev = conn->lru_prev;
	else
		table->lru_last = conn->lru_prev;
}

static void lru_append(struct conn_table *table, struct conn *conn)
{
	conn->lru_next = NULL;
	conn->lru_prev = table->lru_last;
	if (table->lru_last)
		table->lru_last->lru_next = conn;
	else
		table->lru_first = conn;
	table->lru_last = conn;
}

struct conn *conn_table__peek(const struct conn_table *table, uint64_t cookie)
{
	struct conn *conn = *bucket_of(table, cookie);

	while (conn && conn->about.cookie != cookie)
		conn = conn->bucket_next;
	return conn;
}

struct conn *conn_table__get(struct conn_table *table, uint64_t cookie)
{
	struct conn *conn = conn_table__peek(table, cookie);

	if (conn && conn != table->lru_last) {
		lru_unlink(table, conn);
		lru_append(table, conn);
	}
	return conn;
}

void connection_unmap_ipv4(struct record_connection *about)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	uint8_t *addrs[] = {about->local_addr, about->remote_addr};

	if (about->family != FAMILY_INET6 ||
	    memcmp(about->remote_addr, mapped, sizeof(mapped)) != 0)
		return;
	about->family = FAMILY_INET;
	for (int i = 0; i < 2; i++) {
		memmove(addrs[i], addrs[i] + 12, 4);
		memset(addrs[i] + 4, 0, 12);
	}
}

static void write_addresses(struct conn *conn)
{
	const struct record_connection *about = &conn->about;
	bool ipv6 = about->family == FAMILY_INET6;

	if (conn_is_unix(conn)) {
		snprintf(conn->local_text, sizeof(conn->local_text), "%.*s",
			 (int)sizeof(about->unix_path), about->unix_path);
		memcpy(conn->remote_text, conn->local_text, sizeof(conn->remote_text));
		return;
	}
	address_text(ipv6, about->local_addr, conn->local_text, sizeof(conn->local_text));
	address_text(ipv6, about->remote_addr, conn->remote_text, sizeof(conn->remote_text));
}

struct conn *conn_table__add(struct conn_table *table, const struct record_connection *about)
{
	struct conn **bucket = bucket_of(table, about->cookie);
	struct conn *conn = calloc(1, sizeof(*conn));

	if (!conn)
		return NULL;
	conn->about = *about;
	conn->role = about->role;
	conn->last_ns = about->time_ns;
	conn->seen_off = about->fresh ? 0 : ~0ull;
	conn->missed_cause = ACCOUNT_LOST_RING;
	connection_unmap_ipv4(&conn->about);
	write_addresses(conn);
	conn->bucket_next = *bucket;
	*bucket = conn;
	lru_append(table, conn);
	table->cnt++;
	return conn;
}

int conn_table__set_protocol(struct conn_table *table, struct conn *conn,
			     const struct protocol *protocol)
{
	size_t old_sz = conn->protocol ? conn->protocol->state_size : 0;
	size_t sz = protocol ? protocol->state_size : 0;
	void *state = NULL;

	if (sz && (table->states_sz + sz > CONN_STATES_MAX || !(state = calloc(1, sz))))
		return -ENOMEM;
	free(conn->state);
	table->states_sz += sz - old_sz;
	conn->state = state;
	conn->protocol = protocol;
	return 0;
}

static void drop_below(struct conn_table *table, struct conn *conn)
{
	table->states_sz -= conn->below ? conn->below->state_size : 0;
	free(conn->below_state);
	conn->below = NULL;
	conn->below_state = NULL;
}

void conn_table__secure(struct conn_table *table, struct conn *conn)
{
	drop_below(table, conn);
	conn->below = conn->protocol;
	conn->below_state = conn->state;
	conn->protocol = NULL;
	conn->state = NULL;
}

void conn_table__go_on_below(struct conn *carrier, struct conn *plaintext)
{
	if (!carrier->below)
		return;
	plaintext->role = carrier->role;
	plaintext->protocol = carrier->below;
	plaintext->state = carrier->below_state;
	carrier->below = NULL;
	carrier->below_state = NULL;
}

void conn_table__drop_head(struct conn_table *table, struct stream *stream)
{
	table->heads_sz -= stream->head_cap;
	free(stream->head);
	stream->head = NULL;
	stream->head_len = stream->head_cap = 0;
}

void conn_table__remove(struct conn_table *table, struct conn *conn)
{
	struct conn **at = bucket_of(table, conn->about.cookie);

	while (*at != conn)
		at = &(*at)->bucket_next;
	*at = conn->bucket_next;
	lru_unlink(table, conn);
	table->cnt--;
	conn_table__set_protocol(table, conn, NULL);
	drop_below(table, conn);
	conn_table__drop_head(table, &conn->streams[FROM_CLIENT]);
	conn_table__drop_head(table, &conn->streams[FROM_SERVER]);
	free_conn(conn);
}

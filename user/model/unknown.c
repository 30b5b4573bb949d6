// SPDX-License-Identifier: Apache-2.0
/* Counts connections of no recognised protocol in few rows. */
#include "user/model/unknown.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "user/base/utf8.h"

struct unknown_table {
	pthread_mutex_t lock;
	struct unknown_row rows[UNKNOWN_ROWS_MAX];
	size_t rows_cnt;
};

struct unknown_table *unknown_table__new(void)
{
	struct unknown_table *table = calloc(1, sizeof(*table));

	if (!table) {
		errno = ENOMEM;
		return NULL;
	}
	pthread_mutex_init(&table->lock, NULL);
	return table;
}

void unknown_table__free(struct unknown_table *table)
{
	if (!table)
		return;
	pthread_mutex_destroy(&table->lock);
	free(table);
}

static void copy_text(char *out, size_t out_sz, struct slice text)
{
	text = utf8_first(text, out_sz - 1);
	if (text.n)
		memcpy(out, text.p, text.n);
}

static bool same_row(const struct unknown_row *a, const struct unknown_row *b)
{
	return a->port == b->port && a->serves == b->serves && strcmp(a->label, b->label) == 0 &&
	       strcmp(a->service, b->service) == 0;
}

/* The last row takes what has none of its own. */
static struct unknown_row *row_of(struct unknown_table *table, const struct unknown_row *like)
{
	static const struct unknown_row others = {.label = "others"};
	size_t i = 0;

	while (i < table->rows_cnt && !same_row(&table->rows[i], like))
		i++;
	if (i < table->rows_cnt)
		return &table->rows[i];
	if (table->rows_cnt == UNKNOWN_ROWS_MAX)
		return &table->rows[UNKNOWN_ROWS_MAX - 1];
	table->rows[i] = i == UNKNOWN_ROWS_MAX - 1 ? others : *like;
	table->rows_cnt++;
	return &table->rows[i];
}

void unknown_table__add(struct unknown_table *table, struct slice service,
			const struct unknown *unknown)
{
	struct unknown_row like = {.serves = unknown->serves, .port = unknown->port}, *row;

	copy_text(like.service, sizeof(like.service), service);
	copy_text(like.label, sizeof(like.label), unknown->label);
	pthread_mutex_lock(&table->lock);
	row = row_of(table, &like);
	row->connection_cnt++;
	row->sent_sz += unknown->sent_sz;
	row->received_sz += unknown->received_sz;
	pthread_mutex_unlock(&table->lock);
}

static int compare(const void *a, const void *b)
{
	const struct unknown_row *x = a, *y = b;

	if (x->connection_cnt != y->connection_cnt)
		return x->connection_cnt > y->connection_cnt ? -1 : 1;
	return strcmp(x->service, y->service) ?: (int)x->port - (int)y->port;
}

size_t unknown_table__rows(struct unknown_table *table, struct unknown_row rows[UNKNOWN_ROWS_MAX])
{
	size_t cnt;

	pthread_mutex_lock(&table->lock);
	cnt = table->rows_cnt;
	memcpy(rows, table->rows, cnt * sizeof(*rows));
	pthread_mutex_unlock(&table->lock);
	qsort(rows, cnt, sizeof(*rows), compare);
	return cnt;
}

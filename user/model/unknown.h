/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections whose protocol was not recognised: what is told of one, and a table that counts them by
 * service, port and what they look like. Any thread may add and read.
 */
#ifndef SONDE_MODEL_UNKNOWN_H
#define SONDE_MODEL_UNKNOWN_H

#include "user/base/slice.h"

#define UNKNOWN_ROWS_MAX 256
#define UNKNOWN_SERVICE_SZ 64
#define UNKNOWN_LABEL_SZ 24

/* One connection, as one end saw it, when it ended or nothing more was expected of it. */
struct unknown {
	uint32_t process_id;
	bool serves;		       /* the process is the server, as far as known */
	uint16_t port;		       /* of the server's end; 0: a unix socket */
	uint64_t sent_sz, received_sz; /* until then */
	struct slice label;	       /* "tls", a protocol that is not parsed, or "unknown" */
};

/* Those that agree in all but the sizes. */
struct unknown_row {
	char service[UNKNOWN_SERVICE_SZ], label[UNKNOWN_LABEL_SZ]; /* cut, if they are longer */
	bool serves;
	uint16_t port;
	uint64_t connection_cnt, sent_sz, received_sz;
};

struct unknown_table;

/* NULL with errno. */
struct unknown_table *unknown_table__new(void);
/* NULL is legal. */
void unknown_table__free(struct unknown_table *table);
/* Where there is no row left, it is counted in one of no service, no port and the label "others". */
void unknown_table__add(struct unknown_table *table, struct slice service,
			const struct unknown *unknown);
/* Copies the rows, those with most connections first; returns how many. */
size_t unknown_table__rows(struct unknown_table *table, struct unknown_row rows[UNKNOWN_ROWS_MAX]);

#endif

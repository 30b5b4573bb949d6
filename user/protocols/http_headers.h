/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Headers that the configuration wants as attributes: http.request.header.NAME and
 * http.response.header.NAME, arrays of strings, NAME in lower case (semantic conventions 1.44). A
 * parser collects those of a message; each becomes an attribute of the message; http_describe puts
 * those of one name into an array.
 */
#ifndef SONDE_PROTOCOLS_HTTP_HEADERS_H
#define SONDE_PROTOCOLS_HTTP_HEADERS_H

#include "user/protocols/protocol.h"

#define HTTP_HEADERS_MAX 16 /* in a message; DESCRIPTION_ITEMS_MAX has room for two of them */

/* 0 or -ENOMEM. Copies the names, which are tokens; more than HTTP_HEADERS_MAX are left out. */
int wanted_headers__init(struct wanted_headers *w, enum sender sender, const char *const *names,
			 size_t names_cnt);
void wanted_headers__free(struct wanted_headers *w);

/* Those of one message so far. */
struct http_headers {
	const struct wanted_headers *wanted; /* NULL: none */
	size_t cnt, dropped_cnt;
	struct {
		struct slice key, value;
	} v[HTTP_HEADERS_MAX];
};

void http_headers__begin(struct http_headers *h, const struct wanted_headers *wanted);
/* Of the name in any case. */
bool http_headers__wants(const struct http_headers *h, struct slice name);
/* Keeps the header if it is wanted. The value is borrowed. */
void http_headers__take(struct http_headers *h, struct slice name, struct slice value);
/* Adds what was kept to a message's attributes, which others must already be in. */
void http_headers__add(const struct http_headers *h, struct attrs *attrs);
/* Adds arrays of a message's headers to the span's. */
void http_headers__describe(const struct attrs *message, struct description *out);

#endif

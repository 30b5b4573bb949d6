/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST over HTTP/1.1 or HTTPS to one URL, with one kept-alive connection. One thread posts; any
 * thread may abort. Does not follow redirects, does not retry.
 */
#ifndef SONDE_EXPORT_HTTP_CLIENT_H
#define SONDE_EXPORT_HTTP_CLIENT_H

#include "user/base/slice.h"

#define HTTP_ERROR_SZ 256

struct http_options {
	const char *url; /* http:// or https:// */
	const char *user_agent;
	const char *content_type;
	const char *const *headers; /* "Name: value", headers_cnt of them */
	size_t headers_cnt;
	unsigned int timeout_ms; /* for a whole request; 0 = none */
	int gzip_level;		 /* 0 = no compression, 1..9 */
	size_t response_max_sz;
	const char *ca_file;		      /* PEM; NULL: the system's authorities */
	const char *client_cert, *client_key; /* PEM; NULL: none */
	/*
	 * Called in the posting thread with the local end of the connection that a request will
	 * go over, before any byte of the request is sent (a TLS handshake has been by then).
	 * Again for each request. NULL: not wanted.
	 */
	void (*connected)(void *ctx, const char *local_ip, int local_port);
	void *ctx;
};

struct http_response {
	long status;
	unsigned int retry_after_s; /* 0: no such header, or a time that has passed */
	struct slice body;	    /* valid until the next post; empty if it was too long */
};

struct http_client;

/* Copies what it needs of the options. NULL with errno; what is wrong with them has been logged. */
struct http_client *http_client__new(const struct http_options *options);
void http_client__free(struct http_client *c);
/*
 * Posts and waits for the response. 0 whatever the status; -ECANCELED after an abort; -ENOMEM;
 * else http_client__error says why there is none: -ENOTCONN (no connection), -EPROTO (TLS), -EIO.
 */
int http_client__post(struct http_client *c, struct slice body, struct http_response *response);
/* Why the last post failed, one line without the URL. */
const char *http_client__error(const struct http_client *c);
/* The URL without user, password, query: fit for a log. */
const char *http_client__url(const struct http_client *c);
/* Ends the post that is under way, if any, and all later ones. Any thread. */
void http_client__abort(struct http_client *c);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What HTTP means, whatever its version on the wire: the semantic conventions for HTTP, 1.44.
 * A parser tells what it read with http_add_request and http_add_status; http_describe makes the
 * span's attributes of it.
 */
#ifndef SONDE_PROTOCOLS_HTTP_SEMCONV_H
#define SONDE_PROTOCOLS_HTTP_SEMCONV_H

#include "user/protocols/protocol.h"

/* Bits of a request's tag: what its response's parser has to know. */
#define HTTP_TAG_HEAD 0x01u
#define HTTP_TAG_CONNECT 0x02u

/* What a request's head said; empty where it said nothing. Borrowed until the call returns. */
struct http_request {
	struct slice method;
	struct slice scheme;
	struct slice authority; /* [userinfo@]host[:port] */
	struct slice target;	/* path[?query] or `*` */
	struct slice absolute;	/* the request target as it stood, if it was in absolute form */
	struct slice user_agent;
	struct slice version; /* network.protocol.version */
	/*
	 * Of a request that a web server hands on by another protocol than HTTP: its name, and who has
	 * asked the web server. The authority is then the web server's, and not who answers here.
	 */
	struct slice protocol, client, client_port;
};

/*
 * Is it a method of RFC 9110, PATCH or QUERY? Gives the static copy of its name, else the empty
 * slice.
 */
struct slice http_known_method(struct slice method);
/* The tag of a request with that method. */
uint32_t http_tag(struct slice method);
/*
 * Adds the attributes of a request, as slices of what it was given or static ones. url.full is
 * there only when the absolute form carried credentials, and has them: http_describe takes them
 * out.
 */
void http_add_request(struct attrs *attrs, const struct http_request *request);
/*
 * Does it bring spans, as OpenTelemetry's exporters send them by HTTP and gRPC? sonde's own, of which
 * another one may be on this host, do not count.
 */
bool http_brings_spans(const struct http_request *request, struct slice content_type);
void http_add_status(struct attrs *attrs, unsigned int status);
/* A protocol's describe, for attributes made by the two functions above; it adds to out->attrs. */
void http_describe(const struct exchange_view *exchange, struct description *out);

#endif

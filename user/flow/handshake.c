// SPDX-License-Identifier: Apache-2.0
/*
 * What the first messages of a TLS handshake tell. They pass in the open on the socket, before its plaintext
 * is announced, which then is given what was learned.
 */
#include "user/flow/internal.h"

#include <stdlib.h>

#define HANDSHAKE_MAX 8192 /* bytes of one direction that are looked at */

static void keep(struct conn *conn, const struct tls_hello *hello)
{
	struct secured *secured = conn->secured ?: calloc(1, sizeof(*secured));

	conn->secured = secured;
	if (!secured)
		return;
	secured->offers_h2 |= hello->offers_h2;
	secured->version = hello->version ?: secured->version;
	if (hello->server_name.n) {
		secured->server_name_len = (uint8_t)hello->server_name.n;
		memcpy(secured->server_name, hello->server_name.p, hello->server_name.n);
	}
	if (hello->protocol.n && hello->protocol.n <= sizeof(secured->protocol)) {
		secured->protocol_len = (uint8_t)hello->protocol.n;
		memcpy(secured->protocol, hello->protocol.p, hello->protocol.n);
	}
}

void handshake_take(struct flow *flow, struct conn *conn, struct stream *stream, struct slice bytes,
		    const struct record_op *op)
{
	bool follows = !stream->head_len || op->off == stream->next_off;
	struct tls_hello hello;
	int read = -1;

	if (stream->greeted)
		return;
	if (follows && bytes.n && stream_stash(flow, conn, stream, bytes))
		read = tls_hello_read(slice_of(stream->head, stream->head_len), &hello);
	if (read >= 0)
		keep(conn, &hello);
	stream->next_off = op->off + op->len;
	if (read == 0 && bytes.n == op->len && stream->head_len < HANDSHAKE_MAX)
		return;
	stream->greeted = true;
	conn_table__drop_head(&flow->conns, stream);
}

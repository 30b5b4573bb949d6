// SPDX-License-Identifier: Apache-2.0
/* Addresses and ports of sockets; what is not known is left out. */
#include "user/protocols/ends.h"

/* The path of a unix socket is not ours. */
static void add_address(struct attrs *attrs, const struct exchange_view *x, struct slice key,
			struct slice address)
{
	if (x->unix_socket && address.n)
		attrs_add_str(attrs, key, address);
	else if (address.n)
		attrs_add_plain(attrs, key, address);
}

static void add_port(struct attrs *attrs, struct slice key, uint16_t port)
{
	if (port)
		attrs_add_int(attrs, key, port);
}

void ends_add_client(struct attrs *attrs, const struct exchange_view *x)
{
	add_address(attrs, x, SLICE("client.address"), x->client_address);
	add_port(attrs, SLICE("client.port"), x->client_port);
}

void ends_add_peer(struct attrs *attrs, const struct exchange_view *x)
{
	bool client = x->side == SIDE_CLIENT;

	add_address(attrs, x, SLICE("network.peer.address"),
		    client ? x->server_address : x->client_address);
	add_port(attrs, SLICE("network.peer.port"), client ? x->server_port : x->client_port);
}

void ends_add_transport(struct attrs *attrs, const struct exchange_view *x)
{
	attrs_add_plain(attrs, SLICE("network.transport"),
			x->unix_socket ? SLICE("unix")
			: x->datagram  ? SLICE("udp")
				       : SLICE("tcp"));
}

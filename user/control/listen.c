// SPDX-License-Identifier: Apache-2.0
/* Listening addresses. */
#include "user/control/listen.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <unistd.h>

#include "user/base/slice.h"

#define BACKLOG 16

int listen_split(const char *text, char host[LISTEN_HOST_MAX], char port[LISTEN_PORT_MAX])
{
	const char *colon = strrchr(text, ':');
	struct slice name;
	uint64_t number;

	if (!colon || strlen(colon + 1) > 5 || !slice_to_u64(slice_str(colon + 1), &number) ||
	    number > 65535)
		return -EINVAL;
	name = slice_of(text, (size_t)(colon - text));
	if (name.n >= 2 && name.p[0] == '[' && name.p[name.n - 1] == ']')
		name = slice_of(name.p + 1, name.n - 2);
	else if (slice_find(name, ':') >= 0)
		return -EINVAL;
	if (name.n >= LISTEN_HOST_MAX || slice_find(name, ' ') >= 0 || slice_find(name, '/') >= 0)
		return -EINVAL;
	snprintf(host, LISTEN_HOST_MAX, "%.*s", (int)name.n, name.p);
	snprintf(port, LISTEN_PORT_MAX, "%u", (unsigned int)number);
	return 0;
}

static int open_one(const struct addrinfo *address)
{
	int fd, err, on = 1;

	fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
	    bind(fd, address->ai_addr, address->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	err = -errno;
	close(fd);
	return err;
}

int listen_open(const char *text)
{
	const struct addrinfo hints = {
		.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
		.ai_socktype = SOCK_STREAM,
	};
	char host[LISTEN_HOST_MAX], port[LISTEN_PORT_MAX];
	struct addrinfo *found;
	int fd = -EADDRNOTAVAIL;

	if (listen_split(text, host, port) < 0)
		return -EINVAL;
	if (getaddrinfo(*host ? host : NULL, port, &hints, &found) != 0)
		return -EADDRNOTAVAIL;
	for (const struct addrinfo *at = found; at && fd < 0; at = at->ai_next)
		fd = open_one(at);
	freeaddrinfo(found);
	return fd;
}

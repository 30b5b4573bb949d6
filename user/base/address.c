// SPDX-License-Identifier: Apache-2.0
/* inet_ntop and inet_pton, kept away from headers whose names clash with those of socket.h. */
#include "user/base/address.h"

#include <arpa/inet.h>
#include <string.h>

void address_text(bool ipv6, const uint8_t bytes[16], char *out, size_t out_sz)
{
	if (!inet_ntop(ipv6 ? AF_INET6 : AF_INET, bytes, out, (socklen_t)out_sz) && out_sz)
		out[0] = 0;
}

bool address_parse(const char *text, bool *ipv6, uint8_t bytes[16])
{
	memset(bytes, 0, 16);
	*ipv6 = strchr(text, ':') != NULL;
	return inet_pton(*ipv6 ? AF_INET6 : AF_INET, text, bytes) == 1;
}

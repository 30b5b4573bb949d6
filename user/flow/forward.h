/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests that a process received and has not answered, by what stays the same when they are passed on.
 */
#ifndef SONDE_FLOW_FORWARD_H
#define SONDE_FLOW_FORWARD_H

#include "user/flow/exchange.h"

#define FORWARD_BUCKETS 4096u
#define FORWARD_PROCESSES 1024u

/* What is known of a process that speaks HTTP. */
struct forwarder {
	uint32_t process_id; /* 0: none */
	uint32_t served_cnt; /* requests whose fingerprints were taken */
	bool serves, asks;   /* it has been seen as a server, as a client */
	bool repeats; /* it has passed a request on twice, and not because the first one failed */
	uint64_t sure_ns; /* from when on no request is in progress that was not seen */
};

struct forward {
	struct exchange *buckets[FORWARD_BUCKETS];
	struct forwarder processes[FORWARD_PROCESSES];
	struct fingerprint fingerprint; /* of the message that is parsed */
};

#endif

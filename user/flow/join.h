/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two ends of one connection on this host: finds, for a request seen by the server, the same
 * request seen by the client, and makes their spans one trace.
 *
 * Certain means: the same TCP sequence number of the request's first byte, and either addresses
 * that mirror each other or, behind address translation, the same sequence number in the other
 * direction too (64 bits that agree by chance once in 10^19). Unix sockets name their peer. Two
 * candidates mean none.
 *
 * "Client" here is the end that began the exchange, which for a delivery is the connection's server.
 *
 * Either end's record may come first: the client's hook runs after its packets left. So both ends
 * wait in one table by sequence number. A server's exchange that completes without having found its
 * client is held a moment before it becomes a root; so is a client's that nobody answers, which is
 * complete before the server can have read it, and what was sent for a request that may still find its
 * client, and be of that one's trace.
 */
#ifndef SONDE_FLOW_JOIN_H
#define SONDE_FLOW_JOIN_H

#include "user/flow/exchange.h"

#define JOIN_BUCKETS 4096
#define JOIN_ALIKE_MAX 1024 /* under way, of one address and place in the stream, or of one id */
#define JOIN_HOLD_NS 50000000ull
#define JOIN_HELD_MAX 2048
#define JOIN_MISSES 200
#define JOIN_RELEASE_ALL UINT64_MAX /* for join__release: none shall wait any longer */

struct join {
	struct exchange *buckets[JOIN_BUCKETS];
	struct exchange *held_first, *held_last; /* completed, oldest first */
	uint32_t held_cnt;
};

/* Enters an exchange whose request was just seen; pairs it with its other end if that is there. */
void join__enter(struct join *join, struct exchange *x);
/* Takes it out, in whatever state. */
void join__leave(struct join *join, struct exchange *x);
/* True if x, a completed exchange, should wait for the other end's record. */
bool join__should_hold(const struct join *join, const struct exchange *x);
void join__hold(struct join *join, struct exchange *x);
/* The next held exchange that need not wait any longer, or NULL; it has left the queue. */
struct exchange *join__release(struct join *join, uint64_t now_ns);

#endif

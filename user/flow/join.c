// SPDX-License-Identifier: Apache-2.0
/* The table in which the two ends of a request find each other. */
#include "user/flow/join.h"

#include "user/base/account.h"
#include "user/flow/conn.h"

#define NEAR_NS 5000000000ull /* two ends of one request are never further apart */

/* The same value at both ends. */
static uint64_t key_of(const struct exchange *x)
{
	if (x->conn->datagrams)
		return x->id;
	if (!conn_is_unix(x->conn))
		return x->seq;
	return (conn_began(x) ? x->conn->about.cookie : x->conn->about.peer_cookie) + x->off;
}

static struct exchange **bucket_of(struct join *join, const struct exchange *x)
{
	return &join->buckets[(key_of(x) * 0x9e3779b97f4a7c15ull >> 40) & (JOIN_BUCKETS - 1)];
}

static bool addresses_mirror(const struct record_connection *a, const struct record_connection *b)
{
	return a->family == b->family && a->local_port == b->remote_port &&
	       a->remote_port == b->local_port &&
	       memcmp(a->local_addr, b->remote_addr, sizeof(a->local_addr)) == 0 &&
	       memcmp(a->remote_addr, b->local_addr, sizeof(a->local_addr)) == 0;
}

/*
 * Where a connection is older than the tracer, its ends may count from different bytes. Then the
 * server has read before the client even began to send, after it had read what came before, or it
 * reads what the client has the answer to already. A send's own time does not tell: it is when the
 * call returned, which can be after the other end has gone on. When something was read does.
 */
static bool are_of_two_requests(const struct exchange *client, const struct exchange *server)
{
	if (client->conn->pipelined)
		return server->end_ns && server->end_ns <= client->start_ns;
	return server->start_ns < client->prior_ns ||
	       (client->end_ns && client->responded && client->end_ns < server->start_ns);
}

static bool same_unix_request(const struct exchange *client, const struct exchange *server)
{
	struct conn *c = client->conn, *s = server->conn;

	if (c->about.cookie != s->about.peer_cookie || s->about.cookie != c->about.peer_cookie ||
	    c->shifted || client->off != server->off)
		return false;
	if (!are_of_two_requests(client, server))
		return true;
	c->shifted = !c->pipelined;
	return false;
}

/*
 * Nothing numbers datagrams, but their ids hold the question, and ports must agree as far as they are
 * known: the server's end knows the client's when it answers.
 */
static bool same_datagram(const struct exchange *client, const struct exchange *server)
{
	return client->conn->datagrams && server->conn->datagrams && client->id == server->id &&
	       client->protocol == server->protocol &&
	       client->remote_port == server->conn->about.local_port &&
	       (!server->remote_port || server->remote_port == client->conn->about.local_port);
}

static bool are_two_ends(const struct exchange *client, const struct exchange *server)
{
	const struct conn *c = client->conn, *s = server->conn;
	uint64_t apart = client->start_ns > server->start_ns ? client->start_ns - server->start_ns
							     : server->start_ns - client->start_ns;

	if (c->datagrams || s->datagrams)
		return apart <= NEAR_NS && same_datagram(client, server);
	if (c->about.family != s->about.family && (conn_is_unix(c) || conn_is_unix(s)))
		return false;
	if (conn_is_plaintext(c) != conn_is_plaintext(s) || (conn_is_plaintext(c) && !client->seq))
		return false;
	if (c->peer_cookie || s->peer_cookie) {
		if (c->peer_cookie != s->about.cookie || s->peer_cookie != c->about.cookie)
			return false;
		return conn_is_unix(c) ? same_unix_request(client, server)
				       : client->seq == server->seq;
	}
	if (apart > NEAR_NS)
		return false;
	if (conn_is_unix(c))
		return same_unix_request(client, server);
	return client->seq == server->seq &&
	       (addresses_mirror(&c->about, &s->about) || client->peer_seq == server->peer_seq);
}

/* Once the client has read the whole response, the server had sent it by then. */
static void bound_end(const struct exchange *client)
{
	if (client->responded && client->end_ns)
		client->peer->end_bound_ns = client->end_ns;
}

static void link_ends(struct exchange *client, struct exchange *server)
{
	client->peer = server;
	server->peer = client;
	client->joined = server->joined = true;
	server->peer_port = client->conn->about.local_port;
	if (!client->conn->datagrams) {
		client->conn->peer_cookie = server->conn->about.cookie;
		server->conn->peer_cookie = client->conn->about.cookie;
	}
	client->conn->peer_absent = server->conn->peer_absent = false;
	client->conn->missed_cnt = server->conn->missed_cnt = 0;
	/* What the server has read must have left the client by then. */
	if (client->start_ns > server->start_ns)
		client->start_ns = server->start_ns;
	bound_end(client);
	if ((server->parent_method == PARENT_NONE || server->parent_method == PARENT_OPTION) &&
	    !server->told)
		exchange__adopt(client, server, PARENT_SOCKET);
}

void join__enter(struct join *join, struct exchange *x)
{
	struct exchange **bucket = bucket_of(join, x), *found = NULL;
	int found_cnt = 0, looked_at = 0;

	/* Two are none, and so are more alike than can be looked through for each. */
	for (struct exchange *y = *bucket; y && found_cnt < 2; y = y->bucket_next) {
		if (y->peer || conn_began(y) == conn_began(x) || key_of(y) != key_of(x))
			continue;
		if (++looked_at > JOIN_ALIKE_MAX) {
			account_add(ACCOUNT_PARENTS_REFUSED, 1);
			found_cnt = 2;
			break;
		}
		if (conn_began(x) ? are_two_ends(x, y) : are_two_ends(y, x)) {
			found = y;
			found_cnt++;
		}
	}
	if (found_cnt == 1)
		link_ends(conn_began(x) ? x : found, conn_began(x) ? found : x);
	x->bucket_next = *bucket;
	x->bucket_link = bucket;
	if (*bucket)
		(*bucket)->bucket_link = &x->bucket_next;
	*bucket = x;
}

void join__leave(struct join *join, struct exchange *x)
{
	(void)join;
	if (x->bucket_link) {
		*x->bucket_link = x->bucket_next;
		if (x->bucket_next)
			x->bucket_next->bucket_link = x->bucket_link;
		x->bucket_link = NULL;
	}
	if (x->peer) {
		if (conn_began(x))
			bound_end(x);
		x->peer->peer = NULL;
		x->peer = NULL;
	}
}

/*
 * A server's span waits for its client's, whose records may come later. A client's need not, as its server has read
 * before it answered; but where the answer told what is spoken, the server's send of it may be told after the client
 * has read it.
 */
static bool waits_for_peer(const struct exchange *x)
{
	if (x->joined || x->conn->peer_absent)
		return false;
	if (conn_began(x) && !x->oneway)
		return x->off < x->conn->found_off;
	return x->parent_method == PARENT_NONE;
}

/* May its parent, or theirs, still find its other end, and with it another trace? */
static bool waits_for_parent(const struct exchange *x)
{
	while (x->parent) {
		x = x->parent;
		if (x->parent_method == PARENT_TASK && !x->told && !x->end_ns)
			return true; /* who reads its answer will prove it, or not: see cause_check */
	}
	return !x->told && waits_for_peer(x);
}

bool join__should_hold(const struct join *join, const struct exchange *x)
{
	if (waits_for_peer(x))
		return join->held_cnt < JOIN_HELD_MAX;
	return waits_for_parent(x) && join->held_cnt < JOIN_HELD_MAX / 2;
}

void join__hold(struct join *join, struct exchange *x)
{
	x->held = true;
	x->held_next = NULL;
	if (join->held_last)
		join->held_last->held_next = x;
	else
		join->held_first = x;
	join->held_last = x;
	join->held_cnt++;
}

/*
 * Nobody came: later ones need not wait. Of one-way exchanges many may pass before both ends of a
 * connection that is older than the tracer are seen.
 */
static void note_missed(const struct exchange *x)
{
	struct conn *conn = x->conn;

	if (conn->peer_cookie || conn->datagrams || (conn_began(x) && !x->oneway))
		return;
	if (!x->oneway || ++conn->missed_cnt == JOIN_MISSES)
		conn->peer_absent = true;
}

struct exchange *join__release(struct join *join, uint64_t now_ns)
{
	struct exchange *x = join->held_first;

	if (!x || ((waits_for_peer(x) || waits_for_parent(x)) && now_ns < x->end_ns + JOIN_HOLD_NS))
		return NULL;
	join->held_first = x->held_next;
	if (!join->held_first)
		join->held_last = NULL;
	join->held_cnt--;
	x->held = false;
	if (waits_for_peer(x) && now_ns != JOIN_RELEASE_ALL)
		note_missed(x);
	return x;
}

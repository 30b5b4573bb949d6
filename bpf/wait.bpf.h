/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Who waits for a socket? Its wait queue tells: of epoll sets at any time, of a thread in poll() or select()
 * only until that returns. So it is looked at when something arrives, too.
 */
#ifndef SONDE_BPF_WAIT_H
#define SONDE_BPF_WAIT_H

#include "bpf/connection.bpf.h"

#define EVENTS_ASKED 0x0fffffffu /* of epoll_event.events; the other bits say how to tell of them */

#define POLLED_MAX 9 /* entries of a poll_wqueues; what it has more of is not looked at */

enum watched {
	WATCHED_NOT,
	WATCHED_DISARMED, /* an epoll set has told of it (EPOLLONESHOT), and waits to be asked again */
	WATCHED,
};

/* What a thread waited for in the poll() or select() that something for a socket has ended. */
enum polled {
	POLLED_NOT,
	POLLED_ALONE,	/* that socket, and perhaps pipes and such, to be woken by */
	POLLED_ALONG,	/* other sockets, too */
	POLLED_SERVING, /* among them such as listen, or were accepted */
};

/* Does an event loop wait for this socket? Who blocks in a receive does not any more when that returns. */
static __always_inline enum watched watched(struct sock *sk, bool typed)
{
	struct socket_wq *wq = FIELD(sk, sk_wq);
	struct list_head *first = FIELD(wq, wait.head.next);
	struct eppoll_entry *entry = container_of(first, struct eppoll_entry, wait.entry);
	struct epitem *item;

	if (first == &wq->wait.head)
		return WATCHED_NOT;
	if (!bpf_core_field_exists(entry->next) || FIELD(first, next) != &wq->wait.head)
		return WATCHED;
	item = BPF_CORE_READ(entry, base);
	if (BPF_CORE_READ(item, event.events) & EVENTS_ASKED ||
	    BPF_CORE_READ(item, pwqlist) != entry)
		return WATCHED;
	return WATCHED_DISARMED;
}

/* The poll() or select() in which a thread waits for this socket; NULL: who waits first does so in another way. */
static __always_inline struct poll_wqueues *poll_that_waits(struct socket_wq *wq)
{
	struct list_head *first = wq->wait.head.next;
	struct poll_table_entry *entry = container_of(first, struct poll_table_entry, wait.entry);
	struct poll_wqueues *poll;

	if (first == &wq->wait.head)
		return NULL;
	poll = BPF_CORE_READ(entry, wait.private);
	/* Nothing there: an epoll set waits, whose entry has its queue there, too. */
	return poll && BPF_CORE_READ(entry, wait_address) == &wq->wait ? poll : NULL;
}

static __always_inline bool listens_or_accepted(struct sock *sk)
{
	__u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);

	return (family == FAMILY_INET || family == FAMILY_INET6) &&
	       (BPF_CORE_READ(sk, __sk_common.skc_state) == BPF_TCP_LISTEN ||
		was_accepted(sk, family));
}

#define SOCKET 1
#define SERVING_SOCKET (SOCKET | 1 << 8)

/* What an entry is: a socket, one that serves, or 0. Its addresses are numbers: the verifier sees it once. */
__noinline int polled_entry(__u64 entry, __u64 socket_ops)
{
	struct file *file = BPF_CORE_READ((struct poll_table_entry *)entry, filp);
	struct socket *socket = BPF_CORE_READ(file, private_data);

	if ((__u64)BPF_CORE_READ(file, f_op) != socket_ops)
		return 0;
	return listens_or_accepted(BPF_CORE_READ(socket, sk)) ? SERVING_SOCKET : SOCKET;
}

static __always_inline enum polled what_is_polled(struct poll_wqueues *poll, struct sock *sk)
{
	__u64 socket_ops = (__u64)BPF_CORE_READ(sk, sk_socket, file, f_op);
	struct poll_table_entry *entries =
		__builtin_preserve_access_index(&poll->inline_entries[0]);
	int cnt = BPF_CORE_READ(poll, inline_index);
	__u32 found = 0;

	for (int i = 0; i < POLLED_MAX && i < cnt; i++)
		found += polled_entry((__u64)&entries[i], socket_ops);
	if ((found & 0xff) <= SOCKET && !BPF_CORE_READ(poll, table))
		return POLLED_ALONE;
	return found >> 8 ? POLLED_SERVING : POLLED_ALONG;
}

/* Something has come for a socket, and who waits for it is not yet told. */
static __always_inline void note_poll(struct sock *sk)
{
	struct poll_wqueues *poll = poll_that_waits(sk->sk_wq);
	struct connection_state *conn;

	if (!poll || sk->__sk_common.skc_state != BPF_TCP_ESTABLISHED)
		return;
	conn = connection_get(sk, true, true);
	if (!conn)
		return;
	conn->polled_by = BPF_CORE_READ(poll, polling_task, pid);
	conn->polled = what_is_polled(poll, sk);
}

/* What the current thread waited for when bytes last came for this socket. */
static __always_inline enum polled polled(const struct connection_state *conn)
{
	bool current = conn->polled_by == (__u32)bpf_get_current_task_btf()->pid;

	return current ? conn->polled : POLLED_NOT;
}

#endif

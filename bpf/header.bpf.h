/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Ids go with requests from host to host in a header (include/abi/hop.h): the line is put into the first
 * message of a connection, if that is a request's whole head.
 *
 * Only a socket in a sockmap can be given other bytes to send, and such a socket does not receive as others do:
 * a signal or a reset ends a receive that blocks with EAGAIN, and some kernels say that nothing waits
 * to be read. So it is in there only from when the connection is made until its first segment with
 * data leaves; and only where the server was asked by HTTP before, since it does not speak first.
 *
 * The program sees a sequence of bytes into which the line was put. All stream offsets are of that, as
 * the program sent it: they do not count the line, whereas TCP's sequence numbers do.
 */
#ifndef SONDE_BPF_HEADER_H
#define SONDE_BPF_HEADER_H

#include "bpf/head.bpf.h"
#include "bpf/hop.bpf.h"

#define HEAD_SENT_MAX 8192 /* longer heads are left alone */
#define HTTP_SERVERS_MAX 4096
#define OPENING_SOCKETS_MAX 16384

/* Those that have connected and not sent yet, by cookie. */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, OPENING_SOCKETS_MAX);
	__type(key, __u64);
	__type(value, __u64);
} opening_sockets SEC(".maps") __weak;

/* Other ends to which a request of HTTP/1 was the first that a connection sent. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, HTTP_SERVERS_MAX);
	__type(key, struct own_end_key);
	__type(value, __u8);
} http_servers SEC(".maps") __weak;

static __always_inline void server_of(struct sock *sk, struct own_end_key *key)
{
	key->port = bpf_ntohs(sk->__sk_common.skc_dport);
	key->family = sk->__sk_common.skc_family;
	if (key->family == FAMILY_INET)
		*(__u32 *)key->addr = sk->__sk_common.skc_daddr;
	else
		BPF_CORE_READ_INTO(&key->addr, sk, __sk_common.skc_v6_daddr);
}

/* --- in the socket hook ------------------------------------------------------------------------ */

/* What a connection sends first tells what is spoken there. */
static __always_inline void note_server(struct sock *sk)
{
	struct own_end_key key = {};
	struct user_buffer buffer = {};
	__u8 first[4], yes = 1;

	server_of(sk, &key);
	if (bpf_map_lookup_elem(&http_servers, &key))
		return;
	find_buffer(&buffer);
	if (!bpf_probe_read_user(first, sizeof(first), (void *)buffer.base) &&
	    begins_request(first))
		bpf_map_update_elem(&http_servers, &key, &yes, BPF_ANY);
}

/*
 * The first bytes that a client sends, before their record. Where a line was put into them they are placed
 * by sequence number as if it stood before all of them.
 */
static __noinline int header_sent(struct scratch *s, struct sock *sk, struct connection_state *conn)
{
	struct hop *hop = bpf_sk_storage_get(&hops, sk, 0, 0);

	if (!hop || !hop->willing)
		return 0;
	if (!hop->inserted) {
		note_server(sk);
		return 0;
	}
	hop->inserted = false;
	if (hop->seq != conn->tx_seq)
		return 0;
	conn->tx_seq += sizeof(struct hop_header);
	tell_context(s, conn, CONTEXT_SENT, conn->tx_seq, &hop->ids, sizeof(struct hop_header));
	return 0;
}

/* --- as connections are made, and begin to send ------------------------------------------------- */

static __always_inline void watch_opening(struct bpf_sock_ops *ctx, const struct hop *hop)
{
	struct bpf_sock *bpf_sk = ctx->sk;
	__u64 cookie = bpf_get_socket_cookie(ctx);
	struct tcp_sock *tcp = bpf_sk ? bpf_skc_to_tcp_sock(bpf_sk) : NULL;
	struct own_end_key key = {};

	if (!tcp || tcp->data_segs_out) /* with the handshake, as fast open has it */
		return;
	if (!hop->test) {
		server_of((struct sock *)tcp, &key);
		if (!ports_match((struct sock *)tcp, true) ||
		    !bpf_map_lookup_elem(&http_servers, &key))
			return;
	}
	if (bpf_sock_hash_update(ctx, &opening_sockets, &cookie, BPF_NOEXIST) == 0)
		ask_for(ctx, BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG);
}

/* Asked for each segment: at the first with data the socket becomes as others again. */
static __always_inline void end_opening(struct bpf_sock_ops *ctx)
{
	__u64 cookie = bpf_get_socket_cookie(ctx);

	if (!ctx->skb_len)
		return;
	bpf_map_delete_elem(&opening_sockets, &cookie);
	bpf_sock_ops_cb_flags_set(ctx,
				  ctx->bpf_sock_ops_cb_flags & ~BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG);
}

/* --- in the message --------------------------------------------------------------------------- */

struct head_sent {
	struct head_scan scan;
	struct sk_msg_md *msg;
};

static long scan_on(__u64 at, struct head_sent *sent)
{
	struct sk_msg_md *msg = sent->msg;
	__u8 *byte = msg->data;

	byte += at & (HEAD_SENT_MAX - 1);
	if ((void *)(byte + 1) > msg->data_end)
		return 1;
	return take_head_byte(&sent->scan, at, *byte) || sent->scan.names_span;
}

/* Where a header may be put into the message: behind the first line of a whole head that names no span; 0: nowhere. */
static __always_inline __u32 place_for_header(struct sk_msg_md *msg, __u32 mss)
{
	struct head_sent sent = {.msg = msg};
	__u32 max = msg->size < HEAD_SENT_MAX ? msg->size : HEAD_SENT_MAX;
	const __u8 *first;

	if (msg->data_end - msg->data < max && bpf_msg_pull_data(msg, 0, max, 0))
		return 0;
	barrier_var(
		msg); /* else one load serves both branches, by an address that the verifier does not take */
	first = msg->data;
	if ((void *)(first + 4) > msg->data_end || !begins_request(first))
		return 0;
	bpf_loop(max, scan_on, &sent, 0);
	if (!sent.scan.whole || sent.scan.names_span ||
	    sent.scan.line_end + sizeof(struct hop_header) > mss)
		return 0;
	return sent.scan.line_end;
}

static __always_inline char hex_digit(__u8 value)
{
	return value < 10 ? '0' + value : 'a' + value - 10;
}

static __always_inline void write_hex(char *to, const __u8 *from, int cnt)
{
	for (int i = 0; i < cnt; i++) {
		to[2 * i] = hex_digit(from[i] >> 4);
		to[2 * i + 1] = hex_digit(from[i] & 15);
	}
}

static __always_inline void write_header(struct hop_header *header, const struct hop_ids *ids)
{
	__builtin_memcpy(header->name, HOP_HEADER_NAME, sizeof(header->name));
	write_hex(header->trace_id, (const __u8 *)ids->trace, 16);
	header->dash = '-';
	write_hex(header->span_id, (const __u8 *)&ids->span, 8);
	__builtin_memcpy(header->end, ids->unsampled ? "-00\r\n" : "-01\r\n", sizeof(header->end));
}

/* Puts it there, or leaves the message as it was: SK_PASS. What can be neither is not sent. */
static __always_inline int put_header(struct sk_msg_md *msg, __u32 at, struct hop *hop, __u32 seq)
{
	const __u32 len = sizeof(struct hop_header);
	struct hop_header *header;

	if (bpf_msg_push_data(msg, at, len, 0))
		return SK_PASS;
	if (bpf_msg_pull_data(msg, at, at + len, 0))
		return bpf_msg_pop_data(msg, at, len, 0) ? SK_DROP : SK_PASS;
	header = msg->data;
	if ((void *)(header + 1) > msg->data_end)
		return bpf_msg_pop_data(msg, at, len, 0) ? SK_DROP : SK_PASS;
	write_header(header, &hop->ids);
	hop->seq = seq;
	hop->inserted = true;
	/* In one piece again: else each would be sent for itself, and wait for the one before to be acknowledged. */
	bpf_msg_pull_data(msg, 0, at + len + 1, 0);
	__sync_fetch_and_add(&hops_written, 1);
	return SK_PASS;
}

/* Whose ids are they? Those of a message that found no room, and is sent again, are the same. */
static __always_inline bool ids_of_message(struct hop *hop, struct connection_state *conn,
					   struct tcp_sock *tcp)
{
	if (hop->inserted && hop->seq == tcp->write_seq)
		return true;
	if (!hop->test)
		return !conn->carries && is_sending(tcp) && ids_of_sender(&hop->ids);
	hop->ids.span = random_word();
	hop->ids.trace[0] = hop->ids.trace[1] = random_word();
	return true;
}

/*
 * Runs in the thread that sends, with the socket locked. While nothing waits to be sent the first segment
 * takes all up to the end of the line, or the message is not sent: no part of the line can get lost.
 */
static __always_inline int header_message(struct sk_msg_md *msg)
{
	struct bpf_sock *sk = msg->sk;
	struct connection_state *conn;
	struct tcp_sock *tcp;
	struct hop *hop;
	__u32 at;

	if (!propagates() || !hops_in_header || !sk)
		return SK_PASS;
	hop = bpf_sk_storage_get(&hops, sk, 0, 0);
	conn = bpf_sk_storage_get(&connections, sk, 0, 0);
	tcp = bpf_skc_to_tcp_sock(sk);
	if (!hop || !conn || !tcp || !hop->willing || conn->turn || conn->seq_known != 3 ||
	    conn->tx_seq != tcp->write_seq || tcp->snd_nxt != tcp->write_seq)
		return SK_PASS;
	at = place_for_header(msg, tcp->mss_cache);
	if (!at || !ids_of_message(hop, conn, tcp))
		return SK_PASS;
	return put_header(msg, at, hop, tcp->write_seq);
}

#endif

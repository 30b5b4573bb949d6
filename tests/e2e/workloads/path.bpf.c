// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * What a device between two hosts may do to TCP options of kind 253, for tc: drop the segments that have
 * one, or make the option into padding. Where timestamps are in use such an option begins at byte 32 of
 * the TCP header.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define TCP_AT (14 + 20)
#define OPTION_AT (TCP_AT + 32)
#define OPTION_SZ 28
#define KIND 253
#define HEADER_MAX_WORDS 15

static int has_option(struct __sk_buff *skb)
{
	unsigned char ip[10], doff, kind;

	return !bpf_skb_load_bytes(skb, 14, ip, sizeof(ip)) && ip[0] == 0x45 && ip[9] == 6 &&
	       !bpf_skb_load_bytes(skb, TCP_AT + 12, &doff, 1) && doff >> 4 == HEADER_MAX_WORDS &&
	       !bpf_skb_load_bytes(skb, OPTION_AT, &kind, 1) && kind == KIND;
}

SEC("drop")
int on_drop(struct __sk_buff *skb)
{
	return has_option(skb) ? TC_ACT_SHOT : TC_ACT_OK;
}

SEC("strip")
int on_strip(struct __sk_buff *skb)
{
	unsigned int nop = 0x01010101, old;

	if (!has_option(skb))
		return TC_ACT_OK;
#pragma unroll
	for (int at = 0; at < OPTION_SZ; at += 4) {
		if (bpf_skb_load_bytes(skb, OPTION_AT + at, &old, 4))
			return TC_ACT_SHOT;
		bpf_l4_csum_replace(skb, TCP_AT + 16, old, nop, 4);
		bpf_skb_store_bytes(skb, OPTION_AT + at, &nop, 4, 0);
	}
	return TC_ACT_OK;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";

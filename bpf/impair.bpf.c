// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// A lossy link for the laboratory, at the ingress of a device: loses packets of registered flows at random, and knows
// to the single packet how many of which flow and color it has seen and lost.
//
// Everything else passes untouched. The device must have GRO off, because a merged packet counts as one.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "include/impair.h"

#define EXTENSION_HEADERS 8

// RFC 8754 section 2, up to the segment list.
struct srh {
	__u8 next_header;
	__u8 length; // units of 8 octets, the first 8 not counted
	__u8 type;
	__u8 segments_left;
	__u8 last_entry;
	__u8 flags;
	__be16 tag;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, IMPAIR_FLOWS);
	__type(key, struct impair_key);
	__type(value, struct impair_flow);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct impair_config);
} config SEC(".maps"); // control: rw, program: ro

// A key is too large for the stack beside the rest. The program runs with softirqs off, so one per core is enough.
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct impair_key);
} scratch SEC(".maps");

// Puts the flow's key into `key`. Returns 0 when the packet has one.
static __always_inline int flow_key(struct __sk_buff *skb, const struct ipv6hdr *ip, struct impair_key *key)
{
	__u32 offset = ETH_HLEN + sizeof(*ip);
	__u8 next = ip->nexthdr;
	struct srh header;

	__builtin_memset(key, 0, sizeof(*key));
	for (int i = 0; i < EXTENSION_HEADERS; i++) {
		if (next != 0 && next != 43 && next != 60)
			break; // neither hop-by-hop options, nor a routing header, nor destination options
		if (bpf_skb_load_bytes(skb, offset, &header, sizeof(header)))
			return -1;
		if (next == 43 && header.type == 4) {
			__u32 count = (__u32)header.last_entry + 1;

			if (count > IMPAIR_SEGMENTS || 2 * count > header.length)
				return -1;
			key->count = count;
			return bpf_skb_load_bytes(skb, offset + sizeof(header), key->segments, 16 * count);
		}
		next = header.next_header;
		offset += 8 + 8 * (__u32)header.length;
	}
	key->count = 1;
	__builtin_memcpy(key->segments, &ip->daddr, 16);
	return 0;
}

static __always_inline struct impair_count *of_color(struct impair_counts *counts, const struct impair_config *self,
						     const struct ipv6hdr *ip)
{
	__u8 mark = (ip->priority << 4 | ip->flow_lbl[0] >> 4) & self->mask;

	// A mark of zero is none.
	return mark == 0 ? &counts->uncolored : mark == self->a ? &counts->a : mark == self->b ? &counts->b : &counts->uncolored;
}

// Whether the packet is lost. The caller holds the flow's lock.
static __always_inline int draw(struct impair_flow *flow, const struct impair_config *self, __u32 random)
{
	if (!self->losing)
		return 0;
	if (flow->left) {
		flow->left--;
		return 1;
	}
	if (random >= flow->probability)
		return 0;
	flow->left = flow->burst ? flow->burst - 1 : 0;
	return 1;
}

SEC("tc")
int srv6pm_impair(struct __sk_buff *skb)
{
	struct ipv6hdr ip;
	__u32 zero = 0;

	if (skb->protocol != bpf_htons(ETH_P_IPV6) || bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)))
		return TC_ACT_UNSPEC;

	const struct impair_config *self = bpf_map_lookup_elem(&config, &zero);
	struct impair_key *key = bpf_map_lookup_elem(&scratch, &zero);
	if (!self || !key || flow_key(skb, &ip, key))
		return TC_ACT_UNSPEC;

	struct impair_flow *flow = bpf_map_lookup_elem(&flows, key);
	if (!flow)
		return TC_ACT_UNSPEC;

	struct impair_count *seen = of_color(&flow->seen, self, &ip);
	struct impair_count *dropped = of_color(&flow->dropped, self, &ip);
	__u32 octets = sizeof(ip) + bpf_ntohs(ip.payload_len);
	__u32 random = bpf_get_prandom_u32();

	bpf_spin_lock(&flow->lock);
	int lost = draw(flow, self, random);
	seen->packets++;
	seen->octets += octets;
	if (lost) {
		dropped->packets++;
		dropped->octets += octets;
	}
	bpf_spin_unlock(&flow->lock);
	return lost ? TC_ACT_SHOT : TC_ACT_UNSPEC;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";

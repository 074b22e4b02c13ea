// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The engine's share of a port: transit traffic goes to the socket of its queue, the rest to the kernel.
//
// A header that is cut short, unknown or the kernel's business sends the packet to the kernel as it is. Nothing is
// dropped and nothing is changed here; without a socket (engine gone, not yet started) the kernel has everything.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "include/xsk_redirect.h"

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, XSK_REDIRECT_QUEUES);
	__type(key, __u32);
	__type(value, __u32);
} xsks SEC(".maps"); // queue -> socket; control: rw

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, XSK_REDIRECT_ADDRESSES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct xsk_redirect_address);
	__type(value, __u8);
} local_addresses SEC(".maps"); // control: rw, program: ro

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct xsk_redirect_port);
} port SEC(".maps"); // control: rw, program: ro

enum owner { KERNEL, ENGINE };

static __always_inline enum owner by_address(const struct xsk_redirect_address *destination)
{
	return bpf_map_lookup_elem(&local_addresses, destination) ? KERNEL : ENGINE;
}

static __always_inline int is_link_local(const struct in6_addr *address)
{
	return address->s6_addr[0] == 0xfe && (address->s6_addr[1] & 0xc0) == 0x80;
}

static __always_inline enum owner ipv6(const void *data, const void *end)
{
	const struct ipv6hdr *header = data;

	if ((const void *)(header + 1) > end)
		return KERNEL;
	// RFC 8200 section 4.3: options for every node on the way, the router included.
	if (header->nexthdr == 0)
		return KERNEL;
	if (header->daddr.s6_addr[0] == 0xff || is_link_local(&header->daddr) || is_link_local(&header->saddr))
		return KERNEL;

	struct xsk_redirect_address destination;
	__builtin_memcpy(&destination, &header->daddr, sizeof(destination));
	return by_address(&destination);
}

static __always_inline enum owner ipv4(const void *data, const void *end)
{
	const struct iphdr *header = data;

	if ((const void *)(header + 1) > end || header->ihl != 5)
		return KERNEL;

	__u32 address = bpf_ntohl(header->daddr);
	if (address >> 28 >= 0xe || address >> 24 == 127 || address >> 16 == 0xa9fe)
		return KERNEL; // multicast, reserved and broadcast; loopback; link-local

	struct xsk_redirect_address destination = {.octets = {[10] = 0xff, [11] = 0xff}};
	__builtin_memcpy(&destination.octets[12], &header->daddr, 4);
	return by_address(&destination);
}

static __always_inline enum owner ethernet(const void *data, const void *end)
{
	const struct ethhdr *header = data;
	const void *payload = header + 1;
	__u32 zero = 0;

	if (payload > end)
		return KERNEL;

	const struct xsk_redirect_port *self = bpf_map_lookup_elem(&port, &zero);
	if (!self || !self->active || __builtin_memcmp(header->h_dest, self->mac, ETH_ALEN) != 0)
		return KERNEL;

	switch (header->h_proto) {
	case bpf_htons(ETH_P_IPV6):
		return ipv6(payload, end);
	case bpf_htons(ETH_P_IP):
		return ipv4(payload, end);
	default:
		return KERNEL;
	}
}

SEC("xdp")
int srv6pm_redirect(struct xdp_md *ctx)
{
	enum owner owner = ethernet((const void *)(long)ctx->data, (const void *)(long)ctx->data_end);

	return owner == ENGINE ? bpf_redirect_map(&xsks, ctx->rx_queue_index, XDP_PASS) : XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";

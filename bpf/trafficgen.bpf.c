// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// A traffic generator for the laboratory and the benchmarks, run by BPF_PROG_TEST_RUN on live frames.
//
// A frame comes back as its last receiver left it, so every packet is written whole. One call lasts for the whole
// trial, because each call sets up a page pool: the program paces itself and lets a frame fall while it is not time.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "include/trafficgen.h"

// Looks at the clock before a frame is let fall: fewer calls of the program per second of waiting.
#define LOOKS 16

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct trafficgen_template);
} template SEC(".maps"); // control: rw, program: ro

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct trafficgen_pace);
} pace SEC(".maps");

// Whether it is time for a packet, and if so plans the next one.
static __always_inline int is_due(struct trafficgen_pace *self)
{
	if (self->sent >= self->limit)
		return 0;

	__u64 now = bpf_ktime_get_ns();
	if (!self->started)
		self->started = self->next = now;
	for (int i = 0; i < LOOKS && now < self->next; i++)
		now = bpf_ktime_get_ns();
	if (now < self->next)
		return 0;
	self->fraction += self->interval & 0xffffffff;
	self->next += (self->interval >> 32) + (self->fraction >> 32);
	self->fraction &= 0xffffffff;
	self->finished = now;
	return 1;
}

static __always_inline int write_template(const struct trafficgen_template *from, void *data, const void *end)
{
	__u64 *word = data;

	for (int i = 0; i < TRAFFICGEN_WORDS; i++) {
		if (i * 8 >= from->length)
			return 0;
		if ((const void *)(word + i + 1) > end) {
			// The frame is not a multiple of 8 octets: its tail, octet by octet.
			const __u8 *octets = (const __u8 *)&from->words[i];
			__u8 *tail = (__u8 *)(word + i);

			for (int j = 0; j < 7; j++) {
				if ((const void *)(tail + j + 1) > end)
					break;
				tail[j] = octets[j];
			}
			return 0;
		}
		word[i] = from->words[i];
	}
	return 0;
}

static __always_inline __u16 *field_at(void *data, const void *end, __u32 offset)
{
	__u16 *field = data + (offset & 0x7ff);

	return (const void *)(field + 1) > end ? NULL : field;
}

// RFC 1624, equation 3.
static __always_inline __u16 updated(__u16 checksum, __u16 old, __u16 new)
{
	__u32 sum = (__u16)~checksum + (__u16)~old + new;

	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

static __always_inline void vary(const struct trafficgen_template *from, void *data, const void *end)
{
	__u32 flow = from->flow_count ? bpf_get_prandom_u32() % from->flow_count : 0;

	for (int i = 0; i < TRAFFICGEN_FIELDS && i < from->field_count; i++) {
		__u16 *field = field_at(data, end, from->fields[i]);

		if (!field)
			return;
		__u16 old = *field;
		__u16 new = bpf_htons(bpf_ntohs(old) + flow);

		*field = new;
		for (int j = 0; j < TRAFFICGEN_FIELDS && j < from->checksum_count; j++) {
			__u16 *checksum = field_at(data, end, from->checksums[j]);

			if (checksum)
				*checksum = updated(*checksum, old, new);
		}
	}
}

SEC("xdp")
int srv6pm_trafficgen(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	const void *end = (const void *)(long)ctx->data_end;
	__u32 zero = 0;
	const struct trafficgen_template *from = bpf_map_lookup_elem(&template, &zero);
	struct trafficgen_pace *self = bpf_map_lookup_elem(&pace, &zero);

	if (!from || !self || !is_due(self))
		return XDP_DROP;
	write_template(from, data, end);
	vary(from, data, end);
	self->sent++;
	self->octets += from->length;
	return bpf_redirect(from->ifindex, 0);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";

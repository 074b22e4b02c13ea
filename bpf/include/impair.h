// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Shared by impair.bpf.c and the laboratory.
#pragma once
#include <linux/bpf.h>
#include <linux/types.h>

#define IMPAIR_SEGMENTS 16
#define IMPAIR_FLOWS 4096

// How packets of a flow look on the wire: the SRH's segment list, the last segment of the path first as on the wire;
// the destination address alone where there is no SRH. Octets behind the last segment are zero.
struct impair_key {
	__u8 count; // segments, 1 to IMPAIR_SEGMENTS
	__u8 pad[7];
	__u8 segments[16 * IMPAIR_SEGMENTS];
};

// The one entry of the map `config`.
struct impair_config {
	__u8 mask; // where the color stands in the traffic class, and its two values
	__u8 a;
	__u8 b;
	__u8 losing; // 0: counts, and lets everything pass
};

struct impair_count {
	__u64 packets;
	__u64 octets; // IPv6 header through payload
};

struct impair_counts {
	struct impair_count a, b, uncolored;
};

// A value of the map `flows`. Read and written with BPF_F_LOCK, so that all fields belong to one moment.
struct impair_flow {
	struct bpf_spin_lock lock;
	__u32 probability; // control: rw; that a loss begins with a packet, out of 2^32
	__u32 burst;       // control: rw; packets that are lost in a row, 0 as 1
	__u32 left;        // program: rw; packets that the present loss has still to take
	struct impair_counts seen;
	struct impair_counts dropped;
};

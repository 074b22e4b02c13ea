// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Shared by trafficgen.bpf.c and the laboratory.
#pragma once
#include <linux/types.h>

#define TRAFFICGEN_OCTETS 1536
#define TRAFFICGEN_WORDS (TRAFFICGEN_OCTETS / 8)
// Fields of a packet that vary with the flow, and checksums that vary with them.
#define TRAFFICGEN_FIELDS 4

// The one entry of the map `template`.
struct trafficgen_template {
	__u16 length;                        // octets of the frame, at least 14
	__u16 field_count;                   // entries of `fields` in use
	__u16 checksum_count;                // entries of `checksums` in use
	__u16 ifindex;                       // device that the packets leave by
	__u32 flow_count;                    // flows, 1 to 65536
	__u32 pad;
	__u16 fields[TRAFFICGEN_FIELDS];     // offsets of 16-bit fields that the flow's number is added to
	__u16 checksums[TRAFFICGEN_FIELDS];  // offsets of Internet checksums that every field counts in
	__u64 words[TRAFFICGEN_WORDS];       // the frame
};

// The one entry of the map `pace`.
struct trafficgen_pace {
	__u64 limit;       // control: rw; packets to send in all
	__u64 interval;    // control: rw; 2^-32 ns from one packet to the next, 0 for as fast as possible
	__u64 next;        // program: rw; ns of the monotonic clock, when the next packet is due
	__u64 fraction;    // program: rw; 2^-32 ns to be added to it
	__u64 sent;        // program: rw; packets sent
	__u64 octets;      // program: rw
	__u64 started;     // program: rw; ns, time of the first packet
	__u64 finished;    // program: rw; ns, time of the latest packet
};

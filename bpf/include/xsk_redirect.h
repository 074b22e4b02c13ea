// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Shared by xsk_redirect.bpf.c and the engine.
#pragma once
#include <linux/types.h>

// Sockets per port: one per receive queue, so also the most workers an engine can have.
#define XSK_REDIRECT_QUEUES 64
// Own addresses and punt SIDs that a port can know.
#define XSK_REDIRECT_ADDRESSES 65536

// The one entry of the map `port`.
struct xsk_redirect_port {
	__u8 mac[6];
	__u8 active; // 0: everything goes to the kernel
	__u8 pad;
};

// A key of the map `local_addresses`: network byte order, IPv4 mapped into ::ffff:0:0/96.
struct xsk_redirect_address {
	__u8 octets[16];
};

// SPDX-License-Identifier: Apache-2.0
// What the Netlink room needs of C: libmnl and the kernel's headers.
#pragma once
// Before the kernel's headers, which then leave its structures to it.
#include <netinet/in.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/if_link.h>
#include <linux/lwtunnel.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sched.h>
#include <linux/fib_rules.h>
#include <linux/seg6.h>
#include <linux/seg6_genl.h>
#include <linux/seg6_iptunnel.h>
#include <linux/seg6_local.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

// setsockopt on a socket of libmnl, whose own wrapper knows the level SOL_NETLINK only.
static inline int cmnl_set_option(const struct mnl_socket *s, int level, int name, int value) { return setsockopt(mnl_socket_get_fd(s), level, name, &value, sizeof value); }
// The calls themselves: sched.h shows setns and unshare with _GNU_SOURCE only. Of the calling thread.
static inline int cmnl_unshare_network(void) { return (int)syscall(SYS_unshare, CLONE_NEWNET); }
static inline int cmnl_enter_network(int fd) { return (int)syscall(SYS_setns, fd, CLONE_NEWNET); }

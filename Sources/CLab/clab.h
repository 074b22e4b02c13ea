// SPDX-License-Identifier: Apache-2.0
// What the laboratory needs of Linux beyond the C library that Swift sees. One line each, no logic.
#pragma once
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/sched.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

// Moves the calling thread into the network namespace behind a descriptor.
static inline int clab_enter_network(int fd) { return (int)syscall(SYS_setns, fd, CLONE_NEWNET); }
// Opens a file without a name in a directory (O_TMPFILE, which the C library shows to GNU sources only).
static inline int clab_scratch_file(const char *directory)
{
	return open(directory, 020000000 | O_DIRECTORY | O_RDWR | O_CLOEXEC, 0600);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* A socket, or the TIME_WAIT it left, that holds a local port: from the kernel's tables. */
#ifndef PORTTRACE_LIVE_SOCK_ROW_H
#define PORTTRACE_LIVE_SOCK_ROW_H

#include <linux/types.h>
#include <stdbool.h>

#include "user/event/event.h"

struct sock_row {
	/*
	 * TCP, from sock_diag: vrf follows from the device that the socket is
	 * bound to now, not from its bucket, which sock_diag does not show:
	 * PT_VRF_UNKNOWN if that device is gone.
	 */
	struct pt_space space;
	__u8 family; /* AF_INET, AF_INET6: the socket's */
	/*
	 * TCP_* of <netinet/tcp.h>, also for UDP. TCP_CLOSE of a TCP socket: it
	 * is bound, and neither listens nor connects.
	 */
	__u8 state;
	__u16 port;	/* never 0 */
	__u16 rport;	/* 0: no remote */
	__u8 laddr[16]; /* IPv4 is v4-mapped */
	__u8 raddr[16];
	__u32 ifindex; /* the device that it is bound to, 0: none */
	__u64 cookie;  /* a TIME_WAIT has that of its socket, if that had one; from an
			* iterator of a kernel without cookies: the sock's address */
	__u64 tw;      /* the TIME_WAIT sock's address, where an iterator told it, else 0 */
	__u32 inode;   /* 0: no process has it (TIME_WAIT, orphan, not yet accepted) */
	__u32 uid;     /* without meaning if inode is 0 */
	__u8 bucket;   /* enum pt_bucket, where an iterator told it, else 0 */
	bool has_tw;   /* a TIME_WAIT, or an orphan's FIN_WAIT2 in its place */
	__u32 tw_left_ms;
};

#endif /* PORTTRACE_LIVE_SOCK_ROW_H */

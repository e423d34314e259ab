/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which process has which socket open, as a BPF iterator told at one moment.
 * Unlike sock_diag before Linux 6.8 it also meets TCP sockets that are only
 * bound, and sockets in namespaces that cannot be entered. Not met: what no
 * process has open (in flight over a Unix socket, known to io_uring only, the
 * kernel's own, MPTCP's subflows).
 */
#ifndef PORTTRACE_LIVE_SOCKETS_H
#define PORTTRACE_LIVE_SOCKETS_H

#include "user/live/sock_row.h"

struct sockets;

/* One socket. With several processes (after a fork) owner.known is false. */
struct sockets_entry {
	struct sock_row row;
	struct pt_owner owner;
};

/*
 * fd is the iterator's file (LOADER_SOCK_FILES), and stays the caller's.
 * Returns 0, *out to be freed with sockets_free(), or a negative errno.
 */
int sockets_new(int fd, struct sockets **out);
void sockets_free(struct sockets *sockets);

/* By identity (sock_row.cookie). NULL: no process has it open. */
const struct sockets_entry *sockets_find(const struct sockets *sockets, __u64 cookie);

/* The next one, from *position = 0 on; NULL: no more. */
const struct sockets_entry *sockets_next(const struct sockets *sockets, __u32 *position);

#endif /* PORTTRACE_LIVE_SOCKETS_H */

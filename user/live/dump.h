/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which sockets hold a local port at this moment, in every network namespace:
 * what sock_diag tells. It also gives a cookie to each socket that had none.
 */
#ifndef PORTTRACE_LIVE_DUMP_H
#define PORTTRACE_LIVE_DUMP_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "user/base/parse.h"
#include "user/event/event.h"

struct dump_row {
	/*
	 * TCP: vrf follows from the device that the socket is bound to now, not
	 * from its bucket, which sock_diag does not show: PT_VRF_UNKNOWN if that
	 * device is gone.
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
	__u64 cookie;  /* a TIME_WAIT has that of its socket, if that had one */
	__u32 inode;   /* 0: no process has it (TIME_WAIT, orphan, not yet accepted) */
	__u32 uid;     /* without meaning if inode is 0 */
	bool has_tw;   /* a TIME_WAIT, or an orphan's FIN_WAIT2 in its place */
	__u32 tw_left_ms;
};

struct dump_options {
	__u8 proto;		      /* IPPROTO_TCP, IPPROTO_UDP; 0: both */
	__u32 netns;		      /* inode number; 0: every namespace */
	const struct port_set *ports; /* NULL: every port */
};

/* dump_result.missing: the kernel has no module for it, and shows no socket. */
enum dump_missing {
	DUMP_NO_TCP_DIAG = 1 << 0,
	DUMP_NO_UDP_DIAG = 1 << 1,
};

struct dump_result {
	unsigned int namespaces; /* dumped */
	unsigned int refused;	 /* known, but not to be entered */
	unsigned int unreadable; /* tasks that do not tell us their namespace */
	/*
	 * Dumps (of one namespace, protocol and family) that may lack rows: the
	 * table changed under each attempt, or the kernel ended them with an
	 * error, of which the first is kept.
	 */
	unsigned int incomplete;
	int incomplete_error;	/* negative errno; 0: they only changed too much */
	unsigned int missing;	/* enum dump_missing */
	bool bound_idle_unseen; /* TCP sockets in TCP_CLOSE: not before Linux 6.8 */
	__u64 rows;
};

/* Not 0 ends the dump. */
typedef int (*dump_fn)(const struct dump_row *row, void *data);

/*
 * Calls fn once for each socket and each TIME_WAIT. Request sockets (handshakes
 * on a listener) are left out, they hold no port. Namespaces are those that a
 * task is in, or that are mounted (ip netns, docker); one kept by nothing but an
 * open file or socket stays unseen. Without CAP_SYS_ADMIN it is only the own.
 * The calling thread visits them, and is back in its own when fn is called.
 * Returns 0 (look at result all the same), what fn returned, or a negative
 * errno: the own namespace could not be read, no memory.
 */
int dump_all(const struct dump_options *options, dump_fn fn, void *data,
	     struct dump_result *result);

/* ---- for dump.c and its test: what came from the kernel, taken apart ---- */

/* One dump's answer. Set the first three and row, zero the rest. */
struct dump_answer {
	__u32 seq;
	__u8 family;
	__u8 proto;
	/* space and VRF are the caller's to fill in. Not 0: dump_answer_feed() ends. */
	int (*row)(struct dump_row *row, void *data);
	void *data;
	bool done; /* the last message came */
	bool torn; /* rows may be missing */
	int error; /* with done: how the kernel ended it; 0 or a negative errno */
};

/*
 * One datagram. Returns 0, what row returned, or -EBADMSG: rows up to there were
 * delivered, and what follows cannot be understood.
 */
int dump_answer_feed(struct dump_answer *answer, const void *bytes, size_t len);

struct dump_link {
	__u32 master; /* ifindex of the device that it belongs to; 0: none */
	bool vrf;
};

/*
 * The answer to RTM_GETLINK for one device.
 * Returns 0, -EBADMSG or the error that the kernel answered; then *link is
 * untouched.
 */
int dump_link_parse(const void *bytes, size_t len, __u32 seq, struct dump_link *link);

#endif /* PORTTRACE_LIVE_DUMP_H */

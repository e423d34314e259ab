/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which sockets hold a local port at this moment, in every network namespace:
 * what sock_diag tells, which also gives a cookie to each socket that had none;
 * or, where records do not tell cookies, what the iterators do.
 */
#ifndef PORTTRACE_LIVE_DUMP_H
#define PORTTRACE_LIVE_DUMP_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "user/base/parse.h"
#include "user/live/loader.h"
#include "user/live/range.h"
#include "user/live/sock_row.h"

/* A namespace there is. Valid for the call. */
struct dump_netns {
	__u64 cookie; /* 0: before 5.14 */
	__u32 inode;
	bool entered;		   /* false: refused, nothing else is known */
	bool whole;		   /* no row may be missing */
	const struct range *range; /* the kernel's choice of ports in it; NULL: it does not tell */
};

/* Not 0 ends the dump. */
typedef int (*dump_netns_fn)(const struct dump_netns *netns, void *data);

struct dump_options {
	__u8 proto;		      /* IPPROTO_TCP, IPPROTO_UDP; 0: both */
	__u32 netns;		      /* inode number; 0: every namespace */
	const struct port_set *ports; /* NULL: every port */
	dump_netns_fn netns_done;     /* after its rows, with the same data; or NULL */
	const struct loader *loader;  /* its iterators instead of sock_diag; or NULL */
	bool only_netns;	      /* no sockets: for what netns_done is told */
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
typedef int (*dump_fn)(const struct sock_row *row, void *data);

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

/* Whether this kernel's sock_diag shows TCP sockets that are only bound (6.8). */
bool dump_sees_bound_idle(void);

#endif /* PORTTRACE_LIVE_DUMP_H */

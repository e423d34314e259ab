/* SPDX-License-Identifier: BSD-2-Clause */
/* Who holds a port at one moment: what `porttrace ls` shows, a socket or a TIME_WAIT each. */
#ifndef PORTTRACE_EVENT_HOLDER_H
#define PORTTRACE_EVENT_HOLDER_H

#include "user/event/event.h"
#include "user/event/filter.h"

struct pt_holder {
	struct pt_space space;
	__u8 family; /* AF_INET, AF_INET6: the socket's */
	__u8 state;  /* TCP_* of <netinet/tcp.h>, also for UDP */
	__u16 port;
	__u16 rport;	/* 0: no remote */
	__u8 laddr[16]; /* IPv4 is v4-mapped */
	__u8 raddr[16];
	__u64 sock;	  /* cookie; 0: not known */
	bool time_wait;	  /* a TIME_WAIT, or an orphan's FIN_WAIT2 in its place */
	__u32 tw_left_ms; /* of a past moment: 0, it is not known */
	bool accepted;	  /* shares its listener's port: no hold while that listens */
	/* Of a listener: sockets on its address and port that are accepted. */
	__u64 connections;
	bool has_inode; /* a process can have it: no TIME_WAIT, no orphan */
	__u32 uid;	/* the socket's; without meaning if it has no inode */
	/* One of the processes that have it; NULL: none was found. Not ours to free. */
	const struct pt_owner *owner;
	unsigned int processes; /* how many have it, as far as they were found */
	/* Only of a past moment, where these are known, and the owner is who got the port: */
	bool past;   /* then state, connections, uid and processes are without meaning */
	bool closed; /* its connection is over, the socket holds on */
	enum pt_via via;
	__u64 age_ns; /* PT_UNKNOWN */
};

bool pt_holder_listens(const struct pt_holder *holder);

/* By protocol and port; listeners first, then by remote. For qsort(). */
int pt_holder_compare(const struct pt_holder *a, const struct pt_holder *b);

/* A network namespace, and how full its range is. Counts are ports; PT_UNKNOWN: not counted. */
struct pt_netns {
	__u64 cookie; /* 0: not known */
	__u32 inode;
	const char *name; /* under /run/netns, anybody's bytes; NULL: none */
	bool whole;	  /* all its sockets were seen, so that counts are no lower bounds */
	bool has_range;	  /* else all below is without meaning */
	__u16 low, high;
	__u64 reserved; /* inside the range; these are counted nowhere below */
	__u64 tcp_held;
	__u64 tcp_time_wait; /* held by nothing else */
	__u64 tcp_free;
	__u64 udp_held;
	__u64 udp_free;
};

/*
 * The state as ss writes it. BOUND is a TCP socket that neither listens nor
 * connects, for which ss has no word of its own. NULL: there is no such state.
 */
const char *pt_state_name(__u8 proto, __u8 state);

/*
 * Whether a holder is to be shown when owner is the process looked at (NULL:
 * none was found; the socket's uid still counts). Events and ways of filter are
 * without meaning here.
 */
bool pt_holder_matches(const struct pt_holder *holder, const struct pt_owner *owner,
		       const struct filter *filter);

#endif /* PORTTRACE_EVENT_HOLDER_H */

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What porttrace tells its users: one event, complete, as every sink, filter
 * and statistic gets it. Made by the ledger from the records of the ring.
 */
#ifndef PORTTRACE_EVENT_H
#define PORTTRACE_EVENT_H

#include <arpa/inet.h>
#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "bpf/event_abi.h"

/* "Not known", for every unsigned field of 64 bits: times, counts. */
#define PT_UNKNOWN (~0ULL)

enum pt_event_type {
	PT_EV_ALLOC,
	PT_EV_FAIL,
	PT_EV_TIME_WAIT,
	PT_EV_FREE,
	PT_EV_LOST,
	PT_EV_TYPES,
};

/* How a hold ended. */
enum pt_end {
	PT_END_NONE, /* it has not */
	PT_END_CLOSE,
	PT_END_EXPIRED,
	PT_END_REUSED,
	PT_END_CUT,
	PT_END_UNKNOWN,
	PT_ENDS,
};

/* What was known of a port before this allocation. */
enum pt_reuse {
	PT_REUSE_NONE,
	PT_REUSE_CLEAN,
	PT_REUSE_TIME_WAIT,
	PT_REUSE_SHARED,
	PT_REUSE_FIRST,
	PT_REUSE_UNKNOWN,
	PT_REUSES,
};

/* A port space: one network namespace, one protocol, for TCP one VRF. */
struct pt_space {
	__u64 netns_cookie; /* identity; to be shown through pt_space_cookie() */
	__u32 netns;	    /* inode number */
	__u32 vrf;	    /* PT_VRF_UNKNOWN: not known */
	__u8 proto;
};

/* The process that obtained a port, as it was then. pid 0: not known. */
struct pt_owner {
	__u32 pid;
	__u32 tid;
	__u32 uid;
	bool known;  /* false: every other field is without meaning */
	bool kernel; /* a kernel thread */
	__u64 start;
	__u64 cgroup;		/* id; 0: not known */
	char comm[PT_COMM_LEN]; /* NUL-terminated, bytes of anybody's choice */
	char thread[PT_COMM_LEN];
};

#define PT_BLOCKERS_MAX 3

/*
 * A hold that stood in the way of a refused one. Of a refusal of any port: all the ports in the
 * way that one process holds.
 */
struct pt_blocker {
	struct pt_owner owner;
	bool sums_up;	/* these: then via, laddr, raddr and rport are without meaning */
	bool time_wait; /* by nothing but a TIME_WAIT, or several */
	bool differs;	/* some are held by TIME_WAITs, some by sockets */
	enum pt_via via;
	__u8 laddr[16];
	__u8 raddr[16];
	__u16 rport;
	__u64 count;  /* ports */
	__u64 age_ns; /* the oldest's */
	/*
	 * How long that TIME_WAIT (of several: the first that ends) lasts yet if nothing ends it,
	 * nor sets its timer anew (a segment of the peer does, unseen). PT_UNKNOWN: not known; an
	 * orphan's FIN_WAIT2, whose time is another; or it was due before (timers run late, up to 2
	 * s).
	 */
	__u64 tw_left_ns;
};

struct pt_event {
	enum pt_event_type type;
	__u64 ts;	       /* CLOCK_BOOTTIME, ns; never before the event that came earlier */
	__u64 realtime_offset; /* CLOCK_REALTIME minus CLOCK_BOOTTIME then, ns, modulo 2^64 */

	/* Every event but lost. */
	struct pt_space space;
	__u8 family; /* AF_INET, AF_INET6: the socket's */
	__u16 port;
	__u16 rport;	/* 0: no remote */
	__u8 laddr[16]; /* IPv4 is v4-mapped */
	__u8 raddr[16];
	__u64 sock; /* cookie; 0: not known */
	__u64 hold; /* the hold's among those of its port: the ledger's, for nobody to see */
	struct pt_owner owner;
	enum pt_via via; /* how the hold of this event was obtained */

	/* alloc, fail; PT_UNKNOWN if missed */
	__u64 search_ns;
	/* alloc, time_wait, free: holders after it; PT_UNKNOWN after a loss */
	__u64 holders;
	/* alloc */
	enum pt_reuse reuse;
	__u64 reuse_ns; /* PT_UNKNOWN unless reuse is clean */
	bool prev_known;
	__u32 prev_pid; /* of the hold that ended last */
	char prev_comm[PT_COMM_LEN];
	/* fail */
	int error;			   /* positive errno; 0: not known */
	const struct pt_blocker *blockers; /* valid as long as the event */
	unsigned int blockers_count;	   /* at most PT_BLOCKERS_MAX */
	__u64 blockers_total;		   /* PT_UNKNOWN: the ledger cannot tell */
	/* time_wait, free */
	__u64 open_ns;
	bool fin_wait2;
	/* free */
	enum pt_end end;
	__u64 held_ns;
	/* lost */
	__u64 lost_count;
	__u64 lost_from, lost_to; /* CLOCK_BOOTTIME, ns */
};

/* The names that users see; NULL where there is none (unknown is null). */
const char *pt_event_name(enum pt_event_type type);
const char *pt_via_name(enum pt_via via);
const char *pt_end_name(enum pt_end end);
const char *pt_reuse_name(enum pt_reuse reuse);
const char *pt_proto_name(__u8 proto);

/*
 * The reverse, for options.
 * Returns the value, or -ENOENT for a name that nobody has.
 */
int pt_event_from_name(const char *name);
int pt_via_from_name(const char *name);
int pt_proto_from_name(const char *name);

/* Found by a dump: a hold of which the allocation was not seen. */
static inline bool pt_via_is_found(enum pt_via via)
{
	return via == PT_VIA_SNAPSHOT || via == PT_VIA_ACCEPT;
}

/* Whether via means that the kernel chose the port: 1, 0, or -1 not known. */
int pt_via_ephemeral(enum pt_via via);

/* Whether records of that space know sockets by cookie, not by address. */
static inline bool pt_space_has_cookies(const struct pt_space *space)
{
	return !(space->netns_cookie & PT_NO_COOKIES);
}

/* The namespace's cookie as users know it; 0: not known. */
static inline __u64 pt_space_cookie(const struct pt_space *space)
{
	return pt_space_has_cookies(space) ? space->netns_cookie : 0;
}

/* The same namespace and protocol, in whichever VRF. */
static inline bool pt_space_is_same(const struct pt_space *a, const struct pt_space *b)
{
	return a->netns_cookie == b->netns_cookie && a->netns == b->netns && a->proto == b->proto;
}

/* The first 64 bits and then two of 32, of the network's order. */
struct pt_addr_words {
	__u64 high;
	__u32 mapped;
	__u32 low;
};

static inline struct pt_addr_words pt_addr_words(const __u8 addr[16])
{
	struct pt_addr_words words;

	memcpy(&words, addr, sizeof(words));
	return words;
}

/* ::ffff:a.b.c.d */
static inline bool pt_addr_is_v4(const __u8 addr[16])
{
	struct pt_addr_words words = pt_addr_words(addr);

	return !words.high && words.mapped == htonl(0xffff);
}

/* 0.0.0.0 or :: */
static inline bool pt_addr_is_any(const __u8 addr[16])
{
	struct pt_addr_words words = pt_addr_words(addr);

	return !words.high && !words.low && (!words.mapped || words.mapped == htonl(0xffff));
}

#endif /* PORTTRACE_EVENT_H */

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a ledger is inside, and what all of its parts do: how an event of a hold is
 * made, how a hold ends. Private to its parts.
 */
#ifndef PORTTRACE_LEDGER_STATE_H
#define PORTTRACE_LEDGER_STATE_H

#include <string.h>

#include "user/base/index.h"
#include "user/base/chain.h"
#include "user/base/compare.h"
#include "user/event/journal.h"
#include "user/ledger/crowd.h"
#include "user/ledger/holds.h"
#include "user/ledger/ledger.h"

#define RECENT_BITS 12 /* a collision forgets one */
#define BOUND_BITS 16

/*
 * TCP_TIMEWAIT_LEN (include/net/tcp.h), no sysctl: tcp_time_wait() sets the timer to it, and
 * so does each segment later that the TIME_WAIT answers. Not for an orphan's FIN_WAIT2.
 */
#define STATE_TIME_WAIT_NS 60000000000ULL

struct release {
	__u64 sock;
	__u64 ts;
	__u16 port;
};

/* There are many. */
struct binding {
	__u64 sock;
	__u16 port;
} __attribute__((packed, aligned(4)));

struct ledger {
	ledger_emit emit;
	void *data;
	ledger_tap tap;
	void *tap_data;
	struct holds holds;
	struct ledger_counts counts;
	__u32 lost_stamp;     /* head.lost of the last record */
	__u64 last_record_ts; /* raw */
	__u64 realtime_offset;
	__u64 last_event_ts; /* what users saw last; never goes back */
	bool uncertain;	     /* records are missing: who holds what is not known */
	struct pt_blocker blockers[PT_BLOCKERS_MAX]; /* of the last refusal */
	struct ledger_orphan orphans[LEDGER_ORPHANS_MAX];
	unsigned int orphans_first, orphans_count;
	__u64 certain_since; /* the last resync, CLOCK_BOOTTIME, ns; 0: none */
	struct release recent[1 << RECENT_BITS];
	struct binding bound[1 << BOUND_BITS]; /* where each socket was last seen to get a port */
	bool replays;			       /* rows of another ledger */
	struct chain ranges;		       /* in_way.c's */
	bool skips_crowd;		       /* nobody asks */
	struct crowd *crowd;		       /* NULL: none is kept */
	__u64 crowd_asked;		       /* the last time, CLOCK_BOOTTIME, ns */
	/* While a keyframe is taken: where the next hold and TIME_WAIT belong. */
	struct port_state *loaded_port;
	__u32 loaded_hold;
};

/* Clocks of two CPUs can differ by a little: never a negative time. */
static inline __u64 state_elapsed(__u64 from, __u64 to)
{
	if (from == PT_UNKNOWN)
		return PT_UNKNOWN;
	return to > from ? to - from : 0;
}

static inline struct pt_space state_space(const struct pt_rec_head *head)
{
	return (struct pt_space){ .netns_cookie = head->netns_cookie,
				  .netns = head->netns,
				  .vrf = head->vrf,
				  .proto = head->proto };
}

/* Where the socket was last seen to get a port, or another one with the same hash. */
static inline struct binding *state_bound(struct ledger *ledger, __u64 sock)
{
	/* cookies are handed out one by one: neighbours share a line of the CPU's cache */
	return &ledger->bound[index_hash_bits(sock / 4, BOUND_BITS - 2) * 4 + sock % 4];
}

/* To whom records the ledger, now that it took this. */
static inline void state_tap(const struct ledger *ledger, const struct pt_rec_head *row)
{
	if (ledger->tap)
		ledger->tap(ledger->tap_data, row);
}

struct pt_task state_task(const struct pt_owner *owner);

static inline bool state_has_remote(const struct pt_tuple *tuple)
{
	return tuple->rport && !pt_addr_is_any(tuple->raddr);
}

/* Whether a socket or TIME_WAIT with the tuple old is in the way of new, in that VRF. */
static inline bool state_same_tuple(const struct pt_tuple *old, const struct pt_tuple *new,
				    __u32 vrf)
{
	if (old->rport != new->rport || !compare_is_same16(old->raddr, new->raddr) ||
	    !compare_is_same16(old->laddr, new->laddr))
		return false;
	/* INET_MATCH(): a socket bound to no device is in the way of every one */
	return !old->ifindex || old->ifindex == new->ifindex || old->ifindex == vrf;
}

/*
 * Whether somebody wants an event that happens at ts, and it is worth being made.
 * If not, it is remembered as the time of the last event all the same.
 */
static inline bool state_tells(struct ledger *ledger, __u64 ts)
{
	if (ledger->emit)
		return true;
	if (ts > ledger->last_event_ts)
		ledger->last_event_ts = ts;
	return false;
}

/* To whom the ledger tells it; ts is raised to that of the event before. */
void state_emit(struct ledger *ledger, struct pt_event *ev);

/* An event of what the record is about, what is not known of it unknown. */
void state_event(struct pt_event *ev, const struct pt_rec_head *head, enum pt_event_type type);
void state_event_tuple(struct pt_event *ev, const struct pt_tuple *tuple);

/* An event of a hold, told by a record of its socket or of its TIME_WAIT. */
void state_event_of_hold(const struct ledger *ledger, struct pt_event *ev,
			 const struct pt_rec_head *head, const struct port_state *port,
			 const struct hold *hold, enum pt_event_type type);

/* What was known of the port before this allocation. */
void state_event_reuse(const struct ledger *ledger, const struct port_state *port, bool from_tw,
		       struct pt_event *ev);

__u64 state_holders(const struct ledger *ledger, const struct port_state *port);

/* Of the hold's last thing: the hold is forgotten, and the event sent. */
void state_end_hold(struct ledger *ledger, const struct pt_rec_head *head, struct port_state *port,
		    struct hold *hold, enum pt_end end);

static inline __u32 state_recent_slot(__u64 sock)
{
	return index_hash_bits(sock, RECENT_BITS);
}

/* The socket itself holds no more. */
static inline void state_socket_goes(struct ledger *ledger, const struct pt_rec_head *head,
				     struct hold *hold)
{
	ledger->recent[state_recent_slot(head->sock)] =
		(struct release){ head->sock, head->ts, head->port };
	hold->sock_open = false;
}

/* Whether that was told of it, within the second before ts. */
bool state_just_released(const struct ledger *ledger, __u64 sock, __u16 port, __u64 ts);

/* Who is in the way of that refusal, into ev, as far as it is known. Returns 0 or -ENOMEM. */
int refusal_explain(struct ledger *ledger, const struct pt_rec_port *rec, struct pt_event *ev);

/* Rows of these kinds, for ledger_row(). Return 0 or -ENOMEM. */
int found_take(struct ledger *ledger, const struct pt_rec_journal *rec);    /* found.c */
int keyframe_take(struct ledger *ledger, const struct pt_rec_journal *rec); /* keyframe.c */

#endif /* PORTTRACE_LEDGER_STATE_H */

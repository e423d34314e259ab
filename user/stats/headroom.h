/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When will ports run out? How many ports of a range are left, for each destination, and
 * how fast they go.
 *
 * What takes a port away depends on who asks (headroom_key):
 * - connect() to a destination: the ports that this source address already has to it, be it
 *   by sockets or by TIME_WAITs; and, whoever asks, those that are closed to connect() since
 *   bind() touched their bucket (bind(0), listen(), a named port, what accept() left behind).
 *   Connects to different destinations share ports. A closed bucket opens when it is empty,
 *   or from Linux 6.18 when its last holder that bind() made leaves (sk_is_connect_bind(),
 *   inet_bind_bucket_destroy()).
 * - bind(0), listen() without bind, and every UDP socket: each port that anybody holds. This
 *   is one row for each space, of no destination. (With SO_REUSEADDR, SO_REUSEPORT, or
 *   another address it may be less: such a socket can share.)
 * Reserved ports and ports outside the range count on neither side. A TIME_WAIT counts as
 * taken, though tcp_tw_reuse lets connect() take some of them (by default, on loopback only,
 * those older than a second).
 *
 * What cannot be known: IP_LOCAL_PORT_RANGE gives a socket a range of its own, which events
 * do not tell. Its ports count where they lie in the namespace's range; its refusals are not
 * taken for exhaustion unless that range is (nearly) empty. And where a range becomes wider,
 * ports that were outside when they were got are not counted for their destinations.
 *
 * Pure: fed with the ledger's events in their order, no clock of its own. Memory: about 110
 * bytes for each hold; destinations are bounded.
 */
#ifndef PORTTRACE_STATS_HEADROOM_H
#define PORTTRACE_STATS_HEADROOM_H

#include "user/base/parse.h"
#include "user/event/event.h"
#include "user/stats/headroom_rate.h"

/*
 * As many destinations are followed. Of more, one that has few ports makes place for a new
 * one; its ports are then of no destination, and headroom_counts() tells how many were cut.
 */
#define HEADROOM_DESTINATIONS_MAX 16384

/* Below a mark by as much it may be told again. Thousandths. */
#define HEADROOM_HYSTERESIS 50

#define HEADROOM_HOLDERS 3

struct headroom;

/* Who asks for a port. rport 0: whoever needs one that nobody has; then no addresses. */
struct headroom_key {
	struct pt_space space;
	__u8 laddr[16]; /* IPv4 is v4-mapped, as in events */
	__u8 raddr[16];
	__u16 rport;
};

/* Ports are those of the range that are not reserved. */
struct headroom_figures {
	struct headroom_key key;
	/*
	 * false: the namespace's range was not told, or events were lost and it is not known
	 * yet who holds what. Nothing below is meant then.
	 */
	bool known;
	bool partial;  /* it was cut before, so that held, and what follows from it, is a minimum */
	__u32 usable;  /* ports of the range, less the reserved ones */
	__u32 held;    /* by this 4-tuple but for the port; without destination: by anybody */
	__u32 blocked; /* closed to connect(); 0 without destination */
	/* Of held: by nothing but TIME_WAITs. */
	__u32 time_wait;
	/* Neither held nor blocked, as far as known; but their holders are older than the trace
	 * and may have called bind(): left is between left - unsure and left. */
	__u32 unsure;
	__u32 left;
	__u32 used; /* held and blocked, thousandths of usable */
	/* How held + blocked changed over each window; .ns 0: not known. */
	struct headroom_change changes[HEADROOM_WINDOWS];
	/*
	 * Until left is 0 at the rate of the shortest window in which enough changed.
	 * PT_UNKNOWN: not known; HEADROOM_NEVER: it does not fall.
	 */
	__u64 empty_ns;
};

#define HEADROOM_NEVER (PT_UNKNOWN - 1)

/* Changes per second, thousandths. change.ns is not 0. */
static inline __s64 headroom_per_second(const struct headroom_change *change)
{
	return (__s64)((double)change->change * 1e12 / (double)change->ns);
}

/* A process and what of it stands in the way: sockets and TIME_WAITs. */
struct headroom_holder {
	struct pt_owner owner; /* known may be false */
	__u32 held;
	__u32 time_wait; /* of these */
};

/* Most first. */
struct headroom_holders {
	struct headroom_holder top[HEADROOM_HOLDERS];
	__u32 count;	 /* of top */
	__u32 processes; /* all of them; those that are not known are one */
	__u32 held;	 /* of all of them */
	__u32 time_wait;
};

enum headroom_mark {
	HEADROOM_WARNS,	    /* used passed the mark */
	HEADROOM_EXHAUSTED, /* no port is left, or one was refused and hardly any is */
};

struct headroom_options {
	bool buckets_reopen; /* Linux 6.18 and later, see above */
	/*
	 * Told when a destination passes mark (thousandths of usable; 0: never) and when it is
	 * exhausted; again only after it fell HEADROOM_HYSTERESIS below. The row without
	 * destination of TCP counts as one once somebody asked for such a port. ts: of the
	 * event, CLOCK_BOOTTIME, ns. The model is not to be changed meanwhile. May be NULL.
	 * What a dump found is looked at when headroom_tick() is called, or at another event.
	 */
	void (*on_mark)(void *data, enum headroom_mark mark, const struct headroom_figures *figures,
			__u64 ts);
	void *data;
	__u32 mark;
};

/* Returns NULL if there is no memory. The caller calls headroom_free(). */
struct headroom *headroom_new(const struct headroom_options *options);
void headroom_free(struct headroom *headroom);

/* The ports that the kernel chooses from in a namespace; told again when it changes. */
struct headroom_range {
	__u64 netns_cookie; /* 0: not known, the inode number tells */
	__u32 netns;
	__u16 low, high;		 /* both included */
	const struct port_set *reserved; /* copied */
};

/* Returns 0 or -ENOMEM. */
int headroom_range(struct headroom *headroom, const struct headroom_range *range);

/*
 * Takes one event, of every kind, before any filter. Returns 0 or -ENOMEM: then the model is
 * not to be believed.
 */
int headroom_event(struct headroom *headroom, const struct pt_event *ev);

/* It is known again who holds what, as of ts: where that is known before an event tells it. */
void headroom_certain(struct headroom *headroom, __u64 ts);

/* What is held to begin with, where no event told it: of a dump, or of a ledger. */
struct headroom_hold {
	/*
	 * Of it counts: space, port, addresses, owner, hold (or any number of its own), via. Not
	 * known (0, snapshot): a port without remote is bind()'s.
	 */
	const struct pt_event *ev;
	bool time_wait;
	bool connects; /* bind() came first, and now it has a remote */
};

/*
 * The same hold may be told again, for each unit of a ledger: the socket comes before its
 * TIME_WAITs; and that it connects may come later. Returns 0 or -ENOMEM.
 */
int headroom_hold(struct headroom *headroom, const struct headroom_hold *hold);

/* What the kernel's bucket of a TCP port says, by a socket or TIME_WAIT that has a remote. */
struct headroom_bucket {
	struct headroom_key key; /* of a destination */
	__u16 port;
	bool bound; /* bind() touched it */
	bool named; /* the program named the port; time_wait: without meaning */
	bool time_wait;
};

/*
 * So of a hold that is older than the trace it becomes known whether bind() made it; what
 * accept() returned, and outlives its listener, looks like bind(0)'s. Nothing to do if the
 * model has no such hold, or knows.
 */
void headroom_settle(struct headroom *headroom, const struct headroom_bucket *bucket);

/*
 * It is ts now (CLOCK_BOOTTIME, ns): marks that were passed by what is shared are told within
 * 100 ms of the next event, or now.
 */
void headroom_tick(struct headroom *headroom, __u64 ts);

/* Who asked, of an event: of a connect (or its refusal) a destination, else the space's row. */
struct headroom_key headroom_key_of(const struct pt_event *ev);

/*
 * As of ts. Returns false if there is no such destination: nothing holds a port to it (or it
 * was cut); then figures are what a first connect to it finds.
 */
bool headroom_look(struct headroom *headroom, const struct headroom_key *key, __u64 ts,
		   struct headroom_figures *figures);

/* Who takes most of what key lacks: holders of held and of blocked. As many steps as these. */
void headroom_holders(struct headroom *headroom, const struct headroom_key *key,
		      struct headroom_holders *holders);

/*
 * The same of those that got a port by bind(0), which takes it from everyone, and then
 * connected, as far as known; connects false: whether or not they did.
 */
void headroom_takers(struct headroom *headroom, const struct pt_space *space, bool connects,
		     struct headroom_holders *holders);

/* Each row: destinations that hold something, and of each space the one without. */
typedef void (*headroom_fn)(void *data, const struct headroom_figures *figures);
void headroom_each(struct headroom *headroom, __u64 ts, headroom_fn fn, void *data);

struct headroom_counts {
	__u32 holds;
	__u32 destinations; /* that are followed */
	__u64 cut;	    /* that made place while they held something, or got none */
	__u32 cut_holds;    /* holds of no destination for that */
	__u32 unranged;	    /* spaces that hold something, and whose range was not told */
	bool uncertain;	    /* events were lost; not known yet who holds what */
	size_t bytes;	    /* of memory, about */
};

struct headroom_counts headroom_counts(const struct headroom *headroom);

#endif /* PORTTRACE_STATS_HEADROOM_H */

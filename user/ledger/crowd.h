/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whose the ports are that are in the way of somebody who would take any: holds in groups
 * (those to one destination, those that bind() made, all of a space). Of a group that was asked
 * for, holds are counted by process and kept in order from then on, so that who has most of it is
 * known at once however many there are. Private to the ledger's parts.
 *
 * What it tells depends on the holds there are and on nothing else, so a ledger that was
 * replayed tells the same.
 */
#ifndef PORTTRACE_LEDGER_CROWD_H
#define PORTTRACE_LEDGER_CROWD_H

#include "user/ledger/holds.h"

struct crowd;

enum crowd_kind {
	CROWD_TO = 1, /* one destination, from one address */
	CROWD_CLOSED, /* ports that bind() touched: closed to every connect() */
	CROWD_ALL,
};

/* A group. No byte of it is without a name; what a kind does not need is 0. */
struct crowd_key {
	__u64 netns_cookie;
	__u32 netns;
	__u32 vrf;
	__u8 laddr[16];
	__u8 raddr[16];
	__u16 rport;
	__u8 proto;
	__u8 kind; /* enum crowd_kind */
	__u32 zero;
};

_Static_assert(sizeof(struct crowd_key) == 56, "crowd_key: 56 bytes");

/* A hold is in one group of each side at most. */
enum crowd_side {
	CROWD_FIRST,  /* what connect() minds; all that UDP has */
	CROWD_SECOND, /* what bind(0) minds by TCP */
	CROWD_SIDES,
};

/*
 * sides: how many are used, 1 to CROWD_SIDES. holds: borrowed. Returns NULL if there is no
 * memory. The caller calls crowd_free().
 */
struct crowd *crowd_new(const struct holds *holds, unsigned int sides);
void crowd_free(struct crowd *crowd);
unsigned int crowd_sides(const struct crowd *crowd);

/*
 * The hold of that port is in that group from now on (NULL: in none), or it is still, and its
 * TIME_WAITs changed. To be told of each change, and with NULL for each side before the hold
 * goes. Returns 0 or -ENOMEM: then the crowd is of no use any more.
 */
int crowd_put(struct crowd *crowd, const struct port_state *port, __u16 number, struct hold *hold,
	      enum crowd_side side, const struct crowd_key *key);

/* When the last of its TIME_WAITs ends, CLOCK_BOOTTIME, ns; 0: that is not known. */
__u64 crowd_hold_until(const struct holds *holds, const struct hold *hold);

/* What one process has of a group. */
struct crowd_share {
	const struct pt_owner *owner; /* as its oldest hold has it */
	__u32 ports;
	__u32 holds;
	__u32 time_waits; /* of these */
	__u64 since;	  /* of the oldest; PT_UNKNOWN */
	__u64 tw_until;	  /* of the first TIME_WAIT that ends, of those that are not due; 0: none */
};

struct crowd_top {
	struct crowd_share shares[PT_BLOCKERS_MAX]; /* most ports first */
	unsigned int count;
	__u64 ports; /* of all of them */
};

/*
 * Of both groups together; b may be NULL. No port is in both. now: never less than before.
 * Returns 0 or -ENOMEM, as crowd_put().
 */
int crowd_top(struct crowd *crowd, const struct crowd_key *a, const struct crowd_key *b, __u64 now,
	      struct crowd_top *top);

#endif /* PORTTRACE_LEDGER_CROWD_H */

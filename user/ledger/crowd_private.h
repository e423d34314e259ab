/* SPDX-License-Identifier: BSD-2-Clause */
/* What a crowd is inside: crowd.c's groups, and how crowd_rank.c ranks them. Private to the two. */
#ifndef PORTTRACE_LEDGER_CROWD_PRIVATE_H
#define PORTTRACE_LEDGER_CROWD_PRIVATE_H

#include "user/base/chain.h"
#include "user/ledger/crowd.h"

/* Members are known by number, 0: none: that of their place times CROWD_SIDES, plus the side. */
struct member {
	__u32 group;	  /* 0: none */
	__u32 next, prev; /* of it */
	/* If that is ranked: */
	__u32 tally;
	__u32 older, newer;  /* of its tally */
	__u32 sooner, later; /* of its tally's TIME_WAITs that are not due */
	bool counts;	     /* its port, which others of its tally may have too */
	bool time_wait;
	bool timed;	       /* among these */
} __attribute__((aligned(8))); /* as its place */

/* What there is of one hold. */
struct place {
	const struct hold *hold;
	const struct port_state *port;
	__u64 until; /* of its TIME_WAITs, as of when it was last put into a ranked group */
	__u16 number;
	struct member sides[]; /* crowd.sides */
};

struct group {
	struct chain_link link;
	struct crowd_key key;
	__u32 first; /* member */
	__u32 members;
	/* Once it was asked for: */
	bool ranked;
	__u32 ports;
	/* Its tallies as a heap, that with most ports first. */
	__u32 *heap;
	__u32 count, size;
};

/* Of a group what one process has. */
struct tally {
	struct chain_link link;
	__u32 group;
	__u32 at; /* in its heap */
	bool known;
	__u32 pid;
	__u64 start;
	__u32 ports;
	__u32 holds;
	__u32 time_waits;
	__u32 oldest, newest; /* its members */
	__u32 soonest, latest;
};

struct crowd {
	const struct holds *holds;
	unsigned int sides;
	struct chain groups;
	struct chain tallies;
	struct pool places;
};

static inline struct place *place_of(const struct crowd *crowd, __u32 member)
{
	return pool_at(&crowd->places, member / CROWD_SIDES);
}

static inline struct member *member_at(const struct crowd *crowd, __u32 member)
{
	return &place_of(crowd, member)->sides[member % CROWD_SIDES];
}

static inline struct tally *tally_at(const struct crowd *crowd, __u32 number)
{
	return chain_at(&crowd->tallies, number);
}

static inline struct group *group_at(const struct crowd *crowd, __u32 number)
{
	return chain_at(&crowd->groups, number);
}

/* The group (0: none) is ranked from now on. Returns 0 or -ENOMEM. */
int crowd_rank_group(struct crowd *crowd, __u32 number);

/* Of a ranked group: a member that was linked to it (0 or -ENOMEM), or will be unlinked. */
int crowd_rank_in(struct crowd *crowd, __u32 number);
void crowd_rank_out(struct crowd *crowd, __u32 number);

/* Its TIME_WAITs changed. */
void crowd_rank_look(const struct crowd *crowd, __u32 number);

/* The group's number, or 0. */
__u32 crowd_find(const struct crowd *crowd, const struct crowd_key *key);

#endif /* PORTTRACE_LEDGER_CROWD_PRIVATE_H */

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What headroom.c counts: holds, the ports and destinations they belong to, and how many
 * ports each lacks. Private to the two.
 *
 * Entries know each other by number, 0: none. Counters are of ports that count: in the
 * namespace's range and not reserved.
 */
#ifndef PORTTRACE_STATS_HEADROOM_TABLE_H
#define PORTTRACE_STATS_HEADROOM_TABLE_H

#include "user/base/chain.h"
#include "user/stats/headroom.h"

struct hr_range {
	struct chain_link link;
	__u64 netns_cookie;
	__u32 netns;
	__u16 low, high;
	__u32 usable;
	struct port_set *reserved; /* NULL: none */
};

/* One of stats/headroom.h's port spaces. */
struct hr_space {
	struct chain_link link;
	struct pt_space id;
	__u32 range;
	__u32 everyone; /* destination: the row without one */
	__u32 ports;	/* first of its ports */
	__u32 bound;	/* first of its holds that bind() made; TCP */
	__u32 held;
	__u32 time_wait; /* of held: by nothing else */
	__u32 closed;
	__u32 unsure;
	bool is_asked; /* for a port that nobody has */
	struct headroom_rate closed_rate;
};

/* A port that somebody holds. */
struct hr_port {
	struct chain_link link;
	__u32 space;
	__u32 prev, next; /* of its space */
	__u32 first;	  /* of its holds */
	__u32 holds;
	__u32 bound;	  /* of these, by bind() */
	__u32 time_waits; /* of these */
	__u32 unsure;
	__u16 port;
	bool counts;
	bool closed; /* to connect() */
};

struct hr_hold {
	struct chain_link link;
	__u64 id; /* pt_event.hold */
	__u32 port;
	__u32 destination;
	__u32 process;
	__u32 prev, next;	      /* of its port */
	__u32 group_prev, group_next; /* of its destination, or of its space's bound */
	__u8 via;
	bool bound;  /* bind() made it */
	bool unsure; /* or may have */
	bool time_wait;
	bool connects;
	bool cut; /* it has a destination that is not followed */
};

enum hr_state {
	HR_CALM,
	HR_WARNED,
	HR_EXHAUSTED,
};

struct hr_destination {
	struct chain_link link;
	__u32 space;
	__u8 laddr[16];
	__u8 raddr[16];
	__u16 rport;
	bool live; /* not to be asked of the link */
	bool partial;
	__u8 state; /* enum hr_state */
	__u32 first;
	__u32 holds;
	__u32 held; /* of ports that are not closed */
	__u32 time_wait;
	__u32 unsure;
	struct headroom_rate rate; /* of held; of the row without destination its space's */
};

struct hr_process {
	struct chain_link link;
	struct pt_owner owner;
	__u32 holds;
	/* While holders are counted: */
	__u32 seen; /* next that was seen */
	__u32 held, time_wait;
};

struct hr_table {
	struct chain ranges, spaces, ports, holds, destinations, processes;
	bool reopen;	 /* headroom_options.buckets_reopen */
	__u64 now;	 /* of the event */
	bool was_before; /* what is told now was so before: it is no change */
	__u32 hand;	 /* of destinations: where one that makes place was last looked for */
	__u64 cut;
	__u32 cut_holds;
	bool dirty; /* something changed that many rows share */
};

void hr_table_init(struct hr_table *table, bool reopen);
void hr_table_free(struct hr_table *table);

/* Each returns 0 or -ENOMEM. */
int hr_table_range(struct hr_table *table, const struct headroom_range *range);
int hr_table_begin(struct hr_table *table, const struct pt_event *ev, struct hr_hold **out);

/* The space of an event, made if it is new. 0: no memory. */
__u32 hr_table_space(struct hr_table *table, const struct pt_space *id);

/* 0: there is none. */
__u32 hr_table_find_space(const struct hr_table *table, const struct pt_space *id);
__u32 hr_table_find_destination(const struct hr_table *table, const struct headroom_key *key);

/* key.rport is not 0; its space is there. Made if it is new. 0: not followed, or no memory. */
__u32 hr_table_destination(struct hr_table *table, const struct headroom_key *key);

/* NULL: there is none. */
struct hr_hold *hr_table_find(const struct hr_table *table, const struct pt_event *ev);

/* headroom_settle(). */
void hr_table_settle(struct hr_table *table, const struct headroom_bucket *bucket);

void hr_table_time_wait(struct hr_table *table, struct hr_hold *hold);
void hr_table_end(struct hr_table *table, struct hr_hold *hold);

/* What is remembered of rates is of another time. */
void hr_table_restart(struct hr_table *table, __u64 ts);

static inline struct hr_range *hr_range_at(const struct hr_table *table, __u32 number)
{
	return chain_at(&table->ranges, number);
}

static inline struct hr_space *hr_space_at(const struct hr_table *table, __u32 number)
{
	return chain_at(&table->spaces, number);
}

static inline struct hr_port *hr_port_at(const struct hr_table *table, __u32 number)
{
	return chain_at(&table->ports, number);
}

static inline struct hr_hold *hr_hold_at(const struct hr_table *table, __u32 number)
{
	return chain_at(&table->holds, number);
}

static inline struct hr_destination *hr_destination_at(const struct hr_table *table, __u32 number)
{
	return chain_at(&table->destinations, number);
}

static inline struct hr_process *hr_process_at(const struct hr_table *table, __u32 number)
{
	return chain_at(&table->processes, number);
}

/* What its rate is of. */
static inline __u32 hr_destination_value(const struct hr_table *table,
					 const struct hr_destination *destination)
{
	return destination->rport ? destination->held
				  : hr_space_at(table, destination->space)->held;
}

#endif /* PORTTRACE_STATS_HEADROOM_TABLE_H */

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When connections ended, each known by its port space and 4-tuple: for the time until
 * the same 4-tuple is used again.
 *
 * Bounded: where there is no room the one that ended first, of a few, is forgotten.
 * Its next connection is then taken for one of a 4-tuple never seen: what is counted with
 * this is too little when many were forgotten, and what is missing are the long times.
 */
#ifndef PORTTRACE_STATS_TUPLES_H
#define PORTTRACE_STATS_TUPLES_H

#include "user/event/event.h"

#define TUPLES_MAX 65536

/* Read forgotten freely, the rest is private to tuples.{c,h}. */
struct tuples {
	struct tuples_entry *entries;
	__u32 epoch;
	__u64 forgotten; /* for want of room */
};

/* Returns 0 or -ENOMEM. The caller calls tuples_free(). */
int tuples_init(struct tuples *tuples);
void tuples_free(struct tuples *tuples);

/* Nothing is known of them any more: they may be another boot's. Not counted as forgotten. */
void tuples_clear(struct tuples *tuples);

/* Events are missing: what ended before may have been used again since, unseen. */
void tuples_lose(struct tuples *tuples);

/* ev: free. Nothing to do if it has no remote. */
void tuples_end(struct tuples *tuples, const struct pt_event *ev);

/*
 * ev: alloc, of any via. Returns whether the end of the connection before is known of;
 * *ns is how long ago that was, PT_UNKNOWN if events are missing between, or if it was
 * found gone. It is not known of any more then.
 */
bool tuples_begin(struct tuples *tuples, const struct pt_event *ev, __u64 *ns);

#endif /* PORTTRACE_STATS_TUPLES_H */

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How soon ports are used again: of each allocation what was known of its port before,
 * and where the port was free, for how long; all in all, and by protocol, network
 * namespace, process (that allocates) or port. And the same of a 4-tuple's connections.
 * From the events of the ledger, in their order.
 *
 * What a dump found (snapshot, accept) was not allocated, and does not count.
 *
 * The time of a 4-tuple is that from the end of its connection's hold to the next
 * allocation for it. One that is taken out of TIME_WAIT was never free: it counts as an
 * allocation out of TIME_WAIT, and has no such time. A port that is bound before it is
 * connected has no 4-tuple when it is allocated. 4-tuples are remembered in bounded
 * memory; see tuples.h.
 */
#ifndef PORTTRACE_STATS_REUSE_H
#define PORTTRACE_STATS_REUSE_H

#include "user/event/event.h"
#include "user/stats/histogram.h"
#include "user/stats/keyed.h"
#include "user/stats/tuples.h"

/* Who took a free port. */
enum reuse_taker {
	REUSE_SAME,    /* the process that had it last, by pid and name */
	REUSE_ANOTHER, /* another one */
	REUSE_UNSURE,  /* one of the two is not known */
	REUSE_TAKERS,
};

struct reuse_count {
	__u64 allocs;
	__u64 kinds[PT_REUSES];	    /* of allocs; each is of one kind, none of PT_REUSE_NONE */
	__u64 takers[REUSE_TAKERS]; /* of the clean ones; each is of one taker */
	struct histogram clean;	    /* ns; all clean ones */
};

/* Of keyed. */
struct reuse_row {
	union keyed_row key;
	struct reuse_count count;
};

struct reuse_options {
	enum keyed_by by;
	/* From since until before until: CLOCK_REALTIME, ns. 0 and ~0: all. */
	__u64 since, until;
};

/* Read it freely. */
struct reuse {
	struct reuse_options options;
	/* The span, CLOCK_REALTIME, ns: as reuse_set_span() was told. */
	__u64 begin, end;
	struct reuse_count all;
	struct keyed keyed;
	struct reuse_count others; /* of the rows that it has no room for */
	__u64 lost;		   /* events within the span, as far as known */
	bool lost_unknown;	   /* of some nobody knows how many */
	struct histogram tuple;	   /* ns; of a 4-tuple's connections */
	__u64 tuple_unknown;	   /* used again, but events are missing between */
	struct tuples tuples;	   /* its forgotten tells how many may be missing in tuple */
};

static inline struct reuse_row *reuse_row(const struct reuse *reuse, __u32 number)
{
	return keyed_at(&reuse->keyed, number);
}

/* Returns NULL if there is no memory. The caller calls reuse_free(). */
struct reuse *reuse_new(const struct reuse_options *options);
void reuse_free(struct reuse *reuse);

/* Before reuse is looked at: the span, CLOCK_REALTIME, ns. */
void reuse_set_span(struct reuse *reuse, __u64 begin, __u64 end);

/* The ledger begins anew, at another run of the recorder: nothing is known of before. */
void reuse_forget(struct reuse *reuse);

/*
 * Takes one event. All have to be told, also those that nobody wants to have counted
 * and those before the span: they tell when a 4-tuple was used. wanted: it counts.
 * Returns 0 or -ENOMEM.
 */
int reuse_event(struct reuse *reuse, const struct pt_event *ev, bool wanted);

#endif /* PORTTRACE_STATS_REUSE_H */

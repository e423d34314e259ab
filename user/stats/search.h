/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How hard it is to find a port: how long the kernel searched, of each allocation and of
 * each refusal; all in all, and by protocol, network namespace, process, remote, or how
 * full the range was (fill.h) when the search ended. From the events of the ledger, in
 * their order.
 *
 * A port that the program named (fixed) is not searched for, nor one that a dump found
 * (snapshot, accept), nor is there a search where a port is wanted that a socket already
 * has: these do not count. An allocation of which nobody knows how (via is not known) does.
 */
#ifndef PORTTRACE_STATS_SEARCH_H
#define PORTTRACE_STATS_SEARCH_H

#include "user/event/event.h"
#include "user/stats/fill.h"
#include "user/stats/histogram.h"
#include "user/stats/keyed.h"

/*
 * TCP's ports are searched by halves: __inet_hash_connect() tries those first that are odd
 * or even as the range's lowest one is, inet_csk_find_open_port() (bind to port 0, listen)
 * the others; only if none of these is free comes the other half. UDP has none, nor has a
 * range of one port. A socket that has SO_REUSEADDR looks for a port to bind in the lower
 * half of the numbers first, by both parities, so of it this tells the parity alone; and one
 * with a range of its own (IP_LOCAL_PORT_RANGE, from 6.8 on) is searched in one go: an
 * event does not tell that, unless its port is outside of the namespace's range.
 */
enum search_half {
	SEARCH_FIRST,
	SEARCH_SECOND,
	SEARCH_NO_HALF,
	SEARCH_HALF_UNKNOWN, /* the range or via is not known, or the port is outside */
	SEARCH_HALVES,
};

struct search_count {
	__u64 allocs;
	__u64 fails;
	__u64 halves[SEARCH_HALVES]; /* of allocs; each is of one */
	struct histogram found;	     /* ns; of the allocs of which it is known */
	struct histogram refused;    /* ns; of the fails of which it is known */
};

/* Of keyed. */
struct search_row {
	union keyed_row key;
	struct search_count count;
};

struct search_options {
	enum keyed_by by;
	/* From since until before until: CLOCK_REALTIME, ns. 0 and ~0: all. */
	__u64 since, until;
};

/* Read it freely. */
struct search {
	struct search_options options;
	/* The span, CLOCK_REALTIME, ns: as search_set_span() was told. */
	__u64 begin, end;
	struct search_count all;
	struct histogram halves[SEARCH_HALVES]; /* ns; of all.found */
	struct keyed keyed;
	struct search_count others; /* of the rows that it has no room for */
	__u64 lost;		    /* events within the span, as far as known */
	bool lost_unknown;	    /* of some nobody knows how many */
	struct fill *fill;	    /* to be told ranges, and what is held at the beginning */
};

static inline struct search_row *search_row(const struct search *search, __u32 number)
{
	return keyed_at(&search->keyed, number);
}

/* The word of the output. */
const char *search_half_name(enum search_half half);

/* Whether the kernel looked for a port, as far as the event tells. */
bool search_is_of(const struct pt_event *ev);

/* Returns NULL if there is no memory. The caller calls search_free(). */
struct search *search_new(const struct search_options *options);
void search_free(struct search *search);

/* Before search is looked at: the span, CLOCK_REALTIME, ns. */
void search_set_span(struct search *search, __u64 begin, __u64 end);

/*
 * Takes one event. All have to be told, also those that nobody wants to have counted and
 * those before the span: they tell what is held. wanted: it counts.
 * Returns 0 or -ENOMEM.
 */
int search_event(struct search *search, const struct pt_event *ev, bool wanted);

#endif /* PORTTRACE_STATS_SEARCH_H */

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The early sign that ports run out: the kernel takes long to find one. Of each port space,
 * the median search time of the allocations of the last second. When it passes 100 us over
 * at least 100 of them that is told, once; and that it is over, when it was not so for five
 * seconds: the search is quick again, or so few ports are got that it cannot be told.
 *
 * From the events of the ledger, in their order: time is theirs. Pure. What counts as an
 * allocation is search.h's choice; one of which the time is not known does not.
 */
#ifndef PORTTRACE_STATS_SEARCH_WATCH_H
#define PORTTRACE_STATS_SEARCH_WATCH_H

#include "user/event/event.h"

#define SEARCH_WATCH_MEDIAN_NS 100000ULL
#define SEARCH_WATCH_ALLOCS 100
#define SEARCH_WATCH_CALM_NS 5000000000ULL

/*
 * As many spaces are watched at once. One more takes the place of the one in which nothing
 * happened for longest, unless that is told to be slow.
 */
#define SEARCH_WATCH_SPACES 64

struct search_watch_sign {
	struct pt_space space;
	bool over;
	__u64 ts;     /* CLOCK_BOOTTIME, ns: the end of that second */
	__u64 median; /* ns, within 7 %; if it is over, the highest there was */
	__u64 allocs; /* in that second; if it is over, in that of the highest */
	__u64 since;  /* when it was told first */
	__u64 now;    /* if it is over: allocations in the last second; few tell nothing */
};

/* Valid for the call. */
typedef void (*search_watch_fn)(void *data, const struct search_watch_sign *sign);

struct search_watch;

/* Returns NULL if there is no memory. The caller calls search_watch_free(). */
struct search_watch *search_watch_new(search_watch_fn fn, void *data);
void search_watch_free(struct search_watch *watch);

/* Takes one event. Returns 0 or -ENOMEM. */
int search_watch_event(struct search_watch *watch, const struct pt_event *ev);

/* It is ts (CLOCK_BOOTTIME, ns), and no event came. Returns 0 or -ENOMEM. */
int search_watch_tick(struct search_watch *watch, __u64 ts);

#endif /* PORTTRACE_STATS_SEARCH_WATCH_H */

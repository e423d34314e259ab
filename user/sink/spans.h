/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Holds as a whole, put together from their events: when each began, when and how it
 * ended. Pure: no I/O. Memory is that of the holds which have not ended.
 *
 * A hold is known by its space, port and cookie. Where there are no cookies (5.10) it is
 * by owner and via, and by its age, which its later events tell, or if that is unknown
 * too by its addresses: holds that agree in all of these change nothing but places.
 */
#ifndef PORTTRACE_SINK_SPANS_H
#define PORTTRACE_SINK_SPANS_H

#include "user/event/event.h"
#include "user/ledger/ledger.h"

/* All times are CLOCK_REALTIME, ns; PT_UNKNOWN: there is none, or it is not known. */
struct span {
	/* All that its events told. end is PT_END_NONE while nobody said that it ended. */
	struct pt_event ev;
	__u64 begin;
	__u64 closed; /* the kernel kept the port from then on: its (last) TIME_WAIT began */
	__u64 end;    /* with PT_END_UNKNOWN: it was gone by then */
};

struct spans;

/* Gets each hold when it is complete. span lasts for the call. Returns 0 or a negative errno. */
typedef int (*spans_fn)(void *data, const struct span *span);

/* Returns NULL if there is no memory. The caller calls spans_free(). */
struct spans *spans_new(spans_fn fn, void *data);

/* What has not ended is dropped: spans_finish() first. NULL is nothing to do. */
void spans_free(struct spans *spans);

/*
 * Takes any event, in order. A time_wait or free of a hold that is not known makes it
 * known, from its age.
 * Returns 0, -ENOMEM, or what fn returned if that was not 0.
 */
int spans_event(struct spans *spans, const struct pt_event *ev);

/*
 * A hold (of ledger_each(), before the events that follow that state of the ledger)
 * which may not have an event of its own. realtime_offset: as in struct pt_event.
 * Returns 0 or -ENOMEM.
 */
int spans_held(struct spans *spans, const struct ledger_unit *unit, __u64 realtime_offset);

/*
 * Hands over what has not ended. How it ends is PT_END_NONE: it lasts; PT_END_UNKNOWN:
 * nobody looked on, so it may have ended at any time.
 * Returns 0, or what fn returned if that was not 0.
 */
int spans_finish(struct spans *spans, enum pt_end end);

#endif /* PORTTRACE_SINK_SPANS_H */

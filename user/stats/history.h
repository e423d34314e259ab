/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What happened to a port, or to several: events made into one row a hold, with
 * refusals, losses and gaps between them.
 *
 * Rows come in the order of their ts: a hold waits until it has ended, and what
 * began after it waits for it. Memory is bounded by what is held at one time: a
 * hold that outlasts HISTORY_WAITING_MAX later rows lets them pass, and comes when
 * it ends. So does one that is first heard of when later rows have gone.
 *
 * Pure: no I/O, no clock. All times of rows are CLOCK_REALTIME, ns, since rows
 * of several boots stand beside each other; durations are those of the events.
 */
#ifndef PORTTRACE_STATS_HISTORY_H
#define PORTTRACE_STATS_HISTORY_H

#include "user/event/event.h"

#define HISTORY_WAITING_MAX 16384

enum history_kind {
	HISTORY_HOLD,
	HISTORY_FAIL, /* a refusal */
	HISTORY_LOST, /* records were lost */
	HISTORY_GAP,  /* nothing was recorded */
	HISTORY_KINDS,
};

struct history_row {
	enum history_kind kind;
	__u64 ts; /* begin, or when it was first seen if that is not known */
	/* hold: when; lost, gap: from and to. PT_UNKNOWN: not known */
	__u64 begin;
	__u64 ended;
	/*
	 * hold: who and where; via, reuse and what was before are of its alloc, NONE
	 * if that was not seen; the addresses are the last known ones; open_ns, held_ns,
	 * end. Its ts and holders are without meaning. fail, lost: the event.
	 */
	struct pt_event ev;
	/* hold */
	bool still_held; /* at the end of the span: ended is not known, held_ns is until then */
	bool time_wait;	 /* it left a TIME_WAIT */
	__u64 tw_ns;	 /* how long that held the port; PT_UNKNOWN: not known, or none */
	/* fail: ev.blockers points there */
	struct pt_blocker blockers[PT_BLOCKERS_MAX];
	/* gap: why, in words */
	const char *why;
};

/* Gets each row, valid for the call. What it returns if that is not 0 ends the history. */
typedef int (*history_fn)(void *data, const struct history_row *row);

struct history;

/* Returns NULL if there is no memory. The caller calls history_free(). */
struct history *history_new(history_fn fn, void *data);

/* Rows that wait are dropped: history_end() gives them out. NULL is nothing to do. */
void history_free(struct history *history);

/*
 * The next event; the caller has filtered them. A hold of which the alloc was not
 * seen gets a row all the same, from the first that tells of it.
 * Returns 0, -ENOMEM, or what the function returned.
 */
int history_event(struct history *history, const struct pt_event *ev);

/*
 * A hold that there is at a moment, for those of which the alloc is not among the
 * events (a keyframe's): ev->ts is that moment, held_ns how long it had held then
 * (PT_UNKNOWN: not known), open_ns how long it had been open if it was in
 * TIME_WAIT, else PT_UNKNOWN. One that is known already goes on. To be called once
 * for each hold, before the events that follow that moment. Returns as
 * history_event() does.
 */
int history_held(struct history *history, const struct pt_event *ev);

/*
 * Nothing was recorded between these moments (CLOCK_REALTIME, ns). Why is a few
 * words; it outlives the history. What was held is in doubt from here on, until an
 * event or history_held() tells of it. Returns as history_event() does.
 */
int history_gap(struct history *history, __u64 from, __u64 to, const char *why);

/*
 * What is in doubt ends, when and how is not known. To be called when all that is
 * held after a gap was told; right after history_gap() if the host was booted
 * meanwhile, since cookies begin anew. Returns as history_event() does.
 */
int history_settle(struct history *history);

/*
 * The span ends (CLOCK_REALTIME, ns): what is in doubt ends as in history_settle(),
 * everything else is still held; all rows come. Returns as history_event() does.
 */
int history_end(struct history *history, __u64 until);

#endif /* PORTTRACE_STATS_HISTORY_H */

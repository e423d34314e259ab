// SPDX-License-Identifier: BSD-2-Clause
#include "user/stats/history.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/index.h"
#include "user/base/pool.h"
#include "user/stats/key.h"

#define BUCKETS 4096 /* a power of two */

/* Entries are known by their number in the pool; 0 is none. */
struct entry {
	struct history_row row;
	__u32 prev, next; /* in the list it is in */
	__u32 chain;	  /* open holds of the same bucket */
	bool done;	  /* nothing more will come of it */
	bool late;	  /* in history.late, not in history.queue */
	bool doubt;	  /* a gap lies behind what is known of it */
	__u64 tw_since;	  /* CLOCK_REALTIME, ns; 0: not in TIME_WAIT */
};

struct list {
	__u32 first, last;
};

struct history {
	history_fn fn;
	void *data;
	struct pool pool;
	struct list queue;   /* by row.ts */
	struct list late;    /* open holds that let others pass */
	unsigned int ready;  /* entries of the queue that are done */
	__u32 open[BUCKETS]; /* open holds, newest first */
};

static struct entry *at(const struct history *history, __u32 number)
{
	return number ? pool_at(&history->pool, number) : NULL;
}

struct history *history_new(history_fn fn, void *data)
{
	struct history *history = calloc(1, sizeof(*history));

	if (!history)
		return NULL;
	history->fn = fn;
	history->data = data;
	history->pool.entry_size = sizeof(struct entry);
	return history;
}

void history_free(struct history *history)
{
	if (!history)
		return;
	pool_free(&history->pool);
	free(history);
}

/* CLOCK_REALTIME of a CLOCK_BOOTTIME. */
static __u64 wall(const struct pt_event *ev, __u64 ts)
{
	return ts + ev->realtime_offset;
}

/* ---- the order of rows --------------------------------------------------------- */

static void list_insert(struct history *history, struct list *list, __u32 number, __u32 after)
{
	struct entry *entry = at(history, number);
	__u32 next = after ? at(history, after)->next : list->first;

	entry->prev = after;
	entry->next = next;
	*(after ? &at(history, after)->next : &list->first) = number;
	*(next ? &at(history, next)->prev : &list->last) = number;
}

static void list_remove(struct history *history, struct list *list, const struct entry *entry)
{
	*(entry->prev ? &at(history, entry->prev)->next : &list->first) = entry->next;
	*(entry->next ? &at(history, entry->next)->prev : &list->last) = entry->prev;
}

/* Mostly at the end: events come in order. */
static void enqueue(struct history *history, __u32 number)
{
	const struct entry *entry = at(history, number);
	__u32 after = history->queue.last;

	while (after && at(history, after)->row.ts > entry->row.ts)
		after = at(history, after)->prev;
	list_insert(history, &history->queue, number, after);
	history->ready += entry->done;
}

/* Hands the row out and forgets it. */
static int give(struct history *history, struct list *list, __u32 number)
{
	struct entry *entry = at(history, number);
	int err;

	list_remove(history, list, entry);
	err = history->fn(history->data, &entry->row);
	pool_give(&history->pool, number);
	return err;
}

/* All rows that nothing stands before. */
static int advance(struct history *history)
{
	while (history->queue.first) {
		__u32 number = history->queue.first;
		struct entry *entry = at(history, number);
		int err;

		if (entry->done) {
			history->ready--;
			err = give(history, &history->queue, number);
			if (err)
				return err;
		} else if (history->ready > HISTORY_WAITING_MAX) {
			list_remove(history, &history->queue, entry);
			list_insert(history, &history->late, number, history->late.last);
			entry->late = true;
		} else {
			break;
		}
	}
	return 0;
}

/* ---- open holds ---------------------------------------------------------------- */

static __u32 *bucket_of(struct history *history, const struct pt_event *ev)
{
	__u32 hash = index_hash(ev->sock ^ ev->space.netns_cookie << 40 ^
				(__u64)ev->space.proto << 16 ^ ev->port);

	return &history->open[hash & (BUCKETS - 1)];
}

/*
 * How well an event fits an open hold; 0: not at all. A socket can hold a port
 * twice: its TIME_WAIT, and itself anew. Without a cookie it is known by its
 * owner and its addresses, and may have been connected since it was bound.
 */
static int fit(const struct pt_event *hold, const struct pt_event *ev)
{
	bool remote = hold->rport == ev->rport && !memcmp(hold->raddr, ev->raddr, 16);
	bool local = !memcmp(hold->laddr, ev->laddr, 16);

	if (hold->port != ev->port || hold->sock != ev->sock ||
	    !pt_space_is_same(&hold->space, &ev->space))
		return 0;
	if (!ev->sock &&
	    (!key_process_is_equal(&hold->owner, &ev->owner) || (!remote && hold->rport)))
		return 0;
	return 1 + local + 2 * remote;
}

/* The open hold that the event is of, the oldest of several; 0: none. */
static __u32 find(struct history *history, const struct pt_event *ev)
{
	__u32 found = 0;
	int best = 1;

	for (__u32 number = *bucket_of(history, ev); number; number = at(history, number)->chain) {
		int score = fit(&at(history, number)->row.ev, ev);

		if (score >= best) {
			found = number;
			best = score;
		}
	}
	return found;
}

static void forget_open(struct history *history, __u32 number)
{
	__u32 *link = bucket_of(history, &at(history, number)->row.ev);

	while (*link != number)
		link = &at(history, *link)->chain;
	*link = at(history, number)->chain;
}

/* A new row, nowhere yet. NULL if there is no memory. */
static struct entry *new_row(struct history *history, enum history_kind kind, __u64 ts,
			     __u32 *number)
{
	struct entry *entry;

	*number = pool_take(&history->pool);
	entry = at(history, *number);
	if (!entry)
		return NULL;
	entry->row.kind = kind;
	entry->row.ts = ts;
	entry->row.begin = PT_UNKNOWN;
	entry->row.ended = PT_UNKNOWN;
	entry->row.tw_ns = PT_UNKNOWN;
	return entry;
}

/* begin: CLOCK_REALTIME, ns; PT_UNKNOWN: not known. Returns NULL if there is no memory. */
static struct entry *open_hold(struct history *history, const struct pt_event *ev, __u64 begin,
			       __u32 *number)
{
	__u64 ts = begin == PT_UNKNOWN ? wall(ev, ev->ts) : begin;
	struct entry *entry = new_row(history, HISTORY_HOLD, ts, number);
	__u32 *bucket = bucket_of(history, ev);

	if (!entry)
		return NULL;
	entry->row.begin = begin;
	entry->row.ev = *ev;
	entry->row.ev.end = PT_END_NONE;
	entry->row.ev.open_ns = PT_UNKNOWN;
	entry->row.ev.held_ns = PT_UNKNOWN;
	entry->chain = *bucket;
	*bucket = *number;
	enqueue(history, *number);
	return entry;
}

/* The open hold that the event is of, or a new one that began that long before it. */
static struct entry *find_or_open(struct history *history, const struct pt_event *ev, __u64 age_ns,
				  __u32 *number)
{
	__u64 begin = age_ns == PT_UNKNOWN ? PT_UNKNOWN : wall(ev, ev->ts) - age_ns;
	struct entry *entry;

	*number = find(history, ev);
	entry = at(history, *number);
	if (!entry)
		return open_hold(history, ev, begin, number);
	entry->doubt = false;
	return entry;
}

/* What is known of a hold's addresses grows: bound, then connected. */
static void learn(struct history_row *row, const struct pt_event *ev)
{
	if (!pt_addr_is_any(ev->laddr))
		memcpy(row->ev.laddr, ev->laddr, sizeof(row->ev.laddr));
	if (!ev->rport)
		return;
	memcpy(row->ev.raddr, ev->raddr, sizeof(row->ev.raddr));
	row->ev.rport = ev->rport;
}

/* Nothing more will come of an open hold. */
static void complete(struct history *history, __u32 number)
{
	struct entry *entry = at(history, number);
	struct history_row *row = &entry->row;

	if (row->time_wait && !row->still_held && row->ev.held_ns != PT_UNKNOWN &&
	    row->ev.open_ns <= row->ev.held_ns)
		row->tw_ns = row->ev.held_ns - row->ev.open_ns;
	forget_open(history, number);
	entry->done = true;
	history->ready += !entry->late;
}

/* ---- events -------------------------------------------------------------------- */

static int on_alloc(struct history *history, const struct pt_event *ev)
{
	bool found = pt_via_is_found(ev->via);
	__u32 number = found ? find(history, ev) : 0;
	struct entry *entry = at(history, number);

	/* A dump finds it again, behind a gap. */
	if (entry && entry->doubt) {
		entry->doubt = false;
		return 0;
	}
	entry = open_hold(history, ev, found ? PT_UNKNOWN : wall(ev, ev->ts), &number);
	return entry ? 0 : -ENOMEM;
}

static void begin_time_wait(struct entry *entry, const struct pt_event *ev, __u64 since)
{
	entry->row.time_wait = true;
	entry->row.ev.fin_wait2 = ev->fin_wait2;
	entry->row.ev.open_ns = ev->open_ns;
	if (!entry->tw_since)
		entry->tw_since = since;
	learn(&entry->row, ev);
}

static int on_time_wait(struct history *history, const struct pt_event *ev)
{
	__u32 number;
	struct entry *entry = find_or_open(history, ev, ev->open_ns, &number);

	if (!entry)
		return -ENOMEM;
	begin_time_wait(entry, ev, wall(ev, ev->ts));
	return 0;
}

static int on_free(struct history *history, const struct pt_event *ev)
{
	__u32 number;
	struct entry *entry = find_or_open(history, ev, ev->held_ns, &number);
	struct history_row *row;

	if (!entry)
		return -ENOMEM;
	row = &entry->row;
	/* found gone: since when is not known */
	if (ev->end != PT_END_UNKNOWN)
		row->ended = wall(ev, ev->ts);
	/* of an alloc that was told late, the moment says nothing */
	if (ev->end != PT_END_UNKNOWN && ev->held_ns == PT_UNKNOWN)
		row->begin = PT_UNKNOWN;
	row->time_wait |=
		ev->end == PT_END_EXPIRED || ev->end == PT_END_REUSED || ev->end == PT_END_CUT;
	row->ev.end = ev->end;
	row->ev.open_ns = ev->open_ns;
	row->ev.held_ns = ev->held_ns;
	learn(row, ev);
	complete(history, number);
	return entry->late ? give(history, &history->late, number) : advance(history);
}

/* A row that is complete when it comes. */
static int add_point(struct history *history, __u32 number)
{
	at(history, number)->done = true;
	enqueue(history, number);
	return advance(history);
}

static int on_fail(struct history *history, const struct pt_event *ev)
{
	__u32 number;
	struct entry *entry = new_row(history, HISTORY_FAIL, wall(ev, ev->ts), &number);
	struct history_row *row;

	if (!entry)
		return -ENOMEM;
	row = &entry->row;
	row->begin = row->ts;
	row->ev = *ev;
	for (unsigned int i = 0; i < ev->blockers_count; i++)
		row->blockers[i] = ev->blockers[i];
	row->ev.blockers = row->blockers;
	return add_point(history, number);
}

static int on_lost(struct history *history, const struct pt_event *ev)
{
	bool known = ev->lost_from && ev->lost_from != PT_UNKNOWN;
	__u64 to = wall(ev, ev->lost_to), from = known ? wall(ev, ev->lost_from) : PT_UNKNOWN;
	__u32 number;
	struct entry *entry = new_row(history, HISTORY_LOST, wall(ev, ev->ts), &number);

	if (!entry)
		return -ENOMEM;
	entry->row.begin = from;
	entry->row.ended = to;
	entry->row.ev = *ev;
	return add_point(history, number);
}

int history_event(struct history *history, const struct pt_event *ev)
{
	switch (ev->type) {
	case PT_EV_ALLOC:
		return on_alloc(history, ev);
	case PT_EV_TIME_WAIT:
		return on_time_wait(history, ev);
	case PT_EV_FREE:
		return on_free(history, ev);
	case PT_EV_FAIL:
		return on_fail(history, ev);
	case PT_EV_LOST:
		return on_lost(history, ev);
	case PT_EV_TYPES:
		break;
	}
	return 0;
}

int history_held(struct history *history, const struct pt_event *ev)
{
	__u32 number;
	struct entry *entry = find_or_open(history, ev, ev->held_ns, &number);

	if (!entry)
		return -ENOMEM;
	if (ev->open_ns != PT_UNKNOWN && !entry->row.time_wait)
		begin_time_wait(entry, ev,
				entry->row.begin == PT_UNKNOWN ? 0
							       : entry->row.begin + ev->open_ns);
	return 0;
}

/* ---- gaps and the end ---------------------------------------------------------- */

static void doubt_list(struct history *history, const struct list *list)
{
	for (__u32 number = list->first; number; number = at(history, number)->next)
		at(history, number)->doubt = !at(history, number)->done;
}

int history_gap(struct history *history, __u64 from, __u64 to, const char *why)
{
	__u32 number;
	struct entry *entry = new_row(history, HISTORY_GAP, from, &number);

	if (!entry)
		return -ENOMEM;
	entry->row.begin = from;
	entry->row.ended = to;
	entry->row.why = why;
	doubt_list(history, &history->queue);
	doubt_list(history, &history->late);
	return add_point(history, number);
}

static void hold_on(struct entry *entry, __u64 until)
{
	struct history_row *row = &entry->row;

	row->still_held = true;
	if (row->begin != PT_UNKNOWN)
		row->ev.held_ns = until > row->begin ? until - row->begin : 0;
	if (entry->tw_since)
		row->tw_ns = until > entry->tw_since ? until - entry->tw_since : 0;
}

/* Completes the open holds of a list, or (until is PT_UNKNOWN) those in doubt. */
static int close_list(struct history *history, const struct list *list, __u64 until)
{
	__u32 next;
	int err = 0;

	for (__u32 number = list->first; number && !err; number = next) {
		struct entry *entry = at(history, number);

		next = entry->next;
		if (entry->done || (!entry->doubt && until == PT_UNKNOWN))
			continue;
		if (entry->doubt)
			entry->row.ev.end = PT_END_UNKNOWN;
		else
			hold_on(entry, until);
		complete(history, number);
		if (entry->late)
			err = give(history, &history->late, number);
	}
	return err;
}

static int close_all(struct history *history, __u64 until)
{
	int err = close_list(history, &history->late, until);

	if (!err)
		err = close_list(history, &history->queue, until);
	return err ? err : advance(history);
}

int history_settle(struct history *history)
{
	return close_all(history, PT_UNKNOWN);
}

int history_end(struct history *history, __u64 until)
{
	return close_all(history, until);
}

// SPDX-License-Identifier: BSD-2-Clause
#include "user/sink/spans.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/index.h"
#include "user/base/pool.h"

#define FIRST_SIZE 1024
/*
 * An event's time is raised to its predecessor's: by as much as a record may have
 * waited in the ring while a dump was told. Twins without cookies are told apart by
 * who is nearest; beyond this it is another hold.
 */
#define AGE_SLACK_NS 1000000000ULL

struct entry {
	__u32 next; /* number in spans.pool, 0: last */
	__u32 hash;
	__u64 since; /* CLOCK_BOOTTIME, ns; PT_UNKNOWN */
	struct span span;
};

struct spans {
	spans_fn fn;
	void *data;
	struct pool pool;
	__u32 *heads; /* by hash, of entries */
	__u32 size;   /* a power of two */
};

struct spans *spans_new(spans_fn fn, void *data)
{
	struct spans *spans = calloc(1, sizeof(*spans));

	if (!spans)
		return NULL;
	spans->fn = fn;
	spans->data = data;
	spans->pool.entry_size = sizeof(struct entry);
	spans->size = FIRST_SIZE;
	spans->heads = calloc(spans->size, sizeof(*spans->heads));
	if (spans->heads)
		return spans;
	free(spans);
	return NULL;
}

void spans_free(struct spans *spans)
{
	if (!spans)
		return;
	pool_free(&spans->pool);
	free(spans->heads);
	free(spans);
}

static struct entry *entry_at(const struct spans *spans, __u32 number)
{
	return number ? pool_at(&spans->pool, number) : NULL;
}

static __u32 *head_of(const struct spans *spans, __u32 hash)
{
	return &spans->heads[hash & (spans->size - 1)];
}

static __u32 hash_of(const struct pt_event *ev)
{
	__u64 space = ev->space.netns_cookie ^ (__u64)ev->space.netns << 32 ^ ev->space.vrf;

	return index_hash(space ^ (__u64)index_hash(ev->sock ^ (__u64)ev->port << 32 ^
						    (__u64)ev->space.proto << 48));
}

/* Twice as many heads, where there is memory: else chains get longer. */
static void grow(struct spans *spans)
{
	__u32 *heads = calloc(spans->size * 2, sizeof(*heads)), *old = spans->heads;
	__u32 size = spans->size;

	if (!heads)
		return;
	spans->heads = heads;
	spans->size *= 2;
	for (__u32 i = 0; i < size; i++)
		for (__u32 next, number = old[i]; number; number = next) {
			struct entry *entry = entry_at(spans, number);
			__u32 *head = head_of(spans, entry->hash);

			next = entry->next;
			entry->next = *head;
			*head = number;
		}
	free(old);
}

static __u64 wall(const struct pt_event *ev, __u64 ts)
{
	return ts == PT_UNKNOWN ? PT_UNKNOWN : ts + ev->realtime_offset;
}

/* since: CLOCK_BOOTTIME, ns; PT_UNKNOWN. Returns the entry's number, or 0: no memory. */
static __u32 entry_add(struct spans *spans, const struct pt_event *ev, __u64 since)
{
	__u32 number = pool_take(&spans->pool);
	struct entry *entry = entry_at(spans, number);
	__u32 *head;

	if (!entry)
		return 0;
	if (spans->pool.live > spans->size)
		grow(spans);
	entry->hash = hash_of(ev);
	entry->since = since;
	entry->span = (struct span){
		.ev = *ev, .begin = wall(ev, since), .closed = PT_UNKNOWN, .end = PT_UNKNOWN
	};
	head = head_of(spans, entry->hash);
	entry->next = *head;
	*head = number;
	return number;
}

static void entry_remove(struct spans *spans, __u32 number)
{
	const struct entry *entry = entry_at(spans, number);
	__u32 *link = head_of(spans, entry->hash);

	while (*link != number)
		link = &entry_at(spans, *link)->next;
	*link = entry->next;
	pool_give(&spans->pool, number);
}

/* ---- which hold an event is about ---------------------------------------------- */

static bool same_owner(const struct pt_owner *a, const struct pt_owner *b)
{
	return a->known == b->known &&
	       (!a->known || (a->pid == b->pid && a->tid == b->tid && a->start == b->start));
}

static bool same_ends(const struct pt_event *a, const struct pt_event *b)
{
	return a->rport == b->rport && !memcmp(a->laddr, b->laddr, sizeof(a->laddr)) &&
	       !memcmp(a->raddr, b->raddr, sizeof(a->raddr));
}

/*
 * The beginnings that the two tell of: how far apart. An end that was found later tells
 * of none; nor does that of a hold whose allocation was told late.
 */
static __u64 distance(const struct entry *entry, const struct pt_event *ev, __u64 since)
{
	if (since == PT_UNKNOWN)
		return entry->since != PT_UNKNOWN && ev->end != PT_END_UNKNOWN;
	if (entry->since == PT_UNKNOWN)
		return PT_UNKNOWN;
	return since > entry->since ? since - entry->since : entry->since - since;
}

static bool may_be(const struct entry *entry, const struct pt_event *ev, __u64 since)
{
	const struct pt_event *told = &entry->span.ev;

	if (told->port != ev->port || told->sock != ev->sock || told->space.vrf != ev->space.vrf ||
	    !pt_space_is_same(&told->space, &ev->space))
		return false;
	if (ev->sock)
		return true;
	return told->via == ev->via && same_owner(&told->owner, &ev->owner) &&
	       distance(entry, ev, since) < AGE_SLACK_NS;
}

/* The nearest in age, of these one with the same addresses. Returns its number, or 0. */
static __u32 entry_find(const struct spans *spans, const struct pt_event *ev, __u64 since)
{
	const struct entry *entry, *best = NULL;
	__u32 found = 0;

	for (__u32 i = *head_of(spans, hash_of(ev)); (entry = entry_at(spans, i));
	     i = entry->next) {
		__u64 nearest = best ? distance(best, ev, since) : PT_UNKNOWN;
		__u64 near = distance(entry, ev, since);

		if (!may_be(entry, ev, since))
			continue;
		if (best &&
		    (near > nearest || (near == nearest && !same_ends(&entry->span.ev, ev))))
			continue;
		best = entry;
		found = i;
	}
	return found;
}

/* ---- events -------------------------------------------------------------------- */

/* A later event of a hold tells all but what only its alloc does. */
static void span_take(struct span *span, const struct pt_event *ev)
{
	span->ev.type = ev->type;
	span->ev.ts = ev->ts;
	span->ev.realtime_offset = ev->realtime_offset;
	memcpy(span->ev.laddr, ev->laddr, sizeof(ev->laddr));
	memcpy(span->ev.raddr, ev->raddr, sizeof(ev->raddr));
	span->ev.rport = ev->rport;
	span->ev.open_ns = ev->open_ns;
	span->ev.fin_wait2 = ev->fin_wait2;
	span->ev.held_ns = ev->held_ns;
	span->ev.end = ev->end;
}

static int on_alloc(struct spans *spans, const struct pt_event *ev)
{
	__u64 since = pt_via_is_found(ev->via) ? PT_UNKNOWN : ev->ts;

	return entry_add(spans, ev, since) ? 0 : -ENOMEM;
}

static int on_free(struct spans *spans, __u32 number, const struct pt_event *ev)
{
	struct span *span = &entry_at(spans, number)->span;
	int err;

	/* an allocation that was told late: nobody knows when it was */
	if (ev->held_ns == PT_UNKNOWN && ev->end != PT_END_UNKNOWN)
		span->begin = PT_UNKNOWN;
	span->end = wall(ev, ev->ts);
	err = spans->fn(spans->data, span);
	entry_remove(spans, number);
	return err;
}

/* age: of the hold at the event, ns; PT_UNKNOWN. */
static int on_later(struct spans *spans, const struct pt_event *ev, __u64 age)
{
	__u64 since = age == PT_UNKNOWN ? PT_UNKNOWN : ev->ts - age;
	__u32 number = entry_find(spans, ev, since);
	struct entry *entry;

	if (!number)
		number = entry_add(spans, ev, since);
	entry = entry_at(spans, number);
	if (!entry)
		return -ENOMEM;
	span_take(&entry->span, ev);
	if (ev->type == PT_EV_FREE)
		return on_free(spans, number, ev);
	entry->span.closed = wall(ev, ev->ts);
	return 0;
}

int spans_event(struct spans *spans, const struct pt_event *ev)
{
	switch (ev->type) {
	case PT_EV_ALLOC:
		return on_alloc(spans, ev);
	case PT_EV_TIME_WAIT:
		return on_later(spans, ev, ev->open_ns);
	case PT_EV_FREE:
		return on_later(spans, ev, ev->held_ns);
	default:
		return 0;
	}
}

int spans_held(struct spans *spans, const struct ledger_unit *unit, __u64 realtime_offset)
{
	struct pt_event ev = pt_event_of_unit(unit);

	ev.realtime_offset = realtime_offset;
	if (pt_addr_is_any(ev.raddr))
		ev.rport = 0;
	/* a TIME_WAIT beside its socket, or another of its, is the same hold */
	if (unit->time_wait && entry_find(spans, &ev, unit->since))
		return 0;
	return entry_add(spans, &ev, unit->since) ? 0 : -ENOMEM;
}

int spans_finish(struct spans *spans, enum pt_end end)
{
	struct entry *entry;
	int err = 0;

	for (__u32 i = 0; i < spans->size && !err; i++)
		while ((entry = entry_at(spans, spans->heads[i])) && !err) {
			entry->span.ev.end = end;
			err = spans->fn(spans->data, &entry->span);
			entry_remove(spans, spans->heads[i]);
		}
	return err;
}

// SPDX-License-Identifier: BSD-2-Clause
#include "user/stats/search_watch.h"

#include <stdlib.h>

#include "user/stats/histogram.h"
#include "user/stats/key.h"
#include "user/stats/search.h"

/* A second is ten slots; what it is is looked at whenever one ends. */
#define SLOTS 10
#define SLOT_NS 100000000ULL

struct space {
	struct pt_space id;
	struct histogram slots[SLOTS]; /* ns */
	__u64 slot;		       /* the current one: ts / SLOT_NS */
	bool slow;		       /* it was told */
	__u64 slow_at;		       /* it was so last */
	struct search_watch_sign sign; /* of the highest median since it was told */
};

struct search_watch {
	search_watch_fn fn;
	void *data;
	struct space *spaces;
	size_t count;
	struct space *last; /* asked for */
	__u64 slot;	    /* up to which all are looked at */
};

struct search_watch *search_watch_new(search_watch_fn fn, void *data)
{
	struct search_watch *watch = calloc(1, sizeof(*watch));

	if (!watch)
		return NULL;
	watch->fn = fn;
	watch->data = data;
	watch->spaces = calloc(SEARCH_WATCH_SPACES, sizeof(*watch->spaces));
	if (watch->spaces)
		return watch;
	free(watch);
	return NULL;
}

static void space_drop(struct space *space)
{
	for (int i = 0; i < SLOTS; i++)
		histogram_free(&space->slots[i]);
}

void search_watch_free(struct search_watch *watch)
{
	if (!watch)
		return;
	for (size_t i = 0; i < watch->count; i++)
		space_drop(&watch->spaces[i]);
	free(watch->spaces);
	free(watch);
}

/* ---- a second ---------------------------------------------------------------------- */

static void begins(const struct search_watch *watch, struct space *space)
{
	space->slow = true;
	space->sign.since = space->sign.ts;
	watch->fn(watch->data, &space->sign);
}

static void is_slow(const struct search_watch *watch, struct space *space, __u64 ts,
		    const struct histogram *second)
{
	__u64 median = histogram_quantile(second, 500);

	space->slow_at = ts;
	if (!space->slow || median > space->sign.median)
		space->sign = (struct search_watch_sign){ .space = space->id,
							  .ts = ts,
							  .median = median,
							  .allocs = second->count,
							  .since = space->sign.since };
	if (!space->slow)
		begins(watch, space);
}

/* allocs: in the last second. */
static void is_calm(const struct search_watch *watch, struct space *space, __u64 ts, __u64 allocs)
{
	if (!space->slow || ts - space->slow_at < SEARCH_WATCH_CALM_NS)
		return;
	space->slow = false;
	space->sign.over = true;
	space->sign.ts = ts;
	space->sign.now = allocs;
	watch->fn(watch->data, &space->sign);
	space->sign = (struct search_watch_sign){ .over = false };
}

/* Of the second that ends with the current slot. */
static int look(const struct search_watch *watch, struct space *space)
{
	struct histogram second = { 0 };
	__u64 ts = (space->slot + 1) * SLOT_NS;
	int err = 0;

	for (int i = 0; i < SLOTS && !err; i++)
		err = histogram_merge(&second, &space->slots[i]);
	if (!err && second.count >= SEARCH_WATCH_ALLOCS &&
	    histogram_quantile(&second, 500) > SEARCH_WATCH_MEDIAN_NS)
		is_slow(watch, space, ts, &second);
	else if (!err)
		is_calm(watch, space, ts, second.count);
	histogram_free(&second);
	return err;
}

/*
 * To this slot; each on the way ends, but those of a second in which nothing happened. An
 * event of a slot before it, told after a tick, counts as if it came now.
 */
static int advance(const struct search_watch *watch, struct space *space, __u64 slot)
{
	int err = 0;

	for (int i = 0; i < SLOTS && !err && space->slot < slot; i++) {
		err = look(watch, space);
		space->slot++;
		histogram_free(&space->slots[space->slot % SLOTS]);
	}
	if (err || space->slot >= slot)
		return err;
	space->slot = slot;
	is_calm(watch, space, slot * SLOT_NS, 0);
	return 0;
}

/* ---- spaces ------------------------------------------------------------------------ */

static struct space *space_begin(struct space *space, const struct pt_space *id, __u64 slot)
{
	space_drop(space);
	*space = (struct space){ .id = *id, .slot = slot };
	return space;
}

/* NULL: there is no room for it. */
static struct space *space_get(struct search_watch *watch, const struct pt_space *id, __u64 slot)
{
	struct space *oldest = NULL;

	if (watch->last && key_space_is_equal(&watch->last->id, id))
		return watch->last;
	for (size_t i = 0; i < watch->count; i++) {
		struct space *space = &watch->spaces[i];

		if (key_space_is_equal(&space->id, id))
			return space;
		if (!space->slow && (!oldest || space->slot < oldest->slot))
			oldest = space;
	}
	if (watch->count < SEARCH_WATCH_SPACES)
		oldest = &watch->spaces[watch->count++];
	return oldest ? space_begin(oldest, id, slot) : NULL;
}

int search_watch_event(struct search_watch *watch, const struct pt_event *ev)
{
	__u64 slot = ev->ts / SLOT_NS;
	struct space *space;
	int err;

	if (ev->type != PT_EV_ALLOC || !search_is_of(ev) || ev->search_ns == PT_UNKNOWN)
		return 0;
	space = space_get(watch, &ev->space, slot);
	if (!space)
		return 0;
	watch->last = space;
	err = advance(watch, space, slot);
	return err ?: histogram_add(&space->slots[space->slot % SLOTS], ev->search_ns);
}

int search_watch_tick(struct search_watch *watch, __u64 ts)
{
	__u64 slot = ts / SLOT_NS;
	int err = 0;

	if (slot <= watch->slot)
		return 0;
	watch->slot = slot;
	for (size_t i = 0; i < watch->count && !err; i++)
		if (watch->spaces[i].slot < slot)
			err = advance(watch, &watch->spaces[i], slot);
	return err;
}

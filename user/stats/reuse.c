// SPDX-License-Identifier: BSD-2-Clause
#include "user/stats/reuse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct reuse *reuse_new(const struct reuse_options *options)
{
	struct reuse *reuse = calloc(1, sizeof(*reuse));

	if (!reuse)
		return NULL;
	reuse->options = *options;
	keyed_init(&reuse->keyed, options->by, sizeof(struct reuse_row));
	if (!tuples_init(&reuse->tuples))
		return reuse;
	free(reuse);
	return NULL;
}

void reuse_free(struct reuse *reuse)
{
	if (!reuse)
		return;
	for (__u32 i = 0; i < reuse->keyed.count; i++)
		histogram_free(&reuse_row(reuse, i)->count.clean);
	keyed_free(&reuse->keyed);
	histogram_free(&reuse->all.clean);
	histogram_free(&reuse->others.clean);
	histogram_free(&reuse->tuple);
	tuples_free(&reuse->tuples);
	free(reuse);
}

void reuse_set_span(struct reuse *reuse, __u64 begin, __u64 end)
{
	reuse->begin = begin;
	reuse->end = end > begin ? end : begin;
}

void reuse_forget(struct reuse *reuse)
{
	tuples_clear(&reuse->tuples);
}

/* ---- events ------------------------------------------------------------------ */

static enum pt_reuse kind_of(const struct pt_event *ev)
{
	if (ev->reuse == PT_REUSE_NONE ||
	    (ev->reuse == PT_REUSE_CLEAN && ev->reuse_ns == PT_UNKNOWN))
		return PT_REUSE_UNKNOWN;
	return ev->reuse;
}

static enum reuse_taker taker_of(const struct pt_event *ev)
{
	if (!ev->prev_known || !ev->owner.known)
		return REUSE_UNSURE;
	if (ev->prev_pid == ev->owner.pid && !strcmp(ev->prev_comm, ev->owner.comm))
		return REUSE_SAME;
	return REUSE_ANOTHER;
}

static int count_alloc(struct reuse_count *count, const struct pt_event *ev)
{
	enum pt_reuse kind = kind_of(ev);

	if (kind == PT_REUSE_CLEAN) {
		int err = histogram_add(&count->clean, ev->reuse_ns);

		if (err)
			return err;
		count->takers[taker_of(ev)]++;
	}
	count->kinds[kind]++;
	count->allocs++;
	return 0;
}

/* ns: since its connection before ended. */
static int count_tuple(struct reuse *reuse, const struct pt_event *ev, __u64 ns)
{
	if (ev->reuse == PT_REUSE_TIME_WAIT)
		return 0;
	if (ns != PT_UNKNOWN && kind_of(ev) != PT_REUSE_UNKNOWN)
		return histogram_add(&reuse->tuple, ns);
	reuse->tuple_unknown++;
	return 0;
}

static int on_alloc(struct reuse *reuse, const struct pt_event *ev, bool counts)
{
	struct reuse_row *row;
	void *found;
	__u64 ns;
	bool again = tuples_begin(&reuse->tuples, ev, &ns);
	int err;

	if (!counts || pt_via_is_found(ev->via))
		return 0;
	err = keyed_find(&reuse->keyed, &(struct keyed_subject){ .ev = ev }, &found);
	row = found;
	if (!err)
		err = count_alloc(row ? &row->count : &reuse->others, ev);
	if (!err)
		err = count_alloc(&reuse->all, ev);
	return err || !again ? err : count_tuple(reuse, ev, ns);
}

/* That of a gap in a recording tells no count. */
static void on_lost(struct reuse *reuse, const struct pt_event *ev, bool inside)
{
	tuples_lose(&reuse->tuples);
	if (!inside)
		return;
	reuse->lost += ev->lost_count;
	reuse->lost_unknown |= !ev->lost_count;
}

int reuse_event(struct reuse *reuse, const struct pt_event *ev, bool wanted)
{
	__u64 wall = ev->ts + ev->realtime_offset;
	bool inside = wall >= reuse->options.since;

	if (wall >= reuse->options.until)
		return 0;
	switch (ev->type) {
	case PT_EV_ALLOC:
		return on_alloc(reuse, ev, inside && wanted);
	case PT_EV_FREE:
		tuples_end(&reuse->tuples, ev);
		return 0;
	case PT_EV_LOST:
		on_lost(reuse, ev, inside);
		return 0;
	default:
		return 0;
	}
}

// SPDX-License-Identifier: BSD-2-Clause
#include "user/stats/search.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

const char *search_half_name(enum search_half half)
{
	static const char *const names[SEARCH_HALVES] = {
		[SEARCH_FIRST] = "first",
		[SEARCH_SECOND] = "second",
		[SEARCH_NO_HALF] = "none",
		[SEARCH_HALF_UNKNOWN] = "unknown",
	};

	return names[half];
}

bool search_is_of(const struct pt_event *ev)
{
	if (ev->type == PT_EV_FAIL)
		return !ev->port;
	return ev->type == PT_EV_ALLOC && !pt_via_is_found(ev->via) && ev->via != PT_VIA_FIXED;
}

struct search *search_new(const struct search_options *options)
{
	struct search *search = calloc(1, sizeof(*search));

	if (!search)
		return NULL;
	search->options = *options;
	keyed_init(&search->keyed, options->by, sizeof(struct search_row));
	search->fill = fill_new();
	if (search->fill)
		return search;
	free(search);
	return NULL;
}

static void count_drop(struct search_count *count)
{
	histogram_free(&count->found);
	histogram_free(&count->refused);
}

void search_free(struct search *search)
{
	if (!search)
		return;
	for (__u32 i = 0; i < search->keyed.count; i++)
		count_drop(&search_row(search, i)->count);
	keyed_free(&search->keyed);
	count_drop(&search->all);
	count_drop(&search->others);
	for (int half = 0; half < SEARCH_HALVES; half++)
		histogram_free(&search->halves[half]);
	fill_free(search->fill);
	free(search);
}

void search_set_span(struct search *search, __u64 begin, __u64 end)
{
	search->begin = begin;
	search->end = end > begin ? end : begin;
}

/* ---- halves ---------------------------------------------------------------------- */

static enum search_half half_of(struct fill *fill, const struct pt_event *ev)
{
	bool connects = ev->via == PT_VIA_CONNECT;
	__u16 low, high;

	if (ev->space.proto != IPPROTO_TCP)
		return SEARCH_NO_HALF;
	if (!connects && ev->via != PT_VIA_BIND && ev->via != PT_VIA_LISTEN)
		return SEARCH_HALF_UNKNOWN;
	if (!fill_range_of(fill, &ev->space, &low, &high) || ev->port < low || ev->port > high)
		return SEARCH_HALF_UNKNOWN;
	if (low == high)
		return SEARCH_NO_HALF;
	return ((ev->port ^ low) & 1) == !connects ? SEARCH_FIRST : SEARCH_SECOND;
}

/* ---- events ---------------------------------------------------------------------- */

static int add_time(struct histogram *histogram, const struct pt_event *ev)
{
	return ev->search_ns == PT_UNKNOWN ? 0 : histogram_add(histogram, ev->search_ns);
}

static int count_fail(struct search_count *count, const struct pt_event *ev)
{
	int err = add_time(&count->refused, ev);

	if (!err)
		count->fails++;
	return err;
}

static int count_alloc(struct search_count *count, const struct pt_event *ev, enum search_half half)
{
	int err = add_time(&count->found, ev);

	if (err)
		return err;
	count->halves[half]++;
	count->allocs++;
	return 0;
}

static int count_search(struct search *search, const struct pt_event *ev)
{
	const struct keyed_subject subject = { ev, fill_of(search->fill, &ev->space) };
	enum search_half half;
	struct search_row *row;
	struct search_count *count;
	void *found;
	int err = keyed_find(&search->keyed, &subject, &found);

	if (err)
		return err;
	row = found;
	count = row ? &row->count : &search->others;
	if (ev->type == PT_EV_FAIL)
		return count_fail(count, ev) ?: count_fail(&search->all, ev);
	half = half_of(search->fill, ev);
	return count_alloc(count, ev, half) ?: count_alloc(&search->all, ev, half)
	       ?: add_time(&search->halves[half], ev);
}

/* That of a gap in a recording tells no count. */
static void on_lost(struct search *search, const struct pt_event *ev)
{
	search->lost += ev->lost_count;
	search->lost_unknown |= !ev->lost_count;
}

int search_event(struct search *search, const struct pt_event *ev, bool wanted)
{
	__u64 wall = ev->ts + ev->realtime_offset;
	bool inside = wall >= search->options.since;
	int err = 0;

	if (wall >= search->options.until)
		return 0;
	if (ev->type == PT_EV_LOST && inside)
		on_lost(search, ev);
	/* as the search met it: the port that it found is not held yet */
	if (inside && wanted && search_is_of(ev))
		err = count_search(search, ev);
	return err ?: fill_event(search->fill, ev);
}

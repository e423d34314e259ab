// SPDX-License-Identifier: BSD-2-Clause
/* porttrace search: how hard it is to find a port, live or in a recording. */
#include "user/sink/search.h"

#include "user/cmd/measure.h"

static void *on_begin(const struct measure_span *span)
{
	return search_new(&(struct search_options){ span->by, span->since, span->until });
}

static void on_free(void *search)
{
	search_free(search);
}

static int on_event(void *search, const struct pt_event *ev, bool wanted)
{
	return search_event(search, ev, wanted);
}

static __u64 on_count(const void *data)
{
	const struct search *search = data;

	return search->all.allocs + search->all.fails;
}

static struct fill *on_fill(void *search)
{
	return ((struct search *)search)->fill;
}

static void on_end(void *search, __u64 from, __u64 to)
{
	search_set_span(search, from, to);
}

static int on_write_text(struct out *out, const void *search, size_t top)
{
	return search_write_text(out, search, top);
}

static int on_write_json(struct out *out, const void *search, size_t top)
{
	return search_write_json(out, search, top);
}

static const struct measure_ops ops = {
	.begin = on_begin,
	.free = on_free,
	.event = on_event,
	.count = on_count,
	.fill = on_fill,
	.end = on_end,
	.write_text = on_write_text,
	.write_json = on_write_json,
};

enum exit_status command_search(struct options *options)
{
	return measure_live(options, &ops);
}

enum exit_status command_search_past(struct options *options)
{
	return measure_past(options, &ops);
}

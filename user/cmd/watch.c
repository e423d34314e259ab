// SPDX-License-Identifier: BSD-2-Clause
#include "user/cmd/watch.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "user/base/format.h"
#include "user/live/buckets.h"
#include "user/sink/headroom.h"
#include "user/sink/search_watch.h"

#define NSEC_PER_SEC 1000000000ULL
/* Marks that are told one by one between two looks; of more only how many. */
#define TOLD_MAX 16
#define NEW_NETNS_EVERY_NS (10 * NSEC_PER_SEC)
#define RANGES_EVERY_NS (60 * NSEC_PER_SEC)
#define CONNECTS_EVERY_NS (10 * NSEC_PER_SEC)

/* A destination passed a mark, and how it was then. */
struct told {
	enum headroom_mark mark;
	__u64 ts;
	struct headroom_row row;
};

struct watch {
	struct watch_options options;
	struct headroom *headroom;
	struct out out;
	__u64 realtime_offset;
	struct format_time clock;
	struct told told[TOLD_MAX];
	unsigned int told_count;
	struct search_watch *searches;
	struct search_watch_sign signs[SEARCH_WATCH_SPACES];
	unsigned int signs_count;
	__u64 untold;
	bool has_told;
	__u64 ranges_at;   /* CLOCK_BOOTTIME, ns: when they were read last */
	__u64 connects_at; /* the same of who connected behind a bind(0) */
	bool uncertain;	   /* the ledger, as of the last look */
	bool settled;	   /* nothing came from a dump since */
	int error;
};

static void on_mark(void *data, enum headroom_mark mark, const struct headroom_figures *figures,
		    __u64 ts)
{
	struct watch *watch = data;
	struct told *told = &watch->told[watch->told_count];

	watch->has_told = true;
	if (watch->told_count == TOLD_MAX) {
		watch->untold++;
		return;
	}
	watch->told_count++;
	told->mark = mark;
	told->ts = ts;
	told->row.figures = *figures;
	headroom_holders(watch->headroom, &figures->key, &told->row.holders);
}

static void on_sign(void *data, const struct search_watch_sign *sign)
{
	struct watch *watch = data;

	/* of each space one in five seconds, and it is looked at more often */
	if (watch->signs_count < SEARCH_WATCH_SPACES)
		watch->signs[watch->signs_count++] = *sign;
}

static struct headroom *make_headroom(struct watch *watch)
{
	return headroom_new(&(struct headroom_options){
		.buckets_reopen = watch->options.buckets_reopen,
		.mark = watch->options.mark,
		.on_mark = on_mark,
		.data = watch,
	});
}

int watch_new(const struct watch_options *options, struct watch **out)
{
	struct watch *watch = calloc(1, sizeof(*watch));

	if (!watch)
		return -ENOMEM;
	watch->options = *options;
	watch->headroom = make_headroom(watch);
	watch->searches = search_watch_new(on_sign, watch);
	if (!watch->headroom || !watch->searches || out_init(&watch->out, options->fd)) {
		search_watch_free(watch->searches);
		headroom_free(watch->headroom);
		free(watch);
		return -ENOMEM;
	}
	*out = watch;
	return 0;
}

void watch_free(struct watch *watch)
{
	if (!watch)
		return;
	out_close(&watch->out);
	search_watch_free(watch->searches);
	headroom_free(watch->headroom);
	free(watch);
}

bool watch_has_told(const struct watch *watch)
{
	return watch && watch->has_told;
}

int watch_error(const struct watch *watch)
{
	return watch ? watch->error : 0;
}

/* ---- what it is told --------------------------------------------------------------- */

static void keep_error(struct watch *watch, int err)
{
	if (err && !watch->error)
		watch->error = err;
}

void watch_event(void *data, const struct pt_event *ev)
{
	struct watch *watch = data;

	watch->realtime_offset = ev->realtime_offset;
	keep_error(watch, headroom_event(watch->headroom, ev));
	keep_error(watch, search_watch_event(watch->searches, ev));
}

void watch_range(struct watch *watch, const struct headroom_range *range)
{
	keep_error(watch, headroom_range(watch->headroom, range));
}

void watch_netns(void *data, const struct dump_netns *netns)
{
	if (netns->range)
		watch_range(data, &(struct headroom_range){
					  .netns_cookie = netns->cookie,
					  .netns = netns->inode,
					  .low = netns->range->low,
					  .high = netns->range->high,
					  .reserved = &netns->range->reserved,
				  });
}

void watch_restart(struct watch *watch)
{
	struct headroom *headroom = make_headroom(watch);

	if (!headroom) {
		keep_error(watch, -ENOMEM);
		return;
	}
	headroom_free(watch->headroom);
	watch->headroom = headroom;
	watch->told_count = watch->signs_count = 0;
	watch->untold = 0;
}

void watch_hold(void *data, const struct ledger_unit *unit)
{
	struct watch *watch = data;
	struct pt_event ev = pt_event_of_unit(unit);

	keep_error(watch, headroom_hold(watch->headroom, &(struct headroom_hold){
								 .ev = &ev,
								 .time_wait = unit->time_wait,
								 .connects = ev.rport,
							 }));
}

static int on_netns(const struct dump_netns *netns, void *data)
{
	watch_netns(data, netns);
	return 0;
}

void watch_ranges(struct watch *watch, __u64 now)
{
	const struct dump_options options = { .only_netns = true, .netns_done = on_netns };
	struct dump_result result;
	__u64 passed;

	/* the first ones come with the snapshot */
	watch->ranges_at = watch->ranges_at ?: now;
	passed = now - watch->ranges_at;
	if (passed < NEW_NETNS_EVERY_NS ||
	    (passed < RANGES_EVERY_NS && !headroom_counts(watch->headroom).unranged))
		return;
	watch->ranges_at = now;
	dump_all(&options, NULL, watch, &result);
}

void watch_settle(struct watch *watch, const struct loader *loader, __u32 netns)
{
	if (watch->settled || watch->uncertain)
		return;
	watch->settled = true;
	/* what this does not tell stays unsure */
	buckets_settle(watch->headroom,
		       &(struct buckets_source){ .loader = loader, .netns = netns });
}

/* ---- what it says ------------------------------------------------------------------ */

static void begin_line(struct watch *watch, __u64 ts)
{
	char *p = out_reserve(&watch->out, FORMAT_CLOCK_MAX);

	out_commit(&watch->out, format_clock(&watch->clock, p, ts + watch->realtime_offset));
	out_char(&watch->out, ' ');
}

static void say_rates(struct out *out, const struct headroom_figures *figures)
{
	for (int w = 0; w < HEADROOM_WINDOWS; w++)
		if (figures->changes[w].ns) {
			out_str(out, "; ");
			headroom_put_rates(out, figures);
			return;
		}
}

static void say(struct watch *watch, const struct told *told)
{
	const struct headroom_figures *figures = &told->row.figures;
	struct out *out = &watch->out;

	begin_line(watch, told->ts);
	headroom_put_who(out, &figures->key);
	if (figures->key.space.netns != watch->options.own_netns)
		out_format(out, " (netns %u)", figures->key.space.netns);
	out_str(out, told->mark == HEADROOM_EXHAUSTED ? ": exhausted: " : ": ");
	headroom_put_use(out, figures);
	say_rates(out, figures);
	if (told->row.holders.count) {
		out_str(out, "; held by ");
		headroom_put_holders(out, &told->row.holders);
	}
	out_end_line(out);
}

/* Events do not tell that a bound socket connects: the ledger knows. */
static void on_unit(void *data, const struct ledger_unit *unit)
{
	struct watch *watch = data;
	struct pt_event ev;

	if (unit->via != PT_VIA_BIND || unit->space.proto != IPPROTO_TCP)
		return;
	ev = pt_event_of_unit(unit);
	if (ev.rport)
		keep_error(watch,
			   headroom_hold(watch->headroom,
					 &(struct headroom_hold){ .ev = &ev, .connects = true }));
}

/* Each space that something is said of, once. */
static void say_takers(struct watch *watch, struct pipeline *pipeline, __u64 now)
{
	if (!watch->connects_at || now - watch->connects_at >= CONNECTS_EVERY_NS) {
		watch->connects_at = now;
		pipeline_each(pipeline, on_unit, watch);
	}
	for (unsigned int i = 0; i < watch->told_count; i++) {
		struct headroom_taker_row row = { .space = watch->told[i].row.figures.key.space };
		unsigned int before = 0;

		while (before < i &&
		       (watch->told[before].row.figures.key.space.netns != row.space.netns ||
			watch->told[before].row.figures.key.space.proto != row.space.proto))
			before++;
		if (before < i)
			continue;
		headroom_takers(watch->headroom, &row.space, true, &row.holders);
		if (!row.holders.held)
			continue;
		begin_line(watch, watch->told[i].ts);
		headroom_takers_text(&watch->out, &row);
	}
}

/* The search takes long before ports run out: of a whole space, not of one destination. */
static void say_signs(struct watch *watch)
{
	for (unsigned int i = 0; i < watch->signs_count; i++) {
		begin_line(watch, watch->signs[i].ts);
		search_watch_write_text(&watch->out, &watch->signs[i]);
	}
	if (watch->signs_count)
		out_flush(&watch->out);
	watch->signs_count = 0;
}

void watch_look(struct watch *watch, struct pipeline *pipeline, __u64 now)
{
	watch->uncertain = pipeline_counts(pipeline).uncertain;
	watch->settled &= !watch->uncertain;
	if (!watch->uncertain)
		headroom_certain(watch->headroom, now);
	headroom_tick(watch->headroom, now);
	keep_error(watch, search_watch_tick(watch->searches, now));
	say_signs(watch);
	if (!watch->told_count)
		return;
	for (unsigned int i = 0; i < watch->told_count; i++)
		say(watch, &watch->told[i]);
	if (watch->untold) {
		out_format(&watch->out, "... and %llu more destinations passed a mark",
			   watch->untold);
		out_end_line(&watch->out);
	}
	say_takers(watch, pipeline, now);
	watch->told_count = 0;
	watch->untold = 0;
	out_flush(&watch->out);
}

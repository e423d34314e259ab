// SPDX-License-Identifier: BSD-2-Clause
#include "user/sink/reuse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/compare.h"
#include "user/sink/column_put.h"
#include "user/sink/keyed.h"
#include "user/sink/prose.h"
#include "user/sink/spread.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* ---- what is shown of a row ----------------------------------------------------- */

#define GETTER(name) static enum column_state name(const void *row, union column_value *v)
#define COUNT_OF(row) (&((const struct reuse_row *)(row))->count)

GETTER(get_allocs)
{
	return put_u64(v, COUNT_OF(row)->allocs);
}

GETTER(get_clean)
{
	return put_u64(v, COUNT_OF(row)->kinds[PT_REUSE_CLEAN]);
}

GETTER(get_time_wait)
{
	return put_u64(v, COUNT_OF(row)->kinds[PT_REUSE_TIME_WAIT]);
}

GETTER(get_shared)
{
	return put_u64(v, COUNT_OF(row)->kinds[PT_REUSE_SHARED]);
}

GETTER(get_first)
{
	return put_u64(v, COUNT_OF(row)->kinds[PT_REUSE_FIRST]);
}

GETTER(get_unknown)
{
	return put_u64(v, COUNT_OF(row)->kinds[PT_REUSE_UNKNOWN]);
}

GETTER(get_same)
{
	return put_u64(v, COUNT_OF(row)->takers[REUSE_SAME]);
}

GETTER(get_another)
{
	return put_u64(v, COUNT_OF(row)->takers[REUSE_ANOTHER]);
}

GETTER(get_unsure)
{
	return put_u64(v, COUNT_OF(row)->takers[REUSE_UNSURE]);
}

/* Of those of which both processes are known. */
GETTER(get_same_share)
{
	__u64 same = COUNT_OF(row)->takers[REUSE_SAME];
	__u64 all = same + COUNT_OF(row)->takers[REUSE_ANOTHER];

	return all ? put_u64(v, (same * 1000 + all / 2) / all) : COLUMN_NONE;
}

GETTER(get_p50)
{
	return spread_put_quantile(v, &COUNT_OF(row)->clean, 500);
}

GETTER(get_p90)
{
	return spread_put_quantile(v, &COUNT_OF(row)->clean, 900);
}

GETTER(get_p99)
{
	return spread_put_quantile(v, &COUNT_OF(row)->clean, 990);
}

GETTER(get_longest)
{
	return spread_put_quantile(v, &COUNT_OF(row)->clean, 1000);
}

/* Keys are those of a report's rows where they mean the same. */
static const struct keyed_column numbers[] = {
	{ "allocs", "ALLOCS", COLUMN_U64, get_allocs },
	{ "clean", "CLEAN", COLUMN_U64, get_clean },
	{ "reuse_ns_p50", "P50", COLUMN_DURATION, get_p50 },
	{ "reuse_ns_p90", "P90", COLUMN_DURATION, get_p90 },
	{ "reuse_ns_p99", "P99", COLUMN_DURATION, get_p99 },
	{ "reuse_ns_max", "LONGEST", COLUMN_DURATION, get_longest },
	{ "same_process", NULL, COLUMN_U64, get_same },
	{ "another_process", NULL, COLUMN_U64, get_another },
	{ "unknown_process", NULL, COLUMN_U64, get_unsure },
	{ "same_process_share", "SAME%", COLUMN_SHARE, get_same_share },
	{ "time_wait", "TW", COLUMN_U64, get_time_wait },
	{ "shared", "SHARED", COLUMN_U64, get_shared },
	{ "first", "FIRST", COLUMN_U64, get_first },
	{ "unknown", "UNKNOWN", COLUMN_U64, get_unknown },
};

_Static_assert(ARRAY_SIZE(numbers) <= KEYED_NUMBERS_MAX, "a table's");

static void json_buckets(struct json_writer *json, const void *row)
{
	spread_json_buckets(json, "buckets", &COUNT_OF(row)->clean);
}

static int by_allocs(const void *a, const void *b)
{
	return compare_u64(COUNT_OF(b)->allocs, COUNT_OF(a)->allocs);
}

static int view_begin(struct keyed_view *view, const struct reuse *reuse, size_t top)
{
	*view = (struct keyed_view){ .keyed = &reuse->keyed,
				     .numbers = numbers,
				     .numbers_count = ARRAY_SIZE(numbers),
				     .json_more = json_buckets };
	return keyed_view_begin(view, by_allocs, top);
}

/* ---- for people ----------------------------------------------------------------- */

static void put_kinds(struct out *out, const struct reuse_count *count)
{
	static const char *const words[PT_REUSES] = {
		[PT_REUSE_CLEAN] = "of a free port",
		[PT_REUSE_TIME_WAIT] = "out of TIME_WAIT",
		[PT_REUSE_SHARED] = "of a port that others held",
		[PT_REUSE_FIRST] = "of a port not seen before",
		[PT_REUSE_UNKNOWN] = "not known (events are missing between)",
	};
	const char *before = ": ";

	out_format(out, "%llu allocation%s", count->allocs, prose_plural(count->allocs));
	for (int kind = 0; kind < PT_REUSES; kind++) {
		if (!count->kinds[kind])
			continue;
		out_format(out, "%s%llu %s", before, count->kinds[kind], words[kind]);
		before = ", ";
	}
	out_str(out, ".\n");
}

static void put_takers(struct out *out, const struct reuse_count *count)
{
	if (!count->clean.count)
		return;
	out_format(out, "Free ports were taken %llu time%s by the process that had them last, ",
		   count->takers[REUSE_SAME], prose_plural(count->takers[REUSE_SAME]));
	out_format(out, "%llu time%s by another", count->takers[REUSE_ANOTHER],
		   prose_plural(count->takers[REUSE_ANOTHER]));
	if (count->takers[REUSE_UNSURE])
		out_format(out, "; %llu time%s by whom is not known", count->takers[REUSE_UNSURE],
			   prose_plural(count->takers[REUSE_UNSURE]));
	out_str(out, ".\n");
}

static void put_head(struct out *out, const struct reuse *reuse)
{
	prose_head(out, reuse->begin, reuse->end);
	put_kinds(out, &reuse->all);
	put_takers(out, &reuse->all);
	if (prose_lost(out, reuse->lost, reuse->lost_unknown))
		out_str(out, "; no time is told across them.\n");
}

static void put_all_times(struct out *out, const struct reuse *reuse)
{
	if (!reuse->all.clean.count)
		return;
	out_str(out, "\nFrom a port's becoming free to its next allocation: ");
	spread_write_quantiles(out, &reuse->all.clean);
	out_str(out, ".\n");
	spread_write_text(out, &reuse->all.clean);
}

static void put_rows(struct out *out, const struct reuse *reuse, const struct keyed_view *view)
{
	if (!view->rows_count)
		return;
	out_char(out, '\n');
	keyed_write_text(out, view);
	if (reuse->keyed.has_others) {
		out_format(out, "Only %d have rows; all others: ", KEYED_ROWS_MAX);
		put_kinds(out, &reuse->others);
	}
	out_str(out, "(CLEAN: of a free port, and how long it had been free: P50, P90, P99 (within "
		     "7 %), LONGEST;\nSAME%: of these by the process that had it last; TW: out of "
		     "TIME_WAIT; SHARED: others held it;\nFIRST: not seen before; UNKNOWN: events "
		     "are missing between)\n");
}

static void put_tuples(struct out *out, const struct reuse *reuse)
{
	if (!reuse->tuple.count && !reuse->tuple_unknown)
		return;
	out_format(out, "\nThe same 4-tuple again, from its end: %llu time%s", reuse->tuple.count,
		   prose_plural(reuse->tuple.count));
	if (reuse->tuple.count) {
		out_str(out, "; ");
		spread_write_quantiles(out, &reuse->tuple);
	}
	if (reuse->tuple_unknown)
		out_format(out, "; %llu more whose time is not known, since events are missing",
			   reuse->tuple_unknown);
	if (reuse->tuples.forgotten)
		out_format(out,
			   "; of %llu the end was forgotten for want of room, so long times are "
			   "missing",
			   reuse->tuples.forgotten);
	out_str(out, ".\n");
	spread_write_text(out, &reuse->tuple);
}

int reuse_write_text(struct out *out, const struct reuse *reuse, size_t top)
{
	struct keyed_view view;
	int err = view_begin(&view, reuse, top);

	if (err)
		return err;
	put_head(out, reuse);
	put_all_times(out, reuse);
	put_rows(out, reuse, &view);
	put_tuples(out, reuse);
	keyed_view_end(&view);
	return 0;
}

/* ---- JSON ----------------------------------------------------------------------- */

static void json_tuples(struct json_writer *json, const struct reuse *reuse)
{
	out_format(json->out, ",\"tuples\":{\"count\":%llu", reuse->tuple.count);
	json_u64(json, "unknown", reuse->tuple_unknown);
	json_u64(json, "forgotten", reuse->tuples.forgotten);
	spread_json_quantiles(json, "reuse_ns", &reuse->tuple);
	spread_json_buckets(json, "buckets", &reuse->tuple);
	out_char(json->out, '}');
}

int reuse_write_json(struct out *out, const struct reuse *reuse, size_t top)
{
	const struct reuse_row all = { .count = reuse->all }, others = { .count = reuse->others };
	struct json_writer json = { .out = out };
	struct keyed_view view;
	int err = view_begin(&view, reuse, top);

	if (err)
		return err;
	json_word(&json, true, "event", "reuse");
	json_time(&json, false, "since", reuse->begin);
	json_time(&json, false, "until", reuse->end);
	json_word(&json, false, "by", keyed_by_name(reuse->options.by));
	json_u64(&json, "lost", reuse->lost_unknown ? PT_UNKNOWN : reuse->lost);
	out_str(out, ",\"all\":");
	keyed_json_numbers(&json, &view, &all);
	json_tuples(&json, reuse);
	keyed_json_rows(&json, &view, reuse->keyed.has_others ? &others : NULL);
	out_char(out, '}');
	out_end_line(out);
	keyed_view_end(&view);
	return 0;
}

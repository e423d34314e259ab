// SPDX-License-Identifier: BSD-2-Clause
#include "user/sink/search.h"

#include "user/base/compare.h"
#include "user/sink/column_put.h"
#include "user/sink/keyed.h"
#include "user/sink/prose.h"
#include "user/sink/spread.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* ---- what is shown of a row ------------------------------------------------------ */

#define GETTER(name) static enum column_state name(const void *row, union column_value *v)
#define COUNT_OF(row) (&((const struct search_row *)(row))->count)

GETTER(get_allocs)
{
	return put_u64(v, COUNT_OF(row)->allocs);
}

GETTER(get_p50)
{
	return spread_put_quantile(v, &COUNT_OF(row)->found, 500);
}

GETTER(get_p90)
{
	return spread_put_quantile(v, &COUNT_OF(row)->found, 900);
}

GETTER(get_p99)
{
	return spread_put_quantile(v, &COUNT_OF(row)->found, 990);
}

GETTER(get_longest)
{
	return spread_put_quantile(v, &COUNT_OF(row)->found, 1000);
}

static __u64 unknown_of(const struct search_count *count)
{
	return count->allocs - count->found.count;
}

GETTER(get_unknown)
{
	return put_u64(v, unknown_of(COUNT_OF(row)));
}

GETTER(get_first)
{
	return put_u64(v, COUNT_OF(row)->halves[SEARCH_FIRST]);
}

GETTER(get_second)
{
	return put_u64(v, COUNT_OF(row)->halves[SEARCH_SECOND]);
}

/* Of those of which the half is known. */
GETTER(get_second_share)
{
	__u64 second = COUNT_OF(row)->halves[SEARCH_SECOND];
	__u64 all = second + COUNT_OF(row)->halves[SEARCH_FIRST];

	return all ? put_u64(v, (second * 1000 + all / 2) / all) : COLUMN_NONE;
}

GETTER(get_fails)
{
	return put_u64(v, COUNT_OF(row)->fails);
}

GETTER(get_fail_p50)
{
	return spread_put_quantile(v, &COUNT_OF(row)->refused, 500);
}

GETTER(get_fail_p90)
{
	return spread_put_quantile(v, &COUNT_OF(row)->refused, 900);
}

GETTER(get_fail_p99)
{
	return spread_put_quantile(v, &COUNT_OF(row)->refused, 990);
}

GETTER(get_fail_longest)
{
	return spread_put_quantile(v, &COUNT_OF(row)->refused, 1000);
}

static __u64 fail_unknown_of(const struct search_count *count)
{
	return count->fails - count->refused.count;
}

GETTER(get_fail_unknown)
{
	return put_u64(v, fail_unknown_of(COUNT_OF(row)));
}

GETTER(get_all_unknown)
{
	return put_u64(v, unknown_of(COUNT_OF(row)) + fail_unknown_of(COUNT_OF(row)));
}

/* Keys are those of a report's rows where they mean the same. */
static const struct keyed_column numbers[] = {
	{ "allocs", "ALLOCS", COLUMN_U64, get_allocs },
	{ "search_ns_p50", "P50", COLUMN_DURATION, get_p50 },
	{ "search_ns_p90", "P90", COLUMN_DURATION, get_p90 },
	{ "search_ns_p99", "P99", COLUMN_DURATION, get_p99 },
	{ "search_ns_max", "LONGEST", COLUMN_DURATION, get_longest },
	{ "unknown", NULL, COLUMN_U64, get_unknown },
	{ "first_half", NULL, COLUMN_U64, get_first },
	{ "second_half", NULL, COLUMN_U64, get_second },
	{ "second_half_share", "2ND%", COLUMN_SHARE, get_second_share },
	{ "fails", "REFUSED", COLUMN_U64, get_fails },
	{ "fail_search_ns_p50", "P50", COLUMN_DURATION, get_fail_p50 },
	{ "fail_search_ns_p90", NULL, COLUMN_DURATION, get_fail_p90 },
	{ "fail_search_ns_p99", "P99", COLUMN_DURATION, get_fail_p99 },
	{ "fail_search_ns_max", "LONGEST", COLUMN_DURATION, get_fail_longest },
	{ "fail_unknown", NULL, COLUMN_U64, get_fail_unknown },
	{ NULL, "UNKNOWN", COLUMN_U64, get_all_unknown },
};

_Static_assert(ARRAY_SIZE(numbers) <= KEYED_NUMBERS_MAX, "a table's");

static void json_buckets(struct json_writer *json, const void *row)
{
	spread_json_buckets(json, "buckets", &COUNT_OF(row)->found);
	spread_json_buckets(json, "fail_buckets", &COUNT_OF(row)->refused);
}

static __u64 searches_of(const struct search_count *count)
{
	return count->allocs + count->fails;
}

static int by_searches(const void *a, const void *b)
{
	return compare_u64(searches_of(COUNT_OF(b)), searches_of(COUNT_OF(a)));
}

static int by_fill(const void *a, const void *b)
{
	const struct search_row *x = a, *y = b;

	return compare_u64(x->key.fill, y->key.fill);
}

static int view_begin(struct keyed_view *view, const struct search *search, size_t top)
{
	*view = (struct keyed_view){ .keyed = &search->keyed,
				     .numbers = numbers,
				     .numbers_count = ARRAY_SIZE(numbers),
				     .json_more = json_buckets };
	return keyed_view_begin(view, search->options.by == KEYED_BY_FILL ? by_fill : by_searches,
				top);
}

/* ---- for people ------------------------------------------------------------------ */

static void put_counts(struct out *out, const struct search_count *count)
{
	__u64 unknown = unknown_of(count) + fail_unknown_of(count);

	out_format(out, "%llu allocation%s", count->allocs, prose_plural(count->allocs));
	out_format(out, ", %llu refusal%s", count->fails, prose_plural(count->fails));
	if (unknown)
		out_format(out, "; of %llu the time is not known", unknown);
	out_str(out, ".\n");
}

static void put_halves(struct out *out, const struct search *search)
{
	static const char *const words[SEARCH_HALVES] = {
		[SEARCH_FIRST] = "in the half of the range that the kernel tries first",
		[SEARCH_SECOND] = "in the half that it tries last",
		[SEARCH_NO_HALF] = "where there are no halves",
		[SEARCH_HALF_UNKNOWN] = "in a half that is not known",
	};

	for (int half = 0; half < SEARCH_HALVES; half++) {
		const struct histogram *times = &search->halves[half];

		if (!search->all.halves[half])
			continue;
		out_format(out, "Found %s: %llu", words[half], search->all.halves[half]);
		out_str(out, times->count ? "; " : "");
		spread_write_quantiles(out, times);
		out_str(out, ".\n");
	}
}

static void put_times(struct out *out, const char *title, const struct histogram *times)
{
	if (!times->count)
		return;
	out_format(out, "\n%s: ", title);
	spread_write_quantiles(out, times);
	out_str(out, ".\n");
	spread_write_text(out, times);
}

static void put_rows(struct out *out, const struct search *search, const struct keyed_view *view)
{
	if (!view->rows_count)
		return;
	out_char(out, '\n');
	keyed_write_text(out, view);
	if (search->keyed.has_others) {
		out_format(out, "Only %d have rows; all others: ", KEYED_ROWS_MAX);
		put_counts(out, &search->others);
	}
	out_str(out,
		"(how long the kernel searched: P50, P90, P99 (within 7 %), LONGEST, for a port "
		"and until it\nrefused; 2ND%: found in the half that it tries last; UNKNOWN: "
		"that time is not known");
	if (search->options.by == KEYED_BY_FILL)
		out_str(out, ";\nFULL%: held of the range, as the search met it");
	out_str(out, ")\n");
}

int search_write_text(struct out *out, const struct search *search, size_t top)
{
	struct keyed_view view;
	int err = view_begin(&view, search, top);

	if (err)
		return err;
	prose_head(out, search->begin, search->end);
	put_counts(out, &search->all);
	put_halves(out, search);
	if (prose_lost(out, search->lost, search->lost_unknown))
		out_str(out, "; searches are missing.\n");
	put_times(out, "Until a port was found", &search->all.found);
	put_times(out, "Until it was refused", &search->all.refused);
	put_rows(out, search, &view);
	keyed_view_end(&view);
	return 0;
}

/* ---- JSON ------------------------------------------------------------------------ */

static void json_halves(struct json_writer *json, const struct search *search)
{
	out_str(json->out, ",\"halves\":{");
	for (int half = 0; half < SEARCH_HALVES; half++) {
		out_format(json->out, "%s\"%s\":{\"allocs\":%llu", half ? "," : "",
			   search_half_name((enum search_half)half), search->all.halves[half]);
		spread_json_quantiles(json, "search_ns", &search->halves[half]);
		spread_json_buckets(json, "buckets", &search->halves[half]);
		out_char(json->out, '}');
	}
	out_char(json->out, '}');
}

int search_write_json(struct out *out, const struct search *search, size_t top)
{
	const struct search_row all = { .count = search->all },
				others = { .count = search->others };
	struct json_writer json = { .out = out };
	struct keyed_view view;
	int err = view_begin(&view, search, top);

	if (err)
		return err;
	json_word(&json, true, "event", "search");
	json_time(&json, false, "since", search->begin);
	json_time(&json, false, "until", search->end);
	json_word(&json, false, "by", keyed_by_name(search->options.by));
	json_u64(&json, "lost", search->lost_unknown ? PT_UNKNOWN : search->lost);
	out_str(out, ",\"all\":");
	keyed_json_numbers(&json, &view, &all);
	json_halves(&json, search);
	keyed_json_rows(&json, &view, search->keyed.has_others ? &others : NULL);
	out_char(out, '}');
	out_end_line(out);
	keyed_view_end(&view);
	return 0;
}

// SPDX-License-Identifier: BSD-2-Clause
#include "user/sink/reuse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/sink/column_put.h"
#include "user/sink/grid.h"
#include "user/sink/json_field.h"
#include "user/sink/prose.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define BAR_WIDTH 40

_Static_assert(GRID_CELL_MAX >= COLUMN_VALUE_MAX, "room for every cell");

/* ---- what is shown of a row ----------------------------------------------------- */

struct reuse_column {
	const char *key;   /* JSON; NULL: not in JSON */
	const char *title; /* text; NULL: not in the text */
	enum column_type type;
	unsigned int bys; /* bit 1 << enum reuse_by: where it says what a row is; 0: a number */
	bool right;	  /* text: values and title */
	bool netns;	  /* text: only if there are several network namespaces */
	bool time;	  /* it is one of a histogram alone */
	enum column_state (*get)(const struct reuse_row *row, union column_value *value);
};

#define GETTER(name)                                                                               \
	static enum column_state name(const struct reuse_row *row, union column_value *v)

GETTER(get_proto)
{
	return put_text(v, pt_proto_name(row->space.proto));
}

GETTER(get_port)
{
	return put_u64(v, row->port);
}

GETTER(get_netns)
{
	return put_nonzero(v, row->space.netns);
}

GETTER(get_netns_cookie)
{
	return put_nonzero(v, pt_space_cookie(&row->space));
}

GETTER(get_vrf)
{
	return put_vrf(v, &row->space);
}

GETTER(get_pid)
{
	return row->owner.known ? put_u64(v, row->owner.pid) : COLUMN_UNKNOWN;
}

GETTER(get_comm)
{
	return row->owner.known ? put_text(v, row->owner.comm) : COLUMN_UNKNOWN;
}

GETTER(get_owner)
{
	v->owner = &row->owner;
	return row->owner.known ? COLUMN_KNOWN : COLUMN_UNKNOWN;
}

GETTER(get_kernel)
{
	return row->owner.known ? put_bool(v, row->owner.kernel) : COLUMN_UNKNOWN;
}

GETTER(get_uid)
{
	return row->owner.known ? put_u64(v, row->owner.uid) : COLUMN_UNKNOWN;
}

GETTER(get_allocs)
{
	return put_u64(v, row->count.allocs);
}

GETTER(get_clean)
{
	return put_u64(v, row->count.kinds[PT_REUSE_CLEAN]);
}

GETTER(get_time_wait)
{
	return put_u64(v, row->count.kinds[PT_REUSE_TIME_WAIT]);
}

GETTER(get_shared)
{
	return put_u64(v, row->count.kinds[PT_REUSE_SHARED]);
}

GETTER(get_first)
{
	return put_u64(v, row->count.kinds[PT_REUSE_FIRST]);
}

GETTER(get_unknown)
{
	return put_u64(v, row->count.kinds[PT_REUSE_UNKNOWN]);
}

GETTER(get_same)
{
	return put_u64(v, row->count.takers[REUSE_SAME]);
}

GETTER(get_another)
{
	return put_u64(v, row->count.takers[REUSE_ANOTHER]);
}

GETTER(get_unsure)
{
	return put_u64(v, row->count.takers[REUSE_UNSURE]);
}

/* Of those of which both processes are known. */
GETTER(get_same_share)
{
	__u64 same = row->count.takers[REUSE_SAME];
	__u64 all = same + row->count.takers[REUSE_ANOTHER];

	return all ? put_u64(v, (same * 1000 + all / 2) / all) : COLUMN_NONE;
}

/* Of no value at all there is no quantile. */
static enum column_state put_quantile(union column_value *v, const struct histogram *histogram,
				      unsigned int permille)
{
	return histogram->count ? put_u64(v, histogram_quantile(histogram, permille)) : COLUMN_NONE;
}

GETTER(get_p50)
{
	return put_quantile(v, &row->count.clean, 500);
}

GETTER(get_p90)
{
	return put_quantile(v, &row->count.clean, 900);
}

GETTER(get_p99)
{
	return put_quantile(v, &row->count.clean, 990);
}

GETTER(get_longest)
{
	return put_quantile(v, &row->count.clean, 1000);
}

#define PROCESS (1U << REUSE_BY_PROCESS)
#define PORT (1U << REUSE_BY_PORT)
#define PROTO (1U << REUSE_BY_PROTO | PORT)
#define NETNS (1U << REUSE_BY_NETNS | PORT)

/* Further members may follow the getter. */
#define KEY(key_, title_, type_, bys_, ...)                                                        \
	{                                                                                          \
		.key = key_, .title = title_, .type = type_, .bys = bys_, .get = __VA_ARGS__       \
	}
#define NUMBER(key_, title_, type_, ...)                                                           \
	{                                                                                          \
		.key = key_, .title = title_, .type = type_, .right = true, .get = __VA_ARGS__     \
	}

/* Keys are those of a report's rows where they mean the same. */
static const struct reuse_column reuse_columns[] = {
	KEY("proto", "PROTO", COLUMN_WORD, PROTO, get_proto),
	KEY("port", "PORT", COLUMN_U64, PORT, get_port, .right = true),
	KEY("netns", "NETNS", COLUMN_U64, NETNS, get_netns, .right = true, .netns = true),
	KEY("netns_cookie", NULL, COLUMN_ID, NETNS, get_netns_cookie),
	KEY("vrf", NULL, COLUMN_U64, PORT, get_vrf),
	KEY("pid", "PID", COLUMN_U64, PROCESS, get_pid, .right = true),
	KEY("comm", NULL, COLUMN_TEXT, PROCESS, get_comm),
	KEY(NULL, "COMM", COLUMN_OWNER, PROCESS, get_owner),
	KEY("kernel", NULL, COLUMN_BOOL, PROCESS, get_kernel),
	KEY("uid", NULL, COLUMN_U64, PROCESS, get_uid),
	NUMBER("allocs", "ALLOCS", COLUMN_U64, get_allocs),
	NUMBER("clean", "CLEAN", COLUMN_U64, get_clean),
	NUMBER("reuse_ns_p50", "P50", COLUMN_DURATION, get_p50, .time = true),
	NUMBER("reuse_ns_p90", "P90", COLUMN_DURATION, get_p90, .time = true),
	NUMBER("reuse_ns_p99", "P99", COLUMN_DURATION, get_p99, .time = true),
	NUMBER("reuse_ns_max", "LONGEST", COLUMN_DURATION, get_longest, .time = true),
	NUMBER("same_process", NULL, COLUMN_U64, get_same),
	NUMBER("another_process", NULL, COLUMN_U64, get_another),
	NUMBER("unknown_process", NULL, COLUMN_U64, get_unsure),
	NUMBER("same_process_share", "SAME%", COLUMN_SHARE, get_same_share),
	NUMBER("time_wait", "TW", COLUMN_U64, get_time_wait),
	NUMBER("shared", "SHARED", COLUMN_U64, get_shared),
	NUMBER("first", "FIRST", COLUMN_U64, get_first),
	NUMBER("unknown", "UNKNOWN", COLUMN_U64, get_unknown),
};

_Static_assert(ARRAY_SIZE(reuse_columns) <= GRID_COLUMNS_MAX, "a grid's");

static bool applies(const struct reuse_column *column, enum reuse_by by)
{
	return !column->bys || column->bys >> by & 1;
}

/* A row that has these times and nothing else. */
static struct reuse_row row_of_times(const struct histogram *histogram)
{
	return (struct reuse_row){ .count.clean = *histogram };
}

/* ---- sorting -------------------------------------------------------------------- */

struct view {
	const struct reuse *reuse;
	const struct reuse_row **rows; /* most allocations first */
	size_t rows_count;	       /* shown */
};

static int by_allocs(const void *a, const void *b)
{
	const struct reuse_row *x = *(const struct reuse_row *const *)a;
	const struct reuse_row *y = *(const struct reuse_row *const *)b;

	if (x->count.allocs != y->count.allocs)
		return x->count.allocs > y->count.allocs ? -1 : 1;
	return x < y ? -1 : x > y;
}

/* The caller frees rows, unless it returns -ENOMEM. */
static int view_begin(struct view *view, const struct reuse *reuse, size_t top)
{
	*view = (struct view){ .reuse = reuse, .rows_count = reuse->rows_count };
	view->rows = calloc(reuse->rows_count + 1, sizeof(*view->rows));
	if (!view->rows)
		return -ENOMEM;
	for (__u32 i = 0; i < reuse->rows_count; i++)
		view->rows[i] = &reuse->rows[i];
	qsort(view->rows, reuse->rows_count, sizeof(*view->rows), by_allocs);
	if (top && top < view->rows_count)
		view->rows_count = top;
	return 0;
}

/* ---- for people: a histogram ---------------------------------------------------- */

/* From the first power of two that has a value to the last. */
struct powers {
	__u64 counts[HISTOGRAM_POWERS];
	unsigned int first, end; /* end: behind the last */
	__u64 most;
};

static struct powers powers_of(const struct histogram *histogram)
{
	struct powers powers = { .first = 0 };

	histogram_powers(histogram, powers.counts);
	for (unsigned int i = 0; i < HISTOGRAM_POWERS; i++) {
		if (!powers.counts[i])
			continue;
		if (!powers.end)
			powers.first = i;
		powers.end = i + 1;
		if (powers.counts[i] > powers.most)
			powers.most = powers.counts[i];
	}
	return powers;
}

static __u64 power_from(unsigned int power)
{
	return power ? 1ULL << power : 0;
}

static __u64 power_to(unsigned int power)
{
	return (2ULL << power) - 1;
}

/* A full bar is the most; what there is has a star at least. */
static char *format_bar(char *p, __u64 count, __u64 most)
{
	size_t stars = (size_t)(((histogram_sum)count * BAR_WIDTH + most - 1) / most);

	*p++ = '|';
	memset(p, '*', stars);
	memset(p + stars, ' ', BAR_WIDTH - stars);
	p += BAR_WIDTH;
	*p++ = '|';
	return p;
}

enum { FROM, TO, COUNT, BAR, HISTOGRAM_COLUMNS };

static char *format_power_cell(void *data, size_t row, size_t column, char *p)
{
	const struct powers *powers = data;
	unsigned int power = powers->first + (unsigned int)row;

	switch (column) {
	case FROM:
		return format_duration(p, power_from(power));
	case TO:
		return format_duration(p, power_to(power));
	case COUNT:
		return format_u64(p, powers->counts[power]);
	default:
		return format_bar(p, powers->counts[power], powers->most);
	}
}

static void put_histogram(struct out *out, const struct histogram *histogram)
{
	static const struct grid_column columns[HISTOGRAM_COLUMNS] = {
		[FROM] = { "FROM", true },
		[TO] = { "TO", true },
		[COUNT] = { "COUNT", true },
		[BAR] = { "DISTRIBUTION", false },
	};
	struct powers powers = powers_of(histogram);
	const struct grid grid = { .columns = columns,
				   .columns_count = HISTOGRAM_COLUMNS,
				   .rows_count = powers.end - powers.first,
				   .cell = format_power_cell,
				   .data = &powers };

	grid_write(out, &grid);
}

/* P50 105ms, P90 ... */
static void put_times(struct out *out, const struct histogram *histogram)
{
	struct reuse_row row = row_of_times(histogram);
	const char *between = "";

	for (size_t i = 0; i < ARRAY_SIZE(reuse_columns); i++) {
		union column_value value;

		if (!reuse_columns[i].time || reuse_columns[i].get(&row, &value) != COLUMN_KNOWN)
			continue;
		out_format(out, "%s%s ", between, reuse_columns[i].title);
		prose_duration(out, value.u64);
		between = ", ";
	}
}

/* ---- for people: the rest -------------------------------------------------------- */

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

static void put_lost(struct out *out, const struct reuse *reuse)
{
	if (!reuse->lost && !reuse->lost_unknown)
		return;
	out_str(out, "Events lost in this span: ");
	if (reuse->lost)
		out_u64(out, reuse->lost);
	if (reuse->lost_unknown)
		out_str(out, reuse->lost ? " or more" : "nobody knows how many");
	out_str(out, "; no time is told across them.\n");
}

static void put_head(struct out *out, const struct reuse *reuse)
{
	prose_span(out, " to ", reuse->begin, reuse->end);
	out_str(out, " (");
	prose_duration(out, reuse->end - reuse->begin);
	out_str(out, "): ");
	put_kinds(out, &reuse->all);
	put_takers(out, &reuse->all);
	put_lost(out, reuse);
}

static void put_all_times(struct out *out, const struct reuse *reuse)
{
	if (!reuse->all.clean.count)
		return;
	out_str(out, "\nFrom a port's becoming free to its next allocation: ");
	put_times(out, &reuse->all.clean);
	out_str(out, ".\n");
	put_histogram(out, &reuse->all.clean);
}

/* The columns that are shown. */
struct text_rows {
	const struct view *view;
	const struct reuse_column *columns[GRID_COLUMNS_MAX];
};

/* By namespace that is what a row is, however many there are. */
static bool shows_netns(const struct reuse *reuse)
{
	if (reuse->options.by == REUSE_BY_NETNS)
		return true;
	for (__u32 i = 1; i < reuse->rows_count; i++)
		if (reuse->rows[i].space.netns != reuse->rows[0].space.netns)
			return true;
	return false;
}

static char *format_row_cell(void *data, size_t row, size_t place, char *p)
{
	const struct text_rows *rows = data;
	const struct reuse_column *column = rows->columns[place];
	union column_value value;
	enum column_state state = column->get(rows->view->rows[row], &value);

	return column_format_cell(p, column->type, state, &value);
}

static void put_rows(struct out *out, const struct view *view)
{
	struct text_rows rows = { .view = view };
	struct grid_column columns[GRID_COLUMNS_MAX];
	struct grid grid = { .columns = columns,
			     .rows_count = view->rows_count,
			     .cell = format_row_cell,
			     .data = &rows };
	bool netns = shows_netns(view->reuse);

	for (size_t i = 0; i < ARRAY_SIZE(reuse_columns); i++) {
		const struct reuse_column *column = &reuse_columns[i];

		if (!column->title || (column->netns && !netns) ||
		    !applies(column, view->reuse->options.by))
			continue;
		rows.columns[grid.columns_count] = column;
		columns[grid.columns_count++] =
			(struct grid_column){ .title = column->title, .right = column->right };
	}
	out_char(out, '\n');
	grid_write(out, &grid);
}

static void put_rows_end(struct out *out, const struct view *view)
{
	const struct reuse *reuse = view->reuse;
	size_t more = reuse->rows_count - view->rows_count;

	if (more)
		out_format(out, "... and %zu more\n", more);
	if (reuse->has_others) {
		out_format(out, "Only %d have rows; all others: ", REUSE_ROWS_MAX);
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
		put_times(out, &reuse->tuple);
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
	put_histogram(out, &reuse->tuple);
}

int reuse_write_text(struct out *out, const struct reuse *reuse, size_t top)
{
	struct view view;
	int err = view_begin(&view, reuse, top);

	if (err)
		return err;
	put_head(out, reuse);
	put_all_times(out, reuse);
	if (view.rows_count) {
		put_rows(out, &view);
		put_rows_end(out, &view);
	}
	put_tuples(out, reuse);
	free(view.rows);
	return 0;
}

/* ---- JSON ----------------------------------------------------------------------- */

static void json_buckets(struct json_writer *json, const struct histogram *histogram)
{
	struct powers powers = powers_of(histogram);

	out_str(json->out, ",\"buckets\":[");
	for (unsigned int i = powers.first; i < powers.end; i++)
		out_format(json->out, "%s{\"from_ns\":%llu,\"to_ns\":%llu,\"count\":%llu}",
			   i > powers.first ? "," : "", power_from(i), power_to(i),
			   powers.counts[i]);
	out_char(json->out, ']');
}

static void json_column(struct json_writer *json, bool first, const struct reuse_column *column,
			const struct reuse_row *row)
{
	union column_value value;
	enum column_state state = column->get(row, &value);
	struct json_key key;

	json_key_make(&key, first, column->key);
	json_field(json, &key, column->type, state, &value);
}

/* An object: what the row is, if that is wanted, and its numbers. */
static void json_row(struct json_writer *json, enum reuse_by by, const struct reuse_row *row,
		     bool keys)
{
	bool first = true;

	for (size_t i = 0; i < ARRAY_SIZE(reuse_columns); i++) {
		const struct reuse_column *column = &reuse_columns[i];

		if (!column->key || (column->bys && !keys) || !applies(column, by))
			continue;
		json_column(json, first, column, row);
		first = false;
	}
	json_buckets(json, &row->count.clean);
	out_char(json->out, '}');
}

static void json_rows(struct json_writer *json, const struct view *view)
{
	const struct reuse *reuse = view->reuse;
	const struct reuse_row others = { .count = reuse->others };

	json_u64(json, "rows_total", reuse->rows_count);
	out_str(json->out, ",\"rows\":[");
	for (size_t i = 0; i < view->rows_count; i++) {
		if (i)
			out_char(json->out, ',');
		json_row(json, reuse->options.by, view->rows[i], true);
	}
	out_str(json->out, "],\"others\":");
	if (reuse->has_others)
		json_row(json, reuse->options.by, &others, false);
	else
		out_str(json->out, "null");
}

static void json_tuples(struct json_writer *json, const struct reuse *reuse)
{
	struct reuse_row row = row_of_times(&reuse->tuple);

	out_format(json->out, ",\"tuples\":{\"count\":%llu", reuse->tuple.count);
	json_u64(json, "unknown", reuse->tuple_unknown);
	json_u64(json, "forgotten", reuse->tuples.forgotten);
	for (size_t i = 0; i < ARRAY_SIZE(reuse_columns); i++)
		if (reuse_columns[i].time)
			json_column(json, false, &reuse_columns[i], &row);
	json_buckets(json, &reuse->tuple);
	out_char(json->out, '}');
}

int reuse_write_json(struct out *out, const struct reuse *reuse, size_t top)
{
	const struct reuse_row all = { .count = reuse->all };
	struct json_writer json = { .out = out };
	struct view view;
	int err = view_begin(&view, reuse, top);

	if (err)
		return err;
	json_word(&json, true, "event", "reuse");
	json_time(&json, false, "since", reuse->begin);
	json_time(&json, false, "until", reuse->end);
	json_word(&json, false, "by", reuse_by_name(reuse->options.by));
	json_u64(&json, "lost", reuse->lost_unknown ? PT_UNKNOWN : reuse->lost);
	out_str(out, ",\"all\":");
	json_row(&json, reuse->options.by, &all, false);
	json_tuples(&json, reuse);
	json_rows(&json, &view);
	out_char(out, '}');
	out_end_line(out);
	free(view.rows);
	return 0;
}

// SPDX-License-Identifier: BSD-2-Clause
#include "user/sink/report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/sink/grid.h"
#include "user/sink/json_field.h"
#include "user/sink/prose.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define LOSSES_SHOWN 3

_Static_assert(GRID_CELL_MAX >= COLUMN_VALUE_MAX, "room for a path");

/* ---- minutes ------------------------------------------------------------------ */

struct minute_column {
	const char *key;   /* JSON */
	const char *title; /* text */
	enum column_type type;
	__u64 (*get)(const struct minute *minute);
};

#define MINUTE_GETTER(name, expression)                                                            \
	static __u64 name(const struct minute *minute)                                             \
	{                                                                                          \
		return expression;                                                                 \
	}

MINUTE_GETTER(minute_begin, MINUTE_NS * minute->number)
MINUTE_GETTER(minute_fails, minute->fails)
MINUTE_GETTER(minute_allocs, minute->allocs)
MINUTE_GETTER(minute_frees, minute->frees)
MINUTE_GETTER(minute_held_max, minute->held_max)
MINUTE_GETTER(minute_held_end, minute->held_end)

static const struct minute_column minute_columns[] = {
	{ "minute", "MINUTE", COLUMN_TIME, minute_begin },
	{ "fails", "REFUSED", COLUMN_U64, minute_fails },
	{ "allocs", "ALLOCS", COLUMN_U64, minute_allocs },
	{ "frees", "FREES", COLUMN_U64, minute_frees },
	{ "held_max", "MOST", COLUMN_U64, minute_held_max },
	{ "held_end", "HELD", COLUMN_U64, minute_held_end },
};

/* ---- what is shown ------------------------------------------------------------ */

struct writer {
	const struct report *report;
	const struct report_row **rows; /* sorted */
	size_t rows_total;
	size_t rows_count; /* shown */
	__u32 *minutes;	   /* worst first */
	size_t minutes_count;
};

static size_t cut(size_t count, size_t top)
{
	return top && top < count ? top : count;
}

static void writer_end(struct writer *writer)
{
	free(writer->rows);
	free(writer->minutes);
}

static int writer_begin(struct writer *writer, const struct report *report,
			const struct report_view *view)
{
	const struct minutes *minutes = &report->minutes;

	*writer = (struct writer){ .report = report };
	writer->rows = report_sorted(report, view->sort, &writer->rows_total);
	writer->minutes = calloc(minutes->count + 1, sizeof(*writer->minutes));
	if (!writer->rows || !writer->minutes) {
		writer_end(writer);
		return -ENOMEM;
	}
	minutes_worst(minutes, writer->minutes);
	writer->rows_count = cut(writer->rows_total, view->top);
	writer->minutes_count = cut(minutes->count, view->top);
	return 0;
}

static const struct minute *minute_at(const struct writer *writer, size_t place)
{
	return &writer->report->minutes.rows[writer->minutes[place]];
}

/* ---- for people: the head ----------------------------------------------------- */

static void put_errors(struct out *out, const struct report_count *count)
{
	static const char *const names[] = {
		[REPORT_EADDRNOTAVAIL] = "EADDRNOTAVAIL",
		[REPORT_EADDRINUSE] = "EADDRINUSE",
		[REPORT_EAGAIN] = "EAGAIN",
		[REPORT_OTHER_ERROR] = "other",
	};
	const char *before = " (";

	_Static_assert(ARRAY_SIZE(names) == REPORT_ERRORS, "a name for each error");
	for (int error = 0; error < REPORT_ERRORS; error++) {
		if (!count->errors[error])
			continue;
		out_format(out, "%s%llu %s", before, count->errors[error], names[error]);
		before = ", ";
	}
	if (count->fails)
		out_char(out, ')');
}

static void put_counts(struct out *out, const struct report_count *count)
{
	out_format(out, "%llu refusal%s", count->fails, prose_plural(count->fails));
	put_errors(out, count);
	out_format(out, ", %llu allocation%s, %llu free%s", count->allocs,
		   prose_plural(count->allocs), count->frees, prose_plural(count->frees));
}

static void put_held(struct out *out, __u64 held, __u64 time_wait)
{
	out_u64(out, held);
	if (time_wait)
		out_format(out, " (%llu in TIME-WAIT)", time_wait);
}

static void put_holds(struct out *out, const struct report_count *all)
{
	if (!all->held_max)
		return;
	out_str(out, "Most held at once: ");
	put_held(out, all->held_max, all->held_max_time_wait);
	out_str(out, " at ");
	prose_wall(out, "%F %T", all->held_max_at);
	out_str(out, "; at the end: ");
	put_held(out, all->held_now, all->time_wait_now);
	out_str(out, ".\n");
}

static void put_loss(struct out *out, const struct report_loss *loss)
{
	prose_span(out, " to ", loss->from, loss->to);
	if (loss->count == PT_UNKNOWN)
		out_str(out, ", ?");
	else
		out_format(out, ", %llu", loss->count);
}

/* What is counted is less than what happened. */
static void put_losses(struct out *out, const struct report *report)
{
	__u32 shown = report->losses_count < LOSSES_SHOWN ? report->losses_count : LOSSES_SHOWN;

	if (!prose_lost(out, report->lost, report->lost_unknown))
		return;
	out_str(out, "; what they told is not counted (");
	for (__u32 i = 0; i < shown; i++) {
		out_str(out, i ? "; " : "");
		put_loss(out, &report->losses[i]);
	}
	if (report->losses_count > shown)
		out_format(out, "; %u times more", report->losses_count - shown);
	out_str(out, ").\n");
}

static void put_head(struct out *out, const struct report *report)
{
	prose_head(out, report->begin, report->end);
	put_counts(out, &report->all);
	out_str(out, ".\n");
	put_holds(out, &report->all);
	put_losses(out, report);
}

/* ---- for people: the rows ------------------------------------------------------ */

/* The columns that are shown, by number. */
struct text_rows {
	const struct writer *writer;
	unsigned int columns[GRID_COLUMNS_MAX];
};

static bool several_netns(const struct writer *writer)
{
	if (writer->report->options.by != REPORT_BY_PORT)
		return false;
	for (size_t i = 1; i < writer->rows_total; i++)
		if (writer->rows[i]->key.space.netns != writer->rows[0]->key.space.netns)
			return true;
	return false;
}

static char *format_row_cell(void *data, size_t row, size_t place, char *p)
{
	const struct text_rows *rows = data;
	const struct report_column *column = &report_columns[rows->columns[place]];
	union column_value value;
	enum column_state state = column->get(rows->writer->rows[row], &value);

	return column_format_cell(p, column->type, state, &value);
}

static void put_rows(struct out *out, const struct writer *writer)
{
	struct text_rows rows = { .writer = writer };
	struct grid_column columns[GRID_COLUMNS_MAX];
	struct grid grid = { .columns = columns,
			     .rows_count = writer->rows_count,
			     .cell = format_row_cell,
			     .data = &rows };
	bool netns = several_netns(writer);

	for (unsigned int i = 0; i < report_columns_count; i++) {
		const struct report_column *column = &report_columns[i];

		if (!column->title || (column->netns && !netns) ||
		    !report_column_applies(column, writer->report->options.by))
			continue;
		rows.columns[grid.columns_count] = i;
		columns[grid.columns_count++] =
			(struct grid_column){ .title = column->title, .right = column->right };
	}
	out_char(out, '\n');
	grid_write(out, &grid);
}

static bool has_any_port(const struct writer *writer)
{
	if (writer->report->options.by != REPORT_BY_PORT)
		return false;
	for (size_t i = 0; i < writer->rows_count; i++)
		if (!writer->rows[i]->key.port)
			return true;
	return false;
}

void report_put_more(struct out *out, enum report_by by, size_t more)
{
	const char *many = by == REPORT_BY_PROCESS ? "es" : "s";

	if (more)
		out_format(out, "... and %zu more %s%s\n", more, report_by_name(by),
			   more == 1 ? "" : many);
}

static void put_rows_end(struct out *out, const struct writer *writer)
{
	const struct report *report = writer->report;

	report_put_more(out, report->options.by, writer->rows_total - writer->rows_count);
	if (report->has_others) {
		out_format(out, "Only %d have rows; all others: ", REPORT_ROWS_MAX);
		put_counts(out, &report->others);
		out_format(out, ", %llu held at the end.\n", report->others.held_now);
	}
	if (has_any_port(writer))
		out_str(out, "(PORT -: the program had asked for no port in particular)\n");
	out_str(out,
		"(HELD at the end, MOST at once, TW of these in TIME-WAIT; P50, P99 (within 7 %), "
		"LONGEST: how long;\nTW%: of that time in TIME-WAIT; REUSED: from a port's "
		"becoming free "
		"to its next allocation, median)\n");
}

/* ---- for people: the minutes --------------------------------------------------- */

static char *format_minute_cell(void *data, size_t row, size_t column, char *p)
{
	__u64 value = minute_columns[column].get(minute_at(data, row));

	if (minute_columns[column].type == COLUMN_TIME)
		return prose_format_wall(p, "%F %H:%M", value);
	return format_u64(p, value);
}

static void put_minutes(struct out *out, struct writer *writer)
{
	struct grid_column columns[ARRAY_SIZE(minute_columns)];
	const struct minutes *minutes = &writer->report->minutes;
	const struct grid grid = { .columns = columns,
				   .columns_count = ARRAY_SIZE(minute_columns),
				   .rows_count = writer->minutes_count,
				   .cell = format_minute_cell,
				   .data = writer };
	size_t more = minutes->count - writer->minutes_count;

	if (!minutes->count)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(minute_columns); i++)
		columns[i] = (struct grid_column){ .title = minute_columns[i].title,
						   .right = minute_columns[i].type != COLUMN_TIME };
	out_str(out, "\nThe worst minutes:\n");
	grid_write(out, &grid);
	if (more)
		out_format(out, "... and %zu more minute%s\n", more, prose_plural(more));
	if (minutes->has_others)
		out_format(out,
			   "Only %d have rows; all others: %llu refusal%s, %llu allocation%s.\n",
			   MINUTES_MAX, minutes->others.fails, prose_plural(minutes->others.fails),
			   minutes->others.allocs, prose_plural(minutes->others.allocs));
}

int report_write_text(struct out *out, const struct report *report, const struct report_view *view)
{
	struct writer writer;
	int err = writer_begin(&writer, report, view);

	if (err)
		return err;
	put_head(out, report);
	if (writer.rows_count) {
		put_rows(out, &writer);
		put_rows_end(out, &writer);
	}
	put_minutes(out, &writer);
	writer_end(&writer);
	return 0;
}

/* ---- JSON --------------------------------------------------------------------- */

/* An object: what the row is, if that is wanted, and its numbers. */
static void json_row(struct json_writer *json, enum report_by by, const struct report_row *row,
		     bool keys)
{
	bool first = true;

	for (unsigned int i = 0; i < report_columns_count; i++) {
		const struct report_column *column = &report_columns[i];
		union column_value value;
		enum column_state state;
		struct json_key key;

		if (!column->key || (column->bys && !keys) || !report_column_applies(column, by))
			continue;
		json_key_make(&key, first, column->key);
		first = false;
		state = column->get(row, &value);
		json_field(json, &key, column->type, state, &value);
	}
	out_char(json->out, '}');
}

static void json_count(struct json_writer *json, enum report_by by,
		       const struct report_count *count)
{
	const struct report_row row = { .count = *count };

	json_row(json, by, &row, false);
}

static void json_losses(struct json_writer *json, const struct report *report)
{
	json_u64(json, "lost", report->lost_unknown ? PT_UNKNOWN : report->lost);
	out_str(json->out, ",\"losses\":[");
	for (__u32 i = 0; i < report->losses_count; i++) {
		if (i)
			out_char(json->out, ',');
		json_time(json, true, "from", report->losses[i].from);
		json_time(json, false, "to", report->losses[i].to);
		json_u64(json, "count", report->losses[i].count);
		out_char(json->out, '}');
	}
	out_char(json->out, ']');
}

static void json_rows(struct json_writer *json, const struct writer *writer)
{
	const struct report *report = writer->report;

	json_u64(json, "rows_total", writer->rows_total);
	out_str(json->out, ",\"rows\":[");
	for (size_t i = 0; i < writer->rows_count; i++) {
		if (i)
			out_char(json->out, ',');
		json_row(json, report->options.by, writer->rows[i], true);
	}
	out_str(json->out, "],\"others\":");
	if (report->has_others)
		json_count(json, report->options.by, &report->others);
	else
		out_str(json->out, "null");
}

static void json_minute(struct json_writer *json, const struct minute *minute, bool others)
{
	for (size_t i = 0; i < ARRAY_SIZE(minute_columns); i++) {
		const struct minute_column *column = &minute_columns[i];

		json_member(json, !i, column->key, column->type,
			    column->type != COLUMN_TIME || !others,
			    (union column_value){ .u64 = column->get(minute) });
	}
	out_char(json->out, '}');
}

static void json_minutes(struct json_writer *json, const struct writer *writer)
{
	const struct minutes *minutes = &writer->report->minutes;

	json_u64(json, "minutes_total", minutes->count);
	out_str(json->out, ",\"minutes\":[");
	for (size_t i = 0; i < writer->minutes_count; i++) {
		if (i)
			out_char(json->out, ',');
		json_minute(json, minute_at(writer, i), false);
	}
	out_str(json->out, "],\"other_minutes\":");
	if (minutes->has_others)
		json_minute(json, &minutes->others, true);
	else
		out_str(json->out, "null");
}

int report_write_json(struct out *out, const struct report *report, const struct report_view *view)
{
	struct json_writer json = { .out = out };
	struct writer writer;
	int err = writer_begin(&writer, report, view);

	if (err)
		return err;
	json_word(&json, true, "event", "report");
	json_time(&json, false, "since", report->begin);
	json_time(&json, false, "until", report->end);
	json_word(&json, false, "by", report_by_name(report->options.by));
	json_word(&json, false, "sort", report_columns[view->sort].key);
	json_losses(&json, report);
	out_str(out, ",\"all\":");
	json_count(&json, report->options.by, &report->all);
	json_rows(&json, &writer);
	json_minutes(&json, &writer);
	out_char(out, '}');
	out_end_line(out);
	writer_end(&writer);
	return 0;
}

/* ---- CSV ---------------------------------------------------------------------- */

/*
 * Anybody's bytes. Quotes are all they get: to put something before a name that begins
 * with = + - or @, lest a spreadsheet takes it for a formula, would change the name.
 */
static void csv_text(struct out *out, const union column_value *value)
{
	char escaped[COLUMN_VALUE_MAX];
	const char *end = column_format_value(escaped, COLUMN_TEXT, value);

	out_char(out, '"');
	for (const char *p = escaped; p < end; p++) {
		if (*p == '"')
			out_char(out, '"');
		out_char(out, *p);
	}
	out_char(out, '"');
}

static void csv_value(struct out *out, const struct report_column *column,
		      const union column_value *value)
{
	char text[FORMAT_IPV6_MAX], *end;

	_Static_assert(FORMAT_IPV6_MAX >= FORMAT_RFC3339_MAX, "the longest of these");
	switch (column->type) {
	case COLUMN_TEXT:
		csv_text(out, value);
		return;
	case COLUMN_WORD:
		out_str(out, value->text);
		return;
	case COLUMN_BOOL:
		out_str(out, value->boolean ? "true" : "false");
		return;
	case COLUMN_ADDR:
		end = column_format_addr(text, &value->endpoint);
		break;
	case COLUMN_SHARE:
		end = format_share(text, value->u64);
		break;
	case COLUMN_TIME:
		end = format_rfc3339(&(struct format_time){ 0 }, text, value->u64);
		break;
	default:
		end = format_u64(text, value->u64);
		break;
	}
	out_bytes(out, text, (size_t)(end - text));
}

static void csv_row(struct out *out, enum report_by by, const struct report_row *row, bool others)
{
	out_str(out, others ? "others" : report_by_name(by));
	for (unsigned int i = 0; i < report_columns_count; i++) {
		const struct report_column *column = &report_columns[i];
		union column_value value;

		if (!column->key || !report_column_applies(column, by))
			continue;
		out_char(out, ',');
		if (!(column->bys && others) && column->get(row, &value) == COLUMN_KNOWN)
			csv_value(out, column, &value);
	}
	out_end_line(out);
}

int report_write_csv(struct out *out, const struct report *report, const struct report_view *view)
{
	const struct report_row others = { .count = report->others };
	enum report_by by = report->options.by;
	struct writer writer;
	int err = writer_begin(&writer, report, view);

	if (err)
		return err;
	out_str(out, "by");
	for (unsigned int i = 0; i < report_columns_count; i++) {
		const struct report_column *column = &report_columns[i];

		if (!column->key || !report_column_applies(column, by))
			continue;
		out_char(out, ',');
		out_str(out, column->key);
	}
	out_end_line(out);
	for (size_t i = 0; i < writer.rows_count; i++)
		csv_row(out, by, writer.rows[i], false);
	if (report->has_others)
		csv_row(out, by, &others, true);
	writer_end(&writer);
	return 0;
}

// SPDX-License-Identifier: BSD-2-Clause
/* Events as lines for people. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/escape.h"
#include "user/base/format.h"
#include "user/base/out.h"
#include "user/sink/blockers.h"
#include "user/sink/columns.h"
#include "user/sink/memo.h"
#include "user/sink/sink.h"

#define GAP 2 /* spaces between columns */
/* The longest cell: two names with a slash between them. */
#define CELL_MAX (2 * PT_COMM_LEN * ESCAPE_EXPAND + 1)

/* Columns beside each other that are of one thing, whose text is kept; or a single one. */
struct table_run {
	enum column_of of;
	unsigned int first, end; /* of what is shown */
	__u64 columns;		 /* as in struct column_key */
};

struct table_sink {
	struct sink base;
	struct out *out;
	struct sink_context ctx;
	struct format_time clock;
	__u64 realtime_offset; /* of the event */
	bool titled;
	__u32 first_netns; /* 0: none seen */
	unsigned int shown_count, runs_count;
	struct table_column {
		const struct column *column;
		unsigned int width;
		bool right, colored;
	} shown[COLUMNS_MAX];
	struct table_run runs[COLUMNS_MAX];
	struct memo memo; /* what runs look like with these widths */
};

static const char *const colors[PT_EV_TYPES] = {
	[PT_EV_ALLOC] = "\033[32m",	/* green */
	[PT_EV_FAIL] = "\033[1;31m",	/* bold red */
	[PT_EV_TIME_WAIT] = "\033[33m", /* yellow */
	[PT_EV_FREE] = "\033[36m",	/* cyan */
	[PT_EV_LOST] = "\033[1;35m",	/* bold magenta */
};

static char *format_time(struct table_sink *table, char *p, __u64 ts)
{
	if (!table->ctx.relative)
		return format_clock(&table->clock, p, ts + table->realtime_offset);
	return format_seconds(p, ts > table->ctx.start ? ts - table->ctx.start : 0);
}

/* Puts color before the cell and its end behind. */
static char *format_colored(char *cell, char *end, const char *color)
{
	size_t len = strlen(color);

	memmove(cell + len, cell, (size_t)(end - cell));
	memcpy(cell, color, len);
	return stpcpy(end + len, "\033[0m");
}

static char *format_cell(struct table_sink *table, char *p, enum column_type type,
			 const union column_value *value)
{
	switch (type) {
	case COLUMN_OWNER:
		return column_format_owner(p, value->owner);
	case COLUMN_TIME:
		return format_time(table, p, value->u64);
	default:
		return column_format_value(p, type, value);
	}
}

/* Up to 16 are two moves; p has room for as many. */
static char *format_spaces(char *p, size_t count)
{
	static const char spaces[] = "                ";

	if (count < sizeof(spaces))
		memcpy(p, spaces, sizeof(spaces) - 1);
	else
		memset(p, ' ', count);
	return p + count;
}

static void put_titles(struct table_sink *table)
{
	size_t gap = 0;

	for (unsigned int i = 0; i < table->shown_count; i++) {
		const struct table_column *shown = &table->shown[i];

		if (!table->ctx.netns && shown->column->netns)
			continue;
		out_fill(table->out, ' ', gap);
		out_str(table->out, shown->column->title);
		gap = GAP + shown->width - strlen(shown->column->title);
	}
	out_end_line(table->out);
	table->titled = true;
}

/* Up to its most; what is kept has other gaps then. */
static void widen(struct table_sink *table, struct table_column *shown, size_t width)
{
	if (shown->width == shown->column->max_width)
		return;
	shown->width =
		width < shown->column->max_width ? (unsigned int)width : shown->column->max_width;
	memo_clear(&table->memo);
}

/*
 * For a line without what follows its columns: each takes less than 128 bytes with spaces and
 * colours, and what format_spaces() writes in vain; names can take CELL_MAX.
 */
#define ROOM OUT_RESERVE_MAX

_Static_assert(ROOM > 20 * 128 + CELL_MAX, "more than there are columns");

static char *align_right(char *cell, char *end, size_t rest)
{
	memmove(cell + rest, cell, (size_t)(end - cell));
	memset(cell, ' ', rest);
	return end + rest;
}

static char *format_state(char *p, enum column_state state)
{
	*p++ = state == COLUMN_UNKNOWN ? '?' : '-';
	return p;
}

/*
 * Columns are written to p, within ROOM, and what is behind them is returned. They are
 * separated before a cell, not behind it, so that no line ends in spaces: *gap is what the
 * cells so far left to fill.
 */
static char *put_column(struct table_sink *table, char *p, struct table_column *shown,
			const struct pt_event *ev, size_t *gap)
{
	char *cell = format_spaces(p, *gap), *end;
	const struct column *column = shown->column;
	enum column_state state = COLUMN_NONE;
	union column_value value;
	size_t width, rest = 0;

	if (column->events >> ev->type & 1)
		state = column->get(&table->ctx, ev, &value);
	if (state == COLUMN_KNOWN)
		end = format_cell(table, cell, column->type, &value);
	else
		end = format_state(cell, state);
	width = (size_t)(end - cell);
	if (column->type == COLUMN_OWNER)
		width = escape_width(cell, width);
	if (width > shown->width)
		widen(table, shown, width);
	if (width < shown->width)
		rest = shown->width - width;
	if (rest && shown->right) {
		end = align_right(cell, end, rest);
		rest = 0;
	}
	*gap = GAP + rest;
	return shown->colored ? format_colored(cell, end, colors[ev->type]) : end;
}

static char *put_new_run(struct table_sink *table, char *p, const struct table_run *run,
			 const struct column_key *key, const struct pt_event *ev, size_t *gap)
{
	const char *begin = p;

	for (unsigned int i = run->first; i < run->end; i++)
		p = put_column(table, p, &table->shown[i], ev, gap);
	memo_keep(&table->memo, key, begin, (size_t)(p - begin), (__u16)*gap);
	return p;
}

/* Several columns at once. The note of a kept text is the gap behind it. */
static char *put_run(struct table_sink *table, char *p, const struct table_run *run,
		     const struct pt_event *ev, size_t *gap)
{
	const struct memo_text *text;
	struct column_key key;

	column_key_make(&key, run->columns, run->of, ev);
	text = memo_find(&table->memo, &key);
	p = format_spaces(p, *gap);
	*gap = text ? text->note : 0;
	if (!text)
		return put_new_run(table, p, run, &key, ev, gap);
	memcpy(p, text->bytes, text->len);
	return p + text->len;
}

static void put_time(struct table_sink *table, __u64 ts)
{
	char *p = out_reserve(table->out, FORMAT_SECONDS_MAX);

	out_commit(table->out, format_time(table, p, ts));
}

_Static_assert(FORMAT_SECONDS_MAX >= FORMAT_CLOCK_MAX, "room for either time");

static void put_lost(struct table_sink *table, const struct pt_event *ev, size_t gap)
{
	struct out *out = table->out;

	out_fill(out, ' ', gap);
	out_u64(out, ev->lost_count);
	out_str(out, ev->lost_count == 1 ? " record lost " : " records lost ");
	if (ev->lost_from && ev->lost_from != PT_UNKNOWN) {
		out_str(out, "between ");
		put_time(table, ev->lost_from);
		out_str(out, " and ");
	} else {
		out_str(out, "before ");
	}
	put_time(table, ev->lost_to);
	out_str(out, ": holders and reuse are unknown since");
}

/* What the first event and the first of a second namespace change. */
static void table_prepare(struct table_sink *table, const struct pt_event *ev)
{
	if (!table->ctx.start)
		table->ctx.start = ev->ts;
	if (ev->type != PT_EV_LOST && !table->ctx.netns) {
		if (!table->first_netns)
			table->first_netns = ev->space.netns;
		if (ev->space.netns && ev->space.netns != table->first_netns) {
			table->ctx.netns = true;
			table->titled = false;
		}
	}
	if (!table->titled)
		put_titles(table);
}

static char *put_columns(struct table_sink *table, char *p, const struct pt_event *ev, size_t *gap)
{
	const struct table_run *end = table->runs + table->runs_count;

	for (const struct table_run *run = table->runs; run != end; run++) {
		struct table_column *first = &table->shown[run->first];

		if (run->end - run->first > 1)
			p = put_run(table, p, run, ev, gap);
		else if (table->ctx.netns || !first->column->netns)
			p = put_column(table, p, first, ev, gap);
	}
	return p;
}

/* A loss has a sentence instead of most columns. */
static char *put_lost_columns(struct table_sink *table, char *p, const struct pt_event *ev,
			      size_t *gap)
{
	for (unsigned int i = 0; i < table->shown_count; i++)
		if (table->shown[i].column->events >> PT_EV_LOST & 1)
			p = put_column(table, p, &table->shown[i], ev, gap);
	return p;
}

static int table_event(struct sink *sink, const struct pt_event *ev)
{
	struct table_sink *table = (struct table_sink *)sink;
	struct out *out = table->out;
	size_t gap = 0;
	char *p;

	table->realtime_offset = ev->realtime_offset;
	table_prepare(table, ev);
	p = out_reserve(out, ROOM);
	if (ev->type == PT_EV_LOST) {
		out_commit(out, put_lost_columns(table, p, ev, &gap));
		put_lost(table, ev, gap);
		return out_end_line(out);
	}
	out_commit(out, put_columns(table, p, ev, &gap));
	if (ev->type == PT_EV_FAIL && ev->blockers_count) {
		out_fill(out, ' ', gap);
		blockers_text(out, ev);
	}
	return out_end_line(out);
}

/* The titles also show while nothing happens. */
static int table_flush(struct sink *sink)
{
	struct table_sink *table = (struct table_sink *)sink;

	if (!table->titled)
		put_titles(table);
	return out_flush(table->out);
}

static int table_end(struct sink *sink)
{
	int err = table_flush(sink);

	free(sink);
	return err;
}

/* Whether it has a value in every event but lost, whatever its kind. */
static bool is_steady(const struct column *column)
{
	const unsigned int port = (1U << PT_EV_TYPES) - 1 - (1U << PT_EV_LOST);

	return !column->netns && (column->events & port) == port;
}

static void add_column(struct table_sink *table, unsigned int place)
{
	const struct column *column = &columns[place];
	struct table_run *run = &table->runs[table->runs_count];
	enum column_of of = is_steady(column) ? column->of : COLUMN_OF_EVENT;

	if (table->runs_count && of != COLUMN_OF_EVENT && run[-1].of == of) {
		run--;
	} else {
		table->runs_count++;
		*run = (struct table_run){ .of = of, .first = table->shown_count };
	}
	table->shown[table->shown_count++] = (struct table_column){
		.column = column,
		.width = column->width,
		.right = column->right || (column->type == COLUMN_TIME && table->ctx.relative),
		.colored = column->accent && table->ctx.color,
	};
	run->end = table->shown_count;
	run->columns |= 1ULL << place;
}

int sink_table_new(struct out *out, const struct sink_context *ctx, struct sink **sink)
{
	static const struct sink_ops ops = { table_event, table_flush, table_end };
	struct table_sink *table = calloc(1, sizeof(*table));

	if (!table)
		return -ENOMEM;
	table->base.ops = &ops;
	table->out = out;
	table->ctx = *ctx;
	for (unsigned int i = 0; i < columns_count; i++)
		if (columns[i].title)
			add_column(table, i);
	*sink = &table->base;
	return 0;
}

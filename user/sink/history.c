// SPDX-License-Identifier: BSD-2-Clause
#include "user/sink/history.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/escape.h"
#include "user/sink/blockers.h"
#include "user/sink/column_put.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define GAP 2 /* spaces between columns */
/* The longest cell: two names with a slash between them. */
#define CELL_MAX (2 * PT_COMM_LEN * ESCAPE_EXPAND + 1)

/* ---- what is shown --------------------------------------------------------- */

#define HOLD (1U << HISTORY_HOLD)
#define FAIL (1U << HISTORY_FAIL)
#define LOST (1U << HISTORY_LOST)
#define GONE (1U << HISTORY_GAP)
#define PORT (HOLD | FAIL)
#define EVERY (PORT | LOST | GONE)

/* Times are CLOCK_REALTIME. */
struct history_column {
	const char *key;    /* JSON; NULL: not in JSON */
	const char *title;  /* table; NULL: not in the table */
	unsigned int kinds; /* bit 1 << enum history_kind: where it applies */
	/* Table: characters. A column widens up to max_width, once it has to. */
	unsigned int width;
	unsigned int max_width;
	bool right; /* its values, not its title */
	bool netns; /* only when more than one network namespace is shown */
	enum column_type type;
	/* *value is set if it returns COLUMN_KNOWN. NULL: columns[] has it, by key or title. */
	enum column_state (*get)(const struct history_row *row, union column_value *value);
};

#define GETTER(name)                                                                               \
	static enum column_state name(const struct history_row *row, union column_value *v)

GETTER(get_ts)
{
	return put_known(v, row->ts);
}

GETTER(get_event)
{
	static const char *const words[HISTORY_KINDS] = {
		[HISTORY_HOLD] = "hold",
		[HISTORY_FAIL] = "fail",
		[HISTORY_LOST] = "lost",
		[HISTORY_GAP] = "gap",
	};

	return put_text(v, words[row->kind]);
}

GETTER(get_begin)
{
	return put_known(v, row->begin);
}

GETTER(get_ended)
{
	return row->still_held ? COLUMN_NONE : put_known(v, row->ended);
}

GETTER(get_still_held)
{
	return put_bool(v, row->still_held);
}

GETTER(get_how)
{
	return put_text(v, pt_via_name(row->ev.via));
}

/* Open still, or until when? */
GETTER(get_open)
{
	return row->still_held && !row->time_wait ? COLUMN_NONE : put_known(v, row->ev.open_ns);
}

GETTER(get_time_wait)
{
	if (!row->time_wait && row->ev.end != PT_END_UNKNOWN)
		return COLUMN_NONE;
	return put_known(v, row->tw_ns);
}

GETTER(get_held)
{
	return put_known(v, row->ev.held_ns);
}

GETTER(get_end)
{
	return row->still_held ? COLUMN_NONE : put_text(v, pt_end_name(row->ev.end));
}

/* How it ended, in a word: a refusal by its error. */
GETTER(get_outcome)
{
	if (row->kind == HISTORY_FAIL)
		return column_of_key("errno")->get(NULL, &row->ev, v);
	return row->still_held ? put_text(v, "still held") : get_end(row, v);
}

GETTER(get_lost_count)
{
	return put_known(v, row->ev.lost_count);
}

GETTER(get_why)
{
	return put_text(v, row->why);
}

/* Further members may follow. */
#define JSON(key_, type_, kinds_, get_)                                                            \
	{                                                                                          \
		.key = key_, .type = type_, .kinds = kinds_, .get = get_                           \
	}
#define TABLE(title_, width_, max_width_, type_, kinds_, ...)                                      \
	BOTH(NULL, title_, width_, max_width_, type_, kinds_, __VA_ARGS__)
#define BOTH(key_, title_, width_, max_width_, type_, kinds_, ...)                                 \
	{                                                                                          \
		.key = key_, .title = title_, .width = width_, .max_width = max_width_,            \
		.type = type_, .kinds = kinds_, .get = __VA_ARGS__                                 \
	}
/* As columns[] has them. */
#define EVENT_JSON(key_, kinds_)                                                                   \
	{                                                                                          \
		.key = key_, .kinds = kinds_                                                       \
	}
#define EVENT_TABLE(title_, width_, max_width_, ...)                                               \
	{                                                                                          \
		.title = title_, .width = width_, .max_width = max_width_, .kinds = PORT,          \
		__VA_ARGS__                                                                        \
	}

/* In the order of both outputs. Behind the table's columns there is BEFORE, of any length. */
static const struct history_column history_columns[] = {
	JSON("ts", COLUMN_TIME, EVERY, get_ts),
	JSON("event", COLUMN_WORD, EVERY, get_event),
	JSON("begin", COLUMN_TIME, HOLD, get_begin),
	TABLE("BEGIN", FORMAT_CLOCK_MAX, FORMAT_DATETIME_MAX, COLUMN_TIME, EVERY, get_begin),
	JSON("ended", COLUMN_TIME, HOLD, get_ended),
	TABLE("UNTIL", FORMAT_CLOCK_MAX, FORMAT_DATETIME_MAX, COLUMN_TIME, HOLD, get_ended),
	JSON("still_held", COLUMN_BOOL, HOLD, get_still_held),
	EVENT_JSON("proto", PORT),
	EVENT_JSON("family", PORT),
	EVENT_TABLE("PROTO", 5, 5),
	EVENT_JSON("port", PORT),
	EVENT_JSON("laddr", PORT),
	EVENT_TABLE("LOCAL", 15, 21),
	EVENT_JSON("raddr", PORT),
	EVENT_JSON("rport", PORT),
	EVENT_TABLE("REMOTE", 13, 21),
	EVENT_JSON("pid", PORT),
	EVENT_TABLE("PID", 4, 7, .right = true),
	EVENT_JSON("tid", PORT),
	EVENT_JSON("comm", PORT),
	EVENT_JSON("thread", PORT),
	EVENT_TABLE("COMM", 7, 15),
	EVENT_JSON("kernel", PORT),
	EVENT_JSON("uid", PORT),
	EVENT_JSON("cgroup", PORT),
	EVENT_JSON("netns", PORT),
	EVENT_JSON("netns_cookie", PORT),
	EVENT_JSON("cookie", PORT),
	EVENT_JSON("vrf", PORT),
	EVENT_JSON("via", PORT),
	EVENT_JSON("ephemeral", HOLD),
	EVENT_JSON("search_ns", PORT),
	EVENT_JSON("reuse", HOLD),
	EVENT_JSON("reuse_ns", HOLD),
	EVENT_JSON("prev_pid", HOLD),
	EVENT_JSON("prev_comm", HOLD),
	EVENT_JSON("errno", FAIL),
	EVENT_JSON("blockers", FAIL),
	EVENT_JSON("blockers_total", FAIL),
	TABLE("HOW", 8, 8, COLUMN_WORD, PORT, get_how),
	BOTH("open_ns", "OPEN", 6, 6, COLUMN_DURATION, HOLD, get_open),
	BOTH("tw_ns", "TIME_WAIT", 9, 9, COLUMN_DURATION, HOLD, get_time_wait),
	BOTH("held_ns", "HELD", 6, 6, COLUMN_DURATION, HOLD, get_held),
	JSON("end", COLUMN_WORD, HOLD, get_end),
	TABLE("END", 10, 13, COLUMN_WORD, PORT, get_outcome),
	EVENT_TABLE("NETNS", 10, 10, .netns = true),
	JSON("count", COLUMN_U64, LOST, get_lost_count),
	JSON("from", COLUMN_TIME, LOST | GONE, get_begin),
	JSON("to", COLUMN_TIME, LOST | GONE, get_ended),
	JSON("why", COLUMN_TEXT, GONE, get_why),
};

/* A row of the table above with what columns[] says. */
struct field {
	const struct history_column *column;
	const struct column *event; /* NULL: none */
	enum column_type type;
	struct json_key key;
	unsigned int width;
};

struct history_sink {
	struct out *out;
	struct sink_context ctx;
	bool json;
	bool dates;
	bool titled;
	__u32 first_netns; /* 0: none seen */
	struct format_time clock;
	struct json_writer writer;
	unsigned int count;
	struct field fields[ARRAY_SIZE(history_columns)];
};

static enum column_state get(const struct history_sink *sink, const struct field *field,
			     const struct history_row *row, union column_value *value)
{
	if (field->event)
		return field->event->get(&sink->ctx, &row->ev, value);
	return field->column->get(row, value);
}

/* ---- the table ------------------------------------------------------------- */

static char *format_time(struct history_sink *sink, char *p, __u64 time)
{
	return sink->dates ? format_datetime(&sink->clock, p, time)
			   : format_clock(&sink->clock, p, time);
}

static char *format_value(struct history_sink *sink, char *p, enum column_type type,
			  const union column_value *value)
{
	switch (type) {
	case COLUMN_TIME:
		return format_time(sink, p, value->u64);
	case COLUMN_OWNER:
		return column_format_owner(p, value->owner);
	default:
		return column_format_value(p, type, value);
	}
}

/* Up to CELL_MAX bytes; *width is how many characters they are. */
static char *format_cell(struct history_sink *sink, const struct field *field,
			 const struct history_row *row, char *cell, size_t *width)
{
	enum column_state state = COLUMN_NONE;
	union column_value value;
	char *end = cell;

	if (field->column->kinds >> row->kind & 1)
		state = get(sink, field, row, &value);
	if (state == COLUMN_KNOWN)
		end = format_value(sink, cell, field->type, &value);
	else
		*end++ = state == COLUMN_UNKNOWN ? '?' : '-';
	*width = (size_t)(end - cell);
	if (field->type == COLUMN_OWNER)
		*width = escape_width(cell, *width);
	return end;
}

/* NULL: none. */
static const char *color_of(const struct history_sink *sink, const struct history_row *row)
{
	if (!sink->ctx.color)
		return NULL;
	if (row->kind == HISTORY_FAIL)
		return "\033[1;31m"; /* bold red */
	if (row->kind != HISTORY_HOLD)
		return "\033[1;35m";		    /* bold magenta */
	return row->still_held ? "\033[32m" : NULL; /* green */
}

static void put_colored(struct out *out, const char *text, size_t len, const char *color)
{
	if (color)
		out_str(out, color);
	out_bytes(out, text, len);
	if (color)
		out_str(out, "\033[0m");
}

/* Spaces before, not behind a cell: no line ends in them. *gap is what is due. */
static void put_cell(struct history_sink *sink, struct field *field, const struct history_row *row,
		     size_t *gap)
{
	const struct history_column *column = field->column;
	const char *color = column->get == get_outcome ? color_of(sink, row) : NULL;
	char cell[CELL_MAX];
	size_t width, rest = 0;
	char *end = format_cell(sink, field, row, cell, &width);

	if (width > field->width)
		field->width = width < column->max_width ? (unsigned int)width : column->max_width;
	if (width < field->width)
		rest = field->width - width;
	out_fill(sink->out, ' ', *gap + (column->right ? rest : 0));
	put_colored(sink->out, cell, (size_t)(end - cell), color);
	*gap = GAP + (column->right ? 0 : rest);
}

static bool is_shown(const struct history_sink *sink, const struct field *field)
{
	return sink->ctx.netns || !field->column->netns;
}

static void put_titles(struct history_sink *sink)
{
	for (unsigned int i = 0; i < sink->count; i++) {
		const struct field *field = &sink->fields[i];

		if (!is_shown(sink, field))
			continue;
		out_str(sink->out, field->column->title);
		out_fill(sink->out, ' ', GAP + field->width - strlen(field->column->title));
	}
	out_str(sink->out, "BEFORE");
	out_end_line(sink->out);
	sink->titled = true;
}

static char *format_previous(char *p, const struct pt_event *ev)
{
	if (!ev->prev_known)
		return stpcpy(p, "?");
	p = format_u64(p, ev->prev_pid);
	*p++ = ' ';
	return column_format_name(p, ev->prev_comm);
}

/* What was before a hold: "3.84s after 4242 curl". */
static void put_before(struct out *out, const struct history_row *row)
{
	char *p = out_reserve(out, CELL_MAX + FORMAT_DURATION_MAX + FORMAT_U64_MAX + 16);
	const struct pt_event *ev = &row->ev;

	/* What was before something of which the beginning was not seen? */
	switch (row->begin == PT_UNKNOWN ? PT_REUSE_UNKNOWN : ev->reuse) {
	case PT_REUSE_CLEAN:
		p = ev->reuse_ns == PT_UNKNOWN ? stpcpy(p, "?") : format_duration(p, ev->reuse_ns);
		p = format_previous(stpcpy(p, " after "), ev);
		break;
	case PT_REUSE_TIME_WAIT:
		p = format_previous(stpcpy(p, "TIME-WAIT of "), ev);
		break;
	case PT_REUSE_SHARED:
	case PT_REUSE_FIRST:
		p = stpcpy(p, pt_reuse_name(ev->reuse));
		break;
	default:
		*p++ = '?';
	}
	out_commit(out, p);
}

static void put_in_the_way(struct out *out, const struct pt_event *ev)
{
	if (ev->blockers_count)
		blockers_text(out, ev);
	else
		out_char(out, ev->blockers_total == PT_UNKNOWN ? '?' : '-');
}

static char *format_until(struct history_sink *sink, char *p, const struct history_row *row)
{
	p = stpcpy(p, " until ");
	p = format_time(sink, p, row->ended);
	return stpcpy(p, ": ");
}

/* What is not known, in a sentence instead of the other columns. */
static void put_sentence(struct history_sink *sink, const struct history_row *row)
{
	size_t len = row->why ? strlen(row->why) : 0;
	char *text = out_reserve(sink->out, 128 + len * ESCAPE_EXPAND), *p = text;

	if (!text)
		return;
	if (row->kind == HISTORY_GAP) {
		p = format_until(sink, stpcpy(p, "nothing recorded"), row);
		p += escape_terminal(p, row->why, len);
	} else {
		p = format_u64(p, row->ev.lost_count);
		p = stpcpy(p, row->ev.lost_count == 1 ? " record lost" : " records lost");
		p = stpcpy(format_until(sink, p, row), "what happened meanwhile is not known");
	}
	out_commit(sink->out, p);
}

/* The first row, and the first of a second namespace. */
static void prepare(struct history_sink *sink, const struct history_row *row)
{
	__u32 netns =
		row->kind == HISTORY_HOLD || row->kind == HISTORY_FAIL ? row->ev.space.netns : 0;

	if (!sink->first_netns)
		sink->first_netns = netns;
	if (netns && netns != sink->first_netns && !sink->ctx.netns) {
		sink->ctx.netns = true;
		sink->titled = false;
	}
	if (!sink->titled)
		put_titles(sink);
}

static int table_row(struct history_sink *sink, const struct history_row *row)
{
	bool is_sentence = row->kind == HISTORY_LOST || row->kind == HISTORY_GAP;
	const char *color = is_sentence ? color_of(sink, row) : NULL;
	size_t gap = 0;

	prepare(sink, row);
	for (unsigned int i = 0; i < sink->count; i++) {
		struct field *field = &sink->fields[i];

		if (is_shown(sink, field) && (!is_sentence || field->column->kinds == EVERY))
			put_cell(sink, field, row, &gap);
	}
	out_fill(sink->out, ' ', gap);
	if (color)
		out_str(sink->out, color);
	if (is_sentence)
		put_sentence(sink, row);
	else if (row->kind == HISTORY_FAIL)
		put_in_the_way(sink->out, &row->ev);
	else
		put_before(sink->out, row);
	if (color)
		out_str(sink->out, "\033[0m");
	return out_end_line(sink->out);
}

/* ---- JSON ------------------------------------------------------------------ */

static int json_row(struct history_sink *sink, const struct history_row *row)
{
	for (unsigned int i = 0; i < sink->count; i++) {
		const struct field *field = &sink->fields[i];
		enum column_state state;
		union column_value value;

		if (!(field->column->kinds >> row->kind & 1))
			continue;
		state = get(sink, field, row, &value);
		if (field->type == COLUMN_BLOCKERS && state == COLUMN_KNOWN)
			blockers_json(&sink->writer, &field->key, value.event);
		else
			json_field(&sink->writer, &field->key, field->type, state, &value);
	}
	out_char(sink->out, '}');
	return out_end_line(sink->out);
}

/* ---- both ------------------------------------------------------------------ */

int history_sink_row(void *data, const struct history_row *row)
{
	struct history_sink *sink = data;

	return sink->json ? json_row(sink, row) : table_row(sink, row);
}

static void add_field(struct history_sink *sink, const struct history_column *column)
{
	struct field *field = &sink->fields[sink->count];

	field->column = column;
	if (!column->get)
		field->event =
			sink->json ? column_of_key(column->key) : column_of_title(column->title);
	field->type = field->event ? field->event->type : column->type;
	field->width = column->width;
	if (field->type == COLUMN_TIME && sink->dates)
		field->width = column->max_width;
	if (sink->json)
		json_key_make(&field->key, !sink->count, column->key);
	sink->count++;
}

static int sink_new(const struct history_sink *wanted, struct history_sink **out)
{
	struct history_sink *sink = malloc(sizeof(*sink));

	if (!sink)
		return -ENOMEM;
	*sink = *wanted;
	sink->writer.out = sink->out;
	for (size_t i = 0; i < ARRAY_SIZE(history_columns); i++)
		if (sink->json ? history_columns[i].key : history_columns[i].title)
			add_field(sink, &history_columns[i]);
	*out = sink;
	return 0;
}

int history_table_new(struct out *out, const struct sink_context *ctx, bool dates,
		      struct history_sink **sink)
{
	return sink_new(&(struct history_sink){ .out = out, .ctx = *ctx, .dates = dates }, sink);
}

int history_json_new(struct out *out, const struct sink_context *ctx, struct history_sink **sink)
{
	return sink_new(&(struct history_sink){ .out = out, .ctx = *ctx, .json = true }, sink);
}

void history_sink_free(struct history_sink *sink)
{
	free(sink);
}

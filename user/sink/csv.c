// SPDX-License-Identifier: BSD-2-Clause
/*
 * Events as CSV (RFC 4180, but a line ends in LF): the fields of JSON in its order,
 * a column each on every line. docs/export.md says what users find in them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/escape.h"
#include "user/base/out.h"
#include "user/sink/columns.h"
#include "user/sink/sink.h"

/* The longest of the bounded values. */
#define VALUE_MAX FORMAT_IPV6_MAX

_Static_assert(FORMAT_IPV6_MAX >= FORMAT_RFC3339_MAX && FORMAT_IPV6_MAX >= FORMAT_U64_MAX,
	       "the longest of the bounded values");

struct csv_sink {
	struct sink base;
	struct out *out;
	struct sink_context ctx;
	struct format_time time;
	__u64 realtime_offset; /* of the event */
};

/*
 * Spreadsheets take a cell for a formula by its first character: that one, as
 * escape_terminal() would write it if it must not be shown. NULL: it is none.
 */
static const char *escape_formula(char c)
{
	switch (c) {
	case '=':
		return "\\x3d";
	case '+':
		return "\\x2b";
	case '-':
		return "\\x2d";
	case '@':
		return "\\x40";
	default:
		return NULL;
	}
}

/* Spaces at the ends get lost on the way where they are not quoted. */
static bool needs_quotes(const char *text, size_t len)
{
	return !len || memchr(text, ',', len) || memchr(text, '"', len) || text[0] == ' ' ||
	       text[len - 1] == ' ';
}

/* In place, which has room for it; returns the new end. */
static char *quote(char *begin, char *end)
{
	char *p, *from = end, *to = end + 2;

	for (p = begin; p != end; p++)
		to += *p == '"';
	p = to;
	*--p = '"';
	while (from != begin) {
		*--p = *--from;
		if (*p == '"')
			*--p = '"';
	}
	*--p = '"';
	return to;
}

/* What is known and empty is "", what is not known is nothing. */
static void put_text(struct out *out, const char *text)
{
	const char *formula = escape_formula(*text);
	size_t len = strlen(text);
	char *begin = out_reserve(out, len * ESCAPE_EXPAND + 2), *end = begin;

	if (!begin)
		return;
	if (formula) {
		end = stpcpy(end, formula);
		text++;
		len--;
	}
	end += escape_terminal(end, text, len);
	if (needs_quotes(begin, (size_t)(end - begin)))
		end = quote(begin, end);
	out_commit(out, end);
}

static void put_value(struct csv_sink *csv, enum column_type type, const union column_value *value)
{
	char *p;

	if (type == COLUMN_TEXT) {
		put_text(csv->out, value->text);
		return;
	}
	if (type == COLUMN_WORD) {
		out_str(csv->out, value->text);
		return;
	}
	p = out_reserve(csv->out, VALUE_MAX);
	switch (type) {
	case COLUMN_U64:
	case COLUMN_ID:
	case COLUMN_DURATION:
		p = format_u64(p, value->u64);
		break;
	case COLUMN_BOOL:
		p = stpcpy(p, value->boolean ? "true" : "false");
		break;
	case COLUMN_ADDR:
		p = column_format_addr(p, &value->endpoint);
		break;
	case COLUMN_TIME:
		p = format_rfc3339(&csv->time, p, value->u64 + csv->realtime_offset);
		break;
	default:
		break; /* the table's; blockers have columns of their own */
	}
	out_commit(csv->out, p);
}

/* How many are told, and the columns of the first. ev: NULL if it does not tell of any. */
static void put_blockers(struct csv_sink *csv, const struct pt_event *ev)
{
	if (ev)
		out_u64(csv->out, ev->blockers_count);
	for (unsigned int i = 0; i < blocker_columns_count; i++) {
		union column_value value;

		out_char(csv->out, ',');
		if (ev && ev->blockers_count &&
		    blocker_columns[i].get(&ev->blockers[0], &value) == COLUMN_KNOWN)
			put_value(csv, blocker_columns[i].type, &value);
	}
}

static int csv_event(struct sink *sink, const struct pt_event *ev)
{
	struct csv_sink *csv = (struct csv_sink *)sink;

	csv->realtime_offset = ev->realtime_offset;
	for (unsigned int i = 0; i < columns_count; i++) {
		const struct column *column = &columns[i];
		union column_value value;
		bool known;

		if (!column->key)
			continue;
		if (i)
			out_char(csv->out, ',');
		known = column->events >> ev->type & 1 &&
			column->get(&csv->ctx, ev, &value) == COLUMN_KNOWN;
		if (column->type == COLUMN_BLOCKERS)
			put_blockers(csv, known ? ev : NULL);
		else if (known)
			put_value(csv, column->type, &value);
	}
	return out_end_line(csv->out);
}

static void put_header(struct out *out)
{
	for (unsigned int i = 0; i < columns_count; i++) {
		if (!columns[i].key)
			continue;
		if (i)
			out_char(out, ',');
		out_str(out, columns[i].key);
		if (columns[i].type != COLUMN_BLOCKERS)
			continue;
		for (unsigned int j = 0; j < blocker_columns_count; j++) {
			out_str(out, ",blocker_");
			out_str(out, blocker_columns[j].key);
		}
	}
	out_end_line(out);
}

static int csv_flush(struct sink *sink)
{
	return out_flush(((struct csv_sink *)sink)->out);
}

static int csv_end(struct sink *sink)
{
	int err = csv_flush(sink);

	free(sink);
	return err;
}

int sink_csv_new(struct out *out, const struct sink_context *ctx, struct sink **sink)
{
	static const struct sink_ops ops = { csv_event, csv_flush, csv_end };
	struct csv_sink *csv = calloc(1, sizeof(*csv));

	if (!csv)
		return -ENOMEM;
	csv->base.ops = &ops;
	csv->out = out;
	csv->ctx = *ctx;
	put_header(out);
	*sink = &csv->base;
	return 0;
}

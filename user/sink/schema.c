// SPDX-License-Identifier: BSD-2-Clause
#include "user/sink/schema.h"

#include <sqlite3.h>
#include <stddef.h>
#include <string.h>

#include "user/sink/spans.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* The table holds: columns of columns[] by their keys, or times of struct span. */
static const struct hold_column {
	const char *name;
	const char *key;
	size_t time; /* offset of the member, if key is NULL */
} hold_columns[] = {
	{ "netns", "netns", 0 },
	{ "netns_cookie", "netns_cookie", 0 },
	{ "proto", "proto", 0 },
	{ "family", "family", 0 },
	{ "vrf", "vrf", 0 },
	{ "port", "port", 0 },
	{ "laddr", "laddr", 0 },
	{ "raddr", "raddr", 0 },
	{ "rport", "rport", 0 },
	{ "pid", "pid", 0 },
	{ "tid", "tid", 0 },
	{ "comm", "comm", 0 },
	{ "thread", "thread", 0 },
	{ "kernel", "kernel", 0 },
	{ "uid", "uid", 0 },
	{ "cgroup", "cgroup", 0 },
	{ "cookie", "cookie", 0 },
	{ "via", "via", 0 },
	{ "ephemeral", "ephemeral", 0 },
	{ "begin", NULL, offsetof(struct span, begin) },
	{ "closed", NULL, offsetof(struct span, closed) },
	{ "end", NULL, offsetof(struct span, end) },
	{ "end_reason", "end", 0 },
	{ "open_ns", "open_ns", 0 },
	{ "held_ns", "held_ns", 0 },
	{ "search_ns", "search_ns", 0 },
	{ "reuse", "reuse", 0 },
	{ "reuse_ns", "reuse_ns", 0 },
	{ "prev_pid", "prev_pid", 0 },
	{ "prev_comm", "prev_comm", 0 },
};

_Static_assert(ARRAY_SIZE(hold_columns) <= COLUMNS_MAX, "COLUMNS_MAX fields");

const char schema_indexes[] = "CREATE INDEX events_port ON events(port, ts);"
			      "CREATE INDEX events_ts ON events(ts);"
			      "CREATE INDEX events_fail ON events(ts) WHERE event = 'fail';"
			      "CREATE INDEX events_lost ON events(ts) WHERE event = 'lost';"
			      "CREATE INDEX holds_port ON holds(port, begin);"
			      "CREATE INDEX holds_pid ON holds(pid);"
			      "CREATE INDEX holds_remote ON holds(raddr, rport);";

static const struct column *column_of(const struct hold_column *hold)
{
	for (unsigned int i = 0; hold->key && i < columns_count; i++)
		if (columns[i].key && !strcmp(columns[i].key, hold->key))
			return &columns[i];
	return NULL;
}

/* ---- tables --------------------------------------------------------------------- */

static const char *sql_type(enum column_type type)
{
	switch (type) {
	case COLUMN_U64:
	case COLUMN_DURATION:
	case COLUMN_TIME:
	case COLUMN_BOOL:
		return "INTEGER";
	default:
		return "TEXT";
	}
}

/* name is a column: its definition, and what the view with readable times has of it. */
static void define(sqlite3_str *table, sqlite3_str *view, const char *name, enum column_type type)
{
	const char *comma = sqlite3_str_length(view) ? ", " : "";

	sqlite3_str_appendf(table, "%s\"%w\" %s", comma, name, sql_type(type));
	if (type == COLUMN_TIME)
		sqlite3_str_appendf(view,
				    "%sstrftime('%%Y-%%m-%%dT%%H:%%M:%%S', \"%w\" / 1000000000, "
				    "'unixepoch') || printf('.%%09dZ', \"%w\" %% 1000000000) "
				    "AS \"%w\"",
				    comma, name, name, name);
	else
		sqlite3_str_appendf(view, "%s\"%w\"", comma, name);
}

/* The table name, and the view name_utc, of what define() made of its columns. */
static void create(sqlite3_str *sql, const char *name, sqlite3_str *table, sqlite3_str *view)
{
	char *columns = sqlite3_str_finish(table), *shown = sqlite3_str_finish(view);

	sqlite3_str_appendf(sql, "CREATE TABLE %s(%s);CREATE VIEW %s_utc AS SELECT %s FROM %s;",
			    name, columns, name, shown, name);
	sqlite3_free(columns);
	sqlite3_free(shown);
}

static void create_events(sqlite3_str *sql)
{
	sqlite3_str *table = sqlite3_str_new(NULL), *view = sqlite3_str_new(NULL);

	for (unsigned int i = 0; i < columns_count; i++)
		if (columns[i].key)
			define(table, view, columns[i].key, columns[i].type);
	create(sql, "events", table, view);
}

static void create_holds(sqlite3_str *sql)
{
	sqlite3_str *table = sqlite3_str_new(NULL), *view = sqlite3_str_new(NULL);

	for (unsigned int i = 0; i < ARRAY_SIZE(hold_columns); i++) {
		const struct column *column = column_of(&hold_columns[i]);

		define(table, view, hold_columns[i].name, column ? column->type : COLUMN_TIME);
	}
	create(sql, "holds", table, view);
}

char *schema_tables(void)
{
	sqlite3_str *sql = sqlite3_str_new(NULL);

	create_events(sql);
	create_holds(sql);
	sqlite3_str_appendall(sql, "CREATE VIEW losses AS SELECT \"count\", \"from\", \"to\""
				   " FROM events WHERE event = 'lost';"
				   "CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT);");
	return sqlite3_str_finish(sql);
}

/* ---- rows ----------------------------------------------------------------------- */

static void add_field(sqlite3_str *sql, struct schema_row *row, const char *name,
		      struct schema_field field)
{
	sqlite3_str_appendf(sql, row->count ? ",\"%w\"" : "\"%w\"", name);
	row->fields[row->count++] = field;
}

/* What follows the names. */
static char *finish_insert(sqlite3_str *sql, const struct schema_row *row)
{
	sqlite3_str_appendall(sql, ") VALUES(?");
	for (unsigned int i = 1; i < row->count; i++)
		sqlite3_str_appendall(sql, ",?");
	sqlite3_str_appendall(sql, ")");
	return sqlite3_str_finish(sql);
}

char *schema_insert_event(enum pt_event_type type, struct schema_row *row)
{
	sqlite3_str *sql = sqlite3_str_new(NULL);

	sqlite3_str_appendall(sql, "INSERT INTO events(");
	row->count = 0;
	for (unsigned int i = 0; i < columns_count; i++)
		if (columns[i].key && columns[i].events >> type & 1)
			add_field(sql, row, columns[i].key,
				  (struct schema_field){ &columns[i], 0 });
	return finish_insert(sql, row);
}

char *schema_insert_hold(struct schema_row *row)
{
	sqlite3_str *sql = sqlite3_str_new(NULL);

	sqlite3_str_appendall(sql, "INSERT INTO holds(");
	row->count = 0;
	for (unsigned int i = 0; i < ARRAY_SIZE(hold_columns); i++)
		add_field(
			sql, row, hold_columns[i].name,
			(struct schema_field){ column_of(&hold_columns[i]), hold_columns[i].time });
	return finish_insert(sql, row);
}

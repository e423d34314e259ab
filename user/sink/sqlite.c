// SPDX-License-Identifier: BSD-2-Clause
#include "user/sink/sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/base/escape.h"
#include "user/base/new_file.h"
#include "user/sink/blockers.h"
#include "user/sink/columns.h"
#include "user/sink/json_field.h"
#include "user/sink/schema.h"
#include "user/sink/spans.h"

#define STRING(macro) STRING_OF(macro)
#define STRING_OF(text) #text

/* Of a database: what it begins with, and where it keeps the application_id, big endian. */
#define FILE_MAGIC "SQLite format 3"
#define FILE_ID_AT 68
#define FILE_HEAD 100
/* Room for the names of a row, and a path of some length. */
#define ROW_TEXT_MAX 4096

/*
 * The file is new and has no name yet: nothing to protect. Rows are appended, and what makes
 * the indexes sorts in as much memory as the cache has: a large one would bring nothing.
 */
static const char prepare_load[] =
	"PRAGMA journal_mode = OFF;"
	"PRAGMA synchronous = OFF;"
	"PRAGMA locking_mode = EXCLUSIVE;"
	"PRAGMA page_size = 16384;"
	"PRAGMA cache_size = -8192;" /* KiB */
	"PRAGMA application_id = " STRING(
		SQLITE_APPLICATION_ID) ";"
				       "PRAGMA user_version = " STRING(
					       SQLITE_SCHEMA_VERSION) ";"
								      "BEGIN";

/* ---- the sink ------------------------------------------------------------------- */

struct insert {
	sqlite3_stmt *stmt;
	struct schema_row row;
};

struct sqlite_sink {
	struct sink base;
	struct sink_context ctx;
	struct parse_reason *why;
	int error; /* the first */
	bool abandoned;
	char quoted[PARSE_QUOTE_LEN]; /* path, to be shown */
	struct new_file file;
	sqlite3 *db;
	struct insert events[PT_EV_TYPES];
	struct insert holds;
	struct spans *spans;
	/* Text of the row in the making: of its values of a bounded type, and of the others. */
	char values[COLUMNS_MAX + 1][FORMAT_IPV6_MAX];
	char row[ROW_TEXT_MAX];
	char *row_end;
	struct out text; /* longer text; written nowhere */
	struct json_writer json;
};

static int fail(struct sqlite_sink *sq, int err, const char *text)
{
	if (!sq->error)
		sq->error = parse_refuse(sq->why, err, "%s: %s", sq->quoted, text);
	return sq->error;
}

static int fail_errno(struct sqlite_sink *sq, int err)
{
	return fail(sq, err, strerror(-err));
}

static int fail_sqlite(struct sqlite_sink *sq)
{
	int err = -sqlite3_system_errno(sq->db);

	switch (sqlite3_errcode(sq->db)) {
	case SQLITE_FULL:
		return fail_errno(sq, -ENOSPC);
	case SQLITE_NOMEM:
		return fail_errno(sq, -ENOMEM);
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
		return fail_errno(sq, err ?: -EIO);
	default:
		return fail(sq, -EIO, sqlite3_errmsg(sq->db));
	}
}

static int run(struct sqlite_sink *sq, const char *sql)
{
	if (!sq->error && sqlite3_exec(sq->db, sql, NULL, NULL, NULL))
		fail_sqlite(sq);
	return sq->error;
}

/* sql: of schema.h; freed. */
static int run_made(struct sqlite_sink *sq, char *sql)
{
	if (sql)
		run(sq, sql);
	else
		fail_errno(sq, -ENOMEM);
	sqlite3_free(sql);
	return sq->error;
}

/* The same, to be run often. */
static int prepare_made(struct sqlite_sink *sq, char *sql, sqlite3_stmt **stmt)
{
	if (!sql)
		fail_errno(sq, -ENOMEM);
	else if (!sq->error &&
		 sqlite3_prepare_v3(sq->db, sql, -1, SQLITE_PREPARE_PERSISTENT, stmt, NULL))
		fail_sqlite(sq);
	sqlite3_free(sql);
	return sq->error;
}

/* ---- values --------------------------------------------------------------------- */

/*
 * Text of the row in the making stays where it is until the row is written: SQLite
 * need not copy it.
 */
static int bind_text(sqlite3_stmt *stmt, int at, const char *text, const char *end)
{
	return sqlite3_bind_text(stmt, at, text, (int)(end - text), SQLITE_STATIC);
}

/* Escaped, as on a terminal: the sqlite3 shell shows text as it is. */
static int bind_escaped(struct sqlite_sink *sq, sqlite3_stmt *stmt, int at, const char *text)
{
	size_t len = strlen(text);
	char *p = sq->row_end;

	if (len * ESCAPE_EXPAND <= ROW_TEXT_MAX - (size_t)(p - sq->row)) {
		sq->row_end += escape_terminal(p, text, len);
		return bind_text(stmt, at, p, sq->row_end);
	}
	p = out_reserve(&sq->text, len * ESCAPE_EXPAND);
	if (!p)
		return SQLITE_NOMEM;
	len = escape_terminal(p, text, len);
	return sqlite3_bind_text(stmt, at, p, (int)len, SQLITE_TRANSIENT);
}

static int bind_blockers(struct sqlite_sink *sq, sqlite3_stmt *stmt, int at,
			 const struct pt_event *ev)
{
	static const struct json_key none;
	const char *text;
	size_t len;

	blockers_json(&sq->json, &none, ev);
	text = out_take(&sq->text, &len);
	return text ? sqlite3_bind_text(stmt, at, text, (int)len, SQLITE_TRANSIENT) : SQLITE_NOMEM;
}

/* SQLite has no unsigned: PT_UNKNOWN, and what only a damaged recording tells, is NULL. */
static int bind_u64(sqlite3_stmt *stmt, int at, __u64 value)
{
	if (value > INT64_MAX)
		return sqlite3_bind_null(stmt, at);
	return sqlite3_bind_int64(stmt, at, (sqlite3_int64)value);
}

static int bind_value(struct sqlite_sink *sq, sqlite3_stmt *stmt, int at, enum column_type type,
		      const union column_value *value)
{
	char *text = sq->values[at];

	switch (type) {
	case COLUMN_U64:
	case COLUMN_DURATION:
		return bind_u64(stmt, at, value->u64);
	case COLUMN_TIME:
		return bind_u64(stmt, at, value->u64 + sq->json.realtime_offset);
	case COLUMN_BOOL:
		return sqlite3_bind_int(stmt, at, value->boolean);
	case COLUMN_ID:
		return bind_text(stmt, at, text, format_u64(text, value->u64));
	case COLUMN_ADDR:
		return bind_text(stmt, at, text, column_format_addr(text, &value->endpoint));
	case COLUMN_WORD:
		return sqlite3_bind_text(stmt, at, value->text, -1, SQLITE_STATIC);
	case COLUMN_TEXT:
		return bind_escaped(sq, stmt, at, value->text);
	case COLUMN_BLOCKERS:
		return bind_blockers(sq, stmt, at, value->event);
	case COLUMN_ENDPOINT:
	case COLUMN_OWNER:
	case COLUMN_SHARE:
		break; /* of the table and of reports */
	}
	return sqlite3_bind_null(stmt, at);
}

static int bind_column(struct sqlite_sink *sq, sqlite3_stmt *stmt, int at,
		       const struct column *column, const struct pt_event *ev)
{
	union column_value value;

	if (column->get(&sq->ctx, ev, &value) != COLUMN_KNOWN)
		return sqlite3_bind_null(stmt, at);
	return bind_value(sq, stmt, at, column->type, &value);
}

/* ---- rows ----------------------------------------------------------------------- */

static int step(struct sqlite_sink *sq, sqlite3_stmt *stmt)
{
	if (sqlite3_step(stmt) != SQLITE_DONE)
		fail_sqlite(sq);
	sqlite3_reset(stmt);
	return sq->error;
}

/* span: NULL for an event's row, which has no fields of it. */
static int put_row(struct sqlite_sink *sq, const struct insert *insert, const struct pt_event *ev,
		   const struct span *span)
{
	sq->row_end = sq->row;
	for (unsigned int i = 0; i < insert->row.count; i++) {
		const struct schema_field *field = &insert->row.fields[i];
		int at = (int)i + 1, err;

		if (field->column)
			err = bind_column(sq, insert->stmt, at, field->column, ev);
		else
			err = bind_u64(insert->stmt, at,
				       *(const __u64 *)((const char *)span + field->time));
		if (err)
			return fail_errno(sq, -ENOMEM);
	}
	return step(sq, insert->stmt);
}

/* Of spans.h. */
static int put_hold(void *data, const struct span *span)
{
	struct sqlite_sink *sq = data;

	return put_row(sq, &sq->holds, &span->ev, span);
}

/* ---- beginning and end ---------------------------------------------------------- */

/* Returns 0, or -EEXIST: what is there is not ours to replace. */
static int check_replaceable(struct sqlite_sink *sq, const char *path)
{
	const unsigned char id[4] = { SQLITE_APPLICATION_ID >> 24,
				      SQLITE_APPLICATION_ID >> 16 & 0xff,
				      SQLITE_APPLICATION_ID >> 8 & 0xff,
				      SQLITE_APPLICATION_ID & 0xff };
	/* a FIFO would have us wait for its other end */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char head[FILE_HEAD];
	struct stat st;
	bool ours;

	if (fd < 0)
		return errno == ENOENT ? 0 : fail_errno(sq, -errno);
	ours = !fstat(fd, &st) && S_ISREG(st.st_mode) &&
	       (!st.st_size || (pread(fd, head, FILE_HEAD, 0) == FILE_HEAD &&
				!memcmp(head, FILE_MAGIC, sizeof(FILE_MAGIC)) &&
				!memcmp(head + FILE_ID_AT, id, sizeof(id))));
	close(fd);
	return ours ? 0 : fail(sq, -EEXIST, "exists, and is not an export of porttrace's");
}

static int open_database(struct sqlite_sink *sq, const char *path)
{
	int err;

	if (!strcmp(path, "-"))
		return fail(sq, -EINVAL, "a database needs a file, not standard output");
	if (check_replaceable(sq, path))
		return sq->error;
	err = new_file_begin(&sq->file, path);
	if (err)
		return fail_errno(sq, err);
	if (sqlite3_open_v2(sq->file.name, &sq->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
			    NULL))
		return sq->db ? fail_sqlite(sq) : fail_errno(sq, -ENOMEM);
	run(sq, prepare_load);
	run_made(sq, schema_tables());
	for (unsigned int type = 0; type < PT_EV_TYPES; type++) {
		struct insert *insert = &sq->events[type];

		prepare_made(sq, schema_insert_event(type, &insert->row), &insert->stmt);
	}
	return prepare_made(sq, schema_insert_hold(&sq->holds.row), &sq->holds.stmt);
}

static void close_database(struct sqlite_sink *sq)
{
	for (unsigned int type = 0; type < PT_EV_TYPES; type++)
		sqlite3_finalize(sq->events[type].stmt);
	sqlite3_finalize(sq->holds.stmt);
	if (sqlite3_close(sq->db))
		fail_sqlite(sq);
}

static void publish(struct sqlite_sink *sq)
{
	int err = sq->error || sq->abandoned ? 0 : new_file_publish(&sq->file);

	if (err)
		fail_errno(sq, err);
	new_file_discard(&sq->file);
}

static int sqlite_event(struct sink *sink, const struct pt_event *ev)
{
	struct sqlite_sink *sq = (struct sqlite_sink *)sink;
	int err;

	if (sq->error)
		return sq->error;
	sq->json.realtime_offset = ev->realtime_offset;
	if (put_row(sq, &sq->events[ev->type], ev, NULL))
		return sq->error;
	err = spans_event(sq->spans, ev);
	return err ? fail_errno(sq, err) : 0;
}

/* Nobody reads it before it has its name. */
static int sqlite_flush(struct sink *sink)
{
	return ((struct sqlite_sink *)sink)->error;
}

static int sqlite_end(struct sink *sink)
{
	struct sqlite_sink *sq = (struct sqlite_sink *)sink;
	int err;

	if (!sq->error && !sq->abandoned) {
		spans_finish(sq->spans, PT_END_NONE);
		run(sq, schema_indexes);
		run(sq, "COMMIT");
	}
	close_database(sq);
	publish(sq);
	err = sq->abandoned ? 0 : sq->error;
	spans_free(sq->spans);
	out_close(&sq->text);
	free(sq);
	return err;
}

int sink_sqlite_new(const char *path, const struct sink_context *ctx, struct sink **sink,
		    struct parse_reason *why)
{
	static const struct sink_ops ops = { sqlite_event, sqlite_flush, sqlite_end };
	struct sqlite_sink *sq = calloc(1, sizeof(*sq));
	int err;

	if (!sq || out_init(&sq->text, -1)) {
		free(sq);
		return parse_refuse(why, -ENOMEM, "%s", strerror(ENOMEM));
	}
	sq->base.ops = &ops;
	sq->ctx = *ctx;
	sq->why = why;
	sq->json.out = &sq->text;
	parse_quote(path, strlen(path), sq->quoted);
	sq->spans = spans_new(put_hold, sq);
	if (sq->spans)
		open_database(sq, path);
	else
		fail_errno(sq, -ENOMEM);
	err = sq->error;
	if (err)
		sqlite_end(&sq->base);
	else
		*sink = &sq->base;
	return err;
}

int sink_sqlite_meta(struct sink *sink, const char *key, const char *value)
{
	struct sqlite_sink *sq = (struct sqlite_sink *)sink;
	sqlite3_stmt *stmt = NULL;

	if (sq->error)
		return sq->error;
	if (sqlite3_prepare_v2(sq->db, "INSERT OR REPLACE INTO meta VALUES(?, ?)", -1, &stmt, NULL))
		return fail_sqlite(sq);
	sq->row_end = sq->row;
	if (bind_escaped(sq, stmt, 1, key) || bind_escaped(sq, stmt, 2, value))
		fail_errno(sq, -ENOMEM);
	else
		step(sq, stmt);
	sqlite3_finalize(stmt);
	return sq->error;
}

int sink_sqlite_held(struct sink *sink, const struct ledger_unit *unit, __u64 realtime_offset)
{
	struct sqlite_sink *sq = (struct sqlite_sink *)sink;

	if (!sq->error && spans_held(sq->spans, unit, realtime_offset))
		fail_errno(sq, -ENOMEM);
	return sq->error;
}

int sink_sqlite_gap(struct sink *sink)
{
	struct sqlite_sink *sq = (struct sqlite_sink *)sink;

	return sq->error ?: spans_finish(sq->spans, PT_END_UNKNOWN);
}

void sink_sqlite_abandon(struct sink *sink)
{
	((struct sqlite_sink *)sink)->abandoned = true;
}

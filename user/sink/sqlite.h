/* SPDX-License-Identifier: BSD-2-Clause */
/* Events and the holds that they make up as an SQLite database: docs/export.md has the schema. */
#ifndef PORTTRACE_SINK_SQLITE_H
#define PORTTRACE_SINK_SQLITE_H

#include "user/base/parse.h"
#include "user/ledger/ledger.h"
#include "user/sink/sink.h"

#define SQLITE_SCHEMA_VERSION 1		 /* PRAGMA user_version */
#define SQLITE_APPLICATION_ID 0x50545254 /* PRAGMA application_id: "PTRT" */

/*
 * A sink that writes a database to a new file beside path, which sink_end() gives its
 * name; until then, and if anything fails, what is at path stays as it is. There may be
 * nothing, an empty file or an export of porttrace's.
 *
 * why outlives the sink: it has the reason for the error that this function, the sink or
 * those below return. After the first one every call returns it.
 * Returns 0, -EEXIST (path is something else), -EINVAL ("-") or another negative errno.
 */
int sink_sqlite_new(const char *path, const struct sink_context *ctx, struct sink **sink,
		    struct parse_reason *why);

/* A row of the table meta; another one with that key is replaced. value: anybody's bytes. */
int sink_sqlite_meta(struct sink *sink, const char *key, const char *value);

/*
 * A hold (of ledger_each()) from before the events that follow: it gets its row also if
 * no event tells of it. To be called before the first event, or after a gap.
 * realtime_offset: as in struct pt_event.
 */
int sink_sqlite_held(struct sink *sink, const struct ledger_unit *unit, __u64 realtime_offset);

/*
 * Events are missing, so many that the ledger began anew: what was held till then ends in
 * end_reason `unknown` with no time.
 */
int sink_sqlite_gap(struct sink *sink);

/* sink_end() will remove the unfinished file and return 0: nobody wants it any more. */
void sink_sqlite_abandon(struct sink *sink);

#endif /* PORTTRACE_SINK_SQLITE_H */

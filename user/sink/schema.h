/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The database of sqlite.h in SQL, by columns[]; docs/export.md has it for users. What is
 * returned as char * is the caller's to sqlite3_free(), NULL if there is no memory.
 */
#ifndef PORTTRACE_SINK_SCHEMA_H
#define PORTTRACE_SINK_SCHEMA_H

#include "user/sink/columns.h"

/* A parameter of an INSERT. */
struct schema_field {
	const struct column *column; /* NULL: a time of struct span, */
	size_t time;		     /* at this offset */
};

struct schema_row {
	unsigned int count;
	struct schema_field fields[COLUMNS_MAX];
};

/* Tables and views, several statements. */
char *schema_tables(void);

/* Several statements, for when all is loaded, which is faster than keeping them. */
extern const char schema_indexes[];

/* The INSERT of an event of that type, or of a hold; *row is set to its parameters. */
char *schema_insert_event(enum pt_event_type type, struct schema_row *row);
char *schema_insert_hold(struct schema_row *row);

#endif /* PORTTRACE_SINK_SCHEMA_H */

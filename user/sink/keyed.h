/* SPDX-License-Identifier: BSD-2-Clause */
/* Rows of stats/keyed.h: as a table for people and as JSON. */
#ifndef PORTTRACE_SINK_KEYED_H
#define PORTTRACE_SINK_KEYED_H

#include <stddef.h>

#include "user/sink/json_field.h"
#include "user/stats/keyed.h"

/* A number of a row; what a row is has columns of its own before these. */
struct keyed_column {
	const char *key;   /* JSON; NULL: not in JSON */
	const char *title; /* text; NULL: not in the text */
	enum column_type type;
	/* *value is set if it returns COLUMN_KNOWN. */
	enum column_state (*get)(const void *row, union column_value *value);
};

/* Numbers of one table. */
#define KEYED_NUMBERS_MAX 18

struct keyed_view {
	const struct keyed *keyed;
	const struct keyed_column *numbers;
	size_t numbers_count; /* at most KEYED_NUMBERS_MAX */
	/* JSON: members behind the numbers. NULL: none. */
	void (*json_more)(struct json_writer *json, const void *row);
	/* private */
	const void **rows;
	size_t rows_count; /* shown */
};

/* Of two rows: less than 0, 0, or more. */
typedef int keyed_compare(const void *a, const void *b);

/*
 * Sorts; rows that are equal to compare() stay in the order of their first event. The
 * first top rows are shown (0: all).
 * Returns 0 or -ENOMEM; unless it fails the caller calls keyed_view_end().
 */
int keyed_view_begin(struct keyed_view *view, keyed_compare *compare, size_t top);
void keyed_view_end(struct keyed_view *view);

/* The rows, and how many more there are; without rows nothing. */
void keyed_write_text(struct out *out, const struct keyed_view *view);

/* Members, not an object's first: rows_total, rows, others (a row; NULL: null). */
void keyed_json_rows(struct json_writer *json, const struct keyed_view *view, const void *others);

/* An object: a row's numbers, without what it is. */
void keyed_json_numbers(struct json_writer *json, const struct keyed_view *view, const void *row);

#endif /* PORTTRACE_SINK_KEYED_H */

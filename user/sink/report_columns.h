/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is shown of a report's row: one table for the columns of the text, the
 * members of JSON, the columns of CSV and the keys of --sort.
 */
#ifndef PORTTRACE_SINK_REPORT_COLUMNS_H
#define PORTTRACE_SINK_REPORT_COLUMNS_H

#include "user/sink/columns.h"
#include "user/stats/report.h"

struct report_column {
	const char *key;   /* JSON, CSV; NULL: not in these */
	const char *title; /* text; NULL: not in it */
	enum column_type type;
	unsigned int
		bys; /* bit 1 << enum report_by: where it says what a row is; 0: a number of all */
	bool right;  /* text: values and title */
	bool netns;  /* text: only if there are several network namespaces */
	bool sort;   /* its key is one of --sort's; u64 */
	bool ascending; /* least first */
	/* *value is set if it returns COLUMN_KNOWN. */
	enum column_state (*get)(const struct report_row *row, union column_value *value);
};

#define REPORT_COLUMNS_MAX 40

/* In the order of every output. */
extern const struct report_column report_columns[];
extern const unsigned int report_columns_count;

/* Whether the column has a meaning for rows that are by that. */
static inline bool report_column_applies(const struct report_column *column, enum report_by by)
{
	return !column->bys || column->bys & 1U << by;
}

/*
 * For --sort: the number of the column of that key, or -ENOENT if there is none
 * that a report by that can be sorted by.
 */
int report_sort_key(enum report_by by, const char *name);

/* The keys that there are, in one line: "fails, allocs, ...". Returns text. */
#define REPORT_SORT_NAMES_MAX (REPORT_COLUMNS_MAX * (COLUMN_KEY_MAX + 2))
const char *report_sort_names(enum report_by by, char text[REPORT_SORT_NAMES_MAX]);

/*
 * Sorted by the column of that number, what is not known last; ties by refusals,
 * then allocations, then most held at once. Rows in which nothing was counted are
 * left out. *count is how many there are.
 * Returns them, to be freed; NULL if there is no memory.
 */
const struct report_row **report_sorted(const struct report *report, int sort, size_t *count);

#endif /* PORTTRACE_SINK_REPORT_COLUMNS_H */

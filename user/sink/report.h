/* SPDX-License-Identifier: BSD-2-Clause */
/* What `porttrace report` shows: for people, as JSON and as CSV. */
#ifndef PORTTRACE_SINK_REPORT_H
#define PORTTRACE_SINK_REPORT_H

#include "user/base/out.h"
#include "user/sink/report_columns.h"
#include "user/stats/report.h"

/* Of --top, for people. */
#define REPORT_TOP_DEFAULT 10

struct report_view {
	int sort;   /* report_sort_key(); of "fails" unless the user wants another */
	size_t top; /* so many rows, and as many minutes; 0: all */
};

/*
 * After report_end(). All return 0, or -ENOMEM if they wrote nothing; errors of out
 * are its own.
 *
 * For people, times in local time: what happened in the span, the rows, and the
 * minutes with most refusals, of these those with most held at once.
 */
int report_write_text(struct out *out, const struct report *report, const struct report_view *view);

/* One object on one line; times in RFC 3339, durations in ns. */
int report_write_json(struct out *out, const struct report *report, const struct report_view *view);

/*
 * The rows, under a line of keys (RFC 4180, but lines end in \n); empty: none or not
 * known. The first column says what they are by; `others` is the row of those that
 * have none of their own.
 */
int report_write_csv(struct out *out, const struct report *report, const struct report_view *view);

/* Behind rows, for people: so many more are not shown; nothing if there are none. */
void report_put_more(struct out *out, enum report_by by, size_t more);

#endif /* PORTTRACE_SINK_REPORT_H */

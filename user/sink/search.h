/* SPDX-License-Identifier: BSD-2-Clause */
/* What `porttrace search` shows: for people and as JSON. */
#ifndef PORTTRACE_SINK_SEARCH_H
#define PORTTRACE_SINK_SEARCH_H

#include <stddef.h>

#include "user/base/out.h"
#include "user/stats/search.h"

/*
 * After search_set_span(). Both show the first top rows (0: all), most searches first, or
 * the emptiest range first, and return 0, or -ENOMEM if they wrote nothing; errors of out
 * are its own.
 *
 * For people, times in local time: the counts, in which half of the range ports were found,
 * the times of allocations and of refusals as histograms, and the rows.
 */
int search_write_text(struct out *out, const struct search *search, size_t top);

/*
 * One object on one line; times in RFC 3339, durations in ns, null where there is none.
 * buckets: from the first power of two that has a value to the last, each from from_ns to
 * to_ns, both within.
 */
int search_write_json(struct out *out, const struct search *search, size_t top);

#endif /* PORTTRACE_SINK_SEARCH_H */

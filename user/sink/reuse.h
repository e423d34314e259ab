/* SPDX-License-Identifier: BSD-2-Clause */
/* What `porttrace reuse` shows: for people and as JSON. */
#ifndef PORTTRACE_SINK_REUSE_H
#define PORTTRACE_SINK_REUSE_H

#include <stddef.h>

#include "user/base/out.h"
#include "user/stats/reuse.h"

/*
 * After reuse_set_span(). Both show the first top rows (0: all), most allocations first, and
 * return 0, or -ENOMEM if they wrote nothing; errors of out are its own.
 *
 * For people, times in local time: the counts, the times of all as a histogram, the rows,
 * and the times of 4-tuples.
 */
int reuse_write_text(struct out *out, const struct reuse *reuse, size_t top);

/*
 * One object on one line; times in RFC 3339, durations in ns, null where there is none.
 * buckets: from the first power of two that has a value to the last, each from from_ns to
 * to_ns, both within.
 */
int reuse_write_json(struct out *out, const struct reuse *reuse, size_t top);

#endif /* PORTTRACE_SINK_REUSE_H */

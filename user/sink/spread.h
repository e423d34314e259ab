/* SPDX-License-Identifier: BSD-2-Clause */
/* How times are spread: powers of two for the eye and as JSON, and quantiles. */
#ifndef PORTTRACE_SINK_SPREAD_H
#define PORTTRACE_SINK_SPREAD_H

#include "user/sink/json_field.h"
#include "user/stats/histogram.h"

/* A row for each power of two from the first that has a value to the last; nothing of none. */
void spread_write_text(struct out *out, const struct histogram *histogram);

/* P50 105ms, P90 ... LONGEST 2.1s; nothing of none. */
void spread_write_quantiles(struct out *out, const struct histogram *histogram);

/*
 * Members, not an object's first: prefix_p50, prefix_p90, prefix_p99, prefix_max in ns,
 * null of none. prefix has at most COLUMN_KEY_MAX - 9 bytes.
 */
void spread_json_quantiles(struct json_writer *json, const char *prefix,
			   const struct histogram *histogram);

/*
 * A member, not an object's first: an array of the same powers, each from from_ns to
 * to_ns, both within.
 */
void spread_json_buckets(struct json_writer *json, const char *name,
			 const struct histogram *histogram);

/* For the getter of a column. Of no value at all there is no quantile. */
enum column_state spread_put_quantile(union column_value *value, const struct histogram *histogram,
				      unsigned int permille);

#endif /* PORTTRACE_SINK_SPREAD_H */

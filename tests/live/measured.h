/* SPDX-License-Identifier: BSD-2-Clause */
/* Commands that sum up a span (reuse, search): run, live or past, and what they say. */
#ifndef LIVE_MEASURED_H
#define LIVE_MEASURED_H

#include <jansson.h>
#include <stddef.h>
#include <sys/types.h>

#include "tracer.h"

/*
 * Begins "porttrace COMMAND --json --top 0 -N netns" and the arguments given, and waits
 * until it traces.
 */
#define measured_begin(command, netns, ...)                                                        \
	measured_begin_args(command, netns, (const char *const[]){ NULL, ##__VA_ARGS__, NULL } + 1)
struct tracer *measured_begin_args(const char *command, ino_t netns, const char *const *args);
/* Ends it; returns what it says: an object, owned by the caller. */
json_t *measured_end(struct tracer *tracer);
/* The same of a recording. */
#define measured_past(command, dir, netns, ...)                                                    \
	measured_past_args(command, dir, netns,                                                    \
			   (const char *const[]){ NULL, ##__VA_ARGS__, NULL } + 1)
json_t *measured_past_args(const char *command, const char *dir, ino_t netns,
			   const char *const *args);

/* The row that fits the pattern (tracer.h); the one there is. */
json_t *measured_row(json_t *measured, const char *pattern, ...)
	__attribute__((format(printf, 2, 3)));
/* What the buckets of an object hold. */
long long measured_sum(json_t *object, const char *buckets);
/*
 * Each time lies in one of these spans, and for each span there is one: as far as buckets,
 * which are powers of two, tell that apart.
 */
void measured_check_times(json_t *object, const char *buckets, const struct span *times,
			  size_t count);
/* From the end of what was done within `from` to the beginning of what was within `to`. */
struct span measured_between(struct span from, struct span to);

#endif /* LIVE_MEASURED_H */

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What must be true of every line that `porttrace --json` writes, whatever the
 * workload: the form of each event, and a second, plainer ledger beside
 * porttrace's own. Judges; calls no cmocka.
 */
#ifndef LIVE_STREAM_H
#define LIVE_STREAM_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct stream;

/* whole: no filter hides events, so that holds can be counted. */
struct stream *stream_new(bool whole);
void stream_free(struct stream *stream);

/*
 * How far ts may be from what the durations say (at first 50 ms): a task can be
 * preempted between the clock and its record, whose ts is then raised to that of
 * the record before it.
 */
void stream_set_slack(struct stream *stream, long long ns);

/*
 * Takes one line without its newline.
 * Returns the event (owned by the caller), or NULL if the line is no JSON
 * object. What is wrong with it, if anything, is added to the complaints.
 */
json_t *stream_take(struct stream *stream, const char *line);

/* Everything that was wrong so far, a line each, "" if nothing; forgets it. */
const char *stream_complaints(struct stream *stream);

/*
 * After a loss holds are not counted. From here on they are again: porttrace has
 * put its ledger right, and nothing is held.
 */
void stream_resume(struct stream *stream);

/* Holds that began and did not end. */
size_t stream_open(const struct stream *stream);
/* The alloc events of the first of them. */
void stream_print_open(const struct stream *stream, FILE *to);

/* Whether the last line was the summary. */
bool stream_ended(const struct stream *stream);

/* ns since 1970 of an RFC 3339 time with nanoseconds in UTC; -1 if it is none. */
long long stream_time(const char *text);

#endif /* LIVE_STREAM_H */

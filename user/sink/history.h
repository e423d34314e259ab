/* SPDX-License-Identifier: BSD-2-Clause */
/* The rows of a port's history, as text and as JSON: a line each, as they come. */
#ifndef PORTTRACE_SINK_HISTORY_H
#define PORTTRACE_SINK_HISTORY_H

#include "user/sink/sink.h"
#include "user/stats/history.h"

struct history_sink;

/*
 * A table for people, with dates if the span is longer than a day, and one JSON
 * object a line for programs. Of ctx, color, netns and cgroup_path count. out is
 * the caller's and outlives the sink; the caller calls history_sink_free().
 * Return 0 or -ENOMEM.
 */
int history_table_new(struct out *out, const struct sink_context *ctx, bool dates,
		      struct history_sink **sink);
int history_json_new(struct out *out, const struct sink_context *ctx, struct history_sink **sink);

/* A history_fn; data: the sink. Returns 0 or the output's error (negative errno). */
int history_sink_row(void *data, const struct history_row *row);

/* Flushes nothing: that is out's. NULL is nothing to do. */
void history_sink_free(struct history_sink *sink);

#endif /* PORTTRACE_SINK_HISTORY_H */

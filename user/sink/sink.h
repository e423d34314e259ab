/* SPDX-License-Identifier: BSD-2-Clause */
/* Where events end: the same for live and for replayed ones. */
#ifndef PORTTRACE_SINK_SINK_H
#define PORTTRACE_SINK_SINK_H

#include "user/base/out.h"
#include "user/event/event.h"

/* What a sink needs to know besides the event. Copied by sink_..._new(). */
struct sink_context {
	/* Table: time is seconds since start; since the first event if that is 0. */
	bool relative;
	__u64 start; /* CLOCK_BOOTTIME, ns */
	/* Table: colours; a NETNS column from the start on. */
	bool color;
	bool netns;
	/*
	 * The path of a cgroup, NULL if it is not known; the text has to last
	 * until the next call, and what was known stays the same. The function may be NULL.
	 */
	const char *(*cgroup_path)(void *data, __u64 id);
	void *cgroup_data;
};

struct sink;

struct sink_ops {
	int (*event)(struct sink *sink, const struct pt_event *ev);
	int (*flush)(struct sink *sink);
	int (*end)(struct sink *sink);
};

struct sink {
	const struct sink_ops *ops;
};

/* Takes one event. Returns 0 or the output's error (negative errno). */
static inline int sink_event(struct sink *sink, const struct pt_event *ev)
{
	return sink->ops->event(sink, ev);
}

/* What was taken becomes visible. Returns 0 or the output's error. */
static inline int sink_flush(struct sink *sink)
{
	return sink->ops->flush(sink);
}

/* Flushes and frees the sink, whatever happens; NULL is nothing to do. */
static inline int sink_end(struct sink *sink)
{
	return sink ? sink->ops->end(sink) : 0;
}

/*
 * One line an event for people, one JSON object a line for programs, and CSV, whose
 * header is the first line: it is there also without an event. out is the caller's and outlives the
 * sink; the caller calls sink_end(). Return 0 or -ENOMEM.
 */
int sink_table_new(struct out *out, const struct sink_context *ctx, struct sink **sink);
int sink_json_new(struct out *out, const struct sink_context *ctx, struct sink **sink);
int sink_csv_new(struct out *out, const struct sink_context *ctx, struct sink **sink);

#endif /* PORTTRACE_SINK_SINK_H */

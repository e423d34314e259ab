/* SPDX-License-Identifier: BSD-2-Clause */
/* A recording, read through the pipeline that live events take. */
#ifndef PORTTRACE_CMD_RECORDED_H
#define PORTTRACE_CMD_RECORDED_H

#include "user/base/format.h"
#include "user/cmd/commands.h"
#include "user/event/holder.h"
#include "user/pipeline/pipeline.h"
#include "user/recording/reader.h"

/* A span of which nothing is known. Times are CLOCK_REALTIME, ns. */
struct recorded_gap {
	__u64 from, to;
	const char *why; /* in words; if to is PT_UNKNOWN, " so far" of one that goes on */
	bool booted;	 /* the host was booted meanwhile */
};

struct recorded {
	struct options *options;
	struct reader *reader;
	struct pipeline *pipeline;
	/* As in pipeline.h; to be set before recorded_attach(). */
	bool totals;
	bool no_crowd;
	/*
	 * Told that the ledger begins anew, since nothing is known of that span; NULL: it
	 * is said on standard error. Then, and at the beginning, that the events follow,
	 * and the ledger has what is held as of from (pipeline_each()); NULL: nobody wants
	 * to know.
	 */
	void (*on_gap)(void *data, const struct recorded_gap *gap);
	void (*on_loaded)(void *data, __u64 from);
	void *hook_data;
	/* Every event before the filter, and each row's time when it was taken; NULL: nobody. */
	ledger_emit observer;
	void (*on_taken)(void *data, __u64 ts);
	void *observer_data; /* of both */
	/* Of recorded_play() and recorded_play_to(): */
	unsigned int segment; /* that was read last */
	__u64 realtime_offset;
	bool again;   /* the segment's keyframe is needed: rows before it are missing */
	bool loading; /* on_loaded is due */
	__u64 since;  /* of the events */
};

/*
 * Opens options->recording and puts the recording's names for those in the filter.
 * Complains itself. The caller calls recorded_close(), whatever this returns.
 */
enum exit_status recorded_open(struct recorded *recorded, struct options *options);

/* Which events a command wants. */
enum recorded_events {
	RECORDED_SPAN, /* those between options->since_ns and until_ns */
	RECORDED_ALL,  /* before that, too, as far as they are read: from a keyframe on */
};

/* They go to sink (borrowed; NULL: nobody). */
enum exit_status recorded_attach(struct recorded *recorded, struct sink *sink,
				 enum recorded_events events);

/*
 * Reads from since_ns to until_ns; ports: only rows of these (NULL: all).
 * Returns 0 or a negative errno.
 */
int recorded_play(struct recorded *recorded, const struct port_set *ports);

/*
 * The ledger as it was at wall (CLOCK_REALTIME, ns), from the keyframe before; of
 * these ports (NULL: all). Returns 0 or a negative errno.
 */
int recorded_play_to(struct recorded *recorded, const struct port_set *ports, __u64 wall);

/*
 * Whether something is known of wall: gap is set if not. To be asked before
 * recorded_play_to().
 */
bool recorded_knows(const struct recorded *recorded, __u64 wall, struct recorded_gap *gap);

/* Complains of what recorded_play() returned, or what stands in the pipeline. */
enum exit_status recorded_conclude(const struct recorded *recorded, int err);

/* Whether what is held as the span begins passes the filter. */
bool recorded_passes(const struct recorded *recorded, const struct ledger_unit *unit);

/*
 * The namespaces that a segment describes, and their ranges as of its beginning; without
 * the counts. reserved: which ports of the range are; NULL: not known. All last for the call.
 */
typedef void (*recorded_range_fn)(void *data, const struct pt_netns *netns,
				  const struct port_set *reserved);
void recorded_each_range(const struct reader_segment *segment, recorded_range_fn fn, void *data);

/* Says a gap on standard error. */
void recorded_tell_gap(const struct recorded_gap *gap);

/* What the recording tells of last (CLOCK_REALTIME, ns). */
__u64 recorded_end(const struct recorded *recorded);

/* wall as people read it, local time: 2026-11-21 14:02:10.123456 */
#define RECORDED_TIME_LEN (FORMAT_DATETIME_MAX + 1)
const char *recorded_time(__u64 wall, char text[RECORDED_TIME_LEN]);

void recorded_close(struct recorded *recorded);

#endif /* PORTTRACE_CMD_RECORDED_H */

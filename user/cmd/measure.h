/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A command that sums up a span of events, live until a signal, --duration or --count ends
 * it, or in a recording: what reuse and search are. The same code counts both.
 */
#ifndef PORTTRACE_CMD_MEASURE_H
#define PORTTRACE_CMD_MEASURE_H

#include "user/base/out.h"
#include "user/cmd/commands.h"
#include "user/stats/fill.h"
#include "user/stats/keyed.h"

/* What begin() is told. */
struct measure_span {
	enum keyed_by by;
	__u64 since, until; /* from since until before until: CLOCK_REALTIME, ns */
};

/* All get what begin() returned. */
struct measure_ops {
	/* Returns NULL if there is no memory. */
	void *(*begin)(const struct measure_span *span);
	void (*free)(void *what);
	/* Each event there is; wanted: it counts, by the filter. Returns 0 or -ENOMEM. */
	int (*event)(void *what, const struct pt_event *ev, bool wanted);
	__u64 (*count)(const void *what); /* for --count */
	/*
	 * The ledger begins anew, at another run of the recorder: nothing is known of before.
	 * NULL: it does not matter.
	 */
	void (*forget)(void *what);
	/*
	 * What is to know the ranges, and what is held when the events begin. All ports are
	 * followed then: --port says only what counts. NULL: nothing.
	 */
	struct fill *(*fill)(void *what);
	/* The span, as it turned out: CLOCK_REALTIME, ns. Before it is written. */
	void (*end)(void *what, __u64 from, __u64 to);
	/* Return 0, or -ENOMEM if they wrote nothing; the first top rows (0: all). */
	int (*write_text)(struct out *out, const void *what, size_t top);
	int (*write_json)(struct out *out, const void *what, size_t top);
};

enum exit_status measure_live(struct options *options, const struct measure_ops *ops);
enum exit_status measure_past(struct options *options, const struct measure_ops *ops);

#endif /* PORTTRACE_CMD_MEASURE_H */

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The way of every record, live or replayed: decode, ledger, filter, totals,
 * sink. A source pushes bytes in; nothing here knows where they come from.
 */
#ifndef PORTTRACE_PIPELINE_H
#define PORTTRACE_PIPELINE_H

#include "user/event/filter.h"
#include "user/ledger/audit.h"
#include "user/ledger/ledger.h"
#include "user/ledger/snapshot.h"
#include "user/sink/sink.h"
#include "user/stats/totals.h"

struct pipeline;

struct pipeline_options {
	const struct filter *filter; /* borrowed */
	struct sink *sink;	     /* borrowed; NULL: events are for no sink, nor are totals */
	__u64 count;		     /* events to show, 0: no end */
	bool totals;		     /* pipeline_totals() will be asked */
	bool no_crowd;		     /* who has the ports of a full range will not be */
	/* Gets every event, whatever the filter says, before the sink does; NULL: nobody. */
	ledger_emit observer;
	void *observer_data;
};

/* Returns NULL if there is no memory. The caller calls pipeline_free(). */
struct pipeline *pipeline_new(const struct pipeline_options *options);
void pipeline_free(struct pipeline *pipeline);

/* The clock that events show from then on; see ledger_set_clock(). */
void pipeline_set_clock(struct pipeline *pipeline, __u64 realtime_offset);

/* The ports that the kernel chooses from in a namespace; see ledger_set_range(). */
void pipeline_set_range(struct pipeline *pipeline, const struct ledger_range *range);

/* One record as it came from the ring or a file, aligned to 8. */
void pipeline_record(struct pipeline *pipeline, const void *record, size_t size);

/* A row that will follow soon; see ledger_expect(). */
void pipeline_expect(struct pipeline *pipeline, const struct pt_rec_head *row);

/* One row of a recording that decode_row() passed. */
void pipeline_row(struct pipeline *pipeline, const struct pt_rec_head *row);

/* To record; see ledger_set_tap() and ledger_keyframe(). */
void pipeline_set_tap(struct pipeline *pipeline, ledger_tap tap, void *data);
void pipeline_keyframe(struct pipeline *pipeline, ledger_tap fn, void *data);

/* Each socket and TIME_WAIT that holds; see ledger_each(). */
void pipeline_each(struct pipeline *pipeline, ledger_unit_fn fn, void *data);

/* Each port that somebody held; see ledger_each_port(). */
void pipeline_each_port(struct pipeline *pipeline, ledger_port_fn fn, void *data);

/* The records of a snapshot whose dump failed: they go on as if it had not been. */
void pipeline_replay(struct pipeline *pipeline, const struct snapshot *snapshot);

/*
 * What a dump found, as of ts (CLOCK_BOOTTIME, ns), then the records that came
 * while it was taken.
 */
void pipeline_snapshot(struct pipeline *pipeline, struct snapshot *snapshot, __u64 ts);

/* The same after a loss. Returns whether holds in vanished namespaces stayed; snapshot_resync(). */
bool pipeline_resync(struct pipeline *pipeline, struct snapshot *snapshot, __u64 ts,
		     bool vanished_stay);

/* Before one of these: what differs; see audit_look(). */
int pipeline_audit(struct pipeline *pipeline, struct audit *audit, struct snapshot *snapshot);

/* The next port to dump for accepted sockets; see ledger_next_orphan(). */
bool pipeline_next_orphan(struct pipeline *pipeline, struct ledger_orphan *orphan);

/* What that dump found for these, then its records; see snapshot_adopt(). */
void pipeline_adopt(struct pipeline *pipeline, struct snapshot *snapshot, __u64 ts,
		    const struct ledger_orphan *orphans, unsigned int count);

/* What was lost so far; see ledger_lost(). */
void pipeline_lost(struct pipeline *pipeline, __u64 lost, __u64 now);

/* Whether count events were shown: further ones are not. */
bool pipeline_is_done(const struct pipeline *pipeline);

/*
 * 0, or the first thing that went wrong: -ENOMEM, -EBADMSG or -EPROTO (a record
 * that is none), or the sink's error.
 */
int pipeline_error(const struct pipeline *pipeline);

/* Totals of what passed the filter, whatever its --event said. */
const struct totals *pipeline_totals(const struct pipeline *pipeline);
struct ledger_counts pipeline_counts(const struct pipeline *pipeline);

#endif /* PORTTRACE_PIPELINE_H */

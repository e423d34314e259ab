// SPDX-License-Identifier: BSD-2-Clause
#include "user/pipeline/pipeline.h"

#include <stdlib.h>

#include "user/event/decode.h"

struct pipeline {
	struct pipeline_options options;
	/* the same without --event: an alloc counts though only frees are shown */
	struct filter counted;
	bool counts_all; /* since that is empty */
	struct ledger *ledger;
	struct totals totals;
	__u64 shown;
	int error;
};

static void keep_error(struct pipeline *pipeline, int err)
{
	if (err && !pipeline->error)
		pipeline->error = err;
}

static void on_event(void *data, const struct pt_event *ev)
{
	struct pipeline *pipeline = data;

	if (pipeline->options.observer)
		pipeline->options.observer(pipeline->options.observer_data, ev);
	if (!pipeline->options.sink || pipeline_is_done(pipeline))
		return;
	if (!pipeline->counts_all && !filter_match(&pipeline->counted, ev))
		return;
	if (pipeline->options.totals)
		totals_event(&pipeline->totals, ev);
	if (ev->type != PT_EV_LOST && pipeline->options.filter->events &&
	    !(pipeline->options.filter->events & 1U << ev->type))
		return;
	keep_error(pipeline, sink_event(pipeline->options.sink, ev));
	/* --count is of what happens, not of what there was */
	pipeline->shown += ev->type != PT_EV_LOST && !pt_via_is_found(ev->via);
}

struct pipeline *pipeline_new(const struct pipeline_options *options)
{
	struct pipeline *pipeline = calloc(1, sizeof(*pipeline));

	if (!pipeline)
		return NULL;
	pipeline->options = *options;
	pipeline->counted = *options->filter;
	pipeline->counted.events = 0;
	pipeline->counts_all = filter_is_empty(&pipeline->counted);
	totals_init(&pipeline->totals);
	pipeline->ledger =
		ledger_new(options->sink || options->observer ? on_event : NULL, pipeline);
	if (pipeline->ledger && options->no_crowd)
		ledger_skip_crowd(pipeline->ledger);
	if (pipeline->ledger)
		return pipeline;
	pipeline_free(pipeline);
	return NULL;
}

void pipeline_free(struct pipeline *pipeline)
{
	if (!pipeline)
		return;
	ledger_free(pipeline->ledger);
	totals_free(&pipeline->totals);
	free(pipeline);
}

void pipeline_set_clock(struct pipeline *pipeline, __u64 realtime_offset)
{
	ledger_set_clock(pipeline->ledger, realtime_offset);
}

void pipeline_set_range(struct pipeline *pipeline, const struct ledger_range *range)
{
	keep_error(pipeline, ledger_set_range(pipeline->ledger, range));
}

void pipeline_record(struct pipeline *pipeline, const void *record, size_t size)
{
	const struct pt_rec_head *head;
	int err = decode_record(record, size, &head) ?: ledger_record(pipeline->ledger, head);

	if (err)
		keep_error(pipeline, err);
}

void pipeline_expect(struct pipeline *pipeline, const struct pt_rec_head *row)
{
	ledger_expect(pipeline->ledger, row);
}

void pipeline_row(struct pipeline *pipeline, const struct pt_rec_head *row)
{
	int err = ledger_row(pipeline->ledger, row);

	if (err)
		keep_error(pipeline, err);
}

void pipeline_set_tap(struct pipeline *pipeline, ledger_tap tap, void *data)
{
	ledger_set_tap(pipeline->ledger, tap, data);
}

void pipeline_keyframe(struct pipeline *pipeline, ledger_tap fn, void *data)
{
	ledger_keyframe(pipeline->ledger, fn, data);
}

void pipeline_each(struct pipeline *pipeline, ledger_unit_fn fn, void *data)
{
	ledger_each(pipeline->ledger, fn, data);
}

void pipeline_each_port(struct pipeline *pipeline, ledger_port_fn fn, void *data)
{
	ledger_each_port(pipeline->ledger, fn, data);
}

void pipeline_replay(struct pipeline *pipeline, const struct snapshot *snapshot)
{
	size_t position = 0, size;
	const void *record;

	while ((record = snapshot_record(snapshot, &position, &size)))
		pipeline_record(pipeline, record, size);
}

void pipeline_snapshot(struct pipeline *pipeline, struct snapshot *snapshot, __u64 ts)
{
	keep_error(pipeline, snapshot_apply(snapshot, pipeline->ledger, ts));
	pipeline_replay(pipeline, snapshot);
}

bool pipeline_resync(struct pipeline *pipeline, struct snapshot *snapshot, __u64 ts,
		     bool vanished_stay)
{
	int result = snapshot_resync(snapshot, pipeline->ledger, ts, vanished_stay);

	keep_error(pipeline, result < 0 ? result : 0);
	pipeline_replay(pipeline, snapshot);
	return result > 0;
}

int pipeline_audit(struct pipeline *pipeline, struct audit *audit, struct snapshot *snapshot)
{
	return audit_look(audit, snapshot, pipeline->ledger);
}

bool pipeline_next_orphan(struct pipeline *pipeline, struct ledger_orphan *orphan)
{
	return ledger_next_orphan(pipeline->ledger, orphan);
}

void pipeline_adopt(struct pipeline *pipeline, struct snapshot *snapshot, __u64 ts,
		    const struct ledger_orphan *orphans, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		keep_error(pipeline, snapshot_adopt(snapshot, pipeline->ledger, ts, &orphans[i]));
	pipeline_replay(pipeline, snapshot);
}

void pipeline_lost(struct pipeline *pipeline, __u64 lost, __u64 now)
{
	ledger_lost(pipeline->ledger, lost, now);
}

bool pipeline_is_done(const struct pipeline *pipeline)
{
	return pipeline->options.count && pipeline->shown >= pipeline->options.count;
}

int pipeline_error(const struct pipeline *pipeline)
{
	return pipeline->error;
}

const struct totals *pipeline_totals(const struct pipeline *pipeline)
{
	return &pipeline->totals;
}

struct ledger_counts pipeline_counts(const struct pipeline *pipeline)
{
	return ledger_counts(pipeline->ledger);
}

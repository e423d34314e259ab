// SPDX-License-Identifier: BSD-2-Clause
#include "user/cmd/measure.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "user/cmd/output.h"
#include "user/cmd/recorded.h"
#include "user/cmd/session.h"
#include "user/pipeline/pipeline.h"

struct measure {
	struct sink base; /* of the pipeline: events into what */
	const struct measure_ops *ops;
	struct options *options;
	struct filter wanted; /* what counts, of all that is followed */
	__u64 count;	      /* of what ops counts; 0: no end */
	void *what;
	struct fill *fill;	   /* of what; NULL: none */
	int error;		   /* of filling it */
	struct recorded *recorded; /* of a recording: */
	unsigned int segment;	   /* of which the ranges are known */
	struct out out;
	bool out_is_open;
};

/* ---- ranges -------------------------------------------------------------------- */

static void keep_error(struct measure *measure, int err)
{
	measure->error = measure->error ?: err;
}

/* Of a dump, which tells holds, too. */
static void on_netns(void *data, const struct dump_netns *netns)
{
	struct measure *measure = data;
	const struct range *range = netns->range;

	if (!range)
		return;
	keep_error(measure,
		   fill_set_range(measure->fill, &(struct fill_range){
							 .cookie = netns->cookie,
							 .inode = netns->inode,
							 .low = range->low,
							 .high = range->high,
							 .reserved_count = range->reserved_count,
							 .reserved = &range->reserved,
							 .whole = netns->whole,
						 }));
}

static void on_range(void *data, const struct pt_netns *netns, const struct port_set *reserved)
{
	struct measure *measure = data;

	if (!netns->has_range)
		return;
	keep_error(measure, fill_set_range(measure->fill,
					   &(struct fill_range){
						   .cookie = netns->cookie,
						   .inode = netns->inode,
						   .low = netns->low,
						   .high = netns->high,
						   .reserved_count = (unsigned int)netns->reserved,
						   .reserved = reserved,
						   .whole = true,
					   }));
}

/* What the segment says that the recording has come to. */
static void learn_ranges(struct measure *measure)
{
	const struct recorded *recorded = measure->recorded;

	if (!measure->fill || !recorded || recorded->segment == measure->segment)
		return;
	measure->segment = recorded->segment;
	recorded_each_range(reader_segment(recorded->reader, recorded->segment), on_range, measure);
}

static void on_port(void *data, const struct ledger_port *port)
{
	struct measure *measure = data;

	keep_error(measure, fill_hold(measure->fill, port));
}

/* What is held as events begin, or begin again. */
static void on_loaded(void *data, __u64 from)
{
	struct measure *measure = data;
	struct pipeline *pipeline = measure->recorded->pipeline;

	(void)from;
	if (!measure->fill)
		return;
	learn_ranges(measure);
	fill_restart(measure->fill, !pipeline_counts(pipeline).uncertain);
	pipeline_each_port(pipeline, on_port, measure);
}

/* ---- events -------------------------------------------------------------------- */

static bool is_done(const struct measure *measure)
{
	return measure->count && measure->ops->count(measure->what) >= measure->count;
}

static int on_event(struct sink *sink, const struct pt_event *ev)
{
	struct measure *measure = (struct measure *)sink;

	if (is_done(measure) || measure->error)
		return measure->error;
	learn_ranges(measure);
	return measure->ops->event(measure->what, ev, filter_match(&measure->wanted, ev));
}

/*
 * What others do with a port has to be known, whoever is wanted: of the filter the
 * pipeline keeps what the kernel filters, the rest says what counts. So does --count,
 * which is of what counts: no event is shown.
 */
static void split_filter(struct measure *measure)
{
	struct filter *filter = &measure->options->filter;

	measure->count = measure->options->count;
	measure->options->count = 0;
	measure->wanted = *filter;
	*filter =
		(struct filter){ .netns = measure->wanted.netns, .protos = measure->wanted.protos };
	if (measure->ops->fill)
		return;
	filter->has_ports = measure->wanted.has_ports;
	filter->ports = measure->wanted.ports;
}

static enum keyed_by by_of(enum options_by by)
{
	static const enum keyed_by bys[BYS] = {
		[BY_PROTO] = KEYED_BY_PROTO,	 [BY_NETNS] = KEYED_BY_NETNS,
		[BY_PROCESS] = KEYED_BY_PROCESS, [BY_PORT] = KEYED_BY_PORT,
		[BY_REMOTE] = KEYED_BY_REMOTE,	 [BY_FILL] = KEYED_BY_FILL,
	};

	return bys[by];
}

/* Of the span from since until before until; CLOCK_REALTIME, ns. */
static enum exit_status begin(struct measure *measure, __u64 since, __u64 until)
{
	const struct measure_span span = { by_of(measure->options->by), since, until };

	measure->what = measure->ops->begin(&span);
	if (measure->what) {
		measure->fill = measure->ops->fill ? measure->ops->fill(measure->what) : NULL;
		return STATUS_DONE;
	}
	complain("cannot start: %s", strerror(ENOMEM));
	return STATUS_ERROR;
}

/* ---- the result ------------------------------------------------------------------ */

static enum exit_status open_output(struct measure *measure)
{
	enum exit_status status = output_open(&measure->out, measure->options);

	measure->out_is_open = status == STATUS_DONE;
	return status;
}

static enum exit_status write_result(struct measure *measure, __u64 from, __u64 to)
{
	const struct options *options = measure->options;
	const struct measure_ops *ops = measure->ops;
	struct out *out = &measure->out;
	int err;

	ops->end(measure->what, from, to);
	err = (options->json ? ops->write_json : ops->write_text)(out, measure->what, options->top);
	measure->out_is_open = false;
	return output_explain(out, options, out_close(out) ?: err);
}

static void end(struct measure *measure)
{
	if (measure->out_is_open)
		out_close(&measure->out);
	measure->ops->free(measure->what);
}

static const struct sink_ops sink_ops = { .event = on_event };

/* ---- live ------------------------------------------------------------------------ */

static enum exit_status set_up(struct measure *measure, struct session *session)
{
	struct options *options = measure->options;
	enum exit_status status = session_begin(session, options);

	/* now, not after hours of tracing, if there is no way to write it */
	if (status == STATUS_DONE)
		status = open_output(measure);
	if (status == STATUS_DONE) {
		split_filter(measure);
		/* a clock that is set back cuts nothing off */
		status = begin(measure, 0, PT_UNKNOWN);
	}
	if (status == STATUS_DONE)
		status = session_load(session);
	session->no_crowd = true;
	if (status == STATUS_DONE)
		status = session_attach(session, &measure->base);
	if (status != STATUS_DONE)
		return status;
	if (measure->fill)
		upkeep_add_netns(session->upkeep, on_netns, measure);
	return session_start(session);
}

static int look(void *data)
{
	return is_done(data);
}

static enum exit_status trace(struct measure *measure, struct session *session)
{
	const struct session_hooks hooks = { .look = look, .data = measure };
	struct summary summary;
	enum exit_status written;
	int err;

	introduce(measure->options, &session->found);
	err = session_stop(session, session_run(session, &hooks));
	summary = session_summary(session);
	written = write_result(measure, summary.ts - summary.duration_ns, summary.ts);
	return written == STATUS_DONE ? session_conclude(session, err) : written;
}

enum exit_status measure_live(struct options *options, const struct measure_ops *ops)
{
	struct measure measure = { .base.ops = &sink_ops, .ops = ops, .options = options };
	struct session session;
	enum exit_status status = set_up(&measure, &session);

	if (status == STATUS_DONE)
		status = trace(&measure, &session);
	session_end(&session);
	end(&measure);
	return status;
}

/* ---- a recording ----------------------------------------------------------------- */

static void on_gap(void *data, const struct recorded_gap *gap)
{
	struct measure *measure = data;

	recorded_tell_gap(gap);
	if (measure->ops->forget)
		measure->ops->forget(measure->what);
}

/* When the span begins: with the recording, if it is not told to begin later. */
static __u64 first_wall(const struct measure *measure, const struct recorded *recorded)
{
	__u64 first = reader_segment(recorded->reader, 0)->first_wall;

	return measure->options->since_ns > first ? measure->options->since_ns : first;
}

static enum exit_status attach(struct measure *measure, struct recorded *recorded)
{
	enum exit_status status;

	split_filter(measure);
	status = begin(measure, first_wall(measure, recorded), measure->options->until_ns);
	if (status != STATUS_DONE)
		return status;
	recorded->on_gap = on_gap;
	recorded->on_loaded = on_loaded;
	recorded->hook_data = measure;
	recorded->no_crowd = true;
	return recorded_attach(recorded, &measure->base, RECORDED_ALL);
}

static enum exit_status play(struct measure *measure, struct recorded *recorded)
{
	const struct options *options = measure->options;
	const struct filter *filter = &options->filter;
	int err = recorded_play(recorded, filter->has_ports ? &filter->ports : NULL);
	enum exit_status status = recorded_conclude(recorded, err);
	__u64 last = recorded_end(recorded);

	if (status == STATUS_DONE)
		status = open_output(measure);
	if (status != STATUS_DONE)
		return status;
	return write_result(measure, first_wall(measure, recorded),
			    options->until_ns < last ? options->until_ns : last);
}

enum exit_status measure_past(struct options *options, const struct measure_ops *ops)
{
	struct recorded recorded = { 0 };
	struct measure measure = { .base.ops = &sink_ops,
				   .ops = ops,
				   .options = options,
				   .recorded = &recorded,
				   .segment = UINT_MAX };
	enum exit_status status = recorded_open(&recorded, options);

	if (status == STATUS_DONE)
		status = attach(&measure, &recorded);
	if (status == STATUS_DONE)
		status = play(&measure, &recorded);
	recorded_close(&recorded);
	end(&measure);
	return status;
}

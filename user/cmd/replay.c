// SPDX-License-Identifier: BSD-2-Clause
/* porttrace trace -r: recorded events, as they would have been shown live. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "user/cmd/output.h"
#include "user/cmd/recorded.h"
#include "user/cmd/watch.h"
#include "user/recording/reader.h"
#include "user/sink/summary.h"

#define LOOK_EVERY_NS 100000000ULL /* as often as the ring is read live */

struct replay {
	struct options *options;
	struct recorded recorded;
	struct out out;
	struct sink *sink;
	struct watch *watch;  /* NULL: nobody wants to be told */
	unsigned int segment; /* whose ranges it was told */
	bool loaded;	      /* the span begins */
	__u64 looked_at;      /* CLOCK_BOOTTIME, ns */
};

/* ---- --watch ------------------------------------------------------------------------ */

static void on_range(void *data, const struct pt_netns *netns, const struct port_set *reserved)
{
	if (netns->has_range && reserved)
		watch_range(data, &(struct headroom_range){
					  .netns_cookie = netns->cookie,
					  .netns = netns->inode,
					  .low = netns->low,
					  .high = netns->high,
					  .reserved = reserved,
				  });
}

static void tell_ranges(struct replay *replay)
{
	replay->segment = replay->recorded.segment;
	recorded_each_range(reader_segment(replay->recorded.reader, replay->segment), on_range,
			    replay->watch);
}

static void on_loaded(void *data, __u64 from)
{
	struct replay *replay = data;

	(void)from;
	replay->loaded = true;
	watch_restart(replay->watch);
	tell_ranges(replay);
	pipeline_each(replay->recorded.pipeline, watch_hold, replay->watch);
}

static void on_event(void *data, const struct pt_event *ev)
{
	watch_event(((struct replay *)data)->watch, ev);
}

static void on_taken(void *data, __u64 ts)
{
	struct replay *replay = data;

	if (!replay->loaded)
		return;
	if (replay->segment != replay->recorded.segment)
		tell_ranges(replay);
	/* times of another boot may be smaller */
	if (ts - replay->looked_at < LOOK_EVERY_NS)
		return;
	replay->looked_at = ts;
	watch_look(replay->watch, replay->recorded.pipeline, ts);
}

/* As loader_buckets_reopen(), of the kernel that was recorded. */
static bool buckets_reopen(const struct reader_segment *segment)
{
	unsigned int major = 0, minor = 0;

	sscanf(segment->kernel, "%u.%u", &major, &minor);
	return major > 6 || (major == 6 && minor >= 18);
}

struct one_netns {
	__u32 inode;
	unsigned int count;
};

static void count_netns(void *data, const struct pt_netns *netns, const struct port_set *reserved)
{
	struct one_netns *one = data;

	(void)reserved;
	one->inode = netns->inode;
	one->count++;
}

static enum exit_status begin_watch(struct replay *replay)
{
	struct recorded *recorded = &replay->recorded;
	const struct reader_segment *first = reader_segment(recorded->reader, 0);
	struct one_netns one = { 0 };
	struct watch_options watch = { .mark = replay->options->watch,
				       .buckets_reopen = buckets_reopen(first),
				       .fd = STDERR_FILENO };

	if (!watch.mark)
		return STATUS_DONE;
	recorded_each_range(first, count_netns, &one);
	watch.own_netns = one.count == 1 ? one.inode : 0;
	if (watch_new(&watch, &replay->watch)) {
		complain("cannot start: %s", strerror(ENOMEM));
		return STATUS_ERROR;
	}
	recorded->on_loaded = on_loaded;
	recorded->hook_data = replay;
	recorded->observer = on_event;
	recorded->on_taken = on_taken;
	recorded->observer_data = replay;
	return STATUS_DONE;
}

/* ---- events -------------------------------------------------------------------------- */

static enum exit_status make_sink(struct replay *replay)
{
	const struct options *options = replay->options;
	const struct sink_context context = {
		.relative = options->relative,
		.color = output_has_color(options),
		.netns = options->netns_names.count > 1,
		.cgroup_path = reader_cgroup_path,
		.cgroup_data = replay->recorded.reader,
	};
	int err = options->json ? sink_json_new(&replay->out, &context, &replay->sink)
				: sink_table_new(&replay->out, &context, &replay->sink);

	if (!err)
		return recorded_attach(&replay->recorded, replay->sink, RECORDED_SPAN);
	complain("cannot start: %s", strerror(-err));
	return STATUS_ERROR;
}

/* The last moment that was asked for, or that there is. */
static __u64 span_end(const struct replay *replay)
{
	__u64 end = recorded_end(&replay->recorded);

	return replay->options->until_ns < end ? replay->options->until_ns : end;
}

/* To there from the first one. */
static __u64 span(const struct replay *replay)
{
	__u64 from = reader_segment(replay->recorded.reader, 0)->first_wall;
	__u64 since = replay->options->since_ns, to = span_end(replay);

	from = since > from ? since : from;
	return to > from ? to - from : 0;
}

static void summarize(struct replay *replay)
{
	struct summary summary = {
		.totals = pipeline_totals(replay->recorded.pipeline),
		.counts = pipeline_counts(replay->recorded.pipeline),
		/* not now: whoever replays it again gets the same */
		.ts = span_end(replay),
		.duration_ns = span(replay),
	};
	struct out err;

	if (replay->options->json)
		summary_json(&replay->out, &summary);
	if (replay->options->quiet || out_init(&err, STDERR_FILENO))
		return;
	summary_text(&err, &summary);
	out_close(&err);
}

static enum exit_status play(struct replay *replay)
{
	const struct filter *filter = &replay->options->filter;
	int err = recorded_play(&replay->recorded, filter->has_ports ? &filter->ports : NULL);
	enum exit_status written;
	int out_error;

	if (replay->loaded)
		watch_look(replay->watch, replay->recorded.pipeline, replay->looked_at);
	err = err ?: watch_error(replay->watch);
	/* the last events stand before the totals; who closed the pipe wants none */
	if (!sink_flush(replay->sink))
		summarize(replay);
	out_error = sink_end(replay->sink);
	replay->sink = NULL;
	out_error = out_close(&replay->out) ?: out_error;
	written = output_explain(&replay->out, replay->options, out_error);
	return written == STATUS_DONE ? recorded_conclude(&replay->recorded, err) : written;
}

enum exit_status command_replay(struct options *options)
{
	struct replay replay = { .options = options, .recorded.totals = true };
	enum exit_status status = recorded_open(&replay.recorded, options);

	if (status == STATUS_DONE)
		status = begin_watch(&replay);
	if (status == STATUS_DONE)
		status = output_open(&replay.out, options);
	if (status == STATUS_DONE) {
		status = make_sink(&replay);
		if (status == STATUS_DONE)
			status = play(&replay);
		else
			out_close(&replay.out);
	}
	sink_end(replay.sink);
	watch_free(replay.watch);
	recorded_close(&replay.recorded);
	return status;
}

// SPDX-License-Identifier: BSD-2-Clause
/* porttrace trace -r: recorded events, as they would have been shown live. */
#include <string.h>
#include <unistd.h>

#include "user/cmd/output.h"
#include "user/cmd/recorded.h"
#include "user/recording/reader.h"
#include "user/sink/summary.h"

struct replay {
	struct options *options;
	struct recorded recorded;
	struct out out;
	struct sink *sink;
};

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
		status = output_open(&replay.out, options);
	if (status == STATUS_DONE) {
		status = make_sink(&replay);
		if (status == STATUS_DONE)
			status = play(&replay);
		else
			out_close(&replay.out);
	}
	sink_end(replay.sink);
	recorded_close(&replay.recorded);
	return status;
}

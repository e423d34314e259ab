// SPDX-License-Identifier: BSD-2-Clause
/* porttrace reuse: how soon ports are used again, live or in a recording. */
#include "user/sink/reuse.h"

#include <errno.h>
#include <string.h>

#include "user/cmd/output.h"
#include "user/cmd/recorded.h"
#include "user/cmd/session.h"
#include "user/pipeline/pipeline.h"

struct reuse_command {
	struct sink base; /* of the pipeline: events into reuse */
	struct options *options;
	struct filter wanted; /* what counts, of all that is followed */
	__u64 count;	      /* of allocations; 0: no end */
	struct reuse *reuse;
	struct out out;
	bool out_is_open;
};

/* ---- events -------------------------------------------------------------------- */

static bool is_done(const struct reuse_command *command)
{
	return command->count && command->reuse->all.allocs >= command->count;
}

static int on_event(struct sink *sink, const struct pt_event *ev)
{
	struct reuse_command *command = (struct reuse_command *)sink;

	if (is_done(command))
		return 0;
	return reuse_event(command->reuse, ev, filter_match(&command->wanted, ev));
}

/*
 * When a 4-tuple was used is only known if all users of its port are followed: of the
 * filter the pipeline keeps what the kernel filters, the rest says what counts. So does
 * --count, which is of allocations: nothing else is shown.
 */
static void split_filter(struct reuse_command *command)
{
	struct filter *filter = &command->options->filter;

	command->count = command->options->count;
	command->options->count = 0;
	command->wanted = *filter;
	*filter = (struct filter){
		.has_ports = command->wanted.has_ports,
		.ports = command->wanted.ports,
		.netns = command->wanted.netns,
		.protos = command->wanted.protos,
	};
}

static enum keyed_by by_of(enum options_by by)
{
	static const enum keyed_by bys[BYS] = {
		[BY_PROTO] = KEYED_BY_PROTO,
		[BY_NETNS] = KEYED_BY_NETNS,
		[BY_PROCESS] = KEYED_BY_PROCESS,
		[BY_PORT] = KEYED_BY_PORT,
	};

	return bys[by];
}

/* Of the span from since until before until; CLOCK_REALTIME, ns. */
static enum exit_status make_reuse(struct reuse_command *command, __u64 since, __u64 until)
{
	command->reuse = reuse_new(&(struct reuse_options){
		.by = by_of(command->options->by),
		.since = since,
		.until = until,
	});
	if (command->reuse)
		return STATUS_DONE;
	complain("cannot start: %s", strerror(ENOMEM));
	return STATUS_ERROR;
}

/* ---- the result ------------------------------------------------------------------ */

static enum exit_status open_output(struct reuse_command *command)
{
	enum exit_status status = output_open(&command->out, command->options);

	command->out_is_open = status == STATUS_DONE;
	return status;
}

/* wall: where the span ends. */
static enum exit_status write_reuse(struct reuse_command *command, __u64 wall)
{
	const struct options *options = command->options;
	struct out *out = &command->out;
	int err;

	reuse_end(command->reuse, wall);
	err = options->json ? reuse_write_json(out, command->reuse, options->top)
			    : reuse_write_text(out, command->reuse, options->top);
	command->out_is_open = false;
	return output_explain(out, options, out_close(out) ?: err);
}

static void end(struct reuse_command *command)
{
	if (command->out_is_open)
		out_close(&command->out);
	reuse_free(command->reuse);
}

static const struct sink_ops ops = { .event = on_event };

/* ---- live ------------------------------------------------------------------------ */

static enum exit_status set_up(struct reuse_command *command, struct session *session)
{
	struct options *options = command->options;
	enum exit_status status = session_begin(session, options);

	/* now, not after hours of tracing, if there is no way to write it */
	if (status == STATUS_DONE)
		status = open_output(command);
	if (status == STATUS_DONE) {
		split_filter(command);
		/* a clock that is set back cuts nothing off */
		status = make_reuse(command, 0, PT_UNKNOWN);
	}
	if (status == STATUS_DONE)
		status = session_load(session);
	if (status == STATUS_DONE)
		status = session_attach(session, &command->base);
	return status == STATUS_DONE ? session_start(session) : status;
}

static int look(void *data)
{
	return is_done(data);
}

static enum exit_status trace(struct reuse_command *command, struct session *session)
{
	const struct session_hooks hooks = { .look = look, .data = command };
	struct summary summary;
	enum exit_status written;
	int err;

	introduce(command->options, &session->found);
	err = session_stop(session, session_run(session, &hooks));
	summary = session_summary(session);
	reuse_begin(command->reuse, summary.ts - summary.duration_ns);
	written = write_reuse(command, summary.ts);
	return written == STATUS_DONE ? session_conclude(session, err) : written;
}

enum exit_status command_reuse(struct options *options)
{
	struct reuse_command command = { .base.ops = &ops, .options = options };
	struct session session;
	enum exit_status status = set_up(&command, &session);

	if (status == STATUS_DONE)
		status = trace(&command, &session);
	session_end(&session);
	end(&command);
	return status;
}

/* ---- a recording ----------------------------------------------------------------- */

static void on_gap(void *data, const struct recorded_gap *gap)
{
	struct reuse_command *command = data;

	recorded_tell_gap(gap);
	reuse_forget(command->reuse);
}

static enum exit_status attach(struct reuse_command *command, struct recorded *recorded)
{
	const struct options *options = command->options;
	__u64 first = reader_segment(recorded->reader, 0)->first_wall;
	__u64 since = options->since_ns > first ? options->since_ns : first;
	enum exit_status status;

	split_filter(command);
	status = make_reuse(command, since, options->until_ns);
	if (status != STATUS_DONE)
		return status;
	reuse_begin(command->reuse, since);
	recorded->on_gap = on_gap;
	recorded->hook_data = command;
	return recorded_attach(recorded, &command->base, RECORDED_ALL);
}

static enum exit_status play(struct reuse_command *command, struct recorded *recorded)
{
	const struct options *options = command->options;
	const struct filter *filter = &options->filter;
	int err = recorded_play(recorded, filter->has_ports ? &filter->ports : NULL);
	enum exit_status status = recorded_conclude(recorded, err);
	__u64 last = recorded_end(recorded);

	if (status == STATUS_DONE)
		status = open_output(command);
	if (status != STATUS_DONE)
		return status;
	return write_reuse(command, options->until_ns < last ? options->until_ns : last);
}

enum exit_status command_reuse_past(struct options *options)
{
	struct reuse_command command = { .base.ops = &ops, .options = options };
	struct recorded recorded = { 0 };
	enum exit_status status = recorded_open(&recorded, options);

	if (status == STATUS_DONE)
		status = attach(&command, &recorded);
	if (status == STATUS_DONE)
		status = play(&command, &recorded);
	recorded_close(&recorded);
	end(&command);
	return status;
}

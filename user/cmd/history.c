// SPDX-License-Identifier: BSD-2-Clause
/* porttrace history: every hold of a port. */
#include "user/stats/history.h"

#include <errno.h>
#include <string.h>

#include "user/cmd/output.h"
#include "user/cmd/recorded.h"
#include "user/sink/history.h"

#define DAY_NS (86400 * 1000000000ULL)

struct history_command {
	struct sink base; /* of the pipeline: events into the history */
	struct options *options;
	struct recorded recorded;
	struct history *history;
	struct history_sink *sink;
	struct out out;
	int error;
	__u64 shown;
	/* of a keyframe: */
	__u64 loaded_at; /* CLOCK_REALTIME, ns */
	struct ledger_unit last;
};

static void keep_error(struct history_command *command, int err)
{
	if (err && !command->error)
		command->error = err;
}

static int on_event(struct sink *sink, const struct pt_event *ev)
{
	struct history_command *command = (struct history_command *)sink;

	return history_event(command->history, ev);
}

/* Rows of before the span are only needed to know what goes on in it. */
static bool is_before(const struct history_row *row, __u64 since)
{
	if (row->kind == HISTORY_FAIL)
		return row->ts < since;
	return row->ended != PT_UNKNOWN && !row->still_held && row->ended < since;
}

static int on_row(void *data, const struct history_row *row)
{
	struct history_command *command = data;

	if (is_before(row, command->options->since_ns))
		return 0;
	command->shown++;
	return history_sink_row(command->sink, row);
}

/* ---- where the ledger begins anew ------------------------------------------------ */

static struct pt_event event_of(const struct history_command *command,
				const struct ledger_unit *unit)
{
	struct pt_event ev = pt_event_of_unit(unit);

	ev.realtime_offset = command->recorded.realtime_offset;
	ev.ts = command->loaded_at - ev.realtime_offset;
	if (unit->since != PT_UNKNOWN && ev.ts > unit->since)
		ev.held_ns = ev.ts - unit->since;
	if (unit->time_wait && unit->since != PT_UNKNOWN && unit->closed > unit->since)
		ev.open_ns = unit->closed - unit->since;
	return ev;
}

/* A hold is told once, though its socket and its TIME_WAITs are units each. */
static void on_unit(void *data, const struct ledger_unit *unit)
{
	struct history_command *command = data;
	const struct ledger_unit *last = &command->last;
	struct pt_event ev = event_of(command, unit);

	if (last->sock == unit->sock && last->port == unit->port &&
	    pt_space_is_same(&last->space, &unit->space))
		return;
	command->last = *unit;
	if (filter_match(&command->options->filter, &ev))
		keep_error(command, history_held(command->history, &ev));
}

static void on_loaded(void *data, __u64 from)
{
	struct history_command *command = data;

	command->loaded_at = from;
	command->last = (struct ledger_unit){ 0 };
	pipeline_each(command->recorded.pipeline, on_unit, command);
	keep_error(command, history_settle(command->history));
}

static void on_gap(void *data, const struct recorded_gap *gap)
{
	struct history_command *command = data;
	int err = history_gap(command->history, gap->from, gap->to, gap->why);

	/* cookies begin anew: nobody goes on */
	if (!err && gap->booted)
		err = history_settle(command->history);
	keep_error(command, err);
}

/* ---- all of it -------------------------------------------------------------------- */

static __u64 end_of(const struct history_command *command)
{
	__u64 last = recorded_end(&command->recorded);

	return command->options->until_ns < last ? command->options->until_ns : last;
}

static bool needs_dates(const struct history_command *command)
{
	__u64 begin = reader_segment(command->recorded.reader, 0)->first_wall;

	if (command->options->since_ns > begin)
		begin = command->options->since_ns;
	return command->options->now_ns - begin > DAY_NS;
}

static enum exit_status begin(struct history_command *command)
{
	const struct options *options = command->options;
	const struct sink_context context = {
		.color = output_has_color(options),
		.cgroup_path = reader_cgroup_path,
		.cgroup_data = command->recorded.reader,
	};
	int err = options->json ? history_json_new(&command->out, &context, &command->sink)
				: history_table_new(&command->out, &context, needs_dates(command),
						    &command->sink);

	command->history = err ? NULL : history_new(on_row, command);
	if (command->history)
		return recorded_attach(&command->recorded, &command->base, RECORDED_ALL);
	complain("cannot start: %s", strerror(err ? -err : ENOMEM));
	return STATUS_ERROR;
}

static enum exit_status conclude(const struct history_command *command)
{
	char since[RECORDED_TIME_LEN], until[RECORDED_TIME_LEN];

	if (command->shown)
		return STATUS_DONE;
	recorded_time(command->options->since_ns
			      ?: reader_segment(command->recorded.reader, 0)->first_wall,
		      since);
	complain("port %u: nobody held it, or asked for it, from %s to %s", command->options->port,
		 since, recorded_time(end_of(command), until));
	return STATUS_NOT_KNOWN;
}

static enum exit_status run(struct history_command *command)
{
	int err, out_error;
	enum exit_status status;

	err = recorded_play(&command->recorded, &command->options->filter.ports);
	if (!err && !command->error)
		keep_error(command, history_end(command->history, end_of(command)));
	out_error = out_close(&command->out);
	if (out_error)
		return output_explain(&command->out, command->options, out_error);
	status = recorded_conclude(&command->recorded, err ?: command->error);
	return status == STATUS_DONE ? conclude(command) : status;
}

enum exit_status command_history(struct options *options)
{
	static const struct sink_ops ops = { .event = on_event };
	struct history_command command = { .base.ops = &ops, .options = options };
	enum exit_status status = recorded_open(&command.recorded, options);

	command.recorded.on_gap = on_gap;
	command.recorded.on_loaded = on_loaded;
	command.recorded.hook_data = &command;
	if (status == STATUS_DONE)
		status = output_open(&command.out, options);
	if (status == STATUS_DONE) {
		status = begin(&command);
		if (status == STATUS_DONE)
			status = run(&command);
		else
			out_close(&command.out);
	}
	history_free(command.history);
	history_sink_free(command.sink);
	recorded_close(&command.recorded);
	return status;
}

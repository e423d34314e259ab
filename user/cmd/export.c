// SPDX-License-Identifier: BSD-2-Clause
/* porttrace export: a recording for other programs. */
#include <errno.h>
#include <string.h>

#include "user/base/out.h"
#include "user/cmd/output.h"
#include "user/cmd/recorded.h"
#include "user/sink/sqlite.h"

struct export_command {
	struct options *options;
	struct recorded recorded;
	struct sink *sink;
	struct out out;		 /* jsonl, csv */
	struct parse_reason why; /* sqlite: of its error */
	int error;
};

static bool is_database(const struct export_command *command)
{
	return command->options->format == FORMAT_SQLITE;
}

static void keep_error(struct export_command *command, int err)
{
	if (err && !command->error)
		command->error = err;
}

/* ---- a database knows what is held ---------------------------------------------- */

static void on_unit(void *data, const struct ledger_unit *unit)
{
	struct export_command *command = data;

	if (recorded_passes(&command->recorded, unit))
		keep_error(command, sink_sqlite_held(command->sink, unit,
						     command->recorded.realtime_offset));
}

static void on_loaded(void *data, __u64 from)
{
	struct export_command *command = data;

	(void)from;
	if (is_database(command))
		pipeline_each(command->recorded.pipeline, on_unit, command);
}

static void on_gap(void *data, const struct recorded_gap *gap)
{
	struct export_command *command = data;

	recorded_tell_gap(gap);
	if (is_database(command))
		keep_error(command, sink_sqlite_gap(command->sink));
}

/* What its readers need to know of where it comes from. */
static void describe(struct export_command *command)
{
	const struct reader *reader = command->recorded.reader;
	const struct reader_segment *last = reader_segment(reader, reader_segments(reader) - 1);

	keep_error(command, sink_sqlite_meta(command->sink, "host", last->host));
	keep_error(command, sink_sqlite_meta(command->sink, "kernel", last->kernel));
	keep_error(command, sink_sqlite_meta(command->sink, "version", last->version));
	keep_error(command,
		   sink_sqlite_meta(command->sink, "recording", command->options->recording));
	/* with the port ranges of its namespaces */
	keep_error(command, sink_sqlite_meta(command->sink, "segment", last->about));
}

/* ---- all of it -------------------------------------------------------------------- */

static enum exit_status open_database(struct export_command *command,
				      const struct sink_context *context)
{
	if (!sink_sqlite_new(command->options->write, context, &command->sink, &command->why)) {
		describe(command);
		return STATUS_DONE;
	}
	complain("%s", command->why.text);
	return STATUS_ERROR;
}

static enum exit_status open_lines(struct export_command *command,
				   const struct sink_context *context)
{
	enum exit_status status = output_open(&command->out, command->options);
	int err;

	if (status != STATUS_DONE)
		return status;
	err = command->options->format == FORMAT_CSV
		      ? sink_csv_new(&command->out, context, &command->sink)
		      : sink_json_new(&command->out, context, &command->sink);
	if (!err)
		return STATUS_DONE;
	out_close(&command->out);
	complain("cannot start: %s", strerror(-err));
	return STATUS_ERROR;
}

static enum exit_status close_lines(struct export_command *command, int err)
{
	err = out_close(&command->out) ?: err;
	return output_explain(&command->out, command->options, err);
}

static enum exit_status close_database(const struct export_command *command, int err)
{
	if (!err)
		return STATUS_DONE;
	complain("%s", command->why.text);
	return STATUS_ERROR;
}

static enum exit_status finish(struct export_command *command, int err)
{
	enum exit_status status;

	/* what is not whole is no export */
	if (is_database(command) && err)
		sink_sqlite_abandon(command->sink);
	status = is_database(command)
			 ? close_database(command, sink_end(command->sink) ?: command->error)
			 : close_lines(command, sink_end(command->sink));
	return status == STATUS_DONE ? recorded_conclude(&command->recorded, err) : status;
}

static enum exit_status run(struct export_command *command)
{
	const struct filter *filter = &command->options->filter;
	const struct sink_context context = {
		.cgroup_path = reader_cgroup_path,
		.cgroup_data = command->recorded.reader,
	};
	enum exit_status status = is_database(command) ? open_database(command, &context)
						       : open_lines(command, &context);
	int err;

	if (status != STATUS_DONE)
		return status;
	status = recorded_attach(&command->recorded, command->sink, RECORDED_SPAN);
	err = status == STATUS_DONE
		      ? recorded_play(&command->recorded, filter->has_ports ? &filter->ports : NULL)
		      : -ENOMEM;
	return finish(command, err);
}

enum exit_status command_export(struct options *options)
{
	struct export_command command = { .options = options };
	enum exit_status status;

	command.recorded.on_gap = on_gap;
	command.recorded.on_loaded = on_loaded;
	command.recorded.hook_data = &command;
	/* where the others have -o */
	options->output = options->write;
	status = recorded_open(&command.recorded, options);
	if (status == STATUS_DONE)
		status = run(&command);
	recorded_close(&command.recorded);
	return status;
}

// SPDX-License-Identifier: BSD-2-Clause
/* porttrace report: a span of a recording in numbers. */
#include "user/sink/report.h"

#include <errno.h>
#include <string.h>

#include "user/cmd/by.h"
#include "user/cmd/output.h"
#include "user/cmd/recorded.h"

struct report_command {
	struct sink base; /* of the pipeline: events into the report */
	struct options *options;
	struct recorded recorded;
	struct report *report;
	struct report_view view;
	struct out out;
	int error;
};

static int on_event(struct sink *sink, const struct pt_event *ev)
{
	return report_event(((struct report_command *)sink)->report, ev);
}

static void on_unit(void *data, const struct ledger_unit *unit)
{
	struct report_command *command = data;
	int err;

	if (!recorded_passes(&command->recorded, unit))
		return;
	err = report_hold(command->report, unit);
	if (err && !command->error)
		command->error = err;
}

static void on_loaded(void *data, __u64 from)
{
	struct report_command *command = data;

	(void)from;
	pipeline_each(command->recorded.pipeline, on_unit, command);
}

static void on_gap(void *data, const struct recorded_gap *gap)
{
	struct report_command *command = data;

	recorded_tell_gap(gap);
	report_forget(command->report);
}

static enum exit_status choose(struct report_command *command)
{
	char names[REPORT_SORT_NAMES_MAX], quoted[PARSE_QUOTE_LEN];
	const char *key = command->options->sort ?: "fails";
	enum report_by by = by_of(command->options->by);

	command->view = (struct report_view){ report_sort_key(by, key), command->options->top };
	if (command->view.sort >= 0)
		return STATUS_DONE;
	complain("--sort: %s is none of %s", parse_quote(key, strlen(key), quoted),
		 report_sort_names(by, names));
	return STATUS_USAGE;
}

static __u64 max(__u64 a, __u64 b)
{
	return a > b ? a : b;
}

static __u64 min(__u64 a, __u64 b)
{
	return a < b ? a : b;
}

static enum exit_status begin(struct report_command *command)
{
	const struct options *options = command->options;
	const struct reader *reader = command->recorded.reader;
	struct report_options with = {
		.by = by_of(options->by),
		.since = max(options->since_ns, reader_segment(reader, 0)->first_wall),
		.until = options->until_ns,
		.cgroup_path = reader_cgroup_path,
		.cgroup_data = command->recorded.reader,
	};

	command->report = report_new(&with);
	if (command->report)
		return recorded_attach(&command->recorded, &command->base, RECORDED_SPAN);
	complain("cannot start: %s", strerror(ENOMEM));
	return STATUS_ERROR;
}

static int write_report(struct report_command *command)
{
	struct out *out = &command->out;

	if (command->options->format == FORMAT_CSV)
		return report_write_csv(out, command->report, &command->view);
	if (command->options->json)
		return report_write_json(out, command->report, &command->view);
	return report_write_text(out, command->report, &command->view);
}

static enum exit_status run(struct report_command *command)
{
	const struct filter *filter = &command->options->filter;
	int err = recorded_play(&command->recorded, filter->has_ports ? &filter->ports : NULL);
	enum exit_status status;

	status = recorded_conclude(&command->recorded, err ?: command->error);
	if (status == STATUS_DONE)
		status = output_open(&command->out, command->options);
	if (status != STATUS_DONE)
		return status;
	err = report_end(command->report,
			 min(command->options->until_ns, recorded_end(&command->recorded)));
	err = err ?: write_report(command);
	return output_explain(&command->out, command->options, out_close(&command->out) ?: err);
}

enum exit_status command_report(struct options *options)
{
	static const struct sink_ops ops = { .event = on_event };
	struct report_command command = { .base.ops = &ops, .options = options };
	enum exit_status status = choose(&command);

	command.recorded.no_crowd = true;
	command.recorded.on_gap = on_gap;
	command.recorded.on_loaded = on_loaded;
	command.recorded.hook_data = &command;
	if (status == STATUS_DONE)
		status = recorded_open(&command.recorded, options);
	if (status == STATUS_DONE)
		status = begin(&command);
	if (status == STATUS_DONE)
		status = run(&command);
	report_free(command.report);
	recorded_close(&command.recorded);
	return status;
}

// SPDX-License-Identifier: BSD-2-Clause
/* porttrace trace: live events, until a signal, a count or a time ends it. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "user/cmd/session.h"
#include "user/live/cgroup.h"
#include "user/pipeline/pipeline.h"
#include "user/sink/summary.h"

struct trace {
	struct options *options;
	struct session session;
	struct out out;
	bool out_is_open;
	struct sink *sink;
};

static const char *output_name(const struct options *options)
{
	return options->output ?: "standard output";
}

/* ---- set up ------------------------------------------------------------------ */

static enum exit_status open_output(struct trace *trace)
{
	int err = trace->options->output ? out_open(&trace->out, trace->options->output)
					 : out_init(&trace->out, STDOUT_FILENO);

	if (err) {
		complain("%s: %s", output_name(trace->options), strerror(-err));
		return STATUS_ERROR;
	}
	trace->out_is_open = true;
	return STATUS_DONE;
}

static enum exit_status make_sink(struct trace *trace)
{
	const struct options *options = trace->options;
	struct sink_context context = {
		.relative = options->relative,
		.start = trace->session.start,
		.color = options_use_color(options->color,
					   !options->output && isatty(STDOUT_FILENO)),
		.netns = options->netns_names.count > 1,
		.cgroup_path = cgroup_path,
		.cgroup_data = trace->session.cgroups,
	};
	int err = options->json ? sink_json_new(&trace->out, &context, &trace->sink)
				: sink_table_new(&trace->out, &context, &trace->sink);

	if (!err)
		return STATUS_DONE;
	complain("cannot start: %s", strerror(-err));
	return STATUS_ERROR;
}

static enum exit_status set_up(struct trace *trace)
{
	struct session *session = &trace->session;
	enum exit_status status = session_begin(session, trace->options);

	if (status == STATUS_DONE)
		status = open_output(trace);
	if (status == STATUS_DONE)
		status = session_load(session);
	if (status == STATUS_DONE)
		status = make_sink(trace);
	if (status == STATUS_DONE)
		status = session_attach(session, trace->sink);
	return status == STATUS_DONE ? session_start(session) : status;
}

/* ---- the loop ---------------------------------------------------------------- */

/* Nobody reads: told by the pipe even while there is nothing to write. */
static bool reader_is_gone(const struct trace *trace)
{
	struct pollfd fd = { .fd = trace->out.fd };

	return poll(&fd, 1, 0) == 1 && fd.revents & POLLERR;
}

static int look(void *data)
{
	struct trace *trace = data;

	if (reader_is_gone(trace))
		return -EPIPE;
	return sink_flush(trace->sink) ? 1 : 0; /* sink_end() tells the error again */
}

/* ---- the end ----------------------------------------------------------------- */

static void summarize(struct trace *trace)
{
	struct audit_counts audit = upkeep_audit_counts(trace->session.upkeep);
	struct summary summary = session_summary(&trace->session);
	struct out err;

	summary.audit = trace->options->audit ? &audit : NULL;
	if (trace->options->json)
		summary_json(&trace->out, &summary);
	if (trace->options->quiet || out_init(&err, STDERR_FILENO))
		return;
	summary_text(&err, &summary);
	out_close(&err);
}

/* How the output ended: what is on it, and whether its last line is whole. */
static enum exit_status explain_output(const struct trace *trace, int err)
{
	if (err == -EPIPE)
		complain("%s: its reader closed it; stopped", output_name(trace->options));
	else
		complain("%s: %s; %llu bytes were written, %s", output_name(trace->options),
			 strerror(-err), out_written(&trace->out),
			 out_cut(&trace->out) ? "the last line is cut" : "all lines whole");
	return STATUS_ERROR;
}

/* What the audit says of the ledger is worth more than a loss, which it says itself. */
static enum exit_status conclude(const struct trace *trace)
{
	struct audit_counts audit = upkeep_audit_counts(trace->session.upkeep);
	enum exit_status status = session_explain_loss(&trace->session);

	if (!trace->options->audit)
		return status;
	if (!audit.audits) {
		complain("the audit could not be done; nothing is known of the ledger");
		return STATUS_ERROR;
	}
	return audit_failed(&audit) ? STATUS_AUDIT : status;
}

static enum exit_status finish(struct trace *trace, int run_error)
{
	struct session *session = &trace->session;
	int err, out_error;

	/* while the programs still run: what happens meanwhile is told */
	if (trace->options->audit && !run_error && !session_record_error(session))
		upkeep_audit(session->upkeep);
	err = session_drain(session);
	err = run_error ?: err;
	sink_flush(trace->sink); /* the last events stand before the totals */
	summarize(trace);
	out_error = sink_end(trace->sink);
	trace->sink = NULL;
	trace->out_is_open = false;
	out_error = out_close(&trace->out) ?: out_error;
	if (err == -EPIPE)
		out_error = err;
	if (out_error)
		return explain_output(trace, out_error);
	if (err) {
		complain("cannot read the ring: %s", strerror(-err));
		return STATUS_ERROR;
	}
	if (session_record_error(session)) {
		complain("a record could not be taken into the ledger: %s",
			 strerror(-session_record_error(session)));
		return STATUS_ERROR;
	}
	return conclude(trace);
}

enum exit_status command_trace(struct options *options)
{
	struct trace trace = { .options = options };
	enum exit_status status = set_up(&trace);

	if (status == STATUS_DONE) {
		introduce(options, &trace.session.found);
		status = finish(&trace, session_run(&trace.session,
						    &(struct session_hooks){ .look = look,
									     .data = &trace }));
	}
	sink_end(trace.sink);
	if (trace.out_is_open)
		out_close(&trace.out);
	session_end(&trace.session);
	return status;
}

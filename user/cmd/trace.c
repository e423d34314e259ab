// SPDX-License-Identifier: BSD-2-Clause
/* porttrace trace: live events, until a signal, a count or a time ends it. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "user/cmd/output.h"
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

/* ---- set up ------------------------------------------------------------------ */

static enum exit_status make_sink(struct trace *trace)
{
	const struct options *options = trace->options;
	struct sink_context context = {
		.relative = options->relative,
		.start = trace->session.start,
		.color = output_has_color(options),
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
		status = output_open(&trace->out, trace->options);
	trace->out_is_open = status == STATUS_DONE;
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

static enum exit_status finish(struct trace *trace, int run_error)
{
	int err = session_stop(&trace->session, run_error), out_error;

	sink_flush(trace->sink); /* the last events stand before the totals */
	summarize(trace);
	out_error = sink_end(trace->sink);
	trace->sink = NULL;
	trace->out_is_open = false;
	out_error = out_close(&trace->out) ?: out_error;
	if (err == -EPIPE)
		out_error = err;
	if (out_error)
		return output_explain(&trace->out, trace->options, out_error);
	return session_conclude(&trace->session, err);
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

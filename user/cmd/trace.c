// SPDX-License-Identifier: BSD-2-Clause
/* porttrace trace: live events, until a signal, a count or a time ends it. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "user/cmd/commands.h"
#include "user/cmd/introduce.h"
#include "user/cmd/upkeep.h"
#include "user/live/cgroup.h"
#include "user/live/loader.h"
#include "user/live/netns.h"
#include "user/live/ring.h"
#include "user/pipeline/pipeline.h"
#include "user/sink/summary.h"

#define PROGRAMS_MAX 64

struct trace {
	struct options *options;
	struct out out;
	bool out_is_open;
	struct cgroup_paths *cgroups;
	struct loader *loader;
	struct ring *ring;
	struct sink *sink;
	struct pipeline *pipeline;
	struct upkeep *upkeep;
	struct introduction found;
	int signals; /* signalfd */
	__u64 start; /* CLOCK_BOOTTIME, ns */
	__u64 end;
};

static __u64 now_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (__u64)ts.tv_sec * 1000000000ULL + (__u64)ts.tv_nsec;
}

static const char *output_name(const struct options *options)
{
	return options->output ?: "standard output";
}

/* ---- set up ------------------------------------------------------------------ */

/* What can be checked only by looking at this host. */
static enum exit_status resolve_names(struct trace *trace)
{
	struct filter *filter = &trace->options->filter;
	char quoted[PARSE_QUOTE_LEN];
	struct parse_reason why;
	__u32 inode;

	for (unsigned int i = 0; i < trace->options->netns_names.count; i++) {
		if (netns_resolve(trace->options->netns_names.values[i], &inode, &why)) {
			complain("--netns: %s", why.text);
			return STATUS_USAGE;
		}
		filter_add_u32(&filter->netns, inode);
	}
	for (unsigned int i = 0; i < filter->pids.count; i++)
		if (kill((pid_t)filter->pids.values[i], 0) && errno == ESRCH) {
			complain("--pid: there is no process %u", filter->pids.values[i]);
			return STATUS_USAGE;
		}
	for (unsigned int i = 0; i < filter->cgroups.count; i++) {
		const char *path = cgroup_resolve(trace->cgroups, filter->cgroups.values[i]);

		if (!path) {
			parse_quote(filter->cgroups.values[i], strlen(filter->cgroups.values[i]),
				    quoted);
			complain("--cgroup: there is no cgroup (v2) %s", quoted);
			return STATUS_USAGE;
		}
		filter->cgroups.values[i] = path;
	}
	filter->cgroup_path = cgroup_path;
	filter->cgroup_data = trace->cgroups;
	return STATUS_DONE;
}

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

/* Signals are read where the loop looks at them, so that none cuts a line. */
static int block_signals(void)
{
	sigset_t ends;

	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGHUP);
	signal(SIGPIPE, SIG_IGN); /* a closed pipe is an error of the output */
	sigprocmask(SIG_BLOCK, &ends, NULL);
	return signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK);
}

static enum exit_status load(struct trace *trace)
{
	const struct filter *filter = &trace->options->filter;
	struct loader_options options = {
		.ports = filter->has_ports ? filter->ports.words : NULL,
		.netns = filter_only_netns(filter),
		.proto = filter_only_proto(filter),
		.buffer_size = trace->options->buffer_size,
		.audit = trace->options->audit,
		.verbose = trace->options->verbose,
	};
	char reason[512];
	int err = loader_new(&options, &trace->loader, reason, sizeof(reason));

	if (!err)
		return STATUS_DONE;
	complain("%s", reason);
	if (err != -EPERM && err != -EOPNOTSUPP)
		return STATUS_ERROR;
	fprintf(stderr, "porttrace doctor tells what is missing and what to do about it.\n");
	return STATUS_NOT_ALLOWED;
}

static int make_sink(struct trace *trace)
{
	const struct options *options = trace->options;
	struct sink_context context = {
		.relative = options->relative,
		.start = trace->start,
		.color = options_use_color(options->color,
					   !options->output && isatty(STDOUT_FILENO)),
		.netns = options->netns_names.count > 1,
		.cgroup_path = cgroup_path,
		.cgroup_data = trace->cgroups,
	};

	return options->json ? sink_json_new(&trace->out, &context, &trace->sink)
			     : sink_table_new(&trace->out, &context, &trace->sink);
}

static int make_pipeline(struct trace *trace)
{
	int err = make_sink(trace);

	if (err)
		return err;
	trace->pipeline = pipeline_new(&(struct pipeline_options){
		.filter = &trace->options->filter,
		.sink = trace->sink,
		.count = trace->options->count,
	});
	if (!trace->pipeline)
		return -ENOMEM;
	pipeline_set_clock(trace->pipeline, now_ns(CLOCK_REALTIME) - now_ns(CLOCK_BOOTTIME));
	trace->upkeep = upkeep_new(trace->options, trace->loader, trace->pipeline);
	if (!trace->upkeep)
		return -ENOMEM;
	err = ring_new(loader_ring_fd(trace->loader), upkeep_record, trace->upkeep, &trace->ring);
	if (err)
		return err;
	upkeep_set_ring(trace->upkeep, trace->ring);
	return ring_watch(trace->ring, trace->signals);
}

/* Who held ports before now. */
static enum exit_status survey(struct trace *trace)
{
	int err;

	if (trace->options->no_snapshot)
		return STATUS_DONE;
	err = upkeep_snapshot(trace->upkeep, trace->start);
	trace->found = (struct introduction){ .surveyed = !err,
					      .holds = pipeline_counts(trace->pipeline).holds };
	if (!err)
		return STATUS_DONE;
	complain("cannot take the snapshot of the sockets there are: %s; --no-snapshot traces "
		 "without",
		 strerror(-err));
	return STATUS_ERROR;
}

static enum exit_status set_up(struct trace *trace)
{
	enum exit_status status;
	int err;

	trace->signals = block_signals();
	trace->cgroups = cgroup_paths_new();
	if (trace->signals < 0 || !trace->cgroups) {
		complain("cannot start: %s", strerror(errno));
		return STATUS_ERROR;
	}
	status = resolve_names(trace);
	if (status == STATUS_DONE)
		status = open_output(trace);
	if (status == STATUS_DONE)
		status = load(trace);
	if (status != STATUS_DONE)
		return status;
	trace->start = now_ns(CLOCK_BOOTTIME);
	err = make_pipeline(trace);
	if (!err) {
		loader_start(trace->loader);
		return survey(trace);
	}
	complain("cannot read the ring: %s", strerror(-err));
	return STATUS_ERROR;
}

/* ---- the loop ---------------------------------------------------------------- */

static bool signal_came(const struct trace *trace)
{
	struct signalfd_siginfo info;

	return read(trace->signals, &info, sizeof(info)) == sizeof(info);
}

/* Nobody reads: told by the pipe even while there is nothing to write. */
static bool reader_is_gone(const struct trace *trace)
{
	struct pollfd fd = { .fd = trace->out.fd };

	return poll(&fd, 1, 0) == 1 && fd.revents & POLLERR;
}

/* A record that is in no ledger. */
static int record_error(const struct trace *trace)
{
	return pipeline_error(trace->pipeline) ?: upkeep_error(trace->upkeep);
}

static bool is_over(const struct trace *trace)
{
	__u64 limit = trace->options->duration_ns;

	return pipeline_is_done(trace->pipeline) || record_error(trace) || signal_came(trace) ||
	       (limit && now_ns(CLOCK_BOOTTIME) - trace->start >= limit);
}

/* What is done each time the ring was read empty; lost: counted before that. */
static int look_around(struct trace *trace, __u64 lost)
{
	pipeline_lost(trace->pipeline, lost, now_ns(CLOCK_BOOTTIME));
	if (reader_is_gone(trace))
		return -EPIPE;
	upkeep_look(trace->upkeep);
	return 0;
}

/* Returns 0 or a negative errno. */
static int run(struct trace *trace)
{
	int count, err = 0;
	__u64 lost;

	while (!err && !is_over(trace)) {
		lost = loader_lost(trace->loader);
		count = ring_read(trace->ring);
		if (count < 0)
			return count;
		if (count < RING_BATCH)
			err = look_around(trace, lost);
		if (sink_flush(trace->sink))
			return 0; /* sink_end() tells the error again */
		if (!err && count < RING_BATCH && !pipeline_is_done(trace->pipeline))
			err = ring_wait(trace->ring);
	}
	return err;
}

/* No new records first; then what is in the ring, all of it. */
static int drain(struct trace *trace)
{
	int count;

	trace->end = now_ns(CLOCK_BOOTTIME);
	loader_stop(trace->loader);
	do {
		count = ring_read(trace->ring);
	} while (count > 0);
	pipeline_lost(trace->pipeline, loader_lost(trace->loader), trace->end);
	sink_flush(trace->sink); /* the last events stand before the totals */
	return count;
}

/* ---- the end ----------------------------------------------------------------- */

static void summarize(struct trace *trace)
{
	struct audit_counts audit = upkeep_audit_counts(trace->upkeep);
	struct summary_program programs[PROGRAMS_MAX];
	struct summary summary = {
		.totals = pipeline_totals(trace->pipeline),
		.counts = pipeline_counts(trace->pipeline),
		.ts = now_ns(CLOCK_REALTIME),
		.duration_ns = trace->end - trace->start,
		.programs = programs,
		.audit = trace->options->audit ? &audit : NULL,
	};
	struct out err;

	while (summary.programs_count < PROGRAMS_MAX &&
	       loader_misses(trace->loader, summary.programs_count,
			     &programs[summary.programs_count].name,
			     &programs[summary.programs_count].misses))
		summary.programs_count++;
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

static enum exit_status explain_loss(const struct trace *trace)
{
	struct ledger_counts counts = pipeline_counts(trace->pipeline);

	if (counts.unlooked)
		complain("%llu listeners closed faster than their accepted sockets could be looked "
			 "for; some of these may hold a port unseen",
			 counts.unlooked);
	if (!counts.lost)
		return STATUS_DONE;
	complain("%llu of %llu records were lost: the buffer of %llu KiB was full; "
		 "--buffer-size makes it larger",
		 counts.lost, counts.lost + counts.records, trace->options->buffer_size >> 10);
	return trace->options->strict ? STATUS_LOST : STATUS_DONE;
}

/* What the audit says of the ledger is worth more than a loss, which it says itself. */
static enum exit_status conclude(const struct trace *trace)
{
	struct audit_counts audit = upkeep_audit_counts(trace->upkeep);
	enum exit_status status = explain_loss(trace);

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
	int drain_error;
	int err, out_error;

	/* while the programs still run: what happens meanwhile is told */
	if (trace->options->audit && !run_error && !record_error(trace))
		upkeep_audit(trace->upkeep);
	drain_error = drain(trace);
	err = run_error ?: drain_error < 0 ? drain_error : 0;
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
	if (record_error(trace)) {
		complain("a record could not be taken into the ledger: %s",
			 strerror(-record_error(trace)));
		return STATUS_ERROR;
	}
	return conclude(trace);
}

static void tear_down(struct trace *trace)
{
	ring_free(trace->ring);
	upkeep_free(trace->upkeep);
	pipeline_free(trace->pipeline);
	sink_end(trace->sink);
	if (trace->out_is_open)
		out_close(&trace->out);
	loader_free(trace->loader);
	cgroup_paths_free(trace->cgroups);
	if (trace->signals >= 0)
		close(trace->signals);
}

enum exit_status command_trace(struct options *options)
{
	struct trace trace = { .options = options, .signals = -1 };
	enum exit_status status = set_up(&trace);

	if (status == STATUS_DONE) {
		introduce(options, &trace.found);
		status = finish(&trace, run(&trace));
	}
	tear_down(&trace);
	return status;
}

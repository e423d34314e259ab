// SPDX-License-Identifier: BSD-2-Clause
/* porttrace trace: live events, until a signal, a count or a time ends it. */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "user/cmd/commands.h"
#include "user/cmd/introduce.h"
#include "user/live/cgroup.h"
#include "user/live/loader.h"
#include "user/live/netns.h"
#include "user/live/ring.h"
#include "user/live/survey.h"
#include "user/pipeline/pipeline.h"
#include "user/sink/summary.h"

#define PROGRAMS_MAX 64
#define RESYNC_QUIET_NS 1000000000ULL
#define RESYNC_EVERY_NS 5000000000ULL

struct trace {
	struct options *options;
	struct out out;
	bool out_is_open;
	struct cgroup_paths *cgroups;
	struct loader *loader;
	struct ring *ring;
	struct sink *sink;
	struct pipeline *pipeline;
	struct snapshot *snapshot; /* while it is taken: gets the records */
	int snapshot_error;
	struct introduction found;
	__u64 lost;	   /* as of lost_at */
	__u64 lost_at;	   /* CLOCK_BOOTTIME, ns */
	__u64 resynced_at; /* the same */
	bool dump_failed;
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

/* What the kernel filters by, and the dump; 0: all. */
static __u8 only_proto(const struct filter *filter)
{
	if (filter->protos == FILTER_TCP)
		return IPPROTO_TCP;
	return filter->protos == FILTER_UDP ? IPPROTO_UDP : 0;
}

static __u32 only_netns(const struct filter *filter)
{
	return filter->netns.count == 1 ? filter->netns.values[0] : 0;
}

static enum exit_status load(struct trace *trace)
{
	const struct filter *filter = &trace->options->filter;
	struct loader_options options = {
		.ports = filter->has_ports ? filter->ports.words : NULL,
		.netns = only_netns(filter),
		.proto = only_proto(filter),
		.buffer_size = trace->options->buffer_size,
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

static void on_record(void *data, const void *record, size_t size)
{
	struct trace *trace = data;

	if (!trace->snapshot)
		pipeline_record(trace->pipeline, record, size);
	else if (snapshot_add_record(trace->snapshot, record, size))
		trace->snapshot_error = -ENOMEM;
}

static int make_sink(struct trace *trace)
{
	const struct options *options = trace->options;
	struct sink_context context = {
		.realtime_offset = now_ns(CLOCK_REALTIME) - now_ns(CLOCK_BOOTTIME),
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
	err = ring_new(loader_ring_fd(trace->loader), on_record, trace, &trace->ring);
	return err ?: ring_watch(trace->ring, trace->signals);
}

/* What a dump could not see, so that nobody takes it for all there is. */
static void explain_gaps(const struct dump_result *result)
{
	if (result->refused)
		complain("snapshot: %u network namespaces could not be entered; their sockets "
			 "from before now are not known",
			 result->refused);
	if (result->incomplete)
		complain("snapshot: it may lack sockets (%s)",
			 result->incomplete_error ? strerror(-result->incomplete_error)
						  : "the tables changed too much");
	if (result->missing)
		complain("snapshot: no %s sockets from before now: modprobe %s",
			 result->missing & DUMP_NO_TCP_DIAG ? "TCP" : "UDP",
			 result->missing & DUMP_NO_TCP_DIAG ? "tcp_diag" : "udp_diag");
}

/*
 * Dumps the kernel's tables; records that come meanwhile go into the snapshot.
 * Returns it, to be freed, or NULL with a negative errno in *err.
 */
static struct snapshot *dump(struct trace *trace, __u32 netns, const struct port_set *ports,
			     struct dump_result *result, int *err)
{
	struct dump_options options = { .proto = only_proto(&trace->options->filter),
					.netns = netns,
					.ports = ports };
	struct snapshot *snapshot = snapshot_new();

	*err = snapshot ? 0 : -ENOMEM;
	if (!snapshot)
		return NULL;
	trace->snapshot = snapshot;
	*err = survey_take(snapshot, trace->ring, &options, result) ?: trace->snapshot_error;
	trace->snapshot = NULL;
	if (!*err)
		return snapshot;
	pipeline_replay(trace->pipeline, snapshot);
	snapshot_free(snapshot);
	return NULL;
}

/* The same of all that is traced. */
static struct snapshot *dump_traced(struct trace *trace, struct dump_result *result, int *err)
{
	const struct filter *filter = &trace->options->filter;

	return dump(trace, only_netns(filter), filter->has_ports ? &filter->ports : NULL, result,
		    err);
}

/* Returns 0 or a negative errno. */
static int take_snapshot(struct trace *trace)
{
	struct dump_result result = { 0 };
	int err;
	struct snapshot *snapshot = dump_traced(trace, &result, &err);

	if (snapshot)
		pipeline_snapshot(trace->pipeline, snapshot, trace->start);
	snapshot_free(snapshot);
	explain_gaps(&result);
	trace->found = (struct introduction){ .surveyed = !err,
					      .idle_unseen = result.bound_idle_unseen,
					      .holds = pipeline_counts(trace->pipeline).holds };
	return err;
}

static enum exit_status survey(struct trace *trace)
{
	int err;

	if (trace->options->no_snapshot)
		return STATUS_DONE;
	if (!loader_has_cookies(trace->loader)) {
		complain("sockets from before now are not known: this kernel (before 5.12) gives "
			 "tracing programs no socket cookies");
		return STATUS_DONE;
	}
	err = take_snapshot(trace);
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
	return pipeline_error(trace->pipeline) ?: trace->snapshot_error;
}

static bool is_over(const struct trace *trace)
{
	__u64 limit = trace->options->duration_ns;

	return pipeline_is_done(trace->pipeline) || record_error(trace) || signal_came(trace) ||
	       (limit && now_ns(CLOCK_BOOTTIME) - trace->start >= limit);
}

/*
 * After a loss the ledger is put right from a new dump: once nothing was lost
 * for a second, and not more often than every five.
 */
static bool resync_is_due(struct trace *trace)
{
	struct ledger_counts counts = pipeline_counts(trace->pipeline);
	__u64 now = now_ns(CLOCK_BOOTTIME);

	if (!counts.uncertain || !trace->found.surveyed)
		return false;
	if (counts.lost != trace->lost) {
		trace->lost = counts.lost;
		trace->lost_at = now;
	}
	return now - trace->lost_at >= RESYNC_QUIET_NS &&
	       now - trace->resynced_at >= RESYNC_EVERY_NS;
}

/* What the ledger needed a dump for stays unknown: told once until one succeeds. */
static void note_dump(struct trace *trace, const char *purpose, int err)
{
	if (err && !trace->dump_failed)
		complain("%s: the sockets there are cannot be read: %s", purpose, strerror(-err));
	trace->dump_failed = err;
}

/* Holders stay unknown if it fails, and it is tried again. */
static void resync(struct trace *trace)
{
	struct dump_result result = { 0 };
	__u64 ts = now_ns(CLOCK_BOOTTIME);
	struct snapshot *snapshot;
	int err;

	trace->resynced_at = ts;
	snapshot = dump_traced(trace, &result, &err);
	if (snapshot)
		pipeline_resync(trace->pipeline, snapshot, ts, result.bound_idle_unseen);
	note_dump(trace, "after the loss", err);
	snapshot_free(snapshot);
}

/* The namespace of all of them; 0: they have several. */
static __u32 common_netns(const struct ledger_orphan *orphans, unsigned int count)
{
	for (unsigned int i = 1; i < count; i++)
		if (orphans[i].space.netns != orphans[0].space.netns)
			return 0;
	return orphans[0].space.netns;
}

/*
 * Sockets that accept() returned share their listener's port. Those that outlive
 * its hold are found by a dump: one for all listeners that ended meanwhile.
 */
static void look_after_orphans(struct trace *trace)
{
	struct ledger_orphan orphans[LEDGER_ORPHANS_MAX];
	__u64 ts = now_ns(CLOCK_BOOTTIME);
	struct dump_result result = { 0 };
	struct port_set ports = { 0 };
	struct snapshot *snapshot;
	unsigned int count = 0;
	int err;

	while (count < LEDGER_ORPHANS_MAX && pipeline_next_orphan(trace->pipeline, &orphans[count]))
		port_set_add(&ports, orphans[count++].port);
	if (!count || !trace->found.surveyed)
		return;
	snapshot = dump(trace, common_netns(orphans, count), &ports, &result, &err);
	if (snapshot)
		pipeline_adopt(trace->pipeline, snapshot, ts, orphans, count);
	note_dump(trace, "what a closed listener accepted", err);
	snapshot_free(snapshot);
}

/* What is done each time the ring was read empty; lost: counted before that. */
static int look_around(struct trace *trace, __u64 lost)
{
	pipeline_lost(trace->pipeline, lost, now_ns(CLOCK_BOOTTIME));
	if (reader_is_gone(trace))
		return -EPIPE;
	if (resync_is_due(trace))
		resync(trace);
	look_after_orphans(trace);
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
	struct summary_program programs[PROGRAMS_MAX];
	struct summary summary = {
		.totals = pipeline_totals(trace->pipeline),
		.counts = pipeline_counts(trace->pipeline),
		.ts = now_ns(CLOCK_REALTIME),
		.duration_ns = trace->end - trace->start,
		.programs = programs,
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

static enum exit_status finish(struct trace *trace, int run_error)
{
	int drain_error = drain(trace);
	int err = run_error ?: drain_error < 0 ? drain_error : 0;
	int out_error;

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
	return explain_loss(trace);
}

static void tear_down(struct trace *trace)
{
	ring_free(trace->ring);
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

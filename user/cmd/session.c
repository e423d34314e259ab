// SPDX-License-Identifier: BSD-2-Clause
#include "user/cmd/session.h"

#include <errno.h>
#include <malloc.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "user/cmd/resolve.h"
#include "user/live/netns.h"
#include "user/live/cgroup.h"
#include "user/live/loader.h"
#include "user/live/ring.h"
#include "user/pipeline/pipeline.h"

#define LARGE (256 << 10) /* bytes */

static __u64 now_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (__u64)ts.tv_sec * 1000000000ULL + (__u64)ts.tv_nsec;
}

/* ---- set up ------------------------------------------------------------------ */

/* Signals are read where the loop looks at them, so that none cuts a line. */
static int block_signals(const struct options *options)
{
	sigset_t ends;

	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGHUP);
	sigaddset(&ends, SIGCHLD);
	if (options->memory)
		sigaddset(&ends, SIGUSR2);
	signal(SIGPIPE, SIG_IGN); /* a closed pipe is an error of the output */
	sigprocmask(SIG_BLOCK, &ends, NULL);
	return signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK);
}

/*
 * A trace lasts: what is large (the kernel's types while programs are loaded, a snapshot's rows)
 * goes back to the kernel when it is freed, and grows without a copy. Left alone, the allocator
 * keeps blocks up to the size of the largest that was freed.
 */
static void give_back_memory(void)
{
	mallopt(M_MMAP_THRESHOLD, LARGE);
}

enum exit_status session_begin(struct session *session, struct options *options)
{
	give_back_memory();
	*session = (struct session){ .options = options, .signals = block_signals(options) };
	session->cgroups = cgroup_paths_new();
	if (session->signals >= 0 && session->cgroups)
		return resolve_names(options, session->cgroups);
	complain("cannot start: %s", strerror(errno));
	return STATUS_ERROR;
}

enum exit_status session_load(struct session *session)
{
	const struct filter *filter = &session->options->filter;
	struct loader_options options = {
		.ports = filter->has_ports ? filter->ports.words : NULL,
		.netns = filter_only_netns(filter),
		.proto = filter_only_proto(filter),
		.buffer_size = session->options->buffer_size,
		.audit = session->options->audit,
		.verbose = session->options->verbose,
	};
	char reason[512];
	int err = loader_new(&options, &session->loader, reason, sizeof(reason));

	if (!err) {
		session->start = now_ns(CLOCK_BOOTTIME);
		return STATUS_DONE;
	}
	complain("%s", reason);
	if (err != -EPERM && err != -EOPNOTSUPP)
		return STATUS_ERROR;
	fprintf(stderr, "porttrace doctor tells what is missing and what to do about it.\n");
	return STATUS_NOT_ALLOWED;
}

void session_observe(struct session *session, ledger_emit fn, void *data)
{
	session->observer = fn;
	session->observer_data = data;
}

static void on_event(void *data, const struct pt_event *ev)
{
	const struct session *session = data;

	if (session->watch)
		watch_event(session->watch, ev);
	if (session->observer)
		session->observer(session->observer_data, ev);
}

static int attach(struct session *session, struct sink *sink)
{
	const struct watch_options watch = {
		.mark = session->options->watch,
		.buckets_reopen = loader_buckets_reopen(session->loader),
		.own_netns = netns_own(),
		.fd = STDERR_FILENO,
	};
	int err = watch.mark ? watch_new(&watch, &session->watch) : 0;

	if (err)
		return err;
	session->pipeline = pipeline_new(&(struct pipeline_options){
		.filter = &session->options->filter,
		.sink = sink,
		.count = session->options->count,
		.totals = true,
		.no_crowd = session->no_crowd || !sink,
		.observer = session->watch || session->observer ? on_event : NULL,
		.observer_data = session,
	});
	if (!session->pipeline)
		return -ENOMEM;
	pipeline_set_clock(session->pipeline, now_ns(CLOCK_REALTIME) - now_ns(CLOCK_BOOTTIME));
	session->upkeep = upkeep_new(session->options, session->loader, session->pipeline);
	if (!session->upkeep)
		return -ENOMEM;
	err = ring_new(loader_ring_fd(session->loader), upkeep_record, session->upkeep,
		       &session->ring);
	if (err)
		return err;
	upkeep_set_ring(session->upkeep, session->ring);
	if (session->watch)
		upkeep_add_netns(session->upkeep, watch_netns, session->watch);
	return ring_watch(session->ring, session->signals);
}

enum exit_status session_attach(struct session *session, struct sink *sink)
{
	int err = attach(session, sink);

	if (!err)
		return STATUS_DONE;
	complain("cannot read the ring: %s", strerror(-err));
	return STATUS_ERROR;
}

/* The iterator over TCP is not there if only UDP is traced, nor is it needed. */
static void settle_watch(struct session *session)
{
	const struct filter *filter = &session->options->filter;

	if (session->watch && filter_only_proto(filter) != IPPROTO_UDP)
		watch_settle(session->watch, session->loader, filter_only_netns(filter));
}

enum exit_status session_start(struct session *session)
{
	int err;

	loader_start(session->loader);
	if (session->options->no_snapshot)
		return STATUS_DONE;
	err = upkeep_snapshot(session->upkeep, session->start);
	session->found = (struct introduction){ .surveyed = !err,
						.holds = pipeline_counts(session->pipeline).holds };
	if (!err)
		settle_watch(session);
	if (!err)
		return STATUS_DONE;
	complain("cannot take the snapshot of the sockets there are: %s; --no-snapshot traces "
		 "without",
		 strerror(-err));
	return STATUS_ERROR;
}

/* ---- the loop ---------------------------------------------------------------- */

static bool signal_ends(const struct session *session, const struct session_hooks *hooks)
{
	struct signalfd_siginfo info;

	if (read(session->signals, &info, sizeof(info)) != sizeof(info))
		return false;
	if (hooks->on_signal)
		return hooks->on_signal(hooks->data, (int)info.ssi_signo);
	return info.ssi_signo != SIGCHLD;
}

static int record_error(const struct session *session)
{
	return pipeline_error(session->pipeline) ?: upkeep_error(session->upkeep) ?: watch_error(session->watch);
}

static bool is_over(const struct session *session, const struct session_hooks *hooks)
{
	__u64 limit = session->options->duration_ns;

	return pipeline_is_done(session->pipeline) || record_error(session) ||
	       signal_ends(session, hooks) ||
	       (limit && now_ns(CLOCK_BOOTTIME) - session->start >= limit);
}

static void look_at_watch(struct session *session)
{
	__u64 now = now_ns(CLOCK_BOOTTIME);

	if (!session->watch)
		return;
	watch_look(session->watch, session->pipeline, now);
	settle_watch(session);
	watch_ranges(session->watch, now);
}

/* One round. Returns 0, 1 (it is over) or a negative errno. */
static int run_once(struct session *session, const struct session_hooks *hooks)
{
	__u64 lost = loader_lost(session->loader);
	int count = ring_read(session->ring), err;

	if (count < 0)
		return count;
	if (count < RING_BATCH) {
		pipeline_lost(session->pipeline, lost, now_ns(CLOCK_BOOTTIME));
		upkeep_look(session->upkeep);
		look_at_watch(session);
	}
	err = hooks->look(hooks->data);
	if (!err && count < RING_BATCH && !pipeline_is_done(session->pipeline))
		err = ring_wait(session->ring);
	return err;
}

int session_run(struct session *session, const struct session_hooks *hooks)
{
	int err = 0;

	while (!err && !is_over(session, hooks))
		err = run_once(session, hooks);
	return err < 0 ? err : 0;
}

static int drain(struct session *session)
{
	int count;

	session->end = now_ns(CLOCK_BOOTTIME);
	loader_stop(session->loader);
	do {
		count = ring_read(session->ring);
	} while (count > 0);
	pipeline_lost(session->pipeline, loader_lost(session->loader), session->end);
	if (session->watch)
		watch_look(session->watch, session->pipeline, session->end);
	return count;
}

int session_stop(struct session *session, int run_error)
{
	int err;

	/* while the programs still run: what happens meanwhile is told */
	if (session->options->audit && !run_error && !record_error(session))
		upkeep_audit(session->upkeep);
	err = drain(session);
	return run_error ?: err;
}

/* ---- the end ----------------------------------------------------------------- */

struct summary session_summary(struct session *session)
{
	struct summary summary = {
		.totals = pipeline_totals(session->pipeline),
		.counts = pipeline_counts(session->pipeline),
		.ts = now_ns(CLOCK_REALTIME),
		.duration_ns = session->end - session->start,
		.programs = session->programs,
	};
	struct summary_program *program = session->programs;

	while (summary.programs_count < SESSION_PROGRAMS_MAX &&
	       loader_misses(session->loader, summary.programs_count, &program->name,
			     &program->misses)) {
		summary.programs_count++;
		program++;
	}
	return summary;
}

static enum exit_status explain_loss(const struct session *session)
{
	struct ledger_counts counts = pipeline_counts(session->pipeline);

	if (counts.unlooked)
		complain("%llu listeners closed faster than their accepted sockets could be looked "
			 "for; some of these may hold a port unseen",
			 counts.unlooked);
	if (!counts.lost)
		return STATUS_DONE;
	complain("%llu of %llu records were lost: the buffer of %llu KiB was full; "
		 "--buffer-size makes it larger",
		 counts.lost, counts.lost + counts.records, session->options->buffer_size >> 10);
	return session->options->strict ? STATUS_LOST : STATUS_DONE;
}

/* What the audit says of the ledger is worth more than a loss, which it says itself. */
static enum exit_status explain_ledger(const struct session *session)
{
	struct audit_counts audit = upkeep_audit_counts(session->upkeep);
	enum exit_status status = explain_loss(session);

	if (!session->options->audit)
		return status;
	if (!audit.audits) {
		complain("the audit could not be done; nothing is known of the ledger");
		return STATUS_ERROR;
	}
	return audit_failed(&audit) ? STATUS_AUDIT : status;
}

enum exit_status session_conclude(const struct session *session, int error)
{
	if (error) {
		complain("cannot read the ring: %s",
			 error == -EBADMSG
				 ? "there is no record where one should begin, which only "
				   "a fault of this kernel explains: please report it"
				 : strerror(-error));
		return STATUS_ERROR;
	}
	error = record_error(session);
	if (!error)
		return explain_ledger(session);
	complain("a record could not be taken into the ledger: %s", strerror(-error));
	return STATUS_ERROR;
}

void session_end(struct session *session)
{
	ring_free(session->ring);
	watch_free(session->watch);
	upkeep_free(session->upkeep);
	pipeline_free(session->pipeline);
	loader_free(session->loader);
	cgroup_paths_free(session->cgroups);
	if (session->signals >= 0)
		close(session->signals);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* A live trace, from its set-up to its last record: what trace and record share. */
#ifndef PORTTRACE_CMD_SESSION_H
#define PORTTRACE_CMD_SESSION_H

#include "user/cmd/commands.h"
#include "user/cmd/introduce.h"
#include "user/cmd/upkeep.h"
#include "user/cmd/watch.h"
#include "user/sink/summary.h"

#define SESSION_PROGRAMS_MAX 64

/* Its fields are read, not set; session_begin() zeroes it. */
struct session {
	struct options *options;
	struct cgroup_paths *cgroups;
	struct loader *loader;
	struct ring *ring;
	struct pipeline *pipeline;
	struct upkeep *upkeep;
	struct watch *watch;  /* NULL: nobody wants to be told */
	ledger_emit observer; /* session_observe(); NULL: nobody */
	void *observer_data;
	bool no_crowd; /* as in pipeline.h; to be set before session_attach() */
	struct introduction found;
	int signals; /* signalfd */
	__u64 start; /* CLOCK_BOOTTIME, ns */
	__u64 end;
	struct summary_program programs[SESSION_PROGRAMS_MAX];
};

struct session_hooks {
	/* Whenever the ring was read. Returns 0, 1 to end, or a negative errno that ends it. */
	int (*look)(void *data);
	/* A signal came. Returns whether that ends the trace; NULL: it does. */
	bool (*on_signal)(void *data, int number);
	void *data;
};

/*
 * Signals, and what of the options can be checked only by looking at this host. The
 * caller calls session_end(), whatever these return; each says itself what went wrong.
 */
enum exit_status session_begin(struct session *session, struct options *options);

/* The programs, not yet running. */
enum exit_status session_load(struct session *session);

/* Before session_attach(): fn gets every event, too. */
void session_observe(struct session *session, ledger_emit fn, void *data);

/* Where records go. sink: borrowed; NULL: events are for nobody, the ledger is kept. */
enum exit_status session_attach(struct session *session, struct sink *sink);

/* From now on records come; and who held ports before now, unless that is not wanted. */
enum exit_status session_start(struct session *session);

/* Until a signal, --count or --duration ends it. Returns 0 or a negative errno. */
int session_run(struct session *session, const struct session_hooks *hooks);

/*
 * The audit, if it is asked for; then no new records, and what is in the ring, all of
 * it. run_error: session_run()'s. Returns it, or a negative errno.
 */
int session_stop(struct session *session, int run_error);

/* For the summary: totals, counters, programs; valid as long as the session. */
struct summary session_summary(struct session *session);

/* Says what went wrong and what was lost. error: session_stop()'s. */
enum exit_status session_conclude(const struct session *session, int error);

void session_end(struct session *session);

#endif /* PORTTRACE_CMD_SESSION_H */

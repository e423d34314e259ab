/* SPDX-License-Identifier: BSD-2-Clause */
/* Early signs that ports run out (--watch), said on standard error as they show. */
#ifndef PORTTRACE_CMD_WATCH_H
#define PORTTRACE_CMD_WATCH_H

#include "user/live/dump.h"
#include "user/pipeline/pipeline.h"
#include "user/stats/headroom.h"

struct watch;

struct watch_options {
	__u32 mark;	     /* of a destination's ports, thousandths; not 0 */
	bool buckets_reopen; /* loader_buckets_reopen() */
	__u32 own_netns;     /* inode number: lines name the other ones */
	int fd;		     /* where lines go; stays the caller's */
};

/* Returns 0, *out is to be freed by watch_free(), or -ENOMEM. */
int watch_new(const struct watch_options *options, struct watch **out);
void watch_free(struct watch *watch);

/* A pipeline's observer, with the watch for data. */
void watch_event(void *watch, const struct pt_event *ev);

/* Each namespace of a dump, with the watch for data. */
void watch_netns(void *watch, const struct dump_netns *netns);

/*
 * Of a recording. Events begin, or begin anew behind a gap: nothing of before counts. What is
 * held then is to be told (pipeline_each(), with the watch for data), and the ranges,
 * these whenever they can have changed.
 */
void watch_restart(struct watch *watch);
void watch_hold(void *watch, const struct ledger_unit *unit);
void watch_range(struct watch *watch, const struct headroom_range *range);

/*
 * Says what showed since the last call; to be called when the ring was read empty. now:
 * CLOCK_BOOTTIME, ns.
 */
void watch_look(struct watch *watch, struct pipeline *pipeline, __u64 now);

/*
 * Reads the ranges of ports again where that is due: of namespaces that came meanwhile, and
 * where somebody set another one.
 */
void watch_ranges(struct watch *watch, __u64 now);

/*
 * Where holds came from a dump, whether bind() made them: asked of the kernel once behind it.
 * To be called after the snapshot, and then as watch_look().
 */
void watch_settle(struct watch *watch, const struct loader *loader, __u32 netns);

/* Whether a mark was ever passed. watch may be NULL: no. */
bool watch_has_told(const struct watch *watch);

/* 0 or -ENOMEM: nothing that it says is to be believed. watch may be NULL: 0. */
int watch_error(const struct watch *watch);

#endif /* PORTTRACE_CMD_WATCH_H */

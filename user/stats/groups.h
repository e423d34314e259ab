/* SPDX-License-Identifier: BSD-2-Clause */
/* Who holds most at one moment: holders summed up by port, process, remote or cgroup. */
#ifndef PORTTRACE_STATS_GROUPS_H
#define PORTTRACE_STATS_GROUPS_H

#include "user/event/holder.h"
#include "user/stats/report.h"

struct group {
	/* One of its holders: by what the groups are, all of them are alike. */
	const struct pt_holder *key;
	const char *cgroup; /* by cgroup: path; NULL: not known */
	/* Accepted sockets share their listener's port: they are connections, and nothing else. */
	__u64 ports; /* different ones */
	__u64 held;
	__u64 time_wait; /* of these */
	__u64 connections;
	/* Of held, the oldest; PT_UNKNOWN: it is not known how old one of them is. */
	__u64 oldest_ns;
	/*
	 * The process that has most of them, or by process the remote to which most go: one
	 * that is known, if there is any. One of its holders, and how many there are.
	 */
	const struct pt_holder *top;
	__u64 top_count; /* of held and connections */
	size_t number;	 /* private */
};

struct groups_options {
	enum report_by by;
	/* As in sink.h, but what it returns lasts as long as the groups. Only asked by cgroup. */
	const char *(*cgroup_path)(void *data, __u64 id);
	void *cgroup_data;
};

/* Most ports first, then most held, then most connections. Read its fields freely. */
struct groups {
	struct groups_options options;
	struct group *rows;
	size_t count;
	bool has_shared;    /* sockets that several processes have: they count for their owner */
	bool has_ownerless; /* what no process can have */
};

/*
 * Sums up holders, each of which outlives the groups. Returns 0, or -ENOMEM; groups is
 * untouched then. The caller calls groups_free().
 */
int groups_take(struct groups *groups, const struct groups_options *options,
		const struct pt_holder *const *holders, size_t count);
void groups_free(struct groups *groups);

#endif /* PORTTRACE_STATS_GROUPS_H */

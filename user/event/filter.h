/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which events a user wants to see. Applied behind the ledger, so that what an
 * event says of the port's other holders stays true.
 */
#ifndef PORTTRACE_EVENT_FILTER_H
#define PORTTRACE_EVENT_FILTER_H

#include "user/base/parse.h"
#include "user/event/event.h"

/* As many values as one filter takes. */
#define FILTER_MAX 64

struct filter_u32 {
	unsigned int count;
	__u32 values[FILTER_MAX];
};

struct filter_text {
	unsigned int count;
	const char *values[FILTER_MAX];
};

/*
 * Zeroed: everything passes. A filter with several values passes any of them,
 * and an event has to pass every filter that is set. What is not known of an
 * event does not pass. Strings are the caller's and outlive the filter.
 */
struct filter {
	bool has_ports;
	bool has_rports;
	struct port_set ports;
	struct port_set rports;
	unsigned int remotes_count;
	struct addr_prefix remotes[FILTER_MAX];
	struct filter_u32 pids;
	struct filter_u32 uids;
	struct filter_u32 netns; /* inode numbers */
	/* Shell patterns, compared with the leader's name and the thread's. */
	struct filter_text comms;
	/* Paths below the cgroup2 root; each covers what is below it too. */
	struct filter_text cgroups;
	bool ipv4;
	bool ipv6;
	unsigned int protos; /* enum filter_proto; 0: all */
	unsigned int events; /* bit 1 << enum pt_event_type; 0: all */
	unsigned int vias;   /* bit 1 << enum pt_via; 0: all */
	bool ephemeral;	     /* not what is known to be a fixed hold */
	__u64 since, until;  /* CLOCK_REALTIME, ns, both included; until 0: no end */
	/*
	 * The path of a cgroup, for cgroups: NULL if it is not known. The text
	 * has to last until the next call.
	 */
	const char *(*cgroup_path)(void *data, __u64 id);
	void *cgroup_data;
};

enum filter_proto {
	FILTER_TCP = 1 << 0,
	FILTER_UDP = 1 << 1,
};

/* Both return 0, or -E2BIG when FILTER_MAX are there. */
int filter_add_u32(struct filter_u32 *list, __u32 value);
int filter_add_text(struct filter_text *list, const char *value);

/* Whether value passes: any does if the list is empty. */
bool filter_passes_u32(const struct filter_u32 *list, __u32 value);

/* Whether ev is to be shown. PT_EV_LOST always is, but for its time. */
bool filter_match(const struct filter *filter, const struct pt_event *ev);

/* Whether all events pass. */
bool filter_is_empty(const struct filter *filter);

/* The one protocol, the one namespace that passes; 0: several do. */
__u8 filter_only_proto(const struct filter *filter);
__u32 filter_only_netns(const struct filter *filter);

#endif /* PORTTRACE_EVENT_FILTER_H */

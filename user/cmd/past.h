/* SPDX-License-Identifier: BSD-2-Clause */
/* Who held what at a past moment, from a recording: rows as `porttrace ls` shows them. */
#ifndef PORTTRACE_CMD_PAST_H
#define PORTTRACE_CMD_PAST_H

#include "user/cmd/past_ranges.h"
#include "user/cmd/recorded.h"

struct past_row {
	struct pt_holder holder;
	struct pt_owner owner;
};

/* Zeroed: empty. Read its fields freely. */
struct past {
	__u64 wall; /* CLOCK_REALTIME, ns: the moment */
	struct past_row *rows;
	const struct pt_holder **shown; /* each row's holder, sorted */
	size_t count, size;
	bool several_netns;
	bool certain;		   /* no event was lost before */
	struct past_ranges ranges; /* of every holder, not only those that pass */
	const struct recorded *recorded;
	int error;
};

/*
 * The holders at wall that pass the options' filters, of these ports (NULL: all, and
 * how full the ranges were), and sorted. Returns 0 or a negative errno. The caller calls
 * past_free().
 */
int past_take(struct past *past, struct recorded *recorded, const struct port_set *ports,
	      __u64 wall);
void past_free(struct past *past);

/* Whether the recording knows of that moment; else says why not, and how to ask. */
bool past_is_known(const struct recorded *recorded, __u64 wall);

#endif /* PORTTRACE_CMD_PAST_H */

/* SPDX-License-Identifier: BSD-2-Clause */
/* What happened in each minute of the wall clock. */
#ifndef PORTTRACE_STATS_MINUTES_H
#define PORTTRACE_STATS_MINUTES_H

#include <linux/types.h>
#include <stdbool.h>

/* 45 days in which something happens every minute; what is further is one, "others". */
#define MINUTES_MAX 65536

#define MINUTE_NS 60000000000ULL

struct minute {
	__u64 number; /* since 1970 */
	__u64 allocs;
	__u64 fails;
	__u64 frees;
	__u64 held_max; /* most held at once */
	__u64 held_end; /* held when it was over */
};

/* Zeroed: empty. Read all but current freely. */
struct minutes {
	struct minute *rows; /* those in which something happened, in their order */
	__u32 count;
	__u32 size;	      /* rows that there is memory for */
	struct minute others; /* number has no meaning */
	bool has_others;
	struct minute *current;
};

void minutes_free(struct minutes *minutes);

/*
 * The minute of wall (CLOCK_REALTIME, ns), which may lie before an earlier one: a
 * clock can be set. held: how many are held as it begins. Valid until the next call.
 * Returns NULL if there is no memory.
 */
struct minute *minutes_enter(struct minutes *minutes, __u64 wall, __u64 held);

/* Counts held in the minute, which holds it now. */
static inline void minute_hold(struct minute *minute, __u64 held)
{
	minute->held_end = held;
	if (held > minute->held_max)
		minute->held_max = held;
}

/*
 * The numbers of all rows, those with most refusals first, of these those with most
 * held at once, then the earliest. out has room for minutes->count.
 */
void minutes_worst(const struct minutes *minutes, __u32 *out);

#endif /* PORTTRACE_STATS_MINUTES_H */

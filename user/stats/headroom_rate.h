/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How fast a number changed of late: its value now and as it was, in windows of 10, 60
 * and 600 seconds, each remembered at ten moments. Time is the events'.
 */
#ifndef PORTTRACE_STATS_HEADROOM_RATE_H
#define PORTTRACE_STATS_HEADROOM_RATE_H

#include <linux/types.h>
#include <stdbool.h>

enum headroom_window {
	HEADROOM_10S,
	HEADROOM_60S,
	HEADROOM_600S,
	HEADROOM_WINDOWS,
};

#define HEADROOM_MOMENTS 10
/* A smaller change says too little of a rate: one more or less is an eighth. */
#define HEADROOM_ENOUGH 8

/* Private to headroom_rate.{c,h}. */
struct headroom_rate {
	__u64 begun; /* ns; what was before is not known */
	__u32 first; /* the value then */
	/* Of each window, at the beginning of the slots up to this one, the value. */
	__u64 slots[HEADROOM_WINDOWS];
	__u32 values[HEADROOM_WINDOWS][HEADROOM_MOMENTS];
};

/* How much it changed within how long: no more than the window. */
struct headroom_change {
	__s64 change;
	__u64 ns;
};

/* The window's length, ns. */
__u64 headroom_window_ns(enum headroom_window window);

/* Nothing is known of before ts; value is what it is then. */
void headroom_rate_begin(struct headroom_rate *rate, __u64 ts, __u32 value);

/*
 * It was value until ts: to be told before it changes, and before it is asked for. ts may be
 * before that of an earlier call: then it is as if it were the same.
 */
void headroom_rate_advance(struct headroom_rate *rate, __u64 ts, __u32 value);

/* It was by that much more all the time, too. */
void headroom_rate_shift(struct headroom_rate *rate, __s32 by);

/*
 * The change over the window (nine tenths of it at least) up to ts, where it is value; or, if
 * it began later, since then, and of the shortest window within the newer half of that.
 * Returns false if that is shorter than a tenth of the window: not known.
 */
bool headroom_rate_over(const struct headroom_rate *rate, enum headroom_window window, __u64 ts,
			__u32 value, struct headroom_change *out);

#endif /* PORTTRACE_STATS_HEADROOM_RATE_H */

// SPDX-License-Identifier: BSD-2-Clause
#include "user/stats/headroom_rate.h"

#include <stdlib.h>

#define NSEC_PER_SEC 1000000000ULL

static const __u64 windows[HEADROOM_WINDOWS] = {
	[HEADROOM_10S] = 10 * NSEC_PER_SEC,
	[HEADROOM_60S] = 60 * NSEC_PER_SEC,
	[HEADROOM_600S] = 600 * NSEC_PER_SEC,
};

static __u64 width(int window)
{
	return windows[window] / HEADROOM_MOMENTS;
}

__u64 headroom_window_ns(enum headroom_window window)
{
	return windows[window];
}

void headroom_rate_begin(struct headroom_rate *rate, __u64 ts, __u32 value)
{
	*rate = (struct headroom_rate){ .begun = ts, .first = value };
	for (int w = 0; w < HEADROOM_WINDOWS; w++)
		rate->slots[w] = ts / width(w);
}

void headroom_rate_advance(struct headroom_rate *rate, __u64 ts, __u32 value)
{
	for (int w = 0; w < HEADROOM_WINDOWS; w++) {
		__u64 slot = ts / width(w);

		if (slot <= rate->slots[w])
			continue;
		if (slot - rate->slots[w] > HEADROOM_MOMENTS)
			rate->slots[w] = slot - HEADROOM_MOMENTS;
		while (rate->slots[w] < slot)
			rate->values[w][++rate->slots[w] % HEADROOM_MOMENTS] = value;
	}
}

void headroom_rate_shift(struct headroom_rate *rate, __s32 by)
{
	rate->first += (__u32)by;
	for (int w = 0; w < HEADROOM_WINDOWS; w++)
		for (int i = 0; i < HEADROOM_MOMENTS; i++)
			rate->values[w][i] += (__u32)by;
}

/*
 * The beginning says little: processes start, caches are cold. So of what is younger than the
 * shortest window its newer half counts, from the slot in the middle on, if enough happened
 * there; 0: it did not.
 */
static __u64 newer_half(const struct headroom_rate *rate, __u64 ts, __u32 value)
{
	__u64 slot = (rate->begun + (ts - rate->begun) / 2) / width(HEADROOM_10S);
	__u64 from = slot * width(HEADROOM_10S);
	__u32 then = rate->values[HEADROOM_10S][slot % HEADROOM_MOMENTS];

	if (from <= rate->begun || ts - from < width(HEADROOM_10S))
		return 0;
	return llabs((__s64)value - then) < HEADROOM_ENOUGH ? 0 : slot;
}

bool headroom_rate_over(const struct headroom_rate *rate, enum headroom_window window, __u64 ts,
			__u32 value, struct headroom_change *out)
{
	/* the oldest slot that is remembered begins less than a window ago */
	__u64 slot = rate->slots[window] + 1 - HEADROOM_MOMENTS;
	__u64 from = slot * width(window);
	__u32 then = rate->values[window][slot % HEADROOM_MOMENTS];

	if (rate->slots[window] < HEADROOM_MOMENTS || from <= rate->begun) {
		slot = window == HEADROOM_10S && ts > rate->begun ? newer_half(rate, ts, value) : 0;
		from = slot ? slot * width(window) : rate->begun;
		then = slot ? rate->values[window][slot % HEADROOM_MOMENTS] : rate->first;
	}
	if (ts < from || ts - from < width(window))
		return false;
	*out = (struct headroom_change){ (__s64)value - then, ts - from };
	return true;
}

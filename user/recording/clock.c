// SPDX-License-Identifier: BSD-2-Clause
#include "user/recording/clock.h"

#include <time.h>

#define JITTER 1000000LL /* ns */
#define TRIES 5
#define TIGHT 20000 /* ns */

static __u64 host_clock(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (__u64)now.tv_sec * 1000000000 + (__u64)now.tv_nsec;
}

__u64 clock_boottime(const struct clock *clock)
{
	return clock->boottime ? clock->boottime(clock->data) : host_clock(CLOCK_BOOTTIME);
}

static __u64 realtime(const struct clock *clock)
{
	return clock->realtime ? clock->realtime(clock->data) : host_clock(CLOCK_REALTIME);
}

/* Whoever is interrupted between two readings tries again. */
static __u64 measure(const struct clock *clock)
{
	__u64 offset = 0, best = ~0ULL;

	for (int i = 0; i < TRIES && best > TIGHT; i++) {
		__u64 before = clock_boottime(clock);
		__u64 wall = realtime(clock);
		__u64 took = clock_boottime(clock) - before;

		if (took < best) {
			best = took;
			offset = wall - before - took / 2;
		}
	}
	return offset;
}

__u64 clock_offset(struct clock *clock)
{
	__u64 offset = measure(clock);
	long long step = (long long)(offset - clock->offset);

	if (step >= JITTER || step <= -JITTER)
		clock->offset = offset;
	return clock->offset;
}

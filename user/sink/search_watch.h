/* SPDX-License-Identifier: BSD-2-Clause */
/* What stats/search_watch.h noticed, in words. */
#ifndef PORTTRACE_SINK_SEARCH_WATCH_H
#define PORTTRACE_SINK_SEARCH_WATCH_H

#include "user/base/out.h"
#include "user/stats/search_watch.h"

/*
 * A line, with the time of day in local time. realtime_offset: CLOCK_REALTIME minus
 * CLOCK_BOOTTIME then, ns, modulo 2^64.
 */
void search_watch_write_text(struct out *out, const struct search_watch_sign *sign,
			     __u64 realtime_offset);

#endif /* PORTTRACE_SINK_SEARCH_WATCH_H */

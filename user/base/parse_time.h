/* SPDX-License-Identifier: BSD-2-Clause */
/* A moment as people write it. */
#ifndef PORTTRACE_BASE_PARSE_TIME_H
#define PORTTRACE_BASE_PARSE_TIME_H

#include "user/base/parse.h"

/*
 * A moment into *realtime_ns (CLOCK_REALTIME, ns), given what it is now:
 *
 *   now
 *   -30m, -1h30m, -2d           before now, in the units of parse_duration()
 *   14:02, 14:02:10[.25]        today, or yesterday if that is still to come
 *   2026-11-21                  when that day began
 *   2026-11-21 14:02[:10[.25]]  with T for the space, too
 *   2026-11-21T14:02:10Z, 2026-11-21T14:02:10+01:00: RFC 3339
 *
 * Without Z or an offset it is local time, as TZ has it; mktime() decides what
 * an hour means that daylight saving time skips or repeats.
 *
 * Returns as the parsers of parse.h do: 0, -EINVAL, or -ERANGE (a field out of
 * bounds, before 1970, after 2200). Not reentrant where TZ changes (mktime).
 */
int parse_time(const char *text, __u64 now_realtime_ns, __u64 *realtime_ns,
	       struct parse_reason *why);

#endif /* PORTTRACE_BASE_PARSE_TIME_H */

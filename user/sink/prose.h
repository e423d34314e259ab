/* SPDX-License-Identifier: BSD-2-Clause */
/* Pieces of the sentences that stand above tables. */
#ifndef PORTTRACE_SINK_PROSE_H
#define PORTTRACE_SINK_PROSE_H

#include <stdbool.h>

#include "user/base/out.h"

/* "s" unless it is one. */
const char *prose_plural(__u64 count);

/*
 * wall (CLOCK_REALTIME, ns) in local time, in a format of strftime() that gives at most
 * 23 bytes. Returns the place behind it; there is no NUL to rely on.
 */
char *prose_format_wall(char *p, const char *format, __u64 wall);
void prose_wall(struct out *out, const char *format, __u64 wall);

/*
 * Both, and between them that; of the second the day only if it is another one. If both
 * are the same, it stands alone.
 */
void prose_span(struct out *out, const char *between, __u64 from, __u64 to);

/* ns, as format_duration() has it. */
void prose_duration(struct out *out, __u64 ns);

/* A span of CLOCK_REALTIME, ns, and how long it is: "2026-11-21 14:02:00 to 14:03:00 (60.0s): " */
void prose_head(struct out *out, __u64 from, __u64 to);

/*
 * "Events lost in this span: 9", without a full stop; unknown: of some nobody knows how
 * many. Returns whether there were any; if not, it writes nothing.
 */
bool prose_lost(struct out *out, __u64 lost, bool unknown);

#endif /* PORTTRACE_SINK_PROSE_H */

/* SPDX-License-Identifier: BSD-2-Clause */
/* What `porttrace ls --by` shows: groups of holders, as text and as JSON. */
#ifndef PORTTRACE_SINK_GROUPS_H
#define PORTTRACE_SINK_GROUPS_H

#include "user/sink/holders.h"
#include "user/stats/groups.h"

/* The first top of them (0: all), and how many more there are; without groups nothing. */
void groups_table(struct out *out, const struct holders_context *ctx, const struct groups *groups,
		  size_t top);

/* What the columns mean, behind the table. */
void groups_legend(struct out *out, const struct groups *groups);

/* One object a line. */
void groups_json(struct out *out, const struct holders_context *ctx, const struct groups *groups,
		 size_t top);

#endif /* PORTTRACE_SINK_GROUPS_H */

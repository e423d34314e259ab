/* SPDX-License-Identifier: BSD-2-Clause */
/* How many ports are left for each destination, as text and as JSON. */
#ifndef PORTTRACE_SINK_HEADROOM_H
#define PORTTRACE_SINK_HEADROOM_H

#include "user/sink/holders.h"
#include "user/stats/headroom.h"

struct headroom_row {
	struct headroom_figures figures;
	struct headroom_holders holders;
};

/* Those of one space that called bind(0) and then connected. */
struct headroom_taker_row {
	struct pt_space space;
	struct headroom_holders holders;
};

/* The first top of rows (0: all), and how many more there are; without rows nothing. */
void headroom_table(struct out *out, const struct holders_context *ctx,
		    const struct headroom_row *rows, size_t count, size_t top);

/* What the columns mean, behind the table. */
void headroom_legend(struct out *out, const struct headroom_row *rows, size_t count);

/* One object a line. */
void headroom_json(struct out *out, const struct holders_context *ctx,
		   const struct headroom_row *rows, size_t count, size_t top);

/* A line: who takes ports from everyone, and the remedy. Without takers nothing. */
void headroom_takers_text(struct out *out, const struct headroom_taker_row *row);
void headroom_takers_json(struct out *out, const struct holders_context *ctx,
			  const struct headroom_taker_row *row);

/* Of a sentence: whose ports, "tcp 10.0.0.5 to 10.96.4.7:443". */
void headroom_put_who(struct out *out, const struct headroom_key *key);

/* "90 of 100 ports used (12 in TIME-WAIT, 5 closed by bind), 10 left" */
void headroom_put_use(struct out *out, const struct headroom_figures *figures);

/* "+5.0/s over 10s, none left in 2.00s"; what is not known is left out. */
void headroom_put_rates(struct out *out, const struct headroom_figures *figures);

/* "4242 curl (60, 20% in TIME-WAIT), 911 envoy (5) and 3 more" */
void headroom_put_holders(struct out *out, const struct headroom_holders *holders);

#endif /* PORTTRACE_SINK_HEADROOM_H */

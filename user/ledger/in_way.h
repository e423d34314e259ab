/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which holds are in the way of a refusal of any port: a crowd.h that is made at the first such
 * refusal, follows what happens while more come, and costs nothing else. Private to the ledger's
 * parts.
 *
 * What it tells is a minimum: nobody knows of a connection from before the trace whether it was
 * bound first. And it is of the namespace's range: of a socket with one of its own
 * (IP_LOCAL_PORT_RANGE) events tell nothing.
 */
#ifndef PORTTRACE_LEDGER_IN_WAY_H
#define PORTTRACE_LEDGER_IN_WAY_H

#include "user/ledger/state.h"

/* It is forgotten when no such refusal came for so long. */
#define IN_WAY_IDLE_NS 60000000000ULL

/* Of a zeroed ledger; and when it ends. */
void in_way_init(struct ledger *ledger);
void in_way_end(struct ledger *ledger);

void in_way_file(struct ledger *ledger, const struct pt_rec_head *head,
		 const struct port_state *port, struct hold *hold);
void in_way_remove(struct ledger *ledger, const struct pt_rec_head *head,
		   const struct port_state *port, struct hold *hold);

/* The hold is new, or something of it changed; head: a record of its port. */
static inline void in_way_changed(struct ledger *ledger, const struct pt_rec_head *head,
				  const struct port_state *port, struct hold *hold)
{
	if (ledger->crowd)
		in_way_file(ledger, head, port, hold);
}

/* It goes. */
static inline void in_way_goes(struct ledger *ledger, const struct pt_rec_head *head,
			       const struct port_state *port, struct hold *hold)
{
	if (ledger->crowd)
		in_way_remove(ledger, head, port, hold);
}

/* Holds change that are not told of, or nobody asks any more. */
void in_way_forget(struct ledger *ledger);

static inline void in_way_look(struct ledger *ledger, __u64 ts)
{
	if (ledger->crowd && ts > ledger->crowd_asked + IN_WAY_IDLE_NS)
		in_way_forget(ledger);
}

/* Who is in the way of that refusal of any port. Returns 0, or -ENODATA: nobody can tell. */
int in_way_top(struct ledger *ledger, const struct pt_rec_port *rec, __u64 now,
	       struct crowd_top *top);

#endif /* PORTTRACE_LEDGER_IN_WAY_H */

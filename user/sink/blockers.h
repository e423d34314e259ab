/* SPDX-License-Identifier: BSD-2-Clause */
/* Who stood in the way of a refusal, for people and for programs. */
#ifndef PORTTRACE_SINK_BLOCKERS_H
#define PORTTRACE_SINK_BLOCKERS_H

#include "user/sink/json_field.h"

/*
 * "held by 185 pool (open, 156ms), 186 pool (TIME-WAIT, 41.2s left); 5 in all"; where a server
 * wants a port that connect() got, "taken by an outgoing connection of 185 curl to
 * 10.96.4.7:443 (open, 12.3s)"; where there was none left, "2000 ports to 10.96.4.7:443 held by
 * 183 web (1993, all in TIME-WAIT, next due in 1.20s), 182 mailer (7, open, oldest 12.3s)".
 * Nothing if none is known.
 */
void blockers_text(struct out *out, const struct pt_event *ev);

/* The key and an array of objects, as blocker_columns[] has them. */
void blockers_json(struct json_writer *writer, const struct json_key *key,
		   const struct pt_event *ev);

#endif /* PORTTRACE_SINK_BLOCKERS_H */

/* SPDX-License-Identifier: BSD-2-Clause */
/* Who stood in the way of a refusal, for people and for programs. */
#ifndef PORTTRACE_SINK_BLOCKERS_H
#define PORTTRACE_SINK_BLOCKERS_H

#include "user/sink/json_field.h"

/* "held by 185 pool (open, 156ms), 186 pool (TIME-WAIT); 5 in all"; nothing if none is known. */
void blockers_text(struct out *out, const struct pt_event *ev);

/* The key and an array of objects, as blocker_columns[] has them. */
void blockers_json(struct json_writer *writer, const struct json_key *key,
		   const struct pt_event *ev);

#endif /* PORTTRACE_SINK_BLOCKERS_H */

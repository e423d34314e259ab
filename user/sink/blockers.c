// SPDX-License-Identifier: BSD-2-Clause
#include "user/sink/blockers.h"

#include <string.h>

#include "user/base/escape.h"

#define BLOCKER_MAX (PT_COMM_LEN * ESCAPE_EXPAND + FORMAT_U64_MAX + FORMAT_DURATION_MAX + 32)

/* Of a TIME_WAIT who waits for it wants to know how long yet, else how long so far. */
static char *put_state(char *p, const struct pt_blocker *blocker)
{
	p = stpcpy(p, blocker->time_wait ? " (TIME-WAIT" : " (open");
	if (blocker->tw_left_ns != PT_UNKNOWN) {
		p = format_duration(stpcpy(p, ", "), blocker->tw_left_ns);
		p = stpcpy(p, " left");
	} else if (blocker->age_ns != PT_UNKNOWN) {
		p = format_duration(stpcpy(p, ", "), blocker->age_ns);
	}
	*p++ = ')';
	return p;
}

static void put_blocker(struct out *out, const struct pt_blocker *blocker)
{
	char *p = out_reserve(out, BLOCKER_MAX);

	if (blocker->owner.known) {
		p = format_u64(p, blocker->owner.pid);
		*p++ = ' ';
		p = column_format_name(p, blocker->owner.comm);
	} else {
		p = stpcpy(p, "unknown");
	}
	p = put_state(p, blocker);
	out_commit(out, p);
}

void blockers_text(struct out *out, const struct pt_event *ev)
{
	if (!ev->blockers_count)
		return;
	for (unsigned int i = 0; i < ev->blockers_count; i++) {
		out_str(out, i ? ", " : "held by ");
		put_blocker(out, &ev->blockers[i]);
	}
	if (ev->blockers_total == PT_UNKNOWN || ev->blockers_total <= ev->blockers_count)
		return;
	out_str(out, "; ");
	out_u64(out, ev->blockers_total);
	out_str(out, " in all");
}

/* Made once: refusals come in storms. */
static const struct json_key *keys_of_blocker(void)
{
	static struct json_key keys[BLOCKER_COLUMNS_MAX];

	if (keys[0].len)
		return keys;
	for (unsigned int i = 0; i < blocker_columns_count; i++)
		json_key_make(&keys[i], !i, blocker_columns[i].key);
	return keys;
}

static void put_object(struct json_writer *writer, const struct json_key *keys,
		       const struct pt_blocker *blocker)
{
	for (unsigned int i = 0; i < blocker_columns_count; i++) {
		union column_value value;
		enum column_state state = blocker_columns[i].get(blocker, &value);

		json_field(writer, &keys[i], blocker_columns[i].type, state, &value);
	}
	out_char(writer->out, '}');
}

void blockers_json(struct json_writer *writer, const struct json_key *key,
		   const struct pt_event *ev)
{
	const struct json_key *keys = keys_of_blocker();

	out_bytes(writer->out, key->text, key->len);
	out_char(writer->out, '[');
	for (unsigned int i = 0; i < ev->blockers_count; i++) {
		if (i)
			out_char(writer->out, ',');
		put_object(writer, keys, &ev->blockers[i]);
	}
	out_char(writer->out, ']');
}

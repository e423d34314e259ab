// SPDX-License-Identifier: BSD-2-Clause
#include "user/sink/blockers.h"

#include <netinet/in.h>
#include <string.h>

#include "user/base/escape.h"

#define BLOCKER_MAX                                                                                \
	(PT_COMM_LEN * ESCAPE_EXPAND + COLUMN_ENDPOINT_MAX + 2 * FORMAT_U64_MAX +                  \
	 2 * FORMAT_DURATION_MAX + 64)

static char *put_who(char *p, const struct pt_blocker *blocker)
{
	if (!blocker->owner.known)
		return stpcpy(p, "unknown");
	p = format_u64(p, blocker->owner.pid);
	*p++ = ' ';
	return column_format_name(p, blocker->owner.comm);
}

/* ---- one port: each is a hold of it ------------------------------------------------ */

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

/* Somebody's connection took the port by chance, and a server wants it by number. */
static bool is_taker(const struct pt_event *ev, const struct pt_blocker *blocker)
{
	return ev->space.proto == IPPROTO_TCP && ev->via != PT_VIA_CONNECT &&
	       blocker->via == PT_VIA_CONNECT && blocker->rport;
}

static void put_blocker(struct out *out, const struct pt_event *ev,
			const struct pt_blocker *blocker)
{
	char *p = put_who(out_reserve(out, BLOCKER_MAX), blocker);
	struct column_endpoint remote = { blocker->raddr, blocker->rport, ev->family };

	if (is_taker(ev, blocker))
		p = column_format_endpoint(stpcpy(p, " to "), &remote);
	out_commit(out, put_state(p, blocker));
}

static void put_holders(struct out *out, const struct pt_event *ev)
{
	unsigned int takers = 0;

	for (unsigned int i = 0; i < ev->blockers_count; i++)
		takers += is_taker(ev, &ev->blockers[i]);
	if (!takers || takers < ev->blockers_count)
		out_str(out, "held by ");
	else
		out_str(out, takers == 1 ? "taken by an outgoing connection of "
					 : "taken by outgoing connections of ");
	for (unsigned int i = 0; i < ev->blockers_count; i++) {
		const struct pt_blocker *blocker = &ev->blockers[i];

		if (i)
			out_str(out, ", ");
		if (takers < ev->blockers_count && is_taker(ev, blocker))
			out_str(out, "an outgoing connection of ");
		put_blocker(out, ev, blocker);
	}
	if (ev->blockers_total == PT_UNKNOWN || ev->blockers_total <= ev->blockers_count)
		return;
	out_str(out, "; ");
	out_u64(out, ev->blockers_total);
	out_str(out, " in all");
}

/* ---- any port: each is a process --------------------------------------------------- */

static void put_share(struct out *out, const struct pt_blocker *blocker)
{
	char *p = put_who(out_reserve(out, BLOCKER_MAX), blocker);

	p = format_u64(stpcpy(p, " ("), blocker->count);
	if (blocker->differs)
		p = stpcpy(p, ", some in TIME-WAIT");
	else if (blocker->time_wait)
		p = stpcpy(p, blocker->count == 1 ? ", in TIME-WAIT" : ", all in TIME-WAIT");
	else
		p = stpcpy(p, ", open");
	if (blocker->tw_left_ns != PT_UNKNOWN) {
		p = format_duration(stpcpy(p, ", next due in "), blocker->tw_left_ns);
	} else if (!blocker->time_wait && blocker->age_ns != PT_UNKNOWN) {
		p = stpcpy(p, blocker->count == 1 ? ", " : ", oldest ");
		p = format_duration(p, blocker->age_ns);
	}
	*p++ = ')';
	out_commit(out, p);
}

static void put_shares(struct out *out, const struct pt_event *ev)
{
	struct column_endpoint remote = { ev->raddr, ev->rport, ev->family };
	__u64 shown = 0;

	out_u64(out, ev->blockers_total);
	out_str(out, ev->blockers_total == 1 ? " port" : " ports");
	if (ev->rport) {
		char *p = out_reserve(out, BLOCKER_MAX);

		out_commit(out, column_format_endpoint(stpcpy(p, " to "), &remote));
	}
	out_str(out, " held by ");
	for (unsigned int i = 0; i < ev->blockers_count; i++) {
		if (i)
			out_str(out, ", ");
		put_share(out, &ev->blockers[i]);
		shown += ev->blockers[i].count;
	}
	if (shown < ev->blockers_total)
		out_str(out, ", and others");
}

void blockers_text(struct out *out, const struct pt_event *ev)
{
	if (!ev->blockers_count)
		return;
	if (ev->blockers[0].sums_up)
		put_shares(out, ev);
	else
		put_holders(out, ev);
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

// SPDX-License-Identifier: BSD-2-Clause
/* Who was in the way of a refusal. */
#include <errno.h>

#include "user/ledger/in_way.h"

static __u64 left(__u64 until, __u64 now)
{
	return until > now ? until - now : PT_UNKNOWN;
}

/* tw: the TIME_WAIT that is in the way, and not its socket; or NULL. */
static void set_blocker(struct pt_blocker *blocker, const struct pt_event *ev,
			const struct holds *holds, const struct hold *hold, const struct tw *tw)
{
	const struct pt_tuple *tuple = tw ? &tw->tuple : &hold->tuple;

	*blocker = (struct pt_blocker){ .owner = *holds_owner(holds, hold),
					.via = hold->via,
					.count = 1,
					.time_wait = tw || !hold->sock_open,
					.age_ns = state_elapsed(hold->since, ev->ts),
					.tw_left_ns = PT_UNKNOWN };
	memcpy(blocker->laddr, tuple->laddr, sizeof(blocker->laddr));
	if (state_has_remote(tuple)) {
		memcpy(blocker->raddr, tuple->raddr, sizeof(blocker->raddr));
		blocker->rport = tuple->rport;
	}
	if (blocker->time_wait)
		blocker->tw_left_ns = left(tw ? tw->until : crowd_hold_until(holds, hold), ev->ts);
}

static const struct tw *tw_of_tuple(const struct holds *holds, const struct hold *hold,
				    const struct pt_rec_port *rec)
{
	const struct tw *tw;

	for (__u32 i = hold->tws; (tw = holds_tw_at(holds, i)); i = tw->next)
		if (state_same_tuple(&tw->tuple, &rec->tuple, rec->head.vrf))
			return tw;
	return NULL;
}

/*
 * connect() with a port of its own is refused for the same 4-tuple only, be it by a
 * TIME_WAIT that the asking socket left itself.
 */
static bool blocks(const struct holds *holds, const struct hold *hold,
		   const struct pt_rec_port *rec, const struct tw **tw)
{
	bool asks = hold->sock == rec->head.sock && hold->sock_open;

	*tw = NULL;
	if (rec->via != PT_VIA_CONNECT)
		return !asks;
	*tw = tw_of_tuple(holds, hold, rec);
	return *tw || (!asks && state_same_tuple(&hold->tuple, &rec->tuple, rec->head.vrf));
}

/* The holders that the ledger knows. None known: somebody older is in the way. */
static void explain_port(struct ledger *ledger, const struct pt_rec_port *rec,
			 const struct port_state *port, struct pt_event *ev)
{
	const struct hold *hold;
	const struct tw *tw;
	__u64 total = 0;

	for (__u32 i = port->first; (hold = holds_at(&ledger->holds, i)); i = hold->next) {
		if (!blocks(&ledger->holds, hold, rec, &tw))
			continue;
		if (total < PT_BLOCKERS_MAX)
			set_blocker(&ledger->blockers[total], ev, &ledger->holds, hold, tw);
		total++;
	}
	ev->blockers = ledger->blockers;
	ev->blockers_count = total < PT_BLOCKERS_MAX ? (unsigned int)total : PT_BLOCKERS_MAX;
	if (total && !ledger->uncertain)
		ev->blockers_total = total;
}

static void set_share(struct pt_blocker *blocker, const struct crowd_share *share, __u64 now)
{
	*blocker = (struct pt_blocker){
		.owner = *share->owner,
		.sums_up = true,
		.count = share->ports,
		.time_wait = share->time_waits == share->holds,
		.differs = share->time_waits && share->time_waits < share->holds,
		.age_ns = state_elapsed(share->since, now),
		.tw_left_ns = left(share->tw_until, now),
	};
}

/* Those that have most of what is in the way. */
static void explain_any(struct ledger *ledger, const struct pt_rec_port *rec, struct pt_event *ev)
{
	/* as it will be told: the time of an event never goes back */
	__u64 now = ev->ts > ledger->last_event_ts ? ev->ts : ledger->last_event_ts;
	struct crowd_top top;

	if (in_way_top(ledger, rec, now, &top))
		return;
	for (unsigned int i = 0; i < top.count; i++)
		set_share(&ledger->blockers[i], &top.shares[i], now);
	ev->blockers = ledger->blockers;
	ev->blockers_count = top.count;
	ev->blockers_total = top.ports;
}

int refusal_explain(struct ledger *ledger, const struct pt_rec_port *rec, struct pt_event *ev)
{
	const struct port_state *port;

	if (rec->head.vrf == PT_VRF_UNKNOWN)
		return 0;
	if (!rec->head.port) {
		explain_any(ledger, rec, ev);
		return 0;
	}
	port = holds_port(&ledger->holds, &ev->space, rec->head.port);
	if (!port)
		return -ENOMEM;
	explain_port(ledger, rec, port, ev);
	return 0;
}

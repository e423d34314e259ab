// SPDX-License-Identifier: BSD-2-Clause
/* What a dump found, and the ledger held against it. */
#include <errno.h>

#include "user/ledger/in_way.h"

/* ---- units as rows ----------------------------------------------------------- */

static void tap_plain(struct ledger *ledger, __u8 kind, __u64 ts)
{
	struct pt_rec_journal row = {
		.head = { .kind = kind, .version = PT_ABI_VERSION, .size = sizeof(row), .ts = ts }
	};

	state_tap(ledger, &row.head);
}

static void tap_unit(struct ledger *ledger, __u8 kind, const struct ledger_unit *unit, __u64 ts)
{
	struct pt_rec_journal row = {
		.head = { .kind = kind,
			  .version = PT_ABI_VERSION,
			  .size = sizeof(row),
			  .ts = ts,
			  .sock = unit->sock,
			  .netns_cookie = unit->space.netns_cookie,
			  .netns = unit->space.netns,
			  .vrf = unit->space.vrf,
			  .port = unit->port,
			  .proto = unit->space.proto,
			  .family = unit->family },
		.tuple = unit->tuple,
		.tw = unit->tw,
		.numbers = { unit->time_wait ? unit->tw_until : 0 },
	};

	if (!ledger->tap)
		return;
	row.head.flags =
		(unit->owner.known ? PT_J_OWNER : 0) |
		(unit->owner.known && unit->owner.kernel ? PT_J_KTHREAD : 0) |
		(unit->listening ? PT_J_LISTENING : 0) | (unit->time_wait ? PT_J_TIME_WAIT : 0) |
		(unit->fin_wait2 ? PT_J_FIN_WAIT2 : 0) | (unit->accepted ? PT_J_ACCEPTED : 0);
	if (unit->owner.known)
		row.task = state_task(&unit->owner);
	state_tap(ledger, &row.head);
}

static struct ledger_unit unit_of_row(const struct pt_rec_journal *row)
{
	__u32 flags = row->head.flags;
	struct ledger_unit unit = {
		.space = state_space(&row->head),
		.family = row->head.family,
		.port = row->head.port,
		.tuple = row->tuple,
		.sock = row->head.sock,
		.tw = row->tw,
		.listening = flags & PT_J_LISTENING,
		.time_wait = flags & PT_J_TIME_WAIT,
		.fin_wait2 = flags & PT_J_FIN_WAIT2,
		.accepted = flags & PT_J_ACCEPTED,
		.tw_until = row->numbers[0],
	};

	if (flags & PT_J_OWNER)
		unit.owner = owners_of_task(&row->task, flags & PT_J_KTHREAD);
	return unit;
}

/* ---- from before the trace --------------------------------------------------- */

static struct hold *found_hold(struct ledger *ledger, const struct ledger_unit *found,
			       struct port_state *port)
{
	struct hold *hold;
	__u32 owner;

	if (owners_take(&ledger->holds.owners, &found->owner, &owner))
		return NULL;
	hold = holds_add(&ledger->holds, port, owner);
	if (!hold)
		return NULL;
	hold->sock = found->sock ?: found->tw;
	hold->sock_open = !found->time_wait;
	hold->family = found->family;
	hold->via = found->accepted ? PT_VIA_ACCEPT : PT_VIA_SNAPSHOT;
	hold->tuple = found->tuple;
	hold->since = PT_UNKNOWN;
	return hold;
}

static bool hold_has(const struct ledger *ledger, const struct hold *hold,
		     const struct ledger_unit *unit)
{
	if (!unit->time_wait)
		return hold->sock_open;
	return holds_tw_find(&ledger->holds, hold, unit->tw, &unit->tuple);
}

bool ledger_knows(struct ledger *ledger, const struct ledger_unit *unit)
{
	struct port_state *port;

	return holds_known(&ledger->holds, &unit->space, unit->port, unit->sock, unit->tw, &port);
}

bool ledger_has(struct ledger *ledger, const struct ledger_unit *unit)
{
	struct port_state *port;
	struct hold *hold =
		holds_known(&ledger->holds, &unit->space, unit->port, unit->sock, unit->tw, &port);

	return hold && hold_has(ledger, hold, unit);
}

static void tell_found(struct ledger *ledger, const struct pt_rec_head *head,
		       const struct hold *hold, struct port_state *port, enum pt_event_type type,
		       bool fin_wait2)
{
	struct pt_event ev;

	state_event_of_hold(ledger, &ev, head, port, hold, type);
	ev.holders = state_holders(ledger, port);
	ev.fin_wait2 = fin_wait2;
	if (type == PT_EV_ALLOC)
		state_event_reuse(ledger, port, false, &ev);
	state_emit(ledger, &ev);
}

static struct pt_rec_head head_of(const struct pt_space *space, __u16 port, __u64 sock, __u64 ts)
{
	return (struct pt_rec_head){ .ts = ts,
				     .sock = sock,
				     .netns_cookie = space->netns_cookie,
				     .netns = space->netns,
				     .port = port,
				     .proto = space->proto };
}

static int found_tw(struct ledger *ledger, const struct ledger_unit *found, struct hold *hold)
{
	struct tw *tw = holds_tw_add(&ledger->holds, hold);

	if (!tw)
		return -ENOMEM;
	tw->sock = found->tw;
	tw->until = found->tw_until;
	tw->tuple = found->tuple;
	return 0;
}

/* Not where another socket may have the address by now, which is its identity there. */
static bool is_on_its_way_out(struct ledger *ledger, const struct ledger_unit *found, __u64 ts)
{
	return pt_space_has_cookies(&found->space) && !found->time_wait &&
	       state_just_released(ledger, found->sock, found->port, ts);
}

int ledger_found(struct ledger *ledger, const struct ledger_unit *found, __u64 ts)
{
	struct pt_rec_head head = head_of(&found->space, found->port, found->sock ?: found->tw, ts);
	struct port_state *port;
	struct hold *hold = holds_known(&ledger->holds, &found->space, found->port, found->sock,
					found->tw, &port);

	if ((hold && hold_has(ledger, hold, found)) || is_on_its_way_out(ledger, found, ts))
		return 0;
	tap_unit(ledger, PT_JR_FOUND, found, ts);
	if (!hold) {
		port = holds_port(&ledger->holds, &found->space, found->port);
		hold = port ? found_hold(ledger, found, port) : NULL;
		if (!hold)
			return -ENOMEM;
		tell_found(ledger, &head, hold, port, PT_EV_ALLOC, false);
	}
	hold->sock_open |= !found->time_wait;
	if (found->time_wait && found_tw(ledger, found, hold))
		return -ENOMEM;
	in_way_changed(ledger, &head, port, hold);
	if (!found->time_wait)
		return 0;
	tell_found(ledger, &head, hold, port, PT_EV_TIME_WAIT, found->fin_wait2);
	return 0;
}

/* ---- held against a dump ----------------------------------------------------- */

static struct ledger_unit unit_of(const struct ledger *ledger, const struct pt_space *space,
				  __u16 port, const struct hold *hold, const struct tw *tw)
{
	struct ledger_unit unit = { .space = *space,
				    .family = hold->family,
				    .port = port,
				    .tuple = tw ? tw->tuple : hold->tuple,
				    .sock = hold->sock,
				    .tw = tw ? tw->sock : 0,
				    .owner = *holds_owner(&ledger->holds, hold),
				    .time_wait = tw,
				    .accepted = hold->via == PT_VIA_ACCEPT,
				    .tw_until = tw ? tw->until : 0,
				    .via = hold->via,
				    .since = hold->since,
				    .closed = hold->open_until };

	/* where a socket is known by its address, that of a found TIME_WAIT stands in for it */
	if (unit.tw && unit.tw == unit.sock)
		unit.sock = 0;
	return unit;
}

struct pt_event pt_event_of_unit(const struct ledger_unit *unit)
{
	const struct pt_rec_head head = {
		.sock = unit->sock,
		.netns_cookie = unit->space.netns_cookie,
		.netns = unit->space.netns,
		.vrf = unit->space.vrf,
		.port = unit->port,
		.proto = unit->space.proto,
		.family = unit->family,
	};
	struct pt_event ev;

	state_event(&ev, &head, PT_EV_ALLOC);
	ev.hold = unit->sock ?: unit->tw;
	state_event_tuple(&ev, &unit->tuple);
	ev.owner = unit->owner;
	ev.via = unit->via;
	return ev;
}

struct visit {
	struct ledger *ledger;
	ledger_unit_fn fn;
	ledger_keep_fn keep;
	void *data;
	__u64 ts;
};

static void each_unit(void *data, const struct pt_space *space, __u16 number,
		      struct port_state *port, struct hold *hold)
{
	const struct visit *visit = data;
	struct ledger_unit unit = unit_of(visit->ledger, space, number, hold, NULL);
	const struct tw *tw;

	(void)port;
	if (hold->sock_open)
		visit->fn(visit->data, &unit);
	for (__u32 i = hold->tws; (tw = holds_tw_at(&visit->ledger->holds, i)); i = tw->next) {
		unit = unit_of(visit->ledger, space, number, hold, tw);
		visit->fn(visit->data, &unit);
	}
}

void ledger_each(struct ledger *ledger, ledger_unit_fn fn, void *data)
{
	struct visit visit = { .ledger = ledger, .fn = fn, .data = data };

	holds_each(&ledger->holds, each_unit, &visit);
}

struct port_visit {
	const struct owners *owners;
	ledger_port_fn fn;
	void *data;
};

static void visit_port(void *data, const struct pt_space *space, __u16 number,
		       struct port_state *state)
{
	const struct port_visit *visit = data;
	const struct pt_owner *prev = owners_at(visit->owners, state->prev);
	struct ledger_port port = { .space = *space,
				    .port = number,
				    .holders = state->holders,
				    .free_since = state->free_since,
				    .prev_known = prev->known,
				    .prev_pid = prev->pid };

	if (!state->holders && !state->free_since)
		return;
	memcpy(port.prev_comm, prev->comm, PT_COMM_LEN);
	visit->fn(visit->data, &port);
}

void ledger_each_port(struct ledger *ledger, ledger_port_fn fn, void *data)
{
	struct port_visit visit = { &ledger->holds.owners, fn, data };

	holds_each_port(&ledger->holds, visit_port, &visit);
}

static void sweep_one(void *data, const struct pt_space *space, __u16 number,
		      struct port_state *port, struct hold *hold)
{
	const struct visit *visit = data;
	struct pt_rec_head head = head_of(space, number, hold->sock, visit->ts);
	struct ledger_unit unit = unit_of(visit->ledger, space, number, hold, NULL);
	struct tw *tw;

	if (hold->sock_open && !visit->keep(visit->data, &unit)) {
		tap_unit(visit->ledger, PT_JR_GONE, &unit, visit->ts);
		hold->sock_open = false;
	}
	for (__u32 next, i = hold->tws; (tw = holds_tw_at(&visit->ledger->holds, i)); i = next) {
		next = tw->next;
		unit = unit_of(visit->ledger, space, number, hold, tw);
		if (visit->keep(visit->data, &unit))
			continue;
		tap_unit(visit->ledger, PT_JR_GONE, &unit, visit->ts);
		holds_tw_drop(&visit->ledger->holds, hold, tw);
	}
	if (!hold->sock_open && !hold->tws)
		state_end_hold(visit->ledger, &head, port, hold, PT_END_UNKNOWN);
}

void ledger_sweep(struct ledger *ledger, ledger_keep_fn keep, void *data, __u64 ts)
{
	struct visit visit = { .ledger = ledger, .keep = keep, .data = data, .ts = ts };

	in_way_forget(ledger);
	holds_each(&ledger->holds, sweep_one, &visit);
	tap_plain(ledger, PT_JR_SWEEP, ts);
}

void ledger_doubt(struct ledger *ledger)
{
	ledger->uncertain = true;
	in_way_forget(ledger);
	tap_plain(ledger, PT_JR_DOUBT, 0);
}

void ledger_certain(struct ledger *ledger, __u64 ts)
{
	ledger->uncertain = false;
	ledger->certain_since = ts;
	tap_plain(ledger, PT_JR_CERTAIN, ts);
}

/* ---- the same from a recording ------------------------------------------------ */

static void tw_goes(struct ledger *ledger, struct hold *hold, const struct ledger_unit *unit)
{
	struct tw *tw;

	for (__u32 next, i = hold->tws; (tw = holds_tw_at(&ledger->holds, i)); i = next) {
		next = tw->next;
		if (tw->sock == unit->tw && !memcmp(&tw->tuple, &unit->tuple, sizeof(tw->tuple)))
			holds_tw_drop(&ledger->holds, hold, tw);
	}
}

/* What the sweep that is told next finds empty. */
static void unit_goes(struct ledger *ledger, const struct ledger_unit *unit)
{
	struct port_state *port = holds_port(&ledger->holds, &unit->space, unit->port);
	__u64 sock = unit->sock ?: unit->tw;
	struct hold *hold;

	in_way_forget(ledger);
	for (__u32 i = port ? port->first : 0; (hold = holds_at(&ledger->holds, i));
	     i = hold->next) {
		if (hold->sock != sock)
			continue;
		if (unit->time_wait)
			tw_goes(ledger, hold, unit);
		else
			hold->sock_open = false;
	}
}

static bool keep_all(void *data, const struct ledger_unit *unit)
{
	(void)data;
	(void)unit;
	return true;
}

int found_take(struct ledger *ledger, const struct pt_rec_journal *rec)
{
	struct ledger_unit unit = unit_of_row(rec);

	switch (rec->head.kind) {
	case PT_JR_FOUND:
		return ledger_found(ledger, &unit, rec->head.ts);
	case PT_JR_GONE:
		unit_goes(ledger, &unit);
		return 0;
	case PT_JR_SWEEP:
		ledger_sweep(ledger, keep_all, NULL, rec->head.ts);
		return 0;
	case PT_JR_DOUBT:
		ledger_doubt(ledger);
		return 0;
	default:
		ledger_certain(ledger, rec->head.ts);
		return 0;
	}
}

// SPDX-License-Identifier: BSD-2-Clause
#include "user/ledger/in_way.h"

/* A release is told before the kernel's tables show it: how long a dump may lag behind. */
#define RELEASE_LAG_NS 1000000000ULL

void state_emit(struct ledger *ledger, struct pt_event *ev)
{
	if (ev->ts < ledger->last_event_ts)
		ev->ts = ledger->last_event_ts;
	ledger->last_event_ts = ev->ts;
	ev->realtime_offset = ledger->realtime_offset;
	if (ledger->emit)
		ledger->emit(ledger->data, ev);
}

/* ---- what an event says ------------------------------------------------------ */

void state_event_tuple(struct pt_event *ev, const struct pt_tuple *tuple)
{
	memcpy(ev->laddr, tuple->laddr, sizeof(ev->laddr));
	if (!state_has_remote(tuple))
		return;
	memcpy(ev->raddr, tuple->raddr, sizeof(ev->raddr));
	ev->rport = tuple->rport;
}

struct pt_task state_task(const struct pt_owner *owner)
{
	struct pt_task task = {
		.pid = owner->pid,
		.tid = owner->tid,
		.uid = owner->uid,
		.start = owner->start,
		.cgroup = owner->cgroup,
	};

	memcpy(task.comm, owner->comm, PT_COMM_LEN);
	memcpy(task.thread, owner->thread, PT_COMM_LEN);
	return task;
}

/* On a kernel without cookies a socket's identity is its address: no user's business. */
static __u64 cookie_of(const struct pt_rec_head *head, __u64 sock)
{
	struct pt_space space = state_space(head);

	return pt_space_has_cookies(&space) ? sock : 0;
}

void state_event(struct pt_event *ev, const struct pt_rec_head *head, enum pt_event_type type)
{
	*ev = (struct pt_event){
		.type = type,
		.ts = head->ts,
		.space = state_space(head),
		.family = head->family,
		.port = head->port,
		.sock = cookie_of(head, head->sock),
		.hold = head->sock,
		.search_ns = PT_UNKNOWN,
		.holders = PT_UNKNOWN,
		.reuse_ns = PT_UNKNOWN,
		.blockers_total = PT_UNKNOWN,
		.open_ns = PT_UNKNOWN,
		.held_ns = PT_UNKNOWN,
	};
}

void state_event_of_hold(const struct ledger *ledger, struct pt_event *ev,
			 const struct pt_rec_head *head, const struct port_state *port,
			 const struct hold *hold, enum pt_event_type type)
{
	state_event(ev, head, type);
	ev->space.vrf = port->vrf;
	ev->family = hold->family;
	ev->sock = cookie_of(head, hold->sock);
	ev->hold = hold->sock;
	ev->via = hold->via;
	ev->owner = *holds_owner(&ledger->holds, hold);
	state_event_tuple(ev, &hold->tuple);
}

void state_event_reuse(const struct ledger *ledger, const struct port_state *port, bool from_tw,
		       struct pt_event *ev)
{
	const struct pt_owner *prev;

	if (ledger->uncertain)
		ev->reuse = PT_REUSE_UNKNOWN;
	else if (from_tw)
		ev->reuse = PT_REUSE_TIME_WAIT;
	else if (port->holders > 1)
		ev->reuse = PT_REUSE_SHARED;
	else if (port->free_since > ledger->certain_since)
		ev->reuse = PT_REUSE_CLEAN;
	else if (ledger->certain_since)
		ev->reuse = PT_REUSE_UNKNOWN; /* a loss lies between */
	else
		ev->reuse = PT_REUSE_FIRST;
	if (ev->reuse == PT_REUSE_CLEAN)
		ev->reuse_ns = state_elapsed(port->free_since, ev->ts);
	if (ev->reuse == PT_REUSE_UNKNOWN)
		return;
	prev = owners_at(&ledger->holds.owners, port->prev);
	ev->prev_known = prev->known;
	ev->prev_pid = prev->pid;
	memcpy(ev->prev_comm, prev->comm, PT_COMM_LEN);
}

__u64 state_holders(const struct ledger *ledger, const struct port_state *port)
{
	return ledger->uncertain ? PT_UNKNOWN : port->holders;
}

/* ---- the end of a hold ------------------------------------------------------- */

/*
 * A port that the kernel chose goes with the connection. A named one stays: that
 * its connection is over is told by CLOSED or a TIME_WAIT, unless it was missed.
 */
static __u64 open_ns(const struct hold *hold, __u64 held_ns)
{
	if (hold->open_until)
		return state_elapsed(hold->since, hold->open_until);
	return hold->connected && pt_via_ephemeral(hold->via) != 1 ? PT_UNKNOWN : held_ns;
}

static void add_orphan(struct ledger *ledger, const struct pt_rec_head *head,
		       const struct port_state *port, const struct hold *hold)
{
	unsigned int place = ledger->orphans_first + ledger->orphans_count;
	struct ledger_orphan *orphan;

	if (ledger->orphans_count == LEDGER_ORPHANS_MAX) {
		ledger->counts.unlooked++;
		return;
	}
	orphan = &ledger->orphans[place % LEDGER_ORPHANS_MAX];
	*orphan = (struct ledger_orphan){ state_space(head), head->port,
					  *holds_owner(&ledger->holds, hold) };
	orphan->space.vrf = port->vrf;
	ledger->orphans_count++;
}

static void event_of_free(const struct ledger *ledger, struct pt_event *ev,
			  const struct pt_rec_head *head, const struct port_state *port,
			  const struct hold *hold, enum pt_end end)
{
	state_event_of_hold(ledger, ev, head, port, hold, PT_EV_FREE);
	ev->end = end;
	/* found gone: since when is not known */
	ev->held_ns = end == PT_END_UNKNOWN ? PT_UNKNOWN : state_elapsed(hold->since, head->ts);
	ev->open_ns = open_ns(hold, ev->held_ns);
}

void state_end_hold(struct ledger *ledger, const struct pt_rec_head *head, struct port_state *port,
		    struct hold *hold, enum pt_end end)
{
	bool tells = state_tells(ledger, head->ts);
	struct pt_event ev;

	if (tells)
		event_of_free(ledger, &ev, head, port, hold, end);
	if (hold->listened)
		add_orphan(ledger, head, port, hold);
	in_way_goes(ledger, head, port, hold);
	holds_remove(&ledger->holds, port, hold);
	if (!port->holders)
		port->free_since = head->ts;
	if (!tells)
		return;
	ev.holders = state_holders(ledger, port);
	state_emit(ledger, &ev);
}

bool state_just_released(const struct ledger *ledger, __u64 sock, __u16 port, __u64 ts)
{
	const struct release *release = &ledger->recent[state_recent_slot(sock)];

	/* of a row that was decided when it was recorded */
	if (ledger->replays)
		return false;
	return release->sock == sock && release->port == port &&
	       state_elapsed(release->ts, ts) < RELEASE_LAG_NS;
}

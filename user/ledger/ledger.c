// SPDX-License-Identifier: BSD-2-Clause
#include "user/ledger/ledger.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/index.h"
#include "user/event/decode.h"
#include "user/ledger/holds.h"

/* A release is told before the kernel's tables show it: how long a dump may lag behind. */
#define RELEASE_LAG_NS 1000000000ULL
#define RECENT 4096 /* powers of two; a collision forgets one */
#define BOUND 65536
#define SEARCH_EVERY_NS 10000000ULL

struct release {
	__u64 sock;
	__u64 ts;
	__u16 port;
};

struct binding {
	__u64 sock;
	__u16 port;
};

struct ledger {
	ledger_emit emit;
	void *data;
	struct holds holds;
	struct ledger_counts counts;
	__u32 lost_stamp;     /* head.lost of the last record */
	__u64 last_record_ts; /* raw */
	__u64 realtime_offset;
	__u64 last_event_ts; /* what users saw last; never goes back */
	bool uncertain;	     /* records are missing: who holds what is not known */
	struct pt_blocker blockers[PT_BLOCKERS_MAX]; /* of the last refusal */
	struct ledger_orphan orphans[LEDGER_ORPHANS_MAX];
	unsigned int orphans_first, orphans_count;
	__u64 certain_since; /* the last resync, CLOCK_BOOTTIME, ns; 0: none */
	struct release recent[RECENT];
	__u64 searched_at;	     /* CLOCK_BOOTTIME, ns */
	struct binding bound[BOUND]; /* where each socket was last seen to get a port */
};

/* Clocks of two CPUs can differ by a little: never a negative time. */
static __u64 elapsed(__u64 from, __u64 to)
{
	if (from == PT_UNKNOWN)
		return PT_UNKNOWN;
	return to > from ? to - from : 0;
}

struct ledger *ledger_new(ledger_emit emit, void *data)
{
	struct ledger *ledger = calloc(1, sizeof(*ledger));

	if (!ledger)
		return NULL;
	ledger->emit = emit;
	ledger->data = data;
	holds_init(&ledger->holds);
	return ledger;
}

void ledger_free(struct ledger *ledger)
{
	if (!ledger)
		return;
	holds_free(&ledger->holds);
	free(ledger);
}

void ledger_set_clock(struct ledger *ledger, __u64 realtime_offset)
{
	ledger->realtime_offset = realtime_offset;
}

static void emit(struct ledger *ledger, struct pt_event *ev)
{
	if (ev->ts < ledger->last_event_ts)
		ev->ts = ledger->last_event_ts;
	ledger->last_event_ts = ev->ts;
	ev->realtime_offset = ledger->realtime_offset;
	ledger->emit(ledger->data, ev);
}

/* ---- what an event says ------------------------------------------------------ */

static struct pt_space space_of(const struct pt_rec_head *head)
{
	return (struct pt_space){ .netns_cookie = head->netns_cookie,
				  .netns = head->netns,
				  .vrf = head->vrf,
				  .proto = head->proto };
}

static bool tuple_has_remote(const struct pt_tuple *tuple)
{
	return tuple->rport && !pt_addr_is_any(tuple->raddr);
}

static void event_set_tuple(struct pt_event *ev, const struct pt_tuple *tuple)
{
	memcpy(ev->laddr, tuple->laddr, sizeof(ev->laddr));
	if (!tuple_has_remote(tuple))
		return;
	memcpy(ev->raddr, tuple->raddr, sizeof(ev->raddr));
	ev->rport = tuple->rport;
}

/* On a kernel without cookies a socket's identity is its address: no user's business. */
static __u64 cookie_of(const struct pt_rec_head *head, __u64 sock)
{
	struct pt_space space = space_of(head);

	return pt_space_has_cookies(&space) ? sock : 0;
}

static void event_init(struct pt_event *ev, const struct pt_rec_head *head, enum pt_event_type type)
{
	*ev = (struct pt_event){
		.type = type,
		.ts = head->ts,
		.space = space_of(head),
		.family = head->family,
		.port = head->port,
		.sock = cookie_of(head, head->sock),
		.search_ns = PT_UNKNOWN,
		.holders = PT_UNKNOWN,
		.reuse_ns = PT_UNKNOWN,
		.blockers_total = PT_UNKNOWN,
		.open_ns = PT_UNKNOWN,
		.held_ns = PT_UNKNOWN,
	};
}

/* An event of a hold, told by a record of its socket or of its TIME_WAIT. */
static void event_init_of_hold(struct pt_event *ev, const struct pt_rec_head *head,
			       const struct hold *hold, enum pt_event_type type)
{
	event_init(ev, head, type);
	ev->space.vrf = hold->vrf;
	ev->family = hold->family;
	ev->sock = cookie_of(head, hold->sock);
	ev->via = hold->via;
	ev->owner = hold->owner;
	event_set_tuple(ev, &hold->tuple);
}

static struct pt_owner owner_of_task(const struct pt_rec_port *rec)
{
	struct pt_owner owner = {
		.known = true,
		.kernel = rec->head.flags & PT_F_KTHREAD,
		.pid = rec->task.pid,
		.tid = rec->task.tid,
		.uid = rec->task.uid,
		.start = rec->task.start,
		.cgroup = rec->task.cgroup,
	};

	memcpy(owner.comm, rec->task.comm, PT_COMM_LEN - 1);
	memcpy(owner.thread, rec->task.thread, PT_COMM_LEN - 1);
	return owner;
}

/* A subflow of MPTCP belongs to whom the first one of its connection does. */
static struct pt_owner owner_of(struct ledger *ledger, const struct pt_rec_port *rec)
{
	struct pt_space space = space_of(&rec->head);
	struct port_state *port;
	const struct hold *kin;

	if (!(rec->head.flags & PT_F_KIN))
		return owner_of_task(rec);
	kin = holds_known(&ledger->holds, &space, rec->kin.port, rec->kin.sock, 0, &port);
	return kin ? kin->owner : (struct pt_owner){ .known = false };
}

static __u64 holders_known(const struct ledger *ledger, const struct port_state *port)
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
		return elapsed(hold->since, hold->open_until);
	return hold->connected && pt_via_ephemeral(hold->via) != 1 ? PT_UNKNOWN : held_ns;
}

static void add_orphan(struct ledger *ledger, const struct pt_event *ev)
{
	unsigned int place = ledger->orphans_first + ledger->orphans_count;

	if (ledger->orphans_count == LEDGER_ORPHANS_MAX) {
		ledger->counts.unlooked++;
		return;
	}
	ledger->orphans[place % LEDGER_ORPHANS_MAX] =
		(struct ledger_orphan){ ev->space, ev->port, ev->owner };
	ledger->orphans_count++;
}

bool ledger_next_orphan(struct ledger *ledger, struct ledger_orphan *orphan)
{
	if (!ledger->orphans_count)
		return false;
	*orphan = ledger->orphans[ledger->orphans_first];
	ledger->orphans_first = (ledger->orphans_first + 1) % LEDGER_ORPHANS_MAX;
	ledger->orphans_count--;
	return true;
}

static void hold_end(struct ledger *ledger, const struct pt_rec_head *head, struct port_state *port,
		     struct hold *hold, enum pt_end end)
{
	bool listened = hold->listened;
	struct pt_event ev;

	event_init_of_hold(&ev, head, hold, PT_EV_FREE);
	ev.end = end;
	/* found gone: since when is not known */
	ev.held_ns = end == PT_END_UNKNOWN ? PT_UNKNOWN : elapsed(hold->since, head->ts);
	ev.open_ns = open_ns(hold, ev.held_ns);
	port->prev_known = hold->owner.known;
	port->prev_pid = hold->owner.pid;
	memcpy(port->prev_comm, hold->owner.comm, PT_COMM_LEN);
	holds_remove(&ledger->holds, port, hold);
	if (!port->holders)
		port->free_since = head->ts;
	ev.holders = holders_known(ledger, port);
	emit(ledger, &ev);
	if (listened)
		add_orphan(ledger, &ev);
}

/*
 * The hold that a record of its socket is about (of its TIME_WAIT, if tw is not
 * 0). NULL, and counted, for a socket that holds nothing here.
 */
static struct hold *find_hold(struct ledger *ledger, const struct pt_rec_head *head, __u64 tw,
			      struct port_state **port)
{
	struct pt_space space = space_of(head);
	struct hold *hold = holds_find(&ledger->holds, &space, head->port, head->sock, tw, port);

	if (!hold)
		ledger->counts.foreign++;
	return hold;
}

static void on_closed(struct ledger *ledger, const struct pt_rec_head *head)
{
	struct port_state *port;
	struct hold *hold = find_hold(ledger, head, 0, &port);

	if (!hold)
		return;
	hold->listened |= head->flags & PT_F_LISTENED;
	if (!hold->open_until)
		hold->open_until = head->ts;
}

static struct release *recent_release(struct ledger *ledger, __u64 sock)
{
	return &ledger->recent[index_hash(sock) & (RECENT - 1)];
}

static void socket_goes(struct ledger *ledger, const struct pt_rec_head *head, struct hold *hold)
{
	*recent_release(ledger, head->sock) = (struct release){ head->sock, head->ts, head->port };
	hold->sock_open = false;
}

struct search {
	__u64 sock;
	__u8 proto;
	__u16 port; /* found */
};

static void search_one(void *data, const struct pt_space *space, __u16 number,
		       struct port_state *port, struct hold *hold)
{
	struct search *search = data;

	(void)port;
	if (hold->sock == search->sock && hold->sock_open && space->proto == search->proto)
		search->port = number;
}

/*
 * The port that the socket has, if it did not know it itself: hardly ever asked
 * for, so it is mostly remembered; looking everywhere is limited in how often.
 */
static __u16 port_of(struct ledger *ledger, const struct pt_rec_head *head)
{
	const struct binding *bound = &ledger->bound[index_hash(head->sock) & (BOUND - 1)];
	struct search search = { .sock = head->sock, .proto = head->proto };

	if (bound->sock == head->sock)
		return bound->port;
	if (elapsed(ledger->searched_at, head->ts) < SEARCH_EVERY_NS)
		return 0;
	ledger->searched_at = head->ts;
	holds_each(&ledger->holds, search_one, &search);
	return search.port;
}

static void on_release(struct ledger *ledger, const struct pt_rec_head *told)
{
	struct pt_rec_head at = *told, *head = &at;
	struct port_state *port;
	struct hold *hold;

	if (!at.port)
		at.port = port_of(ledger, told);
	hold = find_hold(ledger, head, 0, &port);
	if (!hold)
		return;
	socket_goes(ledger, head, hold);
	hold->listened |= head->flags & PT_F_LISTENED;
	if (!hold->tws)
		hold_end(ledger, head, port, hold, PT_END_CLOSE);
}

/* ---- TIME_WAIT --------------------------------------------------------------- */

static int on_tw_begin(struct ledger *ledger, const struct pt_rec_head *head)
{
	const struct pt_rec_tuple *rec = decode_tuple(head);
	struct port_state *port;
	struct hold *hold = find_hold(ledger, head, 0, &port);
	struct pt_event ev;
	bool found;
	struct tw *tw;

	if (!hold)
		return 0;
	/* a dump may have come between the kernel's doing and this record */
	tw = holds_tw_find(&ledger->holds, hold, rec->tw, &rec->tuple);
	found = tw;
	if (!tw)
		tw = holds_tw_add(&ledger->holds, hold);
	if (!tw)
		return -ENOMEM;
	tw->sock = rec->tw;
	tw->tuple = rec->tuple;
	hold->tuple = rec->tuple;
	hold->open_until = head->ts;
	if (head->flags & PT_F_SOCK_GONE)
		socket_goes(ledger, head, hold);
	if (found)
		return 0;
	event_init_of_hold(&ev, head, hold, PT_EV_TIME_WAIT);
	ev.open_ns = elapsed(hold->since, hold->open_until);
	ev.fin_wait2 = head->flags & PT_F_FIN_WAIT2;
	ev.holders = holders_known(ledger, port);
	emit(ledger, &ev);
	return 0;
}

static enum pt_end tw_end_reason(const struct pt_rec_head *head)
{
	if (head->flags & PT_F_REUSED)
		return PT_END_REUSED;
	return head->flags & PT_F_EXPIRED ? PT_END_EXPIRED : PT_END_CUT;
}

static void tw_is_gone(struct ledger *ledger, const struct pt_rec_head *head,
		       struct port_state *port, struct hold *hold, __u64 tw, enum pt_end end)
{
	holds_tw_remove(&ledger->holds, hold, tw);
	if (!hold->tws && !hold->sock_open)
		hold_end(ledger, head, port, hold, end);
}

static void on_tw_end(struct ledger *ledger, const struct pt_rec_head *head)
{
	const struct pt_rec_tw_end *rec = decode_tw_end(head);
	struct port_state *port;
	struct hold *hold = find_hold(ledger, head, rec->tw, &port);

	if (!hold)
		return;
	/* its allocation comes yet where only the exit of connect() tells it */
	port->taker = rec->taker;
	tw_is_gone(ledger, head, port, hold, rec->tw, tw_end_reason(head));
}

static bool same_tuple(const struct pt_tuple *old, const struct pt_tuple *new, __u32 vrf)
{
	if (old->rport != new->rport || memcmp(old->raddr, new->raddr, sizeof(old->raddr)) ||
	    memcmp(old->laddr, new->laddr, sizeof(old->laddr)))
		return false;
	/* INET_MATCH(): a socket bound to no device is in the way of every one */
	return !old->ifindex || old->ifindex == new->ifindex || old->ifindex == vrf;
}

/*
 * connect() may take a port out of TIME_WAIT. The kernel adds the new owner
 * first and drops the TIME_WAIT then, so its record comes after the ALLOC. But
 * no two sockets have the same 4-tuple: with the ALLOC the TIME_WAIT is over.
 */
static bool take_from_tw(struct ledger *ledger, const struct pt_rec_port *rec,
			 struct port_state *port)
{
	struct hold *hold;
	struct tw *tw;

	if (!tuple_has_remote(&rec->tuple))
		return false;
	for (__u32 i = port->first; (hold = holds_at(&ledger->holds, i)); i = hold->next)
		for (__u32 j = hold->tws; (tw = holds_tw_at(&ledger->holds, j)); j = tw->next)
			if (same_tuple(&tw->tuple, &rec->tuple, rec->head.vrf)) {
				tw_is_gone(ledger, &rec->head, port, hold, tw->sock, PT_END_REUSED);
				return true;
			}
	return false;
}

/* ---- allocation -------------------------------------------------------------- */

static void alloc_set_reuse(const struct ledger *ledger, const struct port_state *port,
			    bool from_tw, struct pt_event *ev)
{
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
		ev->reuse_ns = elapsed(port->free_since, ev->ts);
	if (ev->reuse == PT_REUSE_UNKNOWN)
		return;
	ev->prev_known = port->prev_known;
	ev->prev_pid = port->prev_pid;
	memcpy(ev->prev_comm, port->prev_comm, PT_COMM_LEN);
}

static void hold_connects(struct hold *hold, const struct pt_tuple *tuple)
{
	hold->tuple = *tuple;
	hold->open_until = 0;
	hold->connected = true;
}

/* Told already, by the first witness or by bind(): at most its peer is new. */
static void alloc_again(struct ledger *ledger, const struct pt_rec_port *rec, struct hold *hold)
{
	ledger->counts.repeated++;
	if (tuple_has_remote(&rec->tuple))
		hold_connects(hold, &rec->tuple);
}

static int alloc_new(struct ledger *ledger, const struct pt_rec_port *rec, struct port_state *port)
{
	bool from_tw =
		take_from_tw(ledger, rec, port) || (port->taker && port->taker == rec->head.sock);
	struct hold *hold = holds_add(&ledger->holds, port);
	struct pt_event ev;

	port->taker = 0;
	if (!hold)
		return -ENOMEM;
	hold->sock = rec->head.sock;
	hold->sock_open = true;
	hold->family = rec->head.family;
	hold->vrf = rec->head.vrf;
	hold->via = rec->via;
	hold->tuple = rec->tuple;
	hold->owner = owner_of(ledger, rec);
	hold->since = rec->head.flags & PT_F_LATE ? PT_UNKNOWN : rec->head.ts;
	event_init_of_hold(&ev, &rec->head, hold, PT_EV_ALLOC);
	if (rec->head.flags & PT_F_SEARCHED)
		ev.search_ns = rec->search_ns;
	ev.holders = holders_known(ledger, port);
	alloc_set_reuse(ledger, port, from_tw, &ev);
	emit(ledger, &ev);
	return 0;
}

/*
 * A socket has one port at a time (its TIME_WAITs may have others): that it gets
 * one says that it let the last one go, should all who tell that have been skipped.
 */
static void end_elsewhere(struct ledger *ledger, const struct pt_rec_head *head)
{
	struct binding *bound = &ledger->bound[index_hash(head->sock) & (BOUND - 1)];
	struct binding last = *bound;
	struct pt_rec_head before = *head;
	struct pt_space space = space_of(head);
	struct port_state *port;
	struct hold *hold;

	*bound = (struct binding){ head->sock, head->port };
	if (last.sock != head->sock || last.port == head->port)
		return;
	hold = holds_find(&ledger->holds, &space, last.port, last.sock, 0, &port);
	if (!hold)
		return;
	before.port = last.port;
	hold->sock_open = false;
	if (!hold->tws)
		hold_end(ledger, &before, port, hold, PT_END_UNKNOWN);
}

static bool just_released(struct ledger *ledger, __u64 sock, __u16 port, __u64 ts)
{
	const struct release *release = recent_release(ledger, sock);

	return release->sock == sock && release->port == port &&
	       elapsed(release->ts, ts) < RELEASE_LAG_NS;
}

static int on_alloc(struct ledger *ledger, const struct pt_rec_head *head)
{
	const struct pt_rec_port *rec = decode_port(head);
	struct pt_space space = space_of(head);
	struct port_state *port = holds_port(&ledger->holds, &space, head->port);
	struct hold *hold;

	if (!port)
		return -ENOMEM;
	hold = holds_of_sock(&ledger->holds, port, head->sock);
	if (hold && head->flags & PT_F_SECOND) {
		alloc_again(ledger, rec, hold);
		return 0;
	}
	/* nobody knew whether it was told, and it was: of a socket that lets go twice */
	if (head->flags & PT_F_LATE && just_released(ledger, head->sock, head->port, head->ts)) {
		ledger->counts.repeated++;
		return 0;
	}
	end_elsewhere(ledger, head);
	/* it got the port anew, so it had let go, unseen */
	if (hold) {
		hold->sock_open = false;
		if (!hold->tws)
			hold_end(ledger, head, port, hold, PT_END_UNKNOWN);
	}
	return alloc_new(ledger, rec, port);
}

/*
 * The kernel let the port's bucket go, so nobody holds it. Whoever the ledger
 * still has there let go unseen.
 */
static void on_empty(struct ledger *ledger, const struct pt_rec_head *head)
{
	struct pt_space space = space_of(head);
	struct port_state *port = holds_port(&ledger->holds, &space, head->port);
	struct hold *hold;

	ledger->counts.emptied++;
	while (port && (hold = holds_at(&ledger->holds, port->first))) {
		if (head->flags & PT_F_MISSED)
			ledger->counts.healed++;
		else
			ledger->counts.not_empty += !ledger->uncertain;
		hold_end(ledger, head, port, hold, PT_END_UNKNOWN);
	}
}

static void on_connect(struct ledger *ledger, const struct pt_rec_head *head)
{
	struct port_state *port;
	struct hold *hold = find_hold(ledger, head, 0, &port);

	if (hold)
		hold_connects(hold, &decode_tuple(head)->tuple);
}

/* ---- from before the trace --------------------------------------------------- */

static struct hold *found_hold(struct ledger *ledger, const struct ledger_unit *found,
			       struct port_state *port)
{
	struct hold *hold = holds_add(&ledger->holds, port);

	if (!hold)
		return NULL;
	hold->sock = found->sock ?: found->tw;
	hold->vrf = found->space.vrf;
	hold->sock_open = !found->time_wait;
	hold->family = found->family;
	hold->via = found->accepted ? PT_VIA_ACCEPT : PT_VIA_SNAPSHOT;
	hold->tuple = found->tuple;
	hold->owner = found->owner;
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

	event_init_of_hold(&ev, head, hold, type);
	ev.holders = holders_known(ledger, port);
	ev.fin_wait2 = fin_wait2;
	if (type == PT_EV_ALLOC)
		alloc_set_reuse(ledger, port, false, &ev);
	emit(ledger, &ev);
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
	tw->tuple = found->tuple;
	return 0;
}

/* Not where another socket may have the address by now, which is its identity there. */
static bool is_on_its_way_out(struct ledger *ledger, const struct ledger_unit *found, __u64 ts)
{
	return pt_space_has_cookies(&found->space) && !found->time_wait &&
	       just_released(ledger, found->sock, found->port, ts);
}

int ledger_found(struct ledger *ledger, const struct ledger_unit *found, __u64 ts)
{
	struct pt_rec_head head = head_of(&found->space, found->port, found->sock ?: found->tw, ts);
	struct port_state *port;
	struct hold *hold = holds_known(&ledger->holds, &found->space, found->port, found->sock,
					found->tw, &port);

	if ((hold && hold_has(ledger, hold, found)) || is_on_its_way_out(ledger, found, ts))
		return 0;
	if (!hold) {
		port = holds_port(&ledger->holds, &found->space, found->port);
		hold = port ? found_hold(ledger, found, port) : NULL;
		if (!hold)
			return -ENOMEM;
		tell_found(ledger, &head, hold, port, PT_EV_ALLOC, false);
	}
	hold->sock_open |= !found->time_wait;
	if (!found->time_wait)
		return 0;
	if (found_tw(ledger, found, hold))
		return -ENOMEM;
	tell_found(ledger, &head, hold, port, PT_EV_TIME_WAIT, found->fin_wait2);
	return 0;
}

/* ---- held against a dump ----------------------------------------------------- */

static struct ledger_unit unit_of(const struct pt_space *space, __u16 port, const struct hold *hold,
				  const struct tw *tw)
{
	struct ledger_unit unit = { .space = *space,
				    .family = hold->family,
				    .port = port,
				    .tuple = tw ? tw->tuple : hold->tuple,
				    .sock = hold->sock,
				    .tw = tw ? tw->sock : 0,
				    .owner = hold->owner,
				    .time_wait = tw,
				    .accepted = hold->via == PT_VIA_ACCEPT,
				    .via = hold->via,
				    .since = hold->since };

	/* where a socket is known by its address, that of a found TIME_WAIT stands in for it */
	if (unit.tw && unit.tw == unit.sock)
		unit.sock = 0;
	return unit;
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
	struct ledger_unit unit = unit_of(space, number, hold, NULL);
	const struct tw *tw;

	(void)port;
	if (hold->sock_open)
		visit->fn(visit->data, &unit);
	for (__u32 i = hold->tws; (tw = holds_tw_at(&visit->ledger->holds, i)); i = tw->next) {
		unit = unit_of(space, number, hold, tw);
		visit->fn(visit->data, &unit);
	}
}

void ledger_each(struct ledger *ledger, ledger_unit_fn fn, void *data)
{
	struct visit visit = { .ledger = ledger, .fn = fn, .data = data };

	holds_each(&ledger->holds, each_unit, &visit);
}

static void sweep_one(void *data, const struct pt_space *space, __u16 number,
		      struct port_state *port, struct hold *hold)
{
	const struct visit *visit = data;
	struct pt_rec_head head = head_of(space, number, hold->sock, visit->ts);
	struct ledger_unit unit = unit_of(space, number, hold, NULL);
	struct tw *tw;

	if (hold->sock_open && !visit->keep(visit->data, &unit))
		hold->sock_open = false;
	for (__u32 next, i = hold->tws; (tw = holds_tw_at(&visit->ledger->holds, i)); i = next) {
		next = tw->next;
		unit = unit_of(space, number, hold, tw);
		if (!visit->keep(visit->data, &unit))
			holds_tw_drop(&visit->ledger->holds, hold, tw);
	}
	if (!hold->sock_open && !hold->tws)
		hold_end(visit->ledger, &head, port, hold, PT_END_UNKNOWN);
}

void ledger_sweep(struct ledger *ledger, ledger_keep_fn keep, void *data, __u64 ts)
{
	struct visit visit = { .ledger = ledger, .keep = keep, .data = data, .ts = ts };

	holds_each(&ledger->holds, sweep_one, &visit);
}

void ledger_doubt(struct ledger *ledger)
{
	ledger->uncertain = true;
}

void ledger_certain(struct ledger *ledger, __u64 ts)
{
	ledger->uncertain = false;
	ledger->certain_since = ts;
}

/* ---- refusal ----------------------------------------------------------------- */

static bool blocks(const struct hold *hold, const struct pt_rec_port *rec)
{
	if (hold->sock == rec->head.sock && hold->sock_open)
		return false;
	/* connect() with a port of its own is refused for the same 4-tuple only */
	return rec->via != PT_VIA_CONNECT || same_tuple(&hold->tuple, &rec->tuple, rec->head.vrf);
}

static void set_blocker(struct pt_blocker *blocker, const struct pt_event *ev,
			const struct hold *hold)
{
	*blocker = (struct pt_blocker){ .owner = hold->owner };
	memcpy(blocker->laddr, hold->tuple.laddr, sizeof(blocker->laddr));
	if (tuple_has_remote(&hold->tuple)) {
		memcpy(blocker->raddr, hold->tuple.raddr, sizeof(blocker->raddr));
		blocker->rport = hold->tuple.rport;
	}
	blocker->time_wait = !hold->sock_open;
	blocker->age_ns = elapsed(hold->since, ev->ts);
}

/* The holders that the ledger knows. None known: somebody older is in the way. */
static void fail_set_blockers(struct ledger *ledger, const struct pt_rec_port *rec,
			      const struct port_state *port, struct pt_event *ev)
{
	const struct hold *hold;
	__u64 total = 0;

	for (__u32 i = port->first; (hold = holds_at(&ledger->holds, i)); i = hold->next) {
		if (!blocks(hold, rec))
			continue;
		if (total < PT_BLOCKERS_MAX)
			set_blocker(&ledger->blockers[total], ev, hold);
		total++;
	}
	ev->blockers = ledger->blockers;
	ev->blockers_count = total < PT_BLOCKERS_MAX ? (unsigned int)total : PT_BLOCKERS_MAX;
	if (total && !ledger->uncertain)
		ev->blockers_total = total;
}

/* A port that the kernel gave and took back within the call. */
static void roll_back(struct ledger *ledger, const struct pt_rec_head *head)
{
	struct port_state *port;
	struct hold *hold = find_hold(ledger, head, 0, &port);

	if (!hold)
		return;
	hold->sock_open = false;
	hold_end(ledger, head, port, hold, PT_END_CLOSE);
}

static int on_fail(struct ledger *ledger, const struct pt_rec_head *head)
{
	const struct pt_rec_port *rec = decode_port(head);
	struct port_state *port;
	struct pt_event ev;

	event_init(&ev, head, PT_EV_FAIL);
	if (head->flags & PT_F_ROLLBACK)
		roll_back(ledger, head);
	ev.via = rec->via;
	ev.owner = owner_of(ledger, rec);
	ev.error = -rec->error;
	if (head->flags & PT_F_SEARCHED)
		ev.search_ns = rec->search_ns;
	event_set_tuple(&ev, &rec->tuple);
	if (head->port && head->vrf != PT_VRF_UNKNOWN) {
		port = holds_port(&ledger->holds, &ev.space, head->port);
		if (!port)
			return -ENOMEM;
		fail_set_blockers(ledger, rec, port, &ev);
	}
	emit(ledger, &ev);
	return 0;
}

/* ---- records ----------------------------------------------------------------- */

static void tell_loss(struct ledger *ledger, __u64 count, __u64 until)
{
	struct pt_event ev = { .type = PT_EV_LOST,
			       .ts = until,
			       .lost_count = count,
			       .lost_from = ledger->last_record_ts,
			       .lost_to = until };

	ledger->counts.lost += count;
	ledger->uncertain = true;
	emit(ledger, &ev);
}

static int dispatch(struct ledger *ledger, const struct pt_rec_head *head)
{
	switch (head->kind) {
	case PT_REC_ALLOC:
		return on_alloc(ledger, head);
	case PT_REC_FAIL:
		return on_fail(ledger, head);
	case PT_REC_CONNECT:
		on_connect(ledger, head);
		return 0;
	case PT_REC_CLOSED:
		on_closed(ledger, head);
		return 0;
	case PT_REC_RELEASE:
		on_release(ledger, head);
		return 0;
	case PT_REC_TW_BEGIN:
		return on_tw_begin(ledger, head);
	case PT_REC_TW_END:
		on_tw_end(ledger, head);
		return 0;
	case PT_REC_EMPTY:
		on_empty(ledger, head);
		return 0;
	default:
		return 0; /* decode_record() lets no other kind pass */
	}
}

int ledger_record(struct ledger *ledger, const struct pt_rec_head *head)
{
	/* below 0: stamped before a loss that ledger_lost() told already */
	__s32 lost = (__s32)(head->lost - ledger->lost_stamp);

	if (lost > 0) {
		tell_loss(ledger, (__u64)lost, head->ts);
		ledger->lost_stamp = head->lost;
	}
	ledger->last_record_ts = head->ts;
	ledger->counts.records++;
	return dispatch(ledger, head);
}

void ledger_lost(struct ledger *ledger, __u64 lost, __u64 now)
{
	if (lost <= ledger->counts.lost)
		return;
	tell_loss(ledger, lost - ledger->counts.lost, now);
	ledger->lost_stamp = (__u32)lost;
}

struct ledger_counts ledger_counts(const struct ledger *ledger)
{
	struct ledger_counts counts = ledger->counts;

	counts.holds = ledger->holds.pool.live;
	counts.uncertain = ledger->uncertain;
	return counts;
}

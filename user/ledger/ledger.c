// SPDX-License-Identifier: BSD-2-Clause
#include "user/ledger/ledger.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/index.h"
#include "user/event/decode.h"
#include "user/ledger/in_way.h"

/* What a record's handler returns, if not a negative errno. */
enum { IDLE, TAKEN }; /* it changed nothing; it did: it belongs into a recording */

struct ledger *ledger_new(ledger_emit emit, void *data)
{
	struct ledger *ledger = calloc(1, sizeof(*ledger));

	if (!ledger)
		return NULL;
	ledger->emit = emit;
	ledger->data = data;
	holds_init(&ledger->holds);
	in_way_init(ledger);
	return ledger;
}

void ledger_free(struct ledger *ledger)
{
	if (!ledger)
		return;
	in_way_end(ledger);
	holds_free(&ledger->holds);
	free(ledger);
}

void ledger_set_tap(struct ledger *ledger, ledger_tap tap, void *data)
{
	ledger->tap = tap;
	ledger->tap_data = data;
}

void ledger_skip_crowd(struct ledger *ledger)
{
	ledger->skips_crowd = true;
}

void ledger_set_clock(struct ledger *ledger, __u64 realtime_offset)
{
	ledger->realtime_offset = realtime_offset;
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

/*
 * The hold that a record of its socket is about (of its TIME_WAIT, if tw is not
 * 0). NULL, and counted, for a socket that holds nothing here.
 */
static inline __attribute__((always_inline)) struct hold *
find_hold(struct ledger *ledger, const struct pt_rec_head *head, __u64 tw, struct port_state **port)
{
	struct pt_space space = state_space(head);
	struct hold *hold = holds_find(&ledger->holds, &space, head->port, head->sock, tw, port);

	if (!hold)
		ledger->counts.foreign++;
	return hold;
}

static int on_closed(struct ledger *ledger, const struct pt_rec_head *head)
{
	struct port_state *port;
	struct hold *hold = find_hold(ledger, head, 0, &port);

	if (!hold)
		return IDLE;
	hold->listened |= head->flags & PT_F_LISTENED;
	if (!hold->open_until)
		hold->open_until = head->ts;
	return TAKEN;
}

static int on_release(struct ledger *ledger, const struct pt_rec_head *head)
{
	struct port_state *port;
	struct hold *hold = find_hold(ledger, head, 0, &port);

	if (!hold)
		return IDLE;
	state_socket_goes(ledger, head, hold);
	hold->listened |= head->flags & PT_F_LISTENED;
	if (!hold->tws)
		state_end_hold(ledger, head, port, hold, PT_END_CLOSE);
	else
		in_way_changed(ledger, head, port, hold);
	return TAKEN;
}

/* ---- TIME_WAIT --------------------------------------------------------------- */

static void tell_time_wait(struct ledger *ledger, const struct pt_rec_head *head,
			   const struct port_state *port, const struct hold *hold)
{
	struct pt_event ev;

	state_event_of_hold(ledger, &ev, head, port, hold, PT_EV_TIME_WAIT);
	ev.open_ns = state_elapsed(hold->since, hold->open_until);
	ev.fin_wait2 = head->flags & PT_F_FIN_WAIT2;
	ev.holders = state_holders(ledger, port);
	state_emit(ledger, &ev);
}

static int on_tw_begin(struct ledger *ledger, const struct pt_rec_head *head)
{
	const struct pt_rec_tuple *rec = decode_tuple(head);
	struct port_state *port;
	struct hold *hold = find_hold(ledger, head, 0, &port);
	bool found;
	struct tw *tw;

	if (!hold)
		return IDLE;
	/* a dump may have come between the kernel's doing and this record */
	tw = holds_tw_find(&ledger->holds, hold, rec->tw, &rec->tuple);
	found = tw;
	if (!tw)
		tw = holds_tw_add(&ledger->holds, hold);
	if (!tw)
		return -ENOMEM;
	tw->sock = rec->tw;
	tw->until = head->flags & PT_F_FIN_WAIT2 ? 0 : head->ts + STATE_TIME_WAIT_NS;
	tw->tuple = rec->tuple;
	hold->tuple = rec->tuple;
	hold->open_until = head->ts;
	if (head->flags & PT_F_SOCK_GONE)
		state_socket_goes(ledger, head, hold);
	in_way_changed(ledger, head, port, hold);
	if (!found && state_tells(ledger, head->ts))
		tell_time_wait(ledger, head, port, hold);
	return TAKEN;
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
		state_end_hold(ledger, head, port, hold, end);
	else
		in_way_changed(ledger, head, port, hold);
}

static int on_tw_end(struct ledger *ledger, const struct pt_rec_head *head)
{
	const struct pt_rec_tw_end *rec = decode_tw_end(head);
	struct port_state *port;
	struct hold *hold = find_hold(ledger, head, rec->tw, &port);

	if (!hold)
		return IDLE;
	/* its allocation comes yet where only the exit of connect() tells it */
	port->taker = rec->taker;
	tw_is_gone(ledger, head, port, hold, rec->tw, tw_end_reason(head));
	return TAKEN;
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

	if (!port->first || !state_has_remote(&rec->tuple))
		return false;
	for (__u32 i = port->first; (hold = holds_at(&ledger->holds, i)); i = hold->next)
		for (__u32 j = hold->tws; (tw = holds_tw_at(&ledger->holds, j)); j = tw->next)
			if (state_same_tuple(&tw->tuple, &rec->tuple, rec->head.vrf)) {
				tw_is_gone(ledger, &rec->head, port, hold, tw->sock, PT_END_REUSED);
				return true;
			}
	return false;
}

/* ---- allocation -------------------------------------------------------------- */

static void hold_connects(struct hold *hold, const struct pt_tuple *tuple)
{
	hold->tuple = *tuple;
	hold->open_until = 0;
	hold->connected = true;
}

/* Told already, by the first witness or by bind(): at most its peer is new. */
static int alloc_again(struct ledger *ledger, const struct pt_rec_port *rec,
		       const struct port_state *port, struct hold *hold)
{
	ledger->counts.repeated++;
	if (!state_has_remote(&rec->tuple))
		return IDLE;
	hold_connects(hold, &rec->tuple);
	in_way_changed(ledger, &rec->head, port, hold);
	return TAKEN;
}

static void tell_alloc(struct ledger *ledger, const struct pt_rec_port *rec,
		       const struct port_state *port, const struct hold *hold, bool from_tw)
{
	struct pt_event ev;

	state_event_of_hold(ledger, &ev, &rec->head, port, hold, PT_EV_ALLOC);
	if (rec->head.flags & PT_F_SEARCHED)
		ev.search_ns = rec->search_ns;
	ev.holders = state_holders(ledger, port);
	state_event_reuse(ledger, port, from_tw, &ev);
	state_emit(ledger, &ev);
}

/* A task that was not the owner told the record: then the owner is not known. */
static int take_owner(struct ledger *ledger, const struct pt_rec_port *rec, __u32 *owner)
{
	*owner = 0;
	if (rec->head.flags & PT_F_KIN)
		return 0;
	return owners_take_task(&ledger->holds.owners, &rec->task, rec->head.flags & PT_F_KTHREAD,
				owner);
}

static int alloc_new(struct ledger *ledger, const struct pt_rec_port *rec, struct port_state *port)
{
	bool from_tw =
		take_from_tw(ledger, rec, port) || (port->taker && port->taker == rec->head.sock);
	struct hold *hold;
	__u32 owner;

	port->taker = 0;
	hold = take_owner(ledger, rec, &owner) ? NULL : holds_add(&ledger->holds, port, owner);
	if (!hold)
		return -ENOMEM;
	hold->sock = rec->head.sock;
	hold->sock_open = true;
	hold->family = rec->head.family;
	hold->via = rec->via;
	hold->tuple = rec->tuple;
	hold->since = rec->head.flags & PT_F_LATE ? PT_UNKNOWN : rec->head.ts;
	in_way_changed(ledger, &rec->head, port, hold);
	if (state_tells(ledger, rec->head.ts))
		tell_alloc(ledger, rec, port, hold, from_tw);
	return TAKEN;
}

/* The socket let go of the port before this record, unseen. */
static int ends_unseen(struct ledger *ledger, const struct pt_rec_head *head)
{
	struct pt_space space = state_space(head);
	struct port_state *port;
	struct hold *hold = holds_find(&ledger->holds, &space, head->port, head->sock, 0, &port);

	if (!hold)
		return IDLE;
	hold->sock_open = false;
	if (!hold->tws)
		state_end_hold(ledger, head, port, hold, PT_END_UNKNOWN);
	else
		in_way_changed(ledger, head, port, hold);
	return TAKEN;
}

/*
 * A socket has one port at a time (its TIME_WAITs may have others): that it gets
 * one says that it let the last one go, should all who tell that have been skipped.
 */
static void end_on_port(struct ledger *ledger, const struct pt_rec_head *head, __u16 port)
{
	struct pt_rec_journal end = { .head = *head };

	end.head.kind = PT_JR_END;
	end.head.size = sizeof(end);
	end.head.flags = 0;
	end.head.port = port;
	if (ends_unseen(ledger, &end.head) == TAKEN)
		state_tap(ledger, &end.head);
}

static void end_elsewhere(struct ledger *ledger, const struct pt_rec_head *head)
{
	struct binding *bound = state_bound(ledger, head->sock);
	struct binding last = *bound;

	*bound = (struct binding){ head->sock, head->port };
	if (last.sock == head->sock && last.port != head->port)
		end_on_port(ledger, head, last.port);
}

static int on_alloc(struct ledger *ledger, const struct pt_rec_head *head)
{
	const struct pt_rec_port *rec = decode_port(head);
	struct pt_space space = state_space(head);
	struct port_state *port = holds_port(&ledger->holds, &space, head->port);
	struct hold *hold;

	if (!port)
		return -ENOMEM;
	hold = holds_of_sock(&ledger->holds, port, head->sock);
	if (hold && head->flags & PT_F_SECOND)
		return alloc_again(ledger, rec, port, hold);
	/* nobody knew whether it was told, and it was: of a socket that lets go twice */
	if (head->flags & PT_F_LATE &&
	    state_just_released(ledger, head->sock, head->port, head->ts)) {
		ledger->counts.repeated++;
		return IDLE;
	}
	end_elsewhere(ledger, head);
	/* it got the port anew, so it had let go, unseen */
	if (hold) {
		hold->sock_open = false;
		if (!hold->tws)
			state_end_hold(ledger, head, port, hold, PT_END_UNKNOWN);
		else
			in_way_changed(ledger, head, port, hold);
	}
	return alloc_new(ledger, rec, port);
}

/*
 * The kernel let the port's bucket go, so nobody holds it. Whoever the ledger
 * still has there let go unseen.
 */
static int on_empty(struct ledger *ledger, const struct pt_rec_head *head)
{
	struct pt_space space = state_space(head);
	struct port_state *port = holds_port(&ledger->holds, &space, head->port);
	struct hold *hold;
	int taken = IDLE;

	ledger->counts.emptied++;
	while (port && (hold = holds_at(&ledger->holds, port->first))) {
		if (head->flags & PT_F_MISSED)
			ledger->counts.healed++;
		else
			ledger->counts.not_empty += !ledger->uncertain;
		state_end_hold(ledger, head, port, hold, PT_END_UNKNOWN);
		taken = TAKEN;
	}
	return taken;
}

static int on_connect(struct ledger *ledger, const struct pt_rec_head *head)
{
	struct port_state *port;
	struct hold *hold = find_hold(ledger, head, 0, &port);

	if (!hold)
		return IDLE;
	hold_connects(hold, &decode_tuple(head)->tuple);
	in_way_changed(ledger, head, port, hold);
	return TAKEN;
}

/* ---- refusal ----------------------------------------------------------------- */

/* A port that the kernel gave and took back within the call. */
static void roll_back(struct ledger *ledger, const struct pt_rec_head *head)
{
	struct port_state *port;
	struct hold *hold = find_hold(ledger, head, 0, &port);

	if (!hold)
		return;
	hold->sock_open = false;
	state_end_hold(ledger, head, port, hold, PT_END_CLOSE);
}

static int on_fail(struct ledger *ledger, const struct pt_rec_head *head)
{
	const struct pt_rec_port *rec = decode_port(head);
	struct pt_event ev;

	if (head->flags & PT_F_ROLLBACK)
		roll_back(ledger, head);
	if (!state_tells(ledger, head->ts))
		return TAKEN;
	state_event(&ev, head, PT_EV_FAIL);
	ev.via = rec->via;
	if (!(head->flags & PT_F_KIN))
		ev.owner = owners_of_task(&rec->task, head->flags & PT_F_KTHREAD);
	ev.error = -rec->error;
	if (head->flags & PT_F_SEARCHED)
		ev.search_ns = rec->search_ns;
	state_event_tuple(&ev, &rec->tuple);
	if (refusal_explain(ledger, rec, &ev))
		return -ENOMEM;
	state_emit(ledger, &ev);
	return TAKEN;
}

/* ---- records ----------------------------------------------------------------- */

static void tell_loss(struct ledger *ledger, __u64 count, __u64 from, __u64 until)
{
	struct pt_event ev = { .type = PT_EV_LOST,
			       .ts = until,
			       .lost_count = count,
			       .lost_from = from,
			       .lost_to = until };
	struct pt_rec_journal row = { .head = { .kind = PT_JR_LOST,
						.version = PT_ABI_VERSION,
						.size = sizeof(row),
						.ts = until },
				      .numbers = { count, from } };

	ledger->counts.lost += count;
	ledger->uncertain = true;
	in_way_forget(ledger);
	state_emit(ledger, &ev);
	state_tap(ledger, &row.head);
}

/*
 * What others than the record's own port know, put into it; so that those of one
 * port alone tell all of it. A subflow of MPTCP belongs to whom the first one of
 * its connection does.
 */
static void settle_kin(struct ledger *ledger, struct pt_rec_port *rec)
{
	struct pt_space space = state_space(&rec->head);
	struct port_state *port;
	const struct hold *kin =
		holds_known(&ledger->holds, &space, rec->kin.port, rec->kin.sock, 0, &port);
	const struct pt_owner *owner = kin ? holds_owner(&ledger->holds, kin) : NULL;

	memset(&rec->task, 0, sizeof(rec->task));
	if (!owner || !owner->known)
		return;
	rec->head.flags &= ~(__u32)(PT_F_KIN | PT_F_KTHREAD);
	rec->head.flags |= owner->kernel ? PT_F_KTHREAD : 0;
	rec->task = state_task(owner);
}

static const struct pt_rec_head *settle(struct ledger *ledger, const struct pt_rec_head *head,
					struct pt_rec_port *copy)
{
	if (!(head->flags & PT_F_KIN) || (head->kind != PT_REC_ALLOC && head->kind != PT_REC_FAIL))
		return head;
	*copy = *decode_port(head);
	settle_kin(ledger, copy);
	return &copy->head;
}

static int dispatch(struct ledger *ledger, const struct pt_rec_head *head)
{
	switch (head->kind) {
	case PT_REC_ALLOC:
		return on_alloc(ledger, head);
	case PT_REC_FAIL:
		return on_fail(ledger, head);
	case PT_REC_CONNECT:
		return on_connect(ledger, head);
	case PT_REC_CLOSED:
		return on_closed(ledger, head);
	case PT_REC_RELEASE:
		return on_release(ledger, head);
	case PT_REC_TW_BEGIN:
		return on_tw_begin(ledger, head);
	case PT_REC_TW_END:
		return on_tw_end(ledger, head);
	case PT_REC_EMPTY:
		return on_empty(ledger, head);
	default:
		return IDLE; /* decode_record() lets no other kind pass */
	}
}

static int take_record(struct ledger *ledger, const struct pt_rec_head *head)
{
	struct pt_rec_port copy;
	int taken;

	ledger->last_record_ts = head->ts;
	ledger->counts.records++;
	in_way_look(ledger, head->ts);
	head = settle(ledger, head, &copy);
	taken = dispatch(ledger, head);
	if (taken == TAKEN)
		state_tap(ledger, head);
	return taken < 0 ? taken : 0;
}

/* Out of line, since that is rare. */
static __attribute__((noinline)) int take_after_loss(struct ledger *ledger,
						     const struct pt_rec_head *head, __u32 lost)
{
	tell_loss(ledger, lost, ledger->last_record_ts, head->ts);
	ledger->lost_stamp = head->lost;
	return take_record(ledger, head);
}

int ledger_record(struct ledger *ledger, const struct pt_rec_head *head)
{
	/* below 0: stamped before a loss that ledger_lost() told already */
	__s32 lost = (__s32)(head->lost - ledger->lost_stamp);

	return lost > 0 ? take_after_loss(ledger, head, (__u32)lost) : take_record(ledger, head);
}

void ledger_lost(struct ledger *ledger, __u64 lost, __u64 now)
{
	if (lost <= ledger->counts.lost)
		return;
	tell_loss(ledger, lost - ledger->counts.lost, ledger->last_record_ts, now);
	ledger->lost_stamp = (__u32)lost;
}

/* ---- a recording's rows ------------------------------------------------------ */

static int take_journal(struct ledger *ledger, const struct pt_rec_journal *rec)
{
	const struct pt_rec_head *head = &rec->head;

	switch (head->kind) {
	case PT_JR_LOST:
		tell_loss(ledger, rec->numbers[0], rec->numbers[1], head->ts);
		return 0;
	case PT_JR_END:
		ends_unseen(ledger, head);
		return 0;
	case PT_JR_ALIVE:
		return 0;
	case PT_JR_FOUND:
	case PT_JR_GONE:
	case PT_JR_SWEEP:
	case PT_JR_DOUBT:
	case PT_JR_CERTAIN:
		return found_take(ledger, rec);
	default:
		return keyframe_take(ledger, rec);
	}
}

void ledger_expect(struct ledger *ledger, const struct pt_rec_head *row)
{
	struct pt_space space = state_space(row);

	holds_expect(&ledger->holds, &space, row->port);
}

int ledger_row(struct ledger *ledger, const struct pt_rec_head *row)
{
	ledger->replays = true;
	/* losses have rows of their own */
	return row->kind < PT_JR_FIRST ? take_record(ledger, row)
				       : take_journal(ledger, decode_journal(row));
}

struct ledger_counts ledger_counts(const struct ledger *ledger)
{
	struct ledger_counts counts = ledger->counts;

	counts.holds = ledger->holds.pool.live;
	counts.uncertain = ledger->uncertain;
	return counts;
}

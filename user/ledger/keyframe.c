// SPDX-License-Identifier: BSD-2-Clause
/* All that a ledger knows, into rows and back. */
#include <errno.h>
#include <string.h>

#include "user/ledger/in_way.h"

/* ---- out --------------------------------------------------------------------- */

struct keyframe {
	struct ledger *ledger;
	ledger_tap fn;
	void *data;
};

static struct pt_rec_journal row_of(enum pt_journal_kind kind, const struct pt_space *space,
				    __u16 port)
{
	struct pt_rec_journal row = { .head = { .kind = kind,
						.version = PT_ABI_VERSION,
						.size = sizeof(row),
						.port = port } };

	if (!space)
		return row;
	row.head.netns_cookie = space->netns_cookie;
	row.head.netns = space->netns;
	row.head.vrf = space->vrf;
	row.head.proto = space->proto;
	return row;
}

static void tell_state(const struct keyframe *keyframe)
{
	const struct ledger *ledger = keyframe->ledger;
	struct pt_rec_journal row = row_of(PT_JR_STATE, NULL, 0);

	row.head.ts = ledger->last_event_ts;
	row.head.flags = ledger->uncertain ? PT_J_UNCERTAIN : 0;
	row.numbers[PT_STATE_RECORDS] = ledger->counts.records;
	row.numbers[PT_STATE_LOST] = ledger->counts.lost;
	row.numbers[PT_STATE_LAST_RECORD_TS] = ledger->last_record_ts;
	row.numbers[PT_STATE_LAST_EVENT_TS] = ledger->last_event_ts;
	row.numbers[PT_STATE_CERTAIN_SINCE] = ledger->certain_since;
	keyframe->fn(keyframe->data, &row.head);
}

static void tell_tw(const struct keyframe *keyframe, const struct pt_space *space, __u16 port,
		    const struct hold *hold, const struct tw *tw)
{
	struct pt_rec_journal row = row_of(PT_JR_HOLD_TW, space, port);

	row.head.sock = hold->sock;
	row.head.family = hold->family;
	row.tuple = tw->tuple;
	row.tw = tw->sock;
	row.numbers[0] = tw->until;
	keyframe->fn(keyframe->data, &row.head);
}

static void tell_hold(const struct keyframe *keyframe, const struct pt_space *space, __u16 port,
		      const struct hold *hold)
{
	const struct binding *bound = state_bound(keyframe->ledger, hold->sock);
	const struct pt_owner *owner = holds_owner(&keyframe->ledger->holds, hold);
	struct pt_rec_journal row = row_of(PT_JR_HOLD, space, port);
	const struct tw *tw;

	row.head.sock = hold->sock;
	row.head.family = hold->family;
	row.head.ts = hold->since == PT_UNKNOWN ? 0 : hold->since;
	row.head.flags = (hold->since == PT_UNKNOWN ? PT_J_NO_START : 0) |
			 (hold->sock_open ? PT_J_SOCK_OPEN : 0) |
			 (hold->connected ? PT_J_CONNECTED : 0) |
			 (hold->listened ? PT_J_LISTENED : 0) |
			 (bound->sock == hold->sock && bound->port == port ? PT_J_LAST : 0);
	if (owner->known) {
		row.head.flags |= PT_J_OWNER | (owner->kernel ? PT_J_KTHREAD : 0);
		row.task = state_task(owner);
	}
	row.tuple = hold->tuple;
	row.via = hold->via;
	row.numbers[0] = hold->open_until;
	keyframe->fn(keyframe->data, &row.head);
	for (__u32 i = hold->tws; (tw = holds_tw_at(&keyframe->ledger->holds, i)); i = tw->next)
		tell_tw(keyframe, space, port, hold, tw);
}

static void tell_port(void *data, const struct pt_space *space, __u16 number,
		      struct port_state *port)
{
	const struct keyframe *keyframe = data;
	const struct pt_owner *prev = owners_at(&keyframe->ledger->holds.owners, port->prev);
	struct pt_rec_journal row = row_of(PT_JR_PORT, space, number);
	const struct hold *hold;

	if (port->free_since || port->taker || port->prev) {
		row.head.ts = port->free_since;
		row.head.flags = port->prev ? PT_J_OWNER : 0;
		row.numbers[0] = port->taker;
		row.task.pid = prev->pid;
		memcpy(row.task.comm, prev->comm, PT_COMM_LEN);
		keyframe->fn(keyframe->data, &row.head);
	}
	for (__u32 i = port->first; (hold = holds_at(&keyframe->ledger->holds, i)); i = hold->next)
		tell_hold(keyframe, space, number, hold);
}

void ledger_keyframe(struct ledger *ledger, ledger_tap fn, void *data)
{
	struct keyframe keyframe = { ledger, fn, data };

	tell_state(&keyframe);
	holds_each_port(&ledger->holds, tell_port, &keyframe);
}

/* ---- in ---------------------------------------------------------------------- */

static void take_state(struct ledger *ledger, const struct pt_rec_journal *row)
{
	const __u64 *numbers = row->numbers;

	holds_free(&ledger->holds);
	holds_init(&ledger->holds);
	memset(ledger->bound, 0, sizeof(ledger->bound));
	memset(ledger->recent, 0, sizeof(ledger->recent));
	ledger->orphans_count = 0;
	ledger->counts = (struct ledger_counts){ .records = numbers[PT_STATE_RECORDS],
						 .lost = numbers[PT_STATE_LOST] };
	ledger->last_record_ts = numbers[PT_STATE_LAST_RECORD_TS];
	ledger->last_event_ts = numbers[PT_STATE_LAST_EVENT_TS];
	ledger->certain_since = numbers[PT_STATE_CERTAIN_SINCE];
	ledger->uncertain = row->head.flags & PT_J_UNCERTAIN;
	ledger->loaded_port = NULL;
	ledger->loaded_hold = 0;
}

static int take_port(struct ledger *ledger, const struct pt_rec_journal *row,
		     struct port_state *port)
{
	struct owners *owners = &ledger->holds.owners;

	port->free_since = row->head.ts;
	port->taker = row->numbers[0];
	owners_drop(owners, port->prev);
	port->prev = 0;
	if (!(row->head.flags & PT_J_OWNER))
		return 0;
	return owners_take_task(owners, &row->task, false, &port->prev);
}

static int take_hold(struct ledger *ledger, const struct pt_rec_journal *row,
		     struct port_state *port)
{
	__u32 flags = row->head.flags;
	__u32 last = port == ledger->loaded_port ? ledger->loaded_hold : 0;
	__u32 number, owner = 0;
	struct hold *hold;

	if (flags & PT_J_OWNER &&
	    owners_take_task(&ledger->holds.owners, &row->task, flags & PT_J_KTHREAD, &owner))
		return -ENOMEM;
	number = holds_add_behind(&ledger->holds, port, last, owner);
	hold = holds_at(&ledger->holds, number);
	if (!hold)
		return -ENOMEM;
	ledger->loaded_port = port;
	ledger->loaded_hold = number;
	hold->sock = row->head.sock;
	hold->sock_open = flags & PT_J_SOCK_OPEN;
	hold->connected = flags & PT_J_CONNECTED;
	hold->listened = flags & PT_J_LISTENED;
	hold->family = row->head.family;
	hold->via = row->via;
	hold->tuple = row->tuple;
	hold->since = flags & PT_J_NO_START ? PT_UNKNOWN : row->head.ts;
	hold->open_until = row->numbers[0];
	if (flags & PT_J_LAST)
		*state_bound(ledger, hold->sock) = (struct binding){ hold->sock, row->head.port };
	return 0;
}

static int take_tw(struct ledger *ledger, const struct pt_rec_journal *row,
		   const struct port_state *port)
{
	struct hold *hold = holds_at(&ledger->holds, ledger->loaded_hold);
	struct tw *tw;

	/* its HOLD was in a block that is damaged */
	if (!hold || port != ledger->loaded_port || hold->sock != row->head.sock)
		return 0;
	tw = holds_tw_add(&ledger->holds, hold);
	if (!tw)
		return -ENOMEM;
	tw->sock = row->tw;
	tw->until = row->numbers[0];
	tw->tuple = row->tuple;
	return 0;
}

int keyframe_take(struct ledger *ledger, const struct pt_rec_journal *row)
{
	struct pt_space space = state_space(&row->head);
	struct port_state *port;

	in_way_forget(ledger);
	if (row->head.kind == PT_JR_STATE) {
		take_state(ledger, row);
		return 0;
	}
	port = holds_port(&ledger->holds, &space, row->head.port);
	if (!port)
		return -ENOMEM;
	if (row->head.kind == PT_JR_HOLD)
		return take_hold(ledger, row, port);
	if (row->head.kind == PT_JR_HOLD_TW)
		return take_tw(ledger, row, port);
	return take_port(ledger, row, port);
}

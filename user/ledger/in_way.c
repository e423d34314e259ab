// SPDX-License-Identifier: BSD-2-Clause
#include "user/ledger/in_way.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

#define RANGES_MAX 65536

/* ---- ranges --------------------------------------------------------------------------- */

struct range {
	struct chain_link link;
	struct ledger_range range;
};

static bool range_matches(const void *entry, const void *netns)
{
	return ((const struct range *)entry)->range.netns == *(const __u32 *)netns;
}

int ledger_set_range(struct ledger *ledger, const struct ledger_range *range)
{
	__u32 hash = index_hash(range->netns);
	__u32 number = chain_find(&ledger->ranges, hash, range_matches, &range->netns);
	struct range *entry;

	if (!number && ledger->ranges.pool.live == RANGES_MAX)
		return 0;
	if (!number)
		number = chain_add(&ledger->ranges, hash);
	entry = chain_at(&ledger->ranges, number);
	if (!entry)
		return -ENOMEM;
	if (entry->range.netns_cookie == range->netns_cookie && entry->range.low == range->low &&
	    entry->range.high == range->high && entry->range.reserved == range->reserved)
		return 0;
	entry->range = *range;
	in_way_forget(ledger);
	return 0;
}

/* Inode numbers are used again, cookies are not. NULL: it was not told. */
static const struct ledger_range *range_of(const struct ledger *ledger,
					   const struct pt_space *space)
{
	__u32 number =
		chain_find(&ledger->ranges, index_hash(space->netns), range_matches, &space->netns);
	const struct range *entry = chain_at(&ledger->ranges, number);
	__u64 cookie = pt_space_cookie(space);

	if (!entry || (cookie && entry->range.netns_cookie && entry->range.netns_cookie != cookie))
		return NULL;
	return &entry->range;
}

/* ---- which group ------------------------------------------------------------------------ */

/* Whether the kernel would choose that port, as far as it is known. */
static bool is_in_reach(const struct ledger *ledger, const struct pt_space *space, __u16 port,
			const struct hold *hold)
{
	const struct ledger_range *range;

	/* whatever range was told: it may be another by now */
	if (pt_via_ephemeral(hold->via) == 1)
		return true;
	range = range_of(ledger, space);
	if (!range || port < range->low || port > range->high)
		return false;
	/* of reserved ports it is not known which they are; a program has to name them */
	return !range->reserved || (hold->via == PT_VIA_SNAPSHOT && state_has_remote(&hold->tuple));
}

/*
 * connect() takes no port of a bucket that bind() touched, be it for whom or by an accepted
 * child of a listener (__inet_hash_connect(): fastreuse or fastreuseport is not negative).
 */
static bool closes(const struct hold *hold)
{
	switch (hold->via) {
	case PT_VIA_CONNECT:
		return false;
	case PT_VIA_SNAPSHOT:
	case PT_VIA_UNKNOWN:
		/* who connects without having bound has a remote from the first */
		return hold->connected || !state_has_remote(&hold->tuple);
	default:
		return true;
	}
}

static struct crowd_key key_of_space(const struct pt_space *space, enum crowd_kind kind)
{
	return (struct crowd_key){ .netns_cookie = space->netns_cookie,
				   .netns = space->netns,
				   .vrf = space->vrf,
				   .proto = space->proto,
				   .kind = kind };
}

static struct crowd_key key_of_tuple(const struct pt_space *space, const struct pt_tuple *tuple)
{
	struct crowd_key key = key_of_space(space, CROWD_TO);

	memcpy(key.laddr, tuple->laddr, sizeof(key.laddr));
	memcpy(key.raddr, tuple->raddr, sizeof(key.raddr));
	key.rport = tuple->rport;
	return key;
}

struct filing {
	struct ledger *ledger;
	struct pt_space space;
	__u16 number;
	const struct port_state *port;
	bool closed; /* to connect() */
};

static int put(const struct filing *filing, struct hold *hold, enum crowd_side side,
	       const struct crowd_key *key)
{
	return crowd_put(filing->ledger->crowd, filing->port, filing->number, hold, side, key);
}

/* The group of that kind, if the port counts. */
static int put_all(const struct filing *filing, struct hold *hold, enum crowd_side side)
{
	const struct crowd_key key = key_of_space(&filing->space, CROWD_ALL);
	bool counts = is_in_reach(filing->ledger, &filing->space, filing->number, hold);

	return put(filing, hold, side, counts ? &key : NULL);
}

/* A port that is closed is in the way by who closed it. */
static int put_first(const struct filing *filing, struct hold *hold)
{
	const struct pt_space *space = &filing->space;
	struct crowd_key key;

	if (space->proto != IPPROTO_TCP)
		return put_all(filing, hold, CROWD_FIRST);
	if (!is_in_reach(filing->ledger, space, filing->number, hold))
		return put(filing, hold, CROWD_FIRST, NULL);
	if (closes(hold))
		key = key_of_space(space, CROWD_CLOSED);
	else if (!filing->closed && state_has_remote(&hold->tuple) && !hold->tuple.ifindex)
		key = key_of_tuple(space, &hold->tuple);
	else
		return put(filing, hold, CROWD_FIRST, NULL);
	return put(filing, hold, CROWD_FIRST, &key);
}

static int put_both(const struct filing *filing, struct hold *hold)
{
	int err = put_first(filing, hold);

	if (err || filing->space.proto != IPPROTO_TCP ||
	    crowd_sides(filing->ledger->crowd) < CROWD_SIDES)
		return err;
	return put_all(filing, hold, CROWD_SECOND);
}

static bool is_closed(const struct filing *filing, const struct hold *gone)
{
	const struct hold *hold;

	for (__u32 i = filing->port->first; (hold = holds_at(&filing->ledger->holds, i));
	     i = hold->next)
		if (hold != gone && closes(hold) &&
		    is_in_reach(filing->ledger, &filing->space, filing->number, hold))
			return true;
	return false;
}

/* That the port is closed or open now is a matter of all of its holds. */
static int put_others(const struct filing *filing, const struct hold *except)
{
	struct hold *hold;
	int err = 0;

	if (filing->space.proto != IPPROTO_TCP)
		return 0;
	for (__u32 i = filing->port->first; !err && (hold = holds_at(&filing->ledger->holds, i));
	     i = hold->next)
		if (hold != except)
			err = put_first(filing, hold);
	return err;
}

static struct filing filing_of(struct ledger *ledger, const struct pt_space *space, __u16 number,
			       const struct port_state *port, const struct hold *gone)
{
	struct filing filing = {
		.ledger = ledger, .space = *space, .number = number, .port = port
	};

	filing.closed = is_closed(&filing, gone);
	return filing;
}

static int file(const struct filing *filing, struct hold *hold)
{
	int err = put_both(filing, hold);

	/* that may have closed the port, or opened it: what is known of it is more by now */
	return err || hold->via == PT_VIA_CONNECT ? err : put_others(filing, hold);
}

/* A record of a socket that lets go does not tell the VRF. */
static struct pt_space space_of(const struct pt_rec_head *head, const struct port_state *port)
{
	struct pt_space space = state_space(head);

	space.vrf = port->vrf;
	return space;
}

void in_way_file(struct ledger *ledger, const struct pt_rec_head *head,
		 const struct port_state *port, struct hold *hold)
{
	struct pt_space space = space_of(head, port);
	struct filing filing = filing_of(ledger, &space, head->port, port, NULL);

	if (file(&filing, hold))
		in_way_forget(ledger);
}

void in_way_remove(struct ledger *ledger, const struct pt_rec_head *head,
		   const struct port_state *port, struct hold *hold)
{
	struct pt_space space = space_of(head, port);
	struct filing filing = filing_of(ledger, &space, head->port, port, hold);
	int err = 0;

	for (unsigned int side = 0; side < crowd_sides(ledger->crowd); side++)
		err = err ?: put(&filing, hold, side, NULL);
	if (!err && hold->via != PT_VIA_CONNECT)
		err = put_others(&filing, hold);
	if (err)
		in_way_forget(ledger);
}

/* ---- from what there is ------------------------------------------------------------------ */

struct making {
	struct ledger *ledger;
	int error;
};

static void clear_one(void *data, const struct pt_space *space, __u16 number,
		      struct port_state *port, struct hold *hold)
{
	(void)data;
	(void)space;
	(void)number;
	(void)port;
	hold->crowd = 0;
}

static void file_one(void *data, const struct pt_space *space, __u16 number,
		     struct port_state *port, struct hold *hold)
{
	struct making *making = data;
	struct filing filing;

	if (making->error)
		return;
	filing = filing_of(making->ledger, space, number, port, NULL);
	making->error = put_both(&filing, hold);
}

static int make(struct ledger *ledger, unsigned int sides)
{
	struct making making = { .ledger = ledger };

	in_way_forget(ledger);
	ledger->crowd = crowd_new(&ledger->holds, sides);
	if (!ledger->crowd)
		return -ENOMEM;
	/* whatever an earlier crowd had there */
	holds_each(&ledger->holds, clear_one, NULL);
	holds_each(&ledger->holds, file_one, &making);
	if (making.error)
		in_way_forget(ledger);
	return making.error;
}

void in_way_init(struct ledger *ledger)
{
	ledger->ranges.pool.entry_size = sizeof(struct range);
}

void in_way_end(struct ledger *ledger)
{
	in_way_forget(ledger);
	chain_free(&ledger->ranges);
}

void in_way_forget(struct ledger *ledger)
{
	crowd_free(ledger->crowd);
	ledger->crowd = NULL;
}

/* ---- answers -------------------------------------------------------------------------------- */

int in_way_top(struct ledger *ledger, const struct pt_rec_port *rec, __u64 now,
	       struct crowd_top *top)
{
	struct pt_space space = state_space(&rec->head);
	struct crowd_key key = key_of_space(&space, CROWD_ALL);
	struct crowd_key closed = key_of_space(&space, CROWD_CLOSED);
	bool tcp = space.proto == IPPROTO_TCP;
	bool connects = tcp && (rec->via == PT_VIA_CONNECT || rec->via == PT_VIA_UNKNOWN);
	unsigned int sides = tcp && !connects ? CROWD_SIDES : 1;

	if (ledger->skips_crowd || ledger->uncertain || rec->head.vrf == PT_VRF_UNKNOWN ||
	    rec->error == -ENOMEM)
		return -ENODATA;
	/* to where is not known, or which call it was */
	if (connects && !state_has_remote(&rec->tuple))
		return -ENODATA;
	if ((!ledger->crowd || crowd_sides(ledger->crowd) < sides) && make(ledger, sides))
		return -ENODATA;
	ledger->crowd_asked = now;
	if (connects)
		key = key_of_tuple(&space, &rec->tuple);
	if (crowd_top(ledger->crowd, &key, connects ? &closed : NULL, now, top))
		in_way_forget(ledger);
	return ledger->crowd && top->count ? 0 : -ENODATA;
}

// SPDX-License-Identifier: BSD-2-Clause
#include "user/ledger/in_way.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "user/base/array.h"
#include "user/base/compare.h"

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

/* A port that is closed is in the way by who closed it. */
static int put_connect(const struct filing *filing, struct hold *hold)
{
	const struct pt_space *space = &filing->space;
	struct crowd_key key;

	if (space->proto != IPPROTO_TCP ||
	    !is_in_reach(filing->ledger, space, filing->number, hold))
		return put(filing, hold, CROWD_CONNECT, NULL);
	if (closes(hold))
		key = key_of_space(space, CROWD_CLOSED);
	else if (!filing->closed && state_has_remote(&hold->tuple) && !hold->tuple.ifindex)
		key = key_of_tuple(space, &hold->tuple);
	else
		return put(filing, hold, CROWD_CONNECT, NULL);
	return put(filing, hold, CROWD_CONNECT, &key);
}

static int put_every(const struct filing *filing, struct hold *hold)
{
	const struct crowd_key key = key_of_space(&filing->space, CROWD_ALL);
	bool counts = is_in_reach(filing->ledger, &filing->space, filing->number, hold);

	return put(filing, hold, CROWD_EVERY, counts ? &key : NULL);
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

	for (__u32 i = filing->port->first; !err && (hold = holds_at(&filing->ledger->holds, i));
	     i = hold->next)
		if (hold != except)
			err = put_connect(filing, hold);
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
	int err = put_connect(filing, hold) ?: put_every(filing, hold);

	/* that may have closed the port, or opened it: what is known of it is more by now */
	return err || hold->via == PT_VIA_CONNECT ? err : put_others(filing, hold);
}

/* A record of a socket that lets go does not tell the VRF. */
static struct pt_space space_of(const struct pt_rec_head *head, const struct hold *hold)
{
	struct pt_space space = state_space(head);

	space.vrf = hold->vrf;
	return space;
}

void in_way_file(struct ledger *ledger, const struct pt_rec_head *head,
		 const struct port_state *port, struct hold *hold)
{
	struct pt_space space = space_of(head, hold);
	struct filing filing = filing_of(ledger, &space, head->port, port, NULL);

	if (file(&filing, hold))
		in_way_forget(ledger);
}

void in_way_remove(struct ledger *ledger, const struct pt_rec_head *head,
		   const struct port_state *port, struct hold *hold)
{
	struct pt_space space = space_of(head, hold);
	struct filing filing = filing_of(ledger, &space, head->port, port, hold);
	int err = put(&filing, hold, CROWD_CONNECT, NULL) ?: put(&filing, hold, CROWD_EVERY, NULL);

	if (!err && hold->via != PT_VIA_CONNECT)
		err = put_others(&filing, hold);
	if (err)
		in_way_forget(ledger);
}

/* ---- from what there is ------------------------------------------------------------------ */

struct seed {
	struct hold *hold;
	const struct port_state *port;
	struct pt_space space;
	__u16 number;
	__u64 order;
};

struct seeds {
	struct seed *rows;
	size_t count, size;
	int error;
};

static void add_seed(void *data, const struct pt_space *space, __u16 number,
		     struct port_state *port, struct hold *hold)
{
	struct seeds *seeds = data;
	struct seed *rows = array_make_room(seeds->rows, seeds->count, &seeds->size, sizeof(*rows));

	hold->crowd = 0;
	if (!rows) {
		seeds->error = -ENOMEM;
		return;
	}
	seeds->rows = rows;
	rows[seeds->count++] = (struct seed){ hold, port, *space, number,
					      hold->since == PT_UNKNOWN ? 0 : hold->since };
}

static int compare_seeds(const void *one, const void *other)
{
	const struct seed *a = one, *b = other;

	return compare_u64(a->order, b->order) ?: compare_u64(a->number, b->number);
}

static int file_seeds(struct ledger *ledger, struct seeds *seeds)
{
	struct hold **holds = calloc(seeds->count + 1, sizeof(*holds));
	int err = holds ? 0 : -ENOMEM;

	if (seeds->count)
		qsort(seeds->rows, seeds->count, sizeof(*seeds->rows), compare_seeds);
	crowd_load(ledger->crowd);
	for (size_t i = 0; i < seeds->count && !err; i++) {
		struct seed *seed = &seeds->rows[i];
		struct filing filing =
			filing_of(ledger, &seed->space, seed->number, seed->port, NULL);

		seed->order = crowd_hold_until(&ledger->holds, seed->hold);
		err = put_connect(&filing, seed->hold) ?: put_every(&filing, seed->hold);
	}
	if (seeds->count)
		qsort(seeds->rows, seeds->count, sizeof(*seeds->rows), compare_seeds);
	for (size_t i = 0; i < seeds->count && !err; i++)
		holds[i] = seeds->rows[i].hold;
	if (!err)
		crowd_loaded(ledger->crowd, holds, seeds->count);
	free(holds);
	return err;
}

static int make(struct ledger *ledger)
{
	struct seeds seeds = { 0 };
	int err;

	ledger->crowd = crowd_new(&ledger->holds);
	if (!ledger->crowd)
		return -ENOMEM;
	holds_each(&ledger->holds, add_seed, &seeds);
	err = seeds.error ?: file_seeds(ledger, &seeds);
	free(seeds.rows);
	if (err)
		in_way_forget(ledger);
	return err;
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
	struct crowd_key key = key_of_space(&space, CROWD_ALL), closed;
	bool tuple = space.proto == IPPROTO_TCP && state_has_remote(&rec->tuple);

	if (ledger->uncertain || rec->head.vrf == PT_VRF_UNKNOWN || rec->error == -ENOMEM)
		return -ENODATA;
	/* a connect() whose addresses are not known, or a call that is not */
	if (space.proto == IPPROTO_TCP && !tuple &&
	    (rec->via == PT_VIA_CONNECT || rec->via == PT_VIA_UNKNOWN))
		return -ENODATA;
	if (!ledger->crowd && make(ledger))
		return -ENODATA;
	ledger->crowd_asked = now;
	if (tuple)
		key = key_of_tuple(&space, &rec->tuple);
	closed = key_of_space(&space, CROWD_CLOSED);
	crowd_top(ledger->crowd, &key, tuple ? &closed : NULL, now, top);
	return top->count ? 0 : -ENODATA;
}

// SPDX-License-Identifier: BSD-2-Clause
#include "user/stats/headroom_table.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "user/stats/key.h"

/* To find one that makes place for another, as many are looked at. */
#define CANDIDATES 16
/* One with more holds than this makes no place. */
#define FEW 16

void hr_table_init(struct hr_table *table, bool reopen)
{
	*table = (struct hr_table){
		.ranges.pool.entry_size = sizeof(struct hr_range),
		.spaces.pool.entry_size = sizeof(struct hr_space),
		.ports.pool.entry_size = sizeof(struct hr_port),
		.holds.pool.entry_size = sizeof(struct hr_hold),
		.destinations.pool.entry_size = sizeof(struct hr_destination),
		.processes.pool.entry_size = sizeof(struct hr_process),
		.reopen = reopen,
	};
}

void hr_table_free(struct hr_table *table)
{
	for (__u32 i = 1; i <= table->ranges.pool.used; i++)
		free(hr_range_at(table, i)->reserved);
	chain_free(&table->ranges);
	chain_free(&table->spaces);
	chain_free(&table->ports);
	chain_free(&table->holds);
	chain_free(&table->destinations);
	chain_free(&table->processes);
}

/* ---- counters ------------------------------------------------------------------ */

static void advance_space(struct hr_table *table, struct hr_space *space)
{
	struct hr_destination *everyone = hr_destination_at(table, space->everyone);

	headroom_rate_advance(&everyone->rate, table->now, space->held);
	headroom_rate_advance(&space->closed_rate, table->now, space->closed);
	table->dirty = true;
}

/* What the port adds to its space; sign -1: no longer. */
static void weigh_port(struct hr_table *table, const struct hr_port *port, int sign)
{
	struct hr_space *space = hr_space_at(table, port->space);
	__u32 by = (__u32)sign;

	if (!port->counts || !port->holds)
		return;
	advance_space(table, space);
	space->held += by;
	space->time_wait += port->time_waits == port->holds ? by : 0;
	space->closed += port->closed ? by : 0;
	space->unsure += port->unsure && !port->closed ? by : 0;
	if (!table->was_before)
		return;
	headroom_rate_shift(&hr_destination_at(table, space->everyone)->rate, sign);
	if (port->closed)
		headroom_rate_shift(&space->closed_rate, sign);
}

/* What the hold adds to its destination. */
static void weigh_hold(struct hr_table *table, const struct hr_hold *hold, int sign)
{
	struct hr_destination *destination = hr_destination_at(table, hold->destination);
	const struct hr_port *port = hr_port_at(table, hold->port);
	__u32 by = (__u32)sign;

	if (!destination || !port->counts || port->closed)
		return;
	headroom_rate_advance(&destination->rate, table->now, destination->held);
	destination->held += by;
	destination->time_wait += hold->time_wait ? by : 0;
	destination->unsure += hold->unsure ? by : 0;
	if (table->was_before)
		headroom_rate_shift(&destination->rate, sign);
}

/* The port and all of its holds, around a change of what concerns them all. */
static void weigh_all(struct hr_table *table, const struct hr_port *port, int sign)
{
	const struct hr_hold *hold;

	weigh_port(table, port, sign);
	for (__u32 i = port->first; (hold = hr_hold_at(table, i)); i = hold->next)
		weigh_hold(table, hold, sign);
}

/* ---- ranges -------------------------------------------------------------------- */

static bool counts(const struct hr_range *range, __u16 port)
{
	return range && port >= range->low && port <= range->high &&
	       !(range->reserved && port_set_has(range->reserved, port));
}

/* A dump before 5.14 does not tell the cookie. */
static bool range_fits(const void *entry, const void *key)
{
	const struct hr_range *range = entry;
	const struct pt_space *space = key;

	return range->netns == space->netns &&
	       (!range->netns_cookie || range->netns_cookie == space->netns_cookie);
}

static __u32 range_of(const struct hr_table *table, const struct pt_space *id)
{
	return chain_find(&table->ranges, index_hash(id->netns), range_fits, id);
}

static int range_set(struct hr_range *entry, const struct headroom_range *range)
{
	unsigned int reserved = 0;

	for (unsigned int port = range->low; port <= range->high; port++)
		reserved += port_set_has(range->reserved, (__u16)port);
	if (reserved && !entry->reserved)
		entry->reserved = malloc(sizeof(*entry->reserved));
	if (reserved && !entry->reserved)
		return -ENOMEM;
	if (entry->reserved)
		*entry->reserved = *range->reserved;
	entry->netns = range->netns;
	entry->netns_cookie = range->netns_cookie;
	entry->low = range->low;
	entry->high = range->high;
	entry->usable = range->high >= range->low ? range->high - range->low + 1U - reserved : 0;
	return 0;
}

static void count_anew(struct hr_table *table, struct hr_space *space)
{
	struct hr_port *port;

	space->range = range_of(table, &space->id);
	for (__u32 i = space->ports; (port = hr_port_at(table, i)); i = port->next) {
		weigh_all(table, port, -1);
		port->counts = counts(hr_range_at(table, space->range), port->port);
		weigh_all(table, port, 1);
	}
}

int hr_table_range(struct hr_table *table, const struct headroom_range *range)
{
	const struct pt_space id = { .netns = range->netns, .netns_cookie = range->netns_cookie };
	__u32 number = range_of(table, &id);
	int err;

	if (!number)
		number = chain_add(&table->ranges, index_hash(range->netns));
	if (!number)
		return -ENOMEM;
	err = range_set(hr_range_at(table, number), range);
	if (err)
		return err;
	table->was_before = true;
	for (__u32 i = 1; i <= table->spaces.pool.used; i++)
		if (hr_space_at(table, i)->id.netns == range->netns)
			count_anew(table, hr_space_at(table, i));
	table->was_before = false;
	return 0;
}

/* ---- spaces and their ports ---------------------------------------------------- */

static bool space_fits(const void *entry, const void *key)
{
	return key_space_is_equal(&((const struct hr_space *)entry)->id, key);
}

__u32 hr_table_find_space(const struct hr_table *table, const struct pt_space *id)
{
	return chain_find(&table->spaces, key_port_hash(id, 0), space_fits, id);
}

static __u32 add_destination(struct hr_table *table, __u32 hash, __u32 space)
{
	__u32 number = chain_add(&table->destinations, hash);
	struct hr_destination *destination = hr_destination_at(table, number);

	if (!number)
		return 0;
	destination->space = space;
	destination->live = true;
	headroom_rate_begin(&destination->rate, table->now, 0);
	return number;
}

__u32 hr_table_space(struct hr_table *table, const struct pt_space *id)
{
	__u32 number = hr_table_find_space(table, id);
	struct hr_space *space;

	if (number)
		return number;
	number = chain_add(&table->spaces, key_port_hash(id, 0));
	if (!number)
		return 0;
	space = hr_space_at(table, number);
	space->everyone = add_destination(table, key_port_hash(id, 0), number);
	if (!space->everyone) {
		chain_remove(&table->spaces, number);
		return 0;
	}
	space->id = *id;
	space->range = range_of(table, id);
	headroom_rate_begin(&space->closed_rate, table->now, 0);
	return number;
}

struct port_key {
	__u32 space;
	__u16 port;
};

static __u32 port_hash(__u32 space, __u16 port)
{
	return index_hash((__u64)space << 16 | port);
}

static bool port_fits(const void *entry, const void *key)
{
	const struct hr_port *port = entry;
	const struct port_key *wanted = key;

	return port->port == wanted->port && port->space == wanted->space;
}

static __u32 find_port(const struct hr_table *table, __u32 space, __u16 port)
{
	return chain_find(&table->ports, port_hash(space, port), port_fits,
			  &(struct port_key){ space, port });
}

static __u32 make_port(struct hr_table *table, __u32 space_number, __u16 port_number)
{
	struct hr_space *space = hr_space_at(table, space_number);
	__u32 number = find_port(table, space_number, port_number);
	struct hr_port *port;

	if (number)
		return number;
	number = chain_add(&table->ports, port_hash(space_number, port_number));
	if (!number)
		return 0;
	port = hr_port_at(table, number);
	port->space = space_number;
	port->port = port_number;
	port->counts = counts(hr_range_at(table, space->range), port_number);
	port->next = space->ports;
	if (space->ports)
		hr_port_at(table, space->ports)->prev = number;
	space->ports = number;
	return number;
}

/* Nobody holds it any more. */
static void drop_port(struct hr_table *table, __u32 number)
{
	const struct hr_port *port = hr_port_at(table, number);

	if (port->next)
		hr_port_at(table, port->next)->prev = port->prev;
	if (port->prev)
		hr_port_at(table, port->prev)->next = port->next;
	else
		hr_space_at(table, port->space)->ports = port->next;
	chain_remove(&table->ports, number);
}

/* ---- destinations -------------------------------------------------------------- */

struct destination_key {
	__u32 space;
	const __u8 *laddr, *raddr;
	__u16 rport;
};

static __u32 destination_hash(const struct destination_key *key)
{
	__u64 words[4];

	memcpy(&words[0], key->laddr, 16);
	memcpy(&words[2], key->raddr, 16);
	return index_hash(words[0] ^ words[1] * 3 ^ words[2] * 5 ^ words[3] * 7 ^
			  (__u64)key->space << 16 ^ key->rport);
}

static bool destination_fits(const void *entry, const void *key)
{
	const struct hr_destination *destination = entry;
	const struct destination_key *wanted = key;

	return destination->rport == wanted->rport && destination->space == wanted->space &&
	       !memcmp(destination->raddr, wanted->raddr, 16) &&
	       !memcmp(destination->laddr, wanted->laddr, 16);
}

static __u32 find_destination(const struct hr_table *table, const struct destination_key *key)
{
	return chain_find(&table->destinations, destination_hash(key), destination_fits, key);
}

__u32 hr_table_find_destination(const struct hr_table *table, const struct headroom_key *key)
{
	__u32 space = hr_table_find_space(table, &key->space);

	if (!space)
		return 0;
	if (!key->rport)
		return hr_space_at(table, space)->everyone;
	return find_destination(
		table, &(struct destination_key){ space, key->laddr, key->raddr, key->rport });
}

static void drop_destination(struct hr_table *table, __u32 number)
{
	struct hr_destination *destination = hr_destination_at(table, number);
	struct hr_hold *hold;

	for (__u32 next, i = destination->first; (hold = hr_hold_at(table, i)); i = next) {
		next = hold->group_next;
		hold->destination = hold->group_prev = hold->group_next = 0;
		hold->cut = true;
	}
	table->cut += !!destination->holds;
	table->cut_holds += destination->holds;
	destination->live = false;
	chain_remove(&table->destinations, number);
}

/* Of some in turn the one with the fewest holds, if these are few; 0: none. */
static __u32 find_to_drop(struct hr_table *table)
{
	__u32 found = 0, fewest = FEW + 1;

	for (int i = 0; i < CANDIDATES && fewest; i++) {
		const struct hr_destination *destination;

		table->hand = table->hand % table->destinations.pool.used + 1;
		destination = hr_destination_at(table, table->hand);
		if (!destination->live || !destination->rport || destination->state != HR_CALM ||
		    destination->holds >= fewest)
			continue;
		found = table->hand;
		fewest = destination->holds;
	}
	return found;
}

/* Rows without destination, one for each space, are not bounded by this. */
static bool is_full(const struct hr_table *table)
{
	return table->destinations.pool.live - table->spaces.pool.live >= HEADROOM_DESTINATIONS_MAX;
}

/* 0: it is not followed, or no memory, which the next one finds out, too. */
static __u32 make_destination(struct hr_table *table, const struct destination_key *key)
{
	__u32 number = find_destination(table, key), drop;
	struct hr_destination *destination;

	if (number)
		return number;
	if (is_full(table)) {
		drop = find_to_drop(table);
		if (!drop) {
			table->cut++;
			return 0;
		}
		drop_destination(table, drop);
	}
	number = add_destination(table, destination_hash(key), key->space);
	if (!number)
		return 0;
	destination = hr_destination_at(table, number);
	memcpy(destination->laddr, key->laddr, 16);
	memcpy(destination->raddr, key->raddr, 16);
	destination->rport = key->rport;
	destination->partial = table->cut_holds;
	return number;
}

__u32 hr_table_destination(struct hr_table *table, const struct headroom_key *key)
{
	return make_destination(table,
				&(struct destination_key){ hr_table_find_space(table, &key->space),
							   key->laddr, key->raddr, key->rport });
}

/* ---- processes ----------------------------------------------------------------- */

static bool process_fits(const void *entry, const void *key)
{
	return key_process_is_equal(&((const struct hr_process *)entry)->owner, key);
}

static __u32 make_process(struct hr_table *table, const struct pt_owner *owner)
{
	__u32 hash = key_process_hash(owner);
	__u32 number = chain_find(&table->processes, hash, process_fits, owner);

	if (number)
		return number;
	number = chain_add(&table->processes, hash);
	if (number)
		hr_process_at(table, number)->owner = *owner;
	return number;
}

/* ---- holds --------------------------------------------------------------------- */

struct hold_key {
	__u64 id;
	__u32 port;
};

static __u32 hold_hash(__u32 port, __u64 id)
{
	return index_hash(id ^ (__u64)port << 40);
}

static bool hold_fits(const void *entry, const void *key)
{
	const struct hr_hold *hold = entry;
	const struct hold_key *wanted = key;

	return hold->id == wanted->id && hold->port == wanted->port;
}

static __u32 find_hold(const struct hr_table *table, __u32 port, __u64 id)
{
	return chain_find(&table->holds, hold_hash(port, id), hold_fits,
			  &(struct hold_key){ id, port });
}

struct hr_hold *hr_table_find(const struct hr_table *table, const struct pt_event *ev)
{
	__u32 space = hr_table_find_space(table, &ev->space);
	__u32 port = space ? find_port(table, space, ev->port) : 0;

	return port ? hr_hold_at(table, find_hold(table, port, ev->hold)) : NULL;
}

/* Whether bind() made it, which closes its port to connect(). */
static void classify(struct hr_hold *hold, const struct pt_event *ev)
{
	bool found = ev->via == PT_VIA_SNAPSHOT || ev->via == PT_VIA_UNKNOWN;

	hold->via = (__u8)ev->via;
	if (ev->space.proto != IPPROTO_TCP || ev->via == PT_VIA_CONNECT)
		return;
	hold->unsure = found && ev->rport;
	hold->bound = !hold->unsure;
}

/* The head of the list that it is in, by group_next; NULL: none. */
static __u32 *group_of(struct hr_table *table, const struct hr_hold *hold)
{
	if (hold->destination)
		return &hr_destination_at(table, hold->destination)->first;
	return hold->bound ? &hr_space_at(table, hr_port_at(table, hold->port)->space)->bound
			   : NULL;
}

static void join_group(struct hr_table *table, struct hr_hold *hold, __u32 number)
{
	__u32 *first = group_of(table, hold);

	if (!first)
		return;
	hold->group_next = *first;
	if (*first)
		hr_hold_at(table, *first)->group_prev = number;
	*first = number;
}

static void leave_group(struct hr_table *table, struct hr_hold *hold)
{
	__u32 *first = group_of(table, hold);

	if (hold->group_next)
		hr_hold_at(table, hold->group_next)->group_prev = hold->group_prev;
	if (hold->group_prev)
		hr_hold_at(table, hold->group_prev)->group_next = hold->group_next;
	else if (first)
		*first = hold->group_next;
}

static void join_port(struct hr_table *table, struct hr_hold *hold, __u32 number)
{
	struct hr_port *port = hr_port_at(table, hold->port);

	hold->next = port->first;
	if (port->first)
		hr_hold_at(table, port->first)->prev = number;
	port->first = number;
	port->holds++;
	port->bound += hold->bound;
	port->unsure += hold->unsure;
}

static void leave_port(struct hr_table *table, const struct hr_hold *hold)
{
	struct hr_port *port = hr_port_at(table, hold->port);

	if (hold->next)
		hr_hold_at(table, hold->next)->prev = hold->prev;
	if (hold->prev)
		hr_hold_at(table, hold->prev)->next = hold->next;
	else
		port->first = hold->next;
	port->holds--;
	port->bound -= hold->bound;
	port->unsure -= hold->unsure;
	port->time_waits -= hold->time_wait;
}

static void set_closed(struct hr_table *table, struct hr_port *port)
{
	bool closed = port->bound || (!table->reopen && port->closed && port->holds);

	if (closed == port->closed)
		return;
	weigh_all(table, port, -1);
	port->closed = closed;
	weigh_all(table, port, 1);
}

/* A connect got it: so bind() had touched none of those that held it before. */
static void be_sure(struct hr_table *table, struct hr_port *port)
{
	struct hr_hold *hold;

	if (!port->unsure)
		return;
	weigh_all(table, port, -1);
	for (__u32 i = port->first; (hold = hr_hold_at(table, i)); i = hold->next)
		hold->unsure = false;
	port->unsure = 0;
	weigh_all(table, port, 1);
}

static __u32 add_hold(struct hr_table *table, const struct pt_event *ev, __u32 port, __u32 process)
{
	__u32 number = chain_add(&table->holds, hold_hash(port, ev->hold));
	struct hr_hold *hold = hr_hold_at(table, number);

	if (!number)
		return 0;
	hold->id = ev->hold;
	hold->port = port;
	hold->process = process;
	hr_process_at(table, process)->holds++;
	classify(hold, ev);
	return number;
}

static void set_destination(struct hr_table *table, struct hr_hold *hold, const struct pt_event *ev)
{
	const struct hr_port *port = hr_port_at(table, hold->port);
	struct destination_key key = { port->space, ev->laddr, ev->raddr, ev->rport };

	if (hold->bound || !ev->rport || ev->space.proto != IPPROTO_TCP)
		return;
	/* a server's clients look like this, each a remote of its own */
	if (hr_space_at(table, port->space)->range && !port->counts)
		return;
	hold->destination = make_destination(table, &key);
	hold->cut = !hold->destination;
	table->cut_holds += hold->cut;
	if (hold->destination)
		hr_destination_at(table, hold->destination)->holds++;
}

static void drop_process(struct hr_table *table, __u32 number)
{
	if (!hr_process_at(table, number)->holds)
		chain_remove(&table->processes, number);
}

int hr_table_begin(struct hr_table *table, const struct pt_event *ev, struct hr_hold **out)
{
	struct hr_hold *known = hr_table_find(table, ev);
	__u32 space, port, process, number;

	/* its end was not told */
	if (known)
		hr_table_end(table, known);
	space = hr_table_space(table, &ev->space);
	process = space ? make_process(table, &ev->owner) : 0;
	port = process ? make_port(table, space, ev->port) : 0;
	number = port ? add_hold(table, ev, port, process) : 0;
	if (!number) {
		if (port && !hr_port_at(table, port)->holds)
			drop_port(table, port);
		if (process)
			drop_process(table, process);
		return -ENOMEM;
	}
	*out = hr_hold_at(table, number);
	if (ev->via == PT_VIA_CONNECT)
		be_sure(table, hr_port_at(table, port));
	set_destination(table, *out, ev);
	weigh_port(table, hr_port_at(table, port), -1);
	hr_space_at(table, space)->is_asked |= ev->space.proto == IPPROTO_UDP ||
					       ev->via == PT_VIA_BIND || ev->via == PT_VIA_LISTEN;
	join_port(table, *out, number);
	join_group(table, *out, number);
	weigh_port(table, hr_port_at(table, port), 1);
	weigh_hold(table, *out, 1);
	set_closed(table, hr_port_at(table, port));
	return 0;
}

/* bind() made it, so it belongs to no destination. */
static void become_bound(struct hr_table *table, struct hr_hold *hold, __u32 number)
{
	struct hr_port *port = hr_port_at(table, hold->port);

	weigh_all(table, port, -1);
	leave_group(table, hold);
	hold->group_prev = hold->group_next = 0;
	if (hold->destination)
		hr_destination_at(table, hold->destination)->holds--;
	hold->destination = 0;
	hold->unsure = false;
	hold->bound = true;
	port->unsure--;
	port->bound++;
	port->closed = true;
	join_group(table, hold, number);
	weigh_all(table, port, 1);
}

void hr_table_settle(struct hr_table *table, const struct headroom_bucket *bucket)
{
	__u32 space = hr_table_find_space(table, &bucket->key.space), destination, number;
	struct hr_port *port = hr_port_at(table, space ? find_port(table, space, bucket->port) : 0);
	struct hr_hold *hold;

	if (!port || !port->unsure)
		return;
	table->was_before = true;
	if (!bucket->bound)
		be_sure(table, port);
	destination = bucket->bound ? hr_table_find_destination(table, &bucket->key) : 0;
	for (number = destination ? port->first : 0; (hold = hr_hold_at(table, number));
	     number = hold->next)
		if (hold->unsure && hold->destination == destination)
			break;
	if (hold) {
		become_bound(table, hold, number);
		hold->connects = true;
		if (!bucket->time_wait)
			hold->via = bucket->named ? PT_VIA_FIXED : PT_VIA_BIND;
	}
	table->was_before = false;
}

void hr_table_time_wait(struct hr_table *table, struct hr_hold *hold)
{
	struct hr_port *port = hr_port_at(table, hold->port);

	if (hold->time_wait)
		return;
	weigh_port(table, port, -1);
	weigh_hold(table, hold, -1);
	hold->time_wait = true;
	port->time_waits++;
	weigh_hold(table, hold, 1);
	weigh_port(table, port, 1);
}

void hr_table_end(struct hr_table *table, struct hr_hold *hold)
{
	struct hr_port *port = hr_port_at(table, hold->port);
	__u32 process = hold->process, port_number = hold->port;

	weigh_hold(table, hold, -1);
	weigh_port(table, port, -1);
	leave_group(table, hold);
	leave_port(table, hold);
	if (hold->destination)
		hr_destination_at(table, hold->destination)->holds--;
	table->cut_holds -= hold->cut;
	hr_process_at(table, process)->holds--;
	drop_process(table, process);
	chain_remove(&table->holds, find_hold(table, port_number, hold->id));
	weigh_port(table, port, 1);
	set_closed(table, port);
	if (!port->holds)
		drop_port(table, port_number);
}

void hr_table_restart(struct hr_table *table, __u64 ts)
{
	for (__u32 i = 1; i <= table->spaces.pool.used; i++) {
		struct hr_space *space = hr_space_at(table, i);

		headroom_rate_begin(&space->closed_rate, ts, space->closed);
	}
	for (__u32 i = 1; i <= table->destinations.pool.used; i++) {
		struct hr_destination *destination = hr_destination_at(table, i);

		if (destination->live)
			headroom_rate_begin(&destination->rate, ts,
					    hr_destination_value(table, destination));
	}
}

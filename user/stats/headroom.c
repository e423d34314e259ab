// SPDX-License-Identifier: BSD-2-Clause
#include "user/stats/headroom.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "user/stats/headroom_table.h"

#define SWEEP_EVERY_NS 100000000ULL
/*
 * While a connect() looks through the range, others let go and take: at its refusal, so many
 * thousandths may be left.
 */
#define HARDLY_ANY 10

struct headroom {
	struct headroom_options options;
	struct hr_table table;
	bool uncertain;
	__u64 swept;
};

struct headroom *headroom_new(const struct headroom_options *options)
{
	struct headroom *headroom = calloc(1, sizeof(*headroom));

	if (!headroom)
		return NULL;
	headroom->options = *options;
	hr_table_init(&headroom->table, options->buckets_reopen);
	return headroom;
}

void headroom_free(struct headroom *headroom)
{
	if (!headroom)
		return;
	hr_table_free(&headroom->table);
	free(headroom);
}

int headroom_range(struct headroom *headroom, const struct headroom_range *range)
{
	return hr_table_range(&headroom->table, range);
}

/* ---- figures ------------------------------------------------------------------- */

/* The key is set, nothing is known yet. */
static void figures_begin(struct headroom_figures *figures, const struct headroom_key *key)
{
	*figures = (struct headroom_figures){ .key = *key, .empty_ns = PT_UNKNOWN };
}

static struct headroom_key key_of(const struct headroom *headroom,
				  const struct hr_destination *destination)
{
	struct headroom_key key = {
		.space = hr_space_at(&headroom->table, destination->space)->id,
		.rport = destination->rport,
	};

	memcpy(key.laddr, destination->laddr, sizeof(key.laddr));
	memcpy(key.raddr, destination->raddr, sizeof(key.raddr));
	return key;
}

/* What is shared by all that ask: closed ports. destination NULL: one that holds nothing. */
static void count_connect(const struct hr_space *space, const struct hr_destination *destination,
			  struct headroom_figures *figures)
{
	__u32 sure = destination ? destination->unsure : 0;

	figures->held = destination ? destination->held : 0;
	figures->time_wait = destination ? destination->time_wait : 0;
	figures->blocked = space->closed;
	figures->unsure = space->unsure > sure ? space->unsure - sure : 0;
}

static void count_everyone(const struct hr_space *space, struct headroom_figures *figures)
{
	figures->held = space->held;
	figures->time_wait = space->time_wait;
}

/* Without rates. */
static void count(const struct headroom *headroom, const struct hr_space *space,
		  const struct hr_destination *destination, struct headroom_figures *figures)
{
	const struct hr_range *range = hr_range_at(&headroom->table, space->range);
	__u32 taken;

	figures->known = range && !headroom->uncertain;
	if (!figures->known)
		return;
	if (figures->key.rport)
		count_connect(space, destination, figures);
	else
		count_everyone(space, figures);
	figures->partial = figures->key.rport && (!destination || destination->partial) &&
			   headroom->table.cut_holds;
	figures->usable = range->usable;
	/* two sockets can share a port to one destination, bound to different devices */
	taken = figures->held + figures->blocked;
	figures->left = taken < figures->usable ? figures->usable - taken : 0;
	figures->used = figures->usable && figures->left
				? (__u32)((__u64)taken * 1000 / figures->usable)
				: 1000;
}

/* The change of both, within the time of the first: the other's rate is that of its own. */
static void set_change(const struct hr_space *space, const struct hr_destination *destination,
		       enum headroom_window window, __u64 ts, __u32 value,
		       struct headroom_change *change)
{
	struct headroom_change closed;

	if (!headroom_rate_over(&destination->rate, window, ts, value, change)) {
		*change = (struct headroom_change){ 0 };
		return;
	}
	if (!destination->rport ||
	    !headroom_rate_over(&space->closed_rate, window, ts, space->closed, &closed))
		return;
	change->change += (__s64)((double)closed.change * (double)change->ns / (double)closed.ns);
}

static void set_empty(struct headroom_figures *figures)
{
	const struct headroom_change *used = NULL;

	for (int w = 0; w < HEADROOM_WINDOWS; w++) {
		const struct headroom_change *change = &figures->changes[w];

		if (!change->ns)
			continue;
		used = change;
		if (llabs(change->change) >= HEADROOM_ENOUGH)
			break;
	}
	if (!figures->left)
		figures->empty_ns = 0;
	else if (used && used->change >= HEADROOM_ENOUGH)
		figures->empty_ns =
			(__u64)((double)figures->left * (double)used->ns / (double)used->change);
	else if (used && used->change <= 0)
		figures->empty_ns = HEADROOM_NEVER;
}

static void set_rates(const struct headroom *headroom, struct hr_space *space,
		      struct hr_destination *destination, __u64 ts,
		      struct headroom_figures *figures)
{
	__u32 value = hr_destination_value(&headroom->table, destination);

	headroom_rate_advance(&destination->rate, ts, value);
	headroom_rate_advance(&space->closed_rate, ts, space->closed);
	for (int w = 0; w < HEADROOM_WINDOWS; w++)
		set_change(space, destination, w, ts, value, &figures->changes[w]);
	set_empty(figures);
}

bool headroom_look(struct headroom *headroom, const struct headroom_key *key, __u64 ts,
		   struct headroom_figures *figures)
{
	struct hr_table *table = &headroom->table;
	struct hr_space *space = hr_space_at(table, hr_table_space(table, &key->space));
	struct hr_destination *destination =
		hr_destination_at(table, hr_table_find_destination(table, key));

	figures_begin(figures, key);
	if (!space)
		return false;
	count(headroom, space, destination, figures);
	if (destination && figures->known)
		set_rates(headroom, space, destination, ts, figures);
	return destination && (!key->rport || destination->holds);
}

void headroom_each(struct headroom *headroom, __u64 ts, headroom_fn fn, void *data)
{
	struct hr_table *table = &headroom->table;

	for (__u32 i = 1; i <= table->destinations.pool.used; i++) {
		const struct hr_destination *destination = hr_destination_at(table, i);
		struct headroom_figures figures;
		struct headroom_key key;

		if (!destination->live || (destination->rport && !destination->holds))
			continue;
		key = key_of(headroom, destination);
		headroom_look(headroom, &key, ts, &figures);
		fn(data, &figures);
	}
}

struct headroom_counts headroom_counts(const struct headroom *headroom)
{
	const struct hr_table *table = &headroom->table;
	const struct chain *chains[] = { &table->ranges, &table->spaces,       &table->ports,
					 &table->holds,	 &table->destinations, &table->processes };
	struct headroom_counts counts = {
		.holds = table->holds.pool.live,
		.destinations = table->destinations.pool.live - table->spaces.pool.live,
		.cut = table->cut,
		.cut_holds = table->cut_holds,
		.uncertain = headroom->uncertain,
		.bytes = sizeof(*headroom),
	};

	for (__u32 i = 1; i <= table->spaces.pool.used; i++)
		counts.unranged += hr_space_at(table, i)->ports && !hr_space_at(table, i)->range;
	for (size_t i = 0; i < sizeof(chains) / sizeof(*chains); i++)
		counts.bytes +=
			chains[i]->size * sizeof(*chains[i]->heads) +
			chains[i]->pool.chunks_count * POOL_CHUNK * chains[i]->pool.entry_size;
	return counts;
}

/* ---- holders ------------------------------------------------------------------- */

/* Which processes were seen while holds are gone through; each once. */
struct census {
	struct hr_table *table;
	__u32 seen; /* the last one */
	struct headroom_holders *holders;
};

static void census_hold(struct census *census, const struct hr_hold *hold)
{
	struct hr_process *process = hr_process_at(census->table, hold->process);

	if (!process->held) {
		process->seen = census->seen;
		census->seen = hold->process;
	}
	process->held++;
	process->time_wait += hold->time_wait;
	census->holders->held++;
	census->holders->time_wait += hold->time_wait;
}

/* Only ports that count. */
static void census_group(struct census *census, __u32 first)
{
	const struct hr_hold *hold;

	for (__u32 i = first; (hold = hr_hold_at(census->table, i)); i = hold->group_next)
		if (hr_port_at(census->table, hold->port)->counts)
			census_hold(census, hold);
}

static void census_space(struct census *census, const struct hr_space *space)
{
	const struct hr_port *port;
	const struct hr_hold *hold;

	for (__u32 i = space->ports; (port = hr_port_at(census->table, i)); i = port->next)
		for (__u32 k = port->first; port->counts && (hold = hr_hold_at(census->table, k));
		     k = hold->next)
			census_hold(census, hold);
}

static bool holds_more(const struct headroom_holder *a, const struct headroom_holder *b)
{
	if (a->held != b->held)
		return a->held > b->held;
	if (a->owner.known != b->owner.known)
		return a->owner.known;
	return a->owner.pid < b->owner.pid;
}

static void place(struct headroom_holders *holders, const struct headroom_holder *holder)
{
	__u32 i = holders->count;

	if (i == HEADROOM_HOLDERS && !holds_more(holder, &holders->top[--i]))
		return;
	for (; i && holds_more(holder, &holders->top[i - 1]); i--)
		holders->top[i] = holders->top[i - 1];
	holders->top[i] = *holder;
	holders->count += holders->count < HEADROOM_HOLDERS;
}

static void census_end(struct census *census)
{
	struct hr_process *process;

	for (__u32 i = census->seen; (process = hr_process_at(census->table, i));
	     i = process->seen) {
		place(census->holders, &(struct headroom_holder){ process->owner, process->held,
								  process->time_wait });
		census->holders->processes++;
		process->held = process->time_wait = 0;
	}
}

void headroom_holders(struct headroom *headroom, const struct headroom_key *key,
		      struct headroom_holders *holders)
{
	struct hr_table *table = &headroom->table;
	struct census census = { .table = table, .holders = holders };
	const struct hr_space *space = hr_space_at(table, hr_table_find_space(table, &key->space));
	const struct hr_destination *destination =
		hr_destination_at(table, hr_table_find_destination(table, key));

	*holders = (struct headroom_holders){ 0 };
	if (!space)
		return;
	if (!key->rport) {
		census_space(&census, space);
	} else {
		census_group(&census, destination ? destination->first : 0);
		census_group(&census, space->bound);
	}
	census_end(&census);
}

void headroom_takers(struct headroom *headroom, const struct pt_space *id, bool connects,
		     struct headroom_holders *holders)
{
	struct hr_table *table = &headroom->table;
	struct census census = { .table = table, .holders = holders };
	const struct hr_space *space = hr_space_at(table, hr_table_find_space(table, id));
	const struct hr_hold *hold;

	*holders = (struct headroom_holders){ 0 };
	if (!space)
		return;
	for (__u32 i = space->bound; (hold = hr_hold_at(table, i)); i = hold->group_next)
		if (hold->via == PT_VIA_BIND && (hold->connects || !connects) &&
		    hr_port_at(table, hold->port)->counts)
			census_hold(&census, hold);
	census_end(&census);
}

/* ---- marks --------------------------------------------------------------------- */

static void tell(struct headroom *headroom, enum headroom_mark mark, struct hr_space *space,
		 struct hr_destination *destination, struct headroom_figures *figures)
{
	set_rates(headroom, space, destination, headroom->table.now, figures);
	headroom->options.on_mark(headroom->options.data, mark, figures, headroom->table.now);
}

/* It fell far enough below a mark that it may be told again. */
static void calm_down(const struct headroom *headroom, struct hr_destination *destination,
		      const struct headroom_figures *figures)
{
	__u32 used = figures->used + HEADROOM_HYSTERESIS;

	if (destination->state == HR_EXHAUSTED && used <= 1000)
		destination->state = HR_WARNED;
	if (destination->state == HR_WARNED && used <= headroom->options.mark)
		destination->state = HR_CALM;
}

/* refused: somebody asked in vain. */
static void check(struct headroom *headroom, struct hr_destination *destination, bool refused)
{
	struct hr_space *space = hr_space_at(&headroom->table, destination->space);
	const struct headroom_key key = key_of(headroom, destination);
	struct headroom_figures figures;
	__u64 slack;
	bool empty;

	figures_begin(&figures, &key);
	count(headroom, space, destination, &figures);
	if (!figures.known)
		return;
	calm_down(headroom, destination, &figures);
	slack = figures.unsure + (__u64)figures.usable * HARDLY_ANY / 1000;
	empty = !figures.left || (refused && figures.left <= slack);
	if (empty && destination->state < HR_EXHAUSTED) {
		destination->state = HR_EXHAUSTED;
		tell(headroom, HEADROOM_EXHAUSTED, space, destination, &figures);
	} else if (!empty && figures.used >= headroom->options.mark &&
		   destination->state < HR_WARNED) {
		destination->state = HR_WARNED;
		tell(headroom, HEADROOM_WARNS, space, destination, &figures);
	}
}

static bool watches(const struct headroom *headroom)
{
	return headroom->options.mark && headroom->options.on_mark;
}

static bool is_watched(const struct headroom *headroom, const struct hr_destination *destination)
{
	if (!destination->live)
		return false;
	if (!destination->rport)
		return hr_space_at(&headroom->table, destination->space)->is_asked;
	return destination->holds || destination->state != HR_CALM;
}

/* Whoever something is shared with that changed. */
static void sweep(struct headroom *headroom, __u64 ts)
{
	struct hr_table *table = &headroom->table;

	if (!watches(headroom) || !table->dirty || ts < headroom->swept + SWEEP_EVERY_NS)
		return;
	table->dirty = false;
	headroom->swept = ts;
	for (__u32 i = 1; i <= table->destinations.pool.used; i++) {
		struct hr_destination *destination = hr_destination_at(table, i);

		if (is_watched(headroom, destination))
			check(headroom, destination, false);
	}
}

/* The row that the event is of; a refused connect has one, too. 0: none. */
static __u32 row_of(struct headroom *headroom, const struct pt_event *ev)
{
	const struct headroom_key key = headroom_key_of(ev);
	struct hr_space *space;

	/* of another kind of refusal than for want of ports the port is told */
	if (ev->type != PT_EV_FAIL || ev->port)
		return key.rport ? hr_table_find_destination(&headroom->table, &key) : 0;
	space = hr_space_at(&headroom->table, hr_table_find_space(&headroom->table, &key.space));
	if (!space)
		return 0;
	if (key.rport)
		return hr_table_destination(&headroom->table, &key);
	space->is_asked = true;
	return space->everyone;
}

static void check_event(struct headroom *headroom, const struct pt_event *ev)
{
	__u32 number;

	if (!watches(headroom) || ev->type == PT_EV_LOST)
		return;
	/* amid what a dump found: how much it is shows at its end */
	if (pt_via_is_found(ev->via) && ev->type != PT_EV_FREE)
		return;
	number = row_of(headroom, ev);
	if (number)
		check(headroom, hr_destination_at(&headroom->table, number),
		      ev->type == PT_EV_FAIL && !ev->port);
	sweep(headroom, ev->ts);
}

void headroom_tick(struct headroom *headroom, __u64 ts)
{
	if (ts < headroom->table.now)
		ts = headroom->table.now;
	headroom->table.now = ts;
	sweep(headroom, ts);
}

/* ---- events -------------------------------------------------------------------- */

struct headroom_key headroom_key_of(const struct pt_event *ev)
{
	struct headroom_key key = { .space = ev->space };

	if (ev->space.proto != IPPROTO_TCP || !ev->rport ||
	    !(ev->via == PT_VIA_CONNECT || pt_via_ephemeral(ev->via) < 0))
		return key;
	memcpy(key.laddr, ev->laddr, sizeof(key.laddr));
	memcpy(key.raddr, ev->raddr, sizeof(key.raddr));
	key.rport = ev->rport;
	return key;
}

static void on_time_wait(struct headroom *headroom, const struct pt_event *ev)
{
	struct hr_hold *hold = hr_table_find(&headroom->table, ev);

	if (!hold)
		return;
	hold->connects |= ev->rport && hold->via == PT_VIA_BIND;
	hr_table_time_wait(&headroom->table, hold);
}

/* What a dump put right happened at another time: rates begin anew. */
void headroom_certain(struct headroom *headroom, __u64 ts)
{
	if (!headroom->uncertain)
		return;
	headroom->uncertain = false;
	hr_table_restart(&headroom->table, ts);
}

static void note_certainty(struct headroom *headroom, const struct pt_event *ev)
{
	if (ev->type == PT_EV_LOST)
		headroom->uncertain = true;
	else if (ev->type != PT_EV_FAIL && ev->holders != PT_UNKNOWN)
		headroom_certain(headroom, ev->ts);
}

int headroom_event(struct headroom *headroom, const struct pt_event *ev)
{
	struct hr_table *table = &headroom->table;
	struct hr_hold *hold;
	int err = 0;

	table->now = ev->ts;
	table->was_before = pt_via_is_found(ev->via) && ev->type != PT_EV_FREE;
	note_certainty(headroom, ev);
	switch (ev->type) {
	case PT_EV_ALLOC:
		err = hr_table_begin(table, ev, &hold);
		break;
	case PT_EV_TIME_WAIT:
		on_time_wait(headroom, ev);
		break;
	case PT_EV_FREE:
		hold = hr_table_find(table, ev);
		if (hold)
			hr_table_end(table, hold);
		break;
	default:
		break;
	}
	table->was_before = false;
	check_event(headroom, ev);
	return err;
}

void headroom_settle(struct headroom *headroom, const struct headroom_bucket *bucket)
{
	hr_table_settle(&headroom->table, bucket);
}

int headroom_hold(struct headroom *headroom, const struct headroom_hold *told)
{
	struct hr_table *table = &headroom->table;
	struct hr_hold *hold = hr_table_find(table, told->ev);
	int err = 0;

	table->was_before = true;
	if (!hold) {
		err = hr_table_begin(table, told->ev, &hold);
		if (!err && told->time_wait)
			hr_table_time_wait(table, hold);
	}
	if (!err)
		hold->connects |= told->connects;
	table->was_before = false;
	return err;
}

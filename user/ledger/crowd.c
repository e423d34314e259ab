// SPDX-License-Identifier: BSD-2-Clause
#include "user/ledger/crowd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/chain.h"
#include "user/base/compare.h"

/* Members are known by number, 0: none: that of their place times CROWD_SIDES, plus the side. */
struct member {
	__u32 group;	  /* 0: none */
	__u32 next, prev; /* of it */
	/* If that is ranked: */
	__u32 tally;
	__u32 older, newer;  /* of its tally */
	__u32 sooner, later; /* of its tally's TIME_WAITs that are not due */
	bool counts;	     /* its port, which others of its tally may have too */
	bool time_wait;
	bool timed;	       /* among these */
} __attribute__((aligned(8))); /* as its place */

/* What there is of one hold. */
struct place {
	const struct hold *hold;
	const struct port_state *port;
	__u64 until; /* of its TIME_WAITs, as of when it was last put into a ranked group */
	__u16 number;
	struct member sides[]; /* crowd.sides */
};

struct group {
	struct chain_link link;
	struct crowd_key key;
	__u32 first; /* member */
	__u32 members;
	/* Once it was asked for: */
	bool ranked;
	__u32 ports;
	/* Its tallies as a heap, that with most ports first. */
	__u32 *heap;
	__u32 count, size;
};

/* Of a group what one process has. */
struct tally {
	struct chain_link link;
	__u32 group;
	__u32 at; /* in its heap */
	bool known;
	__u32 pid;
	__u64 start;
	__u32 ports;
	__u32 holds;
	__u32 time_waits;
	__u32 oldest, newest; /* its members */
	__u32 soonest, latest;
};

struct crowd {
	const struct holds *holds;
	unsigned int sides;
	struct chain groups;
	struct chain tallies;
	struct pool places;
};

struct crowd *crowd_new(const struct holds *holds, unsigned int sides)
{
	struct crowd *crowd = calloc(1, sizeof(*crowd));

	if (!crowd)
		return NULL;
	crowd->holds = holds;
	crowd->sides = sides;
	crowd->groups.pool.entry_size = sizeof(struct group);
	crowd->tallies.pool.entry_size = sizeof(struct tally);
	crowd->places.entry_size = sizeof(struct place) + sides * sizeof(struct member);
	return crowd;
}

void crowd_free(struct crowd *crowd)
{
	const struct group *group;

	if (!crowd)
		return;
	/* one that was taken out has no heap */
	for (__u32 i = 1; i <= crowd->groups.pool.used; i++) {
		group = chain_at(&crowd->groups, i);
		free(group->heap);
	}
	chain_free(&crowd->groups);
	chain_free(&crowd->tallies);
	pool_free(&crowd->places);
	free(crowd);
}

unsigned int crowd_sides(const struct crowd *crowd)
{
	return crowd->sides;
}

static struct place *place_of(const struct crowd *crowd, __u32 member)
{
	return pool_at(&crowd->places, member / CROWD_SIDES);
}

static struct member *member_at(const struct crowd *crowd, __u32 member)
{
	return &place_of(crowd, member)->sides[member % CROWD_SIDES];
}

static struct tally *tally_at(const struct crowd *crowd, __u32 number)
{
	return chain_at(&crowd->tallies, number);
}

static struct group *group_at(const struct crowd *crowd, __u32 number)
{
	return chain_at(&crowd->groups, number);
}

/* ---- who has most ----------------------------------------------------------------- */

/* What there are as many of goes by who it is, so that the order is always the same. */
static bool ranks_before(__u32 ports, const struct tally *a, __u32 ports_b, const struct tally *b)
{
	if (ports != ports_b)
		return ports > ports_b;
	if (a->known != b->known)
		return a->known;
	return a->pid != b->pid ? a->pid < b->pid : a->start < b->start;
}

static bool has_more(const struct crowd *crowd, __u32 a, __u32 b)
{
	const struct tally *x = tally_at(crowd, a), *y = tally_at(crowd, b);

	return ranks_before(x->ports, x, y->ports, y);
}

static void heap_set(const struct crowd *crowd, struct group *group, __u32 at, __u32 tally)
{
	group->heap[at] = tally;
	tally_at(crowd, tally)->at = at;
}

/* The place of that tally, which now has more ports or less. */
static void heap_move(const struct crowd *crowd, struct group *group, __u32 at)
{
	__u32 tally = group->heap[at];

	for (; at && has_more(crowd, tally, group->heap[(at - 1) / 2]); at = (at - 1) / 2)
		heap_set(crowd, group, at, group->heap[(at - 1) / 2]);
	for (__u32 child; (child = 2 * at + 1) < group->count; at = child) {
		if (child + 1 < group->count &&
		    has_more(crowd, group->heap[child + 1], group->heap[child]))
			child++;
		if (!has_more(crowd, group->heap[child], tally))
			break;
		heap_set(crowd, group, at, group->heap[child]);
	}
	heap_set(crowd, group, at, tally);
}

static int heap_add(const struct crowd *crowd, struct group *group, __u32 tally)
{
	__u32 size = group->size ? 2 * group->size : 4;
	__u32 *heap = group->heap;

	if (group->count == group->size) {
		heap = realloc(heap, size * sizeof(*heap));
		if (!heap)
			return -ENOMEM;
		group->heap = heap;
		group->size = size;
	}
	heap_set(crowd, group, group->count++, tally);
	heap_move(crowd, group, group->count - 1);
	return 0;
}

static void heap_remove(const struct crowd *crowd, struct group *group, __u32 at)
{
	__u32 last = group->heap[--group->count];

	if (at == group->count)
		return;
	heap_set(crowd, group, at, last);
	heap_move(crowd, group, at);
}

static void tally_add_ports(const struct crowd *crowd, struct tally *tally, __u32 change)
{
	tally->ports += change;
	heap_move(crowd, group_at(crowd, tally->group), tally->at);
}

/* ---- groups and tallies ------------------------------------------------------------- */

static __u32 key_hash(const struct crowd_key *key)
{
	__u64 words[sizeof(*key) / sizeof(__u64)], sum = 0;

	memcpy(words, key, sizeof(words));
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		sum = (sum ^ words[i]) * 0x9e3779b97f4a7c15ULL;
	return index_hash(sum);
}

static bool group_matches(const void *entry, const void *key)
{
	return !memcmp(&((const struct group *)entry)->key, key, sizeof(struct crowd_key));
}

static __u32 group_find(const struct crowd *crowd, const struct crowd_key *key)
{
	return chain_find(&crowd->groups, key_hash(key), group_matches, key);
}

static __u32 group_get(struct crowd *crowd, const struct crowd_key *key)
{
	__u32 number = group_find(crowd, key);

	if (number)
		return number;
	number = chain_add(&crowd->groups, key_hash(key));
	if (number)
		group_at(crowd, number)->key = *key;
	return number;
}

static void group_drop(struct crowd *crowd, __u32 number)
{
	struct group *group = group_at(crowd, number);

	if (group->members)
		return;
	free(group->heap);
	group->heap = NULL;
	chain_remove(&crowd->groups, number);
}

static void group_link(struct crowd *crowd, __u32 number, __u32 member)
{
	struct group *group = group_at(crowd, number);
	struct member *entry = member_at(crowd, member);

	entry->group = number;
	entry->next = group->first;
	if (group->first)
		member_at(crowd, group->first)->prev = member;
	group->first = member;
	group->members++;
}

static void group_unlink(struct crowd *crowd, __u32 member)
{
	struct member *entry = member_at(crowd, member);
	struct group *group = group_at(crowd, entry->group);

	*(entry->prev ? &member_at(crowd, entry->prev)->next : &group->first) = entry->next;
	if (entry->next)
		member_at(crowd, entry->next)->prev = entry->prev;
	group->members--;
	group_drop(crowd, entry->group);
	*entry = (struct member){ 0 };
}

struct tally_key {
	__u32 group;
	bool known;
	__u32 pid;
	__u64 start;
};

static bool tally_matches(const void *entry, const void *data)
{
	const struct tally_key *key = data;
	const struct tally *tally = entry;

	return tally->group == key->group && tally->known == key->known && tally->pid == key->pid &&
	       tally->start == key->start;
}

static __u32 tally_hash(const struct tally_key *key)
{
	return index_hash(key->start ^ (__u64)key->pid << 40 ^ key->group);
}

static __u32 tally_find(const struct crowd *crowd, const struct tally_key *key)
{
	return chain_find(&crowd->tallies, tally_hash(key), tally_matches, key);
}

/* A pid is used again; with its start it is one process. All that are not known are one. */
static __u32 tally_get(struct crowd *crowd, __u32 group, const struct pt_owner *owner)
{
	const struct tally_key key = { group, owner->known, owner->known ? owner->pid : 0,
				       owner->known ? owner->start : 0 };
	__u32 number = tally_find(crowd, &key);
	struct tally *tally;

	if (number)
		return number;
	number = chain_add(&crowd->tallies, tally_hash(&key));
	if (!number)
		return 0;
	tally = tally_at(crowd, number);
	tally->group = group;
	tally->known = key.known;
	tally->pid = key.pid;
	tally->start = key.start;
	if (!heap_add(crowd, group_at(crowd, group), number))
		return number;
	chain_remove(&crowd->tallies, number);
	return 0;
}

static void tally_drop(struct crowd *crowd, __u32 number)
{
	struct tally *tally = tally_at(crowd, number);

	if (tally->holds)
		return;
	heap_remove(crowd, group_at(crowd, tally->group), tally->at);
	chain_remove(&crowd->tallies, number);
}

/* ---- members, by age and by when their TIME_WAITs end -------------------------------- */

/* Not known is before all that are. */
static __u64 since(const struct place *place)
{
	return place->hold->since == PT_UNKNOWN ? 0 : place->hold->since;
}

static bool is_older(const struct place *a, const struct place *b)
{
	if (since(a) != since(b))
		return since(a) < since(b);
	return a->number != b->number ? a->number < b->number : a->hold->sock < b->hold->sock;
}

static void link_age(const struct crowd *crowd, struct tally *tally, __u32 number)
{
	const struct place *place = place_of(crowd, number);
	struct member *member = member_at(crowd, number);
	__u32 older = tally->newest;

	while (older && is_older(place, place_of(crowd, older)))
		older = member_at(crowd, older)->older;
	member->older = older;
	member->newer = older ? member_at(crowd, older)->newer : tally->oldest;
	*(older ? &member_at(crowd, older)->newer : &tally->oldest) = number;
	*(member->newer ? &member_at(crowd, member->newer)->older : &tally->newest) = number;
}

static void unlink_age(const struct crowd *crowd, struct tally *tally, const struct member *member)
{
	*(member->older ? &member_at(crowd, member->older)->newer : &tally->oldest) = member->newer;
	*(member->newer ? &member_at(crowd, member->newer)->older : &tally->newest) = member->older;
}

static void link_timed(const struct crowd *crowd, struct tally *tally, __u32 number)
{
	struct member *member = member_at(crowd, number);
	__u64 until = place_of(crowd, number)->until;
	__u32 sooner = tally->latest;

	while (sooner && place_of(crowd, sooner)->until > until)
		sooner = member_at(crowd, sooner)->sooner;
	member->timed = true;
	member->sooner = sooner;
	member->later = sooner ? member_at(crowd, sooner)->later : tally->soonest;
	*(sooner ? &member_at(crowd, sooner)->later : &tally->soonest) = number;
	*(member->later ? &member_at(crowd, member->later)->sooner : &tally->latest) = number;
}

static void unlink_timed(const struct crowd *crowd, struct tally *tally, struct member *member)
{
	if (!member->timed)
		return;
	member->timed = false;
	*(member->sooner ? &member_at(crowd, member->sooner)->later : &tally->soonest) =
		member->later;
	*(member->later ? &member_at(crowd, member->later)->sooner : &tally->latest) =
		member->sooner;
}

/* What it is by now: held by a socket, or by a TIME_WAIT. */
static void set_time_wait(const struct crowd *crowd, struct tally *tally, __u32 number,
			  bool time_wait)
{
	struct member *member = member_at(crowd, number);

	unlink_timed(crowd, tally, member);
	tally->time_waits += (__u32)time_wait - member->time_wait;
	member->time_wait = time_wait;
}

__u64 crowd_hold_until(const struct holds *holds, const struct hold *hold)
{
	__u64 until = 0;
	const struct tw *tw;

	for (__u32 i = hold->tws; (tw = holds_tw_at(holds, i)); i = tw->next) {
		if (!tw->until)
			return 0;
		if (tw->until > until)
			until = tw->until;
	}
	return until;
}

/* Its TIME_WAITs changed. */
static void look_at_tws(const struct crowd *crowd, __u32 number)
{
	struct place *place = place_of(crowd, number);
	struct member *member = member_at(crowd, number);
	struct tally *tally = tally_at(crowd, member->tally);

	unlink_timed(crowd, tally, member);
	place->until = crowd_hold_until(crowd->holds, place->hold);
	set_time_wait(crowd, tally, number, !place->hold->sock_open);
	if (member->time_wait && place->until)
		link_timed(crowd, tally, number);
}

/* ---- ranked groups ---------------------------------------------------------------------- */

/*
 * Another hold of the port that is ranked in the same group, at best in the same tally; it
 * is if *same. 0: there is none.
 */
static __u32 other(const struct crowd *crowd, __u32 number, bool *same)
{
	const struct member *own = member_at(crowd, number), *member;
	__u32 side = number % CROWD_SIDES, found = 0;
	const struct hold *hold;

	*same = false;
	for (__u32 i = place_of(crowd, number)->port->first; (hold = holds_at(crowd->holds, i));
	     i = hold->next) {
		__u32 candidate = hold->crowd * CROWD_SIDES + side;

		if (!hold->crowd || candidate == number)
			continue;
		member = member_at(crowd, candidate);
		if (!member->tally || member->group != own->group)
			continue;
		found = candidate;
		*same = member->tally == own->tally;
		if (*same)
			break;
	}
	return found;
}

static int rank_in(struct crowd *crowd, __u32 number)
{
	struct member *member = member_at(crowd, number);
	struct tally *tally;
	bool same;

	member->tally = tally_get(crowd, member->group, &place_of(crowd, number)->hold->owner);
	if (!member->tally)
		return -ENOMEM;
	tally = tally_at(crowd, member->tally);
	tally->holds++;
	link_age(crowd, tally, number);
	group_at(crowd, member->group)->ports += !other(crowd, number, &same);
	member->counts = !same;
	if (!same)
		tally_add_ports(crowd, tally, 1);
	return 0;
}

static void rank_out(struct crowd *crowd, __u32 number)
{
	struct member *member = member_at(crowd, number);
	struct tally *tally = tally_at(crowd, member->tally);
	bool same;
	__u32 heir = other(crowd, number, &same);

	set_time_wait(crowd, tally, number, false);
	unlink_age(crowd, tally, member);
	group_at(crowd, member->group)->ports -= !heir;
	if (member->counts && same)
		member_at(crowd, heir)->counts = true;
	else if (member->counts)
		tally_add_ports(crowd, tally, -1U);
	tally->holds--;
	tally_drop(crowd, member->tally);
}

static int by_age(const void *one, const void *another, void *data)
{
	const struct place *a = place_of(data, *(const __u32 *)one);
	const struct place *b = place_of(data, *(const __u32 *)another);

	return is_older(b, a) - is_older(a, b);
}

static int by_end(const void *one, const void *another, void *data)
{
	return compare_u64(place_of(data, *(const __u32 *)one)->until,
			   place_of(data, *(const __u32 *)another)->until);
}

/* Each joins behind the last one. */
static int rank_members(struct crowd *crowd, __u32 *members, __u32 count)
{
	int err = 0;

	qsort_r(members, count, sizeof(*members), by_age, crowd);
	for (__u32 i = 0; i < count && !err; i++) {
		struct place *place = place_of(crowd, members[i]);

		place->until = crowd_hold_until(crowd->holds, place->hold);
		err = rank_in(crowd, members[i]);
	}
	qsort_r(members, count, sizeof(*members), by_end, crowd);
	for (__u32 i = 0; i < count && !err; i++)
		look_at_tws(crowd, members[i]);
	return err;
}

static int rank_group(struct crowd *crowd, __u32 number)
{
	struct group *group = group_at(crowd, number);
	__u32 *members, count = 0;
	int err;

	if (!group || group->ranked)
		return 0;
	members = calloc(group->members, sizeof(*members));
	if (!members)
		return -ENOMEM;
	for (__u32 i = group->first; i; i = member_at(crowd, i)->next)
		members[count++] = i;
	group->ranked = true;
	err = rank_members(crowd, members, count);
	free(members);
	return err;
}

/* ---- what happens ------------------------------------------------------------------------- */

static void leave(struct crowd *crowd, __u32 number)
{
	if (member_at(crowd, number)->tally)
		rank_out(crowd, number);
	group_unlink(crowd, number);
}

static int join(struct crowd *crowd, __u32 number, const struct crowd_key *key)
{
	__u32 group = group_get(crowd, key);

	if (!group)
		return -ENOMEM;
	group_link(crowd, group, number);
	return group_at(crowd, group)->ranked ? rank_in(crowd, number) : 0;
}

static struct place *place_get(struct crowd *crowd, const struct port_state *port, __u16 number,
			       struct hold *hold)
{
	struct place *place;

	if (hold->crowd)
		return pool_at(&crowd->places, hold->crowd);
	hold->crowd = pool_take(&crowd->places);
	if (!hold->crowd)
		return NULL;
	place = pool_at(&crowd->places, hold->crowd);
	place->hold = hold;
	place->port = port;
	place->number = number;
	return place;
}

static void place_give_back(struct crowd *crowd, struct hold *hold)
{
	const struct place *place = pool_at(&crowd->places, hold->crowd);

	for (unsigned int side = 0; side < crowd->sides; side++)
		if (place->sides[side].group)
			return;
	pool_give(&crowd->places, hold->crowd);
	hold->crowd = 0;
}

int crowd_put(struct crowd *crowd, const struct port_state *port, __u16 number, struct hold *hold,
	      enum crowd_side side, const struct crowd_key *key)
{
	struct member *member;
	struct place *place;
	__u32 at;
	int err = 0;

	if (!hold->crowd && !key)
		return 0;
	place = place_get(crowd, port, number, hold);
	if (!place)
		return -ENOMEM;
	member = &place->sides[side];
	at = hold->crowd * CROWD_SIDES + side;
	if (member->group && (!key || !group_matches(group_at(crowd, member->group), key)))
		leave(crowd, at);
	if (key && !member->group)
		err = join(crowd, at, key);
	if (member->tally && !err)
		look_at_tws(crowd, at);
	if (!key)
		place_give_back(crowd, hold);
	return err;
}

/* ---- answers -------------------------------------------------------------------------- */

/* Once it is due it never counts again: time does not go back. */
static __u64 soonest(const struct crowd *crowd, struct tally *tally, __u64 now)
{
	while (tally->soonest && place_of(crowd, tally->soonest)->until <= now)
		unlink_timed(crowd, tally, member_at(crowd, tally->soonest));
	return tally->soonest ? place_of(crowd, tally->soonest)->until : 0;
}

static void share_add(const struct crowd *crowd, struct tally *tally, __u64 now,
		      struct crowd_share *share, const struct place **oldest)
{
	const struct place *place = place_of(crowd, tally->oldest);
	__u64 until = soonest(crowd, tally, now);

	share->ports += tally->ports;
	share->holds += tally->holds;
	share->time_waits += tally->time_waits;
	if (until && (!share->tw_until || until < share->tw_until))
		share->tw_until = until;
	if (*oldest && !is_older(place, *oldest))
		return;
	*oldest = place;
	share->owner = &place->hold->owner;
	share->since = place->hold->since;
}

struct ranking {
	const struct crowd *crowd;
	__u64 now;
	const struct tally *tallies[PT_BLOCKERS_MAX]; /* of one of the groups, each */
	struct crowd_top *top;
};

static void rank(struct ranking *ranking, struct tally *tally, struct tally *same)
{
	struct crowd_top *top = ranking->top;
	struct crowd_share share = { 0 };
	const struct place *oldest = NULL;
	unsigned int at = top->count;

	share_add(ranking->crowd, tally, ranking->now, &share, &oldest);
	if (same)
		share_add(ranking->crowd, same, ranking->now, &share, &oldest);
	while (at && ranks_before(share.ports, tally, top->shares[at - 1].ports,
				  ranking->tallies[at - 1]))
		at--;
	if (at == PT_BLOCKERS_MAX)
		return;
	top->count += top->count < PT_BLOCKERS_MAX;
	for (unsigned int i = top->count - 1; i > at; i--) {
		top->shares[i] = top->shares[i - 1];
		ranking->tallies[i] = ranking->tallies[i - 1];
	}
	top->shares[at] = share;
	ranking->tallies[at] = tally;
}

/* What the process of that tally has of another group. */
static struct tally *same_process(const struct crowd *crowd, const struct tally *tally, __u32 group)
{
	const struct tally_key key = { group, tally->known, tally->pid, tally->start };

	return group ? tally_at(crowd, tally_find(crowd, &key)) : NULL;
}

/* The first in a heap are among so many. */
#define HEAD ((1U << PT_BLOCKERS_MAX) - 1)

int crowd_top(struct crowd *crowd, const struct crowd_key *a, const struct crowd_key *b, __u64 now,
	      struct crowd_top *top)
{
	struct ranking ranking = { .crowd = crowd, .now = now, .top = top };
	__u32 few = group_find(crowd, a), many = b ? group_find(crowd, b) : 0;
	const struct group *group;
	__u32 swap = few;

	*top = (struct crowd_top){ 0 };
	if (rank_group(crowd, few) || rank_group(crowd, many))
		return -ENOMEM;
	if (few && (!many || group_at(crowd, few)->count > group_at(crowd, many)->count)) {
		few = many;
		many = swap;
	}
	/*
	 * Who is not among the first of many, nor of few at all, is behind those first ones,
	 * whatever they have of few.
	 */
	group = group_at(crowd, few);
	for (__u32 i = 0; group && i < group->count; i++) {
		struct tally *tally = tally_at(crowd, group->heap[i]);

		rank(&ranking, tally, same_process(crowd, tally, many));
	}
	top->ports = group ? group->ports : 0;
	group = group_at(crowd, many);
	for (__u32 i = 0; group && i < group->count && i < HEAD; i++) {
		struct tally *tally = tally_at(crowd, group->heap[i]);

		if (!same_process(crowd, tally, few))
			rank(&ranking, tally, NULL);
	}
	top->ports += group ? group->ports : 0;
	return 0;
}

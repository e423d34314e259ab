// SPDX-License-Identifier: BSD-2-Clause
/* A group by process, most ports first, and each process's holds in order. */
#include <errno.h>
#include <stdlib.h>

#include "user/base/compare.h"
#include "user/ledger/crowd_private.h"

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

/* ---- tallies --------------------------------------------------------------------------- */

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

void crowd_rank_look(const struct crowd *crowd, __u32 number)
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

int crowd_rank_in(struct crowd *crowd, __u32 number)
{
	struct member *member = member_at(crowd, number);
	struct tally *tally;
	bool same;

	member->tally = tally_get(crowd, member->group,
				  holds_owner(crowd->holds, place_of(crowd, number)->hold));
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

void crowd_rank_out(struct crowd *crowd, __u32 number)
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
		err = crowd_rank_in(crowd, members[i]);
	}
	qsort_r(members, count, sizeof(*members), by_end, crowd);
	for (__u32 i = 0; i < count && !err; i++)
		crowd_rank_look(crowd, members[i]);
	return err;
}

int crowd_rank_group(struct crowd *crowd, __u32 number)
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
	share->owner = holds_owner(crowd->holds, place->hold);
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
	__u32 few = crowd_find(crowd, a), many = b ? crowd_find(crowd, b) : 0;
	const struct group *group;
	__u32 swap = few;

	*top = (struct crowd_top){ 0 };
	if (crowd_rank_group(crowd, few) || crowd_rank_group(crowd, many))
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

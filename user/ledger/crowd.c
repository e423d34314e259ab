// SPDX-License-Identifier: BSD-2-Clause
#include "user/ledger/crowd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/ledger/crowd_private.h"

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

/* ---- groups ------------------------------------------------------------- */

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

__u32 crowd_find(const struct crowd *crowd, const struct crowd_key *key)
{
	return chain_find(&crowd->groups, key_hash(key), group_matches, key);
}

static __u32 group_get(struct crowd *crowd, const struct crowd_key *key)
{
	__u32 number = crowd_find(crowd, key);

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

/* ---- what happens ------------------------------------------------------------------------- */

static void leave(struct crowd *crowd, __u32 number)
{
	if (member_at(crowd, number)->tally)
		crowd_rank_out(crowd, number);
	group_unlink(crowd, number);
}

static int join(struct crowd *crowd, __u32 number, const struct crowd_key *key)
{
	__u32 group = group_get(crowd, key);

	if (!group)
		return -ENOMEM;
	group_link(crowd, group, number);
	return group_at(crowd, group)->ranked ? crowd_rank_in(crowd, number) : 0;
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
		crowd_rank_look(crowd, at);
	if (!key)
		place_give_back(crowd, hold);
	return err;
}

// SPDX-License-Identifier: BSD-2-Clause
#include "user/ledger/holds.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void holds_init(struct holds *holds)
{
	*holds = (struct holds){ .pool.entry_size = sizeof(struct hold),
				 .tws.entry_size = sizeof(struct tw) };
	owners_init(&holds->owners);
}

static void space_free(struct space *space)
{
	for (size_t page = 0; page < 65536 / PORTS_PER_PAGE; page++)
		free(space->pages[page]);
	free(space);
}

void holds_free(struct holds *holds)
{
	for (__u32 i = 0; i < holds->spaces_count; i++)
		for (struct space *next, *space = holds->spaces[i]; space; space = next) {
			next = space->next_vrf;
			space_free(space);
		}
	free(holds->spaces);
	index_free(&holds->spaces_index);
	pool_free(&holds->pool);
	pool_free(&holds->tws);
	owners_free(&holds->owners);
}

static bool space_matches(const void *entries, __u32 entry, const void *key)
{
	struct space *const *spaces = entries;

	return pt_space_is_same(&spaces[entry]->id, key);
}

static __u32 space_hash(const struct pt_space *id)
{
	return index_hash(id->netns_cookie ^ (__u64)id->netns << 32 ^ id->proto);
}

static int space_add_first(struct holds *holds, struct space *space)
{
	struct space **spaces = realloc(holds->spaces, (holds->spaces_count + 1) * sizeof(*spaces));

	if (!spaces)
		return -ENOMEM;
	holds->spaces = spaces;
	spaces[holds->spaces_count] = space;
	if (index_add(&holds->spaces_index, space_hash(&space->id), holds->spaces_count))
		return -ENOMEM;
	holds->spaces_count++;
	return 0;
}

struct space *holds_space_find(struct holds *holds, const struct pt_space *id)
{
	__u32 entry =
		index_find(&holds->spaces_index, space_hash(id), space_matches, holds->spaces, id);
	struct space *space = entry == INDEX_NONE ? NULL : holds->spaces[entry];

	if (space)
		holds->recent[(id->netns ^ id->proto) & (SPACES_RECENT - 1)] = space;
	return space;
}

static struct space *space_get(struct holds *holds, const struct pt_space *id)
{
	struct space *first = holds_space(holds, id);
	struct space *space = first, *last = NULL;

	for (; space && space->id.vrf != id->vrf; space = space->next_vrf)
		last = space;
	if (space)
		return space;
	space = calloc(1, sizeof(*space));
	if (!space)
		return NULL;
	space->id = *id;
	if (last) {
		last->next_vrf = space;
	} else if (space_add_first(holds, space)) {
		free(space);
		return NULL;
	}
	return space;
}

static struct port_state *page_new(__u32 vrf)
{
	size_t size = PORTS_PER_PAGE * sizeof(struct port_state);
	struct port_state *page = aligned_alloc(_Alignof(struct port_state), size);

	for (unsigned int i = 0; page && i < PORTS_PER_PAGE; i++)
		page[i] = (struct port_state){ .vrf = vrf };
	return page;
}

struct port_state *holds_port_make(struct holds *holds, const struct pt_space *id, __u16 port)
{
	struct space *space = space_get(holds, id);
	struct port_state **page;

	if (!space)
		return NULL;
	page = &space->pages[port / PORTS_PER_PAGE];
	if (!*page)
		*page = page_new(id->vrf);
	return *page ? &(*page)[port % PORTS_PER_PAGE] : NULL;
}

static void tw_clear(struct holds *holds, struct hold *hold)
{
	while (hold->tws) {
		__u32 next = holds_tw_at(holds, hold->tws)->next;

		pool_give(&holds->tws, hold->tws);
		hold->tws = next;
	}
}

__u32 holds_unlink(struct holds *holds, struct port_state *port, struct hold *hold)
{
	__u32 *link = &port->first;
	__u32 number;

	while (holds_at(holds, *link) != hold)
		link = &holds_at(holds, *link)->next;
	number = *link;
	*link = hold->next;
	tw_clear(holds, hold);
	return number;
}

/* The address of a TIME_WAIT from before the trace is not known, its cookie is. */
static bool is_tw(const struct hold *hold, const struct tw *entry, __u64 sock, __u64 tw)
{
	return entry->sock == tw || (!entry->sock && hold->sock == sock);
}

struct hold *holds_of_tw(const struct holds *holds, const struct port_state *port, __u64 sock,
			 __u64 tw)
{
	struct hold *hold;
	struct tw *entry;

	for (__u32 i = port->first; (hold = holds_at(holds, i)); i = hold->next)
		for (__u32 j = hold->tws; (entry = holds_tw_at(holds, j)); j = entry->next)
			if (is_tw(hold, entry, sock, tw))
				return hold;
	return NULL;
}

static bool same_ends(const struct pt_tuple *a, const struct pt_tuple *b)
{
	return a->rport == b->rport && !memcmp(a->laddr, b->laddr, sizeof(a->laddr)) &&
	       !memcmp(a->raddr, b->raddr, sizeof(a->raddr));
}

struct tw *holds_tw_find(const struct holds *holds, const struct hold *hold, __u64 tw,
			 const struct pt_tuple *tuple)
{
	struct tw *entry;

	for (__u32 i = hold->tws; (entry = holds_tw_at(holds, i)); i = entry->next)
		if ((tw && entry->sock == tw) || same_ends(&entry->tuple, tuple))
			return entry;
	return NULL;
}

/* In this port's list: the hold of that socket, or of that TIME_WAIT if its address is known. */
static struct hold *hold_of_either(const struct holds *holds, const struct port_state *port,
				   __u64 sock, __u64 tw)
{
	struct hold *hold;
	struct tw *entry;

	for (__u32 i = port->first; (hold = holds_at(holds, i)); i = hold->next) {
		if (sock && hold->sock == sock)
			return hold;
		for (__u32 j = tw ? hold->tws : 0; (entry = holds_tw_at(holds, j)); j = entry->next)
			if (entry->sock == tw)
				return hold;
	}
	return NULL;
}

struct hold *holds_known(struct holds *holds, const struct pt_space *id, __u16 port, __u64 sock,
			 __u64 tw, struct port_state **state)
{
	for (const struct space *space = holds_space(holds, id); space; space = space->next_vrf) {
		struct hold *hold;

		*state = space_port(space, port);
		if (!*state)
			continue;
		hold = hold_of_either(holds, *state, sock, tw);
		if (hold)
			return hold;
	}
	return NULL;
}

struct tw *holds_tw_add(struct holds *holds, struct hold *hold)
{
	__u32 number = pool_take(&holds->tws);
	struct tw *tw = holds_tw_at(holds, number);

	if (!tw)
		return NULL;
	tw->next = hold->tws;
	hold->tws = number;
	return tw;
}

void holds_tw_drop(struct holds *holds, struct hold *hold, struct tw *tw)
{
	__u32 *link = &hold->tws;
	__u32 number;

	while (holds_tw_at(holds, *link) != tw)
		link = &holds_tw_at(holds, *link)->next;
	number = *link;
	*link = tw->next;
	pool_give(&holds->tws, number);
}

void holds_tw_remove(struct holds *holds, struct hold *hold, __u64 tw)
{
	struct tw *entry;

	for (__u32 i = hold->tws; (entry = holds_tw_at(holds, i)); i = entry->next) {
		if (!is_tw(hold, entry, hold->sock, tw))
			continue;
		holds_tw_drop(holds, hold, entry);
		return;
	}
}

static void each_port_of_space(struct space *space, holds_port_fn fn, void *data)
{
	for (unsigned int number = 0; number < 65536; number++) {
		struct port_state *page = space->pages[number / PORTS_PER_PAGE];

		if (page)
			fn(data, &space->id, (__u16)number, &page[number % PORTS_PER_PAGE]);
		else
			number |= PORTS_PER_PAGE - 1;
	}
}

void holds_each_port(struct holds *holds, holds_port_fn fn, void *data)
{
	for (__u32 i = 0; i < holds->spaces_count; i++)
		for (struct space *space = holds->spaces[i]; space; space = space->next_vrf)
			each_port_of_space(space, fn, data);
}

struct each_hold {
	struct holds *holds;
	holds_fn fn;
	void *data;
};

static void each_of_port(void *data, const struct pt_space *space, __u16 number,
			 struct port_state *port)
{
	const struct each_hold *each = data;
	struct hold *hold;

	for (__u32 next, i = port->first; (hold = holds_at(each->holds, i)); i = next) {
		next = hold->next;
		each->fn(each->data, space, number, port, hold);
	}
}

void holds_each(struct holds *holds, holds_fn fn, void *data)
{
	struct each_hold each = { holds, fn, data };

	holds_each_port(holds, each_of_port, &each);
}

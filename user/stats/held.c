// SPDX-License-Identifier: BSD-2-Clause
#include "user/stats/held.h"

#include <errno.h>
#include <stdlib.h>

#include "user/base/index.h"

#define FIRST_SIZE 1024

/* A socket's number tells most: few have two ports. */
static __u32 home_of(const struct held *held, __u64 sock, __u16 port)
{
	return index_hash(sock ^ (__u64)port << 48) & (held->size - 1);
}

static __u32 behind(const struct held *held, __u32 slot)
{
	return (slot + 1) & (held->size - 1);
}

struct held_hold *held_find(const struct held *held, const struct pt_space *space, __u16 port,
			    __u64 sock)
{
	if (!held->size)
		return NULL;
	for (__u32 i = home_of(held, sock, port); held->slots[i].sock; i = behind(held, i)) {
		struct held_hold *hold = &held->slots[i];

		if (hold->sock == sock && hold->port == port && hold->proto == space->proto &&
		    hold->netns_cookie == space->netns_cookie)
			return hold;
	}
	return NULL;
}

static void insert(struct held *held, const struct held_hold *hold)
{
	__u32 i = home_of(held, hold->sock, hold->port);

	while (held->slots[i].sock)
		i = behind(held, i);
	held->slots[i] = *hold;
}

static int grow(struct held *held)
{
	struct held grown = { .size = held->size ? held->size * 2 : FIRST_SIZE,
			      .count = held->count };

	grown.slots = calloc(grown.size, sizeof(*grown.slots));
	if (!grown.slots)
		return -ENOMEM;
	for (__u32 i = 0; i < held->size; i++)
		if (held->slots[i].sock)
			insert(&grown, &held->slots[i]);
	free(held->slots);
	*held = grown;
	return 0;
}

int held_add(struct held *held, const struct held_hold *hold)
{
	/* at most half full */
	if (held->count >= held->size / 2) {
		int err = grow(held);

		if (err)
			return err;
	}
	insert(held, hold);
	held->count++;
	return 0;
}

/* What stands behind the gap and could stand in it moves there: no tombstones. */
void held_remove(struct held *held, struct held_hold *hold)
{
	__u32 gap = (__u32)(hold - held->slots);

	for (__u32 i = behind(held, gap); held->slots[i].sock; i = behind(held, i)) {
		__u32 home = home_of(held, held->slots[i].sock, held->slots[i].port);
		__u32 mask = held->size - 1;

		if (((i - home) & mask) < ((i - gap) & mask))
			continue;
		held->slots[gap] = held->slots[i];
		gap = i;
	}
	held->slots[gap] = (struct held_hold){ 0 };
	held->count--;
}

void held_free(struct held *held)
{
	free(held->slots);
	*held = (struct held){ 0 };
}

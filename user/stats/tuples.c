// SPDX-License-Identifier: BSD-2-Clause
#include "user/stats/tuples.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/compare.h"
#include "user/stats/key.h"

/* An entry may stand in so many places. */
#define WAYS 8
#define NO_EPOCH 0 /* nobody saw when it ended */
#define FIRST_EPOCH 1

struct tuples_entry {
	__u64 ended; /* CLOCK_BOOTTIME, ns */
	struct pt_space space;
	__u8 laddr[16];
	__u8 raddr[16];
	__u16 port; /* 0: free */
	__u16 rport;
	__u32 epoch;
};

int tuples_init(struct tuples *tuples)
{
	*tuples = (struct tuples){ .epoch = FIRST_EPOCH };
	tuples->entries = calloc(TUPLES_MAX, sizeof(*tuples->entries));
	return tuples->entries ? 0 : -ENOMEM;
}

void tuples_free(struct tuples *tuples)
{
	free(tuples->entries);
	*tuples = (struct tuples){ 0 };
}

void tuples_clear(struct tuples *tuples)
{
	memset(tuples->entries, 0, TUPLES_MAX * sizeof(*tuples->entries));
}

void tuples_lose(struct tuples *tuples)
{
	tuples->epoch++;
}

static __u32 hash_of(const struct pt_event *ev)
{
	__u64 words[4];

	memcpy(words, ev->laddr, sizeof(ev->laddr));
	memcpy(words + 2, ev->raddr, sizeof(ev->raddr));
	return index_hash(index_hash(words[0] ^ words[2]) ^ words[1] * 31 ^ words[3] ^
			  (__u64)ev->rport << 48 ^
			  (__u64)key_port_hash(&ev->space, ev->port) << 16);
}

static bool matches(const struct tuples_entry *entry, const struct pt_event *ev)
{
	return entry->port == ev->port && entry->rport == ev->rport &&
	       compare_is_same16(entry->raddr, ev->raddr) &&
	       compare_is_same16(entry->laddr, ev->laddr) &&
	       key_space_is_equal(&entry->space, &ev->space);
}

/* The first of the places where the event's 4-tuple may stand. */
static struct tuples_entry *set_of(const struct tuples *tuples, const struct pt_event *ev)
{
	return &tuples->entries[hash_of(ev) % (TUPLES_MAX / WAYS) * WAYS];
}

static struct tuples_entry *find(const struct tuples *tuples, const struct pt_event *ev)
{
	struct tuples_entry *set = set_of(tuples, ev);

	for (int i = 0; i < WAYS; i++)
		if (matches(&set[i], ev))
			return &set[i];
	return NULL;
}

/* A free place, or that of the one that ended first. */
static struct tuples_entry *place_for(const struct tuples *tuples, const struct pt_event *ev)
{
	struct tuples_entry *set = set_of(tuples, ev), *oldest = set;

	for (int i = 0; i < WAYS && oldest->port; i++)
		if (!set[i].port || set[i].ended < oldest->ended)
			oldest = &set[i];
	return oldest;
}

void tuples_end(struct tuples *tuples, const struct pt_event *ev)
{
	struct tuples_entry *entry;

	if (!ev->rport || !ev->port)
		return;
	entry = find(tuples, ev);
	if (!entry) {
		entry = place_for(tuples, ev);
		tuples->forgotten += entry->port != 0;
	}
	*entry = (struct tuples_entry){
		.ended = ev->ts,
		.space = ev->space,
		.port = ev->port,
		.rport = ev->rport,
		.epoch = ev->end == PT_END_UNKNOWN ? NO_EPOCH : tuples->epoch,
	};
	memcpy(entry->laddr, ev->laddr, sizeof(entry->laddr));
	memcpy(entry->raddr, ev->raddr, sizeof(entry->raddr));
}

bool tuples_begin(struct tuples *tuples, const struct pt_event *ev, __u64 *ns)
{
	struct tuples_entry *entry = ev->rport && ev->port ? find(tuples, ev) : NULL;

	if (!entry)
		return false;
	*ns = entry->epoch == tuples->epoch ? ev->ts - entry->ended : PT_UNKNOWN;
	entry->port = 0;
	return true;
}

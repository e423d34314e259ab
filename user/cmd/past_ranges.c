// SPDX-License-Identifier: BSD-2-Clause
#include "user/cmd/past_ranges.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/array.h"
#include "user/base/compare.h"
#include "user/cmd/recorded.h"

/* Of an entry of held: bit 0 is set for a TIME_WAIT; the port; UDP; the row. */
#define HELD_PORT 1
#define HELD_UDP 17
#define HELD_ROW 18

static void on_range(void *data, const struct pt_netns *netns, const struct port_set *reserved)
{
	struct past_ranges *ranges = data;
	struct pt_netns *rows =
		array_make_room(ranges->rows, ranges->count, &ranges->size, sizeof(*rows));
	char *name = netns->name ? strdup(netns->name) : NULL;

	(void)reserved;
	if (!rows || (netns->name && !name)) {
		ranges->rows = rows ?: ranges->rows;
		ranges->error = -ENOMEM;
		free(name);
		return;
	}
	ranges->rows = rows;
	rows[ranges->count] = *netns;
	rows[ranges->count++].name = name;
}

static int compare_inodes(const void *a, const void *b)
{
	return compare_u64(((const struct pt_netns *)a)->inode,
			   ((const struct pt_netns *)b)->inode);
}

int past_ranges_begin(struct past_ranges *ranges, const struct reader_segment *segment)
{
	recorded_each_range(segment, on_range, ranges);
	if (ranges->count)
		qsort(ranges->rows, ranges->count, sizeof(*ranges->rows), compare_inodes);
	return ranges->error;
}

/* Inode numbers are used again, cookies are not; before Linux 5.14 a dump tells none. */
static struct pt_netns *range_of(struct past_ranges *ranges, const struct pt_space *space)
{
	const struct pt_netns key = { .inode = space->netns };
	struct pt_netns *end = ranges->rows + ranges->count;
	struct pt_netns *found = NULL;

	if (ranges->count)
		found = bsearch(&key, ranges->rows, ranges->count, sizeof(key), compare_inodes);
	while (found && found > ranges->rows && found[-1].inode == space->netns)
		found--;
	for (; found && found < end && found->inode == space->netns; found++)
		if (!found->cookie || found->cookie == space->netns_cookie)
			return found;
	return NULL;
}

void past_ranges_hold(struct past_ranges *ranges, const struct ledger_unit *unit)
{
	const struct pt_netns *range = range_of(ranges, &unit->space);
	__u64 *held;

	if (!range || !range->has_range || unit->port < range->low || unit->port > range->high)
		return;
	held = array_make_room(ranges->held, ranges->held_count, &ranges->held_size, sizeof(*held));
	if (!held) {
		ranges->error = -ENOMEM;
		return;
	}
	ranges->held = held;
	held[ranges->held_count++] = (__u64)(range - ranges->rows) << HELD_ROW |
				     (__u64)(unit->space.proto == IPPROTO_UDP) << HELD_UDP |
				     (__u64)unit->port << HELD_PORT | unit->time_wait;
}

static int compare_held(const void *a, const void *b)
{
	return compare_u64(*(const __u64 *)a, *(const __u64 *)b);
}

static void begin_counts(struct pt_netns *range, bool whole)
{
	__u64 free = range->reserved ? PT_UNKNOWN : range->high - range->low + 1ULL;

	range->whole = whole;
	range->tcp_held = range->tcp_time_wait = range->udp_held = 0;
	range->tcp_free = range->udp_free = free;
}

/* The first entry of a port: its TIME_WAITs come last. */
static void count_port(struct past_ranges *ranges, __u64 held)
{
	struct pt_netns *range = &ranges->rows[held >> HELD_ROW];
	bool udp = held >> HELD_UDP & 1;
	__u64 *free = udp ? &range->udp_free : &range->tcp_free;

	if (udp)
		range->udp_held++;
	else
		++*(held & 1 ? &range->tcp_time_wait : &range->tcp_held);
	if (*free != PT_UNKNOWN)
		--*free;
}

int past_ranges_end(struct past_ranges *ranges, bool whole)
{
	const __u64 *held = ranges->held;

	if (ranges->error)
		return ranges->error;
	for (size_t i = 0; i < ranges->count; i++)
		if (ranges->rows[i].has_range)
			begin_counts(&ranges->rows[i], whole);
	if (ranges->held_count)
		qsort(ranges->held, ranges->held_count, sizeof(*held), compare_held);
	for (size_t i = 0; i < ranges->held_count; i++)
		if (!i || held[i] >> HELD_PORT != held[i - 1] >> HELD_PORT)
			count_port(ranges, held[i]);
	return 0;
}

void past_ranges_free(struct past_ranges *ranges)
{
	for (size_t i = 0; i < ranges->count; i++)
		free((char *)ranges->rows[i].name);
	free(ranges->rows);
	free(ranges->held);
}

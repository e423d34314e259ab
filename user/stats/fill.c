// SPDX-License-Identifier: BSD-2-Clause
#include "user/stats/fill.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/array.h"
#include "user/base/index.h"
#include "user/stats/key.h"

#define PORTS_PER_PAGE 256
#define PAGES ((PARSE_PORT_MAX + 1) / PORTS_PER_PAGE)

struct netns {
	struct fill_range range;
	struct port_set *reserved; /* NULL: none, or not known */
};

struct space {
	struct pt_space id;
	const struct netns *netns; /* NULL: not known */
	__u32 held;		   /* ports of its range that count */
	__u32 *pages[PAGES];	   /* holds of each port */
};

struct fill {
	struct netns *netns;
	size_t netns_count, netns_room;
	struct space **spaces;
	size_t spaces_count, spaces_room;
	struct index index;
	struct space *last; /* asked for */
	bool certain;
};

const char *fill_class_name(enum fill_class class)
{
	static const char *const names[FILL_CLASSES] = {
		[FILL_0] = "0-49",   [FILL_50] = "50-79", [FILL_80] = "80-89",
		[FILL_90] = "90-94", [FILL_95] = "95-98", [FILL_99] = "99-100",
	};

	return names[class];
}

struct fill *fill_new(void)
{
	struct fill *fill = calloc(1, sizeof(*fill));

	if (!fill)
		return NULL;
	fill->certain = true;
	/* spaces point into it */
	fill->netns = calloc(FILL_MAX, sizeof(*fill->netns));
	if (fill->netns)
		return fill;
	free(fill);
	return NULL;
}

static void space_empty(struct space *space)
{
	for (size_t i = 0; i < PAGES; i++) {
		free(space->pages[i]);
		space->pages[i] = NULL;
	}
	space->held = 0;
}

void fill_free(struct fill *fill)
{
	if (!fill)
		return;
	for (size_t i = 0; i < fill->spaces_count; i++) {
		space_empty(fill->spaces[i]);
		free(fill->spaces[i]);
	}
	for (size_t i = 0; i < fill->netns_count; i++)
		free(fill->netns[i].reserved);
	index_free(&fill->index);
	free(fill->spaces);
	free(fill->netns);
	free(fill);
}

/* ---- ranges ---------------------------------------------------------------------- */

/* Inode numbers are used again, cookies are not; before Linux 5.14 a dump tells none. */
static bool is_of(const struct netns *netns, const struct pt_space *space)
{
	return netns->range.inode == space->netns &&
	       (!netns->range.cookie || netns->range.cookie == space->netns_cookie);
}

static const struct netns *netns_of(const struct fill *fill, const struct pt_space *space)
{
	/* the last one that has the inode, should there be several */
	for (size_t i = fill->netns_count; i--;)
		if (is_of(&fill->netns[i], space))
			return &fill->netns[i];
	return NULL;
}

static bool counts(const struct netns *netns, unsigned int port)
{
	return netns && port >= netns->range.low && port <= netns->range.high &&
	       !(netns->reserved && port_set_has(netns->reserved, (__u16)port));
}

static void recount(struct space *space)
{
	space->held = 0;
	for (unsigned int port = 0; port <= PARSE_PORT_MAX; port++) {
		const __u32 *page = space->pages[port / PORTS_PER_PAGE];

		space->held += page && page[port % PORTS_PER_PAGE] && counts(space->netns, port);
	}
}

static struct netns *netns_get(struct fill *fill, const struct fill_range *range)
{
	for (size_t i = 0; i < fill->netns_count; i++) {
		struct netns *netns = &fill->netns[i];

		if (netns->range.inode == range->inode && netns->range.cookie == range->cookie)
			return netns;
	}
	return fill->netns_count < FILL_MAX ? &fill->netns[fill->netns_count++] : NULL;
}

int fill_set_range(struct fill *fill, const struct fill_range *range)
{
	struct port_set *reserved = NULL;
	struct netns *netns;

	if (range->reserved && range->reserved_count) {
		reserved = malloc(sizeof(*reserved));
		if (!reserved)
			return -ENOMEM;
		*reserved = *range->reserved;
	}
	netns = netns_get(fill, range);
	if (!netns) {
		free(reserved);
		return 0;
	}
	free(netns->reserved);
	*netns = (struct netns){ .range = *range, .reserved = reserved };
	for (size_t i = 0; i < fill->spaces_count; i++) {
		if (!is_of(netns, &fill->spaces[i]->id))
			continue;
		fill->spaces[i]->netns = netns;
		recount(fill->spaces[i]);
	}
	return 0;
}

/* ---- spaces ---------------------------------------------------------------------- */

static bool space_matches(const void *entries, __u32 entry, const void *key)
{
	struct space *const *spaces = entries;

	return key_space_is_equal(&spaces[entry]->id, key);
}

static struct space *space_find(struct fill *fill, const struct pt_space *id)
{
	__u32 entry;

	if (fill->last && key_space_is_equal(&fill->last->id, id))
		return fill->last;
	entry = index_find(&fill->index, key_port_hash(id, 0), space_matches, fill->spaces, id);
	if (entry == INDEX_NONE)
		return NULL;
	fill->last = fill->spaces[entry];
	return fill->last;
}

static struct space *space_add(struct fill *fill, const struct pt_space *id)
{
	void *spaces = array_make_room(fill->spaces, fill->spaces_count, &fill->spaces_room,
				       sizeof(*fill->spaces));
	struct space *space = spaces ? calloc(1, sizeof(*space)) : NULL;

	fill->spaces = spaces ?: fill->spaces;
	if (!space)
		return NULL;
	if (index_add(&fill->index, key_port_hash(id, 0), (__u32)fill->spaces_count)) {
		free(space);
		return NULL;
	}
	space->id = *id;
	space->netns = netns_of(fill, id);
	fill->spaces[fill->spaces_count++] = space;
	return space;
}

/* NULL if there is no memory. */
static __u32 *holds_of(struct space *space, __u16 port)
{
	__u32 **page = &space->pages[port / PORTS_PER_PAGE];

	if (!*page)
		*page = calloc(PORTS_PER_PAGE, sizeof(**page));
	return *page ? *page + port % PORTS_PER_PAGE : NULL;
}

/* So many holds more, or less, of a port. */
static int change(struct fill *fill, const struct pt_space *id, __u16 port, __s64 by)
{
	struct space *space = space_find(fill, id);
	__u32 *holds, before;

	if (!space && fill->spaces_count == FILL_MAX)
		return 0;
	if (!space)
		space = space_add(fill, id);
	holds = space ? holds_of(space, port) : NULL;
	if (!holds)
		return -ENOMEM;
	before = *holds;
	/* not below none, whatever events there are */
	*holds = by < 0 && (__u32)-by > before ? 0 : before + (__u32)by;
	if (counts(space->netns, port))
		space->held += (__u32) !!*holds - (__u32) !!before;
	return 0;
}

int fill_hold(struct fill *fill, const struct ledger_port *port)
{
	return port->holders ? change(fill, &port->space, port->port, port->holders) : 0;
}

void fill_restart(struct fill *fill, bool certain)
{
	for (size_t i = 0; i < fill->spaces_count; i++)
		space_empty(fill->spaces[i]);
	fill->certain = certain;
}

int fill_event(struct fill *fill, const struct pt_event *ev)
{
	if (ev->type == PT_EV_LOST)
		fill->certain = false;
	else if (ev->type != PT_EV_FAIL)
		fill->certain = ev->holders != PT_UNKNOWN;
	switch (ev->type) {
	case PT_EV_ALLOC:
		return change(fill, &ev->space, ev->port, 1);
	case PT_EV_FREE:
		return change(fill, &ev->space, ev->port, -1);
	default:
		return 0;
	}
}

/* ---- what is known --------------------------------------------------------------- */

static enum fill_class class_of(__u64 held, __u64 all)
{
	static const struct {
		unsigned int percent;
		enum fill_class class;
	} classes[] = {
		{ 99, FILL_99 }, { 95, FILL_95 }, { 90, FILL_90 }, { 80, FILL_80 }, { 50, FILL_50 },
	};

	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
		if (held * 100 >= all * classes[i].percent)
			return classes[i].class;
	return FILL_0;
}

enum fill_class fill_of(struct fill *fill, const struct pt_space *id)
{
	const struct space *space = space_find(fill, id);
	const struct netns *netns = space ? space->netns : netns_of(fill, id);
	const struct fill_range *range = netns ? &netns->range : NULL;

	if (!fill->certain || !range || !range->whole || id->vrf == PT_VRF_UNKNOWN)
		return FILL_UNKNOWN;
	if (range->reserved_count && !netns->reserved)
		return FILL_UNKNOWN;
	if (!space && fill->spaces_count == FILL_MAX)
		return FILL_UNKNOWN;
	return class_of(space ? space->held : 0,
			range->high - range->low + 1ULL - range->reserved_count);
}

bool fill_range_of(struct fill *fill, const struct pt_space *id, __u16 *low, __u16 *high)
{
	const struct space *space = space_find(fill, id);
	const struct netns *netns = space ? space->netns : netns_of(fill, id);

	if (!netns)
		return false;
	*low = netns->range.low;
	*high = netns->range.high;
	return true;
}

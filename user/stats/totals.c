// SPDX-License-Identifier: BSD-2-Clause
#include "user/stats/totals.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/stats/key.h"

#define FIRST_ROWS 64

void totals_init(struct totals *totals)
{
	const struct totals_count none = { .reuse_ns_min = PT_UNKNOWN };

	*totals = (struct totals){ .all = none, .other_ports = none, .other_processes = none };
}

void totals_free(struct totals *totals)
{
	free(totals->spaces);
	free(totals->ports);
	free(totals->slots);
	free(totals->processes);
	index_free(&totals->spaces_index);
	index_free(&totals->processes_index);
	totals_init(totals);
}

static void count_alloc(struct totals_count *count, const struct pt_event *ev)
{
	/* found, not made: it is held, but was not allocated in this trace */
	count->allocs += !pt_via_is_found(ev->via);
	count->held_now++;
	if (count->held_now > count->held_max)
		count->held_max = count->held_now;
	if (ev->reuse_ns == PT_UNKNOWN)
		return;
	count->reuses++;
	count->reuse_ns += ev->reuse_ns;
	if (ev->reuse_ns < count->reuse_ns_min)
		count->reuse_ns_min = ev->reuse_ns;
}

static void count_free(struct totals_count *count, const struct pt_event *ev)
{
	count->frees++;
	/* a hold whose alloc is in "others" now, or was never seen */
	if (count->held_now)
		count->held_now--;
	if (ev->held_ns == PT_UNKNOWN)
		return;
	count->held_ns += ev->held_ns;
	if (ev->held_ns > count->held_ns_max)
		count->held_ns_max = ev->held_ns;
}

static void count_event(struct totals_count *count, const struct pt_event *ev)
{
	if (ev->type == PT_EV_ALLOC)
		count_alloc(count, ev);
	else if (ev->type == PT_EV_FREE)
		count_free(count, ev);
	else if (ev->type == PT_EV_FAIL)
		count->fails++;
}

/* Room for one more row: NULL if the table is full or there is no memory. */
static void *row_new(void *rows, __u32 count, size_t size)
{
	if (count == TOTALS_ROWS_MAX)
		return NULL;
	if (count && (count < FIRST_ROWS || count & (count - 1)))
		return rows;
	return realloc(rows, (count ? count * 2 : FIRST_ROWS) * size);
}

/* ---- spaces --------------------------------------------------------------------- */

static bool space_matches(const void *entries, __u32 entry, const void *key)
{
	return key_space_is_equal((const struct pt_space *)entries + entry, key);
}

/* No more than there are ports. */
static __u32 space_add(struct totals *totals, const struct pt_space *space, __u32 hash)
{
	struct pt_space *spaces =
		row_new(totals->spaces, totals->spaces_count, sizeof(*totals->spaces));

	if (!spaces)
		return INDEX_NONE;
	totals->spaces = spaces;
	if (index_add(&totals->spaces_index, hash, totals->spaces_count))
		return INDEX_NONE;
	spaces[totals->spaces_count] = *space;
	return totals->spaces_count++;
}

/* add: if it is new. Returns its number or INDEX_NONE. */
static __u32 space_find(struct totals *totals, const struct pt_space *space, bool add)
{
	__u32 *recent = &totals->recent_spaces[(space->netns ^ space->proto) & (TOTALS_RECENT - 1)];
	__u32 hash, found;

	if (*recent < totals->spaces_count && key_space_is_equal(&totals->spaces[*recent], space))
		return *recent;
	hash = key_port_hash(space, 0);
	found = index_find(&totals->spaces_index, hash, space_matches, totals->spaces, space);
	if (found == INDEX_NONE && add)
		found = space_add(totals, space, hash);
	if (found != INDEX_NONE)
		*recent = found;
	return found;
}

/* ---- ports ---------------------------------------------------------------------- */

/*
 * Where a port's row is: half of a slot is its number, the other of its hash, and not 0, so that
 * the rows of others are left alone. Of 4 bytes, since there are twice as many as rows.
 */
_Static_assert(TOTALS_ROWS_MAX <= 1U << 16, "a row's number is half of a slot");

static __u32 port_hash(__u32 space, __u16 port)
{
	return index_hash(space << 16 | port);
}

static __u32 slot_of(__u32 hash, __u32 row)
{
	return ((hash | 1U << 16) & 0xffff0000) | row;
}

/* The port's slot, or an empty one where it belongs. */
static __u32 *port_slot(const struct totals *totals, __u32 space, __u16 port, __u32 hash)
{
	__u32 mask = totals->slots_count - 1;

	for (__u32 i = hash & mask;; i = (i + 1) & mask) {
		__u32 *slot = &totals->slots[i];
		const struct totals_port *row;

		if (!*slot)
			return slot;
		if ((*slot ^ slot_of(hash, 0)) >> 16)
			continue;
		row = &totals->ports[*slot & 0xffff];
		if (row->space == space && row->port == port)
			return slot;
	}
}

static int slots_grow(struct totals *totals)
{
	__u32 count = totals->slots_count ? 2 * totals->slots_count : 2 * FIRST_ROWS;
	__u32 *slots = calloc(count, sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	free(totals->slots);
	totals->slots = slots;
	totals->slots_count = count;
	for (__u32 i = 0; i < totals->ports_count; i++) {
		const struct totals_port *row = &totals->ports[i];
		__u32 hash = port_hash(row->space, row->port);

		*port_slot(totals, row->space, row->port, hash) = slot_of(hash, i);
	}
	return 0;
}

static struct totals_count *port_add(struct totals *totals, __u32 space, __u16 port, __u32 hash)
{
	struct totals_port *rows =
		row_new(totals->ports, totals->ports_count, sizeof(*totals->ports));

	if (!rows)
		return NULL;
	totals->ports = rows;
	if (2 * totals->ports_count == totals->slots_count && slots_grow(totals))
		return NULL;
	*port_slot(totals, space, port, hash) = slot_of(hash, totals->ports_count);
	rows += totals->ports_count++;
	*rows = (struct totals_port){ .space = (__u16)space,
				      .port = port,
				      .count.reuse_ns_min = PT_UNKNOWN };
	return &rows->count;
}

static struct totals_count *port_count(struct totals *totals, const struct pt_event *ev)
{
	bool room = totals->ports_count < TOTALS_ROWS_MAX;
	__u32 space = space_find(totals, &ev->space, room);
	__u32 hash, slot;

	if (space == INDEX_NONE)
		return NULL;
	hash = port_hash(space, ev->port);
	slot = totals->slots ? *port_slot(totals, space, ev->port, hash) : 0;
	return slot ? &totals->ports[slot & 0xffff].count : port_add(totals, space, ev->port, hash);
}

/* ---- processes ------------------------------------------------------------------ */

static bool process_matches(const void *entries, __u32 entry, const void *key)
{
	return key_process_is_equal(&((const struct totals_process *)entries)[entry].owner, key);
}

static __u32 process_add(struct totals *totals, const struct pt_owner *owner, __u32 hash)
{
	struct totals_process *rows =
		row_new(totals->processes, totals->processes_count, sizeof(*rows));

	if (!rows)
		return INDEX_NONE;
	totals->processes = rows;
	if (index_add(&totals->processes_index, hash, totals->processes_count))
		return INDEX_NONE;
	rows[totals->processes_count] =
		(struct totals_process){ .owner = *owner, .count.reuse_ns_min = PT_UNKNOWN };
	return totals->processes_count++;
}

static struct totals_count *process_count(struct totals *totals, const struct pt_owner *owner)
{
	__u32 *recent = &totals->recent_processes[owner->pid & (TOTALS_RECENT - 1)];
	__u32 hash, entry;

	if (*recent < totals->processes_count &&
	    key_process_is_equal(&totals->processes[*recent].owner, owner))
		return &totals->processes[*recent].count;
	hash = key_process_hash(owner);
	entry = index_find(&totals->processes_index, hash, process_matches, totals->processes,
			   owner);
	if (entry == INDEX_NONE)
		entry = process_add(totals, owner, hash);
	if (entry == INDEX_NONE)
		return NULL;
	*recent = entry;
	return &totals->processes[entry].count;
}

void totals_event(struct totals *totals, const struct pt_event *ev)
{
	if (ev->type == PT_EV_LOST)
		return;
	count_event(&totals->all, ev);
	if (ev->port)
		count_event(port_count(totals, ev) ?: &totals->other_ports, ev);
	count_event(process_count(totals, &ev->owner) ?: &totals->other_processes, ev);
}

/* ---- the largest ---------------------------------------------------------------- */

/* Rows of either table: their size, and where in them their count is. */
struct rows {
	const char *base;
	__u32 count;
	size_t size;
	size_t count_at;
};

static __u64 row_weight(const struct rows *rows, __u32 row)
{
	const struct totals_count *count =
		(const void *)(rows->base + row * rows->size + rows->count_at);

	return count->allocs + count->fails;
}

/* Insertion into a short list: the rows stay where they are, ties in order. */
static size_t top(const struct rows *rows, __u32 *out, size_t max)
{
	size_t found = 0;

	for (__u32 row = 0; row < rows->count; row++) {
		size_t i = found;

		while (i > 0 && row_weight(rows, out[i - 1]) < row_weight(rows, row))
			i--;
		if (i == max)
			continue;
		if (found < max)
			found++;
		memmove(&out[i + 1], &out[i], (found - 1 - i) * sizeof(*out));
		out[i] = row;
	}
	return found;
}

size_t totals_top_ports(const struct totals *totals, __u32 *out, size_t max)
{
	return top(&(struct rows){ (const char *)totals->ports, totals->ports_count,
				   sizeof(struct totals_port),
				   offsetof(struct totals_port, count) },
		   out, max);
}

size_t totals_top_processes(const struct totals *totals, __u32 *out, size_t max)
{
	return top(&(struct rows){ (const char *)totals->processes, totals->processes_count,
				   sizeof(struct totals_process),
				   offsetof(struct totals_process, count) },
		   out, max);
}

// SPDX-License-Identifier: BSD-2-Clause
#include "user/stats/totals.h"

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
	free(totals->ports);
	free(totals->processes);
	index_free(&totals->ports_index);
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
	else if (ev->type == PT_EV_FAIL)
		count->fails++;
	else if (ev->type == PT_EV_FREE)
		count_free(count, ev);
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

static bool port_matches(const void *entries, __u32 entry, const void *key)
{
	const struct totals_port *row = (const struct totals_port *)entries + entry;
	const struct pt_event *ev = key;

	return row->port == ev->port && key_space_is_equal(&row->space, &ev->space);
}

static struct totals_count *port_count(struct totals *totals, const struct pt_event *ev)
{
	__u32 hash = key_port_hash(&ev->space, ev->port);
	__u32 entry = index_find(&totals->ports_index, hash, port_matches, totals->ports, ev);
	struct totals_port *rows;

	if (entry != INDEX_NONE)
		return &totals->ports[entry].count;
	rows = row_new(totals->ports, totals->ports_count, sizeof(*rows));
	if (!rows)
		return NULL;
	totals->ports = rows;
	if (index_add(&totals->ports_index, hash, totals->ports_count))
		return NULL;
	rows += totals->ports_count++;
	*rows = (struct totals_port){ .space = ev->space,
				      .port = ev->port,
				      .count.reuse_ns_min = PT_UNKNOWN };
	return &rows->count;
}

static bool process_matches(const void *entries, __u32 entry, const void *key)
{
	return key_process_is_equal(&((const struct totals_process *)entries)[entry].owner, key);
}

static struct totals_count *process_count(struct totals *totals, const struct pt_owner *owner)
{
	__u32 hash = key_process_hash(owner);
	__u32 entry = index_find(&totals->processes_index, hash, process_matches, totals->processes,
				 owner);
	struct totals_process *rows;

	if (entry != INDEX_NONE)
		return &totals->processes[entry].count;
	rows = row_new(totals->processes, totals->processes_count, sizeof(*rows));
	if (!rows)
		return NULL;
	totals->processes = rows;
	if (index_add(&totals->processes_index, hash, totals->processes_count))
		return NULL;
	rows += totals->processes_count++;
	*rows = (struct totals_process){ .owner = *owner, .count.reuse_ns_min = PT_UNKNOWN };
	return &rows->count;
}

void totals_event(struct totals *totals, const struct pt_event *ev)
{
	struct totals_count *count;

	if (ev->type == PT_EV_LOST)
		return;
	count_event(&totals->all, ev);
	if (ev->port) {
		count = port_count(totals, ev);
		count_event(count ?: &totals->other_ports, ev);
	}
	count = process_count(totals, &ev->owner);
	count_event(count ?: &totals->other_processes, ev);
}

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

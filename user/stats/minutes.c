// SPDX-License-Identifier: BSD-2-Clause
#include "user/stats/minutes.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_ROWS 64

void minutes_free(struct minutes *minutes)
{
	free(minutes->rows);
	*minutes = (struct minutes){ 0 };
}

/* Where the minute is, or belongs. Nearly always that is the end. */
static __u32 place_of(const struct minutes *minutes, __u64 number)
{
	__u32 low = 0, high = minutes->count;

	if (!high || minutes->rows[high - 1].number < number)
		return high;
	while (low < high) {
		__u32 middle = low + (high - low) / 2;

		if (minutes->rows[middle].number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool make_room(struct minutes *minutes)
{
	__u32 size = minutes->size ? minutes->size * 2 : FIRST_ROWS;
	struct minute *rows;

	if (minutes->count < minutes->size)
		return true;
	rows = realloc(minutes->rows, size * sizeof(*rows));
	if (!rows)
		return false;
	minutes->rows = rows;
	minutes->size = size;
	return true;
}

static struct minute *row_of(struct minutes *minutes, __u64 number)
{
	__u32 place = place_of(minutes, number);
	struct minute *row;

	if (place < minutes->count && minutes->rows[place].number == number)
		return &minutes->rows[place];
	if (minutes->count == MINUTES_MAX) {
		minutes->has_others = true;
		return &minutes->others;
	}
	if (!make_room(minutes))
		return NULL;
	row = &minutes->rows[place];
	memmove(row + 1, row, (minutes->count - place) * sizeof(*row));
	*row = (struct minute){ .number = number };
	minutes->count++;
	return row;
}

struct minute *minutes_enter(struct minutes *minutes, __u64 wall, __u64 held)
{
	__u64 number = wall / MINUTE_NS;
	struct minute *row = minutes->current;

	if (row && row != &minutes->others && row->number == number)
		return row;
	row = row_of(minutes, number);
	if (row)
		minute_hold(row, held);
	minutes->current = row;
	return row;
}

static int by_badness(const void *a, const void *b, void *data)
{
	const struct minute *x = (const struct minute *)data + *(const __u32 *)a;
	const struct minute *y = (const struct minute *)data + *(const __u32 *)b;

	if (x->fails != y->fails)
		return x->fails > y->fails ? -1 : 1;
	if (x->held_max != y->held_max)
		return x->held_max > y->held_max ? -1 : 1;
	return x < y ? -1 : x > y;
}

void minutes_worst(const struct minutes *minutes, __u32 *out)
{
	for (__u32 i = 0; i < minutes->count; i++)
		out[i] = i;
	if (minutes->count)
		qsort_r(out, minutes->count, sizeof(*out), by_badness, minutes->rows);
}

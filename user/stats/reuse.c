// SPDX-License-Identifier: BSD-2-Clause
#include "user/stats/reuse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/stats/key.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define FIRST_ROWS 64

static const char *const by_names[] = {
	[REUSE_BY_PROTO] = "proto",
	[REUSE_BY_NETNS] = "netns",
	[REUSE_BY_PROCESS] = "process",
	[REUSE_BY_PORT] = "port",
};

_Static_assert(ARRAY_SIZE(by_names) == REUSE_BYS, "a name for each by");

const char *reuse_by_name(enum reuse_by by)
{
	return by_names[by];
}

struct reuse *reuse_new(const struct reuse_options *options)
{
	struct reuse *reuse = calloc(1, sizeof(*reuse));

	if (!reuse)
		return NULL;
	reuse->options = *options;
	if (!tuples_init(&reuse->tuples))
		return reuse;
	free(reuse);
	return NULL;
}

void reuse_free(struct reuse *reuse)
{
	if (!reuse)
		return;
	for (__u32 i = 0; i < reuse->rows_count; i++)
		histogram_free(&reuse->rows[i].count.clean);
	histogram_free(&reuse->all.clean);
	histogram_free(&reuse->others.clean);
	histogram_free(&reuse->tuple);
	tuples_free(&reuse->tuples);
	index_free(&reuse->index);
	free(reuse->rows);
	free(reuse);
}

void reuse_begin(struct reuse *reuse, __u64 wall)
{
	reuse->begin = wall;
	reuse->end = wall;
}

void reuse_end(struct reuse *reuse, __u64 wall)
{
	reuse->end = wall > reuse->begin ? wall : reuse->begin;
}

void reuse_forget(struct reuse *reuse)
{
	tuples_clear(&reuse->tuples);
}

/* ---- which row --------------------------------------------------------------- */

static bool row_matches(const void *entries, __u32 entry, const void *key)
{
	const struct reuse *reuse = entries;
	const struct reuse_row *row = &reuse->rows[entry];
	const struct pt_event *ev = key;

	switch (reuse->options.by) {
	case REUSE_BY_PROTO:
		return row->space.proto == ev->space.proto;
	case REUSE_BY_NETNS:
		return key_netns_is_equal(&row->space, &ev->space);
	case REUSE_BY_PROCESS:
		return key_process_is_equal(&row->owner, &ev->owner);
	default:
		return row->port == ev->port && key_space_is_equal(&row->space, &ev->space);
	}
}

static __u32 row_hash(const struct reuse *reuse, const struct pt_event *ev)
{
	switch (reuse->options.by) {
	case REUSE_BY_PROTO:
		return index_hash(ev->space.proto);
	case REUSE_BY_NETNS:
		return key_netns_hash(&ev->space);
	case REUSE_BY_PROCESS:
		return key_process_hash(&ev->owner);
	default:
		return key_port_hash(&ev->space, ev->port);
	}
}

static int rows_make_room(struct reuse *reuse)
{
	__u32 size = reuse->rows_size ? reuse->rows_size * 2 : FIRST_ROWS;
	struct reuse_row *rows;

	if (reuse->rows_count < reuse->rows_size)
		return 0;
	rows = realloc(reuse->rows, size * sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	reuse->rows = rows;
	reuse->rows_size = size;
	return 0;
}

static int row_add(struct reuse *reuse, const struct pt_event *ev, __u32 hash)
{
	int err = rows_make_room(reuse);

	if (!err)
		err = index_add(&reuse->index, hash, reuse->rows_count);
	if (err)
		return err;
	reuse->rows[reuse->rows_count++] = (struct reuse_row){
		.space = ev->space,
		.port = ev->port,
		.owner = ev->owner,
	};
	return 0;
}

/* The event's row, made if it is new and there is room, or that of the others. */
static int row_find(struct reuse *reuse, const struct pt_event *ev, struct reuse_count **count)
{
	__u32 hash = row_hash(reuse, ev);
	__u32 row = index_find(&reuse->index, hash, row_matches, reuse, ev);
	int err;

	if (row == INDEX_NONE && reuse->rows_count == REUSE_ROWS_MAX) {
		reuse->has_others = true;
		*count = &reuse->others;
		return 0;
	}
	if (row == INDEX_NONE) {
		row = reuse->rows_count;
		err = row_add(reuse, ev, hash);
		if (err)
			return err;
	}
	*count = &reuse->rows[row].count;
	return 0;
}

/* ---- events ------------------------------------------------------------------ */

static enum pt_reuse kind_of(const struct pt_event *ev)
{
	if (ev->reuse == PT_REUSE_NONE ||
	    (ev->reuse == PT_REUSE_CLEAN && ev->reuse_ns == PT_UNKNOWN))
		return PT_REUSE_UNKNOWN;
	return ev->reuse;
}

static enum reuse_taker taker_of(const struct pt_event *ev)
{
	if (!ev->prev_known || !ev->owner.known)
		return REUSE_UNSURE;
	if (ev->prev_pid == ev->owner.pid && !strcmp(ev->prev_comm, ev->owner.comm))
		return REUSE_SAME;
	return REUSE_ANOTHER;
}

static int count_alloc(struct reuse_count *count, const struct pt_event *ev)
{
	enum pt_reuse kind = kind_of(ev);

	if (kind == PT_REUSE_CLEAN) {
		int err = histogram_add(&count->clean, ev->reuse_ns);

		if (err)
			return err;
		count->takers[taker_of(ev)]++;
	}
	count->kinds[kind]++;
	count->allocs++;
	return 0;
}

/* ns: since its connection before ended. */
static int count_tuple(struct reuse *reuse, const struct pt_event *ev, __u64 ns)
{
	if (ev->reuse == PT_REUSE_TIME_WAIT)
		return 0;
	if (ns != PT_UNKNOWN && kind_of(ev) != PT_REUSE_UNKNOWN)
		return histogram_add(&reuse->tuple, ns);
	reuse->tuple_unknown++;
	return 0;
}

static int on_alloc(struct reuse *reuse, const struct pt_event *ev, bool counts)
{
	struct reuse_count *row;
	__u64 ns;
	bool again = tuples_begin(&reuse->tuples, ev, &ns);
	int err;

	if (!counts || pt_via_is_found(ev->via))
		return 0;
	err = row_find(reuse, ev, &row);
	if (!err)
		err = count_alloc(row, ev);
	if (!err)
		err = count_alloc(&reuse->all, ev);
	return err || !again ? err : count_tuple(reuse, ev, ns);
}

/* That of a gap in a recording tells no count. */
static void on_lost(struct reuse *reuse, const struct pt_event *ev, bool inside)
{
	tuples_lose(&reuse->tuples);
	if (!inside)
		return;
	reuse->lost += ev->lost_count;
	reuse->lost_unknown |= !ev->lost_count;
}

int reuse_event(struct reuse *reuse, const struct pt_event *ev, bool wanted)
{
	__u64 wall = ev->ts + ev->realtime_offset;
	bool inside = wall >= reuse->options.since;

	if (wall >= reuse->options.until)
		return 0;
	switch (ev->type) {
	case PT_EV_ALLOC:
		return on_alloc(reuse, ev, inside && wanted);
	case PT_EV_FREE:
		tuples_end(&reuse->tuples, ev);
		return 0;
	case PT_EV_LOST:
		on_lost(reuse, ev, inside);
		return 0;
	default:
		return 0;
	}
}

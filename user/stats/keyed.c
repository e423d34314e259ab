// SPDX-License-Identifier: BSD-2-Clause
#include "user/stats/keyed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/array.h"
#include "user/stats/key.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static const char *const by_names[] = {
	[KEYED_BY_PROTO] = "proto", [KEYED_BY_NETNS] = "netns",	  [KEYED_BY_PROCESS] = "process",
	[KEYED_BY_PORT] = "port",   [KEYED_BY_REMOTE] = "remote", [KEYED_BY_FILL] = "fill",
};

_Static_assert(ARRAY_SIZE(by_names) == KEYED_BYS, "a name for each by");

const char *keyed_by_name(enum keyed_by by)
{
	return by_names[by];
}

void keyed_init(struct keyed *keyed, enum keyed_by by, size_t row_size)
{
	*keyed = (struct keyed){ .by = by, .row_size = row_size };
}

void keyed_free(struct keyed *keyed)
{
	index_free(&keyed->index);
	free(keyed->rows);
}

static bool row_matches(const void *entries, __u32 entry, const void *key)
{
	const struct keyed *keyed = entries;
	const union keyed_row *row = keyed_at(keyed, entry);
	const struct keyed_subject *subject = key;
	const struct pt_event *ev = subject->ev;

	switch (keyed->by) {
	case KEYED_BY_PROTO:
		return row->space.proto == ev->space.proto;
	case KEYED_BY_NETNS:
		return key_netns_is_equal(&row->space, &ev->space);
	case KEYED_BY_PROCESS:
		return key_process_is_equal(&row->owner, &ev->owner);
	case KEYED_BY_REMOTE:
		return key_remote_is_equal(row->raddr, row->rport, ev->raddr, ev->rport);
	case KEYED_BY_FILL:
		return row->fill == subject->fill;
	default:
		return row->port == ev->port && key_space_is_equal(&row->space, &ev->space);
	}
}

static __u32 row_hash(const struct keyed *keyed, const struct keyed_subject *subject)
{
	const struct pt_event *ev = subject->ev;

	switch (keyed->by) {
	case KEYED_BY_PROTO:
		return index_hash(ev->space.proto);
	case KEYED_BY_NETNS:
		return key_netns_hash(&ev->space);
	case KEYED_BY_PROCESS:
		return key_process_hash(&ev->owner);
	case KEYED_BY_REMOTE:
		return key_remote_hash(ev->raddr, ev->rport);
	case KEYED_BY_FILL:
		return index_hash(subject->fill);
	default:
		return key_port_hash(&ev->space, ev->port);
	}
}

static void row_set_key(const struct keyed *keyed, union keyed_row *row,
			const struct keyed_subject *subject)
{
	const struct pt_event *ev = subject->ev;

	switch (keyed->by) {
	case KEYED_BY_PROCESS:
		row->owner = ev->owner;
		return;
	case KEYED_BY_REMOTE:
		row->rport = ev->rport;
		memcpy(row->raddr, ev->raddr, sizeof(row->raddr));
		return;
	case KEYED_BY_FILL:
		row->fill = subject->fill;
		return;
	default:
		row->space = ev->space;
		row->port = ev->port;
	}
}

static int row_add(struct keyed *keyed, const struct keyed_subject *subject, __u32 hash)
{
	void *rows = array_make_room(keyed->rows, keyed->count, &keyed->room, keyed->row_size);
	int err;

	if (!rows)
		return -ENOMEM;
	keyed->rows = rows;
	err = index_add(&keyed->index, hash, keyed->count);
	if (err)
		return err;
	memset(keyed_at(keyed, keyed->count), 0, keyed->row_size);
	row_set_key(keyed, keyed_at(keyed, keyed->count), subject);
	keyed->count++;
	return 0;
}

int keyed_find(struct keyed *keyed, const struct keyed_subject *subject, void **row)
{
	__u32 hash = row_hash(keyed, subject);
	__u32 number = index_find(&keyed->index, hash, row_matches, keyed, subject);
	int err;

	*row = NULL;
	if (number == INDEX_NONE && keyed->count == KEYED_ROWS_MAX) {
		keyed->has_others = true;
		return 0;
	}
	if (number == INDEX_NONE) {
		number = keyed->count;
		err = row_add(keyed, subject, hash);
		if (err)
			return err;
	}
	*row = keyed_at(keyed, number);
	return 0;
}

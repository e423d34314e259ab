// SPDX-License-Identifier: BSD-2-Clause
#include "user/ledger/merge.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/event/decode.h"

/* A TIME_WAIT has its socket's cookie; where there are none it is known by its address. */
static __u64 id_of(const struct ledger_unit *unit)
{
	return unit->time_wait && !pt_space_has_cookies(&unit->space) ? unit->tw : unit->sock;
}

static const struct ledger_unit *unit_at(const void *entries, __u32 entry)
{
	return snapshot_row(entries, entry, NULL);
}

/* ---- rows, by what they are -------------------------------------------------- */

static bool same_tuple(const struct pt_tuple *a, const struct pt_tuple *b)
{
	return a->rport == b->rport && !memcmp(a->laddr, b->laddr, sizeof(a->laddr)) &&
	       !memcmp(a->raddr, b->raddr, sizeof(a->raddr));
}

/* Of several TIME_WAITs that one socket left the 4-tuple tells which. */
static bool same_unit(const struct ledger_unit *a, const struct ledger_unit *b)
{
	if (id_of(a) != id_of(b) || a->port != b->port || a->time_wait != b->time_wait)
		return false;
	return !a->time_wait || !pt_space_has_cookies(&a->space) ||
	       same_tuple(&a->tuple, &b->tuple);
}

static bool unit_matches(const void *entries, __u32 entry, const void *key)
{
	return same_unit(unit_at(entries, entry), key);
}

static __u32 find_row(const struct merge *merge, const struct ledger_unit *unit)
{
	return index_find(&merge->units, index_hash(id_of(unit)), unit_matches, merge->snapshot,
			  unit);
}

static int index_pass(struct merge *merge, enum snapshot_pass wanted)
{
	const struct ledger_unit *unit;
	enum snapshot_pass pass;

	for (__u32 i = 0; (unit = snapshot_row(merge->snapshot, i, &pass)); i++)
		if (pass == wanted && find_row(merge, unit) == INDEX_NONE &&
		    index_add(&merge->units, index_hash(id_of(unit)), i))
			return -ENOMEM;
	return 0;
}

/* The second dump's rows first: only they have owners. */
static int index_units(struct merge *merge)
{
	return index_pass(merge, SNAPSHOT_SECOND) ?: index_pass(merge, SNAPSHOT_FIRST);
}

const struct ledger_unit *merge_find(const struct merge *merge, const struct ledger_unit *unit)
{
	__u32 entry = find_row(merge, unit);

	return entry == INDEX_NONE ? NULL : unit_at(merge->snapshot, entry);
}

/* ---- accepted sockets -------------------------------------------------------- */

static bool listener_hears(const struct ledger_unit *listener, const struct ledger_unit *unit)
{
	return pt_addr_is_any(listener->tuple.laddr) ||
	       !memcmp(listener->tuple.laddr, unit->tuple.laddr, sizeof(unit->tuple.laddr));
}

static bool listener_matches(const void *entries, __u32 entry, const void *key)
{
	const struct ledger_unit *listener = unit_at(entries, entry), *unit = key;

	return listener->port == unit->port && pt_space_is_same(&listener->space, &unit->space) &&
	       listener_hears(listener, unit);
}

static __u32 listener_hash(const struct ledger_unit *unit)
{
	return index_hash(unit->space.netns_cookie << 16 ^ (__u64)unit->space.netns << 32 ^
			  unit->port);
}

static int index_listeners(struct merge *merge)
{
	const struct ledger_unit *unit;

	for (__u32 i = 0; (unit = snapshot_row(merge->snapshot, i, NULL)); i++)
		if (unit->listening && index_add(&merge->listeners, listener_hash(unit), i))
			return -ENOMEM;
	return 0;
}

/* A connection on an address and port that somebody listens on. */
static bool is_accepted(const struct merge *merge, const struct ledger_unit *unit)
{
	return unit->tuple.rport && !unit->listening &&
	       index_find(&merge->listeners, listener_hash(unit), listener_matches, merge->snapshot,
			  unit) != INDEX_NONE;
}

/* ---- what the records tell --------------------------------------------------- */

struct told_key {
	__u64 id;
	__u16 port;
};

static bool told_matches(const void *entries, __u32 entry, const void *key)
{
	const struct told *told = (const struct told *)entries + entry;
	const struct told_key *wanted = key;

	return told->id == wanted->id && told->port == wanted->port;
}

static __u32 told_first(const struct merge *merge, __u64 id, __u16 port)
{
	struct told_key key = { id, port };

	return index_find(&merge->told_index, index_hash(id), told_matches, merge->told, &key);
}

static int tell(struct merge *merge, __u64 id, const struct pt_rec_head *head)
{
	__u32 first = told_first(merge, id, head->port), size;
	struct told *told;

	if (merge->told_count == merge->told_size) {
		size = merge->told_size ? 2 * merge->told_size : 256;
		told = realloc(merge->told, size * sizeof(*told));
		if (!told)
			return -ENOMEM;
		merge->told = told;
		merge->told_size = size;
	}
	merge->told[merge->told_count] = (struct told){ id, head, INDEX_NONE, head->port };
	if (first == INDEX_NONE)
		return index_add(&merge->told_index, index_hash(id), merge->told_count++);
	/* behind the first, which the index has */
	merge->told[merge->told_count].next = merge->told[first].next;
	merge->told[first].next = merge->told_count++;
	return 0;
}

static int tell_record(struct merge *merge, const struct pt_rec_head *head)
{
	bool cookies = !(head->netns_cookie & PT_NO_COOKIES);

	switch (head->kind) {
	case PT_REC_ALLOC:
	case PT_REC_RELEASE:
		return tell(merge, head->sock, head);
	case PT_REC_TW_BEGIN:
		/* of the socket, and where the two have not one name of the TIME_WAIT too */
		return tell(merge, head->sock, head)
			       ?: cookies ? 0
					  : tell(merge, decode_tuple(head)->tw, head);
	case PT_REC_TW_END:
		return tell(merge, cookies ? head->sock : decode_tw_end(head)->tw, head);
	default:
		return 0;
	}
}

static int index_records(struct merge *merge)
{
	const struct pt_rec_head *head;
	size_t position = 0, size;
	const void *record;
	int err = 0;

	while (!err && (record = snapshot_record(merge->snapshot, &position, &size)))
		if (!decode_record(record, size, &head))
			err = tell_record(merge, head);
	return err;
}

/* The record of that kind about it; for the beginning of a TIME_WAIT: just that one. */
static const struct pt_rec_head *find_told(const struct merge *merge,
					   const struct ledger_unit *unit, enum pt_kind kind)
{
	const struct told *told;

	for (__u32 i = told_first(merge, id_of(unit), unit->port); i != INDEX_NONE;
	     i = told->next) {
		told = &merge->told[i];
		if (told->head->kind != kind)
			continue;
		if (kind != PT_REC_TW_BEGIN || !unit->time_wait ||
		    same_tuple(&decode_tuple(told->head)->tuple, &unit->tuple))
			return told->head;
	}
	return NULL;
}

bool merge_tells_end(const struct merge *merge, const struct ledger_unit *unit)
{
	const struct pt_rec_head *begin;

	if (unit->time_wait)
		return find_told(merge, unit, PT_REC_TW_END);
	begin = find_told(merge, unit, PT_REC_TW_BEGIN);
	/* an ALLOC says that it had let go before, unseen */
	return find_told(merge, unit, PT_REC_RELEASE) || find_told(merge, unit, PT_REC_ALLOC) ||
	       (begin && begin->flags & PT_F_SOCK_GONE);
}

/*
 * Its state before the records. A TIME_WAIT that they tell the beginning of was
 * still a socket then. Returns false if it was nothing, or ended among them.
 */
static bool state_before(const struct merge *merge, struct ledger_unit *unit)
{
	const struct pt_rec_head *begin;

	if (find_told(merge, unit, PT_REC_ALLOC))
		return false;
	begin = find_told(merge, unit, PT_REC_TW_BEGIN);
	if (begin) {
		unit->sock = begin->sock;
		unit->tw = 0;
		unit->time_wait = false;
		return true;
	}
	return !find_told(merge, unit, unit->time_wait ? PT_REC_TW_END : PT_REC_RELEASE);
}

bool merge_next(const struct merge *merge, __u32 *next, struct ledger_unit *unit)
{
	const struct ledger_unit *row;
	enum snapshot_pass pass;

	while ((row = snapshot_row(merge->snapshot, *next, &pass))) {
		(*next)++;
		if (pass != SNAPSHOT_SECOND || is_accepted(merge, row))
			continue;
		*unit = *row;
		if (state_before(merge, unit))
			return true;
	}
	return false;
}

int merge_begin(struct merge *merge, struct snapshot *snapshot)
{
	*merge = (struct merge){ .snapshot = snapshot };
	return index_units(merge) ?: index_listeners(merge) ?: index_records(merge);
}

void merge_end(struct merge *merge)
{
	index_free(&merge->units);
	index_free(&merge->listeners);
	index_free(&merge->told_index);
	free(merge->told);
}

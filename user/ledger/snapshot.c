// SPDX-License-Identifier: BSD-2-Clause
#include "user/ledger/snapshot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/index.h"
#include "user/event/decode.h"

struct row {
	struct ledger_found found;
	bool told; /* by the records: allocated, or gone */
	enum snapshot_pass pass;
};

struct snapshot {
	struct row *rows;
	__u32 rows_count, rows_size;
	char *records; /* each behind its size, 8 bytes aligned */
	size_t records_len, records_size;
};

struct snapshot *snapshot_new(void)
{
	return calloc(1, sizeof(struct snapshot));
}

void snapshot_free(struct snapshot *snapshot)
{
	if (!snapshot)
		return;
	free(snapshot->rows);
	free(snapshot->records);
	free(snapshot);
}

int snapshot_add_row(struct snapshot *snapshot, const struct ledger_found *row,
		     enum snapshot_pass pass)
{
	if (snapshot->rows_count == snapshot->rows_size) {
		__u32 size = snapshot->rows_size ? 2 * snapshot->rows_size : 256;
		struct row *rows = realloc(snapshot->rows, size * sizeof(*rows));

		if (!rows)
			return -ENOMEM;
		snapshot->rows = rows;
		snapshot->rows_size = size;
	}
	snapshot->rows[snapshot->rows_count++] = (struct row){ .found = *row, .pass = pass };
	return 0;
}

static size_t aligned(size_t size)
{
	return (size + 7) & ~(size_t)7;
}

int snapshot_add_record(struct snapshot *snapshot, const void *record, size_t size)
{
	size_t need = snapshot->records_len + sizeof(__u64) + aligned(size);
	__u64 stored = size;

	if (need > snapshot->records_size) {
		size_t larger = 2 * need;
		char *records = realloc(snapshot->records, larger);

		if (!records)
			return -ENOMEM;
		snapshot->records = records;
		snapshot->records_size = larger;
	}
	memcpy(snapshot->records + snapshot->records_len, &stored, sizeof(stored));
	memcpy(snapshot->records + snapshot->records_len + sizeof(stored), record, size);
	snapshot->records_len = need;
	return 0;
}

const void *snapshot_record(const struct snapshot *snapshot, size_t *position, size_t *size)
{
	const char *record;
	__u64 stored;

	if (*position == snapshot->records_len)
		return NULL;
	memcpy(&stored, snapshot->records + *position, sizeof(stored));
	record = snapshot->records + *position + sizeof(stored);
	*position += sizeof(stored) + aligned(stored);
	*size = stored;
	return record;
}

/* ---- which rows were there before -------------------------------------------- */

struct row_key {
	__u64 sock;
	__u16 port;
};

static bool row_matches(const void *entries, __u32 entry, const void *key)
{
	const struct ledger_found *found = &((const struct row *)entries)[entry].found;
	const struct row_key *wanted = key;

	return found->sock == wanted->sock && found->port == wanted->port;
}

/*
 * One socket can have a row of its own and one for each TIME_WAIT it left: its
 * first row is in the index, and stands for what is known of the socket.
 */
static int index_rows(const struct snapshot *snapshot, struct index *index)
{
	for (__u32 i = 0; i < snapshot->rows_count; i++) {
		const struct ledger_found *found = &snapshot->rows[i].found;
		struct row_key key = { found->sock, found->port };
		__u32 hash = index_hash(found->sock);

		if (index_find(index, hash, row_matches, snapshot->rows, &key) == INDEX_NONE &&
		    index_add(index, hash, i))
			return -ENOMEM;
	}
	return 0;
}

/* Allocated under our eyes: the ledger has it all. Or gone: it is no hold. */
static bool record_tells(const struct pt_rec_head *head)
{
	return head->kind == PT_REC_ALLOC || head->kind == PT_REC_RELEASE ||
	       head->kind == PT_REC_TW_END;
}

static void mark_told(struct snapshot *snapshot, const struct index *index)
{
	const struct pt_rec_head *head;
	size_t position = 0, size;
	const void *record;

	while ((record = snapshot_record(snapshot, &position, &size))) {
		struct row_key key;
		__u32 entry;

		if (decode_record(record, size, &head) || !record_tells(head))
			continue;
		key = (struct row_key){ head->sock, head->port };
		entry = index_find(index, index_hash(head->sock), row_matches, snapshot->rows,
				   &key);
		if (entry != INDEX_NONE)
			snapshot->rows[entry].told = true;
	}
}

static bool is_told(const struct snapshot *snapshot, const struct index *index,
		    const struct ledger_found *found)
{
	struct row_key key = { found->sock, found->port };
	__u32 first = index_find(index, index_hash(found->sock), row_matches, snapshot->rows, &key);

	return snapshot->rows[first].told;
}

/* ---- accepted sockets -------------------------------------------------------- */

static bool listener_matches(const void *entries, __u32 entry, const void *key)
{
	const struct ledger_found *listener = &((const struct row *)entries)[entry].found;
	const struct ledger_found *found = key;

	return listener->port == found->port && pt_space_is_same(&listener->space, &found->space);
}

static __u32 listener_hash(const struct ledger_found *found)
{
	return index_hash(found->space.netns_cookie << 16 ^ (__u64)found->space.netns << 32 ^
			  found->port);
}

static int index_listeners(const struct snapshot *snapshot, struct index *index)
{
	for (__u32 i = 0; i < snapshot->rows_count; i++) {
		const struct ledger_found *found = &snapshot->rows[i].found;

		if (found->listening && index_add(index, listener_hash(found), i))
			return -ENOMEM;
	}
	return 0;
}

/* A connection on a port that somebody listens on. */
static bool is_accepted(const struct snapshot *snapshot, const struct index *listeners,
			const struct ledger_found *found)
{
	return found->tuple.rport && !found->listening &&
	       index_find(listeners, listener_hash(found), listener_matches, snapshot->rows,
			  found) != INDEX_NONE;
}

/* What a dump and its records say, once their rows are indexed. */
struct merge {
	const struct snapshot *snapshot;
	struct index socks;
	struct index listeners;
};

static int merge_begin(struct merge *merge, struct snapshot *snapshot)
{
	int err;

	*merge = (struct merge){ .snapshot = snapshot };
	err = index_rows(snapshot, &merge->socks);
	if (!err)
		err = index_listeners(snapshot, &merge->listeners);
	if (!err)
		mark_told(snapshot, &merge->socks);
	return err;
}

static void merge_end(struct merge *merge)
{
	index_free(&merge->socks);
	index_free(&merge->listeners);
}

/* The pass's next row that is a hold from before, from *next = 0 on; NULL: no more. */
static const struct ledger_found *merge_next(const struct merge *merge, enum snapshot_pass pass,
					     __u32 *next)
{
	const struct snapshot *snapshot = merge->snapshot;

	while (*next < snapshot->rows_count) {
		const struct row *row = &snapshot->rows[(*next)++];

		if (row->pass == pass && !is_told(snapshot, &merge->socks, &row->found) &&
		    !is_accepted(snapshot, &merge->listeners, &row->found))
			return &row->found;
	}
	return NULL;
}

static int put_rows(const struct merge *merge, struct ledger *ledger, __u64 ts)
{
	const struct ledger_found *found;
	__u32 next = 0;
	int err = 0;

	while (!err && (found = merge_next(merge, SNAPSHOT_SECOND, &next)))
		err = ledger_found(ledger, found, ts);
	return err;
}

/* The second dump says anew what there is of a hold; the first, that it is there. */
static void keep_rows(const struct merge *merge, struct ledger *ledger)
{
	const struct ledger_found *found;
	__u32 next = 0;

	while ((found = merge_next(merge, SNAPSHOT_SECOND, &next)))
		ledger_resync_keep(ledger, found, true);
	next = 0;
	while ((found = merge_next(merge, SNAPSHOT_FIRST, &next)))
		ledger_resync_keep(ledger, found, false);
}

static void keep_told(const struct snapshot *snapshot, struct ledger *ledger)
{
	const struct pt_rec_head *head;
	size_t position = 0, size;
	const void *record;

	while ((record = snapshot_record(snapshot, &position, &size)))
		if (!decode_record(record, size, &head) && record_tells(head))
			ledger_resync_keep_told(ledger, head);
}

int snapshot_apply(struct snapshot *snapshot, struct ledger *ledger, __u64 ts)
{
	struct merge merge;
	int err = merge_begin(&merge, snapshot) ?: put_rows(&merge, ledger, ts);

	merge_end(&merge);
	return err;
}

int snapshot_resync(struct snapshot *snapshot, struct ledger *ledger, __u64 ts, bool idle_unseen)
{
	struct merge merge;
	int err = merge_begin(&merge, snapshot);

	if (!err) {
		ledger_resync_begin(ledger);
		keep_told(snapshot, ledger);
		keep_rows(&merge, ledger);
		ledger_resync_sweep(ledger, ts, idle_unseen);
		err = put_rows(&merge, ledger, ts);
	}
	if (!err)
		ledger_resync_end(ledger, ts);
	merge_end(&merge);
	return err;
}

static int adopt(struct ledger *ledger, const struct ledger_found *row, __u64 ts,
		 const struct ledger_orphan *orphan)
{
	struct ledger_found child = *row;

	if (row->port != orphan->port || !row->tuple.rport ||
	    !pt_space_is_same(&row->space, &orphan->space) || ledger_holds(ledger, row))
		return 0;
	child.owner = orphan->owner;
	child.accepted = true;
	return ledger_found(ledger, &child, ts);
}

int snapshot_adopt(struct snapshot *snapshot, struct ledger *ledger, __u64 ts,
		   const struct ledger_orphan *orphan)
{
	const struct ledger_found *found;
	struct merge merge;
	__u32 next = 0;
	int err = merge_begin(&merge, snapshot);

	while (!err && (found = merge_next(&merge, SNAPSHOT_SECOND, &next)))
		err = adopt(ledger, found, ts, orphan);
	merge_end(&merge);
	return err;
}

// SPDX-License-Identifier: BSD-2-Clause
#include "user/ledger/snapshot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/ledger/merge.h"

struct row {
	struct ledger_unit unit;
	enum snapshot_pass pass;
};

struct netns {
	__u32 inode;
	enum snapshot_netns seen;
};

struct snapshot {
	struct row *rows;
	__u32 rows_count, rows_size;
	char *records; /* each behind its size, 8 bytes aligned */
	size_t records_len, records_size;
	struct netns *netns;
	__u32 netns_count;
	bool idle_by_files;
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
	free(snapshot->netns);
	free(snapshot);
}

int snapshot_add_row(struct snapshot *snapshot, const struct ledger_unit *row,
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
	snapshot->rows[snapshot->rows_count++] = (struct row){ *row, pass };
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

const struct ledger_unit *snapshot_row(const struct snapshot *snapshot, __u32 number,
				       enum snapshot_pass *pass)
{
	if (number >= snapshot->rows_count)
		return NULL;
	if (pass)
		*pass = snapshot->rows[number].pass;
	return &snapshot->rows[number].unit;
}

int snapshot_add_netns(struct snapshot *snapshot, __u32 netns, enum snapshot_netns seen)
{
	struct netns *grown =
		realloc(snapshot->netns, (snapshot->netns_count + 1) * sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	snapshot->netns = grown;
	snapshot->netns[snapshot->netns_count++] = (struct netns){ netns, seen };
	return 0;
}

enum snapshot_netns snapshot_netns(const struct snapshot *snapshot, __u32 netns)
{
	for (__u32 i = 0; i < snapshot->netns_count; i++)
		if (snapshot->netns[i].inode == netns)
			return snapshot->netns[i].seen;
	return NETNS_VANISHED;
}

void snapshot_set_idle_by_files(struct snapshot *snapshot)
{
	snapshot->idle_by_files = true;
}

bool snapshot_idle_by_files(const struct snapshot *snapshot)
{
	return snapshot->idle_by_files;
}

/* ---- into the ledger --------------------------------------------------------- */

/* known: only what holds on that the ledger has already. */
static int put_rows(const struct merge *merge, struct ledger *ledger, __u64 ts, bool known)
{
	struct ledger_unit unit;
	__u32 next = 0;
	int err = 0;

	while (!err && merge_next(merge, &next, &unit))
		if (!known || ledger_knows(ledger, &unit))
			err = ledger_found(ledger, &unit, ts);
	return err;
}

int snapshot_apply(struct snapshot *snapshot, struct ledger *ledger, __u64 ts)
{
	struct merge merge;
	int err = merge_begin(&merge, snapshot) ?: put_rows(&merge, ledger, ts, false);

	merge_end(&merge);
	return err;
}

struct sweep {
	const struct merge *merge;
	bool vanished_stay;
	bool stayed; /* one of these */
};

static bool goes_on(void *data, const struct ledger_unit *unit)
{
	struct sweep *sweep = data;
	enum snapshot_netns netns;

	if (merge_find(sweep->merge, unit) || merge_tells_end(sweep->merge, unit))
		return true;
	netns = snapshot_netns(sweep->merge->snapshot, unit->space.netns);
	if (netns != NETNS_VANISHED || !sweep->vanished_stay)
		return netns == NETNS_UNSEEN;
	sweep->stayed = true;
	return true;
}

int snapshot_resync(struct snapshot *snapshot, struct ledger *ledger, __u64 ts, bool vanished_stay)
{
	struct merge merge;
	struct sweep sweep = { .merge = &merge, .vanished_stay = vanished_stay };
	int err = merge_begin(&merge, snapshot);

	ledger_doubt(ledger);
	/* first, or a hold of which only a new TIME_WAIT is left would end */
	if (!err)
		err = put_rows(&merge, ledger, ts, true);
	if (!err) {
		ledger_sweep(ledger, goes_on, &sweep, ts);
		err = put_rows(&merge, ledger, ts, false);
	}
	if (!err)
		ledger_certain(ledger, ts);
	merge_end(&merge);
	return err ?: sweep.stayed;
}

static int adopt(struct ledger *ledger, struct ledger_unit *child, __u64 ts,
		 const struct ledger_orphan *orphan)
{
	if (child->port != orphan->port || !child->tuple.rport ||
	    !pt_space_is_same(&child->space, &orphan->space))
		return 0;
	child->owner = orphan->owner;
	child->accepted = true;
	return ledger_found(ledger, child, ts);
}

int snapshot_adopt(struct snapshot *snapshot, struct ledger *ledger, __u64 ts,
		   const struct ledger_orphan *orphan)
{
	struct ledger_unit unit;
	struct merge merge;
	__u32 next = 0;
	int err = merge_begin(&merge, snapshot);

	while (!err && merge_next(&merge, &next, &unit))
		err = adopt(ledger, &unit, ts, orphan);
	merge_end(&merge);
	return err;
}

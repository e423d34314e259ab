/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Holds from before the trace: what a dump of the kernel's tables found, merged
 * with the records that came while it was taken. Pure, like the ledger.
 *
 * The programs run first, then the dump. So a socket of the dump was there
 * before, or its allocation is among the records; and if it let go meanwhile,
 * that is among them too. (Not if it had no cookie when it let go: the dump is
 * taken twice, and only the second one counts.)
 */
#ifndef PORTTRACE_LEDGER_SNAPSHOT_H
#define PORTTRACE_LEDGER_SNAPSHOT_H

#include "user/ledger/ledger.h"

struct snapshot;

/* Returns NULL if there is no memory. */
struct snapshot *snapshot_new(void);
void snapshot_free(struct snapshot *snapshot);

/*
 * A row of the first dump only says that its socket was there: a long dump can
 * skip one whose neighbour goes meanwhile, so a hold is gone when both lack it.
 */
enum snapshot_pass {
	SNAPSHOT_FIRST,
	SNAPSHOT_SECOND,
};

/* Both copy. Return 0 or -ENOMEM. */
int snapshot_add_row(struct snapshot *snapshot, const struct ledger_found *row,
		     enum snapshot_pass pass);
int snapshot_add_record(struct snapshot *snapshot, const void *record, size_t size);

/*
 * Puts what was there before into the ledger, as of ts (CLOCK_BOOTTIME, ns, no
 * later than the first record). Sockets that accept() returned share their
 * listener's port and are left out.
 * Returns 0 or -ENOMEM.
 */
int snapshot_apply(struct snapshot *snapshot, struct ledger *ledger, __u64 ts);

/*
 * The same after a loss, for a ledger that has holds: those that the dump does
 * not have end, `unknown`; what it has and the ledger has not enters. ts: when
 * the dump began. idle_unseen: the dump lacks sockets that are only bound.
 * Returns 0 or -ENOMEM.
 */
int snapshot_resync(struct snapshot *snapshot, struct ledger *ledger, __u64 ts, bool idle_unseen);

/*
 * After a listener's hold ended: the sockets that it accepted and that hold its
 * port on enter, `accept`, charged to its owner.
 * Returns 0 or -ENOMEM.
 */
int snapshot_adopt(struct snapshot *snapshot, struct ledger *ledger, __u64 ts,
		   const struct ledger_orphan *orphan);

/* The next record that was added, in order, from *position = 0 on; NULL: no more. */
const void *snapshot_record(const struct snapshot *snapshot, size_t *position, size_t *size);

#endif /* PORTTRACE_LEDGER_SNAPSHOT_H */
